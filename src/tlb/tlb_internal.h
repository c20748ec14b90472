/* SPDX-License-Identifier: MIT */
/* The layout of the translation hardware, shared by the files of this folder.
 *
 * One array is one block of host memory, a set after the other; each set keeps its three columns together, so that a
 * lookup reads one cache line of an 8-way set, a victim search a second one and a fill a third, and all are one
 * prefetch address:
 *
 *     set s:  | tag 0 .. tag W-1 | last_use 0 .. last_use W-1 | data 0 .. data W-1 |      24 * W bytes
 *
 * Sets of more than 8 ways are found by hash instead (tlb_wide.c), and then the columns of all sets stand together.
 *
 *     tag   63             19 18        3 2    0        data  63          16 15                      0
 *          +-----------------+-----------+-----+             +--------------+------------------------+
 *          | page (45 bits)  | ASID (16) | size|             | first frame  | VMSIM__PTE_* and own   |
 *          +-----------------+-----------+-----+             +--------------+------------------------+
 *
 * The page number counts in pages of the entry's own size; an invalid entry has tag ~0 (size class 7 does not exist)
 * and last_use 0. Time is a counter that every translation advances, so last_use alone is exact LRU: a touch is one
 * store that nothing waits for, and the order is only looked at when a victim is needed.
 *
 * The filter in front of level 1 is host work only: slot [type][page mod N] remembers that the entry behind `use` holds
 * that page with the rights that the type needs. A filter hit does to the simulated state exactly what the lookup
 * would: it stores last_use and counts a hit (in a byte lane of an accumulator). Whatever changes an entry drops its
 * slots. */
#ifndef VMSIM__TLB_INTERNAL_H
#define VMSIM__TLB_INTERNAL_H
#include "base/policy_registry.h"
#include "tlb/tlb.h"

#define TLB_INVALID UINT64_MAX
#define TLB_NONE 0xffu
#define TLB_PAGE_SHIFT 19 /* of the page number in a tag */
#define TLB_ASID_SHIFT 3

/* Own flags of `data`, beside the VMSIM__PTE_* of the low bits. */
#define TLB_FRAME_SHIFT 16
#define TLB_FLAGS 0x00ffu
#define TLB_PREFETCHED (1u << 13) /* not used yet */
#define TLB_FILTERED_SHIFT 8      /* four bits: types of access whose filter slots may point here */
#define TLB_FILTERED (0xfu << TLB_FILTERED_SHIFT)

#define TLB_FILTER_BITS 7
#define TLB_FILTER_SLOTS (1u << TLB_FILTER_BITS)
#define TLB_LANES 8
#define TLB_CHUNK 255 /* most accesses between two folds of the byte lanes */
#define TLB_HINTS 1024

/* 32 bytes: two a cache line. */
struct tlb_filter_slot {
    uint64_t key;  /* base page number of the 57-bit address; TLB_INVALID: empty */
    uint64_t *use; /* the entry's last_use */
    uint64_t lane; /* 1 in the byte of its hit counter */
    uint64_t page; /* physical address of the base page */
};

/* Hash and order of sets of many ways: see tlb_wide.c. Entry e is way e % ways of set e / ways. */
struct tlb_wide_node {
    uint64_t seen;
    uint32_t next, older, newer, set;
};
struct tlb_wide {
    const uint64_t *tag, *use; /* the owner's columns */
    uint32_t *head;            /* NULL: not in use */
    struct tlb_wide_node *node;
    struct {
        uint32_t oldest, newest;
    } * end; /* of each set's list */
    uint32_t entries, sets, buckets;
    uint8_t hash_shift;
};

