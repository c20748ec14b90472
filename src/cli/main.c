/* SPDX-License-Identifier: MIT */
/* The vmsim program: finds the subcommand and hands over. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "vmsim/version.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *text;
} commands[] = {
    {"run", cmd_run, "run a scenario: a machine and what happens on it"},
    {"check", cmd_check, "check scenario files without running them"},
    {"report", cmd_report, "show a run directory as a page of HTML, or as tables in Markdown"},
    {"compare", cmd_compare, "tell what came out otherwise in one run than in another"},
    {"explain", cmd_explain, "tell what cost most in a run and why, or why a task was slow at a moment"},
    {"top", cmd_top, "watch a run on a terminal"},
    {"test", cmd_test, "run scenarios that say what they expect, for CI"},
    {"record", cmd_record, "run a program and record its memory references"},
    {"trace", cmd_trace, "look at, convert and verify traces"},
    {"curve", cmd_curve, "misses of every memory and TLB size, footprint and reuse of a trace"},
    {"size", cmd_size, "how small the memory limit of a recorded program can be"},
    {"sweep", cmd_sweep, "many points of a grid, and their results in one file"},
    {"calibrate", cmd_calibrate, "measure what this host's kernel and memory cost"},
    {"machine", cmd_machine, "capture this host, and import machines from captures"},
    {"walk", cmd_walk, "draw the page-table walk of one address"},
    {"preset", cmd_preset, "list and show machines that come with vmsim"},
    {"policy", cmd_policy, "list and show policies"},
    {"schema", cmd_schema, "print the JSON schema, or the reference, of scenario files"},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void print_help(FILE *out) {
    fputs("vmsim simulates a machine's memory: TLBs and page tables, and Linux's memory manager above them.\n\n"
          "Usage: vmsim COMMAND [OPTION...] [ARGUMENT...]\n\nCommands:\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].text);
    fputs("\nFirst steps:\n"
          "  vmsim record -o ls.vmt -- ls -l              record a program\n"
          "  vmsim run ls.vmt                             replay it on an x86-64 PC with 4 GiB\n"
          "  vmsim run ls.vmt --set machine.preset=zen4   the same on another machine\n"
          "  vmsim run box.yaml -o out                    run a scenario file, all figures in out/\n"
          "  vmsim COMMAND --help                         what a command takes, with examples\n\n"
          "Environment:\n"
          "  VMSIM_MACHINES  directories with presets, separated by ':'; before those that are installed\n"
          "  TMPDIR          where rows of intervals are kept while a run goes on that has no directory yet\n"
          "  TERM            the terminal that `vmsim top` draws on\n"
          "  GITHUB_ACTIONS  if set, `vmsim test` prints annotations\n\n"
          "Files, below the place where vmsim is installed:\n"
          "  share/vmsim/machines             presets\n"
          "  share/vmsim/stats-schema.json    JSON schema of a run directory's stats.json\n"
          "  lib/vmsim/vmsim-record-plugin.so what `vmsim record` loads into qemu-x86_64\n\n"
          "Exit status: 0 fine, 1 an expectation does not hold, 2 bad usage or input, 3 internal failure.\n",
          out);
}

static int unknown_command(const char *name) {
    const size_t length = strlen(name);
    size_t best = 0, least = length / 4 + 2;
    for (size_t i = 0; i < COMMANDS; i++) {
        const size_t n = cli_slips(name, length, commands[i].name);
        best = n < least ? i : best;
        least = n < least ? n : least;
    }
    if (least <= length / 4 + 1)
        return cli_fail(EXIT_USAGE, NULL, "unknown command '%s' (did you mean '%s'?)", name, commands[best].name);
    if (*name == '-')
        return cli_fail(EXIT_USAGE, NULL, "unknown option '%s': options stand behind a command, see `vmsim --help`",
                        name);
    return cli_fail(EXIT_USAGE, NULL, "unknown command '%s': see `vmsim --help`", name);
}

/* Hands over with argv[0] as the user knows the command, "vmsim run": messages and help begin with it. */
static int hand_over(size_t index, int argc, char **argv) {
    char full[32], help[] = "--help";
    snprintf(full, sizeof full, "vmsim %s", commands[index].name);
    argv[0] = full;
    if (argc > 1 && !strcmp(argv[1], "-h")) /* argp calls it -? */
        argv[1] = help;
    return cli_end_output(commands[index].name, commands[index].run(argc, argv));
}

static size_t find_command(const char *name) {
    size_t i = 0;
    while (i < COMMANDS && strcmp(name, commands[i].name))
        i++;
    return i;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (argc > 2 && !strcmp(argv[1], "help")) {
        size_t i = find_command(argv[2]);
        char help[] = "--help", *asked[] = {NULL, help, NULL};
        return i < COMMANDS ? hand_over(i, 2, asked) : unknown_command(argv[2]);
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_help(stdout);
        return cli_end_output(NULL, EXIT_FINE);
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("vmsim %s%s%s\n", vmsim_version(), *vmsim_commit() ? ", commit " : "", vmsim_commit());
        return cli_end_output(NULL, EXIT_FINE);
    }
    size_t i = find_command(argv[1]);
    return i < COMMANDS ? hand_over(i, argc - 1, argv + 1) : unknown_command(argv[1]);
}
