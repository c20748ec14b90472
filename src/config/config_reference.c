/* SPDX-License-Identifier: MIT */
/* Tables -> reference in Markdown: a heading per table, a row per key: type, default, bounds, meaning. */
#include <ctype.h>
#include <string.h>

#include "config/config_impl.h"

/* A text within a table's cell. */
static void cell(struct vmsim__textbuf *b, const char *text) {
    for (const char *s = text; *s; s++) {
        if (*s == '|')
            vmsim__textbuf_puts(b, "\\|");
        else
            vmsim__textbuf_add(b, *s == '\n' ? " " : s, 1);
    }
}

static void code(struct vmsim__textbuf *b, const char *text) {
    vmsim__textbuf_puts(b, "`");
    cell(b, text);
    vmsim__textbuf_puts(b, "`");
}

/* The anchor that Markdown renderers make of a heading: lower case, letters, digits and '_' '-'. */
static void link_to(struct vmsim__textbuf *b, const struct vmsim__tables *t, const struct vmsim_param *fields,
                    const char *text) {
    const struct vmsim__table *table = vmsim__tables_find(t, fields);
    if (!table) {
        vmsim__textbuf_puts(b, text);
        return;
    }
    vmsim__textbuf_printf(b, "[%s](#", text);
    for (const char *s = table->title; *s; s++) {
        char c = (char)tolower((unsigned char)*s);
        if (isalnum((unsigned char)c) || c == '_' || c == '-')
            vmsim__textbuf_add(b, &c, 1);
    }
    vmsim__textbuf_puts(b, ")");
}

static void type_of(struct vmsim__textbuf *b, const struct vmsim__tables *t, const struct vmsim_param *p) {
    const char *name = vmsim__param_type_name(p);
    if (p->type == VMSIM_PARAM_ENUM) {
        for (size_t i = 0; p->choices[i]; i++) {
            vmsim__textbuf_puts(b, i ? ", " : "");
            code(b, p->choices[i]);
        }
    } else if (p->type == VMSIM_PARAM_LIST) {
        struct vmsim_param element = vmsim__param_element(p);
        vmsim__textbuf_puts(b, "list of: ");
        type_of(b, t, &element);
    } else {
        link_to(b, t, p->fields, name);
    }
    vmsim__textbuf_puts(b, p->flags & VMSIM_PARAM_POW2 ? ", power of two" : "");
}

static const char *without_default(const struct vmsim_param *p) {
    if (vmsim__param_is_required(p))
        return "**required**";
    if (p->flags & VMSIM_PARAM_OPTIONAL || p->type == VMSIM_PARAM_NODE)
        return "absent";
    return p->type == VMSIM_PARAM_STRUCT ? "as its keys" : "empty";
}

/* Bounds of a list without scalars are about how many elements it has. */
static void row(struct vmsim__textbuf *b, const struct vmsim__tables *t, const struct vmsim_param *p) {
    char limits[128];
    bool numbers = vmsim__param_is_scalar(p->type) || p->type == VMSIM_PARAM_LIST;
    struct vmsim_param element = p->type == VMSIM_PARAM_LIST ? vmsim__param_element(p) : *p;
    vmsim__textbuf_puts(b, "| ");
    code(b, p->name);
    vmsim__textbuf_puts(b, " | ");
    type_of(b, t, p);
    vmsim__textbuf_puts(b, " | ");
    if (p->fallback && *p->fallback)
        code(b, p->fallback);
    else
        vmsim__textbuf_puts(b, without_default(p));
    vmsim__param_bounds(p, numbers ? element.type : VMSIM_PARAM_UINT, limits, sizeof limits);
    vmsim__textbuf_printf(b, " | %s%s | ", limits, !numbers && *limits ? " elements" : "");
    cell(b, p->doc ? p->doc : "");
    vmsim__textbuf_puts(b, " |\n");
}

static void variants(struct vmsim__textbuf *b, const struct vmsim__tables *t, const struct vmsim_param *p) {
    vmsim__textbuf_printf(b, "\nElements of `%s`:\n\n| step | meaning |\n|---|---|\n", p->name);
    for (const struct vmsim_variant *v = p->variants; v->tag; v++) {
        vmsim__textbuf_puts(b, "| ");
        link_to(b, t, v->fields, v->tag);
        vmsim__textbuf_puts(b, " | ");
        cell(b, v->doc ? v->doc : "");
        vmsim__textbuf_puts(b, " |\n");
    }
}

