/* SPDX-License-Identifier: MIT */
/* Recorded calls that came out otherwise in a replay: a program goes on as it did, although this machine gave it
 * something else. Counted by kind of event, with the first place of each. */
#ifndef VMSIM__REPLAY_RESULTS_H
#define VMSIM__REPLAY_RESULTS_H
#include <stdbool.h>
#include <stdint.h>

#include "vmsim/trace.h"

/* Kinds are those of events; an EXIT is of a task that the machine killed though it had ended by itself. */
enum { VMSIM__REPLAY_KINDS = VMSIM_TRACE_EVENT_TYPES };

struct vmsim__replay_difference {
    uint64_t count;
    /* of the first */
    uint64_t time; /* virtual */
    uint32_t task; /* of the machine */
    int64_t recorded, here;
    char file[64]; /* name of the file, or "" */
};

struct vmsim__replay_results {
    uint64_t compared; /* calls */
    struct vmsim__replay_difference kinds[VMSIM__REPLAY_KINDS];
};

/* Compares the result of a call with the recorded one. Addresses are compared by whether there is one. `file`: its
 * path, or NULL. */
void vmsim__replay_compare(struct vmsim__replay_results *r, const struct vmsim_trace_event *e, int64_t here,
                           uint32_t task, uint64_t time, const char *file);
/* A task that ended by itself with `recorded` was killed here by the signal -`here`. */
void vmsim__replay_died(struct vmsim__replay_results *r, int64_t recorded, int64_t here, uint32_t task, uint64_t time);
uint64_t vmsim__replay_differences(const struct vmsim__replay_results *r);
#endif
