/* SPDX-License-Identifier: MIT */
/* Pages in use that move to other frames: anonymous, of files, of shared memory, in the swap cache; and those that must
 * not. */
#include "vm_swap.h"

#include "vm/migrate.h"

static struct vm_machine m;
static struct vmsim__mm *mm;
static struct toy_swap swap;

/* Where pages go: new frames of a node; `left` of them. */
struct target {
    unsigned node, left, taken, given_back;
};
static vmsim__pfn target_get(void *context, vmsim__pfn from) {
    struct target *t = context;
    const struct vmsim__alloc_request rq = {.gfp = VMSIM__GFP_HIGHUSER_MOVABLE | VMSIM__GFP_THISNODE,
                                            .node = (uint16_t)t->node};
    (void)from;
    if (!t->left)
        return VMSIM__PFN_NONE;
    t->left--;
    t->taken++;
    return vmsim__mem_alloc(m.mem, &rq);
}
static void target_put(void *context, vmsim__pfn to) {
    ((struct target *)context)->given_back++;
    vmsim__folio_put(m.lru, to, 0);
}

static void start(unsigned nodes) {
    const struct vm_machine_options o = {
        .format = VMSIM__PT_X86_64, .thp = VMSIM__THP_NEVER, .nodes = nodes, .fill = toy_fill, .fill_context = &swap};
    vmm_start(&m, &o);
    toy_start(&swap, &m);
    mm = vmm_mm(&m);
}
static void end(void) {
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmsim__lru_drain_all(m.lru);
    toy_end(&swap);
    vmm_end(&m);
}
static vmsim__pfn page_at(struct vmsim__mm *of, uint64_t va) {
    struct vmsim__pte pte = vmsim__mm_pagemap(of, va);
    return pte.flags & VMSIM__PTE_PRESENT ? (vmsim__pfn)pte.pfn : VMSIM__PFN_NONE;
}
static struct vmsim__frame *frame(vmsim__pfn pfn) {
    return vmsim__vm_frame(m.vm, pfn);
}

/* Isolates the pages and moves them; what could not be moved is put back. */
static struct vmsim__migrated move(struct target *t, enum vmsim__migrate_mode mode, const vmsim__pfn *pfn, unsigned n) {
    const struct vmsim__migration how = {.mode = mode,
                                         .reason = VMSIM__MR_SYSCALL,
                                         .may_wait = true,
                                         .context = t,
                                         .get = target_get,
                                         .put = target_put};
    struct vmsim__folio_chain chain = vmsim__folio_chain_empty();
    for (unsigned i = 0; i < n; i++) {
        if (vmsim__lru_isolate(m.lru, pfn[i]))
            vmsim__folio_chain_push(m.vm, &chain, pfn[i]);
    }
    struct vmsim__migrated done = vmsim__migrate_pages(m.vm, &how, &chain, 0);
    vmsim__folio_chain_putback(m.vm, &chain, 0);
    vmsim__lru_drain_all(m.lru);
    vmm_check(&m);
    return done;
}
static struct vmsim__migrated move_one(enum vmsim__migrate_mode mode, vmsim__pfn pfn) {
    struct target t = {.left = 100};
    return move(&t, mode, &pfn, 1);
}

static void an_anonymous_page_keeps_all_but_its_frame(void **state) {
    (void)state;
    start(1);
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4, true);
    vmsim__lru_drain_all(m.lru);
    const vmsim__pfn old = page_at(mm, BASE);
    const struct vmsim__pte was = vmsim__mm_pagemap(mm, BASE);
    frame(old)->flags |= VMSIM__FRAME_REFERENCED | VMSIM__FRAME_WORKINGSET;
    vmsim__lru_activate(m.lru, old, 0);
    vmsim__lru_drain_all(m.lru);
    swap.tag[old] = 7;
    const uint64_t unused = vmm_unused(&m), flushes = m.flushes;
    vmm_take_cost(&m);
    assert_int_equal(move_one(VMSIM__MIGRATE_ASYNC, old).succeeded, 1);
    const vmsim__pfn new = page_at(mm, BASE);
    assert_true(new != old &&swap.tag[new] == 7);
    assert_int_equal(vmsim__mm_pagemap(mm, BASE).flags, was.flags);
    const uint32_t kept = VMSIM__FRAME_REFERENCED | VMSIM__FRAME_WORKINGSET | VMSIM__FRAME_ACTIVE | VMSIM__FRAME_LRU |
                          VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_EXCLUSIVE;
    assert_int_equal(frame(new)->flags & kept, kept);
    assert_int_equal(vmm_unused(&m), unused);
    assert_int_equal(m.mem->event[VMSIM__PGMIGRATE_SUCCESS], 1);
    assert_int_equal(m.flushes, flushes + 1);
    assert_true(vmm_take_cost(&m) > m.spec.costs.copy_page);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 4);
    end();
}

