/* SPDX-License-Identifier: MIT */
/* A task at the limit of its cgroup: reclaim there until the charge fits, somebody is killed or it is refused; and what
 * it pays, before it goes on, for what was charged above memory.high.
 *
 *     charge --over memory.max--> reclaim in the subtree of that limit -> again ... 16 times -> the OOM killer -> again
 *     return to the program, above memory.high: reclaim from there up, as long as it helps -> asleep for the rest
 *
 * Reclaim that has to wait, a victim that has to die, and the sleep end the operation for now; task->limit knows where
 * it stood. Pages above memory.high that one system call charges in great numbers are paid for at its end, and not in
 * its middle, where nothing could wait. Kernel counterpart: try_charge_memcg, mem_cgroup_handle_over_high
 * (mm/memcontrol.c). */
#include "machine/sched.h"

#define HZ UINT64_C(250) /* of Debian's kernels */
#define JIFFY (UINT64_C(1000000000) / HZ)
#define DELAY_MAX (2 * HZ)   /* jiffies: MEMCG_MAX_HIGH_DELAY_JIFFIES */
#define DELAY_MIN (HZ / 100) /* jiffies that are not worth a sleep */
#define PRECISION_SHIFT 20   /* MEMCG_DELAY_PRECISION_SHIFT */
#define SCALING_SHIFT 14     /* MEMCG_DELAY_SCALING_SHIFT */

/* ---- memory.max ---- */

/* Kernel: mem_cgroup_oom. True: somebody dies, or there is room again. */
static bool ask_for_a_victim(struct vmsim_machine *m, const struct vmsim__limit *l) {
    struct vmsim__memcg *over = vmsim__memcg_by_id(m->lru, l->charge.over);
    const unsigned order = vmsim__log2_up(l->pages);
    if (!over || order > VMSIM__COSTLY_ORDER)
        return false;
    vmsim__memcg_memory_event(over, VMSIM__MEMCG_OOM);
    return vmsim__memcg_out_of_memory(m, over, order);
}

/* What has to be done before the charge may be tried again. False: the present waits for it. */
static bool reclaimed(struct vmsim_machine *m, struct vmsim__limit *l) {
    if (!l->reclaiming)
        return true;
    if (!vmsim__reclaim_run(m, &l->sc))
        return false;
    l->reclaiming = false;
    l->charge.reclaimed = l->sc.nr_reclaimed;
    return true;
}

/* As often as it takes: each answer says what to do before it is tried again, and a kill takes effect only after a
 * wait. Kernel: try_charge_memcg. */
static bool charge(struct vmsim_machine *m, struct vmsim__task *t, struct vmsim__limit *l, unsigned cpu) {
    VMSIM__ASSERT(cpu < m->nr_cpus);
    while (reclaimed(m, l)) {
        l->charge.dying = t->oom_victim;
        switch (vmsim__memcg_try_charge(m->lru, l->memcg, l->pages, cpu, &l->charge)) {
        case VMSIM__CHARGE_OK:
            t->over_high += t->memcg ? l->charge.over_high : 0;
            l->active = false;
            return true;
        case VMSIM__CHARGE_RECLAIM:
            l->sc = vmsim__scan_memcg(l->charge.over, l->charge.pages, l->charge.gfp, true, cpu);
            l->reclaiming = true;
            break;
        case VMSIM__CHARGE_OOM:
            l->charge.killed = ask_for_a_victim(m, l);
            if (!l->charge.killed || t->oom_victim) /* its own death waits until the charge is refused */
                break;
            vmsim__now_wait(&m->mem->now, VMSIM__WAIT_THROTTLE, VMSIM__FOR_MEMORY, m->mem->now.time + JIFFY);
            return false;
        case VMSIM__CHARGE_NOMEM:
            l->active = false;
            return false;
        }
    }
    return false;
}

/* A record of another charge is of one that was given up when its operation was cut short: it begins anew. */
bool vmsim__limit_charge(void *machine, uint16_t memcg, uint32_t pages, uint32_t gfp, unsigned cpu) {
    struct vmsim_machine *m = machine;
    struct vmsim__task *t = m->running;
    VMSIM__ASSERT(t && memcg && pages > 0);
    struct vmsim__limit *l = &t->limit;
    if (!l->active || l->what != VMSIM__LIMIT_CHARGE || l->memcg != memcg || l->pages != pages) {
        *l = (struct vmsim__limit){.active = true, .memcg = memcg, .pages = pages};
        l->charge.gfp = gfp;
        l->charge.memalloc = gfp & VMSIM__GFP_MEMALLOC;
    }
    return charge(m, t, l, cpu);
}

