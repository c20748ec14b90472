/* SPDX-License-Identifier: MIT */
/* What the capturing program is made of and what it touches (see capturer.h).
 *
 * Where its parts lie is told in capturer_layout.c; which pages each part touches first, a trace of runs outside of a
 * simulation told (perf record -e page-faults -d; what an emulator saw, for other architectures). */
#include "capturer.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache.h"
#include "capturer_layout.h"
#include "visits.h"
#include "vmsim/report.h"

#define PAGE UINT64_C(4096)
#define HEAP_PAGES 34 /* thread block, malloc's first arena */
#define STACK_TOP UINT64_C(0x7ffffffff000)
#define STACK(n) (STACK_TOP - (n)*PAGE) /* n-th page from the top */
#define STACK_ROOM                                                                                                     \
    (UINT64_C(1) << 20) /* what is so near to the top is on the stack, which begins elsewhere on others */

#define VMSTAT_ROOM 16384
#define SCRATCH_ROOM (UINT64_C(1) << 20)
#define TEXTS_ROOM 0x18090

/* Where a text lies in what it reads before and after. */
enum text { TEXT_VMSTAT, TEXT_ZONEINFO, TEXT_MEMINFO, TEXT_STATUS, TEXT_ROLLUP, TEXTS };
static const uint64_t text_at[TEXTS] = {0, 16384, 16384 + 65536, 16384 + 65536 + 8192, 16384 + 65536 + 8192 + 4096};
#define RUSAGE_AT UINT64_C(0x18000)

/* ---- references ---- */

static bool on_stack(uint64_t at) {
    return at > STACK_TOP - STACK_ROOM && at < STACK_TOP;
}

static void reference(struct vmsim_machine *m, struct vmsim__task *t, uint64_t at, uint64_t bytes,
                      enum vmsim_access_type type) {
    if (on_stack(at))
        at = t->mm->task_size - (STACK_TOP - at);
    for (uint64_t va = at; va < at + bytes; va = (va | (PAGE - 1)) + 1) {
        vmsim_access a = vmsim_access_make(va, 8, type);
        struct vmsim_access_result r = {0};
        while (!r.done && !r.stop) {
            const enum vmsim__work how = vmsim__machine_try(m, t, &a, 1, NULL, &r);
            if (how != VMSIM__WORK_MORE)
                visit_gives_way(how);
        }
        if (r.stop) {
            fprintf(stderr, "the capturing program is stopped (%d) at 0x%" PRIx64 "\n", (int)r.stop, va);
            exit(2);
        }
    }
}
static void store(struct vmsim_machine *m, struct vmsim__task *t, uint64_t at, uint64_t bytes) {
    reference(m, t, at, bytes, VMSIM_STORE);
}
/* One reference a page of the list, which ends with 0. */
static void each(struct vmsim_machine *m, struct vmsim__task *t, const uint64_t *list, enum vmsim_access_type type) {
    for (; *list; list++)
        reference(m, t, *list, 8, type);
}

/* ---- how it came to be ---- */

static void write_knob(struct vmsim_machine *m, const char *name, const char *value) {
    if (vmsim_machine_sysctl(m, name, value)) {
        fprintf(stderr, "%s\n", vmsim_machine_error(m));
        exit(2);
    }
}

/* Its file lies in the root file system, which is a tmpfs. */
static struct vmsim__file *make_file(struct vmsim_machine *m, const struct capturer_layout *l, unsigned cpu) {
    struct vmsim__file *f = vmsim__file_create(m->cache, VMSIM__FILE_SHMEM, "/init", l->file_bytes);
    if (!f || vmsim__file_preload(m->cache, f, cpu))
        abort();
    return f;
}

/* A child that ran an earlier workload: what it mapped of the file is in use from then on. */
static void run_earlier(struct vmsim_machine *m, uint32_t task) {
    uint32_t child;
    if (vmsim_task_fork(m, task, "earlier", &child) || child == VMSIM_TASK_NONE)
        abort();
    capturer_workload(m, child);
    struct facts *begin = capturer_begin(m, child), *end = capturer_end(m, child, begin);
    free(begin);
    free(end);
    if (vmsim_task_exit(m, child))
        abort();
}

