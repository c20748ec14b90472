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
        else if (x->share)
            vmsim__emit_ratio(e, "value", x->value, 1000000, 6, VMSIM__UNIT_PERCENT);
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
    VMSIM__ASSERT(steps && wanted);
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

/* "ENOMEM", "signal 11", "an address", or the number. */
static const char *result_text(unsigned kind, int64_t result, char *text, size_t size) {
    VMSIM__ASSERT(kind < VMSIM__REPLAY_KINDS && size > 1);
    const char *name = kind == VMSIM_TRACE_EXIT ? NULL : vmsim__errno_name(result);
    bool address = kind == VMSIM_TRACE_MMAP || kind == VMSIM_TRACE_MREMAP || kind == VMSIM_TRACE_BRK;
    if (kind == VMSIM_TRACE_EXIT && result < 0)
        snprintf(text, size, "signal %lld", -(long long)result);
    else
        snprintf(text, size, "%lld", (long long)result);
    return name ? name : address ? "an address" : text;
}

void vmsim__section_differences(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    if (!vmsim__replay_differences(&s->results))
        return;
    vmsim__emit_array(e, "replay_differences");
    for (unsigned i = 0; i < VMSIM__REPLAY_KINDS; i++) {
        const struct vmsim__replay_difference *d = &s->results.kinds[i];
        char recorded[32], here[32];
        if (!d->count)
            continue;
        const struct vmsim__task *t = vmsim__task_at(s->machine, d->task);
        vmsim__emit_object(e, NULL);
        vmsim__emit_string(e, "call", vmsim_trace_event_name(i));
        vmsim__emit_uint(e, "times", d->count, VMSIM__UNIT_COUNT);
        vmsim__emit_string(e, "first_task", t->name);
        vmsim__emit_uint(e, "first_time", d->time, VMSIM__UNIT_NS);
        vmsim__emit_string(e, "recorded", result_text(i, d->recorded, recorded, sizeof recorded));
        vmsim__emit_string(e, "here", result_text(i, d->here, here, sizeof here));
        vmsim__emit_string(e, "file", d->file);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
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
