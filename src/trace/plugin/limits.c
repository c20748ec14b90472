/* SPDX-License-Identifier: MIT */
/* Limits of memory. QEMU takes those of address space, data and stack for its own and does not set them; it says that
 * it did, and tells the old ones when asked. Here the program's are kept: it reads what it set, what it executes has
 * the stack that it asked for, and the trace tells them, so that replays keep them all.
 *
 * The limit of the address space holds while recording, too, or what allocates until nothing is left would go on until
 * the host has nothing left. The program's pages are those of this process without QEMU's:
 *
 *     all mappings (statm) - what was mapped before the program - growth of QEMU's break - stacks of its threads
 *
 * Kernel counterpart: mm/mmap.c (may_expand_vm). */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/plugin/plugin.h"

static struct rlimit kept[RLIM_NLIMITS];
static bool is_kept[RLIM_NLIMITS];
static uint64_t emulators; /* bytes that are not the program's, its break counted from 0: compared modulo 2^64 */

enum { PAGE = 4096, FIRST_STACK = 33 * PAGE }; /* of a program that begins; QEMU maps all of it */

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
    if (resource == RLIMIT_DATA && limit.rlim_cur != RLIM_INFINITY)
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

/* Bytes of this process's mappings, without what QEMU has on its break and as stacks of threads. */
static uint64_t mapped(void) {
    char text[64] = "";
    pthread_attr_t usual;
    size_t stack = 0;
    const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        text[0] = 0;
    if (fd >= 0)
        close(fd);
    if (!pthread_attr_init(&usual) && !pthread_attr_getstacksize(&usual, &stack))
        pthread_attr_destroy(&usual);
    const uint64_t threads = plugin.vcpus > 1 ? plugin.vcpus - 1 : 0;
    return strtoull(text, NULL, 10) * PAGE - (uint64_t)(uintptr_t)sbrk(0) - threads * stack;
}

void plugin_limits_loaded(uint64_t bytes, const char *space) {
    emulators = mapped() - bytes - FIRST_STACK;
    if (!*space)
        return;
    kept[RLIMIT_AS].rlim_cur = strtoull(space, NULL, 10);
    kept[RLIMIT_AS].rlim_max = kept[RLIMIT_AS].rlim_cur;
    is_kept[RLIMIT_AS] = true;
}

bool plugin_limits_refuse(uint64_t more) {
    const struct rlimit *space = &kept[RLIMIT_AS];
    if (!is_kept[RLIMIT_AS] || space->rlim_cur == RLIM_INFINITY)
        return false;
    const uint64_t now = mapped() - emulators;
    return now > space->rlim_cur || more > space->rlim_cur - now;
}

uint64_t plugin_limits_space(void) {
    return is_kept[RLIMIT_AS] ? kept[RLIMIT_AS].rlim_cur : RLIM_INFINITY;
}

void plugin_limits_exec(void) {
    if (is_kept[RLIMIT_STACK])
        setrlimit(RLIMIT_STACK, &kept[RLIMIT_STACK]);
}
