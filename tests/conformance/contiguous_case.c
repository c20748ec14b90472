/* SPDX-License-Identifier: MIT */
/* Reading a case, describing it, and noting what comes of it (see contiguous_case.h).
 *
 *     kernel's lines                                          facts
 *     "p3_demand1 vmstat compact_stall 0 28 +28"              p3_demand1 / vmstat.compact_stall    28
 *     "p3_demand1 buddy Node 0, zone DMA32 5906 2208 ..."     p3_demand1 / buddy.DMA32.0           5906
 *     "demand demand1 regions 79 AnonHugePages_kB 161792"     demand1 / AnonHugePages_kB           161792
 *     "sample 0.401 4096 0 0 0 3 0"                           samples / 2.AnonHugePages_kB.0 ...   4096 */
#include "contiguous_case.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/khugepaged.h"
#include "vmsim/report.h"
#include "zones/zones.h"

#define HUGE_KB 2048
#define AREA UINT64_C(0x10000000000)
#define ORDERS 11

/* Counters that a phase is judged by; one that did not change is not in the capture. */
static const char *const counters[] = {"thp_fault_alloc", "thp_fault_fallback", "compact_stall", "compact_success",
                                       "pgmigrate_success"};
enum { COUNTERS = sizeof counters / sizeof *counters };

/* ---- facts ---- */

static struct captured_fact *captured(struct contiguous *c, const char *phase, const char *name) {
    for (size_t i = 0; i < c->captured.count; i++) {
        if (!strcmp(c->captured.at[i].phase, phase) && !strcmp(c->captured.at[i].name, name))
            return &c->captured.at[i];
    }
    c->captured.at = realloc(c->captured.at, (c->captured.count + 1) * sizeof *c->captured.at);
    if (!c->captured.at)
        abort();
    struct captured_fact *f = &c->captured.at[c->captured.count++];
    *f = (struct captured_fact){0};
    snprintf(f->phase, sizeof f->phase, "%s", phase);
    snprintf(f->name, sizeof f->name, "%s", name);
    return f;
}

__attribute__((format(printf, 5, 6))) static void capture(struct contiguous *c, const char *phase, unsigned run,
                                                          int64_t value, const char *format, ...) {
    char name[56];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    struct captured_fact *f = captured(c, phase, name);
    f->run[run] = value;
    f->has[run] = true;
}

__attribute__((format(printf, 4, 5))) static void note(struct contiguous *c, const char *phase, int64_t value,
                                                       const char *format, ...) {
    struct got_fact f = {.value = value};
    va_list args;
    va_start(args, format);
    vsnprintf(f.name, sizeof f.name, format, args);
    va_end(args);
    snprintf(f.phase, sizeof f.phase, "%s", phase);
    c->got.at = realloc(c->got.at, (c->got.count + 1) * sizeof f);
    if (!c->got.at)
        abort();
    c->got.at[c->got.count++] = f;
}

bool contiguous_got(const struct contiguous *c, const struct captured_fact *f, int64_t *value) {
    for (size_t i = 0; i < c->got.count; i++) {
        if (!strcmp(c->got.at[i].phase, f->phase) && !strcmp(c->got.at[i].name, f->name)) {
            *value = c->got.at[i].value;
            return true;
        }
    }
    return false;
}

/* What kernels do as they please from run to run is judged by its outcome: huge pages within 5 % of a demand. */
struct slack contiguous_slack(const struct contiguous *c, const struct captured_fact *f) {
    if (!strcmp(c->program, "khp")) { /* a wake earlier or later */
        const int64_t regions = case_number(c, "pts", 4096) / 512;
        if (strstr(f->name, "full_scans"))
            return (struct slack){0, 1};
        return (struct slack){0, (regions ? regions : 1) * (strstr(f->name, "kB") ? HUGE_KB : 1)};
    }
    if (!strcmp(f->name, "nr_free_pages"))
        return (struct slack){2, 64};
    if (!strncmp(f->name, "buddy.", 6))
        return (struct slack){10, 16};
    if (strstr(f->name, "thp_fault") || strstr(f->name, "got") || strstr(f->name, ".ok"))
        return (struct slack){5, 1};
    if (strstr(f->name, "AnonHugePages"))
        return (struct slack){5, HUGE_KB};
    return (struct slack){30, 8};
}

