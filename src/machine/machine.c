/* SPDX-License-Identifier: MIT */
/* Building and tearing down a machine, and the hooks that tie its layers together (see machine.h). */
#include "machine/compact.h"
#include "machine/content.h"
#include "machine/khugepaged.h"
#include "machine/sched.h"

#include <string.h>

/* NULL while an address space is made or was never given to a task: then no TLB has seen it, and there is nothing to
 * flush. */
static struct vmsim__space *space_of(const struct vmsim__mm *mm) {
    return mm->user;
}

/* vm/ unmapped something: no CPU may go on using it. The initiator's cost is on its CPU's TLB clock already. */
static void flush_range(void *context, struct vmsim__mm *mm, uint64_t start, uint64_t end, unsigned stride_shift,
                        bool freed_tables, unsigned cpu) {
    VMSIM__ASSERT(start <= end && cpu < ((struct vmsim_machine *)context)->nr_cpus);
    struct vmsim_machine *m = context;
    if (space_of(mm))
        vmsim__tlb_flush_mm(m->tlbs, cpu, &space_of(mm)->tlb, start, end, stride_shift, freed_tables);
}

/* Kernel: flush_tlb_mm. */
static void flush_mm(void *context, struct vmsim__mm *mm, unsigned cpu) {
    VMSIM__ASSERT(cpu < ((struct vmsim_machine *)context)->nr_cpus);
    struct vmsim_machine *m = context;
    if (space_of(mm))
        vmsim__tlb_flush_mm(m->tlbs, cpu, &space_of(mm)->tlb, 0, UINT64_MAX, m->format->page_shift, false);
}

/* False: the caller flushes at once. Kernel: set_tlb_ubc_flush_pending; flush_deferred is try_to_unmap_flush. */
static bool flush_defer(void *context, struct vmsim__mm *mm, uint64_t va, unsigned cpu) {
    struct vmsim_machine *m = context;
    (void)va;
    return space_of(mm) && vmsim__tlb_batch_add(m->tlbs, &m->unmapped, &space_of(mm)->tlb, cpu);
}

static void flush_deferred(void *context, unsigned cpu) {
    struct vmsim_machine *m = context;
    vmsim__tlb_batch_flush(m->tlbs, cpu, &m->unmapped);
}

/* A grace period ends when each CPU has been seen elsewhere: two ticks to look, and one until callbacks are run.
 * Kernel: RCU_JIFFIES_TILL_FORCE_QS, rcu_sched_clock_irq. */
static bool grace(void *context, unsigned cpu, uint64_t batch) {
    struct vmsim_machine *m = context;
    VMSIM__ASSERT(cpu < m->nr_cpus && batch < UINT64_MAX >> 16);
    const uint64_t end = m->mem->now.time + 3 * VMSIM__JIFFY;
    return !vmsim__event_at(m, end, VMSIM__EVENT_GRACE, batch << 16 | cpu);
}

/* A frame that no entry can name must not be given out. */
static int check_reach(struct vmsim_machine *m) {
    const unsigned bits = m->format->pa_bits - m->format->page_shift;
    uint64_t end = 0;
    for (uint32_t z = 0; z < m->mem->nr_zones; z++)
        end = vmsim__max64(end, m->mem->zones[z].end);
    if (end <= UINT64_C(1) << bits)
        return 0;
    return vmsim__err_set(&m->err, VMSIM_ECONFIG, "memory ends above %llu GiB, the highest address of %s",
                          (unsigned long long)(UINT64_C(1) << (m->format->pa_bits - 30u)), m->format->name);
}

/* From frames upwards: each layer is given those below it and hooks into what stands above, which is how an
 * allocation down there can reclaim up here without its including anything. */
