/* SPDX-License-Identifier: MIT */
/* Sections about translation: TLB arrays by level and page size, walks, flushes; sums over all CPUs. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "report/sections.h"

uint64_t vmsim__tlb_sum(const struct vmsim_machine *m, enum vmsim__tlb_counter counter) {
    VMSIM__ASSERT(m->nr_cpus > 0);
    struct vmsim__tlb_stats one;
    uint64_t sum = 0;
    for (unsigned cpu = 0; cpu < m->nr_cpus; cpu++) {
        vmsim__tlb_snapshot(m->cpus[cpu].tlb, &one);
        sum += one.counter[counter];
    }
    return sum;
}

/* Adds the counters of one CPU; names and geometry are the same on all. */
static void add_stats(struct vmsim__tlb_stats *sum, const struct vmsim__tlb_stats *one) {
    VMSIM__ASSERT(sum->arrays == one->arrays && sum->sizes == one->sizes);
    for (unsigned i = 0; i < VMSIM__TLB_COUNTER_COUNT; i++)
        sum->counter[i] += one->counter[i];
    for (unsigned i = 0; i < one->sizes; i++)
        sum->walks_by_size[i] += one->walks_by_size[i];
    for (unsigned a = 0; a < one->arrays; a++) {
        sum->array[a].valid += one->array[a].valid;
        sum->array[a].fault_miss += one->array[a].fault_miss;
        for (unsigned i = 0; i < one->sizes; i++) {
            struct vmsim__tlb_array_counters *to = &sum->array[a].by_size[i];
#define ADD_FIELD(field, name) to->field += one->array[a].by_size[i].field;
            VMSIM__TLB_ARRAY_COUNTERS(ADD_FIELD)
#undef ADD_FIELD
        }
    }
    for (unsigned level = 0; level < VMSIM__PT_LEVELS; level++) {
        sum->walk_cache[level].hit += one->walk_cache[level].hit;
        sum->walk_cache[level].miss += one->walk_cache[level].miss;
    }
}

static void all_cpus(const struct vmsim_machine *m, struct vmsim__tlb_stats *sum) {
    VMSIM__ASSERT(m->nr_cpus > 0);
    struct vmsim__tlb_stats one;
    vmsim__tlb_snapshot(m->cpus[0].tlb, sum);
    for (unsigned cpu = 1; cpu < m->nr_cpus; cpu++) {
        vmsim__tlb_snapshot(m->cpus[cpu].tlb, &one);
        add_stats(sum, &one);
    }
}

static void count(struct vmsim__emitter *e, const char *key, uint64_t n) {
    vmsim__emit_uint(e, key, n, VMSIM__UNIT_COUNT);
}

#define ALL_CPUS UINT32_MAX

/* One array of one CPU (or summed), and one page size as that array keeps it: a huge page that an array holds in pieces
 * counts under the size of the pieces. */
static void array_row(const struct vmsim__tlb_stats *sum, unsigned cpu, unsigned array, unsigned size,
                      struct vmsim__emitter *e) {
    VMSIM__ASSERT(array < sum->arrays && size < sum->sizes);
    const struct vmsim__tlb_array_counters *c = &sum->array[array].by_size[size];
    char page[32];
    vmsim__emit_object(e, NULL);
    if (cpu != ALL_CPUS)
        vmsim__emit_uint(e, "cpu", cpu, VMSIM__UNIT_NONE);
    vmsim__emit_uint(e, "level", sum->array[array].level, VMSIM__UNIT_NONE);
    vmsim__emit_string(e, "array", sum->array[array].name);
    vmsim__emit_string(e, "page", vmsim__format_size(UINT64_C(1) << sum->size_shift[size], page, sizeof page));
    count(e, "hits", c->hit);
    count(e, "misses", c->miss);
    vmsim__emit_ratio(e, "miss_rate", c->miss, c->hit + c->miss, 6, VMSIM__UNIT_PERCENT);
    count(e, "fills", c->fill);
    count(e, "evictions", c->evict);
    count(e, "flushed", c->flush);
    vmsim__emit_object_end(e);
}

