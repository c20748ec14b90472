/* SPDX-License-Identifier: MIT */
/* What cost most in a run, in words (see explain_whole.h).
 *
 * The time of each task is cut into costs that do not overlap; the largest of all tasks are told with what is known of
 * their reasons. What a task slept, or waited for another, is no cost: the other's costs stand beside it. */
#include "cli/explain_whole.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "vmsim/vmsim.h"

enum { /* the first are the waits that cost, by their numbers */
       COST_OWN = EXPLAIN_SLEEP,
       COST_CALLS,
       COST_FAULTS,
       COST_RECLAIM,
       COST_READY,
       COST_KINDS
};

#define SHARE_LEAST 1.0 /* percent: what is less is summed up in a line */
#define COSTS_TOLD 10u
#define TASKS_TOLD 3u /* of those who had the CPUs */

/* What one task spent on one kind of cost: the rows of the answer, once sorted. */
struct cost {
    uint64_t ns;
    uint32_t task;
    unsigned kind;
};

struct telling {
    FILE *out;
    const struct explain_names *names;
    const struct explain_sums *sums;
    uint64_t total; /* ns: of all costs */
    struct cost *cost;
    size_t count;
};

/* Events alone may be explained, from a file, without a machine: then there are no counters, and what comes from them
 * is left out. */
static uint64_t counter(const struct telling *t, const char *name) {
    size_t id;
    if (!t->names->machine || vmsim_counter_find(t->names->machine, name, &id))
        return 0;
    return vmsim_counter_read(t->names->machine, id);
}

static uint64_t task_counter(const struct telling *t, uint32_t task, const char *what) {
    char name[320];
    snprintf(name, sizeof name, "tasks.%s.%s", explain_name(t->names, task), what);
    return counter(t, name);
}

/* Differences of sums that were cut at different moments may be below 0 by a little; such a cost is none. */
static uint64_t less(uint64_t a, uint64_t b) {
    return a > b ? a - b : 0;
}

