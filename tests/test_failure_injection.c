/* SPDX-License-Identifier: MIT */
/* A host that has no memory for the n-th allocation: configurations, machines, runs, reports. Each call says so, or
 * comes to the very same as with memory; nothing leaks, and the machine that is left holds together. */
#include "failing_malloc.h"

#include <unistd.h>

#include "vmsim/report.h"
#include "vmsim/scenario.h"

/* ---- configurations ---- */

static const char good_text[] =
    "vmsim: 1\nmachine:\n  preset: skylake-sp\n  nodes: [{memory: 64MiB}, {memory: 64MiB, distances: [&d 21, 10]}]\n"
    "  cpus: 2\n  sysctl: {vm.swappiness: 10}\n"
    "workload:\n  tasks:\n    - name: a\n      program:\n"
    "        - mmap: {as: heap, length: 1MiB}\n        - touch: {region: heap, write: 50%}\n"
    "        - repeat: {times: 2, steps: [{sleep: {time: 1us}}, wait]}\n";
static const char bad_text[] = "machine:\n  preset: skylake-sq\n  nodes: [{memroy: 4GiB}, 3]\n  arch: z80\n"
                               "workload: {tasks: [{name: a, program: [{mmap: {length: 1 parsec}}, {jump: {}}]}]}\n"
                               "policies: *nowhere\n";
static const char cut_text[] = "machine: {nodes: [{memory: 64MiB}\nworkload: }\n";

static uint64_t digest_errors(const struct vmsim_config *c, uint64_t digest) {
    for (size_t i = 0; i < vmsim_config_error_count(c); i++)
        digest = failing_digest(digest, vmsim_config_error_text(c, i), strlen(vmsim_config_error_text(c, i)));
    return digest;
}

/* The text of an error of `c`, or the code's own: the list itself needs memory. */
static const char *message_of(const struct vmsim_config *c, int code) {
    static char text[400];
    const char *first = c ? vmsim_config_error_text(c, 0) : NULL;
    snprintf(text, sizeof text, "%s", first ? first : vmsim_error_text(code));
    return text;
}

static struct failing_result load(void *context) {
    struct vmsim_config *c = NULL;
    const char *text = context, *out;
    size_t size, count;
    struct failing_result r = {.code = vmsim_config_create(&c)};
    if (!r.code)
        r.code = vmsim_config_add_search_dir(c, VMSIM_SOURCE_DIR "/machines");
    if (!r.code)
        r.code = vmsim_config_set(c, "machine.nodes[1].memory=32MiB");
    if (!r.code)
        r.code = vmsim_config_set(c, "workload.tasks[0].program[+]={sleep: {time: 3us}}");
    if (!r.code)
        r.code = vmsim_config_load_text(c, "box.yaml", text, strlen(text));
    if (!r.code)
        r.code = vmsim_config_resolve(c);
    if (!r.code)
        r.code = vmsim_config_dump(c, VMSIM_CONFIG_DUMP_ORIGINS, &out, &size);
    if (!r.code)
        r.digest = failing_digest(r.digest, out, size);
    if (!r.code)
        r.code = vmsim_config_presets(c, &count);
    for (size_t i = 0; !r.code && i < count; i++)
        r.digest = failing_digest(r.digest, vmsim_config_preset_doc(c, i), strlen(vmsim_config_preset_doc(c, i)));
    if (c)
        r.digest = digest_errors(c, r.digest);
    r.message = message_of(c, r.code);
    vmsim_config_destroy(c);
    return r;
}

static struct failing_result print_schema(void *context) {
    struct vmsim_config *c = NULL;
    const char *out;
    size_t size;
    (void)context;
    struct failing_result r = {.code = vmsim_config_create(&c)};
    if (!r.code)
        r.code = vmsim_config_schema(c, &out, &size);
    if (!r.code)
        r.digest = failing_digest(r.digest, out, size);
    if (!r.code)
        r.code = vmsim_config_reference(c, &out, &size);
    if (!r.code)
        r.digest = failing_digest(r.digest, out, size);
    r.message = message_of(c, r.code);
    vmsim_config_destroy(c);
    return r;
}

static void configurations(void **state) {
    (void)state;
    each_failing_allocation("good.yaml", load, (void *)(uintptr_t)good_text, 0, 3000);
    each_failing_allocation("bad.yaml", load, (void *)(uintptr_t)bad_text, VMSIM_ESYNTAX, 3000);
    each_failing_allocation("cut.yaml", load, (void *)(uintptr_t)cut_text, VMSIM_ESYNTAX, 3000);
}

