/* SPDX-License-Identifier: MIT */
/* System calls to events. Most are told when they return, with their result. Told before they run are those after
 * which nobody could tell (exit, exec), a fork (the child's records must come later), and munmap when it cannot fail:
 * another thread may be given the same addresses before this one's return is seen.
 *
 * For the same reason whatever changes mappings first has all other threads of the process hand over what they have
 * written (plugin_flush_others): a reference must stand before the event that takes its page away. An event carries
 * arguments as the program gave them, and beside them what only this moment knows: which file a descriptor was, where
 * its position stood, what a structure in memory said. This runs inside the emulated process, with its descriptors and
 * its rights. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/plugin/answer.h"
#include "trace/syscall_table.h"

/* Which argument holds the descriptor whose file an event is about: n + 1, or 0 for none. */
static unsigned descriptor_of(int64_t number) {
    switch (number) {
    case SYS_read:
    case SYS_pread64:
    case SYS_readv:
    case SYS_preadv:
    case SYS_preadv2:
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2:
    case SYS_close:
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_sync_file_range:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_fadvise64:
    case SYS_copy_file_range:
    case SYS_splice:
        return 1;
    case SYS_sendfile:
        return 2;
    default:
        return 0;
    }
}

/* Of what has no position (a pipe, a terminal) 0 is told; replays do not ask for it. */
static uint64_t position(int fd) {
    off_t at = lseek(fd, 0, SEEK_CUR);
    return at < 0 ? 0 : (uint64_t)at;
}

/* Tells the path of a descriptor's file, unless it was told before. */
static void introduce(struct vcpu *v, const struct arena_file *f, int fd) {
    char path[4096];
    struct arena_event e = {.type = ARENA_FILE, .file = *f};
    if (f->known && !plugin_file_told(f))
        plugin_event(v, &e, plugin_file_path(fd, path, sizeof path), NULL, NULL);
}

/* Six arguments as they were given: whoever needs others overwrites them. */
static struct arena_event event(const struct vcpu *v, enum vmsim_trace_event_type type, int64_t result) {
    struct arena_event e = {.type = type, .result = result, .file = v->file};
    memcpy(e.args, v->args, sizeof e.args);
    return e;
}

/* ---- before the call */

/* The child gets its number here, since both will write under their own from the moment of the call on. What kind of
 * child it is decides what a replay shares: memory, files, or only the name of a parent that is held (vfork). */
static void enter_fork(struct vcpu *v) {
    uint64_t flags = v->number == SYS_clone ? v->args[0] : v->number == SYS_vfork ? (uint64_t)CLONE_VFORK : 0;
    if (v->number == SYS_clone3)
        return; /* QEMU answers ENOSYS, and libc falls back to clone */
    if (plugin_sharer_again(v))
        return;
    v->child = plugin_new_task();
    bool thread = flags & CLONE_THREAD;
    uint32_t told = flags & CLONE_VFORK && !thread ? VMSIM_TRACE_FORK_VFORK
                    : flags & CLONE_VM             ? VMSIM_TRACE_FORK_VM
                                                   : 0;
    if (told == VMSIM_TRACE_FORK_VM && !thread)
        told |= VMSIM_TRACE_FORK_PROCESS;
    if (flags & CLONE_FILES)
        told |= VMSIM_TRACE_FORK_FILES;
    struct arena_event e = {.type = VMSIM_TRACE_FORK,
                            .args = {v->child, told, v->number == SYS_clone ? v->args[1] : 0, flags}};
    struct arena_event gap = {.type = VMSIM_TRACE_UNFOLLOWED, .args = {(uint64_t)v->number}};
    if (plugin.orphan && told & VMSIM_TRACE_FORK_VM)
        plugin_event(v, &gap, "a thread started in the child of a process that had threads: qemu 7.2 may abort here",
                     NULL, NULL);
    plugin_flush_others(v);
    plugin_event(v, &e, NULL, NULL, NULL);
    plugin_release(v);
    v->vfork = told & VMSIM_TRACE_FORK_VFORK ? plugin_vfork_begin() : NULL;
}

