/* SPDX-License-Identifier: MIT */
/* meminfo, of the machine and of a node. Kernel counterparts: fs/proc/meminfo.c, si_mem_available (mm/page_alloc.c),
 * node_read_meminfo (drivers/base/node.c). */
#include <stdio.h>

#include "report/proc.h"

/* Whose numbers are printed: a node's, or (NODE_ALL) the sums of all. */
struct view {
    struct vmsim_machine *m;
    struct vmsim__emitter *e;
    unsigned node;
};
#define NODE_ALL UINT32_MAX

/* A sum below zero is shown as 0, as global_node_page_state does. */
static uint64_t node_stat(const struct view *v, enum vmsim__node_stat stat) {
    const struct vmsim__mem *mem = v->m->mem;
    return vmsim__non_negative(v->node == NODE_ALL ? vmsim__mem_node_stat(mem, stat) : mem->nodes[v->node].stat[stat]);
}

static uint64_t zone_stat(const struct view *v, enum vmsim__zone_stat stat) {
    VMSIM__ASSERT(v->m && v->m->mem);
    int64_t sum = 0;
    for (unsigned z = 0; z < v->m->mem->nr_zones; z++) {
        if (v->node == NODE_ALL || v->m->mem->zones[z].node == v->node)
            sum += vmsim__zone_told(&v->m->mem->zones[z], stat);
    }
    return vmsim__non_negative(sum);
}

static void pages(const struct view *v, const char *label, uint64_t count) {
    vmsim__emit_uint(v->e, label, vmsim__pages_kb(v->m, count), VMSIM__UNIT_KB);
}

static void kb(const struct view *v, const char *label, uint64_t count) {
    vmsim__emit_uint(v->e, label, count, VMSIM__UNIT_KB);
}

static void number(const struct view *v, const char *label, uint64_t count) {
    vmsim__emit_uint(v->e, label, count, VMSIM__UNIT_NONE);
}

/* Huge pages of a statistic kept in their number, in kB. Printed in kB although counted in huge pages, as meminfo
 * does; vmstat prints their number. */
static void huge(const struct view *v, const char *label, enum vmsim__node_stat stat) {
    kb(v, label, node_stat(v, stat) * (vmsim__huge_bytes(v->m) >> 10));
}

static uint64_t less(uint64_t a, uint64_t b) {
    return a > b ? a - b : 0;
}

/* Free memory beyond the reserves, plus what of page cache and slab can go without pushing a zone below low. Kernel:
 * si_mem_available: half of the page cache, or low's worth of it, is taken to be in use. */
static uint64_t available(const struct view *v) {
    VMSIM__ASSERT(v->m && v->m->mem);
    const struct vmsim__mem *mem = v->m->mem;
    uint64_t low = 0;
    for (unsigned z = 0; z < mem->nr_zones; z++)
        low += vmsim__zone_wmark(&mem->zones[z], VMSIM__WMARK_LOW);
    uint64_t file = node_stat(v, VMSIM__NR_ACTIVE_FILE) + node_stat(v, VMSIM__NR_INACTIVE_FILE);
    uint64_t slab = node_stat(v, VMSIM__NR_SLAB_RECLAIMABLE) + node_stat(v, VMSIM__NR_KERNEL_MISC_RECLAIMABLE);
    uint64_t sum =
        zone_stat(v, VMSIM__NR_FREE_PAGES) + file - vmsim__min64(file / 2, low) + slab - vmsim__min64(slab / 2, low);
    return less(sum, mem->totalreserve);
}

