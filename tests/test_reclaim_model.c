/* SPDX-License-Identifier: MIT */
/* Every built-in reclaim policy against a model of it that was written apart, in the plainest way: arrays that are
 * searched and shifted at each reference. Hits and victims must agree one by one on streams of Zipf's law. */
#include "helpers.h"

#include "vmsim/testing.h"

#define MOST 64 /* frames */
#define NOBODY UINT64_MAX
#define REFERENCES 12000u

/* An ordered list of pages, [0] the newest. */
struct row {
    uint64_t page[2 * MOST + 2];
    unsigned count;
};

static unsigned find(const struct row *r, uint64_t page) {
    unsigned i = 0;
    while (i < r->count && r->page[i] != page)
        i++;
    return i;
}
static bool has(const struct row *r, uint64_t page) {
    return find(r, page) < r->count;
}
static void take(struct row *r, uint64_t page) {
    unsigned i = find(r, page);
    if (i == r->count)
        return;
    memmove(&r->page[i], &r->page[i + 1], (r->count - i - 1) * sizeof r->page[0]);
    r->count--;
}
static void push(struct row *r, uint64_t page) {
    memmove(&r->page[1], &r->page[0], r->count * sizeof r->page[0]);
    r->page[0] = page;
    r->count++;
}
static uint64_t pop(struct row *r) {
    return r->page[--r->count];
}

#define PAGES 1024u
struct model {
    unsigned frames;
    struct row row, small, main, ghost, t1, t2, b1, b2;
    bool used[PAGES];
    unsigned uses[PAGES];
    uint64_t value[PAGES], last[PAGES], next[PAGES];
    uint64_t time, age, target, hand; /* hand: a page, NOBODY: begin at the oldest */
    struct vmsim__rng rng;
    uint64_t hits[8][256], ends[8][256], density[8][256], next_reckoning; /* lhd */
};

/* Each tells whether `page` was there, and which page went for it (NOBODY: none). */
typedef bool model_step(struct model *m, uint64_t page, uint64_t *victim);

static bool ordered(struct model *m, uint64_t page, uint64_t *victim, bool reorder, bool newest) {
    bool hit = has(&m->row, page);
    if (!hit && m->row.count == m->frames) {
        *victim = newest ? m->row.page[0] : m->row.page[m->row.count - 1];
        take(&m->row, *victim);
    }
    if (hit && reorder)
        take(&m->row, page);
    if (!hit || reorder)
        push(&m->row, page);
    return hit;
}
static bool fifo(struct model *m, uint64_t page, uint64_t *victim) {
    return ordered(m, page, victim, false, false);
}
static bool lru(struct model *m, uint64_t page, uint64_t *victim) {
    return ordered(m, page, victim, true, false);
}
static bool mru(struct model *m, uint64_t page, uint64_t *victim) {
    return ordered(m, page, victim, true, true);
}

static bool clock_hand(struct model *m, uint64_t page, uint64_t *victim) {
    bool hit = has(&m->row, page);
    m->used[page] = hit;
    if (hit)
        return true;
    while (m->row.count == m->frames) {
        uint64_t old = pop(&m->row);
        if (m->used[old])
            push(&m->row, old);
        else
            *victim = old;
        m->used[old] = false;
    }
    push(&m->row, page);
    return false;
}

static bool sieve(struct model *m, uint64_t page, uint64_t *victim) {
    bool hit = has(&m->row, page);
    m->used[page] = hit;
    if (hit)
        return true;
    if (m->row.count == m->frames) {
        unsigned at = m->hand == NOBODY ? m->row.count - 1 : find(&m->row, m->hand);
        while (m->used[m->row.page[at]]) {
            m->used[m->row.page[at]] = false;
            at = at ? at - 1 : m->row.count - 1;
        }
        *victim = m->row.page[at];
        m->hand = at ? m->row.page[at - 1] : NOBODY;
        take(&m->row, *victim);
    }
    push(&m->row, page);
    return false;
}

