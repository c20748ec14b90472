/* SPDX-License-Identifier: MIT */
/* `preset:` and `include:`, in any section that a table describes.
 *
 *     section's value =  preset  <  include 1  <  include 2  <  the section's own keys        (right wins, key by key)
 *
 * Each part is resolved in itself before it is merged, so that an inner section's own preset lies above what an outer
 * preset says of that section. A file that is a whole configuration (it has the key `vmsim`) gives the section of the
 * same name; any other file is the section. Keys of free maps and raw parts are never directives. */
#include <string.h>

#include "config/config_impl.h"

#define WHOLE_KEY "vmsim"

struct section {
    const struct vmsim_param *table;
    const char *name; /* "" for the root */
};

/* Why a function that returns NULL did so. */
static int reason(const struct vmsim_config *c, size_t errors_before) {
    return vmsim__diag_mark(c) > errors_before ? VMSIM_ECONFIG : VMSIM_ENOMEM;
}

/* Keys of a whole configuration beside the section that is asked for cannot be taken in: say so, for each. */
static int check_rest(struct vmsim_config *c, const struct vmsim__node *whole, const char *section) {
    VMSIM__ASSERT(whole);
    int err = 0;
    for (size_t i = 0; i < whole->count; i++) {
        const struct vmsim__entry *e = &whole->entries[i];
        if (strcmp(e->key, WHOLE_KEY) != 0 && strcmp(e->key, section) != 0)
            err = vmsim__diag_add(c, VMSIM_ECONFIG, e->place,
                                  "'%s' beside '%s' (a file taken in by the section '%s' may give only that)",
                                  vmsim__diag_word(c, e->key), section, section);
    }
    return err;
}

/* The part of the file `n` that belongs to the section; *n may become NULL: nothing. */
static int select_section(struct vmsim_config *c, struct vmsim__node **n, const char *section) {
    VMSIM__ASSERT(*n);
    struct vmsim__node *file = *n;
    if (file->kind != NODE_MAPPING)
        return vmsim__diag_add(c, VMSIM_ECONFIG, file->place, "expected a mapping, got %s", vmsim__node_what(file));
    if (!section[0] || !vmsim__node_find(file, WHOLE_KEY))
        return 0;
    *n = vmsim__node_get(file, section);
    if (*n && vmsim__node_is_null(*n))
        *n = NULL;
    return check_rest(c, file, section);
}

static int merge_under(struct vmsim_config *c, struct vmsim__node **under, struct vmsim__node *n) {
    if (!n)
        return 0;
    size_t errors = vmsim__diag_mark(c);
    *under = vmsim__node_merge(c, *under, n);
    return *under ? 0 : reason(c, errors);
}

/* The file's own directives are resolved before it is merged, so that its keys lie over those of the files that it
 * names. */
static int include_file(struct vmsim_config *c, const char *path, const struct vmsim__place *from, bool preset,
                        struct section section, unsigned depth, struct vmsim__node **under) {
    VMSIM__ASSERT(from);
    struct vmsim__node *n;
    size_t errors = vmsim__diag_mark(c);
    if (depth >= CONFIG_INCLUDE_LIMIT)
        return vmsim__diag_add(c, VMSIM_ELIMIT, *from, "more than %d files within each other (the limit)",
                               CONFIG_INCLUDE_LIMIT);
    if (c->includes > CONFIG_FILES_LIMIT)
        return VMSIM_ELIMIT;
    if (c->includes++ == CONFIG_FILES_LIMIT) /* few files that name many of each other are a bomb; told once */
        return vmsim__diag_add(c, VMSIM_ELIMIT, *from, "more than %d files included in all (the limit)",
                               CONFIG_FILES_LIMIT);
    struct vmsim__source *s = vmsim__source_file(c, path, from);
    if (!s)
        return reason(c, errors);
    s->foreign &= !preset; /* these lie where the host's administrator or the command line put them */
    int err = vmsim__yaml_load(c, s, 0, &n);
    if (!err)
        err = select_section(c, &n, section.name);
    if (!err && n)
        err = vmsim__include_resolve(c, &n, section.table, section.name, depth + 1);
    return err ? err : merge_under(c, under, n);
}

/* Relative to the file that says it, so that a directory of configurations can be moved. */
static int take_include(struct vmsim_config *c, const struct vmsim__node *n, struct section section, unsigned depth,
                        struct vmsim__node **under) {
    VMSIM__ASSERT(n && under);
    if (n->kind != NODE_SCALAR || vmsim__node_is_null(n))
        return vmsim__diag_add(c, VMSIM_ECONFIG, n->place, "include: expected the name of a file, or a list of names");
    const char *path = vmsim__path_beside(c, n->place.source, n->text);
    if (path && n->place.source->is_file && !vmsim__config_may(c, path))
        return vmsim__diag_add(c, VMSIM_ECONFIG, n->place,
                               "include: %s lies outside of %s, and nothing else may be read or written (--root)", path,
                               c->root);
    return path ? include_file(c, path, &n->place, false, section, depth, under) : VMSIM_ENOMEM;
}

