/* SPDX-License-Identifier: MIT */
/* From a resolved configuration to a machine with its jobs, and the root table that makes configurations of this kind.
 *
 *     vmsim_config_create     the root table: machine | policies | workload | report | expect
 *     (reading, presets, --set, resolving: config/)
 *     vmsim_machine_create    settled spec -> checked -> policies applied -> machine
 *     vmsim_scenario_create   the same, then files, cgroups, tasks with their programs and traces
 *
 * It is the one place that knows both what was written and what the machine takes. Whatever is wrong is an error of
 * the configuration, at the line that says it; a machine's own refusal is given the place of the value it is about.
 * Several errors are told at once where they do not follow from one another. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "machine/knobs.h"
#include "scenario/numa_steps.h"
#include "scenario/engine.h"
#include "scenario/program.h"
#include "scenario/validate.h"

#define AT(f) offsetof(struct vmsim__scenario_spec, f)

/* The root table of one configuration: `machine` is joined from the layers' tables when the configuration is made, and
 * `policies` from the rows of domains. It lives in an allocator of its own because tables must outlive every use of the
 * configuration. */
struct root {
    struct vmsim_param machine[VMSIM__MACHINE_PARAMS_MAX];
    struct vmsim_param policies[VMSIM_POLICY_DOMAINS + 1];
    struct vmsim_param table[8];
};

/* Tables are data, and this one depends on what the layers declare: it is put together at run time. */
static int fill_root(struct root *root) {
    VMSIM__ASSERT(root);
    const struct vmsim_param fields[] = {
        {.name = "vmsim",
         .type = VMSIM_PARAM_UINT,
         .offset = AT(version),
         .fallback = "1",
         .min = 1,
         .max = 1,
         .doc = "Version of this format."},
        {.name = "machine",
         .type = VMSIM_PARAM_STRUCT,
         .offset = AT(machine),
         .fields = root->machine,
         .doc = "The machine."},
        {.name = "policies",
         .type = VMSIM_PARAM_STRUCT,
         .offset = AT(policies),
         .fields = root->policies,
         .doc = "Choices made in place of the built-in ones."},
        {.name = "workload",
         .type = VMSIM_PARAM_STRUCT,
         .offset = AT(workload),
         .fields = vmsim__workload_params,
         .doc = "What runs on it."},
        {.name = "report",
         .type = VMSIM_PARAM_STRUCT,
         .offset = AT(report),
         .fields = vmsim__report_params,
         .doc = "What is written."},
        {.name = "expect",
         .type = VMSIM_PARAM_STRUCT_LIST,
         .offset = AT(expect),
         .fields = vmsim__expect_params,
         .element_size = sizeof(struct vmsim__expect_spec),
         .doc = "What must hold at the end; the exit status says whether it did."},
    };
    memcpy(root->table, fields, sizeof fields);
    for (size_t i = 0; i < VMSIM_POLICY_DOMAINS; i++)
        root->policies[i] = (struct vmsim_param){.name = vmsim__policy_domains[i]->info.name,
                                                 .type = VMSIM_PARAM_STRUCT,
                                                 .offset = offsetof(struct vmsim__policies_spec, choice[i]),
                                                 .fields = vmsim__policy_choice_params,
                                                 .doc = vmsim__policy_domains[i]->info.doc};
    return vmsim__machine_params(root->machine, VMSIM__MACHINE_PARAMS_MAX);
}

/* Twice: the size of the joined table is only known to fit once it was made, and the configuration's own memory is
 * there only afterwards. */
int vmsim_config_create(struct vmsim_config **config) {
    if (!config)
        return VMSIM_EINVAL;
    *config = NULL;
    struct root local = {0};
    int err = fill_root(&local);
    struct vmsim_config *c = NULL;
    err = err ? err : vmsim__config_create(NULL, local.table, sizeof(struct vmsim__scenario_spec), &c);
    struct root *root = err ? NULL : vmsim__config_alloc(c, 1, sizeof *root);
    if (err)
        return err;
    if (!root || (err = fill_root(root))) {
        vmsim_config_destroy(c);
        return err ? err : VMSIM_ENOMEM;
    }
    vmsim__config_set_root(c, root->table);
    vmsim__config_set_knobs(c, vmsim__machine_knob);
    *config = c;
    return 0;
}

