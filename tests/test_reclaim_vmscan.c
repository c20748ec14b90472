/* SPDX-License-Identifier: MIT */
/* The kernel's own reclaim over lists with fake mappings, files and swap: what is scanned of which list, what becomes
 * of each page, priorities and passes; and the page cache of a cgroup, counter by counter as a real kernel has it (the
 * workload cg_cache of the captures: 6.1, 32 MiB). */
#include "cache_machine.h"
#include "reclaim/vmscan.h"

enum { FRAMES = 20000, FILE_PAGES = 16416 };

static struct cache_machine m;
static struct vmsim__vmscan v;

/* What the fake layers above know of a page, by frame. */
static struct fake {
    unsigned used; /* VMAs through which it was used */
    bool exec, locked;
} fake[FRAMES];
static uint64_t entry[FILE_PAGES]; /* of the one file */
static uint64_t slots, written, flushed;
static enum vmsim__pageout pageout_says;

static struct vmsim__frame *frame(vmsim__pfn pfn) {
    return vmsim__frame_at(&m.mem.frames, pfn);
}

static void on_referenced(void *context, vmsim__pfn pfn, uint16_t target, const struct vmsim__young_sink *around,
                          unsigned cpu, struct vmsim__use *use) {
    (void)context, (void)target, (void)around, (void)cpu;
    *use = (struct vmsim__use){.ptes = fake[pfn].used, .exec = fake[pfn].exec, .locked = fake[pfn].locked};
    fake[pfn].used = 0;
}

static bool on_unmap(void *context, vmsim__pfn pfn, unsigned cpu) {
    (void)context, (void)cpu;
    if (fake[pfn].locked)
        return false;
    frame(pfn)->refcount -= frame(pfn)->mapcount;
    frame(pfn)->mapcount = 0;
    return true;
}

static void on_flush(void *context, unsigned cpu) {
    (void)context, (void)cpu;
    flushed++;
}

static bool on_swap(void *context, vmsim__pfn pfn, unsigned cpu) {
    (void)context, (void)cpu;
    if (!slots)
        return false;
    slots--;
    frame(pfn)->flags |= VMSIM__FRAME_SWAPCACHE | VMSIM__FRAME_DIRTY;
    frame(pfn)->refcount++;
    return true;
}

static enum vmsim__pageout on_pageout(void *context, vmsim__pfn pfn, const struct vmsim__scan_control *sc,
                                      unsigned cpu) {
    (void)context, (void)cpu, (void)sc;
    if (pageout_says == VMSIM__PAGEOUT_SUCCESS)
        frame(pfn)->flags &= ~VMSIM__FRAME_DIRTY;
    written += pageout_says == VMSIM__PAGEOUT_SUCCESS;
    return pageout_says;
}

static void on_remove(void *context, vmsim__pfn pfn, uint64_t shadow, unsigned cpu) {
    (void)context;
    if (vmsim__frame_is(frame(pfn), VMSIM__FRAME_FILE))
        entry[vmsim__frame_index(frame(pfn))] = vmsim__entry_make(VMSIM__ENTRY_SHADOW, shadow);
    frame(pfn)->flags &= ~(VMSIM__FRAME_FILE | VMSIM__FRAME_SWAPCACHE);
    vmsim__folio_put(m.lru, pfn, cpu);
}

/* The files here are make-believe: the cache has none to check them against. */
static void check(void) {
    struct vmsim__err err = {0};
    if (vmsim__lru_check(m.lru, &err))
        fail_msg("%s", err.text);
}

static void start(uint32_t frames) {
    cache_machine_start(&m, "6.1", 1, frames);
    memset(fake, 0, sizeof fake);
    memset(entry, 0, sizeof entry);
    slots = written = flushed = 0;
    pageout_says = VMSIM__PAGEOUT_SUCCESS;
    m.mem.totalram = frames;
    m.mem.nodes[0].order_count = 1;
    v = (struct vmsim__vmscan){.ops = &vmsim__linux_lru,
                               .lru = m.lru,
                               .mem = &m.mem,
                               .kernel = vmsim__kernel_find("6.1"),
                               .swappiness = 60,
                               .hooks = {.referenced = on_referenced,
                                         .unmap = on_unmap,
                                         .unmap_flush = on_flush,
                                         .add_to_swap = on_swap,
                                         .pageout = on_pageout,
                                         .remove_mapping = on_remove}};
}

