/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_TRACE_H
#define VMSIM_TRACE_H
/**
 * @file trace.h
 * @brief Traces: what a program did to its memory, in recorded order, in one compressed file.
 *
 * A trace is a sequence of references (access.h) and events (system calls, process life) of one or more tasks. The
 * reader yields it in recorded global order: batches of references of one task, and between them single events.
 *
 *     struct vmsim_trace_reader *r;
 *     struct vmsim_trace_item item;
 *     if (vmsim_trace_open("sort.vmt", VMSIM_TRACE_THREAD, &r) == 0)
 *         while ((err = vmsim_trace_next(r, &item)) == 1)
 *             if (item.event)
 *                 handle(item.task, item.event);
 *             else
 *                 drive(item.task, item.accesses, item.count);
 *     if (err < 0)
 *         fprintf(stderr, "%s\n", vmsim_trace_reader_error(r));
 *     vmsim_trace_close(r);
 *
 * Around a system call the order is: the kernel's reads of user memory (paths, buffers of write) as loads, the event,
 * the kernel's writes of user memory (buffers of read, stat, ...) as stores. fork and exit come before they happen, so
 * that a child's items always follow its FORK. Addresses of a recording are those of the recorded run: mmap, mremap,
 * brk and exec events tell them, and a replay must map there.
 *
 * Handles are not shared between threads without a lock; different handles are independent.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmsim/access.h"
#include "vmsim/error.h"
#include "vmsim/version.h"

VMSIM_BEGIN_DECLS

#ifdef __cplusplus
extern "C" {
#endif

/** Version of the container format that this library writes and reads. */
#define VMSIM_TRACE_VERSION 1
/** File id of "no file" (anonymous memory). */
#define VMSIM_TRACE_NO_FILE UINT32_MAX
/** Task id of "no task" (a root task's parent). */
#define VMSIM_TRACE_NO_TASK UINT32_MAX

/**
 * X(NAME, "name", "args[0] .. args[5]"): every type of event. `file` is a file id where said, `result` is the system
 * call's result (negative: -errno of Linux) where said; unused arguments are 0. Addresses and lengths are bytes as
 * the program gave them; flags and protections are Linux x86-64's numbers.
 */
#define VMSIM_TRACE_EVENTS(X)                                                                                          \
    X(START, "start", "pid tid")                                                                                       \
    X(EXEC, "exec", "see vmsim_trace_exec; path=program file=program")                                                 \
    X(FORK, "fork", "child flags(VMSIM_TRACE_FORK_*) stack clone_flags")                                               \
    X(EXIT, "exit", "status group")                                                                                    \
    X(KILLED, "killed", "signal core")                                                                                 \
    X(MMAP, "mmap", "addr length prot flags offset; file, result=address")                                             \
    X(MUNMAP, "munmap", "addr length; result")                                                                         \
    X(MPROTECT, "mprotect", "addr length prot; result")                                                                \
    X(MREMAP, "mremap", "old_addr old_length new_length flags new_addr; result=address")                               \
    X(MADVISE, "madvise", "addr length advice; result")                                                                \
    X(BRK, "brk", "addr; result=new break")                                                                            \
    X(MSYNC, "msync", "addr length flags; result")                                                                     \
    X(MLOCK, "mlock", "addr length flags; result")                                                                     \
    X(MUNLOCK, "munlock", "addr length; result")                                                                       \
    X(MLOCKALL, "mlockall", "flags; result")                                                                           \
    X(MUNLOCKALL, "munlockall", "; result")                                                                            \
    X(FILE, "file", "size kind dev ino; file=id, path")                                                                \
    X(OPEN, "open", "fd flags mode; file, result=fd, path")                                                            \
    X(CLOSE, "close", "fd; file, result")                                                                              \
    X(READ, "read", "fd buffer length offset; file, result=bytes")                                                     \
    X(WRITE, "write", "fd buffer length offset; file, result=bytes")                                                   \
    X(COPY, "copy", "out_fd in_fd length in_offset out_file out_offset; file=input, result=bytes")                     \
    X(FSYNC, "fsync", "fd data_only; file, result")                                                                    \
    X(FTRUNCATE, "ftruncate", "fd length; file, result")                                                               \
    X(FALLOCATE, "fallocate", "fd mode offset length; file, result")                                                   \
    X(FADVISE, "fadvise", "fd offset length advice; file, result")                                                     \
    X(SIGNAL, "signal", "signal target_pid; result")                                                                   \
    X(MIGRATE, "migrate", "cpu")                                                                                       \
    X(MARKER, "marker", "value; path=text")                                                                            \
    X(SYSCALL, "syscall", "number a0 a1 a2 a3 a4; result")                                                             \
    X(UNFOLLOWED, "unfollowed", "number errno; path=what and why: the recording has a gap here")                       \
    X(UNLINK, "unlink", "links left; file")                                                                            \
    X(RLIMIT, "rlimit", "resource soft hard; result")                                                                  \
    X(MEMPOLICY, "mempolicy", "number mode nodes(0 to 63) addr length flags; result; set_mempolicy: no addr")          \
    X(REMOTE, "remote",                                                                                                \
      "number pid(0: itself) addr length value more; result; process_madvise: advice; migrate_pages: nodes(0 to 63) "  \
      "from, to, no addr; move_pages: node, flags, of pages that are side by side")                                    \
    X(SWAP, "swap", "number flags; file, result; swapon, swapoff")

