/* SPDX-License-Identifier: MIT */
/* Recorded programs of pressure2/: two at a time with and without protection, and one under other settings.
 *
 *     VMSIM_PRESSURE=FOLDER competing [KERNEL [PROGRAMS [CASE]]]  >  rows.tsv      what is outside goes to stderr
 *
 *     tools/pressure-programs INPUTS FOLDER --> FOLDER/PROGRAM.vmt --.
 *     CAPTURES/pressure2/KERNEL/{A+B,A}/CASE_{a,b}.txt ---------------+--> a row a counter
 *
 * A case's settings stand in its "# set FILE = VALUE" lines: knobs, zswap, files of the cgroups t0 and t1. Both
 * programs begin together, cold, on a machine of the case's size, where two more tasks hold what the kernel and the
 * capturing program held. A counter is right within twice what the kernel's two runs are apart, and within 10 % and 32.
 */
#include <unistd.h>

#include "captured_disk.h"
#include "captured_machine.h"
#include "config/config.h"
#include "conformance.h"
#include "scenario/engine.h"
#include "vmsim/trace.h"

enum { PROGRAMS = 2, SETTINGS = 16, COUNTERS = 40 };

struct counter {
    char captured[64], ours[96];
    int64_t run[2];
};
struct competing {
    char kernel[16], programs[64], name[64];
    unsigned count; /* of programs */
    char program[PROGRAMS][32], trace[PROGRAMS][4200];
    char set[SETTINGS][2][64];
    unsigned settings;
    bool grouped;
    int64_t limit, free, lru; /* free, lru: pages as the case began */
    int64_t buffers_kb;       /* as the case began */
    double user_s;            /* of all programs */
    struct captured_machine machine;
    struct counter counters[COUNTERS];
    unsigned nr_counters;
};

/* ---- the capture ---- */

static void add_counter(struct competing *c, const char *captured, const char *ours) {
    if (c->nr_counters == COUNTERS)
        abort();
    struct counter *n = &c->counters[c->nr_counters++];
    snprintf(n->captured, sizeof n->captured, "%s", captured);
    snprintf(n->ours, sizeof n->ours, "%s", ours);
}

/* What is compared; a counter that is not in the capture did not change. */
static void name_counters(struct competing *c) {
    static const char *const events[] = {"pgmajfault",
                                         "pswpin",
                                         "pswpout",
                                         "swap_ra",
                                         "zswpin",
                                         "zswpout",
                                         "workingset_refault_anon",
                                         "workingset_refault_file",
                                         "pgscan_anon",
                                         "pgscan_file",
                                         "pgsteal_anon",
                                         "pgsteal_file",
                                         "oom_kill"};
    static const char *const stats[] = {"pgscan", "pgsteal", "pgmajfault", "workingset_refault_anon",
                                        "workingset_refault_file"};
    char captured[64], ours[96], tag[2] = "";
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        snprintf(captured, sizeof captured, "vmstat %s", events[i]);
        snprintf(ours, sizeof ours, "vmstat.%s", events[i]);
        add_counter(c, captured, ours);
    }
    for (unsigned p = 0; p < c->count; p++) {
        if (c->count > 1)
            *tag = (char)('0' + p);
        for (unsigned i = 0; i < 2; i++) {
            snprintf(captured, sizeof captured, "rusage%s %s", tag, i ? "majflt" : "minflt");
            snprintf(ours, sizeof ours, "tasks.p%u.%s", p, i ? "majflt" : "minflt");
            add_counter(c, captured, ours);
        }
        for (size_t i = 0; c->grouped && i < sizeof stats / sizeof *stats; i++) {
            snprintf(captured, sizeof captured, "cg_after%s memory.stat %s", tag, stats[i]);
            snprintf(ours, sizeof ours, "cgroups./t%u.memory.stat.%s", p, stats[i]);
            add_counter(c, captured, ours);
        }
        snprintf(captured, sizeof captured, "cg_after%s memory.peak", tag);
        snprintf(ours, sizeof ours, "cgroups./t%u.memory.peak", p);
        if (c->grouped)
            add_counter(c, captured, ours);
    }
}

