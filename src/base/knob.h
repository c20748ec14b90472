/* SPDX-License-Identifier: MIT */
/* A knob of the kernel: what `sysctl -w`, a write below /sys, `machine.sysctl` and a `sysctl` step reach.
 *
 * Each is one row in a table of the layer that keeps its value (zones, cache, vm, machine); machine/sysctl.c has the
 * list of the tables. Writing, bounds, /proc/sys, imports of hosts and the reference come from the row. Most rows name
 * a field and nothing else; where the kernel has a handler of its own for a file, there is a function.
 *
 *     {.value = {.name = "vm.swappiness", .type = UINT, .offset = .., .max = 200, .fallback = "60", .doc = ..}}
 *
 * Kernel counterpart: struct ctl_table (kernel/sysctl.c), struct kobj_attribute. */
#ifndef VMSIM__KNOB_H
#define VMSIM__KNOB_H
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "vmsim/param.h"

struct vmsim__knob {
    /* Name ("vm.swappiness", "transparent_hugepage/defrag"), type (UINT, SIZE, BOOL, ENUM), bounds, default as a text
     * (NULL: it follows from the machine), meaning, and where in the owner's struct the value is. A value without a
     * meaning (doc) is one that vmsim shows and nothing reads. */
    struct vmsim_param value;
    const char *unit;  /* of the number; NULL: it has none */
    const char *lacks; /* what it would steer, which is not simulated: it reads as its default, and takes no other */
    const char *since; /* first release that has it; NULL: all that vmsim knows */
    /* A write of the text; 0, or VMSIM_EINVAL with a text and nothing changed. NULL: the value is set. */
    int (*write)(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err);
    void (*written)(void *owner, const struct vmsim__knob *knob); /* after a value was set; NULL: nothing */
    /* The value as the file shows it, without a newline; false: it is not there. NULL: from the field. */
    bool (*read)(const void *owner, const struct vmsim__knob *knob, char *text, size_t size);
};

/* Rows one after the other; NULL past the end. */
typedef const struct vmsim__knob *vmsim__knob_row(size_t i);

/* The row of a table that ends with one without a name; NULL: it has none. */
const struct vmsim__knob *vmsim__knob_find(const struct vmsim__knob *table, const char *name);
int vmsim__knob_write(const struct vmsim__knob *knob, void *owner, const char *text, struct vmsim__err *err);
/* Sets the field alone, bounds checked: for a `write` that has more to say. */
int vmsim__knob_set(const struct vmsim__knob *knob, void *owner, const char *text, struct vmsim__err *err);
bool vmsim__knob_read(const struct vmsim__knob *knob, const void *owner, char *text, size_t size);
/* The fields of all rows get their defaults; rows without one are left alone. */
void vmsim__knob_defaults(const struct vmsim__knob *table, void *owner);
/* Its file, relative to the root: "proc/sys/vm/swappiness". */
void vmsim__knob_file(const struct vmsim__knob *knob, char *path, size_t size);

#endif
