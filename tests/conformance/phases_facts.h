/* SPDX-License-Identifier: MIT */
/* Facts of a phase: named numbers, read from the text of /proc files or from a capture of them. */
#ifndef PHASES_FACTS_H
#define PHASES_FACTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FACT_NAME 120
#define FACTS_MAX 1200

struct fact {
    char name[FACT_NAME]; /* "vmstat.nr_anon_pages", "zone.N0.DMA32.free" */
    int64_t value;
};
struct facts {
    struct fact at[FACTS_MAX];
    size_t count;
};

/* The value, or 0 with *found false (found may be NULL). */
int64_t fact_get(const struct facts *f, const char *name, bool *found);
/* Adds to the fact, which is made when it is not there. */
void fact_add(struct facts *f, const char *name, int64_t value);
/* The "name value" and "name: value kB" lines of a /proc file as PREFIX.name. `only`: words of which a name must begin
 * with one, or NULL. */
void facts_read_lines(struct facts *f, const char *prefix, const char *text, const char *const *only);
/* /proc/zoneinfo as zone.N0.DMA32.name; per-CPU lists of a zone are summed. */
void facts_read_zoneinfo(struct facts *f, const char *text);
/* after - before of everything that either of them has. */
void facts_subtract(struct facts *out, const struct facts *after, const struct facts *before);

/* What came out of something, as text: "0-3 16-31" cached, "errno 22", VMAs. */
struct outcome {
    char key[96], text[1500];
};
struct outcomes {
    struct outcome *at;
    size_t count;
};
void outcome_add(struct outcomes *o, const char *key, const char *text);
/* A finding under vm.overcommit_memory `mode`. Of the strict mode's largest mapping and what was committed before,
 * which is the whole machine's, the sum. */
enum overcommit { OVERCOMMIT_LIMIT, OVERCOMMIT_LARGEST, OVERCOMMIT_NORESERVE, OVERCOMMIT_READ_ONLY };
void outcome_overcommit(struct outcomes *o, unsigned mode, enum overcommit what, int64_t value, int64_t committed);
/* Pages of the default pool: in all, free, reserved, surplus. */
void outcome_pool(struct outcomes *o, const char *when, const uint64_t pages[4]);
/* A line of /proc/PID/maps in 1 TiB to 4 TiB, where workloads map: "10000000000-10000010000 rw-p", behind what the
 * newest outcome has. False: no such line. */
bool outcome_add_vma(struct outcomes *o, const char *line);
const char *outcome_get(const struct outcomes *o, const char *key); /* NULL: none */

/* One phase of a captured workload. */
struct phase {
    unsigned number;
    char title[160];
    struct facts *deltas, *again; /* again: of a second boot; the same where there was none */
};
struct capture_phases {
    struct phase *at;
    size_t count;
    struct outcomes outcomes; /* cached pages after reads, results of calls, limits of overcommit, orders of kills */
    int64_t committed;        /* pages, as the capture last told */
    uint64_t node_free[2];    /* pages, where the capture tells them before its phases */
    uint64_t written;         /* pages, where its head says "write n=26112 pages" */
    struct facts before;      /* what each fact was when a phase first changed it: "zone.N0.DMA32.free" */
    struct facts *groups;     /* files of cgroups, look by look */
    unsigned looks;
};
/* A line of a file of a cgroup ("pgscan 123", "4096") as LOOK.TITLE.FILE.KEY; limits of those above are left out. */
void facts_read_group(struct facts *f, unsigned look, const char *title, const char *file, const char *line);
/* Reads the phases of a capture; false: it cannot be read. */
bool capture_phases_read(const char *path, struct capture_phases *out);
/* Reads what the second boot of `shape` counted in the phases of `workload` (facts/phases.tsv). */
void capture_phases_again(struct capture_phases *c, const char *path, const char *shape, const char *workload);
void capture_phases_free(struct capture_phases *c);

#endif
