/* SPDX-License-Identifier: MIT */
/* Struct -> YAML, by the same tables that read it: what is written binds to the identical struct.
 *
 * Every value stands there, defaults included, in its canonical text. Left out are only absent optional ones (zero,
 * or not `present`). Scalars and lists of scalars take one line, with a comment about the origin if asked for; the
 * tree that was bound goes along beside the struct for that. A text is quoted unless every YAML reader would take it
 * for a text. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config/config_impl.h"

struct emitter {
    struct vmsim_config *c;
    struct vmsim__textbuf *b;
    unsigned flags;
    bool inlined; /* the next line continues "- " or "key: " */
};

static void emit_fields(struct emitter *e, const struct vmsim_param *table, const char *data,
                        const struct vmsim__node *n, size_t indent);
static void emit_raw(struct emitter *e, const struct vmsim__node *n, size_t indent);

/* Words that some reader of YAML takes for something else than a text. */
static bool is_reserved(const char *s) {
    static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n", NULL};
    for (size_t i = 0; words[i]; i++)
        if (!strcasecmp(s, words[i]))
            return true;
    return false;
}

static bool is_plain_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("_./@%+-", c));
}

/* Can stand without quotes; `number`: even if it looks like a number. */
/* Conservative on purpose: what needs no quotes here needs none in YAML 1.1 and 1.2 of any reader. A relative path is
 * the one text that may begin with a dot. */
static bool is_plain(const char *s, bool number) {
    VMSIM__ASSERT(s);
    bool alpha = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_' || *s == '/';
    bool digit = *s >= '0' && *s <= '9';
    if (!alpha && !(number && digit) && strncmp(s, "./", 2) != 0 && strncmp(s, "../", 3) != 0)
        return false;
    for (const char *t = s; *t; t++)
        if (!is_plain_char(*t))
            return false;
    return !is_reserved(s);
}

static void put_text(struct emitter *e, const char *s, bool number) {
    if (is_plain(s, number))
        vmsim__textbuf_puts(e->b, s);
    else
        vmsim__textbuf_quote(e->b, s);
}

static void begin_line(struct emitter *e, size_t indent) {
    if (!e->inlined)
        vmsim__textbuf_fill(e->b, ' ', indent);
    e->inlined = false;
}

/* Ends a line that holds a value. */
static void end_value(struct emitter *e, const struct vmsim__node *n) {
    if (e->flags & VMSIM_CONFIG_DUMP_ORIGINS) {
        const char *origin = n ? vmsim__place_text(e->c, n->place) : "default";
        vmsim__textbuf_puts(e->b, " # ");
        for (const char *s = origin ? origin : ""; *s; s++)
            vmsim__textbuf_add(e->b, (unsigned char)*s < 0x20 || *s == 0x7f ? "?" : s, 1);
        e->b->failed |= !origin;
    }
    vmsim__textbuf_puts(e->b, "\n");
}

/* Keys are plain even when they look like numbers: a key is a text wherever it stands. */
static void put_key(struct emitter *e, const char *key, size_t indent) {
    begin_line(e, indent);
    put_text(e, key, true);
    vmsim__textbuf_puts(e->b, ":");
}

const char *vmsim__portable_name(const struct vmsim__node *n, const char *name) {
    const char *slash = strrchr(name, '/');
    bool spelled = n && n->place.source && n->place.source->is_file && *name != '/';
    return spelled || !slash ? name : slash + 1;
}

static void put_string(struct emitter *e, const struct vmsim_param *p, const char *s, const struct vmsim__node *n) {
    bool portable = e->flags & VMSIM_CONFIG_DUMP_PORTABLE && p->flags & VMSIM_PARAM_INPUT;
    put_text(e, !s ? "" : portable ? vmsim__portable_name(n, s) : s, false);
}

/* The tree may be shorter than the bound list: defaults have no node. */
static const struct vmsim__node *item(const struct vmsim__node *n, size_t i) {
    return n && n->kind == NODE_SEQUENCE && i < n->count ? n->items[i] : NULL;
}

/* A scalar or a list of them, within a line. */
static void put_value(struct emitter *e, const struct vmsim_param *p, const char *at, const struct vmsim__node *n) {
    VMSIM__ASSERT(at && (p->type == VMSIM_PARAM_LIST || vmsim__param_is_scalar(p->type)));
    char text[128];
    if (p->type == VMSIM_PARAM_LIST) {
        struct vmsim_param_list list;
        struct vmsim_param element = vmsim__param_element(p);
        memcpy(&list, at, sizeof list);
        vmsim__textbuf_puts(e->b, "[");
        for (size_t i = 0; i < list.count; i++) {
            vmsim__textbuf_puts(e->b, i ? ", " : "");
            put_value(e, &element, (const char *)list.data + i * vmsim__param_size(element.type), item(n, i));
        }
        vmsim__textbuf_puts(e->b, "]");
    } else if (p->type == VMSIM_PARAM_STRING) {
        const char *s;
        memcpy(&s, at, sizeof s);
        put_string(e, p, s, n);
    } else if (p->type == VMSIM_PARAM_ENUM) {
        int v;
        memcpy(&v, at, sizeof v);
        put_text(e, p->choices[v], true);
    } else {
        vmsim__textbuf_puts(e->b, vmsim__param_format(p, at, text, sizeof text));
    }
}

