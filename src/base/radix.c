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

#define BITS VMSIM__RADIX_BITS
#define SLOTS VMSIM__RADIX_SLOTS
#define MAX_HEIGHT 11u /* 66 bits */

enum { PRESENT = VMSIM__RADIX_PRESENT, FIRST_MARK = VMSIM__RADIX_FIRST_MARK, MAPS = VMSIM__RADIX_MAPS };

typedef struct vmsim__radix_node node;

static uint64_t bit(uint64_t index) {
    return UINT64_C(1) << (index & (SLOTS - 1));
}

static unsigned slot_of(uint64_t index, unsigned level) {
    return (unsigned)(index >> (BITS * level)) & (SLOTS - 1);
}

/* Levels that a tree needs to hold `index`. */
static unsigned height_for(uint64_t index) {
    return index ? vmsim__log2(index) / BITS + 1 : 1;
}

static void set_root(struct vmsim__radix *r, node *root, unsigned height) {
    VMSIM__ASSERT(root && height > 0 && height <= MAX_HEIGHT);
    root->parent = NULL;
    r->root = root;
    r->height = height;
}

/* Does the tree's height not reach `index`? */
static bool beyond(const struct vmsim__radix *r, uint64_t index) {
    return !r->height || index >> BITS * (r->height - 1) >> BITS;
}

/* What is kept is no part of the tree's contents: a lookup changes nothing. */
static node *keep(const struct vmsim__radix *r, node *leaf, uint64_t index) {
    struct vmsim__radix *kept = (struct vmsim__radix *)r;
    kept->recent = leaf;
    kept->recent_index = index >> BITS;
    return leaf;
}

node *vmsim__radix_descend(const struct vmsim__radix *r, uint64_t index) {
    if (beyond(r, index))
        return NULL;
    node *n = r->root;
    for (unsigned shift = BITS * (r->height - 1); n && shift; shift -= BITS)
        n = n->slot[index >> shift & (SLOTS - 1)].node;
    return n ? keep(r, n, index) : NULL;
}

/* The way down, for neighbouring indices, stays in the host's caches; the lowest node does not. */
void vmsim__radix_expect(const struct vmsim__radix *r, uint64_t index) {
    const node *n = beyond(r, index) ? NULL : r->root;
    for (unsigned shift = BITS * (r->height - 1); n && shift; shift -= BITS)
        n = n->slot[index >> shift & (SLOTS - 1)].node;
    if (!n)
        return;
    __builtin_prefetch(&n->map[PRESENT], 1);
    __builtin_prefetch(&n->slot[slot_of(index, 0)], 1);
}

void vmsim__radix_slab_init(struct vmsim__slab *nodes, struct vmsim__alloc *a) {
    vmsim__slab_init(nodes, a, sizeof(node));
}

void vmsim__radix_init(struct vmsim__radix *r, struct vmsim__slab *nodes) {
    *r = (struct vmsim__radix){.nodes = nodes, .recent_index = UINT64_MAX};
}

static void bill_node(const struct vmsim__radix *r, node *n, uint32_t payer) {
    n->payer = payer;
    if (payer)
        r->bill->made(r->bill->context, payer);
}

static void free_node(struct vmsim__radix *r, node *n) {
    if (VMSIM__UNLIKELY(n->payer))
        r->bill->freed(r->bill->context, n->payer);
    vmsim__slab_free(r->nodes, n);
}

/* Empty again, and paid for as before. */
static void reset(struct vmsim__radix *r) {
    const struct vmsim__radix_bill *bill = r->bill;
    vmsim__radix_init(r, r->nodes);
    r->bill = bill;
}

static void free_nodes(struct vmsim__radix *r, node *n, unsigned level) {
    VMSIM__ASSERT(n->map[PRESENT] && level < MAX_HEIGHT);
    for (uint64_t left = level ? n->map[PRESENT] : 0; left; left &= left - 1)
        free_nodes(r, n->slot[__builtin_ctzll(left)].node, level - 1);
    free_node(r, n);
}

