/* SPDX-License-Identifier: MIT */
/* `--set machine.nodes[0].memory=4GiB`: a path through the tree, led by the tables, and a new value at its end.
 *
 *     machine . nodes [0] . memory = 4GiB
 *     TABLE --> TABLE  LIST  TABLE    VALUE          the shape of what stands at each step
 *
 * The tables decide where a key ends (`sysctl.vm.swappiness` is the key `vm.swappiness` of `sysctl`), whether an index
 * makes sense, and whether the value is one text or YAML. Missing mappings are made on the way. The assignment is a
 * source of its own, so its errors have a line and a caret like those of files. The same walk without an assignment
 * finds the place of a value for the checks of the layers above. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "config/config_impl.h"

enum shape_kind {
    SHAPE_TABLE, /* a mapping described by `p`, the first entry of its table */
    SHAPE_ITEMS, /* a list; `p` is its parameter */
    SHAPE_STEP,  /* one element of a VARIANT_LIST; `p` is the list's parameter */
    SHAPE_NAMED, /* a STRUCT_MAP */
    SHAPE_MAP,   /* free keys to texts */
    SHAPE_FREE,  /* anything: a raw part */
    SHAPE_VALUE  /* one scalar; `p` is its parameter or NULL */
};

struct shape {
    enum shape_kind kind;
    const struct vmsim_param *p;
};

struct walk {
    struct vmsim_config *c;
    const struct vmsim__source *source; /* of a --set; NULL: only look, say nothing, make nothing */
    const char *at, *end;               /* what is left of the path */
    struct vmsim__node **slot;          /* the value reached */
    struct vmsim__node *nearest;        /* the last one that exists */
    struct vmsim__place nearest_key;    /* of its key; source NULL for a list's element */
    const char *key;                    /* the last key taken */
    struct shape shape;
    int err;
};

/* What stands at a parameter, and so what may follow it in a path. A map's values are texts and a list's are its
 * elements: what may follow in a path depends on nothing else. */
static struct shape shape_of(const struct vmsim_param *p) {
    switch (p->type) {
    case VMSIM_PARAM_STRUCT:
        return (struct shape){SHAPE_TABLE, p->fields};
    case VMSIM_PARAM_LIST:
    case VMSIM_PARAM_STRUCT_LIST:
    case VMSIM_PARAM_VARIANT_LIST:
        return (struct shape){SHAPE_ITEMS, p};
    case VMSIM_PARAM_STRUCT_MAP:
        return (struct shape){SHAPE_NAMED, p};
    case VMSIM_PARAM_MAP:
        return (struct shape){SHAPE_MAP, p};
    case VMSIM_PARAM_NODE:
        return (struct shape){SHAPE_FREE, NULL};
    default:
        return (struct shape){SHAPE_VALUE, p};
    }
}

static struct shape element_shape(struct shape list) {
    VMSIM__ASSERT(list.kind == SHAPE_FREE || list.p);
    const struct vmsim_param *p = list.p;
    if (list.kind == SHAPE_FREE)
        return list;
    if (p->type == VMSIM_PARAM_STRUCT_LIST)
        return (struct shape){SHAPE_TABLE, p->fields};
    if (p->type == VMSIM_PARAM_VARIANT_LIST)
        return (struct shape){SHAPE_STEP, p};
    return p->element == VMSIM_PARAM_LIST ? shape_of(p->fields) : (struct shape){SHAPE_VALUE, NULL};
}

/* An assignment is one line as far as its path goes; columns count characters as those of files do. Errors of --set
 * have a caret like those of files. */
static struct vmsim__place place_at(const struct vmsim__source *s, const char *at, const char *end) {
    VMSIM__ASSERT(at >= s->text && end >= at);
    struct vmsim__place place = {.source = s, .line = 1, .column = 1, .length = 0};
    for (const char *t = s->text; t < end; t++) {
        bool starts = ((unsigned char)*t & 0xc0) != 0x80;
        place.column += t < at && starts;
        place.length += t >= at && starts;
    }
    return place;
}

/* An error about the next `length` bytes of the path. Always false. */
__attribute__((format(printf, 3, 4))) static bool fail(struct walk *w, size_t length, const char *format, ...) {
    w->err = VMSIM_ECONFIG;
    if (!w->source)
        return false;
    va_list args;
    va_start(args, format);
    w->err = vmsim__diag_vadd(w->c, VMSIM_ECONFIG, place_at(w->source, w->at, w->at + length), format, args);
    va_end(args);
    return false;
}

