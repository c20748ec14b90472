/* SPDX-License-Identifier: MIT */
/* Who owns which ASID, and flushes over all CPUs: see tlb/shootdown.h for the picture.
 *
 * Dynamic ASIDs: slot i of a CPU is ASID i + 1; ASID 0 is never used (Linux keeps it for boot). A new address space
 * takes an empty slot, else the next one in turn, whose old entries go. Without ASIDs there is one slot, and every
 * change of address space flushes all but global entries.
 *
 * Architectural ASIDs: number n of generation g. When all are given out, g grows, every CPU has to flush everything
 * before it runs anything of the new generation, and address spaces that are loaded at that moment keep their numbers
 * (arm64's reserved ASIDs). */
#include "tlb/shootdown.h"

#include <string.h>

#include "base/util.h"

#define SLOTS 16
#define GENERATION_SHIFT 16

struct slot {
    uint64_t ctx_id, tlb_gen; /* ctx_id 0: free */
};

struct cpu {
    struct vmsim__tlb *tlb;
    struct vmsim__tlb_mm *mm; /* loaded */
    bool lazy, flush_pending; /* flush_pending: a new ASID generation has begun */
    uint16_t asid;            /* of mm */
    unsigned slot, next_slot; /* of mm; next to be recycled */
    struct slot slots[SLOTS];
};

struct vmsim__tlb_system {
    struct vmsim__alloc *alloc;
    struct vmsim__asid_spec asid;
    struct vmsim__shootdown_spec cost;
    unsigned cpus, slots;
    uint64_t next_ctx;
    struct vmsim__tlb_mm *first, *last;
    uint64_t generation, asids; /* architectural: numbers of a generation are 1 .. asids - 1 */
    uint64_t *used;             /* bitmap of them */
    uint64_t next_asid;
    struct cpu cpu[];
};

static size_t system_bytes(unsigned cpus) {
    return sizeof(struct vmsim__tlb_system) + cpus * sizeof(struct cpu);
}

static size_t bitmap_bytes(uint64_t asids) {
    return (size_t)((asids + 63) / 64) * sizeof(uint64_t);
}

static void mask_set(struct vmsim__cpumask *m, unsigned cpu) {
    VMSIM__ASSERT(cpu < VMSIM__TLB_CPUS);
    m->word[cpu / 64] |= UINT64_C(1) << cpu % 64;
}
static void mask_clear(struct vmsim__cpumask *m, unsigned cpu) {
    VMSIM__ASSERT(cpu < VMSIM__TLB_CPUS);
    m->word[cpu / 64] &= ~(UINT64_C(1) << cpu % 64);
}
static bool mask_test(const struct vmsim__cpumask *m, unsigned cpu) {
    VMSIM__ASSERT(cpu < VMSIM__TLB_CPUS);
    return m->word[cpu / 64] >> cpu % 64 & 1;
}

/* With numbers for the whole machine there have to be more than CPUs: each keeps the one that it runs with over a
 * new generation. */
static int choose_asids(struct vmsim__tlb_system *s, const struct vmsim__asid_spec *spec, struct vmsim__err *err) {
    s->asid = *spec;
    s->slots = 1;
    if (spec->bits > 16 || spec->dynamic > SLOTS || (spec->mode != VMSIM__ASID_NONE && !spec->bits))
        return vmsim__err_set(
            err, VMSIM_EINVAL,
            "tlb.asid.bits: a tag has 1 to 16 bits, a CPU 1 to %d dynamic numbers (without tags: mode: "
            "none)",
            SLOTS);
    if (spec->mode == VMSIM__ASID_DYNAMIC)
        s->slots = (unsigned)vmsim__max64(1, vmsim__min64(spec->dynamic, (UINT64_C(1) << spec->bits) - 1));
    if (spec->mode != VMSIM__ASID_ARCHITECTURAL)
        return 0;
    s->asids = vmsim__min64(UINT64_C(1) << spec->bits, VMSIM__ASID_GLOBAL);
    if (s->asids - 1 < s->cpus)
        return vmsim__err_set(
            err, VMSIM_EINVAL,
            "tlb.asid.bits: %llu bits number %llu address spaces at a time, and %u CPUs run as many: give "
            "more bits (arm64 has 8 or 16), or mode: none",
            (unsigned long long)spec->bits, (unsigned long long)s->asids - 1, s->cpus);
    s->generation = 1;
    s->next_asid = 1;
    s->used = vmsim__calloc(s->alloc, 1, bitmap_bytes(s->asids));
    return s->used ? 0 : vmsim__err_set(err, VMSIM_ENOMEM, "no memory for ASIDs");
}

