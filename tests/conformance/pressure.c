/* SPDX-License-Identifier: MIT */
/* Real programs under memory pressure: replayed on the machine of the capture, without and with a limit, and with less
 * memory, against what the kernel counted.
 *
 *     VMSIM_PRESSURE=FOLDER pressure [KERNEL [PROGRAM [CASE]]]  >  rows.tsv      a table for people goes to stderr
 *
 *     tools/pressure-programs INPUTS FOLDER --> FOLDER/PROGRAM.vmt --.
 *     CAPTURES/pressure/pressure.tsv, spread.tsv ---------------------+--> a row a counter
 *
 * The machine is the one imported from CAPTURES/qemu/KERNEL/n1_512M, or where that size was not booted one of the
 * capture's own zones; two virtio disks, 512 MiB of swap on the second. Devices and CPU keep the pace that they had
 * beside each other: what a reference costs is the time in user mode of the unlimited run over the references of the
 * trace; its TLB is the emulator's (machines/qemu-tcg.yaml), and the smallest one when a program begins: the capturing
 * program used few pages while it waited. With less memory (memNN) two more tasks hold what the
 * kernel and the capturing program held before the run. A counter is right between the two runs of the kernel, widened
 * by 10 % or by its median spread if that is more. */
#include <unistd.h>

#include "captured_costs.h"
#include "captured_disk.h"
#include "config/config.h"
#include "conformance.h"
#include "scenario/engine.h"
#include "vmsim/host.h"
#include "vmsim/trace.h"
#include "vmsim/vmsim.h"

/* Counters of the capture, and where they are here. Of the whole machine where no cgroup is told: nothing else runs. */
static const struct {
    const char *captured, *ours;
} counters[] = {{"rusage.minflt", "tasks.program.minflt"},
                {"rusage.majflt", "tasks.program.majflt"},
                {"vmstat.pgmajfault", "vmstat.pgmajfault"},
                {"vmstat.pswpin", "vmstat.pswpin"},
                {"vmstat.pswpout", "vmstat.pswpout"},
                {"vmstat.swap_ra", "vmstat.swap_ra"},
                {"vmstat.workingset_refault_anon", "vmstat.workingset_refault_anon"},
                {"vmstat.workingset_refault_file", "vmstat.workingset_refault_file"},
                {"vmstat.pgscan_anon", "vmstat.pgscan_anon"},
                {"vmstat.pgscan_file", "vmstat.pgscan_file"},
                {"vmstat.pgsteal_anon", "vmstat.pgsteal_anon"},
                {"vmstat.pgsteal_file", "vmstat.pgsteal_file"},
                {"after.memory.stat.pgscan", "cgroups./t0.memory.stat.pgscan"},
                {"after.memory.stat.pgsteal", "cgroups./t0.memory.stat.pgsteal"},
                {"after.memory.stat.pgrefill", "cgroups./t0.memory.stat.pgrefill"},
                {"after.memory.stat.pgactivate", "cgroups./t0.memory.stat.pgactivate"},
                {"after.memory.stat.pgmajfault", "cgroups./t0.memory.stat.pgmajfault"},
                {"after.memory.events.max", "cgroups./t0.memory.events.max"},
                {"after.memory.peak", "cgroups./t0.memory.peak"},
                {"vmstat.oom_kill", "vmstat.oom_kill"}};
enum { COUNTERS = sizeof counters / sizeof *counters, CASES_MAX = 512 };

/* One case of the capture: both runs of each counter that it has, and the median spread of the counter in percent. */
struct pressure_case {
    char kernel[16], program[32], name[32];
    uint64_t limit;
    bool twice; /* two runs were captured */
    bool has[COUNTERS];
    int64_t run[COUNTERS][2];
    double user_s; /* of the first run */
};

enum { PHASES = 5, PHASE_MS = 400 };
static struct pressure_case cases[CASES_MAX];
static size_t nr_cases;
static double spread[COUNTERS];
static const char *traces;
static char imported[] = "/tmp/vmsim-pressure-XXXXXX";

/* ---- the capture ---- */

static FILE *open_capture(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/pressure/%.2000s", conformance_root(), name);
    return fopen(path, "r");
}

static struct pressure_case *case_of(const char *kernel, const char *program, const char *name) {
    for (size_t i = nr_cases; i-- > 0;) {
        if (!strcmp(cases[i].kernel, kernel) && !strcmp(cases[i].program, program) && !strcmp(cases[i].name, name))
            return &cases[i];
    }
    if (nr_cases == CASES_MAX)
        abort();
    struct pressure_case *c = &cases[nr_cases++];
    snprintf(c->kernel, sizeof c->kernel, "%s", kernel);
    snprintf(c->program, sizeof c->program, "%s", program);
    snprintf(c->name, sizeof c->name, "%s", name);
    return c;
}

