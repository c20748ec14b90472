/* SPDX-License-Identifier: MIT */
/* Pages entering and leaving files; read(), write() and page faults of files.
 *
 * A page of the cache has one reference of the cache's own, and while it waits in an lru_add batch one of the batch.
 * read() marks what it touches as accessed, once per page and reader; write() to a regular file does not, to shmem it
 * does. A page that is not there comes by readahead; where readahead brings nothing (advice, no frames) it is read
 * alone. What is asked of the device is in the cache at once, LOCKED until it has arrived: whoever needs it waits, by
 * whatever file, mapping or CPU it came, and is entered again.
 * Kernel counterparts: mm/filemap.c, fs/ext4/inode.c for the order of events in write(). */
#include "cache/cache_impl.h"
#include "lru/workingset.h"

/* ---- entering and leaving ---- */

static uint32_t gfp_of(const struct vmsim__cache *c, uint32_t gfp) {
    const uint32_t never = c->no_reclaim ? VMSIM__GFP_RECLAIM : 0;
    return (VMSIM__GFP_HIGHUSER_MOVABLE | gfp) & ~never;
}

vmsim__pfn vmsim__filemap_alloc(struct vmsim__cache *c, uint32_t gfp, unsigned order,
                                const struct vmsim__alloc_request *policy, unsigned cpu) {
    return vmsim__filemap_alloc_as(c, gfp_of(c, gfp), order, policy, cpu);
}

vmsim__pfn vmsim__filemap_alloc_as(struct vmsim__cache *c, uint32_t gfp, unsigned order,
                                   const struct vmsim__alloc_request *policy, unsigned cpu) {
    VMSIM__ASSERT(cpu < c->mem->nr_cpus);
    struct vmsim__alloc_request rq = {
        .gfp = gfp | (order ? VMSIM__GFP_COMP : 0), .order = (uint8_t)order, .cpu = (uint16_t)cpu};
    rq.node = policy ? policy->node : c->mem->cpu_node[cpu];
    rq.nodemask = policy ? policy->nodemask : NULL;
    vmsim__pfn pfn = !policy && c->hooks.alloc ? c->hooks.alloc(c->hooks.context, &rq) : vmsim__mem_alloc(c->mem, &rq);
    if (pfn == VMSIM__PFN_NONE && c->mem->host_nomem)
        c->error = VMSIM_ENOMEM;
    return pfn;
}

/* What a folio of a file counts in, where it lies; `pages`: all of its pages, or as many less. */
VMSIM__INLINE void count_folio(struct vmsim__cache *c, const struct vmsim__file *f, const struct vmsim__frame *fr,
                               int64_t pages) {
    VMSIM__ASSERT((pages < 0 ? -pages : pages) == (int64_t)vmsim__frame_pages(fr));
    vmsim__cache_node_add(c, fr, VMSIM__NR_FILE_PAGES, pages);
    if (f->kind == VMSIM__FILE_SHMEM)
        vmsim__cache_node_add(c, fr, VMSIM__NR_SHMEM, pages);
    if (VMSIM__UNLIKELY(vmsim__cache_is_huge(c, fr)))
        vmsim__cache_node_add(c, fr,
                              f->kind == VMSIM__FILE_SHMEM ? VMSIM__NR_SHMEM_HUGEPAGES : VMSIM__NR_FILE_HUGEPAGES,
                              pages < 0 ? -1 : 1);
    if (vmsim__frame_is(fr, VMSIM__FRAME_DIRTY) && vmsim__file_accounts_dirty(f)) {
        vmsim__cache_node_add(c, fr, VMSIM__NR_DIRTY, pages);
        vmsim__cache_zone_add(c, fr, VMSIM__NR_ZONE_WRITE_PENDING, pages);
    }
}

/* Whoever brings page `index` pays for the nodes that the tree gets for it. What is reclaimed for that may be the
 * file's own, and nodes go with it: until it fits. False: they are refused, or the present waits; nothing is paid. */
static bool pay_for_nodes(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, uint32_t gfp, uint32_t *paid,
                          unsigned cpu) {
    const uint16_t memcg = c->mem->now.memcg;
    uint32_t due;
    *paid = 0;
    if (VMSIM__LIKELY(!memcg))
        return true;
    while (*paid < (due = vmsim__radix_billed(&f->pages, index) * VMSIM__OBJ_RADIX_NODE)) {
        if (!vmsim__obj_charge(c->lru, memcg, due - *paid, VMSIM__OBJ_RECLAIMABLE, gfp, cpu)) {
            if (*paid)
                vmsim__obj_uncharge(c->lru, memcg, *paid, VMSIM__OBJ_RECLAIMABLE, cpu);
            return false;
        }
        *paid = due;
    }
    if (*paid > due)
        vmsim__obj_uncharge(c->lru, memcg, *paid - due, VMSIM__OBJ_RECLAIMABLE, cpu);
    *paid = due;
    return true;
}

/* The slots behind the first name the head, too, where the kernel's tree has one entry of that many slots; the nodes
 * that this takes are nobody's. Out of line: few folios have any. False: the host has no memory, nothing is stored. */
