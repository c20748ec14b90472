/* SPDX-License-Identifier: MIT */
/* Captured micro-workloads against the same workloads as described programs: every counter of every phase.
 *
 *     phases [--strict] [SHAPE [WORKLOAD]]  >  rows.tsv      --strict: fails on facts outside without a named cause
 *
 *     CAPTURES/workloads/SHAPE/NAME.txt --- phases of facts -------------------------.
 *     workloads/NAME.yaml -- run on the machine of SHAPE -- /proc at each marker -----+-- phases.rules --> a row a fact
 *
 * A described program sets marker "N" where phase N begins and "N end" where it ends (absent: where the next one
 * begins). At each marker the same files that the capturing program read are rendered from the simulated machine and
 * read in the same way, so the texts of /proc are judged, too. A capture without a described program gives one row, of
 * class not-modelled, with the reason from RULES. Rows go to stdout, a summary a shape to stderr. */
#include <unistd.h>

#include "cache/cache.h"
#include "config/config.h"
#include "conformance.h"
#include "phases_facts.h"
#include "phases_rules.h"
#include "scenario/engine.h"
#include "vmsim/host.h"
#include "vmsim/report.h"

#define PHASES_MAX 64

struct span {
    struct facts *begin, *end;
};

struct run {
    const struct rules *rules;
    char shape[128], kernel[16], workload[64];
    char imported[64]; /* machine description of the shape */
    struct span spans[PHASES_MAX + 1];
    unsigned open; /* phase whose end is still to come, or 0 */
    struct outcomes outcomes;
    char result_of[96]; /* key of the next step's result, or "" */
    uint64_t child_flt; /* of the last child, at the last marker */
    struct tally tally;
};

/* ---- what the simulated machine says ---- */

static void read_file(struct vmsim_machine *m, const char *path,
                      void (*read)(struct facts *, const char *, const char *), struct facts *f, const char *prefix) {
    const char *text;
    if (vmsim_report_proc_file(m, path, &text, NULL)) {
        fprintf(stderr, "%s\n", vmsim_machine_error(m));
        exit(2);
    }
    read(f, prefix, text);
    vmsim_report_proc_free(m, text);
}

static void read_lines(struct facts *f, const char *prefix, const char *text) {
    facts_read_lines(f, prefix, text, NULL);
}
static void read_status(struct facts *f, const char *prefix, const char *text) {
    static const char *const only[] = {"Vm", "Rss", "Huge", NULL};
    facts_read_lines(f, prefix, text, only);
}
static void read_zones(struct facts *f, const char *prefix, const char *text) {
    (void)prefix;
    facts_read_zoneinfo(f, text);
}

static struct facts *look(struct vmsim_machine *m, uint32_t task) {
    struct facts *f = calloc(1, sizeof *f);
    char path[64];
    if (!f)
        abort();
    read_file(m, "proc/vmstat", read_lines, f, "vmstat");
    read_file(m, "proc/meminfo", read_lines, f, "meminfo_kB");
    read_file(m, "proc/zoneinfo", read_zones, f, "zone");
    snprintf(path, sizeof path, "proc/%u/status", task + 1);
    read_file(m, path, read_status, f, "status_kB");
    snprintf(path, sizeof path, "proc/%u/smaps_rollup", task + 1);
    read_file(m, path, read_lines, f, "rollup_kB");
    const struct vmsim__task *t = vmsim__task_at(m, task);
    fact_add(f, "rusage.minflt", (int64_t)t->stats.min_flt);
    fact_add(f, "rusage.majflt", (int64_t)t->stats.maj_flt);
    const struct vmsim__task *last = vmsim__task_at(m, (uint32_t)m->tasks.count - 1);
    if (last != t && last->parent == task)
        fact_add(f, "rusage.child_minflt", (int64_t)last->stats.min_flt);
    return f;
}

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

static void at_result(void *context, int64_t result) {
    struct run *r = context;
    char text[32] = "ok";
    if (result < 0)
        snprintf(text, sizeof text, "errno %" PRId64, -result);
    if (*r->result_of)
        outcome_add(&r->outcomes, r->result_of, text);
    *r->result_of = '\0';
}

static void at_marker(void *context, struct vmsim_scenario *s, const char *name, uint32_t task) {
    struct run *r = context;
    char *rest;
    if (!strncmp(name, "cached ", 7)) {
        note_cached(r, s->machine->cache, name + 7);
        return;
    }
    if (!strncmp(name, "result ", 7)) {
        snprintf(r->result_of, sizeof r->result_of, "%s", name + 7);
        return;
    }
    unsigned long n = strtoul(name, &rest, 10);
    if (!n || n > PHASES_MAX)
        return;
    vmsim__lru_drain_all(s->machine->cache);
    struct facts *now = look(s->machine, task);
    if (r->open && (*rest || n != r->open) && !r->spans[r->open].end) {
        r->spans[r->open].end = now;
        if (*rest)
            return;
        now = look(s->machine, task);
    }
    r->open = (unsigned)n;
    r->spans[n].begin = now;
}

static void forget(struct run *r) {
    for (unsigned i = 0; i <= PHASES_MAX; i++) {
        free(r->spans[i].begin);
        free(r->spans[i].end);
        r->spans[i] = (struct span){0};
    }
    r->open = 0;
    free(r->outcomes.at);
    r->outcomes = (struct outcomes){0};
}

/* ---- running a described program ---- */

static bool config_failed(struct vmsim_config *c) {
    for (size_t i = 0; i < vmsim_config_error_count(c); i++)
        fprintf(stderr, "%s\n", vmsim_config_error_text(c, i));
    return false;
}