static void a_shared_page_moves_for_all_at_once(void **state) {
    (void)state;
    int e;
    start(1);
    vmm_map(mm, BASE, 1, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 1, true);
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
    vmsim__lru_drain_all(m.lru);
    const vmsim__pfn old = page_at(mm, BASE);
    swap.tag[old] = 9;
    assert_int_equal(move_one(VMSIM__MIGRATE_SYNC, old).succeeded, 1);
    const vmsim__pfn new = page_at(mm, BASE);
    assert_true(new != old &&page_at(child, BASE) == new);
    assert_int_equal(frame(new)->refcount, 2);
    vmm_touch(child, BASE, 1, true);
    assert_true(page_at(child, BASE) != new &&swap.tag[page_at(child, BASE)] == 9);
    vmsim__mm_put(child, 0);
    end();
}

static void whoever_else_holds_a_page_keeps_it_where_it_is(void **state) {
    (void)state;
    start(1);
    vmm_map(mm, BASE, 2, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 2, true);
    vmsim__lru_drain_all(m.lru);
    const vmsim__pfn both[2] = {page_at(mm, BASE), page_at(mm, BASE + PG)};
    const struct vmsim__pte was = vmsim__mm_pagemap(mm, BASE);
    struct target t = {.left = 100};
    vmsim__folio_get(m.lru, both[0]); /* a pin */
    struct vmsim__migrated done = move(&t, VMSIM__MIGRATE_SYNC, both, 2);
    assert_int_equal(done.succeeded, 1);
    assert_int_equal(done.failed, 1);
    assert_int_equal(m.mem->event[VMSIM__PGMIGRATE_FAIL], 1);
    assert_int_equal(page_at(mm, BASE), both[0]);
    assert_true(page_at(mm, BASE + PG) != both[1]);
    assert_int_equal(vmsim__mm_pagemap(mm, BASE).flags, was.flags);
    assert_int_equal(t.given_back, 10); /* every pass tried */
    vmsim__folio_put(m.lru, both[0], 0);
    assert_int_equal(move_one(VMSIM__MIGRATE_SYNC, both[0]).succeeded, 1);
    end();
}

static void locked_pages_and_writeback_wait_as_the_mode_says(void **state) {
    static const struct {
        enum vmsim__migrate_mode mode;
        uint32_t flag;
        enum vmsim__wait_kind waits;
    } cases[] = {{VMSIM__MIGRATE_ASYNC, VMSIM__FRAME_LOCKED, VMSIM__WAIT_NONE},
                 {VMSIM__MIGRATE_SYNC_LIGHT, VMSIM__FRAME_LOCKED, VMSIM__WAIT_LOCKED},
                 {VMSIM__MIGRATE_SYNC_LIGHT, VMSIM__FRAME_WRITEBACK, VMSIM__WAIT_NONE},
                 {VMSIM__MIGRATE_SYNC, VMSIM__FRAME_WRITEBACK, VMSIM__WAIT_WRITEBACK}};
    (void)state;
    start(1);
    vmm_map(mm, BASE, 1, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 1, true);
    vmsim__lru_drain_all(m.lru);
    const vmsim__pfn pfn = page_at(mm, BASE);
    for (unsigned i = 0; i < TEST_COUNT(cases); i++) {
        frame(pfn)->flags |= cases[i].flag;
        struct vmsim__migrated done = move_one(cases[i].mode, pfn);
        assert_int_equal(done.succeeded, 0);
        assert_int_equal(done.waits, cases[i].waits != VMSIM__WAIT_NONE);
        assert_int_equal(done.failed, cases[i].waits == VMSIM__WAIT_NONE);
        assert_int_equal(m.mem->now.wait.kind, cases[i].waits);
        m.mem->now.wait = (struct vmsim__wait){0};
        frame(pfn)->flags &= ~cases[i].flag;
    }
    assert_int_equal(page_at(mm, BASE), pfn);
    end();
}

static void without_a_frame_the_rest_stays(void **state) {
    (void)state;
    start(1);
    vmm_map(mm, BASE, 4, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4, true);
    vmsim__lru_drain_all(m.lru);
    vmsim__pfn all[4];
    for (unsigned i = 0; i < 4; i++)
        all[i] = page_at(mm, BASE + i * PG);
    struct target t = {.left = 2};
    struct vmsim__migrated done = move(&t, VMSIM__MIGRATE_SYNC, all, 4);
    assert_true(done.no_memory && done.succeeded == 2);
    assert_int_equal(page_at(mm, BASE), all[0]); /* the last one isolated went first */
    assert_int_equal(page_at(mm, BASE + PG), all[1]);
    end();
}

