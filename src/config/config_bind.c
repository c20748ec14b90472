/* SPDX-License-Identifier: MIT */
/* Tree -> struct, by a parameter table.
 *
 *     table:  [name | type | offset] ...        struct: |.....value.....value..|
 *                 |                                            ^
 *     mapping:  key: node  ---------- bind by type ------------+
 *
 * First the keys are held against the table (unknown ones get a suggestion), then each parameter looks for its node or
 * takes its default, which goes through the same checks. An error never stops the rest. What a value needs beyond its
 * struct (lists, strings) is the arena's. `path` grows and shrinks with the recursion, for messages. */
#include <stdio.h>
#include <string.h>

#include "config/config_impl.h"

typedef int bind_fn(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *p, void *at);
static bind_fn bind_param;

/* Remembers the worst: out of memory, else any error. Memory that is out hides all else: what was bound after it
 * cannot be trusted. */
static int worse(int a, int b) {
    return a == VMSIM_ENOMEM || b == VMSIM_ENOMEM ? VMSIM_ENOMEM : a ? a : b;
}

/* The path grows on the way down and is cut back on the way up; enter returns the length to go back to. */
static size_t enter_key(struct vmsim_config *c, const char *key) {
    VMSIM__ASSERT(key);
    size_t before = c->path.count;
    vmsim__textbuf_puts(&c->path, before && key[0] ? "." : "");
    vmsim__textbuf_puts(&c->path, key);
    return before;
}

static size_t enter_index(struct vmsim_config *c, size_t i) {
    size_t before = c->path.count;
    vmsim__textbuf_printf(&c->path, "[%zu]", i);
    return before;
}

/* Without memory the buffer may never have been made; its failure is looked at once, at the end. */
static void leave(struct vmsim_config *c, size_t before) {
    VMSIM__ASSERT(!c->path.at || c->path.failed || before <= c->path.count);
    if (!c->path.at)
        return;
    c->path.count = before;
    c->path.at[before] = '\0';
}

/* "machine.nodes[0]: " or "". */
static const char *where(struct vmsim_config *c) {
    if (!c->path.count)
        return "";
    const char *text = vmsim__arena_printf(&c->arena, "%s: ", vmsim__textbuf_text(&c->path));
    return text ? text : "";
}

/* An error at `n`; a default that does not bind is the table's fault and says so. */
static int bad(struct vmsim_config *c, const struct vmsim__node *n, const char *message, const char *more) {
    const char *prefix = n->place.source ? "" : "the built-in default: ";
    return vmsim__diag_add(c, VMSIM_ECONFIG, n->place, "%s%s%s%s", where(c), prefix, message, more);
}

/* "nothing" is what a key without a value holds: mostly a line whose value was forgotten or commented out. */
static int wrong_kind(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *p) {
    VMSIM__ASSERT(n && p);
    if (!vmsim__node_is_null(n))
        return vmsim__diag_add(c, VMSIM_ECONFIG, n->place, "%sexpected %s, got %s", where(c), vmsim__param_expects(p),
                               vmsim__node_what(n));
    if (p->fallback && !(p->flags & VMSIM_PARAM_OPTIONAL))
        return vmsim__diag_add(c, VMSIM_ECONFIG, n->place, "%shas no value (remove the line for the default, %s)",
                               where(c), p->fallback);
    return vmsim__diag_add(c, VMSIM_ECONFIG, n->place, "%shas no value (expected %s)", where(c),
                           vmsim__param_expects(p));
}

/* Quotes do not matter, except that a quoted null is a text: "4GiB" from a JSON writer is as good as 4GiB. */
static int bind_scalar(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *p, void *at) {
    VMSIM__ASSERT(vmsim__param_is_scalar(p->type));
    char why[512];
    if (n->kind != NODE_SCALAR || (vmsim__node_is_null(n) && (p->type != VMSIM_PARAM_ENUM || !n->text[0])))
        return wrong_kind(c, n, p);
    if (!vmsim__param_parse(p, n->text, at, why, sizeof why))
        return bad(c, n, why, "");
    return 0;
}

