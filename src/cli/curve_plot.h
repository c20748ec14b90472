/* SPDX-License-Identifier: MIT */
/* Curves of a trace as a picture. */
#ifndef VMSIM_CLI_CURVE_PLOT_H
#define VMSIM_CLI_CURVE_PLOT_H
#include <stdio.h>

#include "vmsim/curve.h"

/* Misses by size of memory and of TLBs, footprint and reuse times, of the first eight series, as SVG. */
void curve_plot(FILE *out, struct vmsim_curve *c);

#endif
