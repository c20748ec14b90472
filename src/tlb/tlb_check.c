/* SPDX-License-Identifier: MIT */
/* The checker: no cached translation may say more than its page table says now.
 *
 * Each entry is compared with a walk that changes nothing, made with the entry's own rights:
 *   - the table must map the page, to the same frame, at least as large as the entry;
 *   - each right of the entry (R, W, X, U, global) must be in the table, and D only if the table has it;
 *   - the filter's slots must stand for live entries (host data, so an error there is vmsim's own).
 * Walk-cache entries must lead to the table that a walk from the root would reach. */
#include <string.h>

#include "tlb/tlb_walk.h"

struct check {
    const struct vmsim__tlb *t;
    vmsim__tlb_resolver *resolve;
    void *context;
    struct vmsim__err *err;
};

static uint64_t sign_extend(uint64_t va57) {
    return (uint64_t)((int64_t)(va57 << 7) >> 7);
}

/* A walk that may look at anything: as the supervisor, reading. */
static bool look(const struct vmsim__pagetable *pt, uint64_t va, struct vmsim__walk *w) {
    if (vmsim__mmu_walk(pt, va, VMSIM__WALK_PROBE, w))
        return true;
    return vmsim__mmu_walk(pt, va, VMSIM__WALK_PROBE | VMSIM__WALK_USER, w) ||
           vmsim__mmu_walk(pt, va, VMSIM__WALK_PROBE | VMSIM__WALK_FETCH | VMSIM__WALK_USER, w);
}

static int complain(const struct check *c, const char *where, uint64_t va, uint64_t tag, const char *what) {
    return vmsim__err_set(c->err, VMSIM_ECHECK, "%s: entry of ASID %u for 0x%llx: %s", where,
                          (unsigned)tlb_tag_asid(tag), (unsigned long long)va, what);
}

static int check_entry(const struct check *c, const struct tlb_array *r, uint64_t tag, uint64_t data) {
    const struct vmsim__tlb *t = c->t;
    const struct vmsim__pagetable *pt = c->resolve(c->context, tlb_tag_asid(tag));
    unsigned shift = t->class_shift[tlb_tag_class(tag)];
    uint64_t va = sign_extend(tag >> TLB_PAGE_SHIFT << shift), pa = data >> TLB_FRAME_SHIFT << t->page_shift;
    struct vmsim__walk w;
    if (!pt)
        return 0;
    if (!look(pt, va, &w))
        return complain(c, r->name, va, tag, "the page table maps nothing there");
    if (w.page_shift < shift)
        return complain(c, r->name, va, tag, "the page is smaller in the page table");
    if (w.pa != pa)
        return complain(c, r->name, va, tag, "the page table maps another frame");
    uint64_t held = data & (VMSIM__PTE_RWXU | VMSIM__PTE_GLOBAL | VMSIM__PTE_DIRTY);
    if (t->format->contig_shift[w.level])
        held &= ~(uint64_t)VMSIM__PTE_DIRTY; /* D of a group is that of the member walked */
    if (held & ~(uint64_t)w.flags)
        return complain(c, r->name, va, tag, "the entry grants rights that the page table does not");
    return 0;
}

static int check_array(const struct check *c, const struct tlb_array *r) {
    uint32_t valid = 0, of_asid[TLB_ASID_COUNTS] = {0};
    for (uint32_t set = 0; set < r->sets; set++) {
        uint64_t *tags = tlb_tags(r, set);
        for (uint32_t w = 0; w < r->ways; w++) {
            if (tags[w] == TLB_INVALID)
                continue;
            valid++;
            of_asid[tlb_tag_asid(tags[w]) % TLB_ASID_COUNTS]++;
            int e = check_entry(c, r, tags[w], *tlb_data(r, tags + w));
            if (e)
                return e;
        }
    }
    if (valid != r->valid)
        return vmsim__err_set(c->err, VMSIM_ECHECK, "%s: %u entries are valid, %u are counted", r->name, valid,
                              r->valid);
    if (memcmp(of_asid, r->of_asid, sizeof of_asid) != 0)
        return vmsim__err_set(c->err, VMSIM_ECHECK, "%s: entries by ASID are not what is counted", r->name);
    return 0;
}

static int check_walk_entry(const struct check *c, unsigned level, uint64_t tag, const struct tlb_walk_way *way) {
    const struct vmsim__pagetable *pt = c->resolve(c->context, (uint16_t)tag);
    uint64_t va = sign_extend(tag >> 16 << c->t->format->shift[level]);
    struct vmsim__walk w;
    if (!pt)
        return 0;
    look(pt, va, &w); /* a fault further down says nothing against the upper levels */
    if (w.level >= level || w.fault == VMSIM__FAULT_NONCANONICAL || w.table[level - 1] != way->table ||
        w.table_host[level - 1] != way->host)
        return vmsim__err_set(c->err, VMSIM_ECHECK,
                              "walk cache %u: entry of ASID %u for 0x%llx leads to a table that is not there", level,
                              (unsigned)(uint16_t)tag, (unsigned long long)va);
    if (way->flags & VMSIM__PTE_RWXU & ~w.table_flags[level - 1])
        return vmsim__err_set(c->err, VMSIM_ECHECK,
                              "walk cache %u: entry of ASID %u for 0x%llx grants rights that the tables do not", level,
                              (unsigned)(uint16_t)tag, (unsigned long long)va);
    return 0;
}

