/* SPDX-License-Identifier: MIT */
/* Slips in workloads and expectations: names of nothing, barriers that are never full.
 *
 * Two passes over the steps of all programs, forks and repeats included. The first collects what has a name:
 *
 *     task ---- program ---- mmap as heap ---- marker ---- barrier          regions (of one task), files, markers,
 *                    `------ fork program ---- touch heap ---- barrier      who comes to which barrier
 *
 * the second looks every use up. A child has its parent's regions. With traces in the scenario, files and markers may
 * come from these, and are not looked up. Every look is one into a set: a workload may have 100,000 tasks. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/names.h"
#include "base/units.h"
#include "base/vec.h"
#include "scenario/engine.h"
#include "scenario/numa_steps.h"
#include "scenario/validate.h"

#define PATH_SIZE 1024u /* a longer path is cut: its error then stands at a parent */
#define ANY UINT64_MAX
enum { HINTS = 100 }; /* errors that get a "did you mean": it looks at every name */

/* Where a program comes to a barrier. */
struct arrival {
    const struct vmsim__step_barrier *barrier;
    uint32_t name; /* of the barrier, in `barriers` */
    const char *path;
};

struct check {
    struct vmsim_config *config;
    struct vmsim__alloc *alloc;
    struct vmsim__names regions, files, markers, devices, tasks, doers, barriers, comings,
        cgroups; /* doers: with forked */
    struct {
        VMSIM__VEC(struct arrival);
    } arrivals;
    struct {
        VMSIM__VEC(uint64_t);
    } comers; /* by barrier: programs that come, ANY when one is forked in a loop */
    unsigned cpus, programs, arch, page_shift;
    bool any_trace, nommu, regions_only, no_memory;
    int result;
};

/* path + suffix at `out`, cut when too long. */
static const char *extend(char *out, const char *path, const char *suffix) {
    VMSIM__ASSERT(out != suffix && suffix);
    size_t n = strlen(path), m = strlen(suffix);
    n = n < PATH_SIZE ? n : PATH_SIZE - 1;
    m = m < PATH_SIZE - n ? m : PATH_SIZE - n - 1;
    memcpy(out, path, n);
    memcpy(out + n, suffix, m);
    out[n + m] = 0;
    return out;
}

/* The same of a step: path[index].tag */
static const char *extend_step(char *out, const char *path, size_t index, const struct vmsim_param_variant *step) {
    VMSIM__ASSERT(step->variant);
    char suffix[80];
    snprintf(suffix, sizeof suffix, "[%zu].%.40s", index, step->variant->tag);
    return extend(out, path, suffix);
}

static void add(struct check *c, struct vmsim__names *set, const char *name) {
    VMSIM__ASSERT(set);
    if (!name || (c->regions_only && set != &c->regions))
        return;
    if (vmsim__names_add(c->alloc, set, name) == VMSIM__NO_NAME)
        c->no_memory = true;
}

static void wrong(struct check *c, const char *path, const char *field, const char *format, const char *word,
                  const char *close) {
    VMSIM__ASSERT(path && field && format);
    char at[PATH_SIZE], text[300], hint[120] = "";
    extend(at, path, field);
    snprintf(text, sizeof text, format, word);
    if (close)
        snprintf(hint, sizeof hint, " (did you mean '%s'?)", close);
    c->result = vmsim__config_error(c->config, at, "%s%s", text, hint);
}

/* `name` (NULL: nothing to look up) must be in the list. Only when all names are known: after a failed allocation
 * every use would look like a slip. */
static void look_up(struct check *c, struct vmsim__names *set, const char *name, const char *path, const char *field,
                    const char *format) {
    VMSIM__ASSERT(set && path && field);
    const char *close = NULL;
    if (!name || c->no_memory || vmsim__names_find(set, name) != VMSIM__NO_NAME)
        return;
    if (vmsim_config_error_count(c->config) < HINTS && vmsim__vec_reserve(c->alloc, set, set->count + 1)) {
        set->at[set->count].text = NULL; /* the end of the list, as the search wants it */
        close = vmsim__closest(name, set->at, sizeof *set->at);
    }
    wrong(c, path, field, format, name, close);
}

/* ---- first pass ---- */

