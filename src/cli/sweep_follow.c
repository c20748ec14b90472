/* SPDX-License-Identifier: MIT */
/* A job array from its submission to the gathered results.
 *
 *     study.db.sbatch    the script             study.db.1-of-64 ...   a shard's points
 *     study.db.job       "1234 64": the array that is under way, and its shards
 *
 *     submit those shards that are not whole --> squeue until none is left --> count --> again, or gather
 *
 * Whether a shard is whole is seen from its file, never from what Slurm says of its job: an element may end well and be
 * short (it was asked to end), or fail and be whole (points of it did). Files are opened only while no element runs,
 * since SQLite's write-ahead log is of one host. What can be asked for again is: the same command goes on with an array
 * that is under way, submits what a dead one left, and gathers what is whole. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/sweep_follow.h"
#include "cli/sweep_store.h"

#define ANSWER_MAX 65536u /* of squeue: a line a job of this user */
#define NO_PROGRAM 127
#define PAUSE_MAX 15u /* seconds between two questions */

struct array {
    const struct grid *g;
    const struct sweep_options *o;
    uint64_t shards;
    uint64_t *mine; /* points of each shard */
    uint64_t done;  /* points in all of their files, when last counted */
    uint64_t anew;  /* shards that were submitted more than once */
    char job[32];   /* under way; "": none */
};

/* ---- Slurm's programs ---- */

/* Its exit status, NO_PROGRAM if there is none of that name; what it prints goes to `text`. */
static int ask(char *const argv[], bool quiet, char *text, size_t size) {
    int ends[2], status = 0;
    size_t have = 0;
    ssize_t n = 1;
    assert(size > 0);
    text[0] = 0;
    if (pipe(ends))
        return NO_PROGRAM;
    const pid_t pid = fork();
    if (!pid) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        if (quiet && !freopen("/dev/null", "w", stderr))
            _exit(1);
        execvp(argv[0], argv);
        _exit(NO_PROGRAM);
    }
    close(ends[1]);
    while (pid > 0 && n > 0 && have < size - 1) {
        n = read(ends[0], text + have, size - 1 - have);
        have += n > 0 ? (size_t)n : 0;
        n = n < 0 && errno == EINTR ? 1 : n;
    }
    text[have] = 0;
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return NO_PROGRAM;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static char *name_of(const struct array *a, const char *suffix) {
    char *name;
    return asprintf(&name, "%s.%s", a->o->output, suffix) < 0 ? NULL : name;
}

static char *shard_of(const struct array *a, uint64_t shard) {
    char *name;
    assert(shard > 0 && shard <= a->shards);
    return asprintf(&name, "%s.%" PRIu64 "-of-%" PRIu64, a->o->output, shard, a->shards) < 0 ? NULL : name;
}

static int no_memory(void) {
    return cli_fail(EXIT_INTERNAL, "sweep", "%s", strerror(ENOMEM));
}

/* ---- which array is under way ---- */

static int remember(const struct array *a) {
    char *name = name_of(a, "job");
    if (!name)
        return no_memory();
    FILE *f = fopen(name, "w");
    const bool good = f && fprintf(f, "%s %" PRIu64 "\n", a->job, a->shards) > 0;
    const int status = (f && fclose(f)) || !good ? cli_fail(EXIT_USAGE, "sweep", "%s: %s", name, strerror(errno)) : 0;
    free(name);
    return status;
}

static void forget(struct array *a) {
    char *name = name_of(a, "job");
    if (name)
        unlink(name);
    free(name);
    a->job[0] = 0;
}

/* 0: `job` is there, or none. */
static int recall(struct array *a) {
    uint64_t shards = a->shards;
    char *name = name_of(a, "job");
    FILE *f = name ? fopen(name, "r") : NULL;
    if (f && fscanf(f, "%31s %" SCNu64, a->job, &shards) != 2)
        a->job[0] = 0;
    if (f)
        fclose(f);
    const int status = !name ? no_memory()
                       : shards != a->shards
                           ? cli_fail(EXIT_USAGE, "sweep",
                                      "%s: an array of %" PRIu64 " shards was begun, not of %" PRIu64
                                      ": --slurm %" PRIu64 " goes on with it; without these files there is none",
                                      name, shards, a->shards, shards)
                           : EXIT_FINE;
    free(name);
    return status;
}