static bool no_memory(struct walk *w, size_t errors_before) {
    w->err = vmsim__diag_mark(w->c) > errors_before ? VMSIM_ELIMIT : VMSIM_ENOMEM;
    return false;
}

/* Bytes of the word at the path: up to '.' or '[', or within quotes. */
static size_t word_length(const struct walk *w) {
    VMSIM__ASSERT(w->at <= w->end);
    const char *s = w->at;
    if (s < w->end && *s == '"') {
        const char *close = memchr(s + 1, '"', (size_t)(w->end - s - 1));
        return (size_t)((close ? close + 1 : w->end) - s);
    }
    while (s < w->end && *s != '.' && *s != '[')
        s++;
    return (size_t)(s - w->at);
}

/* A key of a table must be followed by the end, a field or an index: `cpus` is not in `cpuset`. */
static bool ends_word(const struct walk *w, const char *s) {
    return s == w->end || *s == '.' || *s == '[';
}

/* The longest key of the table that the path begins with. Keys of tables hold dots of their own
 * ("transparent_hugepage.enabled"): the first dot need not end one. */
static const struct vmsim_param *longest_field(const struct walk *w, const struct vmsim_param *table) {
    const struct vmsim_param *best = NULL;
    size_t left = (size_t)(w->end - w->at), best_length = 0;
    for (; table->name; table++) {
        size_t n = strlen(table->name);
        if (n <= left && n > best_length && !strncmp(w->at, table->name, n) && ends_word(w, w->at + n)) {
            best = table;
            best_length = n;
        }
    }
    return best;
}

/* Makes the value reached a mapping: nothing becomes an empty one, a shorthand is written out. */
static bool become_mapping(struct walk *w, size_t length) {
    struct vmsim__node *n = *w->slot;
    size_t errors = vmsim__diag_mark(w->c);
    if (n->kind == NODE_MAPPING)
        return true;
    const struct vmsim_param *shorthand = w->shape.kind == SHAPE_TABLE ? vmsim__param_shorthand(w->shape.p) : NULL;
    bool null = vmsim__node_is_null(n);
    if (!w->source || (!null && !shorthand && w->shape.kind != SHAPE_STEP))
        return fail(w, length, "%s stands before this key (expected a mapping)", vmsim__node_what(n));
    struct vmsim__node *m = vmsim__node_new(w->c, NODE_MAPPING, n->place);
    if (!m)
        return no_memory(w, errors);
    if (!null && shorthand && !vmsim__node_put(w->c, m, shorthand->name, n->place, n))
        return no_memory(w, errors);
    *w->slot = m;
    return true;
}

/* Moves to the value of `key`, which is made (as nothing) where it is missing. Made as nothing, not as a mapping: what
 * comes next in the path decides what it has to be. */
static bool enter(struct walk *w, const char *key, size_t length, struct shape shape) {
    VMSIM__ASSERT(key);
    size_t errors = vmsim__diag_mark(w->c);
    if (!become_mapping(w, length))
        return false;
    struct vmsim__entry *e = vmsim__node_find(*w->slot, key);
    if (!e && !w->source)
        return fail(w, length, "missing");
    if (!e) {
        struct vmsim__place place = place_at(w->source, w->at, w->at + length);
        struct vmsim__node *n = vmsim__node_scalar(w->c, place, "");
        if (!n)
            return no_memory(w, errors);
        n->plain = true;
        if (!vmsim__node_put(w->c, *w->slot, key, place, n))
            return no_memory(w, errors);
        e = &(*w->slot)->entries[(*w->slot)->count - 1];
    }
    w->slot = &e->value;
    w->nearest = e->value;
    w->nearest_key = e->place;
    w->key = key;
    w->shape = shape;
    w->at += length;
    return true;
}

/* The word as a text of its own, without quotes. */
static const char *copy_word(struct walk *w, size_t length) {
    VMSIM__ASSERT(length > 0);
    bool quoted = length >= 2 && w->at[0] == '"' && w->at[length - 1] == '"';
    const char *key = vmsim__arena_copy(&w->c->arena, w->at + quoted, length - 2 * quoted);
    if (!key)
        w->err = VMSIM_ENOMEM;
    return key;
}

