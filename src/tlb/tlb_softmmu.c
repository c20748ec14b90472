/* SPDX-License-Identifier: MIT */
/* The tables of an emulated CPU (`machine.tlb.softmmu`), in place of arrays and walk caches: what stands between a
 * program and its accessed bits when a kernel is observed under emulation, and so what such a kernel reclaims by.
 *
 *     data --> slot of its page --> one of 8 victims, which changes places --> walk, which sets A and D
 *                                   (the page that had the slot becomes a victim, in place of the oldest one)
 *     fetch --> goes on in the page of the fetch before, or begins a block that is known: nobody asks for the page
 *           --> as data otherwise; then the block is known, by its address, in place of another one with its slot:
 *
 *               slot, of 64 x 64 with 4,096 blocks of 4-KiB pages:  [ page ^ page >> 6 : 6 | offset ^ offset >> 6 : 6 ]
 *
 * A page that stays known is used without being marked: a kernel that clears accessed bits without a flush (x86) takes
 * it for unused. User mode and the kernel have a table of pages each. Large pages are known by base pages; a flush
 * inside the region that spans them forgets all. Another address space begins anew.
 *
 * A table changes its size where everything is flushed: it doubles when more than 70 % of it was in use, and shrinks
 * to what was used when that was less than 30 % for a while: 100 ms of the host's time, here 4 million references.
 *
 * Counterparts: QEMU 7.2, accel/tcg/cputlb.c (tlb_set_page_full, victim_tlb_hit, tlb_mmu_resize_locked), tb-hash.h,
 * tb-jmp-cache.h, translator_use_goto_tb. */
#include "tlb/tlb_walk.h"

#define WINDOW UINT64_C(4000000)

enum { READ = 1, WRITE = 2, FETCH = 4, RIGHT_BITS = 3, SMALLEST = 64 };
_Static_assert(VMSIM_LOAD == 0 && VMSIM_STORE == 1 && VMSIM_FETCH == 2 && VMSIM_RMW == 3, "needs");
static const uint8_t needs[4] = {READ, WRITE, FETCH, READ | WRITE};

/* One access: what the lookups of its pages share. */
struct request {
    struct tlb_soft_side *side;
    unsigned type;
    bool user;
    struct vmsim__tlb_stop *stop;
};

/* ---- sizes ---- */

static void begin_window(struct tlb_soft_side *side, uint64_t now, uint64_t used) {
    side->window_begin = now;
    side->window_used = used;
}

/* What was used may be more than there is: an entry that gets more rights counts again. */
static uint32_t size_wanted(const struct tlb_softmmu *s, const struct tlb_soft_side *side, bool expired) {
    const uint64_t percent = side->window_used * 100 / side->entries;
    if (percent > 70)
        return side->entries < s->max ? side->entries * 2 : s->max;
    if (percent >= 30 || !expired)
        return side->entries;
    uint32_t size = UINT32_C(1) << vmsim__log2_up(side->window_used);
    if (side->window_used * 100 / size > 70)
        size *= 2;
    return size > SMALLEST ? size : SMALLEST;
}

static void resize(const struct tlb_softmmu *s, struct tlb_soft_side *side, uint64_t now) {
    const bool expired = now > side->window_begin + WINDOW;
    side->window_used = vmsim__max64(side->window_used, side->used);
    const uint32_t size = size_wanted(s, side, expired);
    VMSIM__ASSERT(size <= s->max && !(size & (size - 1)));
    if (size != side->entries)
        begin_window(side, now, 0);
    else if (expired)
        begin_window(side, now, side->used);
    side->entries = size;
}

/* ---- both kinds of table, and forgetting ---- */

static uint32_t blocks_at(const struct tlb_softmmu *s, unsigned page_shift, uint64_t va) {
    const unsigned fold = page_shift - s->offset_bits;
    const uint64_t folded = va ^ va >> fold, offsets = (UINT64_C(1) << s->offset_bits) - 1;
    return (uint32_t)((folded >> fold & (s->blocks - 1) & ~offsets) | (folded & offsets));
}

static void forget_pages(const struct tlb_softmmu *s, struct tlb_soft_side *side, uint64_t now) {
    resize(s, side, now);
    for (uint32_t i = 0; i < side->entries; i++)
        side->entry[i].page = TLB_INVALID;
    for (uint32_t i = 0; i < s->victims; i++)
        side->victim[i].page = TLB_INVALID;
    side->large = TLB_INVALID;
    side->used = 0;
}

