/* SPDX-License-Identifier: MIT */
/* faults.json: faults by task, address and time (scenario/fault_map.h), for the report's map and for scripts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/emitter.h"
#include "report/proc.h"
#include "report/sections.h"
#include "scenario/engine.h"

static int by_task_and_place(const void *a, const void *b) {
    const struct vmsim__fault_row *x = a, *y = b;
    if (x->task != y->task)
        return x->task < y->task ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Noughts before the first and behind the last that is none are left out. */
static void emit_row(struct vmsim_scenario *s, struct vmsim__emitter *e, const struct vmsim__fault_row *r) {
    size_t first = 0, end = s->faults.columns + 1;
    char start[24];
    while (first < end && !r->count[first])
        first++;
    while (end > first && !r->count[end - 1])
        end--;
    snprintf(start, sizeof start, "0x%" PRIx64, r->place << s->faults.shift);
    vmsim__emit_object(e, NULL);
    vmsim__emit_string(e, "task", vmsim__task_at(s->machine, r->task)->name);
    vmsim__emit_string(e, "start", start);
    vmsim__emit_uint(e, "first", first, VMSIM__UNIT_NONE);
    vmsim__emit_array(e, "counts");
    for (size_t c = first; c < end; c++)
        vmsim__emit_uint(e, NULL, r->count[c], VMSIM__UNIT_NONE);
    vmsim__emit_array_end(e);
    vmsim__emit_object_end(e);
}

/* The open column ends with the run. */
void vmsim__report_faults(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places) {
    const struct vmsim__fault_map *f = &s->faults;
    struct vmsim__emitter e;
    (void)places;
    VMSIM__ASSERT(f->rows);
    struct vmsim__fault_row *sorted = vmsim__calloc(s->alloc, f->rows, sizeof *sorted);
    out->failed |= !sorted;
    if (!sorted)
        return;
    memcpy(sorted, f->row, f->rows * sizeof *sorted);
    qsort(sorted, f->rows, sizeof *sorted, by_task_and_place);
    vmsim__emitter_json(&e, out);
    vmsim__emit_object(&e, NULL);
    vmsim__emit_string(&e, "schema", "vmsim-faults");
    vmsim__emit_string(&e, "schema_version", "1.0");
    vmsim__emit_uint(&e, "row", UINT64_C(1) << f->shift, VMSIM__UNIT_BYTES);
    vmsim__emit_uint(&e, "left_out", f->left_out, VMSIM__UNIT_NONE);
    vmsim__emit_array(&e, "times");
    for (size_t c = 0; c < f->columns; c++)
        vmsim__emit_uint(&e, NULL, f->time[c], VMSIM__UNIT_NONE);
    vmsim__emit_uint(&e, NULL, vmsim__machine_uptime(s->machine), VMSIM__UNIT_NONE);
    vmsim__emit_array_end(&e);
    vmsim__emit_array(&e, "rows");
    for (size_t i = 0; i < f->rows; i++)
        emit_row(s, &e, &sorted[i]);
    vmsim__emit_array_end(&e);
    vmsim__emit_object_end(&e);
    vmsim__emitter_fini(&e);
    vmsim__free(s->alloc, sorted, f->rows * sizeof *sorted);
}
