/* SPDX-License-Identifier: MIT */
/* Rates of the translation path alone: batches of packed accesses through vmsim__tlb_run over 4-level tables.
 *
 *     bench_tlb [--accesses N] [--only STREAM[/HARDWARE]] [FILE...]       FILE: raw vmsim_access words of a recorded
 * program
 *
 * Prints one JSON object: for each stream and hardware the M references/s of CPU time (median of three runs over the
 * same batch, the first one also maps), misses and walks. Pages are mapped on first touch by the smallest fault handler
 * that there can be, so what is measured is the TLB, the walker and their counters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/rng.h"
#include "tlb/tlb.h"

#define TABLES (1u << 16)
#define BATCH (UINT64_C(1) << 14)

struct tables {
    struct vmsim__ptmem mem;
    void *frame[TABLES];
    void **row[1];
    unsigned char
        *memory; /* in large host pages where the host has them: a miss of the host's own TLB is not what is measured */
    uint64_t used;
};

static void *table_of(void *context, uint64_t pfn) {
    struct tables *m = context;
    return pfn < TABLES ? m->frame[pfn] : NULL;
}

static uint64_t take_table(void *context, unsigned level) {
    struct tables *m = context;
    (void)level;
    if (m->used + 1 >= TABLES)
        return VMSIM__NO_FRAME;
    m->used++;
    m->frame[m->used] = m->memory + m->used * 4096;
    return m->used;
}

static void give_table(void *context, uint64_t pfn, unsigned level) {
    struct tables *m = context;
    (void)level;
    m->frame[pfn] = NULL;
}

struct rig {
    struct tables tables;
    struct vmsim__pagetable pt;
    struct vmsim__alloc *alloc;
    struct vmsim__policy_registry *policies;
    struct vmsim__tlb *tlb;
    uint64_t next_pfn, faults;
};

static bool map(struct rig *r, uint64_t va) {
    struct vmsim__pt_slot slot;
    if (!vmsim__pt_slot(&r->pt, va, 0, true, &slot))
        return false;
    uint32_t rights = VMSIM__PTE_PRESENT | VMSIM__PTE_READ | VMSIM__PTE_WRITE | VMSIM__PTE_EXEC | VMSIM__PTE_USER;
    vmsim__pt_set(r->pt.format, &slot, (struct vmsim__pte){r->next_pfn++, rights});
    r->faults++;
    return true;
}

static bool replay(struct rig *r, const vmsim_access *a, size_t n, uint64_t *pa) {
    struct vmsim__tlb_stop stop;
    for (size_t at = 0; at < n;) {
        size_t batch = n - at < BATCH ? n - at : BATCH, done = 0;
        while (done < batch) {
            done += vmsim__tlb_run(r->tlb, &r->pt, 1, true, a + at + done, batch - done, pa, &stop);
            if (done < batch && (stop.fault != VMSIM__FAULT_NOT_PRESENT || !map(r, stop.va)))
                return false;
        }
        at += batch;
    }
    return true;
}

/* --- Hardware --------------------------------------------------------------------------------------------------------
 */

static struct vmsim__tlb_array_spec bar_arrays[] = {
    {.name = "L1I", .level = 1, .holds = VMSIM__TLB_INSTRUCTION, .entries = 256, .ways = 4},
    {.name = "L1D", .level = 1, .holds = VMSIM__TLB_DATA, .entries = 256, .ways = 4},
    {.name = "L2", .level = 2, .holds = VMSIM__TLB_BOTH, .entries = 16384, .ways = 8, .latency = 7}};
static struct vmsim__tlb_array_spec zen_arrays[] = {
    {.name = "L1I", .level = 1, .holds = VMSIM__TLB_INSTRUCTION, .entries = 64},
    {.name = "L1D", .level = 1, .holds = VMSIM__TLB_DATA, .entries = 64},
    {.name = "L2", .level = 2, .holds = VMSIM__TLB_BOTH, .entries = 3072, .ways = 24, .latency = 7}};

struct hardware {
    const char *name;
    struct vmsim__tlb_array_spec *arrays;
    size_t count;
    const char *policy;
};
static const struct hardware hardware[] = {{"64x4+2048x8", bar_arrays, 3, "lru"},
                                           {"fa64+3072x24", zen_arrays, 3, "lru"},
                                           {"64x4+2048x8-plru", bar_arrays, 3, "tree-plru"},
                                           {"64x4+2048x8-srrip", bar_arrays, 3, "srrip"}};

