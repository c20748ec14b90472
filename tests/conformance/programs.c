/* SPDX-License-Identifier: MIT */
/* Real programs: each run by this host's kernel, recorded once, and replayed on a simulated machine; the figures of
 * both side by side.
 *
 *     programs [--strict] NAME|all  >  rows.tsv      a table for people goes to stderr; --strict: fails on a figure
 *                                                    outside without a named cause
 *     VMSIM_PROGRAMS=1 programs              all; without it nothing is done, since the figures are this host's
 *     programs -- /usr/bin/tar cf - /etc     any other program, in a folder with the same inputs
 *
 *     inputs made here --> native run (THP never, always) --------------------.
 *                     \--> vmsim record --> trace --> replay (never, always) --+--> a row a figure
 *
 * The native run is repeated after all files were read, so that they are in the page cache, as the replay has them, and
 * khugepaged, which is not simulated yet, sleeps meanwhile. Figures must agree within 2 %; causes[] names why one does
 * not. */
#include <fcntl.h>
#include <ftw.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config.h"
#include "conformance.h"
#include "native_run.h"
#include "scenario/engine.h"
#include "vmsim/host.h"
#include "vmsim/trace.h"

struct program {
    const char *name;
    char *argv[24];
};
static const struct program programs[] = {
    {"sort", {"/usr/bin/sort", "--parallel=1", "-S", "8M", "words", NULL}},
    {"cc1", {"/usr/lib/gcc/x86_64-linux-gnu/12/cc1", "-quiet", "-O1", "unit.c", "-o", "unit.s", NULL}},
    {"python3",
     {"/usr/bin/python3", "-S", "-c", "d={i:str(i) for i in range(20000)}; print(len(sorted(d.values())))", NULL}},
    {"sqlite3", {"/usr/bin/sqlite3", ":memory:", ".read rows.sql", NULL}},
    {"xz", {"/usr/bin/xz", "-T1", "-1", "-k", "-c", "words", NULL}},
    {"git", {"/usr/bin/git", "hash-object", "words", "unit.c", "rows.sql", NULL}},
    {"bzip2", {"/bin/bzip2", "-c", "words", NULL}},
    {"tar", {"/bin/tar", "cf", "/dev/null", "words", "unit.c", "rows.sql", NULL}},
    {"dash", {"/bin/dash", "-c", "i=0; while [ $i -lt 40 ]; do (:); /bin/true; i=$((i+1)); done", NULL}},
    {"bash", {"/bin/bash", "-c", "sort words | uniq -c | tail -n 3; for i in 1 2 3 4 5 6; do (:); done", NULL}},
};

static unsigned unexplained;
static char folder[] = "/tmp/vmsim-programs-XXXXXX", tool[4096];

/* ---- inputs ---- */

static FILE *create(const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        exit(1);
    }
    return f;
}

static void make_inputs(void) {
    uint64_t x = UINT64_C(88172645463325252);
    FILE *f = create("words");
    for (unsigned i = 0; i < 40000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        fprintf(f, "%016" PRIx64 " %u some words of a line\n", x, i);
    }
    fclose(f);
    f = create("unit.c");
    for (unsigned i = 0; i < 300; i++)
        fprintf(f, "int f%u(int a, int b) { int s = %u; for (int i = 0; i < a; i++) s += i * b ^ %u; return s; }\n", i,
                i, i * 7);
    fclose(f);
    f = create("rows.sql");
    fprintf(f, "create table t(a integer primary key, b text);\nbegin;\n");
    for (unsigned i = 0; i < 3000; i++)
        fprintf(f, "insert into t values(%u, 'row number %u');\n", i, i * 31);
    fprintf(f, "commit;\nselect count(*), sum(a) from t where b like '%%7%%';\n");
    fclose(f);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at) {
    (void)st, (void)type, (void)at;
    return remove(path);
}

/* ---- recording and replaying ---- */

