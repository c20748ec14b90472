/* SPDX-License-Identifier: MIT */
/* High memory as the kernel reaches it: through a window, a page at a time.
 *
 *     kernel's addresses   | all of low memory, always | window: a few pages of each CPU |
 *                                                        high page ---^  entry written, page used, entry and its
 *                                                                        translation dropped
 *
 * A 32-bit kernel has addresses for the first 760 to 896 MiB alone. Whatever it does to a page above (clears it, copies
 * it, looks into it as a page table) is preceded by mapping it there, and costs kmap_time more. The window is each
 * CPU's own and its entries are used as a stack, so that nobody waits for room. Kernel counterpart: mm/highmem.c
 * (kmap_local_page, kunmap_local), since 5.11; pages that stay mapped (kmap) have no user that is simulated. */
#include "zones/zones_internal.h"

uint64_t vmsim__mem_window(struct vmsim__mem *mem, uint64_t bytes, vmsim__pfn pfn) {
    if (pfn == VMSIM__PFN_NONE)
        return 0;
    const struct vmsim__zone *z = &mem->zones[vmsim__frame_zone(vmsim__frame_at(&mem->frames, pfn))];
    if (!vmsim__zone_is_highmem(mem, z))
        return 0;
    const uint64_t pages = (bytes + (UINT64_C(1) << mem->page_shift) - 1) >> mem->page_shift;
    mem->kmaps += pages;
    return pages * mem->kmap_time;
}
