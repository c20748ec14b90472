/* SPDX-License-Identifier: MIT */
/* Frames with one or two objects (see zbud.h). */
#include "swap/zbud.h"

#include "vmsim/error.h"

#define NONE UINT32_MAX

void vmsim__zbud_init(struct vmsim__zbud *z, struct vmsim__alloc *alloc, struct vmsim__mem *mem) {
    *z = (struct vmsim__zbud){.alloc = alloc, .mem = mem, .page = UINT32_C(1) << mem->page_shift, .free = NONE};
    VMSIM__ASSERT(z->page >= 4096);
    for (unsigned i = 0; i < VMSIM__ZBUD_CHUNKS; i++)
        z->unbuddied[i] = NONE;
}

/* Whoever had objects has freed them: what is left would be a leak of frames. */
void vmsim__zbud_fini(struct vmsim__zbud *z) {
    VMSIM__ASSERT(!z->objects && !z->pages);
    vmsim__vec_fini(z->alloc, &z->frames);
}

/* Space in a frame is counted in 64ths, as the kernel does (NCHUNKS): two objects fit when their chunks and the
 * header's do. */
static uint32_t chunk_of(const struct vmsim__zbud *z) {
    return z->page / VMSIM__ZBUD_CHUNKS;
}

/* The header has a chunk, and one is to be left. */
bool vmsim__zbud_takes(const struct vmsim__zbud *z, uint32_t bytes) {
    return bytes <= z->page - 2 * chunk_of(z);
}

/* Of a frame with one object: how large the other may be. */
static unsigned free_chunks(const struct vmsim__zbud_frame *f) {
    VMSIM__ASSERT(f->chunks[0] + f->chunks[1] < VMSIM__ZBUD_CHUNKS);
    return VMSIM__ZBUD_CHUNKS - 1 - f->chunks[0] - f->chunks[1];
}

/* First in the list of frames with as much room: the newest is filled first. */
static void enlist(struct vmsim__zbud *z, uint32_t at) {
    struct vmsim__zbud_frame *f = &z->frames.at[at];
    uint32_t *first = &z->unbuddied[free_chunks(f)];
    f->prev = NONE;
    f->next = *first;
    if (*first != NONE)
        z->frames.at[*first].prev = at;
    *first = at;
}

/* Before its chunks change, which say in which list it is. */
static void delist(struct vmsim__zbud *z, uint32_t at) {
    const struct vmsim__zbud_frame *f = &z->frames.at[at];
    if (f->prev != NONE)
        z->frames.at[f->prev].next = f->next;
    else
        z->unbuddied[free_chunks(f)] = f->next;
    if (f->next != NONE)
        z->frames.at[f->next].prev = f->prev;
}

/* NONE: no frame, or no host memory. */
static uint32_t new_frame(struct vmsim__zbud *z, uint32_t gfp, unsigned cpu) {
    if (z->free == NONE) {
        if (!vmsim__vec_push(z->alloc, &z->frames, (struct vmsim__zbud_frame){.next = NONE})) {
            z->host_nomem = true;
            return NONE;
        }
        z->free = (uint32_t)z->frames.count - 1;
    }
    const uint32_t at = z->free;
    const vmsim__pfn pfn = vmsim__mem_alloc(
        z->mem, &(struct vmsim__alloc_request){.gfp = gfp, .cpu = (uint16_t)cpu, .node = z->mem->cpu_node[cpu]});
    if (pfn == VMSIM__PFN_NONE)
        return NONE;
    z->free = z->frames.at[at].next;
    z->frames.at[at] = (struct vmsim__zbud_frame){.pfn = pfn};
    z->pages++;
    return at;
}

/* The tightest frame that has room, else a new one. A handle is number and place, plus one: 0 is none. Kernel:
 * zbud_alloc. */
uint32_t vmsim__zbud_alloc(struct vmsim__zbud *z, uint32_t bytes, uint32_t gfp, unsigned cpu) {
    VMSIM__ASSERT(bytes > 0 && vmsim__zbud_takes(z, bytes));
    const unsigned chunks = (bytes + chunk_of(z) - 1) / chunk_of(z);
    uint32_t at = NONE;
    for (unsigned i = chunks; i < VMSIM__ZBUD_CHUNKS && at == NONE; i++)
        at = z->unbuddied[i];
    if (at != NONE)
        delist(z, at);
    else
        at = new_frame(z, gfp, cpu);
    if (at == NONE)
        return 0;
    struct vmsim__zbud_frame *f = &z->frames.at[at];
    const unsigned place = f->chunks[0] != 0;
    f->chunks[place] = (uint8_t)chunks;
    z->objects++;
    if (!f->chunks[!place])
        enlist(z, at);
    return at * 2 + place + 1;
}

/* The last object gives the frame back; its record is used again. */
void vmsim__zbud_free(struct vmsim__zbud *z, uint32_t object, unsigned cpu) {
    const uint32_t at = (object - 1) / 2, place = (object - 1) % 2;
    VMSIM__ASSERT(object && at < z->frames.count && z->frames.at[at].chunks[place]);
    struct vmsim__zbud_frame *f = &z->frames.at[at];
    if (!f->chunks[!place])
        delist(z, at);
    f->chunks[place] = 0;
    z->objects--;
    if (f->chunks[!place]) {
        enlist(z, at);
        return;
    }
    vmsim__frame_at(&z->mem->frames, f->pfn)->refcount = 0;
    vmsim__mem_free(z->mem, f->pfn, 0, cpu);
    z->pages--;
    f->next = z->free;
    z->free = at;
}

/* Frames with one object are on the list of their room, and no others are. */
int vmsim__zbud_check(const struct vmsim__zbud *z, struct vmsim__err *err) {
    uint64_t pages = 0, objects = 0, single = 0, listed = 0;
    for (size_t i = 0; i < z->frames.count; i++) {
        const struct vmsim__zbud_frame *f = &z->frames.at[i];
        const unsigned n = (f->chunks[0] ? 1u : 0u) + (f->chunks[1] ? 1u : 0u);
        objects += n;
        pages += n != 0;
        single += n == 1;
    }
    for (unsigned c = 0; c < VMSIM__ZBUD_CHUNKS; c++) {
        for (uint32_t at = z->unbuddied[c]; at != NONE; at = z->frames.at[at].next) {
            if (free_chunks(&z->frames.at[at]) != c || ++listed > single)
                return vmsim__err_set(err, VMSIM_ECHECK, "zbud: frame %u is not one with %u free chunks", at, c);
        }
    }
    if (pages != z->pages || objects != z->objects || listed != single)
        return vmsim__err_set(err, VMSIM_ECHECK, "zbud: %llu frames, %llu objects, not as counted",
                              (unsigned long long)pages, (unsigned long long)objects);
    return 0;
}
