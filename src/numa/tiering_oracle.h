/* SPDX-License-Identifier: MIT */
/* Tiering "oracle": what fast memory could hold if the future were known. A bound to compare policies with; no kernel
 * has it.
 *
 *     references   |------- period -------|------- period -------|
 *     first run      a  b  a    c    a       those that miss the TLB are noted, by page
 *     second run   ^ before each period: the pages that it uses most go to the fast tier, as many as it has room for,
 * and others make room; that takes no time
 *
 * References that miss are the ones that wait for memory (tlb/tlb_memory.h): no other choice of pages, made as often,
 * lets fewer of them wait for slow memory. Pages that come in the middle of a period lie where the kernel puts them,
 * until it is over. Kernel counterpart: none. */
#ifndef VMSIM__TIERING_ORACLE_H
#define VMSIM__TIERING_ORACLE_H
#include "zones/zones.h"

struct vmsim__numa;
struct vmsim__vm;
struct vmsim__lru;
struct vmsim_tiering_policy;

extern const struct vmsim_tiering_policy vmsim__tiering_oracle_policy;

/* What is known of a page's uses in the period that begins, and after it. */
struct vmsim__tiering_uses {
    uint64_t uses, next; /* next: when it is used after the period, as a number that grows; UINT64_MAX: never */
};
/* What is known of a run: struct vmsim__reclaim_future, which lies in a folder beside this one. */
struct vmsim__tiering_future {
    void *known;
    /* It is being recorded: a period begins; the page in the frame is referred to. */
    void (*mark)(void *known);
    void (*use)(void *known, const struct vmsim__frame *f);
    /* It is known. Periods count from 0. */
    struct vmsim__tiering_uses (*uses)(void *known, const struct vmsim__frame *f, uint64_t period);
    bool recording;
};

/* Of a machine. Another policy decides: all zero. */
struct vmsim__tiering_oracle {
    struct vmsim__tiering_future future;
    uint32_t *read;               /* frames of the references that the running batch made; NULL: another decides */
    uint64_t length, left, began; /* of a period, in references; of the one at hand; how many have begun */
    uint64_t late;                /* references that were made since the last one ended */
};

/* References of a batch, at most: what `read` has room for. */
#define VMSIM__ORACLE_READS 2048u

/* Does the chosen policy ask for one? */
bool vmsim__oracle_wanted(const struct vmsim__numa *n);
/* From now on references are recorded, or pages are moved by what was. False: no host memory. */
bool vmsim__oracle_begin(struct vmsim__numa *n, const struct vmsim__tiering_future *future);
void vmsim__oracle_end(struct vmsim__numa *n);
/* How many of `n` references may be made before vmsim__oracle_reads is called. */
static inline uint64_t vmsim__oracle_batch(const struct vmsim__tiering_oracle *o, uint64_t n) {
    const uint64_t most = vmsim__min64(n, VMSIM__ORACLE_READS);
    return o->left ? vmsim__min64(most, o->left) : most;
}
/* A batch was made; the frames in `read` were referred to by those of it that missed, in this order. */
void vmsim__oracle_reads(struct vmsim__numa *n, uint64_t references, uint32_t frames);
/* Does a period begin, and is it known? */
static inline bool vmsim__oracle_due(const struct vmsim__tiering_oracle *o) {
    return o->read && !o->future.recording && !o->left;
}
/* Moves pages for the next period. What that costs is charged as any migration's. */
void vmsim__oracle_move(struct vmsim__numa *n, struct vmsim__vm *vm, struct vmsim__lru *lru, unsigned cpu);

#endif