/* The last words of a thread, or with exit_group of the process: chunks are handed over now, as nothing runs here
 * afterwards. */
static void enter_exit(struct vcpu *v) {
    bool group = plugin_sharer_ends_process(v);
    struct arena_event e = {.type = VMSIM_TRACE_EXIT, .args = {v->args[0] & 255, group}};
    plugin_clock_stop(v->slot);
    plugin_clock_ended(v);
    for (unsigned i = 0; i < plugin.vcpus && group; i++)
        if (plugin_vcpu[i].live && plugin_vcpu[i].process == v->process)
            plugin_clock_stop(plugin_vcpu[i].slot);
    if (group)
        plugin_flush_others(v);
    plugin_event(v, &e, NULL, NULL, NULL);
    plugin_release(v);
    plugin_vfork_leave();
    v->live = group;
    plugin_sharer_end(v);
}

/* Page-aligned, not empty, below the top: then Linux cannot refuse it for its arguments, and telling it early is
 * telling the truth. Others wait for their result. */
static void enter_munmap(struct vcpu *v) {
    plugin_flush_others(v);
    if ((v->args[0] & 4095) || !v->args[1] || v->args[0] >> 47 || v->args[1] >> 47)
        return;
    struct arena_event e = event(v, VMSIM_TRACE_MUNMAP, 0);
    e.args[2] = e.args[3] = e.args[4] = e.args[5] = 0;
    plugin_event(v, &e, NULL, NULL, NULL);
    v->early = true;
}

/* A process that gives up being root must still find the recorder's memory when it executes a program: it is given to
 * the user that it becomes, and when that is not the first one, to everybody. */
static void enter_setuid(const struct vcpu *v) {
    uint64_t user = v->args[v->number == SYS_setuid ? 0 : 1];
    struct stat st;
    if (geteuid() != 0 || (uint32_t)user == UINT32_MAX || !user || stat(plugin.arena_path, &st))
        return;
    if (st.st_uid == 0 && chown(plugin.arena_path, (uid_t)user, (gid_t)-1) == 0)
        return;
    if (st.st_uid != user)
        chmod(plugin.arena_path, 0666);
}

/* The arguments are kept until the return, because the kernel may change registers and the program its memory. Names
 * of files that are about to go (unlink, rename) are read now. */
void plugin_syscall(struct vcpu *v, int64_t number, const uint64_t args[6]) {
    v->number = number;
    v->child = VMSIM_TRACE_NO_TASK;
    v->early = false;
    memcpy(v->args, args, sizeof v->args);
    plugin_clock_pace(v);
    unsigned fd = descriptor_of(number);
    v->file = fd ? plugin_file((int)args[fd - 1]) : (struct arena_file){0};
    v->offset = fd && v->file.known ? position((int)args[fd - 1]) : 0;
    introduce(v, &v->file, fd ? (int)args[fd - 1] : -1);
    plugin_names_before(v);
    switch (number) {
    case SYS_fork:
    case SYS_vfork:
    case SYS_clone:
    case SYS_clone3:
        enter_fork(v);
        break;
    case SYS_exit:
    case SYS_exit_group:
        enter_exit(v);
        break;
    case SYS_munmap:
        enter_munmap(v);
        break;
    case SYS_setuid:
    case SYS_setreuid:
    case SYS_setresuid:
        enter_setuid(v);
        break;
    case SYS_mremap:
    case SYS_mprotect:
    case SYS_madvise:
    case SYS_brk:
        plugin_flush_others(v);
        break;
    case SYS_execve:
        plugin_exec(v, AT_FDCWD, args[0], args[1], args[2], 0);
        break;
    case SYS_execveat:
        plugin_exec(v, (int)args[0], args[1], args[2], args[3], (int)args[4]);
        break;
    default:
        break;
    }
    plugin_rest(v);
    plugin_wakes_begin(v);
    plugin_clock_leaves(v);
    v->in_call = true;
}

