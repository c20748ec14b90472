/* SPDX-License-Identifier: MIT */
/* The log of events and the chain that is read from it (see explain.h). */
#include "cli/explain.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "vmsim/vmsim.h"

/* A bound on what one question may take of the host; the window of 100 ms that is usual is far from it. */
#define LOG_MAX ((size_t)1 << 20)
#define DEPTH_MAX 4u /* tasks that wait for tasks */
#define NAMES_MAX 16u

/* What is being told: `depth` grows with each task that another waits for, and with it the indentation. */
struct story {
    FILE *out;
    const struct explain_names *names;
    const struct explain_log *log;
    uint64_t at;
    unsigned depth;
};

/* Events of an instant have no duration, and end where they begin. */
static uint64_t end_of(const struct explain_event *e) {
    return e->is.time + e->is.duration;
}

/* The log is bounded: a run tells millions of events, and only those around the moment are kept. What did not fit is
 * said at the end. */
static bool grow(struct explain_log *log) {
    assert(log->count == log->room);
    const size_t room = log->room ? 2 * log->room : 4096;
    struct explain_event *grown = room <= LOG_MAX ? realloc(log->at, room * sizeof *grown) : NULL;
    if (!grown)
        return false;
    log->at = grown;
    log->room = room;
    return true;
}

/* What became of the task before and after the moment, however long ago. */
static void look_beside(struct explain_log *log, const struct vmsim_event *event) {
    assert(event->task == log->task);
    const uint64_t end = event->time + event->duration;
    if (end <= log->at_ns) {
        log->earlier = true;
        log->dead |= event->kind == VMSIM_EVENT_KILL;
        log->last = end;
    } else if (!log->later) {
        log->later = true;
        log->next = event->time;
        log->killed = event->kind == VMSIM_EVENT_KILL;
    }
}

/* Called for every event of the run: what does not touch the window is forgotten at once, but for how the task's own
 * story goes on outside of it. */
void explain_watch(void *context, const struct vmsim_event *event) {
    assert(event->what);
    struct explain_log *log = context;
    if (event->task == log->task)
        look_beside(log, event);
    if (event->time > log->to || event->time + event->duration < log->from)
        return;
    if (log->count == log->room && !grow(log)) {
        log->full = true;
        return;
    }
    struct explain_event *e = &log->at[log->count++];
    assert(log->count <= log->room && log->room <= LOG_MAX);
    e->is = *event;
    snprintf(e->what, sizeof e->what, "%s", event->what);
}

void explain_free(struct explain_log *log) {
    free(log->at);
    *log = (struct explain_log){0};
}

const char *explain_ns(char text[32], uint64_t ns) {
    if (ns < 1000)
        snprintf(text, 32, "%" PRIu64 " ns", ns);
    else if (ns < 1000000)
        snprintf(text, 32, "%.2f us", (double)ns / 1e3);
    else if (ns < 1000000000)
        snprintf(text, 32, "%.2f ms", (double)ns / 1e6);
    else
        snprintf(text, 32, "%.3f s", (double)ns / 1e9);
    return text;
}

/* A moment, to the microsecond. */
const char *explain_moment(char text[32], uint64_t ns) {
    snprintf(text, 32, "%" PRIu64 ".%03u ms", ns / 1000000, (unsigned)(ns / 1000 % 1000));
    return text;
}

const char *explain_size(char text[32], uint64_t bytes) {
    if (bytes < 1 << 20)
        snprintf(text, 32, "%" PRIu64 " KiB", bytes >> 10);
    else
        snprintf(text, 32, "%.1f MiB", (double)bytes / 1048576.0);
    return text;
}

/* Events may be of nobody. */
const char *explain_name(const struct explain_names *n, uint32_t task) {
    const char *name = NULL;
    if (task != EXPLAIN_NOBODY && n->machine)
        name = vmsim_task_name(n->machine, task);
    else if (task < n->count)
        name = n->at[task].text;
    return name ? name : "nobody";
}

bool explain_is_task(const struct explain_names *n, uint32_t task) {
    return n->machine ? task < vmsim_task_count(n->machine) : task < n->count && n->at[task].of_program;
}

static const char *name_of(const struct story *s, uint32_t task) {
    return explain_name(s->names, task);
}

static uint32_t task_count(const struct story *s) {
    return s->names->machine ? (uint32_t)vmsim_task_count(s->names->machine) : s->names->count;
}

