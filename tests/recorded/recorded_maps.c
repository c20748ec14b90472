/* SPDX-License-Identifier: MIT */
/* What /proc/self/maps says of a program's own image and mappings: what may be executed, and what may not. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "recorded_say.h"

static char text[1 << 16];

static void read_maps(void) {
    int fd = open("/proc/self/maps", O_RDONLY);
    size_t n = 0;
    for (ssize_t got; (got = read(fd, text + n, sizeof text - 1 - n)) > 0;)
        n += (size_t)got;
    text[n] = 0;
    close(fd);
}

/* The rights of the line that holds an address. */
static void say_rights(const char *what, const void *at) {
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *rest;
        const uintptr_t from = strtoul(line, &rest, 16), to = strtoul(rest + 1, &rest, 16);
        if ((uintptr_t)at >= from && (uintptr_t)at < to)
            printf("%s: %.5s\n", what, rest + 1);
    }
}

static int function(int a) {
    return a + 1;
}

int main(void) {
    static const char constant[] = "constant";
    const struct {
        const char *what;
        const void *at;
    } places[] = {{"code", (const void *)(uintptr_t)function},
                  {"constants", constant},
                  {"variables", text},
                  {"code of a library", (const void *)(uintptr_t)memcpy}};
    char *p = map(4);
    mprotect(p + PAGE, PAGE, PROT_READ | PROT_EXEC);
    mmap(p + 2 * PAGE, PAGE, PROT_READ | PROT_EXEC, PRIVATE | MAP_FIXED, -1, 0);
    mprotect(p + 3 * PAGE, PAGE, PROT_READ | PROT_EXEC);
    mprotect(p + 3 * PAGE, PAGE, PROT_READ);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        read_maps();
        say_rights(places[i].what, places[i].at);
    }
    for (unsigned i = 0; i < 4; i++) {
        read_maps();
        say_rights("a page", p + i * PAGE);
    }
    return 0;
}