/* ---- the case's arguments ---- */

const char *case_text(const struct contiguous *c, const char *key, const char *otherwise, char *out, size_t size) {
    const size_t n = strlen(key);
    for (const char *at = c->args; at && *at; at = strchr(at, ';'), at += at != NULL) {
        if (strncmp(at, key, n) != 0 || at[n] != '=')
            continue;
        snprintf(out, size, "%.*s", (int)strcspn(at + n + 1, ";"), at + n + 1);
        return out;
    }
    return otherwise;
}

int64_t case_number(const struct contiguous *c, const char *key, int64_t otherwise) {
    char text[64];
    const char *value = case_text(c, key, NULL, text, sizeof text);
    return value ? strtoll(value, NULL, 0) : otherwise;
}

/* ---- the capture ---- */

static void read_buddy(struct contiguous *c, const char *phase, unsigned run, const char *line) {
    char zone[16];
    int skip = 0;
    if (sscanf(line, " Node 0, zone %15s%n", zone, &skip) != 1)
        return;
    for (unsigned order = 0; order < ORDERS; order++) {
        char *end;
        const long value = strtol(line + skip, &end, 10);
        if (end == line + skip)
            break;
        skip = (int)(end - line);
        capture(c, phase, run, value, "buddy.%s.%u", zone, order);
    }
}

static void read_slab(struct contiguous *c, const char *phase, const char *counter, int64_t delta) {
    const bool filling = strstr(phase, "age_fill"), freeing = strstr(phase, "free_half");
    if (!strcmp(counter, "nr_slab_unreclaimable") && (filling || freeing))
        c->slab[freeing][0] = freeing ? -delta : delta;
    if (!strcmp(counter, "nr_slab_reclaimable") && (filling || freeing))
        c->slab[freeing][1] = freeing ? -delta : delta;
    if (!strcmp(counter, "nr_active_file") && filling)
        c->metadata = delta;
}

/* "p3_demand1 KIND rest". */
static void read_phase(struct contiguous *c, unsigned run, const char *line) {
    char phase[40], kind[24], counter[48];
    int64_t before, after;
    int skip = 0;
    if (sscanf(line, "%39s %23s%n", phase, kind, &skip) != 2 || !strcmp(phase, "p0_start"))
        return; /* what is free as it starts follows from what ran at boot */
    if (!strcmp(kind, "buddy"))
        read_buddy(c, phase, run, line + skip);
    if (!strcmp(kind, "run") && strcmp(c->program, "frag") == 0)
        for (size_t i = 0; i < COUNTERS; i++)
            capture(c, phase, run, 0, "vmstat.%s", counters[i]);
    int64_t user, system;
    if (!strcmp(kind, "run") && !run &&
        sscanf(line + skip, " wall_s %*s minflt %*s majflt %*s user_us %" SCNd64 " sys_us %" SCNd64, &user, &system) ==
            2)
        c->cpu_us = user + system;
    if (strcmp(kind, "vmstat") != 0 || sscanf(line + skip, " %47s %" SCNd64 " %" SCNd64, counter, &before, &after) != 3)
        return;
    if (!run)
        read_slab(c, phase, counter, after - before);
    if (!strcmp(counter, "nr_free_pages") && strcmp(c->program, "frag") == 0)
        capture(c, phase, run, after, "nr_free_pages");
    for (size_t i = 0; i < COUNTERS && strcmp(c->program, "frag") == 0; i++)
        if (!strcmp(counter, counters[i]))
            capture(c, phase, run, after - before, "vmstat.%s", counter);
}

static void read_sample(struct contiguous *c, unsigned run, const char *line, unsigned *samples) {
    int64_t v[6];
    if (sscanf(line, "sample %*s %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &v[0], &v[1],
               &v[2], &v[3], &v[4], &v[5]) != 6)
        return;
    for (unsigned i = 0; i < 4; i++)
        capture(c, "samples", run, v[i], "%02u.AnonHugePages_kB.%u", *samples, i);
    capture(c, "samples", run, v[4], "%02u.pages_collapsed", *samples);
    capture(c, "samples", run, v[5], "%02u.full_scans", *samples);
    (*samples)++;
}

