/* SPDX-License-Identifier: MIT */
/* Text for people: an object is a heading and lines "label  value", an array of objects a table with a heading.
 *
 * Cells are collected until the object or array ends, for then the widths are known. Labels are the keys with blanks;
 * numbers are right-aligned; times and sizes have three digits and a unit, counts are exact with their thousands
 * separated. An object's lines are a table of two columns, so there is one layout. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "base/util.h"
#include "report/emitter.h"

#define LONGEST_CELL 44u /* of texts in tables */

/* Inside a character of UTF-8, not at its begin. */
static bool is_inside(char byte) {
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* Characters of a text: how wide it is on a terminal, but for letters of double width. */
static size_t width_of(const char *text, size_t length) {
    size_t width = 0;
    for (size_t i = 0; i < length; i++)
        width += !is_inside(text[i]);
    return width;
}

/* Bytes of a text that a cell takes which others follow: whole characters. */
static size_t cut_cell(const char *text, size_t length) {
    size_t n = 0, width = 0;
    while (n < length && (is_inside(text[n]) || width++ < LONGEST_CELL))
        n++;
    return n;
}

/* `shown` of its bytes count for the width of the column. */
static void add_cell(struct vmsim__emitter *e, size_t column, const char *text, size_t shown, size_t length) {
    VMSIM__ASSERT(column < e->table.columns.count && text);
    struct vmsim__emitter_table *t = &e->table;
    struct vmsim__emitter_cell cell = {.row = t->rows, .column = column, .at = t->text.count, .length = length};
    size_t width = width_of(text, shown);
    if (width > t->columns.at[column].width)
        t->columns.at[column].width = width;
    vmsim__textbuf_add(&t->text, text, length);
    if (!vmsim__vec_push(e->out->alloc, &t->cells, cell))
        t->text.failed = true;
}

/* Index of the column of `key`, made when it is new; SIZE_MAX without memory. The search begins behind the last column
 * found: rows have their keys in one order, so that the first look mostly hits. */
static size_t column_of(struct vmsim__emitter *e, const char *key, bool right) {
    VMSIM__ASSERT(key);
    struct vmsim__emitter_table *t = &e->table;
    for (size_t i = 0; i < t->columns.count; i++) {
        size_t at = (t->next + i) % t->columns.count;
        if (!strcmp(t->columns.at[at].key, key)) {
            t->columns.at[at].right |= right;
            t->next = at + 1;
            return at;
        }
    }
    struct vmsim__emitter_column c = {.key = key, .width = strlen(key), .right = right};
    if (!vmsim__vec_push(e->out->alloc, &t->columns, c)) {
        t->text.failed = true;
        return SIZE_MAX;
    }
    t->next = t->columns.count;
    return t->columns.count - 1;
}

static void number_text(const struct vmsim__value *v, char *buffer, size_t size) {
    VMSIM__ASSERT(size > 1);
    switch (v->unit) {
    case VMSIM__UNIT_COUNT:
        vmsim__grouped_text(v->number, buffer, size);
        break;
    case VMSIM__UNIT_BYTES:
        vmsim__human_size(v->number, buffer, size);
        break;
    case VMSIM__UNIT_KB:
        vmsim__human_size(v->number * 1024, buffer, size);
        break;
    case VMSIM__UNIT_NS:
        vmsim__human_time(v->number, buffer, size);
        break;
    case VMSIM__UNIT_PAGES:
        vmsim__grouped_text(v->number, buffer, size);
        break;
    default:
        snprintf(buffer, size, "%llu", (unsigned long long)v->number);
    }
}

/* For people: units that they read, groups of three digits, percent. Whoever parses takes JSON. */
static void value_text(const struct vmsim__value *v, char *buffer, size_t size) {
    VMSIM__ASSERT(size > 1);
    switch (v->type) {
    case VMSIM__VALUE_UINT:
        number_text(v, buffer, size);
        break;
    case VMSIM__VALUE_INT:
        snprintf(buffer, size, "%lld", (long long)v->number);
        break;
    case VMSIM__VALUE_RATIO:
        if (v->unit == VMSIM__UNIT_PERCENT) {
            vmsim__ratio_text(v->number * 100, v->of, v->decimals > 2 ? v->decimals - 2 : 0, buffer, size - 2);
            strcat(buffer, " %");
        } else {
            vmsim__ratio_text(v->number, v->of, v->decimals, buffer, size);
        }
        break;
    case VMSIM__VALUE_BOOL:
        snprintf(buffer, size, "%s", v->number ? "yes" : "no");
        break;
    default:
        snprintf(buffer, size, "%s", "-");
    }
}

/* Long texts are cut in tables alone, where one would push all columns behind it apart (put_row). */
static void text_value(struct vmsim__emitter *e, const char *key, const struct vmsim__value *v) {
    char buffer[64];
    const char *text = v->text;
    bool in_table = e->depth >= 2 && e->level[e->depth - 2].array;
    if (v->type != VMSIM__VALUE_STRING) {
        value_text(v, buffer, sizeof buffer);
        text = buffer;
    }
    if (in_table) {
        size_t column = column_of(e, key, v->type != VMSIM__VALUE_STRING && v->type != VMSIM__VALUE_NULL);
        if (column != SIZE_MAX)
            add_cell(e, column, text, cut_cell(text, strlen(text)), strlen(text));
        return;
    }
    size_t label = column_of(e, "", false), second = column_of(e, " ", false);
    if (label == SIZE_MAX || second == SIZE_MAX)
        return;
    add_cell(e, label, key ? key : "", key ? strlen(key) : 0, key ? strlen(key) : 0);
    add_cell(e, second, text, strlen(text), strlen(text));
    e->table.rows++;
}

/* A key as a label: underscores are blanks. */
static void put_label(struct vmsim__emitter *e, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++)
        vmsim__textbuf_add(e->out, text[i] == '_' ? " " : text + i, 1);
}

