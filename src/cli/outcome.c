/* SPDX-License-Identifier: MIT */
/* One run, told in lines (outcome.h). */
#include <assert.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/outcome.h"

/* FNV-1a: the same on every host, for names of configurations, not against malice. */
uint64_t outcome_hash(const char *text, size_t size) {
    assert(text || !size);
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* ---- making one ---- */

/* One line: what comes back is read by lines. */
static void put_failure(FILE *out, int status, const char *text) {
    assert(status > EXIT_FINE);
    fprintf(out, "status %d\nmessage ", status);
    for (const char *p = text; *p; p++)
        fputc(*p == '\n' ? ' ' : *p, out);
    fputc('\n', out);
}

/* The first line of the first error: what, where and why stand in it. */
void outcome_refuse(FILE *out, struct vmsim_config *config, int err) {
    const char *text = vmsim_config_error_text(config, 0);
    char line[512];
    snprintf(line, sizeof line, "%s", text ? text : vmsim_error_text(err));
    line[strcspn(line, "\n")] = 0;
    put_failure(out, cli_status(err), line);
}

/* Patterns as the shell has them: a grid names counters of tasks that only the run knows. */
static bool asked_for(const char *name, const char *const *patterns, size_t count) {
    assert(name && (patterns || !count));
    for (size_t i = 0; i < count; i++) {
        if (!fnmatch(patterns[i], name, 0))
            return true;
    }
    return false;
}

/* Three numbers come first that are no counters of the machine. Time is that of the CPU that has come furthest. */
static void put_counters(FILE *out, struct vmsim_scenario *s, const char *const *patterns, size_t count) {
    struct vmsim_machine *m = vmsim_scenario_machine(s);
    uint64_t time = 0;
    for (unsigned cpu = 0; cpu < vmsim_machine_cpus(m); cpu++)
        time = vmsim_machine_time(m, cpu) > time ? vmsim_machine_time(m, cpu) : time;
    fprintf(out, "time_ns %" PRIu64 "\nfailures %zu\ndifferences %" PRIu64 "\n", time, vmsim_scenario_failures(s),
            vmsim_scenario_differences(s));
    for (size_t id = 0, n = vmsim_counter_count(m); id < n; id++) {
        const char *name = vmsim_counter_name(m, id);
        if (name && asked_for(name, patterns, count))
            fprintf(out, "%s %" PRIu64 "\n", name, vmsim_counter_read(m, id));
    }
}

/* Of the portable dump, in which no path of this host stands: the same point has the same hash elsewhere. */
static int put_hash(FILE *out, struct vmsim_config *config) {
    const char *text;
    size_t size;
    int err = vmsim_config_dump(config, VMSIM_CONFIG_DUMP_PORTABLE, &text, &size);
    if (!err)
        fprintf(out, "hash %016" PRIx64 "\n", outcome_hash(text, size));
    return err;
}

/* A step or expectation that failed has its numbers all the same: a study of limits wants the points that were
 * killed, too. */
void outcome_tell(FILE *out, struct vmsim_config *config, struct vmsim_scenario *s, int err,
                  const char *const *patterns, size_t count) {
    assert(out && config && s);
    const char *step = vmsim_scenario_step_failure(s, 0);
    if (err)
        put_failure(out, cli_status(err), vmsim_scenario_error(s));
    else if (vmsim_scenario_failures(s))
        put_failure(out, EXIT_EXPECTATION, step ? step : "an expectation does not hold");
    else
        fputs("status 0\n", out);
    if (!err && !put_hash(out, config))
        put_counters(out, s, patterns, count);
}

int outcome_resolve(struct vmsim_config *config, const char *const *sets, size_t count) {
    assert(config);
    int err = 0;
    for (size_t i = 0; !err && i < count; i++)
        err = vmsim_config_set(config, sets[i]);
    return err ? err : vmsim_config_resolve(config);
}

/* In a child: what it takes of memory and leaves behind goes with the process. */
void outcome_run(struct vmsim_config *config, const char *const *patterns, size_t count, FILE *out) {
    struct vmsim_scenario *s = NULL;
    int err = vmsim_scenario_create(config, &s);
    if (err)
        outcome_refuse(out, config, err);
    else
        outcome_tell(out, config, s, vmsim_scenario_run(s, NULL, NULL), patterns, count);
    vmsim_scenario_destroy(s);
}

void outcome_perform(struct vmsim_config *config, const char *const *sets, size_t set_count,
                     const char *const *patterns, size_t pattern_count, FILE *out) {
    assert(config && out);
    const int err = outcome_resolve(config, sets, set_count);
    if (err)
        outcome_refuse(out, config, err);
    else
        outcome_run(config, patterns, pattern_count, out);
}

/* ---- reading one ---- */

static size_t count_lines(const char *text) {
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* "NAME VALUE": a counter, or one of the words that come before them. */
static bool take_line(struct outcome *o, char *line) {
    char *value = strrchr(line, ' '), *end;
    if (!strncmp(line, "message ", 8)) {
        o->message = line + 8;
        return true;
    }
    if (!value)
        return false;
    *value++ = 0;
    if (!strcmp(line, "hash")) {
        o->hash = value;
        return true;
    }
    const uint64_t n = strtoull(value, &end, 10);
    if (*end || end == value)
        return false;
    if (!strcmp(line, "status"))
        o->status = (int)n;
    else
        o->values[o->count++] = (struct outcome_value){line, n};
    return true;
}

/* False: not what outcome_perform() writes, or no memory; nothing is to be freed then. */
bool outcome_parse(struct outcome *o, const char *text, size_t size) {
    *o = (struct outcome){.status = -1, .message = "", .hash = "", .text = malloc(size + 1)};
    if (!o->text)
        return false;
    memcpy(o->text, text, size);
    o->text[size] = 0;
    o->values = calloc(count_lines(o->text) + 1, sizeof *o->values);
    bool good = o->values != NULL;
    for (char *line = o->text, *end; good && (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        good = take_line(o, line);
    }
    good = good && o->status >= 0;
    if (!good)
        outcome_free(o);
    return good;
}

void outcome_free(struct outcome *o) {
    free(o->text);
    free(o->values);
    *o = (struct outcome){0};
}

/* 0 for what is not there, as counters of things that a machine lacks. */
uint64_t outcome_value(const struct outcome *o, const char *name) {
    for (size_t i = 0; i < o->count; i++) {
        if (!strcmp(o->values[i].name, name))
            return o->values[i].value;
    }
    return 0;
}
