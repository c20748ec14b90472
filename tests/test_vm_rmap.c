/* SPDX-License-Identifier: MIT */
/* What reclaim and migration do to the mappings of a page, and what entries that are not present mean to every call. */
#include "vm_swap.h"

static struct vm_machine m;
static struct vmsim__mm *mm;
static struct toy_swap swap;

static void start_with(const struct vm_machine_options *o) {
    struct vm_machine_options mine = *o;
    mine.fill = toy_fill;
    mine.fill_context = &swap;
    if (!mine.format)
        mine.format = VMSIM__PT_X86_64;
    vmm_start(&m, &mine);
    toy_start(&swap, &m);
    mm = vmm_mm(&m);
}
static void start(void) {
    start_with(&(struct vm_machine_options){.thp = VMSIM__THP_NEVER});
}
static void end(void) {
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmsim__lru_drain_all(m.vm->lru);
    toy_end(&swap);
    vmm_end(&m);
}
static struct vmsim__mm *fork_it(void) {
    int e;
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
    assert_non_null(child);
    return child;
}
static vmsim__pfn page_at(struct vmsim__mm *of, uint64_t va) {
    struct vmsim__pte pte = vmsim__mm_pagemap(of, va);
    assert_true(pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE));
    return (vmsim__pfn)pte.pfn;
}
static struct vmsim__swp entry_at(struct vmsim__mm *of, uint64_t va) {
    struct vmsim__pte pte = vmsim__mm_pagemap(of, va);
    assert_true(pte.flags & VMSIM__PTE_SWAP);
    return vmsim__swp_of(pte);
}
static bool empty_at(struct vmsim__mm *of, uint64_t va) {
    return !(vmsim__mm_pagemap(of, va).flags & ~VMSIM__PTE_SOFT_DIRTY);
}
static void put_entry(struct vmsim__mm *of, uint64_t va, struct vmsim__swp e) {
    struct vmsim__pt_slot slot;
    assert_true(vmsim__mm_slot(of, va, true, &slot));
    vmsim__pt_set(of->pt.format, &slot, vmsim__swp_pte(of->pt.format, e, false));
}
static void evict(struct vmsim__mm *of, uint64_t va) {
    vmsim__lru_drain_all(m.vm->lru);
    assert_true(toy_evict(&swap, page_at(of, va)));
}

/* ---- referenced ---- */

static void use_is_counted_once_a_mapping_and_forgotten(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4, true);
    vmsim__pfn pfn = page_at(mm, BASE + PG);
    struct vmsim__mm *a = fork_it(), *b = fork_it();
    struct vmsim__referenced r = {0};
    vmsim__folio_referenced(m.vm, pfn, &r, 0);
    assert_int_equal(r.vmas, 1); /* the children's entries are old */
    assert_true(r.vm_flags & VMSIM__VM_WRITE);
    vmsim__folio_referenced(m.vm, pfn, &r, 0);
    assert_int_equal(r.vmas, 0);
    assert_int_equal(r.vm_flags, 0);
    vmm_touch(a, BASE + PG, 1, false);
    vmm_touch(b, BASE + PG, 1, false);
    uint64_t flushes = m.flushes;
    vmm_take_cost(&m);
    vmsim__folio_referenced(m.vm, pfn, &r, 0);
    assert_int_equal(r.vmas, 2);
    assert_int_equal(m.flushes, flushes); /* x86 */
    assert_int_equal(vmm_take_cost(&m), 3 * m.spec.costs.rmap_vma);
    vmsim__mm_put(a, 0);
    vmsim__mm_put(b, 0);
    end();
}

static void other_architectures_flush_what_they_made_old(void **state) {
    (void)state;
    start_with(&(struct vm_machine_options){.format = VMSIM__PT_ARM64_4K});
    vmm_map(mm, BASE, 1, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 1, true);
    uint64_t flushes = m.flushes;
    struct vmsim__referenced r = {0};
    vmsim__folio_referenced(m.vm, page_at(mm, BASE), &r, 0);
    assert_int_equal(r.vmas, 1);
    assert_int_equal(m.flushes, flushes + 1);
    end();
}

