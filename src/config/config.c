/* SPDX-License-Identifier: MIT */
/* A configuration from creation to the bound struct: the public calls and those of the layers above.
 *
 *      OPEN --load, set--> OPEN --resolve--> RESOLVED (root struct, dump) | FAILED (errors)
 *
 *     texts (files, --set)  ->  trees with places  ->  merged, presets and includes beneath  ->  overrides  ->  bound
 *
 * Nothing is checked against the tables before all is merged: only then is known which value of a key counts, and a
 * mistake in one that is overridden need not be told. What was read stays in an arena until the configuration goes,
 * because the bound struct points into it, and so do messages that are asked for later. */
#include "config/config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "config/config_impl.h"

/* The allocator may be the caller's, whose limits and failures then are this one's, too. */
int vmsim__config_create(struct vmsim__alloc *alloc, const struct vmsim_param *root, size_t size,
                         struct vmsim_config **config) {
    VMSIM__ASSERT(root && size);
    *config = NULL;
    struct vmsim__alloc *a = alloc ? alloc : vmsim__alloc_create(NULL);
    struct vmsim_config *c = a ? vmsim__calloc(a, 1, sizeof *c) : NULL;
    if (!c) {
        if (a && !alloc)
            vmsim__alloc_destroy(a);
        return VMSIM_ENOMEM;
    }
    c->alloc = a;
    c->owns_alloc = !alloc;
    c->table = root;
    c->size = size;
    vmsim__arena_init(&c->arena, a);
    vmsim__textbuf_init(&c->out, a);
    vmsim__textbuf_init(&c->path, a);
    *config = c;
    return 0;
}

/* The bound struct and all texts go with the arena. */
void vmsim_config_destroy(struct vmsim_config *c) {
    if (!c)
        return;
    struct vmsim__alloc *a = c->alloc;
    bool owns = c->owns_alloc;
    vmsim__vec_fini(a, &c->errors);
    vmsim__vec_fini(a, &c->overrides);
    vmsim__vec_fini(a, &c->search);
    vmsim__vec_fini(a, &c->presets);
    vmsim__vec_fini(a, &c->policies);
    vmsim__textbuf_fini(&c->out);
    vmsim__textbuf_fini(&c->path);
    vmsim__arena_fini(&c->arena);
    vmsim__free(a, c, sizeof *c);
    if (owns)
        vmsim__alloc_destroy(a);
}

int vmsim_config_add_policy(struct vmsim_config *c, const struct vmsim_policy *policy) {
    if (!c || !policy)
        return VMSIM_EINVAL;
    return vmsim__vec_push(c->alloc, &c->policies, policy) ? 0 : VMSIM_ENOMEM;
}

const struct vmsim_policy *const *vmsim__config_policies(const struct vmsim_config *c, size_t *count) {
    VMSIM__ASSERT(c->policies.at || !c->policies.count);
    *count = c->policies.count;
    return c->policies.at;
}

int vmsim_config_add_search_dir(struct vmsim_config *c, const char *path) {
    if (!c || !path)
        return VMSIM_EINVAL;
    const char *copy = vmsim__arena_copy(&c->arena, path, strlen(path));
    return copy && vmsim__vec_push(c->alloc, &c->search, copy) ? 0 : VMSIM_ENOMEM;
}

/* A text that was read is merged above those loaded before, directives included: a later file's `preset` replaces an
 * earlier one's, and lies beneath the keys of both. */
static int load_source(struct vmsim_config *c, const struct vmsim__source *s) {
    VMSIM__ASSERT(c->state == CONFIG_OPEN);
    struct vmsim__node *tree;
    int err = vmsim__yaml_load(c, s, 0, &tree);
    if (err)
        return err;
    if (tree->kind != NODE_MAPPING)
        return vmsim__diag_add(c, VMSIM_ESYNTAX, tree->place, "expected a mapping of keys to values, got %s",
                               vmsim__node_what(tree));
    size_t errors = vmsim__diag_mark(c);
    c->tree = vmsim__node_merge(c, c->tree, tree);
    return c->tree ? 0 : vmsim__diag_mark(c) > errors ? VMSIM_ELIMIT : VMSIM_ENOMEM;
}

