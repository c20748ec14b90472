/* SPDX-License-Identifier: MIT */
/* Cases in processes of their own (suite.h, pool.h): a crash, a kill or a run without an end costs one case.
 *
 *     child                                      parent
 *     check <tab> met <tab> what <tab> ...  -->  struct suite_check, pointing into the text
 *     error <tab> message                   -->  struct suite_case.errors
 *     time, status                          -->  the last line: what came before it is whole
 *
 * Lines of fields rather than a struct through the pipe: a child that dies in the middle leaves whole lines, which are
 * told, and nothing that has to be trusted. */
#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cli/cli.h"
#include "cli/suite.h"
#include "vmsim/report.h"

/* ---- the child ---- */

/* Tabs and line ends are what parts the fields. */
static void put_field(FILE *out, const char *text) {
    fputc('\t', out);
    for (; *text; text++)
        fputc(*text == '\t' || *text == '\n' ? ' ' : *text, out);
}

static void put_error(FILE *out, const char *text) {
    fputs("error", out);
    put_field(out, text);
    fputc('\n', out);
}

/* Messages have the line of the file below them, and a caret: the first line says it all. */
static void put_config_errors(FILE *out, struct vmsim_config *config) {
    for (size_t i = 0; i < vmsim_config_error_count(config); i++) {
        char line[1024];
        snprintf(line, sizeof line, "%s", vmsim_config_error_text(config, i));
        line[strcspn(line, "\n")] = '\0';
        put_error(out, line);
    }
}

/* As expectations are written: a share as percent with as many digits as it is kept in, so that equal numbers look
 * equal. */
static void put_value(FILE *out, const struct vmsim_expectation *x) {
    char text[40];
    if (x->problem)
        snprintf(text, sizeof text, "none");
    else if (x->share)
        snprintf(text, sizeof text, "%" PRIu64 ".%04" PRIu64 " %%", x->value / 10000, x->value % 10000);
    else
        snprintf(text, sizeof text, "%" PRIu64, x->value);
    put_field(out, text);
}

/* Steps that came out otherwise than they say are errors of the case beside its expectations, each with its place. */
static void put_steps(FILE *out, const struct vmsim_scenario *s) {
    for (size_t i = 0; vmsim_scenario_step_failure(s, i); i++)
        put_error(out, vmsim_scenario_step_failure(s, i));
}

static void put_checks(FILE *out, struct vmsim_scenario *s) {
    for (size_t i = 0; i < vmsim_scenario_expectations(s); i++) {
        const struct vmsim_expectation *x = vmsim_scenario_expectation(s, i);
        fprintf(out, "check\t%d", x->met);
        put_field(out, x->counter);
        put_field(out, x->at ? x->at : "end");
        put_value(out, x);
        put_field(out, x->wanted);
        put_field(out, x->origin);
        put_field(out, x->problem ? x->problem : "");
        fputc('\n', out);
    }
    put_steps(out, s);
}

/* OUTPUT/NAME, the path's slashes being dashes. */
static int write_run(struct vmsim_scenario *s, const char *output, const char *path) {
    char directory[4096];
    int length = snprintf(directory, sizeof directory, "%s/", output);
    if (length < 0 || (size_t)length + strlen(path) >= sizeof directory)
        return VMSIM_EINVAL;
    char *at = directory + length;
    for (path += strspn(path, "./"); *path; path++)
        *at++ = *path == '/' ? '-' : *path;
    *at = '\0';
    return vmsim_report_write(s, directory);
}

static int run_case(FILE *out, const struct suite *suite, const struct suite_case *c, struct vmsim_scenario *s) {
    struct vmsim_machine *m = vmsim_scenario_machine(s);
    uint64_t time = 0;
    int err = vmsim_scenario_run(s, NULL, NULL);
    for (unsigned cpu = 0; cpu < vmsim_machine_cpus(m); cpu++)
        time = vmsim_machine_time(m, cpu) > time ? vmsim_machine_time(m, cpu) : time;
    fprintf(out, "time\t%" PRIu64 "\n", time);
    if (err) {
        put_steps(out, s);
        put_error(out, vmsim_scenario_error(s));
        return cli_status(err);
    }
    put_checks(out, s);
    err = suite->output ? write_run(s, suite->output, c->path) : 0;
    if (err)
        put_error(out, vmsim_report_error(s));
    return err ? cli_status(err) : vmsim_scenario_failures(s) ? EXIT_EXPECTATION : EXIT_FINE;
}