static void schema_and_reference(void **state) {
    (void)state;
    each_failing_allocation("schema", print_schema, NULL, 0, 200);
}

/* ---- machines and runs ---- */

static uint64_t digest_machine(struct vmsim_machine *m) {
    uint64_t digest = 0;
    for (size_t i = 0; i < vmsim_counter_count(m); i++) {
        uint64_t value = vmsim_counter_read(m, i);
        digest = failing_digest(digest, &value, sizeof value);
    }
    return digest;
}

static void check(struct vmsim_machine *m) {
    failing_pause();
    if (vmsim_machine_check(m))
        fail_msg("%s", vmsim_machine_error(m));
    failing_again();
}

/* A configuration that is made with memory. */
static struct vmsim_config *config_of(const char *text) {
    struct vmsim_config *c;
    assert_int_equal(vmsim_config_create(&c), 0);
    assert_int_equal(vmsim_config_add_search_dir(c, VMSIM_SOURCE_DIR "/machines"), 0);
    if (vmsim_config_load_text(c, "box.yaml", text, strlen(text)) || vmsim_config_resolve(c))
        fail_msg("%s\n%s", vmsim_config_error_text(c, 0), text);
    return c;
}

static struct failing_result create_machine(void *context) {
    struct vmsim_machine *m;
    failing_pause();
    struct vmsim_config *c = config_of(context);
    failing_again();
    struct failing_result r = {.code = vmsim_machine_create(c, &m)};
    r.message = message_of(c, r.code);
    vmsim_config_destroy(c);
    if (r.code)
        return r;
    check(m);
    failing_pause();
    r.digest = digest_machine(m);
    failing_again();
    assert_int_equal(vmsim_machine_destroy(m), 0);
    return r;
}

static void machines_of_every_format(void **state) {
    static const char *const formats[] = {"x86_32",     "x86_pae",   "x86_64",     "x86_64_la57", "arm64_4k",
                                          "arm64_16k",  "arm64_64k", "riscv_sv32", "riscv_sv39",  "riscv_sv48",
                                          "riscv_sv57", "arm",       "arm_lpae"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(formats); i++) {
        char text[200];
        snprintf(text, sizeof text, "machine: {arch: %s, cpus: 2, nodes: [{memory: 64MiB}, {memory: 32MiB}]}\n",
                 formats[i]);
        each_failing_allocation(formats[i], create_machine, text, 0, 60);
    }
}

static void machines_of_presets(void **state) {
    static const char *const presets[] = {"skylake-sp-2s", "zen4", "cortex-a72", "sifive-u74"};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(presets); i++) {
        char text[200];
        snprintf(text, sizeof text, "machine: {preset: %s, cpus: 2, nodes: [{memory: 64MiB}, {memory: 64MiB}]}\n",
                 presets[i]);
        each_failing_allocation(presets[i], create_machine, text, 0, 60);
    }
}

/* A workload that goes through most of the layers. */
static const char journey[] =
    "machine:\n  cpus: 2\n  nodes: [{memory: 48MiB}, {memory: 32MiB}]\n  plugins: [" TEST_PLUGIN "]\n"
    "  transparent_hugepage: always\n"
    "policies: {tlb_replacement: {name: protect, params: {chances: 3}}}\n"
    "report: {interval: 100us}\n"
    "workload:\n"
    "  cgroups: [{path: /g/h, files: {memory.max: 8MiB, memory.high: 7MiB}}]\n"
    "  files: [{name: /f, size: 1MiB}, {name: /shm, kind: shmem, size: 256KiB}]\n"
    "  tasks:\n"
    "    - name: a\n"
    "      cgroup: /g/h\n"
    "      program:\n"
    "        - cgroup_create: {cgroup: /g/i}\n"
    "        - mmap: {as: heap, length: 6MiB}\n"
    "        - mmap: {as: file, length: 512KiB, file: /f}\n"
    "        - mmap: {as: shm, length: 256KiB, file: /shm, shared: true}\n"
    "        - madvise: {region: heap, advice: hugepage}\n"
    "        - touch: {region: heap, write: 50%, pattern: zipf, count: 2000}\n"
    "        - touch: {region: file, write: 30%, pattern: pointer-chase}\n"
    "        - touch: {region: shm, write: 100%}\n"
    "        - fork: {name: child, cpu: 1, program: [{touch: {region: heap, write: 100%}}, {read: {file: /f}}]}\n"
    "        - write: {file: /f, length: 64KiB}\n"
    "        - munmap: {region: heap, offset: 1MiB, length: 64KiB}\n"
    "        - mprotect: {region: heap, offset: 3MiB, length: 64KiB, prot: r}\n"
    "        - mremap: {region: shm, length: 512KiB, may_move: true}\n"
    "        - brk: {grow: 1048576}\n"
    "        - alloc_pages: {as: p, order: 2, count: 30}\n"
    "        - marker: {name: m}\n"
    "        - fork: {thread: true, program: [{mlockall: {}}, {exit: {status: 3}}]}\n"
    "        - wait\n"
    "        - fsync: {file: /f}\n"
    "        - free_pages: {region: p}\n"
    "        - munmap: {region: file, error: EINVAL}\n"
    "expect: [{counter: vmstat.pgfault, at: m, min: 1}, {counter: tasks.child.minflt, equals: 1}]\n";