int vmsim__tlb_system_create(struct vmsim__tlb_system **out, struct vmsim__alloc *a, const struct vmsim__tlb_spec *spec,
                             const struct vmsim__pt_format *f, unsigned cpus, struct vmsim__policy_registry *policies,
                             uint64_t seed, struct vmsim__err *err) {
    *out = NULL;
    if (!cpus || cpus > VMSIM__TLB_CPUS)
        return vmsim__err_set(err, VMSIM_EINVAL, "%u CPUs; 1 to %d can be", cpus, VMSIM__TLB_CPUS);
    struct vmsim__tlb_system *s = vmsim__calloc(a, 1, system_bytes(cpus));
    if (!s)
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for the TLBs of %u CPUs", cpus);
    s->alloc = a;
    s->cpus = cpus;
    s->cost = spec->shootdown;
    s->next_ctx = 1;
    int e = choose_asids(s, &spec->asid, err);
    for (unsigned cpu = 0; cpu < cpus && !e; cpu++)
        e = vmsim__tlb_create(&s->cpu[cpu].tlb, a, spec, f, policies, seed, cpu, err);
    if (e) {
        vmsim__tlb_system_destroy(s);
        return e;
    }
    *out = s;
    return 0;
}

void vmsim__tlb_system_destroy(struct vmsim__tlb_system *s) {
    if (!s)
        return;
    for (unsigned cpu = 0; cpu < s->cpus; cpu++)
        vmsim__tlb_destroy(s->cpu[cpu].tlb);
    if (s->used)
        vmsim__free(s->alloc, s->used, bitmap_bytes(s->asids));
    vmsim__free(s->alloc, s, system_bytes(s->cpus));
}

struct vmsim__tlb *vmsim__tlb_cpu(const struct vmsim__tlb_system *s, unsigned cpu) {
    VMSIM__ASSERT(cpu < s->cpus);
    return s->cpu[cpu].tlb;
}

struct vmsim__tlb_mm *vmsim__tlb_loaded(const struct vmsim__tlb_system *s, unsigned cpu) {
    VMSIM__ASSERT(cpu < s->cpus);
    return s->cpu[cpu].mm;
}

void vmsim__tlb_mm_init(struct vmsim__tlb_system *s, struct vmsim__tlb_mm *mm, const struct vmsim__pagetable *pt) {
    *mm = (struct vmsim__tlb_mm){.ctx_id = s->next_ctx++, .tlb_gen = 1, .pt = pt, .prev = s->last};
    if (s->last)
        s->last->next = mm;
    else
        s->first = mm;
    s->last = mm;
}

/* --- Flushing one CPU ------------------------------------------------------------------------------------------------
 */

/* Kernel: flush_tlb_local; without ASIDs a write of CR3 spares global entries only. */
static void flush_context(struct vmsim__tlb_system *s, struct cpu *c, uint16_t asid) {
    VMSIM__ASSERT(asid != VMSIM__ASID_GLOBAL);
    if (s->asid.mode == VMSIM__ASID_NONE)
        vmsim__tlb_flush_nonglobal(c->tlb);
    else
        vmsim__tlb_flush_asid(c->tlb, asid);
    vmsim__tlb_count_ns(c->tlb, VMSIM__TLB_local_flush_all, 1, s->cost.flush_all);
}

/* Kernel: destroy_context. Entries are flushed here rather than by generation: the context id will never come back,
 * but the slot or number may be given away at once. */