/* A plugin's path is seen from the file that names it. */
static int settle_plugin(struct vmsim_config *config, const char *path, const char **plugin) {
    if (!*plugin)
        return 0;
    if (vmsim__config_limits(config) & VMSIM_CONFIG_NO_PLUGINS)
        return vmsim__config_error(config, path, "plugins are programs, and are not run (--no-plugins)");
    *plugin = vmsim__config_find(config, path, *plugin);
    return *plugin ? vmsim__config_check_file(config, path, *plugin) : VMSIM_ENOMEM;
}

/* Without any plugin loaded, as for `vmsim check`. */
static bool is_built_in(const struct vmsim__policy_domain *domain, const char *name) {
    VMSIM__ASSERT(domain->built_in && name);
    const struct vmsim_policy *const *p = domain->built_in;
    while (*p && strcmp((*p)->name, name) != 0)
        p++;
    return *p != NULL;
}

/* A choice that a plugin would serve becomes that of the default. With `plugins` any unknown name may be one of
 * theirs. */
static void skip_choice(struct vmsim_config *config, enum vmsim_policy_domain id, bool plugins,
                        struct vmsim__policy_choice *choice) {
    bool theirs = plugins && choice->name && !is_built_in(vmsim__policy_domains[id], choice->name);
    if (!choice->plugin && !theirs)
        return;
    if (choice->plugin)
        vmsim__config_skipped(config);
    *choice = (struct vmsim__policy_choice){0};
}

/* The machine without what only plugins could do. */
static void skip_plugins(struct vmsim_config *config, struct vmsim__machine_spec *machine) {
    struct vmsim__tlb_array_spec *arrays = machine->tlb.arrays.data; /* the copy of settle_arrays */
    bool plugins = machine->plugins.count > 0;
    for (size_t i = 0; i < machine->plugins.count; i++)
        vmsim__config_skipped(config);
    machine->plugins.count = 0;
    skip_choice(config, VMSIM_POLICY_TLB_PREFETCH, plugins, &machine->tlb.prefetch);
    for (size_t i = 0; i < machine->tlb.arrays.count; i++)
        skip_choice(config, VMSIM_POLICY_TLB_REPLACEMENT, plugins, &arrays[i].replacement);
}

/* Paths are seen from the file that names them, so they are settled while that is known. */
static int settle_plugins(struct vmsim_config *config, struct vmsim__machine_spec *machine) {
    const char **paths = vmsim__config_alloc(config, machine->plugins.count + 1, sizeof *paths);
    int err = paths ? 0 : VMSIM_ENOMEM;
    for (size_t i = 0; !err && i < machine->plugins.count; i++) {
        char path[64];
        snprintf(path, sizeof path, "machine.plugins[%zu]", i);
        paths[i] = ((const char *const *)machine->plugins.data)[i];
        err = settle_plugin(config, path, &paths[i]);
    }
    machine->plugins.data = paths;
    return err ? err : settle_plugin(config, "machine.tlb.prefetch.plugin", &machine->tlb.prefetch.plugin);
}

/* A copy of the arrays: `policies:` replaces what they say, and paths of plugins are settled. */
static int settle_arrays(struct vmsim_config *config, const struct vmsim__policy_choice *all,
                         struct vmsim__machine_spec *machine) {
    size_t bytes = sizeof(struct vmsim__tlb_array_spec);
    struct vmsim__tlb_array_spec *arrays = vmsim__config_alloc(config, machine->tlb.arrays.count + 1, bytes);
    int err = arrays ? 0 : VMSIM_ENOMEM;
    for (size_t i = 0; !err && i < machine->tlb.arrays.count; i++) {
        char path[80];
        arrays[i] = ((const struct vmsim__tlb_array_spec *)machine->tlb.arrays.data)[i];
        snprintf(path, sizeof path, "machine.tlb.arrays[%zu].replacement.plugin", i);
        if (all->name || all->plugin)
            arrays[i].replacement = *all;
        else
            err = settle_plugin(config, path, &arrays[i].replacement.plugin);
    }
    machine->tlb.arrays.data = arrays;
    return err;
}

/* A choice of `policies:` as the machine takes it. One that no part of a machine would ask is refused: a run that looks
 * as if it had tried a policy is worse than none. */
