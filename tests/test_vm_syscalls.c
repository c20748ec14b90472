/* SPDX-License-Identifier: MIT */
/* The mmap family at its edges: errno of bad calls, limits, overcommit, where mappings go, when VMAs merge, stacks and
 * breaks. Expected values are those of Linux 6.1 (captured or documented), named by what they show. */
#include "vm_machine.h"

static struct vm_machine m;
static struct vmsim__mm *mm;

static void start_as(bool user) {
    vmm_start(&m, &(struct vm_machine_options){.format = VMSIM__PT_X86_64, .thp = VMSIM__THP_NEVER, .user = user});
    mm = vmm_mm(&m);
}
static void start(void) {
    start_as(false);
}
static void end(void) {
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmm_end(&m);
}

#define E(e) (-(int64_t)VMSIM__L_##e)
static int64_t mmap_at(uint64_t at, uint64_t length, unsigned prot, unsigned flags) {
    return vmsim__mm_mmap(mm, at, length, prot, flags, NULL, 0, 0);
}
static int64_t remap(uint64_t at, uint64_t old, uint64_t new, unsigned flags, uint64_t to) {
    return vmsim__mm_mremap(mm, at, old, new, flags, to, 0);
}
static int64_t advise(uint64_t at, uint64_t length, int advice) {
    return vmsim__mm_madvise(mm, at, length, advice, 0);
}

static void bad_mmap_calls(void **state) {
    (void)state;
    const unsigned fixed = PRIV_ANON | VMSIM__MAP_FIXED;
    start();
    vmm_map(mm, BASE, 16, RW, PRIV_ANON);
    assert_int_equal(mmap_at(0, 0, RW, PRIV_ANON), E(EINVAL));
    assert_int_equal(mmap_at(0, PG, RW, VMSIM__MAP_ANONYMOUS), E(EINVAL));
    assert_int_equal(mmap_at(BASE + 1, PG, RW, fixed), E(EINVAL));
    assert_int_equal(mmap_at(BASE, PG, RW, PRIV_ANON | VMSIM__MAP_FIXED_NOREPLACE), E(EEXIST));
    assert_int_equal(mmap_at(0, PG, RW, VMSIM__MAP_PRIVATE), E(EBADF));
    assert_int_equal(vmsim__mm_mmap(mm, 0, PG, RW, VMSIM__MAP_PRIVATE, NULL, 100, 0), E(EINVAL));
    assert_int_equal(mmap_at(UINT64_C(0xffff800000000000), PG, RW, fixed), E(ENOMEM));
    assert_int_equal(mmap_at(UINT64_C(0x7ffffffff000), PG, RW, fixed), E(ENOMEM));
    assert_int_equal(mmap_at(0, PG, RW, fixed), 0);
    assert_int_equal(vmsim__mm_munmap(mm, 0, PG, 0), 0);
    assert_int_equal(mmap_at(0, UINT64_C(1) << 47, RW, PRIV_ANON | VMSIM__MAP_NORESERVE), E(ENOMEM));
    assert_int_equal(mmap_at(0, UINT64_MAX, RW, PRIV_ANON), E(ENOMEM));
    assert_int_equal(mmap_at(0, 2 << 20, RW, PRIV_ANON | VMSIM__MAP_HUGETLB), E(ENOMEM));
    assert_int_equal(mmap_at(0, PG, RW, VMSIM__MAP_SHARED_VALIDATE | VMSIM__MAP_ANONYMOUS | 0x80000000u), E(EINVAL));
    mm->privileged = false;
    assert_int_equal(mmap_at(0, PG, RW, fixed), E(EPERM));
    end();
}

