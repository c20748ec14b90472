/* SPDX-License-Identifier: MIT */
/* The file of a sweep's results (sweep_store.h). synchronous=NORMAL: a host that loses power may lose the last points,
 * which are then done again; what is in the file is whole. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/sweep_store.h"
#include "vmsim/version.h"

/* The tables below; a file of another format is refused, not converted. */
#define FORMAT 1
/* Longer than anybody holds the file: a point is one transaction of milliseconds, but hundreds of shards may come at
 * once. */
#define PATIENCE_MS 60000

/* Values are rows, not columns, since SQLite has no more than 2,000 of these and counters differ from point to point;
 * names stand once, in `counter`. WITHOUT ROWID keeps a point's values together, in the order in which export reads
 * them. */
static const char schema[] =
    "CREATE TABLE sweep(id INTEGER PRIMARY KEY CHECK(id = 1), format INTEGER, grid_hash TEXT, grid TEXT, base TEXT, "
    "points INTEGER, version TEXT);"
    "CREATE TABLE axis(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);"
    "CREATE TABLE input(path TEXT PRIMARY KEY, bytes INTEGER, hash TEXT);"
    "CREATE TABLE point(point INTEGER PRIMARY KEY, status INTEGER NOT NULL, message TEXT, config_hash TEXT, "
    "version TEXT, cpu_us INTEGER, memory_kb INTEGER);"
    "CREATE TABLE setting(point INTEGER, axis TEXT, value TEXT, PRIMARY KEY(point, axis)) WITHOUT ROWID;"
    "CREATE TABLE counter(id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);"
    "CREATE TABLE value(point INTEGER, counter INTEGER, value INTEGER, PRIMARY KEY(point, counter)) WITHOUT ROWID;"
    "CREATE VIEW results AS SELECT point, name, value FROM value JOIN counter ON counter = id;";

int store_failed(const struct store *s) {
    assert(s->path);
    return cli_fail(EXIT_INTERNAL, "sweep", "%s: %s", s->path, sqlite3_errmsg(s->db));
}

static bool execute(struct store *s, const char *sql) {
    assert(s->db && sql);
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* Begins to write a file that may be new. SQLite waits for others by itself, but not where a file turns to a log of
 * writes while another sweep opens it, too. */
static bool begin(struct store *s) {
    for (unsigned ms = 0; !execute(s, "PRAGMA journal_mode = WAL"); ms += 10) {
        if (sqlite3_errcode(s->db) != SQLITE_BUSY || ms >= PATIENCE_MS)
            return false;
        sqlite3_sleep(10);
    }
    return execute(s, "BEGIN IMMEDIATE");
}

struct sqlite3_stmt *store_query(struct store *s, const char *sql) {
    assert(s->db && sql);
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) != SQLITE_OK)
        store_failed(s);
    return q;
}

/* Runs a statement that gives no rows, and makes it ready for the next time. */
static bool step(sqlite3_stmt *q) {
    assert(q);
    const int result = sqlite3_step(q);
    sqlite3_reset(q);
    sqlite3_clear_bindings(q);
    return result == SQLITE_DONE;
}

static void bind_text(sqlite3_stmt *q, int at, const char *text) {
    assert(q && at > 0);
    sqlite3_bind_text(q, at, text, -1, SQLITE_TRANSIENT);
}

/* SQLite's integers have a sign: what is above them (a limit of UINT64_MAX: none) is the greatest that there is, and
 * sorts where it should. */
static void bind_number(sqlite3_stmt *q, int at, uint64_t n) {
    sqlite3_bind_int64(q, at, n > INT64_MAX ? INT64_MAX : (int64_t)n);
}

static void bind_hash(sqlite3_stmt *q, int at, uint64_t hash) {
    assert(q);
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    bind_text(q, at, text);
}

/* ---- opening ---- */

/* 1: has our tables, 0: empty, -1: neither, said. */
static int what_is_there(struct store *s) {
    assert(s->db);
    sqlite3_stmt *q = NULL;
    int there = -1;
    const int result = sqlite3_prepare_v2(
        s->db, "SELECT count(*), sum(name IN ('sweep', 'point', 'value')) FROM sqlite_master", -1, &q, NULL);
    if (result == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW)
        there = !sqlite3_column_int(q, 0) ? 0 : sqlite3_column_int(q, 1) == 3 ? 1 : -1;
    if (result == SQLITE_OK && there < 0)
        cli_fail(EXIT_USAGE, "sweep", "%s holds no results of a sweep", s->path);
    else if (result != SQLITE_OK)
        store_failed(s);
    sqlite3_finalize(q);
    return there;
}