static int settle_choice(struct vmsim_config *config, const struct vmsim_policy_domain_info *domain,
                         struct vmsim__policy_choice *choice) {
    VMSIM__ASSERT(domain->name && choice);
    char path[80];
    snprintf(path, sizeof path, "policies.%s", domain->name);
    if ((choice->name || choice->plugin) && !domain->simulated)
        return vmsim__config_error(config, path,
                                   "no part of a machine asks policies of domain %s yet; their unit tests "
                                   "(vmsim/testing.h) do, and machine.plugins loads them",
                                   domain->name);
    snprintf(path, sizeof path, "policies.%s.plugin", domain->name);
    return settle_plugin(config, path, &choice->plugin);
}

/* `policies:` replaces what the machine's own parts say. */
static int apply_policies(struct vmsim_config *config, const struct vmsim__scenario_spec *spec,
                          struct vmsim__machine_spec *machine) {
    struct vmsim__policies_spec p = spec->policies;
    const struct vmsim__policy_choice *prefetch = &p.choice[VMSIM_POLICY_TLB_PREFETCH];
    int err = settle_plugins(config, machine);
    for (size_t i = 0; !err && i < VMSIM_POLICY_DOMAINS; i++)
        err = settle_choice(config, &vmsim__policy_domains[i]->info, &p.choice[i]);
    if (err)
        return err;
    bool skip = vmsim__config_limits(config) & VMSIM_CONFIG_SKIP_PLUGINS;
    for (unsigned i = 0; skip && i < VMSIM_POLICY_DOMAINS; i++)
        skip_choice(config, (enum vmsim_policy_domain)i, machine->plugins.count > 0, &p.choice[i]);
    if (prefetch->name || prefetch->plugin)
        machine->tlb.prefetch = *prefetch;
    machine->readahead = p.choice[VMSIM_POLICY_READAHEAD];
    machine->oom = p.choice[VMSIM_POLICY_OOM];
    machine->swap_placement = p.choice[VMSIM_POLICY_SWAP];
    machine->reclaim = p.choice[VMSIM_POLICY_RECLAIM];
    machine->compaction = p.choice[VMSIM_POLICY_COMPACTION];
    machine->numa_balancing = p.choice[VMSIM_POLICY_NUMA_BALANCING];
    machine->tiering = p.choice[VMSIM_POLICY_TIERING];
    machine->thp = p.choice[VMSIM_POLICY_THP];
    err = settle_arrays(config, &p.choice[VMSIM_POLICY_TLB_REPLACEMENT], machine);
    if (!err && skip)
        skip_plugins(config, machine);
    return err;
}

/* The resolved scenario, or NULL with a reason in the configuration's errors. */
static const struct vmsim__scenario_spec *resolved(struct vmsim_config *config) {
    const struct vmsim__scenario_spec *spec = vmsim__config_root(config);
    if (!spec)
        vmsim__config_error(config, "", "the configuration has not been resolved, or has errors");
    return spec;
}

int vmsim_machine_create(struct vmsim_config *config, struct vmsim_machine **out) {
    if (out)
        *out = NULL;
    if (!config || !out)
        return VMSIM_EINVAL;
    return vmsim_machine_create_with(config, NULL, out);
}

/* Takes the knob that `text` begins with out of the machine's list, which is a copy. False: it is about none. */
static bool drop_knob(struct vmsim__machine_spec *machine, const char *text) {
    VMSIM__ASSERT(text);
    struct vmsim_param_pair *pairs = machine->sysctl.data;
    for (size_t i = 0; i < machine->sysctl.count; i++) {
        size_t n = strlen(pairs[i].origin);
        if (strncmp(text, pairs[i].origin, n) != 0 || strncmp(text + n, ": ", 2) != 0)
            continue;
        memmove(&pairs[i], &pairs[i + 1], (machine->sysctl.count - i - 1) * sizeof *pairs);
        machine->sysctl.count--;
        machine->mem.sysctl = machine->sysctl;
        return true;
    }
    return false;
}

