/* SPDX-License-Identifier: MIT */
/* The public face of the MMU (vmsim/mmu.h): mapping of whole ranges on top of single entries, and walks.
 *
 * A range is mapped by leaves and contiguous groups, together called *sizes*: (level, group or not). Everything that
 * can be refused is refused before anything is changed; only a missing table frame is met half-way, and undone. */
#include "vmsim/mmu.h"
#include "mmu/mmu.h"
#include "vmsim/error.h"
#include <string.h>

struct inner {
    struct vmsim__ptmem mem;
    struct vmsim__pagetable pt;
};
static_assert(sizeof(struct inner) <= sizeof((struct vmsim_mmu *)0)->internal, "room for the page table");
static_assert(VMSIM_MMU_READ == VMSIM__PTE_READ && VMSIM_MMU_WRITE == VMSIM__PTE_WRITE &&
                  VMSIM_MMU_EXEC == VMSIM__PTE_EXEC && VMSIM_MMU_USER == VMSIM__PTE_USER &&
                  VMSIM_MMU_GLOBAL == VMSIM__PTE_GLOBAL && VMSIM_MMU_ACCESSED == VMSIM__PTE_ACCESSED &&
                  VMSIM_MMU_DIRTY == VMSIM__PTE_DIRTY && VMSIM_MMU_CONTIG == VMSIM__PTE_CONTIG,
              "public flags are the internal ones");
static_assert(VMSIM_MMU_AS_WRITE == VMSIM__WALK_WRITE && VMSIM_MMU_AS_FETCH == VMSIM__WALK_FETCH &&
                  VMSIM_MMU_AS_USER == VMSIM__WALK_USER && VMSIM_MMU_PROBE == VMSIM__WALK_PROBE,
              "public modes are the internal ones");

#define GIVEN                                                                                                          \
    (VMSIM__PTE_RWXU | VMSIM__PTE_GLOBAL | VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY) /* flags that a caller decides */

static struct inner *inner_of(struct vmsim_mmu *mmu) {
    return (struct inner *)(void *)mmu->internal;
}
static const struct vmsim__pagetable *pt_of(const struct vmsim_mmu *mmu) {
    return &((const struct inner *)(const void *)mmu->internal)->pt;
}

const char *vmsim_mmu_format(unsigned index) {
    return index < VMSIM__PT_NOMMU ? vmsim__pt_format_get((enum vmsim__pt_format_id)index)->name : NULL;
}

static const struct vmsim__pt_format *begin(struct vmsim_mmu *mmu, const char *name,
                                            const struct vmsim_mmu_memory *memory) {
    const struct vmsim__pt_format *f = name ? vmsim__pt_format_find(name) : NULL;
    memset(mmu, 0, sizeof *mmu);
    if (!f || !f->levels || !memory || !memory->table)
        return NULL;
    struct vmsim__ptmem *mem = &inner_of(mmu)->mem;
    mem->context = memory->context;
    mem->table = memory->table;
    mem->alloc = memory->alloc;
    mem->release = memory->release;
    mmu->format = f->name;
    mmu->levels = f->levels;
    mmu->page_shift = f->page_shift;
    mmu->va_bits = f->va_bits;
    return f;
}

int vmsim_mmu_init(struct vmsim_mmu *mmu, const char *format, const struct vmsim_mmu_memory *memory) {
    if (!mmu || !format || !memory)
        return VMSIM_EINVAL;
    const struct vmsim__pt_format *f = begin(mmu, format, memory);
    struct inner *in = inner_of(mmu);
    if (!f || !memory->alloc || !memory->release)
        return VMSIM_EINVAL;
    if (!vmsim__pagetable_init(&in->pt, f, &in->mem)) {
        memset(mmu, 0, sizeof *mmu);
        return VMSIM_ENOMEM;
    }
    mmu->root = in->pt.root;
    return 0;
}

