/* SPDX-License-Identifier: MIT */
/* The parameter tables of storage devices, and what no single bound of them can tell. */
#include "block/block_spec.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

#define FAULT(field) offsetof(struct vmsim__block_fault, field)
#define OWN offsetof(struct vmsim__block_spec, own)
#define FIGURE(field)                                                                                                  \
    .flags = VMSIM_PARAM_OPTIONAL, .offset = OWN + offsetof(struct vmsim__block_params, field),                        \
    .present = offsetof(struct vmsim__block_spec, given) +                                                             \
               offsetof(struct vmsim__block_params, field) / sizeof(uint64_t) * sizeof(bool)

/* Ten minutes: no device that works takes longer, and a unit that was meant to be us or ms is told. */
#define LATENCY_MAX UINT64_C(600000000000)
#define BANDWIDTH_MAX (UINT64_C(1) << 50)

static const char *const fault_op_names[] = {"any", "read", "write", NULL};
static const char *const fault_kind_names[] = {"error", "stall", "never", NULL};
/* What a block device can answer (blk_errors of block/blk-core.c), as far as a task gets to see it. */
static const char *const error_names[] = {"EIO", "ENOSPC", "ENODATA", "ETIMEDOUT", NULL};
const int vmsim__block_errors[] = {5, 28, 61, 110};
_Static_assert(VMSIM__COUNT(error_names) == VMSIM__COUNT(vmsim__block_errors) + 1, "a number for each name");

const struct vmsim_param vmsim__block_fault_params[] = {
    {.name = "kind",
     .type = VMSIM_PARAM_ENUM,
     .offset = FAULT(kind),
     .fallback = "error",
     .choices = fault_kind_names,
     .doc = "error: the request fails after its time. stall: it takes `delay` longer. never: it is never done."},
    {.name = "op",
     .type = VMSIM_PARAM_ENUM,
     .offset = FAULT(op),
     .fallback = "any",
     .choices = fault_op_names,
     .doc = "Which requests."},
    {.name = "at",
     .type = VMSIM_PARAM_TIME,
     .offset = FAULT(at),
     .fallback = "0",
     .max = UINT64_C(1) << 61,
     .doc = "Not before this time of the machine's clock."},
    {.name = "after",
     .type = VMSIM_PARAM_UINT,
     .offset = FAULT(after),
     .fallback = "0",
     .doc = "Not before this many requests of the device have begun service."},
    {.name = "from",
     .type = VMSIM_PARAM_SIZE,
     .offset = FAULT(from),
     .fallback = "0",
     .doc = "Only requests that touch bytes [from, to) of the device."},
    {.name = "to",
     .type = VMSIM_PARAM_SIZE,
     .offset = FAULT(to),
     .fallback = "0",
     .doc = "End of that range; 0 is the end of the device."},
    {.name = "count",
     .type = VMSIM_PARAM_UINT,
     .offset = FAULT(count),
     .fallback = "1",
     .doc = "How many requests; 0: all from then on."},
    {.name = "delay",
     .type = VMSIM_PARAM_TIME,
     .offset = FAULT(delay),
     .fallback = "0",
     .max = UINT64_C(1) << 61,
     .doc = "Of a stall: time added."},
    {.name = "error",
     .type = VMSIM_PARAM_ENUM,
     .offset = FAULT(error),
     .fallback = "EIO",
     .choices = error_names,
     .doc = "Of an error: what the device answers."},
    {0},
};

