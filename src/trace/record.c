/* SPDX-License-Identifier: MIT */
/* Recording: starts the program under qemu with the plugin and turns the slices that come through the shared arena
 * (plugin/record_arena.h) into a trace.
 *
 *     this process                      supervisor (subreaper)          the program's processes, each in a qemu
 *     collect.c: arena -> writer  <---  waits for all of them     --->  plugin -> arena
 *
 * The supervisor is a process of its own so that orphans are waited for without touching the caller's children. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/output.h"
#include "base/util.h"
#include "trace/collect.h"
#include "trace/format.h"
#include "trace/script.h"
#include "trace/supervise.h"

extern char **environ;

/* One recording, from the search for its parts to its result: `error` of the result is the only text that leaves it. */
struct recording {
    struct vmsim__alloc *alloc;
    const struct vmsim_record_options *options;
    struct vmsim_record_result *result;
    char qemu[PATH_MAX], plugin[PATH_MAX], arena_path[PATH_MAX];
    struct arena *arena;
    int arena_fd; /* keeps the lock; -1: none */
    struct vmsim__script script;
    char **argv, **envp; /* of qemu */
    size_t argv_room, envp_room;
    char option[3 * PATH_MAX + 2 * VMSIM__CPU_MAX], preload[PATH_MAX + 16];
};

static int fail(struct recording *r, int code, const char *what, const char *why) {
    VMSIM__ASSERT(what && why && code);
    snprintf(r->result->error, sizeof r->result->error, "%.300s: %.200s", what, why);
    return code;
}

/* ---- finding things */