/* Why a text could not be read. The list of errors has the reason when the text itself was at fault; an empty list
 * means that memory was. */
static int source_error(const struct vmsim_config *c, size_t errors_before) {
    return vmsim__diag_mark(c) > errors_before ? c->last_code : VMSIM_ENOMEM;
}

/* Not found, not readable or not YAML is told at once; whether it makes sense is told by resolve. */
int vmsim_config_load_file(struct vmsim_config *c, const char *path) {
    if (!c || !path)
        return VMSIM_EINVAL;
    if (c->state != CONFIG_OPEN)
        return VMSIM_ESTATE;
    size_t errors = vmsim__diag_mark(c);
    const struct vmsim__source *s = vmsim__source_file(c, path, NULL);
    return s ? load_source(c, s) : source_error(c, errors);
}

/* Counts as a file of this name: relative paths and messages say it. */
int vmsim_config_load_text(struct vmsim_config *c, const char *name, const char *text, size_t size) {
    if (!c || !name || !text)
        return VMSIM_EINVAL;
    if (c->state != CONFIG_OPEN)
        return VMSIM_ESTATE;
    size_t errors = vmsim__diag_mark(c);
    struct vmsim__source *s = vmsim__source_text(c, name, text, size);
    if (!s)
        return source_error(c, errors);
    s->is_file = true;
    return load_source(c, s);
}

/* Bytes before the first '=' that no quote or index holds. */
static size_t path_length(const char *text) {
    VMSIM__ASSERT(text);
    bool quoted = false;
    size_t i = 0;
    for (; text[i] && (quoted || text[i] != '='); i++)
        quoted ^= text[i] == '"';
    return i;
}

/* Kept until resolve: an override applies to what presets give, which is not read yet. */
int vmsim_config_set(struct vmsim_config *c, const char *assignment) {
    if (!c || !assignment)
        return VMSIM_EINVAL;
    if (c->state != CONFIG_OPEN)
        return VMSIM_ESTATE;
    size_t errors = vmsim__diag_mark(c);
    const struct vmsim__source *s = vmsim__source_text(c, "--set", assignment, strlen(assignment));
    if (!s)
        return source_error(c, errors);
    struct vmsim__override o = {.source = s, .path_length = path_length(assignment)};
    return vmsim__vec_push(c->alloc, &c->overrides, o) ? 0 : VMSIM_ENOMEM;
}

/* Overrides are applied twice: those that choose presets and includes before these are read, all others after, on top
 * of what they brought. */
static int resolve_tree(struct vmsim_config *c) {
    VMSIM__ASSERT(!c->bound);
    if (!c->tree)
        c->tree = vmsim__node_new(c, NODE_MAPPING, (struct vmsim__place){0});
    if (!c->tree)
        return VMSIM_ENOMEM;
    int err = vmsim__override_apply(c, true);
    if (err == VMSIM_ENOMEM)
        return err;
    int e = vmsim__include_resolve(c, &c->tree, c->table, "", 0);
    c->incomplete = e != 0;
    if (!e) /* else the tree lacks what overrides refer to: more errors would mislead */
        e = vmsim__override_apply(c, false);
    return e ? e : err;
}

/* What can still be checked after an override failed is checked, too. */
static int resolve(struct vmsim_config *c) {
    VMSIM__ASSERT(c->state == CONFIG_OPEN);
    if (c->errors.count)
        return VMSIM_ECONFIG;
    int err = resolve_tree(c);
    if (err == VMSIM_ENOMEM || !c->tree)
        return VMSIM_ENOMEM;
    void *bound = vmsim__arena_alloc(&c->arena, 1, c->size);
    if (!bound)
        return VMSIM_ENOMEM;
    vmsim__textbuf_clear(&c->path);
    int e = vmsim__bind_table(c, c->tree, c->table, bound);
    if (e == VMSIM_ENOMEM || c->path.failed)
        return VMSIM_ENOMEM;
    if (c->arena.failed)
        return VMSIM_ENOMEM;
    if (c->errors.count || err || e)
        return VMSIM_ECONFIG;
    c->bound = bound;
    VMSIM__ASSERT(!c->errors.count && !c->depth);
    return 0;
}

