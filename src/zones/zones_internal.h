/* SPDX-License-Identifier: MIT */
/* What the files of src/zones/ share: pageblocks, frame lists, the buddy's entry points. */
#ifndef VMSIM__ZONES_INTERNAL_H
#define VMSIM__ZONES_INTERNAL_H
#include "zones/mem_layout.h"
#include "zones/zones.h"

VMSIM__INLINE struct vmsim__frame *vmsim__frame_of(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    return vmsim__frame_at(&mem->frames, pfn);
}

/* Flags of a frame that stay when it is freed: its zone. */
#define VMSIM__FRAME_KEEP (0xffu << VMSIM__FRAME_ZONE_SHIFT)

/* ---- Pageblocks: four bits each; stored so that zeroed memory means MOVABLE ---- */
VMSIM__INLINE enum vmsim__migratetype vmsim__block_type(const struct vmsim__mem *mem, vmsim__pfn pfn) {
    uint32_t block = pfn >> mem->pageblock_order;
    return (enum vmsim__migratetype)(((unsigned)mem->pageblocks[block >> 1] >> (block & 1) * 4 & 15u) ^ VMSIM__MOVABLE);
}
/* Changes one pageblock; without grouping by mobility the ordinary types are all UNMOVABLE. */
void vmsim__block_set_type(struct vmsim__mem *mem, vmsim__pfn pfn, enum vmsim__migratetype type);

static inline bool vmsim__type_mergeable(enum vmsim__migratetype type) {
    return type < VMSIM__PCP_TYPES;
}

/* ---- Lists of frames ---- */
VMSIM__INLINE void vmsim__list_push(const struct vmsim__mem *mem, struct vmsim__frame_list *list, vmsim__pfn pfn,
                                    struct vmsim__frame *f) {
    f->prev = VMSIM__PFN_NONE;
    f->next = list->head;
    if (list->head != VMSIM__PFN_NONE)
        vmsim__frame_of(mem, list->head)->prev = pfn;
    else
        list->tail = pfn;
    list->head = pfn;
}
VMSIM__INLINE void vmsim__list_append(const struct vmsim__mem *mem, struct vmsim__frame_list *list, vmsim__pfn pfn,
                                      struct vmsim__frame *f) {
    f->next = VMSIM__PFN_NONE;
    f->prev = list->tail;
    if (list->tail != VMSIM__PFN_NONE)
        vmsim__frame_of(mem, list->tail)->next = pfn;
    else
        list->head = pfn;
    list->tail = pfn;
}
VMSIM__INLINE void vmsim__list_remove(const struct vmsim__mem *mem, struct vmsim__frame_list *list,
                                      struct vmsim__frame *f) {
    if (f->prev != VMSIM__PFN_NONE)
        vmsim__frame_of(mem, f->prev)->next = f->next;
    else
        list->head = f->next;
    if (f->next != VMSIM__PFN_NONE)
        vmsim__frame_of(mem, f->next)->prev = f->prev;
    else
        list->tail = f->prev;
    f->next = f->prev = 0;
}

/* ---- Zones (zone_set.c) ---- */
/* Makes a node's lists of populated zones and its spans anew from the zones. */
void vmsim__node_update(struct vmsim__mem *mem, struct vmsim__node *node);
/* Gives a zone its per-CPU lists, once. 0 or VMSIM_ENOMEM. */
int vmsim__zone_make_pcp(struct vmsim__mem *mem, struct vmsim__zone *z);

/* ---- Metadata (frames.c) ---- */
/* Makes the chunk of `pfn` if it is not there. False: no host memory (mem->host_nomem is set). */
bool vmsim__chunk_make(struct vmsim__mem *mem, vmsim__pfn pfn);
/* All chunks of a range. False: no host memory (mem->host_nomem is left alone); some may be there then, which is no
 * harm. */
bool vmsim__chunks_make(struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end);
/* Gives the chunk of `pfn` back, if there is one: nothing refers to its frames any more. */
void vmsim__chunk_drop(struct vmsim__mem *mem, vmsim__pfn pfn);
/* The extent of `z` that holds pfn, or NULL. */
struct vmsim__extent *vmsim__extent_find(const struct vmsim__zone *z, vmsim__pfn pfn);
/* Takes the top-order block at pfn out of its extent; its metadata is made. False: no host memory, nothing changed. */
bool vmsim__extent_take(struct vmsim__mem *mem, struct vmsim__zone *z, struct vmsim__extent *e, vmsim__pfn pfn);
/* Places of the first segment that ends above pfn. */
size_t vmsim__segment_from(const struct vmsim__mem *mem, vmsim__pfn pfn);

/* ---- Buddy (buddy.c, steal.c) ---- */
/* Takes a block of 2^order of exactly this migratetype, splitting the smallest one that is large enough. */
vmsim__pfn vmsim__buddy_take(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order,
                             enum vmsim__migratetype type);
vmsim__pfn vmsim__buddy_steal(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order,
                              enum vmsim__migratetype type, uint32_t alloc_flags);
/* From a zone with CMA, for a request that may have it. */
vmsim__pfn vmsim__buddy_alloc_cma(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order,
                                  enum vmsim__migratetype type, uint32_t alloc_flags);
