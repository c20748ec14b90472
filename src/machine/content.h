/* SPDX-License-Identifier: MIT */
/* The content oracle: simulated pages hold nothing, so each gets a tag in place of its contents, and what programs find
 * is held against what they must find.
 *
 *     what there is                                    what must be found
 *       frame[pfn] <--fill, read, swap--> frame          space (mm->contents): page -> tag of the last store to it
 *       slot[area]: slot -> tag                          file: page -> tag of the last store or write()
 *       file: page -> tag of what its device has
 *
 * The left side follows whatever moves contents: a page cleared or copied (faults, COW, huge pages, migration,
 * collapse), swapped out and in, read and written back. The right side follows what programs do, and nothing else:
 * stores, write(), mmap and munmap, mremap, madvise, fork, truncate. It knows nothing of frames. Each store leaves a
 * tag that was never used before on both sides; at each load the tag of the frame at the physical address that the TLB
 * gave out must be the one of the right side. A page lost, given out twice, not copied or copied too often, not written
 * back, or seen through a stale translation is a wrong tag at the load that finds it.
 *
 * Nobody pays for it while it is off but for a look at a hook where contents move. Nothing simulated depends on it. */
#ifndef VMSIM__CONTENT_H
#define VMSIM__CONTENT_H
#include "machine/machine.h"

/* From now on: what is there at present is taken for what must be there. 0, VMSIM_ENOSYS (no MMU: mappings are runs of
 * frames, which nothing moves), VMSIM_ENOMEM. */
int vmsim__content_start(struct vmsim_machine *m);
void vmsim__content_fini(struct vmsim_machine *m);
/* The first `n` references of a task led to these physical addresses, and its page table is as it was then. One that
 * found what it must not is the machine's error, and its run is over (m->content_wrong). */
void vmsim__content_used(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a,
                         const uint64_t *physical, size_t n);

#endif
