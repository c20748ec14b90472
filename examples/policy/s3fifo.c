/* SPDX-License-Identifier: MIT */
/* A reclaim policy after a paper: "my-s3fifo", three static queues (Yang, Zhang, Qiu, Yue, Vinayak: "FIFO Queues are
 * All You Need for Cache Eviction", SOSP 2023).
 *
 *     new --> [ small, a tenth of memory ] --used--> [ main ] --used--> again at its head
 *                        | not used                     | not used
 *                        v                              v
 *                      gone, remembered by a shadow    gone
 *                        '-- comes again before as many others went as fit memory --> main
 *
 * No use moves a folio: whether it was used is looked at when its turn comes (the accessed bits), which is what makes
 * it cheap in a kernel. */
#define VMSIM_PLUGIN
#include <vmsim/policy.h>

struct s3fifo_params {
    uint64_t small_percent;
};

static const struct vmsim_param s3fifo_table[] = {{.name = "small_percent",
                                                   .type = VMSIM_PARAM_UINT,
                                                   .offset = offsetof(struct s3fifo_params, small_percent),
                                                   .fallback = "10",
                                                   .min = 1,
                                                   .max = 90,
                                                   .doc = "Share of memory that the small queue may have."},
                                                  {0}};

struct s3fifo {
    const struct vmsim_reclaim_services *s;
    uint64_t percent;
    uint64_t *ghosts;     /* counter: folios that came again in time */
    uint32_t small, main; /* lists, latest at the head */
};

static int s3fifo_create(const struct vmsim_reclaim_services *s, const struct vmsim_reclaim_scope *scope,
                         const void *params, void **context) {
    (void)scope;
    struct s3fifo *q = s->common->allocate(s->common->host, sizeof *q);
    if (!q)
        return -1; /* VMSIM_ENOMEM */
    *context = q;
    q->s = s;
    q->percent = ((const struct s3fifo_params *)params)->small_percent;
    q->small = s->list_create(s->host);
    q->main = s->list_create(s->host);
    q->ghosts = s->common->counter(s->common->host, "ghosts");
    return q->small && q->main && q->ghosts ? 0 : -1;
}

static void s3fifo_destroy(void *context) {
    struct s3fifo *q = context;
    q->s->common->release(q->s->common->host, q, sizeof *q);
}

static void s3fifo_added(void *context, vmsim_folio folio, const struct vmsim_folio_access *access) {
    const struct s3fifo *q = context;
    const struct vmsim_reclaim_services *s = q->s;
    const bool ghost = access->shadow && access->refault_distance <= s->capacity(s->host);
    *q->ghosts += ghost;
    s->list_add(s->host, ghost ? q->main : q->small, folio, false);
}

/* From the tail on: what was used goes to the head of main, what was not is proposed, and stays until it is gone. At
 * most `looks` folios, so that it ends where all are in use. */
static uint32_t take_from(const struct s3fifo *q, uint32_t list, uint64_t looks, struct vmsim_reclaim_request *r,
                          uint32_t n) {
    const struct vmsim_reclaim_services *s = q->s;
    vmsim_folio at = s->list_end(s->host, list, true);
    for (; at && n < r->wanted && looks; looks--) {
        const vmsim_folio next = s->list_step(s->host, at, false);
        if (s->young(s->host, at, true))
            s->list_move(s->host, q->main, at, false);
        else
            r->folio[n++] = at;
        at = next;
    }
    return n;
}

static uint32_t s3fifo_evict(void *context, struct vmsim_reclaim_request *request) {
    const struct s3fifo *q = context;
    const struct vmsim_reclaim_services *s = q->s;
    const uint64_t small = s->list_length(s->host, q->small), main = s->list_length(s->host, q->main);
    uint32_t n = 0;
    if (small * 100 > s->capacity(s->host) * q->percent)
        n = take_from(q, q->small, small, request, n);
    if (n < request->wanted)
        n = take_from(q, q->main, 2 * s->list_length(s->host, q->main), request, n);
    if (!n) /* nothing in main, or all of it in use */
        n = take_from(q, q->small, small + main, request, n);
    return n;
}

static void s3fifo_evicted(void *context, vmsim_folio folio, enum vmsim_folio_end end) {
    const struct s3fifo *q = context;
    const struct vmsim_reclaim_services *s = q->s;
    if (end == VMSIM_FOLIO_RECLAIMED && s->list_of(s->host, folio) == q->small)
        s->shadow_write(s->host, folio, 1);
}

static const struct vmsim_reclaim_policy s3fifo = {.policy = {.size = sizeof s3fifo,
                                                              .abi = VMSIM_POLICY_ABI,
                                                              .domain = VMSIM_POLICY_RECLAIM,
                                                              .name = "my-s3fifo",
                                                              .doc = "Three queues: small, main, and who came again.",
                                                              .params = s3fifo_table,
                                                              .params_size = sizeof(struct s3fifo_params)},
                                                   .create = s3fifo_create,
                                                   .destroy = s3fifo_destroy,
                                                   .folio_added = s3fifo_added,
                                                   .evict = s3fifo_evict,
                                                   .folio_evicted = s3fifo_evicted};

static const struct vmsim_policy *const policies[] = {&s3fifo.policy, NULL};

const struct vmsim_plugin *vmsim_plugin(uint32_t host_abi) {
    static const struct vmsim_plugin plugin = {sizeof plugin, VMSIM_POLICY_ABI, "my-s3fifo", policies};
    return host_abi == VMSIM_POLICY_ABI ? &plugin : NULL;
}