struct tlb_array {
    uint64_t *block;
    size_t stride, column; /* from one set's tags to the next one's; from a tag to its last_use, and on to its data */
    struct tlb_wide wide;  /* more than 8 ways */
    uint32_t sets, ways, entries;
    uint32_t mask; /* sets - 1 when that is a power of two, else 0 */
    bool hashed, lru, inclusive;
    bool plain; /* 4 or 8 ways, all for every size, exact LRU without hooks, not inclusive: the short fill does */
    uint8_t level, holds, number;
    uint8_t lives;                                             /* how many sizes it holds entries of now */
    uint8_t live[VMSIM__TLB_SIZES];                            /* which, largest first */
    uint8_t classes;                                           /* how many sizes it may hold */
    uint8_t class_at[VMSIM__TLB_SIZES];                        /* which, largest first */
    uint8_t lane[VMSIM__TLB_SIZES];                            /* filter lane of a class, or TLB_NONE */
    uint32_t first[VMSIM__TLB_SIZES], count[VMSIM__TLB_SIZES]; /* ways that a class may take */
    uint32_t valid;
    uint32_t present[VMSIM__TLB_SIZES]; /* entries of a class, global ones included */
    uint32_t global[VMSIM__TLB_SIZES];  /* of these: global */
    uint64_t latency;
    const struct vmsim_tlb_replacement_policy *policy;
    struct vmsim__policy_instance instance;
    struct vmsim__tlb_array_counters by_size[VMSIM__TLB_SIZES];
    uint64_t fault_miss;
    char *name;
};

/* Paging-structure cache of one level: where the table that its entries point to is. */
struct tlb_walk_way {
    uint64_t table;
    void *host;
    uint32_t flags; /* rights combined down to that table */
};
struct tlb_walk_cache {
    uint64_t *tag, *use; /* (va >> shift of the level) << 16 | ASID; TLB_INVALID */
    struct tlb_walk_way *way;
    struct tlb_wide wide;
    uint32_t sets, ways, entries;
    uint64_t hit, miss, evict, flush;
};

struct vmsim__tlb {
    struct tlb_filter_slot filter[4 * TLB_FILTER_SLOTS];
    struct vmsim__tlb_array_counters *lane_counter[TLB_LANES];
    uint64_t lane_latency[TLB_LANES];
    uint8_t lanes;
    bool lanes_short; /* an entry found no lane: start over at the next fold */
    bool filter_user; /* what the filter's entries were checked for */
    uint16_t filter_asid;

    uint64_t now; /* time of the last translation */
    uint64_t cycles, deadline;
    const struct vmsim__pt_format *format;
    const struct vmsim__pagetable *pt; /* of the running batch */
    uint16_t asid;
    uint8_t page_shift;
    uint8_t classes;
    uint8_t class_shift[VMSIM__TLB_SIZES];
    uint8_t class_of[64]; /* by page shift; TLB_NONE */
    uint8_t levels;
    bool missed; /* the last translation was not in level 1 */
    uint8_t arrays;
    struct tlb_array array[VMSIM__TLB_ARRAYS];
    /* By fetch (1) or data (0), and level: the arrays to look in; and by class: where a page goes, as which class. */
    uint8_t look_count[2][VMSIM__TLB_LEVELS];
    uint8_t look[2][VMSIM__TLB_LEVELS][VMSIM__TLB_ARRAYS];
    uint8_t home[2][VMSIM__TLB_LEVELS][VMSIM__TLB_SIZES];
    uint8_t home_class[2][VMSIM__TLB_LEVELS][VMSIM__TLB_SIZES];
    uint64_t level_latency[2][VMSIM__TLB_LEVELS];
    struct tlb_walk_cache walk_cache[VMSIM__PT_LEVELS]; /* by level of the cached entry; [0] unused */
    uint64_t walk_latency, walk_reference;

    const struct vmsim_tlb_prefetch_policy *prefetch; /* NULL: none */
    struct vmsim__policy_instance prefetch_instance;

    uint64_t counter[VMSIM__TLB_COUNTER_COUNT];
    uint64_t walks_by_size[VMSIM__TLB_SIZES];
    uint64_t clock; /* MHz */
    uint64_t ns, taken_cycles,
        cycle_rest; /* time outside the access path; cycles already given out; rest of the division */
    struct vmsim__alloc *alloc;
    const vmsim_access *resume; /* host only: the access at which the last batch stopped, and how far beyond it was */
    size_t resume_looked;       /* looked ahead */
    struct { /* host only: where leaf tables were last seen, to prefetch their entries; may be stale */
        uint64_t key;
        const void *host;
    } hint[TLB_HINTS];
};

/* --- tlb_wide.c
 * ------------------------------------------------------------------------------------------------------- */

#define TLB_NOBODY UINT32_MAX
bool vmsim__tlb_wide_create(struct tlb_wide *x, struct vmsim__alloc *a, const uint64_t *tag, const uint64_t *use,
                            uint32_t sets, uint32_t ways);
