/* SPDX-License-Identifier: MIT */
/* Pages that go to other nodes because a program says so: mbind with MPOL_MF_MOVE, migrate_pages, move_pages; and
 * set_mempolicy_home_node.
 *
 *     range or page --collect: on a wrong node, not somebody else's--> chain --vm/migrate.c--> frames that the policy
 *     or the call names
 *
 * A call that waits puts back what it has, and begins anew: pages that are where they shall be are passed over then.
 * Large anonymous pages are split first. Kernel counterparts: queue_pages_range, migrate_to_node, do_migrate_pages of
 * mm/mempolicy.c, do_pages_move, do_pages_stat of mm/migrate.c. */
#include "vm/migrate.h"
#include "vm/vm_impl.h"

static int64_t fail(int e) {
    return -(int64_t)e;
}

static unsigned node_of(const struct vmsim__vm *vm, vmsim__pfn pfn) {
    return vm->mem->zones[vmsim__frame_zone(vmsim__vm_frame(vm, pfn))].node;
}

/* Kernel: vma_migratable. */
static bool migratable(const struct vmsim__vma *v) {
    return !(v->flags & (VMSIM__VM_IO | VMSIM__VM_PFNMAP));
}

/* The page at va; VMSIM__PFN_NONE: there is none, or it is a zero page (*zero). */
static vmsim__pfn page_at(struct vmsim__mm *mm, uint64_t va, bool *zero) {
    const struct vmsim__pte pte = vmsim__mm_pagemap(mm, va);
    const bool mapped = pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE);
    *zero = mapped && (pte.flags & VMSIM__PTE_SPECIAL);
    return mapped && !*zero ? (vmsim__pfn)pte.pfn : VMSIM__PFN_NONE;
}

/* ---- collecting ---- */

struct collecting {
    struct vmsim__mm *mm;
    uint64_t nodes; /* pages that lie on these are wanted */
    bool all;       /* also those that others map, too */
    struct vmsim__folio_chain chain;
    uint32_t left; /* pages that are wanted, and stay */
};

/* Takes the page off its list. False: it is split now, and to be looked at again. Kernel: migrate_folio_add. */
static bool collect(struct collecting *c, vmsim__pfn pfn) {
    struct vmsim__vm *vm = c->mm->vm;
    const vmsim__pfn head = vmsim__vm_head(vm, pfn);
    const struct vmsim__frame *f = vmsim__vm_frame(vm, head);
    const unsigned cpu = c->mm->cpu;
    VMSIM__ASSERT(f->refcount > 0 && !vmsim__frame_is(f, VMSIM__FRAME_TAIL));
    if (!c->all && vmsim__vm_mapcount(vm, pfn) > 1) {
        c->left += vm->kernel->mbind_counts_shared;
        return true;
    }
    if (vmsim__frame_is(f, VMSIM__FRAME_HEAD) && vmsim__frame_is(f, VMSIM__FRAME_ANON | VMSIM__FRAME_FILE) &&
        vmsim__thp_split_page(vm, head, cpu)) {
        vmsim__vm_event(vm, VMSIM__THP_MIGRATION_SPLIT, 1);
        vmsim__lru_drain_cpu(vm->lru, cpu);
        return false;
    }
    if (vmsim__frame_is(f, VMSIM__FRAME_HEAD) || !vmsim__lru_isolate(vm->lru, head))
        c->left++;
    else
        vmsim__folio_chain_push(vm, &c->chain, head);
    return true;
}

/* Kernel: queue_pages_pte_range. */
static void collect_range(struct collecting *c, uint64_t start, uint64_t end) {
    struct vmsim__vm *vm = c->mm->vm;
    struct vmsim__pt_slot slot;
    VMSIM__ASSERT(start < end);
    for (uint64_t va = start; va < end && vmsim__pt_next(&c->mm->pt, &va, end, &slot);) {
        bool zero;
        va = vmsim__max64(va, start);
        const vmsim__pfn pfn = page_at(c->mm, va, &zero);
        const bool wanted = pfn != VMSIM__PFN_NONE && (c->nodes >> node_of(vm, pfn) & 1);
        if (!wanted || collect(c, pfn))
            va = vmsim__align_down(va, UINT64_C(1) << c->mm->pt.format->shift[slot.level]) +
                 (UINT64_C(1) << c->mm->pt.format->shift[slot.level]);
    }
}

