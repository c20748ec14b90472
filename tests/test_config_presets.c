/* SPDX-License-Identifier: MIT */
/* Search directories and their order, the list of presets, several files above each other, relative names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_fixture.h"

#define GOLDEN VMSIM_SOURCE_DIR "/tests/golden/config/presets"

/* Files of this test go to a directory of its own. */
struct place {
    char directory[64], path[128];
};

static const char *in(struct place *p, const char *name) {
    snprintf(p->path, sizeof p->path, "%s/%s", p->directory, name);
    return p->path;
}

static void write_file(struct place *p, const char *name, const char *text) {
    FILE *f = fopen(in(p, name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state) {
    struct place *p = calloc(1, sizeof *p);
    strcpy(p->directory, "presets-XXXXXX");
    *state = p;
    return mkdtemp(p->directory) ? 0 : -1;
}

static int tear_down(void **state) {
    static const char *const names[] = {"small.yaml", "own.yaml", "fast.yaml", "note.txt", "main.yaml", "part.yaml"};
    struct place *p = *state;
    unsetenv("VMSIM_MACHINES");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in(p, names[i]));
    rmdir(p->directory);
    free(p);
    return 0;
}

static size_t find(struct vmsim_config *c, const char *name) {
    size_t count, found = SIZE_MAX;
    assert_int_equal(vmsim_config_presets(c, &count), 0);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(vmsim_config_preset_name(c, i), name))
            found = i;
    assert_null(vmsim_config_preset_name(c, count));
    return found;
}

static void presets_are_listed_by_name_with_their_first_comment(void **state) {
    struct place *p = *state;
    write_file(p, "own.yaml", "#   My own machine  \nvmsim: 1\n");
    write_file(p, "fast.yaml", "vmsim: 1\n");
    write_file(p, "note.txt", "# no preset\n");
    struct vmsim_config *c = fx_create(NULL);
    vmsim_config_add_search_dir(c, "/proc/nonexistent");
    vmsim_config_add_search_dir(c, p->directory);
    vmsim_config_add_search_dir(c, GOLDEN);
    size_t own = find(c, "own"), small = find(c, "small"), fast = find(c, "fast");
    assert_true(fast < own && own < small && small != SIZE_MAX);
    assert_string_equal(vmsim_config_preset_doc(c, own), "My own machine  ");
    assert_string_equal(vmsim_config_preset_doc(c, small), "A small machine with two nodes");
    assert_string_equal(vmsim_config_preset_doc(c, fast), ""); /* the first directory wins */
    assert_string_equal(vmsim_config_preset_path(c, own), in(p, "own.yaml"));
    assert_int_equal(find(c, "note"), SIZE_MAX);
    const char *text;
    size_t size;
    assert_int_equal(vmsim_config_preset_text(c, "fast", &text, &size), 0);
    assert_string_equal(text, "vmsim: 1\n");
    assert_int_equal(vmsim_config_preset_text(c, "fats", &text, &size), VMSIM_ENOENT);
    assert_string_equal(vmsim_config_error_text(c, 0), "error: unknown preset 'fats' (did you mean 'fast'?)");
    vmsim_config_destroy(c);
}

static void the_environment_names_search_directories(void **state) {
    struct place *p = *state;
    char list[256];
    write_file(p, "own.yaml", FX_MINIMAL "  cpus: 9\n");
    snprintf(list, sizeof list, "/proc/nonexistent::%s", p->directory);
    setenv("VMSIM_MACHINES", list, 1);
    struct vmsim_config *c = fx_create(NULL);
    assert_int_equal(fx_load(c, "vmsim: 1\nmachine: {preset: own}\n"), 0);
    assert_int_equal(((const struct fx_root *)vmsim__config_root(c))->machine.cpus, 9);
    vmsim_config_destroy(c);
}

static void a_later_file_lies_above_an_earlier_one(void **state) {
    struct place *p = *state;
    write_file(p, "main.yaml", FX_MINIMAL "  cpus: 2\n  kernel: a\n");
    write_file(p, "part.yaml", "machine: {cpus: 3}\n");
    struct vmsim_config *c = fx_create(NULL);
    assert_int_equal(vmsim_config_load_file(c, in(p, "main.yaml")), 0);
    assert_int_equal(vmsim_config_load_file(c, in(p, "part.yaml")), 0);
    assert_int_equal(vmsim_config_set(c, "machine.kernel=b"), 0);
    assert_int_equal(vmsim_config_set(c, "machine.kernel=c"), 0);
    assert_int_equal(vmsim_config_resolve(c), 0);
    const struct fx_root *r = vmsim__config_root(c);
    assert_int_equal(r->machine.cpus, 3);
    assert_string_equal(r->machine.kernel, "c");
    assert_string_equal(vmsim__config_origin(c, "machine.kernel"), "--set");
    vmsim_config_destroy(c);
}

