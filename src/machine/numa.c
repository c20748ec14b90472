/* SPDX-License-Identifier: MIT */
/* NUMA balancing of a machine: when tasks are scanned, and what the faults that follow come to.
 *
 * A task that has run for its period since its last scan makes some of its pages fault, when nobody of its address
 * space did so lately; that is looked at where it gives others a chance to run, so that it depends on its own work
 * alone. What one scan takes of its time is added to the time until the next. Kernel counterpart: task_tick_numa,
 * task_numa_work of kernel/sched/fair.c. */
#include "machine/cpuset.h"
#include "machine/machine.h"
#include "machine/sched.h"

#define MILLISEC UINT64_C(1000000)

/* The scan belongs to the address space, not to one of its threads: whichever runs when it is due does the work. */
static struct vmsim__numa_space *space_of(const struct vmsim__task *t) {
    VMSIM__ASSERT(t->mm && t->mm->user);
    return &((struct vmsim__space *)t->mm->user)->numa;
}

static uint64_t rss_of(const struct vmsim__mm *mm) {
    return vmsim__mm_rss(mm, VMSIM__RSS_FILE) + vmsim__mm_rss(mm, VMSIM__RSS_ANON) +
           vmsim__mm_rss(mm, VMSIM__RSS_SHMEM);
}

static struct vmsim__numa_user user_of(struct vmsim__task *t) {
    VMSIM__ASSERT(t->mm);
    return (struct vmsim__numa_user){&t->numa, space_of(t), t->id, rss_of(t->mm), &t->policy.policy};
}

/* ---- faults ---- */

/* A hint fault is judged for the task that faulted; others (a kernel thread that reads user memory) leave pages where
 * they are. Kernel: mpol_misplaced. */
static int misplaced(void *context, const struct vmsim__numa_hint *hint) {
    struct vmsim_machine *m = context;
    if (!m->running || m->running->mm != hint->vma->mm)
        return -1;
    const struct vmsim__numa_user who = user_of(m->running);
    return vmsim__numa_misplaced(&m->numa, &who, hint);
}

/* A CPU of the node that no program has been put on; VMSIM__CPUS_MAX: there is none. Programs that sleep count, as they
 * stay where they are. Kernel: task_numa_find_cpu, which would also let two tasks change places. */
static unsigned free_cpu(const struct vmsim_machine *m, const struct vmsim__task *t, unsigned node) {
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        bool taken = m->mem->cpu_node[cpu] != node || !vmsim__cpuset_has_cpu(m, t, cpu);
        for (size_t i = 0; !taken && i < m->tasks.count; i++) {
            const struct vmsim__task *other = m->tasks.at[i];
            taken = other->mm && other->state != VMSIM__TASK_DEAD &&
                    (other->to_cpu ? other->to_cpu - 1u : other->cpu) == cpu;
        }
        if (!taken)
            return cpu;
    }
    return VMSIM__CPUS_MAX;
}

/* The task goes to its memory where its description allows it. Kernel: task_numa_migrate. */
static void follow(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__numa_user *who) {
    const int node = t->roams && !t->to_cpu ? vmsim__numa_follow(&m->numa, who, m->mem->cpu_node[t->cpu]) : -1;
    const unsigned cpu = node < 0 ? VMSIM__CPUS_MAX : free_cpu(m, t, (unsigned)node);
    VMSIM__ASSERT(node < 0 || t->source.run);
    if (cpu < VMSIM__CPUS_MAX)
        t->to_cpu = (uint16_t)(cpu + 1);
}

/* A promotion that failed for lack of room wakes the faster node's kswapd, whose watermark then includes room for
 * promotions. Kernel: migrate_misplaced_folio, wakeup_kswapd. */
