/* SPDX-License-Identifier: MIT */
/* Tables of the steps about nodes, and what they mean as calls (numa_steps.h). */
#include "scenario/numa_steps.h"

#include <stdlib.h>
#include <string.h>

static const char *const policy_names[] = {"default",        "preferred",           "bind", "interleave", "local",
                                           "preferred-many", "weighted-interleave", NULL};

static const char *const block_states[] = {"offline", "online", "online_kernel", "online_movable", NULL};

#define FLAG(key, field, text)                                                                                         \
    { .name = key, .type = VMSIM_PARAM_BOOL, .offset = AT(field), .fallback = "false", .doc = text }
#define RESULT                                                                                                         \
    {                                                                                                                  \
        .name = "error", .type = VMSIM_PARAM_STRING, .offset = AT(result.error), .flags = VMSIM_PARAM_OPTIONAL,        \
        .doc = "The errno that the call must return, by name (ENOMEM); absent: it must succeed."                       \
    }
#define RANGE                                                                                                          \
    {.name = "region",                                                                                                 \
     .type = VMSIM_PARAM_STRING,                                                                                       \
     .offset = AT(range.region),                                                                                       \
     .doc = "Name that an earlier mmap, mremap or brk gave (`as`)."},                                                  \
        {.name = "offset",                                                                                             \
         .type = VMSIM_PARAM_SIZE,                                                                                     \
         .offset = AT(range.offset),                                                                                   \
         .fallback = "0",                                                                                              \
         .doc = "First byte, from the start of the region."},                                                          \
    {                                                                                                                  \
        .name = "length", .type = VMSIM_PARAM_SIZE, .offset = AT(range.length), .fallback = "0",                       \
        .doc = "Bytes; 0: to the end of the region."                                                                   \
    }
#define POLICY(value)                                                                                                  \
    {.name = "policy",                                                                                                 \
     .type = VMSIM_PARAM_ENUM,                                                                                         \
     .offset = AT(mode),                                                                                               \
     .choices = policy_names,                                                                                          \
     .fallback = value,                                                                                                \
     .doc = "Memory policy, as set_mempolicy(2) names it, without MPOL_."},                                            \
        NODES("nodes", nodes, "Nodes of the policy: \"0-3,5\" or all; absent: none."),                                 \
        FLAG("static", absolute, "MPOL_F_STATIC_NODES: nodes by number, whatever the cpuset allows later."),           \
        FLAG("relative", relative, "MPOL_F_RELATIVE_NODES: the n-th of the nodes that the cpuset allows."),            \
        FLAG("balancing", balancing, "MPOL_F_NUMA_BALANCING: pages may follow the task within the nodes.")
#define NODES(key, field, text)                                                                                        \
    { .name = key, .type = VMSIM_PARAM_STRING, .offset = AT(field), .flags = VMSIM_PARAM_OPTIONAL, .doc = text }
#define STATE(text)                                                                                                    \
    { .name = "state", .type = VMSIM_PARAM_ENUM, .offset = AT(mode), .choices = block_states, .doc = text }
#define AT(f) offsetof(struct vmsim__step_numa, f)

const struct vmsim_param vmsim__mbind_params[] = {
    RESULT,
    RANGE,
    POLICY(NULL),
    FLAG("strict", strict, "MPOL_MF_STRICT: EIO where pages lie elsewhere, or cannot be moved."),
    FLAG("move", move, "MPOL_MF_MOVE: pages that nobody else maps are moved to where the policy wants them."),
    FLAG("move_all", move_all, "MPOL_MF_MOVE_ALL: those that others map, too."),
    {0},
};
const struct vmsim_param vmsim__set_mempolicy_params[] = {RESULT, POLICY(NULL), {0}};
const struct vmsim_param vmsim__task_numa_params[] = {POLICY("default"), {0}};
const struct vmsim_param vmsim__home_node_params[] = {
    RESULT,
    RANGE,
    {.name = "node", .type = VMSIM_PARAM_UINT, .offset = AT(node), .doc = "Node at which a search begins."},
    {0},
};
const struct vmsim_param vmsim__migrate_pages_params[] = {
    RESULT,
    {.name = "from", .type = VMSIM_PARAM_STRING, .offset = AT(nodes), .doc = "Nodes, \"0-3,5\" or all."},
    {.name = "to", .type = VMSIM_PARAM_STRING, .offset = AT(to), .doc = "Nodes; the n-th takes over from the n-th."},
    {0},
};
const struct vmsim_param vmsim__move_pages_params[] = {
    RESULT,
    RANGE,
    {.name = "nodes",
     .type = VMSIM_PARAM_STRING,
     .offset = AT(nodes),
     .doc = "Page n of the range goes to the n-th of these nodes, in a circle."},
    FLAG("move_all", move_all, "MPOL_MF_MOVE_ALL: those that others map, too."),
    {0},
};
const struct vmsim_param vmsim__memory_block_params[] = {
    RESULT,
    {.name = "block",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(node),
     .doc = "Number: its first physical address divided by the block's size (x86-64: 128 MiB)."},
    STATE("What is written to its file; offline moves away all that is in use there."),
    {0},
};
const struct vmsim_param vmsim__memory_node_params[] = {
    RESULT,
    {.name = "node", .type = VMSIM_PARAM_UINT, .offset = AT(node), .doc = "Its number."},
    STATE("What is written to the file of each block: online from the lowest on, offline from the highest; the first "
          "that "
          "refuses ends it."),
    {0},
};
#undef AT