static void check(bool ok, const char *what) {
    if (ok)
        return;
    fprintf(stderr, "bench_tlb: %s\n", what);
    exit(3);
}

static void rig_open(struct rig *r, const struct hardware *h) {
    struct vmsim__err err = {0};
    struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
    memset(r, 0, sizeof *r);
    r->tables.row[0] = r->tables.frame;
    r->tables.memory = aligned_alloc(2 << 20, TABLES * 4096ul);
    check(r->tables.memory != NULL, "no memory");
    madvise(r->tables.memory, TABLES * 4096ul, MADV_DONTNEED);
    madvise(r->tables.memory, TABLES * 4096ul, MADV_HUGEPAGE);
    r->tables.mem = (struct vmsim__ptmem){.context = &r->tables,
                                          .table = table_of,
                                          .alloc = take_table,
                                          .release = give_table,
                                          .directory = {.row = (const unsigned char *const *)(void *)r->tables.row,
                                                        .limit = TABLES,
                                                        .row_shift = 16,
                                                        .record_shift = 3}};
    r->alloc = vmsim__alloc_create(NULL);
    r->policies = vmsim__policy_registry_create(r->alloc);
    check(!vmsim__tlb_policies_add(r->policies, &err), err.text);
    for (size_t i = 0; i < h->count; i++)
        h->arrays[i].replacement.name = h->policy;
    spec.arrays = (struct vmsim_param_list){h->arrays, h->count};
    const struct vmsim__pt_format *f = vmsim__pt_format_find("x86_64");
    check(vmsim__pagetable_init(&r->pt, f, &r->tables.mem), "no memory");
    check(!vmsim__tlb_create(&r->tlb, r->alloc, &spec, f, r->policies, 1, 0, &err), err.text);
    r->next_pfn = 1 << 20;
}

static void rig_close(struct rig *r) {
    vmsim__tlb_destroy(r->tlb);
    vmsim__pagetable_fini(&r->pt);
    free(r->tables.memory);
    vmsim__policy_registry_destroy(r->policies);
    vmsim__alloc_destroy(r->alloc);
}

/* --- Streams ---------------------------------------------------------------------------------------------------------
 */

struct stream {
    const char *name;
    vmsim_access *a;
    size_t n;
};

#define HEAP UINT64_C(0x555555600000)
#define STACK UINT64_C(0x7ffffffde000)
#define TEXT UINT64_C(0x555555554000)

/* Fetches of a few pages, stack and heap in turn, a wandering hot set. */
static void make_program(vmsim_access *a, size_t n, struct vmsim__rng *rng) {
    uint64_t text = TEXT, hot = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t r = vmsim__rng_next(rng);
        if (i % 5 < 3) {
            text = r % 64 == 0 ? TEXT + (r >> 8) % 48 * 4096 + (r >> 20) % 4000
                               : (text & ~UINT64_C(4095)) | ((text + 4) & 4095);
            a[i] = vmsim_access_make(text, 4, VMSIM_FETCH);
            continue;
        }
        if (r % 1000 == 0)
            hot = (r >> 16) % 2000;
        uint64_t va = r & 1 ? STACK + (r >> 16) % 8000 : HEAP + (hot + (r >> 40) % 6) * 4096 + (r >> 16) % 4088;
        a[i] = vmsim_access_make(va, 8, r >> 5 & 3 ? VMSIM_LOAD : VMSIM_STORE);
    }
}

/* Data over 1 M pages, page k with weight about 1/k: the inverse of a power-of-two staircase, without floating point.
 */
static void make_zipf(vmsim_access *a, size_t n, struct vmsim__rng *rng) {
    for (size_t i = 0; i < n; i++) {
        uint64_t r = vmsim__rng_next(rng), octave = r % 20,
                 page = (UINT64_C(1) << octave) + (r >> 8) % (UINT64_C(1) << octave);
        page = page * UINT64_C(0x9e3779b97f4a7c15) >> 44; /* spread over the region */
        a[i] = i & 1 ? vmsim_access_make(HEAP + page * 4096 + (r >> 40) % 4088, 8, VMSIM_LOAD)
                     : vmsim_access_make(TEXT + i % 4096 / 2 * 2, 4, VMSIM_FETCH);
    }
}

/* Alternating fetches and uniform random loads over 1 GiB. */
static void make_gups(vmsim_access *a, size_t n, struct vmsim__rng *rng) {
    for (size_t i = 0; i < n; i++)
        a[i] = i & 1 ? vmsim_access_make(HEAP + (vmsim__rng_below(rng, UINT64_C(1) << 27) << 3), 8, VMSIM_LOAD)
                     : vmsim_access_make(TEXT + i % 64 * 4, 4, VMSIM_FETCH);
}

