/* SPDX-License-Identifier: MIT */
/* The access path: a batch of references through the CPU's TLB, page faults handled where they arise, time and faults
 * charged.
 *
 *     batch --> vmsim__tlb_run --(all hit or walked)--> done
 *                    |  fault                              ^
 *                    +--> vmsim__mm_fault --resolved-------+--> the same reference again
 *                              |          `--refused--> the process dies: SIGSEGV, SIGBUS, out of memory
 *                              `--waits: the task leaves its CPU, and handles the fault again when it is woken
 *
 * Nothing is paid per reference here: the TLB's loop does the hits, and costs are folded once a batch. A fault that is
 * met stays met (task->fault): wherever a batch is cut after it, the reference is not looked up a second time, so that
 * walks, counts and charges are the same however work is cut. */
#include "machine/compact.h"
#include "machine/content.h"
#include "machine/khugepaged.h"
#include "machine/sched.h"

/* Faults in a row at one reference that resolve without letting it through. A reference needs at most a handful: one
 * per page it touches, one each for A and D where software sets them. More is a defect of ours. One that waited does
 * not count: what it waited for may be gone again, as often as memory is short. */
#define JIFFY UINT64_C(4000000) /* ns: HZ is 250 in Debian's kernels */
#define FAULTS_PER_REFERENCE 64u

/* Kernel: context_switch, switch_mm_irqs_off, rseq_handle_notify_resume. Threads of one address space pay for the
 * switch but keep the TLB's ASID. An area that cannot be written to would be SIGSEGV, which no recorded program met. */
void vmsim__cpu_load(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->cpu < m->nr_cpus && t->state != VMSIM__TASK_DEAD && (t->mm || vmsim__task_is_kthread(t)));
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    const bool other = c->task != t->id;
    if (other && c->task != VMSIM_TASK_NONE) {
        c->now += m->spec.costs.context_switch;
        c->system_ns += m->spec.costs.context_switch;
        t->stats.system_ns += m->spec.costs.context_switch;
        t->stats.switch_ns += m->spec.costs.context_switch;
        c->switches++;
    }
    c->task = t->id;
    if (!t->mm) {
        if (!c->lazy && c->mm)
            vmsim__tlb_enter_lazy(m->tlbs, t->cpu);
        c->lazy = true;
    } else if (c->mm != t->mm || c->lazy) {
        c->mm = t->mm;
        c->lazy = false;
        c->asid = vmsim__tlb_switch(m->tlbs, t->cpu, &((struct vmsim__space *)t->mm->user)->tlb);
    }
    if (other && t->mm && t->mm->user)
        ((struct vmsim__space *)t->mm->user)->used = UINT64_MAX; /* lru_gen_use_mm */
    vmsim__present(m, t);
    if (other && t->rseq)
        t->rseq_due = true;
}

/* Everything below goes by the present; what is left from whoever ran last must not be taken for this task's.
 * Kernel: what `current` and the per-CPU area stand for. */
void vmsim__present(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->cpu < m->nr_cpus);
    struct vmsim__now *now = &m->mem->now;
    now->system_ns = now->min_flt = now->maj_flt =
        0; /* of what no task did: boot, files that are there from the start */
    m->running = t;
    now->time = m->cpus[t->cpu].now;
    now->call = &t->call;
    now->memcg = t->memcg;
    now->mems = t->oom_victim ? 0 : t->mems; /* who is to die may use what is left anywhere */
    now->cpu = t->cpu;
    now->wait = (struct vmsim__wait){0};
    now->in_lru_fault = false;
    vmsim__present_policy(m, t);
}

/* For events and writes of nobody: allocations then follow no policy and are charged to the root. */
void vmsim__present_nobody(struct vmsim_machine *m) {
    m->mem->now.memcg = VMSIM__MEMCG_ROOT;
    m->mem->now.mems = 0;
    vmsim__vm_set_policy(m->vm, NULL);
}

/* NULL where the policy is the default: allocations do not even ask then. */
void vmsim__present_policy(struct vmsim_machine *m, struct vmsim__task *t) {
    vmsim__vm_set_policy(m->vm, t->policy.policy.mode != VMSIM__MPOL_DEFAULT ? &t->policy : NULL);
}

#define REFRESHES_MAX 64 /* of a CPU that was idle: by then nothing is left to decay */

