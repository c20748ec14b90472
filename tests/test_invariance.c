/* SPDX-License-Identifier: MIT */
/* What must not matter does not: the counters of every example and of three recorded programs are the same whether rows
 * of intervals are taken, the machine is checked in the middle, others are at work on a CPU of their own, or the steps
 * that are left are exchanged for equal ones. Each of these cuts the work of a CPU elsewhere. And references cost and
 * count the same in batches of any size. */
#include "scenario_run.h"

#include <dirent.h>

#include "vmsim/trace.h"

enum { CUTS = 1000, VERIFY_STEPS = 4000, FILES = 64 };

/* A scenario of a file or a text, with settings over it. */
struct source {
    const char *name, *path, *text;
};

static struct outcome open_source(const struct source *src, const char *const *settings) {
    struct outcome o;
    assert_int_equal(vmsim_config_create(&o.config), 0);
    vmsim_config_add_search_dir(o.config, VMSIM_SOURCE_DIR "/machines");
    int err = src->path ? vmsim_config_load_file(o.config, src->path)
                        : vmsim_config_load_text(o.config, src->name, src->text, strlen(src->text));
    for (; !err && settings && *settings; settings++)
        err = vmsim_config_set(o.config, *settings);
    if (err || vmsim_config_resolve(o.config) || vmsim_scenario_create(o.config, &o.s))
        fail_msg("%s", vmsim_config_error_text(o.config, 0));
    o.m = vmsim_scenario_machine(o.s);
    return o;
}

/* In place of a number of steps: contents are followed. */
#define CONTENT UINT64_MAX

static struct outcome run_source(const struct source *src, const char *const *settings, uint64_t verify) {
    struct outcome o = open_source(src, settings);
    vmsim_scenario_verify(o.s, verify == CONTENT ? 0 : verify);
    if (verify == CONTENT && o.m->format->levels)
        assert_int_equal(vmsim_machine_verify_content(o.m), 0);
    if (vmsim_scenario_run(o.s, NULL, NULL))
        fail_msg("%s: %s", src->name, vmsim_scenario_error(o.s));
    return o;
}

static uint64_t length_of(const struct outcome *o) {
    uint64_t ns = 0;
    for (unsigned i = 0; i < o->m->nr_cpus; i++)
        ns = vmsim__max64(ns, o->m->cpus[i].now);
    return ns;
}

/* What is not its own: the other tasks and their CPU, what is summed over all, and how long a CPU waits at the end. */
static bool is_unrelated(const char *name, unsigned cpu) {
    char own[2][32];
    snprintf(own[0], sizeof own[0], "cpu%u.", cpu);
    snprintf(own[1], sizeof own[1], "tlb.cpu%u.", cpu);
    const bool task = !strncmp(name, "tasks.", 6), tlb = !strncmp(name, "tlb.cpu", 7), cpus = !strncmp(name, "cpu", 3);
    return !(task || tlb || cpus) || !strncmp(name, "tasks.unrelated.", 16) || !strncmp(name, own[0], strlen(own[0])) ||
           !strncmp(name, own[1], strlen(own[1])) || strstr(name, ".time_ns") || strstr(name, "idle_ns") ||
           strstr(name, "iowait_ns");
}

/* `cpu`: that of what is unrelated; UINT_MAX: all counters are compared. */
static void expect_same(const struct source *src, const char *what, const struct outcome *a, const struct outcome *b,
                        unsigned cpu) {
    unsigned compared = 0;
    for (size_t i = 0; i < vmsim_counter_count(a->m); i++) {
        const char *name = vmsim_counter_name(a->m, i);
        size_t id;
        if (cpu != UINT32_MAX && is_unrelated(name, cpu))
            continue;
        assert_int_equal(vmsim_counter_find(b->m, name, &id), 0);
        if (vmsim_counter_read(a->m, i) != vmsim_counter_read(b->m, id))
            fail_msg("%s: %s: %s is %llu, otherwise %llu", src->name, what, name,
                     (unsigned long long)vmsim_counter_read(b->m, id), (unsigned long long)vmsim_counter_read(a->m, i));
        compared++;
    }
    assert_true(compared > 20);
}

static void without_others(const struct source *src, uint64_t ns) {
    char interval[64];
    struct outcome plain = run_source(src, NULL, 0);
    snprintf(interval, sizeof interval, "report.interval=%lluns", (unsigned long long)(ns / CUTS + 1));
    struct outcome rows = run_source(src, (const char *const[]){interval, NULL}, 0);
    expect_same(src, "with rows of intervals", &plain, &rows, UINT32_MAX);
    end(&rows);
    struct outcome checked = run_source(src, NULL, VERIFY_STEPS);
    expect_same(src, "with --verify", &plain, &checked, UINT32_MAX);
    end(&checked);
    struct outcome followed = run_source(src, NULL, CONTENT);
    expect_same(src, "with --verify=content", &plain, &followed, UINT32_MAX);
    end(&followed);
    end(&plain);
}