/* From SwapCached to Mlocked: the same in both files. Active and Inactive are sums, their parts follow. */
static void emit_lists(const struct view *v) {
    uint64_t active_anon = node_stat(v, VMSIM__NR_ACTIVE_ANON), active_file = node_stat(v, VMSIM__NR_ACTIVE_FILE);
    uint64_t anon = node_stat(v, VMSIM__NR_INACTIVE_ANON), file = node_stat(v, VMSIM__NR_INACTIVE_FILE);
    pages(v, "SwapCached", node_stat(v, VMSIM__NR_SWAPCACHED));
    pages(v, "Active", active_anon + active_file);
    pages(v, "Inactive", anon + file);
    pages(v, "Active(anon)", active_anon);
    pages(v, "Inactive(anon)", anon);
    pages(v, "Active(file)", active_file);
    pages(v, "Inactive(file)", file);
    pages(v, "Unevictable", node_stat(v, VMSIM__NR_UNEVICTABLE));
    pages(v, "Mlocked", zone_stat(v, VMSIM__NR_MLOCK));
}

/* What the kernel does not map for good, and the rest. Kernel: si_meminfo. */
static void emit_high(const struct view *v) {
    const struct vmsim__mem *mem = v->m->mem;
    uint64_t total = 0, unused = 0;
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[i];
        if (!vmsim__zone_is_highmem(mem, z))
            continue;
        total += z->managed;
        unused += vmsim__non_negative(z->stat[VMSIM__NR_FREE_PAGES]);
    }
    pages(v, "HighTotal", total);
    pages(v, "HighFree", unused);
    pages(v, "LowTotal", less(mem->totalram, total));
    pages(v, "LowFree", less(zone_stat(v, VMSIM__NR_FREE_PAGES), unused));
}

static void emit_cma(const struct view *v) {
    uint64_t total = 0;
    for (unsigned i = 0; i < v->m->mem->nr_zones; i++)
        total += v->m->mem->zones[i].cma;
    pages(v, "CmaTotal", total);
    pages(v, "CmaFree", zone_stat(v, VMSIM__NR_FREE_CMA));
}

static void emit_slab(const struct view *v) {
    uint64_t reclaimable = node_stat(v, VMSIM__NR_SLAB_RECLAIMABLE);
    uint64_t unreclaimable = node_stat(v, VMSIM__NR_SLAB_UNRECLAIMABLE);
    pages(v, "KReclaimable", reclaimable + node_stat(v, VMSIM__NR_KERNEL_MISC_RECLAIMABLE));
    pages(v, "Slab", reclaimable + unreclaimable);
    pages(v, "SReclaimable", reclaimable);
    pages(v, "SUnreclaim", unreclaimable);
}

/* KernelStack is kept in kB by the kernel, too; NFS_Unstable is 0 since 5.8. */
static void emit_tables(const struct view *v) {
    kb(v, "KernelStack", node_stat(v, VMSIM__NR_KERNEL_STACK));
    pages(v, "PageTables", node_stat(v, VMSIM__NR_PAGE_TABLE_PAGES));
    pages(v, "SecPageTables", node_stat(v, VMSIM__NR_SEC_PAGE_TABLE_PAGES));
    kb(v, "NFS_Unstable", 0);
    pages(v, "Bounce", zone_stat(v, VMSIM__NR_BOUNCE));
    pages(v, "WritebackTmp", node_stat(v, VMSIM__NR_WRITEBACK_TEMP));
}

/* The pool of the default size; Hugetlb sums up all sizes. */
static void emit_hugetlb(const struct view *v) {
    VMSIM__ASSERT(v->m && v->m->mem);
    const struct vmsim__mem *mem = v->m->mem;
    unsigned h = mem->default_hstate;
    if (!mem->nr_hstates)
        return;
    number(v, "HugePages_Total", vmsim__hugetlb_total(mem, h, VMSIM__MAX_NODES));
    number(v, "HugePages_Free", vmsim__hugetlb_free(mem, h, VMSIM__MAX_NODES));
    number(v, "HugePages_Rsvd", mem->hstate[h].reserved);
    number(v, "HugePages_Surp", vmsim__hugetlb_surplus(mem, h, VMSIM__MAX_NODES));
    pages(v, "Hugepagesize", UINT64_C(1) << mem->hstate[h].order);
    pages(v, "Hugetlb", vmsim__hugetlb_frames(mem, VMSIM__MAX_NODES));
}

