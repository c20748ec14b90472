/* SPDX-License-Identifier: MIT */
/* A run in the tables of Markdown that merge requests show: did it do what was wanted, what ran, where the time went.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "base/util.h"
#include "report/run_dir.h"
#include "report/sections.h"

/* A name within a table. Its own signs must not end the cell or become markup. */
static void put_text(struct vmsim__textbuf *out, const char *text) {
    for (; *text; text++) {
        if (strchr("|\\`*_<>[]&#", *text))
            vmsim__textbuf_puts(out, "\\");
        vmsim__textbuf_add(out, (unsigned char)*text < ' ' ? " " : text, 1);
    }
}

enum kind { TEXT, COUNT, NS, BYTES, KB };

struct column {
    const char *title, *key;
    enum kind kind;
};

static void put_cell(struct vmsim__textbuf *out, const json_t *row, const struct column *c) {
    char text[64];
    uint64_t n = vmsim__json_uint(row, c->key);
    vmsim__textbuf_puts(out, " | ");
    switch (json_is_integer(json_object_get(row, c->key)) ? c->kind : TEXT) {
    case TEXT:
        put_text(out, vmsim__json_text(row, c->key));
        return;
    case COUNT:
        vmsim__textbuf_puts(out, vmsim__grouped_text(n, text, sizeof text));
        return;
    case NS:
        vmsim__textbuf_puts(out, vmsim__human_time(n, text, sizeof text));
        return;
    case KB:
        n <<= 10;
        __attribute__((fallthrough));
    default:
        vmsim__textbuf_puts(out, vmsim__human_size(n, text, sizeof text));
    }
}

/* A table of an array of stats.json; `most` rows of it. */
static void put_table(struct vmsim_run *run, struct vmsim__textbuf *out, const char *title, const char *key,
                      const struct column *columns, size_t most) {
    const json_t *rows = json_object_get(run->stats, key), *row;
    size_t i;
    if (!json_array_size(rows))
        return;
    vmsim__textbuf_printf(out, "\n### %s\n\n", title);
    for (const struct column *c = columns; c->title; c++)
        vmsim__textbuf_printf(out, "%s%s", c == columns ? "| " : " | ", c->title);
    vmsim__textbuf_puts(out, " |\n|");
    for (const struct column *c = columns; c->title; c++)
        vmsim__textbuf_puts(out, c->kind == TEXT ? " --- |" : " ---: |");
    json_array_foreach(rows, i, row) {
        if (i == most)
            break;
        size_t begin = out->count + 1;
        vmsim__textbuf_puts(out, "\n");
        for (const struct column *c = columns; c->title; c++)
            put_cell(out, row, c);
        if (!out->failed) /* " | a | b": the first blank goes */
            memmove(out->at + begin, out->at + begin + 1, out->count - begin), out->count--;
        vmsim__textbuf_puts(out, " |");
    }
    vmsim__textbuf_puts(out, "\n");
    if (json_array_size(rows) > most)
        vmsim__textbuf_printf(out, "\n... and %zu more\n", json_array_size(rows) - most);
}

static void put_head(struct vmsim_run *run, struct vmsim__textbuf *out) {
    const json_t *m = json_object_get(run->stats, "machine"), *r = json_object_get(run->stats, "run");
    char memory[32], time[32], references[40], minor[40], major[40];
    vmsim__textbuf_puts(out, "## vmsim: ");
    put_text(out, vmsim__run_name(run));
    vmsim__textbuf_printf(out,
                          "\n\n%s, Linux %s, %" PRIu64
                          " CPU%s, %s. %s references in %s of virtual time, %s minor and %s major faults. "
                          "vmsim %s, seed %" PRIu64 ".\n",
                          vmsim__json_text(m, "architecture"), vmsim__json_text(m, "kernel"),
                          vmsim__json_uint(m, "cpus"), vmsim__json_uint(m, "cpus") == 1 ? "" : "s",
                          vmsim__human_size(vmsim__json_uint(m, "memory_bytes"), memory, sizeof memory),
                          vmsim__grouped_text(vmsim__json_uint(r, "references"), references, sizeof references),
                          vmsim__human_time(vmsim__json_uint(r, "virtual_time_ns"), time, sizeof time),
                          vmsim__grouped_text(vmsim__json_uint(r, "minor_faults"), minor, sizeof minor),
                          vmsim__grouped_text(vmsim__json_uint(r, "major_faults"), major, sizeof major),
                          vmsim__json_text(run->stats, "vmsim"), vmsim__json_uint(r, "seed"));
    for (size_t i = 0; i < run->notes.count; i++) {
        vmsim__textbuf_puts(out, i ? "" : "\n");
        vmsim__textbuf_puts(out, "- **Note**: ");
        put_text(out, run->notes.at[i]);
        vmsim__textbuf_puts(out, "\n");
    }
}

