/* SPDX-License-Identifier: MIT */
/* vmsim__cache_check and vmsim__lru_check find what is broken: one thing is damaged, they must name it, the damage is
 * undone. */
#include "cache_machine.h"

static struct cache_machine m;
static struct vmsim__file *file, *shared;

static int start(void **state) {
    (void)state;
    cache_machine_start(&m, "6.1", 2, 1024);
    file = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "/f", 40 * PAGE);
    shared = vmsim__file_create(m.cache, VMSIM__FILE_SHMEM, NULL, 40 * PAGE);
    vmsim__file_preload(m.cache, file, 0);
    vmsim__file_preload(m.cache, shared, 1);
    vmsim__lru_drain_all(m.lru);
    for (uint64_t i = 5; i < 9; i++)
        vmsim__page_dirty(m.cache, vmsim__file_page(file, i));
    vmsim__lru_mlock(m.lru, vmsim__file_page(file, 3), 0);
    vmsim__lru_drain_all(m.lru);
    vmsim__lru_activate(m.lru, vmsim__file_page(file, 2), 0);
    cache_machine_check(&m);
    return 0;
}

static int end(void **state) {
    (void)state;
    vmsim__file_unlink(m.cache, file, 0);
    vmsim__file_put(m.cache, file, 0);
    vmsim__file_put(m.cache, shared, 0);
    cache_machine_end(&m, true);
    return 0;
}

static struct vmsim__frame *frame_of(struct vmsim__file *f, uint64_t index) {
    return vmsim__frame_at(&m.mem.frames, vmsim__file_page(f, index));
}

/* The check fails and its text holds `word`. */
static void assert_found(const char *word) {
    struct vmsim__err err = {0};
    int rc = vmsim__cache_check(m.cache, &err);
    assert_int_equal(rc ? rc : vmsim__lru_check(m.lru, &err), VMSIM_ECHECK);
    if (!strstr(err.text, word))
        fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

#define DAMAGE(lvalue, value, word)                                                                                    \
    do {                                                                                                               \
        __typeof__(lvalue) old = (lvalue);                                                                             \
        (lvalue) = (value);                                                                                            \
        assert_found(word);                                                                                            \
        (lvalue) = old;                                                                                                \
        cache_machine_check(&m);                                                                                       \
    } while (0)

static void test_damage_to_a_page_of_a_file_is_found(void **state) {
    struct vmsim__frame *f = frame_of(file, 1);
    (void)state;
    struct vmsim__frame elsewhere = *f;
    vmsim__frame_set_index(&elsewhere, vmsim__frame_index(f) + 1);
    DAMAGE(*f, elsewhere, "page 1");
    DAMAGE(f->mapping, shared->id, "file");
    DAMAGE(f->flags, f->flags & ~VMSIM__FRAME_FILE, "file");
    DAMAGE(f->flags, f->flags | VMSIM__FRAME_PINNED, "pinned");
    DAMAGE(f->flags, f->flags | VMSIM__FRAME_SWAPBACKED, "swap-backed");
    DAMAGE(f->refcount, 0, "refcount");
    DAMAGE(file->size, 4 * PAGE, "has page");
    DAMAGE(file->pages.count, 39, "tree");
    DAMAGE(file->nrpages, 39, "counted");
    DAMAGE(file->path[1], 'g', "path");
    DAMAGE(shared->refcount, 0, "neither path nor user");
}

/* A mark that is set where it should not be, and one that is missing. */
static void test_marks_that_contradict_flags_are_found(void **state) {
    static const struct {
        uint64_t index;
        enum vmsim__mark mark;
        bool set;
    } damage[] = {{1, VMSIM__MARK_DIRTY, true},
                  {1, VMSIM__MARK_WRITEBACK, true},
                  {5, VMSIM__MARK_DIRTY, false},
                  {1, VMSIM__MARK_PAGE, false}};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(damage); i++) {
        if (damage[i].set)
            vmsim__radix_mark(&file->pages, damage[i].index, damage[i].mark);
        else
            vmsim__radix_unmark(&file->pages, damage[i].index, damage[i].mark);
        assert_found("mark");
        if (damage[i].set)
            vmsim__radix_unmark(&file->pages, damage[i].index, damage[i].mark);
        else
            vmsim__radix_mark(&file->pages, damage[i].index, damage[i].mark);
        cache_machine_check(&m);
    }
    vmsim__radix_mark(&shared->pages, 2, VMSIM__MARK_TOWRITE);
    assert_found("to be written");
    vmsim__radix_unmark(&shared->pages, 2, VMSIM__MARK_TOWRITE);
}

