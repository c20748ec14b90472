/* SPDX-License-Identifier: MIT */
/* What the files of the recording plugin share. The plugin is one shared object of its own: it uses nothing of
 * libvmsim but the packed reference and the numbers of events. One process, so its state is static. */
#ifndef VMSIM__PLUGIN_H
#define VMSIM__PLUGIN_H
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "trace/plugin/record_arena.h"
#include "trace/script.h"
#include "vmsim/access.h"
#include "vmsim/trace.h"

enum { PLUGIN_ANSWERS = 8 };

/* A result that the guest is to see instead of QEMU's, where the call returns to (answer.c). */
struct answer {
    uint64_t rip, rsp;
    int64_t emulated, right;
};

/* One virtual CPU, which is one guest thread. */
struct vcpu {
    struct arena_slot *slot;
    uint32_t task;
    bool live, started;
    uint32_t child;             /* task id given to the fork under way, or VMSIM_TRACE_NO_TASK */
    struct plugin_vfork *vfork; /* of the vfork under way */
    int64_t number;             /* system call under way */
    uint64_t args[6];
    uint64_t offset;        /* file position before it */
    struct arena_file file; /* file of its descriptor before it */
    _Atomic bool in_call;   /* with the kernel, or with QEMU on the way there and back */
    bool early;             /* its event was emitted before it ran */
    _Atomic uint32_t wakes; /* odd: in a call that wakes others, and has not told it */
    bool decided;           /* the kernel has answered it, whatever QEMU says */
    int64_t decision;
    uint64_t *registers;     /* of the guest, in QEMU; NULL: not known yet */
    struct arena_file named; /* file that the call may take a name from */
    uint32_t links;          /* names that it had */
    pid_t process, tid;
    bool sharer;        /* of a process that shares its parent's memory (sharers.c) */
    uint64_t clear_tid; /* of a sharer: word to clear when it ends, or 0 */
    bool bearing;       /* its clone call is made once more for a sharer: */
    uint64_t bears;     /* the flags that the program gave */
    uint32_t born;      /* the child's task */
    unsigned answers;
    struct answer answer[PLUGIN_ANSWERS];
    /* clock.c */
    uint64_t counted, words; /* words up to `counted` are in `words`, if they are not in the slot's time yet */
    _Atomic int64_t user_ns, kernel_ns;     /* of the CPU, that it took */
    int64_t left_at;                        /* the host's clock, when the call began */
    int64_t until, waits, waited, waits_in; /* a wait with an end: the end, its length, how long, which call; 0: none */
    int64_t limit_words[2];                 /* what the program said */
    uint64_t lent;                          /* where the kernel's time stands instead, or 0 */
    int64_t stuck_at;                       /* time at which the others gave up waiting for this thread */
    bool again;                             /* the wait is made again */
};

enum { PLUGIN_VCPUS = 1 << 14 };

struct plugin {
    struct arena *arena;
    pthread_mutex_t lock; /* slots of this process, and the table below */
    unsigned vcpus;       /* highest index ever + 1 */
    bool orphan;          /* forked off a process with other threads: QEMU 7.2 aborts when it starts one itself */
    uint32_t first_task;
    char path[4096]; /* of this plugin, as on the command line */
    char arena_path[4096];
    char cpu[VMSIM__CPU_MAX]; /* the emulator's model; "": its default */
    char program[4096];
    char space[24]; /* the limit of the address space that was inherited; "": none */
};
extern struct plugin plugin;
extern struct arena_slot *plugin_slots[PLUGIN_VCPUS]; /* by vcpu index: what the hot path reads */
extern struct vcpu plugin_vcpu[PLUGIN_VCPUS];

/* Two pages of QEMU's own among the guest's memory: references to them are not told. */
#define PLUGIN_NOTHING_HIDDEN (UINT64_C(1) << 62)
extern uint64_t plugin_hidden;

/* buffer.c: handing references and events to the recorder */
int plugin_arena_open(const char *path);
void plugin_vcpu_begin(unsigned index, uint32_t task);
/* Room for one more reference: a new chunk in place of a full one. Returns the word's index. */
uint64_t plugin_room(struct vcpu *v);
void plugin_word(struct vcpu *v, vmsim_access word);
/* One reference per page that [va, va + bytes) touches. */
void plugin_range(struct vcpu *v, uint64_t va, uint64_t bytes, enum vmsim_access_type type);
/* Hands over the references so far, then the event. `path`, `other_path` may be NULL. */
void plugin_event(struct vcpu *v, struct arena_event *e, const char *path, const char *other_path,
                  const struct arena_segment *segments);
