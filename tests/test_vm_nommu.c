/* SPDX-License-Identifier: MIT */
/* Machines without an MMU: what mm/nommu.c grants and refuses, and random histories of tasks against a list of their
 * mappings. */
#include "helpers.h"

#include <string.h>

#include "machine/machine.h"
#include "vmsim/config.h"

#define PAGE UINT64_C(4096)
#define R 1u
#define RW 3u
#define PRIVATE_ANON 0x22u
#define SHARED_ANON 0x21u
#define PRIVATE 0x2u
#define SHARED 0x1u
#define FIXED 0x10u

static struct vmsim_machine *boot(void) {
    static const char *const settings[] = {"machine.arch=nommu", "machine.nodes=[{memory: 64MiB}]", "machine.cpus=2"};
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    assert_int_equal(vmsim_config_create(&config), 0);
    for (size_t i = 0; i < TEST_COUNT(settings); i++)
        assert_int_equal(vmsim_config_set(config, settings[i]), 0);
    assert_int_equal(vmsim_config_resolve(config), 0);
    assert_int_equal(vmsim_machine_create(config, &m), 0);
    vmsim_config_destroy(config);
    return m;
}

static void check(struct vmsim_machine *m) {
    if (vmsim_machine_check(m))
        fail_msg("%s", vmsim_machine_error(m));
}

static uint32_t new_task(struct vmsim_machine *m) {
    uint32_t id;
    assert_int_equal(vmsim_task_create(m, "t", 0, &id), 0);
    return id;
}

static uint64_t map(struct vmsim_machine *m, uint32_t task, uint64_t length, unsigned prot) {
    int64_t at = vmsim_task_mmap(m, task, 0, length, prot, PRIVATE_ANON, 0, 0);
    assert_true(at > 0);
    return (uint64_t)at;
}

/* The physical address of a reference, 0 when it was refused (the task is dead then). */
static uint64_t touch(struct vmsim_machine *m, uint32_t task, uint64_t va, enum vmsim_access_type type) {
    struct vmsim_access_result r;
    vmsim_access a = vmsim_access_make(va, 8, type);
    uint64_t pa = 0;
    assert_int_equal(vmsim_task_access(m, task, &a, 1, &pa, &r), 0);
    assert_true(!r.stop || r.stop == VMSIM_STOP_SIGSEGV);
    return r.stop ? 0 : pa;
}

static uint64_t unused(const struct vmsim_machine *m) {
    int64_t n = vmsim__mem_zone_stat(m->mem, VMSIM__NR_FREE_PAGES);
    for (unsigned z = 0; z < m->mem->nr_zones; z++)
        n += (int64_t)vmsim__zone_pcp_count(m->mem, &m->mem->zones[z]);
    return (uint64_t)n;
}

static void end(struct vmsim_machine *m) {
    check(m);
    assert_int_equal(vmsim_machine_destroy(m), 0);
}

static void a_mapping_is_memory_at_its_address_at_once(void **state) {
    (void)state;
    struct vmsim_machine *m = boot();
    uint64_t before = unused(m);
    uint32_t task = new_task(m);
    uint64_t base = map(m, task, 5 * PAGE + 1, RW);
    assert_int_equal(before - unused(m), 6); /* of a block of 8, two went back */
    for (uint64_t i = 0; i < 6; i++)
        assert_int_equal(touch(m, task, base + i * PAGE + 8, VMSIM_STORE), base + i * PAGE + 8);
    const struct vmsim__task *t = vmsim__task_at(m, task);
    assert_int_equal(t->stats.min_flt + t->stats.maj_flt, 0);
    assert_int_equal(vmsim__mm_rss(t->mm, VMSIM__RSS_ANON), 6);
    assert_int_equal(touch(m, task, base + 6 * PAGE, VMSIM_LOAD), 0);
    assert_int_equal(t->stop, VMSIM_STOP_SIGSEGV);
    assert_int_equal(before, unused(m));
    end(m);
}

