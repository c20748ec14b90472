/* SPDX-License-Identifier: MIT */
/* The real programs of the `programs` producer, and the files that they work on (programs_table.c). */
#ifndef PROGRAMS_TABLE_H
#define PROGRAMS_TABLE_H
#include <stddef.h>

enum program_kind {
    PROGRAM_DETAILED = 1, /* one process, held against its /proc when it ends as well */
    PROGRAM_SMOKE = 2,    /* of `programs smoke`: recorded and replayed within seconds */
    PROGRAM_VARIES = 4,   /* its output differs from one native run to the next */
    PROGRAM_EXACT = 8,    /* 2 % are not spared */
};

struct program {
    const char *name, *what; /* `what`: for the table's readers */
    unsigned kind;
    /* Paths and programs of /usr/bin, separated by blanks, without which it cannot be run here. */
    const char *needs;
    const char *prepare; /* a shell's script, run once in the folder of the inputs; NULL: nothing */
    char *argv[16];
};

extern const struct program programs_table[];
extern const size_t programs_count;

/* Writes the inputs into `folder`. Exits with a message when it cannot. */
void programs_make_inputs(const char *folder);

#endif
