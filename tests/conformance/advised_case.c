/* SPDX-License-Identifier: MIT */
/* Reading a case, describing it, and noting what comes of it (see advised_case.h).
 *
 *     kernel's lines                                              facts
 *     "p2_reclaim_4M run wall_s 0.0096 minflt 0 majflt 0 ..."     p2_reclaim_4M / minflt, majflt
 *     "p2_reclaim_4M vmstat pgscan_file 10685 12060 +1375"        p2_reclaim_4M / vmstat.pgscan_file     1375
 *     "pages X total 8192 present 6156 swapped 2036 none 0"       p2_reclaim_4M / pages.X.present ...    6156
 *     "reclaim asked 4M result 0 memory.current 65814528 -> ..."  p2_reclaim_4M / reclaim.result, .freed
 *     "zswap PAGEOUT_zero stored_pages 4096"                      p1_PAGEOUT_zero / zswap.stored_pages   4096
 *     "cg_end memory.stat pgscan 57488"                           end / memory.stat.pgscan              57488 */
#include "advised_case.h"

#include "conformance.h"
#include "vmsim/inspect.h"
#include "vmsim/report.h"

#define AREA UINT64_C(0x10000000000)
#define SPACING (UINT64_C(1) << 36)
#define OWN 12 /* pages that the program writes of its own once it is in the cgroup */
#define CGROUP "/m"

/* ---- facts ---- */

static struct advised_fact *fact(struct advised *c, const char *phase, const char *name) {
    for (size_t i = 0; i < c->count; i++) {
        if (!strcmp(c->facts[i].phase, phase) && !strcmp(c->facts[i].name, name))
            return &c->facts[i];
    }
    c->facts = realloc(c->facts, (c->count + 1) * sizeof *c->facts);
    if (!c->facts)
        abort();
    struct advised_fact *f = &c->facts[c->count++];
    *f = (struct advised_fact){.got = 0};
    snprintf(f->phase, sizeof f->phase, "%.39s", phase);
    snprintf(f->name, sizeof f->name, "%.63s", name);
    return f;
}

__attribute__((format(printf, 5, 6))) static void capture(struct advised *c, const char *phase, unsigned run,
                                                          int64_t value, const char *format, ...) {
    char name[64];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    struct advised_fact *f = fact(c, phase, name);
    f->run[run] = value;
    f->captured = true;
}

__attribute__((format(printf, 4, 5))) static void note(struct advised *c, const char *phase, int64_t value,
                                                       const char *format, ...) {
    char name[64];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    struct advised_fact *f = fact(c, phase, name);
    f->got = value;
    f->have = true;
}

/* ---- the case's arguments ---- */

static const char *argument(const struct advised *c, const char *key, const char *otherwise, char out[32]) {
    const size_t n = strlen(key);
    for (const char *at = c->args; at && *at; at = strchr(at, ';'), at += at != NULL) {
        if (strncmp(at, key, n) != 0 || at[n] != '=')
            continue;
        snprintf(out, 32, "%.*s", (int)strcspn(at + n + 1, ";"), at + n + 1);
        return out;
    }
    return otherwise;
}

static int64_t number(const struct advised *c, const char *key, int64_t otherwise) {
    char text[32];
    const char *value = argument(c, key, NULL, text);
    return value ? strtoll(value, NULL, 0) : otherwise;
}

/* ---- the capture ---- */

/* Pages of files as the first phase began, and as the last ended: of a counter that did not change there is no line. */
static void read_files(struct advised *c, const char *counter, int64_t before, int64_t after) {
    static const char *const names[] = {"nr_inactive_file", "nr_active_file"};
    for (unsigned i = 0; i < 2; i++) {
        if (strcmp(counter, names[i]) != 0)
            continue;
        c->files[0][i] = c->files[0][i] ? c->files[0][i] : before;
        c->files[1][i] = after;
    }
}

/* "p2_reclaim_4M run ..." or "p2_reclaim_4M vmstat COUNTER before after delta": the phase that what follows is about.
 */
