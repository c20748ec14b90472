/* SPDX-License-Identifier: MIT */
/* The one table of knobs: what each row promises is true of a machine, whoever asks. */
#include "scenario_run.h"

#include <ctype.h>

#include "machine/knobs.h"
#include "report/proc.h"

static struct outcome boot(const char *kernel) {
    char text[400];
    snprintf(
        text, sizeof text,
        "machine: {kernel: '%s', nodes: [{memory: 1GiB}]}\nworkload: {tasks: [{name: t, program: [{exit: {}}]}]}\n",
        kernel);
    return run_with(text, 0);
}

static void each_has_one_row_and_a_meaning(void **state) {
    (void)state;
    const struct vmsim__knob *k;
    size_t count = 0;
    for (size_t i = 0; (k = vmsim__machine_knob(i)); i++, count++) {
        if (vmsim__machine_knob_find(k->value.name) != k)
            fail_msg("%s has two rows", k->value.name);
        if (!k->lacks && (!k->value.doc || !*k->value.doc))
            fail_msg("%s has no meaning", k->value.name);
        if (k->lacks && !k->value.fallback)
            fail_msg("%s is shown and has nothing to show", k->value.name);
    }
    assert_true(count > 50);
}

/* A write of what a file shows changes nothing that any file shows. */
static void each_takes_what_it_shows(void **state) {
    (void)state;
    static const char *const kernels[] = {"6.1", "6.12", "6.18"};
    for (size_t i = 0; i < VMSIM__COUNT(kernels); i++) {
        struct outcome o = boot(kernels[i]);
        const struct vmsim__knob *k;
        for (size_t n = 0; (k = vmsim__machine_knob(n)); n++) {
            char before[128], after[128];
            bool shown = vmsim__machine_knob_read(o.m, k, before, sizeof before);
            if (!vmsim__machine_has_knob(o.m, k)) {
                assert_int_equal(vmsim_machine_sysctl(o.m, k->value.name, "1"), VMSIM_ENOENT);
                continue;
            }
            if (!shown)
                continue;
            int rc = vmsim_machine_sysctl(o.m, k->value.name, before);
            if (rc != (k->lacks ? VMSIM_ENOENT : 0))
                fail_msg("%s = %s: %s", k->value.name, before, vmsim_machine_error(o.m));
            if (!strcmp(k->value.name, "vm.dirty_bytes") || !strcmp(k->value.name, "vm.dirty_background_bytes"))
                continue; /* 0 bytes are a limit of 0, as the kernel's last write is */
            assert_true(vmsim__machine_knob_read(o.m, k, after, sizeof after));
            assert_string_equal(after, before);
        }
        end(&o);
    }
}

static void each_keeps_to_its_bounds(void **state) {
    (void)state;
    struct outcome o = boot("6.12");
    const struct vmsim__knob *k;
    for (size_t n = 0; (k = vmsim__machine_knob(n)); n++) {
        char before[128], after[128], beyond[32];
        if (k->lacks || !vmsim__machine_knob_read(o.m, k, before, sizeof before))
            continue;
        assert_int_equal(vmsim_machine_sysctl(o.m, k->value.name, "12xx"), VMSIM_EINVAL);
        assert_non_null(strstr(vmsim_machine_error(o.m), k->value.name));
        if (k->value.max && (k->value.type == VMSIM_PARAM_UINT || k->value.type == VMSIM_PARAM_SIZE)) {
            snprintf(beyond, sizeof beyond, "%llu", (unsigned long long)k->value.max + 1);
            assert_int_equal(vmsim_machine_sysctl(o.m, k->value.name, beyond), VMSIM_EINVAL);
        }
        vmsim__machine_knob_read(o.m, k, after, sizeof after);
        assert_string_equal(after, before);
    }
    end(&o);
}

struct seen {
    struct vmsim_machine *m;
    unsigned files;
};

static int visit(void *context, const char *path, vmsim__proc_render *render, uint32_t arg) {
    struct seen *s = context;
    const struct vmsim__knob *k;
    (void)render, (void)arg;
    for (size_t i = 0; (k = vmsim__machine_knob(i)); i++) {
        char file[96];
        vmsim__knob_file(k, file, sizeof file);
        if (!strcmp(file, path)) {
            s->files++;
            return 0;
        }
    }
    fail_msg("%s is the file of no knob", path);
    return 0;
}

static void a_run_shows_each_of_proc_once(void **state) {
    (void)state;
    struct outcome o = boot("6.1");
    struct seen seen = {.m = o.m};
    unsigned expected = 0;
    const struct vmsim__knob *k;
    for (size_t i = 0; (k = vmsim__machine_knob(i)); i++)
        expected += strchr(k->value.name, '.') && vmsim__machine_has_knob(o.m, k);
    assert_int_equal(vmsim__proc_each_sysctl(o.m, visit, &seen), 0);
    assert_int_equal(seen.files, expected);
    end(&o);
}

static void switches_are_written_as_the_kernel_takes_them(void **state) {
    (void)state;
    struct outcome o = boot("6.1");
    char text[32];
    const struct vmsim__knob *k = vmsim__machine_knob_find("vm.legacy_va_layout");
    assert_int_equal(vmsim_machine_sysctl(o.m, "vm.legacy_va_layout", " 1\n"), 0);
    assert_true(vmsim__machine_knob_read(o.m, k, text, sizeof text));
    assert_string_equal(text, "1");
    assert_int_equal(vmsim_machine_sysctl(o.m, "vm.legacy_va_layout", "false"), 0);
    assert_int_equal(vmsim_machine_sysctl(o.m, "vm.legacy_va_layout", "2"), VMSIM_EINVAL);
    assert_int_equal(vmsim_machine_sysctl(o.m, "transparent_hugepage/defrag", "sometimes"), VMSIM_EINVAL);
    assert_non_null(strstr(vmsim_machine_error(o.m), "defer+madvise"));
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_one_row_and_a_meaning),
        cmocka_unit_test(each_takes_what_it_shows),
        cmocka_unit_test(each_keeps_to_its_bounds),
        cmocka_unit_test(a_run_shows_each_of_proc_once),
        cmocka_unit_test(switches_are_written_as_the_kernel_takes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
