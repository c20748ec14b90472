/* SPDX-License-Identifier: MIT */
/* Tasks: making, forking, ending them, and which one a CPU runs.
 *
 * A task is a number, a name, a CPU and an address space that it may share (threads). Dead tasks stay in the table with
 * their last figures, so that a report can speak of them. Kernel counterparts: kernel/fork.c, kernel/exit.c, fs/exec.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "machine/calls.h"

/* One space of numbers for both: events, waits and watchers name a task without saying of which kind it is. */
struct vmsim__task *vmsim__task_at(const struct vmsim_machine *m, uint32_t id) {
    if (id & VMSIM__KTHREAD)
        return id - VMSIM__KTHREAD < m->kthreads.count ? m->kthreads.at[id - VMSIM__KTHREAD] : NULL;
    return id < m->tasks.count ? m->tasks.at[id] : NULL;
}

/* For numbers that come from outside: of a task that has ended nothing can be asked but its last figures. */
struct vmsim__task *vmsim__task_get(struct vmsim_machine *m, uint32_t id) {
    struct vmsim__task *t = vmsim__task_at(m, id);
    if (t && t->state != VMSIM__TASK_DEAD)
        return t;
    vmsim__err_set(&m->err, VMSIM_EINVAL, t ? "task %u has ended" : "there is no task %u", id);
    return NULL;
}

/* Gives the task a new name. False: no host memory. */
static bool take_name(struct vmsim_machine *m, struct vmsim__task *t, const char *name) {
    VMSIM__ASSERT(m->named.count == m->names.count && vmsim__names_find(&m->names, name) == VMSIM__NO_NAME);
    if (!vmsim__vec_reserve(m->alloc, &m->named, m->named.count + 1))
        return false;
    uint32_t number = vmsim__names_add(m->alloc, &m->names, name);
    if (number == VMSIM__NO_NAME)
        return false;
    m->named.at[m->named.count++] = (struct vmsim__task_name){.task = t->id, .copies = 1};
    t->name = m->names.at[number].text;
    return true;
}

/* Calls the task `name`, or "name#2", "name#3"... when that was taken: names are how reports and expectations speak of
 * tasks. A name is never given again, also when its task got another one or ended: its counters are still there. */
static bool name_task(struct vmsim_machine *m, struct vmsim__task *t, const char *name) {
    char text[256];
    int length = (int)strlen(vmsim__printable(name && *name ? name : "task", text, 200));
    uint32_t number = vmsim__names_find(&m->names, text);
    if (number == VMSIM__NO_NAME)
        return take_name(m, t, text);
    do
        snprintf(text + length, sizeof text - (size_t)length, "#%u", ++m->named.at[number].copies);
    while (vmsim__names_find(&m->names, text) != VMSIM__NO_NAME);
    return take_name(m, t, text);
}

/* Ties an address space to the TLBs' world. False: no host memory. `joined` orders address spaces by when they came
 * to their cgroup, which is the order in which its reclaim ages them (lru_gen_add_mm). */
static bool space_attach(struct vmsim_machine *m, struct vmsim__mm *mm) {
    VMSIM__ASSERT(!mm->user && mm->users == 1);
    struct vmsim__space *s = vmsim__slab_alloc(&m->spaces);
    if (!s)
        return false;
    s->mm = mm;
    s->memcg = m->mem->now.memcg;
    s->joined = ++m->spaces_joined;
    vmsim__tlb_mm_init(m->tlbs, &s->tlb, &mm->pt);
    mm->user = s;
    return true;
}

/* Drops one user of an address space; the last one takes it down. CPUs forget it before the last put: their TLBs may
 * not name an address space that is gone. */
static void space_put(struct vmsim_machine *m, struct vmsim__mm *mm, unsigned cpu) {
    VMSIM__ASSERT(mm->users > 0 && cpu < m->nr_cpus);
    struct vmsim__space *s = mm->user;
    bool last = mm->users == 1;
    if (last) {
        for (unsigned i = 0; i < m->nr_cpus; i++) {
            if (m->cpus[i].mm == mm)
                m->cpus[i].mm = NULL;
        }
    }
    vmsim__mm_put(mm, cpu);
    if (last && s) {
        vmsim__tlb_mm_fini(m->tlbs, &s->tlb);
        vmsim__numa_space_fini(&m->numa, &s->numa);
        vmsim__slab_free(&m->spaces, s);
    }
}