static bool is_zero(const struct vmsim_param *p, const char *at);

/* Member by member: padding may hold anything. */
static bool all_zero(const struct vmsim_param *table, const char *data) {
    VMSIM__ASSERT(table && data);
    for (; table->name; table++)
        if (!is_zero(table, data + table->offset) || (table->present && data[table->present]))
            return false;
    return true;
}

static bool is_zero(const struct vmsim_param *p, const char *at) {
    VMSIM__ASSERT(p->type == VMSIM_PARAM_STRUCT || vmsim__param_size(p->type) <= 16);
    static const char zero[16];
    if (p->type == VMSIM_PARAM_STRUCT)
        return all_zero(p->fields, at);
    return !memcmp(at, zero, vmsim__param_size(p->type));
}

/* The rule that makes the round trip exact: a value is left out only if reading its absence gives it back. With a
 * `present` flag the flag decides; otherwise an absent OPTIONAL is zero, and so zero is left out. */
static bool is_left_out(const struct vmsim_param *p, const char *data) {
    VMSIM__ASSERT(p->name && data);
    const char *at = data + p->offset;
    if (p->present)
        return !data[p->present];
    if (p->flags & VMSIM_PARAM_OPTIONAL || p->type == VMSIM_PARAM_NODE)
        return is_zero(p, at);
    return p->type == VMSIM_PARAM_STRING && is_zero(p, at);
}

static bool has_fields(const struct vmsim_param *table, const char *data) {
    for (; table && table->name; table++)
        if (!is_left_out(table, data))
            return true;
    return false;
}

/* A struct after "key:", or as the rest of a list's element after "- ". */
static void emit_body(struct emitter *e, const struct vmsim_param *table, const char *data, const struct vmsim__node *n,
                      size_t indent) {
    VMSIM__ASSERT(table && data);
    if (!has_fields(table, data)) {
        vmsim__textbuf_puts(e->b, " {}\n");
        return;
    }
    vmsim__textbuf_puts(e->b, "\n");
    emit_fields(e, table, data, n, indent);
}

/* The first field stands on the line of its "- ", the others two blanks in. */
static void emit_struct_list(struct emitter *e, const struct vmsim_param *p, struct vmsim_param_list list,
                             const struct vmsim__node *n, size_t indent) {
    VMSIM__ASSERT(p->element_size);
    for (size_t i = 0; i < list.count; i++) {
        const char *element = (const char *)list.data + i * p->element_size;
        begin_line(e, indent);
        vmsim__textbuf_puts(e->b, "- ");
        e->inlined = has_fields(p->fields, element);
        if (e->inlined)
            emit_fields(e, p->fields, element, item(n, i), indent + 2);
        else
            vmsim__textbuf_puts(e->b, "{}\n");
    }
}

static void emit_struct_map(struct emitter *e, const struct vmsim_param *p, struct vmsim_param_list list,
                            const struct vmsim__node *n, size_t indent) {
    VMSIM__ASSERT(p->element_size);
    for (size_t i = 0; i < list.count; i++) {
        const char *element = (const char *)list.data + i * p->element_size, *key;
        memcpy(&key, element + p->key_offset, sizeof key);
        put_key(e, key, indent);
        emit_body(e, p->fields, element, vmsim__node_get(n, key), indent + 2);
    }
}

/* A number of the file stays without quotes; the bound value is the text either way. */
static void emit_map(struct emitter *e, struct vmsim_param_list list, const struct vmsim__node *n, size_t indent) {
    VMSIM__ASSERT(list.data || !list.count);
    const struct vmsim_param_pair *pair = list.data;
    for (size_t i = 0; i < list.count; i++, pair++) {
        const struct vmsim__node *value = vmsim__node_get(n, pair->key);
        put_key(e, pair->key, indent);
        vmsim__textbuf_puts(e->b, " ");
        put_text(e, pair->value, !value || value->plain);
        end_value(e, value);
    }
}

/* A step indents by four: two for "- " and two for its tag. */
static void emit_variants(struct emitter *e, struct vmsim_param_list list, const struct vmsim__node *n, size_t indent) {
    VMSIM__ASSERT(list.data || !list.count);
    const struct vmsim_param_variant *v = list.data;
    for (size_t i = 0; i < list.count; i++, v++) {
        const struct vmsim__node *step = item(n, i);
        begin_line(e, indent);
        vmsim__textbuf_puts(e->b, "- ");
        put_text(e, v->variant->tag, true);
        if (!v->data) {
            end_value(e, step);
            continue;
        }
        vmsim__textbuf_puts(e->b, ":");
        emit_body(e, v->variant->fields, v->data, vmsim__node_get(step, v->variant->tag), indent + 4);
    }
}

