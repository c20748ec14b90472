/* SPDX-License-Identifier: MIT */
/* The list of policies of one machine, the loader of plugins, and the binding of a policy's scalar parameters.
 *
 * Everything is looked up by walking a short list: policies are resolved when a machine is made, never while it runs.
 */
#include "base/policy_registry.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/units.h"
#include "base/util.h"
#include "base/vec.h"

struct entry {
    const struct vmsim_policy *policy;
    const char *origin; /* static, or the plugin's path */
};

struct plugin {
    void *handle;
    char *path;
};

struct vmsim__policy_registry {
    struct vmsim__alloc *alloc;
    struct {
        VMSIM__VEC(struct entry);
    } entries;
    struct {
        VMSIM__VEC(struct plugin);
    } plugins;
};

struct vmsim__policy_registry *vmsim__policy_registry_create(struct vmsim__alloc *a) {
    struct vmsim__policy_registry *r = vmsim__calloc(a, 1, sizeof *r);
    if (r)
        r->alloc = a;
    return r;
}

void vmsim__policy_registry_destroy(struct vmsim__policy_registry *r) {
    if (!r)
        return;
    for (size_t i = 0; i < r->plugins.count; i++) {
        dlclose(r->plugins.at[i].handle);
        vmsim__strfree(r->alloc, r->plugins.at[i].path);
    }
    vmsim__vec_fini(r->alloc, &r->plugins);
    vmsim__vec_fini(r->alloc, &r->entries);
    vmsim__free(r->alloc, r, sizeof *r);
}

static const char *domain_name(enum vmsim_policy_domain domain) {
    switch (domain) {
    case VMSIM_POLICY_TLB_REPLACEMENT:
        return "tlb_replacement";
    case VMSIM_POLICY_TLB_PREFETCH:
        return "tlb_prefetch";
    default:
        return "?";
    }
}

/* The size that a domain's struct must have at least, and whether its one indispensable hook is there. */
static bool complete(const struct vmsim_policy *p, size_t *need) {
    const void *whole = p;
    switch (p->domain) {
    case VMSIM_POLICY_TLB_REPLACEMENT:
        *need = sizeof(struct vmsim_tlb_replacement_policy);
        return p->size < *need || ((const struct vmsim_tlb_replacement_policy *)whole)->victim;
    case VMSIM_POLICY_TLB_PREFETCH:
        *need = sizeof(struct vmsim_tlb_prefetch_policy);
        return p->size < *need || ((const struct vmsim_tlb_prefetch_policy *)whole)->miss;
    default:
        *need = SIZE_MAX;
        return true;
    }
}

int vmsim__policy_add(struct vmsim__policy_registry *r, const struct vmsim_policy *policy, const char *origin,
                      struct vmsim__err *err) {
    size_t need;
    if (policy->abi != VMSIM_POLICY_ABI)
        return vmsim__err_set(err, VMSIM_EABI, "%s: a policy has ABI %u, this vmsim expects %u", origin, policy->abi,
                              VMSIM_POLICY_ABI);
    if (policy->size < sizeof *policy || !policy->name || !*policy->name || !policy->doc)
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: a policy without size, name or description", origin);
    if (!complete(policy, &need))
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: policy %s lacks its deciding hook (victim or miss)", origin,
                              policy->name);
    if (policy->size < need)
        return vmsim__err_set(err, VMSIM_EABI, "%s: policy %s has a struct of %u bytes, its domain needs %zu", origin,
                              policy->name, policy->size, need);
    if (vmsim__policy_find(r, policy->domain, policy->name))
        return vmsim__err_set(err, VMSIM_EINVAL, "%s: there is a policy %s of domain %s already", origin, policy->name,
                              domain_name(policy->domain));
    if (!vmsim__vec_push(r->alloc, &r->entries, (struct entry){policy, origin}))
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for policy %s", policy->name);
    return 0;
}

static int add_plugin_policies(struct vmsim__policy_registry *r, const struct vmsim_plugin *plugin, const char *path,
                               struct vmsim__err *err) {
    if (plugin->abi != VMSIM_POLICY_ABI || plugin->size < sizeof *plugin)
        return vmsim__err_set(err, VMSIM_EABI, "%s: built for policy ABI %u, this vmsim expects %u", path, plugin->abi,
                              VMSIM_POLICY_ABI);
    size_t before = r->entries.count;
    for (const struct vmsim_policy *const *p = plugin->policies; p && *p; p++) {
        int e = vmsim__policy_add(r, *p, path, err);
        if (e) {
            r->entries.count = before;
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

static int open_plugin(struct vmsim__policy_registry *r, struct plugin *p, struct vmsim__err *err) {
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
    struct plugin p = {0};
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

const struct vmsim_policy *vmsim__policy_find(const struct vmsim__policy_registry *r, enum vmsim_policy_domain domain,
                                              const char *name) {
    for (size_t i = 0; i < r->entries.count; i++)
        if (r->entries.at[i].policy->domain == domain && !strcmp(r->entries.at[i].policy->name, name))
            return r->entries.at[i].policy;
    return NULL;
}

const struct vmsim_policy *vmsim__policy_at(const struct vmsim__policy_registry *r, size_t i, const char **origin) {
    if (i >= r->entries.count)
        return NULL;
    if (origin)
        *origin = r->entries.at[i].origin;
    return r->entries.at[i].policy;
}

static int unknown(const struct vmsim__policy_registry *r, enum vmsim_policy_domain domain, const char *name,
                   struct vmsim__err *err) {
    char known[256] = "";
    size_t at = 0;
    for (size_t i = 0; i < r->entries.count; i++) {
        const struct vmsim_policy *p = r->entries.at[i].policy;
        if (p->domain != domain)
            continue;
        int n = snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", p->name);
        if (n < 0 || (size_t)n >= sizeof known - at)
            break;
        at += (size_t)n;
    }
    return vmsim__err_set(err, VMSIM_ECONFIG, "no policy %s of domain %s; there are: %s", name, domain_name(domain),
                          known);
}

int vmsim__policy_resolve(struct vmsim__policy_registry *r, enum vmsim_policy_domain domain, const char *plugin,
                          const char *name, const struct vmsim_policy **out, struct vmsim__err *err) {
    int e = plugin ? vmsim__policy_load(r, plugin, err) : 0;
    if (e)
        return e;
    if (!name)
        return vmsim__err_set(err, VMSIM_ECONFIG, "a plugin of domain %s is given, but not the name of its policy",
                              domain_name(domain));
    *out = vmsim__policy_find(r, domain, name);
    return *out ? 0 : unknown(r, domain, name, err);
}