/* "kernel, program, case, limit, counter, first run, second run"; a run in which the counter did not change has no
 * value for it. */
static bool read_row(char *line, char *fields[7]) {
    char *rest = line;
    line[strcspn(line, "\n")] = '\0';
    for (size_t i = 0; i < 7; i++) {
        if (!(fields[i] = strsep(&rest, "\t")))
            return false;
    }
    return true;
}

/* A counter that only one of two runs has was 0 in the other; where there was one run alone, it stands for both. */
static void read_cases(FILE *f) {
    char line[512], *field[7];
    while (f && fgets(line, sizeof line, f)) {
        if (!read_row(line, field))
            continue;
        struct pressure_case *c = case_of(field[0], field[1], field[2]);
        c->limit = strtoull(field[3], NULL, 10);
        c->twice |= *field[6] != '\0';
        if (!strcmp(field[4], "run.user_s"))
            c->user_s = strtod(*field[5] ? field[5] : field[6], NULL);
        for (size_t i = 0; i < COUNTERS; i++) {
            if (strcmp(field[4], counters[i].captured) != 0)
                continue;
            c->has[i] = true;
            c->run[i][0] = strtoll(field[5], NULL, 10);
            c->run[i][1] = strtoll(field[6], NULL, 10);
        }
    }
    for (size_t k = 0; k < nr_cases; k++) {
        for (size_t i = 0; i < COUNTERS && !cases[k].twice; i++)
            cases[k].run[i][1] = cases[k].run[i][0];
    }
}

static void read_spread(FILE *f) {
    char line[512], counter[96];
    while (f && fgets(line, sizeof line, f)) {
        double median;
        if (sscanf(line, "%95s %*s %*s %*s %lf", counter, &median) != 2)
            continue;
        for (size_t i = 0; i < COUNTERS; i++) {
            if (!strcmp(counter, counters[i].captured))
                spread[i] = median;
        }
    }
}

/* The number behind `key` in a file of the capture, as "boot_mem50_a.txt" of a program; 0: none. */
static int64_t number_in(const struct pressure_case *c, const char *kind, const char *key) {
    char name[128], line[4096];
    int64_t value = 0;
    snprintf(name, sizeof name, "%s/%s/%s%s_a.txt", c->kernel, c->program, kind, c->name);
    FILE *f = open_capture(name);
    while (f && !value && fgets(line, sizeof line, f)) {
        const char *at = strstr(line, key);
        value = at ? strtoll(at + strlen(key), NULL, 10) : 0;
    }
    if (f)
        fclose(f);
    return value;
}

/* ---- the machine ---- */

static bool is_kind(const struct pressure_case *c, const char *kind) {
    return !strncmp(c->name, kind, strlen(kind));
}

/* Zones as QEMU's pc machine has them with that much memory, and as many pages managed as the kernel said. */
static void add_zones(struct conformance_yaml *t, const struct pressure_case *c) {
    const int64_t mib = is_kind(c, "mem") ? number_in(c, "machine_", "-m ") : 512;
    const int64_t dma = number_in(c, "", "zone_before N0.DMA.managed "), dma_present = 3998;
    const int64_t dma32 = number_in(c, "", "zone_before N0.DMA32.managed "), dma32_present = mib * 256 - 32 - 4096;
    conformance_add(t,
                    "  kernel: \"%s\"\n  memory_map:\n    - {start: 0x0, size: 639KiB}\n"
                    "    - {start: 0x100000, size: %" PRId64 "KiB}\n    - {start: 0x0, size: 4KiB, reserved: true}\n"
                    "    - {start: 0xa0000, size: 384KiB, reserved: true}\n  nodes:\n    - cpus: [0]\n      reserved: "
                    "[{zone: DMA, size: %" PRId64 "KiB}, {zone: DMA32, size: %" PRId64 "KiB}]\n",
                    c->kernel, mib * 1024 - 128 - 1024, (dma_present - dma) * 4, (dma32_present - dma32) * 4);
}

static bool import_machine(const struct pressure_case *c) {
    char folder[4096], why[512];
    struct stat st;
    snprintf(folder, sizeof folder, "%s/qemu/%s/n1_512M", conformance_root(), c->kernel);
    return !is_kind(c, "mem") && !stat(folder, &st) && !vmsim_host_import(folder, imported, NULL, why, sizeof why);
}

