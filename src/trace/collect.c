/* SPDX-License-Identifier: MIT */
/* Slices to references and events (see collect.h). The arena can be scribbled over by a recorded program gone wild, so
 * nothing in it is trusted: every index and length is checked, and a slice that makes no sense is a gap.
 *
 *     recorded threads                      shared arena                       this process
 *     write words into their chunk ---> ring of slices, one ticket each ---> take_slice ---> filter ---> writer
 *                                  <--- free list of chunks <-------------- give_back
 *
 * One consumer takes the slices in the order of their tickets, and that order is the trace's. It waits for nobody: a
 * writer that died with a ticket is passed over, an error of the trace file still empties the ring, and the limits of
 * a recording (references, time, tasks) set `stop`, which every writer looks at. What tasks there are is known from
 * their events alone, with wait calls of their parents as a second witness, because a process that is killed says
 * nothing itself. */
#include "trace/collect.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "base/vec.h"
#include "trace/filter.h"
#include "trace/syscall_table.h"

enum { IDLE_MS = 20, STUCK_TURNS = 5000 / IDLE_MS, PROGRESS_MS = 250 };

struct file_key {
    uint64_t dev, ino, birth;
    uint32_t id;
};

struct task_state {
    uint64_t pid;
    bool started, ended;
};

struct collector {
    struct vmsim__alloc *alloc;
    struct arena *arena;
    struct vmsim_trace_writer *writer;
    const struct vmsim_record_options *options;
    struct vmsim_record_result *result;
    struct {
        VMSIM__VEC(struct file_key);
    } files;
    uint32_t *hash; /* of files: number + 1 */
    size_t hash_size;
    struct {
        VMSIM__VEC(struct task_state);
    } tasks;
    unsigned live;    /* tasks that started and have not ended */
    uint32_t crashes; /* that died of what they did */
    pid_t supervisor;
    bool supervisor_gone;
    unsigned stuck;
    struct vmsim__filter filter;
    uint64_t begin_ms, told_ms;
};

static int no_memory(struct collector *c) {
    snprintf(c->result->error, sizeof c->result->error, "out of host memory");
    return VMSIM_ENOMEM;
}

static int writer_failed(struct collector *c, int err) {
    if (err)
        snprintf(c->result->error, sizeof c->result->error, "%s", vmsim_trace_writer_error(c->writer));
    return err;
}

/* An event is a result even when writing it failed: the recording then ends with that error. */
static int append_event(struct collector *c, uint32_t task, const struct vmsim_trace_event *e) {
    VMSIM__ASSERT(e && (unsigned)e->type < VMSIM_TRACE_EVENT_TYPES);
    c->result->events++;
    return writer_failed(c, vmsim_trace_append_event(c->writer, task, e));
}

/* A line that is told at the end of the recording; once. */
static void note_line(struct collector *c, const char *line) {
    VMSIM__ASSERT(line);
    char *notes = c->result->notes;
    size_t used = strlen(notes), room = sizeof c->result->notes - used;
    if (strstr(notes, line) || strlen(line) + 2 > room)
        return;
    snprintf(notes + used, room, "%s%s", used ? "\n" : "", line);
}

/* ---- files */

/* Device and inode alone would take a file for one that was deleted and whose inode was given again: hence the birth
 * time. */
static size_t file_place(const struct collector *c, const struct arena_file *f) {
    VMSIM__ASSERT(c->files.count < c->hash_size);
    VMSIM__ASSERT(vmsim__is_pow2(c->hash_size));
    uint64_t h = (f->dev * 31 + f->ino) * UINT64_C(0x9e3779b97f4a7c15) + f->birth;
    for (h ^= h >> 29;; h++) {
        uint32_t n = c->hash[h & (c->hash_size - 1)];
        const struct file_key *k = n ? &c->files.at[n - 1] : NULL;
        if (!k || (k->dev == f->dev && k->ino == f->ino && k->birth == f->birth))
            return h & (c->hash_size - 1);
    }
}