static double share(uint64_t part, uint64_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

static const char *plural(uint64_t n) {
    return n == 1 ? "" : "s";
}

/* Names may have been chosen by anybody: nothing of them reaches a terminal as it is. */
static void put_name(const struct telling *t, uint32_t task) {
    cli_put(t->out, explain_name(t->names, task), false);
}

/* ---- from sums to costs ---- */

/* What a fault waited or reclaimed is told by itself, as a cost with reasons of its own; counted here too it would be
 * told twice. */
static uint64_t fault_ns(const struct explain_doer *d) {
    uint64_t ns = 0;
    for (int major = 0; major < 2; major++)
        ns += less(d->fault[major].ns, d->fault_waited[major] + d->fault_reclaimed[major]);
    return ns;
}

static uint64_t reclaim_ns(const struct explain_doer *d) {
    uint64_t ns = 0;
    for (int i = 0; i < EXPLAIN_RECLAIMS; i++)
        ns += d->reclaim[i].times.ns;
    return ns;
}

static uint64_t waited_ns(const struct explain_doer *d, int from, int to) {
    uint64_t ns = 0;
    for (int i = from; i < to; i++)
        ns += d->wait[i].ns;
    return ns;
}

/* Events do not tell a system call from the program's own work; the machine's counters do. */
static uint64_t cost_of(const struct telling *t, const struct explain_doer *d, unsigned kind) {
    const uint64_t kernel = fault_ns(d) + reclaim_ns(d);
    const bool counted = t->names->machine != NULL;
    assert(kind < COST_KINDS && d->seen);
    switch (kind) {
    case COST_OWN:
        return counted ? task_counter(t, d->task, "user_ns") : less(d->run.ns, kernel);
    case COST_CALLS:
        return counted ? less(task_counter(t, d->task, "system_ns"), kernel) : 0;
    case COST_FAULTS:
        return fault_ns(d);
    case COST_RECLAIM:
        return reclaim_ns(d);
    case COST_READY:
        return counted ? task_counter(t, d->task, "waiting_ns")
                       : less(d->end - d->begin, d->run.ns + d->lost + waited_ns(d, 0, EXPLAIN_WAITS));
    default:
        return d->wait[kind].ns;
    }
}

/* A total order: the same run is explained in the same words, whatever qsort does with equals. */
static int by_cost(const void *a, const void *b) {
    const struct cost *x = a, *y = b;
    if (x->ns != y->ns)
        return x->ns < y->ns ? 1 : -1;
    if (x->task != y->task)
        return x->task < y->task ? -1 : 1;
    return (int)x->kind - (int)y->kind;
}

/* False: no memory. */
static bool gather(struct telling *t, uint32_t only) {
    const struct explain_doers *tasks = &t->sums->tasks;
    t->cost = calloc(tasks->count * COST_KINDS + 1, sizeof *t->cost);
    for (uint32_t i = 0; t->cost && i < tasks->count; i++) {
        const struct explain_doer *d = &tasks->at[i];
        if (!d->seen || !explain_is_task(t->names, i) || (only != EXPLAIN_NOBODY && i != only))
            continue;
        for (unsigned kind = 0; kind < COST_KINDS; kind++) {
            const uint64_t ns = cost_of(t, d, kind);
            if (ns)
                t->cost[t->count++] = (struct cost){ns, i, kind};
            t->total += ns;
        }
    }
    if (t->cost)
        qsort(t->cost, t->count, sizeof *t->cost, by_cost);
    return t->cost != NULL;
}

/* ---- reasons ---- */

/* The middle of the longest is where `--at` finds it. */
static void tell_longest(const struct telling *t, uint32_t task, const struct explain_sum *sum) {
    char ns[32];
    const uint64_t middle = sum->when + sum->longest / 2;
    if (sum->count < 2 || !sum->longest)
        return;
    fprintf(t->out, "     the longest took %s: --task ", explain_ns(ns, sum->longest));
    put_name(t, task);
    fprintf(t->out, " --at %" PRIu64 ".%06" PRIu64 "ms\n", middle / 1000000, middle % 1000000);
}

/* How busy each device was with requests of one direction, which is what those who waited for it waited for. */
static void tell_devices(const struct telling *t, bool write) {
    char bytes[32], mean[32];
    for (size_t i = 0; i < t->sums->device_count; i++) {
        const struct explain_device *d = &t->sums->device[i];
        const struct explain_sum *r = &d->requests[write];
        if (!r->count)
            continue;
        fputs("     ", t->out);
        cli_put(t->out, d->name, false);
        fprintf(t->out, " %s %s in %" PRIu64 " request%s, %s each from the question to the answer\n",
                write ? "wrote" : "read", explain_size(bytes, d->bytes[write]), r->count, plural(r->count),
                explain_ns(mean, r->ns / r->count));
    }
}

/* Pages that were read again are what more memory would have kept. */
static void tell_refaults(const struct telling *t) {
    const uint64_t anon = counter(t, "vmstat.workingset_refault_anon");
    const uint64_t file = counter(t, "vmstat.workingset_refault_file");
    if (anon || file)
        fprintf(t->out,
                "     %" PRIu64 " pages of files and %" PRIu64
                " of anonymous memory had been there before, and were reclaimed too early\n",
                file, anon);
}

static void tell_faults(const struct telling *t, const struct explain_doer *d) {
    static const char *const kinds[] = {"minor", "major"};
    char each[32], waited[32];
    for (int major = 0; major < 2; major++) {
        const struct explain_sum *f = &d->fault[major];
        const uint64_t own = less(f->ns, d->fault_waited[major] + d->fault_reclaimed[major]);
        if (!f->count)
            continue;
        fprintf(t->out, "     %" PRIu64 " %s fault%s, %s of work each", f->count, kinds[major], plural(f->count),
                explain_ns(each, own / f->count));
        if (d->fault_waited[major])
            fprintf(t->out, "; their waits, %s, count for themselves", explain_ns(waited, d->fault_waited[major]));
        fputc('\n', t->out);
    }
    tell_longest(t, d->task, &d->fault[d->fault[1].count > 0]);
}

/* How many of the pages that were looked at could be taken says more than the time: few of many are lists full of pages
 * in use. */
static void tell_reclaimed(const struct telling *t, const struct explain_reclaimed *r, const char *what) {
    if (r->times.count)
        fprintf(t->out, "     %" PRIu64 " time%s for %s: %" PRIu64 " of %" PRIu64 " pages that it looked at\n",
                r->times.count, plural(r->times.count), what, r->reclaimed, r->scanned);
}

static int by_run(const void *a, const void *b) {
    const struct explain_doer *const *x = a, *const *y = b;
    return (*x)->run.ns != (*y)->run.ns ? ((*x)->run.ns < (*y)->run.ns ? 1 : -1)
                                        : ((*x)->task > (*y)->task) - ((*x)->task < (*y)->task);
}

/* Who had the CPUs that a task would have liked to have. */
static void tell_runners(const struct telling *t, uint32_t task) {
    const struct explain_sums *s = t->sums;
    const struct explain_doer **list = calloc(s->tasks.count + s->threads.count + 1, sizeof *list);
    size_t count = 0;
    char ns[32];
    for (size_t i = 0; list && i < s->tasks.count; i++) {
        if (s->tasks.at[i].run.count && s->tasks.at[i].task != task)
            list[count++] = &s->tasks.at[i];
    }
    for (size_t i = 0; list && i < s->threads.count; i++) {
        if (s->threads.at[i].run.count)
            list[count++] = &s->threads.at[i];
    }
    if (count) {
        qsort(list, count, sizeof *list, by_run);
        fputs("     of the others, most had a CPU:", t->out);
        for (size_t i = 0; i < count && i < TASKS_TOLD; i++) {
            fputs(i ? ", " : " ", t->out);
            put_name(t, list[i]->task);
            fprintf(t->out, " for %s", explain_ns(ns, list[i]->run.ns));
        }
        fputc('\n', t->out);
    }
    free(list);
}

/* ---- costs in words ---- */

static const char *words_of(const struct telling *t, unsigned kind) {
    static const char *const words[COST_KINDS] = {
        [EXPLAIN_PAGE_READ] = "waited for pages that were being read",
        [EXPLAIN_PAGE_WRITTEN] = "waited for pages that were being written",
        [EXPLAIN_MEMORY] = "was held up as memory was short, the machine's or its cgroup's",
        [EXPLAIN_THROTTLE] = "was held up, as too many pages were dirty",
        [EXPLAIN_OTHER] = "waited",
        [EXPLAIN_MOVED] = "waited for a CPU that it was moved to",
        [COST_OWN] = "was at work in its program",
        [COST_CALLS] = "was in system calls",
        [COST_FAULTS] = "was in the kernel to handle page faults",
        [COST_RECLAIM] = "looked for pages to reclaim, as it needed memory at once",
        [COST_READY] = "could run, and waited for a CPU"};
    if (kind == COST_OWN && !t->names->machine)
        return "was at work in its program and in system calls";
    assert(words[kind]);
    return words[kind];
}

/* Walks are counted a CPU, not a task: those of one task cannot be told, and the sentence says so. */
static void tell_own(const struct telling *t, const struct explain_doer *d) {
    const uint64_t references = task_counter(t, d->task, "references");
    const unsigned cpus = t->names->machine ? vmsim_machine_cpus(t->names->machine) : 0;
    uint64_t walks = 0;
    char name[48];
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        snprintf(name, sizeof name, "tlb.cpu%u.walks", cpu);
        walks += counter(t, name);
    }
    if (references)
        fprintf(t->out, "     %" PRIu64 " references; those of all tasks took %" PRIu64 " walks of the page tables\n",
                references, walks);
}

