/* SPDX-License-Identifier: MIT */
/* A study of limits (size.h) as a table with its advice, as CSV, as JSON, and as a picture.
 *
 * Four forms of the same points: the table has units that people read, CSV and JSON have the counters as they are, in
 * bytes, pages and microseconds, so that nothing has to be parsed back. A run that was killed has counters, too, of the
 * part that it came to: they are printed as numbers where machines read, but not drawn and never compared. */
#include <assert.h>
#include <inttypes.h>

#include "cli/chart.h"
#include "cli/size.h"

#define MIB (1024.0 * 1024.0)

/* Both kinds together: for a limit it is the same whether a page of a file or one of swap was thrown out too early. */
static uint64_t refaults(const struct size_point *p) {
    return p->value[SIZE_REFAULT_ANON] + p->value[SIZE_REFAULT_FILE];
}

/* Share of the run's time, in percent. */
static double share(const struct size_point *p, enum size_column us) {
    const uint64_t time = p->value[SIZE_TIME];
    return time ? 100000.0 * (double)p->value[us] / (double)time : 0;
}

/* ---- text ---- */

/* Columns stay of one width over nine orders of magnitude; the borders are where a unit would need more than four
 * digits before the point. */
static void put_time(FILE *out, uint64_t ns) {
    if (ns < 10000000)
        fprintf(out, "%8.1f us", (double)ns / 1e3);
    else if (ns < UINT64_C(10000000000))
        fprintf(out, "%8.1f ms", (double)ns / 1e6);
    else
        fprintf(out, "%8.1f s ", (double)ns / 1e9);
}

/* A point that failed has no numbers to show, one that was killed no time that could be compared with others: it is
 * that of a shorter run. */
static void put_row(FILE *out, const struct size_study *s, const struct size_point *p) {
    const uint64_t slow = size_slowdown(s, p), *v = p->value;
    if (p->limit == UINT64_MAX)
        fputs("        none      - ", out);
    else
        fprintf(out, "%8.2f MiB %4u %% ", (double)p->limit / MIB, p->percent);
    if (p->failed) {
        fprintf(out, " failed: %s\n", p->message ? p->message : "");
        return;
    }
    if (v[SIZE_OOM_KILLS])
        fputs("     killed        ", out);
    else {
        put_time(out, v[SIZE_TIME]);
        fprintf(out, " %3" PRIu64 ".%03" PRIu64, slow / 1000, slow % 1000);
    }
    fprintf(out, " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %6.1f %6.1f %6.1f\n",
            v[SIZE_MAJFLT], refaults(p), v[SIZE_SWPIN], v[SIZE_SWPOUT], v[SIZE_AT_LIMIT], share(p, SIZE_MEM_SOME),
            share(p, SIZE_MEM_FULL), share(p, SIZE_IO_FULL));
}

/* Drawn up to the first limit at which the program is killed: beyond it there is nothing to draw, and each x is one
 * limit more at which it does not live. */
static void put_sparkline(FILE *out, const struct size_study *s, size_t policy) {
    assert(policy < s->policy_count);
    double slow[SIZE_STEPS];
    size_t n = 0;
    while (n < s->step_count && size_point_whole(size_point_at(s, policy, n))) {
        slow[n] = (double)size_slowdown(s, size_point_at(s, policy, n));
        n++;
    }
    if (!n)
        return;
    fputs("  slowdown  ", out);
    chart_sparkline(out, slow, n);
    for (size_t i = n; i < s->step_count; i++)
        fputc('x', out);
    fprintf(out, "  from %u %% to %u %% of the peak%s\n", size_point_at(s, policy, 0)->percent,
            size_point_at(s, policy, s->step_count - 1)->percent, n < s->step_count ? "; x: killed" : "");
}

/* What the advice costs to ignore: the next limit down, if it was tested. */
static void put_below(FILE *out, const struct size_study *s, size_t policy, size_t step) {
    assert(policy < s->policy_count && step < s->step_count);
    if (step + 1 >= s->step_count) {
        fputs("; none smaller was tested", out);
        return;
    }
    const struct size_point *p = size_point_at(s, policy, step + 1);
    if (!size_point_whole(p))
        fprintf(out, "; with %.2f MiB it is killed", (double)p->limit / MIB);
    else
        fprintf(out, "; with %.2f MiB %.1f %%", (double)p->limit / MIB, (double)size_slowdown(s, p) / 10 - 100);
}