/* Room for `n->count` elements. */
static int make_list(struct vmsim_config *c, struct vmsim_param_list *list, size_t count, size_t size) {
    VMSIM__ASSERT(size > 0);
    *list = (struct vmsim_param_list){0};
    if (!count)
        return 0;
    list->data = vmsim__arena_alloc(&c->arena, count, size);
    list->count = list->data ? count : 0;
    return list->data ? 0 : VMSIM_ENOMEM;
}

/* Bounds of the number of elements. */
static int check_count(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *p) {
    VMSIM__ASSERT(n && p);
    char limits[128], message[256];
    if (n->count >= p->min && (!p->max || n->count <= p->max))
        return 0;
    vmsim__param_bounds(p, VMSIM_PARAM_UINT, limits, sizeof limits);
    snprintf(message, sizeof message, "%zu element%s (%s)", n->count, n->count == 1 ? "" : "s", limits);
    return bad(c, n, message, "");
}

/* Errors of one element do not hide those of the next; the elements that are good are bound, as later checks look at
 * them. */
static int bind_list(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *p, void *at) {
    VMSIM__ASSERT(n->kind == NODE_SEQUENCE && p->type == VMSIM_PARAM_LIST);
    struct vmsim_param_list *list = at;
    struct vmsim_param element = vmsim__param_element(p);
    size_t size = vmsim__param_size(element.type);
    int err = make_list(c, list, n->count, size);
    if (err)
        return err;
    for (size_t i = 0; i < n->count && !vmsim__diag_full(c); i++) {
        size_t before = enter_index(c, i);
        err = worse(err, bind_param(c, n->items[i], &element, (char *)list->data + i * size));
        leave(c, before);
    }
    return err;
}

/* Elements are bound even when their number is wrong, for their own errors. */
static int bind_struct_list(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *p,
                            void *at) {
    VMSIM__ASSERT(n->kind == NODE_SEQUENCE && p->fields && p->element_size);
    struct vmsim_param_list *list = at;
    int err = make_list(c, list, n->count, p->element_size);
    if (err)
        return err;
    err = check_count(c, n, p);
    for (size_t i = 0; i < n->count && !vmsim__diag_full(c); i++) {
        size_t before = enter_index(c, i);
        err = worse(err, vmsim__bind_table(c, n->items[i], p->fields, (char *)list->data + i * p->element_size));
        leave(c, before);
    }
    return err;
}

/* The key goes into the element itself, so that a bound element stands alone. */
static int bind_struct_map(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *p, void *at) {
    VMSIM__ASSERT(n->kind == NODE_MAPPING && p->fields && p->element_size);
    struct vmsim_param_list *list = at;
    int err = make_list(c, list, n->count, p->element_size);
    if (err)
        return err;
    err = check_count(c, n, p);
    for (size_t i = 0; i < n->count && !vmsim__diag_full(c); i++) {
        char *element = (char *)list->data + i * p->element_size;
        size_t before = enter_key(c, n->entries[i].key);
        memcpy(element + p->key_offset, &n->entries[i].key, sizeof n->entries[i].key);
        err = worse(err, vmsim__bind_table(c, n->entries[i].value, p->fields, element));
        leave(c, before);
    }
    return err;
}

/* The origin is kept beside the value: who writes it later (a sysctl at boot) can still say where it came from. */
static int bind_pair(struct vmsim_config *c, const struct vmsim__entry *e, struct vmsim_param_pair *pair) {
    VMSIM__ASSERT(e->key && pair);
    static const struct vmsim_param text = {.type = VMSIM_PARAM_STRING};
    pair->key = e->key;
    pair->origin = vmsim__place_text(c, e->value->place);
    return pair->origin ? bind_scalar(c, e->value, &text, &pair->value) : VMSIM_ENOMEM;
}

/* Keys are free: each pair keeps where it stands, so that whoever takes the value can complain at its line. */
static int bind_map(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *p, void *at) {
    VMSIM__ASSERT(n->kind == NODE_MAPPING);
    struct vmsim_param_list *list = at;
    int err = make_list(c, list, n->count, sizeof(struct vmsim_param_pair));
    if (err)
        return err;
    err = check_count(c, n, p);
    for (size_t i = 0; i < n->count && !vmsim__diag_full(c); i++) {
        size_t before = enter_key(c, n->entries[i].key);
        err = worse(err, bind_pair(c, &n->entries[i], (struct vmsim_param_pair *)list->data + i));
        leave(c, before);
    }
    return err;
}

