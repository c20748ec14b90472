/* SPDX-License-Identifier: MIT */
/* A policy's own parameters from texts, and the parameters by which a file chooses a policy. */
#include <stddef.h>
#include <string.h>

#include "base/policy_registry.h"
#include "base/units.h"
#include "base/util.h"

static bool parse_bool(const char *text, bool *out, const char **why) {
    *why = "neither true nor false";
    *out = !strcmp(text, "true");
    return *out || !strcmp(text, "false");
}

static bool parse_choice(const struct vmsim_param *p, const char *text, int *out, const char **why) {
    *why = "none of the choices";
    for (*out = 0; p->choices[*out]; ++*out)
        if (!strcmp(p->choices[*out], text))
            return true;
    return false;
}

static bool in_bounds(const struct vmsim_param *p, const void *value, const char **why) {
    *why = "out of bounds";
    if (!p->min && !p->max)
        return true;
    if (p->type == VMSIM_PARAM_INT) {
        int64_t v = *(const int64_t *)value;
        return v >= (int64_t)p->min && v <= (int64_t)p->max;
    }
    uint64_t v = *(const uint64_t *)value;
    return v >= p->min && (!p->max || v <= p->max) && (!(p->flags & VMSIM_PARAM_POW2) || vmsim__is_pow2(v));
}

static bool parse_value(const struct vmsim_param *p, const char *text, void *out, const char **why) {
    switch (p->type) {
    case VMSIM_PARAM_BOOL:
        return parse_bool(text, out, why);
    case VMSIM_PARAM_UINT:
        return vmsim__parse_uint(text, out, why) && in_bounds(p, out, why);
    case VMSIM_PARAM_INT:
        return vmsim__parse_int(text, out, why) && in_bounds(p, out, why);
    case VMSIM_PARAM_SIZE:
        return vmsim__parse_size(text, out, why) && in_bounds(p, out, why);
    case VMSIM_PARAM_TIME:
        return vmsim__parse_time(text, out, why) && in_bounds(p, out, why);
    case VMSIM_PARAM_ENUM:
        return parse_choice(p, text, out, why);
    case VMSIM_PARAM_STRING:
        *(const char **)out = text;
        return true;
    default:
        *why = "not of a type that a policy's parameter can have";
        return false;
    }
}

static const struct vmsim_param *find_param(const struct vmsim_param *table, const char *name) {
    for (; table && table->name; table++)
        if (!strcmp(table->name, name))
            return table;
    return NULL;
}

static int unknown_param(const struct vmsim_param *table, const struct vmsim_param_pair *pair, struct vmsim__err *err) {
    const char *origin = pair->origin ? pair->origin : "parameters";
    const char *close = table ? vmsim__closest(pair->key, &table->name, sizeof *table) : NULL;
    if (close)
        return vmsim__err_set(err, VMSIM_ECONFIG, "%s: unknown parameter '%s' (did you mean '%s'?)", origin, pair->key,
                              close);
    return vmsim__err_set(err, VMSIM_ECONFIG, "%s: the policy has no parameter '%s'", origin, pair->key);
}

static bool given(const struct vmsim_param_list *pairs, const char *name) {
    const struct vmsim_param_pair *pair = pairs ? pairs->data : NULL;
    for (size_t i = 0; pairs && i < pairs->count; i++)
        if (!strcmp(pair[i].key, name))
            return true;
    return false;
}

static int bind_defaults(const struct vmsim_param *table, const struct vmsim_param_list *pairs, char *values,
                         struct vmsim__err *err) {
    const char *why;
    for (const struct vmsim_param *p = table; p && p->name; p++) {
        if (p->fallback && !parse_value(p, p->fallback, values + p->offset, &why))
            return vmsim__err_set(err, VMSIM_EINVAL, "default %s of parameter %s: %s", p->fallback, p->name, why);
        if (!p->fallback && !(p->flags & VMSIM_PARAM_OPTIONAL) && !given(pairs, p->name))
            return vmsim__err_set(err, VMSIM_ECONFIG, "parameter %s is missing", p->name);
    }
    return 0;
}

int vmsim__param_bind(const struct vmsim_param *table, const struct vmsim_param_list *pairs, void *values,
                      struct vmsim__err *err) {
    const struct vmsim_param_pair *pair = pairs ? pairs->data : NULL;
    int e = bind_defaults(table, pairs, values, err);
    for (size_t i = 0; !e && pairs && i < pairs->count; i++) {
        const struct vmsim_param *p = find_param(table, pair[i].key);
        const char *why;
        if (!p)
            return unknown_param(table, &pair[i], err);
        if (!parse_value(p, pair[i].value, (char *)values + p->offset, &why))
            return vmsim__err_set(err, VMSIM_ECONFIG, "%s: %s: '%s' (%s)",
                                  pair[i].origin ? pair[i].origin : "parameters", p->name, pair[i].value, why);
    }
    return e;
}

const struct vmsim_param vmsim__policy_choice_params[] = {
    {.name = "name",
     .type = VMSIM_PARAM_STRING,
     .offset = offsetof(struct vmsim__policy_choice, name),
     .flags = VMSIM_PARAM_OPTIONAL | VMSIM_PARAM_SHORTHAND,
     .doc = "The policy, by name. `vmsim policy list` shows the built-in ones."},
    {.name = "plugin",
     .type = VMSIM_PARAM_STRING,
     .offset = offsetof(struct vmsim__policy_choice, plugin),
     .flags = VMSIM_PARAM_OPTIONAL | VMSIM_PARAM_INPUT,
     .doc = "A shared object that holds the policy."},
    {.name = "params",
     .type = VMSIM_PARAM_MAP,
     .offset = offsetof(struct vmsim__policy_choice, params),
     .doc = "The policy's own parameters. `vmsim policy show NAME` lists them."},
    {0}};
