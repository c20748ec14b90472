/* SPDX-License-Identifier: MIT */
/* Random histories of whole machines: tasks, threads, files, drivers and knobs at once, on every architecture and both
 * kernels, with memory scarce, against a model of what each page contains.
 *
 *     task --> space --> page[i]: kind, rights, content; shared ones name an object
 *                        object --> content of each page (files, shared memory)
 *     vmsim_task_access: physical address --> frame --> content of a private frame, or of its object's page
 *
 * Each store writes a tag that nobody wrote before, into what lies at the physical address that came back; each load
 * must find there what the model says. A stale TLB entry, a frame given out twice, a copy not made or made too often
 * all show as a wrong tag. A call that fails for lack of frames ends its space, as it would end a program. */
#ifndef STRESS_MACHINE_H
#define STRESS_MACHINE_H
#include "helpers.h"
#include "zones/kmem_cache.h"

#include "machine/calls.h"
#include "machine/sched.h"
#include "vm/vm_impl.h"
#include "vmsim/config.h"
#include "vmsim/report.h"

enum { PAGES = 1100, SPACES = 8, TASKS = 8, FILES = 3, FILE_PAGES = 80, OBJECTS = 200, BLOCKS = 300, SLOTS = 1 << 14 };
#define HUGE_PAGES 7
enum kind { NONE, ANON, SHARED, FILE_PRIVATE, FILE_SHARED };

struct page {
    uint8_t kind, prot;
    bool own;  /* of a private file page: a copy of its own */
    bool free; /* given up by MADV_FREE: may be gone */
    uint16_t object, index;
    uint64_t tag;
};
struct space {
    struct page at[PAGES];
    unsigned tasks;
};
struct task {
    uint32_t id, group;
    struct space *space; /* NULL: none */
};
struct object {
    uint32_t file; /* number in the page cache */
    uint64_t pages;
    uint64_t content[PAGES + 512]; /* the last huge page may reach beyond */
};

enum { TLB_USUAL, TLB_BYPASS, TLB_EMULATED };

/* What a machine is made of. */
struct storm_machine {
    const char *arch, *kernel;
    unsigned cpus, nodes, mib, swap; /* nodes: of shapes; mib: of node 0; swap: of swaps */
    const char *reclaim;             /* who chooses what leaves memory; NULL: the kernel's lists */
    unsigned resident;               /* pure mode: folios at most; 0: none */
    unsigned tlb;                    /* TLB_USUAL, or another one */
    unsigned tasks, spaces, leave;   /* at most so many; pages that they have to share; 0: the usual */
    unsigned ask;                    /* pages that they are to ask for together; 0: as it comes */
    bool folios;                     /* files have large folios, shared memory huge pages */
    bool plug;                       /* each step begins with a block of memory that comes or goes */
};

static struct storm {
    struct vmsim_machine *m;
    struct vmsim__rng rng;
    unsigned tasks, spaces; /* that there may be */
    int64_t held;           /* frames in use when it began */
    unsigned ask;           /* pages that they map more, as long as they have not asked for so many */
    struct space space[SPACES];
    struct task task[TASKS];
    struct object object[OBJECTS];
    unsigned objects;
    struct {
        uint64_t pfn;
        unsigned order;
    } block[BLOCKS];
    unsigned blocks;
    uint64_t *frame_tag, *slot_tag; /* of frames, of slots of swap */
    uint64_t **slot_owner;          /* where the content of shared memory stands meanwhile; NULL: private */
    struct vmsim__vm_hooks oracle;  /* the machine's own: told, too */
    uint64_t unknown;               /* an owner whose content the call in progress is about to change */
    bool writing;
    bool folios;      /* of files are large */
    bool generations; /* the machine goes from one kind of LRU to the other and back */
    bool hotplug, plug;
    uint64_t plugged[2]; /* blocks that came, and went */
    uint64_t next_tag, page, base, step, killed, loads, swaps[2], swapoffs, asked, ranges;
    unsigned shift;
} t;

static uint64_t pick(uint64_t n) {
    return vmsim__rng_below(&t.rng, n);
}

static uint64_t va_of(unsigned page) {
    return t.base + page * t.page;
}

static uint64_t *content_of(vmsim__pfn pfn) {
    if (pfn == vmsim__vm_zero_pfn(t.m->vm)) /* no frame of the allocator */
        return &t.frame_tag[pfn];
    const vmsim__pfn head = vmsim__vm_head(t.m->vm, pfn);
    const struct vmsim__frame *f = vmsim__vm_frame(t.m->vm, head);
    if (!(f->flags & VMSIM__FRAME_FILE))
        return &t.frame_tag[pfn];
    /* blocks of the file system: nobody maps them; their file may have the number of an object that is gone */
    if (vmsim__file_by_id(t.m->cache, f->mapping)->blockdev)
        return &t.frame_tag[pfn];
    for (unsigned o = 0; o < t.objects; o++) {
        if (t.object[o].file == f->mapping)
            return &t.object[o].content[vmsim__frame_index(f) + (pfn - head)];
    }
    fail_msg("step %llu: frame %u belongs to file %u, which nobody has", (unsigned long long)t.step, pfn, f->mapping);
    return NULL;
}

