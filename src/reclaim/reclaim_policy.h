/* SPDX-License-Identifier: MIT */
/* What the reclaim policies of this folder share: small structures over the services of vmsim/policy.h, and nothing of
 * vmsim's inside, so that a plugin can have a copy of any of it.
 *
 *     bag      folios in an array, in no order: one can be drawn, or taken out, at once
 *     heap     folios by a number: the least is at hand (4-ary, two levels of it on a line of the host's cache)
 *     ghosts   pages that went, in the order of their going, found by the shadow in their place
 *
 * Bag and heap keep a folio's place, plus one, in its word. */
#ifndef VMSIM__RECLAIM_POLICY_H
#define VMSIM__RECLAIM_POLICY_H
#include <stddef.h>
#include <string.h>

#include "base/util.h"
#include "vmsim/error.h"
#include "vmsim/policy.h"

static inline void *reclaim_allocate(const struct vmsim_reclaim_services *s, size_t bytes) {
    return s->common->allocate(s->common->host, bytes);
}
static inline void reclaim_release(const struct vmsim_reclaim_services *s, void *memory, size_t bytes) {
    s->common->release(s->common->host, memory, bytes);
}

/* Twice as much room, at least 64 elements; false: no memory, and all is as it was. */
static inline bool reclaim_grow(const struct vmsim_reclaim_services *s, void **at, uint32_t *capacity, size_t element) {
    uint32_t room = *capacity ? *capacity * 2 : 64;
    void *bigger = room > *capacity ? reclaim_allocate(s, room * element) : NULL;
    if (!bigger)
        return false;
    if (*at)
        memcpy(bigger, *at, *capacity * element);
    reclaim_release(s, *at, *capacity * element);
    *at = bigger;
    *capacity = room;
    return true;
}

/* Proposes what stands at one end of a list. */
static inline uint32_t reclaim_from_end(const struct vmsim_reclaim_services *s, uint32_t list, bool tail,
                                        struct vmsim_reclaim_request *r) {
    uint32_t n = 0;
    for (vmsim_folio f = s->list_end(s->host, list, tail); f && n < r->wanted;) {
        r->folio[n++] = f;
        f = n < r->wanted ? s->list_step(s->host, f, !tail) : VMSIM_FOLIO_NONE;
    }
    return n;
}

/* --- bag ------------------------------------------------------------------------------------------------------------
 */

struct reclaim_bag {
    vmsim_folio *at;
    uint32_t count, capacity;
};

/* Without memory the folio stays outside: it is never drawn. */
static inline void reclaim_bag_add(const struct vmsim_reclaim_services *s, struct reclaim_bag *b, vmsim_folio folio) {
    void *at = b->at;
    if (b->count == b->capacity && !reclaim_grow(s, &at, &b->capacity, sizeof *b->at))
        return;
    b->at = at;
    b->at[b->count++] = folio;
    *s->word(s->host, folio) = b->count;
}

static inline void reclaim_bag_swap(const struct vmsim_reclaim_services *s, struct reclaim_bag *b, uint32_t i,
                                    uint32_t j) {
    VMSIM__ASSERT(i < b->count && j < b->count);
    vmsim_folio one = b->at[i], two = b->at[j];
    b->at[i] = two;
    b->at[j] = one;
    *s->word(s->host, two) = i + 1;
    *s->word(s->host, one) = j + 1;
}

static inline void reclaim_bag_remove(const struct vmsim_reclaim_services *s, struct reclaim_bag *b,
                                      vmsim_folio folio) {
    uint64_t *word = s->word(s->host, folio);
    VMSIM__ASSERT(*word <= b->count);
    if (!*word)
        return;
    reclaim_bag_swap(s, b, (uint32_t)*word - 1, b->count - 1);
    b->count--;
    *word = 0;
}

static inline void reclaim_bag_fini(const struct vmsim_reclaim_services *s, struct reclaim_bag *b) {
    reclaim_release(s, b->at, b->capacity * sizeof *b->at);
}

/* --- heap -----------------------------------------------------------------------------------------------------------
 */