static void read_phase(struct advised *c, unsigned run, const char *line, char *phase) {
    char kind[24], counter[48];
    int64_t a, b;
    int skip = 0;
    if (sscanf(line, "%39s %23s%n", phase, kind, &skip) != 2)
        return;
    if (!strcmp(kind, "run") && sscanf(line + skip, " wall_s %*s minflt %" SCNd64 " majflt %" SCNd64, &a, &b) == 2) {
        capture(c, phase, run, a, "minflt");
        capture(c, phase, run, b, "majflt");
    }
    if (!strcmp(kind, "vmstat") && sscanf(line + skip, " %47s %" SCNd64 " %" SCNd64, counter, &a, &b) == 3) {
        capture(c, phase, run, b - a, "vmstat.%s", counter);
        if (!run)
            read_files(c, counter, a, b);
    }
}

static void read_group(struct advised *c, unsigned run, const char *line) {
    char when[16], file[40], key[40];
    int64_t v;
    if (sscanf(line, "cg_%15s %39s %39s %" SCNd64, when, file, key, &v) == 4 &&
        (!strcmp(file, "memory.stat") || !strcmp(file, "memory.events")))
        capture(c, when, run, v, "%s.%s", file, key);
    else if (sscanf(line, "cg_%15s %39s %" SCNd64, when, file, &v) == 3 && strncmp(file, "memory.", 7) == 0)
        capture(c, when, run, v, "%s", file);
}

static void read_outcome(struct advised *c, unsigned run, const char *line, const char *phase) {
    char name[40], key[40];
    int64_t a, b, d;
    if (sscanf(line, "pages %39s total %*s present %" SCNd64 " swapped %" SCNd64 " none %" SCNd64, name, &a, &b, &d) ==
        4) {
        capture(c, phase, run, a, "pages.%s.present", name);
        capture(c, phase, run, b, "pages.%s.swapped", name);
        capture(c, phase, run, d, "pages.%s.none", name);
    } else if (sscanf(line, "reclaim asked %*s result %" SCNd64 " memory.current %" SCNd64 " -> %" SCNd64, &a, &b,
                      &d) == 3) {
        capture(c, phase, run, a, "reclaim.result");
        capture(c, phase, run, b - d, "reclaim.freed");
    } else if (sscanf(line, "reclaim asked %*s result %" SCNd64, &a) == 1) {
        capture(c, phase, run, a, "reclaim.result");
    } else if (sscanf(line, "zswap %39s %39s %" SCNd64, name, key, &a) == 3) {
        capture(c, phase, run, a, "zswap.%s", key);
    } else if (sscanf(line, "swapoff %" SCNd64, &a) == 1) {
        capture(c, phase, run, a, "swapoff");
    }
}

static bool read_run(struct advised *c, const char *folder, unsigned run) {
    char path[4300], line[4096], phase[40] = "";
    snprintf(path, sizeof path, "%.4000s/%s_%c.txt", folder, c->name, run ? 'b' : 'a');
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "# args %255s", c->args) == 1 || sscanf(line, "file_pages %" SCNd64, &c->file_pages) == 1)
            continue;
        if (*line == 'p' && line[1] >= '0' && line[1] <= '9')
            read_phase(c, run, line, phase);
        else if (!strncmp(line, "cg_", 3))
            read_group(c, run, line);
        else
            read_outcome(c, run, line, phase);
    }
    fclose(f);
    return true;
}

/* ---- describing ---- */

