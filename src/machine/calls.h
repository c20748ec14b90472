/* SPDX-License-Identifier: MIT */
/* System calls of tasks: one table, one way in and out, for whoever makes them: the library's functions, the steps of
 * described programs, replayed traces.
 *
 *     vmsim__call -- begin: the CPU has the task's address space, pays and counts the entry (the first time)
 *         |          the row's function: the layer that does it
 *         `--------- leave: the bill goes to the task; a call that must wait says so, and is made again when the task
 *                    was woken, with the same arguments: it goes on where it stopped (struct vmsim__call)
 *
 * Adding a call is a row here and a function in calls.c. Kernel counterparts: arch/x86/entry, the syscall table. */
#ifndef VMSIM__CALLS_H
#define VMSIM__CALLS_H
#include "machine/sched.h"

/* X(id, name): arguments as Linux's, in a[]; files and readahead states instead of descriptors. */
#define VMSIM__CALL_TABLE(X)                                                                                           \
    X(MMAP, "mmap")                             /* addr, length, prot, flags, -, offset; file */                       \
    X(MUNMAP, "munmap")                         /* addr, length */                                                     \
    X(MPROTECT, "mprotect")                     /* addr, length, prot */                                               \
    X(MREMAP, "mremap")                         /* old, old length, new length, flags, new */                          \
    X(BRK, "brk")                               /* addr */                                                             \
    X(MADVISE, "madvise")                       /* addr, length, advice */                                             \
    X(MLOCK, "mlock")                           /* addr, length, flags of mlock2 */                                    \
    X(MUNLOCK, "munlock")                       /* addr, length */                                                     \
    X(MLOCKALL, "mlockall")                     /* flags */                                                            \
    X(MUNLOCKALL, "munlockall")                 /* */                                                                  \
    X(MSYNC, "msync")                           /* addr, length, flags */                                              \
    X(MINCORE, "mincore")                       /* addr, length; the vector is nobody's */                             \
    X(MBIND, "mbind")                           /* addr, length, mode, mask of nodes, flags */                         \
    X(SET_MEMPOLICY, "set_mempolicy")           /* mode, mask of nodes */                                              \
    X(GET_MEMPOLICY, "get_mempolicy")           /* addr, flags; the mask is nobody's, the mode is the result */        \
    X(SET_HOME_NODE, "set_mempolicy_home_node") /* addr, length, node, flags */                                        \
    X(MIGRATE_PAGES, "migrate_pages")           /* mask from, mask to, task (0: itself) */                             \
    X(MOVE_PAGES, "move_pages") /* addr, length, mask, flags, task (0: itself); page n to the n-th node in a circle;   \
                                   no mask: asks */                                                                    \
    X(PROCESS_MADVISE, "process_madvise") /* addr, length, advice, task (0: itself) */                                 \
    X(MEMORY_BLOCK, "memory_block")       /* block, enum vmsim_memory_block_state: a write of its file */              \
    X(MEMORY_NODE, "memory_node")         /* node, state: of all its blocks */                                         \
    X(READ, "read")                       /* offset, length; file, ra */                                               \
    X(WRITE, "write")                     /* offset, length; file */                                                   \
    X(OPEN, "open")                       /* flags; file, ra */                                                        \
    X(UNLINK, "unlink")                   /* file */                                                                   \
    X(FSYNC, "fsync")                     /* file */                                                                   \
    X(FTRUNCATE, "ftruncate")             /* length; file */                                                           \
    X(FALLOCATE, "fallocate")             /* mode, offset, length; file */                                             \
    X(FADVISE, "fadvise64")               /* offset, length, advice; file, ra */                                       \
    X(SYNC, "sync")                       /* */                                                                        \
    X(OTHER, "other")                     /* number: what memory does not see */

enum vmsim__call_id {
#define VMSIM__CALL_ID(id, name) VMSIM__CALL_##id,
    VMSIM__CALL_TABLE(VMSIM__CALL_ID)
#undef VMSIM__CALL_ID
        VMSIM__CALLS
};
extern const char *const vmsim__call_names[VMSIM__CALLS];

struct vmsim__call_args {
    uint64_t a[6];
    struct vmsim__file *file;  /* NULL: none, or not one with pages */
    struct vmsim__file_ra *ra; /* NULL: the file's own */
};

/* Arguments of a call; of one on a file (with a readahead state or NULL). */
#define VMSIM__ARGS(...) (&(struct vmsim__call_args){.a = {__VA_ARGS__}})
#define VMSIM__FILE_ARGS(f, state, ...) (&(struct vmsim__call_args){.a = {__VA_ARGS__}, .file = (f), .ra = (state)})

/* The call waits: task->wait says for what. It is to be made again when the task was woken. */
#define VMSIM__CALL_WAITS INT64_MIN

/* Makes the call: its result, a value or a negative Linux errno; VMSIM__CALL_WAITS. */
int64_t vmsim__call(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim__call_id id,
                    const struct vmsim__call_args *args);
/* The same for who drives the machine call by call: lets the machine run while the call waits. -ESRCH: no such task.
 * When the machine cannot go on -ENOMEM, and its error says why. */
int64_t vmsim__call_now(struct vmsim_machine *m, uint32_t task, enum vmsim__call_id id,
                        const struct vmsim__call_args *args);

/* A call whose work is `work`, which is done again after it had to wait (-ERESTARTSYS). */
typedef int64_t vmsim__call_fn(struct vmsim_machine *m, struct vmsim__task *t, void *context);
int64_t vmsim__call_with(struct vmsim_machine *m, struct vmsim__task *t, vmsim__call_fn *work, void *context);
/* The same for who drives the machine call by call: see vmsim__call_now. */
int64_t vmsim__call_with_now(struct vmsim_machine *m, uint32_t task, vmsim__call_fn *work, void *context);
/* Within a call that uses the file, or none (NULL), before anything of it is looked at: vmsim__file_lookup's result. */
int64_t vmsim__call_find(struct vmsim_machine *m, const struct vmsim__task *t, struct vmsim__file *file);
/* The work of a row alone, within a call: its result, or -ERESTARTSYS. */
int64_t vmsim__call_work(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim__call_id id,
                         const struct vmsim__call_args *args);

/* What vmsim__call does before and after the work, for operations that are no row: a call begins (again); it is left
 * with `result`, -ERESTARTSYS: it waits (VMSIM__CALL_WAITS); it is over. */
void vmsim__call_begin(struct vmsim_machine *m, struct vmsim__task *t);
int64_t vmsim__call_leave(struct vmsim_machine *m, struct vmsim__task *t, int64_t result);
void vmsim__call_end(struct vmsim_machine *m, struct vmsim__task *t);

#endif
