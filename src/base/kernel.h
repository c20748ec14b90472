/* SPDX-License-Identifier: MIT */
/* What differs between the kernels that a machine can run, as values and switches of one table.
 *
 * Code asks a field ("does MOVABLE count as low memory?"), never a version number. Adding a kernel is adding a row
 * in kernel.c. Kernel counterpart: none; this is the list of material differences between releases. */
#ifndef VMSIM__KERNEL_H
#define VMSIM__KERNEL_H
#include <stdbool.h>
#include <stdint.h>

struct vmsim__kernel {
    const char *name; /* "6.1", "6.12", ...: what `kernel:` accepts */
    /* zones */
    bool
        movable_is_lowmem; /* MOVABLE takes its share of min_free_kbytes (until 6.1); else clamp(managed/1024,32,128) */
    bool fallback_self_needs_memory; /* a memoryless node is not first in its own zonelist (6.12) */
    bool pcp_high_auto;              /* pcp high tunes itself between high_min and high_max (since 6.7) */
    bool zoneinfo_promo;             /* /proc/zoneinfo prints the promo line */
    bool highatomic_counts_free;     /* watermark check subtracts only free highatomic pages */
    bool highatomic_needs_pageblock; /* no highatomic reserve below one pageblock of 1 % */
    bool gfp_atomic;                 /* __GFP_ATOMIC exists and is what the boost is ignored for (until 6.2) */
    bool freelist_by_pageblock;      /* a free block is on the list of its pageblock's type, always (since 6.10) */
    bool arm64_device;               /* arm64 has a zone Device (Debian's builds since 6.12) */
    bool fast_find_skips; /* the pageblock that compaction finds by its free blocks is marked as seen (until 6.3) */
    bool highatomic_serves_nonblock; /* non-blocking requests fall back on HIGHATOMIC blocks (since 6.8) */
    /* what the kernel takes for itself at boot: sizes of Debian's amd64 builds, defaults of the model in zones/ */
    unsigned image_kb;      /* text, data, bss, without what is freed after boot */
    unsigned image_init_kb; /* init sections and gaps, freed after boot */
    unsigned percpu_kb;     /* first per-CPU chunk, each CPU */
    unsigned section_kb;    /* tables of memory sections, each node */
    unsigned early_kb;      /* allocated before boot looks at free memory to derive the reserves of overcommit */
    /* multi-generational LRU */
    bool lru_gen_enabled;        /* is on from the start (Debian's builds since 6.12) */
    bool lru_gen_memcgs;         /* global reclaim takes cgroups in an order of its own (since 6.3) */
    bool lru_gen_wakes_flushers; /* where all that could go is dirty (since 6.14, and 6.12's updates) */
    bool lru_gen_counts_all; /* every refault is counted as one, and a recent one as an activation, too (since 6.5) */
    bool mmap_miss_keeps;    /* pages of the working set that fault-around maps are no sign that reading ahead helps: it
                                stops in a file whose pages are evicted all the time (since 6.10) */
    bool reclaim_sees_late; /* it goes by statistics of cgroups that are flushed every two seconds, not on demand (6.12)
                             */
    bool cost_counts_rotations; /* balance of reclaim: a page scanned in vain is 1, one of I/O 32; else I/O alone
                                   (since 6.2) */
    bool reclaim_by_quarters;   /* memory.reclaim asks for a quarter of what is left at a time (since 6.8) */
    bool reclaim_swappiness;    /* memory.reclaim takes swappiness=0..200 behind the size (since 6.11) */
    bool reclaim_anon_only;     /* and swappiness=max: anonymous memory alone (since 6.16) */
    /* swap */
    unsigned zs_chain;    /* frames of a zspage of zsmalloc, at most: 4, 8 since 6.3 (CONFIG_ZSMALLOC_CHAIN_SIZE) */
    bool zswap_exclusive; /* a page that comes back from zswap leaves it; entries have a second chance; zsmalloc is its
                             default (6.5 to 6.12) */
    bool rw_page;         /* zram serves single pages without a bio, which pgpgin and pgpgout count (until 6.2) */
    unsigned ext4_inode;  /* bytes of an ext4_inode_cache object: 1192, 1168 since 6.12 */
    /* vm */
    unsigned lru_batch; /* folios in a per-CPU LRU batch: 15, 31 since 6.6 */
    bool rss_percpu;    /* RSS counters are per CPU, which decides on peaks alone (since 6.2); else 64-event caches */
    bool thp_aligned_mmap;      /* anonymous mappings of n * 2 MiB are THP-aligned (since 6.7) */
    bool pud_accounted;         /* tables of the third level are in nr_page_table_pages (since 6.11) */
    bool retry_counts_twice;    /* a fault that waits for its page counts pgfault again when it is entered again */
    bool retry_is_major;        /* it is major even when another's readahead brought the page (until 6.4) */
    bool populate_retry_major;  /* so it is in madvise(MADV_POPULATE_*) (since 6.9) */
    bool mprotect_uncharges;    /* a mapping without a page is uncharged when it loses PROT_WRITE (since 6.8) */
    bool huge_zero_replaced;    /* a write to the huge zero page gets a huge page, not a split (since 6.13) */
    bool hugetlb_restores;      /* a private hugetlb page that is unmapped gives its promise back (since 6.9) */
    bool pageout_keeps_young;   /* MADV_PAGEOUT leaves accessed bits alone, reclaim ignores them (since 6.9) */
    bool random_has_no_recency; /* uses through MADV_RANDOM count as little as through MADV_SEQUENTIAL (since 6.3) */
    bool map_stack_small;       /* MAP_STACK means no huge pages (since 6.7) */
    bool remove_by_right; /* MADV_REMOVE asks whether the mapping may be made writable, not whether it is (since 6.7) */
    bool populate_in_order;   /* MADV_POPULATE_* ends at the first hole or forbidden mapping (since 6.9) */
    bool guard_regions;       /* MADV_GUARD_* exist (since 6.13) */
    bool guard_files;         /* and of mappings of files (since 6.15) */
    bool mremap_checks_first; /* all errors before the first change, and several mappings in one move (since 6.17) */
    bool weighted_interleave; /* MPOL_WEIGHTED_INTERLEAVE exists (since 6.9) */
    bool mbind_counts_shared; /* MPOL_MF_STRICT minds pages that others map, too, and that MOVE leaves (since 6.7) */
    bool hole_is_enoent;      /* move_pages says so of anonymous memory without a page, not EFAULT (since 6.12) */
    bool thp_per_size;        /* large pages of several orders, each with a switch of its own (since 6.8) */
    bool
        large_never_reused; /* a write copies a page of a large folio that fork shared, whoever is left (6.9 to 6.14) */
    bool new_merges_next;   /* a new mapping between two that cannot be one joins the upper one (until 6.11) */
    bool close_bars_merge;  /* what has a close operation, as System V's segments, merges with nothing (until 6.3) */
    bool merges_unfaulted;  /* a mapping without pages takes in a neighbour that has some (since 6.16) */
    bool gather_pairs;      /* a batch of freed pages keeps an entry spare for a number of pages (since 6.9) */
    bool riscv_tables_wait; /* page tables of RISC-V are freed after a grace period (since 6.10) */
    uint32_t max_map_count; /* default of vm.max_map_count */
    unsigned auxv_entries;  /* of the vector on a new stack: 21, 23 with restartable sequences' two (since 6.3) */
    bool ra_async_half;     /* initial readahead: async_size = size/2 when size <= request */
    bool ra_miss_continues; /* readahead: a miss right behind the last window continues it (until 6.9) */
};

/* The row named `name` (NULL: the reference, "6.1"), or NULL when unknown. */
const struct vmsim__kernel *vmsim__kernel_find(const char *name);
/* Is this kernel the one named `release`, or later? For texts of files, which change by release in many small ways. */
bool vmsim__kernel_since(const struct vmsim__kernel *k, const char *release);
/* Row number `i`, from the oldest on; NULL past the end: for messages and schemas. */
const struct vmsim__kernel *vmsim__kernel_at(unsigned i);

#endif
