/* SPDX-License-Identifier: MIT */
/* Watermarks, lowmem reserves and the sizes of per-CPU lists, from the frames that each zone manages.
 *
 *     min_free_kbytes --(share of managed)--> min   gap = max(share / 4, managed * watermark_scale_factor / 10000)
 *     low = min + gap     high = min + 2 gap     promo = min + 3 gap
 *     protection[i][j] = managed frames of the zones between i and j, divided by lowmem_reserve_ratio[i]
 *
 * All in whole frames with the kernel's truncation. Kernel counterparts: mm/page_alloc.c, mm/vmstat.c, mm/khugepaged.c.
 */
#include "zones/zones_internal.h"

#include <limits.h>

#define MIN_FREE_KBYTES_MIN 128
#define MIN_FREE_KBYTES_MAX 262144
#define HIGH_FRACTION_MIN 8
#define STAT_THRESHOLD_MAX 125

static unsigned page_kb_shift(const struct vmsim__mem *mem) {
    VMSIM__ASSERT(mem->page_shift >= 12);
    return mem->page_shift - 10u;
}

/* Does the zone keep a token minimum only, and take no part in sharing out min_free_kbytes? */
static bool token_min(const struct vmsim__mem *mem, const struct vmsim__zone *z) {
    return vmsim__zone_is_highmem(mem, z) || (z->type == VMSIM__ZONE_MOVABLE && !mem->kernel->movable_is_lowmem);
}

/* Frames above the high watermarks in zones up to NORMAL. Kernel: nr_free_buffer_pages. */
static uint64_t free_buffer_pages(const struct vmsim__mem *mem) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[i];
        uint64_t high = vmsim__zone_wmark(z, VMSIM__WMARK_HIGH);
        if (z->type <= VMSIM__ZONE_NORMAL && z->managed > high)
            sum += z->managed - high;
    }
    return sum;
}

/* The default of min_free_kbytes, unless the user wants more. Kernel: min_free_kbytes = 4 * sqrt(lowmem KiB), as
 * init_per_zone_wmark_min: the reserve grows with the root, because demand for it grows with the machine's bandwidth,
 * not with its size. */
static void calculate_min_free(struct vmsim__mem *mem) {
    uint64_t kb = free_buffer_pages(mem) << page_kb_shift(mem), wanted = vmsim__isqrt(kb * 16);
    if ((int64_t)wanted > mem->sysctl.user_min_free_kbytes)
        mem->sysctl.min_free_kbytes = vmsim__min64(vmsim__max64(wanted, MIN_FREE_KBYTES_MIN), MIN_FREE_KBYTES_MAX);
}

/* Kernel: calculate_totalreserve_pages: what overcommit and dirtyable memory must leave alone. */
static void sum_reserves(struct vmsim__mem *mem) {
    mem->totalreserve = 0;
    for (unsigned n = 0; n < mem->nr_nodes; n++)
        mem->nodes[n].totalreserve = 0;
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[i];
        uint64_t most = 0;
        for (unsigned t = z->type; t < VMSIM__ZONE_TYPES; t++)
            most = vmsim__max64(most, z->lowmem_reserve[t]);
        most = vmsim__min64(most + vmsim__zone_wmark(z, VMSIM__WMARK_HIGH), z->managed);
        mem->nodes[z->node].totalreserve += most;
        mem->totalreserve += most;
    }
}

/* ---- Per-CPU lists ---- */

/* Kernel: zone_batchsize: a thousandth of the zone, at most 1 MiB, a quarter of that. One less than a power of two,
 * so that frames of CPUs that allocate in step do not fall into the same cache colours. */
static uint64_t batch_size(const struct vmsim__mem *mem, const struct vmsim__zone *z) {
    uint64_t x = vmsim__min64(z->managed >> 10, (UINT64_C(1) << 20) >> mem->page_shift) / 4;
    x = vmsim__max64(x, 1);
    x = (UINT64_C(1) << vmsim__log2(x + x / 2)) - 1;
    return vmsim__max64(x, 1);
}

