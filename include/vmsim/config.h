/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_CONFIG_H
#define VMSIM_CONFIG_H
/**
 * @file config.h
 * @brief Configurations: load YAML, override, check, print.
 *
 * The order of calls:
 *
 *     vmsim_config_create -> add_search_dir* -> load_file | load_text (one or more; a later one overrides)
 *                         -> set* -> resolve -> (errors | dump, vmsim_scenario_create ...) -> destroy
 *
 * Nothing is printed and nothing is half taken: resolve either returns 0, or leaves a list of *all* errors found,
 * each a text of several lines:
 *
 *     box.yaml:7:5: error: machine.nodes[0]: unknown key 'memroy' (did you mean 'memory'?)
 *         memroy: 4GiB
 *         ^~~~~~
 *
 * In any section a file may say `preset: NAME` (NAME.yaml in the search directories) or `include: FILE` (beside the
 * including file; one name or a list). What they hold lies beneath the section's own keys: mappings are merged key by
 * key, everything else is replaced.
 *
 * Texts that a function hands out belong to the configuration. A configuration belongs to one thread at a time.
 */
#include <stddef.h>

#include "vmsim/error.h"

VMSIM_BEGIN_DECLS

/** A configuration: texts read, overrides, the checked result and the errors. */
struct vmsim_config;

/** Flags of vmsim_config_dump. */
enum vmsim_config_dump_flags {
    VMSIM_CONFIG_DUMP_ORIGINS = 1, /**< a comment beside each value: where it came from */
    VMSIM_CONFIG_DUMP_PORTABLE = 2 /**< nothing of this host: of files that are named by an absolute path, or on the
                                        command line, the last part of the name; no place of output */
};

/**
 * Makes an empty configuration for machines, policies, workloads and expectations.
 * @param config receives it; NULL on failure.
 * @return 0 or VMSIM_ENOMEM.
 */
int vmsim_config_create(struct vmsim_config **config);

/** Frees the configuration and every text it handed out. NULL is fine. */
void vmsim_config_destroy(struct vmsim_config *config);

/**
 * Adds a directory in which presets are looked up, and traces that do not lie beside the file that names them. Those
 * added come first, in the order added; then those of the environment variable VMSIM_MACHINES (separated by ':'), then
 * those installed with the library.
 * @return 0 or VMSIM_ENOMEM.
 */
int vmsim_config_add_search_dir(struct vmsim_config *config, const char *path);

/**
 * Reads a YAML file. At most 16 MiB; longer files are refused unread.
 * @return 0; VMSIM_ENOENT or VMSIM_EIO (unreadable), VMSIM_ESYNTAX (not a YAML document, duplicate keys, not UTF-8),
 * VMSIM_ELIMIT (too big, too deep), VMSIM_ENOMEM, or VMSIM_ESTATE after resolve. The errors stand in the list.
 */
int vmsim_config_load_file(struct vmsim_config *config, const char *path);

/** What vmsim_config_restrict() forbids. */
enum vmsim_config_limits {
    VMSIM_CONFIG_NO_PLUGINS = 1,  /**< a configuration that names a plugin is refused */
    VMSIM_CONFIG_SKIP_PLUGINS = 2 /**< plugins are not loaded: whoever would ask one asks the default instead. For
                                       checks; the machine is not the one that is described */
};
/**
 * For configurations that somebody else wrote; before the first file is loaded. Files that are loaded by name, settings
 * of vmsim_config_set() and search directories are the caller's own and not limited.
 * @param limits of ::vmsim_config_limits, 0 for none.
 * @param root the configuration may name no file outside of this directory (includes, traces, plugins, the directory
 * of the report); links are followed before that is looked at. NULL: any file.
 * @return 0, VMSIM_ENOENT or VMSIM_EIO (no such directory), VMSIM_ESTATE (something is loaded) or VMSIM_ENOMEM.
 */
int vmsim_config_restrict(struct vmsim_config *config, unsigned limits, const char *root);
struct vmsim_policy;
/**
 * Makes a policy of the calling program known, as a plugin's would be: machines of this configuration find it by its
 * name (`policies.reclaim.name=mine`), and tell of it as "linked-in". Its name must not be taken by a built-in one.
 * Whether it can be used is looked at when a machine is made.
 * @param policy the domain's struct (vmsim/policy.h), which must outlive all machines of the configuration.
 * @return 0 or VMSIM_ENOMEM.
 */
