/* SPDX-License-Identifier: MIT */
/* Filters of system calls. A real one would hold for QEMU, whose calls are others than the program's, and end it; but a
 * program that is refused one takes another path (man reads its pages otherwise). So the program is told that it has
 * its filter, by the kernel's rules, and nothing is filtered: that is told. What only asks the kernel goes there.
 *                                                                           Kernel counterpart: kernel/seccomp.c */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/plugin/answer.h"

enum { LISTENER = 1 << 3, LENGTH_MOST = BPF_MAXINSNS };

/* What prctl(PR_GET_SECCOMP) says from now on. */
static int mode;

/* A program of a plausible length, from who may: as the kernel decides before it looks at the instructions. */
static int64_t take_filter(uint64_t flags, uint64_t program) {
    struct sock_fprog p;
    if (plugin_read_guest(program, &p, sizeof p) != sizeof p)
        return -EFAULT;
    if (!p.len || p.len > LENGTH_MOST)
        return -EINVAL;
    if (flags & LISTENER) /* there would be nothing to listen to */
        return -EINVAL;
    if (geteuid() != 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return -EACCES;
    mode = SECCOMP_MODE_FILTER;
    plugin_tell(ARENA_TOLD_SECCOMP);
    return 0;
}

static int64_t take_strict(void) {
    if (mode == SECCOMP_MODE_FILTER)
        return -EINVAL;
    mode = SECCOMP_MODE_STRICT;
    plugin_tell(ARENA_TOLD_SECCOMP);
    return 0;
}

static int64_t answer_prctl(const struct vcpu *v) {
    if (v->args[0] == PR_GET_SECCOMP)
        return mode;
    return v->args[1] == SECCOMP_MODE_STRICT   ? take_strict()
           : v->args[1] == SECCOMP_MODE_FILTER ? take_filter(0, v->args[2])
                                               : -EINVAL;
}

bool plugin_seccomp_is(const struct vcpu *v) {
    return v->number == SYS_seccomp ||
           (v->number == SYS_prctl && (v->args[0] == PR_SET_SECCOMP || v->args[0] == PR_GET_SECCOMP));
}

/* Flags that the kernel does not know, and a filter at no address, it refuses without harm. */
int64_t plugin_seccomp(const struct vcpu *v) {
    const uint64_t operation = v->args[0], flags = v->args[1], argument = v->args[2];
    if (v->number == SYS_prctl)
        return answer_prctl(v);
    if (operation == SECCOMP_SET_MODE_STRICT && !flags && !argument)
        return take_strict();
    struct sock_fprog p;
    if (operation == SECCOMP_SET_MODE_FILTER && plugin_read_guest(argument, &p, sizeof p) == sizeof p)
        return take_filter(flags, argument);
    return plugin_host_call(v);
}
