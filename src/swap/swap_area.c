/* SPDX-License-Identifier: MIT */
/* Areas: swapon, where the slots of one lie, which are free, and their users (see swap.h).
 *
 * A search begins at the slot that the policy says and goes on to the area's end, then from its beginning: clusters
 * that are full are passed over by their count, and those below `searched` are known to be full. */
#include "swap/swap.h"

#include <stdio.h>
#include <string.h>

#include "vmsim/error.h"

/* ---- life ---- */

struct vmsim__swap *vmsim__swap_create(struct vmsim__alloc *alloc, struct vmsim__block *block, unsigned page_shift) {
    struct vmsim__swap *s = vmsim__calloc(alloc, 1, sizeof *s);
    VMSIM__ASSERT(block && page_shift >= 12);
    if (!s)
        return NULL;
    *s = (struct vmsim__swap){.alloc = alloc, .block = block, .page_shift = page_shift, .next_priority = -2};
    vmsim__radix_slab_init(&s->nodes, alloc);
    return s;
}

/* Policies see the areas that give slots. */
static void show(struct vmsim__swap *s) {
    s->nr_seen = 0;
    while (s->areas && !s->area[s->areas - 1])
        s->areas--;
    for (uint32_t i = 0; i < s->areas; i++) {
        if (!s->area[i] || s->area[i]->off)
            continue;
        s->seen[s->nr_seen] = &s->area[i]->seen;
        s->type[s->nr_seen++] = (uint8_t)i;
    }
}

static void free_area(struct vmsim__swap *s, struct vmsim__swap_area *a) {
    for (uint64_t c = 0; a->cluster && c < a->clusters; c++)
        vmsim__free(s->alloc, a->cluster[c], sizeof *a->cluster[c]);
    vmsim__free(s->alloc, a->cluster, a->clusters * sizeof(void *));
    if (!a->zram)
        vmsim__layout_release(s->block, &a->layout);
    vmsim__free(s->alloc, a, sizeof *a);
}

void vmsim__swap_destroy(struct vmsim__swap *s) {
    if (!s)
        return;
    for (uint32_t i = 0; i < s->areas; i++)
        if (s->area[i])
            free_area(s, s->area[i]);
    vmsim__swap_placement_destroy(&s->placement);
    for (uint32_t i = 0; i < s->zrams; i++)
        vmsim__zram_fini(&s->zram[i]);
    if (s->zswap)
        vmsim__zswap_fini(s->zswap);
    vmsim__free(s->alloc, s->zswap, sizeof *s->zswap);
    vmsim__free(s->alloc, s->zram, s->zrams * sizeof *s->zram);
    vmsim__slab_fini(&s->nodes);
    vmsim__free(s->alloc, s, sizeof *s);
}

/* Before any swapon, which may name them. */
bool vmsim__swap_add_zram(struct vmsim__swap *s, const struct vmsim__zram_spec *specs, size_t count,
                          struct vmsim__mem *mem, uint64_t seed) {
    VMSIM__ASSERT(!s->zram);
    s->zram = count ? vmsim__calloc(s->alloc, count, sizeof *s->zram) : NULL;
    for (size_t i = 0; s->zram && i < count; i++)
        vmsim__zram_init(&s->zram[s->zrams++], (unsigned)i, &specs[i], s->alloc, &s->nodes, mem, seed);
    return !count || s->zram;
}

/* It stands in front of all areas, once: there is no second pool. */
bool vmsim__swap_add_zswap(struct vmsim__swap *s, const struct vmsim__zswap_spec *spec, struct vmsim__mem *mem,
                           uint64_t seed) {
    VMSIM__ASSERT(!s->zswap);
    s->zswap = vmsim__calloc(s->alloc, 1, sizeof *s->zswap);
    if (s->zswap)
        vmsim__zswap_init(s->zswap, spec, s->alloc, &s->nodes, mem, seed);
    return s->zswap;
}

/* ---- swapon ---- */

