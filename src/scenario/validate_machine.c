/* SPDX-License-Identifier: MIT */
/* Machines that cannot be: which value of the file is it about?
 *
 * What layers below find out they tell without places, for they know no files. vmsim__machine_complain finds the place
 * again by the names that such a text begins with or contains: an origin, a plugin's path, a policy, a TLB array. */
#include <stdio.h>
#include <string.h>

#include "base/kernel.h"
#include "mmu/mmu.h"
#include "scenario/validate.h"

#define PATH_SIZE 256u
#define MEMORY_MIN (1u << 20)
#define BANDWIDTH_MIN (UINT64_C(1) << 20)

/* The message has the list from the table of kernels: a new row is offered at once. */
static int check_kernel(struct vmsim_config *config, const struct vmsim__machine_spec *m) {
    char known[128] = "";
    if (vmsim__kernel_find(m->mem.kernel))
        return 0;
    for (unsigned i = 0; vmsim__kernel_at(i); i++) {
        size_t at = strlen(known);
        snprintf(known + at, sizeof known - at, "%s%s", i ? ", " : "", vmsim__kernel_at(i)->name);
    }
    return vmsim__config_error(config, "machine.kernel", "kernel '%s' is not known; there are: %s", m->mem.kernel,
                               known);
}

/* As the kernel takes them (numa_set_distance): a node is 10 from itself. Others may be as near (numa=fake). */
static int check_distances(struct vmsim_config *config, const struct vmsim__node_spec *node, size_t at) {
    VMSIM__ASSERT(node);
    char path[PATH_SIZE];
    const uint64_t *distance = node->distances.data;
    if (distance[at] == 10)
        return 0;
    snprintf(path, sizeof path, "machine.nodes[%zu].distances[%zu]", at, at);
    return vmsim__config_error(config, path, "the distance of node %zu to itself is 10, not %llu", at,
                               (unsigned long long)distance[at]);
}

/* A row of a matrix of nodes: none, or as many values as nodes. */
static int check_row(struct vmsim_config *config, const struct vmsim_param_list *row, size_t nodes, size_t node,
                     const char *key) {
    VMSIM__ASSERT(node < nodes && key);
    char path[PATH_SIZE];
    if (!row->count || row->count == nodes)
        return 0;
    snprintf(path, sizeof path, "machine.nodes[%zu].%s", node, key);
    return vmsim__config_error(config, path, "%zu %s for %zu node%s: give one to each node, itself too", row->count,
                               key, nodes, nodes == 1 ? "" : "s");
}

/* Too little of something with a unit is nearly always a unit that was left out: 2 for 2GiB. */
static int check_nodes(struct vmsim_config *config, const struct vmsim__machine_spec *m) {
    const struct vmsim__node_spec *nodes = m->mem.nodes.data;
    int result = 0;
    for (size_t i = 0; i < m->mem.nodes.count; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "machine.nodes[%zu].memory", i);
        if (nodes[i].memory && nodes[i].memory < MEMORY_MIN)
            result = vmsim__config_error(config, path, "%llu bytes are too little for a node (a unit is missing?)",
                                         (unsigned long long)nodes[i].memory);
        snprintf(path, sizeof path, "machine.nodes[%zu].bandwidth", i);
        if (nodes[i].bandwidth && nodes[i].bandwidth < BANDWIDTH_MIN)
            result =
                vmsim__config_error(config, path, "%llu bytes a second are too few for memory (a unit is missing?)",
                                    (unsigned long long)nodes[i].bandwidth);
        if (check_row(config, &nodes[i].distances, m->mem.nodes.count, i, "distances") ||
            check_row(config, &nodes[i].latencies, m->mem.nodes.count, i, "latencies"))
            result = VMSIM_ECONFIG;
        else if (nodes[i].distances.count)
            result = check_distances(config, &nodes[i], i) ? VMSIM_ECONFIG : result;
    }
    return result;
}

/* Everything else about arrays depends on the format, and is told by the TLB when it is made. */
static int check_arrays(struct vmsim_config *config, const struct vmsim__machine_spec *m) {
    const struct vmsim__tlb_array_spec *a = m->tlb.arrays.data;
    int result = 0;
    for (size_t i = 0; i < m->tlb.arrays.count; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "machine.tlb.arrays[%zu].entries", i);
        if (a[i].ways && a[i].entries % a[i].ways)
            result = vmsim__config_error(config, path, "%llu entries are not a multiple of %llu ways",
                                         (unsigned long long)a[i].entries, (unsigned long long)a[i].ways);
    }
    return result;
}