static void rights_are_those_of_the_region(void **state) {
    (void)state;
    struct vmsim_machine *m = boot();
    uint32_t other = new_task(m), reader = new_task(m), thief = new_task(m);
    uint64_t secret = map(m, other, PAGE, RW), text = map(m, reader, PAGE, R);
    assert_int_equal(touch(m, reader, text, VMSIM_LOAD), text);
    assert_int_equal(touch(m, reader, text, VMSIM_STORE), 0);
    assert_int_equal(touch(m, thief, secret, VMSIM_LOAD), 0); /* another task's memory has an address, and no right */
    assert_int_equal(touch(m, other, secret, VMSIM_STORE), secret);
    end(m);
}

static void what_needs_an_mmu_is_refused(void **state) {
    (void)state;
    struct vmsim_machine *m = boot();
    uint32_t task = new_task(m), child, file;
    uint64_t base = map(m, task, 4 * PAGE, RW);
    struct vmsim__mm *mm = vmsim__task_at(m, task)->mm;
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/f", 64 * PAGE, false, &file), 0);
    assert_int_equal(vmsim_task_mmap(m, task, base, PAGE, RW, PRIVATE_ANON | FIXED, 0, 0), -22);
    assert_int_equal(vmsim_task_mmap(m, task, 0, PAGE, RW, SHARED, file, 0), -19);
    assert_int_equal(vmsim_task_mmap(m, task, 0, 0, RW, PRIVATE_ANON, 0, 0), -22);
    assert_int_equal(vmsim_task_mmap(m, task, 0, 8 << 20, RW, PRIVATE_ANON, 0, 0), -12); /* above the largest block */
    assert_int_equal(vmsim_task_fork(m, task, NULL, &child), VMSIM_ENOSYS);
    assert_non_null(strstr(vmsim_machine_error(m), "MMU"));
    assert_int_equal(child, VMSIM_TASK_NONE);
    assert_int_equal(vmsim__mm_mprotect(mm, base, PAGE, R, 0), -38);
    assert_int_equal(vmsim__mm_madvise(mm, base, PAGE, 4, 0), -38);
    assert_int_equal(vmsim__mm_mlock(mm, base, PAGE, 0, 0), -38);
    assert_int_equal(vmsim__mm_munlock(mm, base, PAGE, 0), -38);
    assert_int_equal(vmsim__mm_mlockall(mm, 1, 0), -38);
    assert_int_equal(vmsim__mm_munlockall(mm, 0), -38);
    assert_int_equal(vmsim__mm_msync(mm, base, PAGE, 4, 0), -38);
    assert_int_equal(vmsim__mm_mincore(mm, base, PAGE, NULL, 0), -38);
    assert_int_equal(vmsim__mm_brk(mm, 4096, 0), 0); /* the old break: there is no heap */
    assert_true(vmsim_task_mmap(m, task, 0, PAGE, RW, SHARED_ANON, 0, 0) > 0);
    end(m);
}

/* The end, the beginning and the middle of anonymous memory may go; of a file's, only all of it. */
static void unmapping_keeps_to_one_mapping(void **state) {
    (void)state;
    struct vmsim_machine *m = boot();
    uint32_t task = new_task(m), file;
    uint64_t before = unused(m), base = map(m, task, 8 * PAGE, RW);
    assert_int_equal(vmsim_task_munmap(m, task, base + PAGE, 8 * PAGE), -22);
    assert_int_equal(vmsim_task_munmap(m, task, base + 1, PAGE), -22);
    assert_int_equal(vmsim_task_munmap(m, task, base, 0), -22);
    assert_int_equal(vmsim_task_munmap(m, task, base, PAGE), 0);
    assert_int_equal(vmsim_task_munmap(m, task, base + 7 * PAGE, PAGE), 0);
    assert_int_equal(vmsim_task_munmap(m, task, base + 3 * PAGE, PAGE), 0);
    check(m);
    assert_int_equal(before - unused(m), 5);
    assert_int_equal(touch(m, task, base + 2 * PAGE, VMSIM_STORE), base + 2 * PAGE);
    assert_int_equal(vmsim_task_munmap(m, task, base + 2 * PAGE, 3 * PAGE), -22);
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/f", 64 * PAGE, false, &file), 0);
    uint64_t copy = (uint64_t)vmsim_task_mmap(m, task, 0, 4 * PAGE, R, PRIVATE, file, 0);
    assert_int_equal(vmsim_task_munmap(m, task, copy, PAGE), -22);
    assert_int_equal(vmsim_task_munmap(m, task, copy + PAGE, 3 * PAGE), -22);
    assert_int_equal(vmsim_task_munmap(m, task, copy, 4 * PAGE), 0);
    assert_int_equal(touch(m, task, base + 3 * PAGE, VMSIM_LOAD), 0);
    end(m);
}