static void on_fill(void *context, vmsim__pfn to, vmsim__pfn from, unsigned order) {
    t.oracle.fill(context, to, from, order);
    for (vmsim__pfn i = 0; i < UINT32_C(1) << order; i++)
        t.frame_tag[to + i] = from == VMSIM__PFN_NONE ? 0 : *content_of(from + i);
}

static void on_swapped(void *context, struct vmsim__swp e, vmsim__pfn pfn, bool write) {
    uint64_t *slot = &t.slot_tag[e.type * SLOTS + e.offset], **owner = &t.slot_owner[e.type * SLOTS + e.offset];
    t.oracle.swapped(context, e, pfn, write);
    if (write) {
        *slot = *content_of(pfn);
        *owner = !vmsim__frame_is(vmsim__vm_frame(t.m->vm, pfn), VMSIM__FRAME_FILE) ? NULL
                 : t.writing                                                        ? &t.unknown
                                                                                    : content_of(pfn);
    } else if (*owner == &t.unknown) {
    } else if (*owner && **owner != *slot) { /* shared memory is what its object says, wherever it is */
        fail_msg("step %llu: slot %llu holds %llu, its object %llu", (unsigned long long)t.step,
                 (unsigned long long)e.offset, (unsigned long long)*slot, (unsigned long long)**owner);
    } else {
        *content_of(pfn) = *slot;
    }
    t.swaps[write]++;
}

static uint64_t expected(const struct page *g) {
    return g->kind == ANON || g->own ? g->tag : t.object[g->object].content[g->index];
}

/* ---- tasks ---- */

static struct vmsim__mm *mm_of(const struct task *k) {
    return vmsim__task_at(t.m, k->id)->mm;
}

static void gone(struct task *k) {
    k->space->tasks--;
    k->space = NULL;
}

/* Ends every task of a space. */
static void kill_space(struct space *s) {
    t.killed++;
    for (unsigned i = 0; i < TASKS; i++) {
        if (t.task[i].space != s)
            continue;
        if (vmsim__task_at(t.m, t.task[i].id)->mm) /* else it was killed for memory a moment ago */
            assert_int_equal(vmsim_task_exit(t.m, t.task[i].id), 0);
        gone(&t.task[i]);
    }
}

/* A signal has ended a task: so it has all threads of its group, and out of memory all that share the space. Which
 * pages the reference reached is not known: who lives on ends here. */
static void signalled(const struct task *k, enum vmsim_stop stop) {
    struct space *s = k->space;
    const uint32_t group = k->group;
    for (unsigned i = 0; i < TASKS; i++) {
        struct task *o = &t.task[i];
        if (o->space != s)
            continue;
        bool dies = o->group == group || stop == VMSIM_STOP_OOM;
        if (dies != !vmsim__task_get(t.m, o->id))
            fail_msg("step %llu: task %u of group %u %s when a signal ended group %u", (unsigned long long)t.step,
                     o->id, o->group, dies ? "lives on" : "died", group);
        if (dies)
            gone(o);
    }
    kill_space(s);
}

static struct task *free_task(void) {
    for (unsigned i = 0; i < t.tasks; i++) {
        if (!t.task[i].space)
            return &t.task[i];
    }
    return NULL;
}

static struct space *free_space(void) {
    for (unsigned i = 0; i < t.spaces; i++) {
        if (!t.space[i].tasks)
            return &t.space[i];
    }
    return NULL;
}

/* The call did not come back: its task was killed for memory in the middle, and is buried later. */
static bool died(const struct task *k) {
    return !vmsim__task_at(t.m, k->id)->mm;
}

static void do_create(void) {
    struct task *k = free_task();
    struct space *s = free_space();
    if (!k || !s)
        return;
    int err = vmsim_task_create(t.m, "storm", (unsigned)pick(t.m->nr_cpus), &k->id);
    assert_true(err == 0 || err == VMSIM_ELIMIT);
    if (err && t.ask) { /* nobody waits for the memory: kswapd is on its way, unless it has given up */
        for (unsigned i = 0; i < 100 && vmsim__sched_next(t.m) != VMSIM__TIME_NEVER; i++)
            assert_int_not_equal(vmsim__sched_step(t.m, VMSIM__TIME_NEVER), VMSIM__STEP_FAIL);
        assert_int_equal(vmsim_machine_sysctl(t.m, "vm.min_free_kbytes", "128"), 0);
    }
    if (err)
        return;
    memset(s, 0, sizeof *s);
    s->tasks = 1;
    k->space = s;
    k->group = k->id;
}

static void do_fork(struct task *parent) {
    struct task *k = free_task();
    struct space *s = free_space();
    if (!k || !s)
        return;
    assert_int_equal(vmsim_task_fork(t.m, parent->id, NULL, &k->id), 0);
    if (k->id == VMSIM_TASK_NONE)
        return;
    memcpy(s->at, parent->space->at, sizeof s->at);
    s->tasks = 1;
    k->space = s;
    k->group = k->id;
}

static void do_clone(const struct task *parent) {
    struct task *k = free_task();
    if (!k)
        return;
    bool thread = pick(3) > 0;
    assert_int_equal(vmsim__task_clone(t.m, parent->id, NULL, thread, &k->id), 0);
    k->group = thread ? parent->group : k->id;
    k->space = parent->space;
    k->space->tasks++;
}

