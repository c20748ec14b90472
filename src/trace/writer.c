/* SPDX-License-Identifier: MIT */
/* Writing a trace: references gather in one array of a block's size, events in their coded form; a full block is
 * coded, compressed and written. The file is "path.part" until it is whole (base/output.h): a trace appears under its
 * name whole or not at all, and a replay started meanwhile never sees half of it. Errors stick: after one, every call
 * gives it back, and finish removes the file. */
#include <stdio.h>
#include <xxhash.h>
#include <zstd.h>

#include "base/output.h"
#include "base/util.h"
#include "trace/tables.h"

enum { DEFAULT_LEVEL = 3 };

/* What is gathered of the running block, and what the whole trace will be told of in the index. */
struct vmsim_trace_writer {
    struct vmsim__alloc *alloc;
    struct vmsim__err err;
    struct vmsim__output out;
    int level;
    uint32_t block_refs;
    /* the block being gathered */
    vmsim_access *words;
    size_t count;
    struct vmsim__bytes events;
    uint32_t event_count;
    size_t last_entry; /* references before the last entry of `events` */
    uint32_t task;     /* of the references that follow, VMSIM_TRACE_NO_TASK at a block's start */
    /* the whole trace */
    struct vmsim__tables tables;
    struct vmsim__encoder encoder;
    ZSTD_CCtx *zstd;
    unsigned char *packed;
    size_t packed_size;
};

/* Messages name the file that is written and how far it came: a full disk is told with the offset at which it was full.
 * */
static int fail(struct vmsim_trace_writer *w, int code, const char *what) {
    VMSIM__ASSERT(code < 0 && what);
    if (code == VMSIM_ENOMEM)
        what = vmsim_error_text(code);
    return vmsim__err_set(&w->err, code, "%s: byte %llu: %s", vmsim__output_name(&w->out),
                          (unsigned long long)w->out.offset, what);
}

/* Room for `refs` + `events` bytes compressed, the block header in front. Grown to zstd's bound, so that compression
 * never fails for want of room. */
static int pack_room(struct vmsim_trace_writer *w, size_t refs, size_t events) {
    size_t need = VMSIM__BLOCK_HEADER + ZSTD_compressBound(refs) + ZSTD_compressBound(events);
    if (need <= w->packed_size)
        return 0;
    vmsim__free(w->alloc, w->packed, w->packed_size);
    w->packed = vmsim__malloc(w->alloc, need);
    w->packed_size = w->packed ? need : 0;
    return w->packed ? 0 : fail(w, VMSIM_ENOMEM, "");
}

/* Compresses `n` bytes behind what is packed already; the new end, 0 on failure. Nothing packs to nothing. */
static size_t pack(struct vmsim_trace_writer *w, size_t at, const unsigned char *from, size_t n) {
    VMSIM__ASSERT(at <= w->packed_size);
    if (!n)
        return at;
    size_t done = ZSTD_compressCCtx(w->zstd, w->packed + at, w->packed_size - at, from, n, w->level);
    return ZSTD_isError(done) ? 0 : at + done;
}

/* Compresses and writes one block; `h` has its counts. References and events are separate frames of one block: who
 * looks for events alone need not decompress references. */
static int write_block(struct vmsim_trace_writer *w, struct vmsim__block_header *h, const unsigned char *refs,
                       size_t refs_bytes, const unsigned char *events, size_t events_bytes) {
    VMSIM__ASSERT(events_bytes <= UINT32_MAX && refs_bytes <= UINT32_MAX);
    int err = pack_room(w, refs_bytes, events_bytes);
    if (err)
        return err;
    size_t middle = pack(w, VMSIM__BLOCK_HEADER, refs, refs_bytes);
    size_t end = middle ? pack(w, middle, events, events_bytes) : 0;
    if (!end)
        return fail(w, VMSIM_ENOMEM, "");
    VMSIM__ASSERT(end <= w->packed_size);
    h->refs_raw = (uint32_t)refs_bytes;
    h->refs_packed = (uint32_t)(middle - VMSIM__BLOCK_HEADER);
    h->events_raw = (uint32_t)events_bytes;
    h->events_packed = (uint32_t)(end - middle);
    h->payload_hash = XXH64(w->packed + VMSIM__BLOCK_HEADER, end - VMSIM__BLOCK_HEADER, 0);
    vmsim__put_block_header(w->packed, h);
    return vmsim__output_write(&w->out, w->packed, end, &w->err);
}

