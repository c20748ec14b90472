/* SPDX-License-Identifier: MIT */
/* Limits that a program sets: it reads what it set, and the program that it executes has the stack. */
#include <sys/resource.h>
#include <unistd.h>

#include "recorded_say.h"

static int __attribute__((noinline)) deep(int levels) {
    volatile char room[8192];
    room[0] = (char)levels;
    return levels ? deep(levels - 1) + room[0] : 0;
}

int main(int argc, char **argv) {
    struct rlimit limit = {64ul << 20, 64ul << 20}, seen = {0, 0};
    if (argc > 1) {
        getrlimit(RLIMIT_STACK, &seen);
        printf("stack %lu, %d\n", (unsigned long)seen.rlim_cur, deep(4000) & 1);
        return 0;
    }
    say("setrlimit", setrlimit(RLIMIT_STACK, &limit));
    getrlimit(RLIMIT_STACK, &seen);
    printf("stack %lu\n", (unsigned long)seen.rlim_cur);
    fflush(stdout);
    execl("/proc/self/exe", argv[0], "again", (char *)NULL);
    return 1;
}
