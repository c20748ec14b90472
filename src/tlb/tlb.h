/* SPDX-License-Identifier: MIT */
/* One CPU's translation hardware: TLB levels, walk caches, prefetcher, and the walk that fills them.
 *
 *     access --> filter --> level 1 I / D --> level 2 --> ... --> walk caches --> vmsim__mmu_walk_from
 *                (host only, exact)                                                  |
 *                <------------------ entry (fill every level) <-------------------- A/D updates
 *
 * A batch is translated until its end or until the operating system is needed (*stop). The TLB knows page tables and
 * ASIDs, never tasks: who owns an ASID and when to flush is in tlb/shootdown.h. Nothing here consults simulated memory
 * but through the page table that the caller passes; an entry outlives a change of its table until somebody flushes it,
 * as in hardware. */
#ifndef VMSIM__TLB_H
#define VMSIM__TLB_H
#include "base/alloc.h"
#include "base/err.h"
#include "base/policy_registry.h"
#include "mmu/mmu.h"
#include "tlb/tlb_spec.h"
#include "vmsim/access.h"

struct vmsim__tlb;
struct vmsim__tlb_memory;
struct vmsim__tlb_reads;
struct vmsim__tlb_latency;

/* Tag of entries that match whatever the ASID; never pass it as one. */
#define VMSIM__ASID_GLOBAL UINT16_C(0xffff)

/* Creates a CPU's hardware for tables of format `f`. `spec` is only read during the call; `seed` with `cpu` feeds the
 * random policies. VMSIM_EINVAL with a text for a geometry that cannot be, VMSIM_ECONFIG for policies, VMSIM_ENOMEM. */
int vmsim__tlb_create(struct vmsim__tlb **out, struct vmsim__alloc *a, const struct vmsim__tlb_spec *spec,
                      const struct vmsim__pt_format *f, struct vmsim__policy_registry *policies, uint64_t seed,
                      unsigned cpu, struct vmsim__err *err);
void vmsim__tlb_destroy(struct vmsim__tlb *t);

/* The domains of TLB policies, and both put into a registry with their built-in policies. */
extern const struct vmsim__policy_domain vmsim__tlb_replacement_domain, vmsim__tlb_prefetch_domain;
int vmsim__tlb_policies_add(struct vmsim__policy_registry *policies, struct vmsim__err *err);

/* Why a batch ended early. */
struct vmsim__tlb_stop {
    uint8_t fault; /* enum vmsim__fault */
    uint8_t level; /* of the entry that refused */
    bool write, fetch;
    uint64_t va; /* first byte of the access that lies in the faulting page */
};

/* Translates a[0..n): returns how many completed. Less than n: *stop says why a[returned] did not. After the fault is
 * handled, call again with a + returned: the access starts anew. `user`: made
 * in user mode. pa_out (or NULL) receives the physical address of each completed access's first byte. A reference that
 * straddles base pages makes two translations. `pt` must be the table that `asid` stands for. */
size_t vmsim__tlb_run(struct vmsim__tlb *t, const struct vmsim__pagetable *pt, uint16_t asid, bool user,
                      const vmsim_access *a, size_t n, uint64_t *pa_out, struct vmsim__tlb_stop *stop);

/* Entries that walks read, by physical address: as many as there is room for, and how many there were. */
struct vmsim__tlb_record {
    uint32_t entries, room;
    uint64_t *entry;
};
/* From now on walks are written down in *record (NULL: no longer), prefetch walks apart. All is simulated as before. */
void vmsim__tlb_set_record(struct vmsim__tlb *t, struct vmsim__tlb_record *record);

/* From now on misses wait for memory as far as `distant` says, by node, and are counted in *reads; all must outlive the
 * TLB. */
void vmsim__tlb_set_memory(struct vmsim__tlb *t, const struct vmsim__tlb_memory *memory,
                           const struct vmsim__tlb_latency *distant, struct vmsim__tlb_reads *reads);

/* Pure look at what a lookup of `va` would find: the level that holds it (1..), 0 for none; *pa if held (or NULL). */
unsigned vmsim__tlb_probe(const struct vmsim__tlb *t, uint16_t asid, uint64_t va, bool fetch, uint64_t *pa);

/* Time. Cycles since creation; whole nanoseconds since the last call (the rest is carried), flush and IPI costs
 * included. */
uint64_t vmsim__tlb_cycles(const struct vmsim__tlb *t);
uint64_t vmsim__tlb_take_ns(struct vmsim__tlb *t);
unsigned vmsim__tlb_page_shift(const struct vmsim__tlb *t); /* log2 bytes of the base page */
/* Adds what others make this CPU wait (a received IPI). */
void vmsim__tlb_add_ns(struct vmsim__tlb *t, uint64_t ns);