static bool not_me(void *context, const struct vmsim__mm *other) {
    return other != context;
}

static void locked_mappings_streams_and_strangers_decide(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4, true);
    vmsim__pfn pfn = page_at(mm, BASE);
    struct vmsim__mm *child = fork_it();
    vmm_touch(child, BASE, 1, false);
    struct vmsim__referenced r = {.counts = not_me, .context = mm};
    vmsim__folio_referenced(m.vm, pfn, &r, 0);
    assert_int_equal(r.vmas, 1); /* the child's; the parent's bit is left */
    r = (struct vmsim__referenced){0};
    vmsim__folio_referenced(m.vm, pfn, &r, 0);
    assert_int_equal(r.vmas, 1);
    assert_int_equal(vmsim__mm_madvise(child, BASE, 4 * PG, VMSIM__MADV_SEQUENTIAL, 0), 0);
    vmm_touch(child, BASE, 1, false);
    vmsim__folio_referenced(m.vm, pfn, &r, 0);
    assert_int_equal(r.vmas, 0);
    vmm_touch(child, BASE, 1, false);
    child->first->flags |= VMSIM__VM_LOCKED; /* as mlock has it before it comes to the page */
    vmsim__folio_referenced(m.vm, pfn, &r, 0);
    assert_true(r.vm_flags & VMSIM__VM_LOCKED);
    child->first->flags &= ~VMSIM__VM_LOCKED;
    vmsim__lru_drain_all(m.vm->lru);
    vmsim__mm_put(child, 0);
    end();
}

static void random_reads_make_nothing_hot_since_6_3(void **state) {
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        start_with(&(struct vm_machine_options){.kernel = i ? "6.12" : "6.1"});
        vmm_map(mm, BASE, 1, RW, PRIV_ANON);
        vmm_touch(mm, BASE, 1, true);
        vmsim__mm_madvise(mm, BASE, PG, VMSIM__MADV_RANDOM, 0);
        struct vmsim__referenced r = {0};
        vmsim__folio_referenced(m.vm, page_at(mm, BASE), &r, 0);
        assert_int_equal(r.vmas, !i);
        end();
    }
}

/* ---- swap ---- */

static void a_page_goes_to_its_slot_and_comes_back_to_each(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4, true);
    vmsim__pfn pfn = page_at(mm, BASE);
    swap.tag[pfn] = 77;
    struct vmsim__mm *child = fork_it();
    evict(mm, BASE);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_SWAP), 1);
    assert_int_equal(vmsim__mm_rss(child, VMSIM__RSS_SWAP), 1);
    struct vmsim__swp e = entry_at(child, BASE);
    assert_false(e.exclusive);
    assert_int_equal(swap.count[e.offset], 2);
    struct vmsim__smaps s = {0};
    vmsim__mm_rollup(mm, &s);
    assert_int_equal(s.swap, PG);
    assert_int_equal(s.swap_pss, (PG << 12) / 2);
    uint64_t bits = 0;
    assert_int_equal(vmsim__mm_mincore(mm, BASE, PG, &bits, 0), 0);
    assert_int_equal(bits, 0);
    vmm_check(&m);
    /* one count is left for the child's entry: the parent's page is new, and its own once both are gone */
    vmm_touch(mm, BASE, 1, false);
    assert_int_equal(swap.tag[page_at(mm, BASE)], 77);
    assert_int_equal(swap.count[e.offset], 1);
    vmm_touch(child, BASE, 1, true);
    assert_int_equal(swap.tag[page_at(child, BASE)], 77);
    assert_int_equal(swap.count[e.offset], 0);
    assert_int_equal(vmsim__mm_rss(child, VMSIM__RSS_SWAP), 0);
    vmsim__mm_put(child, 0);
    end();
}

