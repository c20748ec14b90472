/* SPDX-License-Identifier: MIT */
/* The access path: a batch of references through the CPU's TLB, page faults handled where they arise, time and faults
 * charged.
 *
 *     batch --> vmsim__tlb_run --(all hit or walked)--> done
 *                    |  fault                              ^
 *                    +--> vmsim__mm_fault --resolved-------+--> the same reference again
 *                                         `--refused--> the process dies: SIGSEGV, SIGBUS, out of memory
 *
 * Nothing is paid per reference here: the TLB's loop does the hits, and costs are folded once a batch. */
#include "machine/machine.h"

/* Faults in a row at one reference that resolve without letting it through. A reference needs at most a handful: one
 * per page it touches, one each for A and D where software sets them. More would be a defect of ours; the task is
 * stopped rather than looping. */
#define FAULTS_PER_REFERENCE 64u

/* Kernel: context_switch, switch_mm_irqs_off, rseq_handle_notify_resume. Threads of one address space pay for the
 * switch but keep the TLB's ASID. An area that cannot be written to would be SIGSEGV, which no recorded program met. */
void vmsim__cpu_load(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->cpu < m->nr_cpus && t->mm && t->state != VMSIM__TASK_DEAD);
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    const bool other = c->task != t->id;
    if (other && c->task != VMSIM_TASK_NONE) {
        c->now += m->spec.costs.context_switch;
        c->switches++;
    }
    c->task = t->id;
    if (c->mm != t->mm) {
        c->mm = t->mm;
        c->asid = vmsim__tlb_switch(m->tlbs, t->cpu, &((struct vmsim__space *)t->mm->user)->tlb);
    }
    if (other && t->rseq) {
        vmsim__mm_put_user(t->mm, t->rseq, t->cpu);
        vmsim__cpu_charge(m, t);
    }
}

#define REFRESHES_MAX 64 /* of a CPU that was idle: by then nothing is left to decay */

/* Kernel: vmstat_update, the deferrable work of each CPU. */
static void refresh_stats(struct vmsim_machine *m, unsigned cpu) {
    struct vmsim__cpu *c = &m->cpus[cpu];
    uint64_t times = (c->now - c->refresh) / VMSIM__STAT_INTERVAL + 1;
    c->refresh += times * VMSIM__STAT_INTERVAL;
    for (uint64_t i = vmsim__min64(times, REFRESHES_MAX); i--;)
        vmsim__mem_refresh(m->mem, cpu);
    VMSIM__ASSERT(c->refresh > c->now);
}

/* Blocked time moves the CPU's clock as well: a machine of tasks bound to CPUs has nobody else to run meanwhile, and
 * the scheduler above gives the CPU to another task by its own rules. */
void vmsim__cpu_charge(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->cpu < m->nr_cpus);
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    struct vmsim__charge charge = vmsim__vm_take_charge(m->vm);
    uint64_t cpu_ns, wait_ns;
    vmsim__cache_take_cost(m->cache, &cpu_ns, &wait_ns);
    uint64_t system = charge.cost_ns + cpu_ns + vmsim__tlb_take_ns(c->tlb), blocked = charge.io_ns + wait_ns;
    c->now += system + blocked;
    t->stats.system_ns += system;
    t->stats.blocked_ns += blocked;
    t->stats.min_flt += charge.min_flt;
    t->stats.maj_flt += charge.maj_flt;
    if (VMSIM__UNLIKELY(c->now >= c->refresh))
        refresh_stats(m, t->cpu);
}

void vmsim__syscall_enter(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->state == VMSIM__TASK_RUNNABLE);
    vmsim__cpu_load(m, t);
    m->cpus[t->cpu].now += m->spec.costs.syscall;
    t->stats.system_ns += m->spec.costs.syscall;
    t->stats.syscalls++;
    vmsim__cache_set_time(m->cache, m->cpus[t->cpu].now);
}

/* The user's own time for `n` references: the TLB's, and a fixed cost each. The cost is kept in ns per 1000
 * references, since one reference takes less than a ns; the rest is carried, so that the sum does not depend on how
 * references are cut into batches. */
