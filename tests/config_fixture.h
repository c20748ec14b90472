/* SPDX-License-Identifier: MIT */
/* A description with every type of parameter, shaped like a machine with a workload, and small helpers: for the tests
 * of config/ and its fuzzer. */
#ifndef CONFIG_FIXTURE_H
#define CONFIG_FIXTURE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "config/config.h"

struct fx_tlb {
    uint64_t entries, ways, latency;
    int replacement;
    bool shared;
};
struct fx_node {
    uint64_t id, memory;
    struct vmsim_param_list cpus;
    struct fx_tlb tlb;
};
struct fx_cgroup {
    const char *name;
    uint64_t max, high;
};
struct fx_policy {
    const char *name, *plugin;
    const struct vmsim__node *params;
};
struct fx_thp {
    int enabled, defrag;
};
struct fx_machine {
    int arch;
    const char *kernel;
    uint64_t cpus;
    int64_t nice;
    struct vmsim_param_list nodes, distances, cgroups, env;
    struct {
        uint64_t swappiness, scale;
    } sysctl;
    struct fx_thp thp;
    uint64_t base, ratio, tick;
    struct fx_tlb l2;
};
struct fx_mmap {
    const char *name;
    uint64_t length;
    bool populate;
};
struct fx_repeat {
    uint64_t times;
    struct vmsim_param_list steps;
};
struct fx_sleep {
    uint64_t time;
};
struct fx_expect {
    const char *counter;
    uint64_t max, equals;
    bool has_max, has_equals;
};
struct fx_root {
    uint64_t version;
    struct fx_machine machine;
    struct {
        struct fx_policy reclaim, oom;
    } policies;
    struct vmsim_param_list program, expect, tags;
};

static const char *const fx_replacements[] = {"lru", "tree-plru", "fifo", "random", NULL};
static const char *const fx_arches[] = {"x86_64", "x86_32", "arm64_4k", NULL};
static const char *const fx_enabled[] = {"always", "madvise", "never", NULL};

#define FX(type_, struct_, member_) .type = VMSIM_PARAM_##type_, .offset = offsetof(struct struct_, member_)

static const struct vmsim_param fx_tlb_table[] = {
    {.name = "entries", FX(UINT, fx_tlb, entries), .fallback = "64", .min = 1, .max = 65536, .doc = "Entries."},
    {.name = "ways", FX(UINT, fx_tlb, ways), .fallback = "4", .min = 1, .flags = VMSIM_PARAM_POW2, .doc = "Ways."},
    {.name = "latency", FX(TIME, fx_tlb, latency), .fallback = "1ns", .max = 1000000, .doc = "Cost of a hit."},
    {.name = "replacement",
     FX(ENUM, fx_tlb, replacement),
     .fallback = "lru",
     .choices = fx_replacements,
     .doc = "Which entry goes."},
    {.name = "shared", FX(BOOL, fx_tlb, shared), .fallback = "false", .doc = "One for all page sizes."},
    {0},
};
static const struct vmsim_param fx_node_table[] = {
    {.name = "id", FX(UINT, fx_node, id), .max = 1023, .doc = "Number of the node."},
    {.name = "memory", FX(SIZE, fx_node, memory), .min = 4096, .doc = "Memory of the node."},
    {.name = "cpus", FX(LIST, fx_node, cpus), .element = VMSIM_PARAM_UINT, .max = 4095, .doc = "CPUs of the node."},
    {.name = "tlb",
     FX(STRUCT, fx_node, tlb),
     .fields = fx_tlb_table,
     .flags = VMSIM_PARAM_OPTIONAL,
     .doc = "A TLB of its own."},
    {0},
};
static const struct vmsim_param fx_cgroup_table[] = {
    {.name = "memory.max", FX(SIZE, fx_cgroup, max), .flags = VMSIM_PARAM_OPTIONAL, .doc = "Hard limit."},
    {.name = "memory.high", FX(SIZE, fx_cgroup, high), .flags = VMSIM_PARAM_OPTIONAL, .doc = "Throttling limit."},
    {0},
};
static const struct vmsim_param fx_sysctl_table[] = {
    {.name = "vm.swappiness",
     .type = VMSIM_PARAM_UINT,
     .offset = 0,
     .fallback = "60",
     .max = 200,
     .doc = "As in Linux."},
    {.name = "vm.watermark_scale_factor",
     .type = VMSIM_PARAM_UINT,
     .offset = 8,
     .fallback = "10",
     .min = 1,
     .max = 3000,
     .doc = "As in Linux, | parts of ten thousand."},
    {0},
};
static const struct vmsim_param fx_thp_table[] = {
    {.name = "enabled",
     FX(ENUM, fx_thp, enabled),
     .fallback = "madvise",
     .choices = fx_enabled,
     .flags = VMSIM_PARAM_SHORTHAND,
     .doc = "Where huge pages are used."},
    {.name = "defrag", FX(ENUM, fx_thp, defrag), .fallback = "madvise", .choices = fx_enabled, .doc = "When to wait."},
    {0},
};
static const struct vmsim_param fx_row[] = {
    {.type = VMSIM_PARAM_LIST, .element = VMSIM_PARAM_UINT, .min = 1, .max = 255}};