/** Types of events; numbers are part of the file format. */
enum vmsim_trace_event_type {
#define VMSIM_TRACE_ENUM(name, text, args) VMSIM_TRACE_##name,
    VMSIM_TRACE_EVENTS(VMSIM_TRACE_ENUM)
#undef VMSIM_TRACE_ENUM
        VMSIM_TRACE_EVENT_TYPES /**< number of types */
};

/** Flags of FORK. */
enum vmsim_trace_fork_flags {
    VMSIM_TRACE_FORK_VM = 1, /**< the child shares the address space (a thread) */
    VMSIM_TRACE_FORK_VFORK =
        2, /**< vfork: the child runs in its parent's memory, and the parent sleeps, until exec or exit */
    VMSIM_TRACE_FORK_FILES = 4,    /**< the child shares the descriptor table */
    VMSIM_TRACE_FORK_FAILED = 8,   /**< the call failed after all: the child never ran (follows an earlier FORK) */
    VMSIM_TRACE_FORK_PROCESS = 16, /**< with VM: the child is no thread but a process of its own */
};

/** What kind of thing a file is. */
enum vmsim_trace_file_kind {
    VMSIM_TRACE_FILE_REGULAR = 0,
    VMSIM_TRACE_FILE_DIRECTORY = 1,
    VMSIM_TRACE_FILE_DEVICE = 2, /**< character or block device, file of /proc or /sys */
    VMSIM_TRACE_FILE_PIPE = 3,   /**< pipe, socket, eventfd, ... */
    VMSIM_TRACE_FILE_SHM = 4,    /**< memfd, tmpfs, System V segment: swap-backed */
};

/** One mapping that execve made. Anonymous (bss) where `file` is VMSIM_TRACE_NO_FILE. */
struct vmsim_trace_segment {
    uint64_t va;          /**< first byte as in the program header plus the load base, not page aligned */
    uint64_t length;      /**< bytes in memory (p_memsz) */
    uint64_t offset;      /**< of `va` in the file */
    uint64_t file_bytes;  /**< bytes from the file (p_filesz); length - file_bytes is bss, zeroed by the kernel */
    uint32_t file;        /**< file id */
    uint32_t prot;        /**< PROT_* */
    uint32_t interpreter; /**< 1: belongs to the dynamic linker, 0: to the program */
    uint32_t reserved;    /**< 0 */
};

/** What execve built: the argument of an EXEC event. Addresses of 0 mean "there is none". */
struct vmsim_trace_exec {
    uint64_t entry;            /**< where execution begins */
    uint64_t load_base;        /**< added to the program's p_vaddr */
    uint64_t interpreter_base; /**< added to the interpreter's p_vaddr */
    uint64_t stack_top;        /**< end of the stack mapping */
    uint64_t stack_pointer;    /**< initial; the kernel wrote [stack_pointer, stack_pointer + stack_bytes) */
    uint64_t stack_bytes;      /**< arguments, environment, auxiliary vector */
    uint64_t stack_limit;      /**< RLIMIT_STACK in bytes: how far down the stack may grow */
    uint64_t brk_start;        /**< initial program break */
    uint64_t vdso, vdso_bytes; /**< code page of the kernel */
    uint64_t vvar, vvar_bytes; /**< data page of the kernel */
    uint64_t argc, envc;       /**< numbers of strings */
    size_t segment_count;      /**< number of segments */
    const struct vmsim_trace_segment *segments; /**< in order of mapping */
};