/* It is in the table and in its parent's cgroup when this returns, and has no address space: until the caller gives
 * it one, or takes it back, nothing may look at it. */
static struct vmsim__task *task_new(struct vmsim_machine *m, const char *name, unsigned cpu, uint32_t parent) {
    VMSIM__ASSERT(cpu < m->nr_cpus && m->tasks.count < VMSIM__KTHREAD);
    struct vmsim__task *t = vmsim__calloc(m->alloc, 1, sizeof *t);
    if (!t)
        return NULL;
    t->id = (uint32_t)m->tasks.count;
    t->parent = parent;
    t->group = t->id;
    t->next_thread = VMSIM_TASK_NONE;
    t->cpu = (uint16_t)cpu;
    t->start_ns = t->since = m->cpus[cpu].now;
    t->timer = VMSIM__NO_TIMER;
    if (name_task(m, t, name) && vmsim__vec_push(m->alloc, &m->tasks, t)) {
        m->nr_live++;
        vmsim__cgroup_enter(m, t, parent == VMSIM_TASK_NONE ? VMSIM__CGROUP_ROOT : vmsim__task_at(m, parent)->cgroup);
        return t;
    }
    vmsim__free(m->alloc, t, sizeof *t);
    return NULL;
}

/* Takes back the task that task_new just made; its name stays taken. Nothing may have been made after it. */
static void task_undo(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(m->tasks.count && m->tasks.at[m->tasks.count - 1] == t);
    m->tasks.count--;
    m->nr_live--;
    vmsim__cgroup_leave(m, t);
    vmsim__free(m->alloc, t, sizeof *t);
}

/* Two kinds of lack, told apart: the host's memory is our defect to report, a simulated machine without a frame for
 * the first table is a result. */
int vmsim_task_create(struct vmsim_machine *m, const char *name, unsigned cpu, uint32_t *task) {
    if (!m || !task)
        return VMSIM_EINVAL;
    *task = VMSIM_TASK_NONE;
    if (cpu >= m->nr_cpus)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "there is no CPU %u: the machine has %u", cpu, m->nr_cpus);
    struct vmsim__task *t = task_new(m, name, cpu, VMSIM_TASK_NONE);
    if (!t)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for a task");
    vmsim__present_nobody(m); /* whoever began it */
    t->mm = vmsim__mm_create(m->vm, cpu);
    if (t->mm && space_attach(m, t->mm)) {
        *task = t->id;
        return 0;
    }
    bool host = t->mm || vmsim__host_error(m);
    if (t->mm)
        vmsim__mm_put(t->mm, cpu);
    task_undo(m, t);
    return host ? vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for the address space of a task")
                : vmsim__err_set(&m->err, VMSIM_ELIMIT, "the machine has no free frame for the page table of a task");
}

/* A task that can enter the kernel now. */
static struct vmsim__task *caller(struct vmsim_machine *m, uint32_t id, int *error) {
    struct vmsim__task *t = vmsim__task_get(m, id);
    *error = !t ? VMSIM_EINVAL
             : t->state == VMSIM__TASK_RUNNABLE
                 ? 0
                 : vmsim__err_set(&m->err, VMSIM_ESTATE, "task %u does not run now: it sleeps or waits", id);
    return *error ? NULL : t;
}

/* A child that has its address space already; `mm` is its own then, or goes. What a child inherits is here and in
 * vmsim__mm_fork, nowhere else. Kernel: copy_process. */
static int child_of(struct vmsim_machine *m, struct vmsim__task *p, const char *name, struct vmsim__mm *mm,
                    uint32_t *child) {
    struct vmsim__task *t = task_new(m, name ? name : p->name, p->cpu, p->id);
    if (t && space_attach(m, mm)) {
        t->mm = mm;
        t->policy = p->policy;
        t->roams = p->roams;
        t->rseq = p->rseq; /* rseq_fork: a thread's begins without */
        t->oom_score_adj = p->oom_score_adj;
        *child = t->id;
        p->children++;
        return 0;
    }
    vmsim__mm_put(mm, p->cpu);
    if (t)
        task_undo(m, t);
    return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for a task");
}

