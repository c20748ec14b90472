/* SPDX-License-Identifier: MIT */
/* Events of a run as a file (vmsim/event.h): Chrome's trace events, or the text of the kernel's tracepoints.
 *
 *     machine --event--> kinds, span, least duration, limit --> text --64 KiB--> file, which gets its name at the end
 *
 * Chrome's form has a process for the CPUs (a track a CPU: who ran), one for the tasks and one for the kernel's threads
 * (a track each: faults, in them what they waited for and reclaimed) and one for the devices, whose requests overlap
 * and so are asynchronous events. Times are microseconds with three decimals, so that nanoseconds stand. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/output.h"
#include "base/util.h"
#include "report/report_files.h"
#include "scenario/engine.h"
#include "vmsim/event.h"

#define PIECE ((size_t)65536)
#define LIMIT UINT64_C(1000000)

enum { PID_CPUS = 1, PID_TASKS, PID_KERNEL, PID_DEVICES };
#define PID_MAX 32768u /* Linux's default: threads of the kernel are numbered from there */

struct vmsim_events {
    struct vmsim_scenario *s;
    struct vmsim_events_options o;
    struct vmsim__output file;
    struct vmsim__textbuf text;
    uint64_t written, left_out, requests; /* requests: ids of asynchronous events */
    struct {
        VMSIM__VEC(bool);
    } named[PID_DEVICES + 1]; /* tracks that have their name */
    int err;                  /* the first that stopped the file */
};

static const char *const kinds[VMSIM_EVENT_KINDS] = {"run", "stall", "fault", "reclaim",
                                                     "io",  "kill",  "alloc", "extfrag"};

const char *vmsim_event_kind_name(enum vmsim_event_kind kind) {
    return (unsigned)kind < VMSIM_EVENT_KINDS ? kinds[kind] : NULL;
}

/* ---- text ---- */

static void flush(struct vmsim_events *e, size_t least) {
    if (e->text.failed)
        e->err = e->err ? e->err : vmsim__err_set(&e->s->err, VMSIM_ENOMEM, "no memory for events");
    if (!e->err && e->text.count >= least && e->text.count)
        e->err = vmsim__output_write(&e->file, e->text.at, e->text.count, &e->s->err);
    if (e->text.count >= least)
        vmsim__textbuf_clear(&e->text);
}

static const char *task_name(const struct vmsim_events *e, uint32_t task) {
    const struct vmsim__task *t = task == VMSIM_TASK_NONE ? NULL : vmsim__task_at(e->s->machine, task);
    return t ? t->name : "nobody";
}

/* As /proc numbers tasks; 0: nobody. */
static uint64_t pid_of(uint32_t task) {
    return task == VMSIM_TASK_NONE ? 0 : task & VMSIM__KTHREAD ? PID_MAX + task - VMSIM__KTHREAD : (uint64_t)task + 1;
}

static void put_us(struct vmsim__textbuf *out, uint64_t ns) {
    vmsim__textbuf_printf(out, "%" PRIu64 ".%03u", ns / 1000, (unsigned)(ns % 1000));
}

/* ---- Chrome's form ---- */

static void put_name(struct vmsim_events *e, const char *what, unsigned pid, uint64_t tid, const char *name) {
    vmsim__textbuf_printf(
        &e->text, "{\"ph\":\"M\",\"name\":\"%s\",\"pid\":%u,\"tid\":%" PRIu64 ",\"args\":{\"name\":", what, pid, tid);
    vmsim__textbuf_quote(&e->text, name);
    vmsim__textbuf_puts(&e->text, "}},\n");
}

/* A track's name stands before its first event. */
static void name_track(struct vmsim_events *e, unsigned pid, uint64_t tid, const char *name) {
    VMSIM__ASSERT(pid <= PID_DEVICES);
    while (e->named[pid].count <= tid) {
        if (!vmsim__vec_push(e->s->alloc, &e->named[pid], false)) {
            e->text.failed = true;
            return;
        }
    }
    if (!e->named[pid].at[tid])
        put_name(e, "thread_name", pid, tid, name);
    e->named[pid].at[tid] = true;
}

