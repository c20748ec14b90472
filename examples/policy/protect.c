/* SPDX-License-Identifier: MIT */
/* A TLB replacement policy of your own, complete: "protect" is LRU that spares entries that were used again.
 *
 * An entry that was used since it came is protected for `chances` victim searches. Built as a shared object, it is
 * loaded with
 *
 *     policies:
 *       tlb_replacement: {plugin: ./protect.so, name: protect, params: {chances: 2}}
 *
 * It needs the header vmsim/policy.h and nothing else of vmsim. */
#define VMSIM_PLUGIN
#include <vmsim/policy.h>

struct protect_params {
    uint64_t chances;
};

static const struct vmsim_param protect_table[] = {{.name = "chances",
                                                    .type = VMSIM_PARAM_UINT,
                                                    .offset = offsetof(struct protect_params, chances),
                                                    .fallback = "1",
                                                    .min = 1,
                                                    .max = 100,
                                                    .doc = "Victim searches that a used entry survives."},
                                                   {0}};

struct entry {
    uint64_t came; /* last_use when the entry came or was last looked at: a later last_use means it was used */
    uint64_t left; /* chances left */
};

struct protect {
    const struct vmsim_policy_services *services;
    uint32_t sets, ways;
    uint64_t chances;
    struct entry *entries;
};

static void protect_destroy(void *context) {
    struct protect *p = context;
    const struct vmsim_policy_services *s = p->services;
    if (p->entries)
        s->release(s->host, p->entries, (size_t)p->sets * p->ways * sizeof *p->entries);
    s->release(s->host, p, sizeof *p);
}

static int protect_create(const struct vmsim_policy_services *services, const struct vmsim_tlb_geometry *geometry,
                          const void *params, void **context) {
    struct protect *p = services->allocate(services->host, sizeof *p);
    if (!p)
        return -1; /* VMSIM_ENOMEM */
    p->services = services;
    p->sets = geometry->sets;
    p->ways = geometry->ways;
    p->chances = ((const struct protect_params *)params)->chances;
    p->entries = services->allocate(services->host, (size_t)p->sets * p->ways * sizeof *p->entries);
    if (!p->entries) {
        protect_destroy(p);
        return -1;
    }
    *context = p;
    return 0;
}

/* The least recently used entry without chances; every protected one pays a chance. All protected: the least recently
 * used. */
static uint32_t protect_victim(void *context, const struct vmsim_tlb_set *set) {
    struct protect *p = context;
    struct entry *e = p->entries + (size_t)set->set * p->ways;
    uint32_t oldest = set->first, best = UINT32_MAX;
    for (uint32_t w = set->first; w < set->first + set->ways; w++) {
        if (set->last_use[w] != e[w].came)
            e[w] = (struct entry){set->last_use[w], p->chances};
        if (set->last_use[w] < set->last_use[oldest])
            oldest = w;
        if (!e[w].left && (best == UINT32_MAX || set->last_use[w] < set->last_use[best]))
            best = w;
        e[w].left -= e[w].left > 0;
    }
    return best == UINT32_MAX ? oldest : best;
}

static void protect_fill(void *context, const struct vmsim_tlb_set *set, uint32_t way) {
    struct protect *p = context;
    p->entries[(size_t)set->set * p->ways + way] = (struct entry){set->last_use[way], 0};
}

static const struct vmsim_tlb_replacement_policy protect = {
    .policy = {.size = sizeof protect,
               .abi = VMSIM_POLICY_ABI,
               .domain = VMSIM_POLICY_TLB_REPLACEMENT,
               .name = "protect",
               .doc = "LRU that spares entries used again for some victim searches.",
               .params = protect_table,
               .params_size = sizeof(struct protect_params)},
    .create = protect_create,
    .destroy = protect_destroy,
    .victim = protect_victim,
    .fill = protect_fill};

static const struct vmsim_policy *const policies[] = {&protect.policy, NULL};

const struct vmsim_plugin *vmsim_plugin(uint32_t host_abi) {
    static const struct vmsim_plugin plugin = {sizeof plugin, VMSIM_POLICY_ABI, "protect", policies};
    return host_abi == VMSIM_POLICY_ABI ? &plugin : NULL;
}