/* Once a block, over words that are in the cache: counting each word as it comes would be a store more for every
 * reference. */
static void count_kinds(struct vmsim__block_header *h, const vmsim_access *words, size_t count) {
    uint32_t kinds[4] = {0};
    VMSIM__ASSERT(count <= VMSIM__BLOCK_REFS_MAX);
    for (size_t i = 0; i < count; i++)
        kinds[words[i] & 3]++;
    memcpy(h->kinds, kinds, sizeof kinds);
}

/* A block begins without a current task, so that it can be read without the one before. */
static int flush_block(struct vmsim_trace_writer *w) {
    VMSIM__ASSERT(w->event_count <= w->tables.events);
    VMSIM__ASSERT(w->count <= w->block_refs);
    struct vmsim__block_header h = {.kind = VMSIM__BLOCK_DATA,
                                    .refs = (uint32_t)w->count,
                                    .events = w->event_count,
                                    .first_ref = w->tables.references,
                                    .first_event = w->tables.events - w->event_count};
    if (!w->events.count)
        return 0;
    if (w->events.failed || vmsim__encode(&w->encoder, w->words, w->count))
        return fail(w, VMSIM_ENOMEM, "");
    count_kinds(&h, w->words, w->count);
    uint64_t at = w->out.offset;
    int err = write_block(w, &h, w->encoder.out, w->count ? w->encoder.out_bytes : 0, w->events.at, w->events.count);
    if (err)
        return err;
    if (vmsim__tables_block(&w->tables, &h, at))
        return fail(w, VMSIM_ENOMEM, "");
    w->count = w->last_entry = w->event_count = 0;
    w->events.count = 0;
    w->task = VMSIM_TRACE_NO_TASK;
    return 0;
}

/* An entry stands before the reference that follows it; the gap to the last entry is small and mostly one byte. */
static void begin_entry(struct vmsim_trace_writer *w, uint64_t op) {
    VMSIM__ASSERT(w->count >= w->last_entry);
    vmsim__bytes_varint(&w->events, w->count - w->last_entry);
    vmsim__bytes_varint(&w->events, op);
    w->last_entry = w->count;
}

/* A switch is written when a reference or event of another task comes, so that an idle task leaves none. */
static int switch_task(struct vmsim_trace_writer *w, uint32_t task) {
    if (task == VMSIM_TRACE_NO_TASK)
        return fail(w, VMSIM_EINVAL, "a reference or event of no task");
    if (w->task == task)
        return 0;
    int err = vmsim__tables_task(&w->tables, task);
    if (err)
        return fail(w, err, "too many tasks");
    begin_entry(w, 0);
    vmsim__bytes_varint(&w->events, task);
    w->task = task;
    return w->events.failed ? fail(w, VMSIM_ENOMEM, "") : 0;
}

/* Facts come first and not in the index, so that a trace that was cut off still says what it is of. */
static int write_meta(struct vmsim_trace_writer *w, const struct vmsim_trace_options *o) {
    const char *const pairs[] = {"arch",      o->arch ? o->arch : "x86_64",
                                 "source",    o->source,
                                 "program",   o->program,
                                 "arguments", o->arguments,
                                 "host",      o->host};
    struct vmsim__block_header h = {.kind = VMSIM__BLOCK_META};
    struct vmsim__bytes text = {.alloc = w->alloc};
    VMSIM__ASSERT(w->out.offset == VMSIM__FILE_HEADER);
    for (size_t i = 0; i < VMSIM__COUNT(pairs); i++)
        vmsim__bytes_string(&text, pairs[i]);
    int err = text.failed ? fail(w, VMSIM_ENOMEM, "") : write_block(w, &h, NULL, 0, text.at, text.count);
    vmsim__bytes_fini(&text);
    return err;
}

