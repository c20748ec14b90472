/* SPDX-License-Identifier: MIT */
/* The micro-workloads of the captures, phase by phase: what real Linux 6.1 counted is what the simulated one counts.
 *
 * A captured phase lists every counter that changed; a counter that it does not list must not change here either. The
 * capturing process cost a few pages of its own in some phases: each such counter is named beside the phase. The
 * captures are read from VMSIM_GROUNDTRUTH, else ../shared/groundtruth; without them the tests are skipped. */
#include "vm_machine.h"

#define N UINT64_C(256)

struct phase {
    char title[160];
    struct {
        char name[64];
        int64_t delta;
    } at[160];
    unsigned count;
};

static struct phase phases[40];
static unsigned nr_phases;
static const char *workload;

static void add(struct phase *p, const char *name, int64_t delta) {
    assert_true(p->count < TEST_COUNT(p->at));
    snprintf(p->at[p->count].name, sizeof p->at[0].name, "%s", name);
    p->at[p->count++].delta = delta;
}

/* Reads the phases of one workload; false: there is no such capture. */
static bool load(const char *shape, const char *name) {
    const char *folder = getenv("VMSIM_GROUNDTRUTH");
    char path[512], line[512], a[64], b[64];
    long long before, after, delta;
    snprintf(path, sizeof path, "%s/workloads/%s/%s.txt",
             folder && *folder ? folder : VMSIM_SOURCE_DIR "/../shared/groundtruth", shape, name);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    workload = name;
    nr_phases = 0;
    memset(phases, 0, sizeof phases);
    while (fgets(line, sizeof line, f)) {
        struct phase *p = nr_phases ? &phases[nr_phases - 1] : NULL;
        if (!strncmp(line, "--- phase", 9)) {
            assert_true(nr_phases < TEST_COUNT(phases));
            snprintf(phases[nr_phases++].title, sizeof phases[0].title, "%.*s", (int)strcspn(line, "\n"), line);
        } else if (p && sscanf(line, "rusage minflt %lld majflt %lld", &before, &after) == 2) {
            add(p, "minflt", before);
            add(p, "majflt", after);
        } else if (p && sscanf(line, "%63s %63s %lld %lld %lld", a, b, &before, &after, &delta) == 5 &&
                   strcmp(a, "zone")) {
            add(p, b, delta);
        }
    }
    fclose(f);
    return true;
}

static int64_t wanted(unsigned phase, const char *name) {
    const struct phase *p = &phases[phase - 1];
    for (unsigned i = 0; i < p->count; i++) {
        if (!strcmp(p->at[i].name, name))
            return p->at[i].delta;
    }
    return 0;
}

static unsigned faults;

/* Compares one counter unless `noise` (names between spaces) has it. */
static void compare(unsigned phase, const char *name, int64_t delta, const char *noise) {
    char word[80];
    snprintf(word, sizeof word, " %s ", name);
    if (strstr(noise, word) || delta == wanted(phase, name))
        return;
    print_error("%s %s: %s %lld, Linux %lld\n", workload, phases[phase - 1].title, name, (long long)delta,
                (long long)wanted(phase, name));
    faults++;
}

/* What tells nothing about vm/: sizes of free lists and what is derived from them. */
static bool judged(const char *name) {
    static const char *const not [] = {"pgalloc",    "pgpgin",  "nr_slab", "nr_kernel_stack", "nr_vmscan",
                                       "workingset", "nr_zone", "drop_",   "kswapd"};
    for (unsigned i = 0; i < TEST_COUNT(not ); i++) {
        if (!strncmp(name, not [i], strlen(not [i])))
            return false;
    }
    return true;
}

