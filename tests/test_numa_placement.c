/* SPDX-License-Identifier: MIT */
/* Where pages land, held against a model that knows nothing but distances: every mode, on 1 to 64 nodes, of areas and
 * of tasks, while some nodes are full.
 *
 *     the model:  candidates by mode --> of those with room the nearest to the node where the search begins
 *
 * Rows of distances have no ties, and differ by more than Linux's penalties, so that there is one right answer. */
#include "helpers.h"

#include "machine/machine.h"
#include "vmsim/config.h"
#include "vmsim/vmsim.h"

#define NODE_MIB 32u
#define PAGES 24u

static struct {
    struct vmsim_config *config;
    struct vmsim_machine *m;
    struct vmsim__rng rng;
    unsigned nodes;
    bool full[VMSIM__MAX_NODES];
} t;

static uint64_t pick(uint64_t below) {
    return vmsim__rng_below(&t.rng, below);
}

static unsigned distance(unsigned from, unsigned to) {
    return from == to ? 10 : 11 + 3 * ((to + t.nodes - from) % t.nodes);
}

static void boot(unsigned nodes) {
    static char text[64 * 64 * 5 + 64 * 80];
    size_t n = 0;
    t.nodes = nodes;
    memset(t.full, 0, sizeof t.full);
    n += (size_t)snprintf(text, sizeof text,
                          "machine: {kernel: '6.12', cpus: %u, transparent_hugepage: never, sysctl: "
                          "{vm.watermark_boost_factor: 0}, nodes: [",
                          nodes);
    for (unsigned i = 0; i < nodes; i++) {
        n += (size_t)snprintf(text + n, sizeof text - n, "%s{memory: %uMiB, cpus: [%u], distances: [", i ? ", " : "",
                              nodes == 1 ? 2 * NODE_MIB : NODE_MIB, i);
        for (unsigned k = 0; k < nodes; k++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%u", k ? "," : "", distance(i, k));
        n += (size_t)snprintf(text + n, sizeof text - n, "]}");
    }
    n += (size_t)snprintf(text + n, sizeof text - n, "]}\n");
    assert_true(n < sizeof text);
    assert_int_equal(vmsim_config_create(&t.config), 0);
    assert_int_equal(vmsim_config_load_text(t.config, "nodes.yaml", text, n), 0);
    if (vmsim_config_resolve(t.config) || vmsim_machine_create(t.config, &t.m))
        fail_msg("%s", vmsim_config_error_text(t.config, 0));
}

static void shut(void) {
    if (vmsim_machine_check(t.m))
        fail_msg("%s", vmsim_machine_error(t.m));
    assert_int_equal(vmsim_machine_destroy(t.m), 0);
    vmsim_config_destroy(t.config);
}

/* A driver takes all that the node gives to those who do not reclaim; no boost comes to an end later. */
static void fill(unsigned node) {
    const struct vmsim__alloc_request rq = {
        .gfp = VMSIM__GFP_NOWAIT | VMSIM__GFP_THISNODE, .cpu = (uint16_t)node, .node = (uint16_t)node};
    bool some = true;
    while (some) { /* lists of CPUs hold some back, and may be emptied at any time */
        vmsim__mem_drain(t.m->mem);
        some = vmsim__mem_alloc(t.m->mem, &rq) != VMSIM__PFN_NONE;
    }
    t.full[node] = true;
}

/* ---- the model ---- */

/* The nearest node to `from` of a mask that has room; -1: none. */
static int nearest(unsigned from, uint64_t mask) {
    int best = -1;
    for (unsigned n = 0; n < t.nodes; n++) {
        if ((mask >> n & 1) && !t.full[n] && (best < 0 || distance(from, n) < distance(from, (unsigned)best)))
            best = (int)n;
    }
    return best;
}

static unsigned weight_of(unsigned mode, unsigned node) {
    const unsigned w = t.m->mem->interleave_weight[node];
    return mode == VMSIM__MPOL_WEIGHTED_INTERLEAVE && w ? w : 1;
}

/* Whose turn a page number is, the nodes of the mask one after the other as often as they weigh. */
static unsigned turn(unsigned mode, uint64_t mask, uint64_t page) {
    uint64_t round = 0;
    for (unsigned n = 0; n < t.nodes; n++)
        round += mask >> n & 1 ? weight_of(mode, n) : 0;
    uint64_t left = page % round;
    for (unsigned n = 0;; n++) {
        if (!(mask >> n & 1))
            continue;
        if (left < weight_of(mode, n))
            return n;
        left -= weight_of(mode, n);
    }
}

static int expected(unsigned mode, uint64_t mask, unsigned local, uint64_t page) {
    const uint64_t all = UINT64_MAX;
    int n;
    switch (mode) {
    case VMSIM__MPOL_PREFERRED: /* of several, the first */
        return nearest((unsigned)__builtin_ctzll(mask), all);
    case VMSIM__MPOL_BIND:
        return nearest(local, mask);
    case VMSIM__MPOL_INTERLEAVE:
    case VMSIM__MPOL_WEIGHTED_INTERLEAVE:
        return nearest(turn(mode, mask, page), all);
    case VMSIM__MPOL_PREFERRED_MANY:
        n = nearest(local, mask);
        return n >= 0 ? n : nearest(local, all);
    default:
        return nearest(local, all);
    }
}

/* ---- the machine ---- */

static int lies_on(uint32_t id, uint64_t va) {
    int32_t status;
    assert_int_equal(vmsim_task_move_pages(t.m, id, id, 1, &va, NULL, &status, 0), 0);
    return status;
}

/* One task, one policy, its own or of the area: each page where the model says. */
static void one_task(unsigned mode, uint64_t mask, unsigned cpu) {
    const bool area = pick(2);
    const bool needs = mode != VMSIM__MPOL_DEFAULT && mode != VMSIM__MPOL_LOCAL;
    uint32_t id;
    if (vmsim_task_create(t.m, "t", cpu, &id))
        fail_msg("%s", vmsim_machine_error(t.m));
    const uint64_t at = (uint64_t)vmsim_task_mmap(t.m, id, 0, PAGES * 4096, 3, 0x22, 0, 0);
    if (area)
        assert_int_equal(vmsim_task_mbind(t.m, id, at, PAGES * 4096, mode, needs ? mask : 0, 0), 0);
    else
        assert_int_equal(vmsim_task_set_mempolicy(t.m, id, mode, needs ? mask : 0), 0);
    for (unsigned i = 0; i < PAGES; i++) {
        const uint64_t va = at + ((i * 7) % PAGES) * 4096u; /* in no order */
        const vmsim_access a = vmsim_access_make(va, 8, VMSIM_STORE);
        struct vmsim_access_result r;
        assert_int_equal(vmsim_task_access(t.m, id, &a, 1, NULL, &r), 0);
        assert_int_equal(r.stop, VMSIM_STOP_NONE);
        const int is = lies_on(id, va), should = expected(mode, mask, cpu, va >> 12);
        if (is != should)
            fail_msg("%u nodes, mode %u%s, mask 0x%llx, CPU %u, page 0x%llx: on node %d, should be on %d", t.nodes,
                     mode, area ? " of the area" : "", (unsigned long long)mask, cpu, (unsigned long long)va, is,
                     should);
    }
    assert_int_equal(vmsim_task_exit(t.m, id), 0);
}

static void random_task(void) {
    const unsigned mode = (unsigned)pick(VMSIM__MPOL_MODES), cpu = (unsigned)pick(t.nodes);
    const uint64_t all = t.nodes == 64 ? UINT64_MAX : (UINT64_C(1) << t.nodes) - 1;
    const uint64_t some = vmsim__rng_next(&t.rng) & vmsim__rng_next(&t.rng) & all;
    const uint64_t mask = some ? some : UINT64_C(1) << pick(t.nodes);
    if (mode != VMSIM__MPOL_BIND || nearest(cpu, mask) >= 0) /* else somebody would die for it */
        one_task(mode, mask, cpu);
}

static void pages_land_where_a_model_says(void **state) {
    (void)state;
    static const unsigned sizes[] = {1, 2, 4, 8, 64};
    t.rng = test_rng("numa_placement");
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        boot(sizes[s]);
        for (unsigned n = 0; n < t.nodes; n++)
            t.m->mem->interleave_weight[n] = (uint8_t)pick(5);
        for (unsigned round = 0; round < 80; round++) {
            const unsigned node = (unsigned)pick(t.nodes);
            if (round >= 30 && !pick(2) && node != t.nodes - 1 && !t.full[node])
                fill(node); /* the last one keeps room */
            random_task();
        }
        shut();
    }
}

/* The page table of a new task is nobody's yet: the policy of who ran before does not concern it. */
static void a_policy_ends_with_its_task(void **state) {
    (void)state;
    uint32_t id;
    boot(2);
    assert_int_equal(vmsim_task_create(t.m, "bound", 0, &id), 0);
    assert_int_equal(vmsim_task_set_mempolicy(t.m, id, VMSIM__MPOL_BIND, 1), 0);
    fill(0);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(vmsim_task_create(t.m, "t", 0, &id), 0);
    shut();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_policy_ends_with_its_task),
                                       cmocka_unit_test(pages_land_where_a_model_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