static void tell_reasons(const struct telling *t, const struct cost *c) {
    const struct explain_doer *d = &t->sums->tasks.at[c->task];
    const struct explain_sum *wait = c->kind < EXPLAIN_SLEEP ? &d->wait[c->kind] : NULL;
    const uint64_t calls = task_counter(t, c->task, "syscalls");
    switch (c->kind) {
    case COST_OWN:
        tell_own(t, d);
        break;
    case COST_CALLS:
        if (calls)
            fprintf(t->out, "     %" PRIu64 " call%s\n", calls, plural(calls));
        break;
    case COST_FAULTS:
        tell_faults(t, d);
        break;
    case COST_RECLAIM:
        tell_reclaimed(t, &d->reclaim[EXPLAIN_DIRECT], "the machine");
        tell_reclaimed(t, &d->reclaim[EXPLAIN_MEMCG], "the limit of a cgroup");
        break;
    case COST_READY:
        tell_runners(t, c->task);
        break;
    case EXPLAIN_PAGE_READ:
        tell_devices(t, false);
        tell_refaults(t);
        break;
    case EXPLAIN_PAGE_WRITTEN:
    case EXPLAIN_THROTTLE:
        tell_devices(t, true);
        break;
    default:
        break;
    }
    if (wait)
        tell_longest(t, c->task, wait);
}

