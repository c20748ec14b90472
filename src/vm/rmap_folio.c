/* SPDX-License-Identifier: MIT */
/* What reclaim, write-back and migration do to all mappings of a page: see whether it was used, take it out, clean it,
 * put a migration entry in its place and back.
 *
 *   present entry --try_to_unmap-----> swap entry (anonymous, swap-backed), nothing (file; clean MADV_FREE)
 *                 --try_to_migrate---> migration entry --remove_migration--> present entry of the new page
 *   RSS            leaves anon for swap, or file/shmem; a page under migration stays counted as what it is
 *   mapcount, refcount  go with the present entry and come back with it
 *
 * Nothing here allocates, so that reclaim may come from within any allocation. Kernel counterparts: mm/rmap.c
 * (folio_referenced_one, try_to_unmap_one, try_to_migrate_one, page_vma_mkclean_one), mm/migrate.c
 * (remove_migration_pte). */
#include "vm/vm_impl.h"

/* A page of compound ones counts by its own frame, and is held and flagged by the head. */
struct parts {
    struct vmsim__frame *frame, *head;
    vmsim__pfn pfn, head_pfn;
};
/* An entry names a base page; counts that entries share stand in its folio's head. */
static struct parts parts_of(struct vmsim__vm *vm, const struct vmsim__mapping *m) {
    VMSIM__ASSERT(!m->slot.level);
    struct parts p = {.pfn = (vmsim__pfn)m->pte.pfn};
    p.head_pfn = vmsim__vm_head(vm, p.pfn);
    p.frame = vmsim__vm_frame(vm, p.pfn);
    p.head = vmsim__vm_frame(vm, p.head_pfn);
    VMSIM__ASSERT(p.head->refcount > 0);
    return p;
}

static uint64_t entry_size(const struct vmsim__mapping *m) {
    return UINT64_C(1) << m->vma->mm->vm->format->shift[m->slot.level];
}

static void charge_vma(struct vmsim__vm *vm) {
    vmsim__vm_cost(vm, vm->spec.costs.rmap_vma);
}

/* ---- referenced ---- */

/* Kernel: ptep_clear_flush_young, pmdp_clear_flush_young. x86 leaves stale translations of base pages alone: they only
 * hide that the page is still used, and are gone soon enough. */
static void clear_young(struct vmsim__mapping *m, unsigned cpu) {
    struct vmsim__mm *mm = m->vma->mm;
    if (!(m->pte.flags & VMSIM__PTE_ACCESSED))
        return;
    m->pte.flags &= ~VMSIM__PTE_ACCESSED;
    vmsim__pt_set(mm->pt.format, &m->slot, m->pte);
    if (m->slot.level || mm->pt.format->arch != VMSIM__PT_ARCH_X86)
        vmsim__flush_range(mm, m->va, m->va + entry_size(m), mm->pt.format->shift[m->slot.level], false, cpu);
}

/* Streams do not make a page hot. Kernel: vma_has_recency; until 6.3 only sequential reads, judged entry by entry. */
static bool counts_as_use(const struct vmsim__vma *v) {
    const uint32_t streams = VMSIM__VM_SEQ_READ | (v->mm->vm->kernel->random_has_no_recency ? VMSIM__VM_RAND_READ : 0);
    return !(v->flags & streams);
}

/* One VMA. False: locked, the walk ends. */
static bool referenced_one(struct vmsim__rmap_walk *w, struct vmsim__referenced *r, unsigned cpu) {
    struct vmsim__vm *vm = w->vm;
    struct vmsim__mapping m;
    bool used = false;
    while (vmsim__rmap_next(w, &m)) {
        if (m.vma->flags & VMSIM__VM_LOCKED) {
            vmsim__lru_mlock(vm->lru, vmsim__vm_head(vm, w->pfn), cpu);
            r->vm_flags |= VMSIM__VM_LOCKED;
            return false;
        }
        bool young = m.pte.flags & VMSIM__PTE_ACCESSED;
        if (young && r->around && !m.slot.level && counts_as_use(m.vma)) {
            vmsim__look_around(&m, r->around);
            m.pte = vmsim__pt_get(vm->format, &m.slot);
        }
        clear_young(&m, cpu);
        used = used || (young && counts_as_use(m.vma));
    }
    if (used) {
        r->vmas++;
        r->vm_flags |= w->vma->flags & ~VMSIM__VM_LOCKED;
    }
    return true;
}

