/* SPDX-License-Identifier: MIT */
/* How many walks a second the walkers make, as JSON. Tables are small enough to stay in the host's caches: what is
 * measured is the walker, not the host's memory. */
#include "mmu/mmu.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FRAMES 4096u
#define PAGES 4096u
#define ROUNDS 2500u

struct memory {
    struct vmsim__ptmem mem;
    unsigned char *base;
    uint64_t next;
    unsigned page_shift;
    void *row[FRAMES];
    const unsigned char *rows[1];
};

static void *table(void *context, uint64_t pfn) {
    struct memory *m = context;
    return pfn < FRAMES ? m->base + (pfn << m->page_shift) : NULL;
}
static uint64_t take(void *context, unsigned level) {
    struct memory *m = context;
    (void)level;
    return m->next < FRAMES ? m->next++ : VMSIM__NO_FRAME;
}
static void release(void *context, uint64_t pfn, unsigned level) {
    (void)context, (void)pfn, (void)level;
}

/* Of processor time: the machine may have other work. */
static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool setup(struct memory *m, struct vmsim__pagetable *pt, const struct vmsim__pt_format *f, bool directory) {
    struct vmsim__pt_slot slot;
    *m = (struct memory){.page_shift = f->page_shift, .next = 1};
    m->mem = (struct vmsim__ptmem){.context = m, .table = table, .alloc = take, .release = release};
    m->base = calloc(FRAMES, (size_t)1 << f->page_shift);
    for (uint64_t i = 0; m->base && i < FRAMES; i++)
        m->row[i] = m->base + (i << f->page_shift);
    if (directory) {
        m->rows[0] = (const unsigned char *)m->row;
        m->mem.directory.row = m->rows;
        m->mem.directory.limit = FRAMES;
        m->mem.directory.row_shift = 12;
        m->mem.directory.record_shift = 3;
    }
    if (!m->base || !vmsim__pagetable_init(pt, f, &m->mem))
        return false;
    pt->hardware_accessed = pt->hardware_dirty = true;
    for (uint64_t i = 0; i < PAGES; i++) {
        uint32_t flags = VMSIM__PTE_PRESENT | VMSIM__PTE_RWXU | VMSIM__PTE_ACCESSED | VMSIM__PTE_DIRTY;
        if (!vmsim__pt_slot(pt, i << f->page_shift, 0, true, &slot))
            return false;
        vmsim__pt_set(f, &slot, (struct vmsim__pte){i, flags});
    }
    return true;
}

/* Walks pages in a scattered order, from the root or (as after a walk-cache hit) from the last level's table. */
static double run(struct vmsim__pagetable *pt, bool last_level, uint64_t *sum) {
    const unsigned mode = VMSIM__WALK_USER, shift = pt->format->page_shift;
    void *host[PAGES];
    uint64_t pfn[PAGES];
    struct vmsim__walk w = {0};
    for (uint64_t i = 0; i < PAGES; i++) {
        vmsim__mmu_walk(pt, i * 1237 % PAGES << shift, mode, &w); /* in the order of use */
        host[i] = w.table_host[0];
        pfn[i] = w.table[0];
    }
    double start = seconds();
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (uint64_t i = 0; i < PAGES; i++) {
            uint64_t page = i * 1237 % PAGES;
            if (last_level)
                vmsim__mmu_walk_from(pt, page << shift, mode, 0, pfn[i], host[i], VMSIM__PTE_RWXU, &w);
            else
                vmsim__mmu_walk(pt, page << shift, mode, &w);
            *sum += w.pa;
        }
    }
    return (double)PAGES * ROUNDS / (seconds() - start) / 1e6;
}

static double run_nested(struct vmsim__pagetable *pt, const struct vmsim__pagetable *host, uint64_t *sum) {
    struct vmsim__walk w;
    bool fault;
    double start = seconds();
    for (unsigned n = 0; n < PAGES * 100; n++)
        *sum += vmsim__mmu_walk_nested(pt, host, (uint64_t)(n * 1237 % PAGES) << 12, 0, &w, &fault) + w.refs;
    return (double)PAGES * 100 / (seconds() - start) / 1e6;
}

int main(void) {
    uint64_t sum = 0;
    printf("{\"bench\": \"mmu\", \"unit\": \"million walks/s\", \"walks\": {");
    for (int id = 0; id < VMSIM__PT_NOMMU; id++) {
        const struct vmsim__pt_format *f = vmsim__pt_format_get((enum vmsim__pt_format_id)id);
        struct memory m, d, h;
        struct vmsim__pagetable pt, pd, host;
        if (!setup(&m, &pt, f, false) || !setup(&d, &pd, f, true) ||
            !setup(&h, &host, vmsim__pt_format_get(VMSIM__PT_X86_64), true))
            return 1;
        printf("%s\n  \"%s\": {\"levels\": %u, \"callback\": %.1f, \"directory\": %.1f, \"last_level\": %.1f",
               id ? "," : "", f->name, f->levels, run(&pt, false, &sum), run(&pd, false, &sum), run(&pd, true, &sum));
        if (f->id == VMSIM__PT_X86_64)
            printf(", \"nested_4x4\": %.1f", run_nested(&pd, &host, &sum));
        printf("}");
        free(m.base);
        free(d.base);
        free(h.base);
    }
    printf("\n}, \"checksum\": %llu}\n", (unsigned long long)sum);
    return 0;
}