static bool grow_files(struct collector *c) {
    VMSIM__ASSERT(c->hash_size == 0 || vmsim__is_pow2(c->hash_size));
    size_t size = c->hash_size ? c->hash_size * 2 : 256;
    uint32_t *hash = vmsim__calloc(c->alloc, size, sizeof *hash);
    if (!hash)
        return false;
    vmsim__free(c->alloc, c->hash, c->hash_size * sizeof *hash);
    c->hash = hash;
    c->hash_size = size;
    for (size_t i = 0; i < c->files.count; i++) {
        const struct file_key *k = &c->files.at[i];
        const struct arena_file f = {.dev = k->dev, .ino = k->ino, .birth = k->birth};
        c->hash[file_place(c, &f)] = (uint32_t)i + 1;
    }
    return true;
}

/* The file's id in the trace, introduced by a FILE event when it is new. Files are numbered in the order in which
 * tasks first use them, which the trace keeps: replays number them alike. */
static int file_id(struct collector *c, uint32_t task, const struct arena_file *f, const char *path, uint32_t *id) {
    VMSIM__ASSERT(f && id);
    *id = VMSIM_TRACE_NO_FILE;
    if (!f->known)
        return 0;
    if (c->files.count * 2 >= c->hash_size && !grow_files(c))
        return no_memory(c);
    size_t place = file_place(c, f);
    if (c->hash[place]) {
        *id = c->files.at[c->hash[place] - 1].id;
        return 0;
    }
    *id = (uint32_t)c->files.count;
    if (!vmsim__vec_push(c->alloc, &c->files, (struct file_key){f->dev, f->ino, f->birth, *id}))
        return no_memory(c);
    c->hash[place] = *id + 1;
    uint32_t kind = f->kind <= VMSIM_TRACE_FILE_SHM ? f->kind : VMSIM_TRACE_FILE_PIPE;
    struct vmsim_trace_event e = {
        .type = VMSIM_TRACE_FILE, .file = *id, .args = {f->size, kind, f->dev, f->ino}, .path = path ? path : ""};
    return append_event(c, task, &e);
}

/* ---- tasks */

/* Tasks are numbered by the arena as they begin, and may be heard of out of order: those between are made, too. */
static struct task_state *task_state(struct collector *c, uint32_t task) {
    VMSIM__ASSERT(task < ARENA_TASKS);
    while (c->tasks.count <= task)
        if (!vmsim__vec_push(c->alloc, &c->tasks, (struct task_state){0}))
            return NULL;
    return &c->tasks.at[task];
}

/* A task may be over before it is heard to begin, as its parent's wait is told by another thread. More tasks than the
 * emulator can bear end the program; it is told, once. */
static void begin(struct collector *c, struct task_state *t) {
    VMSIM__ASSERT(t);
    c->live += !t->started && !t->ended;
    t->started = true;
    if (c->live > ARENA_LIVE_TASKS && !atomic_exchange(&c->arena->stop, 1))
        atomic_fetch_add(&c->arena->told[ARENA_TOLD_TASKS], 1);
}

static void end(struct collector *c, struct task_state *t) {
    VMSIM__ASSERT(!t->started || t->ended || c->live > 0);
    c->live -= t->started && !t->ended;
    t->ended = true;
    if (atomic_exchange(&c->arena->slots[t - c->tasks.at].running, 0))
        atomic_fetch_sub(&c->arena->running, 1);
}

/* Nobody writes any more, and what sleeps is ended. */
static void stop(struct collector *c) {
    c->result->stopped = true;
    atomic_store(&c->arena->stop, 1);
}

/* The limit stops the program, not the trace: what was under way still comes in. */
static int append_words(struct collector *c, uint32_t task, const uint64_t *words, size_t count) {
    VMSIM__ASSERT(count <= ARENA_CHUNK_WORDS);
    if (vmsim__filter_words(&c->filter, task, &words, &count))
        return no_memory(c);
    c->result->references += count;
    if (c->options->max_references && c->result->references >= c->options->max_references)
        stop(c);
    return count ? writer_failed(c, vmsim_trace_append(c->writer, task, words, count)) : 0;
}