/* The recommendation has its reason beside it, in figures of the table above: nobody should have to believe it. */
static void put_advice(FILE *out, const struct size_study *s, size_t policy) {
    assert(policy < s->policy_count);
    const size_t best = size_recommended(s, policy), knee = size_knee(s, policy);
    if (best == SIZE_NONE) {
        fprintf(out,
                "  recommended limit: none of those tested: at the largest it takes more than %u %% longer or is "
                "killed\n",
                s->tolerance);
    } else {
        const struct size_point *p = size_point_at(s, policy, best);
        fprintf(out,
                "  recommended limit: %.2f MiB (memory.max: %" PRIu64 "), %u %% of the peak\n  why: at this and all "
                "larger limits it takes at most %u %% longer than without one, here %.1f %%",
                (double)p->limit / MIB, p->limit, p->percent, s->tolerance, (double)size_slowdown(s, p) / 10 - 100);
        put_below(out, s, policy, best);
        fputc('\n', out);
    }
    if (knee != SIZE_NONE)
        fprintf(out, "  steepest: from %.2f to %.2f MiB its time grows by %.1f %%\n",
                (double)size_point_at(s, policy, knee - 1)->limit / MIB,
                (double)size_point_at(s, policy, knee)->limit / MIB,
                100.0 * (double)size_point_at(s, policy, knee)->value[SIZE_TIME] /
                        (double)size_point_at(s, policy, knee - 1)->value[SIZE_TIME] -
                    100);
}

void size_print_text(FILE *out, const struct size_study *s) {
    fprintf(out, "Peak without a limit: %.2f MiB\n", (double)s->unlimited.value[SIZE_PEAK] / MIB);
    for (size_t i = 0; i < s->policy_count; i++) {
        fprintf(out,
                "\n%s\n       limit   peak       time slowdown   majflt refaults  swap in swap out at limit some "
                "%%  full %%   io %%\n",
                s->policies[i]);
        put_row(out, s, &s->unlimited);
        for (size_t k = 0; k < s->step_count; k++)
            put_row(out, s, size_point_at(s, i, k));
        put_sparkline(out, s, i);
        put_advice(out, s, i);
    }
    fputs(
        "\nat limit: times a charge met memory.max. some, full, io: share of the time in which a task was stalled for "
        "memory,\nall were, and all waited for a device (memory.pressure, io.pressure).\n",
        out);
}

/* ---- CSV and JSON ---- */

/* The run without a limit is the first row, with empty columns where it has no limit and no policy: one file has all
 * that a plot needs. */
static void csv_row(FILE *out, const struct size_study *s, const char *policy, const struct size_point *p) {
    fprintf(out, "%s,", policy);
    if (p->limit != UINT64_MAX)
        fprintf(out, "%" PRIu64 ",%u", p->limit, p->percent);
    else
        fputc(',', out);
    if (p->failed)
        fputs(",failed", out);
    else
        fprintf(out, ",%s", size_point_whole(p) ? "whole" : "killed");
    fprintf(out, ",%" PRIu64, p->failed ? 0 : size_slowdown(s, p));
    for (unsigned i = 0; i < SIZE_COLUMNS; i++)
        fprintf(out, ",%" PRIu64, p->value[i]);
    fputc('\n', out);
}

void size_print_csv(FILE *out, const struct size_study *s) {
    fputs("policy,limit,percent,end,slowdown_permille", out);
    for (unsigned i = 0; i < SIZE_COLUMNS; i++)
        fprintf(out, ",%s", size_column_name((enum size_column)i));
    fputc('\n', out);
    csv_row(out, s, "", &s->unlimited);
    for (size_t i = 0; i < s->policy_count; i++) {
        for (size_t k = 0; k < s->step_count; k++)
            csv_row(out, s, s->policies[i], size_point_at(s, i, k));
    }
}

static void json_point(FILE *out, const struct size_study *s, const struct size_point *p) {
    fputs("{", out);
    if (p->limit != UINT64_MAX)
        fprintf(out, "\"limit\": %" PRIu64 ", \"percent\": %u, ", p->limit, p->percent);
    fprintf(out, "\"end\": \"%s\", \"slowdown_permille\": %" PRIu64,
            p->failed             ? "failed"
            : size_point_whole(p) ? "whole"
                                  : "killed",
            p->failed ? 0 : size_slowdown(s, p));
    for (unsigned i = 0; i < SIZE_COLUMNS; i++)
        fprintf(out, ", \"%s\": %" PRIu64, size_column_name((enum size_column)i), p->value[i]);
    fputs("}", out);
}

