/* SPDX-License-Identifier: MIT */
/* libyaml's events -> tree, with an explicit stack (no recursion: its depth is the limit on nesting).
 *
 *     event --> value --attach--> frame[depth - 1]: sequence: append | mapping: under the key that waits in the frame
 *
 * Of YAML this takes what a description needs: one document, mappings with text keys, lists, scalars, anchors and
 * aliases. Refused with the reason: duplicate keys (libyaml lets them pass and the last would win unseen), tags,
 * merge keys, keys that are no scalars, NULs from escapes, further documents. An alias copies what its anchor stands
 * for, counted against the limit of nodes, so that a bomb of aliases ends there.
 *
 * libyaml takes its memory from libc: it has no allocator hook. It is given back before vmsim__yaml_load returns. */
#include <string.h>

#include <yaml.h>

#include "config/config_impl.h"

enum { ANCHOR_LIMIT = 1000 };

struct frame {
    struct vmsim__node *node;
    const char *anchor;
    const char *key; /* of a mapping, waiting for its value; NULL: a key comes next */
    bool drop;       /* the value of `key` is not taken: the key was refused */
    struct vmsim__place key_place;
};

struct anchor {
    struct anchor *next;
    const char *name;
    struct vmsim__node *node;
};

struct loader {
    struct vmsim_config *c;
    const struct vmsim__source *source;
    unsigned line, column; /* where the parsed part begins, from 0 */
    struct vmsim__node *root;
    unsigned documents, anchor_count;
    struct anchor *anchors; /* newest first: a redefined name means its last value */
    unsigned depth;
    int error; /* the first one; the rest of the document is still looked at unless it is fatal */
    struct frame stack[CONFIG_DEPTH_LIMIT];
};

static struct vmsim__place place_of(const struct loader *l, const yaml_mark_t *start, const yaml_mark_t *end) {
    VMSIM__ASSERT(start);
    struct vmsim__place at = {.source = l->source, .length = 1};
    at.line = (unsigned)start->line + l->line + 1;
    at.column = (unsigned)start->column + (start->line ? 0 : l->column) + 1;
    if (end && end->line == start->line && end->column > start->column)
        at.length = (unsigned)(end->column - start->column);
    return at;
}

static struct vmsim__place event_place(const struct loader *l, const yaml_event_t *e) {
    return place_of(l, &e->start_mark, &e->end_mark);
}

/* Remembers the error; false: memory is out, stop. */
/* Errors of meaning (a duplicate key, a tag) let the reading go on, so that all of them are found; errors of structure
 * end it, because what follows would be guesses. */
static bool note(struct loader *l, int code) {
    if (!l->error || code == VMSIM_ENOMEM)
        l->error = code;
    return code != VMSIM_ENOMEM;
}

/* An error after which nothing more can be read. */
static bool fatal(struct loader *l, int code) {
    note(l, code);
    return false;
}

/* A node function returned NULL: without memory, or above a limit that it reported. */
static bool no_node(struct loader *l, size_t errors_before) {
    return fatal(l, vmsim__diag_mark(l->c) > errors_before ? VMSIM_ELIMIT : VMSIM_ENOMEM);
}

/* The value of a refused key is read and dropped: its own errors are still worth telling. */
static bool attach(struct loader *l, struct vmsim__node *n) {
    VMSIM__ASSERT(n);
    size_t errors = vmsim__diag_mark(l->c);
    if (!l->depth) {
        l->root = n;
        return true;
    }
    struct frame *f = &l->stack[l->depth - 1];
    bool ok = true;
    if (f->node->kind == NODE_SEQUENCE)
        ok = vmsim__node_push(l->c, f->node, n);
    else if (!f->drop)
        ok = vmsim__node_put(l->c, f->node, f->key, f->key_place, n);
    f->key = NULL;
    f->drop = false;
    return ok || no_node(l, errors);
}