void vmsim__tlb_mm_fini(struct vmsim__tlb_system *s, struct vmsim__tlb_mm *mm) {
    VMSIM__ASSERT((mm->prev ? mm->prev->next : s->first) == mm);
    for (unsigned cpu = 0; cpu < s->cpus; cpu++) {
        struct cpu *c = &s->cpu[cpu];
        if (mask_test(&mm->cpus, cpu) && s->used && mm->asid >> GENERATION_SHIFT == s->generation)
            vmsim__tlb_flush_asid(c->tlb, (uint16_t)mm->asid); /* its number may be given again */
        for (unsigned i = 0; i < s->slots; i++)
            if (c->slots[i].ctx_id == mm->ctx_id && s->asid.mode != VMSIM__ASID_ARCHITECTURAL) {
                flush_context(s, c, (uint16_t)(i + 1));
                c->slots[i] = (struct slot){0};
            }
        if (c->mm == mm) {
            c->mm = NULL;
            c->lazy = false;
        }
    }
    if (s->used && mm->asid && mm->asid >> GENERATION_SHIFT == s->generation) {
        uint64_t n = mm->asid & (VMSIM__ASID_GLOBAL);
        s->used[n / 64] &= ~(UINT64_C(1) << n % 64);
    }
    *(mm->prev ? &mm->prev->next : &s->first) = mm->next;
    *(mm->next ? &mm->next->prev : &s->last) = mm->prev;
    mm->next = mm->prev = NULL;
}

/* --- Switching -------------------------------------------------------------------------------------------------------
 */

/* Slot of the mm on this CPU: its own, an empty one, or the next in turn. *fresh: it held something else. Kernel:
 * choose_new_asid. */
static unsigned choose_slot(struct vmsim__tlb_system *s, struct cpu *c, const struct vmsim__tlb_mm *mm, bool *fresh) {
    VMSIM__ASSERT(s->slots > 0 && s->slots <= SLOTS);
    *fresh = false;
    for (unsigned i = 0; i < s->slots; i++)
        if (c->slots[i].ctx_id == mm->ctx_id)
            return i;
    *fresh = true;
    for (unsigned i = 0; i < s->slots; i++)
        if (!c->slots[i].ctx_id)
            return i;
    unsigned i = c->next_slot;
    c->next_slot = (i + 1) % s->slots;
    return i;
}

/* Kernel: switch_mm_irqs_off. */
static uint16_t switch_slots(struct vmsim__tlb_system *s, struct cpu *c, const struct vmsim__tlb_mm *mm) {
    VMSIM__ASSERT(mm->ctx_id && mm->tlb_gen);
    bool fresh;
    unsigned i = choose_slot(s, c, mm, &fresh);
    struct slot *slot = &c->slots[i];
    if (fresh) {
        if (slot->ctx_id) {
            vmsim__tlb_count(c->tlb, VMSIM__TLB_asid_recycled, 1);
            flush_context(s, c, (uint16_t)(i + 1));
        }
        slot->ctx_id = mm->ctx_id;
    } else if (slot->tlb_gen != mm->tlb_gen) {
        flush_context(s, c, (uint16_t)(i + 1));
    } else {
        vmsim__tlb_count(c->tlb, VMSIM__TLB_asid_reused, 1);
    }
    slot->tlb_gen = mm->tlb_gen;
    c->slot = i;
    return (uint16_t)(i + 1);
}

static bool take_number(struct vmsim__tlb_system *s, uint64_t n) {
    VMSIM__ASSERT(n > 0 && n < s->asids);
    bool was = s->used[n / 64] >> n % 64 & 1;
    s->used[n / 64] |= UINT64_C(1) << n % 64;
    return !was;
}

/* The number of the mm in the present generation; a new one if it has none. Kernel: new_context of arm64. */
static uint64_t give_number(struct vmsim__tlb_system *s) {
    for (uint64_t tried = 1; tried < s->asids; tried++) {
        uint64_t n = s->next_asid;
        s->next_asid = n + 1 < s->asids ? n + 1 : 1;
        if (take_number(s, n))
            return n;
    }
    return 0;
}

/* Kernel: flush_context of arm64, with its reserved ASIDs: what is loaded now keeps its number, since those CPUs
 * cannot be stopped to load another. */
static void new_generation(struct vmsim__tlb_system *s) {
    VMSIM__ASSERT(s->asids > 1);
    s->generation++;
    memset(s->used, 0, bitmap_bytes(s->asids));
    for (unsigned cpu = 0; cpu < s->cpus; cpu++) {
        struct cpu *c = &s->cpu[cpu];
        c->flush_pending = true;
        if (!c->mm)
            continue;
        c->mm->asid = s->generation << GENERATION_SHIFT | (uint16_t)c->mm->asid;
        take_number(s, (uint16_t)c->mm->asid);
    }
}

