/* SPDX-License-Identifier: MIT */
/* Pressure stall information: counts, times, averages (see psi.h). */
#include "machine/psi.h"

#include <stdio.h>
#include <string.h>

#include "machine/machine.h"

#define HZ 250u                           /* of Debian's kernels */
#define JIFFY (UINT64_C(1000000000) / HZ) /* ns */
#define PERIOD ((2u * HZ + 1u) * JIFFY)   /* ns between two averages: PSI_FREQ */
#define SETTLED 4096u /* periods in one state after which no average changes any more: 2034/2048 to that is nothing */
#define FSHIFT 11u
#define FIXED_1 (1u << FSHIFT)

/* 1 / exp(2 s / 10, 60, 300 s) in 1 / 2048: EXP_10s, EXP_60s, EXP_300s. */
static const uint32_t decay[3] = {1677, 1981, 2034};

/* ---- states of a CPU ---- */

/* FULL is that nobody gets on: for I/O no task runs, for memory all that run are stalled themselves (reclaim is work,
 * but not theirs). Kernel: test_state. */
static bool in_state(const struct vmsim__psi_cpu *c, enum vmsim__psi_state s) {
    switch (s) {
    case VMSIM__PSI_IO_SOME:
        return c->iowait;
    case VMSIM__PSI_IO_FULL:
        return c->iowait && !c->running;
    case VMSIM__PSI_MEM_SOME:
        return c->memstall;
    case VMSIM__PSI_MEM_FULL:
        return c->memstall && c->running == c->memstall_running;
    default:
        return c->iowait || c->memstall || c->running;
    }
}

/* Time in a state up to `time`. */
static uint64_t time_in(const struct vmsim__psi_cpu *c, enum vmsim__psi_state s, uint64_t time) {
    return c->times[s] + (time > c->since && in_state(c, s) ? time - c->since : 0);
}

/* Before anything of the CPU changes: until then it was in the states that it was in. Events a little behind it
 * change nothing. */
static void record(struct vmsim__psi_cpu *c, uint64_t time) {
    if (time <= c->since)
        return;
    for (unsigned s = 0; s < VMSIM__PSI_STATES; s++)
        c->times[s] = time_in(c, (enum vmsim__psi_state)s, time);
    c->since = time;
}

/* ---- of all CPUs ---- */

/* What of a state is not in the totals yet: each CPU weighs as much as it was not idle. Kernel: collect_percpu_times.
 */
static uint64_t pending(const struct vmsim__psi *p, enum vmsim__psi_state s, uint64_t time) {
    uint64_t all = 0;
    unsigned __int128 sum = 0;
    for (unsigned i = 0; i < p->cpus; i++) {
        const uint64_t weight = time_in(&p->cpu[i], VMSIM__PSI_NONIDLE, time) / JIFFY;
        all += weight;
        sum += (unsigned __int128)time_in(&p->cpu[i], s, time) * weight;
    }
    return (uint64_t)(sum / (all ? all : 1));
}

/* Each CPU's time since the last look goes to the totals, weighted by how busy it was, so that idle CPUs do not dilute
 * a busy one's stalls. Kernel: collect_percpu_times. */
static void collect(struct vmsim__psi *p, uint64_t time) {
    for (unsigned s = 0; s < VMSIM__PSI_NONIDLE; s++)
        p->total[s] += pending(p, (enum vmsim__psi_state)s, time);
    for (unsigned i = 0; i < p->cpus; i++) {
        record(&p->cpu[i], time);
        memset(p->cpu[i].times, 0, sizeof p->cpu[i].times);
    }
}

/* Rounded up while it rises, as the kernel's, so that a full stall reaches 100. Kernel: calc_load. */
static uint32_t decayed(uint64_t average, uint32_t by, uint64_t percent) {
    const uint64_t sum = average * by + percent * (FIXED_1 - by) + (percent >= average ? FIXED_1 - 1 : 0);
    return (uint32_t)(sum / FIXED_1);
}

/* by^n in 1 / 2048. Kernel: fixed_power_int. */
static uint32_t power(uint64_t by, uint64_t n) {
    uint64_t result = FIXED_1;
    for (; n; n >>= 1, by = (by * by + FIXED_1 / 2) >> FSHIFT)
        result = n & 1 ? (result * by + FIXED_1 / 2) >> FSHIFT : result;
    return (uint32_t)result;
}