static void an_exclusive_page_stays_exclusive_through_swap(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4, true);
    evict(mm, BASE);
    assert_true(entry_at(mm, BASE).exclusive);
    struct vmsim__mm *child = fork_it();
    assert_false(entry_at(mm, BASE).exclusive); /* nobody's alone any more, whoever reads it first */
    assert_false(entry_at(child, BASE).exclusive);
    vmsim__mm_put(child, 0);
    assert_int_equal(swap.count[entry_at(mm, BASE).offset], 1);
    evict(mm, BASE + PG);
    struct vm_snap before, after;
    vmm_snap(&m, mm, &before);
    vmm_touch(mm, BASE + PG, 1, true); /* no copy follows */
    vmm_snap(&m, mm, &after);
    assert_int_equal(after.min_flt - before.min_flt, 1);
    end();
}

static void slots_go_back_with_the_memory_that_named_them(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 8, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 8, true);
    for (unsigned i = 0; i < 8; i++)
        evict(mm, BASE + i * PG);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, 8 * PG, VMSIM__MADV_WILLNEED, 0), 0);
    assert_int_equal(swap.prefetched, 8);
    uint64_t slot[4];
    for (unsigned i = 0; i < 4; i++)
        slot[i] = entry_at(mm, BASE + i * PG).offset;
    assert_int_equal(vmsim__mm_munmap(mm, BASE, PG, 0), 0);
    assert_int_equal(vmsim__mm_madvise(mm, BASE + PG, PG, VMSIM__MADV_DONTNEED, 0), 0);
    assert_int_equal(vmsim__mm_madvise(mm, BASE + 2 * PG, PG, VMSIM__MADV_FREE, 0), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(swap.count[slot[i]], 0);
    const uint64_t away = BASE + (UINT64_C(1) << 30);
    assert_int_equal(vmsim__mm_mremap(mm, BASE + 3 * PG, 2 * PG, 2 * PG, 3, away, 0), away);
    assert_int_equal(entry_at(mm, away).offset, slot[3]);
    assert_int_equal(vmsim__mm_mprotect(mm, away, 2 * PG, VMSIM__PROT_READ, 0), 0);
    assert_int_equal(entry_at(mm, away).offset, slot[3]);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_SWAP), 5);
    vmm_touch(mm, away, 2, false);
    vmm_check(&m);
    struct vmsim__mm *child = fork_it();
    assert_int_equal(vmsim__mm_rss(child, VMSIM__RSS_SWAP), 3);
    vmsim__mm_put(child, 0);
    swap.full = true; /* a count that cannot be had is the fork's ENOMEM */
    int e = 0;
    assert_null(vmsim__mm_fork(mm, 0, &e));
    assert_int_equal(e, -VMSIM__L_ENOMEM);
    end();
}

static void private_copies_in_swap_survive_truncation_below_them(void **state) {
    (void)state;
    start();
    struct vmsim__file *file = vmsim__file_create(m.cache, VMSIM__FILE_SHMEM, "f", 4 * PG);
    assert_int_equal(vmsim__mm_mmap(mm, BASE, 4 * PG, RW, VMSIM__MAP_PRIVATE | VMSIM__MAP_FIXED, file, 0, 0), BASE);
    vmm_touch(mm, BASE, 4, true);
    evict(mm, BASE + PG);
    vmsim__vm_unmap_file(m.vm, file, 0, 4, false, 0);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_SWAP), 1);
    vmsim__vm_unmap_file(m.vm, file, 0, 4, true, 0);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_SWAP), 0);
    vmm_check(&m);
    vmsim__file_unlink(m.cache, file, 0);
    vmsim__file_put(m.cache, file, 0);
    end();
}

