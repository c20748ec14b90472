/* SPDX-License-Identifier: MIT */
/* Foreign traces: one source of bytes (any compression libarchive knows), one sink, a function per format. */
#ifndef VMSIM__IMPORT_H
#define VMSIM__IMPORT_H
#include "base/err.h"
#include "base/vec.h"
#include "vmsim/trace.h"

enum { VMSIM__IMPORT_BATCH = 4096 };

/* One file of the input. */
struct vmsim__import_stream {
    char *name;
    void *archive;
    const unsigned char *at, *end; /* bytes that lie ready */
    uint64_t offset;               /* of `at` in what it unpacks to */
    uint32_t task;                 /* that its records are of */
    uint64_t time, pc;             /* of its last records */
    bool begun, ended, marked;
    bool drained; /* libarchive has said that there is no more, and may not be asked again */
};

struct vmsim__import {
    struct vmsim__alloc *alloc;
    struct vmsim__err err;
    const char *in;
    struct vmsim_trace_import_options *options;
    struct vmsim_trace_writer *writer;
    struct {
        VMSIM__VEC(struct vmsim__import_stream);
    } streams;
    struct vmsim__import_stream *stream; /* that is read now; NULL: none is open */
    uint32_t task;                       /* that the batch is of */
    uint64_t pid;                        /* 0: not known */
    /* references on their way */
    vmsim_access batch[VMSIM__IMPORT_BATCH];
    size_t count;
    /* regions mapped so far and numbers given to objects: open addressing, key + 1 -> value */
    struct vmsim__import_map {
        uint64_t *keys, *values;
        size_t count, size;
    } regions, objects;
    uint64_t last_region;
    /* what the first records said of the others */
    unsigned text_form; /* of lackey's lines, from 1; 0: none has been seen */
    struct vmsim__import_csv {
        bool begun;
        unsigned object, op; /* columns, from 1; 0: none */
        char delimiter;
        int header; /* 1: the first line is one, -1: it is not, 0: not known yet */
    } csv;
};

/* Opens the input, one file or those of a directory, and reads from the first; closes what is open. */
int vmsim__import_open(struct vmsim__import *im);
void vmsim__import_close(struct vmsim__import *im);
/* Reads from this file from now on, and what comes is of its task. */
int vmsim__import_switch(struct vmsim__import *im, struct vmsim__import_stream *s);
/* A thread begins. */
int vmsim__import_thread(struct vmsim__import *im, uint32_t task, uint64_t tid);
/* Takes `n` bytes (n <= 64) into `to`. 1 done, 0 the input ended before the first, or a negative error (also when it
 * ends in the middle). */
int vmsim__import_take(struct vmsim__import *im, void *to, size_t n);
/* Takes a line without its newline, cut at size - 1. 1 done, 0 end, or a negative error. */
int vmsim__import_line(struct vmsim__import *im, char *to, size_t size);
/* Adds a reference; its region is mapped by an MMAP event when it is the first there. Fetches and data that would
 * not fit on user addresses are counted as skipped. */
int vmsim__import_add(struct vmsim__import *im, uint64_t va, uint64_t bytes, enum vmsim_access_type type);
/* Number of an object, dense in order of first sight, in *number. */
int vmsim__import_number(struct vmsim__import *im, uint64_t object, uint64_t *number);
int vmsim__import_fail(struct vmsim__import *im, int code, const char *what);

/* One record each: 1 done, 0 end, or a negative error. */
int vmsim__import_lackey(struct vmsim__import *im);
int vmsim__import_champsim(struct vmsim__import *im);
int vmsim__import_oracle(struct vmsim__import *im);
int vmsim__import_csv(struct vmsim__import *im);
int vmsim__import_txt(struct vmsim__import *im);
int vmsim__import_vscsi(struct vmsim__import *im);
int vmsim__import_drmemtrace(struct vmsim__import *im);

#endif
