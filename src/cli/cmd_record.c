/* SPDX-License-Identifier: MIT */
/* `vmsim record`: runs a program under qemu-user and writes what it does to its memory as a trace. */
#include <assert.h>
#include <argp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "vmsim/trace.h"

struct record_options {
    struct vmsim_record_options record;
    bool quiet, forward, strict, calls;
};

enum { ONLY = 256, PAGE_LEVEL, FROM, TO, SAMPLE, CPU };

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "The trace to write (default: PROGRAM.vmt)", 0},
    {"limit", 'n', "COUNT", 0, "End the program after about COUNT references", 0},
    {"time", 't', "SECONDS", 0, "End the program after so many seconds of this host", 0},
    {"only", ONLY, "KIND", 0, "Record references to data, or to code, alone", 0},
    {"page-level", PAGE_LEVEL, NULL, 0, "Leave out references to the 8 pages that a task used last, but first stores",
     0},
    {"sample", SAMPLE, "N", 0, "Record one of N million references whole, and the others by page", 0},
    {"from", FROM, "MARK", 0, "Record references from a mark on, or from a number of references", 0},
    {"to", TO, "MARK", 0, "Record references up to a mark, or to a number of references", 0},
    {"qemu", 'Q', "PATH", 0, "The emulator (default: qemu-x86_64 in PATH)", 0},
    {"cpu", CPU, "MODEL", 0,
     "What the program finds itself on, as the emulator's -cpu says it (default: the emulator's)", 0},
    {"plugin", 'P', "PATH", 0, "The recording plugin (default: the installed one)", 0},
    {"quiet", 'q', NULL, 0, "Say nothing when all went well", 0},
    {"strict", 's', NULL, 0, "Exit with 1 when something did not come out as on Linux, or may not have", 0},
    {"calls", 'c', NULL, 0, "Print what the recorder does about each system call, and end", 0},
    {"exit-status", 'e', NULL, 0, "Exit with the program's own status (128 + signal when killed)", 0},
    {0}};

/* Set by SIGTERM and SIGHUP; SIGINT goes to the program, and the recording ends when that does. */
static volatile int stop;

static void on_stop(int signal_number) {
    (void)signal_number;
    stop = 1;
}

/* A signal that the program gets as well: it decides. Caught, not ignored, because a program inherits what is ignored;
 * what was ignored already stays so. */
static void on_nothing(int signal_number) {
    (void)signal_number;
}

static void leave_to_program(int signal_number) {
    if (signal(signal_number, on_nothing) == SIG_IGN)
        signal(signal_number, SIG_IGN);
}

static error_t parse_count(struct argp_state *state, const char *arg, uint64_t *count) {
    assert(arg && count);
    char *end;
    *count = strtoull(arg, &end, 10);
    if (*end || end == arg || *arg == '-' || !*count)
        argp_error(state, "'%s' is not a count", arg);
    return 0;
}

static error_t parse_only(struct argp_state *state, const char *arg, enum vmsim_record_only *only) {
    assert(only);
    if (strcmp(arg, "data") != 0 && strcmp(arg, "code") != 0)
        argp_error(state, "--only %s: there are data and code", arg);
    *only = *arg == 'd' ? VMSIM_RECORD_DATA : VMSIM_RECORD_CODE;
    return 0;
}

/* Whole milliseconds of a number of seconds that may have a point. */
static error_t parse_seconds(struct argp_state *state, const char *arg, uint64_t *ms) {
    char *end;
    const double seconds = strtod(arg, &end);
    if (*end || end == arg || !(seconds >= 0.001 && seconds <= 1e9))
        argp_error(state, "'%s' is no time in seconds", arg);
    *ms = (uint64_t)(seconds * 1000);
    return 0;
}

