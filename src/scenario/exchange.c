/* SPDX-License-Identifier: MIT */
/* One beginning of many runs: where two configurations part, and a run that goes on with another one from there.
 *
 *     a   machine, files, cgroups ... | step 0 | step 1 | step 2    | step 3
 *     b   the same                    | step 0 | step 1 | another 2 | another 3
 *                                     `-- alike --------'
 *                                                       ^ vmsim__at_step: exchanged here, a's run becomes b's
 *
 * A step has no effect before it begins, so a run knows nothing yet of steps that no task has begun. Everything else is
 * held against each other as the text that it would be written as, which has every value, defaults included, and which
 * binds to the same struct again: who adds a parameter need not think of this file. What a program is told by its
 * configuration before it runs (files, names, expectations) is checked again, as for a run of its own. */
#include <string.h>

#include "config/config.h"
#include "scenario/engine.h"
#include "scenario/validate.h"

/* The struct with no more than `steps[i]` steps of task i, as a text of `config`. The copy of the tasks is the caller's
 * memory, for as many as there are. */
static const char *beginning(struct vmsim_config *config, const size_t *steps, struct vmsim__task_decl *copy) {
    const struct vmsim__scenario_spec *spec = vmsim__config_root(config);
    VMSIM__ASSERT(spec && copy);
    struct vmsim__scenario_spec cut = *spec;
    cut.workload.tasks.data = copy;
    for (size_t i = 0; i < spec->workload.tasks.count; i++) {
        copy[i] = ((const struct vmsim__task_decl *)spec->workload.tasks.data)[i];
        copy[i].program.count = (size_t)vmsim__min64(copy[i].program.count, steps ? steps[i] : 0);
    }
    return vmsim__config_text(config, &cut);
}

/* 0: the same until there, VMSIM_EINVAL: not, VMSIM_ENOMEM. `steps` NULL: but for all steps. */
static int begin_alike(struct vmsim_config *a, struct vmsim_config *b, const size_t *steps,
                       struct vmsim__alloc *alloc) {
    const struct vmsim__scenario_spec *sa = vmsim__config_root(a), *sb = vmsim__config_root(b);
    const size_t n = sa->workload.tasks.count, size = sizeof(struct vmsim__task_decl);
    if (n != sb->workload.tasks.count)
        return VMSIM_EINVAL;
    struct vmsim__task_decl *copy = vmsim__calloc(alloc, n + 1, size);
    const char *ta = copy ? beginning(a, steps, copy) : NULL, *tb = ta ? beginning(b, steps, copy) : NULL;
    const int err = !tb ? VMSIM_ENOMEM : strcmp(ta, tb) != 0 ? VMSIM_EINVAL : 0;
    if (copy)
        vmsim__free(alloc, copy, (n + 1) * size);
    return err;
}

/* ---- how far ---- */

/* Steps are compared as text, as they would be written out: what two of them do is a function of that and of nothing
 * else, and a field that is added to a step is compared without a line here. */
static int steps_alike(struct vmsim_config *a, struct vmsim_config *b, const struct vmsim__task_decl *ta,
                       const struct vmsim__task_decl *tb, size_t *steps) {
    const struct vmsim_param_variant *va = ta->program.data, *vb = tb->program.data;
    const size_t n = (size_t)vmsim__min64(ta->program.count, tb->program.count);
    for (*steps = 0; *steps < n; ++*steps) {
        const struct vmsim_param_list one = {(void *)&va[*steps], 1}, other = {(void *)&vb[*steps], 1};
        const char *text = vmsim__config_steps_text(a, one), *text_b = vmsim__config_steps_text(b, other);
        if (!text || !text_b)
            return VMSIM_ENOMEM;
        if (strcmp(text, text_b) != 0)
            break;
    }
    return 0;
}

