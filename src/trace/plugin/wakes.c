/* SPDX-License-Identifier: MIT */
/* Who wakes a thread tells it before that thread tells that it was woken.
 *
 * Calls are told when they return, and a thread that was woken may return first: its wait would stand in the trace
 * before the call that ended it, and a replay could not know that one waits for the other. So it stays here until each
 * thread that was in a waking call has told it, which never takes long, as such calls do not wait themselves. */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "trace/plugin/plugin.h"

enum { MOMENT_NS = 10000, MOMENTS = 2000 };

static bool waits(uint64_t operation) {
    switch (operation & 127) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_WAIT_REQUEUE_PI:
        return true;
    default:
        return false;
    }
}

void plugin_wakes_begin(struct vcpu *v) {
    if (v->number == SYS_futex && !waits(v->args[1]))
        atomic_fetch_or(&v->wakes, 1);
}

void plugin_wakes_end(struct vcpu *v) {
    if (atomic_load(&v->wakes) & 1)
        atomic_fetch_add(&v->wakes, 1);
}

void plugin_woken(const struct vcpu *v, int64_t result) {
    const struct timespec moment = {0, MOMENT_NS};
    int saved = errno;
    if (v->number != SYS_futex || result || !waits(v->args[1]))
        return;
    for (unsigned i = 0; i < plugin.vcpus; i++) {
        const struct vcpu *o = &plugin_vcpu[i];
        const uint32_t seen = atomic_load(&o->wakes);
        for (int n = 0; n < MOMENTS && o != v && o->live && seen & 1 && atomic_load(&o->wakes) == seen; n++)
            syscall(SYS_nanosleep, &moment, NULL);
    }
    errno = saved;
}