/* Where a program stands. */
struct place {
    unsigned program;
    bool loop, many;
    const char *path;
};

/* A program that comes twice to a barrier counts once, as it cannot wait for itself. */
static void count_comer(struct check *c, uint32_t barrier, const struct place *p) {
    char coming[32];
    size_t known = c->comings.count;
    snprintf(coming, sizeof coming, "%u %u", barrier, p->program);
    if (barrier == c->comers.count && !vmsim__vec_push(c->alloc, &c->comers, 0)) {
        c->no_memory = true;
        return;
    }
    uint64_t *count = &c->comers.at[barrier];
    VMSIM__ASSERT(barrier < c->comers.count);
    add(c, &c->comings, coming);
    if (p->many)
        *count = ANY;
    else if (c->comings.count > known && *count != ANY)
        ++*count;
}

static void collect_barrier(struct check *c, const struct vmsim__step_barrier *b, const struct place *p) {
    VMSIM__ASSERT(p->path);
    if (c->regions_only)
        return;
    char *path = vmsim__config_alloc(c->config, 1, strlen(p->path) + 1);
    struct arrival a = {.barrier = b, .name = vmsim__names_add(c->alloc, &c->barriers, b->name), .path = path};
    if (!path || a.name == VMSIM__NO_NAME || !vmsim__vec_push(c->alloc, &c->arrivals, a)) {
        c->no_memory = true;
        return;
    }
    strcpy(path, p->path);
    count_comer(c, a.name, p);
}

static void collect(struct check *c, const struct vmsim_param_list *steps, const struct place *p);

static void collect_step(struct check *c, const struct vmsim_param_variant *step, const struct place *p) {
    VMSIM__ASSERT(step->variant);
    char path[PATH_SIZE];
    const void *d = step->data;
    struct place inner = *p;
    inner.path = path;
    switch (vmsim__verb_of(step)) {
    case VMSIM__VERB_MMAP:
        add(c, &c->regions, ((const struct vmsim__step_mmap *)d)->as);
        break;
    case VMSIM__VERB_BRK:
        add(c, &c->regions, ((const struct vmsim__step_brk *)d)->as);
        break;
    case VMSIM__VERB_ALLOC_PAGES: {
        const char *as = ((const struct vmsim__step_alloc_pages *)d)->as;
        add(c, &c->regions, as ? as : "pages");
        break;
    }
    case VMSIM__VERB_CREATE:
        add(c, &c->files, ((const struct vmsim__step_create *)d)->file.name);
        break;
    case VMSIM__VERB_MARKER:
        add(c, &c->markers, ((const struct vmsim__step_marker *)d)->name);
        break;
    case VMSIM__VERB_CGROUP_CREATE:
        add(c, &c->cgroups, ((const struct vmsim__step_cgroup *)d)->cgroup);
        break;
    case VMSIM__VERB_BARRIER:
        collect_barrier(c, d, p);
        break;
    case VMSIM__VERB_REPEAT:
        extend(path, p->path, ".steps");
        inner.loop = true;
        collect(c, &((const struct vmsim__step_repeat *)d)->steps, &inner);
        break;
    case VMSIM__VERB_FORK:
        add(c, &c->doers, ((const struct vmsim__step_fork *)d)->name);
        extend(path, p->path, ".program");
        inner.program = ++c->programs;
        inner.many = p->many || p->loop;
        collect(c, &((const struct vmsim__step_fork *)d)->program, &inner);
        break;
    default:
        break;
    }
}

static void collect(struct check *c, const struct vmsim_param_list *steps, const struct place *p) {
    const struct vmsim_param_variant *at = steps->data;
    for (size_t i = 0; i < steps->count; i++) {
        char path[PATH_SIZE];
        struct place here = *p;
        extend_step(path, p->path, i, &at[i]);
        here.path = path;
        collect_step(c, &at[i], &here);
    }
}

/* ---- second pass ---- */

static void check_cpu(struct check *c, uint64_t cpu, const char *path) {
    VMSIM__ASSERT(c->cpus > 0);
    char text[80];
    if (cpu < c->cpus)
        return;
    snprintf(text, sizeof text, "there is no CPU %llu: the machine has %u, numbered from 0", (unsigned long long)cpu,
             c->cpus);
    wrong(c, path, ".cpu", "%s", text, NULL);
}

