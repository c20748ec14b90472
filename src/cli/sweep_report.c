/* SPDX-License-Identifier: MIT */
/* A sweep as one page of HTML that needs nothing else: for each measure small multiples over the axes that matter most
 * and its main effects (sweep_panels.h), the Pareto front of two measures, best and worst points with the overrides
 * that make them, and the points that failed. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/chart.h"
#include "cli/cli.h"
#include "cli/sweep.h"
#include "cli/sweep_data.h"
#include "cli/sweep_panels.h"

#define MEASURES_MAX 12u
#define MEASURES 6u /* of those that nobody asked for */
#define POINTS_TOLD 5u
#define FAILURES_TOLD 20u

struct report {
    struct data d;
    size_t measures[MEASURES_MAX]; /* counters */
    size_t count;
    const char *runs; /* where runs of single points lie */
    bool beside;      /* so does the page */
    FILE *out;
};

/* ---- measures ---- */

/* Standard deviation over mean, of all that ran. */
static double variation(const struct data *d, size_t counter) {
    assert(counter < d->counter_count);
    double n = 0, sum = 0, squares = 0;
    for (size_t i = 0; i < d->point_count; i++) {
        const double v = d->points[i].values[counter];
        if (!data_ran(&d->points[i]) || isnan(v))
            continue;
        n++;
        sum += v;
        squares += v * v;
    }
    const double mean = n > 0 ? sum / n : 0, var = n > 0 ? squares / n - mean * mean : 0;
    return mean > 0 && var > 0 ? sqrt(var) / mean : 0;
}

static bool is_measure(const struct report *r, size_t counter) {
    assert(r->count <= MEASURES_MAX);
    for (size_t i = 0; i < r->count; i++) {
        if (r->measures[i] == counter)
            return true;
    }
    return false;
}

/* Time first, then what varies most. */
static void choose_measures(struct report *r) {
    assert(!r->count);
    const size_t time = data_counter(&r->d, "time_ns");
    if (time != SIZE_MAX)
        r->measures[r->count++] = time;
    while (r->count < MEASURES) {
        size_t best = SIZE_MAX;
        double most = 0;
        for (size_t c = 0; c < r->d.counter_count; c++) {
            const double v = is_measure(r, c) ? 0 : variation(&r->d, c);
            best = v > most ? c : best;
            most = v > most ? v : most;
        }
        if (best == SIZE_MAX)
            break;
        r->measures[r->count++] = best;
    }
}

static int take_measures(struct report *r, const char *const *names, size_t count) {
    if (count > MEASURES_MAX)
        return cli_fail(EXIT_USAGE, "sweep", "%zu measures; at most %u are drawn", count, MEASURES_MAX);
    for (size_t i = 0; i < count; i++) {
        const size_t c = data_counter(&r->d, names[i]);
        if (c == SIZE_MAX)
            return cli_fail(EXIT_USAGE, "sweep",
                            "the results have no counter '%s': see the first line of `vmsim sweep "
                            "export`",
                            names[i]);
        r->measures[r->count++] = c;
    }
    if (!count)
        choose_measures(r);
    return EXIT_FINE;
}

/* ---- points in words ---- */

/* The number leads to the page of the point's run, if somebody has made it (`vmsim sweep --point`). */
static void put_number(struct report *r, uint64_t point) {
    assert(r->runs);
    char page[4096];
    const char *slash = strrchr(r->runs, '/');
    const bool fits = (size_t)snprintf(page, sizeof page, "%s/%" PRIu64 ".html", r->runs, point) < sizeof page;
    const bool there = r->beside && fits && !access(page, R_OK);
    if (there) {
        fputs("<a href=\"", r->out);
        chart_escape(r->out, page + (slash ? slash + 1 - r->runs : 0));
        fputs("\">", r->out);
    }
    fprintf(r->out, there ? "%" PRIu64 "</a>" : "%" PRIu64, point);
}

