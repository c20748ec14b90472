/* SPDX-License-Identifier: MIT */
/* Results of a sweep as CSV: a row a point, a column an axis and a counter. Rows leave as they are read. */
#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sweep.h"
#include "cli/sweep_store.h"

struct table {
    struct store store;
    char **axes, **counters; /* names */
    size_t axis_count, counter_count;
    const char **cells; /* of a row: axes, then counters */
};

/* RFC 4180: quotes where a cell has what parts cells, doubled within. */
static void put_cell(const char *text) {
    if (!text || !strpbrk(text, ",\"\n\r")) {
        fputs(text ? text : "", stdout);
        return;
    }
    putchar('"');
    for (; *text; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

/* A column for every counter that any point has: points that failed, or lacked one, have an empty cell there. */
static bool names(struct table *t, const char *sql, char ***list, size_t *count) {
    assert(!*list && !*count);
    sqlite3_stmt *q = store_query(&t->store, sql);
    bool good = q != NULL;
    while (good && sqlite3_step(q) == SQLITE_ROW) {
        char *name = strdup((const char *)sqlite3_column_text(q, 0));
        good = name && cli_push(list, count, name);
    }
    sqlite3_finalize(q);
    return good;
}

static void put_header(const struct table *t) {
    assert(t->axis_count + t->counter_count > 0);
    fputs("point", stdout);
    for (size_t i = 0; i < t->axis_count + t->counter_count; i++) {
        putchar(',');
        put_cell(i < t->axis_count ? t->axes[i] : t->counters[i - t->axis_count]);
    }
    fputs(",status,message,config_hash\n", stdout);
}

static int by_name(const void *key, const void *name) {
    return strcmp(key, *(char *const *)name);
}

/* Cells of one point from rows of (name, text). The counters are sorted, the axes few. */
static bool fill(struct table *t, sqlite3_stmt *q, int64_t point, bool axes) {
    sqlite3_bind_int64(q, 1, point);
    while (sqlite3_step(q) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(q, 0);
        size_t at = 0;
        if (axes) {
            while (at < t->axis_count && strcmp(t->axes[at], name) != 0)
                at++;
        } else {
            char **found = bsearch(name, t->counters, t->counter_count, sizeof *t->counters, by_name);
            at = t->axis_count + (found ? (size_t)(found - t->counters) : t->counter_count);
        }
        if (at < t->axis_count + t->counter_count && !(t->cells[at] = strdup((const char *)sqlite3_column_text(q, 1))))
            return false;
    }
    return sqlite3_reset(q) == SQLITE_OK;
}

static void put_row(struct table *t, sqlite3_stmt *point) {
    printf("%lld", (long long)sqlite3_column_int64(point, 0));
    for (size_t i = 0; i < t->axis_count + t->counter_count; i++) {
        putchar(',');
        put_cell(t->cells[i]);
        free((char *)t->cells[i]);
        t->cells[i] = NULL;
    }
    for (int i = 1; i <= 3; i++) {
        putchar(',');
        put_cell((const char *)sqlite3_column_text(point, i));
    }
    putchar('\n');
}

/* One query a point and table, in the order of the primary keys: rows leave at once, and a sweep of millions of values
 * needs the memory of one row. */
static int put_table(struct table *t) {
    assert(t->cells);
    sqlite3_stmt *point =
        store_query(&t->store, "SELECT point, status, message, config_hash FROM point ORDER BY point");
    sqlite3_stmt *setting = store_query(&t->store, "SELECT axis, value FROM setting WHERE point = ?");
    sqlite3_stmt *value = store_query(&t->store, "SELECT name, value FROM results WHERE point = ?");
    bool good = point && setting && value;
    assert(t->axis_count || !t->axes);
    put_header(t);
    while (good && sqlite3_step(point) == SQLITE_ROW) {
        const int64_t n = sqlite3_column_int64(point, 0);
        good = fill(t, setting, n, true) && fill(t, value, n, false);
        put_row(t, point);
    }
    const int status = good ? EXIT_FINE : store_failed(&t->store);
    sqlite3_finalize(point);
    sqlite3_finalize(setting);
    sqlite3_finalize(value);
    return status;
}

int sweep_export(const char *path) {
    struct table t = {0};
    int status = store_read(&t.store, path);
    if (!status && (!names(&t, "SELECT name FROM axis ORDER BY id", &t.axes, &t.axis_count) ||
                    !names(&t, "SELECT name FROM counter ORDER BY name", &t.counters, &t.counter_count)))
        status = EXIT_INTERNAL;
    t.cells = calloc(t.axis_count + t.counter_count + 1, sizeof *t.cells);
    if (!status)
        status = t.cells ? put_table(&t) : cli_fail(EXIT_INTERNAL, "sweep", "%s", strerror(ENOMEM));
    store_close(&t.store);
    for (size_t i = 0; i < t.axis_count; i++)
        free(t.axes[i]);
    for (size_t i = 0; i < t.counter_count; i++)
        free(t.counters[i]);
    free(t.axes);
    free(t.counters);
    free(t.cells);
    return status;
}

/* Files are taken one after another, each in a transaction: gathering again takes nothing twice. */
int sweep_gather(const char *to, char *const *from, size_t count) {
    assert(to && from && count);
    struct store store;
    int status = store_make(&store, to);
    for (size_t i = 0; !status && i < count; i++) {
        uint64_t added;
        FILE *f = fopen(from[i], "rb"); /* SQLite would make it */
        if (!f)
            status = cli_fail(EXIT_USAGE, "sweep", "%s: %s", from[i], strerror(errno));
        else
            fclose(f);
        status = status ? status : store_gather(&store, from[i], &added);
        if (!status)
            printf("%s: %llu points taken from %s\n", to, (unsigned long long)added, from[i]);
    }
    store_close(&store);
    return status;
}