/* The kernel's own mapping of all memory that it maps for good: as large as present memory, in large pages (2 MiB, 4
 * without PAE) but for the odd ends. A section of memory that does not begin and end at one costs small entries there.
 */
static void emit_direct_map(const struct view *v) {
    const struct vmsim__mem *mem = v->m->mem;
    const uint64_t page = mem->arch == VMSIM__ARCH_X86_32 ? 4096 : 2048;
    uint64_t large = 0, small = 0, limit = UINT64_MAX;
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        if (mem->zones[i].type == VMSIM__ZONE_HIGHMEM && vmsim__zone_populated(&mem->zones[i]))
            limit = vmsim__pages_kb(v->m, mem->zones[i].start);
    }
    for (size_t i = 0; i < mem->nr_segments; i++) {
        const uint64_t start = vmsim__min64(vmsim__pages_kb(v->m, mem->segments[i].start), limit);
        const uint64_t end = vmsim__min64(vmsim__pages_kb(v->m, mem->segments[i].end), limit);
        const uint64_t first = vmsim__align_up(start, page), last = vmsim__align_down(end, page);
        const uint64_t whole = first < last ? last - first : 0;
        large += whole;
        small += end - start - whole;
    }
    kb(v, "DirectMap4k", small);
    kb(v, page == 4096 ? "DirectMap4M" : "DirectMap2M", large);
}

static void emit_huge(const struct view *v) {
    if (!vmsim__mem_has_thp(v->m->mem))
        return;
    huge(v, "AnonHugePages", VMSIM__NR_ANON_TRANSPARENT_HUGEPAGES);
    huge(v, "ShmemHugePages", VMSIM__NR_SHMEM_HUGEPAGES);
    huge(v, "ShmemPmdMapped", VMSIM__NR_SHMEM_PMDMAPPED);
    if (v->node != NODE_ALL)
        v->e->style.label_width = vmsim__proc_profile(v->m)->node_file_huge_width;
    huge(v, "FileHugePages", VMSIM__NR_FILE_HUGEPAGES);
    huge(v, "FilePmdMapped", VMSIM__NR_FILE_PMDMAPPED);
    v->e->style.label_width = 16;
    if (vmsim__proc_profile(v->m)->unaccepted && v->m->mem->arch == VMSIM__ARCH_X86_64)
        kb(v, "Unaccepted", 0);
    if (vmsim__proc_profile(v->m)->balloon && v->node == NODE_ALL)
        kb(v, "Balloon", 0);
}

/* The order and the labels are the interface: tools find lines by them. What the simulator does not model is 0, as on
 * a machine that does not use it. */
static void emit_machine(const struct view *v) {
    struct vmsim_machine *m = v->m;
    pages(v, "MemTotal", m->mem->totalram);
    pages(v, "MemFree", zone_stat(v, VMSIM__NR_FREE_PAGES));
    pages(v, "MemAvailable", available(v));
    uint64_t buffers = vmsim__blockdev_pages(m->cache);
    pages(v, "Buffers", buffers);
    pages(v, "Cached", less(node_stat(v, VMSIM__NR_FILE_PAGES), node_stat(v, VMSIM__NR_SWAPCACHED) + buffers));
    emit_lists(v);
    if (m->mem->zone_configured >> VMSIM__ZONE_HIGHMEM & 1)
        emit_high(v);
    pages(v, "SwapTotal", m->swap ? m->swap->slots : 0);
    pages(v, "SwapFree", m->swap ? m->swap->free + m->swap->unusing : 0);
    const struct vmsim__zswap *z = m->swap ? m->swap->zswap : NULL;
    pages(v, "Zswap", z ? vmsim__zswap_pages(z) : 0);
    pages(v, "Zswapped", z ? z->stat.stored : 0);
    pages(v, "Dirty", node_stat(v, VMSIM__NR_DIRTY));
    pages(v, "Writeback", node_stat(v, VMSIM__NR_WRITEBACK));
    pages(v, "AnonPages", node_stat(v, VMSIM__NR_ANON_PAGES));
    pages(v, "Mapped", node_stat(v, VMSIM__NR_MAPPED));
    pages(v, "Shmem", node_stat(v, VMSIM__NR_SHMEM));
    emit_slab(v);
    emit_tables(v);
    pages(v, "CommitLimit", vmsim__vm_commit_limit(m->vm));
    pages(v, "Committed_AS", vmsim__vm_committed(m->vm));
    kb(v, "VmallocTotal", (UINT64_C(1) << 35) - 1);
    kb(v, "VmallocUsed", 0);
    kb(v, "VmallocChunk", 0);
    kb(v, "Percpu", 0);
    v->e->style.gap = " "; /* of five places, behind a blank */
    v->e->style.value_width = 5;
    if (m->format->id != VMSIM__PT_ARM && m->format->id != VMSIM__PT_ARM_LPAE) /* no MEMORY_FAILURE */
        kb(v, "HardwareCorrupted", 0);
    v->e->style.gap = "";
    v->e->style.value_width = 8;
    emit_huge(v);
    if (vmsim__mem_has_cma(m->mem))
        emit_cma(v);
    emit_hugetlb(v);
    if (m->format->arch == VMSIM__PT_ARCH_X86)
        emit_direct_map(v);
}