/* A new generation makes all numbers free but those in use, and every CPU flush once before it uses one: cheaper
 * than to flush at each reuse. Kernel: new_context, check_and_switch_context. */
static uint16_t switch_number(struct vmsim__tlb_system *s, struct cpu *c, struct vmsim__tlb_mm *mm) {
    VMSIM__ASSERT(s->used);
    if (mm->asid >> GENERATION_SHIFT != s->generation) {
        uint64_t n = give_number(s);
        if (!n) {
            c->mm = NULL; /* what this CPU leaves need not keep its number */
            new_generation(s);
            n = mm->asid >> GENERATION_SHIFT == s->generation ? (uint16_t)mm->asid : give_number(s);
        }
        VMSIM__ASSERT(n); /* no fewer numbers than CPUs: choose_asids */
        mm->asid = s->generation << GENERATION_SHIFT | n;
    } else {
        vmsim__tlb_count(c->tlb, VMSIM__TLB_asid_reused, 1);
    }
    if (c->flush_pending) {
        c->flush_pending = false;
        vmsim__tlb_flush_nonglobal(c->tlb);
        vmsim__tlb_count(c->tlb, VMSIM__TLB_asid_rollovers, 1);
        vmsim__tlb_add_ns(c->tlb, s->cost.flush_all);
    }
    return (uint16_t)mm->asid;
}

/* Back from lazy mode on the same mm: what was flushed meanwhile. */
static void catch_up(struct vmsim__tlb_system *s, struct cpu *c) {
    VMSIM__ASSERT(c->mm);
    c->lazy = false;
    if (s->asid.mode == VMSIM__ASID_ARCHITECTURAL) {
        c->asid = switch_number(s, c, c->mm);
    } else if (c->slots[c->slot].tlb_gen != c->mm->tlb_gen) {
        flush_context(s, c, c->asid);
        c->slots[c->slot].tlb_gen = c->mm->tlb_gen;
    }
}

/* Back to the address space that is loaded already costs nothing but what the CPU missed meanwhile: that is what
 * lazy mode is for. */
uint16_t vmsim__tlb_switch(struct vmsim__tlb_system *s, unsigned cpu, struct vmsim__tlb_mm *mm) {
    VMSIM__ASSERT(cpu < s->cpus && mm && mm->pt);
    struct cpu *c = &s->cpu[cpu];
    if (c->mm == mm) {
        if (c->lazy || c->flush_pending)
            catch_up(s, c);
        return c->asid;
    }
    vmsim__tlb_count(c->tlb, VMSIM__TLB_switches, 1);
    /* x86 leaves the mask of the mm it came from; entries of its slot are caught up by generation. A broadcast reaches
     * all. */
    if (c->mm && s->asid.mode != VMSIM__ASID_ARCHITECTURAL)
        mask_clear(&c->mm->cpus, cpu);
    c->asid = s->asid.mode == VMSIM__ASID_ARCHITECTURAL ? switch_number(s, c, mm) : switch_slots(s, c, mm);
    c->mm = mm;
    c->lazy = false;
    mask_set(&mm->cpus, cpu);
    return c->asid;
}

void vmsim__tlb_enter_lazy(struct vmsim__tlb_system *s, unsigned cpu) {
    VMSIM__ASSERT(cpu < s->cpus);
    if (s->asid.mode != VMSIM__ASID_ARCHITECTURAL && s->cpu[cpu].mm)
        s->cpu[cpu].lazy = true;
}

/* --- Shootdowns ------------------------------------------------------------------------------------------------------
 */

struct flush {
    struct vmsim__tlb_mm *mm;
    uint64_t start, end; /* end UINT64_MAX: everything */
    unsigned stride_shift;
    uint64_t gen;
    uint64_t pages, ns; /* of a range: strides, and what they cost */
};

static uint64_t strides(uint64_t start, uint64_t end, unsigned shift) {
    VMSIM__ASSERT(shift < 64);
    uint64_t first = start >> shift, last = (end - 1) >> shift;
    return end > start ? last - first + 1 : 0;
}

