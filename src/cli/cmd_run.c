/* SPDX-License-Identifier: MIT */
/* `vmsim run` and `vmsim check`: scenarios, from the file to the exit status.
 *
 * Both go the same way as far as they go together (open the configuration, resolve it, make the machine with its
 * workload), so that a scenario which `check` accepts is one that `run` starts. Several files are one scenario, each
 * above those before it. SIGINT stops a run at its next slice, and what it came to until then is reported as
 * unfinished: hours of a simulation are not thrown away. */
#include <assert.h>
#include <argp.h>
#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "vmsim/event.h"
#include "vmsim/report.h"
#include "vmsim/scenario.h"

struct run_options {
    struct cli_input in;
    const char *output, *events;
    struct vmsim_events_options event;
    unsigned long long verify; /* slices between checks; 0: none */
    bool verify_content;
    enum vmsim_report_kind format;
    bool quiet, strict, print_resolved, print_origins, print_counters;
    const char *pattern; /* of the names of counters; NULL: all */
};

enum {
    OPTION_ROOT = 256,
    OPTION_NO_PLUGINS,
    OPTION_EVENTS,
    OPTION_EVENT_KINDS,
    OPTION_EVENT_LIMIT,
    OPTION_EVENT_FORMAT
};

static const struct argp_option run_argp_options[] = {
    {"output", 'o', "DIR", 0, "Write everything to the directory DIR (made anew; an earlier run there is replaced)", 0},
    {"set", 's', "KEY=VALUE", 0, "Override one value of the file: machine.nodes[0].memory=4GiB", 0},
    {"directory", 'I', "DIR", 0, "Look for presets and traces in DIR, too; may be given several times", 0},
    {"format", 'F', "FORMAT", 0, "Print text (default), or json: all figures, as in stats.json", 0},
    {"verify", 'V', "N", OPTION_ARG_OPTIONAL,
     "Check every structure of the machine after each N slices of a task (default 1000); slow. N may be content: "
     "follow what each page holds, and compare at every load. May be given twice, for both",
     0},
    {"strict", 'S', NULL, 0, "Exit with 1 when a recorded call came out otherwise in its replay", 0},
    {"quiet", 'q', NULL, 0, "No summary and no progress: only errors and failed expectations", 0},
    {"events", OPTION_EVENTS, "FILE", 0, "Write what happens, and how long it takes, to FILE, for Perfetto", 0},
    {"event-kinds", OPTION_EVENT_KINDS, "LIST", 0,
     "Only these: run, stall, fault, reclaim, io, kill, alloc, extfrag (default: all but alloc)", 0},
    {"event-limit", OPTION_EVENT_LIMIT, "COUNT", 0, "At most so many (default 1000000)", 0},
    {"event-format", OPTION_EVENT_FORMAT, "FORMAT", 0,
     "chrome: trace events (default); ftrace: lines as the kernel's tracepoints have", 0},
    {"root", OPTION_ROOT, "DIR", 0, "The scenario may name no file outside of DIR", 0},
    {"no-plugins", OPTION_NO_PLUGINS, NULL, 0, "Refuse a scenario that names plugins, which are programs", 0},
    {0}};
static const struct argp_option check_argp_options[] = {
    {"set", 's', "KEY=VALUE", 0, "Override one value of the file", 0},
    {"directory", 'I', "DIR", 0, "Look for presets and traces in DIR, too", 0},
    {"resolved", 'r', NULL, 0, "Print the whole configuration, defaults and presets included", 0},
    {"origins", 'R', NULL, 0, "The same, each value with where it came from", 0},
    {"counters", 'c', "PATTERN", OPTION_ARG_OPTIONAL,
     "Print all counters that `expect` can use, or those whose names match (`*` any text, `?` one character), with "
     "unit "
     "and meaning",
     0},
    {"root", OPTION_ROOT, "DIR", 0, "The scenario may name no file outside of DIR", 0},
    {"no-plugins", OPTION_NO_PLUGINS, NULL, 0, "Refuse a scenario that names plugins (none is run here anyway)", 0},
    {0}};

