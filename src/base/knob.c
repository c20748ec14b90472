/* SPDX-License-Identifier: MIT */
/* Reading and writing of knobs by their rows (see knob.h). */
#include "base/knob.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "base/util.h"
#include "vmsim/error.h"

const struct vmsim__knob *vmsim__knob_find(const struct vmsim__knob *table, const char *name) {
    for (; table->value.name; table++) {
        if (!strcmp(table->value.name, name))
            return table;
    }
    return NULL;
}

#define MODULE "memory_hotplug/"
void vmsim__knob_file(const struct vmsim__knob *knob, char *path, size_t size) {
    VMSIM__ASSERT(size > 0);
    const char *name = knob->value.name, *dot = strchr(name, '.');
    if (dot)
        snprintf(path, size, "proc/sys/%.*s/%s", (int)(dot - name), name, dot + 1);
    else if (!strncmp(name, MODULE, sizeof MODULE - 1))
        snprintf(path, size, "sys/module/memory_hotplug/parameters/%s", name + sizeof MODULE - 1);
    else
        snprintf(path, size, "sys/kernel/%s/%s", strncmp(name, "sched/", 6) ? "mm" : "debug", name);
}

/* ---- writing ---- */

/* A switch is written as 0 or 1, and as true or false in a file of ours. */
static int set_switch(const struct vmsim__knob *k, bool *to, const char *text, struct vmsim__err *err) {
    VMSIM__ASSERT(text);
    bool on = !strcmp(text, "1") || !strcmp(text, "true");
    if (!on && strcmp(text, "0") != 0 && strcmp(text, "false") != 0)
        return vmsim__err_set(err, VMSIM_EINVAL, "%s takes 0 or 1, not '%s'", k->value.name, text);
    *to = on;
    return 0;
}

static int set_choice(const struct vmsim__knob *k, int *to, const char *text, struct vmsim__err *err) {
    VMSIM__ASSERT(k->value.choices && text);
    char all[160] = "";
    for (int i = 0; k->value.choices[i]; i++) {
        size_t n = strlen(all);
        if (!strcmp(k->value.choices[i], text)) {
            *to = i;
            return 0;
        }
        snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", k->value.choices[i]);
    }
    return vmsim__err_set(err, VMSIM_EINVAL, "%s takes one of %s, not '%s'", k->value.name, all, text);
}

static int set_number(const struct vmsim__knob *k, uint64_t *to, const char *text, struct vmsim__err *err) {
    VMSIM__ASSERT(text);
    const uint64_t least = (uint64_t)k->value.min, most = k->value.max ? (uint64_t)k->value.max : UINT64_MAX;
    const char *why = NULL;
    uint64_t v;
    bool ok = k->value.type == VMSIM_PARAM_SIZE ? vmsim__parse_size(text, &v, &why) : vmsim__parse_uint(text, &v, &why);
    if (!ok)
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: '%s': %s", k->value.name, text, why);
    if (v < least || v > most)
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: %s is not within %llu..%llu%s%s", k->value.name, text,
                              (unsigned long long)least, (unsigned long long)most, k->unit ? " " : "",
                              k->unit ? k->unit : "");
    *to = v;
    return 0;
}

/* As a file takes it: blanks around it, and the newline of `echo`, are not looked at. */
static int set_field(const struct vmsim__knob *k, char *at, const char *text, struct vmsim__err *err) {
    char word[64];
    text += strspn(text, " \t\n");
    size_t n = strlen(text);
    while (n && strchr(" \t\n", text[n - 1]))
        n--;
    if (n >= sizeof word)
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: '%.60s...' is too long", k->value.name, text);
    memcpy(word, text, n);
    word[n] = '\0';
    switch (k->value.type) {
    case VMSIM_PARAM_BOOL:
        return set_switch(k, (bool *)at, word, err);
    case VMSIM_PARAM_ENUM:
        return set_choice(k, (int *)(void *)at, word, err);
    default:
        VMSIM__ASSERT(k->value.type == VMSIM_PARAM_UINT || k->value.type == VMSIM_PARAM_SIZE);
        return set_number(k, (uint64_t *)(void *)at, word, err);
    }
}

int vmsim__knob_set(const struct vmsim__knob *knob, void *owner, const char *text, struct vmsim__err *err) {
    VMSIM__ASSERT(!knob->lacks);
    return set_field(knob, (char *)owner + knob->value.offset, text, err);
}

int vmsim__knob_write(const struct vmsim__knob *knob, void *owner, const char *text, struct vmsim__err *err) {
    if (knob->lacks)
        return vmsim__err_set(err, VMSIM_ENOENT, "'%s' has nothing to steer: %s is not simulated yet", knob->value.name,
                              knob->lacks);
    int rc = knob->write ? knob->write(owner, knob, text, err) : vmsim__knob_set(knob, owner, text, err);
    if (!rc && knob->written)
        knob->written(owner, knob);
    return rc;
}

void vmsim__knob_defaults(const struct vmsim__knob *table, void *owner) {
    struct vmsim__err err = {0};
    for (; table->value.name; table++) {
        if (!table->value.fallback || table->lacks || table->value.type == VMSIM_PARAM_STRING)
            continue;
        int rc = set_field(table, (char *)owner + table->value.offset, table->value.fallback, &err);
        VMSIM__ASSERT(!rc);
        (void)rc;
    }
}

/* ---- reading ---- */

bool vmsim__knob_read(const struct vmsim__knob *knob, const void *owner, char *text, size_t size) {
    const char *at = (const char *)owner + knob->value.offset;
    if (knob->read)
        return knob->read(owner, knob, text, size);
    if (knob->lacks)
        snprintf(text, size, "%s", knob->value.fallback);
    else if (knob->value.type == VMSIM_PARAM_BOOL)
        snprintf(text, size, "%d", *(const bool *)at);
    else if (knob->value.type == VMSIM_PARAM_ENUM)
        snprintf(text, size, "%s", knob->value.choices[*(const int *)(const void *)at]);
    else
        snprintf(text, size, "%llu", (unsigned long long)*(const uint64_t *)(const void *)at);
    return true;
}