/* ---- references ---- */

/* What a reference to page i comes to. */
static enum vmsim_stop verdict(const struct space *s, unsigned i, unsigned need) {
    const struct page *g = &s->at[i];
    if (g->kind == NONE || (g->prot & need) != need)
        return VMSIM_STOP_SIGSEGV;
    return g->kind != ANON && g->index >= t.object[g->object].pages ? VMSIM_STOP_SIGBUS : VMSIM_STOP_NONE;
}

/* Killed by the OOM killer: now, or when somebody else ran short. */
static bool died_for_memory(const struct task *k, enum vmsim_stop stop) {
    return stop == VMSIM_STOP_OOM || (stop == VMSIM_STOP_DEAD && !vmsim__task_at(t.m, k->id)->mm);
}

/* The frame of one byte, by a reference that must succeed; VMSIM__PFN_NONE: the task died for want of memory. */
static vmsim__pfn refer(struct task *k, uint64_t va, uint32_t bytes, enum vmsim_access_type type) {
    struct vmsim_access_result r;
    vmsim_access a = vmsim_access_make(va, bytes, type);
    uint64_t pa;
    if (vmsim_task_access(t.m, k->id, &a, 1, &pa, &r))
        fail_msg("step %llu: %s", (unsigned long long)t.step, vmsim_machine_error(t.m));
    if (died_for_memory(k, r.stop)) {
        signalled(k, VMSIM_STOP_OOM);
        return VMSIM__PFN_NONE;
    }
    if (r.stop || pa % t.page != va % t.page)
        fail_msg("step %llu: reference to %llx came to stop %d, physical %llx", (unsigned long long)t.step,
                 (unsigned long long)va, (int)r.stop, (unsigned long long)pa);
    return (vmsim__pfn)(pa >> t.shift);
}

static void check_load(struct space *s, unsigned i, vmsim__pfn pfn) {
    uint64_t found = *content_of(pfn), wanted = expected(&s->at[i]);
    t.loads++;
    if (s->at[i].free && !found) { /* and is */
        s->at[i].tag = 0;
        return;
    }
    if (found != wanted)
        fail_msg("step %llu: page %u (kind %u) at frame %u contains %llu, not %llu", (unsigned long long)t.step, i,
                 s->at[i].kind, pfn, (unsigned long long)found, (unsigned long long)wanted);
}

static void stored(struct space *s, unsigned i, vmsim__pfn pfn) {
    struct page *g = &s->at[i];
    assert_int_not_equal(pfn, vmsim__vm_zero_pfn(t.m->vm));
    *content_of(pfn) = ++t.next_tag;
    g->free = false;
    if (g->kind == ANON || g->kind == FILE_PRIVATE) {
        g->tag = t.next_tag;
        g->own = true;
    } else {
        assert_int_equal(t.object[g->object].content[g->index], t.next_tag);
    }
}

/* The frame of a page that a store has just reached: another reference would let time pass, and the page go out. */
static vmsim__pfn written(const struct task *k, unsigned i) {
    const struct vmsim__pte e = vmsim__mm_pagemap(mm_of(k), va_of(i));
    const uint32_t want = VMSIM__PTE_PRESENT | VMSIM__PTE_WRITE | VMSIM__PTE_DIRTY;
    assert_int_equal(e.flags & want, want);
    return (vmsim__pfn)e.pfn;
}

/* A reference that must kill. */
static void refused(struct task *k, uint64_t va, uint32_t bytes, enum vmsim_access_type type, enum vmsim_stop one,
                    enum vmsim_stop other) {
    struct vmsim_access_result r;
    vmsim_access a = vmsim_access_make(va, bytes, type);
    assert_int_equal(vmsim_task_access(t.m, k->id, &a, 1, NULL, &r), 0);
    const bool memory = died_for_memory(k, r.stop);
    if (!r.stop || (r.stop != one && r.stop != other && !memory)) {
        const struct page *g = &k->space->at[(va - t.base) >> t.shift];
        fail_msg("step %llu: reference of %u bytes to %llx (kind %u, object %u, page %u of %llu) came to stop %d "
                 "instead of %d",
                 (unsigned long long)t.step, bytes, (unsigned long long)va, g->kind, g->object, g->index,
                 (unsigned long long)t.object[g->object].pages, (int)r.stop, (int)one);
    }
    signalled(k, memory ? VMSIM_STOP_OOM : r.stop);
}