/* In the order of `vmsim run`: folders, the file, overrides. A scenario that is tested is the one that is run. */
static int load(const struct suite *s, const char *path, struct vmsim_config *config,
                struct vmsim_scenario **scenario) {
    int err = 0;
    for (size_t i = 0; i < s->dir_count && !err; i++)
        err = vmsim_config_add_search_dir(config, s->dirs[i]);
    err = err ? err : vmsim_config_load_file(config, path);
    for (size_t i = 0; i < s->set_count && !err; i++)
        err = vmsim_config_set(config, s->sets[i]);
    err = err ? err : vmsim_config_resolve(config);
    return err ? err : vmsim_scenario_create(config, scenario);
}

/* The limit is CPU time, not time on the wall: a busy host does not fail a scenario. One second later the kernel kills
 * what does not heed SIGXCPU. */
static void perform(void *context, size_t job, FILE *out) {
    assert(job < ((const struct suite *)context)->count);
    const struct suite *suite = context;
    const struct suite_case *c = &suite->cases[job];
    struct vmsim_config *config = NULL;
    struct vmsim_scenario *s = NULL;
    int status, err = vmsim_config_create(&config);
    if (suite->limit)
        setrlimit(RLIMIT_CPU, &(struct rlimit){suite->limit, suite->limit + 1});
    err = err ? err : load(suite, c->path, config, &s);
    if (err && config)
        put_config_errors(out, config);
    status = err ? cli_status(err) : run_case(out, suite, c, s);
    fprintf(out, "status\t%d\n", status);
    vmsim_scenario_destroy(s);
    vmsim_config_destroy(config);
}

/* ---- the parent ---- */

static bool next(void *context, size_t *job) {
    struct suite *s = context;
    *job = s->next;
    return s->next < s->count && s->next++ < s->count;
}

/* Takes the next field off a line; "" when there is none. */
static const char *field(char **line) {
    char *begin = *line;
    if (!begin)
        return "";
    *line = strchr(begin, '\t');
    if (*line)
        *(*line)++ = '\0';
    return begin;
}

/* Lines of a kind that is not known are passed over. */
static void take_line(struct suite_case *c, char *line) {
    const char *what = field(&line);
    assert(c->checks && c->errors);
    if (!strcmp(what, "check")) {
        struct suite_check *k = &c->checks[c->check_count++];
        k->met = *field(&line) == '1';
        k->what = field(&line);
        k->at = field(&line);
        k->value = field(&line);
        k->wanted = field(&line);
        k->origin = field(&line);
        k->why = field(&line);
    } else if (!strcmp(what, "error")) {
        c->errors[c->error_count++] = field(&line);
    } else if (!strcmp(what, "status")) {
        c->status = atoi(field(&line));
    } else if (!strcmp(what, "time")) {
        c->virtual_ns = strtoull(field(&line), NULL, 10);
    }
}

/* Room for as many checks and errors as there are lines: more cannot come, and nothing has to grow. */
static bool take_text(struct suite_case *c, const struct pool_result *r) {
    size_t lines = 1;
    for (const char *p = r->text; *p; p++)
        lines += *p == '\n';
    c->text = strdup(r->text);
    c->checks = calloc(lines, sizeof *c->checks);
    c->errors = calloc(lines, sizeof *c->errors);
    if (!c->text || !c->checks || !c->errors)
        return false;
    for (char *line = c->text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        take_line(c, line);
    }
    return true;
}

/* Cases end in any order and are told in theirs: a case waits until those before it are done. */
static bool done(void *context, size_t job, const struct pool_result *r) {
    assert(job < ((const struct suite *)context)->count);
    struct suite *s = context;
    struct suite_case *c = &s->cases[job];
    size_t none = 0; /* lines of TAP, which are told at the end */
    c->done = true;
    c->cpu_us = r->cpu_us;
    c->signal = r->signal;
    c->status = r->signal == SIGXCPU ? EXIT_EXPECTATION : EXIT_INTERNAL; /* unless it says otherwise */
    if (r->text && !take_text(c, r))
        return false;
    while (!s->tap && s->shown < s->count && s->cases[s->shown].done)
        suite_tell(s, &s->cases[s->shown++], &none);
    return true;
}

/* A process a case: one that is killed or hangs takes no other with it. */
enum pool_end suite_run(struct suite *s, unsigned workers) {
    assert(workers > 0);
    const struct pool_work work = {.context = s, .next = next, .perform = perform, .done = done};
    return pool_run(&work, workers);
}

bool suite_fine(const struct suite_case *c) {
    return c->done && c->status == EXIT_FINE;
}
