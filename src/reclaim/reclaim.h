/* SPDX-License-Identifier: MIT */
/* The domain of reclaim policies, and what every host of one needs: folios by number, the lists that a policy keeps
 * them on, and its proposals looked at before anybody acts on them.
 *
 *     pool: node[i]   next, prev, list, tag          folio i of the policies' numbers (0 is none)
 *           word[i]   the policy's own 64 bits
 *           shadow[i] what is to stand in its place
 *
 * Lists are chains of numbers through the nodes: no pointer, 16 bytes a folio, each operation a few stores. A folio is
 * one instance's at a time, so that all instances of a machine share a pool; the tag says whose it is. The pool knows
 * nothing of pages or frames: its host numbers folios as it likes (a frame table's order, say), says which are there,
 * and answers the services that are about their contents. */
#ifndef VMSIM__RECLAIM_H
#define VMSIM__RECLAIM_H
#include "base/policy_registry.h"
#include "base/util.h"
#include "base/vec.h"

extern const struct vmsim__policy_domain vmsim__reclaim_domain;

#define VMSIM__RECLAIM_THERE 1u    /* a folio of this number is there */
#define VMSIM__RECLAIM_YOUNG 2u    /* used since it came or since that was cleared */
#define VMSIM__RECLAIM_PROPOSED 4u /* in the batch that is being looked at */
#define VMSIM__RECLAIM_LEAVING 8u  /* the host's: not there any more, and its contents are being written */
#define VMSIM__RECLAIM_ID_SHIFT 8  /* number of the instance that it is of */

struct vmsim__reclaim_node {
    uint32_t next, prev; /* towards the tail, the head; 0: the list's end, else the number of a folio */
    uint32_t list;       /* 0: none */
    uint32_t flags;      /* and the instance's number */
};

/* Columns for the folios of one host. */
struct vmsim__reclaim_pool {
    struct vmsim__reclaim_node *node; /* by number; [0] is nobody */
    uint64_t *word, *shadow;
    uint32_t folios; /* numbers are 1 to this */
    struct vmsim__alloc *alloc;
};
bool vmsim__reclaim_pool_init(struct vmsim__reclaim_pool *p, struct vmsim__alloc *alloc, uint32_t folios);
void vmsim__reclaim_pool_fini(struct vmsim__reclaim_pool *p);

struct vmsim__reclaim_list {
    uint32_t head, tail; /* numbers of folios; 0: empty */
    uint64_t length;
};

/* One instance of a policy with its folios. */
struct vmsim__reclaim {
    struct vmsim__reclaim_node *node; /* the pool's columns */
    uint64_t *word, *shadow;
    uint32_t folios;
    uint32_t tag;     /* what the node of a folio of its own has: its number, and VMSIM__RECLAIM_THERE */
    uint32_t there;   /* folios that it has */
    uint32_t unasked; /* where the next victim without a policy is looked for */
    struct {
        VMSIM__VEC(struct vmsim__reclaim_list);
    } lists; /* [0] is none */
    struct vmsim__alloc *alloc;
    const struct vmsim_reclaim_policy *policy;
    struct vmsim__policy_instance instance;
    struct vmsim_reclaim_services services;
    const char *(*excuse)(void *host, vmsim_folio folio);
};

/* Instance number `id` of a host, for folios of its pool (which must outlive it). `host` answers what is about
 * contents: its `facts`, `now`, `capacity` and `next_use` (NULL: no future, and policies that want it are refused) are
 * taken, and `young` unless it is NULL; the other members are this layer's. Their first argument is this struct, which
 * must not move. */
struct vmsim__reclaim_host {
    const struct vmsim__reclaim_pool *pool;
    uint32_t id;
    struct vmsim_reclaim_services services;
    const char *(*excuse)(void *host, vmsim_folio folio); /* why a folio of nobody's cannot go; NULL: it is not there */
};
int vmsim__reclaim_create(struct vmsim__reclaim *r, struct vmsim__policy_registry *policies,
                          const struct vmsim__policy_choice *choice, const struct vmsim__reclaim_host *host,
                          const struct vmsim_reclaim_scope *scope, uint64_t seed, struct vmsim__err *err);
void vmsim__reclaim_destroy(struct vmsim__reclaim *r);

/* Folio `number`, which was not there, comes. */
VMSIM__INLINE void vmsim__reclaim_add(struct vmsim__reclaim *r, uint32_t number,
                                      const struct vmsim_folio_access *access) {
    VMSIM__ASSERT(number && number <= r->folios && !(r->node[number].flags & VMSIM__RECLAIM_THERE));
    VMSIM__ASSERT(!r->node[number].list);
    r->node[number].flags = r->tag;
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

/* The mark of its use, cleared if that is wanted. What is not there is reported. */
bool vmsim__reclaim_young(struct vmsim__reclaim *r, vmsim_folio folio, bool clear);
/* It goes; its shadow, 0 for none. */
uint64_t vmsim__reclaim_remove(struct vmsim__reclaim *r, uint32_t number, enum vmsim_folio_end end);

/* Is the folio one of this instance's? */
VMSIM__INLINE bool vmsim__reclaim_has(const struct vmsim__reclaim *r, vmsim_folio folio) {
    const uint32_t whose = VMSIM__RECLAIM_THERE | ~UINT32_C(0) << VMSIM__RECLAIM_ID_SHIFT;
    return VMSIM__LIKELY(folio <= r->folios) && VMSIM__LIKELY((r->node[folio].flags & whose) == r->tag);
}

/* Asks the policy for up to request->wanted folios, and leaves in request->folio those that are there, each once. Wrong
 * answers are reported. Returns how many. */
uint32_t vmsim__reclaim_ask(struct vmsim__reclaim *r, struct vmsim_reclaim_request *request);
/* The same; when the policy names none of all that are, one is found without it. */
uint32_t vmsim__reclaim_evict(struct vmsim__reclaim *r, struct vmsim_reclaim_request *request);

/* Every list against its nodes: 0, or VMSIM_ECHECK with a text. */
int vmsim__reclaim_check(const struct vmsim__reclaim *r, struct vmsim__err *err);

extern const struct vmsim_reclaim_policy vmsim__reclaim_linux_lru, vmsim__reclaim_linux_mglru, vmsim__reclaim_fifo,
    vmsim__reclaim_lru, vmsim__reclaim_mru, vmsim__reclaim_clock, vmsim__reclaim_random, vmsim__reclaim_lfu,
    vmsim__reclaim_arc, vmsim__reclaim_s3fifo, vmsim__reclaim_sieve, vmsim__reclaim_lhd, vmsim__reclaim_opt;

#endif
