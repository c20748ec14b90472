/* SPDX-License-Identifier: MIT */
/* What the subcommands share: loading configurations and saying what is wrong. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

bool cli_push(char ***list, size_t *count, char *value) {
    char **grown = realloc(*list, (*count + 1) * sizeof *grown);
    if (!grown)
        return false;
    *list = grown;
    grown[(*count)++] = value;
    return true;
}

void cli_input_free(struct cli_input *in) {
    free(in->files);
    free(in->sets);
}

int cli_fail(int status, const char *command, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "vmsim%s%s: error: ", command ? " " : "", command ? command : "");
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

int cli_status(int err) {
    switch (err) {
    case 0:
        return EXIT_FINE;
    case VMSIM_ENOMEM:
    case VMSIM_ECHECK:
        return EXIT_INTERNAL;
    default:
        return EXIT_USAGE;
    }
}

void cli_print_errors(struct vmsim_config *config) {
    for (size_t i = 0; i < vmsim_config_error_count(config); i++)
        fprintf(stderr, "%s\n", vmsim_config_error_text(config, i));
}

int cli_load(const struct cli_input *in, struct vmsim_config **config) {
    int err = vmsim_config_create(config);
    if (err)
        return cli_fail(EXIT_INTERNAL, NULL, "%s", vmsim_error_text(err));
    for (size_t i = 0; !err && i < in->file_count; i++)
        err = vmsim_config_load_file(*config, in->files[i]);
    for (size_t i = 0; !err && i < in->set_count; i++)
        err = vmsim_config_set(*config, in->sets[i]);
    err = err ? err : vmsim_config_resolve(*config);
    if (!err)
        return EXIT_FINE;
    cli_print_errors(*config);
    vmsim_config_destroy(*config);
    *config = NULL;
    return cli_status(err);
}

int cli_print(const char *command, const char *text, size_t size) {
    if (fwrite(text, 1, size, stdout) == size && !fflush(stdout))
        return EXIT_FINE;
    return cli_fail(EXIT_USAGE, command, "cannot write to standard output: %s", strerror(errno));
}
