/* SPDX-License-Identifier: MIT */
/* Traces that no recorder makes, replayed: whatever their events say, a run ends with a result or with one error, and
 * the machine is whole afterwards. */
#include "helpers.h"

#include "scenario/engine.h"
#include "vm/vm_impl.h"
#include "vmsim/report.h"
#include "vmsim/trace.h"

/* Numbers that are likely to hurt: edges of pages, address spaces, files and types, and wild ones. */
static uint64_t nasty(struct vmsim__rng *r) {
    static const uint64_t values[] = {0,
                                      1,
                                      4095,
                                      4096,
                                      8192,
                                      0x400000,
                                      0x7ffff7ff0000,
                                      0x7ffffffff000,
                                      0x800000000000,
                                      UINT64_C(1) << 20,
                                      UINT64_C(1) << 32,
                                      UINT64_C(1) << 62,
                                      INT64_MAX,
                                      (uint64_t)INT64_MAX + 1,
                                      UINT64_MAX - 4095,
                                      UINT64_MAX};
    switch (vmsim__rng_below(r, 4)) {
    case 0:
        return values[vmsim__rng_below(r, TEST_COUNT(values))];
    case 1:
        return vmsim__rng_below(r, 64);
    case 2:
        return 0x400000 + vmsim__rng_below(r, 1 << 20) * 4096;
    default:
        return vmsim__rng_next(r) >> vmsim__rng_below(r, 64);
    }
}

/* A file that is small enough to be cached in the machine below. */
static void introduce(struct vmsim__rng *r, struct vmsim_trace_writer *w, uint32_t task, uint32_t *files) {
    char path[32];
    snprintf(path, sizeof path, "/f%llu", (unsigned long long)vmsim__rng_below(r, 6));
    struct vmsim_trace_event e = {
        .type = VMSIM_TRACE_FILE,
        .file = *files,
        .args = {vmsim__rng_below(r, 4) ? vmsim__rng_below(r, 1 << 20) : nasty(r), vmsim__rng_below(r, 5), 0, 0},
        .path = vmsim__rng_below(r, 4) ? path : NULL};
    if (!vmsim_trace_append_event(w, task, &e))
        ++*files;
}

static void append_exec(struct vmsim__rng *r, struct vmsim_trace_writer *w, uint32_t task, uint32_t files) {
    struct vmsim_trace_segment s[4];
    struct vmsim_trace_exec x = {.segments = s, .segment_count = vmsim__rng_below(r, 5)};
    for (size_t i = 0; i < x.segment_count; i++)
        s[i] = (struct vmsim_trace_segment){
            .va = nasty(r),
            .length = nasty(r),
            .offset = nasty(r),
            .file_bytes = nasty(r),
            .file = files && vmsim__rng_below(r, 4) ? (uint32_t)vmsim__rng_below(r, files) : VMSIM_TRACE_NO_FILE,
            .prot = (uint32_t)vmsim__rng_below(r, 8),
            .interpreter = (uint32_t)vmsim__rng_below(r, 2)};
    uint64_t *field = &x.entry;
    for (size_t i = 0; i < 14; i++)
        field[i] = nasty(r);
    struct vmsim_trace_event e = {.type = VMSIM_TRACE_EXEC, .file = VMSIM_TRACE_NO_FILE, .path = "/bin/x", .exec = &x};
    vmsim_trace_append_event(w, task, &e);
}

static void append_something(struct vmsim__rng *r, struct vmsim_trace_writer *w, uint32_t *tasks, uint32_t *files) {
    uint32_t task = (uint32_t)vmsim__rng_below(r, *tasks);
    struct vmsim_trace_event e = {.type = (enum vmsim_trace_event_type)vmsim__rng_below(r, VMSIM_TRACE_EVENT_TYPES),
                                  .file = *files && vmsim__rng_below(r, 3) ? (uint32_t)vmsim__rng_below(r, *files)
                                                                           : VMSIM_TRACE_NO_FILE,
                                  .result = (int64_t)nasty(r)};
    for (unsigned i = 0; i < 6; i++)
        e.args[i] = nasty(r);
    switch (e.type) {
    case VMSIM_TRACE_EXEC:
        append_exec(r, w, task, *files);
        return;
    case VMSIM_TRACE_FILE:
        introduce(r, w, task, files);
        return;
    case VMSIM_TRACE_EXIT:
    case VMSIM_TRACE_KILLED:
        if (vmsim__rng_below(r, 10))
            return; /* lives are kept long */
        break;
    case VMSIM_TRACE_FORK:
        e.args[0] = vmsim__rng_below(r, 8) ? *tasks : vmsim__rng_below(r, *tasks);
        e.args[1] = vmsim__rng_below(r, 16);
        if (!vmsim_trace_append_event(w, task, &e) && e.args[0] == *tasks)
            ++*tasks;
        return;
    case VMSIM_TRACE_MMAP:
        e.args[1] = vmsim__rng_below(r, 3) ? vmsim__rng_below(r, 1 << 20) : nasty(r);
        e.args[2] = vmsim__rng_below(r, 8);
        e.args[3] = vmsim__rng_below(r, 3) ? 0x22 : nasty(r);
        break;
    default:
        break;
    }
    vmsim_trace_append_event(w, task, &e);
    vmsim_access a[16];
    size_t n = vmsim__rng_below(r, 8) ? 0 : 16;
    for (size_t i = 0; i < n; i++)
        a[i] = vmsim_access_make((uint64_t)((int64_t)(nasty(r) << 7) >> 7), 1u << vmsim__rng_below(r, 7),
                                 (enum vmsim_access_type)vmsim__rng_below(r, 4));
    if (n)
        vmsim_trace_append(w, task, a, n);
}