void vmsim__radix_fini(struct vmsim__radix *r) {
    if (r->height)
        free_nodes(r, r->root, r->height - 1);
    reset(r);
}

/* `child` may have marked entries: a tree that gets a new root. */
static void link_child(node *parent, unsigned slot, node *child) {
    VMSIM__ASSERT(slot < SLOTS && !(parent->map[PRESENT] & bit(slot)) && child);
    child->parent = parent;
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

/* Is the only entry that of index 0, in a node that nobody pays for? */
static bool lone_root(const struct vmsim__radix *r) {
    return r->height == 1 && r->root->map[PRESENT] == 1 && !r->root->payer;
}

unsigned vmsim__radix_billed(const struct vmsim__radix *r, uint64_t index) {
    if (!r->height && !index)
        return 0;
    return missing_nodes(r, index) + (index && r->height && lone_root(r));
}

static void each_payer(const node *n, unsigned level, void (*tell)(void *context, uint32_t payer), void *context) {
    VMSIM__ASSERT(n && level < MAX_HEIGHT);
    if (n->payer)
        tell(context, n->payer);
    for (uint64_t left = level ? n->map[PRESENT] : 0; left; left &= left - 1)
        each_payer(n->slot[__builtin_ctzll(left)].node, level - 1, tell, context);
}

void vmsim__radix_each_payer(const struct vmsim__radix *r, void (*tell)(void *context, uint32_t payer), void *context) {
    if (r->height)
        each_payer(r->root, r->height - 1, tell, context);
}

/* Builds the way to `index` and returns its lowest node; NULL: no memory, nothing changed. */
static VMSIM__NOINLINE node *make_leaf(struct vmsim__radix *r, uint64_t index) {
    node *fresh[2 * MAX_HEIGHT];
    unsigned missing = missing_nodes(r, index), got = 0;
    VMSIM__ASSERT(missing > 0 && missing <= VMSIM__COUNT(fresh));
    const uint32_t payer = r->bill && vmsim__radix_billed(r, index) ? r->bill->payer : 0;
    while (got < missing && (fresh[got] = vmsim__slab_alloc(r->nodes)))
        got++;
    if (got < missing) {
        while (got)
            vmsim__slab_free(r->nodes, fresh[--got]);
        return NULL;
    }
    for (unsigned i = 0; i < got; i++)
        bill_node(r, fresh[i], payer);
    if (!r->height)
        set_root(r, fresh[--got], height_for(index));
    while (r->height < height_for(index)) {
        link_child(fresh[--got], 0, r->root);
        set_root(r, fresh[got], r->height + 1);
    }
    node *n = r->root;
    for (unsigned level = r->height - 1; level; level--) {
        unsigned slot = slot_of(index, level);
        if (!n->slot[slot].node)
            link_child(n, slot, fresh[--got]);
        n = n->slot[slot].node;
    }
    VMSIM__ASSERT(got == 0);
    return keep(r, n, index);
}

/* Sets `index` in one bitmap of its leaf node. Where a node had a bit, all above it know already. */
static void set_mark(node *n, uint64_t index, unsigned map) {
    VMSIM__ASSERT(map < MAPS);
    uint64_t had;
    do {
        had = n->map[map];
        n->map[map] = had | bit(index);
        index >>= BITS;
    } while (!had && (n = n->parent));
}

/* Clears it, and the bits above that stood for nothing else. */
static void clear_mark(node *n, uint64_t index, unsigned map) {
    VMSIM__ASSERT(n->map[map] & bit(index));
    do {
        n->map[map] &= ~bit(index);
        index >>= BITS;
    } while (!n->map[map] && (n = n->parent));
}

static void set_marks(node *leaf, uint64_t index, unsigned marks) {
    VMSIM__ASSERT(leaf && leaf->slot[slot_of(index, 0)].value && marks < 1u << VMSIM__RADIX_MARKS);
    for (; marks; marks &= marks - 1)
        set_mark(leaf, index, FIRST_MARK + (unsigned)__builtin_ctz(marks));
}

static void clear_marks(node *leaf, uint64_t index, unsigned marks) {
    VMSIM__ASSERT(leaf && leaf->map[PRESENT] & bit(index) && marks < 1u << VMSIM__RADIX_MARKS);
    for (; marks; marks &= marks - 1) {
        unsigned map = FIRST_MARK + (unsigned)__builtin_ctz(marks);
        if (leaf->map[map] & bit(index))
            clear_mark(leaf, index, map);
    }
}

bool vmsim__radix_store(struct vmsim__radix *r, uint64_t index, uint64_t value, unsigned marks, uint64_t *old) {
    VMSIM__ASSERT(value && marks < 1u << VMSIM__RADIX_MARKS);
    node *n = vmsim__radix_leaf(r, index);
    const bool billed = VMSIM__UNLIKELY(r->bill && r->bill->payer);
    node *lone = billed && index && r->height && lone_root(r) ? r->root : NULL;
    if (!n && !(n = make_leaf(r, index)))
        return false;
    if (lone)
        bill_node(r, lone, r->bill->payer);
    uint64_t *slot = &n->slot[slot_of(index, 0)].value, was = *slot;
    *slot = value;
    n->map[PRESENT] |= bit(index);
    r->count += !was;
    set_marks(n, index, marks);
    if (VMSIM__UNLIKELY(was))
        clear_marks(n, index, ~marks & ((1u << VMSIM__RADIX_MARKS) - 1));
    if (old)
        *old = was;
    return true;
}

bool vmsim__radix_set(struct vmsim__radix *r, uint64_t index, uint64_t value, uint64_t *old) {
    return vmsim__radix_store(r, index, value, 0, old);
}

void vmsim__radix_move_mark(struct vmsim__radix *r, uint64_t index, unsigned from, unsigned to) {
    node *n = vmsim__radix_leaf(r, index);
    VMSIM__ASSERT(from < VMSIM__RADIX_MARKS && to < VMSIM__RADIX_MARKS && from != to && n);
    VMSIM__ASSERT(n->map[FIRST_MARK + from] & bit(index));
    const unsigned gains = FIRST_MARK + to, loses = FIRST_MARK + from;
    uint64_t had, left;
    do { /* as long as both go on up, in one pass: mostly it is a lone page's way */
        had = n->map[gains];
        left = n->map[loses] & ~bit(index);
        n->map[gains] = had | bit(index);
        n->map[loses] = left;
        n = n->parent;
        index >>= BITS;
    } while (n && !(had | left));
    if (!n)
        return;
    if (!had)
        set_mark(n, index, gains);
    if (!left)
        clear_mark(n, index, loses);
}

void vmsim__radix_mark(struct vmsim__radix *r, uint64_t index, unsigned mark) {
    node *n = vmsim__radix_leaf(r, index);
    VMSIM__ASSERT(mark < VMSIM__RADIX_MARKS && n && n->slot[slot_of(index, 0)].value);
    set_mark(n, index, FIRST_MARK + mark);
}

void vmsim__radix_unmark(struct vmsim__radix *r, uint64_t index, unsigned mark) {
    node *n = vmsim__radix_leaf(r, index);
    VMSIM__ASSERT(mark < VMSIM__RADIX_MARKS && n && n->slot[slot_of(index, 0)].value);
    if (n->map[FIRST_MARK + mark] & bit(index))
        clear_mark(n, index, FIRST_MARK + mark);
}

bool vmsim__radix_marked(const struct vmsim__radix *r, uint64_t index, unsigned mark) {
    VMSIM__ASSERT(mark < VMSIM__RADIX_MARKS);
    const node *n = vmsim__radix_leaf(r, index);
    return n && n->map[FIRST_MARK + mark] & bit(index);
}

/* Takes off roots that lead to slot 0 only. */
static void lower(struct vmsim__radix *r) {
    while (r->height > 1 && r->root->map[PRESENT] == 1) {
        node *old = r->root;
        set_root(r, old->slot[0].node, r->height - 1);
        free_node(r, old);
    }
}

/* Takes an entry's slot, and nodes that are empty then. */
static void clear_slot(struct vmsim__radix *r, node *n, uint64_t index) {
    VMSIM__ASSERT(n);
    for (node *parent; n; n = parent, index >>= BITS) {
        n->slot[slot_of(index, 0)].value = 0;
        n->map[PRESENT] &= ~bit(index);
        if (n->map[PRESENT]) {
            lower(r);
            return;
        }
        parent = n->parent;
        free_node(r, n);
        r->recent_index = UINT64_MAX;
    }
    reset(r);
}

uint64_t vmsim__radix_remove(struct vmsim__radix *r, uint64_t index) {
    node *n = vmsim__radix_leaf(r, index);
    uint64_t old = n ? n->slot[slot_of(index, 0)].value : 0;
    if (!old)
        return 0;
    VMSIM__ASSERT(r->count > 0 && n->map[PRESENT] & bit(index));
    r->count--;
    clear_marks(n, index, (1u << VMSIM__RADIX_MARKS) - 1);
    clear_slot(r, n, index);
    return old;
}

/* The first entry of bitmap `map` below node n, whose indices begin at `at`. There is one: its parent has the bit. */
static uint64_t first_below(const struct vmsim__radix *r, node *n, uint64_t at, unsigned shift, uint64_t *index,
                            unsigned map) {
    unsigned slot = (unsigned)__builtin_ctzll(n->map[map]);
    for (; shift; slot = (unsigned)__builtin_ctzll(n->map[map])) {
        VMSIM__ASSERT(n->map[map]);
        at += (uint64_t)slot << shift;
        n = n->slot[slot].node;
        shift -= BITS;
    }
    *index = at += slot;
    return keep(r, n, at)->slot[slot].value;
}

/* First entry at or after *index whose way is in bitmap `map` of all nodes. It goes up from the node that was used last
 * where that is the one. */
static uint64_t next_in(const struct vmsim__radix *r, uint64_t *index, unsigned map) {
    uint64_t at = *index;
    const bool near = at >> BITS == r->recent_index;
    node *n = near ? r->recent : beyond(r, at) ? NULL : r->root;
    unsigned shift = near ? 0 : BITS * (r->height - 1);
    while (n) {
        unsigned slot = (unsigned)(at >> shift) & (SLOTS - 1);
        uint64_t left = n->map[map] >> slot;
        if (!left) { /* nothing more below this node: on behind it, from the node that leads there */
            n = n->parent;
            shift += BITS;
            at = n ? ((at >> shift) + 1) << shift : 0;
            for (; n && !(at >> shift & (SLOTS - 1)); shift += BITS)
                n = n->parent;
            continue;
        }
        unsigned further = (unsigned)__builtin_ctzll(left);
        if (further) { /* zeroes below the found slot */
            at = ((at >> shift) + further) << shift;
            if (shift)
                return first_below(r, n->slot[slot + further].node, at, shift - BITS, index, map);
        }
        if (!shift) {
            *index = at;
            return keep(r, n, at)->slot[slot + further].value;
        }
        n = n->slot[slot + further].node;
        shift -= BITS;
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
    for (uint64_t left = level ? n->map[PRESENT] : 0; left; left &= left - 1) {
        const node *child = n->slot[__builtin_ctzll(left)].node;
        if (child->parent != n || !subtree_valid(child, level - 1, count))
            return false;
    }
    *count += level ? 0 : (unsigned)__builtin_popcountll(n->map[PRESENT]);
    return n->map[PRESENT];
}

bool vmsim__radix_valid(const struct vmsim__radix *r) {
    uint64_t count = 0;
    if (!r->height)
        return !r->root && !r->count;
    if (r->height > MAX_HEIGHT || (r->height > 1 && r->root->map[PRESENT] == 1) || r->root->parent)
        return false;
    if (r->recent_index != UINT64_MAX) {
        struct vmsim__radix anew = *r;
        if (vmsim__radix_descend(&anew, r->recent_index << BITS) != r->recent)
            return false;
    }
    return subtree_valid(r->root, r->height - 1, &count) && count == r->count;
}