static void do_touch(struct task *k) {
    static const unsigned need[] = {[VMSIM_LOAD] = 1, [VMSIM_STORE] = 2, [VMSIM_FETCH] = 4, [VMSIM_RMW] = 2};
    static const uint32_t sizes[] = {1, 2, 4, 8, 8, 8, 16, 64, 512, 4096};
    unsigned i = (unsigned)pick(PAGES - 1);
    for (unsigned more = 6; more && k->space->at[i].kind == NONE; more--)
        i = (unsigned)pick(PAGES - 1);
    enum vmsim_access_type type = pick(2) ? VMSIM_STORE : pick(8) ? VMSIM_LOAD : pick(2) ? VMSIM_FETCH : VMSIM_RMW;
    uint32_t bytes = sizes[pick(TEST_COUNT(sizes))];
    uint64_t offset = pick(4) ? pick(t.page - bytes + 1) : t.page - 1 - pick(bytes), va = va_of(i) + offset;
    bool two = offset + bytes > t.page;
    enum vmsim_stop first = verdict(k->space, i, need[type]);
    enum vmsim_stop second = two ? verdict(k->space, i + 1, need[type]) : VMSIM_STOP_NONE;
    if (type == VMSIM_FETCH && (first || second))
        return; /* not every format can refuse it */
    if ((first || second) && pick(20))
        return; /* deaths are made rare */
    if (first || second) {
        refused(k, va, bytes, type, first ? first : second, second ? second : first);
        return;
    }
    struct space *s = k->space;
    vmsim__pfn pfn = refer(k, va, bytes, type);
    if (pfn == VMSIM__PFN_NONE)
        return;
    if (type == VMSIM_LOAD || type == VMSIM_FETCH) {
        check_load(s, i, pfn);
        return;
    }
    stored(s, i, pfn);
    if (two)
        stored(s, i + 1, written(k, i + 1));
}

/* Many pages in a row, so that memory runs short. */
static void do_sweep(struct task *k) {
    const unsigned first = (unsigned)pick(PAGES), n = (unsigned)pick(300);
    const bool write = pick(3);
    for (unsigned i = first; k->space && i < first + n && i < PAGES; i++) {
        struct space *s = k->space;
        if (s->at[i].kind == NONE || verdict(s, i, write ? 3 : 1))
            continue;
        const vmsim__pfn pfn = refer(k, va_of(i), 8, write ? VMSIM_STORE : VMSIM_LOAD);
        if (pfn == VMSIM__PFN_NONE)
            return;
        if (write)
            stored(s, i, pfn);
        else
            check_load(s, i, pfn);
    }
}

/* ---- mappings ---- */

static void range(unsigned *from, unsigned *n) {
    *n = 1 + (unsigned)pick(pick(4) ? 12 : pick(4) ? 100 : 700);
    *from = (unsigned)pick(PAGES - *n + 1);
}

/* After calls that populate: which private file pages got copies is the kernel's business; what they contain is not. */
static void adopt(const struct task *k, unsigned from, unsigned n) {
    for (unsigned i = from; k->space && i < from + n; i++) {
        struct page *g = &k->space->at[i];
        if (g->kind != FILE_PRIVATE || g->own)
            continue;
        const struct vmsim__pte e = vmsim__mm_pagemap(mm_of(k), va_of(i));
        const bool mapped = e.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE);
        if (mapped &&
            vmsim__frame_is(vmsim__vm_frame(t.m->vm, vmsim__vm_head(t.m->vm, (vmsim__pfn)e.pfn)), VMSIM__FRAME_FILE))
            continue;
        g->own = mapped || e.flags & VMSIM__PTE_SWAP; /* a copy may have gone out already */
        g->tag = g->own ? t.object[g->object].content[g->index] : 0;
    }
}

/* A number for shared memory: a new one, or of one that nobody has mapped any more; OBJECTS: there is none. */
static unsigned free_object(void) {
    bool used[OBJECTS] = {false};
    unsigned o = FILES;
    if (t.objects < OBJECTS)
        return t.objects;
    for (unsigned s = 0; s < SPACES; s++) {
        for (unsigned i = 0; t.space[s].tasks && i < PAGES; i++)
            used[t.space[s].at[i].object] |= t.space[s].at[i].kind == SHARED;
    }
    while (o < OBJECTS && used[o])
        o++;
    return o;
}

static unsigned new_object(const struct task *k, unsigned from) {
    const unsigned object = free_object();
    t.objects += object == t.objects;
    uint32_t file = vmsim__mm_find_vma(mm_of(k), va_of(from))->file->id;
    for (unsigned o = FILES; o < t.objects; o++) /* numbers of dead files come back */
        t.object[o].file = t.object[o].file == file ? UINT32_MAX : t.object[o].file;
    t.object[object] = (struct object){.file = file, .pages = PAGES};
    return object;
}

static void do_mmap(struct task *k) {
    static const uint8_t prots[] = {3, 3, 3, 3, 1, 0, 7, 5};
    unsigned from, n, kind = 1 + (unsigned)pick(4), object = (unsigned)pick(FILES);
    range(&from, &n);
    unsigned prot = prots[pick(TEST_COUNT(prots))], flags = VMSIM__MAP_FIXED;
    bool file = kind >= FILE_PRIVATE;
    if (kind == SHARED && free_object() == OBJECTS)
        kind = ANON;
    if (file && n > FILE_PAGES)
        n = FILE_PAGES;
    uint64_t first = file ? pick(FILE_PAGES - n + 1) : 0;
    flags |= kind == ANON || kind == FILE_PRIVATE ? VMSIM__MAP_PRIVATE : VMSIM__MAP_SHARED;
    flags |= file ? 0 : VMSIM__MAP_ANONYMOUS;
    flags |= kind != SHARED && !pick(8) ? VMSIM__MAP_POPULATE : 0;
    flags |= pick(12) ? 0 : VMSIM__MAP_NORESERVE;
    int64_t r = vmsim_task_mmap(t.m, k->id, va_of(from), n * t.page, prot, flags, file ? t.object[object].file : 0,
                                first * t.page);
    if (died(k))
        return;
    if (r == -VMSIM__L_ENOMEM) {
        kill_space(k->space);
        return;
    }
    assert_int_equal(r, va_of(from));
    object = kind == SHARED ? new_object(k, from) : object;
    for (unsigned i = 0; i < n; i++)
        k->space->at[from + i] = (struct page){
            .kind = (uint8_t)kind, .prot = (uint8_t)prot, .object = (uint16_t)object, .index = (uint16_t)(first + i)};
    adopt(k, from, n);
}

