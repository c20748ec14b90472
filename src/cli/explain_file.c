/* SPDX-License-Identifier: MIT */
/* A file of events (`vmsim run --events`) as the log that a chain of causes is read from: what a second run would have
 * told. In Chrome's form a task is a track of one process, a device's requests are pairs of another, and the tracks'
 * names stand in events of their own, before what happens on them. */
#include <assert.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/explain.h"

enum { PID_CPUS = 1, PID_TASKS, PID_KERNEL, PID_DEVICES };

struct reading {
    struct explain_names *names;
    vmsim_event_fn *watch;
    void *context;
    json_t *begun;   /* requests that have begun, by id */
    json_t *devices; /* names by track */
    bool failed;     /* no memory */
};

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static uint64_t whole_of(const json_t *object, const char *key) {
    const json_t *n = json_object_get(object, key);
    return json_is_integer(n) && json_integer_value(n) >= 0 ? (uint64_t)json_integer_value(n) : 0;
}

/* Microseconds with three decimals, as nanoseconds. */
static uint64_t ns_of(const json_t *object, const char *key) {
    const double us = json_number_value(json_object_get(object, key));
    return us >= 0 && us < 9e12 ? (uint64_t)llround(us * 1000) : 0;
}

/* Tasks and threads of the kernel by where their tracks are, in the order in which they are named. */
static uint32_t task_of(struct reading *r, uint64_t pid, uint64_t tid, const char *name) {
    struct explain_names *n = r->names;
    assert(!n->machine && n->count < EXPLAIN_NOBODY);
    for (uint32_t i = 0; i < n->count; i++) {
        if (n->at[i].pid == pid && n->at[i].tid == tid)
            return i;
    }
    struct explain_name *grown = realloc(n->at, (n->count + 1) * sizeof *grown);
    char *copy = grown ? strdup(name) : NULL;
    n->at = grown ? grown : n->at;
    r->failed |= !copy;
    if (!copy)
        return EXPLAIN_NOBODY;
    n->at[n->count] = (struct explain_name){copy, pid, tid, pid == PID_TASKS};
    return n->count++;
}

static uint32_t task_called(const struct reading *r, const char *name) {
    for (uint32_t i = 0; i < r->names->count; i++) {
        if (!strcmp(r->names->at[i].text, name))
            return i;
    }
    return EXPLAIN_NOBODY;
}

static void take_name(struct reading *r, const json_t *e, uint64_t pid, uint64_t tid) {
    const char *name = text_of(json_object_get(e, "args"), "name");
    char key[24];
    if (strcmp(text_of(e, "name"), "thread_name") != 0)
        return;
    if (pid == PID_TASKS || pid == PID_KERNEL)
        task_of(r, pid, tid, name);
    snprintf(key, sizeof key, "%llu", (unsigned long long)tid);
    if (pid == PID_DEVICES)
        r->failed |= json_object_set_new(r->devices, key, json_string(name)) != 0;
}

/* A request's two ends become one event when the second is there. */
static void take_request(struct reading *r, json_t *e, uint64_t tid, bool ends) {
    char id[24], track[24];
    snprintf(id, sizeof id, "%llu", (unsigned long long)whole_of(e, "id"));
    snprintf(track, sizeof track, "%llu", (unsigned long long)tid);
    if (!ends) {
        r->failed |= json_object_set(r->begun, id, e) != 0;
        return;
    }
    const json_t *begin = json_object_get(r->begun, id);
    const uint64_t from = ns_of(begin, "ts"), to = ns_of(e, "ts");
    if (begin && to >= from)
        r->watch(r->context, &(struct vmsim_event){.kind = VMSIM_EVENT_IO,
                                                   .task = EXPLAIN_NOBODY,
                                                   .cpu = UINT32_MAX,
                                                   .time = from,
                                                   .duration = to - from,
                                                   .what = text_of(r->devices, track),
                                                   .number = {whole_of(json_object_get(begin, "args"), "bytes"),
                                                              !strcmp(text_of(begin, "name"), "write")}});
    json_object_del(r->begun, id);
}