/* "fault,stall" */
static uint32_t parse_kinds(struct argp_state *state, const char *arg) {
    uint32_t mask = 0;
    while (*arg) {
        size_t length = strcspn(arg, ",");
        unsigned kind = 0;
        while (kind < VMSIM_EVENT_KINDS && (strlen(vmsim_event_kind_name(kind)) != length ||
                                            strncmp(vmsim_event_kind_name(kind), arg, length) != 0))
            kind++;
        if (kind == VMSIM_EVENT_KINDS)
            argp_error(state, "unknown kind of events '%.*s' (run, stall, fault, reclaim, io, kill, alloc or extfrag)",
                       (int)length, arg);
        assert(kind < VMSIM_EVENT_KINDS && kind < 32); /* bits of a mask */
        mask |= 1u << kind;
        arg += length + (arg[length] == ',');
    }
    if (!mask)
        argp_error(state, "no kind of events given");
    return mask;
}

/* Options of the event log mean nothing without it, which is said rather than ignored. */
static error_t parse_event_option(int key, char *arg, struct argp_state *state) {
    assert(state->input);
    struct run_options *o = state->input;
    switch (key) {
    case OPTION_EVENTS:
        o->events = arg;
        return 0;
    case OPTION_EVENT_KINDS:
        o->event.kinds = parse_kinds(state, arg);
        return 0;
    case OPTION_EVENT_LIMIT:
        o->event.limit = cli_number(state, arg, UINT64_MAX);
        return 0;
    case OPTION_EVENT_FORMAT:
        if (strcmp(arg, "chrome") != 0 && strcmp(arg, "ftrace") != 0)
            argp_error(state, "unknown format of events '%s' (chrome or ftrace)", arg);
        o->event.format = strcmp(arg, "chrome") ? VMSIM_EVENTS_FTRACE : VMSIM_EVENTS_CHROME;
        return 0;
    case ARGP_KEY_END:
        if (!o->events && (o->event.kinds || o->event.limit || o->event.format))
            argp_error(state, "--event-kinds, --event-limit and --event-format go with --events FILE");
        return 0;
    default:
        return cli_input_option(&o->in, key, arg);
    }
}

/* What argp knows of an option's form stands in the tables above; what its value may be is checked here. */
static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct run_options *o = state->input;
    char *end = NULL;
    switch (key) {
    case 'o':
        o->output = arg;
        return 0;
    case 'V':
        if (arg && !strcmp(arg, "content")) {
            o->verify_content = true;
            return 0;
        }
        o->verify = arg ? strtoull(arg, &end, 10) : 1000;
        if (!o->verify || (arg && *end))
            argp_error(state, "--verify takes a number of slices, or content, not '%s'", arg);
        return 0;
    case 'F':
        if (strcmp(arg, "text") != 0 && strcmp(arg, "json") != 0)
            argp_error(state, "unknown format '%s' (text or json)", arg);
        o->format = strcmp(arg, "text") ? VMSIM_REPORT_STATS : VMSIM_REPORT_SUMMARY;
        return 0;
    case 'q':
        o->quiet = true;
        return 0;
    case 'S':
        o->strict = true;
        return 0;
    case 'R':
        o->print_origins = true;
        o->print_resolved = true;
        return 0;
    case 'r':
        o->print_resolved = true;
        return 0;
    case 'c':
        o->print_counters = true;
        o->pattern = arg;
        return 0;
    case OPTION_ROOT:
        o->in.root = arg;
        return 0;
    case OPTION_NO_PLUGINS:
        o->in.limits |= VMSIM_CONFIG_NO_PLUGINS;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no scenario file given");
        return EINVAL;
    default:
        return parse_event_option(key, arg, state);
    }
}

/* The progress line: on a terminal alone, at most ten times a second. */
struct progress {
    struct timespec begin, last;
    bool shown;
};
static volatile sig_atomic_t interrupted;
#define INTERRUPTED "interrupted: nothing was written"

/* The run looks at the flag between steps. One step may take minutes (a populated TiB), and nobody waits for that: a
 * second later the program ends where it is, as nothing is written before the run is over. */
static void on_interrupt(int number) {
    (void)number;
    interrupted = 1;
    alarm(1);
}

/* While the report is written: what is there of it is taken away first. */
static void on_interrupted_report(int number) {
    (void)number;
    interrupted = 1;
}