static struct failing_result scenario_failed(struct vmsim_scenario *s, struct vmsim_config *c, int code,
                                             const char *message) {
    static char text[400];
    snprintf(text, sizeof text, "%s", message);
    if (s) {
        check(vmsim_scenario_machine(s));
        assert_int_equal(vmsim_scenario_destroy(s), 0);
    }
    vmsim_config_destroy(c);
    return (struct failing_result){.code = code, .message = text};
}

static struct failing_result run_it(void *context) {
    struct vmsim_scenario *s;
    failing_pause();
    struct vmsim_config *c = config_of(context);
    failing_again();
    struct failing_result r = {.message = "-"};
    int err = vmsim_scenario_create(c, &s);
    if (err)
        return scenario_failed(NULL, c, err, message_of(c, err));
    err = vmsim_scenario_run(s, NULL, NULL);
    if (err)
        return scenario_failed(s, c, err, vmsim_scenario_error(s));
    for (int kind = VMSIM_REPORT_SUMMARY; kind <= VMSIM_REPORT_EXPECTATIONS; kind++) {
        const char *text;
        size_t size;
        err = vmsim_report_render(s, (enum vmsim_report_kind)kind, &text, &size);
        if (err)
            return scenario_failed(s, c, err, vmsim_report_error(s));
        r.digest = failing_digest(r.digest, text, size);
        vmsim_report_free(s, text);
    }
    check(vmsim_scenario_machine(s));
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(c);
    return r;
}

static void whole_runs(void **state) {
    (void)state;
    each_failing_allocation("journey", run_it, (void *)(uintptr_t)journey, 0, 300);
}

/* ---- the run directory ---- */

static char folder[256];

static uint64_t digest_file(const char *name, uint64_t digest) {
    char path[512];
    size_t size;
    snprintf(path, sizeof path, "%s/run/%s", folder, name);
    char *text = test_read_file(path, &size);
    digest = failing_digest(digest, text, size);
    free(text);
    return digest;
}

/* Nothing but what is whole bears the name, and nothing is left beside it. */
static void only_whole(int err) {
    char path[512];
    snprintf(path, sizeof path, "%s/run", folder);
    if (err == (access(path, F_OK) == 0))
        fail_msg("code %d, and the directory is %sthere", err, err ? "" : "not ");
    snprintf(path, sizeof path, "%s/run.part", folder);
    assert_int_not_equal(access(path, F_OK), 0);
}

static struct failing_result write_report(void *context) {
    static char message[400];
    struct vmsim_scenario *s = context;
    char path[512];
    snprintf(path, sizeof path, "%s/run", folder);
    struct failing_result r = {.code = vmsim_report_write(s, path), .message = message};
    snprintf(message, sizeof message, "%s", vmsim_report_error(s));
    failing_pause();
    only_whole(r.code);
    if (!r.code) {
        r.digest = digest_file("manifest.json", digest_file("stats.json", r.digest)); /* it has every file's hash */
        test_rmdir(path);
    }
    failing_again();
    return r;
}

static struct failing_result write_proc(void *context) {
    static char message[400];
    struct vmsim_machine *m = vmsim_scenario_machine(context);
    struct failing_result r = {.code = vmsim_report_proc_tree(m, folder), .message = message};
    snprintf(message, sizeof message, "%s", vmsim_machine_error(m));
    return r;
}

static void run_directories_and_proc_trees(void **state) {
    struct vmsim_scenario *s;
    (void)state;
    test_mkdir(folder);
    struct vmsim_config *c = config_of(journey);
    assert_int_equal(vmsim_scenario_create(c, &s), 0);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    each_failing_allocation("report", write_report, s, 0, 200);
    each_failing_allocation("proc", write_proc, s, 0, 100);
    check(vmsim_scenario_machine(s));
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(c);
    test_rmdir(folder);
}

/* ---- the public allocator ---- */

struct source {
    uint64_t calls, at;
    int64_t blocks, bytes;
};

