/* SPDX-License-Identifier: MIT */
/* The harness of vmsim/testing.h for reclaim policies: pages by number, N frames, and nothing else.
 *
 *     page[p]    folio that holds it (0: none)        folio f of the policy is frame f, 1 to N
 *                when it went last, its shadow        folio[f]     the page that it holds, when it came
 *
 * Without a machine there is no time: now() is the number of references so far. A page's shadow is never forgotten.
 * What the future holds is reckoned once for a whole run, from its end. */
#include "vmsim/testing.h"

#include <string.h>

#include "base/test_script.h"
#include "reclaim/reclaim.h"

#define PAGE_LIMIT (UINT64_C(1) << 27)
#define NEVER UINT64_MAX
#define AHEAD 8 /* references between one early fetch and the next, in a run */

struct page {
    uint32_t folio;
    uint32_t gone; /* number of its last going, modulo 2^32; 0: it never went */
    uint64_t shadow;
};

/* On one line of the host's cache: with millions of them each line is a miss. */
struct folio {
    uint64_t page;       /* that it holds */
    uint64_t came, next; /* next: when it is used next, if that is known */
    uint64_t unused;     /* 32 bytes */
};

struct vmsim_test_reclaim {
    struct vmsim__reclaim r; /* first: the services find the rest by it */
    struct vmsim__reclaim_pool pool;
    struct vmsim__alloc *alloc;
    struct vmsim__policy_registry *policies;
    struct vmsim__err err;
    struct page *page;
    uint64_t pages;      /* room for so many */
    struct folio *folio; /* by number; [0] is nobody */
    uint32_t *free;      /* frames without a page */
    uint32_t frames, batch, frees, goings;
    uint64_t time, hits, misses;
    uint64_t *future; /* of the running call: next use of what each of its references uses; NULL: not asked for */
    struct vmsim_folio_access access;
};

/* --- services -------------------------------------------------------------------------------------------------------
 */

static struct vmsim_test_reclaim *test_of(void *host) {
    static_assert(offsetof(struct vmsim_test_reclaim, r) == 0, "the cast");
    return host;
}

/* What there is to know without a machine: which page it is, and when it came. Everything is a clean page of one file.
 */
static bool facts(void *host, vmsim_folio folio, struct vmsim_folio_facts *out) {
    const struct vmsim_test_reclaim *t = test_of(host);
    if (!folio || folio > t->frames || !(t->r.node[folio].flags & VMSIM__RECLAIM_THERE))
        return false;
    struct vmsim_folio_facts all = {.size = sizeof all,
                                    .kind = VMSIM_FOLIO_FILE,
                                    .space = 1,
                                    .index = t->folio[folio].page,
                                    .came = t->folio[folio].came};
    uint32_t size = out->size < sizeof all ? out->size : (uint32_t)sizeof all;
    memcpy(out, &all, size);
    out->size = size;
    return true;
}

static uint64_t now(void *host) {
    return test_of(host)->time;
}

static uint64_t capacity(void *host) {
    return test_of(host)->frames;
}

/* Known for the run that is under way, where the script was read to its end before it began. */
static uint64_t next_use(void *host, vmsim_folio folio) {
    const struct vmsim_test_reclaim *t = test_of(host);
    return folio && folio <= t->frames ? t->folio[folio].next : NEVER;
}

/* --- making ---------------------------------------------------------------------------------------------------------
 */

