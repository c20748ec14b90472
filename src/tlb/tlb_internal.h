/* SPDX-License-Identifier: MIT */
/* The layout of the translation hardware, shared by the files of this folder.
 *
 * One array is one block of host memory, a set after the other; each set keeps its three columns together, so that a
 * lookup reads one cache line of an 8-way set, a victim search a second one and a fill a third, and all are one
 * prefetch address:
 *
 *     set s:  | tag 0 .. tag W-1 | last_use 0 .. last_use W-1 | data 0 .. data W-1 |      24 * W bytes
 *
 * Behind level 1, sets of up to 16 ways under exact LRU keep an order instead of last_use (tlb_order.h). Other sets of
 * more than 8 ways are found by hash (tlb_wide.c), and then the columns of all sets stand together.
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
#include "tlb/tlb_memory.h"
#include "tlb/tlb_order.h"

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
#define TLB_CHUNK 255        /* most accesses between two folds of the byte lanes */
#define TLB_LEAF_TABLES 8192 /* 16 GiB of base pages */
#define TLB_MIDDLE_TABLES 64
#define TLB_UPPER_TABLES 8u
#define TLB_LEAF_SEEN 8
#define TLB_ASID_COUNTS 64
#define TLB_LEAF_EPOCHS 0x1000u

/* 32 bytes: two a cache line. */
struct tlb_filter_slot {
    uint64_t key;  /* base page number of the 57-bit address; TLB_INVALID: empty */
    uint64_t *use; /* the entry's last_use */
    uint64_t lane; /* 1 in the byte of its counters */
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

/* How a fill that evicts an entry of the same size is made inline, where nothing else happens besides. */
enum tlb_quick {
    TLB_QUICK_NONE, /* another policy than LRU and tree-plru, fewer ways for a size, an inclusive array */
    TLB_QUICK_FEW,  /* times of use: up to 8 ways */
    TLB_QUICK_4,
    TLB_QUICK_8,
    TLB_QUICK_ORDER,
    TLB_QUICK_WIDE
};

/* How pages of one size lie in one array: what a look and a fill need, on one line of the host's cache. */
struct tlb_place {
    _Alignas(64) uint64_t *block;
    uint64_t *order;
    struct tlb_array *array;
    struct vmsim__tlb_array_counters *count;
    uint64_t tag; /* ORed to a tag: the class, and all ones in the ASID's place for global entries */
    uint32_t mask, stride;
    uint8_t shift, class, ways; /* ways: 0 if too many to be looked at in turn */
    bool plain;                 /* 2^n sets, which the low bits of the page number tell */
    bool tree;                  /* victims by tree-plru */
    uint8_t quick;
};

struct tlb_array {
    uint64_t *block;
    size_t words;             /* of the block */
    size_t stride, use, data; /* from one set's tags to the next one's; from a tag to its last_use and its data */
    uint64_t *order;          /* of each set; NULL: it has times of use */
    struct tlb_wide wide;     /* more than 8 ways and no order */
    uint32_t sets, ways, entries;
    uint32_t mask;                     /* sets - 1 when that is a power of two, else 0 */
    bool hashed, lru, tree, inclusive; /* tree: tree-plru */
    uint8_t level, holds, number;
    uint8_t classes;                    /* how many sizes it may hold */
    uint8_t class_at[VMSIM__TLB_SIZES]; /* which, largest first */
    uint8_t lane[3][VMSIM__TLB_SIZES];  /* filter lane of loads, stores and fetches of a class, or TLB_NONE */
    uint32_t first[VMSIM__TLB_SIZES], count[VMSIM__TLB_SIZES]; /* ways that a class may take */
    uint32_t valid;
    uint32_t present[VMSIM__TLB_SIZES]; /* entries of a class, global ones included */
    uint32_t global[VMSIM__TLB_SIZES];  /* of these: global */
    uint32_t of_asid[TLB_ASID_COUNTS];  /* entries by the low bits of their ASID: sweeps know when they have all */
    uint64_t latency;
    const struct vmsim_tlb_replacement_policy *policy;
    struct vmsim__policy_instance instance;
    struct vmsim__tlb_array_counters by_size[VMSIM__TLB_SIZES];
    uint64_t fault_miss;
    struct tlb_place place[2][VMSIM__TLB_SIZES]; /* of global pages [1] and others [0] */
    char *name;
};

/* Paging-structure cache of one level: where the table that its entries point to is. */
struct tlb_walk_way {
    uint64_t table;
    void *host;
    uint32_t flags; /* rights combined down to that table */
};
/* Sets whose ways are a ring from the least recently used one on: the victim becomes the newest when the ring is
 * turned by one. They are found by scanning, but for level 1 of large tables, where the leaf table knows. */
struct tlb_walk_cache {
    _Alignas(64) uint64_t *tag; /* (va >> shift of the level) << 16 | ASID; TLB_INVALID */
    struct tlb_walk_way *way;
    struct tlb_walk_link {
        uint32_t newer, older;
    } * link;         /* the newest one's newer is the oldest */
    uint32_t *oldest; /* of each set */
    uint32_t sets, ways, entries;
    uint8_t shift, level; /* of the entries that are cached */
    uint32_t *valid;      /* in vmsim__tlb.walk_valid, where those of all levels are seen at one look */
    uint64_t hit, miss, evict, flush;
};

/* Host only: a leaf table that a walk came to by an entry of level 1 without restrictions. As long as that entry reads
 * the same, walks need not ask where the table is; and where it is tells what to prefetch. It is forgotten when its
 * page table has released any table since, and when an ASID may have come to stand for another, so nothing is read of a
 * table that is no more. Pages that are flushed change nothing of it. The same for tables of level 1 below entries of
 * level 2, and of level 2 below entries of level 3. 32 bytes: two a cache line. */
struct tlb_leaf_table {
    uint64_t key; /* address bits in 51..16, and the tag of the batch; 0: none */
    uint64_t raw; /* the entry of level 1, which tells the pfn; 0: unknown */
    void *host;
    uint32_t entry; /* of the walk cache of level 1: where that table is cached, if it is */
};

/* Two levels that hold base pages alone at the moment, none of them global, each with a quick fill; first NULL: it is
 * otherwise. */
struct tlb_pair {
    const struct tlb_place *first, *last;
};

/* What fetches, or accesses to data, pass through. */
struct tlb_side {
    uint64_t before[VMSIM__TLB_LEVELS + 1];                            /* latency of the levels before this one */
    const struct tlb_place *home[VMSIM__TLB_LEVELS][VMSIM__TLB_SIZES]; /* where a size goes at a level; NULL: nowhere */
    const struct tlb_place *last; /* host only: of base pages at the last level, if worth a prefetch; else NULL */
    struct tlb_pair pair;
    struct tlb_array *path[VMSIM__TLB_ARRAYS + 1]; /* the arrays to look in, level after level, ended by NULL */
    /* The path look by look: in each array one for each size that it holds at the moment, the largest first. */
    const struct tlb_place *look[VMSIM__TLB_ARRAYS * 2 * VMSIM__TLB_SIZES + 1];
};

/* Tables of an emulated CPU: see tlb_softmmu.c. */
struct tlb_soft_entry {
    uint64_t page;         /* number of the base page; TLB_INVALID: none */
    uint64_t frame_rights; /* frame | what needs no walk, 3 bits */
};
struct tlb_soft_block {
    uint64_t va, frame; /* of its first byte; TLB_INVALID: none */
};
struct tlb_soft_side {
    struct tlb_soft_entry *entry, *victim; /* a slot for each page number modulo `entries` */
    uint32_t entries, next_victim;
    uint64_t used, window_used, window_begin; /* since the last flush; most of the window, which began at an access */
    uint64_t large, large_mask;               /* pages that the large ones lie in; TLB_INVALID: there is none */
};
struct tlb_softmmu {
    uint32_t max, victims, blocks; /* max: pages of a side; 0: the CPU is hardware */
    uint8_t offset_bits;           /* of a block's slot */
    bool fetch_user;
    uint16_t asid;                /* whose all of it is */
    struct tlb_soft_side side[2]; /* of the kernel [0] and user mode [1] */
    struct tlb_soft_block *block;
    uint64_t fetch_page, fetch_frame; /* of the last fetch; TLB_INVALID: the next one is looked up */
};

struct vmsim__tlb {
    struct tlb_filter_slot filter[4 * TLB_FILTER_SLOTS];
    struct {
        struct vmsim__tlb_array_counters *count;
        uint64_t latency;
        enum vmsim__tlb_counter kind;
    } lane[TLB_LANES];
    uint8_t lanes;
    bool lanes_short; /* an entry found no lane: start over at the next fold */
    bool filter_user; /* what the filter's entries were checked for */
    uint16_t filter_asid;

