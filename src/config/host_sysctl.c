/* SPDX-License-Identifier: MIT */
/* Settings of a capture that do not follow from the machine: what an administrator (or a distribution) has written.
 *
 * What vmsim derives is never copied: the memory of the description is booted, and only knobs that stand differently
 * there are taken over. Reserves that follow the memory that was free at one moment of boot count as the same within an
 * eighth. */
#include "config/host_import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/kernel.h"
#include "base/util.h"
#include "cache/cache_spec.h"
#include "vm/vm_spec.h"

static const char SYSCTL[] = "sysctl_vm.txt", THP[] = "sys_kernel_mm_transparent_hugepage.txt";

static int push(struct vmsim__import *im, const char *name, const char *value, const char *file, const char *instead) {
    struct vmsim__arena *a = &im->capture->arena;
    struct vmsim__import_sysctl s = {
        vmsim__arena_copy(a, name, strlen(name)), vmsim__arena_copy(a, value, strlen(value)),
        vmsim__arena_printf(a, "%s; %s would follow from the machine", file, *instead ? instead : "another value")};
    if (!s.name || !s.value || !s.origin || !vmsim__vec_push(im->alloc, &im->sysctls, s))
        return vmsim__import_nomem(im);
    return 0;
}

/* Same numbers, however they are separated; of lists of different lengths the common part. */
static bool same_numbers(const char *a, const char *b) {
    for (;;) {
        char *end_a, *end_b;
        long long x = strtoll(a, &end_a, 10), y = strtoll(b, &end_b, 10);
        if (end_a == a || end_b == b)
            return true;
        if (x != y)
            return false;
        a = end_a;
        b = end_b;
    }
}

static bool is_number_list(const char *text) {
    return *text && !text[strspn(text, "0123456789 \t-")];
}

/* The captured value of a knob "vm.NAME", blanks between numbers made single; false: not there, or damaged. */
static bool captured(struct vmsim__import *im, const char *name, char *value, size_t size) {
    const char *text = vmsim__capture_text(im->capture, SYSCTL);
    if (!text || !vmsim__line_value(text, name + 3, value, size))
        return false;
    size_t n = strlen(value);
    while (n && strchr(" \t\r", value[n - 1]))
        value[--n] = '\0';
    for (char *p = value; *p; p++)
        *p = *p == '\t' ? ' ' : *p;
    if (is_number_list(value))
        return true;
    vmsim__capture_note(im->capture, SYSCTL, "damaged: %s is no number; what follows from the machine is taken",
                        name + 3);
    return false;
}

/* Whether a knob takes the value; false with a note. */
static bool takes(struct vmsim__import *im, const struct vmsim__knob *knob, const char *value) {
    const struct vmsim_param *p = &knob->value;
    char *end;
    errno = 0;
    int64_t n = strtoll(value, &end, 10);
    uint64_t max = p->type == VMSIM_PARAM_BOOL ? 1 : p->max ? (uint64_t)p->max : INT64_MAX;
    if (!errno && !*end && n >= 0 && (uint64_t)n >= (uint64_t)p->min && (uint64_t)n <= max)
        return true;
    vmsim__capture_note(im->capture, SYSCTL, "damaged: %s cannot be %s; what follows from the machine is taken",
                        p->name, value);
    return false;
}

static int memory_knobs(struct vmsim__import *im, struct vmsim__mem *mem) {
    char value[256], derived[256];
    for (const struct vmsim__knob *k = vmsim__mem_knobs; k->value.name; k++) {
        const char *name = k->value.name;
        if (!captured(im, name, value, sizeof value) || !vmsim__mem_sysctl_get(mem, name, derived, sizeof derived) ||
            same_numbers(value, derived))
            continue;
        struct vmsim__err err = {0};
        if (vmsim__mem_sysctl_set(mem, name, value, &err)) {
            vmsim__capture_note(im->capture, SYSCTL, "damaged: %s; what follows from the machine is taken",
                                vmsim__err_text(&err));
            continue;
        }
        int rc = push(im, name, value, SYSCTL, derived);
        if (rc)
            return rc;
    }
    return 0;
}

/* What a knob without a fixed default comes to: a 32nd of free memory up to a limit, and the kernel's number of
 * mappings. */
static uint64_t derived_knob(const struct vmsim__mem *mem, const char *name, bool *about) {
    uint64_t kb = vmsim__mem_early_free(mem) << (mem->page_shift - 10);
    *about = true;
    if (!strcmp(name, "vm.admin_reserve_kbytes"))
        return vmsim__min64(kb / 32, 8192);
    if (!strcmp(name, "vm.user_reserve_kbytes"))
        return vmsim__min64(kb / 32, 131072);
    *about = false;
    if (!strcmp(name, "vm.mmap_min_addr"))
        return vmsim__vm_mmap_min_addr(mem->arch);
    return !strcmp(name, "vm.max_map_count") ? mem->kernel->max_map_count : 0;
}

