/* SPDX-License-Identifier: MIT */
/* Charges of hugetlb pages (hugetlb_cgroup.h). */
#include "lru/hugetlb_cgroup.h"

#include "base/linux_errno.h"
#include "lru/lru_impl.h"

bool vmsim__hugetlb_charge(struct vmsim__lru *lru, uint16_t memcg, unsigned hstate, enum vmsim__hugetlb_use use,
                           uint64_t pages) {
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, memcg);
    struct vmsim__page_counter *over;
    VMSIM__ASSERT(m && hstate < lru->mem->nr_hstates);
    if (memcg == VMSIM__MEMCG_ROOT || vmsim__page_counter_try_charge(&m->hugetlb[hstate].use[use], pages, &over))
        return true;
    m->hugetlb[hstate].local_refused++;
    for (; m->parent; m = m->parent)
        m->hugetlb[hstate].refused++;
    return false;
}

void vmsim__hugetlb_uncharge(struct vmsim__lru *lru, uint16_t memcg, unsigned hstate, enum vmsim__hugetlb_use use,
                             uint64_t pages) {
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, memcg);
    VMSIM__ASSERT(m && hstate < lru->mem->nr_hstates);
    if (memcg == VMSIM__MEMCG_ROOT || !pages)
        return;
    VMSIM__ASSERT(m->hugetlb[hstate].use[use].usage >= pages);
    vmsim__page_counter_uncharge(&m->hugetlb[hstate].use[use], pages);
    vmsim__memcg_release_dead(m);
}

void vmsim__hugetlb_commit(struct vmsim__lru *lru, vmsim__pfn pfn, uint16_t memcg, bool rsvd) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    VMSIM__ASSERT(vmsim__folio_hugetlb(f) && !f[1].memcg && !f[2].memcg);
    f[1].memcg = memcg;
    f[2].memcg = rsvd ? memcg : VMSIM__MEMCG_ROOT;
}

void vmsim__hugetlb_page_uncharge(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned hstate) {
    struct vmsim__frame *f = vmsim__lru_frame(lru, pfn);
    VMSIM__ASSERT(vmsim__folio_hugetlb(f) && vmsim__folio_order(f) == lru->mem->hstate[hstate].order);
    const uint64_t pages = vmsim__frame_pages(f);
    const uint16_t fault = f[1].memcg, rsvd = f[2].memcg;
    f[1].memcg = f[2].memcg = VMSIM__MEMCG_ROOT;
    vmsim__hugetlb_uncharge(lru, rsvd, hstate, VMSIM__HUGETLB_RSVD, pages);
    vmsim__hugetlb_uncharge(lru, fault, hstate, VMSIM__HUGETLB_FAULT, pages);
}

bool vmsim__hugetlb_holds(const struct vmsim__memcg *m) {
    VMSIM__ASSERT(m);
    for (unsigned h = 0; h < VMSIM__HSTATES; h++) {
        if (m->hugetlb[h].use[VMSIM__HUGETLB_FAULT].usage || m->hugetlb[h].use[VMSIM__HUGETLB_RSVD].usage)
            return true;
    }
    return false;
}

int vmsim__hugetlb_limit(struct vmsim__memcg *m, unsigned hstate, enum vmsim__hugetlb_use use, uint64_t pages) {
    struct vmsim__page_counter *c = &m->hugetlb[hstate].use[use];
    VMSIM__ASSERT(hstate < m->lru->mem->nr_hstates && m->parent);
    if (pages != VMSIM__PAGE_COUNTER_MAX)
        pages &= ~((UINT64_C(1) << m->lru->mem->hstate[hstate].order) - 1);
    if (c->usage > pages)
        return -VMSIM__L_EBUSY;
    c->max = pages;
    return 0;
}