void capturer_boot(struct vmsim_machine *m, uint32_t task) {
    static const uint64_t stack[] = {STACK(1), STACK(2), STACK(3), STACK(4), STACK(5), STACK(6), 0};
    const struct capturer_layout *l = capturer_layout_of(m);
    struct vmsim__task *t = vmsim__task_get(m, task);
    const struct vmsim__exec image = {
        .program = {.file = make_file(m, l, t->cpu), .segments = l->segments, .count = l->segment_count, .fixed = true},
        .argument_bytes = 64,
        .argument_count = 4};
    if (vmsim__task_exec(m, t, NULL, &image))
        abort();
    t->mm->privileged = true;
    each(m, t, l->boot_fetched, VMSIM_FETCH);
    each(m, t, l->boot_read, VMSIM_LOAD);
    reference(m, t, t->mm->vdso, 8, VMSIM_LOAD);
    uint64_t brk = t->mm->brk;
    if (vmsim__mm_mprotect(t->mm, l->relro, l->relro_pages * PAGE, VMSIM__PROT_READ | VMSIM__PROT_WRITE, t->cpu) ||
        vmsim__mm_brk(t->mm, vmsim__align_up(brk, PAGE) + HEAP_PAGES * PAGE, t->cpu) < 0)
        abort();
    each(m, t, l->boot_written, VMSIM_STORE);
    each(m, t, stack, VMSIM_STORE);
    if (vmsim__mm_mprotect(t->mm, l->relro, l->relro_pages * PAGE, VMSIM__PROT_READ, t->cpu))
        abort();
    store(m, t, l->big, l->log_bytes);
    store(m, t, l->output, l->log_bytes);
    if (l->small_to &&
        vmsim__mm_madvise(t->mm, l->small_from, l->small_to - l->small_from, VMSIM__MADV_NOHUGEPAGE, t->cpu))
        abort();
    write_knob(m, "transparent_hugepage/enabled", "never");
    if (l->late_written)
        each(m, t, l->late_written, VMSIM_STORE);
    run_earlier(m, task);
}

/* The part of fork that libc's child does. */
static void begin_child(struct vmsim_machine *m, struct vmsim__task *t) {
    const struct capturer_layout *l = capturer_layout_of(m);
    const uint64_t written[] = {l->thread, l->fork_generation, l->dl_lock, STACK(3), 0};
    reference(m, t, l->child_fetched[0], 8, VMSIM_FETCH);
    if (l->child_read)
        each(m, t, l->child_read, VMSIM_LOAD);
    each(m, t, written, VMSIM_STORE);
    each(m, t, l->child_fetched + 1, VMSIM_FETCH);
    if (l->gate)
        reference(m, t, t->mm->vdso, 8, VMSIM_FETCH);
}

/* Where there are several CPUs, the scheduler puts a new child on an idle one. */
void capturer_forked(struct vmsim_machine *m, uint32_t task) {
    struct vmsim__task *t = vmsim__task_get(m, task);
    if (vmsim_task_migrate(m, task, (t->cpu + 1u) % m->nr_cpus))
        abort();
    begin_child(m, t);
    if (capturer_layout_of(m)->yields_higher)
        store(m, t, STACK(2), 8);
}

void capturer_forks(struct vmsim_machine *m, uint32_t task) {
    struct vmsim__task *t = vmsim__task_get(m, task);
    store(m, t, STACK(3), 8);
    if (capturer_layout_of(m)->yields_higher)
        store(m, t, STACK(2), 8);
}

/* Its thread block holds the CPU that it runs on (restartable sequences), which the kernel writes when it comes back.
 * With a child on another CPU it never left. */
void capturer_resumes(struct vmsim_machine *m, uint32_t task) {
    if (m->nr_cpus == 1)
        store(m, vmsim__task_get(m, task), capturer_layout_of(m)->thread, 8);
}

void capturer_sleeps(struct vmsim_machine *m, uint32_t task) {
    store(m, vmsim__task_get(m, task), capturer_layout_of(m)->thread, 8);
}