/* A policy by name, one that a test has linked in, or a plugin: all go through the registry, as in a machine. */
static int create_parts(struct vmsim_test_reclaim *t, const struct vmsim_test_reclaim_options *o) {
    const struct vmsim__reclaim_host host = {
        .pool = &t->pool, .services = {.facts = facts, .now = now, .capacity = capacity, .next_use = next_use}};
    struct vmsim_reclaim_scope scope = {.size = sizeof scope, .capacity = t->frames};
    struct vmsim__policy_choice choice = {.name = o->policy   ? o->policy
                                                  : o->linked ? o->linked->name
                                                              : "lru",
                                          .plugin = o->plugin,
                                          .params = {(void *)(uintptr_t)o->params, o->param_count}};
    size_t n = (size_t)t->frames + 1;
    int e = vmsim__policy_domain_add(t->policies, &vmsim__reclaim_domain, &t->err);
    if (!e && o->linked)
        e = vmsim__policy_add(t->policies, o->linked, "linked-in", &t->err);
    if (e)
        return e;
    t->folio = vmsim__calloc(t->alloc, n, sizeof *t->folio);
    t->free = vmsim__calloc(t->alloc, n, sizeof *t->free);
    if (!t->folio || !t->free || !vmsim__reclaim_pool_init(&t->pool, t->alloc, t->frames))
        return vmsim__err_set(&t->err, VMSIM_ENOMEM, "no memory");
    for (uint32_t f = t->frames; f; f--)
        t->free[t->frees++] = f;
    return vmsim__reclaim_create(&t->r, t->policies, &choice, &host, &scope, o->seed, &t->err);
}

/* Said before anything is made. A plugin that was built with other options tells so by their size. */
static const char *cannot_be(const struct vmsim_test_reclaim_options *o) {
    if (o->size != sizeof *o)
        return "options of another size";
    return o->batch > VMSIM_RECLAIM_BATCH ? "a batch of more than 32 pages" : o->frames == UINT32_MAX ? "frames" : NULL;
}

int vmsim_test_reclaim_create(struct vmsim_test_reclaim **out, const struct vmsim_test_reclaim_options *options,
                              char *why, size_t why_size) {
    if (out)
        *out = NULL;
    if (!out || !options)
        return VMSIM_EINVAL;
    struct vmsim__err err = {0};
    if (cannot_be(options))
        return vmsim__script_tell(&err, vmsim__err_set(&err, VMSIM_EINVAL, "%s", cannot_be(options)), why, why_size);
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    struct vmsim_test_reclaim *t = a ? vmsim__calloc(a, 1, sizeof *t) : NULL;
    if (!t) {
        if (a)
            vmsim__alloc_destroy(a);
        return vmsim__script_tell(&err, vmsim__err_set(&err, VMSIM_ENOMEM, "no memory"), why, why_size);
    }
    t->alloc = a;
    t->frames = options->frames ? options->frames : 4;
    t->batch = options->batch ? options->batch : 1;
    t->access = (struct vmsim_folio_access){.size = sizeof t->access, .space = 1};
    t->policies = vmsim__policy_registry_create(a);
    int e = t->policies ? create_parts(t, options) : vmsim__err_set(&t->err, VMSIM_ENOMEM, "no memory");
    vmsim__script_tell(&t->err, e, why, why_size);
    if (e)
        vmsim_test_reclaim_destroy(t);
    else
        *out = t;
    return e;
}

size_t vmsim_test_reclaim_destroy(struct vmsim_test_reclaim *t) {
    if (!t)
        return 0;
    struct vmsim__alloc *a = t->alloc;
    size_t n = (size_t)t->frames + 1;
    if (t->r.policy)
        vmsim__reclaim_destroy(&t->r);
    vmsim__reclaim_pool_fini(&t->pool);
    vmsim__free(a, t->folio, n * sizeof *t->folio);
    vmsim__free(a, t->free, n * sizeof *t->free);
    vmsim__free(a, t->page, t->pages * sizeof *t->page);
    vmsim__policy_registry_destroy(t->policies);
    vmsim__free(a, t, sizeof *t);
    return vmsim__alloc_destroy(a);
}

/* Room for the state of pages up to this one. */
static int reach(struct vmsim_test_reclaim *t, uint64_t page) {
    uint64_t room = t->pages ? t->pages : 1024;
    if (page < t->pages)
        return 0;
    if (page >= PAGE_LIMIT)
        return vmsim__err_set(&t->err, VMSIM_EINVAL, "page %llu has more than 27 bits", (unsigned long long)page);
    while (room <= page)
        room *= 2;
    struct page *bigger = vmsim__calloc(t->alloc, room, sizeof *bigger);
    if (!bigger)
        return vmsim__err_set(&t->err, VMSIM_ENOMEM, "no memory for the state of %llu pages", (unsigned long long)room);
    if (t->page)
        memcpy(bigger, t->page, t->pages * sizeof *bigger);
    vmsim__free(t->alloc, t->page, t->pages * sizeof *t->page);
    t->page = bigger;
    t->pages = room;
    return 0;
}

