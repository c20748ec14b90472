/* SPDX-License-Identifier: MIT */
/* Which values are not the same in all runs, and which bounds that breaks (see run_compare.h). Everything is integers:
 * the share of a change is in millionths of what it was, and what was 0 has changed by more than any share. */
#include "report/run_compare.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "base/util.h"
#include "report/report_files.h"

#define MILLION UINT64_C(1000000)

/* ---- values ---- */

bool vmsim__compare_value(const struct vmsim__compare *c, size_t run, const char *name, uint64_t *value) {
    VMSIM__ASSERT(run < c->count);
    const json_t *v = json_object_get(c->numbers[run], name);
    *value = v ? (uint64_t)json_integer_value(v) : 0;
    return v != NULL;
}

const char *vmsim__compare_setting(const struct vmsim__compare *c, size_t run, const char *name) {
    VMSIM__ASSERT(run < c->count);
    return json_string_value(json_object_get(c->settings[run], name));
}

static uint64_t share_of(uint64_t a, uint64_t b) {
    const uint64_t by = a > b ? a - b : b - a;
    if (!a)
        return by ? VMSIM__SHARE_MOST : 0;
    const unsigned __int128 share = (unsigned __int128)by * MILLION / a;
    return share < VMSIM__SHARE_MOST ? (uint64_t)share : VMSIM__SHARE_MOST - 1;
}

char *vmsim__change_text(uint64_t a, uint64_t b, char *text, size_t size) {
    const uint64_t share = share_of(a, b) == VMSIM__SHARE_MOST ? 0 : (share_of(a, b) + 50) / 100; /* of 10000 */
    if (a == b)
        snprintf(text, size, "=");
    else if (!a)
        snprintf(text, size, "new");
    else
        snprintf(text, size, "%c%llu.%02llu %%", b > a ? '+' : '-', (unsigned long long)(share / 100),
                 (unsigned long long)(share % 100));
    return text;
}

static bool looked_at(const struct vmsim__compare *c, const char *name) {
    return !c->options->pattern || !fnmatch(c->options->pattern, name, 0);
}

/* Means of repetitions are the same where chance may have made the difference. */
static bool is_same(const struct vmsim__compare *c, size_t run, const char *name, uint64_t first, uint64_t value) {
    return c->spread[0] ? !vmsim__compare_apart(c, run, name, first, value) : first == value;
}

static bool add_name(struct vmsim__compare *c, const char *name) {
    struct vmsim__change change = {.name = name};
    uint64_t first, other;
    bool there = vmsim__compare_value(c, 0, name, &first), same = true;
    for (size_t i = 1; i < c->count; i++) {
        bool here = vmsim__compare_value(c, i, name, &other);
        if (here == there && is_same(c, i, name, first, other))
            continue;
        same = false;
        change.share = vmsim__max64(change.share, here == there ? share_of(first, other) : VMSIM__SHARE_MOST);
    }
    c->same += same;
    return same || vmsim__vec_push(c->alloc, &c->changes, change);
}