/* What a task that is no more had written and not handed over. The task is dead, so that nobody writes to its chunk
 * any more; `pos` is the last reference that was complete. */
static int salvage(struct collector *c, uint32_t task) {
    VMSIM__ASSERT(task < c->tasks.count || task < ARENA_TASKS);
    struct arena_slot *s = &c->arena->slots[task];
    uint64_t pos = atomic_load(&s->pos), start = s->start;
    int32_t chunk = s->chunk;
    uint64_t base = (uint64_t)(uint32_t)chunk * ARENA_CHUNK_WORDS;
    s->chunk = ARENA_NO_CHUNK;
    if (chunk < 0 || chunk >= ARENA_CHUNKS || start < base || pos < start || pos > base + ARENA_CHUNK_WORDS)
        return 0;
    return append_words(c, task, c->arena->words + start, (size_t)(pos - start));
}

/* Signals that an instruction brings upon itself. Nobody knows whether it would have on Linux, too. */
static bool is_crash(int status) {
    const int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGTRAP || number == SIGFPE ||
           number == SIGSYS;
}

/* Ends a task by its wait status, unless its own exit was seen. */
static int end_task(struct collector *c, uint32_t task, int status) {
    VMSIM__ASSERT(task < c->tasks.count);
    struct vmsim_trace_event e = {.type = VMSIM_TRACE_EXIT, .file = VMSIM_TRACE_NO_FILE};
    if (c->tasks.at[task].ended)
        return 0;
    end(c, &c->tasks.at[task]);
    int err = salvage(c, task);
    if (err)
        return err;
    if (WIFSIGNALED(status)) {
        e.type = VMSIM_TRACE_KILLED;
        e.args[0] = (uint64_t)WTERMSIG(status);
        e.args[1] = WCOREDUMP(status) ? 1 : 0;
    } else {
        e.args[0] = (uint64_t)WEXITSTATUS(status);
        e.args[1] = 1;
    }
    return append_event(c, task, &e);
}

/* A wait call of the program told how process `pid` ended. A wait call may be the only witness of a death: a process
 * killed by a signal writes no exit event. */
static int reaped(struct collector *c, uint64_t pid, int status) {
    bool known = false;
    if (!WIFSIGNALED(status) && !WIFEXITED(status))
        return 0;
    for (uint32_t i = 0; i < c->tasks.count; i++)
        if (c->tasks.at[i].pid == pid) {
            known |= !c->tasks.at[i].ended;
            int err = end_task(c, i, status);
            if (err)
                return err;
        }
    c->crashes += known && is_crash(status);
    return 0;
}

/* ---- events */

/* Reads the parts of an event slice into words of its own place; false when they do not fit in it. The words lie in
 * shared memory and may change while they are looked at: the head is copied first, and only the copy is believed. */
static bool split(const uint64_t *words, size_t count, struct arena_event *a, const char **path, const char **other,
                  const struct arena_segment **segments) {
    size_t at = (sizeof *a + 7) / 8;
    if (count < at)
        return false;
    memcpy(a, words, sizeof *a);
    size_t path_words = ((uint64_t)a->path_bytes + 7) / 8, other_words = ((uint64_t)a->other_path_bytes + 7) / 8;
    size_t segment_words = (uint64_t)a->segments * sizeof **segments / 8;
    if (path_words > count || other_words > count || segment_words > count || a->segments > count ||
        at + path_words + other_words + segment_words > count)
        return false;
    const char *p = (const char *)(words + at), *o = (const char *)(words + at + path_words);
    if ((a->path_bytes && p[a->path_bytes - 1]) || (a->other_path_bytes && o[a->other_path_bytes - 1]))
        return false;
    *path = a->path_bytes ? p : NULL;
    *other = a->other_path_bytes ? o : NULL;
    *segments = (const void *)(words + at + path_words + other_words);
    return true;
}

enum { SEGMENTS = 64 };

/* Segments are told with the mapping that the kernel would make; whether one is of the program or of its interpreter
 * decides whose file it is. A program with more than 64 of them is none that a loader made. */
