/* SPDX-License-Identifier: MIT */
/* The list of errors. Each text is made when the error is found:
 *
 *     box.yaml:7:5: error: machine.nodes[0]: unknown key 'memroy' (did you mean 'memory'?)
 *         memroy: 4GiB
 *         ^~~~~~
 *       included from main.yaml:2:12
 *
 * and put into its place of the list, which is ordered by source, line and column, because tables are bound in the
 * order of the table while people mend a file from its top. A long line is shown as a window around the caret. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "config/config_impl.h"

enum { WINDOW = 110, BEFORE_CARET = 70, WORD_SHOWN = 60 };

/* Bytes of the character at `s`: the source was checked to be UTF-8. */
static size_t char_size(const char *s) {
    unsigned char c = (unsigned char)*s;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/* Moves `n` characters on, not beyond `end`. */
static const char *skip_chars(const char *s, const char *end, size_t n) {
    VMSIM__ASSERT(s <= end);
    for (; n && s < end; n--)
        s += char_size(s);
    return s < end ? s : end;
}

static size_t count_chars(const char *s, const char *end) {
    VMSIM__ASSERT(s <= end);
    size_t n = 0;
    for (; s < end; s += char_size(s))
        n++;
    return n;
}

/* Whether the text can be shown at all: the bytes of an error of encoding cannot. */
static bool is_printable(const char *s, const char *end) {
    VMSIM__ASSERT(s <= end);
    unsigned point;
    for (size_t n; s < end; s += n) {
        n = vmsim__utf8_size(s, (size_t)(end - s), &point);
        if (!n || (point < 0x20 && point != '\t') || (point >= 0x7f && point < 0xa0))
            return false;
    }
    return true;
}

static void line_of(const struct vmsim__place *at, const char **start, const char **end) {
    VMSIM__ASSERT(at->line > 0 && at->line <= at->source->line_count);
    const struct vmsim__source *s = at->source;
    size_t i = at->line - 1;
    *start = s->text + s->lines[i];
    *end = s->text + (i + 1 < s->line_count ? s->lines[i + 1] : s->size);
    while (*end > *start && ((*end)[-1] == '\n' || (*end)[-1] == '\r'))
        --*end;
}

/* Tabs are kept, so that the caret stands right whatever a terminal makes of them. */
static void add_caret(struct vmsim__textbuf *b, const char *start, const char *caret, const char *end, size_t length) {
    VMSIM__ASSERT(start <= caret && caret <= end);
    vmsim__textbuf_puts(b, "\n    ");
    for (const char *s = start; s < caret; s += char_size(s))
        vmsim__textbuf_puts(b, *s == '\t' ? "\t" : " ");
    vmsim__textbuf_puts(b, "^");
    size_t room = count_chars(caret, end);
    if (length > 1 && room > 1)
        vmsim__textbuf_fill(b, '~', (length < room ? length : room) - 1);
}

/* A long line is cut around the caret; then only the place is marked, not the length. */
static void add_source_line(struct vmsim__textbuf *b, const struct vmsim__place *at) {
    VMSIM__ASSERT(at->source);
    if (!at->source->text || !at->line || at->line > at->source->line_count)
        return;
    const char *start, *end;
    line_of(at, &start, &end);
    if (!is_printable(start, end))
        return;
    const char *caret = skip_chars(start, end, at->column ? at->column - 1 : 0);
    size_t before = count_chars(start, caret);
    bool cut = before > BEFORE_CARET;
    if (cut)
        start = skip_chars(start, end, before - BEFORE_CARET);
    const char *stop = skip_chars(start, end, WINDOW);
    vmsim__textbuf_puts(b, cut ? "\n    ..." : "\n    ");
    vmsim__textbuf_add(b, start, (size_t)(stop - start));
    vmsim__textbuf_puts(b, stop < end ? "..." : "");
    if (!cut) {
        add_caret(b, start, caret, stop, at->length);
        return;
    }
    vmsim__textbuf_puts(b, "\n   ");
    vmsim__textbuf_fill(b, ' ', 4 + BEFORE_CARET);
    vmsim__textbuf_puts(b, "^");
}

static void add_place(struct vmsim__textbuf *b, const struct vmsim__place *at) {
    if (!at->source)
        return;
    vmsim__textbuf_puts(b, at->source->name);
    if (at->line)
        vmsim__textbuf_printf(b, ":%u:%u", at->line, at->column);
    vmsim__textbuf_puts(b, ": ");
}

static void add_includes(struct vmsim__textbuf *b, const struct vmsim__source *s) {
    for (; s && s->parent; s = s->parent)
        vmsim__textbuf_printf(b, "\n  included from %s:%u:%u", s->parent->name, s->parent_line, s->parent_column);
}

static bool is_before(const struct vmsim__diag *a, const struct vmsim__diag *b) {
    VMSIM__ASSERT(a != b);
    size_t x = a->place.source ? a->place.source->order : SIZE_MAX;
    size_t y = b->place.source ? b->place.source->order : SIZE_MAX;
    if (x != y)
        return x < y;
    if (a->place.line != b->place.line)
        return a->place.line < b->place.line;
    return a->place.column != b->place.column ? a->place.column < b->place.column : a->order < b->order;
}

/* By insertion: the list is short and mostly in order already. */
static bool insert(struct vmsim_config *c, struct vmsim__diag diag) {
    VMSIM__ASSERT(diag.text);
    if (!vmsim__vec_push(c->alloc, &c->errors, diag))
        return false;
    size_t i = c->errors.count - 1;
    for (; i && is_before(&diag, &c->errors.at[i - 1]); i--)
        c->errors.at[i] = c->errors.at[i - 1];
    c->errors.at[i] = diag;
    return true;
}

/* The last error of a full list says that there are more. One line in place of all others: a list that is cut off
 * without a word looks complete. */
static int drop(struct vmsim_config *c, int code) {
    if (c->errors_dropped++)
        return code;
    const char *text = vmsim__arena_printf(&c->arena, "error: too many errors; the rest is not shown");
    struct vmsim__diag diag = {.code = code, .text = text, .order = SIZE_MAX};
    return text && insert(c, diag) ? code : VMSIM_ENOMEM;
}

/* Text, place, the line itself and the way by which its file was included. Of a file from outside of the directory
 * that was allowed nothing is shown: an `include: /etc/shadow` must not print it. */
int vmsim__diag_vadd(struct vmsim_config *c, int code, struct vmsim__place place, const char *format, va_list args) {
    VMSIM__ASSERT(code < 0 && format);
    c->last_code = code;
    if (c->errors.count >= CONFIG_ERROR_LIMIT)
        return drop(c, code);
    bool foreign = place.source && place.source->foreign && place.source->text;
    const char *message = foreign
                              ? "is no part of a configuration (what is wrong is not shown, as the file lies outside "
                                "of the directory of those that include it; -I DIR makes it one's own)"
                              : vmsim__arena_vprintf(&c->arena, format, args);
    if (!message)
        return VMSIM_ENOMEM;
    struct vmsim__textbuf b;
    vmsim__textbuf_init(&b, c->alloc);
    add_place(&b, &place);
    vmsim__textbuf_puts(&b, "error: ");
    vmsim__textbuf_puts(&b, message);
    if (place.source) {
        if (!foreign)
            add_source_line(&b, &place);
        add_includes(&b, place.source);
    }
    const char *text = b.failed ? NULL : vmsim__arena_copy(&c->arena, b.at, b.count);
    vmsim__textbuf_fini(&b);
    struct vmsim__diag diag = {.code = code, .place = place, .text = text, .order = c->errors.count};
    return text && insert(c, diag) ? code : VMSIM_ENOMEM;
}

int vmsim__diag_add(struct vmsim_config *c, int code, struct vmsim__place place, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int result = vmsim__diag_vadd(c, code, place, format, args);
    va_end(args);
    return result;
}

bool vmsim__diag_full(const struct vmsim_config *c) {
    return c->errors_dropped > 0;
}

const char *vmsim__diag_suggest(struct vmsim_config *c, const char *word, const void *names, size_t stride) {
    const char *close = strlen(word) <= WORD_SHOWN ? vmsim__closest(word, names, stride) : NULL;
    const char *text = close ? vmsim__arena_printf(&c->arena, " (did you mean '%s'?)", close) : "";
    return text ? text : "";
}

/* A section of `table` whose own table has the key, or NULL: `machine.memory` belongs to the nodes. */
static const struct vmsim_param *section_with(const struct vmsim_param *table, const char *key) {
    VMSIM__ASSERT(table && key);
    for (const struct vmsim_param *p = table; p->name; p++) {
        bool nested = p->type == VMSIM_PARAM_STRUCT || p->type == VMSIM_PARAM_STRUCT_LIST;
        if (nested && p->fields && vmsim__param_find(p->fields, key, strlen(key)))
            return p;
    }
    return NULL;
}

const char *vmsim__diag_suggest_key(struct vmsim_config *c, const char *key, const struct vmsim_param *table) {
    VMSIM__ASSERT(key);
    static const char *const directives[] = {"preset", "include", NULL};
    const char *text = vmsim__diag_suggest(c, key, &table->name, sizeof *table);
    if (*text)
        return text;
    const struct vmsim_param *in = section_with(table, key);
    if (in)
        text = vmsim__arena_printf(&c->arena, " (did you mean '%s%s.%s'?)", in->name,
                                   in->type == VMSIM_PARAM_STRUCT ? "" : "[0]", key);
    return !text ? "" : *text ? text : vmsim__diag_suggest(c, key, directives, sizeof *directives);
}

/* Cut between letters, not within one, and without characters that would break the line. */
const char *vmsim__diag_word(struct vmsim_config *c, const char *word) {
    VMSIM__ASSERT(word);
    char *text = vmsim__arena_alloc(&c->arena, WORD_SHOWN + 8, 1);
    if (!text)
        return "";
    const char *end = word + strlen(word);
    const char *stop = word;
    while (stop < end && (size_t)(stop - word) + char_size(stop) <= WORD_SHOWN)
        stop += char_size(stop);
    memcpy(text, word, (size_t)(stop - word));
    for (char *t = text; *t; t++)
        if ((unsigned char)*t < 0x20 || *t == 0x7f)
            *t = ' ';
    if (stop < end)
        strcat(text, "...");
    return text;
}

const char *vmsim__place_text(struct vmsim_config *c, struct vmsim__place at) {
    if (!at.source)
        return "default";
    if (!at.source->is_file && !strcmp(at.source->name, "--set"))
        return "--set";
    return vmsim__arena_printf(&c->arena, "%s:%u:%u", at.source->name, at.line, at.column);
}