/* A page with these flags on its list; anonymous ones are mapped once. */
static vmsim__pfn new_page(uint32_t flags) {
    struct vmsim__alloc_request rq = {.node = 0};
    vmsim__pfn pfn = vmsim__mem_alloc(&m.mem, &rq);
    assert_int_not_equal(pfn, VMSIM__PFN_NONE);
    frame(pfn)->flags |= flags;
    frame(pfn)->mapcount = vmsim__frame_is(frame(pfn), VMSIM__FRAME_ANON);
    vmsim__lru_add(m.lru, pfn, 0);
    return pfn;
}

static void fill(vmsim__pfn *page, unsigned count, uint32_t flags) {
    for (unsigned i = 0; i < count; i++)
        page[i] = new_page(flags);
    vmsim__lru_drain_all(m.lru);
}

/* Whoever still has a reference lets go of it. */
static void drop_all(void) {
    vmsim__lru_drain_all(m.lru);
    for (vmsim__pfn pfn = 0; pfn < m.frames; pfn++) {
        struct vmsim__frame *f = frame(pfn);
        if (f->refcount <= 0)
            continue;
        f->flags &= ~(VMSIM__FRAME_FILE | VMSIM__FRAME_SWAPCACHE);
        f->mapcount = 0;
        f->refcount = 1;
        vmsim__folio_put(m.lru, pfn, 0);
    }
    cache_machine_end(&m, true);
}

#define ANON (VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED)
#define CACHED VMSIM__FRAME_FILE

static uint64_t on_list(enum vmsim__lru_list list) {
    return vmsim__lruvec_pages(vmsim__lruvec_of_node(m.lru, 0), list);
}

/* ---- the balance ---- */

static void test_shares_follow_swappiness_and_cost(void **state) {
    static vmsim__pfn page[2][1000];
    static const struct {
        unsigned swappiness;
        uint64_t anon_cost, file_cost, anon, file;
    } c[] = {{60, 0, 0, 150, 350},   {100, 0, 0, 250, 250}, {0, 0, 0, 0, 500},      {200, 0, 0, 500, 0},
             {60, 0, 100, 229, 270}, {60, 100, 0, 87, 412}, {100, 50, 50, 250, 250}};
    (void)state;
    start(4096);
    vmsim__lru_set_swap(m.lru, 10, 10);
    fill(page[0], 1000, ANON);
    fill(page[1], 1000, CACHED);
    for (size_t i = 0; i < TEST_COUNT(c); i++) {
        uint64_t nr[VMSIM__LRU_UNEVICTABLE];
        struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_NORMAL, 1, 0);
        sc.priority = 1;
        sc.anon_cost = c[i].anon_cost;
        sc.file_cost = c[i].file_cost;
        v.swappiness = c[i].swappiness;
        vmsim__get_scan_count(&v, &sc, vmsim__lruvec_of_node(m.lru, 0), nr);
        assert_int_equal(nr[VMSIM__LRU_INACTIVE_ANON], c[i].anon);
        assert_int_equal(nr[VMSIM__LRU_INACTIVE_FILE], c[i].file);
        sc.zone_type = VMSIM__ZONE_DMA32; /* nothing lies there */
        vmsim__get_scan_count(&v, &sc, vmsim__lruvec_of_node(m.lru, 0), nr);
        assert_int_equal(nr[VMSIM__LRU_INACTIVE_FILE], 0);
    }
    drop_all();
}

static void test_which_type_is_scanned_at_all(void **state) {
    static const struct {
        bool swap, trim, tiny;
        unsigned swappiness;
        int priority;
        bool limit, anon, file;
    } c[] = {{false, false, false, 60, 1, false, false, true}, {true, true, false, 60, 1, false, false, true},
             {true, false, true, 60, 1, false, true, false},   {true, true, false, 60, 0, false, true, true},
             {true, false, true, 0, 0, false, true, false},    {true, false, false, 0, 1, true, false, true}};
    static vmsim__pfn page[2][100];
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(c); i++) {
        uint64_t nr[VMSIM__LRU_UNEVICTABLE];
        start(4096);
        struct vmsim__memcg *cg = vmsim__memcg_create(m.lru, vmsim__memcg_root(m.lru));
        vmsim__lru_set_swap(m.lru, 10, c[i].swap ? 10 : 0);
        fill(page[0], 100, ANON);
        fill(page[1], 100, CACHED);
        struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_NORMAL, 1, 0);
        sc.target = c[i].limit ? cg->id : VMSIM__MEMCG_ROOT;
        sc.priority = c[i].priority;
        sc.cache_trim_mode = c[i].trim;
        sc.file_is_tiny = c[i].tiny;
        v.swappiness = c[i].swappiness;
        vmsim__get_scan_count(&v, &sc, vmsim__lruvec_of_node(m.lru, 0), nr);
        assert_int_equal(nr[VMSIM__LRU_INACTIVE_ANON] > 0, c[i].anon);
        assert_int_equal(nr[VMSIM__LRU_INACTIVE_FILE] > 0, c[i].file);
        vmsim__memcg_remove(cg);
        drop_all();
    }
}

