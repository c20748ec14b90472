/* SPDX-License-Identifier: MIT */
/* Limits that a program sets: it reads what it set, the program that it executes has the stack, and gets no more than
 * the address space. */
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "recorded_say.h"

static int __attribute__((noinline)) deep(int levels) {
    volatile char room[8192];
    room[0] = (char)levels;
    return levels ? deep(levels - 1) + room[0] : 0;
}

/* Megabytes until there are no more, and what is refused then by other ways. */
static void take_all(void) {
    unsigned n = 0;
    char *at, *last = NULL;
    while ((at = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED &&
           ++n < 500)
        last = at;
    printf("%u MiB\n", n);
    say("sbrk", sbrk(2 << 20) == (void *)-1 ? -1 : 0);
    say("mremap", mremap(last, 1 << 20, 3 << 20, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
    say("munmap", munmap(last, 1 << 20));
    say("mmap", mmap(NULL, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
}

int main(int argc, char **argv) {
    struct rlimit limit = {64ul << 20, 64ul << 20}, seen = {0, 0};
    if (argc > 1 && argv[1][0] == 'l') {
        getrlimit(RLIMIT_AS, &seen);
        printf("space %lu\n", (unsigned long)seen.rlim_cur);
        take_all();
        return 0;
    }
    if (argc > 1) {
        getrlimit(RLIMIT_STACK, &seen);
        printf("stack %lu, %d\n", (unsigned long)seen.rlim_cur, deep(4000) & 1);
        fflush(stdout);
        execl("/proc/self/exe", argv[0], "last", (char *)NULL);
        return 1;
    }
    say("setrlimit", setrlimit(RLIMIT_STACK, &limit));
    getrlimit(RLIMIT_STACK, &seen);
    printf("stack %lu\n", (unsigned long)seen.rlim_cur);
    limit.rlim_cur = limit.rlim_max = 100ul << 20;
    say("setrlimit", setrlimit(RLIMIT_AS, &limit));
    take_all();
    execl("/proc/self/exe", argv[0], "again", (char *)NULL);
    return 1;
}
