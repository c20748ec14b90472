/* SPDX-License-Identifier: MIT */
/* Small machines for the tests of zones/. */
#ifndef ZONES_MACHINE_H
#define ZONES_MACHINE_H
#include "helpers.h"

#include "zones/zones.h"

#define KIB UINT64_C(1024)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

TEST_UNUSED static struct vmsim__mem *zm_create(struct vmsim__alloc *alloc, const struct vmsim__mem_spec *spec) {
    struct vmsim__mem *mem;
    struct vmsim__err err = {0};
    if (vmsim__mem_create(alloc, spec, &mem, &err))
        fail_msg("%s", err.text);
    return mem;
}

/* One zone of `size` bytes from 1 GiB on, nothing reserved: every frame is the allocator's. */
TEST_UNUSED static struct vmsim__mem *zm_plain(struct vmsim__alloc *alloc, const char *kernel, uint64_t size,
                                               unsigned cpus) {
    struct vmsim__reserve_spec none = {.zone = VMSIM__ZONE_DMA};
    struct vmsim__node_spec node = {.memory = size, .reserved = {&none, 1}};
    struct vmsim__mem_spec spec = {.arch = VMSIM__ARCH_ARM64, .kernel = kernel, .cpus = cpus, .nodes = {&node, 1}};
    return zm_create(alloc, &spec);
}

/* A PC with nodes of these sizes, one CPU each. */
TEST_UNUSED static struct vmsim__mem *zm_pc(struct vmsim__alloc *alloc, const char *kernel, unsigned nodes,
                                            const uint64_t *sizes) {
    struct vmsim__node_spec node[8] = {0};
    for (unsigned n = 0; n < nodes; n++)
        node[n].memory = sizes[n];
    struct vmsim__mem_spec spec = {.kernel = kernel, .cpus = nodes, .nodes = {node, nodes}};
    return zm_create(alloc, &spec);
}

TEST_UNUSED static void zm_check(const struct vmsim__mem *mem) {
    struct vmsim__err err = {0};
    if (vmsim__mem_check(mem, &err))
        fail_msg("%s", err.text);
}

TEST_UNUSED static void zm_destroy(struct vmsim__mem *mem) {
    zm_check(mem);
    vmsim__mem_destroy(mem);
}

TEST_UNUSED static vmsim__pfn zm_alloc(struct vmsim__mem *mem, uint32_t gfp, unsigned order, unsigned cpu) {
    struct vmsim__alloc_request rq = {
        .gfp = gfp, .order = (uint8_t)order, .cpu = (uint16_t)cpu, .node = mem->cpu_node[cpu]};
    return vmsim__mem_alloc(mem, &rq);
}

/* The same with other rights. */
TEST_UNUSED static vmsim__pfn zm_get(struct vmsim__mem *mem, uint32_t gfp, unsigned order, uint32_t alloc_flags) {
    struct vmsim__alloc_request rq = {.gfp = gfp, .order = (uint8_t)order};
    return vmsim__mem_get_frames(mem, &rq, alloc_flags);
}

TEST_UNUSED static struct vmsim__zone *zm_zone(struct vmsim__mem *mem, unsigned node, enum vmsim__zone_type type) {
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        if (mem->zones[i].node == node && mem->zones[i].type == type && vmsim__zone_populated(&mem->zones[i]))
            return &mem->zones[i];
    }
    return NULL;
}

TEST_UNUSED static void zm_sysctl(struct vmsim__mem *mem, const char *name, const char *value) {
    struct vmsim__err err = {0};
    if (vmsim__mem_sysctl_set(mem, name, value, &err))
        fail_msg("%s", err.text);
}

#endif
