/* SPDX-License-Identifier: MIT */
/* Captured micro-workloads against the same workloads as described programs: every counter of every phase.
 *
 *     phases [--strict] [SHAPE [WORKLOAD]]  >  rows.tsv      --strict: fails on facts outside without a named cause
 *
 *     CAPTURES/[more/|arch/]workloads/SHAPE/NAME.txt --- phases of facts ------------.
 *     workloads/NAME.yaml -- run on the machine of SHAPE -- /proc at each marker -----+-- phases.rules --> a row a fact
 *
 * A described program sets marker "N" where phase N begins and "N end" where it ends (absent: where the next one
 * begins). At each marker the same files that the capturing program read are rendered from the simulated machine and
 * read in the same way, so the texts of /proc are judged, too. A capture without a described program gives one row, of
 * class not-modelled, with the reason from RULES. Rows go to stdout, a summary a shape to stderr. */
#include <unistd.h>

#include "cache/cache.h"
#include "captured_blocks.h"
#include "capturer.h"
#include "config/config.h"
#include "conformance.h"
#include "phases_facts.h"
#include "phases_rules.h"
#include "phases_text.h"
#include "scenario/engine.h"
#include "vmsim/host.h"
#include "visits.h"
#include "vmsim/report.h"

#define PHASES_MAX 64

struct span {
    struct facts *begin, *end;
};

struct run {
    const struct rules *rules;
    const char *part; /* folder of the captures: "", "more/", "arch/" */
    char shape[128], kernel[24], workload[64];
    char imported[64]; /* machine description of the shape */
    uint64_t ram_pages;
    struct span spans[PHASES_MAX + 1];
    struct facts groups; /* files of cgroups, look by look */
    unsigned looks;
    uint32_t earlier; /* tasks that were there when deaths were last told */
    unsigned open;    /* phase whose end is still to come, or 0 */
    struct outcomes outcomes;
    uint64_t signals;           /* that the task had caught when it was last asked */
    char result_of[96];         /* key of the next step's result, or "" */
    int64_t child_flt;          /* of a child that looks at its own usage: so far in this phase */
    const struct facts *before; /* what the kernel's phases found */
    struct tally tally;
};

/* ---- what the simulated machine says ---- */

/* Runs of cached pages of the workload's file: "0-3 16-31", or "none". "first 512: KEY": of these pages only. */
static void note_cached(struct run *r, struct vmsim__cache *c, const char *key) {
    const struct vmsim__file *f = vmsim__file_find(c, "/f16m");
    char text[400] = "";
    size_t n = 0;
    uint64_t pages = f ? f->size >> 12 : 0;
    unsigned first_pages;
    int skip = 0;
    if (sscanf(key, "first %u: %n", &first_pages, &skip) == 1 && skip)
        pages = vmsim__min64(pages, first_pages);
    key += skip;
    for (uint64_t i = 0; i < pages && n < sizeof text - 48; i++) {
        uint64_t first = i;
        while (i < pages && vmsim__file_page(f, i) != VMSIM__PFN_NONE)
            i++;
        if (i > first)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%" PRIu64 "-%" PRIu64, n ? " " : "", first, i - 1);
    }
    outcome_add(&r->outcomes, key, n ? text : "none");
}

/* The task's VMAs where workloads map. */
static void note_maps(struct run *r, struct vmsim_machine *m, uint32_t task, const char *key) {
    char path[64], name[96];
    const char *text;
    snprintf(path, sizeof path, "proc/%u/maps", task + 1);
    snprintf(name, sizeof name, "maps after %.80s", key);
    if (vmsim_report_proc_file(m, path, &text, NULL))
        abort();
    outcome_add(&r->outcomes, name, "");
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
        outcome_add_vma(&r->outcomes, line);
    vmsim_report_proc_free(m, text);
}

