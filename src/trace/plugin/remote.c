/* SPDX-License-Identifier: MIT */
/* Calls on the memory of a process that need not be the caller's (process_madvise, migrate_pages, move_pages), and
 * swapon and swapoff, which are on everybody's.
 *
 * What such a call was given stands in lists in memory. An event tells one range of one process: an entry of
 * process_madvise's list, or pages side by side that move_pages sent to one node. Who the process is, the replay finds
 * out by its number. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "trace/plugin/plugin.h"

enum { PAGE = 4096, PAGES_AT_ONCE = 256 };

/* 0: the caller's own. */
static uint64_t told_pid(uint64_t pid) {
    return pid == (uint64_t)getpid() ? 0 : pid;
}

/* Of a descriptor of pidfd_open; UINT64_MAX: it is none. */
static uint64_t pid_of(int pidfd) {
    char path[64], line[128];
    long pid = -1;
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    FILE *f = fopen(path, "re");
    while (f && pid < 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "Pid: %ld", &pid) != 1)
            pid = -1;
    if (f)
        fclose(f);
    return pid > 0 ? (uint64_t)pid : UINT64_MAX;
}

static void tell(struct vcpu *v, uint64_t pid, uint64_t va, uint64_t bytes, uint64_t value, uint64_t more,
                 int64_t result) {
    struct arena_event e = {.type = VMSIM_TRACE_REMOTE, .result = result};
    const uint64_t args[6] = {(uint64_t)v->number, told_pid(pid), va, bytes, value, more};
    for (unsigned i = 0; i < 6; i++)
        e.args[i] = args[i];
    plugin_event(v, &e, NULL, NULL, NULL);
}

/* pidfd list entries advice flags; the result is how many bytes were advised. */
static bool advised(struct vcpu *v, int64_t result) {
    const uint64_t *a = v->args, pid = pid_of((int)a[0]);
    struct iovec range;
    if (pid == UINT64_MAX)
        return false;
    for (uint64_t i = 0, left = (uint64_t)result; i < a[2] && left; i++) {
        if (plugin_read_guest(a[1] + i * sizeof range, &range, sizeof range) != sizeof range)
            break;
        const uint64_t done = range.iov_len < left ? range.iov_len : left;
        if (done)
            tell(v, pid, (uint64_t)(uintptr_t)range.iov_base, done, a[3], a[4], (int64_t)done);
        left -= done;
    }
    return true;
}

/* pid bits from to: masks of nodes. */
static bool migrated(struct vcpu *v, int64_t result) {
    uint64_t from = 0, to = 0;
    plugin_read_guest(v->args[2], &from, sizeof from);
    plugin_read_guest(v->args[3], &to, sizeof to);
    tell(v, v->args[0], 0, 0, from, to, result);
    return true;
}

/* Pages that are side by side and went to one node. */
struct run {
    uint64_t va, bytes;
    int node;
};

static void add_page(struct vcpu *v, struct run *run, uint64_t va, int node) {
    const bool follows = run->bytes && va == run->va + run->bytes && node == run->node;
    if (!follows && run->bytes)
        tell(v, v->args[0], run->va, run->bytes, (uint64_t)run->node, v->args[5], 0);
    if (!follows)
        *run = (struct run){.va = va, .node = node};
    run->bytes += PAGE;
}

/* pid count pages nodes status flags. Pages whose status is an error stayed where they were. Without nodes it asks. */
static bool moved(struct vcpu *v) {
    const uint64_t *a = v->args;
    uint64_t page[PAGES_AT_ONCE];
    int node[PAGES_AT_ONCE], status[PAGES_AT_ONCE];
    struct run run = {0};
    if (!a[3])
        return false;
    for (uint64_t i = 0, n; i < a[1]; i += n) {
        n = a[1] - i < PAGES_AT_ONCE ? a[1] - i : PAGES_AT_ONCE;
        if (plugin_read_guest(a[2] + i * 8, page, n * 8) != n * 8 ||
            plugin_read_guest(a[3] + i * 4, node, n * 4) != n * 4 ||
            plugin_read_guest(a[4] + i * 4, status, n * 4) != n * 4)
            break;
        for (uint64_t k = 0; k < n; k++)
            if (status[k] >= 0 && node[k] >= 0)
                add_page(v, &run, page[k] & ~(uint64_t)(PAGE - 1), node[k]);
    }
    if (run.bytes)
        tell(v, a[0], run.va, run.bytes, (uint64_t)run.node, a[5], 0);
    return true;
}

/* path flags. The file tells how large the area is: a device has no length. */
static bool swapped(struct vcpu *v, int64_t result) {
    char path[4096];
    struct arena_event e = {.type = VMSIM_TRACE_SWAP, .args = {(uint64_t)v->number, v->args[1]}, .result = result};
    int fd = plugin_read_string(v->args[0], path, sizeof path) > 0 ? open(path, O_PATH | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    e.file = plugin_file(fd);
    e.args[2] = e.file.kind == VMSIM_TRACE_FILE_DEVICE ? 0 : e.file.size;
    plugin_event(v, &e, path, NULL, NULL);
    close(fd);
    return true;
}

bool plugin_remote_after(struct vcpu *v, int64_t result) {
    if (result < 0)
        return false;
    switch (v->number) {
    case SYS_process_madvise:
        return advised(v, result);
    case SYS_migrate_pages:
        return migrated(v, result);
    case SYS_move_pages:
        return moved(v);
    default:
        return swapped(v, result);
    }
}
