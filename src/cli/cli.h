/* SPDX-License-Identifier: MIT */
/* What the subcommands of the vmsim program share. Each is `int cmd_NAME(int argc, char **argv)`, argv[0] its own name;
 * it prints what it has to say and returns the exit status. Only public headers of the library are used. */
#ifndef VMSIM_CLI_H
#define VMSIM_CLI_H
#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vmsim/config.h"
#include "vmsim/scenario.h"

enum exit_status {
    EXIT_FINE = 0,
    EXIT_EXPECTATION = 1,  /* an expectation of the scenario does not hold */
    EXIT_USAGE = 2,        /* bad command line or input */
    EXIT_INTERNAL = 3,     /* the host or vmsim itself failed */
    EXIT_INTERRUPTED = 130 /* as a shell tells of SIGINT */
};

int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_test(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_curve(int argc, char **argv);
int cmd_size(int argc, char **argv);
int cmd_sweep(int argc, char **argv);
int cmd_calibrate(int argc, char **argv);
int cmd_machine(int argc, char **argv);
int cmd_walk(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_preset(int argc, char **argv);
int cmd_schema(int argc, char **argv);

/* Files and overrides as several commands take them. A file may be a recorded trace: it stands for a task that replays
 * it. */
struct cli_input {
    char **files;
    size_t file_count;
    char **sets;
    size_t set_count;
    char **dirs; /* searched for presets and traces */
    size_t dir_count;
    unsigned limits;  /* of vmsim_config_restrict() */
    const char *root; /* likewise, or NULL */
    const char *task; /* further keys of a trace's task: ", cached: false"; or NULL */
};
/* Makes the directories above `path` that are not there. An exit status, all said. */
int cli_make_parents(const char *command, const char *path);
/* Appends to one of the lists; false: no memory. */
bool cli_push(char ***list, size_t *count, char *value);
/* -s KEY=VALUE, -I DIR and the words that are no options, as argp gives them; else ARGP_ERR_UNKNOWN. */
error_t cli_input_option(struct cli_input *in, int key, char *arg);
void cli_input_free(struct cli_input *in);

/* Whether vmsim wrote this directory: its manifest says so. */
bool cli_is_run(const char *directory);
/* Whether a file holds a recorded trace, by its first bytes, or its name if there are none. */
bool cli_is_trace(const char *path);

/* Loads files and overrides, and does not resolve: more may be set. 0 and a configuration, or an exit status with
 * everything said. */
int cli_read(const struct cli_input *in, struct vmsim_config **config);
/* Loads files and overrides and resolves. 0 and a configuration, or an exit status with everything said on standard
 * error. */
int cli_load(const struct cli_input *in, struct vmsim_config **config);
/* The same, and makes machine and workload. 0 and both; else an exit status, everything said; *config may be there. */
int cli_open(const struct cli_input *in, struct vmsim_config **config, struct vmsim_scenario **scenario);
/* All errors of a configuration, on standard error. */
void cli_print_errors(struct vmsim_config *config);
/* A scenario's failure: its own place in a file if it has one, else behind the command's name. An exit status. */
int cli_scenario_failed(const char *command, int err, const char *text);
/* What is wrong with a command line, the first paragraph of `usage` (how it goes), and where more is; EXIT_USAGE. */
int cli_misuse(const char *command, const char *usage, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* "--help" anywhere prints `usage`; other words, which the command does not take, are a misuse. An exit status. */
int cli_usage(const char *command, const char *usage, int argc, char **argv);
/* A command line by `argp`, as its parser takes it; a long option that does not exist is told with the one that was
 * meant. EXIT_FINE, or EXIT_USAGE with everything said. */
int cli_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input);
/* How many slips of a typist lie between `length` letters and a word; more than about one in four: it is not meant. */
size_t cli_slips(const char *a, size_t length, const char *b);
/* A decimal number of 0 to `max` on a command line; anything else is a misuse, which ends the program. */
uint64_t cli_number(struct argp_state *state, const char *arg, uint64_t max);
/* "4KiB", "2M", "1g": a number and a unit of 1024s, in bytes; anything else is a misuse, which ends the program. */
uint64_t cli_size(struct argp_state *state, const char *arg);
/* "12.5ms", "300us", "1s": a number, at most nine digits behind a point, and its unit, in ns; anything else is a
 * misuse, which ends the program. */
uint64_t cli_time(struct argp_state *state, const char *arg);
/* Millionths of "0.01", "1%" or "1": digits, at most six of them behind the point (four of a percentage), not 0;
 * anything else is a misuse, which ends the program. */
uint32_t cli_share(struct argp_state *state, const char *arg);
/* The one file that a command writes; without a path, or with "-", standard output.
 *
 *     struct cli_out out;
 *     FILE *f = cli_out_begin(&out, "size", path);
 *     if (f)
 *         draw(f);
 *     return cli_out_end(&out, true);      due in any case */
struct cli_out {
    const char *command, *path;
    FILE *f;
    char *text; /* what was written, once `f` is closed */
    size_t size;
};
/* NULL: no memory, which cli_out_end() says. */
FILE *cli_out_begin(struct cli_out *o, const char *command, const char *path);
/* An exit status, all said. `whole`: all was printed; else memory ran short on the way (errno), and the file stays. */
int cli_out_end(struct cli_out *o, bool whole);

/* Whether two paths lead to one file that is there. */
bool cli_same_file(const char *a, const char *b);
/* Exit status that a library error stands for. */
int cli_status(int err);
/* "vmsim CMD: ..." on standard error. */
void cli_note(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Notes, one at most each, that nodes are not as far one way as the other, or nearer by way of a third: Linux takes
 * such distances, but few mean them. */
struct vmsim_machine;
void cli_note_distances(const char *command, struct vmsim_machine *m);
/* "vmsim CMD: error: ..." on standard error; returns `status`. */
int cli_fail(int status, const char *command, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* `text` with control characters as \ooo: what comes from files and traces must not steer a terminal. Newlines stay
 * with `lines`. */
void cli_put(FILE *out, const char *text, bool lines);
/* Writes all of `text` to standard output as cli_put() does; an exit status. */
int cli_print(const char *command, const char *text, size_t size);
/* The status of a program that ends with `status`: all that it printed must have arrived, and what it said of that
 * already is not said again. */
int cli_end_output(const char *command, int status);

#endif
