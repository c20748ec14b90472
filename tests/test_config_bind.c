/* SPDX-License-Identifier: MIT */
/* Trees to structs: defaults, units, nested lists, steps, raw parts, shorthands, and errors of all kinds at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "config_fixture.h"

static struct vmsim_config *load_ok(const char *text) {
    struct vmsim_config *c = fx_create(NULL);
    assert_non_null(c);
    int err = fx_load(c, text);
    for (size_t i = 0; i < vmsim_config_error_count(c); i++)
        print_error("%s\n", vmsim_config_error_text(c, i));
    assert_int_equal(err, 0);
    return c;
}

static const struct fx_root *root_of(struct vmsim_config *c) {
    const struct fx_root *r = vmsim__config_root(c);
    assert_non_null(r);
    return r;
}

/* The first error of `text` must contain `part`. */
static void expect_error(const char *text, const char *part) {
    struct vmsim_config *c = fx_create(NULL);
    assert_int_not_equal(fx_load(c, text), 0);
    assert_true(vmsim_config_error_count(c) > 0);
    if (!strstr(vmsim_config_error_text(c, 0), part)) {
        print_error("wanted: %s\ngot: %s\n", part, vmsim_config_error_text(c, 0));
        fail();
    }
    assert_null(vmsim__config_root(c));
    vmsim_config_destroy(c);
}

static void the_tables_of_the_fixture_are_sound(void **state) {
    (void)state;
    char text[256];
    const char *wrong = vmsim__param_table_check(fx_root_table, sizeof(struct fx_root), text, sizeof text);
    if (wrong)
        print_error("%s\n", wrong);
    assert_null(wrong);
}

static void a_wrong_table_is_told(void **state) {
    (void)state;
    char text[256];
    const struct vmsim_param bad_default[] = {
        {.name = "a", .type = VMSIM_PARAM_UINT, .fallback = "7", .min = 1, .max = 5, .doc = "d"}, {0}};
    const struct vmsim_param twice[] = {
        {.name = "a", .type = VMSIM_PARAM_UINT, .doc = "d"}, {.name = "a", .type = VMSIM_PARAM_UINT, .doc = "d"}, {0}};
    const struct vmsim_param outside[] = {{.name = "a", .type = VMSIM_PARAM_UINT, .offset = 4, .doc = "d"}, {0}};
    assert_string_equal(vmsim__param_table_check(bad_default, 8, text, sizeof text),
                        "a: '7' is out of bounds (1 to 5)");
    assert_string_equal(vmsim__param_table_check(twice, 8, text, sizeof text), "a: declared twice");
    assert_string_equal(vmsim__param_table_check(outside, 8, text, sizeof text), "a: outside of its struct");
}

static void what_is_absent_takes_its_default(void **state) {
    (void)state;
    struct vmsim_config *c = load_ok(FX_MINIMAL);
    const struct fx_root *r = root_of(c);
    assert_string_equal(r->machine.kernel, "6.1");
    assert_int_equal(r->machine.cpus, 1);
    assert_int_equal(r->machine.sysctl.swappiness, 60);
    assert_int_equal(r->machine.thp.enabled, 1);
    assert_int_equal(r->machine.base, 1 << 20);
    assert_int_equal(r->machine.ratio, 500000);
    assert_int_equal(r->machine.tick, 4000000);
    assert_int_equal(r->machine.l2.entries, 64);
    assert_int_equal(r->tags.count, 2);
    assert_string_equal(((const char *const *)r->tags.data)[1], "two words");
    const struct fx_node *n = r->machine.nodes.data;
    assert_int_equal(n->tlb.entries, 0); /* optional: not its defaults */
    assert_null(r->policies.reclaim.params);
    vmsim_config_destroy(c);
}

static void units_lists_and_maps_are_bound(void **state) {
    (void)state;
    struct vmsim_config *c = load_ok("vmsim: 1\n"
                                     "machine:\n"
                                     "  arch: arm64_4k\n"
                                     "  kernel: 6.12\n"
                                     "  nice: -20\n"
                                     "  nodes:\n"
                                     "  - {id: 0, cpus: [0, 0x1], memory: 1.5GiB}\n"
                                     "  - id: 1\n"
                                     "    memory: 16 kB\n"
                                     "    tlb: {ways: 8}\n"
                                     "  distances: [[10, 21], [21, 10]]\n"
                                     "  cgroups: {/batch: {memory.max: 512MiB}, /web: }\n"
                                     "  env: {A: 1, B: \"x: y\"}\n"
                                     "  ratio: 0.125\n"
                                     "  base: 0x40000000\n");
    const struct fx_machine *m = &root_of(c)->machine;
    assert_int_equal(m->arch, 2);
    assert_string_equal(m->kernel, "6.12");
    assert_true(m->nice == -20);
    assert_int_equal(m->nodes.count, 2);
    const struct fx_node *n = m->nodes.data;
    assert_int_equal(n[0].memory, UINT64_C(3) << 29);
    assert_int_equal(((const uint64_t *)n[0].cpus.data)[1], 1);
    assert_int_equal(n[1].memory, 16384);
    assert_int_equal(n[1].tlb.ways, 8);
    assert_int_equal(n[1].tlb.entries, 64);
    const struct vmsim_param_list *rows = m->distances.data;
    assert_int_equal(((const uint64_t *)rows[1].data)[0], 21);
    const struct fx_cgroup *g = m->cgroups.data;
    assert_int_equal(m->cgroups.count, 2);
    assert_string_equal(g[0].name, "/batch");
    assert_int_equal(g[0].max, 512 << 20);
    const struct vmsim_param_pair *p = m->env.data;
    assert_string_equal(p[1].key, "B");
    assert_string_equal(p[1].value, "x: y");
    assert_string_equal(p[1].origin, "box.yaml:13:18");
    assert_int_equal(m->ratio, 125000);
    assert_int_equal(m->base, 0x40000000);
    vmsim_config_destroy(c);
}

