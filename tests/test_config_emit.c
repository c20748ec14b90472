/* SPDX-License-Identifier: MIT */
/* The way back: what is written reads to the identical struct, for random structs and for odd texts; canonical units;
 * the schema and the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/rng.h"
#include "config_fixture.h"

static struct vmsim_config *load_ok(const char *text) {
    struct vmsim_config *c = fx_create(NULL);
    assert_non_null(c);
    int err = fx_load(c, text);
    if (err)
        print_error("%s\n--- of\n%s\n", vmsim_config_error_text(c, 0), text);
    assert_int_equal(err, 0);
    return c;
}

/* A random configuration as a text in odd spellings; what it means is whatever it binds to. */
struct writer {
    struct vmsim__rng rng;
    char *at;
    size_t count, room;
};

static uint64_t below(struct writer *w, uint64_t n) {
    return vmsim__rng_below(&w->rng, n);
}

static void put(struct writer *w, const char *text) {
    size_t n = strlen(text);
    assert_true(w->count + n < w->room);
    memcpy(w->at + w->count, text, n + 1);
    w->count += n;
}

static void put_number(struct writer *w, uint64_t v) {
    char text[32];
    snprintf(text, sizeof text, below(w, 4) ? "%llu" : "0x%llx", (unsigned long long)v);
    put(w, text);
}

static void put_size(struct writer *w) {
    static const char *const units[] = {"", "B", "KiB", "MiB", "GiB", "K", "kB"};
    put_number(w, 4096 + below(w, 100000));
    put(w, units[below(w, 7)]);
}

static void put_time(struct writer *w, uint64_t limit) {
    static const char *const units[] = {"ns", "us", "ms", " s"};
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)below(w, limit));
    put(w, text);
    put(w, units[limit > 100 ? below(w, 4) : 0]);
}

/* Every escape and indicator that may go wrong. */
static void put_text(struct writer *w) {
    static const char *const parts[] = {"a", "null", "1",    "~", ":",   " ",    "#",       "- ",      "%",
                                        ",", "\\\"", "\\\\", "!", "@",   "|",    "\\u2028", "\\ufeff", "\\U0001F600",
                                        "ä", "日",   "'",    "{", "]",   "&",    "*",       "!",       "%",
                                        "@", "`",    ",",    "?", "0x1", "true", "\\xa0",   "="};
    put(w, "\"");
    for (uint64_t n = below(w, 5); n; n--)
        put(w, parts[below(w, sizeof parts / sizeof *parts)]);
    put(w, "\"");
}

static void put_tlb(struct writer *w) {
    put(w, "{");
    if (below(w, 2))
        put(w, "entries: "), put_number(w, 1 + below(w, 65536)), put(w, ", ");
    if (below(w, 2))
        put(w, "ways: "), put_number(w, UINT64_C(1) << below(w, 8)), put(w, ", ");
    if (below(w, 2))
        put(w, "latency: "), put_time(w, 90), put(w, ", ");
    if (below(w, 2))
        put(w, "replacement: "), put(w, fx_replacements[below(w, 4)]), put(w, ", ");
    put(w, below(w, 2) ? "shared: true}" : "}");
}

static void put_nodes(struct writer *w) {
    put(w, "  nodes:\n");
    for (uint64_t i = 0, n = 1 + below(w, 4); i < n; i++) {
        put(w, "  - {id: "), put_number(w, i), put(w, ", memory: "), put_size(w);
        if (below(w, 2))
            put(w, ", cpus: ["), put_number(w, below(w, 4096)), put(w, ", 7]");
        if (below(w, 2))
            put(w, ", tlb: "), put_tlb(w);
        put(w, "}\n");
    }
}

static void put_maps(struct writer *w) {
    char key[64];
    put(w, "  env: {");
    for (uint64_t i = 0, n = below(w, 4); i < n; i++) {
        snprintf(key, sizeof key, "\"k:%llu \\u2028%llu\": ", (unsigned long long)i, (unsigned long long)below(w, 99));
        put(w, key), put_text(w), put(w, ", ");
    }
    put(w, "}\n  cgroups: {");
    for (uint64_t i = 0, n = below(w, 3); i < n; i++) {
        snprintf(key, sizeof key, "/g%llu: {", (unsigned long long)i);
        put(w, key);
        if (below(w, 2))
            put(w, "memory.max: "), put_size(w);
        put(w, "}, ");
    }
    put(w, "}\n");
}

