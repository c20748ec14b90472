/* SPDX-License-Identifier: MIT */
/* What a comparison found, written: first what makes the runs unlike, then what changed, then the bounds. Runs are
 * called A, B, C ... in tables, as their names may be long, and alike. */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "report/emitter.h"
#include "report/run_compare.h"

static const char *const letters[] = {"A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P"};
static const char *const halves[] = {"A_ci95", "B_ci95", "C_ci95", "D_ci95", "E_ci95", "F_ci95", "G_ci95", "H_ci95"};
static const char *const changes[] = {"",         "change_B", "change_C", "change_D", "change_E", "change_F",
                                      "change_G", "change_H", "change_I", "change_J", "change_K", "change_L",
                                      "change_M", "change_N", "change_O", "change_P"};
_Static_assert(VMSIM__COUNT(letters) == VMSIM_COMPARE_RUNS && VMSIM__COUNT(changes) == VMSIM_COMPARE_RUNS,
               "a letter a run");

/* Changes that are shown: those beyond the threshold, the largest first. */
static size_t shown(const struct vmsim__compare *c, bool all) {
    size_t n = 0;
    while (n < c->changes.count && c->changes.at[n].share >= c->options->threshold)
        n++;
    return !all && c->options->rows && n > c->options->rows ? c->options->rows : n;
}

/* What became of the first run's value in each of the others. */
static void put_change(struct vmsim__emitter *e, const struct vmsim__compare *c, const char *name) {
    uint64_t first, value;
    char text[64];
    bool there = vmsim__compare_value(c, 0, name, &first);
    for (size_t i = 1; i < c->count; i++) {
        bool here = vmsim__compare_value(c, i, name, &value);
        vmsim__emit_string(e, c->count > 2 ? changes[i] : "change",
                           there && here ? vmsim__change_text(first, value, text, sizeof text)
                           : here        ? "only here"
                           : there       ? "not here"
                                         : NULL);
    }
}

/* Half of the interval of a mean. Two runs at least make a group. */
static uint64_t half(const struct vmsim__compare *c, size_t run, const char *name) {
    VMSIM__ASSERT(run < VMSIM__COUNT(halves));
    return (uint64_t)json_integer_value(json_object_get(c->spread[run], name));
}