/* `preset` and `include` are no keys of tables, but may be given: `machine.preset=zen4`. */
static bool step_field(struct walk *w) {
    VMSIM__ASSERT(w->shape.kind == SHAPE_TABLE && w->shape.p);
    const struct vmsim_param *p = longest_field(w, w->shape.p);
    if (p)
        return enter(w, p->name, strlen(p->name), shape_of(p));
    size_t length = word_length(w);
    if (!length)
        return fail(w, 1, "expected a key");
    const char *key = copy_word(w, length);
    if (!key)
        return false;
    if (w->source && vmsim__param_is_directive(w->shape.p, key))
        return enter(w, key, length, (struct shape){SHAPE_FREE, NULL});
    return fail(w, length, "unknown key '%s'%s", vmsim__diag_word(w->c, key),
                vmsim__diag_suggest_key(w->c, key, w->shape.p));
}

/* The tag of a step must be the one that stands there; a bare word becomes a mapping, a new element takes any. */
static bool step_tag(struct walk *w) {
    VMSIM__ASSERT(w->shape.p && w->shape.p->variants);
    const struct vmsim_variant *variants = w->shape.p->variants;
    size_t length = word_length(w);
    const struct vmsim_variant *v = vmsim__variant_find(variants, w->at, length);
    const char *key = copy_word(w, length);
    if (!key)
        return false;
    if (!v)
        return fail(w, length, "unknown step '%s'%s", vmsim__diag_word(w->c, key),
                    vmsim__diag_suggest(w->c, key, &variants->tag, sizeof *variants));
    const struct vmsim__node *n = *w->slot;
    const char *is = n->kind == NODE_MAPPING && n->count ? n->entries[0].key : n->kind == NODE_SCALAR ? n->text : "";
    if (is[0] && strcmp(is, v->tag) != 0)
        return fail(w, length, "this step is '%s', not '%s'", vmsim__diag_word(w->c, is), v->tag);
    static const struct vmsim_param nothing[] = {{0}};
    return enter(w, v->tag, length, (struct shape){SHAPE_TABLE, v->fields ? v->fields : nothing});
}

/* Keys of a free map may hold dots, since nothing can follow them. */
static bool step_word(struct walk *w) {
    size_t length = w->shape.kind == SHAPE_MAP && *w->at != '"' ? (size_t)(w->end - w->at) : word_length(w);
    struct shape shape = {SHAPE_FREE, NULL};
    if (w->shape.kind == SHAPE_MAP)
        shape = (struct shape){SHAPE_VALUE, NULL};
    else if (w->shape.kind == SHAPE_NAMED)
        shape = (struct shape){SHAPE_TABLE, w->shape.p->fields};
    if (!length)
        return fail(w, 1, "expected a key");
    const char *key = copy_word(w, length);
    return key && enter(w, key, length, shape);
}

/* What may follow is told by what stands before it, which is why each of these has a message of its own. */
static bool step_key(struct walk *w) {
    switch (w->shape.kind) {
    case SHAPE_TABLE:
        return step_field(w);
    case SHAPE_STEP:
        return step_tag(w);
    case SHAPE_ITEMS:
        return fail(w, word_length(w),
                    "a list stands before this key (choose an element: [0], [NAME], or [+] to append)");
    case SHAPE_VALUE:
        return fail(w, word_length(w), "one value stands before this key (it has no fields)");
    default:
        return step_word(w);
    }
}

/* A list that the file does not give begins empty, so `[+]` works on it. Nothing else is replaced: a text in place of
 * a list is a slip of the path. */
static bool become_sequence(struct walk *w, size_t length) {
    struct vmsim__node *n = *w->slot;
    size_t errors = vmsim__diag_mark(w->c);
    if (n->kind == NODE_SEQUENCE)
        return true;
    if (!w->source || !vmsim__node_is_null(n))
        return fail(w, length, "%s stands before this index (expected a list)", vmsim__node_what(n));
    n = vmsim__node_new(w->c, NODE_SEQUENCE, n->place);
    if (!n)
        return no_memory(w, errors);
    *w->slot = n;
    return true;
}