/* snprintf and what it calls, and its tables. */
void capturer_formats(struct vmsim_machine *m, uint32_t task) {
    const struct capturer_layout *l = capturer_layout_of(m);
    struct vmsim__task *t = vmsim__task_get(m, task);
    each(m, t, l->format_fetched, VMSIM_FETCH);
    each(m, t, l->format_read, VMSIM_LOAD);
}

/* What a described program calls by its address in the x86-64 build. */
static uint64_t here(const struct capturer_layout *l, uint64_t at) {
    for (size_t i = 0; i < l->alias_count; i++) {
        if (l->aliases[i].usual == at)
            return l->aliases[i].here;
    }
    return at;
}

void capturer_runs(struct vmsim_machine *m, uint32_t task, uint64_t at) {
    reference(m, vmsim__task_get(m, task), here(capturer_layout_of(m), at), 8, VMSIM_FETCH);
}

void capturer_reads(struct vmsim_machine *m, uint32_t task, uint64_t at) {
    reference(m, vmsim__task_get(m, task), here(capturer_layout_of(m), at), 8, VMSIM_LOAD);
}

void capturer_writes(struct vmsim_machine *m, uint32_t task, uint64_t at, uint64_t bytes) {
    at = here(capturer_layout_of(m), at);
    if (on_stack(at))
        at -= 16 * (m->kernel->auxv_entries - 21); /* frames lie below the auxiliary vector */
    store(m, vmsim__task_get(m, task), at, bytes);
}

void capturer_workload(struct vmsim_machine *m, uint32_t task) {
    const struct capturer_layout *l = capturer_layout_of(m);
    struct vmsim__task *t = vmsim__task_get(m, task);
    begin_child(m, t);
    each(m, t, l->workload_fetched, VMSIM_FETCH);
    store(m, t, l->before, TEXTS_ROOM);
    store(m, t, l->after, TEXTS_ROOM);
    store(m, t, l->scratch, SCRATCH_ROOM);
    each(m, t, l->workload_read, VMSIM_LOAD);
    store(m, t, l->files, 8);
    store(m, t, STACK(2), 8);
    if (l->no_nodes)
        store(m, t, l->no_nodes, 8);
}

void capturer_prints(struct vmsim_machine *m, uint32_t task) {
    struct vmsim__task *t = vmsim__task_get(m, task);
    store(m, t, STACK(4), 8);
    store(m, t, capturer_layout_of(m)->output_length, 8);
    store(m, t, capturer_layout_of(m)->output, 8);
}

/* ---- looking ---- */

static void parse(struct facts *f, enum text which, const char *text) {
    static const char *const only[] = {"Vm", "Rss", "Huge", NULL};
    static const char *const prefixes[TEXTS] = {"vmstat", "zone", "meminfo_kB", "status_kB", "rollup_kB"};
    if (which == TEXT_ZONEINFO)
        facts_read_zoneinfo(f, text);
    else
        facts_read_lines(f, prefixes[which], text, which == TEXT_STATUS ? only : NULL);
}

/* Renders a file; the caller frees with vmsim_report_proc_free. */
static const char *render(struct vmsim_machine *m, const struct vmsim__task *t, enum text which) {
    static const char *const names[TEXTS] = {"vmstat", "zoneinfo", "meminfo", "status", "smaps_rollup"};
    char path[64];
    const char *text;
    if (which >= TEXT_STATUS)
        snprintf(path, sizeof path, "proc/%u/%s", t->id + 1, names[which]);
    else
        snprintf(path, sizeof path, "proc/%s", names[which]);
    if (vmsim_report_proc_file(m, path, &text, NULL)) {
        fprintf(stderr, "%s\n", vmsim_machine_error(m));
        exit(2);
    }
    return text;
}

/* /proc/vmstat is read right after stat_refresh. What changes from then on, by the faults of reading itself, stays in
 * the CPU's own counters, which /proc/meminfo and the nr_ lines of /proc/zoneinfo leave out. */
struct folded {
    const char *meminfo, *zoneinfo;
};
static struct folded fold(struct vmsim_machine *m, const struct vmsim__task *t) {
    write_knob(m, "vm.stat_refresh", "1");
    return (struct folded){render(m, t, TEXT_MEMINFO), render(m, t, TEXT_ZONEINFO)};
}
static void forget_folded(struct vmsim_machine *m, struct folded *f) {
    vmsim_report_proc_free(m, f->meminfo);
    vmsim_report_proc_free(m, f->zoneinfo);
}