/* Invalidations, as the instructions do them; entries of every overlapping size go. All return how many entries went.
 * _page: INVLPG: also global entries of the page, and all walk-cache entries of the ASID. `page_shift`: of the page
 * meant. */
unsigned vmsim__tlb_flush_page(struct vmsim__tlb *t, uint16_t asid, uint64_t va, unsigned page_shift);
unsigned vmsim__tlb_flush_range(struct vmsim__tlb *t, uint16_t asid, uint64_t start, uint64_t end,
                                unsigned stride_shift);
unsigned vmsim__tlb_flush_asid(struct vmsim__tlb *t, uint16_t asid); /* all but global */
unsigned vmsim__tlb_flush_nonglobal(struct vmsim__tlb *t);           /* every ASID */
unsigned vmsim__tlb_flush_all(struct vmsim__tlb *t);                 /* global too */

/* Host only, between vmsim__tlb_run and the next change of its page table: what stands in the leaf entry of a page, as
 * far as where it stands is known without a walk. It may be out of date, and is for guesses alone. False: unknown. */
bool vmsim__tlb_peek(const struct vmsim__tlb *t, uint64_t va, uint64_t *raw);

/* Host only: pages of it will be flushed soon. */
void vmsim__tlb_expect_flush(const struct vmsim__tlb *t);

/* --- Counters -------------------------------------------------------------------------------------------------------
 */

/* X(field, "name", "what it counts") */
#define VMSIM__TLB_COUNTERS(X)                                                                                         \
    X(accesses, "accesses", "references completed")                                                                    \
    X(loads, "loads", "loads completed")                                                                               \
    X(stores, "stores", "stores and atomic updates completed")                                                         \
    X(fetches, "fetches", "instruction fetches completed")                                                             \
    X(straddles, "straddles", "references over a page border: two translations each")                                  \
    X(walks, "walks", "hardware page walks, whatever their end")                                                       \
    X(walk_references, "walk_references", "page-table entries read by walks")                                          \
    X(walk_cycles, "walk_cycles", "cycles spent in walks, memory_cycles apart")                                        \
    X(memory_cycles, "memory_cycles", "cycles that misses waited for memory, by its distance")                         \
    X(block_hits, "block_hits", "fetches of code known to an emulated CPU, which asked for no page")                   \
    X(victim_hits, "victim_hits", "pages that an emulated CPU found among those displaced last")                       \
    X(dirty_walks, "dirty_walks", "walks of stores that hit an entry without its dirty bit")                           \
    X(permission_walks, "permission_walks", "walks because a held entry forbids the access")                           \
    X(faults, "faults", "translations that ended in a fault")                                                          \
    X(prefetch_issued, "prefetch_issued", "pages that the prefetcher asked for")                                       \
    X(prefetch_filled, "prefetch_filled", "of these: walked and entered")                                              \
    X(prefetch_useful, "prefetch_useful", "of these: hit before eviction")                                             \
    X(prefetch_references, "prefetch_references", "page-table entries read by prefetch walks")                         \
    X(flush_page, "flush_page", "single-page invalidations")                                                           \
    X(flush_range, "flush_range", "range invalidations (their pages count in flush_page)")                             \
    X(flush_asid, "flush_asid", "invalidations of one ASID")                                                           \
    X(flush_nonglobal, "flush_nonglobal", "invalidations of all but global entries")                                   \
    X(flush_all, "flush_all", "invalidations of everything")                                                           \
    X(flushed_entries, "flushed_entries", "entries that invalidations removed")                                        \
    X(switches, "switches", "switches to another address space")                                                       \
    X(asid_reused, "asid_reused", "switches that found their ASID and its entries")                                    \
    X(asid_recycled, "asid_recycled", "switches that took an ASID from another address space")                         \
    X(asid_rollovers, "asid_rollovers", "times this CPU flushed everything for a new ASID generation")                 \
    X(lazy_skipped, "lazy_skipped", "shootdowns that needed no interrupt because this CPU was lazy")                   \
    X(ipi_sent, "nr_tlb_remote_flush", "shootdowns that this CPU sent (one a batch)")                                  \
    X(ipi_received, "nr_tlb_remote_flush_received", "shootdown interrupts that this CPU took")                         \
    X(local_flush_all, "nr_tlb_local_flush_all", "whole address spaces flushed by the kernel on this CPU")             \
    X(local_flush_one, "nr_tlb_local_flush_one", "pages flushed by the kernel on this CPU")

