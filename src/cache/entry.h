/* SPDX-License-Identifier: MIT */
/* What stands in a slot of a file's tree of pages, and the marks that it may carry. Nobody decodes one by hand.
 *
 *     63                              2 1 0
 *     [ pfn | shadow | swap entry      | tag ]     0 as a whole: nothing
 *
 * A page in the cache; the shadow that an evicted page left (lru/ packs it); the swap entry of a page of shared memory
 * that is on swap. Kernel counterpart: xa_value entries in the i_pages of struct address_space. */
#ifndef VMSIM__ENTRY_H
#define VMSIM__ENTRY_H
#include "base/radix.h"
#include "zones/frame.h"

enum vmsim__entry_tag { VMSIM__ENTRY_NONE, VMSIM__ENTRY_PAGE, VMSIM__ENTRY_SHADOW, VMSIM__ENTRY_SWAP };

/* Marks of a slot: it holds a page (what walks over pages go by); PAGECACHE_TAG_DIRTY, _WRITEBACK, _TOWRITE. */
enum vmsim__mark { VMSIM__MARK_PAGE, VMSIM__MARK_DIRTY, VMSIM__MARK_WRITEBACK, VMSIM__MARK_TOWRITE, VMSIM__MARKS };
_Static_assert(VMSIM__MARKS <= VMSIM__RADIX_MARKS, "a mark of its own each");

#define VMSIM__ENTRY_BITS 62 /* of a shadow or swap entry */

static inline uint64_t vmsim__entry_make(enum vmsim__entry_tag tag, uint64_t content) {
    VMSIM__ASSERT(tag != VMSIM__ENTRY_NONE && content >> VMSIM__ENTRY_BITS == 0);
    return content << 2 | tag;
}
static inline enum vmsim__entry_tag vmsim__entry_tag(uint64_t entry) {
    return (enum vmsim__entry_tag)(entry & 3);
}
static inline uint64_t vmsim__entry_content(uint64_t entry) {
    return entry >> 2;
}
/* VMSIM__PFN_NONE: the slot holds no page. */
static inline vmsim__pfn vmsim__entry_pfn(uint64_t entry) {
    return vmsim__entry_tag(entry) == VMSIM__ENTRY_PAGE ? (vmsim__pfn)vmsim__entry_content(entry) : VMSIM__PFN_NONE;
}

#endif
