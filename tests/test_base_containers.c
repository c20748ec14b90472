/* SPDX-License-Identifier: MIT */
/* Radix tree, event queue, sets of names and random numbers, each against a simple reference. */
#include "helpers.h"

#include "base/evq.h"
#include "base/names.h"
#include "base/radix.h"

/* ---- radix tree against a sorted array ---- */

enum { ENTRIES = 4096 };

struct model {
    uint64_t index[ENTRIES], value[ENTRIES];
    size_t count;
};

/* Position of the first entry at or after `index`. */
static size_t model_find(const struct model *m, uint64_t index) {
    size_t low = 0, high = m->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (m->index[middle] < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint64_t model_get(const struct model *m, uint64_t index) {
    size_t i = model_find(m, index);
    return i < m->count && m->index[i] == index ? m->value[i] : 0;
}

static void model_set(struct model *m, uint64_t index, uint64_t value) {
    size_t i = model_find(m, index);
    if (i == m->count || m->index[i] != index) {
        memmove(m->index + i + 1, m->index + i, (m->count - i) * sizeof *m->index);
        memmove(m->value + i + 1, m->value + i, (m->count - i) * sizeof *m->value);
        m->count++;
    }
    m->index[i] = index;
    m->value[i] = value;
}

static void model_remove(struct model *m, uint64_t index) {
    size_t i = model_find(m, index);
    if (i == m->count || m->index[i] != index)
        return;
    m->count--;
    memmove(m->index + i, m->index + i + 1, (m->count - i) * sizeof *m->index);
    memmove(m->value + i, m->value + i + 1, (m->count - i) * sizeof *m->value);
}

/* Dense runs, sparse ones, powers of 64 and the ends of the range. */
static uint64_t some_index(struct vmsim__rng *r) {
    uint64_t any = vmsim__rng_next(r);
    switch (any & 7) {
    case 0:
        return UINT64_MAX - (any >> 3) % 3;
    case 1:
        return (UINT64_C(1) << (any >> 3) % 64) - (any >> 9) % 2;
    case 2:
        return vmsim__rng_next(r) >> (any >> 3) % 64;
    case 3:
        return 1000000 + (any >> 3) % 200;
    default:
        return (any >> 3) % 600;
    }
}

static void check_iteration(const struct vmsim__radix *t, const struct model *m, uint64_t from) {
    size_t i = model_find(m, from);
    uint64_t index = from, value;
    for (; (value = vmsim__radix_next(t, &index)); index++, i++) {
        assert_true(i < m->count);
        assert_int_equal(index, m->index[i]);
        assert_int_equal(value, m->value[i]);
        if (index == UINT64_MAX) {
            i++;
            break;
        }
    }
    assert_int_equal(i, m->count);
}

struct paid {
    uint32_t by[3], made[3];
};
static void paid_less(void *context, uint32_t payer) {
    struct paid *p = context;
    assert_true(payer < 3 && p->by[payer] > 0);
    p->by[payer]--;
}
static void paid_more(void *context, uint32_t payer) {
    struct paid *p = context;
    assert_true(payer > 0 && payer < 3);
    p->made[payer]++;
}
static void paid_for(void *context, uint32_t payer) {
    struct paid *p = context;
    p->by[payer]++;
}

/* Nodes told of before, made, still there and freed add up, whoever pays. */
static void radix_nodes_are_billed_to_who_makes_them(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("bill");
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__slab nodes;
    struct paid billed = {0};
    struct vmsim__radix_bill bill = {.made = paid_more, .freed = paid_less, .context = &billed};
    vmsim__radix_slab_init(&nodes, a);
    struct vmsim__radix t;
    vmsim__radix_init(&t, &nodes);
    t.bill = &bill;
    assert_int_equal(vmsim__radix_billed(&t, 0), 0);
    assert_int_equal(vmsim__radix_billed(&t, 63), 1);
    assert_int_equal(vmsim__radix_billed(&t, 64), 2);
    bill.payer = 1;
    assert_true(vmsim__radix_set(&t, 0, 1, NULL));
    assert_int_equal(vmsim__radix_billed(&t, 1), 1); /* a lone entry had none */
    assert_int_equal(vmsim__radix_billed(&t, 64), 3);
    for (unsigned i = 0; i < 20000; i++) {
        const uint64_t index = some_index(&r);
        struct paid found = {0};
        bill.payer = (uint32_t)vmsim__rng_below(&r, 3);
        if (vmsim__rng_below(&r, 4) < (i / 2000 % 2 ? 1u : 3u)) {
            const uint32_t due = bill.payer ? vmsim__radix_billed(&t, index) : 0;
            const uint32_t before = billed.made[bill.payer];
            billed.by[bill.payer] += due;
            assert_true(vmsim__radix_set(&t, index, i + 1, NULL));
            assert_int_equal(billed.made[bill.payer] - before, due);
        } else {
            uint64_t at = index;
            if (vmsim__radix_next(&t, &at))
                vmsim__radix_remove(&t, at);
        }
        if (i % 100 && i < 19900)
            continue;
        vmsim__radix_each_payer(&t, paid_for, &found);
        assert_int_equal(found.by[1], billed.by[1]);
        assert_int_equal(found.by[2], billed.by[2]);
    }
    vmsim__radix_fini(&t);
    assert_int_equal(billed.by[1] + billed.by[2], 0);
    vmsim__slab_fini(&nodes);
    test_alloc_end(a);
}

static void radix_agrees_with_a_sorted_array(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("radix");
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__slab nodes;
    vmsim__radix_slab_init(&nodes, a);
    struct vmsim__radix t;
    vmsim__radix_init(&t, &nodes);
    static struct model m;
    m.count = 0;
    for (unsigned i = 0; i < 30000; i++) {
        uint64_t index = some_index(&r), old = 99, was = model_get(&m, index);
        bool filling = i / 3000 % 2 == 0;
        assert_int_equal(vmsim__radix_get(&t, index), was);
        if (vmsim__rng_below(&r, 4) < (filling ? 3u : 1u) && m.count < ENTRIES) {
            uint64_t value = vmsim__rng_next(&r) | 1;
            assert_true(vmsim__radix_set(&t, index, value, &old));
            assert_int_equal(old, was);
            model_set(&m, index, value);
        } else {
            if (m.count && vmsim__rng_below(&r, 2)) {
                index = m.index[vmsim__rng_below(&r, m.count)];
                was = model_get(&m, index);
            }
            assert_int_equal(vmsim__radix_remove(&t, index), was);
            model_remove(&m, index);
        }
        assert_int_equal(t.count, m.count);
        if (i % 500 == 0) {
            assert_true(vmsim__radix_valid(&t));
            assert_true(vmsim__slab_valid(&nodes));
            check_iteration(&t, &m, some_index(&r));
        }
    }
    check_iteration(&t, &m, 0);
    while (m.count) {
        uint64_t index = m.index[vmsim__rng_below(&r, m.count)];
        assert_int_equal(vmsim__radix_remove(&t, index), model_get(&m, index));
        model_remove(&m, index);
    }
    assert_int_equal(nodes.used, 0); /* empty nodes were freed all along */
    assert_int_equal(t.height, 0);
    vmsim__slab_fini(&nodes);
    test_alloc_end(a);
}

/* ---- marks against a plain array ---- */

enum { MARKED = 5000 };

struct marked {
    uint64_t value[MARKED];
    uint8_t marks[MARKED];
};

static void check_marks(const struct vmsim__radix *t, const struct marked *m, uint64_t stride) {
    for (unsigned mark = 0; mark < VMSIM__RADIX_MARKS; mark++) {
        uint64_t index = 0, value, i = 0;
        bool any = false;
        for (; (value = vmsim__radix_next_marked(t, &index, mark)); index++, i++) {
            while (i < MARKED && !(m->marks[i] >> mark & 1))
                i++;
            assert_true(i < MARKED);
            assert_int_equal(index, i * stride);
            assert_int_equal(value, m->value[i]);
            any = true;
        }
        while (i < MARKED && !(m->marks[i] >> mark & 1))
            i++;
        assert_int_equal(i, MARKED);
        assert_int_equal(vmsim__radix_any(t, mark), any);
    }
}

/* One random operation on entry `i`, on the tree and on the array. */
static void change_marks(struct vmsim__rng *r, struct vmsim__radix *t, struct marked *m, size_t i, uint64_t stride) {
    unsigned mark = (unsigned)vmsim__rng_below(r, VMSIM__RADIX_MARKS), marks = (unsigned)vmsim__rng_below(r, 16);
    uint64_t index = i * stride;
    assert_int_equal(vmsim__radix_marked(t, index, mark), m->marks[i] >> mark & 1);
    switch (vmsim__rng_below(r, 7)) {
    case 0:
        m->value[i] = vmsim__rng_next(r) | 1;
        m->marks[i] = (uint8_t)marks;
        assert_true(vmsim__radix_store(t, index, m->value[i], marks, NULL));
        return;
    case 1:
        m->value[i] = vmsim__rng_next(r) | 1;
        m->marks[i] = 0;
        assert_true(vmsim__radix_set(t, index, m->value[i], NULL));
        return;
    case 2:
        assert_int_equal(vmsim__radix_remove(t, index), m->value[i]);
        m->value[i] = m->marks[i] = 0;
        return;
    case 3:
        if (m->value[i])
            vmsim__radix_unmark(t, index, mark);
        m->marks[i] &= (uint8_t) ~(1u << mark);
        return;
    case 4: {
        const unsigned to = (mark + 1 + marks % (VMSIM__RADIX_MARKS - 1)) % VMSIM__RADIX_MARKS;
        if (!(m->marks[i] >> mark & 1))
            return;
        vmsim__radix_move_mark(t, index, mark, to);
        m->marks[i] = (uint8_t)((m->marks[i] & ~(1u << mark)) | 1u << to);
        return;
    }
    default:
        if (m->value[i])
            vmsim__radix_mark(t, index, mark);
        m->marks[i] |= (uint8_t)(m->value[i] ? 1u << mark : 0);
    }
}

/* Dense trees, and sparse ones in which every entry has a way of its own; operations come in clusters. */
static void radix_marks_agree_with_an_array(void **state) {
    static const uint64_t stride[] = {1, 67, UINT64_C(1) << 40};
    (void)state;
    struct vmsim__rng r = test_rng("marks");
    struct vmsim__alloc *a = test_alloc();
    for (size_t s = 0; s < TEST_COUNT(stride); s++) {
        static struct marked m;
        struct vmsim__slab nodes;
        struct vmsim__radix t;
        memset(&m, 0, sizeof m);
        vmsim__radix_slab_init(&nodes, a);
        vmsim__radix_init(&t, &nodes);
        uint64_t base = 0;
        for (unsigned n = 0; n < 20000; n++) {
            if (n % 40 == 0)
                base = vmsim__rng_below(&r, MARKED - 100);
            change_marks(&r, &t, &m, (size_t)(base + vmsim__rng_below(&r, 100)), stride[s]);
            if (n % 1000 == 0) {
                assert_true(vmsim__radix_valid(&t));
                check_marks(&t, &m, stride[s]);
            }
        }
        check_marks(&t, &m, stride[s]);
        for (size_t i = 0; i < MARKED; i++)
            assert_int_equal(vmsim__radix_remove(&t, i * stride[s]), m.value[i]);
        assert_int_equal(nodes.used, 0);
        vmsim__slab_fini(&nodes);
    }
    test_alloc_end(a);
}

/* A root that is put on top of marked entries leads to them. */
static void radix_marks_survive_growth_and_shrinking(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__slab nodes;
    struct vmsim__radix t;
    vmsim__radix_slab_init(&nodes, a);
    vmsim__radix_init(&t, &nodes);
    assert_true(vmsim__radix_store(&t, 3, 30, 1u << 2, NULL));
    assert_true(vmsim__radix_set(&t, UINT64_C(1) << 50, 50, NULL));
    uint64_t index = 0;
    assert_int_equal(vmsim__radix_next_marked(&t, &index, 2), 30);
    assert_int_equal(index, 3);
    assert_false(vmsim__radix_any(&t, 1));
    assert_int_equal(vmsim__radix_remove(&t, UINT64_C(1) << 50), 50);
    assert_true(vmsim__radix_marked(&t, 3, 2));
    assert_true(vmsim__radix_valid(&t));
    vmsim__radix_unmark(&t, 3, 2);
    assert_false(vmsim__radix_any(&t, 2));
    vmsim__radix_fini(&t);
    vmsim__slab_fini(&nodes);
    test_alloc_end(a);
}

static void radix_height_follows_the_largest_index(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__slab nodes;
    vmsim__radix_slab_init(&nodes, a);
    struct vmsim__radix t;
    vmsim__radix_init(&t, &nodes);
    static const struct {
        uint64_t index;
        unsigned height;
    } steps[] = {{0, 1}, {63, 1}, {64, 2}, {4095, 2}, {4096, 3}, {UINT64_MAX >> 4, 10}, {UINT64_MAX, 11}};
    for (unsigned i = 0; i < TEST_COUNT(steps); i++) {
        assert_true(vmsim__radix_set(&t, steps[i].index, i + 1, NULL));
        assert_int_equal(t.height, steps[i].height);
    }
    for (unsigned i = TEST_COUNT(steps); i-- > 0;) {
        assert_int_equal(t.height, steps[i].height);
        assert_int_equal(vmsim__radix_remove(&t, steps[i].index), i + 1);
    }
    assert_true(vmsim__radix_set(&t, 12345678, 5, NULL));
    vmsim__radix_fini(&t);
    assert_int_equal(nodes.used, 0);
    vmsim__slab_fini(&nodes);
    test_alloc_end(a);
}

/* Wide nodes (552 bytes) make a slab of 64 KiB hold 118, so a failing slab shows at known points. */
static void radix_insertion_without_memory_changes_nothing(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__slab nodes;
    vmsim__radix_slab_init(&nodes, a);
    struct vmsim__radix t;
    vmsim__radix_init(&t, &nodes);
    vmsim__alloc_fail_after(a, 2); /* one slab and no more */
    uint64_t stored = 0;
    while (vmsim__radix_set(&t, stored << 40, stored + 1, NULL))
        stored++;
    size_t used = nodes.used;
    assert_true(stored > 10);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(vmsim__radix_set(&t, UINT64_MAX - i, 1, NULL));
        assert_int_equal(nodes.used, used);
        assert_int_equal(t.count, stored);
    }
    for (uint64_t i = 0; i < stored; i++)
        assert_int_equal(vmsim__radix_get(&t, i << 40), i + 1);
    vmsim__radix_fini(&t);
    vmsim__slab_fini(&nodes);
    test_alloc_end(a);
}

/* ---- event queue against a stable sort ---- */

struct timed {
    uint64_t time, arg;
    uint32_t slot;
    bool live;
};

/* The earliest live event of the reference: the first pushed among equals, as in a stable sort. */
static size_t earliest(const struct timed *e, size_t count) {
    size_t best = count;
    for (size_t i = 0; i < count; i++)
        if (e[i].live && (best == count || e[i].time < e[best].time))
            best = i;
    return best;
}

static bool has_arg(const void *arg, const struct vmsim__event *e) {
    return e->arg == *(const uint64_t *)arg;
}

static void events_fire_by_time_then_in_order_of_scheduling(void **state) {
    (void)state;
    enum { EVENTS = 3000 };
    struct vmsim__rng r = test_rng("events");
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__evq q;
    vmsim__evq_init(&q, a);
    static struct timed all[EVENTS];
    size_t count = 0, live = 0;
    struct vmsim__event e;
    while (count < EVENTS || live) {
        uint64_t what = vmsim__rng_below(&r, 10);
        size_t first = earliest(all, count);
        if (count < EVENTS && what < (count / 500 % 2 ? 3u : 7u)) {
            all[count] = (struct timed){vmsim__rng_below(&r, 200), count, 0, true};
            assert_true(vmsim__evq_push(&q, all[count].time, 7, count, &all[count].slot));
            count++;
            live++;
        } else if (what == 7 && count) {
            size_t i = vmsim__rng_below(&r, count);
            if (all[i].live) {
                vmsim__evq_cancel(&q, all[i].slot);
                all[i].live = false;
                live--;
            }
        } else {
            assert_int_equal(vmsim__evq_peek(&q) != NULL, live > 0);
            assert_int_equal(vmsim__evq_pop(&q, &e), live > 0);
            if (!live)
                continue;
            assert_int_equal(e.arg, first);
            assert_int_equal(e.time, all[first].time);
            assert_int_equal(e.kind, 7);
            all[first].live = false;
            live--;
        }
        if (count) {
            const uint64_t arg = vmsim__rng_below(&r, count), until = vmsim__rng_below(&r, 200);
            assert_int_equal(vmsim__evq_any(&q, until, has_arg, &arg), all[arg].live && all[arg].time <= until);
        }
        assert_int_equal(q.heap.count, live);
        assert_true(count % 50 || vmsim__evq_valid(&q));
    }
    assert_null(vmsim__evq_peek(&q));
    vmsim__evq_fini(&q);
    test_alloc_end(a);
}

static void cancelling_what_is_gone_does_nothing(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__evq q;
    vmsim__evq_init(&q, a);
    uint32_t one, two;
    assert_true(vmsim__evq_push(&q, 5, 0, 0, &one));
    assert_true(vmsim__evq_push(&q, 6, 0, 1, &two));
    vmsim__evq_cancel(&q, one);
    vmsim__evq_cancel(&q, one);
    vmsim__evq_cancel(&q, 1000);
    assert_int_equal(vmsim__evq_peek(&q)->arg, 1);
    assert_int_equal(q.heap.count, 1);
    vmsim__evq_fini(&q);
    test_alloc_end(a);
}

static bool schedule_fifty(struct vmsim__alloc *a, void *context) {
    (void)context;
    struct vmsim__evq q;
    vmsim__evq_init(&q, a);
    uint64_t pushed = 0;
    while (pushed < 50 && vmsim__evq_push(&q, 100 - pushed, 0, pushed, NULL))
        pushed++;
    struct vmsim__event e;
    for (uint64_t i = pushed; i-- > 0;) {
        assert_true(vmsim__evq_pop(&q, &e));
        assert_int_equal(e.arg, i);
    }
    assert_false(vmsim__evq_pop(&q, &e));
    vmsim__evq_fini(&q);
    return pushed == 50;
}

static void a_queue_without_memory_keeps_what_it_has(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    assert_true(test_each_failure(a, schedule_fifty, NULL, 50) >= 2);
    test_alloc_end(a);
}

static void a_broken_structure_is_not_valid(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__evq q;
    vmsim__evq_init(&q, a);
    for (uint64_t i = 0; i < 5; i++)
        assert_true(vmsim__evq_push(&q, i, 0, i, NULL));
    assert_true(vmsim__evq_valid(&q));
    q.heap.at[4].time = 0;
    q.heap.at[4].seq = 0;
    assert_false(vmsim__evq_valid(&q));
    vmsim__evq_fini(&q);
    assert_true(vmsim__evq_valid(&q));

    struct vmsim__slab nodes;
    vmsim__radix_slab_init(&nodes, a);
    struct vmsim__radix t;
    vmsim__radix_init(&t, &nodes);
    assert_true(vmsim__radix_valid(&t));
    assert_true(vmsim__radix_set(&t, 700, 1, NULL));
    t.count = 2;
    assert_false(vmsim__radix_valid(&t));
    t.count = 1;
    assert_true(vmsim__radix_valid(&t));
    vmsim__radix_fini(&t);
    assert_true(vmsim__slab_valid(&nodes));
    nodes.used++;
    assert_false(vmsim__slab_valid(&nodes));
    vmsim__slab_fini(&nodes);
    test_alloc_end(a);
}

/* ---- random numbers ---- */

/* First outputs of xoshiro256** for the state {1, 2, 3, 4}, worked out by hand from the paper's definition:
 * 2 * 5 = 10, rotated left by 7 = 1280, times 9 = 11520; the next state has s[1] = 0. */
static void the_generator_is_xoshiro256starstar(void **state) {
    (void)state;
    struct vmsim__rng r = {{1, 2, 3, 4}};
    assert_int_equal(vmsim__rng_next(&r), 11520);
    assert_int_equal(vmsim__rng_next(&r), 0);
    assert_int_equal(vmsim__rng_next(&r), 1509978240);
}

static void same_seed_same_stream_and_names_make_others(void **state) {
    (void)state;
    struct vmsim__rng a, b, c, d;
    vmsim__rng_seed_named(&a, 42, "tlb");
    vmsim__rng_seed_named(&b, 42, "tlb");
    vmsim__rng_seed_named(&c, 42, "tlc");
    vmsim__rng_seed_named(&d, 43, "tlb");
    unsigned same_name = 0, same_seed = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t x = vmsim__rng_next(&a);
        assert_int_equal(x, vmsim__rng_next(&b));
        same_seed += x == vmsim__rng_next(&c);
        same_name += x == vmsim__rng_next(&d);
    }
    assert_int_equal(same_name + same_seed, 0);
    vmsim__rng_seed(&a, 0);
    assert_true(a.s[0] | a.s[1] | a.s[2] | a.s[3]);
}