/* Mappings of other cgroups do not count when a cgroup reclaims its own, nor do those that their owner reads once
 * (MADV_SEQUENTIAL, MADV_RANDOM) where the release has it so. An mlocked one ends the walk: the folio stays. Kernel:
 * folio_referenced. */
void vmsim__folio_referenced(struct vmsim__vm *vm, vmsim__pfn pfn, struct vmsim__referenced *r, unsigned cpu) {
    struct vmsim__rmap_walk w;
    r->vmas = r->vm_flags = 0;
    if (vmsim__nommu(vm))
        return;
    vmsim__rmap_start(&w, vm, pfn);
    while (vmsim__rmap_next_vma(&w)) {
        charge_vma(vm);
        if (r->counts && !r->counts(r->context, w.vma->mm))
            continue;
        if (vm->kernel->random_has_no_recency && !counts_as_use(w.vma))
            continue;
        if (!referenced_one(&w, r, cpu))
            return;
    }
}

/* ---- clearing an entry ---- */

/* Kernel: ptep_get_and_clear with set_tlb_ubc_flush_pending, or ptep_clear_flush. */
static void clear_entry(const struct vmsim__mapping *m, unsigned ttu, unsigned cpu) {
    struct vmsim__mm *mm = m->vma->mm;
    const struct vmsim__vm_hooks *h = &mm->vm->hooks;
    vmsim__pt_write(mm->pt.format, &m->slot, 0);
    if ((ttu & VMSIM__TTU_BATCH_FLUSH) && h->flush_defer && h->flush_defer(h->context, mm, m->va, cpu))
        mm->flush_pending = true;
    else
        vmsim__flush_page(mm, m->va, cpu);
}

/* Kernel: try_to_unmap_flush. Each address space forgets by itself that something was pending. */
void vmsim__unmap_flush(struct vmsim__vm *vm, unsigned cpu) {
    if (vm->hooks.flush_deferred)
        vm->hooks.flush_deferred(vm->hooks.context, cpu);
}

/* Who takes rights away must not rely on an entry that is clear while a TLB still holds it. Kernel:
 * flush_tlb_batched_pending. */
void vmsim__flush_pending(struct vmsim__mm *mm, unsigned cpu) {
    if (VMSIM__LIKELY(!mm->flush_pending))
        return;
    mm->flush_pending = false;
    if (mm->vm->hooks.flush_mm)
        mm->vm->hooks.flush_mm(mm->vm->hooks.context, mm, cpu);
}

/* Base entries alone are handled below. A huge one is split, and the walk looks at the place again. */
static bool split_huge(struct vmsim__rmap_walk *w, const struct vmsim__mapping *m, unsigned cpu) {
    if (!m->slot.level)
        return false;
    vmsim__thp_split_pmd(m->vma, m->va, &m->slot, cpu);
    vmsim__rmap_again(w);
    return true;
}

/* The entry's mapping and reference of the page go. */
static void drop_mapping(const struct vmsim__mapping *m, const struct parts *p, unsigned cpu) {
    struct vmsim__vm *vm = m->vma->mm->vm;
    vmsim__unmap_page(m->vma, p->pfn, cpu);
    vmsim__vm_cost(vm, vm->spec.costs.unmap_page);
    vmsim__folio_put(vm->lru, p->head_pfn, cpu);
}

static void restore(const struct vmsim__mapping *m) {
    vmsim__pt_set(m->vma->mm->pt.format, &m->slot, m->pte);
}

/* ---- unmapping ---- */

