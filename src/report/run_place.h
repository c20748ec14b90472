/* SPDX-License-Identifier: MIT */
/* The place of a run directory: what bears its name, and whether that may go.
 *
 * An earlier run may be replaced when all that it holds is what its manifest lists, with the sizes and hashes that
 * stand there. A file that somebody added or changed is not vmsim's to delete. */
#ifndef VMSIM__RUN_PLACE_H
#define VMSIM__RUN_PLACE_H
#include "base/alloc.h"
#include "base/err.h"

#define VMSIM__MANIFEST "manifest.json"
#define VMSIM__MANIFEST_BEGIN "{\n  \"vmsim_run\": "

enum vmsim__place { VMSIM__PLACE_FREE, VMSIM__PLACE_EMPTY, VMSIM__PLACE_RUN };

/* What bears the name. 0; VMSIM_EINVAL: something that is not replaced; VMSIM_EIO, VMSIM_ENOMEM. */
int vmsim__place_look(struct vmsim__alloc *alloc, const char *directory, enum vmsim__place *place,
                      struct vmsim__err *err);
/* Whether the place can be written to at all: its parent is there. 0 or VMSIM_EIO. */
int vmsim__place_parent(const char *directory, struct vmsim__err *err);
/* Makes a directory beside `directory` that nobody else uses; its name into `part`. 0, VMSIM_EIO, VMSIM_EINVAL. */
int vmsim__place_part(const char *directory, char *part, size_t size, struct vmsim__err *err);
/* Puts `part` in the place; what was there bears the name `part` then, if anything. 0, or VMSIM_EIO: all is as before.
 */
int vmsim__place_take(const char *part, const char *directory, enum vmsim__place place, struct vmsim__err *err);

#endif