/* A range that begins with a file's mapping takes the mapping that ends with it; one that begins in anonymous memory
 * has to lie in it. */
static void unmapping_across_mappings_goes_by_the_first(void **state) {
    (void)state;
    struct vmsim_machine *m = boot();
    uint32_t task = new_task(m), file;
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/f", 64 * PAGE, false, &file), 0);
    uint64_t one = map(m, task, 4 * PAGE, RW);
    uint64_t copy = (uint64_t)vmsim_task_mmap(m, task, 0, 4 * PAGE, R, PRIVATE, file, 0);
    uint64_t two = map(m, task, 4 * PAGE, RW), before = unused(m);
    uint64_t low = one < two ? one : two, high = one < two ? two : one;
    assert_true(low < copy && copy < high);
    assert_int_equal(vmsim_task_munmap(m, task, low, copy - low + 4 * PAGE), -22);
    assert_int_equal(vmsim_task_munmap(m, task, copy + PAGE, high - copy + 3 * PAGE), -22);
    assert_int_equal(vmsim_task_munmap(m, task, copy, high - copy + 3 * PAGE), -22);
    assert_int_equal(vmsim_task_munmap(m, task, copy, high - copy + 4 * PAGE), 0);
    assert_int_equal(unused(m) - before, 4);
    assert_int_equal(touch(m, task, copy, VMSIM_LOAD), copy);
    check(m);
    end(m);
}

static void mremap_resizes_within_the_memory_of_the_mapping(void **state) {
    (void)state;
    struct vmsim_machine *m = boot();
    uint32_t task = new_task(m);
    uint64_t before = unused(m), base = map(m, task, 4 * PAGE, RW);
    const struct vmsim__mm *mm = vmsim__task_at(m, task)->mm;
    assert_int_equal(vmsim_task_mremap(m, task, base, 4 * PAGE, 5 * PAGE, 1, 0), -12);
    assert_int_equal(vmsim_task_mremap(m, task, base, 3 * PAGE, PAGE, 1, 0), -14);
    assert_int_equal(vmsim_task_mremap(m, task, base + PAGE, PAGE, PAGE, 1, 0), -22);
    assert_int_equal(vmsim_task_mremap(m, task, base, 4 * PAGE, 2 * PAGE, 0, 0), base);
    assert_int_equal(mm->total_vm, 2);
    assert_int_equal(before - unused(m), 4); /* kept */
    check(m);
    assert_int_equal(vmsim_task_mremap(m, task, base, 2 * PAGE, 4 * PAGE, 0, 0), base);
    assert_int_equal(touch(m, task, base + 3 * PAGE, VMSIM_STORE), base + 3 * PAGE);
    assert_int_equal(vmsim_task_mremap(m, task, base, 4 * PAGE, PAGE, 0, 0), base);
    assert_int_equal(vmsim_task_munmap(m, task, base, PAGE), 0);
    assert_int_equal(unused(m), before);
    end(m);
}