static void put_steps(struct writer *w, unsigned depth) {
    put(w, "[");
    for (uint64_t n = 1 + below(w, 3); n; n--) {
        switch (below(w, depth ? 4 : 3)) {
        case 0:
            put(w, "mmap: {length: "), put_size(w), put(w, ", name: "), put_text(w), put(w, "}, ");
            break;
        case 1:
            put(w, "sleep: "), put_time(w, 5000), put(w, ", ");
            break;
        case 2:
            put(w, "exit, ");
            break;
        default:
            put(w, "repeat: {times: "), put_number(w, below(w, 9)), put(w, ", steps: ");
            put_steps(w, depth - 1);
            put(w, "}, ");
        }
    }
    put(w, "]");
}

static void put_rest(struct writer *w) {
    put(w, "policies:\n  reclaim: {name: "), put_text(w), put(w, ", params: {a: [1, "), put_text(w);
    put(w, ", ~, {}, [], {b: true}], c: "), put_text(w), put(w, "}}\nprogram: "), put_steps(w, 3);
    put(w, "\nexpect:\n");
    for (uint64_t n = below(w, 3); n; n--) {
        put(w, "- {counter: "), put_text(w);
        if (below(w, 2))
            put(w, ", max: "), put_number(w, below(w, 3));
        put(w, below(w, 2) ? ", equals: 0}\n" : "}\n");
    }
    put(w, "tags: ["), put_text(w), put(w, ", "), put_text(w), put(w, "]\n");
}

static void write_random(struct writer *w) {
    w->count = 0;
    put(w, "vmsim: 1\nmachine:\n");
    put_nodes(w);
    put_maps(w);
    put(w, "  kernel: "), put_text(w), put(w, "\n  nice: -"), put_number(w, below(w, 21));
    put(w, "\n  ratio: 0."), put_time(w, 10), w->count -= 2, put(w, "25\n  l2: "), put_tlb(w);
    put(w, "\n  distances: [[10, "), put_number(w, 1 + below(w, 255)), put(w, "], []]\n");
    put_rest(w);
}

/* Member by member: pointers differ, what they point to may not. */
static void same(const struct vmsim_param *table, const char *a, const char *b);

static void same_variants(const struct vmsim_param_variant *a, const struct vmsim_param_variant *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(a[i].variant, b[i].variant);
        if (a[i].data)
            same(a[i].variant->fields, a[i].data, b[i].data);
    }
}

static void same_pairs(const struct vmsim_param_pair *a, const struct vmsim_param_pair *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(a[i].key, b[i].key);
        assert_string_equal(a[i].value, b[i].value);
    }
}

static void same_string(const char *a, const char *b) {
    assert_int_equal(!a, !b);
    if (a)
        assert_string_equal(a, b);
}

static void same_list(const struct vmsim_param *p, const struct vmsim_param_list *a, const struct vmsim_param_list *b) {
    assert_int_equal(a->count, b->count);
    const char *x = a->data, *y = b->data;
    for (size_t i = 0; i < a->count; i++) {
        if (p->type == VMSIM_PARAM_STRUCT_LIST || p->type == VMSIM_PARAM_STRUCT_MAP)
            same(p->fields, x + i * p->element_size, y + i * p->element_size);
        else if (p->type == VMSIM_PARAM_LIST && p->element == VMSIM_PARAM_LIST)
            same_list(p->fields, (const struct vmsim_param_list *)a->data + i,
                      (const struct vmsim_param_list *)b->data + i);
        else if (p->type == VMSIM_PARAM_LIST && p->element == VMSIM_PARAM_STRING)
            assert_string_equal(((const char *const *)a->data)[i], ((const char *const *)b->data)[i]);
        else if (p->type == VMSIM_PARAM_LIST)
            assert_int_equal(((const uint64_t *)a->data)[i], ((const uint64_t *)b->data)[i]);
        if (p->type == VMSIM_PARAM_STRUCT_MAP)
            assert_string_equal(*(const char *const *)(const void *)(x + i * p->element_size + p->key_offset),
                                *(const char *const *)(const void *)(y + i * p->element_size + p->key_offset));
    }
    if (p->type == VMSIM_PARAM_VARIANT_LIST)
        same_variants(a->data, b->data, a->count);
    else if (p->type == VMSIM_PARAM_MAP)
        same_pairs(a->data, b->data, a->count);
}

