/* SPDX-License-Identifier: MIT */
/* Curves of a trace (vmsim/curve.h) as tables for people, as one table in long form, and as JSON.
 *
 * One walk over the points feeds all formats (the emitter). In CSV each row has every column, whichever curve it is
 * of, so that a data frame takes it as it is and selects by the column `curve`; in JSON and text a point has what its
 * own curve has. Sizes are four to each doubling unless the user names them: enough to see a knee, few enough to read.
 */
#include <stdio.h>
#include <string.h>

#include "analysis/analysis.h"
#include "base/units.h"
#include "base/util.h"
#include "report/emitter.h"
#include "report/report_files.h"

#define DECIMALS 6

struct renderer {
    struct vmsim_curve *c;
    struct vmsim__emitter *e;
    const uint64_t *sizes; /* bytes; NULL: four to each doubling */
    size_t size_count;
    bool csv;
};

static void count(struct vmsim__emitter *e, const char *key, uint64_t n) {
    vmsim__emit_uint(e, key, n, VMSIM__UNIT_COUNT);
}

/* ---- points, which all formats have ---- */

/* A row of CSV has all columns; in other formats those of its own curve alone. */
static void identify(const struct renderer *r, const struct vmsim_curve_series *s, const char *curve) {
    VMSIM__ASSERT(s && curve);
    if (!r->csv)
        return;
    if (s->task == VMSIM_CURVE_ALL_TASKS)
        vmsim__emit_string(r->e, "task", "all");
    else
        vmsim__emit_uint(r->e, "task", s->task, VMSIM__UNIT_NONE);
    vmsim__emit_string(r->e, "name", s->name);
    vmsim__emit_uint(r->e, "page_size", s->page_size, VMSIM__UNIT_BYTES);
    vmsim__emit_string(r->e, "curve", curve);
}

/* A column of another curve: empty in CSV, absent elsewhere. */
static void null(const struct renderer *r, const char *key) {
    if (r->csv)
        vmsim__emit_string(r->e, key, NULL);
}

/* Every row has all columns, null where it has none: CSV needs one header for three kinds of rows, and who reads JSON
 * may take a field without asking whether it is there. */
static void memory_point(const struct renderer *r, uint32_t index, const struct vmsim_curve_series *s, uint64_t pages) {
    VMSIM__ASSERT(index < vmsim_curve_series_count(r->c));
    uint64_t misses = vmsim_curve_misses(r->c, index, pages);
    vmsim__emit_object(r->e, NULL);
    identify(r, s, "memory");
    vmsim__emit_uint(r->e, "size", pages * s->page_size, VMSIM__UNIT_BYTES);
    count(r->e, "pages", pages);
    null(r, "sets");
    null(r, "ways");
    count(r->e, "misses", misses);
    vmsim__emit_ratio(r->e, "miss_ratio", misses, s->touches, DECIMALS, VMSIM__UNIT_PERCENT);
    if (vmsim__curve_samples(r->c))
        vmsim__emit_ratio(r->e, "deviation", vmsim_curve_deviation(r->c, index, pages), 1000000, DECIMALS,
                          VMSIM__UNIT_PERCENT);
    else
        null(r, "deviation");
    null(r, "touches");
    null(r, "footprint_pages");
    null(r, "working_set_pages");
    null(r, "reuses");
    vmsim__emit_object_end(r->e);
}

static void tlb_point(const struct renderer *r, uint32_t index, const struct vmsim_curve_series *s, uint32_t sets,
                      uint32_t ways) {
    VMSIM__ASSERT(sets > 0 && ways > 0 && index < vmsim_curve_series_count(r->c));
    uint64_t misses = vmsim_curve_tlb_misses(r->c, index, sets, ways);
    vmsim__emit_object(r->e, NULL);
    identify(r, s, "tlb");
    null(r, "size");
    count(r->e, r->csv ? "pages" : "entries", (uint64_t)sets * ways);
    count(r->e, "sets", sets);
    count(r->e, "ways", ways);
    count(r->e, "misses", misses);
    vmsim__emit_ratio(r->e, "miss_ratio", misses, s->touches, DECIMALS, VMSIM__UNIT_PERCENT);
    null(r, "deviation");
    null(r, "touches");
    null(r, "footprint_pages");
    null(r, "working_set_pages");
    null(r, "reuses");
    vmsim__emit_object_end(r->e);
}

static void window_point(const struct renderer *r, const struct vmsim_curve_series *s,
                         const struct vmsim_curve_window *w) {
    VMSIM__ASSERT(s && w);
    vmsim__emit_object(r->e, NULL);
    identify(r, s, "window");
    null(r, "size");
    null(r, "pages");
    null(r, "sets");
    null(r, "ways");
    null(r, "misses");
    null(r, "miss_ratio");
    null(r, "deviation");
    count(r->e, "touches", w->touches);
    vmsim__emit_ratio(r->e, "footprint_pages", w->footprint, 1000, 3, VMSIM__UNIT_NONE);
    vmsim__emit_ratio(r->e, "working_set_pages", w->working_set, 1000, 3, VMSIM__UNIT_NONE);
    count(r->e, "reuses", w->reuses);
    vmsim__emit_object_end(r->e);
}

