/* SPDX-License-Identifier: MIT */
/* Compaction as the machine's parts call it: compact.c, kcompactd.c. */
#ifndef VMSIM__MACHINE_COMPACT_H
#define VMSIM__MACHINE_COMPACT_H
#include "machine/machine.h"

/* How hard an allocation tries; the lower, the harder. Kernel: enum compact_priority. */
enum vmsim__compact_priority {
    VMSIM__COMPACT_PRIO_SYNC_FULL,
    VMSIM__COMPACT_PRIO_SYNC_LIGHT,
    VMSIM__COMPACT_PRIO_ASYNC
};

int vmsim__compact_init(struct vmsim_machine *m); /* 0 or VMSIM_ENOMEM; after reclaim */
void vmsim__compact_fini(struct vmsim_machine *m);
/* Nothing is moved where there is no translation. */
static inline bool vmsim__compaction_off(const struct vmsim_machine *m) {
    return !m->format->levels;
}
/* The run's mode and how much it ignores, by what is wanted of it (not SKIP). */
void vmsim__compact_as(struct vmsim__compact_control *cc, enum vmsim_compaction_verdict verdict);
/* Compacts the zones of a request one after the other and takes the block, if there is one then. Kernel:
 * __alloc_pages_direct_compact. */
vmsim__pfn vmsim__direct_compact(struct vmsim_machine *m, const struct vmsim__alloc_request *rq, uint32_t flags,
                                 enum vmsim__compact_priority priority, enum vmsim__compact_result *result);
/* A range of `frames`, whole pageblocks, out of CMA areas or out of all other memory, emptied. PFN_NONE: there is none,
 * or the present waits, enter again. Kernel: cma_alloc, alloc_contig_pages. */
vmsim__pfn vmsim__machine_contig(struct vmsim_machine *m, unsigned cpu, vmsim__pfn frames, bool cma);
/* All of memory. False: the present waits, enter again. */
bool vmsim__compact_memory(struct vmsim_machine *m, bool may_wait);

/* A number that changes with every frame that is allocated or freed. */
uint64_t vmsim__frame_traffic(const struct vmsim__mem *mem);

int vmsim__kcompactd_init(struct vmsim_machine *m); /* 0 or VMSIM_ENOMEM */
void vmsim__kcompactd_fini(struct vmsim_machine *m);
/* A block of 2^order is wanted on the node. Kernel: wakeup_kcompactd. */
void vmsim__kcompactd_wake(struct vmsim_machine *m, unsigned node, unsigned order, unsigned zone_type);
/* A CPU works: looks at the nodes' scores go on, if they had come to an end. Called about once a second of its time. */
void vmsim__kcompactd_tick(struct vmsim_machine *m, uint64_t now);
/* Is memory to be compacted ahead of need? An event. */
void vmsim__kcompactd_event(struct vmsim_machine *m, uint64_t now);
/* Wakes all at once, as a write to vm.compaction_proactiveness does. */
void vmsim__kcompactd_trigger(struct vmsim_machine *m);

#endif
