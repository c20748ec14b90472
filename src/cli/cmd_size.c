/* SPDX-License-Identifier: MIT */
/* `vmsim size`: how small can the memory limit of a recorded program be? Runs it in a cgroup without a limit, then with
 * limits from above its peak to far below (size.h), side by side in processes of their own. */
#include <assert.h>
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/outcome.h"
#include "cli/pool.h"
#include "cli/size.h"

#define PAGE UINT64_C(4096)
#define PAGES_LEAST 32u /* of a peak, that the smallest limit be one */

enum size_format { FORMAT_TEXT, FORMAT_CSV, FORMAT_JSON };

/* The study first, then what its machine is to be like; `sets` are made once, as every run takes the same two lines:
 * its policy and its limit. */
struct size_options {
    struct cli_input in;
    struct size_study study;
    unsigned from, to, step, jobs;
    enum size_format format;
    const char *plot, *swap_device;
    uint64_t swap;
    bool no_swap, cached;
    char sets[SIZE_POLICIES][256]; /* what makes a machine have the policy */
};

enum { OPTION_FROM = 256, OPTION_TO, OPTION_STEP, OPTION_SWAP, OPTION_SWAP_DEVICE, OPTION_CACHED };

static const struct argp_option options[] = {
    {"policy", 'p', "POLICY", 0,
     "Policy of domain reclaim; repeat for several (default: linux-lru, linux-mglru and opt)", 0},
    {"largest", OPTION_FROM, "PERCENT", 0, "Largest limit in percent of the peak (120)", 0},
    {"smallest", OPTION_TO, "PERCENT", 0, "Smallest (25)", 0},
    {"step", OPTION_STEP, "PERCENT", 0, "From one limit to the next (5)", 0},
    {"tolerance", 't', "PERCENT", 0, "How much longer than without a limit is still fine (5)", 0},
    {"swap", OPTION_SWAP, "SIZE", 0, "Swap of a machine that has none (4GiB); `none` for no swap", 0},
    {"device", OPTION_SWAP_DEVICE, "PRESET", 0,
     "Device of that swap (nvme), and of files on a machine that describes no devices", 0},
    {"cached", OPTION_CACHED, NULL, 0, "The program's files are in the page cache already, and nobody pays for them",
     0},
    {"jobs", 'j', "COUNT", 0, "Runs at a time (as many as there are CPUs)", 0},
    {"format", 'F', "FORMAT", 0, "text (default), csv or json", 0},
    {"plot", 'o', "FILE.svg", 0, "Draw the curves, too", 0},
    {"set", 's', "KEY=VALUE", 0, "Override one value: machine.nodes[0].memory=16GiB", 0},
    {"directory", 'I', "DIR", 0, "Look for presets and traces in DIR, too", 0},
    {0}};

/* Names are looked up later, when there is a machine that may have a plugin with them. */
static void add_policy(struct argp_state *state, struct size_study *s, const char *name) {
    assert(s->policy_count <= SIZE_POLICIES);
    if (s->policy_count == SIZE_POLICIES)
        argp_error(state, "more than %u policies", SIZE_POLICIES);
    s->policies[s->policy_count++] = name;
}

static enum size_format parse_format(struct argp_state *state, const char *arg) {
    static const char *const names[] = {"text", "csv", "json"};
    for (int i = 0; i < 3; i++) {
        if (!strcmp(arg, names[i]))
            return (enum size_format)i;
    }
    argp_error(state, "unknown format '%s' (text, csv or json)", arg);
    return FORMAT_TEXT;
}

static void check_options(struct argp_state *state, struct size_options *o) {
    assert(o->step && o->from && o->to); /* percent() took none of 0 */
    size_t traces = 0;
    if (!o->in.file_count)
        argp_error(state, "no trace given");
    for (size_t i = 0; i < o->in.file_count; i++)
        traces += cli_is_trace(o->in.files[i]);
    if (!traces)
        argp_error(state, "no trace among the files: the limit is that of recorded programs (.vmt)");
    if (o->to > o->from)
        argp_error(state, "--smallest %u is above --largest %u", o->to, o->from);
    if ((o->from - o->to) / o->step >= SIZE_STEPS)
        argp_error(state, "more than %u limits", SIZE_STEPS);
    o->study.step_count = (o->from - o->to) / o->step + 1;
}

static unsigned percent(struct argp_state *state, const char *arg, unsigned max) {
    assert(max > 0);
    const unsigned n = (unsigned)cli_number(state, arg, max);
    if (!n)
        argp_error(state, "0 percent is no limit");
    return n;
}

