/* SPDX-License-Identifier: MIT */
/* A TLB replacement policy after a paper: "my-ship", signature-based hit prediction (Wu, Jaleel, Hasenplaugh,
 * Martonosi, Steely, Emer: "SHiP: Signature-based Hit Predictor for High Performance Caching", MICRO 2011).
 *
 * Who brings an entry is its signature: the instruction, where the host knows it, else the 256 KiB that the page lies
 * in. A table of counters learns whether the entries of a signature are used again. One whose entries are not comes as
 * the next to go; all else is as with SRRIP.
 *
 *     fill: table[signature] == 0 ? distant : long
 *     first use: table[signature]++          gone unused: table[signature]-- */
#define VMSIM_PLUGIN
#include <vmsim/policy.h>

enum { NEAR = 0, LONG = 2, DISTANT = 3, TABLE = 4096, COUNT_MAX = 7 };

struct entry {
    uint64_t seen; /* last_use when its prediction was made */
    uint16_t signature;
    uint8_t prediction;
    bool used, there;
};

struct ship {
    const struct vmsim_policy_services *services;
    uint32_t sets, ways;
    uint64_t *hopeless; /* counter: entries that came as the next to go */
    uint8_t table[TABLE];
    struct entry entries[];
};

static size_t size_of(uint32_t sets, uint32_t ways) {
    return sizeof(struct ship) + (size_t)sets * ways * sizeof(struct entry);
}

static int ship_create(const struct vmsim_policy_services *services, const struct vmsim_tlb_geometry *geometry,
                       const void *params, void **context) {
    struct ship *s = services->allocate(services->host, size_of(geometry->sets, geometry->ways));
    (void)params;
    if (!s)
        return -1; /* VMSIM_ENOMEM */
    s->services = services;
    s->sets = geometry->sets;
    s->ways = geometry->ways;
    for (unsigned i = 0; i < TABLE; i++)
        s->table[i] = 1;
    s->hopeless = services->counter(services->host, "hopeless");
    *context = s;
    return s->hopeless ? 0 : -1;
}

static void ship_destroy(void *context) {
    struct ship *s = context;
    s->services->release(s->services->host, s, size_of(s->sets, s->ways));
}

static struct entry *entries_of(struct ship *s, uint32_t set) {
    return s->entries + (size_t)set * s->ways;
}

static uint16_t signature_of(const struct vmsim_tlb_set *set) {
    const uint64_t who = set->pc ? set->pc : set->page >> 6;
    return (uint16_t)(who * UINT64_C(0x9e3779b97f4a7c15) >> 52);
}

/* Used since it was looked at last? The first use is what the table learns. */
static void look_at(struct ship *s, struct entry *e, uint64_t last_use) {
    if (last_use == e->seen)
        return;
    e->seen = last_use;
    e->prediction = NEAR;
    if (!e->used && s->table[e->signature] < COUNT_MAX)
        s->table[e->signature]++;
    e->used = true;
}

static void end_of(struct ship *s, struct entry *e) {
    if (e->there && !e->used && s->table[e->signature])
        s->table[e->signature]--;
    e->there = false;
}

static uint32_t ship_victim(void *context, const struct vmsim_tlb_set *set) {
    struct ship *s = context;
    struct entry *e = entries_of(s, set->set);
    uint32_t victim = set->first;
    for (uint32_t w = set->first; w < set->first + set->ways; w++) {
        look_at(s, &e[w], set->last_use[w]);
        if (e[w].prediction > e[victim].prediction)
            victim = w;
    }
    const uint8_t more = (uint8_t)(DISTANT - e[victim].prediction);
    for (uint32_t w = set->first; w < set->first + set->ways; w++)
        e[w].prediction = (uint8_t)(e[w].prediction + more);
    end_of(s, &e[victim]);
    return victim;
}

static void ship_fill(void *context, const struct vmsim_tlb_set *set, uint32_t way) {
    struct ship *s = context;
    const uint16_t signature = signature_of(set);
    const bool hopeless = !s->table[signature];
    *s->hopeless += hopeless;
    entries_of(s, set->set)[way] = (struct entry){
        .seen = set->last_use[way], .signature = signature, .prediction = hopeless ? DISTANT : LONG, .there = true};
}

static void ship_invalidate(void *context, uint32_t set, uint32_t way) {
    struct ship *s = context;
    entries_of(s, set)[way].there = false; /* a flush says nothing of whether it would have been used */
}

static const struct vmsim_tlb_replacement_policy ship = {
    .policy = {.size = sizeof ship,
               .abi = VMSIM_POLICY_ABI,
               .domain = VMSIM_POLICY_TLB_REPLACEMENT,
               .name = "my-ship",
               .doc = "Signature-based hit prediction: entries of who is never used again go first."},
    .create = ship_create,
    .destroy = ship_destroy,
    .victim = ship_victim,
    .fill = ship_fill,
    .invalidate = ship_invalidate,
    .wants = VMSIM_TLB_WANTS_ACCESS};

static const struct vmsim_policy *const policies[] = {&ship.policy, NULL};

const struct vmsim_plugin *vmsim_plugin(uint32_t host_abi) {
    static const struct vmsim_plugin plugin = {sizeof plugin, VMSIM_POLICY_ABI, "my-ship", policies};
    return host_abi == VMSIM_POLICY_ABI ? &plugin : NULL;
}
