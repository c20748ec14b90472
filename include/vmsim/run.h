/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_RUN_H
#define VMSIM_RUN_H
/**
 * @file run.h
 * @brief Run directories that were written: one to look at as a page, several to compare.
 *
 *     vmsim_run_open("out", &run);
 *     vmsim_run_save(run, VMSIM_RUN_HTML, "out.html");    one file for a browser, which needs nothing else
 *     vmsim_run_close(run);
 *
 * What is readable is taken, and what is missing or was changed is named (vmsim_run_note()): a run whose writing was
 * cut short, or one of an older vmsim, can still be looked at. Nothing is made of a directory that holds no stats.json.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmsim/error.h"
#include "vmsim/version.h"

VMSIM_BEGIN_DECLS

/** A run directory that was read. Opaque; of one thread at a time. */
struct vmsim_run;

/**
 * Reads a run directory.
 * @param run receives a handle, which vmsim_run_close() takes back; also on failure, for the text, unless there is no
 * memory at all: then NULL.
 * @return 0, VMSIM_ENOENT (no such directory), VMSIM_EFORMAT (it is no run of vmsim), VMSIM_EVERSION (its
 * stats.json is of a format that this version does not know), VMSIM_ECORRUPT (stats.json is no JSON) or VMSIM_ENOMEM.
 */
int vmsim_run_open(const char *directory, struct vmsim_run **run);
/** Frees it. NULL is fine. */
void vmsim_run_close(struct vmsim_run *run);
/** Text of the last error, or "". */
const char *vmsim_run_error(const struct vmsim_run *run);
/** Number of things that are not as vmsim writes them: a file is missing, is cut short, or was changed. */
size_t vmsim_run_notes(const struct vmsim_run *run);
/** Text of note `index`; NULL beyond the last. */
const char *vmsim_run_note(const struct vmsim_run *run, size_t index);

/** Documents that vmsim_run_render can make. */
enum vmsim_run_format {
    VMSIM_RUN_HTML,    /**< one file: series with a common cursor and zoom, tables, configuration; no network */
    VMSIM_RUN_MARKDOWN /**< tables for a merge request */
};
/**
 * Makes one document of a run. Equal directories give equal bytes.
 * @param text receives it, NUL-terminated; free with vmsim_run_free_text(). NULL on failure.
 * @param size receives its length in bytes; may be NULL.
 * @return 0, VMSIM_EINVAL or VMSIM_ENOMEM.
 */
int vmsim_run_render(struct vmsim_run *run, enum vmsim_run_format format, const char **text, size_t *size);
/** Frees a text of vmsim_run_render(), before the run is closed. NULL is fine. */
void vmsim_run_free_text(struct vmsim_run *run, const char *text);

/**
 * The same into a file. A file of that name is replaced when the document is whole; a device or a pipe is written to.
 * @return 0, VMSIM_EINVAL, VMSIM_EIO or VMSIM_ENOMEM.
 */
int vmsim_run_save(struct vmsim_run *run, enum vmsim_run_format format, const char *path);

/** Most runs of one comparison. */
#define VMSIM_COMPARE_RUNS 16

/** How a comparison is written. */
enum vmsim_compare_format {
    VMSIM_COMPARE_TEXT,     /**< tables for people */
    VMSIM_COMPARE_MARKDOWN, /**< tables for a merge request */
    VMSIM_COMPARE_JSON,     /**< one object, with all that changed */
    VMSIM_COMPARE_HTML      /**< a page for a browser: the same, and the series of all runs over each other */
};

/** What to compare. Zero-initialise, set `size`. */
struct vmsim_compare_options {
    size_t size;              /**< sizeof(struct vmsim_compare_options) */
    uint64_t threshold;       /**< millionths of the first run's value: smaller changes are not shown; 0: all are */
    size_t rows;              /**< most changes that are shown in text and Markdown; 0: all */
    const char *pattern;      /**< of names to look at (`*` any text, `?` one character); NULL: all */
    const char *const *gates; /**< bounds: "vmstat.pgmajfault=1%": no more than 1 % above the first run; "-1%": no more
                                   than 1 % below; a pattern stands for all names that match */
    size_t gate_count;        /**< of `gates` */
    bool seeds;               /**< runs that differ in nothing but workload.seed are repetitions of one: their means are
                                   compared, and have changed where they are further apart than their 95 % intervals */
};

/** What a comparison found. */
struct vmsim_compare_result {
    size_t changed;  /**< names whose value is not the same in all runs, however little; of those that were looked at */
    size_t breaches; /**< gates that a run broke, each name counted for itself */
};

/**
 * Holds runs against the first: counters, the numbers of the run, where the time went. Simulated numbers are exact, so
 * they are compared exactly. What makes the runs unlike (versions, inputs, keys of the configuration) is told first.
 * @param runs 2 to VMSIM_COMPARE_RUNS of them, opened; errors are told on the first.
 * @param text receives the document; free with vmsim_run_free_text() of the first run. NULL on failure.
 * @param size receives its length in bytes; may be NULL.
 * @param result may be NULL.
 * @return 0, VMSIM_EINVAL (a gate or option that is none, a name in no run) or VMSIM_ENOMEM.
 */
int vmsim_run_compare(struct vmsim_run *const *runs, size_t count, const struct vmsim_compare_options *options,
                      enum vmsim_compare_format format, const char **text, size_t *size,
                      struct vmsim_compare_result *result);

VMSIM_END_DECLS

#endif
