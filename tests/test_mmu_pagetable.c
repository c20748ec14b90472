/* SPDX-License-Identifier: MIT */
/* Page tables as the operating system uses them, against a map of base pages kept beside: encodings, iteration,
 * freeing, tables counted, frames running out at every step. */
#include "mmu_memory.h"

#define WINDOW_PAGES 4096u /* of the reference, around a place where tables meet */

/* Reference: what each base page of the window is mapped by. */
struct page {
    bool used;
    uint8_t level;
    struct vmsim__pte pte; /* pfn of this very entry; the leaf's */
    uint64_t first;        /* index of the first page of the leaf, may lie before the window: then unused */
};
struct world {
    const struct vmsim__pt_format *f;
    struct mmu_memory *m;
    struct vmsim__pagetable pt;
    uint64_t base; /* linear address of the window */
    struct page *page;
    struct vmsim__rng r;
};

static uint64_t va_of(struct world *w, uint64_t page) {
    return mmu_va(w->f, w->base + (page << w->f->page_shift));
}

static void world_begin(struct world *w, enum vmsim__pt_format_id id, const char *name) {
    *w = (struct world){.f = vmsim__pt_format_get(id), .r = test_rng(name)};
    w->m = mmu_memory_new(w->f);
    assert_true(vmsim__pagetable_init(&w->pt, w->f, &w->m->mem));
    /* The middle of the address space: where the halves meet, and every level's tables change. */
    w->base = (UINT64_C(1) << (w->f->va_bits - 1)) - ((uint64_t)WINDOW_PAGES / 2 << w->f->page_shift);
    w->page = calloc(WINDOW_PAGES, sizeof *w->page);
    assert_non_null(w->page);
}
static uint64_t tables(const struct vmsim__pagetable *pt) {
    uint64_t n = 0;
    for (unsigned level = 0; level < VMSIM__PT_LEVELS; level++)
        n += pt->tables[level];
    return n;
}
static void world_end(struct world *w) {
    assert_int_equal(tables(&w->pt), w->m->used);
    vmsim__pagetable_fini(&w->pt);
    mmu_memory_end(w->m);
    free(w->page);
}

/* Pages of a leaf at `level`; 0 when the window has no room for one. */
static uint64_t leaf_pages(struct world *w, unsigned level) {
    uint64_t pages = UINT64_C(1) << (w->f->shift[level] - w->f->page_shift);
    return w->f->leaf_levels >> level & 1 && pages <= WINDOW_PAGES / 2 ? pages : 0;
}

static struct vmsim__pte random_pte(struct world *w, unsigned level) {
    uint64_t align = UINT64_C(1) << (w->f->shift[level] - w->f->page_shift);
    uint64_t n = vmsim__rng_next(&w->r), bits = w->f->pa_bits - w->f->page_shift;
    struct vmsim__pte pte = {n >> (64 - bits) & ~(align - 1), 0};
    if (w->f->id == VMSIM__PT_X86_32 && !level)
        pte.pfn &= 0xfffff; /* only large pages reach beyond 32 bits */
    uint32_t noise = (uint32_t)vmsim__rng_next(&w->r);
    uint32_t keep = VMSIM__PTE_WRITE | VMSIM__PTE_USER | VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY | VMSIM__PTE_SPECIAL |
                    VMSIM__PTE_SOFT_DIRTY;
    switch (vmsim__rng_below(&w->r, 4)) {
    case 0:
        pte.flags = VMSIM__PTE_SWAP | (noise & VMSIM__PTE_SOFT_DIRTY);
        pte.pfn = vmsim__rng_next(&w->r) >> (64 - w->f->swap_bits);
        return pte;
    case 1:
        pte.flags = VMSIM__PTE_PROTNONE;
        break;
    default:
        pte.flags = VMSIM__PTE_PRESENT | (noise & VMSIM__PTE_GLOBAL);
    }
    pte.flags |= VMSIM__PTE_READ | VMSIM__PTE_LEAF | (noise & keep);
    pte.flags |= w->f->no_execute ? noise & VMSIM__PTE_EXEC : VMSIM__PTE_EXEC;
    if (w->f->contig_shift[level])
        pte.flags |= noise & VMSIM__PTE_CONTIG;
    unsigned types = w->f->arch == VMSIM__PT_ARCH_RISCV ? (w->f->entry_bytes == 8 ? 3 : 1) : 8;
    pte.flags |= VMSIM__PTE_MEMTYPE(vmsim__rng_below(&w->r, types));
    return pte;
}