static VMSIM__NOINLINE bool store_tails(struct vmsim__file *f, uint64_t index, vmsim__pfn pfn, uint32_t pages,
                                        uint64_t *old) {
    VMSIM__ASSERT(pages > 1);
    for (uint32_t i = 1; i < pages; i++) {
        uint64_t was = 0;
        if (!vmsim__radix_store(&f->pages, index + i, vmsim__entry_make(VMSIM__ENTRY_PAGE, pfn), 1u << VMSIM__MARK_PAGE,
                                &was)) {
            while (i--)
                vmsim__radix_remove(&f->pages, index + i);
            return false;
        }
        *old = was ? was : *old;
    }
    return true;
}

/* The folio goes into its slots. False: the nodes for it are not paid for, or the host has no memory. */
static bool store_folio(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, vmsim__pfn pfn, uint32_t pages,
                        uint32_t gfp, uint64_t *old, unsigned cpu) {
    const uint16_t memcg = c->mem->now.memcg;
    uint32_t paid;
    VMSIM__ASSERT(!c->bill.payer);
    vmsim__dcache_enter(c, f, cpu);
    if (!pay_for_nodes(c, f, index, gfp, &paid, cpu))
        return false;
    c->bill.payer = vmsim__cache_payer(memcg);
    bool stored =
        vmsim__radix_store(&f->pages, index, vmsim__entry_make(VMSIM__ENTRY_PAGE, pfn), 1u << VMSIM__MARK_PAGE, old);
    c->bill.payer = 0;
    if (VMSIM__UNLIKELY(pages > 1))
        stored = stored && store_tails(f, index, pfn, pages, old);
    if (VMSIM__UNLIKELY(!stored)) {
        c->error = VMSIM_ENOMEM;
        if (paid)
            vmsim__obj_uncharge(c->lru, memcg, paid, VMSIM__OBJ_RECLAIMABLE, cpu);
    }
    return stored;
}

/* The charge may reclaim, but not the page itself, which the kernel has locked. Kernel: folio_alloc_buffers. */
bool vmsim__filemap_make_buffers(struct vmsim__cache *c, vmsim__pfn pfn, uint32_t gfp) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    const unsigned cpu = c->mem->now.cpu;
    VMSIM__ASSERT(vmsim__frame_is(fr, VMSIM__FRAME_FILE) &&
                  !vmsim__frame_is(fr, VMSIM__FRAME_BUFFERS | VMSIM__FRAME_HEAD));
    if (VMSIM__UNLIKELY(fr->memcg)) {
        vmsim__folio_get(c->lru, pfn);
        const bool paid =
            vmsim__obj_charge(c->lru, fr->memcg, VMSIM__OBJ_BUFFER_HEAD, VMSIM__OBJ_RECLAIMABLE, gfp, cpu);
        VMSIM__ASSERT(fr->refcount > 1 && vmsim__frame_is(fr, VMSIM__FRAME_FILE));
        vmsim__folio_put(c->lru, pfn, cpu);
        if (!paid)
            return false;
    }
    fr->flags |= VMSIM__FRAME_BUFFERS;
    vmsim__kmem_alloc(c->mem, VMSIM__KMEM_BUFFER_HEAD, cpu);
    return true;
}

static void drop_buffers(struct vmsim__cache *c, struct vmsim__frame *fr, unsigned cpu) {
    if (!vmsim__frame_is(fr, VMSIM__FRAME_BUFFERS))
        return;
    fr->flags &= ~VMSIM__FRAME_BUFFERS;
    vmsim__kmem_free(c->mem, VMSIM__KMEM_BUFFER_HEAD, cpu);
    if (VMSIM__UNLIKELY(fr->memcg))
        vmsim__obj_uncharge(c->lru, fr->memcg, VMSIM__OBJ_BUFFER_HEAD, VMSIM__OBJ_RECLAIMABLE, cpu);
}

/* Kernel: filemap_add_folio. Who brings a page pays for it. A page that takes the place of a shadow comes again; one
 * that is about to be written (GFP_WRITE) tells nothing about what was missed. */
bool vmsim__filemap_add(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, vmsim__pfn pfn, uint32_t gfp,
                        unsigned cpu) {
    VMSIM__ASSERT(vmsim__cache_frame(c, pfn)->refcount == 1 && !vmsim__cache_frame(c, pfn)->mapping);
    VMSIM__ASSERT(vmsim__file_page(f, index) == VMSIM__PFN_NONE);
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    uint64_t old = 0;
    const uint32_t full = gfp_of(c, gfp);
    if (!vmsim__folio_charge(c->lru, &c->mem->now, pfn, full, cpu)) {
        vmsim__folio_put(c->lru, pfn, cpu);
        return false;
    }
    const uint32_t pages = vmsim__frame_pages(fr);
    if (!store_folio(c, f, index, pfn, pages, full, &old, cpu)) {
        vmsim__folio_put(c->lru, pfn, cpu);
        return false;
    }
    static const uint32_t flags[] = {[VMSIM__FILE_REGULAR] = VMSIM__FRAME_FILE,
                                     [VMSIM__FILE_SHMEM] = VMSIM__FRAME_FILE | VMSIM__FRAME_SWAPBACKED,
                                     [VMSIM__FILE_RAMFS] = VMSIM__FRAME_FILE | VMSIM__FRAME_PINNED};
    VMSIM__ASSERT(f->kind < VMSIM__COUNT(flags));
    fr->flags |= flags[f->kind];
    fr->mapping = f->id;
    vmsim__frame_set_index(fr, index);
    f->nrpages += pages;
    fr->refcount += (int32_t)pages - 1; /* one a page */
    count_folio(c, f, fr, pages);
    if (vmsim__entry_tag(old) == VMSIM__ENTRY_SHADOW && !(gfp & VMSIM__GFP_WRITE))
        vmsim__workingset_refault(c->lru, pfn, vmsim__entry_content(old));
    vmsim__lru_add(c->lru, pfn, cpu); /* the caller's reference is now the cache's */
    return true;
}

