/* SPDX-License-Identifier: MIT */
/* Points of a grid by number, and what makes two grids the same (sweep_grid.h). */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/outcome.h"
#include "cli/sweep_grid.h"

/* Everything of a grid goes at once, so nothing is freed by itself. Without memory for a description there is
 * nothing to go on with. */
void *grid_alloc(struct grid *g, size_t size) {
    void **blocks = g->block_count % 64 ? g->blocks : realloc(g->blocks, (g->block_count + 64) * sizeof *blocks);
    void *block = calloc(1, size ? size : 1);
    if (!blocks || !block) {
        cli_fail(EXIT_INTERNAL, "sweep", "%s", strerror(ENOMEM));
        exit(EXIT_INTERNAL);
    }
    blocks[g->block_count++] = block;
    g->blocks = blocks;
    return block;
}

char *grid_text(struct grid *g, const char *text, size_t length) {
    assert(text || !length);
    char *copy = grid_alloc(g, length + 1);
    memcpy(copy, text, length);
    return copy;
}

void grid_free(struct grid *g) {
    for (size_t i = 0; i < g->block_count; i++)
        free(g->blocks[i]);
    free(g->blocks);
    free(g->text);
    cli_input_free(&g->in);
    *g = (struct grid){0};
}

/* Points are numbered like digits, the last axis running fastest: a number says all, and shards need no list. */
size_t grid_entry_of(const struct grid *g, uint64_t point, size_t axis) {
    assert(point < g->points && axis < g->axis_count);
    for (size_t i = g->axis_count - 1; i > axis; i--)
        point /= g->axes[i].count;
    return (size_t)(point % g->axes[axis].count);
}

static const struct grid_entry *entry_at(const struct grid *g, uint64_t point, size_t axis) {
    return &g->axes[axis].entries[grid_entry_of(g, point, axis)];
}

/* ---- exclusion ---- */

/* By the axis' own name and label, or by a key and the value that is set. */
static bool has(const struct grid *g, uint64_t point, const struct grid_setting *pair) {
    assert(pair->key && pair->value);
    for (size_t a = 0; a < g->axis_count; a++) {
        const struct grid_entry *e = entry_at(g, point, a);
        if (!strcmp(g->axes[a].name, pair->key) && !strcmp(e->label, pair->value))
            return true;
        for (size_t i = 0; i < g->axes[a].settings; i++) {
            if (!strcmp(e->settings[i].key, pair->key) && !strcmp(e->settings[i].value, pair->value))
                return true;
        }
    }
    return false;
}

/* Pairs of one key are alternatives and stand beside each other. */
static bool matches(const struct grid *g, uint64_t point, const struct grid_exclusion *x) {
    assert(x->count > 0);
    for (size_t i = 0; i < x->count;) {
        const char *key = x->pairs[i].key;
        bool any = false;
        for (; i < x->count && x->pairs[i].key == key; i++)
            any = any || has(g, point, &x->pairs[i]);
        if (!any)
            return false;
    }
    return true;
}

bool grid_excluded(const struct grid *g, uint64_t point) {
    for (size_t i = 0; i < g->exclusion_count; i++) {
        if (matches(g, point, &g->exclusions[i]))
            return true;
    }
    return false;
}

/* ---- overrides ---- */

void grid_free_sets(char **sets, size_t count) {
    for (size_t i = 0; i < count; i++)
        free(sets[i]);
}

/* "KEY=VALUE" as --set takes it; SIZE_MAX: more than `max`, or no memory. */
size_t grid_sets(const struct grid *g, uint64_t point, char **sets, size_t max) {
    assert(point < g->points && max > 0);
    size_t n = 0;
    for (size_t a = 0; a < g->axis_count; a++) {
        const struct grid_entry *e = entry_at(g, point, a);
        for (size_t i = 0; i < g->axes[a].settings; i++) {
            if (n == max || asprintf(&sets[n], "%s=%s", e->settings[i].key, e->settings[i].value) < 0) {
                grid_free_sets(sets, n);
                return SIZE_MAX;
            }
            n++;
        }
    }
    return n;
}

/* ---- identity ---- */

/* In pieces, each hashed by itself: recordings are larger than memory. */
bool grid_hash_file(const char *path, uint64_t *hash, uint64_t *bytes) {
    char buffer[65536];
    FILE *f = fopen(path, "rb");
    size_t n;
    *hash = *bytes = 0;
    while (f && (n = fread(buffer, 1, sizeof buffer, f)) > 0) {
        *hash = *hash * 31 + outcome_hash(buffer, n);
        *bytes += n;
    }
    const bool good = f && !ferror(f);
    if (!good)
        cli_fail(EXIT_USAGE, NULL, "%s: %s", path, strerror(errno));
    if (f)
        fclose(f);
    return good;
}

static void add(uint64_t *hash, const char *text) {
    *hash = *hash * 31 + outcome_hash(text, strlen(text));
}

/* Whatever makes a point's result: a file of results goes on only with the grid that began it. Labels and the grid's
 * name do not count. */
bool grid_hash(const struct grid *g, uint64_t *hash) {
    *hash = 1;
    for (size_t i = 0; i < g->in.file_count; i++) {
        uint64_t one, bytes;
        if (!grid_hash_file(g->in.files[i], &one, &bytes))
            return false;
        *hash = *hash * 31 + one;
    }
    for (size_t i = 0; i < g->in.set_count; i++)
        add(hash, g->in.sets[i]);
    for (size_t a = 0; a < g->axis_count; a++) {
        add(hash, g->axes[a].name);
        for (size_t i = 0; i < g->axes[a].count; i++) {
            for (size_t k = 0; k < g->axes[a].settings; k++) {
                add(hash, g->axes[a].entries[i].settings[k].key);
                add(hash, g->axes[a].entries[i].settings[k].value);
            }
        }
    }
    for (size_t i = 0; i < g->exclusion_count; i++) {
        for (size_t k = 0; k < g->exclusions[i].count; k++) {
            add(hash, g->exclusions[i].pairs[k].key);
            add(hash, g->exclusions[i].pairs[k].value);
        }
    }
    for (size_t i = 0; i < g->counter_count; i++)
        add(hash, g->counters[i]);
    return true;
}