static void on_patience_end(int number) {
    static const char text[] = "vmsim run: error: " INTERRUPTED "\n";
    (void)number;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(EXIT_INTERNAL);
    _exit(EXIT_INTERRUPTED);
}

static double seconds_since(const struct timespec *then) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

static bool on_progress(void *context, const struct vmsim_progress *p) {
    struct progress *state = context;
    if (interrupted)
        return false;
    if (!state || seconds_since(&state->last) < 0.1)
        return true;
    double elapsed = seconds_since(&state->begin), rate = (double)p->references / elapsed;
    clock_gettime(CLOCK_MONOTONIC, &state->last);
    state->shown = true;
    fprintf(stderr, "\r\033[K%7.1f M references  %6.1f M/s  virtual %.3f s", (double)p->references / 1e6, rate / 1e6,
            (double)p->virtual_ns / 1e9);
    if (p->total && rate > 0)
        fprintf(stderr, "  %3.0f %%  %.0f s left", 100.0 * (double)p->references / (double)p->total,
                (double)(p->total - p->references) / rate);
    return true;
}

static int print_results(struct vmsim_scenario *s, const struct run_options *o) {
    assert(o->format == VMSIM_REPORT_SUMMARY || o->format == VMSIM_REPORT_STATS);
    const char *text;
    size_t size;
    const bool json = o->format == VMSIM_REPORT_STATS;
    enum vmsim_report_kind kind = o->quiet && !json ? VMSIM_REPORT_EXPECTATIONS : o->format;
    int err = vmsim_report_render(s, kind, &text, &size);
    if (err)
        return cli_fail(cli_status(err), "run", "%s", vmsim_report_error(s));
    int status = o->quiet && !json && !vmsim_scenario_failures(s) ? EXIT_FINE : cli_print("run", text, size);
    vmsim_report_free(s, text);
    const char *directory = o->output ? o->output : vmsim_report_directory(s);
    if (status || !directory)
        return status;
    signal(SIGINT, on_interrupted_report);
    err = vmsim_report_write_watched(s, directory, on_progress, NULL);
    signal(SIGINT, SIG_DFL);
    if (err && interrupted)
        return cli_fail(EXIT_INTERRUPTED, "run", INTERRUPTED);
    if (err)
        return cli_fail(cli_status(err), "run", "%s", vmsim_report_error(s));
    if (!o->quiet && !json)
        printf("\nAll figures: %s\n", directory);
    return EXIT_FINE;
}

/* Before a long run: will its directory be refused? The report asks again when it writes. */
static int check_output(struct vmsim_scenario *s, const struct run_options *o) {
    const char *directory = o->output ? o->output : vmsim_report_directory(s);
    int status = o->output ? cli_make_parents("run", o->output) : EXIT_FINE; /* not where a scenario says */
    if (status)
        return status;
    int err = directory ? vmsim_report_check(s, directory) : 0;
    return err ? cli_fail(cli_status(err), "run", "%s", vmsim_report_error(s)) : EXIT_FINE;
}

static int open_events(struct vmsim_scenario *s, struct run_options *o, struct vmsim_events **events) {
    assert(!*events);
    o->event.size = sizeof o->event;
    int err = o->events ? vmsim_events_open(s, o->events, &o->event, events) : 0;
    return err ? cli_fail(cli_status(err), "run", "%s", vmsim_scenario_error(s)) : EXIT_FINE;
}

/* Also of a run that failed: what led there is what one wants to see. */
static int close_events(struct vmsim_scenario *s, struct vmsim_events *events, int status) {
    uint64_t left_out = 0;
    int err = vmsim_events_close(events, &left_out);
    if (err)
        return cli_fail(cli_status(err), "run", "%s", vmsim_scenario_error(s));
    if (left_out)
        cli_note("run", "note: %llu events are left out: see --event-limit and --event-kinds",
                 (unsigned long long)left_out);
    return status;
}

