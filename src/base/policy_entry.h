/* SPDX-License-Identifier: MIT */
/* What a registry is made of, for the files in base/ that belong to it. An entry never moves, so that instances and the
 * counters that policies hold pointers to can stay where they are while plugins are loaded. */
#ifndef VMSIM__POLICY_ENTRY_H
#define VMSIM__POLICY_ENTRY_H
#include "base/policy_registry.h"
#include "base/util.h"
#include "base/vec.h"

#define POLICY_NOTE_SIZE 160u

/* One counter that a policy exports: the sum of all its instances, for they all add to the same number. */
struct policy_counter {
    struct policy_counter *next;
    uint64_t value;
    char name[48];
};

struct vmsim__policy_entry {
    const struct vmsim_policy *policy; /* as given, or a copy as long as the host's struct */
    const struct vmsim__policy_domain *domain;
    const char *origin; /* static, or the plugin's path */
    bool copied;
    uint64_t instances, fallbacks, notes_dropped;
    const char *first;               /* what the first fallback was; NULL: none, or no memory for it */
    struct policy_counter *counters; /* in the order of their making */
    struct {
        VMSIM__VEC(const char *);
    } notes;
};

struct policy_plugin {
    void *handle;
    char *path;
};

struct vmsim__policy_registry {
    struct vmsim__alloc *alloc;
    const struct vmsim__policy_domain *domain[VMSIM_POLICY_DOMAINS]; /* NULL: not added */
    struct {
        VMSIM__VEC(struct vmsim__policy_entry *);
    } entries;
    struct {
        VMSIM__VEC(struct policy_plugin);
    } plugins;
};

/* Forgets the entries from `count` on. */
void vmsim__policy_entries_cut(struct vmsim__policy_registry *r, size_t count);

#endif
