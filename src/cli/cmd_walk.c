/* SPDX-License-Identifier: MIT */
/* `vmsim walk`: one address's page-table walk, level by level.
 *
 * Without a scenario a task maps pages around the address, touches it, and the walk is drawn; with one it is run first
 * and the walk is that of the named task's table as the run left it (a task that has exited has none). */
#include <assert.h>
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "vmsim/scenario.h"

struct walk_options {
    struct cli_input in;
    const char *task;
    char *address;
    enum vmsim_access_type type;
};

static const struct argp_option options[] = {
    {"config", 'c', "FILE", 0, "Scenario or machine file, as before the address (default: an x86-64 PC)", 0},
    {"set", 's', "KEY=VALUE", 0, "Override one value: machine.arch=riscv_sv48", 0},
    {"task", 't', "NAME", 0, "After running the scenario: draw this task's walk (a task that is alive at the end)", 0},
    {"write", 'w', NULL, 0, "The walk of a store (default: a load)", 0},
    {"fetch", 'x', NULL, 0, "The walk of an instruction fetch", 0},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct walk_options *o = state->input;
    switch (key) {
    case 'c':
        return cli_push(&o->in.files, &o->in.file_count, arg) ? 0 : ENOMEM;
    case 's':
        return cli_push(&o->in.sets, &o->in.set_count, arg) ? 0 : ENOMEM;
    case 't':
        o->task = arg;
        return 0;
    case 'w':
        o->type = VMSIM_STORE;
        return 0;
    case 'x':
        o->type = VMSIM_FETCH;
        return 0;
    case ARGP_KEY_ARG:
        if (o->address && !cli_push(&o->in.files, &o->in.file_count, o->address))
            return ENOMEM;
        o->address = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no address given");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void print_line(void *context, const char *line) {
    fprintf(context, "%s\n", line);
}

/* A task of its own with one touched page at the address, if the address can be a user's. */
static uint32_t make_task(struct vmsim_machine *m, uint64_t va, enum vmsim_access_type type) {
    const unsigned rwx = 7, private_anonymous_fixed = 0x32;
    uint32_t task;
    if (vmsim_task_create(m, "walk", 0, &task))
        return VMSIM_TASK_NONE;
    int64_t at = vmsim_task_mmap(m, task, va & ~UINT64_C(0xffff), 0x10000, rwx, private_anonymous_fixed, 0, 0);
    if (at >= 0) {
        struct vmsim_access_result result;
        vmsim_access a = vmsim_access_make(va, 1, type);
        vmsim_task_access(m, task, &a, 1, NULL, &result);
    }
    return task;
}

static uint32_t find_task(const struct vmsim_machine *m, const char *name) {
    assert(name);
    for (uint32_t i = 0; i < vmsim_task_count(m); i++) {
        if (!strcmp(vmsim_task_name(m, i), name))
            return i;
    }
    return VMSIM_TASK_NONE;
}

static int draw(struct vmsim_scenario *s, const struct walk_options *o, uint64_t va) {
    assert(o->address);
    struct vmsim_machine *m = vmsim_scenario_machine(s);
    if (o->task && vmsim_scenario_run(s, NULL, NULL))
        return cli_scenario_failed("walk", VMSIM_ECONFIG, vmsim_scenario_error(s));
    uint32_t task = o->task ? find_task(m, o->task) : make_task(m, va, o->type);
    if (task == VMSIM_TASK_NONE)
        return cli_fail(EXIT_USAGE, "walk", o->task ? "there is no task '%s'" : "%s",
                        o->task ? o->task : vmsim_machine_error(m));
    int err = vmsim_task_walk(m, task, va, o->type, print_line, stdout);
    if (err && o->task)
        return cli_fail(cli_status(err), "walk", "no walk of task '%s': %s, and its page table went with it", o->task,
                        vmsim_machine_error(m));
    return err ? cli_fail(cli_status(err), "walk", "%s", vmsim_machine_error(m)) : EXIT_FINE;
}

int cmd_walk(int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse_option,
        "[FILE...] ADDRESS",
        "Draw the page-table walk of one address, level by level.\v"
        "Each line is one page-table entry that the hardware reads: its index bits, its physical address, its value "
        "and "
        "what that says; the last line is the translation, or the fault a CPU would raise. The page is touched first, "
        "so that there is a table to walk.\n\n"
        "Examples:\n  vmsim walk 0x7f0012345678\n  vmsim walk --write 0x7f0012345678\n"
        "  vmsim walk box.yaml 0x7f0012345678\n"
        "  vmsim walk --set machine.arch=arm64_16k 0x12345678\n"
        "  vmsim walk 0xffff800000000000     a kernel address: see why it faults",
        NULL,
        NULL,
        NULL};
    struct walk_options o = {0};
    struct vmsim_config *config = NULL;
    struct vmsim_scenario *s = NULL;
    char *end;
    if (cli_parse(&argp, argc, argv, 0, &o))
        return EXIT_USAGE;
    errno = 0;
    uint64_t va = strtoull(o.address, &end, 0);
    int status = *end || end == o.address || *o.address == '-' || errno
                     ? cli_fail(EXIT_USAGE, "walk", "'%s' is not an address of up to 64 bits", o.address)
                     : cli_open(&o.in, &config, &s);
    status = status ? status : draw(s, &o, va);
    vmsim_scenario_destroy(s);
    vmsim_config_destroy(config);
    cli_input_free(&o.in);
    return status;
}