static int create_memory(struct vmsim_machine *m) {
    int err = vmsim__mem_create(m->alloc, &m->spec.mem, &m->mem, &m->err);
    err = err ? err : check_reach(m);
    if (err)
        return err;
    m->nr_cpus = m->mem->nr_cpus;
    VMSIM__ASSERT(m->nr_cpus > 0);
    m->lru = vmsim__lru_create(m->alloc, m->mem, m->kernel, m->nr_cpus);
    m->cache = m->lru ? vmsim__cache_create(m->alloc, m->mem, m->lru, m->kernel, &m->spec.cache) : NULL;
    if (!m->cache)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for the page cache");
    struct vmsim__vm_init init = {
        .spec = &m->spec.vm,
        .kernel = m->kernel,
        .alloc = m->alloc,
        .mem = m->mem,
        .lru = m->lru,
        .cache = m->cache,
        .format = m->format,
        .hooks = {.context = m,
                  .flush_range = flush_range,
                  .flush_mm = flush_mm,
                  .flush_defer = flush_defer,
                  .flush_deferred = flush_deferred,
                  .grace = grace,
                  .numa = &vmsim__machine_numa_hooks,
                  .collapsible = vmsim__khugepaged_entered,
                  .reclaim = vmsim__machine_reclaim},
    };
    err = vmsim__vm_create(&m->vm, &init, &m->err);
    if (err)
        return err;
    if (vmsim__arch_is_narrow(m->mem->arch) && m->mem->zone_configured >> VMSIM__ZONE_HIGHMEM & 1)
        m->mem->kmap_time = (uint32_t)m->spec.vm.costs.kmap;
    m->mem->hooks.context = m;
    m->mem->hooks.slowpath = vmsim__machine_slowpath;
    m->mem->hooks.cond_resched = vmsim__sched_cond_resched;
    return 0;
}

/* Order matters: distances need nodes, swap needs devices, kernel threads need a scheduler and their cgroup. */
static int create_cpus(struct vmsim_machine *m) {
    VMSIM__ASSERT(m->nr_cpus > 0);
    int err = vmsim__tlb_system_create(&m->tlbs, m->alloc, &m->spec.tlb, m->format, m->nr_cpus, m->policies,
                                       m->spec.seed, &m->err);
    if (err)
        return err;
    m->cpus = vmsim__calloc(m->alloc, m->nr_cpus, sizeof *m->cpus);
    if (!m->cpus)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for %u CPUs", m->nr_cpus);
    for (unsigned i = 0; i < m->nr_cpus; i++) {
        m->cpus[i].tlb = vmsim__tlb_cpu(m->tlbs, i);
        m->cpus[i].task = VMSIM_TASK_NONE;
        m->cpus[i].refresh = VMSIM__STAT_INTERVAL;
    }
    err = vmsim__distance_init(m);
    err = err ? err : vmsim__io_init(m);
    err = err ? err : vmsim__swap_init(m);
    err = err ? err : vmsim__sched_init(m);
    err = err ? err : vmsim__cgroup_init(m);
    err = err ? err : vmsim__reclaim_init(m);
    err = err ? err : vmsim__compact_init(m);
    err = err ? err : vmsim__numa_init(m);
    return err ? err : vmsim__khugepaged_init(m);
}

/* After everything exists: a knob's hook may resize pools or start threads, as `sysctl -w` does after boot. The
 * message is copied, since the next one is made in the same place. */
static int write_sysctls(struct vmsim_machine *m) {
    const struct vmsim_param_pair *pairs = m->spec.sysctl.data;
    for (size_t i = 0; i < m->spec.sysctl.count; i++) {
        int err = vmsim_machine_sysctl(m, pairs[i].key, pairs[i].value);
        if (err) {
            char text[400];
            strncpy(text, vmsim__err_text(&m->err), sizeof text - 1);
            text[sizeof text - 1] = 0;
            return vmsim__err_set(&m->err, err, "%s: %s", pairs[i].origin, text);
        }
    }
    return 0;
}

