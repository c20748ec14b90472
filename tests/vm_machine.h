/* SPDX-License-Identifier: MIT */
/* A machine that is memory, page cache and address spaces: no CPUs, no clock. Accesses go through the walker and, when
 * it refuses, through the fault handler, as on a CPU without a TLB. */
#ifndef VM_MACHINE_H
#define VM_MACHINE_H
#include "helpers.h"

#include "vm/vm.h"
#include "vm/vm_impl.h"

#define PG UINT64_C(4096)
#define BASE UINT64_C(0x10000000000) /* 1 TiB: tables of its own */
#define RW (VMSIM__PROT_READ | VMSIM__PROT_WRITE)
#define PRIV_ANON (VMSIM__MAP_PRIVATE | VMSIM__MAP_ANONYMOUS)
#define SHARED_ANON (VMSIM__MAP_SHARED | VMSIM__MAP_ANONYMOUS)

struct vm_machine {
    struct vmsim__alloc *alloc;
    struct vmsim__mem *mem;
    struct vmsim__lru *lru;
    struct vmsim__cache *cache;
    struct vmsim__vm *vm;
    struct vmsim__vm_spec spec;
    uint64_t flushes;
    uint64_t unused; /* free frames at the start */
    void *fill_context;
};

TEST_UNUSED static void vmm_on_flush(void *context, struct vmsim__mm *mm, uint64_t start, uint64_t end, unsigned shift,
                                     bool tables, unsigned cpu) {
    (void)mm, (void)shift, (void)tables, (void)cpu;
    assert_true(start < end);
    ((struct vm_machine *)context)->flushes++;
}

TEST_UNUSED static uint64_t vmm_unused(const struct vm_machine *m) {
    uint64_t pages = 0;
    for (unsigned z = 0; z < m->mem->nr_zones; z++)
        pages +=
            (uint64_t)m->mem->zones[z].stat[VMSIM__NR_FREE_PAGES] + vmsim__zone_pcp_count(m->mem, &m->mem->zones[z]);
    return pages;
}

struct vm_machine_options {
    uint64_t memory;
    const char *kernel;
    enum vmsim__pt_format_id format;
    int thp;        /* enum vmsim__thp_mode */
    bool user;      /* not root */
    unsigned nodes; /* of `memory` each; 0: one. CPU n is on node n */
    void (*fill)(void *context, vmsim__pfn to, vmsim__pfn from, unsigned order);
    void *fill_context;
};

TEST_UNUSED static void vmm_start(struct vm_machine *m, const struct vm_machine_options *o) {
    static const struct vmsim__cache_spec cs = {
        .read_ahead = 128 << 10, .dirty_ratio = 20, .dirty_background_ratio = 10, .device = {.optimal_io = 1280 << 10}};
    struct vmsim__node_spec node[64];
    struct vmsim__mem_spec ms = {.kernel = o->kernel, .cpus = 2, .transparent_hugepage = o->thp};
    for (unsigned i = 0; i < TEST_COUNT(node); i++)
        node[i] = (struct vmsim__node_spec){.memory = o->memory ? o->memory : UINT64_C(256) << 20};
    ms.nodes.data = node;
    ms.nodes.count = o->nodes ? o->nodes : 1;
    struct vmsim__err err = {0};
    memset(m, 0, sizeof *m);
    m->fill_context = o->fill_context;
    const struct vmsim__pt_format *f = vmsim__pt_format_get(o->format);
    if (f->arch == VMSIM__PT_ARCH_ARM64)
        ms.arch = VMSIM__ARCH_ARM64;
    if (f->arch == VMSIM__PT_ARCH_RISCV)
        ms.arch = VMSIM__ARCH_RISCV;
    if (f->id == VMSIM__PT_X86_32)
        ms.arch = VMSIM__ARCH_X86_32;
    if (f->id == VMSIM__PT_X86_PAE)
        ms.arch = VMSIM__ARCH_X86_PAE;
    if (f->id == VMSIM__PT_ARM || f->id == VMSIM__PT_ARM_LPAE)
        ms.arch = f->id == VMSIM__PT_ARM ? VMSIM__ARCH_ARM : VMSIM__ARCH_ARM_LPAE;
    ms.page_size = UINT64_C(1) << f->page_shift;
    m->alloc = test_alloc();
    if (vmsim__mem_create(m->alloc, &ms, &m->mem, &err))
        fail_msg("%s", err.text);
    m->lru = vmsim__lru_create(m->alloc, m->mem, vmsim__kernel_find(o->kernel), 2);
    assert_non_null(m->lru);
    m->cache = vmsim__cache_create(m->alloc, m->mem, m->lru, vmsim__kernel_find(o->kernel), &cs);
    assert_non_null(m->cache);
    vmsim__vm_spec_defaults(&m->spec);
    m->spec.privileged = !o->user;
    struct vmsim__vm_init init = {.spec = &m->spec,
                                  .kernel = vmsim__kernel_find(o->kernel),
                                  .alloc = m->alloc,
                                  .mem = m->mem,
                                  .lru = m->lru,
                                  .cache = m->cache,
                                  .format = f,
                                  .hooks = {.context = m, .flush_range = vmm_on_flush, .fill = o->fill}};
    if (vmsim__vm_create(&m->vm, &init, &err))
        fail_msg("%s", err.text);
    m->unused = vmm_unused(m);
}

