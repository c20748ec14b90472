/* SPDX-License-Identifier: MIT */
/* Memory policies: on which nodes a page is looked for.
 *
 *     mode               nodes looked at                                          when they have nothing
 *     DEFAULT            no policy: the next one decides (area, task, local)
 *     LOCAL              the CPU's, then its fallback order                       anywhere
 *     PREFERRED          the one node, then its fallback order                    anywhere
 *     PREFERRED_MANY     those of the mask, nearest first, without effort         anywhere
 *     BIND               those of the mask, nearest first                         reclaim, then the OOM killer
 *     INTERLEAVE         one of the mask: by page of the object, or in turn       anywhere
 *     WEIGHTED_...       the same, each node as often as it weighs
 *
 * A policy is a value: areas hold theirs, and compare them when they merge. The mask that is in force (`nodes`) comes
 * from what the user asked and what he may use. Kernel counterpart: mm/mempolicy.c. */
#ifndef VMSIM__MEMPOLICY_H
#define VMSIM__MEMPOLICY_H
#include "zones/zones.h"

enum vmsim__mpol_mode {
    VMSIM__MPOL_DEFAULT,
    VMSIM__MPOL_PREFERRED,
    VMSIM__MPOL_BIND,
    VMSIM__MPOL_INTERLEAVE,
    VMSIM__MPOL_LOCAL,
    VMSIM__MPOL_PREFERRED_MANY,
    VMSIM__MPOL_WEIGHTED_INTERLEAVE, /* since 6.9 */
    VMSIM__MPOL_MODES
};
/* Flags beside the mode, by Linux's numbers. */
#define VMSIM__MPOL_F_NUMA_BALANCING (1u << 13) /* BIND, since 6.12 PREFERRED_MANY: pages may follow tasks */
#define VMSIM__MPOL_F_RELATIVE_NODES (1u << 14) /* bit n of the mask is the n-th node that may be used, in a circle */
#define VMSIM__MPOL_F_STATIC_NODES (1u << 15)   /* the mask names nodes, whatever may be used later */
#define VMSIM__MPOL_F_ALL (VMSIM__MPOL_F_NUMA_BALANCING | VMSIM__MPOL_F_RELATIVE_NODES | VMSIM__MPOL_F_STATIC_NODES)

struct vmsim__mempolicy {
    uint64_t nodes; /* in force */
    uint64_t user;  /* STATIC, RELATIVE: the mask as given; else the nodes that could be used when it was made */
    uint16_t flags; /* VMSIM__MPOL_F_* */
    uint8_t mode;   /* enum vmsim__mpol_mode; zeroed: none */
    uint8_t home;   /* BIND, PREFERRED_MANY: node + 1 that is looked at first (set_mempolicy_home_node); 0: the CPU's */
};

/* What a task has: its policy, and whose turn it is. */
struct vmsim__task_policy {
    struct vmsim__mempolicy policy;
    uint16_t previous; /* node served last in turn */
    uint8_t left;      /* WEIGHTED_INTERLEAVE: of its weight */
};

/* Nodes that have memory. */
uint64_t vmsim__memory_nodes(const struct vmsim__mem *mem);
/* Of them those that the running task's cpuset allows. */
static inline uint64_t vmsim__mems_allowed(const struct vmsim__mem *mem) {
    return mem->now.mems ? mem->now.mems : vmsim__memory_nodes(mem);
}
/* A policy of `mode` (flags or'ed in) over `nodes` of those in `allowed` (cpuset): 0 or an errno (22, EINVAL), *out
 * untouched then. */
int vmsim__mempolicy_make(const struct vmsim__mem *mem, unsigned mode, uint64_t nodes, uint64_t allowed,
                          struct vmsim__mempolicy *out);
/* Other nodes may be used from now on. Kernel: mpol_rebind_policy. */
void vmsim__mempolicy_rebind(const struct vmsim__mem *mem, struct vmsim__mempolicy *p, uint64_t allowed);
/* The node that takes the place of `node` when `from` becomes `to`. Kernel: node_remap. */
unsigned vmsim__node_remap(unsigned node, uint64_t from, uint64_t to);
bool vmsim__mempolicy_equal(const struct vmsim__mempolicy *a, const struct vmsim__mempolicy *b);
/* set_mempolicy: who interleaves begins with the first node. */
void vmsim__task_policy_set(struct vmsim__task_policy *t, const struct vmsim__mempolicy *p);
/* The node whose turn comes next (get_mempolicy with MPOL_F_NODE). */
unsigned vmsim__task_policy_next(const struct vmsim__mem *mem, const struct vmsim__task_policy *t);

/* Fills in node and nodemask of a request for page `index` of an object with this policy. */
void vmsim__mempolicy_place(const struct vmsim__mem *mem, const struct vmsim__mempolicy *p, uint64_t index,
                            struct vmsim__alloc_request *rq);
/* A frame by `area` if it has a mode, else by `task` (NULL: local). `index`: page of the object in units of the order,
 * for policies that interleave; VMSIM__IN_TURN: the task's next. Of rq node and nodemask are filled in. A huge page of
 * user memory (`huge`) is first asked of one node, without effort. */
#define VMSIM__IN_TURN UINT64_MAX
vmsim__pfn vmsim__mempolicy_alloc(struct vmsim__mem *mem, struct vmsim__task_policy *task,
                                  const struct vmsim__mempolicy *area, uint64_t index, bool huge,
                                  struct vmsim__alloc_request rq);

#endif
