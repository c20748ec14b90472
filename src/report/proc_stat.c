/* SPDX-License-Identifier: MIT */
/* The files about the machine as a whole that tools read beside those of memory: stat, uptime, loadavg, version, swaps;
 * and what the files of all kinds share. Kernel counterparts: fs/proc/stat.c, uptime.c, loadavg.c, version.c. */
#include <string.h>

#include "report/proc.h"

/* What 6.12 and later print. */
#define SINCE_6_12                                                                                                     \
    .unaccepted = true, .status_kthread = true, .smaps_ksm = true, .thp_eligible_wide = true,                          \
    .shrink_underused = true, .node_file_huge_width = 16

/* From the oldest on: a kernel prints what the last that is not newer prints. */
static const struct vmsim__proc_profile profiles[] = {
    {.kernel = "6.1", .node_file_huge_width = 15},
    {.kernel = "6.12", SINCE_6_12},
    {.kernel = "6.18", SINCE_6_12, .pageset_bounds = true, .balloon = true},
};

const struct vmsim__proc_profile *vmsim__proc_profile(const struct vmsim_machine *m) {
    size_t i = VMSIM__COUNT(profiles) - 1;
    while (i && !vmsim__kernel_since(m->kernel, profiles[i].kernel))
        i--;
    return &profiles[i];
}

void vmsim__proc_list(struct vmsim__textbuf *out, const bool *set, unsigned count) {
    VMSIM__ASSERT(set || !count);
    const char *before = "";
    for (unsigned i = 0; i < count; i++) {
        unsigned first = i;
        if (!set[i])
            continue;
        while (i + 1 < count && set[i + 1])
            i++;
        vmsim__textbuf_printf(out, i > first ? "%s%u-%u" : "%s%u", before, first, i);
        before = ",";
    }
}

/* As %*pb prints a bitmap: the leading group is only as wide as its bits need. */
void vmsim__proc_mask(struct vmsim__textbuf *out, const bool *set, unsigned count, unsigned bits) {
    VMSIM__ASSERT(bits > 0);
    unsigned groups = (bits + 31) / 32;
    for (unsigned g = groups; g-- > 0;) {
        unsigned long word = 0;
        unsigned wide = g == groups - 1 && bits % 32 ? (bits % 32 + 3) / 4 : 8;
        for (unsigned i = 0; i < 32 && g * 32 + i < count; i++)
            word |= set[g * 32 + i] ? 1ul << i : 0;
        vmsim__textbuf_printf(out, "%0*lx%s", (int)wide, word, g ? "," : "");
    }
}

uint64_t vmsim__machine_uptime(const struct vmsim_machine *m) {
    VMSIM__ASSERT(m->nr_cpus > 0);
    uint64_t latest = 0;
    for (unsigned i = 0; i < m->nr_cpus; i++)
        latest = vmsim__max64(latest, m->cpus[i].now);
    return latest;
}

#define TICK_NS UINT64_C(10000000) /* USER_HZ is 100 */

enum { CPU_USER, CPU_SYSTEM, CPU_IDLE, CPU_IOWAIT, CPU_TIMES };

/* A CPU whose clock has stopped has been idle since. */
static void cpu_times(const struct vmsim_machine *m, unsigned cpu, uint64_t times[CPU_TIMES]) {
    VMSIM__ASSERT(cpu < m->nr_cpus);
    const struct vmsim__cpu *c = &m->cpus[cpu];
    const uint64_t now = vmsim__machine_uptime(m), busy = c->user_ns + c->system_ns + c->iowait_ns;
    times[CPU_USER] = c->user_ns;
    times[CPU_SYSTEM] = c->system_ns;
    times[CPU_IOWAIT] = c->iowait_ns;
    times[CPU_IDLE] = now > busy ? now - busy : 0;
}

/* user nice system idle iowait irq softirq steal guest guest_nice */
static void print_cpu(struct vmsim__textbuf *out, const uint64_t times[CPU_TIMES]) {
    vmsim__textbuf_printf(out, " %llu 0 %llu %llu %llu 0 0 0 0 0\n", (unsigned long long)(times[CPU_USER] / TICK_NS),
                          (unsigned long long)(times[CPU_SYSTEM] / TICK_NS),
                          (unsigned long long)(times[CPU_IDLE] / TICK_NS),
                          (unsigned long long)(times[CPU_IOWAIT] / TICK_NS));
}