static void json_policy(FILE *out, const struct size_study *s, size_t policy) {
    assert(policy < s->policy_count);
    const size_t best = size_recommended(s, policy), knee = size_knee(s, policy);
    fprintf(out, "    {\"policy\": \"%s\", \"recommended\": ", s->policies[policy]);
    if (best == SIZE_NONE)
        fputs("null", out);
    else
        fprintf(out, "%" PRIu64, size_point_at(s, policy, best)->limit);
    fputs(", \"steepest\": ", out);
    if (knee == SIZE_NONE)
        fputs("null", out);
    else
        fprintf(out, "%" PRIu64, size_point_at(s, policy, knee)->limit);
    fputs(", \"points\": [", out);
    for (size_t k = 0; k < s->step_count; k++) {
        fputs(k ? ",\n      " : "\n      ", out);
        json_point(out, s, size_point_at(s, policy, k));
    }
    fputs("\n    ]}", out);
}

void size_print_json(FILE *out, const struct size_study *s) {
    fprintf(out, "{\n  \"peak\": %" PRIu64 ",\n  \"tolerance_percent\": %u,\n  \"unlimited\": ",
            s->unlimited.value[SIZE_PEAK], s->tolerance);
    json_point(out, s, &s->unlimited);
    fputs(",\n  \"policies\": [\n", out);
    for (size_t i = 0; i < s->policy_count; i++) {
        json_policy(out, s, i);
        fputs(i + 1 < s->policy_count ? ",\n" : "\n", out);
    }
    fputs("  ]\n}\n", out);
}

/* ---- picture ---- */

enum { PANELS = 4 };

/* In the order of the titles below. */
static double quantity(const struct size_study *s, const struct size_point *p, unsigned panel) {
    assert(panel < PANELS && size_point_whole(p));
    switch (panel) {
    case 0:
        return (double)size_slowdown(s, p) / 1000;
    case 1:
        return (double)p->value[SIZE_MAJFLT];
    case 2:
        return (double)refaults(p);
    default:
        return share(p, SIZE_MEM_SOME);
    }
}

/* The mark is the recommended limit of the first policy, which is Linux' own unless others were asked for. Slowdowns
 * reach from 1 to thousands: that panel alone is logarithmic. */
static void draw_panel(FILE *out, const struct size_study *s, unsigned panel) {
    static const char *const titles[PANELS] = {"time, of that without a limit", "major faults", "refaults (pages)",
                                               "stalled for memory (PSI some, %)"};
    double x[SIZE_POLICIES][SIZE_STEPS], y[SIZE_POLICIES][SIZE_STEPS];
    struct chart_series series[SIZE_POLICIES];
    for (size_t i = 0; i < s->policy_count; i++) {
        series[i] = (struct chart_series){.name = s->policies[i], .x = x[i], .y = y[i]};
        for (size_t k = 0; k < s->step_count; k++) {
            const struct size_point *p = size_point_at(s, i, k);
            if (!size_point_whole(p))
                continue;
            x[i][series[i].count] = (double)p->limit / MIB;
            y[i][series[i].count++] = quantity(s, p, panel);
        }
    }
    const size_t best = size_recommended(s, 0);
    const struct chart_panel chart = {.title = titles[panel],
                                      .x_label = "memory.max (MiB)",
                                      .left = 55 + 410 * (panel % 2),
                                      .top = 60 + 260 * (panel / 2),
                                      .width = 330,
                                      .height = 180,
                                      .log_y = panel == 0,
                                      .mark = best == SIZE_NONE ? 0 : (double)size_point_at(s, 0, best)->limit / MIB,
                                      .series = series,
                                      .count = s->policy_count};
    chart_panel(out, &chart);
}

void size_print_svg(FILE *out, const struct size_study *s) {
    chart_begin(out, 830, 560, false);
    chart_legend(out, 55, 12, 5, s->policies, s->policy_count);
    for (unsigned i = 0; i < PANELS; i++)
        draw_panel(out, s, i);
    chart_end(out);
}
