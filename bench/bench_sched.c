/* SPDX-License-Identifier: MIT */
/* What a switch of tasks costs, as JSON: 100, 1,000 and 10,000 tasks on 256 CPUs give them away again and again, half
 * of them to sleep after a little work, half to wait for a device, each for a page of its own. A switch looks into
 * heaps of tasks, CPUs and events, so it is to grow as the logarithm of their number; what it grows beyond that is the
 * host's caches, which 10,000 tasks do not fit in. */
#include <stdarg.h>

#include "bench.h"
#include "vmsim/scenario.h"

enum { CPUS = 256, ROUNDS = 3, TURNS = 200000, TEXT = 1 << 22 };

static void append(char *text, size_t *used, const char *format, ...) __attribute__((format(printf, 3, 4)));
static void append(char *text, size_t *used, const char *format, ...) {
    va_list args;
    va_start(args, format);
    *used += (size_t)vsnprintf(text + *used, TEXT - *used, format, args);
    va_end(args);
}

static void describe(char *text, unsigned tasks, unsigned times) {
    size_t used = 0;
    append(text, &used,
           "machine:\n  cpus: %u\n  nodes: [{memory: 64GiB}]\n  transparent_hugepage: never\n"
           "  devices: [{name: d, read_latency: 100us, queue_depth: 65535}]\nworkload:\n  files:\n",
           CPUS);
    for (unsigned i = 0; i < tasks / 2; i++)
        append(text, &used, "    - {name: /%u, size: 4KiB}\n", i);
    append(text, &used, "  tasks:\n");
    for (unsigned i = 0; i < tasks / 2; i++) {
        append(text, &used, "    - {name: c%u, cpu: %u, program: [{repeat: {times: %u, steps: [", i, i % CPUS, times);
        append(text, &used, "{compute: {time: 10us}}, {sleep: {time: 100us}}]}}]}\n");
        append(text, &used, "    - {name: r%u, cpu: %u, program: [{repeat: {times: %u, steps: [", i, i % CPUS, times);
        append(text, &used, "{fadvise: {file: /%u, advice: dontneed}}, {read: {file: /%u}}]}}]}\n", i, i);
    }
}

static void fail(const char *text) {
    fprintf(stderr, "%s\n", text);
    exit(1);
}

/* Host seconds of a run. */
static double run_tasks(unsigned tasks, unsigned times) {
    static char text[TEXT];
    struct vmsim_config *config = NULL;
    struct vmsim_scenario *s = NULL;
    describe(text, tasks, times);
    if (vmsim_config_create(&config))
        exit(1);
    if (vmsim_config_load_text(config, "sched.yaml", text, strlen(text)) || vmsim_config_resolve(config) ||
        vmsim_scenario_create(config, &s))
        fail(vmsim_config_error_text(config, 0));
    const double begin = now();
    if (vmsim_scenario_run(s, NULL, NULL))
        fail(vmsim_scenario_error(s));
    const double spent = now() - begin;
    vmsim_scenario_destroy(s);
    vmsim_config_destroy(config);
    return spent;
}

/* What is more in a longer run: without making and ending the tasks. */
static double ns_per_switch(unsigned tasks) {
    const unsigned times = TURNS / tasks;
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        const double few = run_tasks(tasks, times), many = run_tasks(tasks, 3 * times);
        const double ns = (many - few) * 1e9 / (2.0 * times * tasks);
        best = ns < best ? ns : best;
    }
    return best;
}

static void switches(void) {
    double first = 0;
    for (unsigned tasks = 100; tasks <= 10000; tasks *= 10) {
        const double ns = ns_per_switch(tasks);
        first = first > 0 ? first : ns;
        printf("{\"bench\": \"task_switch\", \"tasks\": %u, \"cpus\": %u, \"ns_per_switch\": %.0f, \"ratio\": %.2f}\n",
               tasks, CPUS, ns, ns / first);
        fflush(stdout);
    }
}

int main(int argc, char **argv) {
    static const struct bench benches[] = {{"switches", switches}};
    return bench_main(benches, sizeof benches / sizeof benches[0], argc, argv);
}