static void put_point(struct report *r, const struct data_point *p) {
    assert(data_ran(p) || p->message);
    fputs("<td>", r->out);
    put_number(r, p->point);
    fputs("</td><td>", r->out);
    for (size_t a = 0; a < r->d.axis_count; a++) {
        fputs(a ? ", " : "", r->out);
        chart_escape(r->out, r->d.axes[a].name);
        fputs("=", r->out);
        chart_escape(r->out, r->d.axes[a].labels[p->entries[a]]);
    }
    fputs("</td>", r->out);
}

/* `rank` lesser values than its own stand before it; ties by number. */
static const struct data_point *ranked(const struct data *d, size_t counter, size_t rank, bool greatest) {
    assert(counter < d->counter_count);
    const struct data_point *last = NULL;
    for (size_t k = 0; k <= rank; k++) {
        const struct data_point *best = NULL;
        for (size_t i = 0; i < d->point_count; i++) {
            const struct data_point *p = &d->points[i];
            const double v = greatest ? -p->values[counter] : p->values[counter];
            const double l = last ? (greatest ? -last->values[counter] : last->values[counter]) : -INFINITY;
            if (!data_ran(p) || isnan(v) || v < l || (last && v == l && p <= last))
                continue;
            if (!best || v < (greatest ? -best->values[counter] : best->values[counter]))
                best = p;
        }
        if (!best)
            return NULL;
        last = best;
    }
    return last;
}

static enum chart_unit unit_of(const struct data *d, size_t which) {
    return which < d->counter_count ? data_unit(d, which) : d->axes[which - d->counter_count].unit;
}

/* As people read it, with all its digits when pointed at. */
static void put_value(struct report *r, size_t which, double value) {
    fprintf(r->out, "<span title=\"%.0f\">", value);
    chart_number(r->out, value, unit_of(&r->d, which));
    fputs("</span>", r->out);
}

static void put_extremes(struct report *r, size_t counter) {
    fputs("<table><tr><th></th><th>value</th><th>point</th><th>settings</th></tr>\n", r->out);
    for (unsigned greatest = 0; greatest < 2; greatest++) {
        for (size_t i = 0; i < POINTS_TOLD; i++) {
            const struct data_point *p = ranked(&r->d, counter, i, greatest);
            if (!p)
                break;
            fprintf(r->out, "<tr><td>%s</td><td>", i ? "" : greatest ? "greatest" : "least");
            put_value(r, counter, p->values[counter]);
            fputs("</td>", r->out);
            put_point(r, p);
            fputs("</tr>\n", r->out);
        }
    }
    fputs("</table>\n", r->out);
}

static bool put_measure(struct report *r, size_t counter) {
    assert(counter < r->d.counter_count);
    fputs("<h2>", r->out);
    chart_escape(r->out, r->d.counters[counter]);
    fputs("</h2>\n", r->out);
    const bool good = panels_multiples(r->out, &r->d, counter) && panels_effects(r->out, &r->d, counter);
    put_extremes(r, counter);
    return good;
}

/* ---- the Pareto front ---- */

/* What a point has of a counter or, behind the counters, of an axis. */
static double measure(const struct data *d, const struct data_point *p, size_t which) {
    assert(which < d->counter_count + d->axis_count);
    const size_t axis = which - d->counter_count;
    return which < d->counter_count ? p->values[which] : d->axes[axis].numbers[p->entries[axis]];
}

static const char *measure_name(const struct data *d, size_t which) {
    assert(which < d->counter_count + d->axis_count);
    return which < d->counter_count ? d->counters[which] : d->axes[which - d->counter_count].name;
}

static bool counts(const struct data *d, const struct data_point *p, size_t x, size_t y) {
    return data_ran(p) && !isnan(measure(d, p, x)) && !isnan(measure(d, p, y));
}

struct place {
    double x, y;
    const struct data_point *point;
};

static int by_place(const void *a, const void *b) {
    const struct place *p = a, *q = b;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    if (p->y != q->y)
        return p->y < q->y ? -1 : 1;
    return p->point < q->point ? -1 : p->point > q->point;
}