static int table_knobs(struct vmsim__import *im, const struct vmsim__mem *mem) {
    char value[256], derived[64];
    for (const struct vmsim__knob *k = vmsim__vm_knob_table; k->value.name; k++) {
        const struct vmsim_param *p = &k->value;
        const char *name = p->name;
        if (!captured(im, name, value, sizeof value) || !takes(im, k, value))
            continue;
        bool about;
        uint64_t own = derived_knob(mem, name, &about), is = strtoull(value, NULL, 10);
        uint64_t from_table = p->fallback && !strcmp(p->fallback, "true") ? 1
                              : p->fallback                               ? strtoull(p->fallback, NULL, 0)
                                                                          : 0;
        uint64_t expect = own ? own : from_table;
        if (is == expect || (about && is >= expect - expect / 8 && is <= expect + expect / 8))
            continue;
        snprintf(derived, sizeof derived, "%llu", (unsigned long long)expect);
        if (p->type == VMSIM_PARAM_BOOL)
            snprintf(value, sizeof value, "%s", is ? "true" : "false");
        int rc = push(im, name, value, SYSCTL, derived);
        if (rc)
            return rc;
    }
    return 0;
}

/* Of a limit in percent and the same in bytes one is 0: the other one counts. */
static int dirty_knobs(struct vmsim__import *im) {
    static const char *const pairs[][2] = {{"vm.dirty_bytes", "vm.dirty_ratio"},
                                           {"vm.dirty_background_bytes", "vm.dirty_background_ratio"}};
    char bytes[256], ratio[256];
    for (size_t i = 0; i < VMSIM__COUNT(pairs); i++) {
        const struct vmsim__knob *in_bytes = vmsim__knob_find(vmsim__cache_knobs, pairs[i][0]);
        const struct vmsim__knob *in_percent = vmsim__knob_find(vmsim__cache_knobs, pairs[i][1]);
        int rc = 0;
        if (captured(im, pairs[i][0], bytes, sizeof bytes) && strcmp(bytes, "0") && takes(im, in_bytes, bytes))
            rc = push(im, pairs[i][0], bytes, SYSCTL, "0");
        else if (captured(im, pairs[i][1], ratio, sizeof ratio) && strcmp(ratio, in_percent->value.fallback) &&
                 takes(im, in_percent, ratio))
            rc = push(im, pairs[i][1], ratio, SYSCTL, in_percent->value.fallback);
        if (rc)
            return rc;
    }
    return 0;
}

/* The word in brackets of "always [madvise] never". */
static bool chosen_word(const char *text, const char *key, char *word, size_t size) {
    char value[256];
    if (!text || !vmsim__line_value(text, key, value, sizeof value))
        return false;
    const char *open = strchr(value, '['), *close = open ? strchr(open, ']') : NULL;
    if (!close || (size_t)(close - open) > size)
        return false;
    memcpy(word, open + 1, (size_t)(close - open - 1));
    word[close - open - 1] = '\0';
    return true;
}

/* One choice among `names`; what follows from the machine is `derived`. */
static int thp_choice(struct vmsim__import *im, const char *text, const char *key, const char *const *names,
                      const char *derived) {
    char word[32] = "", knob[64];
    bool known = chosen_word(text, key, word, sizeof word);
    for (size_t i = 0; known && names[i] && strcmp(names[i], word) != 0; i++)
        known = names[i + 1] != NULL;
    snprintf(knob, sizeof knob, "transparent_hugepage/%s", key);
    if (known)
        return strcmp(word, derived) ? push(im, knob, word, THP, derived) : 0;
    vmsim__capture_note(im->capture, THP, "damaged: it does not say what is %s; '%s' follows from the machine", key,
                        derived);
    return 0;
}

static int thp_knobs(struct vmsim__import *im, const struct vmsim__mem *mem) {
    const struct vmsim__knob *defrag = vmsim__knob_find(vmsim__thp_knob_table, "transparent_hugepage/defrag");
    char word[32];
    const char *text = vmsim__capture_text(im->capture, THP);
    if (im->spec.arch == VMSIM__ARCH_ARM) /* has no huge pages */
        return 0;
    if (!text) {
        vmsim__capture_note(im->capture, THP, "missing: transparent huge pages are as the kernel's options say");
        return 0;
    }
    int rc = thp_choice(im, text, "enabled", vmsim__thp_mode_names, vmsim__thp_mode_names[mem->thp_enabled]);
    if (rc || !mem->thp_available)
        return rc;
    rc = thp_choice(im, text, "defrag", defrag->value.choices, defrag->value.fallback);
    if (!rc && vmsim__line_value(text, "use_zero_page", word, sizeof word) && !strcmp(word, "0"))
        rc = push(im, "transparent_hugepage/use_zero_page", "false", THP, "true");
    return rc;
}

int vmsim__import_sysctls(struct vmsim__import *im, struct vmsim__mem *mem) {
    int rc = thp_knobs(im, mem);
    if (!vmsim__capture_text(im->capture, SYSCTL))
        vmsim__capture_note(im->capture, SYSCTL, "missing: all settings are what follows from the machine");
    rc = rc ? rc : table_knobs(im, mem);
    rc = rc ? rc : dirty_knobs(im);
    return rc ? rc : memory_knobs(im, mem);
}
