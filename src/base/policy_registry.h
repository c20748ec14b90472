/* SPDX-License-Identifier: MIT */
/* The policies that one machine knows: built in, linked in by the program, or loaded from a `.so`.
 *
 * A registry belongs to a machine (no globals); built-in tables are added at its creation, one line a policy. Names are
 * unique within a domain; a later policy of the same name is refused. Loaded libraries stay loaded until the registry
 * goes. */
#ifndef VMSIM__POLICY_REGISTRY_H
#define VMSIM__POLICY_REGISTRY_H
#include "base/alloc.h"
#include "base/err.h"
#include "base/rng.h"
#include "vmsim/policy.h"

struct vmsim__policy_registry;

struct vmsim__policy_registry *vmsim__policy_registry_create(struct vmsim__alloc *a); /* NULL: no memory */
void vmsim__policy_registry_destroy(struct vmsim__policy_registry *r);

/* Adds one policy; checks size, abi, name, hooks of its domain. `origin` (static storage): "built-in" or "linked-in".
 * VMSIM_EABI, VMSIM_EINVAL, VMSIM_ENOMEM with a text. */
int vmsim__policy_add(struct vmsim__policy_registry *r, const struct vmsim_policy *policy, const char *origin,
                      struct vmsim__err *err);
/* Loads a plugin once (a path already loaded does nothing) and adds its policies. VMSIM_EPLUGIN with the loader's own
 * text. */
int vmsim__policy_load(struct vmsim__policy_registry *r, const char *path, struct vmsim__err *err);
/* NULL: none of that name. */
const struct vmsim_policy *vmsim__policy_find(const struct vmsim__policy_registry *r, enum vmsim_policy_domain domain,
                                              const char *name);
/* Like _find, loading `plugin` first if not NULL; an unknown name gives VMSIM_ECONFIG with the known ones or the
 * closest. */
int vmsim__policy_resolve(struct vmsim__policy_registry *r, enum vmsim_policy_domain domain, const char *plugin,
                          const char *name, const struct vmsim_policy **out, struct vmsim__err *err);
/* Number i of all, in order of registration; NULL past the end. `origin` (or NULL) gets "built-in", "linked-in" or the
 * path. */
const struct vmsim_policy *vmsim__policy_at(const struct vmsim__policy_registry *r, size_t i, const char **origin);

/* Defaults of a scalar parameter table into `values` (a zeroed struct of the table), then the pairs (struct
 * vmsim_param_pair) over them, with bounds, units and suggestions. Strings stay the caller's. VMSIM_ECONFIG with
 * "origin: ..." texts. */
int vmsim__param_bind(const struct vmsim_param *table, const struct vmsim_param_list *pairs, void *values,
                      struct vmsim__err *err);

/* One running policy and what the host gives it. The services struct is valid as long as the instance. */
struct vmsim__policy_instance {
    const struct vmsim_policy *policy;
    void *context; /* what create() made */
    void *params;  /* policy->params_size bytes */
    struct vmsim__alloc *alloc;
    struct vmsim__rng rng;
    struct vmsim_policy_services services;
};
/* Everything but create(): binds parameters, seeds the stream named `stream`. */
int vmsim__policy_instance_init(struct vmsim__policy_instance *p, struct vmsim__alloc *a,
                                const struct vmsim_policy *policy, const struct vmsim_param_list *pairs, uint64_t seed,
                                const char *stream, struct vmsim__err *err);
void vmsim__policy_instance_fini(struct vmsim__policy_instance *p); /* calls destroy() if a context was made */

#endif