static void test_the_inactive_list_is_low_when_the_active_one_is_longer(void **state) {
    static vmsim__pfn page[40];
    (void)state;
    start(256);
    fill(page, 20, CACHED | VMSIM__FRAME_ACTIVE);
    fill(page, 19, CACHED);
    cache_machine_settle(&m);
    assert_true(vmsim__inactive_is_low(vmsim__lruvec_of_node(m.lru, 0), true));
    fill(page, 1, CACHED);
    cache_machine_settle(&m);
    assert_false(vmsim__inactive_is_low(vmsim__lruvec_of_node(m.lru, 0), true));
    drop_all();
}

/* ---- lists ---- */

static void test_active_pages_are_deactivated_but_executed_ones(void **state) {
    static vmsim__pfn page[40];
    (void)state;
    start(256);
    fill(page, 40, CACHED | VMSIM__FRAME_ACTIVE | VMSIM__FRAME_REFERENCED);
    for (unsigned i = 0; i < 3; i++) {
        frame(page[i])->mapcount = 1;
        fake[page[i]] = (struct fake){.used = i != 1, .exec = i < 2};
    }
    struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_NORMAL, 1, 0);
    vmsim__shrink_active_list(&v, &sc, vmsim__lruvec_of_node(m.lru, 0), true, 32);
    assert_int_equal(on_list(VMSIM__LRU_ACTIVE_FILE), 9);
    assert_int_equal(on_list(VMSIM__LRU_INACTIVE_FILE), 31);
    assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->list[VMSIM__LRU_ACTIVE_FILE].head, page[0]);
    assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->list[VMSIM__LRU_INACTIVE_FILE].head, page[31]);
    assert_true(vmsim__frame_is(frame(page[31]), VMSIM__FRAME_WORKINGSET));
    assert_int_equal(event(&m, VMSIM__PGREFILL), 32);
    assert_int_equal(event(&m, VMSIM__PGDEACTIVATE), 31);
    check();
    drop_all();
}

/* ---- what becomes of a page ---- */

struct fate {
    const char *what;
    uint32_t flags;
    unsigned used;
    bool exec, locked, kswapd;
    enum { FREED, KEPT, ACTIVE } then;
    uint32_t has; /* flags that it has afterwards */
};

static void check_fate(const struct fate *t) {
    start(64);
    slots = 1;
    vmsim__lru_set_swap(m.lru, 1, 1);
    vmsim__pfn pfn = new_page(t->flags);
    struct vmsim__frame *f = frame(pfn);
    f->mapcount = t->used || t->locked || vmsim__frame_is(f, VMSIM__FRAME_ANON);
    f->refcount += vmsim__frame_is(f, VMSIM__FRAME_ANON) ? 0 : f->mapcount;
    fake[pfn] = (struct fake){.used = t->used, .exec = t->exec, .locked = t->locked};
    struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_NORMAL, 1, 0);
    sc.kswapd = t->kswapd;
    vmsim__lru_drain_all(m.lru);
    bool file = !vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED);
    uint64_t freed = vmsim__shrink_inactive_list(&v, &sc, vmsim__lruvec_of_node(m.lru, 0), file, 32);
    vmsim__lru_drain_all(m.lru);
    bool active = freed ? false : vmsim__frame_is(f, VMSIM__FRAME_ACTIVE);
    if (freed != (t->then == FREED) || active != (t->then == ACTIVE) || (!freed && (f->flags & t->has) != t->has))
        fail_msg("%s: freed %d, flags %#x", t->what, (int)freed, f->flags);
    assert_int_equal(event(&m, VMSIM__PGACTIVATE), active);
    assert_int_equal(event(&m, t->kswapd ? VMSIM__PGSCAN_KSWAPD : VMSIM__PGSCAN_DIRECT), 1);
    assert_int_equal(event(&m, file ? VMSIM__PGSTEAL_FILE : VMSIM__PGSTEAL_ANON), freed);
    drop_all();
}

