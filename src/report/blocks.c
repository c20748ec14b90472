/* SPDX-License-Identifier: MIT */
/* pageblocks.json: maps of physical memory over time (scenario/block_map.h), for the report's slider and for scripts.
 */
#include "report/proc.h"
#include "report/emitter.h"
#include "report/sections.h"
#include "scenario/engine.h"

/* A cell is two characters: what it is for, and sixteenths in use; ".." where there is no memory. */
static void put_cell(struct vmsim__textbuf *out, uint8_t cell) {
    static const char types[VMSIM__PURPOSES] = {'U', 'M', 'R', 'H', 'C', 'I', 'T', 'X'}, digits[] = "0123456789abcdef";
    VMSIM__ASSERT(cell == VMSIM__CELL_ABSENT || cell >> 4 < VMSIM__PURPOSES);
    const char text[2] = {cell == VMSIM__CELL_ABSENT ? '.' : types[cell >> 4],
                          cell == VMSIM__CELL_ABSENT ? '.' : digits[cell & 15]};
    vmsim__textbuf_add(out, text, sizeof text);
}

/* False: no memory. */
static bool emit_map(struct vmsim_scenario *s, struct vmsim__emitter *e, const uint8_t *cell) {
    struct vmsim__textbuf text;
    vmsim__textbuf_init(&text, s->alloc);
    for (size_t i = 0; i < s->blocks.cells; i++)
        put_cell(&text, cell[i]);
    const bool whole = !text.failed;
    if (whole)
        vmsim__emit_string(e, "cells", vmsim__textbuf_text(&text));
    vmsim__textbuf_fini(&text);
    return whole;
}

static void emit_ranges(const struct vmsim__block_map *b, unsigned page_shift, struct vmsim__emitter *e) {
    vmsim__emit_array(e, "ranges");
    for (size_t i = 0; i < b->ranges; i++) {
        const struct vmsim__map_range *r = &b->range[i];
        vmsim__emit_object(e, NULL);
        vmsim__emit_uint(e, "node", r->node, VMSIM__UNIT_NONE);
        vmsim__emit_uint(e, "start", r->begin << (b->shift + page_shift), VMSIM__UNIT_BYTES);
        vmsim__emit_uint(e, "cells", r->end - r->begin, VMSIM__UNIT_NONE);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}

void vmsim__report_blocks(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places) {
    const struct vmsim__mem *mem = s->machine->mem;
    const struct vmsim__block_map *b = &s->blocks;
    struct vmsim__emitter e;
    (void)places;
    VMSIM__ASSERT(b->cells);
    vmsim__block_map_end(s, vmsim__machine_uptime(s->machine));
    vmsim__emitter_json(&e, out);
    vmsim__emit_object(&e, NULL);
    vmsim__emit_string(&e, "schema", "vmsim-pageblocks");
    vmsim__emit_string(&e, "schema_version", "1.0");
    vmsim__emit_uint(&e, "pageblock", UINT64_C(1) << (mem->pageblock_order + mem->page_shift), VMSIM__UNIT_BYTES);
    vmsim__emit_uint(&e, "cell", UINT64_C(1) << (b->shift + mem->page_shift), VMSIM__UNIT_BYTES);
    emit_ranges(b, mem->page_shift, &e);
    vmsim__emit_array(&e, "maps");
    for (size_t i = 0; i <= b->kept; i++) {
        vmsim__emit_object(&e, NULL);
        vmsim__emit_uint(&e, "time", b->time[i], VMSIM__UNIT_NS);
        out->failed |= !emit_map(s, &e, b->cell + i * b->cells);
        vmsim__emit_object_end(&e);
    }
    vmsim__emit_array_end(&e);
    vmsim__emit_object_end(&e);
    vmsim__emitter_fini(&e);
}