static void includes_and_plugins_are_relative_to_their_file(void **state) {
    struct place *p = *state;
    char wanted[128];
    write_file(p, "part.yaml", "policies: {reclaim: {plugin: ./mine.so, params: {a: 1}}}\n");
    write_file(p, "main.yaml", FX_MINIMAL "include: part.yaml\n");
    struct vmsim_config *c = fx_create(NULL);
    assert_int_equal(vmsim_config_load_file(c, in(p, "main.yaml")), 0);
    assert_int_equal(vmsim_config_resolve(c), 0);
    const struct fx_root *r = vmsim__config_root(c);
    snprintf(wanted, sizeof wanted, "%s/./mine.so", p->directory);
    assert_string_equal(vmsim__config_relative(c, "policies.reclaim.plugin", r->policies.reclaim.plugin), wanted);
    assert_string_equal(vmsim__config_relative(c, "policies.reclaim.plugin", "/abs.so"), "/abs.so");
    assert_string_equal(vmsim__node_file(r->policies.reclaim.params), in(p, "part.yaml"));
    vmsim_config_destroy(c);
}

/* `text` as main.yaml fails with a message that has `part`. */
static void refused(struct place *p, const char *text, const char *part) {
    struct vmsim_config *c = fx_create(NULL);
    write_file(p, "main.yaml", text);
    assert_int_equal(vmsim_config_load_file(c, in(p, "main.yaml")), 0);
    assert_int_equal(vmsim_config_resolve(c), VMSIM_ECONFIG);
    if (!strstr(vmsim_config_error_text(c, 0), part))
        fail_msg("wanted %s, got %s", part, vmsim_config_error_text(c, 0));
    vmsim_config_destroy(c);
}

static void a_chain_of_too_many_includes_is_refused(void **state) {
    struct place *p = *state;
    char name[32], text[64];
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "chain%d.yaml", i);
        snprintf(text, sizeof text, "include: chain%d.yaml\n", i + 1);
        write_file(p, name, text);
    }
    refused(p, "include: chain0.yaml\n", "more than 32 files within each other (the limit)");
    for (int i = 0; i < 40; i++) {
        snprintf(name, sizeof name, "chain%d.yaml", i);
        unlink(in(p, name));
    }
}

static void all_files_together_have_a_limit(void **state) {
    struct place *p = *state;
    size_t size = 15 << 20;
    char *text = malloc(size + 1);
    memset(text, '#', size);
    memcpy(text, FX_MINIMAL, strlen(FX_MINIMAL));
    text[size] = '\0';
    write_file(p, "part.yaml", text);
    free(text);
    refused(p, "include: [part.yaml, part.yaml, part.yaml, part.yaml, part.yaml]\n",
            "more than 64 MiB in all files together (the limit)");
}

static void a_pipe_is_not_included(void **state) {
    struct place *p = *state;
    assert_int_equal(mkfifo(in(p, "part.yaml"), 0600), 0);
    refused(p, "include: part.yaml\n", "is not a regular file");
}

static void an_unreadable_preset_is_told_with_the_place_that_names_it(void **state) {
    struct place *p = *state;
    assert_int_equal(mkdir(in(p, "own.yaml"), 0700), 0);
    setenv("VMSIM_MACHINES", p->directory, 1);
    refused(p, "vmsim: 1\nmachine: {preset: own}\n", "is a directory, not a file\n  included from ");
    rmdir(in(p, "own.yaml"));
}

static void single_values_parse_and_print_alone(void **state) {
    (void)state;
    char why[128], text[32];
    uint64_t v = 7;
    const struct vmsim_param *ways = &fx_tlb_table[1], *latency = &fx_tlb_table[2];
    assert_true(vmsim__param_parse(ways, "16", &v, why, sizeof why));
    assert_int_equal(v, 16);
    assert_false(vmsim__param_parse(ways, "17", &v, why, sizeof why));
    assert_string_equal(why, "'17' is not a power of two");
    assert_int_equal(v, 16);
    assert_true(vmsim__param_parse(latency, "0.5us", &v, why, sizeof why));
    assert_string_equal(vmsim__param_format(latency, &v, text, sizeof text), "500ns");
    assert_false(vmsim__param_parse(&fx_tlb_table[3], "x", &v, why, 10)); /* a short buffer only cuts the reason */
    assert_int_equal(strlen(why), 9);
}

int main(void) {
#define WITH_DIRECTORY(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(presets_are_listed_by_name_with_their_first_comment),
        WITH_DIRECTORY(the_environment_names_search_directories),
        WITH_DIRECTORY(a_later_file_lies_above_an_earlier_one),
        WITH_DIRECTORY(includes_and_plugins_are_relative_to_their_file),
        WITH_DIRECTORY(a_chain_of_too_many_includes_is_refused),
        WITH_DIRECTORY(all_files_together_have_a_limit),
        WITH_DIRECTORY(a_pipe_is_not_included),
        WITH_DIRECTORY(an_unreadable_preset_is_told_with_the_place_that_names_it),
        cmocka_unit_test(single_values_parse_and_print_alone),
    };
    return cmocka_run_group_tests_name("config_presets", tests, NULL, NULL);
}