void vmsim__proc_meminfo(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    struct vmsim__emitter e;
    (void)arg;
    vmsim__emitter_proc(&e, out,
                        (struct vmsim__proc_style){.end = ":", .gap = "", .label_width = 16, .value_width = 8});
    emit_machine(&(struct view){.m = m, .e = &e, .node = NODE_ALL});
    vmsim__emitter_fini(&e);
}

/* MemUsed is what is not free, FilePages what meminfo splits into Cached and Buffers; huge pages have no unit. */
static void emit_node(const struct view *v) {
    struct vmsim__mem *mem = v->m->mem;
    uint64_t total = 0, unused = zone_stat(v, VMSIM__NR_FREE_PAGES);
    for (unsigned i = 0; i < mem->nodes[v->node].nr_zones; i++)
        total += mem->zones[mem->nodes[v->node].zone[i]].managed;
    pages(v, "MemTotal", total);
    pages(v, "MemFree", unused);
    pages(v, "MemUsed", less(total, unused));
    emit_lists(v);
    pages(v, "Dirty", node_stat(v, VMSIM__NR_DIRTY));
    pages(v, "Writeback", node_stat(v, VMSIM__NR_WRITEBACK));
    pages(v, "FilePages", node_stat(v, VMSIM__NR_FILE_PAGES));
    pages(v, "Mapped", node_stat(v, VMSIM__NR_MAPPED));
    pages(v, "AnonPages", node_stat(v, VMSIM__NR_ANON_PAGES));
    pages(v, "Shmem", node_stat(v, VMSIM__NR_SHMEM));
    emit_tables(v);
    emit_slab(v);
    emit_huge(v);
    v->e->style.gap = " ";
    v->e->style.value_width = 5;
    if (!mem->nr_hstates)
        return;
    number(v, "HugePages_Total", vmsim__hugetlb_total(mem, mem->default_hstate, v->node));
    number(v, "HugePages_Free", vmsim__hugetlb_free(mem, mem->default_hstate, v->node));
    number(v, "HugePages_Surp", vmsim__hugetlb_surplus(mem, mem->default_hstate, v->node));
}

void vmsim__node_meminfo(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t node) {
    VMSIM__ASSERT(node < m->mem->nr_nodes);
    char prefix[24];
    struct vmsim__emitter e;
    snprintf(prefix, sizeof prefix, "Node %u ", node);
    vmsim__emitter_proc(
        &e, out,
        (struct vmsim__proc_style){.prefix = prefix, .end = ":", .gap = "", .label_width = 16, .value_width = 8});
    emit_node(&(struct view){.m = m, .e = &e, .node = node});
    vmsim__emitter_fini(&e);
}