/* Everything is asked for at once; what failed is looked at at the end. */
static int allocate(struct vmsim_trace_writer *w) {
    w->words = vmsim__malloc(w->alloc, w->block_refs * sizeof *w->words);
    w->zstd = ZSTD_createCCtx();
    w->events.alloc = w->alloc;
    vmsim__tables_init(&w->tables, w->alloc);
    vmsim__encoder_init(&w->encoder, w->alloc);
    return w->words && w->zstd ? 0 : fail(w, VMSIM_ENOMEM, "");
}

static int begin(struct vmsim_trace_writer *w, const char *path, const struct vmsim_trace_options *o) {
    VMSIM__ASSERT(w->block_refs > 0 && w->block_refs <= VMSIM__BLOCK_REFS_MAX);
    unsigned char header[VMSIM__FILE_HEADER];
    struct vmsim__file_header h = {VMSIM_TRACE_VERSION, o->page_size ? o->page_size : 4096, w->block_refs};
    int err = allocate(w);
    err = err ? err : vmsim__output_open(&w->out, w->alloc, path, &w->err);
    if (err)
        return err;
    vmsim__put_file_header(header, &h);
    err = vmsim__output_write(&w->out, header, sizeof header, &w->err);
    return err ? err : write_meta(w, o);
}

int vmsim_trace_create(const char *path, const struct vmsim_trace_options *options,
                       struct vmsim_trace_writer **writer) {
    if (writer)
        *writer = NULL;
    if (!path || !writer)
        return VMSIM_EINVAL;
    static const struct vmsim_trace_options none = {.size = sizeof none};
    const struct vmsim_trace_options *o = options ? options : &none;
    *writer = NULL;
    if (o->size != sizeof *o || o->block_refs > VMSIM__BLOCK_REFS_MAX)
        return VMSIM_EINVAL;
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    struct vmsim_trace_writer *w = a ? vmsim__calloc(a, 1, sizeof *w) : NULL;
    if (!w) {
        if (a)
            vmsim__alloc_destroy(a);
        return VMSIM_ENOMEM;
    }
    w->alloc = a;
    w->out.fd = w->out.directory = -1;
    w->out.alloc = a;
    w->level = o->level ? o->level : DEFAULT_LEVEL;
    w->block_refs = o->block_refs ? o->block_refs : VMSIM__BLOCK_REFS;
    w->task = VMSIM_TRACE_NO_TASK;
    *writer = w;
    return begin(w, path, o);
}

/* A block is written when the next reference does not fit, not when it is full: an event behind its last reference
 * still goes into it. */
int vmsim_trace_append(struct vmsim_trace_writer *w, uint32_t task, const vmsim_access *accesses, size_t count) {
    if (!w)
        return VMSIM_EINVAL;
    while (count && !w->err.code) {
        if (w->count == w->block_refs && flush_block(w))
            break;
        if (switch_task(w, task))
            break;
        VMSIM__ASSERT(w->count < w->block_refs && task < w->tables.tasks.count);
        size_t n = vmsim__min64(count, w->block_refs - w->count);
        memcpy(w->words + w->count, accesses, n * sizeof *accesses);
        w->count += n;
        w->tables.tasks.at[task].references += n;
        accesses += n;
        count -= n;
    }
    return w->err.code;
}

/* What a reader would refuse is refused here. */
static const char *refuse(const struct vmsim_trace_event *e) {
    if ((unsigned)e->type >= VMSIM_TRACE_EVENT_TYPES)
        return "unknown type of event";
    if (e->path && strlen(e->path) > VMSIM__PATH_MAX)
        return "the path of an event is too long";
    if (e->type == VMSIM_TRACE_EXEC && e->exec && e->exec->segment_count > VMSIM__SEGMENTS_MAX)
        return "an exec event has too many segments";
    return NULL;
}