const struct vmsim_param vmsim__block_spec_params[] = {
    {.name = "name",
     .type = VMSIM_PARAM_STRING,
     .offset = offsetof(struct vmsim__block_spec, name),
     .doc = "Its name below /dev, in /proc/diskstats and for files and swap areas that say `device:`; unique."},
    {.name = "preset",
     .type = VMSIM_PARAM_ENUM,
     .offset = offsetof(struct vmsim__block_spec, preset),
     .fallback = "nvme",
     .choices = vmsim__block_preset_names,
     .doc = "Where the figures come from that are not given here."},
    {.name = "size", .type = VMSIM_PARAM_SIZE, FIGURE(size), .min = 1 << 20, .max = UINT64_C(1) << 60, .doc = "Bytes."},
    {.name = "queue_depth",
     .type = VMSIM_PARAM_UINT,
     FIGURE(queue_depth),
     .min = 1,
     .max = 65535,
     .doc = "Requests that the device works on at a time; further ones wait in the machine."},
    {.name = "read_latency",
     .type = VMSIM_PARAM_TIME,
     FIGURE(latency[VMSIM__BLOCK_READ]),
     .max = LATENCY_MAX,
     .doc = "From the controller taking a read to its first byte; of the requests in service side by side."},
    {.name = "write_latency",
     .type = VMSIM_PARAM_TIME,
     FIGURE(latency[VMSIM__BLOCK_WRITE]),
     .max = LATENCY_MAX,
     .doc = "The same of a write: until it may be acknowledged, its transfer apart."},
    {.name = "read_overhead",
     .type = VMSIM_PARAM_TIME,
     FIGURE(overhead[VMSIM__BLOCK_READ]),
     .max = LATENCY_MAX,
     .doc = "What a read takes of the controller, one request after another: bounds reads a second."},
    {.name = "write_overhead",
     .type = VMSIM_PARAM_TIME,
     FIGURE(overhead[VMSIM__BLOCK_WRITE]),
     .max = LATENCY_MAX,
     .doc = "The same of a write: bounds writes a second."},
    {.name = "read_bandwidth",
     .type = VMSIM_PARAM_SIZE,
     FIGURE(bandwidth[VMSIM__BLOCK_READ]),
     .min = 1,
     .max = BANDWIDTH_MAX,
     .doc = "Bytes a second when reading. Reads and writes share the link."},
    {.name = "write_bandwidth",
     .type = VMSIM_PARAM_SIZE,
     FIGURE(bandwidth[VMSIM__BLOCK_WRITE]),
     .min = 1,
     .max = BANDWIDTH_MAX,
     .doc = "Bytes a second when writing."},
    {.name = "rpm",
     .type = VMSIM_PARAM_UINT,
     FIGURE(rpm),
     .max = 100000,
     .doc = "Turns a minute of a disk; 0: nothing moves, and positions cost nothing."},
    {.name = "rotational",
     .type = VMSIM_PARAM_UINT,
     FIGURE(rotational),
     .max = 1,
     .doc =
         "/sys/block/DEV/queue/rotational: what the kernel takes it for, 1: a disk. Swap goes there slot after slot, "
         "and is read in by what lies side by side. Absent: the preset's, or with `rpm` whether it turns; a virtio "
         "disk says 1, whatever is behind it."},
    {.name = "seek_min",
     .type = VMSIM_PARAM_TIME,
     FIGURE(seek_min),
     .max = LATENCY_MAX,
     .doc = "Moving the arm by one track; half a turn comes on top."},
    {.name = "seek_max",
     .type = VMSIM_PARAM_TIME,
     FIGURE(seek_max),
     .max = LATENCY_MAX,
     .doc = "Moving it across the whole disk; between, the time grows with the root of the distance."},
    {.name = "max_request",
     .type = VMSIM_PARAM_SIZE,
     FIGURE(max_request),
     .min = 4096,
     .doc = "Largest request (/sys/block/DEV/queue/max_sectors_kb): longer transfers are cut, merging stops there."},
    {.name = "nomerges",
     .type = VMSIM_PARAM_UINT,
     FIGURE(nomerges),
     .max = 2,
     .doc = "/sys/block/DEV/queue/nomerges: 0 joins adjacent requests that wait, 1 only with the newest, 2 never."},
    {.name = "async_starved",
     .type = VMSIM_PARAM_UINT,
     FIGURE(async_starved),
     .max = 1000000,
     .doc = "How many requests that somebody waits for may pass one that nobody does (writes_starved of mq-deadline: "
            "2); 0: all in the order in which they came (scheduler none)."},
    {.name = "cpu_time",
     .type = VMSIM_PARAM_TIME,
     FIGURE(cpu_time),
     .max = LATENCY_MAX,
     .doc = "What a transfer takes of the CPU that asks for it: block layer, driver, the interrupt at its end. System "
            "time of the task, whether it waits or not. Presets have none: measure yours (perf, fio's sys)."},
    {.name = "reach",
     .type = VMSIM_PARAM_SIZE,
     FIGURE(reach),
     .doc =
         "Physical memory that its DMA reaches, from address 0 on (4GiB: 32 bits). What lies above goes through bounce "
         "buffers: pages of low memory on 32-bit machines, a pool of 64 MiB below 4 GiB on others. 0: all."},
    {.name = "faults",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = offsetof(struct vmsim__block_spec, faults),
     .fields = vmsim__block_fault_params,
     .element_size = sizeof(struct vmsim__block_fault),
     .doc = "What goes wrong, and when."},
    {0},
};

const char *vmsim__block_judge_fault(const struct vmsim__block_fault *f, const char **field) {
    if (f->kind == VMSIM__BLOCK_STALL && !f->delay) {
        *field = "delay";
        return "a stall without a delay: say how long, `delay: 500ms`";
    }
    if (f->kind != VMSIM__BLOCK_STALL && f->delay) {
        *field = "delay";
        return "only a stall has a delay: say `kind: stall`";
    }
    if (f->to && f->to <= f->from) {
        *field = "to";
        return "the range ends where it begins or before: `to` must be above `from`";
    }
    return NULL;
}

static const char *judge_faults(const struct vmsim__block_spec *spec, char *key, unsigned long key_size) {
    const struct vmsim__block_fault *f = spec->faults.data;
    for (size_t i = 0; i < spec->faults.count; i++) {
        const char *field = "", *text = vmsim__block_judge_fault(&f[i], &field);
        if (!text)
            continue;
        snprintf(key, key_size, "faults[%zu].%s", i, field);
        return text;
    }
    return NULL;
}

const char *vmsim__block_judge(const struct vmsim__block_spec *spec, char *key, unsigned long key_size) {
    struct vmsim__block_params p;
    vmsim__block_settle(spec, &p);
    if (p.seek_min > p.seek_max) {
        snprintf(key, key_size, "seek_max");
        return "a seek across the disk takes less than one to the next track: seek_max must not be below seek_min";
    }
    if (p.seek_max && !p.rpm) {
        snprintf(key, key_size, "rpm");
        return "seek times, but nothing turns: give `rpm` (7200, say), or seek_min and seek_max of 0";
    }
    return judge_faults(spec, key, key_size);
}