/* Where the first `pages` pages at `at` lie, as the capturing program prints it. */
static void note_where(struct run *r, struct vmsim_machine *m, uint32_t task, const char *what) {
    static const uint64_t page = 4096;
    uint64_t at, on[64] = {0}, none = 0;
    unsigned pages;
    int skip;
    char key[128], text[200];
    int32_t status;
    if (sscanf(what, "%" SCNx64 " %u %n", &at, &pages, &skip) != 2)
        abort();
    snprintf(key, sizeof key, "where %.60s after phase %u", what + skip, r->open);
    char first[64] = "";
    size_t n = 0;
    for (unsigned i = 0; i < pages; i++) {
        const uint64_t address = at + i * page;
        const struct vmsim__move_pages ask = {1, &address, NULL, &status, true, 0};
        vmsim__mm_move_pages(vmsim__task_at(m, task)->mm, &ask, 0, vmsim__task_at(m, task)->cpu);
        if (status >= 0)
            on[status]++;
        else
            none++;
        if (i < 16)
            n += (size_t)snprintf(first + n, sizeof first - n, " %d", status);
    }
    n = (size_t)snprintf(text, sizeof text, "n=%u", pages);
    for (unsigned i = 0; i < 64; i++)
        n += on[i] ? (size_t)snprintf(text + n, sizeof text - n, " N%u=%" PRIu64, i, on[i]) : 0;
    snprintf(text + n, sizeof text - n, " none=%" PRIu64 " first16:%s", none, first);
    outcome_add(&r->outcomes, key, text);
}

/* "PATH TITLE": the files of a cgroup, as the capturing program prints them. */
static void note_group(struct run *r, const struct vmsim_machine *m, const char *what) {
    static const char *const files[] = {"memory.current", "memory.peak", "memory.swap.current", "memory.events",
                                        "memory.stat"};
    char path[64], text[8192];
    int skip;
    if (sscanf(what, "%63s %n", path, &skip) != 1)
        abort();
    r->looks++;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (vmsim_cgroup_read(m, path, files[i], text, sizeof text) < 0)
            continue;
        for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n')
            facts_read_group(&r->groups, r->looks, what + skip, files[i], line);
    }
}

/* Is it the newest task that a step called so? */
static const struct vmsim__task *newest_called(const struct vmsim_machine *m, const char *name) {
    for (size_t i = m->tasks.count; i-- > 0;) {
        const struct vmsim__task *t = m->tasks.at[i];
        if (!strncmp(t->name, name, strlen(name)) && (!t->name[strlen(name)] || t->name[strlen(name)] == '#'))
            return t;
    }
    abort();
}

static void note_oom_score(struct run *r, struct vmsim_machine *m, const char *name) {
    char path[64], key[64], score[16];
    const char *text;
    snprintf(path, sizeof path, "proc/%u/oom_score", newest_called(m, name)->id + 1);
    snprintf(key, sizeof key, "oom_score of %.8s before phase %u", name, r->open + 1);
    if (vmsim_report_proc_file(m, path, &text, NULL))
        abort();
    snprintf(score, sizeof score, "%.*s", (int)strcspn(text, "\n"), text);
    outcome_add(&r->outcomes, key, score);
    vmsim_report_proc_free(m, text);
}

static void note_signal_of(struct run *r, const struct vmsim_machine *m, const char *name) {
    char key[64], text[16];
    const int32_t code = newest_called(m, name)->exit_code;
    snprintf(key, sizeof key, "signal after phase %u", r->open);
    snprintf(text, sizeof text, "%d", code < 0 ? -code : 0);
    outcome_add(&r->outcomes, key, text);
}

/* Those of "ABCH" that have died since the last time, as digits from 1 in the order of their deaths. */
static void note_order(struct run *r, const struct vmsim_machine *m, const char *names) {
    char key[64], order[16] = "";
    uint64_t after = 0;
    for (size_t n = 0; names[n]; n++) { /* the next to die after `after`, ties by number */
        const struct vmsim__task *next = NULL;
        for (size_t i = r->earlier; i < m->tasks.count; i++) {
            const struct vmsim__task *t = m->tasks.at[i];
            const uint64_t place = t->end_ns << 8 | (uint64_t)(i - r->earlier);
            if (t->state == VMSIM__TASK_DEAD && strchr(names, *t->name) && place >= after &&
                (!next || t->end_ns < next->end_ns))
                next = t;
        }
        if (!next)
            break;
        after = (next->end_ns << 8 | (next->id - r->earlier)) + 1;
        order[n] = (char)('1' + (strchr(names, *next->name) - names));
    }
    snprintf(key, sizeof key, "order of deaths in phase %u", r->open);
    outcome_add(&r->outcomes, key, order);
    r->earlier = (uint32_t)m->tasks.count;
}