/* Anchors are looked up one after the other, so their number has a limit. */
static bool add_anchor(struct loader *l, const char *name, struct vmsim__node *n) {
    VMSIM__ASSERT(name && n);
    if (++l->anchor_count > ANCHOR_LIMIT)
        return fatal(l,
                     vmsim__diag_add(l->c, VMSIM_ELIMIT, n->place, "more than %d anchors (the limit)", ANCHOR_LIMIT));
    struct anchor *a = vmsim__arena_alloc(&l->c->arena, 1, sizeof *a);
    if (!a)
        return fatal(l, VMSIM_ENOMEM);
    *a = (struct anchor){l->anchors, name, n};
    l->anchors = a;
    return true;
}

/* libyaml's texts go with their event. */
static const char *keep(struct loader *l, const yaml_char_t *text) {
    return vmsim__arena_copy(&l->c->arena, (const char *)text, strlen((const char *)text));
}

/* The parameter tables know the types; a tag could only contradict them. */
static bool check_tag(struct loader *l, const yaml_event_t *e, const yaml_char_t *tag) {
    if (!tag)
        return true;
    const char *word = vmsim__diag_word(l->c, (const char *)tag);
    return note(l, vmsim__diag_add(l->c, VMSIM_ESYNTAX, event_place(l, e),
                                   "a tag, '%s' (tags are not supported: types come from the keys)", word));
}

