/* SPDX-License-Identifier: MIT */
/* Random histories of several processes against a model of one entry a page: what is mapped, with which rights, and
 * what it contains. Each store writes a new tag; the model says which tag every later load must find, through fork,
 * copy-on-write, files, moves, huge pages and advice. Every format of page table; every counter checked on the way. */
#include "vm_machine.h"

enum { PAGES = 1600, PROCESSES = 4, FILE_PAGES = 96 };

enum kind { NONE, ANON, SHARED, FILE_PRIVATE, FILE_SHARED };

struct page {
    uint8_t kind, prot;
    bool locked, own; /* own: a private page with content of its own */
    uint16_t object, index;
    uint64_t tag;
};
struct process {
    struct vmsim__mm *mm;
    struct page at[PAGES];
};
enum { OBJECTS = 400 };

struct model {
    struct vm_machine m;
    struct process p[PROCESSES];
    struct vmsim__file *file;
    uint32_t object_id[OBJECTS]; /* shared anonymous objects by number; 0: the file */
    uint64_t content[OBJECTS][PAGES];
    unsigned objects;
    uint64_t *frame_tag; /* content of anonymous frames */
    uint64_t next_tag;
    uint64_t page, base;
    unsigned pages, longest; /* of the window; of a run */
    struct vmsim__rng rng;
    uint64_t steps;
};

static struct model t;

static uint64_t pick(uint64_t n) {
    return vmsim__rng_below(&t.rng, n);
}

/* Content of a frame: that of its file's page, or its own. */
static uint64_t *content_of(vmsim__pfn pfn) {
    const struct vmsim__frame *f = vmsim__vm_frame(t.m.vm, pfn);
    if (!vmsim__frame_is(f, VMSIM__FRAME_FILE))
        return &t.frame_tag[pfn];
    for (unsigned o = 0; o < t.objects; o++) {
        if (t.object_id[o] == f->mapping)
            return &t.content[o][vmsim__frame_index(f)];
    }
    fail_msg("frame %u belongs to file %u, which the model does not know", pfn, f->mapping);
    return NULL;
}

static void on_fill(void *context, vmsim__pfn to, vmsim__pfn from, unsigned order) {
    (void)context;
    for (vmsim__pfn i = 0; i < UINT32_C(1) << order; i++)
        t.frame_tag[to + i] = from == VMSIM__PFN_NONE ? 0 : *content_of(from + i);
}

/* What page `i` of a process must contain. */
static uint64_t expected(const struct page *g) {
    return g->kind == ANON || g->own ? g->tag : t.content[g->object][g->index];
}

static uint64_t va_of(unsigned page) {
    return t.base + page * t.page;
}

static void load(struct process *p, unsigned i) {
    const struct page *g = &p->at[i];
    enum vmsim__fault_outcome o = vmm_access(p->mm, va_of(i), false);
    if (g->kind == NONE) {
        assert_int_equal(o, VMSIM__FAULT_SIGSEGV_MAPERR);
        return;
    }
    if (!g->prot) {
        assert_int_equal(o, VMSIM__FAULT_SIGSEGV_ACCERR);
        return;
    }
    assert_true(vmsim__fault_resolved(o));
    struct vmsim__pte e = vmsim__mm_pagemap(p->mm, va_of(i));
    uint64_t found = e.flags & VMSIM__PTE_SPECIAL ? 0 : *content_of((vmsim__pfn)e.pfn);
    if (found != expected(g))
        fail_msg("step %llu: page %u kind %u contains %llu instead of %llu", (unsigned long long)t.steps, i, g->kind,
                 (unsigned long long)found, (unsigned long long)expected(g));
}

