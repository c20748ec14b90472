/* SPDX-License-Identifier: MIT */
/* Runs beside each other: what is unlike about them, what came out otherwise, and which bounds were broken.
 *
 *     run_flat.c      a run -> names with values
 *     run_compare.c   values of all runs -> rows of what changed, gates
 *     run_changes.c   rows -> text, Markdown, JSON
 *
 * The first run is what the others are held against. Counters are simulated, so they are compared exactly: a difference
 * is one of the machines, of what ran on them, or of vmsim. */
#ifndef VMSIM__RUN_COMPARE_H
#define VMSIM__RUN_COMPARE_H
#include "base/names.h"
#include "report/run_dir.h"
#include "vmsim/run.h"

/* Numbers as name -> integer, settings as name -> string; NULL: no memory. To be released with json_decref(). */
json_t *vmsim__run_numbers(const struct vmsim_run *run);
json_t *vmsim__run_settings(const struct vmsim_run *run);

#define VMSIM__SHARE_MOST UINT64_MAX /* it was 0, and is not */

/* A name whose value is not the same in all runs. */
struct vmsim__change {
    const char *name;
    uint64_t share; /* millionths of the first run's value: the largest change of the others */
};

/* A bound that a run breaks. */
struct vmsim__breach {
    const char *name, *gate;
    size_t run; /* which one */
};

struct vmsim__compare {
    struct vmsim_run *const *runs;
    size_t count;
    const struct vmsim_compare_options *options;
    struct vmsim__alloc *alloc;
    struct vmsim__err *err;
    json_t *numbers[VMSIM_COMPARE_RUNS], *settings[VMSIM_COMPARE_RUNS];
    /* Of repetitions with other seeds (run_compare_seeds.c): numbers are means then. spread[0] NULL: there are none. */
    json_t *spread[VMSIM_COMPARE_RUNS]; /* half of the interval of each mean */
    struct vmsim_run *own[VMSIM_COMPARE_RUNS];
    size_t repeats[VMSIM_COMPARE_RUNS];
    struct vmsim__names names; /* of all numbers, in the order of the first run */
    struct {
        VMSIM__VEC(struct vmsim__change);
    } changes; /* the largest first */
    struct {
        VMSIM__VEC(const char *);
    } unlike; /* names of settings; those of the runs themselves begin with a blank */
    struct {
        VMSIM__VEC(struct vmsim__breach);
    } breaches;
    size_t same; /* names whose value is the same in all */
};

/* Value of a name in a run; false: it has none there. */
bool vmsim__compare_value(const struct vmsim__compare *c, size_t run, const char *name, uint64_t *value);
/* Text of a setting in a run, NULL: it has none there. What begins with a blank is of the run itself: its version. */
const char *vmsim__compare_setting(const struct vmsim__compare *c, size_t run, const char *name);
/* "+12.34 %": what became of `a`. Returns `text`. */
char *vmsim__change_text(uint64_t a, uint64_t b, char *text, size_t size);

/* run_compare_seeds.c: makes groups of the runs, which are compared from then on. 0, VMSIM_EINVAL or VMSIM_ENOMEM. */
int vmsim__compare_seeds(struct vmsim__compare *c);
/* Whether two means are further apart than chance has it. */
bool vmsim__compare_apart(const struct vmsim__compare *c, size_t run, const char *name, uint64_t first, uint64_t value);

/* run_changes.c */
void vmsim__changes_text(const struct vmsim__compare *c, struct vmsim__textbuf *out);
void vmsim__changes_markdown(const struct vmsim__compare *c, struct vmsim__textbuf *out);
void vmsim__changes_json(const struct vmsim__compare *c, struct vmsim__textbuf *out);
void vmsim__changes_html(const struct vmsim__compare *c, struct vmsim__textbuf *out); /* run_compare_html.c */

#endif