int vmsim_mmu_attach(struct vmsim_mmu *mmu, const char *format, const struct vmsim_mmu_memory *memory, uint64_t root) {
    if (!mmu || !format || !memory)
        return VMSIM_EINVAL;
    const struct vmsim__pt_format *f = begin(mmu, format, memory);
    struct inner *in = inner_of(mmu);
    void *table = f ? memory->table(memory->context, root) : NULL;
    if (!table)
        return VMSIM_EINVAL;
    in->pt = (struct vmsim__pagetable){.format = f,
                                       .mem = &in->mem,
                                       .root = root,
                                       .root_table = table,
                                       .pa_bits = f->pa_bits,
                                       .hardware_accessed = f->hardware_accessed,
                                       .hardware_dirty = f->hardware_dirty};
    mmu->root = root;
    mmu->attached = 1;
    return 0;
}

void vmsim_mmu_fini(struct vmsim_mmu *mmu) {
    if (!mmu)
        return;
    if (!mmu->attached)
        vmsim__pagetable_fini(&inner_of(mmu)->pt);
    memset(mmu, 0, sizeof *mmu);
}

void vmsim_mmu_hardware_update(struct vmsim_mmu *mmu, bool accessed, bool dirty) {
    if (!mmu)
        return;
    inner_of(mmu)->pt.hardware_accessed = accessed;
    inner_of(mmu)->pt.hardware_dirty = dirty;
}

int vmsim_mmu_set_upper(struct vmsim_mmu *mmu, const struct vmsim_mmu *upper) {
    if (!mmu)
        return VMSIM_EINVAL;
    struct vmsim__pagetable *pt = &inner_of(mmu)->pt;
    if (!pt->format || pt->format->arch != VMSIM__PT_ARCH_ARM64 || pt->format->va_bits < 48 || upper == mmu ||
        (upper && pt_of(upper)->format != pt->format))
        return VMSIM_EINVAL;
    pt->upper = upper ? pt_of(upper) : NULL;
    return 0;
}

/* ---- ranges ---- */

/* A range of whole base pages within one half of the address space; `end` may be 0, the top. */
static bool range_ok(const struct vmsim__pt_format *f, uint64_t va, uint64_t size) {
    uint64_t last = va + size - 1, page = UINT64_C(1) << f->page_shift;
    return size && !((va | size) & (page - 1)) && last >= va && vmsim__va_canonical(f, va) &&
           vmsim__va_canonical(f, last) && !(f->va_signed && (va ^ last) >> 63);
}

/* One entry's reach: of its whole contiguous group where it is in one. */
static uint64_t reach(const struct vmsim__pt_format *f, const struct vmsim__pt_slot *slot, uint64_t *va) {
    VMSIM__ASSERT(slot->entry);
    struct vmsim__pte pte = vmsim__pt_get(f, slot);
    unsigned shift = f->shift[slot->level];
    if (pte.flags & VMSIM__PTE_CONTIG)
        shift += f->contig_shift[slot->level];
    *va &= ~((UINT64_C(1) << shift) - 1);
    return UINT64_C(1) << shift;
}

/* Nothing mapped in the range begins before it or ends behind it. A leaf cannot be unmapped or protected in part:
 * splitting is the operating system's affair, which the caller plays here. */
static bool range_whole(struct vmsim__pagetable *pt, uint64_t start, uint64_t size) {
    struct vmsim__pt_slot slot;
    uint64_t end = start + size;
    for (uint64_t va = start; vmsim__pt_next(pt, &va, end, &slot);) {
        uint64_t bytes = reach(pt->format, &slot, &va);
        if (va < start || va + bytes - 1 > end - 1)
            return false;
        va += bytes;
        if (va == end)
            break;
    }
    return true;
}

static bool range_empty(struct vmsim__pagetable *pt, uint64_t va, uint64_t end) {
    struct vmsim__pt_slot slot;
    return !vmsim__pt_next(pt, &va, end, &slot);
}

/* Releases the tables that the (empty) range leaves without use. How far that goes is found by looking at the span of
 * each level's table around the range's ends. */
static void trim(struct vmsim__pagetable *pt, uint64_t va, uint64_t end) {
    VMSIM__ASSERT(!(va & ((UINT64_C(1) << pt->format->page_shift) - 1)));
    const struct vmsim__pt_format *f = pt->format;
    uint64_t floor = va, ceiling = end;
    for (unsigned level = 1; level < f->levels; level++) {
        uint64_t span = UINT64_C(1) << f->shift[level], low = va & ~(span - 1), high = ((end - 1) | (span - 1)) + 1;
        if (floor != low && range_empty(pt, low, low + span))
            floor = low;
        if (ceiling != high && range_empty(pt, high - span, high))
            ceiling = high;
    }
    vmsim__pt_free_range(pt, va, end, floor, ceiling);
}