static void store(struct process *p, unsigned i) {
    struct page *g = &p->at[i];
    enum vmsim__fault_outcome o = vmm_access(p->mm, va_of(i), true);
    if (g->kind == NONE || !(g->prot & 2)) {
        assert_int_equal(o, g->kind == NONE ? VMSIM__FAULT_SIGSEGV_MAPERR : VMSIM__FAULT_SIGSEGV_ACCERR);
        return;
    }
    assert_true(vmsim__fault_resolved(o));
    struct vmsim__pte e = vmsim__mm_pagemap(p->mm, va_of(i));
    assert_false(e.flags & VMSIM__PTE_SPECIAL);
    *content_of((vmsim__pfn)e.pfn) = ++t.next_tag;
    if (g->kind == ANON || g->kind == FILE_PRIVATE) {
        g->tag = t.next_tag;
        g->own = true;
    } else {
        assert_int_equal(t.content[g->object][g->index], t.next_tag);
    }
}

static void range(unsigned *from, unsigned *n) {
    *n = 1 + (unsigned)pick(pick(4) ? 12 : t.longest);
    *from = (unsigned)pick(t.pages - *n + 1);
}

/* Population writes: a writable private page of a file gets its own copy at once. */
static void populated(struct page *g) {
    if (g->kind != FILE_PRIVATE || !(g->prot & 2) || g->own)
        return;
    g->own = true;
    g->tag = t.content[g->object][g->index];
}

static void do_mmap(struct process *p) {
    const bool huge = t.longest > 60;
    unsigned from, n, kind = huge && pick(4) ? ANON : 1 + (unsigned)pick(4);
    range(&from, &n);
    if (huge && kind == ANON && pick(2)) { /* room for huge pages */
        from = (unsigned)pick(200);
        n = 800 + (unsigned)pick(600);
    }
    unsigned prot = (unsigned)pick(4) ? 3 : (unsigned)pick(2) * 1;
    unsigned flags = kind == ANON || kind == FILE_PRIVATE ? VMSIM__MAP_PRIVATE : VMSIM__MAP_SHARED;
    if (kind == ANON || kind == SHARED)
        flags |= VMSIM__MAP_ANONYMOUS;
    if (!pick(8))
        flags |= VMSIM__MAP_POPULATE;
    if (kind == SHARED && t.objects == OBJECTS)
        return;
    unsigned first = kind >= FILE_PRIVATE ? (unsigned)pick(FILE_PAGES - (n < FILE_PAGES ? n : FILE_PAGES) + 1) : 0;
    if (kind >= FILE_PRIVATE && n > FILE_PAGES)
        n = FILE_PAGES;
    if (kind == SHARED) { /* known before population touches it */
        t.object_id[t.objects] = UINT32_MAX;
        flags &= ~VMSIM__MAP_POPULATE;
    }
    int64_t at = vmsim__mm_mmap(p->mm, va_of(from), n * t.page, prot, flags | VMSIM__MAP_FIXED,
                                kind >= FILE_PRIVATE ? t.file : NULL, first * t.page, 0);
    assert_int_equal(at, va_of(from));
    unsigned object = 0;
    if (kind == SHARED) {
        object = t.objects++;
        t.object_id[object] = vmsim__mm_find_vma(p->mm, va_of(from))->file->id;
        for (unsigned o = 1; o < object; o++) /* numbers of dead files come back */
            t.object_id[o] = t.object_id[o] == t.object_id[object] ? 0xffffffff : t.object_id[o];
        memset(t.content[object], 0, sizeof t.content[object]);
    }
    for (unsigned i = 0; i < n; i++)
        p->at[from + i] = (struct page){
            .kind = (uint8_t)kind, .prot = (uint8_t)prot, .object = (uint16_t)object, .index = (uint16_t)(first + i)};
    for (unsigned i = 0; i < n && (flags & VMSIM__MAP_POPULATE); i++)
        populated(&p->at[from + i]);
}

static void do_munmap(struct process *p) {
    unsigned from, n;
    range(&from, &n);
    assert_int_equal(vmsim__mm_munmap(p->mm, va_of(from), n * t.page, 0), 0);
    memset(&p->at[from], 0, n * sizeof p->at[0]);
}