/* What was measured so far, in the run's directory if it has one. Who interrupts that, too, gets nothing. */
static int leave_unfinished(struct vmsim_scenario *s, const struct run_options *o) {
    assert(interrupted);
    const char *directory = o->output ? o->output : vmsim_report_directory(s);
    if (!directory)
        return cli_fail(EXIT_INTERRUPTED, "run", "interrupted");
    interrupted = 0;
    signal(SIGINT, on_interrupted_report);
    int err = vmsim_report_write_watched(s, directory, on_progress, NULL);
    signal(SIGINT, SIG_DFL);
    if (err && interrupted)
        return cli_fail(EXIT_INTERRUPTED, "run", INTERRUPTED);
    if (err)
        return cli_fail(cli_status(err), "run", "interrupted: %s", vmsim_report_error(s));
    return cli_fail(EXIT_INTERRUPTED, "run", "interrupted: what was measured until then is in %s, marked as unfinished",
                    directory);
}

static void tell_content(const struct vmsim_machine *m) {
    uint64_t loads, stores;
    vmsim_machine_content(m, &loads, &stores);
    cli_note("run", "note: contents: %llu loads found what %llu stores, files and zeroes left there",
             (unsigned long long)loads, (unsigned long long)stores);
}

static int run_scenario(struct vmsim_scenario *s, const struct run_options *o) {
    struct progress progress = {0};
    if (!o->quiet && !vmsim_task_count(vmsim_scenario_machine(s)))
        fputs("vmsim run: note: there are no tasks: this is the machine as it boots\n", stderr);
    if (!o->quiet)
        cli_note_distances("run", vmsim_scenario_machine(s));
    clock_gettime(CLOCK_MONOTONIC, &progress.begin);
    progress.last = progress.begin;
    vmsim_scenario_verify(s, o->verify);
    int err = o->verify_content ? vmsim_machine_verify_content(vmsim_scenario_machine(s)) : 0;
    if (err)
        return cli_fail(cli_status(err), "run", "--verify=content: %s", vmsim_machine_error(vmsim_scenario_machine(s)));
    signal(SIGALRM, on_patience_end);
    signal(SIGINT, on_interrupt);
    err = vmsim_scenario_run(s, on_progress, !o->quiet && isatty(STDERR_FILENO) ? &progress : NULL);
    signal(SIGINT, SIG_DFL); /* what is written from now on is not yet in place */
    alarm(0);
    assert(!progress.shown || !o->quiet);
    if (progress.shown)
        fputs("\r\033[K", stderr);
    if (interrupted)
        return leave_unfinished(s, o);
    for (size_t i = 0; err && vmsim_scenario_step_failure(s, i); i++) {
        cli_put(stderr, vmsim_scenario_step_failure(s, i), false);
        fputc('\n', stderr);
    }
    if (err)
        return cli_scenario_failed("run", err, vmsim_scenario_error(s));
    int status = print_results(s, o);
    if (o->verify_content && !o->quiet)
        tell_content(vmsim_scenario_machine(s));
    if (vmsim_scenario_differences(s) && (o->quiet || o->strict))
        fprintf(stderr, "vmsim run: %s: %llu recorded call%s came out otherwise here\n",
                o->strict ? "error" : "warning", (unsigned long long)vmsim_scenario_differences(s),
                vmsim_scenario_differences(s) == 1 ? "" : "s");
    if (o->strict && vmsim_scenario_differences(s))
        return EXIT_EXPECTATION;
    return status ? status : vmsim_scenario_failures(s) ? EXIT_EXPECTATION : EXIT_FINE;
}

