/* SPDX-License-Identifier: MIT */
/* The built-in policies of swap placement. */
#include "swap/swap_policies.h"

#define POLICY(object, its_name, text)                                                                                 \
    { sizeof object, VMSIM_POLICY_ABI, VMSIM_POLICY_SWAP, its_name, text, NULL, 0 }

/* ---- linux: areas of the highest priority in turn, slots one behind the other ---- */

struct in_turn {
    const struct vmsim_policy_services *services;
    uint32_t last; /* the area that was chosen last */
};

static int linux_create(const struct vmsim_policy_services *services, const void *params, void **context) {
    struct in_turn *t = services->allocate(services->host, sizeof *t);
    (void)params;
    if (!t)
        return VMSIM_ENOMEM;
    t->services = services;
    t->last = UINT32_MAX;
    *context = t;
    return 0;
}

static void linux_destroy(void *context) {
    struct in_turn *t = context;
    t->services->release(t->services->host, t, sizeof *t);
}

/* Kernel: swap_avail_heads orders areas by priority, and one that was used goes behind its equals. */
static void linux_place(void *context, const struct vmsim_swap_request *r, struct vmsim_swap_place *place) {
    struct in_turn *t = context;
    uint32_t first = vmsim__swap_first_area(r), chosen = first;
    VMSIM__ASSERT(first < r->count);
    for (uint32_t k = 1; k <= r->count; k++) {
        uint32_t i = t->last < r->count ? (t->last + k) % r->count : first;
        if (r->area[i]->priority == r->area[first]->priority && r->area[i]->free >= r->slots) {
            chosen = i;
            break;
        }
    }
    t->last = chosen;
    *place = (struct vmsim_swap_place){chosen, vmsim__swap_next_slot(r->area[chosen])};
}

const struct vmsim_swap_policy vmsim__swap_linux = {
    .policy = POLICY(vmsim__swap_linux, "linux", "Areas of the highest priority in turn, slots one behind the other."),
    .create = linux_create,
    .destroy = linux_destroy,
    .place = linux_place};

/* ---- first-fit ---- */

static void first_fit_place(void *context, const struct vmsim_swap_request *r, struct vmsim_swap_place *place) {
    (void)context;
    *place = (struct vmsim_swap_place){vmsim__swap_first_area(r), 0};
}

const struct vmsim_swap_policy vmsim__swap_first_fit = {
    .policy = POLICY(vmsim__swap_first_fit, "first-fit", "The first free slots of the area with the highest priority."),
    .place = first_fit_place};

/* ---- beside: behind the page before it ---- */

static void beside_place(void *context, const struct vmsim_swap_request *r, struct vmsim_swap_place *place) {
    (void)context;
    bool known = r->neighbour != UINT64_MAX && r->neighbour_area < r->count;
    uint32_t area = vmsim__swap_first_area(r);
    uint64_t slot = vmsim__swap_next_slot(r->area[area]);
    if (known && r->area[r->neighbour_area]->free >= r->slots && r->neighbour + 1 < r->area[r->neighbour_area]->slots) {
        area = r->neighbour_area;
        slot = r->neighbour + 1;
    }
    *place = (struct vmsim_swap_place){area, slot};
}

const struct vmsim_swap_policy vmsim__swap_beside = {
    .policy = POLICY(vmsim__swap_beside, "beside",
                     "Behind the page before it in its address space, so that they are read "
                     "back together."),
    .place = beside_place,
    .uses_neighbour = true};
