/* SPDX-License-Identifier: MIT */
/* The parameter tables of a machine's memory, and the kernel command line's options of it. */
#include "zones/mem_spec.h"
#include "zones/zones.h"
#include "base/units.h"
#include "tlb/shootdown.h"

#include <string.h>

const char *const vmsim__arch_names[] = {"x86_64", "x86_32", "x86_pae", "arm64", "riscv", "arm", "arm_lpae", NULL};
const char *const vmsim__thp_mode_names[] = {"always", "madvise", "never", NULL};
static const char *const charge_names[] = {"remote", "all", NULL};
static const char *const zone_names[] = {"DMA", "DMA32", "Normal", "HighMem", "Movable", NULL};

_Static_assert(VMSIM__CPUS_MAX == VMSIM__TLB_CPUS, "every CPU has its bit in a mask");

#define RANGE(field) offsetof(struct vmsim__range_spec, field)
#define RESERVE(field) offsetof(struct vmsim__reserve_spec, field)
#define HUGETLB(field) offsetof(struct vmsim__hugetlb_spec, field)
#define NODE(field) offsetof(struct vmsim__node_spec, field)
#define LATENCY(field) offsetof(struct vmsim__latency_spec, field)
#define SPEC(field) offsetof(struct vmsim__mem_spec, field)

const struct vmsim_param vmsim__range_params[] = {
    {.name = "start",
     .type = VMSIM_PARAM_ADDRESS,
     .offset = RANGE(start),
     .doc = "First physical address of the range."},
    {.name = "size", .type = VMSIM_PARAM_SIZE, .offset = RANGE(size), .doc = "Bytes of the range."},
    {.name = "hotplug",
     .type = VMSIM_PARAM_BOOL,
     .offset = RANGE(hotplug),
     .fallback = "false",
     .doc = "Range of a node: it may be unplugged, so `movable_node` makes it Movable."},
    {.name = "reserved",
     .type = VMSIM_PARAM_BOOL,
     .offset = RANGE(reserved),
     .fallback = "false",
     .doc = "Range of the firmware map: not RAM; taken away from the usable ranges that it overlaps."},
    {0}};

const struct vmsim_param vmsim__reserve_params[] = {
    {.name = "zone",
     .type = VMSIM_PARAM_ENUM,
     .offset = RESERVE(zone),
     .choices = zone_names,
     .doc = "The zone, as /proc/zoneinfo calls it."},
    {.name = "size",
     .type = VMSIM_PARAM_SIZE,
     .offset = RESERVE(size),
     .doc = "Bytes that never reach the allocator: present minus managed in /proc/zoneinfo."},
    {.name = "boot_use",
     .type = VMSIM_PARAM_SIZE,
     .offset = RESERVE(boot_use),
     .fallback = "0",
     .doc = "Further bytes freed only after the boot-time watermarks were computed (init sections, initrd)."},
    {.name = "cma",
     .type = VMSIM_PARAM_SIZE,
     .offset = RESERVE(cma),
     .fallback = "0",
     .doc = "Bytes of managed memory kept for large contiguous requests (CMA); movable ones may use them meanwhile."},
    {.name = "boost",
     .type = VMSIM_PARAM_SIZE,
     .offset = RESERVE(boost),
     .fallback = "0",
     .doc = "Bytes by which the zone's watermarks stand boosted when boot is over, until kswapd or a write takes it "
            "back."},
    {0}};

const struct vmsim_param vmsim__hugetlb_params[] = {
    {.name = "size",
     .type = VMSIM_PARAM_SIZE,
     .offset = HUGETLB(size),
     .fallback = "0",
     .doc = "Size of a page, one of the architecture's; 0: the default size."},
    {.name = "pages", .type = VMSIM_PARAM_UINT, .offset = HUGETLB(pages), .doc = "Pages taken at boot."},
    {.name = "node",
     .type = VMSIM_PARAM_UINT,
     .offset = HUGETLB(node),
     .max = VMSIM__MAX_NODES - 1,
     .flags = VMSIM_PARAM_OPTIONAL,
     .present = HUGETLB(on_node),
     .doc = "The node that gives them all; absent: the nodes with memory in turn."},
    {0}};