int vmsim_config_add_policy(struct vmsim_config *config, const struct vmsim_policy *policy);
/** Plugins that machines of this configuration were made without (::VMSIM_CONFIG_SKIP_PLUGINS). */
size_t vmsim_config_plugins_skipped(const struct vmsim_config *config);

/**
 * As vmsim_config_load_file, from memory.
 * @param name stands in messages where a file's name would; includes are looked up beside it.
 * @param text `size` bytes of YAML; copied.
 */
int vmsim_config_load_text(struct vmsim_config *config, const char *name, const char *text, size_t size);

/**
 * Overrides one value: `machine.nodes[0].memory=4GiB`. Later ones win. Lists, mappings: in YAML's flow style. `[+]`
 * appends to a list; a key with dots that the description does not know may be quoted: `a."b.c".d=1`.
 * The path and the value are checked by vmsim_config_resolve.
 * @return 0, VMSIM_ENOMEM, or VMSIM_ESTATE after resolve.
 */
int vmsim_config_set(struct vmsim_config *config, const char *assignment);

/**
 * Takes in presets and includes, applies the overrides, and checks everything.
 * @return 0; VMSIM_ECONFIG when there are errors (all of them are in the list), VMSIM_ENOMEM, or VMSIM_ESTATE when
 * called twice.
 */
int vmsim_config_resolve(struct vmsim_config *config);

/** Number of errors so far. They are in the order of their files and lines. */
size_t vmsim_config_error_count(const struct vmsim_config *config);

/** Error `index` with its source line, caret and chain of includes; ends without a newline. NULL beyond the last. */
const char *vmsim_config_error_text(const struct vmsim_config *config, size_t index);

/** The code (::vmsim_err) of error `index`; 0 beyond the last. */
int vmsim_config_error_code(const struct vmsim_config *config, size_t index);

/**
 * The whole resolved configuration, every default written out, as YAML that reads back to the same configuration.
 * @param flags of ::vmsim_config_dump_flags.
 * @param text receives the text, NUL-terminated, valid until the next call that hands out a text, or destroy.
 * @param size receives its length in bytes; may be NULL.
 * @return 0, VMSIM_ENOMEM, or VMSIM_ESTATE unless resolve returned 0.
 */
int vmsim_config_dump(struct vmsim_config *config, unsigned flags, const char **text, size_t *size);

/** As vmsim_config_dump, into a file as vmsim_trace_create() makes it: replaced at once, VMSIM_EIO or VMSIM_EINVAL. */
int vmsim_config_dump_file(struct vmsim_config *config, unsigned flags, const char *path);

/** The JSON schema (draft 2020-12) of the YAML. Parameters, errors and the text's life as vmsim_config_dump() has them.
 *  Works in any state. */
int vmsim_config_schema(struct vmsim_config *config, const char **text, size_t *size);

/** The reference of all keys in Markdown. Parameters, errors and the text's life as vmsim_config_dump() has them. Works
 * in any state. */
int vmsim_config_reference(struct vmsim_config *config, const char **text, size_t *size);

/**
 * Looks through the search directories.
 * @param count receives the number of presets; the first directory that has a name wins.
 * @return 0 or VMSIM_ENOMEM. Directories that do not exist are passed over.
 */
int vmsim_config_presets(struct vmsim_config *config, size_t *count);

/** Name of preset `index` of the last vmsim_config_presets, in alphabetical order; NULL beyond the last. */
const char *vmsim_config_preset_name(const struct vmsim_config *config, size_t index);
/** Its file. */
const char *vmsim_config_preset_path(const struct vmsim_config *config, size_t index);
/** Its first comment line without the '#' (a licence line is passed over), or "". */
const char *vmsim_config_preset_doc(const struct vmsim_config *config, size_t index);

/**
 * The text of a preset's file, as vmsim_config_dump hands out texts.
 * @return 0, VMSIM_ENOENT (the error list then has the message with a suggestion), VMSIM_EIO or VMSIM_ENOMEM.
 */
int vmsim_config_preset_text(struct vmsim_config *config, const char *name, const char **text, size_t *size);

VMSIM_END_DECLS

#endif
