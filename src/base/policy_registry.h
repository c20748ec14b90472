/* SPDX-License-Identifier: MIT */
/* The policies that one machine knows: built in, linked in by the program, or loaded from a `.so`; and what they did.
 *
 *     registry --- row of each domain (name, size, hooks, built-in policies)      the folder that asks the policies
 *        |
 *        +-------- entry of each policy: struct, origin, fallbacks, counters, notes
 *                     ^
 *        instance ----+   one a TLB array, node, ...: context, parameters, stream of random numbers
 *
 * A registry belongs to a machine (no globals). A domain is one row, which its folder adds with its policies; nothing
 * else here knows what domains there are. Names are unique within a domain; a later policy of the same name is refused.
 * A policy whose struct is not as long as the host's (a plugin of another header) is copied into one that is. Loaded
 * libraries stay loaded until the registry goes. */
#ifndef VMSIM__POLICY_REGISTRY_H
#define VMSIM__POLICY_REGISTRY_H
#include "base/alloc.h"
#include "base/err.h"
#include "base/rng.h"
#include "vmsim/policy.h"

struct vmsim__policy_registry;

/* A hook by its place in the domain's struct. */
struct vmsim__policy_hook {
    size_t offset;
    const char *name; /* NULL: none */
};

#define VMSIM__POLICY_HOOK(structure, hook)                                                                            \
    { offsetof(struct structure, hook), #hook }
/* Bytes of a domain's struct up to and with a hook. */
#define VMSIM__POLICY_UP_TO(structure, hook) (offsetof(struct structure, hook) + sizeof((struct structure *)0)->hook)

/* One domain: all that is said of it. */
struct vmsim__policy_domain {
    struct vmsim_policy_domain_info info; /* name, text, default policy */
    enum vmsim_policy_domain id;
    size_t size;                           /* of its struct in this host */
    size_t least;                          /* of the shortest that a plugin may have: up to the last hook of ABI 1 */
    struct vmsim__policy_hook decisive[3]; /* without these there is no policy */
    /* int (*)(services, params, context), for vmsim__policy_instance_start; no name: of another form, and the asker's
     */
    struct vmsim__policy_hook create;
    struct vmsim__policy_hook destroy;          /* void (*)(void *context) */
    const struct vmsim_policy *const *built_in; /* ended by NULL */
};

/* A choice of policy: of the registry's by name, or of a plugin file. */
struct vmsim__policy_choice {
    const char *name;               /* "lru"; NULL: the default of its place */
    const char *plugin;             /* path of a .so that holds it, or NULL */
    struct vmsim_param_list params; /* struct vmsim_param_pair */
};
/* `{name, plugin, params}` of one, NULL-terminated. */
extern const struct vmsim_param vmsim__policy_choice_params[];

struct vmsim__policy_registry *vmsim__policy_registry_create(struct vmsim__alloc *a); /* NULL: no memory */
void vmsim__policy_registry_destroy(struct vmsim__policy_registry *r);
struct vmsim__alloc *vmsim__policy_registry_alloc(const struct vmsim__policy_registry *r);

/* Adds a domain (static storage) with its built-in policies, before any other policy of it. VMSIM_ENOMEM. */
int vmsim__policy_domain_add(struct vmsim__policy_registry *r, const struct vmsim__policy_domain *domain,
                             struct vmsim__err *err);
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
/* Like _find, loading the choice's plugin first if there is one; a choice of nothing is the domain's default. An
 * unknown name gives VMSIM_ECONFIG with the known ones or the closest. */
int vmsim__policy_resolve(struct vmsim__policy_registry *r, enum vmsim_policy_domain domain,
                          const struct vmsim__policy_choice *choice, const struct vmsim_policy **out,
                          struct vmsim__err *err);
/* Number i of all, in order of registration; NULL past the end. `origin` (or NULL) gets "built-in", "linked-in" or the
 * path. */
const struct vmsim_policy *vmsim__policy_at(const struct vmsim__policy_registry *r, size_t i, const char **origin);

/* Defaults of a scalar parameter table into `values` (a zeroed struct of the table), then the pairs (struct
 * vmsim_param_pair) over them, with bounds, units and suggestions. Strings stay the caller's. VMSIM_ECONFIG with
 * "origin: ..." texts. */
int vmsim__param_bind(const struct vmsim_param *table, const struct vmsim_param_list *pairs, void *values,
                      struct vmsim__err *err);

/* What a policy of this registry did so far. Texts are the registry's. */
struct vmsim__policy_use {
    const struct vmsim_policy *policy;
    const char *domain, *origin;
    uint64_t instances; /* made so far; 0: nothing asks it */
    uint64_t fallbacks; /* answers that could not be, for which the mechanism did something else */
    const char *first;  /* what the first of these was, or NULL */
    const char *const *note;
    size_t notes;           /* kept */
    uint64_t notes_dropped; /* more than are kept */
    size_t counters;
};
/* Of policy number i, as vmsim__policy_at numbers them; false past the end. */
bool vmsim__policy_use_at(const struct vmsim__policy_registry *r, size_t i, struct vmsim__policy_use *out);
/* Counter k of policy i; k below its `counters`. */
const char *vmsim__policy_counter_name(const struct vmsim__policy_registry *r, size_t i, size_t k);
uint64_t vmsim__policy_counter_read(const struct vmsim__policy_registry *r, size_t i, size_t k);

/* A counter of a policy by name, "fallbacks" too; false: it has none of this name. */
bool vmsim__policy_counter_find(const struct vmsim__policy_registry *r, const struct vmsim_policy *policy,
                                const char *name, uint64_t *value);

/* One running policy and what the host gives it. The services struct is valid as long as the instance, which must not
 * move. */
struct vmsim__policy_entry;
struct vmsim__policy_instance {
    const struct vmsim_policy *policy;
    void *context; /* what create() made */
    void *params;  /* policy->params_size bytes */
    struct vmsim__alloc *alloc;
    struct vmsim__policy_entry *entry;
    struct vmsim__rng rng;
    struct vmsim_policy_services services;
};
/* Everything but create(): binds parameters, seeds the stream named `stream`. `policy` is one of the registry's. */
int vmsim__policy_instance_init(struct vmsim__policy_instance *p, struct vmsim__policy_registry *r,
                                const struct vmsim_policy *policy, const struct vmsim_param_list *pairs, uint64_t seed,
                                const char *stream, struct vmsim__err *err);
/* The policy of domain `id` that is chosen, running: all of the above and create(). On an error nothing is left. */
int vmsim__policy_instance_start(struct vmsim__policy_instance *p, struct vmsim__policy_registry *r,
                                 enum vmsim_policy_domain id, const struct vmsim__policy_choice *choice, uint64_t seed,
                                 const char *stream, struct vmsim__err *err);
void vmsim__policy_instance_fini(struct vmsim__policy_instance *p); /* calls destroy() if a context was made */
/* The policy answered what cannot be, and the mechanism does something else. The text says what, after the policy's
 * name: "chose way 9 of ...". */
void vmsim__policy_fallback(struct vmsim__policy_instance *p, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
/* What the first of these was, "" when there was none or no memory for its text. */
const char *vmsim__policy_first_fallback(const struct vmsim__policy_instance *p);

#endif