static void tell_cost(const struct telling *t, size_t number) {
    const struct cost *c = &t->cost[number];
    const struct explain_doer *d = &t->sums->tasks.at[c->task];
    char ns[32];
    assert(number < t->count && c->kind < COST_KINDS);
    fprintf(t->out, "%3zu. ", number + 1);
    put_name(t, c->task);
    fprintf(t->out, " %s: %s, %.0f %%", words_of(t, c->kind), explain_ns(ns, c->ns), share(c->ns, t->total));
    if (c->kind < EXPLAIN_SLEEP)
        fprintf(t->out, ", in %" PRIu64 " wait%s", d->wait[c->kind].count, plural(d->wait[c->kind].count));
    fputc('\n', t->out);
    tell_reasons(t, c);
}

/* The list ends where a line would not be worth acting on; the rest is one sum, so that nothing seems to be missing. */
static void tell_costs(const struct telling *t) {
    uint64_t told = 0;
    char ns[32];
    size_t i = 0;
    while (i < t->count && i < COSTS_TOLD && share(t->cost[i].ns, t->total) >= SHARE_LEAST) {
        told += t->cost[i].ns;
        tell_cost(t, i++);
    }
    if (told < t->total)
        fprintf(t->out, "     the rest is %s in %zu part%s\n", explain_ns(ns, t->total - told), t->count - i,
                plural(t->count - i));
}

/* ---- memory ---- */

static void tell_reclaimer(const struct telling *t, const struct explain_doer *d) {
    static const char *const why[EXPLAIN_RECLAIMS] = {"in the background", "because it needed memory at once",
                                                      "because its cgroup was full"};
    char span[32];
    for (int i = 0; i < EXPLAIN_RECLAIMS; i++) {
        const struct explain_reclaimed *r = &d->reclaim[i];
        if (!r->times.count)
            continue;
        fputs("  ", t->out);
        put_name(t, d->task);
        fprintf(t->out, " reclaimed %" PRIu64 " of %" PRIu64 " pages that it looked at, %s", r->reclaimed, r->scanned,
                why[i]);
        fprintf(t->out, r->times.ns ? ", in %s\n" : "%s\n", r->times.ns ? explain_ns(span, r->times.ns) : "");
    }
}

static void tell_kills(const struct telling *t) {
    const struct explain_sums *s = t->sums;
    char when[32];
    for (size_t i = 0; i < s->kills && i < EXPLAIN_KILLS; i++) {
        const struct explain_kill *k = &s->kill[i];
        fprintf(t->out, "  at %s the OOM killer chose ", explain_moment(when, k->when));
        put_name(t, k->task);
        fprintf(t->out, ", which had %" PRIu64 " pages", k->pages);
        if (k->finder != EXPLAIN_NOBODY && k->finder != k->task) {
            fputs(", for ", t->out);
            put_name(t, k->finder);
        }
        fputc('\n', t->out);
    }
    if (s->kills > EXPLAIN_KILLS)
        fprintf(t->out, "  and it chose %" PRIu64 " more\n", s->kills - EXPLAIN_KILLS);
}

