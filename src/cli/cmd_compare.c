/* SPDX-License-Identifier: MIT */
/* `vmsim compare`: runs beside each other, and bounds on what may become worse.
 *
 * All of comparing is the library's (vmsim_run_compare): it is what a program that gates merges by itself would call.
 * Here are the words of the command line, where its text goes, and what a CI system reads of it, the exit status. All
 * runs are opened before anything is compared, so that a directory that is none is told of whatever its place. */
#include <assert.h>
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "vmsim/run.h"

struct compare_args {
    char **runs, **gates;
    size_t run_count, gate_count;
    struct vmsim_compare_options options;
    enum vmsim_compare_format format;
    const char *output;
    bool exact, format_told;
};

static const struct argp_option compare_argp_options[] = {
    {"threshold", 't', "SHARE", 0, "Show changes of this share or more: 1%, 0.01 (default: all)", 0},
    {"max-regress", 'r', "BOUND", 0,
     "COUNTER=SHARE: exit with 1 when a run has more than SHARE above the first: vmstat.pgmajfault=1%; -1%: more than "
     "1 % below; COUNTER may have * and ?; repeat for several",
     0},
    {"seeds", 's', NULL, 0,
     "Runs that differ in nothing but workload.seed are repetitions of one: compare their means, and tell where they "
     "are "
     "further apart than their 95 % intervals (_ci95: half of one)",
     0},
    {"exact", 'e', NULL, 0, "Exit with 1 when any number changed", 0},
    {"counters", 'c', "PATTERN", 0, "Look at these alone: 'vmstat.*'", 0},
    {"rows", 'n', "COUNT", 0, "Show so many changes, the largest first (default 40; 0: all); JSON has all", 0},
    {"format", 'F', "FORMAT", 0, "text (default), md, json or html: a page with the series of all runs over each other",
     0},
    {"output", 'o', "FILE", 0, "Into a file (default: standard output); FILE.html is a page", 0},
    {0}};

/* In the order of the enum: a name's place is its value. argp_error() ends the program; what stands behind it is for
 * compilers. */
static enum vmsim_compare_format parse_format(struct argp_state *state, const char *arg) {
    static const char *const names[] = {"text", "md", "json", "html"};
    for (int i = 0; i < 4; i++) {
        if (!strcmp(arg, names[i]))
            return (enum vmsim_compare_format)i;
    }
    argp_error(state, "unknown format '%s' (text, md, json or html)", arg);
    return VMSIM_COMPARE_TEXT;
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct compare_args *o = state->input;
    switch (key) {
    case 't':
        o->options.threshold = cli_share(state, arg);
        return 0;
    case 'r':
        return cli_push(&o->gates, &o->gate_count, arg) ? 0 : ENOMEM;
    case 's':
        o->options.seeds = true;
        return 0;
    case 'e':
        o->exact = true;
        return 0;
    case 'c':
        o->options.pattern = arg;
        return 0;
    case 'n':
        o->options.rows = cli_number(state, arg, SIZE_MAX);
        return 0;
    case 'F':
        o->format = parse_format(state, arg);
        o->format_told = true;
        return 0;
    case 'o':
        o->output = arg;
        return 0;
    case ARGP_KEY_ARG:
        return cli_push(&o->runs, &o->run_count, arg) ? 0 : ENOMEM;
    case ARGP_KEY_END:
        if (o->run_count < 2 || o->run_count > VMSIM_COMPARE_RUNS)
            argp_error(state, "2 to %d run directories are compared, not %zu", VMSIM_COMPARE_RUNS, o->run_count);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* A file is written beside its name and put in its place when it is whole (cli_out_begin): a page that a browser shows
 * is never half of one. */
static int put(const char *output, const char *text, size_t size) {
    struct cli_out out;
    if (!output)
        return cli_print("compare", text, size);
    FILE *f = cli_out_begin(&out, "compare", output);
    if (f)
        fwrite(text, 1, size, f);
    return cli_out_end(&out, true);
}

/* The name says what is wanted, unless --format has said it: nobody means a table in a file called .html. */
static bool is_page(const char *output) {
    const size_t n = output ? strlen(output) : 0;
    return n > 5 && !strcmp(output + n - 5, ".html");
}

/* A broken bound is no failure of the comparison: what was compared is printed first, in any case, since who is stopped
 * by a gate wants to see why. */
static int compare(struct vmsim_run **runs, struct compare_args *o) {
    struct vmsim_compare_result result;
    const char *text;
    size_t size;
    assert(o->run_count >= 2 && o->run_count <= VMSIM_COMPARE_RUNS);
    o->options.gates = (const char *const *)o->gates;
    o->options.gate_count = o->gate_count;
    o->format = !o->format_told && is_page(o->output) ? VMSIM_COMPARE_HTML : o->format;
    int err = vmsim_run_compare(runs, o->run_count, &o->options, o->format, &text, &size, &result);
    if (err)
        return cli_fail(cli_status(err), "compare", "%s", vmsim_run_error(runs[0]));
    int status = put(o->output, text, size);
    vmsim_run_free_text(runs[0], text);
    return status ? status : result.breaches || (o->exact && result.changed) ? EXIT_EXPECTATION : EXIT_FINE;
}

int cmd_compare(int argc, char **argv) {
    static const struct argp argp = {
        compare_argp_options,
        parse_option,
        "RUN RUN...",
        "What came out otherwise in run directories than in the first of them.\vFirst what makes the runs unlike is "
        "told: versions, inputs, and each key of the configuration that differs. Then the numbers that changed, the "
        "largest change first: all counters, the numbers of the run, where the time went. What is simulated is exact, "
        "so there is no noise: a number that changed has a cause.\n\n"
        "Examples:\n"
        "  vmsim compare before after\n"
        "  vmsim compare before after --threshold 1% --format md     for a merge request\n"
        "  vmsim compare before after -r vmstat.pgmajfault=1% -r 'tasks.*.blocked_ns=5%'\n"
        "  vmsim compare before after -o compare.html                both over time, for a browser\n"
        "  vmsim compare --seeds lru-1 lru-2 lru-3 mglru-1 mglru-2 mglru-3\n"
        "  vmsim compare lru mglru custom --counters 'vmstat.pgs*'\n\n"
        "Exit status: 0 fine, 1 a bound was broken (or with --exact: something changed), 2 bad usage or input.",
        NULL,
        NULL,
        NULL};
    struct compare_args o = {.options = {.size = sizeof o.options, .rows = 40}};
    struct vmsim_run *runs[VMSIM_COMPARE_RUNS] = {0};
    int status = cli_parse(&argp, argc, argv, 0, &o) ? EXIT_USAGE : EXIT_FINE;
    for (size_t i = 0; !status && i < o.run_count; i++) {
        int err = vmsim_run_open(o.runs[i], &runs[i]);
        if (err)
            status =
                cli_fail(cli_status(err), "compare", "%s", runs[i] ? vmsim_run_error(runs[i]) : vmsim_error_text(err));
        for (size_t n = 0; !err && n < vmsim_run_notes(runs[i]); n++)
            cli_note("compare", "note: %s: %s", o.runs[i], vmsim_run_note(runs[i], n));
    }
    status = status ? status : compare(runs, &o);
    for (size_t i = 0; i < VMSIM_COMPARE_RUNS; i++)
        vmsim_run_close(runs[i]);
    free(o.runs);
    free(o.gates);
    return status;
}