/* A page given up by MADV_FREE goes without a trace, unless somebody wrote to it or holds it. */
static bool discard_lazyfree(const struct vmsim__mapping *m, const struct parts *p) {
    VMSIM__ASSERT(vmsim__frame_is(p->head, VMSIM__FRAME_ANON) && !vmsim__frame_is(p->head, VMSIM__FRAME_SWAPBACKED));
    struct vmsim__vm *vm = m->vma->mm->vm;
    const bool dirty = vmsim__frame_is(p->head, VMSIM__FRAME_DIRTY);
    if (p->head->refcount == 1 + vmsim__vm_mapcount(vm, p->pfn) && !dirty) {
        vmsim__rss_add(m->vma->mm, VMSIM__RSS_ANON, -1);
        return true;
    }
    restore(m);
    if (dirty)
        p->head->flags |= VMSIM__FRAME_SWAPBACKED;
    return false;
}

/* The entry becomes that of the page's slot, which gets one more count. Not while a swapoff empties the slot's area: of
 * a page that several address spaces have, one would lose again what it got back before the last one's turn comes, and
 * where memory is short the swapoff would never end (the kernel's may not). */
static bool enter_swap(const struct vmsim__mapping *m, const struct parts *p) {
    struct vmsim__mm *mm = m->vma->mm;
    const struct vmsim__swap_ops *swap = mm->vm->swap;
    VMSIM__ASSERT(swap && vmsim__frame_is(p->head, VMSIM__FRAME_SWAPCACHE));
    struct vmsim__swp e = swap->slot_of(swap->context, p->pfn);
    if ((swap->going && swap->going(swap->context, e)) || !swap->duplicate(swap->context, e)) {
        restore(m);
        return false;
    }
    e.exclusive = vmsim__frame_is(p->frame, VMSIM__FRAME_EXCLUSIVE);
    p->frame->flags &= ~VMSIM__FRAME_EXCLUSIVE;
    vmsim__rss_add(mm, VMSIM__RSS_ANON, -1);
    vmsim__rss_add(mm, VMSIM__RSS_SWAP, 1);
    vmsim__pt_set(mm->pt.format, &m->slot, vmsim__swp_pte(mm->pt.format, e, m->pte.flags & VMSIM__PTE_SOFT_DIRTY));
    return true;
}

/* One entry. False: it stays. */
static bool unmap_entry(const struct vmsim__mapping *m, unsigned ttu, unsigned cpu) {
    struct vmsim__vm *vm = m->vma->mm->vm;
    const struct parts p = parts_of(vm, m);
    const bool anon = vmsim__frame_is(p.head, VMSIM__FRAME_ANON);
    clear_entry(m, ttu, cpu);
    if (m->pte.flags & VMSIM__PTE_DIRTY) {
        if (anon)
            p.head->flags |= VMSIM__FRAME_DIRTY;
        else
            vmsim__page_dirty(vm->cache, p.head_pfn);
    }
    vmsim__hiwater_rss(m->vma->mm);
    if (!anon) {
        vmsim__rss_add(m->vma->mm, vmsim__rss_kind_of(p.head), -1);
    } else if (!vmsim__frame_is(p.head, VMSIM__FRAME_SWAPBACKED)) {
        if (!discard_lazyfree(m, &p))
            return false;
    } else if (!vmsim__frame_is(p.head, VMSIM__FRAME_SWAPCACHE)) {
        restore(m); /* nowhere to go */
        return false;
    } else if (!enter_swap(m, &p)) {
        return false;
    }
    drop_mapping(m, &p, cpu);
    return true;
}

/* One VMA. False: an entry stays, which ends the walk. Kernel: try_to_unmap_one. */
static bool unmap_one(struct vmsim__rmap_walk *w, unsigned ttu, unsigned cpu) {
    struct vmsim__mapping m;
    while (vmsim__rmap_next(w, &m)) {
        if (!(ttu & VMSIM__TTU_IGNORE_MLOCK) && (m.vma->flags & VMSIM__VM_LOCKED)) {
            vmsim__lru_mlock(w->vm->lru, vmsim__vm_head(w->vm, w->pfn), cpu);
            return false;
        }
        if (!split_huge(w, &m, cpu) && !unmap_entry(&m, ttu, cpu))
            return false;
    }
    return true;
}