/* The folio is the file's no longer; its slots have been seen to. */
VMSIM__INLINE void forget(struct vmsim__cache *c, struct vmsim__file *f, vmsim__pfn pfn, uint32_t pages, unsigned cpu) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    VMSIM__ASSERT(!vmsim__folio_mapped(c->lru, pfn) &&
                  !vmsim__frame_is(fr, VMSIM__FRAME_LOCKED | VMSIM__FRAME_WRITEBACK));
    VMSIM__ASSERT(f->nrpages >= pages);
    f->nrpages -= pages;
    count_folio(c, f, fr, -(int64_t)pages);
    drop_buffers(c, fr, cpu);
    fr->flags &= ~(VMSIM__FRAME_FILE | VMSIM__FRAME_PINNED);
    fr->mapping = 0;
    vmsim__folio_put_refs(c->lru, pfn, pages, cpu);
}

/* Kernel: __filemap_remove_folio. Dirtiness goes first, while the page still names its file. */
void vmsim__filemap_remove(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, vmsim__pfn pfn,
                           unsigned cpu) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    VMSIM__ASSERT(vmsim__frame_is(fr, VMSIM__FRAME_FILE) && vmsim__frame_index(fr) == index);
    VMSIM__ASSERT(fr->mapping == f->id);
    if (vmsim__frame_is(fr, VMSIM__FRAME_DIRTY))
        vmsim__dirty_cancel(c, f, fr);
    const uint32_t pages = vmsim__frame_pages(fr);
    for (uint32_t i = pages; i--;)
        vmsim__radix_remove(&f->pages, index + i);
    forget(c, f, pfn, pages, cpu);
}

/* An entry is replaced or removed, so that no host memory is needed. Kernel: __filemap_remove_folio with a shadow. */
void vmsim__filemap_evict(struct vmsim__cache *c, vmsim__pfn pfn, uint64_t shadow, unsigned cpu) {
    const struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    struct vmsim__file *f = vmsim__file_by_id(c, fr->mapping);
    VMSIM__ASSERT(f && vmsim__frame_is(fr, VMSIM__FRAME_FILE));
    VMSIM__ASSERT(!vmsim__frame_is(fr, VMSIM__FRAME_DIRTY | VMSIM__FRAME_WRITEBACK | VMSIM__FRAME_PINNED));
    const uint64_t index = vmsim__frame_index(fr);
    const uint32_t pages = vmsim__frame_pages(fr);
    for (uint32_t i = pages; i--;) {
        if (shadow == VMSIM__NO_SHADOW)
            vmsim__radix_remove(&f->pages, index + i);
        else
            vmsim__radix_set(&f->pages, index + i, vmsim__entry_make(VMSIM__ENTRY_SHADOW, shadow), NULL);
    }
    forget(c, f, pfn, pages, cpu);
}

static unsigned marks_at(const struct vmsim__file *f, uint64_t index) {
    unsigned marks = 0;
    for (unsigned mark = 0; mark < VMSIM__MARKS; mark++)
        marks |= (unsigned)vmsim__radix_marked(&f->pages, index, mark) << mark;
    return marks;
}

/* Marks are the slots', and stay. Kernel: __split_huge_page. */
void vmsim__filemap_split(struct vmsim__cache *c, vmsim__pfn head) {
    const struct vmsim__frame *fr = vmsim__cache_frame(c, head);
    struct vmsim__file *f = vmsim__file_by_id(c, fr->mapping);
    VMSIM__ASSERT(f && vmsim__frame_is(fr, VMSIM__FRAME_HEAD) && !vmsim__folio_mapped(c->lru, head));
    for (uint32_t i = 1; i < vmsim__frame_pages(fr); i++)
        vmsim__radix_store(&f->pages, vmsim__frame_index(fr) + i, vmsim__entry_make(VMSIM__ENTRY_PAGE, head + i),
                           marks_at(f, vmsim__frame_index(fr) + i), NULL); /* it replaces one */
    if (vmsim__cache_is_huge(c, fr))
        vmsim__cache_node_add(c, fr,
                              f->kind == VMSIM__FILE_SHMEM ? VMSIM__NR_SHMEM_HUGEPAGES : VMSIM__NR_FILE_HUGEPAGES, -1);
}