static void forget_blocks(struct tlb_softmmu *s) {
    for (uint32_t i = 0; i < s->blocks; i++)
        s->block[i].va = TLB_INVALID;
    s->fetch_page = TLB_INVALID;
}

void vmsim__tlb_softmmu_clear(struct vmsim__tlb *t) {
    struct tlb_softmmu *s = &t->softmmu;
    VMSIM__ASSERT(s->max && s->side[0].entry && s->side[1].entry);
    forget_pages(s, &s->side[0], t->counter[VMSIM__TLB_accesses]);
    forget_pages(s, &s->side[1], t->counter[VMSIM__TLB_accesses]);
    forget_blocks(s);
}

/* All is taken at once, so that growing cannot fail; the host gives pages to what is used. */
static bool side_create(struct tlb_softmmu *s, struct tlb_soft_side *side, struct vmsim__alloc *a, uint64_t entries) {
    side->entry = vmsim__calloc(a, s->max, sizeof *side->entry);
    side->victim = vmsim__calloc(a, s->victims + 1u, sizeof *side->victim);
    if (!side->entry || !side->victim)
        return false;
    side->entries = (uint32_t)entries;
    side->used = entries / 2; /* neither too many nor too few */
    forget_pages(s, side, 0);
    return true;
}

int vmsim__tlb_softmmu_create(struct tlb_softmmu *s, struct vmsim__alloc *a, const struct vmsim__softmmu_spec *spec) {
    VMSIM__ASSERT(!s->max && !(spec->entries & (spec->entries - 1)) && !(spec->blocks & (spec->blocks - 1)));
    if (!spec->entries)
        return 0;
    s->max = (uint32_t)vmsim__max64(spec->entries, spec->entries_max);
    s->victims = (uint32_t)spec->victims;
    s->blocks = (uint32_t)spec->blocks;
    s->offset_bits = (uint8_t)(s->blocks ? vmsim__log2(s->blocks) / 2 : 0);
    s->block = vmsim__calloc(a, s->blocks + 1u, sizeof *s->block);
    if (!s->block || !side_create(s, &s->side[0], a, spec->entries) || !side_create(s, &s->side[1], a, spec->entries))
        return VMSIM_ENOMEM;
    forget_blocks(s);
    return 0;
}

void vmsim__tlb_softmmu_destroy(struct tlb_softmmu *s, struct vmsim__alloc *a) {
    for (unsigned i = 0; i < 2; i++) {
        vmsim__free(a, s->side[i].entry, s->max * sizeof *s->side[i].entry);
        vmsim__free(a, s->side[i].victim, (s->victims + 1u) * sizeof *s->side[i].victim);
    }
    vmsim__free(a, s->block, (s->blocks + 1u) * sizeof *s->block);
    *s = (struct tlb_softmmu){0};
}

/* All slots that a block may have which begins in the page. */
static void drop_blocks(struct tlb_softmmu *s, unsigned page_shift, uint64_t va) {
    const uint32_t offsets = 1u << s->offset_bits;
    const uint32_t first = blocks_at(s, page_shift, va) & ~(offsets - 1);
    VMSIM__ASSERT(first + offsets <= s->blocks);
    for (uint32_t i = first; i < first + offsets; i++)
        s->block[i].va = TLB_INVALID;
}

static unsigned drop_page(const struct tlb_softmmu *s, struct tlb_soft_side *side, uint64_t page, uint64_t now) {
    unsigned dropped = 0;
    if (side->large != TLB_INVALID && (page & side->large_mask) == side->large) {
        forget_pages(s, side, now);
        return 1;
    }
    struct tlb_soft_entry *e = &side->entry[page & (side->entries - 1)];
    if (e->page == page) {
        e->page = TLB_INVALID;
        side->used--;
        dropped++;
    }
    for (uint32_t i = 0; i < s->victims; i++)
        if (side->victim[i].page == page) {
            side->victim[i].page = TLB_INVALID;
            dropped++;
        }
    return dropped;
}

/* A block that crosses into the page begins in the one before. */
unsigned vmsim__tlb_softmmu_drop(struct vmsim__tlb *t, uint64_t va, unsigned shift) {
    struct tlb_softmmu *s = &t->softmmu;
    VMSIM__ASSERT(s->max && shift >= t->page_shift);
    if (shift > t->page_shift) {
        vmsim__tlb_softmmu_clear(t);
        return 1;
    }
    const uint64_t page = tlb_va57(va) >> shift, now = t->counter[VMSIM__TLB_accesses];
    if (s->blocks) {
        drop_blocks(s, shift, va);
        drop_blocks(s, shift, va - (UINT64_C(1) << shift));
    }
    s->fetch_page = TLB_INVALID;
    return drop_page(s, &s->side[0], page, now) + drop_page(s, &s->side[1], page, now);
}

