/* SPDX-License-Identifier: MIT */
/* Keeping and giving back rows of intervals (see rows.h). */
#include "scenario/rows.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scenario/engine.h"
#include "trace/codec.h"

#define BUFFER (UINT32_C(64) << 10)
#define VARINT 10u                      /* bytes at most */
#define VALUES_MOST (UINT64_C(1) << 36) /* of all rows: half a terabyte of digits */

/* Of each CPU's TLB the counters that make rates, of each task what it did and what it has. */
static bool is_column(const char *name) {
    static const char *const tlb[] = {".accesses", ".walks", ".walk_references", ".walk_cycles", ".faults"};
    static const char *const tasks[] = {".references", ".minflt",     ".majflt",   ".user_ns",  ".system_ns",
                                        ".blocked_ns", ".waiting_ns", ".rss_anon", ".rss_file", ".rss_shmem"};
    const char *dot = strrchr(name, '.');
    VMSIM__ASSERT(dot);
    if (!strncmp(name, "vmstat.", 7) || !strncmp(name, "cpu", 3) || !strncmp(name, "pressure.", 9))
        return true;
    if (!strncmp(name, "tlb.", 4) && strstr(name, ".walks."))
        return true; /* by page size */
    if (!strncmp(name, "zone.", 5))
        return !strcmp(dot, ".free") || !strcmp(dot, ".boost") || !strcmp(dot, ".pcp_count");
    for (size_t i = 0; i < VMSIM__COUNT(tlb) && !strncmp(name, "tlb.", 4); i++) {
        if (!strcmp(dot, tlb[i]))
            return strchr(name + 4, '.') == dot; /* of the CPU, not of one array */
    }
    for (size_t i = 0; i < VMSIM__COUNT(tasks) && !strncmp(name, "tasks.", 6); i++) {
        if (!strcmp(dot, tasks[i]))
            return true;
    }
    return false;
}

static int no_memory(struct vmsim_scenario *s) {
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a row of intervals");
}

/* Tasks and cgroups come while a run goes on, and bring columns; those that are there keep their places, so that a row
 * is read with the columns of its own time. */
int vmsim__rows_columns(struct vmsim_scenario *s) {
    struct vmsim__rows *r = &s->rows;
    size_t any; /* looking for it brings the table of counters up to date */
    if (vmsim_counter_find(s->machine, "vmstat.nr_free_pages", &any))
        return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the table of counters");
    for (size_t n = vmsim_counter_count(s->machine); r->seen < n; r->seen++) {
        if (!is_column(vmsim_counter_name(s->machine, r->seen)))
            continue;
        if (!vmsim__vec_reserve(s->alloc, &r->last, r->column.count + 1) ||
            !vmsim__vec_push(s->alloc, &r->column, r->seen))
            return no_memory(s);
        r->last.at[r->last.count++] = 0;
    }
    VMSIM__ASSERT(r->last.count == r->column.count);
    return 0;
}

/* The limit is of values, not of rows: it bounds the file of a run with thousands of tasks as well, and is told before
 * the rows are written. */
int vmsim__rows_room(struct vmsim_scenario *s, uint64_t rows) {
    int err = vmsim__rows_columns(s);
    if (err)
        return err;
    const uint64_t most = VALUES_MOST / (s->rows.column.count + 1);
    if (rows <= most && s->rows.count + rows <= most)
        return 0;
    return vmsim__err_set(
        &s->err, VMSIM_ELIMIT,
        "report.interval: %llu ns are too short for this run: %llu rows of %zu counters are the most that fit",
        (unsigned long long)s->spec->report.interval, (unsigned long long)most, s->rows.column.count);
}

/* ---- the file ---- */

int vmsim__rows_near(struct vmsim_scenario *s, const char *directory) {
    char *copy = vmsim__strdup(s->alloc, directory);
    if (!copy)
        return no_memory(s);
    vmsim__strfree(s->alloc, s->rows.directory);
    s->rows.directory = copy;
    return 0;
}

