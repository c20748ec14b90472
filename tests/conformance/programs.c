/* SPDX-License-Identifier: MIT */
/* Real programs: each run by this host's kernel, recorded once, and replayed on a simulated machine; the figures of
 * both side by side.
 *
 *     programs [--strict] [--table FILE] NAME...|smoke|all  >  rows.tsv
 *                                     --strict: fails on a figure outside without a named cause, or a program that
 *                                     ends or prints otherwise; --table: for people, worst first
 *     programs --times FILE NAME...|smoke|all > rows.tsv      what they take of the CPU, natively and simulated
 *     VMSIM_PROGRAMS=1 programs       all; without it nothing is done, since the figures are this host's
 *     programs [--strict] --random COUNT[:SEED[:CALLS]] calls of chance (tests/recorded/recorded_random.c), to
 *                                     the last page
 *     programs -- /usr/bin/tar cf - /etc    any other program, in a folder with the same inputs
 *
 *     inputs made here --> native runs (THP never, always) -------------------.
 *                     \--> vmsim record --> trace --> replay (never, always) --+--> a row a figure
 *
 * The native run is repeated after all files were read, so that they are in the page cache, as the replay has them, and
 * khugepaged sleeps meanwhile, as it does in the first seconds of a replay. Figures must lie within 2 % of what
 * repeated native runs come to; causes[] names why one does not. */
#include <fcntl.h>
#include <ftw.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config.h"
#include "conformance.h"
#include "native_time.h"
#include "programs_table.h"
#include "scenario/engine.h"
#include "vmsim/host.h"
#include "vmsim/trace.h"

enum { RUNS = 3 };
static const char *const modes[] = {"never", "always"};

/* A program under one mode: native figures over all runs, and ours. */
struct result {
    const struct program *program;
    unsigned mode;
    struct totals low, high, ours;
    double worst; /* percent off, of the figure that is furthest */
    const char *figure;
};
static struct result results[256];
static size_t nr_results;
static unsigned unexplained, skipped;
static char folder[] = "/tmp/vmsim-programs-XXXXXX", tool[4096], launcher[4096];

