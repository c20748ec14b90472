/* SPDX-License-Identifier: MIT */
/* The machine on which a case of pressure2/ ran: several cases share a boot, whose description names them all. */
#ifndef CAPTURED_MACHINE_H
#define CAPTURED_MACHINE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmsim/vmsim.h"

struct captured_machine {
    char kernel[16], shape[32];
    int64_t mib, managed[2]; /* memory; pages that DMA and DMA32 manage */
    int64_t free, lru;       /* pages just after boot: free (or on lists of CPUs), anonymous */
};

/* Finds the boot of a case: `machine_*` of the folder whose command line has "=NAME:" or ",NAME:", and its `boot_*`.
 * False: there is none; `m` has then 512 MiB and no zones. */
bool captured_machine_read(struct captured_machine *m, const char *folder, const char *kernel, const char *name);
/* Loads it: imported from CAPTURES/qemu where that machine was booted alone, else with the zones that QEMU's pc has
 * with so much memory. False: the configuration has said why. */
bool captured_machine_load(const struct captured_machine *m, struct vmsim_config *c);

#endif