static struct vmsim__zram *find_zram(const struct vmsim__swap *s, const char *name) {
    for (uint32_t i = 0; i < s->zrams; i++) {
        if (!strcmp(s->zram[i].name, name))
            return &s->zram[i];
    }
    return NULL;
}

/* The name of what it lies on. */
static const char *device_name(const struct vmsim__swap *s, const struct vmsim__swap_area *a) {
    return a->zram ? a->zram->name : vmsim__block_name(s->block, a->layout.device);
}

/* Says where the area will lie. An area is a file on a device, or a device as a whole; the latter leaves no room for
 * anything else on it. */
static int find_device(const struct vmsim__swap *s, const struct vmsim__swap_spec *spec, struct vmsim__swap_area *a,
                       struct vmsim__err *err) {
    a->zram = spec->device ? find_zram(s, spec->device) : NULL;
    a->layout.device = spec->device && !a->zram ? vmsim__block_find(s->block, spec->device) : 0;
    a->partition = !spec->size;
    if (a->layout.device == VMSIM__BLOCK_NO_DEVICE)
        return vmsim__err_set(err, VMSIM_ENOENT, "there is no device '%s'", spec->device);
    if (a->partition && !spec->device)
        return vmsim__err_set(err, VMSIM_EINVAL, "give a size, or a device that is swap as a whole");
    if (a->zram && !a->partition)
        return vmsim__err_set(err, VMSIM_EINVAL, "no file lies on %s: it is swap as a whole, without a size",
                              a->zram->name);
    for (uint32_t i = 0; i < s->areas; i++) {
        const struct vmsim__swap_area *other = s->area[i];
        if (other && other->zram == a->zram && other->layout.device == a->layout.device &&
            (other->partition || a->partition))
            return vmsim__err_set(err, VMSIM_ESTATE, "the device '%s' %s %s already", device_name(s, a),
                                  other->partition ? "is swap as a whole:" : "has the swap area", other->name);
    }
    return 0;
}

/* The device's blocks for the area: it fails where files have them already. */
static int place(struct vmsim__swap *s, struct vmsim__swap_area *a, uint64_t bytes, bool raw, struct vmsim__err *err) {
    a->layout.raw = raw;
    int e = raw || a->zram ? 0 : vmsim__layout_place(s->block, &a->layout, 0, bytes);
    if (e == VMSIM_ENOMEM)
        return vmsim__err_set(err, e, "no memory for the place of a swap area");
    if (e)
        return vmsim__err_set(err, a->partition ? VMSIM_ESTATE : VMSIM_ELIMIT,
                              "the device '%s' has no room for %llu bytes of swap",
                              vmsim__block_name(s->block, a->layout.device), (unsigned long long)bytes);
    return 0;
}

/* Slot 0 is the header's and never given. An area without a priority gets one below all others (least_priority). */
static int set_up(struct vmsim__swap *s, struct vmsim__swap_area *a, uint8_t type, const struct vmsim__swap_spec *spec,
                  bool raw, uint64_t most, struct vmsim__err *err) {
    const struct vmsim__block_params *device = vmsim__block_params(s->block, a->layout.device);
    uint64_t bytes = spec->size ? spec->size : a->zram ? a->zram->spec.size : device->size;
    bytes = vmsim__align_down(bytes, UINT64_C(1) << s->page_shift);
    if (bytes < VMSIM__SWAP_SIZE_MIN || bytes >> s->page_shift < 2)
        return vmsim__err_set(err, VMSIM_EINVAL, "%llu bytes are too little for swap: %llu at least",
                              (unsigned long long)bytes, (unsigned long long)VMSIM__SWAP_SIZE_MIN);
    int e = place(s, a, bytes, raw, err);
    if (e)
        return e;
    if (a->partition)
        snprintf(a->name, sizeof a->name, "/dev/%s", spec->device);
    else
        snprintf(a->name, sizeof a->name, type ? "/swapfile%u" : "/swapfile", type);
    a->seen = (struct vmsim_swap_area){.size = sizeof a->seen,
                                       .priority = spec->priority < 0 ? s->next_priority-- : (int32_t)spec->priority,
                                       .rotational = !a->zram && device->rotational,
                                       .slots = vmsim__min64(bytes >> s->page_shift, most),
                                       .next = 1};
    a->seen.free = a->seen.slots - 1;
    a->clusters = (a->seen.slots + VMSIM__SWAP_CLUSTER - 1) / VMSIM__SWAP_CLUSTER;
    a->cluster = vmsim__calloc(s->alloc, a->clusters, sizeof(void *));
    return a->cluster ? 0 : vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a swap area");
}