static int append_exec(struct collector *c, uint32_t task, const struct arena_event *a, struct vmsim_trace_event *e,
                       const char *other, const struct arena_segment *from) {
    VMSIM__ASSERT(e->type == VMSIM_TRACE_EXEC);
    struct vmsim_trace_segment to[SEGMENTS];
    struct vmsim_trace_exec x;
    uint32_t interpreter;
    int err = file_id(c, task, &a->other, other, &interpreter);
    if (err)
        return err;
    memcpy(&x, a->exec, sizeof a->exec);
    x.segment_count = a->segments < SEGMENTS ? a->segments : SEGMENTS;
    x.segments = to;
    for (size_t i = 0; i < x.segment_count; i++)
        to[i] = (struct vmsim_trace_segment){.va = from[i].va,
                                             .length = from[i].length,
                                             .offset = from[i].offset,
                                             .file_bytes = from[i].file_bytes,
                                             .file = from[i].interpreter ? interpreter : e->file,
                                             .prot = from[i].prot,
                                             .interpreter = from[i].interpreter};
    struct vmsim_trace_event whole = *e;
    whole.exec = &x;
    return append_event(c, task, &whole);
}

/* Keeps the table of running tasks. An exit that ends the whole process ends all tasks with its number. */
static int note_event(struct collector *c, uint32_t task, const struct vmsim_trace_event *e) {
    VMSIM__ASSERT((unsigned)e->type < VMSIM_TRACE_EVENT_TYPES);
    vmsim__filter_event(&c->filter, e);
    struct task_state *me = task_state(c, task);
    if (!me)
        return no_memory(c);
    if (e->type == VMSIM_TRACE_START) {
        me->pid = e->args[0];
        begin(c, me);
    }
    if (e->type == VMSIM_TRACE_EXIT)
        end(c, me);
    if (e->type == VMSIM_TRACE_EXIT && e->args[1])
        for (size_t i = 0; i < c->tasks.count; i++)
            if (c->tasks.at[i].pid == me->pid)
                end(c, &c->tasks.at[i]);
    if (e->type == VMSIM_TRACE_UNFOLLOWED)
        note_line(c, e->path ? e->path : "a gap");
    if (e->type == VMSIM_TRACE_UNFOLLOWED)
        c->result->unfollowed++;
    return 0;
}

/* Words that make no event are a gap and not an error: the recorded program may have overwritten them. */
static int take_event(struct collector *c, uint32_t task, const uint64_t *words, size_t count) {
    struct arena_event a;
    const char *path, *other;
    const struct arena_segment *segments;
    if (!split(words, count, &a, &path, &other, &segments))
        return 0;
    if (a.type == ARENA_REAPED)
        return reaped(c, a.args[0], (int)a.args[1]);
    uint32_t id;
    if (a.type == ARENA_FILE)
        return file_id(c, task, &a.file, path, &id);
    if (a.type >= VMSIM_TRACE_EVENT_TYPES)
        return 0;
    struct vmsim_trace_event e = {.type = (enum vmsim_trace_event_type)a.type, .result = a.result};
    memcpy(e.args, a.args, sizeof e.args);
    int err = file_id(c, task, &a.file, path, &e.file);
    if (!err && e.type == VMSIM_TRACE_COPY) {
        uint32_t out;
        err = file_id(c, task, &a.other, other, &out);
        e.args[4] = out;
    }
    if (e.type == VMSIM_TRACE_OPEN || e.type == VMSIM_TRACE_EXEC || e.type == VMSIM_TRACE_UNFOLLOWED ||
        e.type == VMSIM_TRACE_MARKER)
        e.path = path;
    if (!err)
        err = note_event(c, task, &e);
    if (err)
        return err;
    return e.type == VMSIM_TRACE_EXEC ? append_exec(c, task, &a, &e, other, segments) : append_event(c, task, &e);
}

/* ---- slices */

/* A free list without locks; the upper half of its head counts, so that a head that came back (ABA) is not taken for
 * the same. */
