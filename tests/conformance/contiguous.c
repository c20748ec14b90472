/* SPDX-License-Identifier: MIT */
/* Machines aged on purpose and then asked for huge pages, and khugepaged watched as it works: against the captures.
 *
 *     contiguous [KERNEL [PROGRAM [CASE]]]  >  rows.tsv
 *
 *     CAPTURES/pressure2/KERNEL/{frag,khp}/CASE_{a,b}.txt --- "# args", numbers a phase -------------.
 *     contiguous_case.c: the same as a described program, on a machine with the capture's zones ------+--> rows
 *
 * Whatever cases lie there are run: what a case does stands in its "# args" line. A number is right between the two
 * runs of the kernel; of what repeats less well (contiguous_case.h says by how much) the range is wider. khugepaged is
 * right when each sample lies within one of its wakes. */
#include <unistd.h>

#include "conformance.h"
#include "contiguous_case.h"

static enum vmsim__work at_marker(void *context, struct vmsim_scenario *s, const char *name, uint32_t task) {
    contiguous_marker(context, s, name, task);
    return VMSIM__WORK_MORE;
}

static bool run_config(struct contiguous *c, struct vmsim_config *config) {
    struct vmsim_scenario *s;
    if (vmsim_scenario_create(config, &s))
        return conformance_refused(config);
    s->on_marker = at_marker;
    s->on_context = c;
    const bool ok = !vmsim_scenario_run(s, NULL, NULL) && !vmsim_machine_check(s->machine);
    if (!ok)
        fprintf(stderr, "%s/%s: %s %s\n", c->program, c->name, vmsim_scenario_error(s),
                vmsim_machine_error(s->machine));
    vmsim_scenario_destroy(s);
    return ok;
}

static bool run_case(struct contiguous *c) {
    struct vmsim_config *config;
    if (vmsim_config_create(&config))
        return false;
    bool ok = !vmsim_config_load_text(config, c->name, c->text.at, c->text.size) && !vmsim_config_resolve(config);
    ok = ok ? run_config(c, config) : conformance_refused(config);
    vmsim_config_destroy(config);
    return ok;
}

/* One fact of both runs of the kernel and of ours. */
static void print_fact(struct conformance *row, const char *fact, int64_t a, int64_t b, struct slack slack,
                       int64_t got) {
    const int64_t low = a < b ? a : b, high = a < b ? b : a, wide = high * slack.percent / 100 + slack.least;
    if (low == high && !wide)
        conformance_exact(row, fact, (uint64_t)a, (uint64_t)got);
    else
        conformance_range(row, fact, a, low - wide, high + wide, got);
    if (got < low - wide || got > high + wide)
        fprintf(stderr, "  %-40s %-36s kernel %8" PRId64 " %8" PRId64 "  vmsim %8" PRId64 "\n", row->phase, fact, a, b,
                got);
}

static void compare(const struct contiguous *c) {
    char phase[160];
    struct conformance row = {.area = "contiguous", .kernel = c->kernel, .shape = c->shape, .phase = phase};
    for (size_t i = 0; i < c->captured.count; i++) {
        const struct captured_fact *f = &c->captured.at[i];
        int64_t got;
        snprintf(phase, sizeof phase, "%s/%s%s%s", c->program, c->name, *f->phase ? "/" : "", f->phase);
        if (contiguous_got(c, f, &got))
            print_fact(&row, f->name, f->run[0], f->run[1], contiguous_slack(c, f), got);
        else
            conformance_not_modelled(&row, f->name, "-", "the described program has no such phase");
    }
}

static bool ends_with(const char *name, const char *end) {
    const size_t n = strlen(name), k = strlen(end);
    return n > k && !strcmp(name + n - k, end);
}

/* 0, or 1 where the producer itself failed. */
static unsigned run_folder(const char *kernel, const char *program, const char *only) {
    static char names[512][128];
    char folder[4096];
    unsigned broken = 0;
    snprintf(folder, sizeof folder, "%s/pressure2/%.64s/%.64s", conformance_root(), kernel, program);
    const unsigned n = conformance_list(folder, names, 512);
    for (unsigned i = 0; i < n; i++) {
        static struct contiguous c;
        if (!ends_with(names[i], "_a.txt") || !strncmp(names[i], "machine_", 8) || !strncmp(names[i], "boot_", 5))
            continue;
        snprintf(c.name, sizeof c.name, "%.*s", (int)(strlen(names[i]) - 6), names[i]);
        if (only && strcmp(only, c.name) != 0)
            continue;
        if (!contiguous_read(&c, folder, kernel, program))
            continue; /* a run that came to no end */
        const bool ok = run_case(&c);
        if (ok)
            compare(&c);
        broken += !ok;
        contiguous_forget(&c);
        fflush(stdout);
    }
    return broken;
}

int main(int argc, char **argv) {
    static const char *const programs[] = {"frag", "khp"};
    static char kernels[32][128];
    char path[4096];
    unsigned broken = 0;
    if (!conformance_have("pressure2"))
        return 0;
    snprintf(path, sizeof path, "%s/pressure2", conformance_root());
    const unsigned n = conformance_list(path, kernels, 32);
    for (unsigned i = 0; i < n; i++) {
        if (kernels[i][0] < '0' || kernels[i][0] > '9' || (argc > 1 && strcmp(argv[1], kernels[i]) != 0))
            continue;
        for (size_t p = 0; p < sizeof programs / sizeof *programs; p++) {
            struct stat st;
            snprintf(path, sizeof path, "%s/pressure2/%.64s/%s", conformance_root(), kernels[i], programs[p]);
            if (!stat(path, &st) && (argc < 3 || !strcmp(argv[2], programs[p])))
                broken += run_folder(kernels[i], programs[p], argc > 3 ? argv[3] : NULL);
        }
    }
    return broken ? 1 : 0;
}