/* What was copied before the fork had to wait goes, and is copied anew. */
int vmsim__task_fork(struct vmsim_machine *m, struct vmsim__task *p, const char *name, uint32_t *child, bool *waits) {
    int error;
    *child = VMSIM_TASK_NONE;
    vmsim__call_begin(m, p);
    p->call.undone = true;
    if (!p->call.entered)
        vmsim__now_charge(&m->mem->now, m->spec.costs.clone);
    struct vmsim__mm *mm = vmsim__mm_fork(p->mm, p->cpu, &error);
    VMSIM__ASSERT(!mm || !vmsim__now_waits(&m->mem->now));
    *waits = vmsim__call_leave(m, p, mm ? 0 : -VMSIM__L_ENOMEM) == VMSIM__CALL_WAITS;
    if (!mm)
        return *waits ? 0 : vmsim__host_error(m);
    return child_of(m, p, name, mm, child);
}

/* Waits are the caller's: the machine runs until the copy is made. The parent may be killed meanwhile, for lack of
 * the very memory that it asks for. */
int vmsim_task_fork(struct vmsim_machine *m, uint32_t parent, const char *name, uint32_t *child) {
    if (!m || !child)
        return VMSIM_EINVAL;
    *child = VMSIM_TASK_NONE;
    if (!m->format->levels)
        return vmsim__err_set(&m->err, VMSIM_ENOSYS,
                              "without an MMU there is no fork: two copies cannot have one address");
    int err;
    struct vmsim__task *p = caller(m, parent, &err);
    if (!p)
        return err;
    bool waits = true;
    err = vmsim__sched_catch_up(m, p);
    while (!err && waits && p->state != VMSIM__TASK_DEAD) {
        err = vmsim__task_fork(m, p, name, child, &waits);
        if (!err && waits)
            err = vmsim__sched_wait(m, p);
    }
    return err;
}

/* CLONE_VM, with CLONE_THREAD if `thread`. A process that shares memory (vfork, posix_spawn) is a user of the
 * address space without being of the group: it does not die with it, but an OOM kill takes both. */
int vmsim__task_clone(struct vmsim_machine *m, uint32_t parent, const char *name, bool thread, uint32_t *child) {
    int err;
    struct vmsim__task *p = caller(m, parent, &err);
    *child = VMSIM_TASK_NONE;
    if (!p)
        return err;
    vmsim__call_begin(m, p);
    vmsim__now_charge(&m->mem->now, m->spec.costs.clone);
    vmsim__call_end(m, p);
    struct vmsim__task *t = task_new(m, name ? name : p->name, p->cpu, parent);
    if (!t)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for a task");
    t->mm = p->mm;
    vmsim__mm_get(t->mm);
    t->oom_score_adj = p->oom_score_adj;
    t->policy = p->policy;
    t->roams = p->roams;
    if (thread) {
        struct vmsim__task *leader = vmsim__task_at(m, p->group);
        t->group = leader->id;
        t->next_thread = leader->next_thread;
        leader->next_thread = t->id;
    }
    p->children++;
    *child = t->id;
    return 0;
}

/* Counters under the old name stay: an expectation may speak of either. */
int vmsim__task_rename(struct vmsim_machine *m, struct vmsim__task *t, const char *name) {
    if (!strcmp(t->name, name) || name_task(m, t, name))
        return 0;
    return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for a name");
}

/* Remembers what a report may ask of the address space before it goes. */
static void remember(struct vmsim__task *t) {
    VMSIM__ASSERT(t->mm && t->state != VMSIM__TASK_DEAD);
    vmsim__mm_status(t->mm, &t->last);
    vmsim__mm_rollup(t->mm, &t->last_rollup);
    t->last_map_count = t->mm->map_count;
    t->last_pgtables = t->mm->pgtables_bytes;
}

/* Kernel: exit_notify. Woken at the time of the child's end, which the parent's CPU may not have reached: the wake
 * is an event, so that no effect comes before its cause. */