static bool random_draw(struct model *m, uint64_t page, uint64_t *victim) {
    struct row *r = &m->row;
    if (has(r, page))
        return true;
    if (r->count < m->frames) {
        r->page[r->count++] = page;
        return false;
    }
    unsigned at = (unsigned)vmsim__rng_below(&m->rng, r->count);
    *victim = r->page[at];
    r->page[at] = r->page[r->count - 1];
    r->page[r->count - 1] = page;
    return false;
}

static bool lfu_by(struct model *m, uint64_t page, uint64_t *victim, bool aging) {
    bool hit = has(&m->row, page);
    m->time++;
    if (!hit && m->row.count == m->frames) {
        uint64_t least = m->row.page[0];
        for (unsigned i = 1; i < m->row.count; i++) {
            uint64_t p = m->row.page[i];
            if (m->value[p] < m->value[least] || (m->value[p] == m->value[least] && m->last[p] < m->last[least]))
                least = p;
        }
        *victim = least;
        m->age = aging ? m->value[least] : 0;
        take(&m->row, least);
    }
    if (!hit)
        push(&m->row, page);
    m->uses[page] = hit ? m->uses[page] + 1 : 1;
    m->value[page] = m->age + m->uses[page];
    m->last[page] = m->time;
    return hit;
}
static bool lfu(struct model *m, uint64_t page, uint64_t *victim) {
    return lfu_by(m, page, victim, true);
}
static bool plain_lfu(struct model *m, uint64_t page, uint64_t *victim) {
    return lfu_by(m, page, victim, false);
}

static bool opt(struct model *m, uint64_t page, uint64_t *victim) {
    bool hit = has(&m->row, page);
    if (!hit && m->row.count == m->frames) {
        uint64_t far = m->row.page[0];
        for (unsigned i = 1; i < m->row.count; i++)
            far = m->next[m->row.page[i]] > m->next[far] ? m->row.page[i] : far;
        *victim = far;
        take(&m->row, far);
    }
    if (!hit)
        push(&m->row, page);
    return hit;
}

static uint64_t s3fifo_main(struct model *m) {
    for (;;) {
        uint64_t old = pop(&m->main);
        if (!m->uses[old]--)
            return old;
        push(&m->main, old);
    }
}
/* Until one goes, or the queue is empty. */
static void s3fifo_small(struct model *m, unsigned main_share, uint64_t *victim) {
    while (m->small.count && *victim == NOBODY) {
        uint64_t old = pop(&m->small);
        if (m->uses[old] >= 2) {
            m->uses[old] = 0;
            push(&m->main, old);
            continue;
        }
        *victim = old;
        if (main_share && m->ghost.count == main_share)
            pop(&m->ghost);
        if (main_share)
            push(&m->ghost, old);
    }
}
static bool s3fifo(struct model *m, uint64_t page, uint64_t *victim) {
    unsigned small_share = m->frames / 10 ? m->frames / 10 : 1, main_share = m->frames - small_share;
    if (has(&m->small, page) || has(&m->main, page)) {
        m->uses[page] = m->uses[page] < 3 ? m->uses[page] + 1 : 3;
        return true;
    }
    while (m->small.count + m->main.count == m->frames) {
        if (m->main.count > main_share || !m->small.count)
            *victim = s3fifo_main(m);
        else
            s3fifo_small(m, main_share, victim);
    }
    bool ghost = has(&m->ghost, page);
    take(&m->ghost, page);
    push(ghost ? &m->main : &m->small, page);
    m->uses[page] = 0;
    return false;
}