static void do_munmap(struct task *k) {
    unsigned from, n;
    range(&from, &n);
    int64_t r = vmsim_task_munmap(t.m, k->id, va_of(from), n * t.page);
    if (died(k))
        return;
    if (r == -VMSIM__L_ENOMEM) {
        kill_space(k->space);
        return;
    }
    assert_int_equal(r, 0);
    memset(&k->space->at[from], 0, n * sizeof k->space->at[0]);
}

/* Rights as the VMAs have them. */
static void reread_rights(struct task *k) {
    for (unsigned i = 0; i < PAGES; i++) {
        const struct vmsim__vma *v = vmsim__mm_find_vma(mm_of(k), va_of(i));
        assert_int_equal(v && v->start <= va_of(i), k->space->at[i].kind != NONE);
        if (k->space->at[i].kind)
            k->space->at[i].prot =
                (uint8_t)((v->flags & VMSIM__VM_READ ? 1 : 0) | (v->flags & VMSIM__VM_WRITE ? 2 : 0) |
                          (v->flags & VMSIM__VM_EXEC ? 4 : 0));
    }
}

static void do_mprotect(struct task *k) {
    static const uint8_t prots[] = {3, 3, 1, 0, 7};
    unsigned from, n, prot = prots[pick(TEST_COUNT(prots))];
    range(&from, &n);
    int64_t r = vmsim_task_mprotect(t.m, k->id, va_of(from), n * t.page, prot);
    if (died(k))
        return;
    assert_true(r == 0 || r == -VMSIM__L_ENOMEM);
    for (unsigned i = from; !r && i < from + n; i++) {
        assert_int_not_equal(k->space->at[i].kind, NONE);
        k->space->at[i].prot = (uint8_t)prot;
    }
    if (r)
        reread_rights(k);
    adopt(k, from, n);
}

static void do_madvise(struct task *k) {
    static const int advice[] = {VMSIM__MADV_DONTNEED,   VMSIM__MADV_DONTNEED,      VMSIM__MADV_FREE,
                                 VMSIM__MADV_COLD,       VMSIM__MADV_RANDOM,        VMSIM__MADV_NORMAL,
                                 VMSIM__MADV_WILLNEED,   VMSIM__MADV_HUGEPAGE,      VMSIM__MADV_NOHUGEPAGE,
                                 VMSIM__MADV_PAGEOUT,    VMSIM__MADV_MERGEABLE,     VMSIM__MADV_POPULATE_READ,
                                 VMSIM__MADV_SEQUENTIAL, VMSIM__MADV_POPULATE_WRITE};
    unsigned from, n;
    int a = t.m->swap && pick(2) ? VMSIM__MADV_PAGEOUT : advice[pick(TEST_COUNT(advice))];
    range(&from, &n);
    for (unsigned i = from; a == VMSIM__MADV_DONTNEED && i < from + n; i++) {
        struct page *g = &k->space->at[i];
        if (g->kind == NONE)
            continue;
        if (vmsim__mm_find_vma(mm_of(k), va_of(i))->flags & VMSIM__VM_LOCKED)
            break; /* refused from here on */
        g->own = false;
        g->tag = 0;
    }
    for (unsigned i = from; a == VMSIM__MADV_FREE && i < from + n; i++)
        k->space->at[i].free |= k->space->at[i].kind == ANON;
    vmsim_task_madvise(t.m, k->id, va_of(from), n * t.page, a);
    if (died(k))
        return;
    adopt(k, from, n);
}

static void do_mremap(struct task *k) {
    unsigned from, n, to;
    range(&from, &n);
    to = (unsigned)pick(PAGES - n + 1);
    struct page *at = k->space->at;
    const struct vmsim__vma *v = vmsim__mm_find_vma(mm_of(k), va_of(from));
    bool overlap = from < to + n && to < from + n, mapped = at[from].kind != NONE;
    bool one = v && v->start <= va_of(from) && v->end >= va_of(from + n);
    int64_t r = vmsim_task_mremap(t.m, k->id, va_of(from), n * t.page, n * t.page, 3, va_of(to));
    if (died(k))
        return;
    if (r == -VMSIM__L_ENOMEM || r == -VMSIM__L_EAGAIN) {
        kill_space(k->space);
        return;
    }
    if (!mapped || overlap) {
        assert_true(r == -VMSIM__L_EFAULT || r == -VMSIM__L_EINVAL);
        return;
    }
    if (!one) { /* the target is gone all the same */
        assert_int_equal(r, -VMSIM__L_EFAULT);
        memset(&at[to], 0, n * sizeof at[0]);
        return;
    }
    assert_int_equal(r, va_of(to));
    memcpy(&at[to], &at[from], n * sizeof at[0]);
    memset(&at[from], 0, n * sizeof at[0]);
}