/* A list or map after its key. */
static void emit_collection(struct emitter *e, const struct vmsim_param *p, const char *at, const struct vmsim__node *n,
                            size_t indent) {
    VMSIM__ASSERT(p->name && at);
    struct vmsim_param_list list;
    memcpy(&list, at, sizeof list);
    bool map = p->type == VMSIM_PARAM_MAP || p->type == VMSIM_PARAM_STRUCT_MAP;
    if (!list.count) {
        vmsim__textbuf_puts(e->b, map ? " {}" : " []");
        end_value(e, n);
        return;
    }
    vmsim__textbuf_puts(e->b, "\n");
    if (p->type == VMSIM_PARAM_STRUCT_LIST)
        emit_struct_list(e, p, list, n, indent + 2);
    else if (p->type == VMSIM_PARAM_STRUCT_MAP)
        emit_struct_map(e, p, list, n, indent + 2);
    else if (p->type == VMSIM_PARAM_MAP)
        emit_map(e, list, n, indent + 2);
    else
        emit_variants(e, list, n, indent + 2);
}

/* Every type has one form, so that two dumps can be compared as texts. */
static void emit_param(struct emitter *e, const struct vmsim_param *p, const char *at, const struct vmsim__node *n,
                       size_t indent) {
    VMSIM__ASSERT(p->name && at);
    put_key(e, p->name, indent);
    if (p->type == VMSIM_PARAM_STRUCT) {
        emit_body(e, p->fields, at, n, indent + 2);
    } else if (p->type == VMSIM_PARAM_NODE) {
        const struct vmsim__node *raw;
        memcpy(&raw, at, sizeof raw);
        emit_raw(e, raw, indent + 2);
    } else if (p->type == VMSIM_PARAM_LIST || vmsim__param_is_scalar(p->type)) {
        vmsim__textbuf_puts(e->b, " ");
        put_value(e, p, at, n);
        end_value(e, n);
    } else {
        emit_collection(e, p, at, n, indent);
    }
}

/* When the file used a shorthand, the tree has one value where the struct has a mapping: it is the origin of that one
 * field, and the others are defaults. */
static void emit_fields(struct emitter *e, const struct vmsim_param *table, const char *data,
                        const struct vmsim__node *n, size_t indent) {
    VMSIM__ASSERT(table && data);
    bool shorthand = n && n->kind != NODE_MAPPING && !vmsim__node_is_null(n);
    for (const struct vmsim_param *p = table; p->name; p++) {
        const struct vmsim__node *value = shorthand ? NULL : vmsim__node_get(n, p->name);
        if (shorthand && p->flags & VMSIM_PARAM_SHORTHAND)
            value = n;
        if (!is_left_out(p, data) && !(e->flags & VMSIM_CONFIG_DUMP_PORTABLE && p->flags & VMSIM_PARAM_OUTPUT))
            emit_param(e, p, data + p->offset, value, indent);
    }
}

static void emit_raw_items(struct emitter *e, const struct vmsim__node *n, size_t indent) {
    for (size_t i = 0; i < n->count; i++) {
        begin_line(e, indent);
        vmsim__textbuf_puts(e->b, "-");
        emit_raw(e, n->items[i], indent + 2);
    }
}

/* A part of the tree after "key:" or "-". Raw parts keep the quotes they had, as nobody knows yet whether a number or
 * a text is meant. */
static void emit_raw(struct emitter *e, const struct vmsim__node *n, size_t indent) {
    VMSIM__ASSERT(n);
    if (n->kind == NODE_SCALAR) {
        vmsim__textbuf_puts(e->b, " ");
        if (vmsim__node_is_null(n))
            vmsim__textbuf_puts(e->b, "null");
        else if (n->plain && (!strcmp(n->text, "true") || !strcmp(n->text, "false")))
            vmsim__textbuf_puts(e->b, n->text);
        else
            put_text(e, n->text, n->plain);
        end_value(e, n);
    } else if (!n->count) {
        vmsim__textbuf_puts(e->b, n->kind == NODE_SEQUENCE ? " []" : " {}");
        end_value(e, n);
    } else if (n->kind == NODE_SEQUENCE) {
        vmsim__textbuf_puts(e->b, "\n");
        emit_raw_items(e, n, indent);
    } else {
        vmsim__textbuf_puts(e->b, "\n");
        for (size_t i = 0; i < n->count; i++) {
            put_key(e, n->entries[i].key, indent);
            emit_raw(e, n->entries[i].value, indent + 2);
        }
    }
}

void vmsim__emit_struct(struct vmsim_config *c, const struct vmsim_param *table, const void *data,
                        const struct vmsim__node *n, unsigned flags, struct vmsim__textbuf *b) {
    VMSIM__ASSERT(table && data);
    struct emitter e = {.c = c, .b = b, .flags = flags};
    if (has_fields(table, data))
        emit_fields(&e, table, data, n, 0);
    else
        vmsim__textbuf_puts(b, "{}\n");
}

void vmsim__emit_steps(struct vmsim_config *c, struct vmsim_param_list steps, struct vmsim__textbuf *b) {
    struct emitter e = {.c = c, .b = b};
    VMSIM__ASSERT(steps.data || !steps.count);
    emit_variants(&e, steps, NULL, 0);
}
