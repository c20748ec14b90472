/* SPDX-License-Identifier: MIT */
/* `vmsim test`: scenarios with expectations, in parallel, and what CI systems want to read of them.
 *
 *     paths  -->  suite_find.c  -->  suite_run.c: a process each  -->  suite_report.c: text, TAP, JUnit, annotations
 *
 * A scenario that dies takes nothing with it, and results are told in the order of names as soon as all before them
 * are there: output is the same with one worker and with sixty-four. */
#include <assert.h>
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/suite.h"

struct test_options {
    struct suite suite;
    char **paths;
    size_t path_count;
    const char *junit;
    unsigned workers;
};

enum { OPTION_JUNIT = 256, OPTION_TAP, OPTION_GITHUB, OPTION_TIMEOUT };

static const struct argp_option test_argp_options[] = {
    {"jobs", 'j', "COUNT", 0, "Run so many scenarios at a time (default: as many as there are CPUs)", 0},
    {"junit", OPTION_JUNIT, "FILE", 0, "Also write JUnit's XML, which GitLab and Jenkins show", 0},
    {"tap", OPTION_TAP, NULL, 0, "Print TAP (Test Anything Protocol 13) instead of text", 0},
    {"github", OPTION_GITHUB, NULL, 0,
     "Print annotations, which GitHub shows at the lines of the scenarios (default where GITHUB_ACTIONS is set)", 0},
    {"output", 'o', "DIR", 0, "Write the run directory of each scenario into DIR", 0},
    {"set", 's', "KEY=VALUE", 0, "Override one value in all scenarios: machine.kernel=6.12", 0},
    {"directory", 'I', "DIR", 0, "Look for presets and traces in DIR, too", 0},
    {"timeout", OPTION_TIMEOUT, "SECONDS", 0, "End a scenario that needs more time of a CPU here, as failed", 0},
    {"quiet", 'q', NULL, 0, "Only what failed, and the sum", 0},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct test_options *o = state->input;
    switch (key) {
    case 'j':
        o->workers = (unsigned)cli_number(state, arg, POOL_WORKERS);
        if (!o->workers)
            argp_error(state, "at least one scenario at a time");
        return 0;
    case OPTION_JUNIT:
        o->junit = arg;
        return 0;
    case OPTION_TAP:
        o->suite.tap = true;
        return 0;
    case OPTION_GITHUB:
        o->suite.github = true;
        return 0;
    case 'o':
        o->suite.output = arg;
        return 0;
    case 's':
        return cli_push(&o->suite.sets, &o->suite.set_count, arg) ? 0 : ENOMEM;
    case 'I':
        return cli_push(&o->suite.dirs, &o->suite.dir_count, arg) ? 0 : ENOMEM;
    case OPTION_TIMEOUT:
        o->suite.limit = (unsigned)cli_number(state, arg, 1000000);
        return 0;
    case 'q':
        o->suite.quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        return cli_push(&o->paths, &o->path_count, arg) ? 0 : ENOMEM;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no folder or scenario given");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What would fail after an hour of runs is looked at before the first: the places where results are to go. */
static int gather(struct test_options *o) {
    int status = EXIT_FINE;
    assert(o->path_count > 0);
    for (size_t i = 0; i < o->path_count && !status; i++)
        status = suite_add(&o->suite, o->paths[i]);
    suite_sort(&o->suite);
    if (!status && !o->suite.count)
        return cli_fail(EXIT_USAGE, "test", "no scenario there has a line `expect:`");
    if (!status && o->suite.output)
        status = cli_make_parents("test", o->suite.output);
    if (!status && o->junit)
        status = cli_make_parents("test", o->junit);
    if (!status && o->suite.output && mkdir(o->suite.output, 0777) && errno != EEXIST)
        return cli_fail(EXIT_USAGE, "test", "cannot make the directory %s: %s", o->suite.output, strerror(errno));
    return status;
}

/* The gravest of all. */
static int status_of(const struct suite *s) {
    int status = EXIT_FINE;
    for (size_t i = 0; i < s->count; i++)
        status = s->cases[i].status > status ? s->cases[i].status : status;
    return status;
}

/* Written when everything is over, since JUnit's root element begins with the sums. */
static int write_junit(const struct suite *s, const char *path) {
    struct cli_out out;
    FILE *f = cli_out_begin(&out, "test", path);
    if (f)
        suite_junit(s, f);
    return cli_out_end(&out, true);
}

static int run(struct test_options *o) {
    struct suite *s = &o->suite;
    size_t number = 0;
    const enum pool_end end = suite_run(s, o->workers ? o->workers : pool_cpus());
    if (end == POOL_INTERRUPTED)
        return cli_fail(EXIT_INTERRUPTED, "test", "interrupted");
    if (end != POOL_ALL)
        return cli_fail(EXIT_INTERNAL, "test", "cannot run the scenarios: %s", strerror(errno));
    if (s->tap)
        printf("TAP version 13\n1..%zu\n", suite_checks(s));
    for (size_t i = s->shown; i < s->count; i++)
        suite_tell(s, &s->cases[i], &number);
    suite_summary(s);
    const int status = o->junit ? write_junit(s, o->junit) : EXIT_FINE;
    return status ? status : status_of(s);
}

int cmd_test(int argc, char **argv) {
    static const struct argp argp = {
        test_argp_options,
        parse_option,
        "DIR|SCENARIO...",
        "Run scenarios that say what they expect, and tell which of it holds.\vOf a folder all YAML files, also those "
        "below it, that have a line `expect:`. Each runs in a process of its own; counters, tasks and markers that "
        "cannot be are found before anything runs. Results are told in the order of names, whatever ends first.\n\n"
        "Examples:\n"
        "  vmsim test scenarios/\n"
        "  vmsim test scenarios/ --junit report.xml -o runs     for GitLab; runs/ as artifacts\n"
        "  vmsim test scenarios/ --set machine.kernel=6.12\n"
        "  prove -e 'vmsim test --tap' scenarios/*.yaml\n\n"
        "Exit status: 0 all hold, 1 an expectation or a step failed, 2 a scenario has errors, or bad usage; 3 for an "
        "internal failure.",
        NULL,
        NULL,
        NULL};
    struct test_options o = {.suite = {.github = getenv("GITHUB_ACTIONS") != NULL}};
    int status = cli_parse(&argp, argc, argv, 0, &o) ? EXIT_USAGE : gather(&o);
    status = status ? status : run(&o);
    suite_free(&o.suite);
    free(o.paths);
    return status;
}
