/* SPDX-License-Identifier: MIT */
/* A plugin whose policies answer what cannot be, for the tests of what is told of it. */
#define VMSIM_PLUGIN
#include <vmsim/policy.h>

static int wrong_create(const struct vmsim_policy_services *services, const struct vmsim_tlb_geometry *geometry,
                        const void *params, void **context) {
    (void)geometry, (void)params;
    uint64_t *counter = services->counter(services->host, "asked");
    services->log(services->host, "this policy is wrong on purpose");
    *context = counter;
    return counter ? 0 : -1;
}

static void wrong_destroy(void *context) {
    (void)context;
}

static uint32_t wrong_victim(void *context, const struct vmsim_tlb_set *set) {
    uint64_t *asked = context;
    return ++*asked % 2 ? 999 : set->first;
}

static const struct vmsim_tlb_replacement_policy wrong = {.policy = {.size = sizeof wrong,
                                                                     .abi = VMSIM_POLICY_ABI,
                                                                     .domain = VMSIM_POLICY_TLB_REPLACEMENT,
                                                                     .name = "wrong",
                                                                     .doc = "Every other victim is way 999."},
                                                          .create = wrong_create,
                                                          .destroy = wrong_destroy,
                                                          .victim = wrong_victim};

static bool wrong_window(void *context, const struct vmsim_readahead_request *request,
                         struct vmsim_readahead_window *window) {
    (void)context;
    *window = (struct vmsim_readahead_window){request->index, 1, 2};
    return true;
}

static const struct vmsim_readahead_policy readahead = {.policy = {.size = sizeof readahead,
                                                                   .abi = VMSIM_POLICY_ABI,
                                                                   .domain = VMSIM_POLICY_READAHEAD,
                                                                   .name = "wrong-window",
                                                                   .doc = "More ahead of need than there is."},
                                                        .window = wrong_window};

static const struct vmsim_policy *const policies[] = {&wrong.policy, &readahead.policy, NULL};

const struct vmsim_plugin *vmsim_plugin(uint32_t host_abi) {
    static const struct vmsim_plugin plugin = {sizeof plugin, VMSIM_POLICY_ABI, "wrong", policies};
    return host_abi == VMSIM_POLICY_ABI ? &plugin : NULL;
}
