/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_CURVE_H
#define VMSIM_CURVE_H
/**
 * @file curve.h
 * @brief What a trace of references says of every memory and every TLB at once, without a machine.
 *
 * One pass over the references gives, for each page size that is asked for and, if wanted, for each task:
 *   - how many references would miss in a memory of any number of pages that evicts the least recently used one
 *     (stack distances, Mattson et al. 1970), exactly;
 *   - the same for TLBs of every power of two of sets and every number of ways, least recently used in each set;
 *   - footprint (distinct pages in the average window of so many references) and Denning's working set;
 *   - how long after its last reference a page is referenced again.
 * They are bounds and sanity checks beside simulated points: no kernel, no readahead, no other policy is in them.
 *
 *     struct vmsim_curve *c;
 *     if (vmsim_curve_create(NULL, &c) == 0 && vmsim_curve_trace(c, "sort.vmt") == 0)
 *         printf("%llu\n", (unsigned long long)vmsim_curve_misses(c, 0, 16384));    pages: a memory of 64 MiB
 *     vmsim_curve_destroy(c);
 *
 * A page is known by its address space and its number: what is mapped anew at an address counts as the page that was
 * there, pages shared between address spaces count in each, and a forked child's are its own. A reference that crosses
 * a page boundary touches both pages; all counts are touches.
 *
 * Sampling (SHARDS: Waldspurger et al., FAST 2015) keeps pages by a hash of their number and scales what it finds, with
 * the correction of the reference count (SHARDS-adj); vmsim_curve_deviation() says how far off it may be.
 *
 * Handles are not shared between threads without a lock; different handles are independent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmsim/access.h"
#include "vmsim/error.h"
#include "vmsim/version.h"

VMSIM_BEGIN_DECLS

#ifdef __cplusplus
extern "C" {
#endif

/** Most page sizes of one pass. */
#define VMSIM_CURVE_PAGE_SIZES 8
/** Most ways of a TLB set that are told apart. */
#define VMSIM_CURVE_WAYS 32
/** Most sets of a TLB. */
#define VMSIM_CURVE_SETS 4096
/** Share of pages that stands for all of them: sampling is off. Shares are millionths. */
#define VMSIM_CURVE_ALL 1000000u
/** Series of all tasks together. */
#define VMSIM_CURVE_ALL_TASKS UINT32_MAX

/** What to look at. Zero-initialise, set `size`; zero means the default. */
struct vmsim_curve_options {
    size_t size;                                 /**< sizeof(struct vmsim_curve_options) */
    uint64_t page_sizes[VMSIM_CURVE_PAGE_SIZES]; /**< bytes, powers of two from 4096 on; default: 4096 alone */
    uint32_t page_size_count;                    /**< of `page_sizes` */
    uint32_t kinds;                              /**< mask of 1 << enum vmsim_access_type; default: all */
    uint32_t sample;                             /**< millionths of pages to keep; default: all */
    uint32_t sets;                               /**< largest TLB in sets, a power of two; default 1024 */
    bool per_task;                               /**< beside all tasks together, each task alone */
    uint64_t limit;                              /**< stop after so many references of a trace; default: none */
};

/** A pass and what it found. */
struct vmsim_curve;

/**
 * Makes an empty pass, which vmsim_curve_destroy() frees. `options` may be NULL, and is copied.
 * @return 0, VMSIM_ENOMEM or VMSIM_EINVAL (an option is out of its range; *curve is then NULL).
 */
int vmsim_curve_create(const struct vmsim_curve_options *options, struct vmsim_curve **curve);
/** Frees; NULL is fine. */
void vmsim_curve_destroy(struct vmsim_curve *curve);

/** Adds references of `task` in address space `space` (numbers of the caller's own; `space` below 2^19). `name` may be
 *  NULL; it is copied when the task is new. 0, VMSIM_EINVAL, VMSIM_ELIMIT or VMSIM_ENOMEM. */
int vmsim_curve_add(struct vmsim_curve *curve, uint32_t task, uint32_t space, const char *name,
                    const vmsim_access *accesses, size_t count);
