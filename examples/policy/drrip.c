/* SPDX-License-Identifier: MIT */
/* A TLB replacement policy after a paper: "my-drrip", dynamic re-reference interval prediction (Jaleel, Theobald,
 * Steely, Emer: "High Performance Cache Replacement Using Re-Reference Interval Prediction", ISCA 2010).
 *
 * Each entry has a prediction of two bits: 0 near, 3 distant. The first distant entry goes; while there is none, all of
 * the set grow by one. An entry that comes is predicted long (2) by SRRIP, and distant (3) but for one in 32 by BRRIP,
 * which keeps a part of a working set that is too large. A few sets follow one of them each, and count who misses less;
 * the others follow the better one.
 *
 *     set mod 16:   0 SRRIP      1 BRRIP      2 .. 15 whoever misses less
 *
 * There is no hit(): an entry whose last use is later than when it was looked at last was used since. */
#define VMSIM_PLUGIN
#include <vmsim/policy.h>

enum { NEAR = 0, LONG = 2, DISTANT = 3, DUEL = 16, PSEL_MAX = 1023, RARE = 32 };

struct entry {
    uint64_t seen; /* last_use when its prediction was made */
    uint64_t prediction;
};

struct drrip {
    const struct vmsim_policy_services *services;
    uint32_t sets, ways;
    uint32_t psel; /* from the middle on: SRRIP misses more */
    uint64_t *bimodal;
    struct entry entries[];
};

static size_t size_of(uint32_t sets, uint32_t ways) {
    return sizeof(struct drrip) + (size_t)sets * ways * sizeof(struct entry);
}

static int drrip_create(const struct vmsim_policy_services *services, const struct vmsim_tlb_geometry *geometry,
                        const void *params, void **context) {
    struct drrip *d = services->allocate(services->host, size_of(geometry->sets, geometry->ways));
    (void)params;
    if (!d)
        return -1; /* VMSIM_ENOMEM */
    d->services = services;
    d->sets = geometry->sets;
    d->ways = geometry->ways;
    d->psel = PSEL_MAX / 2;
    d->bimodal = services->counter(services->host, "bimodal"); /* entries that came as BRRIP has it */
    *context = d;
    return d->bimodal ? 0 : -1;
}

static void drrip_destroy(void *context) {
    struct drrip *d = context;
    d->services->release(d->services->host, d, size_of(d->sets, d->ways));
}

static uint32_t drrip_victim(void *context, const struct vmsim_tlb_set *set) {
    struct drrip *d = context;
    struct entry *e = d->entries + (size_t)set->set * d->ways;
    uint64_t most = 0;
    uint32_t victim = set->first;
    for (uint32_t w = set->first; w < set->first + set->ways; w++) {
        if (set->last_use[w] != e[w].seen)
            e[w] = (struct entry){set->last_use[w], NEAR};
        if (e[w].prediction > most || w == set->first) {
            most = e[w].prediction;
            victim = w;
        }
    }
    for (uint32_t w = set->first; w < set->first + set->ways; w++)
        e[w].prediction += DISTANT - most; /* as often as it takes until one is distant */
    return victim;
}

/* Every entry that comes was missed. */
static bool is_bimodal(struct drrip *d, uint32_t set) {
    if (d->sets < 2 * DUEL) /* too few to hold a contest */
        return false;
    if (set % DUEL == 0)
        d->psel += d->psel < PSEL_MAX;
    else if (set % DUEL == 1)
        d->psel -= d->psel > 0;
    return set % DUEL == 0 ? false : set % DUEL == 1 || d->psel > PSEL_MAX / 2;
}

static void drrip_fill(void *context, const struct vmsim_tlb_set *set, uint32_t way) {
    struct drrip *d = context;
    const bool bimodal = is_bimodal(d, set->set);
    const bool distant = bimodal && d->services->random(d->services->host, RARE) != 0;
    *d->bimodal += bimodal;
    d->entries[(size_t)set->set * d->ways + way] = (struct entry){set->last_use[way], distant ? DISTANT : LONG};
}

static const struct vmsim_tlb_replacement_policy drrip = {
    .policy = {.size = sizeof drrip,
               .abi = VMSIM_POLICY_ABI,
               .domain = VMSIM_POLICY_TLB_REPLACEMENT,
               .name = "my-drrip",
               .doc = "Dynamic re-reference interval prediction: SRRIP and BRRIP in a contest of sets."},
    .create = drrip_create,
    .destroy = drrip_destroy,
    .victim = drrip_victim,
    .fill = drrip_fill};

static const struct vmsim_policy *const policies[] = {&drrip.policy, NULL};

const struct vmsim_plugin *vmsim_plugin(uint32_t host_abi) {
    static const struct vmsim_plugin plugin = {sizeof plugin, VMSIM_POLICY_ABI, "my-drrip", policies};
    return host_abi == VMSIM_POLICY_ABI ? &plugin : NULL;
}
