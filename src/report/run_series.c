/* SPDX-License-Identifier: MIT */
/* intervals.csv of a run directory, read twice: once for which columns ever change and how many rows there are, once
 * for the values. So a file of any length takes the memory of what is kept, and that is bounded (VMSIM__SERIES_VALUES):
 * of too many rows each n-th is kept, and the documents say so. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "report/run_dir.h"

#define NAME_MOST 512u
#define COLUMNS_MOST 20000u /* that change and are kept */

/* A reading of the file. */
struct reader {
    FILE *file;
    bool bad; /* something that is no number stood where one belongs */
};

/* What a field ended with: ',' '\n' or EOF; other bytes make it `bad`. The field's digits are put into *value. */
static int read_number(struct reader *r, uint64_t *value) {
    uint64_t n = 0;
    int c, digits = 0;
    while ((c = getc_unlocked(r->file)) >= '0' && c <= '9') {
        n = n * 10 + (uint64_t)(c - '0');
        digits++;
    }
    if (c != ',' && c != '\n' && c != EOF)
        r->bad = true;
    r->bad |= !digits && c != EOF;
    *value = n;
    return c;
}

/* One name of the header line into `name`; returns what ended it. A name that is too long makes the file bad. */
static int read_name(struct reader *r, char name[NAME_MOST]) {
    size_t n = 0;
    int c;
    bool quoted = false;
    while ((c = getc_unlocked(r->file)) != EOF && (quoted || (c != ',' && c != '\n'))) {
        if (c == '"') /* a task's name with a comma in it; "" is one quote, and reads so */
            quoted = !quoted;
        else if (n + 1 < NAME_MOST)
            name[n++] = (char)c;
        else
            r->bad = true;
    }
    name[n] = '\0';
    return c;
}

/* What the first reading finds. */
struct survey {
    struct {
        VMSIM__VEC(const char *);
    } names; /* owned; of all columns, the first being the time */
    uint64_t *first;
    bool *changes;
    uint64_t rows;
    bool cut; /* the last row is not whole */
};

static int survey_names(struct vmsim_run *run, struct reader *r, struct survey *v) {
    char name[NAME_MOST];
    int end = ',';
    while (end == ',' && !r->bad) {
        end = read_name(r, name);
        char *copy = vmsim__strdup(run->alloc, name);
        if (copy && vmsim__vec_push(run->alloc, &v->names, copy))
            continue;
        vmsim__strfree(run->alloc, copy);
        return VMSIM_ENOMEM;
    }
    r->bad |= end != '\n' || strcmp(v->names.at[0], "time_ns") != 0;
    v->first = vmsim__calloc(run->alloc, v->names.count, sizeof *v->first);
    v->changes = vmsim__calloc(run->alloc, v->names.count, sizeof *v->changes);
    return v->first && v->changes ? 0 : VMSIM_ENOMEM;
}

/* A row into `values`, or nothing more: 0. `whole` is cleared when it has not as many fields as there are names. */
static bool read_row(struct reader *r, size_t columns, uint64_t *values, bool *whole) {
    size_t n = 0;
    int end = ',';
    while (end == ',' && n < columns)
        end = read_number(r, &values[n++]);
    if (end == EOF && n == 1)
        return false;
    *whole = end == '\n' && n == columns && !r->bad;
    return true;
}

static int survey_rows(struct vmsim_run *run, struct reader *r, struct survey *v) {
    const size_t columns = v->names.count;
    uint64_t *values = vmsim__calloc(run->alloc, columns, sizeof *values);
    if (!values)
        return VMSIM_ENOMEM;
    while (!v->cut && read_row(r, columns, v->rows ? values : v->first, &(bool){true})) {
        bool whole = !r->bad && !feof(r->file);
        v->cut = !whole;
        for (size_t i = 0; whole && v->rows && i < columns; i++)
            v->changes[i] |= values[i] != v->first[i];
        v->rows += whole;
    }
    vmsim__free(run->alloc, values, columns * sizeof *values);
    return 0;
}

static void survey_end(struct vmsim_run *run, struct survey *v) {
    for (size_t i = 0; i < v->names.count; i++)
        vmsim__strfree(run->alloc, v->names.at[i]);
    vmsim__free(run->alloc, v->first, v->names.count * sizeof *v->first);
    vmsim__free(run->alloc, v->changes, v->names.count * sizeof *v->changes);
    vmsim__vec_fini(run->alloc, &v->names);
}

/* ---- the values ---- */

