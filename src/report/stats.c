/* SPDX-License-Identifier: MIT */
/* stats.json (every number, for programs; docs/stats-schema.json) and intervals.csv (the course of the run). */
#include <stdio.h>
#include <string.h>

#include "report/proc.h"
#include "report/sections.h"
#include "vmsim/report.h"

/* Brings the table of counters up to date: tasks may have come since the last look. A table that is not whole fails the
 * document. */
static size_t counters_now(struct vmsim_machine *m, struct vmsim__textbuf *out) {
    size_t any;
    if (vmsim_counter_find(m, "vmstat.nr_free_pages", &any))
        out->failed = true;
    return vmsim_counter_count(m);
}

static void emit_counters(struct vmsim_machine *m, struct vmsim__emitter *e, size_t count) {
    vmsim__emit_object(e, "counters");
    for (size_t id = 0; id < count; id++)
        vmsim__emit_uint(e, vmsim_counter_name(m, id), vmsim_counter_read(m, id), VMSIM__UNIT_NONE);
    vmsim__emit_object_end(e);
}

/* ---- markers ---- */

/* Counters of tasks that came later did not exist yet: 0. */
static uint64_t value_at(const struct vmsim__marker *m, size_t id) {
    return m && id < m->count ? m->values[id] : 0;
}

/* "name": [before, after], which a reader may subtract for counters and must not for levels. */
static void emit_change(struct vmsim__emitter *e, const char *name, uint64_t before, uint64_t after) {
    if (before == after)
        return;
    vmsim__emit_array(e, name);
    vmsim__emit_uint(e, NULL, before, VMSIM__UNIT_NONE);
    vmsim__emit_uint(e, NULL, after, VMSIM__UNIT_NONE);
    vmsim__emit_array_end(e);
}

/* Counters that changed from the marker before (NULL: from 0) to this one (NULL: to the end of the run). */
static void emit_phase(struct vmsim_scenario *s, struct vmsim__emitter *e, const struct vmsim__marker *before,
                       const struct vmsim__marker *after, size_t counters) {
    VMSIM__ASSERT(!before || !after || before->count <= after->count);
    VMSIM__ASSERT(!after || after->count <= counters);
    vmsim__emit_object(e, NULL);
    vmsim__emit_string(e, "marker", after ? after->name : "end");
    vmsim__emit_string(e, "task", after ? after->task : NULL);
    vmsim__emit_string(e, "since", before ? before->name : NULL);
    vmsim__emit_uint(e, "time", after ? after->time : vmsim__machine_uptime(s->machine), VMSIM__UNIT_NS);
    vmsim__emit_object(e, "changed");
    for (size_t id = 0; id < (after ? after->count : counters); id++)
        emit_change(e, vmsim_counter_name(s->machine, id), value_at(before, id),
                    after ? value_at(after, id) : vmsim_counter_read(s->machine, id));
    vmsim__emit_object_end(e);
    vmsim__emit_object_end(e);
}

static void emit_markers(struct vmsim_scenario *s, struct vmsim__emitter *e, size_t counters) {
    vmsim__emit_array(e, "markers");
    for (size_t i = 0; i < s->markers.count; i++)
        emit_phase(s, e, i ? &s->markers.at[i - 1] : NULL, &s->markers.at[i], counters);
    if (s->markers.count)
        emit_phase(s, e, &s->markers.at[s->markers.count - 1], NULL, counters);
    vmsim__emit_array_end(e);
}

void vmsim__report_stats(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places) {
    (void)places;
    static vmsim__section *const sections[] = {
        vmsim__section_machine,      vmsim__section_run,          vmsim__section_time,        vmsim__section_tasks,
        vmsim__section_tlb,          vmsim__section_tlb_by_cpu,   vmsim__section_walk_caches, vmsim__section_walks,
        vmsim__section_flushes,      vmsim__section_faults,       vmsim__section_nodes,       vmsim__section_zones,
        vmsim__section_page_cache,   vmsim__section_devices,      vmsim__section_page_tables, vmsim__section_policies,
        vmsim__section_expectations, vmsim__section_failed_steps, vmsim__section_differences,
    };
    struct vmsim__emitter e;
    size_t counters = counters_now(s->machine, out);
    vmsim__emitter_json(&e, out);
    vmsim__emit_object(&e, NULL);
    vmsim__emit_string(&e, "schema", "vmsim-stats");
    vmsim__emit_string(&e, "schema_version", VMSIM_REPORT_SCHEMA);
    vmsim__emit_string(&e, "vmsim", vmsim_version());
    for (size_t i = 0; i < VMSIM__COUNT(sections); i++)
        sections[i](s, &e);
    emit_markers(s, &e, counters);
    emit_counters(s->machine, &e, counters);
    vmsim__emit_object_end(&e);
    vmsim__emitter_fini(&e);
}

/* ---- intervals ---- */

/* Columns must be the same from the first row to the last, and in every run of a machine: counters of the machine are,
 * those of tasks come and go. Of each CPU's TLB only the counters that make rates are taken. */
static bool is_column(const char *name) {
    static const char *const tlb[] = {".accesses", ".walks", ".walk_references", ".walk_cycles", ".faults"};
    const char *dot = strrchr(name, '.');
    VMSIM__ASSERT(dot);
    if (!strncmp(name, "vmstat.", 7) || !strncmp(name, "cpu", 3))
        return true;
    if (!strncmp(name, "zone.", 5))
        return !strcmp(dot, ".free") || !strcmp(dot, ".boost") || !strcmp(dot, ".pcp_count");
    for (size_t i = 0; i < VMSIM__COUNT(tlb) && !strncmp(name, "tlb.", 4); i++) {
        if (!strcmp(dot, tlb[i]))
            return strchr(name + 4, '.') == dot; /* of the CPU, not of one array */
    }
    return false;
}

static void emit_row(struct vmsim_scenario *s, struct vmsim__emitter *e, const struct vmsim__marker *row) {
    vmsim__emit_object(e, NULL);
    vmsim__emit_uint(e, "time", row ? row->time : vmsim__machine_uptime(s->machine), VMSIM__UNIT_NS);
    for (size_t id = 0; id < vmsim_counter_count(s->machine); id++) {
        const char *name = vmsim_counter_name(s->machine, id);
        if (is_column(name))
            vmsim__emit_uint(e, name, row ? value_at(row, id) : vmsim_counter_read(s->machine, id), VMSIM__UNIT_NONE);
    }
    vmsim__emit_object_end(e);
}

/* A row an interval, and one for the end of the run. */
void vmsim__report_intervals(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places) {
    (void)places;
    struct vmsim__emitter e;
    counters_now(s->machine, out);
    vmsim__emitter_csv(&e, out);
    vmsim__emit_array(&e, "intervals");
    for (size_t i = 0; i < s->intervals.count; i++)
        emit_row(s, &e, &s->intervals.at[i]);
    emit_row(s, &e, NULL);
    vmsim__emit_array_end(&e);
    vmsim__emitter_fini(&e);
}