static void pages_without_a_slot_locked_or_lazily_freed(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 8, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 8, true);
    vmsim__lru_drain_all(m.vm->lru);
    vmsim__pfn pfn = page_at(mm, BASE);
    vmsim__folio_get(m.vm->lru, pfn);
    assert_false(vmsim__try_to_unmap(m.vm, pfn, 0, 0)); /* not in the swap cache */
    vmsim__folio_put(m.vm->lru, pfn, 0);
    assert_int_equal(page_at(mm, BASE), pfn);
    /* MADV_FREE: gone when nobody wrote to it again */
    assert_int_equal(vmsim__mm_madvise(mm, BASE + PG, 2 * PG, VMSIM__MADV_FREE, 0), 0);
    vmsim__lru_drain_all(m.vm->lru);
    vmm_touch(mm, BASE + 2 * PG, 1, true);
    vmsim__pfn rewritten = page_at(mm, BASE + 2 * PG);
    assert_true(toy_evict(&swap, page_at(mm, BASE + PG)));
    assert_false(toy_evict(&swap, rewritten));
    assert_true(empty_at(mm, BASE + PG));
    assert_int_equal(page_at(mm, BASE + 2 * PG), rewritten);
    assert_true(vmsim__frame_is(vmsim__vm_frame(m.vm, rewritten), VMSIM__FRAME_SWAPBACKED));
    /* locked by a second owner: nothing is taken from either */
    struct vmsim__mm *child = fork_it();
    pfn = page_at(mm, BASE + 3 * PG);
    child->first->flags |= VMSIM__VM_LOCKED; /* as mlock has it before it comes to the page */
    vmsim__lru_isolate(m.vm->lru, pfn);
    assert_true(toy_add(&swap, pfn));
    assert_false(vmsim__try_to_unmap(m.vm, pfn, 0, 0));
    child->first->flags &= ~VMSIM__VM_LOCKED;
    assert_int_equal(page_at(child, BASE + 3 * PG), pfn);
    toy_leave_cache(&swap, swap.slot[pfn]);
    vmsim__lru_putback(m.vm->lru, pfn, 0);
    vmsim__mm_put(child, 0);
    vmsim__lru_drain_all(m.vm->lru);
    end();
}

static void a_huge_page_is_unmapped_in_pieces(void **state) {
    (void)state;
    start_with(&(struct vm_machine_options){.thp = VMSIM__THP_ALWAYS, .memory = UINT64_C(1) << 30});
    vmm_map(mm, BASE, 512, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 1, true);
    vmsim__pfn pfn = page_at(mm, BASE);
    struct vmsim__mm *child = fork_it();
    vmsim__folio_get(m.vm->lru, pfn);
    for (unsigned i = 0; i < 512; i++) { /* slots in a row, as an area gives them to a large page */
        swap.cached[i] = i ? VMSIM__PFN_NONE : pfn;
        swap.slot[pfn + i] = i;
    }
    vmsim__vm_frame(m.vm, pfn)->flags |= VMSIM__FRAME_SWAPCACHE;
    vmm_take_cost(&m);
    assert_true(vmsim__try_to_unmap(m.vm, pfn, 0, 0));
    assert_int_equal(vmm_take_cost(&m),
                     2 * m.spec.costs.rmap_vma + 1024 * m.spec.costs.unmap_page); /* one descent each */
    assert_int_equal(entry_at(child, BASE + 511 * PG).offset, 511);
    assert_int_equal(swap.count[511], 2);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_SWAP), 512);
    vmm_check(&m);
    swap.cached[0] = VMSIM__PFN_NONE;
    vmsim__vm_frame(m.vm, pfn)->flags &= ~VMSIM__FRAME_SWAPCACHE;
    vmsim__folio_put(m.vm->lru, pfn, 0);
    vmm_touch(child, BASE, 512, false);
    vmsim__mm_put(child, 0);
    end();
}

static unsigned deferred, flushed;
static bool note_flush(void *context, struct vmsim__mm *of, uint64_t va, unsigned cpu) {
    (void)context, (void)of, (void)va, (void)cpu;
    deferred++;
    return true;
}
static void flush_noted(void *context, unsigned cpu) {
    (void)context, (void)cpu;
    flushed++;
}
static void flush_all(void *context, struct vmsim__mm *of, unsigned cpu) {
    (void)context, (void)of, (void)cpu;
    flushed += 100;
}

