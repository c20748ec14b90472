/* SPDX-License-Identifier: MIT */
/* The row of swap placement policies, the instance of a machine, and the check of what it answers. */
#include "swap/swap_policies.h"

static const struct vmsim_policy *const built_in[] = {
    &vmsim__swap_linux.policy, &vmsim__swap_first_fit.policy, &vmsim__swap_beside.policy, NULL, /* one a line */
};

const struct vmsim__policy_domain vmsim__swap_domain = {
    .info = {sizeof(struct vmsim_policy_domain_info), true, "swap", "Where in swap a page goes.", "linux"},
    .id = VMSIM_POLICY_SWAP,
    .size = sizeof(struct vmsim_swap_policy),
    .least = VMSIM__POLICY_UP_TO(vmsim_swap_policy, place),
    .decisive = {VMSIM__POLICY_HOOK(vmsim_swap_policy, place)},
    .create = VMSIM__POLICY_HOOK(vmsim_swap_policy, create),
    .destroy = VMSIM__POLICY_HOOK(vmsim_swap_policy, destroy),
    .built_in = built_in};

int vmsim__swap_placement_create(struct vmsim__swap_placement *s, struct vmsim__policy_registry *policies,
                                 const struct vmsim__policy_choice *choice, uint64_t seed, struct vmsim__err *err) {
    *s = (struct vmsim__swap_placement){0};
    int e = vmsim__policy_instance_start(&s->instance, policies, VMSIM_POLICY_SWAP, choice, seed, "swap", err);
    s->policy = (const void *)s->instance.policy;
    return e;
}

void vmsim__swap_placement_destroy(struct vmsim__swap_placement *s) {
    vmsim__policy_instance_fini(&s->instance);
    *s = (struct vmsim__swap_placement){0};
}

uint32_t vmsim__swap_first_area(const struct vmsim_swap_request *r) {
    uint32_t first = UINT32_MAX;
    for (uint32_t i = 0; i < r->count; i++)
        if (r->area[i]->free >= r->slots && (first == UINT32_MAX || r->area[i]->priority > r->area[first]->priority))
            first = i;
    return first;
}

bool vmsim__swap_place(struct vmsim__swap_placement *s, const struct vmsim_swap_request *r,
                       struct vmsim_swap_place *place) {
    uint32_t first = vmsim__swap_first_area(r);
    VMSIM__ASSERT(r->slots > 0);
    if (first == UINT32_MAX)
        return false;
    *place = (struct vmsim_swap_place){first, vmsim__swap_next_slot(r->area[first])};
    s->policy->place(s->instance.context, r, place);
    if (place->area >= r->count)
        vmsim__policy_fallback(&s->instance, "chose area %u of %u", place->area, r->count);
    else if (r->area[place->area]->free < r->slots)
        vmsim__policy_fallback(&s->instance, "chose area %u, which has not %u free slots", place->area, r->slots);
    else if (place->slot >= r->area[place->area]->slots)
        vmsim__policy_fallback(&s->instance, "chose slot %llu of area %u, which has %llu",
                               (unsigned long long)place->slot, place->area,
                               (unsigned long long)r->area[place->area]->slots);
    else
        return true;
    *place = (struct vmsim_swap_place){first, vmsim__swap_next_slot(r->area[first])};
    return true;
}
