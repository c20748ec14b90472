/* SPDX-License-Identifier: MIT */
/* The process between the recorder and the recorded program (see record.c). */
#ifndef VMSIM__SUPERVISE_H
#define VMSIM__SUPERVISE_H
#include <sys/types.h>

#include "trace/plugin/record_arena.h"

/* In a process of its own: makes a child that calls `run`, and waits for it and all its orphans. The first one's status
 * goes to the arena, whose file `path` is removed in the end. When `recorder` dies all of them are killed. */
_Noreturn void vmsim__supervise(struct arena *arena, pid_t recorder, const char *path, void (*run)(void *context),
                                void *context);

#endif