/* ---- after it */

/* In parent and child alike; the child finds out that it is one by the result. A fork that failed is told too, so that
 * the number that was given away is no hole. */
static void leave_fork(struct vcpu *v, int64_t result) {
    if (plugin_sharer_retry(v, result))
        return;
    plugin_sharer_done(v);
    uint32_t child = v->child;
    struct plugin_vfork *vfork = v->vfork;
    struct arena_event lost = {.type = VMSIM_TRACE_UNFOLLOWED, .args = {(uint64_t)v->number}};
    v->child = VMSIM_TRACE_NO_TASK;
    v->vfork = NULL;
    if (result == 0 && !(v->number == SYS_clone && (v->args[0] & CLONE_THREAD))) {
        plugin_forked(v, child);
        plugin_clock_forked(v);
        plugin_timers_forked();
        plugin_vfork_child(vfork);
        return;
    }
    if (vfork && result <= 0)
        plugin_vfork_end(vfork);
    else if (vfork && !plugin_vfork_hold(vfork, (pid_t)result))
        plugin_event(v, &lost, "a vforked child changed more of its parent's memory than could be carried over", NULL,
                     NULL);
    if (result == -EINVAL)
        plugin_tell(ARENA_TOLD_CLONE);
    if (result < 0 && child != VMSIM_TRACE_NO_TASK) {
        struct arena_event e = {.type = VMSIM_TRACE_FORK, .args = {child, VMSIM_TRACE_FORK_FAILED}, .result = result};
        plugin_event(v, &e, NULL, NULL, NULL);
    }
}

/* The sixth argument is the offset; the descriptor before it becomes the event's file. */
static void leave_mmap(struct vcpu *v, int64_t result) {
    struct arena_event e = event(v, VMSIM_TRACE_MMAP, result);
    bool anonymous = v->args[3] & MAP_ANONYMOUS;
    e.args[4] = v->args[5];
    e.args[5] = 0;
    if (!anonymous)
        e.file = plugin_file((int)v->args[4]);
    introduce(v, &e.file, (int)v->args[4]);
    if (result >= 0 && v->args[2] & PROT_EXEC && v->args[3] & MAP_SHARED && e.file.kind == VMSIM_TRACE_FILE_SHM)
        plugin_tell(ARENA_TOLD_CODE); /* the emulator watches the pages that it took code from, by address */
    plugin_event(v, &e, NULL, NULL, NULL);
}

/* Files of the program's own in /proc that show the emulator's memory: QEMU makes up maps, auxv, cmdline and stat. */
static bool tells_of_emulator(const char *path) {
    static const char *const names[] = {"smaps",      "smaps_rollup", "statm",     "status", "pagemap", "numa_maps",
                                        "clear_refs", "oom_score",    "page_idle", "mem",    "sched",   "syscall"};
    char own[64];
    size_t length = (size_t)snprintf(own, sizeof own, "/proc/%d/", (int)getpid());
    if (strncmp(path, own, length) != 0)
        return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(path + length, names[i]))
            return true;
    return false;
}

/* A path is told as the kernel resolved it, if it did, and else as the program wrote it: a failed open is replayed for
 * its cost and its result. */
static void leave_open(struct vcpu *v, int64_t result, unsigned path_arg) {
    char path[4096];
    uint64_t flags = v->number == SYS_creat ? (uint64_t)(O_CREAT | O_WRONLY | O_TRUNC) : v->args[path_arg + 1];
    struct arena_event e = {.type = VMSIM_TRACE_OPEN, .args = {(uint64_t)result, flags, v->args[path_arg + 2]}};
    e.result = result;
    if (result >= 0) {
        e.file = plugin_file((int)result);
        plugin_file_told(&e.file);
        plugin_file_path((int)result, path, sizeof path);
    } else if (plugin_read_string(v->args[path_arg], path, sizeof path) < 0) {
        path[0] = 0;
    }
    if (result >= 0 && tells_of_emulator(path))
        plugin_tell(ARENA_TOLD_PROC);
    plugin_event(v, &e, path, NULL, NULL);
}

