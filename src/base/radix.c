/* SPDX-License-Identifier: MIT */
/* The radix tree: nodes of 64 slots, six bits of the index a level, and bitmaps over the slots.
 *
 *     height 2:   root            index bits 11..6 choose the slot of the root, bits 5..0 that of the leaf node
 *              [ | | | ]          (height h holds the indices below 64^h)
 *               /     \
 *          [ | | ]   [ | | ]      slots of the lowest level are the values
 *
 * The first bitmap has the slots in use, one more a mark the slots that hold or lead to an entry with the mark. They
 * (40 bytes beside 512) make "is this node empty" and "next entry after" single instructions. A tree is never higher
 * than its largest index needs: removal frees empty nodes and takes off roots that have only slot 0. Insertion gets all
 * nodes that it will need before it changes anything. Kernel counterpart: lib/xarray.c. */
#include "base/radix.h"
#include "base/util.h"

#define BITS 6u
#define SLOTS (1u << BITS)
#define MAX_HEIGHT 11u /* 66 bits */

union slot {
    struct vmsim__radix_node *node;
    uint64_t value;
};

/* Bitmaps of a node: slots in use, then a row a mark. */
enum { PRESENT, FIRST_MARK, MAPS = FIRST_MARK + VMSIM__RADIX_MARKS };

struct vmsim__radix_node {
    uint64_t map[MAPS]; /* bit i: slot i */
    union slot slot[SLOTS];
};

typedef struct vmsim__radix_node node;

static uint64_t bit(unsigned slot) {
    return UINT64_C(1) << slot;
}

static unsigned slot_of(uint64_t index, unsigned level) {
    return (unsigned)(index >> (BITS * level)) & (SLOTS - 1);
}

/* Levels that a tree needs to hold `index`. */
static unsigned height_for(uint64_t index) {
    return index ? vmsim__log2(index) / BITS + 1 : 1;
}

void vmsim__radix_slab_init(struct vmsim__slab *nodes, struct vmsim__alloc *a) {
    vmsim__slab_init(nodes, a, sizeof(node));
}

void vmsim__radix_init(struct vmsim__radix *r, struct vmsim__slab *nodes) {
    *r = (struct vmsim__radix){.nodes = nodes};
}

static void free_nodes(struct vmsim__slab *nodes, node *n, unsigned level) {
    VMSIM__ASSERT(n->map[PRESENT] && level < MAX_HEIGHT);
    for (uint64_t left = level ? n->map[PRESENT] : 0; left; left &= left - 1)
        free_nodes(nodes, n->slot[__builtin_ctzll(left)].node, level - 1);
    vmsim__slab_free(nodes, n);
}

void vmsim__radix_fini(struct vmsim__radix *r) {
    if (r->height)
        free_nodes(r->nodes, r->root, r->height - 1);
    vmsim__radix_init(r, r->nodes);
}

/* The lowest node on the way to `index`, or NULL where the way ends early. */
static node *leaf_of(const struct vmsim__radix *r, uint64_t index) {
    if (r->height < height_for(index))
        return NULL;
    node *n = r->root;
    for (unsigned level = r->height - 1; n && level; level--)
        n = n->slot[slot_of(index, level)].node;
    return n;
}

uint64_t vmsim__radix_get(const struct vmsim__radix *r, uint64_t index) {
    const node *n = leaf_of(r, index);
    return n ? n->slot[slot_of(index, 0)].value : 0;
}

/* `child` may have marked entries: a tree that gets a new root. */
static void link_child(node *parent, unsigned slot, node *child) {
    VMSIM__ASSERT(slot < SLOTS && !(parent->map[PRESENT] & bit(slot)) && child);
    parent->slot[slot].node = child;
    parent->map[PRESENT] |= bit(slot);
    for (unsigned m = FIRST_MARK; m < MAPS; m++)
        parent->map[m] |= child->map[m] ? bit(slot) : 0;
}

/* Nodes missing on the way to `index`: new roots above, and the path below the lowest node that exists. */
static unsigned missing_nodes(const struct vmsim__radix *r, uint64_t index) {
    unsigned height = height_for(index);
    if (!r->height)
        return height;
    if (height > r->height)
        return height - r->height + height - 1;
    const node *n = r->root;
    unsigned level = r->height - 1;
    while (n && level)
        n = n->slot[slot_of(index, level--)].node;
    return n ? 0 : level + 1;
}

