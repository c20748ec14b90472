/* SPDX-License-Identifier: MIT */
/* A run that goes on with the steps of another configuration is what a run of that one is from its beginning; and what
 * has had its effect cannot be exchanged. */
#include "scenario_run.h"

static const char head[] = "machine: {cpus: 2, nodes: [{memory: 64MiB}], devices: [{name: vda}, {name: sw}],\n"
                           "  swap: [{device: sw}]}\n"
                           "workload:\n"
                           "  cgroups: [{path: /g, files: {memory.max: 8MiB}}]\n"
                           "  tasks:\n"
                           "    - name: a\n"
                           "      cgroup: /g\n"
                           "      program:\n"
                           "        - mmap: {as: h, length: 6MiB}\n"
                           "        - repeat: {times: 3, steps: [{touch: {region: h, write: 100%}}]}\n"
                           "        - cgroup_write: {cgroup: /g, file: memory.max, value: 4MiB}\n"
                           "        - touch: {region: h, pattern: uniform, count: 3000}\n"
                           "    - name: b\n"
                           "      cpu: 1\n"
                           "      program:\n"
                           "        - mmap: {as: h, length: 1MiB}\n"
                           "        - sleep: {time: 1ms}\n"
                           "        - touch: {region: h, write: 50%}\n"
                           "        - touch: {region: h, count: 500, pattern: zipf}\n";

static struct vmsim_config *config_with(const char *const *settings) {
    struct vmsim_config *config;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_load_text(config, "test.yaml", head, sizeof head - 1), 0);
    for (; settings && *settings; settings++)
        assert_int_equal(vmsim_config_set(config, *settings), 0);
    if (vmsim_config_resolve(config))
        fail_msg("%s", vmsim_config_error_text(config, 0));
    return config;
}

static struct outcome scenario_with(const char *const *settings) {
    struct outcome o = {.config = config_with(settings)};
    if (vmsim_scenario_create(o.config, &o.s))
        fail_msg("%s", vmsim_config_error_text(o.config, 0));
    o.m = vmsim_scenario_machine(o.s);
    return o;
}

struct exchange {
    struct vmsim_scenario *s;
    struct vmsim_config *config;
    unsigned calls;
    int result;
};

static void at_step(void *context) {
    struct exchange *x = context;
    x->calls++;
    x->result = x->config ? vmsim_scenario_exchange(x->s, x->config) : 0;
}

/* What became of a run that was exchanged for `settings` before a step. */
static struct outcome exchanged(const char *const *settings, size_t task, size_t step, int result) {
    struct outcome o = scenario_with(NULL);
    struct exchange x = {.s = o.s, .config = config_with(settings), .result = -1};
    assert_int_equal(vmsim_scenario_call_at(o.s, task, step, at_step, &x), 0);
    assert_int_equal(vmsim_scenario_run(o.s, NULL, NULL), 0);
    assert_int_equal(x.calls, 1);
    assert_int_equal(x.result, result);
    if (result) {
        end(&o);
        vmsim_config_destroy(x.config);
        return o;
    }
    vmsim_config_destroy(o.config); /* nothing is asked of it any more but steps that are over */
    o.config = x.config;
    return o;
}

static void same_counters(const struct outcome *a, const struct outcome *b) {
    assert_int_equal(vmsim_counter_count(a->m), vmsim_counter_count(b->m));
    for (size_t i = 0; i < vmsim_counter_count(a->m); i++)
        if (vmsim_counter_read(a->m, i) != vmsim_counter_read(b->m, i))
            fail_msg("%s is %llu, in a run from the beginning %llu", vmsim_counter_name(a->m, i),
                     (unsigned long long)vmsim_counter_read(b->m, i), (unsigned long long)vmsim_counter_read(a->m, i));
}

/* Steps that were never there before, values of steps, and steps of the other task, which is in the middle of its own.
 */
static void it_is_the_run_of_the_other(void **state) {
    (void)state;
    static const struct {
        size_t task, step;
        const char *settings[3];
    } cases[] = {
        {0, 3, {"workload.tasks[0].program[3].touch.count=9000"}},
        {0, 2, {"workload.tasks[0].program[2].cgroup_write.value=1MiB", "workload.tasks[a].program[3].touch.count=50"}},
        {0, 2, {"workload.tasks[0].program[2]={sleep: {time: 3ms}}"}},
        {0, 1, {"workload.tasks[0].program[1].repeat.times=7"}},
        {0, 0, {"workload.tasks[0].program[0].mmap.length=3MiB"}},
        {0, 2, {"workload.tasks[0].program[+]={munmap: {region: h}}"}},
        {1, 2, {"workload.tasks[1].program[3].touch.pattern=uniform", "workload.tasks[a].program[3].touch.count=77"}},
        {1, 0, {"workload.tasks[1].program[1].sleep.time=1us"}},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct outcome plain = scenario_with(cases[i].settings);
        assert_int_equal(vmsim_scenario_run(plain.s, NULL, NULL), 0);
        struct outcome o = exchanged(cases[i].settings, cases[i].task, cases[i].step, 0);
        same_counters(&plain, &o);
        end(&o);
        end(&plain);
    }
}

