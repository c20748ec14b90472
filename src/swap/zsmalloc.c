/* SPDX-License-Identifier: MIT */
/* Classes, zspages and their groups (see zsmalloc.h). */
#include "swap/zsmalloc.h"

#include "vmsim/error.h"

#define NONE UINT32_MAX
#define SIZE_MIN 32u
#define HANDLE 8u /* bytes that each object has beside its own */

/* ---- classes ---- */

/* ZS_SIZE_CLASS_DELTA. */
static uint32_t step_of(const struct vmsim__zspool *p) {
    return p->page >> 8;
}

/* Frames of a zspage. By the share in use, of whole percents, until 6.2; by bytes left over since. */
static unsigned best_pages(const struct vmsim__zspool *p, uint32_t size) {
    const unsigned most = p->mem->kernel->zs_chain;
    unsigned best = 1;
    uint64_t best_score = 0;
    VMSIM__ASSERT(most <= VMSIM__ZS_CHAIN && size <= p->page);
    for (unsigned i = 1; i <= most; i++) {
        const uint64_t bytes = (uint64_t)i * p->page, waste = bytes % size;
        const uint64_t score = most > 4 ? p->page - waste : (bytes - waste) * 100 / bytes;
        if (score > best_score) {
            best_score = score;
            best = i;
        }
    }
    return most > 4 && !(size & (size - 1)) ? 1 : best;
}

/* From the largest down: what comes to the same is of the larger class. What is larger than the largest class of which
 * more than one fits is not worth compressing. */
static void make_classes(struct vmsim__zspool *p) {
    uint8_t last = VMSIM__ZS_CLASSES - 1;
    for (unsigned i = VMSIM__ZS_CLASSES; i--;) {
        struct vmsim__zs_class *c = &p->class[i];
        c->size = (uint32_t)vmsim__min64(SIZE_MIN + i * step_of(p), p->page);
        c->pages = (uint16_t)best_pages(p, c->size);
        c->objects = (uint16_t)((uint64_t)c->pages * p->page / c->size);
        for (unsigned g = 0; g < VMSIM__ZS_GROUPS; g++)
            c->group[g] = NONE;
        if (!p->huge && c->pages != 1 && c->objects != 1)
            p->huge = c->size - (HANDLE - 1);
        if (i + 1 == VMSIM__ZS_CLASSES || p->class[last].pages != c->pages || p->class[last].objects != c->objects)
            last = (uint8_t)i;
        p->class_of[i] = last;
    }
}

void vmsim__zspool_init(struct vmsim__zspool *p, struct vmsim__alloc *alloc, struct vmsim__mem *mem) {
    *p = (struct vmsim__zspool){
        .alloc = alloc, .mem = mem, .page = UINT32_C(1) << mem->page_shift, .free = NONE, .groups = 2};
    VMSIM__ASSERT(p->page >= 4096);
    p->groups = mem->kernel->zs_chain > 4 ? VMSIM__ZS_GROUPS : 2;
    make_classes(p);
}

void vmsim__zspool_fini(struct vmsim__zspool *p) {
    VMSIM__ASSERT(!p->objects && !p->pages);
    vmsim__vec_fini(p->alloc, &p->zspages);
}

/* ---- groups ---- */

/* Until 6.3 two groups: to three quarters full, and above; by tenths since. */
static unsigned group_of(const struct vmsim__zspool *p, const struct vmsim__zspage *z) {
    const unsigned objects = p->class[z->class].objects;
    VMSIM__ASSERT(z->used > 0 && z->used < objects);
    return p->groups == 2 ? z->used * 4u > objects * 3u : z->used * 10u / objects;
}

/* A full zspage is on no list: nothing can be put into it. */
static void enlist(struct vmsim__zspool *p, uint32_t at) {
    struct vmsim__zspage *z = &p->zspages.at[at];
    if (z->used == p->class[z->class].objects)
        return;
    uint32_t *first = &p->class[z->class].group[group_of(p, z)];
    z->prev = NONE;
    z->next = *first;
    if (*first != NONE)
        p->zspages.at[*first].prev = at;
    *first = at;
}

static void delist(struct vmsim__zspool *p, uint32_t at) {
    struct vmsim__zspage *z = &p->zspages.at[at];
    if (z->used == p->class[z->class].objects)
        return;
    if (z->prev != NONE)
        p->zspages.at[z->prev].next = z->next;
    else
        p->class[z->class].group[group_of(p, z)] = z->next;
    if (z->next != NONE)
        p->zspages.at[z->next].prev = z->prev;
}

/* ---- zspages ---- */

/* NR_ZSPAGES is of the frame's zone. */
static void give_frame(struct vmsim__zspool *p, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim__frame *f = vmsim__frame_at(&p->mem->frames, pfn);
    VMSIM__ASSERT(f->refcount == 1 && p->pages > 0);
    p->mem->zones[vmsim__frame_zone(f)].stat[VMSIM__NR_ZSPAGES]--;
    f->refcount = 0;
    p->pages--;
    vmsim__mem_free(p->mem, pfn, 0, cpu);
}

