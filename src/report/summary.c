/* SPDX-License-Identifier: MIT */
/* summary.txt: what a person reads first, from what ran to whether it is what was wanted. */
#include "base/units.h"
#include "report/proc.h"
#include "report/sections.h"

/* Two sentences that say it all, for those who read no further. */
static void print_head(struct vmsim_scenario *s, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(s->machine);
    const struct vmsim_machine *m = s->machine;
    char memory[32], took[32], references[40];
    uint64_t pages = 0, sum = 0;
    for (unsigned n = 0; n < m->mem->nr_nodes; n++)
        pages += m->mem->nodes[n].present;
    for (size_t i = 0; i < m->tasks.count; i++)
        sum += m->tasks.at[i]->stats.references;
    vmsim__textbuf_printf(out, "vmsim %s: %zu task%s on %s, Linux %s, %u CPU%s, %s in %u node%s\n", vmsim_version(),
                          m->tasks.count, m->tasks.count == 1 ? "" : "s", m->format->name, m->kernel->name, m->nr_cpus,
                          m->nr_cpus == 1 ? "" : "s",
                          vmsim__human_size(pages << m->mem->page_shift, memory, sizeof memory), m->mem->nr_nodes,
                          m->mem->nr_nodes == 1 ? "" : "s");
    if (s->unfinished)
        vmsim__textbuf_puts(out, "UNFINISHED: the run was stopped before its end; all is as it was then\n");
    vmsim__textbuf_printf(out, "%s references in %s of virtual time\n",
                          vmsim__grouped_text(sum, references, sizeof references),
                          vmsim__human_time(vmsim__machine_uptime(m), took, sizeof took));
}

/* What could not be looked up, and the steps: texts too long for a table. */
static void print_failures(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places) {
    for (size_t i = 0; i < s->expectations.count; i++) {
        const struct vmsim_expectation *x = &s->expectations.at[i];
        if (x->problem && places)
            vmsim__textbuf_printf(out, "  %s: %s: %s\n", x->origin, x->counter, x->problem);
        else if (x->problem)
            vmsim__textbuf_printf(out, "  expect[%zu]: %s: %s\n", i, x->counter, x->problem);
    }
    if (s->failed_steps)
        vmsim__textbuf_puts(out, "\nFailed steps\n");
    for (size_t i = 0; i < s->failures.count; i++) {
        vmsim__textbuf_puts(out, "  ");
        vmsim__put_failure(s, i, places, out);
        vmsim__textbuf_puts(out, "\n");
    }
    if (s->failed_steps > s->failures.count)
        vmsim__textbuf_printf(out, "  ... and %llu more\n", (unsigned long long)(s->failed_steps - s->failures.count));
}

void vmsim__report_expectations(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places) {
    VMSIM__ASSERT(out);
    size_t failed = 0;
    for (size_t i = 0; i < s->expectations.count; i++)
        failed += !s->expectations.at[i].met;
    if (s->expectations.count) {
        struct vmsim__emitter e;
        vmsim__emitter_text(&e, out);
        e.places = places;
        vmsim__section_expectations(s, &e);
        vmsim__emitter_fini(&e);
    }
    print_failures(s, out, places);
    if (!s->expectations.count && !s->failed_steps)
        return;
    vmsim__textbuf_puts(out, "\n");
    if (s->expectations.count)
        vmsim__textbuf_printf(out, "%zu of %zu expectations hold%s", s->expectations.count - failed,
                              s->expectations.count, s->failed_steps ? ", " : "");
    if (s->failed_steps)
        vmsim__textbuf_printf(out, "%llu step%s failed", (unsigned long long)s->failed_steps,
                              s->failed_steps == 1 ? "" : "s");
    vmsim__textbuf_puts(out, failed || s->failed_steps ? ": FAILED\n" : "\n");
}

void vmsim__report_summary(struct vmsim_scenario *s, struct vmsim__textbuf *out, bool places) {
    VMSIM__ASSERT(s->machine && out);
    static vmsim__section *const sections[] = {
        vmsim__section_machine,     vmsim__section_task_times,  vmsim__section_task_memory, vmsim__section_time,
        vmsim__section_tlb,         vmsim__section_walks,       vmsim__section_faults,      vmsim__section_nodes,
        vmsim__section_zones,       vmsim__section_page_tables, vmsim__section_page_cache,  vmsim__section_devices_used,
        vmsim__section_differences,
    };
    struct vmsim__emitter e;
    print_head(s, out);
    vmsim__emitter_text(&e, out);
    for (size_t i = 0; i < VMSIM__COUNT(sections); i++) {
        sections[i](s, &e);
        if (sections[i] == vmsim__section_task_memory && s->machine->tasks.count > VMSIM__SUMMARY_TASKS)
            vmsim__textbuf_printf(out, "  ... and %zu more tasks in stats.json\n",
                                  s->machine->tasks.count - VMSIM__SUMMARY_TASKS);
    }
    vmsim__emitter_fini(&e);
    vmsim__report_limits(s, out);
    vmsim__report_policies(s, out);
    vmsim__report_expectations(s, out, places);
}