static void read_start(struct contiguous *c, const char *line) {
    int64_t v;
    char zone[16];
    if (sscanf(line, "zone_start N0.%15[A-Z0-9].managed %" SCNd64, zone, &v) == 2)
        c->managed[!strcmp(zone, "DMA32")] = v;
    else if (sscanf(line, "zone_start N0.%15[A-Z0-9].free %" SCNd64, zone, &v) == 2 ||
             sscanf(line, "zone_start N0.%15[A-Z0-9].pcp_count %" SCNd64, zone, &v) == 2)
        c->start_free += v;
    else if (strstr(line, ".nr_zone_inactive_") || strstr(line, ".nr_zone_active_"))
        c->start_lru += sscanf(line, "zone_start %*s %" SCNd64, &v) == 1 ? v : 0;
}

static void read_line(struct contiguous *c, unsigned run, const char *line, unsigned *samples) {
    char name[40];
    int64_t a, b, n;
    static unsigned halves;
    if (sscanf(line, "# args %255s", c->args) == 1)
        halves = 0;
    else if (!strncmp(line, "zone_start ", 11) && !run)
        read_start(c, line);
    else if (sscanf(line, "age MemFree_pages %*s anon_pages %" SCNd64 " file_pages %" SCNd64 " pipes %" SCNd64, &a, &b,
                    &n) == 3)
        c->aged_pages[0] = a, c->aged_pages[1] = b, c->aged_pages[2] = n;
    else if (sscanf(line, "free_pages_before_demand %*s demand_huge %" SCNd64, &a) == 1)
        c->demand = a;
    else if (sscanf(line, "demand %39s regions %" SCNd64 " AnonHugePages_kB %" SCNd64, name, &a, &b) == 3)
        capture(c, name, run, b, "AnonHugePages_kB");
    else if (sscanf(line, "hugetlb asked %" SCNd64 " got %" SCNd64, &a, &b) == 2)
        capture(c, "hugetlb", run, b, "asked %" PRId64 " got", a);
    else if (sscanf(line, "collapse regions %" SCNd64 " ok %" SCNd64, &a, &b) == 2)
        capture(c, halves++ ? "p4_collapse_2nd_half" : "p3_collapse_1st_half", run, b, "collapse.ok");
    else if (!strncmp(line, "sample ", 7))
        read_sample(c, run, line, samples);
    else if (*line == 'p' && line[1] >= '0' && line[1] <= '9')
        read_phase(c, run, line);
}

static bool read_run(struct contiguous *c, const char *folder, unsigned run) {
    char path[4096];
    static char line[8192];
    unsigned samples = 0;
    snprintf(path, sizeof path, "%.3000s/%s_%c.txt", folder, c->name, run ? 'b' : 'a');
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    while (fgets(line, sizeof line, f))
        read_line(c, run, line, &samples);
    fclose(f);
    c->samples = samples > c->samples ? samples : c->samples;
    return true;
}

/* The machine's memory, and zones that only the boot's file tells: of the case, or of the boot that it shares. */
static void read_machine(struct contiguous *c, const char *folder) {
    static const char *const of[] = {"", "pts512_none511", "pts4096_none511"};
    static char line[8192];
    char path[4096], zone[16] = "";
    for (size_t i = 0; i < sizeof of / sizeof *of && !c->mib; i++) {
        snprintf(path, sizeof path, "%.3000s/machine_%s_a.txt", folder, *of[i] ? of[i] : c->name);
        FILE *f = fopen(path, "r");
        while (f && fgets(line, sizeof line, f)) {
            const char *m = !strncmp(line, "qemu:", 5) ? strstr(line, " -m ") : NULL;
            c->mib = m ? strtoll(m + 4, NULL, 10) : c->mib;
        }
        if (f)
            fclose(f);
        snprintf(path, sizeof path, "%.3000s/boot_%s_a.txt", folder, *of[i] ? of[i] : c->name);
        f = c->managed[1] ? NULL : fopen(path, "r");
        while (f && fgets(line, sizeof line, f)) {
            int64_t v;
            sscanf(line, "zoneinfo Node 0, zone %15s", zone);
            if (sscanf(line, "zoneinfo managed %" SCNd64, &v) == 1 && !strncmp(zone, "DMA", 3))
                c->managed[!strcmp(zone, "DMA32")] = v;
        }
        if (f)
            fclose(f);
    }
    c->mib = c->mib ? c->mib : 512;
}

