/* SPDX-License-Identifier: MIT */
/* A job array of Slurm from its submission to the gathered results (see sweep_follow.c). */
#ifndef VMSIM_CLI_SWEEP_FOLLOW_H
#define VMSIM_CLI_SWEEP_FOLLOW_H
#include "cli/sweep.h"

/* Whether an array of these results may be under way: its script is there, and need not be written. */
bool sweep_is_followed(const struct sweep_options *o);
/* Submits the shards that are not whole, waits for them (unless o->no_wait) until all are, and gathers; goes on with an
 * array that is under way. An exit status, all said. */
int sweep_follow(const struct grid *g, const struct sweep_options *o, uint64_t shards, const char *script);

#endif
