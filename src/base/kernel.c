/* SPDX-License-Identifier: MIT */
/* The table of kernels. Sources: Debian linux-source-6.1 (6.1.192) and linux-source-6.12 (6.12.117), by behaviour.
 * 6.18 is 6.12 with the changes since then that are known to show without memory pressure, as a running 6.18.44 shows
 * them; of sizes at boot it has those of 6.12. */
#include "base/kernel.h"

#include <stddef.h>
#include <string.h>

#include "base/util.h"

/* What 6.12 and later have. */
#define SINCE_6_12                                                                                                     \
    .fallback_self_needs_memory = true, .pcp_high_auto = true, .zoneinfo_promo = true, .highatomic_counts_free = true, \
    .highatomic_needs_pageblock = true, .freelist_by_pageblock = true, .highatomic_serves_nonblock = true,             \
    .arm64_device = true, .image_kb = 38216, .image_init_kb = 6868, .percpu_kb = 264, .early_kb = 7192,                \
    .lru_batch = 31, .rss_percpu = true, .thp_aligned_mmap = true, .max_map_count = 65530, .auxv_entries = 23,         \
    .ra_async_half = true, .pud_accounted = true, .populate_retry_major = true, .mprotect_uncharges = true,            \
    .pageout_keeps_young = true, .gather_pairs = true, .random_has_no_recency = true, .map_stack_small = true,         \
    .remove_by_right = true, .populate_in_order = true, .weighted_interleave = true, .thp_per_size = true,             \
    .mmap_miss_keeps = true, .reclaim_by_quarters = true, .reclaim_swappiness = true, .reclaim_sees_late = true,       \
    .cost_counts_rotations = true, .mbind_counts_shared = true, .hole_is_enoent = true, .lru_gen_memcgs = true,        \
    .lru_gen_counts_all = true, .lru_gen_wakes_flushers = true, .lru_gen_enabled = true, .zs_chain = 8,                \
    .zswap_exclusive = true, .ext4_inode = 1168, .riscv_tables_wait = true

static const struct vmsim__kernel kernels[] = {
    {
        .name = "6.1",
        .movable_is_lowmem = true,
        .gfp_atomic = true,
        .fast_find_skips = true,
        .image_kb = 45272,
        .image_init_kb = 8008,
        .percpu_kb = 248,
        .section_kb = 4,
        .early_kb = 5856,
        .lru_batch = 15,
        .zs_chain = 4,
        .ext4_inode = 1192,
        .rw_page = true,
        .ra_miss_continues = true,
        .retry_counts_twice = true,
        .retry_is_major = true,
        .max_map_count = 65530,
        .auxv_entries = 21,
        .new_merges_next = true,
        .close_bars_merge = true,
    },
    {
        .name = "6.12",
        SINCE_6_12,
        .hugetlb_restores = true,
        .large_never_reused = true,
    },
    {
        .name = "6.18",
        SINCE_6_12,
        .hugetlb_restores = true,
        .huge_zero_replaced = true,
        .merges_unfaulted = true,
        .guard_regions = true,
        .guard_files = true,
        .mremap_checks_first = true,
        .reclaim_anon_only = true,
    },
};

const struct vmsim__kernel *vmsim__kernel_at(unsigned i) {
    return i < VMSIM__COUNT(kernels) ? &kernels[i] : NULL;
}

const struct vmsim__kernel *vmsim__kernel_find(const char *name) {
    if (!name)
        return &kernels[0];
    for (unsigned i = 0; i < VMSIM__COUNT(kernels); i++) {
        if (!strcmp(kernels[i].name, name))
            return &kernels[i];
    }
    return NULL;
}

bool vmsim__kernel_since(const struct vmsim__kernel *k, const char *release) {
    VMSIM__ASSERT(vmsim__kernel_find(release));
    return k >= vmsim__kernel_find(release);
}