static bool run_scenario(struct run *r, struct vmsim_config *c) {
    struct vmsim_scenario *s;
    if (vmsim_scenario_create(c, &s))
        return config_failed(c);
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

/* The imported machine of the shape under the described program of the workload; huge pages are off as they were. */
static bool run_described(struct run *r, const char *yaml) {
    struct vmsim_config *c;
    if (vmsim_config_create(&c))
        abort();
    bool ok = !vmsim_config_load_file(c, r->imported) && !vmsim_config_load_file(c, yaml) &&
              !vmsim_config_set(c, "machine.transparent_hugepage=never") && !vmsim_config_resolve(c);
    ok = ok ? run_scenario(r, c) : config_failed(c);
    vmsim_config_destroy(c);
    return ok;
}

/* Imports the machine on which the shape's workloads ran. */
static bool import_machine(struct run *r) {
    char folder[4096], why[512];
    snprintf(folder, sizeof folder, "%s/workloads/%s", conformance_root(), r->shape);
    if (!vmsim_host_import(folder, r->imported, NULL, why, sizeof why))
        return true;
    fprintf(stderr, "%s: %s\n", folder, why);
    return false;
}

/* ---- comparing ---- */

static struct phase *phase_numbered(const struct capture_phases *c, unsigned number) {
    for (size_t i = 0; i < c->count; i++) {
        if (c->at[i].number == number)
            return &c->at[i];
    }
    return NULL;
}

/* What a phase changed here; NULL: the described program has no such phase. */
static struct facts *deltas_of(const struct run *r, unsigned phase) {
    const struct span *s = &r->spans[phase];
    struct facts *d = s->begin && s->end ? calloc(1, sizeof *d) : NULL;
    if (d)
        facts_subtract(d, s->end, s->begin);
    return d;
}

static void compare_phase(struct run *r, const struct capture_phases *c, const struct phase *p) {
    static struct facts linux_delta, linux_again, our_delta;
    struct where w = {.kernel = r->kernel, .shape = r->shape, .workload = r->workload, .phase = p->number};
    struct facts *ours = p->number <= PHASES_MAX ? deltas_of(r, p->number) : NULL;
    if (!ours) {
        print_missing(&r->tally, r->rules, &w, "the described program has no such phase");
        return;
    }
    const struct phase *base = NULL;
    struct facts *our_base = NULL;
    unsigned baseline = rules_baseline(r->rules, &w);
    if (baseline && (base = phase_numbered(c, baseline)))
        our_base = deltas_of(r, baseline);
    if (our_base) {
        facts_subtract(&linux_delta, p->deltas, base->deltas);
        facts_subtract(&linux_again, p->again, base->again);
        facts_subtract(&our_delta, ours, our_base);
    } else {
        linux_delta = *p->deltas;
        linux_again = *p->again;
        our_delta = *ours;
    }
    compare_facts(&r->tally, r->rules, &w, &linux_delta, &linux_again, &our_delta);
    free(ours);
    free(our_base);
}

static void compare_workload(struct run *r, const struct capture_phases *c) {
    struct where w = {.kernel = r->kernel, .shape = r->shape, .workload = r->workload};
    for (size_t i = 0; i < c->count; i++)
        compare_phase(r, c, &c->at[i]);
    for (size_t i = 0; i < c->outcomes.count; i++)
        compare_outcome(&r->tally, r->rules, &w, &c->outcomes.at[i], outcome_get(&r->outcomes, c->outcomes.at[i].key));
}

/* workloads/NAME.SHAPE.yaml, else workloads/NAME.yaml. */
static bool find_described(const struct run *r, char *path, size_t size) {
    static const char folder[] = VMSIM_SOURCE_DIR "/tests/conformance/workloads";
    struct stat st;
    snprintf(path, size, "%s/%s.%s.yaml", folder, r->workload, r->shape);
    if (!stat(path, &st))
        return true;
    snprintf(path, size, "%s/%s.yaml", folder, r->workload);
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
    snprintf(path, sizeof path, "%s/facts/phases.tsv", conformance_root());
    capture_phases_again(&c, path, r->shape, r->workload);
    if (rules_later(r->rules, &w) || !find_described(r, path, sizeof path))
        print_missing(&r->tally, r->rules, &w, "no described program");
    else if (!run_described(r, path))
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
    snprintf(path, sizeof path, "%s/workloads/%.100s", conformance_root(), shape);
    unsigned n = conformance_list(path, names, 512);
    for (unsigned i = 0; i < n; i++) {
        char *end = strstr(names[i], ".txt");
        if (!end || end[4])
            continue;
        snprintf(path, sizeof path, "%s/workloads/%.100s/%.100s", conformance_root(), shape, names[i]);
        snprintf(r->workload, sizeof r->workload, "%.*s", (int)(end - names[i]), names[i]);
        if (!only || !strcmp(only, r->workload))
            run_workload(r, path);
    }
    tally_print(&r->tally, shape);
}

int main(int argc, char **argv) {
    static char shapes[64][128];
    char path[4096];
    bool strict = argc > 1 && !strcmp(argv[1], "--strict");
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
    snprintf(path, sizeof path, "%s/workloads", conformance_root());
    unsigned n = conformance_list(path, shapes, 64), broken = 0, unexplained = 0;
    for (unsigned i = 0; i < n; i++) {
        if (argc > 1 && strcmp(argv[1], shapes[i]))
            continue;
        run_shape(&r, shapes[i], argc > 2 ? argv[2] : NULL);
        broken += r.tally.broken;
        unexplained += r.tally.outside - r.tally.caused;
    }
    unlink(r.imported);
    rules_free(rules);
    return broken || (strict && unexplained) ? 1 : 0;
}
