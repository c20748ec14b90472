/* SPDX-License-Identifier: MIT */
/* The stacks of the emulator's own threads. It makes one for each thread of the program, and libc would map its stack
 * where the kernel puts whatever is mapped next: among the program's mappings, which would all lie further down than
 * natively. So such threads get stacks from here, which lie out of the way:
 *
 *     STACKS + i * ROOM:  guard page, stack, the thread's control block
 *
 * A stack is used again when the kernel knows its thread no more. In a fork's child the thread that forked keeps its
 * own, under its new number; the others' are free. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/plugin/plugin.h"

#define STACKS UINT64_C(0x540000000000)

enum { ROOM = 1 << 20, GUARD = 4096, MOST = 512 << 10, STARTING = -1 };

struct beginning {
    void *(*function)(void *);
    void *argument;
    unsigned stack;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic pid_t owner[PLUGIN_VCPUS]; /* thread; 0: never used */
static struct beginning beginning[PLUGIN_VCPUS];

static uint64_t place(unsigned i) {
    return STACKS + (uint64_t)i * ROOM;
}

static bool is_free(unsigned i) {
    const pid_t tid = atomic_load(&owner[i]);
    return tid > 0 && syscall(SYS_tkill, tid, 0) == -1 && errno == ESRCH;
}

/* One that is nobody's; PLUGIN_VCPUS: there is none. */
static unsigned take(void) {
    unsigned found = PLUGIN_VCPUS;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < PLUGIN_VCPUS && found == PLUGIN_VCPUS; i++) {
        if (is_free(i))
            found = i;
        if (atomic_load(&owner[i]) || found == i)
            continue;
        const long at = syscall(SYS_mmap, place(i), ROOM, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
        if (at == -1)
            break;
        syscall(SYS_mprotect, at, GUARD, PROT_NONE);
        found = i;
    }
    if (found < PLUGIN_VCPUS)
        atomic_store(&owner[found], STARTING);
    pthread_mutex_unlock(&lock);
    return found;
}

static void *begin(void *argument) {
    const struct beginning *b = argument;
    atomic_store(&owner[b->stack], (pid_t)syscall(SYS_gettid));
    return b->function(b->argument);
}

static void forked(void) {
    const uint64_t here = (uint64_t)(uintptr_t)__builtin_frame_address(0);
    if (here - STACKS < (uint64_t)PLUGIN_VCPUS * ROOM)
        atomic_store(&owner[(here - STACKS) / ROOM], (pid_t)syscall(SYS_gettid));
    pthread_mutex_init(&lock, NULL);
}

__attribute__((constructor)) static void watch_forks(void) {
    pthread_atfork(NULL, NULL, forked);
}

int plugin_thread_create(plugin_create_thread *create, pthread_t *thread, const pthread_attr_t *attr,
                         void *(*function)(void *), void *argument) {
    pthread_attr_t own;
    size_t size = 0;
    int detached = 0;
    if (!attr || pthread_attr_getstacksize(attr, &size) || size > MOST || pthread_attr_getdetachstate(attr, &detached))
        return create(thread, attr, function, argument);
    const unsigned i = take();
    if (i == PLUGIN_VCPUS)
        return create(thread, attr, function, argument);
    beginning[i] = (struct beginning){function, argument, i};
    pthread_attr_init(&own);
    pthread_attr_setdetachstate(&own, detached);
    pthread_attr_setstack(&own, (void *)(uintptr_t)(place(i) + GUARD), ROOM - GUARD); // NOLINT: an address is a number
    const int err = create(thread, &own, begin, &beginning[i]);
    pthread_attr_destroy(&own);
    if (err)
        atomic_store(&owner[i], (pid_t)INT32_MAX); /* of a thread that is not there */
    return err;
}
