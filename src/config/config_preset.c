/* SPDX-License-Identifier: MIT */
/* Presets: NAME.yaml in the first search directory that has it.
 *
 *     directories added -> $VMSIM_MACHINES (a:b) -> beside the library: ../share/vmsim/machines, ../../share/...
 *
 * The last finds the installed presets wherever the installation was moved to, and those of a build tree. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_impl.h"

#define SUFFIX ".yaml"

typedef int visit_fn(struct vmsim_config *c, const char *directory, void *context);

/* Directories of a list separated by ':'. `visit` returns 0 to go on. As PATH: an empty entry would be the working
 * directory, and is passed over here. */
static int visit_list(struct vmsim_config *c, const char *list, visit_fn *visit, void *context) {
    while (list && *list) {
        size_t n = strcspn(list, ":");
        const char *directory = vmsim__arena_copy(&c->arena, list, n);
        int stop = !directory ? VMSIM_ENOMEM : n ? visit(c, directory, context) : 0;
        if (stop)
            return stop;
        list += n + (list[n] == ':');
    }
    return 0;
}

/* The directory of the library (or of the program that holds these functions). NULL: unknown, or no memory. */
static const char *own_directory(struct vmsim_config *c) {
    Dl_info info;
    void *here;
    int (*function)(struct vmsim_config *, size_t *) = vmsim_config_presets;
    memcpy(&here, &function, sizeof here);
    const char *slash = dladdr(here, &info) && info.dli_fname ? strrchr(info.dli_fname, '/') : NULL;
    return slash ? vmsim__arena_copy(&c->arena, info.dli_fname, (size_t)(slash - info.dli_fname)) : NULL;
}

/* The user's own first, then the environment's, then those that came with this program, wherever it was put: a preset
 * of the same name is hidden by the one before. */
static int visit_directories(struct vmsim_config *c, visit_fn *visit, void *context) {
    int stop = 0;
    for (size_t i = 0; i < c->search.count && !stop; i++)
        stop = visit(c, c->search.at[i], context);
    if (!stop)
        stop = visit_list(c, getenv("VMSIM_MACHINES"), visit, context);
    const char *own = stop ? NULL : own_directory(c);
    const char *up[] = {"..", "../.."};
    for (size_t i = 0; own && !stop && i < VMSIM__COUNT(up); i++) {
        const char *directory = vmsim__arena_printf(&c->arena, "%s/%s/share/vmsim/machines", own, up[i]);
        stop = directory ? visit(c, directory, context) : VMSIM_ENOMEM;
    }
    return !stop && !own && c->arena.failed ? VMSIM_ENOMEM : stop;
}

/* First line of the file that is a comment and no licence; "" when there is none or the file cannot be read, NULL
 * without memory. */
static const char *first_comment(struct vmsim_config *c, const char *path) {
    char line[256];
    struct stat st;
    if (stat(path, &st) || !S_ISREG(st.st_mode)) /* opening a pipe waits for a writer */
        return "";
    FILE *f = fopen(path, "re");
    const char *found = !f && errno == ENOMEM ? NULL : "";
    while (f && found && !*found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] != '#')
            break;
        const char *text = line + 1 + strspn(line + 1, " #");
        if (*text && strncmp(text, "SPDX-", 5) != 0)
            found = vmsim__arena_copy(&c->arena, text, strlen(text));
    }
    if (f)
        fclose(f);
    return found;
}

static bool is_known(const struct vmsim_config *c, const char *name) {
    for (size_t i = 0; i < c->presets.count; i++)
        if (!strcmp(c->presets.at[i].name, name))
            return true;
    return false;
}

/* A name that an earlier directory has hides this one, as in the lookup. */
static int add_preset(struct vmsim_config *c, const char *directory, const char *file) {
    VMSIM__ASSERT(directory && file);
    size_t n = strlen(file), suffix = strlen(SUFFIX);
    if (n <= suffix || strcmp(file + n - suffix, SUFFIX) != 0 || file[0] == '.')
        return 0;
    struct vmsim__preset p = {.name = vmsim__arena_copy(&c->arena, file, n - suffix)};
    if (p.name && is_known(c, p.name))
        return 0;
    p.path = vmsim__arena_printf(&c->arena, "%s/%s", directory, file);
    p.doc = p.path ? first_comment(c, p.path) : NULL;
    return p.name && p.doc && vmsim__vec_push(c->alloc, &c->presets, p) ? 0 : VMSIM_ENOMEM;
}

