/* SPDX-License-Identifier: MIT */
/* Swap areas of a machine: what `machine.swap` describes is swapped on when the machine is made.
 *
 *     reclaim --add, write, remove--> cache/swap_cache --> swap/ (slots, device)      vm/swap_in: faults
 *
 * Kernel counterpart: the swapon system call of mm/swapfile.c. */
#include "cache/swap_cache.h"
#include "machine/sched.h"

#include <stdio.h>

static int swap_on(struct vmsim_machine *m, const struct vmsim__swap_spec *spec, size_t number) {
    char text[300];
    struct vmsim__err err = {0};
    const bool raw = m->serial_device;
    int e = vmsim__swap_on(m->swap, spec, raw, vmsim__swp_max_offset(m->format) + 1, &err);
    if (!e)
        return 0;
    snprintf(text, sizeof text, "machine.swap[%zu]: %s", number, vmsim__err_text(&err));
    return vmsim__err_set(&m->err, e, "%s", text);
}

int vmsim__swap_init(struct vmsim_machine *m) {
    const struct vmsim__swap_spec *areas = m->spec.swap.data;
    if (!m->spec.swap.count)
        return 0;
    if (!m->format->levels)
        return vmsim__err_set(&m->err, VMSIM_ECONFIG, "machine.swap: without translation (%s) no page can be swapped",
                              m->format->name);
    m->swap = vmsim__swap_create(m->alloc, m->block, m->mem->page_shift);
    if (!m->swap)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for swap");
    int e =
        vmsim__swap_placement_create(&m->swap->placement, m->policies, &m->spec.swap_placement, m->spec.seed, &m->err);
    for (size_t i = 0; i < m->spec.swap.count && !e; i++)
        e = swap_on(m, &areas[i], i);
    if (e)
        return e;
    vmsim__cache_set_swap(m->cache, m->swap, &vmsim__vm_knobs(m->vm)->page_cluster);
    vmsim__vm_set_swap_pages(m->vm, m->swap->slots);
    vmsim__vm_use_swap(m->vm);
    return 0;
}