/* All wrong knobs are told at once: after each the machine is tried without it. */
static int create_machine(struct vmsim_config *config, const struct vmsim__scenario_spec *spec,
                          struct vmsim__machine_spec *machine, const struct vmsim_allocator *allocator,
                          struct vmsim_machine **out) {
    VMSIM__ASSERT(out && spec);
    const size_t size = sizeof(struct vmsim_param_pair);
    struct vmsim_param_pair *knobs = vmsim__config_alloc(config, machine->sysctl.count + 1, size);
    int first = knobs ? 0 : VMSIM_ENOMEM, code = first;
    if (knobs && machine->sysctl.count)
        memcpy(knobs, machine->sysctl.data, machine->sysctl.count * size);
    machine->sysctl.data = knobs;
    machine->mem.sysctl = machine->sysctl;
    for (bool again = knobs != NULL; again;) {
        struct vmsim__err err = {0};
        code = vmsim__machine_create(machine, allocator, out, &err);
        first = first ? first : code;
        if (code)
            vmsim__machine_complain(config, spec,
                                    *vmsim__err_text(&err) ? vmsim__err_text(&err) : vmsim_error_text(code));
        again = code && code != VMSIM_ENOMEM && drop_knob(machine, vmsim__err_text(&err));
    }
    if (first && !code) {
        vmsim_machine_destroy(*out);
        *out = NULL;
    }
    return code == VMSIM_ENOMEM ? code : first;
}

/* `future`: what the run will refer to, or where it is recorded; NULL: unknown. */
static int create_from(struct vmsim_config *config, const struct vmsim_allocator *allocator,
                       struct vmsim__reclaim_future *future, struct vmsim_machine **out) {
    const struct vmsim__scenario_spec *spec = resolved(config);
    if (!spec)
        return VMSIM_ESTATE;
    struct vmsim__machine_spec machine = spec->machine;
    vmsim__machine_spec_settle(&machine);
    machine.seed = spec->workload.seed;
    machine.future = future;
    machine.linked = vmsim__config_policies(config, &machine.linked_count);
    int code = vmsim__machine_validate(config, &machine);
    if (code)
        return code;
    code = apply_policies(config, spec, &machine);
    return code ? code : create_machine(config, spec, &machine, allocator, out);
}

int vmsim_machine_create_with(struct vmsim_config *config, const struct vmsim_allocator *allocator,
                              struct vmsim_machine **out) {
    if (out)
        *out = NULL;
    if (!config || !out)
        return VMSIM_EINVAL;
    return create_from(config, allocator, NULL, out);
}

/* vmsim__workload_validate has told. */
static bool has_no_place(const struct vmsim_scenario *s, const struct vmsim__file_decl *file) {
    bool lies = file->kind == VMSIM_FILE_REGULAR || file->kind == VMSIM_FILE_BLOCKDEV;
    if (file->device && vmsim__block_find(s->machine->block, file->device) == VMSIM__BLOCK_NO_DEVICE)
        return true;
    if (file->huge_size &&
        !vmsim__hugetlb_size_known(s->machine->mem->arch, s->machine->mem->page_shift, file->huge_size))
        return true;
    return file->fragmented % VMSIM__LAYOUT_BLOCK || (!lies && (file->device || file->fragmented));
}

/* With an index, so that the message has the file's place in the description. */
static int create_files(struct vmsim_scenario *s) {
    VMSIM__ASSERT(s->machine);
    const struct vmsim__file_decl *files = s->spec->workload.files.data;
    for (size_t i = 0; i < s->spec->workload.files.count; i++) {
        uint32_t id;
        if (has_no_place(s, &files[i]))
            return VMSIM_ECONFIG;
        int err = vmsim__file_declared(s->machine, &files[i], &id);
        s->inodes_described |= files[i].inode != 0;
        if (err) {
            char path[64];
            snprintf(path, sizeof path, "workload.files[%zu]", i);
            vmsim__config_error(s->config, path, "%s", vmsim_machine_error(s->machine));
            return err;
        }
    }
    return 0;
}

/* Opens the job's trace or sets its program going. Adds an error and returns its code when that cannot be. */
static int prepare_job(struct vmsim_scenario *s, struct vmsim__job *job, const struct vmsim__task_decl *decl,
                       const char *path) {
    VMSIM__ASSERT(job->scenario == s && !job->replay);
    if ((decl->trace != NULL) == (decl->program.count != 0))
        return vmsim__config_error(s->config, path,
                                   decl->trace ? "a task has a trace or a program, not both"
                                               : "a task needs a program (its steps) or a trace");
    if (!decl->trace)
        return vmsim__job_push(s, job, &decl->program, 1);
    char key[80];
    snprintf(key, sizeof key, "%s.trace", path);
    const char *file = vmsim__config_find(s->config, key, decl->trace);
    if (file && vmsim__config_check_file(s->config, key, file))
        return VMSIM_ECONFIG;
    int err = file ? vmsim__replay_open(s, job, decl, file) : VMSIM_ENOMEM;
    if (err)
        vmsim__config_error(s->config, key, "%s%s", vmsim__err_text(&s->err),
                            err == VMSIM_ENOENT ? " (looked for beside this file, and where -I says)" : "");
    else
        s->total_references += vmsim__replay_references(job->replay);
    return err;
}