/* ---- curves ---- */

/* One page, then four to each doubling, until nothing misses but first touches. */
static uint64_t next_size(uint64_t pages) {
    uint64_t step = pages < 8 ? 1 : (UINT64_C(1) << vmsim__log2(pages)) / 4;
    return pages + step;
}

static void memory_curve(const struct renderer *r, uint32_t index, const struct vmsim_curve_series *s) {
    VMSIM__ASSERT(s->page_size > 0);
    for (size_t i = 0; i < r->size_count; i++)
        memory_point(r, index, s, r->sizes[i] / s->page_size);
    if (r->size_count || !s->touches)
        return;
    uint64_t last = vmsim__max64(s->peak, 1);
    for (uint64_t pages = 1; pages < last; pages = next_size(pages))
        memory_point(r, index, s, pages);
    memory_point(r, index, s, last);
}

static const uint32_t ways_told[] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32};

static void tlb_curve(const struct renderer *r, uint32_t index, const struct vmsim_curve_series *s) {
    if (vmsim__curve_samples(r->c))
        return;
    for (uint32_t sets = 1; sets <= r->c->options.sets; sets *= 2) {
        for (size_t w = 0; w < VMSIM__COUNT(ways_told); w++)
            tlb_point(r, index, s, sets, ways_told[w]);
    }
}

static void window_curve(const struct renderer *r, uint32_t index, const struct vmsim_curve_series *s) {
    struct vmsim_curve_window w;
    for (uint32_t i = 0; vmsim_curve_get_window(r->c, index, i, &w); i++)
        window_point(r, s, &w);
}

/* ---- formats ---- */

static void describe(const struct renderer *r, const struct vmsim_curve_series *s) {
    if (s->task == VMSIM_CURVE_ALL_TASKS)
        vmsim__emit_string(r->e, "task", NULL);
    else
        vmsim__emit_uint(r->e, "task", s->task, VMSIM__UNIT_NONE);
    vmsim__emit_string(r->e, "name", s->name);
    vmsim__emit_uint(r->e, "page_size", s->page_size, VMSIM__UNIT_BYTES);
    count(r->e, "touches", s->touches);
    count(r->e, "sampled_touches", s->sampled);
    count(r->e, "sampled_pages", s->pages);
    vmsim__emit_uint(r->e, "footprint", s->footprint, VMSIM__UNIT_PAGES);
    vmsim__emit_uint(r->e, "peak", s->peak, VMSIM__UNIT_PAGES);
}

static void json_series(const struct renderer *r, uint32_t index, const struct vmsim_curve_series *s) {
    VMSIM__ASSERT(index < vmsim_curve_series_count(r->c));
    vmsim__emit_object(r->e, NULL);
    describe(r, s);
    vmsim__emit_array(r->e, "memory");
    memory_curve(r, index, s);
    vmsim__emit_array_end(r->e);
    vmsim__emit_array(r->e, "tlb");
    tlb_curve(r, index, s);
    vmsim__emit_array_end(r->e);
    vmsim__emit_array(r->e, "windows");
    window_curve(r, index, s);
    vmsim__emit_array_end(r->e);
    vmsim__emit_object_end(r->e);
}

static void render_json(struct renderer *r, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(r->e && out);
    vmsim__emitter_json(r->e, out);
    vmsim__emit_object(r->e, NULL);
    count(r->e, "references", r->c->references);
    vmsim__emit_ratio(r->e, "sample", r->c->options.sample, VMSIM_CURVE_ALL, DECIMALS, VMSIM__UNIT_PERCENT);
    vmsim__emit_array(r->e, "series");
    for (uint32_t i = 0; i < vmsim_curve_series_count(r->c); i++) {
        struct vmsim_curve_series s;
        vmsim_curve_get_series(r->c, i, &s);
        json_series(r, i, &s);
    }
    vmsim__emit_array_end(r->e);
    vmsim__emit_object_end(r->e);
}

static void render_csv(struct renderer *r, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(r->e && out);
    r->csv = true;
    vmsim__emitter_csv(r->e, out);
    vmsim__emit_array(r->e, NULL);
    for (uint32_t i = 0; i < vmsim_curve_series_count(r->c); i++) {
        struct vmsim_curve_series s;
        vmsim_curve_get_series(r->c, i, &s);
        memory_curve(r, i, &s);
        tlb_curve(r, i, &s);
        window_curve(r, i, &s);
    }
    vmsim__emit_array_end(r->e);
}

