/* SPDX-License-Identifier: MIT */
/* Data blocks to chunks of items: references are decoded a chunk at a time, and the events frame cuts them into
 * batches of one task with events between. Runs on the caller's thread or on the reader's second one.
 *
 *     references   r r r r r r r r r r r r     decoded into chunk.words, VMSIM__CHUNK_REFS at a time
 *     events       |task 0   |task 1 |mmap     each with its distance from the one before
 *     items        [0: r r r r r][1: r r r r][1: mmap][1: r r r]
 *
 * A chunk is all that the two threads hand each other, so that its size is what a lock costs, divided. Nothing points
 * from one chunk into another: what was decoded and found no room is carried over as words. */
#include <unistd.h>

#include "base/util.h"
#include "trace/trace_block.h"

/* Words have room for a group more than a chunk takes: the decoder writes whole groups, and stops behind the last that
 * it needs. */
bool vmsim__chunk_init(struct vmsim__chunk *c, struct vmsim__alloc *a) {
    *c = (struct vmsim__chunk){.room = {.capacity = 4 * VMSIM__EVENT_ROOM}};
    c->words = vmsim__malloc(a, (VMSIM__CHUNK_REFS + VMSIM__GROUP_WORDS) * sizeof *c->words);
    c->items = vmsim__malloc(a, VMSIM__CHUNK_ITEMS * sizeof *c->items);
    c->events = vmsim__malloc(a, VMSIM__CHUNK_ITEMS * sizeof *c->events);
    c->room.at = vmsim__malloc(a, c->room.capacity);
    return c->words && c->items && c->events && c->room.at;
}

void vmsim__chunk_fini(struct vmsim__chunk *c, struct vmsim__alloc *a) {
    vmsim__free(a, c->words, (VMSIM__CHUNK_REFS + VMSIM__GROUP_WORDS) * sizeof *c->words);
    vmsim__free(a, c->items, VMSIM__CHUNK_ITEMS * sizeof *c->items);
    vmsim__free(a, c->events, VMSIM__CHUNK_ITEMS * sizeof *c->events);
    vmsim__free(a, c->room.at, c->room.capacity);
    *c = (struct vmsim__chunk){0};
}

bool vmsim__pipe_init(struct vmsim__pipe *p, struct vmsim__alloc *a, int fd, const char *path, uint64_t file_bytes,
                      const struct vmsim__tables *tables) {
    *p = (struct vmsim__pipe){.alloc = a, .tables = tables};
    return vmsim__loader_init(&p->loader, a, fd, path, file_bytes) && vmsim__decoder_init(&p->decoder, a);
}

void vmsim__pipe_fini(struct vmsim__pipe *p) {
    if (!p->alloc)
        return;
    vmsim__loader_fini(&p->loader);
    if (p->decoder.alloc)
        vmsim__decoder_fini(&p->decoder);
    p->alloc = NULL;
}

/* A block whose last reference is the one before `index` is passed over, but for index 0: the events behind it belong
 * to what comes later only if nothing comes before. */
void vmsim__pipe_seek(struct vmsim__pipe *p, uint64_t index) {
    VMSIM__ASSERT(index <= p->tables->references);
    VMSIM__ASSERT(p->tables);
    size_t low = 0, high = p->tables->blocks.count;
    while (low < high) { /* first block that holds or follows `index` */
        size_t middle = low + (high - low) / 2;
        const struct vmsim__block_entry *b = &p->tables->blocks.at[middle];
        if (b->first_ref + b->refs < index || (b->first_ref + b->refs == index && index))
            low = middle + 1;
        else
            high = middle;
    }
    p->next_block = low;
    p->from = index;
    p->in_block = false;
    p->carry_count = 0;
}

/* Every message has the byte offset of the block: with it `vmsim trace verify` and a hex dump find the damage. */
static int corrupt(struct vmsim__pipe *p, struct vmsim__err *err, const char *why) {
    return vmsim__err_set(err, VMSIM_ECORRUPT, "%s: byte %llu: %s", p->loader.path, (unsigned long long)p->offset, why);
}

/* What the decoder says of a block's references. */
static int undecodable(struct vmsim__pipe *p, struct vmsim__err *err, int code) {
    VMSIM__ASSERT(code < 0);
    if (code != VMSIM_ENOMEM)
        return corrupt(p, err, "a block's references are damaged");
    return vmsim__err_set(err, code, "%s: byte %llu: %s", p->loader.path, (unsigned long long)p->offset,
                          vmsim_error_text(code));
}

/* Reads how far away the next entry is. */
static int next_entry(struct vmsim__pipe *p, uint64_t last, struct vmsim__err *err) {
    VMSIM__ASSERT(last <= p->header.refs);
    p->entry = UINT64_MAX;
    if (p->cursor.at == p->cursor.end)
        return 0;
    uint64_t gap = vmsim__cursor_varint(&p->cursor);
    if (p->cursor.failed || gap > p->header.refs - last)
        return corrupt(p, err, "an event lies outside of its block");
    p->entry = last + gap;
    VMSIM__ASSERT(p->entry >= last && p->entry <= p->header.refs);
    return 0;
}

/* The index is believed about where blocks are, and nothing else: the header has to agree with it, or one of the two is
 * damaged. */