const struct vmsim_param vmsim__node_params[] = {
    {.name = "cpus",
     .type = VMSIM_PARAM_LIST,
     .offset = NODE(cpus),
     .element = VMSIM_PARAM_UINT,
     .max = VMSIM__CPUS_MAX - 1,
     .doc = "CPUs of the node; none: a memory-only node."},
    {.name = "memory",
     .type = VMSIM_PARAM_SIZE,
     .offset = NODE(memory),
     .fallback = "0",
     .doc = "Size of the node's memory; the map is made up, as QEMU's pc machine does it. 0 without `ranges`: none."},
    {.name = "hotplug_memory",
     .type = VMSIM_PARAM_SIZE,
     .offset = NODE(hotplug_memory),
     .fallback = "0",
     .doc = "Most memory that may be plugged into the node while it runs; its addresses lie above all memory of boot."},
    {.name = "ranges",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = NODE(ranges),
     .fields = vmsim__range_params,
     .element_size = sizeof(struct vmsim__range_spec),
     .doc = "Physical address ranges of the node (what the firmware's SRAT says), in place of `memory`."},
    {.name = "distances",
     .type = VMSIM_PARAM_LIST,
     .offset = NODE(distances),
     .element = VMSIM_PARAM_UINT,
     .min = 10,
     .max = 254,
     .doc = "Distance to each node, itself (10) included: one row of the SLIT. Default 10 and 20."},
    {.name = "latencies",
     .type = VMSIM_PARAM_LIST,
     .offset = NODE(latencies),
     .element = VMSIM_PARAM_TIME,
     .min = 1,
     .max = VMSIM__LATENCY_MAX,
     .doc = "Latency from the node's CPUs to the memory of each node. Default: memory_latency.local * distance / 10, "
            "which is "
            "what the SLIT means by a distance (ACPI 6.5, 5.2.17); firmware often exaggerates it."},
    {.name = "bandwidth",
     .type = VMSIM_PARAM_SIZE,
     .offset = NODE(bandwidth),
     .fallback = "0",
     .doc =
         "Bytes a second that all users of the node's memory together get: page-table entries and data that misses of "
         "TLBs read, a line of 64 bytes each, and pages that the kernel clears or copies. Who comes while others are "
         "served waits. 0: without limit."},
    {.name = "tier",
     .type = VMSIM_PARAM_UINT,
     .offset = NODE(tier),
     .fallback = "4",
     .min = 1,
     .max = 255,
     .doc = "Memory tier, as /sys/devices/virtual/memory_tiering numbers it: abstract distance / 128. DRAM 4; CXL and "
            "persistent memory that the kmem driver brings 22; higher is slower."},
    {.name = "reserved",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = NODE(reserved),
     .fields = vmsim__reserve_params,
     .element_size = sizeof(struct vmsim__reserve_spec),
     .doc = "Memory that the kernel keeps for itself, by zone. Default: a model of image, page metadata and hashes."},
    {0}};

const struct vmsim_param vmsim__latency_params[] = {
    {.name = "local",
     .type = VMSIM_PARAM_TIME,
     .offset = LATENCY(local),
     .fallback = "90ns",
     .min = 1,
     .max = VMSIM__LATENCY_MAX,
     .doc = "From a CPU to the memory of its own node, caches missed: 80 to 130 ns on servers."},
    {.name = "charge",
     .type = VMSIM_PARAM_ENUM,
     .offset = LATENCY(charge),
     .fallback = "remote",
     .choices = charge_names,
     .doc = "What a reference that misses the TLB pays for each read of a page-table entry and for its data. remote: "
            "what the node's latency is above that of the CPU's own; all: the whole latency. References that hit the "
            "TLB pay neither: data caches are not simulated."},
    {.name = "walk_share",
     .type = VMSIM_PARAM_UINT,
     .offset = LATENCY(walk_share),
     .fallback = "100",
     .max = 100,
     .doc = "Percent of a walk's reads that reach memory, caches not holding the entry."},
    {.name = "data_share",
     .type = VMSIM_PARAM_UINT,
     .offset = LATENCY(data_share),
     .fallback = "100",
     .max = 100,
     .doc = "Percent of the data references out of the TLB's reach that wait for memory: neither cached nor hidden "
            "behind other work."},
    {0}};

