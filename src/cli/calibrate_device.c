/* SPDX-License-Identifier: MIT */
/* Probes of the storage below a directory (calibrate.h), past the page cache (O_DIRECT), in a file that goes again.
 *
 *     small   4 KiB at a time, at places of chance            latency + overhead + transfer of 4 KiB
 *     large   1 MiB at a time, in order                       latency + overhead + transfer of 1 MiB
 *     many    4 KiB, sixteen at a time, by as many threads    overhead, if it is what bounds them
 *
 * A device takes its time whoever has the CPU, so here it is the clock that passes which counts. Writes are such that
 * they are on the device when they return (O_DSYNC). */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/calibrate.h"

#define SMALL ((size_t)4096)
#define LARGE ((size_t)1 << 20)
#define FILE_SIZE ((size_t)64 << 20)
#define SMALL_COUNT 128u
#define LARGE_COUNT 16u
#define THREADS 16u
#define EACH 32u /* requests of a thread */

struct target {
    int fd;
    bool write;
};

static uint64_t passed_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *buffer_of(size_t size) {
    void *at = NULL;
    if (posix_memalign(&at, SMALL, size))
        return NULL;
    memset(at, 1, size);
    return at;
}

static bool transfer(const struct target *t, void *buffer, size_t size, size_t at) {
    assert(at + size <= FILE_SIZE);
    const ssize_t n = t->write ? pwrite(t->fd, buffer, size, (off_t)at) : pread(t->fd, buffer, size, (off_t)at);
    return n == (ssize_t)size;
}

static uint64_t scattered(uint64_t *seed) {
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (*seed >> 33) % (FILE_SIZE / SMALL) * SMALL;
}

/* Picoseconds of one; 0: the host refuses it. */
static uint64_t one_by_one(const struct target *t, size_t size, unsigned count) {
    char *buffer = buffer_of(size);
    uint64_t seed = passed_ns();
    bool good = buffer != NULL;
    const uint64_t begin = passed_ns();
    for (unsigned i = 0; good && i < count; i++)
        good = transfer(t, buffer, size, size == SMALL ? scattered(&seed) : i * size % FILE_SIZE);
    const uint64_t took = (passed_ns() - begin) * 1000 / count;
    free(buffer);
    return good ? took : 0;
}

static void *keep_busy(void *context) {
    const struct target *t = context;
    return one_by_one(t, SMALL, EACH) ? context : NULL;
}

static uint64_t side_by_side(struct target *t) {
    pthread_t threads[THREADS];
    unsigned made = 0, good = 0;
    const uint64_t begin = passed_ns();
    while (made < THREADS && !pthread_create(&threads[made], NULL, keep_busy, t))
        made++;
    for (unsigned i = 0; i < made; i++) {
        void *result;
        good += !pthread_join(threads[i], &result) && result;
    }
    return good == THREADS ? (passed_ns() - begin) * 1000 / ((uint64_t)THREADS * EACH) : 0;
}

static uint64_t once(struct target *t, enum calibrate_transfer what) {
    switch (what) {
    case CALIBRATE_SMALL:
        return one_by_one(t, SMALL, SMALL_COUNT);
    case CALIBRATE_LARGE:
        return one_by_one(t, LARGE, LARGE_COUNT);
    case CALIBRATE_MANY:
        return side_by_side(t);
    case CALIBRATE_TRANSFERS:
        break;
    }
    return 0;
}

/* A file without a name; its blocks are written, or a read would be one of a hole. */
static int make_file(const char *directory) {
    char path[4096];
    if ((size_t)snprintf(path, sizeof path, "%s/.vmsim-calibrate-XXXXXX", directory) >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const int fd = mkostemp(path, O_DIRECT | O_DSYNC | O_CLOEXEC);
    if (fd < 0)
        return -1;
    unlink(path);
    void *buffer = buffer_of(LARGE);
    const struct target t = {fd, true};
    bool good = buffer != NULL;
    for (size_t at = 0; good && at < FILE_SIZE; at += LARGE)
        good = transfer(&t, buffer, LARGE, at);
    free(buffer);
    if (good)
        return fd;
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int calibrate_device(const char *directory, unsigned repeats, struct calibrate_device *device) {
    uint64_t took[CALIBRATE_REPEATS_MAX];
    *device = (struct calibrate_device){0};
    assert(repeats > 0 && repeats <= CALIBRATE_REPEATS_MAX);
    struct target t = {make_file(directory), false};
    if (t.fd < 0)
        return errno ? errno : EIO;
    for (unsigned way = 0; way < 2; way++) {
        t.write = way;
        for (unsigned what = 0; what < CALIBRATE_TRANSFERS; what++) {
            unsigned n = 0;
            for (unsigned i = 0; i < repeats; i++) {
                took[n] = once(&t, (enum calibrate_transfer)what);
                n += took[n] > 0;
            }
            device->of[way][what] = calibrate_middle(took, n);
        }
    }
    close(t.fd);
    return 0;
}
