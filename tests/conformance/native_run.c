/* SPDX-License-Identifier: MIT */
/* Measures a program under the kernel that runs this test (see native_run.h).
 *
 * The child is made by vfork, so that it has no copies of pages to make before exec; what it faults until then is
 * subtracted. ptrace stops it when it is about to exit, with its address space still there to be read from /proc. */
#include "native_run.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char thp_file[] = "/sys/kernel/mm/transparent_hugepage/enabled";
static char *const environment[] = NATIVE_ENVIRONMENT;

void native_thp_get(char *word, unsigned size) {
    char text[128] = "";
    FILE *f = fopen(thp_file, "r");
    const char *got = f ? fgets(text, sizeof text, f) : NULL;
    const char *open = got ? strchr(text, '[') : NULL;
    snprintf(word, size, "%.*s", open ? (int)strcspn(open + 1, "]") : 0, open ? open + 1 : "");
    if (f)
        fclose(f);
}

bool native_thp_set(const char *word) {
    FILE *f = fopen(thp_file, "w");
    bool ok = f && fputs(word, f) >= 0;
    return f && !fclose(f) && ok;
}

int native_settings_lock(void) {
    const int fd = open(thp_file, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        flock(fd, LOCK_EX);
    return fd;
}

void native_compact(void) {
    static const char *const files[] = {"/proc/sys/vm/drop_caches", "/proc/sys/vm/compact_memory"};
    const long enough = 1 << 20; /* kB */
    long kb = enough;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemFree: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    for (unsigned i = kb < enough ? 0 : 1; i < 2; i++)
        if ((f = fopen(files[i], "w")) != NULL) {
            fputs("1", f);
            fclose(f);
        }
}

long native_khugepaged_pause(long milliseconds) {
    static const char file[] = "/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs";
    long before = -1;
    FILE *f = fopen(file, "r");
    if (!f || fscanf(f, "%ld", &before) != 1)
        before = -1;
    if (f)
        fclose(f);
    if (milliseconds >= 0 && (f = fopen(file, "w")) != NULL) {
        fprintf(f, "%ld", milliseconds);
        fclose(f);
    }
    return before;
}

/* ---- what /proc says of a stopped process ---- */

/* The kB of the lines "LABEL: number kB" of a file, summed. */
static int64_t sum_kb(pid_t pid, const char *file, const char *label) {
    char path[64], line[512];
    int64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        if (!strncmp(line, label, strlen(label)) && line[strlen(label)] == ':')
            sum += strtoll(line + strlen(label) + 1, NULL, 10);
    }
    if (f)
        fclose(f);
    return sum;
}

static void count_maps(pid_t pid, struct figures *out) {
    char path[64], line[4300];
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long start, end;
        bool kernels = strstr(line, "[vdso]") || strstr(line, "[vvar");
        if (strstr(line, "[vsyscall]") || sscanf(line, "%lx-%lx", &start, &end) != 2)
            continue;
        out->vmas += !kernels;
        out->size_kb -= kernels ? (int64_t)((end - start) >> 10) : 0;
    }
    if (f)
        fclose(f);
}

static void look(pid_t pid, struct figures *out) {
    out->pte_kb = sum_kb(pid, "status", "VmPTE");
    out->size_kb = sum_kb(pid, "status", "VmSize");
    out->data_kb = sum_kb(pid, "status", "VmData");
    out->rss_kb = sum_kb(pid, "smaps_rollup", "Rss");
    out->anon_kb = sum_kb(pid, "smaps_rollup", "Anonymous");
    out->dirty_kb = sum_kb(pid, "smaps_rollup", "Private_Dirty");
    out->huge_kb = sum_kb(pid, "smaps_rollup", "AnonHugePages");
    out->file_kb = out->rss_kb - out->anon_kb;
    count_maps(pid, out);
}

/* ---- running ---- */

/* In the child, which shares this process's memory until exec. */
static void become(char *const *argv, const char *folder, enum native_thp thp) {
    int null = open("/dev/null", O_RDWR);
    if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 || chdir(folder))
        _exit(127);
    close(null);
    personality(ADDR_NO_RANDOMIZE);
    prctl(PR_SET_THP_DISABLE, thp == NATIVE_THP_NEVER, 0, 0, 0);
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    execve(argv[0], argv, environment);
    _exit(127);
}

/* Lets it run until it is about to exit. */
static bool run_to_exit(pid_t pid) {
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        return false;
    ptrace(PTRACE_SETOPTIONS, pid, NULL, (void *)(PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL));
    for (int deliver = 0;;) {
        if (ptrace(PTRACE_CONT, pid, NULL, (void *)(intptr_t)deliver) || waitpid(pid, &status, 0) != pid ||
            !WIFSTOPPED(status))
            return false;
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8))
            return true;
        deliver = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    }
}

bool native_run(char *const *argv, const char *folder, enum native_thp thp, struct figures *out) {
    int status = -1;
    *out = (struct figures){0};
    pid_t pid = vfork();
    if (!pid)
        become(argv, folder, thp);
    if (pid < 0)
        return false;
    bool there = run_to_exit(pid);
    if (there) {
        look(pid, out);
        ptrace(PTRACE_CONT, pid, NULL, NULL);
    }
    return there && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

static void launch(int procs, const char *launcher, char *const *argv, const char *folder, const char *output,
                   enum native_thp thp, int result) {
    char *all[32] = {(char *)(uintptr_t)launcher, (char *)(uintptr_t)(thp == NATIVE_THP_NEVER ? "never" : "always")};
    for (unsigned i = 0; argv[i] && i < 29; i++)
        all[2 + i] = argv[i];
    if (chdir(folder))
        _exit(127);
    int null = open("/dev/null", O_RDWR), out = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    result = fcntl(result, F_DUPFD, NATIVE_LAUNCH_PROCS + 1); /* out of the way of where they go */
    procs = procs < 0 ? -1 : fcntl(procs, F_DUPFD, NATIVE_LAUNCH_PROCS + 1);
    if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(null, 2) < 0 ||
        dup2(result, NATIVE_LAUNCH_RESULT) < 0 || (procs >= 0 && dup2(procs, NATIVE_LAUNCH_PROCS) < 0))
        _exit(127);
    if (procs < 0)
        close(NATIVE_LAUNCH_PROCS); /* whatever of this program's is there */
    execv(launcher, all);
    _exit(127);
}

bool native_totals_in(int procs, const char *launcher, char *const *argv, const char *folder, const char *output,
                      enum native_thp thp, struct totals *out) {
    int end[2], status;
    *out = (struct totals){0};
    if (pipe(end))
        return false;
    pid_t pid = fork();
    if (!pid)
        launch(procs, launcher, argv, folder, output, thp, end[1]);
    close(end[1]);
    FILE *f = fdopen(end[0], "r");
    bool ok = f && fscanf(f, "%d %ld %ld %ld %ld %ld", &out->status, &out->min_flt, &out->maj_flt, &out->peak_rss_kb,
                          &out->user_us, &out->system_us) == 6;
    if (f)
        fclose(f);
    return pid > 0 && waitpid(pid, &status, 0) == pid && ok && !status;
}

bool native_totals(const char *launcher, char *const *argv, const char *folder, const char *output, enum native_thp thp,
                   struct totals *out) {
    return native_totals_in(-1, launcher, argv, folder, output, thp, out);
}