/* What the kernel does on a CPU that has the mm loaded; returns its cost. Kernel: flush_tlb_func. More than one
 * generation behind means that another flush was missed, of which only the fact is known. */
VMSIM__INLINE uint64_t flush_loaded(struct vmsim__tlb_system *s, struct cpu *c, const struct flush *f) {
    VMSIM__ASSERT(c->mm == f->mm);
    struct slot *slot = &c->slots[c->slot];
    if (slot->tlb_gen == f->mm->tlb_gen)
        return 0;
    if (f->end != UINT64_MAX && slot->tlb_gen + 1 == f->gen && f->gen == f->mm->tlb_gen) {
        vmsim__tlb_flush_range(c->tlb, c->asid, f->start, f->end, f->stride_shift);
        vmsim__tlb_count_ns(c->tlb, VMSIM__TLB_local_flush_one, f->pages, f->ns);
        slot->tlb_gen = f->gen;
        return f->ns;
    }
    flush_context(s, c, c->asid);
    slot->tlb_gen = f->mm->tlb_gen;
    return s->cost.flush_all;
}

/* One interrupt goes out to all targets; each further one lengthens the wait for the last answer. */
static uint64_t ipi_cost(const struct vmsim__tlb_system *s, struct cpu *from, unsigned targets) {
    VMSIM__ASSERT(targets < s->cpus);
    if (!targets)
        return 0;
    uint64_t ns = s->cost.ipi + (targets - 1) * s->cost.ipi_each;
    vmsim__tlb_count_ns(from->tlb, VMSIM__TLB_ipi_sent, 1, ns);
    return ns;
}

static void ipi_arrives(const struct vmsim__tlb_system *s, struct cpu *c) {
    vmsim__tlb_count_ns(c->tlb, VMSIM__TLB_ipi_received, 1, s->cost.ipi_receive);
}

static bool is_target(const struct vmsim__tlb_system *s, unsigned cpu, const struct flush *f) {
    return s->cpu[cpu].mm == f->mm && mask_test(&f->mm->cpus, cpu);
}

/* The hardware of hundreds of CPUs lies far apart in the host's memory: that of this many further is fetched while one
 * is looked at. */
#define AHEAD 5u

/* Kernel: flush_tlb_multi. Tables that go away interrupt lazy CPUs as well, since a speculative walk of theirs may
 * still read them. */
static uint64_t flush_by_ipi(struct vmsim__tlb_system *s, unsigned cpu, const struct flush *f, bool freed_tables) {
    VMSIM__ASSERT(cpu < s->cpus && s->asid.mode != VMSIM__ASID_ARCHITECTURAL);
    unsigned targets = 0;
    uint64_t ns = 0;
    for (unsigned i = 0; i < s->cpus; i++) {
        struct cpu *c = &s->cpu[i];
        if (i + AHEAD < s->cpus && mask_test(&f->mm->cpus, i + AHEAD))
            vmsim__tlb_expect_flush(s->cpu[i + AHEAD].tlb);
        if (!is_target(s, i, f))
            continue;
        if (i == cpu) {
            if (!c->lazy || freed_tables)
                ns += flush_loaded(s, c, f);
        } else if (c->lazy && !freed_tables) {
            vmsim__tlb_count(c->tlb, VMSIM__TLB_lazy_skipped, 1);
        } else {
            targets++;
            ipi_arrives(s, c);
            flush_loaded(s, c, f);
        }
    }
    return ns + ipi_cost(s, &s->cpu[cpu], targets);
}

/* TLBI ..IS: every CPU's hardware forgets, whether it runs the mm or not; the initiator waits for its own instructions.
 */
static uint64_t flush_by_broadcast(struct vmsim__tlb_system *s, unsigned cpu, const struct flush *f) {
    uint16_t asid = (uint16_t)f->mm->asid;
    uint64_t n = f->end == UINT64_MAX ? 1 : strides(f->start, f->end, f->stride_shift);
    uint64_t ns = n * (f->end == UINT64_MAX ? s->cost.flush_all : s->cost.flush_one);
    for (unsigned i = 0; i < s->cpus; i++) {
        if (!mask_test(&f->mm->cpus, i))
            continue;
        if (f->end == UINT64_MAX)
            vmsim__tlb_flush_asid(s->cpu[i].tlb, asid);
        else
            vmsim__tlb_flush_range(s->cpu[i].tlb, asid, f->start, f->end, f->stride_shift);
    }
    vmsim__tlb_count(s->cpu[cpu].tlb, f->end == UINT64_MAX ? VMSIM__TLB_local_flush_all : VMSIM__TLB_local_flush_one,
                     n);
    vmsim__tlb_add_ns(s->cpu[cpu].tlb, ns);
    return ns;
}