/* Makes those of a path that are not there yet. */
static int make_cgroup(struct vmsim_machine *m, const char *path) {
    VMSIM__ASSERT(path && m);
    char above[VMSIM__CGROUP_PATH_MAX];
    int err = 0;
    for (const char *end = strchr(path + 1, '/'); *path == '/' && !err && end; end = strchr(end + 1, '/')) {
        const size_t length = (size_t)(end - path);
        if (length >= sizeof above)
            break;
        memcpy(above, path, length);
        above[length] = 0;
        err = vmsim__cgroup_find(m, above) == VMSIM__NO_CGROUP ? vmsim__cgroup_mkdir(m, above) : 0;
    }
    return !err && vmsim__cgroup_find(m, path) == VMSIM__NO_CGROUP ? vmsim__cgroup_mkdir(m, path) : err;
}

/* A cgroup's own policy of reclaim. */
static int choose_reclaim(struct vmsim_scenario *s, const struct vmsim__cgroup_decl *decl, size_t i) {
    struct vmsim__policy_choice choice = decl->reclaim;
    char path[80];
    if (!choice.name && !choice.plugin)
        return 0;
    snprintf(path, sizeof path, "workload.cgroups[%zu].reclaim.plugin", i);
    int err = settle_plugin(s->config, path, &choice.plugin);
    if (err)
        return err;
    if (vmsim__config_limits(s->config) & VMSIM_CONFIG_SKIP_PLUGINS) {
        skip_choice(s->config, VMSIM_POLICY_RECLAIM, s->spec->machine.plugins.count > 0, &choice);
        if (!choice.name)
            return 0;
    }
    snprintf(path, sizeof path, "workload.cgroups[%zu].reclaim", i);
    err = vmsim__cgroup_choose_reclaim(s->machine, decl->path, &choice);
    return err ? vmsim__config_error(s->config, path, "%s", vmsim_machine_error(s->machine)) : 0;
}

/* Files are written when all are there. */
static int create_cgroups(struct vmsim_scenario *s) {
    const struct vmsim__cgroup_decl *decl = s->spec->workload.cgroups.data;
    char path[64];
    int result = 0;
    for (size_t i = 0; i < s->spec->workload.cgroups.count; i++) {
        snprintf(path, sizeof path, "workload.cgroups[%zu].path", i);
        if (make_cgroup(s->machine, decl[i].path))
            result = vmsim__config_error(s->config, path, "%s", vmsim_machine_error(s->machine));
        else if (choose_reclaim(s, &decl[i], i))
            result = VMSIM_ECONFIG;
        if (vmsim__host_error(s->machine))
            return VMSIM_ENOMEM;
    }
    for (size_t i = 0; !result && i < s->spec->workload.cgroups.count; i++) {
        const struct vmsim_param_pair *pair = decl[i].files.data;
        for (size_t k = 0; k < decl[i].files.count; k++) {
            char at[160];
            snprintf(at, sizeof at, "workload.cgroups[%zu].files.%.80s", i, pair[k].key);
            if (vmsim_cgroup_write(s->machine, VMSIM_TASK_NONE, decl[i].path, pair[k].key, pair[k].value))
                result = vmsim__config_error(s->config, at, "%s", vmsim_machine_error(s->machine));
        }
    }
    return result;
}

/* A trace without a word about it begins where there is least to do. Numbers that are too large are told later. */
static unsigned first_cpu(struct vmsim_scenario *s, const struct vmsim__task_decl *decl) {
    const uint64_t *cpus;
    size_t count;
    vmsim__replay_cpus(decl, &cpus, &count);
    if (!decl->trace || decl->has_cpu)
        return (unsigned)vmsim__min64(decl->cpu, UINT32_MAX);
    return vmsim__cpu_idlest(s->machine, NULL, cpus, count);
}