/* Whatever fails, one function takes down what there is: each part's end accepts that it was never made. */
int vmsim__machine_create(const struct vmsim__machine_spec *spec, const struct vmsim_allocator *allocator,
                          struct vmsim_machine **out, struct vmsim__err *err) {
    *out = NULL;
    struct vmsim__alloc *alloc = vmsim__alloc_create(allocator);
    struct vmsim_machine *m = alloc ? vmsim__calloc(alloc, 1, sizeof *m) : NULL;
    if (!m) {
        if (alloc)
            vmsim__alloc_destroy(alloc);
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a machine");
    }
    m->alloc = alloc;
    m->horizon = m->until = VMSIM__TIME_NEVER;
    m->spec = *spec;
    vmsim__slab_init(&m->spaces, alloc, sizeof(struct vmsim__space));
    vmsim__evq_init(&m->events, alloc);
    m->format = vmsim__pt_format_get((enum vmsim__pt_format_id)m->spec.arch);
    m->kernel = vmsim__kernel_find(m->spec.mem.kernel);
    int code = m->kernel ? 0 : vmsim__err_set(&m->err, VMSIM_ECONFIG, "kernel '%s' is not known", m->spec.mem.kernel);
    code = code ? code : create_memory(m);
    code = code ? code : vmsim__machine_create_policies(m); /* before the CPUs, whose arrays ask for them by name */
    code = code ? code : vmsim__cache_set_readahead(m->cache, m->policies, &m->spec.readahead, m->spec.seed, &m->err);
    code = code ? code : create_cpus(m);
    code = code ? code : write_sysctls(m);
    if (code) {
        vmsim__err_set(err, code, "%s", vmsim__err_text(&m->err));
        vmsim_machine_destroy(m);
        return code;
    }
    /* The lists point into the configuration's arena, which may go before the machine. */
    VMSIM__ASSERT(m->mem && m->cache && m->vm && m->tlbs && m->cpus);
    m->spec.sysctl = m->spec.mem.sysctl = m->spec.plugins = m->spec.devices = m->spec.swap =
        (struct vmsim_param_list){0};
    m->spec.linked = NULL;
    *out = m;
    return 0;
}

/* All end before any record goes: the end of one is told to its parent. */
static void destroy_tasks(struct vmsim_machine *m) {
    for (size_t i = 0; i < m->tasks.count; i++) {
        if (m->tasks.at[i]->state != VMSIM__TASK_DEAD)
            vmsim__task_kill(m, m->tasks.at[i], VMSIM_STOP_NONE, 0);
    }
    for (size_t i = 0; i < m->tasks.count; i++)
        vmsim__free(m->alloc, m->tasks.at[i], sizeof *m->tasks.at[i]);
    vmsim__vec_fini(m->alloc, &m->tasks);
}

/* Tasks first, while everything that their exit touches is still there; then the layers from the top down. */
size_t vmsim_machine_destroy(struct vmsim_machine *m) {
    if (!m)
        return 0;
    destroy_tasks(m);
    vmsim__content_fini(m);
    vmsim__khugepaged_fini(m);
    vmsim__numa_fini(m);
    vmsim__compact_fini(m);
    vmsim__reclaim_fini(m);
    vmsim__cgroup_fini(m);
    vmsim__vec_fini(m->alloc, &m->named);
    vmsim__names_fini(m->alloc, &m->names);
    vmsim__vec_fini(m->alloc, &m->counters);
    vmsim__names_fini(m->alloc, &m->counter_names);
    vmsim__sched_fini(m);
    vmsim__free(m->alloc, m->cpus, m->nr_cpus * sizeof *m->cpus);
    if (m->tlbs)
        vmsim__tlb_system_destroy(m->tlbs);
    vmsim__distance_fini(m);
    if (m->vm)
        vmsim__vm_destroy(m->vm);
    if (m->cache)
        vmsim__cache_destroy(m->cache);
    vmsim__swap_destroy(m->swap);
    vmsim__block_destroy(m->block);
    vmsim__lru_destroy(m->lru);
    if (m->mem)
        vmsim__mem_destroy(m->mem);
    if (m->policies)
        vmsim__policy_registry_destroy(m->policies);
    vmsim__slab_fini(&m->spaces);
    struct vmsim__alloc *alloc = m->alloc;
    vmsim__free(alloc, m, sizeof *m);
    return vmsim__alloc_destroy(alloc);
}

