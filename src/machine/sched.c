/* SPDX-License-Identifier: MIT */
/* The scheduler and the machine's events (see sched.h). */
#include "machine/sched.h"

#include "machine/compact.h"

#include <stdio.h>
#include <string.h>

#define WAKEUP_CREDIT UINT64_C(3000000) /* ns that a sleeper is ahead at most: half of sched_latency, 6 ms */
#define WAKEUP_GRANULARITY                                                                                             \
    UINT64_C(1000000) /* ns that it must be ahead to take the CPU: sysctl_sched_wakeup_granularity */

static int no_memory(struct vmsim_machine *m) {
    m->host_nomem = true;
    return vmsim__host_error(m);
}

/* ---- busy CPUs ---- */

/* Ties go to the lower number, so that the order of steps is one function of the clocks and never of where a CPU
 * happens to lie in the heap. */
static bool cpu_before(const struct vmsim_machine *m, uint32_t a, uint32_t b) {
    return m->cpus[a].now != m->cpus[b].now ? m->cpus[a].now < m->cpus[b].now : a < b;
}

/* The heap knows its members by number and each member its place, since a CPU whose clock changes must be found
 * again without a search. */
static void cpu_put(struct vmsim_machine *m, uint32_t place, uint32_t cpu) {
    m->busy[place] = cpu;
    m->cpus[cpu].place = place;
}

