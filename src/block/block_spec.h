/* SPDX-License-Identifier: MIT */
/* What a machine description says about storage devices, as plain values bound by parameter tables.
 *
 *     devices:
 *       - {name: sda, preset: hdd}
 *       - {name: nvme0n1, preset: nvme, queue_depth: 64, read_latency: 100us}
 *       - name: sdb
 *         preset: sata-ssd
 *         faults: [{kind: error, after: 1000, op: read}, {kind: stall, at: 2s, delay: 500ms}]
 *
 * A device is a preset with the figures that its description gives laid over it: struct vmsim__block_spec holds what
 * was written, vmsim__block_settle makes struct vmsim__block_params of it. Both directions of a figure stand beside
 * each other, indexed by enum vmsim__block_op. */
#ifndef VMSIM__BLOCK_SPEC_H
#define VMSIM__BLOCK_SPEC_H
#include <stdbool.h>
#include <stdint.h>

#include "vmsim/param.h"

enum vmsim__block_op { VMSIM__BLOCK_READ, VMSIM__BLOCK_WRITE, VMSIM__BLOCK_OPS };

/* How a device serves; see block.h for what each figure does. Every field is a uint64_t. */
struct vmsim__block_params {
    uint64_t size;                        /* bytes */
    uint64_t queue_depth;                 /* requests in service at a time */
    uint64_t latency[VMSIM__BLOCK_OPS];   /* ns, of each request, side by side */
    uint64_t overhead[VMSIM__BLOCK_OPS];  /* ns of the controller, one request after another */
    uint64_t bandwidth[VMSIM__BLOCK_OPS]; /* bytes a second of the link; 0: no time */
    uint64_t rpm;                         /* turns a minute; 0: nothing moves */
    uint64_t rotational;                  /* 0 or 1: what the kernel takes it for */
    uint64_t seek_min, seek_max;          /* ns, to the next track and across all */
    uint64_t max_request;                 /* bytes of one request (max_sectors_kb); 0: any */
    uint64_t nomerges;                    /* as /sys/block/DEV/queue/nomerges: 0, 1 or 2 */
    uint64_t reach;                       /* bytes of physical memory that its DMA reaches, from 0; 0: all */
    uint64_t cpu_time;                    /* ns that a transfer takes of the CPU that asks for it */
    uint64_t async_starved;               /* sync requests that may pass a waiting async one; 0: as they came */
};
#define VMSIM__BLOCK_FIGURES (sizeof(struct vmsim__block_params) / sizeof(uint64_t))

enum vmsim__block_fault_kind {
    VMSIM__BLOCK_ERROR, /* the request takes its time and fails */
    VMSIM__BLOCK_STALL, /* it takes `delay` longer */
    VMSIM__BLOCK_NEVER  /* it stays in service for good */
};
enum vmsim__block_fault_op { VMSIM__BLOCK_FAULT_ANY, VMSIM__BLOCK_FAULT_READ, VMSIM__BLOCK_FAULT_WRITE };

/* What goes wrong with the next `count` requests that begin service and fit all of the rest. */
struct vmsim__block_fault {
    uint64_t at;       /* ns: not before */
    uint64_t after;    /* requests of the device that are served well before */
    uint64_t from, to; /* bytes: of requests that touch [from, to); to 0: the device's end */
    int op;            /* enum vmsim__block_fault_op */
    int kind;          /* enum vmsim__block_fault_kind */
    uint64_t delay;    /* ns, of STALL */
    int error;         /* of ERROR: index in vmsim__block_errors */
    uint64_t count;    /* 0: all */
};

struct vmsim__block_spec {
    const char *name;
    int preset; /* index of vmsim__block_preset_names */
    struct vmsim__block_params own;
    bool given[VMSIM__BLOCK_FIGURES]; /* which of `own` were */
    struct vmsim_param_list faults;   /* struct vmsim__block_fault */
};

/* Tables over the two structs, for config/. */
extern const struct vmsim_param vmsim__block_fault_params[];
extern const struct vmsim_param vmsim__block_spec_params[];

extern const char *const vmsim__block_preset_names[]; /* "hdd", ..., NULL */
extern const int vmsim__block_errors[];               /* positive Linux errno of struct vmsim__block_fault.error */

/* The preset with the description's own figures over it. */
void vmsim__block_settle(const struct vmsim__block_spec *spec, struct vmsim__block_params *out);
/* What cannot be in a description whose values keep the bounds of the tables: a text, with the key that it is about
 * ("seek_max", "faults[0].delay") printed to `key`; NULL: nothing. */
const char *vmsim__block_judge(const struct vmsim__block_spec *spec, char *key, unsigned long key_size);
/* The same of one fault, the key being one of its own ("delay"). */
const char *vmsim__block_judge_fault(const struct vmsim__block_fault *f, const char **key);

#endif
