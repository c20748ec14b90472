/* SPDX-License-Identifier: MIT */
/* What each counter counts, in a line, and its unit: the one place that says it. `vmsim check --counters`, the schema
 * of stats.json and docs/counters.md come from here.
 *
 * A row stands for a name wherever it appears: pgfault is that of vmstat, of a node, of a zone and of a control group's
 * memory.stat. Numbers of the hardware have their texts beside their names (tlb/tlb.h). Units: pages are base pages, kB
 * 1024 bytes; none: times that it happened. */
#include <string.h>

#include "machine/machine.h"

struct row {
    const char *name, *unit, *text;
};

static const struct row memory[] = {
    {"nr_free_pages", "pages", "free on the buddy lists, per-CPU lists apart"},
    {"nr_zone_inactive_anon", "pages", "of the zone on inactive anonymous lists"},
    {"nr_zone_active_anon", "pages", "of the zone on active anonymous lists"},
    {"nr_zone_inactive_file", "pages", "of the zone on inactive file lists"},
    {"nr_zone_active_file", "pages", "of the zone on active file lists"},
    {"nr_zone_unevictable", "pages", "of the zone on the unevictable list"},
    {"nr_zone_write_pending", "pages", "dirty or under write-out"},
    {"nr_mlock", "pages", "locked by mlock"},
    {"nr_bounce", "pages", "of low memory, that hold what a device cannot reach (devices[].reach)"},
    {"nr_zspages", "pages", "of zsmalloc: none here"},
    {"nr_free_cma", "pages", "free, in blocks kept for large contiguous requests"},
    {"numa_hit", "", "allocations that got the node they preferred"},
    {"numa_miss", "", "allocations here that preferred another node"},
    {"numa_foreign", "", "allocations elsewhere that preferred this node"},
    {"numa_interleave", "", "interleaved allocations that got their node"},
    {"numa_local", "", "allocations from the node of the CPU that asked"},
    {"numa_other", "", "allocations from another node than the asking CPU's"},
    {"nr_inactive_anon", "pages", "on inactive anonymous LRU lists"},
    {"nr_active_anon", "pages", "on active anonymous LRU lists"},
    {"nr_inactive_file", "pages", "on inactive file LRU lists"},
    {"nr_active_file", "pages", "on active file LRU lists"},
    {"nr_unevictable", "pages", "on the unevictable list: locked, ramfs"},
    {"nr_slab_reclaimable", "pages", "inodes, names, nodes of files and of swap, buffer heads"},
    {"nr_slab_unreclaimable", "pages", "slab that stays: not modelled"},
    {"nr_isolated_anon", "pages", "anonymous, off their lists for reclaim or migration"},
    {"nr_isolated_file", "pages", "of files, off their lists for reclaim or migration"},
    {"workingset_nodes", "nodes", "radix nodes that hold shadows alone"},
    {"workingset_refault_anon", "pages", "anonymous, brought back after reclaim while their shadow lived"},
    {"workingset_refault_file", "pages", "of files, read again after reclaim while their shadow lived"},
    {"workingset_activate_anon", "pages", "refaults that went to the active list: they were of the working set"},
    {"workingset_activate_file", "pages", "refaults that went to the active list: they were of the working set"},
    {"workingset_restore_anon", "pages", "refaults that had been active before they were reclaimed"},
    {"workingset_restore_file", "pages", "refaults that had been active before they were reclaimed"},
    {"workingset_nodereclaim", "nodes", "radix nodes freed because they held shadows alone"},
    {"nr_anon_pages", "pages", "anonymous and mapped"},
    {"nr_mapped", "pages", "of files and mapped"},
    {"nr_file_pages", "pages", "in the page cache, shared memory and swap cache included"},
    {"nr_dirty", "pages", "to be written"},
    {"nr_writeback", "pages", "being written"},
    {"nr_writeback_temp", "pages", "FUSE's temporary buffers: none here"},
    {"nr_shmem", "pages", "of shared memory: tmpfs, memfd, shared anonymous mappings"},
    {"nr_shmem_hugepages", "huge pages", "of shared memory"},
    {"nr_shmem_pmdmapped", "huge pages", "of shared memory, mapped by one entry"},
    {"nr_file_hugepages", "huge pages", "of files"},
    {"nr_file_pmdmapped", "huge pages", "of files, mapped by one entry"},
    {"nr_anon_transparent_hugepages", "huge pages", "anonymous, mapped by one entry"},
    {"nr_vmscan_write", "pages", "that reclaim itself began to write"},
    {"nr_vmscan_immediate_reclaim", "pages", "to be reclaimed as soon as they are written"},
    {"nr_dirtied", "pages", "ever made dirty"},
    {"nr_written", "pages", "ever written"},
    {"nr_throttled_written", "pages", "written while reclaim was held up"},
    {"nr_kernel_misc_reclaimable", "pages", "other kernel memory that can be freed: none here"},
    {"nr_foll_pin_acquired", "", "pins taken by drivers"},
    {"nr_foll_pin_released", "", "pins given back"},
    {"nr_kernel_stack", "kB", "kernel stacks: not modelled"},
    {"nr_page_table_pages", "pages", "page tables of processes"},
    {"nr_sec_page_table_pages", "pages", "page tables of devices and guests: none here"},
    {"nr_swapcached", "pages", "in memory with a slot of swap"},
    {"memory_reads", "", "references that missed the TLB and whose data are on the node; where something is far"},
    {"queue_ns", "ns", "that users of the node's memory waited for others; of nodes with a bandwidth"},
    {"pgpromote_success", "pages", "moved to a faster tier"},
    {"pgpromote_candidate", "pages", "that might be moved to a faster tier"},
    {"nr_dirty_threshold", "pages", "dirty pages at which writers are held up"},
    {"nr_dirty_background_threshold", "pages", "dirty pages at which the flusher starts"},
    {"pgpgin", "kB", "read from devices"},
    {"pgpgout", "kB", "written to devices"},
    {"pswpin", "pages", "read from swap"},
    {"pswpout", "pages", "written to swap"},
    {"pgalloc_dma", "pages", "given out of zone DMA"},
    {"pgalloc_dma32", "pages", "given out of zone DMA32"},
    {"pgalloc_normal", "pages", "given out of zone Normal"},
    {"pgalloc_high", "pages", "given out of zone HighMem"},
    {"pgalloc_movable", "pages", "given out of zone Movable"},
    {"pgalloc_device", "pages", "given out of zone Device"},
    {"allocstall_dma", "", "direct reclaims by requests for zone DMA"},
    {"allocstall_dma32", "", "direct reclaims by requests for zone DMA32"},
    {"allocstall_normal", "", "direct reclaims by requests for zone Normal"},
    {"allocstall_high", "", "direct reclaims by requests for zone HighMem"},
    {"allocstall_movable", "", "direct reclaims by requests for zone Movable"},
    {"allocstall_device", "", "direct reclaims by requests for zone Device"},
    {"pgskip_dma", "pages", "passed over by reclaim, being of a zone that it was not for: DMA"},
    {"pgskip_dma32", "pages", "passed over by reclaim, being of a zone that it was not for: DMA32"},
    {"pgskip_normal", "pages", "passed over by reclaim, being of a zone that it was not for: Normal"},
    {"pgskip_high", "pages", "passed over by reclaim, being of a zone that it was not for: HighMem"},
    {"pgskip_movable", "pages", "passed over by reclaim, being of a zone that it was not for: Movable"},
    {"pgskip_device", "pages", "passed over by reclaim, being of a zone that it was not for: Device"},
    {"pgfree", "pages", "given back"},
    {"pgactivate", "pages", "moved to an active list"},
    {"pgdeactivate", "pages", "moved to an inactive list"},
    {"pglazyfree", "pages", "marked by MADV_FREE"},
    {"pgfault", "", "page faults, minor and major"},
    {"pgmajfault", "", "page faults that waited for a device"},
    {"pglazyfreed", "pages", "of MADV_FREE that reclaim took"},
    {"pgrefill", "pages", "of active lists that reclaim looked at"},
    {"pgreuse", "pages", "written to in place by their only user (copy on write without a copy)"},
    {"pgsteal_kswapd", "pages", "reclaimed by kswapd"},
    {"pgsteal_direct", "pages", "reclaimed by tasks that needed memory"},
    {"pgdemote_kswapd", "pages", "moved to a slower tier by kswapd"},
    {"pgdemote_direct", "pages", "moved to a slower tier by tasks that needed memory"},
    {"pgscan_kswapd", "pages", "looked at by kswapd"},
    {"pgscan_direct", "pages", "looked at by tasks that needed memory"},
    {"pgscan_direct_throttle", "", "tasks held up because reserves were nearly used up"},
    {"pgscan_anon", "pages", "anonymous, looked at by reclaim"},
    {"pgscan_file", "pages", "of files, looked at by reclaim"},
    {"pgsteal_anon", "pages", "anonymous, reclaimed"},
    {"pgsteal_file", "pages", "of files, reclaimed"},
    {"zone_reclaim_failed", "", "reclaims of one node that freed too little"},
    {"pginodesteal", "inodes", "freed with their pages by tasks that needed memory"},
    {"slabs_scanned", "objects", "of slab looked at by shrinkers"},
    {"kswapd_inodesteal", "inodes", "freed with their pages by kswapd"},
    {"kswapd_low_wmark_hit_quickly", "",
     "times kswapd was needed again while it was about to sleep, by the low watermark"},
    {"kswapd_high_wmark_hit_quickly", "",
     "times kswapd was needed again while it was about to sleep, by the high watermark"},
    {"pageoutrun", "", "times kswapd set out to balance its node"},
    {"pgrotated", "pages", "moved to the end of their list when their write-out was done"},
    {"drop_pagecache", "", "writes to drop_caches that dropped the page cache"},
    {"drop_slab", "", "writes to drop_caches that dropped slab"},
    {"oom_kill", "", "processes that the OOM killer took"},
    {"numa_pte_updates", "entries", "made to fault for NUMA balancing"},
    {"numa_huge_pte_updates", "entries", "of huge pages made to fault for NUMA balancing"},
    {"numa_hint_faults", "", "faults of NUMA balancing"},
    {"numa_hint_faults_local", "", "faults of NUMA balancing on the CPU's own node"},
    {"numa_pages_migrated", "pages", "moved by NUMA balancing"},
    {"pgmigrate_success", "pages", "moved to another frame"},
    {"pgmigrate_fail", "pages", "that could not be moved"},
    {"thp_migration_success", "huge pages", "moved whole"},
    {"thp_migration_fail", "huge pages", "that could not be moved"},
    {"thp_migration_split", "huge pages", "split in order to be moved"},
    {"compact_migrate_scanned", "pages", "looked at by compaction for what can be moved"},
    {"compact_free_scanned", "pages", "looked at by compaction for free ones"},
    {"compact_isolated", "pages", "taken by compaction, to be moved or to be moved into"},
    {"compact_stall", "", "compactions by tasks that needed a large block"},
    {"compact_fail", "", "of these: without success"},
    {"compact_success", "", "of these: with success"},
    {"compact_daemon_wake", "", "times kcompactd was woken"},
    {"compact_daemon_migrate_scanned", "pages", "looked at by kcompactd for what can be moved"},
    {"compact_daemon_free_scanned", "pages", "looked at by kcompactd for free ones"},
    {"htlb_buddy_alloc_success", "huge pages", "of hugetlb that the allocator gave"},
    {"htlb_buddy_alloc_fail", "", "times the allocator had no huge page for hugetlb"},
    {"cma_alloc_success", "", "ranges of CMA areas that were emptied and given out"},
    {"cma_alloc_fail", "", "times no range of a CMA area could be emptied"},
    {"unevictable_pgs_culled", "pages", "moved to the unevictable list"},
    {"unevictable_pgs_scanned", "pages", "of the unevictable list looked at"},
    {"unevictable_pgs_rescued", "pages", "moved off the unevictable list"},
    {"unevictable_pgs_mlocked", "pages", "locked by mlock"},
    {"unevictable_pgs_munlocked", "pages", "unlocked"},
    {"unevictable_pgs_cleared", "pages", "unlocked with the mapping that locked them"},
    {"unevictable_pgs_stranded", "pages", "unlocked that could not be taken off the list"},
    {"thp_fault_alloc", "", "faults that got a huge page"},
    {"thp_fault_fallback", "", "faults that could have a huge page and found none"},
    {"thp_fault_fallback_charge", "", "of these: the control group had no room"},
    {"thp_collapse_alloc", "huge pages", "that khugepaged made"},
    {"thp_collapse_alloc_failed", "", "times khugepaged found no huge page"},
    {"thp_file_alloc", "huge pages", "of files and shared memory allocated"},
    {"thp_file_fallback", "", "times there was none for a file"},
    {"thp_file_fallback_charge", "", "of these: the control group had no room"},
    {"thp_file_mapped", "", "huge pages of files mapped by one entry"},
    {"thp_split_page", "huge pages", "split into base pages"},
    {"thp_split_page_failed", "huge pages", "that could not be split"},
    {"thp_deferred_split_page", "huge pages", "queued to be split when memory is short"},
    {"thp_split_pmd", "", "entries of huge pages split into a table"},
    {"thp_scan_exceed_none_pte", "", "times khugepaged left a range alone: too much of it is empty"},
    {"thp_scan_exceed_swap_pte", "", "times khugepaged left a range alone: too much of it is in swap"},
    {"thp_scan_exceed_share_pte", "", "times khugepaged left a range alone: too much of it is shared"},
    {"thp_split_pud", "", "entries of 1 GiB pages split into a table"},
    {"thp_zero_page_alloc", "", "huge zero pages allocated"},
    {"thp_zero_page_alloc_failed", "", "times there was no page for the huge zero page"},
    {"thp_swpout", "huge pages", "written to swap whole"},
    {"thp_swpout_fallback", "huge pages", "split because swap had no room for them whole"},
    {"balloon_inflate", "pages", "given to the host"},
    {"balloon_deflate", "pages", "taken back from the host"},
    {"balloon_migrate", "pages", "of the balloon moved"},
    {"swap_ra", "pages", "read ahead from swap"},
    {"swap_ra_hit", "pages", "read ahead from swap and then needed"},
    {"ksm_swpin_copy", "pages", "of KSM copied when they came from swap"},
    {"cow_ksm", "pages", "of KSM copied at a write"},
    {"zswpin", "pages", "taken out of zswap"},
    {"zswpout", "pages", "put into zswap"},
    {"direct_map_level2_splits", "", "large entries of the kernel's own map split: 2 MiB"},
    {"direct_map_level3_splits", "", "large entries of the kernel's own map split: 1 GiB"},
};

