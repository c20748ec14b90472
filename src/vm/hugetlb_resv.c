/* SPDX-License-Identifier: MIT */
/* Who was promised how many hugetlb pages, and the allocation that keeps or uses up a promise (see vm_hugetlb.h).
 *
 *                    page of a range       promised?
 *   shared           in the file's map     yes
 *                    not                   no (MAP_NORESERVE, or a hole was punched)
 *   private, owner   in its map            no: used up
 *                    not                   yes
 *   private, other   there is no map       no
 *
 * Kernel counterpart: mm/hugetlb.c (struct resv_map, vma_needs_reservation, hugetlb_reserve_pages). */
#include "vm/vm_hugetlb.h"

#include <string.h>

/* ---- ranges ---- */

static void check_map(const struct vmsim__resv_map *m) {
    for (size_t i = 0; i < m->count; i++)
        VMSIM__ASSERT(m->at[i].from < m->at[i].to &&
                      (!i || m->at[i - 1].to + (m->at[i - 1].memcg == m->at[i].memcg) <= m->at[i].from));
    (void)m;
}

/* The first region that ends at or behind `index`. */
static size_t first_region(const struct vmsim__resv_map *m, uint64_t index) {
    size_t low = 0, high = m->count;
    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (m->at[mid].to < index)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Pages of the range that regions cover. Kernel: the part of region_chg that counts what is there. */
uint64_t vmsim__resv_count(const struct vmsim__resv_map *m, uint64_t from, uint64_t to) {
    VMSIM__ASSERT(from <= to);
    uint64_t n = 0;
    for (size_t i = first_region(m, from); i < m->count && m->at[i].from < to; i++) {
        const uint64_t low = vmsim__max64(m->at[i].from, from), high = vmsim__min64(m->at[i].to, to);
        n += high > low ? high - low : 0;
    }
    return n;
}

bool vmsim__resv_room(struct vmsim__alloc *a, struct vmsim__resv_map *m) {
    return vmsim__vec_reserve(a, m, 2 * m->count + 1);
}

/* `n` regions from place i on become those of `with`. */
static void replace(struct vmsim__resv_map *m, size_t i, size_t n, const struct vmsim__resv_region *with, size_t k) {
    VMSIM__ASSERT(i + n <= m->count && m->count - n + k <= m->capacity);
    if (m->count > i + n)
        memmove(m->at + i + k, m->at + i + n, (m->count - i - n) * sizeof *m->at);
    for (size_t j = 0; j < k; j++)
        m->at[i + j] = with[j];
    m->count = m->count - n + k;
}

/* A gap before region i becomes one with its neighbours where the same cgroup pays for them, so that a file that is
 * written from end to end needs one region. */
static void fill_gap(struct vmsim__resv_map *m, size_t i, struct vmsim__resv_region gap) {
    const bool below = i && m->at[i - 1].to == gap.from && m->at[i - 1].memcg == gap.memcg;
    const bool above = i < m->count && m->at[i].from == gap.to && m->at[i].memcg == gap.memcg;
    gap.from = below ? m->at[i - 1].from : gap.from;
    gap.to = above ? m->at[i].to : gap.to;
    replace(m, i - below, (size_t)below + above, &gap, 1);
}

/* Room for it was made before (vmsim__resv_room), since this comes after the page was taken and must not fail. Kernel:
 * region_add. */
void vmsim__resv_add(struct vmsim__resv_map *m, uint64_t from, uint64_t to, uint16_t memcg) {
    VMSIM__ASSERT(from < to);
    for (uint64_t at = from; at < to;) {
        const size_t i = first_region(m, at + 1);
        const uint64_t end = i < m->count && m->at[i].from < to ? m->at[i].from : to;
        if (at < end)
            fill_gap(m, i, (struct vmsim__resv_region){at, end, memcg});
        at = at < end ? end : m->at[i].to;
    }
    check_map(m);
}

/* A hole may leave two rests of one region: the one case in which a deletion needs room. Kernel: region_del. */
void vmsim__resv_del(struct vmsim__resv_map *m, uint64_t from, uint64_t to) {
    VMSIM__ASSERT(from < to);
    struct vmsim__resv_region rest[2];
    const size_t i = first_region(m, from);
    size_t n = 0, k = 0;
    for (; i + n < m->count && m->at[i + n].from < to; n++) {
        const struct vmsim__resv_region r = m->at[i + n];
        if (r.from < from)
            rest[k++] = (struct vmsim__resv_region){r.from, vmsim__min64(r.to, from), r.memcg};
        if (r.to > to)
            rest[k++] = (struct vmsim__resv_region){to, r.to, r.memcg};
    }
    VMSIM__ASSERT(k <= 2);
    replace(m, i, n, rest, k);
    check_map(m);
}

void vmsim__resv_cut(struct vmsim__resv_map *m, uint64_t from) {
    const size_t i = first_region(m, from);
    const bool part = i < m->count && m->at[i].from < from;
    if (part)
        m->at[i].to = from;
    m->count = vmsim__min64(m->count, i + part);
    check_map(m);
}

void vmsim__resv_uncharge(struct vmsim__vm *vm, const struct vmsim__hugefile *huge, uint64_t from, uint64_t to) {
    const struct vmsim__resv_map *m = &huge->resv;
    VMSIM__ASSERT(from < to);
    for (size_t i = first_region(m, from); i < m->count && m->at[i].from < to; i++) {
        const uint64_t low = vmsim__max64(m->at[i].from, from), high = vmsim__min64(m->at[i].to, to);
        if (high > low)
            vmsim__hugetlb_uncharge(vm->lru, m->at[i].memcg, huge->hstate, VMSIM__HUGETLB_RSVD,
                                    (high - low) << vm->mem->hstate[huge->hstate].order);
    }
}

void vmsim__resv_fini(struct vmsim__alloc *a, struct vmsim__resv_map *m) {
    vmsim__vec_fini(a, m);
}

/* ---- mappings ---- */

static bool shared(const struct vmsim__vma *v) {
    return v->flags & VMSIM__VM_MAYSHARE;
}

static bool no_memory(struct vmsim__vm *vm) {
    vm->host_nomem = true;
    return false;
}

/* A map of its own for private memory. */
static bool make_map(struct vmsim__vma *v) {
    VMSIM__ASSERT(!v->resv && !shared(v));
    v->resv = vmsim__calloc(v->mm->vm->alloc, 1, sizeof *v->resv);
    if (!v->resv)
        return no_memory(v->mm->vm);
    v->resv->users = 1;
    return true;
}

/* A private mapping asks for all its pages, each of which it may have to copy; a shared one only for those that its
 * file has no promise of yet, since whoever maps the file shares them. Kernel: hugetlb_reserve_pages. */
int vmsim__hugetlb_vma_reserve(struct vmsim__vma *v) {
    struct vmsim__vm *vm = v->mm->vm;
    struct vmsim__hugefile *huge = vmsim__hugefile_of(v->file);
    const uint64_t from = vmsim__huge_index(v, v->start),
                   to = from + ((v->end - v->start) >> vmsim__hstate_shift(vm, huge->hstate));
    if (v->flags & VMSIM__VM_NORESERVE)
        return 0;
    if (shared(v) ? !vmsim__resv_room(vm->alloc, &huge->resv) && !no_memory(vm) : !make_map(v))
        return -VMSIM__L_ENOMEM;
    const uint64_t pages = to - from - (shared(v) ? vmsim__resv_count(&huge->resv, from, to) : 0),
                   base = pages << vm->mem->hstate[huge->hstate].order;
    const uint16_t memcg = vm->mem->now.memcg;
    if (!vmsim__hugetlb_charge(vm->lru, memcg, huge->hstate, VMSIM__HUGETLB_RSVD, base)) {
        vmsim__hugetlb_vma_forget(v);
        return -VMSIM__L_ENOMEM;
    }
    if (!vmsim__hugetlb_reserve(vm->mem, huge->hstate, pages, v->mm->cpu)) {
        vmsim__hugetlb_uncharge(vm->lru, memcg, huge->hstate, VMSIM__HUGETLB_RSVD, base);
        vmsim__hugetlb_vma_forget(v);
        return vmsim__now_waits(&vm->mem->now) ? -VMSIM__ERESTARTSYS : -VMSIM__L_ENOMEM;
    }
    if (!shared(v))
        v->resv->memcg = memcg;
    else if (pages)
        vmsim__resv_add(&huge->resv, from, to, memcg);
    return 0;
}

void vmsim__hugetlb_vma_share(struct vmsim__vma *to, const struct vmsim__vma *from) {
    VMSIM__ASSERT(!to->resv);
    to->resv = from->resv;
    to->resv_unmapped = from->resv_unmapped;
    if (to->resv)
        to->resv->users++;
}

/* A split or a fork's copy shares the map; the last one frees it. */
void vmsim__hugetlb_vma_forget(struct vmsim__vma *v) {
    struct vmsim__resv_map *m = v->resv;
    v->resv = NULL;
    if (!m || --m->users)
        return;
    vmsim__resv_fini(v->mm->vm->alloc, m);
    vmsim__free(v->mm->vm->alloc, m, sizeof *m);
}

/* What was promised and never used returns to the pool; what was used has gone with its pages. Kernel:
 * hugetlb_vm_op_close. */
void vmsim__hugetlb_vma_close(struct vmsim__vma *v) {
    struct vmsim__vm *vm = v->mm->vm;
    if (!v->resv)
        return;
    const unsigned h = vmsim__vma_hstate(v);
    const uint64_t from = vmsim__huge_index(v, v->start), pages = (v->end - v->start) >> vmsim__hstate_shift(vm, h);
    const uint64_t left = pages - vmsim__resv_count(v->resv, from, from + pages);
    vmsim__hugetlb_uncharge(vm->lru, v->resv->memcg, h, VMSIM__HUGETLB_RSVD, pages << vm->mem->hstate[h].order);
    vmsim__hugetlb_vma_forget(v);
    if (left)
        vmsim__hugetlb_unreserve(vm->mem, h, left, v->mm->cpu);
}

/* ---- pages ---- */

/* The map that knows of the mapping's promises; NULL: it has none. Kernel: vma_resv_map. */
static struct vmsim__resv_map *map_of(const struct vmsim__vma *v) {
    return shared(v) ? &vmsim__hugefile_of(v->file)->resv : v->resv;
}

/* Is there a promise for this very page? Kernel: vma_needs_reservation, turned round. */
static bool promised(const struct vmsim__vma *v, uint64_t index) {
    const struct vmsim__resv_map *m = map_of(v);
    return m && (vmsim__resv_count(m, index, index + 1) != 0) == shared(v);
}

/* Where the area's policy, or the task's, wants the page. Kernel: huge_node. */
static struct vmsim__alloc_request place(const struct vmsim__vma *v, uint64_t va, unsigned cpu) {
    struct vmsim__vm *vm = v->mm->vm;
    const struct vmsim__mempolicy *task = vm->task_policy ? &vm->task_policy->policy : NULL;
    const struct vmsim__mempolicy *p = v->policy.mode ? &v->policy : task && task->mode ? task : NULL;
    struct vmsim__alloc_request rq = {
        .gfp = VMSIM__GFP_HIGHUSER_MOVABLE, .cpu = (uint16_t)cpu, .node = vm->mem->cpu_node[cpu]};
    if (p)
        vmsim__mempolicy_place(vm->mem, p, vmsim__huge_index(v, va), &rq);
    return rq;
}

/* A page without a promise is paid for twice. Kernel: hugetlb_cgroup_charge_cgroup, _rsvd. */
static bool charge(struct vmsim__vm *vm, unsigned hstate, uint16_t memcg, bool on_promise) {
    const uint64_t pages = UINT64_C(1) << vm->mem->hstate[hstate].order;
    if (!on_promise && !vmsim__hugetlb_charge(vm->lru, memcg, hstate, VMSIM__HUGETLB_RSVD, pages))
        return false;
    if (vmsim__hugetlb_charge(vm->lru, memcg, hstate, VMSIM__HUGETLB_FAULT, pages))
        return true;
    vmsim__hugetlb_uncharge(vm->lru, on_promise ? VMSIM__MEMCG_ROOT : memcg, hstate, VMSIM__HUGETLB_RSVD, pages);
    return false;
}

static void uncharge(struct vmsim__vm *vm, unsigned hstate, uint16_t memcg, bool on_promise) {
    const uint64_t pages = UINT64_C(1) << vm->mem->hstate[hstate].order;
    vmsim__hugetlb_uncharge(vm->lru, on_promise ? VMSIM__MEMCG_ROOT : memcg, hstate, VMSIM__HUGETLB_RSVD, pages);
    vmsim__hugetlb_uncharge(vm->lru, memcg, hstate, VMSIM__HUGETLB_FAULT, pages);
}

/* The map notes that the promise is used before the fault can fail for another reason; map_changed tells the caller
 * what to undo then. Kernel: alloc_hugetlb_folio, restore_reserve_on_error. */
struct vmsim__huge_page vmsim__hugetlb_alloc(struct vmsim__vma *v, uint64_t va, bool avoid_reserve, unsigned cpu) {
    struct vmsim__vm *vm = v->mm->vm;
    struct vmsim__resv_map *m = map_of(v);
    const uint64_t index = vmsim__huge_index(v, va);
    struct vmsim__huge_page page = {VMSIM__PFN_NONE, !avoid_reserve && promised(v, index), false};
    if (m && !vmsim__resv_room(vm->alloc, m)) {
        no_memory(vm);
        return page;
    }
    const struct vmsim__alloc_request rq = place(v, va, cpu);
    const unsigned h = vmsim__vma_hstate(v);
    const uint16_t memcg = vm->mem->now.memcg;
    if (!charge(vm, h, memcg, page.on_promise))
        return page;
    page.pfn = vmsim__hugetlb_take(vm->mem, h, &rq, page.on_promise);
    if (page.pfn == VMSIM__PFN_NONE) {
        uncharge(vm, h, memcg, page.on_promise);
        return page;
    }
    vmsim__hugetlb_commit(vm->lru, page.pfn, memcg, !page.on_promise);
    if (!m)
        return page;
    page.map_changed = !vmsim__resv_count(m, index, index + 1);
    vmsim__resv_add(m, index, index + 1, VMSIM__MEMCG_ROOT);
    return page;
}

void vmsim__hugetlb_unalloc(struct vmsim__vma *v, uint64_t va, struct vmsim__huge_page page, unsigned cpu) {
    const uint64_t index = vmsim__huge_index(v, va);
    VMSIM__ASSERT(page.pfn != VMSIM__PFN_NONE);
    if (page.map_changed)
        vmsim__resv_del(map_of(v), index, index + 1);
    vmsim__hugetlb_page_uncharge(v->mm->vm->lru, page.pfn, vmsim__vma_hstate(v));
    vmsim__hugetlb_put(v->mm->vm->mem, vmsim__vma_hstate(v), page.pfn, page.on_promise, cpu);
}

/* A page that others map stays in use, and its promise with it: else there would be more promises than pages. */
bool vmsim__hugetlb_restore(struct vmsim__vma *v, uint64_t va) {
    struct vmsim__vm *vm = v->mm->vm;
    const uint64_t index = vmsim__huge_index(v, va);
    if (!vm->kernel->hugetlb_restores || shared(v) || !v->resv ||
        vmsim__hugetlb_surplus(vm->mem, vmsim__vma_hstate(v), VMSIM__MAX_NODES) || promised(v, index) ||
        !vmsim__resv_room(vm->alloc, v->resv))
        return false;
    vmsim__resv_del(v->resv, index, index + 1);
    return true;
}