/* By contents, not by time: a file that was touched or copied is the same, one that was edited is not. */
static bool add_inputs(struct store *s, const struct grid *grid) {
    sqlite3_stmt *q = store_query(s, "INSERT INTO input VALUES(?, ?, ?)");
    bool good = q != NULL;
    for (size_t i = 0; good && i < grid->in.file_count; i++) {
        uint64_t hash, bytes;
        good = grid_hash_file(grid->in.files[i], &hash, &bytes);
        bind_text(q, 1, grid->in.files[i]);
        bind_number(q, 2, bytes);
        bind_hash(q, 3, hash);
        good = good && step(q);
    }
    sqlite3_finalize(q);
    return good;
}

static bool add_axes(struct store *s, const struct grid *grid) {
    sqlite3_stmt *q = store_query(s, "INSERT INTO axis VALUES(?, ?)");
    bool good = q != NULL;
    for (size_t a = 0; good && a < grid->axis_count; a++) {
        bind_number(q, 1, a);
        bind_text(q, 2, grid->axes[a].name);
        good = step(q);
    }
    sqlite3_finalize(q);
    return good;
}

static bool describe(struct store *s, const struct grid *grid, uint64_t hash, const char *resolved) {
    sqlite3_stmt *q = store_query(s, "INSERT INTO sweep VALUES(1, ?, ?, ?, ?, ?, ?)");
    if (!q)
        return false;
    sqlite3_bind_int(q, 1, FORMAT);
    bind_hash(q, 2, hash);
    sqlite3_bind_text(q, 3, grid->text, (int)grid->size, SQLITE_TRANSIENT);
    bind_text(q, 4, resolved);
    bind_number(q, 5, grid->points);
    bind_text(q, 6, vmsim_version());
    const bool good = step(q);
    sqlite3_finalize(q);
    return good;
}

/* Several sweeps may find the file empty; one makes the tables, the others see them when it is their turn. */
static int make_tables(struct store *s, const struct grid *grid, const char *resolved) {
    uint64_t hash;
    if (!grid_hash(grid, &hash))
        return EXIT_USAGE;
    if (!begin(s))
        return store_failed(s);
    const int there = what_is_there(s);
    const bool good = there > 0 || (!there && execute(s, schema) && add_inputs(s, grid) && add_axes(s, grid) &&
                                    describe(s, grid, hash, resolved));
    if (good && execute(s, "COMMIT"))
        return EXIT_FINE;
    const int status = there < 0 ? EXIT_USAGE : store_failed(s);
    execute(s, "ROLLBACK");
    return status;
}

/* Results of two grids in one file could not be told apart afterwards, so that any change of the grid or of its inputs
 * begins a new file. */
static int check_grid(struct store *s, const struct grid *grid) {
    uint64_t hash;
    char ours[17];
    sqlite3_stmt *q = store_query(s, "SELECT format, grid_hash FROM sweep");
    if (!q || !grid_hash(grid, &hash)) {
        sqlite3_finalize(q);
        return EXIT_USAGE;
    }
    snprintf(ours, sizeof ours, "%016" PRIx64, hash);
    int status = EXIT_FINE;
    if (sqlite3_step(q) != SQLITE_ROW)
        status = cli_fail(EXIT_USAGE, "sweep", "%s: the description of its sweep is missing", s->path);
    else if (sqlite3_column_int(q, 0) != FORMAT)
        status = cli_fail(EXIT_USAGE, "sweep", "%s was written by another version of vmsim (format %d, not %d)",
                          s->path, sqlite3_column_int(q, 0), FORMAT);
    else if (strcmp((const char *)sqlite3_column_text(q, 1), ours) != 0)
        status = cli_fail(EXIT_USAGE, "sweep",
                          "%s holds results of another grid, or its files have changed since; "
                          "write to another file (-o)",
                          s->path);
    sqlite3_finalize(q);
    return status;
}

/* Statements are parsed once: a point has some hundred values, and a sweep thousands of points. */
static int prepare(struct store *s) {
    assert(s->db && !s->has);
    s->has = store_query(s, "SELECT 1 FROM point WHERE point = ?");
    s->point = store_query(s, "INSERT OR IGNORE INTO point VALUES(?, ?, ?, ?, ?, ?, ?)");
    s->setting = store_query(s, "INSERT INTO setting VALUES(?, ?, ?)");
    s->counter = store_query(s, "INSERT OR IGNORE INTO counter(name) VALUES(?)");
    s->value = store_query(s, "INSERT INTO value SELECT ?, id, ? FROM counter WHERE name = ?");
    return s->has && s->point && s->setting && s->counter && s->value ? EXIT_FINE : EXIT_INTERNAL;
}

