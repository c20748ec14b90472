/* SPDX-License-Identifier: MIT */
/* TLB prefetch "next-page": the pages after the one that missed, again when one of them is first used. */
#include <stddef.h>

#include "tlb/tlb_internal.h"

struct next_page_params {
    uint64_t degree;
};

struct next_page {
    const struct vmsim_policy_services *services;
    uint64_t degree;
};

static const struct vmsim_param next_page_table[] = {{.name = "degree",
                                                      .type = VMSIM_PARAM_UINT,
                                                      .offset = offsetof(struct next_page_params, degree),
                                                      .fallback = "1",
                                                      .min = 1,
                                                      .max = VMSIM_TLB_PREFETCH_MAX,
                                                      .doc = "How many pages ahead."},
                                                     {0}};

static int next_page_create(const struct vmsim_policy_services *services, const void *params, void **context) {
    struct next_page *n = services->allocate(services->host, sizeof *n);
    if (!n)
        return VMSIM_ENOMEM;
    n->services = services;
    n->degree = ((const struct next_page_params *)params)->degree;
    *context = n;
    return 0;
}

static void next_page_destroy(void *context) {
    struct next_page *n = context;
    n->services->release(n->services->host, n, sizeof *n);
}

static uint32_t next_page_miss(void *context, const struct vmsim_tlb_miss *miss, uint64_t *pages, uint32_t limit) {
    VMSIM__ASSERT(vmsim__is_pow2(miss->page_pages));
    const struct next_page *n = context;
    uint64_t next = (miss->page & ~(miss->page_pages - 1)) + miss->page_pages;
    uint32_t count = 0;
    for (; count < n->degree && count < limit; count++)
        pages[count] = next + count * miss->page_pages;
    return count;
}

const struct vmsim_tlb_prefetch_policy vmsim__tlb_prefetch_next_page = {
    .policy = {sizeof vmsim__tlb_prefetch_next_page, VMSIM_POLICY_ABI, VMSIM_POLICY_TLB_PREFETCH, "next-page",
               "Fetches the pages that follow the one that missed.", next_page_table, sizeof(struct next_page_params)},
    .create = next_page_create,
    .destroy = next_page_destroy,
    .miss = next_page_miss,
    .useful = next_page_miss};
