/* SPDX-License-Identifier: MIT */
/* /proc and /sys of a machine: every file is a path and a function that renders it.
 *
 *     vmsim__proc_each --+-- proc/vmstat, proc/meminfo ...        one a machine
 *                        +-- proc/sys/vm/NAME                     one a sysctl          (arg: its number)
 *                        +-- proc/PID/...                         a set a task          (arg: the task)
 *                        +-- sys/block/NAME/...                   a set a device        (arg: the device)
 *                        +-- sys/devices/system/node/nodeN/...    a set a node          (arg: the node)
 *                        +-- sys/devices/system/cpu/cpuN/...      a set a CPU           (arg: the CPU)
 *                        `-- sys/fs/cgroup/...                    a set a cgroup        (arg: it and the file)
 *
 * Texts are Linux's to the byte: labels, order, widths. Where kernels differ, struct vmsim__proc_profile says how. What
 * vmsim does not model is printed as a kernel prints it that never did it: 0. PID is the task's number + 1; a task
 * that has ended keeps a directory with its last figures (state X), which Linux does not, since a report is read after
 * the run. Kernel counterparts: fs/proc, mm/vmstat.c, drivers/base/node.c, mm/huge_memory.c. */
#ifndef VMSIM__PROC_H
#define VMSIM__PROC_H
#include "machine/machine.h"
#include "report/emitter.h"

typedef void vmsim__proc_render(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg);
/* Called with each file in a fixed order; another return value than 0 ends the round and is returned. */
typedef int vmsim__proc_visit(void *context, const char *path, vmsim__proc_render *render, uint32_t arg);
int vmsim__proc_each(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context);

/* What the files of a kernel look like, beyond struct vmsim__kernel. */
struct vmsim__proc_profile {
    const char *kernel;            /* its name in the table of kernels */
    bool unaccepted;               /* lines Unaccepted of meminfo */
    bool status_kthread;           /* lines Kthread, untag_mask, x86_Thread_features of status */
    bool smaps_ksm;                /* line KSM of smaps */
    bool thp_eligible_wide;        /* THPeligible is right-aligned */
    bool shrink_underused;         /* transparent_hugepage/shrink_underused */
    bool pageset_bounds;           /* zoneinfo prints high_min and high_max of per-CPU lists */
    bool balloon;                  /* meminfo has a line Balloon */
    unsigned node_file_huge_width; /* label width of FileHugePages, FilePmdMapped in a node's meminfo */
};
const struct vmsim__proc_profile *vmsim__proc_profile(const struct vmsim_machine *m);

static inline uint64_t vmsim__pages_kb(const struct vmsim_machine *m, uint64_t pages) {
    return pages << (m->mem->page_shift - 10);
}
static inline uint64_t vmsim__non_negative(int64_t n) {
    return n < 0 ? 0 : (uint64_t)n;
}
/* Bytes of a transparent or default hugetlb page. */
static inline uint64_t vmsim__huge_bytes(const struct vmsim_machine *m) {
    return UINT64_C(1) << (m->mem->page_shift + m->mem->pageblock_order);
}
/* A nodemask or cpumask as a list: "0-1,4". */
void vmsim__proc_list(struct vmsim__textbuf *out, const bool *set, unsigned count);
/* The same as hexadecimal groups of 32, highest first, `bits` wide. */
void vmsim__proc_mask(struct vmsim__textbuf *out, const bool *set, unsigned count, unsigned bits);
/* Latest clock of all CPUs: the machine's uptime. */
uint64_t vmsim__machine_uptime(const struct vmsim_machine *m);

/* proc_vmstat.c */
vmsim__proc_render vmsim__proc_vmstat, vmsim__node_vmstat, vmsim__node_numastat;
/* The "per-node stats" of zoneinfo, the zone's and its NUMA counters. */
void vmsim__emit_node_stats(struct vmsim_machine *m, struct vmsim__emitter *e, unsigned node);
void vmsim__emit_zone_stats(struct vmsim_machine *m, struct vmsim__emitter *e, const struct vmsim__zone *z);
/* proc_meminfo.c */
vmsim__proc_render vmsim__proc_meminfo, vmsim__node_meminfo;
/* proc_zoneinfo.c */
vmsim__proc_render vmsim__proc_zoneinfo, vmsim__proc_buddyinfo, vmsim__proc_pagetypeinfo, vmsim__debug_extfrag_index,
    vmsim__debug_unusable_index;
/* proc_stat.c */
vmsim__proc_render vmsim__proc_stat, vmsim__proc_uptime, vmsim__proc_loadavg, vmsim__proc_version, vmsim__proc_swaps,
    vmsim__proc_cpuinfo;

/* proc_block.c */
vmsim__proc_render vmsim__proc_diskstats;
int vmsim__proc_each_block(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context);

/* proc_sysctl.c */
int vmsim__proc_each_sysctl(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context);
/* proc_task.c, proc_smaps.c */
int vmsim__proc_each_task(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context);
/* A task without an address space has what it had at its end. */
void vmsim__task_memory(const struct vmsim__task *t, struct vmsim__mm_status *out);
vmsim__proc_render vmsim__task_numa_maps; /* proc_numa.c */
vmsim__proc_render vmsim__task_maps, vmsim__task_smaps, vmsim__task_smaps_rollup;
/* proc_cgroup.c */
vmsim__proc_render vmsim__task_cgroup, vmsim__pressure_io, vmsim__pressure_memory;
int vmsim__proc_each_cgroup(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context);
/* proc_sysfs.c */
int vmsim__proc_each_sysfs(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context);

#endif
