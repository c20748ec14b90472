/* SPDX-License-Identifier: MIT */
/* Files of one name, files without one, and what their descriptors keep. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorded_say.h"

static char name[64], other[64];

static int make(size_t pages) {
    int fd = open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)(pages * PAGE)))
        say("make", -1);
    return fd;
}

/* Three of one name at once: three memories. */
static void same_name(void) {
    char *at[3];
    for (unsigned i = 0; i < 3; i++) {
        int fd = make(64);
        at[i] = mmap(NULL, 64 * PAGE, RW, MAP_SHARED, fd, 0);
        unlink(name);
        close(fd);
        write_pages(at[i], 16 * (i + 1));
    }
    for (unsigned i = 0; i < 3; i++) {
        printf("%ld\n", sum_pages(at[i], 64));
        munmap(at[i], 64 * PAGE);
    }
}

/* A descriptor of a child keeps the pages; so does a copy, and neither after it is closed. */
static void descriptors(void) {
    int fd = make(128), copy = dup(fd), status;
    char *p = mmap(NULL, 128 * PAGE, RW, MAP_SHARED, fd, 0);
    write_pages(p, 128);
    munmap(p, 128 * PAGE);
    unlink(name);
    close(fd);
    pid_t child = fork();
    if (child == 0) {
        p = mmap(NULL, 128 * PAGE, PROT_READ, MAP_SHARED, copy, 0);
        _exit(sum_pages(p, 128) == 128 * 129 / 2 - 256);
    }
    waitpid(child, &status, 0);
    printf("still there: %d\n", WEXITSTATUS(status));
    close(copy);
}

static void names(void) {
    int fd = make(16);
    char *p = mmap(NULL, 16 * PAGE, RW, MAP_SHARED, fd, 0);
    write_pages(p, 16);
    say("rename", rename(name, other));
    int second = make(8);
    say("rename over it", rename(name, other));
    printf("the first: %ld\n", sum_pages(p, 16));
    say("truncate", truncate(other, 4 * (off_t)PAGE));
    struct stat st;
    say("size", fstat(second, &st) ? -1 : st.st_size);
    unlink(other);
    close(fd);
    close(second);
    fd = memfd_create("x", 0);
    if (write(fd, p, 16 * PAGE) != 16 * (ssize_t)PAGE)
        say("write", -1);
    munmap(p, 16 * PAGE);
}

int main(void) {
    snprintf(name, sizeof name, "/dev/shm/recorded-%d", (int)getpid());
    snprintf(other, sizeof other, "/dev/shm/recorded-%d-other", (int)getpid());
    same_name();
    descriptors();
    names();
    return 0;
}
