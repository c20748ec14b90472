/* SPDX-License-Identifier: MIT */
/* Which files are tests (suite.h): those that are named, and in a folder each YAML file that has a line `expect:`.
 * Files that others include, presets and half-scenarios have none and are left alone, as are the run directories that
 * earlier runs left there: each holds a resolved.yaml, which repeats its scenario. */
#include <assert.h>
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"
#include "cli/suite.h"

static bool add_case(struct suite *s, const char *path, bool named) {
    assert(s->count <= s->room && path);
    if (s->count == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        struct suite_case *grown = realloc(s->cases, room * sizeof *grown);
        if (!grown)
            return false;
        s->cases = grown;
        s->room = room;
    }
    struct suite_case c = {.path = strdup(path), .named = named};
    if (!c.path)
        return false;
    s->cases[s->count++] = c;
    return true;
}

static bool is_yaml(const char *name) {
    assert(name);
    const char *dot = strrchr(name, '.');
    return dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml"));
}

static bool has_expectations(const char *path) {
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    FILE *f = fopen(path, "re");
    while (f && !found && getline(&line, &room, f) > 0)
        found = !strncmp(line, "expect:", 7);
    free(line);
    if (f)
        fclose(f);
    return found;
}

static int by_name(const FTSENT **a, const FTSENT **b) {
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int add_folder(struct suite *s, const char *path) {
    char *copy = strdup(path), *roots[] = {copy, NULL};
    FTS *tree = copy ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name) : NULL;
    int status = tree ? EXIT_FINE : cli_fail(EXIT_INTERNAL, "test", "%s: %s", path, strerror(errno));
    for (FTSENT *e; !status && (e = fts_read(tree)) != NULL;) {
        if (e->fts_info == FTS_D && e->fts_level > 0 && (*e->fts_name == '.' || cli_is_run(e->fts_path)))
            fts_set(tree, e, FTS_SKIP);
        else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR)
            status = cli_fail(EXIT_USAGE, "test", "%s: %s", e->fts_path, strerror(e->fts_errno));
        else if (e->fts_info == FTS_F && is_yaml(e->fts_name) && has_expectations(e->fts_path) &&
                 !add_case(s, e->fts_path, false))
            status = cli_fail(EXIT_INTERNAL, "test", "%s", strerror(ENOMEM));
    }
    if (tree)
        fts_close(tree);
    free(copy);
    return status;
}

int suite_add(struct suite *s, const char *path) {
    struct stat st;
    if (stat(path, &st))
        return cli_fail(EXIT_USAGE, "test", "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return add_folder(s, path);
    return add_case(s, path, true) ? EXIT_FINE : cli_fail(EXIT_INTERNAL, "test", "%s", strerror(ENOMEM));
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct suite_case *)a)->path, ((const struct suite_case *)b)->path);
}

void suite_sort(struct suite *s) {
    assert(s->cases || !s->count);
    size_t kept = 0;
    if (s->count)
        qsort(s->cases, s->count, sizeof *s->cases, by_path);
    for (size_t i = 0; i < s->count; i++) {
        if (kept && !strcmp(s->cases[kept - 1].path, s->cases[i].path))
            free(s->cases[i].path);
        else
            s->cases[kept++] = s->cases[i];
    }
    assert(kept <= s->count);
    s->count = kept;
}

void suite_free(struct suite *s) {
    for (size_t i = 0; i < s->count; i++) {
        free(s->cases[i].path);
        free(s->cases[i].text);
        free(s->cases[i].checks);
        free(s->cases[i].errors);
    }
    free(s->cases);
    free(s->sets);
    free(s->dirs);
}
