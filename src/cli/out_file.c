/* SPDX-License-Identifier: MIT */
/* The one file that a command writes: gathered in memory, so that a command which fails half-way leaves the old file
 * alone, and handed whole to the library, which knows what a user's name may lead to (vmsim_host_write()). Traces and
 * run directories do not fit in memory and have writers of their own, with the same rules. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "vmsim/host.h"

static bool is_standard(const struct cli_out *o) {
    return !o->path || !strcmp(o->path, "-");
}

FILE *cli_out_begin(struct cli_out *o, const char *command, const char *path) {
    assert(o && command);
    *o = (struct cli_out){.command = command, .path = path};
    o->f = is_standard(o) ? stdout : open_memstream(&o->text, &o->size);
    return o->f;
}

int cli_out_end(struct cli_out *o, bool whole) {
    char why[1024];
    int status = EXIT_FINE;
    whole = whole && o->f && !ferror(o->f);
    if (o->f && (is_standard(o) ? fflush(o->f) : fclose(o->f)))
        whole = false;
    if (!whole)
        status = cli_fail(is_standard(o) ? EXIT_USAGE : EXIT_INTERNAL, o->command, "%s: %s",
                          is_standard(o) ? "standard output" : o->path, strerror(errno));
    else if (!is_standard(o) && (status = vmsim_host_write(o->path, o->text, o->size, why, sizeof why)))
        status = cli_fail(cli_status(status), o->command, "%s", why);
    free(o->text);
    return status;
}