static void test_a_frame_that_claims_a_file_is_found(void **state) {
    struct vmsim__alloc_request rq = {.node = 0};
    (void)state;
    vmsim__pfn pfn = vmsim__mem_alloc(&m.mem, &rq);
    struct vmsim__frame *f = vmsim__frame_at(&m.mem.frames, pfn);
    DAMAGE(f->flags, f->flags | VMSIM__FRAME_FILE, "does not have it");
    DAMAGE(f->flags, f->flags | VMSIM__FRAME_LRU, "LRU");
    vmsim__folio_put(m.lru, pfn, 0);
}

static void test_damage_to_a_list_is_found(void **state) {
    struct vmsim__frame *f = frame_of(file, 1), *locked = frame_of(file, 3);
    struct vmsim__lruvec *v = vmsim__lruvec_of_node(m.lru, 0);
    (void)state;
    DAMAGE(f->prev, f->prev + 1, "link back");
    DAMAGE(f->next, VMSIM__PFN_NONE, "list");
    DAMAGE(f->flags, f->flags & ~VMSIM__FRAME_LRU, "list");
    DAMAGE(f->flags, f->flags | VMSIM__FRAME_ACTIVE, "list");
    uint64_t *count = &v->zone_count[VMSIM__ZONE_NORMAL][VMSIM__LRU_INACTIVE_FILE];
    DAMAGE(*count, *count + 1, "counted");
    DAMAGE(v->list[VMSIM__LRU_INACTIVE_FILE].tail, VMSIM__PFN_NONE, "list");
    DAMAGE(locked->flags, locked->flags & ~VMSIM__FRAME_MLOCKED, "nr_mlock");
}

static void test_damage_to_a_counter_is_found(void **state) {
    static const unsigned node[] = {VMSIM__NR_FILE_PAGES, VMSIM__NR_SHMEM, VMSIM__NR_DIRTY, VMSIM__NR_UNEVICTABLE,
                                    VMSIM__NR_INACTIVE_FILE};
    static const unsigned zone[] = {VMSIM__NR_ZONE_WRITE_PENDING, VMSIM__NR_MLOCK, VMSIM__NR_ZONE_INACTIVE_ANON};
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(node); i++)
        DAMAGE(m.mem.nodes[1].stat[node[i]], m.mem.nodes[1].stat[node[i]] + 1, vmsim__node_stat_names[node[i]]);
    for (size_t i = 0; i < TEST_COUNT(zone); i++)
        DAMAGE(m.mem.zones[0].stat[zone[i]], m.mem.zones[0].stat[zone[i]] - 1, vmsim__zone_stat_names[zone[i]]);
}

static void test_a_check_without_host_memory_says_so(void **state) {
    struct vmsim__err err = {0};
    (void)state;
    vmsim__alloc_fail_after(m.alloc, 1);
    int rc = vmsim__cache_check(m.cache, &err), lists = vmsim__lru_check(m.lru, &err);
    vmsim__alloc_fail_after(m.alloc, UINT64_MAX);
    assert_int_equal(rc, VMSIM_ENOMEM);
    assert_int_equal(lists, VMSIM_ENOMEM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_damage_to_a_page_of_a_file_is_found, start, end),
        cmocka_unit_test_setup_teardown(test_marks_that_contradict_flags_are_found, start, end),
        cmocka_unit_test_setup_teardown(test_a_frame_that_claims_a_file_is_found, start, end),
        cmocka_unit_test_setup_teardown(test_damage_to_a_list_is_found, start, end),
        cmocka_unit_test_setup_teardown(test_damage_to_a_counter_is_found, start, end),
        cmocka_unit_test_setup_teardown(test_a_check_without_host_memory_says_so, start, end),
    };
    return cmocka_run_group_tests_name("cache_check", tests, NULL, NULL);
}