static const struct row zones[] = {
    {"free", "pages", "free on the buddy lists"},
    {"min", "pages", "min watermark, boost included"},
    {"low", "pages", "low watermark, boost included: below it kswapd is woken"},
    {"high", "pages", "high watermark, boost included: kswapd sleeps above it"},
    {"boost", "pages", "by which watermarks are boosted"},
    {"spanned", "pages", "from the zone's first frame to its last, holes included"},
    {"present", "pages", "of spanned: there"},
    {"managed", "pages", "of present: the allocator's"},
    {"pcp_count", "pages", "on per-CPU lists"},
    {"unusable", "", "thousandths of the free pages that lie in blocks smaller than a huge page"},
    {"extfrag", "", "why no huge page can be had, thousandths: 0 memory lacks, or one can; 1000 it is in pieces"},
};

static const struct row cpus[] = {
    {"time_ns", "ns", "the CPU's clock"},
    {"context_switches", "", "switches to another task"},
    {"user_ns", "ns", "spent in programs"},
    {"system_ns", "ns", "spent in the kernel"},
    {"idle_ns", "ns", "with nothing to run"},
    {"iowait_ns", "ns", "with nothing to run while a task of the CPU waits for a device"},
};

static const struct row tasks[] = {
    {"references", "", "memory references completed"},
    {"minflt", "", "page faults served without a device"},
    {"majflt", "", "page faults that waited for a device"},
    {"syscalls", "", "system calls"},
    {"signals_caught", "", "SIGSEGV and SIGBUS that the program caught"},
    {"user_ns", "ns", "spent in the program"},
    {"system_ns", "ns", "spent in the kernel for it"},
    {"blocked_ns", "ns", "waiting for devices and pages"},
    {"waiting_ns", "ns", "able to run while another had the CPU"},
    {"asleep_ns", "ns", "by its own will: sleep, wait, barriers"},
    {"sigsegv", "", "1: it died of SIGSEGV"},
    {"sigbus", "", "1: it died of SIGBUS"},
    {"oom_kills", "", "1: the OOM killer took it"},
    {"rss_anon", "pages", "anonymous and mapped now"},
    {"rss_file", "pages", "of files and mapped now"},
    {"rss_shmem", "pages", "of shared memory and mapped now"},
    {"hugetlb_pages", "pages", "base pages of the hugetlb pages that are mapped now"},
    {"pgtables_bytes", "bytes", "page tables"},
    {"map_count", "", "mappings"},
};