/* ---- lookups ---- */

/* The region of large pages grows until it spans this one, too. QEMU: tlb_add_large_page. */
static void span_large(struct tlb_soft_side *side, uint64_t page, unsigned pages_shift) {
    uint64_t mask = ~((UINT64_C(1) << pages_shift) - 1);
    if (side->large == TLB_INVALID) {
        side->large = page;
    } else {
        mask &= side->large_mask;
        while ((side->large ^ page) & mask)
            mask <<= 1;
    }
    side->large &= mask;
    side->large_mask = mask;
}

static uint64_t rights_of(uint32_t flags) {
    const bool writable =
        (flags & VMSIM__PTE_WRITE) && (flags & VMSIM__PTE_DIRTY); /* else a store has to set D first */
    return (flags & VMSIM__PTE_READ ? READ : 0u) | (writable ? WRITE : 0u) | (flags & VMSIM__PTE_EXEC ? FETCH : 0u);
}

/* What was in the slot, of another page, becomes the newest victim (without victims nobody looks there). */
static void fill(const struct vmsim__tlb *t, const struct request *q, uint64_t page, const struct vmsim__walk *w) {
    const struct tlb_softmmu *s = &t->softmmu;
    struct tlb_soft_side *side = q->side;
    struct tlb_soft_entry *e = &side->entry[page & (side->entries - 1)];
    if (e->page != TLB_INVALID && e->page != page) {
        side->victim[side->next_victim] = *e;
        side->next_victim = s->victims ? (side->next_victim + 1) % s->victims : 0;
        side->used--;
    }
    side->used++;
    if (w->page_shift > t->page_shift)
        span_large(side, page, w->page_shift - t->page_shift);
    *e = (struct tlb_soft_entry){page, w->pa >> t->page_shift << RIGHT_BITS | rights_of(w->flags)};
}

static VMSIM__NOINLINE bool walk(struct vmsim__tlb *t, const struct request *q, uint64_t va, uint64_t *frame) {
    struct vmsim__walk w;
    const bool ok = vmsim__tlb_walk(t, va, tlb_walk_mode(q->type, q->user), &w);
    tlb_count_walk(t, w.refs);
    tlb_record_walk(t, &w);
    if (!ok) {
        tlb_fault(t, &w, q->type, va, q->stop);
        return false;
    }
    t->walks_by_size[t->class_of[w.page_shift]]++;
    fill(t, q, tlb_va57(va) >> t->page_shift, &w);
    *frame = w.pa >> t->page_shift;
    return true;
}

/* A victim that does changes places with what has its slot. */
static VMSIM__NOINLINE bool look_further(struct vmsim__tlb *t, const struct request *q, uint64_t va, uint64_t *frame) {
    const struct tlb_softmmu *s = &t->softmmu;
    const uint64_t page = tlb_va57(va) >> t->page_shift, need = needs[q->type];
    struct tlb_soft_entry *slot = &q->side->entry[page & (q->side->entries - 1)];
    for (uint32_t i = 0; i < s->victims; i++) {
        const struct tlb_soft_entry victim = q->side->victim[i];
        if (victim.page != page || (victim.frame_rights & need) != need)
            continue;
        q->side->victim[i] = *slot;
        *slot = victim;
        t->counter[VMSIM__TLB_victim_hits]++;
        *frame = victim.frame_rights >> RIGHT_BITS;
        return true;
    }
    return walk(t, q, va, frame);
}

VMSIM__INLINE bool look_up(struct vmsim__tlb *t, const struct request *q, uint64_t va, uint64_t *frame) {
    const uint64_t page = tlb_va57(va) >> t->page_shift, need = needs[q->type];
    const struct tlb_soft_entry *e = &q->side->entry[page & (q->side->entries - 1)];
    if (VMSIM__UNLIKELY(e->page != page || (e->frame_rights & need) != need))
        return look_further(t, q, va, frame);
    *frame = e->frame_rights >> RIGHT_BITS;
    return true;
}