struct reclaim_heap_node {
    uint64_t key, tie; /* the least key goes first, of equal ones the least tie; no two have both */
    vmsim_folio folio;
    uint64_t note; /* the policy's own */
};
struct reclaim_heap {
    struct reclaim_heap_node *at; /* the parent of i is (i - 1) / 4 */
    uint32_t count, capacity;
};

static inline bool reclaim_heap_less(const struct reclaim_heap_node *a, const struct reclaim_heap_node *b) {
    return a->key < b->key || (a->key == b->key && a->tie < b->tie);
}

static inline void reclaim_heap_put(const struct vmsim_reclaim_services *s, struct reclaim_heap *h, uint32_t i,
                                    struct reclaim_heap_node node) {
    VMSIM__ASSERT(i < h->count);
    h->at[i] = node;
    *s->word(s->host, node.folio) = i + 1;
}

static inline uint32_t reclaim_heap_least_child(const struct reclaim_heap *h, uint32_t i) {
    uint32_t first = 4 * i + 1, least = first;
    for (uint32_t c = first + 1; c < first + 4 && c < h->count; c++)
        least = reclaim_heap_less(&h->at[c], &h->at[least]) ? c : least;
    return least;
}

/* Puts a node where it belongs, beginning at the hole i. */
static inline void reclaim_heap_settle(const struct vmsim_reclaim_services *s, struct reclaim_heap *h, uint32_t i,
                                       struct reclaim_heap_node node) {
    while (i && reclaim_heap_less(&node, &h->at[(i - 1) / 4])) {
        reclaim_heap_put(s, h, i, h->at[(i - 1) / 4]);
        i = (i - 1) / 4;
    }
    for (;;) {
        uint32_t child = reclaim_heap_least_child(h, i);
        if (child >= h->count || !reclaim_heap_less(&h->at[child], &node))
            break;
        reclaim_heap_put(s, h, i, h->at[child]);
        i = child;
    }
    reclaim_heap_put(s, h, i, node);
}

/* A folio that comes, or whose key changes. Without memory a new one stays outside: it never is the least. */
static inline void reclaim_heap_set(const struct vmsim_reclaim_services *s, struct reclaim_heap *h,
                                    struct reclaim_heap_node node) {
    uint32_t place = (uint32_t)*s->word(s->host, node.folio);
    void *at = h->at;
    if (!place) {
        if (h->count == h->capacity && !reclaim_grow(s, &at, &h->capacity, sizeof *h->at))
            return;
        h->at = at;
        place = ++h->count;
    }
    reclaim_heap_settle(s, h, place - 1, node);
}

/* The node of a folio, or NULL. */
static inline const struct reclaim_heap_node *reclaim_heap_of(const struct vmsim_reclaim_services *s,
                                                              const struct reclaim_heap *h, vmsim_folio folio) {
    uint64_t place = *s->word(s->host, folio);
    return place ? &h->at[place - 1] : NULL;
}

static inline void reclaim_heap_remove(const struct vmsim_reclaim_services *s, struct reclaim_heap *h,
                                       vmsim_folio folio) {
    uint32_t place = (uint32_t)*s->word(s->host, folio);
    VMSIM__ASSERT(place <= h->count);
    if (!place)
        return;
    struct reclaim_heap_node last = h->at[--h->count];
    *s->word(s->host, folio) = 0;
    if (last.folio != folio)
        reclaim_heap_settle(s, h, place - 1, last);
}

/* Proposes the least, in order, without taking them out: the next one is a child of one of those before it. */
static inline uint32_t reclaim_heap_propose(const struct reclaim_heap *h, struct vmsim_reclaim_request *r) {
    uint32_t open[4 * VMSIM_RECLAIM_BATCH + 1], opens = 0, n = 0;
    if (h->count)
        open[opens++] = 0;
    while (opens && n < r->wanted && n < VMSIM_RECLAIM_BATCH) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < opens; i++)
            best = reclaim_heap_less(&h->at[open[i]], &h->at[open[best]]) ? i : best;
        uint32_t at = open[best];
        open[best] = open[--opens];
        r->folio[n++] = h->at[at].folio;
        for (uint32_t c = 4 * at + 1; c < 4 * at + 5 && c < h->count; c++)
            open[opens++] = c;
    }
    return n;
}

static inline void reclaim_heap_fini(const struct vmsim_reclaim_services *s, struct reclaim_heap *h) {
    reclaim_release(s, h->at, h->capacity * sizeof *h->at);
}