/* Kernel: vmstat_update, the deferrable work of each CPU. */
static void refresh_stats(struct vmsim_machine *m, unsigned cpu) {
    struct vmsim__cpu *c = &m->cpus[cpu];
    uint64_t times = (c->now - c->refresh) / VMSIM__STAT_INTERVAL + 1;
    c->refresh += times * VMSIM__STAT_INTERVAL;
    for (uint64_t i = vmsim__min64(times, REFRESHES_MAX); i--;)
        vmsim__mem_refresh(m->mem, cpu);
    vmsim__kcompactd_tick(m, c->now);
    vmsim__khugepaged_tick(m, c->now);
    VMSIM__ASSERT(c->refresh > c->now);
}

/* What a path cost is gathered in the present while it runs, and given to its task here: once, however often it
 * charged. The TLB's own cost of flushes is the kernel's as well. */
void vmsim__cpu_charge(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->cpu < m->nr_cpus);
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    struct vmsim__now *now = &m->mem->now;
    const uint64_t system = now->system_ns + vmsim__tlb_take_ns(c->tlb);
    c->now += system;
    c->system_ns += system;
    t->stats.system_ns += system;
    t->stats.min_flt += now->min_flt;
    t->stats.maj_flt += now->maj_flt;
    now->system_ns = now->min_flt = now->maj_flt = 0;
    now->time = c->now;
    t->since = c->now;
    if (VMSIM__UNLIKELY(c->now >= c->refresh))
        refresh_stats(m, t->cpu);
}

/* User time, in which nothing but the clock moves. */
void vmsim__cpu_compute(struct vmsim_machine *m, struct vmsim__task *t, uint64_t ns) {
    VMSIM__ASSERT(t->cpu < m->nr_cpus && ns <= VMSIM__TIME_END);
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    c->now += ns;
    c->user_ns += ns;
    t->stats.user_ns += ns;
    t->since = c->now;
    if (VMSIM__UNLIKELY(c->now >= c->refresh))
        refresh_stats(m, t->cpu);
}

/* The user's own time for `n` references: the TLB's, and a fixed cost each. The cost is kept in ns per 1000
 * references, since one reference takes less than a ns; the rest is carried, so that the sum does not depend on how
 * references are cut into batches. */
static void charge_user(struct vmsim_machine *m, struct vmsim__task *t, size_t n) {
    VMSIM__ASSERT(m->cpus[t->cpu].carry < 1000);
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    uint64_t thousandths = n * m->spec.costs.references + c->carry;
    c->carry = (uint32_t)(thousandths % 1000);
    t->stats.references += n;
    vmsim__cpu_compute(m, t, thousandths / 1000 + vmsim__tlb_take_ns(c->tlb));
}

/* Which signal a program gets; out of memory is none, but its end. */
static enum vmsim_stop stop_of(enum vmsim__fault_outcome outcome) {
    VMSIM__ASSERT(!vmsim__fault_resolved(outcome));
    switch (outcome) {
    case VMSIM__FAULT_SIGBUS:
        return VMSIM_STOP_SIGBUS;
    case VMSIM__FAULT_OOM:
        return VMSIM_STOP_OOM;
    default:
        return VMSIM_STOP_SIGSEGV;
    }
}

/* What the present waits for becomes what the task waits for. Time passes, so that a reference may fault as often as it
 * likes; but up to where break_circle looks, its faults are counted across waits. */
static enum vmsim__work wait_now(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(vmsim__now_waits(&m->mem->now));
    t->wait = m->mem->now.wait;
    m->mem->now.wait = (struct vmsim__wait){0};
    t->faults = t->faults < FAULTS_PER_REFERENCE / 2 ? t->faults : 0;
    return VMSIM__WORK_WAIT;
}

/* The kernel's write on the way back to a program that was switched away. */
static enum vmsim__work resume_rseq(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->rseq && t->mm);
    vmsim__mm_put_user(t->mm, t->rseq, t->cpu);
    vmsim__cpu_charge(m, t);
    if (vmsim__now_waits(&m->mem->now))
        return wait_now(m, t);
    t->rseq_due = false;
    return VMSIM__WORK_MORE;
}

/* What was charged above memory.high is paid for. The kernel does it before the reference that faulted is done, here it
 * waits for that: reclaim could take its page, and again, for ever. */