/* A key of the topmost mapping. */
static bool take_key(struct loader *l, const yaml_event_t *e, const char *key, bool has_nul) {
    VMSIM__ASSERT(l->depth > 0 && l->stack[l->depth - 1].node->kind == NODE_MAPPING);
    struct frame *f = &l->stack[l->depth - 1];
    struct vmsim_config *c = l->c;
    f->key = key;
    f->key_place = event_place(l, e);
    const struct vmsim__entry *first = vmsim__node_find(f->node, key);
    int code = 0;
    if (has_nul)
        code = vmsim__diag_add(c, VMSIM_ESYNTAX, f->key_place, "a NUL character in a key");
    else if (!vmsim__is_one_line(key))
        code = vmsim__diag_add(c, VMSIM_ESYNTAX, f->key_place, "a control character in a key");
    else if (first)
        code = vmsim__diag_add(c, VMSIM_ESYNTAX, f->key_place, "duplicate key '%s' (first given in line %u)",
                               vmsim__diag_word(c, key), first->place.line);
    else if (!strcmp(key, "<<") && e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        code = vmsim__diag_add(c, VMSIM_ESYNTAX, f->key_place,
                               "a merge key, '<<' (not supported: use include: or write the keys out)");
    f->drop = code != 0;
    return !code || note(l, code);
}

/* In a mapping keys and values take turns. */
static bool expects_key(const struct loader *l) {
    return l->depth && l->stack[l->depth - 1].node->kind == NODE_MAPPING && !l->stack[l->depth - 1].key;
}

/* A C string cannot hold a NUL, so one that an escape made is an error and not a silently cut text. */
static bool take_scalar(struct loader *l, const yaml_event_t *e) {
    VMSIM__ASSERT(e->type == YAML_SCALAR_EVENT);
    const char *text = (const char *)e->data.scalar.value;
    bool has_nul = strlen(text) != e->data.scalar.length;
    const char *copy = keep(l, e->data.scalar.value);
    if (!copy)
        return fatal(l, VMSIM_ENOMEM);
    if (!check_tag(l, e, e->data.scalar.tag))
        return false;
    if (expects_key(l))
        return take_key(l, e, copy, has_nul);
    size_t errors = vmsim__diag_mark(l->c);
    struct vmsim__node *n = vmsim__node_new(l->c, NODE_SCALAR, event_place(l, e));
    if (!n)
        return no_node(l, errors);
    n->text = copy;
    n->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (has_nul && !note(l, vmsim__diag_add(l->c, VMSIM_ESYNTAX, n->place, "a NUL character in a text")))
        return false;
    if (e->data.scalar.anchor) {
        const char *name = keep(l, e->data.scalar.anchor);
        if (!name)
            return fatal(l, VMSIM_ENOMEM);
        if (!add_anchor(l, name, n))
            return false;
    }
    return attach(l, n);
}

/* Lists and mappings are attached to what holds them when they end, and until then stand on a stack: libyaml's events
 * come in that order, and no call goes deeper than one. */
static bool begin_collection(struct loader *l, const yaml_event_t *e, enum vmsim__node_kind kind,
                             const yaml_char_t *anchor, const yaml_char_t *tag) {
    VMSIM__ASSERT(kind != NODE_SCALAR && l->depth <= CONFIG_DEPTH_LIMIT);
    struct vmsim__place at = event_place(l, e);
    if (kind == NODE_SEQUENCE || !e->data.mapping_start.style ||
        e->data.mapping_start.style == YAML_BLOCK_MAPPING_STYLE)
        at.length = 1;
    if (expects_key(l))
        return fatal(l, vmsim__diag_add(l->c, VMSIM_ESYNTAX, at, "a list or a mapping as a key (keys are words)"));
    if (l->depth == CONFIG_DEPTH_LIMIT)
        return fatal(
            l, vmsim__diag_add(l->c, VMSIM_ELIMIT, at, "nested deeper than %d levels (the limit)", CONFIG_DEPTH_LIMIT));
    if (!check_tag(l, e, tag))
        return false;
    size_t errors = vmsim__diag_mark(l->c);
    struct vmsim__node *n = vmsim__node_new(l->c, kind, at);
    if (!n)
        return no_node(l, errors);
    const char *name = anchor ? keep(l, anchor) : NULL;
    if (anchor && !name)
        return fatal(l, VMSIM_ENOMEM);
    l->stack[l->depth++] = (struct frame){.node = n, .anchor = name};
    return true;
}

static bool end_collection(struct loader *l) {
    VMSIM__ASSERT(l->depth > 0);
    struct frame f = l->stack[--l->depth];
    if (f.anchor && !add_anchor(l, f.anchor, f.node))
        return false;
    return attach(l, f.node);
}

/* An anchor on the stack is not complete: an alias to it would make the tree contain itself. */
static bool is_open(const struct loader *l, const char *name) {
    VMSIM__ASSERT(name);
    for (unsigned i = 0; i < l->depth; i++)
        if (l->stack[i].anchor && !strcmp(l->stack[i].anchor, name))
            return true;
    return false;
}

/* An alias counts as what it stands for, in depth and in number: a file of ten lines could stand for more values than
 * there are atoms. The copy is made at once, so that no value is reached in two ways afterwards. */
static bool take_alias(struct loader *l, const yaml_event_t *e) {
    VMSIM__ASSERT(e->type == YAML_ALIAS_EVENT);
    const char *name = (const char *)e->data.alias.anchor;
    struct vmsim__place at = event_place(l, e);
    struct vmsim_config *c = l->c;
    if (expects_key(l))
        return fatal(l, vmsim__diag_add(c, VMSIM_ESYNTAX, at, "an alias as a key (keys are words)"));
    if (is_open(l, name))
        return fatal(l, vmsim__diag_add(c, VMSIM_ESYNTAX, at, "alias '*%s' stands within what it refers to",
                                        vmsim__diag_word(c, name)));
    const struct anchor *a = l->anchors;
    while (a && strcmp(a->name, name) != 0)
        a = a->next;
    if (!a)
        return fatal(l, vmsim__diag_add(c, VMSIM_ESYNTAX, at, "alias '*%s' has no anchor '&%s' before it",
                                        vmsim__diag_word(c, name), vmsim__diag_word(c, name)));
    if (l->depth + a->node->height + (a->node->kind != NODE_SCALAR) > CONFIG_DEPTH_LIMIT)
        return fatal(l, vmsim__diag_add(c, VMSIM_ELIMIT, at, "nested deeper than %d levels with this alias (the limit)",
                                        CONFIG_DEPTH_LIMIT));
    size_t errors = vmsim__diag_mark(c);
    if (c->nodes + vmsim__node_count(a->node) > CONFIG_NODE_LIMIT)
        return fatal(l, vmsim__diag_add(c, VMSIM_ELIMIT, at,
                                        "more than %d values with this alias, which counts as what it stands for "
                                        "(the limit)",
                                        CONFIG_NODE_LIMIT));
    struct vmsim__node *copy = vmsim__node_copy(c, a->node);
    return copy ? attach(l, copy) : no_node(l, errors);
}

static bool take_event(struct loader *l, const yaml_event_t *e) {
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (l->documents++)
            return fatal(l, vmsim__diag_add(l->c, VMSIM_ESYNTAX, event_place(l, e),
                                            "a second document (a configuration is one document)"));
        return true;
    case YAML_SCALAR_EVENT:
        return take_scalar(l, e);
    case YAML_ALIAS_EVENT:
        return take_alias(l, e);
    case YAML_SEQUENCE_START_EVENT:
        return begin_collection(l, e, NODE_SEQUENCE, e->data.sequence_start.anchor, e->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return begin_collection(l, e, NODE_MAPPING, e->data.mapping_start.anchor, e->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return end_collection(l);
    default:
        return true;
    }
}

/* Whether the indentation before the place, or the character at it, is a tab: libyaml's texts do not say so. */
static bool is_tab(const struct vmsim__place *at) {
    if (at->line > at->source->line_count)
        return false;
    const char *s = at->source->text + at->source->lines[at->line - 1];
    while (*s == ' ')
        s++;
    return *s == '\t';
}

/* libyaml tells what it was scanning; people need to know what they typed. The slips that come up most have words of
 * their own. */
static int syntax_error(struct loader *l, const yaml_parser_t *p) {
    if (p->error == YAML_MEMORY_ERROR)
        return VMSIM_ENOMEM;
    struct vmsim__place at = place_of(l, &p->problem_mark, NULL);
    const char *problem = p->problem ? p->problem : "not YAML";
    if (is_tab(&at))
        return vmsim__diag_add(l->c, VMSIM_ESYNTAX, at, "a tab as indentation (YAML takes spaces only)");
    if (p->context && !strcmp(p->context, "while scanning a quoted scalar") && strstr(problem, "end of stream"))
        return vmsim__diag_add(l->c, VMSIM_ESYNTAX, place_of(l, &p->context_mark, NULL), "a quote that never ends");
    if (!p->context) {
        bool nested = !strncmp(problem, "mapping values", 14);
        return vmsim__diag_add(l->c, VMSIM_ESYNTAX, at, "%s%s", problem,
                               nested ? " (is this line indented as the one before it?)" : "");
    }
    struct vmsim__place from = place_of(l, &p->context_mark, NULL);
    return vmsim__diag_add(l->c, VMSIM_ESYNTAX, at, "%s (%s that begins in line %u)", problem, p->context, from.line);
}

/* libyaml hands out events one by one, so that a bomb stops at the limit and not after it was parsed. */
static void parse(struct loader *l, yaml_parser_t *p) {
    for (bool more = true; more;) {
        yaml_event_t e;
        if (!yaml_parser_parse(p, &e)) {
            fatal(l, syntax_error(l, p));
            return;
        }
        more = take_event(l, &e) && e.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&e);
    }
}

/* Where the parsed part begins. */
static void set_start(struct loader *l, size_t skip) {
    VMSIM__ASSERT(skip <= l->source->size);
    while (l->line + 1 < l->source->line_count && l->source->lines[l->line + 1] <= skip)
        l->line++;
    for (size_t i = l->source->lines[l->line]; i < skip; i++)
        l->column += ((unsigned char)l->source->text[i] & 0xc0) != 0x80;
}

int vmsim__yaml_load(struct vmsim_config *c, const struct vmsim__source *s, size_t skip, struct vmsim__node **tree) {
    VMSIM__ASSERT(s && tree);
    *tree = NULL;
    int err = vmsim__source_check(c, s);
    if (err)
        return err;
    struct loader l = {.c = c, .source = s};
    set_start(&l, skip);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return VMSIM_ENOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)s->text + skip, s->size - skip);
    parse(&l, &parser);
    yaml_parser_delete(&parser);
    if (!l.error && !l.root)
        return vmsim__diag_add(c, VMSIM_ESYNTAX, (struct vmsim__place){.source = s}, "empty (nothing but comments)");
    *tree = l.error ? NULL : l.root;
    return l.error;
}
