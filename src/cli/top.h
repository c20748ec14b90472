/* SPDX-License-Identifier: MIT */
/* `vmsim top`: what a machine looks like at one moment, as lines. How they come to a screen is cmd_top.c's part. */
#ifndef VMSIM_CLI_TOP_H
#define VMSIM_CLI_TOP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vmsim/scenario.h"

/* What is shown is made of counters: their values now, and at the frame before, from which rates come. */
struct top_view {
    struct vmsim_machine *machine;
    struct vmsim_progress progress; /* now */
    uint64_t *before;               /* by counter; 0 where there was none */
    size_t known;
    uint64_t before_ns; /* virtual time of the frame before */
};

/* Writes a frame of lines of at most `width` bytes, and keeps its values as those of the frame before. False: no
 * memory. */
bool top_frame(struct top_view *view, FILE *out, unsigned width);
void top_free(struct top_view *view);

#endif