void vmsim__tlb_wide_destroy(struct tlb_wide *x, struct vmsim__alloc *a);
/* The entry with this tag, or TLB_NOBODY. */
uint32_t vmsim__tlb_wide_find(const struct tlb_wide *x, uint64_t tag);
/* The least recently used entry of a set, empty ones (last_use 0) first. */
uint32_t vmsim__tlb_wide_oldest(struct tlb_wide *x, uint32_t set);
/* Entry e gets a tag, and was used now, after all others; e loses its tag; e, without tag, has last_use 0. */
void vmsim__tlb_wide_insert(struct tlb_wide *x, uint32_t e, uint64_t tag, uint64_t now);
void vmsim__tlb_wide_remove(struct tlb_wide *x, uint32_t e, uint64_t tag);
void vmsim__tlb_wide_empty(struct tlb_wide *x, uint32_t e);

/* --- tlb_array.c: one array ------------------------------------------------------------------------------------------
 */

VMSIM__INLINE uint64_t tlb_va57(uint64_t va) {
    return va & ((UINT64_C(1) << 57) - 1);
}
VMSIM__INLINE uint64_t tlb_tag(uint64_t page, uint16_t asid, unsigned class) {
    return page << TLB_PAGE_SHIFT | (uint64_t)asid << TLB_ASID_SHIFT | class;
}
VMSIM__INLINE uint32_t tlb_set(const struct tlb_array *r, uint64_t page) {
    if (r->hashed)
        page ^= page >> 11 ^ page >> 22;
    return r->mask || r->sets == 1 ? (uint32_t)page & r->mask : (uint32_t)(page % r->sets);
}
VMSIM__INLINE uint64_t *tlb_tags(const struct tlb_array *r, uint32_t set) {
    return r->block + set * r->stride;
}
VMSIM__INLINE uint64_t *tlb_use(const struct tlb_array *r, uint64_t *tag) {
    return tag + r->column;
}
VMSIM__INLINE uint64_t *tlb_data(const struct tlb_array *r, uint64_t *tag) {
    return tag + 2 * r->column;
}
VMSIM__INLINE uint16_t tlb_tag_asid(uint64_t tag) {
    return (uint16_t)(tag >> TLB_ASID_SHIFT);
}
VMSIM__INLINE unsigned tlb_tag_class(uint64_t tag) {
    return (unsigned)tag & 7u;
}

/* Least recently used of n; an empty one (0) comes before all, the first of equals: the least of last_use and way in
 * one number. Four chains, because one would wait for each comparison in turn. */