/* ---- describing ---- */

__attribute__((format(printf, 2, 3))) static void add(struct contiguous *c, const char *format, ...) {
    va_list args;
    if (c->text.room - c->text.size < 1024) {
        c->text.room = c->text.room ? 2 * c->text.room : 16384;
        c->text.at = realloc(c->text.at, c->text.room);
        if (!c->text.at)
            abort();
    }
    va_start(args, format);
    c->text.size += (size_t)vsnprintf(c->text.at + c->text.size, c->text.room - c->text.size, format, args);
    va_end(args);
}

/* Zones as QEMU's pc machine has them with that much memory, and as many pages managed as the kernel said. Times are
 * the emulator's: 2 ns an instruction, and so some 7 us to move a page. */
static void add_machine(struct contiguous *c) {
    const int64_t present[2] = {3998, c->mib * 256 - 32 - 4096 - 2};
    add(c,
        "vmsim: 1\nmachine:\n  preset: qemu-tcg\n  kernel: \"%s\"\n  memory_map:\n    - {start: 0x0, size: 639KiB}\n"
        "    - {start: 0x100000, size: %" PRId64 "KiB}\n    - {start: 0x0, size: 4KiB, reserved: true}\n"
        "    - {start: 0xa0000, size: 384KiB, reserved: true}\n  nodes:\n    - cpus: [0]\n      reserved: "
        "[{zone: DMA, size: %" PRId64 "KiB}, {zone: DMA32, size: %" PRId64 "KiB}]\n",
        c->kernel, c->mib * 1024 - 128 - 1024, (present[0] - c->managed[0]) * 4, (present[1] - c->managed[1]) * 4);
    add(c,
        "  costs: {reclaim_scan: 3500ns, compact_scan: 100ns}\n  memory_manager: {privileged: true, costs: {copy_page: "
        "8us, zero_page: 3us, zero_huge: 1ms}}\n"
        "  sysctl: {transparent_hugepage/enabled: never, transparent_hugepage/khugepaged/defrag: %d, "
        "lru_gen/enabled: n}\n  devices: [{name: vda, preset: ramdisk, size: 1GiB}]\nworkload:\n  tasks:\n    - name: "
        "init\n      program:\n",
        strcmp(c->program, "frag") ? 1 : 0);
}

static void phase_begin(struct contiguous *c, const char *name) {
    add(c, "              - marker: {name: begin %s}\n", name);
}
static void phase_end(struct contiguous *c, const char *name) {
    add(c, "              - marker: {name: end %s}\n", name);
}

/* `regions` huge pages of address space, a byte of each written. */
static void add_demand(struct contiguous *c, unsigned number, const char *phase, int64_t regions) {
    const uint64_t at = AREA + ((uint64_t)number << 38);
    add(c,
        "              - mmap: {as: demand%u, length: %" PRId64 "MiB, address: 0x%" PRIx64
        ", noreserve: true}\n              - madvise: {region: demand%u, advice: hugepage}\n",
        number, 2 * regions, at, number);
    phase_begin(c, phase);
    for (int64_t i = 0; i < regions; i++) /* a step each: it may lose the CPU between any two */
        add(c, "              - touch: {region: demand%u, offset: %" PRId64 "MiB, length: 4KiB, write: 100%%}\n",
            number, 2 * i);
    phase_end(c, phase);
    add(c, "              - marker: {name: demand %u}\n", number);
}

static void add_pools(struct contiguous *c, int64_t demand) {
    const int64_t pools[] = {8, demand / 2, demand, demand * 2, 0};
    for (unsigned i = 0; i < 5; i++) {
        char phase[40];
        snprintf(phase, sizeof phase, "p%u_nr_hugepages_%" PRId64, i + 3, pools[i]);
        phase_begin(c, phase);
        add(c, "              - sysctl: {name: vm.nr_hugepages, value: \"%" PRId64 "\"}\n", pools[i]);
        phase_end(c, phase);
        add(c, "              - marker: {name: pool %" PRId64 "}\n", pools[i]);
    }
}