/* Kernel: update_averages. */
static void average(struct vmsim__psi *p, uint64_t time) {
    VMSIM__ASSERT(time >= p->avg_next);
    const uint64_t missed = (time - p->avg_next) / PERIOD;
    const uint64_t period = time - (p->avg_last + missed * PERIOD);
    for (unsigned s = 0; s < VMSIM__PSI_NONIDLE; s++) {
        const uint64_t sample = vmsim__min64(p->total[s] - p->avg_total[s], period);
        const uint64_t percent = sample * 100 / period * FIXED_1;
        p->avg_total[s] += sample;
        for (unsigned i = 0; i < VMSIM__COUNT(decay); i++) {
            if (missed)
                p->avg[s][i] = decayed(p->avg[s][i], power(decay[i], missed), 0);
            p->avg[s][i] = decayed(p->avg[s][i], decay[i], percent);
        }
    }
    p->avg_next += (1 + missed) * PERIOD;
    p->avg_last = time;
}

/* Nothing would come of any average until somebody does something. */
static bool idle(const struct vmsim__psi *p) {
    for (unsigned i = 0; i < p->cpus; i++) {
        if (in_state(&p->cpu[i], VMSIM__PSI_NONIDLE) || p->cpu[i].times[VMSIM__PSI_NONIDLE])
            return false;
    }
    return true;
}

/* So many periods pass in one state, and the averages stay where they are. */
static void skip(struct vmsim__psi *p, uint64_t periods) {
    uint64_t before[VMSIM__PSI_NONIDLE];
    memcpy(before, p->total, sizeof before);
    p->avg_last += periods * PERIOD;
    p->avg_next += periods * PERIOD;
    collect(p, p->avg_last);
    for (unsigned s = 0; s < VMSIM__PSI_NONIDLE; s++)
        p->avg_total[s] += p->total[s] - before[s];
}

/* The averages that were due until `time`, one by one; those of a group that did nothing at once. A state that lasts
 * for years is averaged until nothing changes any more. */
static void catch_up(struct vmsim__psi *p, uint64_t time) {
    for (uint64_t n = 0; time >= p->avg_next; n++) {
        const uint64_t left = (time - p->avg_next) / PERIOD;
        const uint64_t due = p->avg_next + (idle(p) ? left * PERIOD : 0);
        collect(p, due);
        average(p, due);
        if (n > SETTLED && time >= p->avg_next)
            skip(p, (time - p->avg_next) / PERIOD + 1);
    }
}

/* ---- tasks ---- */

/* Who runs and is stalled (it reclaims) is counted apart: FULL asks whether anybody runs who is not. */
static void count(struct vmsim__psi_cpu *c, unsigned flags, int sign) {
    c->iowait += (uint32_t)(flags & VMSIM__PSI_IOWAIT ? sign : 0);
    c->memstall += (uint32_t)(flags & VMSIM__PSI_MEMSTALL ? sign : 0);
    c->running += (uint32_t)(flags & VMSIM__PSI_RUNNING ? sign : 0);
    c->memstall_running += (uint32_t)((flags & VMSIM__PSI_MEMSTALL) && (flags & VMSIM__PSI_RUNNING) ? sign : 0);
}

/* Kernel: psi_task_change. */
static void change(struct vmsim_machine *m, const struct vmsim__task *t, unsigned flags, int sign, uint64_t time) {
    for (uint32_t at = t->cgroup;; at = m->cgroups.at[at]->parent) {
        struct vmsim__psi *p = &m->cgroups.at[at]->psi;
        catch_up(p, time);
        record(&p->cpu[t->psi_cpu], time);
        count(&p->cpu[t->psi_cpu], flags, sign);
        if (at == VMSIM__CGROUP_ROOT)
            break;
    }
}

/* The state belongs to a CPU: a task that moved is taken out where it was counted. */
void vmsim__psi_set(struct vmsim_machine *m, struct vmsim__task *t, unsigned flags, uint64_t time) {
    VMSIM__ASSERT(t->cpu < m->nr_cpus);
    if (t->psi == flags && t->psi_cpu == t->cpu)
        return;
    if (t->psi)
        change(m, t, t->psi, -1, time);
    t->psi = (uint8_t)flags;
    t->psi_cpu = t->cpu;
    if (flags)
        change(m, t, flags, 1, time);
}

/* Reclaim in one's own time: the span is known when it is over, so it is set and unset then. */
void vmsim__psi_stalled(struct vmsim_machine *m, uint64_t begin) {
    struct vmsim__task *t = m->running;
    if (!t || begin >= m->mem->now.time)
        return;
    const unsigned before = t->psi;
    vmsim__psi_set(m, t, before | VMSIM__PSI_MEMSTALL | VMSIM__PSI_RUNNING, begin);
    vmsim__psi_set(m, t, before, m->mem->now.time);
}

