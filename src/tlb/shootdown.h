/* SPDX-License-Identifier: MIT */
/* The operating system's half of TLB coherence: which address space owns which ASID on which CPU, and who must forget
 * what.
 *
 *     mm: ctx_id, tlb_gen ----+          CPU: loaded mm, lazy?,   slot 0: ctx_id, tlb_gen --> ASID 1
 *     (gen ++ at each flush)  +------->                           slot 1: ctx_id, tlb_gen --> ASID 2 ... 6
 *
 * A CPU is up to date with an mm when the slot's generation equals the mm's. A flush reaches CPUs in the mm's mask that
 * have it loaded and are not lazy; a lazy or absent CPU sees the newer generation when it comes back and flushes then.
 * Being exactly one generation behind allows a partial flush, else everything of the ASID goes. Architectural ASIDs
 * (arm64, RISC-V) belong to the mm on all CPUs and are handed out by generations. Kernel counterparts:
 * arch/x86/mm/tlb.c, arch/arm64/mm/context.c. */
#ifndef VMSIM__SHOOTDOWN_H
#define VMSIM__SHOOTDOWN_H
#include "tlb/tlb.h"

#define VMSIM__TLB_CPUS 1024 /* most CPUs of a machine */

struct vmsim__cpumask {
    uint64_t word[VMSIM__TLB_CPUS / 64];
};

/* Embedded in an address space (mm_context_t). */
struct vmsim__tlb_mm {
    uint64_t ctx_id;            /* never used twice in a machine */
    uint64_t tlb_gen;           /* flushes ever asked for */
    uint64_t asid;              /* architectural: generation << 16 | ASID; 0: none yet */
    struct vmsim__cpumask cpus; /* may hold translations (mm_cpumask) */
    const struct vmsim__pagetable *pt;
    struct vmsim__tlb_mm *next, *prev; /* all of a machine, in order of creation */
};

struct vmsim__tlb_system; /* all CPUs of a machine */

int vmsim__tlb_system_create(struct vmsim__tlb_system **out, struct vmsim__alloc *a, const struct vmsim__tlb_spec *spec,
                             const struct vmsim__pt_format *f, unsigned cpus, struct vmsim__policy_registry *policies,
                             uint64_t seed, struct vmsim__err *err);
void vmsim__tlb_system_destroy(struct vmsim__tlb_system *s);
struct vmsim__tlb *vmsim__tlb_cpu(const struct vmsim__tlb_system *s, unsigned cpu);

/* `pt` stays the caller's and must live as long as the mm; the mm must not move. */
void vmsim__tlb_mm_init(struct vmsim__tlb_system *s, struct vmsim__tlb_mm *mm, const struct vmsim__pagetable *pt);
/* The mm is gone: no CPU has it loaded any more (lazy ones are switched away). */
void vmsim__tlb_mm_fini(struct vmsim__tlb_system *s, struct vmsim__tlb_mm *mm);

/* switch_mm: makes `mm` the CPU's, flushes what the new ASID must not hold, returns the ASID to run with. Calling it
 * for the mm already loaded ends lazy mode (and catches up with flushes). Costs go to the CPU's time. */
uint16_t vmsim__tlb_switch(struct vmsim__tlb_system *s, unsigned cpu, struct vmsim__tlb_mm *mm);
/* The CPU idles or runs a kernel thread on the mm it has loaded (enter_lazy_tlb). */
void vmsim__tlb_enter_lazy(struct vmsim__tlb_system *s, unsigned cpu);
/* Its mm now, or NULL. */
struct vmsim__tlb_mm *vmsim__tlb_loaded(const struct vmsim__tlb_system *s, unsigned cpu);

/* flush_tlb_mm_range: [start, end) in strides of 1 << stride_shift bytes; end UINT64_MAX: everything of the mm.
 * freed_tables: page tables go, so lazy CPUs are interrupted, too. Returns when no CPU can use what was unmapped. The
 * initiator's cost goes to its CPU's time, that of interrupted CPUs to theirs; the return value is the initiator's, in
 * ns. */
uint64_t vmsim__tlb_flush_mm(struct vmsim__tlb_system *s, unsigned cpu, struct vmsim__tlb_mm *mm, uint64_t start,
                             uint64_t end, unsigned stride_shift, bool freed_tables);
/* flush_tlb_kernel_range: global mappings, all CPUs. */
uint64_t vmsim__tlb_flush_kernel(struct vmsim__tlb_system *s, unsigned cpu, uint64_t start, uint64_t end);

/* Deferred flush of reclaim (struct tlbflush_unmap_batch): pages of any address spaces unmapped, one flush for all.
 * Between add and flush the pages may still be reached through TLBs, so they must not be reused. */
struct vmsim__tlb_batch {
    struct vmsim__cpumask cpus;
    bool pending;
};
/* False, and nothing noted: no other CPU than this one has to forget, or the processor forgets without interrupts, so
 * the page is to be flushed by itself. */
bool vmsim__tlb_batch_add(const struct vmsim__tlb_system *s, struct vmsim__tlb_batch *b, struct vmsim__tlb_mm *mm,
                          unsigned cpu);
uint64_t vmsim__tlb_batch_flush(struct vmsim__tlb_system *s, unsigned cpu, struct vmsim__tlb_batch *b); /* as above */

/* vmsim__tlb_check of every CPU, for every entry that could be used: of loaded address spaces and of slots whose
 * generation is current. `kernel` holds the global mappings (NULL: global entries are not looked at). */
int vmsim__tlb_system_check(const struct vmsim__tlb_system *s, const struct vmsim__pagetable *kernel,
                            struct vmsim__err *err);

#endif
