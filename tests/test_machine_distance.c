/* SPDX-License-Identifier: MIT */
/* Memory that is far: what misses of the TLB, clears and copies wait for, exactly; and that nothing but time knows. */
#include "scenario_run.h"

/* Cycles are nanoseconds, so that nothing is rounded. Node 1 has memory unless `lonely`. */
struct build {
    unsigned distance;
    const char *arch, *nodes, *memory, *program;
};

static struct outcome run(const struct build *b) {
    static char text[4096];
    char nodes[400];
    snprintf(nodes, sizeof nodes,
             "[{cpus: [0], memory: 512MiB, distances: [10, %u]}, {cpus: [1], memory: 512MiB, distances: [%u, 10]}]",
             b->distance, b->distance);
    snprintf(text, sizeof text,
             "machine: {arch: %s, transparent_hugepage: never, nodes: %s, memory_latency: {%s}, tlb: {clock: 1000}}\n"
             "workload:\n  files: [{name: /f, size: 4MiB, cached: true}]\n  tasks:\n    - name: t\n      program:\n%s",
             b->arch ? b->arch : "x86_64", b->nodes ? b->nodes : nodes, b->memory ? b->memory : "", b->program);
    return run_with(text, 0);
}

#define MAP "        - {mmap: {as: m, length: 64MiB, address: 0x40000000}}\n"
#define WRITE "        - {touch: {region: m, stride: 4KiB, write: 1}}\n"
#define READ "        - {touch: {region: m, stride: 4KiB}}\n"
#define GO(cpu) "        - {migrate: {cpu: " #cpu "}}\n"
#define PAGES 16384

static uint64_t extra_of(unsigned distance) {
    return UINT64_C(90) * distance / 10 - 90;
}

/* Counters of two runs are the same, but those of time. */
static void same_counts(const struct outcome *a, const struct outcome *b) {
    size_t n = vmsim_counter_count(a->m);
    assert_int_equal(n, vmsim_counter_count(b->m));
    for (size_t i = 0; i < n; i++) {
        const char *name = vmsim_counter_name(a->m, i);
        size_t length = strlen(name);
        if (strstr(name, "time") || strstr(name, "memory_cycles") || strstr(name, "memory_reads") ||
            (length > 3 && !strcmp(name + length - 3, "_ns")))
            continue;
        if (vmsim_counter_read(a->m, i) != vmsim_counter_read(b->m, i))
            fail_msg("%s: %llu and %llu", name, (unsigned long long)vmsim_counter_read(a->m, i),
                     (unsigned long long)vmsim_counter_read(b->m, i));
    }
}

static void misses_wait_for_tables_and_data_as_far_as_they_are(void **state) {
    (void)state;
    static const char *const archs[] = {"x86_64", "x86_64_la57", "arm64_4k", "riscv_sv39"};
    for (size_t i = 0; i < VMSIM__COUNT(archs); i++) {
        const char program[] = MAP WRITE GO(1) READ;
        struct outcome near = run(&(struct build){.distance = 10, .arch = archs[i], .program = program});
        struct outcome far = run(&(struct build){.distance = 254, .arch = archs[i], .program = program});
        uint64_t walks = counter(&far, "tlb.cpu1.walks"), reads = counter(&far, "tlb.cpu1.walk_references");
        assert_true(walks >= PAGES && reads >= walks);
        assert_int_equal(task(&far, "t")->stats.user_ns - task(&near, "t")->stats.user_ns,
                         (walks + reads) * extra_of(254));
        assert_int_equal(counter(&far, "tlb.cpu1.memory_cycles"), (walks + reads) * extra_of(254));
        assert_int_equal(counter(&near, "tlb.cpu1.memory_cycles"), 0);
        assert_int_equal(counter(&far, "tlb.cpu0.memory_cycles"), 0);
        same_counts(&near, &far);
        end(&near);
        end(&far);
    }
}

/* Tables on node 0, where the first page of each was written first; all other pages on node 1. */
static void tables_and_data_count_where_each_is(void **state) {
    (void)state;
    static const char *const archs[] = {"x86_64", "arm64_4k"};
    const char program[] = MAP "        - {touch: {region: m, stride: 2MiB, write: 1}}\n" GO(1) WRITE GO(0) READ;
    const unsigned tables = PAGES / 512;
    for (size_t i = 0; i < VMSIM__COUNT(archs); i++) {
        struct outcome o = run(&(struct build){.distance = 254, .arch = archs[i], .program = program});
        struct outcome half = run(&(struct build){
            .distance = 254, .arch = archs[i], .memory = "walk_share: 0, data_share: 50", .program = program});
        assert_int_equal(counter(&o, "tlb.cpu0.memory_cycles"), (PAGES - tables) * extra_of(254));
        assert_int_equal(counter(&half, "tlb.cpu0.memory_cycles"), (PAGES - tables) * extra_of(254) / 2);
        assert_true(counter(&o, "tlb.cpu1.memory_cycles") >= counter(&o, "tlb.cpu1.walk_references") * extra_of(254));
        same_counts(&o, &half);
        end(&o);
        end(&half);
    }
}