enum state { OVER, ALIVE, UNKNOWN, NO_SLURM };

/* All of this user's jobs are asked for: of one that is over long ago, squeue only says that it does not know it. */
static enum state state_of(const struct array *a, unsigned *running, unsigned *waiting) {
    static char text[ANSWER_MAX];
    char user[32], *line = text;
    const size_t length = strlen(a->job);
    snprintf(user, sizeof user, "%u", (unsigned)getuid());
    char *const argv[] = {"squeue", "--noheader", "--array", "--user", user, "--format", "%F %T", NULL};
    const int status = ask(argv, true, text, sizeof text);
    *running = *waiting = 0;
    for (char *end; !status && (end = strchr(line, '\n')); line = end + 1) {
        if (strncmp(line, a->job, length) != 0 || line[length] != ' ')
            continue;
        if (!strncmp(line + length + 1, "PENDING", strlen("PENDING")))
            ++*waiting;
        else
            ++*running;
    }
    return status == NO_PROGRAM ? NO_SLURM : status ? UNKNOWN : *running + *waiting ? ALIVE : OVER;
}

static int await(const struct array *a) {
    const bool shown = !a->o->quiet && isatty(STDERR_FILENO);
    unsigned running, waiting, pause = 1;
    bool told = false;
    for (enum state s; (s = state_of(a, &running, &waiting)) != OVER; pause += pause < PAUSE_MAX) {
        if (s == NO_SLURM)
            return cli_fail(EXIT_USAGE, "sweep", "squeue: %s: job %s cannot be followed (--no-wait does not)",
                            strerror(ENOENT), a->job);
        if (s == UNKNOWN && !told)
            cli_note("sweep", "squeue does not answer; it is asked again until it does");
        told = s == UNKNOWN;
        if (shown && s == ALIVE)
            fprintf(stderr, "\r\033[Kjob %s: %u shards at work, %u waiting", a->job, running, waiting);
        const struct timespec t = {.tv_sec = pause};
        nanosleep(&t, NULL);
    }
    if (shown)
        fputs("\r\033[K", stderr);
    return EXIT_FINE;
}

/* ---- what is there ---- */

/* A file that is none, or of nothing yet, has no points: the shard's own job says what is wrong with it. */
static uint64_t points_in(const char *path) {
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    uint64_t points = 0;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT count(*) FROM point", -1, &q, NULL) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW)
        points = (uint64_t)sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return points;
}

static int count_own(struct array *a) {
    a->mine = calloc(a->shards, sizeof *a->mine);
    for (uint64_t p = 0; a->mine && p < a->g->points; p++)
        a->mine[p % a->shards] += !grid_excluded(a->g, p);
    return a->mine ? EXIT_FINE : no_memory();
}

static void put_range(FILE *out, uint64_t from, uint64_t to) {
    assert(from <= to);
    fprintf(out, "%s%" PRIu64, ftell(out) > 0 ? "," : "", from);
    if (to > from)
        fprintf(out, "-%" PRIu64, to);
}

/* Counts all points; "3,7-9": the shards that are not whole, the caller's to free; NULL: no memory. */
static char *find_missing(struct array *a, uint64_t *count) {
    char *list = NULL;
    size_t size;
    FILE *out = open_memstream(&list, &size);
    uint64_t from = 0;
    *count = a->done = 0;
    for (uint64_t shard = 1; out && shard <= a->shards; shard++) {
        char *path = shard_of(a, shard);
        const uint64_t points = path ? points_in(path) : 0;
        const bool whole = points >= a->mine[shard - 1];
        free(path);
        a->done += points;
        *count += !whole;
        if (!whole && !from)
            from = shard;
        if (whole && from)
            put_range(out, from, shard - 1);
        from = whole ? 0 : from;
    }
    if (out && from)
        put_range(out, from, a->shards);
    return out && !fclose(out) ? list : NULL;
}

/* ---- the way of an array ---- */