/* The tag of a step: a bare word, or the one key of a mapping. NULL: neither. */
static const char *tag_of(const struct vmsim__node *n, const struct vmsim__node **body, struct vmsim__place *at) {
    VMSIM__ASSERT(n && body && at);
    *body = NULL;
    *at = n->place;
    if (n->kind == NODE_SCALAR && !vmsim__node_is_null(n))
        return n->text;
    if (n->kind != NODE_MAPPING || n->count != 1)
        return NULL;
    *body = n->entries[0].value;
    *at = n->entries[0].place;
    return n->entries[0].key;
}

/* A mapping of several keys is mostly a step whose fields are indented too little: say which key is the step. */
static int no_tag(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_variant *variants) {
    VMSIM__ASSERT(variants);
    for (size_t i = 0; n->kind == NODE_MAPPING && i < n->count; i++) {
        const char *key = n->entries[i].key;
        const char *other = n->entries[i ? 0 : 1].key;
        if (vmsim__variant_find(variants, key, strlen(key)))
            return vmsim__diag_add(c, VMSIM_ECONFIG, n->entries[i ? 0 : 1].place,
                                   "%sa second key, '%s', beside the step '%s' (indent what belongs to the step)",
                                   where(c), vmsim__diag_word(c, other), key);
    }
    return bad(c, n, "expected a step: a word, or one word with its fields, `- word: {...}`; got ",
               n->kind == NODE_MAPPING && n->count ? "a mapping of several keys" : vmsim__node_what(n));
}

static int unknown_tag(struct vmsim_config *c, struct vmsim__place at, const char *tag,
                       const struct vmsim_variant *variants) {
    return vmsim__diag_add(c, VMSIM_ECONFIG, at, "%sunknown step '%s'%s", where(c), vmsim__diag_word(c, tag),
                           vmsim__diag_suggest(c, tag, &variants->tag, sizeof *variants));
}

/* A bare word is its step with every default; `out->data` stays NULL for steps without fields. */
static int bind_body(struct vmsim_config *c, const struct vmsim__node *body, struct vmsim__place at,
                     struct vmsim_param_variant *out) {
    VMSIM__ASSERT(out->variant);
    const struct vmsim_variant *v = out->variant;
    size_t before = enter_key(c, v->tag);
    int err = 0;
    struct vmsim__node empty = {.kind = NODE_MAPPING, .place = at};
    if (v->fields && v->size) {
        out->data = vmsim__arena_alloc(&c->arena, 1, v->size);
        err = out->data ? vmsim__bind_table(c, body ? body : &empty, v->fields, out->data) : VMSIM_ENOMEM;
    } else if (body && !vmsim__node_is_null(body) && !(body->kind == NODE_MAPPING && !body->count)) {
        err = bad(c, body, "takes no fields", "");
    }
    leave(c, before);
    return err;
}

/* The place of the tag is kept with the step: what goes wrong when it runs is told there. */
static int bind_variant(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_variant *variants,
                        struct vmsim_param_variant *out) {
    VMSIM__ASSERT(variants && out);
    const struct vmsim__node *body;
    struct vmsim__place at;
    const char *tag = tag_of(n, &body, &at);
    if (!tag)
        return no_tag(c, n, variants);
    out->variant = vmsim__variant_find(variants, tag, strlen(tag));
    if (!out->variant)
        return unknown_tag(c, at, tag, variants);
    out->origin = vmsim__place_text(c, at);
    return out->origin ? bind_body(c, body, at, out) : VMSIM_ENOMEM;
}

static int bind_variants(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *p, void *at) {
    VMSIM__ASSERT(n->kind == NODE_SEQUENCE && p->variants);
    struct vmsim_param_list *list = at;
    int err = make_list(c, list, n->count, sizeof(struct vmsim_param_variant));
    if (err)
        return err;
    err = check_count(c, n, p);
    for (size_t i = 0; i < n->count && !vmsim__diag_full(c); i++) {
        size_t before = enter_index(c, i);
        err = worse(err, bind_variant(c, n->items[i], p->variants, (struct vmsim_param_variant *)list->data + i));
        leave(c, before);
    }
    return err;
}

