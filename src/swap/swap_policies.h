/* SPDX-License-Identifier: MIT */
/* Where in swap a page goes: the domain of its policies, and the question to one of them with its answer checked. The
 * areas themselves are the asker's. Kernel counterpart: get_swap_pages of mm/swapfile.c. */
#ifndef VMSIM__SWAP_POLICIES_H
#define VMSIM__SWAP_POLICIES_H
#include "base/policy_registry.h"
#include "base/util.h"

extern const struct vmsim__policy_domain vmsim__swap_domain;

struct vmsim__swap_placement {
    const struct vmsim_swap_policy *policy;
    struct vmsim__policy_instance instance;
};

int vmsim__swap_placement_create(struct vmsim__swap_placement *s, struct vmsim__policy_registry *policies,
                                 const struct vmsim__policy_choice *choice, uint64_t seed, struct vmsim__err *err);
void vmsim__swap_placement_destroy(struct vmsim__swap_placement *s);

/* Where to look for slots; false: no area has enough. */
bool vmsim__swap_place(struct vmsim__swap_placement *s, const struct vmsim_swap_request *request,
                       struct vmsim_swap_place *place);

/* The first of the areas with the highest priority of those that have enough; UINT32_MAX: none. */
uint32_t vmsim__swap_first_area(const struct vmsim_swap_request *request);

/* The slot behind the one that was given last, from the beginning again at the end. */
VMSIM__INLINE uint64_t vmsim__swap_next_slot(const struct vmsim_swap_area *a) {
    return a->next < a->slots ? a->next : 0;
}

extern const struct vmsim_swap_policy vmsim__swap_linux, vmsim__swap_first_fit, vmsim__swap_beside;

#endif