/* A counter of the form cgroups.PATH.memory.events.local.WHAT that is not 0, in words. */
static void tell_limit(const struct telling *t, size_t id, const char *what, const char *words) {
    const char *name = vmsim_counter_name(t->names->machine, id);
    const size_t length = name ? strlen(name) : 0, end = strlen(what), begin = strlen("cgroups.");
    if (length <= begin + end || strncmp(name, "cgroups.", begin) != 0 || strcmp(name + length - end, what) != 0)
        return;
    const uint64_t times = vmsim_counter_read(t->names->machine, id);
    char *path = times ? strndup(name + begin, length - end - begin) : NULL;
    if (!path)
        return;
    fputs("  ", t->out);
    cli_put(t->out, path, false);
    fprintf(t->out, " %s %" PRIu64 " time%s\n", words, times, plural(times));
    free(path);
}

static void tell_limits(const struct telling *t) {
    const size_t count = t->names->machine ? vmsim_counter_count(t->names->machine) : 0;
    for (size_t id = 0; id < count; id++) {
        tell_limit(t, id, ".memory.events.local.high", "was above its memory.high, and held its tasks up for it");
        tell_limit(t, id, ".memory.events.local.max", "came to its memory.max");
        tell_limit(t, id, ".memory.events.local.low", "was reclaimed from although it was within its memory.low");
    }
}

static void tell_memory(const struct telling *t) {
    const struct explain_doers *lists[] = {&t->sums->threads, &t->sums->tasks};
    uint64_t reclaims = t->sums->kills;
    for (int k = 0; k < 2; k++) {
        for (size_t i = 0; i < lists[k]->count; i++) {
            for (int r = 0; r < EXPLAIN_RECLAIMS; r++)
                reclaims += lists[k]->at[i].reclaim[r].times.count;
        }
    }
    fputs(reclaims ? "\nMemory was short:\n" : "\nMemory was never short: nothing was reclaimed.\n", t->out);
    for (int k = 0; reclaims && k < 2; k++) {
        for (size_t i = 0; i < lists[k]->count; i++)
            tell_reclaimer(t, &lists[k]->at[i]);
    }
    tell_limits(t);
    tell_kills(t);
}

/* ---- all of it ---- */

/* Where nothing is told of the last that happened, the CPUs' clocks are later than the last event. */
static uint64_t run_ns(const struct telling *t) {
    const unsigned cpus = t->names->machine ? vmsim_machine_cpus(t->names->machine) : 0;
    uint64_t end = t->sums->end;
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        const uint64_t now = vmsim_machine_time(t->names->machine, cpu);
        end = end > now ? end : now;
    }
    return end;
}

static void tell_head(const struct telling *t, uint32_t only) {
    const struct explain_doers *tasks = &t->sums->tasks;
    uint64_t slept = 0, others = 0;
    char all[32], text[32];
    size_t count = 0;
    for (uint32_t i = 0; i < tasks->count; i++) {
        const struct explain_doer *d = &tasks->at[i];
        if (!d->seen || !explain_is_task(t->names, i) || (only != EXPLAIN_NOBODY && i != only))
            continue;
        count++;
        slept += d->wait[EXPLAIN_SLEEP].ns;
        others += waited_ns(d, EXPLAIN_CHILD, EXPLAIN_WAITS);
    }
    fprintf(t->out, "%s of virtual time, in which ", explain_ns(all, run_ns(t)));
    if (only == EXPLAIN_NOBODY)
        fprintf(t->out, "%zu task%s", count, plural(count));
    else
        put_name(t, only);
    if (slept)
        fprintf(t->out, " slept %s as %s, and", explain_ns(text, slept),
                count == 1 ? "its program says" : "their programs say");
    if (others)
        fprintf(t->out, " waited %s for other tasks, and", explain_ns(text, others));
    fprintf(t->out, " took %s:\n\n", explain_ns(text, t->total));
}

int explain_whole(FILE *out, const struct explain_names *names, const struct explain_sums *sums, uint32_t task) {
    struct telling t = {.out = out, .names = names, .sums = sums};
    if (sums->failed || !gather(&t, task))
        return cli_fail(EXIT_INTERNAL, "explain", "no memory");
    tell_head(&t, task);
    tell_costs(&t);
    tell_memory(&t);
    if (t.count)
        fputs("\n--task NAME --at TIME follows one moment through its causes.\n", out);
    free(t.cost);
    return EXIT_FINE;
}
