/* SPDX-License-Identifier: MIT */
/* The rows of domains and the list of policies of one machine.
 *
 * Everything is looked up by walking a short list: policies are resolved when a machine is made, never while it runs.
 * Hooks are read by their offsets in the row, so nothing here knows a domain's struct. */
#include "base/policy_registry.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "base/policy_entry.h"

struct vmsim__policy_registry *vmsim__policy_registry_create(struct vmsim__alloc *a) {
    struct vmsim__policy_registry *r = vmsim__calloc(a, 1, sizeof *r);
    if (r)
        r->alloc = a;
    return r;
}

struct vmsim__alloc *vmsim__policy_registry_alloc(const struct vmsim__policy_registry *r) {
    return r->alloc;
}

static void entry_destroy(struct vmsim__policy_registry *r, struct vmsim__policy_entry *e) {
    for (struct policy_counter *c = e->counters, *next; c; c = next) {
        next = c->next;
        vmsim__free(r->alloc, c, sizeof *c);
    }
    for (size_t i = 0; i < e->notes.count; i++)
        vmsim__strfree(r->alloc, e->notes.at[i]);
    vmsim__vec_fini(r->alloc, &e->notes);
    vmsim__strfree(r->alloc, e->first);
    if (e->copied)
        vmsim__free(r->alloc, (void *)(uintptr_t)e->policy, e->domain->size);
    vmsim__free(r->alloc, e, sizeof *e);
}

void vmsim__policy_entries_cut(struct vmsim__policy_registry *r, size_t count) {
    VMSIM__ASSERT(count <= r->entries.count);
    while (r->entries.count > count)
        entry_destroy(r, r->entries.at[--r->entries.count]);
}

void vmsim__policy_registry_destroy(struct vmsim__policy_registry *r) {
    if (!r)
        return;
    vmsim__policy_entries_cut(r, 0);
    for (size_t i = 0; i < r->plugins.count; i++) {
        dlclose(r->plugins.at[i].handle);
        vmsim__strfree(r->alloc, r->plugins.at[i].path);
    }
    vmsim__vec_fini(r->alloc, &r->plugins);
    vmsim__vec_fini(r->alloc, &r->entries);
    vmsim__free(r->alloc, r, sizeof *r);
}

int vmsim__policy_domain_add(struct vmsim__policy_registry *r, const struct vmsim__policy_domain *domain,
                             struct vmsim__err *err) {
    VMSIM__ASSERT(domain->id < VMSIM_POLICY_DOMAINS && !r->domain[domain->id]);
    VMSIM__ASSERT(domain->least <= domain->size && domain->decisive[0].name && domain->destroy.name);
    r->domain[domain->id] = domain;
    for (const struct vmsim_policy *const *p = domain->built_in; *p; p++) {
        int e = vmsim__policy_add(r, *p, "built-in", err);
        if (e)
            return e;
    }
    VMSIM__ASSERT(vmsim__policy_find(r, domain->id, domain->info.fallback));
    return 0;
}

/* A hook of a struct that has at least `size` bytes of the domain's; what lies behind is NULL. */
static bool has_hook(const struct vmsim_policy *p, const struct vmsim__policy_hook *hook) {
    void (*function)(void) = NULL;
    if (hook->offset + sizeof function <= p->size)
        memcpy(&function, (const char *)p + hook->offset, sizeof function);
    return function != NULL;
}

/* The offset of the first word that is not zero behind what the host knows of this struct; its size when there is none.
 * The word, not the byte: which bytes of an address are zero is the linker's business, and no part of a message. */
static uint32_t foreign_member(const struct vmsim_policy *p, size_t known) {
    uint32_t at = (uint32_t)known;
    while (at < p->size && !((const unsigned char *)p)[at])
        at++;
    return at < p->size ? (uint32_t)(known + (at - known) / sizeof(void *) * sizeof(void *)) : at;
}