/* A described program says where each of its tasks runs; a trace has more of them than anybody would name. */
static void check_cpus(struct check *c, const struct vmsim__task_decl *t, const char *path) {
    VMSIM__ASSERT(c->cpus > 0);
    const uint64_t *cpus = t->cpus.data;
    bool found = !t->has_cpu || !t->cpus.count;
    if (t->cpus.count && !t->trace)
        wrong(c, path, ".cpus", "%s", "cpus is for traces: a described program has `cpu`, and each fork step has",
              NULL);
    for (size_t i = 0; i < t->cpus.count; i++) {
        char item[PATH_SIZE], text[80];
        snprintf(item, sizeof item, "%s.cpus[%zu]", path, i);
        found |= cpus[i] == t->cpu;
        snprintf(text, sizeof text, "there is no CPU %llu: the machine has %u, numbered from 0",
                 (unsigned long long)cpus[i], c->cpus);
        if (cpus[i] >= c->cpus)
            wrong(c, item, "", "%s", text, NULL);
    }
    if (!found)
        wrong(c, path, ".cpu", "%s", "the first task's CPU is none of cpus: add it there, or leave it out here", NULL);
}

static void check_prot(struct check *c, const char *prot, const char *path) {
    if (prot && strcmp(prot, "none") != 0 && (!*prot || prot[strspn(prot, "rwx")]))
        wrong(c, path, ".prot", "'%s' is not made of the letters r, w, x (or the word none)", prot, NULL);
}

static void check_region(struct check *c, const char *name, const char *path) {
    look_up(c, &c->regions, name, path, ".region", "the task names no region '%s': say `as:` where it is made");
}

static void check_file(struct check *c, const char *name, const char *path) {
    if (!c->any_trace)
        look_up(c, &c->files, name, path, ".file", "there is no file '%s': list it in workload.files or create it");
}

static void check_error(struct check *c, const struct vmsim__step_result *result, const char *path) {
    if (result->error && !vmsim__errno_number(result->error))
        wrong(c, path, ".error", "'%s' is no errno that a call here returns, such as ENOMEM or EINVAL", result->error,
              NULL);
}

static void check_steps(struct check *c, const struct vmsim_param_list *steps, const char *path);

static void check_fork(struct check *c, const struct vmsim__step_fork *d, const char *path) {
    char inner[PATH_SIZE];
    extend(inner, path, ".program");
    check_error(c, &d->result, path);
    if (d->has_cpu)
        check_cpu(c, d->cpu, path);
    check_steps(c, &d->program, inner);
}

static void check_repeat(struct check *c, const struct vmsim__step_repeat *d, const char *path) {
    char inner[PATH_SIZE];
    extend(inner, path, ".steps");
    check_steps(c, &d->steps, inner);
}

/* Of a step whose first members are the result and a range. */
static void check_range_call(struct check *c, const struct vmsim__step_range_call *d, const char *path) {
    check_error(c, &d->result, path);
    check_region(c, d->range.region, path);
}

static void check_huge_size(struct check *c, uint64_t bytes, const char *path) {
    char size[24];
    snprintf(size, sizeof size, "%llu", (unsigned long long)bytes);
    if (bytes && !vmsim__hugetlb_size_known(c->arch, c->page_shift, bytes))
        wrong(c, path, ".huge_size", "%s bytes is no size of huge pages of this architecture", size, NULL);
}

static void check_mmap(struct check *c, const struct vmsim__step_mmap *d, const char *path) {
    check_error(c, &d->result, path);
    check_prot(c, d->prot, path);
    check_file(c, d->file, path);
    if (d->file && (d->hugetlb || d->huge_size))
        wrong(c, path, d->huge_size ? ".huge_size" : ".hugetlb", "%s",
              "a mapping of a file has the file's pages: leave `file` or this out", NULL);
    check_huge_size(c, d->huge_size, path);
}