/** Adds all references of a trace, its tasks' address spaces followed through fork, vfork and exec. 0 or an error as of
 *  vmsim_trace_open() and vmsim_trace_next(); the text is in vmsim_curve_error(). */
int vmsim_curve_trace(struct vmsim_curve *curve, const char *path);
/** Text of the last error, or "". */
const char *vmsim_curve_error(const struct vmsim_curve *curve);

/** One task (or all) at one page size. */
struct vmsim_curve_series {
    uint32_t task;      /**< VMSIM_CURVE_ALL_TASKS: all together */
    const char *name;   /**< of the task, "" unknown; good until the next call that adds */
    uint64_t page_size; /**< bytes */
    uint64_t touches;   /**< references, those that cross into a second page twice */
    uint64_t sampled;   /**< of them: of pages that are kept; touches when sampling is off */
    uint64_t pages;     /**< distinct pages that are kept */
    uint64_t footprint; /**< distinct pages, scaled when sampled */
    uint64_t peak;      /**< smallest memory, in pages, in which nothing misses but first touches */
};
/** Number of series: page sizes of all tasks first, then those of each task in the order of their first reference. */
uint32_t vmsim_curve_series_count(const struct vmsim_curve *curve);
/** Describes series `index`. VMSIM_EINVAL: there is none. */
int vmsim_curve_get_series(const struct vmsim_curve *curve, uint32_t index, struct vmsim_curve_series *series);

/* The functions below take the index of a series that exists. */

/** Touches that miss, first ones included, in a memory of so many pages. */
uint64_t vmsim_curve_misses(const struct vmsim_curve *curve, uint32_t series, uint64_t pages);
/** Standard deviation of that share of misses as an estimate, in millionths: from which pages were kept (by leaving out
 *  a sixteenth of them after the other) and from how many were. 0 when sampling is off: the number is exact. */
uint32_t vmsim_curve_deviation(const struct vmsim_curve *curve, uint32_t series, uint64_t pages);
/** Touches that miss in a TLB of `sets` (a power of two up to the option) times `ways` (1 to VMSIM_CURVE_WAYS) entries
 *  of the series' page size, first ones included; UINT64_MAX out of these bounds, or when sampling is on. */
uint64_t vmsim_curve_tlb_misses(const struct vmsim_curve *curve, uint32_t series, uint32_t sets, uint32_t ways);

/** Windows and reuse times are told at these lengths: 1 to 8, then four to each doubling. */
#define VMSIM_CURVE_WINDOWS 252
/** What happens within windows of a length. */
struct vmsim_curve_window {
    uint64_t touches;     /**< length of the window */
    uint64_t footprint;   /**< thousandths of pages: distinct ones in the average of all windows within the trace */
    uint64_t working_set; /**< thousandths of pages: distinct ones among the last so many touches, averaged over time */
    uint64_t reuses;      /**< touches whose page was touched last so long ago, at most; more than the window before */
};
/** Window `index`, below VMSIM_CURVE_WINDOWS; false: it is longer than the trace. */
bool vmsim_curve_get_window(const struct vmsim_curve *curve, uint32_t series, uint32_t index,
                            struct vmsim_curve_window *window);

/** How to write curves. */
enum vmsim_curve_format {
    VMSIM_CURVE_TEXT, /**< tables for people */
    VMSIM_CURVE_CSV,  /**< one table in long form: a row a point */
    VMSIM_CURVE_JSON  /**< one object */
};
/**
 * Writes everything as one text.
 * @param sizes `size_count` memories in bytes for the miss curve; none: four to each doubling, up to what holds all.
 * @param text receives it, NUL-terminated; free with vmsim_curve_free_text(). NULL on failure.
 * @return 0, VMSIM_EINVAL or VMSIM_ENOMEM.
 */
int vmsim_curve_render(struct vmsim_curve *curve, enum vmsim_curve_format format, const uint64_t *sizes,
                       size_t size_count, const char **text, size_t *size);
/** Frees a text of vmsim_curve_render(), before the curve is destroyed. NULL is fine. */
void vmsim_curve_free_text(struct vmsim_curve *curve, const char *text);

#ifdef __cplusplus
}
#endif

VMSIM_END_DECLS

#endif