/* What the study is about stands in a table of its own, so that neither function outgrows a page. */
static error_t parse_study(int key, char *arg, struct argp_state *state) {
    struct size_options *o = state->input;
    switch (key) {
    case OPTION_FROM:
        o->from = percent(state, arg, 1000);
        return 0;
    case OPTION_TO:
        o->to = percent(state, arg, 1000);
        return 0;
    case OPTION_STEP:
        o->step = percent(state, arg, 1000);
        return 0;
    case 't':
        o->study.tolerance = (unsigned)cli_number(state, arg, 1000);
        return 0;
    case OPTION_SWAP:
        o->no_swap = !strcmp(arg, "none");
        o->swap = o->no_swap ? 0 : cli_size(state, arg);
        if (!o->no_swap && o->swap < 16 * PAGE)
            argp_error(state, "'%s' of swap is too little: 64KiB or more, or `none`", arg);
        return 0;
    case OPTION_SWAP_DEVICE:
        o->swap_device = arg;
        return 0;
    case OPTION_CACHED:
        o->cached = true;
        return 0;
    case 'p':
        add_policy(state, &o->study, arg);
        return 0;
    default:
        return cli_input_option(&o->in, key, arg);
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct size_options *o = state->input;
    switch (key) {
    case 'j':
        o->jobs = (unsigned)cli_number(state, arg, POOL_WORKERS);
        if (!o->jobs)
            argp_error(state, "0 runs at a time come to no end");
        return 0;
    case 'F':
        o->format = parse_format(state, arg);
        return 0;
    case 'o':
        o->plot = arg;
        return 0;
    case ARGP_KEY_END:
        check_options(state, o);
        return 0;
    default:
        return parse_study(key, arg, state);
    }
}

/* ---- the machine ---- */

/* Whether a machine lacks a list ("devices", "swap"): the resolved configuration says so in a line. */
static bool lacks(const char *resolved, const char *list) {
    assert(resolved && *list);
    char line[64];
    snprintf(line, sizeof line, "\n  %s: []\n", list);
    return strstr(resolved, line) != NULL;
}

/* A path "[+]" appends: the user's own devices and cgroups stay as they are. */
static int set_all(struct vmsim_config *config, char *const *sets, size_t count) {
    int err = 0;
    for (size_t i = 0; !err && i < count; i++)
        err = vmsim_config_set(config, sets[i]);
    return err;
}

/* Files first: a regular file lies on the machine's first device. */
static int add_swap(struct vmsim_config *config, const struct size_options *o, const char *resolved) {
    assert(o->swap_device);
    char device[256], swap[256];
    char files[256];
    snprintf(files, sizeof files, "machine.devices[+]={name: vda, preset: %.100s}", o->swap_device);
    snprintf(device, sizeof device, "machine.devices[+]={name: size-swap, preset: %.100s, size: %" PRIu64 "}",
             o->swap_device, o->swap);
    snprintf(swap, sizeof swap, "machine.swap[+]={device: size-swap}");
    char *const sets[] = {files, device, swap};
    const size_t skip = lacks(resolved, "devices") ? 0 : 1;
    if (o->no_swap || !lacks(resolved, "swap"))
        return skip ? 0 : set_all(config, sets, 1);
    return set_all(config, sets + skip, 3 - skip);
}

/* What the kernel's own mechanism does when nobody chooses. */
#define LINUX_LRU "linux-lru"

/* Whether a machine of these files can be with an override. */
static bool takes(const struct size_options *o, const char *set) {
    struct vmsim_config *config;
    struct vmsim_scenario *scenario = NULL;
    if (cli_read(&o->in, &config))
        return false;
    const bool good = !vmsim_config_set(config, "workload.cgroups[+]={path: /size}") &&
                      !vmsim_config_set(config, set) && !vmsim_config_resolve(config) &&
                      !vmsim_scenario_create(config, &scenario);
    vmsim_scenario_destroy(scenario);
    vmsim_config_destroy(config);
    return good;
}

/* False: this machine knows it not. */
static bool choose_policy(struct size_options *o, size_t i, const char *name) {
    assert(i < SIZE_POLICIES && name);
    snprintf(o->sets[i], sizeof o->sets[i], "policies.reclaim=%.200s", name);
    return takes(o, o->sets[i]);
}

/* Of the defaults those are left out that this machine cannot have (mglru of an old kernel, say); what was asked for by
 * name has to be there. */
static int choose_policies(struct size_options *o) {
    static const char *const defaults[] = {"linux-lru", "linux-mglru", "opt"};
    struct size_study *s = &o->study;
    const size_t asked = s->policy_count;
    for (size_t i = 0; !asked && i < sizeof defaults / sizeof *defaults; i++) {
        if (choose_policy(o, s->policy_count, defaults[i]))
            s->policies[s->policy_count++] = defaults[i];
    }
    for (size_t i = 0; i < asked; i++) {
        if (!choose_policy(o, i, s->policies[i]))
            return cli_fail(EXIT_USAGE, "size",
                            "no machine can have '%s' as its policy of reclaim: `vmsim policy list`", s->policies[i]);
    }
    return EXIT_FINE;
}

/* What all runs share, read but not resolved: each adds its limit and its policy. */
static int make_base(struct size_options *o, struct vmsim_config **base) {
    assert(o->in.file_count > 0 && !*base);
    struct vmsim_config *trial;
    const char *resolved;
    o->in.task = o->cached ? ", cgroup: /size" : ", cgroup: /size, cached: false";
    int status = cli_read(&o->in, &trial);
    if (status)
        return status;
    int err = vmsim_config_set(trial, "workload.cgroups[+]={path: /size}");
    err = err ? err : vmsim_config_resolve(trial);
    err = err ? err : vmsim_config_dump(trial, 0, &resolved, NULL);
    if (err)
        cli_print_errors(trial);
    status = err ? cli_status(err) : cli_read(&o->in, base);
    if (!status && (err = add_swap(*base, o, resolved)))
        status = cli_fail(cli_status(err), "size", "%s", vmsim_error_text(err));
    vmsim_config_destroy(trial);
    return status;
}

/* ---- runs ---- */

struct runs {
    struct size_options *o;
    struct vmsim_config *base;
    struct size_point *points; /* the unlimited one, or all others */
    size_t count, begun, over;
    int error;
};

/* The pool asks in its own process, one after another: no lock is needed. */
static bool next_run(void *context, size_t *job) {
    struct runs *r = context;
    *job = r->begun;
    return r->begun++ < r->count;
}

/* In a process of its own, forked where the files had been read and the traces' places were known: all runs share those
 * pages of the host. */
static void perform_run(void *context, size_t job, FILE *out) {
    struct runs *r = context;
    const struct size_study *s = &r->o->study;
    const struct size_point *p = &r->points[job];
    const size_t policy = p == &s->unlimited ? 0 : job / s->step_count;
    assert(job < r->count && policy < SIZE_POLICIES && *r->o->sets[policy]);
    char limit[128];
    const char *patterns[SIZE_COLUMNS], *sets[] = {limit, r->o->sets[policy]};
    for (unsigned i = 0; i < SIZE_COLUMNS; i++)
        patterns[i] = size_column_counter((enum size_column)i);
    if (p->limit == UINT64_MAX)
        snprintf(limit, sizeof limit, "workload.cgroups[+]={path: /size}");
    else
        snprintf(limit, sizeof limit, "workload.cgroups[+]={path: /size, files: {memory.max: %" PRIu64 "}}", p->limit);
    outcome_perform(r->base, sets, 2, patterns, SIZE_COLUMNS, out);
}

/* A run that ended in an expectation that does not hold is a result like any other: the study asks how long it took. */
static void take_outcome(struct size_point *p, const struct pool_result *result) {
    struct outcome o;
    if (!result->text || !outcome_parse(&o, result->text, result->size)) {
        p->failed = true;
        if (asprintf(&p->message, "the run was ended from outside (signal %d)", result->signal) < 0)
            p->message = NULL;
        return;
    }
    p->failed = o.status > EXIT_EXPECTATION;
    p->message = strdup(o.message);
    for (unsigned i = 0; i < SIZE_COLUMNS; i++)
        p->value[i] = outcome_value(&o, size_column_counter((enum size_column)i));
    outcome_free(&o);
}

/* One line that is written over, on terminals alone: a log of CI gets the table and nothing else. */
static bool run_done(void *context, size_t job, const struct pool_result *result) {
    assert(job < ((struct runs *)context)->count);
    struct runs *r = context;
    take_outcome(&r->points[job], result);
    r->over++;
    assert(r->over <= r->begun);
    if (isatty(STDERR_FILENO) && r->count > 1)
        fprintf(stderr, "\r\033[K%zu of %zu runs%s", r->over, r->count, r->over == r->count ? "\r\033[K" : "");
    return true;
}

static int run_points(struct runs *r) {
    const struct pool_work work = {.context = r, .next = next_run, .perform = perform_run, .done = run_done};
    switch (pool_run(&work, r->o->jobs)) {
    case POOL_INTERRUPTED:
        return cli_fail(EXIT_USAGE, "size", "interrupted");
    case POOL_FAILED:
        return cli_fail(EXIT_INTERNAL, "size", "%s", strerror(errno));
    default:
        return EXIT_FINE;
    }
}

/* First and alone, since the limits are percentages of its peak. A peak of few pages would make neighbouring limits the
 * same; swapping without a limit would make the machine, not the program, what is measured. */
static int run_unlimited(struct size_options *o, struct vmsim_config *base) {
    assert(!o->study.points && !o->study.unlimited.failed);
    struct size_study *s = &o->study;
    struct runs r = {.o = o, .base = base, .points = &s->unlimited, .count = 1};
    s->unlimited.limit = UINT64_MAX;
    const int status = run_points(&r);
    if (status)
        return status;
    if (s->unlimited.failed)
        return cli_scenario_failed("size", VMSIM_EINVAL, s->unlimited.message ? s->unlimited.message : "");
    if (s->unlimited.value[SIZE_PEAK] < PAGES_LEAST * PAGE)
        return cli_fail(EXIT_USAGE, "size",
                        "a peak of %" PRIu64 " KiB is too small to be limited: see what becomes of "
                        "the program with `vmsim run`",
                        s->unlimited.value[SIZE_PEAK] / 1024);
    if (!size_point_whole(&s->unlimited) || s->unlimited.value[SIZE_SWPOUT])
        cli_note("size", "warning: the machine is too small for the program even without a limit; give it more "
                         "(--set machine.nodes[0].memory=16GiB)");
    return EXIT_FINE;
}

/* Limits are whole pages of the peak, rounded down, as the kernel rounds what is written to memory.max. */
static int run_limited(struct size_options *o, struct vmsim_config *base) {
    struct size_study *s = &o->study;
    const size_t count = s->policy_count * s->step_count;
    assert(s->step_count <= SIZE_STEPS && !s->points);
    struct runs r = {.o = o, .base = base, .count = count};
    s->points = r.points = calloc(count, sizeof *s->points);
    if (!s->points)
        return cli_fail(EXIT_INTERNAL, "size", "%s", strerror(errno));
    for (size_t i = 0; i < count; i++) {
        struct size_point *p = &s->points[i];
        p->percent = o->from - (unsigned)(i % s->step_count) * o->step;
        p->limit = s->unlimited.value[SIZE_PEAK] / PAGE * p->percent / 100 * PAGE;
    }
    return run_points(&r);
}

/* ---- telling ---- */

static int draw(const struct size_options *o) {
    assert(o->plot && o->study.points);
    struct cli_out out;
    FILE *f = cli_out_begin(&out, "size", o->plot);
    if (f)
        size_print_svg(f, &o->study);
    return cli_out_end(&out, true);
}

/* What could be measured is printed even if some run failed: the message about it comes behind the table that it has a
 * row in. */
static int tell(const struct size_options *o) {
    assert(o->format <= FORMAT_JSON);
    static void (*const print[])(FILE *, const struct size_study *) = {size_print_text, size_print_csv,
                                                                       size_print_json};
    print[o->format](stdout, &o->study);
    for (size_t i = 0; i < o->study.policy_count * o->study.step_count; i++) {
        const struct size_point *p = &o->study.points[i];
        if (p->failed)
            return cli_fail(EXIT_INTERNAL, "size", "with %u %%: %s", p->percent, p->message ? p->message : "");
    }
    return o->plot ? draw(o) : EXIT_FINE;
}

static void free_options(struct size_options *o) {
    for (size_t i = 0; o->study.points && i < o->study.policy_count * o->study.step_count; i++)
        free(o->study.points[i].message);
    free(o->study.unlimited.message);
    free(o->study.points);
    cli_input_free(&o->in);
}

static int run_size(struct size_options *o) {
    struct vmsim_config *base = NULL;
    int status = make_base(o, &base);
    status = status ? status : choose_policies(o);
    status = status ? status : run_unlimited(o, base);
    status = status ? status : run_limited(o, base);
    status = status ? status : tell(o);
    vmsim_config_destroy(base);
    return status;
}

int cmd_size(int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse_option,
        "TRACE... [MACHINE.yaml]",
        "How small can the memory limit of a recorded program be?\vReplays the program in a cgroup: without a limit, "
        "then with memory.max from 120 % to 25 % of its peak, and tells for each limit how much longer it takes, its "
        "major faults, refaults, swap, and the share of its time that it is stalled (PSI). Several traces run together "
        "in the cgroup. Files are read from their device unless --cached. Without a machine it is an x86-64 PC with "
        "4 GiB and an NVMe drive, of which 4 GiB are swap.\n\n"
        "The recommended limit is the smallest tested at which, as at all larger ones, the program ends and takes at "
        "most the tolerance longer.\n\n"
        "Examples:\n  vmsim size sort.vmt\n  vmsim size -o sort.svg --step 2 sort.vmt box.yaml\n"
        "  vmsim size --swap none --tolerance 20 make.vmt\n  vmsim size --format csv sqlite3.vmt > sqlite3.csv",
        NULL,
        NULL,
        NULL};
    struct size_options o = {.from = 120, .to = 25, .step = 5, .jobs = pool_cpus(), .swap_device = "nvme"};
    o.swap = UINT64_C(4) << 30;
    o.study.tolerance = 5;
    if (cli_parse(&argp, argc, argv, 0, &o))
        return EXIT_USAGE;
    const int status = run_size(&o);
    free_options(&o);
    return status;
}
