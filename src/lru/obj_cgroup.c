/* SPDX-License-Identifier: MIT */
/* Charges by the byte (see obj_cgroup.h). Kernel counterpart: the obj_stock part of mm/memcontrol.c (6.1). */
#include "lru/obj_cgroup.h"
#include "lru/lru_impl.h"

static uint32_t page_of(const struct vmsim__lru *lru) {
    return UINT32_C(1) << lru->mem->page_shift;
}

static struct vmsim__memcg *payer(const struct vmsim__lru *lru, uint16_t memcg) {
    struct vmsim__memcg *m = vmsim__memcg_by_id(lru, memcg);
    VMSIM__ASSERT(m && m->parent);
    return m;
}

static void give_pages(struct vmsim__memcg *m, uint32_t pages) {
    VMSIM__ASSERT(m->objects.pages >= pages && m->kmem >= pages);
    if (!pages)
        return;
    m->objects.pages -= pages;
    m->kmem -= pages;
    vmsim__page_counter_uncharge(&m->memory, pages);
}

/* Whole pages go back; the rest waits for whoever charges an object to the cgroup next. Kernel: drain_obj_stock. */
static void drain(struct vmsim__lru *lru, struct vmsim__memcg_stock *s) {
    if (!s->obj_memcg)
        return;
    struct vmsim__memcg *m = payer(lru, s->obj_memcg);
    m->objects.spare += s->bytes;
    s->obj_memcg = 0;
    s->bytes = 0;
    give_pages(m, m->objects.spare >> lru->mem->page_shift);
    m->objects.spare &= page_of(lru) - 1;
    vmsim__memcg_release_dead(m);
}

void vmsim__obj_drain(struct vmsim__lru *lru, const struct vmsim__memcg *root) {
    VMSIM__ASSERT(root);
    for (unsigned cpu = 0; cpu < lru->cpus; cpu++) {
        struct vmsim__memcg_stock *s = &lru->stocks[cpu];
        if (s->obj_memcg && vmsim__memcg_below(payer(lru, s->obj_memcg), root))
            drain(lru, s);
    }
}

/* The CPU serves this cgroup from now on, and takes what was left over. Kernel: refill_obj_stock. */
static struct vmsim__memcg_stock *serve(struct vmsim__lru *lru, struct vmsim__memcg *m, unsigned cpu) {
    struct vmsim__memcg_stock *s = &lru->stocks[cpu];
    VMSIM__ASSERT(cpu < lru->cpus);
    if (s->obj_memcg != m->id) {
        drain(lru, s);
        s->obj_memcg = m->id;
        s->bytes = m->objects.spare;
        m->objects.spare = 0;
    }
    return s;
}

static bool charge_pages(struct vmsim__lru *lru, uint16_t memcg, uint32_t pages, uint32_t gfp, unsigned cpu) {
    struct vmsim__memcg_charge t = {.gfp = gfp};
    return gfp & VMSIM__GFP_NOFAIL ? vmsim__memcg_try_charge(lru, memcg, pages, cpu, &t) == VMSIM__CHARGE_OK
                                   : vmsim__memcg_charge(lru, memcg, pages, gfp, cpu);
}

bool vmsim__obj_charge(struct vmsim__lru *lru, uint16_t memcg, uint32_t bytes, enum vmsim__obj_kind kind, uint32_t gfp,
                       unsigned cpu) {
    VMSIM__ASSERT(bytes > 0 && kind <= VMSIM__OBJ_UNRECLAIMABLE && cpu < lru->cpus);
    if (memcg == VMSIM__MEMCG_ROOT)
        return true;
    struct vmsim__memcg *m = payer(lru, memcg);
    struct vmsim__memcg_stock *s = &lru->stocks[cpu];
    if (s->obj_memcg == memcg && s->bytes >= bytes) {
        s->bytes -= bytes;
        m->objects.bytes[kind] += bytes;
        return true;
    }
    const uint32_t page = page_of(lru), pages = (bytes + page - 1) / page;
    if (!charge_pages(lru, memcg, pages, gfp, cpu))
        return false;
    m->objects.pages += pages;
    m->objects.bytes[kind] += bytes;
    m->kmem += pages;
    if (pages * page > bytes)
        serve(lru, m, cpu)->bytes += pages * page - bytes;
    return true;
}

/* Kernel: obj_cgroup_uncharge: what is more than a page goes back. */
void vmsim__obj_uncharge(struct vmsim__lru *lru, uint16_t memcg, uint32_t bytes, enum vmsim__obj_kind kind,
                         unsigned cpu) {
    VMSIM__ASSERT(bytes > 0 && kind <= VMSIM__OBJ_UNRECLAIMABLE);
    if (memcg == VMSIM__MEMCG_ROOT)
        return;
    struct vmsim__memcg *m = payer(lru, memcg);
    VMSIM__ASSERT(m->objects.bytes[kind] >= bytes);
    m->objects.bytes[kind] -= bytes;
    struct vmsim__memcg_stock *s = serve(lru, m, cpu);
    s->bytes += bytes;
    if (!m->online) { /* nobody will charge to it any more */
        drain(lru, s);
    } else if (s->bytes > page_of(lru)) {
        give_pages(m, s->bytes >> lru->mem->page_shift);
        s->bytes &= page_of(lru) - 1;
    }
}

uint64_t vmsim__memcg_object_bytes(const struct vmsim__memcg *root, enum vmsim__obj_kind kind) {
    VMSIM__ASSERT(kind <= VMSIM__OBJ_UNRECLAIMABLE);
    uint64_t sum = 0;
    for (const struct vmsim__memcg *m = root; m; m = vmsim__memcg_next(root, vmsim__memcg_by_id(root->lru, m->id)))
        sum += m->objects.bytes[kind];
    return sum;
}

bool vmsim__obj_valid(const struct vmsim__lru *lru, const struct vmsim__memcg *m) {
    VMSIM__ASSERT(m->id < lru->memcgs.count);
    uint64_t bytes = m->objects.bytes[0] + m->objects.bytes[1] + m->objects.spare;
    for (unsigned cpu = 0; cpu < lru->cpus; cpu++)
        bytes += lru->stocks[cpu].obj_memcg == m->id ? lru->stocks[cpu].bytes : 0;
    return m->objects.pages >= 0 && (uint64_t)m->objects.pages << lru->mem->page_shift == bytes;
}

int vmsim__memcg_check_objects(const struct vmsim__lru *lru, const uint64_t *found, struct vmsim__err *err) {
    struct vmsim__memcg *root = lru->memcgs.at[VMSIM__MEMCG_ROOT];
    for (struct vmsim__memcg *m = vmsim__memcg_next(root, root); m; m = vmsim__memcg_next(root, m)) {
        const uint64_t paid = m->objects.bytes[VMSIM__OBJ_RECLAIMABLE] + m->objects.bytes[VMSIM__OBJ_UNRECLAIMABLE];
        if (found[m->id] != paid)
            return vmsim__err_set(err, VMSIM_ECHECK, "cgroup %u pays for %llu bytes of objects, %llu found", m->id,
                                  (unsigned long long)paid, (unsigned long long)found[m->id]);
    }
    return 0;
}
