/* SPDX-License-Identifier: MIT */
/* CSV (RFC 4180, but lines end as Unix lines do): an array of objects is a header, made of the keys of the first
 * object with their units, and a line an object. Every object must have the same keys in the same order. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "report/emitter.h"

static void put_field(struct vmsim__textbuf *out, const char *text) {
    VMSIM__ASSERT(text);
    if (!strpbrk(text, ",\"\r\n")) {
        vmsim__textbuf_puts(out, text);
        return;
    }
    vmsim__textbuf_puts(out, "\"");
    for (const char *p = text; *p; p++)
        vmsim__textbuf_add(out, *p == '"' ? "\"\"" : p, *p == '"' ? 2 : 1);
    vmsim__textbuf_puts(out, "\"");
}

static void csv_begin(struct vmsim__emitter *e, const char *key, bool array) {
    (void)e, (void)key, (void)array;
}

/* The first line's values wait in table.text until its keys, the header, are complete. */
static void csv_end(struct vmsim__emitter *e, bool array) {
    if (array)
        return;
    vmsim__textbuf_puts(e->out, "\n");
    if (e->table.text.count) {
        vmsim__textbuf_add(e->out, e->table.text.at, e->table.text.count);
        vmsim__textbuf_puts(e->out, "\n");
    }
    e->out->failed |= e->table.text.failed;
    vmsim__textbuf_clear(&e->table.text);
    e->table.rows++;
}

/* Keys go out with the first row and its values wait: the header stands first and is known last. */
static void csv_value(struct vmsim__emitter *e, const char *key, const struct vmsim__value *v) {
    VMSIM__ASSERT(e->depth > 0);
    char digits[64] = "";
    const char *text = digits;
    switch (v->type) {
    case VMSIM__VALUE_INT:
        snprintf(digits, sizeof digits, "%lld", (long long)v->number);
        break;
    case VMSIM__VALUE_RATIO:
        vmsim__ratio_text(v->number, v->of, v->decimals, digits, sizeof digits);
        break;
    case VMSIM__VALUE_STRING:
        text = v->text;
        break;
    case VMSIM__VALUE_NULL:
        break;
    default:
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)v->number);
    }
    bool first_row = !e->table.rows, more = e->level[e->depth - 1].items;
    struct vmsim__textbuf *values = first_row ? &e->table.text : e->out;
    if (more)
        vmsim__textbuf_puts(values, ",");
    put_field(values, text);
    if (!first_row)
        return;
    if (more)
        vmsim__textbuf_puts(e->out, ",");
    put_field(e->out, key);
    vmsim__textbuf_puts(e->out, vmsim__unit_suffix(v->unit));
}

void vmsim__emitter_csv(struct vmsim__emitter *e, struct vmsim__textbuf *out) {
    static const struct vmsim__emitter_ops ops = {.begin = csv_begin, .end = csv_end, .value = csv_value};
    *e = (struct vmsim__emitter){.ops = &ops, .out = out};
    vmsim__textbuf_init(&e->table.text, out->alloc);
}
