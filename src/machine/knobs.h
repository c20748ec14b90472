/* SPDX-License-Identifier: MIT */
/* All knobs of a machine: the tables of the layers, one behind the other (base/knob.h says what a row is). */
#ifndef VMSIM__KNOBS_H
#define VMSIM__KNOBS_H
#include "base/knob.h"

struct vmsim_machine;

extern const struct vmsim__knob vmsim__mglru_knobs[]; /* of a machine (mglru.c) */

/* Row number `i` of all tables; NULL past the end. */
const struct vmsim__knob *vmsim__machine_knob(size_t i);
/* By name; NULL: there is none. */
const struct vmsim__knob *vmsim__machine_knob_find(const char *name);
/* Does this machine's kernel have it? */
bool vmsim__machine_has_knob(const struct vmsim_machine *m, const struct vmsim__knob *knob);
/* May writing it have to wait, for pages that are in use? Then it is written within a call. */
bool vmsim__machine_knob_waits(const char *name);
/* As its file shows it, without a newline; false: it cannot be read. A look: it changes nothing. */
bool vmsim__machine_knob_read(const struct vmsim_machine *m, const struct vmsim__knob *knob, char *text, size_t size);

#endif
