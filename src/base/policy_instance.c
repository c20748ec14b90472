/* SPDX-License-Identifier: MIT */
/* Running policies: the services that each gets, and the record of what they did, which reports read.
 *
 * Counters, notes and fallbacks are kept a policy, not an instance: a machine has an instance for each TLB array of
 * each CPU, and what people ask is what their policy did. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/policy_entry.h"

static void *service_allocate(void *host, size_t bytes) {
    return vmsim__calloc(((struct vmsim__policy_instance *)host)->alloc, 1, bytes);
}

static void service_release(void *host, void *memory, size_t bytes) {
    vmsim__free(((struct vmsim__policy_instance *)host)->alloc, memory, bytes);
}

static uint64_t service_random(void *host, uint64_t bound) {
    return vmsim__rng_below(&((struct vmsim__policy_instance *)host)->rng, bound);
}

/* What can stand in the name of a counter, after a point; "fallbacks" is ours. */
static bool is_counter_name(const char *name) {
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return length && !name[length] && length < sizeof((struct policy_counter *)0)->name &&
           strcmp(name, "fallbacks") != 0;
}

static uint64_t *service_counter(void *host, const char *name) {
    struct vmsim__policy_instance *p = host;
    struct policy_counter **at = &p->entry->counters;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (!*at && is_counter_name(name)) {
        *at = vmsim__calloc(p->alloc, 1, sizeof **at);
        if (*at)
            memcpy((*at)->name, name, strlen(name) + 1);
    }
    return *at ? &(*at)->value : NULL;
}

static void service_log(void *host, const char *text) {
    struct vmsim__policy_instance *p = host;
    char line[POLICY_NOTE_SIZE + 1];
    snprintf(line, sizeof line, "%s", text);
    const char *kept = p->entry->notes.count < VMSIM_POLICY_NOTES ? vmsim__strdup(p->alloc, line) : NULL;
    if (kept && vmsim__vec_push(p->alloc, &p->entry->notes, kept))
        return;
    vmsim__strfree(p->alloc, kept);
    p->entry->notes_dropped++;
}

static struct vmsim__policy_entry *entry_of(const struct vmsim__policy_registry *r, const struct vmsim_policy *policy) {
    size_t i = 0;
    while (i + 1 < r->entries.count && r->entries.at[i]->policy != policy)
        i++;
    VMSIM__ASSERT(i < r->entries.count && r->entries.at[i]->policy == policy);
    return r->entries.at[i];
}

int vmsim__policy_instance_init(struct vmsim__policy_instance *p, struct vmsim__policy_registry *r,
                                const struct vmsim_policy *policy, const struct vmsim_param_list *pairs, uint64_t seed,
                                const char *stream, struct vmsim__err *err) {
    *p = (struct vmsim__policy_instance){.policy = policy, .alloc = r->alloc, .entry = entry_of(r, policy)};
    p->services = (struct vmsim_policy_services){.size = sizeof p->services,
                                                 .abi = VMSIM_POLICY_ABI,
                                                 .host = p,
                                                 .allocate = service_allocate,
                                                 .release = service_release,
                                                 .random = service_random,
                                                 .counter = service_counter,
                                                 .log = service_log};
    vmsim__rng_seed_named(&p->rng, seed, stream);
    p->entry->instances++;
    if (policy->params_size) {
        p->params = vmsim__calloc(p->alloc, 1, policy->params_size);
        if (!p->params)
            return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for the parameters of policy %s", policy->name);
    }
    return vmsim__param_bind(policy->params, pairs, p->params, err);
}

int vmsim__policy_instance_start(struct vmsim__policy_instance *p, struct vmsim__policy_registry *r,
                                 enum vmsim_policy_domain id, const struct vmsim__policy_choice *choice, uint64_t seed,
                                 const char *stream, struct vmsim__err *err) {
    int (*create)(const struct vmsim_policy_services *, const void *, void **) = NULL;
    const struct vmsim_policy *policy;
    int e = vmsim__policy_resolve(r, id, choice, &policy, err);
    if (e)
        return e;
    e = vmsim__policy_instance_init(p, r, policy, &choice->params, seed, stream, err);
    if (!e) {
        const struct vmsim__policy_hook *hook = &p->entry->domain->create;
        VMSIM__ASSERT(hook->name && p->entry->domain->id == id);
        memcpy(&create, (const char *)policy + hook->offset, sizeof create);
        e = create ? create(&p->services, p->params, &p->context) : 0;
        if (e)
            vmsim__err_set(err, e, "policy %s cannot start: %s", policy->name, vmsim_error_text(e));
    }
    if (e)
        vmsim__policy_instance_fini(p);
    return e;
}

void vmsim__policy_instance_fini(struct vmsim__policy_instance *p) {
    void (*destroy)(void *) = NULL;
    if (p->context)
        memcpy(&destroy, (const char *)p->policy + p->entry->domain->destroy.offset, sizeof destroy);
    if (destroy)
        destroy(p->context);
    if (p->params)
        vmsim__free(p->alloc, p->params, p->policy->params_size);
    *p = (struct vmsim__policy_instance){0};
}

void vmsim__policy_fallback(struct vmsim__policy_instance *p, const char *format, ...) {
    char text[POLICY_NOTE_SIZE + 1];
    va_list args;
    if (p->entry->fallbacks++)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    p->entry->first = vmsim__strdup(p->alloc, text);
}

bool vmsim__policy_use_at(const struct vmsim__policy_registry *r, size_t i, struct vmsim__policy_use *out) {
    if (i >= r->entries.count)
        return false;
    const struct vmsim__policy_entry *e = r->entries.at[i];
    size_t counters = 0;
    for (const struct policy_counter *c = e->counters; c; c = c->next)
        counters++;
    *out = (struct vmsim__policy_use){.policy = e->policy,
                                      .domain = e->domain->info.name,
                                      .origin = e->origin,
                                      .instances = e->instances,
                                      .fallbacks = e->fallbacks,
                                      .first = e->first,
                                      .note = e->notes.at,
                                      .notes = e->notes.count,
                                      .notes_dropped = e->notes_dropped,
                                      .counters = counters};
    return true;
}

static const struct policy_counter *counter_at(const struct vmsim__policy_registry *r, size_t i, size_t k) {
    VMSIM__ASSERT(i < r->entries.count);
    const struct policy_counter *c = r->entries.at[i]->counters;
    for (; k; k--)
        c = c->next;
    VMSIM__ASSERT(c);
    return c;
}

const char *vmsim__policy_counter_name(const struct vmsim__policy_registry *r, size_t i, size_t k) {
    return counter_at(r, i, k)->name;
}

uint64_t vmsim__policy_counter_read(const struct vmsim__policy_registry *r, size_t i, size_t k) {
    return counter_at(r, i, k)->value;
}

bool vmsim__policy_counter_find(const struct vmsim__policy_registry *r, const struct vmsim_policy *policy,
                                const char *name, uint64_t *value) {
    const struct vmsim__policy_entry *e = entry_of(r, policy);
    const struct policy_counter *c = e->counters;
    while (c && strcmp(c->name, name) != 0)
        c = c->next;
    bool ours = !strcmp(name, "fallbacks");
    if (c || ours)
        *value = ours ? e->fallbacks : c->value;
    return c || ours;
}

const char *vmsim__policy_first_fallback(const struct vmsim__policy_instance *p) {
    return p->entry->first ? p->entry->first : "";
}
