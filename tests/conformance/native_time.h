/* SPDX-License-Identifier: MIT */
/* User and system time of a program under the kernel that runs this test. */
#ifndef NATIVE_TIME_H
#define NATIVE_TIME_H
#include "native_run.h"

/* Of one run, on average. */
struct native_time {
    int64_t user_us, system_us;
    unsigned runs;
};

/* Runs the program by native_launch again and again. False: this host gives no cgroup to count in. */
bool native_time(const char *launcher, char *const *argv, const char *folder, enum native_thp thp,
                 struct native_time *out);

#endif