int vmsim_trace_append_event(struct vmsim_trace_writer *w, uint32_t task, const struct vmsim_trace_event *event) {
    if (!w || !event)
        return VMSIM_EINVAL;
    const char *why = refuse(event);
    if (w->err.code)
        return w->err.code;
    if (why)
        return fail(w, VMSIM_EINVAL, why);
    if (w->events.count > VMSIM__EVENTS_FULL && flush_block(w))
        return w->err.code;
    if (switch_task(w, task))
        return w->err.code;
    int err = vmsim__tables_event(&w->tables, task, event);
    if (err)
        return fail(w, err == VMSIM_ECORRUPT ? VMSIM_EINVAL : err, "an event's file or child number is out of order");
    VMSIM__ASSERT(w->task == task);
    begin_entry(w, (uint64_t)event->type + 1);
    vmsim__put_event(&w->events, event);
    w->event_count++;
    return w->events.failed ? fail(w, VMSIM_ENOMEM, "") : 0;
}

/* Files are numbered by the writer, in the order in which they are named first: a reader counts along and needs no
 * table before the first block. */
int vmsim_trace_append_file(struct vmsim_trace_writer *w, uint32_t task, const struct vmsim_trace_file *file,
                            uint32_t *id) {
    if (!w || !file || !id)
        return VMSIM_EINVAL;
    struct vmsim_trace_event e = {.type = VMSIM_TRACE_FILE,
                                  .file = (uint32_t)w->tables.files.count,
                                  .args = {file->size, (uint64_t)file->kind},
                                  .path = file->path ? file->path : ""};
    *id = e.file;
    return vmsim_trace_append_event(w, task, &e);
}

int vmsim_trace_note(struct vmsim_trace_writer *w, const char *line) {
    if (!w || !line)
        return VMSIM_EINVAL;
    return vmsim__tables_note(&w->tables, line) ? fail(w, VMSIM_ENOMEM, "") : 0;
}

/* The index block and the trailer. */
static int write_index(struct vmsim_trace_writer *w) {
    VMSIM__ASSERT(!w->count && !w->event_count);
    struct vmsim__block_header h = {
        .kind = VMSIM__BLOCK_INDEX, .first_ref = w->tables.references, .first_event = w->tables.events};
    struct vmsim__bytes index = {.alloc = w->alloc};
    unsigned char trailer[VMSIM__TRAILER];
    uint64_t at = w->out.offset;
    vmsim__tables_put(&w->tables, &index);
    int err = index.failed ? fail(w, VMSIM_ENOMEM, "") : write_block(w, &h, NULL, 0, index.at, index.count);
    vmsim__bytes_fini(&index);
    if (err)
        return err;
    vmsim__put_trailer(trailer, at, w->out.offset + sizeof trailer);
    return vmsim__output_write(&w->out, trailer, sizeof trailer, &w->err);
}

/* Each part may be missing, as creation may have failed at any of them. */
static void destroy(struct vmsim_trace_writer *w) {
    struct vmsim__alloc *a = w->alloc;
    vmsim__output_close(&w->out);
    ZSTD_freeCCtx(w->zstd);
    vmsim__encoder_fini(&w->encoder);
    vmsim__tables_fini(&w->tables);
    vmsim__bytes_fini(&w->events);
    vmsim__free(a, w->packed, w->packed_size);
    vmsim__free(a, w->words, w->block_refs * sizeof *w->words);
    vmsim__free(a, w, sizeof *w);
    vmsim__alloc_destroy(a);
}

int vmsim_trace_finish(struct vmsim_trace_writer *w, char *error, size_t error_size) {
    if (!w)
        return VMSIM_EINVAL;
    int err = w->err.code;
    if (!err)
        err = flush_block(w);
    VMSIM__ASSERT(err || !w->count);
    if (!err)
        err = write_index(w);
    if (!err)
        err = vmsim__output_commit(&w->out, &w->err);
    if (error_size)
        snprintf(error, error_size, "%s", err ? vmsim__err_text(&w->err) : "");
    if (err)
        vmsim_trace_abandon(w);
    else
        destroy(w);
    return err;
}

/* The part file goes, too: half a trace is only worth keeping where the writer was killed and could not say so. */
void vmsim_trace_abandon(struct vmsim_trace_writer *w) {
    if (w)
        destroy(w);
}

const char *vmsim_trace_writer_error(const struct vmsim_trace_writer *w) {
    return w ? vmsim__err_text(&w->err) : "out of host memory";
}