static void add_collapses(struct contiguous *c) {
    const int64_t regions = c->aged_pages[0] / 512;
    add(c, "              - sysctl: {name: transparent_hugepage/defrag, value: madvise}\n"
           "              - madvise: {region: aged, advice: hugepage}\n");
    for (unsigned pass = 0; pass < 2; pass++) {
        static const char *const phase[] = {"p3_collapse_1st_half", "p4_collapse_2nd_half"};
        phase_begin(c, phase[pass]);
        for (int64_t i = pass ? regions / 2 : 0; i < (pass ? regions : regions / 2); i++)
            add(c, "              - madvise: {region: aged, offset: %" PRId64 "MiB, length: 2MiB, advice: collapse}\n",
                2 * i);
        phase_end(c, phase[pass]);
    }
}

/* Kernel counterpart: w_frag of the capturing program. */
static void describe_frag(struct contiguous *c) {
    char mode[32], defrag[32];
    const char *what = case_text(c, "mode", "thp", mode, sizeof mode);
    add(c,
        "        - mmap: {as: lru, length: %" PRId64 "KiB}\n        - touch: {region: lru, write: 100%%}\n"
        "        - marker: {name: boot}\n        - fork:\n            name: case\n            program:\n"
        "              - sysctl: {name: transparent_hugepage/enabled, value: always}\n"
        "              - sysctl: {name: transparent_hugepage/defrag, value: %s}\n"
        "              - sleep: {time: 50ms}\n",
        4 * c->start_lru, case_text(c, "defrag", "madvise", defrag, sizeof defrag));
    add(c,
        "              - mmap: {as: aged, length: %" PRId64 "KiB, address: 0x%" PRIx64
        ", noreserve: true}\n              - madvise: {region: aged, advice: nohugepage}\n",
        4 * c->aged_pages[0], AREA);
    phase_begin(c, "p1_age_fill");
    add(c, "              - marker: {name: fill}\n              - sleep: {time: 1s}\n");
    phase_end(c, "p1_age_fill");
    phase_begin(c, "p2_free_half");
    add(c, "              - compute: {time: 250ms}\n              - marker: {name: free}\n");
    phase_end(c, "p2_free_half");
    if (!strcmp(what, "thp")) {
        add_demand(c, 1, "p3_demand1", c->demand);
        phase_begin(c, "p4_sleep2s");
        add(c, "              - sleep: {time: 2s}\n");
        phase_end(c, "p4_sleep2s");
        add_demand(c, 2, "p5_demand2", c->demand / 2);
        phase_begin(c, "p6_munmap");
        add(c, "              - munmap: {region: demand1}\n              - munmap: {region: demand2}\n");
        phase_end(c, "p6_munmap");
    } else if (!strcmp(what, "compact")) {
        phase_begin(c, "p3_compact_memory");
        add(c, "              - sysctl: {name: vm.compact_memory, value: \"1\"}\n");
        phase_end(c, "p3_compact_memory");
        add_demand(c, 1, "p4_demand1", c->demand);
    } else if (!strcmp(what, "hugetlb")) {
        add_pools(c, c->demand);
    } else if (!strcmp(what, "collapse")) {
        add_collapses(c);
    }
    add(c, "        - wait\n");
}

/* Kernel counterpart: w_khp. The program has two ranges of its own below the areas, of memory that it shares with its
 * parent: of one more than 255 pages are missing and some are written, of the other nothing is missing and nothing
 * written (the capture's collapses and thp_scan_exceed_* tell so). */
