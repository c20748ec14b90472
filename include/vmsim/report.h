/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_REPORT_H
#define VMSIM_REPORT_H
/**
 * @file report.h
 * @brief What a run came to: for people, for programs, and as the files that Linux would show.
 *
 *     vmsim_report_write(scenario, "run")         run/summary.txt   what a person reads first
 *                                                 run/stats.json    every number (docs/stats-schema.json)
 *                                                 run/intervals.csv a row an interval
 *                                                 run/resolved.yaml the whole configuration, defaults written out
 *                                                 run/proc run/sys  as Linux would show them at the end
 *                                                 run/manifest.json versions, seed, inputs, files with sizes and hashes
 *
 * A report is a pure function of the run: no wall-clock time, no pointer, no absolute path of this host. The same run
 * gives the same bytes whatever compiled the library. Texts handed out are allocated and go back through
 * vmsim_report_free() or vmsim_report_proc_free().
 */
#include <stddef.h>

#include "vmsim/error.h"
#include "vmsim/scenario.h"
#include "vmsim/vmsim.h"

VMSIM_BEGIN_DECLS

/** Version of stats.json: the first number changes when something that was there changes its meaning or goes. */
#define VMSIM_REPORT_SCHEMA "1.0"

/** Documents that vmsim_report_render can make. */
enum vmsim_report_kind {
    VMSIM_REPORT_SUMMARY,     /**< aligned text, 80 to 100 columns but for long names: summary.txt */
    VMSIM_REPORT_STATS,       /**< stats.json */
    VMSIM_REPORT_INTERVALS,   /**< intervals.csv */
    VMSIM_REPORT_EXPECTATIONS /**< the table of expectations and failed steps alone; "" when there are none */
};

/**
 * Writes the whole run directory. It is written beside `directory` under the name DIRECTORY.part (.part1 ... when that
 * is taken) and put in place by one rename when complete, so what bears the name is whole. A run that vmsim wrote
 * before is replaced when all that it holds is as its manifest says; a file that was added or changed, and any other
 * thing of that name, an empty directory apart, makes that a refusal. Parents must exist.
 * @return 0, VMSIM_EIO (unwritable, disk full; nothing of it is left, the old directory stays), VMSIM_EINVAL
 * (something else bears the name) or VMSIM_ENOMEM; the text is in vmsim_report_error().
 */
int vmsim_report_write(struct vmsim_scenario *scenario, const char *directory);

/** The same, and asks `progress` now and then, while rows of intervals are written, whether to go on; when not, all
 * that was written goes again, and it returns VMSIM_ESTATE. NULL: nobody is asked. */
int vmsim_report_write_watched(struct vmsim_scenario *scenario, const char *directory, vmsim_progress_fn *progress,
                               void *context);

/** Whether vmsim_report_write() could take this place now: to ask before a long run. @return as vmsim_report_write();
 *  nothing is written.
 */
int vmsim_report_check(struct vmsim_scenario *scenario, const char *directory);

/** The run directory that the configuration asks for (`report: {directory: out}`), NULL when it asks for none. Nothing
 *  is written there until vmsim_report_write() is called with it. */
const char *vmsim_report_directory(const struct vmsim_scenario *scenario);

/**
 * Makes one document in memory.
 * @param text receives it, NUL-terminated; free with vmsim_report_free(). NULL on failure.
 * @param size receives its length in bytes; may be NULL.
 * @return 0, VMSIM_EINVAL or VMSIM_ENOMEM.
 */
int vmsim_report_render(struct vmsim_scenario *scenario, enum vmsim_report_kind kind, const char **text, size_t *size);

/** As vmsim_report_render() of ::VMSIM_REPORT_SUMMARY. */
int vmsim_report_text(struct vmsim_scenario *scenario, const char **text, size_t *size);

/** Frees a text of vmsim_report_render() or vmsim_report_text(); before the scenario is destroyed. NULL is fine. */
void vmsim_report_free(struct vmsim_scenario *scenario, const char *text);

/** Text of the last error of a report, or "". Valid until the next call on the scenario. */
const char *vmsim_report_error(const struct vmsim_scenario *scenario);

/**
 * Writes the machine's present state as DIRECTORY/proc and DIRECTORY/sys, in the formats of the kernel it runs. The
 * directory is made when it is not there; files of the same names are replaced.
 * @return 0, VMSIM_EIO or VMSIM_ENOMEM; the text is in vmsim_machine_error().
 */
int vmsim_report_proc_tree(struct vmsim_machine *machine, const char *directory);

/**
 * One file of that tree: "proc/zoneinfo", "sys/devices/system/node/node0/numastat".
 * @param text receives it; free with vmsim_report_proc_free(). NULL on failure.
 * @param size receives its length in bytes; may be NULL.
 * @return 0, VMSIM_ENOENT (there is no such file now) or VMSIM_ENOMEM.
 */
int vmsim_report_proc_file(struct vmsim_machine *machine, const char *path, const char **text, size_t *size);

/**
 * What stats.json says of a machine, section by section, at any time and without a scenario: an object of JSON with the
 * key `section`, its members and their units as in docs/stats-schema.json. There are "where_the_time_went", "tasks",
 * "tlb", "tlb_by_cpu", "walk_caches", "page_walks", "tlb_flushes", "faults_by_kind", "latencies", "memory_by_node"
 * (with "node_traffic" beside it), "memory_by_zone", "page_cache", "storage_devices", "page_tables", "policies" and
 * "counters" (each by its name).
 * @param text receives it; free with vmsim_report_proc_free(). NULL on failure.
 * @param size receives its length in bytes; may be NULL.
 * @return 0, VMSIM_ENOENT (there is no such section; the text in vmsim_machine_error() names those that there are),
 * VMSIM_EINVAL (NULL) or VMSIM_ENOMEM.
 */
int vmsim_report_section(struct vmsim_machine *machine, const char *section, const char **text, size_t *size);

/** Frees a text of vmsim_report_proc_file() or vmsim_report_section(); before the machine is destroyed. NULL is fine.
 */
void vmsim_report_proc_free(struct vmsim_machine *machine, const char *text);

VMSIM_END_DECLS

#endif
