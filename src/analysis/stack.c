/* SPDX-License-Identifier: MIT */
/* Stack distances by a short list and a tree (see stack.h). */
#include "analysis/stack.h"

#include <string.h>

#include "base/util.h"

#define NONE UINT32_MAX
#define KEYS_MAX (UINT32_MAX / 4)

void vmsim__stack_init(struct vmsim__stack *s, struct vmsim__alloc *alloc) {
    *s = (struct vmsim__stack){.alloc = alloc};
}

void vmsim__stack_fini(struct vmsim__stack *s) {
    vmsim__vec_fini(s->alloc, &s->keys);
    vmsim__free(s->alloc, s->slots, s->nr_slots * sizeof *s->slots);
    vmsim__free(s->alloc, s->tree, (s->nr_marks + UINT64_C(1)) * sizeof *s->tree);
    vmsim__free(s->alloc, s->owner, s->nr_marks * sizeof *s->owner);
}

/* ---- keys ---- */

/* Where a key is found depends on it, never what is found. The key's place, or the free one where it would go: the
 * table is never full. */
static uint32_t slot_of(const struct vmsim__stack *s, uint64_t key) {
    VMSIM__ASSERT(vmsim__is_pow2(s->nr_slots));
    uint64_t hash = key * UINT64_C(0x9E3779B97F4A7C15);
    uint32_t i = (uint32_t)(hash >> 32) & (s->nr_slots - 1);
    while (s->slots[i] && s->keys.at[s->slots[i] - 1].key != key)
        i = (i + 1) & (s->nr_slots - 1);
    return i;
}

/* Room for one more key at a load of at most one half. Keys are found by number, which stays: only the table over
 * them is made anew. */
static bool grow_slots(struct vmsim__stack *s) {
    if (2 * (s->keys.count + 1) <= s->nr_slots)
        return true;
    if (s->keys.count >= KEYS_MAX)
        return false;
    uint32_t old_count = s->nr_slots, count = old_count ? old_count * 2 : 64, *old = s->slots;
    uint32_t *slots = vmsim__calloc(s->alloc, count, sizeof *slots);
    if (!slots)
        return false;
    s->slots = slots;
    s->nr_slots = count;
    for (uint32_t i = 0; i < s->keys.count; i++)
        slots[slot_of(s, s->keys.at[i].key)] = i + 1;
    vmsim__free(s->alloc, old, old_count * sizeof *old);
    return true;
}

/* ---- marks ---- */

/* A Fenwick tree over marks: how many of them stand to the right of one is the distance. */
static void add(struct vmsim__stack *s, uint32_t mark, uint32_t by) {
    for (uint32_t i = mark + 1; i <= s->nr_marks; i += i & -i)
        s->tree[i] += by;
}

/* Marks up to and with `mark`. */
static uint32_t count_to(const struct vmsim__stack *s, uint32_t mark) {
    uint32_t sum = 0;
    for (uint32_t i = mark + 1; i; i &= i - 1)
        sum += s->tree[i];
    return sum;
}

/* All marks to the left end, in their order, and the tree over them anew. */
static void push_together(struct vmsim__stack *s) {
    uint32_t to = 0;
    for (uint32_t from = 0; from < s->next_mark; from++) {
        uint32_t owner = s->owner[from];
        if (owner == NONE)
            continue;
        s->owner[to] = owner;
        s->keys.at[owner].mark = to++;
    }
    VMSIM__ASSERT(to == s->live);
    s->next_mark = to;
    memset(s->tree, 0, (s->nr_marks + UINT64_C(1)) * sizeof *s->tree);
    for (uint32_t i = 1; i <= s->nr_marks; i++) {
        s->tree[i] += i <= to;
        if (i + (i & -i) <= s->nr_marks)
            s->tree[i + (i & -i)] += s->tree[i];
    }
}