/* --- ghosts ---------------------------------------------------------------------------------------------------------
 */

/* Pages that went, in lists of the order of their going; at most `capacity` in all. The shadow in a page's place is the
 * number of its node and how often that was used: one that is of another use is no ghost any more.
 *
 *     shadow  63            32 31             0        node 0 is the head of the free list; nodes 1 and 2 are the heads
 *            +----------------+----------------+       of the two lists, in rings: next is older
 *            | use of the node|  node          |
 *            +----------------+----------------+ */
#define RECLAIM_GHOST_LISTS 2u

struct reclaim_ghost {
    uint32_t older, newer, use;
    uint8_t list; /* 0: free */
};
struct reclaim_ghosts {
    struct reclaim_ghost *node;
    uint32_t nodes, count[RECLAIM_GHOST_LISTS + 1]; /* by list, from 1 */
};

static inline bool reclaim_ghosts_init(const struct vmsim_reclaim_services *s, struct reclaim_ghosts *g,
                                       uint64_t capacity) {
    g->nodes = (uint32_t)(vmsim__min64(capacity, UINT32_MAX - 8) + RECLAIM_GHOST_LISTS + 1);
    g->node = reclaim_allocate(s, g->nodes * sizeof *g->node);
    if (!g->node)
        return false;
    for (uint32_t i = 1; i <= RECLAIM_GHOST_LISTS; i++)
        g->node[i].older = g->node[i].newer = i;
    for (uint32_t i = RECLAIM_GHOST_LISTS + 1; i < g->nodes; i++)
        g->node[i].older = i + 1 < g->nodes ? i + 1 : 0;
    g->node[0].older = g->nodes > RECLAIM_GHOST_LISTS + 1 ? RECLAIM_GHOST_LISTS + 1 : 0;
    return true;
}

static inline void reclaim_ghosts_fini(const struct vmsim_reclaim_services *s, struct reclaim_ghosts *g) {
    reclaim_release(s, g->node, g->nodes * sizeof *g->node);
}

static inline void reclaim_ghost_free(struct reclaim_ghosts *g, uint32_t i) {
    struct reclaim_ghost *n = &g->node[i];
    VMSIM__ASSERT(i > RECLAIM_GHOST_LISTS && n->list && g->count[n->list]);
    g->node[n->older].newer = n->newer;
    g->node[n->newer].older = n->older;
    g->count[n->list]--;
    n->list = 0;
    n->use++;
    n->older = g->node[0].older;
    g->node[0].older = i;
}

/* Forgets the one of a list that went first. */
static inline void reclaim_ghosts_drop(struct reclaim_ghosts *g, uint8_t list) {
    VMSIM__ASSERT(g->count[list]);
    reclaim_ghost_free(g, g->node[list].newer);
}

/* A ghost more, the latest of its list: its shadow. Nothing free: the first of that list, or of any, is forgotten. 0:
 * no room at all. */
static inline uint64_t reclaim_ghosts_add(struct reclaim_ghosts *g, uint8_t list) {
    VMSIM__ASSERT(list >= 1 && list <= RECLAIM_GHOST_LISTS);
    if (!g->node[0].older && (g->count[1] || g->count[2]))
        reclaim_ghosts_drop(g, g->count[list] ? list : (uint8_t)(RECLAIM_GHOST_LISTS + 1 - list));
    uint32_t i = g->node[0].older;
    if (!i)
        return 0;
    struct reclaim_ghost *n = &g->node[i];
    g->node[0].older = n->older;
    n->list = list;
    n->older = g->node[list].older;
    n->newer = list;
    g->node[n->older].newer = i;
    g->node[list].older = i;
    g->count[list]++;
    return (uint64_t)n->use << 32 | i;
}

/* The list that the ghost of a shadow is on, and its node; 0: it is none, or no more. */
static inline uint8_t reclaim_ghosts_find(const struct reclaim_ghosts *g, uint64_t shadow, uint32_t *node) {
    uint32_t i = (uint32_t)shadow;
    if (!shadow || i >= g->nodes || g->node[i].use != shadow >> 32)
        return 0;
    *node = i;
    return g->node[i].list;
}

#endif
