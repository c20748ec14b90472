/* SPDX-License-Identifier: MIT */
/* Reclaim "linux-lru": two lists, and a second use leads from the inactive to the active one.
 *
 *     new --> [ inactive ] --used twice--> [ active ]
 *      ^         |    ^--used once: again      |
 *      |         v    `------------------------'   the tail of active, used or not, while active is the longer list
 *      |       gone
 *      `---------'   a folio that comes back after fewer goings than active is long is active at once
 *
 * In a machine this name stands for the kernel's mechanism itself (vmscan.c), with its balance of anonymous memory and
 * files, its batches and its costs; this is its rule of choice in small, for the harness. The word of a folio has its
 * flag REFERENCED. Kernel counterpart: mm/vmscan.c, mm/workingset.c. */
#include "reclaim/reclaim_policy.h"

#define REFERENCED 1u
#define BATCH 32u /* SWAP_CLUSTER_MAX */

struct linux_lru {
    const struct vmsim_reclaim_services *s;
    uint32_t inactive, active; /* lists, newest at the head */
};

static int linux_lru_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                            const void *params, void **context) {
    (void)scope, (void)params;
    struct linux_lru *l = reclaim_allocate(s, sizeof *l);
    if (!l)
        return VMSIM_ENOMEM;
    *context = l;
    l->s = s;
    l->inactive = s->list_create(s->host);
    l->active = s->list_create(s->host);
    return l->inactive && l->active ? 0 : VMSIM_ENOMEM;
}

static void linux_lru_destroy(void *context) {
    struct linux_lru *l = context;
    reclaim_release(l->s, l, sizeof *l);
}

static void linux_lru_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct linux_lru *l = context;
    const bool recent = access->refault_distance <= l->s->list_length(l->s->host, l->active);
    l->s->list_add(l->s->host, recent ? l->active : l->inactive, folio, false);
}

/* Where the inactive list is the shorter one, the oldest of the active go there; that they were used is forgotten. */
static void deactivate(const struct linux_lru *l) {
    const struct vmsim_reclaim_services *s = l->s;
    const uint64_t active = s->list_length(s->host, l->active);
    if (s->list_length(s->host, l->inactive) >= active)
        return;
    for (uint32_t i = 0; i < BATCH && i < active; i++) {
        const vmsim_folio oldest = s->list_end(s->host, l->active, true);
        s->young(s->host, oldest, true);
        *s->word(s->host, oldest) = 0;
        s->list_move(s->host, l->inactive, oldest, false);
    }
}

/* The folio at the tail was used: it stays. */
static void spare(const struct linux_lru *l, vmsim_folio folio) {
    uint64_t *word = l->s->word(l->s->host, folio);
    l->s->list_move(l->s->host, *word & REFERENCED ? l->active : l->inactive, folio, false);
    *word ^= REFERENCED;
}

/* What is spared loses its mark, so that the second look at a folio ends it. */
static uint32_t linux_lru_evict(void *context, struct vmsim_reclaim_request *r) {
    const struct linux_lru *l = context;
    const struct vmsim_reclaim_services *s = l->s;
    uint32_t n = 0;
    deactivate(l);
    uint64_t looks = 2 * s->list_length(s->host, l->inactive);
    for (vmsim_folio at = s->list_end(s->host, l->inactive, true); at && n < r->wanted && looks--;) {
        const vmsim_folio next = s->list_step(s->host, at, false);
        if (s->young(s->host, at, true))
            spare(l, at);
        else
            r->folio[n++] = at;
        at = next || n ? next : s->list_end(s->host, l->inactive, true);
    }
    return n ? n : reclaim_from_end(s, l->active, true, r);
}

const struct vmsim_reclaim_policy vmsim__reclaim_linux_lru = {
    .policy = {sizeof vmsim__reclaim_linux_lru, VMSIM_POLICY_ABI, VMSIM_POLICY_RECLAIM, "linux-lru",
               "Active and inactive lists, as Linux has them.", NULL, 0},
    .create = linux_lru_create,
    .destroy = linux_lru_destroy,
    .folio_added = linux_lru_added,
    .evict = linux_lru_evict};