static void describe_khp(struct contiguous *c) {
    const int64_t regions = case_number(c, "regions", 16);
    static const unsigned written[] = {512, 384, 256, 1};
    add(c, "        - mmap: {as: own, length: 4MiB, address: 0x800000, fixed_noreplace: true}\n"
           "        - touch: {region: own, length: 400KiB, write: 100%%}\n"
           "        - touch: {region: own, offset: 2MiB, length: 2MiB, write: 100%%}\n        - fork:\n"
           "            name: case\n            program:\n"
           "              - touch: {region: own, length: 40KiB, write: 100%%}\n");
    const struct {
        const char *name;
        int64_t value;
    } knobs[] = {{"scan_sleep_millisecs", case_number(c, "sleep", 100)},
                 {"alloc_sleep_millisecs", case_number(c, "asleep", 1000)},
                 {"pages_to_scan", case_number(c, "pts", 4096)},
                 {"max_ptes_none", case_number(c, "none", 511)}};
    for (size_t i = 0; i < sizeof knobs / sizeof *knobs; i++)
        add(c, "              - sysctl: {name: transparent_hugepage/khugepaged/%s, value: \"%" PRId64 "\"}\n",
            knobs[i].name, knobs[i].value);
    for (unsigned i = 0; i < 4; i++) {
        add(c, "              - mmap: {as: a%u, length: %" PRId64 "MiB, address: 0x%" PRIx64 "}\n", i, 2 * regions,
            AREA + ((uint64_t)i << 36));
        for (int64_t r = 0; r < regions; r++)
            add(c, "              - touch: {region: a%u, offset: %" PRId64 "MiB, length: %uKiB, write: 100%%}\n", i,
                2 * r, 4 * written[i]);
    }
    add(c, "              - marker: {name: watch}\n"
           "              - sysctl: {name: transparent_hugepage/enabled, value: always}\n");
    for (unsigned i = 0; i < 4; i++)
        add(c, "              - madvise: {region: a%u, advice: hugepage}\n", i);
    const int64_t us = c->samples ? c->cpu_us / c->samples / 2 : 0; /* it looks for so long, half of it before */
    for (unsigned i = 0; i < c->samples; i++)
        add(c,
            "              - compute: {time: %" PRId64 "us}\n              - marker: {name: sample %u}\n"
            "              - compute: {time: %" PRId64 "us}\n              - sleep: {time: %" PRId64 "us}\n",
            us, i, us, case_number(c, "dt_ms", 200) * 1000 - 2 * us);
    add(c, "        - wait\n");
}

bool contiguous_read(struct contiguous *c, const char *folder, const char *kernel, const char *program) {
    char name[sizeof c->name];
    snprintf(name, sizeof name, "%s", c->name);
    *c = (struct contiguous){0};
    snprintf(c->name, sizeof c->name, "%s", name);
    snprintf(c->kernel, sizeof c->kernel, "%s", kernel);
    snprintf(c->program, sizeof c->program, "%s", program);
    if (!read_run(c, folder, 0) || !c->captured.count || !*c->args) {
        contiguous_forget(c);
        return false;
    }
    read_run(c, folder, 1);
    for (size_t i = 0; i < c->captured.count; i++) { /* one run alone: it is both */
        struct captured_fact *f = &c->captured.at[i];
        if (f->has[0] != f->has[1])
            f->run[f->has[0]] = f->run[f->has[1]];
    }
    read_machine(c, folder);
    snprintf(c->shape, sizeof c->shape, "n1_%" PRId64 "M", c->mib);
    add_machine(c);
    (strcmp(program, "frag") ? describe_khp : describe_frag)(c);
    return true;
}

void contiguous_forget(struct contiguous *c) {
    free(c->captured.at);
    free(c->got.at);
    free(c->text.at);
    age_forget(c);
    c->captured.at = NULL, c->got.at = NULL, c->text.at = NULL;
    c->captured.count = c->got.count = c->text.size = c->text.room = 0;
}

/* ---- what comes of it ---- */

static const char *render(struct vmsim_machine *m, const char *path) {
    const char *text;
    if (vmsim_report_proc_file(m, path, &text, NULL)) {
        fprintf(stderr, "%s: %s\n", path, vmsim_machine_error(m));
        exit(1);
    }
    return text;
}

static int64_t counter(struct vmsim_machine *m, const char *name) {
    char full[80];
    size_t id;
    snprintf(full, sizeof full, "vmstat.%s", name);
    return vmsim_counter_find(m, full, &id) ? 0 : (int64_t)vmsim_counter_read(m, id);
}

