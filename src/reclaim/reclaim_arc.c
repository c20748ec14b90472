/* SPDX-License-Identifier: MIT */
/* Reclaim "arc": recency and frequency, and their balance learnt from what would have been a hit.
 *
 *     ghosts 1 <-- T1, used once, by recency | T2, used again, by recency --> ghosts 2
 *                                            ^
 *                        `target`, the length that T1 should have: a hit among ghosts 1 moves it to the right, one
 *                        among ghosts 2 to the left, by the ratio of their numbers
 *
 * T1 and its ghosts are at most `c` pages, all four lists 2c. (Megiddo, Modha: "ARC: A Self-Tuning, Low Overhead
 * Replacement Cache", FAST 2003.) The paper adapts, makes room and enters in one step; here the host asks for room
 * first, so evict() adapts to the page that comes, and folio_added() does when nothing had to go, or reclaim worked
 * ahead of need. */
#include "reclaim/reclaim_policy.h"

struct arc {
    const struct vmsim_reclaim_services *s;
    uint64_t *recent_ghost_hits, *frequent_ghost_hits; /* counters */
    uint64_t c, target;
    uint32_t list[3];             /* [1] T1, [2] T2: latest at the head */
    bool ready;                   /* evict() has adapted for the page that comes */
    vmsim_folio dropped;          /* proposed, to go without a ghost */
    struct reclaim_ghosts ghosts; /* their lists have the numbers of those that they went from */
};

static void arc_destroy(void *context) {
    struct arc *a = context;
    if (a->ghosts.node)
        reclaim_ghosts_fini(a->s, &a->ghosts);
    reclaim_release(a->s, a, sizeof *a);
}

static int arc_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                      const void *params, void **context) {
    (void)params;
    struct arc *a = reclaim_allocate(s, sizeof *a);
    if (!a)
        return VMSIM_ENOMEM;
    *context = a;
    a->s = s;
    a->c = scope->capacity;
    for (unsigned i = 1; i <= 2; i++)
        a->list[i] = s->list_create(s->host);
    a->recent_ghost_hits = s->common->counter(s->common->host, "recent_ghost_hits");
    a->frequent_ghost_hits = s->common->counter(s->common->host, "frequent_ghost_hits");
    bool ok = a->list[1] && a->list[2] && a->recent_ghost_hits && a->frequent_ghost_hits;
    /* One more: a victim's ghost comes before the page that it makes room for takes its own out. */
    return ok && reclaim_ghosts_init(s, &a->ghosts, scope->capacity + 1) ? 0 : VMSIM_ENOMEM;
}

static uint64_t arc_length(const struct arc *a, unsigned list) {
    return a->s->list_length(a->s->host, a->list[list]);
}

/* What the coming page teaches: it is a ghost of list `from` (0: of none). Ghosts that the page's coming pushes out go.
 */
static void arc_adapt(struct arc *a, uint8_t from) {
    const uint32_t *ghosts = a->ghosts.count;
    VMSIM__ASSERT(a->target <= a->c && (!from || ghosts[from]));
    uint64_t t1 = arc_length(a, 1), all = t1 + arc_length(a, 2) + ghosts[1] + ghosts[2];
    if (from == 1) {
        a->target = vmsim__min64(a->c, a->target + vmsim__max64(ghosts[2] / ghosts[1], 1));
        ++*a->recent_ghost_hits;
    } else if (from == 2) {
        a->target -= vmsim__min64(a->target, vmsim__max64(ghosts[1] / ghosts[2], 1));
        ++*a->frequent_ghost_hits;
    } else if (t1 + ghosts[1] >= a->c) {
        if (ghosts[1])
            reclaim_ghosts_drop(&a->ghosts, 1);
    } else if (all >= 2 * a->c && ghosts[2]) {
        reclaim_ghosts_drop(&a->ghosts, 2);
    }
}

/* Which list goes on giving victims when t1 of T1 and t2 of T2 are left. */
static unsigned arc_choose(const struct arc *a, uint64_t t1, uint64_t t2, uint8_t from) {
    bool first = t1 && (t1 > a->target || (from == 2 && t1 == a->target));
    return first || !t2 ? 1 : 2;
}

static uint32_t arc_evict(void *context, struct vmsim_reclaim_request *r) {
    struct arc *a = context;
    const struct vmsim_reclaim_services *s = a->s;
    uint64_t left[3] = {0, arc_length(a, 1), arc_length(a, 2)};
    vmsim_folio hand[3] = {0, s->list_end(s->host, a->list[1], true), s->list_end(s->host, a->list[2], true)};
    uint32_t n = 0, ghost;
    uint8_t from = r->incoming ? reclaim_ghosts_find(&a->ghosts, r->incoming->shadow, &ghost) : 0;
    if (r->incoming && !a->ready) {
        /* T1 alone fills all that it and its ghosts may: its last goes for good. */
        bool whole = !from && left[1] >= a->c && !a->ghosts.count[1];
        arc_adapt(a, from);
        a->ready = true;
        a->dropped = whole ? hand[1] : VMSIM_FOLIO_NONE;
    }
    for (; n < r->wanted && left[1] + left[2]; n++) {
        unsigned list = arc_choose(a, left[1], left[2], from);
        VMSIM__ASSERT(left[list] && hand[list]);
        r->folio[n] = hand[list];
        hand[list] = s->list_step(s->host, hand[list], false);
        left[list]--;
    }
    return n;
}

static void arc_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    struct arc *a = context;
    uint32_t ghost;
    uint8_t from = reclaim_ghosts_find(&a->ghosts, access->shadow, &ghost);
    if (!a->ready)
        arc_adapt(a, from);
    if (from && reclaim_ghosts_find(&a->ghosts, access->shadow, &ghost))
        reclaim_ghost_free(&a->ghosts, ghost);
    a->ready = false;
    a->s->list_add(a->s->host, a->list[from ? 2 : 1], folio, false);
}

static void arc_accessed(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct arc *a = context;
    (void)access;
    a->s->list_move(a->s->host, a->list[2], folio, false);
}

static void arc_evicted(void *context, vmsim_folio folio, enum vmsim_folio_end end) {
    struct arc *a = context;
    bool for_good = folio == a->dropped;
    uint8_t list = a->s->list_of(a->s->host, folio) == a->list[1] ? 1 : 2;
    if (for_good)
        a->dropped = VMSIM_FOLIO_NONE;
    if (end == VMSIM_FOLIO_RECLAIMED && !for_good)
        a->s->shadow_write(a->s->host, folio, reclaim_ghosts_add(&a->ghosts, list));
}

const struct vmsim_reclaim_policy vmsim__reclaim_arc = {
    .policy = {sizeof vmsim__reclaim_arc, VMSIM_POLICY_ABI, VMSIM_POLICY_RECLAIM, "arc",
               "Balances what was used once and what was used again by what it missed (ARC).", NULL, 0},
    .create = arc_create,
    .destroy = arc_destroy,
    .folio_added = arc_added,
    .folio_accessed = arc_accessed,
    .evict = arc_evict,
    .folio_evicted = arc_evicted,
    .wants = VMSIM_RECLAIM_WANTS_REFERENCES};