static void emit_changes(struct vmsim__emitter *e, const struct vmsim__compare *c, size_t rows) {
    vmsim__emit_array(e, "changes");
    for (size_t i = 0; i < rows; i++) {
        const char *name = c->changes.at[i].name;
        uint64_t value;
        vmsim__emit_object(e, NULL);
        vmsim__emit_string(e, "counter", name);
        for (size_t r = 0; r < c->count; r++) {
            if (vmsim__compare_value(c, r, name, &value))
                vmsim__emit_uint(e, letters[r], value, VMSIM__UNIT_COUNT);
            else
                vmsim__emit_string(e, letters[r], NULL);
            if (c->spread[0])
                vmsim__emit_uint(e, halves[r], half(c, r, name), VMSIM__UNIT_COUNT);
        }
        put_change(e, c, name);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}

static void emit_unlike(struct vmsim__emitter *e, const struct vmsim__compare *c, size_t rows) {
    vmsim__emit_array(e, "unlike");
    for (size_t i = 0; i < c->unlike.count && i < rows; i++) {
        const char *name = c->unlike.at[i];
        vmsim__emit_object(e, NULL);
        vmsim__emit_string(e, "what", name + (*name == ' '));
        for (size_t r = 0; r < c->count; r++)
            vmsim__emit_string(e, letters[r], vmsim__compare_setting(c, r, name));
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}

static void emit_breaches(struct vmsim__emitter *e, const struct vmsim__compare *c) {
    vmsim__emit_array(e, "broken_bounds");
    for (size_t i = 0; i < c->breaches.count; i++) {
        const struct vmsim__breach *b = &c->breaches.at[i];
        uint64_t first, value;
        char text[64];
        bool both = vmsim__compare_value(c, 0, b->name, &first);
        both = vmsim__compare_value(c, b->run, b->name, &value) && both;
        vmsim__emit_object(e, NULL);
        vmsim__emit_string(e, "counter", b->name);
        vmsim__emit_string(e, "run", letters[b->run]);
        vmsim__emit_string(e, "bound", strrchr(b->gate, '=') + 1);
        vmsim__emit_string(e, "change", both ? vmsim__change_text(first, value, text, sizeof text) : "not in both");
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}

static void put_legend(const struct vmsim__compare *c, struct vmsim__textbuf *out) {
    for (size_t i = 0; i < c->count; i++) {
        vmsim__textbuf_printf(out, "%s  %s", letters[i], c->runs[i]->directory);
        if (c->spread[0])
            vmsim__textbuf_printf(out, " and %zu more with other seeds", c->repeats[i] - 1);
        vmsim__textbuf_puts(out, "\n");
    }
}

/* "12 of 860 numbers changed, 3 of them by 1 % or more". */
static void put_verdict(const struct vmsim__compare *c, struct vmsim__textbuf *out) {
    const size_t all = c->changes.count + c->same, beyond = shown(c, true), rows = shown(c, false);
    if (!c->changes.count)
        vmsim__textbuf_printf(
            out, c->spread[0] ? "all %zu numbers are as chance has it\n" : "all %zu numbers are the same\n", all);
    else if (c->spread[0])
        vmsim__textbuf_printf(out, "%zu of %zu numbers changed by more than chance", c->changes.count, all);
    else
        vmsim__textbuf_printf(out, "%zu of %zu numbers changed", c->changes.count, all);
    if (c->changes.count && beyond < c->changes.count)
        vmsim__textbuf_printf(out, ", %zu of them by the threshold or more", beyond);
    if (c->changes.count && rows < beyond)
        vmsim__textbuf_printf(out, "; the largest %zu are shown", rows);
    vmsim__textbuf_puts(out, c->changes.count ? "\n" : "");
    if (c->options->gate_count)
        vmsim__textbuf_printf(out, c->breaches.count ? "bounds: %zu broken: FAILED\n" : "bounds: all hold\n",
                              c->breaches.count);
}

#define UNLIKE_ROWS 40u

void vmsim__changes_text(const struct vmsim__compare *c, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(c->count >= 2);
    struct vmsim__emitter e;
    put_legend(c, out);
    vmsim__emitter_text(&e, out);
    if (c->unlike.count)
        emit_unlike(&e, c, UNLIKE_ROWS);
    if (c->unlike.count > UNLIKE_ROWS)
        vmsim__textbuf_printf(out, "  ... and %zu more\n", c->unlike.count - UNLIKE_ROWS);
    if (shown(c, false))
        emit_changes(&e, c, shown(c, false));
    if (c->breaches.count)
        emit_breaches(&e, c);
    vmsim__emitter_fini(&e);
    vmsim__textbuf_puts(out, "\n");
    put_verdict(c, out);
}

void vmsim__changes_json(const struct vmsim__compare *c, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(c->count >= 2);
    struct vmsim__emitter e;
    vmsim__emitter_json(&e, out);
    vmsim__emit_object(&e, NULL);
    vmsim__emit_string(&e, "schema", "vmsim-compare");
    vmsim__emit_string(&e, "schema_version", "1.0");
    vmsim__emit_object(&e, "runs");
    for (size_t i = 0; i < c->count; i++)
        vmsim__emit_string(&e, letters[i], c->runs[i]->directory);
    vmsim__emit_object_end(&e);
    vmsim__emit_uint(&e, "numbers", c->changes.count + c->same, VMSIM__UNIT_COUNT);
    vmsim__emit_uint(&e, "changed", c->changes.count, VMSIM__UNIT_COUNT);
    emit_unlike(&e, c, SIZE_MAX);
    emit_changes(&e, c, shown(c, true));
    emit_breaches(&e, c);
    vmsim__emit_object_end(&e);
    vmsim__emitter_fini(&e);
}

/* ---- Markdown ---- */

static void put_cell(struct vmsim__textbuf *out, const char *text) {
    vmsim__textbuf_puts(out, " ");
    for (; *text; text++) {
        if (strchr("|\\`*_<>[]&#", *text))
            vmsim__textbuf_puts(out, "\\");
        vmsim__textbuf_add(out, (unsigned char)*text < ' ' ? " " : text, 1);
    }
    vmsim__textbuf_puts(out, " |");
}

static void put_titles(const struct vmsim__compare *c, struct vmsim__textbuf *out, const char *title, const char *first,
                       const char *side) {
    vmsim__textbuf_printf(out, "\n### %s\n\n|", title);
    put_cell(out, first);
    for (size_t i = 0; i < c->count; i++)
        put_cell(out, letters[i]);
    if (side)
        put_cell(out, side);
    vmsim__textbuf_puts(out, "\n| --- |");
    for (size_t i = 0; i < c->count + (side != NULL); i++)
        vmsim__textbuf_puts(out, side ? " ---: |" : " --- |");
    vmsim__textbuf_puts(out, "\n");
}

static void put_row(const struct vmsim__compare *c, struct vmsim__textbuf *out, const char *name) {
    uint64_t value = 0, first;
    char text[64];
    bool there = vmsim__compare_value(c, 0, name, &first), here = true;
    vmsim__textbuf_puts(out, "|");
    put_cell(out, name);
    for (size_t i = 0; i < c->count; i++) {
        here = vmsim__compare_value(c, i, name, &value);
        vmsim__grouped_text(value, text, sizeof text);
        if (c->spread[0])
            snprintf(text + strlen(text), sizeof text - strlen(text), " +- %llu", (unsigned long long)half(c, i, name));
        put_cell(out, here ? text : "-");
    }
    put_cell(out, there && here ? vmsim__change_text(first, value, text, sizeof text) : "-");
    vmsim__textbuf_puts(out, "\n");
}

/* For a merge request: bounds first, as they are why somebody reads on, then numbers, then what makes the runs unlike,
 * which may explain both. */
void vmsim__changes_markdown(const struct vmsim__compare *c, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(c->count >= 2);
    vmsim__textbuf_puts(out, "## vmsim compare\n\n");
    for (size_t i = 0; i < c->count; i++)
        vmsim__textbuf_printf(out, "- %s: `%s`\n", letters[i], vmsim__run_name(c->runs[i]));
    vmsim__textbuf_puts(out, "\n");
    put_verdict(c, out);
    if (c->breaches.count)
        vmsim__textbuf_puts(out, "\n### Broken bounds\n\n");
    for (size_t i = 0; i < c->breaches.count; i++) {
        vmsim__textbuf_printf(out, "- **%s**:", letters[c->breaches.at[i].run]);
        put_cell(out, c->breaches.at[i].name);
        vmsim__textbuf_printf(out, " bound %s\n", strrchr(c->breaches.at[i].gate, '=') + 1);
    }
    if (shown(c, false))
        put_titles(c, out, "Changes", "Counter", c->count > 2 ? "Change of the last" : "Change");
    for (size_t i = 0; i < shown(c, false); i++)
        put_row(c, out, c->changes.at[i].name);
    if (c->unlike.count)
        put_titles(c, out, "What makes the runs unlike", "What", NULL);
    for (size_t i = 0; i < c->unlike.count && i < UNLIKE_ROWS; i++) {
        vmsim__textbuf_puts(out, "|");
        put_cell(out, c->unlike.at[i] + (*c->unlike.at[i] == ' '));
        for (size_t r = 0; r < c->count; r++) {
            const char *text = vmsim__compare_setting(c, r, c->unlike.at[i]);
            put_cell(out, text ? text : "-");
        }
        vmsim__textbuf_puts(out, "\n");
    }
}
