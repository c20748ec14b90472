/* SPDX-License-Identifier: MIT */
/* `vmsim explain`: why a task was slow at a moment of a run; without a moment, what cost most in all of it. */
#include <assert.h>
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/explain_whole.h"

struct explain_options {
    struct cli_input in;
    const char *task;
    uint64_t at, before;
    bool has_at, has_before;
};

static const struct argp_option explain_argp_options[] = {
    {"task", 't', "NAME", 0, "Of this task (default: of all of them, and at a moment of the first)", 0},
    {"at", 'a', "TIME", 0, "At this virtual time: 12.5ms, 300us, 1s (default: all of the run)", 0},
    {"before", 'b', "TIME", 0, "Look so far back for causes (default 100ms)", 0},
    {"set", 's', "KEY=VALUE", 0, "Override one value, as it was when the run was made", 0},
    {"directory", 'I', "DIR", 0, "Look for presets and traces in DIR, too", 0},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct explain_options *o = state->input;
    switch (key) {
    case 't':
        o->task = arg;
        return 0;
    case 'a':
        o->at = cli_time(state, arg);
        o->has_at = true;
        return 0;
    case 'b':
        o->before = cli_time(state, arg);
        o->has_before = true;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no run directory or scenario given");
        return EINVAL;
    case ARGP_KEY_END:
        if (o->has_before && !o->has_at)
            argp_error(state, "before what time? --at 12.5ms");
        return 0;
    default:
        return cli_input_option(&o->in, key, arg);
    }
}

/* A run directory stands for the configuration that gives the same run again. The path that takes its place is the
 * caller's to free; NULL: no memory. */
static char *resolved_of(const char *path) {
    assert(path);
    struct stat st;
    char *text;
    const bool directory = !stat(path, &st) && S_ISDIR(st.st_mode);
    return asprintf(&text, directory ? "%s/resolved.yaml" : "%s", path) < 0 ? NULL : text;
}

/* No task has that name: which one may have been meant? */
static int no_task(const struct explain_names *names, const char *name, const char *when) {
    const size_t length = strlen(name);
    size_t least = length / 4 + 2;
    const char *meant = NULL;
    for (uint32_t i = 0; explain_is_task(names, i) || i < names->count; i++) {
        const char *other = explain_name(names, i);
        const size_t n = explain_is_task(names, i) && *other ? cli_slips(name, length, other) : least;
        meant = n < least ? other : meant;
        least = n < least ? n : least;
    }
    if (!meant)
        return cli_fail(EXIT_USAGE, "explain", "there is no task '%s'%s", name, when);
    return cli_fail(EXIT_USAGE, "explain", "there is no task '%s'%s (did you mean '%s'?)", name, when, meant);
}

/* Names are not unique (forks share one): the first, which is the oldest. */
static uint32_t find_task(const struct vmsim_machine *m, const char *name) {
    for (uint32_t i = 0; i < vmsim_task_count(m); i++) {
        if (!name || !strcmp(vmsim_task_name(m, i), name))
            return i;
    }
    return VMSIM_TASK_NONE;
}

struct watched {
    const struct vmsim_machine *machine;
    const char *name;
    struct explain_log log;
};

/* A wait is told when it is over: so far the run has to go. */
static bool goes_on(void *context, const struct vmsim_progress *progress) {
    struct watched *w = context;
    if (w->log.task == VMSIM_TASK_NONE)
        w->log.task = find_task(w->machine, w->name);
    return progress->virtual_ns <= w->log.to || !w->log.later;
}

/* An empty log of what matters to a moment. */
/* A second behind the moment is looked at, too, since a wait that was going on then is told when it ends. */
static struct explain_log log_of(const struct explain_options *o) {
    const uint64_t after = UINT64_C(1000000000);
    return (struct explain_log){.from = o->at > o->before ? o->at - o->before : 0,
                                .at_ns = o->at,
                                .to = o->at + after,
                                .task = VMSIM_TASK_NONE};
}

/* The answer first, notes behind it; a task that was never there is a slip of a name more often than one of a time. */
static int finish(const struct explain_options *o, const struct explain_names *names, struct explain_log *log,
                  int status) {
    assert(names && (log->at || !log->count));
    if (!status && log->task == VMSIM_TASK_NONE)
        status = no_task(names, o->task ? o->task : "", " until then");
    else if (!status)
        explain_task(stdout, names, log);
    if (log->full)
        cli_note("explain", "note: there is more than fits around that time: a shorter --before shows it whole");
    explain_free(log);
    return status;
}

/* ---- without a moment: all of the run ---- */

static int finish_whole(const struct explain_options *o, const struct explain_names *names, struct explain_sums *sums,
                        uint32_t task, int status) {
    if (!status && o->task && task == EXPLAIN_NOBODY)
        status = no_task(names, o->task, "");
    status = status ? status : explain_whole(stdout, names, sums, o->task ? task : EXPLAIN_NOBODY);
    explain_sums_free(sums);
    return status;
}