static int check_walk_cache(const struct check *c, unsigned level) {
    const struct tlb_walk_cache *cache = &c->t->walk_cache[level];
    uint32_t valid = 0;
    for (uint32_t at = 0; at < cache->entries; at++) {
        uint64_t tag = cache->tag[at];
        int e = tag == TLB_INVALID ? 0 : check_walk_entry(c, level, tag, &cache->way[at]);
        valid += tag != TLB_INVALID;
        if (e)
            return e;
    }
    if (valid != c->t->walk_valid[level])
        return vmsim__err_set(c->err, VMSIM_ECHECK, "walk cache %u: %u entries are valid, %u are counted", level, valid,
                              c->t->walk_valid[level]);
    return 0;
}

/* A leaf table that is remembered is where the page table has it, if the entry above still reads the same. */
static int check_leaf_table(const struct check *c, const struct tlb_leaf_table *leaf) {
    const struct vmsim__pt_format *f = c->t->format;
    const struct vmsim__pagetable *pt = c->resolve(c->context, (uint16_t)leaf->key);
    uint64_t va = sign_extend((leaf->key >> 16 & ((UINT64_C(1) << 36) - 1)) << f->shift[1]);
    struct vmsim__walk w;
    if (!pt || leaf->key >> 52 != c->t->leaf_epoch || !vmsim__tlb_leaf_current(c->t, pt, (uint16_t)leaf->key))
        return 0;
    look(pt, va, &w);
    if (w.level > 1 || w.fault == VMSIM__FAULT_NONCANONICAL)
        return 0;
    uint64_t index = va >> f->shift[1] & ((UINT64_C(1) << f->index_bits[1]) - 1);
    const void *upper = w.table_host[1];
    if (leaf->raw != (f->entry_bytes == 8 ? ((const uint64_t *)upper)[index] : ((const uint32_t *)upper)[index]))
        return 0;
    if (w.level == 1 || w.table[0] != vmsim__pt_table_pfn(f, leaf->raw) || w.table_host[0] != leaf->host)
        return vmsim__err_set(c->err, VMSIM_ECHECK, "leaf table of ASID %u for 0x%llx is not there",
                              (unsigned)(uint16_t)leaf->key, (unsigned long long)va);
    return 0;
}

/* Does a live level-1 entry with this place of last_use hold the slot's page? */
static bool slot_lives(const struct vmsim__tlb *t, const struct tlb_filter_slot *s, bool fetch) {
    for (struct tlb_array *const *at = t->side[fetch].path; *at && (*at)->level == 1; at++) {
        uint64_t *tag = vmsim__tlb_array_find(t, *at, t->filter_asid, s->key << t->page_shift);
        if (tag && tlb_use(*at, tag) == s->use)
            return true;
    }
    return false;
}

static int check_filter(const struct check *c) {
    for (unsigned i = 0; i < 4 * TLB_FILTER_SLOTS; i++) {
        const struct tlb_filter_slot *s = &c->t->filter[i];
        if (s->key != TLB_INVALID && !slot_lives(c->t, s, i >> TLB_FILTER_BITS == VMSIM_FETCH))
            return vmsim__err_set(c->err, VMSIM_ECHECK, "filter: page 0x%llx has no entry", (unsigned long long)s->key);
    }
    return 0;
}

static int check_softmmu(const struct check *c) {
    const struct tlb_softmmu *s = &c->t->softmmu;
    const struct vmsim__pagetable *pt = s->max ? c->resolve(c->context, s->asid) : NULL;
    struct vmsim__walk w;
    uint64_t va, pa;
    for (uint32_t i = 0; pt && i < tlb_softmmu_entries(s); i++)
        if (vmsim__tlb_softmmu_entry(c->t, i, &va, &pa) && (!look(pt, sign_extend(va), &w) || w.pa != pa))
            return vmsim__err_set(c->err, VMSIM_ECHECK,
                                  "softmmu: the page table has nothing, or another frame, at 0x%llx",
                                  (unsigned long long)va);
    return 0;
}

int vmsim__tlb_check(const struct vmsim__tlb *t, vmsim__tlb_resolver *resolve, void *context, struct vmsim__err *err) {
    struct check c = {t, resolve, context, err};
    int e = check_filter(&c);
    if (!e)
        e = check_softmmu(&c);
    for (unsigned i = 0; i < t->arrays && !e; i++)
        e = check_array(&c, &t->array[i]);
    for (unsigned level = 1; level < VMSIM__PT_LEVELS && !e; level++)
        e = check_walk_cache(&c, level);
    for (unsigned i = 0; i < TLB_LEAF_TABLES && !e; i++)
        e = check_leaf_table(&c, &t->leaf[i]);
    return e;
}
