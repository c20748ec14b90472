/* SPDX-License-Identifier: MIT */
/* JSON (RFC 8259) in one canonical form: two blanks a level, one member a line, keys in the order of the calls. Ratios
 * are strings of decimal digits, so that no reader's floating point changes them. */
#include <stdio.h>

#include "base/util.h"
#include "report/emitter.h"

/* Bytes of the well-formed UTF-8 sequence at `s`; 0: it is none. Shortest forms only and no surrogates (RFC 3629), as
 * strict readers refuse anything else. */
static size_t sequence(const unsigned char *s) {
    size_t n = s[0] < 0x80                   ? 1
               : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
               : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
               : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                             : 0;
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 0;
    }
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool beyond = (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90);
    return overlong || beyond ? 0 : n;
}

/* A string; names of tasks and files come from traces and may hold any bytes: what is not UTF-8 becomes U+FFFD. */
static void put_string(struct vmsim__textbuf *out, const char *text) {
    VMSIM__ASSERT(text);
    vmsim__textbuf_puts(out, "\"");
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t n = sequence(s);
        if (!n)
            vmsim__textbuf_puts(out, "\\ufffd");
        else if (*s == '"' || *s == '\\')
            vmsim__textbuf_printf(out, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7f)
            vmsim__textbuf_printf(out, "\\u%04x", *s);
        else
            vmsim__textbuf_add(out, (const char *)s, n);
        s += n ? n : 1;
    }
    vmsim__textbuf_puts(out, "\"");
}

/* Comma, new line, indentation and the key of what comes next. Members of arrays have no key. A unit joins the key
 * inside its quotes. */
static void open_item(struct vmsim__emitter *e, const char *key, const char *suffix) {
    if (e->depth) {
        vmsim__textbuf_puts(e->out, e->level[e->depth - 1].items ? ",\n" : "\n");
        vmsim__textbuf_fill(e->out, ' ', 2 * e->depth);
    }
    if (!key || (e->depth && e->level[e->depth - 1].array))
        return;
    put_string(e->out, key);
    if (*suffix) {
        VMSIM__ASSERT(e->out->failed || e->out->at[e->out->count - 1] == '"');
        e->out->count -= !e->out->failed; /* inside the closing quote */
        vmsim__textbuf_puts(e->out, suffix);
        vmsim__textbuf_puts(e->out, "\"");
    }
    vmsim__textbuf_puts(e->out, ": ");
}

static void json_begin(struct vmsim__emitter *e, const char *key, bool array) {
    open_item(e, key, "");
    vmsim__textbuf_puts(e->out, array ? "[" : "{");
}

static void json_end(struct vmsim__emitter *e, bool array) {
    VMSIM__ASSERT(e->depth < VMSIM__EMITTER_DEPTH);
    if (e->level[e->depth].items) {
        vmsim__textbuf_puts(e->out, "\n");
        vmsim__textbuf_fill(e->out, ' ', 2 * e->depth);
    }
    vmsim__textbuf_puts(e->out, array ? "]" : "}");
    if (!e->depth)
        vmsim__textbuf_puts(e->out, "\n");
}

/* Integers as they are, ratios as decimal strings computed from integers: a float would be written differently by
 * another C library. */
static void json_value(struct vmsim__emitter *e, const char *key, const struct vmsim__value *v) {
    VMSIM__ASSERT(v);
    char digits[64];
    open_item(e, key, vmsim__unit_suffix(v->unit));
    switch (v->type) {
    case VMSIM__VALUE_UINT:
        vmsim__textbuf_printf(e->out, "%llu", (unsigned long long)v->number);
        break;
    case VMSIM__VALUE_INT:
        vmsim__textbuf_printf(e->out, "%lld", (long long)v->number);
        break;
    case VMSIM__VALUE_RATIO:
        vmsim__textbuf_quote(e->out, vmsim__ratio_text(v->number, v->of, v->decimals, digits, sizeof digits));
        break;
    case VMSIM__VALUE_BOOL:
        vmsim__textbuf_puts(e->out, v->number ? "true" : "false");
        break;
    case VMSIM__VALUE_STRING:
        put_string(e->out, v->text);
        break;
    default:
        vmsim__textbuf_puts(e->out, "null");
    }
}

void vmsim__emitter_json(struct vmsim__emitter *e, struct vmsim__textbuf *out) {
    static const struct vmsim__emitter_ops ops = {.begin = json_begin, .end = json_end, .value = json_value};
    *e = (struct vmsim__emitter){.ops = &ops, .out = out};
    vmsim__textbuf_init(&e->table.text, out->alloc);
}