static void same(const struct vmsim_param *table, const char *a, const char *b) {
    for (const struct vmsim_param *p = table; p->name; p++) {
        const void *x = a + p->offset, *y = b + p->offset;
        if (p->present)
            assert_int_equal(a[p->present], b[p->present]);
        if (p->type == VMSIM_PARAM_STRUCT)
            same(p->fields, x, y);
        else if (p->type == VMSIM_PARAM_STRING)
            same_string(*(const char *const *)x, *(const char *const *)y);
        else if (p->type == VMSIM_PARAM_BOOL || p->type == VMSIM_PARAM_ENUM)
            assert_memory_equal(x, y, p->type == VMSIM_PARAM_BOOL ? sizeof(bool) : sizeof(int));
        else if (p->type == VMSIM_PARAM_UINT || p->type == VMSIM_PARAM_INT || p->type == VMSIM_PARAM_SIZE ||
                 p->type == VMSIM_PARAM_TIME || p->type == VMSIM_PARAM_ADDRESS || p->type == VMSIM_PARAM_RATIO)
            assert_memory_equal(x, y, sizeof(uint64_t));
        else if (p->type != VMSIM_PARAM_NODE)
            same_list(p, x, y);
    }
}

static char *dump(struct vmsim_config *c, unsigned flags) {
    const char *text;
    size_t size;
    assert_int_equal(vmsim_config_dump(c, flags, &text, &size), 0);
    assert_int_equal(strlen(text), size);
    return strdup(text);
}

/* Reads `text`, writes it, reads that: the struct is the same, and writing it again gives the same bytes. */
static void round_trip(const char *text) {
    struct vmsim_config *a = load_ok(text);
    char *first = dump(a, 0), *commented = dump(a, VMSIM_CONFIG_DUMP_ORIGINS);
    const char *texts[] = {first, commented};
    for (size_t i = 0; i < 2; i++) {
        struct vmsim_config *b = load_ok(texts[i]);
        same(fx_root_table, vmsim__config_root(a), vmsim__config_root(b));
        char *second = dump(b, 0);
        assert_string_equal(first, second);
        free(second);
        vmsim_config_destroy(b);
    }
    free(first);
    free(commented);
    vmsim_config_destroy(a);
}

static void random_configurations_survive_the_round_trip(void **state) {
    (void)state;
    const char *env = getenv("VMSIM_SEED");
    uint64_t seed = env ? strtoull(env, NULL, 0) : 20240607;
    static char text[1 << 16];
    struct writer w = {.at = text, .room = sizeof text};
    print_message("VMSIM_SEED=%llu\n", (unsigned long long)seed);
    vmsim__rng_seed(&w.rng, seed);
    for (int i = 0; i < 300; i++) {
        write_random(&w);
        round_trip(text);
    }
}

static void the_smallest_configuration_survives_the_round_trip(void **state) {
    (void)state;
    round_trip(FX_MINIMAL);
}

static void values_are_written_in_canonical_units(void **state) {
    (void)state;
    struct vmsim_config *c = load_ok(FX_MINIMAL "  tick: 1000us\n  ratio: 33.3%\n  base: 1GiB\n  kernel: 6.1\n");
    char *text = dump(c, 0);
    assert_non_null(strstr(text, "  tick: 1ms\n"));
    assert_non_null(strstr(text, "  ratio: 0.333\n"));
    assert_non_null(strstr(text, "  base: 0x40000000\n"));
    assert_non_null(strstr(text, "  kernel: \"6.1\"\n"));
    free(text);
    vmsim_config_destroy(c);
}

