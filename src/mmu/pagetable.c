/* SPDX-License-Identifier: MIT */
/* Page tables as the operating system handles them: finding and making entries, iterating, freeing tables.
 *
 * Addresses are handled in *linear* form: the canonical addresses of a format, counted from 0 without the hole in the
 * middle, so that the top level's index runs with them and one loop serves both halves:
 *
 *     va      0 ........ 0x7fff'ffff'ffff | hole | 0xffff'8000'0000'0000 ........ 2^64 - 1
 *     linear  0 ........ 2^47 - 1                  2^47 ........................ 2^48 - 1
 *
 * Ranges carry their last byte, not their end, because the end of the top is no number.
 *
 * Kernel counterparts: mm/memory.c (free_pgtables, __pte_alloc), include/linux/pgtable.h, mm/pagewalk.c. */
#include "mmu/mmu.h"
#include <string.h>

static uint64_t linear_max(const struct vmsim__pt_format *f) {
    return UINT64_MAX >> (64 - f->va_bits);
}
/* An address in the hole becomes the first one above it (or, where there is no upper half, linear_max + 1). */
static uint64_t linear_up(const struct vmsim__pt_format *f, uint64_t va) {
    if (vmsim__va_canonical(f, va))
        return va & linear_max(f);
    return f->va_signed ? UINT64_C(1) << (f->va_bits - 1) : linear_max(f) + 1;
}
static uint64_t linear_va(const struct vmsim__pt_format *f, uint64_t linear) {
    VMSIM__ASSERT(linear <= linear_max(f));
    unsigned spare = 64u - f->va_bits;
    return f->va_signed ? (uint64_t)((int64_t)(linear << spare) >> spare) : linear;
}
/* The last byte below `end`; false: there is none. */
static bool linear_last(const struct vmsim__pt_format *f, uint64_t end, uint64_t *last) {
    uint64_t e = end ? linear_up(f, end) : linear_max(f) + 1;
    *last = e - 1;
    return e > 0;
}

static uint32_t index_of(const struct vmsim__pt_format *f, unsigned level, uint64_t linear) {
    VMSIM__ASSERT(level < f->levels);
    return (uint32_t)(linear >> f->shift[level]) & ((1u << f->index_bits[level]) - 1);
}
static void *entry_of(const struct vmsim__pt_format *f, void *table, uint32_t index) {
    VMSIM__ASSERT(table);
    return (unsigned char *)table + (size_t)index * f->entry_bytes;
}
static uint64_t span_last(const struct vmsim__pt_format *f, unsigned level, uint64_t linear) {
    return linear | ((UINT64_C(1) << f->shift[level]) - 1);
}

static uint64_t new_table(struct vmsim__pagetable *pt, unsigned level) {
    VMSIM__ASSERT(level < pt->format->levels);
    uint64_t pfn = pt->mem->alloc(pt->mem->context, level);
    if (pfn != VMSIM__NO_FRAME)
        pt->tables[level]++;
    return pfn;
}
static void free_table(struct vmsim__pagetable *pt, unsigned level, uint64_t pfn) {
    VMSIM__ASSERT(pfn != VMSIM__NO_FRAME);
    VMSIM__ASSERT(pt->tables[level]);
    pt->tables[level]--;
    pt->released++;
    pt->mem->release(pt->mem->context, pfn, level);
}

bool vmsim__pagetable_init(struct vmsim__pagetable *pt, const struct vmsim__pt_format *f,
                           const struct vmsim__ptmem *mem) {
    VMSIM__ASSERT(f->levels <= VMSIM__PT_LEVELS && (f->entry_bytes == 4 || f->entry_bytes == 8));
    memset(pt, 0, sizeof *pt);
    pt->format = f;
    pt->mem = mem;
    pt->pa_bits = f->pa_bits;
    pt->hardware_accessed = f->hardware_accessed;
    pt->hardware_dirty = f->hardware_dirty;
    if (!f->levels)
        return true;
    pt->root = new_table(pt, f->levels - 1u);
    if (pt->root == VMSIM__NO_FRAME)
        return false;
    pt->root_table = mem->table(mem->context, pt->root);
    VMSIM__ASSERT(pt->root_table);
    VMSIM__ASSERT(pt->tables[f->levels - 1u] == 1);
    return true;
}