#define KB(field) ((int64_t)(b->field >> 10) - (int64_t)(a->field >> 10))
#define PSS(field) ((int64_t)(b->field >> 22) - (int64_t)(a->field >> 22))
static void expect(unsigned phase, const struct vm_snap *a, const struct vm_snap *b, const char *noise) {
    assert_in_range(phase, 1, nr_phases);
    compare(phase, "minflt", (int64_t)(b->min_flt - a->min_flt), noise);
    compare(phase, "majflt", (int64_t)(b->maj_flt - a->maj_flt), noise);
    for (unsigned i = 0; i < VMSIM__EVENT_COUNT; i++) {
        if (judged(vmsim__event_names[i]))
            compare(phase, vmsim__event_names[i], (int64_t)(b->event[i] - a->event[i]), noise);
    }
    for (unsigned i = 0; i < VMSIM__NODE_STAT_COUNT; i++) {
        if (judged(vmsim__node_stat_names[i]))
            compare(phase, vmsim__node_stat_names[i], b->node[i] - a->node[i], noise);
    }
    compare(phase, "nr_mlock", b->mlock - a->mlock, noise);
    compare(phase, "numa_hit", (int64_t)(b->numa_hit - a->numa_hit), noise);
    compare(phase, "Committed_AS", (int64_t)(b->committed - a->committed) * 4, noise);
    compare(phase, "VmSize", (int64_t)(b->status.vm_size - a->status.vm_size), noise);
    compare(phase, "VmData", (int64_t)(b->status.vm_data - a->status.vm_data), noise);
    compare(phase, "VmLck", (int64_t)(b->status.vm_lck - a->status.vm_lck), noise);
    compare(phase, "VmPTE", (int64_t)(b->status.vm_pte - a->status.vm_pte), noise);
    compare(phase, "Rss", KB(rollup.rss), noise);
    compare(phase, "Pss", PSS(rollup.pss), noise);
    compare(phase, "Pss_Dirty", PSS(rollup.pss_dirty), noise);
    compare(phase, "Pss_Anon", PSS(rollup.pss_anon), noise);
    compare(phase, "Pss_File", PSS(rollup.pss_file), noise);
    compare(phase, "Pss_Shmem", PSS(rollup.pss_shmem), noise);
    compare(phase, "Shared_Clean", KB(rollup.shared_clean), noise);
    compare(phase, "Shared_Dirty", KB(rollup.shared_dirty), noise);
    compare(phase, "Private_Clean", KB(rollup.private_clean), noise);
    compare(phase, "Private_Dirty", KB(rollup.private_dirty), noise);
    compare(phase, "Referenced", KB(rollup.referenced), noise);
    compare(phase, "Anonymous", KB(rollup.anonymous), noise);
    compare(phase, "LazyFree", KB(rollup.lazyfree), noise);
    compare(phase, "Locked", PSS(rollup.locked), noise);
    compare(phase, "AnonHugePages", KB(rollup.anon_huge), noise);
}

/* A workload in progress. */
static struct vm_machine m;
static struct vmsim__mm *mm;
static struct vm_snap before, after;
static unsigned phase;

static bool begin_on(const char *shape, const char *name, uint64_t memory, int thp) {
    if (!load(shape, name)) {
        print_message("no capture of %s: skipped\n", name);
        return false;
    }
    vmm_start(&m, &(struct vm_machine_options){.memory = memory, .format = VMSIM__PT_X86_64, .thp = thp});
    mm = vmm_mm(&m);
    phase = faults = 0;
    return true;
}
static bool begin(const char *name) {
    return begin_on("6.1_256M_lru", name, 0, VMSIM__THP_NEVER);
}
static void end(void) {
    vmm_check(&m);
    vmsim__mm_put(mm, 0);
    vmm_end(&m);
    assert_int_equal(faults, 0);
}
static void pb(void) {
    vmm_snap(&m, mm, &before);
}
static void pe(const char *noise) {
    vmm_snap(&m, mm, &after);
    expect(++phase, &before, &after, noise);
}
#define PHASE(noise, ...)                                                                                              \
    do {                                                                                                               \
        pb();                                                                                                          \
        __VA_ARGS__;                                                                                                   \
        pe(noise);                                                                                                     \
    } while (0)

