/* SPDX-License-Identifier: MIT */
/* `vmsim sweep`: many points of a grid, their results in one file, and what can be made of it.
 *
 *     grid.yaml --sweep_read.c--> grid --sweep_run.c, points in processes--> results.db --> export, report, compare
 *                                                    \--sweep_slurm.c--> shards on other hosts --gather--/
 *
 * The first word decides: a file is a grid to be run, `export`, `report`, `compare` and `gather` are about results that
 * are there. Nothing here knows what a point is; the file of results is the only thing that lasts between commands. */
#include <assert.h>
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/pool.h"
#include "cli/sweep.h"

/* More than any cluster has jobs; a slip of a digit is told instead of submitted. */
#define SHARDS_MAX UINT64_C(1000000)

struct command_line {
    struct sweep_options o;
    char **words, **measures;
    size_t count, measure_count;
    char *pareto;   /* "A,B" */
    uint64_t point; /* to be run alone; UINT64_MAX: the grid is */
};

enum {
    OPTION_DRY = 256,
    OPTION_SLURM,
    OPTION_NO_WAIT,
    OPTION_RETRY,
    OPTION_SEPARATE,
    OPTION_PARTITION,
    OPTION_PARETO,
    OPTION_POINT
};

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "File of results (default: the grid's name with .db); one that is there is gone on with",
     0},
    {"jobs", 'j', "COUNT", 0, "Points at a time (as many as there are CPUs)", 0},
    {"shard", 'i', "I/N", 0, "Only part I of N, from 1/N to N/N", 0},
    {"dry-run", OPTION_DRY, NULL, 0, "Check the grid and count its points; with --slurm, print the script", 0},
    {"retry", OPTION_RETRY, NULL, 0, "Do points that failed anew", 0},
    {"separate", OPTION_SEPARATE, NULL, 0, "Each point from its own boot, not from where others had come as well", 0},
    {"point", OPTION_POINT, "N", 0, "Run point N alone, into FILE's name with .runs/N, and make a page of it", 0},
    {"slurm", OPTION_SLURM, "N", 0,
     "Submit a job array of N shards to Slurm (sbatch), follow it and gather its results", 0},
    {"no-wait", OPTION_NO_WAIT, NULL, 0, "With --slurm: submit only; the same command gathers when it is over", 0},
    {"partition", OPTION_PARTITION, "NAME", 0, "Partition of Slurm", 0},
    {"measure", 'm', "COUNTER", 0, "report: draw this counter; repeat (default: time and what varies most)", 0},
    {"front", OPTION_PARETO, "A,B", 0, "report: Pareto front of two counters or axes, less being better", 0},
    {"quiet", 'q', NULL, 0, "Errors only", 0},
    {0}};