/* A key that would have no effect is an error: who wrote it expects something of it. */
static void check_place(struct check *c, const struct vmsim__file_decl *file, const char *path) {
    VMSIM__ASSERT(path);
    bool lies = file->kind == VMSIM_FILE_REGULAR || file->kind == VMSIM_FILE_BLOCKDEV;
    look_up(c, &c->devices, file->device, path, ".device", "there is no device '%s' in machine.devices");
    if (file->device && !lies)
        wrong(c, path, ".device", "a file of kind %s lies on no device", vmsim__file_kind_names[file->kind], NULL);
    if (file->inode && file->kind != VMSIM_FILE_REGULAR && file->kind != VMSIM_FILE_DIRECTORY)
        wrong(c, path, ".inode", "a file of kind %s has no inode on a device", vmsim__file_kind_names[file->kind],
              NULL);
    if (file->fragmented && file->kind != VMSIM_FILE_REGULAR)
        wrong(c, path, ".fragmented", "a file of kind %s has no pieces on a device", vmsim__file_kind_names[file->kind],
              NULL);
    if (file->fragmented % VMSIM__LAYOUT_BLOCK)
        wrong(c, path, ".fragmented", "%s", "pieces are multiples of 4KiB", NULL);
}

static void check_new_file(struct check *c, const struct vmsim__file_decl *file, const char *path) {
    const bool huge = file->kind == VMSIM_FILE_HUGETLB;
    check_place(c, file, path);
    check_huge_size(c, file->huge_size, path);
    if (file->huge_size && !huge)
        wrong(c, path, ".huge_size", "a file of kind %s has the machine's pages", vmsim__file_kind_names[file->kind],
              NULL);
    if (file->cached && huge)
        wrong(c, path, ".cached", "%s", "pages of a pool are not in the page cache: fallocate them", NULL);
}

/* Whether it is there when its time comes is the run's affair. */
static void check_cgroup(struct check *c, const char *cgroup, const char *path) {
    if (cgroup && strcmp(cgroup, "/") != 0)
        look_up(c, &c->cgroups, cgroup, path, ".cgroup",
                "there is no cgroup '%s': list it in workload.cgroups or create it");
}

static void check_device_fault(struct check *c, const struct vmsim__step_device_fault *d, const char *path) {
    const char *field = "", *text = vmsim__block_judge_fault(&d->fault, &field);
    char suffix[48];
    look_up(c, &c->devices, d->device, path, ".device", "there is no device '%s' in machine.devices");
    snprintf(suffix, sizeof suffix, ".fault.%s", field);
    if (text)
        wrong(c, path, suffix, "%s", text, NULL);
}

/* Nodes that are not there are the call's affair, and its errno's. */
static void check_node_list(struct check *c, const char *list, const char *path, const char *field) {
    uint64_t mask;
    if (!vmsim__node_list(list, 1, &mask))
        wrong(c, path, field, "'%s' is no list of nodes from 0 to 63 such as \"0-3,5\" or all", list, NULL);
}

static void check_numa(struct check *c, enum vmsim__verb verb, const struct vmsim__step_numa *d, const char *path) {
    check_error(c, &d->result, path);
    if (verb == VMSIM__VERB_MBIND || verb == VMSIM__VERB_HOME_NODE || verb == VMSIM__VERB_MOVE_PAGES)
        check_region(c, d->range.region, path);
    check_node_list(c, d->nodes, path, verb == VMSIM__VERB_MIGRATE_PAGES ? ".from" : ".nodes");
    check_node_list(c, d->to, path, ".to");
}

/* A range has no order and no zone, and only ranges come out of CMA areas. */
static void check_alloc_pages(struct check *c, const struct vmsim__step_alloc_pages *d, const char *path) {
    check_error(c, &d->result, path);
    if (d->contiguous && (d->order || d->zone || d->atomic))
        wrong(c, path, ".contiguous", "%s",
              "ranges are of one size, from any zone, and may be waited for: leave order, zone and atomic out", NULL);
    if (d->cma && !d->contiguous)
        wrong(c, path, ".cma", "%s", "areas of CMA are for ranges: say how large with contiguous", NULL);
}