/* boost, min and high of each zone that has pages. */
static void note_zones(struct run *r, struct vmsim_machine *m) {
    static struct facts zones;
    const char *text;
    zones.count = 0;
    if (vmsim_report_proc_file(m, "proc/zoneinfo", &text, NULL))
        abort();
    facts_read_zoneinfo(&zones, text);
    vmsim_report_proc_free(m, text);
    for (size_t i = 0; i < zones.count; i++) {
        const char *word = strrchr(zones.at[i].name, '.') + 1;
        char key[FACT_NAME + 8], value[24];
        snprintf(key, sizeof key, "zone %s", zones.at[i].name + 5);
        snprintf(value, sizeof value, "%" PRId64, zones.at[i].value);
        if (!strcmp(word, "boost") || !strcmp(word, "min"))
            outcome_add(&r->outcomes, key, value);
    }
    for (unsigned i = 0; i < m->mem->nr_zones; i++) { /* the reader of facts leaves "high" to the per-CPU lists */
        const struct vmsim__zone *z = &m->mem->zones[i];
        static const char *const names[] = {"DMA", "DMA32", "Normal", "HighMem", "Movable", "Device"};
        char key[64], value[24];
        snprintf(key, sizeof key, "zone N%u.%s.high", z->node, names[z->type]);
        snprintf(value, sizeof value, "%" PRIu64, (uint64_t)vmsim__zone_wmark(z, VMSIM__WMARK_HIGH));
        outcome_add(&r->outcomes, key, value);
    }
}

/* The line of numa_maps of the mapping at 1 TiB. */
static void note_numa_maps(struct run *r, struct vmsim_machine *m, uint32_t task) {
    char path[64], key[64], found[200] = "";
    const char *text;
    snprintf(path, sizeof path, "proc/%u/numa_maps", task + 1);
    snprintf(key, sizeof key, "numa_maps after phase %u", r->open);
    if (vmsim_report_proc_file(m, path, &text, NULL))
        abort();
    for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
        if (!strncmp(line, "10000000000 ", 12))
            snprintf(found, sizeof found, "%.*s", (int)strcspn(line, "\n"), line);
    }
    outcome_add(&r->outcomes, key, found);
    vmsim_report_proc_free(m, text);
}

static void note_pool(struct run *r, const struct vmsim__mem *mem, const char *when) {
    const unsigned h = mem->default_hstate;
    const uint64_t pages[] = {vmsim__hugetlb_total(mem, h, VMSIM__MAX_NODES),
                              vmsim__hugetlb_free(mem, h, VMSIM__MAX_NODES), mem->hstate[h].reserved,
                              vmsim__hugetlb_surplus(mem, h, VMSIM__MAX_NODES)};
    outcome_pool(&r->outcomes, when, pages);
}

/* Did the task catch a signal since the last time? */
static void note_signal(struct run *r, struct vmsim_machine *m, uint32_t task, const char *key) {
    const uint64_t now = vmsim__task_at(m, task)->stats.signals;
    outcome_add(&r->outcomes, key, now > r->signals ? "SIGBUS" : "none");
    r->signals = now;
}

static void at_result(void *context, int64_t result) {
    struct run *r = context;
    char text[32] = "ok";
    if (result < 0)
        snprintf(text, sizeof text, "errno %" PRId64, -result);
    if (*r->result_of)
        outcome_add(&r->outcomes, r->result_of, text);
    *r->result_of = '\0';
}

/* "program WHAT": what the capturing program does by itself; "program runs ADDRESS", "program reads ADDRESS",
 * "program writes ADDRESS BYTES": its code, its variables or its stack. False: no such marker. */
static bool at_program(struct vmsim_machine *m, const char *what, uint32_t task) {
    static const struct {
        const char *name;
        void (*run)(struct vmsim_machine *, uint32_t);
    } parts[] = {{"boot", capturer_boot},       {"workload", capturer_workload}, {"forks", capturer_forks},
                 {"resumes", capturer_resumes}, {"sleeps", capturer_sleeps},     {"forked", capturer_forked},
                 {"prints", capturer_prints},   {"formats", capturer_formats}};
    uint64_t at, bytes;
    if (sscanf(what, "writes %" SCNx64 " %" SCNu64, &at, &bytes) == 2) {
        capturer_writes(m, task, at, bytes);
        return true;
    }
    if (sscanf(what, "runs %" SCNx64, &at) == 1) {
        capturer_runs(m, task, at);
        return true;
    }
    if (sscanf(what, "reads %" SCNx64, &at) == 1) {
        capturer_reads(m, task, at);
        return true;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strcmp(what, parts[i].name)) {
            parts[i].run(m, task);
            return true;
        }
    }
    return false;
}

