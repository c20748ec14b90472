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
    VMSIM_PARAM_ADDRESS      /**< uint64_t; hexadecimal in output, a size suffix is accepted */
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

/** One parameter. Unused members are zero. */
struct vmsim_param {
    const char *name;                 /**< as spelled in YAML: Linux's or the field's own word */
    enum vmsim_param_type type;       /**< what it holds */
    size_t offset;                    /**< of the value in the described struct */
    const char *fallback;             /**< default, in YAML syntax; NULL: required (scalars) or empty (lists, maps) */
    uint64_t min, max;                /**< inclusive bounds of a number; both 0: unbounded. For INT: as int64_t bits */
    const char *doc;                  /**< one or two sentences: meaning, unit, source of the default */
    const char *const *choices;       /**< ENUM: NULL-terminated names */
    const struct vmsim_param *fields; /**< STRUCT, STRUCT_LIST: the nested table */
    size_t element_size;              /**< STRUCT_LIST: sizeof one element */
    enum vmsim_param_type element;    /**< LIST: type of the elements */
    unsigned flags;                   /**< VMSIM_PARAM_OPTIONAL, ... */
};

/** The parameter may be absent; the value is then zero and `fallback` is ignored. */
#define VMSIM_PARAM_OPTIONAL 1u

#endif
