/* SPDX-License-Identifier: MIT */
/* Reading a trace: opening (index, or a walk over all blocks when there is none), items, seeking.
 *
 * With VMSIM_TRACE_THREAD a second thread fills the chunks of a small ring ahead of the caller:
 *
 *     filler -> [chunk][chunk][chunk][chunk] -> vmsim_trace_next()     `filled` counts chunks ready or in use
 *
 * One chunk is 256 KiB of references, so that a chunk is still in cache when it is used and a hand-over costs
 * nothing beside it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "trace/feed.h"
#include "trace/trace_block.h"

enum { RING = 4 };

struct vmsim_trace_reader {
    struct vmsim__alloc *alloc;
    struct vmsim__err err;
    char *path;
    int fd;
    bool threaded;
    struct vmsim__tables tables;
    struct vmsim__pipe pipe;
    struct vmsim_trace_info info;
    char *meta[5]; /* arch, source, program, arguments, host */
    struct vmsim__chunk ring[RING];
    unsigned chunks;  /* of the ring in use: RING, or 1 without a thread */
    unsigned current; /* being read, if have */
    size_t item;
    bool have, ended;
    /* the filling thread */
    pthread_t thread;
    bool running, stop;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned filled; /* chunks from `current` on that are full */
    /* with others of the same trace (feed.h) */
    struct vmsim__feed *feed;
    void *feed_context;
    uint64_t taken; /* chunks of the feed */
};

static int fail(struct vmsim_trace_reader *r, int code, const char *why) {
    return vmsim__err_set(&r->err, code, "%s: %s", r->path ? r->path : "trace", why);
}

/* ---- opening */