static void map(uint64_t va, uint64_t pages, unsigned prot) {
    vmm_map(mm, va, pages, prot, PRIV_ANON);
}
static void unmap(uint64_t va, uint64_t pages) {
    assert_int_equal(vmsim__mm_munmap(mm, va, pages * PG, 0), 0);
}
static uint64_t writes(uint64_t va, uint64_t pages) {
    return vmm_touch(mm, va, pages, true);
}
static uint64_t reads(uint64_t va, uint64_t pages) {
    return vmm_touch(mm, va, pages, false);
}
static void protect(uint64_t va, uint64_t pages, unsigned prot) {
    assert_int_equal(vmsim__mm_mprotect(mm, va, pages * PG, prot, 0), 0);
}
static void advise(uint64_t va, uint64_t pages, int advice) {
    assert_int_equal(vmsim__mm_madvise(mm, va, pages * PG, advice, 0), 0);
}

static void anonymous_reads_then_writes(void **state) {
    (void)state;
    if (!begin("anon_rw"))
        skip();
    PHASE("", map(BASE, N, RW));
    PHASE("", reads(BASE, N));
    PHASE("", writes(BASE, N));
    PHASE("", writes(BASE, N));
    PHASE("", unmap(BASE, N));
    end();
}

static void anonymous_writes_of_several_sizes(void **state) {
    static const uint64_t sizes[] = {1, 15, 64, 511, 512, 513, 1024};
    (void)state;
    if (!begin("anon_write"))
        skip();
    for (unsigned i = 0; i < TEST_COUNT(sizes); i++) {
        PHASE("", map(BASE, sizes[i], RW); writes(BASE, sizes[i]));
        PHASE("", unmap(BASE, sizes[i]));
    }
    const uint64_t edge = BASE + (2 << 20) - 8 * PG, two = UINT64_C(0x20000000000) - PG;
    PHASE("", map(edge, 16, RW); writes(edge, 16));
    unmap(edge, 16);
    PHASE("", map(two, 2, RW); writes(two, 2));
    unmap(two, 2);
    /* slab pages of the kernel's own VMAs are in numa_hit, and two pages of the harness's shuffle in the last phase */
    PHASE(
        " numa_hit ", for (uint64_t i = 0; i < 16; i++) {
            map(BASE + (i << 30), 1, RW);
            writes(BASE + (i << 30), 1);
        });
    PHASE(" numa_hit ", for (uint64_t i = 0; i < 16; i++) unmap(BASE + (i << 30), 1));
    PHASE(" minflt pgfault nr_inactive_anon nr_anon_pages numa_hit Rss Pss Pss_Dirty Pss_Anon Private_Dirty Referenced "
          "Anonymous ",
          map(BASE, 512, RW);
          for (uint64_t i = 0; i < 512; i++) writes(BASE + (i * 167 % 512) * PG, 1));
    end();
}

/* The parent's own start-up is in the phases of fork: only what the 256 pages do is compared. */
static void fork_and_copy_on_write_in_lockstep(void **state) {
    (void)state;
    if (!begin("fork_cow"))
        skip();
    int e;
    phase = 8;
    map(BASE, N, RW);
    writes(BASE, N);
    struct vmsim__mm *child = vmsim__mm_fork(mm, 0, &e);
    assert_non_null(child);
    vmm_check(&m);
    /* the child's write of its own data page, and the parent's look at the shared page, are the harness's */
    const char *own =
        " minflt pgfault numa_hit nr_anon_pages nr_inactive_anon Pss Pss_Dirty Pss_Anon Shared_Dirty Private_Dirty ";
    pb();
    assert_int_equal(vmm_touch(child, BASE, N / 2, true), N / 2);
    pe(own);
    pb();
    assert_int_equal(vmm_touch(child, BASE + N / 2 * PG, N / 2, false), 0);
    pe(" Referenced ");
    PHASE("", assert_int_equal(writes(BASE, N / 2), N / 2));
    PHASE("", assert_int_equal(writes(BASE + N / 2 * PG, N / 4), N / 4));
    vmsim__mm_put(child, 0);
    phase++;
    PHASE("", assert_int_equal(writes(BASE + (N / 2 + N / 4) * PG, N / 4), N / 4));
    end();
}