static void give_back(struct arena *a, uint32_t chunk) {
    VMSIM__ASSERT(chunk < ARENA_CHUNKS);
    uint64_t head = atomic_load(&a->free_head), next;
    do {
        atomic_store(&a->links[chunk], (uint32_t)head);
        next = ((head >> 32) + 1) << 32 | (chunk + 1);
    } while (!atomic_compare_exchange_weak(&a->free_head, &head, next));
    atomic_fetch_add(&a->free_count, 1);
    atomic_fetch_add(&a->free_futex, 1);
    syscall(SYS_futex, &a->free_futex, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
}

/* Every field is copied before it is checked, since shared memory may change between the two. */
static int take_slice(struct collector *c, const struct arena_slice *s) {
    uint32_t task = s->task, from = s->from, to = s->to, flags = s->flags;
    int32_t chunk = s->chunk;
    if (task >= ARENA_TASKS || chunk < 0 || chunk >= ARENA_CHUNKS || from > to || to > ARENA_CHUNK_WORDS)
        return 0;
    const uint64_t *words = c->arena->words + (uint64_t)chunk * ARENA_CHUNK_WORDS + from;
    int err = flags & ARENA_EVENT ? take_event(c, task, words, to - from) : append_words(c, task, words, to - from);
    if (flags & ARENA_RELEASE)
        give_back(c->arena, (uint32_t)chunk);
    return err;
}

/* Ends the processes that sleep and so do not see `stop`. A number is only believed when qemu runs under it. SIGKILL,
 * as qemu handles every other signal for its guest. */
static void end_sleepers(const struct collector *c) {
    for (size_t i = 0; i < c->tasks.count; i++) {
        char link[64], exe[512];
        if (c->tasks.at[i].ended || c->tasks.at[i].pid < 2 || c->tasks.at[i].pid > INT32_MAX)
            continue;
        snprintf(link, sizeof link, "/proc/%d/exe", (int)c->tasks.at[i].pid);
        ssize_t n = readlink(link, exe, sizeof exe - 1);
        exe[n > 0 ? n : 0] = 0;
        if (strstr(exe, "qemu"))
            kill((pid_t)c->tasks.at[i].pid, SIGKILL);
    }
}

/* Sleeps until something may have come; looks whether everybody is gone. The turn is looked at again after `sleeping`
 * is set: a slice that came between would not wake anybody. */
static void idle(struct collector *c, uint64_t head) {
    struct arena *a = c->arena;
    struct timespec limit = {0, IDLE_MS * 1000000};
    uint32_t seen = atomic_load(&a->fill_futex);
    atomic_store(&a->sleeping, 1);
    if (atomic_load(&a->ring[head % ARENA_RING].turn) == head)
        syscall(SYS_futex, &a->fill_futex, FUTEX_WAIT, seen, &limit, NULL, 0);
    atomic_store(&a->sleeping, 0);
    if (atomic_load(&a->stop))
        end_sleepers(c);
    int status;
    if (!c->supervisor_gone && waitpid(c->supervisor, &status, WNOHANG) != 0)
        c->supervisor_gone = true;
}

/* A ticket whose taker died before it filled its slice would stop all others: it is passed over in the end. */
static bool pass_over(struct collector *c, uint64_t head) {
    VMSIM__ASSERT(c->arena);
    if (atomic_load(&c->arena->tail) == head)
        return false;
    if (!c->supervisor_gone && ++c->stuck < STUCK_TURNS)
        return false;
    uint64_t turn = head;
    c->stuck = 0;
    return atomic_compare_exchange_strong(&c->arena->ring[head % ARENA_RING].turn, &turn, head + ARENA_RING);
}

/* Writers that found the ring full are woken every 64 slices, not at each: a wake is a system call. */
static void room_again(struct arena *a, uint64_t head) {
    atomic_store(&a->head, head);
    if (head % 64)
        return;
    atomic_fetch_add(&a->room_futex, 1);
    syscall(SYS_futex, &a->room_futex, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
}

static uint64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The clock of the host: a recording is no simulation. */
static void look_at_clock(struct collector *c) {
    const struct vmsim_record_options *o = c->options;
    if (!o->max_ms && !o->progress)
        return;
    const uint64_t elapsed = now_ms() - c->begin_ms;
    if (o->max_ms && elapsed >= o->max_ms)
        stop(c);
    if (!o->progress || elapsed < c->told_ms + PROGRESS_MS)
        return;
    c->told_ms = elapsed;
    o->progress(o->context, &(struct vmsim_record_progress){.seen = c->filter.seen,
                                                            .written = c->filter.written,
                                                            .events = c->result->events,
                                                            .tasks = c->live,
                                                            .elapsed_ms = elapsed});
}

/* Consumes slices until all are in and nobody is left. The user's stop is looked at with every slice: a program that is
 * faster than the collector never lets it idle. After an error slices are still taken, and thrown away, or the program
 * would wait for room for ever. */
static int consume(struct collector *c) {
    struct arena *a = c->arena;
    int err = 0;
    for (uint64_t head = 0;;) {
        struct arena_slice *s = &a->ring[head % ARENA_RING];
        if (c->options->stop && *c->options->stop)
            stop(c);
        look_at_clock(c);
        if (atomic_load(&s->turn) == head + 1) {
            if (!err)
                err = take_slice(c, s);
            if (err)
                atomic_store(&a->stop, 1);
            c->stuck = 0;
            atomic_store(&s->turn, head + ARENA_RING);
            room_again(a, ++head);
            continue;
        }
        bool over = c->supervisor_gone;
        idle(c, head);
        if (pass_over(c, head))
            room_again(a, ++head);
        else if (over && atomic_load(&a->tail) == head)
            return err;
    }
}

/* One line a kind of what did not come out as on Linux. */
static int tell_kind(struct collector *c, unsigned kind, uint32_t count) {
    VMSIM__ASSERT(kind < ARENA_TOLD_KINDS && count > 0);
    static const char *const others[] = {
        [ARENA_TOLD_CLONE - VMSIM__SYSCALLS] =
            "clone: refused for a child in namespaces of its own, or one that shares files but no memory",
        [ARENA_TOLD_PROC - VMSIM__SYSCALLS] =
            "open: a file of /proc that shows the emulator's memory, not the program's",
        [ARENA_TOLD_LIMIT - VMSIM__SYSCALLS] =
            "setrlimit: a limit of data does not hold while recording; replays keep it",
        [ARENA_TOLD_VFORK - VMSIM__SYSCALLS] =
            "vfork: a child changed mappings before its exec, which its parent does not see",
        [ARENA_TOLD_ANSWER - VMSIM__SYSCALLS] = "calls that this emulator answers otherwise than Linux",
        [ARENA_TOLD_SETUID - VMSIM__SYSCALLS] = "exec: a setuid program does not get its owner's rights",
        [ARENA_TOLD_SECCOMP - VMSIM__SYSCALLS] = "seccomp: a filter does not hold while recording",
        [ARENA_TOLD_CODE - VMSIM__SYSCALLS] =
            "mmap: code in shared memory; what is written to it through another mapping may not be executed",
        [ARENA_TOLD_TASKS - VMSIM__SYSCALLS] =
            "fork: the program was ended, for it had more than 2,048 tasks at once or 65,536 in all",
    };
    char line[300];
    struct vmsim_syscall call;
    const char *times = count == 1 ? "once" : "times", *what = "gives what Linux would not";
    char number[24] = "";
    if (count != 1)
        snprintf(number, sizeof number, "%u ", count);
    if (kind >= VMSIM__SYSCALLS) {
        snprintf(line, sizeof line, "%s (%s%s)", others[kind - VMSIM__SYSCALLS], number, times);
    } else {
        if (vmsim_syscall_get(kind, &call))
            return 0;
        if (call.trust == VMSIM_SYSCALL_UNKNOWN)
            what = "may not be as on Linux";
        snprintf(line, sizeof line, "%s: %s (%s%s)", call.name, *call.note ? call.note : what, number, times);
    }
    c->result->differences += count;
    note_line(c, line);
    return writer_failed(c, vmsim_trace_note(c->writer, line));
}

/* A note of the trace, too: whoever replays it later must know that its end may be the emulator's doing. */
static int tell_crashes(struct collector *c) {
    char line[200];
    snprintf(line, sizeof line,
             "died of a fault: if it does not without the recorder, the emulator is to blame (%u %s)", c->crashes,
             c->crashes == 1 ? "process" : "processes");
    c->result->differences += c->crashes;
    note_line(c, line);
    return writer_failed(c, vmsim_trace_note(c->writer, line));
}

/* After the last event, when no writer is left that could still count. */
static int tell_differences(struct collector *c) {
    int err = c->crashes ? tell_crashes(c) : 0;
    for (unsigned i = 0; i < ARENA_TOLD_KINDS && !err; i++) {
        uint32_t count = atomic_load(&c->arena->told[i]);
        err = count ? tell_kind(c, i, count) : 0;
    }
    return err;
}

/* The first thing that comes from a program is its exec. An emulator that did not load the plugin, or could not load
 * the program, sends nothing, and how it ended is not how a program ended. */
static int nothing_came(struct collector *c, int status) {
    VMSIM__ASSERT(c->result);
    snprintf(
        c->result->error, sizeof c->result->error,
        "nothing was recorded: the emulator %s %d and never ran %.200s with the recorder's plugin; what it printed "
        "says why",
        WIFSIGNALED(status) ? "was killed by signal" : "ended with status",
        WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), c->options->argv[0]);
    return VMSIM_ECHILD;
}

/* Nobody writes any more. What tasks had written and not handed over is read from their chunks, the first task's last,
 * since its end is the end of the trace. */
static int finish(struct collector *c) {
    int status = atomic_load(&c->arena->status), err = 0;
    if (!c->result->events)
        return nothing_came(c, status);
    if (!task_state(c, 0))
        return no_memory(c);
    c->result->exit_status = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    c->result->tasks = atomic_load(&c->arena->next_task);
    for (uint32_t i = 1; i < c->tasks.count && !err; i++)
        err = c->tasks.at[i].ended ? 0 : salvage(c, i);
    c->crashes += !c->tasks.at[0].ended && is_crash(status);
    if (!err)
        err = end_task(c, 0, status);
    c->result->seen = c->filter.seen;
    if (!err)
        err = writer_failed(c, vmsim__filter_notes(&c->filter, c->writer));
    if (!err && c->result->stopped)
        err = writer_failed(c, vmsim_trace_note(c->writer, "the program was ended before its end, as asked"));
    return err ? err : tell_differences(c);
}

/* Called once everything is set up, in the process that writes the trace; the supervisor is a child that waits for the
 * program. It is waited for in any case, or it would be left behind as a zombie. */
int vmsim__collect(struct arena *arena, pid_t supervisor, struct vmsim_trace_writer *writer,
                   const struct vmsim_record_options *options, struct vmsim_record_result *result) {
    VMSIM__ASSERT(arena && writer && supervisor > 0);
    struct collector c = {.alloc = vmsim__alloc_create(NULL),
                          .arena = arena,
                          .writer = writer,
                          .options = options,
                          .result = result,
                          .supervisor = supervisor,
                          .begin_ms = now_ms()};
    int err = c.alloc ? vmsim__filter_init(&c.filter, c.alloc, options, ARENA_CHUNK_WORDS) : VMSIM_ENOMEM;
    if (err)
        atomic_store(&arena->stop, 1);
    else
        err = consume(&c);
    if (!err)
        err = finish(&c);
    if (!c.supervisor_gone)
        waitpid(supervisor, NULL, 0);
    if (!c.alloc)
        return err;
    vmsim__filter_fini(&c.filter);
    vmsim__vec_fini(c.alloc, &c.files);
    vmsim__vec_fini(c.alloc, &c.tasks);
    vmsim__free(c.alloc, c.hash, c.hash_size * sizeof *c.hash);
    vmsim__alloc_destroy(c.alloc);
    return err;
}