/* As in the paper: cases I to IV. */
static void arc_replace(struct model *m, bool in_b2, uint64_t *victim) {
    if (m->t1.count + m->t2.count < m->frames)
        return;
    if (m->t1.count && (m->t1.count > m->target || (in_b2 && m->t1.count == m->target)))
        push(&m->b1, *victim = pop(&m->t1));
    else
        push(&m->b2, *victim = pop(&m->t2));
}
static uint64_t most(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}
static bool arc(struct model *m, uint64_t page, uint64_t *victim) {
    unsigned c = m->frames;
    if (has(&m->t1, page) || has(&m->t2, page)) {
        take(&m->t1, page), take(&m->t2, page);
        push(&m->t2, page);
        return true;
    }
    if (has(&m->b1, page)) {
        m->target += most(m->b2.count / m->b1.count, 1);
        m->target = m->target > c ? c : m->target;
        arc_replace(m, false, victim);
        take(&m->b1, page);
        push(&m->t2, page);
    } else if (has(&m->b2, page)) {
        uint64_t less = most(m->b1.count / m->b2.count, 1);
        m->target = m->target > less ? m->target - less : 0;
        arc_replace(m, true, victim);
        take(&m->b2, page);
        push(&m->t2, page);
    } else {
        if (m->t1.count + m->b1.count == c && m->t1.count < c) {
            pop(&m->b1);
            arc_replace(m, false, victim);
        } else if (m->t1.count == c) {
            *victim = pop(&m->t1);
        } else {
            if (m->t1.count + m->t2.count + m->b1.count + m->b2.count == 2 * c)
                pop(&m->b2);
            arc_replace(m, false, victim);
        }
        push(&m->t1, page);
    }
    return false;
}

static unsigned lhd_class(const struct model *m, uint64_t page) {
    return m->uses[page] < 7 ? m->uses[page] : 7;
}
static unsigned lhd_age(const struct model *m, uint64_t page) {
    uint64_t step = m->frames / 8 ? m->frames / 8 : 1, age = (m->time - m->last[page]) / step;
    return age < 255 ? (unsigned)age : 255;
}
static void lhd_reckon(struct model *m) {
    for (unsigned c = 0; c < 8; c++)
        for (unsigned a = 0; a < 256; a++) {
            uint64_t hits = 0, lived = 0;
            for (unsigned later = a; later < 256; later++) {
                hits += m->hits[c][later];
                lived += (later - a + 1) * (m->hits[c][later] + m->ends[c][later]);
            }
            if (lived)
                m->density[c][a] = (uint64_t)(((unsigned __int128)hits << 32) / lived);
        }
    for (unsigned c = 0; c < 8; c++)
        for (unsigned a = 0; a < 256; a++) {
            m->hits[c][a] -= m->hits[c][a] / 10;
            m->ends[c][a] -= m->ends[c][a] / 10;
        }
}
static bool lhd(struct model *m, uint64_t page, uint64_t *victim) {
    struct row *r = &m->row;
    bool hit = has(r, page);
    if (!hit && r->count == m->frames) {
        uint64_t least = 0;
        unsigned at = r->count;
        for (unsigned i = 0; i < 32; i++) {
            unsigned drawn = (unsigned)vmsim__rng_below(&m->rng, r->count);
            uint64_t p = r->page[drawn], density = m->density[lhd_class(m, p)][lhd_age(m, p)];
            if (at == r->count || density < least) {
                at = drawn;
                least = density;
            }
        }
        *victim = r->page[at];
        m->ends[lhd_class(m, *victim)][lhd_age(m, *victim)] += 1024;
        r->page[at] = r->page[--r->count];
    }
    if (++m->time == m->next_reckoning) {
        lhd_reckon(m);
        m->next_reckoning += 8 * m->frames;
    }
    if (hit)
        m->hits[lhd_class(m, page)][lhd_age(m, page)] += 1024;
    else
        r->page[r->count++] = page;
    m->uses[page] = hit ? m->uses[page] + 1 : 0;
    m->last[page] = m->time;
    return hit;
}

/* Generations: rows by the number of their beginning, modulo 4; `age` and `target` are those of the oldest and of the
 * youngest. */
static bool generations(struct model *m, uint64_t page, uint64_t *victim) {
    uint64_t gone = NOBODY;
    struct row *const gen[4] = {&m->small, &m->main, &m->t1, &m->t2};
    const bool hit = has(gen[0], page) || has(gen[1], page) || has(gen[2], page) || has(gen[3], page);
    const unsigned all = m->small.count + m->main.count + m->t1.count + m->t2.count;
    m->used[page] = hit;
    while (!hit && all == m->frames && gone == NOBODY) {
        for (; m->target < m->age + 2; m->target++) {
            for (uint64_t g = m->age; g <= m->target; g++) {
                for (unsigned i = gen[g % 4]->count; i-- > 0;) {
                    const uint64_t at = gen[g % 4]->page[i];
                    if (!m->used[at])
                        continue;
                    take(gen[g % 4], at);
                    push(gen[(m->target + 1) % 4], at);
                    m->used[at] = false;
                }
            }
        }
        while (gen[m->age % 4]->count && gone == NOBODY) {
            const uint64_t at = pop(gen[m->age % 4]);
            if (m->used[at])
                push(gen[m->target % 4], at);
            else
                gone = at;
            m->used[at] = false;
        }
        m->age += gone == NOBODY;
    }
    *victim = gone == NOBODY ? *victim : gone;
    if (!hit)
        push(gen[m->target % 4], page);
    return hit;
}

