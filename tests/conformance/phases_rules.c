/* SPDX-License-Identifier: MIT */
/* Rules of comparison and the rows they make (see phases_rules.h).
 *
 * Rows are those of README.md. A fact that differs for a reason that a rule names stays outside and bears the reason as
 * its note. What decides between exact and range without a rule:
 *
 *     free memory       pages move to and from the per-CPU lists in batches: free + per-CPU is compared exactly, each
 *                       of the two within what a list may hold; dirty thresholds follow free memory
 *     status RSS        lags behind by batches of faults: smaps_rollup is compared exactly
 *     numbers of pages allocated and freed: where slabs grew or shrank in the phase, within their pages */
#include "phases_rules.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { RULE_UNMODELLED, RULE_LATER, RULE_CAUSE, RULE_SPREAD };
struct rule {
    enum kind kind;
    char shape[64], workload[64], facts[80], reason[256];
    unsigned first, last; /* phases */
    int64_t slack, percent;
};
struct rules {
    struct rule *at;
    size_t count;
};

/* "8-12", "8" or "*". */
static void parse_phases(const char *text, struct rule *r) {
    if (sscanf(text, "%u-%u", &r->first, &r->last) == 1)
        r->last = r->first;
}

static bool parse_rule(const char *line, struct rule *r) {
    char phases[24];
    long long slack, percent;
    *r = (struct rule){.last = UINT32_MAX};
    if (sscanf(line, "unmodelled %63s %79s %255[^\n]", r->shape, r->facts, r->reason) == 3) {
        r->kind = RULE_UNMODELLED;
    } else if (sscanf(line, "later %63s %63s %23s %255[^\n]", r->shape, r->workload, phases, r->reason) == 4) {
        r->kind = RULE_LATER;
        parse_phases(phases, r);
    } else if (sscanf(line, "cause %63s %63s %23s %79s %lld %255[^\n]", r->shape, r->workload, phases, r->facts, &slack,
                      r->reason) == 6) {
        r->kind = RULE_CAUSE;
        r->slack = slack;
        parse_phases(phases, r);
    } else if (sscanf(line, "spread %63s %63s %23s %79s %lld %lld %255[^\n]", r->shape, r->workload, phases, r->facts,
                      &percent, &slack, r->reason) == 7) {
        r->kind = RULE_SPREAD;
        r->percent = percent;
        r->slack = slack;
        parse_phases(phases, r);
    } else {
        return false;
    }
    return true;
}

struct rules *rules_read(const char *path) {
    char line[1024];
    FILE *f = fopen(path, "r");
    struct rules *rules = calloc(1, sizeof *rules);
    if (!f || !rules) {
        fprintf(stderr, "cannot read %s\n", path);
        free(rules);
        return NULL;
    }
    for (unsigned number = 1; fgets(line, sizeof line, f); number++) {
        struct rule r;
        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (!parse_rule(line, &r)) {
            fprintf(stderr, "%s:%u: not a rule: %s", path, number, line);
            exit(2);
        }
        rules->at = realloc(rules->at, (rules->count + 1) * sizeof *rules->at);
        if (!rules->at)
            abort();
        rules->at[rules->count++] = r;
    }
    fclose(f);
    return rules;
}

void rules_free(struct rules *r) {
    free(r->at);
    free(r);
}

/* Is the name one of the globs between commas? */
static bool in_list(const char *list, const char *name) {
    char glob[64];
    for (; *list; list += strcspn(list, ","), list += *list == ',') {
        snprintf(glob, sizeof glob, "%.*s", (int)strcspn(list, ","), list);
        if (!fnmatch(glob, name, 0))
            return true;
    }
    return false;
}

/* The first rule of the kind for this place, fact (name NULL: any) and difference. */
static const struct rule *find_within(const struct rules *r, enum kind kind, const struct where *w, const char *name,
                                      int64_t difference) {
    for (size_t i = 0; i < r->count; i++) {
        const struct rule *rule = &r->at[i];
        if (rule->kind != kind || (*rule->shape && fnmatch(rule->shape, w->shape, 0)) ||
            (*rule->workload && !in_list(rule->workload, w->workload)) || w->phase < rule->first ||
            w->phase > rule->last || rule->slack < difference)
            continue;
        if (!name || !fnmatch(rule->facts, name, 0))
            return rule;
    }
    return NULL;
}

static const struct rule *find(const struct rules *r, enum kind kind, const struct where *w, const char *name) {
    return find_within(r, kind, w, name, 0);
}