/* "rusage0 minflt 2918 majflt 20 ...", "cg_after1 memory.stat pgscan 16718", "vmstat pswpin 0 12 +12". */
static void read_counter(struct competing *c, const char *line, unsigned run) {
    for (unsigned i = 0; i < c->nr_counters; i++) {
        struct counter *n = &c->counters[i];
        const char *space = strrchr(n->captured, ' ');
        const size_t head = (size_t)(space - n->captured) + 1;
        char key[72];
        int64_t a, b;
        if (strncmp(line, n->captured, head) != 0)
            continue;
        snprintf(key, sizeof key, " %s ", space + 1);
        const char *at = strstr(line, key);
        if (!at || (strncmp(line, "rusage", 6) != 0 && at != line + head - 1))
            continue;
        const int got = sscanf(at + strlen(key), "%" SCNd64 " %" SCNd64, &a, &b);
        if (got >= 1)
            n->run[run] = !strncmp(line, "vmstat", 6) && got == 2 ? b - a : a;
    }
}

static void read_start(struct competing *c, const char *line) {
    static const char *const free[] = {"N0.DMA.free ", "N0.DMA32.free ", "N0.DMA.pcp_count ", "N0.DMA32.pcp_count "};
    const char *rest = line + strlen("zone_before ");
    for (unsigned i = 0; i < 4; i++)
        c->free += strncmp(rest, free[i], strlen(free[i])) ? 0 : strtoll(rest + strlen(free[i]), NULL, 10);
    const char *anon = strstr(rest, "active_anon ");
    c->lru += anon ? strtoll(anon + strlen("active_anon "), NULL, 10) : 0;
}

static void read_setting(struct competing *c, const char *line) {
    if (c->settings < SETTINGS &&
        sscanf(line, "# set %63s = %63s", c->set[c->settings][0], c->set[c->settings][1]) == 2)
        c->settings++;
}

static bool read_run(struct competing *c, const char *folder, unsigned run) {
    char path[4400], line[4096];
    double user;
    snprintf(path, sizeof path, "%.4000s/%s_%c.txt", folder, c->name, run ? 'b' : 'a');
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        read_counter(c, line, run);
        if (run)
            continue;
        read_setting(c, line);
        if (!strncmp(line, "zone_before ", 12))
            read_start(c, line);
        else if (sscanf(line, "run%*[0-9 ]wall_s %*f user_s %lf", &user) == 1 ||
                 sscanf(line, "run wall_s %*f user_s %lf", &user) == 1)
            c->user_s += user;
        else if (sscanf(line, "meminfo_before Buffers: %" SCNd64, &c->buffers_kb) == 1)
            continue;
        else if (!strncmp(line, "# program ", 10) && strstr(line, "limit_bytes "))
            c->limit = strtoll(strstr(line, "limit_bytes ") + 12, NULL, 10);
    }
    if (f)
        fclose(f);
    return f != NULL;
}

static bool read_case(struct competing *c, const char *folder, const char *kernel, const char *programs,
                      const char *name) {
    *c = (struct competing){.count = 1};
    snprintf(c->kernel, sizeof c->kernel, "%.15s", kernel);
    snprintf(c->programs, sizeof c->programs, "%.63s", programs);
    snprintf(c->name, sizeof c->name, "%.63s", name);
    c->count = sscanf(programs, "%31[^+]+%31s", c->program[0], c->program[1]) == 2 ? 2 : 1;
    c->grouped = !strstr(name, "nocg");
    name_counters(c);
    if (!read_run(c, folder, 0))
        return false;
    for (unsigned i = 0; !read_run(c, folder, 1) && i < c->nr_counters; i++)
        c->counters[i].run[1] = c->counters[i].run[0];
    captured_machine_read(&c->machine, folder, kernel, name);
    return true;
}

/* ---- describing ---- */

static const char *setting(const struct competing *c, const char *file, const char *otherwise) {
    for (unsigned i = 0; i < c->settings; i++) {
        if (!strcmp(c->set[i][0], file))
            return c->set[i][1];
    }
    return otherwise;
}

/* ps that a thousand references take. */
static uint64_t reference_ps(const struct competing *c) {
    uint64_t references = 0;
    for (unsigned p = 0; p < c->count; p++) {
        struct vmsim_trace_reader *r;
        if (vmsim_trace_open(c->trace[p], 0, &r))
            continue;
        references += vmsim_trace_get_info(r)->references;
        vmsim_trace_close(r);
    }
    return references ? (uint64_t)(c->user_s * 1e12 / (double)references) : 0;
}