static void pages_of_files_stay_in_their_files(void **state) {
    static const enum vmsim__file_kind kinds[] = {VMSIM__FILE_REGULAR, VMSIM__FILE_SHMEM, VMSIM__FILE_RAMFS};
    (void)state;
    start(2);
    for (unsigned k = 0; k < TEST_COUNT(kinds); k++) {
        struct vmsim__file *f = vmsim__file_create(m.cache, kinds[k], NULL, 16 * PG);
        const uint64_t va = BASE + ((uint64_t)k << 30);
        assert_int_equal(vmsim__mm_mmap(mm, va, 16 * PG, RW, VMSIM__MAP_SHARED | VMSIM__MAP_FIXED_NOREPLACE, f, 0, 0),
                         va);
        vmm_touch(mm, va, 8, false);
        vmm_touch(mm, va, 4, true);
        vmsim__lru_drain_all(m.lru);
        struct target t = {.node = 1, .left = 100};
        for (unsigned i = 0; i < 8; i++) {
            const vmsim__pfn old = vmsim__file_page(f, i);
            const uint32_t flags = frame(old)->flags;
            swap.tag[old] = 100 * k + i + 1;
            const struct vmsim__pte was = vmsim__mm_pagemap(mm, va + i * PG);
            assert_int_equal(move(&t, VMSIM__MIGRATE_SYNC_LIGHT, &old, 1).succeeded, 1);
            const vmsim__pfn new = vmsim__file_page(f, i);
            assert_true(new != old &&page_at(mm, va + i * PG) == new);
            assert_int_equal(swap.tag[new], 100 * k + i + 1);
            const uint32_t lists = VMSIM__FRAME_UNEVICTABLE, entry = was.flags & VMSIM__PTE_DIRTY;
            assert_int_equal(frame(new)->flags & 0xffffff & ~lists,
                             ((flags | (entry ? VMSIM__FRAME_DIRTY : 0)) & 0xffffff) & ~lists);
            assert_int_equal(vmsim__mm_pagemap(mm, va + i * PG).flags, was.flags);
            assert_int_equal(m.mem->zones[vmsim__frame_zone(frame(new))].node, 1);
        }
        assert_int_equal(vmsim__mm_munmap(mm, va, 16 * PG, 0), 0);
        vmsim__lru_drain_all(m.lru);
        const vmsim__pfn unmapped = vmsim__file_page(f, 0);
        assert_int_equal(move(&t, VMSIM__MIGRATE_ASYNC, &unmapped, 1).succeeded, 1);
        assert_int_equal(vmsim__file_sync(m.cache, f, 0, UINT64_MAX, 0), 0); /* dirty ones are found where they are */
        assert_int_equal(vmsim__mem_node_stat(m.mem, VMSIM__NR_DIRTY), 0);
        vmsim__file_unlink(m.cache, f, 0);
        vmsim__file_put(m.cache, f, 0);
        vmsim__lru_drain_all(m.lru);
        vmm_check(&m);
    }
    for (unsigned n = 0; n < 2; n++)
        assert_int_equal(m.mem->nodes[n].stat[VMSIM__NR_FILE_PAGES], 0);
    end();
}

static void an_mlocked_page_stays_mlocked(void **state) {
    (void)state;
    start(1);
    vmm_map(mm, BASE, 2, RW, PRIV_ANON);
    assert_int_equal(vmsim__mm_mlock(mm, BASE, 2 * PG, 0, 0), 0);
    vmsim__lru_drain_all(m.lru);
    const vmsim__pfn old = page_at(mm, BASE);
    assert_true(vmsim__frame_is(frame(old), VMSIM__FRAME_UNEVICTABLE));
    assert_int_equal(move_one(VMSIM__MIGRATE_ASYNC, old).succeeded, 1);
    const vmsim__pfn new = page_at(mm, BASE);
    assert_true(new != old &&vmsim__frame_is(frame(new), VMSIM__FRAME_MLOCKED));
    assert_true(vmsim__frame_is(frame(new), VMSIM__FRAME_UNEVICTABLE));
    assert_int_equal(vmsim__mem_zone_stat(m.mem, VMSIM__NR_MLOCK), 2);
    assert_int_equal(vmsim__mm_munlock(mm, BASE, 2 * PG, 0), 0);
    vmsim__lru_drain_all(m.lru);
    assert_int_equal(vmsim__mem_zone_stat(m.mem, VMSIM__NR_MLOCK), 0);
    assert_false(vmsim__frame_is(frame(new), VMSIM__FRAME_UNEVICTABLE));
    end();
}