    /* What a shootdown needs of a CPU that never saw the page comes first: few lines of the host's cache. */
    _Alignas(64) uint64_t ns;              /* time outside the access path */
    uint32_t walk_valid[VMSIM__PT_LEVELS]; /* entries that each walk cache has: tlb_walk_cache.valid */
    bool soft;                             /* there is a softmmu */
    uint64_t now;                          /* time of the last translation */
    uint64_t cycles;
    /* One look for each array and size that it holds, and for global entries: all that may be found. */
    _Alignas(64) const struct tlb_place *look[VMSIM__TLB_ARRAYS * 2 * VMSIM__TLB_SIZES + 1];
    uint64_t taken_cycles, cycle_rest; /* cycles already given out; rest of the division */
    const struct vmsim__pt_format *format;
    const struct vmsim__pagetable *pt; /* of the running batch */
    uint16_t asid;
    uint8_t page_shift;
    uint8_t classes;
    uint8_t class_shift[VMSIM__TLB_SIZES];
    uint8_t class_of[64]; /* by page shift; TLB_NONE */
    uint8_t levels;
    bool missed; /* the last translation was not in level 1 */
    bool bypass; /* there is no hardware: the page table is asked at each reference */
    uint8_t arrays;
    struct tlb_array array[VMSIM__TLB_ARRAYS];
    struct tlb_side side[2];                            /* of data [0] and fetches [1] */
    struct tlb_walk_cache *walk_list[VMSIM__PT_LEVELS]; /* those that there are, lowest level first, ended by NULL */
    struct tlb_walk_cache walk_cache[VMSIM__PT_LEVELS]; /* by level of the cached entry; [0] unused */
    uint64_t walk_latency, walk_reference;
    const struct vmsim__tlb_memory *memory;   /* where frames are; NULL: none is far */
    const struct vmsim__tlb_latency *distant; /* by node */
    struct vmsim__tlb_reads *reads;           /* with `memory` */
    struct vmsim__tlb_record *record;         /* where walks are written down; NULL: nowhere */