static void bad_mprotect_munmap_and_madvise_calls(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 16, RW, PRIV_ANON);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + 1, PG, RW, 0), E(EINVAL));
    assert_int_equal(vmsim__mm_mprotect(mm, BASE, 0, RW, 0), 0);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + 100 * PG, PG, RW, 0), E(ENOMEM));
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + 14 * PG, 4 * PG, VMSIM__PROT_READ, 0), E(ENOMEM));
    assert_int_equal(mm->map_count, 2); /* what lies before the hole was changed */
    assert_int_equal(mm->first->end, BASE + 14 * PG);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE, PG, 0x100, 0), E(EINVAL));
    assert_int_equal(vmsim__mm_munmap(mm, BASE + 1, PG, 0), E(EINVAL));
    assert_int_equal(vmsim__mm_munmap(mm, BASE, 0, 0), E(EINVAL));
    assert_int_equal(vmsim__mm_munmap(mm, BASE + 100 * PG, PG, 0), 0);
    assert_int_equal(vmsim__mm_munmap(mm, UINT64_C(0x7ffffffff000), PG, 0), E(EINVAL));
    assert_int_equal(vmsim__mm_munmap(mm, BASE, (uint64_t)-4096, 0), E(EINVAL));
    assert_int_equal(advise(BASE + 1, PG, VMSIM__MADV_DONTNEED), E(EINVAL));
    assert_int_equal(advise(BASE, 0, VMSIM__MADV_DONTNEED), 0);
    assert_int_equal(advise(BASE, PG, 999), E(EINVAL));
    assert_int_equal(advise(BASE + 8 * PG, 100 * PG, VMSIM__MADV_DONTNEED), E(ENOMEM));
    assert_int_equal(advise(BASE + 100 * PG, PG, VMSIM__MADV_DONTNEED), E(ENOMEM));
    assert_int_equal(advise(BASE, PG, VMSIM__MADV_FREE), 0);
    assert_int_equal(advise(BASE, PG, VMSIM__MADV_REMOVE), E(EINVAL));
    assert_int_equal(advise(BASE, PG, VMSIM__MADV_COLLAPSE), E(EINVAL));
    assert_int_equal(advise(BASE, PG, VMSIM__MADV_WILLNEED), 0);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + 4 * PG, PG, 0, 0), 0);
    assert_int_equal(advise(BASE + 4 * PG, PG, VMSIM__MADV_POPULATE_READ), E(EINVAL));
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + 4 * PG, PG, VMSIM__PROT_READ, 0), 0);
    assert_int_equal(advise(BASE + 4 * PG, PG, VMSIM__MADV_POPULATE_WRITE), E(EINVAL));
    end();
}

static void bad_mlock_msync_mincore_and_mremap_calls(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 16, RW, PRIV_ANON);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + 4 * PG, PG, VMSIM__PROT_READ, 0), 0);
    assert_int_equal(vmsim__mm_mlock(mm, BASE + 100 * PG, PG, 0, 0), E(ENOMEM));
    assert_int_equal(vmsim__mm_mlock(mm, BASE + 12 * PG, 100 * PG, 0, 0), E(ENOMEM));
    assert_int_equal(vmsim__mm_munlock(mm, BASE + 100 * PG, PG, 0), E(ENOMEM));
    assert_int_equal(vmsim__mm_mlock(mm, BASE, PG, 8, 0), E(EINVAL));
    assert_int_equal(vmsim__mm_mlockall(mm, 0, 0), E(EINVAL));
    assert_int_equal(vmsim__mm_mlockall(mm, VMSIM__MCL_ONFAULT, 0), E(EINVAL));
    assert_int_equal(vmsim__mm_msync(mm, BASE + 1, PG, VMSIM__MS_SYNC, 0), E(EINVAL));
    assert_int_equal(vmsim__mm_msync(mm, BASE, PG, VMSIM__MS_SYNC | VMSIM__MS_ASYNC, 0), E(EINVAL));
    assert_int_equal(vmsim__mm_msync(mm, BASE + 100 * PG, PG, VMSIM__MS_SYNC, 0), E(ENOMEM));
    assert_int_equal(vmsim__mm_mincore(mm, BASE + 100 * PG, PG, NULL, 0), E(ENOMEM));
    assert_int_equal(vmsim__mm_mincore(mm, BASE + 1, PG, NULL, 0), E(EINVAL));
    assert_int_equal(remap(BASE + 1, PG, PG, 0, 0), E(EINVAL));
    assert_int_equal(remap(BASE, PG, 0, 0, 0), E(EINVAL));
    assert_int_equal(remap(BASE, 0, PG, VMSIM__MREMAP_MAYMOVE, 0), E(EINVAL));
    assert_int_equal(remap(BASE + 100 * PG, PG, 2 * PG, VMSIM__MREMAP_MAYMOVE, 0), E(EFAULT));
    assert_int_equal(remap(BASE, PG, PG, VMSIM__MREMAP_FIXED, BASE + 200 * PG), E(EINVAL));
    assert_int_equal(remap(BASE, 4 * PG, 4 * PG, 3, BASE + 2 * PG), E(EINVAL));
    assert_int_equal(remap(BASE + 2 * PG, 4 * PG, 8 * PG, VMSIM__MREMAP_MAYMOVE, 0), E(EFAULT));
    assert_int_equal(remap(BASE, PG, PG, 64, 0), E(EINVAL));
    assert_int_equal(remap(BASE, PG, PG, VMSIM__MREMAP_DONTUNMAP, 0), E(EINVAL));
    assert_int_equal(remap(BASE, 4 * PG, 8 * PG, 0, 0), E(ENOMEM));
    end();
}

