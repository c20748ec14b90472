/* SPDX-License-Identifier: MIT */
/* Reclaim at every allocation: while a path looks for memory, pages of all address spaces are swapped out, huge pages
 * are split, and a whole process may be killed. Contents, counters and the reverse map must not notice. */
#include "vm_swap.h"

enum { PAGES = 1024 + 64, PROCESSES = 4 };

static struct vm_machine m;
static struct toy_swap swap;
static struct vmsim__rng rng;
static struct vmsim__mm *process[PROCESSES];
static uint32_t model[PROCESSES][PAGES]; /* contents: 0 zeroes */
static uint32_t tags;
static unsigned depth, evicted, splits, killed;
static bool may_kill;
static int running; /* the process whose call it is */

static const uint64_t where = BASE - 32 * PG; /* two huge pages and a margin on either side */

/* A page somewhere; PFN_NONE when luck has it that nothing is there. */
static vmsim__pfn some_page(struct vmsim__mm **of) {
    *of = process[vmsim__rng_below(&rng, PROCESSES)];
    if (!*of)
        return VMSIM__PFN_NONE;
    struct vmsim__pte pte = vmsim__mm_pagemap(*of, where + vmsim__rng_below(&rng, PAGES) * PG);
    return (pte.flags & VMSIM__PTE_PRESENT) && !(pte.flags & VMSIM__PTE_SPECIAL) ? (vmsim__pfn)pte.pfn
                                                                                 : VMSIM__PFN_NONE;
}

static void reclaim(void *context, unsigned cpu) {
    (void)context;
    if (depth)
        return;
    depth++;
    vmsim__lru_drain_all(m.vm->lru);
    for (unsigned n = (unsigned)vmsim__rng_below(&rng, 4); n > 0; n--) {
        struct vmsim__mm *of;
        vmsim__pfn pfn = some_page(&of);
        if (pfn == VMSIM__PFN_NONE)
            continue;
        if (vmsim__frame_is(vmsim__vm_frame(m.vm, pfn), VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL))
            splits += vmsim__thp_split_page(m.vm, pfn, cpu);
        else
            evicted += toy_evict(&swap, pfn);
    }
    int victim = (int)vmsim__rng_below(&rng, PROCESSES);
    if (may_kill && victim && victim != running && process[victim] && !vmsim__rng_below(&rng, 60)) {
        vmsim__mm_put(process[victim], cpu);
        process[victim] = NULL;
        killed++;
    }
    depth--;
}

static uint32_t content(int p, unsigned i) {
    struct vmsim__pte pte = vmsim__mm_pagemap(process[p], where + i * PG);
    if (pte.flags & VMSIM__PTE_SPECIAL)
        return 0;
    if (pte.flags & VMSIM__PTE_SWAP)
        return swap.cached[vmsim__swp_of(pte).offset] != VMSIM__PFN_NONE
                   ? swap.tag[swap.cached[vmsim__swp_of(pte).offset]]
                   : swap.content[vmsim__swp_of(pte).offset];
    return pte.flags & VMSIM__PTE_PRESENT ? swap.tag[pte.pfn] : 0;
}

static void all_contents_are_right(void) {
    for (int p = 0; p < PROCESSES; p++) {
        for (unsigned i = 0; process[p] && i < PAGES; i++)
            assert_int_equal(content(p, i), model[p][i]);
    }
}

/* One store or load, as often as reclaim undoes the fault's work. */
static void touch(int p, unsigned i, bool write) {
    unsigned mode = VMSIM__WALK_USER | (write ? VMSIM__WALK_WRITE : 0);
    struct vmsim__walk w;
    for (unsigned n = 0; !vmsim__mmu_walk(&process[p]->pt, where + i * PG, mode, &w); n++) {
        assert_true(vmsim__fault_resolved(vmsim__mm_fault(process[p], where + i * PG, write, false, 0)));
        assert_true(n < 50);
    }
    if (write) {
        model[p][i] = ++tags;
        swap.tag[vmsim__mm_pagemap(process[p], where + i * PG).pfn] = tags;
    }
}

static void spawn(int p) {
    int e;
    process[p] = vmsim__mm_fork(process[0], 0, &e);
    assert_non_null(process[p]);
    memcpy(model[p], model[0], sizeof model[0]);
}

/* A part of the area goes elsewhere and comes back. */
static void move_away_and_back(int p, unsigned i, unsigned n) {
    const uint64_t away = where + (UINT64_C(1) << 36) + (vmsim__rng_below(&rng, 2) ? 0 : 16 * PG);
    const uint64_t va = where + i * PG;
    assert_int_equal(vmsim__mm_mremap(process[p], va, n * PG, n * PG, 3, away, 0), away);
    assert_int_equal(vmsim__mm_mremap(process[p], away, n * PG, n * PG, 3, va, 0), va);
}