    struct tlb_softmmu softmmu;
    bool wants_access;                                /* a policy wants the next three */
    uint8_t access;                                   /* type of the present access */
    uint16_t fetch_asid;                              /* whose last_fetch is */
    uint64_t last_fetch;                              /* address of the last instruction fetch before it, 0: none */
    const struct vmsim_tlb_prefetch_policy *prefetch; /* NULL: none */
    struct vmsim__policy_instance prefetch_instance;

    uint64_t counter[VMSIM__TLB_COUNTER_COUNT];
    uint64_t walks_by_size[VMSIM__TLB_SIZES];
    uint64_t clock; /* MHz */
    struct vmsim__alloc *alloc;
    const vmsim_access *resume; /* host only: the access at which the last batch stopped, and how far beyond it was */
    size_t resume_looked;       /* looked ahead */
    uint64_t leaf_tag;          /* of the running batch: leaf_epoch in bits 63..52, the ASID in bits 15..0 */
    uint32_t leaf_epoch;
    struct {
        const struct vmsim__pagetable *pt;
        uint64_t released;
        uint16_t asid;
    } leaf_seen[TLB_LEAF_SEEN];                      /* by ASID: what its leaf tables are known for */
    struct tlb_leaf_table upper[TLB_UPPER_TABLES];   /* tables of level 2, by the address bits above */
    struct tlb_leaf_table middle[TLB_MIDDLE_TABLES]; /* of level 1 */
    struct tlb_leaf_table leaf[TLB_LEAF_TABLES];
};

/* --- tlb_bypass.c
 * ----------------------------------------------------------------------------------------------------- */

/* vmsim__tlb_run without hardware, once the batch has begun. */
size_t vmsim__tlb_run_bypass(struct vmsim__tlb *t, bool user, const vmsim_access *a, size_t n, uint64_t *pa_out,
                             struct vmsim__tlb_stop *stop);

/* --- tlb_softmmu.c
 * ----------------------------------------------------------------------------------------------------- */

int vmsim__tlb_softmmu_create(struct tlb_softmmu *s, struct vmsim__alloc *a, const struct vmsim__softmmu_spec *spec);
void vmsim__tlb_softmmu_destroy(struct tlb_softmmu *s, struct vmsim__alloc *a);
void vmsim__tlb_softmmu_clear(struct vmsim__tlb *t);
/* The page of `shift` that holds va is flushed: how many entries went, at least. */
unsigned vmsim__tlb_softmmu_drop(struct vmsim__tlb *t, uint64_t va, unsigned shift);
/* vmsim__tlb_run by these tables, once the batch has begun. */
size_t vmsim__tlb_run_softmmu(struct vmsim__tlb *t, bool user, const vmsim_access *a, size_t n, uint64_t *pa_out,
                              struct vmsim__tlb_stop *stop);
/* Is user mode's page known? *pa: what va is then (or NULL). */
bool vmsim__tlb_softmmu_probe(const struct vmsim__tlb *t, uint64_t va, uint64_t *pa);
/* For the checker: entry i of all tables, a page and where it is. False: it is empty. */
bool vmsim__tlb_softmmu_entry(const struct vmsim__tlb *t, uint32_t i, uint64_t *va, uint64_t *pa);
static inline uint32_t tlb_softmmu_entries(const struct tlb_softmmu *s) {
    return s->max ? s->side[0].entries + s->side[1].entries + 2 * s->victims + s->blocks : 0;
}

/* --- tlb_wide.c
 * ------------------------------------------------------------------------------------------------------- */

#define TLB_NOBODY UINT32_MAX
VMSIM__INLINE uint32_t tlb_wide_bucket(const struct tlb_wide *x, uint64_t tag) {
    return (uint32_t)(tag * UINT64_C(0x9e3779b97f4a7c15) >> x->hash_shift);
}
bool vmsim__tlb_wide_create(struct tlb_wide *x, struct vmsim__alloc *a, const uint64_t *tag, const uint64_t *use,
                            uint32_t sets, uint32_t ways);
void vmsim__tlb_wide_destroy(struct tlb_wide *x, struct vmsim__alloc *a);
/* The entry with this tag, or TLB_NOBODY. */
VMSIM__INLINE uint32_t tlb_wide_find(const struct tlb_wide *x, uint64_t tag) {
    uint32_t e = x->head[tlb_wide_bucket(x, tag)];
    while (e != TLB_NOBODY && x->tag[e] != tag)
        e = x->node[e].next;
    return e;
}
VMSIM__INLINE void tlb_wide_unlink(struct tlb_wide *x, uint32_t e) {
    VMSIM__ASSERT(e < x->entries && x->node[e].set < x->sets);
    struct tlb_wide_node *n = &x->node[e];
    if (n->older == TLB_NOBODY)
        x->end[n->set].oldest = n->newer;
    else
        x->node[n->older].newer = n->newer;
    if (n->newer == TLB_NOBODY)
        x->end[n->set].newest = n->older;
    else
        x->node[n->newer].older = n->older;
}

VMSIM__INLINE void tlb_wide_append(struct tlb_wide *x, uint32_t e, uint64_t now) {
    struct tlb_wide_node *n = &x->node[e];
    uint32_t newest = x->end[n->set].newest;
    VMSIM__ASSERT(newest == TLB_NOBODY || x->node[newest].seen <= now);
    n->seen = now;
    n->older = newest;
    n->newer = TLB_NOBODY;
    if (VMSIM__UNLIKELY(newest == TLB_NOBODY))
        x->end[n->set].oldest = e;
    else
        x->node[newest].newer = e;
    x->end[n->set].newest = e;
}
/* An entry was used now, after all others: for those who would rather keep the list in order. */
VMSIM__INLINE void tlb_wide_touch(struct tlb_wide *x, uint32_t e, uint64_t now) {
    if (VMSIM__LIKELY(x->end[x->node[e].set].newest == e)) {
        x->node[e].seen = now;
    } else {
        tlb_wide_unlink(x, e);
        tlb_wide_append(x, e, now);
    }
}
/* The least recently used entry of a set, empty ones (last_use 0) first. */
uint32_t vmsim__tlb_wide_oldest(struct tlb_wide *x, uint32_t set);
/* Entry e, without tag, has last_use 0. */
void vmsim__tlb_wide_empty(struct tlb_wide *x, uint32_t e);
/* Entry e gets a tag, and was used now, after all others; e loses its tag. */
VMSIM__INLINE void tlb_wide_insert(struct tlb_wide *x, uint32_t e, uint64_t tag, uint64_t now) {
    VMSIM__ASSERT(e < x->entries);
    uint32_t *head = &x->head[tlb_wide_bucket(x, tag)];
    x->node[e].next = *head;
    *head = e;
    tlb_wide_unlink(x, e);
    tlb_wide_append(x, e, now);
}

VMSIM__INLINE void tlb_wide_remove(struct tlb_wide *x, uint32_t e, uint64_t tag) {
    VMSIM__ASSERT(e < x->entries);
    uint32_t *link = &x->head[tlb_wide_bucket(x, tag)];
    while (*link != e)
        link = &x->node[*link].next;
    *link = x->node[e].next;
}
/* The least recently used entry of a set loses its tag, if it has one, and gets this one, used now. Its column of tags
 * still tells the old one. */
VMSIM__INLINE uint32_t tlb_wide_replace(struct tlb_wide *x, uint32_t set, uint64_t tag, uint64_t now) {
    uint32_t e = x->end[set].oldest;
    if (VMSIM__UNLIKELY(x->use[e] != x->node[e].seen))
        e = vmsim__tlb_wide_oldest(x, set);
    if (x->tag[e] != TLB_INVALID)
        tlb_wide_remove(x, e, x->tag[e]);
    tlb_wide_insert(x, e, tag, now);
    return e;
}

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
    VMSIM__ASSERT(!r->order);
    return tag + r->use;
}
VMSIM__INLINE uint64_t *tlb_data(const struct tlb_array *r, uint64_t *tag) {
    return tag + r->data;
}
VMSIM__INLINE uint16_t tlb_tag_asid(uint64_t tag) {
    return (uint16_t)(tag >> TLB_ASID_SHIFT);
}
VMSIM__INLINE unsigned tlb_tag_class(uint64_t tag) {
    return (unsigned)tag & 7u;
}
VMSIM__INLINE uint32_t *tlb_of_asid(struct tlb_array *r, uint64_t tag) {
    return &r->of_asid[tlb_tag_asid(tag) % TLB_ASID_COUNTS];
}

