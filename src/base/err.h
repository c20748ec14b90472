/* SPDX-License-Identifier: MIT */
/* The text of the last error, kept on whatever handle made it (SQLite's habit).
 *
 * A handle embeds a `struct vmsim__err`; a failing function fills it and returns the code in one statement:
 *     return vmsim__err_set(&m->err, VMSIM_EINVAL, "node %u has no memory", node);
 * The text is one line, without the name of the code. */
#ifndef VMSIM__ERR_H
#define VMSIM__ERR_H
#include "vmsim/error.h"

struct vmsim__err {
    int code;
    char text[512];
};
/* Fills `e` (may be NULL) and returns `code`. Longer texts are cut with "...". */
int vmsim__err_set(struct vmsim__err *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Text, or "" when nothing failed yet. */
const char *vmsim__err_text(const struct vmsim__err *e);

#endif
