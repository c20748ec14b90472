/* SPDX-License-Identifier: MIT */
/* The content oracle (see content.h).
 *
 * Tags: 0 is zeroes; stores count from 1; what a file had on its device at first is INITIAL with its number and page,
 * so that pages of different files or places differ. UNKNOWN is what a failed write left there, and fits everything.
 * Trees hold tag + 1, as they hold no 0; an entry of a space may carry LAZY: given up by MADV_FREE, it may be zeroes
 * instead.
 *
 * A private page of a file that the kernel copied for a reason of its own (a store by the kernel, population) is taken
 * for the program's at its first load: when exactly it stopped to follow the file is the kernel's business. */
#include "machine/content.h"

#define INITIAL (UINT64_C(1) << 62)
#define UNKNOWN (UINT64_C(1) << 61)
#define LAZY (UINT64_C(1) << 63)
#define INDEX_BITS 36

struct content_file {
    uint64_t initial;           /* pages whose device has its first contents where `disk` says nothing */
    struct vmsim__radix disk;   /* what its device has */
    struct vmsim__radix wanted; /* what must be found */
};

/* Of an address space, what it must find in its private pages. */
struct content_space {
    struct vmsim__radix wanted;
};

struct vmsim__content {
    uint64_t *frame;
    uint64_t frames;
    struct vmsim__slab nodes, spaces, file_slab;
    struct vmsim__radix slot[VMSIM__SWP_AREAS];
    struct {
        VMSIM__VEC(struct content_file *);
    } files; /* by number; NULL: nothing is known that its size does not say */
    uint64_t last, loads, stores;
};

/* The run ends with this error: from here on the oracle knows too little to accuse anybody. */
static void no_memory(struct vmsim_machine *m) {
    m->host_nomem = true;
}

/* The tag, LAZY or not; `otherwise` where the tree says nothing. */
static uint64_t get(const struct vmsim__radix *r, uint64_t index, uint64_t otherwise) {
    const uint64_t value = vmsim__radix_get(r, index) & ~LAZY;
    return value ? value - 1 : otherwise;
}

/* An entry is written whole: whatever was given up lazily is stored anew. */
static void set(struct vmsim_machine *m, struct vmsim__radix *r, uint64_t index, uint64_t tag) {
    VMSIM__ASSERT(!(tag & LAZY));
    if (!vmsim__radix_set(r, index, tag + 1, NULL))
        no_memory(m);
}

/* Entries of [first, end) go. */
static void clear(struct vmsim__radix *r, uint64_t first, uint64_t end) {
    for (uint64_t i = first; vmsim__radix_next(r, &i) && i < end; i++)
        vmsim__radix_remove(r, i);
}

/* By number, for all frames that may come: the oracle has no chunks. */
static uint64_t *frame_at(const struct vmsim_machine *m, vmsim__pfn pfn) {
    VMSIM__ASSERT(pfn < m->content->frames);
    return &m->content->frame[pfn];
}

static const struct vmsim__frame *record(const struct vmsim_machine *m, uint64_t pfn) {
    return vmsim__frame_at(&m->mem->frames, (vmsim__pfn)pfn);
}

/* ---- files ---- */

/* NULL: no host memory. */
static struct content_file *file_of(struct vmsim_machine *m, const struct vmsim__file *f) {
    struct vmsim__content *c = m->content;
    while (c->files.count <= f->id) {
        if (!vmsim__vec_push(m->alloc, &c->files, NULL)) {
            no_memory(m);
            return NULL;
        }
    }
    struct content_file *cf = c->files.at[f->id];
    if (cf)
        return cf;
    cf = c->files.at[f->id] = vmsim__slab_alloc(&c->file_slab);
    if (!cf) {
        no_memory(m);
        return NULL;
    }
    const uint64_t page = UINT64_C(1) << m->mem->page_shift;
    cf->initial = f->kind == VMSIM__FILE_REGULAR ? vmsim__align_up(f->disk_size, page) >> m->mem->page_shift : 0;
    vmsim__radix_init(&cf->disk, &c->nodes);
    vmsim__radix_init(&cf->wanted, &c->nodes);
    return cf;
}