/* Room for one more mark: at least half of the array is free after it was pushed together. */
static bool make_room(struct vmsim__stack *s) {
    if (s->next_mark < s->nr_marks)
        return true;
    if (s->nr_marks && s->live <= s->nr_marks / 2) {
        push_together(s);
        return true;
    }
    uint32_t marks = s->nr_marks ? s->nr_marks * 2 : 64;
    uint32_t *tree = vmsim__calloc(s->alloc, marks + UINT64_C(1), sizeof *tree);
    uint32_t *owner = vmsim__malloc(s->alloc, marks * sizeof *owner);
    if (!tree || !owner) {
        vmsim__free(s->alloc, tree, (marks + UINT64_C(1)) * sizeof *tree);
        vmsim__free(s->alloc, owner, marks * sizeof *owner);
        return false;
    }
    if (s->nr_marks)
        memcpy(owner, s->owner, s->next_mark * sizeof *owner);
    vmsim__free(s->alloc, s->tree, (s->nr_marks + UINT64_C(1)) * sizeof *tree);
    vmsim__free(s->alloc, s->owner, s->nr_marks * sizeof *owner);
    s->tree = tree;
    s->owner = owner;
    s->nr_marks = marks;
    push_together(s);
    return true;
}

/* The place stays empty until all are pushed together. */
static void unmark(struct vmsim__stack *s, uint32_t mark) {
    VMSIM__ASSERT(mark < s->next_mark && s->owner[mark] != NONE && s->live > 0);
    s->owner[mark] = NONE;
    s->live--;
    add(s, mark, UINT32_MAX); /* less one */
}

/* To the right of all others: newer keys have larger marks. */
static void mark_newest(struct vmsim__stack *s, uint32_t index) {
    VMSIM__ASSERT(s->next_mark < s->nr_marks);
    s->owner[s->next_mark] = index;
    s->keys.at[index].mark = s->next_mark;
    s->live++;
    add(s, s->next_mark++, 1);
}

/* ---- use ---- */

/* Puts a key on top, those before it move down by one. */
static void raise(struct vmsim__stack *s, uint32_t from, uint64_t key, uint32_t index) {
    for (uint32_t i = from; i > 0; i--) {
        s->top[i] = s->top[i - 1];
        s->top_index[i] = s->top_index[i - 1];
    }
    s->top[0] = key;
    s->top_index[0] = index;
}

/* The youngest keys are kept in a short array, since most touches are of them; who falls out of it gets a mark. */
static void push(struct vmsim__stack *s, uint64_t key, uint32_t index) {
    if (s->top_count == VMSIM__STACK_TOP)
        mark_newest(s, s->top_index[VMSIM__STACK_TOP - 1]);
    else
        s->top_count++;
    raise(s, s->top_count - 1, key, index);
}

/* All that can fail comes first: a use that fails has changed nothing. */
static bool use_older(struct vmsim__stack *s, uint64_t key, uint64_t *distance, uint32_t *index) {
    if (!grow_slots(s) || !make_room(s) || !vmsim__vec_reserve(s->alloc, &s->keys, s->keys.count + 1))
        return false;
    uint32_t slot = slot_of(s, key);
    if (s->slots[slot]) {
        *index = s->slots[slot] - 1;
        uint32_t mark = s->keys.at[*index].mark;
        *distance = VMSIM__STACK_TOP + s->live - count_to(s, mark);
        unmark(s, mark);
    } else {
        *index = (uint32_t)s->keys.count++;
        s->keys.at[*index].key = key;
        s->slots[slot] = *index + 1;
        *distance = VMSIM__STACK_COLD;
    }
    push(s, key, *index);
    return true;
}

/* *distance: distinct keys since its last use; COLD at the first. */
bool vmsim__stack_use(struct vmsim__stack *s, uint64_t key, uint64_t *distance, uint32_t *index) {
    for (uint32_t i = 0; i < s->top_count; i++) {
        if (s->top[i] != key)
            continue;
        *distance = i;
        *index = s->top_index[i];
        raise(s, i, key, *index);
        return true;
    }
    return use_older(s, key, distance, index);
}
