/* SPDX-License-Identifier: MIT */
/* Markers and expectations: counters as they stood, and whether they are what the scenario wants. */
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "config/config.h"
#include "config/textbuf.h"
#include "scenario/engine.h"

/* A snapshot of all counters: which ones expectations will ask of a marker is not known where it is passed. */
static int take(struct vmsim_scenario *s, struct vmsim__marker *m) {
    size_t any; /* looking for it brings the table of counters up to date */
    if (vmsim_counter_find(s->machine, "vmstat.nr_free_pages", &any))
        return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the table of counters");
    m->count = vmsim_counter_count(s->machine);
    VMSIM__ASSERT(!m->values);
    m->values = vmsim__calloc(s->alloc, m->count, sizeof *m->values);
    if (!m->values)
        return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a snapshot of the counters");
    for (size_t i = 0; i < m->count; i++)
        m->values[i] = vmsim_counter_read(s->machine, i);
    return 0;
}

static void release(struct vmsim_scenario *s, struct vmsim__marker *m) {
    vmsim__free(s->alloc, m->values, m->count * sizeof *m->values);
    vmsim__strfree(s->alloc, m->name);
}

/* A marker may be passed many times (in a repeat); each has its own record, and expectations ask for the last. */
int vmsim__marker_take(struct vmsim_scenario *s, const char *name, const char *task, uint64_t time) {
    VMSIM__ASSERT(name);
    struct vmsim__marker m = {.name = vmsim__strdup(s->alloc, name), .task = task, .time = time};
    int err = m.name ? take(s, &m) : 0;
    if (m.values && vmsim__vec_push(s->alloc, &s->markers, m))
        return 0;
    release(s, &m);
    if (err)
        return err;
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a marker");
}

void vmsim__markers_release(struct vmsim_scenario *s) {
    for (size_t i = 0; i < s->markers.count; i++)
        release(s, &s->markers.at[i]);
    vmsim__vec_fini(s->alloc, &s->markers);
}

/* Is there this counter, or can there be? Tasks bring theirs when they begin, under names that only the run knows; but
 * all bring the same. */
static bool may_exist(struct vmsim_scenario *s, const char *name) {
    VMSIM__ASSERT(name && *name);
    static const char tasks[] = "tasks.";
    size_t id;
    int err = vmsim_counter_find(s->machine, name, &id);
    bool any = false, same = false;
    if (err != VMSIM_ENOENT || strncmp(name, tasks, sizeof tasks - 1) != 0)
        return err != VMSIM_ENOENT;
    for (size_t i = vmsim_counter_count(s->machine); i-- > 0 && !same;) {
        const char *other = vmsim_counter_name(s->machine, i);
        if (strncmp(other, tasks, sizeof tasks - 1) != 0)
            break; /* those of tasks are the last */
        any = true;
        same = !strcmp(strrchr(other, '.'), strrchr(name, '.'));
    }
    return same || !any;
}

/* Checked before the run: a slip in a name should not cost a night's simulation. */
static int check_counter(struct vmsim_scenario *s, const char *name, const char *path, const char *field) {
    VMSIM__ASSERT(name && path && field);
    char at[112];
    if (may_exist(s, name))
        return 0;
    snprintf(at, sizeof at, "%.39s.%.39s", path, field);
    return vmsim__config_error(s->config, at, "%s; `vmsim check --counters FILE` lists all",
                               vmsim_machine_error(s->machine));
}

/* ---- bounds ---- */

/* A bound as it is meant: a number in what the value is counted in, or the counter that has it. */
struct bound {
    const char *counter; /* NULL: the number */
    uint64_t number;
};

/* What the value of an expectation is counted in: a counter's unit, or millionths. */
struct measure {
    const char *unit;
    bool share;
    unsigned page_shift;
};

static struct measure measure_of(const struct vmsim_scenario *s, const struct vmsim__expect_spec *e) {
    const char *first = e->counter ? e->counter : e->sum.count ? ((const char *const *)e->sum.data)[0] : "";
    return (struct measure){vmsim__counter_unit(first), e->of != NULL, s->machine->mem->page_shift};
}

static bool is_unit(const struct measure *m, const char *unit) {
    return !strcmp(m->unit, unit);
}

/* `bytes` or nanoseconds in units of `one`; false: not a whole number of them. */
static bool whole(uint64_t number, uint64_t one, uint64_t *result) {
    *result = number / one;
    return number % one == 0;
}

/* A bound may be written with a unit that the counter's own can express without a rest: 4MiB of a counter in pages, 1ms
 * of one in ns. */