static void flushes_can_wait_for_each_other_but_not_for_an_unmap(void **state) {
    (void)state;
    start();
    m.vm->hooks.flush_defer = note_flush;
    m.vm->hooks.flush_deferred = flush_noted;
    m.vm->hooks.flush_mm = flush_all;
    deferred = flushed = 0;
    vmm_map(mm, BASE, 8, RW, SHARED_ANON);
    vmm_touch(mm, BASE, 8, true);
    uint64_t before = m.flushes;
    for (unsigned i = 0; i < 3; i++)
        assert_true(vmsim__try_to_unmap(m.vm, page_at(mm, BASE + i * PG), VMSIM__TTU_BATCH_FLUSH, 0));
    assert_int_equal(m.flushes, before);
    assert_int_equal(deferred, 3);
    vmsim__unmap_flush(m.vm, 0);
    assert_int_equal(flushed, 1);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE, 8 * PG, VMSIM__PROT_READ, 0), 0);
    assert_int_equal(flushed, 101); /* the entries it found empty may be in a TLB: once is enough */
    assert_int_equal(vmsim__mm_munmap(mm, BASE, 8 * PG, 0), 0);
    assert_int_equal(flushed, 101);
    m.vm->hooks.flush_mm = NULL;
    end();
}

/* ---- migration ---- */

/* The new page takes the old one's place in its object. */
static vmsim__pfn successor(vmsim__pfn from) {
    vmsim__pfn to = vmsim__vm_alloc_page(m.vm, VMSIM__GFP_HIGHUSER_MOVABLE, 0, 0);
    struct vmsim__frame *old = vmsim__vm_frame(m.vm, from), *new = vmsim__vm_frame(m.vm, to);
    new->flags |= old->flags &(VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_DIRTY);
    new->mapping = old->mapping;
    new->index = old->index;
    toy_fill(&m, to, from, 0);
    return to;
}

static void migration_keeps_rights_age_and_owner(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4, true);
    vmsim__lru_drain_all(m.vm->lru);
    vmsim__pfn old = page_at(mm, BASE);
    swap.tag[old] = 5;
    const struct vmsim__pte was = vmsim__mm_pagemap(mm, BASE);
    assert_true(vmsim__lru_isolate(m.vm->lru, old));
    assert_true(vmsim__try_to_migrate(m.vm, old, 0, 0));
    assert_int_equal(entry_at(mm, BASE).type, VMSIM__SWP_MIGRATION_WRITE);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 4); /* still its memory */
    struct vmsim__smaps s = {0};
    vmsim__mm_rollup(mm, &s);
    assert_int_equal(s.rss, 4 * PG);
    uint64_t bits = 0;
    vmsim__mm_mincore(mm, BASE, PG, &bits, 0);
    assert_int_equal(bits, 1);
    vmm_check(&m);
    vmsim__pfn new = successor(old);
    vmsim__remove_migration(m.vm, old, new, 0);
    assert_int_equal(page_at(mm, BASE), new);
    assert_int_equal(vmsim__mm_pagemap(mm, BASE).flags, was.flags);
    assert_true(vmsim__frame_is(vmsim__vm_frame(m.vm, new), VMSIM__FRAME_EXCLUSIVE));
    vmsim__lru_add(m.vm->lru, new, 0);
    vmsim__folio_put(m.vm->lru, new, 0);
    vmsim__folio_put(m.vm->lru, old, 0);
    vmm_check(&m);
    assert_int_equal(swap.tag[page_at(mm, BASE)], 5);
    end();
}