/* What a file, its includes, shorthands and overrides nest together has the limit of one file, so that the dump, which
 * writes all of it out, can be read. */
static int too_deep(struct vmsim_config *c, const struct vmsim__node *n) {
    return vmsim__diag_add(c, VMSIM_ECONFIG, n->place, "%snested deeper than %d levels in all (the limit)", where(c),
                           CONFIG_DEPTH_LIMIT);
}

static int bind_node(struct vmsim_config *c, const struct vmsim__node *n, void *at) {
    VMSIM__ASSERT(c->depth <= CONFIG_DEPTH_LIMIT);
    if (c->depth + vmsim__node_height(n) > CONFIG_DEPTH_LIMIT)
        return too_deep(c, n);
    memcpy(at, &n, sizeof n);
    return 0;
}

/* A value that stands where a list or map is due. Nothing at all counts as an empty one. */
static int bind_collection(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *p, void *at) {
    VMSIM__ASSERT(!vmsim__param_is_scalar(p->type) && p->type != VMSIM_PARAM_STRUCT);
    bool map = p->type == VMSIM_PARAM_MAP || p->type == VMSIM_PARAM_STRUCT_MAP;
    struct vmsim__node empty = {.kind = map ? NODE_MAPPING : NODE_SEQUENCE, .place = n->place};
    bind_fn *bind = p->type == VMSIM_PARAM_LIST          ? bind_list
                    : p->type == VMSIM_PARAM_STRUCT_LIST ? bind_struct_list
                    : p->type == VMSIM_PARAM_STRUCT_MAP  ? bind_struct_map
                    : p->type == VMSIM_PARAM_MAP         ? bind_map
                                                         : bind_variants;
    if (vmsim__node_is_null(n))
        n = &empty;
    if (n->kind != empty.kind)
        return wrong_kind(c, n, p);
    if (c->depth >= CONFIG_DEPTH_LIMIT)
        return too_deep(c, n);
    unsigned levels = p->type == VMSIM_PARAM_VARIANT_LIST ? 2 : 1;
    c->depth += levels;
    int err = bind(c, n, p, at);
    c->depth -= levels;
    return err;
}

/* `n` as the value of `p`, stored at `at`. */
static int bind_param(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *p, void *at) {
    VMSIM__ASSERT(n && p && at);
    if (p->type == VMSIM_PARAM_NODE)
        return bind_node(c, n, at);
    if (p->type == VMSIM_PARAM_STRUCT)
        return vmsim__bind_table(c, n, p->fields, at);
    return vmsim__param_is_scalar(p->type) ? bind_scalar(c, n, p, at) : bind_collection(c, n, p, at);
}

/* The default of `p`: its text read as if it stood in a file. */
static int bind_text(struct vmsim_config *c, const struct vmsim_param *p, void *at) {
    VMSIM__ASSERT(p->fallback);
    struct vmsim__node *n = NULL;
    if (vmsim__param_is_scalar(p->type)) {
        struct vmsim__node scalar = {.kind = NODE_SCALAR, .text = p->fallback};
        return bind_scalar(c, &scalar, p, at);
    }
    struct vmsim__source *s = vmsim__source_text(c, "default", p->fallback, strlen(p->fallback));
    if (!s)
        return VMSIM_ENOMEM;
    int err = vmsim__yaml_load(c, s, 0, &n);
    return err ? err : bind_param(c, n, p, at);
}

/* Nested sections take their defaults key by key; an OPTIONAL one stays zero instead. After a failed include what is
 * missing may be in the file that could not be read, so only what is there is checked. What is absent has no place of
 * its own: errors point at the section. */
