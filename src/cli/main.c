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
    {"record", cmd_record, "run a program and record its memory references"},
    {"trace", cmd_trace, "look at, convert and verify traces"},
    {"walk", cmd_walk, "draw the page-table walk of one address"},
    {"preset", cmd_preset, "list and show machines that come with vmsim"},
    {"policy", cmd_policy, "list and show policies"},
    {"schema", cmd_schema, "print the JSON schema, or the reference, of scenario files"},
};
#define COMMANDS (sizeof commands / sizeof commands[0])

static void print_help(FILE *out) {
    fputs("vmsim simulates a machine's memory: TLBs and page tables, and Linux's memory manager above them.\n\n"
          "Usage: vmsim COMMAND [OPTION...]\n\nCommands:\n",
          out);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].text);
    fputs("\nFirst steps:\n"
          "  vmsim record -o ls.vmt -- ls -l          record a program\n"
          "  vmsim run examples/tlb_reach.yaml        run a scenario and read its summary\n"
          "  vmsim run my.yaml --set machine.preset=zen4 -o out\n"
          "                                           the same on another machine, all figures in out/\n"
          "  vmsim COMMAND --help                     what a command takes\n\n"
          "Exit status: 0 fine, 1 an expectation does not hold, 2 bad usage or input, 3 internal failure.\n",
          out);
}

/* How unlike two words are: letters that stand in one alone. Enough to find a slip among eight commands. */
static unsigned unlike(const char *a, const char *b) {
    unsigned n = 0;
    for (const char *p = a; *p; p++)
        n += !strchr(b, *p);
    for (const char *p = b; *p; p++)
        n += !strchr(a, *p);
    return n;
}

static int unknown_command(const char *name) {
    size_t best = 0;
    for (size_t i = 1; i < COMMANDS; i++) {
        if (unlike(name, commands[i].name) < unlike(name, commands[best].name))
            best = i;
    }
    if (unlike(name, commands[best].name) <= 2)
        return cli_fail(EXIT_USAGE, NULL, "unknown command '%s' (did you mean '%s'?)", name, commands[best].name);
    return cli_fail(EXIT_USAGE, NULL, "unknown command '%s': see `vmsim --help`", name);
}

int main(int argc, char **argv) {
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
        print_help(stdout);
        return EXIT_FINE;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        printf("vmsim %s\n", vmsim_version());
        return EXIT_FINE;
    }
    for (size_t i = 0; i < COMMANDS; i++) {
        if (!strcmp(argv[1], commands[i].name))
            return commands[i].run(argc - 1, argv + 1);
    }
    return unknown_command(argv[1]);
}
