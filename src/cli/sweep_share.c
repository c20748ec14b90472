/* SPDX-License-Identifier: MIT */
/* Points that begin alike: which they are, and the process that leads them to where they part (sweep_share.h). */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/outcome.h"
#include "cli/sweep_share.h"

#define ENTRIES_TRIED 16u /* of an axis: more would take longer than what they could tell is worth */

/* ---- which axes are late ---- */

/* Cheap, for axes that cannot be: all keys of a step begin so. */
static bool may_be_late(const struct grid_axis *a) {
    for (size_t i = 0; i < a->settings; i++) {
        if (strncmp(a->entries[0].settings[i].key, "workload.tasks", strlen("workload.tasks")) != 0)
            return false;
    }
    return a->count > 1;
}

/* The point that has entry `e` on one axis, and is as `like` on all others. */
static uint64_t with_entry(const struct grid *g, uint64_t like, size_t axis, size_t e) {
    uint64_t stride = 1;
    for (size_t a = axis + 1; a < g->axis_count; a++)
        stride *= g->axes[a].count;
    return like + (e - grid_entry_of(g, like, axis)) * stride;
}

/* Folds in how far a point goes along with the first; false: not at all. */
static bool fold_alike(struct share *s, const struct grid *g, struct vmsim_config *like, uint64_t point) {
    size_t steps[SHARE_TASKS], tasks = 0;
    struct vmsim_config *config;
    const bool good =
        !sweep_resolve(g, point, &config) && !vmsim_scenario_alike(like, config, steps, SHARE_TASKS, &tasks);
    vmsim_config_destroy(config);
    for (size_t i = 0; good && i < tasks; i++) {
        const size_t known = i < s->tasks ? s->step[i] : SIZE_MAX;
        s->step[i] = steps[i] < known ? steps[i] : known;
    }
    s->tasks = good ? tasks : s->tasks;
    return good;
}

/* The first entries and the last: of a long axis, what lies between is most likely as they are. */
static bool is_late(struct share *s, const struct grid *g, struct vmsim_config *like, uint64_t point, size_t axis) {
    const size_t count = g->axes[axis].count, own = grid_entry_of(g, point, axis);
    if (!may_be_late(&g->axes[axis]))
        return false;
    struct share found = *s;
    for (size_t e = 0; e < count; e = e + 1 == ENTRIES_TRIED && count > ENTRIES_TRIED ? count - 1 : e + 1) {
        if (e != own && !fold_alike(&found, g, like, with_entry(g, point, axis, e)))
            return false;
    }
    *s = found;
    return true;
}

/* A step that all have is where nothing differs: its task is none that points part at. */
static void forget_whole_programs(struct share *s, struct vmsim_config *like) {
    size_t all[SHARE_TASKS], tasks = 0;
    if (vmsim_scenario_alike(like, like, all, SHARE_TASKS, &tasks))
        tasks = 0;
    s->tasks = s->tasks < tasks ? s->tasks : tasks;
    for (size_t i = 0; i < s->tasks; i++)
        s->step[i] = s->step[i] >= all[i] ? SIZE_MAX : s->step[i];
}

/* ---- or what they replay ---- */

static bool is_of_trace(const struct grid_axis *a) {
    for (size_t i = 0; i < a->settings; i++) {
        const char *key = a->entries[0].settings[i].key;
        const size_t n = strlen(key), end = strlen("trace");
        if ((n >= end && !strcmp(key + n - end, "trace")) || !strcmp(key, "workload.tasks") || !strcmp(key, "workload"))
            return true;
    }
    return false;
}

/* A guess from the text, for order alone: which points do replay one trace, the library sees. */
static bool has_trace(struct vmsim_config *config) {
    const char *text;
    return !vmsim_config_dump(config, VMSIM_CONFIG_DUMP_PORTABLE, &text, NULL) && strstr(text, "trace: ");
}

static void find_together(struct share *s, const struct grid *g) {
    assert(s->members == 1);
    for (size_t a = 0; a < g->axis_count; a++) {
        s->late[a] = !is_of_trace(&g->axes[a]);
        s->members *= s->late[a] ? g->axes[a].count : 1;
    }
    s->together = s->members > 1;
}

size_t share_configs(const struct share *s, size_t points) {
    return s->together ? points : 2;
}

static void find_late(struct share *s, const struct grid *g, struct vmsim_config *config, uint64_t like) {
    for (size_t a = 0; a < g->axis_count; a++) {
        s->late[a] = is_late(s, g, config, like, a);
        s->members *= s->late[a] ? g->axes[a].count : 1;
    }
    forget_whole_programs(s, config);
}

/* What replays a trace cannot be forked: its reader is a thread. */
void share_find(struct share *s, const struct grid *g, uint64_t like) {
    assert(like < g->points);
    struct vmsim_config *config;
    *s = (struct share){.members = 1};
    if (!sweep_resolve(g, like, &config)) {
        if (has_trace(config))
            find_together(s, g);
        else
            find_late(s, g, config, like);
    }
    vmsim_config_destroy(config);
}

/* `n` is made of digits, those of late axes behind all others; a point's number has them in the order of the axes. */
uint64_t share_point(const struct share *s, const struct grid *g, uint64_t n) {
    assert(n < g->points && s->members > 0);
    uint64_t digits[2] = {n / s->members, n % s->members}, stride = 1, point = 0;
    for (size_t a = g->axis_count; a-- > 0;) {
        uint64_t *own = &digits[s->late[a]];
        point += *own % g->axes[a].count * stride;
        *own /= g->axes[a].count;
        stride *= g->axes[a].count;
    }
    return point;
}