/* Room for what will be kept. */
static int make_room(struct vmsim_run *run, const struct survey *v) {
    struct vmsim__run_series *s = &run->series;
    size_t changing = 0;
    for (size_t i = 1; i < v->names.count; i++)
        changing += v->changes[i];
    if (changing > COLUMNS_MOST &&
        !vmsim__run_note(run, "of %zu columns of intervals.csv that change, %u are shown", changing, COLUMNS_MOST))
        return VMSIM_ENOMEM;
    changing = (size_t)vmsim__min64(changing, COLUMNS_MOST);
    s->rows = v->rows;
    s->columns_all = v->names.count - 1;
    s->every = 1 + v->rows * (changing + 1) / VMSIM__SERIES_VALUES;
    s->kept = (size_t)((v->rows + s->every - 1) / s->every) + (s->every > 1);
    s->time = vmsim__calloc(run->alloc, s->kept, sizeof *s->time);
    if (!s->time || !vmsim__vec_reserve(run->alloc, &s->columns, changing + 1))
        return VMSIM_ENOMEM;
    for (size_t i = 1; i < v->names.count && s->columns.count < changing; i++) {
        struct vmsim__series c = {0};
        if (!v->changes[i])
            continue;
        c.name = vmsim__strdup(run->alloc, v->names.at[i]);
        c.values = vmsim__calloc(run->alloc, s->kept, sizeof *c.values);
        s->columns.at[s->columns.count++] = c;
        if (!c.name || !c.values)
            return VMSIM_ENOMEM;
    }
    return 0;
}

static void keep_row(struct vmsim__run_series *s, size_t at, const struct survey *v, const uint64_t *values) {
    VMSIM__ASSERT(at < s->kept);
    size_t c = 0;
    s->time[at] = values[0];
    for (size_t i = 1; i < v->names.count && c < s->columns.count; i++) {
        if (v->changes[i])
            s->columns.at[c++].values[at] = values[i];
    }
}

static int read_values(struct vmsim_run *run, struct reader *r, const struct survey *v) {
    struct vmsim__run_series *s = &run->series;
    const size_t columns = v->names.count;
    uint64_t *values = vmsim__calloc(run->alloc, columns, sizeof *values);
    size_t at = 0;
    bool whole = true;
    char name[NAME_MOST];
    if (!values)
        return VMSIM_ENOMEM;
    for (size_t i = 0; i < columns; i++) /* the header again */
        read_name(r, name);
    for (uint64_t row = 0; row < v->rows && read_row(r, columns, values, &whole); row++) {
        if (row % s->every == 0 || row == v->rows - 1)
            keep_row(s, at++, v, values);
    }
    s->kept = at;
    vmsim__free(run->alloc, values, columns * sizeof *values);
    return 0;
}

static int read_file(struct vmsim_run *run, FILE *file, struct survey *v) {
    struct reader r = {.file = file};
    int err = survey_names(run, &r, v);
    if (err || r.bad)
        return err ? err : vmsim__run_note(run, "intervals.csv is no table of this run") ? 0 : VMSIM_ENOMEM;
    err = survey_rows(run, &r, v);
    if (!err && v->cut &&
        !vmsim__run_note(run, "intervals.csv is cut short or damaged after row %llu", (unsigned long long)v->rows))
        return VMSIM_ENOMEM;
    if (err || v->rows < 2) /* the end of the run alone is no series */
        return err;
    err = make_room(run, v);
    rewind(file);
    r.bad = false;
    return err ? err : read_values(run, &r, v);
}

int vmsim__run_read_series(struct vmsim_run *run) {
    VMSIM__ASSERT(!run->series.kept && run->directory);
    char path[4096];
    struct survey v = {0};
    int length = snprintf(path, sizeof path, "%s/intervals.csv", run->directory);
    FILE *file = (size_t)length < sizeof path ? fopen(path, "re") : NULL;
    if (!file && errno == ENOMEM)
        return VMSIM_ENOMEM;
    if (!file) /* the manifest tells of it where there is one */
        return run->manifest || vmsim__run_note(run, "intervals.csv is missing") ? 0 : VMSIM_ENOMEM;
    int err = read_file(run, file, &v);
    survey_end(run, &v);
    fclose(file);
    return err;
}

void vmsim__run_free_series(struct vmsim_run *run) {
    struct vmsim__run_series *s = &run->series;
    size_t room = s->rows ? (size_t)((s->rows + s->every - 1) / s->every) + (s->every > 1) : 0;
    for (size_t i = 0; i < s->columns.count; i++) {
        vmsim__strfree(run->alloc, s->columns.at[i].name);
        vmsim__free(run->alloc, s->columns.at[i].values, room * sizeof(uint64_t));
    }
    vmsim__vec_fini(run->alloc, &s->columns);
    vmsim__free(run->alloc, s->time, room * sizeof *s->time);
    *s = (struct vmsim__run_series){0};
}