static void check_step(struct check *c, const struct vmsim_param_variant *step, const char *path) {
    VMSIM__ASSERT(step->variant && path);
    const void *d = step->data;
    switch (vmsim__verb_of(step)) {
    case VMSIM__VERB_MMAP:
        check_mmap(c, d, path);
        break;
    case VMSIM__VERB_MPROTECT:
        check_prot(c, ((const struct vmsim__step_mprotect *)d)->prot, path);
        check_range_call(c, d, path);
        break;
    case VMSIM__VERB_MUNMAP:
    case VMSIM__VERB_MLOCK:
    case VMSIM__VERB_MUNLOCK:
    case VMSIM__VERB_MSYNC:
    case VMSIM__VERB_MADVISE:
        check_range_call(c, d, path);
        break;
    case VMSIM__VERB_MREMAP:
        check_error(c, d, path);
        check_region(c, ((const struct vmsim__step_mremap *)d)->region, path);
        break;
    case VMSIM__VERB_TOUCH:
        check_region(c, ((const struct vmsim__step_touch *)d)->range.region, path);
        break;
    case VMSIM__VERB_FREE_PAGES:
        check_region(c, ((const struct vmsim__step_free_pages *)d)->region, path);
        break;
    case VMSIM__VERB_ALLOC_PAGES:
        check_alloc_pages(c, d, path);
        break;
    case VMSIM__VERB_BRK:
    case VMSIM__VERB_SWAPON: /* what it cannot do is its result */
    case VMSIM__VERB_SWAPOFF:
        check_error(c, d, path);
        break;
    case VMSIM__VERB_CREATE:
        check_new_file(c, &((const struct vmsim__step_create *)d)->file, path);
        break;
    case VMSIM__VERB_UNLINK:
    case VMSIM__VERB_READ:
    case VMSIM__VERB_WRITE:
    case VMSIM__VERB_FSYNC:
    case VMSIM__VERB_TRUNCATE:
    case VMSIM__VERB_FALLOCATE:
    case VMSIM__VERB_FADVISE:
        check_error(c, d, path);
        check_file(c, ((const struct vmsim__step_file *)d)->file, path);
        break;
    case VMSIM__VERB_CGROUP_CREATE:
    case VMSIM__VERB_CGROUP_REMOVE:
    case VMSIM__VERB_CGROUP_ATTACH:
    case VMSIM__VERB_CGROUP_WRITE:
        check_error(c, d, path);
        check_cgroup(c, ((const struct vmsim__step_cgroup *)d)->cgroup, path);
        break;
    case VMSIM__VERB_MBIND:
    case VMSIM__VERB_SET_MEMPOLICY:
    case VMSIM__VERB_HOME_NODE:
    case VMSIM__VERB_MIGRATE_PAGES:
    case VMSIM__VERB_MOVE_PAGES:
    case VMSIM__VERB_MEMORY_BLOCK:
    case VMSIM__VERB_MEMORY_NODE:
        check_numa(c, vmsim__verb_of(step), d, path);
        break;
    case VMSIM__VERB_DEVICE_FAULT:
        check_device_fault(c, d, path);
        break;
    case VMSIM__VERB_MIGRATE:
        check_cpu(c, ((const struct vmsim__step_migrate *)d)->cpu, path);
        break;
    case VMSIM__VERB_KILL:
        look_up(c, &c->doers, ((const struct vmsim__step_kill *)d)->task, path, ".task", "there is no task '%s'");
        break;
    case VMSIM__VERB_FORK:
        if (c->nommu && !((const struct vmsim__step_fork *)d)->thread)
            wrong(c, path, "", "%s", "a machine without an MMU cannot fork: make it a thread (thread: true)", NULL);
        check_fork(c, d, path);
        break;
    case VMSIM__VERB_REPEAT:
        check_repeat(c, d, path);
        break;
    default:
        break;
    }
}

static void check_steps(struct check *c, const struct vmsim_param_list *steps, const char *path) {
    const struct vmsim_param_variant *at = steps->data;
    for (size_t i = 0; i < steps->count; i++) {
        char inner[PATH_SIZE];
        extend_step(inner, path, i, &at[i]);
        check_step(c, &at[i], inner);
    }
}

/* ---- tasks, barriers, expectations ---- */

/* Counters are named after tasks. */
static void check_task_name(struct check *c, const struct vmsim__task_decl *tasks, size_t i) {
    VMSIM__ASSERT(tasks);
    char path[64];
    size_t known = c->tasks.count;
    VMSIM__ASSERT(c->no_memory || vmsim__names_find(&c->doers, tasks[i].name) != VMSIM__NO_NAME);
    if (vmsim__names_add(c->alloc, &c->tasks, tasks[i].name) == VMSIM__NO_NAME)
        c->no_memory = true;
    snprintf(path, sizeof path, "workload.tasks[%zu]", i);
    if (!c->no_memory && c->tasks.count == known)
        wrong(c, path, ".name", "another task is named '%s', too: their counters could not be told apart",
              tasks[i].name, NULL);
}

