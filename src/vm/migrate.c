/* SPDX-License-Identifier: MIT */
/* One folio, then a chain of them (migrate.h).
 *
 * A folio passes from one frame to the other within one piece of work: nobody sees it half moved. What would make it
 * stop half-way, somebody else's reference, is found when its entries are migration entries already, as in the kernel,
 * and they are turned back. Kernel counterparts: unmap_and_move, move_to_new_folio, migrate_pages of mm/migrate.c. */
#include "vm/migrate.h"

#include "vm/vm_impl.h"
#include "zones/columns.h"

#define PASSES 10u     /* NR_MAX_MIGRATE_PAGES_RETRY */
#define FORCED_PASS 3u /* from this one on it waits, where the mode allows */

enum outcome {
    MOVED,
    FREED, /* nobody but the isolation held it */
    AGAIN, /* may go better in the next pass */
    BUSY,  /* will not */
    WAITS,
    NO_MEMORY
};

struct at {
    struct vmsim__vm *vm;
    const struct vmsim__migration *how;
    vmsim__pfn from, to;
    struct vmsim__frame *old;
    unsigned cpu;
};

/* ---- chains ---- */

/* Isolated folios are on no LRU list, so that their links are free to make this chain; the isolating reference keeps
 * them. */
void vmsim__folio_chain_push(struct vmsim__vm *vm, struct vmsim__folio_chain *chain, vmsim__pfn pfn) {
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    VMSIM__ASSERT(!vmsim__frame_is(f, VMSIM__FRAME_LRU | VMSIM__FRAME_TAIL) && f->refcount > 0);
    f->next = chain->first;
    chain->first = pfn;
    chain->folios++;
    chain->pages += vmsim__frame_pages(f);
}

static vmsim__pfn pop(struct vmsim__vm *vm, struct vmsim__folio_chain *chain) {
    const vmsim__pfn pfn = chain->first;
    struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    VMSIM__ASSERT(chain->folios > 0 && chain->pages >= vmsim__frame_pages(f));
    chain->first = f->next;
    chain->folios--;
    chain->pages -= vmsim__frame_pages(f);
    VMSIM__ASSERT(chain->folios || !chain->pages);
    f->next = f->prev = VMSIM__PFN_NONE;
    return pfn;
}

void vmsim__folio_chain_putback(struct vmsim__vm *vm, struct vmsim__folio_chain *chain, unsigned cpu) {
    while (chain->folios)
        vmsim__lru_putback(vm->lru, pop(vm, chain), cpu);
}

/* ---- what a folio may be held by ---- */

/* Whole mappings are counted in the first tail, single pages in each frame: their sum is the references that entries
 * hold. */
static int32_t entries_of(const struct vmsim__vm *vm, vmsim__pfn pfn) {
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    const uint32_t pages = vmsim__frame_pages(f);
    int32_t n = pages > 1 ? (int32_t)f[1].mapping : 0;
    for (uint32_t i = 0; i < pages; i++)
        n += f[i].mapcount;
    return n;
}

/* The file's or the swap cache's references, one a base page, and the isolation's. */
static int32_t expected_refs(const struct vmsim__frame *f) {
    return 1 + (vmsim__frame_is(f, VMSIM__FRAME_FILE | VMSIM__FRAME_SWAPCACHE) ? (int32_t)vmsim__frame_pages(f) : 0);
}

bool vmsim__migrate_unpinned(const struct vmsim__vm *vm, vmsim__pfn pfn) {
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn);
    return f->refcount == expected_refs(f) + entries_of(vm, pfn);
}

/* ---- one folio ---- */

static bool wait_for(const struct at *a, enum vmsim__wait_kind kind, bool forced, enum vmsim__migrate_mode least) {
    if (!forced || a->how->mode < least || !a->how->may_wait)
        return false;
    vmsim__now_wait(&a->vm->mem->now, kind, a->from, VMSIM__TIME_NEVER);
    return true;
}