static bool parse_quantity(const struct measure *m, const char *text, uint64_t *number) {
    const char *why;
    if (vmsim__parse_uint(text, number, &why))
        return true;
    if (is_unit(m, "ns") || is_unit(m, "us"))
        return vmsim__parse_time(text, number, &why) && whole(*number, is_unit(m, "us") ? 1000 : 1, number);
    if (!vmsim__parse_size(text, number, &why))
        return false;
    return is_unit(m, "bytes") || (is_unit(m, "kB") && whole(*number, 1024, number)) ||
           (is_unit(m, "pages") && whole(*number, UINT64_C(1) << m->page_shift, number));
}

/* What a bound of such a value may be, for who wrote another. */
static const char *forms(const struct measure *m) {
    return m->share                                  ? "a share, such as 25% or 0.25"
           : is_unit(m, "ns") || is_unit(m, "us")    ? "a number, a time such as 10ms, or a counter"
           : is_unit(m, "pages")                     ? "a number of pages, a size of whole pages, or a counter"
           : is_unit(m, "bytes") || is_unit(m, "kB") ? "a number, a size such as 64MiB, or a counter"
                                                     : "a number or a counter";
}

/* What does not begin with a digit and has a point is the name of a counter, to compare with. */
static bool parse_bound(const struct measure *m, const char *text, struct bound *b) {
    static const struct vmsim_param ratio = {.type = VMSIM_PARAM_RATIO};
    char why[160];
    *b = (struct bound){0};
    if (m->share)
        return vmsim__param_parse(&ratio, text, &b->number, why, sizeof why);
    if ((*text < '0' || *text > '9') && strchr(text, '.')) {
        b->counter = text;
        return true;
    }
    return parse_quantity(m, text, &b->number);
}

static int check_bound(struct vmsim_scenario *s, const struct measure *m, const char *path, const char *field,
                       const char *text) {
    struct bound b;
    char at[112];
    if (!text)
        return 0;
    if (parse_bound(m, text, &b))
        return b.counter ? check_counter(s, b.counter, path, field) : 0;
    snprintf(at, sizeof at, "%s.%s", path, field);
    return vmsim__config_error(s->config, at, "'%s' is no bound here: expected %s", text, forms(m));
}

/* All of an expectation's bounds are judged, so that all that is wrong is told at once. */
static int check_bounds(struct vmsim_scenario *s, const struct vmsim__expect_spec *e, const char *path) {
    const struct measure m = measure_of(s, e);
    struct bound min, max;
    int equals = check_bound(s, &m, path, "equals", e->equals), result = 0;
    int least = check_bound(s, &m, path, "min", e->min), most = check_bound(s, &m, path, "max", e->max);
    if (!e->equals && !e->min && !e->max)
        result = vmsim__config_error(s->config, path, "an expectation needs equals, min or max");
    if (e->equals && (e->min || e->max))
        result = vmsim__config_error(s->config, path, "equals goes without min and max");
    if (e->min && e->max && parse_bound(&m, e->min, &min) && parse_bound(&m, e->max, &max) && !min.counter &&
        !max.counter && min.number > max.number) {
        char at[112];
        snprintf(at, sizeof at, "%s.min", path);
        result = vmsim__config_error(s->config, at, "nothing is at least min and at most max: min is larger");
    }
    return equals ? equals : least ? least : most ? most : result;
}

/* ---- what is expected, in words ---- */

/* In the configuration's memory, as the public struct hands it out. NULL: no memory. */
static const char *keep(struct vmsim_scenario *s, struct vmsim__textbuf *b) {
    char *text = b->failed ? NULL : vmsim__config_alloc(s->config, 1, b->count + 1);
    if (text)
        memcpy(text, vmsim__textbuf_text(b), b->count + 1);
    vmsim__textbuf_fini(b);
    return text;
}

/* "64MiB" where the value is in pages: "16384 (64MiB)". */
static void put_bound(struct vmsim__textbuf *out, const struct measure *m, const char *text) {
    struct bound b;
    char digits[32];
    bool understood = parse_bound(m, text, &b);
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)b.number);
    if (!understood || b.counter || m->share || !strcmp(digits, text))
        vmsim__textbuf_puts(out, text);
    else
        vmsim__textbuf_printf(out, "%s (%s)", digits, text);
}