/* Beyond what was on the device at first there are zeroes. */
static uint64_t initial(const struct content_file *cf, const struct vmsim__file *f, uint64_t index) {
    const uint64_t low = index & ((UINT64_C(1) << INDEX_BITS) - 1);
    return index < cf->initial ? INITIAL | (uint64_t)(f->id & 0xffffff) << INDEX_BITS | low : 0;
}

/* Ids of files are used again: what the last one held must not be found in the next. */
static void forget_file(struct vmsim_machine *m, const struct vmsim__file *f) {
    struct vmsim__content *c = m->content;
    struct content_file *cf = f->id < c->files.count ? c->files.at[f->id] : NULL;
    if (!cf)
        return;
    vmsim__radix_fini(&cf->disk);
    vmsim__radix_fini(&cf->wanted);
    vmsim__slab_free(&c->file_slab, cf);
    c->files.at[f->id] = NULL;
}

/* Zeroes are there from now on: known entry by entry in the middle, as an end of all behind it. */
static void drop_pages(struct vmsim_machine *m, struct content_file *cf, uint64_t first, uint64_t end) {
    clear(&cf->wanted, first, end);
    clear(&cf->disk, first, end);
    if (end >= cf->initial)
        cf->initial = vmsim__min64(cf->initial, first);
    for (uint64_t i = first; i < vmsim__min64(end, cf->initial); i++) {
        set(m, &cf->wanted, i, 0);
        set(m, &cf->disk, i, 0);
    }
}

/* A frame takes its tag from the disk when it is read and gives it to the disk when it is written, at the moments at
 * which the simulated transfer moves data. A write that failed leaves the disk with neither content. */
static void on_file(void *context, enum vmsim__file_content what, const struct vmsim__file *f, uint64_t first,
                    uint64_t end, vmsim__pfn pfn) {
    struct vmsim_machine *m = context;
    VMSIM__ASSERT(first < end && (pfn == VMSIM__PFN_NONE || end == first + 1));
    if (what == VMSIM__CONTENT_GONE) {
        forget_file(m, f);
        return;
    }
    struct content_file *cf = file_of(m, f);
    if (!cf)
        return;
    switch (what) {
    case VMSIM__CONTENT_READ:
        *frame_at(m, pfn) = get(&cf->disk, first, initial(cf, f, first));
        break;
    case VMSIM__CONTENT_WRITING:
        set(m, &cf->disk, first, *frame_at(m, pfn));
        break;
    case VMSIM__CONTENT_LOST:
        set(m, &cf->disk, first, UNKNOWN);
        break;
    case VMSIM__CONTENT_STORED:
        *frame_at(m, pfn) = ++m->content->last;
        set(m, &cf->wanted, first, m->content->last);
        break;
    case VMSIM__CONTENT_ZEROED:
        *frame_at(m, pfn) = 0;
        break;
    default:
        drop_pages(m, cf, first, end);
    }
}

/* ---- frames and slots ---- */

static void on_fill(void *context, vmsim__pfn to, vmsim__pfn from, unsigned order) {
    struct vmsim_machine *m = context;
    const vmsim__pfn zero = vmsim__vm_zero_pfn(m->vm);
    for (vmsim__pfn i = 0; i < UINT32_C(1) << order; i++)
        *frame_at(m, to + i) = from == VMSIM__PFN_NONE || from + i == zero ? 0 : *frame_at(m, from + i);
}

/* Shared memory comes back by the same way. */
static void on_swapped(void *context, struct vmsim__swp e, vmsim__pfn pfn, bool write) {
    struct vmsim_machine *m = context;
    VMSIM__ASSERT(vmsim__swp_is_swap(e));
    struct vmsim__radix *slots = &m->content->slot[e.type];
    if (write)
        set(m, slots, e.offset, *frame_at(m, pfn));
    else
        *frame_at(m, pfn) = get(slots, e.offset, 0);
}

/* ---- address spaces ---- */

/* NULL: no host memory. */
static struct vmsim__radix *space_of(struct vmsim_machine *m, struct vmsim__mm *mm) {
    struct content_space *s = mm->contents;
    if (!s) {
        s = mm->contents = vmsim__slab_alloc(&m->content->spaces);
        if (!s) {
            no_memory(m);
            return NULL;
        }
        vmsim__radix_init(&s->wanted, &m->content->nodes);
    }
    return &s->wanted;
}

