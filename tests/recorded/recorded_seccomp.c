/* SPDX-License-Identifier: MIT */
/* A filter of system calls that allows all of them, and what is said of ones that make no sense. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "recorded_say.h"

static long seccomp(unsigned operation, unsigned flags, void *argument) {
    return syscall(SYS_seccomp, operation, flags, argument);
}

int main(void) {
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow}, empty = {0, &allow};
    unsigned kill = SECCOMP_RET_KILL_PROCESS, unknown = 0x12340000;
    say("mode", prctl(PR_GET_SECCOMP));
    say("an action", seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &kill));
    say("no action", seccomp(SECCOMP_GET_ACTION_AVAIL, 0, &unknown));
    say("strict with flags", seccomp(SECCOMP_SET_MODE_STRICT, 1, NULL));
    say("no filter", seccomp(SECCOMP_SET_MODE_FILTER, 0, NULL));
    say("flags", seccomp(SECCOMP_SET_MODE_FILTER, 1u << 30, NULL));
    say("empty", seccomp(SECCOMP_SET_MODE_FILTER, 0, &empty));
    say("no new rights", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    say("filter", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
    say("filter again", seccomp(SECCOMP_SET_MODE_FILTER, 0, &program));
    say("mode", prctl(PR_GET_SECCOMP));
    return 0;
}