static const struct row devices[] = {
    {"reads", "", "read requests completed"},
    {"writes", "", "write requests completed"},
    {"merged", "", "requests joined to another before the device saw them"},
    {"read_bytes", "bytes", "read"},
    {"written_bytes", "bytes", "written"},
    {"busy_ns", "ns", "with a request in service"},
    {"errors", "", "requests that failed"},
};

static const struct row zswaps[] = {
    {"pool_pages", "pages", "frames that zswap takes"},
    {"stored_pages", "pages", "kept there"},
    {"same_filled_pages", "pages", "of them: of one word, without memory"},
    {"stored_bytes", "bytes", "of them, compressed"},
    {"written_back_pages", "pages", "that went on to their devices"},
    {"pool_limit_hit", "", "pages refused because the pool was full"},
    {"reject_alloc_fail", "", "pages refused because there was no frame"},
    {"reject_compress_poor", "", "pages refused because they did not compress"},
    {"reject_reclaim_fail", "", "pages that could not go on to their devices when it was their turn"},
};

static const struct row zrams[] = {
    {"orig_data_size", "bytes", "of the pages that it holds, uncompressed"},
    {"compr_data_size", "bytes", "of them, compressed"},
    {"mem_used_total", "bytes", "of memory that it takes"},
    {"mem_used_max", "bytes", "the most that it took"},
    {"same_pages", "pages", "held that have one word all over and take no memory"},
    {"huge_pages", "pages", "held that did not compress"},
    {"writes", "pages", "written"},
    {"reads", "pages", "read"},
    {"failed_writes", "pages", "not written: no memory, or above its limit"},
};

