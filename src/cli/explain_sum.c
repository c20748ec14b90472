/* SPDX-License-Identifier: MIT */
/* Events of a whole run, summed (see explain_whole.h).
 *
 * Events come in the order in which they end, and those of one task lie in each other or apart: what a fault was made
 * of has come before it, and began no earlier than it did. So the waits and reclaims of a task since its last fault are
 * kept, and looked through from the youngest on when a fault ends. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain_whole.h"

#define NUMBERED_MAX (UINT32_C(1) << 24) /* tasks by number: what is beyond is a thread of the kernel */
#define PARTS_MAX ((size_t)4096)         /* no fault has more; a reader without faults would gather them for ever */

static void add(struct explain_sum *sum, uint64_t when, uint64_t ns) {
    sum->count++;
    sum->ns += ns;
    if (ns > sum->longest || sum->count == 1) {
        sum->longest = ns;
        sum->when = when;
    }
    assert(sum->ns >= sum->longest);
}

static bool reserve(struct explain_doers *list, size_t count) {
    if (count <= list->room)
        return true;
    size_t room = list->room ? list->room : 16;
    while (room < count)
        room *= 2;
    struct explain_doer *grown = realloc(list->at, room * sizeof *grown);
    if (!grown)
        return false;
    memset(grown + list->room, 0, (room - list->room) * sizeof *grown);
    list->at = grown;
    list->room = room;
    return true;
}

/* NULL: no memory. */
static struct explain_doer *doer_of(struct explain_sums *s, uint32_t task) {
    const bool numbered = task < NUMBERED_MAX;
    struct explain_doers *list = numbered ? &s->tasks : &s->threads;
    size_t i = numbered ? task : 0;
    while (!numbered && i < list->count && list->at[i].task != task)
        i++;
    if (!reserve(list, i + 1)) {
        s->failed = true;
        return NULL;
    }
    list->count = i < list->count ? list->count : i + 1;
    list->at[i].task = task;
    assert(list->count <= list->room);
    return &list->at[i];
}

/* Of the oldest parts half is forgotten when there are too many: none of them lies in a fault that is still to end. */
static void add_part(struct explain_sums *s, struct explain_doer *d, const struct vmsim_event *event) {
    if (d->part_count == PARTS_MAX) {
        d->part_count /= 2;
        memmove(d->part, d->part + PARTS_MAX - d->part_count, d->part_count * sizeof *d->part);
    }
    if (d->part_count == d->part_room) {
        const size_t room = d->part_room ? 2 * d->part_room : 8;
        struct explain_part *grown = realloc(d->part, room * sizeof *grown);
        if (!grown) {
            s->failed = true;
            return;
        }
        d->part = grown;
        d->part_room = room;
    }
    assert(d->part_count < d->part_room && d->part_room <= PARTS_MAX);
    d->part[d->part_count++] = (struct explain_part){event->time, event->duration, event->kind == VMSIM_EVENT_RECLAIM};
}

static void add_fault(struct explain_doer *d, const struct vmsim_event *event) {
    const bool major = !strcmp(event->what, "major");
    add(&d->fault[major], event->time, event->duration);
    for (size_t i = d->part_count; i-- > 0 && d->part[i].when >= event->time;) {
        uint64_t *to = d->part[i].reclaim ? d->fault_reclaimed : d->fault_waited;
        to[major] += d->part[i].ns;
    }
    d->part_count = 0;
}

static void add_wait(struct explain_sums *s, struct explain_doer *d, const struct vmsim_event *event) {
    static const char *const words[EXPLAIN_WAITS] = {"page read", "page written", "memory",  "throttle",      "", "CPU",
                                                     "sleep",     "child",        "barrier", "recorded order"};
    size_t i = 0;
    while (i < EXPLAIN_WAITS && strcmp(words[i], event->what) != 0)
        i++;
    add(&d->wait[i < EXPLAIN_WAITS ? i : EXPLAIN_OTHER], event->time, event->duration);
    if (i < EXPLAIN_SLEEP || i == EXPLAIN_WAITS)
        add_part(s, d, event);
}

static void add_reclaim(struct explain_sums *s, struct explain_doer *d, const struct vmsim_event *event) {
    struct explain_reclaimed *r = &d->reclaim[!strcmp(event->what, "kswapd")  ? EXPLAIN_KSWAPD
                                              : !strcmp(event->what, "memcg") ? EXPLAIN_MEMCG
                                                                              : EXPLAIN_DIRECT];
    add(&r->times, event->time, event->duration);
    r->scanned += event->number[0];
    r->reclaimed += event->number[1];
    add_part(s, d, event);
}

/* Devices beyond the last that is kept are counted with it. */
static void add_request(struct explain_sums *s, const struct vmsim_event *event) {
    size_t i = 0;
    while (i < s->device_count && strcmp(s->device[i].name, event->what) != 0)
        i++;
    i = i < EXPLAIN_DEVICES ? i : EXPLAIN_DEVICES - 1;
    if (i == s->device_count)
        snprintf(s->device[s->device_count++].name, sizeof s->device->name, "%s", event->what);
    const bool write = event->number[1] != 0;
    add(&s->device[i].requests[write], event->time, event->duration);
    s->device[i].bytes[write] += event->number[0];
}

/* With memory.oom.group the one that was chosen is killed once more with all of its group. */
static void add_kill(struct explain_sums *s, const struct vmsim_event *event) {
    const struct explain_kill *last = s->kills && s->kills <= EXPLAIN_KILLS ? &s->kill[s->kills - 1] : NULL;
    if (last && last->task == event->task && last->when == event->time)
        return;
    if (s->kills < EXPLAIN_KILLS)
        s->kill[s->kills] =
            (struct explain_kill){event->task, (uint32_t)event->number[1], event->time, event->number[0]};
    s->kills++;
}

static void add_own(struct explain_sums *s, const struct vmsim_event *event) {
    struct explain_doer *d = doer_of(s, event->task);
    const uint64_t end = event->time + event->duration;
    if (!d)
        return;
    if (event->kind == VMSIM_EVENT_KILL && d->seen && event->time > d->end)
        d->lost += event->time - d->end;
    d->begin = d->seen && d->begin < event->time ? d->begin : event->time;
    d->end = d->seen && d->end > end ? d->end : end;
    d->seen = true;
    if (event->kind == VMSIM_EVENT_RUN)
        add(&d->run, event->time, event->duration);
    else if (event->kind == VMSIM_EVENT_FAULT)
        add_fault(d, event);
    else if (event->kind == VMSIM_EVENT_STALL)
        add_wait(s, d, event);
    else if (event->kind == VMSIM_EVENT_RECLAIM)
        add_reclaim(s, d, event);
}

void explain_sum(void *context, const struct vmsim_event *event) {
    struct explain_sums *s = context;
    const uint64_t end = event->time + event->duration;
    s->events++;
    s->end = s->end > end ? s->end : end;
    if (event->kind == VMSIM_EVENT_IO)
        add_request(s, event);
    else if (event->kind == VMSIM_EVENT_EXTFRAG)
        s->fragmented++;
    else if (event->task != EXPLAIN_NOBODY)
        add_own(s, event);
    if (event->kind == VMSIM_EVENT_KILL)
        add_kill(s, event);
}

static void free_doers(struct explain_doers *list) {
    for (size_t i = 0; i < list->room; i++)
        free(list->at[i].part);
    free(list->at);
}

void explain_sums_free(struct explain_sums *sums) {
    free_doers(&sums->tasks);
    free_doers(&sums->threads);
    *sums = (struct explain_sums){0};
}