static void add_groups(struct conformance_yaml *t, const struct competing *c) {
    const char *traces[PROGRAMS + 1] = {NULL};
    for (unsigned p = 0; p < c->count; p++)
        traces[p] = c->trace[p];
    conformance_add(t, "workload:\n");
    captured_disk_add(t, traces);
    conformance_add(t, "  cgroups:");
    for (unsigned p = 0; c->grouped && p < c->count; p++) {
        char prefix[24];
        const char *comma = "";
        snprintf(prefix, sizeof prefix, "/cg/t%u/", p);
        conformance_add(t, "\n    - {path: /t%u, files: {", p);
        if (c->limit && c->count == 1) {
            conformance_add(t, "memory.max: %" PRId64, c->limit);
            comma = ", ";
        }
        for (unsigned i = 0; i < c->settings; i++) {
            if (strncmp(c->set[i][0], prefix, strlen(prefix)) != 0)
                continue;
            conformance_add(t, "%s%s: %s", comma, c->set[i][0] + strlen(prefix), c->set[i][1]);
            comma = ", ";
        }
        conformance_add(t, "}}");
    }
    conformance_add(t, c->grouped ? "\n" : " []\n");
}

static void describe(struct conformance_yaml *t, const struct competing *c) {
    const int64_t held = c->machine.managed[0] + c->machine.managed[1] - c->free - c->lru;
    t->size = 0;
    conformance_add(
        t,
        "vmsim: 1\nmachine:\n  preset: qemu-tcg\n  tlb: {softmmu: {entries: 64}}\n  costs: {references: %" PRIu64
        "ns}\n  memory_manager: {privileged: true}\n  sysctl: {transparent_hugepage/enabled: never, lru_gen/enabled: "
        "n, "
        "vm.swappiness: %s, vm.page-cluster: 3}\n  devices: [{name: vda, preset: virtio-icount, size: 600MiB}, {name: "
        "vdb, preset: virtio-icount, size: 512MiB}]\n  swap: [{device: vdb}]\n",
        reference_ps(c), setting(c, "/proc/sys/vm/swappiness", "60"));
    if (*setting(c, "/sys/module/zswap/parameters/enabled", "N") == 'Y')
        conformance_add(t, "  zswap: {enabled: true}\n");
    add_groups(t, c);
    conformance_add(
        t,
        "  tasks:\n    - {name: kernel, program: [{mmap: {as: k, length: %" PRId64
        "KiB}}, {mlock: {region: k}}, {sleep: {time: 200s}}]}\n    - {name: init, program: [{mmap: {as: i, length: "
        "%" PRId64 "KiB}}, {touch: {region: i, write: 100%%}}, {sleep: {time: 200s}}]}\n",
        4 * (held > 1 ? held : 1), 4 * (c->lru > 1 ? c->lru : 1));
    captured_disk_left(t, c->buffers_kb);
    for (unsigned p = 0; p < c->count; p++) {
        conformance_add(t, "    - {name: p%u, trace: \"%s\", cached: false, start: 3s", p, c->trace[p]);
        if (c->grouped)
            conformance_add(t, ", cgroup: /t%u", p);
        conformance_add(t, "}\n");
    }
}

/* ---- running ---- */

static void compare(const struct competing *c, struct vmsim_machine *m) {
    char phase[160];
    const struct conformance row = {
        .area = "competing", .kernel = c->kernel, .shape = c->machine.shape, .phase = phase};
    snprintf(phase, sizeof phase, "%s/%s", c->programs, c->name);
    for (unsigned i = 0; i < c->nr_counters; i++) {
        const struct counter *n = &c->counters[i];
        size_t id;
        if (vmsim_counter_find(m, n->ours, &id)) {
            fprintf(stderr, "%s: no such counter\n", n->ours);
            exit(1);
        }
        const int64_t a = n->run[0], b = n->run[1], got = (int64_t)vmsim_counter_read(m, id);
        const int64_t low = a < b ? a : b, high = a < b ? b : a, tenth = high / 10 + 32;
        const int64_t wide = high - low > tenth ? high - low : tenth;
        if (!high && !got)
            continue;
        conformance_range(&row, n->ours, a, low - wide, high + wide, got);
        if (got < low - wide || got > high + wide)
            fprintf(stderr, "  %-6s %-24s %-44s kernel %9" PRId64 " %9" PRId64 "  vmsim %9" PRId64 "\n", c->kernel,
                    phase, n->ours, a, b, got);
    }
}

