/* SPDX-License-Identifier: MIT */
/* Children that share their parent's memory and are processes of their own: clone with CLONE_VM alone. */
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorded_say.h"

enum { STACK = 64 };

static volatile sig_atomic_t ended;
static _Atomic int turn;
static char *seen;
static pid_t parent;

static void on_child(int number) {
    (void)number;
    ended++;
}

/* Raw calls alone: the child has the parent's thread-local storage. */
static int by_exit(void *first) {
    char *p = (void *)syscall(SYS_mmap, NULL, 100 * PAGE, RW, PRIVATE, -1, 0);
    write_pages(p, 100);
    seen = p;
    *(char *)first = 42;
    turn = 1;
    while (turn != 2)
        sched_yield();
    return syscall(SYS_getppid) == parent && syscall(SYS_getpid) != parent ? 7 : 1;
}

static int by_exec(void *path) {
    char *argv[] = {path, NULL}, *env[] = {NULL};
    turn = 3;
    return execve(path, argv, env);
}

static int by_signal(void *nothing) {
    turn = 4;
    kill((pid_t)syscall(SYS_getpid), SIGKILL);
    return nothing != NULL;
}

static int status_of(pid_t child) {
    int status = -1;
    say("wait", waitpid(child, &status, 0) == child);
    return status;
}

static pid_t make(int (*run)(void *), void *argument, int flags) {
    char *stack = map(STACK);
    pid_t child = clone(run, stack + STACK * PAGE, CLONE_VM | flags, argument);
    say("clone", child > 0 ? 0 : child);
    return child;
}

static void together(void) {
    char first = 0;
    pid_t child = make(by_exit, &first, SIGCHLD | CLONE_FILES | CLONE_FS);
    while (turn != 1)
        sched_yield();
    say("what the child stored", first);
    say("what the child mapped", sum_pages(seen, 100));
    write_pages(map(300), 300);
    turn = 2;
    say("status", WEXITSTATUS(status_of(child)));
    say("SIGCHLD", ended);
}

int main(void) {
    parent = getpid();
    signal(SIGCHLD, on_child);
    together();
    say("exec", status_of(make(by_exec, (char *)"/bin/true", SIGCHLD)));
    say("signal", WTERMSIG(status_of(make(by_signal, NULL, SIGCHLD))));
    turn = 0;
    together();
    say("turn", turn);
    write_pages(map(200), 200);
    return 3;
}
