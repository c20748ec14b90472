/* SPDX-License-Identifier: MIT */
/* One decoder for several readers of one trace: each chunk is decoded once, and goes to every reader while a cache of
 * the host still holds it (256 KiB).
 *
 *     decoder --> chunk 7 --> reader 0: done, wants 8: waits      `behind` counts those that are not through with it
 *                        \--> reader 1: at item 300
 *                         \-> reader 2: has not begun
 *
 * The last one to be through with a chunk has the next one decoded. A reader that is ahead calls its `yield`, which
 * lets others go on and comes back: one thread at a time is in any of them, the caller sees to that. What is kept is
 * one chunk, never the trace: references come from memory no faster than they are decoded. */
#ifndef VMSIM__FEED_H
#define VMSIM__FEED_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmsim/trace.h"

struct vmsim__feed {
    struct vmsim_trace_reader *decoder; /* the first that joined: its pipe and its first chunk serve all */
    size_t members, behind;
    uint64_t filled; /* chunks decoded so far */
    void (*yield)(void *context);
};

/* `context` is what yield() gets for this reader. False: the trace is another one, or the reader has begun. */
bool vmsim__feed_join(struct vmsim__feed *feed, struct vmsim_trace_reader *reader, void *context);
/* It reads no more. All stay open until the last has left. */
void vmsim__feed_leave(struct vmsim_trace_reader *reader);

#endif