/* "fault: major": the kind is the category, what stands behind it is its own. */
static void take_span(struct reading *r, const json_t *e, uint64_t pid, uint64_t tid) {
    const json_t *args = json_object_get(e, "args");
    const char *name = text_of(e, "name"), *what = strstr(name, ": ");
    struct vmsim_event v = {.cpu = UINT32_MAX, .time = ns_of(e, "ts"), .duration = ns_of(e, "dur"), .what = ""};
    while (v.kind < VMSIM_EVENT_KINDS && strcmp(vmsim_event_kind_name(v.kind), text_of(e, "cat")) != 0)
        v.kind++;
    if (v.kind == VMSIM_EVENT_KINDS)
        return;
    if (pid == PID_CPUS) {
        v.task = task_called(r, name);
        v.cpu = (uint32_t)tid;
    } else {
        v.task = task_of(r, pid, tid, "?");
        v.what = what ? what + 2 : "";
        v.cpu = json_object_get(args, "cpu") ? (uint32_t)whole_of(args, "cpu") : UINT32_MAX;
    }
    if (v.kind == VMSIM_EVENT_FAULT) {
        v.number[0] = strtoull(text_of(args, "address"), NULL, 0);
        v.number[1] = json_is_true(json_object_get(args, "write"));
    } else if (v.kind == VMSIM_EVENT_RECLAIM) {
        v.number[0] = whole_of(args, "scanned");
        v.number[1] = whole_of(args, "reclaimed");
    } else if (v.kind == VMSIM_EVENT_KILL) {
        v.number[0] = whole_of(args, "pages");
        v.number[1] = task_called(r, text_of(args, "found by"));
    } else if (v.kind == VMSIM_EVENT_STALL) {
        v.number[0] = task_called(r, text_of(args, "for"));
    }
    r->watch(r->context, &v);
}

static void take(struct reading *r, json_t *e) {
    const char *phase = text_of(e, "ph");
    assert(r->watch && r->names);
    const uint64_t pid = whole_of(e, "pid"), tid = whole_of(e, "tid");
    switch (*phase) {
    case 'M':
        take_name(r, e, pid, tid);
        break;
    case 'b':
    case 'e':
        take_request(r, e, tid, *phase == 'e');
        break;
    case 'X':
    case 'i':
        take_span(r, e, pid, tid);
        break;
    default:
        break;
    }
}

/* Events of names, or all others. */
static void take_those(struct reading *r, const json_t *events, bool names) {
    size_t i;
    json_t *e;
    json_array_foreach(events, i, e) {
        if ((*text_of(e, "ph") == 'M') == names)
            take(r, e);
    }
}

bool explain_is_file(const char *path) {
    char head[64] = "";
    FILE *f = fopen(path, "re");
    const bool found = f && fread(head, 1, sizeof head - 1, f) && !strncmp(head, "{\"displayTimeUnit\":", 19);
    if (f)
        fclose(f);
    return found;
}

int explain_read(const char *path, const char *task, struct explain_names *names, uint32_t *found,
                 vmsim_event_fn *watch, void *context) {
    json_error_t why;
    assert(!names->count && *found == EXPLAIN_NOBODY);
    json_t *file = json_load_file(path, 0, &why);
    const json_t *events = json_object_get(file, "traceEvents");
    struct reading r = {names, watch, context, json_object(), json_object(), false};
    int status = EXIT_FINE;
    if (!json_is_array(events)) {
        status = cli_fail(EXIT_USAGE, "explain", "%s:%d:%d: %s", path, file ? 1 : why.line, file ? 1 : why.column,
                          file ? "no events of vmsim: it has no traceEvents" : why.text);
    } else { /* names first: who runs on a CPU is told by name, maybe before its own track is */
        take_those(&r, events, true);
        for (uint32_t t = 0; t < names->count && *found == EXPLAIN_NOBODY; t++) {
            if (names->at[t].of_program && (!task || !strcmp(names->at[t].text, task)))
                *found = t;
        }
        take_those(&r, events, false);
    }
    if (!status && (r.failed || !r.begun || !r.devices))
        status = cli_fail(EXIT_INTERNAL, "explain", "no memory");
    json_decref(r.begun);
    json_decref(r.devices);
    json_decref(file);
    return status;
}

void explain_names_free(struct explain_names *names) {
    for (uint32_t i = 0; i < names->count; i++)
        free(names->at[i].text);
    free(names->at);
    *names = (struct explain_names){0};
}