/* --- references -----------------------------------------------------------------------------------------------------
 */

static void let_go(struct vmsim_test_reclaim *t, uint32_t folio, enum vmsim_folio_end end) {
    struct page *p = &t->page[t->folio[folio].page];
    VMSIM__ASSERT(p->folio == folio);
    p->shadow = vmsim__reclaim_remove(&t->r, folio, end);
    p->folio = 0;
    t->goings += t->goings + 1 ? 1 : 2; /* 0 means never */
    p->gone = t->goings;
    t->free[t->frees++] = folio;
}

/* A policy that takes from the end of a list takes the next one there next time: its page, and what is known of the one
 * behind it, are fetched until then. For others some lines are fetched in vain. */
VMSIM__INLINE void fetch_victims(const struct vmsim_test_reclaim *t, uint32_t victim) {
    const struct vmsim__reclaim_node *node = t->r.node;
    const uint32_t next = node[victim].prev ? node[victim].prev : node[victim].next;
    const uint32_t after = node[next].prev ? node[next].prev : node[next].next;
    VMSIM__ASSERT(next <= t->frames && after <= t->frames);
    if (next)
        __builtin_prefetch(&t->page[t->folio[next].page], 1);
    __builtin_prefetch(&t->r.node[after], 1);
    __builtin_prefetch(&t->folio[after], 1);
    __builtin_prefetch(&t->r.word[after], 1);
    __builtin_prefetch(&t->r.shadow[after], 1);
}

/* Makes room for what t->access tells; the page that went first. */
static VMSIM__NOINLINE uint64_t make_room(struct vmsim_test_reclaim *t) {
    vmsim_folio victims[VMSIM_RECLAIM_BATCH] = {VMSIM_FOLIO_NONE};
    struct vmsim_reclaim_request q = {.size = sizeof q,
                                      .wanted = t->batch,
                                      .folio = victims,
                                      .priority = 12,
                                      .may_swap = true,
                                      .may_write = true,
                                      .may_unmap = true,
                                      .incoming = &t->access};
    uint32_t n = vmsim__reclaim_evict(&t->r, &q);
    VMSIM__ASSERT(n && n <= t->batch);
    fetch_victims(t, (uint32_t)victims[0]);
    uint64_t first = t->folio[victims[0]].page;
    for (uint32_t i = 0; i < n; i++)
        let_go(t, (uint32_t)victims[i], VMSIM_FOLIO_RECLAIMED);
    return first;
}

VMSIM__INLINE enum vmsim_test_outcome reference(struct vmsim_test_reclaim *t, uint64_t page, uint64_t next,
                                                uint64_t *victim) {
    struct page *p = &t->page[page];
    VMSIM__ASSERT(page < t->pages);
    t->time++;
    t->access.index = page;
    if (VMSIM__LIKELY(p->folio)) {
        t->hits++;
        if (VMSIM__UNLIKELY(t->future != NULL))
            t->folio[p->folio].next = next;
        vmsim__reclaim_use(&t->r, p->folio, &t->access);
        return VMSIM_TEST_HIT;
    }
    bool full = !t->frees;
    t->misses++;
    t->access.shadow = p->shadow;
    t->access.refault_distance = p->gone ? (uint32_t)(t->goings - p->gone) : NEVER;
    if (full)
        *victim = make_room(t);
    uint32_t folio = t->free[--t->frees];
    p->folio = folio;
    t->folio[folio] = (struct folio){.page = page, .came = t->time, .next = next};
    vmsim__reclaim_add(&t->r, folio, &t->access);
    t->access.shadow = 0;
    t->access.refault_distance = NEVER;
    return full ? VMSIM_TEST_EVICT : VMSIM_TEST_FILL;
}

