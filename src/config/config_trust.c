/* SPDX-License-Identifier: MIT */
/* What a configuration that somebody else wrote may do on this host: which files it may name, whose plugins are run,
 * and of which files its errors tell more than the name.
 *
 * Paths are compared as the host resolves them (realpath), so that neither ".." nor a link leads out of a directory. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/config_impl.h"

int vmsim_config_restrict(struct vmsim_config *c, unsigned limits, const char *root) {
    char real[PATH_MAX];
    if (!c)
        return VMSIM_EINVAL;
    if (c->state != CONFIG_OPEN || c->tree)
        return VMSIM_ESTATE;
    if (root && !realpath(root, real))
        return errno == ENOENT ? VMSIM_ENOENT : VMSIM_EIO;
    c->limits = limits;
    c->root = root ? vmsim__arena_copy(&c->arena, real, strlen(real)) : NULL;
    return root && !c->root ? VMSIM_ENOMEM : 0;
}

/* `path` with all links followed; of a file that is yet to be made, its directory's with its name. */
static bool resolve(const char *path, char real[PATH_MAX]) {
    VMSIM__ASSERT(path);
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    if (realpath(path, real))
        return true;
    size_t n = slash ? (size_t)(slash - path) + 1 : 0;
    if (errno != ENOENT || n >= sizeof parent)
        return false;
    memcpy(parent, slash ? path : "./", n ? n : 2);
    parent[n ? n : 2] = '\0';
    return realpath(parent, real) != NULL;
}

static bool is_within(const char *real, const char *directory) {
    size_t n = strlen(directory);
    return !strncmp(real, directory, n) && (!real[n] || real[n] == '/' || directory[n - 1] == '/');
}

bool vmsim__config_may(const struct vmsim_config *c, const char *path) {
    char real[PATH_MAX];
    return !c->root || (resolve(path, real) && is_within(real, c->root));
}

int vmsim__config_check_file(struct vmsim_config *c, const char *key, const char *path) {
    VMSIM__ASSERT(key && path);
    struct vmsim__place place;
    vmsim__path_find(c, key, false, &place);
    bool told = place.source && place.source->is_file; /* else it was typed, by whoever gave the root */
    if (!told || vmsim__config_may(c, path))
        return 0;
    return vmsim__config_error(c, key, "%s lies outside of %s, and nothing else may be read or written (--root)", path,
                               c->root);
}

unsigned vmsim__config_limits(const struct vmsim_config *c) {
    return c->limits;
}

void vmsim__config_skipped(struct vmsim_config *c) {
    c->skipped++;
}

size_t vmsim_config_plugins_skipped(const struct vmsim_config *c) {
    return c ? c->skipped : 0;
}

/* Whether the file `real` lies in the directory of the file `beside`. */
static bool is_beside(const char *real, const char *beside) {
    VMSIM__ASSERT(real && beside);
    char directory[PATH_MAX];
    if (!realpath(beside, directory))
        return false;
    char *slash = strrchr(directory, '/');
    slash[slash == directory] = '\0';
    return is_within(real, directory);
}

bool vmsim__source_is_foreign(const struct vmsim_config *c, const struct vmsim__source *s) {
    char real[PATH_MAX], trusted[PATH_MAX];
    if (!s->parent || !s->parent->is_file)
        return false;
    if (!realpath(s->name, real))
        return true;
    for (const struct vmsim__source *p = s->parent; p; p = p->parent) {
        if (p->is_file && !p->foreign && is_beside(real, p->name))
            return false;
    }
    for (size_t i = 0; i < c->search.count; i++) {
        if (realpath(c->search.at[i], trusted) && is_within(real, trusted))
            return false;
    }
    return true;
}