/** One event. */
struct vmsim_trace_event {
    enum vmsim_trace_event_type type;    /**< what happened */
    uint32_t file;                       /**< file id, or VMSIM_TRACE_NO_FILE */
    uint64_t args[6];                    /**< see VMSIM_TRACE_EVENTS */
    int64_t result;                      /**< what the system call returned: a value, or -errno */
    const char *path;                    /**< NUL-terminated bytes, or NULL */
    const struct vmsim_trace_exec *exec; /**< of EXEC only, else NULL */
};

/** What vmsim_trace_next() yields. The pointers are good until the next call on the same reader. */
struct vmsim_trace_item {
    uint32_t task;                         /**< task id: 0 is the first, children count up */
    uint64_t index;                        /**< number of references before this item in the whole trace */
    const vmsim_access *accesses;          /**< batch, NULL for an event */
    size_t count;                          /**< references in the batch, 0 for an event */
    const struct vmsim_trace_event *event; /**< NULL for a batch */
};

/** One task of a trace. */
struct vmsim_trace_task {
    uint32_t id, parent; /**< parent: VMSIM_TRACE_NO_TASK for a root */
    uint32_t flags;      /**< VMSIM_TRACE_FORK_* of its creation */
    uint64_t pid, tid;   /**< at recording; 0 unknown */
    uint64_t references; /**< memory references of the task */
    uint64_t events;     /**< events of the task */
    int32_t exit_status; /**< exit status, or -signal when killed; INT32_MIN when not seen */
    const char *name;    /**< last executed program's path, "" unknown */
};

/** One file that a trace mentions. */
struct vmsim_trace_file {
    uint32_t id;                     /**< number that events name it by */
    enum vmsim_trace_file_kind kind; /**< what kind of file */
    uint64_t size;                   /**< bytes, when first seen */
    const char *path;                /**< as the program named it */
};

/** What is known of a whole trace. Strings belong to the reader. */
struct vmsim_trace_info {
    uint32_t version;                              /**< of the container format */
    uint32_t page_size;                            /**< of the recorded machine, bytes */
    const char *arch;                              /**< "x86_64", ... */
    const char *source;                            /**< "record", "lackey", ... */
    const char *program;                           /**< what was recorded, "" unknown */
    const char *arguments;                         /**< shell-quoted command line, "" unknown */
    const char *host;                              /**< free text: kernel, recorder version */
    const char *notes;                             /**< what could not be followed, one line each; "" nothing */
    uint64_t references;                           /**< all kinds */
    uint64_t kinds[4];                             /**< by vmsim_access_type */
    uint64_t events;                               /**< all types */
    uint64_t event_types[VMSIM_TRACE_EVENT_TYPES]; /**< by vmsim_trace_event_type */
    uint64_t blocks;                               /**< of the container */
    uint64_t file_bytes;                           /**< of the container */
    uint32_t tasks, files;                         /**< sizes of the tables */
    int32_t exit_status;                           /**< of task 0, as vmsim_trace_task */
    bool complete;                                 /**< false: the writer was killed; what is there is readable */
};

/* ------------------------------------------------------------------ reading */

/** A trace opened for reading. */
struct vmsim_trace_reader;

/** Flags of vmsim_trace_open(). */
enum vmsim_trace_open_flags {
    VMSIM_TRACE_THREAD = 1,       /**< decode ahead on a second thread; the items are the same */
    VMSIM_TRACE_SKIP_DAMAGED = 2, /**< skip damaged blocks instead of failing; see vmsim_trace_damaged() */
};

/**
 * Opens a trace. A trace without its index (writer killed) opens as far as whole blocks go, with info.complete false
 * and the reason in vmsim_trace_reader_error(): who needs all of it must look at info.complete.
 * On failure *reader still gets a handle that only serves vmsim_trace_reader_error() and vmsim_trace_close(), or NULL
 * when there is no memory. Returns 0, VMSIM_ENOENT, _EIO, _EFORMAT, _EVERSION, _ECORRUPT, _ETRUNCATED, _ENOMEM.
 */
