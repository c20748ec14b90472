/* SPDX-License-Identifier: MIT */
/* Table memory for the tests of mmu/: frames numbered from 1, each from the host, counted, with injected failure. */
#ifndef TEST_MMU_MEMORY_H
#define TEST_MMU_MEMORY_H
#include "helpers.h"
#include "mmu/mmu.h"

#define MMU_FRAMES 4096

struct mmu_memory {
    struct vmsim__ptmem mem;
    const struct vmsim__pt_format *format;
    unsigned page_shift;
    void *frame[MMU_FRAMES]; /* [0] is never used; a table of several frames stands in each of them */
    uint64_t used, made;
    uint64_t fail_after; /* allocations that still succeed */
};

TEST_UNUSED static void *mmu_memory_table(void *context, uint64_t pfn) {
    struct mmu_memory *m = context;
    return pfn < MMU_FRAMES ? m->frame[pfn] : NULL;
}
/* Frames that a table of the level takes. */
TEST_UNUSED static unsigned mmu_memory_frames(const struct mmu_memory *m, unsigned level) {
    return level + 1u == m->format->levels ? 1u << m->format->root_order : 1;
}
TEST_UNUSED static uint64_t mmu_memory_take(void *context, unsigned level) {
    struct mmu_memory *m = context;
    const unsigned frames = mmu_memory_frames(m, level);
    if (!m->fail_after)
        return VMSIM__NO_FRAME;
    for (uint64_t pfn = 1; pfn + frames <= MMU_FRAMES; pfn++) {
        unsigned unused = 0;
        while (unused < frames && !m->frame[pfn + unused])
            unused++;
        if (unused < frames)
            continue;
        unsigned char *host = calloc(frames, (size_t)1 << m->page_shift);
        assert_non_null(host);
        for (unsigned i = 0; i < frames; i++)
            m->frame[pfn + i] = host + ((size_t)i << m->page_shift);
        m->used++, m->made++, m->fail_after--;
        return pfn;
    }
    return VMSIM__NO_FRAME;
}
TEST_UNUSED static void mmu_memory_release(void *context, uint64_t pfn, unsigned level) {
    struct mmu_memory *m = context;
    assert_true(pfn < MMU_FRAMES);
    assert_non_null(m->frame[pfn]); /* neither twice nor unknown */
    free(m->frame[pfn]);
    memset(&m->frame[pfn], 0, mmu_memory_frames(m, level) * sizeof *m->frame);
    m->used--;
}
TEST_UNUSED static struct mmu_memory *mmu_memory_new(const struct vmsim__pt_format *format) {
    struct mmu_memory *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->mem = (struct vmsim__ptmem){
        .context = m, .table = mmu_memory_table, .alloc = mmu_memory_take, .release = mmu_memory_release};
    m->format = format;
    m->page_shift = format->page_shift;
    m->fail_after = UINT64_MAX;
    return m;
}
/* Fails the test when a table was not released. */
TEST_UNUSED static void mmu_memory_end(struct mmu_memory *m) {
    assert_int_equal(m->used, 0);
    free(m);
}
/* The lowest canonical address, plus a linear offset below 2^va_bits. */
TEST_UNUSED static uint64_t mmu_va(const struct vmsim__pt_format *f, uint64_t linear) {
    if (f->va_signed && linear >> (f->va_bits - 1))
        return linear | ~((UINT64_C(1) << f->va_bits) - 1);
    return linear;
}

#endif
