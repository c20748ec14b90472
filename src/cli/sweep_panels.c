/* SPDX-License-Identifier: MIT */
/* Small multiples and main effects of a measure (sweep_panels.h).
 *
 *     panel: first entry of P    panel: second entry     ...        P, L, X: axes
 *      |\   __ line: an entry of L
 *      | \_/                                                        one scale of y for all panels
 *      +------- X
 *
 * An axis matters as much as its means differ, greatest over least. X is one of numbers if there is one that matters: a
 * line between names would say that there is something between them, so over names there are dots alone. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/chart.h"
#include "cli/sweep_grid.h"
#include "cli/sweep_panels.h"

#define LINES_MAX 8u

/* An entry for each axis, SIZE_MAX: any. */
struct choice {
    size_t entries[GRID_AXES_MAX];
};

/* Every point is chosen until entries are named. */
static struct choice any_entry(void) {
    struct choice c;
    for (size_t a = 0; a < GRID_AXES_MAX; a++)
        c.entries[a] = SIZE_MAX;
    return c;
}

static bool chosen(const struct data *d, const struct data_point *p, const struct choice *c) {
    assert(d->axis_count <= GRID_AXES_MAX);
    for (size_t a = 0; a < d->axis_count; a++) {
        if (c->entries[a] != SIZE_MAX && p->entries[a] != c->entries[a])
            return false;
    }
    return true;
}

/* NAN: no point has it. */
static double mean(const struct data *d, size_t counter, const struct choice *c) {
    assert(counter < d->counter_count);
    double n = 0, sum = 0;
    for (size_t i = 0; i < d->point_count; i++) {
        const struct data_point *p = &d->points[i];
        if (!data_ran(p) || isnan(p->values[counter]) || !chosen(d, p, c))
            continue;
        n++;
        sum += p->values[counter];
    }
    return n > 0 ? sum / n : NAN;
}

/* Greatest mean over least, of an axis. */
static double effect(const struct data *d, size_t counter, size_t axis) {
    assert(axis < d->axis_count);
    double low = INFINITY, high = 0;
    struct choice c = any_entry();
    for (size_t e = 0; e < d->axes[axis].count; e++) {
        c.entries[axis] = e;
        const double v = mean(d, counter, &c);
        low = fmin(low, v);
        high = fmax(high, v);
    }
    return high > 0 && low < INFINITY ? (high + 1) / (low + 1) : 1;
}

/* Over more than a factor of thirty a linear scale shows the largest value alone. */
bool panels_log(const double *v, size_t n) {
    double low = INFINITY, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = v[i] > 0 ? fmin(low, v[i]) : low;
        high = fmax(high, v[i]);
    }
    return high >= 30 * low;
}

/* ---- one panel ---- */

/* What a row of panels has in common, and memory for the means of one panel. */
struct row {
    FILE *out;
    const struct data *d;
    size_t counter, x, lines; /* lines: SIZE_MAX: one line */
    double low, high;         /* of all panels */
    bool log_y;
    double *xs, *ys; /* line_count() times as many as entries of x */
};

static size_t line_count(const struct row *r) {
    return r->lines == SIZE_MAX ? 1 : r->d->axes[r->lines].count;
}

static bool row_begin(struct row *r) {
    const size_t n = line_count(r) * r->d->axes[r->x].count;
    assert(n > 0 && line_count(r) <= LINES_MAX);
    r->xs = calloc(n, sizeof *r->xs);
    r->ys = calloc(n, sizeof *r->ys);
    return r->xs && r->ys;
}

static void row_end(struct row *r) {
    free(r->xs);
    free(r->ys);
}

/* Means along x of what `c` chooses, as line `i`. */
static struct chart_series series(const struct row *r, struct choice c, size_t i) {
    assert(i < line_count(r));
    const struct data_axis *x = &r->d->axes[r->x];
    double *xs = r->xs + i * x->count, *ys = r->ys + i * x->count;
    struct chart_series s = {.name = "", .x = xs, .y = ys, .dots = !x->numeric};
    if (r->lines != SIZE_MAX) {
        s.name = r->d->axes[r->lines].labels[i];
        c.entries[r->lines] = i;
    }
    for (size_t e = 0; e < x->count; e++) {
        c.entries[r->x] = e;
        const double v = mean(r->d, r->counter, &c);
        if (isnan(v))
            continue;
        xs[s.count] = x->numbers[e];
        ys[s.count++] = v;
    }
    return s;
}

/* Lines without any point are not drawn. */
static size_t fill(const struct row *r, const struct choice *c, struct chart_series *lines) {
    size_t n = 0;
    for (size_t i = 0; i < line_count(r); i++) {
        lines[n] = series(r, *c, i);
        n += lines[n].count > 0;
    }
    return n;
}

/* The scale has to be good for this panel, too. */
static void widen(struct row *r, const struct choice *c) {
    struct chart_series lines[LINES_MAX];
    const size_t n = fill(r, c, lines);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < lines[i].count; k++) {
            const double v = lines[i].y[k];
            r->low = v > 0 ? fmin(r->low, v) : r->low;
            r->high = fmax(r->high, v);
        }
    }
    r->log_y = r->high >= 30 * r->low;
}