static void do_lock(struct task *k) {
    unsigned from, n;
    range(&from, &n);
    if (pick(2))
        vmsim_task_mlock(t.m, k->id, va_of(from), n * t.page, pick(4) ? 0 : VMSIM__MLOCK_ONFAULT);
    else
        vmsim_task_munlock(t.m, k->id, va_of(from), n * t.page);
    if (died(k))
        return;
    adopt(k, from, n);
}

static void do_brk(struct task *k) {
    int64_t now = vmsim_task_brk(t.m, k->id, 0);
    if (died(k))
        return;
    vmsim_task_brk(t.m, k->id, (uint64_t)now + pick(64) * t.page - pick(32) * t.page);
}

#include "stress_files.h"

#include "stress_knobs.h"

/* ---- a history ---- */

/* Whoever ran short of memory may have had others killed. */
#include "stress_nodes.h"

static void bury(void) {
    for (unsigned i = 0; i < TASKS; i++) {
        if (t.task[i].space && !vmsim__task_at(t.m, t.task[i].id)->mm)
            signalled(&t.task[i], VMSIM_STOP_OOM);
    }
}

static void step(void) {
    static const struct {
        unsigned share;
        void (*run)(struct task *k);
    } acts[] = {{56, do_touch}, {10, do_mmap}, {4, do_munmap}, {5, do_mprotect}, {5, do_madvise},
                {3, do_mremap}, {2, do_lock},  {1, do_brk},    {4, do_file}};
    struct task *k = &t.task[pick(t.tasks)];
    unsigned what = (unsigned)pick(100);
    if (!k->space) {
        if (!pick(3))
            do_create();
        else if (!t.m->swap && !pick(20))
            do_driver();
        return;
    }
    if (do_nodes(k))
        return;
    if (t.ask && vmsim__vm_committed(t.m->vm) < t.ask && pick(2)) {
        (pick(3) ? do_mmap : do_sweep)(k);
        return;
    }
    if (t.ask && !t.m->swap->nr_seen && !pick(10)) { /* not for long: whoever asks for so much would be killed */
        do_swap(k);
        return;
    }
    if (t.m->swap && pick(4)) {
        (!pick(200) ? do_swap : pick(5) ? do_sweep : do_madvise)(k);
        return;
    }
    for (size_t i = 0; i < TEST_COUNT(acts); i++) {
        if (what < acts[i].share) {
            acts[i].run(k);
            return;
        }
        what -= acts[i].share;
    }
    if (what < 2)
        do_fork(k);
    else if (what < 3)
        do_clone(k);
    else if (what < 4 && !pick(4))
        kill_space(k->space);
    else if (what < 6)
        do_migrate(k);
    else if (what < 9 && !t.m->swap)
        do_driver();
    else
        do_sysctl();
}

/* Whole spaces of private memory, so that there are huge pages: written, swapped out in part or whole, shared by fork.
 */
static void step_of_huge_pages(void) {
    struct task *k = &t.task[pick(3)];
    const unsigned what = (unsigned)pick(20);
    if (!k->space) {
        do_create();
    } else if (k->space->at[0].kind == NONE || !pick(50)) {
        const bool shared = t.folios && pick(4) && free_object() != OBJECTS;
        int64_t r = vmsim_task_mmap(t.m, k->id, va_of(0), PAGES * t.page, 3, shared ? 0x31 : 0x32, 0, 0); /* fixed */
        const unsigned object = shared && !died(k) ? new_object(k, 0) : 0;
        for (unsigned i = 0; !died(k) && i < PAGES; i++)
            k->space->at[i] = (struct page){
                .kind = (uint8_t)(shared ? SHARED : ANON), .prot = 3, .object = (uint16_t)object, .index = (uint16_t)i};
        assert_true(died(k) || r == (int64_t)va_of(0));
    } else if (what < 3) {
        vmsim_task_madvise(t.m, k->id, va_of(0), PAGES * t.page, VMSIM__MADV_PAGEOUT);
    } else {
        (what == 3                ? do_fork
         : what == 4              ? do_swap
         : what == 5              ? do_madvise
         : what == 6 && t.folios  ? do_mprotect
         : what == 7 && t.folios  ? do_munmap
         : what == 8 && t.folios  ? do_mremap
         : what == 9 && t.folios  ? do_file
         : what == 10 && t.folios ? do_mmap
                                  : do_sweep)(k);
    }
}

static void check(void) {
    if (vmsim_machine_check(t.m))
        fail_msg("step %llu: %s", (unsigned long long)t.step, vmsim_machine_error(t.m));
}

