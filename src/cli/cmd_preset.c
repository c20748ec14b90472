/* SPDX-License-Identifier: MIT */
/* `vmsim preset` and `vmsim schema`: what machines there are, and what a scenario file may say.
 *
 * Both answer from a configuration that nothing was read into: presets are files found by the library, the schema and
 * the reference are generated from the tables of parameters, so neither can lag behind what a scenario accepts. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static int preset_list(struct vmsim_config *config) {
    size_t count;
    int err = vmsim_config_presets(config, &count);
    if (err)
        return cli_fail(cli_status(err), "preset", "%s", vmsim_error_text(err));
    for (size_t i = 0; i < count; i++)
        printf("%-18s %s\n", vmsim_config_preset_name(config, i), vmsim_config_preset_doc(config, i));
    if (!count)
        fputs("no presets found: VMSIM_MACHINES may name their directory\n", stderr);
    return EXIT_FINE;
}

/* The file as it is, comments with its sources included: it is meant to be the beginning of one's own. The library's
 * message has "error: " before it, which cli_fail() adds itself. */
static int preset_show(struct vmsim_config *config, const char *name) {
    const char *text;
    size_t size;
    int err = vmsim_config_preset_text(config, name, &text, &size);
    if (!err)
        return cli_print("preset", text, size);
    const char *why = vmsim_config_error_text(config, 0), *begin = "error: ";
    if (!why)
        why = vmsim_error_text(err);
    return cli_fail(cli_status(err), "preset", "%s", strncmp(why, begin, strlen(begin)) ? why : why + strlen(begin));
}

int cmd_preset(int argc, char **argv) {
    static const char usage[] = "Usage: vmsim preset list\n       vmsim preset show NAME\n\n"
                                "A preset is a file of machine settings. A scenario takes it with `machine: {preset: "
                                "NAME}`, a command line with\n"
                                "`--set machine.preset=NAME`; keys beside it override. Directories in VMSIM_MACHINES "
                                "(a:b) are looked through,\n"
                                "too, so a file NAME.yaml of your own there is a preset.\n\n"
                                "Examples:\n"
                                "  vmsim preset list\n"
                                "  vmsim preset show zen4 > mine.yaml\n"
                                "  vmsim run sort.vmt --set machine.preset=zen4\n";
    struct vmsim_config *config;
    bool list = argc == 2 && !strcmp(argv[1], "list"), show = argc == 3 && !strcmp(argv[1], "show");
    if (!list && !show)
        return cli_usage("preset", usage, argc, argv);
    int err = vmsim_config_create(&config);
    if (err)
        return cli_fail(EXIT_INTERNAL, "preset", "%s", vmsim_error_text(err));
    int status = list ? preset_list(config) : preset_show(config, argv[2]);
    vmsim_config_destroy(config);
    return status;
}

int cmd_schema(int argc, char **argv) {
    static const char usage[] =
        "Usage: vmsim schema [--reference]\n\n"
        "Prints the JSON schema (draft 2020-12) of scenario files, for editors and checkers; with --reference every\n"
        "key with type, default, bounds and meaning, in Markdown.\n\n"
        "Examples:\n"
        "  vmsim schema > vmsim.schema.json      (then, first line of a scenario, for editors with a YAML server:\n"
        "                                         # yaml-language-server: $schema=vmsim.schema.json)\n"
        "  vmsim schema --reference | less\n";
    bool reference = argc == 2 && !strcmp(argv[1], "--reference");
    if (argc > 1 && !reference)
        return cli_usage("schema", usage, argc, argv);
    struct vmsim_config *config;
    const char *text;
    size_t size;
    int err = vmsim_config_create(&config);
    if (err)
        return cli_fail(EXIT_INTERNAL, "schema", "%s", vmsim_error_text(err));
    err = reference ? vmsim_config_reference(config, &text, &size) : vmsim_config_schema(config, &text, &size);
    int status =
        err ? cli_fail(cli_status(err), "schema", "%s", vmsim_error_text(err)) : cli_print("schema", text, size);
    vmsim_config_destroy(config);
    return status;
}