static void charge_user(struct vmsim_machine *m, struct vmsim__task *t, size_t n) {
    VMSIM__ASSERT(m->cpus[t->cpu].carry < 1000);
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    uint64_t thousandths = n * m->spec.costs.references + c->carry;
    uint64_t ns = thousandths / 1000 + vmsim__tlb_take_ns(c->tlb);
    c->carry = (uint32_t)(thousandths % 1000);
    c->now += ns;
    t->stats.user_ns += ns;
    t->stats.references += n;
}

static enum vmsim_stop stop_of(enum vmsim__fault_outcome outcome) {
    switch (outcome) {
    case VMSIM__FAULT_SIGBUS:
        return VMSIM_STOP_SIGBUS;
    case VMSIM__FAULT_OOM:
        return VMSIM_STOP_OOM;
    default:
        return VMSIM_STOP_SIGSEGV;
    }
}

/* Runs the fault handler for what stopped the TLB. False: the task is dead and *r says why. */
static bool handle_fault(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__tlb_stop *stop,
                         struct vmsim_access_result *r) {
    VMSIM__ASSERT(t->mm && stop->fault != VMSIM__FAULT_NONE);
    vmsim__cache_set_time(m->cache, m->cpus[t->cpu].now);
    enum vmsim__fault_outcome outcome = vmsim__mm_fault(t->mm, stop->va, stop->write, stop->fetch, t->cpu);
    uint64_t before = t->stats.system_ns;
    vmsim__cpu_charge(m, t);
    t->stats.fault_ns += t->stats.system_ns - before;
    if (VMSIM__LIKELY(vmsim__fault_resolved(outcome)))
        return true;
    r->stop = stop_of(outcome);
    r->address = stop->va;
    r->fault_code =
        vmsim__fault_code(m->format, (enum vmsim__fault)stop->fault, stop->level, stop->write, stop->fetch, true);
    return false;
}

void vmsim__machine_try(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t n,
                        uint64_t *physical, struct vmsim_access_result *r) {
    *r = (struct vmsim_access_result){0};
    vmsim__cpu_load(m, t);
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    uint64_t begin = c->now;
    unsigned in_a_row = 0;
    while (r->done < n) {
        struct vmsim__tlb_stop stop;
        size_t done = vmsim__tlb_run(c->tlb, &t->mm->pt, c->asid, true, a + r->done, n - r->done,
                                     physical ? physical + r->done : NULL, &stop);
        charge_user(m, t, done);
        VMSIM__ASSERT(done <= n - r->done);
        r->done += done;
        if (r->done == n)
            break;
        in_a_row = done ? 0 : in_a_row + 1;
        if (c->now > m->horizon && r->done)
            break;
        if (in_a_row > FAULTS_PER_REFERENCE) {
            r->stop = VMSIM_STOP_SIGBUS;
            r->address = stop.va;
            break;
        }
        if (!handle_fault(m, t, &stop, r))
            break;
    }
    r->ns = c->now - begin;
    VMSIM__ASSERT(c->now >= begin && r->done <= n);
    if (r->stop)
        t->stop_address = r->address;
}

void vmsim__machine_access(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t n,
                           uint64_t *physical, struct vmsim_access_result *r) {
    vmsim__machine_try(m, t, a, n, physical, r);
    if (r->stop == VMSIM_STOP_OOM && vmsim__host_error(m))
        r->stop = VMSIM_STOP_NONE; /* the caller is told by vmsim__host_error: the task lives */
    else if (r->stop)
        vmsim__task_signal(m, t, r->stop);
}

int vmsim_task_access(struct vmsim_machine *m, uint32_t task, const vmsim_access *a, size_t count, uint64_t *physical,
                      struct vmsim_access_result *result) {
    struct vmsim__task *t = vmsim__task_at(m, task);
    if (!t || !result || (count && !a))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, t ? "no result or no references given" : "there is no task %u",
                              task);
    if (t->state == VMSIM__TASK_DEAD) {
        *result = (struct vmsim_access_result){.stop = VMSIM_STOP_DEAD};
        return 0;
    }
    vmsim__machine_access(m, t, a, count, physical, result);
    return vmsim__host_error(m);
}