/* Layers cannot tell the machine that the host ran out of memory in the middle of an operation: they note it, finish
 * it somehow, and the machine asks here when it is over. From then on it may be wrong and says so. */
int vmsim__host_error(struct vmsim_machine *m) {
    if (VMSIM__LIKELY(!m->host_nomem && !m->reclaim.host_nomem && !m->mem->host_nomem && !vmsim__vm_error(m->vm) &&
                      !vmsim__cache_error(m->cache)))
        return 0;
    return vmsim__err_set(&m->err, VMSIM_ENOMEM, "the host has no memory for the state of the machine");
}

const char *vmsim_machine_error(const struct vmsim_machine *m) {
    if (!m)
        return "";
    return vmsim__err_text(&m->err);
}

unsigned vmsim_machine_cpus(const struct vmsim_machine *m) {
    if (!m)
        return 0;
    return m->nr_cpus;
}

uint64_t vmsim_machine_time(const struct vmsim_machine *m, unsigned cpu) {
    if (!m)
        return 0;
    return cpu < m->nr_cpus ? m->cpus[cpu].now : 0;
}

/* From the bottom up: a fault of a lower layer would show as one of all above it. */
int vmsim_machine_check(struct vmsim_machine *m) {
    if (!m)
        return VMSIM_EINVAL;
    int err = vmsim__mem_check(m->mem, &m->err);
    err = err ? err : vmsim__lru_check(m->lru, &m->err);
    err = err ? err : vmsim__cache_check(m->cache, &m->err);
    err = err ? err : vmsim__vm_check(m->vm, &m->err);
    err = err ? err : vmsim__io_check(m);
    err = err || !m->swap ? err : vmsim__swap_check(m->swap, &m->err);
    err = err ? err : vmsim__cgroup_check(m);
    err = err ? err : vmsim__lruvec_policies_check(&m->reclaim, &m->err);
    err = err ? err : vmsim__compaction_check(&m->compaction, &m->err);
    return err ? err : vmsim__tlb_system_check(m->tlbs, NULL, &m->err);
}

/* A probe: no bit is set, no counter counts. */
int vmsim_task_walk(struct vmsim_machine *m, uint32_t task, uint64_t address, enum vmsim_access_type type,
                    vmsim_line_fn *line, void *context) {
    if (!m || !line)
        return VMSIM_EINVAL;
    struct vmsim__task *t = vmsim__task_get(m, task);
    if (!t)
        return VMSIM_EINVAL;
    unsigned mode = VMSIM__WALK_USER | VMSIM__WALK_PROBE;
    mode |= type == VMSIM_STORE || type == VMSIM_RMW ? VMSIM__WALK_WRITE : type == VMSIM_FETCH ? VMSIM__WALK_FETCH : 0;
    vmsim__walk_describe(&t->mm->pt, address, mode, line, context);
    return 0;
}

/* One watcher at a time; nobody watching costs a test of a word. */
void vmsim_machine_watch(struct vmsim_machine *m, uint32_t mask, vmsim_event_fn *watch, void *context) {
    if (!m)
        return;
    m->mem->now.watch = (struct vmsim__watch){.kinds = watch ? mask & ((1u << VMSIM_EVENT_KINDS) - 1) : 0,
                                              .task = VMSIM_TASK_NONE,
                                              .cpu = UINT32_MAX,
                                              .tell = watch,
                                              .context = context};
}