static void read_only_parts_of_a_file_are_shared_among_tasks(void **state) {
    (void)state;
    struct vmsim_machine *m = boot();
    uint32_t one = new_task(m), two = new_task(m), file;
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/f", 64 * PAGE, true, &file), 0);
    uint64_t before = unused(m);
    uint64_t all = (uint64_t)vmsim_task_mmap(m, one, 0, 16 * PAGE, R, PRIVATE, file, 0);
    uint64_t part = (uint64_t)vmsim_task_mmap(m, two, 0, 3 * PAGE, R, PRIVATE, file, 4 * PAGE);
    assert_int_equal(part, all + 4 * PAGE);
    uint64_t own = (uint64_t)vmsim_task_mmap(m, two, 0, 3 * PAGE, RW, PRIVATE, file, 0);
    assert_true(own + 3 * PAGE <= all || own >= all + 16 * PAGE);
    assert_int_equal(before - unused(m), 19);
    assert_int_equal(vmsim_task_mremap(m, two, part, 3 * PAGE, PAGE, 0, 0), -1);
    assert_int_equal(vmsim_task_exit(m, one), 0); /* the part lives on */
    assert_int_equal(before - unused(m), 6);
    check(m);
    assert_int_equal(touch(m, two, part, VMSIM_LOAD), part);
    assert_int_equal(vmsim_task_exit(m, two), 0);
    assert_int_equal(before, unused(m));
    end(m);
}

/* Every allocation of the host in turn: what was asked for is not there, and the machine is whole. */
/* ---- programs ---- */

#define TEXT (40 * PAGE)
#define DATA (3 * PAGE)
#define BSS (5 * PAGE)
#define STACK (32 * PAGE) /* 128 KiB, unless the program says otherwise */

static const struct vmsim_exec_segment segments[] = {{0x10000, 0, TEXT, TEXT, 5},
                                                     {0x10000 + TEXT, TEXT, DATA, DATA + BSS, 3}};

static int64_t exec(struct vmsim_machine *m, uint32_t task, uint32_t file, bool flat) {
    const struct vmsim_exec image = {
        .size = sizeof image,
        .program = {.file = file, .fixed = flat, .segments = segments, .count = TEST_COUNT(segments)},
        .argument_bytes = 100,
        .argument_count = 4};
    return vmsim_task_exec(m, task, "prog", &image);
}

static uint64_t rss_pages(struct vmsim_machine *m, uint32_t task) {
    const struct vmsim__mm *mm = vmsim__task_at(m, task)->mm;
    return (uint64_t)(vmsim__mm_rss(mm, VMSIM__RSS_ANON) + vmsim__mm_rss(mm, VMSIM__RSS_FILE));
}

/* FDPIC: text, data with bss, and stack are runs of their own; who runs the same program shares its text. */
static void a_program_is_a_run_for_each_segment_and_shares_its_text(void **state) {
    (void)state;
    struct vmsim_machine *m = boot();
    const uint64_t all = unused(m);
    uint32_t one = new_task(m), two = new_task(m), file;
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/prog", TEXT + DATA, true, &file), 0);
    uint64_t before = unused(m);
    assert_int_equal(exec(m, one, file, false), 0);
    const uint64_t first = before - unused(m);
    assert_int_equal(rss_pages(m, one), (TEXT + DATA + BSS + STACK) / PAGE);
    assert_in_range(first, rss_pages(m, one), rss_pages(m, one) + 50); /* the page cache has the file, too */
    before = unused(m);
    assert_int_equal(exec(m, two, file, false), 0);
    assert_int_equal(before - unused(m), (DATA + BSS + STACK) / PAGE);
    const struct vmsim__vma *text = vmsim__task_at(m, one)->mm->first;
    while (text && !(text->flags & VMSIM__VM_EXEC))
        text = text->next;
    assert_non_null(text);
    assert_int_equal(touch(m, one, text->start, VMSIM_FETCH), text->start);
    assert_int_equal(touch(m, two, text->start, VMSIM_FETCH), text->start);
    assert_int_equal(touch(m, two, text->start, VMSIM_STORE), 0);
    check(m);
    assert_int_equal(vmsim_task_exit(m, one), 0);
    assert_true(unused(m) < all);
    end(m);
}