static const struct row folios[] = {
    {"anon_fault_alloc", "", "faults that got a folio of this size"},
    {"anon_fault_fallback", "", "faults that found none of this size"},
    {"anon_fault_fallback_charge", "", "of these: the control group had no room"},
    {"swpout", "", "folios of this size written to swap whole"},
    {"swpout_fallback", "", "folios of this size split because swap had no room for them whole"},
    {"shmem_alloc", "", "folios of this size for shared memory"},
    {"shmem_fallback", "", "times there was none of this size for shared memory"},
    {"shmem_fallback_charge", "", "of these: the control group had no room"},
    {"split", "", "folios of this size split"},
    {"split_failed", "", "folios of this size that could not be split"},
    {"split_deferred", "", "folios of this size queued to be split"},
    {"nr_anon", "folios", "anonymous ones of this size, now"},
    {"nr_anon_partially_mapped", "folios", "of these: queued to be split"},
};

static const struct row pools[] = {
    {"nr_hugepages", "huge pages", "in the pool of this size, in use or not"},
    {"free_hugepages", "huge pages", "of these: not in use"},
    {"surplus_hugepages", "huge pages", "beyond what was asked for: given back when they are freed"},
    {"resv_hugepages", "huge pages", "of the free ones: promised to mappings"},
};

