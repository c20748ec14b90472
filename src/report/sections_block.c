/* SPDX-License-Identifier: MIT */
/* The storage devices of a run, as iostat -x has them. */
#include "base/units.h"
#include "report/proc.h"
#include "report/sections.h"

/* Nanoseconds a request, waiting included; nothing to say of none. */
static void await(struct vmsim__emitter *e, const char *key, uint64_t time, uint64_t requests) {
    VMSIM__ASSERT(key);
    if (requests)
        vmsim__emit_uint(e, key, time / requests, VMSIM__UNIT_NS);
    else
        vmsim__emit_ratio(e, key, 0, 0, 0, VMSIM__UNIT_NS); /* null, with the key's unit */
}

static void device_row(const struct vmsim_machine *m, uint32_t device, uint64_t uptime, struct vmsim__emitter *e) {
    VMSIM__ASSERT(device < vmsim__block_devices(m->block));
    struct vmsim__block_stat s;
    vmsim__block_stat(m->block, device, uptime, &s);
    vmsim__emit_object(e, NULL);
    vmsim__emit_string(e, "device", vmsim__block_name(m->block, device));
    vmsim__emit_uint(e, "reads", s.ios[VMSIM__BLOCK_READ], VMSIM__UNIT_COUNT);
    vmsim__emit_uint(e, "writes", s.ios[VMSIM__BLOCK_WRITE], VMSIM__UNIT_COUNT);
    vmsim__emit_uint(e, "merged", s.merges[VMSIM__BLOCK_READ] + s.merges[VMSIM__BLOCK_WRITE], VMSIM__UNIT_COUNT);
    vmsim__emit_uint(e, "read", s.bytes[VMSIM__BLOCK_READ], VMSIM__UNIT_BYTES);
    vmsim__emit_uint(e, "written", s.bytes[VMSIM__BLOCK_WRITE], VMSIM__UNIT_BYTES);
    await(e, "r_await", s.time[VMSIM__BLOCK_READ], s.ios[VMSIM__BLOCK_READ]);
    await(e, "w_await", s.time[VMSIM__BLOCK_WRITE], s.ios[VMSIM__BLOCK_WRITE]);
    vmsim__emit_ratio(e, "queue", s.weighted, uptime, 2, VMSIM__UNIT_NONE);
    vmsim__emit_ratio(e, "util", s.busy, uptime, 4, VMSIM__UNIT_PERCENT);
    vmsim__emit_uint(e, "errors", s.errors[VMSIM__BLOCK_READ] + s.errors[VMSIM__BLOCK_WRITE], VMSIM__UNIT_COUNT);
    vmsim__emit_uint(e, "in_flight", s.in_flight, VMSIM__UNIT_COUNT);
    vmsim__emit_object_end(e);
}

static bool was_used(const struct vmsim_machine *m, uint32_t device) {
    struct vmsim__block_stat s;
    vmsim__block_stat(m->block, device, 0, &s);
    return s.max_in_flight != 0;
}

void vmsim__section_devices(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    uint64_t uptime = vmsim__machine_uptime(s->machine);
    vmsim__emit_array(e, "storage_devices");
    for (uint32_t i = 0; i < vmsim__block_devices(s->machine->block); i++)
        device_row(s->machine, i, uptime, e);
    vmsim__emit_array_end(e);
}

void vmsim__section_devices_used(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    uint64_t uptime = vmsim__machine_uptime(s->machine);
    bool any = false;
    for (uint32_t i = 0; i < vmsim__block_devices(s->machine->block); i++) {
        if (!was_used(s->machine, i))
            continue;
        if (!any)
            vmsim__emit_array(e, "storage_devices");
        any = true;
        device_row(s->machine, i, uptime, e);
    }
    if (any)
        vmsim__emit_array_end(e);
}
