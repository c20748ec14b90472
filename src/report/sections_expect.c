/* SPDX-License-Identifier: MIT */
/* Sections about what the scenario wanted: expectations, and steps that did not come out as they say. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "report/sections.h"

void vmsim__section_expectations(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    vmsim__emit_array(e, "expectations");
    for (size_t i = 0; i < s->expectations.count; i++) {
        const struct vmsim_expectation *x = &s->expectations.at[i];
        vmsim__emit_object(e, NULL);
        vmsim__emit_string(e, "result", x->met ? "ok" : "FAILED");
        vmsim__emit_string(e, "counter", x->counter);
        vmsim__emit_string(e, "at", x->at ? x->at : "end");
        if (x->problem)
            vmsim__emit_string(e, "value", NULL);
        else
            vmsim__emit_uint(e, "value", x->value, VMSIM__UNIT_NONE);
        vmsim__emit_string(e, "wanted", x->wanted);
        char key[40];
        snprintf(key, sizeof key, "expect[%zu]", i);
        vmsim__emit_string(e, "origin", e->places ? x->origin : key);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}

/* Puts the key of the step at `wanted` behind `path`, which leads to its list: "workload.tasks[0].program[3].fork".
 * Programs lie within steps (fork, repeat); the tables of the verbs say where. */
static bool find_step(const struct vmsim_param_list *steps, const struct vmsim_param_variant *wanted,
                      struct vmsim__textbuf *path) {
    const struct vmsim_param_variant *step = steps->data;
    size_t length = path->count;
    for (size_t i = 0; i < steps->count; i++, step++) {
        path->count = path->failed ? path->count : length;
        vmsim__textbuf_printf(path, "[%zu].%s", i, step->variant->tag);
        if (step == wanted)
            return true;
        size_t inner = path->count;
        for (const struct vmsim_param *p = step->data ? step->variant->fields : NULL; p && p->name; p++) {
            if (p->type != VMSIM_PARAM_VARIANT_LIST)
                continue;
            path->count = path->failed ? path->count : inner;
            vmsim__textbuf_printf(path, ".%s", p->name);
            if (find_step((const void *)((const char *)step->data + p->offset), wanted, path))
                return true;
        }
    }
    return false;
}

void vmsim__put_failure(struct vmsim_scenario *s, size_t index, bool places, struct vmsim__textbuf *out) {
    const struct vmsim__step_failure *f = &s->failures.at[index];
    const struct vmsim__task_decl *tasks = s->spec->workload.tasks.data;
    size_t origin = strlen(f->step->origin), begin = out->count;
    VMSIM__ASSERT(!strncmp(f->text, f->step->origin, origin));
    bool found = places;
    for (size_t i = 0; i < s->spec->workload.tasks.count && !found && !out->failed; i++) {
        out->count = begin;
        vmsim__textbuf_printf(out, "workload.tasks[%zu].program", i);
        found = find_step(&tasks[i].program, f->step, out);
    }
    VMSIM__ASSERT(found || out->failed);
    vmsim__textbuf_puts(out, places ? f->text : f->text + origin);
}

void vmsim__section_failed_steps(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    struct vmsim__textbuf text;
    vmsim__textbuf_init(&text, s->alloc);
    vmsim__emit_array(e, "failed_steps");
    for (size_t i = 0; i < s->failures.count; i++) {
        vmsim__textbuf_clear(&text);
        vmsim__put_failure(s, i, e->places, &text);
        vmsim__emit_string(e, NULL, vmsim__textbuf_text(&text));
        e->out->failed |= text.failed;
    }
    vmsim__textbuf_fini(&text);
    vmsim__emit_array_end(e);
}
