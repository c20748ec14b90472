/* SPDX-License-Identifier: MIT */
/* Chunks and slices from the side of the recorded process (see record_arena.h).
 *
 * A full chunk, an event, a sleeping thread and another thread's munmap each hand a slice over. Tickets of the ring
 * fix the global order: an event comes behind all that any thread of its process did before, so what a thread wrote
 * before it told another (through memory or a system call) has an earlier ticket than what the other does after its
 * next system call; between two system calls threads interleave by chunk. */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "trace/plugin/plugin.h"

/* The layout is checked by its size and a number: a plugin of another build than the recorder ends here, and not in the
 * middle of a trace. */
int plugin_arena_open(const char *path) {
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    void *at = mmap(NULL, sizeof(struct arena), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at == MAP_FAILED)
        return -1;
    plugin.arena = at;
    return plugin.arena->magic == ARENA_MAGIC && plugin.arena->bytes == sizeof(struct arena) ? 0 : -1;
}

/* Sleeps until *word is no longer `value`, 200 ms at most. Ends the process when nobody records it any more. */
static void wait_while(_Atomic uint32_t *word, uint32_t value) {
    struct timespec limit = {0, 200000000};
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAIT, value, &limit, NULL, 0);
    errno = saved;
    bool gone = kill((pid_t)plugin.arena->recorder, 0) != 0 && errno == ESRCH; /* another user's is there */
    errno = saved;
    if (plugin.arena->stop || gone)
        kill(getpid(), SIGKILL);
}