/* "= 5", "3 .. 9", ">= 3", "<= 9" */
static const char *wanted_text(struct vmsim_scenario *s, const struct vmsim__expect_spec *e) {
    const struct measure m = measure_of(s, e);
    struct vmsim__textbuf out;
    vmsim__textbuf_init(&out, s->alloc);
    const bool both = e->min && e->max;
    const char *first = e->equals ? e->equals : e->min ? e->min : e->max;
    vmsim__textbuf_puts(&out, e->equals ? "= " : both ? "" : e->min ? ">= " : "<= ");
    if (first)
        put_bound(&out, &m, first);
    if (both) {
        vmsim__textbuf_puts(&out, " .. ");
        put_bound(&out, &m, e->max);
    }
    return keep(s, &out);
}

/* "vmstat.pgfault", "a + b", "a / b", "a since filled" */
static const char *value_text(struct vmsim_scenario *s, const struct vmsim__expect_spec *e) {
    struct vmsim__textbuf out;
    vmsim__textbuf_init(&out, s->alloc);
    vmsim__textbuf_puts(&out, e->counter ? e->counter : "");
    for (size_t i = 0; i < e->sum.count; i++)
        vmsim__textbuf_printf(&out, "%s%s", i || e->counter ? " + " : "", ((const char *const *)e->sum.data)[i]);
    if (e->of)
        vmsim__textbuf_printf(&out, " / %s", e->of);
    if (e->since)
        vmsim__textbuf_printf(&out, " since %s", e->since);
    return keep(s, &out);
}

/* ---- before the run ---- */

/* A sum over counters of different units would be a number without meaning. */
static int check_names(struct vmsim_scenario *s, const struct vmsim__expect_spec *e, const char *path) {
    const char *const *sum = e->sum.data;
    char field[32];
    int result = 0;
    if (!e->counter == !e->sum.count)
        result = vmsim__config_error(s->config, path,
                                     "an expectation is of a counter or of a sum of some: give one of both");
    if (e->counter && check_counter(s, e->counter, path, "counter"))
        result = VMSIM_ECONFIG;
    if (e->of && check_counter(s, e->of, path, "of"))
        result = VMSIM_ECONFIG;
    for (size_t i = 0; i < e->sum.count; i++) {
        snprintf(field, sizeof field, "sum[%zu]", i);
        if (check_counter(s, sum[i], path, field))
            result = VMSIM_ECONFIG;
        else if (strcmp(vmsim__counter_unit(sum[i]), vmsim__counter_unit(sum[0])) != 0)
            result = vmsim__config_error(
                s->config, path, "'%s' and '%s' have not the same unit: there is no sum of them", sum[0], sum[i]);
    }
    return result;
}

/* All slips are told at once, before anything runs. */
int vmsim__expectations_declare(struct vmsim_scenario *s) {
    const struct vmsim__expect_spec *specs = s->spec->expect.data;
    int result = 0;
    for (size_t i = 0; i < s->spec->expect.count; i++) {
        const struct vmsim__expect_spec *e = &specs[i];
        char path[64];
        snprintf(path, sizeof path, "expect[%zu]", i);
        int names = check_names(s, e, path), bounds = check_bounds(s, e, path);
        result = names ? names : bounds ? bounds : result;
        struct vmsim_expectation x = {.counter = value_text(s, e),
                                      .at = e->at,
                                      .wanted = wanted_text(s, e),
                                      .share = e->of != NULL,
                                      .origin = vmsim__config_origin(s->config, path)};
        if (!x.counter || !x.wanted || !x.origin || !vmsim__vec_push(s->alloc, &s->expectations, x))
            return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the expectations");
    }
    return result;
}

/* ---- after the run ---- */

/* The last one of a name counts: a marker inside a repeat means its last round. */
static const struct vmsim__marker *marker_named(const struct vmsim_scenario *s, const char *name) {
    VMSIM__ASSERT(name);
    for (size_t i = s->markers.count; i-- > 0;) {
        if (!strcmp(s->markers.at[i].name, name))
            return &s->markers.at[i];
    }
    return NULL;
}

/* When the value of an expectation is looked up. */
struct moment {
    const struct vmsim__marker *at, *since; /* NULL: the end, the beginning */
};

static int no_memory(struct vmsim_scenario *s) {
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the expectations");
}

/* Adds a counter's value to *sum. 0 with x->problem set: there is none. */
static int add_value(struct vmsim_scenario *s, struct vmsim_expectation *x, const struct moment *when, const char *name,
                     uint64_t *sum) {
    size_t id = 0;
    int err = vmsim_counter_find(s->machine, name, &id);
    if (err == VMSIM_ENOMEM)
        return vmsim__err_set(&s->err, err, "no memory for the table of counters");
    if (err) {
        size_t size = strlen(vmsim_machine_error(s->machine)) + 1;
        char *text = vmsim__config_alloc(s->config, 1, size);
        if (!text)
            return no_memory(s);
        x->problem = memcpy(text, vmsim_machine_error(s->machine), size);
        return 0;
    }
    if (when->at && id >= when->at->count) {
        x->problem = "the counter did not exist yet at this marker";
        return 0;
    }
    uint64_t value = when->at ? when->at->values[id] : vmsim_counter_read(s->machine, id);
    uint64_t before = when->since && id < when->since->count ? when->since->values[id] : 0;
    if (value < before)
        x->problem = "it is less than it was: `since` is for what only grows";
    *sum += value - before;
    return 0;
}

