/* SPDX-License-Identifier: MIT */
/* What a machine did, and what its page tables say, as numbers (vmsim/inspect.h).
 *
 * Of a translation: a walk that changes nothing, and a look at the TLB that changes nothing. Of a reference: it is done
 * as every other, and what was counted meanwhile is its own. Others run while it waits, so that only the steps of its
 * own task are looked at; the rest is on its clock alone. */
#include "vmsim/inspect.h"

#include <string.h>

#include "machine/sched.h"
#include "vmsim/mmu.h"

static_assert(VMSIM_WALK_ENTRIES >= VMSIM__PT_LEVELS, "room for every level");

/* As a program would, and without a trace. */
static unsigned walk_mode(enum vmsim_access_type type) {
    const unsigned probe = VMSIM__WALK_USER | VMSIM__WALK_PROBE;
    if (type == VMSIM_STORE || type == VMSIM_RMW)
        return probe | VMSIM__WALK_WRITE;
    return type == VMSIM_FETCH ? probe | VMSIM__WALK_FETCH : probe;
}

/* The entries that the walk has read: it began at the top, a level each. */
static void take_entries(const struct vmsim__pt_format *f, const struct vmsim__walk *w, struct vmsim_translation *out) {
    VMSIM__ASSERT(w->refs <= f->levels && w->refs <= VMSIM_WALK_ENTRIES);
    out->entries = w->refs;
    for (uint32_t i = 0; i < w->refs; i++) {
        const uint32_t level = f->levels - 1u - i;
        const unsigned char *at = w->table_host[level];
        at += w->ref[i] - (w->table[level] << f->page_shift);
        out->entry[i] = (struct vmsim_walk_entry){.address = w->ref[i], .level = level, .bytes = f->entry_bytes};
        out->entry[i].value = f->entry_bytes == 8 ? *(const uint64_t *)at : *(const uint32_t *)at;
    }
}

/* The level of the TLB that holds it, where the task's address space is loaded. */
static uint32_t tlb_level(const struct vmsim_machine *m, const struct vmsim__task *t, uint64_t va, bool fetch) {
    const struct vmsim__cpu *c = &m->cpus[t->cpu];
    return c->mm == t->mm ? vmsim__tlb_probe(c->tlb, c->asid, va, fetch, NULL) : 0;
}

/* What the page table says now; a TLB may still say something else, which is told beside it. */
static void translate(struct vmsim_machine *m, const struct vmsim__task *t, uint64_t va, enum vmsim_access_type type,
                      struct vmsim_translation *out) {
    struct vmsim__walk w = {0};
    const struct vmsim__pt_format *f = t->mm->pt.format;
    const bool found = vmsim__mmu_walk(&t->mm->pt, va, walk_mode(type), &w);
    *out = (struct vmsim_translation){.node = UINT32_MAX};
    take_entries(f, &w, out);
    out->tlb_level = tlb_level(m, t, va, type == VMSIM_FETCH);
    if (!found) {
        const unsigned mode = walk_mode(type);
        out->fault = vmsim__fault_name((enum vmsim__fault)w.fault);
        out->fault_code = vmsim__fault_code(f, (enum vmsim__fault)w.fault, w.level, mode & VMSIM__WALK_WRITE,
                                            mode & VMSIM__WALK_FETCH, true);
        return;
    }
    const struct vmsim__zone *zone = vmsim__mem_zone_of(m->mem, (vmsim__pfn)(w.pa >> f->page_shift));
    out->physical = w.pa;
    out->page_size = UINT64_C(1) << w.page_shift;
    out->flags = w.flags & (VMSIM_MMU_READ | VMSIM_MMU_WRITE | VMSIM_MMU_EXEC | VMSIM_MMU_USER | VMSIM_MMU_GLOBAL |
                            VMSIM_MMU_ACCESSED | VMSIM_MMU_DIRTY | VMSIM_MMU_CONTIG);
    out->node = zone ? zone->node : UINT32_MAX;
    VMSIM__ASSERT(out->page_size >> f->page_shift && !((out->physical ^ va) & ((UINT64_C(1) << f->page_shift) - 1)));
}

/* As much of the struct as the caller was compiled with. */
int vmsim_task_translate(struct vmsim_machine *m, uint32_t task, uint64_t address, enum vmsim_access_type type,
                         struct vmsim_translation *translation, size_t size) {
    if (!m || !translation || !size)
        return VMSIM_EINVAL;
    const struct vmsim__task *t = vmsim__task_get(m, task);
    if (!t)
        return VMSIM_EINVAL;
    struct vmsim_translation whole;
    translate(m, t, address, type, &whole);
    memcpy(translation, &whole, size < sizeof whole ? size : sizeof whole);
    return 0;
}

