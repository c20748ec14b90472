/* SPDX-License-Identifier: MIT */
/* What a program's memory came to: measured of a native run, or read of a simulated one. */
#ifndef NATIVE_RUN_H
#define NATIVE_RUN_H
#include <stdbool.h>
#include <stdint.h>

/* Of the first process, when it ends. */
#define FIGURES(X)                                                                                                     \
    X(rss_kb, "rollup Rss kB at exit")                                                                                 \
    X(anon_kb, "rollup Anonymous kB at exit")                                                                          \
    X(file_kb, "Rss of files kB at exit")                                                                              \
    X(dirty_kb, "rollup Private_Dirty kB at exit")                                                                     \
    X(huge_kb, "rollup AnonHugePages kB at exit")                                                                      \
    X(pte_kb, "VmPTE kB at exit")                                                                                      \
    X(size_kb, "VmSize kB at exit, without vdso")                                                                      \
    X(data_kb, "VmData kB at exit")                                                                                    \
    X(vmas, "VMAs at exit, without vdso")

/* What programs see of the outside, natively and when recorded. The emulated CPU has no AVX-512: natively libc must not
 * choose its string functions by it, since they lie in other pages. */
#define NATIVE_ENVIRONMENT                                                                                             \
    {                                                                                                                  \
        "PATH=/usr/bin:/bin", "LC_ALL=C", "HOME=/nonexistent",                                                         \
            "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD", NULL                   \
    }

struct figures {
#define FIELD(name, text) int64_t name;
    FIGURES(FIELD)
#undef FIELD
};

/* Of all processes, to their ends; the peak is the largest process's. */
#define TOTALS(X)                                                                                                      \
    X(min_flt, "minflt")                                                                                               \
    X(maj_flt, "majflt")                                                                                               \
    X(peak_rss_kb, "peak RSS kB")

struct totals {
#define FIELD(name, text) int64_t name;
    TOTALS(FIELD)
#undef FIELD
    int64_t user_us, system_us;
    int status; /* as wait tells it */
};

/* Descriptors that native_launch.c is given: where its result goes, and a cgroup.procs for its child, if any. */
enum { NATIVE_LAUNCH_RESULT = 3, NATIVE_LAUNCH_PROCS = 4 };

enum native_thp { NATIVE_THP_NEVER, NATIVE_THP_ALWAYS };

/* Runs argv (argv[0]: a path) in `folder`, its output to /dev/null, without address randomisation, and looks at it when
 * it is about to exit. False: it could not be run, or it did not end well. */
bool native_run(char *const *argv, const char *folder, enum native_thp thp, struct figures *out);
/* The same by the program `launcher` (native_launch.c), with its output in the file `output` of the folder, whatever
 * its end. */
bool native_totals(const char *launcher, char *const *argv, const char *folder, const char *output, enum native_thp thp,
                   struct totals *out);
/* The same in the cgroup whose cgroup.procs is open as `procs`; -1: where this process is. */
bool native_totals_in(int procs, const char *launcher, char *const *argv, const char *folder, const char *output,
                      enum native_thp thp, struct totals *out);
/* Sets /sys/kernel/mm/transparent_hugepage/enabled. False: may not be written. */
bool native_thp_set(const char *word);
/* Sets the milliseconds between two scans of khugepaged; returns what they were, or -1. A negative time sets nothing.
 */
long native_khugepaged_pause(long milliseconds);
/* Waits until nobody else on this host measures by these settings; a descriptor to close afterwards, or -1. */
int native_settings_lock(void);
/* Free memory is put together: a kernel whose memory is full of files has no huge pages to give, and does not make any
 * for who does not ask by madvise. */
void native_compact(void);
/* The word in force, or "". */
void native_thp_get(char *word, unsigned size);

#endif