static bool append(struct walk *w, size_t length) {
    VMSIM__ASSERT(w->source);
    size_t errors = vmsim__diag_mark(w->c);
    struct vmsim__node *n = vmsim__node_scalar(w->c, place_at(w->source, w->at, w->at + length), "");
    if (!n)
        return no_memory(w, errors);
    n->plain = true;
    return vmsim__node_push(w->c, *w->slot, n) || no_memory(w, errors);
}

/* What an element of a list is called: its `name`, or the `path` of a cgroup. NULL: it has none. */
static const char *element_name(const struct vmsim__node *n) {
    const struct vmsim__entry *e = NULL;
    if (n->kind == NODE_MAPPING) {
        e = vmsim__node_find(n, "name");
        e = e ? e : vmsim__node_find(n, "path");
    }
    return e && e->value->kind == NODE_SCALAR ? e->value->text : NULL;
}

static bool no_such_name(struct walk *w, const struct vmsim__node *list, size_t length, const char *name) {
    char there[160] = "";
    size_t used = 0;
    for (size_t i = 0; i < list->count && used < sizeof there; i++) {
        const char *is = element_name(list->items[i]);
        if (is)
            used += (size_t)snprintf(there + used, sizeof there - used, "%s%s", used ? ", " : "; there are ", is);
    }
    if (!used)
        return fail(w, length, "expected an index: [0], [1], ... or [+] to append");
    return fail(w, length, "no element is called '%s'%s%s", vmsim__diag_word(w->c, name), there,
                used >= sizeof there ? "..." : "");
}

/* `machine.tlb.arrays[L1D]`: the first element of that name. */
static bool named_index(struct walk *w, size_t length, const char *name, uint64_t *index) {
    const struct vmsim__node *list = *w->slot;
    if (list->kind != NODE_SEQUENCE)
        return fail(w, length, "%s stands before this name (expected a list)", vmsim__node_what(list));
    for (size_t i = 0; i < list->count; i++) {
        const char *is = element_name(list->items[i]);
        if (!is || strcmp(is, name) != 0)
            continue;
        *index = i;
        return true;
    }
    return no_such_name(w, list, length, name);
}

/* Element `index` of the list that is there. */
static bool enter_element(struct walk *w, size_t length, uint64_t index) {
    struct vmsim__node *list = *w->slot;
    if (index >= list->count)
        return fail(w, length, "missing");
    w->slot = &list->items[index];
    w->nearest = *w->slot;
    w->nearest_key = (struct vmsim__place){0};
    w->shape = element_shape(w->shape);
    w->at += length;
    return true;
}

/* "[12]", "[+]" or "[NAME]". */
static bool step_index(struct walk *w) {
    VMSIM__ASSERT(w->at < w->end && *w->at == '[');
    const char *close = memchr(w->at, ']', (size_t)(w->end - w->at));
    size_t length = close ? (size_t)(close - w->at) + 1 : 1;
    uint64_t index = 0;
    if (w->shape.kind != SHAPE_ITEMS && w->shape.kind != SHAPE_FREE)
        return fail(w, length, "an index after what is not a list");
    if (length <= 2)
        return fail(w, length, "expected an index: [0], [1], ... or [+] to append");
    const char *word = vmsim__arena_copy(&w->c->arena, w->at + 1, length - 2);
    if (!word)
        return w->err = VMSIM_ENOMEM, false;
    bool plus = !strcmp(word, "+");
    if (!plus && !vmsim__parse_uint(word, &index, &(const char *){NULL}))
        return named_index(w, length, word, &index) && enter_element(w, length, index);
    if (!become_sequence(w, length))
        return false;
    size_t count = (*w->slot)->count;
    plus |= w->source && !index && !count; /* the first of none */
    if (plus && w->source && !append(w, length))
        return false;
    if (plus)
        index = count;
    else if (index >= count)
        return fail(w, length, "no element %s: the list has %zu ([+] appends)", word, count);
    return enter_element(w, length, index);
}

