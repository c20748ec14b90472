/* SPDX-License-Identifier: MIT */
/* Charts in SVG and as text (chart.h). Ticks stand at 1, 2 and 5 times a power of ten, those of bytes at powers of two
 * and their multiples. */
#include <assert.h>
#include <math.h>

#include "cli/chart.h"

static const char *const colours[] = {"#1f77b4", "#d62728", "#2ca02c", "#ff7f0e",
                                      "#9467bd", "#8c564b", "#17becf", "#7f7f7f"};
#define COLOURS (sizeof colours / sizeof *colours)

struct axis {
    double low, high, from, to; /* values, and where they lie in the picture */
    bool log;
};

void chart_escape(FILE *out, const char *text) {
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", out);
            break;
        case '>':
            fputs("&gt;", out);
            break;
        case '&':
            fputs("&amp;", out);
            break;
        case '"':
            fputs("&quot;", out);
            break;
        default:
            fputc((unsigned char)*text < 0x20 ? ' ' : *text, out);
        }
    }
}

void chart_begin(FILE *out, double width, double height, bool inline_in_page) {
    if (!inline_in_page)
        fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
    fprintf(out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
            "font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            width, height, width, height);
}

void chart_end(FILE *out) {
    fputs("</svg>\n", out);
}

/* ---- axes ---- */

static double place(const struct axis *a, double value) {
    const double low = a->log ? log10(a->low) : a->low, high = a->log ? log10(a->high) : a->high;
    const double at = a->log ? log10(value > a->low ? value : a->low) : value;
    return a->from + (at - low) / (high - low) * (a->to - a->from);
}

static void reach(struct axis *a, double v) {
    if (a->log && v <= 0)
        return;
    a->low = fmin(a->low, v);
    a->high = fmax(a->high, v);
}

/* Half a step beside the first and the last of what has names: texts stand in the middle below. */
static void make_room(struct axis *a) {
    a->low -= 0.5;
    a->high += 0.5;
}

/* A logarithmic axis begins with the least value above 0; what is 0 lies at its foot. Within a decade it is linear: it
 * would have hardly a tick. */
static struct axis make_axis(const struct chart_panel *p, bool x) {
    struct axis a = {.low = INFINITY, .high = -INFINITY, .log = x ? p->log_x : p->log_y};
    for (size_t s = 0; s < p->count; s++) {
        for (size_t i = 0; i < p->series[s].count; i++)
            reach(&a, x ? p->series[s].x[i] : p->series[s].y[i]);
    }
    if (!x && (p->y_low != 0 || p->y_high != 0)) {
        reach(&a, p->y_low);
        reach(&a, p->y_high);
    }
    if (a.low > a.high)
        a.low = a.high = 1;
    if (!a.log && !x)
        a.low = fmin(a.low, 0);
    a.log = a.log && a.high >= 10 * a.low;
    if (!x) /* nothing lies on the edge above */
        a.high *= a.log ? 1.1 : 1.04;
    if (x && p->x_names)
        make_room(&a);
    if (a.low == a.high)
        a.high = a.log ? a.low * 10 : a.low + 1;
    return a;
}

void chart_number(FILE *out, double v, enum chart_unit unit) {
    static const struct {
        const char *names[5];
        double step;
    } units[] = {[CHART_NUMBER] = {{"", "k", "M", "G", "T"}, 1000},
                 [CHART_BYTES] = {{" B", " KiB", " MiB", " GiB", " TiB"}, 1024},
                 [CHART_NS] = {{" ns", " \u00b5s", " ms", " s", NULL}, 1000}};
    const char *const *names = units[unit].names;
    unsigned at = 0;
    for (; fabs(v) >= units[unit].step && at < 4 && names[at + 1]; at++)
        v /= units[unit].step;
    fprintf(out, fabs(v) >= 1e6 ? "%.0f%s" : "%.4g%s", v, v == 0 ? "" : names[at]);
}

static void tick(FILE *out, const struct chart_panel *p, const struct axis *a, bool x, double v) {
    const double at = place(a, v), left = p->left, bottom = p->top + p->height;
    if (x)
        fprintf(out, "<path d=\"M%.1f %.1fv4\" stroke=\"#555\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                at, bottom, at, bottom + 16);
    else
        fprintf(out, "<path d=\"M%.1f %.1fh%.1f\" stroke=\"#ddd\"/><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
                left, at, p->width, left - 5, at + 4);
    chart_number(out, v, x ? p->x_unit : p->y_unit);
    fputs("</text>\n", out);
}

/* x from 0 to the greatest has names. */
static void name_ticks(FILE *out, const struct chart_panel *p, const struct axis *a) {
    for (size_t i = 0; i <= (size_t)a->high; i++) {
        fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", place(a, (double)i),
                p->top + p->height + 16);
        chart_escape(out, p->x_names[i]);
        fputs("</text>\n", out);
    }
}

/* At powers of two on a logarithmic axis, and at multiples of one on a linear axis: seven at most. */
static void ticks_of_bytes(FILE *out, const struct chart_panel *p, const struct axis *a, bool x) {
    const double range = a->log ? log2(a->high / a->low) : a->high - a->low;
    const double step = a->log ? fmax(1, ceil(range / 6)) : exp2(fmax(0, ceil(log2(range / 6))));
    const double low = a->log ? log2(a->low) : a->low, high = a->log ? log2(a->high) : a->high;
    assert(step >= 1 && high > low);
    for (double i = ceil(low / step - 0.001); i <= floor(high / step + 0.001); i++)
        tick(out, p, a, x, a->log ? exp2(i * step) : i * step + 0.0);
}

static void ticks_of_decades(FILE *out, const struct chart_panel *p, const struct axis *a, bool x) {
    static const double steps[] = {1, 2, 5};
    const bool few = log10(a->high / a->low) > 2;
    assert(a->log && a->low > 0);
    for (double ten = pow(10, floor(log10(a->low))); ten <= a->high; ten *= 10) {
        for (int i = 0; i < (few ? 1 : 3); i++) {
            if (ten * steps[i] >= a->low * 0.999 && ten * steps[i] <= a->high * 1.001)
                tick(out, p, a, x, ten * steps[i]);
        }
    }
}

static void ticks(FILE *out, const struct chart_panel *p, const struct axis *a, bool x) {
    if ((x ? p->x_unit : p->y_unit) == CHART_BYTES) {
        ticks_of_bytes(out, p, a, x);
        return;
    }
    if (a->log) {
        ticks_of_decades(out, p, a, x);
        return;
    }
    double step = pow(10, floor(log10((a->high - a->low) / 4)));
    step *= (a->high - a->low) / step > 20 ? 5 : (a->high - a->low) / step > 8 ? 2 : 1;
    const double first = ceil(a->low / step - 0.001), last = floor(a->high / step + 0.001);
    for (double i = first; i <= last; i++)
        tick(out, p, a, x, i * step + 0.0); /* no -0 */
}

/* ---- panels ---- */

static void line(FILE *out, const struct chart_series *s, const struct axis *x, const struct axis *y,
                 const char *colour) {
    if (!s->dots) {
        fprintf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\" points=\"", colour);
        for (size_t i = 0; i < s->count; i++)
            fprintf(out, "%.1f,%.1f ", place(x, s->x[i]), place(y, s->y[i]));
        fputs("\"/>\n", out);
    }
    for (size_t i = 0; i < s->count; i++)
        fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.2\" fill=\"%s\"/>\n", place(x, s->x[i]), place(y, s->y[i]),
                colour);
}

