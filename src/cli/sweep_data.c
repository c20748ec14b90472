/* SPDX-License-Identifier: MIT */
/* Reads the results of a sweep into memory (sweep_data.h). */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/sweep_data.h"
#include "cli/sweep_store.h"

static const char *text_at(sqlite3_stmt *q, int column) {
    const char *text = (const char *)sqlite3_column_text(q, column);
    return text ? text : "";
}

/* In the order of the file, which is that of the grid. */
static bool load_names(struct store *s, const char *sql, char ***list, size_t *count) {
    sqlite3_stmt *q = store_query(s, sql);
    bool good = q != NULL;
    while (good && sqlite3_step(q) == SQLITE_ROW) {
        char *name = strdup(text_at(q, 0));
        good = name && cli_push(list, count, name);
    }
    sqlite3_finalize(q);
    return good;
}

static bool load_sweep(struct data *d, struct store *s) {
    sqlite3_stmt *q = store_query(s, "SELECT grid, version FROM sweep");
    const bool good = q && sqlite3_step(q) == SQLITE_ROW;
    d->grid = strdup(good ? text_at(q, 0) : "");
    d->version = strdup(good ? text_at(q, 1) : "");
    sqlite3_finalize(q);
    return good && d->grid && d->version;
}

/* More axes than a grid may have were not written by this program. */
static bool load_axes(struct data *d, struct store *s) {
    char **names = NULL;
    size_t count = 0;
    bool good = load_names(s, "SELECT name FROM axis ORDER BY id", &names, &count);
    d->axes = calloc(count + 1, sizeof *d->axes);
    for (size_t i = 0; d->axes && i < count; i++)
        d->axes[d->axis_count++].name = names[i];
    free(names);
    return good && d->axes && count <= GRID_AXES_MAX;
}

/* ---- points ---- */

/* Values are NAN until they are read: a counter that a point has not is not 0. */
static bool add_point(struct data *d, sqlite3_stmt *q) {
    struct data_point *p = &d->points[d->point_count++];
    p->point = (uint64_t)sqlite3_column_int64(q, 0);
    p->status = sqlite3_column_int(q, 1);
    p->message = strdup(text_at(q, 2));
    p->entries = calloc(d->axis_count + 1, sizeof *p->entries);
    p->values = calloc(d->counter_count + 1, sizeof *p->values);
    for (size_t i = 0; p->values && i < d->counter_count; i++)
        p->values[i] = NAN;
    return p->message && p->entries && p->values;
}

/* Counted first: the array does not move while settings and values are put in. */
static bool load_points(struct data *d, struct store *s) {
    sqlite3_stmt *n = store_query(s, "SELECT count(*) FROM point");
    sqlite3_stmt *q = store_query(s, "SELECT point, status, message FROM point ORDER BY point");
    const size_t count = n && sqlite3_step(n) == SQLITE_ROW ? (size_t)sqlite3_column_int64(n, 0) : 0;
    d->points = calloc(count + 1, sizeof *d->points);
    bool good = n && q && d->points;
    while (good && d->point_count < count && sqlite3_step(q) == SQLITE_ROW)
        good = add_point(d, q);
    sqlite3_finalize(n);
    sqlite3_finalize(q);
    return good;
}

/* Number of a label on its axis, a new one if it was not seen before; SIZE_MAX: no memory. */
static size_t label_of(struct data_axis *a, const char *label) {
    assert(a->name && label);
    for (size_t i = 0; i < a->count; i++) {
        if (!strcmp(a->labels[i], label))
            return i;
    }
    char *copy = strdup(label);
    return copy && cli_push(&a->labels, &a->count, copy) ? a->count - 1 : SIZE_MAX;
}

/* Rows come in the order of points, as these lie. */
static struct data_point *find_point(struct data *d, size_t *at, uint64_t point) {
    while (*at < d->point_count && d->points[*at].point < point)
        ++*at;
    return *at < d->point_count && d->points[*at].point == point ? &d->points[*at] : NULL;
}