/* What is taken before the run begins: pages that nobody can take back, and anonymous ones. */
static void add_held(struct conformance_yaml *t, const struct pressure_case *c) {
    const int64_t managed = number_in(c, "", "N0.DMA.managed ") + number_in(c, "", "N0.DMA32.managed ");
    const int64_t free = number_in(c, "", "vmstat nr_free_pages ") + number_in(c, "", "N0.DMA32.pcp_count ");
    const int64_t lru = number_in(c, "", "DMA32.nr_zone_inactive_anon ") + number_in(c, "", "nr_zone_active_anon ");
    conformance_add(
        t,
        "    - {name: kernel, program: [{alloc_pages: {as: k, count: %" PRId64 "}}, {sleep: {time: 200s}}]}\n"
        "    - {name: init, program: [{mmap: {as: i, length: %" PRId64 "KiB}}, {touch: {region: i, write: 100%%}}, "
        "{sleep: {time: 200s}}]}\n",
        managed - free - lru, lru * 4);
}

/* ps of user time a thousand references. */
static uint64_t reference_ns(const struct pressure_case *c, const char *trace) {
    struct vmsim_trace_reader *r;
    const double user_s = case_of(c->kernel, c->program, "cold")->user_s;
    if (vmsim_trace_open(trace, 0, &r))
        return 0;
    const uint64_t references = vmsim_trace_get_info(r)->references;
    vmsim_trace_close(r);
    return references ? (uint64_t)(user_s * 1e12 / (double)references) : 0;
}

static void describe(struct conformance_yaml *t, const struct pressure_case *c, const char *trace, bool import,
                     unsigned late_ms) {
    conformance_add(t, "vmsim: 1\nmachine:\n  preset: qemu-tcg\n");
    if (!import)
        add_zones(t, c);
    conformance_add(
        t,
        "  tlb: {softmmu: {entries: 64}}\n  costs: {references: %" PRIu64 "ns, " CAPTURED_COSTS
        "}\n  memory_manager: {privileged: true, costs: {" CAPTURED_VM_COSTS "}}\n  page_cache: {" CAPTURED_CACHE_COSTS
        "}\n"
        "  sysctl: {transparent_hugepage/enabled: %s, lru_gen/enabled: %s, vm.swappiness: 60, vm.page-cluster: 3}\n"
        "  devices: [{name: vda, preset: virtio-qemu, size: 600MiB, " CAPTURED_DEVICE_COSTS
        "}, {name: vdb, preset: virtio-qemu, size: 512MiB, " CAPTURED_DEVICE_COSTS "}]\n",
        reference_ns(c, trace), is_kind(c, "thp_") ? "always" : "never", is_kind(c, "mglru_") ? "y" : "n");
    if (!strstr(c->name, "noswap"))
        conformance_add(t, "  swap: [{device: vdb}]\n");
    conformance_add(t, "workload:\n");
    if (!is_kind(c, "warm"))
        captured_disk_add(t, (const char *[]){trace, NULL});
    conformance_add(t, "  cgroups: [{path: /t0, files: {");
    if (c->limit)
        conformance_add(t, "%s: %" PRIu64, is_kind(c, "high") ? "memory.high" : "memory.max", c->limit);
    conformance_add(t, "}}]\n  tasks:\n");
    if (is_kind(c, "mem"))
        add_held(t, c);
    if (!is_kind(c, "warm"))
        captured_disk_left(t, number_in(c, "", "meminfo_before Buffers:"));
    const unsigned start = late_ms + (is_kind(c, "mem") ? 1000 : CAPTURED_DISK_MS);
    conformance_add(t, "    - {name: program, trace: \"%s\", cached: %s, cgroup: /t0, start: %ums}\n", trace,
                    is_kind(c, "warm") ? "true" : "false", start);
}

/* ---- rows ---- */

