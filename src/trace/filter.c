/* SPDX-License-Identifier: MIT */
/* Choosing references (see filter.h).
 *
 * By page: a reference is kept when it says something new of its page, seen from the last few pages that its task used.
 * What is left has the same faults, dirty pages and order of first uses as the whole, in a fraction of the words; how
 * often a page is used is lost, which is why a trace says that it is filtered. An event may change what any page is, so
 * that all lists are empty behind it; an epoch says so in one store, however many tasks there are. */
#include "trace/filter.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { SAMPLE_WINDOW = 1000000 };

/* A number of references, or UINT64_MAX: `text` names a mark. */
static uint64_t place_of(const char *text) {
    char *end;
    const uint64_t n = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end ? n : UINT64_MAX;
}

/* Without any of these the words of the arena are written as they lie, and nothing is allocated. */
static bool leaves_out(const struct vmsim_record_options *o) {
    return o->only || o->page_level || o->sample > 1 || o->from || o->to;
}

int vmsim__filter_init(struct vmsim__filter *f, struct vmsim__alloc *alloc, const struct vmsim_record_options *options,
                       size_t room) {
    VMSIM__ASSERT(options && room > 0);
    *f = (struct vmsim__filter){.alloc = alloc, .options = options, .room = room, .epoch = 1};
    f->from = options->from ? place_of(options->from) : 0;
    f->to = options->to ? place_of(options->to) : UINT64_MAX;
    f->on = !f->from;
    if (leaves_out(options))
        f->kept = vmsim__calloc(alloc, room, sizeof *f->kept);
    return leaves_out(options) && !f->kept ? VMSIM_ENOMEM : 0;
}

void vmsim__filter_fini(struct vmsim__filter *f) {
    vmsim__vec_fini(f->alloc, &f->tasks);
    vmsim__free(f->alloc, f->kept, f->kept ? f->room * sizeof *f->kept : 0);
    f->kept = NULL;
}

static struct vmsim__filter_task *task_of(struct vmsim__filter *f, uint32_t task) {
    while (f->tasks.count <= task)
        if (!vmsim__vec_push(f->alloc, &f->tasks, (struct vmsim__filter_task){0}))
            return NULL;
    struct vmsim__filter_task *t = &f->tasks.at[task];
    if (t->epoch != f->epoch)
        *t = (struct vmsim__filter_task){.epoch = f->epoch};
    return t;
}

/* Whether the reference says something new of its page, which becomes the last one used. Page 0 is never used: an empty
 * place of the list. */
static bool is_news(struct vmsim__filter_task *t, vmsim_access a) {
    const enum vmsim_access_type type = vmsim_access_kind(a);
    const uint64_t page = vmsim_access_va(a) >> 12, store = type & VMSIM_STORE;
    uint64_t *recent = t->recent[type == VMSIM_FETCH];
    VMSIM__ASSERT(page >> 52 == 0);
    unsigned i = 0;
    while (i < VMSIM__FILTER_RECENT - 1 && recent[i] >> 1 != page)
        i++;
    const uint64_t before = recent[i];
    const bool known = before >> 1 == page && (before & 1 || !store);
    memmove(recent + 1, recent, i * sizeof *recent);
    recent[0] = page << 1 | store | (before >> 1 == page ? before & 1 : 0);
    return !known;
}

static bool straddles(vmsim_access a) {
    return (vmsim_access_va(a) & 4095) + vmsim_access_bytes(a) > 4096;
}

/* Of `sample` windows one is written whole, and of the others what is new of pages. */
static bool within_sample(const struct vmsim__filter *f) {
    return f->options->sample <= 1 || f->seen / SAMPLE_WINDOW % f->options->sample == 0;
}

static bool is_wanted(struct vmsim__filter *f, struct vmsim__filter_task *t, vmsim_access a) {
    const struct vmsim_record_options *o = f->options;
    const bool code = vmsim_access_kind(a) == VMSIM_FETCH, by_page = o->page_level || o->sample > 1;
    if (f->seen == f->from && f->from)
        f->on = true;
    if (f->seen == f->to)
        f->on = false;
    if (!f->on || (o->only && code != (o->only == VMSIM_RECORD_CODE)))
        return false;
    return !by_page || is_news(t, a) || straddles(a) || (!o->page_level && within_sample(f));
}

/* Without a filter nothing is copied. Order and task stay; only references go, never events. */
int vmsim__filter_words(struct vmsim__filter *f, uint32_t task, const vmsim_access **words, size_t *count) {
    VMSIM__ASSERT(*count <= f->room);
    if (!f->kept) {
        f->seen += *count;
        f->written += *count;
        return 0;
    }
    struct vmsim__filter_task *t = task_of(f, task);
    if (!t)
        return VMSIM_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < *count; i++, f->seen++) {
        f->kept[n] = (*words)[i]; /* one copy: the words may change while they are looked at */
        n += is_wanted(f, t, f->kept[n]);
    }
    VMSIM__ASSERT(n <= *count);
    f->written += n;
    *words = f->kept;
    *count = n;
    return 0;
}

void vmsim__filter_event(struct vmsim__filter *f, const struct vmsim_trace_event *e) {
    VMSIM__ASSERT(e);
    const struct vmsim_record_options *o = f->options;
    f->epoch++;
    if (e->type != VMSIM_TRACE_MARKER || !e->path)
        return;
    if (o->from && f->from == UINT64_MAX && !strcmp(o->from, e->path))
        f->on = true;
    if (o->to && f->to == UINT64_MAX && !strcmp(o->to, e->path))
        f->on = false;
}

/* A trace that leaves something out says so itself, or its miss ratios would be taken for the program's. */
int vmsim__filter_notes(const struct vmsim__filter *f, struct vmsim_trace_writer *writer) {
    VMSIM__ASSERT(f->written <= f->seen);
    static const char *const only[] = {"", ", only data", ", only code"};
    const struct vmsim_record_options *o = f->options;
    char line[600], sample[80] = "";
    if (!f->kept)
        return 0;
    if (o->sample > 1)
        snprintf(sample, sizeof sample, ", one of %" PRIu64 " million whole, the others by page", o->sample);
    snprintf(line, sizeof line,
             "a part of what the program referred to: %" PRIu64 " of %" PRIu64 " references%s%s%s%s%.100s%s%.100s",
             f->written, f->seen, only[o->only], sample, o->page_level ? ", by page" : "", o->from ? ", from " : "",
             o->from ? o->from : "", o->to ? ", to " : "", o->to ? o->to : "");
    return vmsim_trace_note(writer, line);
}
