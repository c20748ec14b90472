/* SPDX-License-Identifier: MIT */
/* What the files of config/ share: the tree, its sources and the list of errors.
 *
 *     node (mapping) --entries--> [key, place | value] [key, place | value] ...   in the order of the file
 *     node (sequence) --items---> [node] [node] ...
 *     node (scalar) ---text-----> "4GiB"
 *       each with a place: source (file or --set text), line and column from 1, length of what a caret underlines
 *
 * Trees are never shared between two parents (an alias copies), so overrides may change them in place. Keys carry a
 * hash that only speeds up their comparison; it orders nothing. */
#ifndef VMSIM__CONFIG_IMPL_H
#define VMSIM__CONFIG_IMPL_H
#include "base/util.h"
#include "base/vec.h"
#include "config/arena.h"
#include "config/config.h"
#include "config/textbuf.h"

enum {
    CONFIG_FILE_LIMIT = 16 << 20,  /* bytes of one file */
    CONFIG_DEPTH_LIMIT = 64,       /* mappings and sequences within each other */
    CONFIG_NODE_LIMIT = 1 << 20,   /* of all files together, aliases counted as often as used */
    CONFIG_KEY_LIMIT = 4096,       /* keys of one mapping */
    CONFIG_FILES_LIMIT = 1000,     /* files included, in all */
    CONFIG_ERROR_LIMIT = 100,      /* errors kept */
    CONFIG_KEY_BYTES = 160,        /* length of one key: libyaml's implicit keys end at 1024, escapes take six each */
    CONFIG_TOTAL_LIMIT = 64 << 20, /* bytes of all files */
    CONFIG_INCLUDE_LIMIT = 32      /* files within each other */
};

/* A text that was read. */
struct vmsim__source {
    const char *name;                   /* as given: "box.yaml", "--set", "default" */
    const char *text;                   /* NUL-terminated copy; NULL when it could not be read */
    size_t size;                        /* bytes */
    const uint32_t *lines;              /* offset of each line's first byte */
    size_t line_count;                  /* lines */
    size_t order;                       /* errors are listed in this order of sources */
    bool is_file;                       /* includes within it are relative to `name` */
    uint64_t device, inode;             /* of a file: the same file by another name is still the same */
    bool foreign;                       /* its errors are told without its words (config_trust.c) */
    const struct vmsim__source *parent; /* the including source, or NULL */
    unsigned parent_line, parent_column;
};

/* Where something stands. source NULL: nowhere (no file gave it). line 0: the source as a whole. */
struct vmsim__place {
    const struct vmsim__source *source;
    unsigned line, column, length;
};

enum vmsim__node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct vmsim__entry {
    const char *key;
    uint32_t hash;
    struct vmsim__place place; /* of the key */
    struct vmsim__node *value;
};

struct vmsim__node {
    enum vmsim__node_kind kind;
    bool plain;            /* scalar without quotes: may mean null */
    unsigned short height; /* levels beneath, right while its document is read */
    struct vmsim__place place;
    size_t count, capacity;
    union {
        const char *text;
        struct vmsim__node **items;
        struct vmsim__entry *entries;
    };
};

struct vmsim__diag {
    int code;
    struct vmsim__place place;
    size_t order; /* of being found: breaks ties */
    const char *text;
};

struct vmsim__override {
    const struct vmsim__source *source; /* the whole assignment */
    size_t path_length;                 /* bytes before '=' */
    bool bad;                           /* reported already */
};

struct vmsim__preset {
    const char *name, *path, *doc;
};

enum config_state { CONFIG_OPEN, CONFIG_RESOLVED, CONFIG_FAILED };

struct vmsim_config {
    struct vmsim__alloc *alloc;
    bool owns_alloc;
    enum config_state state;
    struct vmsim__arena arena;
    const struct vmsim_param *table; /* of the root mapping */
    vmsim__knob_row *knob_row;       /* NULL: the reference tells of no knobs */
    size_t size;
    struct vmsim__node *tree; /* NULL: nothing loaded */
    void *bound;              /* struct of `size` bytes */
    bool incomplete;          /* a preset or include failed: what is missing may be there */
    size_t nodes;             /* made so far */
    size_t sources;
    size_t includes;   /* files taken in so far */
    size_t text_bytes; /* of all sources */
    unsigned limits;   /* enum vmsim_config_limits */
    const char *root;  /* real path of the directory that files may lie in; NULL: anywhere */
    size_t skipped;    /* plugins */
    size_t errors_dropped;
    int last_code;              /* of the error added last */
    struct vmsim__textbuf out;  /* the text handed out last */
    struct vmsim__textbuf path; /* of the value that is being bound */
    unsigned depth;             /* of it, as vmsim_config_dump would write it */
    struct {
        VMSIM__VEC(struct vmsim__diag);
    } errors;
    struct {
        VMSIM__VEC(struct vmsim__override);
    } overrides;
    struct {
        VMSIM__VEC(const char *);
    } search;
    struct {
        VMSIM__VEC(struct vmsim__preset);
    } presets;
    struct {
        VMSIM__VEC(const struct vmsim_policy *);
    } policies; /* the calling program's */
};