static void steps_are_tagged_and_nest(void **state) {
    (void)state;
    struct vmsim_config *c = load_ok(FX_MINIMAL "program:\n"
                                                "- mmap: {length: 1MiB}\n"
                                                "- sleep: 10ms\n"
                                                "- repeat: {times: 10, steps: [sleep: {time: 1s}, exit]}\n"
                                                "- repeat: [exit]\n"
                                                "- exit\n");
    const struct fx_root *r = root_of(c);
    const struct vmsim_param_variant *v = r->program.data;
    assert_int_equal(r->program.count, 5);
    assert_string_equal(v[0].variant->tag, "mmap");
    assert_int_equal(((struct fx_mmap *)v[0].data)->length, 1 << 20);
    assert_string_equal(v[0].origin, "box.yaml:5:3");
    assert_int_equal(((struct fx_sleep *)v[1].data)->time, 10000000);
    const struct fx_repeat *repeat = v[2].data;
    assert_int_equal(repeat->times, 10);
    const struct vmsim_param_variant *inner = repeat->steps.data;
    assert_string_equal(inner[1].variant->tag, "exit");
    assert_int_equal(((const struct fx_repeat *)v[3].data)->times, 2);
    assert_null(v[4].data);
    vmsim_config_destroy(c);
}

static void presence_tells_zero_from_absent(void **state) {
    (void)state;
    struct vmsim_config *c = load_ok(FX_MINIMAL "expect: [{counter: x, equals: 0}, {counter: y}]\n");
    const struct fx_expect *e = root_of(c)->expect.data;
    assert_true(e[0].has_equals && !e[0].has_max && !e[1].has_equals);
    vmsim_config_destroy(c);
}

static void a_raw_part_is_bound_later_with_errors_at_its_place(void **state) {
    (void)state;
    struct vmsim_config *c = load_ok(FX_MINIMAL "policies:\n"
                                                "  reclaim: lru\n"
                                                "  oom:\n"
                                                "    plugin: ./mine.so\n"
                                                "    params: {entries: 12, wasy: 2}\n");
    const struct fx_root *r = root_of(c);
    assert_string_equal(r->policies.reclaim.name, "lru");
    struct fx_tlb tlb = {0};
    assert_int_equal(vmsim__config_bind(c, r->policies.oom.params, "policies.oom.params", fx_tlb_table, &tlb),
                     VMSIM_ECONFIG);
    assert_int_equal(tlb.entries, 12);
    assert_string_equal(vmsim_config_error_text(c, 0),
                        "box.yaml:8:27: error: policies.oom.params: unknown key 'wasy' (did you mean 'ways'?)\n"
                        "        params: {entries: 12, wasy: 2}\n"
                        "                              ^~~~");
    assert_int_equal(vmsim__config_bind(c, NULL, "policies.reclaim.params", fx_tlb_table, &tlb), 0);
    assert_int_equal(tlb.entries, 64);
    vmsim_config_destroy(c);
}

static void later_checks_point_at_the_value(void **state) {
    (void)state;
    struct vmsim_config *c = load_ok(FX_MINIMAL);
    vmsim__config_error(c, "machine.nodes[0].memory", "more than %s has", "the host");
    vmsim__config_error(c, "machine.l2.ways", "more ways than entries");
    assert_string_equal(vmsim_config_error_text(c, 0),
                        "box.yaml:2:1: error: machine.l2.ways: more ways than entries\n    machine:\n    ^~~~~~~");
    assert_string_equal(vmsim_config_error_text(c, 1),
                        "box.yaml:3:27: error: machine.nodes[0].memory: more than the host has\n"
                        "      nodes: [{id: 0, memory: 1GiB}]\n"
                        "                              ^~~~");
    vmsim__config_error_node(c, NULL, "of nothing");
    assert_string_equal(vmsim_config_error_text(c, 2), "error: of nothing");
    assert_string_equal(vmsim__config_origin(c, "machine.nodes[0].memory"), "box.yaml:3:27");
    assert_string_equal(vmsim__config_origin(c, "machine.nodes[9]"), "default");
    assert_string_equal(vmsim__config_origin(c, "machine.tick"), "default");
    vmsim_config_destroy(c);
}

