/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_TESTING_H
#define VMSIM_TESTING_H
/**
 * @file testing.h
 * @brief Testing a policy: a tiny TLB, or a memory of a few frames, in three lines; its victims compared one by one.
 *
 *     struct vmsim_test_tlb *t;
 *     struct vmsim_test_tlb_options o = {.size = sizeof o, .ways = 4, .policy = "lru"};
 *     assert_int_equal(vmsim_test_tlb_create(&t, &o, why, sizeof why), 0);
 *     assert_int_equal(vmsim_test_tlb_expect(t, "0 1 2 3 0+ 4-1 5-2 1-3", why, sizeof why), 0);
 *
 * Works with any test framework: functions return errors and texts and print nothing. What is tested is the real TLB
 * with a real page table, so that a policy that passes here does the same in a machine.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmsim/policy.h"
#include "vmsim/version.h"

VMSIM_BEGIN_DECLS

/** A TLB of one array over pages that are mapped when first used. */
struct vmsim_test_tlb;

/** What it is made of. Zero members take the default. */
struct vmsim_test_tlb_options {
    uint32_t size;                         /**< sizeof this struct */
    uint32_t sets;                         /**< sets; page p belongs to set p mod sets; 0: 1 */
    uint32_t ways;                         /**< entries of a set; 0: 4 */
    const char *policy;                    /**< name of the replacement policy; NULL: that of `linked`, else "lru" */
    const char *plugin;                    /**< a .so that holds it, or NULL */
    const struct vmsim_policy *linked;     /**< a policy of the test program itself, or NULL */
    const struct vmsim_param_pair *params; /**< the policy's parameters */
    size_t param_count;                    /**< how many */
    uint64_t seed;                         /**< for policies that use chance */
    const char *prefetch;                  /**< name of the prefetch policy; NULL: none */
};

/**
 * Makes one. On failure *t is NULL, the result is a negative ::vmsim_err and `why` (may be NULL) receives one line, cut
 * to `why_size` bytes.
 */
int vmsim_test_tlb_create(struct vmsim_test_tlb **t, const struct vmsim_test_tlb_options *options, char *why,
                          size_t why_size);
/** Frees it; NULL is fine. Returns the number of host memory blocks that a policy forgot to release (0: none). */
size_t vmsim_test_tlb_destroy(struct vmsim_test_tlb *t);

/** What a step did. */
enum vmsim_test_outcome {
    VMSIM_TEST_HIT,   /**< the page was held */
    VMSIM_TEST_FILL,  /**< it was not, and found an empty place */
    VMSIM_TEST_EVICT, /**< it was not, and another page had to go */
    VMSIM_TEST_ERROR  /**< no memory, or a page number of more than 34 bits */
};

/** Uses a page (numbers below 2^34). `victim` (may be NULL) receives the page that went, on ::VMSIM_TEST_EVICT. */
enum vmsim_test_outcome vmsim_test_tlb_step(struct vmsim_test_tlb *t, uint64_t page, uint64_t *victim);
/** The same, by the instruction at `pc`: what policies that want the program counter are told. */
enum vmsim_test_outcome vmsim_test_tlb_step_at(struct vmsim_test_tlb *t, uint64_t page, uint64_t pc, uint64_t *victim);
/** Reads a counter that the policy exports, or "fallbacks", how often it answered what could not be.
 *  @return 0, or VMSIM_ENOENT. */
int vmsim_test_tlb_counter(const struct vmsim_test_tlb *t, const char *name, uint64_t *value);
/** Is the page held? Changes nothing. */
bool vmsim_test_tlb_probe(const struct vmsim_test_tlb *t, uint64_t page);
/** Invalidates a page. */
void vmsim_test_tlb_flush(struct vmsim_test_tlb *t, uint64_t page);
/** Hits and misses so far. Each may be NULL. */
void vmsim_test_tlb_counts(const struct vmsim_test_tlb *t, uint64_t *hits, uint64_t *misses);

/**
 * Runs a script and compares every outcome. Words, separated by spaces:
 *
 * - `7`    page 7 must miss and evict nothing
 * - `7+`   must hit
 * - `7-3`  must miss and evict page 3
 * - `7-?`  must miss and evict some page
 * - `7@5`  by the instruction at address 5; before the sign: `7@5+`, `7@5-3`
 * - `!7`   page 7 is invalidated
 * - `?7`   page 7 must be held now, `?7-` must not (a probe: changes nothing)
 *
 * A policy that answered what cannot be (a way outside the set) fails the script, too.
 *
 * 0, or VMSIM_ECHECK with the word that failed and what happened instead in `why`; VMSIM_EINVAL for a script that
 * cannot be read.
 */
