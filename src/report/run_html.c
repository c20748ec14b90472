/* SPDX-License-Identifier: MIT */
/* A run as one page of HTML: what stands in the run directory as JSON within the page, and the scripts that draw it
 * (assets/charts.js, assets/page.js, uPlot). Nothing is laid out here, and nothing is fetched by a browser.
 *
 *     {"name": "out", "notes": [...], "stats": {...}, "inputs": [...], "blocks": {...}, "faults": {...}, "resolved":
 * "...", "series": {"rows": n, "every": k, "time": [first, step, step ...], "columns": [{"name": ..., "values":
 * [...]}]}}
 *
 * Values are differences to the one before: mostly short, and often 0. A "<" is written as \u003c, so that no name can
 * end the script that it stands in. */
#include <string.h>

#include "base/util.h"
#include "report/assets.h"
#include "report/run_dir.h"

/* One of the page's own strings or numbers must not end the element that holds it. */
void vmsim__html_json(struct vmsim__textbuf *out, const char *text, size_t size) {
    const char *end = text + size, *at;
    while (text < end && (at = memchr(text, '<', (size_t)(end - text))) != NULL) {
        vmsim__textbuf_add(out, text, (size_t)(at - text));
        vmsim__textbuf_puts(out, "\\u003c");
        text = at + 1;
    }
    vmsim__textbuf_add(out, text, (size_t)(end - text));
}

static int dump_piece(const char *text, size_t size, void *out) {
    vmsim__html_json(out, text, size);
    return 0;
}

static void put_tree(struct vmsim__textbuf *out, const json_t *tree, const char *otherwise) {
    if (!tree)
        vmsim__textbuf_puts(out, otherwise);
    else if (json_dump_callback(tree, dump_piece, out, JSON_COMPACT))
        out->failed = true;
}

void vmsim__html_string(struct vmsim_run *run, struct vmsim__textbuf *out, const char *text) {
    struct vmsim__textbuf quoted;
    vmsim__textbuf_init(&quoted, run->alloc);
    vmsim__textbuf_quote(&quoted, text);
    vmsim__html_json(out, vmsim__textbuf_text(&quoted), quoted.count);
    out->failed |= quoted.failed;
    vmsim__textbuf_fini(&quoted);
}

static void put_differences(struct vmsim__textbuf *out, const uint64_t *values, size_t count) {
    VMSIM__ASSERT(values || !count);
    uint64_t before = 0;
    vmsim__textbuf_puts(out, "[");
    for (size_t i = 0; i < count; i++) {
        vmsim__textbuf_printf(out, i ? ",%lld" : "%lld", (long long)(values[i] - before));
        before = values[i];
    }
    vmsim__textbuf_puts(out, "]");
}

void vmsim__html_series(struct vmsim_run *run, struct vmsim__textbuf *out) {
    const struct vmsim__run_series *s = &run->series;
    vmsim__textbuf_printf(out,
                          "{\"rows\":%llu,\"every\":%llu,\"columns_all\":%zu,\"time\":", (unsigned long long)s->rows,
                          (unsigned long long)s->every, s->columns_all);
    put_differences(out, s->time, s->kept);
    vmsim__textbuf_puts(out, ",\"columns\":[");
    for (size_t i = 0; i < s->columns.count; i++) {
        vmsim__textbuf_puts(out, i ? ",\n{\"name\":" : "\n{\"name\":");
        vmsim__html_string(run, out, s->columns.at[i].name);
        vmsim__textbuf_puts(out, ",\"values\":");
        put_differences(out, s->columns.at[i].values, s->kept);
        vmsim__textbuf_puts(out, "}");
    }
    vmsim__textbuf_puts(out, "]}");
}

void vmsim__html_notes(struct vmsim_run *run, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(run && out);
    vmsim__textbuf_puts(out, "[");
    for (size_t i = 0; i < run->notes.count; i++) {
        vmsim__textbuf_puts(out, i ? "," : "");
        vmsim__html_string(run, out, run->notes.at[i]);
    }
    vmsim__textbuf_puts(out, "]");
}

static void put_data(struct vmsim_run *run, struct vmsim__textbuf *out) {
    vmsim__textbuf_puts(out, "{\"name\":");
    vmsim__html_string(run, out, vmsim__run_name(run));
    vmsim__textbuf_puts(out, ",\n\"notes\":");
    vmsim__html_notes(run, out);
    vmsim__textbuf_puts(out, ",\n\"stats\":");
    put_tree(out, run->stats, "{}");
    vmsim__textbuf_puts(out, ",\n\"commit\":");
    vmsim__html_string(run, out, vmsim__json_text(run->manifest, "commit"));
    vmsim__textbuf_puts(out, ",\n\"inputs\":");
    put_tree(out, json_object_get(run->manifest, "inputs"), "[]");
    vmsim__textbuf_puts(out, ",\n\"blocks\":");
    put_tree(out, run->blocks, "null");
    vmsim__textbuf_puts(out, ",\n\"faults\":");
    put_tree(out, run->faults, "null");
    vmsim__textbuf_puts(out, ",\n\"resolved\":");
    vmsim__html_string(run, out, vmsim__textbuf_text(&run->resolved));
    vmsim__textbuf_puts(out, ",\n\"series\":");
    vmsim__html_series(run, out);
    vmsim__textbuf_puts(out, "}");
}

/* The title is text of HTML: the directory's name, without what HTML reads as its own. */
static void put_title(struct vmsim__textbuf *out, const char *name) {
    for (; *name; name++)
        vmsim__textbuf_add(out, *name == '<' || *name == '&' ? "?" : name, 1);
}

void vmsim__html_begin(struct vmsim__textbuf *out, const char *title) {
    vmsim__textbuf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                             "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
                             "'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n<title>vmsim: ");
    put_title(out, title);
    vmsim__textbuf_puts(out, "</title>\n<style>\n");
    vmsim__textbuf_add(out, vmsim__asset_uPlot_min_css.text, vmsim__asset_uPlot_min_css.size);
    vmsim__textbuf_puts(out, "\n");
    vmsim__textbuf_add(out, vmsim__asset_page_css.text, vmsim__asset_page_css.size);
    vmsim__textbuf_puts(out, "</style>\n</head>\n<body>\n<main id=\"page\"></main>\n"
                             "<noscript>This report is drawn by scripts that stand in it.</noscript>\n"
                             "<script type=\"application/json\" id=\"data\">\n");
}

void vmsim__html_end(struct vmsim__textbuf *out, const struct vmsim__asset *page) {
    const struct vmsim__asset *const scripts[] = {&vmsim__asset_uPlot_iife_min_js, &vmsim__asset_charts_js,
                                                  &vmsim__asset_base_js, page};
    vmsim__textbuf_puts(out, "\n</script>\n");
    for (size_t i = 0; i < VMSIM__COUNT(scripts); i++) {
        vmsim__textbuf_puts(out, "<script>\n");
        vmsim__textbuf_add(out, scripts[i]->text, scripts[i]->size);
        vmsim__textbuf_puts(out, "\n</script>\n");
    }
    vmsim__textbuf_puts(out, "</body>\n</html>\n");
}

void vmsim__run_html(struct vmsim_run *run, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(run->stats);
    vmsim__html_begin(out, vmsim__run_name(run));
    put_data(run, out);
    vmsim__html_end(out, &vmsim__asset_page_js);
}
