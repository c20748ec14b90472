/* SPDX-License-Identifier: MIT */
/* Calls that a recorded program does not get as on Linux. Exit 0: it was not on Linux. */
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorded_say.h"

static int child(void *stack) {
    return stack == NULL;
}

int main(void) {
    char *stack = map(16), params[120] = {0};
    pid_t made = clone(child, stack + 16 * PAGE, CLONE_NEWUTS | SIGCHLD, stack);
    say("clone", made < 0 ? -1 : 0);
    if (made > 0)
        waitpid(made, NULL, 0);
    say("io_uring_setup", syscall(SYS_io_uring_setup, 4, params) < 0 ? -1 : 0);
    struct rlimit limit = {1ul << 40, 1ul << 40}, seen = {0};
    say("setrlimit", setrlimit(RLIMIT_DATA, &limit));
    say("getrlimit", getrlimit(RLIMIT_DATA, &seen));
    say("as it was set", seen.rlim_cur == limit.rlim_cur && seen.rlim_max == limit.rlim_max);
    return made > 0;
}