/* What SQLite would make of a name that is no plain file: of an empty one a file that is gone at the end, of a link
 * that leads nowhere a file elsewhere, of a device an error that says nothing, and a journal beside it. */
static int check_place(const char *path) {
    assert(path);
    struct stat st;
    if (!*path)
        return cli_fail(EXIT_USAGE, "sweep", "the name of the file of results is empty");
    if (lstat(path, &st))
        return errno == ENOENT ? EXIT_FINE : cli_fail(EXIT_USAGE, "sweep", "%s: %s", path, strerror(errno));
    if (S_ISLNK(st.st_mode) && stat(path, &st))
        return cli_fail(EXIT_USAGE, "sweep", "%s: is a symbolic link that leads nowhere: it is not followed", path);
    return S_ISREG(st.st_mode) ? EXIT_FINE
                               : cli_fail(EXIT_USAGE, "sweep", "%s: is no regular file: results need one", path);
}

static int open_file(struct store *s, const char *path, int flags) {
    *s = (struct store){.path = path};
    const int status = check_place(path);
    if (status)
        return status;
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK)
        return cli_fail(EXIT_USAGE, "sweep", "%s: %s", path, sqlite3_errmsg(s->db));
    sqlite3_busy_timeout(s->db, PATIENCE_MS);
    if (flags & SQLITE_OPEN_READWRITE)
        execute(s, "PRAGMA synchronous = NORMAL"); /* of this connection; a file that is none is told of later */
    return EXIT_FINE;
}