/* Less is better of both. In the order of x, a point is in front when its y is less than all before. */
static void put_front(struct report *r, const struct place *places, size_t n, size_t x, size_t y, double *at) {
    assert(n > 0 && n <= r->d.point_count);
    const struct data *d = &r->d;
    struct chart_series series[2] = {{.name = "points", .x = at, .y = at + n, .count = n, .dots = true},
                                     {.name = "front", .x = at + 2 * n, .y = at + 3 * n}};
    const char *const names[] = {"all points", "front: less of both is not to be had"};
    double least = INFINITY;
    fputs("<h2>Pareto front</h2>\n<table><tr><th>", r->out);
    chart_escape(r->out, measure_name(d, x));
    fputs("</th><th>", r->out);
    chart_escape(r->out, measure_name(d, y));
    fputs("</th><th>point</th><th>settings</th></tr>\n", r->out);
    for (size_t i = 0; i < n; i++) {
        at[i] = places[i].x;
        at[n + i] = places[i].y;
        if (places[i].y >= least)
            continue;
        least = places[i].y;
        at[2 * n + series[1].count] = places[i].x;
        at[3 * n + series[1].count++] = places[i].y;
        assert(series[1].count <= i + 1);
        fputs("<tr><td>", r->out);
        put_value(r, x, places[i].x);
        fputs("</td><td>", r->out);
        put_value(r, y, places[i].y);
        fputs("</td>", r->out);
        put_point(r, places[i].point);
        fputs("</tr>\n", r->out);
    }
    const struct chart_panel panel = {.title = measure_name(d, y),
                                      .x_label = measure_name(d, x),
                                      .left = 70,
                                      .top = 65,
                                      .width = 500,
                                      .height = 260,
                                      .x_unit = unit_of(d, x),
                                      .y_unit = unit_of(d, y),
                                      .log_x = panels_log(at, n),
                                      .log_y = panels_log(at + n, n),
                                      .series = series,
                                      .count = 2};
    fputs("</table>\n", r->out);
    chart_begin(r->out, 620, 380, true);
    chart_legend(r->out, 70, 8, 3, names, 2);
    chart_panel(r->out, &panel);
    chart_end(r->out);
}

static bool put_pareto(struct report *r, size_t x, size_t y) {
    assert(x != SIZE_MAX);
    const struct data *d = &r->d;
    struct place *places = calloc(d->point_count + 1, sizeof *places);
    double *at = calloc(4 * d->point_count + 1, sizeof *at);
    size_t n = 0;
    for (size_t i = 0; places && i < d->point_count; i++) {
        if (counts(d, &d->points[i], x, y))
            places[n++] = (struct place){measure(d, &d->points[i], x), measure(d, &d->points[i], y), &d->points[i]};
    }
    const bool good = places && at;
    if (good && n) {
        qsort(places, n, sizeof *places, by_place);
        put_front(r, places, n, x, y, at);
    }
    free(places);
    free(at);
    return good;
}

/* A counter or an axis with numbers; SIZE_MAX: neither. */
static size_t find_measure(const struct data *d, const char *name) {
    const size_t counter = data_counter(d, name), axis = data_axis(d, name);
    if (counter != SIZE_MAX)
        return counter;
    return axis != SIZE_MAX && d->axes[axis].numeric ? d->counter_count + axis : SIZE_MAX;
}

/* The first axis of numbers against the first measure, if nobody asked. */
static int choose_front(struct report *r, const char *const pareto[2], size_t front[2]) {
    const struct data *d = &r->d;
    front[0] = front[1] = SIZE_MAX;
    for (size_t i = 0; pareto[0] && i < 2; i++) {
        front[i] = find_measure(d, pareto[i]);
        if (front[i] == SIZE_MAX)
            return cli_fail(EXIT_USAGE, "sweep", "'%s' is neither a counter of the results nor an axis of numbers",
                            pareto[i]);
    }
    for (size_t a = d->axis_count; !pareto[0] && r->count && a-- > 0;) {
        if (d->axes[a].numeric && !data_repeats(&d->axes[a])) {
            front[0] = d->counter_count + a;
            front[1] = r->measures[0];
            assert(front[1] < d->counter_count);
        }
    }
    return EXIT_FINE;
}