int vmsim_trace_open(const char *path, unsigned flags, struct vmsim_trace_reader **reader);
/** Closes; NULL is fine. */
void vmsim_trace_close(struct vmsim_trace_reader *reader);
/** Next item: 1 an item, 0 end of the trace, or a negative error (VMSIM_ECORRUPT, ...), which stays. */
int vmsim_trace_next(struct vmsim_trace_reader *reader, struct vmsim_trace_item *item);
/** Goes on with reference number `index` (0-based; counts of item.index). VMSIM_EINVAL beyond the end. */
int vmsim_trace_seek(struct vmsim_trace_reader *reader, uint64_t index);
/** Facts of the whole trace; good until close. */
const struct vmsim_trace_info *vmsim_trace_get_info(const struct vmsim_trace_reader *reader);
/** Task by id, good until the reader is closed; NULL when there is none. */
const struct vmsim_trace_task *vmsim_trace_get_task(const struct vmsim_trace_reader *reader, uint32_t id);
/** File by id, good until the reader is closed; NULL when there is none. */
const struct vmsim_trace_file *vmsim_trace_get_file(const struct vmsim_trace_reader *reader, uint32_t id);
/** Text of the last error: "path: byte 1234: what is wrong", or "". */
const char *vmsim_trace_reader_error(const struct vmsim_trace_reader *reader);
/** Number of blocks skipped under VMSIM_TRACE_SKIP_DAMAGED; *text gets the last one's message if not NULL. */
uint64_t vmsim_trace_damaged(const struct vmsim_trace_reader *reader, const char **text);
/** Name of an event type ("mmap"), "?" when out of range. Static. */
const char *vmsim_trace_event_name(unsigned type);
/** Space-separated names of an event type's arguments, as in VMSIM_TRACE_EVENTS. Static. */
const char *vmsim_trace_event_args(unsigned type);

/** Reads everything; *first_error gets a copy of the first error's text (`size` bytes).
 *  @return 0 when all is well; VMSIM_EINVAL, VMSIM_ENOENT, VMSIM_EIO, VMSIM_ENOMEM, or what is wrong with the trace:
 *  VMSIM_EFORMAT, VMSIM_EVERSION, VMSIM_ECORRUPT, VMSIM_ETRUNCATED. */
int vmsim_trace_verify(const char *path, char *first_error, size_t size);

/** What vmsim_trace_check_mappings() found. */
struct vmsim_trace_mappings {
    size_t size;         /**< sizeof */
    uint64_t references; /**< looked at */
    uint64_t outside;    /**< references to addresses that were not mapped at the time */
    uint64_t index;      /**< number of the first such reference */
    uint64_t va;         /**< its address */
    uint32_t task;       /**< its task */
};
/**
 * Replays the mapping calls of a trace (exec, mmap, munmap, mremap, brk, fork, ...) and looks whether every reference
 * lies in a mapping: the check that a recording is whole. A program that crashed may well have one outside.
 * Returns 0 when it could be done (report->outside may be above 0), or an error with its text in `error`.
 */
int vmsim_trace_check_mappings(const char *path, struct vmsim_trace_mappings *report, char *error, size_t error_size);

/* ------------------------------------------------------------------ writing */

/** A trace being written. */
struct vmsim_trace_writer;

/** How to write. Zero-initialise, set `size` to sizeof. */
struct vmsim_trace_options {
    size_t size;           /**< sizeof(struct vmsim_trace_options) */
    uint32_t block_refs;   /**< references a block; 0: the default (1 Mi) */
    int32_t level;         /**< zstd level; 0: the default */
    uint32_t page_size;    /**< 0: 4096 */
    const char *arch;      /**< NULL: "x86_64" */
    const char *source;    /**< NULL: "" */
    const char *program;   /**< NULL: "" */
    const char *arguments; /**< NULL: "" */
    const char *host;      /**< NULL: "" */
};

/**
 * Creates "path.part"; vmsim_trace_finish() renames it to `path`, so that a killed writer leaves no half trace under
 * the final name (and "path.part" is itself readable up to its last whole block). `options` may be NULL.
 * A character device or a pipe is written to as it is. VMSIM_EIO: `path` cannot be written, is a directory, a block
 * device or a link, or is being written by another (docs/safety.md); VMSIM_EINVAL: it is empty.
 * vmsim_trace_finish() or vmsim_trace_abandon() frees the writer; on failure *writer is as vmsim_trace_open() leaves
 * its reader.
 */
int vmsim_trace_create(const char *path, const struct vmsim_trace_options *options, struct vmsim_trace_writer **writer);
/** Appends references of a task. @return 0, VMSIM_EINVAL (no such task), VMSIM_EIO or VMSIM_ENOMEM. */
int vmsim_trace_append(struct vmsim_trace_writer *writer, uint32_t task, const vmsim_access *accesses, size_t count);
/** Appends an event; it is copied. A FORK introduces args[0] as a task, a FILE introduces its file id. @return 0,
 *  VMSIM_EINVAL (what it names is not there, or out of order), VMSIM_EIO or VMSIM_ENOMEM. */