/* A CPU's part of 1/fraction of the zone (0: of its low watermark). */
static int32_t high_size(const struct vmsim__mem *mem, const struct vmsim__zone *z, uint64_t batch, uint64_t fraction) {
    VMSIM__ASSERT(batch > 0 && z->node < mem->nr_nodes);
    uint64_t total = fraction ? z->managed / fraction : vmsim__zone_wmark(z, VMSIM__WMARK_LOW);
    uint64_t cpus = mem->nodes[z->node].nr_cpus;
    uint64_t high = vmsim__max64(total / (cpus ? cpus : mem->nr_cpus), batch * 4);
    return (int32_t)vmsim__min64(high, INT_MAX);
}

void vmsim__zone_set_pcp(struct vmsim__mem *mem, struct vmsim__zone *z) {
    VMSIM__ASSERT(z->managed <= z->present);
    if (!vmsim__zone_populated(z))
        return;
    uint64_t batch = batch_size(mem, z), fraction = mem->sysctl.percpu_pagelist_high_fraction;
    int32_t low = high_size(mem, z, batch, fraction);
    int32_t top = fraction ? low : high_size(mem, z, batch, HIGH_FRACTION_MIN);
    for (unsigned cpu = 0; cpu < mem->nr_cpus; cpu++) {
        struct vmsim__pcp *pcp = &z->pcp[cpu];
        pcp->batch = (int32_t)batch;
        pcp->high_min = low;
        pcp->high_max = mem->kernel->pcp_high_auto ? top : low;
        if (!mem->kernel->pcp_high_auto)
            pcp->high = low;
    }
}

/* ---- Watermarks ---- */

/* Kernel: __setup_per_zone_wmarks. The boost is dropped, as there. */
void vmsim__mem_set_watermarks(struct vmsim__mem *mem) {
    VMSIM__ASSERT(mem->totalreserve <= mem->totalram);
    uint64_t pages_min = mem->sysctl.min_free_kbytes >> page_kb_shift(mem), lowmem = 0;
    for (unsigned i = 0; i < mem->nr_zones; i++)
        lowmem += token_min(mem, &mem->zones[i]) ? 0 : mem->zones[i].managed;
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        struct vmsim__zone *z = &mem->zones[i];
        uint64_t share = lowmem ? pages_min * z->managed / lowmem : 0;
        uint64_t gap = vmsim__max64(share / 4, z->managed * mem->sysctl.watermark_scale_factor / 10000);
        uint64_t min = token_min(mem, z) ? vmsim__min64(vmsim__max64(z->managed / 1024, 32), 128) : share;
        z->boost = 0;
        for (unsigned w = 0; w < VMSIM__WMARKS; w++)
            z->wmark[w] = min + w * gap;
        VMSIM__ASSERT(z->wmark[VMSIM__WMARK_MIN] <= z->wmark[VMSIM__WMARK_LOW]);
        vmsim__zone_set_pcp(mem, z);
    }
    sum_reserves(mem);
}

/* Kernel: setup_per_zone_lowmem_reserve. A ratio of 0 switches the protection off. */
void vmsim__mem_set_lowmem_reserve(struct vmsim__mem *mem) {
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        struct vmsim__zone *z = &mem->zones[i];
        uint64_t ratio = mem->sysctl.lowmem_reserve_ratio[z->type], above = 0;
        for (unsigned t = z->type + 1u; t < VMSIM__ZONE_TYPES; t++) {
            const struct vmsim__zone *upper = vmsim__node_zone(mem, z->node, t);
            above += upper ? upper->managed : 0;
            z->lowmem_reserve[t] = ratio && z->managed ? above / ratio : 0;
        }
    }
    sum_reserves(mem);
}

static unsigned bits(uint64_t x) {
    return x ? vmsim__log2(x) + 1 : 0;
}