static int explain_file(const struct explain_options *o) {
    assert(o->in.file_count > 0);
    struct explain_log log = log_of(o);
    struct explain_names names = {0};
    struct explain_sums sums = {0};
    uint32_t task = EXPLAIN_NOBODY;
    int status;
    if (o->in.file_count > 1 || o->in.set_count)
        return cli_fail(EXIT_USAGE, "explain", "a file of events stands for a whole run: nothing can be set or added");
    if (o->has_at) {
        status = explain_read(o->in.files[0], o->task, &names, &log.task, explain_watch, &log);
        status = finish(o, &names, &log, status);
    } else {
        status = explain_read(o->in.files[0], o->task, &names, &task, explain_sum, &sums);
        status = finish_whole(o, &names, &sums, task, status);
    }
    explain_names_free(&names);
    return status;
}

/* Single allocations say nothing about why somebody waited, and are most of all events. */
#define WATCHED (UINT32_MAX & ~(1u << VMSIM_EVENT_ALLOC))

static int explain_run(struct vmsim_scenario *s, const struct explain_options *o) {
    struct vmsim_machine *m = vmsim_scenario_machine(s);
    struct explain_sums sums = {0};
    int status = EXIT_FINE;
    vmsim_machine_watch(m, WATCHED, explain_sum, &sums);
    const int err = vmsim_scenario_run(s, NULL, NULL);
    if (err)
        status = cli_scenario_failed("explain", err, vmsim_scenario_error(s));
    return finish_whole(o, &(struct explain_names){.machine = m}, &sums, find_task(m, o->task), status);
}

/* ---- a moment ---- */

/* The run is stopped when the moment is understood: a run of an hour is explained in the seconds up to it. The task may
 * be one that is forked later, so that it is looked for again. */
static int explain_at(struct vmsim_scenario *s, const struct explain_options *o) {
    struct vmsim_machine *m = vmsim_scenario_machine(s);
    struct watched w = {.machine = m, .name = o->task};
    int status = EXIT_FINE;
    w.log = log_of(o);
    assert(w.log.from <= w.log.at_ns && w.log.at_ns <= w.log.to);
    w.log.task = find_task(m, o->task);
    vmsim_machine_watch(m, WATCHED, explain_watch, &w.log);
    const int err = vmsim_scenario_run(s, goes_on, &w);
    w.log.task = find_task(m, o->task);
    if (err && err != VMSIM_ESTATE) /* a run that has been stopped here is as far as it is needed */
        status = cli_scenario_failed("explain", err, vmsim_scenario_error(s));
    return finish(o, &(struct explain_names){.machine = m}, &w.log, status);
}

int cmd_explain(int argc, char **argv) {
    static const struct argp argp = {
        explain_argp_options,
        parse_option,
        "RUN|EVENTS|SCENARIO...",
        "Tell what cost most in a run, and why; or why a task was where it was at one moment: what it waited for, and "
        "what that waited for.\vRUN is what "
        "`vmsim run -o RUN` wrote. A run is a function of its description, so it is made again, with "
        "an eye on all that happens; nothing has to be kept of it. Traces are looked for where -I says. EVENTS is what "
        "`vmsim run --events` wrote, and needs no second run; it also shows on a timeline when something was slow.\n\n"
        "Examples:\n"
        "  vmsim explain out\n"
        "  vmsim explain out --task reader --at 120ms\n"
        "  vmsim explain box.yaml --task server --at 1.5s --before 1s\n"
        "  vmsim explain events.json --task server --at 1.5s\n\n"
        "Exit status: 0 fine, 2 bad usage or input, 3 internal failure.",
        NULL,
        NULL,
        NULL};
    struct explain_options o = {.before = UINT64_C(100000000)};
    struct vmsim_config *config = NULL;
    struct vmsim_scenario *s = NULL;
    if (cli_parse(&argp, argc, argv, 0, &o))
        return EXIT_USAGE;
    int status = EXIT_FINE;
    if (explain_is_file(o.in.files[0])) {
        status = explain_file(&o);
        cli_input_free(&o.in);
        return status;
    }
    for (size_t i = 0; i < o.in.file_count; i++) {
        o.in.files[i] = resolved_of(o.in.files[i]);
        status = o.in.files[i] ? status : EXIT_INTERNAL;
    }
    status = status ? cli_fail(status, "explain", "no memory") : cli_open(&o.in, &config, &s);
    status = status ? status : o.has_at ? explain_at(s, &o) : explain_run(s, &o);
    vmsim_scenario_destroy(s);
    vmsim_config_destroy(config);
    for (size_t i = 0; i < o.in.file_count; i++)
        free(o.in.files[i]);
    cli_input_free(&o.in);
    return status;
}
