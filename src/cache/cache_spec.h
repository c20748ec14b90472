/* SPDX-License-Identifier: MIT */
/* What a user can say of the page cache: readahead, dirty limits, the device under the files. Values are in force from
 * vmsim__cache_create on; the dirty_* knobs can be rewritten at any time, as a sysctl can. */
#ifndef VMSIM__CACHE_SPEC_H
#define VMSIM__CACHE_SPEC_H
#include <stdbool.h>
#include "base/knob.h"
#include "vmsim/param.h"

/* One storage device: requests are served in order; a request takes latency + bytes / bandwidth. */
struct vmsim__device_spec {
    uint64_t read_latency, write_latency;     /* ns */
    uint64_t read_bandwidth, write_bandwidth; /* bytes a second; 0: unlimited */
    uint64_t optimal_io;                      /* bytes: largest request the device likes (bdi io_pages) */
};

struct vmsim__cache_spec {
    uint64_t read_ahead;                /* bytes: /sys/block/DEV/queue/read_ahead_kb */
    uint64_t dirty_ratio;               /* vm.dirty_ratio, percent of dirtyable memory */
    uint64_t dirty_background_ratio;    /* vm.dirty_background_ratio */
    uint64_t dirty_bytes;               /* vm.dirty_bytes; not 0: instead of the ratio */
    uint64_t dirty_background_bytes;    /* vm.dirty_background_bytes */
    uint64_t dirty_expire_centisecs;    /* vm.dirty_expire_centisecs: age at which dirty pages are written */
    uint64_t dirty_writeback_centisecs; /* vm.dirty_writeback_centisecs: between two looks; 0: never by time */
    uint64_t hit_cost;                  /* ns: find and copy one cached page in read() or write() */
    uint64_t zero_cost;                 /* ns: clear one page */
    uint64_t lookup_cost;               /* ns: find one page in a fault */
    uint64_t bounce_cost;               /* ns: copy one page to or from a bounce buffer */
    struct vmsim__device_spec device;
    bool device_given;
    bool large_folios; /* the file system takes folios larger than a page */
    int tmpfs_huge;    /* enum vmsim__shmem_huge, of mounts: option huge= */
    int shmem_huge;    /* of what no mount has: transparent_hugepage/shmem_enabled */
};

enum vmsim__shmem_huge {
    VMSIM__SHMEM_NEVER,
    VMSIM__SHMEM_ALWAYS,
    VMSIM__SHMEM_WITHIN_SIZE, /* where the file is long enough */
    VMSIM__SHMEM_ADVISE,      /* where a mapping has MADV_HUGEPAGE */
    VMSIM__SHMEM_DENY,        /* nowhere, whatever mounts say */
    VMSIM__SHMEM_FORCE        /* everywhere */
};

/* Tables over the two structs, for config/. */
extern const struct vmsim_param vmsim__device_params[];
extern const struct vmsim_param vmsim__cache_params[];
extern const struct vmsim__knob vmsim__cache_knobs[]; /* of a struct vmsim__cache_spec */

#endif
