/* SPDX-License-Identifier: MIT */
/* Sections about what the scenario wanted: expectations, and steps that did not come out as they say. */
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
        vmsim__emit_string(e, "origin", x->origin);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}

void vmsim__section_failed_steps(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    vmsim__emit_array(e, "failed_steps");
    for (size_t i = 0; i < s->failures.count; i++)
        vmsim__emit_string(e, NULL, s->failures.at[i]);
    vmsim__emit_array_end(e);
}