static void take_folded_zones(struct facts *f, const char *zoneinfo) {
    static struct facts folded;
    folded.count = 0;
    facts_read_zoneinfo(&folded, zoneinfo);
    for (size_t i = 0; i < folded.count; i++) {
        const struct fact *old = &folded.at[i];
        if (strstr(old->name, ".nr_"))
            fact_add(f, old->name, old->value - fact_get(f, old->name, NULL));
    }
}

/* Reads a file into its place: the text stands before the pages for it are touched. Returns the length. */
static uint64_t read_file(struct vmsim_machine *m, struct vmsim__task *t, enum text which, uint64_t base,
                          const struct folded *folded, struct facts *f) {
    const char *text = render(m, t, which);
    uint64_t length = strlen(text);
    parse(f, which, which == TEXT_MEMINFO ? folded->meminfo : text);
    if (which == TEXT_ZONEINFO)
        take_folded_zones(f, folded->zoneinfo);
    vmsim_report_proc_free(m, text);
    store(m, t, base + text_at[which], length + 1);
    return length;
}

/* lru_add_drain_all by way of move_pages, in which it sleeps: the work is done by a kernel thread of each CPU. A kernel
 * without nodes has no such call: dropping a page that nobody uses empties the lists of this CPU, and the task's counts
 * of its pages reach those of its address space. */
static void drain(struct vmsim_machine *m, struct vmsim__task *t) {
    const struct capturer_layout *l = capturer_layout_of(m);
    if (!l->drained)
        store(m, t, l->scratch, 8);
    else if (vmsim__mm_madvise(t->mm, l->drained, PAGE, VMSIM__MADV_DONTNEED, t->cpu))
        abort();
    vmsim__lru_drain_all(m->lru);
    if (!l->drained)
        store(m, t, l->thread, 8);
}

static void read_usage(struct vmsim_machine *m, struct vmsim__task *t, uint64_t base, struct facts *f) {
    fact_add(f, "rusage.minflt", (int64_t)t->stats.min_flt);
    fact_add(f, "rusage.majflt", (int64_t)t->stats.maj_flt);
    store(m, t, base + RUSAGE_AT, 144);
}

struct facts *capturer_begin(struct vmsim_machine *m, uint32_t task) {
    const struct capturer_layout *l = capturer_layout_of(m);
    struct vmsim__task *t = vmsim__task_get(m, task);
    struct facts *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    store(m, t, l->phase, 8);
    store(m, t, l->output_length, 8);
    drain(m, t);
    struct folded folded = fold(m, t);
    for (enum text i = TEXTS; i-- > 0;) {
        if (i == TEXT_VMSTAT)
            write_knob(m, "vm.stat_refresh", "1");
        read_file(m, t, i, l->before, &folded, f);
    }
    forget_folded(m, &folded);
    read_usage(m, t, l->before, f);
    return f;
}

/* Bytes of the lines that it prints, and of the zones' facts as it writes them down to compare them. */
static uint64_t printed(const struct facts *begin, const struct facts *end, uint64_t *zones) {
    uint64_t bytes = 120;
    *zones = 0;
    for (size_t i = 0; i < end->count; i++) {
        const struct fact *f = &end->at[i];
        int64_t before = fact_get(begin, f->name, NULL);
        if (!strncmp(f->name, "zone.", 5))
            *zones += (uint64_t)snprintf(NULL, 0, "%s %" PRId64 "\n", f->name + 5, f->value);
        if (f->value != before)
            bytes += (uint64_t)snprintf(NULL, 0, "%s %" PRId64 " %" PRId64 " %+" PRId64 "\n", f->name, before, f->value,
                                        f->value - before);
    }
    return bytes;
}

/* It copies the texts, flattens the zones (which cuts the text of /proc/zoneinfo up) and prints the differences. A
 * serial line takes longer for them than a grace period lasts. */