struct exchange {
    struct vmsim_scenario *s;
    struct vmsim_config *config;
    unsigned calls;
};

static void exchange_now(void *context) {
    struct exchange *x = context;
    x->calls++;
    assert_int_equal(vmsim_scenario_exchange(x->s, x->config), 0);
}

/* In the middle the run becomes that of another configuration, which says the same. */
static void run_exchanged(const struct source *src, const struct outcome *plain, size_t task, size_t step) {
    char what[96];
    struct outcome o = open_source(src, NULL), other = open_source(src, NULL);
    struct exchange x = {o.s, other.config, 0};
    assert_int_equal(vmsim_scenario_call_at(o.s, task, step, exchange_now, &x), 0);
    if (vmsim_scenario_run(o.s, NULL, NULL))
        fail_msg("%s: %s", src->name, vmsim_scenario_error(o.s));
    snprintf(what, sizeof what, "exchanged before step %zu of task %zu", step, task);
    expect_same(src, what, plain, &o, UINT32_MAX);
    assert_true(x.calls <= 1);
    end(&o);
    end(&other);
}

static void exchanged(const struct source *src) {
    enum { STEPS = 2 }; /* of each task: all would take longer than the rest of this test */
    struct outcome plain = run_source(src, NULL, 0);
    const struct vmsim__task_decl *tasks = plain.s->spec->workload.tasks.data;
    for (size_t i = 0; !plain.s->replays.count && !plain.s->future && i < plain.s->spec->workload.tasks.count; i++) {
        const size_t steps = tasks[i].program.count;
        for (size_t k = 0; k < steps; k += steps / STEPS + 1)
            run_exchanged(src, &plain, i, k);
    }
    end(&plain);
}

/* Beside somebody who sleeps on a CPU of its own, and beside the same at work. The CPU is of a node of its own, too,
 * where the machine has but one: threads of the kernel take a CPU of their node that idles, so that who is busy on that
 * node is not unrelated to whom they interrupt. Both last twice as long as the source: what happens last is not cut off
 * by the end of one of them. */
static void with_others(const struct source *src, uint64_t ns, unsigned cpus, unsigned nodes) {
    static const char *const how[] = {"compute", "sleep"};
    const bool alone = nodes <= 1;
    char own[2][64], cpu[80], other[3][200];
    snprintf(own[0], sizeof own[0], "machine.cpus=%u", cpus + 1);
    int end_of_list = snprintf(own[1], sizeof own[1], "machine.nodes[0].cpus=[0");
    for (unsigned i = 1; i < cpus; i++)
        end_of_list += snprintf(own[1] + end_of_list, sizeof own[1] - (size_t)end_of_list, ", %u", i);
    snprintf(own[1] + end_of_list, sizeof own[1] - (size_t)end_of_list, "]");
    snprintf(cpu, sizeof cpu, alone ? "machine.nodes[+]={memory: 0, cpus: [%u]}" : "machine.nodes[0].cpus[+]=%u", cpus);
    snprintf(other[2], sizeof other[2],
             "workload.tasks[+]={name: unrelated, cpu: %u, program: [{sleep: {time: %lluns}}]}", cpus,
             (unsigned long long)ns);
    const char *sets[] = {other[2], cpu, alone ? own[0] : NULL, own[1], NULL};
    struct outcome asleep = run_source(src, sets, 0);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(other[i], sizeof other[i],
                 "workload.tasks[+]={name: unrelated, cpu: %u, program: [{repeat: {times: %u, steps: [{%s: {time: "
                 "%lluns}}]}}]}",
                 cpus, CUTS, how[i], (unsigned long long)(ns / CUTS));
        sets[0] = other[i];
        struct outcome busy = run_source(src, sets, 0);
        expect_same(src, how[i], &asleep, &busy, cpus);
        end(&busy);
    }
    end(&asleep);
}

static void does_not_matter(const struct source *src) {
    struct outcome o = run_source(src, NULL, 0);
    const uint64_t ns = length_of(&o);
    const unsigned cpus = o.m->nr_cpus, nodes = (unsigned)o.s->spec->machine.mem.nodes.count;
    end(&o);
    without_others(src, ns);
    exchanged(src);
    with_others(src, 2 * ns, cpus, nodes);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void in_every_example(void **state) {
    static const char folder[] = VMSIM_SOURCE_DIR "/examples";
    char *names[FILES];
    size_t count = 0;
    DIR *d = opendir(folder);
    (void)state;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        if (strstr(e->d_name, ".yaml")) {
            assert_true(count < FILES);
            names[count++] = strdup(e->d_name);
        }
    closedir(d);
    assert_true(count > 10);
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        does_not_matter(&(struct source){.name = names[i], .path = path});
        free(names[i]);
    }
}