const struct vmsim_param vmsim__mem_spec_params[] = {
    {.name = "arch",
     .type = VMSIM_PARAM_ENUM,
     .offset = SPEC(arch),
     .fallback = "x86_64",
     .choices = vmsim__arch_names,
     .doc = "Architecture: decides the zones."},
    {.name = "kernel",
     .type = VMSIM_PARAM_STRING,
     .offset = SPEC(kernel),
     .fallback = "6.1",
     .doc = "The Linux whose memory manager is simulated."},
    {.name = "page_size",
     .type = VMSIM_PARAM_SIZE,
     .offset = SPEC(page_size),
     .fallback = "4KiB",
     .min = 4096,
     .max = 65536,
     .doc = "Base page: 4 KiB, on arm64 also 16 KiB and 64 KiB."},
    {.name = "cpus",
     .type = VMSIM_PARAM_UINT,
     .offset = SPEC(cpus),
     .fallback = "0",
     .max = VMSIM__CPUS_MAX,
     .doc = "Number of CPUs; those that no node names go round the nodes. 0: as many as the nodes name, at least 1."},
    {.name = "memory_map",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = SPEC(memory_map),
     .fields = vmsim__range_params,
     .element_size = sizeof(struct vmsim__range_spec),
     .doc = "The firmware's memory map (e820); default: made from the sizes of the nodes."},
    {.name = "nodes",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = SPEC(nodes),
     .fields = vmsim__node_params,
     .element_size = sizeof(struct vmsim__node_spec),
     .doc = "NUMA nodes, numbered from 0 in order."},
    {.name = "memory_latency",
     .type = VMSIM_PARAM_STRUCT,
     .offset = SPEC(latency),
     .fields = vmsim__latency_params,
     .doc = "How far memory is, in time."},
    {.name = "kernelcore",
     .type = VMSIM_PARAM_STRING,
     .offset = SPEC(kernelcore),
     .flags = VMSIM_PARAM_OPTIONAL,
     .doc = "The boot option: memory kept out of the Movable zone, a size or a percentage."},
    {.name = "movablecore",
     .type = VMSIM_PARAM_STRING,
     .offset = SPEC(movablecore),
     .flags = VMSIM_PARAM_OPTIONAL,
     .doc = "The boot option: memory put into the Movable zone, a size or a percentage."},
    {.name = "movable_node",
     .type = VMSIM_PARAM_BOOL,
     .offset = SPEC(movable_node),
     .fallback = "false",
     .doc = "The boot option: ranges marked hotplug become Movable."},
    {.name = "vmalloc",
     .type = VMSIM_PARAM_SIZE,
     .offset = SPEC(vmalloc),
     .fallback = "0",
     .doc =
         "The boot option of 32-bit kernels: the more address space for vmalloc, the less low memory. 0: not given."},
    {.name = "highmem",
     .type = VMSIM_PARAM_SIZE,
     .offset = SPEC(highmem),
     .flags = VMSIM_PARAM_OPTIONAL,
     .present = SPEC(highmem_given),
     .doc = "The boot option of 32-bit x86: size of the HighMem zone, as far as the kernel agrees."},
    {.name = "transparent_hugepage",
     .type = VMSIM_PARAM_ENUM,
     .offset = SPEC(transparent_hugepage),
     .fallback = "always",
     .choices = vmsim__thp_mode_names,
     .doc = "The boot option; Debian's default is always. The kernel turns it off below 512 MiB."},
    {.name = "hugepages",
     .type = VMSIM_PARAM_UINT,
     .offset = SPEC(hugepages),
     .fallback = "0",
     .doc = "hugetlb pages of the default size allocated at boot."},
    {.name = "initrd",
     .type = VMSIM_PARAM_SIZE,
     .offset = SPEC(initrd),
     .fallback = "0",
     .doc = "Size of the initial RAM disk: memory at the top below 4 GiB that is free only after boot."},
    {.name = "gigantic_pages",
     .type = VMSIM_PARAM_UINT,
     .offset = SPEC(gigantic_pages),
     .fallback = "0",
     .doc = "hugetlb pages of 1 GiB taken at boot."},
    {.name = "hugetlb",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = SPEC(hugetlb),
     .fields = vmsim__hugetlb_params,
     .element_size = sizeof(struct vmsim__hugetlb_spec),
     .doc = "Further hugetlb pages taken at boot: of other sizes, on given nodes."},
    {.name = "default_hugepagesz",
     .type = VMSIM_PARAM_SIZE,
     .offset = SPEC(default_hugepagesz),
     .fallback = "0",
     .doc = "The boot option: default size of hugetlb pages; 0: what one entry of the second level maps."},
    {.name = "sysctl",
     .type = VMSIM_PARAM_MAP,
     .offset = SPEC(sysctl),
     .doc = "vm.* values written after boot, in the order given."},
    {0}};