static const struct row arrays[] = {
    {"hits", "", "look-ups that found an entry"},
    {"misses", "", "look-ups that did not"},
    {"fills", "", "entries made"},
    {"evictions", "", "entries that made room for another"},
    {"flushed", "", "entries that invalidations removed"},
    {"walks", "", "completed page walks of this page size"},
};

static const struct row policies[] = {
    {"fallbacks", "", "answers of the policy that could not be: the mechanism decided"},
};

static const struct row pressure[] = {
    {"some_us", "us", "in which some task was stalled"},
    {"full_us", "us", "in which a task was stalled and none got on"},
};

static const struct row cgroups[] = {
    {"memory.pressure.some_us", "us", "in which some task was stalled for memory"},
    {"memory.pressure.full_us", "us", "in which a task was stalled for memory and none got on"},
    {"io.pressure.some_us", "us", "in which some task waited for I/O"},
    {"io.pressure.full_us", "us", "in which a task waited for I/O and none got on"},
    {"memory.current", "bytes", "charged to the group and its children"},
    {"memory.peak", "bytes", "most that ever was charged"},
    {"memory.min", "bytes", "protected from reclaim whatever comes"},
    {"memory.low", "bytes", "protected from reclaim while others have some"},
    {"memory.high", "bytes", "above it tasks are held up and reclaim"},
    {"memory.max", "bytes", "limit"},
    {"memory.oom.group", "", "1: the OOM killer takes all of the group"},
    {"memory.swap.current", "bytes", "in swap"},
    {"memory.swap.peak", "bytes", "most that ever was in swap"},
    {"memory.swap.high", "bytes", "of swap, above which tasks are held up"},
    {"memory.swap.max", "bytes", "limit of swap"},
    {"memory.zswap.current", "bytes", "that zswap has of it, compressed, which it is charged for"},
    {"memory.zswap.max", "bytes", "limit of what zswap may have of it, compressed"},
    {"memory.zswap.writeback", "", "1: its pages may leave zswap for their devices"},
    {"events.low", "", "reclaims of the group although it was within its protection"},
    {"events.high", "", "times a task was held up above memory.high"},
    {"events.max", "", "times usage was about to pass the limit"},
    {"events.oom", "", "times the limit could not be kept and an allocation was about to fail"},
    {"events.oom_kill", "", "processes that the OOM killer took"},
    {"events.oom_group_kill", "", "times it took all of the group"},
    {"events.fail", "", "times there was no room in swap"},
    {"stat.anon", "bytes", "anonymous memory"},
    {"stat.file", "bytes", "page cache"},
    {"stat.kernel", "bytes", "of the kernel: page tables and the like"},
    {"stat.kernel_stack", "bytes", "kernel stacks: not modelled"},
    {"stat.pagetables", "bytes", "page tables"},
    {"stat.sec_pagetables", "bytes", "page tables of devices and guests: none here"},
    {"stat.percpu", "bytes", "per-CPU data: not modelled"},
    {"stat.sock", "bytes", "buffers of sockets: not modelled"},
    {"stat.vmalloc", "bytes", "vmalloc: not modelled"},
    {"stat.shmem", "bytes", "shared memory"},
    {"stat.zswap", "bytes", "that zswap has of it, compressed"},
    {"stat.zswapped", "bytes", "that zswap has of it, uncompressed"},
    {"stat.file_mapped", "bytes", "page cache that is mapped"},
    {"stat.file_dirty", "bytes", "page cache to be written"},
    {"stat.file_writeback", "bytes", "page cache being written"},
    {"stat.swapcached", "bytes", "in memory with a slot of swap"},
    {"stat.anon_thp", "bytes", "anonymous, in huge pages"},
    {"stat.file_thp", "bytes", "page cache in huge pages"},
    {"stat.shmem_thp", "bytes", "shared memory in huge pages"},
    {"stat.inactive_anon", "bytes", "on the inactive anonymous list"},
    {"stat.active_anon", "bytes", "on the active anonymous list"},
    {"stat.inactive_file", "bytes", "on the inactive file list"},
    {"stat.active_file", "bytes", "on the active file list"},
    {"stat.unevictable", "bytes", "on the unevictable list"},
    {"stat.slab_reclaimable", "bytes", "inodes, names, buffer heads and nodes of files that the cgroup pays for"},
    {"stat.slab_unreclaimable", "bytes", "other objects of the kernel: not modelled"},
    {"stat.slab", "bytes", "the sum of both"},
    {"stat.pgscan", "pages", "looked at by reclaim"},
    {"stat.pgsteal", "pages", "reclaimed"},
};

