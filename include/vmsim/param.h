/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_PARAM_H
#define VMSIM_PARAM_H
/**
 * @file param.h
 * @brief Declaration of one parameter: everything that is ever said of it is said here, once.
 *
 * A table of these feeds the YAML reader (with line:column errors and suggestions), `--set`, the resolved
 * configuration, `vmsim policy show`, the JSON schema and the generated reference. Machine descriptions,
 * workload steps and policies all use it.
 *
 * A table ends with an entry whose name is NULL. `offset` is the place of the value in the struct that the
 * table describes. Pointers of a table have static storage.
 */
#include <stddef.h>
#include <stdint.h>

/** What a parameter holds, and so which C type stands at its offset. */
enum vmsim_param_type {
    VMSIM_PARAM_BOOL,   /**< bool; YAML true/false */
    VMSIM_PARAM_UINT,   /**< uint64_t; decimal or 0x, no unit */
    VMSIM_PARAM_INT,    /**< int64_t */
    VMSIM_PARAM_SIZE,   /**< uint64_t bytes; B, kB (1024, as in /proc), KiB, MiB, GiB, TiB; a bare number is bytes */
    VMSIM_PARAM_TIME,   /**< uint64_t nanoseconds; ns, us, ms, s; a unit is required unless 0 */
    VMSIM_PARAM_STRING, /**< const char *, owned by whoever owns the struct; NULL when absent and no default */
    VMSIM_PARAM_ENUM,   /**< int; one of `choices` (its index) */
    VMSIM_PARAM_LIST,   /**< struct vmsim_param_list of scalars of type `element` */
    VMSIM_PARAM_STRUCT, /**< a nested struct described by `fields`, embedded at the offset */
    VMSIM_PARAM_STRUCT_LIST, /**< struct vmsim_param_list of structs described by `fields`, `element_size` bytes each */
    VMSIM_PARAM_MAP,         /**< struct vmsim_param_list of struct vmsim_param_pair: free keys to scalar texts */
    VMSIM_PARAM_ADDRESS,     /**< uint64_t; hexadecimal in output, a size suffix is accepted */
    VMSIM_PARAM_RATIO,       /**< uint64_t millionths; "0.25", "25%" or "1"; exact, no floating point */
    VMSIM_PARAM_STRUCT_MAP,  /**< as STRUCT_LIST, written as free keys to structs; the key is a `const char *` at
                                  `key_offset` of the element */
    VMSIM_PARAM_VARIANT_LIST, /**< struct vmsim_param_list of struct vmsim_param_variant: each element is a one-key
                                   mapping `tag: {fields}` or the bare word `tag`, one of `variants` */
    VMSIM_PARAM_NODE /**< const struct vmsim__node *: a part of the file kept as it is, bound later against another
                          table (a policy's own parameters); NULL when absent */
};

/** A list value: `data` holds `count` elements; owned by the configuration it belongs to. */
struct vmsim_param_list {
    void *data;   /**< the elements, or NULL when count is 0 */
    size_t count; /**< number of elements */
};

/** One entry of a VMSIM_PARAM_MAP. `origin` says where it came from, for later messages ("file:line:col"). */
struct vmsim_param_pair {
    const char *key;    /**< never NULL */
    const char *value;  /**< never NULL */
    const char *origin; /**< "file:line:col", "--set" or "default" */
};

struct vmsim_param;

/** One kind of element of a VMSIM_PARAM_VARIANT_LIST. An array of these ends with one whose tag is NULL. */
struct vmsim_variant {
    const char *tag;                  /**< the word that selects it */
    const struct vmsim_param *fields; /**< its table; NULL or an empty table: nothing may follow the tag */
    size_t size;                      /**< sizeof the struct that `fields` describes; 0 without one */
    const char *doc;                  /**< one or two sentences for the reference */
};

/** A bound element of a VMSIM_PARAM_VARIANT_LIST. */
struct vmsim_param_variant {
    const struct vmsim_variant *variant; /**< which; never NULL */
    void *data;                          /**< the struct, `variant->size` bytes; NULL when that is 0 */
    const char *origin;                  /**< "file:line:col", "--set" or "default" */
};

/** One parameter. Unused members are zero. */
struct vmsim_param {
    const char *name;                 /**< as spelled in YAML: Linux's or the field's own word */
    enum vmsim_param_type type;       /**< what it holds */
    size_t offset;                    /**< of the value in the described struct */
    const char *fallback;             /**< default, in YAML syntax; NULL: required (scalars) or empty (lists, maps) */
    uint64_t min, max;                /**< inclusive bounds of a number (INT: as int64_t bits) or of each number of a
                                           LIST; of the count of a STRUCT_LIST, STRUCT_MAP, VARIANT_LIST or MAP. Both 0:
                                           unbounded; min > 0 with max 0: only a lower bound */
    const char *doc;                  /**< one or two sentences: meaning, unit, source of the default */
    const char *const *choices;       /**< ENUM: NULL-terminated names */
    const struct vmsim_param *fields; /**< STRUCT, STRUCT_LIST, STRUCT_MAP: the nested table. LIST of LIST: one
                                           nameless entry that describes the inner list */
    size_t element_size;              /**< STRUCT_LIST, STRUCT_MAP: sizeof one element */
    enum vmsim_param_type element;    /**< LIST: type of the elements: a scalar type, or LIST */
    unsigned flags;                   /**< VMSIM_PARAM_OPTIONAL, ... */
    const struct vmsim_variant *variants; /**< VARIANT_LIST: what an element may be */
    size_t key_offset;                    /**< STRUCT_MAP: of the `const char *` that takes the key */
    size_t present; /**< offset of a bool (never at 0) that is set when the parameter is given; 0: none. Tells an
                         absent OPTIONAL from a given zero */
};

/** The parameter may be absent; the value is then zero and `fallback` is ignored. */
#define VMSIM_PARAM_OPTIONAL 1u
/** The number, or each number of a list, must be a power of two. */
#define VMSIM_PARAM_POW2 2u
/** At most one of a table: a struct that is written as one value (`reclaim: lru`) means this field of it. */
#define VMSIM_PARAM_SHORTHAND 4u
/** The text, or each text of a list, names a file of the host that is read. */
#define VMSIM_PARAM_INPUT 8u
/** The text names what is written: where, which is no part of a run. */
#define VMSIM_PARAM_OUTPUT 16u

#endif