/* Two areas on devices that fail now and then, or are slow; on a disk windows follow slots. */
static const char *const swaps[] = {
    "",
    ", devices: [{name: sda, preset: nvme}], swap: [{size: 12MiB}, {size: 4MiB, priority: 5}]",
    (", devices: [{name: sda, preset: ramdisk}, {name: sdb, preset: hdd, faults: [{kind: error, op: write, after: 30, "
     "count: 5}]}], swap: [{device: sdb, size: 24MiB}]"),
    (", devices: [{name: sda, preset: nvme}], swap: [{size: 24MiB}], sysctl: {lru_gen/enabled: y, "
     "lru_gen/min_ttl_ms: 1}"),
    (", devices: [{name: sda, preset: ramdisk}, {name: sdb, preset: hdd, faults: [{kind: error, op: write, after: 30, "
     "count: 5}]}], swap: [{device: sdb, size: 24MiB}], sysctl: {lru_gen/enabled: 7}"),
    ", devices: [{name: sda, preset: nvme}], zram: [{size: 24MiB, mem_limit: 4MiB}], swap: [{device: zram0}]",
    ", devices: [{name: sda, preset: nvme}], zswap: {enabled: true, max_pool_percent: 4}, swap: [{size: 16MiB}]",
    ", devices: [{name: sda, preset: nvme}], swap: [{size: 56MiB}, {size: 16MiB, priority: 5}]",
};

static void boot(const struct storm_machine *b) {
    struct vmsim_config *config;
    char text[900], pure[64] = "";
    static const char *const shapes[] = {"[{memory: %uMiB}]", "[{memory: %uMiB}, {memory: 16MiB}]",
                                         "[{memory: %uMiB}, {memory: 16MiB}, {memory: 8MiB}]",
                                         "[{memory: %uMiB}, {memory: 16MiB, hotplug_memory: 512MiB}]"};
    char shape[100];
    snprintf(shape, sizeof shape, shapes[b->nodes - 1], b->mib);
    if (b->resident)
        snprintf(pure, sizeof pure, ", resident_folios: %u", b->resident);
    snprintf(text, sizeof text, "machine: {arch: %s, kernel: '%s', cpus: %u, nodes: %s%s%s}\npolicies: {reclaim: %s}\n",
             b->arch, b->kernel, b->cpus, shape, swaps[b->swap], pure, b->reclaim ? b->reclaim : "linux-lru");
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "storm", text, strlen(text)), 0);
    static const char *const thp[] = {"policies.thp=linux", "policies.thp=reserve", "policies.thp=utility",
                                      "policies.thp=always"};
    assert_int_equal(vmsim_config_set(config, thp[(b->cpus + b->swap) % TEST_COUNT(thp)]), 0);
    if (b->folios && (vmsim_config_set(config, "machine.page_cache.large_folios=true") ||
                      vmsim_config_set(config, "machine.page_cache.tmpfs_huge=always") ||
                      vmsim_config_set(config, "machine.sysctl.transparent_hugepage/shmem_enabled=always")))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    if (b->tlb == TLB_BYPASS)
        assert_int_equal(vmsim_config_set(config, "machine.tlb.bypass=true"), 0);
    if (b->tlb == TLB_EMULATED)
        assert_int_equal(vmsim_config_set(config, "machine.tlb.softmmu.entries=64"), 0);
    if (vmsim_config_resolve(config) || vmsim_machine_create(config, &t.m))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    vmsim_config_destroy(config);
    assert_int_equal(vmsim_machine_verify_content(t.m), 0); /* a second opinion, by another model */
    t.oracle = t.m->vm->hooks;
    t.m->vm->hooks.fill = on_fill;
    t.m->vm->hooks.swapped = on_swapped;
    t.page = t.m->vm->page_size;
    t.shift = t.m->vm->page_shift;
    t.base = (UINT64_C(1) << 30) - t.page * 40; /* across the edge of a table */
    if (b->folios)
        t.base = (UINT64_C(1) << 30) - t.page * 512; /* the same, and a file's first page lies at one */
    t.frame_tag = calloc(t.m->mem->frames.end, sizeof *t.frame_tag);
    t.slot_tag = calloc(2 * SLOTS, sizeof *t.slot_tag);
    t.slot_owner = calloc(2 * SLOTS, sizeof *t.slot_owner);
    assert_non_null(t.slot_owner);
    assert_non_null(t.frame_tag);
    assert_non_null(t.slot_tag);
    for (unsigned f = 0; f < FILES; f++) {
        char path[16];
        snprintf(path, sizeof path, "/d/d%u/file", f);
        assert_int_equal(vmsim_file_create(t.m, f == 2 ? VMSIM_FILE_SHMEM : VMSIM_FILE_REGULAR, path,
                                           FILE_PAGES * t.page, false, &t.object[f].file),
                         0);
        t.object[f].pages = FILE_PAGES;
        for (unsigned i = 0; i < FILE_PAGES && f < 2; i++)
            t.object[f].content[i] = ++t.next_tag;
    }
    t.objects = FILES;
}

/* A driver takes what is more than the tasks are to have: less than they ask for. */
static void leave(uint64_t pages) {
    while (t.blocks < BLOCKS && vmsim__mem_zone_stat(t.m->mem, VMSIM__NR_FREE_PAGES) > (int64_t)pages) {
        t.block[t.blocks].order = 4;
        assert_int_equal(vmsim_machine_alloc_pages(t.m, 0, 4, "any", false, &t.block[t.blocks].pfn), 0);
        assert_true(t.block[t.blocks++].pfn != UINT64_MAX);
    }
}

/* Frames that are in use for anything but pages of files, once no page waits in a batch, on a CPU's list, or for the
 * end of a grace period. */