/* A child looks at its faults twice in a phase, before and after what it does; one that does not is judged as a whole
 * by its parent, once it has ended. */
static void at_usage(struct run *r, struct vmsim_machine *m, uint32_t task) {
    int64_t faults = (int64_t)vmsim__task_at(m, task)->stats.min_flt;
    r->child_flt = r->child_flt < 0 ? r->child_flt + faults : -faults;
}

static void note_child(struct run *r, struct vmsim_machine *m, uint32_t task, struct facts *end) {
    const struct vmsim__task *last = vmsim__task_at(m, (uint32_t)m->tasks.count - 1);
    if (last->parent == task)
        fact_add(end, "rusage.child_minflt",
                 last->state == VMSIM__TASK_DEAD ? (int64_t)last->stats.min_flt : r->child_flt);
    r->child_flt = 0;
}

static int64_t unused(const struct vmsim__mem *mem, const struct vmsim__zone *z) {
    return z->stat[VMSIM__NR_FREE_PAGES] + (int64_t)vmsim__zone_pcp_count(mem, z);
}

static vmsim__pfn take(struct vmsim__mem *mem, const struct vmsim__zone *z, unsigned order, unsigned cpu) {
    static const uint32_t gfp[VMSIM__ZONE_TYPES] = {[VMSIM__ZONE_DMA] = VMSIM__GFP_DMA,
                                                    [VMSIM__ZONE_DMA32] = VMSIM__GFP_DMA32,
                                                    [VMSIM__ZONE_HIGHMEM] = VMSIM__GFP_HIGHMEM};
    const uint64_t node = UINT64_C(1) << z->node;
    const struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_NOWAIT | gfp[z->type],
                                            .order = (uint8_t)order,
                                            .cpu = (uint16_t)cpu,
                                            .node = z->node,
                                            .nodemask = &node};
    const vmsim__pfn pfn = vmsim__mem_alloc(mem, &rq);
    if (pfn == VMSIM__PFN_NONE || vmsim__mem_zone_of(mem, pfn) != z) {
        fprintf(stderr, "no memory of the zone is left to hold\n");
        exit(2);
    }
    return pfn;
}

/* Takes what is more than `left`, in blocks too large for the lists of CPUs. */
static void hold(struct vmsim__mem *mem, const struct vmsim__zone *z, int64_t left) {
    for (unsigned order = mem->pageblock_order - 1; order > VMSIM__COSTLY_ORDER; order--) {
        while (unused(mem, z) >= left + (INT64_C(1) << order))
            take(mem, z, order, 0);
    }
}

/* The last CPU, which runs nothing of the workload, has had pages of the zone, too: its lists keep some from others. */
static void fill_lists(struct vmsim_machine *m, const struct vmsim__zone *z, int64_t left, int64_t lists) {
    enum { MOST = 1000 };
    vmsim__pfn pages[MOST];
    const unsigned cpu = m->nr_cpus - 1u;
    unsigned count = 0;
    while (cpu && (int64_t)vmsim__zone_pcp_count(m->mem, z) + count < lists && count < MOST)
        pages[count++] = take(m->mem, z, 0, cpu);
    while (count)
        vmsim_machine_free_pages(m, cpu, pages[--count], 0);
    while (cpu && unused(m->mem, z) > left)
        take(m->mem, z, 0, cpu);
}

/* The zone's free lists as the first phase began, if the capture has them. */
static bool blocks_left(const struct run *r, const struct vmsim__zone *z, int64_t *left) {
    bool told = false;
    for (unsigned order = 0; order < VMSIM__ORDERS; order++) {
        char name[FACT_NAME];
        bool found;
        snprintf(name, sizeof name, "blocks.N%u.%s.%u", z->node, z->name, order);
        left[order] = fact_get(r->before, name, &found);
        told |= found;
    }
    return told;
}

/* Drivers, slab and programs of the real boot hold memory that no file of it tells by zone: what the phases found
 * less free than it is here is the kernel's from now on. */