static void below_stays_below_and_is_even(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("below");
    unsigned hits[10] = {0};
    for (unsigned i = 0; i < 100000; i++)
        hits[vmsim__rng_below(&r, 10)]++;
    for (unsigned i = 0; i < 10; i++)
        assert_in_range(hits[i], 9400, 10600); /* over six standard deviations */
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(vmsim__rng_below(&r, 1), 0);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(vmsim__rng_below(&r, UINT64_MAX) < UINT64_MAX);
}

/* ---- names against the list of all of them ---- */

enum { NAMES = 600 };

static void check_names(const struct vmsim__names *n, char model[][16], size_t count) {
    assert_int_equal(n->count, count);
    for (uint32_t i = 0; i < count; i++) {
        assert_string_equal(n->at[i].text, model[i]);
        assert_int_equal(vmsim__names_find(n, model[i]), i);
    }
}

static void names_agree_with_a_list(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("names");
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__names n = {0};
    static char model[NAMES][16];
    size_t count = 0;
    assert_int_equal(vmsim__names_find(&n, "nobody"), VMSIM__NO_NAME);
    for (unsigned step = 0; step < 3000; step++) {
        char name[16];
        snprintf(name, sizeof name, "%s%llu", step % 3 ? "task#" : "", (unsigned long long)vmsim__rng_below(&r, NAMES));
        uint32_t known = 0;
        while (known < count && strcmp(model[known], name) != 0)
            known++;
        assert_int_equal(vmsim__names_find(&n, name), known < count ? known : VMSIM__NO_NAME);
        if (count < NAMES || known < count)
            assert_int_equal(vmsim__names_add(a, &n, name), known);
        if (known == count && count < NAMES)
            strcpy(model[count++], name);
        if (!vmsim__rng_below(&r, 50)) {
            count -= vmsim__rng_below(&r, count / 4 + 1);
            vmsim__names_cut(a, &n, count);
        }
        if (step % 100 == 0)
            check_names(&n, model, count);
    }
    check_names(&n, model, count);
    vmsim__names_fini(a, &n);
    test_alloc_end(a);
}