static void what_has_had_its_effect_stays(void **state) {
    (void)state;
    static const struct {
        size_t task, step;
        const char *settings[2];
    } cases[] = {
        {0, 3, {"workload.tasks[0].program[2].cgroup_write.value=1MiB"}}, /* is over */
        {0, 3, {"workload.tasks[0].program[1].repeat.times=2"}},
        {1, 3, {"workload.tasks[0].program[0].mmap.length=7MiB"}}, /* of the other task */
        {0, 0, {"machine.nodes[0].memory=128MiB"}},
        {0, 0, {"workload.cgroups[0].files.memory.max=4MiB"}},
        {0, 0, {"workload.seed=7"}},
        {0, 0, {"workload.tasks[1].start=1ms"}},
        {0, 0, {"workload.tasks[+]={name: c, program: [{sleep: {time: 1ms}}]}"}},
        {0, 0, {"report.interval=1ms"}},
    };
    for (size_t i = 0; i < TEST_COUNT(cases); i++)
        exchanged(cases[i].settings, cases[i].task, cases[i].step, VMSIM_EINVAL);
}

/* What the other is told before it runs: an unknown region, a counter of a task that is not there. */
static void slips_of_the_other_are_told(void **state) {
    (void)state;
    static const char *const slip[] = {"workload.tasks[0].program[3].touch.region=heap", NULL};
    struct outcome o = scenario_with(NULL);
    struct exchange x = {.s = o.s, .config = config_with(slip)};
    assert_int_equal(vmsim_scenario_call_at(o.s, 0, 3, at_step, &x), 0);
    vmsim_scenario_run(o.s, NULL, NULL);
    assert_int_equal(x.result, VMSIM_ECONFIG);
    assert_non_null(strstr(vmsim_config_error_text(x.config, 0), "heap"));
    end(&o);
    vmsim_config_destroy(x.config);
}

static void how_far_two_are_alike(void **state) {
    (void)state;
    static const struct {
        const char *settings[2];
        int result;
        size_t steps[2];
    } cases[] = {
        {{NULL}, 0, {4, 4}},
        {{"workload.tasks[0].program[3].touch.count=1"}, 0, {3, 4}},
        {{"workload.tasks[b].program[1].sleep.time=2ms"}, 0, {4, 1}},
        {{"workload.tasks[a].program=[{sleep: {time: 1ms}}]"}, 0, {0, 4}},
        {{"workload.seed=2"}, VMSIM_EINVAL, {0, 0}},
        {{"machine.cpus=3"}, VMSIM_EINVAL, {0, 0}},
        {{"workload.tasks[+]={name: c, program: [{sleep: {time: 1ms}}]}"}, VMSIM_EINVAL, {0, 0}},
    };
    struct vmsim_config *plain = config_with(NULL);
    size_t steps[2], count;
    for (size_t i = 0; i < TEST_COUNT(cases); i++) {
        struct vmsim_config *other = config_with(cases[i].settings);
        assert_int_equal(vmsim_scenario_alike(plain, other, steps, 2, &count), cases[i].result);
        assert_int_equal(count, cases[i].result ? 0 : 2);
        for (size_t k = 0; k < count; k++)
            assert_int_equal(steps[k], cases[i].steps[k]);
        vmsim_config_destroy(other);
    }
    assert_int_equal(vmsim_scenario_alike(plain, plain, steps, 1, &count), VMSIM_ELIMIT);
    vmsim_config_destroy(plain);
}

static void what_cannot_be_asked_for(void **state) {
    (void)state;
    struct outcome o = scenario_with(NULL);
    struct exchange x = {.s = o.s};
    assert_int_equal(vmsim_scenario_call_at(o.s, 2, 0, at_step, &x), VMSIM_EINVAL);
    assert_int_equal(vmsim_scenario_call_at(o.s, 0, 4, at_step, &x), VMSIM_EINVAL);
    assert_int_equal(vmsim_scenario_exchange(o.s, o.config), VMSIM_EINVAL);
    assert_int_equal(vmsim_scenario_run(o.s, NULL, NULL), 0);
    assert_int_equal(vmsim_scenario_call_at(o.s, 0, 0, at_step, &x), VMSIM_ESTATE);
    assert_int_equal(x.calls, 0);
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_run_of_the_other),  cmocka_unit_test(what_has_had_its_effect_stays),
        cmocka_unit_test(slips_of_the_other_are_told), cmocka_unit_test(how_far_two_are_alike),
        cmocka_unit_test(what_cannot_be_asked_for),
    };
    return cmocka_run_group_tests_name("scenario_exchange", tests, NULL, NULL);
}