/* set_mempolicy: mode nodes maxnode; mbind: addr length mode nodes maxnode flags. Nodes are a mask in memory. */
static void leave_mempolicy(struct vcpu *v, int64_t result) {
    const uint64_t *a = v->args;
    const bool bind = v->number == SYS_mbind;
    uint64_t nodes = 0, mask = bind ? a[3] : a[1];
    plugin_read_guest(mask, &nodes, sizeof nodes);
    struct arena_event e = {.type = VMSIM_TRACE_MEMPOLICY, .result = result};
    e.args[0] = (uint64_t)v->number;
    e.args[1] = bind ? a[2] : a[0];
    e.args[2] = nodes;
    e.args[3] = bind ? a[0] : 0;
    e.args[4] = bind ? a[1] : 0;
    e.args[5] = bind ? a[5] : 0;
    plugin_event(v, &e, NULL, NULL, NULL);
}

/* A file that never had a name. */
static void leave_memfd(struct vcpu *v, int64_t result) {
    char path[4096];
    struct arena_event e = {.type = VMSIM_TRACE_OPEN,
                            .args = {(uint64_t)result, O_RDWR | (v->args[1] & MFD_CLOEXEC ? (uint64_t)O_CLOEXEC : 0)},
                            .result = result};
    if (result >= 0) {
        e.file = plugin_file((int)result);
        e.file.kind = VMSIM_TRACE_FILE_SHM;
        plugin_file_told(&e.file);
    }
    plugin_event(v, &e, plugin_file_path((int)result, path, sizeof path), NULL, NULL);
    e = (struct arena_event){.type = VMSIM_TRACE_UNLINK, .file = e.file};
    if (result >= 0)
        plugin_event(v, &e, NULL, NULL, NULL);
}

/* Flags and mode stand in a structure: put where openat has them, so that one function tells both. */
static void leave_openat2(struct vcpu *v, int64_t result) {
    uint64_t how[2] = {0}; /* flags, mode: the first words of struct open_how */
    plugin_read_guest(v->args[2], how, sizeof how);
    v->args[2] = how[0];
    v->args[3] = how[1];
    leave_open(v, result, 1);
}

/* read, write and their kin: fd buffer length offset. */
static void leave_transfer(struct vcpu *v, int64_t result, enum vmsim_trace_event_type type) {
    struct arena_event e = event(v, type, result);
    bool positioned = v->number == SYS_pread64 || v->number == SYS_pwrite64 || v->number == SYS_preadv ||
                      v->number == SYS_pwritev || v->number == SYS_preadv2 || v->number == SYS_pwritev2;
    bool append = type == VMSIM_TRACE_WRITE && !positioned && v->file.known && result > 0;
    e.args[3] = positioned ? v->args[3] : v->offset;
    if (append && v->file.kind == VMSIM_TRACE_FILE_REGULAR) /* O_APPEND moves to the end first */
        e.args[3] = position((int)v->args[0]) - (uint64_t)result;
    e.args[4] = e.args[5] = 0;
    plugin_event(v, &e, NULL, NULL, NULL);
}