static enum vmsim__work pay_high(struct vmsim_machine *m, struct vmsim__task *t) {
    m->mem->now.time = m->cpus[t->cpu].now;
    const bool paid = vmsim__limit_pay_high(m, t);
    vmsim__cpu_charge(m, t);
    return paid ? VMSIM__WORK_MORE : wait_now(m, t);
}

/* A defect of ours, whatever the program does: told as one, never as a simulated outcome. */
static enum vmsim__work too_many_faults(struct vmsim_machine *m, struct vmsim__task *t) {
    vmsim__err_set(&m->err, VMSIM_ECHECK, "task '%s': %u faults at 0x%llx resolve, and the reference faults again",
                   t->name, FAULTS_PER_REFERENCE, (unsigned long long)t->fault.va);
    return VMSIM__WORK_FAIL;
}

/* Pages that reclaim took from anybody. */
static uint64_t steals(const struct vmsim_machine *m) {
    return m->mem->event[VMSIM__PGSTEAL_ANON] + m->mem->event[VMSIM__PGSTEAL_FILE];
}

/* A reference to two pages that take each other's frame, because no other is left, goes on for ever: memory is out. The
 * kernel's does so, too, until somebody else gives some back. */
static bool break_circle(struct vmsim_machine *m, struct vmsim__task *t) {
    struct vmsim__memcg *own = vmsim__memcg_by_id(m->lru, t->memcg);
    const struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE, .cpu = t->cpu};
    if (steals(m) - t->steals < t->faults / 2)
        return false;
    m->mem->now.time = m->cpus[t->cpu].now;
    if (own->parent && own->memory.usage + 1 > own->memory.max)
        vmsim__memcg_out_of_memory(m, own, 0);
    else
        vmsim__out_of_memory(m, &rq);
    vmsim__now_wait(&m->mem->now, VMSIM__WAIT_THROTTLE, VMSIM__FOR_MEMORY, m->mem->now.time + JIFFY);
    return true;
}

/* Another fault of one reference. */
static enum vmsim__work count_fault(struct vmsim_machine *m, struct vmsim__task *t) {
    if (!t->faults++)
        t->steals = steals(m);
    if (VMSIM__UNLIKELY(t->faults == FAULTS_PER_REFERENCE / 2) && break_circle(m, t))
        return wait_now(m, t);
    return VMSIM__UNLIKELY(t->faults > FAULTS_PER_REFERENCE) ? too_many_faults(m, t) : VMSIM__WORK_MORE;
}

/* Runs the fault handler for what stopped the TLB. Refused: r->stop says why. */
static enum vmsim__work handle_fault(struct vmsim_machine *m, struct vmsim__task *t, struct vmsim_access_result *r) {
    VMSIM__ASSERT(t->mm && t->fault.pending && t->fault.kind != VMSIM__FAULT_NONE);
    m->mem->now.time = m->cpus[t->cpu].now;
    enum vmsim__fault_outcome outcome = vmsim__mm_fault(t->mm, t->fault.va, t->fault.write, t->fault.fetch, t->cpu);
    uint64_t before = t->stats.system_ns, majors = t->stats.maj_flt;
    vmsim__cpu_charge(m, t);
    t->stats.fault_ns += t->stats.system_ns - before;
    if (outcome == VMSIM__FAULT_WAIT)
        return wait_now(m, t);
    t->fault.pending = false;
    t->fault.resolved = vmsim__fault_resolved(outcome);
    if (t->fault.resolved)
        vmsim__latency_add(&m->fault_took[t->stats.maj_flt > majors], m->cpus[t->cpu].now - t->fault.since);
    if (VMSIM__UNLIKELY(m->on_fault) && t->fault.resolved)
        m->on_fault(m->on_fault_context, t, t->fault.va);
    if (vmsim__watched(&m->mem->now.watch, VMSIM_EVENT_FAULT))
        vmsim__tell(&m->mem->now.watch, VMSIM_EVENT_FAULT, t->fault.since, m->cpus[t->cpu].now,
                    t->stats.maj_flt > majors ? "major" : "minor", t->fault.va, t->fault.write, 0, 0);
    if (VMSIM__UNLIKELY(
            vmsim__now_waits(&m->mem->now))) { /* held up beside its errand: readahead was short of memory */
        if (t->fault.resolved)
            return wait_now(m, t);
        m->mem->now.wait = (struct vmsim__wait){0};
    }
    if (VMSIM__LIKELY(t->fault.resolved))
        return count_fault(m, t);
    r->stop = stop_of(outcome);
    r->address = t->fault.va;
    r->fault_code = vmsim__fault_code(m->format, (enum vmsim__fault)t->fault.kind, t->fault.level, t->fault.write,
                                      t->fault.fetch, true);
    return VMSIM__WORK_MORE;
}