static void begin_event(struct vmsim_events *e, const char *phase, unsigned pid, uint64_t tid, uint64_t ns,
                        const char *category, const char *name) {
    vmsim__textbuf_printf(&e->text, "{\"ph\":\"%s\",\"pid\":%u,\"tid\":%" PRIu64 ",\"cat\":\"%s\",\"name\":", phase,
                          pid, tid, category);
    vmsim__textbuf_quote(&e->text, name);
    vmsim__textbuf_puts(&e->text, ",\"ts\":");
    put_us(&e->text, ns);
}

/* Whose block: of the three types that requests have. */
static const char *mobility(uint64_t type) {
    static const char *const names[] = {"unmovable", "movable", "reclaimable"};
    VMSIM__ASSERT(type < VMSIM__COUNT(names));
    return names[type];
}

/* What the numbers of a kind mean. */
static void put_arguments(struct vmsim_events *e, const struct vmsim_event *v) {
    const uint64_t *n = v->number;
    switch (v->kind) {
    case VMSIM_EVENT_STALL:
        if (strcmp(v->what, "recorded order") != 0)
            break;
        vmsim__textbuf_puts(&e->text, ",\"args\":{\"for\":");
        vmsim__textbuf_quote(&e->text, task_name(e, (uint32_t)n[0]));
        vmsim__textbuf_puts(&e->text, "}");
        break;
    case VMSIM_EVENT_FAULT:
        vmsim__textbuf_printf(&e->text, ",\"args\":{\"address\":\"0x%" PRIx64 "\",\"write\":%s,\"cpu\":%u}", n[0],
                              n[1] ? "true" : "false", v->cpu);
        break;
    case VMSIM_EVENT_RECLAIM:
        vmsim__textbuf_printf(&e->text,
                              ",\"args\":{\"scanned\":%" PRIu64 ",\"reclaimed\":%" PRIu64 ",\"node\":%" PRIu64
                              ",\"list\":\"%s\"}",
                              n[0], n[1], n[2], n[3] ? "file" : "anon");
        break;
    case VMSIM_EVENT_IO:
        vmsim__textbuf_printf(&e->text, ",\"args\":{\"bytes\":%" PRIu64 "}", n[0]);
        break;
    case VMSIM_EVENT_KILL:
        vmsim__textbuf_printf(&e->text, ",\"args\":{\"pages\":%" PRIu64 ",\"found by\":", n[0]);
        vmsim__textbuf_quote(&e->text, task_name(e, (uint32_t)n[1]));
        vmsim__textbuf_puts(&e->text, "}");
        break;
    case VMSIM_EVENT_ALLOC:
        vmsim__textbuf_printf(&e->text, ",\"args\":{\"pfn\":%" PRIu64 ",\"order\":%" PRIu64 "}", n[0], n[1]);
        break;
    case VMSIM_EVENT_EXTFRAG:
        vmsim__textbuf_printf(&e->text,
                              ",\"args\":{\"pfn\":%" PRIu64 ",\"order\":%" PRIu64 ",\"block order\":%" PRIu64
                              ",\"for\":\"%s\",\"from\":\"%s\"}",
                              n[0], n[1], n[2], mobility(n[3] & 15), mobility(n[3] >> 4));
        break;
    default:
        break;
    }
}

static void put_span(struct vmsim_events *e, const struct vmsim_event *v, unsigned pid, uint64_t tid,
                     const char *name) {
    const bool instant = v->kind == VMSIM_EVENT_KILL || v->kind == VMSIM_EVENT_ALLOC || v->kind == VMSIM_EVENT_EXTFRAG;
    begin_event(e, instant ? "i" : "X", pid, tid, v->time, kinds[v->kind], name);
    if (instant) {
        vmsim__textbuf_puts(&e->text, ",\"s\":\"t\"");
    } else {
        vmsim__textbuf_puts(&e->text, ",\"dur\":");
        put_us(&e->text, v->duration);
    }
    put_arguments(e, v);
    vmsim__textbuf_puts(&e->text, "},\n");
}

static void put_request(struct vmsim_events *e, const struct vmsim_event *v) {
    const uint64_t device = v->number[2], id = ++e->requests;
    name_track(e, PID_DEVICES, device, v->what);
    begin_event(e, "b", PID_DEVICES, device, v->time, "io", v->number[1] ? "write" : "read");
    vmsim__textbuf_printf(&e->text, ",\"id\":%" PRIu64, id);
    put_arguments(e, v);
    vmsim__textbuf_puts(&e->text, "},\n");
    begin_event(e, "e", PID_DEVICES, device, v->time + v->duration, "io", v->number[1] ? "write" : "read");
    vmsim__textbuf_printf(&e->text, ",\"id\":%" PRIu64 "},\n", id);
}