int vmsim_trace_append_event(struct vmsim_trace_writer *writer, uint32_t task, const struct vmsim_trace_event *event);
/** Adds a file to the table (and a FILE event of `task`) unless the same path, dev and ino are known; its id. */
int vmsim_trace_append_file(struct vmsim_trace_writer *writer, uint32_t task, const struct vmsim_trace_file *file,
                            uint32_t *id);
/** Adds a line to the trace's notes; it is copied. @return 0, VMSIM_EINVAL or VMSIM_ENOMEM. */
int vmsim_trace_note(struct vmsim_trace_writer *writer, const char *line);
/** Writes the rest and the index, syncs, renames, frees the writer. On error the .part file is removed, and `error`
 *  receives the text, cut to `error_size` bytes. @return 0, VMSIM_EINVAL, VMSIM_EIO or VMSIM_ENOMEM. */
int vmsim_trace_finish(struct vmsim_trace_writer *writer, char *error, size_t error_size);
/** Gives up: removes the .part file and frees the writer; NULL is fine. */
void vmsim_trace_abandon(struct vmsim_trace_writer *writer);
/** Text of the last error, or "". */
const char *vmsim_trace_writer_error(const struct vmsim_trace_writer *writer);

/* ------------------------------------------------------------------ importing */

/** Formats that vmsim_trace_import() knows. */
enum vmsim_trace_format {
    VMSIM_TRACE_FORMAT_LACKEY,     /**< valgrind --tool=lackey --trace-mem=yes, text; also "ADDR R|W", "R|W ADDR" */
    VMSIM_TRACE_FORMAT_ORACLE,     /**< libCacheSim oracleGeneral, 24-byte records: one object is one page */
    VMSIM_TRACE_FORMAT_CHAMPSIM,   /**< ChampSim, 64-byte instruction records */
    VMSIM_TRACE_FORMAT_CSV,        /**< libCacheSim csv: one request a line, see vmsim_trace_import_options */
    VMSIM_TRACE_FORMAT_TXT,        /**< libCacheSim txt: one object a line */
    VMSIM_TRACE_FORMAT_VSCSI,      /**< libCacheSim vscsi, versions 1 and 2: requests to a disk */
    VMSIM_TRACE_FORMAT_DRMEMTRACE, /**< drmemtrace: a file, a zip, or a directory of one process */
    VMSIM_TRACE_FORMATS
};
/** What an import did, and to stop it early. */
struct vmsim_trace_import_options {
    size_t size;      /**< sizeof */
    uint64_t limit;   /**< stop after so many records; 0: all */
    uint64_t records; /**< out: records read */
    uint64_t skipped; /**< out: lines or records without meaning, skipped */
    char error[512];  /**< out: text of an error, with the input's byte offset or line */
    /** of csv: "obj-id-col=5,op-col=3,delimiter=;,has-header=true", columns from 1, as libCacheSim spells it. What is
     *  not said is found in a header; NULL: nothing said */
    const char *columns;
};
/** @return the format of this name ("lackey", "oracle", ...), or -1. */
int vmsim_trace_format_by_name(const char *name);
/** Name of a format, NULL past the end. */
const char *vmsim_trace_format_name(unsigned format);
/** What a format does not tell, and what an import takes instead: one line, which is a note of each imported trace.
 *  NULL past the end. Static. */
const char *vmsim_trace_format_note(unsigned format);
/** Imports `in` (plain or gz, xz, bz2, lz4, zst, zip; "-" is standard input) to a trace `out`. `options` may be NULL.
 * The unpacking is libarchive's, which ends the program when the host has no memory for libarchive itself. */
int vmsim_trace_import(enum vmsim_trace_format format, const char *in, const char *out,
                       struct vmsim_trace_import_options *options);

/* ------------------------------------------------------------------ recording */

/** What is recorded of a program's references. */
enum vmsim_record_only {
    VMSIM_RECORD_ALL,  /**< everything */
    VMSIM_RECORD_DATA, /**< loads and stores: pages of code are then not used in a replay */
    VMSIM_RECORD_CODE, /**< fetches */
};
/** How far a recording is. */
struct vmsim_record_progress {
    uint64_t seen, written; /**< references of the program, and those that are in the trace */
    uint64_t events;        /**< written */
    uint32_t tasks;         /**< alive */
    uint64_t elapsed_ms;    /**< of the host */
};

