/* SPDX-License-Identifier: MIT */
/* Which policies a run asked, and what they answered that could not be. */
#include <string.h>

#include "report/sections.h"

static const char *origin_of(const struct vmsim__policy_use *use) {
    return strchr(use->origin, '/') ? "plugin" : use->origin; /* its path is of this host */
}

static void use_row(const struct vmsim__policy_use *use, struct vmsim__emitter *e) {
    VMSIM__ASSERT(use->domain);
    vmsim__emit_object(e, NULL);
    vmsim__emit_string(e, "domain", use->domain);
    vmsim__emit_string(e, "policy", use->policy->name);
    vmsim__emit_string(e, "origin", origin_of(use));
    vmsim__emit_uint(e, "instances", use->instances, VMSIM__UNIT_COUNT);
    vmsim__emit_uint(e, "fallbacks", use->fallbacks, VMSIM__UNIT_COUNT);
    vmsim__emit_string(e, "first_fallback", use->first);
    vmsim__emit_array(e, "notes");
    for (size_t i = 0; i < use->notes; i++)
        vmsim__emit_string(e, NULL, use->note[i]);
    vmsim__emit_array_end(e);
    vmsim__emit_uint(e, "notes_dropped", use->notes_dropped, VMSIM__UNIT_COUNT);
    vmsim__emit_object_end(e);
}

void vmsim__section_policies(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    struct vmsim__policy_use use;
    vmsim__emit_array(e, "policies");
    for (size_t i = 0; vmsim__policy_use_at(s->machine->policies, i, &use); i++)
        if (use.instances)
            use_row(&use, e);
    vmsim__emit_array_end(e);
}

/* A policy that decided nothing for some of the time is no footnote: its figures are not those of the policy. */
void vmsim__report_policies(struct vmsim_scenario *s, struct vmsim__textbuf *out) {
    struct vmsim__policy_use use;
    for (size_t i = 0; vmsim__policy_use_at(s->machine->policies, i, &use); i++) {
        if (use.fallbacks)
            vmsim__textbuf_printf(out, "\nPolicy %s of domain %s was not followed %llu time%s; the first: it %s\n",
                                  use.policy->name, use.domain, (unsigned long long)use.fallbacks,
                                  use.fallbacks == 1 ? "" : "s", use.first ? use.first : "(no memory for the text)");
        for (size_t k = 0; k < use.notes; k++)
            vmsim__textbuf_printf(out, "%s%s: %s\n", k || use.fallbacks ? "" : "\n", use.policy->name, use.note[k]);
        if (use.notes_dropped)
            vmsim__textbuf_printf(out, "%s: ... and %llu more\n", use.policy->name,
                                  (unsigned long long)use.notes_dropped);
    }
}