/* Without a name, so that nobody has to take it away. File systems that cannot do that give it one for a moment. */
static int open_unnamed(const char *directory) {
    char name[4096];
    int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (size_t)snprintf(name, sizeof name, "%s/vmsim-rows-XXXXXX", directory) >= sizeof name)
        return fd;
    fd = mkostemp(name, O_CLOEXEC);
    if (fd >= 0)
        unlink(name);
    return fd;
}

static int file_error(struct vmsim_scenario *s, const char *what) {
    const char *why = strerrordesc_np(errno);
    return vmsim__err_set(&s->err, VMSIM_EIO, "cannot %s the rows of intervals: %s", what, why ? why : "unknown error");
}

/* A file without a name: what an interrupted run leaves behind is nothing. */
static int open_file(struct vmsim_scenario *s) {
    const char *temporary = getenv("TMPDIR"), *directory = s->rows.directory;
    if (!directory)
        directory = temporary && *temporary ? temporary : "/tmp";
    int fd = open_unnamed(directory);
    if (fd < 0)
        return file_error(s, "make a file for");
    s->rows.fd = fd;
    s->rows.opened = true;
    return 0;
}

/* A signal may come in the middle of a write; a disk that is full is an error of the run, with the rows that were
 * written still whole. */
static int spill(struct vmsim_scenario *s) {
    struct vmsim__rows *r = &s->rows;
    int err = r->opened ? 0 : open_file(s);
    for (size_t done = 0; !err && done < r->used;) {
        ssize_t n = write(r->fd, r->buffer + done, r->used - done);
        if (n < 0 && errno != EINTR)
            return file_error(s, "write");
        done += n > 0 ? (size_t)n : 0;
        r->spilled += n > 0 ? (uint64_t)n : 0;
    }
    r->used = err ? r->used : 0;
    return err;
}

/* ---- taking ---- */

/* One row has to fit; the buffer is never larger than two of them or BUFFER, however long the run. */
static int make_place(struct vmsim_scenario *s, size_t bytes) {
    struct vmsim__rows *r = &s->rows;
    int err = r->used + bytes > r->capacity && r->used ? spill(s) : 0;
    if (err || bytes <= r->capacity - r->used)
        return err;
    size_t capacity = bytes > BUFFER ? 2 * bytes : BUFFER;
    unsigned char *buffer = vmsim__realloc(s->alloc, r->buffer, r->capacity, capacity);
    if (!buffer)
        return no_memory(s);
    r->buffer = buffer;
    r->capacity = capacity;
    return 0;
}

/* What is counted in time (stalls that go on) is read as of the row: whoever acted last may be far behind it, or ahead.
 */
static uint64_t read_at(struct vmsim_machine *m, size_t counter, uint64_t time) {
    const uint64_t now = m->mem->now.time;
    m->mem->now.time = time;
    const uint64_t value = vmsim_counter_read(m, counter);
    m->mem->now.time = now;
    return value;
}

/* A row is the differences to the one before, runs of equal values as a count: most of some thousand counters stand
 * still from one interval to the next, and a row is a few hundred bytes. Columns may be added while it runs (tasks that
 * are forked), which each row tells by itself. */
int vmsim__rows_take(struct vmsim_scenario *s, uint64_t time) {
    struct vmsim__rows *r = &s->rows;
    int err = vmsim__rows_room(s, 1);
    err = err ? err : make_place(s, (2 * r->column.count + 3) * VARINT);
    if (err)
        return err;
    unsigned char *p = r->buffer + r->used;
    p = vmsim__put_varint(p, r->column.count - r->packed);
    p = vmsim__put_varint(p, time - r->time);
    uint64_t same = 0;
    for (size_t i = 0; i < r->column.count; i++) {
        const uint64_t value = read_at(s->machine, r->column.at[i], time);
        if (value == r->last.at[i]) {
            same++;
            continue;
        }
        p = vmsim__put_varint(p, same);
        p = vmsim__put_varint(p, vmsim__zigzag((int64_t)(value - r->last.at[i])));
        r->last.at[i] = value;
        same = 0;
    }
    p = vmsim__put_varint(p, same);
    r->used = (size_t)(p - r->buffer);
    r->packed = r->column.count;
    r->time = time;
    r->count++;
    return 0;
}