/* ---- the leader ---- */

struct leader {
    const struct share_work *w;
    int fd;
    size_t next;
    struct vmsim_scenario *scenario; /* of the first point */
    struct pool_child child;         /* of a point, once the leader has forked */
};

static bool next_point(void *context, size_t *job) {
    struct leader *l = context;
    if (l->next == l->w->count)
        return false;
    *job = (size_t)l->w->points[l->next++];
    return true;
}

static bool point_done(void *context, size_t job, const struct pool_result *result) {
    const struct leader *l = context;
    return pool_hand_on(l->fd, job, result);
}

static int resolve_point(const struct grid *g, uint64_t point, struct vmsim_config *config) {
    char *sets[GRID_SETS_MAX];
    const size_t n = grid_sets(g, point, sets, GRID_SETS_MAX);
    if (n == SIZE_MAX)
        return VMSIM_ENOMEM;
    const int err = outcome_resolve(config, (const char *const *)sets, n);
    grid_free_sets(sets, n);
    return err;
}

static void perform_alone(void *context, size_t job, FILE *out) {
    const struct leader *l = context;
    const int err = resolve_point(l->w->g, job, l->w->configs[1]);
    if (err)
        outcome_refuse(out, l->w->configs[1], err);
    else
        outcome_run(l->w->configs[1], l->w->g->counters, l->w->g->counter_count, out);
}

/* Where the points part. The leader's own run goes no further; a child returns into it, as the run of its point. A
 * point that after all has not the same beginning is run from its own. */
static void at_step(void *context) {
    struct leader *l = context;
    const struct pool_work work = {.context = l, .next = next_point, .done = point_done};
    if (pool_branch(&work, &l->child) != POOL_CHILD)
        _exit(0);
    const int err = resolve_point(l->w->g, l->child.job, l->w->configs[1]);
    if (!err && !vmsim_scenario_exchange(l->scenario, l->w->configs[1])) {
        l->child.shared = true;
        return;
    }
    if (err)
        outcome_refuse(l->child.out, l->w->configs[1], err);
    else
        outcome_run(l->w->configs[1], l->w->g->counters, l->w->g->counter_count, l->child.out);
    pool_leave(&l->child);
}

/* 0: the scenario will stop wherever its points may part. */
static int make_first(struct leader *l) {
    const struct share *share = l->w->share;
    int err = resolve_point(l->w->g, l->w->points[0], l->w->configs[0]);
    err = err ? err : vmsim_scenario_create(l->w->configs[0], &l->scenario);
    for (size_t i = 0; !err && i < share->tasks; i++) {
        if (share->step[i] != SIZE_MAX)
            err = vmsim_scenario_call_at(l->scenario, i, share->step[i], at_step, l);
    }
    return err;
}

/* ---- together ---- */

/* What one of them used is not told apart: each has its part of all. */
static struct pool_result part_of(size_t count) {
    struct rusage used = {0};
    assert(count > 0);
    getrusage(RUSAGE_SELF, &used);
    const uint64_t us = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                        (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
    return (struct pool_result){
        .shared = count > 1, .cpu_us = us / count, .memory_kb = (uint64_t)used.ru_maxrss / count};
}

static void hand_on_outcome(const struct share_work *w, size_t i, struct vmsim_scenario *s, int err,
                            struct pool_result r, int fd) {
    char *text = NULL;
    FILE *out = open_memstream(&text, &r.size);
    if (out && s)
        outcome_tell(out, w->configs[i], s, err, w->g->counters, w->g->counter_count);
    else if (out)
        outcome_refuse(out, w->configs[i], err);
    r.text = out && !ferror(out) && !fclose(out) ? text : NULL;
    if (!r.text || !pool_hand_on(fd, (size_t)w->points[i], &r))
        _exit(1);
    free(text);
}

/* Those that cannot be made are told first, and are no part of it. */
static void lead_together(const struct share_work *w, int fd) {
    struct vmsim_scenario *scenarios[SHARE_TOGETHER] = {NULL};
    size_t of[SHARE_TOGETHER], count = 0;
    int results[SHARE_TOGETHER];
    assert(w->count <= SHARE_TOGETHER);
    for (size_t i = 0; i < w->count; i++) {
        struct vmsim_scenario *s = NULL;
        int err = resolve_point(w->g, w->points[i], w->configs[i]);
        err = err ? err : vmsim_scenario_create(w->configs[i], &s);
        if (err) {
            hand_on_outcome(w, i, NULL, err, part_of(1), fd);
            continue;
        }
        scenarios[count] = s;
        of[count++] = i;
    }
    if (vmsim_scenario_run_together(scenarios, count, results))
        _exit(1);
    for (size_t i = 0; i < count; i++)
        hand_on_outcome(w, of[i], scenarios[i], results[i], part_of(count), fd);
}

void share_lead(const struct share_work *w, int fd) {
    assert(w->count > 0 && w->configs[0]);
    if (w->share->together) {
        lead_together(w, fd);
        return;
    }
    struct leader l = {.w = w, .fd = fd};
    if (!make_first(&l)) {
        const int err = vmsim_scenario_run(l.scenario, NULL, NULL);
        if (l.child.out) {
            outcome_tell(l.child.out, w->configs[1], l.scenario, err, w->g->counters, w->g->counter_count);
            pool_leave(&l.child);
        }
    }
    const struct pool_work work = {.context = &l, .next = next_point, .perform = perform_alone, .done = point_done};
    pool_run(&work, 1);
}