/* Architectural ASIDs with interrupts (RISC-V): CPUs that ran the mm since it has its number forget it, lazy or not. */
static uint64_t flush_numbers(struct vmsim__tlb_system *s, unsigned cpu, const struct flush *f) {
    unsigned targets = 0;
    for (unsigned i = 0; i < s->cpus; i++)
        if (i != cpu && mask_test(&f->mm->cpus, i)) {
            targets++;
            ipi_arrives(s, &s->cpu[i]);
        }
    return flush_by_broadcast(s, cpu, f) + ipi_cost(s, &s->cpu[cpu], targets);
}

/* Kernel: flush_tlb_mm_range; above tlb_single_page_flush_ceiling (33 on x86) everything goes, which is cheaper than
 * that many instructions. */
uint64_t vmsim__tlb_flush_mm(struct vmsim__tlb_system *s, unsigned cpu, struct vmsim__tlb_mm *mm, uint64_t start,
                             uint64_t end, unsigned stride_shift, bool freed_tables) {
    VMSIM__ASSERT(cpu < s->cpus && start <= end);
    struct flush f = {mm, start, end, stride_shift, ++mm->tlb_gen, strides(start, end, stride_shift), 0};
    f.ns = f.pages * s->cost.flush_one;
    if (f.pages > s->cost.ceiling)
        f.end = UINT64_MAX;
    if (s->asid.mode != VMSIM__ASID_ARCHITECTURAL)
        return flush_by_ipi(s, cpu, &f, freed_tables);
    return s->cost.mode == VMSIM__SHOOTDOWN_BROADCAST ? flush_by_broadcast(s, cpu, &f) : flush_numbers(s, cpu, &f);
}

/* The kernel's half is every address space's: no mask says who could do without. Kernel: flush_tlb_kernel_range. */
uint64_t vmsim__tlb_flush_kernel(struct vmsim__tlb_system *s, unsigned cpu, uint64_t start, uint64_t end) {
    VMSIM__ASSERT(cpu < s->cpus && start <= end);
    unsigned shift = vmsim__tlb_page_shift(s->cpu[0].tlb);
    bool all = end == UINT64_MAX || strides(start, end, shift) > s->cost.ceiling;
    uint64_t n = all ? 1 : strides(start, end, shift), own = n * (all ? s->cost.flush_all : s->cost.flush_one);
    for (unsigned i = 0; i < s->cpus; i++) {
        struct cpu *c = &s->cpu[i];
        if (all)
            vmsim__tlb_flush_all(c->tlb);
        else
            vmsim__tlb_flush_range(c->tlb, c->asid, start, end, shift);
        if (i != cpu && s->cost.mode == VMSIM__SHOOTDOWN_IPI)
            ipi_arrives(s, c);
        if (i == cpu || s->cost.mode == VMSIM__SHOOTDOWN_IPI)
            vmsim__tlb_add_ns(c->tlb, own);
    }
    return own + (s->cost.mode == VMSIM__SHOOTDOWN_IPI ? ipi_cost(s, &s->cpu[cpu], s->cpus - 1) : 0);
}

/* Kernel: should_defer_flush, arch_tlbbatch_add_mm; of the architectures here x86 alone defers. */
bool vmsim__tlb_batch_add(const struct vmsim__tlb_system *s, struct vmsim__tlb_batch *b, struct vmsim__tlb_mm *mm,
                          unsigned cpu) {
    VMSIM__ASSERT(cpu < s->cpus);
    struct vmsim__cpumask others = mm->cpus;
    uint64_t any = 0;
    mask_clear(&others, cpu);
    for (unsigned i = 0; i < VMSIM__COUNT(others.word); i++)
        any |= others.word[i];
    if (!any || s->asid.mode == VMSIM__ASID_ARCHITECTURAL)
        return false;
    mm->tlb_gen++;
    for (unsigned i = 0; i < VMSIM__COUNT(b->cpus.word); i++)
        b->cpus.word[i] |= mm->cpus.word[i];
    b->pending = true;
    return true;
}