/* Is it in a state in which it can be moved? MOVED: it is. */
static enum outcome lock(const struct at *a, bool forced) {
    if (vmsim__frame_is(a->old, VMSIM__FRAME_LOCKED))
        return wait_for(a, VMSIM__WAIT_LOCKED, forced, VMSIM__MIGRATE_SYNC_LIGHT) ? WAITS : AGAIN;
    if (!vmsim__frame_is(a->old, VMSIM__FRAME_WRITEBACK))
        return MOVED;
    if (a->how->mode != VMSIM__MIGRATE_SYNC)
        return BUSY;
    return wait_for(a, VMSIM__WAIT_WRITEBACK, forced, VMSIM__MIGRATE_SYNC) ? WAITS : AGAIN;
}

/* Flags that tell of the contents and of their use; rights, locks and lists come with entries and lists themselves.
 * Kernel: folio_migrate_flags. */
static void move_flags(const struct at *a) {
    const uint32_t move = VMSIM__FRAME_ANON | VMSIM__FRAME_SWAPBACKED | VMSIM__FRAME_UPTODATE | VMSIM__FRAME_DIRTY |
                          VMSIM__FRAME_REFERENCED | VMSIM__FRAME_ACTIVE | VMSIM__FRAME_UNEVICTABLE |
                          VMSIM__FRAME_WORKINGSET | VMSIM__FRAME_RECLAIM;
    struct vmsim__frame *new = vmsim__vm_frame(a->vm, a->to);
    new->flags |= a->old->flags &move;
    new->policy = a->old->policy;
    a->old->flags &= ~move;
    if (VMSIM__UNLIKELY(a->vm->mem->column[VMSIM__COLUMN_CPUPID]))
        a->vm->host_nomem |= !vmsim__column_write(a->vm->mem, VMSIM__COLUMN_CPUPID, a->to,
                                                  vmsim__column_read(a->vm->mem, VMSIM__COLUMN_CPUPID, a->from));
}

/* The new frame takes the place of the old one; entries are migration entries, and nobody else holds it. */
static void move(const struct at *a) {
    struct vmsim__frame *new = vmsim__vm_frame(a->vm, a->to);
    VMSIM__ASSERT(new->refcount == 1 && a->old->refcount == expected_refs(a->old));
    vmsim__vm_fill(a->vm, a->to, a->from, 0);
    vmsim__vm_cost(a->vm, a->vm->spec.costs.copy_page);
    if (vmsim__frame_is(a->old, VMSIM__FRAME_FILE)) {
        vmsim__filemap_migrate(a->vm->cache, a->from, a->to);
    } else {
        new->mapping = a->old->mapping;
        vmsim__frame_set_index(new, vmsim__frame_index(a->old));
        if (vmsim__frame_is(a->old, VMSIM__FRAME_SWAPCACHE))
            a->vm->swap->migrate(a->vm->swap->context, a->from, a->to);
        else
            vmsim__memcg_migrate(a->vm->lru, a->from, a->to);
    }
    move_flags(a);
}

/* A page of an mlocked mapping may have gone to a batch when its entry went, and the batch holds a reference that would
 * look like somebody's pin. */
static bool unmap(const struct at *a) {
    if (!vmsim__folio_mapped(a->vm->lru, a->from))
        return true;
    bool all = vmsim__try_to_migrate(a->vm, a->from, 0, a->cpu);
    if (a->old->refcount != expected_refs(a->old)) /* an mlocked one waits in this CPU's batch now */
        vmsim__lru_drain_cpu(a->vm->lru, a->cpu);
    return all;
}

/* The new page comes to its list before it is mapped, so that an mlocked one is counted as such. */
static void settle(const struct at *a, bool was_mapped) {
    VMSIM__ASSERT(a->from != a->to && !vmsim__frame_is(a->old, VMSIM__FRAME_LRU));
    struct vmsim__lru *lru = a->vm->lru;
    vmsim__lru_add(lru, a->to, a->cpu);
    if (was_mapped) {
        vmsim__lru_drain_cpu(lru, a->cpu);
        vmsim__remove_migration(a->vm, a->from, a->to, a->cpu);
    }
    vmsim__folio_put(lru, a->to, a->cpu);
    vmsim__folio_put(lru, a->from, a->cpu);
}

/* Kernel: __unmap_and_move. */
static enum outcome unmap_and_move(struct at *a, bool forced) {
    const bool was_mapped = vmsim__folio_mapped(a->vm->lru, a->from);
    enum outcome o = lock(a, forced);
    if (o != MOVED)
        return o;
    vmsim__vm_cost(a->vm, a->vm->spec.costs.migrate_page);
    if (!unmap(a) || a->old->refcount != expected_refs(a->old)) {
        if (was_mapped)
            vmsim__remove_migration(a->vm, a->from, a->from, a->cpu);
        return AGAIN;
    }
    move(a);
    settle(a, was_mapped);
    return MOVED;
}

