/* SPDX-License-Identifier: MIT */
/* The shared memory between the recorder and the plugins of all processes it records.
 *
 *     +--------+-------------------+--------------+-----------------+------------------------------------+
 *     | header | slots, one a task | links, u32 a | ring of slices  | chunks of ARENA_CHUNK_WORDS words  |
 *     +--------+-------------------+--chunk-------+-----------------+------------------------------------+
 *
 * A task (one thread of one process) owns at most one chunk and writes packed references into it; `pos` in its slot
 * tells how far. A piece of a chunk goes to the recorder as a *slice*: {chunk, from, to, task, flags}. The order in
 * which slices take their tickets in the ring is the order of the trace, for all tasks of all processes. An event is
 * a slice of its own. Because slots are shared, the recorder finds what a killed task had not yet handed over, and a
 * thread can hand over another's finished part before it changes the address space that both share.
 *
 * Everything is in plain shared memory with futexes and no descriptor, because programs close descriptors that they
 * do not know. Words of a chunk are those of vmsim/access.h; an event slice holds one struct arena_event.
 */
#ifndef VMSIM__ARENA_H
#define VMSIM__ARENA_H
#include <stdatomic.h>
#include <stdint.h>

#define ARENA_MAGIC UINT64_C(0x32414e4552414d56) /* "VMARENA2" */

enum {
    ARENA_TASKS = 1 << 16,
    ARENA_LIVE_TASKS = 1 << 11, /* at once: each is a thread of an emulator */
    ARENA_CHUNKS = 1 << 8,
    ARENA_CHUNK_WORDS = 1 << 15, /* 256 KiB: stays in a core's second-level cache */
    ARENA_RING = 1 << 12,
    ARENA_SCARCE = ARENA_CHUNKS / 4, /* with fewer free chunks, sleepers give theirs back */
    ARENA_NO_CHUNK = -1,
};

/* Kinds of references that nobody wants. */
enum arena_left_out { ARENA_CODE = 1, ARENA_DATA = 2 };

enum arena_slice_flags { ARENA_EVENT = 1, ARENA_RELEASE = 2 };

struct arena_slice {
    _Atomic uint64_t turn; /* ticket: free for it; ticket + 1: filled; ticket + ARENA_RING: consumed */
    uint32_t task, flags;
    int32_t chunk;
    uint32_t from, to; /* words within the chunk */
    uint32_t reserved;
};

/* A task's hot words, on its own cache line. Written by the task; `start` and `chunk` under the process's lock. */
struct arena_slot {
    _Atomic uint64_t pos; /* next free word, counted from the first word of chunk 0 */
    uint64_t end;         /* first word behind the chunk; pos == end also when there is no chunk */
    uint64_t start;       /* first word not handed over */
    int32_t chunk;
    uint32_t pid;
    _Atomic int64_t time;     /* of the program's clock: how far this thread is */
    _Atomic uint32_t running; /* the program's own instructions */
    uint32_t padding[5];
};

/* What did not come out as on Linux is counted: by the number of its call below VMSIM__SYSCALLS (512), or here. */
enum arena_told {
    ARENA_TOLD_CLONE = 512, /* a child that QEMU refuses */
    ARENA_TOLD_PROC,        /* a file of /proc that tells of the emulator */
    ARENA_TOLD_LIMIT,       /* a limit that did not hold */
    ARENA_TOLD_VFORK,       /* a vforked child changed mappings */
    ARENA_TOLD_ANSWER,      /* the right answer is known and could not be given */
    ARENA_TOLD_SETUID,      /* a program that would have another user's rights */
    ARENA_TOLD_SECCOMP,     /* a filter that does not hold */
    ARENA_TOLD_CODE,        /* code that may be written through another mapping */
    ARENA_TOLD_TASKS,       /* too many tasks: the program was ended */
    ARENA_TOLD_KINDS
};

struct arena {
    uint64_t magic, bytes;
    uint32_t recorder;      /* pid */
    uint32_t chunks;        /* of ARENA_CHUNKS in use */
    uint32_t left_out;      /* enum arena_left_out: what plugins need not tell */
    _Atomic int32_t status; /* wait status of the first process */
    _Atomic uint32_t next_task;
    _Atomic uint32_t stop; /* everybody shall end */
    _Atomic uint32_t free_count;
    _Atomic uint64_t free_head; /* tag << 32 | chunk + 1 */
    _Atomic uint32_t free_futex, fill_futex, room_futex;
    _Atomic uint32_t sleeping; /* the recorder waits on fill_futex */
    _Atomic uint32_t told[ARENA_TOLD_KINDS];
    int64_t raw_ahead, boot_ahead; /* of the monotonic clock */
    /* the program's clock (clock.c): its time, how many threads run, when on the host's clock the last of them slept */
    _Alignas(64) _Atomic int64_t clock;
    _Atomic int64_t idle_since;
    _Atomic int64_t date_ahead; /* the date is so far ahead of that time; grows */
    _Atomic uint32_t running;
    _Alignas(64) _Atomic uint64_t tail; /* next ticket */
    _Alignas(64) _Atomic uint64_t head; /* next ticket to consume */
    _Alignas(64) struct arena_slot slots[ARENA_TASKS];
    _Atomic uint32_t links[ARENA_CHUNKS];
    struct arena_slice ring[ARENA_RING];
    _Alignas(4096) uint64_t words[(uint64_t)ARENA_CHUNKS * ARENA_CHUNK_WORDS];
};

/* A file as fstat tells it. */
struct arena_file {
    uint64_t dev, ino, birth, size;
    uint32_t kind;  /* enum vmsim_trace_file_kind */
    uint32_t known; /* 0: there is no file */
};

/* An event on its way: this, then `path_bytes` of path padded to words, then `segments` of arena_segment. */
struct arena_event {
    uint32_t type; /* enum vmsim_trace_event_type, or ARENA_REAPED, ARENA_FILE */
    uint32_t path_bytes;
    uint64_t args[6];
    int64_t result;
    struct arena_file file, other; /* `other`: interpreter of EXEC, output of COPY */
    uint32_t segments;
    uint32_t other_path_bytes; /* interpreter's path, behind `path` */
    uint64_t exec[14];         /* the numbers of struct vmsim_trace_exec from `entry` to `envc` */
};

/* Internal types: a wait call gave back (args: pid, status); a file and its path. */
enum { ARENA_REAPED = 1000, ARENA_FILE };

struct arena_segment {
    uint64_t va, length, offset, file_bytes;
    uint32_t prot, interpreter;
};

#endif