/* In a Svnapot group an entry's frame follows from its place. */
static void settle(struct world *w, struct vmsim__pte *pte, uint64_t page) {
    if (w->f->arch == VMSIM__PT_ARCH_RISCV && pte->flags & VMSIM__PTE_CONTIG)
        pte->pfn = (pte->pfn & ~UINT64_C(15)) | (((w->base >> 12) + page) & 15);
}

static bool room(struct world *w, uint64_t page, uint64_t pages, unsigned level) {
    for (uint64_t i = page; i < page + pages; i++)
        if (w->page[i].used)
            return false;
    struct vmsim__pt_slot slot; /* a table of smaller leaves may be in the way */
    assert_true(vmsim__pt_slot(&w->pt, va_of(w, page), level, false, &slot));
    return !slot.entry || (slot.level == level && !vmsim__pt_read(w->f, &slot));
}

static void map_random(struct world *w) {
    unsigned level = (unsigned)vmsim__rng_below(&w->r, 8) ? 0 : (unsigned)vmsim__rng_below(&w->r, w->f->levels);
    uint64_t pages = leaf_pages(w, level), page;
    struct vmsim__pt_slot slot;
    if (!pages)
        return;
    page = vmsim__rng_below(&w->r, WINDOW_PAGES / pages) * pages;
    if (!room(w, page, pages, level))
        return;
    struct vmsim__pte pte = random_pte(w, level);
    if (pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE))
        settle(w, &pte, page);
    assert_true(vmsim__pt_slot(&w->pt, va_of(w, page), level, true, &slot));
    assert_int_equal(slot.level, level);
    vmsim__pt_set(w->f, &slot, pte);
    for (uint64_t i = page; i < page + pages; i++)
        w->page[i] = (struct page){true, (uint8_t)level, pte, page};
}

static void unmap_at(struct world *w, uint64_t page) {
    struct vmsim__pt_slot slot;
    const struct page p = w->page[page];
    if (!p.used)
        return;
    assert_true(vmsim__pt_slot(&w->pt, va_of(w, page), 0, false, &slot));
    vmsim__pt_write(w->f, &slot, 0);
    for (uint64_t i = p.first; i < p.first + leaf_pages(w, p.level); i++)
        w->page[i].used = false;
}

static void check_page(struct world *w, uint64_t page) {
    struct vmsim__pt_slot slot;
    const struct page *p = &w->page[page];
    assert_true(vmsim__pt_slot(&w->pt, va_of(w, page), 0, false, &slot));
    if (!p->used) {
        assert_true(!slot.entry || !vmsim__pt_read(w->f, &slot));
        return;
    }
    assert_non_null(slot.entry);
    assert_int_equal(slot.level, p->level);
    struct vmsim__pte pte = vmsim__pt_get(w->f, &slot);
    assert_int_equal(pte.flags, p->pte.flags);
    assert_int_equal(pte.pfn, p->pte.pfn);
}

/* Every leaf of the window from `page` on, in order, and no other. */
static void check_next(struct world *w, uint64_t page, uint64_t end_page) {
    uint64_t end = end_page == WINDOW_PAGES && vmsim__rng_below(&w->r, 2) ? 0 : va_of(w, end_page);
    uint64_t va = va_of(w, page);
    struct vmsim__pt_slot slot;
    for (; page < end_page; page = w->page[page].first + leaf_pages(w, w->page[page].level)) {
        while (page < end_page && !w->page[page].used)
            page++;
        if (page == end_page)
            break;
        assert_true(vmsim__pt_next(&w->pt, &va, end, &slot));
        assert_int_equal(va, va_of(w, w->page[page].first));
        assert_int_equal(slot.level, w->page[page].level);
        va += UINT64_C(1) << w->f->shift[slot.level];
    }
    uint64_t before = va;
    assert_true(page > end_page || !vmsim__pt_next(&w->pt, &va, end, &slot));
    assert_int_equal(va, before);
}