/* All frames of a zspage or none. */
static bool take_frames(struct vmsim__zspool *p, struct vmsim__zspage *z, uint32_t gfp, unsigned cpu) {
    const struct vmsim__alloc_request rq = {.gfp = gfp, .cpu = (uint16_t)cpu, .node = p->mem->cpu_node[cpu]};
    for (unsigned i = 0; i < p->class[z->class].pages; i++) {
        z->frame[i] = vmsim__mem_alloc(p->mem, &rq);
        if (z->frame[i] == VMSIM__PFN_NONE) {
            while (i--)
                give_frame(p, z->frame[i], cpu);
            return false;
        }
        p->mem->zones[vmsim__frame_zone(vmsim__frame_at(&p->mem->frames, z->frame[i]))].stat[VMSIM__NR_ZSPAGES]++;
        p->pages++;
    }
    return true;
}

/* An empty one, on no list. NONE: no frames, or no host memory. */
static uint32_t new_zspage(struct vmsim__zspool *p, uint8_t class, uint32_t gfp, unsigned cpu) {
    uint32_t at = p->free;
    if (at == NONE) {
        VMSIM__ASSERT(p->zspages.count < NONE - 1);
        if (!vmsim__vec_push(p->alloc, &p->zspages, (struct vmsim__zspage){.next = NONE})) {
            p->host_nomem = true;
            return NONE;
        }
        at = (uint32_t)p->zspages.count - 1;
        p->free = at;
    }
    struct vmsim__zspage *z = &p->zspages.at[at];
    z->class = class;
    if (!take_frames(p, z, gfp, cpu))
        return NONE;
    p->free = z->next;
    return at;
}

/* From the fullest group that has room, so that zspages fill up and others empty. Which object of a zspage it is
 * nobody asks: a handle is the zspage's number plus one. Kernel: zs_malloc, find_get_zspage. */
uint32_t vmsim__zs_alloc(struct vmsim__zspool *p, uint32_t bytes, uint32_t gfp, unsigned cpu) {
    VMSIM__ASSERT(bytes > 0 && bytes <= p->page && !(gfp & VMSIM__GFP_DIRECT_RECLAIM));
    const uint32_t size = bytes + HANDLE, step = step_of(p);
    const uint32_t fits = size <= SIZE_MIN ? 0 : (size - SIZE_MIN + step - 1) / step;
    const uint8_t class = p->class_of[vmsim__min64(fits, VMSIM__ZS_CLASSES - 1)];
    uint32_t at = NONE;
    for (unsigned g = p->groups; g-- && at == NONE;)
        at = p->class[class].group[g];
    if (at != NONE)
        delist(p, at);
    else
        at = new_zspage(p, class, gfp, cpu);
    if (at == NONE)
        return 0;
    p->zspages.at[at].used++;
    p->objects++;
    enlist(p, at);
    return at + 1;
}

/* Groups change with what is in use: out of the old one first. */
void vmsim__zs_free(struct vmsim__zspool *p, uint32_t object, unsigned cpu) {
    VMSIM__ASSERT(object && object <= p->zspages.count && p->objects > 0);
    const uint32_t at = object - 1;
    struct vmsim__zspage *z = &p->zspages.at[at];
    VMSIM__ASSERT(z->used > 0);
    delist(p, at);
    z->used--;
    p->objects--;
    if (z->used) {
        enlist(p, at);
        return;
    }
    for (unsigned i = 0; i < p->class[z->class].pages; i++)
        give_frame(p, z->frame[i], cpu);
    z->next = p->free;
    p->free = at;
}

/* ---- check ---- */

static int check_group(const struct vmsim__zspool *p, unsigned class, unsigned group, uint64_t *listed,
                       struct vmsim__err *err) {
    for (uint32_t at = p->class[class].group[group]; at != NONE; at = p->zspages.at[at].next) {
        const struct vmsim__zspage *z = &p->zspages.at[at];
        if (!z->used || z->class != class || group_of(p, z) != group || ++*listed > p->zspages.count)
            return vmsim__err_set(err, VMSIM_ECHECK, "zspage %u of %u objects is in group %u of class %u", at, z->used,
                                  group, class);
    }
    return 0;
}

int vmsim__zspool_check(const struct vmsim__zspool *p, struct vmsim__err *err) {
    uint64_t pages = 0, objects = 0, partial = 0, listed = 0;
    for (size_t i = 0; i < p->zspages.count; i++) {
        const struct vmsim__zspage *z = &p->zspages.at[i];
        objects += z->used;
        pages += z->used ? p->class[z->class].pages : 0;
        partial += z->used && z->used < p->class[z->class].objects;
    }
    for (unsigned c = 0; c < VMSIM__ZS_CLASSES; c++) {
        for (unsigned g = 0; g < p->groups; g++) {
            int e = check_group(p, c, g, &listed, err);
            if (e)
                return e;
        }
    }
    if (pages != p->pages || objects != p->objects || listed != partial)
        return vmsim__err_set(err, VMSIM_ECHECK,
                              "zsmalloc: %llu frames, %llu objects, %llu zspages with room; %llu, %llu, %llu counted",
                              (unsigned long long)pages, (unsigned long long)objects, (unsigned long long)partial,
                              (unsigned long long)p->pages, (unsigned long long)p->objects, (unsigned long long)listed);
    return 0;
}
