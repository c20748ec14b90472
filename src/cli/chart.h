/* SPDX-License-Identifier: MIT */
/* Simple charts: panels with lines in SVG, and sparklines as text. A panel is drawn at a place of an SVG that the
 * caller has opened; axes are linear or logarithmic and go over what the series hold. */
#ifndef VMSIM_CLI_CHART_H
#define VMSIM_CLI_CHART_H
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What an axis counts, for its numbers and where these stand. */
enum chart_unit { CHART_NUMBER, CHART_BYTES, CHART_NS };

struct chart_series {
    const char *name;
    const double *x, *y;
    size_t count;
    bool dots; /* points alone, no line between them */
};

struct chart_panel {
    const char *title, *x_label;
    double left, top, width, height;
    enum chart_unit x_unit, y_unit;
    bool log_x, log_y;
    const char *const *x_names; /* of x = 0, 1, 2 ...; NULL: numbers */
    double mark;                /* a vertical line at this x; 0: none */
    double y_low, y_high;       /* to be on the axis in any case; both 0: nothing */
    const struct chart_series *series;
    size_t count;
};

/* "<svg ...>" with white ground, and its end. `inline_in_page`: no XML declaration. */
void chart_begin(FILE *out, double width, double height, bool inline_in_page);
void chart_end(FILE *out);
void chart_panel(FILE *out, const struct chart_panel *panel);
/* Names of the series with their colours, from (left, top) on, in rows of so many columns of CHART_LEGEND_WIDTH. */
#define CHART_LEGEND_WIDTH 160.0
#define CHART_LEGEND_HEIGHT 18.0
void chart_legend(FILE *out, double left, double top, size_t columns, const char *const *names, size_t count);
/* "12.5k", "64 MiB", "1.25 s": four digits, for people. */
void chart_number(FILE *out, double value, enum chart_unit unit);
/* Text with what SVG and HTML would take for their own as entities. */
void chart_escape(FILE *out, const char *text);
/* One of eight blocks for each value, from the least to the greatest. */
void chart_sparkline(FILE *out, const double *values, size_t count);

#endif