static void all_errors_of_a_file_are_listed_in_its_order(void **state) {
    (void)state;
    struct vmsim_config *c = fx_create(NULL);
    assert_int_equal(fx_load(c, "machine:\n"
                                "  tick: 5\n"
                                "  nodes: [{id: 0, memory: 12xx}, {memory: 1GiB}]\n"
                                "  cpus: 99999\n"
                                "vmsim: 2\n"),
                     VMSIM_ECONFIG);
    assert_int_equal(vmsim_config_error_count(c), 5);
    const char *parts[] = {"box.yaml:2:9: error: machine.tick: expected a time such as 250us, got '5'", "'12xx'",
                           "box.yaml:3:34: error: machine.nodes[1]: required key 'id' is missing",
                           "machine.cpus: '99999' is out of bounds (1 to 4096)",
                           "vmsim: '2' is out of bounds (1 to 1)"};
    for (size_t i = 0; i < 5; i++)
        if (!strstr(vmsim_config_error_text(c, i), parts[i]))
            fail_msg("%zu: %s", i, vmsim_config_error_text(c, i));
    vmsim_config_destroy(c);
}

static void wrong_values_are_refused_with_the_reason(void **state) {
    (void)state;
    expect_error(FX_MINIMAL "  cpus: -1\n", "may not be negative");
    expect_error(FX_MINIMAL "  cpus: 12xx\n", "expected a whole number, got '12xx'");
    expect_error(FX_MINIMAL "  cpus: 1e9\n", "expected a whole number, got '1e9'");
    expect_error(FX_MINIMAL "  base: 1e99GiB\n", "expected an address such as 0x1000, got '1e99GiB'");
    expect_error(FX_MINIMAL "  nice: -21\n", "'-21' is out of bounds (-20 to 19)");
    expect_error(FX_MINIMAL "  tick: 10 parsecs\n", "unknown unit");
    expect_error(FX_MINIMAL "  ratio: 150%\n", "'150%' is out of bounds (0 to 1)");
    expect_error(FX_MINIMAL "  ratio: 0.0000001\n", "finer than a millionth");
    expect_error(FX_MINIMAL "  l2: {ways: 6}\n", "'6' is not a power of two");
    expect_error(FX_MINIMAL "  l2: {shared: yes}\n", "expected true or false, got 'yes' (did you mean 'true'?)");
    expect_error(FX_MINIMAL "  l2: {replacement: lur}\n",
                 "'lur' is not one of lru, tree-plru, fifo, random (did you mean 'lru'?)");
    expect_error(FX_MINIMAL "  cpus: [1]\n", "expected a whole number, got a list");
    expect_error(FX_MINIMAL "  l2: 7\n", "expected a mapping such as {entries: ...}, got one value");
    expect_error(FX_MINIMAL "  cpus:\n", "has no value (remove the line for the default, 1)");
    expect_error(FX_MINIMAL "  distances: [10]\n", "machine.distances[0]: expected a list, got one value");
    expect_error(FX_MINIMAL "  distances: [[0]]\n", "machine.distances[0][0]: '0' is out of bounds (1 to 255)");
    expect_error(FX_MINIMAL "program: [mmpa: {}]\n", "program[0]: unknown step 'mmpa' (did you mean 'mmap'?)");
    expect_error(FX_MINIMAL "program: [mmap]\n", "program[0].mmap: required key 'length' is missing");
    expect_error(FX_MINIMAL "program: [exit: {a: 1}]\n", "program[0].exit: takes no fields");
    expect_error(FX_MINIMAL "program:\n- mmap:\n  length: 1MiB\n", "a second key, 'length', beside the step 'mmap'");
    expect_error("vmsim: 1\nmachine: {nodes: []}\n", "machine.nodes: 0 elements (1 to 64)");
    expect_error("vmsim: 1\n", "machine: required key 'nodes' is missing");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_tables_of_the_fixture_are_sound),
        cmocka_unit_test(a_wrong_table_is_told),
        cmocka_unit_test(what_is_absent_takes_its_default),
        cmocka_unit_test(units_lists_and_maps_are_bound),
        cmocka_unit_test(steps_are_tagged_and_nest),
        cmocka_unit_test(presence_tells_zero_from_absent),
        cmocka_unit_test(a_raw_part_is_bound_later_with_errors_at_its_place),
        cmocka_unit_test(later_checks_point_at_the_value),
        cmocka_unit_test(all_errors_of_a_file_are_listed_in_its_order),
        cmocka_unit_test(wrong_values_are_refused_with_the_reason),
    };
    return cmocka_run_group_tests_name("config_bind", tests, NULL, NULL);
}
