/* SPDX-License-Identifier: MIT */
/* Waiting for a recorded program and everything that it leaves behind (see supervise.h).
 *
 * Orphans come to the nearest subreaper: without one, grandchildren of the program would be lost to init. The same
 * makes it possible to end them all: children are killed, their children become ours, and so on until there is none. A
 * recorder that is killed cannot do that any more, so its death is a signal here. Only calls that are safe after fork.
 */
#include "trace/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"

static volatile sig_atomic_t orphaned;

static void on_orphaned(int signal_number) {
    (void)signal_number;
    orphaned = 1;
}

/* Kills the children of this process; of the rest in the next round, when they are. */
static void kill_children(void) {
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = 0;
    for (char *at = text, *end; *at; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at)
            break;
        if (pid > 1)
            kill((pid_t)pid, SIGKILL);
    }
    if (fd >= 0)
        close(fd);
}

_Noreturn void vmsim__supervise(struct arena *arena, pid_t recorder, const char *path, void (*run)(void *context),
                                void *context) {
    VMSIM__ASSERT(arena->magic == ARENA_MAGIC);
    struct sigaction orphan = {.sa_handler = on_orphaned};
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    pid_t first = fork(), pid;
    int status;
    if (first == 0) {
        run(context);
        _exit(127);
    }
    sigaction(SIGUSR1, &orphan, NULL);
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    orphaned |= getppid() != recorder;
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (first < 0)
        atomic_store(&arena->status, 127 << 8);
    while ((pid = waitpid(-1, &status, orphaned ? WNOHANG : 0)) >= 0 || errno == EINTR) {
        if (pid == first)
            atomic_store(&arena->status, status);
        if (orphaned && pid <= 0) {
            atomic_store(&arena->stop, 1);
            kill_children();
            usleep(1000);
        }
    }
    unlink(path);
    _exit(0);
}
