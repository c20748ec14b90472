/* SPDX-License-Identifier: MIT */
/* `vmsim machine`: writes down this host's memory system, and makes machine descriptions of what was written. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "vmsim/host.h"

static const char usage[] =
    "Usage: vmsim machine capture DIR\n"
    "       vmsim machine import DIR|--live -o FILE.yaml\n\n"
    "capture writes what describes this host's memory system into a folder of text files. It needs no privileges;\n"
    "what it could not read is listed on standard error and in DIR/missing.txt.\n"
    "import makes a machine description of such a folder, or of this host as it is (--live), each value with the\n"
    "place it came from. What is missing, and what is taken instead, is said on standard error.\n\n"
    "Examples:\n"
    "  vmsim machine import --live -o here.yaml\n"
    "  vmsim run here.yaml work.yaml\n\n"
    "  -o, --output=FILE   the machine description to write\n"
    "  -q, --quiet         say nothing of what is missing\n";

static void print_note(void *context, const char *file, const char *text) {
    cli_note("machine", "%s: %s: %s", (const char *)context, file, text);
}

struct machine_arguments {
    const char *verb, *directory, *output;
    bool live, quiet, help;
};

/* NULL, or the word that nobody asked for. */
static const char *parse(int argc, char **argv, struct machine_arguments *a) {
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!strcmp(word, "--help") || !strcmp(word, "-h"))
            a->help = true;
        else if (!strcmp(word, "--live"))
            a->live = true;
        else if (!strcmp(word, "-q") || !strcmp(word, "--quiet"))
            a->quiet = true;
        else if ((!strcmp(word, "-o") || !strcmp(word, "--output")) && i + 1 < argc)
            a->output = argv[++i];
        else if (!strncmp(word, "--output=", 9))
            a->output = word + 9;
        else if (*word == '-' || a->directory)
            return word;
        else if (!a->verb)
            a->verb = word;
        else
            a->directory = word;
    }
    return NULL;
}

int cmd_machine(int argc, char **argv) {
    struct machine_arguments a = {0};
    char why[600];
    const char *word = parse(argc, argv, &a);
    if (a.help) {
        fputs(usage, stdout);
        return EXIT_FINE;
    }
    if (word)
        return cli_misuse("machine", usage, "not understood: '%s'", word);
    bool import = a.verb && !strcmp(a.verb, "import"), capture = a.verb && !strcmp(a.verb, "capture");
    if (!import && !capture)
        return a.verb ? cli_misuse("machine", usage, "not understood: '%s'", a.verb)
                      : cli_misuse("machine", usage, "say what to do");
    if (capture && (!a.directory || a.live || a.output))
        return cli_misuse("machine", usage, "capture takes one folder, and nothing else");
    if (import && (!a.output || (a.directory != NULL) == a.live))
        return cli_misuse("machine", usage, a.output ? "import takes a folder, or --live" : "import needs -o FILE");
    const char *subject = a.live ? "this host" : a.directory;
    struct vmsim_host_options o = {.size = sizeof o, .note = a.quiet ? NULL : print_note, .context = (char *)subject};
    int err = import ? vmsim_host_import(a.directory, a.output, &o, why, sizeof why)
                     : vmsim_host_capture(a.directory, &o, why, sizeof why);
    if (err && *why)
        return cli_fail(cli_status(err), "machine", "%s", why);
    return err ? cli_fail(cli_status(err), "machine", "%s: %s", subject, vmsim_error_text(err)) : EXIT_FINE;
}
