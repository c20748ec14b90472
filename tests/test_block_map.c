/* SPDX-License-Identifier: MIT */
/* Maps of memory over time: each cell is what looking at every frame of it says, of a long run evenly spread ones are
 * kept in bounded memory, and pageblocks.json has them all. */
#include "scenario_run.h"

#include <jansson.h>

#include "report/sections.h"
#include "zones/zones.h"

/* Two nodes, memory in pieces, a file, and a hole between the ranges of the first node. */
static const char pieces[] = "machine:\n  cpus: 2\n  kernel: \"6.1\"\n  nodes: [{memory: 96MiB}, {memory: 64MiB}]\n"
                             "  transparent_hugepage: never\n"
                             "workload:\n"
                             "  files: [{name: /f, size: 8MiB}]\n"
                             "  tasks:\n"
                             "    - name: a\n"
                             "      program:\n"
                             "        - mmap: {as: h, length: 40MiB}\n"
                             "        - touch: {region: h, write: 100%}\n"
                             "        - read: {file: /f, block: 64KiB}\n"
                             "        - madvise: {region: h, advice: dontneed, every: 3, random: true}\n"
                             "        - marker: {name: in_pieces}\n"
                             "report: {interval: 100us}\n";

/* Free frames of [from, to), found block by block. */
static uint64_t free_frames(const struct vmsim__mem *mem, uint64_t from, uint64_t to) {
    uint64_t n = 0;
    const uint64_t top = UINT64_C(1) << mem->top_order;
    for (uint64_t p = from & ~(top - 1); p < to;) {
        const int order = p < mem->frames.end ? vmsim__mem_free_block_order(mem, (vmsim__pfn)p) : -1;
        const uint64_t end = p + (order < 0 ? 1 : UINT64_C(1) << order);
        const uint64_t a = p > from ? p : from, b = end < to ? end : to;
        n += order >= 0 && b > a ? b - a : 0;
        p = end;
    }
    return n;
}

static uint64_t present_frames(const struct vmsim__mem *mem, uint64_t from, uint64_t to) {
    uint64_t n = 0;
    for (size_t i = 0; i < mem->nr_segments; i++) {
        const uint64_t a = mem->segments[i].start > from ? mem->segments[i].start : from;
        const uint64_t b = mem->segments[i].end < to ? mem->segments[i].end : to;
        n += b > a ? b - a : 0;
    }
    return n;
}

static size_t partly;

static void check_cell(const struct vmsim__block_map *b, const struct vmsim__mem *mem, uint64_t at, unsigned cell) {
    const uint64_t from = at << b->shift, to = (at + 1) << b->shift;
    const uint64_t present = present_frames(mem, from, to), free = free_frames(mem, from, to);
    const unsigned used = cell & 15;
    assert_true(free <= present);
    if (!present) {
        assert_int_equal(cell, VMSIM__CELL_ABSENT);
        return;
    }
    const struct vmsim__zone *z = vmsim__mem_zone_of(mem, (vmsim__pfn)from);
    const unsigned kind = z ? vmsim__pageblock_kind(mem, z, (vmsim__pfn)from) : VMSIM__PAGEBLOCK_KEPT;
    if (kind == VMSIM__PAGEBLOCK_HUGE || kind == VMSIM__PAGEBLOCK_MIXED)
        assert_int_equal(cell >> 4, kind == VMSIM__PAGEBLOCK_HUGE ? VMSIM__PURPOSE_HUGE : VMSIM__PURPOSE_MIXED);
    else
        assert_int_equal(cell >> 4, vmsim__pageblock_type(mem, (vmsim__pfn)from));
    assert_true((used == 0) == (free == present) && (used == 15) == (free == 0));
    if (used && used < 15) {
        assert_int_equal(used, 1 + (present - free) * 14 / present);
        partly++;
    }
}