bool rules_later(const struct rules *r, const struct where *w) {
    return find(r, RULE_LATER, w, NULL) != NULL;
}

/* ---- what a fact may be ---- */

struct verdict {
    const char *class, *note;
    int64_t low, high;
};

static bool ends(const char *name, const char *with) {
    size_t n = strlen(name), k = strlen(with);
    return n >= k && !strcmp(name + n - k, with);
}

/* Pages that the slab allocator took (positive) or gave back in the phase, and pages of kernel stacks. */
static int64_t slab_pages(const struct facts *d) {
    return fact_get(d, "vmstat.nr_slab_reclaimable", NULL) + fact_get(d, "vmstat.nr_slab_unreclaimable", NULL) +
           fact_get(d, "vmstat.nr_kernel_stack", NULL) / 4;
}

static struct verdict around(int64_t expected, int64_t below, int64_t above, const char *note) {
    return (struct verdict){.class = "range", .note = note, .low = expected - below, .high = expected + above};
}

#define LIST_PAGES INT64_C(1024) /* a per-CPU list and a batch of huge pages, in either direction */
#define LAG_KB INT64_C(504)      /* 63 faults of 4 kB, before and after */

static struct verdict judge(const char *name, int64_t expected, const struct facts *linux_delta) {
    int64_t slab = llabs(slab_pages(linux_delta));
    if (!strcmp(name, "vmstat.nr_free_pages") || ends(name, ".free") || ends(name, ".pcp_count"))
        return around(expected, LIST_PAGES, LIST_PAGES, "moves in batches; free + per-CPU is compared exactly");
    if (!strcmp(name, "meminfo_kB.MemFree") || !strcmp(name, "meminfo_kB.MemAvailable") ||
        !strcmp(name, "meminfo_kB.HighFree") || !strcmp(name, "meminfo_kB.LowFree"))
        return around(expected, LIST_PAGES * 4, LIST_PAGES * 4, "moves in batches");
    if (strstr(name, "nr_dirty_threshold") || strstr(name, "nr_dirty_background_threshold"))
        return around(expected, LIST_PAGES / 5 + 1, LIST_PAGES / 5 + 1, "follows free memory");
    if (!strncmp(name, "status_kB.Rss", 13) || !strcmp(name, "status_kB.VmRSS") || !strcmp(name, "status_kB.VmHWM"))
        return around(expected, LAG_KB * 2, LAG_KB * 2, "lags; smaps_rollup is compared exactly");
    bool counts_pages = strstr(name, "numa_hit") || strstr(name, "numa_local") || strstr(name, "pgalloc_") ||
                        !strcmp(name, "vmstat.pgfree") || strstr(name, "numa_other") || ends(name, ".free+pcp");
    if (slab && counts_pages)
        return around(expected, slab, slab, "slab pages and kernel stacks of the phase are in it");
    return (struct verdict){.class = "exact", .note = "", .low = expected, .high = expected};
}

/* free + pcp of each zone, from the two facts. */
static void add_sums(struct facts *f) {
    for (size_t i = 0, n = f->count; i < n; i++) {
        char name[FACT_NAME];
        const char *fact = f->at[i].name;
        int cut = ends(fact, ".free") ? 5 : ends(fact, ".pcp_count") ? 10 : 0;
        if (!cut)
            continue;
        snprintf(name, sizeof name, "%.*s.free+pcp", (int)(strlen(fact) - (size_t)cut), fact);
        fact_add(f, name, f->at[i].value);
    }
}

/* ---- rows ---- */

static void row(const struct where *w, const char *name, int64_t expected, const struct verdict *v, int64_t got) {
    printf("workloads\t%s\t%s\t%s/%u\t%s\t%" PRId64, w->kernel, w->shape, w->workload, w->phase, name, expected);
    if (!strcmp(v->class, "range"))
        printf("\t%" PRId64 "\t%" PRId64 "\t%" PRId64, v->low, v->high, got);
    else if (!strcmp(v->class, "exact"))
        printf("\t-\t-\t%" PRId64, got);
    else
        printf("\t-\t-\t-");
    printf("\t%s\t%s\n", v->class, v->note);
}

void print_missing(struct tally *t, const struct rules *r, const struct where *w, const char *fallback) {
    const struct rule *rule = find(r, RULE_LATER, w, NULL);
    struct verdict v = {.class = "not-modelled", .note = rule ? rule->reason : fallback};
    row(w, w->phase ? "phase" : "workload", 0, &v, 0);
    t->missing++;
}

