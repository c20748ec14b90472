/* SPDX-License-Identifier: MIT */
/* Advice on memory: MADV_PAGEOUT, COLD and FREE, memory.reclaim, swapoff in use and zswap, against the captures.
 *
 *     advised [KERNEL [CASE]]  >  rows.tsv      what is outside goes to stderr as well
 *
 *     CAPTURES/pressure2/KERNEL/madv/CASE_{a,b}.txt --- "# args", numbers a phase ------.
 *     advised_case.c: the same as a described program, in a cgroup on a machine of ------+--> rows
 *     the capture's size, with swap on a virtio disk
 *
 * Whatever cases lie there are run: what a case does stands in its "# args" line. A number is right between the two
 * runs of the kernel, widened by what two boots differ in (README of the captures). */
#include "conformance.h"

#include "advised_case.h"
#include "config/config.h"

/* What a phase is judged by, and how wide: percent of the larger and at least so many. Others follow from these, or
 * count what the capturing program does itself. */
static const struct judged {
    const char *name;
    int64_t percent, least;
} judged[] = {{"minflt", 5, 16},
              {"majflt", 5, 16},
              {"pages.", 5, 16},
              {"reclaim.result", 0, 0},
              {"reclaim.freed", 5, 131072},
              {"swapoff", 0, 0},
              {"zswap.", 5, 16},
              {"vmstat.pgmajfault", 5, 16},
              {"vmstat.pswpin", 5, 16},
              {"vmstat.pswpout", 10, 32},
              {"vmstat.swap_ra", 5, 16},
              {"vmstat.swap_ra_hit", 5, 16},
              {"vmstat.zswpin", 5, 16},
              {"vmstat.zswpout", 5, 16},
              {"vmstat.pglazyfree", 5, 16},
              {"vmstat.pglazyfreed", 5, 32},
              {"vmstat.pgsteal_anon", 10, 32},
              {"vmstat.pgsteal_file", 10, 32},
              {"vmstat.pgscan_anon", 20, 64},
              {"vmstat.pgscan_file", 20, 64},
              {"vmstat.pgactivate", 20, 64},
              {"vmstat.pgdeactivate", 20, 64},
              {"vmstat.workingset_refault_", 5, 16},
              {"vmstat.workingset_activate_", 20, 64},
              {"vmstat.workingset_restore_", 20, 64},
              {"vmstat.nr_inactive_", 10, 64},
              {"vmstat.nr_active_", 10, 64},
              {"vmstat.nr_anon_pages", 5, 32},
              {"vmstat.nr_mapped", 5, 32},
              {"vmstat.nr_swapcached", 10, 64},
              {"vmstat.nr_vmscan_write", 10, 32},
              {"memory.current", 5, 524288},
              {"memory.peak", 2, 262144},
              {"memory.swap.current", 5, 131072},
              {"memory.events.max", 10, 4},
              {"memory.stat.anon", 5, 262144},
              {"memory.stat.inactive_", 10, 262144},
              {"memory.stat.active_", 10, 262144},
              {"memory.stat.pgscan", 20, 64},
              {"memory.stat.pgsteal", 10, 32},
              {"memory.stat.pgrefill", 20, 64},
              {"memory.stat.pgactivate", 20, 64},
              {"memory.stat.pgdeactivate", 20, 64},
              {"memory.stat.pgmajfault", 5, 16},
              {"memory.stat.pgfault", 5, 128},
              {"memory.stat.pglazyfree", 5, 32},
              {"memory.stat.workingset_refault_", 5, 16},
              {"memory.stat.workingset_activate_", 20, 64},
              {"memory.stat.workingset_restore_", 20, 64},
              {"memory.stat.zswp", 5, 16}};

/* The row that is its name, or with which it begins ("." and "_" at its end). */
static const struct judged *judged_as(const char *name) {
    for (size_t i = 0; i < sizeof judged / sizeof *judged; i++) {
        const size_t n = strlen(judged[i].name);
        const char last = judged[i].name[n - 1];
        if (!strncmp(name, judged[i].name, n) && (!name[n] || last == '.' || last == '_'))
            return &judged[i];
    }
    return NULL;
}