static void fork_and_mprotect_during_migration(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4, true);
    vmsim__lru_drain_all(m.vm->lru);
    vmsim__pfn pfn = page_at(mm, BASE), other = page_at(mm, BASE + PG);
    assert_true(vmsim__lru_isolate(m.vm->lru, pfn) && vmsim__lru_isolate(m.vm->lru, other));
    assert_true(vmsim__try_to_migrate(m.vm, pfn, 0, 0) && vmsim__try_to_migrate(m.vm, other, 0, 0));
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + PG, PG, VMSIM__PROT_READ, 0), 0);
    assert_int_equal(entry_at(mm, BASE + PG).type, VMSIM__SWP_MIGRATION_READ_EXCLUSIVE);
    struct vmsim__mm *child = fork_it();
    assert_int_equal(entry_at(mm, BASE).type, VMSIM__SWP_MIGRATION_READ);
    assert_int_equal(entry_at(child, BASE).type, VMSIM__SWP_MIGRATION_READ);
    assert_int_equal(vmsim__mm_rss(child, VMSIM__RSS_ANON), 4);
    /* one gives its memory up meanwhile, one moves it */
    const uint64_t away = BASE + (UINT64_C(1) << 30);
    assert_int_equal(vmsim__mm_mremap(child, BASE, PG, PG, 3, away, 0), away);
    assert_int_equal(vmsim__mm_munmap(child, BASE + PG, PG, 0), 0);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, PG, VMSIM__MADV_FREE, 0), 0); /* passes over it */
    vmsim__remove_migration(m.vm, pfn, pfn, 0);                                /* it failed: both get their page back */
    vmsim__remove_migration(m.vm, other, other, 0);
    assert_int_equal(page_at(mm, BASE), pfn);
    assert_int_equal(page_at(child, away), pfn);
    assert_false(vmsim__mm_pagemap(mm, BASE).flags & VMSIM__PTE_WRITE);
    vmsim__lru_putback(m.vm->lru, pfn, 0);
    vmsim__lru_putback(m.vm->lru, other, 0);
    vmm_check(&m);
    vmm_touch(mm, BASE, 1, true);
    vmsim__mm_put(child, 0);
    end();
}

/* ---- entries that stand for no page ---- */

static void guards_poison_and_broken_pages(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 8, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 8, true);
    vmsim__mm_madvise(mm, BASE, 3 * PG, VMSIM__MADV_DONTNEED, 0);
    put_entry(mm, BASE, (struct vmsim__swp){.type = VMSIM__SWP_MARKER, .offset = VMSIM__MARKER_GUARD});
    put_entry(mm, BASE + PG, (struct vmsim__swp){.type = VMSIM__SWP_MARKER, .offset = VMSIM__MARKER_POISONED});
    put_entry(mm, BASE + 2 * PG, (struct vmsim__swp){.type = VMSIM__SWP_HWPOISON, .offset = 1234});
    vmm_check(&m);
    struct vmsim__mm *child = fork_it();
    assert_int_equal(vmm_access(child, BASE, false), VMSIM__FAULT_SIGSEGV_MAPERR);
    assert_int_equal(vmm_access(child, BASE + PG, false), VMSIM__FAULT_SIGBUS);
    assert_int_equal(vmm_access(child, BASE + 2 * PG, true), VMSIM__FAULT_SIGBUS);
    uint64_t bits = 0;
    vmsim__mm_mincore(mm, BASE, 3 * PG, &bits, 0);
    assert_int_equal(bits, 4);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE, 8 * PG, VMSIM__PROT_READ, 0), 0);
    assert_int_equal(entry_at(mm, BASE + 2 * PG).offset, 1234);
    assert_int_equal(vmsim__mm_madvise(mm, BASE, 3 * PG, VMSIM__MADV_DONTNEED, 0), 0);
    assert_int_equal(entry_at(mm, BASE).offset, VMSIM__MARKER_GUARD); /* a guard goes with its mapping alone */
    assert_true(empty_at(mm, BASE + PG) && empty_at(mm, BASE + 2 * PG));
    struct vmsim__smaps s = {0};
    vmsim__mm_rollup(mm, &s);
    assert_int_equal(s.rss + s.swap, 5 * PG);
    vmsim__mm_put(child, 0);
    end();
}

/* ---- all of it together ---- */