static void tell_parent(struct vmsim_machine *m, const struct vmsim__task *t) {
    struct vmsim__task *p = vmsim__task_at(m, t->parent);
    if (!p)
        return;
    VMSIM__ASSERT(p->children > 0);
    if (--p->children <= p->wait.what && p->state == VMSIM__TASK_BLOCKED && p->wait.kind == VMSIM__WAIT_CHILD)
        vmsim__task_wake_at(m, p, t->end_ns); /* no host memory: the error stays with the machine */
}

/* Kernel: do_exit. The figures are taken first; the address space goes on the task's own CPU and at its cost. One that
 * waits or is queued does not any more. */
void vmsim__task_kill(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim_stop why, int exit_code) {
    VMSIM__ASSERT(t->state != VMSIM__TASK_DEAD);
    vmsim__task_account(t, m->cpus[t->cpu].now);
    vmsim__task_withdraw(m, t);
    vmsim__call_over(&t->call);
    if (VMSIM__UNLIKELY(t->oom_origin))
        vmsim__swapoff_abandon(m, t);
    remember(t);
    vmsim__cpu_load(m, t);
    if (t->next_mm)
        space_put(m, t->next_mm, t->cpu);
    t->next_mm = NULL;
    vmsim__now_charge(&m->mem->now, m->spec.costs.exit);
    space_put(m, t->mm, t->cpu);
    vmsim__cpu_charge(m, t);
    vmsim__cgroup_leave(m, t);
    t->mm = NULL;
    t->state = VMSIM__TASK_DEAD;
    t->stop = (uint8_t)why;
    t->exit_code = exit_code;
    t->end_ns = m->cpus[t->cpu].now;
    vmsim__present_nobody(m);
    m->nr_live--;
    tell_parent(m, t);
    if (m->on_exit)
        m->on_exit(m->on_exit_context, t);
}

/* A CPU that is behind has waited for the signal. */
static void kill_at(struct vmsim_machine *m, struct vmsim__task *t, int exit_code, uint64_t now) {
    m->cpus[t->cpu].now = vmsim__max64(m->cpus[t->cpu].now, now);
    vmsim__task_kill(m, t, VMSIM_STOP_NONE, exit_code);
}

/* Kernel: zap_other_threads, and of the OOM killer __oom_kill_process. Threads share their address space: an only user
 * has no company to look for. */
static void kill_others(struct vmsim_machine *m, const struct vmsim__task *t, enum vmsim_stop why, int exit_code) {
    VMSIM__ASSERT(t->state != VMSIM__TASK_DEAD);
    const uint64_t now = m->cpus[t->cpu].now;
    for (size_t i = 0; i < m->tasks.count && t->mm->users > 1; i++) {
        struct vmsim__task *o = m->tasks.at[i];
        if (o != t && o->mm == t->mm && (o->group == t->group || why == VMSIM_STOP_OOM))
            kill_at(m, o, exit_code, now);
    }
}

/* Kernel: do_group_exit. The others first: the last user's exit takes the address space down, and it is the caller's
 * CPU that pays. */
void vmsim__task_kill_group(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim_stop why, int exit_code) {
    kill_others(m, t, why, exit_code);
    vmsim__task_kill(m, t, why, exit_code);
}

/* The status is the signal's number, negated. SIGSEGV 11, SIGBUS 7, SIGKILL 9: the OOM killer's. */
void vmsim__task_signal(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim_stop why) {
    VMSIM__ASSERT(why != VMSIM_STOP_NONE);
    vmsim__task_kill_group(m, t, why, why == VMSIM_STOP_SIGSEGV ? -11 : why == VMSIM_STOP_SIGBUS ? -7 : -9);
}

/* What is due before the task's time happens first, and may be its own death. */
int vmsim_task_exit(struct vmsim_machine *m, uint32_t task) {
    if (!m)
        return VMSIM_EINVAL;
    struct vmsim__task *t = vmsim__task_get(m, task);
    if (!t)
        return VMSIM_EINVAL;
    int err = vmsim__sched_catch_up(m, t);
    if (t->state != VMSIM__TASK_DEAD) /* the OOM killer was not there before */
        vmsim__task_kill(m, t, VMSIM_STOP_NONE, 0);
    return err;
}