static bool spawn(char *const *argv) {
    static char *const environment[] = NATIVE_ENVIRONMENT;
    int status;
    pid_t pid = fork();
    if (!pid) {
        int null = open("/dev/null", O_RDWR);
        if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || chdir(folder))
            _exit(127);
        execve(argv[0], argv, environment);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

static bool record(const struct program *p, const char *trace) {
    char *argv[32] = {tool, "record", "-q", "-o", (char *)(uintptr_t)trace, "--"};
    for (size_t i = 0; p->argv[i]; i++)
        argv[6 + i] = p->argv[i];
    return spawn(argv);
}

/* Reads all files of the trace, for the replay begins with them cached whole. */
static void cache_files(const char *trace) {
    struct vmsim_trace_reader *r;
    static char path[256], text[1 << 16];
    snprintf(path, sizeof path, "%s/%s", folder, trace);
    if (vmsim_trace_open(path, 0, &r))
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

/* The first task; its faults with those of its threads and children, as wait4 tells them. */
static void read_tasks(const struct vmsim_machine *m, struct figures *out) {
    const struct vmsim__task *t = m->tasks.at[0];
    const uint64_t kernels_pages = m->spec.vm.vvar_pages + OUR_VDSO_PAGES;
    *out = (struct figures){.peak_rss_kb = (int64_t)t->last.vm_hwm,
                            .rss_kb = (int64_t)t->last_rollup.rss >> 10,
                            .anon_kb = (int64_t)t->last_rollup.anonymous >> 10,
                            .dirty_kb = (int64_t)t->last_rollup.private_dirty >> 10,
                            .huge_kb = (int64_t)t->last_rollup.anon_huge >> 10,
                            .pte_kb = (int64_t)t->last_pgtables >> 10,
                            .size_kb = (int64_t)(t->last.vm_size - kernels_pages * 4),
                            .data_kb = (int64_t)t->last.vm_data,
                            .vmas = (int64_t)t->last_map_count - OUR_SPECIAL_VMAS};
    out->file_kb = out->rss_kb - out->anon_kb;
    for (size_t i = 0; i < m->tasks.count; i++) {
        out->min_flt += (int64_t)m->tasks.at[i]->stats.min_flt;
        out->maj_flt += (int64_t)m->tasks.at[i]->stats.maj_flt;
    }
}

/* The trace on the machine imported from this host, with huge pages as asked for. */
static bool replay(const char *trace, const char *thp, struct figures *out) {
    char text[1024], machine[128];
    struct vmsim_config *c;
    struct vmsim_scenario *s;
    snprintf(machine, sizeof machine, "%s/machine.yaml", folder);
    snprintf(text, sizeof text,
             "vmsim: 1\nmachine:\n  sysctl: {transparent_hugepage/enabled: %s}\n"
             "workload:\n  tasks: [{name: program, trace: \"%s/%s\"}]\n",
             thp, folder, trace);
    if (vmsim_config_create(&c))
        return false;
    if (vmsim_config_load_file(c, machine) || vmsim_config_load_text(c, "programs", text, strlen(text)) ||
        vmsim_config_resolve(c) || vmsim_scenario_create(c, &s))
        return replay_failed(c, NULL);
    bool ok = !vmsim_scenario_run(s, NULL, NULL);
    if (ok)
        read_tasks(s->machine, out);
    else
        fprintf(stderr, "%s\n", vmsim_scenario_error(s));
    vmsim_scenario_destroy(s);
    vmsim_config_destroy(c);
    return ok;
}

/* ---- rows ---- */

/* Differences that are traced to their cause. */
static const struct {
    const char *program, *fact, *why;
} causes[] = {
    {"cc1", "VmPTE",
     "hash tables over pointers grow at another moment when the emulator puts things elsewhere (malloc's requests show "
     "it: one of 32 kB comes at another place among 792,448): one chunk of 164 kB is mapped lower, under a table of "
     "its own"},
};

static const char *cause_of(const char *program, const char *fact) {
    for (size_t i = 0; i < VMSIM__COUNT(causes); i++) {
        if (!strcmp(causes[i].program, program) && !strncmp(fact, causes[i].fact, strlen(causes[i].fact)))
            return causes[i].why;
    }
    return "";
}

static void print_row(const char *name, const char *thp, const char *fact, int64_t native, int64_t ours) {
    int64_t slack = native / 50, low = native - slack, high = native + slack;
    const char *why = ours < low || ours > high ? cause_of(name, fact) : "";
    unexplained += (ours < low || ours > high) && !*why;
    printf("programs\thost\thost\t%s/thp-%s\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\trange\t%s\n", name,
           thp, fact, native, low, high, ours, why);
    fprintf(stderr, "  %-10s %-8s %-32s native %8" PRId64 "  vmsim %8" PRId64 "  %+7.2f %%\n", name, thp, fact, native,
            ours, native ? 100.0 * (double)(ours - native) / (double)native : 0.0);
}

static void print_rows(const char *name, const char *thp, const struct figures *native, const struct figures *ours) {
#define ROW(field, text) print_row(name, thp, text, native->field, ours->field);
    FIGURES(ROW)
#undef ROW
}

static void not_available(const char *name, const char *thp, const char *why) {
    char phase[64];
    const struct conformance c = {.area = "programs", .kernel = "host", .shape = "host", .phase = phase};
    snprintf(phase, sizeof phase, "%s/thp-%s", name, thp);
    conformance_not_modelled(&c, "all figures", "-", why);
}

static bool measure(const struct program *p, enum native_thp mode, struct figures *out) {
    char before[32];
    native_thp_get(before, sizeof before);
    if (mode == NATIVE_THP_ALWAYS && strcmp(before, "always") != 0 && !native_thp_set("always"))
        return false;
    long pause = native_khugepaged_pause(3600000);
    bool ok = native_run(p->argv, folder, mode, out) && native_run(p->argv, folder, mode, out);
    native_khugepaged_pause(pause);
    if (mode == NATIVE_THP_ALWAYS && strcmp(before, "always") != 0)
        native_thp_set(before);
    return ok;
}

static void run_program(const struct program *p) {
    static const char *const words[] = {"never", "always"};
    char trace[64];
    if (access(p->argv[0], X_OK)) {
        not_available(p->name, "never", "the program is not installed");
        return;
    }
    snprintf(trace, sizeof trace, "%s.vmt", p->name);
    bool recorded = record(p, trace);
    cache_files(trace);
    for (unsigned mode = 0; mode < 2; mode++) {
        struct figures native = {0}, ours = {0};
        if (!recorded)
            not_available(p->name, words[mode], "recording failed: qemu-user is needed");
        else if (!measure(p, (enum native_thp)mode, &native))
            not_available(p->name, words[mode], "this host does not let the native run be measured");
        else if (replay(trace, words[mode], &ours))
            print_rows(p->name, words[mode], &native, &ours);
        else
            exit(1);
    }
}

/* The vmsim program of the build folder that this program is in. */
static bool find_tool(void) {
    ssize_t n = readlink("/proc/self/exe", tool, sizeof tool - 32);
    char *slash = n > 0 ? memrchr(tool, '/', (size_t)n) : NULL;
    if (slash)
        strcpy(slash, "/../bin/vmsim");
    return slash && !access(tool, X_OK);
}

int main(int argc, char **argv) {
    bool strict = argc > 1 && !strcmp(argv[1], "--strict");
    argv += strict;
    argc -= strict;
    if (argc < 2 && !getenv("VMSIM_PROGRAMS")) {
        printf("SKIPPED\tcompares with native runs on this host: set VMSIM_PROGRAMS=1\n");
        return 0;
    }
    if (!find_tool()) {
        printf("SKIPPED\tthe vmsim program is not built\n");
        return 0;
    }
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    make_inputs();
    char machine[128], why[512];
    snprintf(machine, sizeof machine, "%s/machine.yaml", folder);
    if (vmsim_host_import(NULL, machine, NULL, why, sizeof why)) {
        fprintf(stderr, "this host cannot be imported: %s\n", why);
        return 1;
    }
    const char *only = argc > 1 && strcmp(argv[1], "all") != 0 ? argv[1] : NULL;
    struct program other = {.name = "program"};
    for (int i = 2; i < argc && i < (int)VMSIM__COUNT(other.argv) + 1; i++)
        other.argv[i - 2] = argv[i];
    if (argc > 2)
        run_program(&other);
    for (size_t i = 0; i < VMSIM__COUNT(programs) && argc <= 2; i++) {
        if (!only || !strcmp(only, programs[i].name))
            run_program(&programs[i]);
    }
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return strict && unexplained ? 1 : 0;
}
