/* SPDX-License-Identifier: MIT */
/* Hierarchical counters with limits, and the share of a parent's protection that a child gets. */
#include "lru/page_counter.h"

void vmsim__page_counter_init(struct vmsim__page_counter *c, struct vmsim__page_counter *parent) {
    *c =
        (struct vmsim__page_counter){.parent = parent, .high = VMSIM__PAGE_COUNTER_MAX, .max = VMSIM__PAGE_COUNTER_MAX};
}

static void add(struct vmsim__page_counter *c, uint64_t pages) {
    VMSIM__ASSERT(c->usage + pages >= c->usage);
    c->usage += pages;
    c->watermark = vmsim__max64(c->watermark, c->usage);
}

void vmsim__page_counter_charge(struct vmsim__page_counter *c, uint64_t pages) {
    for (; c; c = c->parent)
        add(c, pages);
}

void vmsim__page_counter_uncharge(struct vmsim__page_counter *c, uint64_t pages) {
    for (; c; c = c->parent) {
        VMSIM__ASSERT(c->usage >= pages);
        c->usage -= pages;
    }
}

bool vmsim__page_counter_try_charge(struct vmsim__page_counter *c, uint64_t pages, struct vmsim__page_counter **over) {
    for (struct vmsim__page_counter *at = c; at; at = at->parent) {
        if (at->usage + pages > at->max) {
            at->failcnt++;
            *over = at;
            for (struct vmsim__page_counter *undo = c; undo != at; undo = undo->parent)
                undo->usage -= pages;
            return false;
        }
        add(at, pages);
    }
    return true;
}

uint64_t vmsim__page_counter_room(const struct vmsim__page_counter *c) {
    uint64_t room = UINT64_MAX;
    for (; c; c = c->parent)
        room = vmsim__min64(room, c->usage < c->max ? c->max - c->usage : 0);
    return room;
}

/* Kernel: effective_protection: the children share what the parent has, by what each protects of its use; what they
 * leave of it goes, with memory_recursiveprot, to whoever uses more than it protects. */
static uint64_t effective(uint64_t usage, uint64_t parent_usage, uint64_t setting, uint64_t parent, uint64_t siblings,
                          bool recursive) {
    uint64_t own = vmsim__min64(usage, setting);
    if (siblings > parent)
        return (uint64_t)((unsigned __int128)own * parent / siblings);
    uint64_t ep = own;
    if (recursive && parent > siblings && parent_usage > siblings && usage > own)
        ep += (uint64_t)((unsigned __int128)(parent - siblings) * (usage - own) / (parent_usage - siblings));
    VMSIM__ASSERT(ep >= own);
    return ep;
}

void vmsim__page_counter_protect(struct vmsim__page_counter *c, const struct vmsim__page_counter *root,
                                 uint64_t siblings_min, uint64_t siblings_low, bool recursive) {
    VMSIM__ASSERT(c != root && c->parent);
    const struct vmsim__page_counter *p = c->parent;
    if (p == root || !p->parent) {
        c->emin = c->min;
        c->elow = c->low;
        return;
    }
    c->emin = effective(c->usage, p->usage, c->min, p->emin, siblings_min, recursive);
    c->elow = effective(c->usage, p->usage, c->low, p->elow, siblings_low, recursive);
}