static void mprotect_and_the_faults_it_makes(void **state) {
    (void)state;
    const char *own = " minflt pgfault numa_hit nr_anon_pages nr_inactive_anon Pss Pss_Dirty Pss_Anon Shared_Dirty "
                      "Private_Dirty Referenced ";
    if (!begin("mprotect"))
        skip();
    map(BASE, N, RW);
    writes(BASE, N);
    PHASE(own, protect(BASE, N, VMSIM__PROT_READ); for (uint64_t i = 0; i < N; i++)
              assert_int_equal(vmm_access(mm, BASE + i * PG, true), VMSIM__FAULT_SIGSEGV_ACCERR));
    PHASE("", protect(BASE, N, RW); writes(BASE, N));
    PHASE("", protect(BASE, N, 0); for (uint64_t i = 0; i < N; i++)
              assert_int_equal(vmm_access(mm, BASE + i * PG, false), VMSIM__FAULT_SIGSEGV_ACCERR));
    PHASE("", protect(BASE, N, RW); reads(BASE, N));
    PHASE("", writes(BASE, N));
    PHASE("", unmap(BASE, N); assert_int_equal(vmm_access(mm, BASE, true), VMSIM__FAULT_SIGSEGV_MAPERR));
    PHASE("", map(BASE, N, VMSIM__PROT_READ); reads(BASE, N); protect(BASE, N, RW); writes(BASE, N));
    end();
}

static void munmap_of_parts_and_their_tables(void **state) {
    (void)state;
    if (!begin("munmap"))
        skip();
    map(BASE, 1536, RW);
    writes(BASE, 1536);
    PHASE("", unmap(BASE + 512 * PG, 512));
    PHASE("", unmap(BASE, 100));
    PHASE("", unmap(BASE + 100 * PG, 412));
    PHASE("", unmap(BASE, 1024));
    PHASE("", unmap(BASE + 1024 * PG, 512));
    map(BASE, 512, RW);
    writes(BASE, 512);
    PHASE("", advise(BASE, 512, VMSIM__MADV_DONTNEED));
    end();
}

static void map_file(struct vmsim__file *f, uint64_t pages, unsigned prot, unsigned flags) {
    assert_int_equal(vmsim__mm_mmap(mm, BASE, pages * PG, prot, flags | VMSIM__MAP_FIXED_NOREPLACE, f, 0, 0), BASE);
}

/* A file of 256 pages in all the ways in which it can be mapped. `disk`: noise of its metadata. */
static void file_workload(const char *name, enum vmsim__file_kind kind, const char *disk) {
    if (!begin(name))
        skip();
    pb();
    struct vmsim__file *f = vmsim__file_create(m.cache, kind, "/f", 0);
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(vmsim__file_write(m.cache, f, i * PG, PG, 0), PG);
    pe(disk);
    PHASE(disk, vmsim__file_sync(m.cache, f, 0, UINT64_MAX, 0));
    PHASE("", map_file(f, N, RW, VMSIM__MAP_PRIVATE); reads(BASE, N));
    PHASE("", writes(BASE, N));
    PHASE("", unmap(BASE, N));
    PHASE("", map_file(f, N, RW, VMSIM__MAP_PRIVATE); writes(BASE, N));
    PHASE("", advise(BASE, N, VMSIM__MADV_DONTNEED); reads(BASE, N));
    unmap(BASE, N);
    PHASE("", map_file(f, N, RW, VMSIM__MAP_SHARED); reads(BASE, N));
    PHASE("", writes(BASE, N));
    PHASE("", assert_int_equal(vmsim__mm_msync(mm, BASE, N * PG, VMSIM__MS_SYNC, 0), 0));
    PHASE("", writes(BASE, N));
    PHASE("", assert_int_equal(vmsim__mm_msync(mm, BASE, N * PG, VMSIM__MS_SYNC, 0), 0); unmap(BASE, N));
    PHASE("", map_file(f, N, RW, VMSIM__MAP_SHARED); writes(BASE, N));
    PHASE("", vmsim__file_truncate(m.cache, f, N / 2 * PG, 0);
          assert_int_equal(vmm_access(mm, BASE + N / 2 * PG, false), VMSIM__FAULT_SIGBUS));
    unmap(BASE, N);
    PHASE("", map_file(f, N / 2, VMSIM__PROT_READ, VMSIM__MAP_PRIVATE | VMSIM__MAP_POPULATE));
    unmap(BASE, N / 2);
    PHASE("", map_file(f, N / 2, VMSIM__PROT_READ, VMSIM__MAP_PRIVATE); advise(BASE, N / 2, VMSIM__MADV_RANDOM);
          for (uint64_t i = N / 2; i >= 16; i -= 16) reads(BASE + (i - 1) * PG, 1));
    unmap(BASE, N / 2);
    PHASE("", vmsim__file_unlink(m.cache, f, 0); vmsim__file_put(m.cache, f, 0));
    end();
}

