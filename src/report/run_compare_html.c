/* SPDX-License-Identifier: MIT */
/* A comparison as one page: what changed as the JSON of a comparison, and the series of all runs, which a script lays
 * over each other (assets/compare.js).
 *
 *     {"compare": {...}, "runs": [{"name": "A", "notes": [...], "series": {...}}, ...]} */
#include "base/util.h"
#include "report/assets.h"
#include "report/run_compare.h"

/* The page has the same JSON that the command prints, and draws from it: what it shows can be had by machines. */
void vmsim__changes_html(const struct vmsim__compare *c, struct vmsim__textbuf *out) {
    struct vmsim__textbuf changes;
    VMSIM__ASSERT(c->count >= 2);
    vmsim__textbuf_init(&changes, c->alloc);
    vmsim__changes_json(c, &changes);
    vmsim__html_begin(out, "comparison");
    vmsim__textbuf_puts(out, "{\"compare\":");
    if (changes.failed)
        out->failed = true;
    else
        vmsim__html_json(out, vmsim__textbuf_text(&changes), changes.count);
    vmsim__textbuf_fini(&changes);
    vmsim__textbuf_puts(out, ",\n\"runs\":[");
    for (size_t i = 0; i < c->count; i++) {
        struct vmsim_run *run = c->runs[i];
        vmsim__textbuf_puts(out, i ? ",\n{\"name\":" : "{\"name\":");
        vmsim__html_string(run, out, vmsim__run_name(run));
        vmsim__textbuf_puts(out, ",\"notes\":");
        vmsim__html_notes(run, out);
        vmsim__textbuf_puts(out, ",\"series\":");
        vmsim__html_series(run, out);
        vmsim__textbuf_puts(out, "}");
    }
    vmsim__textbuf_puts(out, "]}");
    vmsim__html_end(out, &vmsim__asset_compare_js);
}
