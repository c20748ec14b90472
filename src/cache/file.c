/* SPDX-License-Identifier: MIT */
/* The file table: files by number and by path, their references and their end.
 *
 *   files: [ - | f1 | f2 | - | f4 ]   ids are indices, freed ones are used again last in, first out
 *   by_path: open addressing, id or 0; a hash decides where a path is found, never an order
 *
 * A file lives while a path leads to it or somebody uses it; the last of both takes its pages out of the cache, dirty
 * or not. Kernel counterparts: the inode and dentry caches, of which the simulator needs no more than this. */
#include "cache/cache_impl.h"
#include <string.h>

#define DELETED UINT32_MAX

/* FNV-1a; only where a path is found depends on it, never an order that a run shows. */
static uint64_t hash_path(const char *path) {
    uint64_t h = UINT64_C(14695981039346656037);
    for (; *path; path++)
        h = (h ^ (unsigned char)*path) * UINT64_C(1099511628211);
    return h ^ h >> 32;
}

/* The slot of `path`, or the slot where it would go (the first free one of its chain). */
static uint32_t *path_slot(const struct vmsim__cache *c, const char *path) {
    VMSIM__ASSERT(vmsim__is_pow2(c->path_slots));
    uint32_t *free_slot = NULL;
    for (size_t i = hash_path(path), n = 0; n < c->path_slots; i++, n++) {
        uint32_t *slot = &c->by_path[i & (c->path_slots - 1)];
        if (*slot == 0)
            return free_slot ? free_slot : slot;
        if (*slot == DELETED)
            free_slot = free_slot ? free_slot : slot;
        else if (!strcmp(c->files.at[*slot]->path, path))
            return slot;
    }
    return free_slot;
}

/* Room for one more path at a load of at most one half. Tombstones count as used until the table grows: a chain that
 * is long for them is as slow as one of paths. */
static bool path_reserve(struct vmsim__cache *c) {
    if (2 * (c->path_used + 1) <= c->path_slots)
        return true;
    size_t old_slots = c->path_slots, slots = old_slots * 2;
    uint32_t *old = c->by_path, *table = vmsim__calloc(c->alloc, slots, sizeof *table);
    if (!table)
        return false;
    c->by_path = table;
    c->path_slots = slots;
    c->path_used = 0;
    for (size_t i = 0; i < old_slots; i++) {
        if (old[i] && old[i] != DELETED) {
            *path_slot(c, c->files.at[old[i]]->path) = old[i];
            c->path_used++;
        }
    }
    vmsim__free(c->alloc, old, old_slots * sizeof *old);
    return true;
}

/* An id whose entry of the table exists; later vmsim__file_create cannot fail for want of one. */
static bool new_id(struct vmsim__cache *c, uint32_t *id) {
    if (c->free_ids.count) {
        *id = c->free_ids.at[c->free_ids.count - 1];
        return true;
    }
    *id = (uint32_t)c->files.count;
    return vmsim__vec_reserve(c->alloc, &c->files, c->files.count + 1) &&
           vmsim__vec_reserve(c->alloc, &c->free_ids, c->files.count + 1);
}

static void take_id(struct vmsim__cache *c, struct vmsim__file *f) {
    VMSIM__ASSERT(f->id && f->id <= c->files.count);
    if (f->id == c->files.count)
        c->files.count++;
    else
        c->free_ids.count--;
    c->files.at[f->id] = f;
}

static struct vmsim__file *no_memory(struct vmsim__cache *c, struct vmsim__file *f) {
    if (f)
        vmsim__slab_free(&c->file_slab, f);
    c->error = VMSIM_ENOMEM;
    return NULL;
}

/* Everything that can fail comes before take_id, so that a failure leaves the table as it was. */
struct vmsim__file *vmsim__file_create(struct vmsim__cache *c, enum vmsim__file_kind kind, const char *path,
                                       uint64_t size) {
    VMSIM__ASSERT(kind <= VMSIM__FILE_DIRECTORY);
    uint32_t id;
    if (path && vmsim__file_find(c, path))
        return NULL;
    if (!new_id(c, &id) || (path && !path_reserve(c)))
        return no_memory(c, NULL);
    struct vmsim__file *f = vmsim__slab_alloc(&c->file_slab);
    if (!f)
        return no_memory(c, NULL);
    f->id = id;
    f->kind = (uint8_t)kind;
    f->refcount = 1;
    f->size = vmsim__min64(size, VMSIM__FILE_SIZE_MAX);
    f->disk_size = kind == VMSIM__FILE_REGULAR ? f->size : 0;
    vmsim__radix_init(&f->pages, &c->nodes);
    f->pages.bill = &c->bill;
    vmsim__ra_init(c, &f->ra);
    if (path) {
        f->path = vmsim__strdup(c->alloc, path);
        if (!f->path)
            return no_memory(c, f);
        f->linked = true;
        uint32_t *slot = path_slot(c, path);
        c->path_used += *slot == 0;
        *slot = id;
    }
    take_id(c, f);
    return f;
}

