/* SPDX-License-Identifier: MIT */
/* Runs the points of a grid (sweep_grid.h) that are not in the file of results (sweep_store.h), each in a process that
 * is forked where the base files have been read (pool.h).
 *
 *     grid --> next point of the shard, neither excluded nor there --> fork: set, resolve, run
 *     store <-- one transaction a point <------------------------------- outcome, whole or not
 *
 * Points that begin alike (sweep_share.h) are taken group by group: a job is a batch of them then, whose process forks
 * again where they part.
 *
 * A point whose process is killed from outside is done again, up to ATTEMPTS times; then it is left for the next run:
 * nothing of it is in the file. A point that fails by itself is recorded with its message, and is not done again. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/pool.h"
#include "cli/sweep_follow.h"
#include "cli/sweep_share.h"
#include "cli/sweep_store.h"

/* Once may be an operator, twice a host short of memory; five times is the point itself. */
#define ATTEMPTS 5u
#define TRIALS 200u /* points that are resolved before the first is run */

/* A point whose process was killed. */
struct again {
    uint64_t point;
    unsigned attempts;
    bool waiting;
};

/* Points that one process leads to where they part. */
struct batch {
    size_t count; /* 0: the place is free */
    uint64_t points[SHARE_MOST];
    bool over[SHARE_MOST];
};

struct sweep {
    const struct sweep_options *o;
    struct grid *g;
    struct store store;
    struct vmsim_config *base, *twins[SHARE_TOGETHER]; /* read several times: a leader uses up more than one */
    struct share share;
    struct batch *batches; /* a place for each worker */
    size_t batch_points;   /* at most, of one */
    uint64_t like;         /* a point that can be resolved */
    struct sweep_counts counts;
    uint64_t next; /* of the points, in the order of their groups */
    struct again *again;
    size_t again_count;
    bool broken; /* the file of results cannot be written */
    struct sweep_cost trial;
    struct timespec begin, shown;
};

/* ---- before the first point ---- */

/* Neighbours go to different shards: the last axis turns fastest, and what is dear lies together in a grid. */
static bool is_mine(const struct grid *g, const struct sweep_options *o, uint64_t point) {
    assert(o->shards > 0 && o->shard > 0 && o->shard <= o->shards);
    return point % o->shards == o->shard - 1 && !grid_excluded(g, point);
}

void sweep_count(const struct grid *g, const struct sweep_options *o, struct sweep_counts *counts) {
    for (uint64_t p = 0; p < g->points; p++) {
        counts->excluded += g->exclusion_count && grid_excluded(g, p);
        counts->mine += is_mine(g, o, p);
    }
}

int sweep_resolve(const struct grid *g, uint64_t point, struct vmsim_config **config) {
    assert(point < g->points && config);
    char *sets[GRID_SETS_MAX];
    const size_t n = grid_sets(g, point, sets, GRID_SETS_MAX);
    *config = NULL;
    if (n == SIZE_MAX || cli_read(&g->in, config))
        return n == SIZE_MAX ? VMSIM_ENOMEM : VMSIM_ECONFIG;
    int err = 0;
    for (size_t i = 0; !err && i < n; i++)
        err = vmsim_config_set(*config, sets[i]);
    err = err ? err : vmsim_config_resolve(*config);
    grid_free_sets(sets, n);
    return err;
}

/* The axis that an error speaks of: the text shows the override that it stands in. */
static const struct grid_axis *axis_of(const struct grid *g, const char *text) {
    for (size_t a = 0; a < g->axis_count; a++) {
        for (size_t k = 0; k < g->axes[a].settings; k++) {
            assert(g->axes[a].count > 0); /* an axis without values is refused */
            char key[256];
            snprintf(key, sizeof key, " %.250s=", g->axes[a].entries[0].settings[k].key);
            if (strstr(text, key))
                return &g->axes[a];
        }
    }
    return NULL;
}

/* The library speaks of an override that nobody has written: who reads it finds the axis, at its place in the grid,
 * with the same reason. */
static void tell_refusal(const struct grid *g, struct vmsim_config *config) {
    assert(vmsim_config_error_count(config) > 0);
    const char *text = vmsim_config_error_text(config, 0), *why = text ? strstr(text, "error: ") : NULL;
    const struct grid_axis *a = text ? axis_of(g, text) : NULL;
    if (!a || !why) {
        cli_print_errors(config);
        return;
    }
    cli_put(stderr, g->path, false);
    fprintf(stderr, ":%d:%d: error: axis '", a->line, a->column);
    cli_put(stderr, a->name, false);
    fprintf(stderr, "': ");
    cli_put(stderr, why + strlen("error: "), true);
    fputc('\n', stderr);
}

/* Points spread over the grid are resolved until one can be; that none can is a mistake in the grid, while one that
 * cannot is a result. *resolved gets the configuration of that point. */