/* Pipes are refused, for the index is at the end. */
static int open_file(struct vmsim_trace_reader *r, uint64_t *bytes) {
    VMSIM__ASSERT(r->path && r->fd < 0);
    struct stat st;
    r->fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* without waiting for the writer of a pipe */
    if (r->fd < 0)
        return fail(r, errno == ENOENT ? VMSIM_ENOENT : VMSIM_EIO, strerror(errno));
    if (fstat(r->fd, &st))
        return fail(r, VMSIM_EIO, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fail(r, VMSIM_EFORMAT, "not a regular file");
    *bytes = (uint64_t)st.st_size;
    return 0;
}

/* The version is looked at before everything else, so that a newer file is told from a damaged one. */
static int read_header(struct vmsim_trace_reader *r) {
    VMSIM__ASSERT(r->fd >= 0);
    unsigned char raw[VMSIM__FILE_HEADER];
    struct vmsim__file_header h;
    const char *why;
    if (r->info.file_bytes == 0)
        return fail(r, VMSIM_ETRUNCATED, "byte 0: the file is empty");
    if (r->info.file_bytes < sizeof raw)
        return fail(r, VMSIM_ETRUNCATED, "byte 0: the file ends within its header");
    int err = vmsim__loader_read(&r->pipe.loader, 0, raw, sizeof raw, &r->err);
    if (err)
        return err;
    err = vmsim__get_file_header(raw, &h, &why);
    if (err == VMSIM_EVERSION)
        return vmsim__err_set(&r->err, err, "%s: byte 8: version %u of the trace format; this library reads %d",
                              r->path, h.version, VMSIM_TRACE_VERSION);
    if (err)
        return vmsim__err_set(&r->err, err, "%s: byte 0: %s", r->path, why);
    r->info.version = h.version;
    r->info.page_size = h.page_size;
    return 0;
}

/* Pairs of strings; those of unknown names are for newer readers. */
static int read_meta(struct vmsim_trace_reader *r, uint64_t *next) {
    VMSIM__ASSERT(r->fd >= 0 && next);
    static const char *const names[5] = {"arch", "source", "program", "arguments", "host"};
    struct vmsim__block_header h;
    struct vmsim__loader *l = &r->pipe.loader;
    int err = vmsim__loader_block(l, VMSIM__FILE_HEADER, &h, false, &r->err);
    if (err)
        return err;
    if (h.kind != VMSIM__BLOCK_META)
        return fail(r, VMSIM_ECORRUPT, "byte 64: the block of facts is missing");
    struct vmsim__cursor c = {l->events, l->events + h.events_raw, false};
    while (c.at < c.end && !c.failed) {
        size_t key_length, length;
        const char *key = vmsim__cursor_string(&c, 64, &key_length);
        const char *value = vmsim__cursor_string(&c, VMSIM__INDEX_MAX, &length);
        for (unsigned i = 0; value && i < 5; i++) {
            if (r->meta[i] || strlen(names[i]) != key_length || memcmp(names[i], key, key_length) != 0)
                continue;
            char *copy = vmsim__malloc(r->alloc, length + 1);
            if (!copy)
                return fail(r, VMSIM_ENOMEM, vmsim_error_text(VMSIM_ENOMEM));
            memcpy(copy, value, length);
            copy[length] = 0;
            r->meta[i] = vmsim__strdup(r->alloc, copy); /* ends at the first 0, if there is one within */
            vmsim__free(r->alloc, copy, length + 1);
            if (!r->meta[i])
                return fail(r, VMSIM_ENOMEM, vmsim_error_text(VMSIM_ENOMEM));
        }
    }
    *next = VMSIM__FILE_HEADER + vmsim__block_bytes(&h);
    return c.failed ? fail(r, VMSIM_ECORRUPT, "byte 64: the block of facts is damaged") : 0;
}

/* Errors of the host say nothing about the trace: they are never taken for damage. */
static bool of_the_host(int code) {
    return code == VMSIM_ENOMEM || code == VMSIM_EIO;
}

/* The index, if the file has a whole one. 0 loaded, 1 there is none, or an error of the host; r->err says why. A trace
 * without an index is no error: its writer was stopped, and what it wrote can be replayed after a walk over the
 * blocks. */
static int read_index(struct vmsim_trace_reader *r) {
    VMSIM__ASSERT(r->fd >= 0);
    struct vmsim__loader *l = &r->pipe.loader;
    unsigned char raw[VMSIM__TRAILER];
    struct vmsim__block_header h;
    uint64_t at = l->file_bytes - sizeof raw, offset, bytes;
    if (l->file_bytes < sizeof raw)
        return 1;
    int err = vmsim__loader_read(l, at, raw, sizeof raw, &r->err);
    if (err)
        return of_the_host(err) ? err : 1;
    if (!vmsim__get_trailer(raw, &offset, &bytes) || bytes != l->file_bytes) {
        vmsim__err_set(&r->err, VMSIM_ETRUNCATED, "%s: byte %llu: the trace has no end: its writer was stopped",
                       r->path, (unsigned long long)l->file_bytes);
        return 1;
    }
    err = vmsim__loader_block(l, offset, &h, false, &r->err);
    if (err || h.kind != VMSIM__BLOCK_INDEX)
        return of_the_host(err) ? err : 1;
    struct vmsim__cursor c = {l->events, l->events + h.events_raw, false};
    err = vmsim__tables_get(&r->tables, &c);
    if (err == VMSIM_ENOMEM)
        return fail(r, err, vmsim_error_text(err));
    if (err || r->tables.references != h.first_ref || r->tables.events != h.first_event) {
        vmsim__err_set(&r->err, VMSIM_ECORRUPT, "%s: byte %llu: the index is damaged", r->path,
                       (unsigned long long)offset);
        return 1;
    }
    r->info.complete = true;
    return 0;
}

/* Takes note of the events and switches of a block whose references are not decoded. Counts what the index would have
 * said, without decoding a reference. */
static int scan_events(struct vmsim_trace_reader *r, const struct vmsim__block_header *h, unsigned char *space) {
    VMSIM__ASSERT(h->kind == VMSIM__BLOCK_DATA && space);
    struct vmsim__loader *l = &r->pipe.loader;
    struct vmsim__cursor c = {l->events, l->events + h->events_raw, false};
    uint64_t at = 0, since = 0;
    uint32_t task = VMSIM_TRACE_NO_TASK;
    int err = 0;
    while (!err && c.at < c.end) {
        uint64_t gap = vmsim__cursor_varint(&c), op = vmsim__cursor_varint(&c);
        if (c.failed || gap > h->refs - at || op > VMSIM_TRACE_EVENT_TYPES)
            return VMSIM_ECORRUPT;
        at += gap;
        if (task == VMSIM_TRACE_NO_TASK && (at || op))
            return VMSIM_ECORRUPT; /* references or an event of no task */
        if (op == 0) {
            if (at > since)
                r->tables.tasks.at[task].references += at - since;
            since = at;
            task = (uint32_t)vmsim__min64(vmsim__cursor_varint(&c), UINT32_MAX);
            err = c.failed ? VMSIM_ECORRUPT : vmsim__tables_task(&r->tables, task);
            continue;
        }
        struct vmsim__event_room room = {space, 0, VMSIM__EVENT_ROOM};
        struct vmsim_trace_event e;
        err = vmsim__get_event(&c, (unsigned)(op - 1), &e, &room) ? vmsim__tables_event(&r->tables, task, &e)
                                                                  : VMSIM_ECORRUPT;
    }
    VMSIM__ASSERT(err || task == VMSIM_TRACE_NO_TASK || task < r->tables.tasks.count);
    if (!err && h->refs > since && task == VMSIM_TRACE_NO_TASK)
        return VMSIM_ECORRUPT;
    if (!err && h->refs > since)
        r->tables.tasks.at[task].references += h->refs - since;
    return err;
}

/* Walks all blocks from `offset` on to the last whole one. Stops at the first block that is damaged, cut off or out of
 * order: what follows could belong anywhere. */
static int scan(struct vmsim_trace_reader *r, uint64_t offset) {
    VMSIM__ASSERT(offset >= VMSIM__FILE_HEADER);
    struct vmsim__loader *l = &r->pipe.loader;
    struct vmsim__block_header h;
    struct vmsim__err why;
    unsigned char *space = vmsim__malloc(r->alloc, VMSIM__EVENT_ROOM);
    int err = space ? 0 : VMSIM_ENOMEM, code = 0;
    vmsim__tables_fini(&r->tables);
    vmsim__tables_init(&r->tables, r->alloc);
    while (!err && (code = vmsim__loader_block(l, offset, &h, false, &why)) == 0 && h.kind == VMSIM__BLOCK_DATA) {
        if (h.first_ref != r->tables.references || h.first_event != r->tables.events)
            break;
        err = scan_events(r, &h, space);
        if (!err)
            err = vmsim__tables_block(&r->tables, &h, offset);
        offset += vmsim__block_bytes(&h);
    }
    vmsim__free(r->alloc, space, VMSIM__EVENT_ROOM);
    if (of_the_host(code)) {
        r->err = why;
        return code;
    }
    return err == VMSIM_ENOMEM ? fail(r, err, vmsim_error_text(err)) : 0;
}

static void fill_info(struct vmsim_trace_reader *r) {
    struct vmsim_trace_info *i = &r->info;
    const char **text[5] = {&i->arch, &i->source, &i->program, &i->arguments, &i->host};
    for (unsigned n = 0; n < 5; n++)
        *text[n] = r->meta[n] ? r->meta[n] : "";
    i->notes = r->tables.notes.count ? (const char *)r->tables.notes.at : "";
    i->references = r->tables.references;
    i->events = r->tables.events;
    memcpy(i->kinds, r->tables.kinds, sizeof i->kinds);
    memcpy(i->event_types, r->tables.event_types, sizeof i->event_types);
    i->blocks = r->tables.blocks.count;
    i->tasks = (uint32_t)r->tables.tasks.count;
    i->files = (uint32_t)r->tables.files.count;
    i->exit_status = i->tasks ? r->tables.tasks.at[0].exit_status : INT32_MIN;
}

/* The reader is handed out even when this fails, so that its text can be asked for. */
static int begin(struct vmsim_trace_reader *r, const char *path, unsigned flags) {
    VMSIM__ASSERT(path);
    uint64_t offset = 0;
    r->path = vmsim__strdup(r->alloc, path);
    if (!r->path)
        return fail(r, *path ? VMSIM_ENOMEM : VMSIM_ENOENT, *path ? "out of host memory" : "the name is empty");
    int err = open_file(r, &r->info.file_bytes);
    if (!err && !vmsim__pipe_init(&r->pipe, r->alloc, r->fd, r->path, r->info.file_bytes, &r->tables))
        err = fail(r, VMSIM_ENOMEM, vmsim_error_text(VMSIM_ENOMEM));
    if (!err)
        err = read_header(r);
    if (!err)
        err = read_meta(r, &offset);
    if (err)
        return err;
    r->pipe.skip_damaged = flags & VMSIM_TRACE_SKIP_DAMAGED;
    int missing = read_index(r);
    if (missing < 0)
        return missing;
    if (missing)
        err = scan(r, offset);
    fill_info(r);
    return err;
}

/* Also on failure *reader is set, when there is memory: it has the text of the error. */
int vmsim_trace_open(const char *path, unsigned flags, struct vmsim_trace_reader **reader) {
    if (reader)
        *reader = NULL;
    if (!path || !reader)
        return VMSIM_EINVAL;
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    struct vmsim_trace_reader *r = a ? vmsim__calloc(a, 1, sizeof *r) : NULL;
    *reader = r;
    if (!r) {
        if (a)
            vmsim__alloc_destroy(a);
        return VMSIM_ENOMEM;
    }
    r->alloc = a;
    r->fd = -1;
    r->threaded = flags & VMSIM_TRACE_THREAD;
    r->chunks = r->threaded ? RING : 1;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    vmsim__tables_init(&r->tables, a);
    return begin(r, path, flags);
}

/* ---- the filling thread */

/* The lock is not held while a chunk is filled: only `filled` and `stop` are shared, and a chunk belongs to one side
 * at a time. */
static void *fill_ahead(void *context) {
    struct vmsim_trace_reader *r = context;
    int status = 1;
    pthread_mutex_lock(&r->lock);
    unsigned at = r->current;
    VMSIM__ASSERT(at < r->chunks);
    while (status == 1 && !r->stop) {
        while (r->filled == r->chunks && !r->stop)
            pthread_cond_wait(&r->changed, &r->lock);
        if (r->stop)
            break;
        pthread_mutex_unlock(&r->lock);
        status = vmsim__pipe_fill(&r->pipe, &r->ring[at]);
        at = (at + 1) % r->chunks;
        pthread_mutex_lock(&r->lock);
        r->filled++;
        VMSIM__ASSERT(r->filled <= r->chunks);
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void stop_thread(struct vmsim_trace_reader *r) {
    VMSIM__ASSERT(!r->running || r->threaded);
    if (!r->running)
        return;
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    r->running = r->stop = false;
}

/* Gives the chunk just read back and waits for the next. The thread starts at the first chunk, so that opening a trace
 * for its facts costs none. False: the host gives no second thread; the caller's does it all, with the same
 * items. */
static bool wait_chunk(struct vmsim_trace_reader *r) {
    if (!r->running) {
        r->current = r->filled = 0;
        r->have = false;
        if (pthread_create(&r->thread, NULL, fill_ahead, r))
            return false;
        r->running = true;
    }
    pthread_mutex_lock(&r->lock);
    if (r->have) {
        VMSIM__ASSERT(r->filled > 0);
        r->filled--;
        r->current = (r->current + 1) % r->chunks;
        pthread_cond_broadcast(&r->changed);
    }
    while (!r->filled)
        pthread_cond_wait(&r->changed, &r->lock);
    VMSIM__ASSERT(r->current < r->chunks && r->filled <= r->chunks);
    pthread_mutex_unlock(&r->lock);
    return true;
}

/* ---- items */

/* The chunks are made when the first is wanted: many a trace is only opened for its facts. */
static int make_chunks(struct vmsim_trace_reader *r) {
    VMSIM__ASSERT(r->chunks > 0 && r->chunks <= RING);
    for (unsigned i = 0; i < r->chunks; i++)
        if (!r->ring[i].room.at && !vmsim__chunk_init(&r->ring[i], r->alloc)) {
            vmsim__chunk_fini(&r->ring[i], r->alloc);
            return fail(r, VMSIM_ENOMEM, vmsim_error_text(VMSIM_ENOMEM));
        }
    return 0;
}

static struct vmsim__chunk *chunk_of(struct vmsim_trace_reader *r) {
    return r->feed ? &r->feed->decoder->ring[0] : &r->ring[r->current];
}

/* The chunk that all have is decoded by whoever is the last to be through with the one before. */
static int take_from_feed(struct vmsim_trace_reader *r) {
    struct vmsim__feed *f = r->feed;
    if (r->have)
        f->behind--;
    r->have = false;
    while (f->filled == r->taken) {
        if (f->behind) {
            f->yield(r->feed_context);
            continue;
        }
        int err = make_chunks(f->decoder);
        if (err)
            return err;
        vmsim__pipe_fill(&f->decoder->pipe, chunk_of(r));
        f->behind = f->members;
        f->filled++;
    }
    r->taken++;
    VMSIM__ASSERT(r->taken == f->filled && f->behind > 0);
    return 0;
}

static int next_chunk(struct vmsim_trace_reader *r) {
    VMSIM__ASSERT(r->current < r->chunks && !r->ended);
    int err = r->feed ? take_from_feed(r) : make_chunks(r);
    if (err)
        return err;
    if (r->threaded)
        r->threaded = wait_chunk(r);
    struct vmsim__chunk *c = chunk_of(r);
    if (!r->threaded && !r->feed)
        vmsim__pipe_fill(&r->pipe, c);
    r->have = true;
    r->item = 0;
    if (c->status < 0)
        r->err = c->err;
    if (c->status <= 0)
        r->ended = true;
    return c->status;
}

int vmsim_trace_next(struct vmsim_trace_reader *r, struct vmsim_trace_item *item) {
    if (!r || !item)
        return VMSIM_EINVAL;
    struct vmsim__chunk *c = chunk_of(r);
    if (r->ended)
        return c->status;
    if (!r->have || r->item == c->count) {
        int status = next_chunk(r);
        if (status <= 0)
            return status;
        c = chunk_of(r);
    }
    *item = c->items[r->item++];
    VMSIM__ASSERT(r->item <= c->count);
    return 1;
}

static bool same_file(const struct vmsim_trace_reader *a, const struct vmsim_trace_reader *b) {
    struct stat x, y;
    return !fstat(a->fd, &x) && !fstat(b->fd, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino &&
           a->info.file_bytes == b->info.file_bytes && a->pipe.skip_damaged == b->pipe.skip_damaged;
}

bool vmsim__feed_join(struct vmsim__feed *f, struct vmsim_trace_reader *r, void *context) {
    VMSIM__ASSERT(f->yield && !f->filled);
    if (r->fd < 0 || r->feed || r->have || r->running || r->ended || (f->decoder && !same_file(f->decoder, r)))
        return false;
    f->decoder = f->decoder ? f->decoder : r;
    f->members++;
    r->feed = f;
    r->feed_context = context;
    r->threaded = false;
    r->chunks = 1;
    return true;
}

/* One that leaves before anything was decoded can be read alone afterwards. */
void vmsim__feed_leave(struct vmsim_trace_reader *r) {
    struct vmsim__feed *f = r->feed;
    if (!f)
        return;
    VMSIM__ASSERT(f->members > 0 && (!r->have || f->behind > 0));
    f->behind -= r->have || r->taken < f->filled; /* it took the last chunk, or never asked for it */
    f->members--;
    if (f->filled) {
        r->pipe.damaged = f->decoder->pipe.damaged;
        r->pipe.damage = f->decoder->pipe.damage;
        r->have = false;
        r->ended = true;
    }
    f->decoder = f->members ? f->decoder : NULL;
    r->feed = NULL;
}

/* The thread is stopped first: it would fill chunks of the old place into the ring. */
int vmsim_trace_seek(struct vmsim_trace_reader *r, uint64_t index) {
    if (!r)
        return VMSIM_EINVAL;
    if (index > r->info.references)
        return fail(r, VMSIM_EINVAL, "seeking beyond the last reference");
    stop_thread(r);
    VMSIM__ASSERT(!r->running && !r->stop);
    vmsim__pipe_seek(&r->pipe, index);
    r->have = r->ended = false;
    r->item = 0;
    r->current = 0;
    return 0;
}

void vmsim_trace_close(struct vmsim_trace_reader *r) {
    if (!r)
        return;
    struct vmsim__alloc *a = r->alloc;
    stop_thread(r);
    vmsim__pipe_fini(&r->pipe);
    vmsim__tables_fini(&r->tables);
    for (unsigned i = 0; i < RING; i++)
        vmsim__chunk_fini(&r->ring[i], a);
    for (unsigned i = 0; i < 5; i++)
        vmsim__strfree(a, r->meta[i]);
    vmsim__strfree(a, r->path);
    if (r->fd >= 0)
        close(r->fd);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->changed);
    vmsim__free(a, r, sizeof *r);
    vmsim__alloc_destroy(a);
}

/* ---- facts */

const struct vmsim_trace_info *vmsim_trace_get_info(const struct vmsim_trace_reader *r) {
    return r ? &r->info : NULL;
}

const struct vmsim_trace_task *vmsim_trace_get_task(const struct vmsim_trace_reader *r, uint32_t id) {
    if (!r)
        return NULL;
    return id < r->tables.tasks.count ? &r->tables.tasks.at[id] : NULL;
}

const struct vmsim_trace_file *vmsim_trace_get_file(const struct vmsim_trace_reader *r, uint32_t id) {
    if (!r)
        return NULL;
    return id < r->tables.files.count ? &r->tables.files.at[id] : NULL;
}

const char *vmsim_trace_reader_error(const struct vmsim_trace_reader *r) {
    return r ? vmsim__err_text(&r->err) : vmsim_error_text(VMSIM_ENOMEM);
}

uint64_t vmsim_trace_damaged(const struct vmsim_trace_reader *r, const char **text) {
    if (!r)
        return 0;
    if (text)
        *text = vmsim__err_text(&r->pipe.damage);
    return r->pipe.damaged;
}

/* Every block is decoded, and the sum compared with the index: hashes alone would miss a block that was left out
 * whole. */
int vmsim_trace_verify(const char *path, char *first_error, size_t size) {
    if (!path)
        return VMSIM_EINVAL;
    struct vmsim_trace_reader *r;
    struct vmsim_trace_item item;
    uint64_t references = 0;
    int err = vmsim_trace_open(path, VMSIM_TRACE_THREAD, &r), status = 1;
    while (!err && (status = vmsim_trace_next(r, &item)) == 1)
        references += item.count;
    if (!err && status < 0)
        err = status;
    if (!err && !r->info.complete)
        err = r->err.code ? r->err.code : fail(r, VMSIM_ETRUNCATED, "the trace has no index");
    if (!err && references != r->info.references)
        err = fail(r, VMSIM_ECORRUPT, "the index promises another number of references");
    if (size)
        snprintf(first_error, size, "%s", err ? vmsim_trace_reader_error(r) : "");
    vmsim_trace_close(r);
    return err;
}