static void give_up_lazily(struct vmsim__radix *r, uint64_t first, uint64_t end) {
    uint64_t value;
    for (uint64_t i = first; (value = vmsim__radix_next(r, &i)) && i < end; i++)
        vmsim__radix_set(r, i, value | LAZY, NULL); /* it replaces one */
}

/* What an address space gives up: at once, lazily (MADV_FREE: old contents or zeroes, both are right until the next
 * store), or all when it ends. */
static void on_dropped(void *context, struct vmsim__mm *mm, uint64_t start, uint64_t end, bool lazily) {
    struct vmsim_machine *m = context;
    struct content_space *s = mm->contents;
    const unsigned shift = m->mem->page_shift;
    if (!s)
        return;
    if (lazily) {
        give_up_lazily(&s->wanted, start >> shift, end >> shift);
    } else if (end != UINT64_MAX) {
        clear(&s->wanted, start >> shift, end >> shift);
    } else {
        vmsim__radix_fini(&s->wanted);
        vmsim__slab_free(&m->content->spaces, s);
        mm->contents = NULL;
    }
}

/* mremap: what was stored at the old address is expected at the new one. */
static void on_moved(void *context, struct vmsim__mm *mm, uint64_t from, uint64_t to, uint64_t length) {
    struct vmsim_machine *m = context;
    struct content_space *s = mm->contents;
    const unsigned shift = m->mem->page_shift;
    const uint64_t first = from >> shift, end = (from + length) >> shift, new = to >> shift;
    uint64_t value;
    for (uint64_t i = first; s && (value = vmsim__radix_next(&s->wanted, &i)) && i < end; i++) {
        vmsim__radix_remove(&s->wanted, i);
        if (!vmsim__radix_set(&s->wanted, i - first + new, value, NULL))
            no_memory(m);
    }
}

/* A child expects its parent's contents, whoever has the frame; what either stores later is its own. */
static void on_inherited(void *context, struct vmsim__mm *child, struct vmsim__mm *parent, uint64_t start,
                         uint64_t end) {
    struct vmsim_machine *m = context;
    const struct content_space *s = parent->contents;
    struct vmsim__radix *to = s ? space_of(m, child) : NULL;
    const unsigned shift = m->mem->page_shift;
    uint64_t value;
    for (uint64_t i = start >> shift; to && (value = vmsim__radix_next(&s->wanted, &i)) && i < end >> shift; i++) {
        if (!vmsim__radix_set(to, i, value, NULL))
            no_memory(m);
    }
}

/* ---- references ---- */

/* One page of a reference. */
struct at {
    struct vmsim_machine *m;
    struct vmsim__task *t;
    const struct vmsim__vma *v;
    uint64_t va, page, index; /* index: in its file */
    vmsim__pfn pfn;
};

/* The first one found: later ones follow from it. A load that finds something else is a defect of ours, never a
 * simulated outcome. */
static bool wrong(const struct at *x, const char *what, uint64_t wanted, uint64_t found) {
    struct vmsim_machine *m = x->m;
    m->content_wrong = true;
    vmsim__err_set(
        &m->err, VMSIM_ECHECK, "contents: task '%s' %s at 0x%llx, frame %u (%s%s): tag %llx, where %llx belongs",
        x->t->name, what, (unsigned long long)x->va, x->pfn, x->v->file ? "a file's mapping" : "anonymous memory",
        x->v->flags & VMSIM__VM_SHARED ? ", shared" : "", (unsigned long long)found, (unsigned long long)wanted);
    return false;
}

static bool of_file(const struct at *x) {
    if (x->pfn == vmsim__vm_zero_pfn(x->m->vm))
        return false;
    const struct vmsim__frame *f = record(x->m, x->pfn);
    return vmsim__frame_is(vmsim__frame_is(f, VMSIM__FRAME_TAIL) ? record(x->m, f->next) : f, VMSIM__FRAME_FILE);
}