/* The same with stealing from other types. Frames are still unmarked: refcount 0, frame->index = type of the list. */
VMSIM__INLINE vmsim__pfn vmsim__buddy_alloc(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order,
                                            enum vmsim__migratetype type, uint32_t alloc_flags) {
    if (VMSIM__UNLIKELY(z->cma && alloc_flags & VMSIM__ALLOC_CMA))
        return vmsim__buddy_alloc_cma(mem, z, order, type, alloc_flags);
    vmsim__pfn pfn = vmsim__buddy_take(mem, z, order, type);
    return VMSIM__LIKELY(pfn != VMSIM__PFN_NONE) ? pfn : vmsim__buddy_steal(mem, z, order, type, alloc_flags);
}
/* Frees and merges. `type` is the migratetype of the pageblock; `tail`: to the cold end, whatever the merge outlook. */
void vmsim__buddy_free(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn, unsigned order,
                       enum vmsim__migratetype type, bool tail);
/* First block of a list without taking it; its metadata is made. PFN_NONE: empty or no host memory. */
vmsim__pfn vmsim__buddy_first(struct vmsim__mem *mem, struct vmsim__zone *z, unsigned order,
                              enum vmsim__migratetype type);
/* Unlinks the free block that starts at pfn. False: no host memory. */
bool vmsim__buddy_unlink(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn);
void vmsim__buddy_link(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn, unsigned order,
                       enum vmsim__migratetype type, bool tail);
/* Splits a block that is on no list down to 2^low; the upper halves go to the head of `type`'s lists. */
void vmsim__buddy_expand(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn, unsigned low, unsigned high,
                         enum vmsim__migratetype type);
/* Moves the free blocks of pfn's pageblock to the lists of `type`. Returns frames moved; *movable gets the frames in
 * use that could be moved. 0 and untouched when the pageblock lies in more than one zone. */
uint64_t vmsim__block_move_free(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn,
                                enum vmsim__migratetype type, uint64_t *movable);
void vmsim__highatomic_reserve(struct vmsim__mem *mem, struct vmsim__zone *z, vmsim__pfn pfn);

/* ---- Isolation (page_isolation.c) ---- */
/* Frames from pfn to the end of the free block that it lies in, in the buddy or whole in an extent; 0: it is in use. */
vmsim__pfn vmsim__free_run(const struct vmsim__mem *mem, vmsim__pfn pfn);
/* Takes all blocks of an isolated range that is empty off their lists. */
void vmsim__isolated_unlink(struct vmsim__mem *mem, vmsim__pfn start, vmsim__pfn end);

/* ---- hugetlb (hugetlb.c) ---- */
/* Finds the sizes and checks the spec's pools against them. 0 or an error. */
int vmsim__hugetlb_init(struct vmsim__mem *mem, const struct vmsim__mem_spec *spec, struct vmsim__err *err);
/* The pools at boot: gigantic pages before the first watermarks; then those are adopted, and the others taken. */
/* Whether the memory holds what the pools ask for; when nodes are counted. */
int vmsim__hugetlb_check(const struct vmsim__mem *mem, const struct vmsim__mem_spec *spec, struct vmsim__err *err);
void vmsim__hugetlb_take_gigantic(struct vmsim__mem *mem, const struct vmsim__mem_spec *spec);
void vmsim__hugetlb_fill(struct vmsim__mem *mem, const struct vmsim__mem_spec *spec);

/* ---- Watermarks and zonelists ---- */
void vmsim__mem_boot_watermarks(struct vmsim__mem *mem);
void vmsim__mem_boot_thp(struct vmsim__mem *mem, enum vmsim__thp_mode mode);
void vmsim__zone_set_pcp(struct vmsim__mem *mem, struct vmsim__zone *z);
/* The lists of boot: no CPU has come online yet. 0 or VMSIM_ENOMEM. */
int vmsim__zonelists_build(struct vmsim__mem *mem);
/* All lists anew, in place. */
void vmsim__zonelists_rebuild(struct vmsim__mem *mem);
/* What the kernel computes anew when memory came or went. Kernel: init_per_zone_wmark_min. */
void vmsim__mem_update_watermarks(struct vmsim__mem *mem);
void vmsim__sysctl_defaults(struct vmsim__mem *mem);

/* From the knobs as they are. */
void vmsim__mem_set_watermarks(struct vmsim__mem *mem);
void vmsim__mem_set_lowmem_reserve(struct vmsim__mem *mem);

/* In-use marks of a block just taken from the buddy or a per-CPU list. */
VMSIM__INLINE void vmsim__frames_hand_out(vmsim__pfn pfn, struct vmsim__frame *f, unsigned order, uint32_t gfp) {
    f->next = f->prev = 0;
    f->refcount = 1;
    vmsim__frame_set_list(f, 0);
    f->flags &= VMSIM__FRAME_KEEP;
    vmsim__block_set_order(f, order);
    if (order && gfp & VMSIM__GFP_COMP) {
        f->flags |= VMSIM__FRAME_HEAD;
        vmsim__block_set_order(f, 0);
        vmsim__block_set_order(f + 1, order);
        uint32_t tail = (f->flags & VMSIM__FRAME_KEEP) | VMSIM__FRAME_TAIL;
        for (uint32_t i = 1; i < 1u << order; i++) {
            f[i].flags = tail;
            f[i].next = pfn;
        }
    }
}

#endif