int vmsim_config_resolve(struct vmsim_config *c) {
    if (!c)
        return VMSIM_EINVAL;
    if (c->state != CONFIG_OPEN)
        return VMSIM_ESTATE;
    int err = resolve(c);
    c->state = err ? CONFIG_FAILED : CONFIG_RESOLVED;
    return err;
}

size_t vmsim_config_error_count(const struct vmsim_config *c) {
    if (!c)
        return 0;
    return c->errors.count;
}

const char *vmsim_config_error_text(const struct vmsim_config *c, size_t index) {
    if (!c)
        return NULL;
    return index < c->errors.count ? c->errors.at[index].text : NULL;
}

int vmsim_config_error_code(const struct vmsim_config *c, size_t index) {
    if (!c)
        return VMSIM_EINVAL;
    return index < c->errors.count ? c->errors.at[index].code : 0;
}

/* Hands the text made in `out` to the caller. */
static int hand_out(struct vmsim_config *c, const char **text, size_t *size) {
    VMSIM__ASSERT(text);
    *text = c->out.failed ? NULL : vmsim__textbuf_text(&c->out);
    if (size)
        *size = c->out.failed ? 0 : c->out.count;
    return c->out.failed ? VMSIM_ENOMEM : 0;
}

int vmsim_config_dump(struct vmsim_config *c, unsigned flags, const char **text, size_t *size) {
    if (!c || !text)
        return VMSIM_EINVAL;
    *text = NULL;
    if (c->state != CONFIG_RESOLVED)
        return VMSIM_ESTATE;
    vmsim__textbuf_clear(&c->out);
    vmsim__emit_struct(c, c->table, c->bound, c->tree, flags, &c->out);
    return hand_out(c, text, size);
}

const char *vmsim__config_text(struct vmsim_config *c, const void *root) {
    const char *text;
    vmsim__textbuf_clear(&c->out);
    vmsim__emit_struct(c, c->table, root, NULL, 0, &c->out);
    return hand_out(c, &text, NULL) ? NULL : text;
}

const char *vmsim__config_steps_text(struct vmsim_config *c, struct vmsim_param_list steps) {
    const char *text;
    vmsim__textbuf_clear(&c->out);
    vmsim__emit_steps(c, steps, &c->out);
    return hand_out(c, &text, NULL) ? NULL : text;
}

/* A reader never finds half a file, and a failure leaves the old one. */
int vmsim_config_dump_file(struct vmsim_config *c, unsigned flags, const char *path) {
    if (!c || !path)
        return VMSIM_EINVAL;
    const char *text;
    size_t size;
    struct vmsim__err why = {0};
    int err = vmsim_config_dump(c, flags, &text, &size);
    err = err ? err : vmsim__output_whole(c->alloc, path, text, size, &why);
    if (err && why.code)
        vmsim__diag_add(c, err, (struct vmsim__place){0}, "%s", why.text);
    return err;
}

int vmsim_config_schema(struct vmsim_config *c, const char **text, size_t *size) {
    if (!c || !text)
        return VMSIM_EINVAL;
    vmsim__textbuf_clear(&c->out);
    if (vmsim__schema_write(c->table, c->alloc, &c->out))
        c->out.failed = true;
    return hand_out(c, text, size);
}

int vmsim_config_reference(struct vmsim_config *c, const char **text, size_t *size) {
    if (!c || !text)
        return VMSIM_EINVAL;
    vmsim__textbuf_clear(&c->out);
    if (vmsim__reference_write(c->table, c->alloc, c->knob_row, &c->out))
        c->out.failed = true;
    return hand_out(c, text, size);
}

