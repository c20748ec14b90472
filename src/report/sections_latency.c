/* SPDX-License-Identifier: MIT */
/* How long faults and waits took: a row for each kind that there was, with its histogram. Powers of two are kept, so a
 * quantile is an upper bound, at most twice the value. */
#include <stdio.h>

#include "report/sections.h"

/* The least bound below which `share` thousandths of all lie; of the last bucket the longest that there was. */
static uint64_t bound_of(const struct vmsim__latency *l, uint64_t share) {
    VMSIM__ASSERT(l->count && share <= 1000);
    const uint64_t wanted = (l->count * share + 999) / 1000;
    uint64_t sum = 0;
    unsigned k = 0;
    for (; k < VMSIM__LATENCY_BUCKETS - 1 && (sum += l->bucket[k]) < wanted; k++)
        ;
    return vmsim__min64(k ? UINT64_C(1) << k : 1, l->most + 1);
}

static void latency_row(struct vmsim__emitter *e, const char *what, const struct vmsim__latency *l) {
    if (!l->count)
        return;
    vmsim__emit_object(e, NULL);
    vmsim__emit_string(e, "what", what);
    vmsim__emit_uint(e, "count", l->count, VMSIM__UNIT_COUNT);
    vmsim__emit_uint(e, "total", l->total, VMSIM__UNIT_NS);
    vmsim__emit_uint(e, "half_below", bound_of(l, 500), VMSIM__UNIT_NS);
    vmsim__emit_uint(e, "p99_below", bound_of(l, 990), VMSIM__UNIT_NS);
    vmsim__emit_uint(e, "most", l->most, VMSIM__UNIT_NS);
    vmsim__emit_array(e, "buckets");
    for (unsigned k = 0; k < VMSIM__LATENCY_BUCKETS; k++) {
        if (!l->bucket[k])
            continue;
        vmsim__emit_object(e, NULL);
        vmsim__emit_uint(e, "below", UINT64_C(1) << k, VMSIM__UNIT_NS);
        vmsim__emit_uint(e, "count", l->bucket[k], VMSIM__UNIT_COUNT);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
    vmsim__emit_object_end(e);
}

void vmsim__section_latencies(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    static const char *const faults[] = {"minor fault", "major fault"};
    const struct vmsim_machine *m = s->machine;
    vmsim__emit_array(e, "latencies");
    for (unsigned i = 0; i < VMSIM__COUNT(faults); i++)
        latency_row(e, faults[i], &m->fault_took[i]);
    for (unsigned kind = 0; kind <= VMSIM__WAIT_KINDS; kind++) {
        char what[48];
        snprintf(what, sizeof what, "wait: %s", vmsim__stall_name(kind));
        latency_row(e, what, &m->stall_took[kind]);
    }
    vmsim__emit_array_end(e);
}