int vmsim_test_tlb_expect(struct vmsim_test_tlb *t, const char *script, char *why, size_t why_size);
/** Checks every entry against the page table: 0, or VMSIM_ECHECK with a text. */
int vmsim_test_tlb_check(const struct vmsim_test_tlb *t, char *why, size_t why_size);

/* --- Reclaim ------------------------------------------------------------------------------------------------------ */

/**
 * Memory of a few frames under one reclaim policy, without a machine: a reference to a page that is not there brings
 * it, and when every frame is taken the policy says what goes. What is run is the real policy over the lists that a
 * machine has, at tens of millions of references a second.
 *
 *     struct vmsim_test_reclaim *t;
 *     struct vmsim_test_reclaim_options o = {.size = sizeof o, .frames = 3, .policy = "fifo"};
 *     assert_int_equal(vmsim_test_reclaim_create(&t, &o, why, sizeof why), 0);
 *     assert_int_equal(vmsim_test_reclaim_expect(t, "7 0 1 2-7 0+ 3-0", why, sizeof why), 0);
 */
struct vmsim_test_reclaim;

/** What it is made of. Zero members take the default. */
struct vmsim_test_reclaim_options {
    uint32_t size;                         /**< sizeof this struct */
    uint32_t frames;                       /**< pages that memory holds; 0: 4 */
    uint32_t batch;                        /**< pages that are let go at a time when it is full; 0: 1, most 32 */
    const char *policy;                    /**< name of the policy; NULL: that of `linked`, else "lru" */
    const char *plugin;                    /**< a .so that holds it, or NULL */
    const struct vmsim_policy *linked;     /**< a policy of the test program itself, or NULL */
    const struct vmsim_param_pair *params; /**< the policy's parameters */
    size_t param_count;                    /**< how many */
    uint64_t seed;                         /**< for policies that use chance */
};

/**
 * Makes one. On failure *t is NULL, the result is a negative ::vmsim_err and `why` (may be NULL) receives one line, cut
 * to `why_size` bytes.
 */
int vmsim_test_reclaim_create(struct vmsim_test_reclaim **t, const struct vmsim_test_reclaim_options *options,
                              char *why, size_t why_size);
/** Frees it; NULL is fine. Returns the number of host memory blocks that a policy forgot to release (0: none). */
size_t vmsim_test_reclaim_destroy(struct vmsim_test_reclaim *t);

/** Uses a page (numbers below 2^27). `victim` (may be NULL) receives the page that went first, on ::VMSIM_TEST_EVICT.
 */
enum vmsim_test_outcome vmsim_test_reclaim_step(struct vmsim_test_reclaim *t, uint64_t page, uint64_t *victim);
/**
 * Uses `count` pages in order; adds the misses to *misses (may be NULL). Policies that want the future ("opt") see that
 * of this call: what is not used again in it counts as never used again. 0, VMSIM_EINVAL (a page number of more than 27
 * bits; nothing was used) or VMSIM_ENOMEM.
 */
int vmsim_test_reclaim_run(struct vmsim_test_reclaim *t, const uint64_t *pages, size_t count, uint64_t *misses);
/** Is the page in memory? Changes nothing. */
bool vmsim_test_reclaim_probe(const struct vmsim_test_reclaim *t, uint64_t page);
/** Takes a page out of memory without asking the policy, as a truncated file does. */
void vmsim_test_reclaim_free(struct vmsim_test_reclaim *t, uint64_t page);
/** Hits and misses so far. Each may be NULL. */
void vmsim_test_reclaim_counts(const struct vmsim_test_reclaim *t, uint64_t *hits, uint64_t *misses);
/** Reads a counter that the policy exports, or "fallbacks", how often it answered what could not be.
 *  @return 0, or VMSIM_ENOENT. */
int vmsim_test_reclaim_counter(const struct vmsim_test_reclaim *t, const char *name, uint64_t *value);
/** Runs a script as vmsim_test_tlb_expect() does, with the same words; `!7` takes page 7 out (no `@`: there is no
 * program counter). "opt" sees the whole script. */
int vmsim_test_reclaim_expect(struct vmsim_test_reclaim *t, const char *script, char *why, size_t why_size);
/** Checks lists, pages and counts against each other: 0, or VMSIM_ECHECK with a text. */
int vmsim_test_reclaim_check(const struct vmsim_test_reclaim *t, char *why, size_t why_size);

VMSIM_END_DECLS

#endif
