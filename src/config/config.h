/* SPDX-License-Identifier: MIT */
/* The configuration engine: YAML text -> tree with places -> merged tree -> structs described by parameter tables.
 *
 *     file, text ----load----> tree --+
 *     preset:, include: --load-> tree -+--merge--> tree --overrides (--set)--> tree --bind(table)--> struct
 *                                                                                                     |
 *         YAML <--emit(table, struct, tree for the origins)------------------------------------------+
 *
 * It knows nothing of machines: the layers above give it their tables (vmsim/param.h). Everything a configuration
 * makes (nodes, texts, bound lists and strings) lives in its arena until vmsim_config_destroy. Errors are collected
 * in a list with the place they concern, so that a user sees all of them at once; functions below return 0 or the
 * code of the error that they added.
 */
#ifndef VMSIM__CONFIG_H
#define VMSIM__CONFIG_H
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/knob.h"
#include "vmsim/config.h"
#include "vmsim/param.h"

struct vmsim__node;

/* An empty configuration whose root mapping is described by `root`, a struct of `size` bytes. With `alloc` NULL it
 * makes its own allocator and destroys it at vmsim_config_destroy. The layer that knows the root table implements
 * the public vmsim_config_create with this. */
int vmsim__config_create(struct vmsim__alloc *alloc, const struct vmsim_param *root, size_t size,
                         struct vmsim_config **config);

/* Replaces the root table by an equal one that lives longer (in the configuration's own memory). */
void vmsim__config_set_root(struct vmsim_config *config, const struct vmsim_param *root);

/* The knobs that the reference is to tell of: row by row, NULL past the end. */
void vmsim__config_set_knobs(struct vmsim_config *config, vmsim__knob_row *row);

/* The bound root struct after a successful vmsim_config_resolve, else NULL. */
const void *vmsim__config_root(const struct vmsim_config *config);

/* `root`, a struct like the bound one, and steps of a VMSIM_PARAM_VARIANT_LIST, as YAML with every value: two that mean
 * the same have the same text. Good until the next text of this configuration; NULL: no memory. */
const char *vmsim__config_text(struct vmsim_config *config, const void *root);
const char *vmsim__config_steps_text(struct vmsim_config *config, struct vmsim_param_list steps);

/* Binds a part of the tree (a VMSIM_PARAM_NODE value; NULL: everything is default) to `out`, which the caller zeroed.
 * `path` is what stands before the keys in messages ("policies.reclaim.params"). Adds errors to the list; returns 0,
 * VMSIM_ECONFIG or VMSIM_ENOMEM. Lists and strings of `out` live as long as the configuration. */
int vmsim__config_bind(struct vmsim_config *config, const struct vmsim__node *node, const char *path,
                       const struct vmsim_param *table, void *out);

/* Adds an error about the value at `path` ("machine.nodes[1].cpus") of the resolved tree, or about its nearest
 * parent that the files give: for checks that concern more than one value. Returns VMSIM_ECONFIG or VMSIM_ENOMEM. */
int vmsim__config_error(struct vmsim_config *config, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same at a VMSIM_PARAM_NODE (NULL: no place). */
int vmsim__config_error_node(struct vmsim_config *config, const struct vmsim__node *node, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "file:line:col", "--set" or "default": where the value at `path` came from. Owned by the configuration; NULL when
 * there is no memory. */
const char *vmsim__config_origin(struct vmsim_config *config, const char *path);
/* Whether the configuration may name the file `path` at `key`: 0, or an error has been added. */
int vmsim__config_check_file(struct vmsim_config *config, const char *key, const char *path);
unsigned vmsim__config_limits(const struct vmsim_config *config);
/* What vmsim_config_add_policy() was given, in that order; the array is the configuration's. */
const struct vmsim_policy *const *vmsim__config_policies(const struct vmsim_config *config, size_t *count);
void vmsim__config_skipped(struct vmsim_config *config); /* one plugin was left out */
/* The name of the file at the key `path` as VMSIM_CONFIG_DUMP_PORTABLE writes it: a part of `name`. */
const char *vmsim__config_portable(struct vmsim_config *config, const char *path, const char *name);

/* The name of the file or text that a NODE stands in ("--set" for an override): plugin paths are relative to it. */
const char *vmsim__node_file(const struct vmsim__node *node);
/* `path` as seen from the place of the value at `config_path`: beside its file unless absolute. Owned by the
 * configuration; NULL when there is no memory. */
const char *vmsim__config_relative(struct vmsim_config *config, const char *config_path, const char *path);

/* The same for an input file: when there is none beside the value, the first search directory that has it. */
const char *vmsim__config_find(struct vmsim_config *config, const char *config_path, const char *path);

/* Memory that lives as long as the configuration; zeroed. NULL when there is none. */
void *vmsim__config_alloc(struct vmsim_config *config, size_t count, size_t size);

/* What is wrong with a table itself (a default out of its bounds, two equal names, ...), or NULL. For tests of the
 * modules that declare tables; `text` receives the message. */
const char *vmsim__param_table_check(const struct vmsim_param *table, size_t struct_size, char *text, size_t size);

/* Reads one scalar as YAML would give it ("4GiB", "madvise") into `out`, with the checks of `param`. For callers
 * outside of files (a test, a sysctl write at run time); a STRING is `text` itself. On failure `why` receives one line.
 */
bool vmsim__param_parse(const struct vmsim_param *param, const char *text, void *out, char *why, size_t size);
/* The canonical text of the scalar at `value`, cut to `size`. Returns `text`. */
char *vmsim__param_format(const struct vmsim_param *param, const void *value, char *text, size_t size);

#endif