/* Least recently used of n; an empty one (0) comes before all, the first of equals: the least of last_use and way in
 * one number. Four chains, because one would wait for each comparison in turn. */
VMSIM__INLINE uint32_t tlb_oldest(const uint64_t *use, uint32_t n) {
    uint64_t least[4] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
    const unsigned bits = n <= 8 ? 3 : 12;
    for (uint32_t w = 0; w < n; w++) {
        uint64_t key = (use[w] << bits) + w;
        least[w & 3] = key < least[w & 3] ? key : least[w & 3];
    }
    least[0] = least[1] < least[0] ? least[1] : least[0];
    least[2] = least[3] < least[2] ? least[3] : least[2];
    return (uint32_t)(least[2] < least[0] ? least[2] : least[0]) & ((1u << bits) - 1);
}

VMSIM__INLINE uint64_t *tlb_find_n(uint64_t *tags, uint64_t tag, uint32_t ways) {
    uint32_t w = 0;
    while (w < ways && tags[w] != tag)
        w++;
    return w < ways ? tags + w : NULL;
}

/* The entry of a set with this tag, or NULL. */
VMSIM__INLINE uint64_t *tlb_find_tag(const struct tlb_array *r, uint64_t *tags, uint64_t tag) {
    if (!r->wide.head)
        return tlb_find_n(tags, tag, r->ways);
    uint32_t e = tlb_wide_find(&r->wide, tag);
    return e == TLB_NOBODY ? NULL : r->block + e;
}

