/* SPDX-License-Identifier: MIT */
/* Readahead "none": what is asked for, and nothing else. Readahead "fixed": a window of always the same size, whatever
 * was read before; the next one is asked for when a quarter of it is left. Both are there to compare with. */
#include <stddef.h>

#include "cache/readahead_policies.h"

static bool none_window(void *context, const struct vmsim_readahead_request *r, struct vmsim_readahead_window *w) {
    (void)context, (void)r, (void)w;
    return false;
}

const struct vmsim_readahead_policy vmsim__readahead_none = {
    .policy = {sizeof vmsim__readahead_none, VMSIM_POLICY_ABI, VMSIM_POLICY_READAHEAD, "none",
               "Reads what is asked for and nothing else.", NULL, 0},
    .window = none_window};

struct fixed_params {
    uint64_t pages;
};

static const struct vmsim_param fixed_table[] = {{.name = "pages",
                                                  .type = VMSIM_PARAM_UINT,
                                                  .offset = offsetof(struct fixed_params, pages),
                                                  .fallback = "32",
                                                  .min = 1,
                                                  .max = 1 << 16,
                                                  .doc = "Pages of every window."},
                                                 {0}};

struct fixed {
    const struct vmsim_policy_services *services;
    uint32_t pages;
};

static int fixed_create(const struct vmsim_policy_services *services, const void *params, void **context) {
    struct fixed *f = services->allocate(services->host, sizeof *f);
    if (!f)
        return VMSIM_ENOMEM;
    f->services = services;
    f->pages = (uint32_t)((const struct fixed_params *)params)->pages;
    *context = f;
    return 0;
}

static void fixed_destroy(void *context) {
    struct fixed *f = context;
    f->services->release(f->services->host, f, sizeof *f);
}

/* Behind the last window when its mark is touched; else from the missing page on. */
static bool fixed_window(void *context, const struct vmsim_readahead_request *r, struct vmsim_readahead_window *w) {
    const struct fixed *f = context;
    bool mark = r->why == VMSIM_READAHEAD_MARK;
    uint64_t start = mark ? r->last.start + r->last.pages : r->index;
    *w = (struct vmsim_readahead_window){start, f->pages, f->pages / 4};
    return start < r->file_pages;
}

const struct vmsim_readahead_policy vmsim__readahead_fixed = {
    .policy = {sizeof vmsim__readahead_fixed, VMSIM_POLICY_ABI, VMSIM_POLICY_READAHEAD, "fixed",
               "Reads windows of one size, whatever was read before.", fixed_table, sizeof(struct fixed_params)},
    .create = fixed_create,
    .destroy = fixed_destroy,
    .window = fixed_window};
