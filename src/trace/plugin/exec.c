/* SPDX-License-Identifier: MIT */
/* execve of a recorded program: the process leaves QEMU, so the plugin does the call itself, before QEMU would, and
 * runs qemu with this plugin and the same task on the new program. That needs nothing preloaded into the guest and
 * follows static programs and raw system calls too. Scripts are resolved as Linux's binfmt_script does
 * (trace/script.c). What QEMU cannot run (another architecture) and what would fail anyway is left to the real call. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/plugin/plugin.h"

enum { MAX_STRINGS = 1 << 17 };

static bool locate(struct vmsim__script *t, int dirfd, uint64_t path, int flags) {
    char name[4096], at[64];
    if (plugin_read_string(path, name, sizeof name) < 0)
        return false;
    snprintf(at, sizeof at, "/proc/%d/exe", (int)getpid()); /* of this process: the emulator */
    if (!strcmp(name, at) || !strcmp(name, "/proc/self/exe") || !strcmp(name, "/proc/thread-self/exe")) {
        memcpy(t->path, plugin.program, sizeof plugin.program);
        return true;
    }
    if (name[0] == '/' || (dirfd == AT_FDCWD && name[0])) {
        memcpy(t->path, name, sizeof name);
        return true;
    }
    if (!name[0] && !(flags & AT_EMPTY_PATH))
        return false;
    snprintf(at, sizeof at, "/proc/self/fd/%d", dirfd);
    ssize_t n = readlink(at, t->path, sizeof t->path - 1);
    if (n <= 0)
        return false;
    t->path[n] = 0;
    if (name[0] && (size_t)n + strlen(name) + 2 < sizeof t->path) {
        t->path[n] = '/';
        memcpy(t->path + n + 1, name, strlen(name) + 1);
    }
    return true;
}

/* Appends the guest's NULL-terminated array of strings; guest pointers are host pointers. */
static size_t add_strings(char **to, size_t count, uint64_t array) {
    uint64_t p;
    while (array && count < MAX_STRINGS && plugin_read_guest(array, &p, sizeof p) == sizeof p && p) {
        to[count++] = (char *)(uintptr_t)p;
        array += sizeof p;
    }
    return count;
}

/* Variables that steer QEMU itself go to the guest by option, all others through the environment. `preload` is for QEMU
 * alone. */
static size_t split_environment(char **envp, size_t count, char **options, size_t used, char *preload) {
    size_t kept = 0;
    options[used++] = (char *)(uintptr_t) "-U";
    options[used++] = (char *)(uintptr_t) "LD_PRELOAD";
    for (size_t i = 0; i < count; i++) {
        char start[8] = "";
        plugin_read_guest((uint64_t)(uintptr_t)envp[i], start, 5);
        if (!vmsim__steers_qemu(start)) {
            envp[kept++] = envp[i];
            continue;
        }
        options[used++] = (char *)(uintptr_t) "-E";
        options[used++] = envp[i];
    }
    envp[kept++] = preload;
    envp[kept] = NULL;
    return used;
}

/* The thread that calls execve is the only one that goes on. */
static void end_others(struct vcpu *v) {
    plugin_flush_others(v);
    for (unsigned i = 0; i < plugin.vcpus; i++) {
        struct vcpu *o = &plugin_vcpu[i];
        struct arena_event e = {.type = VMSIM_TRACE_EXIT};
        if (!o->live || o == v || o->process != v->process)
            continue;
        uint32_t own = v->task;
        v->task = o->task; /* told by this thread in the other's name */
        plugin_event(v, &e, NULL, NULL, NULL);
        v->task = own;
        plugin_clock_stop(o->slot);
    }
}

static void run(struct vcpu *v, struct vmsim__script *t, uint64_t argv, uint64_t envp) {
    static char qemu[4096], self[8200], preload[4096 + 16], cpu[2 * VMSIM__CPU_MAX];
    static char option[2 * sizeof self + sizeof plugin.arena_path + sizeof cpu + 64];
    size_t bytes = 4 * MAX_STRINGS * sizeof(char *), n = 0;
    char **list = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ssize_t length = readlink("/proc/self/exe", qemu, sizeof qemu - 1);
    if (list == MAP_FAILED || length <= 0)
        return;
    char **environment = list + 3 * MAX_STRINGS - 8, **old = list + 2 * MAX_STRINGS - 16;
    size_t envc = add_strings(environment, 0, envp), argc = add_strings(old, 0, argv);
    vmsim__double_commas(self, sizeof self, plugin.path);
    vmsim__double_commas(cpu, sizeof cpu, plugin.cpu);
    int used = snprintf(option, sizeof option, "%s,self=%s,arena=%s,cpu=%s,task=%u", self, self, plugin.arena_path, cpu,
                        v->task);
    const int persona = personality(VMSIM__PERSONALITY_ASK);
    used += snprintf(option + used, sizeof option - (size_t)used, ",persona=%d", persona);
    if (plugin_limits_space() != RLIM_INFINITY)
        snprintf(option + used, sizeof option - (size_t)used, ",space=%" PRIu64, plugin_limits_space());
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", plugin.path);
    list[n++] = qemu;
    list[n++] = (char *)(uintptr_t) "-plugin";
    list[n++] = option;
    if (*plugin.cpu) {
        list[n++] = (char *)(uintptr_t) "-cpu";
        list[n++] = plugin.cpu;
    }
    const char *zero = t->fronts ? t->path : argc ? old[0] : "";
    list[n++] = (char *)(uintptr_t) "-0";
    list[n++] = (char *)(uintptr_t)zero;
    if (envc < MAX_STRINGS / 4)
        n = split_environment(environment, envc, list, n, preload);
    list[n++] = t->path;
    for (unsigned i = t->fronts; i-- > 0;)
        list[n++] = (char *)(uintptr_t)t->front[i];
    for (size_t i = 1; i < argc && n < 2 * MAX_STRINGS - 64; i++)
        list[n++] = old[i];
    list[n] = NULL;
    end_others(v);
    plugin_release(v);
    plugin_vfork_leave();
    plugin_limits_exec();
    plugin_timers_exec();
    v->live = false; /* for others of this memory, if it is shared: the task goes on elsewhere */
    if (persona >= 0)
        personality((unsigned)persona | ADDR_NO_RANDOMIZE);
    execve(qemu, list, environment);
    if (persona >= 0)
        personality((unsigned)persona);
    v->live = true;
    munmap(list, bytes);
}

void plugin_exec(struct vcpu *v, int dirfd, uint64_t path, uint64_t argv, uint64_t envp, int flags) {
    static struct vmsim__script target;
    struct vmsim__script *t = &target;
    memset(t, 0, sizeof *t);
    if (!locate(t, dirfd, path, flags))
        return;
    enum vmsim__script_verdict verdict = vmsim__script_resolve(t);
    if (verdict == VMSIM__SCRIPT_RUN)
        run(v, t, argv, envp);
    if (verdict == VMSIM__SCRIPT_LEAVE)
        return;
    char text[sizeof t->path + 128];
    snprintf(text, sizeof text, "%.4095s: %.100s; it runs unrecorded", t->path,
             verdict == VMSIM__SCRIPT_FOREIGN ? "not an x86-64 program" : strerror(errno));
    struct arena_event e = {.type = VMSIM_TRACE_UNFOLLOWED, .args = {SYS_execve, (uint64_t)errno}};
    plugin_event(v, &e, text, NULL, NULL);
    plugin_release(v);
    plugin_vfork_leave();
}