/* Holes take the new page first, which may need memory; what replaces another needs none. Kernel: collapse_file. */
bool vmsim__filemap_collapse(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, vmsim__pfn to,
                             unsigned cpu) {
    struct vmsim__frame *fr = vmsim__cache_frame(c, to);
    const uint64_t new = vmsim__entry_make(VMSIM__ENTRY_PAGE, to);
    const uint32_t pages = vmsim__frame_pages(fr);
    VMSIM__ASSERT(f->kind == VMSIM__FILE_SHMEM && fr->refcount == 1 && !(first & (pages - 1)) && !c->bill.payer);
    for (uint32_t i = 0; i < pages; i++) {
        if (vmsim__file_page(f, first + i) != VMSIM__PFN_NONE ||
            vmsim__radix_store(&f->pages, first + i, new, 1u << VMSIM__MARK_PAGE, NULL))
            continue;
        while (i--) {
            if (vmsim__file_page(f, first + i) == to)
                vmsim__radix_remove(&f->pages, first + i);
        }
        c->error = VMSIM_ENOMEM;
        return false;
    }
    for (uint32_t i = 0; i < pages; i++) {
        const vmsim__pfn old = vmsim__file_page(f, first + i);
        if (old == to)
            continue;
        vmsim__radix_store(&f->pages, first + i, new, 1u << VMSIM__MARK_PAGE, NULL);
        forget(c, f, old, 1, cpu);
    }
    fr->flags |= VMSIM__FRAME_FILE | VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_DIRTY;
    fr->mapping = f->id;
    vmsim__frame_set_index(fr, first);
    f->nrpages += pages;
    fr->refcount += (int32_t)pages - 1;
    count_folio(c, f, fr, pages);
    vmsim__lru_add(c->lru, to, cpu);
    return true;
}

void vmsim__filemap_trim(struct vmsim__cache *c, vmsim__pfn pfn, unsigned cpu) {
    const struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    struct vmsim__file *f = vmsim__file_by_id(c, fr->mapping);
    const uint64_t index = vmsim__frame_index(fr);
    VMSIM__ASSERT(f && fr->refcount > 1);
    if (index < vmsim__cache_pages_of(c, f->size) || fr->mapcount)
        return;
    vmsim__filemap_remove(c, f, index, pfn, cpu);
    vmsim__cache_content(c, VMSIM__CONTENT_DROPPED, f, index, VMSIM__PFN_NONE);
}

/* The counts go from zone to zone; the charge goes between, since counts are a cgroup's, too. Kernel:
 * folio_migrate_mapping. */
void vmsim__filemap_migrate(struct vmsim__cache *c, vmsim__pfn from, vmsim__pfn to) {
    struct vmsim__frame *old = vmsim__cache_frame(c, from), *new = vmsim__cache_frame(c, to);
    const uint32_t move =
        VMSIM__FRAME_FILE | VMSIM__FRAME_PINNED | VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_DIRTY | VMSIM__FRAME_BUFFERS;
    const uint64_t index = vmsim__frame_index(old);
    struct vmsim__file *f = vmsim__file_by_id(c, old->mapping);
    VMSIM__ASSERT(f && vmsim__file_page(f, index) == from && !old->mapcount && old->refcount > 1);
    VMSIM__ASSERT(!vmsim__frame_is(old, VMSIM__FRAME_HEAD) && !vmsim__frame_is(new, VMSIM__FRAME_HEAD));
    VMSIM__ASSERT(!vmsim__frame_is(old, VMSIM__FRAME_LOCKED | VMSIM__FRAME_WRITEBACK) && !new->mapping);
    bool stored =
        vmsim__radix_store(&f->pages, index, vmsim__entry_make(VMSIM__ENTRY_PAGE, to), marks_at(f, index), NULL);
    VMSIM__ASSERT(stored); /* it replaces one */
    (void)stored;
    count_folio(c, f, old, -1);
    vmsim__memcg_migrate(c->lru, from, to);
    new->flags |= old->flags &move;
    new->mapping = old->mapping;
    vmsim__frame_set_index(new, index);
    new->refcount++;
    old->flags &= ~move;
    old->mapping = 0;
    old->refcount--;
    count_folio(c, f, new, 1);
}

vmsim__pfn vmsim__filemap_create(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, uint32_t gfp,
                                 const struct vmsim__alloc_request *policy, unsigned cpu) {
    vmsim__pfn pfn = vmsim__filemap_alloc(c, gfp, 0, policy, cpu);
    if (pfn == VMSIM__PFN_NONE || !vmsim__filemap_add(c, f, index, pfn, gfp, cpu))
        return VMSIM__PFN_NONE;
    return pfn;
}

/* Data of a new page: from the device, or zeroes in a hole. */
static void fill_page(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, vmsim__pfn pfn, unsigned cpu) {
    if (!vmsim__file_on_disk(c, f, index)) {
        vmsim__cache_clear(c, pfn, cpu);
        vmsim__cache_content(c, VMSIM__CONTENT_ZEROED, f, index, pfn);
        return;
    }
    vmsim__cache_frame(c, pfn)->flags |= VMSIM__FRAME_LOCKED;
    vmsim__transfer_start(c, f, index, 1, false, cpu);
}