/* ---- giving back ---- */

/* Reads the file, then the buffer. */
struct source {
    const struct vmsim__rows *rows;
    unsigned char *block;
    const unsigned char *at, *end;
    uint64_t file_at;
    bool in_buffer, broken;
};

static uint64_t next(struct source *x) {
    uint64_t v = 0;
    if ((size_t)(x->end - x->at) < VARINT &&
        !x->in_buffer) { /* what is left goes to the front, the file's next behind it */
        size_t left = (size_t)(x->end - x->at);
        memmove(x->block, x->at, left);
        ssize_t n = pread(x->rows->fd, x->block + left, BUFFER - left, (off_t)x->file_at);
        x->broken |= n < 0;
        x->file_at += n > 0 ? (uint64_t)n : 0;
        x->at = x->block;
        x->end = x->block + left + (n > 0 ? (size_t)n : 0);
    }
    if (x->at == x->end && !x->in_buffer) {
        x->in_buffer = true;
        x->at = x->rows->buffer;
        x->end = x->at + x->rows->used;
    }
    const unsigned char *p = vmsim__get_varint(x->at, x->end, &v);
    x->broken |= !p;
    x->at = p ? p : x->end;
    return v;
}

/* False: the file is not what was written. */
static bool read_row(struct source *x, uint64_t *values, size_t columns, size_t *known, uint64_t *time) {
    *known += next(x);
    *time += next(x);
    for (size_t i = 0; *known <= columns && !x->broken; i++) {
        const uint64_t same = next(x);
        if (same >= *known - i)
            break;
        i += same;
        values[i] += (uint64_t)vmsim__unzigzag(next(x));
    }
    return !x->broken && *known <= columns;
}

/* What had no room in memory is in a file without a name, in the same bytes; whoever reads rows does not see where the
 * one ends and the other begins. */
int vmsim__rows_each(struct vmsim_scenario *s, vmsim__row_fn *row, void *context) {
    const struct vmsim__rows *r = &s->rows;
    struct source x = {.rows = r, .in_buffer = !r->spilled};
    size_t columns = r->column.count, known = 0;
    uint64_t time = 0, *values = vmsim__calloc(s->alloc, columns + 1, sizeof *values);
    int err = 0;
    x.block = r->spilled ? vmsim__calloc(s->alloc, 1, BUFFER) : NULL;
    if (!values || (r->spilled && !x.block))
        err = no_memory(s);
    x.at = x.in_buffer ? r->buffer : x.block;
    x.end = x.in_buffer && r->used ? x.at + r->used : x.at;
    for (uint64_t i = 0; !err && i < r->count; i++) {
        if (!read_row(&x, values, columns, &known, &time)) {
            errno = EIO;
            err = file_error(s, "read");
        } else {
            err = row(context, time, values);
        }
    }
    vmsim__free(s->alloc, values, (columns + 1) * sizeof *values);
    vmsim__free(s->alloc, x.block, BUFFER);
    return err;
}

void vmsim__rows_release(struct vmsim_scenario *s) {
    struct vmsim__rows *r = &s->rows;
    if (r->opened)
        close(r->fd);
    vmsim__free(s->alloc, r->buffer, r->capacity);
    vmsim__vec_fini(s->alloc, &r->column);
    vmsim__vec_fini(s->alloc, &r->last);
    vmsim__strfree(s->alloc, r->directory);
    *r = (struct vmsim__rows){0};
}