VMSIM__INLINE uint32_t tlb_oldest(const uint64_t *use, uint32_t n) {
    uint64_t least[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    for (uint32_t w = 0; w < n; w++) {
        uint64_t key = use[w] << 12 | w;
        least[w & 3] = key < least[w & 3] ? key : least[w & 3];
    }
    least[0] = least[1] < least[0] ? least[1] : least[0];
    least[2] = least[3] < least[2] ? least[3] : least[2];
    return (uint32_t)(least[2] < least[0] ? least[2] : least[0]) & 0xfff;
}

VMSIM__INLINE uint64_t *tlb_find_n(uint64_t *tags, uint64_t tag, uint32_t ways) {
    for (uint32_t w = 0; w < ways; w++)
        if (tags[w] == tag)
            return tags + w;
    return NULL;
}

/* The entry of a set with this tag, or NULL. */
VMSIM__INLINE uint64_t *tlb_find_tag(const struct tlb_array *r, uint64_t *tags, uint64_t tag) {
    if (r->ways == 4)
        return tlb_find_n(tags, tag, 4);
    if (r->ways == 8)
        return tlb_find_n(tags, tag, 8);
    if (!r->wide.head)
        return tlb_find_n(tags, tag, r->ways);
    uint32_t e = vmsim__tlb_wide_find(&r->wide, tag);
    return e == TLB_NOBODY ? NULL : r->block + e;
}

/* The entry of the page that holds va, or NULL: its tag's place. No state changes. Several probes, because the place of
 * a page depends on its size: one for each size that the array holds at the moment, and one more for the global tag
 * where there are any. */
VMSIM__INLINE uint64_t *tlb_find(const struct vmsim__tlb *t, const struct tlb_array *r, uint16_t asid, uint64_t va) {
    for (unsigned i = 0; i < r->lives; i++) {
        unsigned c = r->live[i];
        uint64_t page = tlb_va57(va) >> t->class_shift[c];
        uint64_t *tags = tlb_tags(r, tlb_set(r, page)), *hit = tlb_find_tag(r, tags, tlb_tag(page, asid, c));
        if (VMSIM__UNLIKELY(!hit && r->global[c]))
            hit = tlb_find_tag(r, tags, tlb_tag(page, VMSIM__ASID_GLOBAL, c));
        if (hit)
            return hit;
    }
    return NULL;
}

/* tlb_find, out of line. */
uint64_t *vmsim__tlb_array_find(const struct vmsim__tlb *t, const struct tlb_array *r, uint16_t asid, uint64_t va);
/* Records a use at t->now. */
void vmsim__tlb_array_touch(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tag);
/* Enters a page of `class` (a class of the array), evicting if need be; an entry of the same tag is overwritten.
 * Returns its tag's place. */
uint64_t *vmsim__tlb_array_fill(struct vmsim__tlb *t, struct tlb_array *r, uint64_t va, unsigned class, uint64_t data,
                                uint16_t asid, bool absent);
/* Invalidates one entry. */
void vmsim__tlb_array_clear(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tag);
/* Invalidates what overlaps the page of `shift` at va: of the ASID and, if `global`, global entries. Counts nothing. */
unsigned vmsim__tlb_array_drop(struct vmsim__tlb *t, struct tlb_array *r, uint16_t asid, uint64_t va, unsigned shift,
                               bool global);

/* --- tlb_filter.c ----------------------------------------------------------------------------------------------------
 */

void vmsim__tlb_filter_clear(struct vmsim__tlb *t);
/* The entry at `tag` changes: no slot may stand for it any longer. */
void vmsim__tlb_filter_drop_pages(struct vmsim__tlb *t, uint64_t tag, uint64_t data, const uint64_t *use);
VMSIM__INLINE void tlb_filter_drop(struct vmsim__tlb *t, uint64_t tag, uint64_t data, const uint64_t *use) {
    if (VMSIM__UNLIKELY(tlb_tag_class(tag))) {
        vmsim__tlb_filter_drop_pages(t, tag, data, use);
        return;
    }
    for (unsigned types = (unsigned)(data & TLB_FILTERED) >> TLB_FILTERED_SHIFT; types; types &= types - 1) {
        unsigned at = (unsigned)__builtin_ctz(types) << TLB_FILTER_BITS |
                      (unsigned)(tag >> TLB_PAGE_SHIFT & (TLB_FILTER_SLOTS - 1));
        if (t->filter[at].use == use)
            t->filter[at].key = TLB_INVALID;
    }
}
/* A level-1 entry was found fit for accesses of this type. */
void vmsim__tlb_filter_add(struct vmsim__tlb *t, struct tlb_array *r, uint64_t *tag, uint64_t va, unsigned type);

/* --- tlb_walk.c ------------------------------------------------------------------------------------------------------
 */

/* A hardware walk for t->pt and t->asid through the walk caches, which it fills. False: w->fault. */
bool vmsim__tlb_walk(struct vmsim__tlb *t, uint64_t va, unsigned mode, struct vmsim__walk *w);
/* Forgets walk-cache entries: of va and the ASID (all levels); of the ASID; all. */
void vmsim__tlb_walk_drop_va(struct vmsim__tlb *t, uint16_t asid, uint64_t va);
unsigned vmsim__tlb_walk_drop_asid(struct vmsim__tlb *t, uint16_t asid);
unsigned vmsim__tlb_walk_drop_all(struct vmsim__tlb *t);

/* --- tlb_translate.c -------------------------------------------------------------------------------------------------
 */

/* One translation that the filter could not make. True: *pa. False: *stop. */
bool vmsim__tlb_translate(struct vmsim__tlb *t, uint64_t va, unsigned type, bool user, uint64_t *pa,
                          struct vmsim__tlb_stop *stop);

/* --- tlb_policies.c --------------------------------------------------------------------------------------------------
 */

extern const struct vmsim_tlb_replacement_policy vmsim__tlb_lru, vmsim__tlb_plru, vmsim__tlb_fifo, vmsim__tlb_random,
    vmsim__tlb_srrip;
extern const struct vmsim_tlb_prefetch_policy vmsim__tlb_prefetch_none, vmsim__tlb_prefetch_next_page,
    vmsim__tlb_prefetch_distance;

#endif
