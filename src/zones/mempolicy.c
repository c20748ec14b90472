/* SPDX-License-Identifier: MIT */
/* Memory policies: making them, and choosing nodes by them (see mempolicy.h).
 *
 * Masks are one word, for a machine has at most 64 nodes. The order of the checks decides nothing that a caller could
 * see: they all say EINVAL. */
#include "zones/mempolicy.h"

#define EINVAL_RESULT 22
#define KEEPS_MASK (VMSIM__MPOL_F_STATIC_NODES | VMSIM__MPOL_F_RELATIVE_NODES)

/* N_MEMORY of the kernel. */
uint64_t vmsim__memory_nodes(const struct vmsim__mem *mem) {
    uint64_t nodes = 0;
    for (unsigned n = 0; n < mem->nr_nodes; n++)
        nodes |= (uint64_t)mem->nodes[n].has_memory << n;
    return nodes;
}

/* Kernel: nodes_weight, first_node. */
static unsigned weight(uint64_t nodes) {
    return (unsigned)__builtin_popcountll(nodes);
}
static unsigned first(uint64_t nodes) {
    VMSIM__ASSERT(nodes);
    return (unsigned)__builtin_ctzll(nodes);
}
/* The n-th node of the mask, from 0. */
static unsigned nth(uint64_t nodes, unsigned n) {
    VMSIM__ASSERT(n < weight(nodes));
    while (n--)
        nodes &= nodes - 1;
    return first(nodes);
}
/* The first node of the mask behind `node`, in a circle. Kernel: next_node_in. */
static unsigned next_in(uint64_t nodes, unsigned node) {
    uint64_t above = node + 1 < 64 ? nodes >> (node + 1) << (node + 1) : 0;
    return first(above ? above : nodes);
}

/* Bit n of the mask means the n-th usable node, folded into their number. Kernel: mpol_relative_nodemask. */
static uint64_t relative(uint64_t mask, uint64_t usable) {
    uint64_t out = 0;
    for (unsigned n = 0; n < 64 && usable; n++) {
        if (mask >> n & 1)
            out |= UINT64_C(1) << nth(usable, n % weight(usable));
    }
    return out;
}

/* ---- making ---- */

/* Kernel: sanitize_mpol_flags and mpol_new. */
static bool sensible(const struct vmsim__mem *mem, unsigned mode, unsigned flags, uint64_t nodes) {
    const unsigned modes = mem->kernel->weighted_interleave ? VMSIM__MPOL_MODES : VMSIM__MPOL_WEIGHTED_INTERLEAVE;
    if (mode >= modes || (flags & KEEPS_MASK) == KEEPS_MASK)
        return false;
    if ((flags & VMSIM__MPOL_F_NUMA_BALANCING) && mode != VMSIM__MPOL_BIND &&
        !(mode == VMSIM__MPOL_PREFERRED_MANY && mem->kernel->weighted_interleave))
        return false;
    switch (mode) {
    case VMSIM__MPOL_DEFAULT:
        return !nodes;
    case VMSIM__MPOL_LOCAL:
        return !nodes && !(flags & KEEPS_MASK);
    case VMSIM__MPOL_PREFERRED:
        return nodes || !(flags & KEEPS_MASK); /* without a node: local */
    default:
        return nodes;
    }
}

/* What the caller asked for is kept (`user`) where the mode says that it shall be followed when the allowed nodes
 * change; else what was allowed, as the base of a remap. */
int vmsim__mempolicy_make(const struct vmsim__mem *mem, unsigned mode, uint64_t nodes, uint64_t allowed,
                          struct vmsim__mempolicy *out) {
    const unsigned flags = mode & VMSIM__MPOL_F_ALL;
    const uint64_t usable = allowed & vmsim__memory_nodes(mem);
    mode &= ~VMSIM__MPOL_F_ALL;
    if (!sensible(mem, mode, flags, nodes))
        return EINVAL_RESULT;
    if (mode == VMSIM__MPOL_PREFERRED && !nodes)
        mode = VMSIM__MPOL_LOCAL;
    struct vmsim__mempolicy p = {.flags = (uint16_t)flags, .mode = (uint8_t)mode};
    if (mode != VMSIM__MPOL_DEFAULT && mode != VMSIM__MPOL_LOCAL) {
        p.user = flags & KEEPS_MASK ? nodes : usable;
        p.nodes = flags & VMSIM__MPOL_F_RELATIVE_NODES ? relative(nodes, usable) : nodes & usable;
        if (!p.nodes)
            return EINVAL_RESULT;
        if (mode == VMSIM__MPOL_PREFERRED)
            p.nodes = UINT64_C(1) << first(p.nodes);
    }
    *out = p;
    return 0;
}

/* The n-th node of the old mask becomes the n-th of the new one. A node that was not in the old mask stays: nothing
 * says what became of it. Kernel: node_remap, bitmap_bitremap. */
unsigned vmsim__node_remap(unsigned node, uint64_t from, uint64_t to) {
    VMSIM__ASSERT(node < 64);
    if (!(from >> node & 1) || !to)
        return node;
    return nth(to, weight(from & ((UINT64_C(1) << node) - 1)) % weight(to));
}