static void do_mprotect(struct process *p) {
    unsigned from, n, prot = (unsigned)pick(3) ? 3 : (unsigned)pick(2);
    range(&from, &n);
    bool hole = false;
    for (unsigned i = from; i < from + n && !hole; i++) {
        hole = p->at[i].kind == NONE;
        if (hole)
            break;
        bool was = p->at[i].prot & 2;
        p->at[i].prot = (uint8_t)prot;
        if (p->at[i].locked && !was)
            populated(&p->at[i]);
    }
    assert_int_equal(vmsim__mm_mprotect(p->mm, va_of(from), n * t.page, prot, 0), hole ? -VMSIM__L_ENOMEM : 0);
}

static void do_lock(struct process *p) {
    unsigned from, n, lock = (unsigned)pick(2);
    range(&from, &n);
    bool hole = false, readable = true;
    for (unsigned i = from; i < from + n && !hole; i++) {
        hole = p->at[i].kind == NONE;
        if (!hole)
            p->at[i].locked = lock;
        readable = readable && p->at[i].prot;
    }
    for (unsigned i = from; i < from + n && lock && !hole && p->at[i].prot; i++)
        populated(&p->at[i]);
    int64_t r = lock ? vmsim__mm_mlock(p->mm, va_of(from), n * t.page, 0, 0)
                     : vmsim__mm_munlock(p->mm, va_of(from), n * t.page, 0);
    assert_int_equal(r, hole || (lock && !readable) ? -VMSIM__L_ENOMEM : 0);
}

static void do_madvise(struct process *p) {
    static const int advice[] = {VMSIM__MADV_DONTNEED,   VMSIM__MADV_DONTNEED, VMSIM__MADV_FREE,
                                 VMSIM__MADV_COLD,       VMSIM__MADV_RANDOM,   VMSIM__MADV_NORMAL,
                                 VMSIM__MADV_NOHUGEPAGE, VMSIM__MADV_HUGEPAGE, VMSIM__MADV_WILLNEED};
    unsigned from, n;
    int a = advice[pick(TEST_COUNT(advice))];
    range(&from, &n);
    bool hole = false, refused = false;
    const bool pages = a == VMSIM__MADV_DONTNEED || a == VMSIM__MADV_FREE || a == VMSIM__MADV_COLD;
    for (unsigned i = from; i < from + n && !refused; i++) {
        struct page *g = &p->at[i];
        hole = hole || g->kind == NONE;
        refused = g->kind != NONE && ((pages && g->locked) || (a == VMSIM__MADV_FREE && g->kind != ANON));
        if (g->kind != NONE && !refused && a == VMSIM__MADV_DONTNEED) {
            g->own = false;
            g->tag = 0;
        }
    }
    assert_int_equal(vmsim__mm_madvise(p->mm, va_of(from), n * t.page, a, 0), refused ? -VMSIM__L_EINVAL
                                                                              : hole  ? -VMSIM__L_ENOMEM
                                                                                      : 0);
}

/* Moves a run of pages of one VMA to another place. */
static void do_mremap(struct process *p) {
    unsigned from, n, to;
    range(&from, &n);
    to = (unsigned)pick(t.pages - n + 1);
    const struct vmsim__vma *v = vmsim__mm_find_vma(p->mm, va_of(from));
    bool overlap = from < to + n && to < from + n;
    bool one = v && v->start <= va_of(from) && v->end >= va_of(from + n);
    int64_t r = vmsim__mm_mremap(p->mm, va_of(from), n * t.page, n * t.page, 3, va_of(to), 0);
    if (p->at[from].kind == NONE || overlap) {
        assert_int_equal(r, p->at[from].kind == NONE ? -VMSIM__L_EFAULT : -VMSIM__L_EINVAL);
        return;
    }
    if (!one) { /* the target is gone all the same */
        assert_int_equal(r, -VMSIM__L_EFAULT);
        memset(&p->at[to], 0, n * sizeof p->at[0]);
        return;
    }
    assert_int_equal(r, va_of(to));
    memcpy(&p->at[to], &p->at[from], n * sizeof p->at[0]);
    memset(&p->at[from], 0, n * sizeof p->at[0]);
}