/* ---- the page ---- */

static const char style[] =
    "<style>body{font-family:sans-serif;margin:2em;max-width:1500px}h2{border-bottom:1px solid "
    "#ccc;margin-top:2em}table{border-collapse:collapse;font-size:13px;margin:1em 0}td,th{padding:"
    "2px 10px;text-align:left}tr:nth-child(even){background:#f4f4f4}pre{background:#f4f4f4;padding:"
    "1em;overflow:auto}.panels{display:flex;flex-wrap:wrap;gap:8px}@media(prefers-color-scheme:dark){body{background:"
    "#14171a;color:#e8e8e8}a{color:#8ab4f8}svg{filter:invert(.9) hue-rotate(180deg)}pre,tr:nth-child(even)"
    "{background:#20242a}}</style>";

static void put_head(struct report *r, const char *path) {
    const struct data *d = &r->d;
    size_t failed = 0;
    for (size_t i = 0; i < d->point_count; i++)
        failed += !data_ran(&d->points[i]);
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>", r->out);
    chart_escape(r->out, path);
    fprintf(r->out, "</title>%s</head><body>\n<h1>Sweep: ", style);
    chart_escape(r->out, path);
    fprintf(r->out, "</h1>\n<p>%zu points, %zu failed; vmsim ", d->point_count, failed);
    chart_escape(r->out, d->version);
    fputs(
        ". What is drawn is the mean of all points with the entries that are named there. <code>vmsim sweep --point N "
        "GRID</code> runs a point again, and its number leads to that run's page then.</p>\n<details><summary>The "
        "grid</summary><pre>",
        r->out);
    for (const char *at = d->grid, *end; *at; at = end) {
        char line[512];
        end = strchr(at, '\n') ? strchr(at, '\n') + 1 : at + strlen(at);
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        chart_escape(r->out, line);
        fputc('\n', r->out);
    }
    fputs("</pre></details>\n", r->out);
}

static void put_failures(struct report *r) {
    size_t told = 0;
    for (size_t i = 0; i < r->d.point_count && told < FAILURES_TOLD; i++) {
        const struct data_point *p = &r->d.points[i];
        if (data_ran(p))
            continue;
        if (!told++)
            fputs("<h2>Points that failed</h2>\n<table><tr><th>point</th><th>settings</th><th>message</th></tr>\n",
                  r->out);
        fputs("<tr>", r->out);
        put_point(r, p);
        fputs("<td>", r->out);
        chart_escape(r->out, p->message);
        fputs("</td></tr>\n", r->out);
    }
    if (told)
        fputs("</table>\n", r->out);
}

static bool put_page(struct report *r, const char *path, const size_t front[2]) {
    bool good = true;
    put_head(r, path);
    for (size_t i = 0; good && i < r->count; i++)
        good = put_measure(r, r->measures[i]);
    good = good && (front[0] == SIZE_MAX || put_pareto(r, front[0], front[1]));
    put_failures(r);
    fputs("</body></html>\n", r->out);
    return good;
}

int sweep_report(const char *path, const char *output, const char *const *measures, size_t count,
                 const char *const pareto[2]) {
    struct report r = {0};
    size_t front[2];
    char *runs = sweep_runs(path);
    const char *from = strrchr(path, '/'), *to = strrchr(output, '/');
    const size_t folder = from ? (size_t)(from - path) : 0;
    r.runs = runs ? runs : "";
    r.beside = folder == (to ? (size_t)(to - output) : 0) && !strncmp(path, output, folder);
    int status = data_load(&r.d, path);
    status = status ? status : take_measures(&r, measures, count);
    status = status ? status : choose_front(&r, pareto, front);
    if (!status && cli_same_file(path, output))
        status = cli_fail(EXIT_USAGE, "sweep", "%s: input file is output file", path);
    if (!status) {
        struct cli_out out;
        r.out = cli_out_begin(&out, "sweep", output);
        status = cli_out_end(&out, !r.out || put_page(&r, path, front));
    }
    data_free(&r.d);
    free(runs);
    return status;
}
