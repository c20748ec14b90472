/* SPDX-License-Identifier: MIT */
/* Limits of memory. QEMU takes those of address space, data and stack for its own and does not set them; it says that
 * it did, and tells the old ones when asked. Here the program's are kept: it reads what it set, what it executes has
 * the stack that it asked for, and the trace tells them, so that replays keep them all. */
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/plugin/plugin.h"

static struct rlimit kept[RLIM_NLIMITS];
static bool is_kept[RLIM_NLIMITS];

static bool is_of_memory(uint64_t resource) {
    return resource == RLIMIT_AS || resource == RLIMIT_DATA || resource == RLIMIT_STACK;
}

/* Guest memory is this process's; the call has just written there. */
static void show(uint64_t resource, uint64_t va) {
    if (va && resource < RLIM_NLIMITS && is_kept[resource])
        memcpy((void *)(uintptr_t)va, &kept[resource], sizeof kept[resource]);
}

static void take(struct vcpu *v, uint64_t resource, uint64_t va) {
    struct rlimit limit;
    if (!va || plugin_read_guest(va, &limit, sizeof limit) != sizeof limit)
        return;
    struct arena_event e = {.type = VMSIM_TRACE_RLIMIT, .args = {resource, limit.rlim_cur, limit.rlim_max}};
    if (is_of_memory(resource)) {
        kept[resource] = limit;
        is_kept[resource] = true;
    }
    if (is_of_memory(resource) && resource != RLIMIT_STACK && limit.rlim_cur != RLIM_INFINITY)
        plugin_tell(ARENA_TOLD_LIMIT);
    plugin_event(v, &e, NULL, NULL, NULL);
}

void plugin_limits_after(struct vcpu *v, int64_t result) {
    const uint64_t *a = v->args;
    if (result < 0)
        return;
    if (v->number == SYS_getrlimit)
        show(a[0], a[1]);
    if (v->number == SYS_setrlimit)
        take(v, a[0], a[1]);
    if (v->number == SYS_prlimit64 && (a[0] == 0 || a[0] == (uint64_t)getpid())) {
        show(a[1], a[3]);
        take(v, a[1], a[2]);
    }
}

/* Only what is not the usual: no limit, and 8 MiB for the stack. */
void plugin_limits_begin(struct vcpu *v) {
    static const uint8_t told[] = {RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_AS};
    struct rlimit limit;
    for (size_t i = 0; i < sizeof told; i++) {
        uint64_t usual = told[i] == RLIMIT_STACK ? UINT64_C(8) << 20 : RLIM_INFINITY;
        if (getrlimit(told[i], &limit) || limit.rlim_cur == usual)
            continue;
        struct arena_event e = {.type = VMSIM_TRACE_RLIMIT, .args = {told[i], limit.rlim_cur, limit.rlim_max}};
        plugin_event(v, &e, NULL, NULL, NULL);
    }
}

void plugin_limits_exec(void) {
    if (is_kept[RLIMIT_STACK])
        setrlimit(RLIMIT_STACK, &kept[RLIMIT_STACK]);
}