static void done(void *context, const struct vmsim__numa_hint *hint, unsigned node, enum vmsim__numa_move what) {
    struct vmsim_machine *m = context;
    if (!m->running || m->running->mm != hint->vma->mm)
        return;
    const struct vmsim__numa_user who = user_of(m->running);
    const unsigned to = m->mem->cpu_node[hint->cpu];
    VMSIM__ASSERT(node < m->mem->nr_nodes);
    vmsim__numa_count(&m->numa, &who, hint, node, what);
    follow(m, m->running, &who);
    if (what == VMSIM__NUMA_FAILED && (m->numa.knobs.mode & VMSIM__NUMA_TIERING)) /* room is made for the next */
        vmsim__kswapd_wake(m, to, 0, 0, VMSIM__ZONE_MOVABLE);
}

const struct vmsim__numa_hooks vmsim__machine_numa_hooks = {misplaced, done};

/* ---- scans ---- */

/* A policy may scan more than the knob says, but at most eight times: one scan is one piece of system time that nobody
 * interrupts. */
static uint64_t pages_to_scan(struct vmsim_machine *m, const struct vmsim__task *t) {
    VMSIM__ASSERT(t->mm && m->mem->page_shift <= 20);
    const uint64_t pages = m->numa.knobs.scan_size_mb << (20 - m->mem->page_shift);
    if (!m->numa.policy->scan)
        return pages;
    const struct vmsim_numa_scan s = {
        .size = sizeof s, .task = t->id, .pages = pages, .rss = rss_of(t->mm), .now = m->mem->now.time};
    return vmsim__min64(m->numa.policy->scan(m->numa.instance.context, &s), pages * 8);
}

/* Kernel: task_numa_work. */
static void scan(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->mm && m->numa.knobs.mode);
    struct vmsim__numa_space *space = space_of(t);
    const struct vmsim__numa_knobs *k = &m->numa.knobs;
    const uint64_t pages = pages_to_scan(m, t);
    const uint64_t slow = k->mode & VMSIM__NUMA_TIERING ? ~m->numa.top_tier : 0;
    const uint64_t own = UINT64_C(1) << m->mem->cpu_node[t->cpu];
    struct vmsim__numa_scan s = {.at = space->at,
                                 .pages = (int64_t)pages,
                                 .span = (int64_t)pages * 8,
                                 .task = &t->policy.policy,
                                 .passed = (t->mm->users == 1 ? own : 0) |
                                           (k->mode & VMSIM__NUMA_NORMAL ? 0 : m->numa.top_tier),
                                 .timed = slow,
                                 .stamp = (uint32_t)(m->mem->now.time / MILLISEC) + 1};
    if (!pages)
        return;
    vmsim__numa_mark(t->mm, &s, t->cpu);
    space->at = s.at;
    space->seq += !s.at;
}

/* Pages change places between two references, for nothing: a bound is no mechanism. Flushes of TLBs are felt. */
static void foresee(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->mm && m->numa.oracle.read);
    vmsim__present(m, t);
    vmsim__oracle_move(&m->numa, m->vm, m->lru, t->cpu);
    m->mem->now.time = m->cpus[t->cpu].now;
    m->mem->now.system_ns = 0;
    vmsim__cpu_charge(m, t);
}

/* Time is the task's own (user and system), so that one that sleeps is not scanned; the space's next_scan keeps its
 * threads from scanning one after the other. After a scan the stamp moves by 32 times what it cost: scanning takes at
 * most 3 % of the CPU. Kernel: task_tick_numa, task_numa_work. */