TEST_UNUSED static void vmm_check(struct vm_machine *m) {
    struct vmsim__err err = {0};
    if (vmsim__vm_check(m->vm, &err) || vmsim__cache_check(m->cache, &err) || vmsim__lru_check(m->lru, &err) ||
        vmsim__mem_check(m->mem, &err))
        fail_msg("%s", err.text);
}

/* All address spaces are gone: so are all of their frames. */
TEST_UNUSED static void vmm_end(struct vm_machine *m) {
    vmsim__lru_drain_all(m->lru);
    vmm_check(m);
    vmsim__vm_destroy(m->vm);
    vmsim__cache_destroy(m->cache);
    vmsim__lru_destroy(m->lru);
    vmsim__mem_destroy(m->mem);
    test_alloc_end(m->alloc);
}

TEST_UNUSED static struct vmsim__mm *vmm_mm(struct vm_machine *m) {
    struct vmsim__mm *mm = vmsim__mm_create(m->vm, 0);
    assert_non_null(mm);
    return mm;
}

/* What the kernel was busy for since the last call, ns. */
TEST_UNUSED static uint64_t vmm_take_cost(struct vm_machine *m) {
    uint64_t ns = m->mem->now.system_ns;
    m->mem->now.system_ns = 0;
    return ns;
}

/* One access: the walker, then faults until it agrees. */
TEST_UNUSED static enum vmsim__fault_outcome vmm_access(struct vmsim__mm *mm, uint64_t va, bool write) {
    unsigned mode = VMSIM__WALK_USER | (write ? VMSIM__WALK_WRITE : 0);
    enum vmsim__fault_outcome first = VMSIM__FAULT_SPURIOUS;
    struct vmsim__walk w;
    for (unsigned n = 0; !vmsim__mmu_walk(&mm->pt, va, mode, &w); n++) {
        enum vmsim__fault_outcome o = vmsim__mm_fault(mm, va, write, false, 0);
        if (!n)
            first = o;
        if (!vmsim__fault_resolved(o))
            return o;
        assert_true(n < 4);
    }
    return first;
}

TEST_UNUSED static uint64_t vmm_touch(struct vmsim__mm *mm, uint64_t va, uint64_t pages, bool write) {
    uint64_t before = mm->min_flt;
    for (uint64_t i = 0; i < pages; i++)
        assert_true(vmsim__fault_resolved(vmm_access(mm, va + i * PG, write)));
    return mm->min_flt - before;
}

TEST_UNUSED static void vmm_map(struct vmsim__mm *mm, uint64_t va, uint64_t pages, unsigned prot, unsigned flags) {
    assert_int_equal(vmsim__mm_mmap(mm, va, pages * PG, prot, flags | VMSIM__MAP_FIXED_NOREPLACE, NULL, 0, 0), va);
}

/* Every counter that the tests look at, to take differences of. */
struct vm_snap {
    uint64_t event[VMSIM__EVENT_COUNT];
    int64_t node[VMSIM__NODE_STAT_COUNT], mlock;
    uint64_t committed, min_flt, maj_flt, numa_hit;
    struct vmsim__mm_status status;
    struct vmsim__smaps rollup;
};

TEST_UNUSED static void vmm_snap(struct vm_machine *m, struct vmsim__mm *mm, struct vm_snap *s) {
    vmsim__lru_drain_all(m->lru);
    memcpy(s->event, m->mem->event, sizeof s->event);
    for (unsigned i = 0; i < VMSIM__NODE_STAT_COUNT; i++)
        s->node[i] = vmsim__mem_node_stat(m->mem, (enum vmsim__node_stat)i);
    s->mlock = vmsim__mem_zone_stat(m->mem, VMSIM__NR_MLOCK);
    s->numa_hit = vmsim__mem_numa_stat(m->mem, VMSIM__NUMA_HIT);
    s->committed = vmsim__vm_committed(m->vm);
    s->min_flt = mm->min_flt;
    s->maj_flt = mm->maj_flt;
    vmsim__mm_status(mm, &s->status);
    vmsim__mm_rollup(mm, &s->rollup);
}

#endif