void chart_panel(FILE *out, const struct chart_panel *p) {
    assert(p->width > 0 && p->height > 0);
    struct axis x = make_axis(p, true), y = make_axis(p, false);
    x.from = p->left;
    x.to = p->left + p->width;
    y.from = p->top + p->height;
    y.to = p->top;
    fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" font-weight=\"bold\">", p->left, p->top - 8);
    chart_escape(out, p->title);
    fprintf(out, "</text>\n<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", p->left + p->width / 2,
            p->top + p->height + 31);
    chart_escape(out, p->x_label);
    fputs("</text>\n", out);
    if (p->x_names)
        name_ticks(out, p, &x);
    else
        ticks(out, p, &x, true);
    ticks(out, p, &y, false);
    fprintf(out, "<path d=\"M%.1f %.1fv%.1fh%.1f\" fill=\"none\" stroke=\"#555\"/>\n", p->left, p->top, p->height,
            p->width);
    if (p->mark > 0)
        fprintf(out, "<path d=\"M%.1f %.1fv%.1f\" stroke=\"#000\" stroke-dasharray=\"4 3\"/>\n", place(&x, p->mark),
                p->top, p->height);
    for (size_t i = 0; i < p->count; i++)
        line(out, &p->series[i], &x, &y, colours[i % COLOURS]);
}

void chart_legend(FILE *out, double left, double top, size_t columns, const char *const *names, size_t count) {
    assert(columns > 0);
    for (size_t i = 0; i < count; i++) {
        const double x = left + CHART_LEGEND_WIDTH * (double)(i % columns);
        const double y = top + CHART_LEGEND_HEIGHT * (double)(i / columns);
        fprintf(out, "<rect x=\"%.0f\" y=\"%.0f\" width=\"12\" height=\"12\" fill=\"%s\"/><text x=\"%.0f\" y=\"%.0f\">",
                x, y, colours[i % COLOURS], x + 17, y + 10);
        chart_escape(out, names[i]);
        fputs("</text>\n", out);
    }
}

void chart_sparkline(FILE *out, const double *values, size_t count) {
    assert(values || !count);
    static const char *const blocks[] = {"\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        low = fmin(low, values[i]);
        high = fmax(high, values[i]);
    }
    for (size_t i = 0; i < count; i++)
        fputs(blocks[high > low ? (int)((values[i] - low) / (high - low) * 7.999) : 0], out);
}