/* What numactl would have set before it ran the program: a policy that the machine refuses is an error of the file. */
static int set_policy(struct vmsim_scenario *s, struct vmsim__task *t, const struct vmsim__step_numa *numa, size_t i) {
    struct vmsim__call_args args;
    char path[64];
    uint64_t mask;
    if (!numa->mode && !numa->nodes)
        return 0;
    if (!vmsim__node_list(numa->nodes, 1, &mask))
        return VMSIM_ECONFIG; /* vmsim__workload_validate has told */
    vmsim__numa_call(VMSIM__VERB_SET_MEMPOLICY, numa, s->machine->mem->nr_nodes, 0, 0, &args);
    s->machine->mem->now.mems = t->mems;
    const int64_t refused = vmsim__vm_set_mempolicy(s->machine->vm, &t->policy, (unsigned)args.a[0], args.a[1]);
    s->machine->mem->now.mems = 0;
    if (!refused)
        return 0;
    snprintf(path, sizeof path, "workload.tasks[%zu].numa", i);
    return vmsim__config_error(s->config, path, "task '%s': Linux refuses this policy with EINVAL: %s", t->name,
                               numa->nodes
                                   ? "is one of its nodes there, does it have memory and does the cpuset allow it?"
                                   : "it needs nodes");
}

/* All tasks begin by an event, those that start at 0 as well: one rule decides who is first. */
static int create_tasks(struct vmsim_scenario *s) {
    VMSIM__ASSERT(s->machine && !s->jobs.count);
    const struct vmsim__task_decl *tasks = s->spec->workload.tasks.data;
    int result = 0;
    for (size_t i = 0; i < s->spec->workload.tasks.count; i++) {
        char path[64];
        uint32_t id;
        snprintf(path, sizeof path, "workload.tasks[%zu]", i);
        int err = vmsim_task_create(s->machine, tasks[i].name, first_cpu(s, &tasks[i]), &id);
        if (err) {
            snprintf(path, sizeof path, "workload.tasks[%zu].cpu", i);
            vmsim__config_error(s->config, path, "%s", vmsim_machine_error(s->machine));
            result = err;
            continue;
        }
        struct vmsim__task *t = vmsim__task_at(s->machine, id);
        t->oom_score_adj = (int16_t)tasks[i].oom_score_adj;
        t->roams = tasks[i].follow_memory;
        if (tasks[i].cgroup && vmsim__cgroup_find(s->machine, tasks[i].cgroup) == VMSIM__NO_CGROUP) {
            result = VMSIM_ECONFIG; /* vmsim__workload_validate has told */
        } else if (tasks[i].cgroup && vmsim__cgroup_attach(s->machine, tasks[i].cgroup, t)) {
            snprintf(path, sizeof path, "workload.tasks[%zu].cgroup", i);
            result = vmsim__config_error(s->config, path, "%s", vmsim_machine_error(s->machine));
        }
        result = set_policy(s, t, &tasks[i].numa, i) ? VMSIM_ECONFIG : result;
        struct vmsim__job *job = vmsim__job_create(s, id);
        if (!job)
            return VMSIM_ENOMEM;
        err = prepare_job(s, job, &tasks[i], path);
        result = err ? err : result;
        if (vmsim__job_begin(job, tasks[i].start))
            return VMSIM_ENOMEM;
    }
    return result;
}

/* This run is to tell a policy of the next what will be referred to. */
static bool wants_future(const struct vmsim_machine *m) {
    return m->reclaim.wants_future || (m->numa.oracle.read && m->numa.oracle.future.recording);
}

/* All parts are tried even when one has errors, so that a user sees them together; tasks alone need the files. */
static int create_parts(struct vmsim_scenario *s) {
    int err = create_from(s->config, NULL, s->future, &s->machine);
    if (err)
        return err;
    err = vmsim__workload_validate(s->config, s->spec, s->machine->nr_cpus);
    int files = create_files(s), cgroups = create_cgroups(s);
    files = files ? files : cgroups;
    int tasks = files ? files : create_tasks(s), expect = wants_future(s->machine) ? 0 : vmsim__expectations_declare(s);
    return err ? err : tasks ? tasks : expect;
}

/* One scenario, ready to run. */
static int create_scenario(struct vmsim_config *config, struct vmsim__reclaim_future *future,
                           struct vmsim_scenario **scenario) {
    const struct vmsim__scenario_spec *spec = resolved(config);
    VMSIM__ASSERT(spec);
    *scenario = NULL;
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    struct vmsim_scenario *s = alloc ? vmsim__calloc(alloc, 1, sizeof *s) : NULL;
    if (!s) {
        if (alloc)
            vmsim__alloc_destroy(alloc);
        return VMSIM_ENOMEM;
    }
    s->alloc = alloc;
    s->config = config;
    s->spec = spec;
    s->future = future;
    int err = create_parts(s);
    if (err) {
        vmsim_scenario_destroy(s);
        return err;
    }
    *scenario = s;
    return 0;
}