static bool is_executable(const char *path) {
    struct stat st;
    return access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The executable file that execvp would take for `name`. As execvp searches, so that the program recorded is the one
 * that a shell would run. */
static bool find_program(const char *name, char *out, size_t size) {
    VMSIM__ASSERT(name && size > 0);
    const char *path = getenv("PATH");
    if (strchr(name, '/'))
        return (size_t)snprintf(out, size, "%s", name) < size && is_executable(out);
    for (path = path ? path : "/usr/local/bin:/usr/bin:/bin"; *name; path++) {
        size_t n = strcspn(path, ":");
        if ((size_t)snprintf(out, size, "%.*s%s%s", (int)n, path, n ? "/" : "", name) < size && is_executable(out))
            return true;
        path += n;
        if (!*path)
            break;
    }
    return false;
}

/* The two slips that come up: a folder, and a script that was never made executable. */
static const char *why_not_a_program(const char *name) {
    struct stat st;
    if (!strchr(name, '/') || stat(name, &st))
        return "no such program";
    return S_ISDIR(st.st_mode) ? "is a directory, no program" : "is no program: it may not be executed (chmod +x)";
}

/* The plugin beside the code that runs: installed, in the build tree, or where the user says. */
static bool find_plugin(struct recording *r) {
    VMSIM__ASSERT(r->options);
    static const char *const beside[] = {"vmsim/", "", "../lib/", "../lib/vmsim/", "../lib/x86_64-linux-gnu/vmsim/"};
    const char *given = r->options->plugin ? r->options->plugin : getenv("VMSIM_RECORD_PLUGIN");
    char base[PATH_MAX];
    Dl_info info;
    if (given)
        return realpath(given, r->plugin) && access(r->plugin, R_OK) == 0;
    if (!dladdr(__extension__(void *) vmsim_record, &info) || !info.dli_fname || !realpath(info.dli_fname, base))
        return false;
    char *slash = strrchr(base, '/');
    slash[1] = 0;
    for (size_t i = 0; i < VMSIM__COUNT(beside); i++) {
        char name[PATH_MAX];
        if (snprintf(name, sizeof name, "%.3900s%svmsim-record-plugin.so", base, beside[i]) > 0 &&
            realpath(name, r->plugin))
            return true;
    }
    return false;
}

/* The trace would replace what the program is, reads, or is run by. An argument may be no file, and a file may be no
 * argument: this finds slips, and no more. */
static int check_output(struct recording *r) {
    VMSIM__ASSERT(r->options->output);
    const char *out = r->options->output, *const parts[] = {r->script.path, r->qemu, r->plugin};
    bool found = false;
    for (size_t i = 0; i < VMSIM__COUNT(parts); i++)
        found |= vmsim__same_file(out, parts[i]);
    for (size_t i = 1; r->options->argv[i]; i++)
        found |= vmsim__same_file(out, r->options->argv[i]);
    return found ? fail(r, VMSIM_EINVAL, out, "the program is or reads this file: name another output") : 0;
}

static int find_all(struct recording *r) {
    VMSIM__ASSERT(r->options->argv && r->options->argv[0]);
    const char *program = r->options->argv[0], *qemu = r->options->qemu ? r->options->qemu : "qemu-x86_64";
    if (!find_program(program, r->script.path, sizeof r->script.path))
        return fail(r, VMSIM_ENOENT, program, why_not_a_program(program));
    if (!find_program(qemu, r->qemu, sizeof r->qemu))
        return fail(r, VMSIM_ENOENT, qemu, "not found; the recorder needs QEMU's user mode (package qemu-user)");
    bool found = find_plugin(r);
    if (found && strpbrk(r->plugin, " :"))
        return fail(r, VMSIM_EINVAL, r->plugin, "the plugin cannot be preloaded from a path with a blank or a colon");
    if (!found)
        return r->options->plugin
                   ? fail(r, VMSIM_ENOENT, r->options->plugin, "no such plugin")
                   : fail(r, VMSIM_ENOENT, "vmsim-record-plugin.so", "not found beside the library or program");
    if (check_output(r))
        return VMSIM_EINVAL;
    switch (vmsim__script_resolve(&r->script)) {
    case VMSIM__SCRIPT_RUN:
        return 0;
    case VMSIM__SCRIPT_FOREIGN:
        return fail(r, VMSIM_EINVAL, program, "not an x86-64 program");
    default:
        return fail(r, VMSIM_EINVAL, program, "cannot be executed");
    }
}

/* ---- the arena */

/* Room in the file system of `directory`, bytes. A memory file system that is full ends programs by SIGBUS: hence the
 * room is asked for before. */
static uint64_t room_of(const char *directory) {
    struct statvfs fs;
    return statvfs(directory, &fs) ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

static int64_t clock_of_host(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void init_clock(struct arena *a) {
    int64_t now = clock_of_host(CLOCK_MONOTONIC);
    a->raw_ahead = clock_of_host(CLOCK_MONOTONIC_RAW) - now;
    a->boot_ahead = clock_of_host(CLOCK_BOOTTIME) - now;
    atomic_store(&a->clock, now);
    atomic_store(&a->idle_since, now);
    atomic_store(&a->date_ahead, clock_of_host(CLOCK_REALTIME) - now);
}

/* The magic comes last: a plugin that sees it sees a whole arena. */
static void init_arena(struct arena *a, uint32_t chunks) {
    VMSIM__ASSERT(chunks > 0 && chunks <= ARENA_CHUNKS);
    a->bytes = sizeof *a;
    a->recorder = (uint32_t)getpid();
    a->next_task = 1;
    a->chunks = chunks;
    init_clock(a);
    for (uint64_t i = 0; i < ARENA_RING; i++)
        atomic_store(&a->ring[i].turn, i);
    for (uint32_t i = 0; i < ARENA_TASKS; i++)
        a->slots[i].chunk = ARENA_NO_CHUNK;
    for (uint32_t i = 0; i < chunks; i++)
        atomic_store(&a->links[i], i + 1 < chunks ? i + 2 : 0);
    atomic_store(&a->free_head, 1);
    atomic_store(&a->free_count, chunks);
    a->magic = ARENA_MAGIC;
}

#define SHM "/dev/shm"
#define IN_SHM "vmsim-arena-"

/* Recorder and supervisor hold a lock on their arena. One that can be locked was left behind: by two that were killed
 * together. */
static void sweep_arenas(void) {
    DIR *shm = opendir(SHM);
    const struct dirent *entry;
    struct stat st;
    while (shm && (entry = readdir(shm)) != NULL) {
        if (strncmp(entry->d_name, IN_SHM, sizeof IN_SHM - 1) != 0)
            continue;
        int fd = openat(dirfd(shm), entry->d_name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && !fstat(fd, &st) && st.st_uid == geteuid() && !flock(fd, LOCK_EX | LOCK_NB))
            unlinkat(dirfd(shm), entry->d_name, 0);
        if (fd >= 0)
            close(fd);
    }
    if (shm)
        closedir(shm);
}

/* A file with a lock on it; another recorder may have swept it away before it had one. -1: errno tells why not. */
static int create_arena(struct recording *r, bool shm) {
    struct stat st;
    int fd;
    do {
        if (shm)
            snprintf(r->arena_path, sizeof r->arena_path, SHM "/" IN_SHM "XXXXXX");
        else
            snprintf(r->arena_path, sizeof r->arena_path, "%.4000s.arena-XXXXXX", r->options->output);
        fd = mkostemp(r->arena_path, O_CLOEXEC);
        if (fd < 0 || (!flock(fd, LOCK_EX) && !fstat(fd, &st) && st.st_nlink))
            return fd;
        close(fd);
    } while (unlink(r->arena_path) && errno == ENOENT);
    return -1;
}

/* In memory if there is enough of it, else beside the trace. The file is sparse: what is never written takes no
 * memory. */
static int make_arena(struct recording *r) {
    uint64_t chunk = ARENA_CHUNK_WORDS * 8, fixed = offsetof(struct arena, words), room = room_of(SHM);
    bool shm = room > fixed + 32 * chunk;
    uint64_t chunks = shm ? vmsim__min64((room - fixed) / 2 / chunk, ARENA_CHUNKS) : 64;
    sweep_arenas();
    const int fd = r->arena_fd = create_arena(r, shm);
    if (fd < 0)
        return fail(r, VMSIM_EIO, r->arena_path, strerror(errno));
    void *at = MAP_FAILED;
    if (ftruncate(fd, sizeof(struct arena)) == 0)
        at = mmap(NULL, sizeof(struct arena), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int saved = errno;
    if (at == MAP_FAILED)
        unlink(r->arena_path);
    if (at == MAP_FAILED)
        return fail(r, VMSIM_EIO, r->arena_path, strerror(saved));
    r->arena = at;
    init_arena(r->arena, (uint32_t)chunks);
    r->arena->left_out = r->options->only == VMSIM_RECORD_DATA   ? ARENA_CODE
                         : r->options->only == VMSIM_RECORD_CODE ? ARENA_DATA
                                                                 : 0;
    return 0;
}

/* ---- qemu's command line */

static size_t count_strings(char *const *list) {
    VMSIM__ASSERT(list);
    size_t n = 0;
    while (list[n])
        n++;
    return n;
}

/* Variables go by qemu's -E to the guest alone, as LD_PRELOAD would act on qemu as well. The plugin is preloaded into
 * qemu, where it takes qemu's calls for memory (plugin/emulator_calls.c). */
static int make_command(struct recording *r) {
    VMSIM__ASSERT(r->options->argv && r->options->argv[0]);
    char plugin[2 * PATH_MAX], cpu[2 * VMSIM__CPU_MAX];
    const char *model = r->options->cpu ? r->options->cpu : "";
    if (strlen(model) >= VMSIM__CPU_MAX)
        return fail(r, VMSIM_EINVAL, "cpu", "the model's name is too long");
    size_t argc = count_strings(r->options->argv), envc = count_strings(environ), n = 0, kept = 0;
    vmsim__double_commas(plugin, sizeof plugin, r->plugin);
    vmsim__double_commas(cpu, sizeof cpu, model);
    if (snprintf(r->option, sizeof r->option, "%s,self=%s,arena=%s,cpu=%s,task=0,persona=%d", plugin, plugin,
                 r->arena_path, cpu, personality(VMSIM__PERSONALITY_ASK)) >= (int)sizeof r->option)
        return fail(r, VMSIM_ELIMIT, r->plugin, "the path is too long");
    r->argv_room = argc + 2 * envc + 32;
    r->envp_room = envc + 2;
    r->argv = vmsim__calloc(r->alloc, r->argv_room, sizeof *r->argv);
    r->envp = vmsim__calloc(r->alloc, r->envp_room, sizeof *r->envp);
    if (!r->argv || !r->envp)
        return fail(r, VMSIM_ENOMEM, "record", "out of host memory");
    const char *zero = r->script.fronts ? r->script.path : r->options->argv[0];
    const char *const head[] = {r->qemu, "-plugin", r->option, "-0", zero, "-U", "LD_PRELOAD"};
    for (; n < VMSIM__COUNT(head); n++)
        r->argv[n] = (char *)(uintptr_t)head[n];
    if (*model) {
        r->argv[n++] = (char *)(uintptr_t) "-cpu";
        r->argv[n++] = (char *)(uintptr_t)model;
    }
    for (size_t i = 0; i < envc; i++) {
        if (!vmsim__steers_qemu(environ[i])) {
            r->envp[kept++] = environ[i];
            continue;
        }
        r->argv[n++] = (char *)(uintptr_t) "-E";
        r->argv[n++] = environ[i];
    }
    snprintf(r->preload, sizeof r->preload, "LD_PRELOAD=%s", r->plugin);
    r->envp[kept++] = r->preload;
    r->argv[n++] = r->script.path;
    VMSIM__ASSERT(n < r->argv_room && kept < r->envp_room);
    for (unsigned i = r->script.fronts; i-- > 0;)
        r->argv[n++] = (char *)(uintptr_t)r->script.front[i];
    for (size_t i = 1; i < argc; i++)
        r->argv[n++] = r->options->argv[i];
    VMSIM__ASSERT(n < r->argv_room && !r->argv[n]);
    return 0;
}

/* ---- processes */

/* Between fork and exec only calls that are safe there. Nothing is placed by chance: a program that is recorded twice
 * is the same (plugin/emulator_calls.c). */
static void run_program(void *context) {
    const struct recording *r = context;
    struct rlimit core = {0, 0};
    setrlimit(RLIMIT_CORE, &core);
    const int persona = personality(VMSIM__PERSONALITY_ASK);
    if (persona >= 0)
        personality((unsigned)persona | ADDR_NO_RANDOMIZE);
    execve(r->qemu, r->argv, r->envp);
    _exit(127);
}

/* ---- the trace */

static void append_quoted(struct vmsim__bytes *b, const char *s) {
    VMSIM__ASSERT(s);
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
    bool plain = *s && strspn(s, safe) == strlen(s);
    unsigned char *p = vmsim__bytes_room(b, 4 * strlen(s) + 4), *from = p;
    if (!p)
        return;
    if (b->count)
        *p++ = ' ';
    if (!plain)
        *p++ = '\'';
    for (; *s; s++) {
        if (*s == '\'' && !plain) {
            memcpy(p, "'\\''", 4);
            p += 4;
        } else {
            *p++ = (unsigned char)*s;
        }
    }
    if (!plain)
        *p++ = '\'';
    b->count += (size_t)(p - from);
}

static int make_writer(struct recording *r, struct vmsim_trace_writer **w) {
    VMSIM__ASSERT(r->options->output && w);
    struct vmsim__bytes line = {.alloc = r->alloc};
    struct utsname host;
    char text[512] = "";
    if (uname(&host) == 0)
        snprintf(text, sizeof text, "%.60s %.120s %.60s, recorded with qemu-user", host.sysname, host.release,
                 host.machine);
    for (size_t i = 0; r->options->argv[i]; i++)
        append_quoted(&line, r->options->argv[i]);
    unsigned char *end = vmsim__bytes_room(&line, 1);
    if (!end || line.failed) {
        vmsim__bytes_fini(&line);
        return fail(r, VMSIM_ENOMEM, "record", vmsim_error_text(VMSIM_ENOMEM));
    }
    *end = 0;
    struct vmsim_trace_options o = {.size = sizeof o,
                                    .source = "record",
                                    .program = r->options->argv[0],
                                    .arguments = (const char *)line.at,
                                    .host = text};
    int err = vmsim_trace_create(r->options->output, &o, w);
    if (err)
        snprintf(r->result->error, sizeof r->result->error, "%s", vmsim_trace_writer_error(*w));
    vmsim__bytes_fini(&line);
    return err;
}

static int run_and_collect(struct recording *r) {
    VMSIM__ASSERT(r->arena && r->argv && r->envp);
    struct vmsim_trace_writer *w = NULL;
    int err = make_writer(r, &w);
    if (err) {
        vmsim_trace_abandon(w);
        return err;
    }
    pid_t recorder = getpid(), supervisor = fork();
    if (supervisor == 0)
        vmsim__supervise(r->arena, recorder, r->arena_path, run_program, r);
    if (supervisor < 0) {
        vmsim_trace_abandon(w);
        return fail(r, VMSIM_EIO, "fork", strerror(errno));
    }
    err = vmsim__collect(r->arena, supervisor, w, r->options, r->result);
    if (err)
        vmsim_trace_abandon(w);
    else
        err = vmsim_trace_finish(w, r->result->error, sizeof r->result->error);
    return err;
}

int vmsim_record(const struct vmsim_record_options *options, struct vmsim_record_result *result) {
    if (!options || !result)
        return VMSIM_EINVAL;
    *result = (struct vmsim_record_result){.exit_status = INT32_MIN};
    if (options->size != sizeof *options || !options->argv || !options->argv[0] || !options->output ||
        (unsigned)options->only > VMSIM_RECORD_CODE)
        return VMSIM_EINVAL;
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    struct recording *r = a ? vmsim__calloc(a, 1, sizeof *r) : NULL;
    int err = VMSIM_ENOMEM;
    snprintf(result->error, sizeof result->error, "%s", r ? "" : vmsim_error_text(err));
    if (r) {
        *r = (struct recording){.alloc = a, .options = options, .result = result, .arena_fd = -1};
        err = find_all(r);
        if (!err)
            err = make_arena(r);
        if (!err)
            err = make_command(r);
        if (!err)
            err = run_and_collect(r);
        if (r->arena) {
            munmap(r->arena, sizeof *r->arena);
            unlink(r->arena_path);
        }
        if (r->arena_fd >= 0)
            close(r->arena_fd);
        vmsim__free(a, r->argv, r->argv_room * sizeof *r->argv);
        vmsim__free(a, r->envp, r->envp_room * sizeof *r->envp);
        vmsim__free(a, r, sizeof *r);
    }
    if (a)
        vmsim__alloc_destroy(a);
    return err;
}
