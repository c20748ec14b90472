/* SPDX-License-Identifier: MIT */
/* What came of a suite, for people and for the programs that CI systems read (suite.h).
 *
 *     TAP 13         a line a check, what was wrong as YAML below it
 *     JUnit          a testsuite a file, a testcase a check: GitLab, Jenkins
 *     annotations    ::error file=...,line=...:: GitHub shows them at the line of the scenario */
#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/suite.h"

bool suite_place(const char *text, struct suite_place *place) {
    /* the last ":LINE:COL" before a blank or the end: names of files may hold colons */
    const char *end = strstr(text, ": "), *stop = end ? end : text + strlen(text);
    for (const char *p = text; p < stop; p++) {
        char *rest;
        if (*p != ':')
            continue;
        unsigned long line = strtoul(p + 1, &rest, 10);
        if (rest == p + 1 || *rest != ':')
            continue;
        unsigned long column = strtoul(rest + 1, &rest, 10);
        if (rest != stop || (size_t)(p - text) >= sizeof place->file)
            continue;
        memcpy(place->file, text, (size_t)(p - text));
        assert((size_t)(p - text) < sizeof place->file);
        place->file[p - text] = '\0';
        place->line = (unsigned)line;
        place->column = (unsigned)column;
        return true;
    }
    return false;
}

/* What a case without a text of its own died of. */
static const char *fate(const struct suite_case *c) {
    assert(!c->error_count); /* else that says it */
    return !c->done ? "was not run"
           : c->signal
               ? c->signal == SIGXCPU ? "needed more of the CPU than --timeout" : "the simulator was killed by a signal"
           : c->text ? "failed"
                     : "the simulator ended before it had said what came of it";
}

/* Whether something beside its checks is wrong. */
static bool is_broken(const struct suite_case *c) {
    assert(c->errors || !c->error_count);
    return c->error_count || !c->done || !c->text;
}

static void put_check(FILE *out, const struct suite_check *k) {
    assert(k->what && k->at && k->wanted);
    cli_put(out, k->what, false);
    if (strcmp(k->at, "end") != 0) {
        fputs(" at ", out);
        cli_put(out, k->at, false);
    }
    fputc(' ', out);
    cli_put(out, k->wanted, false);
}

/* ---- GitHub ---- */

/* Values of a workflow command have %, line ends, and in properties colons and commas escaped. */
static void put_escaped(const char *text, bool property) {
    for (; *text; text++) {
        if (*text == '%' || *text == '\n' || *text == '\r' || (property && (*text == ':' || *text == ',')))
            printf("%%%02X", (unsigned)(unsigned char)*text);
        else
            putchar(*text);
    }
}

/* Without a place of its own a message is shown at the scenario's beginning, which is better than nowhere. */
static void annotate(const char *origin, const char *path, const char *title, const char *text) {
    assert(origin && path);
    struct suite_place place;
    bool placed = suite_place(origin, &place);
    fputs("::error file=", stdout);
    put_escaped(placed ? place.file : path, true);
    if (placed)
        printf(",line=%u,col=%u", place.line, place.column);
    fputs(",title=", stdout);
    put_escaped(title, true);
    fputs("::", stdout);
    put_escaped(text, false);
    putchar('\n');
}

static void annotate_case(const struct suite_case *c) {
    for (size_t i = 0; i < c->check_count; i++) {
        const struct suite_check *k = &c->checks[i];
        char text[1024];
        if (k->met)
            continue;
        snprintf(text, sizeof text, "%s at %s is %s, wanted %s%s%s", k->what, k->at, k->value, k->wanted,
                 *k->why ? ": " : "", k->why);
        annotate(k->origin, c->path, "expectation", text);
    }
    for (size_t i = 0; i < c->error_count; i++)
        annotate(c->errors[i], c->path, "scenario", c->errors[i]);
    if (!c->error_count && is_broken(c))
        annotate("", c->path, "scenario", fate(c));
}

/* ---- people ---- */

static size_t failed_checks(const struct suite_case *c) {
    assert(c->checks || !c->check_count);
    size_t n = 0;
    for (size_t i = 0; i < c->check_count; i++)
        n += !c->checks[i].met;
    return n;
}

/* What holds takes one line a scenario; what does not is told with the place to be edited first, as compilers do, so
 * that editors jump there. */
static void tell_text(const struct suite *s, const struct suite_case *c) {
    if (s->quiet && suite_fine(c))
        return;
    printf("%s", suite_fine(c) ? "ok      " : "FAILED  ");
    cli_put(stdout, c->path, false);
    printf("  (%zu of %zu expectations hold)\n", c->check_count - failed_checks(c), c->check_count);
    for (size_t i = 0; i < c->check_count; i++) {
        const struct suite_check *k = &c->checks[i];
        if (k->met)
            continue;
        fputs("        ", stdout);
        cli_put(stdout, k->origin, false);
        fputs(": ", stdout);
        put_check(stdout, k);
        fputs(": it is ", stdout);
        cli_put(stdout, *k->why ? k->why : k->value, false);
        putchar('\n');
    }
    for (size_t i = 0; i < c->error_count; i++) {
        fputs("        ", stdout);
        cli_put(stdout, c->errors[i], false);
        putchar('\n');
    }
    if (!c->error_count && is_broken(c))
        printf("        %s\n", fate(c));
}