/* Hands over what the other threads of this process have written so far. */
void plugin_flush_others(const struct vcpu *v);
/* Hands over everything and gives the chunk back. */
void plugin_release(struct vcpu *v);
/* The thread may sleep now: where chunks are scarce it gives its own back, or who sleeps would starve who runs. */
void plugin_rest(struct vcpu *v);
/* Counts what did not come out as on Linux: a call's number, or enum arena_told. */
void plugin_tell(unsigned kind);
/* A task number for a child. Ends the process when there are none left. */
uint32_t plugin_new_task(void);
/* In a fork's child: only `v` is left, and it is task `task` now. */
void plugin_forked(struct vcpu *v, uint32_t task);

/* vfork.c: a child that runs in its parent's memory. Before the fork; NULL without memory. */
struct plugin_vfork *plugin_vfork_begin(void);
/* In the child. NULL: this child is a copy. */
void plugin_vfork_child(struct plugin_vfork *b);
/* References that this process made: if it is a vforked child, their stores are its parent's, too. */
void plugin_vfork_stored(const uint64_t *words, size_t count);
/* The child is about to exec or exit. */
void plugin_vfork_leave(void);
/* In the parent: waits until the child has left its memory and takes over what it stored. False: not all of it. */
bool plugin_vfork_hold(struct plugin_vfork *b, pid_t child);
void plugin_vfork_end(struct plugin_vfork *b);
/* Whether this process is a vforked child before its exec. */
bool plugin_vfork_is_child(void);

/* sharers.c: processes that share their parent's memory. QEMU refused a clone call: true when it is made once more. */
bool plugin_sharer_retry(struct vcpu *v, int64_t result);
/* The call under way is that second one; its child has its number again. */
bool plugin_sharer_again(struct vcpu *v);
/* It has returned. */
void plugin_sharer_done(struct vcpu *v);
/* Whether the thread that QEMU makes for `parent` (or NULL) is such a child. */
bool plugin_sharer_is_born(const struct vcpu *parent);
/* Whether exit or exit_group, which `v` calls, ends its process. */
bool plugin_sharer_ends_process(const struct vcpu *v);
/* Its ptrace call, made of the kernel; registers of the traced are the program's. */
int64_t plugin_sharer_ptrace(const struct vcpu *v);
/* After all has been told: ends what QEMU must not end. */
void plugin_sharer_end(struct vcpu *v);