/* The names that begin like this, the rows for their last part, and those for what has none there. */
static const struct row windows[] = {
    {"kmaps", "pages", "of high memory that the kernel mapped for itself for a moment"},
};
static const struct row bounces[] = {
    {"copied", "pages", "that went to or from a device by way of a bounce buffer, as it does not reach them"},
    {"in_turns", "pages", "of those, when all buffers were in use"},
};

static const struct group {
    const char *prefix;
    const struct row *rows, *further;
    size_t count, more;
} groups[] = {
    {"vmstat.", memory, NULL, VMSIM__COUNT(memory), 0},
    {"node", memory, NULL, VMSIM__COUNT(memory), 0},
    {"zone.", zones, memory, VMSIM__COUNT(zones), VMSIM__COUNT(memory)},
    {"cpu", cpus, NULL, VMSIM__COUNT(cpus), 0},
    {"tasks.", tasks, NULL, VMSIM__COUNT(tasks), 0},
    {"block.", devices, NULL, VMSIM__COUNT(devices), 0},
    {"zswap.", zswaps, NULL, VMSIM__COUNT(zswaps), 0},
    {"zram.", zrams, NULL, VMSIM__COUNT(zrams), 0},
    {"highmem.", windows, NULL, VMSIM__COUNT(windows), 0},
    {"bounce.", bounces, NULL, VMSIM__COUNT(bounces), 0},
    {"thp.", folios, NULL, VMSIM__COUNT(folios), 0},
    {"hugetlb.", pools, NULL, VMSIM__COUNT(pools), 0},
    {"policies.", policies, NULL, VMSIM__COUNT(policies), 0},
    {"pressure.", pressure, NULL, VMSIM__COUNT(pressure), 0},
};

