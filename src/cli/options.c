/* SPDX-License-Identifier: MIT */
/* Command lines, by argp, of one kind for all commands: an option that is none is told with the one that was meant.
 * argp itself says no more than getopt does, so long options are looked at before it has its turn. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static const struct argp_option *short_option(const struct argp *argp, int key) {
    const struct argp_option *o = argp->options;
    assert(o);
    while (o->name && o->key != key)
        o++;
    return o->name ? o : NULL;
}

/* Whether the word after argv[i] is the argument of an option in argv[i]: "-o FILE", "-qo FILE". */
static bool takes_next(const struct argp *argp, const char *word) {
    for (const char *c = word + 1; *c; c++) {
        const struct argp_option *o = short_option(argp, *c);
        if (o && o->arg)
            return !c[1] && !(o->flags & OPTION_ARG_OPTIONAL);
    }
    return false;
}

/* The long option that `length` letters stand for: in full, or a beginning as getopt allows it. `known`: whether getopt
 * will understand them, which it does of --help and --usage, too, and complains itself where two are meant. */
static const struct argp_option *long_option(const struct argp *argp, const char *name, size_t length, bool *known) {
    static const char *const own[] = {"help", "usage"};
    *known = !strncmp(name, own[0], length) || !strncmp(name, own[1], length);
    const struct argp_option *found = NULL;
    for (const struct argp_option *o = argp->options; o->name; o++) {
        if (!strncmp(o->name, name, length) && (!found || !o->name[length]))
            found = o;
    }
    *known = *known || found;
    return found;
}

/* Letters that have to be put in, left out or changed to make `b` of `a`; two that changed places are one slip. */
size_t cli_slips(const char *a, size_t length, const char *b) {
    assert(a && b);
    enum { WORD = 31 };
    size_t row[3][WORD + 1];
    const size_t other = strlen(b);
    if (length > WORD || other > WORD)
        return WORD;
    assert(other); /* no option is without a name */
    for (size_t j = 0; j <= other; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= length; i++) {
        size_t *now = row[i % 3];
        const size_t *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= other; j++) {
            const size_t changed = last[j - 1] + (a[i - 1] != b[j - 1]), put = now[j - 1] + 1, left = last[j] + 1;
            now[j] = changed < put ? changed : put;
            now[j] = left < now[j] ? left : now[j];
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < now[j])
                now[j] = before[j - 2] + 1;
        }
    }
    return row[length % 3][other];
}

static const char *closest(const struct argp *argp, const char *name, size_t length) {
    const char *best = NULL;
    size_t least = length / 3 + 1; /* beyond it the words have nothing to do with each other */
    for (const struct argp_option *o = argp->options; o->name; o++) {
        const size_t n = cli_slips(name, length, o->name);
        if (n <= least && (!best || n < least)) {
            least = n;
            best = o->name;
        }
    }
    return best;
}

/* Says which option of the line does not exist; false: all do, as far as this can tell. */
static bool unknown_option(const struct argp *argp, int argc, char **argv, unsigned flags) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *word = argv[i];
        if (*word != '-' || !word[1]) {
            if (flags & ARGP_IN_ORDER)
                return false;
            continue;
        }
        if (word[1] != '-') {
            i += takes_next(argp, word);
            continue;
        }
        const size_t length = strcspn(word + 2, "=");
        bool known;
        const struct argp_option *o = long_option(argp, word + 2, length, &known);
        if (!known) {
            const char *meant = closest(argp, word + 2, length);
            fprintf(stderr, "%s: error: unknown option '", argv[0]);
            cli_put(stderr, word, false);
            if (meant)
                fprintf(stderr, "' (did you mean '--%s'?)\n", meant);
            else
                fprintf(stderr, "': see `%s --help`\n", argv[0]);
            return true;
        }
        i += o && o->arg && !(o->flags & OPTION_ARG_OPTIONAL) && !word[2 + length];
    }
    return false;
}

enum { KEY_HELP = '?', KEY_USAGE = -3 }; /* as argp numbers its own */

/* argp would end the program right behind its help, and not ask whether anybody received it. */
static error_t give_help(int key, char *arg, struct argp_state *state) {
    (void)arg;
    if (key != KEY_HELP && key != KEY_USAGE)
        return ARGP_ERR_UNKNOWN;
    argp_state_help(state, stdout, key == KEY_HELP ? ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK : ARGP_HELP_USAGE);
    const char *command = strchr(state->name, ' ');
    exit(cli_end_output(command ? command + 1 : NULL, EXIT_FINE));
}

int cli_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input) {
    static const struct argp_option helps[] = {{"help", KEY_HELP, NULL, 0, "Give this help list", -1},
                                               {"usage", KEY_USAGE, NULL, 0, "Give a short usage message", 0},
                                               {0}};
    static const struct argp help = {.options = helps, .parser = give_help};
    const struct argp_child children[] = {{.argp = argp}, {.argp = &help}, {0}};
    const struct argp both = {.children = children}; /* whose first child takes the input */
    assert(argp->options && argc > 0);
    argp_err_exit_status = EXIT_USAGE;
    if (unknown_option(argp, argc, argv, flags))
        return EXIT_USAGE;
    return argp_parse(&both, argc, argv, flags | ARGP_NO_HELP, NULL, input) ? EXIT_USAGE : EXIT_FINE;
}