/* ---- memory.high ---- */

/* Kernel: calculate_overage: by what part it is above, in 1 / 2^20. */
uint64_t vmsim__limit_overage(uint64_t usage, uint64_t high) {
    high = high ? high : 1;
    return usage > high ? ((usage - high) << PRECISION_SHIFT) / high : 0;
}

/* Kernel: calculate_high_delay: grows with the square. */
uint64_t vmsim__limit_high_delay(uint64_t pages, uint64_t overage) {
    const unsigned __int128 penalty = (unsigned __int128)overage * overage * HZ >> PRECISION_SHIFT >> SCALING_SHIFT;
    const unsigned __int128 delay = penalty * pages / VMSIM__MEMCG_BATCH;
    return delay > DELAY_MAX ? DELAY_MAX : (uint64_t)delay;
}

/* Jiffies for the worst of those from the cgroup up. Kernel: mem_find_max_overage, swap_find_max_overage. */
static uint64_t penalty(struct vmsim_machine *m, const struct vmsim__limit *l) {
    uint64_t memory = 0, swap = 0;
    for (struct vmsim__memcg *c = vmsim__memcg_by_id(m->lru, l->memcg); c && c->parent; c = c->parent) {
        const uint64_t over = vmsim__limit_overage(c->swap.usage, c->swap.high);
        memory = vmsim__max64(memory, vmsim__limit_overage(c->memory.usage, c->memory.high));
        swap = vmsim__max64(swap, over);
        if (over)
            vmsim__memcg_memory_event(c, VMSIM__MEMCG_SWAP_HIGH);
    }
    return vmsim__min64(vmsim__limit_high_delay(l->pages, memory) + vmsim__limit_high_delay(l->pages, swap), DELAY_MAX);
}

/* From the cgroup up, in each that is above its limit. False: reclaim waits. Kernel: reclaim_high. */
static bool reclaim_high(struct vmsim_machine *m, struct vmsim__limit *l, unsigned cpu) {
    VMSIM__ASSERT(cpu < m->nr_cpus);
    for (struct vmsim__memcg *c; l->at && (c = vmsim__memcg_by_id(m->lru, l->at)) != NULL; l->at = c->parent->id) {
        if (!l->reclaiming && c->memory.usage <= c->memory.high)
            continue;
        if (!l->reclaiming) {
            vmsim__memcg_memory_event(c, VMSIM__MEMCG_HIGH);
            const uint64_t pages = l->what == VMSIM__LIMIT_HIGH_AGAIN ? VMSIM__SWAP_CLUSTER_MAX : l->pages;
            l->sc = vmsim__scan_memcg(c->id, pages, VMSIM__GFP_KERNEL, true, cpu);
            l->reclaiming = true;
        }
        if (!vmsim__reclaim_run(m, &l->sc))
            return false;
        l->reclaiming = false;
        l->reclaimed += l->sc.nr_reclaimed;
    }
    return true;
}

/* Reclaim first, and sleep for what is left, the longer the more it is above. The sleep is the last: whoever has
 * slept has paid. Kernel: mem_cgroup_handle_over_high. */
bool vmsim__limit_pay_high(struct vmsim_machine *m, struct vmsim__task *t) {
    struct vmsim__limit *l = &t->limit;
    VMSIM__ASSERT(t->over_high && t->memcg);
    if (!l->active || l->what == VMSIM__LIMIT_CHARGE)
        *l = (struct vmsim__limit){.active = true,
                                   .what = VMSIM__LIMIT_HIGH,
                                   .retries = VMSIM__MEMCG_RETRIES,
                                   .memcg = t->memcg,
                                   .at = t->memcg,
                                   .pages = t->over_high};
    while (l->what != VMSIM__LIMIT_ASLEEP) {
        if (!reclaim_high(m, l, t->cpu))
            return false;
        const uint64_t jiffies = penalty(m, l);
        if (jiffies <= DELAY_MIN)
            break;
        if (l->reclaimed || l->retries) {
            if (!l->reclaimed)
                l->retries--;
            l->reclaimed = 0;
            l->at = l->memcg;
            l->what = VMSIM__LIMIT_HIGH_AGAIN;
            continue;
        }
        l->what = VMSIM__LIMIT_ASLEEP;
        vmsim__now_wait(&m->mem->now, VMSIM__WAIT_THROTTLE, VMSIM__FOR_MEMORY, m->mem->now.time + jiffies * JIFFY);
        return false;
    }
    *l = (struct vmsim__limit){0};
    t->over_high = 0;
    t->high_due = false;
    return true;
}