static struct stream read_stream(const char *path) {
    struct stream s = {path, NULL, 0};
    FILE *f = fopen(path, "rb");
    check(f && !fseek(f, 0, SEEK_END), path);
    s.n = (size_t)ftell(f) / sizeof *s.a;
    s.a = malloc(s.n * sizeof *s.a);
    rewind(f);
    check(s.a && fread(s.a, sizeof *s.a, s.n, f) == s.n, path);
    fclose(f);
    const char *slash = strrchr(path, '/');
    s.name = slash ? slash + 1 : path;
    return s;
}

static struct stream make_stream(const char *name, size_t n,
                                 void (*make)(vmsim_access *, size_t, struct vmsim__rng *)) {
    struct stream s = {name, malloc(n * sizeof(vmsim_access)), n};
    struct vmsim__rng rng;
    check(s.a != NULL, "no memory");
    vmsim__rng_seed(&rng, 1);
    make(s.a, n, &rng);
    return s;
}

/* --- Measuring -------------------------------------------------------------------------------------------------------
 */

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure(const struct stream *s, const struct hardware *h, bool with_pa, bool *first) {
    static struct rig r;
    static uint64_t pa[BATCH];
    struct vmsim__tlb_stats stats;
    double rate[4];
    rig_open(&r, h);
    for (int run = 0; run < 4; run++) {
        double start = cpu_seconds();
        check(replay(&r, s->a, s->n, with_pa ? pa : NULL), "unexpected fault");
        rate[run] = (double)s->n / (cpu_seconds() - start) * 1e-6;
    }
    vmsim__tlb_snapshot(r.tlb, &stats);
    qsort(rate + 1, 3, sizeof *rate, by_value);
    printf("%s\n  {\"stream\": \"%s\", \"hardware\": \"%s\", \"pa\": %s, \"mrefs_per_s\": %.1f, \"first_run\": %.1f, "
           "\"l1i_misses\": %llu, \"l1d_misses\": %llu, \"walks\": %llu, \"walk_references\": %llu, \"faults\": %llu}",
           *first ? "" : ",", s->name, h->name, with_pa ? "true" : "false", rate[2], rate[0],
           (unsigned long long)stats.array[0].by_size[0].miss, (unsigned long long)stats.array[1].by_size[0].miss,
           (unsigned long long)stats.counter[VMSIM__TLB_walks],
           (unsigned long long)stats.counter[VMSIM__TLB_walk_references], (unsigned long long)r.faults);
    fflush(stdout);
    *first = false;
    rig_close(&r);
}

/* "gups" or "gups/64x4+2048x8"; NULL: everything. */
static bool wanted(const char *only, const char *stream, const char *hw) {
    size_t n = strlen(stream);
    if (!only)
        return true;
    return !strncmp(only, stream, n) && (!only[n] || (only[n] == '/' && !strcmp(only + n + 1, hw)));
}

static void measure_all(const struct stream *s, const char *only, bool *first) {
    for (size_t h = 0; h < VMSIM__COUNT(hardware); h++) {
        if (!wanted(only, s->name, hardware[h].name))
            continue;
        measure(s, &hardware[h], false, first);
        if (h == 0)
            measure(s, &hardware[h], true, first);
    }
}

int main(int argc, char **argv) {
    struct stream streams[32];
    size_t count = 0, n = 20000000;
    const char *only = NULL;
    int arg = 1;
    for (; arg + 1 < argc && argv[arg][0] == '-'; arg += 2) {
        if (!strcmp(argv[arg], "--accesses"))
            n = strtoull(argv[arg + 1], NULL, 0);
        else if (!strcmp(argv[arg], "--only"))
            only = argv[arg + 1];
    }
    streams[count++] = make_stream("program", n, make_program);
    streams[count++] = make_stream("zipf", n, make_zipf);
    streams[count++] = make_stream("gups", n, make_gups);
    for (; arg < argc && count < 32; arg++)
        streams[count++] = read_stream(argv[arg]);
    bool first = true;
    printf("{\"bench\": \"tlb\", \"results\": [");
    for (size_t i = 0; i < count; i++)
        measure_all(&streams[i], only, &first);
    printf("\n]}\n");
    for (size_t i = 0; i < count; i++)
        free(streams[i].a);
    return 0;
}