/* The lowest number that is free: entries of page tables carry it. All or nothing. */
int vmsim__swap_on(struct vmsim__swap *s, const struct vmsim__swap_spec *spec, bool raw, uint64_t most,
                   struct vmsim__err *err) {
    uint8_t type = 0;
    while (type < VMSIM__SWP_AREAS && s->area[type])
        type++;
    if (type == VMSIM__SWP_AREAS)
        return vmsim__err_set(err, VMSIM_ENOSYS, "Linux has no more than %u swap areas", VMSIM__SWP_AREAS);
    struct vmsim__swap_area *a = vmsim__calloc(s->alloc, 1, sizeof *a);
    if (!a)
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a swap area");
    int e = find_device(s, spec, a, err);
    e = e ? e : set_up(s, a, type, spec, raw, most, err);
    if (e) {
        free_area(s, a);
        return e;
    }
    s->slots += a->seen.free;
    s->free += a->seen.free;
    s->rotational += a->seen.rotational;
    s->area[type] = a;
    s->areas = type >= s->areas ? type + 1u : s->areas;
    show(s);
    return 0;
}

/* ---- swapoff ---- */

/* As /proc/swaps shows it, or by its device's name. VMSIM__SWP_AREAS: none. */
uint8_t vmsim__swap_find(const struct vmsim__swap *s, const char *name) {
    for (uint8_t i = 0; i < s->areas; i++) {
        const struct vmsim__swap_area *a = s->area[i];
        if (a && (!strcmp(a->name, name) || (a->partition && !strcmp(device_name(s, a), name))))
            return i;
    }
    return VMSIM__SWP_AREAS;
}

/* Areas without a priority of their own close up, so that the next one is the last again. From here on nothing new
 * goes there; what is in use has to come back before the area can go. Kernel: the first half of swapoff
 * (del_from_avail_list, SWP_WRITEOK). */
void vmsim__swap_withdraw(struct vmsim__swap *s, uint8_t type) {
    struct vmsim__swap_area *gone = s->area[type];
    VMSIM__ASSERT(gone && !gone->off);
    gone->off = true;
    s->slots -= gone->seen.slots - 1;
    s->free -= gone->seen.free;
    s->unusing += vmsim__swap_inuse(gone);
    for (uint32_t i = 0; gone->seen.priority < 0 && i < s->areas; i++)
        if (s->area[i] && s->area[i]->seen.priority < gone->seen.priority)
            s->area[i]->seen.priority++;
    s->next_priority += gone->seen.priority < 0;
    show(s);
}

/* A swapoff that was given up. Its priority is the last again, not the one it had. Kernel: reinsert_swap_info. */
void vmsim__swap_reinsert(struct vmsim__swap *s, uint8_t type) {
    struct vmsim__swap_area *back = s->area[type];
    VMSIM__ASSERT(back && back->off && s->unusing >= vmsim__swap_inuse(back));
    back->off = false;
    s->slots += back->seen.slots - 1;
    s->free += back->seen.free;
    s->unusing -= vmsim__swap_inuse(back);
    if (back->seen.priority < 0)
        back->seen.priority = s->next_priority--;
    show(s);
}