/* sendfile, copy_file_range, splice: out_fd in_fd length in_offset out_offset; `other` is the output's file. */
static void leave_copy(struct vcpu *v, int64_t result) {
    const uint64_t *a = v->args;
    bool send = v->number == SYS_sendfile;
    int in = (int)(send ? a[1] : a[0]), out = (int)(send ? a[0] : a[2]);
    uint64_t moved = result > 0 ? (uint64_t)result : 0, offset = v->offset, at = send ? a[2] : a[1];
    if (at && plugin_read_guest(at, &offset, sizeof offset) == sizeof offset)
        offset -= moved;
    uint64_t out_offset = position(out), out_at = send ? 0 : a[3];
    if (out_at)
        plugin_read_guest(out_at, &out_offset, sizeof out_offset);
    struct arena_event e = {.type = VMSIM_TRACE_COPY, .file = v->file, .other = plugin_file(out), .result = result};
    e.args[0] = (uint64_t)(int64_t)out;
    e.args[1] = (uint64_t)(int64_t)in;
    e.args[2] = send ? a[3] : a[4];
    e.args[3] = offset;
    e.args[5] = out_offset >= moved ? out_offset - moved : 0;
    introduce(v, &e.other, out);
    plugin_event(v, &e, NULL, NULL, NULL);
}

/* Not an event of the trace: for the collector, which learns so of children that were killed. */
static void leave_wait(struct vcpu *v, int64_t result) {
    int status = 0;
    if (result <= 0 || plugin_read_guest(v->args[1], &status, sizeof status) != sizeof status)
        return;
    struct arena_event e = {.type = ARENA_REAPED, .args = {(uint64_t)result, (uint64_t)(unsigned)status}};
    plugin_event(v, &e, NULL, NULL, NULL);
}

/* An event whose arguments are the first `n` of the call. */
static void leave_plain(struct vcpu *v, int64_t result, enum vmsim_trace_event_type type, unsigned n) {
    struct arena_event e = event(v, type, result);
    for (unsigned i = n; i < 6; i++)
        e.args[i] = 0;
    plugin_event(v, &e, NULL, NULL, NULL);
}

static void leave_other(struct vcpu *v, int64_t result) {
    struct arena_event e = {.type = VMSIM_TRACE_SYSCALL, .result = result};
    e.args[0] = (uint64_t)v->number;
    memcpy(e.args + 1, v->args, 5 * sizeof e.args[0]);
    plugin_event(v, &e, NULL, NULL, NULL);
}

static void leave_signal(struct vcpu *v, int64_t result) {
    unsigned at = v->number == SYS_tgkill ? 2 : 1;
    struct arena_event e = {.type = VMSIM_TRACE_SIGNAL, .args = {v->args[at], v->args[0]}, .result = result};
    plugin_event(v, &e, NULL, NULL, NULL);
}

static void leave_fsync(struct vcpu *v, int64_t result) {
    uint64_t data_only = v->number != SYS_fsync;
    v->args[1] = data_only;
    leave_plain(v, result, VMSIM_TRACE_FSYNC, 2);
}

