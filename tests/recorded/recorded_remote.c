/* SPDX-License-Identifier: MIT */
/* Calls on the memory of another process, and on one's own by the same way. */
#include <stdlib.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorded_say.h"

enum { PAGES = 64 };

static void advise(const char *what, int pidfd, char *p, int advice) {
    struct iovec ranges[2] = {{p, 16 * PAGE}, {p + 32 * PAGE, 8 * PAGE}};
    say(what, syscall(SYS_process_madvise, pidfd, ranges, 2, advice, 0));
}

static void move(const char *what, pid_t pid, char *p) {
    void *pages[PAGES];
    int nodes[PAGES] = {0}, status[PAGES];
    for (unsigned i = 0; i < PAGES; i++)
        pages[i] = p + i * PAGE;
    say(what, syscall(SYS_move_pages, pid, PAGES, pages, nodes, status, 2 /* MPOL_MF_MOVE */));
    printf("on node %d, %d\n", status[0], status[PAGES - 1]);
    fflush(stdout);
}

/* A child with pages of its own, which sleeps until it is killed. */
static pid_t sleeper(char *p) {
    int ready[2];
    char one;
    if (pipe(ready))
        exit(1);
    pid_t pid = fork();
    if (!pid) {
        write_pages(p, PAGES);
        if (write(ready[1], "x", 1) != 1)
            _exit(1);
        pause();
    }
    if (read(ready[0], &one, 1) != 1)
        exit(1);
    return pid;
}

int main(void) {
    unsigned long node = 1;
    char *p = map(PAGES);
    pid_t child = sleeper(p);
    int other = (int)syscall(SYS_pidfd_open, child, 0), own = (int)syscall(SYS_pidfd_open, getpid(), 0);
    write_pages(p, PAGES);
    advise("the child's pages are cold", other, p, MADV_COLD);
    advise("one's own are cold", own, p, MADV_COLD);
    advise("a child's pages stay", other, p, MADV_DONTNEED);
    move("the child's pages move", child, p);
    move("one's own move", 0, p);
    say("all from here to there", syscall(SYS_migrate_pages, child, 8, &node, &node));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    advise("nobody's", other, p, MADV_COLD);
    say("nobody's move", syscall(SYS_migrate_pages, child, 8, &node, &node));
    return 0;
}