/* A flat binary is one run of text, data, bss and a page of stack for itself and its arguments each. */
static void a_flat_binary_is_one_run(void **state) {
    (void)state;
    struct vmsim_machine *m = boot();
    uint32_t task = new_task(m), file;
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/flat", TEXT + DATA, true, &file), 0);
    assert_int_equal(exec(m, task, file, true), 0);
    const struct vmsim__mm *mm = vmsim__task_at(m, task)->mm;
    assert_int_equal(mm->map_count, 1);
    assert_int_equal(rss_pages(m, task), (TEXT + DATA + BSS) / PAGE + 2);
    assert_int_equal(touch(m, task, mm->first->start + 8, VMSIM_STORE), mm->first->start + 8);
    end(m);
}

/* Half of memory is free, and nothing can be executed: the failure that matters here. */
static void memory_in_pieces_executes_nothing(void **state) {
    (void)state;
    struct vmsim_machine *m = boot();
    uint32_t hog = new_task(m), task = new_task(m), file;
    uint64_t at[16384], n = 0;
    const uint64_t all = unused(m) - 1200; /* nobody shall be killed for it */
    assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/prog", TEXT + DATA, false, &file), 0);
    for (int64_t a; n < all && (a = vmsim_task_mmap(m, hog, 0, PAGE, RW, PRIVATE_ANON, 0, 0)) > 0; n++)
        at[n] = (uint64_t)a;
    for (uint64_t i = 0; i < n; i++) {
        if (at[i] >> 12 & 1)
            assert_int_equal(vmsim_task_munmap(m, hog, at[i], PAGE), 0);
    }
    while (vmsim_task_mmap(m, hog, 0, 32 * PAGE, RW, PRIVATE_ANON, 0, 0) > 0) /* what is in one piece goes, too */
        ;
    const uint64_t base = map(m, task, PAGE, RW), before = unused(m);
    assert_true(before > all / 3);
    assert_int_equal(exec(m, task, file, true), -12);
    assert_int_equal(exec(m, task, file, false), -12);
    assert_int_equal(touch(m, task, base, VMSIM_LOAD), base); /* the old program is still there */
    assert_in_range(before - unused(m), 0, 60);               /* the page cache has what was read of the file */
    end(m);
}

static void a_host_without_memory_leaves_the_machine_whole(void **state) {
    (void)state;
    bool met = false;
    for (uint64_t n = 1; !met; n++) {
        struct vmsim_machine *m = boot();
        uint32_t task = new_task(m), file;
        assert_int_equal(vmsim_file_create(m, VMSIM_FILE_REGULAR, "/f", 64 * PAGE, false, &file), 0);
        vmsim__alloc_fail_after(m->alloc, n);
        int64_t r = vmsim_task_mmap(m, task, 0, 600 * PAGE, RW, PRIVATE_ANON, 0, 0);
        if (r > 0)
            r = vmsim_task_munmap(m, task, (uint64_t)r + PAGE, PAGE);
        if (!r)
            r = vmsim_task_mmap(m, task, 0, 8 * PAGE, R, PRIVATE, file, 0);
        vmsim__alloc_fail_after(m->alloc, UINT64_MAX);
        met = r > 0 && !vmsim__host_error(m);
        assert_true(r > 0 || r == -VMSIM__L_ENOMEM || vmsim__host_error(m));
        if (n == 1)
            assert_false(met);
        end(m);
    }
}

/* ---- random histories ---- */

enum { TASKS = 4, MAPS = 24 };
struct mapping {
    uint64_t start, pages; /* pages 0: none */
    unsigned prot;
};

static bool free_of(struct mapping map[TASKS][MAPS], uint64_t start, uint64_t pages) {
    for (unsigned i = 0; i < TASKS * MAPS; i++) {
        const struct mapping *g = &map[i / MAPS][i % MAPS];
        if (g->pages && g->start < start + pages * PAGE && start < g->start + g->pages * PAGE)
            return false;
    }
    return true;
}

static struct mapping *place(struct mapping *map, bool used, struct vmsim__rng *r) {
    unsigned from = (unsigned)vmsim__rng_below(r, MAPS);
    for (unsigned i = 0; i < MAPS; i++)
        if ((map[(from + i) % MAPS].pages > 0) == used)
            return &map[(from + i) % MAPS];
    return NULL;
}