/* How far per-CPU counters may drift, and the mark below which that matters. Kernel: refresh_zone_stat_thresholds and
 * calculate_normal_threshold: 2 * fls(CPUs) * (1 + fls(zone in units of 128 MiB)), at most 125 since a drift is kept
 * in a signed byte. */
static void set_stat_thresholds(struct vmsim__mem *mem) {
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        struct vmsim__zone *z = &mem->zones[i];
        uint64_t n = 2 * bits(mem->nr_cpus) * (1 + bits(z->managed >> (27 - mem->page_shift)));
        z->stat_threshold = (uint32_t)vmsim__min64(n, STAT_THRESHOLD_MAX);
        uint64_t drift = (uint64_t)mem->nr_cpus * z->stat_threshold;
        bool matters = drift > z->wmark[VMSIM__WMARK_LOW] - z->wmark[VMSIM__WMARK_MIN];
        z->percpu_drift_mark = matters ? z->wmark[VMSIM__WMARK_HIGH] + drift : 0;
    }
}

/* Enough free pageblocks of each type in each zone for khugepaged to find huge pages, but at most 5 % of memory.
 * set_recommended_min_free_kbytes: two pageblocks a zone, and for each type one for every type that may fall back to
 * it. */
static void raise_min_free(struct vmsim__mem *mem) {
    VMSIM__ASSERT(mem->pageblock_order <= mem->top_order);
    uint64_t zones = 0, block = UINT64_C(1) << mem->pageblock_order;
    for (unsigned i = 0; i < mem->nr_zones; i++)
        zones += vmsim__zone_populated(&mem->zones[i]) && mem->zones[i].type <= VMSIM__ZONE_NORMAL;
    uint64_t wanted = block * zones * (2 + VMSIM__PCP_TYPES * VMSIM__PCP_TYPES);
    wanted = vmsim__min64(wanted, free_buffer_pages(mem) / 20) << page_kb_shift(mem);
    mem->sysctl.min_free_kbytes = vmsim__max64(mem->sysctl.min_free_kbytes, wanted);
}

void vmsim__mem_thp_set(struct vmsim__mem *mem, enum vmsim__thp_mode mode) {
    if (!vmsim__mem_has_thp(mem))
        return;
    mem->thp_enabled = (uint8_t)mode;
    if (mode == VMSIM__THP_NEVER)
        calculate_min_free(mem);
    else
        raise_min_free(mem);
    vmsim__mem_set_watermarks(mem);
}

void vmsim__mem_update_watermarks(struct vmsim__mem *mem) {
    vmsim__mem_boot_watermarks(mem);
    if (mem->thp_enabled != VMSIM__THP_NEVER) {
        raise_min_free(mem);
        vmsim__mem_set_watermarks(mem);
    }
}

void vmsim__mem_boot_watermarks(struct vmsim__mem *mem) {
    calculate_min_free(mem);
    vmsim__mem_set_watermarks(mem);
    set_stat_thresholds(mem);
    vmsim__mem_set_lowmem_reserve(mem);
}

void vmsim__mem_boot_thp(struct vmsim__mem *mem, enum vmsim__thp_mode mode) {
    mem->thp_available = vmsim__mem_has_thp(mem) && mem->totalram >= (UINT64_C(512) << 20) >> mem->page_shift;
    mem->thp_enabled = VMSIM__THP_NEVER;
    if (mem->thp_available)
        vmsim__mem_thp_set(mem, mode);
}

/* ---- Sysctls ---- */

void vmsim__sysctl_defaults(struct vmsim__mem *mem) {
    mem->sysctl = (struct vmsim__mem_sysctl){
        .user_min_free_kbytes = -1,
        .lowmem_reserve_ratio = {[VMSIM__ZONE_DMA] = 256, [VMSIM__ZONE_DMA32] = 256, [VMSIM__ZONE_NORMAL] = 32},
    };
    vmsim__knob_defaults(vmsim__mem_knobs, mem);
}