static void put_chrome(struct vmsim_events *e, const struct vmsim_event *v) {
    char name[80];
    const bool kernel = v->task != VMSIM_TASK_NONE && v->task & VMSIM__KTHREAD;
    const unsigned process = kernel ? PID_KERNEL : PID_TASKS;
    const uint64_t track = kernel ? v->task - VMSIM__KTHREAD : pid_of(v->task);
    if (v->kind == VMSIM_EVENT_IO) {
        put_request(e, v);
        return;
    }
    if (v->kind == VMSIM_EVENT_RUN) {
        snprintf(name, sizeof name, "CPU %u", v->cpu);
        name_track(e, PID_CPUS, v->cpu, name);
        put_span(e, v, PID_CPUS, v->cpu, task_name(e, v->task));
        return;
    }
    name_track(e, process, track, task_name(e, v->task));
    snprintf(name, sizeof name, "%s: %.60s", kinds[v->kind], v->what);
    put_span(e, v, process, track, name);
}

static void begin_chrome(struct vmsim_events *e) {
    vmsim__textbuf_puts(&e->text, "{\"displayTimeUnit\":\"ns\",\"otherData\":{\"vmsim\":");
    vmsim__textbuf_quote(&e->text, vmsim_version());
    vmsim__textbuf_puts(&e->text, "},\"traceEvents\":[\n");
    put_name(e, "process_name", PID_CPUS, 0, "CPUs");
    put_name(e, "process_name", PID_TASKS, 0, "tasks");
    put_name(e, "process_name", PID_KERNEL, 0, "threads of the kernel");
    put_name(e, "process_name", PID_DEVICES, 0, "devices");
}

/* The last event has no comma behind it: it says how much there is. */
static void end_chrome(struct vmsim_events *e) {
    vmsim__textbuf_printf(
        &e->text,
        "{\"ph\":\"M\",\"name\":\"process_labels\",\"pid\":%u,\"tid\":0,\"args\":{\"labels\":\"%" PRIu64
        " events, %" PRIu64 " left out\"}}\n]}\n",
        PID_CPUS, e->written, e->left_out);
}

/* ---- the kernel's text ---- */

static const char *tracepoint(const struct vmsim_event *v) {
    switch (v->kind) {
    case VMSIM_EVENT_RECLAIM:
        return "mm_vmscan_lru_shrink_inactive";
    case VMSIM_EVENT_ALLOC:
        return "mm_page_alloc";
    case VMSIM_EVENT_EXTFRAG:
        return "mm_page_alloc_extfrag";
    case VMSIM_EVENT_KILL:
        return "mark_victim";
    case VMSIM_EVENT_FAULT:
        return "page_fault_user";
    case VMSIM_EVENT_STALL:
        return !strncmp(v->what, "page ", 5)                                ? "sched_stat_iowait"
               : !strcmp(v->what, "memory") || !strcmp(v->what, "throttle") ? "sched_stat_blocked"
                                                                            : "sched_stat_sleep";
    default:
        return NULL;
    }
}

