/* SPDX-License-Identifier: MIT */
/* `vmsim curve`: misses of every memory and every TLB, footprint and reuse times of a trace, in one pass.
 *
 * The pass is the library's (vmsim/curve.h), and needs no machine: what is told here holds for any. All sizes come from
 * one pass because LRU has the inclusion property: what hits in a memory hits in every larger one. */
#include <assert.h>
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/curve_plot.h"
#include "vmsim/curve.h"
#include "vmsim/trace.h"

/* Rows of a table that a person still reads; the curve itself has a point for every size. */
#define SIZES_MAX 256u

struct curve_options {
    const char *trace, *plot;
    struct vmsim_curve_options pass;
    enum vmsim_curve_format format;
    uint64_t sizes[SIZES_MAX];
    size_t size_count;
};

static const struct argp_option options[] = {
    {"page-size", 'p', "SIZE", 0, "Pages of this size (4KiB); repeat for several in one pass", 0},
    {"kind", 'k', "KIND", 0, "Only these references: data, fetch, load, store or rmw; repeat to add", 0},
    {"per-task", 't', NULL, 0, "Each task alone as well as all together", 0},
    {"size", 'm', "SIZE", 0, "Misses of a memory of this size; repeat (default: a row a doubling, a page to all)", 0},
    {"sets", 'e', "SETS", 0, "TLBs of up to this many sets, a power of two up to 4096 (1024)", 0},
    {"sample", 's', "SHARE", 0, "Keep this share of all pages and estimate: 1%, 0.01", 0},
    {"limit", 'n', "COUNT", 0, "Stop after COUNT references", 0},
    {"format", 'F', "FORMAT", 0, "text (default), csv or json", 0},
    {"plot", 'o', "FILE", 0, "The curves as SVG, of at most eight tasks and page sizes", 0},
    {0}};

/* Kinds add up over several --kind, so that "fetch" and "store" together can be asked for; none at all is all. */
static uint32_t parse_kind(struct argp_state *state, const char *arg) {
    static const struct {
        const char *name;
        uint32_t mask;
    } kinds[] = {{"data", 1u << VMSIM_LOAD | 1u << VMSIM_STORE | 1u << VMSIM_RMW},
                 {"fetch", 1u << VMSIM_FETCH},
                 {"load", 1u << VMSIM_LOAD},
                 {"store", 1u << VMSIM_STORE},
                 {"rmw", 1u << VMSIM_RMW}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!strcmp(arg, kinds[i].name))
            return kinds[i].mask;
    }
    argp_error(state, "unknown kind '%s' (data, fetch, load, store or rmw)", arg);
    return 0;
}

static enum vmsim_curve_format parse_format(struct argp_state *state, const char *arg) {
    static const char *const names[] = {"text", "csv", "json"};
    for (int i = 0; i < 3; i++) {
        if (!strcmp(arg, names[i]))
            return (enum vmsim_curve_format)i;
    }
    argp_error(state, "unknown format '%s' (text, csv or json)", arg);
    return VMSIM_CURVE_TEXT;
}

/* A page size costs a pass of its own over the stack distances, in the same reading of the trace; the library takes a
 * fixed few. */
static void add_page_size(struct argp_state *state, struct vmsim_curve_options *pass, const char *arg) {
    assert(pass->page_size_count <= VMSIM_CURVE_PAGE_SIZES);
    uint64_t size = cli_size(state, arg);
    if (size < 4096 || size & (size - 1))
        argp_error(state, "'%s' is not a page size: a power of two from 4KiB on", arg);
    if (pass->page_size_count == VMSIM_CURVE_PAGE_SIZES)
        argp_error(state, "more than %d page sizes", VMSIM_CURVE_PAGE_SIZES);
    pass->page_sizes[pass->page_size_count++] = size;
}