/* Nodes beyond those that the machine has are taken as they are: the call is to refuse them, as it would for a
 * program. */
bool vmsim__node_list(const char *text, unsigned nr_nodes, uint64_t *mask) {
    VMSIM__ASSERT(mask && nr_nodes <= VMSIM__MAX_NODES);
    *mask = 0;
    if (text && !strcmp(text, "all")) {
        *mask = nr_nodes == 64 ? UINT64_MAX : (UINT64_C(1) << nr_nodes) - 1;
        return true;
    }
    for (const char *at = text; at && *at;) {
        char *end;
        if (*at < '0' || *at > '9')
            return false;
        const unsigned long first = strtoul(at, &end, 10);
        unsigned long last = first;
        if (*end == '-' && end[1] >= '0' && end[1] <= '9')
            last = strtoul(end + 1, &end, 10);
        if (last >= VMSIM__MAX_NODES || first > last || (*end && (*end != ',' || !end[1])))
            return false;
        for (unsigned long n = first; n <= last; n++)
            *mask |= UINT64_C(1) << n;
        at = *end ? end + 1 : end;
    }
    return true;
}

/* Mode and flags in one number, as set_mempolicy takes them. */
static uint64_t mode_of(const struct vmsim__step_numa *s) {
    return (uint64_t)s->mode | (s->absolute ? VMSIM__MPOL_F_STATIC_NODES : 0) |
           (s->relative ? VMSIM__MPOL_F_RELATIVE_NODES : 0) | (s->balancing ? VMSIM__MPOL_F_NUMA_BALANCING : 0);
}

/* Arguments as the table of calls has them; which call it is follows from the verb. */
enum vmsim__call_id vmsim__numa_call(enum vmsim__verb verb, const struct vmsim__step_numa *step, unsigned nr_nodes,
                                     uint64_t base, uint64_t length, struct vmsim__call_args *args) {
    uint64_t nodes, to;
    const bool lists = vmsim__node_list(step->nodes, nr_nodes, &nodes) && vmsim__node_list(step->to, nr_nodes, &to);
    const uint64_t flags = (step->strict ? VMSIM__MPOL_MF_STRICT : 0) | (step->move ? VMSIM__MPOL_MF_MOVE : 0) |
                           (step->move_all ? VMSIM__MPOL_MF_MOVE_ALL : 0);
    VMSIM__ASSERT(lists); /* validation has read them */
    (void)lists;
    switch (verb) {
    case VMSIM__VERB_MBIND:
        *args = *VMSIM__ARGS(base, length, mode_of(step), nodes, flags);
        return VMSIM__CALL_MBIND;
    case VMSIM__VERB_HOME_NODE:
        *args = *VMSIM__ARGS(base, length, step->node, 0);
        return VMSIM__CALL_SET_HOME_NODE;
    case VMSIM__VERB_MIGRATE_PAGES:
        *args = *VMSIM__ARGS(nodes, to);
        return VMSIM__CALL_MIGRATE_PAGES;
    case VMSIM__VERB_MOVE_PAGES:
        *args = *VMSIM__ARGS(base, length, nodes, flags);
        return VMSIM__CALL_MOVE_PAGES;
    case VMSIM__VERB_MEMORY_BLOCK:
        *args = *VMSIM__ARGS(step->node, (uint64_t)step->mode);
        return VMSIM__CALL_MEMORY_BLOCK;
    case VMSIM__VERB_MEMORY_NODE:
        *args = *VMSIM__ARGS(step->node, (uint64_t)step->mode);
        return VMSIM__CALL_MEMORY_NODE;
    default:
        *args = *VMSIM__ARGS(mode_of(step), nodes);
        return VMSIM__CALL_SET_MEMPOLICY;
    }
}