static int check_points(struct sweep *s, struct vmsim_config **resolved) {
    assert(s->g->points > 0 && s->g->points <= GRID_POINTS_MAX);
    const struct grid *g = s->g;
    const uint64_t stride = g->points / TRIALS + 1;
    struct vmsim_config *first = NULL;
    for (uint64_t p = 0; p < g->points; p += stride) {
        if (grid_excluded(g, p))
            continue;
        const int err = sweep_resolve(g, p, resolved);
        if (!err) {
            s->like = p;
            vmsim_config_destroy(first);
            return EXIT_FINE;
        }
        if (!*resolved) { /* the base files themselves; said */
            vmsim_config_destroy(first);
            return cli_status(err);
        }
        if (first)
            vmsim_config_destroy(*resolved);
        else
            first = *resolved;
    }
    *resolved = NULL;
    if (!first)
        return cli_fail(EXIT_USAGE, NULL, "%s: all points are excluded", g->path);
    tell_refusal(g, first);
    vmsim_config_destroy(first);
    return EXIT_USAGE;
}

/* ---- points ---- */

/* The next that is to be done here; those that are there are counted. */
static bool next_own(struct sweep *s, uint64_t *point) {
    for (; s->next < s->g->points; s->next++) {
        const uint64_t p = share_point(&s->share, s->g, s->next);
        if (!is_mine(s->g, s->o, p))
            continue;
        if (store_has(&s->store, p)) {
            s->counts.there++;
            continue;
        }
        *point = p;
        return true;
    }
    return false;
}

/* Further points of the same group, behind the one that has just been taken. */
static void fill_batch(struct sweep *s, struct batch *b) {
    const uint64_t group = s->next / s->share.members;
    uint64_t point;
    for (s->next++; b->count < s->batch_points && next_own(s, &point); s->next++) {
        if (s->next / s->share.members != group)
            return;
        b->points[b->count++] = point;
    }
}

/* Alone, or a batch, whose number is beyond all points'. */
static size_t job_of(struct sweep *s, uint64_t point) {
    size_t i = 0;
    if (s->share.members == 1) {
        s->next++;
        return (size_t)point;
    }
    while (s->batches[i].count)
        i++;
    assert(i < s->o->jobs);
    struct batch *b = &s->batches[i];
    *b = (struct batch){.count = 1, .points = {point}};
    fill_batch(s, b);
    if (b->count > 1)
        return (size_t)s->g->points + i;
    b->count = 0;
    return (size_t)point;
}

/* Points that have to be done again come last, when whatever killed them may have passed. */
static bool next_point(void *context, size_t *job) {
    struct sweep *s = context;
    uint64_t point;
    if (next_own(s, &point)) {
        *job = job_of(s, point);
        return true;
    }
    for (size_t i = 0; i < s->again_count; i++) {
        if (s->again[i].waiting) {
            s->again[i].waiting = false;
            *job = (size_t)s->again[i].point;
            return true;
        }
    }
    return false;
}

static void perform_point(void *context, size_t job, FILE *out) {
    struct sweep *s = context;
    char *sets[GRID_SETS_MAX];
    const size_t n = grid_sets(s->g, job, sets, GRID_SETS_MAX);
    if (n != SIZE_MAX)
        outcome_perform(s->base, (const char *const *)sets, n, s->g->counters, s->g->counter_count, out);
}

static void lead_batch(void *context, size_t job, int fd) {
    struct sweep *s = context;
    assert(job >= s->g->points && s->twins[0]);
    const struct batch *b = &s->batches[job - s->g->points];
    const struct share_work work = {&s->share, s->g, b->points, b->count, s->twins};
    share_lead(&work, fd);
}

/* A list that is searched: it holds points whose processes were killed, of which there are few or the sweep is lost
 * anyway. */