static void hold_as_captured(const struct run *r, struct vmsim_machine *m) {
    for (unsigned i = 0; i < m->mem->nr_zones; i++) {
        const struct vmsim__zone *z = &m->mem->zones[i];
        char name[FACT_NAME];
        bool told;
        snprintf(name, sizeof name, "zone.N%u.%s.free", z->node, z->name);
        const int64_t blocks = fact_get(r->before, name, &told);
        snprintf(name, sizeof name, "zone.N%u.%s.pcp_count", z->node, z->name);
        const int64_t lists = fact_get(r->before, name, NULL);
        int64_t left[VMSIM__ORDERS];
        if (blocks_left(r, z, left))
            captured_blocks_leave(m->mem, z, left);
        if (told) {
            hold(m->mem, z, blocks + lists);
            fill_lists(m, z, blocks + lists, lists);
        }
        for (unsigned cpu = 0; z->pcp && cpu < m->nr_cpus; cpu++) { /* long ago: nobody gives any of it back */
            z->pcp[cpu].used = false;
            z->pcp[cpu].expire = 0;
        }
    }
}

static void read_marker(struct run *r, struct vmsim_scenario *s, const char *name, uint32_t task) {
    char *rest;
    if (!strncmp(name, "cached ", 7)) {
        note_cached(r, s->machine->cache, name + 7);
        return;
    }
    if (!strncmp(name, "result ", 7)) {
        snprintf(r->result_of, sizeof r->result_of, "%s", name + 7);
        return;
    }
    if (!strncmp(name, "overcommit ", 11)) {
        capturer_overcommits(s->machine, task, (unsigned)strtoul(name + 11, NULL, 10), &r->outcomes);
        return;
    }
    if (!strncmp(name, "pool ", 5)) {
        note_pool(r, s->machine->mem, name + 5);
        return;
    }
    if (!strcmp(name, "zones")) {
        note_zones(r, s->machine);
        return;
    }
    if (!strncmp(name, "cgroup ", 7)) {
        note_group(r, s->machine, name + 7);
        return;
    }
    if (!strncmp(name, "oom_score ", 10)) {
        note_oom_score(r, s->machine, name + 10);
        return;
    }
    if (!strncmp(name, "signal of ", 10)) {
        note_signal_of(r, s->machine, name + 10);
        return;
    }
    if (!strncmp(name, "order ", 6)) {
        note_order(r, s->machine, name + 6);
        return;
    }
    if (!strncmp(name, "got ", 4)) { /* pages in the pool */
        char text[32];
        const struct vmsim__mem *mem = s->machine->mem;
        snprintf(text, sizeof text, "%" PRIu64, vmsim__hugetlb_total(mem, mem->default_hstate, VMSIM__MAX_NODES));
        outcome_add(&r->outcomes, name + 4, text);
        return;
    }
    if (!strncmp(name, "signal ", 7)) {
        note_signal(r, s->machine, task, name + 7);
        return;
    }
    if (!strncmp(name, "maps ", 5)) {
        note_maps(r, s->machine, task, name + 5);
        return;
    }
    if (!strncmp(name, "where ", 6)) {
        note_where(r, s->machine, task, name + 6);
        return;
    }
    if (!strcmp(name, "numa_maps")) {
        note_numa_maps(r, s->machine, task);
        return;
    }
    if (!strcmp(name, "usage")) {
        at_usage(r, s->machine, task);
        return;
    }
    if (!strncmp(name, "program ", 8) && at_program(s->machine, name + 8, task))
        return;
    unsigned long n = strtoul(name, &rest, 10);
    if (!n || n > PHASES_MAX)
        return;
    if (r->open && (*rest || n != r->open) && !r->spans[r->open].end) {
        r->spans[r->open].end = capturer_end(s->machine, task, r->spans[r->open].begin);
        note_child(r, s->machine, task, r->spans[r->open].end);
        if (*rest)
            return;
    }
    if (n == 1)
        hold_as_captured(r, s->machine);
    r->open = (unsigned)n;
    r->spans[n].begin = capturer_begin(s->machine, task);
}

struct marker {
    struct run *run;
    struct vmsim_scenario *s;
    const char *name;
    uint32_t task;
};
static void read_it(void *argument) {
    const struct marker *m = argument;
    read_marker(m->run, m->s, m->name, m->task);
}
static enum vmsim__work at_marker(void *context, struct vmsim_scenario *s, const char *name, uint32_t task) {
    struct marker m = {context, s, name, task};
    return visit(task, read_it, &m, sizeof m);
}

static void forget(struct run *r) {
    visits_forget();
    for (unsigned i = 0; i <= PHASES_MAX; i++) {
        free(r->spans[i].begin);
        free(r->spans[i].end);
        r->spans[i] = (struct span){0};
    }
    r->open = 0;
    free(r->outcomes.at);
    r->outcomes = (struct outcomes){0};
    r->groups.count = 0;
    r->signals = r->looks = r->earlier = 0;
}

