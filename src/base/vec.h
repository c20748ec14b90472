/* SPDX-License-Identifier: MIT */
/* Growable array of any element type, by macro: no hidden allocation, doubling growth.
 *
 *     struct { VMSIM__VEC(int); } v = {0};
 *     if (!vmsim__vec_push(alloc, &v, 7)) return VMSIM_ENOMEM;
 *     for (size_t i = 0; i < v.count; i++) use(v.at[i]);
 *     vmsim__vec_fini(alloc, &v);
 */
#ifndef VMSIM__VEC_H
#define VMSIM__VEC_H
#include "alloc.h"

#define VMSIM__VEC(type)                                                                                               \
    type *at;                                                                                                          \
    size_t count, capacity

/* Makes room for `n` elements in all; false when there is no memory. */
#define vmsim__vec_reserve(alloc, v, n)                                                                                \
    vmsim__vec_ensure((alloc), (void **)&(v)->at, &(v)->capacity, (n), sizeof *(v)->at)
#define vmsim__vec_push(alloc, v, ...)                                                                                 \
    (vmsim__vec_reserve((alloc), (v), (v)->count + 1) ? ((v)->at[(v)->count++] = (__VA_ARGS__), true) : false)
#define vmsim__vec_fini(alloc, v)                                                                                      \
    (vmsim__free((alloc), (v)->at, (v)->capacity * sizeof *(v)->at), (v)->at = NULL, (v)->count = (v)->capacity = 0)

bool vmsim__vec_grow(struct vmsim__alloc *a, void **at, size_t *capacity, size_t need, size_t element);
/* Nearly always there is room. */
static inline bool vmsim__vec_ensure(struct vmsim__alloc *a, void **at, size_t *capacity, size_t need, size_t element) {
    return need <= *capacity || vmsim__vec_grow(a, at, capacity, need, element);
}

#endif