int store_open(struct store *s, const char *path, const struct grid *grid, const char *resolved) {
    int status = open_file(s, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    const int there = status ? 0 : what_is_there(s);
    if (there < 0)
        status = EXIT_USAGE;
    if (!status && !there)
        status = make_tables(s, grid, resolved);
    status = status ? status : check_grid(s, grid);
    return status ? status : prepare(s);
}

int store_make(struct store *s, const char *path) {
    return open_file(s, path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
}

int store_read(struct store *s, const char *path) {
    int status = open_file(s, path, SQLITE_OPEN_READONLY);
    const int there = status ? 1 : what_is_there(s);
    if (!there)
        cli_fail(EXIT_USAGE, "sweep", "%s is empty", path);
    return there > 0 ? status : EXIT_USAGE;
}

void store_close(struct store *s) {
    sqlite3_finalize(s->has);
    sqlite3_finalize(s->point);
    sqlite3_finalize(s->setting);
    sqlite3_finalize(s->counter);
    sqlite3_finalize(s->value);
    sqlite3_close(s->db);
    *s = (struct store){0};
}

/* ---- points ---- */

bool store_has(struct store *s, uint64_t point) {
    assert(s->has);
    bind_number(s->has, 1, point);
    const bool has = sqlite3_step(s->has) == SQLITE_ROW;
    sqlite3_reset(s->has);
    return has;
}

/* OR IGNORE: another shard may have done the point meanwhile. Who comes second sees that no row changed, and leaves the
 * first one's values alone. */
static bool add_point(struct store *s, uint64_t point, const struct outcome *o, const struct store_cost *cost) {
    assert(s->point && o->message && o->hash);
    bind_number(s->point, 1, point);
    sqlite3_bind_int(s->point, 2, o->status);
    if (*o->message)
        bind_text(s->point, 3, o->message);
    bind_text(s->point, 4, o->hash);
    bind_text(s->point, 5, vmsim_version());
    bind_number(s->point, 6, cost->cpu_us);
    bind_number(s->point, 7, cost->memory_kb);
    return step(s->point);
}

static bool add_settings(struct store *s, const struct grid *grid, uint64_t point) {
    assert(point < grid->points);
    bool good = true;
    for (size_t a = 0; good && a < grid->axis_count; a++) {
        bind_number(s->setting, 1, point);
        bind_text(s->setting, 2, grid->axes[a].name);
        bind_text(s->setting, 3, grid->axes[a].entries[grid_entry_of(grid, point, a)].label);
        good = step(s->setting);
    }
    return good;
}

/* A counter's name is added where it is new; the value finds its number by a join, so that no number is kept here that
 * another process could have given away. */
static bool add_values(struct store *s, uint64_t point, const struct outcome *o) {
    assert(o->values || !o->count);
    bool good = true;
    for (size_t i = 0; good && i < o->count; i++) {
        bind_text(s->counter, 1, o->values[i].name);
        good = step(s->counter);
        bind_number(s->value, 1, point);
        bind_number(s->value, 2, o->values[i].value);
        bind_text(s->value, 3, o->values[i].name);
        good = good && step(s->value);
    }
    return good;
}

enum store_end store_add(struct store *s, const struct grid *grid, uint64_t point, const struct outcome *o,
                         const struct store_cost *cost) {
    bool good = execute(s, "BEGIN IMMEDIATE") && add_point(s, point, o, cost);
    const bool there = good && !sqlite3_changes(s->db);
    good = good && (there || (add_settings(s, grid, point) && add_values(s, point, o)));
    if (good && execute(s, "COMMIT"))
        return there ? STORE_THERE : STORE_DONE;
    store_failed(s);
    execute(s, "ROLLBACK");
    return STORE_FAILED;
}

/* Status 1 is an expectation that does not hold: the point ran, and has results. */
bool store_count_failed(struct store *s, uint64_t *failed, uint64_t *unmet) {
    assert(failed && unmet);
    sqlite3_stmt *q = store_query(s, "SELECT count(*) FILTER (WHERE status >= 2), count(*) FILTER (WHERE status = 1) "
                                     "FROM point");
    const bool good = q && sqlite3_step(q) == SQLITE_ROW;
    *failed = good ? (uint64_t)sqlite3_column_int64(q, 0) : 0;
    *unmet = good ? (uint64_t)sqlite3_column_int64(q, 1) : 0;
    sqlite3_finalize(q);
    return good;
}

/* In one transaction: who is interrupted has the failures still, and no point without its settings. */
bool store_forget_failed(struct store *s) {
    const bool good = execute(s, "BEGIN IMMEDIATE;"
                                 "DELETE FROM value WHERE point IN (SELECT point FROM point WHERE status >= 2);"
                                 "DELETE FROM setting WHERE point IN (SELECT point FROM point WHERE status >= 2);"
                                 "DELETE FROM point WHERE status >= 2; COMMIT");
    if (!good)
        store_failed(s);
    return good;
}

/* ---- gathering ---- */

static bool same_grid(struct store *s) {
    sqlite3_stmt *q = store_query(s, "SELECT count(*) FROM main.sweep a JOIN other.sweep b "
                                     "ON a.grid_hash = b.grid_hash AND a.format = b.format");
    const bool same = q && sqlite3_step(q) == SQLITE_ROW && sqlite3_column_int(q, 0) == 1;
    sqlite3_finalize(q);
    return same;
}

/* An empty file takes over the description. */
static bool take_description(struct store *s) {
    const int there = what_is_there(s);
    if (there)
        return there > 0;
    return begin(s) && execute(s, schema) && execute(s, "INSERT INTO main.sweep SELECT * FROM other.sweep") &&
           execute(s, "INSERT INTO main.axis SELECT * FROM other.axis") &&
           execute(s, "INSERT INTO main.input SELECT * FROM other.input") && execute(s, "COMMIT");
}

static const char take_points[] =
    "BEGIN IMMEDIATE;"
    "CREATE TEMP TABLE fresh AS SELECT point FROM other.point WHERE point NOT IN (SELECT point FROM main.point);"
    "INSERT INTO main.point SELECT * FROM other.point WHERE point IN fresh;"
    "INSERT INTO main.setting SELECT * FROM other.setting WHERE point IN fresh;"
    "INSERT OR IGNORE INTO main.counter(name) SELECT name FROM other.counter;"
    "INSERT INTO main.value SELECT v.point, c.id, v.value FROM other.value v JOIN other.counter n ON n.id = v.counter "
    "JOIN main.counter c ON c.name = n.name WHERE v.point IN fresh;"
    "COMMIT";

int store_gather(struct store *s, const char *from, uint64_t *added) {
    assert(s->path && from);
    *added = 0;
    sqlite3_stmt *q = store_query(s, "ATTACH ? AS other");
    if (!q)
        return EXIT_INTERNAL;
    bind_text(q, 1, from);
    const bool attached = step(q);
    sqlite3_finalize(q);
    if (!attached)
        return store_failed(s);
    int status = EXIT_FINE;
    if (!take_description(s))
        status = cli_fail(EXIT_USAGE, "sweep", "%s: no results of a sweep: %s", from, sqlite3_errmsg(s->db));
    else if (!same_grid(s))
        status = cli_fail(EXIT_USAGE, "sweep", "%s holds results of another grid than %s", from, s->path);
    else if (!execute(s, take_points))
        status = store_failed(s);
    else if ((q = store_query(s, "SELECT count(*) FROM fresh")) && sqlite3_step(q) == SQLITE_ROW)
        *added = (uint64_t)sqlite3_column_int64(q, 0);
    if (!status)
        sqlite3_finalize(q);
    execute(s, "ROLLBACK"); /* of a transaction that failed; else nothing is open */
    execute(s, "DROP TABLE IF EXISTS fresh");
    execute(s, "DETACH other");
    return status;
}