/* ---- running a described program ---- */

static bool run_scenario(struct run *r, struct vmsim_config *c) {
    struct vmsim_scenario *s;
    if (vmsim_scenario_create(c, &s))
        return conformance_refused(c);
    s->on_marker = at_marker;
    s->on_result = at_result;
    s->on_context = r;
    bool ok = !vmsim_scenario_run(s, NULL, NULL);
    if (!ok)
        fprintf(stderr, "%s/%s: %s\n", r->shape, r->workload, vmsim_scenario_error(s));
    for (size_t i = 0; !r->outcomes.count && vmsim_scenario_step_failure(s, i); i++)
        fprintf(stderr, "%s/%s: %s\n", r->shape, r->workload, vmsim_scenario_step_failure(s, i));
    if (ok && vmsim_machine_check(s->machine))
        fprintf(stderr, "%s/%s: %s\n", r->shape, r->workload, vmsim_machine_error(s->machine));
    vmsim_scenario_destroy(s);
    return ok;
}

/* The capturing program wrote lru_gen/enabled before it began; the files of the boot are older. */
static bool choose_lru(const struct run *r, struct vmsim_config *c) {
    const bool generations = strstr(r->shape, "_mglru"), lists = strstr(r->shape, "_lru");
    char text[64];
    snprintf(text, sizeof text, "machine: {sysctl: {lru_gen/enabled: %s}}\n", generations ? "y" : "n");
    return (!generations && !lists) || !vmsim_config_load_text(c, "lru_gen", text, strlen(text));
}

/* The imported machine of the shape under the described program of the workload. */
static bool run_described(struct run *r, const char *yaml, const struct capture_phases *capture) {
    struct vmsim_config *c;
    char *text = phases_text(yaml, capture, r->ram_pages, phases_space_of(r->kernel));
    if (vmsim_config_create(&c))
        abort();
    bool ok = text && !vmsim_config_load_file(c, r->imported) && choose_lru(r, c) &&
              !vmsim_config_load_text(c, yaml, text, strlen(text)) && !vmsim_config_resolve(c);
    ok = ok ? run_scenario(r, c) : conformance_refused(c);
    vmsim_config_destroy(c);
    free(text);
    return ok;
}

/* MemTotal, in pages. */
static void read_ram(struct run *r, const char *folder) {
    char path[4200], line[256];
    unsigned long long kb;
    snprintf(path, sizeof path, "%s/proc_meminfo.txt", folder);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "MemTotal: %llu kB", &kb) == 1)
            r->ram_pages = kb / 4;
    }
    if (f)
        fclose(f);
}

/* Imports the machine on which the shape's workloads ran. */
static bool import_machine(struct run *r) {
    char folder[4096], why[512];
    snprintf(folder, sizeof folder, "%.3000s/%sworkloads/%s", conformance_root(), r->part, r->shape);
    read_ram(r, folder);
    if (!vmsim_host_import(folder, r->imported, NULL, why, sizeof why))
        return true;
    fprintf(stderr, "%s: %s\n", folder, why);
    return false;
}

/* ---- comparing ---- */

/* What a phase changed here; NULL: the described program has no such phase. */
static struct facts *deltas_of(const struct run *r, unsigned phase) {
    const struct span *s = &r->spans[phase];
    struct facts *d = s->begin && s->end ? calloc(1, sizeof *d) : NULL;
    if (d)
        facts_subtract(d, s->end, s->begin);
    return d;
}

static void compare_phase(struct run *r, const struct phase *p) {
    struct where w = {.kernel = r->kernel, .shape = r->shape, .workload = r->workload, .phase = p->number};
    struct facts *ours = p->number <= PHASES_MAX ? deltas_of(r, p->number) : NULL;
    if (!ours) {
        print_missing(&r->tally, r->rules, &w, "the described program has no such phase");
        return;
    }
    compare_facts(&r->tally, r->rules, &w, p->deltas, p->again, ours);
    free(ours);
}