/* Cuts [first, first + n) out of a mapping: what is left before it stays, what is behind it needs a place. */
static void cut(struct vmsim_machine *m, uint32_t task, struct mapping *g, struct mapping *rest, uint64_t first,
                uint64_t n) {
    assert_int_equal(vmsim_task_munmap(m, task, g->start + first * PAGE, n * PAGE), 0);
    *rest = (struct mapping){g->start + (first + n) * PAGE, g->pages - first - n, g->prot};
    g->pages = first;
}

static void histories_agree_with_a_list_of_mappings(void **state) {
    (void)state;
    struct vmsim__rng r = test_rng("nommu");
    struct vmsim_machine *m = boot();
    uint64_t before = unused(m), held = 0, refused = 0;
    static struct mapping map[TASKS][MAPS];
    uint32_t task[TASKS];
    for (unsigned k = 0; k < TASKS; k++)
        task[k] = new_task(m);
    for (unsigned step = 0; step < 4000; step++) {
        unsigned k = (unsigned)vmsim__rng_below(&r, TASKS);
        struct mapping *g = place(map[k], true, &r), *slot = place(map[k], false, &r);
        switch (vmsim__rng_below(&r, 4)) {
        case 0: {
            uint64_t pages = 1 + vmsim__rng_below(&r, vmsim__rng_below(&r, 8) ? 40 : 1400);
            unsigned prot = vmsim__rng_below(&r, 3) ? RW : R;
            int64_t at = slot ? vmsim_task_mmap(m, task[k], 0, pages * PAGE, prot, PRIVATE_ANON, 0, 0) : -1;
            refused += slot && at < 0;
            if (at < 0)
                break;
            if (!free_of(map, (uint64_t)at, pages))
                fail_msg("step %u: %llx is somebody's already", step, (unsigned long long)at);
            *slot = (struct mapping){(uint64_t)at, pages, prot};
            held += pages;
            break;
        }
        case 1: {
            if (!g || !slot)
                break;
            uint64_t first = vmsim__rng_below(&r, g->pages), n = 1 + vmsim__rng_below(&r, g->pages - first);
            cut(m, task[k], g, slot, first, n);
            held -= n;
            break;
        }
        default: {
            if (!g)
                break;
            uint64_t va = g->start + vmsim__rng_below(&r, g->pages) * PAGE + vmsim__rng_below(&r, PAGE - 8);
            assert_int_equal(touch(m, task[k], va, g->prot == RW ? VMSIM_STORE : VMSIM_LOAD), va);
        }
        }
        if (before - unused(m) != held)
            fail_msg("step %u: %llu frames held, %llu pages mapped", step, (unsigned long long)(before - unused(m)),
                     (unsigned long long)held);
        if (step % 100 == 0)
            check(m);
    }
    print_message("%llu pages held at the end, %llu mappings refused\n", (unsigned long long)held,
                  (unsigned long long)refused);
    for (unsigned k = 0; k < TASKS; k++)
        assert_int_equal(vmsim_task_exit(m, task[k]), 0);
    assert_int_equal(unused(m), before);
    end(m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapping_is_memory_at_its_address_at_once),
        cmocka_unit_test(rights_are_those_of_the_region),
        cmocka_unit_test(what_needs_an_mmu_is_refused),
        cmocka_unit_test(unmapping_keeps_to_one_mapping),
        cmocka_unit_test(unmapping_across_mappings_goes_by_the_first),
        cmocka_unit_test(mremap_resizes_within_the_memory_of_the_mapping),
        cmocka_unit_test(read_only_parts_of_a_file_are_shared_among_tasks),
        cmocka_unit_test(a_program_is_a_run_for_each_segment_and_shares_its_text),
        cmocka_unit_test(a_flat_binary_is_one_run),
        cmocka_unit_test(memory_in_pieces_executes_nothing),
        cmocka_unit_test(a_host_without_memory_leaves_the_machine_whole),
        cmocka_unit_test(histories_agree_with_a_list_of_mappings),
    };
    return cmocka_run_group_tests_name("vm_nommu", tests, NULL, NULL);
}
