/* SPDX-License-Identifier: MIT */
/* One point of a grid as a run to look at: `vmsim sweep --point N`. A sweep keeps counters of its points and not their
 * run directories, of which there would be millions; the same point gives the same run again, whenever somebody asks.
 *
 *     study.db -> study.runs/17, its run directory, and study.runs/17.html, its page, to which the sweep's report leads
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/sweep.h"
#include "vmsim/report.h"
#include "vmsim/run.h"

char *sweep_runs(const char *results) {
    const char *dot = strrchr(results, '.'), *slash = strrchr(results, '/');
    const size_t length =
        dot && (!slash || dot > slash + 1) && dot > results ? (size_t)(dot - results) : strlen(results);
    char *name;
    return asprintf(&name, "%.*s.runs", (int)length, results) < 0 ? NULL : name;
}

static int write_page(const char *directory) {
    char page[4096];
    struct vmsim_run *run = NULL;
    assert(*directory);
    snprintf(page, sizeof page, "%.4000s.html", directory);
    int err = vmsim_run_open(directory, &run);
    err = err ? err : vmsim_run_save(run, VMSIM_RUN_HTML, page);
    const int status =
        err ? cli_fail(cli_status(err), "sweep", "%s", run ? vmsim_run_error(run) : vmsim_error_text(err)) : EXIT_FINE;
    vmsim_run_close(run);
    if (!status)
        printf("%s\n", page);
    return status;
}

/* As `vmsim run -o`: the place is looked at before, and what was measured is there whatever the expectations say. */
static int run_into(struct vmsim_scenario *s, const char *directory) {
    if (cli_make_parents("sweep", directory))
        return EXIT_USAGE;
    if (vmsim_report_check(s, directory))
        return cli_fail(EXIT_USAGE, "sweep", "%s", vmsim_report_error(s));
    const int err = vmsim_scenario_run(s, NULL, NULL);
    if (err)
        return cli_scenario_failed("sweep", err, vmsim_scenario_error(s));
    const int written = vmsim_report_write(s, directory);
    if (written)
        return cli_fail(cli_status(written), "sweep", "%s", vmsim_report_error(s));
    const int status = write_page(directory);
    return status ? status : vmsim_scenario_failures(s) ? EXIT_EXPECTATION : EXIT_FINE;
}

static int run_config(struct vmsim_config *config, const char *directory) {
    struct vmsim_scenario *s = NULL;
    assert(config && directory);
    if (vmsim_scenario_create(config, &s)) {
        cli_print_errors(config);
        return EXIT_USAGE;
    }
    const int status = run_into(s, directory);
    vmsim_scenario_destroy(s);
    return status;
}

int sweep_point(const struct sweep_options *o, uint64_t point) {
    struct grid g = {0};
    struct vmsim_config *config = NULL;
    if (!*o->output)
        return cli_fail(EXIT_USAGE, "sweep", "the name of the file of results is empty");
    char *runs = sweep_runs(o->output), *directory = NULL;
    int status = grid_read(&g, o->grid);
    if (!status && point >= g.points)
        status = cli_fail(EXIT_USAGE, "sweep", "%s has points 0 to %" PRIu64 ", and no %" PRIu64, o->grid, g.points - 1,
                          point);
    if (!status && (!runs || asprintf(&directory, "%s/%" PRIu64, runs, point) < 0))
        status = cli_fail(EXIT_INTERNAL, "sweep", "no memory");
    if (!status && (status = cli_status(sweep_resolve(&g, point, &config))) && config)
        cli_print_errors(config);
    status = status ? status : run_config(config, directory);
    vmsim_config_destroy(config);
    grid_free(&g);
    free(runs);
    free(directory);
    return status;
}
