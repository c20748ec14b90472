/* SPDX-License-Identifier: MIT */
/* Repetitions of one run with other seeds, taken together: what is compared are means, each with how far it may be off.
 *
 *     A seed 1, A seed 2, A seed 3, B seed 1, B seed 2, B seed 3  ->  A: mean, half of its interval   B: the same
 *
 * Runs whose settings are the same but for the seed are repetitions. An interval is that of Student's t at 95 %; two
 * means differ where they are further apart than the root of both halves' squares. All of it is integers, rounded so
 * that an interval is rather too wide. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "report/run_compare.h"

#define SEED "workload.seed"
typedef unsigned __int128 wide;

/* Student's t, two-sided, 95 %, in thousandths, by degrees of freedom from 1 on. */
static const uint32_t student[VMSIM_COMPARE_RUNS - 1] = {12706, 4303, 3182, 2776, 2571, 2447, 2365, 2306,
                                                         2262,  2228, 2201, 2179, 2160, 2145, 2131};

static uint64_t root(wide n) {
    uint64_t r = 0;
    for (int bit = 63; bit >= 0; bit--) {
        const wide more = r | UINT64_C(1) << bit;
        if (more * more <= n)
            r = (uint64_t)more;
    }
    return r;
}

bool vmsim__compare_apart(const struct vmsim__compare *c, size_t run, const char *name, uint64_t first,
                          uint64_t value) {
    VMSIM__ASSERT(run < c->count && c->spread[0]);
    const uint64_t a = (uint64_t)json_integer_value(json_object_get(c->spread[0], name)),
                   b = (uint64_t)json_integer_value(json_object_get(c->spread[run], name));
    const wide by = first > value ? first - value : value - first;
    return a < UINT32_MAX && b < UINT32_MAX ? by * by > (wide)a * a + (wide)b * b : by > (wide)a + b;
}

/* ---- one name of one group ---- */

/* Half of the interval of the mean of `n` values. */
static uint64_t half_of(const uint64_t *value, size_t n, uint64_t mean) {
    wide sum = 0;
    for (size_t i = 0; i < n; i++) {
        const uint64_t by = value[i] > mean ? value[i] - mean : mean - value[i];
        sum += (wide)by * by / (n - 1);
    }
    const wide thousandths = sum >> 100 ? (wide)root(sum / n) * 1000 : (wide)root(sum * 1000000 / n);
    const wide half = (thousandths * student[n - 2] + 999999) / 1000000;
    return half < INT64_MAX ? (uint64_t)half : INT64_MAX;
}

/* Adds the mean and its interval of a name that all of them have. */
static bool put_mean(json_t *mean, json_t *spread, const char *name, const json_t *const *of, size_t n) {
    uint64_t value[VMSIM_COMPARE_RUNS];
    wide sum = 0;
    VMSIM__ASSERT(n >= 2 && n <= VMSIM_COMPARE_RUNS);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_object_get(of[i], name);
        if (!v)
            return true;
        value[i] = (uint64_t)json_integer_value(v);
        sum += value[i];
    }
    const uint64_t average = (uint64_t)((sum + n / 2) / n);
    return !json_object_set_new(mean, name, json_integer((json_int_t)average)) &&
           !json_object_set_new(spread, name, json_integer((json_int_t)half_of(value, n, average)));
}

/* ---- groups ---- */

struct group {
    size_t first, count;
    const json_t *numbers[VMSIM_COMPARE_RUNS];
    const char *seeds[VMSIM_COMPARE_RUNS];
};

static int add_run(struct vmsim__compare *c, struct group *group, size_t *groups, size_t run, const char *seed) {
    size_t g = 0;
    while (g < *groups && !json_equal(c->settings[group[g].first], c->settings[run]))
        g++;
    if (g == *groups)
        group[(*groups)++] = (struct group){.first = run};
    for (size_t i = 0; i < group[g].count; i++) {
        if (!strcmp(group[g].seeds[i], seed))
            return vmsim__err_set(c->err, VMSIM_EINVAL, "%s and another have the same seed, %s: that repeats nothing",
                                  c->runs[run]->directory, seed);
    }
    group[g].numbers[group[g].count] = c->numbers[run];
    group[g].seeds[group[g].count++] = seed;
    return 0;
}

static int check_groups(struct vmsim__compare *c, const struct group *group, size_t groups) {
    if (groups < 2)
        return vmsim__err_set(c->err, VMSIM_EINVAL, "the runs differ in nothing but their seeds");
    for (size_t g = 0; g < groups; g++) {
        if (group[g].count < 2)
            return vmsim__err_set(c->err, VMSIM_EINVAL, "%s is not repeated with another seed",
                                  c->runs[group[g].first]->directory);
    }
    return 0;
}

/* What is left are the groups: numbers are means, settings and directory those of its first run. */
static int take_groups(struct vmsim__compare *c, const struct group *group, size_t groups) {
    json_t *mean[VMSIM_COMPARE_RUNS] = {0};
    bool fine = true;
    for (size_t g = 0; g < groups; g++) {
        const char *name;
        const json_t *value;
        mean[g] = json_object();
        c->spread[g] = json_object();
        fine = fine && mean[g] && c->spread[g];
        json_object_foreach((json_t *)group[g].numbers[0], name, value) {
            fine = fine && put_mean(mean[g], c->spread[g], name, group[g].numbers, group[g].count);
        }
    }
    for (size_t i = 0; i < c->count; i++)
        json_decref(c->numbers[i]);
    for (size_t i = 0, g = 0; i < c->count; i++) {
        if (g == groups || group[g].first != i) {
            json_decref(c->settings[i]);
            continue;
        }
        c->settings[g] = c->settings[i];
        c->own[g] = c->runs[i];
        c->repeats[g] = group[g].count;
        g++;
    }
    memset(c->numbers, 0, sizeof c->numbers);
    memcpy(c->numbers, mean, groups * sizeof *mean);
    c->count = groups;
    c->runs = c->own;
    return fine ? 0 : VMSIM_ENOMEM;
}

int vmsim__compare_seeds(struct vmsim__compare *c) {
    struct group group[VMSIM_COMPARE_RUNS];
    char seed[VMSIM_COMPARE_RUNS][24];
    size_t groups = 0;
    int err = 0;
    for (size_t i = 0; i < c->count; i++) {
        const char *text = vmsim__compare_setting(c, i, SEED);
        snprintf(seed[i], sizeof seed[i], "%s", text ? text : "1");
        json_object_del(c->settings[i], SEED);
    }
    for (size_t i = 0; !err && i < c->count; i++)
        err = add_run(c, group, &groups, i, seed[i]);
    err = err ? err : check_groups(c, group, groups);
    return err ? err : take_groups(c, group, groups);
}