static const struct vmsim_param fx_machine_table[] = {
    {.name = "arch", FX(ENUM, fx_machine, arch), .fallback = "x86_64", .choices = fx_arches, .doc = "Architecture."},
    {.name = "kernel", FX(STRING, fx_machine, kernel), .fallback = "6.1", .doc = "Release."},
    {.name = "cpus", FX(UINT, fx_machine, cpus), .fallback = "1", .min = 1, .max = 4096, .doc = "Number of CPUs."},
    {.name = "nice", FX(INT, fx_machine, nice), .fallback = "0", .min = (uint64_t)-20, .max = 19, .doc = "Niceness."},
    {.name = "nodes",
     FX(STRUCT_LIST, fx_machine, nodes),
     .fields = fx_node_table,
     .element_size = sizeof(struct fx_node),
     .min = 1,
     .max = 64,
     .doc = "NUMA nodes."},
    {.name = "distances",
     FX(LIST, fx_machine, distances),
     .element = VMSIM_PARAM_LIST,
     .fields = fx_row,
     .doc = "Distance of each node to each."},
    {.name = "sysctl", FX(STRUCT, fx_machine, sysctl), .fields = fx_sysctl_table, .doc = "Knobs."},
    {.name = "transparent_hugepage", FX(STRUCT, fx_machine, thp), .fields = fx_thp_table, .doc = "Huge pages."},
    {.name = "cgroups",
     FX(STRUCT_MAP, fx_machine, cgroups),
     .fields = fx_cgroup_table,
     .element_size = sizeof(struct fx_cgroup),
     .key_offset = offsetof(struct fx_cgroup, name),
     .doc = "Groups."},
    {.name = "env", FX(MAP, fx_machine, env), .doc = "Free words."},
    {.name = "base", FX(ADDRESS, fx_machine, base), .fallback = "1MiB", .doc = "Where memory begins."},
    {.name = "ratio", FX(RATIO, fx_machine, ratio), .fallback = "50%", .max = 1000000, .doc = "Share of writes."},
    {.name = "tick", FX(TIME, fx_machine, tick), .fallback = "4ms", .doc = "Timer tick."},
    {.name = "l2", FX(STRUCT, fx_machine, l2), .fields = fx_tlb_table, .doc = "Second level."},
    {0},
};
static const struct vmsim_param fx_policy_table[] = {
    {.name = "name",
     FX(STRING, fx_policy, name),
     .flags = VMSIM_PARAM_OPTIONAL | VMSIM_PARAM_SHORTHAND,
     .doc = "Of a policy."},
    {.name = "plugin", FX(STRING, fx_policy, plugin), .flags = VMSIM_PARAM_OPTIONAL, .doc = "A .so file."},
    {.name = "params", FX(NODE, fx_policy, params), .doc = "Its own parameters."},
    {0},
};
static const struct vmsim_param fx_policies_table[] = {
    {.name = "reclaim", .type = VMSIM_PARAM_STRUCT, .offset = 0, .fields = fx_policy_table, .doc = "Reclaim."},
    {.name = "oom",
     .type = VMSIM_PARAM_STRUCT,
     .offset = sizeof(struct fx_policy),
     .fields = fx_policy_table,
     .flags = VMSIM_PARAM_OPTIONAL,
     .doc = "OOM victim."},
    {0},
};
static const struct vmsim_param fx_mmap_table[] = {
    {.name = "name", FX(STRING, fx_mmap, name), .fallback = "heap", .doc = "Name of the mapping."},
    {.name = "length", FX(SIZE, fx_mmap, length), .min = 1, .doc = "Bytes."},
    {.name = "populate", FX(BOOL, fx_mmap, populate), .fallback = "false", .doc = "Fault in at once."},
    {0},
};
static const struct vmsim_param fx_sleep_table[] = {
    {.name = "time", FX(TIME, fx_sleep, time), .flags = VMSIM_PARAM_SHORTHAND, .doc = "How long."},
    {0},
};
static const struct vmsim_variant fx_steps[5];
static const struct vmsim_param fx_repeat_table[] = {
    {.name = "times", FX(UINT, fx_repeat, times), .fallback = "2", .doc = "How often."},
    {.name = "steps",
     FX(VARIANT_LIST, fx_repeat, steps),
     .variants = fx_steps,
     .min = 1,
     .flags = VMSIM_PARAM_SHORTHAND,
     .doc = "What."},
    {0},
};
static const struct vmsim_variant fx_steps[5] = {
    {"mmap", fx_mmap_table, sizeof(struct fx_mmap), "Maps memory."},
    {"sleep", fx_sleep_table, sizeof(struct fx_sleep), "Waits."},
    {"repeat", fx_repeat_table, sizeof(struct fx_repeat), "Steps again and again."},
    {"exit", NULL, 0, "Ends the task."},
    {NULL, NULL, 0, NULL},
};
static const struct vmsim_param fx_expect_table[] = {
    {.name = "counter", FX(STRING, fx_expect, counter), .doc = "Which counter."},
    {.name = "max",
     FX(UINT, fx_expect, max),
     .flags = VMSIM_PARAM_OPTIONAL,
     .present = offsetof(struct fx_expect, has_max),
     .doc = "At most."},
    {.name = "equals",
     FX(UINT, fx_expect, equals),
     .flags = VMSIM_PARAM_OPTIONAL,
     .present = offsetof(struct fx_expect, has_equals),
     .doc = "Exactly."},
    {0},
};
static const struct vmsim_param fx_root_table[] = {
    {.name = "vmsim", FX(UINT, fx_root, version), .min = 1, .max = 1, .doc = "Version of the description."},
    {.name = "machine", FX(STRUCT, fx_root, machine), .fields = fx_machine_table, .doc = "The machine."},
    {.name = "policies", FX(STRUCT, fx_root, policies), .fields = fx_policies_table, .doc = "Its choices."},
    {.name = "program", FX(VARIANT_LIST, fx_root, program), .variants = fx_steps, .doc = "Steps."},
    {.name = "expect",
     FX(STRUCT_LIST, fx_root, expect),
     .fields = fx_expect_table,
     .element_size = sizeof(struct fx_expect),
     .doc = "What must hold."},
    {.name = "tags",
     FX(LIST, fx_root, tags),
     .element = VMSIM_PARAM_STRING,
     .fallback = "[default, \"two words\"]",
     .doc = "Words."},
    {0},
};

/* The smallest complete text. */
#define FX_MINIMAL "vmsim: 1\nmachine:\n  nodes: [{id: 0, memory: 1GiB}]\n"

static inline struct vmsim_config *fx_create(struct vmsim__alloc *alloc) {
    struct vmsim_config *c = NULL;
    return vmsim__config_create(alloc, fx_root_table, sizeof(struct fx_root), &c) ? NULL : c;
}

static inline int fx_load(struct vmsim_config *c, const char *text) {
    int err = vmsim_config_load_text(c, "box.yaml", text, strlen(text));
    return err ? err : vmsim_config_resolve(c);
}

#endif