/* Two blanks a step down the chain of who waits for whom. */
static void begin_line(const struct story *s, unsigned more) {
    assert(s->depth < DEPTH_MAX);
    fprintf(s->out, "%*s", (int)(2 * (s->depth + more)), "");
}

/* The shortest event of a kind that covers the moment. */
static const struct explain_event *around(const struct story *s, enum vmsim_event_kind kind, uint32_t task) {
    const struct explain_event *found = NULL;
    for (size_t i = 0; i < s->log->count; i++) {
        const struct explain_event *e = &s->log->at[i];
        const bool covers = e->is.time <= s->at && s->at < end_of(e);
        if (e->is.kind == kind && e->is.task == task && covers && (!found || e->is.duration < found->is.duration))
            found = e;
    }
    return found;
}

/* The CPU on which the task ran last before the moment; UINT32_MAX: on none that is known. */
static uint32_t last_cpu(const struct story *s, uint32_t task) {
    uint32_t cpu = UINT32_MAX;
    for (size_t i = 0; i < s->log->count; i++) {
        const struct vmsim_event *e = &s->log->at[i].is;
        if ((e->kind == VMSIM_EVENT_RUN || e->kind == VMSIM_EVENT_STALL) && e->task == task && e->time <= s->at)
            cpu = e->cpu;
    }
    return cpu;
}

/* Who ran on a CPU at the moment. */
static const struct explain_event *runner(const struct story *s, uint32_t cpu) {
    for (size_t i = 0; i < s->log->count; i++) {
        const struct explain_event *e = &s->log->at[i];
        if (e->is.kind == VMSIM_EVENT_RUN && e->is.cpu == cpu && e->is.time <= s->at && s->at < end_of(e))
            return e;
    }
    return NULL;
}

/* --- A fault, and what it is made of --- */

/* Waits and reclaim within the fault are its parts: they are summed, as a fault may wait more than once. */
static void tell_fault(const struct story *s, uint32_t task) {
    const struct explain_event *f = around(s, VMSIM_EVENT_FAULT, task);
    char span[32], waited[32], reclaimed[32];
    uint64_t stalls = 0, stalled = 0, reclaim = 0;
    if (!f)
        return;
    for (size_t i = 0; i < s->log->count; i++) {
        const struct explain_event *e = &s->log->at[i];
        if (e->is.task != task || e->is.time < f->is.time || end_of(e) > end_of(f))
            continue;
        stalls += e->is.kind == VMSIM_EVENT_STALL;
        stalled += e->is.kind == VMSIM_EVENT_STALL ? e->is.duration : 0;
        reclaim += e->is.kind == VMSIM_EVENT_RECLAIM ? e->is.duration : 0;
    }
    begin_line(s, 1);
    fprintf(s->out, "in a %s fault of a %s at 0x%" PRIx64 ": %s in all", f->what, f->is.number[1] ? "store" : "load",
            f->is.number[0], explain_ns(span, f->is.duration));
    if (stalls)
        fprintf(s->out, ", of them %s in %" PRIu64 " wait%s", explain_ns(waited, stalled), stalls,
                stalls == 1 ? "" : "s");
    if (reclaim)
        fprintf(s->out, ", %s reclaiming memory itself", explain_ns(reclaimed, reclaim));
    fputc('\n', s->out);
}

/* --- Devices --- */

/* The request whose end was the end of the wait. */
static const struct explain_event *request_of(const struct story *s, const struct explain_event *stall, bool write) {
    const struct explain_event *found = NULL;
    for (size_t i = 0; i < s->log->count; i++) {
        const struct explain_event *e = &s->log->at[i];
        if (e->is.kind == VMSIM_EVENT_IO && (e->is.number[1] != 0) == write && end_of(e) <= end_of(stall) &&
            end_of(e) > stall->is.time && (!found || end_of(e) >= end_of(found)))
            found = e;
    }
    return found;
}

/* What the device had to do already says why a request took long. */
static void tell_queue(const struct story *s, const struct explain_event *request) {
    uint64_t count[2] = {0, 0}, bytes[2] = {0, 0};
    char size[2][32];
    for (size_t i = 0; i < s->log->count; i++) {
        const struct explain_event *e = &s->log->at[i];
        const bool before = e != request && e->is.time <= request->is.time && end_of(e) > request->is.time;
        if (e->is.kind == VMSIM_EVENT_IO && before && !strcmp(e->what, request->what)) {
            count[e->is.number[1] != 0]++;
            bytes[e->is.number[1] != 0] += e->is.number[0];
        }
    }
    if (!count[0] && !count[1])
        return;
    begin_line(s, 2);
    fprintf(s->out, "when it came, %s had others: %" PRIu64 " read%s (%s) and %" PRIu64 " write%s (%s)\n",
            request->what, count[0], count[0] == 1 ? "" : "s", explain_size(size[0], bytes[0]), count[1],
            count[1] == 1 ? "" : "s", explain_size(size[1], bytes[1]));
}

