/* SPDX-License-Identifier: MIT */
/* Files of a replayed trace, and who has them open (see replay_files.c). */
#ifndef VMSIM__REPLAY_FILES_H
#define VMSIM__REPLAY_FILES_H
#include "cache/cache.h"
#include "scenario/engine.h"
#include "vmsim/trace.h"

struct vmsim__replay_fds;

/* A file of the trace. */
struct vmsim__replay_file {
    uint32_t file;  /* id in the machine's cache; 0: none yet, or gone */
    uint32_t opens; /* descriptors */
    bool unlinked;  /* no name leads to it */
    uint8_t swap;   /* type of the swap area that it is, + 1; 0: none */
    uint64_t ino;   /* of the recorded machine's file system; 0: the trace does not say */
    struct vmsim__file_ra ra;
};

struct vmsim__replay_files {
    struct vmsim_trace_reader *reader;
    bool cached; /* regular files are in memory from the beginning */
    struct {
        VMSIM__VEC(struct vmsim__replay_file); /* by trace file */
    } files;
    struct {
        VMSIM__VEC(bool); /* by the machine's file: one of `files` is it */
    } taken;
    struct {
        VMSIM__VEC(struct vmsim__replay_fds *); /* by trace task; NULL: it has opened nothing */
    } tables;
};

void vmsim__replay_files_fini(struct vmsim_scenario *s, struct vmsim__replay_files *rf);
/* The simulated file, made when first met; NULL: it has no pages (a pipe, a terminal), or no memory. */
struct vmsim__file *vmsim__replay_file(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t id);
/* What is known of a file of the trace, whatever it is; NULL: it is none of its files, or there is no memory. */
struct vmsim__replay_file *vmsim__replay_file_known(struct vmsim_scenario *s, struct vmsim__replay_files *rf,
                                                    uint32_t id);
/* What opens, copies, closes descriptors, or takes a file's name; other events are none of its business. Not 0 with
 * s->err set: no host memory. */
int vmsim__replay_descriptors(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t task,
                              const struct vmsim_trace_event *e, unsigned cpu);

#endif
