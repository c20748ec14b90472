/* SPDX-License-Identifier: MIT */
/* No MMU: addresses are physical. A table of regions, as a memory protection unit holds it, says who may do what.
 *
 * Regions are sorted and disjoint, neighbours with equal flags are one; the table's storage is the caller's, so that an
 * MPU with its 8 or 16 regions can run out of them. Lookup is a binary search.
 *
 * Kernel counterpart: mm/nommu.c; hardware: Arm PMSA, RISC-V PMP. */
#include "mmu/walker.h"
#include <string.h>

/* The first region that ends at or after `address`. */
static uint32_t region_index(const struct vmsim__regions *r, uint64_t address) {
    uint32_t low = 0, high = r->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (r->at[middle].last < address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct vmsim__region *vmsim__regions_find(const struct vmsim__regions *r, uint64_t address) {
    uint32_t i = region_index(r, address);
    return i < r->count && r->at[i].start <= address ? &r->at[i] : NULL;
}

/* What stands between the regions left of [start, last] and right of it: at most the cut ends and the new one. */
struct splice {
    struct vmsim__region piece[3];
    uint32_t pieces, from, to; /* replaces at[from .. to - 1] */
};

static void splice_add(struct splice *s, uint64_t start, uint64_t last, uint32_t flags) {
    VMSIM__ASSERT(start <= last && s->pieces <= VMSIM__COUNT(s->piece));
    struct vmsim__region *previous = s->pieces ? &s->piece[s->pieces - 1] : NULL;
    if (previous && previous->flags == flags && previous->last + 1 == start)
        previous->last = last;
    else
        s->piece[s->pieces++] = (struct vmsim__region){start, last, flags};
}

bool vmsim__regions_set(struct vmsim__regions *r, uint64_t start, uint64_t last, uint32_t flags) {
    /* Neighbours that touch take part, to be merged when they are alike. */
    struct splice s = {.from = region_index(r, start ? start - 1 : 0)};
    VMSIM__ASSERT(start <= last);
    s.to = s.from;
    if (s.from < r->count && r->at[s.from].start < start) {
        const struct vmsim__region *left = &r->at[s.from];
        splice_add(&s, left->start, vmsim__min64(left->last, start - 1), left->flags);
    }
    if (flags)
        splice_add(&s, start, last, flags);
    for (; s.to < r->count && (r->at[s.to].start <= last || r->at[s.to].start - 1 == last); s.to++)
        if (r->at[s.to].last > last)
            splice_add(&s, vmsim__max64(r->at[s.to].start, last + 1), r->at[s.to].last, r->at[s.to].flags);
    uint32_t count = r->count - (s.to - s.from) + s.pieces;
    VMSIM__ASSERT(s.pieces <= VMSIM__COUNT(s.piece) && s.from <= s.to && s.to <= r->count);
    if (count > r->capacity)
        return false;
    memmove(&r->at[s.from + s.pieces], &r->at[s.to], (r->count - s.to) * sizeof *r->at);
    memcpy(&r->at[s.from], s.piece, s.pieces * sizeof *r->at);
    r->count = count;
    return true;
}

/* There are no entries to encode: nothing is present. */
uint64_t vmsim__nommu_encode(const struct vmsim__pt_format *f, unsigned level, struct vmsim__pte pte) {
    (void)f, (void)level, (void)pte;
    return 0;
}
struct vmsim__pte vmsim__nommu_decode(const struct vmsim__pt_format *f, unsigned level, uint64_t raw) {
    (void)f, (void)level, (void)raw;
    return (struct vmsim__pte){0, 0};
}
uint64_t vmsim__nommu_encode_table(const struct vmsim__pt_format *f, unsigned level, uint64_t table_pfn) {
    (void)f, (void)level, (void)table_pfn;
    return 0;
}

static enum vmsim__fault region_fault(uint32_t missing) {
    if (missing & VMSIM__PTE_USER)
        return VMSIM__FAULT_USER;
    if (missing & VMSIM__PTE_WRITE)
        return VMSIM__FAULT_WRITE;
    return missing & VMSIM__PTE_EXEC ? VMSIM__FAULT_EXEC : missing ? VMSIM__FAULT_READ : VMSIM__FAULT_NONE;
}

/* Reads no entry: the regions are registers. */
bool vmsim__nommu_walk(VMSIM__WALK_PARAMETERS) {
    (void)table, (void)table_host;
    uint32_t flags = VMSIM__PTE_RWXU;
    if (pt->regions) {
        const struct vmsim__region *region = vmsim__regions_find(pt->regions, va);
        if (!region)
            return vmsim__walk_fail(w, VMSIM__FAULT_NOT_PRESENT, 0, 0);
        flags = region->flags & VMSIM__PTE_RWXU;
    }
    w->flags = flags | VMSIM__PTE_PRESENT | VMSIM__PTE_LEAF | VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY;
    w->pa = va;
    w->pfn = va >> pt->format->page_shift;
    w->page_shift = pt->format->page_shift;
    w->level = w->refs = 0;
    w->fault = (uint8_t)region_fault(vmsim__walk_need(start & 15) & ~flags);
    return !w->fault;
}
