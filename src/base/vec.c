/* SPDX-License-Identifier: MIT */
/* Growth of the arrays of vec.h: by doubling, so that pushing n elements copies at most n. */
#include "base/vec.h"
#include "base/util.h"

/* The first allocation of an array: one cache line, or one element if that is larger. */
#define FIRST_BYTES 64u

bool vmsim__vec_grow(struct vmsim__alloc *a, void **at, size_t *capacity, size_t need, size_t element) {
    if (VMSIM__LIKELY(need <= *capacity))
        return true;
    VMSIM__ASSERT(element > 0 && (*at || !*capacity));
    size_t first = FIRST_BYTES / element, wanted = *capacity * 2, bytes;
    wanted = wanted < first ? first : wanted;
    wanted = wanted < need ? need : wanted;
    if (__builtin_mul_overflow(wanted, element, &bytes))
        return false;
    void *grown = vmsim__realloc(a, *at, *capacity * element, bytes);
    if (!grown)
        return false;
    VMSIM__ASSERT(wanted >= need);
    *at = grown;
    *capacity = wanted;
    return true;
}
