/* SPDX-License-Identifier: MIT */
/* Two sweeps, point by point: points with the same settings are held against each other, whatever their numbers. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/sweep.h"
#include "cli/sweep_data.h"

struct pair {
    const struct data_point *a, *b;
};

struct pairs {
    struct data a, b;
    struct pair *at;
    size_t count, alone; /* points of either that the other has not */
};

/* ---- which point is which ---- */

struct keyed {
    char *key; /* "limit=4MiB\nseed=1\n", axes by name */
    const struct data_point *point;
};

static int by_axis_name(const void *a, const void *b) {
    return strcmp((*(const struct data_axis *const *)a)->name, (*(const struct data_axis *const *)b)->name);
}

static int by_key(const void *a, const void *b) {
    return strcmp(((const struct keyed *)a)->key, ((const struct keyed *)b)->key);
}

/* Axes by name, as two grids may have them in another order. */
static char *key_of(const struct data *d, const struct data_point *p) {
    assert(d->axis_count <= GRID_AXES_MAX);
    const struct data_axis *order[GRID_AXES_MAX] = {0};
    char *key = NULL;
    size_t size;
    for (size_t i = 0; i < d->axis_count; i++)
        order[i] = &d->axes[i];
    qsort(order, d->axis_count, sizeof *order, by_axis_name);
    FILE *f = open_memstream(&key, &size);
    for (size_t i = 0; f && i < d->axis_count; i++)
        fprintf(f, "%s=%s\n", order[i]->name, order[i]->labels[p->entries[order[i] - d->axes]]);
    if (f)
        fclose(f);
    return key;
}

/* NULL: no memory. */
static struct keyed *keys_of(const struct data *d) {
    struct keyed *keys = calloc(d->point_count + 1, sizeof *keys);
    bool good = keys != NULL;
    for (size_t i = 0; good && i < d->point_count; i++) {
        keys[i] = (struct keyed){key_of(d, &d->points[i]), &d->points[i]};
        good = keys[i].key != NULL;
    }
    if (good)
        qsort(keys, d->point_count, sizeof *keys, by_key);
    return good ? keys : NULL;
}

static void free_keys(struct keyed *keys, size_t count) {
    for (size_t i = 0; keys && i < count; i++)
        free(keys[i].key);
    free(keys);
}

/* Both in the order of their keys, walked side by side. */
static bool pair_up(struct pairs *p) {
    struct keyed *a = keys_of(&p->a), *b = keys_of(&p->b);
    size_t i = 0, k = 0;
    p->at = calloc(p->a.point_count + 1, sizeof *p->at);
    const bool good = a && b && p->at;
    while (good && i < p->a.point_count && k < p->b.point_count) {
        const int order = by_key(&a[i], &b[k]);
        if (!order)
            p->at[p->count++] = (struct pair){a[i].point, b[k].point};
        i += order <= 0;
        k += order >= 0;
    }
    p->alone = p->a.point_count + p->b.point_count - 2 * p->count;
    free_keys(a, p->a.point_count);
    free_keys(b, p->b.point_count);
    return good;
}

/* ---- differences ---- */

/* From nothing to something has no percentage. */
static double change(double a, double b) {
    return a == b ? 0 : a != 0 ? (b - a) / a : INFINITY;
}

static void put_percent(double share) {
    if (isinf(share))
        printf("   from 0");
    else
        printf(" %+7.1f%%", 100 * share);
}

/* One line if it differs anywhere; whether it does. */
static bool compare_counter(const struct pairs *p, size_t ca, size_t cb) {
    assert(ca < p->a.counter_count && cb < p->b.counter_count);
    double sum_a = 0, sum_b = 0, worst = 0;
    size_t both = 0, differ = 0;
    const struct pair *at = NULL;
    for (size_t i = 0; i < p->count; i++) {
        const double a = p->at[i].a->values[ca], b = p->at[i].b->values[cb], c = change(a, b);
        if (isnan(a) || isnan(b))
            continue;
        both++;
        differ += a != b;
        sum_a += a;
        sum_b += b;
        at = fabs(c) > fabs(worst) ? &p->at[i] : at;
        worst = fabs(c) > fabs(worst) ? c : worst;
    }
    if (!differ)
        return false;
    printf("%-40s %6zu of %-6zu", p->a.counters[ca], differ, both);
    put_percent(change(sum_a, sum_b));
    put_percent(worst);
    printf("  %.0f -> %.0f  point %" PRIu64 "\n", at->a->values[ca], at->b->values[cb], at->a->point);
    return true;
}

/* A point that failed in one only is a difference, whatever its numbers. */
static size_t compare_ends(const struct pairs *p) {
    size_t differ = 0;
    for (size_t i = 0; i < p->count; i++)
        differ += p->at[i].a->status != p->at[i].b->status;
    return differ;
}

static bool compare(const struct pairs *p) {
    const size_t ends = compare_ends(p);
    size_t counters = 0;
    printf("%zu points are in both, %zu in one only; %zu ended otherwise\n", p->count, p->alone, ends);
    printf("%-40s %16s   in all greatest change\n", "counter", "points differ");
    for (size_t c = 0; c < p->a.counter_count; c++) {
        const size_t other = data_counter(&p->b, p->a.counters[c]);
        if (other == SIZE_MAX)
            continue;
        counters += compare_counter(p, c, other);
    }
    if (!counters)
        printf("no counter differs\n");
    return ends || counters || p->alone;
}

/* Counters that only one file has are not compared: grids may ask for more than they did. */
int sweep_compare(const char *a, const char *b) {
    struct pairs p = {0};
    int status = data_load(&p.a, a);
    status = status ? status : data_load(&p.b, b);
    if (!status && !pair_up(&p))
        status = cli_fail(EXIT_INTERNAL, "sweep", "out of memory");
    if (!status)
        status = compare(&p) ? EXIT_EXPECTATION : EXIT_FINE;
    free(p.at);
    data_free(&p.a);
    data_free(&p.b);
    return status;
}