/* Nothing names a slot of it any more. */
void vmsim__swap_off(struct vmsim__swap *s, uint8_t type) {
    struct vmsim__swap_area *a = s->area[type];
    VMSIM__ASSERT(a && a->off && !vmsim__swap_inuse(a));
    s->rotational -= a->seen.rotational;
    s->area[type] = NULL;
    free_area(s, a);
    show(s);
}

/* For swapoff, which looks slot by slot; 0: none from there on, slot 0 being nobody's. Kernel: find_next_to_unuse. */
uint64_t vmsim__swap_next_used(const struct vmsim__swap_area *a, uint64_t from) {
    for (uint64_t slot = from; slot < a->seen.slots; slot++) {
        const struct vmsim__swap_cluster *c = a->cluster[slot / VMSIM__SWAP_CLUSTER];
        if (!c || !c->used)
            slot |= VMSIM__SWAP_CLUSTER - 1;
        else if (c->slot[slot % VMSIM__SWAP_CLUSTER])
            return slot;
    }
    return 0;
}

/* ---- slots ---- */

/* Entries come from page tables: one that names no area or no slot is a defect of ours. */
static struct vmsim__swap_area *area_of(const struct vmsim__swap *s, struct vmsim__swp e) {
    VMSIM__ASSERT(e.type < s->areas && s->area[e.type]);
    VMSIM__ASSERT(e.offset > 0 && e.offset < s->area[e.type]->seen.slots);
    return s->area[e.type];
}

/* NULL: no slot of the cluster was ever used. */
static uint32_t *slot_of(const struct vmsim__swap *s, struct vmsim__swp e) {
    struct vmsim__swap_cluster *c = area_of(s, e)->cluster[e.offset / VMSIM__SWAP_CLUSTER];
    return c ? &c->slot[e.offset % VMSIM__SWAP_CLUSTER] : NULL;
}

static uint32_t state_of(const struct vmsim__swap *s, struct vmsim__swp e) {
    const uint32_t *slot = slot_of(s, e);
    return slot ? *slot : 0;
}

/* Slots of cluster `c` that can be used: the header is none, and the last cluster may be short. */
static uint32_t room_of(const struct vmsim__swap_area *a, uint64_t c) {
    return (uint32_t)vmsim__min64(a->seen.slots - c * VMSIM__SWAP_CLUSTER, VMSIM__SWAP_CLUSTER) - (c == 0);
}

/* The first run of `run` free slots, aligned to its length, of cluster `c` at or behind its slot `from`; the
 * cluster's size: none. Aligned: a large page's slots are one entry with its low bits. */
static uint32_t find_in(const struct vmsim__swap_area *a, uint64_t c, uint32_t from, uint32_t run) {
    const struct vmsim__swap_cluster *cluster = a->cluster[c];
    const uint64_t base = c * VMSIM__SWAP_CLUSTER;
    uint32_t at = (from + run - 1) / run * run;
    if (cluster && cluster->used + run > room_of(a, c))
        return VMSIM__SWAP_CLUSTER;
    for (; at + run <= VMSIM__SWAP_CLUSTER && base + at + run <= a->seen.slots; at += run) {
        uint32_t n = 0;
        while (n < run && (base + at + n) && !(cluster && cluster->slot[at + n]))
            n++;
        if (n == run)
            return at;
    }
    return VMSIM__SWAP_CLUSTER;
}

/* From `from` on, then from the beginning. 0: there is no such run. `searched` clusters at the beginning are known
 * to be full; it moves back when one of their slots is freed, so that a full area is not searched over and over. */
static uint64_t find_run(struct vmsim__swap_area *a, uint64_t from, uint32_t run) {
    VMSIM__ASSERT(run > 0);
    const uint64_t first = from / VMSIM__SWAP_CLUSTER;
    for (uint64_t n = 0; n <= a->clusters; n++) {
        const uint64_t c = first + n < a->clusters ? first + n : first + n - a->clusters;
        if (c < a->searched) {
            n += a->searched - c - 1;
            continue;
        }
        const uint32_t at = find_in(a, c, n ? 0 : (uint32_t)(from % VMSIM__SWAP_CLUSTER), run);
        if (at < VMSIM__SWAP_CLUSTER)
            return c * VMSIM__SWAP_CLUSTER + at;
        if (run == 1 && n && c == a->searched)
            a->searched++;
    }
    return 0;
}