void vmsim__numa_tick(struct vmsim_machine *m, struct vmsim__task *t) {
    if (VMSIM__UNLIKELY(m->numa.oracle.read != NULL)) { /* nobody has to look for what is known */
        if (vmsim__oracle_due(&m->numa.oracle) && t->state == VMSIM__TASK_RUNNABLE && t->mm)
            foresee(m, t);
        return;
    }
    if (!m->numa.knobs.mode || t->state != VMSIM__TASK_RUNNABLE || !t->mm)
        return;
    struct vmsim__numa_space *space = space_of(t);
    const uint64_t ran = t->stats.user_ns + t->stats.system_ns, now = m->cpus[t->cpu].now;
    const uint64_t period = (t->numa.period_ms ? t->numa.period_ms : m->numa.knobs.scan_delay_ms) * MILLISEC;
    if (!space->next_scan) /* a new address space */
        space->next_scan = now + m->numa.knobs.scan_delay_ms * MILLISEC;
    if (ran <= t->numa.stamp + period)
        return;
    t->numa.stamp += period;
    if (!t->numa.period_ms)
        t->numa.period_ms = vmsim__numa_scan_min(&m->numa, rss_of(t->mm));
    if (now < space->next_scan)
        return;
    space->next_scan = now + t->numa.period_ms * MILLISEC;
    vmsim__present(m, t);
    scan(m, t);
    vmsim__cpu_charge(m, t);
    t->numa.stamp += 32 * (t->stats.user_ns + t->stats.system_ns - ran);
}

/* ---- the machine ---- */

static bool demote(void *context, vmsim__pfn pfn, const struct vmsim__scan_control *sc, unsigned node) {
    VMSIM__ASSERT(node < ((struct vmsim_machine *)context)->mem->nr_nodes);
    struct vmsim_machine *m = context;
    return vmsim__demote(&m->numa, m->vm, m->lru, pfn, node, sc->kswapd, sc->cpu);
}

static bool can_demote(void *context, unsigned node) {
    return vmsim__demotion_target(&((struct vmsim_machine *)context)->numa, node) >= 0;
}

static void mark(void *known) {
    vmsim__reclaim_future_mark(known);
}
static void use(void *known, const struct vmsim__frame *f) {
    vmsim__reclaim_future_use(known, vmsim__future_key(f));
}
static struct vmsim__tiering_uses uses(void *known, const struct vmsim__frame *f, uint64_t period) {
    const struct vmsim__future_uses u = vmsim__reclaim_future_uses(known, vmsim__future_key(f), period);
    return (struct vmsim__tiering_uses){u.uses, u.next};
}

/* Who knows the future is told what misses refer to. */
static int init_oracle(struct vmsim_machine *m) {
    if (!vmsim__oracle_wanted(&m->numa))
        return 0;
    if (!m->spec.future)
        return vmsim__err_set(&m->err, VMSIM_ECONFIG,
                              "policy oracle must know the future, which a run of a scenario has, and nobody else");
    if (m->reclaim.wants_future || (m->reclaim.future && m->reclaim.watching))
        return vmsim__err_set(
            &m->err, VMSIM_ECONFIG,
            "policies.tiering: oracle, and another policy, want the same run told before: one of them "
            "has to go");
    if (!m->reads)
        return vmsim__err_set(
            &m->err, VMSIM_ECONFIG,
            "policies.tiering: oracle: no memory is farther than other here: give a node `distances` or "
            "`latencies`");
    const struct vmsim__tiering_future future = {m->spec.future, mark, use, uses, m->spec.future->recording};
    if (!vmsim__oracle_begin(&m->numa, &future))
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for the oracle of tiers");
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        m->reads[cpu].frame = m->numa.oracle.read; /* one batch at a time */
        m->reads[cpu].room = VMSIM__ORACLE_READS;
    }
    return 0;
}

/* Demotion exists where there is another node to go to; with one node reclaim is not even asked. */
int vmsim__numa_init(struct vmsim_machine *m) {
    int err = vmsim__numa_create(&m->numa, m->mem, m->policies, &m->spec.numa_balancing, &m->spec.tiering, m->spec.seed,
                                 &m->err);
    err = err ? err : init_oracle(m);
    if (m->mem->nr_nodes > 1) {
        m->vmscan.hooks.demote = demote;
        m->vmscan.hooks.can_demote = can_demote;
    }
    return err;
}

void vmsim__numa_fini(struct vmsim_machine *m) {
    if (m->numa.mem)
        vmsim__numa_destroy(&m->numa);
}