static int64_t held(void) {
    int64_t managed = 0;
    vmsim__tables_barrier(t.m->vm);
    vmsim__lru_drain_all(t.m->lru);
    vmsim__mem_drain(t.m->mem);
    for (unsigned i = 0; i < t.m->mem->nr_zones; i++)
        managed += (int64_t)t.m->mem->zones[i].managed;
    return managed - vmsim__mem_zone_stat(t.m->mem, VMSIM__NR_FREE_PAGES) -
           vmsim__mem_node_stat(t.m->mem, VMSIM__NR_FILE_PAGES) - (int64_t)vmsim__kmem_pages(t.m->mem);
}

/* Of all that the machine has counted. */
static uint64_t digest(void) {
    uint64_t sum = 0;
    for (size_t id = 0; id < vmsim_counter_count(t.m); id++)
        sum = (sum ^ vmsim_counter_read(t.m, id)) * UINT64_C(0x9e3779b97f4a7c15);
    return sum;
}

static uint64_t end(void) {
    const uint64_t counted = digest();
    for (unsigned k = 0; k < TASKS; k++) {
        for (unsigned i = 0; t.task[k].space && i < PAGES; i++) {
            struct space *s = t.task[k].space;
            if (verdict(s, i, 1))
                continue;
            vmsim__pfn pfn = refer(&t.task[k], va_of(i), 1, VMSIM_LOAD);
            if (pfn != VMSIM__PFN_NONE)
                check_load(s, i, pfn);
        }
    }
    for (unsigned s = 0; s < SPACES; s++)
        kill_space(&t.space[s]);
    while (t.blocks--)
        assert_int_equal(vmsim_machine_free_pages(t.m, 0, t.block[t.blocks].pfn, t.block[t.blocks].order), 0);
    check();
    if (t.ask) /* no frame is lost, whatever was killed, failed or waited for */
        assert_int_equal(held(), t.held);
    assert_in_range(vmsim__vm_committed(t.m->vm), 0,
                    t.folios ? 512 : FILE_PAGES); /* what the file in shared memory holds */
    assert_int_equal(vmsim_machine_destroy(t.m), 0);
    free(t.frame_tag);
    free(t.slot_tag);
    free(t.slot_owner);
    return counted;
}

/* `n` steps; VMSIM_STEPS says otherwise. The number that comes back is the same whenever it is run again. */
static uint64_t storm_of(uint64_t n, const struct storm_machine *b) {
    const char *steps = getenv("VMSIM_STEPS");
    char name[96];
    n = steps ? strtoull(steps, NULL, 0) : n;
    memset(&t, 0, sizeof t);
    snprintf(name, sizeof name, "storm/%s/%s%s%s%s", b->arch, b->kernel, b->swap ? "/swap" : "", b->reclaim ? "/" : "",
             b->reclaim ? b->reclaim : "");
    vmsim__rng_seed_named(&t.rng, test_seed(), name);
    t.hotplug = b->nodes == 4;
    t.plug = b->plug;
    t.tasks = b->tasks ? b->tasks : 6;
    t.spaces = b->spaces ? b->spaces : 4;
    t.ask = b->ask;
    boot(b);
    t.generations = b->swap > 2;
    t.folios = b->folios;
    t.held = b->ask ? held() : 0;
    if (b->swap)
        leave(b->leave ? b->leave : b->swap == HUGE_PAGES ? 12000 : 700);
    if (b->swap == HUGE_PAGES)
        assert_int_equal(vmsim_machine_sysctl(t.m, "transparent_hugepage/enabled", "always"), 0);
    for (t.step = 0; t.step < n; t.step++) {
        if (t.plug)
            do_toggle();
        for (unsigned act = t.plug ? 4 : 1; act--; bury())
            (b->swap == HUGE_PAGES ? step_of_huge_pages : step)();
        if (t.step % (n > 100000 ? 1000 : 50) == 0)
            check();
        t.asked += (uint64_t)vmsim__vm_committed(t.m->vm);
    }
    print_message("%s: %llu loads compared, %llu spaces ended, %llu pages swapped out, %llu in, %llu areas off, %llu "
                  "huge, %llu blocks on, %llu off, %llu ranges; %llu pages asked for\n",
                  name, (unsigned long long)t.loads, (unsigned long long)t.killed, (unsigned long long)t.swaps[1],
                  (unsigned long long)t.swaps[0], (unsigned long long)t.swapoffs,
                  (unsigned long long)t.m->mem->event[VMSIM__THP_SWPOUT], (unsigned long long)t.plugged[0],
                  (unsigned long long)t.plugged[1], (unsigned long long)t.ranges,
                  (unsigned long long)(t.asked / (n + !n)));
    assert_true(!t.ask || n < 4000 || t.asked / n > b->leave); /* a history in which nobody lives shows nothing */
    assert_true(!t.hotplug || n < 8000 || (t.plugged[0] > 3 && t.plugged[1] > 3));
    return end();
}

/* A history of a seed of its own. */
TEST_UNUSED static void storm_with_seed(const char *seed, uint64_t steps, const struct storm_machine *b) {
    const char *was = getenv("VMSIM_SEED");
    char *old = was ? strdup(was) : NULL;
    assert_int_equal(setenv("VMSIM_SEED", seed, 1), 0);
    storm_of(steps, b);
    assert_int_equal(old ? setenv("VMSIM_SEED", old, 1) : unsetenv("VMSIM_SEED"), 0);
    free(old);
}

#endif
