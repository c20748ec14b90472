/* SPDX-License-Identifier: MIT */
/* No frame left, no host memory left: at every allocation of a fault, a fork, an exec, a move. The call says so, and
 * what it leaves is consistent and goes on working when memory is there again. */
#include "vm_machine.h"

static struct vm_machine m;
static struct vmsim__mm *mm;

enum { HOARD = 40000 };
static vmsim__pfn hoard[HOARD];
static unsigned hoarded, budget;

/* Below the watermarks: `budget` more frames, whoever asks. */
static vmsim__pfn last_resort(void *context, const struct vmsim__alloc_request *rq) {
    (void)context;
    if (!budget)
        return VMSIM__PFN_NONE;
    budget--;
    return vmsim__mem_get_frames(m.mem, rq, VMSIM__ALLOC_NO_WATERMARKS);
}

/* Takes frames until `left` more can be had. */
static void starve(unsigned left) {
    vmsim__pfn pfn;
    budget = 0;
    while (hoarded < HOARD && (pfn = vmsim__vm_alloc_page(m.vm, VMSIM__GFP_HIGHUSER_MOVABLE, 0, 0)) != VMSIM__PFN_NONE)
        hoard[hoarded++] = pfn;
    assert_true(hoarded < HOARD);
    budget = left;
}

static void feed(void) {
    while (hoarded)
        vmsim__folio_put(m.lru, hoard[--hoarded], 0);
    vmsim__mem_drain(m.mem);
}

static void begin(int thp) {
    vmm_start(&m, &(struct vm_machine_options){.memory = UINT64_C(64) << 20, .format = VMSIM__PT_X86_64, .thp = thp});
    m.mem->hooks.slowpath = last_resort;
    mm = vmm_mm(&m);
    hoarded = 0;
}
static void end(void) {
    feed();
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmm_end(&m);
}

/* The step with 0, 1, 2... frames left until it works. */
static unsigned with_few_frames(bool (*step)(void), unsigned limit) {
    for (unsigned n = 0; n < limit; n++) {
        starve(n);
        bool done = step();
        vmm_check(&m);
        feed();
        if (done)
            return n;
    }
    fail_msg("it never worked");
    return 0;
}

static bool one_write(void) {
    return vmm_access(mm, BASE, true) == VMSIM__FAULT_MINOR;
}

static bool file_read(void) {
    return vmsim__fault_resolved(vmm_access(mm, BASE + (1 << 30), false));
}

static bool fork_once(void) {
    int e;
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
    if (!child) {
        assert_int_equal(e, -VMSIM__L_ENOMEM);
        return false;
    }
    vmm_check(&m);
    vmsim__mm_put(child, 0);
    return true;
}

static bool move(void) {
    uint64_t to = UINT64_C(0x20000000000) + PG;
    int64_t at = vmsim__mm_mremap(mm, BASE, 600 * PG, 600 * PG, 3, to, 0);
    if (at < 0) {
        assert_int_equal(at, -VMSIM__L_ENOMEM);
        assert_int_equal(vmm_touch(mm, BASE, 600, false), 0); /* everything is where it was */
        return false;
    }
    return true;
}

static void a_write_fault_without_frames_is_oom(void **state) {
    (void)state;
    begin(VMSIM__THP_NEVER);
    vmm_map(mm, BASE, 16, RW, PRIV_ANON);
    assert_in_range(with_few_frames(one_write, 40), 1, 39); /* tables that were made stay */
    end();
}

static void a_file_fault_without_frames_is_oom(void **state) {
    (void)state;
    begin(VMSIM__THP_NEVER);
    struct vmsim__file *f = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "/f", 64 * PG);
    assert_true(vmsim__mm_mmap(mm, BASE + (1 << 30), 64 * PG, RW, VMSIM__MAP_PRIVATE | VMSIM__MAP_FIXED, f, 0, 0) > 0);
    with_few_frames(file_read, 100);
    vmsim__file_put(m.cache, f, 0);
    end();
}

static void fork_without_frames_leaves_the_parent_whole(void **state) {
    (void)state;
    begin(VMSIM__THP_NEVER);
    for (uint64_t i = 0; i < 8; i++) {
        vmm_map(mm, BASE + (i << 30), 600, RW, PRIV_ANON);
        vmm_touch(mm, BASE + (i << 30), 600, true);
    }
    assert_in_range(with_few_frames(fork_once, 400), 25, 399);
    assert_int_equal(vmm_touch(mm, BASE, 600, false), 0);
    end();
}

