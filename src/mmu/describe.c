/* SPDX-License-Identifier: MIT */
/* A walk as text, for people: what each level was asked, what it read, and what that means.
 *
 *     va 0x00007f0012345678  x86_64, index bits 9+9+9+9, offset 12
 *       level 3  index  254  entry at 0x00000017f0 = 0x0000000000002067  table 0x2000  present read write exec ...
 *       ...
 *       -> pa 0x00abcde678 in a page of 4 KiB: read write user dirty; 4 references */
#include "mmu/mmu.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* One line under construction; what does not fit is cut. */
struct text {
    char at[256];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(t->at + t->length, sizeof t->at - t->length, format, arguments);
    va_end(arguments);
    if (n > 0)
        t->length = (size_t)vmsim__min64(t->length + (size_t)n, sizeof t->at - 1);
}

static void add_size(struct text *t, unsigned shift) {
    static const char units[] = "BKMGTPE";
    unsigned unit = shift / 10;
    add(t, "%u %c%s", 1u << shift % 10, units[unit], unit ? "iB" : "");
}

static void add_flags(struct text *t, uint32_t flags) {
    static const struct {
        uint32_t flag;
        const char *name;
    } names[] = {
        {VMSIM__PTE_PRESENT, "present"}, {VMSIM__PTE_PROTNONE, "protnone"},     {VMSIM__PTE_SWAP, "swap"},
        {VMSIM__PTE_READ, "read"},       {VMSIM__PTE_WRITE, "write"},           {VMSIM__PTE_EXEC, "exec"},
        {VMSIM__PTE_USER, "user"},       {VMSIM__PTE_GLOBAL, "global"},         {VMSIM__PTE_ACCESSED, "accessed"},
        {VMSIM__PTE_DIRTY, "dirty"},     {VMSIM__PTE_CONTIG, "contiguous"},     {VMSIM__PTE_SPECIAL, "special"},
        {VMSIM__PTE_LEAF, "leaf"},       {VMSIM__PTE_SOFT_DIRTY, "soft-dirty"},
    };
    for (size_t i = 0; i < VMSIM__COUNT(names); i++)
        if (flags & names[i].flag)
            add(t, " %s", names[i].name);
    if (flags & VMSIM__PTE_MEMTYPE_MASK)
        add(t, " memtype=%u", (flags & VMSIM__PTE_MEMTYPE_MASK) >> VMSIM__PTE_MEMTYPE_SHIFT);
}

static void add_entry(struct text *t, const struct vmsim__pt_format *f, unsigned level, uint64_t raw) {
    struct vmsim__pte pte = f->decode(f, level, raw);
    int digits = f->entry_bytes * 2;
    add(t, " = 0x%0*" PRIx64, digits, raw);
    if (!raw)
        add(t, "  empty");
    else if (pte.flags & VMSIM__PTE_SWAP)
        add(t, "  payload 0x%" PRIx64 " ", pte.pfn);
    else if (pte.flags & VMSIM__PTE_LEAF)
        add(t, "  page 0x%" PRIx64 " ", pte.pfn << f->page_shift);
    else if (pte.flags & VMSIM__PTE_PRESENT)
        add(t, "  table 0x%" PRIx64 " ", pte.pfn << f->page_shift);
    add_flags(t, pte.flags & ~VMSIM__PTE_LEAF);
}

static void head_line(const struct vmsim__pagetable *pt, uint64_t va, struct text *t) {
    const struct vmsim__pt_format *f = pt->format;
    add(t, "va 0x%016" PRIx64 "  %s", va, f->name);
    for (unsigned level = f->levels; level-- > 0;)
        add(t, "%s%u", level + 1u == f->levels ? ", index bits " : "+", f->index_bits[level]);
    add(t, ", offset %u", f->page_shift);
}

static void level_line(const struct vmsim__pagetable *pt, const struct vmsim__walk *w, unsigned ref, struct text *t) {
    VMSIM__ASSERT(ref < w->refs && ref < pt->format->levels);
    const struct vmsim__pt_format *f = pt->format;
    unsigned level = f->levels - 1u - ref;
    uint64_t offset = w->ref[ref] - (w->table[level] << f->page_shift);
    struct vmsim__pt_slot slot = {.entry = (unsigned char *)w->table_host[level] + offset};
    add(t, "  level %u  index %4" PRIu64 "  entry at 0x%010" PRIx64, level, offset / f->entry_bytes, w->ref[ref]);
    add_entry(t, f, level, vmsim__pt_read(f, &slot));
}

static void result_line(const struct vmsim__pagetable *pt, const struct vmsim__walk *w, unsigned mode, struct text *t) {
    if (!w->fault) {
        add(t, "  -> pa 0x%010" PRIx64 " in a page of ", w->pa);
        add_size(t, w->page_shift);
        add(t, ":");
        add_flags(t, w->flags & ~(VMSIM__PTE_PRESENT | VMSIM__PTE_LEAF));
        add(t, "; %u references", w->refs);
        return;
    }
    enum vmsim__fault fault = (enum vmsim__fault)w->fault;
    bool write = mode & VMSIM__WALK_WRITE, fetch = mode & VMSIM__WALK_FETCH, user = mode & VMSIM__WALK_USER;
    add(t, "  -> fault: %s at level %u, code 0x%x; %u references", vmsim__fault_name(fault), w->level,
        vmsim__fault_code(pt->format, fault, w->level, write, fetch, user), w->refs);
}

void vmsim__walk_describe(const struct vmsim__pagetable *pt, uint64_t va, unsigned mode,
                          void (*line)(void *context, const char *text), void *context) {
    struct vmsim__walk w = {0};
    struct text t = {.length = 0};
    vmsim__mmu_walk(pt, va, mode | VMSIM__WALK_PROBE, &w);
    head_line(pt, va, &t);
    line(context, t.at);
    for (unsigned ref = 0; ref < w.refs; ref++) {
        t = (struct text){.length = 0};
        level_line(pt, &w, ref, &t);
        line(context, t.at);
    }
    t = (struct text){.length = 0};
    result_line(pt, &w, mode, &t);
    line(context, t.at);
}