enum vmsim_test_outcome vmsim_test_reclaim_step(struct vmsim_test_reclaim *t, uint64_t page, uint64_t *victim) {
    if (!t)
        return VMSIM_TEST_ERROR;
    uint64_t gone = 0;
    if (reach(t, page))
        return VMSIM_TEST_ERROR;
    enum vmsim_test_outcome outcome = reference(t, page, NEVER, &gone);
    if (victim && outcome == VMSIM_TEST_EVICT)
        *victim = gone;
    return outcome;
}

/* The next use of each page of a run, as the time of that reference, from the last to the first. NULL: no memory. */
static uint64_t *look_ahead(struct vmsim_test_reclaim *t, const uint64_t *pages, size_t n) {
    uint64_t *future = vmsim__malloc(t->alloc, n * sizeof *future);
    uint64_t *seen = vmsim__calloc(t->alloc, t->pages, sizeof *seen); /* time of the use that is nearest; 0: none */
    for (size_t i = n; future && seen && i-- > 0;) {
        future[i] = seen[pages[i]] ? seen[pages[i]] : NEVER;
        seen[pages[i]] = t->time + i + 1;
    }
    if (!seen) {
        vmsim__free(t->alloc, future, n * sizeof *future);
        future = NULL;
    }
    vmsim__free(t->alloc, seen, t->pages * sizeof *seen);
    return future;
}

/* Everything that may fail, before the first reference. */
static int prepare_run(struct vmsim_test_reclaim *t, const uint64_t *pages, size_t n) {
    uint64_t most = 0;
    for (size_t i = 0; i < n; i++)
        most = vmsim__max64(most, pages[i]);
    int e = reach(t, most);
    if (e || !n || !(t->r.policy->wants & VMSIM_RECLAIM_WANTS_FUTURE))
        return e;
    t->future = look_ahead(t, pages, n);
    return t->future ? 0 : vmsim__err_set(&t->err, VMSIM_ENOMEM, "no memory for the future of %zu references", n);
}

static void end_run(struct vmsim_test_reclaim *t, size_t n) {
    if (t->future)
        vmsim__free(t->alloc, t->future, n * sizeof *t->future);
    t->future = NULL;
}

/* What the coming references of a run will read, for the host's cache: the page's state, then its folio, then the
 * neighbours on a list, which each can only be found by the one before. */
VMSIM__INLINE void fetch_early(const struct vmsim_test_reclaim *t, const uint64_t *pages, size_t i, size_t n) {
    if (i + 3 * AHEAD >= n)
        return;
    __builtin_prefetch(&t->page[pages[i + 3 * AHEAD]], 1);
    uint32_t second = t->page[pages[i + 2 * AHEAD]].folio, third = t->page[pages[i + AHEAD]].folio;
    __builtin_prefetch(&t->r.node[second], 1);
    __builtin_prefetch(&t->r.word[second], 1);
    __builtin_prefetch(&t->r.node[t->r.node[third].next], 1);
    __builtin_prefetch(&t->r.node[t->r.node[third].prev], 1);
}

int vmsim_test_reclaim_run(struct vmsim_test_reclaim *t, const uint64_t *pages, size_t count, uint64_t *misses) {
    if (!t || !pages)
        return VMSIM_EINVAL;
    uint64_t before = t->misses, victim;
    int e = prepare_run(t, pages, count);
    for (size_t i = 0; !e && i < count; i++) {
        fetch_early(t, pages, i, count);
        reference(t, pages[i], t->future ? t->future[i] : NEVER, &victim);
    }
    end_run(t, count);
    if (misses)
        *misses += t->misses - before;
    return e;
}

bool vmsim_test_reclaim_probe(const struct vmsim_test_reclaim *t, uint64_t page) {
    if (!t)
        return false;
    return page < t->pages && t->page[page].folio;
}

void vmsim_test_reclaim_free(struct vmsim_test_reclaim *t, uint64_t page) {
    if (!t)
        return;
    if (vmsim_test_reclaim_probe(t, page))
        let_go(t, t->page[page].folio, VMSIM_FOLIO_FREED);
}

