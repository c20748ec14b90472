/* SPDX-License-Identifier: MIT */
/* `vmsim report`: a run directory as a page for a browser, or as tables for a merge request.
 *
 * Everything comes from the files of the directory, nothing from a machine: a page can be made later, and on a host
 * that has neither the traces nor the plugins of the run. What is missing there is a note, not an error. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "vmsim/run.h"

struct report_options {
    const char *run, *output;
    enum vmsim_run_format format;
};

static const struct argp_option report_argp_options[] = {
    {"output", 'o', "FILE", 0, "Write to FILE (default: report.html or report.md here; -: standard output)", 0},
    {"format", 'F', "FORMAT", 0, "html (default) or md, tables for a merge request", 0},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct report_options *o = state->input;
    switch (key) {
    case 'o':
        o->output = arg;
        return 0;
    case 'F':
        if (strcmp(arg, "html") != 0 && strcmp(arg, "md") != 0)
            argp_error(state, "unknown format '%s' (html or md)", arg);
        o->format = strcmp(arg, "md") ? VMSIM_RUN_HTML : VMSIM_RUN_MARKDOWN;
        return 0;
    case ARGP_KEY_ARG:
        if (o->run)
            argp_error(state, "one run at a time; `vmsim compare` takes several");
        o->run = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no run directory given");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Into a file the library writes by itself; standard output gets the text from here. Notes go to standard error, so
 * that what `-o -` prints stays a document. */
static int show(struct vmsim_run *run, const struct report_options *o) {
    const char *output = o->output ? o->output : o->format == VMSIM_RUN_HTML ? "report.html" : "report.md", *text;
    size_t size;
    for (size_t i = 0; i < vmsim_run_notes(run); i++)
        cli_note("report", "note: %s", vmsim_run_note(run, i));
    bool print = !strcmp(output, "-");
    if (!print && cli_make_parents("report", output))
        return EXIT_USAGE;
    int err = print ? vmsim_run_render(run, o->format, &text, &size) : vmsim_run_save(run, o->format, output);
    if (err)
        return cli_fail(cli_status(err), "report", "%s", vmsim_run_error(run));
    if (!print)
        return EXIT_FINE;
    int status = cli_print("report", text, size);
    vmsim_run_free_text(run, text);
    return status;
}

int cmd_report(int argc, char **argv) {
    static const struct argp argp = {
        report_argp_options,
        parse_option,
        "RUN",
        "Show a run directory as one page of HTML.\vRUN is what `vmsim run -o RUN` wrote. The page is one file that "
        "needs no network: time series with a common cursor and zoom where the run has intervals "
        "(`--set report.interval=10ms`), tasks, times, TLB, zones, expectations, configuration.\n\n"
        "Examples:\n"
        "  vmsim run box.yaml -o out --set report.interval=10ms\n"
        "  vmsim report out -o out.html\n"
        "  vmsim report out --format md -o -            tables for a merge request",
        NULL,
        NULL,
        NULL};
    struct report_options o = {0};
    struct vmsim_run *run;
    if (cli_parse(&argp, argc, argv, 0, &o))
        return EXIT_USAGE;
    int err = vmsim_run_open(o.run, &run);
    int status = err ? cli_fail(cli_status(err), "report", "%s", run ? vmsim_run_error(run) : vmsim_error_text(err))
                     : show(run, &o);
    vmsim_run_close(run);
    return status;
}