static int list_directory(struct vmsim_config *c, const char *directory, void *context) {
    (void)context;
    DIR *d = opendir(directory);
    int err = !d && errno == ENOMEM ? VMSIM_ENOMEM : 0; /* any other directory is passed over */
    for (struct dirent *e; d && !err && (e = readdir(d));)
        err = add_preset(c, directory, e->d_name);
    if (d)
        closedir(d);
    return err;
}

/* Directories are read in the order of the file system, which may differ between hosts. */
static int by_name(const void *a, const void *b) {
    return strcmp(((const struct vmsim__preset *)a)->name, ((const struct vmsim__preset *)b)->name);
}

/* Asked again it looks again: directories may have been added. */
int vmsim_config_presets(struct vmsim_config *c, size_t *count) {
    if (!c || !count)
        return VMSIM_EINVAL;
    *count = 0;
    c->presets.count = 0;
    int err = visit_directories(c, list_directory, NULL);
    if (err) {
        c->presets.count = 0;
        return err;
    }
    if (c->presets.count)
        qsort(c->presets.at, c->presets.count, sizeof *c->presets.at, by_name);
    *count = c->presets.count;
    return 0;
}

const char *vmsim_config_preset_name(const struct vmsim_config *c, size_t index) {
    if (!c)
        return NULL;
    return index < c->presets.count ? c->presets.at[index].name : NULL;
}

const char *vmsim_config_preset_path(const struct vmsim_config *c, size_t index) {
    if (!c)
        return NULL;
    return index < c->presets.count ? c->presets.at[index].path : NULL;
}

const char *vmsim_config_preset_doc(const struct vmsim_config *c, size_t index) {
    if (!c)
        return NULL;
    return index < c->presets.count ? c->presets.at[index].doc : NULL;
}

struct lookup {
    const char *name, *path;
};

/* 1: found, stop looking. */
static int look_in(struct vmsim_config *c, const char *directory, void *context) {
    struct lookup *l = context;
    const char *path = vmsim__arena_printf(&c->arena, "%s/%s" SUFFIX, directory, l->name);
    if (!path)
        return VMSIM_ENOMEM;
    if (access(path, F_OK))
        return 0;
    l->path = path;
    return 1;
}

/* Names that begin with the word, for one who knows a family's name alone. */
static const char *begins_with(struct vmsim_config *c, const char *word) {
    struct vmsim__textbuf b;
    size_t found = 0;
    vmsim__textbuf_init(&b, c->alloc);
    for (size_t i = 0; i < c->presets.count && *word; i++) {
        if (!strncmp(c->presets.at[i].name, word, strlen(word)))
            vmsim__textbuf_printf(&b, "%s%s", found++ ? ", " : " (there are: ", c->presets.at[i].name);
    }
    vmsim__textbuf_puts(&b, found ? ")" : " (`vmsim preset list` shows all)");
    const char *text = b.failed ? NULL : vmsim__arena_copy(&c->arena, b.at, b.count);
    vmsim__textbuf_fini(&b);
    return text ? text : "";
}

/* An unknown name: with what is close, or what begins so. */
static int unknown_preset(struct vmsim_config *c, const char *name, struct vmsim__place place) {
    size_t count;
    int err = vmsim_config_presets(c, &count);
    if (err)
        return err;
    if (!count)
        return vmsim__diag_add(c, VMSIM_ENOENT, place,
                               "unknown preset '%s' (no search directory has any; VMSIM_MACHINES names some)",
                               vmsim__diag_word(c, name));
    const char **names = vmsim__arena_alloc(&c->arena, count + 1, sizeof *names);
    if (!names)
        return VMSIM_ENOMEM;
    for (size_t i = 0; i < count; i++)
        names[i] = c->presets.at[i].name;
    const char *close = vmsim__diag_suggest(c, name, names, sizeof *names);
    return vmsim__diag_add(c, VMSIM_ENOENT, place, "unknown preset '%s'%s", vmsim__diag_word(c, name),
                           *close ? close : begins_with(c, name));
}

const char *vmsim__preset_find(struct vmsim_config *c, const char *name, struct vmsim__place place) {
    struct lookup l = {.name = name};
    if (!name[0] || strchr(name, '/')) {
        vmsim__diag_add(c, VMSIM_ECONFIG, place, "'%s' is not the name of a preset (files are taken in by include:)",
                        vmsim__diag_word(c, name));
        return NULL;
    }
    int found = visit_directories(c, look_in, &l);
    if (!found)
        unknown_preset(c, name, place);
    return found == 1 ? l.path : NULL;
}