static void test_what_becomes_of_a_page(void **state) {
    static const struct fate t[] = {
        {"clean, unused", CACHED, 0, 0, 0, 0, FREED, 0},
        {"read once", CACHED | VMSIM__FRAME_REFERENCED, 0, 0, 0, 0, FREED, 0},
        {"mapped and used", CACHED, 1, 0, 0, 0, KEPT, VMSIM__FRAME_REFERENCED},
        {"mapped and used again", CACHED | VMSIM__FRAME_REFERENCED, 1, 0, 0, 0, ACTIVE, VMSIM__FRAME_REFERENCED},
        {"used by two", CACHED, 2, 0, 0, 0, ACTIVE, 0},
        {"executed", CACHED, 1, 1, 0, 0, ACTIVE, 0},
        {"anonymous code", ANON, 1, 1, 0, 0, KEPT, 0},
        {"of a locked area", CACHED, 0, 0, 1, 0, ACTIVE, 0},
        {"dirty", CACHED | VMSIM__FRAME_DIRTY, 0, 0, 0, 0, ACTIVE, VMSIM__FRAME_RECLAIM},
        {"dirty, to kswapd", CACHED | VMSIM__FRAME_DIRTY, 0, 0, 0, 1, ACTIVE, VMSIM__FRAME_RECLAIM},
        {"written at present", CACHED | VMSIM__FRAME_WRITEBACK, 0, 0, 0, 0, ACTIVE, VMSIM__FRAME_RECLAIM},
        {"locked", CACHED | VMSIM__FRAME_LOCKED, 0, 0, 0, 0, KEPT, 0},
        {"anonymous, swap for it", ANON, 0, 0, 0, 0, FREED, 0},
        {"clean of MADV_FREE", VMSIM__FRAME_ANON, 0, 0, 0, 0, FREED, 0},
    };
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(t); i++)
        check_fate(&t[i]);
}

static void test_an_anonymous_page_without_a_slot_becomes_active(void **state) {
    (void)state;
    start(64);
    vmsim__pfn pfn = new_page(ANON);
    vmsim__lru_drain_all(m.lru);
    struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_NORMAL, 1, 0);
    assert_int_equal(vmsim__shrink_inactive_list(&v, &sc, vmsim__lruvec_of_node(m.lru, 0), false, 32), 0);
    assert_true(vmsim__frame_is(frame(pfn), VMSIM__FRAME_ACTIVE));
    drop_all();
}

static void test_writing_costs_the_type_that_was_written(void **state) {
    static vmsim__pfn page[16];
    (void)state;
    start(64);
    slots = 16;
    fill(page, 16, ANON);
    struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_NORMAL, 1, 0);
    assert_int_equal(vmsim__shrink_inactive_list(&v, &sc, vmsim__lruvec_of_node(m.lru, 0), false, 16), 16);
    assert_int_equal(written, 16);
    assert_int_equal(node_stat(&m, VMSIM__NR_VMSCAN_WRITE), 16);
    assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->anon_cost, 8); /* more than a quarter of nothing: halved */
    assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->nonresident_age, 16);
    assert_int_equal(m.free[m.free_count[0] - 1], page[0]); /* the first of the list is handed out first */
    drop_all();
}

static void test_a_page_that_others_hold_stays(void **state) {
    (void)state;
    start(64);
    vmsim__pfn pfn = new_page(CACHED);
    vmsim__lru_drain_all(m.lru);
    vmsim__folio_get(m.lru, pfn);
    struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_NORMAL, 1, 0);
    assert_int_equal(vmsim__shrink_inactive_list(&v, &sc, vmsim__lruvec_of_node(m.lru, 0), true, 32), 0);
    assert_int_equal(on_list(VMSIM__LRU_INACTIVE_FILE), 1);
    assert_int_equal(vmsim__lruvec_of_node(m.lru, 0)->nonresident_age, 0);
    drop_all();
}

/* ---- passes ---- */

static uint64_t reclaim(struct vmsim__scan_control *sc, unsigned *steps) {
    for (*steps = 1; vmsim__reclaim_step(&v, sc) != VMSIM__RECLAIM_DONE; ++*steps)
        assert_true(*steps < 100);
    return sc->nr_reclaimed;
}

/* With nothing but active pages the first pass finds none: the second deactivates by force. */
static bool every_time(void *context, const struct vmsim__scan_control *sc) {
    (void)context, (void)sc;
    return true;
}

/* Interrupts come into the middle of a round, which goes on where it was: what is scanned and reclaimed at which
 * priority is the same as without any. */
