/* SPDX-License-Identifier: MIT */
/* Series of values of a grid's axis: steps and factors over numbers with units (sweep_grid.h). */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/sweep_grid.h"

/* "64MiB": bytes of sizes, else the number as it is with what stands behind it. */
struct quantity {
    uint64_t n;
    bool size;
    const char *unit;
};

static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
#define UNITS (sizeof units / sizeof *units)

/* "20%" and "3" keep what stands behind the number; sizes are counted in bytes so that 512KiB and 1MiB can meet. */
static bool parse(const char *text, struct quantity *q) {
    char *end;
    errno = 0;
    q->n = strtoull(text, &end, 10);
    q->unit = end;
    q->size = false;
    if (end == text || *text == '-' || errno || *end == '.')
        return false;
    for (unsigned i = 0; i < UNITS; i++) {
        if (strcmp(end, units[i]) != 0)
            continue;
        q->size = true;
        if (q->n > UINT64_MAX >> (10 * i))
            return false;
        q->n <<= 10 * i;
    }
    return true;
}

/* 96MiB, not 100663296B. */
static const char *print(struct grid *g, const struct quantity *q, uint64_t n) {
    assert(q->size || q->unit);
    char text[64];
    unsigned i = 0;
    if (!q->size) {
        snprintf(text, sizeof text, "%" PRIu64 "%.20s", n, q->unit);
        return grid_text(g, text, strlen(text));
    }
    while (n && i + 1 < UNITS && n % 1024 == 0) {
        n /= 1024;
        i++;
    }
    snprintf(text, sizeof text, "%" PRIu64 "%s", n, units[i]);
    return grid_text(g, text, strlen(text));
}

/* The value behind `n`; false: there is none up to `to`. */
static bool advance(uint64_t *n, uint64_t to, uint64_t step, uint64_t factor) {
    assert(step || factor > 1000); /* else it would never end */
    uint64_t next;
    if (step ? __builtin_add_overflow(*n, step, &next) : __builtin_mul_overflow(*n, factor, &next))
        return false;
    next = step ? next : next / 1000;
    if (next > to || next <= *n)
        return false;
    *n = next;
    return true;
}

/* Told before the values are made, so that a slip in a step does not fill the host's memory. */
static uint64_t count_values(uint64_t from, uint64_t to, uint64_t step, uint64_t factor) {
    assert(from <= to);
    if (step)
        return (to - from) / step + 1;
    uint64_t n = 1;
    while (advance(&from, to, step, factor))
        n++;
    return n;
}

static const char *disagree(const struct quantity *a, const struct quantity *b) {
    if (a->size != b->size || (!a->size && strcmp(a->unit, b->unit) != 0))
        return "the units differ";
    return NULL;
}

/* NULL and *why, or NULL and a *count that is too large to be made. */
const char **grid_series(struct grid *g, const char *from, const char *to, const char *step, uint64_t factor,
                         uint64_t *count, const char **why) {
    struct quantity a, b, s = {0};
    *count = 0;
    *why = "not a number with a unit: whole numbers, as 3, 20%, 16MiB";
    if (!parse(from, &a) || !parse(to, &b) || (step && !parse(step, &s)))
        return NULL;
    *why = disagree(&a, &b);
    if (!*why && step)
        *why = disagree(&a, &s);
    if (!*why && b.n < a.n)
        *why = "`to` is less than `from`";
    if (!*why && step && !s.n)
        *why = "a step of 0 comes to no end";
    if (!*why && !step && (factor <= 1000 || !a.n))
        *why = "a factor must be more than 1, and `from` more than 0";
    if (*why)
        return NULL;
    *count = count_values(a.n, b.n, s.n, factor);
    if (*count > GRID_POINTS_MAX)
        return NULL;
    const char **values = grid_alloc(g, *count * sizeof *values);
    for (uint64_t i = 0, n = a.n; i < *count; i++, advance(&n, b.n, s.n, factor))
        values[i] = print(g, &a, n);
    return values;
}
