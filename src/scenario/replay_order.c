/* SPDX-License-Identifier: MIT */
/* Items in their order (see replay_order.h). */
#include "scenario/replay_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* A trace of one task has nobody to wait for: nothing of all this is kept for it. */
void vmsim__order_init(struct vmsim__replay_order *o, struct vmsim__alloc *a, struct vmsim_trace_reader *reader) {
    VMSIM__ASSERT(reader && vmsim_trace_get_info(reader));
    *o = (struct vmsim__replay_order){.alloc = a, .reader = reader};
    vmsim__slab_init(&o->items, a, sizeof(struct vmsim__replay_item));
    o->alone = vmsim_trace_get_info(reader)->tasks <= 1;
}

/* NULL: no host memory. Lanes are made when a task is first met, which may be before its job exists. */
struct vmsim__replay_lane *vmsim__order_lane(struct vmsim__replay_order *o, uint32_t task) {
    const struct vmsim__replay_lane none = {.job = VMSIM__NO_JOB};
    while (o->lanes.count <= task)
        if (!vmsim__vec_push(o->alloc, &o->lanes, none))
            return NULL;
    return &o->lanes.at[task];
}

/* ---- what an item holds ---- */

static void free_exec(struct vmsim__alloc *a, const struct vmsim_trace_exec *exec) {
    if (!exec)
        return;
    vmsim__free(a, (void *)(uintptr_t)exec->segments, exec->segment_count * sizeof *exec->segments);
    vmsim__free(a, (void *)(uintptr_t)exec, sizeof *exec);
}

/* Of an item that still borrows from the reader, nothing is its own. */
static void free_contents(struct vmsim__replay_order *o, struct vmsim__replay_item *x) {
    vmsim__vec_fini(o->alloc, &x->pages);
    if (!x->owned)
        return;
    if (x->in.accesses)
        vmsim__free(o->alloc, (void *)(uintptr_t)x->in.accesses, x->in.count * sizeof *x->in.accesses);
    vmsim__strfree(o->alloc, (char *)(uintptr_t)x->event.path);
    free_exec(o->alloc, x->event.exec);
}

/* NULL: no host memory, and nothing is left. */
static const struct vmsim_trace_exec *copy_exec(struct vmsim__alloc *a, const struct vmsim_trace_exec *exec) {
    VMSIM__ASSERT(exec->segments || !exec->segment_count);
    const size_t bytes = exec->segment_count * sizeof *exec->segments;
    struct vmsim_trace_exec *copy = vmsim__malloc(a, sizeof *copy);
    struct vmsim_trace_segment *segments = bytes ? vmsim__malloc(a, bytes) : NULL;
    if (!copy || (bytes && !segments)) {
        vmsim__free(a, copy, sizeof *copy);
        vmsim__free(a, segments, bytes);
        return NULL;
    }
    if (bytes)
        memcpy(segments, exec->segments, bytes);
    *copy = *exec;
    copy->segments = segments;
    return copy;
}

/* The reader is about to go on: what is still needed of its last item becomes the item's own. References are needed
 * until they are done, and where others may ask which pages they were for. False: no memory. */
static bool own(struct vmsim__replay_order *o, struct vmsim__replay_item *x) {
    const vmsim_access *from = x->in.accesses;
    const char *path = x->event.path;
    const struct vmsim_trace_exec *exec = x->event.exec;
    VMSIM__ASSERT(!x->owned);
    x->in.accesses = NULL;
    x->event.path = NULL;
    x->event.exec = NULL;
    x->owned = true;
    if (from && (!x->done || x->touch_count)) {
        vmsim_access *to = vmsim__malloc(o->alloc, x->in.count * sizeof *to);
        if (!to)
            return false;
        memcpy(to, from, x->in.count * sizeof *to);
        x->in.accesses = to;
    }
    if (x->done)
        return true;
    if (path && !(x->event.path = vmsim__strdup(o->alloc, path)))
        return false;
    return !exec || (x->event.exec = copy_exec(o->alloc, exec)) != NULL;
}

/* ---- lists ---- */

