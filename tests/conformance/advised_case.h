/* SPDX-License-Identifier: MIT */
/* One captured case of advice on memory: what the kernel said, the same as a described program, and what came of it. */
#ifndef ADVISED_CASE_H
#define ADVISED_CASE_H
#include "captured_machine.h"
#include "scenario/engine.h"

/* A number: of both runs of the kernel (where it has none it did not change, and is 0), and ours. */
struct advised_fact {
    char phase[40], name[64]; /* "p4_reclaim_16M", "vmstat.pgscan_anon" */
    int64_t run[2], got;
    bool captured, have; /* the kernel has the phase; so have we */
};

struct advised {
    char kernel[16], name[64], args[256];
    struct captured_machine machine;
    struct advised_fact *facts;
    size_t count;
    struct {
        char *at;
        size_t size, room;
    } text;              /* the scenario */
    int64_t file_pages;  /* of the mapped file */
    int64_t files[2][2]; /* (in)active pages of files: as the first phase began that changed them, as the last ended */
    char *before;        /* /proc/vmstat as the phase began */
    int64_t flt[2], current; /* minor and major faults, memory.current then */
    char result_of[64];      /* phase whose step's result comes next */
};

/* Reads NAME_a.txt and NAME_b.txt of the folder and describes the case. False: there is nothing to compare. */
bool advised_read(struct advised *c, const char *folder, const char *kernel, const char *name);
void advised_forget(struct advised *c);
/* At a marker of the scenario; the result of the step after a marker "result". */
void advised_marker(struct advised *c, struct vmsim_scenario *s, const char *name, uint32_t task);
void advised_result(struct advised *c, int64_t result);

#endif