static void test_a_round_that_is_interrupted_goes_on(void **state) {
    static vmsim__pfn page[9000];
    uint64_t scanned[2], anon[2], reclaimed[2];
    unsigned steps[2];
    int priority[2];
    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        start(12000);
        slots = 4000;
        fill(page, 4000, ANON);
        fill(page + 4000, 4500, CACHED);
        fill(page + 8500, 500, CACHED | VMSIM__FRAME_ACTIVE);
        for (unsigned i = 0; i < 9000; i += 3)
            fake[page[i]].used = 1;
        v.hooks.interrupted = k ? every_time : NULL;
        struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_TYPES - 1, UINT64_MAX, 0);
        sc.nr_to_reclaim = 700;
        for (steps[k] = 1; vmsim__reclaim_step(&v, &sc) != VMSIM__RECLAIM_DONE; steps[k]++)
            check();
        scanned[k] = sc.nr_scanned;
        reclaimed[k] = sc.nr_reclaimed;
        priority[k] = sc.priority;
        anon[k] = m.mem.event[VMSIM__PGSCAN_ANON];
        assert_false(sc.rest.cut);
        drop_all();
    }
    assert_int_equal(reclaimed[0], reclaimed[1]);
    assert_int_equal(scanned[0], scanned[1]);
    assert_int_equal(anon[0], anon[1]);
    assert_int_equal(priority[0], priority[1]);
    assert_true(steps[1] > steps[0] + 10);
}

static void test_active_pages_are_taken_by_force_in_a_second_pass(void **state) {
    static vmsim__pfn page[10];
    unsigned steps;
    (void)state;
    start(64);
    fill(page, 5, CACHED | VMSIM__FRAME_ACTIVE);
    fill(page + 5, 5, CACHED);
    for (unsigned i = 5; i < 10; i++)
        frame(page[i])->flags |= VMSIM__FRAME_LOCKED;
    struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_NORMAL, 1, 0);
    assert_true(reclaim(&sc, &steps) > 0);
    assert_true(sc.force_deactivate);
    assert_int_equal(event(&m, VMSIM__ALLOCSTALL_NORMAL), 2);
    check();
    drop_all();
}

static vmsim__pfn charged_page(struct vmsim__memcg *cg, uint32_t flags) {
    struct vmsim__memcg_charge t = {.gfp = VMSIM__GFP_KERNEL};
    assert_int_equal(vmsim__memcg_try_charge(m.lru, cg->id, 1, 0, &t), VMSIM__CHARGE_OK);
    struct vmsim__alloc_request rq = {.node = 0};
    vmsim__pfn pfn = vmsim__mem_alloc(&m.mem, &rq);
    vmsim__memcg_commit(m.lru, cg->id, pfn);
    frame(pfn)->flags |= flags;
    vmsim__lru_add(m.lru, pfn, 0);
    return pfn;
}

/* memory.min is never touched, memory.low only when there is nothing else. */
static void test_protected_cgroups_are_spared(void **state) {
    unsigned steps;
    (void)state;
    for (unsigned low = 0; low < 2; low++) {
        start(256);
        struct vmsim__memcg *cg = vmsim__memcg_create(m.lru, vmsim__memcg_root(m.lru));
        for (unsigned i = 0; i < 64; i++)
            charged_page(cg, CACHED);
        vmsim__lru_drain_all(m.lru);
        *(low ? &cg->memory.low : &cg->memory.min) = 100;
        struct vmsim__scan_control sc = vmsim__scan_direct(0, VMSIM__GFP_KERNEL, VMSIM__ZONE_NORMAL, 1, 0);
        uint64_t got = reclaim(&sc, &steps);
        assert_int_equal(got > 0, low);
        assert_int_equal(cg->memory_event[VMSIM__MEMCG_LOW] > 0, low);
        assert_int_equal(sc.memcg_low_reclaim, low);
        check();
        drop_all();
    }
}

/* ---- the page cache of a cgroup ---- */