/* munmap of [from, to): neighbours are the nearest used pages, as VMAs would be. */
static void unmap_range(struct world *w, uint64_t from, uint64_t to) {
    while (from && w->page[from].used && w->page[from].first < from)
        from = w->page[from].first;
    for (uint64_t page = from; page < to; page++)
        unmap_at(w, page);
    uint64_t low = from, high = to;
    while (low && !w->page[low - 1].used)
        low--;
    while (high < WINDOW_PAGES && !w->page[high].used)
        high++;
    uint64_t count = tables(&w->pt);
    uint64_t freed = vmsim__pt_free_range(&w->pt, va_of(w, from), va_of(w, to), low ? va_of(w, low) : 0,
                                          high < WINDOW_PAGES ? va_of(w, high) : 0);
    assert_int_equal(tables(&w->pt), count - freed);
    assert_int_equal(tables(&w->pt), w->m->used);
}

static void random_steps(struct world *w, unsigned steps) {
    for (unsigned n = 0; n < steps; n++) {
        uint64_t a = vmsim__rng_below(&w->r, WINDOW_PAGES), b = vmsim__rng_below(&w->r, WINDOW_PAGES + 1);
        switch (vmsim__rng_below(&w->r, 24)) {
        case 0:
            unmap_range(w, vmsim__min64(a, b), vmsim__max64(a, b));
            break;
        case 1:
            check_next(w, vmsim__min64(a, b), vmsim__max64(a, b));
            break;
        case 2:
            unmap_at(w, a);
            break;
        default:
            map_random(w);
        }
        check_page(w, a);
    }
}

static void entries_keep_what_was_written_and_iteration_finds_all(void **state) {
    (void)state;
    for (int id = 0; id < VMSIM__PT_NOMMU; id++) {
        struct world w;
        world_begin(&w, (enum vmsim__pt_format_id)id, "pagetable");
        random_steps(&w, 6000);
        for (uint64_t page = 0; page < WINDOW_PAGES; page++)
            check_page(&w, page);
        check_next(&w, 0, WINDOW_PAGES);
        unmap_range(&w, 0, WINDOW_PAGES);
        assert_int_equal(tables(&w.pt), 1); /* only the root is left */
        world_end(&w);
    }
}

static void looking_again_takes_no_table(void **state) {
    (void)state;
    for (int id = 0; id < VMSIM__PT_NOMMU; id++) {
        struct world w;
        struct vmsim__pt_slot slot;
        world_begin(&w, (enum vmsim__pt_format_id)id, "again");
        for (unsigned round = 0; round < 3; round++) {
            for (uint64_t page = 0; page < WINDOW_PAGES; page++)
                assert_true(vmsim__pt_slot(&w.pt, va_of(&w, page), 0, true, &slot));
            if (!round)
                w.m->fail_after = 0; /* any further table would fail */
        }
        assert_int_equal(w.m->made, tables(&w.pt));
        world_end(&w);
    }
}

static void a_missing_table_frame_leaves_a_consistent_tree(void **state) {
    (void)state;
    for (int id = 0; id < VMSIM__PT_NOMMU; id++) {
        const struct vmsim__pt_format *f = vmsim__pt_format_get((enum vmsim__pt_format_id)id);
        for (uint64_t frames = 0; frames <= f->levels; frames++) {
            struct mmu_memory *m = mmu_memory_new(f);
            struct vmsim__pagetable pt;
            struct vmsim__pt_slot slot;
            uint64_t va = 0x12345000 & ~((UINT64_C(1) << f->page_shift) - 1), from = 0;
            m->fail_after = frames;
            assert_int_equal(vmsim__pagetable_init(&pt, f, &m->mem), frames > 0);
            if (frames) {
                assert_int_equal(vmsim__pt_slot(&pt, va, 0, true, &slot), frames == f->levels);
                assert_int_equal(slot.entry != NULL, frames == f->levels);
                assert_int_equal(slot.level, f->levels - frames);
                assert_int_equal(m->used, frames);
                assert_false(vmsim__pt_next(&pt, &from, 0, &slot));
                m->fail_after = UINT64_MAX; /* it goes on where it stopped */
                assert_true(vmsim__pt_slot(&pt, va, 0, true, &slot));
                assert_int_equal(m->used, f->levels);
                assert_int_equal(vmsim__pt_free_range(&pt, va, va + 1, 0, 0), f->levels - 1u);
                vmsim__pagetable_fini(&pt);
            }
            mmu_memory_end(m);
        }
    }
}

