/* SPDX-License-Identifier: MIT */
/* The scripts of vmsim/testing.h, word by word: what a step is to do, and the judgement on what it did. Each harness
 * brings its own steps. */
#ifndef VMSIM__TEST_SCRIPT_H
#define VMSIM__TEST_SCRIPT_H
#include "base/err.h"
#include "vmsim/testing.h"

/* One word: [!?] page [@pc] [+ | - [? | victim]]. */
struct vmsim__script_word {
    const char *text;
    int length;
    unsigned number;    /* of the word, from 1 */
    char before, after; /* '!' or '?', '+' or '-', or 0 */
    bool any;           /* -? */
    uint64_t page, pc, victim;
};

/* Reads the next word at *at and moves on; w->number must be 0 before the first. 1: there is one; 0: the end;
 * VMSIM_EINVAL with a text. */
int vmsim__script_next(const char **at, struct vmsim__script_word *w, struct vmsim__err *err);
/* What a probe of the word's page gave: 0, or VMSIM_ECHECK with a text. */
int vmsim__script_probed(const struct vmsim__script_word *w, bool held, struct vmsim__err *err);
/* What a use of the word's page gave. */
int vmsim__script_judge(const struct vmsim__script_word *w, enum vmsim_test_outcome got, uint64_t victim,
                        struct vmsim__err *err);
/* Gives an error to a harness's caller: the code, and its text to `why` (may be NULL). */
int vmsim__script_tell(const struct vmsim__err *err, int code, char *why, size_t size);

#endif