/* An array without a list of sizes holds all of its format. */
static bool holds_size(const struct vmsim__tlb_array_spec *a, uint64_t size) {
    VMSIM__ASSERT(size > 0);
    const uint64_t *sizes = a->sizes.data;
    for (size_t i = 0; i < a->sizes.count; i++) {
        if (sizes[i] == size)
            return true;
    }
    return !a->sizes.count;
}

/* A preset of one architecture with the pages of another: no array would take them, and every access would walk. */
static int check_page_size(struct vmsim_config *config, const struct vmsim__machine_spec *m) {
    const struct vmsim__tlb_array_spec *a = m->tlb.arrays.data;
    const struct vmsim__pt_format *format = vmsim__pt_format_get((enum vmsim__pt_format_id)m->arch);
    uint64_t page = UINT64_C(1) << format->page_shift;
    bool held = !m->tlb.arrays.count || !format->levels || m->tlb.bypass || m->tlb.softmmu.entries;
    for (size_t i = 0; i < m->tlb.arrays.count && !held; i++)
        held = holds_size(&a[i], page);
    return held ? 0
                : vmsim__config_error(config, "machine.arch",
                                      "no TLB array of this machine holds the pages of %llu KiB: "
                                      "give it arrays that do (machine.tlb.arrays), or another preset",
                                      (unsigned long long)(page >> 10));
}

/* 0 stands for none, which is no power of two: so the table of parameters cannot ask for one. */
static int check_softmmu(struct vmsim_config *config, const struct vmsim__softmmu_spec *s) {
    const struct {
        const char *path;
        uint64_t value;
    } powers[] = {{"machine.tlb.softmmu.entries", s->entries}, {"machine.tlb.softmmu.blocks", s->blocks}};
    for (size_t i = 0; i < VMSIM__COUNT(powers); i++)
        if (powers[i].value & (powers[i].value - 1))
            return vmsim__config_error(config, powers[i].path, "'%llu' is neither 0 nor a power of two",
                                       (unsigned long long)powers[i].value);
    return 0;
}

/* A processor without translation maps nothing by large entries. */
static int check_pools(struct vmsim_config *config, const struct vmsim__machine_spec *m) {
    const struct vmsim__mem_spec *mem = &m->mem;
    const char *key = mem->hugepages        ? "machine.hugepages"
                      : mem->gigantic_pages ? "machine.gigantic_pages"
                      : mem->hugetlb.count  ? "machine.hugetlb"
                                            : NULL;
    if (!key || vmsim__pt_format_get((enum vmsim__pt_format_id)m->arch)->levels)
        return 0;
    return vmsim__config_error(config, key, "without an MMU there are no huge pages");
}

/* Buffers for what a device cannot reach lie in low memory, or below 4 GiB: it must reach those. */
static const char *judge_reach(const struct vmsim__machine_spec *m, const struct vmsim__block_spec *d) {
    struct vmsim__block_params p;
    vmsim__block_settle(d, &p);
    if (!p.reach)
        return NULL;
    switch (m->arch) {
    case VMSIM__PT_X86_32:
    case VMSIM__PT_X86_PAE:
    case VMSIM__PT_ARM:
    case VMSIM__PT_ARM_LPAE:
        return p.reach >= UINT64_C(888) << 20
                   ? NULL
                   : "is below the end of low memory, from where 32-bit kernels take bounce buffers: "
                     "say 888MiB or more (4GiB for a device of 32 bits)";
    default:
        return p.reach >= UINT64_C(4) << 30
                   ? NULL
                   : "the pool of bounce buffers lies just below 4 GiB, which the device cannot "
                     "reach: say 4GiB or more";
    }
}

/* What a device cannot be, names given twice, and two ways of saying it at once. */
static int check_devices(struct vmsim_config *config, const struct vmsim__machine_spec *m) {
    const struct vmsim__block_spec *d = m->devices.data;
    int result = 0;
    for (size_t i = 0; i < m->devices.count; i++) {
        char path[PATH_SIZE], key[64];
        const char *text = vmsim__block_judge(&d[i], key, sizeof key);
        snprintf(path, sizeof path, "machine.devices[%zu].%s", i, text ? key : "name");
        if (text)
            result = vmsim__config_error(config, path, "%s", text);
        snprintf(path, sizeof path, "machine.devices[%zu].reach", i);
        if ((text = judge_reach(m, &d[i])))
            result = vmsim__config_error(config, path, "%s", text);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(d[i].name, d[j].name) != 0)
                continue;
            snprintf(path, sizeof path, "machine.devices[%zu].name", i);
            result = vmsim__config_error(config, path, "another device is named '%s', too", d[i].name);
            break;
        }
    }
    if (m->devices.count && m->cache.device_given)
        result = vmsim__config_error(config, "machine.page_cache.device",
                                     "is the device of a machine without machine.devices: give the figures there");
    return result;
}