/* A counter that does not exist at that moment (a task that never came) is the expectation's problem, told with it, not
 * a bound that is missed. */
static int meets(struct vmsim_scenario *s, struct vmsim_expectation *x, const struct moment *when,
                 const struct measure *m, const char *text, int side) {
    struct bound b;
    if (!text || x->problem)
        return 0;
    bool understood = parse_bound(m, text, &b);
    VMSIM__ASSERT(understood);
    (void)understood;
    int err = b.counter ? add_value(s, x, when, b.counter, &b.number) : 0;
    x->met = x->met && !x->problem &&
             (side < 0 ? x->value >= b.number
              : side   ? x->value <= b.number
                       : x->value == b.number);
    return err;
}

/* The value as a share of another counter, in millionths. */
static int divide(struct vmsim_scenario *s, struct vmsim_expectation *x, const struct moment *when, const char *of) {
    uint64_t whole_of = 0;
    int err = add_value(s, x, when, of, &whole_of);
    if (!err && !x->problem && !whole_of)
        x->problem = "there is no share of nothing: what it is a share of is 0";
    if (!err && !x->problem) {
        const unsigned __int128 share = (unsigned __int128)x->value * 1000000 / whole_of;
        x->value = share > UINT64_MAX ? UINT64_MAX : (uint64_t)share;
    }
    return err;
}

/* Looks the value up; a problem is told in x->problem. */
static int settle(struct vmsim_scenario *s, struct vmsim_expectation *x, const struct vmsim__expect_spec *e) {
    VMSIM__ASSERT(x->wanted);
    const struct measure m = measure_of(s, e);
    const struct moment when = {e->at ? marker_named(s, e->at) : NULL, e->since ? marker_named(s, e->since) : NULL};
    int err = 0;
    if ((e->at && !when.at) || (e->since && !when.since)) {
        x->problem = "no task reached this marker";
        return 0;
    }
    if (s->unfinished && !e->at) {
        x->problem = "the run was stopped before its end";
        return 0;
    }
    x->met = true;
    if (e->counter)
        err = add_value(s, x, &when, e->counter, &x->value);
    for (size_t i = 0; i < e->sum.count && !err && !x->problem; i++)
        err = add_value(s, x, &when, ((const char *const *)e->sum.data)[i], &x->value);
    err = err || x->problem || !e->of ? err : divide(s, x, &when, e->of);
    err = err ? err : meets(s, x, &when, &m, e->equals, 0);
    err = err ? err : meets(s, x, &when, &m, e->min, -1);
    err = err ? err : meets(s, x, &when, &m, e->max, 1);
    x->met = x->met && !x->problem;
    return err;
}

/* After the run, when all markers have been passed. */
int vmsim__expectations_settle(struct vmsim_scenario *s) {
    VMSIM__ASSERT(s->expectations.count <= s->spec->expect.count);
    const struct vmsim__expect_spec *specs = s->spec->expect.data;
    for (size_t i = 0; i < s->expectations.count; i++) {
        int err = settle(s, &s->expectations.at[i], &specs[i]);
        if (err)
            return err;
    }
    return 0;
}

size_t vmsim_scenario_expectations(const struct vmsim_scenario *s) {
    if (!s)
        return 0;
    return s->expectations.count;
}

const struct vmsim_expectation *vmsim_scenario_expectation(const struct vmsim_scenario *s, size_t index) {
    if (!s)
        return NULL;
    return index < s->expectations.count ? &s->expectations.at[index] : NULL;
}

size_t vmsim_scenario_failures(const struct vmsim_scenario *s) {
    if (!s)
        return 0;
    size_t failures = s->failed_steps;
    for (size_t i = 0; i < s->expectations.count; i++)
        failures += !s->expectations.at[i].met;
    return failures;
}

uint64_t vmsim_scenario_differences(const struct vmsim_scenario *s) {
    return s ? vmsim__replay_differences(&s->results) : 0;
}

const char *vmsim_scenario_step_failure(const struct vmsim_scenario *s, size_t index) {
    if (!s)
        return NULL;
    return index < s->failures.count ? s->failures.at[index].text : NULL;
}