/* Can it be moved at all? Large folios, and pages whose swap slot nobody can give to another, stay. */
static bool movable(const struct at *a) {
    if (vmsim__frame_is(a->old, VMSIM__FRAME_SWAPCACHE) && (!a->vm->swap || !a->vm->swap->migrate))
        return false;
    return !vmsim__frame_is(a->old, VMSIM__FRAME_HEAD);
}

/* Only our own reference left: its users have gone since it was isolated, and freeing it is the best of moves. Kernel:
 * migrate_folio_unmap's first case. */
static enum outcome migrate_one(struct at *a, bool forced) {
    if (a->old->refcount == 1) {
        a->old->flags &= ~(VMSIM__FRAME_ACTIVE | VMSIM__FRAME_UNEVICTABLE);
        vmsim__folio_put(a->vm->lru, a->from, a->cpu);
        return FREED;
    }
    if (!movable(a))
        return BUSY;
    a->to = a->how->get(a->how->context, a->from);
    if (a->to == VMSIM__PFN_NONE)
        return NO_MEMORY;
    VMSIM__ASSERT(vmsim__vm_frame(a->vm, a->to)->refcount == 1);
    enum outcome o = unmap_and_move(a, forced);
    if (o != MOVED)
        a->how->put(a->how->context, a->to);
    return o;
}

/* ---- chains of folios ---- */

/* One pass over those that are left. They come back to `chain` in the order in which they were: those that failed for
 * good go to `stay`. True: another pass is wanted. */
static bool pass(struct at *a, struct vmsim__folio_chain *chain, struct vmsim__folio_chain *stay, bool forced,
                 struct vmsim__migrated *m) {
    struct vmsim__folio_chain again = vmsim__folio_chain_empty();
    while (chain->folios && !m->no_memory && !m->waits) {
        a->from = pop(a->vm, chain);
        a->old = vmsim__vm_frame(a->vm, a->from);
        const uint32_t pages = vmsim__frame_pages(a->old);
        const enum outcome o = migrate_one(a, forced);
        if (o == MOVED || o == FREED) {
            m->succeeded += pages;
            continue;
        }
        m->no_memory = o == NO_MEMORY;
        m->waits = o == WAITS;
        m->failed += o == BUSY || o == NO_MEMORY ? pages : 0;
        vmsim__folio_chain_push(a->vm, o == BUSY ? stay : &again, a->from);
    }
    const bool more = again.folios && !m->no_memory && !m->waits;
    while (again.folios)
        vmsim__folio_chain_push(a->vm, chain, pop(a->vm, &again));
    return more;
}

/* Ten rounds over what stays busy, the last ones waiting for locks and writeback: most pins are short. What is left at
 * the end returns to the caller's chain, whose business it is to put it back. Kernel: migrate_pages. */
struct vmsim__migrated vmsim__migrate_pages(struct vmsim__vm *vm, const struct vmsim__migration *how,
                                            struct vmsim__folio_chain *chain, unsigned cpu) {
    struct at a = {.vm = vm, .how = how, .cpu = cpu};
    struct vmsim__migrated m = {0};
    struct vmsim__folio_chain stay = vmsim__folio_chain_empty();
    bool more = chain->folios > 0;
    VMSIM__ASSERT(!vmsim__nommu(vm) && how->get && how->put && !vmsim__now_waits(&vm->mem->now));
    for (unsigned n = 0; more && n < PASSES; n++)
        more = pass(&a, chain, &stay, n >= FORCED_PASS, &m);
    VMSIM__ASSERT(!(m.no_memory && m.waits));
    if (more)
        m.failed += chain->pages;
    while (stay.folios)
        vmsim__folio_chain_push(vm, chain, pop(vm, &stay));
    vmsim__vm_event(vm, VMSIM__PGMIGRATE_SUCCESS, m.succeeded);
    vmsim__vm_event(vm, VMSIM__PGMIGRATE_FAIL, m.failed);
    return m;
}