/* Goes the whole path, or as far as it can. */
static bool walk_path(struct walk *w) {
    const char *start = w->at;
    bool ok = true;
    if (w->at == w->end)
        return fail(w, 1, "expected a path before '='");
    for (unsigned depth = 0; ok && w->at < w->end; depth++) {
        if (depth == CONFIG_DEPTH_LIMIT)
            return fail(w, 1, "a path of more than %d parts (the limit)", CONFIG_DEPTH_LIMIT);
        if (*w->at == '[') {
            ok = step_index(w);
            continue;
        }
        if (w->at > start && *w->at != '.')
            return fail(w, 1, "expected '.', '[' or '='");
        w->at += w->at > start;
        ok = w->at < w->end ? step_key(w) : fail(w, 1, "expected a key");
    }
    return ok;
}

/* The text behind '=' as a tree. One value is taken as it is; for everything else it is YAML. */
static struct vmsim__node *read_value(struct walk *w, size_t skip) {
    const struct vmsim__source *s = w->source;
    const char *text = s->text + skip;
    bool is_text = w->shape.kind == SHAPE_VALUE;
    size_t errors = vmsim__diag_mark(w->c);
    struct vmsim__node *n = NULL;
    if (is_text || !*text) {
        n = vmsim__node_scalar(w->c, place_at(s, text, s->text + s->size), text);
        if (n)
            n->plain = !(is_text && (!w->shape.p || w->shape.p->type == VMSIM_PARAM_STRING));
        else
            no_memory(w, errors);
        return n;
    }
    w->err = vmsim__yaml_load(w->c, s, skip, &n);
    if (!w->err && w->shape.kind == SHAPE_TABLE)
        w->err = vmsim__include_resolve(w->c, &n, w->shape.p, w->key ? w->key : "", 0);
    return w->err ? NULL : n;
}

/* The slot is replaced as a whole: an override of a section or list does not merge with what was there. */
static int apply(struct vmsim_config *c, const struct vmsim__override *o) {
    struct walk w = {.c = c, .source = o->source, .at = o->source->text, .slot = &c->tree};
    w.end = w.at + o->path_length;
    w.shape = (struct shape){SHAPE_TABLE, c->table};
    if (!walk_path(&w))
        return w.err;
    struct vmsim__node *value = read_value(&w, o->path_length + 1);
    if (value)
        *w.slot = value;
    return w.err;
}

/* Whether the last key of the path is `preset` or `include`. */
static bool is_directive(const struct vmsim__override *o) {
    const char *words[] = {"preset", "include"};
    for (size_t i = 0; i < VMSIM__COUNT(words); i++) {
        size_t n = strlen(words[i]);
        const char *end = o->source->text + o->path_length;
        if (o->path_length >= n && !strncmp(end - n, words[i], n) && (o->path_length == n || end[-1 - (long)n] == '.'))
            return true;
    }
    return false;
}

/* Checks what every assignment must have, once. */
static int check(struct vmsim_config *c, struct vmsim__override *o) {
    int err = vmsim__source_check(c, o->source);
    if (!err && o->path_length == o->source->size)
        err = vmsim__diag_add(c, VMSIM_ECONFIG, place_at(o->source, o->source->text, o->source->text + o->source->size),
                              "expected PATH=VALUE");
    o->bad = err != 0;
    return err;
}

int vmsim__override_apply(struct vmsim_config *c, bool directives) {
    int err = 0;
    for (size_t i = 0; i < c->overrides.count && err != VMSIM_ENOMEM; i++) {
        struct vmsim__override *o = &c->overrides.at[i];
        int e = directives ? check(c, o) : 0;
        if (!e && !o->bad && is_directive(o) == directives)
            e = apply(c, o);
        err = e == VMSIM_ENOMEM || !err ? e : err;
    }
    return err;
}

/* Of a section the key is shown, of a single value the value: that is where the caret helps. */
struct vmsim__node *vmsim__path_find(struct vmsim_config *c, const char *path, bool nearest,
                                     struct vmsim__place *place) {
    struct walk w = {.c = c, .at = path, .end = path + strlen(path), .slot = &c->tree, .nearest = c->tree};
    w.shape = (struct shape){SHAPE_TABLE, c->table};
    *place = (struct vmsim__place){0};
    if (!c->tree)
        return NULL;
    bool all = !*path || walk_path(&w);
    if (!all && !nearest)
        return NULL;
    *place = w.nearest->place;
    if (w.nearest->kind != NODE_SCALAR && w.nearest_key.source)
        *place = w.nearest_key;
    return w.nearest;
}