/* What the options of a command line have said so far. */
struct options {
    struct vmsim__mem_spec *spec;
    struct vmsim__hugetlb_spec *pools;
    uint64_t size; /* of the last `hugepagesz=`; 0: the default */
};

/* `hugepages=N`, or `hugepages=NODE:N,NODE:N`: pages of the last `hugepagesz=`. */
static int parse_hugepages(struct options *o, char *value, struct vmsim__err *err) {
    const char *why;
    char *save = NULL;
    for (char *part = strtok_r(value, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
        struct vmsim__hugetlb_spec *pool = &o->pools[o->spec->hugetlb.count];
        char *colon = strchr(part, ':');
        if (o->spec->hugetlb.count == VMSIM__HUGETLB_OPTIONS)
            return vmsim__err_set(err, VMSIM_ELIMIT, "hugepages=: more than %d pools", VMSIM__HUGETLB_OPTIONS);
        *pool = (struct vmsim__hugetlb_spec){.size = o->size, .on_node = colon};
        if (colon) {
            *colon = '\0';
            if (!vmsim__parse_uint(part, &pool->node, &why))
                return vmsim__err_set(err, VMSIM_EINVAL, "hugepages=: node \"%s\": %s", part, why);
        }
        if (!vmsim__parse_uint(colon ? colon + 1 : part, &pool->pages, &why))
            return vmsim__err_set(err, VMSIM_EINVAL, "hugepages=%s: %s", colon ? colon + 1 : part, why);
        o->spec->hugetlb = (struct vmsim_param_list){o->pools, o->spec->hugetlb.count + 1};
    }
    return 0;
}

static int parse_option(struct options *o, char *option, struct vmsim__err *err) {
    struct vmsim__mem_spec *spec = o->spec;
    const char *why;
    if (!strncmp(option, "kernelcore=", 11)) {
        spec->kernelcore = option + 11;
    } else if (!strncmp(option, "movablecore=", 12)) {
        spec->movablecore = option + 12;
    } else if (!strcmp(option, "movable_node")) {
        spec->movable_node = true;
    } else if (!strncmp(option, "vmalloc=", 8)) {
        if (!vmsim__parse_size(option + 8, &spec->vmalloc, &why))
            return vmsim__err_set(err, VMSIM_EINVAL, "%s: %s", option, why);
    } else if (!strncmp(option, "highmem=", 8)) {
        spec->highmem_given = true;
        if (!vmsim__parse_size(option + 8, &spec->highmem, &why))
            return vmsim__err_set(err, VMSIM_EINVAL, "%s: %s", option, why);
    } else if (!strncmp(option, "transparent_hugepage=", 21)) {
        for (int i = 0; vmsim__thp_mode_names[i]; i++) {
            if (!strcmp(option + 21, vmsim__thp_mode_names[i]))
                spec->transparent_hugepage = i;
        }
    } else if (!strncmp(option, "default_hugepagesz=", 19)) {
        if (!vmsim__parse_size(option + 19, &spec->default_hugepagesz, &why))
            return vmsim__err_set(err, VMSIM_EINVAL, "%s: %s", option, why);
        o->size = spec->default_hugepagesz;
    } else if (!strncmp(option, "hugepagesz=", 11)) {
        if (!vmsim__parse_size(option + 11, &o->size, &why))
            return vmsim__err_set(err, VMSIM_EINVAL, "%s: %s", option, why);
    } else if (!strncmp(option, "hugepages=", 10)) {
        return parse_hugepages(o, option + 10, err);
    }
    return 0;
}

int vmsim__mem_spec_cmdline(struct vmsim__mem_spec *spec, char *cmdline, struct vmsim__hugetlb_spec *pools,
                            struct vmsim__err *err) {
    struct options o = {.spec = spec, .pools = pools};
    char *save = NULL;
    spec->hugetlb = (struct vmsim_param_list){0};
    for (char *option = strtok_r(cmdline, " \t\n", &save); option; option = strtok_r(NULL, " \t\n", &save)) {
        int rc = parse_option(&o, option, err);
        if (rc)
            return rc;
    }
    return 0;
}