/* Cached from the first moment: a slot belongs to the page on its way out before any entry names it. */
static bool take(struct vmsim__swap *s, struct vmsim__swap_area *a, uint64_t slot, uint32_t run) {
    struct vmsim__swap_cluster **at = &a->cluster[slot / VMSIM__SWAP_CLUSTER];
    if (!*at)
        *at = vmsim__calloc(s->alloc, 1, sizeof **at);
    if (!*at) {
        s->host_nomem = true;
        return false;
    }
    for (uint32_t i = 0; i < run; i++) {
        VMSIM__ASSERT(!(*at)->slot[slot % VMSIM__SWAP_CLUSTER + i]);
        (*at)->slot[slot % VMSIM__SWAP_CLUSTER + i] = VMSIM__SWAP_CACHED;
    }
    (*at)->used += run;
    a->seen.free -= run;
    a->seen.next = slot + run;
    s->free -= run;
    return true;
}

/* What a policy is told: areas by their place among those that it sees. */
static struct vmsim_swap_request as_seen(const struct vmsim__swap *s, const struct vmsim_swap_request *r) {
    struct vmsim_swap_request asked = *r;
    uint32_t place = 0;
    while (place < s->nr_seen && s->type[place] != r->neighbour_area)
        place++;
    asked.size = sizeof asked;
    asked.count = s->nr_seen;
    asked.area = s->seen;
    asked.neighbour_area = place;
    asked.neighbour = place < s->nr_seen ? r->neighbour : UINT64_MAX;
    return asked;
}

/* Large pages go side by side only where nothing turns. Kernel: get_swap_pages: areas without clusters have none for
 * them. */
static bool holds_runs(const struct vmsim__swap_area *a, uint32_t run) {
    return run == 1 || !a->seen.rotational;
}

/* The policy's place; where it has no such run (free slots, but not side by side), any area that has one. */
bool vmsim__swap_take(struct vmsim__swap *s, const struct vmsim_swap_request *r, struct vmsim__swp *first) {
    const struct vmsim_swap_request asked = as_seen(s, r);
    struct vmsim_swap_place where;
    VMSIM__ASSERT(r->slots > 0 && r->slots <= VMSIM__SWAP_CLUSTER);
    if (!vmsim__swap_place(&s->placement, &asked, &where))
        return false;
    uint8_t type = s->type[where.area];
    uint64_t slot = holds_runs(s->area[type], r->slots) ? find_run(s->area[type], where.slot, r->slots) : 0;
    for (uint32_t i = 0; !slot && i < s->nr_seen; i++) {
        type = s->type[i];
        slot = holds_runs(s->area[type], r->slots) ? find_run(s->area[type], 0, r->slots) : 0;
    }
    if (!slot || !take(s, s->area[type], slot, r->slots))
        return false;
    *first = (struct vmsim__swp){.type = type, .offset = slot};
    return true;
}

/* Neither entry nor cached page names it. Areas on their way out do not count as free swap. */
static bool free_if_unused(struct vmsim__swap *s, struct vmsim__swp e) {
    struct vmsim__swap_area *a = area_of(s, e);
    const uint64_t c = e.offset / VMSIM__SWAP_CLUSTER;
    if (state_of(s, e))
        return false;
    VMSIM__ASSERT(a->cluster[c]->used > 0);
    a->cluster[c]->used--;
    a->searched = vmsim__min64(a->searched, c);
    a->seen.free++;
    if (a->off)
        s->unusing--;
    else
        s->free++;
    return true;
}