/* No request is known where the page came from memory, or before the window. */
static void tell_request(const struct story *s, const struct explain_event *stall, bool write) {
    assert(stall->is.kind == VMSIM_EVENT_STALL);
    const struct explain_event *r = request_of(s, stall, write);
    char from[32], span[32], size[32];
    if (!r)
        return;
    begin_line(s, 1);
    fprintf(s->out, "%s %s %s for it: asked at %s, done %s later\n", r->what, write ? "wrote" : "read",
            explain_size(size, r->is.number[0]), explain_moment(from, r->is.time), explain_ns(span, r->is.duration));
    tell_queue(s, r);
}

/* --- Memory --- */

struct reclaimer {
    uint32_t task;
    const char *how;
    uint64_t scanned, reclaimed, ns;
};

/* By who did it and how; more than so many are not told. */
static void add_reclaim(struct reclaimer *list, size_t *count, const struct explain_event *e) {
    assert(*count <= NAMES_MAX && e->is.kind == VMSIM_EVENT_RECLAIM);
    size_t i = 0;
    while (i < *count && (list[i].task != e->is.task || strcmp(list[i].how, e->what) != 0))
        i++;
    if (i == NAMES_MAX)
        return;
    if (i == *count)
        list[(*count)++] = (struct reclaimer){.task = e->is.task, .how = e->what};
    list[i].scanned += e->is.number[0];
    list[i].reclaimed += e->is.number[1];
    list[i].ns += e->is.duration;
}