vmsim__pfn vmsim__filemap_read_page(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, unsigned cpu) {
    vmsim__pfn pfn = vmsim__filemap_create(c, f, index, 0, NULL, cpu);
    if (pfn == VMSIM__PFN_NONE)
        return pfn;
    fill_page(c, f, index, pfn, cpu);
    return vmsim__file_page(f, index); /* gone when the transfer failed at once */
}

bool vmsim__filemap_arrived(struct vmsim__cache *c, vmsim__pfn pfn) {
    if (!vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_LOCKED))
        return true;
    vmsim__now_wait(&c->mem->now, VMSIM__WAIT_LOCKED, pfn, VMSIM__TIME_NEVER);
    return false;
}

bool vmsim__filemap_settled(struct vmsim__cache *c, vmsim__pfn pfn) {
    if (!vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_WRITEBACK))
        return vmsim__filemap_arrived(c, pfn);
    vmsim__now_wait(&c->mem->now, VMSIM__WAIT_WRITEBACK, pfn, VMSIM__TIME_NEVER);
    return false;
}

int vmsim__filemap_error(struct vmsim__cache *c) {
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    int error = call->error;
    call->error = 0;
    return error;
}

int vmsim__filemap_no_page(const struct vmsim__cache *c) {
    return vmsim__now_waits(&c->mem->now) ? -VMSIM__ERESTARTSYS : -VMSIM__L_ENOMEM;
}

/* ---- read() ---- */

/* ... that is not there, or says that more is to be read ahead. Others may have the CPU meanwhile: then it is none. */
static VMSIM__NOINLINE vmsim__pfn read_more(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra,
                                            uint64_t index, uint64_t last, unsigned cpu) {
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    vmsim__pfn pfn = vmsim__file_page(f, index);
    VMSIM__ASSERT(!call->window_end);
    call->cuttable = true;
    if (pfn == VMSIM__PFN_NONE && f->kind != VMSIM__FILE_RAMFS) {
        vmsim__ra_sync(c, f, ra, index, last - index, cpu);
        pfn = vmsim__file_page(f, index);
    }
    if (pfn != VMSIM__PFN_NONE && !call->window_end &&
        vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_READAHEAD))
        vmsim__ra_async(c, f, ra, pfn, index, last - index, cpu);
    call->cuttable = false;
    if (call->window_end)
        return VMSIM__PFN_NONE;
    return pfn != VMSIM__PFN_NONE ? pfn : vmsim__filemap_read_page(c, f, index, cpu);
}

/* The page that a read of pages [index, last) needs next, after readahead. Kernel: filemap_get_pages. RAMFS has no
 * device behind it, so that a page missing there is a hole. */
static vmsim__pfn read_get_page(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra,
                                uint64_t index, uint64_t last, unsigned cpu) {
    const vmsim__pfn pfn = vmsim__file_page(f, index);
    if (VMSIM__LIKELY(pfn != VMSIM__PFN_NONE && !vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_READAHEAD)))
        return pfn;
    return read_more(c, f, ra, index, last, cpu);
}

/* Referenced from the start and marked each time, so that it is active at once. Kernel: __getblk (grow_dev_page,
 * touch_buffer). */
bool vmsim__filemap_read_block(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, unsigned cpu) {
    VMSIM__ASSERT(f->blockdev);
    vmsim__pfn pfn = vmsim__file_page(f, index);
    if (pfn == VMSIM__PFN_NONE) {
        pfn = vmsim__filemap_read_page(c, f, index, cpu);
        if (pfn == VMSIM__PFN_NONE)
            return false;
        vmsim__cache_frame(c, pfn)->flags |= VMSIM__FRAME_REFERENCED;
        vmsim__filemap_add_buffers(c, pfn, VMSIM__GFP_NOFAIL);
    }
    if (!vmsim__filemap_arrived(c, pfn))
        return false;
    vmsim__lru_mark_accessed(c->lru, pfn, cpu);
    return true;
}

/* Is page `other` in the folio that has page `index`? */
static bool same_folio(const struct vmsim__cache *c, vmsim__pfn pfn, uint64_t index, uint64_t other) {
    const struct vmsim__frame *fr = vmsim__cache_frame(c, pfn);
    return other == index ||
           (vmsim__frame_is(fr, VMSIM__FRAME_HEAD) && other - vmsim__frame_index(fr) < vmsim__frame_pages(fr));
}

/* One page of a read: `bytes` from `pos` on, all of page `index`. False: no frame, or the page is on its way. Kernel:
 * filemap_read; shmem_file_read_iter marks a page only when the read begins at its start. */
