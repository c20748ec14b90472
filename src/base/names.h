/* SPDX-License-Identifier: MIT */
/* A set of names, numbered in the order in which they came: text to number in O(1), number to text at once.
 *
 *     at:    "sort" "cc1" "sort#2" ...       texts, which stay where they are; beside each its hash
 *     next:    -1     -1     0    ...        the name before it in the same bucket
 *     heads: bucket -> the last name in it   as many buckets as names fit, a power of two
 *
 * The hash decides where a name is looked for and nothing else: what comes of a set depends on the order of its names
 * alone. Kernel counterpart: include/linux/hashtable.h. */
#ifndef VMSIM__NAMES_H
#define VMSIM__NAMES_H
#include "vec.h"

#define VMSIM__NO_NAME UINT32_MAX

struct vmsim__name {
    char *text;
    uint64_t hash;
    uint32_t next;
};
/* Zeroed: an empty set. */
struct vmsim__names {
    VMSIM__VEC(struct vmsim__name);
    struct {
        VMSIM__VEC(uint32_t);
    } heads;
};

/* Frees the texts, too. */
void vmsim__names_fini(struct vmsim__alloc *a, struct vmsim__names *n);
/* Number of a name, or VMSIM__NO_NAME. */
uint32_t vmsim__names_find(const struct vmsim__names *n, const char *text);
/* Number of a name, added (copied) if new; VMSIM__NO_NAME: no memory, nothing changed. */
uint32_t vmsim__names_add(struct vmsim__alloc *a, struct vmsim__names *n, const char *text);
/* Forgets the names from number `count` on. */
void vmsim__names_cut(struct vmsim__alloc *a, struct vmsim__names *n, size_t count);

#endif
