/* SPDX-License-Identifier: MIT */
/* Pictures of a measure over the axes of a sweep. What is drawn is the mean of all points that ran and have the entries
 * which the picture names; repetitions by seed are always among what is averaged. */
#ifndef VMSIM_CLI_SWEEP_PANELS_H
#define VMSIM_CLI_SWEEP_PANELS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/sweep_data.h"

/* The axes that matter most together: one from left to right, one as lines, and a panel for each entry of a third, all
 * with the same scale. Nothing is drawn when there are no two. False: no memory. */
bool panels_multiples(FILE *out, const struct data *d, size_t counter);
/* Main effects: a panel for each axis. */
bool panels_effects(FILE *out, const struct data *d, size_t counter);
/* Whether values are too far apart for a linear axis. */
bool panels_log(const double *values, size_t count);

#endif
