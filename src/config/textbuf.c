/* SPDX-License-Identifier: MIT */
/* A growing text: doubling, one failure flag for a whole sequence of writes. */
#include "config/textbuf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "base/vec.h"

void vmsim__textbuf_init(struct vmsim__textbuf *b, struct vmsim__alloc *alloc) {
    *b = (struct vmsim__textbuf){.alloc = alloc};
}

void vmsim__textbuf_fini(struct vmsim__textbuf *b) {
    vmsim__free(b->alloc, b->at, b->capacity);
    vmsim__textbuf_init(b, b->alloc);
}

void vmsim__textbuf_clear(struct vmsim__textbuf *b) {
    b->count = 0;
    b->failed = false;
    if (b->at)
        b->at[0] = '\0';
}

/* Room for `more` bytes and the NUL. One failure flag is enough for a whole sequence: who writes looks once, at the
 * end. */
static bool room(struct vmsim__textbuf *b, size_t more) {
    if (!b->failed && !vmsim__vec_grow(b->alloc, (void **)&b->at, &b->capacity, b->count + more + 1, 1))
        b->failed = true;
    return !b->failed;
}

void vmsim__textbuf_add(struct vmsim__textbuf *b, const char *text, size_t length) {
    VMSIM__ASSERT(length < SIZE_MAX / 2);
    if (!room(b, length))
        return;
    if (length)
        memcpy(b->at + b->count, text, length);
    b->count += length;
    b->at[b->count] = '\0';
}

void vmsim__textbuf_puts(struct vmsim__textbuf *b, const char *text) {
    vmsim__textbuf_add(b, text, strlen(text));
}

void vmsim__textbuf_fill(struct vmsim__textbuf *b, char c, size_t count) {
    if (!room(b, count))
        return;
    memset(b->at + b->count, c, count);
    b->count += count;
    b->at[b->count] = '\0';
}

void vmsim__textbuf_printf(struct vmsim__textbuf *b, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n >= 0 && room(b, (size_t)n)) {
        vsnprintf(b->at + b->count, (size_t)n + 1, format, again);
        b->count += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

/* Characters of several bytes that YAML would take for line breaks or a byte-order mark: U+0080..U+009F, U+2028,
 * U+2029, U+FEFF. Returns their length in bytes, and the code point. */
static size_t special(const unsigned char *s, unsigned *point) {
    if (s[0] == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0) {
        *point = s[1];
        return 2;
    }
    if ((s[0] == 0xe2 && s[1] == 0x80 && (s[2] == 0xa8 || s[2] == 0xa9)) ||
        (s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf) || (s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe)) {
        *point = (s[0] & 15u) << 12 | (s[1] & 63u) << 6 | (s[2] & 63u);
        return 3;
    }
    return 0;
}

void vmsim__textbuf_quote(struct vmsim__textbuf *b, const char *text) {
    vmsim__textbuf_puts(b, "\"");
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        unsigned point = *s;
        size_t length = special(s, &point);
        if (*s == '\n' || *s == '\t')
            vmsim__textbuf_puts(b, *s == '\n' ? "\\n" : "\\t");
        else if (length || *s < 0x20 || *s == 0x7f)
            vmsim__textbuf_printf(b, "\\u%04x", point);
        else if (*s == '"' || *s == '\\')
            vmsim__textbuf_printf(b, "\\%c", *s);
        else
            vmsim__textbuf_add(b, (const char *)s, 1);
        s += length ? length : 1;
    }
    vmsim__textbuf_puts(b, "\"");
}

const char *vmsim__textbuf_text(const struct vmsim__textbuf *b) {
    return b->at ? b->at : "";
}