static struct model *model_new(unsigned frames, uint64_t seed) {
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->frames = frames;
    m->hand = NOBODY;
    m->next_reckoning = 8 * frames;
    vmsim__rng_seed_named(&m->rng, seed, "reclaim");
    for (unsigned c = 0; c < 8; c++)
        for (unsigned a = 0; a < 256; a++)
            m->density[c][a] = 256 - a;
    return m;
}

/* ---- streams ---- */

/* Zipf's law of exponent 1 over n pages, in whole numbers; where `scan` is set, a pass over all of them now and then.
 */
static void stream(struct vmsim__rng *rng, uint64_t *pages, unsigned n, bool scan) {
    uint64_t below[PAGES], sum = 0;
    for (unsigned k = 0; k < n; k++)
        below[k] = sum += (UINT64_C(1) << 32) / (k + 1);
    for (unsigned i = 0; i < REFERENCES; i++) {
        uint64_t draw = vmsim__rng_below(rng, sum), k = 0;
        while (below[k] <= draw)
            k++;
        pages[i] = scan && i / 500 % 3 == 2 ? i % n : k * 7 % n;
    }
}

static const struct {
    const char *policy, *param;
    model_step *step;
} policies[] = {{"fifo", NULL, fifo},        {"lru", NULL, lru},          {"mru", NULL, mru},
                {"clock", NULL, clock_hand}, {"sieve", NULL, sieve},      {"random", NULL, random_draw},
                {"lfu", NULL, lfu},          {"lfu", "false", plain_lfu}, {"s3fifo", NULL, s3fifo},
                {"arc", NULL, arc},          {"lhd", NULL, lhd},          {"linux-mglru", NULL, generations}};

static struct vmsim_test_reclaim *open_reclaim(const char *policy, const char *aging, unsigned frames, uint64_t seed) {
    struct vmsim_test_reclaim *t;
    char why[256];
    struct vmsim_param_pair pair = {"aging", aging, "test"};
    struct vmsim_test_reclaim_options o = {.size = sizeof o,
                                           .frames = frames,
                                           .policy = policy,
                                           .seed = seed,
                                           .params = aging ? &pair : NULL,
                                           .param_count = aging ? 1 : 0};
    if (vmsim_test_reclaim_create(&t, &o, why, sizeof why))
        fail_msg("%s", why);
    return t;
}

static void close_reclaim(struct vmsim_test_reclaim *t, const char *what) {
    char why[256];
    uint64_t fallbacks;
    if (vmsim_test_reclaim_check(t, why, sizeof why))
        fail_msg("%s", why);
    assert_int_equal(vmsim_test_reclaim_counter(t, "fallbacks", &fallbacks), 0);
    if (fallbacks)
        fail_msg("%s: %llu fallbacks", what, (unsigned long long)fallbacks);
    assert_int_equal(vmsim_test_reclaim_destroy(t), 0);
}

static void compare(unsigned which, unsigned frames, const uint64_t *pages) {
    struct vmsim_test_reclaim *t = open_reclaim(policies[which].policy, policies[which].param, frames, 5);
    struct model *m = model_new(frames, 5);
    for (unsigned i = 0; i < REFERENCES; i++) {
        uint64_t wanted = NOBODY, got = NOBODY;
        bool hit = policies[which].step(m, pages[i], &wanted);
        enum vmsim_test_outcome outcome = vmsim_test_reclaim_step(t, pages[i], &got);
        if (hit != (outcome == VMSIM_TEST_HIT) || wanted != got)
            fail_msg(
                "%s with %u frames, reference %u (page %llu): the model %s and lets %lld go, the policy %s and %lld",
                policies[which].policy, frames, i, (unsigned long long)pages[i], hit ? "hits" : "misses",
                (long long)wanted, outcome == VMSIM_TEST_HIT ? "hits" : "misses", (long long)got);
    }
    free(m);
    close_reclaim(t, policies[which].policy);
}