/* Blanks are owed rather than written, because nothing may follow: no line ends in blanks. */
static void put_aligned(struct vmsim__emitter *e, const struct vmsim__emitter_column *c, const char *text,
                        size_t length, bool label, size_t *owed) {
    VMSIM__ASSERT(text && owed);
    size_t width = width_of(text, length), fill = c->width > width ? c->width - width : 0;
    *owed += 2 + (c->right ? fill : 0);
    if (length) {
        vmsim__textbuf_fill(e->out, ' ', *owed);
        *owed = 0;
        if (label)
            put_label(e, text, length);
        else
            vmsim__textbuf_add(e->out, text, length);
    } else {
        *owed += length;
    }
    *owed += c->right ? 0 : fill;
}

static void put_row(struct vmsim__emitter *e, size_t row, bool headings, size_t *cell) {
    struct vmsim__emitter_table *t = &e->table;
    VMSIM__ASSERT(*cell == t->cells.count || t->cells.at[*cell].row >= row);
    size_t owed = 0; /* blanks before the next text: none are left at the end of a line */
    for (size_t c = 0; c < t->columns.count; c++) {
        const struct vmsim__emitter_cell *found = NULL;
        for (size_t i = *cell; i < t->cells.count && t->cells.at[i].row == row && !found; i++)
            found = t->cells.at[i].column == c ? &t->cells.at[i] : NULL;
        const bool label = !*t->columns.at[c].key;
        const char *text = found ? t->text.at + found->at : "";
        size_t length = found ? found->length : 0;
        if (headings && c + 1 < t->columns.count)
            length = cut_cell(text, length);
        put_aligned(e, &t->columns.at[c], text, length, label, &owed);
    }
    while (*cell < t->cells.count && t->cells.at[*cell].row == row)
        ++*cell;
    vmsim__textbuf_puts(e->out, "\n");
}

/* Writes what was collected and begins anew. Its own text is all or nothing: without memory for a cell the widths
 * would be wrong. */
static void flush_table(struct vmsim__emitter *e, bool headings) {
    struct vmsim__emitter_table *t = &e->table;
    if (t->text.failed)
        e->out->failed = true;
    size_t cell = 0, owed = 0;
    if (headings && t->columns.count && !e->out->failed) {
        for (size_t c = 0; c < t->columns.count; c++)
            put_aligned(e, &t->columns.at[c], t->columns.at[c].key, strlen(t->columns.at[c].key), true, &owed);
        vmsim__textbuf_puts(e->out, "\n");
    }
    for (size_t row = 0; row < t->rows && !e->out->failed; row++)
        put_row(e, row, headings, &cell);
    t->columns.count = t->cells.count = t->rows = t->next = 0;
    vmsim__textbuf_clear(&t->text);
}

static char upper(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

/* "page_walks" is "Page walks"; a short first word is an abbreviation: "tlb_flushes" is "TLB flushes". */
static void put_heading(struct vmsim__emitter *e, const char *key) {
    VMSIM__ASSERT(*key);
    size_t word = strcspn(key, "_"), capitals = word <= 3 && strncmp(key, "run", 3) != 0 ? word : 1;
    vmsim__textbuf_puts(e->out, e->out->count ? "\n" : "");
    for (size_t i = 0; i < capitals; i++) {
        char c = upper(key[i]);
        vmsim__textbuf_add(e->out, &c, 1);
    }
    put_label(e, key + capitals, strlen(key + capitals));
    vmsim__textbuf_puts(e->out, "\n");
}

static void text_begin(struct vmsim__emitter *e, const char *key, bool array) {
    if (e->depth && !e->level[e->depth - 1].array)
        flush_table(e, false);
    if (key)
        put_heading(e, key);
    e->table.next = 0;
    (void)array;
}

/* The end of an object within an array ends a row, of any other object a table. */
static void text_end(struct vmsim__emitter *e, bool array) {
    bool row = !array && e->depth && e->level[e->depth - 1].array;
    if (row) {
        e->table.rows++;
        return;
    }
    if (array && !e->level[e->depth].items)
        vmsim__textbuf_puts(e->out, "  none\n");
    flush_table(e, array);
}

void vmsim__emitter_text(struct vmsim__emitter *e, struct vmsim__textbuf *out) {
    static const struct vmsim__emitter_ops ops = {.begin = text_begin, .end = text_end, .value = text_value};
    *e = (struct vmsim__emitter){.ops = &ops, .out = out};
    vmsim__textbuf_init(&e->table.text, out->alloc);
}