int cmd_run(int argc, char **argv) {
    static const struct argp argp = {
        run_argp_options,
        parse_option,
        "SCENARIO...",
        "Run a scenario and print its summary.\vSCENARIO is a YAML file (-: standard input), or a recorded trace, "
        "which stands for a task that replays it. Several files are taken together, later ones override. With -o the "
        "directory gets "
        "stats.json, intervals.csv, the resolved configuration and a /proc and /sys tree as Linux's.\n\n"
        "Examples:\n"
        "  vmsim run box.yaml                            the summary\n"
        "  vmsim run box.yaml -o out                     all figures in out/\n"
        "  vmsim run box.yaml --set machine.kernel=6.12 --set workload.seed=7\n"
        "  vmsim run sort.vmt --set machine.preset=zen4  a recorded program alone\n"
        "  vmsim run machine.yaml sort.vmt               a machine, and what runs on it\n\n"
        "Exit status: 0 when all expectations hold (or there are none), 1 when one does not, or a step came out "
        "otherwise "
        "than it says; 2 for bad usage or input; 3 for an internal failure; 130 when it was interrupted (Ctrl-C): what "
        "was "
        "measured until then is written, marked as unfinished. In CI: vmsim run -q box.yaml",
        NULL,
        NULL,
        NULL};
    struct run_options o = {0};
    struct vmsim_config *config = NULL;
    struct vmsim_scenario *s = NULL;
    struct vmsim_events *events = NULL;
    if (cli_parse(&argp, argc, argv, 0, &o))
        return EXIT_USAGE;
    int status = cli_open(&o.in, &config, &s);
    status = status ? status : check_output(s, &o);
    assert(status || s);
    status = status ? status : open_events(s, &o, &events);
    status = status ? status : run_scenario(s, &o);
    status = close_events(s, events, status);
    vmsim_scenario_destroy(s);
    vmsim_config_destroy(config);
    cli_input_free(&o.in);
    return status;
}

/* One a line; those of tasks that are forked later come into being with them. A pattern that fits none is a slip. */
static int print_counters(struct vmsim_machine *m, const char *pattern) {
    const size_t count = vmsim_counter_count(m);
    size_t printed = 0;
    for (size_t i = 0; i < count; i++) {
        const char *name = vmsim_counter_name(m, i), *unit;
        const char *meaning = vmsim_counter_meaning(m, i, &unit);
        if (pattern && fnmatch(pattern, name, 0) != 0)
            continue;
        printf("%-44s  %-10s  %s\n", name, *unit ? unit : "-", meaning ? meaning : "");
        printed++;
    }
    if (printed)
        return 0;
    assert(pattern); /* without one all are printed, and no machine is without any */
    return cli_fail(EXIT_USAGE, "check", "no counter of this machine matches '%s'", pattern);
}

int cmd_check(int argc, char **argv) {
    static const struct argp argp = {check_argp_options,
                                     parse_option,
                                     "SCENARIO...",
                                     "Check scenario files: every error with file, line and column.\vAlso makes the "
                                     "machine and opens the traces, but runs nothing, plugins neither: whether these "
                                     "load, and their parameters, `vmsim run` tells. Several files are taken "
                                     "together, as `vmsim run` does.\n\n"
                                     "Examples:\n  vmsim check box.yaml\n"
                                     "  vmsim check --origins box.yaml | grep watermark     where a value came from\n"
                                     "  vmsim check --counters='vmstat.pgs*' box.yaml       names for `expect`\n"
                                     "  vmsim check --resolved box.yaml > frozen.yaml       the same run, for ever\n\n"
                                     "Exit status: 0 no errors, 2 errors, 3 internal failure.",
                                     NULL,
                                     NULL,
                                     NULL};
    struct run_options o = {0};
    struct vmsim_config *config = NULL;
    struct vmsim_scenario *s = NULL;
    if (cli_parse(&argp, argc, argv, 0, &o))
        return EXIT_USAGE;
    o.in.limits |= VMSIM_CONFIG_SKIP_PLUGINS;
    int status = cli_open(&o.in, &config, &s);
    if (!status && vmsim_config_plugins_skipped(config))
        cli_note("check", "note: plugins are not loaded: `vmsim run` tells whether they can be, and checks their "
                          "parameters");
    if (!status)
        cli_note_distances("check", vmsim_scenario_machine(s));
    if (!status && o.print_counters) {
        status = print_counters(vmsim_scenario_machine(s), o.pattern);
    } else if (!status && o.print_resolved) {
        const char *text;
        size_t size;
        int err = vmsim_config_dump(config, o.print_origins ? VMSIM_CONFIG_DUMP_ORIGINS : 0, &text, &size);
        status = err ? cli_fail(cli_status(err), "check", "%s", vmsim_error_text(err)) : cli_print("check", text, size);
    } else if (!status) {
        for (size_t i = 0; i < o.in.file_count; i++)
            printf("%s%s", i ? " + " : "", o.in.files[i]);
        puts(": no errors");
    }
    vmsim_scenario_destroy(s);
    vmsim_config_destroy(config);
    cli_input_free(&o.in);
    return status;
}