/* The text as it stands, comments included, for people to read and to begin with. */
int vmsim_config_preset_text(struct vmsim_config *c, const char *name, const char **text, size_t *size) {
    if (!c || !name || !text)
        return VMSIM_EINVAL;
    *text = NULL;
    size_t errors = vmsim__diag_mark(c);
    const char *path = vmsim__preset_find(c, name, (struct vmsim__place){0});
    const struct vmsim__source *s = path ? vmsim__source_file(c, path, NULL) : NULL;
    if (!s)
        return source_error(c, errors);
    *text = s->text;
    if (size)
        *size = s->size;
    return 0;
}

void vmsim__config_set_root(struct vmsim_config *c, const struct vmsim_param *root) {
    c->table = root;
}

void vmsim__config_set_knobs(struct vmsim_config *c, vmsim__knob_row *row) {
    VMSIM__ASSERT(row);
    c->knob_row = row;
}

const void *vmsim__config_root(const struct vmsim_config *c) {
    return c->state == CONFIG_RESOLVED ? c->bound : NULL;
}

int vmsim__config_bind(struct vmsim_config *c, const struct vmsim__node *node, const char *path,
                       const struct vmsim_param *table, void *out) {
    VMSIM__ASSERT(table && out);
    struct vmsim__node empty = {.kind = NODE_MAPPING};
    c->arena.failed = false;
    vmsim__textbuf_clear(&c->path);
    vmsim__textbuf_puts(&c->path, path);
    int err = vmsim__bind_table(c, node ? node : &empty, table, out);
    return c->path.failed || c->arena.failed ? VMSIM_ENOMEM : err;
}

/* The message is made first: its arguments may be texts of this configuration. */
int vmsim__config_error(struct vmsim_config *c, const char *path, const char *format, ...) {
    VMSIM__ASSERT(path && format);
    va_list args;
    va_start(args, format);
    const char *message = vmsim__arena_vprintf(&c->arena, format, args);
    va_end(args);
    struct vmsim__place place;
    vmsim__path_find(c, path, true, &place);
    return message ? vmsim__diag_add(c, VMSIM_ECONFIG, place, "%s%s%s", path, *path ? ": " : "", message)
                   : VMSIM_ENOMEM;
}

int vmsim__config_error_node(struct vmsim_config *c, const struct vmsim__node *node, const char *format, ...) {
    VMSIM__ASSERT(format);
    struct vmsim__place nowhere = {0};
    va_list args;
    va_start(args, format);
    int err = vmsim__diag_vadd(c, VMSIM_ECONFIG, node ? node->place : nowhere, format, args);
    va_end(args);
    return err;
}

const char *vmsim__config_origin(struct vmsim_config *c, const char *path) {
    struct vmsim__place place;
    return vmsim__path_find(c, path, false, &place) ? vmsim__place_text(c, place) : "default";
}

const char *vmsim__config_portable(struct vmsim_config *c, const char *path, const char *name) {
    struct vmsim__place place;
    return vmsim__portable_name(vmsim__path_find(c, path, false, &place), name);
}

const char *vmsim__node_file(const struct vmsim__node *node) {
    return node && node->place.source ? node->place.source->name : "default";
}

const char *vmsim__config_relative(struct vmsim_config *c, const char *config_path, const char *path) {
    struct vmsim__place place;
    vmsim__path_find(c, config_path, false, &place);
    return vmsim__path_beside(c, place.source, path);
}

/* Beside the file that names it, before directories of the user. Not found: where it was looked for first, for the
 * message. */
const char *vmsim__config_find(struct vmsim_config *c, const char *config_path, const char *path) {
    VMSIM__ASSERT(config_path && path);
    const char *beside = vmsim__config_relative(c, config_path, path);
    if (!beside || *path == '/' || !access(beside, F_OK))
        return beside;
    for (size_t i = 0; i < c->search.count; i++) {
        size_t size = strlen(c->search.at[i]) + strlen(path) + 2;
        char *there = vmsim__config_alloc(c, 1, size);
        if (!there)
            return NULL;
        snprintf(there, size, "%s/%s", c->search.at[i], path);
        if (!access(there, F_OK))
            return there;
    }
    return beside;
}

void *vmsim__config_alloc(struct vmsim_config *c, size_t count, size_t size) {
    return vmsim__arena_alloc(&c->arena, count, size);
}