static void do_fork(struct process *p) {
    for (unsigned k = 0; k < PROCESSES; k++) {
        if (t.p[k].mm)
            continue;
        int e;
        t.p[k] = *p;
        t.p[k].mm = vmsim__mm_fork(p->mm, 0, &e);
        assert_non_null(t.p[k].mm);
        for (unsigned i = 0; i < t.pages; i++)
            t.p[k].at[i].locked = false;
        return;
    }
}

static void do_exit(struct process *p) {
    unsigned alive = 0;
    for (unsigned k = 0; k < PROCESSES; k++)
        alive += t.p[k].mm != NULL;
    if (alive < 2)
        return;
    vmsim__mm_put(p->mm, 0);
    memset(p, 0, sizeof *p);
}

/* The VMAs say of every page what the model says. */
static void compare_maps(const struct process *p) {
    for (unsigned i = 0; i < t.pages; i++) {
        const struct page *g = &p->at[i];
        const struct vmsim__vma *v = vmsim__mm_find_vma(p->mm, va_of(i));
        bool there = v && v->start <= va_of(i);
        if (there != (g->kind != NONE))
            fail_msg("step %llu: page %u is %smapped", (unsigned long long)t.steps, i, there ? "" : "not ");
        if (!there)
            continue;
        uint32_t rw = (g->prot & 1 ? VMSIM__VM_READ : 0) | (g->prot & 2 ? VMSIM__VM_WRITE : 0);
        assert_int_equal(v->flags & VMSIM__VM_ACCESS, rw);
        assert_int_equal(!!(v->flags & VMSIM__VM_LOCKED), g->locked);
        assert_int_equal(!!(v->flags & VMSIM__VM_SHARED), g->kind == SHARED || g->kind == FILE_SHARED);
        assert_int_equal(v->file != NULL, g->kind != ANON);
        if (v->file)
            assert_int_equal(vmsim__vma_index(v, va_of(i)), g->index);
    }
}

static void step(void) {
    struct process *p;
    do
        p = &t.p[pick(PROCESSES)];
    while (!p->mm);
    unsigned what = (unsigned)pick(100), i = (unsigned)pick(t.pages);
    *vmsim__now_call(&t.m.mem->now) = (struct vmsim__call){0}; /* another call begins */
    if (what < 30)
        load(p, i);
    else if (what < 66)
        store(p, i);
    else if (what < 76)
        do_mmap(p);
    else if (what < 80)
        do_munmap(p);
    else if (what < 85)
        do_mprotect(p);
    else if (what < 90)
        do_madvise(p);
    else if (what < 93)
        do_mremap(p);
    else if (what < 95)
        do_lock(p);
    else if (what < 98)
        do_fork(p);
    else
        do_exit(p);
    if (p->mm && what >= 66)
        compare_maps(p);
}

static void history(const struct vm_machine_options *o, const char *name, unsigned steps) {
    memset(&t, 0, sizeof t);
    t.rng = test_rng(name);
    struct vm_machine_options with = *o;
    with.fill = on_fill;
    vmm_start(&t.m, &with);
    t.page = t.m.vm->page_size;
    t.pages = o->thp == VMSIM__THP_NEVER ? 160 : PAGES;
    t.longest = o->thp == VMSIM__THP_NEVER ? 60 : 1200;
    t.base = (UINT64_C(1) << 30) - t.page * 40; /* across the edge of a table */
    t.frame_tag = calloc(t.m.mem->frames.end, sizeof *t.frame_tag);
    t.file = vmsim__file_create(t.m.cache, VMSIM__FILE_REGULAR, "/data", FILE_PAGES * t.page);
    t.object_id[0] = t.file->id;
    t.objects = 1;
    for (unsigned i = 0; i < FILE_PAGES; i++)
        t.content[0][i] = ++t.next_tag;
    t.p[0].mm = vmm_mm(&t.m);
    for (t.steps = 0; t.steps < steps; t.steps++) {
        step();
        if (t.steps % 64 == 0)
            vmm_check(&t.m);
    }
    for (unsigned k = 0; k < PROCESSES; k++) {
        for (unsigned i = 0; t.p[k].mm && i < t.pages; i++)
            load(&t.p[k], i);
        if (t.p[k].mm)
            vmsim__mm_put(t.p[k].mm, 0);
    }
    if (o->thp == VMSIM__THP_ALWAYS)
        assert_true(t.m.mem->event[VMSIM__THP_SPLIT_PMD] > 10);
    vmsim__file_put(t.m.cache, t.file, 0);
    assert_int_equal(vmsim__vm_committed(t.m.vm), 0);
    vmm_end(&t.m);
    free(t.frame_tag);
}