void vmsim__swap_set_memcg(struct vmsim__swap *s, struct vmsim__swp e, uint16_t memcg) {
    struct vmsim__swap_cluster *c = area_of(s, e)->cluster[e.offset / VMSIM__SWAP_CLUSTER];
    VMSIM__ASSERT(c);
    c->memcg[e.offset % VMSIM__SWAP_CLUSTER] = memcg;
}

uint16_t vmsim__swap_memcg(const struct vmsim__swap *s, struct vmsim__swp e) {
    const struct vmsim__swap_cluster *c = area_of(s, e)->cluster[e.offset / VMSIM__SWAP_CLUSTER];
    return c ? c->memcg[e.offset % VMSIM__SWAP_CLUSTER] : 0;
}

/* For the check of charges: slots by who pays. */
void vmsim__swap_count_memcgs(const struct vmsim__swap *s, uint64_t *slots) {
    for (uint32_t i = 0; i < s->areas; i++) {
        for (uint64_t c = 0; s->area[i] && c < s->area[i]->clusters; c++) {
            const struct vmsim__swap_cluster *k = s->area[i]->cluster[c];
            for (uint32_t n = 0; k && n < VMSIM__SWAP_CLUSTER; n++)
                slots[k->memcg[n]] += k->memcg[n] != 0;
        }
    }
}

bool vmsim__swap_expect(const struct vmsim__swap *s, struct vmsim__swp e) {
    const struct vmsim__swap_area *a = e.type < s->areas ? s->area[e.type] : NULL;
    const struct vmsim__swap_cluster *c =
        a && e.offset < a->seen.slots ? a->cluster[e.offset / VMSIM__SWAP_CLUSTER] : NULL;
    if (!c)
        return false;
    __builtin_prefetch(&c->used, 1);
    __builtin_prefetch(&c->slot[e.offset % VMSIM__SWAP_CLUSTER], 1);
    __builtin_prefetch(&c->memcg[e.offset % VMSIM__SWAP_CLUSTER], 1);
    return true;
}

/* Entries that name it. A cached page is no user: reclaim may drop it. */
uint32_t vmsim__swap_users(const struct vmsim__swap *s, struct vmsim__swp e) {
    return state_of(s, e) & ~VMSIM__SWAP_CACHED;
}

bool vmsim__swap_is_cached(const struct vmsim__swap *s, struct vmsim__swp e) {
    return state_of(s, e) & VMSIM__SWAP_CACHED;
}

/* A swapoff is at work: pages that are read from there must not stay in their slots. */
bool vmsim__swap_going(const struct vmsim__swap *s, struct vmsim__swp e) {
    VMSIM__ASSERT(e.type < s->areas && s->area[e.type]);
    return s->area[e.type]->off;
}

void vmsim__swap_get(struct vmsim__swap *s, struct vmsim__swp e) {
    uint32_t *slot = slot_of(s, e);
    VMSIM__ASSERT(slot && *slot && (*slot & ~VMSIM__SWAP_CACHED) < VMSIM__SWAP_CACHED - 1);
    ++*slot;
}

bool vmsim__swap_put(struct vmsim__swap *s, struct vmsim__swp e) {
    uint32_t *slot = slot_of(s, e);
    VMSIM__ASSERT(slot && vmsim__swap_users(s, e) > 0);
    --*slot;
    return free_if_unused(s, e);
}

void vmsim__swap_cached(struct vmsim__swap *s, struct vmsim__swp e) {
    uint32_t *slot = slot_of(s, e);
    VMSIM__ASSERT(slot && *slot && !(*slot & VMSIM__SWAP_CACHED));
    *slot |= VMSIM__SWAP_CACHED;
}

bool vmsim__swap_uncached(struct vmsim__swap *s, struct vmsim__swp e) {
    uint32_t *slot = slot_of(s, e);
    VMSIM__ASSERT(slot && (*slot & VMSIM__SWAP_CACHED));
    *slot &= ~VMSIM__SWAP_CACHED;
    return free_if_unused(s, e);
}

/* ---- transfers ---- */

