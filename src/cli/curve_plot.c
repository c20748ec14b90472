/* SPDX-License-Identifier: MIT */
/* `vmsim curve --plot`: four panels, a line a task and page size.
 *
 *     misses by memory      misses by entries of a TLB (4 ways)
 *     distinct pages        reuse times */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/chart.h"
#include "cli/curve_plot.h"

#define LINES 8u
#define POINTS VMSIM_CURVE_WINDOWS
#define TLB_WAYS 4u

struct line {
    struct vmsim_curve_series info;
    char name[64];
    double x[POINTS], y[POINTS];
    size_t count;
};

struct plot {
    struct vmsim_curve *curve;
    struct line line[LINES];
    size_t lines;
};

static void add(struct line *l, double x, double y) {
    assert(l->count < POINTS);
    l->x[l->count] = x;
    l->y[l->count++] = y;
}

static double share(uint64_t part, const struct line *l) {
    return l->info.touches ? 100.0 * (double)part / (double)l->info.touches : 0;
}

/* Four sizes to each doubling, up to what holds all. */
static void by_memory(struct plot *p, uint32_t i) {
    struct line *l = &p->line[i];
    uint64_t pages = 1;
    for (;; pages += pages < 4 ? 1 : (UINT64_C(1) << (63 - __builtin_clzll(pages))) / 4) {
        const uint64_t at = pages < l->info.peak ? pages : l->info.peak;
        if (l->count < POINTS && at)
            add(l, (double)at * (double)l->info.page_size, share(vmsim_curve_misses(p->curve, i, at), l));
        if (at == l->info.peak)
            return;
    }
}

static void by_tlb(struct plot *p, uint32_t i) {
    struct line *l = &p->line[i];
    for (uint32_t sets = 1; sets <= VMSIM_CURVE_SETS; sets *= 2) {
        const uint64_t misses = vmsim_curve_tlb_misses(p->curve, i, sets, TLB_WAYS);
        if (misses == UINT64_MAX)
            return;
        add(l, sets * TLB_WAYS, share(misses, l));
    }
}

static void by_window(struct plot *p, uint32_t i) {
    struct vmsim_curve_window w;
    for (uint32_t k = 0; k < POINTS && vmsim_curve_get_window(p->curve, i, k, &w); k++)
        add(&p->line[i], (double)w.touches, (double)w.footprint / 1000 * (double)p->line[i].info.page_size);
}

static void by_reuse(struct plot *p, uint32_t i) {
    struct vmsim_curve_window w;
    for (uint32_t k = 0; k < POINTS && vmsim_curve_get_window(p->curve, i, k, &w); k++)
        add(&p->line[i], (double)w.touches, share(w.reuses, &p->line[i]));
}

static void draw(FILE *out, struct plot *p, unsigned panel) {
    static void (*const fill[])(struct plot *, uint32_t) = {by_memory, by_tlb, by_window, by_reuse};
    static const char *const titles[] = {"misses by size of memory (%)", "misses by entries of a TLB of 4 ways (%)",
                                         "distinct pages in a window", "touched again after so many (%)"};
    static const char *const labels[] = {"memory", "entries", "touches", "touches"};
    struct chart_series series[LINES];
    for (uint32_t i = 0; i < p->lines; i++) {
        p->line[i].count = 0;
        fill[panel](p, i);
        series[i] = (struct chart_series){
            .name = p->line[i].name, .x = p->line[i].x, .y = p->line[i].y, .count = p->line[i].count};
    }
    const struct chart_panel chart = {.title = titles[panel],
                                      .x_label = labels[panel],
                                      .left = 75 + 410 * (panel % 2),
                                      .top = 60 + 260 * (panel / 2),
                                      .width = 320,
                                      .height = 180,
                                      .x_unit = panel ? CHART_NUMBER : CHART_BYTES,
                                      .y_unit = panel == 2 ? CHART_BYTES : CHART_NUMBER,
                                      .log_x = true,
                                      .series = series,
                                      .count = p->lines};
    chart_panel(out, &chart);
}

void curve_plot(FILE *out, struct vmsim_curve *c) {
    struct plot *p = calloc(1, sizeof *p);
    const char *names[LINES];
    if (p)
        p->curve = c;
    chart_begin(out, 840, 560, false);
    for (uint32_t i = 0; p && i < LINES && !vmsim_curve_get_series(c, i, &p->line[i].info); i++) {
        struct line *l = &p->line[i];
        snprintf(l->name, sizeof l->name, "%.40s %llu KiB",
                 l->info.task == VMSIM_CURVE_ALL_TASKS ? "all tasks" : l->info.name,
                 (unsigned long long)(l->info.page_size >> 10));
        names[p->lines++] = l->name;
    }
    if (p)
        chart_legend(out, 75, 12, 4, names, p->lines);
    for (unsigned panel = 0; p && panel < 4; panel++)
        draw(out, p, panel);
    chart_end(out);
    free(p);
}