typedef bool (*vma_fn)(struct vmsim__rmap_walk *w, unsigned ttu, unsigned cpu);

/* Counters of an address space are those of the CPU that works on it, whoever runs in it. */
static bool on_cpu(struct vmsim__rmap_walk *w, vma_fn fn, unsigned ttu, unsigned cpu) {
    struct vmsim__mm *mm = w->vma->mm;
    const unsigned own = mm->cpu;
    mm->cpu = cpu;
    charge_vma(w->vm);
    bool go_on = fn(w, ttu, cpu);
    mm->cpu = own;
    return go_on;
}

/* Unmapping works on another CPU than its owner's: flushes go out from the one that reclaims. */
static bool each_vma(struct vmsim__vm *vm, vmsim__pfn pfn, vma_fn fn, unsigned ttu, unsigned cpu) {
    struct vmsim__rmap_walk w;
    VMSIM__ASSERT(vmsim__vm_frame(vm, pfn)->refcount > 0 && !vmsim__nommu(vm));
    vmsim__rmap_start(&w, vm, pfn);
    while (vmsim__rmap_next_vma(&w)) {
        if (!on_cpu(&w, fn, ttu, cpu))
            return false;
    }
    return true;
}

/* Is any frame of the page mapped still? Kernel: folio_mapped. */
static bool mapped(const struct vmsim__vm *vm, vmsim__pfn pfn) {
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    const uint32_t pages = vmsim__frame_pages(f);
    for (uint32_t i = 0; i < pages; i++) {
        if (vmsim__vm_mapcount(vm, pfn + i))
            return true;
    }
    return false;
}

bool vmsim__try_to_unmap(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned ttu, unsigned cpu) {
    return each_vma(vm, pfn, unmap_one, ttu, cpu) && !mapped(vm, pfn);
}

/* ---- cleaning ---- */

struct clean {
    unsigned cpu, changed;
};

/* Kernel: page_vma_mkclean_one. */
static bool clean_entry(void *context, struct vmsim__mapping *m) {
    struct clean *c = context;
    if (!(m->vma->flags & VMSIM__VM_SHARED) || !(m->pte.flags & (VMSIM__PTE_DIRTY | VMSIM__PTE_WRITE)))
        return true;
    m->pte.flags &= ~(VMSIM__PTE_DIRTY | VMSIM__PTE_WRITE);
    restore(m);
    vmsim__flush_range(m->vma->mm, m->va, m->va + entry_size(m), m->vma->mm->pt.format->shift[m->slot.level], false,
                       c->cpu);
    c->changed++;
    return true;
}

/* Before a page is written its entries become read-only, so that the next store faults and makes it dirty anew. Kernel:
 * folio_mkclean. */
unsigned vmsim__page_mkclean(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned cpu) {
    struct clean c = {cpu, 0};
    if (!vmsim__nommu(vm))
        vmsim__rmap_walk(vm, pfn, clean_entry, &c);
    return c.changed;
}

/* ---- migration ---- */

/* What the entry knew goes with it: rights, exclusiveness, accessed and dirty, of which a release may keep less. */
static struct vmsim__swp migration_entry(const struct vmsim__mapping *m, const struct parts *p, bool anon) {
    const bool exclusive = anon && vmsim__frame_is(p->frame, VMSIM__FRAME_EXCLUSIVE);
    return (struct vmsim__swp){.offset = p->pfn,
                               .type = m->pte.flags & VMSIM__PTE_WRITE ? VMSIM__SWP_MIGRATION_WRITE
                                       : exclusive                     ? VMSIM__SWP_MIGRATION_READ_EXCLUSIVE
                                                                       : VMSIM__SWP_MIGRATION_READ,
                               .young = m->pte.flags & VMSIM__PTE_ACCESSED,
                               .dirty = m->pte.flags & VMSIM__PTE_DIRTY};
}