/* Calls whose event is their own arguments. */
static bool leave_simple(struct vcpu *v, int64_t result) {
    static const struct {
        uint16_t number;
        uint8_t type, args;
    } table[] = {
        {SYS_munmap, VMSIM_TRACE_MUNMAP, 2},
        {SYS_mprotect, VMSIM_TRACE_MPROTECT, 3},
        {SYS_pkey_mprotect, VMSIM_TRACE_MPROTECT, 3},
        {SYS_mremap, VMSIM_TRACE_MREMAP, 5},
        {SYS_madvise, VMSIM_TRACE_MADVISE, 3},
        {SYS_brk, VMSIM_TRACE_BRK, 1},
        {SYS_msync, VMSIM_TRACE_MSYNC, 3},
        {SYS_mlock, VMSIM_TRACE_MLOCK, 2},
        {SYS_mlock2, VMSIM_TRACE_MLOCK, 3},
        {SYS_munlock, VMSIM_TRACE_MUNLOCK, 2},
        {SYS_mlockall, VMSIM_TRACE_MLOCKALL, 1},
        {SYS_munlockall, VMSIM_TRACE_MUNLOCKALL, 0},
        {SYS_close, VMSIM_TRACE_CLOSE, 1},
        {SYS_ftruncate, VMSIM_TRACE_FTRUNCATE, 2},
        {SYS_fallocate, VMSIM_TRACE_FALLOCATE, 4},
        {SYS_fadvise64, VMSIM_TRACE_FADVISE, 4},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (table[i].number == v->number) {
            leave_plain(v, result, table[i].type, table[i].args);
            return true;
        }
    return false;
}

static bool changes_mappings(int64_t number) {
    return number == SYS_mmap || number == SYS_munmap || number == SYS_mprotect || number == SYS_mremap ||
           number == SYS_brk || number == SYS_shmat || number == SYS_shmdt;
}

static void tell_return(struct vcpu *v, int64_t result) {
    switch (v->number) {
    case SYS_mmap:
        leave_mmap(v, result);
        break;
    case SYS_open:
    case SYS_creat:
        leave_open(v, result, 0);
        break;
    case SYS_openat:
        leave_open(v, result, 1);
        break;
    case SYS_read:
    case SYS_pread64:
    case SYS_readv:
    case SYS_preadv:
    case SYS_preadv2:
        leave_transfer(v, result, VMSIM_TRACE_READ);
        break;
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_pwritev2:
        leave_transfer(v, result, VMSIM_TRACE_WRITE);
        break;
    case SYS_sendfile:
    case SYS_copy_file_range:
    case SYS_splice:
        leave_copy(v, result);
        break;
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_sync_file_range:
        leave_fsync(v, result);
        break;
    case SYS_shmat:
    case SYS_shmdt:
    case SYS_shmctl:
        if (!plugin_shm_after(v, result))
            leave_other(v, result);
        break;
    case SYS_process_madvise:
    case SYS_migrate_pages:
    case SYS_move_pages:
    case SYS_swapon:
    case SYS_swapoff:
        if (!plugin_remote_after(v, result))
            leave_other(v, result);
        break;
    case SYS_set_mempolicy:
    case SYS_mbind:
        leave_mempolicy(v, result);
        break;
    case SYS_unlink:
    case SYS_unlinkat:
    case SYS_rename:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_truncate:
        plugin_names_after(v, result);
        if (v->number != SYS_truncate || !v->named.known || result < 0)
            leave_other(v, result);
        break;
    case SYS_getrlimit:
    case SYS_setrlimit:
    case SYS_prlimit64:
        plugin_limits_after(v, result);
        leave_other(v, result);
        break;
    case SYS_memfd_create:
        leave_memfd(v, result);
        break;
    case SYS_openat2:
        leave_openat2(v, result);
        break;
    case SYS_kill:
    case SYS_tkill:
    case SYS_tgkill:
        leave_signal(v, result);
        break;
    case SYS_wait4:
        leave_wait(v, result);
        leave_other(v, result);
        break;
    default:
        if (!leave_simple(v, result))
            leave_other(v, result);
    }
}

/* What the table says of each call. */
enum { SAME, DIFFERS, UNKNOWN };
static const struct {
    uint8_t host, trust;
} rules[VMSIM__SYSCALLS] = {
#define RULE(number, name, class, trust, host, work, note) [number] = {VMSIM__HOST_##host, trust},
    VMSIM__SYSCALL_TABLE(RULE)
#undef RULE
};

/* Options of prctl that QEMU may not know and that touch nothing that is its own. */
static bool is_harmless_option(uint64_t option) {
    static const uint32_t options[] = {PR_SET_THP_DISABLE,
                                       PR_GET_THP_DISABLE,
                                       PR_SET_TIMERSLACK,
                                       PR_GET_TIMERSLACK,
                                       PR_MCE_KILL,
                                       PR_MCE_KILL_GET,
                                       PR_SET_IO_FLUSHER,
                                       PR_GET_IO_FLUSHER,
                                       PR_SET_CHILD_SUBREAPER,
                                       PR_GET_CHILD_SUBREAPER,
                                       PR_CAP_AMBIENT,
                                       PR_CAPBSET_READ,
                                       PR_GET_SPECULATION_CTRL,
                                       PR_SET_SPECULATION_CTRL,
                                       PR_SET_PTRACER,
                                       PR_SET_VMA,
                                       PR_GET_TID_ADDRESS,
                                       PR_SET_NO_NEW_PRIVS,
                                       PR_GET_NO_NEW_PRIVS,
                                       PR_GET_SECUREBITS,
                                       65 /* SET_MDWE */,
                                       66 /* GET_MDWE */,
                                       67 /* SET_MEMORY_MERGE */,
                                       68 /* GET_MEMORY_MERGE */};
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
        if (options[i] == option)
            return true;
    return false;
}

static bool kernel_decides(const struct vcpu *v, int64_t emulated) {
    const int64_t number = v->number;
    if (number == SYS_prctl)
        return emulated == -EINVAL && is_harmless_option(v->args[0]);
    if (number == SYS_ptrace)
        return emulated == -ENOSYS && v->sharer; /* a leak checker stops the threads whose memory it reads */
    switch ((enum vmsim__syscall_host)rules[number].host) {
    case VMSIM__HOST_NEVER:
        return false;
    case VMSIM__HOST_ALWAYS:
        return true;
    case VMSIM__HOST_REFUSED:
        break;
    case VMSIM__HOST_ENOTTY:
        return emulated == -ENOTTY || emulated == -ENOSYS || emulated == -EFAULT;
    case VMSIM__HOST_ENOPROTOOPT:
        return emulated == -ENOPROTOOPT || emulated == -EOPNOTSUPP || emulated == -EFAULT;
    case VMSIM__HOST_EINVAL:
        return emulated == -EINVAL || emulated == -EFAULT;
    }
    return emulated == -ENOSYS || emulated == -EFAULT;
}

/* What the guest is told: the kernel's word where QEMU did not ask it, or refused. */
static int64_t settle(struct vcpu *v, int64_t emulated) {
    if (v->number < 0 || v->number >= VMSIM__SYSCALLS)
        return emulated;
    if (rules[v->number].trust != SAME && !(v->number == SYS_ptrace && v->sharer))
        plugin_tell((unsigned)v->number);
    bool asked = !v->decided && (plugin_seccomp_is(v) || kernel_decides(v, emulated));
    if (!v->decided && !asked)
        return emulated;
    if (!plugin_can_answer(v)) {
        plugin_tell(ARENA_TOLD_ANSWER);
        return emulated;
    }
    int64_t right = v->decided                    ? v->decision
                    : v->number == SYS_ptrace     ? plugin_sharer_ptrace(v)
                    : plugin_seccomp_is(v)        ? plugin_seccomp(v)
                    : v->number == SYS_pkey_alloc ? -ENOSPC /* what it answers where the CPU has no keys */
                                                  : plugin_host_call(v);
    plugin_answer(v, emulated, right);
    return right;
}

void plugin_syscall_return(struct vcpu *v, int64_t number, int64_t result) {
    const bool forks = number == SYS_fork || number == SYS_vfork || number == SYS_clone;
    v->in_call = false;
    if (!forks || result)
        plugin_clock_returns(v);
    if (forks) {
        leave_fork(v, result);
        return;
    }
    if (number == SYS_exit || number == SYS_exit_group || v->number != number || plugin_clock_waits_on(v, result))
        return;
    result = plugin_clock_read(v, settle(v, result));
    plugin_woken(v, result);
    if (changes_mappings(number) && plugin_vfork_is_child())
        plugin_tell(ARENA_TOLD_VFORK);
    if (number == SYS_rt_sigaction && !result)
        plugin_handler_set(v);
    plugin_copies_in(v, result);
    if (!v->early)
        tell_return(v, result);
    plugin_wakes_end(v);
    plugin_mark_after(v);
    plugin_copies_out(v, result);
}