/* Rows by level, then array, then page size; what was never used is left out. */
static void array_rows(const struct vmsim__tlb_stats *sum, unsigned cpu, struct vmsim__emitter *e) {
    for (unsigned level = 1; level <= VMSIM__TLB_LEVELS; level++) {
        for (unsigned a = 0; a < sum->arrays; a++) {
            for (unsigned size = 0; size < sum->sizes && sum->array[a].level == level; size++) {
                const struct vmsim__tlb_array_counters *c = &sum->array[a].by_size[size];
                if (c->hit | c->miss | c->fill)
                    array_row(sum, cpu, a, size, e);
            }
        }
    }
}

void vmsim__section_tlb(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    struct vmsim__tlb_stats sum;
    all_cpus(s->machine, &sum);
    vmsim__emit_array(e, "tlb");
    array_rows(&sum, ALL_CPUS, e);
    vmsim__emit_array_end(e);
}

void vmsim__section_tlb_by_cpu(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    struct vmsim__tlb_stats one;
    vmsim__emit_array(e, "tlb_by_cpu");
    for (unsigned cpu = 0; cpu < s->machine->nr_cpus; cpu++) {
        vmsim__tlb_snapshot(s->machine->cpus[cpu].tlb, &one);
        array_rows(&one, cpu, e);
    }
    vmsim__emit_array_end(e);
}

/* Completed walks by the size of the page found, and hits of the caches of upper levels. */
void vmsim__section_walk_caches(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    struct vmsim__tlb_stats sum;
    char page[32];
    all_cpus(s->machine, &sum);
    vmsim__emit_array(e, "walks_by_page");
    for (unsigned size = 0; size < sum.sizes; size++) {
        vmsim__emit_object(e, NULL);
        vmsim__emit_string(e, "page", vmsim__format_size(UINT64_C(1) << sum.size_shift[size], page, sizeof page));
        count(e, "walks", sum.walks_by_size[size]);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
    vmsim__emit_array(e, "walk_caches");
    for (unsigned level = 1; level < VMSIM__PT_LEVELS; level++) {
        if (!sum.walk_cache[level].entries)
            continue;
        vmsim__emit_object(e, NULL);
        vmsim__emit_uint(e, "level", level, VMSIM__UNIT_NONE);
        count(e, "hits", sum.walk_cache[level].hit);
        count(e, "misses", sum.walk_cache[level].miss);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}

void vmsim__section_walks(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    struct vmsim__tlb_stats sum;
    uint64_t hit = 0, miss = 0;
    all_cpus(s->machine, &sum);
    for (unsigned level = 0; level < VMSIM__PT_LEVELS; level++) {
        hit += sum.walk_cache[level].hit;
        miss += sum.walk_cache[level].miss;
    }
    uint64_t walks = sum.counter[VMSIM__TLB_walks], references = sum.counter[VMSIM__TLB_walk_references];
    vmsim__emit_object(e, "page_walks");
    count(e, "walks", walks);
    vmsim__emit_ratio(e, "walks_per_reference", walks, sum.counter[VMSIM__TLB_accesses], 6, VMSIM__UNIT_PERCENT);
    count(e, "entries_read", references);
    vmsim__emit_ratio(e, "entries_per_walk", references, walks, 3, VMSIM__UNIT_NONE);
    vmsim__emit_ratio(e, "cycles_per_walk", sum.counter[VMSIM__TLB_walk_cycles], walks, 1, VMSIM__UNIT_NONE);
    count(e, "walk_cache_hits", hit);
    vmsim__emit_ratio(e, "walk_cache_hit_rate", hit, hit + miss, 4, VMSIM__UNIT_PERCENT);
    count(e, "ended_in_a_fault", sum.counter[VMSIM__TLB_faults]);
    vmsim__emit_object_end(e);
}

void vmsim__section_flushes(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    static const enum vmsim__tlb_counter counters[] = {
        VMSIM__TLB_flush_page, VMSIM__TLB_flush_range,  VMSIM__TLB_flush_asid,   VMSIM__TLB_flush_nonglobal,
        VMSIM__TLB_flush_all,  VMSIM__TLB_switches,     VMSIM__TLB_asid_reused,  VMSIM__TLB_asid_recycled,
        VMSIM__TLB_ipi_sent,   VMSIM__TLB_ipi_received, VMSIM__TLB_lazy_skipped,
    };
    vmsim__emit_object(e, "tlb_flushes");
    for (size_t i = 0; i < VMSIM__COUNT(counters); i++)
        count(e, vmsim__tlb_counter_names[counters[i]], vmsim__tlb_sum(s->machine, counters[i]));
    vmsim__emit_object_end(e);
}