/* A batch does not know its address spaces: each CPU concerned flushes what it runs now; the rest is seen by
 * generation. */
static uint64_t flush_running(struct vmsim__tlb_system *s, struct cpu *c) {
    if (!c->mm || c->slots[c->slot].tlb_gen == c->mm->tlb_gen)
        return 0;
    c->slots[c->slot].tlb_gen = c->mm->tlb_gen;
    flush_context(s, c, c->asid);
    return s->cost.flush_all;
}

/* Kernel: arch_tlbbatch_flush. */
uint64_t vmsim__tlb_batch_flush(struct vmsim__tlb_system *s, unsigned cpu, struct vmsim__tlb_batch *b) {
    VMSIM__ASSERT(cpu < s->cpus && (!b->pending || s->asid.mode != VMSIM__ASID_ARCHITECTURAL));
    unsigned targets = 0;
    uint64_t ns = 0;
    if (!b->pending) /* reclaim asks before each write, and before it frees */
        return 0;
    for (unsigned i = 0; i < s->cpus; i++) {
        struct cpu *c = &s->cpu[i];
        if (!mask_test(&b->cpus, i))
            continue;
        if (c->lazy) {
            vmsim__tlb_count(c->tlb, VMSIM__TLB_lazy_skipped, 1);
            continue;
        }
        if (i != cpu) {
            targets++;
            ipi_arrives(s, c);
        }
        uint64_t own = flush_running(s, c);
        ns += i == cpu ? own : 0;
    }
    *b = (struct vmsim__tlb_batch){0};
    return ns + ipi_cost(s, &s->cpu[cpu], targets);
}

/* --- Checking --------------------------------------------------------------------------------------------------------
 */

struct resolve {
    const struct vmsim__tlb_system *s;
    const struct cpu *c;
    const struct vmsim__pagetable *kernel;
};

static const struct vmsim__tlb_mm *find_mm(const struct vmsim__tlb_system *s, uint64_t ctx_id) {
    const struct vmsim__tlb_mm *mm = s->first;
    while (mm && mm->ctx_id != ctx_id)
        mm = mm->next;
    return mm;
}

static const struct vmsim__pagetable *resolve_slot(const struct resolve *r, unsigned i) {
    VMSIM__ASSERT(i < SLOTS || i >= r->s->slots);
    const struct slot *slot = &r->c->slots[i];
    const struct vmsim__tlb_mm *mm = i < r->s->slots && slot->ctx_id ? find_mm(r->s, slot->ctx_id) : NULL;
    bool running = r->c->mm && r->c->mm == mm && !r->c->lazy;
    return mm && (running || slot->tlb_gen == mm->tlb_gen) ? mm->pt : NULL;
}

/* Numbers of an older generation belong to nobody: their entries wait for the flush that is pending, and are not
 * held against a table. */
static const struct vmsim__pagetable *resolve_asid(void *context, uint16_t asid) {
    const struct resolve *r = context;
    if (asid == VMSIM__ASID_GLOBAL)
        return r->kernel;
    if (r->s->asid.mode != VMSIM__ASID_ARCHITECTURAL)
        return asid ? resolve_slot(r, asid - 1u) : NULL;
    const struct vmsim__tlb_mm *mm = r->s->first;
    while (mm && (mm->asid >> GENERATION_SHIFT != r->s->generation || (uint16_t)mm->asid != asid))
        mm = mm->next;
    return mm && (!r->c->flush_pending || r->c->mm == mm) ? mm->pt : NULL;
}

int vmsim__tlb_system_check(const struct vmsim__tlb_system *s, const struct vmsim__pagetable *kernel,
                            struct vmsim__err *err) {
    for (unsigned cpu = 0; cpu < s->cpus; cpu++) {
        struct resolve r = {s, &s->cpu[cpu], kernel};
        int e = vmsim__tlb_check(s->cpu[cpu].tlb, resolve_asid, &r, err);
        if (e)
            return e;
    }
    return 0;
}