/* The chain's last page is moved first: in the order of addresses it shall be the first. */
static void reverse(struct vmsim__vm *vm, struct vmsim__folio_chain *chain) {
    struct vmsim__folio_chain turned = vmsim__folio_chain_empty();
    for (vmsim__pfn p = chain->first; turned.folios < chain->folios;) {
        const vmsim__pfn next = vmsim__vm_frame(vm, p)->next;
        vmsim__folio_chain_push(vm, &turned, p);
        p = next;
    }
    VMSIM__ASSERT(turned.pages == chain->pages);
    *chain = turned;
}

/* ---- where to ---- */

struct target {
    struct vmsim__mm *mm;
    int node;            /* -1: where the policy of the area says */
    uint64_t start, end; /* of the range, for its areas */
};

/* The address of the page in the range. NULL: it is mapped there no more. Kernel: page_address_in_vma. */
static struct vmsim__vma *place_of(const struct target *t, vmsim__pfn pfn, uint64_t *va) {
    struct vmsim__rmap_walk w;
    vmsim__rmap_start(&w, t->mm->vm, pfn);
    while (vmsim__rmap_next_vma(&w)) {
        if (w.vma->mm != t->mm || w.va < t->start || w.va >= t->end)
            continue;
        *va = w.va;
        return w.vma;
    }
    return NULL;
}

/* Kernel: alloc_migration_target with __GFP_THISNODE, alloc_migration_target_by_mpol. */
static vmsim__pfn target_get(void *context, vmsim__pfn from) {
    const struct target *t = context;
    struct vmsim__vm *vm = t->mm->vm;
    const unsigned cpu = t->mm->cpu;
    uint64_t va;
    if (t->node >= 0) {
        const struct vmsim__alloc_request rq = {
            .gfp = VMSIM__GFP_HIGHUSER_MOVABLE | VMSIM__GFP_THISNODE, .cpu = (uint16_t)cpu, .node = (uint16_t)t->node};
        return vmsim__mem_alloc(vm->mem, &rq);
    }
    const uint32_t gfp = VMSIM__GFP_HIGHUSER_MOVABLE | VMSIM__GFP_RETRY_MAYFAIL;
    const struct vmsim__vma *v = place_of(t, from, &va);
    return v ? vmsim__vma_alloc_uncharged(v, va, gfp, 0, cpu) : vmsim__vm_alloc_page(vm, gfp, 0, cpu);
}
static void target_put(void *context, vmsim__pfn to) {
    const struct target *t = context;
    vmsim__folio_put(t->mm->vm->lru, to, t->mm->cpu);
}

/* Moves what was collected; pages that stay, or -ERESTARTSYS. */
static int64_t move_chain(struct collecting *c, struct target *t, enum vmsim__migrate_reason reason) {
    struct vmsim__vm *vm = c->mm->vm;
    const struct vmsim__migration how = {.mode = VMSIM__MIGRATE_SYNC,
                                         .reason = reason,
                                         .may_wait = true,
                                         .context = t,
                                         .get = target_get,
                                         .put = target_put};
    reverse(vm, &c->chain);
    const struct vmsim__migrated m = vmsim__migrate_pages(vm, &how, &c->chain, c->mm->cpu);
    const uint32_t left = c->chain.pages;
    vmsim__folio_chain_putback(vm, &c->chain, c->mm->cpu);
    VMSIM__ASSERT(!m.waits || vmsim__now_waits(&vm->mem->now));
    (void)m;
    return vmsim__now_waits(&vm->mem->now) ? -VMSIM__ERESTARTSYS : (int64_t)left;
}

/* ---- calls ---- */

/* Batches are drained first: a page that waits in one cannot be isolated, and would be told as one that could not move.
 * Kernel: queue_pages_range, do_mbind. */
int64_t vmsim__relocate_range(struct vmsim__mm *mm, uint64_t start, uint64_t end, uint64_t nodes, bool all) {
    struct collecting c = {.mm = mm, .nodes = ~nodes, .all = all, .chain = vmsim__folio_chain_empty()};
    struct target t = {mm, -1, start, end};
    VMSIM__ASSERT(start < end);
    vmsim__lru_drain_all(mm->vm->lru);
    for (struct vmsim__vma *v = vmsim__vma_find(mm, start); v && v->start < end; v = v->next) {
        if (migratable(v))
            collect_range(&c, vmsim__max64(v->start, start), vmsim__min64(v->end, end));
    }
    const int64_t left = move_chain(&c, &t, VMSIM__MR_MEMPOLICY_MBIND);
    return left < 0 ? left : left + c.left;
}