VMSIM__INLINE uint64_t *tlb_place_set(const struct tlb_place *p, uint64_t page) {
    if (VMSIM__LIKELY(p->plain))
        return p->block + (page & p->mask) * p->stride;
    return tlb_tags(p->array, tlb_set(p->array, page));
}

/* The entry of a page with this tag, or NULL. No state changes. */
VMSIM__INLINE uint64_t *tlb_find_page(const struct tlb_place *p, uint64_t page, uint64_t tag) {
    if (p->quick == TLB_QUICK_WIDE) {
        uint32_t e = tlb_wide_find(&p->array->wide, tag);
        return e == TLB_NOBODY ? NULL : p->block + e;
    }
    uint64_t *tags = tlb_place_set(p, page);
    if (VMSIM__LIKELY(p->ways == 4))
        return tlb_find_n(tags, tag, 4);
    if (p->ways == 8)
        return tlb_find_n(tags, tag, 8);
    return p->ways ? tlb_find_n(tags, tag, p->ways) : tlb_find_tag(p->array, tags, tag);
}

/* The entry of the page that holds va, or NULL: its tag's place. */
VMSIM__INLINE uint64_t *tlb_look(const struct tlb_place *p, uint16_t asid, uint64_t va) {
    uint64_t page = tlb_va57(va) >> p->shift;
    return tlb_find_page(p, page, tlb_tag(page, asid, 0) | p->tag);
}

