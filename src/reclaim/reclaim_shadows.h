/* SPDX-License-Identifier: MIT */
/* What policies leave in the place of folios that went: 64 bits a page, by where the page was.
 *
 *     key: (file, page of it) or (swap area, slot)  -->  shadow        a table of open addresses, grown by halves
 *
 * The kernel's own shadows (lru/workingset.h) stand in page trees and have no room for a policy's. Only shadows that
 * are not 0 are kept, so that policies without any pay one look. Without host memory a shadow is forgotten. */
#ifndef VMSIM__RECLAIM_SHADOWS_H
#define VMSIM__RECLAIM_SHADOWS_H
#include "base/alloc.h"
#include "base/util.h"

struct vmsim__shadow_key {
    uint64_t object, index;
};
struct vmsim__shadow_slot {
    struct vmsim__shadow_key key;
    uint64_t shadow; /* 0: nobody is here */
};
struct vmsim__reclaim_shadows {
    struct vmsim__shadow_slot *slot;
    size_t slots, count; /* slots: a power of two, or 0 */
    struct vmsim__alloc *alloc;
};

void vmsim__reclaim_shadows_fini(struct vmsim__reclaim_shadows *s);
/* 0: none, which stands for nothing. */
void vmsim__reclaim_shadow_put(struct vmsim__reclaim_shadows *s, struct vmsim__shadow_key key, uint64_t shadow);
/* What was put there last; 0: nothing. */
uint64_t vmsim__reclaim_shadow_look(const struct vmsim__reclaim_shadows *s, struct vmsim__shadow_key key);
/* Host only: it will be looked for soon. */
void vmsim__reclaim_shadow_expect(const struct vmsim__reclaim_shadows *s, struct vmsim__shadow_key key);
/* The same, taken out. */
uint64_t vmsim__reclaim_shadow_take(struct vmsim__reclaim_shadows *s, struct vmsim__shadow_key key);

#endif