static bool read_page(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t pos,
                      uint64_t bytes, uint64_t last, unsigned cpu) {
    unsigned shift = c->mem->page_shift;
    uint64_t index = pos >> shift;
    if (f->kind == VMSIM__FILE_SHMEM) { /* a hole stays one: zeroes are copied */
        vmsim__pfn pfn = vmsim__file_page(f, index);
        if (pfn == VMSIM__PFN_NONE && vmsim__shmem_swapped(f, index)) {
            pfn = vmsim__shmem_swap_in(c, f, index, NULL, false, cpu);
            if (pfn == VMSIM__PFN_NONE)
                return false;
        }
        if (pfn != VMSIM__PFN_NONE && pos == index << shift)
            vmsim__lru_mark_accessed(c->lru, pfn, cpu);
        return true;
    }
    if (f->blockdev)
        return vmsim__filemap_read_block(c, f, index, cpu);
    vmsim__pfn pfn = read_get_page(c, f, ra, index, last, cpu);
    if (pfn == VMSIM__PFN_NONE || !vmsim__filemap_arrived(c, pfn))
        return false;
    if (!same_folio(c, pfn, index,
                    (ra->prev_pos - 1) >> shift)) /* once, however often a reader in sequence comes back */
        vmsim__lru_mark_accessed(c->lru, pfn, cpu);
    ra->prev_pos = pos + bytes;
    return true;
}

/* Where it depends on the place of the page. */
static VMSIM__NOINLINE uint64_t far_copy(struct vmsim__cache *c, const struct vmsim__file *f, uint64_t index,
                                         unsigned cpu) {
    vmsim__pfn pfn = c->mem->nr_nodes > 1 || c->mem->limited ? vmsim__file_page(f, index) : VMSIM__PFN_NONE;
    return vmsim__mem_copy_time(c->mem, c->spec.hit_cost, vmsim__cache_page_size(c), cpu, pfn, VMSIM__PFN_NONE);
}

/* Between a page of the file, if there is one (a hole of shared memory has none), and the program's buffer. */
VMSIM__INLINE void charge_copy(struct vmsim__cache *c, const struct vmsim__file *f, uint64_t index, unsigned cpu) {
    vmsim__cache_charge(c, vmsim__mem_is_even(c->mem) ? c->spec.hit_cost : far_copy(c, f, index, cpu));
}

/* No call moves more. Kernel: MAX_RW_COUNT. */
static uint64_t rw_count(const struct vmsim__cache *c, uint64_t count) {
    return vmsim__min64(count, INT32_MAX & ~(vmsim__cache_page_size(c) - 1));
}

/* What a call returns that has moved `done` bytes and then met an error: bytes count more, and waiting is neither. */
static int64_t partly(struct vmsim__call *call, uint64_t done, int error) {
    const bool waits = error == -VMSIM__ERESTARTSYS;
    call->done = waits ? done : 0;
    return waits || (error && !done) ? error : (int64_t)done;
}

int64_t vmsim__file_read(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t pos,
                         uint64_t count, unsigned cpu) {
    ra = ra ? ra : &f->ra;
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    uint64_t page = vmsim__cache_page_size(c), done = call->done;
    count = rw_count(c, count);
    if (f->kind == VMSIM__FILE_DEVICE)
        return (int64_t)count;
    int error = vmsim__filemap_error(c);
    uint64_t last = pos < f->size ? vmsim__cache_pages_of(c, count > f->size - pos ? f->size : pos + count) : 0;
    count = pos < f->size ? vmsim__min64(count, f->size - pos) : 0;
    if (VMSIM__UNLIKELY(call->window_end) && !error && !vmsim__ra_resume(c, f, cpu))
        error = vmsim__filemap_no_page(c);
    while (!error && done < count) {
        uint64_t at = pos + done, bytes = vmsim__min64(page - (at & (page - 1)), count - done);
        if (read_page(c, f, ra, at, bytes, last, cpu)) {
            charge_copy(c, f, at >> c->mem->page_shift, cpu);
            done += bytes;
        } else {
            error = vmsim__filemap_no_page(c);
        }
    }
    return partly(call, done, error);
}

/* ---- write() ---- */

/* Pages between two looks at the dirty limits. Kernel: ratelimit_pages, as it begins. */
#define RATELIMIT_PAGES 32u

/* A folio as large as what is written from page `index` on, as its alignment allows and as memory has one, of zeroes at
 * first. VMSIM__PFN_NONE: none larger than a page. Kernel: iomap_get_folio, __filemap_get_folio. */
static vmsim__pfn create_large(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, uint64_t bytes,
                               uint32_t gfp, unsigned cpu) {
    unsigned order = vmsim__log2(bytes >> c->mem->page_shift);
    order = order < c->huge_order ? order : c->huge_order;
    if (index)
        order = order < (unsigned)__builtin_ctzll(index) ? order : (unsigned)__builtin_ctzll(index);
    for (; order; order--) {
        if (!vmsim__filemap_none_in(f, index, UINT64_C(1) << order))
            continue;
        vmsim__pfn pfn = vmsim__filemap_alloc(c, gfp | VMSIM__GFP_NORETRY | VMSIM__GFP_NOWARN, order, NULL, cpu);
        if (pfn == VMSIM__PFN_NONE && vmsim__now_waits(&c->mem->now))
            return pfn;
        if (pfn != VMSIM__PFN_NONE && vmsim__filemap_none_in(f, index, UINT64_C(1) << order)) {
            if (!vmsim__filemap_add(c, f, index, pfn, gfp, cpu))
                return VMSIM__PFN_NONE;
            vmsim__cache_zeroed(c, f, pfn);
            return pfn;
        }
        if (pfn != VMSIM__PFN_NONE)
            vmsim__folio_put(c->lru, pfn, cpu);
    }
    return VMSIM__PFN_NONE;
}