/* Builds the way to `index` and returns its lowest node; NULL: no memory, nothing changed. */
static node *make_leaf(struct vmsim__radix *r, uint64_t index) {
    node *fresh[2 * MAX_HEIGHT];
    unsigned missing = missing_nodes(r, index), got = 0;
    VMSIM__ASSERT(missing > 0 && missing <= VMSIM__COUNT(fresh));
    while (got < missing && (fresh[got] = vmsim__slab_alloc(r->nodes)))
        got++;
    if (got < missing) {
        while (got)
            vmsim__slab_free(r->nodes, fresh[--got]);
        return NULL;
    }
    if (!r->height) {
        r->root = fresh[--got];
        r->height = height_for(index);
    }
    for (; r->height < height_for(index); r->height++) {
        link_child(fresh[--got], 0, r->root);
        r->root = fresh[got];
    }
    node *n = r->root;
    for (unsigned level = r->height - 1; level; level--) {
        unsigned slot = slot_of(index, level);
        if (!n->slot[slot].node)
            link_child(n, slot, fresh[--got]);
        n = n->slot[slot].node;
    }
    VMSIM__ASSERT(got == 0);
    return n;
}

/* Sets `index` in one bitmap of its leaf node. Where the leaf had a bit, all nodes above it know already. */
static void set_mark(struct vmsim__radix *r, node *leaf, uint64_t index, unsigned map) {
    bool known = leaf->map[map];
    leaf->map[map] |= bit(slot_of(index, 0));
    node *n = r->root;
    for (unsigned level = r->height - 1; !known && level; level--) {
        n->map[map] |= bit(slot_of(index, level));
        n = n->slot[slot_of(index, level)].node;
    }
}

/* Clears it, and the bits above that stood for nothing else. */
static void clear_mark(struct vmsim__radix *r, node *leaf, uint64_t index, unsigned map) {
    VMSIM__ASSERT(r->height && r->height <= MAX_HEIGHT);
    leaf->map[map] &= ~bit(slot_of(index, 0));
    if (leaf->map[map])
        return;
    node *path[MAX_HEIGHT], *n = r->root;
    for (unsigned level = r->height - 1; level; level--) {
        path[level] = n;
        n = n->slot[slot_of(index, level)].node;
    }
    for (unsigned level = 1; level < r->height; level++) {
        path[level]->map[map] &= ~bit(slot_of(index, level));
        if (path[level]->map[map])
            return;
    }
}

bool vmsim__radix_store(struct vmsim__radix *r, uint64_t index, uint64_t value, unsigned marks, uint64_t *old) {
    VMSIM__ASSERT(value && marks < 1u << VMSIM__RADIX_MARKS);
    node *n = leaf_of(r, index);
    if (!n && !(n = make_leaf(r, index)))
        return false;
    unsigned slot = slot_of(index, 0);
    if (old)
        *old = n->slot[slot].value;
    r->count += !n->slot[slot].value;
    n->slot[slot].value = value;
    n->map[PRESENT] |= bit(slot);
    for (unsigned m = 0; m < VMSIM__RADIX_MARKS; m++) {
        bool is = n->map[FIRST_MARK + m] & bit(slot), wanted = marks >> m & 1;
        if (wanted && !is)
            set_mark(r, n, index, FIRST_MARK + m);
        else if (is && !wanted)
            clear_mark(r, n, index, FIRST_MARK + m);
    }
    return true;
}

bool vmsim__radix_set(struct vmsim__radix *r, uint64_t index, uint64_t value, uint64_t *old) {
    return vmsim__radix_store(r, index, value, 0, old);
}

void vmsim__radix_mark(struct vmsim__radix *r, uint64_t index, unsigned mark) {
    node *n = leaf_of(r, index);
    VMSIM__ASSERT(mark < VMSIM__RADIX_MARKS && n && n->slot[slot_of(index, 0)].value);
    set_mark(r, n, index, FIRST_MARK + mark);
}

void vmsim__radix_unmark(struct vmsim__radix *r, uint64_t index, unsigned mark) {
    node *n = leaf_of(r, index);
    VMSIM__ASSERT(mark < VMSIM__RADIX_MARKS && n && n->slot[slot_of(index, 0)].value);
    if (n->map[FIRST_MARK + mark] & bit(slot_of(index, 0)))
        clear_mark(r, n, index, FIRST_MARK + mark);
}

bool vmsim__radix_marked(const struct vmsim__radix *r, uint64_t index, unsigned mark) {
    VMSIM__ASSERT(mark < VMSIM__RADIX_MARKS);
    const node *n = leaf_of(r, index);
    return n && n->map[FIRST_MARK + mark] & bit(slot_of(index, 0));
}

bool vmsim__radix_any(const struct vmsim__radix *r, unsigned mark) {
    VMSIM__ASSERT(mark < VMSIM__RADIX_MARKS);
    return r->height && r->root->map[FIRST_MARK + mark];
}