/* Kernel: try_to_migrate_one. */
static bool migrate_one(struct vmsim__rmap_walk *w, unsigned ttu, unsigned cpu) {
    struct vmsim__vm *vm = w->vm;
    struct vmsim__mapping m;
    while (vmsim__rmap_next(w, &m)) {
        if (split_huge(w, &m, cpu))
            continue;
        const struct parts p = parts_of(vm, &m);
        const struct vmsim__swp e = migration_entry(&m, &p, w->anon);
        clear_entry(&m, ttu, cpu);
        if ((m.pte.flags & VMSIM__PTE_DIRTY) && w->anon)
            p.head->flags |= VMSIM__FRAME_DIRTY;
        else if (m.pte.flags & VMSIM__PTE_DIRTY)
            vmsim__page_dirty(vm->cache, p.head_pfn);
        vmsim__pt_set(vm->format, &m.slot, vmsim__swp_pte(vm->format, e, m.pte.flags & VMSIM__PTE_SOFT_DIRTY));
        if (w->anon) /* of a file's page the bit means BUFFERS */
            p.frame->flags &= ~VMSIM__FRAME_EXCLUSIVE;
        drop_mapping(&m, &p, cpu);
    }
    return true;
}

bool vmsim__try_to_migrate(struct vmsim__vm *vm, vmsim__pfn pfn, unsigned ttu, unsigned cpu) {
    return each_vma(vm, pfn, migrate_one, ttu, cpu) && !mapped(vm, pfn);
}

/* Kernel: remove_migration_pte. The entry's page is `to` plus the part's place in the page. */
static void map_migrated(const struct vmsim__mapping *m, vmsim__pfn to, unsigned cpu) {
    struct vmsim__vma *v = m->vma;
    struct vmsim__vm *vm = v->mm->vm;
    const struct vmsim__swp e = vmsim__swp_of(m->pte);
    VMSIM__ASSERT(vmsim__swp_is_migration(e));
    const vmsim__pfn head = vmsim__vm_head(vm, to);
    struct vmsim__pte pte = {to, vmsim__prot_flags(v) | (m->pte.flags & VMSIM__PTE_SOFT_DIRTY)};
    if (!e.young)
        pte.flags &= ~VMSIM__PTE_ACCESSED;
    if (e.dirty && vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_DIRTY))
        pte.flags |= VMSIM__PTE_DIRTY;
    if (e.type == VMSIM__SWP_MIGRATION_WRITE && (v->flags & VMSIM__VM_WRITE))
        pte.flags |= VMSIM__PTE_WRITE;
    vmsim__folio_get(vm->lru, head);
    if (vmsim__frame_is(vmsim__vm_frame(vm, head), VMSIM__FRAME_ANON))
        vmsim__map_anon(v, to, e.type != VMSIM__SWP_MIGRATION_READ, cpu);
    else
        vmsim__remap_file(v, to, cpu);
    vmsim__pt_set(vm->format, &m->slot, pte);
    vmsim__vm_cost(vm, vm->spec.costs.map);
}

/* The walk goes by the new folio, which has the old one's mapping and index by now, and looks for entries that name the
 * old frame. Kernel: remove_migration_ptes. */
void vmsim__remove_migration(struct vmsim__vm *vm, vmsim__pfn from, vmsim__pfn to, unsigned cpu) {
    struct vmsim__rmap_walk w;
    struct vmsim__mapping m;
    vmsim__rmap_start(&w, vm, to);
    w.pfn = from;
    w.migration = true;
    while (vmsim__rmap_next_vma(&w)) {
        const unsigned own = w.vma->mm->cpu;
        charge_vma(vm);
        w.vma->mm->cpu = cpu;
        while (vmsim__rmap_next(&w, &m))
            map_migrated(&m, to + (vmsim__pfn)(vmsim__swp_of(m.pte).offset - from), cpu);
        w.vma->mm->cpu = own;
    }
}