static void a_set_of_names_without_memory_keeps_what_it_has(void **state) {
    (void)state;
    struct vmsim__alloc *a = test_alloc();
    struct vmsim__names n = {0};
    static char model[100][16];
    for (unsigned i = 0; i < TEST_COUNT(model); i++) {
        snprintf(model[i], sizeof model[i], "n%u", i);
        for (uint64_t fail = 1;; fail++) { /* the text and each array in turn */
            vmsim__alloc_fail_after(a, fail - 1);
            uint32_t got = vmsim__names_add(a, &n, model[i]);
            vmsim__alloc_fail_after(a, UINT64_MAX);
            check_names(&n, model, got == VMSIM__NO_NAME ? i : i + 1);
            if (got != VMSIM__NO_NAME)
                break;
        }
    }
    vmsim__names_fini(a, &n);
    test_alloc_end(a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(radix_agrees_with_a_sorted_array),
        cmocka_unit_test(radix_nodes_are_billed_to_who_makes_them),
        cmocka_unit_test(radix_marks_agree_with_an_array),
        cmocka_unit_test(radix_marks_survive_growth_and_shrinking),
        cmocka_unit_test(radix_height_follows_the_largest_index),
        cmocka_unit_test(radix_insertion_without_memory_changes_nothing),
        cmocka_unit_test(events_fire_by_time_then_in_order_of_scheduling),
        cmocka_unit_test(cancelling_what_is_gone_does_nothing),
        cmocka_unit_test(a_queue_without_memory_keeps_what_it_has),
        cmocka_unit_test(a_broken_structure_is_not_valid),
        cmocka_unit_test(the_generator_is_xoshiro256starstar),
        cmocka_unit_test(same_seed_same_stream_and_names_make_others),
        cmocka_unit_test(below_stays_below_and_is_even),
        cmocka_unit_test(names_agree_with_a_list),
        cmocka_unit_test(a_set_of_names_without_memory_keeps_what_it_has),
    };
    return cmocka_run_group_tests_name("base_containers", tests, NULL, NULL);
}