static void check_oom_score_adj(struct check *c, const struct vmsim__task_decl *task, size_t i) {
    char path[64];
    snprintf(path, sizeof path, "workload.tasks[%zu]", i);
    if (task->oom_score_adj < -1000 || task->oom_score_adj > 1000)
        wrong(c, path, ".oom_score_adj", "oom_score_adj of task '%s' lies outside of -1000 to 1000", task->name, NULL);
}

/* The names of one task's program. */
static void collect_task(struct check *c, const struct vmsim__task_decl *task, size_t i) {
    char path[64];
    snprintf(path, sizeof path, "workload.tasks[%zu].program", i);
    vmsim__names_cut(c->alloc, &c->regions, 0);
    add(c, &c->doers, task->name);
    collect(c, &task->program, &(struct place){.program = ++c->programs, .path = path});
}

/* Those that are listed, and those above them. */
static void collect_cgroups(struct check *c, const struct vmsim__workload_spec *w) {
    const struct vmsim__cgroup_decl *decl = w->cgroups.data;
    for (size_t i = 0; i < w->cgroups.count; i++) {
        char above[PATH_SIZE];
        extend(above, decl[i].path, "");
        for (char *end = strrchr(above, '/'); end && end > above; end = strrchr(above, '/')) {
            *end = 0;
            add(c, &c->cgroups, above);
        }
    }
    for (size_t i = 0; i < w->cgroups.count; i++) {
        char path[64];
        snprintf(path, sizeof path, "workload.cgroups[%zu]", i);
        for (size_t k = 0; k < i; k++) {
            if (!strcmp(decl[k].path, decl[i].path))
                wrong(c, path, ".path", "cgroup '%s' is listed twice", decl[i].path, NULL);
        }
        add(c, &c->cgroups, decl[i].path);
    }
}

/* The first pass goes over all tasks, since files and markers are everybody's; regions are collected anew for each. */
static void check_tasks(struct check *c, const struct vmsim__workload_spec *w) {
    const struct vmsim__task_decl *tasks = w->tasks.data;
    const struct vmsim__file_decl *files = w->files.data;
    collect_cgroups(c, w);
    for (size_t i = 0; !c->no_memory && i < w->tasks.count; i++) { /* what a step makes is not there yet */
        char path[64];
        snprintf(path, sizeof path, "workload.tasks[%zu]", i);
        check_cgroup(c, tasks[i].cgroup, path);
        check_node_list(c, tasks[i].numa.nodes, path, ".numa.nodes");
    }
    for (size_t i = 0; i < w->files.count; i++)
        add(c, &c->files, files[i].name);
    for (size_t i = 0; !c->no_memory && i < w->files.count; i++) {
        char path[64];
        snprintf(path, sizeof path, "workload.files[%zu]", i);
        check_new_file(c, &files[i], path);
    }
    for (size_t i = 0; i < w->tasks.count; i++) {
        c->any_trace |= tasks[i].trace != NULL;
        check_oom_score_adj(c, &tasks[i], i);
        collect_task(c, &tasks[i], i);
    }
    c->regions_only = true;
    for (size_t i = 0; !c->no_memory && i < w->tasks.count; i++) {
        char path[64];
        snprintf(path, sizeof path, "workload.tasks[%zu]", i);
        if (c->nommu && tasks[i].trace && tasks[i].recorded_addresses)
            wrong(c, path, ".recorded_addresses", "%s",
                  "without an MMU memory lies where it is free: leave recorded_addresses out", NULL);
        check_cpus(c, &tasks[i], path);
        snprintf(path, sizeof path, "workload.tasks[%zu].program", i);
        collect_task(c, &tasks[i], i);
        check_task_name(c, tasks, i);
        check_steps(c, &tasks[i].program, path);
    }
}

/* A barrier at which fewer tasks can come than it waits for would end as a run in which all wait for each other; it can
 * be told before. */