/* For who drives the machine call by call the new CPU's clock moves up to the task's: a task cannot go back in time,
 * and an idle CPU has waited until then. One with work of its own goes on there when that CPU has come as far. */
int vmsim_task_migrate(struct vmsim_machine *m, uint32_t task, unsigned cpu) {
    if (!m)
        return VMSIM_EINVAL;
    struct vmsim__task *t = vmsim__task_get(m, task);
    if (!t)
        return VMSIM_EINVAL;
    if (cpu >= m->nr_cpus)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "there is no CPU %u: the machine has %u", cpu, m->nr_cpus);
    if (!vmsim__cpuset_has_cpu(m, t, cpu))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "CPU %u is not among those of the task's cpuset", cpu);
    if (!t->source.run && m->cpus[cpu].place == VMSIM__NO_PLACE)
        vmsim__cpu_idle_until(m, cpu, m->cpus[t->cpu].now);
    t->cpu = (uint16_t)cpu;
    t->to_cpu = 0;
    return 0;
}

/* A fresh address space in place of the task's; the old one goes once the new one is loaded, as in execve. */
static struct vmsim__mm *space_new(struct vmsim_machine *m, struct vmsim__task *t) {
    struct vmsim__mm *mm = vmsim__mm_create(m->vm, t->cpu);
    if (mm && space_attach(m, mm))
        return mm;
    if (mm)
        vmsim__mm_put(mm, t->cpu);
    return NULL;
}

/* The new one is loaded before the old one goes: a CPU that still had the old one loaded would name an address space
 * that is gone. */
static void space_replace(struct vmsim_machine *m, struct vmsim__task *t, struct vmsim__mm *mm) {
    VMSIM__ASSERT(mm != t->mm);
    struct vmsim__mm *old = t->mm;
    t->mm = mm;
    t->rseq = 0;
    t->rseq_due = t->fault.pending = false;
    vmsim__cpu_load(m, t);
    space_put(m, old, t->cpu);
    vmsim__cpu_charge(m, t);
}

/* Until the image is mapped whole the new address space stands with the task (`next_mm`), so that a wait in the
 * middle keeps what was done; a failure leaves the program as it was, as before the kernel's point of no return. */
int64_t vmsim__task_exec(struct vmsim_machine *m, struct vmsim__task *t, const char *name,
                         const struct vmsim__exec *image) {
    VMSIM__ASSERT(t->state == VMSIM__TASK_RUNNABLE);
    vmsim__call_begin(m, t);
    if (!t->call.entered)
        vmsim__now_charge(&m->mem->now, m->spec.costs.exec);
    if (!t->next_mm && (t->next_mm = space_new(m, t)) != NULL)
        vmsim__mm_inherit(t->next_mm, t->mm);
    struct vmsim__mm *mm = t->next_mm;
    int64_t result = mm ? vmsim__call_find(m, t, image->program.file) : -VMSIM__L_ENOMEM;
    if (!result)
        result = vmsim__call_find(m, t, image->interpreter.file);
    if (!result)
        result = vmsim__mm_exec(mm, image, t->cpu);
    if (result == -VMSIM__ERESTARTSYS)
        return vmsim__call_leave(m, t, result);
    t->next_mm = NULL;
    if (result) {
        if (mm)
            space_put(m, mm, t->cpu);
        return vmsim__call_leave(m, t, result);
    }
    vmsim__call_end(m, t);
    kill_others(m, t, VMSIM_STOP_NONE, 0); /* de_thread */
    space_replace(m, t, mm);
    if (name && vmsim__task_rename(m, t, name))
        return -VMSIM__L_ENOMEM;
    return 0;
}

size_t vmsim_task_count(const struct vmsim_machine *m) {
    if (!m)
        return 0;
    return m->tasks.count;
}

const char *vmsim_task_name(const struct vmsim_machine *m, uint32_t task) {
    if (!m)
        return NULL;
    const struct vmsim__task *t = vmsim__task_at(m, task);
    return t ? t->name : NULL;
}
