/* SPDX-License-Identifier: MIT */
/* Runs a program and waits for it and all that it leaves behind; writes to descriptor 3 what they took:
 *
 *     wait status, minor faults, major faults, peak RSS in kB, user us, system us
 *
 *     native_launch never|always PROGRAM [ARGUMENT...]    without address randomisation; never: no huge pages
 *
 * Where descriptor 4 is open it is a cgroup.procs, and the program runs in that cgroup.
 *
 * Static and small, for the peak of a process counts what ran in it before exec, too. vfork, so that the child has no
 * copies of pages to make; what it faults until then is subtracted. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "native_run.h"

static long us(struct timeval t) {
    return t.tv_sec * 1000000 + t.tv_usec;
}

int main(int argc, char **argv) {
    static char *const environment[] = NATIVE_ENVIRONMENT;
    volatile long before = 0;
    volatile int status = 0;
    struct rusage r;
    if (argc < 3 || fcntl(NATIVE_LAUNCH_RESULT, F_SETFD, FD_CLOEXEC))
        return 2;
    const bool joins = !fcntl(NATIVE_LAUNCH_PROCS, F_SETFD, FD_CLOEXEC);
    personality(ADDR_NO_RANDOMIZE);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t child = vfork(), pid;
    if (!child) {
        if (joins && write(NATIVE_LAUNCH_PROCS, "0", 1) != 1)
            _exit(127);
        prctl(PR_SET_THP_DISABLE, !strcmp(argv[1], "never"), 0, 0, 0);
        getrusage(RUSAGE_SELF, &r);
        before = r.ru_minflt;
        execve(argv[2], argv + 2, environment);
        _exit(127);
    }
    for (int ended; (pid = wait(&ended)) > 0;)
        status = pid == child ? ended : status;
    getrusage(RUSAGE_CHILDREN, &r);
    dprintf(NATIVE_LAUNCH_RESULT, "%d %ld %ld %ld %ld %ld\n", status, r.ru_minflt - before, r.ru_majflt, r.ru_maxrss,
            us(r.ru_utime), us(r.ru_stime));
    return child < 0;
}