/* Who reclaimed, and who was killed, between two moments: why a page was not there, or memory was not. */
static void tell_memory(const struct story *s, uint64_t from, uint64_t to, const char *when) {
    struct reclaimer list[NAMES_MAX];
    size_t count = 0;
    char ns[32];
    for (size_t i = 0; i < s->log->count; i++) {
        const struct explain_event *e = &s->log->at[i];
        if (end_of(e) < from || e->is.time > to)
            continue;
        if (e->is.kind == VMSIM_EVENT_RECLAIM)
            add_reclaim(list, &count, e);
        if (e->is.kind == VMSIM_EVENT_KILL) {
            begin_line(s, 1);
            fprintf(s->out, "%s the OOM killer chose %s, which had %" PRIu64 " pages\n", when, name_of(s, e->is.task),
                    e->is.number[0]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        begin_line(s, 1);
        fprintf(s->out, "%s %s reclaimed %" PRIu64 " of %" PRIu64 " pages that it looked at (%s)", when,
                name_of(s, list[i].task), list[i].reclaimed, list[i].scanned, list[i].how);
        fprintf(s->out, list[i].ns ? ", in %s\n" : "%s\n", list[i].ns ? explain_ns(ns, list[i].ns) : "");
    }
}

/* --- The chain --- */

static void tell(const struct story *s, uint32_t task);

/* The chain ends at some depth: tasks may wait for each other in a ring. */
static void tell_other(const struct story *s, uint64_t task) {
    assert(s->depth < DEPTH_MAX);
    const struct story next = {s->out, s->names, s->log, s->at, s->depth + 1};
    if (s->depth + 1 < DEPTH_MAX && task < task_count(s))
        tell(&next, (uint32_t)task);
}

/* Why, of each thing that a task may wait for. */
static void tell_cause(const struct story *s, const struct explain_event *stall) {
    const char *what = stall->what;
    const uint64_t end = end_of(stall);
    if (!strcmp(what, "page read") || !strcmp(what, "page written")) {
        tell_request(s, stall, !strcmp(what, "page written"));
        tell_memory(s, s->log->from, stall->is.time, "before that");
    } else if (!strcmp(what, "memory") || !strcmp(what, "throttle")) {
        tell_memory(s, stall->is.time, end, "meanwhile");
    } else if (!strcmp(what, "recorded order")) {
        tell_other(s, stall->is.number[0]);
    } else if (!strcmp(what, "barrier") || !strcmp(what, "child")) {
        for (uint32_t i = 0; i < task_count(s) && i < NAMES_MAX; i++) {
            if (i != stall->is.task && (around(s, VMSIM_EVENT_RUN, i) || around(s, VMSIM_EVENT_FAULT, i)))
                tell_other(s, i);
        }
    }
}

/* Words of the event (the scheduler's) become words for people; one that is new is told as it is. */
static void tell_stall(const struct story *s, const struct explain_event *stall) {
    assert(stall->is.kind == VMSIM_EVENT_STALL && stall->is.time <= s->at && s->at < end_of(stall));
    static const char *const words[][2] = {{"page read", "waits for a page that is being read"},
                                           {"page written", "waits for a page that is being written"},
                                           {"memory", "waits for memory"},
                                           {"throttle", "is held up: too many pages are dirty"},
                                           {"sleep", "sleeps, as its program says"},
                                           {"child", "waits for a child to end"},
                                           {"barrier", "waits at a barrier for others"},
                                           {"recorded order", "waits for what came before it in the recording"},
                                           {"CPU", "waits for the CPU that it was moved to"}};
    const char *text = stall->what;
    char from[32], span[32], rest[32];
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        text = strcmp(words[i][0], stall->what) ? text : words[i][1];
    fprintf(s->out, "%s: since %s, for %s in all, %s to go\n", text, explain_moment(from, stall->is.time),
            explain_ns(span, stall->is.duration), explain_ns(rest, end_of(stall) - s->at));
    tell_fault(s, stall->is.task);
    tell_cause(s, stall);
}

static void tell_running(const struct story *s, const struct explain_event *run) {
    assert(run->is.kind == VMSIM_EVENT_RUN);
    const struct explain_event *reclaim = around(s, VMSIM_EVENT_RECLAIM, run->is.task);
    const bool faults = around(s, VMSIM_EVENT_FAULT, run->is.task) != NULL;
    fprintf(s->out, "runs on CPU %u%s\n", run->is.cpu,
            reclaim  ? ", and looks for pages to reclaim"
            : faults ? ", in the kernel"
                     : "");
    tell_fault(s, run->is.task);
    if (reclaim)
        tell_memory(s, reclaim->is.time, end_of(reclaim), "now");
}

/* By its counter, which stays when the task is gone. */
static bool was_killed(const struct story *s, uint32_t task) {
    char name[256];
    size_t id;
    if (!s->names->machine)
        return task == s->log->task && s->log->dead;
    snprintf(name, sizeof name, "tasks.%s.oom_kills", name_of(s, task));
    return !vmsim_counter_find(s->names->machine, name, &id) && vmsim_counter_read(s->names->machine, id);
}

/* Neither runs nor waits for anything but a CPU; or is not there. */
static void tell_ready(const struct story *s, uint32_t task) {
    const uint32_t cpu = last_cpu(s, task);
    const struct explain_event *other = cpu == UINT32_MAX ? NULL : runner(s, cpu);
    const bool asked = task == s->log->task;
    bool later = asked && s->log->later;
    char last[32], next[32];
    for (size_t i = 0; i < s->log->count; i++)
        later |= s->log->at[i].is.task == task && s->log->at[i].is.time > s->at;
    if (asked && later && s->log->earlier && (!other || s->log->killed)) {
        fprintf(s->out, "waits, since %s or later: %s at %s\n", explain_moment(last, s->log->last),
                s->log->killed ? "and was still waiting when it was killed" : "until it went on",
                explain_moment(next, s->log->next));
        tell_memory(s, s->log->from, s->log->next, "until then");
    } else if (other && later) {
        fprintf(s->out, "could run, and waits for CPU %u, which %s has\n", cpu, name_of(s, other->is.task));
        tell_fault(s, task);
    } else if (later) {
        fputs("has not run yet\n", s->out);
    } else {
        fprintf(s->out, "has ended%s\n", was_killed(s, task) ? ": the OOM killer took it" : "");
        if (was_killed(s, task))
            tell_memory(s, s->log->from, s->at, "before that");
    }
}

static void tell(const struct story *s, uint32_t task) {
    char at[32];
    const struct explain_event *stall = around(s, VMSIM_EVENT_STALL, task);
    const struct explain_event *run = around(s, VMSIM_EVENT_RUN, task);
    begin_line(s, 0);
    cli_put(s->out, name_of(s, task), false);
    fprintf(s->out, " at %s ", explain_moment(at, s->at));
    if (stall)
        tell_stall(s, stall);
    else if (run)
        tell_running(s, run);
    else
        tell_ready(s, task);
}

void explain_task(FILE *out, const struct explain_names *names, const struct explain_log *log) {
    tell(&(struct story){out, names, log, log->at_ns, 0}, log->task);
}
