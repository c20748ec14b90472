/* SPDX-License-Identifier: MIT */
/* A sweep as a job array of Slurm: the script; sweep_follow.c hands it over. Each element of the array is a shard with
 * a file of its own, since SQLite's write-ahead log is of one host; `vmsim sweep gather` puts them together. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/sweep_follow.h"

static void put_quoted(FILE *out, const char *text) {
    fputc('\'', out);
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    }
    fputc('\'', out);
}

struct array {
    const struct sweep_options *o;
    uint64_t shards, points; /* points of the largest shard */
    struct sweep_cost point;
};

/* The points of a grid differ: twice the memory of the one that was tried for each of those at work, and three times
 * its time for all of a shard. */
static void put_needs(FILE *out, const struct array *a) {
    assert(a->o->jobs > 0 && a->shards > 0);
    fprintf(out,
            "# One point took %" PRIu64 " ms and %" PRIu64 " MiB where this was written.\n#SBATCH --mem=%" PRIu64
            "M\n#SBATCH --time=%" PRIu64 "\n",
            a->point.cpu_us / 1000, a->point.memory_kb / 1024,
            64 + 2 * a->o->jobs * a->point.at_once * a->point.memory_kb / 1024,
            5 + 3 * a->points * a->point.cpu_us / a->o->jobs / 60000000);
}

static void put_script(FILE *out, const struct array *a, const char *program) {
    const struct sweep_options *o = a->o;
    const uint64_t shards = a->shards;
    fprintf(out,
            "#!/bin/bash\n#SBATCH --job-name=vmsim-sweep\n#SBATCH --array=1-%" PRIu64
            "\n#SBATCH --ntasks=1\n#SBATCH --cpus-per-task=%u\n#SBATCH --requeue\n",
            shards, o->jobs);
    if (o->partition)
        fprintf(out, "#SBATCH --partition=%s\n", o->partition);
    put_needs(out, a);
    fputs("# Run again, or requeued after its node died, a shard goes on where its file ends. When all are over:\n"
          "#     vmsim sweep gather ",
          out);
    fprintf(out, "%s %s.*-of-%" PRIu64 "\nexec ", o->output, o->output, shards);
    put_quoted(out, program);
    fprintf(out, " sweep --jobs %u --shard \"$SLURM_ARRAY_TASK_ID/%" PRIu64 "\" --output ", o->jobs, shards);
    put_quoted(out, o->output);
    fprintf(out, ".\"$SLURM_ARRAY_TASK_ID\"-of-%" PRIu64 " -- ", shards);
    put_quoted(out, o->grid);
    fputc('\n', out);
}

int sweep_submit(const struct grid *g, const struct sweep_options *o, const struct sweep_counts *counts,
                 const struct sweep_cost *point) {
    assert(o->shards > 0 && counts->mine > 0);
    char program[4096], script[4096];
    const uint64_t shards = o->shards > counts->mine ? counts->mine : o->shards;
    const struct array a = {o, shards, counts->mine / shards + 1, point ? *point : (struct sweep_cost){0}};
    const ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n < 0 ? 0 : n] = 0;
    if (o->dry_run) {
        put_script(stdout, &a, n < 0 ? "vmsim" : program);
        return EXIT_FINE;
    }
    snprintf(script, sizeof script, "%.4000s.sbatch", o->output);
    if (!point)
        return sweep_follow(g, o, shards, script);
    struct cli_out out;
    FILE *f = cli_out_begin(&out, "sweep", script);
    if (f)
        put_script(f, &a, n < 0 ? "vmsim" : program);
    const int status = cli_out_end(&out, true);
    if (status)
        return status;
    if (!o->quiet)
        printf("%s: %" PRIu64 " points in %" PRIu64 " shards, script %s\n", g->path, counts->mine, shards, script);
    return sweep_follow(g, o, shards, script);
}