/* By the thing, not by its part: whoever touches the same thing meets in one bucket, where parts are compared. */
static uint32_t bucket_of(const struct vmsim__touch *t) {
    return (t->what * 31 + t->id) % VMSIM__ORDER_BUCKETS;
}

/* In the order of the recording; uses and changes apart, since two uses never wait for each other. */
static void link_touch(struct vmsim__replay_order *o, struct vmsim__touch *t) {
    VMSIM__ASSERT(t->item && t->from <= t->last);
    const uint32_t b = bucket_of(t);
    struct vmsim__touch **first = t->how == VMSIM__TOUCH_USE ? &o->uses[b].first : &o->changes[b].first,
                        **last = t->how == VMSIM__TOUCH_USE ? &o->uses[b].last : &o->changes[b].last;
    t->next = NULL;
    t->before = *last;
    *(t->before ? &t->before->next : first) = t;
    *last = t;
}

/* Of an item that is over: nobody has to wait for it any more. */
static void unlink_touch(struct vmsim__replay_order *o, struct vmsim__touch *t) {
    VMSIM__ASSERT(t->item && t->item->done);
    const uint32_t b = bucket_of(t);
    struct vmsim__touch **first = t->how == VMSIM__TOUCH_USE ? &o->uses[b].first : &o->changes[b].first,
                        **last = t->how == VMSIM__TOUCH_USE ? &o->uses[b].last : &o->changes[b].last;
    *(t->before ? &t->before->next : first) = t->next;
    *(t->next ? &t->next->before : last) = t->before;
}

/* Places count references, so that the window is as wide in work as in items. */
static void append(struct vmsim__replay_order *o, struct vmsim__replay_item *x, struct vmsim__replay_lane *lane) {
    VMSIM__ASSERT(x->generation <= lane->announced && x->touch_count <= VMSIM__TOUCHES_MAX);
    x->number = o->number++;
    x->place = o->place;
    o->place += x->in.count + VMSIM__ORDER_ITEM_WEIGHT;
    x->older = o->newest;
    *(x->older ? &x->older->newer : &o->oldest) = x;
    o->newest = x;
    *(lane->tail ? &lane->tail->lane_next : &lane->head) = x;
    lane->tail = x;
    if (!o->first)
        o->first = x;
    for (uint32_t i = 0; i < x->touch_count; i++) {
        x->touches[i].item = x;
        link_touch(o, &x->touches[i]);
    }
}

/* Items leave in the order of the recording, though they end in another. */
static void go(struct vmsim__replay_order *o, struct vmsim__replay_item *x) {
    VMSIM__ASSERT(x->done && x != o->first);
    for (uint32_t i = 0; i < x->touch_count; i++)
        unlink_touch(o, &x->touches[i]);
    *(x->older ? &x->older->newer : &o->oldest) = x->newer;
    *(x->newer ? &x->newer->older : &o->newest) = x->older;
    if (o->borrowed == x)
        o->borrowed = NULL;
    free_contents(o, x);
    vmsim__slab_free(&o->items, x);
}

/* ---- reading ---- */

static int no_memory(struct vmsim__replay_order *o) {
    o->no_memory = true;
    return VMSIM_ENOMEM;
}

/* 1 and an item, 0 at the end, or an error. The item borrows from the reader until the next call. */
int vmsim__order_read(struct vmsim__replay_order *o, struct vmsim__replay_item **item) {
    struct vmsim_trace_item in;
    VMSIM__ASSERT(!o->ended);
    if (o->borrowed && !own(o, o->borrowed))
        return no_memory(o);
    o->borrowed = NULL;
    int got = vmsim_trace_next(o->reader, &in);
    if (got <= 0) {
        o->ended = !got;
        return got;
    }
    struct vmsim__replay_item *x = vmsim__slab_alloc(&o->items);
    if (!x || !vmsim__order_lane(o, in.task)) {
        if (x)
            vmsim__slab_free(&o->items, x);
        return no_memory(o);
    }
    x->in = in;
    x->waiters = VMSIM__NO_JOB;
    if (in.event) {
        x->event = *in.event;
        x->in.event = &x->event;
    }
    if (!vmsim__order_touch(o, x)) {
        vmsim__slab_free(&o->items, x);
        return no_memory(o);
    }
    o->borrowed = x;
    append(o, x, &o->lanes.at[in.task]);
    *item = x;
    return 1;
}