/* Takes off roots that lead to slot 0 only. */
static void lower(struct vmsim__radix *r) {
    while (r->height > 1 && r->root->map[PRESENT] == 1) {
        node *old = r->root;
        r->root = old->slot[0].node;
        r->height--;
        vmsim__slab_free(r->nodes, old);
    }
}

uint64_t vmsim__radix_remove(struct vmsim__radix *r, uint64_t index) {
    node *path[MAX_HEIGHT], *n = r->root;
    if (r->height < height_for(index))
        return 0;
    for (unsigned level = r->height - 1; level; level--) {
        path[level] = n;
        if (!(n = n->slot[slot_of(index, level)].node))
            return 0;
    }
    path[0] = n;
    VMSIM__ASSERT(n->map[PRESENT]);
    uint64_t old = n->slot[slot_of(index, 0)].value;
    if (!old)
        return 0;
    VMSIM__ASSERT(r->count > 0);
    r->count--;
    for (unsigned m = FIRST_MARK; m < MAPS; m++) {
        if (n->map[m] & bit(slot_of(index, 0)))
            clear_mark(r, n, index, m);
    }
    for (unsigned level = 0; level < r->height; level++) {
        unsigned slot = slot_of(index, level);
        path[level]->slot[slot] = (union slot){.value = 0};
        path[level]->map[PRESENT] &= ~bit(slot);
        if (path[level]->map[PRESENT]) {
            lower(r);
            return old;
        }
        vmsim__slab_free(r->nodes, path[level]);
    }
    vmsim__radix_init(r, r->nodes);
    return old;
}

/* First entry at or after *index whose way is in bitmap `map` of all nodes. */
static uint64_t next_in(const struct vmsim__radix *r, uint64_t *index, unsigned map) {
    uint64_t at = *index;
    while (r->height >= height_for(at)) {
        const node *n = r->root;
        for (unsigned level = r->height; level-- > 0;) {
            unsigned shift = BITS * level, slot = slot_of(at, level);
            uint64_t left = n->map[map] & ~UINT64_C(0) << slot;
            if (!left) { /* nothing more below this node: on with the next one */
                unsigned above = shift + BITS;
                at = above < 64 ? ((at >> above) + 1) << above : 0;
                break;
            }
            unsigned found = (unsigned)__builtin_ctzll(left);
            if (found != slot) /* keep the bits above this level, then the found slot, then zeroes */
                at = (shift + BITS < 64 ? at >> (shift + BITS) << (shift + BITS) : 0) | (uint64_t)found << shift;
            if (!level) {
                *index = at;
                return n->slot[found].value;
            }
            n = n->slot[found].node;
        }
        if (!at) /* past the last index of all */
            return 0;
    }
    return 0;
}

uint64_t vmsim__radix_next(const struct vmsim__radix *r, uint64_t *index) {
    return next_in(r, index, PRESENT);
}

uint64_t vmsim__radix_next_marked(const struct vmsim__radix *r, uint64_t *index, unsigned mark) {
    VMSIM__ASSERT(mark < VMSIM__RADIX_MARKS);
    return next_in(r, index, FIRST_MARK + mark);
}

/* Every bit of a mark above the lowest level stands for a child with the mark, and for no other. */
static bool marks_valid(const node *n, unsigned level) {
    for (unsigned m = FIRST_MARK; m < MAPS; m++) {
        if (n->map[m] & ~n->map[PRESENT])
            return false;
        for (uint64_t left = level ? n->map[PRESENT] : 0; left; left &= left - 1) {
            unsigned slot = (unsigned)__builtin_ctzll(left);
            if (!(n->map[m] & bit(slot)) != !n->slot[slot].node->map[m])
                return false;
        }
    }
    return true;
}

/* Checks the subtree of `n` and adds its entries to *count. */
static bool subtree_valid(const node *n, unsigned level, uint64_t *count) {
    for (unsigned i = 0; i < SLOTS; i++)
        if ((n->map[PRESENT] >> i & 1) != (n->slot[i].value != 0))
            return false;
    if (!marks_valid(n, level))
        return false;
    for (uint64_t left = level ? n->map[PRESENT] : 0; left; left &= left - 1)
        if (!subtree_valid(n->slot[__builtin_ctzll(left)].node, level - 1, count))
            return false;
    *count += level ? 0 : (unsigned)__builtin_popcountll(n->map[PRESENT]);
    return n->map[PRESENT];
}

bool vmsim__radix_valid(const struct vmsim__radix *r) {
    uint64_t count = 0;
    if (!r->height)
        return !r->root && !r->count;
    if (r->height > MAX_HEIGHT || (r->height > 1 && r->root->map[PRESENT] == 1))
        return false;
    return subtree_valid(r->root, r->height - 1, &count) && count == r->count;
}