static void clears_and_copies_take_as_often_longer_as_the_latency_is(void **state) {
    (void)state;
    /* CPU 1 has no memory of its own: what it gets is far */
    const char nodes[] = "[{cpus: [0], memory: 512MiB, distances: [10, %u]}, {cpus: [1], distances: [%u, 10]}]";
    const char program[] = MAP GO(1) WRITE "        - {read: {file: /f, length: 4MiB, block: 4MiB}}\n";
    struct outcome o[2];
    for (unsigned i = 0; i < 2; i++) {
        char row[200];
        snprintf(row, sizeof row, nodes, i ? 254u : 10u, i ? 254u : 10u);
        o[i] = run(&(struct build){.nodes = row, .memory = "walk_share: 0, data_share: 0", .program = program});
    }
    /* 190 ns to clear a page; 500 ns to copy one of a file, half of which is in the program's own buffer */
    const uint64_t clear = 190 * 254 / 10 - 190, copy = 250 * 254 / 10 - 250;
    assert_int_equal(task(&o[1], "t")->stats.system_ns - task(&o[0], "t")->stats.system_ns,
                     PAGES * clear + 1024 * copy);
    same_counts(&o[0], &o[1]);
    end(&o[0]);
    end(&o[1]);
}

static void copying_on_write_reads_far_and_writes_near(void **state) {
    (void)state;
    const char program[] = MAP WRITE "        - {fork: {name: c, cpu: 1, program: [{touch: {region: m, stride: 4KiB, "
                                     "write: 1}}]}}\n        - wait\n";
    struct outcome near = run(&(struct build){.distance = 10, .program = program});
    struct outcome far = run(&(struct build){.distance = 254, .program = program});
    assert_int_equal(task(&far, "c")->stats.system_ns - task(&near, "c")->stats.system_ns,
                     (uint64_t)PAGES * (180 * 254 / 10 - 180));
    end(&near);
    end(&far);
}

static void latencies_that_are_given_are_taken(void **state) {
    (void)state;
    const char nodes[] = "[{cpus: [0], memory: 512MiB, distances: [10, 21]}, {cpus: [1], memory: 512MiB, distances: "
                         "[21, 10], latencies: [139ns, 89ns]}]";
    const char program[] = MAP WRITE GO(1) READ;
    struct outcome o = run(&(struct build){.nodes = nodes, .program = program});
    uint64_t reads = counter(&o, "tlb.cpu1.walks") + counter(&o, "tlb.cpu1.walk_references");
    assert_int_equal(counter(&o, "tlb.cpu1.memory_cycles"), reads * 50);
    end(&o);
    o = run(&(struct build){.nodes = nodes, .memory = "charge: all", .program = program});
    assert_int_equal(counter(&o, "tlb.cpu1.memory_cycles"), reads * 139);
    assert_true(counter(&o, "tlb.cpu0.memory_cycles") > PAGES * 90);
    end(&o);
}

static void with_one_node_only_a_charge_of_all_is_felt(void **state) {
    (void)state;
    const char program[] = MAP WRITE READ, node[] = "[{cpus: [0], memory: 512MiB}]";
    struct outcome o = run(&(struct build){.nodes = node, .program = program});
    struct outcome slow = run(&(struct build){.nodes = node, .memory = "local: 500ns", .program = program});
    struct outcome all = run(&(struct build){.nodes = node, .memory = "local: 100ns, charge: all", .program = program});
    const struct vmsim__task *t = task(&o, "t");
    assert_int_equal(task(&slow, "t")->end_ns, t->end_ns);
    /* walks of the first touch end in a fault, and read, too; the data come with the second */
    uint64_t reads = counter(&all, "tlb.cpu0.walk_references"),
             data = counter(&all, "tlb.cpu0.walks") - counter(&all, "tlb.cpu0.faults");
    assert_int_equal(counter(&all, "tlb.cpu0.memory_cycles"), (reads + data) * 100);
    assert_int_equal(task(&all, "t")->end_ns - t->end_ns, (reads + data) * 100);
    end(&o);
    end(&slow);
    end(&all);
}

/* ---- bandwidth ---- */

