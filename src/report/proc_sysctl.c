/* SPDX-License-Identifier: MIT */
/* /proc/sys: the knobs as they are in force, each from its row (machine/knobs.h). What vmsim does not model stands at
 * the kernel's default; what can only be written is an empty file. Kernel counterpart: kernel/sysctl.c. */
#include <string.h>

#include "machine/knobs.h"
#include "report/proc.h"

static void render(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t index) {
    char text[128];
    if (vmsim__machine_knob_read(m, vmsim__machine_knob(index), text, sizeof text))
        vmsim__textbuf_printf(out, "%s\n", text);
}

int vmsim__proc_each_sysctl(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    VMSIM__ASSERT(visit);
    const struct vmsim__knob *k;
    int err = 0;
    for (uint32_t i = 0; (k = vmsim__machine_knob(i)) && !err; i++) {
        char path[96];
        vmsim__knob_file(k, path, sizeof path);
        if (!strncmp(path, "proc/", 5) && vmsim__machine_has_knob(m, k))
            err = visit(context, path, render, i);
    }
    return err;
}