/* Asked of two configurations before any run, so that a sweep knows which points may begin together. */
int vmsim_scenario_alike(struct vmsim_config *a, struct vmsim_config *b, size_t *steps, size_t room, size_t *count) {
    if (!a || !b || !steps || !count)
        return VMSIM_EINVAL;
    const struct vmsim__scenario_spec *sa = vmsim__config_root(a), *sb = vmsim__config_root(b);
    if (!sa || !sb)
        return VMSIM_ESTATE;
    if (sa->workload.tasks.count > room)
        return VMSIM_ELIMIT;
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    int err = alloc ? begin_alike(a, b, NULL, alloc) : VMSIM_ENOMEM;
    *count = err ? 0 : sa->workload.tasks.count;
    for (size_t i = 0; !err && i < *count; i++)
        err = steps_alike(a, b, (const struct vmsim__task_decl *)sa->workload.tasks.data + i,
                          (const struct vmsim__task_decl *)sb->workload.tasks.data + i, &steps[i]);
    if (alloc)
        vmsim__alloc_destroy(alloc);
    return err;
}

/* ---- a run that others begin with ---- */

int vmsim_scenario_call_at(struct vmsim_scenario *s, size_t task, size_t step, vmsim_step_fn *function, void *context) {
    if (!s || !function)
        return VMSIM_EINVAL;
    if (s->ran || s->replays.count || s->future)
        return vmsim__err_set(&s->err, VMSIM_ESTATE,
                              "a run that has begun, replays a trace or is told of its future has no step to call at");
    const struct vmsim__task_decl *tasks = s->spec->workload.tasks.data;
    if (task >= s->spec->workload.tasks.count || step >= tasks[task].program.count)
        return vmsim__err_set(&s->err, VMSIM_EINVAL, "there is no step %zu of task %zu", step, task);
    VMSIM__ASSERT(task < s->jobs.count); /* without traces every task has its job, in this order */
    s->jobs.at[task]->call_at = step + 1;
    s->at_step = function;
    s->at_step_context = context;
    return 0;
}

void vmsim__at_step(struct vmsim_scenario *s, struct vmsim__job *job) {
    VMSIM__ASSERT(s->at_step && job->call_at && !job->begun);
    job->call_at = 0;
    s->at_step(s->at_step_context);
}

/* Steps that a task of the description has begun: all, when it has ended. */
static size_t steps_begun(const struct vmsim__job *job, const struct vmsim__task_decl *decl) {
    if (!job->stack.count)
        return decl->program.count;
    return job->stack.at[0].next + (job->begun && job->stack.count == 1);
}

/* Frames of repeats stay where they are: their steps have begun, and are the same in both. */
static void exchange_steps(struct vmsim_scenario *s, const struct vmsim__scenario_spec *spec) {
    const struct vmsim__task_decl *tasks = spec->workload.tasks.data;
    for (size_t i = 0; i < spec->workload.tasks.count; i++) {
        struct vmsim__job *job = s->jobs.at[i];
        if (!job->stack.count)
            continue;
        VMSIM__ASSERT(job->stack.at[0].next <= tasks[i].program.count && job->stack.at[0].times == 1);
        job->stack.at[0].steps = tasks[i].program.data;
        job->stack.at[0].count = tasks[i].program.count;
    }
}

/* What a run of its own would have been told before it began. */
static int declare_again(struct vmsim_scenario *s, struct vmsim_config *config) {
    const struct vmsim__scenario_spec *spec = vmsim__config_root(config);
    int err = vmsim__workload_validate(config, spec, s->machine->nr_cpus);
    if (err)
        return err;
    s->config = config;
    s->spec = spec;
    s->expectations.count = 0;
    return vmsim__expectations_declare(s);
}

/* Everything that could refuse is asked before the first step is exchanged: a scenario that refuses goes on as it was.
 * */
int vmsim_scenario_exchange(struct vmsim_scenario *s, struct vmsim_config *config) {
    if (!s || !config || !s->at_step)
        return VMSIM_EINVAL;
    const struct vmsim__task_decl *tasks = s->spec->workload.tasks.data;
    const size_t n = s->spec->workload.tasks.count;
    if (!vmsim__config_root(config))
        return VMSIM_ESTATE;
    size_t *begun = vmsim__calloc(s->alloc, n + 1, sizeof *begun);
    if (!begun)
        return VMSIM_ENOMEM;
    for (size_t i = 0; i < n; i++)
        begun[i] = steps_begun(s->jobs.at[i], &tasks[i]);
    int err = begin_alike(s->config, config, begun, s->alloc);
    vmsim__free(s->alloc, begun, (n + 1) * sizeof *begun);
    err = err ? err : declare_again(s, config);
    if (!err)
        exchange_steps(s, s->spec);
    return err;
}