/* `first` is when the reference faulted first: faults one behind the other are one delay to whoever waits for it. */
static void meet_fault(struct vmsim__task *t, const struct vmsim__tlb_stop *stop, uint64_t now) {
    VMSIM__ASSERT(!t->fault.pending);
    t->fault.since = now;
    t->fault.first = t->fault.resolved ? t->fault.first : now;
    t->fault.pending = true;
    t->fault.kind = (uint8_t)stop->fault;
    t->fault.level = (uint8_t)stop->level;
    t->fault.write = stop->write;
    t->fault.fetch = stop->fetch;
    t->fault.va = stop->va;
}

/* A batch through the TLB; policies that want every reference, and the content oracle, look at where it led. */
static size_t translate(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t n,
                        uint64_t *physical, struct vmsim__tlb_stop *stop) {
    const struct vmsim__cpu *c = &m->cpus[t->cpu];
    const size_t whole = n;
    const bool wanted = VMSIM__UNLIKELY(m->reclaim.watching || m->content);
    if (wanted) {
        uint64_t *own = physical ? physical : vmsim__reclaim_wants_used(m);
        n = physical ? n : vmsim__min64(n, VMSIM__USED_MAX);
        physical = own;
    }
    if (VMSIM__UNLIKELY(m->mem->limited)) /* each has its own place in the queues of memory, however they are cut */
        n = vmsim__min64(n, 1);
    const bool foretold = VMSIM__UNLIKELY(m->numa.oracle.read != NULL);
    n = foretold ? vmsim__oracle_batch(&m->numa.oracle, n) : n;
    const size_t done = vmsim__tlb_run(c->tlb, &t->mm->pt, c->asid, true, a, n, physical, stop);
    if (foretold) {
        vmsim__oracle_reads(&m->numa, done, m->reads[t->cpu].frames);
        m->reads[t->cpu].frames = 0;
    }
    if (VMSIM__UNLIKELY(stop->fault == VMSIM__FAULT_NOT_PRESENT && m->swap && m->swap->free < m->swap->slots))
        vmsim__look_ahead(m, &m->cpus[t->cpu], a + done + 1, whole - done - 1);
    if (wanted && physical && m->reclaim.watching) {
        const struct vmsim__used used = {a, physical, done, t->fault.resolved, t->fault.first};
        vmsim__lruvec_policies_used(&m->reclaim, &used);
    }
    t->fault.resolved = t->fault.resolved && !done;
    if (VMSIM__UNLIKELY(m->content != NULL) && physical)
        vmsim__content_used(m, t, a, physical, done);
    return done;
}

/* References until all are done, one is refused, waits, or would have to be handled behind the horizon. */
static enum vmsim__work run_batch(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t n,
                                  uint64_t *physical, struct vmsim_access_result *r) {
    struct vmsim__cpu *c = &m->cpus[t->cpu];
    enum vmsim__work how = t->rseq_due ? resume_rseq(m, t) : VMSIM__WORK_MORE;
    if (VMSIM__UNLIKELY(t->high_due) && how == VMSIM__WORK_MORE)
        how = pay_high(m, t);
    while (how == VMSIM__WORK_MORE && r->done < n && !r->stop) {
        if (!t->fault.pending) {
            struct vmsim__tlb_stop stop;
            const uint64_t begin = c->now;
            size_t done = translate(m, t, a + r->done, n - r->done, physical ? physical + r->done : NULL, &stop);
            charge_user(m, t, done);
            if (VMSIM__UNLIKELY(m->mem->limited))
                vmsim__bandwidth_wait(m, t, begin);
            VMSIM__ASSERT(done <= n - r->done);
            r->done += done;
            if (VMSIM__UNLIKELY(m->content_wrong))
                return VMSIM__WORK_FAIL;
            t->faults = done ? 0 : t->faults;
            t->high_due = t->over_high && (t->high_due || done);
            if (r->done == n)
                break;
            if (stop.fault == VMSIM__FAULT_NONE)
                continue; /* a part of it was looked at */
            meet_fault(t, &stop, c->now);
            if (c->now > m->horizon)
                return VMSIM__WORK_CUT;
        }
        if (VMSIM__UNLIKELY(t->high_due))
            how = pay_high(m, t);
        if (how == VMSIM__WORK_MORE)
            how = handle_fault(m, t, r);
    }
    return how;
}