static int open_block(struct vmsim__pipe *p, struct vmsim__err *err) {
    VMSIM__ASSERT(!p->in_block && p->next_block < p->tables->blocks.count);
    const struct vmsim__block_entry *b = &p->tables->blocks.at[p->next_block++];
    p->offset = b->offset;
    int code = vmsim__loader_block(&p->loader, b->offset, &p->header, true, err);
    if (code)
        return code;
    if (p->header.kind != VMSIM__BLOCK_DATA || p->header.refs != b->refs || p->header.first_ref != b->first_ref)
        return corrupt(p, err, "a block is not the one that the index names");
    p->position = 0;
    p->events_seen = 0;
    p->task = VMSIM_TRACE_NO_TASK;
    p->carry_count = 0;
    p->cursor = (struct vmsim__cursor){p->loader.events, p->loader.events + p->header.events_raw, false};
    p->decoder.left = 0;
    if (p->header.refs)
        code = vmsim__decode_start(&p->decoder, p->loader.refs, p->header.refs_raw, p->header.refs);
    if (code)
        return undecodable(p, err, code);
    p->in_block = true;
    return next_entry(p, 0, err);
}

/* Adds `count` references at `words` as a batch, without those before p->from. */
static void add_batch(struct vmsim__pipe *p, struct vmsim__chunk *c, const vmsim_access *words, uint64_t count) {
    uint64_t index = p->header.first_ref + p->position;
    VMSIM__ASSERT(count <= p->header.refs - p->position && c->count < VMSIM__CHUNK_ITEMS);
    p->position += count;
    if (index < p->from) {
        uint64_t drop = vmsim__min64(p->from - index, count);
        words += drop;
        count -= drop;
        index += drop;
    }
    if (count)
        c->items[c->count++] = (struct vmsim_trace_item){p->task, index, words, (size_t)count, NULL};
}

/* Takes one entry of the events frame: a change of task or an event. */
static int take_entry(struct vmsim__pipe *p, struct vmsim__chunk *c, struct vmsim__err *err) {
    uint64_t op = vmsim__cursor_varint(&p->cursor), index = p->header.first_ref + p->position;
    if (op == 0) {
        uint64_t task = vmsim__cursor_varint(&p->cursor);
        if (p->cursor.failed || task >= VMSIM__TASKS_MAX)
            return corrupt(p, err, "a task's number makes no sense");
        p->task = (uint32_t)task;
        return next_entry(p, p->position, err);
    }
    VMSIM__ASSERT(c->count < VMSIM__CHUNK_ITEMS && c->event_count <= c->count);
    struct vmsim_trace_event *e = &c->events[c->event_count];
    if (op > VMSIM_TRACE_EVENT_TYPES || p->task == VMSIM_TRACE_NO_TASK ||
        !vmsim__get_event(&p->cursor, (unsigned)(op - 1), e, &c->room))
        return corrupt(p, err, "an event is damaged");
    p->events_seen++;
    if (index >= p->from) {
        c->items[c->count++] = (struct vmsim_trace_item){p->task, index, NULL, 0, e};
        c->event_count++;
    }
    return next_entry(p, p->position, err);
}

/* Two items may come of one step, a batch and the event behind it. */
static bool has_room(const struct vmsim__chunk *c) {
    return c->count + 2 < VMSIM__CHUNK_ITEMS && c->room.capacity - c->room.used >= VMSIM__EVENT_ROOM;
}

/* Delivers decoded words and the entries among and right behind them; what finds no room is carried over. */
static int deliver(struct vmsim__pipe *p, struct vmsim__chunk *c, const vmsim_access *words, size_t count) {
    VMSIM__ASSERT(p->position + count <= p->header.refs);
    uint64_t end = p->position + count;
    while (has_room(c)) {
        VMSIM__ASSERT(p->entry >= p->position && p->position <= end);
        uint64_t stop = vmsim__min64(p->entry, end), n = stop - p->position;
        if (n) {
            if (p->task == VMSIM_TRACE_NO_TASK)
                return corrupt(p, &c->err, "references belong to no task");
            add_batch(p, c, words, n);
            words += n;
        }
        if (p->entry > end)
            break;
        int code = take_entry(p, c, &c->err);
        if (code)
            return code;
    }
    p->carry = words;
    p->carry_count = (size_t)(end - p->position);
    return 0;
}

static int fill_from_block(struct vmsim__pipe *p, struct vmsim__chunk *c) {
    VMSIM__ASSERT(p->in_block && p->carry_count <= VMSIM__CHUNK_REFS + VMSIM__GROUP_WORDS);
    int64_t count = (int64_t)p->carry_count;
    if (count)
        memmove(c->words, p->carry, p->carry_count * sizeof *c->words);
    else
        count = vmsim__decode_some(&p->decoder, c->words, VMSIM__CHUNK_REFS);
    if (count < 0)
        return undecodable(p, &c->err, (int)count);
    int code = deliver(p, c, c->words, (size_t)count);
    if (code)
        return code;
    if (p->position < p->header.refs || p->entry != UINT64_MAX)
        return 0;
    p->in_block = false;
    return p->events_seen == p->header.events ? 0 : corrupt(p, &c->err, "a block has another number of events");
}

/* Until there is something to hand out: an empty block, or one before the place that was sought, gives nothing. With
 * skip_damaged a block that cannot be read costs its own items, and the next begins without a task, as all do. */
int vmsim__pipe_fill(struct vmsim__pipe *p, struct vmsim__chunk *c) {
    VMSIM__ASSERT(c->words && c->items);
    c->count = c->event_count = 0;
    c->room.used = 0;
    c->err = (struct vmsim__err){0};
    while (!c->count) {
        if (!p->in_block && p->next_block >= p->tables->blocks.count)
            return c->status = 0;
        int code = p->in_block ? 0 : open_block(p, &c->err);
        if (!code)
            code = fill_from_block(p, c);
        if (!code)
            continue;
        p->in_block = false;
        p->carry_count = 0;
        if (!p->skip_damaged || code == VMSIM_ENOMEM)
            return c->status = code;
        p->damaged++;
        p->damage = c->err;
    }
    VMSIM__ASSERT(c->count <= VMSIM__CHUNK_ITEMS && c->event_count <= c->count);
    return c->status = 1;
}
