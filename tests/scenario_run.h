/* SPDX-License-Identifier: MIT */
/* A scenario out of a text, run to its end, for tests that ask what came of its tasks and counters. */
#ifndef VMSIM_TESTS_SCENARIO_RUN_H
#define VMSIM_TESTS_SCENARIO_RUN_H
#include "helpers.h"

#include "scenario/engine.h"
#include "vmsim/scenario.h"

struct outcome {
    struct vmsim_config *config;
    struct vmsim_scenario *s;
    struct vmsim_machine *m;
};

static inline struct outcome outcome_of(const char *text) {
    struct outcome o;
    assert_int_equal(vmsim_config_create(&o.config), 0);
    assert_int_equal(vmsim_config_load_text(o.config, "test.yaml", text, strlen(text)), 0);
    if (vmsim_config_resolve(o.config) || vmsim_scenario_create(o.config, &o.s))
        fail_msg("%s", vmsim_config_error_text(o.config, 0));
    o.m = vmsim_scenario_machine(o.s);
    return o;
}

/* `verify`: the whole machine is checked each so many slices; 0: never. */
static inline struct outcome run_with(const char *text, uint64_t verify) {
    struct outcome o = outcome_of(text);
    vmsim_scenario_verify(o.s, verify);
    if (vmsim_scenario_run(o.s, NULL, NULL))
        fail_msg("%s", vmsim_scenario_error(o.s));
    return o;
}

/* With contents followed and compared at every load. */
static inline struct outcome run_content(const char *text) {
    struct outcome o = outcome_of(text);
    assert_int_equal(vmsim_machine_verify_content(o.m), 0);
    if (vmsim_scenario_run(o.s, NULL, NULL))
        fail_msg("%s", vmsim_scenario_error(o.s));
    return o;
}

static inline void end(struct outcome *o) {
    if (vmsim_machine_check(o->m))
        fail_msg("%s", vmsim_machine_error(o->m));
    assert_int_equal(vmsim_scenario_destroy(o->s), 0);
    vmsim_config_destroy(o->config);
}

/* A machine without a workload, for who drives it call by call. */
static inline struct vmsim_machine *idle_machine(const char *text) {
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "test.yaml", text, strlen(text)), 0);
    if (vmsim_config_resolve(config) || vmsim_machine_create(config, &m))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    vmsim_config_destroy(config);
    return m;
}

static inline void idle_machine_end(struct vmsim_machine *m) {
    if (vmsim_machine_check(m))
        fail_msg("%s", vmsim_machine_error(m));
    assert_int_equal(vmsim_machine_destroy(m), 0);
}

static inline const struct vmsim__task *task(const struct outcome *o, const char *name) {
    for (size_t i = 0; i < o->m->tasks.count; i++) {
        if (!strcmp(o->m->tasks.at[i]->name, name))
            return o->m->tasks.at[i];
    }
    fail_msg("there is no task '%s'", name);
    return NULL;
}

static inline uint64_t counter(const struct outcome *o, const char *name) {
    size_t id;
    if (vmsim_counter_find(o->m, name, &id))
        fail_msg("%s", vmsim_machine_error(o->m));
    return vmsim_counter_read(o->m, id);
}

/* A figure of a cgroup: "memory.peak". */
static inline uint64_t cgroup_counter(const struct outcome *o, const char *cgroup, const char *name) {
    char full[200];
    snprintf(full, sizeof full, "cgroups.%s.%s", cgroup, name);
    return counter(o, full);
}

/* The counter as a marker kept it. */
static inline uint64_t counter_at(const struct outcome *o, const char *marker, const char *name) {
    size_t id;
    assert_int_equal(vmsim_counter_find(o->m, name, &id), 0);
    for (size_t i = 0; i < o->s->markers.count; i++) {
        if (!strcmp(o->s->markers.at[i].name, marker))
            return o->s->markers.at[i].values[id];
    }
    fail_msg("there is no marker '%s'", marker);
    return 0;
}

#endif
