/* SPDX-License-Identifier: MIT */
/* Advice that does something, fails, or shows in a child; memory policies. */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorded_say.h"

enum { COLD = 20, PAGEOUT, POPULATE_READ, POPULATE_WRITE };

static void child_reads(const char *what, const char *p) {
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(sum_pages(p, 16) != 0);
    waitpid(child, &status, 0);
    printf("%s: exit %d, signal %d\n", what, WEXITSTATUS(status), WTERMSIG(status));
}

static void children(void) {
    char *p = map(48);
    write_pages(p, 48);
    say("dontfork", madvise(p, 16 * PAGE, MADV_DONTFORK));
    say("wipeonfork", madvise(p + 16 * PAGE, 16 * PAGE, MADV_WIPEONFORK));
    child_reads("not there", p);
    child_reads("wiped", p + 16 * PAGE);
    child_reads("copied", p + 32 * PAGE);
    say("keeponfork", madvise(p + 16 * PAGE, 16 * PAGE, MADV_KEEPONFORK));
    child_reads("copied again", p + 16 * PAGE);
}

static void calls(void) {
    char *p = map(128), *s = mmap(NULL, 64 * PAGE, RW, SHARED, -1, 0);
    write_pages(p, 128);
    write_pages(s, 64);
    say("dontneed", madvise(p, 32 * PAGE, MADV_DONTNEED));
    say("cold", madvise(p + 32 * PAGE, 32 * PAGE, COLD));
    say("populate to read", madvise(p, 16 * PAGE, POPULATE_READ));
    say("populate to write", madvise(p + 16 * PAGE, 16 * PAGE, POPULATE_WRITE));
    say("no such advice", madvise(p, PAGE, 12345));
    say("not aligned", madvise(p + 1, PAGE, MADV_DONTNEED));
    say("remove private memory", madvise(p, PAGE, MADV_REMOVE));
    say("remove shared memory", madvise(s, 32 * PAGE, MADV_REMOVE));
    say("free shared memory", madvise(s, PAGE, MADV_FREE));
    printf("contents %ld %ld\n", sum_pages(p, 64), sum_pages(s, 64));
    munmap(p + 64 * PAGE, PAGE);
    say("over a hole", madvise(p + 60 * PAGE, 8 * PAGE, MADV_DONTNEED));
    printf("around it %ld %ld\n", sum_pages(p + 60 * PAGE, 4), sum_pages(p + 65 * PAGE, 3));
}

static void policies(void) {
    unsigned long node = 1;
    int mode = -1, status[1] = {-1};
    char *p = map(64);
    void *page[1] = {p};
    say("set_mempolicy", syscall(SYS_set_mempolicy, 2, &node, 64));
    say("get_mempolicy", syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0));
    say("mbind", syscall(SYS_mbind, p, 64 * PAGE, 2, &node, 64, 0));
    write_pages(p, 64);
    say("move_pages", syscall(SYS_move_pages, 0, 1ul, page, NULL, status, 0));
    printf("mode %d, node %d\n", mode, status[0]);
}

int main(void) {
    calls();
    policies();
    children();
    return 0;
}