/* config_diag.c: errors. Each returns `code`, or VMSIM_ENOMEM when the error could not be kept. */
int vmsim__diag_add(struct vmsim_config *c, int code, struct vmsim__place place, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int vmsim__diag_vadd(struct vmsim_config *c, int code, struct vmsim__place place, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));
/* " (did you mean 'x'?)", or "" when nothing is close; owned by the arena. */
const char *vmsim__diag_suggest(struct vmsim_config *c, const char *word, const void *names, size_t stride);
/* The same for a key of a table, which may also be a directive, or at home in a section of the table. */
const char *vmsim__diag_suggest_key(struct vmsim_config *c, const char *key, const struct vmsim_param *table);
/* A word from a file as messages show it: control characters escaped, cut to a readable length. */
const char *vmsim__diag_word(struct vmsim_config *c, const char *word);
bool vmsim__diag_full(const struct vmsim_config *c); /* no point in looking for more */
/* Grows with every error, kept or not: tells NULL for an error from NULL for want of memory. */
static inline size_t vmsim__diag_mark(const struct vmsim_config *c) {
    return c->errors.count + c->errors_dropped;
}
const char *vmsim__place_text(struct vmsim_config *c, struct vmsim__place place); /* "file:line:col"; NULL: no memory */

/* config_source.c: texts. NULL after an error, which was added. */
struct vmsim__source *vmsim__source_text(struct vmsim_config *c, const char *name, const char *text, size_t size);
struct vmsim__source *vmsim__source_file(struct vmsim_config *c, const char *path, const struct vmsim__place *from);
/* Length of the well-formed UTF-8 sequence at `s` (no overlong forms, no surrogates), or 0. */
/* config_trust.c: whether a file may be read or written for the configuration; whether an included file lies where the
 * including ones do not reach (a scenario that names /etc/shadow shall not have its lines shown). */
bool vmsim__config_may(const struct vmsim_config *c, const char *path);
bool vmsim__source_is_foreign(const struct vmsim_config *c, const struct vmsim__source *s);
bool vmsim__is_one_line(const char *text); /* without control characters */
size_t vmsim__utf8_size(const char *s, size_t left, unsigned *point);
/* Reports bytes that are not the characters YAML allows; 0 or an error. */
int vmsim__source_check(struct vmsim_config *c, const struct vmsim__source *s);
/* `path` beside the file `source`, or as it is when absolute or when the source is no file. */
const char *vmsim__path_beside(struct vmsim_config *c, const struct vmsim__source *source, const char *path);

/* config_yaml.c: the text of `s` without its first `skip` bytes -> tree. An empty document is an error. */
int vmsim__yaml_load(struct vmsim_config *c, const struct vmsim__source *s, size_t skip, struct vmsim__node **tree);

/* config_node.c: trees. Those that make nodes return NULL without memory or, after an error, above a limit. */
struct vmsim__node *vmsim__node_new(struct vmsim_config *c, enum vmsim__node_kind kind, struct vmsim__place place);
struct vmsim__node *vmsim__node_scalar(struct vmsim_config *c, struct vmsim__place place, const char *text);
bool vmsim__node_push(struct vmsim_config *c, struct vmsim__node *sequence, struct vmsim__node *item);
bool vmsim__node_put(struct vmsim_config *c, struct vmsim__node *mapping, const char *key, struct vmsim__place place,
                     struct vmsim__node *value); /* at the end; does not look for the key */