static void neighbours_keep_their_tables(void **state) {
    (void)state;
    const struct vmsim__pt_format *f = vmsim__pt_format_get(VMSIM__PT_X86_64);
    struct mmu_memory *m = mmu_memory_new(f);
    struct vmsim__pagetable pt;
    struct vmsim__pt_slot slot;
    assert_true(vmsim__pagetable_init(&pt, f, &m->mem));
    assert_true(vmsim__pt_slot(&pt, 0x200000, 0, true, &slot));
    assert_int_equal(m->used, 4);
    /* A neighbour ends at 0x201000, another starts at 0x3ff000: the table of 2 MiB serves them still. */
    assert_int_equal(vmsim__pt_free_range(&pt, 0x300000, 0x301000, 0x201000, 0), 0);
    assert_int_equal(vmsim__pt_free_range(&pt, 0x300000, 0x301000, 0, 0x3ff000), 0);
    /* The neighbour is in the next 2 MiB: only the last level goes. */
    assert_int_equal(vmsim__pt_free_range(&pt, 0x300000, 0x301000, 0, 0x400000), 1);
    assert_int_equal(pt.tables[0], 0);
    assert_int_equal(pt.tables[1], 1);
    vmsim__pagetable_fini(&pt);
    mmu_memory_end(m);
}

static void the_last_page_of_the_address_space_is_reached(void **state) {
    (void)state;
    for (int id = 0; id < VMSIM__PT_NOMMU; id++) {
        struct world w;
        struct vmsim__pt_slot slot;
        world_begin(&w, (enum vmsim__pt_format_id)id, "last");
        uint64_t va = 0, bytes = UINT64_C(1) << w.f->page_shift;
        uint64_t last = w.f->va_signed ? 0 - bytes : (UINT64_C(1) << w.f->va_bits) - bytes;
        assert_true(vmsim__pt_slot(&w.pt, last, 0, true, &slot));
        vmsim__pt_set(w.f, &slot, (struct vmsim__pte){1, VMSIM__PTE_PRESENT | VMSIM__PTE_READ});
        assert_true(vmsim__pt_next(&w.pt, &va, 0, &slot));
        assert_int_equal(va, last);
        const struct vmsim__pt_slot last_slot = slot;
        assert_false(vmsim__pt_next(&w.pt, &(uint64_t){0}, last, &slot));
        if (!w.f->va_signed) { /* one byte further there is nothing: addresses do not wrap */
            uint64_t end = last + bytes;
            assert_false(vmsim__pt_slot(&w.pt, end, 0, true, &slot));
            assert_false(vmsim__pt_next(&w.pt, &end, 0, &slot));
        }
        vmsim__pt_write(w.f, &last_slot, 0);
        assert_int_equal(vmsim__pt_free_range(&w.pt, last, 0, 0, 0), w.f->levels - 1u);
        world_end(&w);
    }
}

static void a_table_of_small_pages_gives_way_to_a_large_one(void **state) {
    (void)state;
    struct world w;
    struct vmsim__pt_slot slot;
    world_begin(&w, VMSIM__PT_ARM64_16K, "collapse");
    assert_true(vmsim__pt_slot(&w.pt, 0x2000000, 0, true, &slot));
    vmsim__pt_set(w.f, &slot, (struct vmsim__pte){7, VMSIM__PTE_PRESENT | VMSIM__PTE_READ});
    assert_true(vmsim__pt_slot(&w.pt, 0x2000000, 1, false, &slot));
    vmsim__pt_free_table(&w.pt, &slot);
    assert_int_equal(w.m->used, 3);
    assert_int_equal(vmsim__pt_read(w.f, &slot), 0);
    world_end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_keep_what_was_written_and_iteration_finds_all),
        cmocka_unit_test(looking_again_takes_no_table),
        cmocka_unit_test(a_missing_table_frame_leaves_a_consistent_tree),
        cmocka_unit_test(neighbours_keep_their_tables),
        cmocka_unit_test(the_last_page_of_the_address_space_is_reached),
        cmocka_unit_test(a_table_of_small_pages_gives_way_to_a_large_one),
    };
    return cmocka_run_group_tests_name("mmu_pagetable", tests, NULL, NULL);
}