/* zram devices without a size, and shares of more than all pages. */
static int check_zram(struct vmsim_config *config, const struct vmsim__machine_spec *m) {
    const struct vmsim__zram_spec *z = m->zram.data;
    int result = 0;
    for (size_t i = 0; i < m->zram.count; i++) {
        char path[PATH_SIZE];
        const char *key, *text = vmsim__zram_judge(&z[i], &key);
        snprintf(path, sizeof path, "machine.zram[%zu].%s", i, key ? key : "");
        if (text)
            result = vmsim__config_error(config, path, "%s", text);
    }
    return result;
}

/* What an area cannot be: a text, with its key; NULL: nothing. */
static const char *judge_area(const struct vmsim__machine_spec *m, size_t at, const char **key) {
    const struct vmsim__swap_spec *areas = m->swap.data, *a = &areas[at];
    struct vmsim__block_spec one;
    const struct vmsim__block_spec *devices;
    const size_t count = vmsim__machine_devices(m, &one, &devices);
    bool found = !a->device, compressed = false;
    for (size_t i = 0; i < count && !found; i++)
        found = !strcmp(devices[i].name, a->device);
    for (size_t i = 0; i < m->zram.count && !found; i++) {
        char name[32];
        snprintf(name, sizeof name, "zram%zu", i);
        compressed = compressed || !strcmp(name, a->device);
    }
    *key = "size";
    if (compressed && a->size)
        return "no file lies on a zram device: it is swap as a whole, without a size";
    *key = "device";
    if (!found && !compressed)
        return "there is no such device in machine.devices or machine.zram";
    if (!a->device && !a->size)
        return "give a size for a swap file, or a device that is swap as a whole";
    for (size_t i = 0; i < at; i++) {
        const char *other = areas[i].device ? areas[i].device : devices[0].name;
        if ((!a->size || !areas[i].size) && !strcmp(other, a->device ? a->device : devices[0].name))
            return "an area before it lies there: of areas of one device none may be the device as a whole";
    }
    *key = "size";
    return a->size && a->size < VMSIM__SWAP_SIZE_MIN ? "too little for swap: 40KiB at least" : NULL;
}

static int check_zswap(struct vmsim_config *config, const struct vmsim__machine_spec *m) {
    char path[PATH_SIZE];
    const char *key, *text = vmsim__zswap_judge(&m->zswap, &key);
    snprintf(path, sizeof path, "machine.zswap.%s", key);
    return text ? vmsim__config_error(config, path, "%s", text) : 0;
}

/* Every area is judged, and each that cannot be is told: they do not follow from one another. */
static int check_swap(struct vmsim_config *config, const struct vmsim__machine_spec *m) {
    int result = check_zram(config, m);
    result = result ? result : check_zswap(config, m);
    for (size_t i = 0; i < m->swap.count; i++) {
        char path[PATH_SIZE];
        const char *key, *text = judge_area(m, i, &key);
        snprintf(path, sizeof path, "machine.swap[%zu].%s", i, key);
        if (text)
            result = vmsim__config_error(config, path, "%s", text);
    }
    return result;
}

/* All are asked before any answer counts, so that one run of `vmsim check` tells all that is wrong. */
int vmsim__machine_validate(struct vmsim_config *config, const struct vmsim__machine_spec *m) {
    int kernel = check_kernel(config, m), nodes = check_nodes(config, m), arrays = check_arrays(config, m);
    int sizes = check_page_size(config, m), devices = check_devices(config, m);
    int swap = check_swap(config, m), soft = check_softmmu(config, &m->tlb.softmmu), pools = check_pools(config, m);
    return pools     ? pools
           : soft    ? soft
           : kernel  ? kernel
           : nodes   ? nodes
           : arrays  ? arrays
           : sizes   ? sizes
           : devices ? devices
                     : swap;
}

/* `text` behind "ORIGIN: ", or NULL when it does not begin so. */
static const char *behind(const char *text, const char *origin) {
    size_t n = strlen(origin);
    return n && !strncmp(text, origin, n) && !strncmp(text + n, ": ", 2) ? text + n + 2 : NULL;
}