/* As far apart as further boots of Linux may be. */
static void spread(struct verdict *v, const struct rules *r, const struct where *w, const char *name,
                   int64_t expected) {
    const struct rule *rule = find_within(r, RULE_SPREAD, w, name, INT64_MIN);
    if (!rule)
        return;
    const int64_t by = llabs(expected) * rule->percent / 100 + rule->slack;
    *v = (struct verdict){.class = "range", .note = rule->reason, .low = expected - by, .high = expected + by};
}

/* Two boots of Linux that differ span a range. */
static void widen(struct verdict *v, int64_t expected, int64_t again) {
    if (expected == again)
        return;
    if (!strcmp(v->class, "exact")) {
        v->class = "range";
        v->note = "two boots of Linux differ";
    }
    int64_t by = again - expected;
    v->low += by < 0 ? by : 0;
    v->high += by > 0 ? by : 0;
}

static void compare_one(struct tally *t, const struct rules *r, const struct where *w, const struct facts *linux_delta,
                        const char *name, int64_t expected, int64_t again, int64_t got) {
    struct verdict v = judge(name, expected, linux_delta);
    const struct rule *rule = find(r, RULE_UNMODELLED, w, name);
    rule = rule ? rule : find(r, RULE_LATER, w, NULL);
    spread(&v, r, w, name, expected);
    widen(&v, expected, again);
    bool inside = got >= v.low && got <= v.high;
    t->facts++;
    if (rule) {
        v.class = "not-modelled";
        v.note = rule->reason;
        t->missing++;
    } else if (!inside && (rule = find_within(r, RULE_CAUSE, w, name, llabs(got - expected)))) {
        v.note = rule->reason;
        t->caused++;
        t->outside++;
    } else {
        t->exact += inside && got == expected;
        t->inside += inside && got != expected;
        t->outside += !inside;
    }
    row(w, name, expected, &v, got);
}

void compare_facts(struct tally *t, const struct rules *r, const struct where *w, const struct facts *linux_delta,
                   const struct facts *linux_again, const struct facts *ours) {
    static struct facts real, second, simulated;
    real = *linux_delta;
    second = *linux_again;
    add_sums(&second);
    simulated = *ours;
    add_sums(&real);
    add_sums(&simulated);
    for (size_t i = 0; i < real.count; i++) {
        int64_t got = fact_get(&simulated, real.at[i].name, NULL);
        if (real.at[i].value || got || !strncmp(real.at[i].name, "rusage.m", 8))
            compare_one(t, r, w, linux_delta, real.at[i].name, real.at[i].value,
                        fact_get(&second, real.at[i].name, NULL), got);
    }
    for (size_t i = 0; i < simulated.count; i++) {
        bool known;
        fact_get(&real, simulated.at[i].name, &known);
        if (!known && simulated.at[i].value && strcmp(simulated.at[i].name, "rusage.child_minflt"))
            compare_one(t, r, w, linux_delta, simulated.at[i].name, 0, fact_get(&second, simulated.at[i].name, NULL),
                        simulated.at[i].value);
    }
}

void compare_outcome(struct tally *t, const struct rules *r, const struct where *w, const struct outcome *real,
                     const char *got) {
    char name[120], text[400];
    const struct rule *rule = NULL;
    bool same = got && !strcmp(got, real->text);
    snprintf(name, sizeof name, "outcome.%.96s", real->key);
    for (char *c = strcpy(text, name); *c; c++) /* globs have no blanks */
        *c = *c == ' ' ? '_' : *c;
    t->facts++;
    if (!same)
        rule = find(r, got ? RULE_CAUSE : RULE_UNMODELLED, w, text);
    printf("workloads\t%s\t%s\t%s/outcome\t%s\t%s\t-\t-\t%s\t%s\t%s\n", w->kernel, w->shape, w->workload, real->key,
           real->text, got ? got : "-", got ? "exact" : "not-modelled",
           rule  ? rule->reason
           : got ? ""
                 : "no step of a described program does this");
    t->missing += !got;
    t->exact += same;
    t->outside += got && !same;
    t->caused += got && rule;
}

void tally_print(const struct tally *t, const char *shape) {
    fprintf(stderr, "%-20s facts %5u  exact %5u  in range %5u  outside %4u (cause named %4u)  not modelled %4u\n",
            shape, t->facts, t->exact, t->inside, t->outside, t->caused, t->missing);
}