static void a_page_in_the_swap_cache_keeps_its_slot(void **state) {
    (void)state;
    start(1);
    vmm_map(mm, BASE, 1, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 1, true);
    vmsim__lru_drain_all(m.lru);
    const vmsim__pfn old = page_at(mm, BASE);
    swap.tag[old] = 3;
    assert_true(toy_add(&swap, old));
    swap.count[swap.slot[old]]++; /* an entry of somebody else's */
    const uint32_t slot = swap.slot[old];
    assert_int_equal(move_one(VMSIM__MIGRATE_SYNC, old).succeeded, 1);
    const vmsim__pfn new = page_at(mm, BASE);
    assert_true(new != old &&swap.cached[slot] == new &&swap.slot[new] == slot);
    swap.ops.migrate = NULL;
    assert_int_equal(move_one(VMSIM__MIGRATE_SYNC, new).failed, 1);
    toy_release(&swap, (struct vmsim__swp){.offset = slot, .type = 3}, 0);
    end();
}

/* Random life of three related processes; any page may move, be evicted or be pinned meanwhile. */
static void contents_survive_random_moves(void **state) {
    enum { PAGES = 96, KIDS = 3 };
    (void)state;
    struct vmsim__rng r = test_rng("moves");
    start(2);
    struct vmsim__mm *of[KIDS] = {mm, NULL, NULL};
    uint32_t model[KIDS][PAGES] = {{0}}, next = 1;
    struct target t = {.left = UINT32_MAX};
    vmm_map(mm, BASE, PAGES, RW, PRIV_ANON);
    for (unsigned step = 0; step < 8000; step++) {
        unsigned k = (unsigned)vmsim__rng_below(&r, KIDS), i = (unsigned)vmsim__rng_below(&r, PAGES);
        const uint64_t va = BASE + i * PG;
        int e;
        if (!of[k]) {
            of[k] = vmsim__mm_fork(mm, 0, &e);
            memcpy(model[k], model[0], sizeof model[k]);
            continue;
        }
        const vmsim__pfn pfn = page_at(of[k], va);
        const bool there = pfn != VMSIM__PFN_NONE && pfn != vmsim__vm_zero_pfn(m.vm);
        switch (vmsim__rng_below(&r, 10)) {
        case 0:
        case 1:
        case 2:
            vmm_touch(of[k], va, 1, true);
            swap.tag[page_at(of[k], va)] = model[k][i] = next++;
            break;
        case 3:
            vmm_touch(of[k], va, 1, false);
            if (model[k][i])
                assert_int_equal(swap.tag[page_at(of[k], va)], model[k][i]);
            break;
        case 4:
            vmsim__lru_drain_all(m.lru);
            if (there)
                toy_evict(&swap, pfn);
            break;
        case 5:
            assert_int_equal(vmsim__rng_below(&r, 2) ? vmsim__mm_mlock(of[k], va, PG, 0, 0)
                                                     : vmsim__mm_munlock(of[k], va, PG, 0),
                             0);
            break;
        case 6:
            if (k && !vmsim__rng_below(&r, 8)) {
                vmsim__mm_put(of[k], 0);
                of[k] = NULL;
            }
            break;
        default:
            if (vmsim__rng_below(&r, 2))
                vmsim__lru_drain_all(m.lru);
            t.node = (unsigned)vmsim__rng_below(&r, 2);
            if (there)
                move(&t, (enum vmsim__migrate_mode)vmsim__rng_below(&r, 3), &pfn, 1);
        }
    }
    assert_true(m.mem->event[VMSIM__PGMIGRATE_SUCCESS] > 500);
    for (unsigned k = 1; k < KIDS; k++) {
        if (of[k])
            vmsim__mm_put(of[k], 0);
    }
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_anonymous_page_keeps_all_but_its_frame),
        cmocka_unit_test(a_shared_page_moves_for_all_at_once),
        cmocka_unit_test(whoever_else_holds_a_page_keeps_it_where_it_is),
        cmocka_unit_test(locked_pages_and_writeback_wait_as_the_mode_says),
        cmocka_unit_test(without_a_frame_the_rest_stays),
        cmocka_unit_test(pages_of_files_stay_in_their_files),
        cmocka_unit_test(an_mlocked_page_stays_mlocked),
        cmocka_unit_test(a_page_in_the_swap_cache_keeps_its_slot),
        cmocka_unit_test(contents_survive_random_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