static void print_fact(const struct conformance *row, const struct advised_fact *f, const struct judged *j) {
    const int64_t a = f->run[0], b = f->run[1], low = a < b ? a : b, high = a < b ? b : a;
    const int64_t large = llabs(low) > llabs(high) ? llabs(low) : llabs(high),
                  wide = large * j->percent / 100 + j->least;
    conformance_range(row, f->name, a, low - wide, high + wide, f->got);
    if (f->got < low - wide || f->got > high + wide)
        fprintf(stderr, "  %-8s %-14s %-24s %-36s kernel %9" PRId64 " %9" PRId64 "  vmsim %9" PRId64 "\n", row->kernel,
                strchr(row->phase, '/') + 1, f->phase, f->name, a, b, f->got);
}

static bool phase_captured(const struct advised *c, const char *phase) {
    for (size_t i = 0; i < c->count; i++) {
        if (c->facts[i].captured && !strcmp(c->facts[i].phase, phase))
            return true;
    }
    return false;
}

static void compare(const struct advised *c) {
    char phase[160];
    const struct conformance row = {.area = "advised", .kernel = c->kernel, .shape = c->machine.shape, .phase = phase};
    for (size_t i = 0; i < c->count; i++) {
        const struct advised_fact *f = &c->facts[i];
        const struct judged *j = judged_as(f->name);
        if (!j || (!f->captured && (!f->got || !phase_captured(c, f->phase))))
            continue;
        snprintf(phase, sizeof phase, "madv/%s/%s", c->name, f->phase);
        if (f->have)
            print_fact(&row, f, j);
        else
            conformance_not_modelled(&row, f->name, "-", "no such counter");
    }
}

/* ---- running ---- */

static enum vmsim__work at_marker(void *context, struct vmsim_scenario *s, const char *name, uint32_t task) {
    advised_marker(context, s, name, task);
    return VMSIM__WORK_MORE;
}

static void at_result(void *context, int64_t result) {
    advised_result(context, result);
}

static bool run_config(struct advised *c, struct vmsim_config *config) {
    struct vmsim_scenario *s;
    if (vmsim_scenario_create(config, &s))
        return conformance_refused(config);
    s->on_marker = at_marker;
    s->on_result = at_result;
    s->on_context = c;
    const bool ok = !vmsim_scenario_run(s, NULL, NULL) && !vmsim_machine_check(s->machine);
    if (!ok)
        fprintf(stderr, "%s: %s %s\n", c->name, vmsim_scenario_error(s), vmsim_machine_error(s->machine));
    vmsim_scenario_destroy(s);
    return ok;
}

/* 0, or 1 where the producer itself failed. */
static unsigned run_case(struct advised *c) {
    struct vmsim_config *config;
    if (vmsim_config_create(&config))
        abort();
    bool ok = !vmsim_config_add_search_dir(config, VMSIM_SOURCE_DIR "/machines") &&
              captured_machine_load(&c->machine, config) &&
              !vmsim_config_load_text(config, c->name, c->text.at, c->text.size) && !vmsim_config_resolve(config);
    ok = ok ? run_config(c, config) : conformance_refused(config);
    vmsim_config_destroy(config);
    if (ok)
        compare(c);
    fflush(stdout);
    return !ok;
}

int main(int argc, char **argv) {
    static char kernels[32][128], names[512][128];
    static struct advised c;
    char path[4096], name[128];
    unsigned broken = 0;
    if (!conformance_have("pressure2"))
        return 0;
    snprintf(path, sizeof path, "%s/pressure2", conformance_root());
    const unsigned n = conformance_list(path, kernels, 32);
    for (unsigned i = 0; i < n; i++) {
        if (argc > 1 && strcmp(argv[1], kernels[i]) != 0)
            continue;
        snprintf(path, sizeof path, "%s/pressure2/%.64s/madv", conformance_root(), kernels[i]);
        const unsigned files = conformance_list(path, names, 512);
        for (unsigned f = 0; f < files; f++) {
            if (!conformance_case(names[f], name) || (argc > 2 && strcmp(argv[2], name) != 0) ||
                !advised_read(&c, path, kernels[i], name))
                continue;
            broken += run_case(&c);
            advised_forget(&c);
        }
    }
    return broken ? 1 : 0;
}
