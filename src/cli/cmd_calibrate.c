/* SPDX-License-Identifier: MIT */
/* `vmsim calibrate`: what this host's kernel and memory cost, as a file that a machine reads beside its own. */
#include <assert.h>
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/calibrate.h"
#include "cli/cli.h"
#include "vmsim/version.h"

#define DOUBTFUL 20u /* percent */

#define DEVICES_MAX 16u

/* "NAME=DIRECTORY" of the command line. */
struct device {
    char *name;
    const char *directory;
    struct calibrate_device measured;
};

struct calibrate_options {
    const char *output;
    unsigned repeats;
    bool quiet;
    struct device devices[DEVICES_MAX];
    size_t device_count;
};

static const struct argp_option options[] = {
    {"output", 'o', "FILE", 0, "Write the costs to FILE (default: standard output)", 0},
    {"repeat", 'n', "COUNT", 0, "Repetitions of each probe, of which the median stands (11)", 0},
    {"device", 'd', "NAME=DIR", 0, "Also the storage below DIR, with a file of 64 MiB there, as machine.devices[NAME]",
     0},
    {"quiet", 'q', NULL, 0, "No table of what was measured", 0},
    {0}};

static void parse_device(struct argp_state *state, struct calibrate_options *o, char *arg) {
    char *equals = strchr(arg, '=');
    if (!equals || equals == arg || !equals[1])
        argp_error(state, "'%s': a name and a directory, as in vda=/var/tmp", arg);
    if (o->device_count == DEVICES_MAX)
        argp_error(state, "at most %u devices", DEVICES_MAX);
    *equals = 0;
    if (strspn(arg, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(arg))
        argp_error(state, "'%s' is no name of a device", arg);
    o->devices[o->device_count++] = (struct device){.name = arg, .directory = equals + 1};
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct calibrate_options *o = state->input;
    switch (key) {
    case 'o':
        o->output = arg;
        return 0;
    case 'n':
        o->repeats = (unsigned)cli_number(state, arg, CALIBRATE_REPEATS_MAX);
        if (!o->repeats)
            argp_error(state, "a probe that is not done says nothing");
        return 0;
    case 'q':
        o->quiet = true;
        return 0;
    case 'd':
        parse_device(state, o, arg);
        return 0;
    case ARGP_KEY_ARG:
        argp_error(state, "'%s': this command takes no arguments", arg);
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- from probes to costs ---- */

struct costs {
    struct calibrate_result of[CALIBRATE_PROBES];
};

static uint64_t ps(const struct costs *c, enum calibrate_probe probe) {
    assert(probe < CALIBRATE_PROBES);
    return c->of[probe].median;
}

static uint64_t less(uint64_t a, uint64_t b) {
    return a > b ? a - b : 0;
}

/* Half the distance of the quartiles, in percent of the median. */
static unsigned error_percent(const struct calibrate_result *r) {
    assert(!r->known || (r->lower <= r->median && r->median <= r->higher));
    return r->median ? (unsigned)((r->higher - r->lower) * 50 / r->median) : 0;
}

/* `ps` of `known` probes with their error behind it; nothing where a probe could not be done. */
static void put_cost(FILE *out, const char *indent, const char *key, uint64_t ps, const struct calibrate_result *a,
                     const struct calibrate_result *b) {
    assert(a && key);
    const unsigned error = error_percent(a) + (b ? error_percent(b) : 0);
    if (a->known && (!b || b->known) && ps >= 1000)
        fprintf(out, "%s%s: %" PRIu64 "ns # +- %u %%\n", indent, key, (ps + 500) / 1000, error);
}

/* A loop of one call has the caches to itself; between two calls a program takes them, and each costs half as much
 * again: by that the sums of recorded programs come to what Linux says of them (docs/programs.md). */
static uint64_t between(uint64_t ps) {
    return ps + ps / 2;
}

/* What `calls` of the probe take beside entering the kernel, each. */
static void put_call(FILE *out, const struct costs *c, const char *key, enum calibrate_probe probe, unsigned calls,
                     uint64_t less_ps) {
    assert(calls > 0);
    const struct calibrate_result *r = c->of;
    put_cost(out, "    ", key, between(less(ps(c, probe), calls * ps(c, CALIBRATE_SYSCALL) + less_ps) / calls),
             &r[probe], &r[CALIBRATE_SYSCALL]);
}

/* Beside the calls' own, what a reference takes that waits for nothing: they are one a cycle, about. */
static void put_calls(FILE *out, const struct costs *c) {
    const struct calibrate_result *r = c->of;
    const uint64_t syscall = ps(c, CALIBRATE_SYSCALL), path = less(ps(c, CALIBRATE_PATH), syscall);
    const uint64_t closes = 2 * syscall;
    put_cost(out, "    ", "references", ps(c, CALIBRATE_CYCLE) * 1000, &r[CALIBRATE_CYCLE], NULL);
    put_cost(out, "    ", "syscall", syscall, &r[CALIBRATE_SYSCALL], NULL);
    put_cost(out, "    ", "context_switch", ps(c, CALIBRATE_SWITCH), &r[CALIBRATE_SWITCH], NULL);
    put_call(out, c, "path_call", CALIBRATE_PATH, 1, 0);
    put_call(out, c, "open_call", CALIBRATE_OPEN, 1, path + syscall);
    put_call(out, c, "message_call", CALIBRATE_MESSAGE, 2, 0);
    put_call(out, c, "socket_call", CALIBRATE_SOCKET, 2, 0);
    put_call(out, c, "object_call", CALIBRATE_OBJECT, 1, closes);
    put_call(out, c, "wait_call", CALIBRATE_WAIT, 1, 0);
    put_cost(out, "    ", "clone", between(less(ps(c, CALIBRATE_CLONE), 2 * syscall)), &r[CALIBRATE_CLONE], NULL);
    put_cost(out, "    ", "exit", between(less(ps(c, CALIBRATE_EXIT), syscall)), &r[CALIBRATE_EXIT], NULL);
    put_cost(out, "    ", "exec", between(less(ps(c, CALIBRATE_EXEC), syscall)), &r[CALIBRATE_EXEC], NULL);
}

static void put_paths(FILE *out, const struct costs *c) {
    const struct calibrate_result *r = c->of;
    put_calls(out, c);
    fputs("  memory_manager:\n    costs:\n", out);
    put_cost(out, "      ", "fault", between(ps(c, CALIBRATE_READ_FAULT)), &r[CALIBRATE_READ_FAULT], NULL);
    put_cost(out, "      ", "map",
             less(ps(c, CALIBRATE_ANON_FAULT), ps(c, CALIBRATE_READ_FAULT) + ps(c, CALIBRATE_ZERO)),
             &r[CALIBRATE_ANON_FAULT], &r[CALIBRATE_ZERO]);
    put_cost(out, "      ", "zero_page", ps(c, CALIBRATE_ZERO), &r[CALIBRATE_ZERO], NULL);
    put_cost(out, "      ", "zero_huge", ps(c, CALIBRATE_ZERO_HUGE), &r[CALIBRATE_ZERO_HUGE], NULL);
    put_cost(out, "      ", "copy_page", ps(c, CALIBRATE_COPY), &r[CALIBRATE_COPY], NULL);
    put_cost(out, "      ", "mmap", between(less(ps(c, CALIBRATE_MMAP), ps(c, CALIBRATE_SYSCALL))), &r[CALIBRATE_MMAP],
             NULL);
    put_cost(out, "      ", "munmap", between(less(ps(c, CALIBRATE_MUNMAP), ps(c, CALIBRATE_SYSCALL))),
             &r[CALIBRATE_MUNMAP], NULL);
    put_cost(out, "      ", "mprotect", between(less(ps(c, CALIBRATE_MPROTECT), ps(c, CALIBRATE_SYSCALL))),
             &r[CALIBRATE_MPROTECT], NULL);
    put_cost(out, "      ", "unmap_page", ps(c, CALIBRATE_UNMAP_ZERO), &r[CALIBRATE_UNMAP_ZERO], NULL);
    put_cost(out, "      ", "free_page", less(ps(c, CALIBRATE_UNMAP), ps(c, CALIBRATE_UNMAP_ZERO)), &r[CALIBRATE_UNMAP],
             &r[CALIBRATE_UNMAP_ZERO]);
    fputs("  page_cache:\n", out);
    put_cost(out, "    ", "hit_cost", ps(c, CALIBRATE_CACHED_READ), &r[CALIBRATE_CACHED_READ], NULL);
}

/* A walk is what a load in a page of its own takes beyond one beside its neighbour. Nearly all of its references are to
 * the lowest level of the table: the levels above are in walk caches. */
static void put_walk(FILE *out, const struct costs *c) {
    const struct calibrate_result *r = c->of;
    const uint64_t cycle = ps(c, CALIBRATE_CYCLE), walk = less(ps(c, CALIBRATE_FAR), ps(c, CALIBRATE_NEAR));
    const unsigned error = error_percent(&r[CALIBRATE_FAR]) + error_percent(&r[CALIBRATE_NEAR]);
    if (!cycle || !walk)
        return;
    fprintf(out, "  tlb:\n    clock: %" PRIu64 "\n    walk_latency: 0\n    walk_reference: %" PRIu64 " # +- %u %%\n",
            1000000 / cycle ? 1000000 / cycle : 1, (walk + cycle / 2) / cycle, error);
}

/* One at a time takes latency, overhead and transfer; large ones tell the transfer, many at a time the overhead. */
static void put_way(FILE *out, const char *way, const struct calibrate_result *of) {
    const struct calibrate_result *small = &of[CALIBRATE_SMALL], *large = &of[CALIBRATE_LARGE],
                                  *many = &of[CALIBRATE_MANY];
    if (!small->known || !large->known || !many->known)
        return;
    const uint64_t moved = less(large->median, small->median), bytes = (1 << 20) - 4096;
    const uint64_t transfer = moved / (bytes / 4096), alone = less(small->median, transfer);
    uint64_t overhead = many->median > transfer ? many->median : 0; /* else the link is what bounds them */
    overhead = overhead < alone ? overhead : alone;
    fprintf(out, "      %s_latency: %" PRIu64 "ns # +- %u %%\n", way, (alone - overhead) / 1000, error_percent(small));
    fprintf(out, "      %s_overhead: %" PRIu64 "ns # +- %u %%\n", way, overhead / 1000, error_percent(many));
    if (moved)
        fprintf(out, "      %s_bandwidth: %" PRIu64 " # bytes a second, +- %u %%\n", way,
                bytes * UINT64_C(1000000) / (moved / 1000000 ? moved / 1000000 : 1), error_percent(large));
}

static void put_devices(FILE *out, const struct calibrate_options *o) {
    assert(o->device_count <= DEVICES_MAX);
    if (o->device_count)
        fputs("  devices: # in place of those of the machine\n", out);
    for (size_t i = 0; i < o->device_count; i++) {
        const struct device *d = &o->devices[i];
        fprintf(out, "    - name: %s\n      preset: nvme # for what is not measured\n", d->name);
        put_way(out, "read", d->measured.of[0]);
        put_way(out, "write", d->measured.of[1]);
    }
}

static int measure_devices(struct calibrate_options *o) {
    for (size_t i = 0; i < o->device_count; i++) {
        struct device *d = &o->devices[i];
        const int error = calibrate_device(d->directory, o->repeats, &d->measured);
        if (error)
            return cli_fail(EXIT_USAGE, "calibrate", "%s: %s%s", d->directory, strerror(error),
                            error == EINVAL ? ": it does not read past the page cache (a file system in memory?)" : "");
    }
    return EXIT_FINE;
}

static void put_device_table(const struct device *d) {
    static const char *const names[2][CALIBRATE_TRANSFERS] = {
        {"read of 4 KiB", "read of 1 MiB", "read of 4 KiB, sixteen at a time"},
        {"write of 4 KiB", "write of 1 MiB", "write of 4 KiB, sixteen at a time"}};
    for (unsigned way = 0; way < 2; way++) {
        for (unsigned i = 0; i < CALIBRATE_TRANSFERS; i++) {
            const struct calibrate_result *r = &d->measured.of[way][i];
            char what[80];
            snprintf(what, sizeof what, "%.20s: %s", d->name, names[way][i]);
            fprintf(stderr, "%-46s %9.1f us   +- %u %%\n", what, (double)r->median / 1000000, error_percent(r));
        }
    }
}

static void put_source(FILE *out) {
    struct utsname host;
    const bool known = !uname(&host);
    fprintf(out,
            "# Costs measured by `vmsim calibrate`: medians, with half the distance of the quartiles.\n"
            "# Put it behind a machine: vmsim run machine.yaml THIS-FILE program.vmt\nvmsim: 1\nmachine:\n"
            "  costs:\n    source: 'measured by vmsim %s on Linux %.64s, %.64s'\n",
            vmsim_version(), known ? host.release : "?", known ? host.machine : "?");
}

static void put_table(const struct costs *c) {
    fprintf(stderr, "%-46s %12s %10s\n", "one", "median", "error");
    for (unsigned i = 0; i < CALIBRATE_PROBES; i++) {
        const struct calibrate_result *r = &c->of[i];
        if (r->known)
            fprintf(stderr, "%-46s %9.1f ns   +- %u %%\n", calibrate_name((enum calibrate_probe)i),
                    (double)r->median / 1000, error_percent(r));
        else
            fprintf(stderr, "%-46s   not here\n", calibrate_name((enum calibrate_probe)i));
    }
}

/* A host that does other things meanwhile is measured with them. */
static void warn_busy(const struct costs *c) {
    unsigned doubtful = 0;
    for (unsigned i = 0; i < CALIBRATE_PROBES; i++)
        doubtful += error_percent(&c->of[i]) > DOUBTFUL;
    if (doubtful)
        cli_note("calibrate", "warning: %u of the probes vary by more than %u %%: is the host busy?", doubtful,
                 DOUBTFUL);
}

static int write_file(const struct calibrate_options *o, const struct costs *c) {
    assert(o->repeats > 0);
    struct cli_out out;
    FILE *f = cli_out_begin(&out, "calibrate", o->output);
    if (f) {
        put_source(f);
        put_paths(f, c);
        put_walk(f, c);
        put_devices(f, o);
    }
    return cli_out_end(&out, true);
}

int cmd_calibrate(int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse_option,
        "",
        "Measure what this host's kernel and memory cost.\vNative probes on one CPU: system calls, processes, context "
        "switches, "
        "page faults, clearing and copying of pages, mappings, page-table walks by chasing pointers. The result is a "
        "scenario "
        "file of machine.costs, memory_manager.costs, page_cache and tlb, each value with its error; put it behind a "
        "machine's file. With --device, what a device of the machine takes. Measure on a host that is idle.\n\n"
        "Examples:\n  vmsim calibrate -o host.yaml\n  vmsim calibrate --device vda=/var/tmp -o host.yaml\n  vmsim run "
        "zen4.yaml host.yaml sort.vmt\n"
        "  vmsim check --origins zen4.yaml host.yaml | grep host.yaml",
        NULL,
        NULL,
        NULL};
    struct calibrate_options o = {.repeats = 11};
    struct costs c;
    if (cli_parse(&argp, argc, argv, 0, &o))
        return EXIT_USAGE;
    const int status = measure_devices(&o);
    if (status)
        return status;
    for (unsigned i = 0; i < CALIBRATE_PROBES; i++)
        c.of[i] = calibrate_measure((enum calibrate_probe)i, o.repeats);
    if (!o.quiet)
        put_table(&c);
    for (size_t i = 0; !o.quiet && i < o.device_count; i++)
        put_device_table(&o.devices[i]);
    warn_busy(&c);
    return write_file(&o, &c);
}