static int by_value(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void print_counter(const struct pressure_case *c, struct conformance *row, size_t i, int64_t got) {
    const int64_t a = c->run[i][0], b = c->run[i][1], low = a < b ? a : b, high = a < b ? b : a;
    const double widen = spread[i] > 10 ? spread[i] : 10;
    const int64_t slack = (int64_t)((double)high * widen / 100);
    conformance_range(row, counters[i].captured, a, low - slack, high + slack, got);
    fprintf(stderr, "  %-8s %-11s %-32s kernel %9" PRId64 " %9" PRId64 "  vmsim %9" PRId64 "  %+7.1f %%%s\n",
            c->program, c->name, counters[i].captured, a, b, got,
            a + b ? 200.0 * ((double)got - (double)(a + b) / 2) / (double)(a + b) : 0.0,
            got < low - slack || got > high + slack ? "  outside" : "");
}

static void compare(const struct pressure_case *c, struct conformance *row, int64_t (*got)[PHASES], unsigned runs) {
    for (size_t i = 0; i < COUNTERS; i++) {
        qsort(got[i], runs, sizeof **got, by_value);
        const int64_t median = got[i][runs / 2];
        if (c->has[i] || median) /* one that did not change is not in the capture */
            print_counter(c, row, i, median);
    }
}

/* ---- running ---- */

static void read_counters(struct vmsim_machine *m, int64_t (*got)[PHASES], unsigned run) {
    for (size_t i = 0; i < COUNTERS; i++) {
        size_t id;
        if (vmsim_counter_find(m, counters[i].ours, &id)) {
            fprintf(stderr, "%s: no such counter\n", counters[i].ours);
            exit(1);
        }
        got[i][run] = (int64_t)vmsim_counter_read(m, id);
    }
}

static bool run_config(const struct pressure_case *c, struct vmsim_config *config, int64_t (*got)[PHASES], unsigned run,
                       bool *phased) {
    struct vmsim_scenario *s;
    if (vmsim_scenario_create(config, &s))
        return conformance_refused(config);
    const bool ok = !vmsim_scenario_run(s, NULL, NULL) && !vmsim_machine_check(s->machine);
    *phased = s->machine->kernel->reclaim_sees_late;
    if (ok)
        read_counters(s->machine, got, run);
    else
        fprintf(stderr, "%s/%s: %s %s\n", c->program, c->name, vmsim_scenario_error(s),
                vmsim_machine_error(s->machine));
    vmsim_scenario_destroy(s);
    return ok;
}

static bool run_once(const struct pressure_case *c, const char *trace, int64_t (*got)[PHASES], unsigned run,
                     bool *phased) {
    static struct conformance_yaml t;
    struct vmsim_config *config;
    const bool import = import_machine(c);
    t.size = 0;
    describe(&t, c, trace, import, run * PHASE_MS);
    if (vmsim_config_create(&config))
        return false;
    bool ok = (!import || !vmsim_config_load_file(config, imported)) &&
              !vmsim_config_load_text(config, c->name, t.at, t.size) && !vmsim_config_resolve(config);
    ok = ok ? run_config(c, config, got, run, phased) : conformance_refused(config);
    vmsim_config_destroy(config);
    return ok;
}

/* A kernel whose reclaim sees statistics every two seconds does so at a phase that the capture does not tell, and that
 * much hangs on: such a case begins at five of them, and the median counts. */
static bool run_case(const struct pressure_case *c) {
    char phase[80], trace[4096];
    int64_t got[COUNTERS][PHASES];
    struct conformance row = {.area = "pressure", .kernel = c->kernel, .shape = "n1_512M", .phase = phase};
    bool phased, ok;
    snprintf(phase, sizeof phase, "%s/%s", c->program, c->name);
    snprintf(trace, sizeof trace, "%s/%s.vmt", traces, c->program);
    if (access(trace, R_OK)) {
        conformance_not_modelled(&row, "all counters", "-", "not recorded: a package, file or input differs here");
        return true;
    }
    unsigned runs = 1;
    ok = run_once(c, trace, got, 0, &phased);
    for (; ok && phased && c->limit && runs < PHASES; runs++)
        ok = run_once(c, trace, got, runs, &phased);
    if (ok)
        compare(c, &row, got, runs);
    fflush(stdout);
    return ok;
}

static bool wanted(const struct pressure_case *c, int argc, char **argv) {
    return (argc < 2 || !strcmp(argv[1], c->kernel)) && (argc < 3 || !strcmp(argv[2], c->program)) &&
           (argc < 4 || !strcmp(argv[3], c->name));
}

int main(int argc, char **argv) {
    traces = getenv("VMSIM_PRESSURE");
    if (!conformance_have("pressure"))
        return 0;
    if (!traces || !*traces) {
        printf("SKIPPED\tneeds the programs, recorded: tools/pressure-programs INPUTS FOLDER, VMSIM_PRESSURE=FOLDER\n");
        return 0;
    }
    FILE *tables[] = {open_capture("pressure.tsv"), open_capture("spread.tsv")};
    read_cases(tables[0]);
    read_spread(tables[1]);
    for (size_t i = 0; i < 2; i++) {
        if (tables[i])
            fclose(tables[i]);
    }
    int fd = mkstemp(imported);
    if (fd < 0 || close(fd)) {
        perror(imported);
        return 1;
    }
    unsigned broken = 0;
    const size_t n = nr_cases;
    for (size_t i = 0; i < n; i++)
        broken += wanted(&cases[i], argc, argv) && !run_case(&cases[i]);
    unlink(imported);
    return broken ? 1 : 0;
}