/* The page that takes `bytes` at `pos`; a page that is written in part is read first. Kernel: __filemap_get_folio with
 * FGP_WRITE; shmem_write_begin marks a page that was there as accessed (SGP_WRITE) and a new one as referenced.
 * GFP_WRITE spreads pages to be dirtied over nodes. */
static vmsim__pfn write_get_page(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, uint64_t bytes,
                                 unsigned cpu) {
    const bool whole = bytes >= vmsim__cache_page_size(c);
    vmsim__pfn pfn = vmsim__file_page(f, index);
    vmsim__radix_will_mark(&f->pages);
    if (pfn == VMSIM__PFN_NONE && vmsim__shmem_swapped(f, index)) {
        pfn = vmsim__shmem_swap_in(c, f, index, NULL, false, cpu);
        if (pfn == VMSIM__PFN_NONE)
            return pfn;
    }
    if (pfn != VMSIM__PFN_NONE) {
        if (!vmsim__filemap_arrived(c, pfn))
            return VMSIM__PFN_NONE;
        if (f->kind == VMSIM__FILE_SHMEM)
            vmsim__lru_mark_accessed(c->lru, pfn, cpu);
        return pfn;
    }
    if (f->kind == VMSIM__FILE_SHMEM && vmsim__shmem_is_huge(c, f, index, NULL, false)) {
        pfn = vmsim__shmem_create(c, f, index, NULL, NULL, cpu);
    } else {
        uint32_t gfp = f->kind == VMSIM__FILE_REGULAR ? VMSIM__GFP_WRITE : 0;
        if (whole && vmsim__file_has_large(c, f) && !vmsim__file_on_disk(c, f, index))
            pfn = create_large(c, f, index, bytes, gfp, cpu);
        if (pfn == VMSIM__PFN_NONE && !vmsim__now_waits(&c->mem->now))
            pfn = vmsim__filemap_create(c, f, index, gfp, NULL, cpu);
    }
    if (pfn == VMSIM__PFN_NONE)
        return pfn;
    if (f->kind == VMSIM__FILE_SHMEM)
        vmsim__cache_frame(c, pfn)->flags |= VMSIM__FRAME_REFERENCED;
    if (whole || vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_HEAD))
        return pfn;
    fill_page(c, f, index, pfn, cpu);
    pfn = vmsim__file_page(f, index);
    return pfn != VMSIM__PFN_NONE && vmsim__filemap_arrived(c, pfn) ? pfn : VMSIM__PFN_NONE;
}

int64_t vmsim__file_write(struct vmsim__cache *c, struct vmsim__file *f, uint64_t pos, uint64_t count, unsigned cpu) {
    struct vmsim__call *call = vmsim__now_call(&c->mem->now);
    uint64_t page = vmsim__cache_page_size(c), done = call->done;
    if (f->kind == VMSIM__FILE_DEVICE)
        return (int64_t)count;
    if (count > UINT64_MAX / 2 || pos > UINT64_MAX / 2 - count)
        return -VMSIM__L_EINVAL;
    if (count && pos >= VMSIM__FILE_SIZE_MAX)
        return -VMSIM__L_EFBIG;
    count = rw_count(c, count);
    count = vmsim__min64(count, VMSIM__FILE_SIZE_MAX - vmsim__min64(pos, VMSIM__FILE_SIZE_MAX));
    int error = vmsim__filemap_error(c);
    while (!error && done < count) {
        uint64_t at = pos + done, bytes = vmsim__min64(page - (at & (page - 1)), count - done);
        vmsim__pfn pfn = write_get_page(c, f, at >> c->mem->page_shift, bytes == page ? count - done : bytes, cpu);
        if (pfn == VMSIM__PFN_NONE ||
            (vmsim__file_accounts_dirty(f) && !vmsim__filemap_add_buffers(c, pfn, gfp_of(c, 0)))) {
            error = vmsim__filemap_no_page(c);
            break;
        }
        vmsim__page_dirty(c, pfn);
        vmsim__cache_content(c, VMSIM__CONTENT_STORED, f, at >> c->mem->page_shift,
                             vmsim__folio_part(c->mem, pfn, at >> c->mem->page_shift));
        charge_copy(c, f, at >> c->mem->page_shift, cpu);
        done += bytes;
        f->size = vmsim__max64(f->size, at + bytes);
        if (vmsim__file_accounts_dirty(f) && ++c->dirtied % RATELIMIT_PAGES == 0 && c->io.throttle &&
            c->io.throttle(c->io.context))
            error = -VMSIM__ERESTARTSYS;
    }
    return partly(call, done, error);
}

