/* SPDX-License-Identifier: MIT */
/* TLB replacement "fifo": the entry that came first goes first, used or not. State: the time of each fill. */
#include "tlb/tlb_internal.h"

struct fifo {
    const struct vmsim_policy_services *services;
    uint32_t ways;
    size_t bytes;
    uint64_t came[];
};

static int fifo_create(const struct vmsim_policy_services *services, const struct vmsim_tlb_geometry *g,
                       const void *params, void **context) {
    (void)params;
    size_t bytes = sizeof(struct fifo) + (size_t)g->sets * g->ways * sizeof(uint64_t);
    struct fifo *f = services->allocate(services->host, bytes);
    if (!f)
        return VMSIM_ENOMEM;
    f->services = services;
    f->ways = g->ways;
    f->bytes = bytes;
    *context = f;
    return 0;
}

static void fifo_destroy(void *context) {
    struct fifo *f = context;
    f->services->release(f->services->host, f, f->bytes);
}

static uint32_t fifo_victim(void *context, const struct vmsim_tlb_set *set) {
    VMSIM__ASSERT(set->ways > 0 && set->first + set->ways <= ((const struct fifo *)context)->ways);
    const struct fifo *f = context;
    const uint64_t *came = f->came + (size_t)set->set * f->ways;
    uint32_t at = set->first;
    for (uint32_t w = set->first + 1; w < set->first + set->ways; w++)
        at = came[w] < came[at] ? w : at;
    return at;
}

static void fifo_fill(void *context, const struct vmsim_tlb_set *set, uint32_t way) {
    VMSIM__ASSERT(way < ((const struct fifo *)context)->ways);
    struct fifo *f = context;
    f->came[(size_t)set->set * f->ways + way] = set->now;
}

const struct vmsim_tlb_replacement_policy vmsim__tlb_fifo = {.policy = {sizeof vmsim__tlb_fifo, VMSIM_POLICY_ABI,
                                                                        VMSIM_POLICY_TLB_REPLACEMENT, "fifo",
                                                                        "Evicts the entry that came first.", NULL, 0},
                                                             .create = fifo_create,
                                                             .destroy = fifo_destroy,
                                                             .victim = fifo_victim,
                                                             .fill = fifo_fill};