#define NODE(bandwidth) "[{cpus: [0, 1], memory: 512MiB" bandwidth "}]"
#define LINES(o, cpu)                                                                                                  \
    (counter(o, "tlb.cpu" cpu ".walk_references") + counter(o, "tlb.cpu" cpu ".walks") -                               \
     counter(o, "tlb.cpu" cpu ".faults"))

/* 64 bytes in a microsecond: whatever else a miss costs is shorter. */
static void who_is_alone_gets_the_bandwidth_and_no_more(void **state) {
    (void)state;
    const char program[] = MAP WRITE READ;
    struct outcome o = run(&(struct build){.nodes = NODE(", bandwidth: 64000000"), .program = program});
    const struct vmsim__task *t = task(&o, "t");
    const uint64_t lines = LINES(&o, "0"), hits = counter(&o, "tasks.t.references");
    assert_in_range(t->stats.user_ns, lines * 1000, lines * 1000 + hits);
    assert_in_range(t->stats.system_ns, PAGES * UINT64_C(64000), PAGES * UINT64_C(66000)); /* pages are cleared */
    assert_true(counter(&o, "node0.queue_ns") < t->end_ns);
    end(&o);
}

static void bandwidth_that_nobody_uses_up_is_not_felt(void **state) {
    (void)state;
    const char program[] = MAP WRITE READ "        - {read: {file: /f, length: 4MiB, block: 4MiB}}\n";
    struct outcome o = run(&(struct build){.nodes = NODE(""), .program = program});
    struct outcome wide = run(&(struct build){.nodes = NODE(", bandwidth: 1TiB"), .program = program});
    assert_int_equal(counter(&wide, "node0.queue_ns"), 0);
    assert_int_equal(task(&wide, "t")->end_ns, task(&o, "t")->end_ns);
    assert_int_equal(task(&wide, "t")->stats.user_ns, task(&o, "t")->stats.user_ns);
    end(&o);
    end(&wide);
}

/* Two CPUs, each of which would use up most of it: together they get what there is, and wait for each other. */
static void users_of_a_node_share_its_bandwidth(void **state) {
    (void)state;
    const char alone[] = MAP WRITE "        - {marker: {name: filled}}\n" READ;
    const char both[] =
        MAP "        - {fork: {name: c, cpu: 1, program: [{touch: {region: m, stride: 4KiB, write: 1}}, "
            "{barrier: {name: b, tasks: 2}}, {marker: {name: filled}}, {touch: {region: m, stride: "
            "4KiB}}]}}\n" WRITE "        - {barrier: {name: b, tasks: 2}}\n" READ "        - wait\n";
    const char memory[] = "local: 100ns, charge: all", nodes[] = NODE(", bandwidth: 640000000"); /* 100 ns a line */
    struct outcome one = run(&(struct build){.nodes = nodes, .memory = memory, .program = alone});
    struct outcome two = run(&(struct build){.nodes = nodes, .memory = memory, .program = both});
    struct outcome free = run(&(struct build){.nodes = NODE(""), .memory = memory, .program = both});
    const uint64_t lines = LINES(&two, "0") + LINES(&two, "1"), pages = 2 * PAGES;
    assert_true(task(&two, "t")->end_ns >= lines * 100 + pages * 6400); /* no more gets through */
    assert_true(task(&two, "t")->end_ns < (lines * 100 + pages * 6400) * 11 / 10);
    assert_true(task(&two, "t")->end_ns > task(&one, "t")->end_ns * 3 / 2);
    const struct vmsim__task *a = task(&two, "t"), *b = task(&two, "c"), *x = task(&free, "t"), *y = task(&free, "c");
    const uint64_t waited = a->stats.user_ns + a->stats.system_ns + b->stats.user_ns + b->stats.system_ns -
                            (x->stats.user_ns + x->stats.system_ns + y->stats.user_ns + y->stats.system_ns);
    assert_in_range(counter(&two, "node0.queue_ns"), waited - waited / 100, waited + waited / 100);
    end(&one);
    end(&two);
    end(&free);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_alone_gets_the_bandwidth_and_no_more),
        cmocka_unit_test(bandwidth_that_nobody_uses_up_is_not_felt),
        cmocka_unit_test(users_of_a_node_share_its_bandwidth),
        cmocka_unit_test(misses_wait_for_tables_and_data_as_far_as_they_are),
        cmocka_unit_test(tables_and_data_count_where_each_is),
        cmocka_unit_test(clears_and_copies_take_as_often_longer_as_the_latency_is),
        cmocka_unit_test(copying_on_write_reads_far_and_writes_near),
        cmocka_unit_test(latencies_that_are_given_are_taken),
        cmocka_unit_test(with_one_node_only_a_charge_of_all_is_felt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