static void a_file_on_tmpfs_mapped_in_all_ways(void **state) {
    (void)state;
    file_workload("tmpfs", VMSIM__FILE_SHMEM, "");
}

static void a_file_on_disk_mapped_in_all_ways(void **state) {
    (void)state;
    file_workload("extfile", VMSIM__FILE_REGULAR,
                  " nr_active_file nr_file_pages nr_dirty nr_dirtied numa_hit pgactivate pgpgout ");
}

static void referenced_and_soft_dirty_cleared(void **state) {
    (void)state;
    /* the harness wrote and read pages of its own in each phase: what is compared is what it cannot have touched */
    const char *own =
        " minflt pgfault pgreuse numa_hit nr_anon_pages nr_inactive_anon Rss Pss Pss_Dirty Pss_Anon Pss_Shmem "
        "Shared_Dirty Private_Dirty Referenced ";
    if (!begin("clear_refs"))
        skip();
    map(BASE, N, RW);
    writes(BASE, N);
    pb();
    assert_int_equal(vmsim__mm_clear_refs(mm, 1, 0), 0);
    pe(own);
    assert_int_equal(after.rollup.referenced, 0);
    PHASE(own, reads(BASE, N / 2));
    assert_int_equal(after.rollup.referenced, N / 2 * PG);
    PHASE(own, assert_int_equal(vmsim__mm_clear_refs(mm, 4, 0), 0));
    for (uint64_t i = 0; i < N; i++)
        assert_false(vmsim__mm_pagemap(mm, BASE + i * PG).flags & VMSIM__PTE_SOFT_DIRTY);
    PHASE(own, assert_int_equal(writes(BASE, N / 4), N / 4));
    assert_int_equal(after.event[VMSIM__PGREUSE] - before.event[VMSIM__PGREUSE], N / 4);
    assert_true(vmsim__mm_pagemap(mm, BASE).flags & VMSIM__PTE_SOFT_DIRTY);
    assert_false(vmsim__mm_pagemap(mm, BASE + N / 4 * PG).flags & VMSIM__PTE_SOFT_DIRTY);
    PHASE(own, assert_int_equal(reads(BASE, N), 0));
    end();
}

static void advice_on_anonymous_pages(void **state) {
    (void)state;
    if (!begin("madvise"))
        skip();
    map(BASE, N, RW);
    writes(BASE, N);
    PHASE("", advise(BASE, N, VMSIM__MADV_DONTNEED));
    PHASE("", reads(BASE, N));
    writes(BASE, N);
    PHASE("", advise(BASE, N, VMSIM__MADV_FREE));
    PHASE("", writes(BASE, N / 2));
    writes(BASE, N);
    PHASE("", advise(BASE, N, VMSIM__MADV_COLD));
    PHASE("", writes(BASE, N));
    phase++; /* PAGEOUT belongs to reclaim */
    unmap(BASE, N);
    map(BASE, N, RW);
    PHASE("", advise(BASE, N, VMSIM__MADV_POPULATE_READ));
    PHASE("", advise(BASE, N, VMSIM__MADV_POPULATE_WRITE));
    PHASE("", advise(BASE, N, VMSIM__MADV_WILLNEED));
    PHASE("", for (uint64_t i = 0; i < N; i += 2) advise(BASE + i * PG, 1, VMSIM__MADV_DONTNEED));
    end();
}

