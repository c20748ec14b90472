/* SPDX-License-Identifier: MIT */
/* Lists of recently used keys, a set each (see tlb_sets.h). */
#include "analysis/tlb_sets.h"

#include <string.h>

#include "base/util.h"

#define WAYS VMSIM__TLB_SETS_WAYS

/* Twice as many sets a level, each of WAYS keys; 0 is none, which is why keys are kept as tags, one more. */
static size_t bytes_of(uint32_t level) {
    return ((size_t)WAYS << level) * sizeof(uint64_t);
}

/* False: no host memory, and nothing is left. */
bool vmsim__tlb_sets_init(struct vmsim__alloc *alloc, struct vmsim__tlb_sets *t, uint32_t sets) {
    VMSIM__ASSERT(vmsim__is_pow2(sets) && vmsim__log2(sets) < VMSIM__TLB_SETS_LEVELS);
    memset(t, 0, sizeof *t);
    for (uint32_t level = 0; level <= vmsim__log2(sets); level++) {
        t->keys[level] = vmsim__calloc(alloc, WAYS << level, sizeof(uint64_t));
        if (!t->keys[level]) {
            vmsim__tlb_sets_fini(alloc, t);
            return false;
        }
        t->levels = level + 1;
    }
    return true;
}

/* As many levels as were made. */
void vmsim__tlb_sets_fini(struct vmsim__alloc *alloc, struct vmsim__tlb_sets *t) {
    for (uint32_t level = 0; level < t->levels; level++)
        vmsim__free(alloc, t->keys[level], bytes_of(level));
    t->levels = 0;
}

/* Puts the tag first and moves those before it down by one, in one go: the place where it was, or WAYS. */
static uint32_t move_to_front(uint64_t *set, uint64_t tag) {
    uint64_t carry = tag;
    for (uint32_t place = 0; place < WAYS; place++) {
        uint64_t there = set[place];
        set[place] = carry;
        if (there == tag)
            return place;
        if (!there)
            return WAYS;
        carry = there;
    }
    return WAYS;
}

/* Who is first in its set is first in the smaller sets that it is parted into, too: levels behind need not be looked
 * at, and keep their order. */
void vmsim__tlb_sets_use(struct vmsim__tlb_sets *t, uint64_t key) {
    uint64_t tag = key + 1;
    VMSIM__ASSERT(tag != 0);
    for (uint32_t level = 0; level < t->levels; level++) {
        uint64_t *set = t->keys[level] + (key & ((UINT64_C(1) << level) - 1)) * WAYS;
        if (set[0] == tag) {
            t->first_from[level]++;
            return;
        }
        uint32_t place = move_to_front(set, tag);
        if (place < WAYS)
            t->hits[level][place]++;
    }
}

/* Firsts of a level are hits of all finer ones; places further back are hits of as many ways. */
uint64_t vmsim__tlb_sets_hits(const struct vmsim__tlb_sets *t, uint32_t sets, uint32_t ways) {
    VMSIM__ASSERT(vmsim__is_pow2(sets) && vmsim__log2(sets) < t->levels && ways > 0 && ways <= WAYS);
    uint64_t sum = 0;
    for (uint32_t level = 0; level <= vmsim__log2(sets); level++)
        sum += t->first_from[level];
    for (uint32_t place = 1; place < ways; place++)
        sum += t->hits[vmsim__log2(sets)][place];
    return sum;
}