/* Restores the order of the heap around one CPU whose clock has changed. */
static void cpu_sift(struct vmsim_machine *m, uint32_t cpu) {
    uint32_t at = m->cpus[cpu].place;
    VMSIM__ASSERT(at < m->nr_busy && m->busy[at] == cpu);
    while (at && cpu_before(m, cpu, m->busy[(at - 1) / 2])) {
        cpu_put(m, at, m->busy[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (uint32_t child; (child = 2 * at + 1) < m->nr_busy; at = child) {
        if (child + 1 < m->nr_busy && cpu_before(m, m->busy[child + 1], m->busy[child]))
            child++;
        if (!cpu_before(m, m->busy[child], cpu))
            break;
        cpu_put(m, at, m->busy[child]);
    }
    cpu_put(m, at, cpu);
}

/* Idle CPUs are in no heap: a machine of many costs what its busy ones cost. */
static void cpu_busy(struct vmsim_machine *m, uint32_t cpu) {
    VMSIM__ASSERT(m->cpus[cpu].place == VMSIM__NO_PLACE && m->nr_busy < m->nr_cpus);
    cpu_put(m, m->nr_busy++, cpu);
    cpu_sift(m, cpu);
}

static void cpu_idle(struct vmsim_machine *m, uint32_t cpu) {
    const uint32_t at = m->cpus[cpu].place, last = m->busy[--m->nr_busy];
    VMSIM__ASSERT(at <= m->nr_busy);
    m->cpus[cpu].place = VMSIM__NO_PLACE;
    if (last == cpu)
        return;
    cpu_put(m, at, last);
    cpu_sift(m, last);
}

/* The second earliest clock of a busy CPU: of one of the children of the first. */
static uint64_t second_clock(const struct vmsim_machine *m) {
    uint64_t clock = VMSIM__TIME_NEVER;
    for (uint32_t at = 1; at < 3 && at < m->nr_busy; at++)
        clock = vmsim__min64(clock, m->cpus[m->busy[at]].now);
    return clock;
}

/* ---- the queue of a CPU ---- */

/* Kernel: entity_before. Ids decide between equals, as addresses would in the kernel: here they are the same in
 * every run. */
static bool task_before(const struct vmsim__task *a, const struct vmsim__task *b) {
    return a->vruntime != b->vruntime ? a->vruntime < b->vruntime : a->id < b->id;
}

/* A heap in place of the kernel's tree: the first of a queue is all that is ever asked for, and a task that leaves
 * from the middle is rare. */
static void queue_sift(struct vmsim__cpu *c, size_t at, struct vmsim__task *t) {
    VMSIM__ASSERT(at < c->queue.count && t->queued);
    while (at && task_before(t, c->queue.at[(at - 1) / 2])) {
        c->queue.at[at] = c->queue.at[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    for (size_t child; (child = 2 * at + 1) < c->queue.count; at = child) {
        if (child + 1 < c->queue.count && task_before(c->queue.at[child + 1], c->queue.at[child]))
            child++;
        if (!task_before(c->queue.at[child], t))
            break;
        c->queue.at[at] = c->queue.at[child];
    }
    c->queue.at[at] = t;
}

/* The place that it takes is put in order by whoever comes from the end. */
static void queue_remove(struct vmsim__cpu *c, size_t at) {
    VMSIM__ASSERT(at < c->queue.count);
    c->queue.at[at]->queued = false;
    struct vmsim__task *last = c->queue.at[--c->queue.count];
    if (at < c->queue.count)
        queue_sift(c, at, last);
}

/* As of `time`, which the CPU may have passed already: how far it has gone beyond depends on where it was cut. It
 * only grows: a sleeper is placed against it, and one that were placed against a smaller value would be ahead of all
 * who waited meanwhile. Kernel: update_min_vruntime. */
static void settle_min(struct vmsim__cpu *c, uint64_t time) {
    uint64_t least = VMSIM__TIME_NEVER;
    if (c->current)
        least = c->current->vruntime - (c->now > time ? vmsim__min64(c->now - time, c->current->vruntime) : 0);
    if (c->queue.count)
        least = vmsim__min64(least, c->queue.at[0]->vruntime);
    if (least != VMSIM__TIME_NEVER)
        c->min_vruntime = vmsim__max64(c->min_vruntime, least);
}

/* The CPU becomes busy with its first task; its clock was brought up to now by whoever woke that one. */
static int enqueue(struct vmsim_machine *m, struct vmsim__task *t) {
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    VMSIM__ASSERT(t->state == VMSIM__TASK_RUNNABLE && !t->queued && c->current != t);
    if (!vmsim__vec_push(m->alloc, &c->queue, t))
        return no_memory(m);
    t->queued = true;
    queue_sift(c, c->queue.count - 1, t);
    if (c->place == VMSIM__NO_PLACE)
        cpu_busy(m, t->cpu);
    return 0;
}

/* ---- accounts ---- */

void vmsim__task_account(struct vmsim__task *t, uint64_t time) {
    static const bool held_up[VMSIM__WAIT_KINDS] = {
        [VMSIM__WAIT_LOCKED] = true, [VMSIM__WAIT_WRITEBACK] = true, [VMSIM__WAIT_THROTTLE] = true};
    if (t->state == VMSIM__TASK_DEAD || time <= t->since)
        return;
    const uint64_t ns = time - t->since;
    t->since = time;
    const bool blocked = t->state == VMSIM__TASK_BLOCKED;
    if (blocked && held_up[t->wait.kind])
        t->stats.blocked_ns += ns;
    else if (blocked ? t->wait.kind != VMSIM__WAIT_CPU : !t->source.run)
        t->stats.asleep_ns += ns;
    else
        t->stats.waiting_ns += ns;
}

/* The CPU had nothing to do until `time`. */
void vmsim__cpu_idle_until(struct vmsim_machine *m, unsigned cpu, uint64_t time) {
    VMSIM__ASSERT(cpu < m->nr_cpus);
    struct vmsim__cpu *c = &m->cpus[cpu];
    if (c->now >= time)
        return;
    *(c->blocked ? &c->iowait_ns : &c->idle_ns) += time - c->now;
    c->now = time;
}

/* These two alone have waiters by page, a reference that is held, and count as I/O of their CPU. */
static bool waits_for_page(const struct vmsim__wait *w) {
    return w->kind == VMSIM__WAIT_LOCKED || w->kind == VMSIM__WAIT_WRITEBACK;
}

/* What a task that waits counts as: for I/O; for memory, if it was throttled for its sake or reads a page again that
 * was here and in use (PSI's thrashing). */
static unsigned stall_of(const struct vmsim_machine *m, const struct vmsim__wait *w) {
    if (w->kind == VMSIM__WAIT_THROTTLE)
        return w->what == VMSIM__FOR_MEMORY ? VMSIM__PSI_MEMSTALL : VMSIM__PSI_IOWAIT;
    if (!waits_for_page(w))
        return 0;
    const struct vmsim__frame *f = vmsim__frame_at(&m->mem->frames, (vmsim__pfn)w->what);
    const bool again = w->kind == VMSIM__WAIT_LOCKED && vmsim__frame_is(f, VMSIM__FRAME_WORKINGSET);
    return VMSIM__PSI_IOWAIT | (again ? VMSIM__PSI_MEMSTALL : 0);
}

/* ---- waiting ---- */

/* Fibonacci hashing: pages that are waited for lie one behind the other. Kernel: folio_waitqueue. */
static struct vmsim__wait_bucket *bucket_of(struct vmsim_machine *m, uint64_t pfn) {
    return &m->waiters[(pfn * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (VMSIM__WAIT_BUCKETS - 1)];
}

/* The task runs, or will not: the page that it waited for can go. Kernel: the folio_put behind folio_wait_locked. */
static void let_go(struct vmsim_machine *m, struct vmsim__task *t) {
    const vmsim__pfn pfn = t->held;
    t->held = 0;
    if (pfn)
        vmsim__folio_put(m->lru, pfn, t->cpu);
}

/* From here on nothing of the task is on any list but that of its page, and only an event can go on with it. It
 * holds a reference on the page meanwhile: one that is read and then truncated may not become another's frame while
 * somebody sleeps for it by its number. */
int vmsim__task_block(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->state == VMSIM__TASK_RUNNABLE && t->wait.kind != VMSIM__WAIT_NONE && !t->queued);
    t->since = m->cpus[t->cpu].now;
    if (t->wait.until != VMSIM__TIME_NEVER &&
        !vmsim__evq_push(&m->events, t->wait.until, VMSIM__EVENT_TIMER, t->id, &t->timer))
        return no_memory(m);
    t->state = VMSIM__TASK_BLOCKED;
    t->rseq_due = t->rseq != 0; /* also where nobody else has its CPU meanwhile: the kernel's idle task does */
    vmsim__psi_set(m, t, stall_of(m, &t->wait), t->since);
    if (waits_for_page(&t->wait)) {
        VMSIM__ASSERT(!t->held);
        t->held = (vmsim__pfn)t->wait.what;
        vmsim__folio_get(m->lru, t->held);
        struct vmsim__wait_bucket *b = bucket_of(m, t->wait.what);
        *(b->last ? &b->last->waiters : &b->first) = t;
        b->last = t;
        t->waiters = NULL;
        m->page_waiters++;
        m->cpus[t->cpu].blocked++;
    }
    return 0;
}

/* It is in no list of those that wait, and its timer is off. */
static void unlink_wait(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->state == VMSIM__TASK_BLOCKED);
    if (t->timer != VMSIM__NO_TIMER)
        vmsim__evq_cancel(&m->events, t->timer);
    t->timer = VMSIM__NO_TIMER;
    if (!waits_for_page(&t->wait))
        return;
    struct vmsim__wait_bucket *b = bucket_of(m, t->wait.what);
    struct vmsim__task **at = &b->first, *before = NULL;
    for (; *at != t; at = &before->waiters)
        before = *at;
    *at = t->waiters;
    if (b->last == t)
        b->last = before;
    t->waiters = NULL;
    VMSIM__ASSERT(m->page_waiters > 0);
    m->page_waiters--;
    m->cpus[t->cpu].blocked--;
}

/* Kernel: place_entity. A sleeper comes ahead of the others by a latency's half at most, however long it slept:
 * without that bound it could keep the CPU for as long as it had slept. Whether the one that runs gives way is
 * decided at its next preemption point. */
static void place_woken(struct vmsim__cpu *c, struct vmsim__task *t, uint64_t time) {
    VMSIM__ASSERT(t->state == VMSIM__TASK_RUNNABLE && !t->queued);
    settle_min(c, time);
    uint64_t least = c->min_vruntime - vmsim__min64(c->min_vruntime, WAKEUP_CREDIT);
    t->vruntime = vmsim__max64(t->vruntime, least);
    c->resched = c->current != NULL;
}

/* Words for events and reports; VMSIM__WAIT_KINDS is no kind of its own but a throttle for the sake of memory, which
 * people want to tell from one for a device. */
const char *vmsim__stall_name(unsigned kind) {
    static const char *const why[] = {[VMSIM__WAIT_NONE] = "nothing",
                                      [VMSIM__WAIT_LOCKED] = "page read",
                                      [VMSIM__WAIT_WRITEBACK] = "page written",
                                      [VMSIM__WAIT_THROTTLE] = "throttle",
                                      [VMSIM__WAIT_TIME] = "sleep",
                                      [VMSIM__WAIT_CHILD] = "child",
                                      [VMSIM__WAIT_BARRIER] = "barrier",
                                      [VMSIM__WAIT_TURN] = "recorded order",
                                      [VMSIM__WAIT_CPU] = "CPU",
                                      [VMSIM__WAIT_WORK] = "work",
                                      [VMSIM__WAIT_KINDS] = "memory"};
    _Static_assert(VMSIM__COUNT(why) == VMSIM__WAIT_KINDS + 1, "a word a kind");
    VMSIM__ASSERT(kind < VMSIM__COUNT(why));
    return why[kind];
}

static unsigned stall_kind(const struct vmsim__task *t) {
    const bool memory = t->wait.kind == VMSIM__WAIT_THROTTLE && t->wait.what == VMSIM__FOR_MEMORY;
    return memory ? VMSIM__WAIT_KINDS : t->wait.kind;
}

/* Why a task waited; a kernel thread that had nothing to do did not. */
static void tell_stall(const struct vmsim_machine *m, const struct vmsim__task *t, uint64_t time) {
    const struct vmsim__watch *w = &m->mem->now.watch;
    const struct vmsim_event e = {
        VMSIM_EVENT_STALL,      t->id, t->cpu, t->since, time - t->since, vmsim__stall_name(stall_kind(t)),
        {t->wait.what, 0, 0, 0}};
    if (t->wait.kind != VMSIM__WAIT_WORK && e.duration)
        w->tell(w->context, &e);
}

/* May be called of a task that runs already, as two events may end one wait: the second finds nothing to do. A CPU
 * without work had nothing to do until now; one with work is somewhere in its own time, and the task takes its place
 * in the queue. */
int vmsim__task_wake(struct vmsim_machine *m, struct vmsim__task *t, uint64_t time) {
    VMSIM__ASSERT(t->cpu < m->nr_cpus);
    if (t->state != VMSIM__TASK_BLOCKED)
        return 0;
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    time = vmsim__max64(time, t->since); /* it may have begun to wait a little ahead of the others */
    if (vmsim__watched(&m->mem->now.watch, VMSIM_EVENT_STALL))
        tell_stall(m, t, time);
    if (time > t->since && !vmsim__task_is_kthread(t))
        vmsim__latency_add(&m->stall_took[stall_kind(t)], time - t->since);
    vmsim__task_account(t, time);
    if (c->place == VMSIM__NO_PLACE)
        vmsim__cpu_idle_until(m, t->cpu, time);
    unlink_wait(m, t);
    t->wait = (struct vmsim__wait){0};
    t->state = VMSIM__TASK_RUNNABLE;
    vmsim__psi_set(m, t, t->source.run ? VMSIM__PSI_RUNNING : 0, time);
    if (!t->source.run)
        return 0;
    place_woken(c, t, time);
    return enqueue(m, t);
}

/* Whoever runs now is to let it happen in time. */
static int push(struct vmsim_machine *m, uint64_t time, enum vmsim__event_kind kind, uint64_t arg, uint32_t *slot) {
    m->horizon = vmsim__min64(m->horizon, time);
    m->until = vmsim__min64(m->until, time);
    return vmsim__evq_push(&m->events, time, kind, arg, slot) ? 0 : no_memory(m);
}

/* Events of one time happen in the order in which they were made (base/evq.h): which device or timer was
 * asked first decides, not a heap's chance. */
int vmsim__event_at(struct vmsim_machine *m, uint64_t time, enum vmsim__event_kind kind, uint64_t arg) {
    return push(m, time, kind, arg, NULL);
}

int vmsim__task_wake_at(struct vmsim_machine *m, const struct vmsim__task *t, uint64_t time) {
    VMSIM__ASSERT(time != VMSIM__TIME_NEVER);
    return push(m, time, VMSIM__EVENT_WAKE, t->id, NULL);
}

/* Waiters of one page wake in the order in which they came. A bucket has waiters of other pages, too, and what wakes
 * may put itself there again for another page: the next one is remembered before. */
int vmsim__page_wake(struct vmsim_machine *m, enum vmsim__wait_kind kind, uint64_t pfn, int status, uint64_t time) {
    VMSIM__ASSERT(kind == VMSIM__WAIT_LOCKED || kind == VMSIM__WAIT_WRITEBACK);
    int err = 0;
    if (!m->page_waiters)
        return 0;
    for (struct vmsim__task *t = bucket_of(m, pfn)->first, *next; t && !err; t = next) {
        next = t->waiters;
        if (t->wait.kind != kind || t->wait.what != pfn)
            continue;
        t->call.error = status;
        err = vmsim__task_wake(m, t, time);
    }
    return err;
}

/* For a task that ends, whatever it does now. After it, no list and no queue knows the task, and a CPU that it was
 * alone on is idle. */
void vmsim__task_withdraw(struct vmsim_machine *m, struct vmsim__task *t) {
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    let_go(m, t);
    vmsim__psi_set(m, t, 0, c->now);
    if (t->state == VMSIM__TASK_BLOCKED) {
        unlink_wait(m, t);
        t->wait = (struct vmsim__wait){0};
        t->state = VMSIM__TASK_RUNNABLE;
    }
    for (size_t i = 0; t->queued; i++) {
        VMSIM__ASSERT(i < c->queue.count);
        if (c->queue.at[i] == t)
            queue_remove(c, i);
    }
    if (c->current == t)
        c->current = NULL;
    if (!c->current && !c->queue.count && c->place != VMSIM__NO_PLACE)
        cpu_idle(m, t->cpu);
}

/* It begins as a sleeper whose timer is its start: a task that starts later is no special case for anybody. */
int vmsim__task_begin(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__source *source,
                      uint64_t time) {
    VMSIM__ASSERT(source->run && t->state == VMSIM__TASK_RUNNABLE && !t->queued);
    t->source = *source;
    t->vruntime = m->cpus[t->cpu].min_vruntime;
    t->since = t->start_ns = time;
    t->wait = (struct vmsim__wait){.kind = VMSIM__WAIT_TIME, .until = time};
    if (push(m, time, VMSIM__EVENT_TIMER, t->id, &t->timer))
        return VMSIM_ENOMEM;
    t->state = VMSIM__TASK_BLOCKED;
    return 0;
}

/* ---- timers ---- */

#define WHEEL_BITS 3u /* LVL_CLK_SHIFT: each level is eight times as coarse */
#define WHEEL_SIZE 64u
#define WHEEL_LEVELS 9u

/* When a timeout of the kernel's ends, which is later than asked for: timers are kept in a wheel whose levels are
 * ever coarser, and end with the slot. Kernel: calc_wheel_index, whose levels begin at 63 jiffies, 504, 4032 and so
 * on. */
uint64_t vmsim__timeout_end(uint64_t now, uint64_t ms) {
    const uint64_t span = (ms * 1000000 + VMSIM__JIFFY - 1) / VMSIM__JIFFY;
    const uint64_t expires = now / VMSIM__JIFFY + span;
    unsigned shift = 0;
    for (unsigned level = 1; level < WHEEL_LEVELS && span >= (uint64_t)(WHEEL_SIZE - 1) << (level - 1) * WHEEL_BITS;
         level++)
        shift = level * WHEEL_BITS;
    const uint64_t end = ((expires >> shift) + 1) << shift;
    VMSIM__ASSERT(end > now / VMSIM__JIFFY && end >= expires);
    return end * VMSIM__JIFFY;
}

/* ---- nobody gets on ---- */

#define STUCK_LOOK UINT64_C(10000000000)     /* ns between two looks */
#define STUCK_TIMEOUT UINT64_C(120000000000) /* ns: hung_task_timeout_secs */

/* A number that changes when a task does something, or a device is done with something. Sums suffice: each part only
 * grows. */
static uint64_t progress_of(const struct vmsim_machine *m) {
    uint64_t sum = 0;
    for (size_t i = 0; i < m->tasks.count; i++) {
        const struct vmsim__task_stats *s = &m->tasks.at[i]->stats;
        sum += s->references + s->syscalls + s->user_ns;
    }
    for (uint32_t i = 0; i < vmsim__block_devices(m->block); i++) {
        struct vmsim__block_stat s;
        vmsim__block_stat(m->block, i, 0, &s);
        sum += s.ios[VMSIM__BLOCK_READ] + s.ios[VMSIM__BLOCK_WRITE];
    }
    return sum;
}

/* A sleeper will wake and may do something then: whoever waits for it is not stuck. */
static bool somebody_sleeps(const struct vmsim_machine *m) {
    for (size_t i = 0; i < m->tasks.count; i++)
        if (m->tasks.at[i]->state == VMSIM__TASK_BLOCKED && m->tasks.at[i]->wait.kind == VMSIM__WAIT_TIME)
            return true;
    return false;
}

/* Events go on for ever where writers are held up again and again: without a device that hangs they get their turn. */
static void look_for_stuck(struct vmsim_machine *m, uint64_t now) {
    uint32_t device;
    if (now < m->stuck.look)
        return;
    VMSIM__ASSERT(now >= m->stuck.since);
    m->stuck.look = now + STUCK_LOOK;
    const bool hung = vmsim__block_hung(m->block, &device) > 0;
    const uint64_t progress = hung ? progress_of(m) : 0;
    if (!hung || progress != m->stuck.progress || somebody_sleeps(m))
        m->stuck.since = now;
    m->stuck.progress = progress;
    m->stuck.found = now - m->stuck.since >= STUCK_TIMEOUT;
}

bool vmsim__sched_stuck(const struct vmsim_machine *m) {
    return m->stuck.found;
}

/* ---- steps ---- */

/* VMSIM__TIME_NEVER: nothing will ever happen again. */
uint64_t vmsim__sched_next(const struct vmsim_machine *m) {
    const struct vmsim__event *e = vmsim__evq_peek(&m->events);
    uint64_t next = e ? e->time : VMSIM__TIME_NEVER;
    return m->nr_busy ? vmsim__min64(next, m->cpus[m->busy[0]].now) : next;
}

/* What an event does is done by nobody: no task is charged, no call is entered, and the present has the event's
 * time, which may lie behind the clock of the CPU that it concerns. */
static int event(struct vmsim_machine *m) {
    struct vmsim__event e;
    vmsim__evq_pop(&m->events, &e);
    m->running = NULL;
    m->mem->now.time = e.time;
    vmsim__present_nobody(m);
    m->mem->now.call = NULL;
    if (e.kind == VMSIM__EVENT_IO)
        return vmsim__io_event(m, &e);
    if (e.kind == VMSIM__EVENT_SCORE) {
        vmsim__kcompactd_event(m, e.time);
        return vmsim__host_error(m);
    }
    if (e.kind == VMSIM__EVENT_GRACE) {
        vmsim__tables_grace_over(m->vm, e.arg & UINT16_MAX, e.arg >> 16);
        return vmsim__host_error(m);
    }
    if (e.kind == VMSIM__EVENT_KILL) {
        vmsim__oom_event(m, (uint32_t)e.arg, e.time);
        return vmsim__host_error(m);
    }
    struct vmsim__task *t = vmsim__task_at(m, (uint32_t)e.arg);
    if (e.kind == VMSIM__EVENT_TIMER)
        t->timer = VMSIM__NO_TIMER;
    return vmsim__task_wake(m, t, e.time);
}

/* The earliest clock of a busy CPU but this one. */
static uint64_t others_clock(const struct vmsim_machine *m, uint32_t cpu) {
    return m->nr_busy && m->busy[0] != cpu ? m->cpus[m->busy[0]].now : second_clock(m);
}

static bool is_transfer(const void *context, const struct vmsim__event *e) {
    (void)context;
    return e->kind == VMSIM__EVENT_IO;
}

/* A device has been done meanwhile, and nobody has looked: a path that polls (congestion_wait, direct reclaim) would
 * find pages that were never given back. */
bool vmsim__sched_interrupted(const struct vmsim_machine *m) {
    return vmsim__evq_any(&m->events, m->mem->now.time, is_transfer, NULL);
}

/* False: one is due, but another CPU has not come as far, and would see it too early; or something else comes first.
 * The present is put back as it was: in the kernel an interrupt leaves the interrupted task where it stood, too. */
bool vmsim__sched_interrupts(struct vmsim_machine *m) {
    const struct vmsim__now present = m->mem->now;
    struct vmsim__task *running = m->running;
    VMSIM__ASSERT(running);
    const uint64_t others = others_clock(m, running->cpu);
    const struct vmsim__event *e;
    m->mem->now.wait = (struct vmsim__wait){0};
    while ((e = vmsim__evq_peek(&m->events)) != NULL) {
        const bool due = e->kind == VMSIM__EVENT_IO && e->time <= present.time;
        if (!due || e->time > others || event(m))
            break;
    }
    m->running = running;
    m->mem->now = present;
    return !e || !vmsim__sched_interrupted(m) || m->host_nomem;
}

/* May somebody want the running task's CPU after the event? What wakes on others does not matter to it. */
static bool concerns_its_cpu(const void *context, const struct vmsim__event *e) {
    const struct vmsim_machine *m = context;
    const bool wakes = e->kind == VMSIM__EVENT_WAKE || e->kind == VMSIM__EVENT_TIMER;
    return wakes ? vmsim__task_at(m, (uint32_t)e->arg)->cpu == m->running->cpu : e->kind == VMSIM__EVENT_IO;
}

/* Has the running task had its time, while another waits for the CPU? Kernel: check_preempt_tick. */
static bool time_is_up(const struct vmsim_machine *m) {
    const struct vmsim__cpu *c = &m->cpus[m->running->cpu];
    return c->current == m->running && c->queue.count && m->mem->now.time >= c->slice_end;
}

/* Only while the scheduler itself has the task run (`stepping`): whoever drives the machine call by call has no
 * queue to go back into. */
bool vmsim__sched_due(const struct vmsim_machine *m) {
    return m->stepping && m->running &&
           (time_is_up(m) || vmsim__evq_any(&m->events, m->mem->now.time, concerns_its_cpu, m));
}

/* Kernel: cond_resched. A wait for the CPU itself, which lasts no longer than it takes to see who is next; in a
 * fault there is no record to come back to, so a fault is never cut here. */
bool vmsim__sched_cond_resched(void *machine) {
    struct vmsim_machine *m = machine;
    struct vmsim__now *now = &m->mem->now;
    if (!vmsim__sched_due(m) || !m->running->in_call)
        return false;
    vmsim__now_wait(now, VMSIM__WAIT_CPU, 0, now->time);
    return true;
}

/* Gives the CPU to the next of its queue. Its slice begins now, also if it was put back before its last one ended.
 * Kernel: pick_next_entity, set_next_entity. */
static void pick(struct vmsim_machine *m, struct vmsim__cpu *c) {
    VMSIM__ASSERT(!c->current && c->queue.count);
    struct vmsim__task *t = c->queue.at[0];
    queue_remove(c, 0);
    c->current = t;
    c->resched = false;
    c->slice_end = c->now + m->spec.timeslice;
    vmsim__task_account(t, c->now);
    settle_min(c, c->now);
}

/* The current task, at a preemption point with all that has happened until then, goes back into the queue if another
 * has more right to the CPU: its slice is over, or one has woken that is well behind it. Kernel: check_preempt_tick,
 * check_preempt_wakeup. */
static int yield(struct vmsim_machine *m, struct vmsim__cpu *c) {
    struct vmsim__task *t = c->current;
    VMSIM__ASSERT(t);
    const bool woken = c->resched && c->queue.count && c->queue.at[0]->vruntime + WAKEUP_GRANULARITY < t->vruntime;
    c->resched = false;
    if (!c->queue.count || (!woken && c->now < c->slice_end))
        return 0;
    c->current = NULL;
    t->since = c->now;
    return enqueue(m, t);
}

/* The task is on another CPU now: it goes on there when that one has come as far. Its virtual run time begins anew
 * there, since those of two CPUs cannot be compared. Kernel: migrate_task_rq_fair. */
static int move(struct vmsim_machine *m, struct vmsim__cpu *c, struct vmsim__task *t) {
    VMSIM__ASSERT(t->cpu < m->nr_cpus && c->current == t);
    c->current = NULL;
    t->since = c->now;
    t->vruntime = m->cpus[t->cpu].min_vruntime;
    t->wait = (struct vmsim__wait){.kind = VMSIM__WAIT_CPU};
    t->state = VMSIM__TASK_BLOCKED;
    vmsim__psi_set(m, t, 0, c->now);
    return vmsim__task_wake_at(m, t, c->now);
}

/* The task is to be on another CPU (its cpuset closed this one), and is between two pieces of work: it goes. */
static bool leaves(struct vmsim__task *t) {
    if (VMSIM__LIKELY(!t->to_cpu) || t->in_call || t->fault.pending)
        return false;
    t->cpu = (uint16_t)(t->to_cpu - 1);
    t->to_cpu = 0;
    return true;
}

/* Does it wait for nothing but that others come as far as it is, for an interrupt at its time? It keeps its CPU. */
static bool lets_others_catch_up(const struct vmsim__cpu *c, const struct vmsim__task *t) {
    return t->wait.kind == VMSIM__WAIT_THROTTLE && t->wait.until <= c->now;
}

/* What the source said of the work that it did. A task that still runs keeps its CPU as `current` and is in no
 * queue; yieldable only where it stands between two pieces of work, as one cut in the middle must come back to the
 * same point first. */
static int after(struct vmsim_machine *m, uint32_t cpu, struct vmsim__task *t, enum vmsim__work how) {
    struct vmsim__cpu *c = &m->cpus[cpu];
    if (t->state == VMSIM__TASK_DEAD || how == VMSIM__WORK_END) {
        if (t->state != VMSIM__TASK_DEAD)
            vmsim__task_kill(m, t, VMSIM_STOP_NONE, t->exit_code);
        return 0;
    }
    VMSIM__ASSERT(c->current == t);
    c->yieldable = how == VMSIM__WORK_MORE;
    if (how == VMSIM__WORK_WAIT && lets_others_catch_up(c, t)) {
        t->wait = (struct vmsim__wait){0};
        return 0;
    }
    if (how == VMSIM__WORK_WAIT) {
        c->current = NULL;
        return vmsim__task_block(m, t);
    }
    return t->cpu != cpu ? move(m, c, t) : 0;
}

/* Work until the horizon, or while others want the CPU until the end of its slice. `limit` is how far it may go
 * before somebody else is behind it: nothing that it does then can come before something that another should have
 * done first. A CPU whose slice is over without anybody waiting goes on. */
static int run_cpu(struct vmsim_machine *m, uint32_t cpu, uint64_t limit) {
    struct vmsim__cpu *c = &m->cpus[cpu];
    if (c->current && c->yieldable && yield(m, c))
        return VMSIM_ENOMEM;
    if (!c->current)
        pick(m, c);
    struct vmsim__task *t = c->current;
    VMSIM__ASSERT(t->source.run && t->cpu == cpu && t->state == VMSIM__TASK_RUNNABLE);
    const uint64_t begin = c->now;
    m->horizon = limit;
    m->until = c->queue.count ? vmsim__min64(limit, c->resched ? c->now : c->slice_end) : limit;
    m->stepping = true;
    m->mem->now.watch.task = t->id;
    m->mem->now.watch.cpu = cpu;
    if (c->yieldable)
        vmsim__numa_tick(m, t);
    let_go(m, t);
    enum vmsim__work how = leaves(t) ? VMSIM__WORK_MORE : t->source.run(t->source.context, t);
    if (vmsim__watched(&m->mem->now.watch, VMSIM_EVENT_RUN) && c->now > begin)
        vmsim__tell(&m->mem->now.watch, VMSIM_EVENT_RUN, begin, c->now, "run", 0, 0, 0, 0);
    m->mem->now.watch.task = m->mem->now.watch.cpu = UINT32_MAX;
    m->stepping = false;
    m->horizon = m->until = VMSIM__TIME_NEVER;
    VMSIM__ASSERT(c->now >= begin);
    t->vruntime += c->now - begin;
    t->since = c->now;
    int err = how == VMSIM__WORK_FAIL ? VMSIM_ESTATE : after(m, cpu, t, how);
    if (c->place != VMSIM__NO_PLACE && !c->current && !c->queue.count)
        cpu_idle(m, cpu);
    else if (c->place != VMSIM__NO_PLACE)
        cpu_sift(m, cpu);
    return err;
}

/* One event or one piece of work. An event of the same time as a CPU's clock comes first: a task that looks at what
 * the event changes sees it done. */
enum vmsim__step vmsim__sched_step(struct vmsim_machine *m, uint64_t limit) {
    const struct vmsim__event *e = vmsim__evq_peek(&m->events);
    const uint32_t cpu = m->nr_busy ? m->busy[0] : VMSIM__NO_PLACE;
    if (!e && cpu == VMSIM__NO_PLACE)
        return VMSIM__STEP_IDLE;
    const bool event_first = e && (cpu == VMSIM__NO_PLACE || e->time <= m->cpus[cpu].now);
    if (event_first)
        look_for_stuck(m, e->time);
    if (m->stuck.found)
        return VMSIM__STEP_IDLE;
    if (event_first)
        return event(m) ? VMSIM__STEP_FAIL : VMSIM__STEP_DONE;
    limit = vmsim__min64(limit, vmsim__min64(second_clock(m), e ? e->time : VMSIM__TIME_NEVER));
    return run_cpu(m, cpu, limit) ? VMSIM__STEP_FAIL : VMSIM__STEP_DONE;
}

/* ---- for who drives the machine call by call ---- */

/* What it waits for never happens. Its operation is over, undone: the next one is another. */
static int give_up(struct vmsim_machine *m, struct vmsim__task *t) {
    char text[160];
    VMSIM__ASSERT(t->state == VMSIM__TASK_BLOCKED);
    vmsim__wait_text(m, t, text, sizeof text);
    vmsim__task_withdraw(m, t);
    t->fault.pending = t->in_call = false;
    vmsim__call_over(&t->call);
    return vmsim__err_set(&m->err, VMSIM_ESTATE, "task '%s' waits for ever %s", t->name, text);
}

/* The task is not in the scheduler's hands: its next call comes from outside. So the machine takes steps until the
 * wait is over, which may let other tasks and devices go far ahead of it. */
int vmsim__sched_wait(struct vmsim_machine *m, struct vmsim__task *t) {
    if (m->stepping)
        return vmsim__err_set(&m->err, VMSIM_ESTATE, "task '%s' waits in the middle of another's work", t->name);
    int err = vmsim__task_block(m, t);
    while (!err && t->state == VMSIM__TASK_BLOCKED) {
        switch (vmsim__sched_step(m, VMSIM__TIME_NEVER)) {
        case VMSIM__STEP_FAIL:
            return m->err.code ? m->err.code : VMSIM_ESTATE;
        case VMSIM__STEP_IDLE:
            return give_up(m, t);
        default:
            break;
        }
    }
    let_go(m, t);
    if (!err && t->state != VMSIM__TASK_DEAD)
        vmsim__cpu_idle_until(m, t->cpu, t->since);
    return err;
}

/* A caller's clock may be ahead of everybody: what should have happened by then happens first, so that the call
 * finds the machine as it is at that time. */
int vmsim__sched_catch_up(struct vmsim_machine *m, struct vmsim__task *t) {
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    while (!m->stepping && vmsim__sched_next(m) <= c->now) {
        if (c->place != VMSIM__NO_PLACE)
            cpu_sift(m, t->cpu);
        if (vmsim__sched_step(m, VMSIM__TIME_NEVER) == VMSIM__STEP_FAIL)
            return m->err.code ? m->err.code : VMSIM_ESTATE;
    }
    vmsim__task_account(t, c->now);
    return 0;
}

/* ---- placing ---- */

/* Load is counted anew for each placing: placings are rare, and a counter kept up to date would have to be right at
 * every fork, move and death. */
unsigned vmsim__cpu_idlest(struct vmsim_machine *m, const struct vmsim__task *t, const uint64_t *cpus, size_t count) {
    VMSIM__ASSERT(cpus || !count);
    unsigned best = VMSIM__NO_PLACE;
    for (unsigned i = 0; i < m->nr_cpus; i++)
        m->cpus[i].load = 0;
    for (size_t i = 0; i < m->tasks.count; i++)
        if (m->tasks.at[i]->state != VMSIM__TASK_DEAD && m->tasks.at[i] != t)
            m->cpus[m->tasks.at[i]->cpu].load++;
    for (size_t i = 0; i < (count ? count : m->nr_cpus); i++) {
        const uint64_t cpu = count ? cpus[i] : i;
        if (cpu < m->nr_cpus && (!t || vmsim__cpuset_has_cpu(m, t, (unsigned)cpu)) &&
            (best == VMSIM__NO_PLACE || m->cpus[cpu].load < m->cpus[best].load))
            best = (unsigned)cpu;
    }
    return best != VMSIM__NO_PLACE ? best : t ? t->cpu : 0;
}

/* ---- life ---- */

/* `busy` has room for all CPUs, so that no wake can fail for lack of memory there. */
int vmsim__sched_init(struct vmsim_machine *m) {
    VMSIM__ASSERT(m->nr_cpus > 0);
    m->busy = vmsim__calloc(m->alloc, m->nr_cpus, sizeof *m->busy);
    if (!m->busy)
        return no_memory(m);
    for (unsigned i = 0; i < m->nr_cpus; i++)
        m->cpus[i].place = VMSIM__NO_PLACE;
    return 0;
}

void vmsim__sched_fini(struct vmsim_machine *m) {
    for (unsigned i = 0; m->cpus && i < m->nr_cpus; i++)
        vmsim__vec_fini(m->alloc, &m->cpus[i].queue);
    vmsim__free(m->alloc, m->busy, m->nr_cpus * sizeof *m->busy);
    vmsim__evq_fini(&m->events);
}

/* ---- words ---- */

static void page_text(const struct vmsim_machine *m, const struct vmsim__wait *w, char *out, size_t size) {
    const struct vmsim__frame *f = vmsim__frame_at(&m->mem->frames, (vmsim__pfn)w->what);
    const struct vmsim__file *file = vmsim__file_by_id(m->cache, f->mapping);
    snprintf(out, size, "for page %llu of '%s', which is being %s", (unsigned long long)vmsim__frame_index(f),
             file && file->path ? file->path : "?", w->kind == VMSIM__WAIT_LOCKED ? "read" : "written");
    size_t length = strlen(out);
    vmsim__io_hung_text(m, out + length, size - length);
}

static void held_up_text(const struct vmsim_machine *m, char *out, size_t size) {
    int length = snprintf(out, size, "for memory, or for what is dirty to be written");
    vmsim__io_hung_text(m, out + length, size - (size_t)length);
}

static void turn_text(const struct vmsim_machine *m, const struct vmsim__wait *w, char *out, size_t size) {
    const struct vmsim__task *whom = vmsim__task_at(m, (uint32_t)w->what);
    if (whom)
        snprintf(out, size, "for task '%s', which comes first in their trace", whom->name);
    else
        snprintf(out, size, "for its turn in a trace");
}

/* Behind "task NAME waits for ever": what a person needs in order to see why. */
void vmsim__wait_text(const struct vmsim_machine *m, const struct vmsim__task *t, char *out, size_t size) {
    switch (t->wait.kind) {
    case VMSIM__WAIT_LOCKED:
    case VMSIM__WAIT_WRITEBACK:
        page_text(m, &t->wait, out, size);
        break;
    case VMSIM__WAIT_THROTTLE:
        held_up_text(m, out, size);
        break;
    case VMSIM__WAIT_CHILD:
        snprintf(out, size, "at wait");
        break;
    case VMSIM__WAIT_BARRIER:
        snprintf(out, size, "at a barrier");
        break;
    case VMSIM__WAIT_TURN:
        turn_text(m, &t->wait, out, size);
        break;
    default:
        snprintf(out, size, "for a time that does not come");
        break;
    }
}