/* What counts references, before and after one. */
struct counted {
    uint64_t hits[VMSIM__TLB_LEVELS], walks, cycles, minor, major;
};

/* All of these only grow: what one reference added is a difference. */
static struct counted count(const struct vmsim_machine *m, const struct vmsim__task *t) {
    const struct vmsim__tlb *tlb = m->cpus[t->cpu].tlb;
    struct counted n = {.walks = vmsim__tlb_counted(tlb, VMSIM__TLB_walks),
                        .cycles = vmsim__tlb_cycles(tlb),
                        .minor = t->stats.min_flt,
                        .major = t->stats.maj_flt};
    vmsim__tlb_hits_by_level(tlb, n.hits);
    return n;
}

/* Adds one step of the reference. The slowest level that answered is what it waited for. */
static void add(struct vmsim_access_detail *d, const struct counted *from, const struct counted *to) {
    VMSIM__ASSERT(to->walks >= from->walks && to->cycles >= from->cycles);
    d->walks += (uint32_t)(to->walks - from->walks);
    d->cycles += (uint32_t)(to->cycles - from->cycles);
    d->minor_faults += (uint32_t)(to->minor - from->minor);
    d->major_faults += (uint32_t)(to->major - from->major);
    for (uint32_t level = 0; level < VMSIM__TLB_LEVELS; level++)
        if (to->hits[level] > from->hits[level] && level + 1 > d->tlb_level)
            d->tlb_level = level + 1;
}

/* Recording switches the fast path off for the one reference: entries that a walk reads are told where they are
 * read. */
enum vmsim__work vmsim__machine_access_detailed(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a,
                                                size_t n, uint64_t *physical, struct vmsim_access_result *r,
                                                struct vmsim_access_detail *detail) {
    VMSIM__ASSERT(n <= 1);
    const unsigned cpu = t->cpu;
    struct vmsim__tlb_record record = {detail->entries, VMSIM_DETAIL_ENTRIES, detail->entry};
    const struct counted before = count(m, t);
    vmsim__tlb_set_record(m->cpus[cpu].tlb, &record);
    const enum vmsim__work how = vmsim__machine_access(m, t, a, n, physical, r);
    vmsim__tlb_set_record(m->cpus[cpu].tlb, NULL);
    const struct counted after = count(m, t);
    VMSIM__ASSERT(t->cpu == cpu && record.entries >= detail->entries);
    detail->entries = record.entries;
    add(detail, &before, &after);
    return how;
}

/* The page's size is asked afterwards, as the reference may have changed it. */
static int access_one(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a,
                      struct vmsim_access_detail *d, struct vmsim_access_result *r) {
    const uint64_t user = t->stats.user_ns;
    const int err = vmsim__task_access(m, t, a, 1, &d->physical, r, d);
    VMSIM__ASSERT(r->ns >= t->stats.user_ns - user);
    d->ns = r->ns;
    d->fault_ns = r->ns - (t->stats.user_ns - user);
    d->tlb_level = d->walks ? 0 : d->tlb_level;
    if (!err && r->done && t->state != VMSIM__TASK_DEAD) {
        struct vmsim__walk w = {0};
        if (vmsim__mmu_walk(&t->mm->pt, vmsim_access_va(*a), VMSIM__WALK_USER | VMSIM__WALK_PROBE, &w))
            d->page_size = UINT64_C(1) << w.page_shift;
    }
    return err;
}

/* Reference by reference, as batches would tell only sums. It ends at the first that is not done. */
int vmsim_task_access_detailed(struct vmsim_machine *m, uint32_t task, const vmsim_access *a, size_t count,
                               struct vmsim_access_detail *details, size_t size, struct vmsim_access_result *result) {
    if (!m)
        return VMSIM_EINVAL;
    struct vmsim__task *t = vmsim__task_at(m, task);
    if (!t || !result || (count && (!a || !details || !size)))
        return vmsim__err_set(&m->err, VMSIM_EINVAL,
                              t ? "no result, no references or no details given" : "there is no task %u", task);
    struct vmsim_access_result all = {.stop = t->state == VMSIM__TASK_DEAD ? VMSIM_STOP_DEAD : VMSIM_STOP_NONE};
    int err = 0;
    while (!err && !all.stop && all.done < count) {
        struct vmsim_access_detail d = {0};
        struct vmsim_access_result one = {0};
        err = access_one(m, t, &a[all.done], &d, &one);
        if (one.done)
            memcpy((char *)details + all.done * size, &d, size < sizeof d ? size : sizeof d);
        one.done += all.done;
        one.ns += all.ns;
        all = one;
    }
    *result = all;
    return err;
}