static void write_hostile(struct vmsim__rng *r, const char *path) {
    struct vmsim_trace_writer *w;
    struct vmsim_trace_event start = {.type = VMSIM_TRACE_START, .file = VMSIM_TRACE_NO_FILE};
    uint32_t tasks = 1, files = 0;
    char error[300] = "";
    assert_int_equal(vmsim_trace_create(path, NULL, &w), 0);
    vmsim_trace_append_event(w, 0, &start);
    for (unsigned n = (unsigned)vmsim__rng_below(r, 200); n; n--)
        append_something(r, w, &tasks, &files);
    if (vmsim_trace_finish(w, error, sizeof error))
        fail_msg("%s", error);
}

/* What a run of this trace came to: the error of making it, or of running it. */
static int run(const char *path, const char *arch) {
    char text[400];
    struct vmsim_config *config;
    struct vmsim_scenario *s;
    snprintf(text, sizeof text,
             "machine: {arch: %s, nodes: [{memory: 64MiB}], cpus: 2}\nworkload: {tasks: [{name: t, trace: '%s'}]}\n",
             arch, path);
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "hostile", text, strlen(text)), 0);
    assert_int_equal(vmsim_config_resolve(config), 0);
    int err = vmsim_scenario_create(config, &s);
    if (err) {
        assert_true(vmsim_config_error_count(config) > 0);
        vmsim_config_destroy(config);
        return err;
    }
    err = vmsim_scenario_run(s, NULL, NULL);
    if (err && !*vmsim_scenario_error(s))
        fail_msg("error %d without a text", err);
    if (vmsim_machine_check(vmsim_scenario_machine(s)))
        fail_msg("%s", vmsim_machine_error(vmsim_scenario_machine(s)));
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(config);
    return err;
}

static void hostile_events_end_in_a_result_or_one_error(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("hostile");
    char path[64];
    const char *rounds = getenv("VMSIM_STEPS");
    unsigned errors = 0, n = rounds ? (unsigned)strtoul(rounds, NULL, 0) : 150;
    snprintf(path, sizeof path, "/tmp/vmsim-hostile-%ld.vmt", (long)getpid());
    for (unsigned i = 0; i < n; i++) {
        write_hostile(&r, path);
        int err = run(path, i % 3 ? "x86_64" : i % 2 ? "riscv_sv39" : "arm64_4k");
        errors += err != 0;
        if (err && err != VMSIM_ECORRUPT && err != VMSIM_ELIMIT && err != VMSIM_EINVAL)
            fail_msg("round %u: unexpected error %d", i, err);
    }
    print_message("%u of %u traces were refused\n", errors, n);
    unlink(path);
}

static void cut_traces_are_not_taken_for_whole(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("cut");
    char path[64], cut[64];
    size_t size;
    snprintf(path, sizeof path, "/tmp/vmsim-whole-%ld.vmt", (long)getpid());
    snprintf(cut, sizeof cut, "/tmp/vmsim-cut-%ld.vmt", (long)getpid());
    write_hostile(&r, path);
    char *bytes = test_read_file(path, &size);
    for (size_t i = 0; i < 60; i++) {
        size_t keep = i < 30 ? i * size / 30 : size - 1 - (i - 30);
        test_write_file(cut, bytes, keep);
        if (!run(cut, "x86_64"))
            fail_msg("%zu of %zu bytes are taken for a whole trace", keep, size);
    }
    for (size_t i = 0; i < 200; i++) { /* one bit wrong */
        size_t at = vmsim__rng_below(&r, size);
        char flip = (char)(1u << vmsim__rng_below(&r, 8));
        bytes[at] = (char)(bytes[at] ^ flip);
        test_write_file(cut, bytes, size);
        run(cut, "x86_64");
        bytes[at] = (char)(bytes[at] ^ flip);
    }
    free(bytes);
    unlink(path);
    unlink(cut);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_events_end_in_a_result_or_one_error),
        cmocka_unit_test(cut_traces_are_not_taken_for_whole),
    };
    return cmocka_run_group_tests_name("replay_hostile", tests, NULL, NULL);
}