static void clear(struct vmsim__pagetable *pt, uint64_t va, uint64_t end) {
    struct vmsim__pt_slot slot;
    while (vmsim__pt_next(pt, &va, end, &slot)) {
        vmsim__pt_write(pt->format, &slot, 0);
        va += UINT64_C(1) << pt->format->shift[slot.level];
        if (va == end)
            break;
    }
}

int vmsim_mmu_unmap(struct vmsim_mmu *mmu, uint64_t va, uint64_t size) {
    if (!mmu)
        return VMSIM_EINVAL;
    struct vmsim__pagetable *pt = &inner_of(mmu)->pt;
    if (!range_ok(pt->format, va, size) || !range_whole(pt, va, size))
        return VMSIM_EINVAL;
    clear(pt, va, va + size);
    if (!mmu->attached)
        trim(pt, va, va + size);
    return 0;
}

int vmsim_mmu_protect(struct vmsim_mmu *mmu, uint64_t va, uint64_t size, unsigned flags) {
    if (!mmu)
        return VMSIM_EINVAL;
    struct vmsim__pagetable *pt = &inner_of(mmu)->pt;
    struct vmsim__pt_slot slot;
    uint64_t end = va + size;
    if (!range_ok(pt->format, va, size) || !range_whole(pt, va, size))
        return VMSIM_EINVAL;
    while (vmsim__pt_next(pt, &va, end, &slot)) {
        struct vmsim__pte pte = vmsim__pt_get(pt->format, &slot);
        if (pte.flags & VMSIM__PTE_PRESENT) {
            pte.flags = (pte.flags & ~GIVEN) | (flags & GIVEN);
            vmsim__pt_set(pt->format, &slot, pte);
        }
        va += UINT64_C(1) << pt->format->shift[slot.level];
        if (va == end)
            break;
    }
    return 0;
}

/* ---- mapping ---- */

struct size {
    uint8_t level, shift;
    bool group;
};

static bool size_fits(const struct vmsim__pt_format *f, const struct size *s, uint64_t va, uint64_t pa, uint64_t size) {
    uint64_t bytes = UINT64_C(1) << s->shift;
    unsigned pa_bits = f->id == VMSIM__PT_X86_32 && !s->level ? 32 : f->pa_bits;
    return !((va | pa) & (bytes - 1)) && bytes <= size && !((pa + bytes - 1) >> pa_bits);
}

/* The largest size (or the one asked for) that serves the start of the range. */
static bool choose_size(const struct vmsim__pt_format *f, uint64_t va, uint64_t pa, uint64_t size, uint64_t wanted,
                        struct size *best) {
    bool found = false;
    for (unsigned n = 0; n < 2u * f->levels; n++) {
        unsigned level = n / 2;
        struct size s = {(uint8_t)level, f->shift[level], n & 1};
        if (s.group)
            s.shift = (uint8_t)(s.shift + f->contig_shift[level]);
        bool exists = f->leaf_levels >> level & 1 && (!s.group || f->contig_shift[level]);
        if (exists && (!wanted || wanted == UINT64_C(1) << s.shift) && size_fits(f, &s, va, pa, size) &&
            (!found || s.shift > best->shift)) {
            *best = s;
            found = true;
        }
    }
    return found;
}

/* Writes the entries of one size at va. */
static int map_one(struct vmsim_mmu *mmu, uint64_t va, uint64_t pa, uint32_t flags, const struct size *s) {
    VMSIM__ASSERT(s->shift >= pt_of(mmu)->format->shift[s->level]);
    struct vmsim__pagetable *pt = &inner_of(mmu)->pt;
    const struct vmsim__pt_format *f = pt->format;
    uint64_t step = UINT64_C(1) << f->shift[s->level];
    struct vmsim__pt_slot slot;
    for (uint64_t at = 0; at < UINT64_C(1) << s->shift; at += step) {
        if (!vmsim__pt_slot(pt, va + at, s->level, true, &slot))
            return VMSIM_ENOMEM;
        if (vmsim__pt_read(f, &slot)) { /* an empty table */
            if (mmu->attached)
                return VMSIM_EINVAL;
            vmsim__pt_free_table(pt, &slot);
        }
        struct vmsim__pte pte = {(pa + at) >> f->page_shift, flags | (s->group ? VMSIM__PTE_CONTIG : 0)};
        vmsim__pt_set(f, &slot, pte);
    }
    return 0;
}