static void wake(_Atomic uint32_t *word) {
    atomic_fetch_add(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
}

/* A stack of free chunks that all processes share without a lock, since a process may be killed at any instruction. Its
 * head has a count beside the number (ABA): a chunk that was taken and given back in between is not mistaken for the
 * same head. The futex is read before the head, or a chunk freed between the two would be slept through. */
static int32_t take_chunk(void) {
    struct arena *a = plugin.arena;
    for (;;) {
        uint32_t seen = atomic_load(&a->free_futex);
        uint64_t head = atomic_load(&a->free_head);
        while ((uint32_t)head) {
            uint32_t chunk = (uint32_t)head - 1;
            uint64_t next = ((head >> 32) + 1) << 32 | atomic_load(&a->links[chunk]);
            if (atomic_compare_exchange_weak(&a->free_head, &head, next)) {
                atomic_fetch_sub(&a->free_count, 1);
                return (int32_t)chunk;
            }
        }
        wait_while(&a->free_futex, seen);
    }
}

/* Ring and tickets: a ticket is a place, and its turn says whose it is. The recorder empties a place by advancing its
 * turn by the ring's length; who comes too early waits for that. The last store makes the slice visible; it is a
 * compare-and-swap, because the recorder may have given up on a ticket whose process was killed. */
static void submit(uint32_t task, int32_t chunk, uint64_t from, uint64_t to, uint32_t flags) {
    struct arena *a = plugin.arena;
    uint64_t base = (uint64_t)chunk * ARENA_CHUNK_WORDS, ticket = atomic_fetch_add(&a->tail, 1), turn;
    struct arena_slice *s = &a->ring[ticket % ARENA_RING];
    for (;;) {
        uint32_t seen = atomic_load(&a->room_futex);
        turn = atomic_load(&s->turn);
        if (turn == ticket)
            break;
        wait_while(&a->room_futex, seen);
    }
    s->task = task;
    s->flags = flags;
    s->chunk = chunk;
    s->from = (uint32_t)(from - base);
    s->to = (uint32_t)(to - base);
    atomic_compare_exchange_strong(&s->turn, &turn, ticket + 1);
    if (atomic_load(&a->sleeping))
        wake(&a->fill_futex);
    if (a->stop)
        kill(getpid(), SIGKILL);
}

/* Hands over the finished words of a slot; with the lock held, by any thread of the process. */
static void flush_slot(struct vcpu *v, uint32_t flags) {
    struct arena_slot *s = v->slot;
    uint64_t pos = atomic_load_explicit(&s->pos, memory_order_acquire);
    if (s->chunk == ARENA_NO_CHUNK || (pos == s->start && !(flags & ARENA_RELEASE)))
        return;
    plugin_vfork_stored(plugin.arena->words + s->start, pos - s->start);
    submit(v->task, s->chunk, s->start, pos, flags);
    s->start = pos;
}

/* What the others have done so far was before what this thread does next: they may tell each other so by memory alone.
 */
static void flush_others_locked(const struct vcpu *v) {
    for (unsigned i = 0; i < plugin.vcpus; i++)
        if (plugin_vcpu[i].live && &plugin_vcpu[i] != v)
            flush_slot(&plugin_vcpu[i], 0);
}

/* The chunk goes back when the recorder has read it. The program's own words are counted first: they are its clock. */
static void release_locked(struct vcpu *v) {
    struct arena_slot *s = v->slot;
    if (s->chunk == ARENA_NO_CHUNK)
        return;
    plugin_clock_count(v);
    flush_slot(v, ARENA_RELEASE);
    s->chunk = ARENA_NO_CHUNK;
    s->end = s->start = 0;
    atomic_store(&s->pos, 0);
    v->counted = 0;
}

void plugin_release(struct vcpu *v) {
    pthread_mutex_lock(&plugin.lock);
    release_locked(v);
    pthread_mutex_unlock(&plugin.lock);
}

/* Outside of the lock, since it may wait for a chunk, and other threads have to be able to hand theirs over meanwhile.
 * */
static void new_chunk(struct vcpu *v) {
    struct arena_slot *s = v->slot;
    plugin_release(v);
    plugin_clock_pace(v);
    int32_t chunk = take_chunk();
    pthread_mutex_lock(&plugin.lock);
    uint64_t first = (uint64_t)chunk * ARENA_CHUNK_WORDS;
    s->start = first;
    atomic_store(&s->pos, first);
    s->end = first + ARENA_CHUNK_WORDS;
    s->chunk = chunk;
    v->counted = first;
    pthread_mutex_unlock(&plugin.lock);
}

/* A task's first word is preceded by its START event. */
static void start(struct vcpu *v) {
    v->started = true;
    v->process = getpid(); /* a sharer is not its maker's */
    v->tid = (pid_t)syscall(SYS_gettid);
    struct arena_event e = {.type = VMSIM_TRACE_START, .args = {(uint64_t)v->process, (uint64_t)v->tid}};
    plugin_event(v, &e, NULL, NULL, NULL);
    plugin_clock_begin(v);
}

/* A thread that sleeps may do so for ever: with few chunks left it must not keep one. */
void plugin_rest(struct vcpu *v) {
    if (atomic_load(&plugin.arena->free_count) < ARENA_SCARCE)
        plugin_release(v);
}

/* Inlined code of the emulator stores words by itself and comes here only at a chunk's end. */
uint64_t plugin_room(struct vcpu *v) {
    if (!v->started)
        start(v);
    if (atomic_load(&v->slot->pos) == v->slot->end)
        new_chunk(v);
    return atomic_load(&v->slot->pos);
}

void plugin_word(struct vcpu *v, vmsim_access word) {
    uint64_t pos = atomic_load(&v->slot->pos);
    if (pos == v->slot->end)
        pos = plugin_room(v);
    plugin.arena->words[pos] = word;
    atomic_store_explicit(&v->slot->pos, pos + 1, memory_order_release);
}

/* What a system call copies, in references as large as they can be without crossing a page: the kernel copies a page at
 * a time, too, and faults once for each. Addresses that no program has are told by the call's own error. */
void plugin_range(struct vcpu *v, uint64_t va, uint64_t bytes, enum vmsim_access_type type) {
    if (!va || va >> 47 || bytes >> 40)
        return;
    while (bytes) {
        uint64_t page = 4096 - (va & 4095), n = bytes < page ? bytes : page;
        unsigned code = vmsim_access_size_code((uint32_t)n);
        while (vmsim_access_code_bytes(code) > page)
            code--;
        plugin_word(v, va << 7 | (uint64_t)code << 2 | (uint64_t)type);
        va += n;
        bytes -= n;
    }
}

static size_t words_of(size_t bytes) {
    return (bytes + 7) / 8;
}

void plugin_event(struct vcpu *v, struct arena_event *e, const char *path, const char *other_path,
                  const struct arena_segment *segments) {
    struct arena_slot *s = v->slot;
    if (!v->started && e->type != VMSIM_TRACE_START)
        start(v);
    e->path_bytes = path ? (uint32_t)strlen(path) + 1 : 0;
    e->other_path_bytes = other_path ? (uint32_t)strlen(other_path) + 1 : 0;
    size_t need = words_of(sizeof *e) + words_of(e->path_bytes) + words_of(e->other_path_bytes) +
                  words_of(e->segments * sizeof *segments);
    pthread_mutex_lock(&plugin.lock);
    flush_others_locked(v);
    plugin_clock_count(v);
    flush_slot(v, 0);
    uint64_t pos = atomic_load(&s->pos);
    bool full = s->chunk == ARENA_NO_CHUNK || s->end - pos < need;
    pthread_mutex_unlock(&plugin.lock);
    if (full) {
        new_chunk(v);
        pos = s->start;
    }
    uint64_t *to = plugin.arena->words + pos;
    memcpy(to, e, sizeof *e);
    to += words_of(sizeof *e);
    if (path)
        memcpy(to, path, e->path_bytes);
    to += words_of(e->path_bytes);
    if (other_path)
        memcpy(to, other_path, e->other_path_bytes);
    to += words_of(e->other_path_bytes);
    if (e->segments)
        memcpy(to, segments, e->segments * sizeof *segments);
    pthread_mutex_lock(&plugin.lock);
    submit(v->task, s->chunk, pos, pos + need, ARENA_EVENT);
    s->start = pos + need;
    atomic_store(&s->pos, pos + need);
    v->counted = pos + need; /* an event is none of the program's work */
    if (atomic_load(&plugin.arena->free_count) < ARENA_SCARCE)
        release_locked(v);
    pthread_mutex_unlock(&plugin.lock);
}

void plugin_flush_others(const struct vcpu *v) {
    pthread_mutex_lock(&plugin.lock);
    flush_others_locked(v);
    pthread_mutex_unlock(&plugin.lock);
}

void plugin_tell(unsigned kind) {
    if (kind < ARENA_TOLD_KINDS)
        atomic_fetch_add(&plugin.arena->told[kind], 1);
}

/* A number is never used again: events of a task that has ended may still be on their way. */
uint32_t plugin_new_task(void) {
    uint32_t task = atomic_load(&plugin.arena->next_task);
    do {
        if (task >= ARENA_TASKS) {
            plugin_tell(ARENA_TOLD_TASKS);
            atomic_store(&plugin.arena->stop, 1);
            kill(getpid(), SIGKILL);
        }
    } while (!atomic_compare_exchange_weak(&plugin.arena->next_task, &task, task + 1));
    return task;
}

/* The slot is where the recorder finds the words of a process that was killed before it handed them over. */
static void attach(struct vcpu *v, uint32_t task) {
    *v = (struct vcpu){.slot = &plugin.arena->slots[task], .task = task, .live = true, .child = VMSIM_TRACE_NO_TASK};
    v->process = getpid();
    v->slot->chunk = ARENA_NO_CHUNK;
    v->slot->start = v->slot->end = 0;
    atomic_store(&v->slot->pos, 0);
    v->slot->pid = (uint32_t)getpid();
}

void plugin_vcpu_begin(unsigned index, uint32_t task) {
    pthread_mutex_lock(&plugin.lock);
    attach(&plugin_vcpu[index], task);
    plugin_slots[index] = plugin_vcpu[index].slot;
    if (index >= plugin.vcpus)
        plugin.vcpus = index + 1;
    pthread_mutex_unlock(&plugin.lock);
}

/* Only the thread that forked is there in the child. The lock may have been held by one that is not: it is made anew.
 * */
void plugin_forked(struct vcpu *v, uint32_t task) {
    pthread_mutex_init(&plugin.lock, NULL);
    for (unsigned i = 0; i < plugin.vcpus; i++) {
        plugin.orphan |= plugin_vcpu[i].live && &plugin_vcpu[i] != v;
        plugin_vcpu[i].live = false;
    }
    attach(v, task);
    plugin_slots[v - plugin_vcpu] = v->slot;
}
