/* SPDX-License-Identifier: MIT */
/* Markers and expectations: counters as they stood, and whether they are what the scenario wants. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "scenario/engine.h"

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

int vmsim__marker_take(struct vmsim_scenario *s, const char *name, const char *task, uint64_t time) {
    VMSIM__ASSERT(name);
    struct vmsim__marker m = {.name = name, .task = task, .time = time};
    int err = take(s, &m);
    if (err || vmsim__vec_push(s->alloc, &s->markers, m))
        return err;
    vmsim__free(s->alloc, m.values, m.count * sizeof *m.values);
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for a marker");
}

void vmsim__markers_release(struct vmsim_scenario *s) {
    for (size_t i = 0; i < s->markers.count; i++)
        vmsim__free(s->alloc, s->markers.at[i].values, s->markers.at[i].count * sizeof(uint64_t));
    vmsim__vec_fini(s->alloc, &s->markers);
}

/* "= 5", "3 .. 9", ">= 3", "<= 9"; owned by the configuration. In the configuration's memory, as the public struct
 * hands it out. */
static const char *wanted_text(struct vmsim_scenario *s, const struct vmsim__expect_spec *e) {
    char *text = vmsim__config_alloc(s->config, 1, 64);
    if (!text)
        return NULL;
    unsigned long long min = e->min, max = e->max;
    if (e->has_equals)
        snprintf(text, 64, "= %llu", (unsigned long long)e->equals);
    else if (e->has_min && e->has_max)
        snprintf(text, 64, "%llu .. %llu", min, max);
    else
        snprintf(text, 64, e->has_min ? ">= %llu" : "<= %llu", e->has_min ? min : max);
    return text;
}

/* Without equals, min and max everything holds; the declaration refuses that. */
static bool holds(const struct vmsim__expect_spec *e, uint64_t value) {
    return (!e->has_equals || value == e->equals) && (!e->has_min || value >= e->min) &&
           (!e->has_max || value <= e->max);
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

static int check_counter(struct vmsim_scenario *s, const char *name, const char *path) {
    VMSIM__ASSERT(name && path);
    char at[80];
    if (may_exist(s, name))
        return 0;
    snprintf(at, sizeof at, "%s.counter", path);
    return vmsim__config_error(s->config, at, "%s; `vmsim check --counters FILE` lists all",
                               vmsim_machine_error(s->machine));
}

/* All slips are told at once, before anything runs. */
int vmsim__expectations_declare(struct vmsim_scenario *s) {
    const struct vmsim__expect_spec *specs = s->spec->expect.data;
    int result = 0;
    for (size_t i = 0; i < s->spec->expect.count; i++) {
        const struct vmsim__expect_spec *e = &specs[i];
        char path[64];
        snprintf(path, sizeof path, "expect[%zu]", i);
        if (!e->has_equals && !e->has_min && !e->has_max)
            result = vmsim__config_error(s->config, path, "an expectation needs equals, min or max");
        if (e->has_equals && (e->has_min || e->has_max))
            result = vmsim__config_error(s->config, path, "equals goes without min and max");
        int err = check_counter(s, e->counter, path);
        result = err ? err : result;
        struct vmsim_expectation x = {.counter = e->counter,
                                      .at = e->at,
                                      .wanted = wanted_text(s, e),
                                      .origin = vmsim__config_origin(s->config, path)};
        if (!x.wanted || !x.origin || !vmsim__vec_push(s->alloc, &s->expectations, x))
            return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the expectations");
    }
    return result;
}

/* The last one of a name counts: a marker inside a repeat means its last round. */
static const struct vmsim__marker *marker_named(const struct vmsim_scenario *s, const char *name) {
    VMSIM__ASSERT(name);
    for (size_t i = s->markers.count; i-- > 0;) {
        if (!strcmp(s->markers.at[i].name, name))
            return &s->markers.at[i];
    }
    return NULL;
}

/* Looks the value up; a problem is told in x->problem. */
static int settle(struct vmsim_scenario *s, struct vmsim_expectation *x, const struct vmsim__expect_spec *e) {
    VMSIM__ASSERT(x->wanted);
    const struct vmsim__marker *m = x->at ? marker_named(s, x->at) : NULL;
    size_t id = 0;
    if (x->at && !m) {
        x->problem = "no task reached this marker";
        return 0;
    }
    int err = vmsim_counter_find(s->machine, x->counter, &id);
    if (err == VMSIM_ENOMEM)
        return vmsim__err_set(&s->err, err, "no memory for the table of counters");
    if (err) {
        size_t size = strlen(vmsim_machine_error(s->machine)) + 1;
        char *text = vmsim__config_alloc(s->config, 1, size);
        if (!text)
            return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the expectations");
        memcpy(text, vmsim_machine_error(s->machine), size);
        x->problem = text;
        return 0;
    }
    if (m && id >= m->count) {
        x->problem = "the counter did not exist yet at this marker";
        return 0;
    }
    x->value = m ? m->values[id] : vmsim_counter_read(s->machine, id);
    x->met = holds(e, x->value);
    return 0;
}

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