static void limits_of_a_process(void **state) {
    (void)state;
    start_as(true);
    vmm_map(mm, BASE, 64, RW, PRIV_ANON);
    vmsim__mm_set_rlimit(mm, VMSIM__RLIMIT_MEMLOCK, 16 * PG);
    assert_int_equal(vmsim__mm_mlock(mm, BASE, 17 * PG, 0, 0), E(ENOMEM));
    assert_int_equal(vmsim__mm_mlock(mm, BASE, 16 * PG, 0, 0), 0);
    assert_int_equal(vmsim__mm_mlock(mm, BASE, 16 * PG, 0, 0), 0); /* what is locked already does not count twice */
    assert_int_equal(mmap_at(0, PG, RW, PRIV_ANON | VMSIM__MAP_LOCKED), E(EAGAIN));
    vmsim__mm_set_rlimit(mm, VMSIM__RLIMIT_MEMLOCK, 0);
    assert_int_equal(vmsim__mm_mlock(mm, BASE + 20 * PG, PG, 0, 0), E(EPERM));
    assert_int_equal(mmap_at(0, PG, RW, PRIV_ANON | VMSIM__MAP_LOCKED), E(EPERM));
    vmsim__mm_set_rlimit(mm, VMSIM__RLIMIT_AS, UINT64_C(1) << 30);
    assert_int_equal(mmap_at(0, UINT64_C(2) << 30, RW, PRIV_ANON | VMSIM__MAP_NORESERVE), E(ENOMEM));
    vmsim__mm_set_rlimit(mm, VMSIM__RLIMIT_DATA, 1 << 20);
    assert_int_equal(mmap_at(0, 64 << 20, RW, PRIV_ANON), E(ENOMEM));
    assert_true(mmap_at(0, 64 << 20, VMSIM__PROT_READ, PRIV_ANON) > 0);
    end();
}

static void max_map_count_stops_maps_and_splits(void **state) {
    (void)state;
    start();
    vmsim__vm_knobs(m.vm)->max_map_count = 20;
    unsigned n = 0;
    while (mmap_at(BASE + n * 8 * PG, 4 * PG, RW, PRIV_ANON | VMSIM__MAP_FIXED) > 0)
        n++;
    assert_int_equal(n, 21); /* checked before: one more than the limit */
    assert_int_equal(vmsim__mm_munmap(mm, BASE + PG, PG, 0), E(ENOMEM));
    assert_int_equal(vmsim__mm_munmap(mm, BASE, PG, 0), 0); /* an end needs no further VMA */
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + 8 * PG, PG, 0, 0), E(ENOMEM));
    end();
}

static uint64_t largest(void) {
    uint64_t lo = 0, hi = (m.mem->totalram) * 4;
    while (hi - lo > 1) {
        uint64_t mid = (lo + hi) / 2;
        int64_t at = mmap_at(0, mid * PG, RW, PRIV_ANON);
        if (at < 0) {
            hi = mid;
        } else {
            assert_int_equal(vmsim__mm_munmap(mm, (uint64_t)at, mid * PG, 0), 0);
            lo = mid;
        }
    }
    return lo;
}

static void overcommit_modes(void **state) {
    (void)state;
    start();
    struct vmsim__vm_spec *k = vmsim__vm_knobs(m.vm);
    uint64_t total = m.mem->totalram, four = total * 4 * PG;
    assert_int_equal(largest(), total); /* guess: one request of all RAM, whatever is used */
    vmm_map(mm, BASE, 1000, RW, PRIV_ANON);
    assert_int_equal(largest(), total);
    assert_true(mmap_at(0, four, RW, PRIV_ANON | VMSIM__MAP_NORESERVE) > 0);
    k->overcommit_memory = 1;
    assert_true(mmap_at(0, four, RW, PRIV_ANON) > 0);
    vmsim__mm_put(mm, 0);
    mm = vmm_mm(&m);
    k->overcommit_memory = 2;
    vmm_map(mm, BASE, 1000, RW, PRIV_ANON);
    assert_int_equal(vmsim__vm_commit_limit(m.vm), total / 2);
    assert_int_equal(largest(), total / 2 - 1000 - 1000 / 32 - 1); /* strictly below, less 1/32 of the process */
    assert_int_equal(mmap_at(0, four, RW, PRIV_ANON | VMSIM__MAP_NORESERVE), E(ENOMEM));
    assert_true(mmap_at(0, four, VMSIM__PROT_READ, PRIV_ANON) > 0);
    k->overcommit_kbytes = 8000;
    assert_int_equal(vmsim__vm_commit_limit(m.vm), 2000);
    end();
}

