/* SPDX-License-Identifier: MIT */
/* Reclaim "s3fifo": three FIFO queues. Most pages are used once; a small queue lets them pass quickly.
 *
 *     new --> [ small, a tenth ] --used twice or more--> [ main, the rest ]    main: a folio with uses left goes round,
 *                    |                                       ^     |           with one use less; else it goes
 *                    v not used enough                       |     v
 *                 ghosts, as many as main holds --comes back-+    gone
 *
 * A folio's uses are counted up to 3, in its word. Which ghosts there are is told by shadows. (Yang, Zhang, Qiu, Yue,
 * Rashmi: "FIFO Queues are All You Need for Cache Eviction", SOSP 2023.) */
#include "reclaim/reclaim_policy.h"

#define S3FIFO_USES 3u
#define S3FIFO_GHOSTS 1 /* the list of them */

struct s3fifo_params {
    uint64_t small_percent, threshold;
};

struct s3fifo {
    const struct vmsim_reclaim_services *s;
    uint64_t *ghost_hits, *promoted; /* counters */
    uint64_t main_share, threshold;
    uint32_t small, main; /* lists, newest at the head */
    struct reclaim_ghosts ghosts;
};

static const struct vmsim_param s3fifo_table[] = {{.name = "small_percent",
                                                   .type = VMSIM_PARAM_UINT,
                                                   .offset = offsetof(struct s3fifo_params, small_percent),
                                                   .fallback = "10",
                                                   .min = 1,
                                                   .max = 99,
                                                   .doc = "Share of the small queue (10 in the paper)."},
                                                  {.name = "threshold",
                                                   .type = VMSIM_PARAM_UINT,
                                                   .offset = offsetof(struct s3fifo_params, threshold),
                                                   .fallback = "2",
                                                   .min = 1,
                                                   .max = S3FIFO_USES,
                                                   .doc = "Uses in the small queue that lead to the main one."},
                                                  {0}};

static void s3fifo_destroy(void *context) {
    struct s3fifo *f = context;
    if (f->ghosts.node)
        reclaim_ghosts_fini(f->s, &f->ghosts);
    reclaim_release(f->s, f, sizeof *f);
}

static int s3fifo_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                         const void *params, void **context) {
    const struct s3fifo_params *p = params;
    struct s3fifo *f = reclaim_allocate(s, sizeof *f);
    if (!f)
        return VMSIM_ENOMEM;
    *context = f;
    f->s = s;
    f->threshold = p->threshold;
    uint64_t small_share = vmsim__max64(scope->capacity * p->small_percent / 100, 1);
    f->main_share = scope->capacity - vmsim__min64(small_share, scope->capacity);
    f->small = s->list_create(s->host);
    f->main = s->list_create(s->host);
    f->ghost_hits = s->common->counter(s->common->host, "ghost_hits");
    f->promoted = s->common->counter(s->common->host, "promoted");
    bool ok = f->small && f->main && f->ghost_hits && f->promoted;
    return ok && reclaim_ghosts_init(s, &f->ghosts, f->main_share) ? 0 : VMSIM_ENOMEM;
}

static void s3fifo_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    struct s3fifo *f = context;
    uint32_t ghost;
    bool known = reclaim_ghosts_find(&f->ghosts, access->shadow, &ghost) != 0;
    if (known)
        reclaim_ghost_free(&f->ghosts, ghost);
    *f->ghost_hits += known;
    f->s->list_add(f->s->host, known ? f->main : f->small, folio, false);
}

static void s3fifo_accessed(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct s3fifo *f = context;
    uint64_t *uses = f->s->word(f->s->host, folio);
    (void)access;
    *uses += *uses < S3FIFO_USES;
}

/* The victim of one queue, beginning at *hand, which moves on; NONE: the queue is through. Folios with uses enough are
 * moved to the head of main, in the small queue with none left. */
static vmsim_folio s3fifo_sift(struct s3fifo *f, bool main, vmsim_folio *hand) {
    const struct vmsim_reclaim_services *s = f->s;
    uint64_t enough = main ? 1 : f->threshold;
    while (*hand) {
        vmsim_folio at = *hand;
        uint64_t *uses = s->word(s->host, at);
        VMSIM__ASSERT(*uses <= S3FIFO_USES);
        *hand = s->list_step(s->host, at, false);
        if (*uses < enough)
            return at;
        *uses = main ? *uses - 1 : 0;
        *f->promoted += !main;
        s->list_move(s->host, f->main, at, false);
        *hand = *hand || !main ? *hand : at; /* alone: it comes round at once */
    }
    return VMSIM_FOLIO_NONE;
}

static uint32_t s3fifo_evict(void *context, struct vmsim_reclaim_request *r) {
    struct s3fifo *f = context;
    const struct vmsim_reclaim_services *s = f->s;
    vmsim_folio hand[2] = {s->list_end(s->host, f->small, true), s->list_end(s->host, f->main, true)};
    uint64_t out[2] = {0, 0};
    uint32_t n = 0;
    while (n < r->wanted) {
        if (!hand[1] && !out[1]) /* the small queue may have filled main */
            hand[1] = s->list_end(s->host, f->main, true);
        VMSIM__ASSERT(s->list_length(s->host, f->main) >= out[1]);
        uint64_t in_main = s->list_length(s->host, f->main) - out[1];
        bool main = in_main > f->main_share || !hand[0];
        vmsim_folio victim = s3fifo_sift(f, main, &hand[main]);
        if (!victim && main)
            break;
        if (!victim)
            continue;
        r->folio[n++] = victim;
        out[main]++;
    }
    return n;
}

static void s3fifo_evicted(void *context, vmsim_folio folio, enum vmsim_folio_end end) {
    struct s3fifo *f = context;
    if (end == VMSIM_FOLIO_RECLAIMED && f->s->list_of(f->s->host, folio) == f->small)
        f->s->shadow_write(f->s->host, folio, reclaim_ghosts_add(&f->ghosts, S3FIFO_GHOSTS));
}

const struct vmsim_reclaim_policy vmsim__reclaim_s3fifo = {
    .policy = {sizeof vmsim__reclaim_s3fifo, VMSIM_POLICY_ABI, VMSIM_POLICY_RECLAIM, "s3fifo",
               "Three FIFO queues: small, main, and the ghosts of what left the small one (S3-FIFO).", s3fifo_table,
               sizeof(struct s3fifo_params)},
    .create = s3fifo_create,
    .destroy = s3fifo_destroy,
    .folio_added = s3fifo_added,
    .folio_accessed = s3fifo_accessed,
    .evict = s3fifo_evict,
    .folio_evicted = s3fifo_evicted,
    .wants = VMSIM_RECLAIM_WANTS_REFERENCES};