struct vmsim__file *vmsim__file_find(struct vmsim__cache *c, const char *path) {
    const uint32_t *slot = path_slot(c, path);
    return slot && *slot && *slot != DELETED ? c->files.at[*slot] : NULL;
}

struct vmsim__file *vmsim__file_by_id(struct vmsim__cache *c, uint32_t id) {
    return id && id < c->files.count ? c->files.at[id] : NULL;
}

struct vmsim__file *vmsim__file_next(struct vmsim__cache *c, uint32_t *id) {
    for (; *id < c->files.count; ++*id) {
        if (c->files.at[*id])
            return c->files.at[*id];
    }
    return NULL;
}

uint64_t vmsim__blockdev_pages(const struct vmsim__cache *c) {
    uint64_t pages = 0;
    for (size_t i = 0; i < c->files.count; i++)
        pages += c->files.at[i] && c->files.at[i]->blockdev ? c->files.at[i]->nrpages : 0;
    return pages;
}

void vmsim__file_get(struct vmsim__file *f) {
    VMSIM__ASSERT(f->refcount < UINT32_MAX);
    f->refcount++;
}

static void delete_file(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu) {
    VMSIM__ASSERT(!f->linked && !f->refcount && !f->mappings);
    VMSIM__ASSERT(c->files.at[f->id] == f);
    if (f->kind == VMSIM__FILE_HUGETLB && c->hooks.huge_gone)
        c->hooks.huge_gone(c->hooks.context, f, cpu);
    bool dropped = vmsim__file_drop_pages(c, f, 0, UINT64_MAX, true, cpu);
    VMSIM__ASSERT(dropped);
    (void)dropped;
    VMSIM__ASSERT(!f->nrpages);
    vmsim__cache_content(c, VMSIM__CONTENT_GONE, f, 0, VMSIM__PFN_NONE);
    vmsim__dcache_leave(c, f, cpu);
    if (c->io.shrink)
        c->io.shrink(c->io.context, f, 0);
    vmsim__vec_fini(c->alloc, &f->layout.extents);
    vmsim__radix_fini(&f->pages);
    vmsim__strfree(c->alloc, f->path);
    c->files.at[f->id] = NULL;
    c->free_ids.at[c->free_ids.count++] = f->id;
    vmsim__slab_free(&c->file_slab, f);
}

void vmsim__file_put(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu) {
    VMSIM__ASSERT(f->refcount > 0);
    if (--f->refcount == 0 && !f->linked)
        delete_file(c, f, cpu);
}

/* A deleted slot keeps the chains that run over it whole. */
void vmsim__file_unlink(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu) {
    if (!f->linked)
        return;
    VMSIM__ASSERT(*path_slot(c, f->path) == f->id);
    *path_slot(c, f->path) = DELETED;
    f->linked = false;
    if (f->refcount == 0)
        delete_file(c, f, cpu);
}

static int preload_page(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, unsigned cpu) {
    if (vmsim__file_page(f, index) != VMSIM__PFN_NONE)
        return 0;
    vmsim__pfn pfn = vmsim__filemap_create(c, f, index, 0, NULL, cpu);
    if (pfn == VMSIM__PFN_NONE)
        return -VMSIM__L_ENOMEM;
    vmsim__cache_content(c, VMSIM__CONTENT_READ, f, index, pfn);
    if (f->kind == VMSIM__FILE_SHMEM)
        vmsim__cache_frame(c, pfn)->flags |= VMSIM__FRAME_DIRTY | VMSIM__FRAME_REFERENCED;
    return 0;
}

/* Nothing is read, nothing reclaimed, nobody waits and nobody pays: for workloads that state that their files are
 * cached when they start. */
int vmsim__file_preload(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu) {
    const uint16_t memcg = c->mem->now.memcg;
    uint64_t pages = vmsim__cache_pages_of(c, f->size);
    int error = 0;
    c->no_reclaim = true;
    c->mem->now.memcg = VMSIM__MEMCG_ROOT;
    for (uint64_t i = 0; i < pages && !error; i++)
        error = preload_page(c, f, i, cpu);
    c->mem->now.memcg = memcg;
    c->no_reclaim = false;
    return error;
}

/* ---- pages of a file ---- */

/* Kernel: next_uptodate_page: a page marked for readahead is left to a real fault, which starts the next window; so is
 * one that has not arrived. */
vmsim__pfn vmsim__file_next_mappable(const struct vmsim__cache *c, const struct vmsim__file *f, uint64_t *index,
                                     uint64_t end) {
    end = vmsim__min64(end, vmsim__cache_pages_of(c, f->size));
    vmsim__pfn pfn;
    for (; (pfn = vmsim__file_next_page(f, index, end, VMSIM__MARK_PAGE)) != VMSIM__PFN_NONE; ++*index) {
        if (!vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_READAHEAD | VMSIM__FRAME_LOCKED))
            return pfn;
    }
    return VMSIM__PFN_NONE;
}