/* Parts are counted from 1, as people and job arrays do: part 1 of 4, not 0. */
static void parse_shard(struct argp_state *state, struct sweep_options *o, const char *arg) {
    char *slash, *end;
    errno = 0;
    o->shard = strtoull(arg, &slash, 10);
    o->shards = *slash == '/' ? strtoull(slash + 1, &end, 10) : 0;
    if (!o->shards || errno || *end || !o->shard || o->shard > o->shards || o->shards > SHARDS_MAX)
        argp_error(state, "'%s' is no part: 1/4, 2/4, 3/4 or 4/4, say", arg);
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct command_line *c = state->input;
    struct sweep_options *o = &c->o;
    switch (key) {
    case 'o':
        o->output = arg;
        return 0;
    case 'j':
        o->jobs = (unsigned)cli_number(state, arg, POOL_WORKERS);
        if (!o->jobs)
            argp_error(state, "0 points at a time come to no end");
        return 0;
    case 'i':
        parse_shard(state, o, arg);
        return 0;
    case OPTION_DRY:
        o->dry_run = true;
        return 0;
    case OPTION_RETRY:
        o->retry = true;
        return 0;
    case OPTION_SEPARATE:
        o->separate = true;
        return 0;
    case OPTION_POINT:
        c->point = cli_number(state, arg, UINT64_MAX - 1);
        return 0;
    case OPTION_SLURM:
        o->slurm = true;
        o->shards = cli_number(state, arg, SHARDS_MAX);
        if (!o->shards)
            argp_error(state, "an array of 0 jobs does nothing");
        return 0;
    case OPTION_NO_WAIT:
        o->no_wait = true;
        return 0;
    case OPTION_PARTITION:
        o->partition = arg;
        return 0;
    case 'm':
        return cli_push(&c->measures, &c->measure_count, arg) ? 0 : ENOMEM;
    case OPTION_PARETO:
        if (!strchr(arg, ','))
            argp_error(state, "'%s': two names, separated by a comma", arg);
        c->pareto = arg;
        return 0;
    case 'q':
        o->quiet = true;
        return 0;
    case ARGP_KEY_ARG:
        return cli_push(&c->words, &c->count, arg) ? 0 : ENOMEM;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no grid given");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* "study.yaml" -> "study.db", beside it. */
static char *default_output(const char *grid) {
    const char *slash = strrchr(grid, '/'), *dot = strrchr(grid, '.');
    const int length = dot && (!slash || dot > slash + 1) && dot > grid ? (int)(dot - grid) : (int)strlen(grid);
    char *name;
    return asprintf(&name, "%.*s.db", length, grid) < 0 ? NULL : name;
}

/* The command that was meant by a word before a file of results. */
static const char *meant(const char *word) {
    static const char *const commands[] = {"export", "report", "compare", "gather"};
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (cli_slips(word, strlen(word), commands[i]) <= 2)
            return commands[i];
    }
    return NULL;
}

/* A file of results where a grid belongs is the slip that comes up most: `vmsim sweep study.db`. */
static bool ends_in_db(const char *path) {
    const size_t n = strlen(path);
    return n > 3 && !strcmp(path + n - 3, ".db");
}

/* A word before a file may be a command with a typing error: taken as a grid it would end as "no such file", which
 * helps nobody. */
static int run_grid(struct command_line *c) {
    const char *command = c->count > 1 ? meant(c->words[0]) : NULL;
    if (command)
        return cli_fail(EXIT_USAGE, "sweep", "unknown command '%s' (did you mean '%s'?)", c->words[0], command);
    if (ends_in_db(c->words[0]))
        return cli_fail(EXIT_USAGE, "sweep", "%s holds results, and is no grid: `vmsim sweep report %s` shows them",
                        c->words[0], c->words[0]);
    if (!c->o.slurm && (c->o.no_wait || c->o.partition))
        return cli_fail(EXIT_USAGE, "sweep", "%s says how --slurm goes about it, and there is no --slurm",
                        c->o.no_wait ? "--no-wait" : "--partition");
    char *name = c->o.output ? NULL : default_output(c->words[0]);
    if (c->count > 1)
        return cli_fail(EXIT_USAGE, "sweep", "one grid at a time, not also '%s'", c->words[1]);
    c->o.grid = c->words[0];
    c->o.output = c->o.output ? c->o.output : name;
    if (!c->o.output)
        return cli_fail(EXIT_INTERNAL, "sweep", "%s", strerror(ENOMEM));
    const int status = cli_same_file(c->o.grid, c->o.output)
                           ? cli_fail(EXIT_USAGE, "sweep", "%s: input file is output file", c->o.grid)
                       : c->point != UINT64_MAX ? sweep_point(&c->o, c->point)
                                                : sweep_run(&c->o);
    free(name);
    return status;
}

/* report FILE: FILE's name with .html, unless -o says where. */
static int run_report(const struct command_line *c) {
    const char *file = c->words[1], *dot = strrchr(file, '.');
    const char *pareto[2] = {c->pareto, NULL};
    char *name = NULL;
    assert(c->count == 2);
    if (asprintf(&name, "%.*s.html", (int)(dot && dot > file ? (size_t)(dot - file) : strlen(file)), file) < 0)
        return cli_fail(EXIT_INTERNAL, "sweep", "%s", strerror(ENOMEM));
    if (c->pareto) {
        char *comma = strchr(c->pareto, ',');
        *comma = 0;
        pareto[1] = comma + 1;
    }
    const int status = sweep_report(file, c->o.output ? c->o.output : name, (const char *const *)c->measures,
                                    c->measure_count, pareto);
    if (!status && !c->o.quiet)
        printf("%s\n", c->o.output ? c->o.output : name);
    free(name);
    return status;
}

static int run_command(struct command_line *c) {
    assert(c->count > 0); /* a line without words has been refused */
    const char *word = c->words[0];
    if (!strcmp(word, "export")) {
        if (c->count != 2)
            return cli_fail(EXIT_USAGE, "sweep", "export takes one file of results");
        return sweep_export(c->words[1]);
    }
    if (!strcmp(word, "gather")) {
        if (c->count < 3)
            return cli_fail(EXIT_USAGE, "sweep", "gather takes the file to make and those to take from");
        return sweep_gather(c->words[1], c->words + 2, c->count - 2);
    }
    if (!strcmp(word, "report")) {
        if (c->count != 2)
            return cli_fail(EXIT_USAGE, "sweep", "report takes one file of results");
        return run_report(c);
    }
    if (!strcmp(word, "compare")) {
        if (c->count != 3)
            return cli_fail(EXIT_USAGE, "sweep", "compare takes two files of results");
        return sweep_compare(c->words[1], c->words[2]);
    }
    return run_grid(c);
}

int cmd_sweep(int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse_option,
        "GRID.yaml\nexport RESULTS.db\nreport RESULTS.db\ncompare A.db B.db\ngather TO.db FROM.db...",
        "Run many points, and keep their results in one file.\vA grid names base files, axes (any key as --set takes "
        "it, with values, a range or a geometric series; several keys zipped), seeds, exclusions and counters: see "
        "docs/scale.md. Results are an SQLite file. A point is in it whole or not at all: whatever ended a sweep, the "
        "same command goes on with it. Points that fail are recorded with their message.\n\n"
        "Examples:\n  vmsim sweep study.yaml\n  vmsim sweep --dry-run study.yaml\n"
        "  vmsim sweep --shard 2/4 -o part2.db study.yaml\n  vmsim sweep gather study.db part?.db\n"
        "  vmsim sweep export study.db > study.csv\n  vmsim sweep report --front limit,time_ns study.db\n"
        "  vmsim sweep --point 17 study.yaml      one point as a run, with its page\n"
        "  vmsim sweep compare before.db after.db\n  vmsim sweep --slurm 64 -j 8 study.yaml\n\n"
        "Exit status: 0 when all points of the grid are there, 1 when some failed or their expectations do not hold; 2 "
        "for bad usage or input, 3 for an internal failure.",
        NULL,
        NULL,
        NULL};
    struct command_line c = {.o = {.shard = 1, .shards = 1, .jobs = pool_cpus()}, .point = UINT64_MAX};
    if (cli_parse(&argp, argc, argv, 0, &c))
        return EXIT_USAGE;
    const int status = run_command(&c);
    free(c.words);
    free(c.measures);
    return status;
}