/* ---- TAP ---- */

/* A scenario without checks, or one that broke, is a test of its own: a plan whose numbers do not come is a failure in
 * TAP, one without a line would be lost. */
static void tell_tap(const struct suite_case *c, size_t *number) {
    for (size_t i = 0; i < c->check_count; i++) {
        const struct suite_check *k = &c->checks[i];
        printf("%s %zu - ", k->met ? "ok" : "not ok", ++*number);
        cli_put(stdout, c->path, false);
        fputs(": ", stdout);
        put_check(stdout, k);
        if (!k->met) {
            printf("\n  ---\n  at: '");
            cli_put(stdout, k->origin, false);
            fputs("'\n  value: '", stdout);
            cli_put(stdout, *k->why ? k->why : k->value, false);
            fputs("'\n  ...", stdout);
        }
        putchar('\n');
    }
    if (c->check_count && !is_broken(c))
        return;
    printf("%s %zu - ", is_broken(c) ? "not ok" : "ok", ++*number);
    cli_put(stdout, c->path, false);
    putchar('\n');
    for (size_t i = 0; i < c->error_count; i++) {
        fputs("# ", stdout);
        cli_put(stdout, c->errors[i], false);
        putchar('\n');
    }
    if (!c->error_count && is_broken(c))
        printf("# %s\n", fate(c));
}

/* The plan "1..N", which is printed before the first line: counted by the same rule as tell_tap() numbers. */
size_t suite_checks(const struct suite *s) {
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++)
        n += s->cases[i].check_count + (!s->cases[i].check_count || is_broken(&s->cases[i]));
    return n;
}

void suite_tell(const struct suite *s, const struct suite_case *c, size_t *number) {
    assert(!s->tap || number);
    if (s->tap)
        tell_tap(c, number);
    else
        tell_text(s, c);
    if (s->github && !suite_fine(c))
        annotate_case(c);
    fflush(stdout);
}

void suite_summary(const struct suite *s) {
    size_t fine = 0, checks = 0, failed = 0;
    for (size_t i = 0; i < s->count; i++) {
        fine += suite_fine(&s->cases[i]);
        checks += s->cases[i].check_count;
        failed += failed_checks(&s->cases[i]);
        assert(failed <= checks && fine <= i + 1);
    }
    printf("%s%zu scenario%s, %zu of %zu expectations hold: %zu passed, %zu failed\n", s->tap ? "# " : "", s->count,
           s->count == 1 ? "" : "s", checks - failed, checks, fine, s->count - fine);
}

/* ---- JUnit ---- */

/* All five that could end a text or an attribute, as numbers, which need no declaration. */
static void put_xml(FILE *out, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
            fprintf(out, "&#%u;", c);
        else if (c < ' ') /* XML 1.0 has no way to write these */
            fputc('?', out);
        else
            fputc(c, out);
    }
}

static void put_testcase(FILE *out, const struct suite_case *c, const struct suite_check *k) {
    assert(k >= c->checks && k < c->checks + c->check_count);
    struct suite_place place;
    fputs("    <testcase classname=\"", out);
    put_xml(out, c->path);
    fputs("\" name=\"", out);
    put_xml(out, k->what);
    fputs(" ", out);
    put_xml(out, k->wanted);
    fputs(" at ", out);
    put_xml(out, k->at);
    fputs("\"", out);
    if (suite_place(k->origin, &place)) {
        fputs(" file=\"", out);
        put_xml(out, place.file);
        fprintf(out, "\" line=\"%u\"", place.line);
    }
    if (k->met) {
        fputs("/>\n", out);
        return;
    }
    fputs(">\n      <failure message=\"it is ", out);
    put_xml(out, *k->why ? k->why : k->value);
    fputs("\">", out);
    put_xml(out, k->origin);
    fputs("</failure>\n    </testcase>\n", out);
}

/* Failures and errors are different things for those who read JUnit: an expectation that does not hold, and a scenario
 * that could not be judged. */
static void put_suite(FILE *out, const struct suite_case *c) {
    fputs("  <testsuite name=\"", out);
    put_xml(out, c->path);
    fprintf(out, "\" tests=\"%zu\" failures=\"%zu\" errors=\"%d\" time=\"%" PRIu64 ".%06" PRIu64 "\">\n",
            c->check_count + is_broken(c), failed_checks(c), is_broken(c), c->cpu_us / 1000000, c->cpu_us % 1000000);
    for (size_t i = 0; i < c->check_count; i++)
        put_testcase(out, c, &c->checks[i]);
    if (is_broken(c)) {
        fputs("    <testcase classname=\"", out);
        put_xml(out, c->path);
        fputs("\" name=\"the scenario\">\n      <error message=\"", out);
        put_xml(out, c->error_count ? c->errors[0] : fate(c));
        fputs("\">", out);
        for (size_t i = 0; i < c->error_count; i++) {
            put_xml(out, c->errors[i]);
            fputs("\n", out);
        }
        fputs("</error>\n    </testcase>\n", out);
    }
    fputs("  </testsuite>\n", out);
}

void suite_junit(const struct suite *s, FILE *out) {
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"vmsim test\">\n", out);
    for (size_t i = 0; i < s->count; i++)
        put_suite(out, &s->cases[i]);
    fputs("</testsuites>\n", out);
}