static void locked_memory(void **state) {
    (void)state;
    const char *own = " minflt pgfault numa_hit nr_anon_pages nr_inactive_anon Pss Pss_Dirty Pss_Anon Shared_Dirty "
                      "Private_Dirty Referenced ";
    if (!begin("mlock"))
        skip();
    map(BASE, N, RW);
    PHASE(own, assert_int_equal(vmsim__mm_mlock(mm, BASE, N * PG, 0, 0), 0));
    PHASE("", assert_int_equal(vmsim__mm_munlock(mm, BASE, N * PG, 0), 0));
    PHASE("", assert_int_equal(vmsim__mm_mlock(mm, BASE, N * PG, 0, 0), 0));
    PHASE("", assert_int_equal(vmsim__mm_munlock(mm, BASE, N / 2 * PG, 0), 0));
    PHASE("", unmap(BASE, N));
    map(BASE, N, RW);
    PHASE("", assert_int_equal(vmsim__mm_mlock(mm, BASE, N * PG, VMSIM__MLOCK_ONFAULT, 0), 0));
    PHASE("", writes(BASE, N / 2));
    PHASE("", unmap(BASE, N));
    phase++;
    assert_int_equal(vmsim__mm_mlockall(mm, VMSIM__MCL_CURRENT | VMSIM__MCL_FUTURE, 0), 0);
    PHASE("", map(BASE, 64, RW));
    phase++; /* the capturing process had unlocked all that it was made of */
    assert_int_equal(vmsim__mm_munlockall(mm, 0), 0);
    unmap(BASE, 64);
    map(BASE, 64, RW);
    writes(BASE, 64);
    assert_int_equal(vmsim__mm_mlock(mm, BASE, 64 * PG, 0, 0), 0);
    PHASE("", assert_int_equal(vmsim__mm_madvise(mm, BASE, 64 * PG, VMSIM__MADV_DONTNEED, 0), -VMSIM__L_EINVAL));
    end();
}

static void committed_memory(void **state) {
    (void)state;
    if (!begin("overcommit"))
        skip();
    PHASE("", map(BASE, N, RW));
    PHASE("", protect(BASE, N, VMSIM__PROT_READ));
    PHASE("", unmap(BASE, N));
    PHASE("", map(BASE, N, VMSIM__PROT_READ));
    PHASE("", protect(BASE, N, RW));
    unmap(BASE, N);
    PHASE("", vmm_map(mm, BASE, N, VMSIM__PROT_READ, SHARED_ANON));
    unmap(BASE, N);
    PHASE("", vmm_map(mm, BASE, N, RW, PRIV_ANON | VMSIM__MAP_NORESERVE));
    end();
}

static void transparent_huge_pages(void **state) {
    const uint64_t hp = 512, huge = hp * PG;
    (void)state;
    if (!begin_on("6.1_1G_lru", "thp", UINT64_C(1) << 30, VMSIM__THP_ALWAYS))
        skip();
    PHASE("", map(BASE, 4 * hp, RW); for (uint64_t i = 0; i < 4; i++) writes(BASE + i * huge, 1));
    PHASE("", writes(BASE, 4 * hp));
    PHASE("", unmap(BASE, 1));
    PHASE("", advise(BASE + (hp + 100) * PG, 1, VMSIM__MADV_DONTNEED));
    PHASE("", protect(BASE + 2 * huge + PG, 1, VMSIM__PROT_READ));
    PHASE("", advise(BASE + 3 * huge, hp, VMSIM__MADV_DONTNEED));
    PHASE("", reads(BASE + 3 * huge, 1));
    PHASE("", writes(BASE + 3 * huge, 1));
    PHASE("", unmap(BASE, 4 * hp));
    PHASE("", map(BASE + huge - 4 * PG, 1032, RW); writes(BASE + huge - 4 * PG, 1032));
    unmap(BASE + huge - 4 * PG, 1032);
    PHASE("", map(BASE, 511, RW); writes(BASE, 511));
    unmap(BASE, 511);
    PHASE("", map(BASE, 512, RW); advise(BASE, 512, VMSIM__MADV_NOHUGEPAGE); writes(BASE, 512));
    unmap(BASE, 512);
    phase = 19; /* fork and collapse cost the harness pages of its own, or belong to others */
    m.mem->thp_enabled = VMSIM__THP_MADVISE;
    PHASE("", map(BASE, hp, RW); writes(BASE, hp));
    unmap(BASE, hp);
    PHASE("", map(BASE, hp, RW); advise(BASE, hp, VMSIM__MADV_HUGEPAGE); writes(BASE, 1));
    const uint64_t two = UINT64_C(0x20000000000);
    PHASE("", assert_int_equal(vmsim__mm_mremap(mm, BASE, huge, huge, 3, two, 0), two));
    PHASE("", advise(two, hp / 2, VMSIM__MADV_FREE));
    unmap(two, hp);
    PHASE("", map(BASE, hp, RW); advise(BASE, hp, VMSIM__MADV_HUGEPAGE);
          assert_int_equal(vmsim__mm_mlock(mm, BASE, huge, 0, 0), 0));
    end();
}

