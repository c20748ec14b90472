/* SPDX-License-Identifier: MIT */
/* stats.json (every number, for programs; docs/stats-schema.json) and intervals.csv (the course of the run). */
#include <stdio.h>
#include <string.h>

#include "report/proc.h"
#include "report/report_files.h"
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
    VMSIM__ASSERT(count <= vmsim_counter_count(m));
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
    VMSIM__ASSERT(name);
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
        vmsim__section_machine,     vmsim__section_run,      vmsim__section_time,         vmsim__section_limits,
        vmsim__section_tasks,       vmsim__section_tlb,      vmsim__section_tlb_by_cpu,   vmsim__section_walk_caches,
        vmsim__section_walks,       vmsim__section_flushes,  vmsim__section_faults,       vmsim__section_latencies,
        vmsim__section_nodes,       vmsim__section_zones,    vmsim__section_page_cache,   vmsim__section_devices,
        vmsim__section_page_tables, vmsim__section_policies, vmsim__section_expectations, vmsim__section_failed_steps,
        vmsim__section_differences,
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

/* ---- sections of a machine ---- */

/* Those that look at nothing but the machine; the key that each begins with. */
static const struct {
    const char *name;
    vmsim__section *section;
} of_machine[] = {
    {"where_the_time_went", vmsim__section_time},
    {"tasks", vmsim__section_tasks},
    {"tlb", vmsim__section_tlb},
    {"tlb_by_cpu", vmsim__section_tlb_by_cpu},
    {"walk_caches", vmsim__section_walk_caches},
    {"page_walks", vmsim__section_walks},
    {"tlb_flushes", vmsim__section_flushes},
    {"faults_by_kind", vmsim__section_faults},
    {"latencies", vmsim__section_latencies},
    {"memory_by_node", vmsim__section_nodes},
    {"memory_by_zone", vmsim__section_zones},
    {"page_cache", vmsim__section_page_cache},
    {"storage_devices", vmsim__section_devices},
    {"page_tables", vmsim__section_page_tables},
    {"policies", vmsim__section_policies},
    {"counters", NULL},
};

static int no_section(struct vmsim_machine *m, const char *name) {
    char all[400] = "";
    for (size_t i = 0, n = 0; i < VMSIM__COUNT(of_machine) && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", of_machine[i].name);
    return vmsim__err_set(&m->err, VMSIM_ENOENT, "there is no section '%s' of a machine; there are %s", name, all);
}

int vmsim_report_section(struct vmsim_machine *m, const char *name, const char **text, size_t *size) {
    if (text)
        *text = NULL;
    if (!m || !name || !text)
        return VMSIM_EINVAL;
    size_t i = 0;
    while (i < VMSIM__COUNT(of_machine) && strcmp(of_machine[i].name, name) != 0)
        i++;
    if (i == VMSIM__COUNT(of_machine))
        return no_section(m, name);
    struct vmsim_scenario alone = {.machine = m, .alloc = m->alloc};
    struct vmsim__emitter e;
    struct vmsim__textbuf out;
    vmsim__textbuf_init(&out, m->alloc);
    const size_t counters = counters_now(m, &out);
    vmsim__emitter_json(&e, &out);
    vmsim__emit_object(&e, NULL);
    if (of_machine[i].section)
        of_machine[i].section(&alone, &e);
    else
        emit_counters(m, &e, counters);
    vmsim__emit_object_end(&e);
    vmsim__emitter_fini(&e);
    return vmsim__textbuf_give(&out, text, size, &m->err);
}

/* ---- intervals ---- */

/* Where the lines go: into one text, or piece by piece to a file. */
struct csv {
    struct vmsim_scenario *s;
    struct vmsim__textbuf *out;
    vmsim__piece_fn *piece; /* takes out->at when there is enough of it; NULL: it stays */
    void *context;
    bool begun;
};

#define PIECE (UINT32_C(256) << 10)

static int pass_on(struct csv *c, uint64_t time, size_t least) {
    if (c->out->failed)
        return vmsim__err_set(&c->s->err, VMSIM_ENOMEM, "no memory to render intervals.csv");
    if (!c->piece || c->out->count < least)
        return 0;
    int err = vmsim__run_stopped(c->s, time) ? c->s->err.code
                                             : c->piece(c->context, vmsim__textbuf_text(c->out), c->out->count);
    vmsim__textbuf_clear(c->out);
    return err;
}

/* The first row, and what the columns are called. */
static void first_row(struct csv *c, uint64_t time, const uint64_t *values) {
    const struct vmsim__rows *r = &c->s->rows;
    struct vmsim__emitter e;
    vmsim__emitter_csv(&e, c->out);
    vmsim__emit_array(&e, "intervals");
    vmsim__emit_object(&e, NULL);
    vmsim__emit_uint(&e, "time", time, VMSIM__UNIT_NS);
    for (size_t i = 0; i < r->column.count; i++)
        vmsim__emit_uint(&e, vmsim_counter_name(c->s->machine, r->column.at[i]), values[i], VMSIM__UNIT_NONE);
    vmsim__emit_object_end(&e);
    vmsim__emit_array_end(&e);
    vmsim__emitter_fini(&e);
}

/* A number and what ends it. By hand: there may be billions. */
static void put_number(struct vmsim__textbuf *out, uint64_t n, char end) {
    char digits[24], *p = digits + sizeof digits;
    *--p = end;
    do
        *--p = (char)('0' + n % 10);
    while (n /= 10);
    vmsim__textbuf_add(out, p, (size_t)(digits + sizeof digits - p));
}

static int put_row(void *context, uint64_t time, const uint64_t *values) {
    struct csv *c = context;
    const size_t columns = c->s->rows.column.count;
    if (!c->begun) {
        first_row(c, time, values);
        c->begun = true;
    } else {
        put_number(c->out, time, columns ? ',' : '\n');
        for (size_t i = 0; i < columns; i++)
            put_number(c->out, values[i], i + 1 < columns ? ',' : '\n');
    }
    return pass_on(c, time, PIECE);
}

static int put_end(struct csv *c) {
    const struct vmsim__rows *r = &c->s->rows;
    uint64_t *values = vmsim__calloc(c->s->alloc, r->column.count + 1, sizeof *values);
    if (!values)
        return vmsim__err_set(&c->s->err, VMSIM_ENOMEM, "no memory to render intervals.csv");
    for (size_t i = 0; i < r->column.count; i++)
        values[i] = vmsim_counter_read(c->s->machine, r->column.at[i]);
    int err = put_row(c, vmsim__machine_uptime(c->s->machine), values);
    vmsim__free(c->s->alloc, values, (r->column.count + 1) * sizeof *values);
    return err ? err : pass_on(c, vmsim__machine_uptime(c->s->machine), 1);
}

/* A row an interval, and one for the end of the run. */
int vmsim__report_rows(struct vmsim_scenario *s, struct vmsim__textbuf *out, vmsim__piece_fn *piece, void *context) {
    struct csv c = {.s = s, .out = out, .piece = piece, .context = context};
    int err = vmsim__rows_columns(s);
    err = err ? err : vmsim__rows_each(s, put_row, &c);
    return err ? err : put_end(&c);
}

void vmsim__report_intervals(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places) {
    (void)places;
    out->failed |= vmsim__report_rows(s, out, NULL, NULL) != 0;
}