static void mappings_go_down_from_mmap_base(void **state) {
    (void)state;
    start();
    const uint64_t base = UINT64_C(0x7ffff7fff000);
    assert_int_equal(mm->mmap_base, base);
    assert_int_equal(mmap_at(0, 4 * PG, RW, PRIV_ANON), base - 4 * PG);
    assert_int_equal(mmap_at(0, 4 * PG, VMSIM__PROT_READ, PRIV_ANON), base - 8 * PG);
    assert_int_equal(mmap_at(0, 2 * PG, RW, PRIV_ANON), base - 10 * PG);
    assert_int_equal(vmsim__mm_munmap(mm, base - 8 * PG, 4 * PG, 0), 0);
    assert_int_equal(mmap_at(0, 8 * PG, RW, PRIV_ANON), base - 18 * PG);              /* the gap is too small */
    assert_int_equal(mmap_at(0, 4 * PG, VMSIM__PROT_READ, PRIV_ANON), base - 8 * PG); /* and then it fits */
    assert_int_equal(mmap_at(BASE + 5, PG, RW, PRIV_ANON), BASE);                     /* a hint that is free */
    assert_int_equal(mmap_at(BASE, PG, RW, PRIV_ANON), base - 19 * PG);               /* a hint that is not */
    end();
}

static unsigned vmas(void) {
    return mm->map_count;
}

static void neighbours_merge_when_they_agree(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 16, RW, PRIV_ANON);
    vmm_map(mm, BASE + 16 * PG, 16, RW, PRIV_ANON);
    assert_int_equal(vmas(), 1);
    vmm_map(mm, BASE + 40 * PG, 8, RW, PRIV_ANON);
    assert_int_equal(vmas(), 2);
    vmm_map(mm, BASE + 32 * PG, 8, RW, PRIV_ANON); /* the gap: three become one */
    assert_int_equal(vmas(), 1);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + 8 * PG, 8 * PG, VMSIM__PROT_READ, 0), 0);
    assert_int_equal(vmas(), 3);
    assert_int_equal(vmsim__mm_mprotect(mm, BASE + 8 * PG, 8 * PG, RW, 0), 0);
    assert_int_equal(vmas(), 1);
    vmm_touch(mm, BASE, 16, true);
    assert_int_equal(vmsim__mm_mlock(mm, BASE + 2 * PG, 2 * PG, 0, 0), 0);
    assert_int_equal(vmas(), 3);
    assert_int_equal(vmsim__mm_munlock(mm, BASE + 2 * PG, 2 * PG, 0), 0);
    assert_int_equal(vmas(), 1);
    assert_int_equal(advise(BASE + 4 * PG, 4 * PG, VMSIM__MADV_DONTFORK), 0);
    assert_int_equal(vmas(), 3);
    assert_int_equal(advise(BASE + 4 * PG, 4 * PG, VMSIM__MADV_DOFORK), 0);
    assert_int_equal(vmas(), 1);
    vmm_map(mm, BASE + 100 * PG, 4, RW, SHARED_ANON); /* two objects: never one */
    vmm_map(mm, BASE + 104 * PG, 4, RW, SHARED_ANON);
    assert_int_equal(vmas(), 3);
    end();
}

/* What comes between them joins one of two anon_vmas: the lower, but on older kernels. */
static void touched_islands_stay_apart(void **state) {
    static const char *const kernels[] = {"6.1", "6.18", "6.12"};
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(kernels); i++) {
        if (i)
            end();
        vmm_start(&m, &(struct vm_machine_options){.kernel = kernels[i], .format = VMSIM__PT_X86_64});
        mm = vmm_mm(&m);
        vmm_map(mm, BASE, 4, RW, PRIV_ANON);
        vmm_touch(mm, BASE, 4, true);
        vmm_map(mm, BASE + 8 * PG, 4, RW, PRIV_ANON);
        vmm_touch(mm, BASE + 8 * PG, 4, true);
        vmm_map(mm, BASE + 4 * PG, 4, RW, PRIV_ANON);
        assert_int_equal(vmas(), 2);
        assert_int_equal(mm->first->end, BASE + (i ? 8 : 4) * PG);
        vmm_check(&m);
    }
    /* a touched mapping that moved keeps its page offset, and so does not merge where it lands */
    assert_int_equal(remap(BASE + 8 * PG, 4 * PG, 4 * PG, 3, BASE + 64 * PG), BASE + 64 * PG);
    vmm_map(mm, BASE + 68 * PG, 4, RW, PRIV_ANON);
    assert_int_equal(vmas(), 3);
    end();
}