static const struct row *find(const struct row *rows, size_t count, const char *name) {
    VMSIM__ASSERT(name);
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(rows[i].name, name))
            return &rows[i];
    }
    return NULL;
}

/* "tlb.cpu0.walks", "tlb.cpu0.walks.4KiB", "tlb.cpu0.L1D.hits", "tlb.cpu0.L1D.4KiB.hits". */
static const char *hardware(const char *name, const char **unit) {
    VMSIM__ASSERT(name && unit);
    const char *rest = strchr(name + strlen("tlb."), '.') + 1, *last = strrchr(name, '.') + 1;
    for (unsigned i = 0; rest == last && i < VMSIM__TLB_COUNTER_COUNT; i++) {
        if (!strcmp(vmsim__tlb_counter_names[i], rest)) {
            *unit = strstr(rest, "_cycles") ? "cycles" : "";
            return vmsim__tlb_counter_texts[i];
        }
    }
    const struct row *row = find(arrays, VMSIM__COUNT(arrays), strncmp(rest, "walks.", 6) ? last : "walks");
    *unit = "";
    return row ? row->text : NULL;
}

/* "cgroups.PATH.memory.current", "cgroups.PATH.memory.events.oom", "cgroups.PATH.memory.stat.anon". A number of
 * memory.stat that vmstat has too is the same one, of the group. */