VMSIM__INLINE bool tlb_any4(const uint64_t *tags, uint64_t tag) {
    return tags[0] == tag || tags[1] == tag || tags[2] == tag || tags[3] == tag;
}
/* Is it there? Where it is need not be told, which makes it half as dear as tlb_look for sets of 4, 8 and 12. */
VMSIM__INLINE bool tlb_has(const struct tlb_place *p, uint16_t asid, uint64_t va) {
    const uint64_t page = tlb_va57(va) >> p->shift, tag = tlb_tag(page, asid, 0) | p->tag;
    if (VMSIM__UNLIKELY(!p->ways || p->ways % 4))
        return tlb_find_page(p, page, tag);
    const uint64_t *tags = tlb_place_set(p, page);
    for (const uint64_t *end = tags + p->ways; tags < end; tags += 4)
        if (tlb_any4(tags, tag))
            return true;
    return false;
}

/* Whether any array of the list holds part of the page of `shift` that holds va. Where a smaller size is among them,
 * this is not asked page by page: it may be. */
VMSIM__INLINE bool tlb_holds(const struct tlb_place *const *look, uint16_t asid, uint64_t va, unsigned shift) {
    for (; *look; look++)
        if ((*look)->shift < shift || tlb_has(*look, asid, va))
            return true;
    return false;
}

/* The entry of the page that holds va in one array, or NULL. No state changes. */
uint64_t *vmsim__tlb_array_find(const struct vmsim__tlb *t, const struct tlb_array *r, uint16_t asid, uint64_t va);
/* Makes the lists of looks from what the arrays hold. */
void vmsim__tlb_list_looks(struct vmsim__tlb *t);
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

/* The same in all arrays, with global entries. */
unsigned vmsim__tlb_drop_page(struct vmsim__tlb *t, uint16_t asid, uint64_t va, unsigned shift);

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

/* A batch begins: leaf tables that its page table may have released are forgotten. Sets leaf_tag. */
void vmsim__tlb_leaf_begin(struct vmsim__tlb *t);
/* Whether leaf tables of this ASID are known for the page table as it is. */
bool vmsim__tlb_leaf_current(const struct vmsim__tlb *t, const struct vmsim__pagetable *pt, uint16_t asid);
void vmsim__tlb_leaf_forget(struct vmsim__tlb *t);
/* Forgets walk-cache entries: of va and the ASID (all levels); of the ASID; all. */
void vmsim__tlb_walk_drop_va(struct vmsim__tlb *t, uint16_t asid, uint64_t va);
unsigned vmsim__tlb_walk_drop_asid(struct vmsim__tlb *t, uint16_t asid);
VMSIM__INLINE bool tlb_walk_any(const struct vmsim__tlb *t) {
    uint32_t any = 0;
    for (unsigned level = 1; level < VMSIM__PT_LEVELS; level++)
        any |= t->walk_valid[level];
    return any;
}
unsigned vmsim__tlb_walk_drop_all(struct vmsim__tlb *t);