/* Somebody waits for what is read; what is written goes behind. */
int vmsim__swap_submit(struct vmsim__swap *s, struct vmsim__swp first, uint32_t pages, bool write, uint64_t cookie,
                       struct vmsim__now *now) {
    struct vmsim__swap_area *a = area_of(s, first);
    VMSIM__ASSERT(pages > 0 && first.offset + pages <= a->seen.slots);
    vmsim__now_charge(now, vmsim__block_params(s->block, a->layout.device)->cpu_time);
    return vmsim__layout_submit(s->block, &a->layout, now->time,
                                &(struct vmsim__block_io){.op = write ? VMSIM__BLOCK_WRITE : VMSIM__BLOCK_READ,
                                                          .sync = !write,
                                                          .position = first.offset << s->page_shift,
                                                          .bytes = (uint64_t)pages << s->page_shift,
                                                          .cookie = cookie});
}

/* ---- check ---- */

/* The shortcut (`searched`) is held against what is there as well: a search that skips room would lose swap without
 * anybody noticing. */
static int check_area(const struct vmsim__swap *s, const struct vmsim__swap_area *a, struct vmsim__err *err) {
    uint64_t used = 0;
    for (uint64_t c = 0; c < a->clusters; c++) {
        uint32_t n = 0;
        for (uint32_t i = 0; a->cluster[c] && i < VMSIM__SWAP_CLUSTER; i++)
            n += a->cluster[c]->slot[i] != 0;
        if (a->cluster[c] && n != a->cluster[c]->used)
            return vmsim__err_set(err, VMSIM_ECHECK, "%s: cluster %llu counts %u slots in use, %u are", a->name,
                                  (unsigned long long)c, a->cluster[c]->used, n);
        if (c < a->searched && n < room_of(a, c))
            return vmsim__err_set(err, VMSIM_ECHECK, "%s: cluster %llu has room, which no search would find", a->name,
                                  (unsigned long long)c);
        used += n;
    }
    if (used + a->seen.free + 1 != a->seen.slots)
        return vmsim__err_set(err, VMSIM_ECHECK, "%s: %llu slots used, %llu free, of %llu", a->name,
                              (unsigned long long)used, (unsigned long long)a->seen.free,
                              (unsigned long long)a->seen.slots);
    return a->zram ? vmsim__zram_check(a->zram, err) : vmsim__layout_check(s->block, &a->layout, err);
}

/* What all page tables and files must name together (vm_check.c). */
uint64_t vmsim__swap_entries(const struct vmsim__swap *s) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < s->areas; i++) {
        for (uint64_t c = 0; s->area[i] && c < s->area[i]->clusters; c++) {
            for (uint32_t n = 0; s->area[i]->cluster[c] && n < VMSIM__SWAP_CLUSTER; n++)
                sum += s->area[i]->cluster[c]->slot[n] & ~VMSIM__SWAP_CACHED;
        }
    }
    return sum;
}

int vmsim__swap_check(const struct vmsim__swap *s, struct vmsim__err *err) {
    if (s->zswap && vmsim__zswap_check(s->zswap, err))
        return VMSIM_ECHECK;
    uint64_t slots = 0, free = 0, unusing = 0;
    for (uint32_t i = 0; i < s->areas; i++) {
        const struct vmsim__swap_area *a = s->area[i];
        int e = a ? check_area(s, a, err) : 0;
        if (e)
            return e;
        unusing += a && a->off ? vmsim__swap_inuse(a) : 0;
        slots += a && !a->off ? a->seen.slots - 1 : 0;
        free += a && !a->off ? a->seen.free : 0;
    }
    if (slots != s->slots || free != s->free || unusing != s->unusing)
        return vmsim__err_set(err, VMSIM_ECHECK,
                              "swap: %llu of %llu slots free, %llu to unuse; areas: %llu of %llu, %llu",
                              (unsigned long long)s->free, (unsigned long long)s->slots, (unsigned long long)s->unusing,
                              (unsigned long long)free, (unsigned long long)slots, (unsigned long long)unusing);
    return 0;
}