static const struct row *control_group(const char *name) {
    VMSIM__ASSERT(name);
    const char *last = strrchr(name, '.') + 1;
    for (size_t i = 0; i < VMSIM__COUNT(cgroups); i++) {
        const size_t all = strlen(name), end = strlen(cgroups[i].name);
        const char *key = strchr(cgroups[i].name, '.') + 1;
        const bool event = !strncmp(cgroups[i].name, "events.", 7) && strstr(name, ".events") && !strcmp(key, last);
        if (event || (all > end && !strcmp(name + all - end, cgroups[i].name) && name[all - end - 1] == '.'))
            return &cgroups[i];
    }
    return find(memory, VMSIM__COUNT(memory), last);
}

/* "cgroups.PATH.hugetlb.2MB.rsvd.current": what follows the size. */
static const struct row *pool(const char *name) {
    static const struct row rows[] = {
        {"current", "bytes", "of hugetlb pages of this size in use"},
        {"max", "bytes", "limit of hugetlb pages in use: a fault above it gets SIGBUS"},
        {"rsvd.current", "bytes", "of hugetlb pages of this size promised to mappings, used or not"},
        {"rsvd.max", "bytes", "limit of what may be promised: mmap above it gets ENOMEM"},
        {"events.max", "", "pages and promises that a limit refused, in the group and below"},
        {"events.local.max", "", "pages and promises that a limit refused, in the group itself"},
    };
    const char *size = strstr(name, ".hugetlb.");
    VMSIM__ASSERT(size);
    size = strchr(size + strlen(".hugetlb."), '.');
    return size ? find(rows, VMSIM__COUNT(rows), size + 1) : NULL;
}

/* Counters of cgroups and hugetlb pools have names with parts that users chose; of all others the last part says
 * what is counted. */
static const struct row *row_of(const char *name) {
    VMSIM__ASSERT(name);
    const struct row *row = NULL;
    const char *last = strrchr(name, '.') + 1;
    if (!strncmp(name, "cgroups.", 8))
        return strstr(name, ".hugetlb.") ? pool(name) : control_group(name);
    for (size_t i = 0; i < VMSIM__COUNT(groups) && !row; i++) {
        const struct group *g = &groups[i];
        if (strncmp(name, g->prefix, strlen(g->prefix)) != 0)
            continue;
        row = find(g->rows, g->count, last);
        row = row || !g->further ? row : find(g->further, g->more, last);
    }
    return row;
}

/* A name without a dot is in no table. */
const char *vmsim__counter_unit(const char *name) {
    const char *unit = "";
    if (!strchr(name, '.'))
        return unit;
    if (!strncmp(name, "tlb.", 4)) {
        if (strchr(name + 4, '.'))
            hardware(name, &unit);
        return unit;
    }
    const struct row *row = row_of(name);
    return row ? row->unit : unit;
}

const char *vmsim_counter_meaning(const struct vmsim_machine *m, size_t id, const char **unit) {
    static const char own[] = "a counter of the policy's own";
    const char *name = vmsim_counter_name(m, id), *ignored = "";
    unit = unit ? unit : &ignored;
    *unit = "";
    if (!name)
        return NULL;
    if (!strncmp(name, "tlb.", 4))
        return hardware(name, unit);
    const struct row *row = row_of(name);
    if (row)
        *unit = row->unit;
    else if (!strncmp(name, "policies.", 9))
        return own;
    return row ? row->text : NULL;
}