static void *source_allocate(void *context, size_t size) {
    struct source *s = context;
    if (++s->calls >= s->at)
        return NULL;
    s->blocks++;
    s->bytes += (int64_t)size;
    return aligned_alloc(16, (size + 15) & ~(size_t)15);
}
static void source_release(void *context, void *block, size_t size) {
    struct source *s = context;
    assert_non_null(block);
    s->blocks--;
    s->bytes -= (int64_t)size;
    free(block);
}
static void *source_reallocate(void *context, void *block, size_t old_size, size_t size) {
    void *moved = source_allocate(context, size);
    if (!moved)
        return NULL;
    memcpy(moved, block, old_size < size ? old_size : size);
    source_release(context, block, old_size);
    return moved;
}

/* Makes a machine, drives it through the public calls, reads it. The first error ends it. */
static int drive(struct vmsim_machine *m, uint64_t *digest) {
    uint32_t task, child = VMSIM_TASK_NONE, file;
    vmsim_access a[64];
    struct vmsim_access_result r;
    int err = vmsim_task_create(m, "t", 0, &task);
    err = err ? err : vmsim_file_create(m, VMSIM_FILE_REGULAR, "/f", 1 << 20, false, &file);
    if (err)
        return err;
    int64_t base = vmsim_task_mmap(m, task, 0, 8 << 20, 3, 0x22, 0, 0);
    int64_t mapped = vmsim_task_mmap(m, task, 0, 1 << 18, 1, 0x2, file, 0);
    for (size_t i = 0; i < 64; i++)
        a[i] = i % 4 ? vmsim_access_make((uint64_t)base + i * 12288, 8, VMSIM_STORE)
                     : vmsim_access_make((uint64_t)mapped + i * 4096, 8, VMSIM_LOAD);
    err = vmsim_task_access(m, task, a, base > 0 && mapped > 0 ? 64 : 0, NULL, &r);
    err = err ? err : vmsim_task_fork(m, task, "c", &child);
    if (!err && child != VMSIM_TASK_NONE)
        err = vmsim_task_access(m, child, a, 64, NULL, &r);
    if (!err) {
        vmsim_task_read(m, task, file, 0, 1 << 18);
        vmsim_task_write(m, task, file, 0, 1 << 16);
        vmsim_task_munmap(m, task, (uint64_t)base + 4096, 8192);
        err = vmsim_task_access(m, task, NULL, 0, NULL, &r); /* tells what the calls before have met */
        err = err ? err : vmsim_task_exit(m, task);
    }
    size_t any;
    err = err ? err : vmsim_counter_find(m, "vmstat.pgfault", &any);
    if (!err)
        *digest = digest_machine(m);
    return err;
}

static int with_source(struct source *source, uint64_t *digest) {
    struct vmsim_config *c = config_of("machine: {cpus: 2, nodes: [{memory: 64MiB}]}\n");
    struct vmsim_allocator allocator = {source_allocate, source_reallocate, source_release, source};
    struct vmsim_machine *m;
    int err = vmsim_machine_create_with(c, &allocator, &m);
    if (!err) {
        err = drive(m, digest);
        source->at = UINT64_MAX;
        if (vmsim_machine_check(m))
            fail_msg("%s", vmsim_machine_error(m));
        assert_int_equal(vmsim_machine_destroy(m), 0);
    } else {
        assert_true(vmsim_config_error_count(c) > 0);
    }
    vmsim_config_destroy(c);
    return err;
}

static void a_users_allocator_may_refuse_at_any_call(void **state) {
    uint64_t good = 0, n;
    (void)state;
    struct source source = {.at = UINT64_MAX};
    assert_int_equal(with_source(&source, &good), 0);
    uint64_t calls = source.calls;
    for (n = 1; n <= calls; n++) {
        uint64_t digest = 0;
        source = (struct source){.at = n};
        int err = with_source(&source, &digest);
        if (err != VMSIM_ENOMEM && (err || digest != good))
            fail_msg("call %llu refused: %d", (unsigned long long)n, err);
        assert_int_equal(source.blocks, 0);
        assert_int_equal(source.bytes, 0);
    }
    print_message("%llu calls\n", (unsigned long long)calls);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configurations),
        cmocka_unit_test(schema_and_reference),
        cmocka_unit_test(machines_of_every_format),
        cmocka_unit_test(machines_of_presets),
        cmocka_unit_test(whole_runs),
        cmocka_unit_test(run_directories_and_proc_trees),
        cmocka_unit_test(a_users_allocator_may_refuse_at_any_call),
    };
    return cmocka_run_group_tests_name("failure_injection", tests, NULL, NULL);
}