struct vmsim__entry *vmsim__node_find(const struct vmsim__node *mapping, const char *key); /* NULL node: NULL */
struct vmsim__node *vmsim__node_get(const struct vmsim__node *mapping, const char *key);
void vmsim__node_remove(struct vmsim__node *mapping, const char *key);
size_t vmsim__node_count(const struct vmsim__node *n);    /* nodes of the subtree */
unsigned vmsim__node_height(const struct vmsim__node *n); /* levels beneath, whatever was merged into it */
struct vmsim__node *vmsim__node_copy(struct vmsim_config *c, const struct vmsim__node *n);
/* `over` above `under`: mappings key by key, everything else replaced. Either may be NULL; `under` is used up. */
struct vmsim__node *vmsim__node_merge(struct vmsim_config *c, struct vmsim__node *under, struct vmsim__node *over);
bool vmsim__node_is_null(const struct vmsim__node *n);     /* an empty or null plain scalar */
const char *vmsim__node_what(const struct vmsim__node *n); /* "a list", "a mapping", "nothing", "'text'" kind */

/* config_include.c: takes in presets and includes of `n`, which `table` describes, and of all sections below. */
int vmsim__include_resolve(struct vmsim_config *c, struct vmsim__node **n, const struct vmsim_param *table,
                           const char *section, unsigned depth);
/* config_preset.c: path of NAME.yaml in the search directories; NULL without memory or after an error at `place`. */
const char *vmsim__preset_find(struct vmsim_config *c, const char *name, struct vmsim__place place);

/* config_override.c: applies those that name `preset` or `include` (directives true), or the others. */
int vmsim__override_apply(struct vmsim_config *c, bool directives);
/* The node at `path`, or with `nearest` its closest existing parent; NULL when nothing is there. */
struct vmsim__node *vmsim__path_find(struct vmsim_config *c, const char *path, bool nearest,
                                     struct vmsim__place *place);

/* config_value.c: scalars and tables. */
bool vmsim__param_is_scalar(enum vmsim_param_type type);
size_t vmsim__param_size(enum vmsim_param_type type);            /* of the C value; 0 for STRUCT */
const char *vmsim__param_expects(const struct vmsim_param *p);   /* "a size such as 4GiB" */
const char *vmsim__param_type_name(const struct vmsim_param *p); /* "size" */
/* "1 to 64" in the unit of the type, "" when unbounded. */
char *vmsim__param_bounds(const struct vmsim_param *p, enum vmsim_param_type type, char *text, size_t size);
const struct vmsim_param *vmsim__param_find(const struct vmsim_param *table, const char *name, size_t length);
const struct vmsim_param *vmsim__param_shorthand(const struct vmsim_param *table);
const struct vmsim_variant *vmsim__variant_find(const struct vmsim_variant *variants, const char *tag, size_t length);
/* The element of a scalar LIST, or of a LIST of LIST, as a parameter of its own. */
struct vmsim_param vmsim__param_element(const struct vmsim_param *list);
bool vmsim__param_is_directive(const struct vmsim_param *table, const char *key); /* preset, include, not declared */

/* config_bind.c */
int vmsim__bind_table(struct vmsim_config *c, const struct vmsim__node *n, const struct vmsim_param *table, void *out);

/* config_emit.c: `n` is the tree the struct was bound from (for origins), or NULL. */
void vmsim__emit_steps(struct vmsim_config *c, struct vmsim_param_list steps, struct vmsim__textbuf *b);
void vmsim__emit_struct(struct vmsim_config *c, const struct vmsim_param *table, const void *data,
                        const struct vmsim__node *n, unsigned flags, struct vmsim__textbuf *b);
/* The name of a file, given at `n`, without what depends on this host or on how it was typed: a relative name of a file
 * stays as it is spelled there, of every other the last part stays. */
const char *vmsim__portable_name(const struct vmsim__node *n, const char *name);
/* config_tables.c: every table that can be reached from the root, once, in the order of the keys. */
struct vmsim__table {
    const struct vmsim_param *fields;
    char title[120]; /* "machine.nodes[]"; "" for the root */
};
struct vmsim__tables {
    VMSIM__VEC(struct vmsim__table);
};
int vmsim__tables_collect(struct vmsim__alloc *alloc, const struct vmsim_param *root, struct vmsim__tables *out);
const struct vmsim__table *vmsim__tables_find(const struct vmsim__tables *t, const struct vmsim_param *fields);
bool vmsim__param_is_required(const struct vmsim_param *p);

/* config_schema.c, config_reference.c */
int vmsim__schema_write(const struct vmsim_param *root, struct vmsim__alloc *alloc, struct vmsim__textbuf *b);
int vmsim__reference_write(const struct vmsim_param *root, struct vmsim__alloc *alloc, vmsim__knob_row *row_at,
                           struct vmsim__textbuf *b);

#endif
