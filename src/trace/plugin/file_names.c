/* SPDX-License-Identifier: MIT */
/* Calls that take a name from a file: unlink, rename over another, and truncate, which knows a file by its name alone.
 * Which file it is can only be seen before the call; that it lost the name, only after. A file without names and users
 * gives its pages back. */
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>

#include "trace/plugin/plugin.h"

/* Where the call's path stands: the number of the directory's argument + 1 (0: none), and of the path's. */
struct place {
    uint16_t number;
    uint8_t directory, path;
};

static const struct place places[] = {
    {SYS_unlink, 0, 0},   {SYS_unlinkat, 1, 1},  {SYS_rename, 0, 1},
    {SYS_renameat, 3, 3}, {SYS_renameat2, 3, 3}, {SYS_truncate, 0, 0},
};

static const struct place *place_of(int64_t number) {
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (places[i].number == number)
            return &places[i];
    return NULL;
}

void plugin_names_before(struct vcpu *v) {
    const struct place *p = place_of(v->number);
    char path[4096];
    v->named.known = 0;
    if (p && plugin_read_string(v->args[p->path], path, sizeof path) > 0)
        v->named = plugin_file_at(p->directory ? (int)v->args[p->directory - 1] : AT_FDCWD, path, &v->links);
}

/* A rename whose target had no file takes no name; one of a file over itself neither, and the count of names, which
 * stays, says so. */
void plugin_names_after(struct vcpu *v, int64_t result) {
    const struct place *p = place_of(v->number);
    struct arena_event e = {.type = VMSIM_TRACE_UNLINK, .file = v->named, .result = result};
    char path[4096];
    if (!p || !v->named.known || result < 0)
        return;
    if (v->number == SYS_truncate) {
        e.type = VMSIM_TRACE_FTRUNCATE;
        e.args[0] = UINT64_MAX;
        e.args[1] = v->args[1];
    } else {
        uint32_t links = 0;
        bool here = plugin_read_string(v->args[p->path], path, sizeof path) > 0;
        struct arena_file now =
            here ? plugin_file_at(p->directory ? (int)v->args[p->directory - 1] : AT_FDCWD, path, &links) : e.file;
        if (now.known && now.dev == e.file.dev && now.ino == e.file.ino && now.birth == e.file.birth)
            return;
        e.args[0] = v->links - 1;
    }
    plugin_event(v, &e, NULL, NULL, NULL);
}
