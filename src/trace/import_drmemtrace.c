/* SPDX-License-Identifier: MIT */
/* drmemtrace (DynamoRIO's drcachesim/common/trace_entry.h): the final traces, not the raw files that it makes them of.
 * A file a thread, gzipped or a zip of chunks, of records of 12 bytes, packed, little-endian:
 *
 *     u16 type | u16 size | u64 address (or value)
 *
 * A directory holds the threads of one process. What runs before what is told by marks of time, from which the order of
 * all threads is made again, as DynamoRIO's own readers do: the thread with the earliest mark goes on to its next one.
 */
#include <string.h>

#include "base/util.h"
#include "trace/codec.h"
#include "trace/import.h"

/* trace_type_t. Instructions other than these have kinds of their own from INSTR to INSTR_RETURN. */
enum {
    READ,
    WRITE,
    INSTR = 10,
    INSTR_RETURN = 16,
    INSTR_BUNDLE,
    THREAD = 22,
    THREAD_EXIT,
    PID,
    HEADER,
    MARKER = 28,
    INSTR_MAYBE_FETCH = 30,
    INSTR_SYSENTER,
    INSTR_TAKEN_JUMP = 48,
    INSTR_UNTAKEN_JUMP,
    LARGEST = 255, /* later versions have more, which are none of references */
};
enum { MARKER_TIMESTAMP = 2 };

/* The stream whose next record is the next of all, or NULL: the one with the earliest mark, the first in a tie. It goes
 * on until it has another mark. */
static struct vmsim__import_stream *next_stream(struct vmsim__import *im) {
    VMSIM__ASSERT(im->streams.count > 0);
    if (im->stream->begun && !im->stream->ended && !im->stream->marked)
        return im->stream;
    im->stream->marked = false;
    struct vmsim__import_stream *best = NULL;
    for (size_t i = 0; i < im->streams.count; i++) {
        struct vmsim__import_stream *s = &im->streams.at[i];
        if (!s->ended && (!best || s->time < best->time))
            best = s;
    }
    return best;
}

/* What follows is of this thread; a new one is forked by who ran before. */
static int switch_thread(struct vmsim__import *im, uint64_t tid) {
    uint64_t number;
    const size_t before = im->objects.count;
    int err = vmsim__import_number(im, tid, &number);
    if (err)
        return err;
    if (number > UINT16_MAX)
        return vmsim__import_fail(im, VMSIM_ELIMIT, "more than 65,536 threads");
    im->stream->task = (uint32_t)number;
    return number && before < im->objects.count ? vmsim__import_thread(im, (uint32_t)number, tid) : 0;
}

static int take_pid(struct vmsim__import *im, uint64_t pid) {
    VMSIM__ASSERT(im->stream->begun);
    if (im->pid && im->pid != pid)
        return vmsim__import_fail(im, VMSIM_EINVAL, "a second process: each is imported by itself");
    im->pid = pid;
    return 0;
}

/* Instructions that follow the last one: their lengths, a byte each, in place of the address. */
static int add_bundle(struct vmsim__import *im, const unsigned char *lengths, unsigned count) {
    VMSIM__ASSERT(im->stream->begun);
    int err = 0;
    for (unsigned i = 0; i < count && i < 8 && !err; i++) {
        err = vmsim__import_add(im, im->stream->pc, lengths[i], VMSIM_FETCH);
        im->stream->pc += lengths[i];
    }
    return err;
}

static bool is_instruction(unsigned type) {
    return (type >= INSTR && type <= INSTR_RETURN) || type == INSTR_MAYBE_FETCH || type == INSTR_SYSENTER ||
           type == INSTR_TAKEN_JUMP || type == INSTR_UNTAKEN_JUMP;
}

static int take_record(struct vmsim__import *im, const unsigned char *r) {
    struct vmsim__import_stream *s = im->stream;
    VMSIM__ASSERT(!s->ended && s->task == im->task);
    const unsigned type = r[0] | (unsigned)r[1] << 8, size = r[2] | (unsigned)r[3] << 8;
    const uint64_t address = vmsim__load_le64(r + 4);
    if (type > LARGEST || (!s->begun && type != HEADER))
        return vmsim__import_fail(im, VMSIM_EFORMAT,
                                  "no record of a final drmemtrace file (raw files are converted by drmemtrace first)");
    s->begun = true;
    if (is_instruction(type)) {
        s->pc = address + size;
        return vmsim__import_add(im, address, size, VMSIM_FETCH);
    }
    switch (type) {
    case READ:
    case WRITE:
        return vmsim__import_add(im, address, size, type == WRITE ? VMSIM_STORE : VMSIM_LOAD);
    case INSTR_BUNDLE:
        return add_bundle(im, r + 4, size);
    case THREAD:
        return switch_thread(im, address);
    case PID:
        return take_pid(im, address);
    case MARKER:
        s->marked |= size == MARKER_TIMESTAMP;
        s->time = size == MARKER_TIMESTAMP ? address : s->time;
        return 0;
    default: /* prefetches, flushes, encodings: no reference that can fault */
        im->options->skipped++;
        return 0;
    }
}

/* Threads lie in files of their own, with timestamps between: the one that is furthest behind is read next. */
int vmsim__import_drmemtrace(struct vmsim__import *im) {
    unsigned char r[12];
    for (;;) {
        struct vmsim__import_stream *s = next_stream(im);
        if (!s)
            return 0;
        int err = vmsim__import_switch(im, s);
        const int got = err ? err : vmsim__import_take(im, r, sizeof r);
        if (got < 0)
            return got;
        s->ended = got == 0;
        if (got == 0)
            continue;
        err = take_record(im, r);
        return err ? err : 1;
    }
}