static void section(struct vmsim__textbuf *b, const struct vmsim__tables *t, const struct vmsim__table *table) {
    vmsim__textbuf_printf(b, "\n## %s%s%s\n\n", *table->title ? "`" : "", *table->title ? table->title : "The file",
                          *table->title ? "`" : "");
    const struct vmsim_param *shorthand = vmsim__param_shorthand(table->fields);
    if (shorthand)
        vmsim__textbuf_printf(b, "One value in place of the mapping means its `%s`.\n\n", shorthand->name);
    vmsim__textbuf_puts(b, "| key | type | default | bounds | meaning |\n|---|---|---|---|---|\n");
    for (const struct vmsim_param *p = table->fields; p->name; p++)
        row(b, t, p);
    for (const struct vmsim_param *p = table->fields; p->name; p++)
        if (p->type == VMSIM_PARAM_VARIANT_LIST)
            variants(b, t, p);
}

/* One that is only shown says what is lacking, since a value of it would change nothing. */
static void knob_row(struct vmsim__textbuf *b, const struct vmsim__knob *k) {
    char path[96], limits[128];
    vmsim__knob_file(k, path, sizeof path);
    vmsim__textbuf_printf(b, "| `%s` | `/%s` | %s | ", k->value.name, path, k->unit ? k->unit : "");
    if (k->value.fallback)
        code(b, k->value.fallback);
    else
        vmsim__textbuf_puts(b, k->read && !k->value.choices ? "" : "of the machine");
    limits[0] = '\0';
    if (k->value.type == VMSIM_PARAM_UINT || k->value.type == VMSIM_PARAM_SIZE)
        vmsim__param_bounds(&k->value, VMSIM_PARAM_UINT, limits, sizeof limits);
    vmsim__textbuf_printf(b, " | %s", limits);
    for (size_t i = 0; k->value.choices && k->value.choices[i]; i++)
        vmsim__textbuf_printf(b, "%s`%s`", i ? ", " : "", k->value.choices[i]);
    vmsim__textbuf_puts(b, " | ");
    if (k->lacks)
        vmsim__textbuf_printf(b, "Shown, and takes no value; not simulated: %s.", k->lacks);
    else
        cell(b, k->value.doc);
    if (k->since)
        vmsim__textbuf_printf(b, " From kernel %s on.", k->since);
    vmsim__textbuf_puts(b, " |\n");
}

static void knobs(struct vmsim__textbuf *b, vmsim__knob_row *row_at) {
    const struct vmsim__knob *k;
    vmsim__textbuf_puts(
        b, "\n## Knobs\n\nWhat `machine.sysctl` and a `sysctl` step write, and where a run directory "
           "shows it.\n\n| name | file | unit | default | values | meaning |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; (k = row_at(i)); i++)
        knob_row(b, k);
    vmsim__textbuf_puts(
        b, "| `mempolicy/weighted_interleave/nodeN` | `/sys/kernel/mm/mempolicy/weighted_interleave/nodeN` "
           "|  | `1` | 1 to 255 | Weight of a node in interleaving by weights; 0: 1 again. From kernel "
           "6.12 on. |\n");
}

/* Tables in the order in which they are first met from the root on: sections stand before what is in them. */
int vmsim__reference_write(const struct vmsim_param *root, struct vmsim__alloc *alloc, vmsim__knob_row *row_at,
                           struct vmsim__textbuf *b) {
    struct vmsim__tables t = {0};
    int err = vmsim__tables_collect(alloc, root, &t);
    vmsim__textbuf_puts(b,
                        "# Configuration reference\n\nGenerated from the parameter tables of the library. Sizes take "
                        "B, KiB, MiB, GiB, TiB (kB is 1024 bytes, as in /proc); times take ns, us, ms, s, min, h.\n"
                        "Every section may have `preset: NAME` or `include: FILE`; what they hold lies beneath the "
                        "section's own keys.\n");
    for (size_t i = 0; i < t.count; i++)
        section(b, &t, &t.at[i]);
    if (row_at)
        knobs(b, row_at);
    vmsim__vec_fini(alloc, &t);
    return err;
}
