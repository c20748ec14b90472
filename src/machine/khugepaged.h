/* SPDX-License-Identifier: MIT */
/* khugepaged as the machine's parts call it (khugepaged.c). */
#ifndef VMSIM__KHUGEPAGED_H
#define VMSIM__KHUGEPAGED_H
#include "machine/machine.h"

/* What it has done: /sys/kernel/mm/transparent_hugepage/khugepaged/pages_collapsed, full_scans. */
struct vmsim__khugepaged_done {
    uint64_t pages_collapsed, full_scans;
    uint64_t wakes; /* times that it had a CPU to begin, or to leave it to others */
};

int vmsim__khugepaged_init(struct vmsim_machine *m); /* 0 or VMSIM_ENOMEM */
void vmsim__khugepaged_fini(struct vmsim_machine *m);
/* A CPU works: there may be something to do again. Called about once a second of its time. */
void vmsim__khugepaged_tick(struct vmsim_machine *m, uint64_t now);
/* Huge pages were enabled or disabled, or how long it sleeps was written: it looks at once if it only starts, or may
 * not sleep on. */
void vmsim__khugepaged_ask(struct vmsim_machine *m, bool sleep_changed);
/* An address space asked for huge pages: the hook of address spaces (`collapsible`). */
void vmsim__khugepaged_entered(void *machine);
bool vmsim__khugepaged_is(const struct vmsim_machine *m, const struct vmsim__task *t);
struct vmsim__khugepaged_done vmsim__khugepaged_done(const struct vmsim_machine *m);

#endif
