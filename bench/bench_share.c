/* SPDX-License-Identifier: MIT */
/* What machines that replay one trace would gain from one decoder: the same references into as many machines, decoded
 * for each of them, or once, each chunk going to every machine while a cache still holds it.
 *
 *     bench_share sort.vmt ...      one JSON line a trace and number of machines, in ns of the CPU a reference and
 * machine
 *
 *     apart      decode, machine 0 | decode, machine 1 | ...
 *     together   decode chunk, machine 0, machine 1, ... | next chunk ...
 *     decoding   nobody takes them
 *
 * One mapping holds every address and no system call is made, so this is the most that sharing could be worth: what a
 * replay does besides (calls, faults on files, reclaim) is the same either way. */
#include <stdint.h>

#include "bench.h"
#include "vmsim/trace.h"

#define MACHINES_MAX 8u

struct fleet {
    struct vmsim_machine *machine[MACHINES_MAX];
    uint32_t task[MACHINES_MAX];
    unsigned count;
};

static void launch(struct fleet *f, unsigned count) {
    static const char *const settings[] = {BAR_ARRAYS, BAR_WALK_CACHES, "machine.sysctl.vm.overcommit_memory=1", NULL};
    const uint64_t low = UINT64_C(1) << 16, high = UINT64_C(0x7ffffffff000);
    f->count = count;
    for (unsigned i = 0; i < count; i++) {
        f->machine[i] = boot_with("4GiB", settings);
        if (vmsim_task_create(f->machine[i], "bench", 0, &f->task[i]) ||
            vmsim_task_mmap(f->machine[i], f->task[i], low, high - low, 7, 0x4032, 0, 0) < 0) {
            fprintf(stderr, "%s\n", vmsim_machine_error(f->machine[i]));
            exit(1);
        }
    }
}

static void land(struct fleet *f) {
    for (unsigned i = 0; i < f->count; i++)
        vmsim_machine_destroy(f->machine[i]);
}

/* Machines `from` to `to`; the references of the trace. */
static uint64_t replay(const char *trace, struct fleet *f, unsigned from, unsigned to) {
    struct vmsim_trace_reader *r;
    struct vmsim_trace_item item;
    uint64_t references = 0;
    int status = vmsim_trace_open(trace, 0, &r);
    while (!status && (status = vmsim_trace_next(r, &item)) == 1) {
        references += item.count;
        for (unsigned i = from; i < to && item.count; i++)
            run(f->machine[i], f->task[i], item.accesses, item.count);
        status = 0;
    }
    if (status < 0) {
        fprintf(stderr, "%s\n", vmsim_trace_reader_error(r));
        exit(1);
    }
    vmsim_trace_close(r);
    return references;
}

static void bench(const char *trace, unsigned machines) {
    struct fleet f;
    launch(&f, machines);
    double begin = now();
    const double each = (double)replay(trace, &f, 0, 0) * machines;
    const double decoding = (now() - begin) * machines;
    begin = now();
    for (unsigned i = 0; i < machines; i++)
        replay(trace, &f, i, i + 1);
    const double apart = now() - begin;
    land(&f);
    launch(&f, machines);
    begin = now();
    replay(trace, &f, 0, machines);
    const double together = now() - begin;
    land(&f);
    printf("{\"trace\": \"%s\", \"machines\": %u, \"apart_ns\": %.2f, \"together_ns\": %.2f, \"decoding_ns\": %.2f, "
           "\"ratio\": %.3f}\n",
           trace, machines, apart / each * 1e9, together / each * 1e9, decoding / each * 1e9, together / apart);
}

int main(int argc, char **argv) {
    static const unsigned machines[] = {2, 4, MACHINES_MAX};
    for (int i = 1; i < argc; i++) {
        for (size_t k = 0; k < sizeof machines / sizeof *machines; k++) {
            bench(argv[i], machines[k]);
            fflush(stdout);
        }
    }
    return 0;
}
