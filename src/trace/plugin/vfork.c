/* SPDX-License-Identifier: MIT */
/* vfork, and the clone of posix_spawn: the child runs in its parent's memory while the parent is held.
 *
 * QEMU makes a copy of the process instead, and both go on at once. So the plugin holds the parent and carries the
 * child's stores over. Parent and child share one block:
 *
 *     | mutex | ready | hash of pages | page: address, which bytes, their contents | page | ...
 *
 * The child locks the mutex, which is robust: the kernel gives it up when the child execs or dies, whatever way, and
 * that wakes the parent. No descriptor is in it, because such children close all they know. Which bytes the child
 * stored is read from the references that it records anyway; what they hold is copied when it is about to leave. What
 * the child maps or unmaps stays its own. Kernel counterpart:
 * kernel/fork.c (vfork_done). */
#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trace/plugin/plugin.h"

enum { PAGE = 4096, PAGES = 1 << 12, HASH = 2 * PAGES, READY_MS = 20 };

struct page {
    uint64_t va;
    uint64_t stored[PAGE / 64]; /* a bit a byte */
    unsigned char data[PAGE];
};

struct plugin_vfork {
    pthread_mutex_t held; /* by the child, until it has a memory of its own or is no more */
    _Atomic uint32_t ready;
    uint32_t count;
    bool full; /* more pages than there is room for */
    uint16_t hash[HASH];
    struct page page[PAGES];
};

/* The block of the vforked child that this process is; NULL: it is none. */
static struct plugin_vfork *mine;

struct plugin_vfork *plugin_vfork_begin(void) {
    struct plugin_vfork *b =
        mmap(NULL, sizeof *b, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    pthread_mutexattr_t robust;
    if (b == MAP_FAILED)
        return NULL;
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setpshared(&robust, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&b->held, &robust);
    pthread_mutexattr_destroy(&robust);
    return b;
}

void plugin_vfork_child(struct plugin_vfork *b) {
    mine = b;
    if (!b)
        return;
    pthread_mutex_lock(&b->held);
    atomic_store(&b->ready, 1);
    syscall(SYS_futex, &b->ready, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool plugin_vfork_is_child(void) {
    return mine != NULL;
}

/* The page's record, made when it is new; NULL without room. */
static struct page *page_of(struct plugin_vfork *b, uint64_t va) {
    uint64_t h = (va >> 12) * UINT64_C(0x9e3779b97f4a7c15) >> 51;
    for (; b->hash[h % HASH]; h++)
        if (b->page[b->hash[h % HASH] - 1].va == va)
            return &b->page[b->hash[h % HASH] - 1];
    if (b->count == PAGES) {
        b->full = true;
        return NULL;
    }
    b->hash[h % HASH] = (uint16_t)++b->count;
    b->page[b->count - 1].va = va;
    return &b->page[b->count - 1];
}

static void note(uint64_t va, uint64_t bytes) {
    for (uint64_t end = va + bytes; va < end; va++) {
        struct page *p = page_of(mine, va & ~(uint64_t)(PAGE - 1));
        if (p)
            p->stored[va % PAGE / 64] |= UINT64_C(1) << va % 64;
    }
}

void plugin_vfork_stored(const uint64_t *words, size_t count) {
    if (!mine)
        return;
    for (size_t i = 0; i < count; i++)
        if (vmsim_access_kind(words[i]) == VMSIM_STORE || vmsim_access_kind(words[i]) == VMSIM_RMW)
            note(vmsim_access_va(words[i]), vmsim_access_bytes(words[i]));
}

void plugin_vfork_leave(void) {
    for (uint32_t i = 0; mine && i < mine->count; i++)
        plugin_read_guest(mine->page[i].va, mine->page[i].data, PAGE);
}

/* Stores what the child stored, and nothing beside it: other threads of this process went on meanwhile. A page that
 * cannot be written is not there any more, or QEMU guards it because it has run as code. */
static void carry_over(const struct page *p) {
    for (uint64_t from = 0, to; from < PAGE; from = to) {
        for (to = from; to < PAGE && p->stored[to / 64] >> to % 64 & 1; to++)
            continue;
        struct iovec local = {(void *)(uintptr_t)(p->data + from), to - from};
        struct iovec remote = {(void *)(uintptr_t)(p->va + from), to - from};
        if (to > from)
            process_vm_writev(getpid(), &local, 1, &remote, 1, 0);
        if (to > from && mine)
            note(p->va + from, to - from);
        to += to == from;
    }
}

/* Whether the child is no more. It stays to be waited for by the program. */
static bool is_gone(pid_t child) {
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == child;
}

bool plugin_vfork_hold(struct plugin_vfork *b, pid_t child) {
    struct timespec limit = {0, READY_MS * 1000000};
    bool whole = true;
    while (!atomic_load(&b->ready) && !is_gone(child))
        syscall(SYS_futex, &b->ready, FUTEX_WAIT, 0, &limit, NULL, 0);
    if (atomic_load(&b->ready)) {
        pthread_mutex_lock(&b->held);
        for (uint32_t i = 0; i < b->count; i++)
            carry_over(&b->page[i]);
        whole = !b->full;
    }
    plugin_vfork_end(b);
    return whole;
}

void plugin_vfork_end(struct plugin_vfork *b) {
    if (b)
        munmap(b, sizeof *b);
}