/* One drawing a panel: the page sets them side by side as its width allows. */
static void draw(const struct row *r, const struct choice *c, const char *title) {
    const struct data_axis *x = &r->d->axes[r->x];
    struct chart_series lines[LINES_MAX];
    const size_t n = fill(r, c, lines);
    const struct chart_panel panel = {.title = title,
                                      .x_label = x->name,
                                      .left = 60,
                                      .top = 28,
                                      .width = 280,
                                      .height = 170,
                                      .x_unit = x->unit,
                                      .y_unit = data_unit(r->d, r->counter),
                                      .log_x = x->numeric && panels_log(x->numbers, x->count),
                                      .log_y = r->log_y,
                                      .y_low = r->low < INFINITY ? r->low : 0,
                                      .y_high = r->high,
                                      .x_names = x->numeric ? NULL : (const char *const *)x->labels,
                                      .series = lines,
                                      .count = n};
    chart_begin(r->out, 360, 240, true);
    chart_panel(r->out, &panel);
    chart_end(r->out);
}

/* ---- rows of panels ---- */

static void put_legend(const struct row *r) {
    const struct data_axis *a = &r->d->axes[r->lines];
    fputs("<p>", r->out);
    chart_escape(r->out, a->name);
    fputs("</p>\n", r->out);
    chart_begin(r->out, CHART_LEGEND_WIDTH * (double)a->count + 20, CHART_LEGEND_HEIGHT + 4, true);
    chart_legend(r->out, 10, 2, a->count, (const char *const *)a->labels, a->count);
    chart_end(r->out);
}

static void put_panels(struct row *r, size_t panels) {
    const size_t n = panels == SIZE_MAX ? 1 : r->d->axes[panels].count;
    struct choice c = any_entry();
    char title[160];
    for (size_t i = 0; i < n; i++) {
        if (panels != SIZE_MAX)
            c.entries[panels] = i;
        widen(r, &c);
    }
    put_legend(r);
    fputs("<div class=\"panels\">\n", r->out);
    for (size_t i = 0; i < n; i++) {
        if (panels != SIZE_MAX)
            c.entries[panels] = i;
        snprintf(title, sizeof title, "%.60s %.80s", panels == SIZE_MAX ? "by" : r->d->axes[panels].name,
                 panels == SIZE_MAX ? r->d->axes[r->lines].name : r->d->axes[panels].labels[i]);
        draw(r, &c, title);
    }
    fputs("</div>\n", r->out);
}

/* Of those that are not taken, the axis that matters most; SIZE_MAX: none. */
static size_t choose(const struct data *d, size_t counter, const size_t taken[2], bool numeric, size_t most) {
    size_t best = SIZE_MAX;
    double greatest = 1;
    for (size_t a = 0; a < d->axis_count; a++) {
        const struct data_axis *axis = &d->axes[a];
        if (a == taken[0] || a == taken[1] || axis->count < 2 || axis->count > most || data_repeats(axis) ||
            (numeric && !axis->numeric))
            continue;
        const double e = effect(d, counter, a);
        best = e > greatest ? a : best;
        greatest = e > greatest ? e : greatest;
    }
    return best;
}

bool panels_multiples(FILE *out, const struct data *d, size_t counter) {
    size_t taken[2] = {SIZE_MAX, SIZE_MAX};
    size_t x = choose(d, counter, taken, true, SIZE_MAX);
    x = x == SIZE_MAX ? choose(d, counter, taken, false, SIZE_MAX) : x;
    taken[0] = x;
    const size_t first = choose(d, counter, taken, false, LINES_MAX);
    taken[1] = first;
    const size_t second = choose(d, counter, taken, false, LINES_MAX);
    if (x == SIZE_MAX || first == SIZE_MAX)
        return true;
    /* what matters less is told apart within a panel */
    struct row r = {
        .out = out, .d = d, .counter = counter, .x = x, .lines = second == SIZE_MAX ? first : second, .low = INFINITY};
    const bool good = row_begin(&r);
    if (good)
        put_panels(&r, second == SIZE_MAX ? SIZE_MAX : first);
    row_end(&r);
    return good;
}

bool panels_effects(FILE *out, const struct data *d, size_t counter) {
    const struct choice all = any_entry();
    bool good = true;
    fputs("<details open><summary>Each axis alone</summary><div class=\"panels\">\n", out);
    for (size_t a = 0; good && a < d->axis_count; a++) {
        struct row r = {.out = out, .d = d, .counter = counter, .x = a, .lines = SIZE_MAX, .low = INFINITY};
        char title[128];
        if (d->axes[a].count < 2 || data_repeats(&d->axes[a]))
            continue;
        good = row_begin(&r);
        if (good) {
            widen(&r, &all);
            snprintf(title, sizeof title, "by %.100s", d->axes[a].name);
            draw(&r, &all, title);
        }
        row_end(&r);
    }
    fputs("</div></details>\n", out);
    return good;
}
