/* SPDX-License-Identifier: MIT */
/* Measures what a program takes of the CPU (see native_time.h).
 *
 * Linux divides a process's time, which it knows to the nanosecond, by counting in which mode each tick of the clock
 * finds it (kernel/sched/cputime.c: cputime_adjust), and where no tick fell into the kernel all of it is user time. A
 * program of a few milliseconds meets one tick or none, so that its division is chance, and that of many such children
 * leans to user time. A cgroup of version 2 counts the ticks of all that ever ran in it: the program is run there until
 * enough of them fell, and divided by the runs. */
#include "native_time.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

/* At 250 ticks a second 75 of them, which divides to 6 % of the whole. */
#define ENOUGH_US 300000
#define RUNS_MAX 100u
static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

/* A cgroup of our own; `path` has room for 256. */
static bool make_cgroup(char *path) {
    for (size_t i = 0; i < VMSIM__COUNT(roots); i++) {
        char stat[320];
        snprintf(path, 256, "%s/vmsim-time-%d", roots[i], (int)getpid());
        snprintf(stat, sizeof stat, "%s/cpu.stat", path);
        if (mkdir(path, 0700))
            continue;
        if (!access(stat, R_OK)) /* else of version 1, or a plain folder */
            return true;
        rmdir(path);
    }
    return false;
}

static bool read_times(const char *path, struct native_time *out) {
    char file[320], line[128];
    snprintf(file, sizeof file, "%s/cpu.stat", path);
    FILE *f = fopen(file, "r");
    while (f && fgets(line, sizeof line, f)) {
        sscanf(line, "user_usec %" SCNd64, &out->user_us);
        sscanf(line, "system_usec %" SCNd64, &out->system_us);
    }
    return f && !fclose(f);
}

/* All runs; the launcher's child joins the cgroup by the descriptor that it is given. */
static bool run_often(const char *path, const char *launcher, char *const *argv, const char *folder,
                      enum native_thp thp, struct native_time *sum) {
    char file[320];
    snprintf(file, sizeof file, "%s/cgroup.procs", path);
    const int procs = open(file, O_WRONLY);
    struct totals t;
    bool ok = procs >= 0;
    while (ok && sum->runs < RUNS_MAX && sum->user_us + sum->system_us < ENOUGH_US) {
        ok = native_totals_in(procs, launcher, argv, folder, "timed.out", thp, &t) && read_times(path, sum);
        sum->runs += ok;
        ok = ok && sum->user_us + sum->system_us > 0;
    }
    if (procs >= 0)
        close(procs);
    return ok && sum->runs > 0;
}

bool native_time(const char *launcher, char *const *argv, const char *folder, enum native_thp thp,
                 struct native_time *out) {
    char path[256];
    struct native_time sum = {0};
    if (!make_cgroup(path))
        return false;
    const bool ok = run_often(path, launcher, argv, folder, thp, &sum);
    rmdir(path);
    if (ok)
        *out = (struct native_time){sum.user_us / sum.runs, sum.system_us / sum.runs, sum.runs};
    return ok;
}
