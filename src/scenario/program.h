/* SPDX-License-Identifier: MIT */
/* Steps of described programs, one function a verb (or several alike), and the interpreter that runs them.
 *
 *     job->stack: frames of steps (the program, each repeat) --> run_step --> the verb's function --> enum step_end
 *
 * A step that cannot be finished now (a call that waits, a long touch, sleep, wait, barrier) is entered again when the
 * task goes on; what it needs to know of its earlier entries stands in the job: `entered` and `done`, which are cleared
 * when a step is over. No function keeps anything on the host's stack across a wait. */
#ifndef VMSIM__PROGRAM_H
#define VMSIM__PROGRAM_H
#include "scenario/engine.h"

/* How a step ended, this time. */
enum step_end {
    STEP_OVER,  /* it is done */
    STEP_AGAIN, /* not done: others may have the CPU before it goes on */
    STEP_CUT,   /* not done: it has met the horizon */
    STEP_WAIT,  /* not done: the task waits */
    STEP_EXIT,  /* the task has ended, or is to end */
    STEP_FAIL   /* the run is to end: s->err */
};

/* Results of a step's own work within a call, beside 0 and negative errnos: the run is to end. */
enum { REFUSED = 1, NO_HOST_MEMORY };

/* One step being run. */
struct step_run {
    struct vmsim_scenario *s;
    struct vmsim_machine *m;
    struct vmsim__job *job;
    struct vmsim__task *t;
    const struct vmsim_param_variant *step;
    const void *data; /* of the step, as its table in steps.c has it */
};

typedef enum step_end step_fn(struct step_run *r);

/* program_memory.c */
step_fn vmsim__do_mmap, vmsim__do_range_call, vmsim__do_mprotect, vmsim__do_mremap, vmsim__do_madvise, vmsim__do_brk,
    vmsim__do_mlockall, vmsim__do_touch, vmsim__do_call, vmsim__do_numa, vmsim__do_alloc_pages, vmsim__do_free_pages;
/* program_tasks.c */
step_fn vmsim__do_create, vmsim__do_file, vmsim__do_fallocate, vmsim__do_fadvise, vmsim__do_fork, vmsim__do_wait,
    vmsim__do_kill, vmsim__do_barrier, vmsim__do_repeat, vmsim__do_time, vmsim__do_small, vmsim__do_cgroup,
    vmsim__do_swap;

/* Makes a file that a description tells of; *file: its number. 0 or an error, whose text is the machine's. */
int vmsim__file_declared(struct vmsim_machine *m, const struct vmsim__file_decl *d, uint32_t *file);
/* A system call came back: is that what the step says? A result that the step does not say is no error of the run: it
 * is listed, and the exit status tells. */
enum step_end vmsim__step_came_back(struct step_run *r, const struct vmsim__step_result *wanted, int64_t result);
/* Ends the run: what a description asks for cannot be, whatever the machine does. `format` has one %s. */
enum step_end vmsim__step_problem(struct step_run *r, const char *format, const char *word);
enum step_end vmsim__step_no_memory(struct step_run *r);

/* Remembers a region under `name` (NULL: none asked for). A name that is used again means the newer region, as a
 * variable would. False: no host memory. */
bool vmsim__step_name_region(struct step_run *r, const char *name, uint64_t base, uint64_t length);
/* The bytes of a range; false: no such region (the run fails with a message). The length is not held against the
 * region on purpose: a program may touch or unmap beyond what it mapped, and sees what comes of it. */
bool vmsim__step_resolve(struct step_run *r, const struct vmsim__step_range *range, uint64_t *base, uint64_t *length);
/* NULL: there is none, which is said. */
struct vmsim__file *vmsim__step_file(struct step_run *r, const char *name);

static inline int64_t step_call(struct step_run *r, enum vmsim__call_id id, const struct vmsim__call_args *args) {
    return vmsim__call(r->m, r->t, id, args);
}

/* The task waits for `kind`; it looks again when it is woken. */
static inline enum step_end step_wait_for(struct step_run *r, enum vmsim__wait_kind kind, uint64_t what,
                                          uint64_t until) {
    r->t->wait = (struct vmsim__wait){(uint8_t)kind, what, until};
    return STEP_WAIT;
}

#endif