/* One that has pages and one that has none: 6.16 is the first that lets the latter take the former in. */
static void mappings_without_pages_take_in_others(void **state) {
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        vmm_start(&m, &(struct vm_machine_options){.kernel = i & 1 ? "6.18" : "6.12", .format = VMSIM__PT_X86_64});
        mm = vmm_mm(&m);
        const uint64_t touched = BASE + (i & 2 ? 0 : 4 * PG), other = BASE + (i & 2 ? 4 * PG : 0);
        vmm_map(mm, touched, 4, RW, PRIV_ANON);
        vmm_touch(mm, touched, 4, true);
        assert_int_equal(vmsim__mm_mprotect(mm, touched, 4 * PG, VMSIM__PROT_READ, 0), 0);
        vmm_map(mm, other, 4, RW, PRIV_ANON);
        assert_int_equal(vmsim__mm_mprotect(mm, touched, 4 * PG, RW, 0), 0);
        assert_int_equal(vmas(), i & 1 ? 1 : 2);
        vmm_check(&m);
        vmm_touch(mm, BASE, 8, true);
        end();
    }
}

static void stacks_grow_to_their_limit_and_keep_their_distance(void **state) {
    (void)state;
    start();
    const uint64_t top = BASE + (64 << 20);
    vmm_map(mm, top - 16 * PG, 16, RW, PRIV_ANON | VMSIM__MAP_GROWSDOWN);
    uint64_t low = top - (8 << 20);
    assert_int_equal(vmm_access(mm, low, true), VMSIM__FAULT_MINOR);
    assert_int_equal(mm->stack_vm, 2048);
    assert_int_equal(vmsim__vm_committed(m.vm), 2048);
    assert_int_equal(vmm_access(mm, low - PG, true), VMSIM__FAULT_SIGSEGV_MAPERR); /* RLIMIT_STACK */
    end();
    start();
    vmm_map(mm, top - PG, 1, RW, PRIV_ANON | VMSIM__MAP_GROWSDOWN);
    vmm_map(mm, top - 400 * PG, 1, RW, PRIV_ANON);
    assert_int_equal(vmm_access(mm, top - 143 * PG, true), VMSIM__FAULT_MINOR); /* 256 pages between */
    assert_int_equal(vmm_access(mm, top - 144 * PG, true), VMSIM__FAULT_SIGSEGV_MAPERR);
    assert_int_equal(vmm_access(mm, top - 400 * PG, true), VMSIM__FAULT_MINOR);
    end();
}

/* Mappings that are not charged grow without a charge that nobody would give back, and mprotect charges what they have
 * become. */
static void what_grows_is_charged_as_its_mapping_is(void **state) {
    static const struct {
        unsigned prot, flags, charged;
    } kinds[] = {{RW, 0, 1}, {VMSIM__PROT_READ, 0, 0}, {RW, VMSIM__MAP_NORESERVE, 0}, {VMSIM__PROT_EXEC, 0, 0}};
    const uint64_t top = BASE + (64 << 20);
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(kinds); i++) {
        start();
        vmm_map(mm, top - PG, 1, kinds[i].prot, PRIV_ANON | VMSIM__MAP_GROWSDOWN | kinds[i].flags);
        assert_int_equal(vmm_access(mm, top - 3 * PG, false), VMSIM__FAULT_MINOR);
        assert_int_equal(mm->total_vm, 3);
        assert_int_equal(vmsim__vm_committed(m.vm), 3 * kinds[i].charged);
        vmm_check(&m);
        assert_int_equal(vmsim__mm_mprotect(mm, top - 2 * PG, PG, RW, 0), 0);
        vmm_check(&m);
        assert_int_equal(vmm_access(mm, top - 9 * PG, false), VMSIM__FAULT_MINOR);
        vmm_check(&m);
        assert_int_equal(vmsim__mm_munmap(mm, top - 16 * PG, 16 * PG, 0), 0);
        assert_int_equal(vmsim__vm_committed(m.vm), 0);
        end();
    }
}