/* An axis that the file's list does not have is passed over, as a newer version may write more. */
static bool load_settings(struct data *d, struct store *s) {
    sqlite3_stmt *q = store_query(s, "SELECT point, axis, value FROM setting ORDER BY point");
    size_t at = 0;
    bool good = q != NULL;
    while (good && sqlite3_step(q) == SQLITE_ROW) {
        struct data_point *p = find_point(d, &at, (uint64_t)sqlite3_column_int64(q, 0));
        const size_t axis = data_axis(d, text_at(q, 1));
        if (!p || axis == SIZE_MAX)
            continue;
        p->entries[axis] = label_of(&d->axes[axis], text_at(q, 2));
        good = p->entries[axis] != SIZE_MAX;
    }
    sqlite3_finalize(q);
    return good;
}

static bool load_values(struct data *d, struct store *s) {
    sqlite3_stmt *q =
        store_query(s, "SELECT point, name, value FROM value JOIN counter ON id = counter ORDER BY point");
    size_t at = 0;
    while (q && sqlite3_step(q) == SQLITE_ROW) {
        struct data_point *p = find_point(d, &at, (uint64_t)sqlite3_column_int64(q, 0));
        const size_t counter = data_counter(d, text_at(q, 1));
        if (p && counter != SIZE_MAX)
            p->values[counter] = (double)sqlite3_column_int64(q, 2);
    }
    sqlite3_finalize(q);
    return q != NULL;
}

/* ---- numbers of labels ---- */

/* "64MiB" is a number, "3/8" is not: labels of zipped keys have a slash. */
/* A label such as 3, 25%, 64MiB or 10ms. False: it is a name. */
static bool parse_number(const char *label, double *number, enum chart_unit *unit) {
    static const struct {
        const char *name;
        double scale;
        enum chart_unit unit;
    } units[] = {{"", 1, CHART_NUMBER},        {"%", 1, CHART_NUMBER},       {"B", 1, CHART_BYTES},
                 {"kB", 0x1p10, CHART_BYTES},  {"KiB", 0x1p10, CHART_BYTES}, {"MiB", 0x1p20, CHART_BYTES},
                 {"GiB", 0x1p30, CHART_BYTES}, {"TiB", 0x1p40, CHART_BYTES}, {"PiB", 0x1p50, CHART_BYTES},
                 {"K", 0x1p10, CHART_BYTES},   {"M", 0x1p20, CHART_BYTES},   {"G", 0x1p30, CHART_BYTES},
                 {"T", 0x1p40, CHART_BYTES},   {"ns", 1, CHART_NS},          {"us", 1e3, CHART_NS},
                 {"ms", 1e6, CHART_NS},        {"s", 1e9, CHART_NS},         {"min", 60e9, CHART_NS},
                 {"h", 3600e9, CHART_NS}};
    char *end;
    *number = strtod(label, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units && end != label; i++) {
        if (strcmp(end, units[i].name) != 0)
            continue;
        *number *= units[i].scale;
        *unit = units[i].unit;
        return true;
    }
    return false;
}

struct numbered {
    double number;
    size_t entry;
    char *label;
};

static int by_number(const void *a, const void *b) {
    const double x = ((const struct numbered *)a)->number, y = ((const struct numbered *)b)->number;
    return x < y ? -1 : x > y;
}

/* Labels of an axis of numbers in their order, and the entries of all points with them. */
static bool sort_axis(struct data *d, size_t axis) {
    assert(axis < d->axis_count && d->axes[axis].numeric);
    struct data_axis *a = &d->axes[axis];
    struct numbered *order = calloc(a->count + 1, sizeof *order);
    size_t *place = calloc(a->count + 1, sizeof *place);
    const bool good = order && place;
    for (size_t i = 0; good && i < a->count; i++)
        order[i] = (struct numbered){a->numbers[i], i, a->labels[i]};
    if (good)
        qsort(order, a->count, sizeof *order, by_number);
    for (size_t i = 0; good && i < a->count; i++) {
        a->numbers[i] = order[i].number;
        a->labels[i] = order[i].label;
        place[order[i].entry] = i;
    }
    for (size_t i = 0; good && i < d->point_count; i++)
        d->points[i].entries[axis] = place[d->points[i].entries[axis]];
    free(order);
    free(place);
    return good;
}

