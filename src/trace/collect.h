/* SPDX-License-Identifier: MIT */
/* The recorder's consumer: slices of the arena to a trace, in the order of their tickets. */
#ifndef VMSIM__COLLECT_H
#define VMSIM__COLLECT_H
#include <sys/types.h>

#include "trace/plugin/record_arena.h"
#include "vmsim/trace.h"

/* Runs until the supervisor is gone and everything is written; fills `result`. 0 or an error of the writer (then
 * result->error has its text, and the recorded processes are told to end). */
int vmsim__collect(struct arena *arena, pid_t supervisor, struct vmsim_trace_writer *writer,
                   const struct vmsim_record_options *options, struct vmsim_record_result *result);

#endif