static struct again *again_of(struct sweep *s, uint64_t point) {
    assert(point < s->g->points);
    for (size_t i = 0; i < s->again_count; i++) {
        if (s->again[i].point == point)
            return &s->again[i];
    }
    struct again *grown = realloc(s->again, (s->again_count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    s->again = grown;
    s->again[s->again_count] = (struct again){.point = point};
    return &s->again[s->again_count++];
}

/* What was on its way is not believed, and begun anew. */
static void begin_anew(struct sweep *s, uint64_t point, int signal) {
    struct again *a = again_of(s, point);
    assert(!a || (!a->waiting && a->attempts < ATTEMPTS));
    if (a && ++a->attempts < ATTEMPTS) {
        a->waiting = true;
        return;
    }
    s->counts.lost++;
    cli_note("sweep", "point %" PRIu64 ": its process was ended %u times (signal %d); run again to try anew", point,
             ATTEMPTS, signal);
}

/* The leader's process is over: points of which nothing was handed on are done alone. */
static bool batch_done(struct sweep *s, struct batch *b, int signal) {
    bool left = false;
    for (size_t i = 0; i < b->count; i++) {
        if (!b->over[i])
            begin_anew(s, b->points[i], signal);
        left |= !b->over[i];
    }
    s->counts.killed += left;
    b->count = 0;
    return true;
}

/* Whatever became of it, its leader is done with it. */
/* The leader of a batch hands results on as they come: if it dies afterwards, these are not begun anew. */
static void mark_over(struct sweep *s, uint64_t point) {
    for (size_t i = 0; s->batches && i < s->o->jobs; i++) {
        for (size_t k = 0; k < s->batches[i].count; k++)
            s->batches[i].over[k] |= s->batches[i].points[k] == point;
    }
}

/* At most ten times a second, on terminals alone; the speed is that of what was done now, without what was there
 * before. */
static void show_progress(struct sweep *s) {
    struct timespec now;
    if (s->o->quiet || !isatty(STDERR_FILENO))
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double since = (double)(now.tv_sec - s->shown.tv_sec) + (double)(now.tv_nsec - s->shown.tv_nsec) / 1e9;
    const double all = (double)(now.tv_sec - s->begin.tv_sec) + (double)(now.tv_nsec - s->begin.tv_nsec) / 1e9;
    const uint64_t over = s->counts.there + s->counts.done;
    if (since < 0.1)
        return;
    s->shown = now;
    fprintf(stderr, "\r\033[K%" PRIu64 " of %" PRIu64 " points, %.1f a second, %.0f s left", over, s->counts.mine,
            (double)s->counts.done / all, (double)(s->counts.mine - over) * all / (double)s->counts.done);
}

/* A point is in the file before the next is begun: whatever ends the sweep costs those that are running. */
static bool point_done(void *context, size_t job, const struct pool_result *result) {
    struct sweep *s = context;
    const struct store_cost cost = {result->cpu_us, result->memory_kb};
    if (job >= s->g->points)
        return batch_done(s, &s->batches[job - s->g->points], result->signal);
    struct outcome o;
    mark_over(s, job);
    if (!result->text || !outcome_parse(&o, result->text, result->size)) {
        s->counts.killed++;
        begin_anew(s, job, result->signal);
        return true;
    }
    const enum store_end end = store_add(&s->store, s->g, job, &o, &cost);
    s->broken |= end == STORE_FAILED; /* others that run still come to their end afterwards */
    s->counts.done += end == STORE_DONE;
    s->counts.shared += end == STORE_DONE && result->shared;
    s->counts.doubled += end == STORE_THERE;
    outcome_free(&o);
    show_progress(s);
    return !s->broken;
}

/* ---- the whole ---- */

static void put_count(const char *what, uint64_t n) {
    if (n)
        printf(", %" PRIu64 " %s", n, what);
}

/* Every point of the shard is in one of these numbers, so that they add up before the eyes of whoever doubts one. */
static void tell(const struct sweep *s) {
    const struct sweep_counts *c = &s->counts;
    assert(c->there + c->done + c->doubled <= c->mine);
    if (s->shown.tv_sec != s->begin.tv_sec || s->shown.tv_nsec != s->begin.tv_nsec)
        fputs("\r\033[K", stderr);
    if (s->o->quiet)
        return;
    printf("%s: %" PRIu64 " points", s->o->output, c->mine);
    put_count("excluded", c->excluded);
    put_count("there before", c->there);
    printf(", %" PRIu64 " done now", c->done);
    put_count(s->share.together ? "of them with others from one decoder" : "of them from a common beginning",
              c->shared);
    put_count("processes killed, their points begun anew", c->killed);
    put_count("done by another sweep meanwhile", c->doubled);
    put_count("not done", c->mine - c->there - c->done - c->doubled);
    put_count("in the file failed (`--retry` does them anew)", c->failed);
    put_count("in the file with an expectation that does not hold", c->unmet);
    putchar('\n');
}

static int end_status(const struct sweep *s, enum pool_end end) {
    if (s->broken)
        return EXIT_INTERNAL; /* said */
    if (end == POOL_FAILED)
        return cli_fail(EXIT_INTERNAL, "sweep", "%s", strerror(errno));
    if (end == POOL_INTERRUPTED)
        return cli_fail(EXIT_USAGE, "sweep", "interrupted; run again to go on");
    if (s->counts.lost)
        return EXIT_INTERNAL;
    return s->counts.failed || s->counts.unmet ? EXIT_EXPECTATION : EXIT_FINE;
}

/* ---- one point, to know what to ask a cluster for ---- */

static bool next_trial(void *context, size_t *job) {
    struct sweep *s = context;
    while (s->next < s->g->points && grid_excluded(s->g, s->next))
        s->next++;
    const bool there = s->next < s->g->points;
    *job = (size_t)s->next;
    s->next = s->g->points;
    return there;
}

static bool trial_done(void *context, size_t job, const struct pool_result *result) {
    struct sweep *s = context;
    (void)job;
    const uint64_t at_once = s->share.together ? SHARE_TOGETHER : 1;
    s->trial = (struct sweep_cost){result->cpu_us, result->memory_kb, at_once};
    return true;
}

/* A point is run here first, as nobody knows what to ask a cluster for: its time and memory, with room, become the
 * job's limits. */
static int submit(struct sweep *s) {
    assert(!s->base && s->o->slurm);
    const struct sweep_options whole = {.shard = 1, .shards = 1};
    const struct pool_work work = {.context = s, .next = next_trial, .perform = perform_point, .done = trial_done};
    sweep_count(s->g, &whole, &s->counts);
    if (!s->o->dry_run && sweep_is_followed(s->o))
        return sweep_submit(s->g, s->o, &s->counts, NULL);
    const int status = cli_read(&s->g->in, &s->base);
    if (status)
        return status;
    share_find(&s->share, s->g, s->like);
    const enum pool_end end = pool_run(&work, 1);
    return end == POOL_ALL ? sweep_submit(s->g, s->o, &s->counts, &s->trial) : end_status(s, end);
}

/* Groups are cut into batches that keep all workers busy. */
static int prepare_batches(struct sweep *s) {
    assert(s->o->jobs > 0 && s->g->points > 0);
    s->share = (struct share){.members = 1};
    if (!s->o->separate)
        share_find(&s->share, s->g, s->like);
    if (s->share.members == 1)
        return EXIT_FINE;
    const uint64_t each = (s->g->points + s->o->jobs - 1) / s->o->jobs;
    const size_t most = s->share.together ? SHARE_TOGETHER : SHARE_MOST;
    s->batch_points = each < most ? (size_t)each : most;
    s->batches = calloc(s->o->jobs, sizeof *s->batches);
    int status = s->batches ? EXIT_FINE : cli_fail(EXIT_INTERNAL, "sweep", "%s", strerror(ENOMEM));
    for (size_t i = 0; !status && i < share_configs(&s->share, s->batch_points); i++)
        status = cli_read(&s->g->in, &s->twins[i]);
    return status;
}

static int run_all(struct sweep *s) {
    assert(!s->base && s->next == 0);
    const struct pool_work work = {.context = s,
                                   .next = next_point,
                                   .perform = perform_point,
                                   .done = point_done,
                                   .lead = lead_batch,
                                   .leaders = (size_t)s->g->points};
    int status = cli_read(&s->g->in, &s->base);
    status = status ? status : prepare_batches(s);
    if (!status && s->o->retry && !store_forget_failed(&s->store))
        status = EXIT_INTERNAL;
    if (status)
        return status;
    clock_gettime(CLOCK_MONOTONIC, &s->begin);
    s->shown = s->begin;
    const enum pool_end end = pool_run(&work, s->o->jobs);
    if (!store_count_failed(&s->store, &s->counts.failed, &s->counts.unmet))
        s->broken = true;
    tell(s);
    return end_status(s, end);
}

static int run_checked(struct sweep *s, struct vmsim_config *first) {
    assert(first);
    const char *resolved;
    if (s->o->slurm)
        return submit(s);
    sweep_count(s->g, s->o, &s->counts);
    if (s->o->dry_run) {
        printf("%s: %" PRIu64 " points in the grid, %" PRIu64 " excluded, %" PRIu64 " to be done here\n", s->g->path,
               s->g->points, s->counts.excluded, s->counts.mine);
        return EXIT_FINE;
    }
    const int err = vmsim_config_dump(first, VMSIM_CONFIG_DUMP_PORTABLE, &resolved, NULL);
    if (err)
        return cli_fail(cli_status(err), "sweep", "%s", vmsim_error_text(err));
    int status = store_open(&s->store, s->o->output, s->g, resolved);
    status = status ? status : run_all(s);
    store_close(&s->store);
    return status;
}

int sweep_run(const struct sweep_options *o) {
    struct grid g = {0};
    struct sweep s = {.o = o, .g = &g};
    struct vmsim_config *first = NULL;
    int status = grid_read(&g, o->grid);
    status = status ? status : check_points(&s, &first);
    status = status ? status : run_checked(&s, first);
    vmsim_config_destroy(first);
    vmsim_config_destroy(s.base);
    for (size_t i = 0; i < SHARE_TOGETHER; i++)
        vmsim_config_destroy(s.twins[i]);
    free(s.batches);
    free(s.again);
    grid_free(&g);
    return status;
}
