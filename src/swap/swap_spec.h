/* SPDX-License-Identifier: MIT */
/* What a machine description says about swap.
 *
 *     swap:
 *       - {size: 4GiB}                        a file on the first device
 *       - {device: nvme1n1, priority: 10}     a device as a whole
 */
#ifndef VMSIM__SWAP_SPEC_H
#define VMSIM__SWAP_SPEC_H
#include <stdint.h>

#include "vmsim/param.h"

struct vmsim__swap_spec {
    const char *device; /* NULL: the first */
    uint64_t size;      /* bytes; 0: the whole device */
    int64_t priority;   /* 0 .. 32767; -1: below those before it */
};
#define VMSIM__SWAP_PRIORITY_MAX 32767
#define VMSIM__SWAP_SIZE_MIN UINT64_C(40960) /* mkswap refuses less than ten pages */

extern const struct vmsim_param vmsim__swap_spec_params[];

#endif
