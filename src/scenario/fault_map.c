/* SPDX-License-Identifier: MIT */
/* Faults by task, address and time (see fault_map.h). */
#include "scenario/fault_map.h"

#include <string.h>

#include "scenario/engine.h"

#define SHIFT_LEAST 16u /* 64 KiB: a program of a few megabytes has tens of rows */

static size_t hash_of(uint32_t task, uint64_t place) {
    const uint64_t h = (place ^ (uint64_t)task << 40) * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 32) % VMSIM__FAULT_SLOTS;
}

/* Of a row that is there, or the free one that it would have. There are four times as many as rows. */
static uint16_t *slot_of(const struct vmsim__fault_map *f, uint32_t task, uint64_t place) {
    size_t i = hash_of(task, place);
    while (f->slot[i] && (f->row[f->slot[i] - 1].task != task || f->row[f->slot[i] - 1].place != place))
        i = (i + 1) % VMSIM__FAULT_SLOTS;
    return &f->slot[i];
}

/* Rows twice as long: those that meet are added, and the others move down to where counts are free. */
static void lengthen_rows(struct vmsim__fault_map *f) {
    const size_t before = f->rows;
    memset(f->slot, 0, VMSIM__FAULT_SLOTS * sizeof *f->slot);
    f->rows = f->last = 0;
    f->shift++;
    for (size_t i = 0; i < before; i++) {
        const struct vmsim__fault_row r = f->row[i];
        uint16_t *slot = slot_of(f, r.task, r.place >> 1);
        if (*slot) {
            uint32_t *sum = f->row[*slot - 1].count;
            for (size_t c = 0; c < VMSIM__FAULT_COLUMNS; c++)
                sum[c] += r.count[c];
            memset(r.count, 0, VMSIM__FAULT_COLUMNS * sizeof *r.count);
            continue;
        }
        struct vmsim__fault_row *to = &f->row[f->rows++];
        uint32_t *free_counts = to->count;
        *to = (struct vmsim__fault_row){r.place >> 1, r.task, r.count};
        if (to != &f->row[i])
            f->row[i].count = free_counts;
        *slot = (uint16_t)f->rows;
    }
}

/* NULL: there are more tasks than rows. */
static struct vmsim__fault_row *make_row(struct vmsim__fault_map *f, uint32_t task, uint64_t address) {
    while (f->rows == VMSIM__FAULT_ROWS && f->shift < 63) {
        lengthen_rows(f);
        const uint16_t known = *slot_of(f, task, address >> f->shift);
        if (known)
            return &f->row[known - 1];
    }
    if (f->rows == VMSIM__FAULT_ROWS)
        return NULL;
    struct vmsim__fault_row *r = &f->row[f->rows++];
    r->task = task;
    r->place = address >> f->shift;
    *slot_of(f, task, r->place) = (uint16_t)f->rows;
    return r;
}

/* Called for every fault. Neighbouring faults are mostly of one task and place, so that the row that was used last is
 * looked at first; a table that is full counts what it leaves out, and the page says so. */
static void on_fault(void *context, const struct vmsim__task *t, uint64_t address) {
    struct vmsim_scenario *s = context;
    struct vmsim__fault_map *f = &s->faults;
    struct vmsim__fault_row *r = &f->row[f->last];
    VMSIM__ASSERT(f->columns < VMSIM__FAULT_COLUMNS);
    if (!f->rows || r->task != t->id || r->place != address >> f->shift) {
        const uint16_t known = *slot_of(f, t->id, address >> f->shift);
        r = known ? &f->row[known - 1] : make_row(f, t->id, address);
    }
    if (!r) {
        f->left_out++;
        return;
    }
    f->last = (size_t)(r - f->row);
    r->count[f->columns]++;
}

/* Each two become one. */
static void join_columns(struct vmsim__fault_map *f) {
    enum { HALF = VMSIM__FAULT_COLUMNS / 2 };
    for (size_t i = 0; i < f->rows; i++) {
        uint32_t *count = f->row[i].count;
        for (size_t c = 0; c < HALF; c++)
            count[c] = count[2 * c] + count[2 * c + 1];
        memset(count + HALF, 0, HALF * sizeof *count);
    }
    for (size_t c = 0; c < HALF; c++)
        f->time[c] = f->time[2 * c + 1];
    f->columns = HALF;
    f->every *= 2;
}

void vmsim__fault_map_take(struct vmsim_scenario *s, uint64_t time) {
    struct vmsim__fault_map *f = &s->faults;
    if (!f->row || ++f->seen % f->every)
        return;
    f->time[f->columns++] = time;
    if (f->columns == VMSIM__FAULT_COLUMNS)
        join_columns(f);
}

/* All at once and for the whole run: a fault is the last moment at which the host should be asked for memory. */
int vmsim__fault_map_begin(struct vmsim_scenario *s) {
    struct vmsim__fault_map *f = &s->faults;
    VMSIM__ASSERT(!f->row);
    f->every = 1;
    f->shift = (unsigned)vmsim__max64(SHIFT_LEAST, s->machine->mem->page_shift);
    f->row = vmsim__calloc(s->alloc, VMSIM__FAULT_ROWS, sizeof *f->row);
    f->slot = vmsim__calloc(s->alloc, VMSIM__FAULT_SLOTS, sizeof *f->slot);
    f->counts = vmsim__calloc(s->alloc, VMSIM__FAULT_ROWS * VMSIM__FAULT_COLUMNS, sizeof *f->counts);
    if (!f->row || !f->slot || !f->counts) {
        vmsim__fault_map_release(s);
        return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory to count faults by address");
    }
    for (size_t i = 0; i < VMSIM__FAULT_ROWS; i++)
        f->row[i].count = f->counts + i * VMSIM__FAULT_COLUMNS;
    s->machine->on_fault = on_fault;
    s->machine->on_fault_context = s;
    return 0;
}

void vmsim__fault_map_release(struct vmsim_scenario *s) {
    struct vmsim__fault_map *f = &s->faults;
    vmsim__free(s->alloc, f->row, VMSIM__FAULT_ROWS * sizeof *f->row);
    vmsim__free(s->alloc, f->slot, VMSIM__FAULT_SLOTS * sizeof *f->slot);
    vmsim__free(s->alloc, f->counts, VMSIM__FAULT_ROWS * VMSIM__FAULT_COLUMNS * sizeof *f->counts);
    *f = (struct vmsim__fault_map){0};
}