/* The largest first; equal ones in the order of the report, which says what belongs together. */
static int larger(const void *a, const void *b) {
    const struct vmsim__change *x = a, *y = b;
    if (x->share != y->share)
        return x->share > y->share ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int find_changes(struct vmsim__compare *c) {
    const char *name;
    const json_t *value;
    for (size_t i = 0; i < c->count; i++) {
        json_object_foreach(c->numbers[i], name, value) {
            size_t before = c->names.count;
            if (!looked_at(c, name))
                continue;
            if (vmsim__names_add(c->alloc, &c->names, name) == VMSIM__NO_NAME)
                return VMSIM_ENOMEM;
            if (c->names.count > before && !add_name(c, c->names.at[before].text))
                return VMSIM_ENOMEM;
        }
    }
    if (c->changes.count)
        qsort(c->changes.at, c->changes.count, sizeof *c->changes.at, larger);
    return 0;
}

/* ---- what makes them unlike ---- */

/* What stands in the settings for the run itself: with a blank, which no key begins with. */
static bool add_own(struct vmsim__compare *c, size_t run) {
    const struct vmsim_run *r = c->runs[run];
    json_t *s = c->settings[run];
    const json_t *inputs = json_object_get(r->manifest, "inputs"), *input;
    size_t i;
    char version[100];
    const char *commit = vmsim__json_text(r->manifest, "commit");
    snprintf(version, sizeof version, "%.40s%s%.40s", vmsim__json_text(r->stats, "vmsim"), *commit ? ", commit " : "",
             commit);
    bool fine = !json_object_set_new(s, " version of vmsim", json_string(version));
    json_array_foreach(inputs, i, input) {
        char name[600];
        snprintf(name, sizeof name, " input %s", vmsim__json_text(input, "path"));
        fine = fine && !json_object_set_new(s, name, json_string(vmsim__json_text(input, "xxh64")));
    }
    return fine;
}

static bool unlike(const struct vmsim__compare *c, const char *name) {
    const char *first = vmsim__compare_setting(c, 0, name);
    for (size_t i = 1; i < c->count; i++) {
        const char *other = vmsim__compare_setting(c, i, name);
        if (!first != !other || (first && strcmp(first, other) != 0))
            return true;
    }
    return false;
}

static int find_unlike(struct vmsim__compare *c) {
    const char *name;
    const json_t *value;
    for (size_t i = 0; i < c->count; i++) {
        json_object_foreach(c->settings[i], name, value) {
            bool told = false;
            for (size_t before = 0; before < i; before++) /* then it was looked at there */
                told |= vmsim__compare_setting(c, before, name) != NULL;
            if (!told && unlike(c, name) && !vmsim__vec_push(c->alloc, &c->unlike, name))
                return VMSIM_ENOMEM;
        }
    }
    return 0;
}

/* ---- gates ---- */

/* "1%", "-0.5%": millionths and on which side; false: it is none. */
static bool parse_bound(const char *text, uint64_t *share, bool *below) {
    uint64_t n = 0, unit = 10000;
    bool digits = false;
    *below = *text == '-';
    for (text += *text == '-' || *text == '+'; *text >= '0' && *text <= '9' && n < UINT64_MAX / 100;
         text++, digits = true)
        n = n * 10 + (uint64_t)(*text - '0');
    n *= unit;
    if (*text == '.') {
        for (text++; *text >= '0' && *text <= '9' && unit > 1; text++, digits = true)
            n += (uint64_t)(*text - '0') * (unit /= 10);
    }
    *share = n;
    return digits && !strcmp(text, "%");
}

/* Whether `value` lies beyond the bound that `first` gives. */
static bool broken(uint64_t first, uint64_t value, uint64_t share, bool below) {
    if (below ? value >= first : value <= first)
        return false;
    const unsigned __int128 by = below ? first - value : value - first;
    return by * MILLION > (unsigned __int128)first * share;
}

static int check_name(struct vmsim__compare *c, const char *gate, const char *name, uint64_t share, bool below) {
    uint64_t first, value;
    bool there = vmsim__compare_value(c, 0, name, &first);
    for (size_t i = 1; i < c->count; i++) {
        bool here = vmsim__compare_value(c, i, name, &value);
        if (here == there && (!broken(first, value, share, below) || is_same(c, i, name, first, value)))
            continue;
        if (!vmsim__vec_push(c->alloc, &c->breaches, (struct vmsim__breach){name, gate, i}))
            return VMSIM_ENOMEM;
    }
    return 0;
}

/* Which of them may have been meant? Without memory to look, none. */
static int no_counter(struct vmsim__compare *c, const char *pattern, const char *where) {
    const char **all = vmsim__calloc(c->alloc, c->names.count + 1, sizeof *all);
    for (size_t i = 0; all && i < c->names.count; i++)
        all[i] = c->names.at[i].text;
    const char *meant = all ? vmsim__closest(pattern, all, sizeof *all) : NULL;
    vmsim__free(c->alloc, all, (c->names.count + 1) * sizeof *all);
    return vmsim__err_set(c->err, VMSIM_EINVAL, "none of the runs has a counter '%s'%s%s%s%s", pattern, where,
                          meant ? " (did you mean '" : "", meant ? meant : "", meant ? "'?)" : "");
}

static int check_gate(struct vmsim__compare *c, const char *gate) {
    const char *equals = strrchr(gate, '=');
    char pattern[600];
    uint64_t share;
    bool below, any = false;
    size_t length = equals ? (size_t)(equals - gate) : 0;
    if (!length || length >= sizeof pattern || !parse_bound(equals + 1, &share, &below))
        return vmsim__err_set(c->err, VMSIM_EINVAL,
                              "'%s' is no bound: COUNTER=SHARE, as in vmstat.pgmajfault=1%% (-1%%: not less)", gate);
    memcpy(pattern, gate, length);
    pattern[length] = '\0';
    for (size_t i = 0; i < c->names.count; i++) {
        const char *name = c->names.at[i].text;
        if (fnmatch(pattern, name, 0) != 0)
            continue;
        any = true;
        if (check_name(c, gate, name, share, below))
            return VMSIM_ENOMEM;
    }
    return any ? 0 : no_counter(c, pattern, c->options->pattern ? " among those that are looked at" : "");
}

/* ---- all of it ---- */

static int gather(struct vmsim__compare *c) {
    for (size_t i = 0; i < c->count; i++) {
        c->numbers[i] = vmsim__run_numbers(c->runs[i]);
        c->settings[i] = vmsim__run_settings(c->runs[i]);
        if (!c->numbers[i] || !c->settings[i] || !add_own(c, i))
            return VMSIM_ENOMEM;
    }
    int err = c->options->seeds ? vmsim__compare_seeds(c) : 0;
    err = err ? err : find_unlike(c);
    err = err ? err : find_changes(c);
    if (!err && c->options->pattern && !c->names.count)
        return no_counter(c, c->options->pattern, "");
    for (size_t i = 0; !err && i < c->options->gate_count; i++)
        err = check_gate(c, c->options->gates[i]);
    return err;
}

static void release(struct vmsim__compare *c) {
    for (size_t i = 0; i < c->count; i++) {
        json_decref(c->numbers[i]);
        json_decref(c->settings[i]);
        json_decref(c->spread[i]);
    }
    vmsim__names_fini(c->alloc, &c->names);
    vmsim__vec_fini(c->alloc, &c->changes);
    vmsim__vec_fini(c->alloc, &c->unlike);
    vmsim__vec_fini(c->alloc, &c->breaches);
}

static int check_runs(struct vmsim_run *const *runs, size_t count, struct vmsim__err *err) {
    if (count < 2 || count > VMSIM_COMPARE_RUNS)
        return vmsim__err_set(err, VMSIM_EINVAL, "2 to %d runs are compared, not %zu", VMSIM_COMPARE_RUNS, count);
    for (size_t i = 0; i < count; i++) {
        if (!runs[i] || !runs[i]->stats)
            return vmsim__err_set(err, VMSIM_EINVAL, "run %zu could not be read", i + 1);
    }
    return 0;
}

/* Errors stand on the first run, which is the one that the others are compared with. The result is told in any case in
 * which there is one, whatever format the text has: gates go by it. */
int vmsim_run_compare(struct vmsim_run *const *runs, size_t count, const struct vmsim_compare_options *options,
                      enum vmsim_compare_format format, const char **text, size_t *size,
                      struct vmsim_compare_result *result) {
    static void (*const formats[])(const struct vmsim__compare *, struct vmsim__textbuf *) = {
        vmsim__changes_text, vmsim__changes_markdown, vmsim__changes_json, vmsim__changes_html};
    static const struct vmsim_compare_options defaults = {.size = sizeof defaults};
    struct vmsim__textbuf out;
    if (!runs || !count || !runs[0] || !text)
        return VMSIM_EINVAL;
    *text = NULL;
    struct vmsim__compare c = {
        .runs = runs, .options = options ? options : &defaults, .alloc = runs[0]->alloc, .err = &runs[0]->err};
    int err = check_runs(runs, count, c.err);
    if (!err && ((unsigned)format >= VMSIM__COUNT(formats) || c.options->size != sizeof *options))
        err = vmsim__err_set(c.err, VMSIM_EINVAL, "there is no comparison of kind %d", (int)format);
    if (err)
        return err;
    c.count = count;
    err = gather(&c);
    if (!err) {
        vmsim__textbuf_init(&out, c.alloc);
        formats[format](&c, &out);
        err = vmsim__textbuf_give(&out, text, size, c.err);
    }
    if (result)
        *result = (struct vmsim_compare_result){.changed = c.changes.count, .breaches = c.breaches.count};
    release(&c);
    return err == VMSIM_ENOMEM ? vmsim__err_set(&runs[0]->err, err, "no memory to compare the runs") : err;
}