static int submit(struct array *a, const char *script, const char *list) {
    char text[256];
    char *shards = NULL;
    assert(!a->job[0]);
    if (asprintf(&shards, "--array=%s", list) < 0)
        return no_memory();
    char *const argv[] = {"sbatch", "--parsable", shards, (char *)script, NULL};
    fflush(stdout);
    const int status = ask(argv, false, text, sizeof text);
    free(shards);
    text[strcspn(text, ";\n")] = 0; /* a federation's cluster comes behind the number */
    if (status == NO_PROGRAM)
        return cli_fail(EXIT_USAGE, "sweep", "sbatch: %s: the script is %s", strerror(ENOENT), script);
    if (status || !*text || strlen(text) >= sizeof a->job || strspn(text, "0123456789") != strlen(text))
        return cli_fail(EXIT_USAGE, "sweep", "sbatch refused %s", script);
    strcpy(a->job, text);
    if (!a->o->quiet) {
        printf("Submitted batch job %s: shards %s of %" PRIu64 "\n", a->job, list, a->shards);
        fflush(stdout);
    }
    return remember(a);
}

static int gather(const struct array *a) {
    struct store store;
    uint64_t added = 0, failed = 0, unmet = 0;
    int status = store_make(&store, a->o->output);
    for (uint64_t shard = 1; !status && shard <= a->shards; shard++) {
        uint64_t own = 0;
        if (!a->mine[shard - 1])
            continue;
        char *path = shard_of(a, shard);
        status = path ? store_gather(&store, path, &own) : no_memory();
        added += own;
        free(path);
    }
    if (!status && !store_count_failed(&store, &failed, &unmet))
        status = EXIT_INTERNAL;
    store_close(&store);
    if (status)
        return status;
    if (!a->o->quiet) {
        printf("%s: %" PRIu64 " points of %" PRIu64 " shards, %" PRIu64 " gathered now", a->o->output, a->done,
               a->shards, added);
        if (a->anew)
            printf(", %" PRIu64 " shards submitted anew", a->anew);
        if (failed)
            printf(", %" PRIu64 " points failed", failed);
        if (unmet)
            printf(", %" PRIu64 " with an expectation that does not hold", unmet);
        putchar('\n');
    }
    return failed || unmet ? EXIT_EXPECTATION : EXIT_FINE;
}

/* 0 with no job: it is over; else the way ends here. */
static int see_out(struct array *a, bool *leave) {
    unsigned running, waiting;
    assert(a->job[0]);
    *leave = a->o->no_wait && state_of(a, &running, &waiting) != OVER;
    if (*leave) {
        printf("job %s is under way\n", a->job);
        return EXIT_FINE;
    }
    const int status = await(a);
    if (!status)
        forget(a);
    return status;
}

static int follow(struct array *a, const char *script) {
    uint64_t before = UINT64_MAX, missing = 0;
    int status = EXIT_FINE;
    for (bool first = true, leave = false; !status; first = false) {
        if (a->job[0] && ((status = see_out(a, &leave)) || leave))
            return status;
        char *list = find_missing(a, &missing);
        if (!list)
            return no_memory();
        if (missing && a->done == before)
            status =
                cli_fail(EXIT_INTERNAL, "sweep",
                         "shards %s of %" PRIu64 " are not whole, and were no further at the end of their jobs than "
                         "before: slurm-*.out has what they say; run again to try anew",
                         list, a->shards);
        else if (missing) {
            a->anew += first ? 0 : missing;
            before = a->done;
            status = submit(a, script, list);
        }
        free(list);
        if (status || !missing || a->o->no_wait)
            break;
    }
    return status || missing ? status : gather(a);
}

bool sweep_is_followed(const struct sweep_options *o) {
    char *name = NULL;
    const bool there = asprintf(&name, "%s.job", o->output) >= 0 && !access(name, F_OK);
    free(name);
    return there;
}

int sweep_follow(const struct grid *g, const struct sweep_options *o, uint64_t shards, const char *script) {
    assert(shards > 0 && shards <= g->points);
    struct array a = {.g = g, .o = o, .shards = shards};
    int status = recall(&a);
    status = status ? status : count_own(&a);
    status = status ? status : follow(&a, script);
    free(a.mine);
    return status;
}