enum vmsim__tlb_counter {
#define VMSIM__TLB_COUNTER_ENUM(field, name, text) VMSIM__TLB_##field,
    VMSIM__TLB_COUNTERS(VMSIM__TLB_COUNTER_ENUM)
#undef VMSIM__TLB_COUNTER_ENUM
        VMSIM__TLB_COUNTER_COUNT
};
extern const char *const vmsim__tlb_counter_names[VMSIM__TLB_COUNTER_COUNT];
extern const char *const vmsim__tlb_counter_texts[VMSIM__TLB_COUNTER_COUNT];

/* Of one array and one page size as the array keeps it (a piece counts as its own size). A miss counts under the size
 * that the translation turned out to have. */
#define VMSIM__TLB_ARRAY_COUNTERS(X)                                                                                   \
    X(hit, "hits")                                                                                                     \
    X(miss, "misses")                                                                                                  \
    X(fill, "fills")                                                                                                   \
    X(evict, "evictions")                                                                                              \
    X(flush, "flushed")

struct vmsim__tlb_array_counters {
#define VMSIM__TLB_ARRAY_FIELD(field, name) uint64_t field;
    VMSIM__TLB_ARRAY_COUNTERS(VMSIM__TLB_ARRAY_FIELD)
#undef VMSIM__TLB_ARRAY_FIELD
};

/* A snapshot. Size class i is pages of 1 << size_shift[i] bytes. */
struct vmsim__tlb_stats {
    uint64_t counter[VMSIM__TLB_COUNTER_COUNT];
    unsigned sizes, arrays, walk_levels;
    uint8_t size_shift[VMSIM__TLB_SIZES];
    uint64_t walks_by_size[VMSIM__TLB_SIZES]; /* completed walks */
    struct {
        const char *name; /* the TLB's own string */
        uint8_t level, holds;
        uint8_t takes; /* bit i: pages of size class i may be kept in it */
        uint32_t entries, ways;
        uint32_t valid; /* entries held now */
        struct vmsim__tlb_array_counters by_size[VMSIM__TLB_SIZES];
        uint64_t fault_miss; /* misses whose walk faulted: no size */
    } array[VMSIM__TLB_ARRAYS];
    struct {
        uint64_t hit, miss, evict, flush;
        uint32_t entries; /* 0: no cache at this level */
    } walk_cache[VMSIM__PT_LEVELS];
};
void vmsim__tlb_snapshot(const struct vmsim__tlb *t, struct vmsim__tlb_stats *out);
/* The same numbers one by one, for who wants few of them. */
unsigned vmsim__tlb_sizes(const struct vmsim__tlb *t);
uint64_t vmsim__tlb_counted(const struct vmsim__tlb *t, enum vmsim__tlb_counter counter);
uint64_t vmsim__tlb_walks_by_size(const struct vmsim__tlb *t, unsigned size);
const struct vmsim__tlb_array_counters *vmsim__tlb_array_by_size(const struct vmsim__tlb *t, unsigned array,
                                                                 unsigned size);
uint64_t vmsim__tlb_array_fault_miss(const struct vmsim__tlb *t, unsigned array);
/* Hits of all arrays of each level, level 1 at [0]. */
void vmsim__tlb_hits_by_level(const struct vmsim__tlb *t, uint64_t hits[VMSIM__TLB_LEVELS]);
void vmsim__tlb_count(struct vmsim__tlb *t, enum vmsim__tlb_counter counter, uint64_t n);
/* The same, and what it makes this CPU wait. */
void vmsim__tlb_count_ns(struct vmsim__tlb *t, enum vmsim__tlb_counter counter, uint64_t n, uint64_t ns);

/* --- Checker --------------------------------------------------------------------------------------------------------
 */

/* The table that an ASID stands for now, or NULL when entries of that ASID cannot be used before a flush. For
 * VMSIM__ASID_GLOBAL: the table that holds global mappings (any process's), or NULL to skip them. */
typedef const struct vmsim__pagetable *vmsim__tlb_resolver(void *context, uint16_t asid);

/* Every entry against the table it came from, walk caches included. Allowed to differ (benign staleness): A and D set
 * in the table but not in the entry, permissions that the table grants and the entry does not, pages split into the
 * entry's pieces. 0, or VMSIM_ECHECK with the text of the first disagreement. */
int vmsim__tlb_check(const struct vmsim__tlb *t, vmsim__tlb_resolver *resolve, void *context, struct vmsim__err *err);

#endif