/* Kernel: nodes_remap. */
static uint64_t remap(uint64_t nodes, uint64_t from, uint64_t to) {
    uint64_t out = 0;
    for (; nodes; nodes &= nodes - 1)
        out |= UINT64_C(1) << vmsim__node_remap(first(nodes), from, to);
    return out;
}

/* Nodes that a policy may use have changed (cpusets, hotplug). An empty outcome would be a policy that no allocation
 * can follow: then all allowed nodes serve. Kernel: mpol_rebind_policy. */
void vmsim__mempolicy_rebind(const struct vmsim__mem *mem, struct vmsim__mempolicy *p, uint64_t allowed) {
    allowed &= vmsim__memory_nodes(mem);
    if (p->mode == VMSIM__MPOL_DEFAULT || p->mode == VMSIM__MPOL_LOCAL || !allowed)
        return;
    uint64_t nodes;
    if (p->flags & VMSIM__MPOL_F_STATIC_NODES)
        nodes = p->user & allowed;
    else if (p->flags & VMSIM__MPOL_F_RELATIVE_NODES)
        nodes = relative(p->user, allowed);
    else
        nodes = remap(p->nodes, p->user, allowed);
    if (!(p->flags & KEEPS_MASK))
        p->user = allowed;
    if (p->mode == VMSIM__MPOL_PREFERRED) { /* stays on its node while that makes sense */
        p->nodes = nodes ? UINT64_C(1) << first(nodes) : p->nodes;
        return;
    }
    p->nodes = nodes ? nodes : allowed;
}

/* Field by field: padding is not compared. */
bool vmsim__mempolicy_equal(const struct vmsim__mempolicy *a, const struct vmsim__mempolicy *b) {
    return a->mode == b->mode && a->flags == b->flags && a->user == b->user && a->nodes == b->nodes &&
           a->home == b->home;
}

/* Interleaving begins with the first node of the mask: `previous` is the last there can be. Kernel:
 * do_set_mempolicy. */
void vmsim__task_policy_set(struct vmsim__task_policy *t, const struct vmsim__mempolicy *p) {
    t->policy = *p;
    if (p->mode == VMSIM__MPOL_INTERLEAVE || p->mode == VMSIM__MPOL_WEIGHTED_INTERLEAVE) {
        t->previous = VMSIM__MAX_NODES - 1;
        t->left = 0;
    }
}

/* ---- choosing ---- */

/* Kernel: get_il_weight; a weight that nobody set is 1. */
static unsigned node_weight(const struct vmsim__mem *mem, unsigned node) {
    return mem->interleave_weight[node] ? mem->interleave_weight[node] : 1;
}

/* For who asks without taking (MPOL_F_NODE): the turn does not move on. */
unsigned vmsim__task_policy_next(const struct vmsim__mem *mem, const struct vmsim__task_policy *t) {
    (void)mem;
    if (t->policy.mode == VMSIM__MPOL_WEIGHTED_INTERLEAVE && t->left && (t->policy.nodes >> t->previous & 1))
        return t->previous;
    return next_in(t->policy.nodes, t->previous);
}

/* Kernel: interleave_nodes, weighted_interleave_nodes. With weights a node keeps the turn for as many pages. */
static unsigned in_turn(const struct vmsim__mem *mem, struct vmsim__task_policy *t) {
    const unsigned node = vmsim__task_policy_next(mem, t);
    if (t->policy.mode == VMSIM__MPOL_WEIGHTED_INTERLEAVE) {
        if (node != t->previous || !t->left)
            t->left = (uint8_t)node_weight(mem, node);
        t->left--;
    }
    t->previous = (uint16_t)node;
    return node;
}

/* Kernel: offset_il_node, weighted_interleave_nid. Of shared memory and of areas the page's index decides and not
 * who faults first, so that a file's pages lie alike for everybody. */
static unsigned by_index(const struct vmsim__mem *mem, const struct vmsim__mempolicy *p, uint64_t index) {
    if (p->mode == VMSIM__MPOL_INTERLEAVE)
        return nth(p->nodes, (unsigned)(index % weight(p->nodes)));
    unsigned node = first(p->nodes);
    uint64_t total = node_weight(mem, node);
    for (unsigned n = node + 1; n < mem->nr_nodes; n++)
        total += p->nodes >> n & 1 ? node_weight(mem, n) : 0;
    uint64_t target = index % total;
    for (; target >= node_weight(mem, node); node = next_in(p->nodes, node))
        target -= node_weight(mem, node);
    return node;
}

/* interleave_hit is of the node that was meant. Kernel: alloc_page_interleave. */
static vmsim__pfn alloc_interleaved(struct vmsim__mem *mem, struct vmsim__alloc_request *rq, unsigned node) {
    rq->node = (uint16_t)node;
    vmsim__pfn pfn = vmsim__mem_alloc(mem, rq);
    if (pfn != VMSIM__PFN_NONE && mem->sysctl.numa_stat) {
        struct vmsim__zone *z = &mem->zones[vmsim__frame_zone(vmsim__frame_at(&mem->frames, pfn))];
        z->numa[VMSIM__NUMA_INTERLEAVE] += z->node == node;
    }
    return pfn;
}