/* By virtual time: what another CPU did later than now has not happened yet. */
static bool is_over(const struct vmsim__replay_item *x, uint64_t now) {
    return x->done && x->done_at <= now;
}

/* Window units that are in use at `now`. */
static uint64_t in_use(const struct vmsim__replay_order *o, uint64_t now) {
    const struct vmsim__replay_item *x = o->oldest;
    while (x && is_over(x, now))
        x = x->newer;
    VMSIM__ASSERT(!x || x->place < o->place);
    return x ? o->place - x->place : 0;
}

/* Reading stops there, so that memory is bounded however far tasks drift apart. */
bool vmsim__order_full(const struct vmsim__replay_order *o, uint64_t now) {
    return in_use(o, now) > VMSIM__ORDER_WINDOW;
}

/* And goes on only here: reading a little at a time would wake everybody at each item. */
bool vmsim__order_roomy(const struct vmsim__replay_order *o, uint64_t now) {
    return in_use(o, now) <= VMSIM__ORDER_WINDOW / 2;
}

/* ---- who waits for whom ---- */

enum { PAGE_SHIFT = 12, RECENT = 256 };

/* Values differ: the order is one. */
static int by_value(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The pages of a batch, once each: those met lately are left out before they are sorted. */
static bool collect_pages(struct vmsim__replay_order *o, struct vmsim__replay_item *x) {
    VMSIM__ASSERT(x->in.accesses && !x->pages.count);
    uint64_t recent[RECENT] = {0};
    for (size_t i = 0; i < x->in.count; i++) {
        const uint64_t page = vmsim_access_va(x->in.accesses[i]) >> PAGE_SHIFT;
        if (recent[page % RECENT] == page + 1)
            continue;
        recent[page % RECENT] = page + 1;
        if (!vmsim__vec_push(o->alloc, &x->pages, page))
            return false;
    }
    qsort(x->pages.at, x->pages.count, sizeof *x->pages.at, by_value);
    return true;
}

/* Whether a batch refers to one of the addresses. One that crosses the end of a page is taken for its first page's: the
 * next page of a mapping is as old as that. */
static bool refers_to(struct vmsim__replay_order *o, struct vmsim__replay_item *x, uint64_t from, uint64_t last) {
    VMSIM__ASSERT(x->in.accesses && from <= last);
    if (!x->pages.count && !collect_pages(o, x)) {
        o->no_memory = true;
        return true;
    }
    size_t low = 0, high = x->pages.count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (x->pages.at[middle] < from >> PAGE_SHIFT)
            low = middle + 1;
        else
            high = middle;
    }
    return low < x->pages.count && x->pages.at[low] <= last >> PAGE_SHIFT;
}

/* Both touch the same part of the same thing. */
static bool meet(struct vmsim__replay_order *o, const struct vmsim__touch *a, const struct vmsim__touch *b) {
    VMSIM__ASSERT(a->item != b->item);
    if (a->what != b->what || a->id != b->id || a->from > b->last || b->from > a->last)
        return false;
    if (a->item->in.accesses && a->what == VMSIM__TOUCH_SPACE)
        return refers_to(o, a->item, b->from, b->last);
    if (b->item->in.accesses && b->what == VMSIM__TOUCH_SPACE)
        return refers_to(o, b->item, a->from, a->last);
    return true;
}

/* Oldest first, and only up to the item itself: whatever came later in the recording cannot be waited for, or two tasks
 * would wait for each other. Two that publish do not wait for one another: neither sees what the other does. */