/* ---- faults ---- */

/* The page was not in the cache: bring it, as the advice of the mapping says. Kernel: do_sync_mmap_readahead. The
 * miss counter stops at ten times its limit, so that a few hits bring read-around back. */
static vmsim__pfn fault_miss(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                             enum vmsim__read_advice advice, unsigned cpu) {
    if (advice != VMSIM__READ_RANDOM && ra->ra_pages && f->kind != VMSIM__FILE_RAMFS) {
        if (advice == VMSIM__READ_SEQUENTIAL) {
            vmsim__ra_sync(c, f, ra, index, ra->ra_pages, cpu);
        } else {
            if (ra->mmap_miss < VMSIM__MMAP_LOTSAMISS * 10)
                ra->mmap_miss++;
            if (ra->mmap_miss <= VMSIM__MMAP_LOTSAMISS)
                vmsim__ra_around(c, f, ra, index, cpu);
        }
    }
    vmsim__pfn pfn = vmsim__file_page(f, index);
    return pfn != VMSIM__PFN_NONE ? pfn : vmsim__filemap_read_page(c, f, index, cpu);
}

/* The page is there: a marked one starts the next window. True when mmap_lock was dropped for it.
 * Kernel: do_async_mmap_readahead. */
static bool fault_hit(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, vmsim__pfn pfn,
                      uint64_t index, enum vmsim__read_advice advice, unsigned cpu) {
    if (advice == VMSIM__READ_RANDOM || !ra->ra_pages)
        return false;
    if (ra->mmap_miss)
        ra->mmap_miss--;
    if (!vmsim__frame_is(vmsim__cache_frame(c, pfn), VMSIM__FRAME_READAHEAD))
        return false;
    vmsim__ra_async(c, f, ra, pfn, index, ra->ra_pages, cpu);
    return true;
}

/* Shmem: the page is there, or is made. */
static void shmem_fault(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index,
                        const struct vmsim__alloc_request *policy, const struct vmsim__shmem_wish *wish, unsigned cpu,
                        struct vmsim__page_fault *out) {
    if (out->pfn != VMSIM__PFN_NONE)
        return;
    if (vmsim__shmem_swapped(f, index)) {
        out->pfn = vmsim__shmem_swap_in(c, f, index, policy, true, cpu);
        return;
    }
    out->pfn = vmsim__shmem_create(c, f, index, policy, wish, cpu);
    out->created = true;
}

/* A file: true when the kernel lets go of mmap_lock for I/O of its own, and has the fault entered again. */
static bool disk_fault(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra, uint64_t index,
                       enum vmsim__read_advice advice, unsigned cpu, struct vmsim__page_fault *out) {
    if (out->pfn != VMSIM__PFN_NONE)
        return fault_hit(c, f, ra, out->pfn, index, advice, cpu);
    vmsim__cache_event(c, VMSIM__PGMAJFAULT, 1);
    if (VMSIM__UNLIKELY(c->mem->now.memcg))
        vmsim__memcg_event_add(c->lru, c->mem->now.memcg, VMSIM__PGMAJFAULT, 1);
    out->pfn = fault_miss(c, f, ra, index, advice, cpu);
    out->major = true;
    return true;
}

enum vmsim__page_outcome vmsim__file_fault(struct vmsim__cache *c, struct vmsim__file *f, struct vmsim__file_ra *ra,
                                           uint64_t index, enum vmsim__read_advice advice,
                                           const struct vmsim__alloc_request *policy,
                                           const struct vmsim__shmem_wish *wish, unsigned cpu,
                                           struct vmsim__page_fault *out) {
    ra = ra ? ra : &f->ra;
    bool again = false;
    *out = (struct vmsim__page_fault){.pfn = vmsim__file_page(f, index)};
    vmsim__cache_charge(c, c->spec.lookup_cost);
    if (f->kind == VMSIM__FILE_DEVICE || index >= vmsim__cache_pages_of(c, f->size) || vmsim__filemap_error(c))
        return VMSIM__PAGE_SIGBUS;
    if (f->kind == VMSIM__FILE_SHMEM)
        shmem_fault(c, f, index, policy, wish, cpu, out);
    else
        again = disk_fault(c, f, ra, index, advice, cpu, out);
    if (out->pfn == VMSIM__PFN_NONE)
        return VMSIM__PAGE_OOM;
    if (!vmsim__filemap_arrived(c, out->pfn))
        return VMSIM__PAGE_WAIT;
    if (again &&
        !vmsim__now_call(&c->mem->now)->tried) /* once: a second time it would hold the lock (FAULT_FLAG_TRIED) */
        return VMSIM__PAGE_RETRY;
    vmsim__folio_get(c->lru, out->pfn);
    VMSIM__ASSERT(vmsim__cache_frame(c, out->pfn)->refcount > 1);
    return VMSIM__PAGE_OK;
}

void vmsim__ra_mapped(struct vmsim__file_ra *ra, uint64_t pages) {
    ra->mmap_miss = (uint16_t)(ra->mmap_miss - vmsim__min64(ra->mmap_miss, pages));
}