__attribute__((format(printf, 2, 3))) static void add(struct advised *c, const char *format, ...) {
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

/* A step of the case's program. */
#define STEP(c, format, ...) add(c, "              - " format "\n", ##__VA_ARGS__)

/* The steps of phase `number`, "p3_NAME": between two looks at all counters. */
static void begin(struct advised *c, unsigned number, const char *name) {
    STEP(c, "touch: {region: own}");
    STEP(c, "marker: {name: begin p%u_%s}", number, name);
}
static void end(struct advised *c, unsigned number, const char *name) {
    STEP(c, "marker: {name: end p%u_%s}", number, name);
    STEP(c, "sleep: {time: 150ms}"); /* the capture prints, and what is written arrives */
}

static void map(struct advised *c, const char *name, unsigned place, int64_t pages) {
    STEP(c, "mmap: {as: %s, length: %" PRId64 "KiB, address: 0x%" PRIx64 ", fixed_noreplace: true, noreserve: true}",
         name, 4 * pages, AREA + place * SPACING);
}

static void touch(struct advised *c, const char *name, int64_t first, int64_t pages, bool write) {
    STEP(c, "touch: {region: %s, offset: %" PRId64 "KiB, length: %" PRId64 "KiB, write: %s}", name, 4 * first,
         4 * pages, write ? "100%" : "0%");
}

static void advise(struct advised *c, const char *name, int64_t pages, const char *advice) {
    STEP(c, "madvise: {region: %s, length: %" PRId64 "KiB, advice: %s}", name, 4 * pages, advice);
}

static void where(struct advised *c, unsigned number, const char *name, const char *region, unsigned place) {
    STEP(c, "marker: {name: pages %u %s p%u_%s}", place, region, number, name);
}

static void reclaim(struct advised *c, unsigned number, const char *bytes) {
    char phase[40];
    snprintf(phase, sizeof phase, "reclaim_%s", bytes);
    begin(c, number, phase);
    STEP(c, "marker: {name: result p%u_%s reclaim.result}", number, phase);
    STEP(c, "cgroup_write: {cgroup: " CGROUP ", file: memory.reclaim, value: \"%s\"}", bytes);
    end(c, number, phase);
}

/* What more of files was there than the file itself, and was gone in the end: blocks of the file system that the
 * program came by, and used more than once. How many is an input. */
static int64_t metadata_pages(const struct advised *c) {
    const int64_t pages = c->files[0][0] + c->files[0][1] - number(c, "n", 8192) - c->files[1][0] - c->files[1][1];
    return pages > 0 ? pages : 1;
}

static void describe_reclaim(struct advised *c, int64_t n) {
    static const char *const sizes[] = {"1M", "4M", "8M", "16M", "32M"};
    for (unsigned i = 0; i < 2; i++)
        STEP(c, "read: {file: /metadata, block: 4KiB}");
    map(c, "X", 0, n);
    touch(c, "X", 0, n, true);
    STEP(c, "read: {file: /o/rf, length: %" PRId64 "KiB, block: 64KiB}", 4 * n);
    STEP(c, "read: {file: /o/rf, length: %" PRId64 "KiB, block: 64KiB}", 2 * n);
    for (unsigned i = 0; i < 5; i++) {
        char phase[40];
        reclaim(c, i + 1, sizes[i]);
        snprintf(phase, sizeof phase, "reclaim_%s", sizes[i]);
        STEP(c, "marker: {name: freed p%u_%s}", i + 1, phase);
        where(c, i + 1, phase, "X", 0);
    }
    begin(c, 6, "read_X");
    touch(c, "X", 0, n, false);
    end(c, 6, "read_X");
    where(c, 6, "read_X", "X", 0);
    begin(c, 7, "read_file");
    STEP(c, "read: {file: /o/rf, length: %" PRId64 "KiB, block: 64KiB}", 4 * n);
    end(c, 7, "read_file");
    reclaim(c, 8, "1G");
}

static void describe_pageout(struct advised *c, int64_t n) {
    const struct {
        const char *name, *advice;
        int64_t first, pages, every;
    } phases[] = {{"write_X", NULL, 0, n, -1},
                  {"PAGEOUT_1st_half", "pageout", 0, n / 2, 0},
                  {"read_1st_quarter", NULL, 0, n / 4, 0},
                  {"PAGEOUT_all", "pageout", 0, n, 0},
                  {"write_every_16th", NULL, 0, n, 16},
                  {"read_all", NULL, 0, n, 0}};
    map(c, "X", 0, n);
    for (unsigned i = 0; i < 6; i++) {
        begin(c, i + 1, phases[i].name);
        if (phases[i].advice)
            advise(c, "X", phases[i].pages, phases[i].advice);
        else if (phases[i].every > 0)
            STEP(c, "touch: {region: X, stride: %" PRId64 "KiB, write: 100%%}", 4 * phases[i].every);
        else
            touch(c, "X", phases[i].first, phases[i].pages, phases[i].every < 0);
        end(c, i + 1, phases[i].name);
        if (i)
            where(c, i + 1, phases[i].name, "X", 0);
    }
    STEP(c,
         "mmap: {as: F, file: /in/lines, length: %" PRId64 "KiB, address: 0x%" PRIx64
         ", shared: true, prot: r, fixed_noreplace: true}",
         4 * c->file_pages, AREA + SPACING);
    static const char *const of_file[] = {"read_mapped_file", "PAGEOUT_file", "read_mapped_file_again"};
    for (unsigned i = 0; i < 3; i++) {
        begin(c, i + 7, of_file[i]);
        if (i == 1)
            advise(c, "F", c->file_pages, "pageout");
        else
            touch(c, "F", 0, c->file_pages, false);
        end(c, i + 7, of_file[i]);
    }
}

static void where_all(struct advised *c, unsigned number, const char *phase) {
    where(c, number, phase, "X", 0);
    where(c, number, phase, "Y", 1);
    where(c, number, phase, "Z", 2);
}

/* cold, nocold, free. */
static void describe_cold(struct advised *c, int64_t n, const char *kind) {
    unsigned number = 1;
    map(c, "X", 0, n);
    map(c, "Y", 1, n);
    map(c, "Z", 2, n);
    touch(c, "X", 0, n, true);
    touch(c, "Y", 0, n, true);
    for (unsigned i = 0; i < 3; i++) {
        touch(c, "Y", 0, n, false);
        touch(c, "X", 0, n, false);
    }
    begin(c, number, kind);
    if (strcmp(kind, "nocold") != 0)
        advise(c, "X", n, kind);
    end(c, number++, kind);
    STEP(c, "marker: {name: group before}");
    if (!strcmp(kind, "free")) {
        begin(c, number, "rewrite_1st_quarter_of_X");
        touch(c, "X", 0, n / 4, true);
        end(c, number++, "rewrite_1st_quarter_of_X");
    }
    for (unsigned i = 0; i < 4; i++) {
        char phase[40];
        snprintf(phase, sizeof phase, "write_Z_%u", i + 1);
        begin(c, number, phase);
        touch(c, "Z", i * (n / 4), n / 4, true);
        end(c, number, phase);
        where_all(c, number++, phase);
    }
    for (unsigned i = 0; i < 2; i++) {
        const char *phase = i ? "read_X" : "read_Y";
        begin(c, number, phase);
        touch(c, i ? "X" : "Y", 0, n, false);
        end(c, number, phase);
        where_all(c, number++, phase);
    }
}

static void swapoff_phase(struct advised *c, unsigned number) {
    begin(c, number, "swapoff");
    STEP(c, "marker: {name: result p%u_swapoff swapoff}", number);
    STEP(c, "swapoff: {area: vdb}");
    end(c, number, "swapoff");
}

static void describe_swapoff(struct advised *c, int64_t n) {
    map(c, "X", 0, n);
    touch(c, "X", 0, n, true);
    begin(c, 1, "PAGEOUT_all");
    advise(c, "X", n, "pageout");
    end(c, 1, "PAGEOUT_all");
    where(c, 1, "PAGEOUT_all", "X", 0);
    begin(c, 2, "read_1st_quarter");
    touch(c, "X", 0, n / 4, false);
    end(c, 2, "read_1st_quarter");
    where(c, 2, "read_1st_quarter", "X", 0);
    swapoff_phase(c, 3);
    where(c, 3, "swapoff", "X", 0);
}

static void describe_zswap(struct advised *c, int64_t n) {
    static const char *const names[] = {"zero", "quarter_random", "random", "first_word"};
    for (unsigned i = 0; i < 4; i++) {
        char phase[40];
        map(c, names[i], i, n);
        touch(c, names[i], 0, n, true);
        STEP(c, "marker: {name: content %u}", i);
        snprintf(phase, sizeof phase, "PAGEOUT_%s", names[i]);
        begin(c, 2 * i + 1, phase);
        advise(c, names[i], n, "pageout");
        end(c, 2 * i + 1, phase);
        where(c, 2 * i + 1, phase, names[i], i);
        STEP(c, "marker: {name: zswap p%u_%s}", 2 * i + 1, phase);
        snprintf(phase, sizeof phase, "read_half_%s", names[i]);
        begin(c, 2 * i + 2, phase);
        touch(c, names[i], 0, n / 2, false);
        end(c, 2 * i + 2, phase);
        where(c, 2 * i + 2, phase, names[i], i);
        STEP(c, "marker: {name: zswap p%u_%s}", 2 * i + 2, phase);
    }
    swapoff_phase(c, 9);
    STEP(c, "marker: {name: zswap p9_swapoff}");
}

/* Kernel counterpart: w_madv of the capturing program. */
static bool describe(struct advised *c) {
    char kind[32], zswap[32];
    const char *what = argument(c, "kind", "", kind);
    const int64_t n = number(c, "n", 8192), max = number(c, "max", 0);
    add(c,
        "vmsim: 1\nmachine:\n  preset: qemu-tcg\n  costs: {reclaim_scan: 1us}\n"
        "  memory_manager: {privileged: true, costs: {fault: 2700ns, map: 3us, zero_page: 1200ns, free_page: 1500ns, "
        "unmap_page: 500ns, rmap_vma: 500ns}}\n  sysctl: {vm.swappiness: %" PRId64
        ", vm.page-cluster: 3, transparent_hugepage/enabled: never, lru_gen/enabled: n}\n",
        number(c, "swappiness", 60));
    add(c, "  devices: [{name: vda, preset: virtio-icount, size: 600MiB}, {name: vdb, preset: virtio-icount, size: "
           "512MiB}]\n");
    if (*argument(c, "zswap", "N", zswap) == 'Y')
        add(c, "  zswap: {enabled: true}\n");
    add(c, "workload:\n  files: [{name: /metadata, size: %" PRId64 "KiB}, {name: /in/lines, size: %" PRId64 "KiB}]\n",
        4 * metadata_pages(c), 4 * (c->file_pages ? c->file_pages : 1));
    add(c, "  tasks:\n    - name: init\n      program:\n        - sleep: {time: 3s}\n        - fork:\n"
           "            name: case\n            program:\n");
    STEP(c, "create: {name: /o/rf}");
    STEP(c, "truncate: {file: /o/rf, length: %" PRId64 "KiB}", 4 * n);
    STEP(c, "swapon: {device: vdb}");
    STEP(c, "cgroup_create: {cgroup: " CGROUP "}");
    if (max)
        STEP(c, "cgroup_write: {cgroup: " CGROUP ", file: memory.max, value: \"%" PRId64 "\"}", max);
    STEP(c, "cgroup_attach: {cgroup: " CGROUP "}");
    STEP(c, "mmap: {as: own, length: %uKiB}", 4 * OWN);
    STEP(c, "touch: {region: own, write: 100%%}");
    if (!strcmp(what, "reclaim"))
        describe_reclaim(c, n);
    else if (!strcmp(what, "pageout"))
        describe_pageout(c, n);
    else if (!strcmp(what, "cold") || !strcmp(what, "nocold") || !strcmp(what, "free"))
        describe_cold(c, n, what);
    else if (!strcmp(what, "swapoff"))
        describe_swapoff(c, n);
    else if (!strcmp(what, "zswap"))
        describe_zswap(c, n);
    else
        return false;
    STEP(c, "marker: {name: group end}");
    add(c, "        - wait\n");
    return true;
}

bool advised_read(struct advised *c, const char *folder, const char *kernel, const char *name) {
    *c = (struct advised){.count = 0};
    snprintf(c->kernel, sizeof c->kernel, "%.15s", kernel);
    snprintf(c->name, sizeof c->name, "%.63s", name);
    if (read_run(c, folder, 0)) {
        const size_t of_first = c->count;
        const bool both = read_run(c, folder, 1);
        for (size_t i = 0; i < of_first && !both; i++)
            c->facts[i].run[1] = c->facts[i].run[0];
        captured_machine_read(&c->machine, folder, kernel, name);
        if (*c->args && describe(c))
            return true;
    }
    advised_forget(c);
    return false;
}

void advised_forget(struct advised *c) {
    free(c->facts);
    free(c->text.at);
    free(c->before);
    *c = (struct advised){.count = 0};
}

/* ---- what comes of it ---- */

static char *render(struct vmsim_machine *m, const char *path) {
    const char *text;
    if (vmsim_report_proc_file(m, path, &text, NULL)) {
        fprintf(stderr, "%s: %s\n", path, vmsim_machine_error(m));
        exit(1);
    }
    char *copy = strdup(text);
    vmsim_report_proc_free(m, text);
    if (!copy)
        abort();
    return copy;
}

static int64_t counter(struct vmsim_machine *m, const char *name) {
    size_t id;
    return vmsim_counter_find(m, name, &id) ? 0 : (int64_t)vmsim_counter_read(m, id);
}

static const char *next_line(const char *line) {
    line += strcspn(line, "\n");
    return line + (*line == '\n');
}

/* The value behind a line's first word in such a text. */
static int64_t value_in(const char *text, const char *key) {
    const size_t n = strlen(key);
    for (const char *line = text; *line; line = next_line(line)) {
        if (!strncmp(line, key, n) && line[n] == ' ')
            return strtoll(line + n, NULL, 10);
    }
    return 0;
}

static void begin_phase(struct advised *c, struct vmsim_machine *m) {
    vmsim__lru_drain_all(m->lru);
    free(c->before);
    c->before = render(m, "proc/vmstat");
    c->flt[0] = counter(m, "tasks.case.minflt");
    c->flt[1] = counter(m, "tasks.case.majflt");
}

static void end_phase(struct advised *c, struct vmsim_machine *m, const char *phase) {
    char key[48];
    int64_t v;
    note(c, phase, counter(m, "tasks.case.minflt") - c->flt[0], "minflt");
    note(c, phase, counter(m, "tasks.case.majflt") - c->flt[1], "majflt");
    vmsim__lru_drain_all(m->lru);
    char *after = render(m, "proc/vmstat");
    for (const char *line = after; *line; line = next_line(line)) {
        if (sscanf(line, "%47s %" SCNd64, key, &v) == 2)
            note(c, phase, v - value_in(c->before, key), "vmstat.%s", key);
    }
    free(after);
}

/* Swap of the VMA at an address, in pages. */
static int64_t swapped_at(struct vmsim_machine *m, uint32_t task, uint64_t at) {
    char path[40];
    int64_t kb, pages = 0;
    bool in = false;
    snprintf(path, sizeof path, "proc/%u/smaps", task + 1);
    char *text = render(m, path);
    for (const char *line = text; *line; line = next_line(line)) {
        unsigned long long start, stop;
        if (sscanf(line, "%llx-%llx %*c", &start, &stop) == 2)
            in = start == at;
        else if (in && sscanf(line, "Swap: %" SCNd64, &kb) == 1)
            pages = kb / 4;
    }
    free(text);
    return pages;
}

/* As the capturing program counts in its pagemap: what is mapped, be it the zero page, and what is in swap. */
static void note_pages(struct advised *c, struct vmsim_machine *m, uint32_t task, unsigned place, const char *region,
                       const char *phase) {
    const uint64_t at = AREA + place * SPACING;
    const int64_t total = number(c, "n", 8192), swapped = swapped_at(m, task, at);
    int64_t present = 0;
    for (int64_t i = 0; i < total; i++) {
        struct vmsim_translation t;
        if (vmsim_task_translate(m, task, at + (uint64_t)i * 4096, VMSIM_LOAD, &t, sizeof t))
            abort();
        present += t.fault == NULL;
    }
    note(c, phase, present, "pages.%s.present", region);
    note(c, phase, swapped, "pages.%s.swapped", region);
    note(c, phase, total - present - swapped, "pages.%s.none", region);
}

static void note_group(struct advised *c, struct vmsim_machine *m, const char *when) {
    static const char *const plain[] = {"memory.current", "memory.peak", "memory.swap.current"};
    static const char *const keyed[] = {"memory.stat", "memory.events"};
    char text[8192], key[40];
    int64_t v;
    for (unsigned i = 0; i < 3; i++) {
        if (vmsim_cgroup_read(m, CGROUP, plain[i], text, sizeof text) > 0)
            note(c, when, strtoll(text, NULL, 10), "%s", plain[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        if (vmsim_cgroup_read(m, CGROUP, keyed[i], text, sizeof text) <= 0)
            abort();
        for (const char *line = text; *line; line = next_line(line)) {
            if (sscanf(line, "%39s %" SCNd64, key, &v) == 2)
                note(c, when, v, "%s.%s", keyed[i], key);
        }
    }
}

static int64_t group_current(struct vmsim_machine *m) {
    char text[64];
    return vmsim_cgroup_read(m, CGROUP, "memory.current", text, sizeof text) > 0 ? strtoll(text, NULL, 10) : 0;
}

/* What the program writes into its pages: nothing, a quarter of random words, random words, one word a page. */
static void set_content(struct vmsim_machine *m, unsigned kind) {
    enum { ALL = 1000000 };
    if (!m->swap->zswap)
        return;
    struct vmsim__compress_spec *s = &m->swap->zswap->spec.compress;
    s->same_filled = kind == 0 ? ALL : 0;
    s->incompressible = kind == 2 ? ALL : 0;
    s->size = kind == 1 ? ALL * 30 / 100 : ALL / 50;
    s->spread = 0;
}

static void note_zswap(struct advised *c, struct vmsim_machine *m, const char *phase) {
    static const char *const names[][2] = {{"stored_pages", "stored_pages"},
                                           {"same_filled_pages", "same_filled_pages"},
                                           {"written_back_pages", "written_back_pages"},
                                           {"pool_limit_hit", "pool_limit_hit"}};
    for (unsigned i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "zswap.%s", names[i][1]);
        note(c, phase, counter(m, name), "zswap.%s", names[i][0]);
    }
    note(c, phase, counter(m, "zswap.pool_pages") * 4096, "zswap.pool_total_size");
}

void advised_marker(struct advised *c, struct vmsim_scenario *s, const char *name, uint32_t task) {
    struct vmsim_machine *m = s->machine;
    unsigned place;
    char phase[40], region[40];
    if (sscanf(name, "begin %39s", phase) == 1) {
        begin_phase(c, m);
        c->current = group_current(m);
    } else if (sscanf(name, "end %39s", phase) == 1) {
        end_phase(c, m, phase);
    } else if (sscanf(name, "freed %39s", phase) == 1) {
        note(c, phase, c->current - group_current(m), "reclaim.freed");
    } else if (sscanf(name, "pages %u %39s %39s", &place, region, phase) == 3) {
        note_pages(c, m, task, place, region, phase);
    } else if (!strncmp(name, "result ", 7)) {
        snprintf(c->result_of, sizeof c->result_of, "%.63s", name + 7);
    } else if (sscanf(name, "group %39s", phase) == 1) {
        note_group(c, m, phase);
    } else if (sscanf(name, "zswap %39s", phase) == 1) {
        note_zswap(c, m, phase);
    } else if (sscanf(name, "content %u", &place) == 1) {
        set_content(m, place);
    }
}

void advised_result(struct advised *c, int64_t result) {
    char phase[40], key[40];
    if (sscanf(c->result_of, "%39s %39s", phase, key) == 2)
        note(c, phase, result, "%s", key);
    *c->result_of = '\0';
}