static int check(const struct vmsim__policy_registry *r, const struct vmsim_policy *p, const char *origin,
                 struct vmsim__err *err) {
    if (p->abi != VMSIM_POLICY_ABI)
        return vmsim__err_set(err, VMSIM_EABI, "%s: a policy has ABI %u, this vmsim expects %u", origin, p->abi,
                              VMSIM_POLICY_ABI);
    if (p->size < sizeof *p || !p->name || !*p->name || !p->doc)
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: a policy without size, name or description", origin);
    const struct vmsim__policy_domain *d = (unsigned)p->domain < VMSIM_POLICY_DOMAINS ? r->domain[p->domain] : NULL;
    if (!d)
        return vmsim__err_set(err, VMSIM_EABI, "%s: policy %s is of domain number %u, which this vmsim does not know",
                              origin, p->name, (unsigned)p->domain);
    if (p->size < d->least)
        return vmsim__err_set(err, VMSIM_EABI, "%s: policy %s has a struct of %u bytes, its domain needs %zu", origin,
                              p->name, p->size, d->least);
    if (p->size > d->size && foreign_member(p, d->size) < p->size)
        return vmsim__err_set(err, VMSIM_EABI,
                              "%s: policy %s uses byte %u of its struct, of a newer vmsim: this one knows %zu", origin,
                              p->name, foreign_member(p, d->size), d->size);
    for (unsigned i = 0; i < VMSIM__COUNT(d->decisive) && d->decisive[i].name; i++)
        if (!has_hook(p, &d->decisive[i]))
            return vmsim__err_set(err, VMSIM_EINVAL, "%s: policy %s lacks its deciding hook %s()", origin, p->name,
                                  d->decisive[i].name);
    if (vmsim__policy_find(r, p->domain, p->name))
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: there is a policy %s of domain %s already", origin, p->name,
                              d->info.name);
    return 0;
}

/* A struct of another length than the host's, in one of that length; false: no memory. */
static bool settle_size(struct vmsim__policy_registry *r, struct vmsim__policy_entry *e) {
    const struct vmsim_policy *p = e->policy;
    size_t known = p->size < e->domain->size ? p->size : e->domain->size;
    if (p->size == e->domain->size)
        return true;
    struct vmsim_policy *copy = vmsim__calloc(r->alloc, 1, e->domain->size);
    if (!copy)
        return false;
    memcpy(copy, p, known);
    copy->size = (uint32_t)e->domain->size;
    e->policy = copy;
    e->copied = true;
    return true;
}

int vmsim__policy_add(struct vmsim__policy_registry *r, const struct vmsim_policy *policy, const char *origin,
                      struct vmsim__err *err) {
    int code = check(r, policy, origin, err);
    if (code)
        return code;
    struct vmsim__policy_entry *e = vmsim__calloc(r->alloc, 1, sizeof *e);
    if (e)
        *e = (struct vmsim__policy_entry){.policy = policy, .domain = r->domain[policy->domain], .origin = origin};
    if (e && settle_size(r, e) && vmsim__vec_push(r->alloc, &r->entries, e))
        return 0;
    if (e)
        entry_destroy(r, e);
    return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for policy %s", policy->name);
}

const struct vmsim_policy *vmsim__policy_find(const struct vmsim__policy_registry *r, enum vmsim_policy_domain domain,
                                              const char *name) {
    for (size_t i = 0; i < r->entries.count; i++)
        if (r->entries.at[i]->policy->domain == domain && !strcmp(r->entries.at[i]->policy->name, name))
            return r->entries.at[i]->policy;
    return NULL;
}

const struct vmsim_policy *vmsim__policy_at(const struct vmsim__policy_registry *r, size_t i, const char **origin) {
    if (i >= r->entries.count)
        return NULL;
    if (origin)
        *origin = r->entries.at[i]->origin;
    return r->entries.at[i]->policy;
}

static int unknown(const struct vmsim__policy_registry *r, const struct vmsim__policy_domain *domain, const char *name,
                   struct vmsim__err *err) {
    char known[256] = "";
    size_t at = 0;
    for (size_t i = 0; i < r->entries.count; i++) {
        const struct vmsim_policy *p = r->entries.at[i]->policy;
        if (p->domain != domain->id)
            continue;
        int n = snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", p->name);
        if (n < 0 || (size_t)n >= sizeof known - at)
            break;
        at += (size_t)n;
    }
    return vmsim__err_set(err, VMSIM_ECONFIG, "no policy %s of domain %s; there are: %s", name, domain->info.name,
                          known);
}

int vmsim__policy_resolve(struct vmsim__policy_registry *r, enum vmsim_policy_domain domain,
                          const struct vmsim__policy_choice *choice, const struct vmsim_policy **out,
                          struct vmsim__err *err) {
    const struct vmsim__policy_domain *d = r->domain[domain];
    VMSIM__ASSERT(d);
    int e = choice->plugin ? vmsim__policy_load(r, choice->plugin, err) : 0;
    if (e)
        return e;
    if (choice->plugin && !choice->name)
        return vmsim__err_set(err, VMSIM_ECONFIG, "a plugin of domain %s is given, but not the name of its policy",
                              d->info.name);
    const char *name = choice->name ? choice->name : d->info.fallback;
    *out = vmsim__policy_find(r, domain, name);
    return *out ? 0 : unknown(r, d, name, err);
}
