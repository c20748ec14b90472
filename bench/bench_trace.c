/* SPDX-License-Identifier: MIT */
/* Rates of the trace container: decoding and encoding by CPU time of this thread, decoding on a second thread by wall
 * time, bytes a reference. Prints one JSON object. Argument: a trace to read; without one a program-like sample is made
 * and written first. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "vmsim/trace.h"

enum { SAMPLE = 60000000, BLOCKS = 4096 };

static double now(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static uint64_t next_random(uint64_t *x) {
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Loops over blocks with a stack, a stream and a heap reference each; one heap reference in eight jumps. */
static size_t make_batch(uint64_t *seed, vmsim_access *out, size_t room) {
    size_t n = 0;
    uint64_t first = next_random(seed) % BLOCKS, length = 3 + next_random(seed) % 12;
    for (unsigned turn = 0; n + 4 * length < room && turn < 50; turn++)
        for (uint64_t b = first; b < first + length; b++) {
            uint64_t heap = next_random(seed) % 8 ? b * 512 : next_random(seed) % (64 << 20);
            out[n++] = vmsim_access_make(0x400000 + b * 40, 20 + b % 16, VMSIM_FETCH);
            out[n++] = vmsim_access_make(0x7ffd0000 + b % 64 * 8, 8, VMSIM_LOAD);
            out[n++] = vmsim_access_make(0x10000000 + turn * 64 + b * 8, 8, VMSIM_LOAD);
            out[n++] = vmsim_access_make(0x20000000 + heap, 4, VMSIM_STORE);
        }
    return n;
}

static int write_sample(const char *path, double *rate) {
    static vmsim_access batch[1 << 14];
    struct vmsim_trace_writer *w;
    char error[512];
    uint64_t seed = 88172645463325252u, total = 0;
    int err = vmsim_trace_create(path, NULL, &w);
    double start = now(CLOCK_THREAD_CPUTIME_ID);
    while (!err && total < SAMPLE) {
        size_t n = make_batch(&seed, batch, sizeof batch / sizeof batch[0]);
        err = vmsim_trace_append(w, 0, batch, n);
        total += n;
    }
    if (err) {
        vmsim_trace_abandon(w);
        return err;
    }
    err = vmsim_trace_finish(w, error, sizeof error);
    *rate = (double)total / (now(CLOCK_THREAD_CPUTIME_ID) - start) / 1e6;
    return err;
}

/* Reads everything; *checksum keeps the references in use. */
static int read_all(const char *path, unsigned flags, double *rate, double *bytes, uint64_t *checksum) {
    struct vmsim_trace_reader *r;
    struct vmsim_trace_item item;
    int err = vmsim_trace_open(path, flags, &r), got = 0;
    uint64_t total = 0, sum = 0;
    const clockid_t clock = flags & VMSIM_TRACE_THREAD ? CLOCK_MONOTONIC : CLOCK_THREAD_CPUTIME_ID;
    double start = now(clock);
    while (!err && (got = vmsim_trace_next(r, &item)) == 1) {
        for (size_t i = 0; i < item.count; i++)
            sum += item.accesses[i];
        total += item.count;
    }
    *rate = (double)total / (now(clock) - start) / 1e6;
    if (!err && total)
        *bytes = (double)vmsim_trace_get_info(r)->file_bytes / (double)total;
    if (err || got < 0)
        fprintf(stderr, "%s\n", vmsim_trace_reader_error(r));
    *checksum = sum;
    vmsim_trace_close(r);
    return err ? err : got;
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "bench_trace.vmt";
    double encode = 0, one = 0, two = 0, bytes = 0;
    uint64_t a = 0, b = 0;
    int err = argc > 1 ? 0 : write_sample(path, &encode);
    if (!err)
        err = read_all(path, 0, &one, &bytes, &a);
    if (!err)
        err = read_all(path, VMSIM_TRACE_THREAD, &two, &bytes, &b);
    if (argc <= 1)
        unlink(path);
    if (err < 0 || a != b) {
        fprintf(stderr, "bench_trace: %s\n", err < 0 ? vmsim_error_text(err) : "the two readings differ");
        return 1;
    }
    printf("{\n  \"trace\": \"%s\",\n  \"encode_mrefs_per_s\": %.1f,\n  \"decode_mrefs_per_s\": %.1f,\n"
           "  \"decode_thread_mrefs_per_s\": %.1f,\n  \"bytes_per_ref\": %.4f\n}\n",
           argc > 1 ? path : "sample", encode, one, two, bytes);
    return 0;
}