static void histories_on_x86_64(void **state) {
    (void)state;
    history(&(struct vm_machine_options){.format = VMSIM__PT_X86_64, .thp = VMSIM__THP_NEVER}, "x86_64", 12000);
}
static void histories_on_arm64_with_software_bits(void **state) {
    (void)state;
    history(&(struct vm_machine_options){.format = VMSIM__PT_ARM64_4K, .thp = VMSIM__THP_NEVER}, "arm64", 6000);
}
static void histories_on_riscv(void **state) {
    (void)state;
    history(&(struct vm_machine_options){.format = VMSIM__PT_RISCV_SV39, .thp = VMSIM__THP_NEVER}, "riscv", 6000);
}
static void histories_with_16k_pages(void **state) {
    (void)state;
    history(&(struct vm_machine_options){.format = VMSIM__PT_ARM64_16K,
                                         .thp = VMSIM__THP_NEVER,
                                         .memory = UINT64_C(512) << 20},
            "arm64_16k", 4000);
}
static void histories_on_every_other_format(void **state) {
    static const enum vmsim__pt_format_id formats[] = {
        VMSIM__PT_X86_32,     VMSIM__PT_X86_PAE,   VMSIM__PT_X86_64_LA57, VMSIM__PT_RISCV_SV32, VMSIM__PT_RISCV_SV48,
        VMSIM__PT_RISCV_SV57, VMSIM__PT_ARM64_64K, VMSIM__PT_ARM,         VMSIM__PT_ARM_LPAE};
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(formats); i++)
        history(
            &(struct vm_machine_options){.format = formats[i], .thp = VMSIM__THP_NEVER, .memory = UINT64_C(1) << 30},
            vmsim__pt_format_get(formats[i])->name, 1500);
}
static void histories_of_the_newer_kernel(void **state) {
    (void)state;
    history(&(struct vm_machine_options){.format = VMSIM__PT_X86_64, .kernel = "6.12", .thp = VMSIM__THP_NEVER}, "6.12",
            6000);
}

static void histories_with_huge_pages(void **state) {
    static const enum vmsim__pt_format_id formats[] = {VMSIM__PT_X86_64, VMSIM__PT_ARM64_4K, VMSIM__PT_RISCV_SV48,
                                                       VMSIM__PT_X86_PAE};
    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(formats); i++)
        history(
            &(struct vm_machine_options){.format = formats[i], .thp = VMSIM__THP_ALWAYS, .memory = UINT64_C(768) << 20},
            vmsim__pt_format_get(formats[i])->name, i ? 1500 : 5000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_on_x86_64),
        cmocka_unit_test(histories_on_arm64_with_software_bits),
        cmocka_unit_test(histories_on_riscv),
        cmocka_unit_test(histories_with_16k_pages),
        cmocka_unit_test(histories_on_every_other_format),
        cmocka_unit_test(histories_of_the_newer_kernel),
        cmocka_unit_test(histories_with_huge_pages),
    };
    return cmocka_run_group_tests_name("vm_model", tests, NULL, NULL);
}