/* An axis of one value, or of words, keeps the grid's order. */
static bool number_axis(struct data *d, size_t axis) {
    assert(axis < d->axis_count && !d->axes[axis].numbers);
    struct data_axis *a = &d->axes[axis];
    a->numbers = calloc(a->count + 1, sizeof *a->numbers);
    a->numeric = a->numbers && a->count > 1;
    enum chart_unit unit = CHART_NUMBER;
    for (size_t i = 0; a->numeric && i < a->count; i++) {
        a->numeric = parse_number(a->labels[i], &a->numbers[i], &unit) && (!i || unit == a->unit);
        a->unit = unit;
    }
    a->unit = a->numeric ? a->unit : CHART_NUMBER;
    for (size_t i = 0; a->numbers && !a->numeric && i < a->count; i++)
        a->numbers[i] = (double)i;
    return a->numbers && (!a->numeric || sort_axis(d, axis));
}

/* ---- the whole ---- */

/* 0 and all of it, or an exit status with everything said; data_free() is due in any case. */
int data_load(struct data *d, const char *path) {
    struct store s;
    *d = (struct data){0};
    int status = store_read(&s, path);
    if (!status) {
        bool good = load_sweep(d, &s) && load_axes(d, &s) &&
                    load_names(&s, "SELECT name FROM counter ORDER BY name", &d->counters, &d->counter_count) &&
                    load_points(d, &s) && load_settings(d, &s) && load_values(d, &s);
        for (size_t i = 0; good && i < d->axis_count; i++)
            good = number_axis(d, i);
        status = good ? EXIT_FINE : cli_fail(EXIT_INTERNAL, "sweep", "%s: cannot be read whole", path);
    }
    if (!status && !d->point_count)
        status = cli_fail(EXIT_USAGE, "sweep", "%s: no points are there yet", path);
    store_close(&s);
    return status;
}

static void free_list(char **list, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

void data_free(struct data *d) {
    for (size_t i = 0; i < d->point_count; i++) {
        free(d->points[i].message);
        free(d->points[i].entries);
        free(d->points[i].values);
    }
    for (size_t i = 0; i < d->axis_count; i++) {
        free(d->axes[i].name);
        free_list(d->axes[i].labels, d->axes[i].count);
        free(d->axes[i].numbers);
    }
    free_list(d->counters, d->counter_count);
    free(d->points);
    free(d->axes);
    free(d->grid);
    free(d->version);
    *d = (struct data){0};
}

static int by_name(const void *key, const void *name) {
    return strcmp(key, *(char *const *)name);
}

/* SIZE_MAX: no point has it. */
size_t data_counter(const struct data *d, const char *name) {
    char **found = d->counter_count ? bsearch(name, d->counters, d->counter_count, sizeof *d->counters, by_name) : NULL;
    return found ? (size_t)(found - d->counters) : SIZE_MAX;
}

size_t data_axis(const struct data *d, const char *name) {
    assert(d->axes || !d->axis_count);
    for (size_t i = 0; i < d->axis_count; i++) {
        if (!strcmp(d->axes[i].name, name))
            return i;
    }
    return SIZE_MAX;
}

/* One whose expectation does not hold ran to its end, and has its numbers. */
bool data_ran(const struct data_point *p) {
    return p->status <= EXIT_EXPECTATION;
}

/* Points that differ in the seed alone are the same experiment. */
bool data_repeats(const struct data_axis *axis) {
    return !strcmp(axis->name, "seed");
}

enum chart_unit data_unit(const struct data *d, size_t counter) {
    assert(counter < d->counter_count);
    static const struct {
        const char *end;
        enum chart_unit unit;
    } ends[] = {
        {"_ns", CHART_NS}, {"_bytes", CHART_BYTES}, {".memory.peak", CHART_BYTES}, {".memory.current", CHART_BYTES}};
    const char *name = d->counters[counter];
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (strlen(name) > strlen(ends[i].end) && !strcmp(name + strlen(name) - strlen(ends[i].end), ends[i].end))
            return ends[i].unit;
    }
    return CHART_NUMBER;
}