static int take_preset(struct vmsim_config *c, const struct vmsim__node *n, struct section section, unsigned depth,
                       struct vmsim__node **under) {
    VMSIM__ASSERT(n && under);
    if (n->kind != NODE_SCALAR || vmsim__node_is_null(n))
        return vmsim__diag_add(c, VMSIM_ECONFIG, n->place, "preset: expected the name of one preset");
    size_t errors = vmsim__diag_mark(c);
    const char *path = vmsim__preset_find(c, n->text, n->place);
    return path ? include_file(c, path, &n->place, true, section, depth, under) : reason(c, errors);
}

/* Takes in what the directives of `n` name, and removes them. All are tried even if one fails. */
static int take_directives(struct vmsim_config *c, struct vmsim__node *n, struct section section, unsigned depth,
                           struct vmsim__node **under) {
    VMSIM__ASSERT(n && under);
    struct vmsim__node *preset = NULL, *include = NULL;
    if (vmsim__param_is_directive(section.table, "preset"))
        preset = vmsim__node_get(n, "preset");
    if (vmsim__param_is_directive(section.table, "include"))
        include = vmsim__node_get(n, "include");
    int err = preset ? take_preset(c, preset, section, depth, under) : 0;
    bool list = include && include->kind == NODE_SEQUENCE;
    for (size_t i = 0; include && i < (list ? include->count : 1); i++) {
        int e = take_include(c, list ? include->items[i] : include, section, depth, under);
        err = e == VMSIM_ENOMEM || !err ? e : err;
    }
    if (preset)
        vmsim__node_remove(n, "preset");
    if (include)
        vmsim__node_remove(n, "include");
    return err;
}

/* Elements of lists and named sections may have presets of their own. */
static int resolve_children(struct vmsim_config *c, struct vmsim__node *n, const struct vmsim_param *p,
                            unsigned depth) {
    int err = 0;
    bool list = n->kind == NODE_SEQUENCE;
    if ((list && p->type != VMSIM_PARAM_STRUCT_LIST) || (!list && p->type != VMSIM_PARAM_STRUCT_MAP))
        return 0;
    for (size_t i = 0; i < n->count; i++) {
        struct vmsim__node **child = list ? &n->items[i] : &n->entries[i].value;
        int e = vmsim__include_resolve(c, child, p->fields, p->name, depth);
        err = e == VMSIM_ENOMEM || !err ? e : err;
    }
    return err;
}

static int resolve_steps(struct vmsim_config *c, struct vmsim__node *n, const struct vmsim_param *p, unsigned depth) {
    VMSIM__ASSERT(p->variants);
    int err = 0;
    for (size_t i = 0; n->kind == NODE_SEQUENCE && i < n->count; i++) {
        struct vmsim__node *step = n->items[i];
        const struct vmsim_variant *v = NULL;
        if (step->kind == NODE_MAPPING && step->count == 1)
            v = vmsim__variant_find(p->variants, step->entries[0].key, strlen(step->entries[0].key));
        int e = v && v->fields ? vmsim__include_resolve(c, &step->entries[0].value, v->fields, v->tag, depth) : 0;
        err = e == VMSIM_ENOMEM || !err ? e : err;
    }
    return err;
}

static int resolve_entry(struct vmsim_config *c, struct vmsim__entry *e, const struct vmsim_param *table,
                         unsigned depth) {
    const struct vmsim_param *p = vmsim__param_find(table, e->key, strlen(e->key));
    if (!p || e->value->kind == NODE_SCALAR)
        return 0;
    if (p->type == VMSIM_PARAM_STRUCT)
        return vmsim__include_resolve(c, &e->value, p->fields, p->name, depth);
    if (p->type == VMSIM_PARAM_VARIANT_LIST)
        return resolve_steps(c, e->value, p, depth);
    return resolve_children(c, e->value, p, depth);
}

/* From the outside in: what a section includes may itself have sections that include. The section's own keys lie
 * above. */
int vmsim__include_resolve(struct vmsim_config *c, struct vmsim__node **n, const struct vmsim_param *table,
                           const char *section, unsigned depth) {
    VMSIM__ASSERT(*n && table);
    if ((*n)->kind != NODE_MAPPING)
        return 0;
    struct vmsim__node *own = *n, *under = NULL;
    int err = take_directives(c, own, (struct section){table, section}, depth, &under);
    for (size_t i = 0; i < own->count && err != VMSIM_ENOMEM; i++) {
        int e = resolve_entry(c, &own->entries[i], table, depth);
        err = e == VMSIM_ENOMEM || !err ? e : err;
    }
    if (err)
        return err;
    size_t errors = vmsim__diag_mark(c);
    *n = vmsim__node_merge(c, under, own);
    return *n ? 0 : reason(c, errors);
}