/* AnonHugePages of the VMAs in [from, to), kB. */
static int64_t huge_kb(struct vmsim_machine *m, uint32_t task, uint64_t from, uint64_t to) {
    char path[40];
    int64_t sum = 0, kb;
    bool in = false;
    snprintf(path, sizeof path, "proc/%u/smaps", task + 1);
    const char *text = render(m, path);
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        unsigned long long start, end;
        if (sscanf(line, "%llx-%llx %*c", &start, &end) == 2)
            in = start >= from && end <= to;
        else if (in && sscanf(line, "AnonHugePages: %" SCNd64, &kb) == 1)
            sum += kb;
    }
    vmsim_report_proc_free(m, text);
    return sum;
}

static void note_buddy(struct contiguous *c, struct vmsim_machine *m, const char *phase) {
    const char *text = render(m, "proc/buddyinfo");
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        char zone[16];
        int skip = 0;
        if (sscanf(line, "Node 0, zone %15s%n", zone, &skip) != 1)
            continue;
        for (unsigned order = 0; order < ORDERS; order++) {
            char *end;
            note(c, phase, strtol(line + skip, &end, 10), "buddy.%s.%u", zone, order);
            skip = (int)(end - line);
        }
    }
    vmsim_report_proc_free(m, text);
}

static void phase_marker(struct contiguous *c, struct vmsim_machine *m, const char *phase, bool end) {
    vmsim__lru_drain_all(m->lru);
    for (size_t i = 0; i < COUNTERS; i++) {
        const int64_t now = counter(m, counters[i]);
        if (end)
            note(c, phase, now - c->before[i], "vmstat.%s", counters[i]);
        c->before[i] = now;
    }
    if (end && strstr(phase, "collapse"))
        note(c, phase, counter(m, "thp_collapse_alloc") - c->done_before, "collapse.ok");
    c->done_before = counter(m, "thp_collapse_alloc");
    if (end)
        note(c, phase, counter(m, "nr_free_pages"), "nr_free_pages");
    if (end)
        note_buddy(c, m, phase);
}

static void sample_marker(struct contiguous *c, struct vmsim_machine *m, uint32_t task, unsigned number) {
    const struct vmsim__khugepaged_done done = vmsim__khugepaged_done(m);
    for (unsigned i = 0; i < 4; i++) {
        const uint64_t at = AREA + ((uint64_t)i << 36);
        note(c, "samples", huge_kb(m, task, at, at + (UINT64_C(1) << 36)), "%02u.AnonHugePages_kB.%u", number, i);
    }
    note(c, "samples", (int64_t)done.pages_collapsed - c->done_before, "%02u.pages_collapsed", number);
    note(c, "samples", (int64_t)done.full_scans - c->scans_before, "%02u.full_scans", number);
}

void contiguous_marker(void *context, struct vmsim_scenario *s, const char *name, uint32_t task) {
    struct contiguous *c = context;
    struct vmsim_machine *m = s->machine;
    unsigned n;
    char text[40];
    if (!strcmp(name, "boot"))
        age_boot(c, m);
    else if (!strcmp(name, "fill"))
        age_fill(c, m, task);
    else if (!strcmp(name, "free"))
        age_free_half(c, m, task);
    else if (sscanf(name, "begin %39s", text) == 1)
        phase_marker(c, m, text, false);
    else if (sscanf(name, "end %39s", text) == 1)
        phase_marker(c, m, text, true);
    else if (sscanf(name, "sample %u", &n) == 1)
        sample_marker(c, m, task, n);
    if (sscanf(name, "demand %u", &n) == 1) {
        const uint64_t at = AREA + ((uint64_t)n << 38);
        snprintf(text, sizeof text, "demand%u", n);
        note(c, text, huge_kb(m, task, at, at + (UINT64_C(1) << 38)), "AnonHugePages_kB");
    }
    if (sscanf(name, "pool %u", &n) == 1)
        note(c, "hugetlb", (int64_t)vmsim__hugetlb_total(m->mem, m->mem->default_hstate, VMSIM__MAX_NODES),
             "asked %u got", n);
    if (!strcmp(name, "watch")) {
        c->done_before = (int64_t)vmsim__khugepaged_done(m).pages_collapsed;
        c->scans_before = (int64_t)vmsim__khugepaged_done(m).full_scans;
    }
}