static void print(struct vmsim_machine *m, struct vmsim__task *t, const struct facts *begin, const struct facts *end,
                  uint64_t zoneinfo_bytes) {
    const struct capturer_layout *l = capturer_layout_of(m);
    uint64_t zones, bytes = printed(begin, end, &zones);
    store(m, t, l->phase_number, 8);
    store(m, t, l->output_length, 8);
    store(m, t, l->vmstat_before, VMSTAT_ROOM);
    store(m, t, l->vmstat_after, VMSTAT_ROOM);
    each(m, t, l->print_fetched, VMSIM_FETCH);
    store(m, t, l->status_before, 700);
    store(m, t, l->status_after, 700);
    store(m, t, l->zones_before, zones);
    store(m, t, l->before + text_at[TEXT_ZONEINFO], zoneinfo_bytes);
    store(m, t, l->zones_after, zones);
    store(m, t, l->after + text_at[TEXT_ZONEINFO], zoneinfo_bytes);
    store(m, t, l->output, bytes);
    vmsim__tables_barrier(m->vm);
}

struct facts *capturer_end(struct vmsim_machine *m, uint32_t task, const struct facts *begin) {
    const struct capturer_layout *l = capturer_layout_of(m);
    struct vmsim__task *t = vmsim__task_get(m, task);
    struct facts *f = calloc(1, sizeof *f);
    uint64_t zoneinfo_bytes = 0;
    if (!f)
        abort();
    store(m, t, STACK(4), 8);
    read_usage(m, t, l->after, f);
    drain(m, t);
    struct folded folded = fold(m, t);
    for (enum text i = 0; i < TEXTS; i++) {
        uint64_t bytes = read_file(m, t, i, l->after, &folded, f);
        if (i == TEXT_ZONEINFO)
            zoneinfo_bytes = bytes;
    }
    forget_folded(m, &folded);
    print(m, t, begin, f, zoneinfo_bytes);
    return f;
}

/* ---- overcommit ---- */

static bool gets(struct vmsim_machine *m, uint32_t task, uint64_t pages, unsigned prot, unsigned flags) {
    struct vmsim__task *t = vmsim__task_get(m, task);
    int64_t at = vmsim__mm_mmap(t->mm, 0, pages * PAGE, prot, flags | VMSIM__MAP_PRIVATE | VMSIM__MAP_ANONYMOUS, NULL,
                                0, t->cpu);
    if (at >= 0 && vmsim__mm_munmap(t->mm, (uint64_t)at, pages * PAGE, t->cpu))
        abort();
    return at >= 0;
}

void capturer_overcommits(struct vmsim_machine *m, uint32_t task, unsigned mode, struct outcomes *out) {
    const unsigned rw = VMSIM__PROT_READ | VMSIM__PROT_WRITE;
    const bool narrow = m->format->va_bits == 32;
    const uint64_t most = narrow ? vmsim__min64(m->mem->totalram * 4, 0xbf000) : m->mem->totalram * 4;
    const uint64_t four = narrow ? vmsim__min64(m->mem->totalram * 4, 0x80000) : most;
    static struct facts f;
    char value[8];
    snprintf(value, sizeof value, "%u", mode);
    write_knob(m, "vm.overcommit_memory", value);
    const char *text = render(m, vmsim__task_get(m, task), TEXT_MEMINFO);
    f.count = 0;
    parse(&f, TEXT_MEMINFO, text);
    vmsim_report_proc_free(m, text);
    outcome_overcommit(out, mode, OVERCOMMIT_LIMIT, fact_get(&f, "meminfo_kB.CommitLimit", NULL), 0);
    uint64_t low = 0, high = most;
    if (gets(m, task, most, rw, 0))
        low = most;
    while (high - low > 1) {
        uint64_t middle = (low + high) / 2;
        *(gets(m, task, middle, rw, 0) ? &low : &high) = middle;
    }
    outcome_overcommit(out, mode, OVERCOMMIT_LARGEST, (int64_t)low, fact_get(&f, "meminfo_kB.Committed_AS", NULL) / 4);
    outcome_overcommit(out, mode, OVERCOMMIT_NORESERVE, gets(m, task, four, rw, VMSIM__MAP_NORESERVE), 0);
    outcome_overcommit(out, mode, OVERCOMMIT_READ_ONLY, gets(m, task, four, VMSIM__PROT_READ, 0), 0);
}