/* One random call within a window of WINDOW pages. */
enum { WINDOW = 64 };
static void random_call(struct vmsim__rng *r) {
    static const unsigned prots[] = {RW, RW, VMSIM__PROT_READ, 0, VMSIM__PROT_EXEC},
                          kinds[] = {PRIV_ANON, PRIV_ANON | VMSIM__MAP_GROWSDOWN,
                                     PRIV_ANON | VMSIM__MAP_GROWSDOWN | VMSIM__MAP_NORESERVE,
                                     PRIV_ANON | VMSIM__MAP_NORESERVE, VMSIM__MAP_SHARED | VMSIM__MAP_ANONYMOUS};
    uint64_t from = vmsim__rng_below(r, WINDOW), n = 1 + vmsim__rng_below(r, 8), at = BASE + from * PG;
    uint64_t to = BASE + vmsim__rng_below(r, WINDOW) * PG;
    unsigned prot = prots[vmsim__rng_below(r, TEST_COUNT(prots))];
    switch (vmsim__rng_below(r, 8)) {
    case 0:
    case 1:
        mmap_at(at, n * PG, prot, VMSIM__MAP_FIXED | kinds[vmsim__rng_below(r, TEST_COUNT(kinds))]);
        break;
    case 2:
        vmsim__mm_munmap(mm, at, n * PG, 0);
        break;
    case 3:
        vmsim__mm_mprotect(mm, at, n * PG, prot | (vmsim__rng_below(r, 4) ? 0 : VMSIM__PROT_GROWSDOWN), 0);
        break;
    case 4:
        remap(at, n * PG, (1 + vmsim__rng_below(r, 8)) * PG, vmsim__rng_below(r, 2) ? 3 : 1, to);
        break;
    case 5:
        vmsim__mm_mlock(mm, at, n * PG, 0, 0);
        break;
    default:
        vmm_access(mm, at, vmsim__rng_below(r, 2));
    }
}

/* Whatever a process does to its mappings: the check counts every charge again, and the end gives all of it back. */
static void what_is_charged_is_given_back(void **state) {
    (void)state;
    for (unsigned round = 0; round < 20; round++) {
        struct vmsim__rng r;
        int error;
        vmsim__rng_seed(&r, test_seed() + round);
        start();
        vmsim__mm_set_rlimit(mm, VMSIM__RLIMIT_MEMLOCK, UINT64_MAX);
        for (unsigned i = 0; i < 600; i++) {
            random_call(&r);
            if (i % 8 == 0)
                vmm_check(&m);
        }
        struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &error);
        assert_non_null(child);
        for (unsigned i = 0; i < 100; i++)
            random_call(&r);
        vmm_check(&m);
        vmsim__mm_put(child, 0);
        assert_int_equal(vmsim__mm_munmap(mm, BASE, mm->task_size - BASE, 0), 0);
        assert_int_equal(vmsim__vm_committed(m.vm), 0);
        end();
    }
}

static void the_break_grows_and_shrinks(void **state) {
    (void)state;
    start();
    mm->start_brk = mm->brk = BASE;
    assert_int_equal(vmsim__mm_brk(mm, 1, 0), BASE);
    assert_int_equal(vmsim__mm_brk(mm, BASE + 100, 0), BASE + 100);
    assert_int_equal(mm->total_vm, 1);
    assert_string_equal(vmsim__vma_name(mm->first), "[heap]");
    assert_int_equal(vmsim__mm_brk(mm, BASE + 10 * PG, 0), BASE + 10 * PG);
    assert_int_equal(vmas(), 1);
    assert_int_equal(vmm_touch(mm, BASE, 10, true), 10);
    assert_int_equal(vmsim__mm_brk(mm, BASE + 5 * PG, 0), BASE + 5 * PG);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 5);
    vmm_map(mm, BASE + 20 * PG, 1, RW, PRIV_ANON);
    assert_int_equal(vmsim__mm_brk(mm, BASE + 20 * PG, 0), BASE + 5 * PG); /* a page must stay free */
    assert_int_equal(vmsim__mm_brk(mm, BASE + 19 * PG, 0), BASE + 19 * PG);
    vmsim__mm_set_rlimit(mm, VMSIM__RLIMIT_DATA, 4 * PG);
    assert_int_equal(vmsim__mm_brk(mm, BASE + 18 * PG, 0), BASE + 19 * PG);
    end();
}

