/* SPDX-License-Identifier: MIT */
/* The label-and-value files of /proc and /sys: one line a value, in the style of the file. Objects and arrays leave no
 * trace; a value in kB says so, any other number stands alone. */
#include <stdio.h>

#include "base/util.h"
#include "report/emitter.h"

static void proc_begin(struct vmsim__emitter *e, const char *key, bool array) {
    (void)e, (void)key, (void)array;
}

static void proc_end(struct vmsim__emitter *e, bool array) {
    (void)e, (void)array;
}

static void put_label(struct vmsim__emitter *e, const char *key) {
    char label[128];
    size_t n = (size_t)snprintf(label, sizeof label, "%s%s", key, e->style.end);
    VMSIM__ASSERT(n < sizeof label);
    if (e->style.prefix)
        vmsim__textbuf_puts(e->out, e->style.prefix);
    vmsim__textbuf_puts(e->out, label);
    if (n < e->style.label_width)
        vmsim__textbuf_fill(e->out, ' ', e->style.label_width - n);
    vmsim__textbuf_puts(e->out, e->style.gap);
}

static void proc_value(struct vmsim__emitter *e, const char *key, const struct vmsim__value *v) {
    VMSIM__ASSERT(v->type == VMSIM__VALUE_STRING || v->type == VMSIM__VALUE_INT || v->type == VMSIM__VALUE_UINT);
    put_label(e, key);
    if (v->type == VMSIM__VALUE_STRING)
        vmsim__textbuf_puts(e->out, v->text);
    else if (v->type == VMSIM__VALUE_INT)
        vmsim__textbuf_printf(e->out, "%*lld", (int)e->style.value_width, (long long)v->number);
    else
        vmsim__textbuf_printf(e->out, "%*llu", (int)e->style.value_width, (unsigned long long)v->number);
    vmsim__textbuf_puts(e->out, v->unit == VMSIM__UNIT_KB ? " kB\n" : "\n");
}

void vmsim__emitter_proc(struct vmsim__emitter *e, struct vmsim__textbuf *out, struct vmsim__proc_style style) {
    static const struct vmsim__emitter_ops ops = {.begin = proc_begin, .end = proc_end, .value = proc_value};
    *e = (struct vmsim__emitter){.ops = &ops, .out = out, .style = style};
    vmsim__textbuf_init(&e->table.text, out->alloc);
}