/* "8 of 8 expectations hold" and the steps that failed. */
static void put_verdict(struct vmsim_run *run, struct vmsim__textbuf *out) {
    const json_t *x = json_object_get(run->stats, "expectations"), *f = json_object_get(run->stats, "failed_steps"),
                 *row;
    size_t i, met = 0;
    json_array_foreach(x, i, row) met += !strcmp(vmsim__json_text(row, "result"), "ok");
    if (json_array_size(x))
        vmsim__textbuf_printf(out, "\n**%zu of %zu expectations hold%s**\n", met, json_array_size(x),
                              met < json_array_size(x) ? ": FAILED" : "");
    json_array_foreach(f, i, row) {
        vmsim__textbuf_puts(out, i ? "- " : "\nFailed steps:\n\n- ");
        put_text(out, json_string_value(row) ? json_string_value(row) : "");
        vmsim__textbuf_puts(out, "\n");
    }
}

void vmsim__run_markdown(struct vmsim_run *run, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(run->stats);
    static const struct column expectations[] = {{"Result", "result", TEXT}, {"Counter", "counter", TEXT},
                                                 {"At", "at", TEXT},         {"Value", "value", COUNT},
                                                 {"Wanted", "wanted", TEXT}, {NULL, NULL, TEXT}};
    static const struct column tasks[] = {{"Task", "name", TEXT},
                                          {"Time", "time_ns", NS},
                                          {"User", "user_ns", NS},
                                          {"System", "system_ns", NS},
                                          {"Blocked", "blocked_ns", NS},
                                          {"References", "references", COUNT},
                                          {"Minor faults", "minor_faults", COUNT},
                                          {"Major faults", "major_faults", COUNT},
                                          {"End", "end", TEXT},
                                          {NULL, NULL, TEXT}};
    static const struct column times[] = {
        {"What", "what", TEXT}, {"Time", "time_ns", NS}, {"Share", "share", TEXT}, {NULL, NULL, TEXT}};
    static const struct column tlb[] = {{"Array", "array", TEXT},         {"Page", "page", TEXT},
                                        {"Hits", "hits", COUNT},          {"Misses", "misses", COUNT},
                                        {"Miss rate", "miss_rate", TEXT}, {NULL, NULL, TEXT}};
    static const struct column zones[] = {
        {"Node", "node", COUNT},       {"Zone", "zone", TEXT},      {"Managed", "managed_pages", COUNT},
        {"Free", "free_pages", COUNT}, {"Min", "min_pages", COUNT}, {"Low", "low_pages", COUNT},
        {"High", "high_pages", COUNT}, {NULL, NULL, TEXT}};
    static const struct column faults[] = {{"Kind", "kind", TEXT}, {"Count", "count", COUNT}, {NULL, NULL, TEXT}};
    static const struct column latencies[] = {{"What", "what", TEXT},
                                              {"Count", "count", COUNT},
                                              {"Half below", "half_below_ns", NS},
                                              {"99 % below", "p99_below_ns", NS},
                                              {"Longest", "most_ns", NS},
                                              {NULL, NULL, TEXT}};
    put_head(run, out);
    put_verdict(run, out);
    put_table(run, out, "Expectations", "expectations", expectations, SIZE_MAX);
    put_table(run, out, "Tasks", "tasks", tasks, VMSIM__SUMMARY_TASKS);
    put_table(run, out, "Where the time went", "where_the_time_went", times, SIZE_MAX);
    put_table(run, out, "Faults by kind", "faults_by_kind", faults, SIZE_MAX);
    put_table(run, out, "How long faults and waits took", "latencies", latencies, SIZE_MAX);
    put_table(run, out, "TLB", "tlb", tlb, SIZE_MAX);
    put_table(run, out, "Memory by zone (pages)", "memory_by_zone", zones, VMSIM__SUMMARY_TASKS);
}