static void mremap_moves_pages_without_faults(void **state) {
    (void)state;
    const uint64_t two = UINT64_C(0x20000000000), three = UINT64_C(0x30000000000);
    start();
    vmm_map(mm, BASE, 256, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 256, true);
    assert_int_equal(remap(BASE, 256 * PG, 512 * PG, 0, 0), BASE);
    assert_int_equal(vmm_touch(mm, BASE + 256 * PG, 256, true), 256);
    assert_int_equal(remap(BASE, 512 * PG, 512 * PG, 3, two), two);
    vmm_check(&m);
    assert_int_equal(vmm_touch(mm, two, 512, true), 0);
    assert_int_equal(vmm_access(mm, BASE, false), VMSIM__FAULT_SIGSEGV_MAPERR);
    assert_int_equal(remap(two, 512 * PG, 128 * PG, 0, 0), two);
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 128);
    assert_int_equal(remap(two, 128 * PG, 128 * PG, 7, three), three);
    assert_int_equal(vmm_touch(mm, two, 128, false), 128); /* still mapped, empty: the zero page */
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 128);
    assert_int_equal(vmsim__vm_committed(m.vm), 256);
    vmm_check(&m);
    /* to an address that is not congruent: entry by entry */
    assert_int_equal(remap(three, 128 * PG, 128 * PG, 3, BASE + PG), BASE + PG);
    assert_int_equal(vmm_touch(mm, BASE + PG, 128, true), 0);
    end();
}

/* Only one of the two tables at the new place gets pages; both are made, for the old place has one. */
static void mremap_over_a_border_makes_both_tables(void **state) {
    (void)state;
    const uint64_t two = UINT64_C(0x20000000000), to = two + 508 * PG;
    start();
    vmm_map(mm, BASE, 8, RW, PRIV_ANON);
    vmm_touch(mm, BASE, 4, true);
    const uint64_t before = mm->pgtables_bytes;
    assert_int_equal(remap(BASE, 8 * PG, 8 * PG, 3, to), to);
    const uint64_t one_table = mm->pgtables_bytes;
    vmm_touch(mm, two + 512 * PG, 1, true); /* its table is there already */
    assert_int_equal(mm->pgtables_bytes, one_table);
    assert_true(one_table > before);
    vmm_check(&m);
    end();
}

/* What a replay knows to be a hole, though something lies there now. */
static void mlock_up_to_a_hole_locks_and_populates_nothing(void **state) {
    (void)state;
    start();
    vmm_map(mm, BASE, 8, RW, PRIV_ANON);
    assert_int_equal(vmsim__mm_mlock(mm, BASE, 4 * PG, VMSIM__MLOCK_HOLE, 0), E(ENOMEM));
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON), 0);
    assert_int_equal(vmm_touch(mm, BASE, 4, true), 4);
    assert_int_equal(vmsim__mm_munlock(mm, BASE, 8 * PG, 0), 0);
    vmm_check(&m);
    end();
}

/* A recording's first place agrees with its recorded one from there on, and the kernel's own choice is taken. */
static void mappings_begin_like_those_of_a_recording(void **state) {
    (void)state;
    const uint64_t huge = UINT64_C(1) << 21, like = UINT64_C(0x7f1234567000);
    start();
    const uint64_t top = mm->mmap_base;
    vmsim__mm_begin_like(mm, top, like);
    assert_true(mm->mmap_base <= top && top - mm->mmap_base < huge);
    assert_int_equal((mm->mmap_base - like) & (huge - 1), 0);
    const uint64_t base = mm->mmap_base;
    assert_int_equal(vmsim__mm_mmap(mm, 0, PG, RW, PRIV_ANON, NULL, 0, 0), base - PG);
    assert_int_equal(vmsim__mm_place_like(mm, like - PG - 1024 * PG, 1024 * PG, PRIV_ANON), 0);
    vmm_check(&m);
    end();
}

