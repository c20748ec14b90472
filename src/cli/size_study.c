/* SPDX-License-Identifier: MIT */
/* What the points of a study of limits say together (size.h): slowdowns, the limit to recommend, the knee. */
#include <assert.h>

#include "cli/size.h"

#define GROUP "cgroups./size."
static const struct {
    const char *name, *counter;
} columns[SIZE_COLUMNS] = {
    [SIZE_TIME] = {"time_ns", "time_ns"},
    [SIZE_MAJFLT] = {"majflt", GROUP "memory.stat.pgmajfault"},
    [SIZE_REFAULT_ANON] = {"refault_anon", GROUP "memory.stat.workingset_refault_anon"},
    [SIZE_REFAULT_FILE] = {"refault_file", GROUP "memory.stat.workingset_refault_file"},
    [SIZE_SWPIN] = {"pswpin", "vmstat.pswpin"},
    [SIZE_SWPOUT] = {"pswpout", "vmstat.pswpout"},
    [SIZE_AT_LIMIT] = {"events_max", GROUP "memory.events.max"},
    [SIZE_MEM_SOME] = {"memory_some_us", GROUP "memory.pressure.some_us"},
    [SIZE_MEM_FULL] = {"memory_full_us", GROUP "memory.pressure.full_us"},
    [SIZE_IO_SOME] = {"io_some_us", GROUP "io.pressure.some_us"},
    [SIZE_IO_FULL] = {"io_full_us", GROUP "io.pressure.full_us"},
    [SIZE_PEAK] = {"peak", GROUP "memory.peak"},
    [SIZE_OOM_KILLS] = {"oom_kills", GROUP "memory.events.oom_kill"},
    [SIZE_DIFFERENCES] = {"differences", "differences"},
};

const char *size_column_name(enum size_column column) {
    assert(column < SIZE_COLUMNS);
    return columns[column].name;
}

const char *size_column_counter(enum size_column column) {
    assert(column < SIZE_COLUMNS);
    return columns[column].counter;
}

struct size_point *size_point_at(const struct size_study *study, size_t policy, size_t step) {
    assert(policy < study->policy_count && step < study->step_count);
    return &study->points[policy * study->step_count + step];
}

/* In thousandths of the run without a limit, rounded. */
uint64_t size_slowdown(const struct size_study *study, const struct size_point *point) {
    assert(study->step_count > 0);
    const uint64_t whole = study->unlimited.value[SIZE_TIME];
    return whole ? (point->value[SIZE_TIME] * 1000 + whole / 2) / whole : 1000;
}

bool size_point_whole(const struct size_point *point) {
    return !point->failed && !point->value[SIZE_OOM_KILLS];
}

/* Limits fall from step to step: the last before the first that is too slow. A smaller one that is quick by luck is
 * none. */
size_t size_recommended(const struct size_study *study, size_t policy) {
    assert(policy < study->policy_count);
    size_t best = SIZE_NONE;
    for (size_t i = 0; i < study->step_count; i++) {
        const struct size_point *p = size_point_at(study, policy, i);
        if (!size_point_whole(p) || size_slowdown(study, p) > 1000 + 10 * study->tolerance)
            break;
        best = i;
    }
    return best;
}

/* Growth is a ratio: from 1.0 to 1.5 is more than from 10 to 14. */
size_t size_knee(const struct size_study *study, size_t policy) {
    assert(policy < study->policy_count);
    size_t knee = SIZE_NONE;
    uint64_t most = 1100; /* less than a tenth is no knee */
    for (size_t i = 1; i < study->step_count; i++) {
        const struct size_point *p = size_point_at(study, policy, i), *larger = p - 1;
        if (!size_point_whole(p) || !size_point_whole(larger) || !larger->value[SIZE_TIME])
            break;
        const uint64_t growth = p->value[SIZE_TIME] * 1000 / larger->value[SIZE_TIME];
        knee = growth > most ? i : knee;
        most = growth > most ? growth : most;
    }
    return knee;
}