/* All pages of the address space that lie on one node go to another. Kernel: migrate_to_node. */
static int64_t migrate_to_node(struct vmsim__mm *mm, unsigned from, unsigned to, bool all) {
    VMSIM__ASSERT(from != to && to < mm->vm->mem->nr_nodes);
    struct collecting c = {.mm = mm, .nodes = UINT64_C(1) << from, .all = all, .chain = vmsim__folio_chain_empty()};
    struct target t = {mm, (int)to, 0, UINT64_MAX};
    for (struct vmsim__vma *v = mm->first; v; v = v->next) {
        if (migratable(v))
            collect_range(&c, v->start, v->end);
    }
    return move_chain(&c, &t, VMSIM__MR_SYSCALL);
}

/* The pair that is moved next: one whose destination nothing is to leave any more, if there is such, so that pages do
 * not wander twice. False: there is none. Kernel: do_migrate_pages. */
static bool next_pair(uint64_t todo, uint64_t from, uint64_t to, unsigned *source, unsigned *dest) {
    VMSIM__ASSERT(to && !(todo & ~from));
    bool found = false;
    for (uint64_t rest = todo; rest; rest &= rest - 1) {
        const unsigned s = (unsigned)__builtin_ctzll(rest);
        if (__builtin_popcountll(from) != __builtin_popcountll(to) && (to >> s & 1))
            continue;
        const unsigned d = vmsim__node_remap(s, from, to);
        if (s == d)
            continue;
        *source = s;
        *dest = d;
        found = true;
        if (!(todo >> d & 1))
            break;
    }
    return found;
}

/* Pairs are chosen so that a node that is a source later is not filled first: {0,1} to {1,2} moves 1 to 2, then 0 to 1.
 * Kernel: do_migrate_pages. */
int64_t vmsim__mm_migrate_pages(struct vmsim__mm *mm, uint64_t from, uint64_t to, bool all, unsigned cpu) {
    uint64_t todo = from;
    unsigned source, dest;
    int64_t left = 0;
    mm->cpu = cpu;
    if (!vmsim__vm_has_numa(mm->vm))
        return fail(VMSIM__L_ENOSYS);
    to &= vmsim__memory_nodes(mm->vm->mem);
    if (!to)
        return fail(VMSIM__L_EINVAL);
    vmsim__lru_drain_all(mm->vm->lru);
    while (todo && next_pair(todo, from, to, &source, &dest)) {
        todo &= ~(UINT64_C(1) << source);
        const int64_t stay = migrate_to_node(mm, source, dest, all);
        if (stay < 0)
            return stay;
        left += stay;
    }
    return left;
}

/* ---- move_pages ---- */

/* Where a page lies, or the errno that its status says. Kernel: do_pages_stat_array. */
static int page_status(struct vmsim__mm *mm, uint64_t va, vmsim__pfn *pfn) {
    const struct vmsim__vma *v = vmsim__vma_find(mm, va);
    bool zero;
    *pfn = VMSIM__PFN_NONE;
    if (!v || v->start > va)
        return -VMSIM__L_EFAULT;
    *pfn = page_at(mm, va, &zero);
    if (*pfn != VMSIM__PFN_NONE)
        return (int)node_of(mm->vm, *pfn);
    const bool hole =
        !v->file && !(vmsim__mm_pagemap(mm, va).flags & ~VMSIM__PTE_SOFT_DIRTY) && !mm->vm->kernel->hole_is_enoent;
    return zero || hole ? -VMSIM__L_EFAULT : -VMSIM__L_ENOENT;
}

/* True: the page waits to be moved; false: *status is said. Kernel: add_page_for_migration. */
static bool add_page(struct collecting *c, uint64_t va, unsigned node, int32_t *status) {
    struct vmsim__vm *vm = c->mm->vm;
    vmsim__pfn pfn;
    const uint32_t before = c->chain.folios, left = c->left;
    *status = page_status(c->mm, va, &pfn);
    if (*status < 0 || *status == (int32_t)node)
        return false;
    if (!c->all && vmsim__vm_mapcount(vm, pfn) > 1) {
        *status = -VMSIM__L_EACCES;
        return false;
    }
    if (!collect(c, pfn)) /* it was large, and is split */
        collect(c, pfn);
    if (c->chain.folios > before)
        return true;
    *status = -VMSIM__L_EBUSY;
    c->left = left;
    return false;
}