/* A signal is only told of, not delivered: a system call that touches user memory returns an error instead. */
enum vmsim__work vmsim__machine_try(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t n,
                                    uint64_t *physical, struct vmsim_access_result *r) {
    *r = (struct vmsim_access_result){0};
    const uint64_t begin = m->cpus[t->cpu].now;
    vmsim__cpu_load(m, t);
    enum vmsim__work how = run_batch(m, t, a, n, physical, r);
    r->ns = m->cpus[t->cpu].now - begin;
    VMSIM__ASSERT(r->done <= n);
    if (r->stop)
        t->stop_address = r->address;
    return how;
}

/* Without memory on the host the task would seem to run out of the simulated machine's: that is a failure of ours. */
enum vmsim__work vmsim__machine_access(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t n,
                                       uint64_t *physical, struct vmsim_access_result *r) {
    enum vmsim__work how = vmsim__machine_try(m, t, a, n, physical, r);
    if (!r->stop)
        return how;
    if (r->stop == VMSIM_STOP_OOM && vmsim__host_error(m)) {
        r->stop = VMSIM_STOP_NONE; /* the task lives: what it lacks is the host's memory */
        return VMSIM__WORK_FAIL;
    }
    vmsim__task_signal(m, t, r->stop);
    return VMSIM__WORK_END;
}

/* For who drives the machine call by call there is no scheduler to come back to: waits and what others do meanwhile
 * happen in here. */
int vmsim__task_access(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t count,
                       uint64_t *physical, struct vmsim_access_result *result, struct vmsim_access_detail *detail) {
    VMSIM__ASSERT(t->state != VMSIM__TASK_DEAD && (!detail || count == 1));
    const uint64_t begin = m->cpus[t->cpu].now;
    int err = vmsim__sched_catch_up(m, t);
    enum vmsim__work how = VMSIM__WORK_CUT;
    size_t done = 0;
    while (!err && how != VMSIM__WORK_MORE && t->state != VMSIM__TASK_DEAD) {
        const vmsim_access *from = count ? a + done : a;
        uint64_t *to = physical ? physical + done : NULL;
        m->horizon = vmsim__sched_next(m);
        how = detail ? vmsim__machine_access_detailed(m, t, from, count - done, to, result, detail)
                     : vmsim__machine_access(m, t, from, count - done, to, result);
        m->horizon = VMSIM__TIME_NEVER;
        done += result->done;
        if (how == VMSIM__WORK_WAIT)
            err = vmsim__sched_wait(m, t);
        else if (how == VMSIM__WORK_CUT)
            err = vmsim__sched_catch_up(m, t);
        else if (how == VMSIM__WORK_FAIL)
            err = m->err.code;
    }
    result->done = done;
    if (t->state == VMSIM__TASK_DEAD && (!result->stop || result->stop == VMSIM_STOP_DEAD)) /* killed meanwhile */
        result->stop = t->stop ? (enum vmsim_stop)t->stop : VMSIM_STOP_DEAD;
    result->ns = m->cpus[t->cpu].now - begin;
    return err ? err : vmsim__host_error(m);
}

int vmsim_task_access(struct vmsim_machine *m, uint32_t task, const vmsim_access *a, size_t count, uint64_t *physical,
                      struct vmsim_access_result *result) {
    if (!m)
        return VMSIM_EINVAL;
    struct vmsim__task *t = vmsim__task_at(m, task);
    if (!t || !result || (count && !a))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, t ? "no result or no references given" : "there is no task %u",
                              task);
    *result = (struct vmsim_access_result){.stop = VMSIM_STOP_DEAD};
    return t->state == VMSIM__TASK_DEAD ? 0 : vmsim__task_access(m, t, a, count, physical, result, NULL);
}