/* For people: one size a doubling is enough, and TLBs are a matrix. */
static void text_memory(const struct renderer *r, uint32_t index, const struct vmsim_curve_series *s) {
    vmsim__emit_array(r->e, "misses_by_size_of_memory");
    for (size_t i = 0; i < r->size_count; i++)
        memory_point(r, index, s, r->sizes[i] / s->page_size);
    uint64_t last = vmsim__max64(s->peak, 1);
    for (uint64_t pages = 1; !r->size_count && pages < last; pages *= 2)
        memory_point(r, index, s, pages);
    if (!r->size_count)
        memory_point(r, index, s, last);
    vmsim__emit_array_end(r->e);
}

static void text_tlb(const struct renderer *r, uint32_t index, const struct vmsim_curve_series *s) {
    VMSIM__ASSERT(index < vmsim_curve_series_count(r->c));
    static const struct {
        uint32_t ways;
        const char *key;
    } columns[] = {{1, "1 way"}, {2, "2 ways"}, {4, "4"}, {8, "8"}, {12, "12"}, {16, "16"}, {24, "24"}, {32, "32"}};
    if (vmsim__curve_samples(r->c))
        return;
    vmsim__emit_array(r->e, "misses_by_sets_and_ways_of_a_TLB");
    for (uint32_t sets = 1; sets <= r->c->options.sets; sets *= 2) {
        vmsim__emit_object(r->e, NULL);
        count(r->e, "sets", sets);
        for (size_t w = 0; w < VMSIM__COUNT(columns); w++)
            vmsim__emit_ratio(r->e, columns[w].key, vmsim_curve_tlb_misses(r->c, index, sets, columns[w].ways),
                              s->touches, DECIMALS - 1, VMSIM__UNIT_PERCENT);
        vmsim__emit_object_end(r->e);
    }
    vmsim__emit_array_end(r->e);
}

/* Bounds of whole doublings; what lies between them is summed. */
static void text_windows(const struct renderer *r, uint32_t index, const struct vmsim_curve_series *s) {
    VMSIM__ASSERT(index < vmsim_curve_series_count(r->c));
    struct vmsim_curve_window w;
    uint64_t reuses = 0;
    vmsim__emit_array(r->e, "windows");
    for (uint32_t i = 0; vmsim_curve_get_window(r->c, index, i, &w); i++) {
        reuses += w.reuses;
        if (!vmsim__is_pow2(w.touches))
            continue;
        w.reuses = reuses;
        window_point(r, s, &w);
        reuses = 0;
    }
    vmsim__emit_array_end(r->e);
}

static void text_head(const struct renderer *r, const struct vmsim_curve_series *s, struct vmsim__textbuf *out) {
    char page[32], touches[40], footprint[32];
    vmsim__textbuf_printf(out, "%s", out->count ? "\n" : "");
    if (s->task == VMSIM_CURVE_ALL_TASKS)
        vmsim__textbuf_puts(out, "all tasks");
    else
        vmsim__textbuf_printf(out, "task %u %s", s->task, s->name);
    vmsim__textbuf_printf(out, ", pages of %s: %s touches, %s of distinct pages",
                          vmsim__format_size(s->page_size, page, sizeof page),
                          vmsim__grouped_text(s->touches, touches, sizeof touches),
                          vmsim__human_size(s->footprint * s->page_size, footprint, sizeof footprint));
    if (vmsim__curve_samples(r->c))
        vmsim__textbuf_printf(out, " (estimated from %llu sampled pages)", (unsigned long long)s->pages);
    vmsim__textbuf_puts(out, "\n");
}

static void render_text(struct renderer *r, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(r->e && out);
    vmsim__emitter_text(r->e, out);
    for (uint32_t i = 0; i < vmsim_curve_series_count(r->c); i++) {
        struct vmsim_curve_series s;
        vmsim_curve_get_series(r->c, i, &s);
        text_head(r, &s, out);
        if (!s.touches)
            continue;
        text_memory(r, i, &s);
        text_tlb(r, i, &s);
        text_windows(r, i, &s);
    }
}

int vmsim_curve_render(struct vmsim_curve *c, enum vmsim_curve_format format, const uint64_t *sizes, size_t size_count,
                       const char **text, size_t *size) {
    if (!c || !text)
        return VMSIM_EINVAL;
    static void (*const formats[])(struct renderer *, struct vmsim__textbuf *) = {render_text, render_csv, render_json};
    struct vmsim__emitter e;
    struct vmsim__textbuf out;
    struct renderer r = {.c = c, .e = &e, .sizes = sizes, .size_count = size_count};
    *text = NULL;
    if ((unsigned)format >= VMSIM__COUNT(formats))
        return vmsim__err_set(&c->err, VMSIM_EINVAL, "there is no format of curves %d", (int)format);
    vmsim__textbuf_init(&out, c->alloc);
    formats[format](&r, &out);
    vmsim__emitter_fini(&e);
    return vmsim__textbuf_give(&out, text, size, &c->err);
}

void vmsim_curve_free_text(struct vmsim_curve *c, const char *text) {
    if (!c)
        return;
    vmsim__text_free(c->alloc, text);
}
