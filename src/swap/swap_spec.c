/* SPDX-License-Identifier: MIT */
/* The parameter table of swap areas. */
#include "swap/swap_spec.h"

#include <stddef.h>

const struct vmsim_param vmsim__swap_spec_params[] = {
    {.name = "device",
     .type = VMSIM_PARAM_STRING,
     .offset = offsetof(struct vmsim__swap_spec, device),
     .flags = VMSIM_PARAM_OPTIONAL,
     .doc = "The storage device (machine.devices) that the area lies on; default: the first."},
    {.name = "size",
     .type = VMSIM_PARAM_SIZE,
     .offset = offsetof(struct vmsim__swap_spec, size),
     .fallback = "0",
     .doc = "Size of a swap file, of which its first page is the header; 0: `device` as a whole."},
    {.name = "priority",
     .type = VMSIM_PARAM_INT,
     .offset = offsetof(struct vmsim__swap_spec, priority),
     .fallback = "-1",
     .min = UINT64_MAX, /* -1 */
     .max = VMSIM__SWAP_PRIORITY_MAX,
     .doc = "As swapon's: areas of the highest that has room are used, those of the same in turn. -1: below those "
            "named before, as Linux gives -2, -3, and so on."},
    {0},
};