static void contents_survive_random_eviction_and_migration(void **state) {
    (void)state;
    enum { PAGES = 64, KIDS = 3 };
    struct vmsim__rng r = test_rng("storm");
    start();
    struct vmsim__mm *of[KIDS] = {mm, NULL, NULL};
    uint32_t model[KIDS][PAGES] = {{0}}, next = 1;
    vmm_map(mm, BASE, PAGES, RW, PRIV_ANON);
    for (unsigned step = 0; step < 6000; step++) {
        unsigned k = (unsigned)vmsim__rng_below(&r, KIDS), i = (unsigned)vmsim__rng_below(&r, PAGES);
        const uint64_t va = BASE + i * PG;
        if (!of[k]) {
            of[k] = fork_it();
            memcpy(model[k], model[0], sizeof model[k]);
            continue;
        }
        const struct vmsim__pte pte = vmsim__mm_pagemap(of[k], va);
        const bool there = (pte.flags & VMSIM__PTE_PRESENT) && !(pte.flags & VMSIM__PTE_SPECIAL);
        switch (vmsim__rng_below(&r, 8)) {
        case 0:
        case 1:
            vmm_touch(of[k], va, 1, true);
            swap.tag[page_at(of[k], va)] = model[k][i] = next++;
            break;
        case 2:
            vmm_touch(of[k], va, 1, false);
            if (model[k][i])
                assert_int_equal(swap.tag[page_at(of[k], va)], model[k][i]);
            break;
        case 3:
        case 4:
            vmsim__lru_drain_all(m.vm->lru);
            if (there)
                toy_evict(&swap, (vmsim__pfn)pte.pfn);
            break;
        case 5:
            vmsim__lru_drain_all(m.vm->lru);
            if (there && vmsim__lru_isolate(m.vm->lru, (vmsim__pfn)pte.pfn)) {
                assert_true(vmsim__try_to_migrate(m.vm, (vmsim__pfn)pte.pfn, 0, 0));
                vmsim__remove_migration(m.vm, (vmsim__pfn)pte.pfn, (vmsim__pfn)pte.pfn, 0);
                vmsim__lru_putback(m.vm->lru, (vmsim__pfn)pte.pfn, 0);
            }
            break;
        case 6:
            if (k && !vmsim__rng_below(&r, 8)) {
                vmsim__mm_put(of[k], 0);
                of[k] = NULL;
            }
            break;
        default:
            assert_int_equal(vmsim__mm_madvise(of[k], va, PG, VMSIM__MADV_DONTNEED, 0), 0);
            model[k][i] = 0;
        }
        if (step % 100 == 0)
            vmm_check(&m);
    }
    for (unsigned k = 1; k < KIDS; k++) {
        if (of[k])
            vmsim__mm_put(of[k], 0);
    }
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(use_is_counted_once_a_mapping_and_forgotten),
        cmocka_unit_test(other_architectures_flush_what_they_made_old),
        cmocka_unit_test(locked_mappings_streams_and_strangers_decide),
        cmocka_unit_test(random_reads_make_nothing_hot_since_6_3),
        cmocka_unit_test(a_page_goes_to_its_slot_and_comes_back_to_each),
        cmocka_unit_test(an_exclusive_page_stays_exclusive_through_swap),
        cmocka_unit_test(slots_go_back_with_the_memory_that_named_them),
        cmocka_unit_test(private_copies_in_swap_survive_truncation_below_them),
        cmocka_unit_test(pages_without_a_slot_locked_or_lazily_freed),
        cmocka_unit_test(a_huge_page_is_unmapped_in_pieces),
        cmocka_unit_test(flushes_can_wait_for_each_other_but_not_for_an_unmap),
        cmocka_unit_test(migration_keeps_rights_age_and_owner),
        cmocka_unit_test(fork_and_mprotect_during_migration),
        cmocka_unit_test(guards_poison_and_broken_pages),
        cmocka_unit_test(contents_survive_random_eviction_and_migration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