/* The pages of the requests [from, to), which go to one node. Kernel: move_pages_and_store_status. */
static int64_t move_batch(struct collecting *c, const struct vmsim__move_pages *mp, size_t from, size_t to) {
    VMSIM__ASSERT(from < to && to <= mp->count && mp->nodes[from] >= 0);
    struct target t = {c->mm, mp->nodes[from], 0, UINT64_MAX};
    const int64_t left = c->chain.folios ? move_chain(c, &t, VMSIM__MR_SYSCALL) : 0;
    for (size_t i = from; !left && i < to; i++)
        mp->status[i] = mp->nodes[from];
    return left;
}

/* Kernel: do_pages_move. A run of requests for one node is moved at once; it ends where a page is not moved. */
static int64_t pages_move(struct collecting *c, const struct vmsim__move_pages *mp) {
    const uint64_t usable = vmsim__memory_nodes(c->mm->vm->mem);
    size_t start = 0, i = 0;
    int64_t left = 0;
    int e = 0;
    vmsim__lru_drain_all(c->mm->vm->lru);
    for (; i < mp->count; i++) {
        const int32_t node = mp->nodes[i];
        if (node < 0 || node >= VMSIM__MAX_NODES || !(usable >> node & 1)) {
            e = VMSIM__L_ENODEV;
            break;
        }
        if (mp->mems && !(mp->mems >> node & 1)) {
            e = VMSIM__L_EACCES;
            break;
        }
        if (start < i && node != mp->nodes[start]) {
            if ((left = move_batch(c, mp, start, i)))
                break;
            start = i;
        }
        int32_t status;
        if (add_page(c, mp->addresses[i], (unsigned)node, &status))
            continue;
        mp->status[i] = status;
        if (start < i && (left = move_batch(c, mp, start, i)))
            break;
        start = i + 1;
    }
    if (!left && start < i)
        left = move_batch(c, mp, start, i);
    if (left < 0)
        return left;
    return e ? fail(e) : left ? left + (int64_t)(mp->count - i) : 0;
}

/* Without nodes it moves nothing and tells where each page is. Kernel: kernel_move_pages, do_pages_stat. */
int64_t vmsim__mm_move_pages(struct vmsim__mm *mm, const struct vmsim__move_pages *mp, unsigned flags, unsigned cpu) {
    struct collecting c = {.mm = mm, .all = flags & VMSIM__MPOL_MF_MOVE_ALL, .chain = vmsim__folio_chain_empty()};
    vmsim__pfn pfn;
    mm->cpu = cpu;
    if (!vmsim__vm_has_numa(mm->vm))
        return fail(VMSIM__L_ENOSYS);
    if (flags & ~(VMSIM__MPOL_MF_MOVE | VMSIM__MPOL_MF_MOVE_ALL))
        return fail(VMSIM__L_EINVAL);
    if ((flags & VMSIM__MPOL_MF_MOVE_ALL) && !mp->privileged)
        return fail(VMSIM__L_EPERM);
    if (mp->nodes)
        return pages_move(&c, mp);
    for (size_t i = 0; i < mp->count; i++)
        mp->status[i] = page_status(mm, mp->addresses[i], &pfn);
    return 0;
}

/* ---- home node ---- */

/* Only policies of several nodes have a home among them; ranges without a policy are passed over, and if all are,
 * ENOENT tells so. */
int64_t vmsim__mm_set_home_node(struct vmsim__mm *mm, uint64_t addr, uint64_t length, uint64_t node, uint64_t flags,
                                unsigned cpu) {
    const uint64_t page = mm->vm->page_size, end = addr + vmsim__align_up(length, page);
    int64_t result = fail(VMSIM__L_ENOENT);
    mm->cpu = cpu;
    if ((addr & (page - 1)) || flags || node >= mm->vm->mem->nr_nodes || end < addr)
        return fail(VMSIM__L_EINVAL);
    for (uint64_t at = addr; at < end;) {
        struct vmsim__vma *v = vmsim__vma_find(mm, at), *out;
        if (!v || v->start >= end)
            return result;
        const uint64_t from = vmsim__max64(at, v->start), to = vmsim__min64(v->end, end);
        struct vmsim__mempolicy p = v->policy;
        at = to;
        if (!p.mode)
            continue;
        if (p.mode != VMSIM__MPOL_BIND && p.mode != VMSIM__MPOL_PREFERRED_MANY)
            return fail(VMSIM__L_EOPNOTSUPP);
        p.home = (uint8_t)(node + 1);
        result = vmsim__vma_set_policy(mm, v, from, to, &p, &out);
        if (result)
            return result;
    }
    return end == addr ? 0 : result;
}