int vmsim_mmu_map(struct vmsim_mmu *mmu, uint64_t va, uint64_t pa, uint64_t size, unsigned flags, uint64_t page_size) {
    if (!mmu)
        return VMSIM_EINVAL;
    struct vmsim__pagetable *pt = &inner_of(mmu)->pt;
    const struct vmsim__pt_format *f = pt->format;
    struct size s;
    int err = 0;
    if (!range_ok(f, va, size) || pa + size < pa || !range_empty(pt, va, va + size) ||
        (mmu->attached && !inner_of(mmu)->mem.alloc))
        return VMSIM_EINVAL;
    for (uint64_t done = 0; done < size; done += UINT64_C(1) << s.shift)
        if (!choose_size(f, va + done, pa + done, size - done, page_size, &s))
            return VMSIM_EINVAL;
    for (uint64_t done = 0; done < size && !err; done += UINT64_C(1) << s.shift) {
        choose_size(f, va + done, pa + done, size - done, page_size, &s);
        err = map_one(mmu, va + done, pa + done, VMSIM__PTE_PRESENT | (flags & GIVEN), &s);
    }
    if (err) {
        clear(pt, va, va + size);
        if (!mmu->attached)
            trim(pt, va, va + size);
    }
    return err;
}

/* ---- walks ---- */

static bool answer(const struct vmsim__pagetable *faulting, unsigned mode, const struct vmsim__walk *w,
                   struct vmsim_mmu_walk *walk) {
    VMSIM__ASSERT(w->refs <= VMSIM__WALK_REFS);
    enum vmsim__fault fault = (enum vmsim__fault)w->fault;
    memset(walk, 0, sizeof *walk);
    memcpy(walk->ref, w->ref, w->refs * sizeof *w->ref);
    walk->refs = w->refs;
    walk->level = w->level;
    if (!fault) {
        walk->pa = w->pa;
        walk->page_size = UINT64_C(1) << w->page_shift;
        walk->flags = w->flags & (GIVEN | VMSIM__PTE_CONTIG);
        return true;
    }
    walk->fault = vmsim__fault_name(fault);
    walk->fault_code = vmsim__fault_code(faulting->format, fault, w->level, mode & VMSIM__WALK_WRITE,
                                         mode & VMSIM__WALK_FETCH, mode & VMSIM__WALK_USER);
    return false;
}

bool vmsim_mmu_walk(const struct vmsim_mmu *mmu, uint64_t va, unsigned mode, struct vmsim_mmu_walk *walk) {
    if (!mmu || !walk)
        return false;
    struct vmsim__walk w = {0};
    vmsim__mmu_walk(pt_of(mmu), va, mode & 15, &w);
    return answer(pt_of(mmu), mode, &w, walk);
}

bool vmsim_mmu_walk_nested(const struct vmsim_mmu *guest, const struct vmsim_mmu *host, uint64_t va, unsigned mode,
                           struct vmsim_mmu_walk *walk) {
    if (!guest || !host || !walk)
        return false;
    struct vmsim__walk w = {0};
    bool host_fault;
    vmsim__mmu_walk_nested(pt_of(guest), pt_of(host), va, mode & 15, &w, &host_fault);
    bool ok = answer(pt_of(host_fault ? host : guest), mode, &w, walk);
    walk->host_fault = host_fault;
    if (host_fault)
        walk->pa = w.pa;
    return ok;
}

void vmsim_mmu_describe(const struct vmsim_mmu *mmu, uint64_t va, unsigned mode,
                        void (*line)(void *context, const char *text), void *context) {
    if (!mmu || !line)
        return;
    vmsim__walk_describe(pt_of(mmu), va, mode & 15, line, context);
}