/* --- tlb_translate.c -------------------------------------------------------------------------------------------------
 */

/* One translation that the filter could not make. True: *pa. False: *stop. */
bool vmsim__tlb_translate(struct vmsim__tlb *t, uint64_t va, unsigned type, bool user, uint64_t *pa,
                          struct vmsim__tlb_stop *stop);
/* The same, of a page that no array of its side holds. */
bool vmsim__tlb_absent(struct vmsim__tlb *t, uint64_t va, unsigned type, bool user, uint64_t *pa,
                       struct vmsim__tlb_stop *stop);

VMSIM__INLINE void tlb_count_walk(struct vmsim__tlb *t, unsigned refs) {
    uint64_t cost = t->walk_latency + refs * t->walk_reference;
    t->cycles += cost;
    t->counter[VMSIM__TLB_walks]++;
    t->counter[VMSIM__TLB_walk_references] += refs;
    t->counter[VMSIM__TLB_walk_cycles] += cost;
}

/* Written down for who asked for it, as far as there is room. */
VMSIM__INLINE void tlb_record_walk(struct vmsim__tlb *t, const struct vmsim__walk *w) {
    struct vmsim__tlb_record *r = t->record;
    for (unsigned i = 0; VMSIM__UNLIKELY(r != NULL) && i < w->refs; i++, r->entries++)
        if (r->entries < r->room)
            r->entry[r->entries] = w->ref[i];
}

/* What the frame at `pfn` makes a miss wait for. */
VMSIM__INLINE void tlb_wait_walk(struct vmsim__tlb *t, uint64_t pfn) {
    const unsigned node = vmsim__tlb_memory_node(t->memory, pfn);
    t->cycles += t->distant[node].walk;
    t->counter[VMSIM__TLB_memory_cycles] += t->distant[node].walk;
    t->reads->lines[node]++;
}
VMSIM__INLINE void tlb_wait_data(struct vmsim__tlb *t, uint64_t pfn) {
    const unsigned node = vmsim__tlb_memory_node(t->memory, pfn);
    struct vmsim__tlb_reads *r = t->reads;
    t->cycles += t->distant[node].data;
    t->counter[VMSIM__TLB_memory_cycles] += t->distant[node].data;
    r->by_node[node]++;
    r->lines[node]++;
    if (VMSIM__UNLIKELY(r->frames < r->room))
        r->frame[r->frames++] = (uint32_t)pfn;
}

/* --- tlb_miss.c ------------------------------------------------------------------------------------------------------
 */

/* As vmsim__tlb_translate, by a side that has a pair, and quick if it is a plain miss of everything. `x`: of a base
 * page, by the user. */
bool vmsim__tlb_plain_miss(struct vmsim__tlb *t, const struct tlb_side *s, vmsim_access x, uint64_t *pa,
                           struct vmsim__tlb_stop *stop);
/* Finds out whether a side has a pair, after its looks changed. */
void vmsim__tlb_find_pair(struct vmsim__tlb *t, struct tlb_side *s);

/* --- tlb_policies.c --------------------------------------------------------------------------------------------------
 */

extern const struct vmsim_tlb_replacement_policy vmsim__tlb_lru, vmsim__tlb_plru, vmsim__tlb_fifo, vmsim__tlb_random,
    vmsim__tlb_srrip, vmsim__tlb_ship;
/* The way that tree-plru evicts of `ways` with these times of use. */
uint32_t vmsim__tlb_plru_victim(const uint64_t *last_use, uint32_t ways);
extern const struct vmsim_tlb_prefetch_policy vmsim__tlb_prefetch_none, vmsim__tlb_prefetch_next_page,
    vmsim__tlb_prefetch_distance;

#endif
