/* SPDX-License-Identifier: MIT */
/* What the recorded programs print with. */
#ifndef SAY_H
#define SAY_H
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)
#define SHARED (MAP_SHARED | MAP_ANONYMOUS)

/* A call's result: a number, or the name of its error. */
static inline void say(const char *what, long result) {
    if (result < 0)
        printf("%s: %s\n", what, strerrorname_np(errno));
    else
        printf("%s: %ld\n", what, result);
    fflush(stdout);
}

/* A mapping's success; where it lies is nobody's business. */
static inline char *say_map(const char *what, void *at) {
    say(what, at == MAP_FAILED ? -1 : 0);
    return at;
}

static inline char *map(size_t pages) {
    char *p = mmap(NULL, pages * PAGE, RW, PRIVATE, -1, 0);
    return p == MAP_FAILED ? say_map("mmap", p) : p;
}

static inline void write_pages(char *p, size_t pages) {
    for (size_t i = 0; i < pages; i++)
        *(volatile char *)(p + i * PAGE) = (char)(i + 1);
}

static inline long sum_pages(const char *p, size_t pages) {
    long sum = 0;
    for (size_t i = 0; i < pages; i++)
        sum += *(const volatile char *)(p + i * PAGE);
    return sum;
}
#endif