static bool run_config(const struct competing *c, struct vmsim_config *config) {
    struct vmsim_scenario *s;
    if (vmsim_scenario_create(config, &s))
        return conformance_refused(config);
    const bool ok = !vmsim_scenario_run(s, NULL, NULL) && !vmsim_machine_check(s->machine);
    if (ok)
        compare(c, s->machine);
    else
        fprintf(stderr, "%s/%s: %s %s\n", c->programs, c->name, vmsim_scenario_error(s),
                vmsim_machine_error(s->machine));
    vmsim_scenario_destroy(s);
    return ok;
}

/* Are the programs recorded? */
static bool find_traces(struct competing *c, const char *traces) {
    bool all = true;
    for (unsigned p = 0; p < c->count; p++) {
        char name[sizeof c->program[p]];
        memcpy(name, c->program[p], sizeof name);
        snprintf(c->trace[p], sizeof c->trace[p], "%.4000s/%s.vmt", traces, name);
        all = all && !access(c->trace[p], R_OK);
    }
    return all;
}

static bool run_case(struct competing *c, const char *traces) {
    static struct conformance_yaml t;
    char phase[160];
    struct conformance row = {.area = "competing", .kernel = c->kernel, .shape = c->machine.shape, .phase = phase};
    struct vmsim_config *config;
    snprintf(phase, sizeof phase, "%s/%s", c->programs, c->name);
    if (!find_traces(c, traces)) {
        conformance_not_modelled(&row, "all counters", "-", "not recorded: a package, file or input differs here");
        return true;
    }
    describe(&t, c);
    if (vmsim_config_create(&config))
        return false;
    bool ok = !vmsim_config_add_search_dir(config, VMSIM_SOURCE_DIR "/machines") &&
              captured_machine_load(&c->machine, config) && !vmsim_config_load_text(config, phase, t.at, t.size) &&
              !vmsim_config_resolve(config);
    ok = ok ? run_config(c, config) : conformance_refused(config);
    vmsim_config_destroy(config);
    fflush(stdout);
    return ok;
}

/* ---- going through the captures ---- */

static unsigned run_folder(const char *kernel, const char *programs, const char *only, const char *traces) {
    static char names[512][128];
    static struct competing c;
    char folder[4096], name[128];
    unsigned broken = 0;
    snprintf(folder, sizeof folder, "%s/pressure2/%.64s/%.64s", conformance_root(), kernel, programs);
    const unsigned n = conformance_list(folder, names, 512);
    for (unsigned i = 0; i < n; i++) {
        if (conformance_case(names[i], name) && (!only || !strcmp(only, name)) &&
            read_case(&c, folder, kernel, programs, name))
            broken += !run_case(&c, traces);
    }
    return broken;
}

int main(int argc, char **argv) {
    static const char *const others[] = {"frag", "khp", "madv", "oom"}; /* of no recorded program */
    static char kernels[32][128], programs[64][128];
    char path[4096];
    unsigned broken = 0;
    const char *traces = getenv("VMSIM_PRESSURE");
    if (!conformance_have("pressure2"))
        return 0;
    if (!traces || !*traces) {
        printf("SKIPPED\tneeds the programs, recorded: tools/pressure-programs INPUTS FOLDER, VMSIM_PRESSURE=FOLDER\n");
        return 0;
    }
    snprintf(path, sizeof path, "%s/pressure2", conformance_root());
    const unsigned n = conformance_list(path, kernels, 32);
    for (unsigned k = 0; k < n; k++) {
        if (kernels[k][0] < '0' || kernels[k][0] > '9' || (argc > 1 && strcmp(argv[1], kernels[k]) != 0))
            continue;
        snprintf(path, sizeof path, "%s/pressure2/%.64s", conformance_root(), kernels[k]);
        const unsigned folders = conformance_list(path, programs, 64);
        for (unsigned p = 0; p < folders; p++) {
            bool other = argc > 2 && strcmp(argv[2], programs[p]) != 0;
            for (size_t i = 0; i < sizeof others / sizeof *others; i++)
                other = other || !strcmp(others[i], programs[p]);
            broken += other ? 0 : run_folder(kernels[k], programs[p], argc > 3 ? argv[3] : NULL, traces);
        }
    }
    return broken ? 1 : 0;
}
