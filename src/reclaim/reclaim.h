/* SPDX-License-Identifier: MIT */
/* The domain of reclaim policies, and what every host of one needs: folios by number, the lists that a policy keeps
 * them on, and its proposals looked at before anybody acts on them.
 *
 *     pool: node[i]   next, prev, list, flags        folio i + 1 of the policy's numbers (0 is none)
 *           word[i]   the policy's own 64 bits
 *           shadow[i] what is to stand in its place
 *
 * Lists are rings of indices through the nodes: no pointer, 16 bytes a folio, each operation a few stores. The pool
 * knows nothing of pages or frames: its host numbers folios as it likes (a frame table's order, say), says which are
 * there, and answers the services that are about their contents. */
#ifndef VMSIM__RECLAIM_H
#define VMSIM__RECLAIM_H
#include "base/policy_registry.h"
#include "base/util.h"
#include "base/vec.h"

extern const struct vmsim__policy_domain vmsim__reclaim_domain;

#define VMSIM__RECLAIM_THERE 1u    /* a folio of this number is there */
#define VMSIM__RECLAIM_YOUNG 2u    /* used since it came or since that was cleared */
#define VMSIM__RECLAIM_PROPOSED 4u /* in the batch that is being looked at */

struct vmsim__reclaim_node {
    uint32_t next, prev; /* towards the tail, the head; 0: the list's end, else the number of a folio */
    uint32_t list;       /* 0: none */
    uint32_t flags;
};

struct vmsim__reclaim_list {
    uint32_t head, tail; /* numbers of folios; 0: empty */
    uint64_t length;
};

/* One instance of a policy with its folios. */
struct vmsim__reclaim {
    struct vmsim__reclaim_node *node; /* by number; [0] is nobody */
    uint64_t *word, *shadow;
    uint32_t folios;  /* numbers are 1 to this */
    uint32_t there;   /* how many of them */
    uint32_t unasked; /* where the next victim without a policy is looked for */
    struct {
        VMSIM__VEC(struct vmsim__reclaim_list);
    } lists; /* [0] is none */
    struct vmsim__alloc *alloc;
    const struct vmsim_reclaim_policy *policy;
    struct vmsim__policy_instance instance;
    struct vmsim_reclaim_services services;
};

/* An instance of a policy for `folios` numbers, all of them free. `host` answers what is about contents: its `facts`,
 * `now`, `capacity` and `next_use` (NULL: no future, and policies that want it are refused) are taken; the other
 * members are this layer's. Their first argument is this struct, which must not move; vmsim__reclaim_host() of it is
 * `owner`. */
int vmsim__reclaim_create(struct vmsim__reclaim *r, struct vmsim__policy_registry *policies,
                          const struct vmsim__policy_choice *choice, uint32_t folios,
                          const struct vmsim_reclaim_services *host, const struct vmsim_reclaim_scope *scope,
                          uint64_t seed, struct vmsim__err *err);
void vmsim__reclaim_destroy(struct vmsim__reclaim *r);

/* Folio `number`, which was not there, comes. */
VMSIM__INLINE void vmsim__reclaim_add(struct vmsim__reclaim *r, uint32_t number,
                                      const struct vmsim_folio_access *access) {
    VMSIM__ASSERT(number && number <= r->folios && !r->node[number].flags && !r->node[number].list);
    r->node[number].flags = VMSIM__RECLAIM_THERE;
    r->word[number] = r->shadow[number] = 0;
    r->there++;
    r->policy->folio_added(r->instance.context, number, access);
}

/* It is used. */
VMSIM__INLINE void vmsim__reclaim_use(struct vmsim__reclaim *r, uint32_t number,
                                      const struct vmsim_folio_access *access) {
    VMSIM__ASSERT(r->node[number].flags & VMSIM__RECLAIM_THERE);
    r->node[number].flags |= VMSIM__RECLAIM_YOUNG;
    if (r->policy->folio_accessed)
        r->policy->folio_accessed(r->instance.context, number, access);
}

/* It goes; its shadow, 0 for none. */
uint64_t vmsim__reclaim_remove(struct vmsim__reclaim *r, uint32_t number, enum vmsim_folio_end end);

/* Asks the policy for up to request->wanted folios, and leaves in request->folio those that are there, each once. When
 * the policy names none of all that are, one is found without it. Wrong answers are reported. Returns how many. */
uint32_t vmsim__reclaim_evict(struct vmsim__reclaim *r, struct vmsim_reclaim_request *request);

/* Every list against its nodes: 0, or VMSIM_ECHECK with a text. */
int vmsim__reclaim_check(const struct vmsim__reclaim *r, struct vmsim__err *err);

extern const struct vmsim_reclaim_policy vmsim__reclaim_fifo, vmsim__reclaim_lru, vmsim__reclaim_mru,
    vmsim__reclaim_clock, vmsim__reclaim_random, vmsim__reclaim_lfu, vmsim__reclaim_arc, vmsim__reclaim_s3fifo,
    vmsim__reclaim_sieve, vmsim__reclaim_lhd, vmsim__reclaim_opt;

#endif
