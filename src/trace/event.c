/* SPDX-License-Identifier: MIT */
/* Events to bytes and back: {file + 1, mask, the arguments and result that are not 0, path, exec}.
 *
 * Numbers are zig-zag varints, for descriptors and offsets are often small and sometimes negative. Mask bits 0..5
 * are the arguments, 6 the result, 7 the path. The names of events and of their arguments come from the one list of
 * vmsim/trace.h: a new event is written, read, printed and counted without a line here. */
#include "base/util.h"
#include "trace/format.h"

static void put_exec(struct vmsim__bytes *b, const struct vmsim_trace_exec *x) {
    static const struct vmsim_trace_exec none;
    if (!x)
        x = &none;
    uint64_t numbers[VMSIM__EXEC_NUMBERS];
    memcpy(numbers, x, sizeof numbers);
    for (unsigned i = 0; i < VMSIM__EXEC_NUMBERS; i++)
        vmsim__bytes_varint(b, numbers[i]);
    size_t count = x->segment_count < VMSIM__SEGMENTS_MAX ? x->segment_count : VMSIM__SEGMENTS_MAX;
    VMSIM__ASSERT(!count || x->segments);
    vmsim__bytes_varint(b, count);
    for (size_t i = 0; i < count; i++) {
        const struct vmsim_trace_segment *s = &x->segments[i];
        const uint64_t fields[7] = {s->va,   s->length,     s->offset, s->file_bytes, (uint64_t)(uint32_t)(s->file + 1),
                                    s->prot, s->interpreter};
        for (unsigned j = 0; j < 7; j++)
            vmsim__bytes_varint(b, fields[j]);
    }
}

/* A mask says which of the arguments are not 0: most events have two, and take ten bytes. */
void vmsim__put_event(struct vmsim__bytes *b, const struct vmsim_trace_event *e) {
    VMSIM__ASSERT((unsigned)e->type < VMSIM_TRACE_EVENT_TYPES);
    unsigned mask = e->result ? 64 : 0;
    for (unsigned i = 0; i < 6; i++)
        mask |= e->args[i] ? 1u << i : 0;
    mask |= e->path ? 128 : 0;
    vmsim__bytes_varint(b, (uint32_t)(e->file + 1));
    vmsim__bytes_varint(b, mask);
    for (unsigned i = 0; i < 6; i++)
        if (e->args[i])
            vmsim__bytes_varint(b, vmsim__zigzag((int64_t)e->args[i]));
    if (e->result)
        vmsim__bytes_varint(b, vmsim__zigzag(e->result));
    if (e->path)
        vmsim__bytes_string(b, e->path);
    if (e->type == VMSIM_TRACE_EXEC)
        put_exec(b, e->exec);
}

/* 16 bytes: what malloc aligns to, for any structure that may follow. */
static void *take(struct vmsim__event_room *room, size_t bytes) {
    VMSIM__ASSERT(bytes <= room->capacity);
    void *at = room->at + room->used;
    room->used += (bytes + 15) & ~(size_t)15;
    VMSIM__ASSERT(room->used <= room->capacity);
    return at;
}

static struct vmsim_trace_exec *get_exec(struct vmsim__cursor *c, struct vmsim__event_room *room) {
    VMSIM__ASSERT(c->at <= c->end);
    uint64_t numbers[VMSIM__EXEC_NUMBERS], count;
    for (unsigned i = 0; i < VMSIM__EXEC_NUMBERS; i++)
        numbers[i] = vmsim__cursor_varint(c);
    count = vmsim__cursor_varint(c);
    if (c->failed || count > VMSIM__SEGMENTS_MAX)
        return NULL;
    struct vmsim_trace_exec *x = take(room, sizeof *x);
    struct vmsim_trace_segment *s = take(room, (size_t)count * sizeof *s);
    memcpy(x, numbers, sizeof numbers);
    x->segment_count = (size_t)count;
    x->segments = s;
    for (; count; count--, s++) {
        *s = (struct vmsim_trace_segment){0};
        s->va = vmsim__cursor_varint(c);
        s->length = vmsim__cursor_varint(c);
        s->offset = vmsim__cursor_varint(c);
        s->file_bytes = vmsim__cursor_varint(c);
        s->file = (uint32_t)vmsim__cursor_varint(c) - 1;
        s->prot = (uint32_t)vmsim__cursor_varint(c);
        s->interpreter = (uint32_t)vmsim__cursor_varint(c);
    }
    VMSIM__ASSERT(s == x->segments + x->segment_count);
    return c->failed ? NULL : x;
}

/* The caller has made sure of room for the largest event, so that nothing is allocated; what the bytes claim beyond
 * that is damage. */
bool vmsim__get_event(struct vmsim__cursor *c, unsigned type, struct vmsim_trace_event *e,
                      struct vmsim__event_room *room) {
    VMSIM__ASSERT(room->used <= room->capacity && room->capacity - room->used >= VMSIM__EVENT_ROOM);
    *e = (struct vmsim_trace_event){.type = (enum vmsim_trace_event_type)type};
    e->file = (uint32_t)vmsim__cursor_varint(c) - 1;
    uint64_t mask = vmsim__cursor_varint(c);
    if (c->failed || mask > 255 || type >= VMSIM_TRACE_EVENT_TYPES)
        return false;
    for (unsigned i = 0; i < 6; i++)
        if (mask >> i & 1)
            e->args[i] = (uint64_t)vmsim__unzigzag(vmsim__cursor_varint(c));
    if (mask & 64)
        e->result = vmsim__unzigzag(vmsim__cursor_varint(c));
    if (mask & 128) {
        size_t length;
        const char *path = vmsim__cursor_string(c, VMSIM__PATH_MAX, &length);
        if (!path)
            return false;
        char *copy = take(room, length + 1);
        memcpy(copy, path, length);
        copy[length] = 0;
        e->path = copy;
    }
    if (type == VMSIM_TRACE_EXEC && !(e->exec = get_exec(c, room)))
        return false;
    return !c->failed;
}

const char *vmsim_trace_event_name(unsigned type) {
    static const char *const names[] = {
#define EVENT_NAME(name, text, args) text,
        VMSIM_TRACE_EVENTS(EVENT_NAME)
#undef EVENT_NAME
    };
    return type < VMSIM__COUNT(names) ? names[type] : "?";
}

const char *vmsim_trace_event_args(unsigned type) {
    static const char *const args_of[] = {
#define EVENT_ARGS(name, text, args) args,
        VMSIM_TRACE_EVENTS(EVENT_ARGS)
#undef EVENT_ARGS
    };
    return type < VMSIM__COUNT(args_of) ? args_of[type] : "";
}