static void compare_workload(struct run *r, const struct capture_phases *c) {
    struct where w = {.kernel = r->kernel, .shape = r->shape, .workload = r->workload};
    for (size_t i = 0; i < c->count; i++)
        compare_phase(r, &c->at[i]);
    compare_facts(&r->tally, r->rules, &w, c->groups, c->groups, &r->groups);
    for (size_t i = 0; i < c->outcomes.count; i++)
        compare_outcome(&r->tally, r->rules, &w, &c->outcomes.at[i], outcome_get(&r->outcomes, c->outcomes.at[i].key));
}

static bool find_described(const struct run *r, char *path, size_t size) {
    struct stat st;
    snprintf(path, size, VMSIM_SOURCE_DIR "/tests/conformance/workloads/%s.yaml", r->workload);
    return !stat(path, &st);
}

static void run_workload(struct run *r, const char *capture) {
    char path[4096];
    struct capture_phases c;
    struct where w = {.kernel = r->kernel, .shape = r->shape, .workload = r->workload};
    if (!capture_phases_read(capture, &c) || (!c.count && !c.outcomes.count)) {
        capture_phases_free(&c);
        return; /* a boot file, or a workload that tells other things than counters */
    }
    snprintf(path, sizeof path, "%.3000s/%sfacts/phases.tsv", conformance_root(), r->part);
    capture_phases_again(&c, path, r->shape, r->workload);
    r->before = &c.before;
    if (rules_later(r->rules, &w) || !find_described(r, path, sizeof path))
        print_missing(&r->tally, r->rules, &w, "no described program");
    else if (!run_described(r, path, &c))
        r->tally.broken++;
    else
        compare_workload(r, &c);
    forget(r);
    capture_phases_free(&c);
}

/* ---- going through the captures ---- */

/* "6.1_256M_lru" ran on kernel 6.1. */
static void name_shape(struct run *r, const char *shape) {
    snprintf(r->shape, sizeof r->shape, "%.100s", shape);
    snprintf(r->kernel, sizeof r->kernel, "%.*s", (int)strcspn(shape, "_"), shape);
}

static void run_shape(struct run *r, const char *shape, const char *only) {
    static char names[512][128];
    char path[4096];
    name_shape(r, shape);
    r->tally = (struct tally){0};
    if (!import_machine(r)) {
        r->tally.broken++;
        return;
    }
    snprintf(path, sizeof path, "%.3000s/%sworkloads/%.100s", conformance_root(), r->part, shape);
    unsigned n = conformance_list(path, names, 512);
    for (unsigned i = 0; i < n; i++) {
        char *end = strstr(names[i], ".txt");
        if (!end || end[4])
            continue;
        snprintf(path, sizeof path, "%.3000s/%sworkloads/%.100s/%.100s", conformance_root(), r->part, shape, names[i]);
        snprintf(r->workload, sizeof r->workload, "%.*s", (int)(end - names[i]), names[i]);
        if (!only || !strcmp(only, r->workload))
            run_workload(r, path);
    }
    tally_print(&r->tally, shape);
}

/* Shapes of one folder; counts workloads that broke and facts outside without a cause. */
static void run_part(struct run *r, const char *part, const char *shape, const char *workload, unsigned count[2]) {
    static char shapes[64][128];
    char path[4096];
    r->part = part;
    snprintf(path, sizeof path, "%.3000s/%sworkloads", conformance_root(), part);
    const unsigned n = conformance_list(path, shapes, 64);
    for (unsigned i = 0; i < n; i++) {
        if (shape && strcmp(shape, shapes[i]))
            continue;
        run_shape(r, shapes[i], workload);
        count[0] += r->tally.broken;
        count[1] += r->tally.outside - r->tally.caused;
    }
}

int main(int argc, char **argv) {
    static const char *const parts[] = {"", "more/", "arch/"};
    bool strict = argc > 1 && !strcmp(argv[1], "--strict");
    unsigned count[2] = {0, 0};
    argv += strict;
    argc -= strict;
    if (!conformance_have("workloads"))
        return 0;
    struct rules *rules = rules_read(VMSIM_SOURCE_DIR "/tests/conformance/phases.rules");
    if (!rules)
        return 1;
    struct run r = {.rules = rules, .imported = "/tmp/vmsim-phases-XXXXXX"};
    int fd = mkstemp(r.imported);
    if (fd < 0 || close(fd)) {
        perror(r.imported);
        return 1;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        run_part(&r, parts[i], argc > 1 ? argv[1] : NULL, argc > 2 ? argv[2] : NULL, count);
    unlink(r.imported);
    rules_free(rules);
    return count[0] || (strict && count[1]) ? 1 : 0;
}
