/* SPDX-License-Identifier: MIT */
/* Counters, time, and the look that changes nothing.
 *
 * Hits of the filter are not in these counters until they are folded into them (vmsim__tlb_run does it at the end of a
 * batch), so that whoever reads reads between two batches. Cycles are given out as whole nanoseconds, and the rest of
 * the division is kept: a run's time does not depend on how often it was asked for. */
#include <string.h>

#include "tlb/tlb_internal.h"

const char *const vmsim__tlb_counter_names[VMSIM__TLB_COUNTER_COUNT] = {
#define COUNTER_NAME(field, name, text) name,
    VMSIM__TLB_COUNTERS(COUNTER_NAME)
#undef COUNTER_NAME
};

const char *const vmsim__tlb_counter_texts[VMSIM__TLB_COUNTER_COUNT] = {
#define COUNTER_TEXT(field, name, text) text,
    VMSIM__TLB_COUNTERS(COUNTER_TEXT)
#undef COUNTER_TEXT
};

void vmsim__tlb_snapshot(const struct vmsim__tlb *t, struct vmsim__tlb_stats *out) {
    memset(out, 0, sizeof *out);
    memcpy(out->counter, t->counter, sizeof out->counter);
    memcpy(out->size_shift, t->class_shift, sizeof out->size_shift);
    memcpy(out->walks_by_size, t->walks_by_size, sizeof out->walks_by_size);
    out->sizes = t->classes;
    out->arrays = t->arrays;
    out->walk_levels = t->format->levels;
    for (unsigned i = 0; i < t->arrays; i++) {
        const struct tlb_array *r = &t->array[i];
        out->array[i].name = r->name;
        out->array[i].level = r->level;
        out->array[i].holds = r->holds;
        out->array[i].entries = r->entries;
        for (unsigned c = 0; c < r->classes; c++)
            out->array[i].takes |= (uint8_t)(1u << r->class_at[c]);
        out->array[i].ways = r->ways;
        out->array[i].valid = r->valid;
        out->array[i].fault_miss = r->fault_miss;
        memcpy(out->array[i].by_size, r->by_size, sizeof r->by_size);
    }
    for (unsigned level = 1; level < VMSIM__PT_LEVELS; level++) {
        const struct tlb_walk_cache *c = &t->walk_cache[level];
        out->walk_cache[level].hit = c->hit;
        out->walk_cache[level].miss = c->miss;
        out->walk_cache[level].evict = c->evict;
        out->walk_cache[level].flush = c->flush;
        out->walk_cache[level].entries = c->entries;
    }
}

unsigned vmsim__tlb_sizes(const struct vmsim__tlb *t) {
    return t->classes;
}

uint64_t vmsim__tlb_counted(const struct vmsim__tlb *t, enum vmsim__tlb_counter counter) {
    VMSIM__ASSERT(counter < VMSIM__TLB_COUNTER_COUNT);
    return t->counter[counter];
}

uint64_t vmsim__tlb_walks_by_size(const struct vmsim__tlb *t, unsigned size) {
    VMSIM__ASSERT(size < t->classes);
    return t->walks_by_size[size];
}

const struct vmsim__tlb_array_counters *vmsim__tlb_array_by_size(const struct vmsim__tlb *t, unsigned array,
                                                                 unsigned size) {
    VMSIM__ASSERT(array < t->arrays && size < t->classes);
    return &t->array[array].by_size[size];
}

uint64_t vmsim__tlb_array_fault_miss(const struct vmsim__tlb *t, unsigned array) {
    VMSIM__ASSERT(array < t->arrays);
    return t->array[array].fault_miss;
}

void vmsim__tlb_hits_by_level(const struct vmsim__tlb *t, uint64_t hits[VMSIM__TLB_LEVELS]) {
    memset(hits, 0, VMSIM__TLB_LEVELS * sizeof *hits);
    for (unsigned i = 0; i < t->arrays; i++) {
        const struct tlb_array *r = &t->array[i];
        VMSIM__ASSERT(r->level && r->level <= VMSIM__TLB_LEVELS);
        for (unsigned size = 0; size < t->classes; size++)
            hits[r->level - 1] += r->by_size[size].hit;
    }
}

void vmsim__tlb_count(struct vmsim__tlb *t, enum vmsim__tlb_counter counter, uint64_t n) {
    VMSIM__ASSERT(counter < VMSIM__TLB_COUNTER_COUNT);
    t->counter[counter] += n;
}

uint64_t vmsim__tlb_cycles(const struct vmsim__tlb *t) {
    return t->cycles;
}

uint64_t vmsim__tlb_take_ns(struct vmsim__tlb *t) {
    uint64_t cycles = t->cycles - t->taken_cycles, ns = t->ns;
    VMSIM__ASSERT(cycles < UINT64_MAX / 2000); /* 35 days at 3 GHz between two takes */
    uint64_t thousandths = cycles * 1000 + t->cycle_rest;
    ns += thousandths / t->clock;
    t->cycle_rest = thousandths % t->clock;
    VMSIM__ASSERT(t->cycle_rest < t->clock && t->taken_cycles <= t->cycles);
    t->taken_cycles = t->cycles;
    t->ns = 0;
    return ns;
}

void vmsim__tlb_add_ns(struct vmsim__tlb *t, uint64_t ns) {
    t->ns += ns;
}

void vmsim__tlb_count_ns(struct vmsim__tlb *t, enum vmsim__tlb_counter counter, uint64_t n, uint64_t ns) {
    VMSIM__ASSERT(counter < VMSIM__TLB_COUNTER_COUNT);
    t->counter[counter] += n;
    t->ns += ns;
}

unsigned vmsim__tlb_page_shift(const struct vmsim__tlb *t) {
    return t->page_shift;
}

unsigned vmsim__tlb_probe(const struct vmsim__tlb *t, uint16_t asid, uint64_t va, bool fetch, uint64_t *pa) {
    if (VMSIM__UNLIKELY(t->softmmu.max))
        return asid == t->softmmu.asid && vmsim__tlb_softmmu_probe(t, va, pa);
    for (struct tlb_array *const *at = t->side[fetch].path; *at; at++) {
        const struct tlb_array *r = *at;
        uint64_t *tag = vmsim__tlb_array_find(t, r, asid, va);
        if (!tag)
            continue;
        uint64_t size = UINT64_C(1) << t->class_shift[tlb_tag_class(*tag)];
        if (pa)
            *pa = (*tlb_data(r, tag) >> TLB_FRAME_SHIFT << t->page_shift) + (va & (size - 1));
        return r->level;
    }
    return 0;
}