/* ---- reading ---- */

uint64_t vmsim__psi_total(const struct vmsim__psi *p, enum vmsim__psi_state state, uint64_t time) {
    VMSIM__ASSERT(state < VMSIM__PSI_NONIDLE);
    return p->total[state] + pending(p, state, time);
}

uint32_t vmsim__psi_average(struct vmsim__psi *p, enum vmsim__psi_state state, unsigned which, uint64_t time) {
    VMSIM__ASSERT(state < VMSIM__PSI_NONIDLE && which < VMSIM__COUNT(decay));
    catch_up(p, time);
    const uint32_t average = p->avg[state][which];
    return (average >> FSHIFT) * 100 + ((average & (FIXED_1 - 1)) * 100 >> FSHIFT);
}

/* One line of /proc/pressure or memory.pressure, whose format monitoring tools parse. */
void vmsim__psi_line(struct vmsim__psi *p, enum vmsim__psi_state state, uint64_t time, char *text, size_t size) {
    VMSIM__ASSERT(size > 0 && state < VMSIM__PSI_NONIDLE);
    static const char *const names[] = {"avg10", "avg60", "avg300"};
    const bool full = state == VMSIM__PSI_IO_FULL || state == VMSIM__PSI_MEM_FULL;
    size_t n = (size_t)snprintf(text, size, "%s", full ? "full" : "some");
    for (unsigned i = 0; i < VMSIM__COUNT(names) && n < size; i++) {
        const uint32_t a = vmsim__psi_average(p, state, i, time);
        n += (size_t)snprintf(text + n, size - n, " %s=%u.%02u", names[i], a / 100, a % 100);
    }
    if (n < size)
        snprintf(text + n, size - n, " total=%llu", (unsigned long long)(vmsim__psi_total(p, state, time) / 1000));
}

/* ---- life ---- */

void vmsim__psi_reset(struct vmsim__psi *p, uint64_t time) {
    *p = (struct vmsim__psi){.cpu = p->cpu, .cpus = p->cpus, .avg_last = time, .avg_next = time + PERIOD};
    for (unsigned i = 0; i < p->cpus; i++)
        p->cpu[i] = (struct vmsim__psi_cpu){.since = time};
}

bool vmsim__psi_init(struct vmsim__psi *p, struct vmsim__alloc *alloc, unsigned cpus, uint64_t time) {
    *p = (struct vmsim__psi){.cpu = vmsim__calloc(alloc, cpus, sizeof *p->cpu), .cpus = cpus};
    if (p->cpu)
        vmsim__psi_reset(p, time);
    return p->cpu;
}

/* ---- check ---- */

/* What the flags of the tasks at or below a cgroup say of a CPU, taken from its counts: all are 0 then. */
static void uncount(const struct vmsim_machine *m, const struct vmsim__task *t, uint32_t group, unsigned cpu,
                    struct vmsim__psi_cpu *left) {
    uint32_t at = t->cgroup;
    while (at != group && at != VMSIM__CGROUP_ROOT)
        at = m->cgroups.at[at]->parent;
    if (at == group && t->psi_cpu == cpu)
        count(left, t->psi, -1);
}

/* What CPUs count, less what each task says it is counted as, is nothing. */
int vmsim__psi_check(struct vmsim_machine *m) {
    for (uint32_t g = 0; g < m->cgroups.count; g++) {
        const struct vmsim__cgroup *c = m->cgroups.at[g];
        for (unsigned cpu = 0; c->memcg && cpu < c->psi.cpus; cpu++) {
            struct vmsim__psi_cpu left = c->psi.cpu[cpu];
            for (size_t i = 0; i < m->tasks.count; i++)
                uncount(m, m->tasks.at[i], g, cpu, &left);
            for (size_t i = 0; i < m->kthreads.count; i++)
                uncount(m, m->kthreads.at[i], g, cpu, &left);
            if (left.iowait || left.memstall || left.running || left.memstall_running)
                return vmsim__err_set(&m->err, VMSIM_ECHECK, "pressure of '%s': cpu %u counts tasks that are not there",
                                      c->path, cpu);
        }
    }
    return 0;
}

void vmsim__psi_fini(struct vmsim__psi *p, struct vmsim__alloc *alloc) {
    vmsim__free(alloc, p->cpu, p->cpus * sizeof *p->cpu);
    *p = (struct vmsim__psi){0};
}