/* What the program has not stored to: its file's, or zeroes. */
static bool check_common(const struct at *x, uint64_t found) {
    struct vmsim_machine *m = x->m;
    const struct vmsim__file *f = x->v->file;
    if (!f)
        return !found || wrong(x, "finds what nobody stored", 0, found);
    struct content_file *cf = file_of(m, f);
    if (!cf)
        return false;
    if (!(x->v->flags & VMSIM__VM_SHARED) && !of_file(x)) {
        struct vmsim__radix *own = space_of(m, x->t->mm);
        if (own)
            set(m, own, x->page, found);
        return own != NULL;
    }
    const uint64_t wanted = get(&cf->wanted, x->index, initial(cf, f, x->index));
    if (found != wanted && found != UNKNOWN && wanted != UNKNOWN)
        return wrong(x, "finds something else than its file has", wanted, found);
    if (found != wanted)
        set(m, &cf->wanted, x->index, found);
    return true;
}

/* Private memory has to hold what this space stored last (wanted), shared memory and untouched pages what file or disk
 * say. */
static bool check_load(const struct at *x) {
    VMSIM__ASSERT(x->t->mm && x->v);
    struct vmsim_machine *m = x->m;
    const struct content_space *s = x->t->mm->contents;
    const uint64_t found = x->pfn == vmsim__vm_zero_pfn(m->vm) ? 0 : *frame_at(m, x->pfn);
    const uint64_t value = s && !(x->v->flags & VMSIM__VM_SHARED) ? vmsim__radix_get(&s->wanted, x->page) : 0;
    m->content->loads++;
    if (!value)
        return check_common(x, found);
    if (found == (value & ~LAZY) - 1)
        return true;
    if (!(value & LAZY) || found)
        return wrong(x, "does not find what it stored", (value & ~LAZY) - 1, found);
    set(m, space_of(m, x->t->mm), x->page, 0); /* given up, and gone */
    return true;
}

/* A new tag for each store: an old page that comes back cannot pass for the new one. A store to the zero page or to a
 * private file page that was not copied is the fault itself. */
static bool note_store(const struct at *x) {
    VMSIM__ASSERT(x->t->mm && x->v);
    struct vmsim_machine *m = x->m;
    const bool shared = x->v->flags & VMSIM__VM_SHARED;
    m->content->stores++;
    if (x->pfn == vmsim__vm_zero_pfn(m->vm) || (!shared && of_file(x)))
        return wrong(x, "stores to a page that others see", 0, *frame_at(m, x->pfn));
    struct content_file *cf = shared && x->v->file ? file_of(m, x->v->file) : NULL;
    struct vmsim__radix *to = shared ? (cf ? &cf->wanted : NULL) : space_of(m, x->t->mm);
    if (!to)
        return !m->host_nomem;
    *frame_at(m, x->pfn) = ++m->content->last;
    set(m, to, shared ? x->index : x->page, m->content->last);
    return true;
}

/* The kernel's own pages, and device memory, have no tags. */
static bool look(struct at *x, enum vmsim_access_type type) {
    const unsigned shift = x->m->mem->page_shift;
    if (x->pfn >= x->m->content->frames || (x->v->flags & (VMSIM__VM_PFNMAP | VMSIM__VM_IO)) ||
        (x->v->file && x->v->file->kind == VMSIM__FILE_DEVICE))
        return true;
    x->page = x->va >> shift;
    x->index = x->v->pgoff + ((x->va - x->v->start) >> shift);
    if (type != VMSIM_STORE && !check_load(x))
        return false;
    return type == VMSIM_LOAD || type == VMSIM_FETCH || note_store(x);
}

/* An access that crosses into another page is looked at in both: the second frame is asked of the page table, since the
 * batch has one physical address an access. */