static void exec_lays_out_a_process(void **state) {
    (void)state;
    const struct vmsim__exec_segment prog[] = {
        {.vaddr = 0, .offset = 0, .file_bytes = 0x1000, .memory_bytes = 0x1000, .prot = 1},
        {.vaddr = 0x1000, .offset = 0x1000, .file_bytes = 0x3000, .memory_bytes = 0x3000, .prot = 5},
        {.vaddr = 0x4d00, .offset = 0x3d00, .file_bytes = 0x400, .memory_bytes = 0x5000, .prot = 3}};
    const struct vmsim__exec_segment ld[] = {
        {.vaddr = 0, .offset = 0, .file_bytes = 0x26000, .memory_bytes = 0x26000, .prot = 5},
        {.vaddr = 0x27000, .offset = 0x26000, .file_bytes = 0x2100, .memory_bytes = 0x2100, .prot = 3}};
    start();
    struct vmsim__file *f = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "/bin/a", 0x5000);
    struct vmsim__file *l = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "/lib/ld.so", 0x30000);
    const struct vmsim__exec x = {.program = {.file = f, .segments = prog, .count = 3},
                                  .interpreter = {.file = l, .segments = ld, .count = 2},
                                  .argument_bytes = 2000,
                                  .argument_count = 30};
    assert_int_equal(vmsim__mm_exec(mm, &x, 0), 0);
    vmm_check(&m);
    assert_int_equal(mm->first->start, UINT64_C(0x555555554000));
    assert_int_equal(mm->start_brk, UINT64_C(0x55555555e000));
    assert_int_equal(mm->stack_vm, 33); /* a page of arguments and 128 KiB */
    const struct vmsim__vma *stack = vmsim__mm_find_vma(mm, UINT64_C(0x7fffffffe000));
    assert_int_equal(stack->start, UINT64_C(0x7ffffffde000));
    assert_string_equal(vmsim__vma_name(stack), "[stack]");
    assert_string_equal(vmsim__vma_name(vmsim__mm_find_vma(mm, mm->vdso)), "[vdso]");
    assert_int_equal(vmsim__mm_rss(mm, VMSIM__RSS_ANON),
                     2); /* stack, and the data page cleared behind the file's part */
    assert_true(vmsim__fault_resolved(vmm_access(mm, UINT64_C(0x555555556000), false)));
    vmsim__file_put(m.cache, f, 0);
    vmsim__file_put(m.cache, l, 0);
    end();
}

/* The child maps a huge page, the parent base entries of it but one: when the child goes, the one is free to be split
 * off. */
static void a_huge_page_left_with_base_entries_alone_waits_for_its_split(void **state) {
    (void)state;
    const uint64_t at = UINT64_C(1) << 40;
    int error = 0;
    vmm_start(&m, &(struct vm_machine_options){
                      .memory = UINT64_C(1) << 30, .format = VMSIM__PT_X86_64, .thp = VMSIM__THP_ALWAYS});
    mm = vmm_mm(&m);
    vmm_map(mm, at, 512, VMSIM__PROT_READ | VMSIM__PROT_WRITE, VMSIM__MAP_PRIVATE | VMSIM__MAP_ANONYMOUS);
    vmm_touch(mm, at, 1, true);
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &error);
    assert_non_null(child);
    vmm_touch(mm, at, 1, true);
    assert_int_equal(m.mem->event[VMSIM__THP_SPLIT_PMD], 1);
    assert_int_equal(m.mem->event[VMSIM__THP_DEFERRED_SPLIT_PAGE], 0);
    vmsim__mm_put(child, 0);
    assert_int_equal(m.mem->event[VMSIM__THP_DEFERRED_SPLIT_PAGE], 1);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_mmap_calls),
        cmocka_unit_test(bad_mprotect_munmap_and_madvise_calls),
        cmocka_unit_test(bad_mlock_msync_mincore_and_mremap_calls),
        cmocka_unit_test(limits_of_a_process),
        cmocka_unit_test(max_map_count_stops_maps_and_splits),
        cmocka_unit_test(overcommit_modes),
        cmocka_unit_test(mappings_go_down_from_mmap_base),
        cmocka_unit_test(neighbours_merge_when_they_agree),
        cmocka_unit_test(touched_islands_stay_apart),
        cmocka_unit_test(mappings_without_pages_take_in_others),
        cmocka_unit_test(stacks_grow_to_their_limit_and_keep_their_distance),
        cmocka_unit_test(what_grows_is_charged_as_its_mapping_is),
        cmocka_unit_test(what_is_charged_is_given_back),
        cmocka_unit_test(the_break_grows_and_shrinks),
        cmocka_unit_test(mremap_moves_pages_without_faults),
        cmocka_unit_test(mremap_over_a_border_makes_both_tables),
        cmocka_unit_test(mlock_up_to_a_hole_locks_and_populates_nothing),
        cmocka_unit_test(mappings_begin_like_those_of_a_recording),
        cmocka_unit_test(exec_lays_out_a_process),
        cmocka_unit_test(a_huge_page_left_with_base_entries_alone_waits_for_its_split),
    };
    return cmocka_run_group_tests_name("vm_syscalls", tests, NULL, NULL);
}