/* Requests that must come from lower zones than users' memory does are the kernel's own: BIND does not concern them.
 * Kernel: apply_policy_zone. */
static bool binds(const struct vmsim__mem *mem, uint32_t gfp) {
    unsigned policy_zone = 0;
    for (unsigned z = 0; z < mem->nr_zones; z++) {
        if (mem->zones[z].type < VMSIM__ZONE_MOVABLE && mem->zones[z].type > policy_zone)
            policy_zone = mem->zones[z].type;
    }
    return vmsim__gfp_zone(mem, gfp) >= policy_zone;
}

/* Kernel: alloc_pages_preferred_many. The preferred nodes are asked without reclaim: falling back to others costs
 * less than making room. */
static vmsim__pfn alloc_preferred_many(struct vmsim__mem *mem, struct vmsim__alloc_request *rq,
                                       const struct vmsim__mempolicy *p) {
    struct vmsim__alloc_request light = *rq;
    light.gfp = (rq->gfp | VMSIM__GFP_NOWARN) & ~VMSIM__GFP_DIRECT_RECLAIM;
    light.nodemask = &p->nodes;
    vmsim__pfn pfn = vmsim__mem_alloc(mem, &light);
    return pfn != VMSIM__PFN_NONE ? pfn : vmsim__mem_alloc(mem, rq);
}

/* One node first, since a remote huge page may be slower than local small ones. Kernel: alloc_pages_mpol. */
static vmsim__pfn alloc_huge(struct vmsim__mem *mem, const struct vmsim__alloc_request *rq) {
    struct vmsim__alloc_request light = *rq;
    light.gfp |= VMSIM__GFP_THISNODE | VMSIM__GFP_NORETRY;
    light.nodemask = NULL;
    vmsim__pfn pfn = vmsim__mem_alloc(mem, &light);
    const bool again = pfn == VMSIM__PFN_NONE && (rq->gfp & VMSIM__GFP_DIRECT_RECLAIM) && !vmsim__now_waits(&mem->now);
    return again ? vmsim__mem_alloc(mem, rq) : pfn;
}

/* For who allocates by itself (reclaim's own, hugetlb): the same choice as below, without the allocation. */
void vmsim__mempolicy_place(const struct vmsim__mem *mem, const struct vmsim__mempolicy *p, uint64_t index,
                            struct vmsim__alloc_request *rq) {
    VMSIM__ASSERT(rq->cpu < mem->nr_cpus);
    rq->node = p->home ? (uint16_t)(p->home - 1) : mem->cpu_node[rq->cpu];
    rq->nodemask = NULL;
    if (p->mode == VMSIM__MPOL_INTERLEAVE || p->mode == VMSIM__MPOL_WEIGHTED_INTERLEAVE)
        rq->node = (uint16_t)by_index(mem, p, index);
    else if (p->mode == VMSIM__MPOL_PREFERRED || p->mode == VMSIM__MPOL_PREFERRED_MANY)
        rq->node = (uint16_t)(p->nodes >> rq->node & 1 ? rq->node : first(p->nodes));
    else if (p->mode == VMSIM__MPOL_BIND && binds(mem, rq->gfp))
        rq->nodemask = &p->nodes;
}

/* The area's policy counts before the task's. Kernel: get_vma_policy, alloc_pages_mpol. */
vmsim__pfn vmsim__mempolicy_alloc(struct vmsim__mem *mem, struct vmsim__task_policy *task,
                                  const struct vmsim__mempolicy *area, uint64_t index, bool huge,
                                  struct vmsim__alloc_request rq) {
    VMSIM__ASSERT(rq.cpu < mem->nr_cpus);
    static const struct vmsim__mempolicy local = {.mode = VMSIM__MPOL_LOCAL};
    const bool own = !(area && area->mode) && task && task->policy.mode;
    const struct vmsim__mempolicy *p = own ? &task->policy : area && area->mode ? area : &local;
    VMSIM__ASSERT(own || index != VMSIM__IN_TURN || p->mode == VMSIM__MPOL_LOCAL);
    if (p->mode == VMSIM__MPOL_INTERLEAVE || p->mode == VMSIM__MPOL_WEIGHTED_INTERLEAVE)
        return alloc_interleaved(mem, &rq, index == VMSIM__IN_TURN ? in_turn(mem, task) : by_index(mem, p, index));
    if (p->mode == VMSIM__MPOL_PREFERRED_MANY) {
        rq.node = p->home ? (uint16_t)(p->home - 1) : mem->cpu_node[rq.cpu];
        return alloc_preferred_many(mem, &rq, p);
    }
    vmsim__mempolicy_place(mem, p, 0, &rq);
    const bool from_one = huge && (!rq.nodemask || (*rq.nodemask >> rq.node & 1));
    return from_one ? alloc_huge(mem, &rq) : vmsim__mem_alloc(mem, &rq);
}