/* One page as readahead brings it: charged, looked up by its shadow, on the list; then read(). */
static void read_page(struct vmsim__memcg *cg, uint64_t index) {
    struct vmsim__memcg_charge t = {.gfp = VMSIM__GFP_KERNEL | VMSIM__GFP_NORETRY};
    struct vmsim__alloc_request rq = {.node = 0};
    vmsim__pfn pfn = vmsim__entry_pfn(entry[index]);
    if (pfn == VMSIM__PFN_NONE) {
        pfn = vmsim__mem_alloc(&m.mem, &rq);
        while (vmsim__memcg_try_charge(m.lru, cg->id, 1, 0, &t) == VMSIM__CHARGE_RECLAIM) {
            struct vmsim__scan_control sc = vmsim__scan_memcg(t.over, t.pages, t.gfp, true, 0);
            unsigned steps;
            t.reclaimed = reclaim(&sc, &steps);
        }
        vmsim__memcg_commit(m.lru, cg->id, pfn);
        frame(pfn)->flags |= VMSIM__FRAME_FILE;
        vmsim__frame_set_index(frame(pfn), index);
        if (entry[index])
            vmsim__workingset_refault(m.lru, pfn, vmsim__entry_content(entry[index]));
        entry[index] = vmsim__entry_make(VMSIM__ENTRY_PAGE, pfn);
        vmsim__lru_add(m.lru, pfn, 0);
    }
    vmsim__lru_mark_accessed(m.lru, pfn, 0);
}

/* 8,192 pages, of which 94 are anonymous or the kernel's and 35 a program's; 16,416 pages are read in each pass. Each
 * time the limit is met reclaim goes from priority 12 to 8, that is 1 + 3 + 7 + 15 + 31 pages. */
static void test_the_page_cache_of_a_cgroup_as_a_real_kernel_has_it(void **state) {
    static const uint64_t scans[] = {8379, 16416, 16416}, refaults[] = {0, 16416, 16416}, limits[] = {147, 288, 288};
    (void)state;
    start(FRAMES);
    vmsim__lru_set_swap(m.lru, 1000, 1000);
    struct vmsim__memcg *cg = vmsim__memcg_create(m.lru, vmsim__memcg_root(m.lru));
    cg->memory.max = 8192;
    for (unsigned i = 0; i < 94 + 35; i++)
        charged_page(cg, i < 94 ? ANON | VMSIM__FRAME_ACTIVE : CACHED | VMSIM__FRAME_ACTIVE);
    for (unsigned pass = 0; pass < 3; pass++) {
        uint64_t scan = event(&m, VMSIM__PGSCAN_FILE), steal = event(&m, VMSIM__PGSTEAL_FILE);
        int64_t refault = vmsim__memcg_stat(cg, VMSIM__WORKINGSET_REFAULT_FILE);
        uint64_t max = cg->memory_event[VMSIM__MEMCG_MAX];
        for (uint64_t i = 0; i < FILE_PAGES; i++)
            read_page(cg, i);
        assert_int_equal(event(&m, VMSIM__PGSCAN_FILE) - scan, scans[pass]);
        assert_int_equal(event(&m, VMSIM__PGSTEAL_FILE) - steal, scans[pass]);
        assert_int_equal(vmsim__memcg_stat(cg, VMSIM__WORKINGSET_REFAULT_FILE) - refault, refaults[pass]);
        assert_int_equal(cg->memory_event[VMSIM__MEMCG_MAX] - max, limits[pass]);
        assert_int_equal(event(&m, VMSIM__PGSCAN_DIRECT), 0); /* the limit's reclaim is the cgroup's alone */
        check();
    }
    assert_int_equal(cg->event[VMSIM__PGSCAN_DIRECT], 8379 + 2 * 16416);
    assert_int_equal(vmsim__memcg_stat(cg, VMSIM__WORKINGSET_ACTIVATE_FILE), 0);
    assert_int_equal(cg->memory.watermark, 8192);
    drop_all();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares_follow_swappiness_and_cost),
        cmocka_unit_test(test_which_type_is_scanned_at_all),
        cmocka_unit_test(test_the_inactive_list_is_low_when_the_active_one_is_longer),
        cmocka_unit_test(test_active_pages_are_deactivated_but_executed_ones),
        cmocka_unit_test(test_what_becomes_of_a_page),
        cmocka_unit_test(test_an_anonymous_page_without_a_slot_becomes_active),
        cmocka_unit_test(test_writing_costs_the_type_that_was_written),
        cmocka_unit_test(test_a_page_that_others_hold_stays),
        cmocka_unit_test(test_a_round_that_is_interrupted_goes_on),
        cmocka_unit_test(test_active_pages_are_taken_by_force_in_a_second_pass),
        cmocka_unit_test(test_protected_cgroups_are_spared),
        cmocka_unit_test(test_the_page_cache_of_a_cgroup_as_a_real_kernel_has_it),
    };
    return cmocka_run_group_tests_name("reclaim_vmscan", tests, NULL, NULL);
}
