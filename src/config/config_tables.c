/* SPDX-License-Identifier: MIT */
/* Tables as data: which can be reached from a root (steps nest, so they form a graph, not a tree), and whether what a
 * table says of itself is true. */
#include <stdio.h>
#include <string.h>

#include "config/config_impl.h"

const struct vmsim__table *vmsim__tables_find(const struct vmsim__tables *t, const struct vmsim_param *fields) {
    for (size_t i = 0; i < t->count; i++)
        if (t->at[i].fields == fields)
            return &t->at[i];
    return NULL;
}

static int add(struct vmsim__alloc *alloc, struct vmsim__tables *out, const struct vmsim_param *fields,
               const char *parent, const char *name, const char *suffix) {
    if (!fields || !fields->name || vmsim__tables_find(out, fields))
        return 0;
    struct vmsim__table t = {.fields = fields};
    if (snprintf(t.title, sizeof t.title, "%s%s%s%s", parent, *parent ? "." : "", name, suffix) >= (int)sizeof t.title)
        memcpy(t.title + sizeof t.title - 4, "...", 4);
    return vmsim__vec_push(alloc, out, t) ? 0 : VMSIM_ENOMEM;
}

static int add_variants(struct vmsim__alloc *alloc, struct vmsim__tables *out, const struct vmsim_param *p,
                        const char *title) {
    char parent[120];
    snprintf(parent, sizeof parent, "%.50s%s%.50s[]", title, *title ? "." : "", p->name);
    int err = 0;
    for (const struct vmsim_variant *v = p->variants; v->tag && !err; v++)
        err = add(alloc, out, v->fields, parent, v->tag, "");
    return err;
}

/* Breadth first, each table once, under the name of the first key that leads to it: schema, reference and checks list
 * them in the same order, and a table that contains itself (steps within steps) ends. */
int vmsim__tables_collect(struct vmsim__alloc *alloc, const struct vmsim_param *root, struct vmsim__tables *out) {
    VMSIM__ASSERT(root && out);
    int err = add(alloc, out, root, "", "", "");
    for (size_t i = 0; i < out->count && !err; i++) {
        char title[sizeof out->at[i].title];
        strcpy(title, out->at[i].title);
        for (const struct vmsim_param *p = out->at[i].fields; p->name && !err; p++) {
            if (p->type == VMSIM_PARAM_STRUCT)
                err = add(alloc, out, p->fields, title, p->name, "");
            else if (p->type == VMSIM_PARAM_STRUCT_LIST)
                err = add(alloc, out, p->fields, title, p->name, "[]");
            else if (p->type == VMSIM_PARAM_STRUCT_MAP)
                err = add(alloc, out, p->fields, title, p->name, ".*");
            else if (p->type == VMSIM_PARAM_VARIANT_LIST)
                err = add_variants(alloc, out, p, title);
        }
    }
    return err;
}

/* A missing list is empty; but a lower bound on a count makes it required (LIST's bounds are those of its numbers). */
bool vmsim__param_is_required(const struct vmsim_param *p) {
    if (p->flags & VMSIM_PARAM_OPTIONAL || p->fallback || p->type == VMSIM_PARAM_STRUCT || p->type == VMSIM_PARAM_NODE)
        return false;
    return vmsim__param_is_scalar(p->type) || (p->min && p->type != VMSIM_PARAM_LIST);
}

static size_t end_of(const struct vmsim_param *p, size_t struct_size) {
    return p->type == VMSIM_PARAM_STRUCT ? struct_size : p->offset + vmsim__param_size(p->type);
}

/* What is wrong with one entry, or NULL. */
static const char *check_param(const struct vmsim_param *table, const struct vmsim_param *p, size_t struct_size,
                               char *why, size_t size) {
    VMSIM__ASSERT(table && p->name && size > 0);
    enum vmsim_param_type type = p->type == VMSIM_PARAM_LIST ? p->element : p->type;
    uint64_t value[2];
    if (vmsim__param_find(table, p->name, strlen(p->name)) != p)
        return "declared twice";
    if (strlen(p->name) > CONFIG_KEY_BYTES)
        return "too long a name";
    if (!p->doc || !*p->doc)
        return "no documentation";
    if (p->offset >= struct_size || end_of(p, struct_size) > struct_size || p->present >= struct_size)
        return "outside of its struct";
    if (type == VMSIM_PARAM_ENUM && (!p->choices || !p->choices[0]))
        return "no choices";
    if ((p->type == VMSIM_PARAM_STRUCT || p->type == VMSIM_PARAM_STRUCT_LIST || p->type == VMSIM_PARAM_STRUCT_MAP ||
         (p->type == VMSIM_PARAM_LIST && p->element == VMSIM_PARAM_LIST)) &&
        !p->fields)
        return "no fields";
    if ((p->type == VMSIM_PARAM_STRUCT_LIST || p->type == VMSIM_PARAM_STRUCT_MAP) && !p->element_size)
        return "no element size";
    if (p->type == VMSIM_PARAM_VARIANT_LIST && !p->variants)
        return "no variants";
    for (const struct vmsim_variant *v = p->variants; v && v->tag; v++)
        if (v->fields && v->fields->name && !v->size)
            return "a variant without the size of its struct";
    if (p->fallback && p->flags & VMSIM_PARAM_OPTIONAL)
        return "both optional and with a default";
    if (p->fallback && vmsim__param_is_scalar(p->type) && !vmsim__param_parse(p, p->fallback, value, why, size))
        return why;
    return NULL;
}

static const char *check_table(const struct vmsim_param *table, size_t struct_size, const char *title, char *text,
                               size_t size) {
    VMSIM__ASSERT(table && size > 0);
    char why[256];
    for (const struct vmsim_param *p = table; p->name; p++) {
        const char *wrong = check_param(table, p, struct_size, why, sizeof why);
        if (!wrong)
            continue;
        snprintf(text, size, "%s%s%s: %s", title, *title ? "." : "", p->name, wrong);
        return text;
    }
    return NULL;
}

/* The size of the struct of `fields`, as one of the tables says that holds it; SIZE_MAX: embedded, unknown. */
static size_t size_of(const struct vmsim__tables *t, const struct vmsim_param *fields) {
    for (size_t i = 0; i < t->count; i++) {
        for (const struct vmsim_param *p = t->at[i].fields; p->name; p++) {
            if (p->fields == fields && p->type != VMSIM_PARAM_STRUCT && p->type != VMSIM_PARAM_LIST)
                return p->element_size;
            for (const struct vmsim_variant *v = p->variants; v && v->tag; v++)
                if (v->fields == fields)
                    return v->size;
        }
    }
    return SIZE_MAX;
}

/* Tables are written by hand: tests ask here whether offsets lie within structs, defaults within bounds, and names are
 * words. */
const char *vmsim__param_table_check(const struct vmsim_param *table, size_t struct_size, char *text, size_t size) {
    VMSIM__ASSERT(table && text && size > 0);
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    struct vmsim__tables t = {0};
    const char *wrong = "no memory";
    if (alloc && !vmsim__tables_collect(alloc, table, &t)) {
        wrong = NULL;
        for (size_t i = 0; i < t.count && !wrong; i++)
            wrong =
                check_table(t.at[i].fields, i ? size_of(&t, t.at[i].fields) : struct_size, t.at[i].title, text, size);
    }
    if (alloc) {
        vmsim__vec_fini(alloc, &t);
        vmsim__alloc_destroy(alloc);
    }
    return wrong;
}
