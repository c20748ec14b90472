/* SPDX-License-Identifier: MIT */
/* TLB replacement "random": any entry, from the array's own stream of the machine's seed. */
#include "tlb/tlb_internal.h"

static int random_create(const struct vmsim_policy_services *services, const struct vmsim_tlb_geometry *g,
                         const void *params, void **context) {
    (void)g, (void)params;
    *context = (void *)(uintptr_t)services; /* needs nothing else */
    return 0;
}

static void random_destroy(void *context) {
    (void)context;
}

static uint32_t random_victim(void *context, const struct vmsim_tlb_set *set) {
    VMSIM__ASSERT(set->ways > 0);
    const struct vmsim_policy_services *services = context;
    return set->first + (uint32_t)services->random(services->host, set->ways);
}

const struct vmsim_tlb_replacement_policy vmsim__tlb_random = {.policy = {sizeof vmsim__tlb_random, VMSIM_POLICY_ABI,
                                                                          VMSIM_POLICY_TLB_REPLACEMENT, "random",
                                                                          "Evicts any entry of the set.", NULL, 0},
                                                               .create = random_create,
                                                               .destroy = random_destroy,
                                                               .victim = random_victim};
