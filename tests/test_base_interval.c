/* SPDX-License-Identifier: MIT */
/* Interval trees against a sorted list: what a walk of any range meets, and in which order. */
#include "helpers.h"

#include "base/interval_tree.h"

enum { NODES = 300 };

static struct vmsim__interval node[NODES];
static int order[NODES]; /* the model: indices in the order that a walk must have */
static int count;

static void model_insert(int i, int after) {
    int at = 0;
    while (at < count && (after >= 0 ? order[at] != after : node[order[at]].start <= node[i].start))
        at++;
    at += after >= 0;
    memmove(order + at + 1, order + at, (size_t)(count - at) * sizeof *order);
    order[at] = i;
    count++;
}

static void model_remove(int i) {
    int at = 0;
    while (order[at] != i)
        at++;
    count--;
    memmove(order + at, order + at + 1, (size_t)(count - at) * sizeof *order);
}

static void compare(const struct vmsim__interval_tree *t, uint64_t start, uint64_t last) {
    const struct vmsim__interval *at = vmsim__interval_first(t, start, last);
    for (int i = 0; i < count; i++) {
        const struct vmsim__interval *n = &node[order[i]];
        if (n->start > last || n->last < start)
            continue;
        assert_ptr_equal(at, n);
        at = vmsim__interval_next(at, start, last);
    }
    assert_null(at);
}

static void random_operations_agree_with_a_sorted_list(void **state) {
    (void)state;
    struct vmsim__rng r;
    struct vmsim__interval_tree t = {NULL};
    vmsim__rng_seed(&r, test_seed());
    memset(node, 0, sizeof node);
    count = 0;
    for (unsigned step = 0; step < 20000; step++) {
        int i = (int)vmsim__rng_below(&r, NODES);
        if (vmsim__interval_linked(&node[i])) {
            vmsim__interval_remove(&t, &node[i]);
            model_remove(i);
        } else {
            /* few starts, so that many are equal; some reach to the end of the number range */
            int twin = (int)vmsim__rng_below(&r, NODES);
            bool after = vmsim__rng_below(&r, 4) == 0 && vmsim__interval_linked(&node[twin]);
            node[i].start = after ? node[twin].start : vmsim__rng_below(&r, 200);
            node[i].last = vmsim__rng_below(&r, 50) ? node[i].start + vmsim__rng_below(&r, 40) : UINT64_MAX;
            if (after)
                vmsim__interval_insert_after(&t, &node[i], &node[twin]);
            else
                vmsim__interval_insert(&t, &node[i]);
            model_insert(i, after ? twin : -1);
        }
        uint64_t start = vmsim__rng_below(&r, 260);
        compare(&t, start, start + vmsim__rng_below(&r, 20));
        if (step % 64 == 0) {
            compare(&t, 0, UINT64_MAX);
            assert_true(vmsim__interval_tree_valid(&t));
        }
    }
}

static void equal_starts_stay_in_the_order_of_insertion(void **state) {
    (void)state;
    struct vmsim__interval_tree t = {NULL};
    memset(node, 0, sizeof node);
    for (int i = 0; i < 100; i++) {
        node[i].start = 7;
        node[i].last = (uint64_t)(7 + i % 3);
        vmsim__interval_insert(&t, &node[i]);
    }
    const struct vmsim__interval *at = vmsim__interval_first(&t, 0, 100);
    for (int i = 0; i < 100; i++, at = vmsim__interval_next(at, 0, 100))
        assert_ptr_equal(at, &node[i]);
    assert_null(at);
    assert_true(t.root->height <= 8);
}

static void an_empty_tree_meets_nothing(void **state) {
    (void)state;
    struct vmsim__interval_tree t = {NULL};
    memset(node, 0, sizeof node);
    assert_null(vmsim__interval_first(&t, 0, UINT64_MAX));
    node[0] = (struct vmsim__interval){.start = 5, .last = 9};
    vmsim__interval_insert(&t, &node[0]);
    assert_null(vmsim__interval_first(&t, 0, 4));
    assert_null(vmsim__interval_first(&t, 10, UINT64_MAX));
    assert_ptr_equal(vmsim__interval_first(&t, 9, 9), &node[0]);
    vmsim__interval_remove(&t, &node[0]);
    assert_null(t.root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations_agree_with_a_sorted_list),
        cmocka_unit_test(equal_starts_stay_in_the_order_of_insertion),
        cmocka_unit_test(an_empty_tree_meets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