/** How to record. Zero-initialise, set `size`. */
struct vmsim_record_options {
    size_t size;                 /**< sizeof */
    const char *output;          /**< path of the trace */
    char *const *argv;           /**< program and arguments, NULL-terminated; searched in PATH */
    const char *qemu;            /**< NULL: "qemu-x86_64" in PATH */
    const char *plugin;          /**< NULL: beside the library, or $VMSIM_RECORD_PLUGIN */
    uint64_t max_references;     /**< stop recording (and end the program) after so many; 0: no limit */
    const volatile int *stop;    /**< set non-zero by a signal handler: end the program, keep what is there; or NULL */
    uint64_t max_ms;             /**< end the program after so many ms of the host; 0: no limit */
    enum vmsim_record_only only; /**< kinds of references to record */
    bool page_level;             /**< leave out references to the 8 pages that a task used last, but for first stores */
    uint64_t sample;  /**< of so many million references record one million whole, the others by page; 0, 1: all */
    const char *from; /**< references from here: a mark's name or a number of references; NULL: the beginning */
    const char *to;   /**< references up to here; NULL: the end. Events are recorded all the same */
    void (*progress)(void *context, const struct vmsim_record_progress *progress); /**< four times a second; or NULL */
    void *context;                                                                 /**< of progress */
    const char *cpu; /**< what the program finds itself on, as the emulator's -cpu ("qemu64"); NULL: its default. C
                          libraries and others choose code by it, at most 255 bytes */
};
/** What a recording gave. */
struct vmsim_record_result {
    int32_t exit_status;         /**< of the program, or -signal */
    uint64_t references, events; /**< written to the trace */
    uint32_t tasks;              /**< tasks recorded */
    uint64_t unfollowed;         /**< gaps: see the trace's notes */
    uint64_t differences;        /**< calls that did not come out as on Linux, or may not have: see the notes */
    uint64_t seen;               /**< references that the program made: `references` of them were wanted */
    bool stopped;                /**< the program was ended by a limit or *stop */
    char error[512];             /**< text of an error */
    char notes[4096];            /**< gaps and differences, one line a kind; as many as there is room for */
};
/**
 * Runs a program under qemu-user with the recording plugin and writes its trace. A mark is left by the program when it
 * looks for a file "vmsim:mark:NAME" (access(2), test -e): a MARKER event. A program that fails or crashes is
 * a good recording (see result->exit_status). VMSIM_ENOENT: program, qemu or plugin missing. VMSIM_ECHILD:
 * the emulator ended without having run the program with the plugin. VMSIM_EINVAL: the output is what is to be
 * recorded. No trace is left then.
 */
int vmsim_record(const struct vmsim_record_options *options, struct vmsim_record_result *result);

/** What a recording does about a system call. */
enum vmsim_syscall_class {
    VMSIM_SYSCALL_MODELLED, /**< it has an event that a replay acts on */
    VMSIM_SYSCALL_COUNTED,  /**< it is in the trace with its arguments and result */
    VMSIM_SYSCALL_REFUSED,  /**< the program gets an error that Linux would not give */
    VMSIM_SYSCALL_NONE,     /**< Linux has no such call any more */
};
/** Whether a recorded program sees what it would see on Linux. */
enum vmsim_syscall_trust {
    VMSIM_SYSCALL_SAME,    /**< it does */
    VMSIM_SYSCALL_DIFFERS, /**< it does not */
    VMSIM_SYSCALL_UNKNOWN, /**< not looked at closely enough to say */
};
/** One system call of Linux on x86-64. Strings are static. */
struct vmsim_syscall {
    const char *name;               /**< as in the kernel's table */
    enum vmsim_syscall_class kind;  /**< what the recorder does */
    enum vmsim_syscall_trust trust; /**< what the program sees */
    const char *note;               /**< in what it differs, or "" */
};
/** The call of a number: 0, or VMSIM_ENOENT where there is none (numbers have gaps; all are below 512). */
int vmsim_syscall_get(unsigned number, struct vmsim_syscall *call);
/** "modelled", ...; "?" when out of range. Static. */
const char *vmsim_syscall_class_name(enum vmsim_syscall_class kind);

#ifdef __cplusplus
}
#endif

VMSIM_END_DECLS

#endif