/* The pages of an access, looked up in turn; *frame: of its first byte. */
VMSIM__INLINE bool look_up_all(struct vmsim__tlb *t, const struct request *q, vmsim_access x, uint64_t *frame) {
    const uint64_t va = vmsim_access_va(x), last = va + vmsim_access_bytes(x) - 1;
    uint64_t other;
    if (!look_up(t, q, va, frame))
        return false;
    if (VMSIM__LIKELY(va >> t->page_shift == last >> t->page_shift))
        return true;
    if (!look_up(t, q, last >> t->page_shift << t->page_shift, &other))
        return false;
    t->counter[VMSIM__TLB_straddles]++;
    return true;
}

VMSIM__INLINE bool fetch(struct vmsim__tlb *t, const struct request *q, vmsim_access x, uint64_t *frame) {
    struct tlb_softmmu *s = &t->softmmu;
    const uint64_t va = vmsim_access_va(x), page = va >> t->page_shift;
    struct tlb_soft_block *block = &s->block[s->blocks ? blocks_at(s, t->page_shift, va) : 0];
    if (page == s->fetch_page) {
        *frame = s->fetch_frame;
        t->counter[VMSIM__TLB_block_hits]++;
        return true;
    }
    if (s->blocks && block->va == va) {
        *frame = block->frame;
        t->counter[VMSIM__TLB_block_hits]++;
    } else {
        if (!look_up_all(t, q, x, frame))
            return false;
        if (s->blocks)
            *block = (struct tlb_soft_block){va, *frame};
    }
    s->fetch_page = s->blocks ? page : TLB_INVALID;
    s->fetch_frame = *frame;
    return true;
}

size_t vmsim__tlb_run_softmmu(struct vmsim__tlb *t, bool user, const vmsim_access *a, size_t n, uint64_t *pa_out,
                              struct vmsim__tlb_stop *stop) {
    struct tlb_softmmu *s = &t->softmmu;
    const uint64_t inside = (UINT64_C(1) << t->page_shift) - 1;
    uint64_t count[4] = {0};
    size_t i = 0;
    if (s->asid != t->asid) {
        vmsim__tlb_softmmu_clear(t);
        s->asid = t->asid;
    }
    if (s->fetch_user != user)
        s->fetch_page = TLB_INVALID;
    s->fetch_user = user;
    for (; i < n; i++) {
        const struct request q = {&s->side[user], a[i] & 3, user, stop};
        uint64_t frame;
        if (!(q.type == VMSIM_FETCH ? fetch(t, &q, a[i], &frame) : look_up_all(t, &q, a[i], &frame)))
            break;
        count[q.type]++;
        if (pa_out)
            pa_out[i] = frame << t->page_shift | (vmsim_access_va(a[i]) & inside);
    }
    tlb_count_types(t, count);
    return i;
}

/* ---- looks from outside ---- */

bool vmsim__tlb_softmmu_probe(const struct vmsim__tlb *t, uint64_t va, uint64_t *pa) {
    const struct tlb_softmmu *s = &t->softmmu;
    const struct tlb_soft_side *side = &s->side[1];
    const uint64_t page = tlb_va57(va) >> t->page_shift, inside = (UINT64_C(1) << t->page_shift) - 1;
    const struct tlb_soft_entry *e = &side->entry[page & (side->entries - 1)];
    for (uint32_t i = 0; e->page != page && i < s->victims; i++)
        e = &side->victim[i];
    if (e->page != page)
        return false;
    if (pa)
        *pa = e->frame_rights >> RIGHT_BITS << t->page_shift | (va & inside);
    return true;
}

bool vmsim__tlb_softmmu_entry(const struct vmsim__tlb *t, uint32_t i, uint64_t *va, uint64_t *pa) {
    const struct tlb_softmmu *s = &t->softmmu;
    const struct tlb_soft_entry *e = NULL;
    for (unsigned k = 0; k < 2 && !e; k++) {
        const struct tlb_soft_side *side = &s->side[k];
        if (i < side->entries + s->victims)
            e = i < side->entries ? &side->entry[i] : &side->victim[i - side->entries];
        else
            i -= side->entries + s->victims;
    }
    if (e) {
        *va = e->page << t->page_shift;
        *pa = e->frame_rights >> RIGHT_BITS << t->page_shift;
        return e->page != TLB_INVALID;
    }
    VMSIM__ASSERT(i < s->blocks);
    *va = s->block[i].va & ~((UINT64_C(1) << t->page_shift) - 1);
    *pa = s->block[i].frame << t->page_shift;
    return s->block[i].va != TLB_INVALID;
}