/* One of `pairs` at `path` is what the text begins with: told there. */
static bool told_at_pair(struct vmsim_config *config, const struct vmsim_param_list *list, const char *path,
                         const char *text) {
    VMSIM__ASSERT(path && text);
    const struct vmsim_param_pair *pairs = list->data;
    for (size_t i = 0; i < list->count; i++) {
        const char *rest = behind(text, pairs[i].origin);
        char at[PATH_SIZE];
        if (!rest)
            continue;
        snprintf(at, sizeof at, "%s.\"%s\"", path, pairs[i].key);
        vmsim__config_error(config, at, "%s", rest);
        return true;
    }
    return false;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The text is about this choice of a policy: its plugin, its name or its parameters. */
static bool told_at_choice(struct vmsim_config *config, const struct vmsim__policy_choice *c, const char *path,
                           const char *text) {
    VMSIM__ASSERT(path && text);
    char words[PATH_SIZE], params[PATH_SIZE];
    snprintf(params, sizeof params, "%.200s.params", path);
    if (told_at_pair(config, &c->params, params, text))
        return true;
    if (!c->name && !c->plugin)
        return false;
    snprintf(words, sizeof words, "policy %s ", c->name ? c->name : "");
    bool nameless = c->plugin && !c->name && !strncmp(text, "a plugin of domain", 18);
    if (!nameless && !(c->plugin && strstr(text, base_name(c->plugin))) && !(c->name && strstr(text, words)))
        return false;
    vmsim__config_error(config, path, "%s", text);
    return true;
}

/* The TLB says which array it is by name; the value has its place by number. */
static bool told_at_array(struct vmsim_config *config, const struct vmsim__machine_spec *m, const char *text) {
    VMSIM__ASSERT(text);
    const struct vmsim__tlb_array_spec *a = m->tlb.arrays.data;
    for (size_t i = 0; i < m->tlb.arrays.count; i++) {
        char path[PATH_SIZE], begin[PATH_SIZE];
        snprintf(path, sizeof path, "machine.tlb.arrays[%zu].replacement", i);
        if (told_at_choice(config, &a[i].replacement, path, text))
            return true;
        snprintf(path, sizeof path, "machine.tlb.arrays[%zu]", i);
        snprintf(begin, sizeof begin, "TLB array %s", a[i].name);
        const char *rest = behind(text, begin);
        if (rest) {
            vmsim__config_error(config, path, "%s", rest);
            return true;
        }
    }
    return false;
}

/* A message about a plugin names its file, whatever part of the machine it comes from. */
static bool told_at_plugin(struct vmsim_config *config, const struct vmsim__machine_spec *m, const char *text) {
    VMSIM__ASSERT(text);
    const char *const *plugins = m->plugins.data;
    for (size_t i = 0; i < m->plugins.count; i++) {
        char path[PATH_SIZE];
        if (!strstr(text, base_name(plugins[i])))
            continue;
        snprintf(path, sizeof path, "machine.plugins[%zu]", i);
        vmsim__config_error(config, path, "%s", text);
        return true;
    }
    return false;
}

static bool told_at_policies(struct vmsim_config *config, const struct vmsim__policies_spec *p, const char *text) {
    for (size_t i = 0; i < VMSIM_POLICY_DOMAINS; i++) {
        char path[PATH_SIZE];
        snprintf(path, sizeof path, "policies.%s", vmsim__policy_domains[i]->info.name);
        if (told_at_choice(config, &p->choice[i], path, text))
            return true;
    }
    return false;
}

/* The text begins with a key of the machine: "hugepages: ...", "hugetlb[1]: ...", "tlb.asid.bits: ...". */
static bool told_at_key(struct vmsim_config *config, const char *text) {
    VMSIM__ASSERT(text);
    static const char *const keys[] = {"hugepages",          "gigantic_pages", "hugetlb",
                                       "default_hugepagesz", "nodes",          "tlb.asid.bits"};
    const char *rest = strstr(text, ": ");
    char path[PATH_SIZE];
    for (size_t i = 0; i < VMSIM__COUNT(keys) && rest; i++) {
        size_t n = strlen(keys[i]);
        if (strncmp(text, keys[i], n) != 0 || (text[n] != ':' && text[n] != '['))
            continue;
        snprintf(path, sizeof path, "machine.%.*s", (int)(rest - text), text);
        vmsim__config_error(config, path, "%s", rest + 2);
        return true;
    }
    return false;
}

/* Layers below know no lines of YAML: their message names what is wrong, and here it finds the place that said so. From
 * the most particular to the whole: what fits none is told at `machine`. */
int vmsim__machine_complain(struct vmsim_config *config, const struct vmsim__scenario_spec *spec, const char *text) {
    if (told_at_pair(config, &spec->machine.sysctl, "machine.sysctl", text) ||
        told_at_policies(config, &spec->policies, text) ||
        told_at_choice(config, &spec->machine.tlb.prefetch, "machine.tlb.prefetch", text) ||
        told_at_key(config, text) || told_at_array(config, &spec->machine, text) ||
        told_at_plugin(config, &spec->machine, text))
        return VMSIM_ECONFIG;
    return vmsim__config_error(config, "machine", "%s", text);
}
