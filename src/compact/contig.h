/* SPDX-License-Identifier: MIT */
/* Emptying a range of frames (contig.c). */
#ifndef VMSIM__CONTIG_H
#define VMSIM__CONTIG_H
#include "compact/compaction.h"

/* Moves all that is in use in an isolated range of one zone elsewhere. False: something stays (a pin, no memory), or
 * the present waits (vmsim__now_waits): enter again. What was moved stays moved. */
bool vmsim__evacuate(struct vmsim__compaction *c, vmsim__pfn start, vmsim__pfn end, enum vmsim__migrate_reason reason,
                     bool may_wait, unsigned cpu);
/* Whole pageblocks of one zone, all of CMA or none, emptied and handed out frame by frame, each with a reference. BUSY:
 * something stays, or the present waits; nothing is held then. Kernel: alloc_contig_range. */
enum vmsim__hotplug vmsim__alloc_contig(struct vmsim__compaction *c, vmsim__pfn start, vmsim__pfn end, bool may_wait,
                                        unsigned cpu);

#endif
