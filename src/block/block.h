/* SPDX-License-Identifier: MIT */
/* Storage devices as actors: a transfer is asked for, waits, is served, and completes at a time.
 *
 * All devices of a machine are one struct vmsim__block. It knows bytes, positions and virtual time; pages, files and
 * tasks are the callers' and come back as the cookie that they gave. Kernel counterparts: block/blk-mq.c,
 * block/blk-merge.c, block/mq-deadline.c, block/genhd.c (the statistics), and the drive itself.
 *
 *     submit --> [sync  queue] --+  a free one of       controller      latency         link
 *     submit --> [async queue] --+->queue_depth slots -> one after    -> all side by -> one after -> complete(cookie)
 *                                                        another         side           another
 *
 * HOW TO USE IT. The machine owns the clock: it gives two hooks at creation.
 *   schedule(context, time, arg)            put an event into the machine's queue. When the clock is there, call
 *                                           vmsim__block_event(block, arg, time). Nothing is ever cancelled.
 *   complete(context, cookie, status, now)  a submission is done: 0 or a negative Linux errno (-5, EIO). Called from
 *                                           vmsim__block_event alone, never from vmsim__block_submit, once for each
 *                                           submission; it may submit.
 * Then: vmsim__block_submit(block, device, now, &(struct vmsim__block_io){...}) for each contiguous transfer, and wait
 * for its cookie. Whoever wants one request for several submissions just submits them one after another within one
 * event of the machine: service begins with an event of its own at the time of the first, so what is adjacent has been
 * joined by then (the kernel's plug).
 *
 * TIME. `now` is not to be before an event that was handled. A CPU that runs a little ahead of another may submit "in
 * the future" of the other's submission: the later call counts as at the device's latest time.
 *
 * THE RULES, exact and in integers (bytes * 10^9 / bandwidth is rounded down; nothing passes VMSIM__BLOCK_LATEST):
 *   - Cut and join: a transfer longer than max_request is cut into pieces of it. Each piece joins, behind or before, an
 *     adjacent waiting request of its kind (op, sync) unless that would exceed max_request; only the 8 newest of its
 *     queue are looked at, as blk_attempt_bio_merge does.
 *   - Order: each queue is first in, first out. With async_starved 0 both are one, in order of arrival; else a waiting
 *     sync request goes first unless so many have passed the oldest async one.
 *   - Service: a request takes a slot when one is free; the controller is busy with it for `overhead`; then `latency`
 *     passes; then it takes the link for bytes / bandwidth, in the order in which they get there.
 *   - A disk (rpm > 0) has one arm, which serves a request from its seek to its last byte. A request that begins where
 *     the last one ended costs no positioning. Else half a turn and a seek: seek_min + (seek_max - seek_min) *
 *     sqrt(distance / size); or, if that is shorter and it lies ahead, letting the gap pass below the head.
 *   - Faults (struct vmsim__block_fault) are looked at when a request takes its slot; the first that fits counts. A
 *     request that never completes keeps its slot; vmsim__block_waiting says who hangs on it.
 *
 * Left out: reordering by position within the drive (NCQ), write caches and flushes, discards, garbage collection. */
#ifndef VMSIM__BLOCK_H
#define VMSIM__BLOCK_H
#include "base/err.h"
#include "base/vec.h"
#include "block/block_spec.h"

/* No time of a device is later (ns; 146 years): here virtual time ends, so that whatever is done then is never seen. */
#define VMSIM__BLOCK_LATEST (UINT64_C(1) << 62)
#define VMSIM__BLOCK_NO_DEVICE UINT32_MAX

struct vmsim__block; /* all devices of a machine */

struct vmsim__block_hooks {
    void *context;
    /* False: no host memory, nothing happened. `time` is never before the event or submission that asks for it. */
    bool (*schedule)(void *context, uint64_t time, uint64_t arg);
    void (*complete)(void *context, uint64_t cookie, int status, uint64_t now);
    /* NULL: nobody asks. A request of the device `device` was done at `now`, which arrived at `arrived`. */
    void (*served)(void *context, uint32_t device, enum vmsim__block_op op, uint64_t bytes, uint64_t arrived,
                   uint64_t now);
};