static void check_barriers(struct check *c) {
    for (size_t i = 0; i < c->arrivals.count; i++) {
        const struct arrival *a = &c->arrivals.at[i];
        uint64_t count = c->comers.at[a->name];
        if (count >= a->barrier->tasks)
            continue;
        char text[160];
        snprintf(text, sizeof text, "waits for ever: %llu tasks are to meet at '%.60s', and %llu can come",
                 (unsigned long long)a->barrier->tasks, a->barrier->name, (unsigned long long)count);
        wrong(c, a->path, "", "%s", text, NULL);
    }
}

/* The task of "tasks.NAME.minflt", without the "#2" of those that bear a name again, must be one that is begun. */
static void check_counter_task(struct check *c, const char *counter, const char *path, const char *field) {
    static const char tasks[] = "tasks.";
    char name[256];
    if (!counter || strncmp(counter, tasks, sizeof tasks - 1) != 0)
        return;
    const char *begin = counter + sizeof tasks - 1, *end = strrchr(begin, '.');
    size_t length = end ? (size_t)(end - begin) : 0;
    if (!length || length >= sizeof name)
        return; /* no name of a counter: that is told where it is looked up */
    memcpy(name, begin, length);
    name[length] = '\0';
    char *copy = strrchr(name, '#');
    if (copy && copy[1] && strspn(copy + 1, "0123456789") == strlen(copy + 1))
        *copy = '\0';
    look_up(c, &c->doers, name, path, field, "no task is named '%s'");
}

/* A trace brings tasks and markers of its own. */
static void check_expectations(struct check *c, const struct vmsim_param_list *list) {
    const struct vmsim__expect_spec *e = list->data;
    for (size_t i = 0; i < list->count && !c->any_trace; i++, e++) {
        char path[64], field[32];
        snprintf(path, sizeof path, "expect[%zu]", i);
        look_up(c, &c->markers, e->at, path, ".at", "no task has a marker '%s'");
        look_up(c, &c->markers, e->since, path, ".since", "no task has a marker '%s'");
        check_counter_task(c, e->counter, path, ".counter");
        check_counter_task(c, e->of, path, ".of");
        check_counter_task(c, e->equals, path, ".equals");
        check_counter_task(c, e->min, path, ".min");
        check_counter_task(c, e->max, path, ".max");
        for (size_t k = 0; k < e->sum.count; k++) {
            snprintf(field, sizeof field, ".sum[%zu]", k);
            check_counter_task(c, ((const char *const *)e->sum.data)[k], path, field);
        }
    }
}

static void collect_devices(struct check *c, const struct vmsim__machine_spec *machine) {
    struct vmsim__block_spec one;
    const struct vmsim__block_spec *devices;
    size_t count = vmsim__machine_devices(machine, &one, &devices);
    for (size_t i = 0; i < count; i++)
        add(c, &c->devices, devices[i].name);
}

int vmsim__workload_validate(struct vmsim_config *config, const struct vmsim__scenario_spec *spec, unsigned cpus) {
    VMSIM__ASSERT(spec && cpus > 0);
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    if (!alloc)
        return VMSIM_ENOMEM;
    struct check c = {.config = config, .alloc = alloc, .cpus = cpus, .nommu = spec->machine.arch == VMSIM__PT_NOMMU};
    c.arch = (unsigned)vmsim__memory_arch((enum vmsim__pt_format_id)spec->machine.arch);
    c.page_shift = vmsim__pt_format_get((enum vmsim__pt_format_id)spec->machine.arch)->page_shift;
    collect_devices(&c, &spec->machine);
    check_tasks(&c, &spec->workload);
    check_barriers(&c);
    check_expectations(&c, &spec->expect);
    struct vmsim__names *sets[] = {&c.regions,  &c.files,   &c.markers, &c.devices, &c.tasks,
                                   &c.barriers, &c.comings, &c.cgroups, &c.doers};
    for (size_t i = 0; i < VMSIM__COUNT(sets); i++)
        vmsim__names_fini(alloc, sets[i]);
    vmsim__vec_fini(alloc, &c.arrivals);
    vmsim__vec_fini(alloc, &c.comers);
    vmsim__alloc_destroy(alloc);
    return c.no_memory ? VMSIM_ENOMEM : c.result;
}
