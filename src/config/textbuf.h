/* SPDX-License-Identifier: MIT */
/* A growing text. A failed growth is remembered and makes all later calls do nothing: check `failed` at the end. */
#ifndef VMSIM__TEXTBUF_H
#define VMSIM__TEXTBUF_H
#include <stdbool.h>
#include <stddef.h>

#include "base/alloc.h"

struct vmsim__textbuf {
    struct vmsim__alloc *alloc;
    char *at; /* NUL-terminated when not NULL */
    size_t count, capacity;
    bool failed;
};
void vmsim__textbuf_init(struct vmsim__textbuf *b, struct vmsim__alloc *alloc);
void vmsim__textbuf_fini(struct vmsim__textbuf *b);
void vmsim__textbuf_clear(struct vmsim__textbuf *b); /* empty again, failure forgotten, memory kept */
void vmsim__textbuf_add(struct vmsim__textbuf *b, const char *text, size_t length);
void vmsim__textbuf_puts(struct vmsim__textbuf *b, const char *text);
void vmsim__textbuf_fill(struct vmsim__textbuf *b, char c, size_t count);
void vmsim__textbuf_printf(struct vmsim__textbuf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "text" with JSON's escapes, which YAML's double-quoted style understands, too. */
void vmsim__textbuf_quote(struct vmsim__textbuf *b, const char *text);
/* The text, "" when empty. */
const char *vmsim__textbuf_text(const struct vmsim__textbuf *b);

#endif
