/* SPDX-License-Identifier: MIT */
/* Sets of names (see names.h). The buckets double with the array of names and are then filled anew, so that an addition
 * costs O(1) over time; chains go from later to earlier names, so that the latest can be taken out again at the head.
 */
#include "base/names.h"

#include <string.h>

#include "base/util.h"

/* FNV-1a. */
static uint64_t hash_of(const char *text) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *c = text; *c; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    return hash;
}

static uint32_t *head_of(const struct vmsim__names *n, uint64_t hash) {
    VMSIM__ASSERT(vmsim__is_pow2(n->heads.count));
    return &n->heads.at[(hash ^ hash >> 32) & (n->heads.count - 1)];
}

static void link_name(struct vmsim__names *n, uint32_t i) {
    VMSIM__ASSERT(i < n->count && n->count <= n->heads.count);
    uint32_t *head = head_of(n, n->at[i].hash);
    n->at[i].next = *head;
    *head = i;
}

/* Room for one more name. Both arrays have it before anything changes. */
static bool grow(struct vmsim__alloc *a, struct vmsim__names *n) {
    if (!vmsim__vec_reserve(a, n, n->count + 1))
        return false;
    if (n->count < n->heads.count)
        return true;
    size_t buckets = n->heads.count ? n->heads.count * 2 : 16;
    if (!vmsim__vec_reserve(a, &n->heads, buckets))
        return false;
    n->heads.count = buckets;
    memset(n->heads.at, 0xff, buckets * sizeof *n->heads.at); /* VMSIM__NO_NAME */
    for (uint32_t i = 0; i < n->count; i++)
        link_name(n, i);
    return true;
}

void vmsim__names_fini(struct vmsim__alloc *a, struct vmsim__names *n) {
    vmsim__names_cut(a, n, 0);
    vmsim__vec_fini(a, n);
    vmsim__vec_fini(a, &n->heads);
}

uint32_t vmsim__names_find(const struct vmsim__names *n, const char *text) {
    VMSIM__ASSERT(text);
    const uint64_t hash = hash_of(text);
    uint32_t i = n->heads.count ? *head_of(n, hash) : VMSIM__NO_NAME;
    while (i != VMSIM__NO_NAME && (n->at[i].hash != hash || strcmp(n->at[i].text, text) != 0))
        i = n->at[i].next;
    return i;
}

uint32_t vmsim__names_add(struct vmsim__alloc *a, struct vmsim__names *n, const char *text) {
    VMSIM__ASSERT(text);
    uint32_t i = vmsim__names_find(n, text);
    if (i != VMSIM__NO_NAME)
        return i;
    char *copy = n->count < VMSIM__NO_NAME && grow(a, n) ? vmsim__strdup(a, text) : NULL;
    if (!copy)
        return VMSIM__NO_NAME;
    i = (uint32_t)n->count++;
    n->at[i] = (struct vmsim__name){.text = copy, .hash = hash_of(text)};
    link_name(n, i);
    return i;
}

void vmsim__names_cut(struct vmsim__alloc *a, struct vmsim__names *n, size_t count) {
    while (n->count > count) {
        struct vmsim__name *last = &n->at[--n->count];
        VMSIM__ASSERT(*head_of(n, last->hash) == n->count);
        *head_of(n, last->hash) = last->next;
        vmsim__strfree(a, last->text);
    }
}