/* One contiguous transfer. */
struct vmsim__block_io {
    enum vmsim__block_op op;
    bool sync;                /* somebody waits for it: reads, fsync; not what a flusher writes (REQ_SYNC) */
    uint64_t position, bytes; /* within the device; bytes > 0 */
    uint64_t cookie;          /* comes back with complete() */
};

/* What /proc/diskstats is made of; indexed by op where there are two. Times are ns, exact. */
struct vmsim__block_stat {
    uint64_t ios[VMSIM__BLOCK_OPS];    /* requests completed, failed ones too */
    uint64_t merges[VMSIM__BLOCK_OPS]; /* transfers (or pieces) that joined a waiting request */
    uint64_t bytes[VMSIM__BLOCK_OPS];  /* of completed requests */
    uint64_t time[VMSIM__BLOCK_OPS];   /* from arrival to completion, summed over completed requests */
    uint64_t errors[VMSIM__BLOCK_OPS]; /* requests completed with an error */
    uint64_t busy;                     /* io_ticks: with at least one request waiting or in service */
    uint64_t weighted;                 /* requests waiting or in service, integrated over time */
    uint64_t in_flight;                /* now, waiting ones included */
    uint64_t in_service;               /* now */
    uint64_t max_in_service, max_in_flight;
};

/* Somebody who waits. */
struct vmsim__block_waiter {
    uint64_t cookie;
    uint64_t since; /* when it was submitted */
    uint32_t device;
    enum vmsim__block_op op;
    bool hung; /* at least a part of it will never complete */
};

/* `count` devices, each passed by vmsim__block_judge; texts and lists of `specs` are copied. NULL: no host memory. */
struct vmsim__block *vmsim__block_create(struct vmsim__alloc *alloc, const struct vmsim__block_spec *specs,
                                         size_t count, const struct vmsim__block_hooks *hooks);
/* With whatever is in flight; no hook is called. */
void vmsim__block_destroy(struct vmsim__block *b);

uint32_t vmsim__block_devices(const struct vmsim__block *b);
/* VMSIM__BLOCK_NO_DEVICE: there is none of that name. */
uint32_t vmsim__block_find(const struct vmsim__block *b, const char *name);
const char *vmsim__block_name(const struct vmsim__block *b, uint32_t device);
const struct vmsim__block_params *vmsim__block_params(const struct vmsim__block *b, uint32_t device);

/* 0, or VMSIM_ENOMEM: nothing was submitted. */
int vmsim__block_submit(struct vmsim__block *b, uint32_t device, uint64_t now, const struct vmsim__block_io *io);
/* An event that was asked for by schedule() is due. 0, or VMSIM_ENOMEM: what could not be done yet is done when the
 * same event is given again, and nothing twice. */
int vmsim__block_event(struct vmsim__block *b, uint64_t arg, uint64_t now);

/* From now on this may happen, too (looked at after those that came before); `after` counts from now. 0 or
 * VMSIM_ENOMEM.
 */
int vmsim__block_inject(struct vmsim__block *b, uint32_t device, const struct vmsim__block_fault *fault);

/* The device's figures as of `now`; nothing changes. */
void vmsim__block_stat(const struct vmsim__block *b, uint32_t device, uint64_t now, struct vmsim__block_stat *out);
/* Fills up to `room` entries with those who wait, in no particular but always the same order, and returns how many
 * there are. */
size_t vmsim__block_waiting(const struct vmsim__block *b, struct vmsim__block_waiter *out, size_t room);
/* How many of them are hung, and the device of one in *device if there are any. */
size_t vmsim__block_hung(const struct vmsim__block *b, uint32_t *device);
/* Queues, slots, pools and counters recounted. 0 or VMSIM_ECHECK. */
int vmsim__block_check(const struct vmsim__block *b, struct vmsim__err *err);

#endif