static void every_policy_is_its_model(void **state) {
    static const unsigned frames[] = {1, 2, 3, 9, 20, MOST};
    static uint64_t pages[REFERENCES];
    struct vmsim__rng rng = test_rng("reclaim");
    (void)state;
    for (unsigned f = 0; f < TEST_COUNT(frames); f++)
        for (unsigned scan = 0; scan < 2; scan++) {
            stream(&rng, pages, frames[f] * 10 + 3, scan);
            for (unsigned which = 0; which < TEST_COUNT(policies); which++)
                compare(which, frames[f], pages);
        }
}

static void nothing_misses_less_often_than_opt(void **state) {
    static const unsigned frames[] = {1, 2, 3, 9, 20, MOST};
    static uint64_t pages[REFERENCES];
    struct vmsim__rng rng = test_rng("opt");
    (void)state;
    for (unsigned f = 0; f < TEST_COUNT(frames); f++) {
        stream(&rng, pages, frames[f] * 10 + 3, f & 1);
        struct model *m = model_new(frames[f], 5);
        struct vmsim_test_reclaim *t = open_reclaim("opt", NULL, frames[f], 5);
        uint64_t best = 0, expected = 0, victim;
        for (unsigned i = 0; i < REFERENCES; i++) {
            expected += !opt(m, pages[i], &victim);
            uint64_t next = i + 1;
            while (next < REFERENCES && pages[next] != pages[i])
                next++;
            m->next[pages[i]] = next < REFERENCES ? next : NOBODY;
        }
        assert_int_equal(vmsim_test_reclaim_run(t, pages, REFERENCES, &best), 0);
        assert_int_equal(best, expected);
        close_reclaim(t, "opt");
        free(m);
        for (unsigned which = 0; which < TEST_COUNT(policies); which++) {
            uint64_t misses = 0;
            t = open_reclaim(policies[which].policy, policies[which].param, frames[f], 5);
            assert_int_equal(vmsim_test_reclaim_run(t, pages, REFERENCES, &misses), 0);
            assert_true(misses >= best);
            close_reclaim(t, policies[which].policy);
        }
    }
}

/* Batches and pages that go without the policy: no model, but nothing may get lost, and no answer be wrong. */
static void batches_and_freed_pages_lose_nothing(void **state) {
    struct vmsim__rng rng = test_rng("batches");
    (void)state;
    for (unsigned which = 0; which <= TEST_COUNT(policies); which++)
        for (unsigned batch = 2; batch <= 32; batch *= 4) {
            struct vmsim_test_reclaim *t;
            struct vmsim_test_reclaim_options o = {.size = sizeof o,
                                                   .frames = 1 + (unsigned)vmsim__rng_below(&rng, 40),
                                                   .batch = batch,
                                                   .policy =
                                                       which < TEST_COUNT(policies) ? policies[which].policy : "opt"};
            assert_int_equal(vmsim_test_reclaim_create(&t, &o, NULL, 0), 0);
            for (unsigned i = 0; i < 4000; i++) {
                uint64_t page = vmsim__rng_below(&rng, 1 + vmsim__rng_below(&rng, 100));
                if (vmsim__rng_below(&rng, 8) == 0)
                    vmsim_test_reclaim_free(t, page);
                else
                    assert_int_not_equal(vmsim_test_reclaim_step(t, page, NULL), VMSIM_TEST_ERROR);
                if (i % 64 == 0)
                    assert_int_equal(vmsim_test_reclaim_check(t, NULL, 0), 0);
            }
            close_reclaim(t, o.policy);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_is_its_model),
        cmocka_unit_test(nothing_misses_less_often_than_opt),
        cmocka_unit_test(batches_and_freed_pages_lose_nothing),
    };
    return cmocka_run_group_tests_name("reclaim_model", tests, NULL, NULL);
}