static void step(int p) {
    const unsigned i = vmsim__rng_below(&rng, 12) ? (unsigned)vmsim__rng_below(&rng, PAGES) : 0;
    const unsigned n = (unsigned)(1 + vmsim__rng_below(&rng, i && vmsim__rng_below(&rng, 3) ? 8 : PAGES - i));
    const unsigned count = n < PAGES - i ? n : PAGES - i;
    const uint64_t va = where + i * PG, bytes = count * PG;
    switch (vmsim__rng_below(&rng, 10)) {
    case 0:
        assert_int_equal(vmsim__mm_madvise(process[p], va, bytes, VMSIM__MADV_DONTNEED, 0), 0);
        memset(&model[p][i], 0, count * sizeof model[p][0]);
        break;
    case 1:
        assert_int_equal(vmsim__mm_mprotect(process[p], va, bytes, VMSIM__PROT_READ, 0), 0);
        assert_int_equal(vmsim__mm_mprotect(process[p], va, bytes, RW, 0), 0);
        break;
    case 2:
        move_away_and_back(p, i, count);
        break;
    case 3:
        if (p) {
            vmsim__mm_put(process[p], 0);
            process[p] = NULL;
        }
        break;
    case 4:
        assert_int_equal(vmsim__mm_madvise(process[p], va, bytes, VMSIM__MADV_POPULATE_WRITE, 0), 0);
        break;
    case 5: /* room for huge pages again */
        assert_int_equal(vmsim__mm_madvise(process[p], where, PAGES * PG, VMSIM__MADV_DONTNEED, 0), 0);
        memset(model[p], 0, sizeof model[p]);
        break;
    case 6:
        for (unsigned k = 0; k < count && k < 16; k++)
            touch(p, i + k, false);
        break;
    default:
        for (unsigned k = 0; k < count && k < 40; k++)
            touch(p, i + k, true);
    }
}

/* thp: huge pages always or never; sizes: large pages of all smaller sizes, too. */
static void storm(const char *kernel, int thp, bool sizes, bool kills) {
    vmm_start(&m, &(struct vm_machine_options){.kernel = kernel,
                                               .format = VMSIM__PT_X86_64,
                                               .thp = thp,
                                               .memory = UINT64_C(1) << 30,
                                               .fill = toy_fill,
                                               .fill_context = &swap});
    toy_start(&swap, &m);
    m.vm->hooks.allocating = reclaim;
    for (unsigned i = 0; sizes && i < 7; i++)
        m.vm->spec.thp_size[i] = VMSIM__THP_SIZE_ALWAYS;
    memset(process, 0, sizeof process);
    memset(model, 0, sizeof model);
    evicted = killed = depth = 0;
    may_kill = kills;
    process[0] = vmm_mm(&m);
    vmm_map(process[0], where, PAGES, RW, PRIV_ANON);
    for (unsigned n = 0; n < 1500; n++) {
        running = (int)vmsim__rng_below(&rng, PROCESSES);
        if (process[running])
            step(running);
        else
            spawn(running);
        if (n % 25 == 0) {
            all_contents_are_right();
            vmm_check(&m);
        }
    }
    all_contents_are_right();
    m.vm->hooks.allocating = NULL;
    for (int p = 0; p < PROCESSES; p++) {
        if (process[p])
            vmsim__mm_put(process[p], 0);
    }
    vmsim__lru_drain_all(m.vm->lru);
    toy_end(&swap);
    vmm_end(&m);
    assert_true(evicted > 100);
    assert_true(!kills || killed > 0);
}

static void small_pages(void **state) {
    (void)state;
    rng = test_rng("small");
    storm("6.1", VMSIM__THP_NEVER, false, false);
    storm("6.18", VMSIM__THP_NEVER, false, false);
}

static void huge_pages(void **state) {
    (void)state;
    rng = test_rng("huge");
    splits = 0;
    for (unsigned i = 0; vmsim__kernel_at(i); i++)
        storm(vmsim__kernel_at(i)->name, VMSIM__THP_ALWAYS, false, false);
    assert_true(splits > 3);
}

static void pages_of_all_sizes(void **state) {
    (void)state;
    rng = test_rng("sizes");
    splits = 0;
    storm("6.12", VMSIM__THP_NEVER, true, false);
    storm("6.18", VMSIM__THP_ALWAYS, true, false);
    assert_true(splits > 20);
}

/* The victim's unmap comes in the middle of other calls, unmaps among them. */
static void with_kills(void **state) {
    (void)state;
    rng = test_rng("kills");
    storm("6.1", VMSIM__THP_ALWAYS, false, true);
    storm("6.12", VMSIM__THP_NEVER, true, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_pages),
        cmocka_unit_test(huge_pages),
        cmocka_unit_test(pages_of_all_sizes),
        cmocka_unit_test(with_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