static int bind_absent(struct vmsim_config *c, const struct vmsim__node *parent, const struct vmsim_param *p,
                       void *at) {
    VMSIM__ASSERT(p->name && at);
    if (vmsim__param_is_required(p) && c->incomplete)
        return 0;
    if (vmsim__param_is_required(p))
        return vmsim__diag_add(c, VMSIM_ECONFIG, parent->place, "%srequired key '%s' is missing (%s)", where(c),
                               p->name, vmsim__param_expects(p));
    bool optional = p->flags & VMSIM_PARAM_OPTIONAL || p->type == VMSIM_PARAM_NODE;
    if (optional || (!p->fallback && p->type != VMSIM_PARAM_STRUCT))
        return 0;
    struct vmsim__node empty = {.kind = NODE_MAPPING, .place = parent->place};
    size_t before = enter_key(c, p->name);
    int err = p->fallback ? bind_text(c, p, at) : vmsim__bind_table(c, &empty, p->fields, at);
    leave(c, before);
    return err;
}

/* `present` tells a value that was given from a default of the same value. */
static int bind_field(struct vmsim_config *c, const struct vmsim__node *mapping, const struct vmsim_param *p,
                      void *out) {
    VMSIM__ASSERT(mapping && p->name);
    const struct vmsim__node *n = vmsim__node_get(mapping, p->name);
    if (!n)
        return bind_absent(c, mapping, p, (char *)out + p->offset);
    size_t before = enter_key(c, p->name);
    int err = bind_param(c, n, p, (char *)out + p->offset);
    leave(c, before);
    if (p->present)
        *((char *)out + p->present) = true;
    return err;
}

/* Directives were taken out before: a `preset` that is still here stands where none may. */
static int check_keys(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *table) {
    VMSIM__ASSERT(n->kind == NODE_MAPPING);
    int err = 0;
    for (size_t i = 0; i < n->count && !vmsim__diag_full(c); i++) {
        const struct vmsim__entry *e = &n->entries[i];
        if (vmsim__param_find(table, e->key, strlen(e->key)))
            continue;
        err = worse(err, vmsim__diag_add(c, VMSIM_ECONFIG, e->place, "%sunknown key '%s'%s", where(c),
                                         vmsim__diag_word(c, e->key), vmsim__diag_suggest_key(c, e->key, table)));
    }
    return err;
}

/* The key that a mapping of this table would begin with: the first that must be there, or the first of all. */
static const char *first_wanted(const struct vmsim_param *table) {
    VMSIM__ASSERT(table);
    const struct vmsim_param *p = table;
    while (p->name && (p->fallback || (p->flags & VMSIM_PARAM_OPTIONAL) || !vmsim__param_is_scalar(p->type)))
        p++;
    return p->name ? p->name : table->name;
}

/* `reclaim: lru` for `reclaim: {name: lru}`: the value belongs to the one field, the others have their defaults. */
static int bind_shorthand(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *table,
                          void *out) {
    const struct vmsim_param *p = vmsim__param_shorthand(table);
    if (!p)
        return vmsim__diag_add(c, VMSIM_ECONFIG, n->place, "%sexpected a mapping such as {%s: ...}, got %s", where(c),
                               first_wanted(table), vmsim__node_what(n));
    struct vmsim__node rest = {.kind = NODE_MAPPING, .place = n->place};
    int err = bind_param(c, n, p, (char *)out + p->offset);
    if (p->present)
        *((char *)out + p->present) = true;
    for (const struct vmsim_param *q = table; q->name; q++)
        err = worse(err, q == p ? 0 : bind_field(c, &rest, q, out));
    return err;
}

/* Unknown keys first: a misspelt key is mostly why a required one is missing. */
static int bind_mapping(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *table,
                        void *out) {
    VMSIM__ASSERT(n && table && out);
    if (n->kind != NODE_MAPPING)
        return bind_shorthand(c, n, table, out);
    int err = check_keys(c, n, table);
    for (const struct vmsim_param *p = table; p->name && !vmsim__diag_full(c); p++)
        err = worse(err, bind_field(c, n, p, out));
    return err;
}

/* One level of the dump, whether the file wrote it out or used a shorthand. */
int vmsim__bind_table(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *table, void *out) {
    VMSIM__ASSERT(n && table && out);
    struct vmsim__node empty = {.kind = NODE_MAPPING, .place = n->place};
    if (c->depth >= CONFIG_DEPTH_LIMIT)
        return too_deep(c, n);
    c->depth++;
    int err = bind_mapping(c, vmsim__node_is_null(n) ? &empty : n, table, out);
    c->depth--;
    return err;
}