static unsigned blocked_tasks(const struct vmsim_machine *m) {
    unsigned blocked = 0;
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++)
        blocked += m->cpus[cpu].blocked;
    return blocked;
}

static unsigned live_tasks(const struct vmsim_machine *m) {
    unsigned live = 0;
    for (size_t i = 0; i < m->tasks.count; i++)
        live += m->tasks.at[i]->state != VMSIM__TASK_DEAD;
    return live;
}

void vmsim__proc_stat(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    uint64_t sum[CPU_TIMES] = {0}, switches = 0;
    (void)arg;
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        uint64_t times[CPU_TIMES];
        cpu_times(m, cpu, times);
        for (unsigned i = 0; i < CPU_TIMES; i++)
            sum[i] += times[i];
        switches += m->cpus[cpu].switches;
    }
    vmsim__textbuf_puts(out, "cpu ");
    print_cpu(out, sum);
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        cpu_times(m, cpu, sum);
        vmsim__textbuf_printf(out, "cpu%u", cpu);
        print_cpu(out, sum);
    }
    vmsim__textbuf_printf(out, "intr 0\nctxt %llu\nbtime 0\nprocesses %zu\nprocs_running %u\nprocs_blocked %u\n",
                          (unsigned long long)switches, m->tasks.count, live_tasks(m), blocked_tasks(m));
    vmsim__textbuf_puts(out, "softirq 0 0 0 0 0 0 0 0 0 0 0\n");
}

static void print_seconds(struct vmsim__textbuf *out, uint64_t ns, const char *after) {
    unsigned long long hundredths = ns / TICK_NS;
    vmsim__textbuf_printf(out, "%llu.%02llu%s", hundredths / 100, hundredths % 100, after);
}

void vmsim__proc_uptime(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    uint64_t idle = 0;
    (void)arg;
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        uint64_t times[CPU_TIMES];
        cpu_times(m, cpu, times);
        idle += times[CPU_IDLE] + times[CPU_IOWAIT];
    }
    print_seconds(out, vmsim__machine_uptime(m), " ");
    print_seconds(out, idle, "\n");
}

/* Averages over minutes say nothing of runs that last seconds: they are 0. Then runnable/all tasks, the last PID. */
void vmsim__proc_loadavg(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    vmsim__textbuf_printf(out, "0.00 0.00 0.00 %u/%u %zu\n", live_tasks(m), live_tasks(m), m->tasks.count);
}

void vmsim__proc_version(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    vmsim__textbuf_printf(out, "Linux version %s.0-vmsim (vmsim %s) #1 SMP PREEMPT_DYNAMIC\n", m->kernel->name,
                          vmsim_version());
}

void vmsim__proc_swaps(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    vmsim__textbuf_puts(out, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
    for (uint32_t i = 0; m->swap && i < m->swap->areas; i++) {
        const struct vmsim__swap_area *a = m->swap->area[i];
        if (!a)
            continue;
        const uint64_t size = vmsim__pages_kb(m, a->seen.slots - 1);
        const uint64_t used = vmsim__pages_kb(m, a->seen.slots - 1 - a->seen.free);
        vmsim__textbuf_printf(out, "%-39s %s\t%llu\t%s%llu\t%s%d\n", a->name, a->partition ? "partition" : "file\t",
                              (unsigned long long)size, size < 10000000 ? "\t" : "", (unsigned long long)used,
                              used < 10000000 ? "\t" : "", a->seen.priority);
    }
}

/* What tools look for to count CPUs and their cores; the rest of a real cpuinfo is not modelled. */
void vmsim__proc_cpuinfo(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    (void)arg;
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        unsigned node = m->mem->cpu_node[cpu], siblings = 0;
        for (unsigned i = 0; i < m->nr_cpus; i++)
            siblings += m->mem->cpu_node[i] == node;
        vmsim__textbuf_printf(out, "processor\t: %u\n", cpu);
        if (m->format->arch == VMSIM__PT_ARCH_X86)
            vmsim__textbuf_printf(out,
                                  "vendor_id\t: vmsim\nmodel name\t: %s\ncpu MHz\t\t: %llu.000\nphysical id\t: %u\n"
                                  "siblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\n",
                                  m->format->name, (unsigned long long)m->spec.tlb.clock, node, siblings, cpu,
                                  siblings);
        vmsim__textbuf_puts(out, "\n");
    }
}