void vmsim_test_reclaim_counts(const struct vmsim_test_reclaim *t, uint64_t *hits, uint64_t *misses) {
    if (!t)
        return;
    if (hits)
        *hits = t->hits;
    if (misses)
        *misses = t->misses;
}

int vmsim_test_reclaim_counter(const struct vmsim_test_reclaim *t, const char *name, uint64_t *value) {
    if (!t || !name || !value)
        return VMSIM_EINVAL;
    return vmsim__policy_counter_find(t->policies, t->r.instance.policy, name, value) ? 0 : VMSIM_ENOENT;
}

/* --- scripts --------------------------------------------------------------------------------------------------------
 */

/* The pages that a script uses, for the future: how many, written to `pages` unless that is NULL. */
static int script_pages(struct vmsim_test_reclaim *t, const char *script, uint64_t *pages, size_t *n) {
    struct vmsim__script_word w = {0};
    int more;
    for (*n = 0; (more = vmsim__script_next(&script, &w, &t->err)) > 0;) {
        if (pages && !w.before)
            pages[*n] = w.page;
        *n += !w.before;
    }
    return more;
}

static int expect_word(struct vmsim_test_reclaim *t, const struct vmsim__script_word *w, uint64_t next) {
    uint64_t victim = 0, fallbacks = 0;
    if (w->before == '!') {
        vmsim_test_reclaim_free(t, w->page);
        return 0;
    }
    if (w->before == '?')
        return vmsim__script_probed(w, vmsim_test_reclaim_probe(t, w->page), &t->err);
    enum vmsim_test_outcome got = reference(t, w->page, next, &victim);
    vmsim_test_reclaim_counter(t, "fallbacks", &fallbacks);
    if (fallbacks)
        return vmsim__err_set(&t->err, VMSIM_ECHECK, "%.*s: the policy %s", w->length, w->text,
                              vmsim__policy_first_fallback(&t->r.instance));
    return vmsim__script_judge(w, got, victim, &t->err);
}

static int expect_words(struct vmsim_test_reclaim *t, const char *script) {
    struct vmsim__script_word w = {0};
    int e = 0;
    for (size_t i = 0; !e && vmsim__script_next(&script, &w, &t->err) > 0; i += !w.before)
        e = expect_word(t, &w, t->future ? t->future[i] : NEVER);
    return e;
}

int vmsim_test_reclaim_expect(struct vmsim_test_reclaim *t, const char *script, char *why, size_t why_size) {
    if (!t || !script)
        return VMSIM_EINVAL;
    size_t n;
    int e = script_pages(t, script, NULL, &n);
    uint64_t *pages = e ? NULL : vmsim__malloc(t->alloc, (n + 1) * sizeof *pages);
    if (!e && !pages)
        e = vmsim__err_set(&t->err, VMSIM_ENOMEM, "no memory for a script of %zu steps", n);
    if (!e)
        e = script_pages(t, script, pages, &n);
    e = e ? e : prepare_run(t, pages, n);
    e = e ? e : expect_words(t, script);
    end_run(t, n);
    vmsim__free(t->alloc, pages, (n + 1) * sizeof *pages);
    return vmsim__script_tell(&t->err, e, why, why_size);
}

int vmsim_test_reclaim_check(const struct vmsim_test_reclaim *t, char *why, size_t why_size) {
    if (!t)
        return VMSIM_EINVAL;
    struct vmsim__err err = {0};
    int e = vmsim__reclaim_check(&t->r, &err);
    for (uint32_t f = 1; !e && f <= t->frames; f++)
        if ((t->r.node[f].flags & VMSIM__RECLAIM_THERE) && t->page[t->folio[f].page].folio != f)
            e = vmsim__err_set(&err, VMSIM_ECHECK, "frame %u holds page %llu, which is not there", f,
                               (unsigned long long)t->folio[f].page);
    if (!e && t->r.there + t->frees != t->frames)
        e = vmsim__err_set(&err, VMSIM_ECHECK, "%u of %u frames are taken, and %u free", t->r.there, t->frames,
                           t->frees);
    return vmsim__script_tell(&err, e, why, why_size);
}