static void in_recorded_programs(void **state) {
    static const char *const programs[] = {"spawn", "files", "threads"};
    (void)state;
    if (access("/usr/bin/qemu-x86_64", X_OK)) {
        print_message("qemu-x86_64 is not installed\n");
        skip();
    }
    for (size_t i = 0; i < TEST_COUNT(programs); i++) {
        char path[512], trace[64], text[300];
        snprintf(path, sizeof path, "%s/recorded_%s", TEST_RECORDED, programs[i]);
        snprintf(trace, sizeof trace, "invariance_%s.vmt", programs[i]);
        char *const argv[] = {path, NULL};
        const struct vmsim_record_options options = {.size = sizeof options, .output = trace, .argv = argv};
        static struct vmsim_record_result result;
        if (vmsim_record(&options, &result))
            fail_msg("%s", result.error);
        snprintf(text, sizeof text,
                 "machine: {nodes: [{memory: 512MiB}], cpus: 2, devices: [{name: sda}]}\n"
                 "workload: {tasks: [{name: t, trace: %s, cached: false, cpus: [0, 1]}]}\n",
                 trace);
        does_not_matter(&(struct source){.name = programs[i], .text = text});
        unlink(trace);
    }
}

/* ---- batches ---- */

static struct vmsim_machine *boot(struct vmsim_config **config) {
    static const char text[] = "machine: {preset: zen4, cpus: 1, nodes: [{memory: 256MiB}]}\n";
    struct vmsim_machine *m;
    assert_int_equal(vmsim_config_create(config), 0);
    vmsim_config_add_search_dir(*config, VMSIM_SOURCE_DIR "/machines");
    assert_int_equal(vmsim_config_load_text(*config, "batch.yaml", text, sizeof text - 1), 0);
    assert_int_equal(vmsim_config_resolve(*config), 0);
    assert_int_equal(vmsim_machine_create(*config, &m), 0);
    return m;
}

/* Random references to anonymous memory and to a file that is not cached, `batch` at a time. */
static struct vmsim_machine *refer(struct vmsim_config **config, size_t batch) {
    enum { REFERENCES = 60000, BYTES = 32 << 20 };
    static vmsim_access a[REFERENCES];
    struct vmsim_machine *m = boot(config);
    struct vmsim__rng r = test_rng("batches");
    struct vmsim_access_result result;
    uint32_t task, file;
    assert_int_equal(vmsim_task_create(m, "t", 0, &task), 0);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/f", BYTES, false, &file), 0);
    const int64_t base[2] = {vmsim_task_mmap(m, task, 0, BYTES, 3, 0x22, 0, 0),
                             vmsim_task_mmap(m, task, 0, BYTES, 3, 2, file, 0)};
    assert_true(base[0] > 0 && base[1] > 0);
    for (size_t i = 0; i < REFERENCES; i++)
        a[i] = vmsim_access_make((uint64_t)base[vmsim__rng_below(&r, 8) == 0] + vmsim__rng_below(&r, BYTES / 8) * 8, 8,
                                 vmsim__rng_below(&r, 3) ? VMSIM_LOAD : VMSIM_STORE);
    for (size_t i = 0; i < REFERENCES; i += batch) {
        const size_t n = batch < REFERENCES - i ? batch : REFERENCES - i;
        assert_int_equal(vmsim_task_access(m, task, a + i, n, NULL, &result), 0);
        assert_int_equal(result.done, n);
    }
    assert_int_equal(vmsim_machine_check(m), 0);
    return m;
}

static void in_batches_of_any_size(void **state) {
    static const size_t sizes[] = {1, 7, 1000};
    struct vmsim_config *config, *other;
    struct vmsim_machine *whole = refer(&config, SIZE_MAX);
    (void)state;
    for (size_t k = 0; k < TEST_COUNT(sizes); k++) {
        struct vmsim_machine *m = refer(&other, sizes[k]);
        assert_int_equal(vmsim_counter_count(m), vmsim_counter_count(whole));
        for (size_t i = 0; i < vmsim_counter_count(m); i++)
            if (vmsim_counter_read(m, i) != vmsim_counter_read(whole, i))
                fail_msg("batches of %zu: %s is %llu, in one %llu", sizes[k], vmsim_counter_name(m, i),
                         (unsigned long long)vmsim_counter_read(m, i),
                         (unsigned long long)vmsim_counter_read(whole, i));
        assert_int_equal(vmsim_machine_destroy(m), 0);
        vmsim_config_destroy(other);
    }
    assert_int_equal(vmsim_machine_destroy(whole), 0);
    vmsim_config_destroy(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_every_example),
        cmocka_unit_test(in_recorded_programs),
        cmocka_unit_test(in_batches_of_any_size),
    };
    return cmocka_run_group_tests_name("invariance", tests, NULL, NULL);
}