static void a_move_without_frames_is_undone(void **state) {
    (void)state;
    begin(VMSIM__THP_NEVER);
    vmm_map(mm, BASE, 600, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 600, true);
    with_few_frames(move, 100);
    end();
}

static void population_stops_when_frames_end(void **state) {
    (void)state;
    begin(VMSIM__THP_NEVER);
    starve(20);
    assert_int_equal(
        vmsim__mm_mmap(mm, BASE, 100 * PG, RW, PRIV_ANON | VMSIM__MAP_POPULATE | VMSIM__MAP_FIXED, NULL, 0, 0),
        BASE); /* the mapping stands */
    assert_int_equal(vmsim__mm_madvise(mm, BASE, 100 * PG, VMSIM__MADV_POPULATE_WRITE, 0), -VMSIM__L_ENOMEM);
    assert_int_equal(vmsim__mm_mlock(mm, BASE, 100 * PG, 0, 0), -VMSIM__L_EAGAIN);
    vmm_check(&m);
    feed();
    assert_int_equal(vmsim__mm_mlock(mm, BASE, 100 * PG, 0, 0), 0);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 100);
    end();
}

static void unmapping_works_without_a_frame_for_its_batch(void **state) {
    (void)state;
    begin(VMSIM__THP_NEVER);
    vmm_map(mm, BASE, 4000, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4000, true);
    starve(0);
    assert_int_equal(vmsim__mm_munmap(mm, BASE, 4000 * PG, 0), 0);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 0);
    end();
}

/* Host memory fails at the nth allocation: the call fails, nothing is lost. */
static void host_memory_ends_anywhere(void **state) {
    (void)state;
    begin(VMSIM__THP_NEVER);
    unsigned failures = 0;
    for (unsigned n = 1; n < 400; n++) {
        uint64_t at = BASE + ((uint64_t)n << 30);
        vmsim__alloc_fail_after(m.alloc, n % 12 + 1);
        int64_t r =
            vmsim__mm_mmap(mm, at, 16 * PG, RW, (n % 3 ? PRIV_ANON : SHARED_ANON) | VMSIM__MAP_FIXED, NULL, 0, 0);
        if (r > 0) {
            for (unsigned i = 0; i < 16; i++)
                failures += vmm_access(mm, at + i * PG, true) == VMSIM__FAULT_OOM;
            failures += vmsim__mm_mprotect(mm, at + 4 * PG, 4 * PG, VMSIM__PROT_READ, 0) != 0;
            int e;
            struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
            failures += child == NULL;
            if (child)
                vmsim__mm_put(child, 0);
        }
        failures += r < 0;
        vmsim__alloc_fail_after(m.alloc, UINT64_MAX);
        if (n % 8 == 0)
            vmm_check(&m);
        if (n % 40 == 0) {
            vmsim__mm_put(mm, 0);
            mm = vmm_mm(&m);
        }
    }
    assert_true(failures > 20);
    end();
}

static void huge_pages_fall_back_when_none_is_free(void **state) {
    (void)state;
    begin(VMSIM__THP_ALWAYS);
    m.mem->thp_enabled = VMSIM__THP_ALWAYS; /* small machines turn it off at boot */
    m.mem->thp_available = true;
    vmm_map(mm, BASE, 2048, RW, PRIV_ANON);
    starve(600);
    assert_true(vmsim__fault_resolved(vmm_access(mm, BASE, true)));
    assert_int_equal(m.mem->event[VMSIM__THP_FAULT_FALLBACK], 1);
    vmm_check(&m);
    feed();
    vmsim__mem_drain(m.mem);
    assert_true(vmsim__fault_resolved(vmm_access(mm, BASE + (2 << 20), true)));
    assert_int_equal(m.mem->event[VMSIM__THP_FAULT_ALLOC], 1);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_fault_without_frames_is_oom),
        cmocka_unit_test(a_file_fault_without_frames_is_oom),
        cmocka_unit_test(fork_without_frames_leaves_the_parent_whole),
        cmocka_unit_test(a_move_without_frames_is_undone),
        cmocka_unit_test(population_stops_when_frames_end),
        cmocka_unit_test(unmapping_works_without_a_frame_for_its_batch),
        cmocka_unit_test(host_memory_ends_anywhere),
        cmocka_unit_test(huge_pages_fall_back_when_none_is_free),
    };
    return cmocka_run_group_tests_name("vm_exhaustion", tests, NULL, NULL);
}
