/* SPDX-License-Identifier: MIT */
/* The results of a sweep in memory, for reports and comparisons: a row a point, with the number of its entry on each
 * axis and the values of all counters. Labels of an axis are in the order of their numbers, or if one is none, in the
 * order in which points have them. */
#ifndef VMSIM_CLI_SWEEP_DATA_H
#define VMSIM_CLI_SWEEP_DATA_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/chart.h"

struct data_axis {
    char *name;
    char **labels;
    double *numbers; /* of the labels, units applied */
    size_t count;
    bool numeric;         /* every label is a number, all with units of one kind or all without */
    enum chart_unit unit; /* of the numbers */
};

struct data_point {
    uint64_t point;
    int status;
    char *message;   /* "": none */
    size_t *entries; /* of each axis */
    double *values;  /* of each counter; NAN: it has none */
};

struct data {
    char *grid, *version;
    struct data_axis *axes;
    size_t axis_count;
    char **counters; /* sorted */
    size_t counter_count;
    struct data_point *points; /* by number */
    size_t point_count;
};

/* 0, or an exit status with everything said. */
int data_load(struct data *d, const char *path);
void data_free(struct data *d);
/* Index of a counter or an axis, SIZE_MAX: there is none. */
size_t data_counter(const struct data *d, const char *name);
size_t data_axis(const struct data *d, const char *name);
/* Of a counter's numbers, as its name says. */
enum chart_unit data_unit(const struct data *d, size_t counter);
/* Whether its entries are repetitions by seed. */
bool data_repeats(const struct data_axis *axis);
/* Whether its counters can be compared: it ran. */
bool data_ran(const struct data_point *p);

#endif