/* What of the program is recorded. */
static error_t parse_filter(int key, char *arg, struct argp_state *state) {
    struct record_options *o = state->input;
    switch (key) {
    case 't':
        return parse_seconds(state, arg, &o->record.max_ms);
    case ONLY:
        return parse_only(state, arg, &o->record.only);
    case PAGE_LEVEL:
        o->record.page_level = true;
        return 0;
    case SAMPLE:
        return parse_count(state, arg, &o->record.sample);
    case FROM:
        o->record.from = arg;
        return 0;
    case TO:
        o->record.to = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct record_options *o = state->input;
    switch (key) {
    case 'o':
        o->record.output = arg;
        return 0;
    case 'n':
        return parse_count(state, arg, &o->record.max_references);
    case 'Q':
        o->record.qemu = arg;
        return 0;
    case CPU:
        o->record.cpu = arg;
        return 0;
    case 'P':
        o->record.plugin = arg;
        return 0;
    case 'q':
        o->quiet = true;
        return 0;
    case 'e':
        o->forward = true;
        return 0;
    case 's':
        o->strict = true;
        return 0;
    case 'c':
        o->calls = true;
        return 0;
    case ARGP_KEY_ARG:
        o->record.argv = state->argv + state->next - 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        if (o->calls)
            return 0;
        argp_error(state, "no program given");
        return EINVAL;
    default:
        return parse_filter(key, arg, state);
    }
}

/* The progress line: on a terminal alone, where the program may print, too. */
static void on_progress(void *context, const struct vmsim_record_progress *p) {
    assert(context);
    bool *shown = context;
    const double seconds = (double)p->elapsed_ms / 1000, written = (double)p->written / 1e6;
    *shown = true;
    fprintf(stderr, "\r\033[K%7.1f M references  %6.1f M/s  %u task%s  %.0f s", written,
            seconds > 0 ? written / seconds : 0, p->tasks, p->tasks == 1 ? "" : "s", seconds);
}

/* "PROGRAM.vmt" in the current directory. */
static void default_output(const char *program, char *out, size_t size) {
    assert(program && size > 0);
    const char *slash = strrchr(program, '/');
    snprintf(out, size, "%s.vmt", slash ? slash + 1 : program);
}

static void say(const struct record_options *o, const struct vmsim_record_result *r) {
    assert(r->seen >= r->references || !r->seen);
    char end[100];
    if (r->stopped)
        snprintf(end, sizeof end, "was ended before its end, as asked");
    else if (r->exit_status < 0)
        snprintf(end, sizeof end, "was killed by signal %d (%s)", -r->exit_status, strsignal(-r->exit_status));
    else
        snprintf(end, sizeof end, "exited with status %d", r->exit_status);
    char seen[60] = "";
    if (r->seen != r->references)
        snprintf(seen, sizeof seen, " of %" PRIu64, r->seen);
    cli_note("record", "%s: %" PRIu64 "%s references, %" PRIu64 " events, %u task%s; %s %s", o->record.output,
             r->references, seen, r->events, r->tasks, r->tasks == 1 ? "" : "s", o->record.argv[0], end);
}

/* Gaps, and what did not come out as on Linux, one line a kind. */
static void say_notes(const char *line) {
    while (*line) {
        size_t length = strcspn(line, "\n");
        cli_note("record", "warning: %.*s", (int)length, line);
        line += length + (line[length] != 0);
    }
}

/* The table of docs/recording.md. */
static int print_calls(void) {
    static const char *const seen[] = {"as on Linux", "otherwise", "not known"};
    struct vmsim_syscall c;
    printf("| number | call | recorded | the program sees | note |\n|---:|---|---|---|---|\n");
    for (unsigned i = 0; i < 512; i++)
        if (vmsim_syscall_get(i, &c) == 0)
            printf("| %u | `%s` | %s | %s | %s |\n", i, c.name, vmsim_syscall_class_name(c.kind), seen[c.trust],
                   c.note);
    return fflush(stdout) || ferror(stdout) ? EXIT_USAGE : EXIT_FINE;
}

int cmd_record(int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse_option,
        "[--] PROGRAM [ARGUMENT...]",
        "Run an x86-64 program and record its memory references, system calls, threads and children.\v"
        "Examples:\n  vmsim record -o sort.vmt -- sort big.txt\n  vmsim record -o build.vmt -- sh -c 'gcc -c a.c && "
        "ls'\n"
        "  vmsim record -t 10 --page-level -- ./server    # ten seconds of it\n"
        "A mark is a name that the program looks for as the file vmsim:mark:NAME (access, test -e).\n"
        "Needs qemu-x86_64 (Debian package qemu-user).",
        NULL,
        NULL,
        NULL};
    struct record_options o = {.record = {.size = sizeof o.record, .stop = &stop}};
    struct vmsim_record_result result;
    char output[4096];
    if (cli_parse(&argp, argc, argv, ARGP_IN_ORDER, &o))
        return EXIT_USAGE;
    if (o.calls)
        return print_calls();
    assert(o.record.argv && o.record.argv[0]); /* or argp would have ended it */
    if (!o.record.output) {
        default_output(o.record.argv[0], output, sizeof output);
        o.record.output = output;
    }
    leave_to_program(SIGINT);
    leave_to_program(SIGQUIT);
    signal(SIGTERM, on_stop);
    signal(SIGHUP, on_stop);
    bool shown = false;
    o.record.context = &shown;
    o.record.progress = !o.quiet && isatty(STDERR_FILENO) ? on_progress : NULL;
    int err = vmsim_record(&o.record, &result);
    if (shown)
        fputs("\r\033[K", stderr);
    if (err)
        return cli_fail(cli_status(err), "record", "%s", *result.error ? result.error : vmsim_error_text(err));
    if (!o.quiet || result.unfollowed || result.differences)
        say(&o, &result);
    say_notes(result.notes);
    if (o.strict && (result.unfollowed || result.differences))
        return EXIT_EXPECTATION;
    if (!o.forward)
        return EXIT_FINE;
    return result.exit_status < 0 ? 128 - result.exit_status : result.exit_status;
}
