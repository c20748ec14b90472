/* SPDX-License-Identifier: MIT */
/* Marks that a program leaves in its recording: a call that looks for a file of the name "vmsim:mark:NAME", which is
 * not there. It needs no library, costs a native run a microsecond, and every language and shell can make it:
 * access(2), os.path.exists, test -e. */
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "trace/plugin/plugin.h"

/* Which argument holds the path: n + 1, or 0 for none. */
static unsigned path_of(int64_t number) {
    switch (number) {
    case SYS_access:
    case SYS_stat:
    case SYS_lstat:
        return 1;
    case SYS_faccessat:
    case 439: /* faccessat2 */
    case SYS_newfstatat:
    case SYS_statx:
        return 2;
    default:
        return 0;
    }
}

void plugin_mark_after(struct vcpu *v) {
    static const char prefix[] = "vmsim:mark:";
    enum { LENGTH = sizeof prefix - 1 };
    char path[256];
    const unsigned argument = path_of(v->number);
    if (!argument || plugin_read_guest(v->args[argument - 1], path, LENGTH) != LENGTH ||
        memcmp(path, prefix, LENGTH) != 0 || plugin_read_string(v->args[argument - 1], path, sizeof path) <= LENGTH)
        return;
    struct arena_event e = {.type = VMSIM_TRACE_MARKER};
    plugin_event(v, &e, path + LENGTH, NULL, NULL);
}
