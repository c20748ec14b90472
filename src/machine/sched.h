/* SPDX-License-Identifier: MIT */
/* Who runs when: the clocks of all CPUs, their queues, and the events of the machine.
 *
 *     events (heap by time, then order of coming): a wake, a timer, a device    --+
 *     busy CPUs (heap by clock) -> queue of each (heap by vruntime) -> task     --+--> the earliest: one step
 *
 * A step takes what is earliest. An event is over in no time; of a CPU, the current task works until it waits, ends,
 * has had its share while another wants the CPU, or meets the horizon: the earliest thing that could be seen by, or
 * come from, somebody else. So what one CPU does to shared memory comes in the order of virtual time. Events come
 * before CPUs of the same time, CPUs by number.
 *
 *     RUNNABLE --waits--> BLOCKED --wake (event)--> RUNNABLE ... DEAD
 *
 * Whoever wakes a task does it by an event at its own time: the CPU of the task that wakes may be behind, and nothing
 * is seen before it has happened. A woken task enters its operation again and looks anew: a wake is never a promise.
 *
 * The queue is fair: the task with the least CPU time so far is next, a sleeper keeps no more than a latency of credit,
 * and one that wakes with much less than the current one has takes the CPU at its next preemption point. Where these
 * lie (end of a chunk of references, of a system call, anywhere in pure computation) depends on the task alone, never
 * on the horizon: so no task's counters depend on what unrelated CPUs do. Kernel counterparts: kernel/sched/core.c,
 * kernel/sched/fair.c (place_entity, check_preempt_wakeup), mm/filemap.c (folio_wait_table). */
#ifndef VMSIM__SCHED_H
#define VMSIM__SCHED_H
#include "machine/machine.h"

/* Kinds of the machine's events. */
enum vmsim__event_kind {
    VMSIM__EVENT_WAKE,  /* task `arg` */
    VMSIM__EVENT_TIMER, /* the wait of task `arg` has lasted long enough */
    VMSIM__EVENT_IO,    /* a device's: `arg` is its own */
    VMSIM__EVENT_KILL,  /* the OOM killer's signal reaches task `arg` */
    VMSIM__EVENT_SCORE, /* is memory to be compacted ahead of need? */
    VMSIM__EVENT_GRACE  /* a grace period is over for page tables: batch << 16 | CPU */
};

enum vmsim__step {
    VMSIM__STEP_DONE, /* something happened */
    VMSIM__STEP_IDLE, /* nothing can happen any more, or nothing that matters: see vmsim__sched_stuck */
    VMSIM__STEP_FAIL  /* VMSIM__WORK_FAIL of a task, or no host memory (the machine's error) */
};

int vmsim__sched_init(struct vmsim_machine *m); /* 0 or VMSIM_ENOMEM */
void vmsim__sched_fini(struct vmsim_machine *m);

/* Time of the earliest thing that can happen; VMSIM__TIME_NEVER: none. */
uint64_t vmsim__sched_next(const struct vmsim_machine *m);
/* Lets it happen. No task works beyond `limit`, but for what it cannot leave unfinished. */
enum vmsim__step vmsim__sched_step(struct vmsim_machine *m, uint64_t limit);
/* A device never answers, and for two minutes no task has got anywhere, though some are held up, look again, and are
 * held up again. Kernel: khungtaskd, which tells the same. */
bool vmsim__sched_stuck(const struct vmsim_machine *m);
/* In the middle of a long operation of the running task: what its devices have finished by now has its effect, as their
 * interrupts would have had it. False: something is left, since another CPU has not come as far; let it. */
bool vmsim__sched_interrupts(struct vmsim_machine *m);
/* Is a transfer over that the CPU has not been interrupted for? */
bool vmsim__sched_interrupted(const struct vmsim_machine *m);
/* Steps until the task can go on; VMSIM_ESTATE: it never can, the machine's error says for what it waits. For who
 * drives the machine call by call. */
int vmsim__sched_wait(struct vmsim_machine *m, struct vmsim__task *t);
/* Lets everything happen that is due before the task's CPU does something at its present time: 0 or an error. */
int vmsim__sched_catch_up(struct vmsim_machine *m, struct vmsim__task *t);

/* In the middle of a long operation of the running task: is something due, after which others may want its CPU? */
bool vmsim__sched_due(const struct vmsim_machine *m);
/* The same, and the call is to be entered again: the present waits. The hook of zones/. */
bool vmsim__sched_cond_resched(void *machine);

/* A preemption point: what is due on the way back to the program is done. True: the task is to come back, and it will
 * be done when it goes on. */
static inline bool vmsim__preempted(struct vmsim_machine *m, struct vmsim__task *t) {
    if (VMSIM__UNLIKELY(m->numa.knobs.mode || m->numa.oracle.read) && m->cpus[t->cpu].now < m->until)
        vmsim__numa_tick(m, t);
    return m->cpus[t->cpu].now >= m->until;
}

/* The task gets its work from `source` from `time` on. 0 or VMSIM_ENOMEM. */
int vmsim__task_begin(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__source *source,
                      uint64_t time);
/* Takes the task off its CPU: it waits for t->wait, from its CPU's present time on. 0 or VMSIM_ENOMEM. */
int vmsim__task_block(struct vmsim_machine *m, struct vmsim__task *t);
/* It waits no longer, from `time` on; nothing if it does not wait. 0 or VMSIM_ENOMEM. Of events alone. */
int vmsim__task_wake(struct vmsim_machine *m, struct vmsim__task *t, uint64_t time);
/* An event that wakes it at `time`. 0 or VMSIM_ENOMEM. */
int vmsim__task_wake_at(struct vmsim_machine *m, const struct vmsim__task *t, uint64_t time);
/* An event of another kind. 0 or VMSIM_ENOMEM. */
int vmsim__event_at(struct vmsim_machine *m, uint64_t time, enum vmsim__event_kind kind, uint64_t arg);
/* Wakes all that wait for this of a page; their operations are told `status`. 0 or VMSIM_ENOMEM. */
int vmsim__page_wake(struct vmsim_machine *m, enum vmsim__wait_kind kind, uint64_t pfn, int status, uint64_t time);
/* The task is about to end, or moves to another CPU: it is in no queue and waits for nothing. */
void vmsim__task_withdraw(struct vmsim_machine *m, struct vmsim__task *t);
/* A CPU has nothing to do until `time`; nothing if it is later there. */
void vmsim__cpu_idle_until(struct vmsim_machine *m, unsigned cpu, uint64_t time);
/* The CPU with the fewest live tasks beside `t` (NULL: it is not made yet) among `cpus` (none: all; numbers that are
 * too large are passed over), ties to the first. Kernel: select_task_rq_fair for who is forked. A task stays where it
 * is put, so those that sleep count, too. */
unsigned vmsim__cpu_idlest(struct vmsim_machine *m, const struct vmsim__task *t, const uint64_t *cpus, size_t count);
#define VMSIM__JIFFY UINT64_C(4000000) /* ns: HZ is 250 in Debian's kernels */
/* When a sleep of so many ms ends that begins at `now`: the timer wheel counts jiffies, rounds up, and takes long
 * sleeps in coarser steps. Kernel: msecs_to_jiffies, calc_wheel_index. */
uint64_t vmsim__timeout_end(uint64_t now, uint64_t ms);
/* Brings the accounts of its time up to `time`. */
void vmsim__task_account(struct vmsim__task *t, uint64_t time);
/* "for a page of '/cold' that is being read", for messages. */
void vmsim__wait_text(const struct vmsim_machine *m, const struct vmsim__task *t, char *out, size_t size);

#endif