/* The harness's own look-ups of the file system allocate in slabs: numa_hit and pgfree are not compared. */
static void cold_file_faults(void **state) {
    static const struct {
        int advice;
        uint64_t step;
    } runs[] = {{-1, 1}, {VMSIM__MADV_RANDOM, 1}, {VMSIM__MADV_SEQUENTIAL, 1}, {-1, 64}, {VMSIM__MADV_RANDOM, 64}};
    const char *noise = " numa_hit pgfree ";
    const uint64_t n = 512;
    (void)state;
    if (!begin("ext_cold"))
        skip();
    struct vmsim__file *f = vmsim__file_create(m.cache, VMSIM__FILE_REGULAR, "/f16m", 4096 * PG);
    for (unsigned r = 0; r < TEST_COUNT(runs); r++) {
        vmsim__cache_drop(m.cache, 0);
        map_file(f, n, VMSIM__PROT_READ, VMSIM__MAP_SHARED);
        if (runs[r].advice >= 0)
            advise(BASE, n, runs[r].advice);
        PHASE(noise, for (uint64_t i = 0; i < n; i += runs[r].step) reads(BASE + i * PG, 1));
        unmap(BASE, n);
    }
    vmsim__cache_drop(m.cache, 0);
    PHASE(noise, map_file(f, n, VMSIM__PROT_READ, VMSIM__MAP_SHARED); advise(BASE, n, VMSIM__MADV_WILLNEED));
    unmap(BASE, n);
    vmsim__cache_drop(m.cache, 0);
    PHASE(noise, map_file(f, n, VMSIM__PROT_READ, VMSIM__MAP_SHARED); advise(BASE, n, VMSIM__MADV_POPULATE_READ));
    unmap(BASE, n);
    vmsim__cache_drop(m.cache, 0);
    PHASE(noise, map_file(f, 64, RW, VMSIM__MAP_PRIVATE); writes(BASE, 64));
    unmap(BASE, 64);
    vmsim__file_put(m.cache, f, 0);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(anonymous_reads_then_writes),
        cmocka_unit_test(anonymous_writes_of_several_sizes),
        cmocka_unit_test(fork_and_copy_on_write_in_lockstep),
        cmocka_unit_test(mprotect_and_the_faults_it_makes),
        cmocka_unit_test(munmap_of_parts_and_their_tables),
        cmocka_unit_test(a_file_on_tmpfs_mapped_in_all_ways),
        cmocka_unit_test(a_file_on_disk_mapped_in_all_ways),
        cmocka_unit_test(referenced_and_soft_dirty_cleared),
        cmocka_unit_test(advice_on_anonymous_pages),
        cmocka_unit_test(locked_memory),
        cmocka_unit_test(committed_memory),
        cmocka_unit_test(transparent_huge_pages),
        cmocka_unit_test(cold_file_faults),
    };
    return cmocka_run_group_tests_name("vm_groundtruth", tests, NULL, NULL);
}