void vmsim__content_used(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a,
                         const uint64_t *physical, size_t n) {
    VMSIM__ASSERT(t->mm && m->content);
    const unsigned shift = m->mem->page_shift;
    struct at x = {.m = m, .t = t};
    for (size_t i = 0; i < n && !m->content_wrong; i++) {
        const uint64_t va = vmsim_access_va(a[i]), last = va + vmsim_access_bytes(a[i]) - 1;
        const enum vmsim_access_type type = vmsim_access_kind(a[i]);
        if (!x.v || va < x.v->start || last >= x.v->end)
            x.v = vmsim__mm_find_vma(t->mm, va);
        x.va = va;
        x.pfn = (vmsim__pfn)(physical[i] >> shift);
        if (!x.v || va < x.v->start || !look(&x, type) || last >> shift == va >> shift)
            continue;
        x.va = last;
        x.v = vmsim__mm_find_vma(t->mm, last);
        x.pfn = (vmsim__pfn)vmsim__mm_pagemap(t->mm, last).pfn;
        if (x.v && last >= x.v->start)
            look(&x, type);
    }
}

/* ---- beginning and end ---- */

/* Pages of files that are cached already. */
static void take_files(struct vmsim_machine *m) {
    uint32_t id = 1;
    for (const struct vmsim__file *f; (f = vmsim__file_next(m->cache, &id)) != NULL; id++) {
        vmsim__pfn pfn;
        for (uint64_t i = 0; (pfn = vmsim__file_next_page(f, &i, UINT64_MAX, VMSIM__MARK_PAGE)) != VMSIM__PFN_NONE; i++)
            on_file(m, VMSIM__CONTENT_READ, f, i, i + 1, vmsim__folio_part(m->mem, pfn, i));
    }
}

static void listen(struct vmsim_machine *m, bool on) {
    struct vmsim__vm_hooks *h = vmsim__vm_hooks(m->vm);
    VMSIM__ASSERT(!on || m->content);
    h->fill = on ? on_fill : NULL;
    h->swapped = on ? on_swapped : NULL;
    h->file_content = on ? on_file : NULL;
    h->dropped = on ? on_dropped : NULL;
    h->moved = on ? on_moved : NULL;
    h->inherited = on ? on_inherited : NULL;
}

/* Before anything runs: what already lies in files has a tag of its own from here on. Hooks that nobody uses cost one
 * comparison where contents move. */
int vmsim__content_start(struct vmsim_machine *m) {
    if (m->content)
        return 0;
    if (!m->format->levels)
        return vmsim__err_set(&m->err, VMSIM_ENOSYS, "contents cannot be followed on a machine without an MMU");
    struct vmsim__content *c = vmsim__calloc(m->alloc, 1, sizeof *c);
    if (c)
        c->frame = vmsim__calloc(m->alloc, m->mem->frames.end, sizeof *c->frame);
    if (!c || !c->frame) {
        vmsim__free(m->alloc, c, sizeof *c);
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for the contents of frames");
    }
    c->frames = m->mem->frames.end;
    vmsim__radix_slab_init(&c->nodes, m->alloc);
    vmsim__slab_init(&c->spaces, m->alloc, sizeof(struct content_space));
    vmsim__slab_init(&c->file_slab, m->alloc, sizeof(struct content_file));
    for (unsigned i = 0; i < VMSIM__SWP_AREAS; i++)
        vmsim__radix_init(&c->slot[i], &c->nodes);
    m->content = c;
    listen(m, true);
    take_files(m);
    return vmsim__host_error(m);
}

/* Hooks go first: what is torn down later would tell of contents that nobody keeps any more. */
void vmsim__content_fini(struct vmsim_machine *m) {
    struct vmsim__content *c = m->content;
    if (!c)
        return;
    listen(m, false);
    vmsim__slab_fini(&c->nodes);
    vmsim__slab_fini(&c->spaces);
    vmsim__slab_fini(&c->file_slab);
    vmsim__vec_fini(m->alloc, &c->files);
    vmsim__free(m->alloc, c->frame, c->frames * sizeof *c->frame);
    vmsim__free(m->alloc, c, sizeof *c);
    m->content = NULL;
}

int vmsim_machine_verify_content(struct vmsim_machine *m) {
    return m ? vmsim__content_start(m) : VMSIM_EINVAL;
}

void vmsim_machine_content(const struct vmsim_machine *m, uint64_t *loads, uint64_t *stores) {
    const struct vmsim__content *c = m ? m->content : NULL;
    if (loads)
        *loads = c ? c->loads : 0;
    if (stores)
        *stores = c ? c->stores : 0;
}