static void the_dump_goes_to_a_file_or_says_why_not(void **state) {
    (void)state;
    struct vmsim_config *c = load_ok(FX_MINIMAL);
    char path[64];
    snprintf(path, sizeof path, "dump-%d.yaml", (int)getpid());
    assert_int_equal(vmsim_config_dump_file(c, 0, path), 0);
    struct vmsim_config *again = fx_create(NULL);
    assert_int_equal(vmsim_config_load_file(again, path), 0);
    assert_int_equal(vmsim_config_resolve(again), 0);
    vmsim_config_destroy(again);
    unlink(path);
    assert_int_equal(vmsim_config_dump_file(c, 0, "/proc/nonexistent/x.yaml"), VMSIM_EIO);
    assert_string_equal(vmsim_config_error_text(c, 0),
                        "error: /proc/nonexistent/x.yaml: cannot be written: No such file or directory");
    vmsim_config_destroy(c);
}

static void a_dump_needs_a_resolved_configuration(void **state) {
    (void)state;
    const char *text;
    struct vmsim_config *c = fx_create(NULL);
    assert_int_equal(vmsim_config_dump(c, 0, &text, NULL), VMSIM_ESTATE);
    assert_int_equal(fx_load(c, "vmsim: 2\n"), VMSIM_ECONFIG);
    assert_int_equal(vmsim_config_dump(c, 0, &text, NULL), VMSIM_ESTATE);
    assert_int_equal(vmsim_config_resolve(c), VMSIM_ESTATE);
    assert_int_equal(vmsim_config_set(c, "vmsim=1"), VMSIM_ESTATE);
    assert_int_equal(vmsim_config_load_text(c, "x", "vmsim: 1", 8), VMSIM_ESTATE);
    vmsim_config_destroy(c);
}

static void the_schema_is_json_whose_references_all_exist(void **state) {
    (void)state;
    struct vmsim_config *c = fx_create(NULL);
    const char *text;
    size_t size;
    assert_int_equal(vmsim_config_schema(c, &text, &size), 0);
    json_error_t error;
    json_t *schema = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (!schema)
        fail_msg("line %d: %s", error.line, error.text);
    json_t *defs = json_object_get(schema, "$defs");
    assert_non_null(json_object_get(defs, "machine.nodes"));
    assert_non_null(json_object_get(defs, "program.mmap"));
    for (const char *s = text; (s = strstr(s, "\"#/$defs/")) != NULL; s++) {
        char name[128];
        assert_int_equal(sscanf(s, "\"#/$defs/%127[^\"]\"", name), 1);
        if (!json_object_get(defs, name))
            fail_msg("no definition of %s", name);
    }
    json_decref(schema);
    vmsim_config_destroy(c);
}

static void the_reference_has_a_row_for_every_key(void **state) {
    (void)state;
    struct vmsim_config *c = fx_create(NULL);
    const char *text;
    assert_int_equal(vmsim_config_reference(c, &text, NULL), 0);
    assert_non_null(strstr(text, "| `memory` | size | **required** | at least 4KiB | Memory of the node. |\n"));
    assert_non_null(strstr(text, "| `nice` | signed integer | `0` | -20 to 19 | Niceness. |\n"));
    assert_non_null(strstr(text, "| `replacement` | `lru`, `tree-plru`, `fifo`, `random` | `lru` |  |"));
    assert_non_null(strstr(text, "| `nodes` | [list of sections](#machinenodes) | **required** | 1 to 64 elements |"));
    assert_non_null(strstr(text, "## `machine.nodes[]`\n"));
    assert_non_null(strstr(text, "| [mmap](#programmmap) | Maps memory. |\n"));
    assert_non_null(strstr(text, "As in Linux, \\| parts of ten thousand."));
    vmsim_config_destroy(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_configuration_survives_the_round_trip),
        cmocka_unit_test(random_configurations_survive_the_round_trip),
        cmocka_unit_test(values_are_written_in_canonical_units),
        cmocka_unit_test(the_dump_goes_to_a_file_or_says_why_not),
        cmocka_unit_test(a_dump_needs_a_resolved_configuration),
        cmocka_unit_test(the_schema_is_json_whose_references_all_exist),
        cmocka_unit_test(the_reference_has_a_row_for_every_key),
    };
    return cmocka_run_group_tests_name("config_emit", tests, NULL, NULL);
}