static struct vmsim__replay_item *search(struct vmsim__replay_order *o, const struct vmsim__touch *t,
                                         const struct vmsim__touch *d, uint64_t now) {
    VMSIM__ASSERT(t->item && t->item->in.task < o->lanes.count);
    const struct vmsim__replay_item *x = t->item;
    for (; d && d->item->number < x->number; d = d->next) {
        const bool both_publish = d->how == VMSIM__TOUCH_PUBLISH && t->how == VMSIM__TOUCH_PUBLISH;
        if (d->item->in.task != x->in.task && !both_publish && !is_over(d->item, now) && meet(o, t, d))
            return d->item;
    }
    return NULL;
}

/* A task's number may be given again: the items of the one before come first. */
static struct vmsim__replay_item *earlier_life(struct vmsim__replay_order *o, const struct vmsim__replay_item *x) {
    const uint32_t child = vmsim__order_child(x);
    struct vmsim__replay_item *head = child < o->lanes.count ? o->lanes.at[child].head : NULL;
    return head && child != x->in.task && head->number < x->number ? head : NULL;
}

/* A call on another process's memory finds it as it was: what that process did before comes first. */
static struct vmsim__replay_item *owner_before(const struct vmsim__replay_order *o,
                                               const struct vmsim__replay_item *x) {
    const uint64_t pid = x->in.event && x->event.type == VMSIM_TRACE_REMOTE ? x->event.args[1] : 0;
    for (size_t n = o->lanes.count; pid && n-- > 0;) {
        const struct vmsim_trace_task *k = vmsim_trace_get_task(o->reader, (uint32_t)n);
        struct vmsim__replay_item *head = o->lanes.at[n].head;
        if (k && k->pid == pid && n != x->in.task && head && head->number < x->number)
            return head;
    }
    return NULL;
}

/* The first one found, not the last one to end: the task is woken by its end and asks again. Changes are looked at
 * first, since nearly all uses wait for those alone. Buckets hold items by what they touch, so that this does not grow
 * with the number of tasks. */
struct vmsim__replay_item *vmsim__order_blocker(struct vmsim__replay_order *o, struct vmsim__replay_item *x,
                                                uint64_t now) {
    VMSIM__ASSERT(!x->done && o->lanes.at[x->in.task].head == x);
    for (uint32_t i = 0; i < x->touch_count; i++) {
        const struct vmsim__touch *t = &x->touches[i];
        const uint32_t b = bucket_of(t);
        struct vmsim__replay_item *d = search(o, t, o->changes[b].first, now);
        if (!d && t->how == VMSIM__TOUCH_CHANGE)
            d = search(o, t, o->uses[b].first, now);
        if (d)
            return d;
    }
    struct vmsim__replay_item *before = earlier_life(o, x);
    return before ? before : owner_before(o, x);
}

/* Items stay until all older ones are done, because they are still looked for by what they touched; of those that have
 * gone the last end is known. */
void vmsim__order_finish(struct vmsim__replay_order *o, struct vmsim__replay_item *x, uint64_t time) {
    struct vmsim__replay_lane *lane = &o->lanes.at[x->in.task];
    VMSIM__ASSERT(lane->head == x && !x->done);
    x->done = true;
    x->done_at = time;
    lane->head = x->lane_next;
    if (!lane->head)
        lane->tail = NULL;
    *(o->done ? &o->done_last->done_next : &o->done) = x;
    o->done_last = x;
    for (; o->first && o->first->done; o->first = o->first->newer)
        o->settled_at = vmsim__max64(o->settled_at, o->first->done_at);
}

void vmsim__order_retire(struct vmsim__replay_order *o, uint64_t now) {
    while (o->done && o->done->done_at <= now) {
        VMSIM__ASSERT(o->done->done && o->done->number < o->number);
        struct vmsim__replay_item *x = o->done;
        o->done = x->done_next;
        go(o, x);
    }
}

void vmsim__order_fini(struct vmsim__replay_order *o) {
    if (!o->alloc)
        return;
    for (struct vmsim__replay_item *x = o->oldest; x; x = x->newer)
        free_contents(o, x);
    vmsim__slab_fini(&o->items);
    vmsim__vec_fini(o->alloc, &o->lanes);
    vmsim__vec_fini(o->alloc, &o->breaks);
}
