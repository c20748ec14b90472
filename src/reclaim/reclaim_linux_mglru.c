/* SPDX-License-Identifier: MIT */
/* Reclaim "linux-mglru": generations. What is used moves to the youngest when it is met, the oldest is evicted, and
 * before there are too few a walk over all that were used begins another.
 *
 *     youngest [ new ones, used ones ] [ ... ] oldest [ ... unused --> gone
 *                    ^-----------------------------------'  used
 *
 * In a machine this name stands for the kernel's mechanism itself (mglru*.c), with its tiers, its Bloom filters and its
 * balance of anonymous memory and files; this is its rule of choice in small, for the harness. Kernel counterpart:
 * inc_max_seq, evict_folios of mm/vmscan.c. */
#include "reclaim/reclaim_policy.h"

#define GENERATIONS 4u /* MAX_NR_GENS */
#define LEAST 3u       /* MIN_NR_GENS, and the one that is evicted from */

struct linux_mglru {
    const struct vmsim_reclaim_services *s;
    uint32_t list[GENERATIONS]; /* by sequence number, modulo; newest at the head */
    uint64_t oldest, youngest;  /* sequence numbers */
};

static uint32_t list_of_generation(const struct linux_mglru *g, uint64_t sequence) {
    return g->list[sequence % GENERATIONS];
}

static int linux_mglru_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                              const void *params, void **context) {
    (void)scope, (void)params;
    struct linux_mglru *g = reclaim_allocate(s, sizeof *g);
    if (!g)
        return VMSIM_ENOMEM;
    *context = g;
    *g = (struct linux_mglru){.s = s};
    for (unsigned i = 0; i < GENERATIONS; i++) {
        g->list[i] = s->list_create(s->host);
        if (!g->list[i])
            return VMSIM_ENOMEM;
    }
    return 0;
}

static void linux_mglru_destroy(void *context) {
    struct linux_mglru *g = context;
    reclaim_release(g->s, g, sizeof *g);
}

static void linux_mglru_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct linux_mglru *g = context;
    (void)access;
    g->s->list_add(g->s->host, list_of_generation(g, g->youngest), folio, false);
}

/* Another generation begins with all that were used. */
static void age(struct linux_mglru *g) {
    const struct vmsim_reclaim_services *s = g->s;
    VMSIM__ASSERT(g->youngest - g->oldest + 1 < GENERATIONS);
    const uint32_t next = list_of_generation(g, g->youngest + 1);
    VMSIM__ASSERT(!s->list_length(s->host, next));
    for (uint64_t seq = g->oldest; seq <= g->youngest; seq++) {
        vmsim_folio at = s->list_end(s->host, list_of_generation(g, seq), true);
        while (at) {
            const vmsim_folio folio = at;
            at = s->list_step(s->host, folio, false);
            if (s->young(s->host, folio, true))
                s->list_move(s->host, next, folio, false);
        }
    }
    g->youngest++;
}

/* What was used since the walk goes to the youngest. */
static uint32_t propose(const struct linux_mglru *g, struct vmsim_reclaim_request *r) {
    const struct vmsim_reclaim_services *s = g->s;
    uint32_t n = 0;
    vmsim_folio at = s->list_end(s->host, list_of_generation(g, g->oldest), true);
    while (at && n < r->wanted) {
        const vmsim_folio folio = at;
        at = s->list_step(s->host, folio, false);
        if (s->young(s->host, folio, true))
            s->list_move(s->host, list_of_generation(g, g->youngest), folio, false);
        else
            r->folio[n++] = folio;
    }
    return n;
}

/* A generation that has none to give is over; each round ends one, and nothing is young twice. */
static uint32_t linux_mglru_evict(void *context, struct vmsim_reclaim_request *r) {
    struct linux_mglru *g = context;
    uint32_t n = 0;
    for (unsigned round = 0; !n && round <= 2 * GENERATIONS; round++) {
        while (g->youngest - g->oldest + 1 < LEAST)
            age(g);
        n = propose(g, r);
        g->oldest += !n;
    }
    return n;
}

const struct vmsim_reclaim_policy vmsim__reclaim_linux_mglru = {
    .policy = {sizeof vmsim__reclaim_linux_mglru, VMSIM_POLICY_ABI, VMSIM_POLICY_RECLAIM, "linux-mglru",
               "Generations, as Linux has them (lru_gen).", NULL, 0},
    .create = linux_mglru_create,
    .destroy = linux_mglru_destroy,
    .folio_added = linux_mglru_added,
    .evict = linux_mglru_evict};
