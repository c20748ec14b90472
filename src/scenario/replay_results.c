/* SPDX-License-Identifier: MIT */
/* Held results (see replay_results.h). */
#include "scenario/replay_results.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

/* As a system call tells it: the last page of addresses. */
static bool is_error(int64_t result) {
    return result < 0 && result > -4096;
}

/* Addresses need not be the same; that there is one must be. */
static bool gives_address(unsigned type) {
    return type == VMSIM_TRACE_MMAP || type == VMSIM_TRACE_MREMAP || type == VMSIM_TRACE_BRK;
}

/* The first of each kind is kept whole: it is what a person looks into. */
static void count(struct vmsim__replay_results *r, unsigned kind, const struct vmsim__replay_difference *first) {
    VMSIM__ASSERT(kind < VMSIM__REPLAY_KINDS);
    struct vmsim__replay_difference *d = &r->kinds[kind];
    uint64_t before = d->count;
    if (!before)
        *d = *first;
    d->count = before + 1;
}

/* Addresses are compared by whether there is one: mappings lie where the simulated kernel puts them. Differences are
 * counted by kind of call, each with its first example, and no run stops for one. */
void vmsim__replay_compare(struct vmsim__replay_results *r, const struct vmsim_trace_event *e, int64_t here,
                           uint32_t task, uint64_t time, const char *file) {
    VMSIM__ASSERT((unsigned)e->type < VMSIM_TRACE_EVENT_TYPES);
    bool same = here == e->result;
    if (gives_address(e->type) && !is_error(e->result))
        same = !is_error(here);
    r->compared++;
    if (same)
        return;
    struct vmsim__replay_difference d = {.time = time, .task = task, .recorded = e->result, .here = here};
    const char *slash = file ? strrchr(file, '/') : NULL;
    snprintf(d.file, sizeof d.file, "%s", slash ? slash + 1 : file ? file : "");
    count(r, e->type, &d);
}

/* A task that was to end by itself and was killed here: everything behind it in its recording did not happen. */
void vmsim__replay_died(struct vmsim__replay_results *r, int64_t recorded, int64_t here, uint32_t task, uint64_t time) {
    VMSIM__ASSERT(recorded >= 0);
    const struct vmsim__replay_difference d = {.time = time, .task = task, .recorded = recorded, .here = here};
    count(r, VMSIM_TRACE_EXIT, &d);
}

uint64_t vmsim__replay_differences(const struct vmsim__replay_results *r) {
    uint64_t n = 0;
    for (unsigned i = 0; i < VMSIM__REPLAY_KINDS; i++)
        n += r->kinds[i].count;
    return n;
}
