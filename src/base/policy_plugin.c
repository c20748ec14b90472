/* SPDX-License-Identifier: MIT */
/* Plugins: shared objects that hold policies, opened by the host's loader and kept until the registry goes. */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/policy_entry.h"

/* All of them, or none. */
static int add_plugin_policies(struct vmsim__policy_registry *r, const struct vmsim_plugin *plugin, const char *path,
                               struct vmsim__err *err) {
    if (plugin->abi != VMSIM_POLICY_ABI || plugin->size < sizeof *plugin)
        return vmsim__err_set(err, VMSIM_EABI, "%s: built for policy ABI %u, this vmsim expects %u", path, plugin->abi,
                              VMSIM_POLICY_ABI);
    size_t before = r->entries.count;
    for (const struct vmsim_policy *const *p = plugin->policies; p && *p; p++) {
        int e = vmsim__policy_add(r, *p, path, err);
        if (e) {
            vmsim__policy_entries_cut(r, before);
            return e;
        }
    }
    return 0;
}

/* Why the loader must not be shown this file, or NULL. It maps segments without asking whether the file has them, and a
 * plugin that was cut off by a full disk ends the program; it also waits for the writer of a pipe. All else it tells
 * itself. */
static const char *unfit(int fd) {
    struct stat st;
    Elf64_Ehdr head;
    Elf64_Phdr part;
    if (fstat(fd, &st))
        return NULL;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? "is a directory, not a plugin" : "is not a regular file";
    if (pread(fd, &head, sizeof head, 0) != sizeof head || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
        head.e_phentsize != sizeof part)
        return NULL;
    for (unsigned i = 0; i < head.e_phnum; i++) {
        off_t at = (off_t)((head.e_phoff & INT64_MAX) + i * sizeof part);
        if (pread(fd, &part, sizeof part, at) != sizeof part)
            return "is cut off";
        uint64_t end = part.p_offset + part.p_filesz;
        if (part.p_type == PT_LOAD && (end < part.p_offset || end > (uint64_t)st.st_size))
            return "is cut off";
    }
    return NULL;
}

/* What dlopen() met, in its own words. It tells a host without memory by errno alone. */
static int not_loaded(const char *path, int number, struct vmsim__err *err) {
    const char *text = dlerror();
    int code = number == ENOMEM ? vmsim__err_set(err, VMSIM_ENOMEM, "%s: no memory to load the plugin", path)
                                : vmsim__err_set(err, VMSIM_EPLUGIN, "%s (policy ABI %u expected)", text ? text : path,
                                                 VMSIM_POLICY_ABI);
    dlerror(); /* gives the text back */
    return code;
}

static int open_plugin(struct vmsim__policy_registry *r, struct policy_plugin *p, struct vmsim__err *err) {
    vmsim_plugin_function *function = NULL;
    errno = 0;
    p->handle = dlopen(p->path, RTLD_NOW | RTLD_LOCAL);
    if (!p->handle)
        return not_loaded(p->path, errno, err);
    void *symbol = dlsym(p->handle, VMSIM_PLUGIN_SYMBOL);
    memcpy(&function, &symbol, sizeof function);
    if (!function)
        return vmsim__err_set(err, VMSIM_EPLUGIN,
                              "%s: exports no function " VMSIM_PLUGIN_SYMBOL
                              "(), so it is no plugin (policy ABI %u expected)",
                              p->path, VMSIM_POLICY_ABI);
    const struct vmsim_plugin *plugin = function(VMSIM_POLICY_ABI);
    if (!plugin)
        return vmsim__err_set(err, VMSIM_EABI, "%s: the plugin does not serve policy ABI %u", p->path,
                              VMSIM_POLICY_ABI);
    return add_plugin_policies(r, plugin, p->path, err);
}

static bool is_loaded(const struct vmsim__policy_registry *r, const void *handle) {
    for (size_t i = 0; i < r->plugins.count; i++) {
        if (r->plugins.at[i].handle == handle)
            return true;
    }
    return false;
}

int vmsim__policy_load(struct vmsim__policy_registry *r, const char *path, struct vmsim__err *err) {
    /* A bare name would be searched on the library path; a file of the current directory is what is meant. */
    struct policy_plugin p = {0};
    char text[4096];
    if ((size_t)snprintf(text, sizeof text, "%s%s", strchr(path, '/') ? "" : "./", path) >= sizeof text)
        return vmsim__err_set(err, VMSIM_EPLUGIN, "the path of a plugin is too long");
    int fd = open(text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *why = fd < 0 ? NULL : unfit(fd);
    if (fd >= 0)
        close(fd);
    if (why)
        return vmsim__err_set(err, VMSIM_EPLUGIN, "%s: %s", text, why);
    errno = 0;
    void *known = dlopen(text, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD); /* the same file has the same handle */
    bool loaded = known && is_loaded(r, known);
    if (known)
        dlclose(known);
    else if (errno == ENOMEM)
        return not_loaded(text, ENOMEM, err);
    if (loaded)
        return 0;
    p.path = vmsim__strdup(r->alloc, text);
    if (!p.path || !vmsim__vec_reserve(r->alloc, &r->plugins, r->plugins.count + 1)) {
        vmsim__strfree(r->alloc, p.path);
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for plugin %s", path);
    }
    int e = open_plugin(r, &p, err);
    if (!e) {
        r->plugins.at[r->plugins.count++] = p;
        return 0;
    }
    if (p.handle)
        dlclose(p.handle);
    vmsim__strfree(r->alloc, p.path);
    return e;
}