static enum vmsim__work check_map(void *context, struct vmsim_scenario *s, const char *name, uint32_t task) {
    struct vmsim__block_map *b = &s->blocks;
    size_t cell = 0;
    (void)context, (void)name, (void)task;
    vmsim__block_map_end(s, 12345);
    assert_int_equal(b->time[b->kept], 12345);
    assert_int_equal(b->shift, s->machine->mem->pageblock_order);
    for (size_t i = 0; i < b->ranges; i++) {
        for (uint64_t at = b->range[i].begin; at < b->range[i].end; at++, cell++)
            check_cell(b, s->machine->mem, at, b->cell[b->kept * b->cells + cell]);
    }
    assert_int_equal(cell, b->cells);
    return VMSIM__WORK_MORE;
}

static void a_cell_is_what_its_frames_are(void **state) {
    struct outcome o;
    (void)state;
    partly = 0;
    assert_int_equal(vmsim_config_create(&o.config), 0);
    assert_int_equal(vmsim_config_load_text(o.config, "test.yaml", pieces, sizeof pieces - 1), 0);
    assert_int_equal(vmsim_config_resolve(o.config), 0);
    assert_int_equal(vmsim_scenario_create(o.config, &o.s), 0);
    o.m = vmsim_scenario_machine(o.s);
    o.s->on_marker = check_map;
    assert_int_equal(vmsim_scenario_run(o.s, NULL, NULL), 0);
    assert_true(partly > 10);
    end(&o);
}

static void of_a_long_run_evenly_spread_maps_are_kept(void **state) {
    (void)state;
    struct outcome o = run_with("machine: {nodes: [{memory: 64MiB}]}\n"
                                "workload: {tasks: [{name: a, program: [{compute: {time: 10ms}}]}]}\n"
                                "report: {interval: 10us}\n",
                                0);
    const struct vmsim__block_map *b = &o.s->blocks;
    assert_int_equal(b->seen, o.s->rows.count);
    assert_true(b->seen > 900 && b->kept > VMSIM__MAPS / 2 && b->kept <= VMSIM__MAPS);
    assert_int_equal(b->every, 8);
    for (size_t i = 0; i < b->kept; i++)
        assert_int_equal(b->time[i], 10000 * (1 + i * b->every));
    end(&o);
}

/* 7 TiB in a few thousand cells. */
static void cells_grow_with_memory(void **state) {
    (void)state;
    struct outcome o = run_with("machine: {nodes: [{memory: 7TiB}]}\n"
                                "workload: {tasks: [{name: a, program: [{compute: {time: 1ms}}]}]}\n"
                                "report: {interval: 100us}\n",
                                0);
    const struct vmsim__block_map *b = &o.s->blocks;
    assert_true(b->cells > VMSIM__MAP_CELLS / 3 && b->cells <= VMSIM__MAP_CELLS);
    end(&o);
}

static void pageblocks_json_has_them(void **state) {
    (void)state;
    struct outcome o = run_with(pieces, 0);
    struct vmsim__textbuf out;
    json_error_t why;
    json_t *range, *map;
    size_t i, cells = 0;
    vmsim__textbuf_init(&out, o.s->alloc);
    vmsim__report_blocks(o.s, &out, false);
    json_t *file = json_loadb(vmsim__textbuf_text(&out), out.count, 0, &why);
    assert_non_null(file);
    json_array_foreach(json_object_get(file, "ranges"), i, range) cells +=
        (size_t)json_integer_value(json_object_get(range, "cells"));
    assert_int_equal(cells, o.s->blocks.cells);
    assert_int_equal(json_array_size(json_object_get(file, "maps")), o.s->blocks.kept + 1);
    json_int_t before = -1;
    json_array_foreach(json_object_get(file, "maps"), i, map) {
        assert_int_equal(json_string_length(json_object_get(map, "cells")), 2 * cells);
        assert_true(json_integer_value(json_object_get(map, "time_ns")) > before);
        before = json_integer_value(json_object_get(map, "time_ns"));
    }
    json_decref(file);
    vmsim__textbuf_fini(&out);
    end(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cell_is_what_its_frames_are),
        cmocka_unit_test(of_a_long_run_evenly_spread_maps_are_kept),
        cmocka_unit_test(cells_grow_with_memory),
        cmocka_unit_test(pageblocks_json_has_them),
    };
    return cmocka_run_group_tests_name("block_map", tests, NULL, NULL);
}