/* stacks.c: pthread_create, as `create` is, with a stack that is not among the program's mappings. */
typedef int plugin_create_thread(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int plugin_thread_create(plugin_create_thread *create, pthread_t *thread, const pthread_attr_t *attr,
                         void *(*function)(void *), void *argument);

/* wakes.c: the call under way wakes threads; it has been told. */
void plugin_wakes_begin(struct vcpu *v);
void plugin_wakes_end(struct vcpu *v);
/* The call under way was woken, if it was: who did so tells it first. */
void plugin_woken(const struct vcpu *v, int64_t result);

/* clock.c: the program's clock. The thread begins, or its program does; it gets nowhere any more. */
void plugin_clock_begin(struct vcpu *v);
void plugin_clock_stop(struct arena_slot *s);
/* Takes in the words written so far; before they are handed over. */
void plugin_clock_count(struct vcpu *v);
/* The thread waits for those that are behind it. */
void plugin_clock_pace(struct vcpu *v);
/* It goes to the kernel; it is back from there. */
void plugin_clock_leaves(struct vcpu *v);
void plugin_clock_returns(struct vcpu *v);
/* Whether its call waited too short and is made again. */
bool plugin_clock_waits_on(struct vcpu *v, int64_t result);
/* The call has returned: times that it told are the program's. What it returns to the program. */
int64_t plugin_clock_read(struct vcpu *v, int64_t result);

/* CPU time of this process: a thread has ended, or this is a fork's child, of which `v` is left. */
void plugin_clock_ended(struct vcpu *v);
void plugin_clock_forked(struct vcpu *v);

/* The clock, also while nobody runs. */
int64_t plugin_clock_now(void);
/* CPU time that this process has taken, as far as it was handed over. */
void plugin_clock_process(int64_t *user, int64_t *kernel);

/* timers.c: interval timers. This is a fork's child; the program is about to execute another. */
void plugin_timers_forked(void);
void plugin_timers_exec(void);

/* file_names.c: files that lose a name. */
void plugin_names_before(struct vcpu *v);
void plugin_names_after(struct vcpu *v, int64_t result);

/* signals.c: stacks of signal handlers. The program has set one. */
void plugin_handler_set(const struct vcpu *v);
/* Whether a handler begins at this address. */
bool plugin_handler_is(uint64_t va);
/* The code at a handler's address begins: if the kernel would have called it, its stack is put right. */
void plugin_handler_entered(uint64_t va, uint64_t *registers);

/* marks.c: a mark that the call left, if it did. */
void plugin_mark_after(struct vcpu *v);

/* shm.c: System V segments. */
bool plugin_shm_after(struct vcpu *v, int64_t result); /* true: an event of memory has told the call */

/* remote.c: calls on the memory of other processes, and on swap areas. */
bool plugin_remote_after(struct vcpu *v, int64_t result); /* true: events of memory have told the call */

/* seccomp.c: the call is about filters; what the program is told of it. */
bool plugin_seccomp_is(const struct vcpu *v);
int64_t plugin_seccomp(const struct vcpu *v);

/* limits.c: limits that QEMU keeps from the kernel. */
void plugin_limits_begin(struct vcpu *v);
void plugin_limits_after(struct vcpu *v, int64_t result);
/* QEMU has mapped the program, which is so many bytes; `space`: the address space that what executed it has left it, as
 * text, or "". */
void plugin_limits_loaded(uint64_t bytes, const char *space);
/* Whether so many more bytes of mappings are too many for it. */
bool plugin_limits_refuse(uint64_t more);
/* Bytes of address space that the next program may have. */
uint64_t plugin_limits_space(void);
/* The program is about to execute another. */
void plugin_limits_exec(void);

/* emulator_calls.c: the program's call `v` is with QEMU from here to there, in this thread. */
void plugin_call_begins(struct vcpu *v);
void plugin_call_ends(void);
/* The program's call under way in this thread, or NULL: QEMU's own affairs. */
const struct vcpu *plugin_calling(void);
/* QEMU has loaded the program. */
void plugin_program_begins(void);

/* guest_files.c */
struct arena_file plugin_file(int fd);
/* The file that a path leads to, itself where it is a symbolic link; `links`: its names. */
struct arena_file plugin_file_at(int dirfd, const char *path, uint32_t *links);
/* Text of /proc/self/fd/N into `path`; "" when there is none. */
const char *plugin_file_path(int fd, char *path, size_t size);
/* Whether the path of this file has been told already; notes that it now is. */
bool plugin_file_told(const struct arena_file *f);
/* Copies guest memory without faulting; how many bytes could be copied. */
size_t plugin_read_guest(uint64_t va, void *to, size_t bytes);
/* The same the other way. */
size_t plugin_write_guest(uint64_t va, const void *from, size_t bytes);
/* A NUL-terminated guest string, cut at size - 1. Its length, or -1 when it cannot be read. */
int64_t plugin_read_string(uint64_t va, char *to, size_t size);

/* syscalls.c, copies.c, image.c, exec.c */
void plugin_syscall(struct vcpu *v, int64_t number, const uint64_t args[6]);
void plugin_syscall_return(struct vcpu *v, int64_t number, int64_t result);
/* The kernel's own reads (before the event) and writes (after it) of user memory. */
void plugin_copies_in(struct vcpu *v, int64_t result);
void plugin_copies_out(struct vcpu *v, int64_t result);
void plugin_image(struct vcpu *v);
/* Gives the guest a vdso, with room `below` it where Linux has [vvar]; its address, or 0 where it has one or there is
 * no place for it. */
uint64_t plugin_vdso(uint64_t *auxv, uint64_t *bytes, uint64_t *below);
/* Re-enters the recorder with another program; returns when that is impossible (and says why if it matters). */
void plugin_exec(struct vcpu *v, int dirfd, uint64_t path, uint64_t argv, uint64_t envp, int flags);

#endif