/* ---- recording and replaying ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

/* Runs `argv` in the folder, with its output in the file `output`. Its status, as wait tells it. */
static int spawn(char *const *argv, const char *output) {
    static char *const environment[] = NATIVE_ENVIRONMENT;
    int status = -1;
    pid_t pid = fork();
    if (!pid) {
        int null = open("/dev/null", O_RDWR), out = -1;
        if (null >= 0 && !chdir(folder))
            out = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0)
            _exit(127);
        execve(argv[0], argv, environment);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

/* How the recorded program ended, as a shell tells it; -1: it was not recorded. */
static int record(const struct program *p, const char *trace) {
    char *argv[32] = {tool, "record", "-q", "-e", "-o", (char *)(uintptr_t)trace, "--"};
    for (size_t i = 0; p->argv[i]; i++)
        argv[7 + i] = p->argv[i];
    unlink(trace);
    int status = spawn(argv, "recorded.out");
    return WIFEXITED(status) && !access(trace, R_OK) ? WEXITSTATUS(status) : -1;
}

/* Reads all files of the trace, for the replay begins with them cached whole. */
static void cache_files(const char *trace) {
    struct vmsim_trace_reader *r;
    static char text[1 << 16];
    if (vmsim_trace_open(trace, 0, &r))
        return;
    for (uint32_t i = 0; i < vmsim_trace_get_info(r)->files; i++) {
        const struct vmsim_trace_file *file = vmsim_trace_get_file(r, i);
        int fd = file && file->kind == VMSIM_TRACE_FILE_REGULAR ? open(file->path, O_RDONLY) : -1;
        while (fd >= 0 && read(fd, text, sizeof text) > 0)
            continue;
        if (fd >= 0)
            close(fd);
    }
    vmsim_trace_close(r);
}

static bool replay_failed(struct vmsim_config *c, const char *text) {
    for (size_t i = 0; c && i < vmsim_config_error_count(c); i++)
        fprintf(stderr, "%s\n", vmsim_config_error_text(c, i));
    if (text)
        fprintf(stderr, "%s\n", text);
    vmsim_config_destroy(c);
    return false;
}

/* The kernel's own pages in every address space: [vvar], and [vdso] of two pages. */
enum { OUR_SPECIAL_VMAS = 2, OUR_VDSO_PAGES = 2 };

static void read_first(const struct vmsim_machine *m, struct figures *out) {
    const struct vmsim__task *t = m->tasks.at[0];
    const uint64_t kernels_pages = m->spec.vm.vvar_pages + OUR_VDSO_PAGES;
    *out = (struct figures){.rss_kb = (int64_t)t->last_rollup.rss >> 10,
                            .anon_kb = (int64_t)t->last_rollup.anonymous >> 10,
                            .dirty_kb = (int64_t)t->last_rollup.private_dirty >> 10,
                            .huge_kb = (int64_t)t->last_rollup.anon_huge >> 10,
                            .pte_kb = (int64_t)t->last_pgtables >> 10,
                            .size_kb = (int64_t)(t->last.vm_size - kernels_pages * 4),
                            .data_kb = (int64_t)t->last.vm_data,
                            .vmas = (int64_t)t->last_map_count - OUR_SPECIAL_VMAS};
    out->file_kb = out->rss_kb - out->anon_kb;
}

static void read_all(const struct vmsim_machine *m, struct totals *out) {
    *out = (struct totals){0};
    for (size_t i = 0; i < m->tasks.count; i++) {
        const struct vmsim__task *t = m->tasks.at[i];
        out->min_flt += (int64_t)t->stats.min_flt;
        out->maj_flt += (int64_t)t->stats.maj_flt;
        out->user_us += (int64_t)t->stats.user_ns / 1000;
        out->system_us += (int64_t)t->stats.system_ns / 1000;
        out->peak_rss_kb = (int64_t)t->last.max_rss > out->peak_rss_kb ? (int64_t)t->last.max_rss : out->peak_rss_kb;
    }
}

/* The trace on the machine imported from this host, with huge pages as asked for, and with what `costs` says of times
 * (a file of `vmsim calibrate`; NULL: the defaults). */
static bool replay(const char *trace, const char *thp, const char *costs, struct figures *first, struct totals *all) {
    char text[1024], machine[128];
    struct vmsim_config *c;
    struct vmsim_scenario *s;
    snprintf(machine, sizeof machine, "%s/machine.yaml", folder);
    snprintf(text, sizeof text,
             "vmsim: 1\nmachine:\n  sysctl: {transparent_hugepage/enabled: %s}\n"
             "workload:\n  tasks: [{name: program, trace: \"%s\"}]\n",
             thp, trace);
    if (vmsim_config_create(&c))
        return false;
    if (vmsim_config_load_file(c, machine) || (costs && vmsim_config_load_file(c, costs)) ||
        vmsim_config_load_text(c, "programs", text, strlen(text)) || vmsim_config_resolve(c) ||
        vmsim_scenario_create(c, &s))
        return replay_failed(c, NULL);
    bool ok = !vmsim_scenario_run(s, NULL, NULL);
    if (ok) {
        read_first(s->machine, first);
        read_all(s->machine, all);
    } else {
        fprintf(stderr, "%s\n", vmsim_scenario_error(s));
    }
    vmsim_scenario_destroy(s);
    vmsim_config_destroy(c);
    return ok;
}

/* ---- rows ---- */

/* Differences that are traced to their cause. */
static const struct {
    const char *program, *fact, *why;
} causes[] = {
    {"gdb", "", "its two threads read symbols side by side: differs from recording to recording"},
    {"rg-threads", "minflt", "how many threads get work before it is done depends on their speed"},
    {"pigz", "minflt", "how many buffers are in use at once depends on the speed of reader, writer and two threads"},
    {"redis", "minflt",
     "redis-benchmark counts in histograms how long answers take, and a busy host's take longer: as many pages more as "
     "natively under strace"},
};

static const char *cause_of(const char *program, const char *fact) {
    for (size_t i = 0; i < VMSIM__COUNT(causes); i++) {
        if (!strcmp(causes[i].program, program) && !strncmp(fact, causes[i].fact, strlen(causes[i].fact)))
            return causes[i].why;
    }
    return "";
}

/* A figure against what native runs came to, within 2 % and `slack`. */
static void print_row(struct result *r, const char *fact, int64_t low, int64_t high, int64_t slack, int64_t ours) {
    const char *name = r->program->name;
    int64_t spare = r->program->kind & PROGRAM_EXACT ? 0 : 50;
    int64_t least = low - (spare ? low / spare : 0) - slack, most = high + (spare ? high / spare : 0) + slack;
    const char *why = ours < least || ours > most ? cause_of(name, fact) : "";
    int64_t off = ours < low ? low - ours : ours > high ? ours - high : 0;
    double percent = off > slack && low ? 100.0 * (double)(off - slack) / (double)low : 0;
    unexplained += (ours < least || ours > most) && !*why;
    if (percent > r->worst) {
        r->worst = percent;
        r->figure = fact;
    }
    printf("programs\thost\thost\t%s/thp-%s\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\trange\t%s\n", name,
           modes[r->mode], fact, low, least, most, ours, why);
    fprintf(stderr, "  %-12s %-6s %-28s native %8" PRId64 "-%-8" PRId64 " vmsim %8" PRId64 "  %5.2f %%%s\n", name,
            modes[r->mode], fact, low, high, ours, percent, ours < least || ours > most ? "  OUTSIDE" : "");
}

static void print_text(const struct program *p, const char *fact, const char *native, const char *ours) {
    const struct conformance c = {.area = "programs", .kernel = "host", .shape = "host", .phase = p->name};
    conformance_text(&c, fact, native, ours);
    unexplained += strcmp(native, ours) != 0;
    if (strcmp(native, ours) != 0)
        fprintf(stderr, "  %-12s %s: native %s, recorded %s  OUTSIDE\n", p->name, fact, native, ours);
}

static void not_available(const struct program *p, const char *why) {
    const struct conformance c = {.area = "programs", .kernel = "host", .shape = "host", .phase = p->name};
    conformance_not_modelled(&c, "all figures", "-", why);
    fprintf(stderr, "  %-12s skipped: %s\n", p->name, why);
    skipped++;
}

static bool same_output(void) {
    char *const argv[] = {"/usr/bin/cmp", "-s", "native.out", "recorded.out", NULL};
    return spawn(argv, "compare.out") == 0;
}

static void widen(struct result *r, const struct totals *t, bool first) {
#define WIDEN(field, text)                                                                                             \
    r->low.field = first || t->field < r->low.field ? t->field : r->low.field;                                         \
    r->high.field = first || t->field > r->high.field ? t->field : r->high.field;
    TOTALS(WIDEN)
#undef WIDEN
    r->low.status = t->status;
}

/* The first run reads what the replay has in its page cache. */
static bool measure(struct result *r, struct figures *first) {
    const struct program *p = r->program;
    char before[32];
    struct totals t;
    const int lock = native_settings_lock();
    native_thp_get(before, sizeof before);
    bool set = r->mode == NATIVE_THP_ALWAYS && strcmp(before, "always") != 0, ok = !set || native_thp_set("always");
    long pause = native_khugepaged_pause(3600000);
    if (r->mode == NATIVE_THP_ALWAYS)
        native_compact();
    ok = ok && native_totals(launcher, p->argv, folder, "native.out", (enum native_thp)r->mode, &t);
    for (unsigned i = 0; ok && i < RUNS; i++) {
        ok = native_totals(launcher, p->argv, folder, "native.out", (enum native_thp)r->mode, &t);
        widen(r, &t, i == 0);
    }
    if (p->kind & PROGRAM_DETAILED)
        ok = ok && native_run(p->argv, folder, (enum native_thp)r->mode, first);
    native_khugepaged_pause(pause);
    if (set)
        native_thp_set(before);
    if (lock >= 0)
        close(lock);
    return ok;
}

static void print_details(struct result *r, const struct figures *native, const struct figures *ours) {
#define ROW(field, text) print_row(r, text, native->field, native->field, 0, ours->field);
    if (r->program->kind & PROGRAM_DETAILED) {
        FIGURES(ROW)
    }
#undef ROW
}

/* Linux adds up a process's pages per CPU, and to 32 of them are not in the sum (lib/percpu_counter.c, since 6.2). */
static int64_t rss_slack_kb(void) {
    return 32 * 4 * sysconf(_SC_NPROCESSORS_ONLN);
}

/* /proc/PID/smaps_rollup is exact: a peak that is told to be less than what was there at exit was not the peak. */
static void lift_peaks(struct result *r, const struct figures *native, const struct figures *ours) {
    if (!(r->program->kind & PROGRAM_DETAILED))
        return;
    r->low.peak_rss_kb = r->low.peak_rss_kb < native->rss_kb ? native->rss_kb : r->low.peak_rss_kb;
    r->high.peak_rss_kb = r->high.peak_rss_kb < native->rss_kb ? native->rss_kb : r->high.peak_rss_kb;
    r->ours.peak_rss_kb = r->ours.peak_rss_kb < ours->rss_kb ? ours->rss_kb : r->ours.peak_rss_kb;
}

static void print_totals(struct result *r) {
    print_row(r, "minflt", r->low.min_flt, r->high.min_flt, 0, r->ours.min_flt);
    print_row(r, "majflt", r->low.maj_flt, r->high.maj_flt, 0, r->ours.maj_flt);
    print_row(r, "peak RSS kB", r->low.peak_rss_kb, r->high.peak_rss_kb, rss_slack_kb(), r->ours.peak_rss_kb);
}

static void compare_ends(const struct program *p, int native, int recorded) {
    char a[16], b[16];
    snprintf(a, sizeof a, "%d", WIFSIGNALED(native) ? 128 + WTERMSIG(native) : WEXITSTATUS(native));
    snprintf(b, sizeof b, "%d", recorded);
    print_text(p, "exit status", a, b);
    if (!(p->kind & PROGRAM_VARIES))
        print_text(p, "output", "same", same_output() ? "same" : "different");
}

/* ---- running ---- */

static bool is_there(const char *name) {
    char path[512];
    snprintf(path, sizeof path, "%s%s", *name == '/' ? "" : "/usr/bin/", name);
    return !access(path, F_OK);
}

/* NULL, or why the program cannot be run here. */
static const char *prepare(const struct program *p) {
    static char why[256];
    char needs[512];
    snprintf(needs, sizeof needs, "%s", p->needs ? p->needs : "");
    for (char *rest = needs, *name; (name = strsep(&rest, " ")) != NULL;)
        if (*name && !is_there(name)) {
            snprintf(why, sizeof why, "%s is not installed", name);
            return why;
        }
    char *const shell[] = {"/bin/sh", "-c", (char *)(uintptr_t)p->prepare, NULL};
    return p->prepare && spawn(shell, "prepare.out") ? "what it needs could not be made" : NULL;
}

static void run_mode(struct result *r, const char *trace, int recorded) {
    struct figures native = {0}, ours = {0};
    if (!measure(r, &native)) {
        not_available(r->program, "this host does not let the native run be measured");
        return;
    }
    if (r->mode == NATIVE_THP_NEVER)
        compare_ends(r->program, r->low.status, recorded);
    if (!replay(trace, modes[r->mode], NULL, &ours, &r->ours))
        exit(1);
    lift_peaks(r, &native, &ours);
    print_totals(r);
    print_details(r, &native, &ours);
    nr_results++;
}

/* The wait status; -1: it cannot be run here, and that is said. */
static int record_program(const struct program *p, char *trace, size_t size) {
    const char *why = prepare(p);
    snprintf(trace, size, "%s/%s.vmt", folder, p->name);
    int recorded = why ? -1 : record(p, trace);
    if (recorded < 0)
        not_available(p, why ? why : "recording failed: qemu-user is needed");
    else
        cache_files(trace);
    sync(); /* a program that was just built is dirty memory, and its pages count as the process's */
    return recorded;
}

static void run_program(const struct program *p) {
    char trace[128];
    const int recorded = record_program(p, trace, sizeof trace);
    if (recorded < 0)
        return;
    for (unsigned mode = 0; mode < (p->kind & PROGRAM_EXACT ? 1 : 2) && nr_results < VMSIM__COUNT(results); mode++) {
        results[nr_results] = (struct result){.program = p, .mode = mode};
        run_mode(&results[nr_results], trace, recorded);
    }
    unlink(trace);
}

/* ---- the table ---- */

static int compare_worst(const void *x, const void *y) {
    const struct result *a = x, *b = y;
    if (a->worst != b->worst)
        return a->worst < b->worst ? 1 : -1;
    int by = strcmp(a->program->name, b->program->name);
    return by ? by : (int)a->mode - (int)b->mode;
}

static void put_range(FILE *f, int64_t low, int64_t high) {
    if (low == high)
        fprintf(f, "%" PRId64 " | ", low);
    else
        fprintf(f, "%" PRId64 "-%" PRId64 " | ", low, high);
}

static bool write_table(const char *path) {
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    qsort(results, nr_results, sizeof *results, compare_worst);
    fprintf(f,
            "| program | what | THP | off %% | faults native | vmsim | major | vmsim | peak RSS kB | vmsim | cause |\n"
            "|---|---|---|--:|--:|--:|--:|--:|--:|--:|---|\n");
    for (size_t i = 0; i < nr_results; i++) {
        const struct result *r = &results[i];
        fprintf(f, "| %s | %s | %s | %.2f | ", r->program->name, r->program->what, modes[r->mode], r->worst);
        put_range(f, r->low.min_flt, r->high.min_flt);
        fprintf(f, "%" PRId64 " | ", r->ours.min_flt);
        put_range(f, r->low.maj_flt, r->high.maj_flt);
        fprintf(f, "%" PRId64 " | ", r->ours.maj_flt);
        put_range(f, r->low.peak_rss_kb, r->high.peak_rss_kb);
        fprintf(f, "%" PRId64 " | ", r->ours.peak_rss_kb);
        fprintf(f, "%s |\n", r->worst > 2 ? cause_of(r->program->name, r->figure) : "");
    }
    return !fclose(f);
}

/* ---- times ---- */

struct times {
    const struct program *program;
    struct native_time native;
    struct totals ours[2]; /* with the costs of the defaults, and with those of this host */
    double worst;          /* how many times too much or too little the latter are, user or system */
};
static struct times timed[128];
static size_t nr_timed;

static double apart(int64_t a, int64_t b) {
    const double x = a > 0 ? (double)a : 1, y = b > 0 ? (double)b : 1;
    return x > y ? x / y : y / x;
}

static void print_time(const struct times *t, const char *fact, int64_t native, int64_t ours) {
    printf("programs\thost\thost\t%s/time\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\trange\t\n",
           t->program->name, fact, native, native / 2, native * 2, ours);
}

static void run_timed(const struct program *p, const char *costs) {
    char trace[128];
    struct figures first;
    struct times *t = &timed[nr_timed];
    if (nr_timed == VMSIM__COUNT(timed) || record_program(p, trace, sizeof trace) < 0)
        return;
    *t = (struct times){.program = p};
    if (!native_time(launcher, p->argv, folder, NATIVE_THP_NEVER, &t->native)) {
        not_available(p, "its time is counted in a cgroup of version 2, which this host does not let be made");
        return;
    }
    for (unsigned i = 0; i < 2; i++)
        if (!replay(trace, "never", i ? costs : NULL, &first, &t->ours[i]))
            exit(1);
    unlink(trace);
    const double user = apart(t->ours[1].user_us, t->native.user_us);
    const double system = apart(t->ours[1].system_us, t->native.system_us);
    t->worst = user > system ? user : system;
    print_time(t, "user us", t->native.user_us, t->ours[1].user_us);
    print_time(t, "system us", t->native.system_us, t->ours[1].system_us);
    fprintf(stderr,
            "  %-12s user %8" PRId64 " vmsim %8" PRId64 " %8" PRId64 "  system %8" PRId64 " vmsim %8" PRId64
            " %8" PRId64 "  %.2f\n",
            p->name, t->native.user_us, t->ours[0].user_us, t->ours[1].user_us, t->native.system_us,
            t->ours[0].system_us, t->ours[1].system_us, t->worst);
    nr_timed++;
}

static bool calibrate(char *costs) {
    char *const argv[] = {tool, "calibrate", "-q", "-o", costs, NULL};
    return !spawn(argv, "calibrate.out");
}

static int compare_times(const void *x, const void *y) {
    const struct times *a = x, *b = y;
    return a->worst != b->worst ? a->worst < b->worst ? 1 : -1 : strcmp(a->program->name, b->program->name);
}

static void put_ms(FILE *f, int64_t us) {
    fprintf(f, "%" PRId64 ".%02" PRId64 " | ", us / 1000, us / 10 % 100);
}

static bool write_times(const char *path) {
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    qsort(timed, nr_timed, sizeof *timed, compare_times);
    fprintf(f,
            "| program | user ms native | defaults | calibrated | system ms native | defaults | calibrated | times off "
            "|\n|---|--:|--:|--:|--:|--:|--:|--:|\n");
    for (const struct times *t = timed; t < timed + nr_timed; t++) {
        fprintf(f, "| %s | ", t->program->name);
        put_ms(f, t->native.user_us);
        put_ms(f, t->ours[0].user_us);
        put_ms(f, t->ours[1].user_us);
        put_ms(f, t->native.system_us);
        put_ms(f, t->ours[0].system_us);
        put_ms(f, t->ours[1].system_us);
        fprintf(f, "%.2f |\n", t->worst);
    }
    return !fclose(f);
}

/* ---- */

/* The programs of the build folder that this one is in. */
static bool find_tools(void) {
    ssize_t n = readlink("/proc/self/exe", tool, sizeof tool - 32);
    char *slash = n > 0 ? memrchr(tool, '/', (size_t)n) : NULL;
    if (!slash)
        return false;
    memcpy(launcher, tool, sizeof launcher);
    strcpy(launcher + (slash - tool), "/../tests/native_launch");
    strcpy(slash, "/../bin/vmsim");
    return !access(tool, X_OK) && !access(launcher, X_OK);
}

static bool is_asked_for(const struct program *p, int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        if (!strcmp(argv[i], "all") || !strcmp(argv[i], p->name) ||
            (!strcmp(argv[i], "smoke") && p->kind & PROGRAM_SMOKE))
            return true;
    return argc == 0;
}

/* "COUNT:SEED:CALLS": so many programs of so many calls by chance, from this seed on. */
static void run_random(const char *what) {
    unsigned count = 0, seed = 1, most = 400;
    char path[4096], name[32], number[16], calls[16];
    snprintf(path, sizeof path, "%.*s/recorded_random", (int)(strrchr(tool, '/') - tool), tool);
    sscanf(what, "%u:%u:%u", &count, &seed, &most);
    snprintf(calls, sizeof calls, "%u", most);
    for (unsigned i = 0; i < count; i++) {
        struct program p = {
            .name = name, .what = "calls of chance, without huge pages", .kind = PROGRAM_DETAILED | PROGRAM_EXACT};
        snprintf(name, sizeof name, "random-%u", seed + i);
        snprintf(number, sizeof number, "%u", seed + i);
        p.needs = path;
        p.argv[0] = path;
        p.argv[1] = number;
        p.argv[2] = calls;
        run_program(&p);
        nr_results = 0; /* they are in no table */
    }
}

static void run_other(int argc, char **argv) {
    struct program other = {.name = "program", .what = "", .kind = PROGRAM_VARIES};
    for (int i = 0; i < argc && i + 1 < (int)VMSIM__COUNT(other.argv); i++)
        other.argv[i] = argv[i];
    run_program(&other);
}

static void import_machine(void) {
    char machine[128], why[512];
    snprintf(machine, sizeof machine, "%s/machine.yaml", folder);
    if (!vmsim_host_import(NULL, machine, NULL, why, sizeof why))
        return;
    fprintf(stderr, "this host cannot be imported: %s\n", why);
    exit(1);
}

int main(int argc, char **argv) {
    bool strict = false;
    char costs[128];
    const char *table = NULL, *times = NULL, *random = NULL;
    for (argc--, argv++; argc && !strncmp(*argv, "--", 2) && (*argv)[2]; argc--, argv++) {
        strict |= !strcmp(*argv, "--strict");
        if (!strcmp(*argv, "--table") && argc > 1) {
            table = *++argv;
            argc--;
        } else if (!strcmp(*argv, "--times") && argc > 1) {
            times = *++argv;
            argc--;
        } else if (!strcmp(*argv, "--random") && argc > 1) {
            random = *++argv;
            argc--;
        }
    }
    if (!argc && !random && !getenv("VMSIM_PROGRAMS")) {
        printf("SKIPPED\tcompares with native runs on this host: set VMSIM_PROGRAMS=1\n");
        return 0;
    }
    if (!find_tools()) {
        printf("SKIPPED\tthe vmsim program is not built\n");
        return 0;
    }
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    programs_make_inputs(folder);
    import_machine();
    snprintf(costs, sizeof costs, "%s/costs.yaml", folder);
    if (times && !calibrate(costs))
        return 1;
    bool other = argc > 1 && !strcmp(*argv, "--");
    if (other)
        run_other(argc - 1, argv + 1);
    if (random)
        run_random(random);
    for (size_t i = 0; i < programs_count && !other && !random; i++)
        if (is_asked_for(&programs_table[i], argc, argv))
            times ? run_timed(&programs_table[i], costs) : run_program(&programs_table[i]);
    bool written = (!table || write_table(table)) && (!times || write_times(times));
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    fprintf(stderr, "%zu rows, %u figures outside without a named cause, %u skipped\n", nr_results, unexplained,
            skipped);
    return !written || (strict && unexplained) ? 1 : 0;
}