/* Releases every table below the one given. */
static void free_below(struct vmsim__pagetable *pt, unsigned level, void *table) {
    const struct vmsim__pt_format *f = pt->format;
    struct vmsim__pt_slot slot = {.level = (uint8_t)level};
    if (!level)
        return;
    for (slot.index = 0; slot.index < 1u << f->index_bits[level]; slot.index++) {
        slot.entry = entry_of(f, table, slot.index);
        if (vmsim__pt_is_table(f, level, vmsim__pt_read(f, &slot)))
            vmsim__pt_free_table(pt, &slot);
    }
}

/* Children first: once the entry is cleared nothing leads to them. Kernel: pte_free and pmd_free of a collapsed
 * range. */
void vmsim__pt_free_table(struct vmsim__pagetable *pt, const struct vmsim__pt_slot *slot) {
    VMSIM__ASSERT(slot->level > 0);
    uint64_t raw = vmsim__pt_read(pt->format, slot), pfn = vmsim__pt_table_pfn(pt->format, raw);
    VMSIM__ASSERT(vmsim__pt_is_table(pt->format, slot->level, raw));
    free_below(pt, slot->level - 1u, vmsim__ptmem_table(pt->mem, pfn));
    vmsim__pt_write(pt->format, slot, 0);
    free_table(pt, slot->level - 1u, pfn);
}

void vmsim__pagetable_fini(struct vmsim__pagetable *pt) {
    if (pt->root_table) {
        free_below(pt, pt->format->levels - 1u, pt->root_table);
        free_table(pt, pt->format->levels - 1u, pt->root);
    }
    memset(pt, 0, sizeof *pt);
}

/* Hangs a new table into the empty entry of `slot`. Kernel: __pte_alloc, __pmd_alloc and their like. */
static bool grow(struct vmsim__pagetable *pt, const struct vmsim__pt_slot *slot, uint64_t *raw) {
    VMSIM__ASSERT(slot->level > 0 && !vmsim__pt_read(pt->format, slot));
    uint64_t pfn = new_table(pt, slot->level - 1u);
    if (pfn == VMSIM__NO_FRAME)
        return false;
    *raw = pt->format->encode_table(pt->format, slot->level, pfn);
    vmsim__pt_write(pt->format, slot, *raw);
    return true;
}

bool vmsim__pt_slot(struct vmsim__pagetable *pt, uint64_t va, unsigned level, bool create,
                    struct vmsim__pt_slot *slot) {
    const struct vmsim__pt_format *f = pt->format;
    uint64_t table = pt->root;
    void *host = pt->root_table;
    VMSIM__ASSERT(level < f->levels);
    slot->entry = NULL;
    if (!vmsim__va_canonical(f, va))
        return false;
    for (unsigned l = f->levels - 1u;; l--) {
        slot->level = (uint8_t)l;
        slot->table = table;
        slot->index = index_of(f, l, va);
        slot->entry = entry_of(f, host, slot->index);
        if (l == level)
            return true;
        uint64_t raw = vmsim__pt_read(f, slot);
        if (!vmsim__pt_is_table(f, l, raw)) {
            if (raw)
                return true;
            if (!create || !grow(pt, slot, &raw)) {
                slot->entry = NULL;
                return !create;
            }
        }
        table = vmsim__pt_table_pfn(f, raw);
        host = vmsim__ptmem_table(pt->mem, table);
        VMSIM__ASSERT(host);
    }
}

/* The first non-empty entry of a table from slot->index on that lies in [*linear, last]; moves both along. */
static bool next_in_table(const struct vmsim__pt_format *f, void *host, uint64_t *linear, uint64_t last,
                          struct vmsim__pt_slot *slot, uint64_t *raw) {
    VMSIM__ASSERT(slot->index < 1u << f->index_bits[slot->level] && *linear <= last);
    for (;;) {
        slot->entry = entry_of(f, host, slot->index);
        *raw = vmsim__pt_read(f, slot);
        if (*raw)
            return true;
        uint64_t end = span_last(f, slot->level, *linear);
        if (end >= last || slot->index + 1 == 1u << f->index_bits[slot->level]) {
            *linear = end;
            return false;
        }
        *linear = end + 1;
        slot->index++;
    }
}