/* "            sort-1     [000] .....     0.282013: " and the fields. */
static void put_ftrace(struct vmsim_events *e, const struct vmsim_event *v) {
    const char *name = tracepoint(v);
    const uint64_t *n = v->number, end = v->time + v->duration;
    const uint64_t pid = pid_of(v->task);
    if (!name)
        return;
    vmsim__textbuf_printf(&e->text, "%16.16s-%-7" PRIu64 " [%03u] ..... %5" PRIu64 ".%06u: %s: ", task_name(e, v->task),
                          pid, v->cpu == UINT32_MAX ? 0 : v->cpu, end / 1000000000, (unsigned)(end % 1000000000 / 1000),
                          name);
    if (v->kind == VMSIM_EVENT_RECLAIM)
        vmsim__textbuf_printf(&e->text, "nid=%" PRIu64 " nr_scanned=%" PRIu64 " nr_reclaimed=%" PRIu64 " flags=%s\n",
                              n[2], n[0], n[1], n[3] ? "RECLAIM_WB_FILE" : "RECLAIM_WB_ANON");
    else if (v->kind == VMSIM_EVENT_ALLOC)
        vmsim__textbuf_printf(&e->text, "pfn=0x%" PRIx64 " order=%" PRIu64 " migratetype=%" PRIu64 "\n", n[0], n[1],
                              n[2]);
    else if (v->kind == VMSIM_EVENT_EXTFRAG)
        vmsim__textbuf_printf(&e->text,
                              "pfn=0x%" PRIx64 " alloc_order=%" PRIu64 " fallback_order=%" PRIu64
                              " alloc_migratetype=%" PRIu64 " fallback_migratetype=%" PRIu64 " change_ownership=%u\n",
                              n[0], n[1], n[2], n[3] & 15, n[3] >> 4, v->what[0] == 'c');
    else if (v->kind == VMSIM_EVENT_KILL)
        vmsim__textbuf_printf(&e->text, "pid=%" PRIu64 "\n", pid);
    else if (v->kind == VMSIM_EVENT_FAULT)
        vmsim__textbuf_printf(&e->text, "address=0x%" PRIx64 " error_code=0x%x\n", n[0], n[1] ? 6u : 4u);
    else
        vmsim__textbuf_printf(&e->text, "comm=%s pid=%" PRIu64 " delay=%" PRIu64 " [ns]\n", task_name(e, v->task), pid,
                              v->duration);
}

/* ---- the file ---- */

static void take(void *context, const struct vmsim_event *v) {
    struct vmsim_events *e = context;
    if (e->err || v->time + v->duration < e->o.from || (e->o.to && v->time > e->o.to) ||
        (v->duration < e->o.least && v->kind != VMSIM_EVENT_KILL))
        return;
    if (e->written == e->o.limit) {
        e->left_out++;
        return;
    }
    e->written++;
    if (e->o.format == VMSIM_EVENTS_CHROME)
        put_chrome(e, v);
    else
        put_ftrace(e, v);
    flush(e, PIECE);
}

/* The file is in its place when it is whole (vmsim__output): a run that is killed leaves none. Single allocations are
 * left out unless asked for, since they outnumber everything else. */
int vmsim_events_open(struct vmsim_scenario *s, const char *path, const struct vmsim_events_options *options,
                      struct vmsim_events **events) {
    if (!s || !path || !events)
        return VMSIM_EINVAL;
    *events = NULL;
    if (options && (options->size != sizeof *options || (unsigned)options->format > VMSIM_EVENTS_FTRACE))
        return vmsim__err_set(&s->err, VMSIM_EINVAL, "there are no such files of events");
    struct vmsim_events *e = vmsim__calloc(s->alloc, 1, sizeof *e);
    if (!e)
        return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for events");
    e->s = s;
    e->o = options ? *options : (struct vmsim_events_options){0};
    e->o.limit = e->o.limit ? e->o.limit : LIMIT;
    vmsim__textbuf_init(&e->text, s->alloc);
    int err = vmsim__output_open(&e->file, s->alloc, path, &s->err);
    if (err) {
        vmsim__output_close(&e->file);
        vmsim__free(s->alloc, e, sizeof *e);
        return err;
    }
    if (e->o.format == VMSIM_EVENTS_CHROME)
        begin_chrome(e);
    vmsim_machine_watch(s->machine, e->o.kinds ? e->o.kinds : ~(1u << VMSIM_EVENT_ALLOC), take, e);
    *events = e;
    return 0;
}

int vmsim_events_close(struct vmsim_events *e, uint64_t *left_out) {
    if (!e)
        return 0;
    struct vmsim_scenario *s = e->s;
    vmsim_machine_watch(s->machine, 0, NULL, NULL);
    if (left_out)
        *left_out = e->left_out;
    if (e->o.format == VMSIM_EVENTS_CHROME)
        end_chrome(e);
    flush(e, 0);
    int err = e->err ? e->err : vmsim__output_commit(&e->file, &s->err);
    vmsim__output_close(&e->file);
    for (size_t i = 0; i < VMSIM__COUNT(e->named); i++)
        vmsim__vec_fini(s->alloc, &e->named[i]);
    vmsim__textbuf_fini(&e->text);
    vmsim__free(s->alloc, e, sizeof *e);
    return err;
}