/* A run of the same work tells a policy that wants it what will be referred to: *scenario, which is ready, is run and
 * gives way to another. */
static int run_ahead(struct vmsim_config *config, struct vmsim__reclaim_future *future,
                     struct vmsim_scenario **scenario) {
    struct vmsim_scenario *first = *scenario;
    *scenario = NULL;
    int err = vmsim_scenario_run(first, NULL, NULL);
    if (err)
        vmsim__config_error(config, "policies", "the run that tells the policy the future: %s",
                            vmsim_scenario_error(first));
    vmsim_scenario_destroy(first);
    if (err)
        return err;
    return vmsim__reclaim_future_replay(future) ? create_scenario(config, future, scenario) : VMSIM_ENOMEM;
}

/* The future outlives the machine that records it: it has an allocator of its own. */
static int create_with_future(struct vmsim_config *config, struct vmsim_scenario **scenario) {
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    struct vmsim__reclaim_future *future = alloc ? vmsim__reclaim_future_create(alloc) : NULL;
    int err = future ? create_scenario(config, future, scenario) : VMSIM_ENOMEM;
    bool wanted = !err && wants_future((*scenario)->machine);
    if (wanted)
        err = run_ahead(config, future, scenario);
    if (!err && wanted) {
        (*scenario)->future_alloc = alloc;
        return 0;
    }
    if (!err) /* nobody wants it */
        (*scenario)->machine->reclaim.future = (*scenario)->future = NULL;
    vmsim__reclaim_future_destroy(future);
    if (alloc)
        vmsim__alloc_destroy(alloc);
    return err;
}

int vmsim_scenario_create(struct vmsim_config *config, struct vmsim_scenario **scenario) {
    if (scenario)
        *scenario = NULL;
    if (!config || !scenario)
        return VMSIM_EINVAL;
    const struct vmsim__scenario_spec *spec = resolved(config);
    if (!spec)
        return VMSIM_ESTATE;
    const char *out = spec->report.directory;
    if (out && vmsim__config_check_file(config, "report.directory", out))
        return VMSIM_ECONFIG;
    return create_with_future(config, scenario);
}

/* What the machine's allocator still held is the leak, which tests want to be 0. */
size_t vmsim_scenario_destroy(struct vmsim_scenario *s) {
    if (!s)
        return 0;
    size_t leaked = 0;
    for (size_t i = 0; i < s->jobs.count; i++)
        vmsim__job_release(s, s->jobs.at[i]);
    vmsim__vec_fini(s->alloc, &s->jobs);
    for (size_t i = 0; i < s->failures.count; i++)
        vmsim__strfree(s->alloc, s->failures.at[i].text);
    vmsim__vec_fini(s->alloc, &s->failures);
    vmsim__vec_fini(s->alloc, &s->expectations);
    vmsim__markers_release(s);
    vmsim__rows_release(s);
    vmsim__block_map_release(s);
    vmsim__fault_map_release(s);
    for (size_t i = 0; i < s->replays.count; i++)
        vmsim__replay_close(s, s->replays.at[i]);
    vmsim__vec_fini(s->alloc, &s->replays);
    for (size_t i = 0; i < s->waiting.count; i++)
        vmsim__vec_fini(s->alloc, &s->waiting.at[i]);
    vmsim__vec_fini(s->alloc, &s->waiting);
    vmsim__names_fini(s->alloc, &s->barriers);
    leaked = vmsim_machine_destroy(s->machine);
    struct vmsim__alloc *alloc = s->alloc;
    if (s->future_alloc) {
        vmsim__reclaim_future_destroy(s->future);
        leaked += vmsim__alloc_destroy(s->future_alloc);
    }
    vmsim__free(alloc, s, sizeof *s);
    return leaked + vmsim__alloc_destroy(alloc);
}

const char *vmsim_scenario_error(const struct vmsim_scenario *s) {
    if (!s)
        return "";
    return vmsim__err_text(&s->err);
}

struct vmsim_machine *vmsim_scenario_machine(struct vmsim_scenario *s) {
    if (!s)
        return NULL;
    return s->machine;
}