/* Sets are chosen by the lowest bits of the page number, as hardware does: a power of two, or there is no such TLB. */
static void set_sets(struct argp_state *state, struct vmsim_curve_options *pass, const char *arg) {
    pass->sets = (uint32_t)cli_number(state, arg, VMSIM_CURVE_SETS);
    if (!pass->sets || pass->sets & (pass->sets - 1))
        argp_error(state, "'%s' sets: not a power of two from 1 to %d", arg, VMSIM_CURVE_SETS);
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct curve_options *o = state->input;
    switch (key) {
    case 'p':
        add_page_size(state, &o->pass, arg);
        return 0;
    case 'k':
        o->pass.kinds |= parse_kind(state, arg);
        return 0;
    case 't':
        o->pass.per_task = true;
        return 0;
    case 'm':
        if (o->size_count == SIZES_MAX)
            argp_error(state, "more than %u sizes", SIZES_MAX);
        assert(o->size_count < SIZES_MAX);
        o->sizes[o->size_count++] = cli_size(state, arg);
        return 0;
    case 'e':
        set_sets(state, &o->pass, arg);
        return 0;
    case 's':
        o->pass.sample = (uint32_t)cli_share(state, arg);
        return 0;
    case 'n':
        o->pass.limit = cli_number(state, arg, UINT64_MAX);
        return 0;
    case 'o':
        o->plot = arg;
        return 0;
    case 'F':
        o->format = parse_format(state, arg);
        return 0;
    case ARGP_KEY_ARG:
        if (o->trace)
            argp_error(state, "one trace at a time");
        o->trace = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no trace given");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Of a trace whose writer was stopped there are curves, too, but not those of the program. */
static void tell_if_cut(const char *path) {
    struct vmsim_trace_reader *reader;
    const int err = vmsim_trace_open(path, 0, &reader);
    if (!err && !vmsim_trace_get_info(reader)->complete)
        cli_note("curve",
                 "warning: %s: the trace has no end: its writer was stopped; these are the curves of what is there",
                 path);
    vmsim_trace_close(reader);
}

/* The picture comes after the text: who plots wants the numbers, too, and a picture that cannot be written loses
 * nothing. */
static int plot(struct vmsim_curve *c, const char *path) {
    struct cli_out out;
    FILE *f = cli_out_begin(&out, "curve", path);
    if (f)
        curve_plot(f, c);
    return cli_out_end(&out, true);
}

static int show(struct vmsim_curve *c, const struct curve_options *o) {
    assert(o->trace && o->size_count <= SIZES_MAX);
    const char *text;
    size_t size;
    int err = vmsim_curve_trace(c, o->trace);
    err = err ? err : vmsim_curve_render(c, o->format, o->sizes, o->size_count, &text, &size);
    if (err)
        return cli_fail(cli_status(err), "curve", "%s", vmsim_curve_error(c));
    tell_if_cut(o->trace);
    int status = cli_print("curve", text, size);
    vmsim_curve_free_text(c, text);
    return status || !o->plot ? status : plot(c, o->plot);
}

int cmd_curve(int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse_option,
        "TRACE",
        "What a trace says of every memory and every TLB at once, in one pass and without a machine.\v"
        "Misses by size of memory: of one that evicts the page used least recently; first touches are misses, too. "
        "Misses by sets and ways of a TLB: likewise within each set, entries tagged by address space. Windows: "
        "distinct "
        "pages in the average window of so many touches (footprint), among the last so many (working set), and touches "
        "whose page was touched so long ago, at most. They bound and check what `vmsim run` finds; no kernel is in "
        "them."
        "\n\n"
        "Examples:\n  vmsim curve sort.vmt\n  vmsim curve --kind data -p 4KiB -p 2MiB sort.vmt\n"
        "  vmsim curve -m 16MiB -m 64MiB --per-task make.vmt\n"
        "  vmsim curve --sample 1% --format csv huge.vmt > huge.csv\n"
        "  vmsim curve --plot sort.svg sort.vmt",
        NULL,
        NULL,
        NULL};
    struct curve_options o = {.pass = {.size = sizeof o.pass}};
    struct vmsim_curve *c;
    if (cli_parse(&argp, argc, argv, 0, &o))
        return EXIT_USAGE;
    int err = vmsim_curve_create(&o.pass, &c);
    if (err)
        return cli_fail(cli_status(err), "curve", "%s", vmsim_error_text(err));
    int status = show(c, &o);
    vmsim_curve_destroy(c);
    return status;
}