/* Depth first, the tables on the way kept: the loop goes down at a pointer and up at the end of a table. */
bool vmsim__pt_next(struct vmsim__pagetable *pt, uint64_t *va, uint64_t end, struct vmsim__pt_slot *slot) {
    const struct vmsim__pt_format *f = pt->format;
    const unsigned top = f->levels - 1u;
    uint64_t linear = linear_up(f, *va), last, pfns[VMSIM__PT_LEVELS], raw;
    void *hosts[VMSIM__PT_LEVELS];
    unsigned level = top;
    slot->entry = NULL;
    if (!linear_last(f, end, &last) || linear > last)
        return false;
    pfns[top] = pt->root;
    hosts[top] = pt->root_table;
    for (;;) {
        slot->level = (uint8_t)level;
        slot->table = pfns[level];
        slot->index = index_of(f, level, linear);
        if (!next_in_table(f, hosts[level], &linear, last, slot, &raw)) {
            if (linear >= last)
                break;
            linear++;
            do
                level++;
            while (level < top && !index_of(f, level, linear));
        } else if (vmsim__pt_is_table(f, level, raw)) {
            level--;
            pfns[level] = vmsim__pt_table_pfn(f, raw);
            hosts[level] = vmsim__ptmem_table(pt->mem, pfns[level]);
        } else {
            *va = linear_va(f, linear & ~((UINT64_C(1) << f->shift[level]) - 1));
            return true;
        }
    }
    slot->entry = NULL;
    return false;
}

/* One munmap's work: what is cleared, and how far its neighbours let it go. */
struct free_range {
    struct vmsim__pagetable *pt;
    uint64_t start, last, floor, ceiling_last; /* linear */
    uint64_t freed;
};

#ifndef NDEBUG
static bool table_empty(const struct vmsim__pt_format *f, unsigned level, void *table) {
    static const unsigned char zero[8];
    for (uint32_t i = 0; i < 1u << f->index_bits[level]; i++)
        if (memcmp(entry_of(f, table, i), zero, f->entry_bytes))
            return false;
    return true;
}
#endif

/* Visits the entries of the table at `base` that overlap the range, children first. Kernel: free_pgd_range and its
 * levels. */
static void free_range_level(struct free_range *r, unsigned level, void *table, uint64_t base) {
    VMSIM__ASSERT(level > 0 && base <= r->last);
    const struct vmsim__pt_format *f = r->pt->format;
    uint64_t linear = vmsim__max64(base, r->start) & ~((UINT64_C(1) << f->shift[level]) - 1);
    uint64_t last = level == f->levels - 1u ? r->last : vmsim__min64(r->last, span_last(f, level + 1, base));
    struct vmsim__pt_slot slot = {.level = (uint8_t)level};
    for (; linear <= last; linear = span_last(f, level, linear) + 1) {
        slot.index = index_of(f, level, linear);
        slot.entry = entry_of(f, table, slot.index);
        uint64_t raw = vmsim__pt_read(f, &slot);
        if (!vmsim__pt_is_table(f, level, raw))
            continue;
        uint64_t child = vmsim__pt_table_pfn(f, raw);
        void *host = vmsim__ptmem_table(r->pt->mem, child);
        if (level > 1)
            free_range_level(r, level - 1, host, linear);
        if (linear < r->floor || span_last(f, level, linear) > r->ceiling_last)
            continue;
        VMSIM__ASSERT(table_empty(f, level - 1, host));
        vmsim__pt_write(f, &slot, 0);
        free_table(r->pt, level - 1, child);
        r->freed++;
    }
}

uint64_t vmsim__pt_free_range(struct vmsim__pagetable *pt, uint64_t start, uint64_t end, uint64_t floor,
                              uint64_t ceiling) {
    const struct vmsim__pt_format *f = pt->format;
    struct free_range r = {.pt = pt, .start = linear_up(f, start), .floor = linear_up(f, floor)};
    if (!linear_last(f, end, &r.last) || !linear_last(f, ceiling, &r.ceiling_last))
        return 0;
    if (f->levels > 1 && r.start <= r.last)
        free_range_level(&r, f->levels - 1u, pt->root_table, 0);
    return r.freed;
}
