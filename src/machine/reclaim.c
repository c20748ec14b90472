/* SPDX-License-Identifier: MIT */
/* The kernel's reclaim tied to what pages belong to: mappings (vm/), files (cache/); and its threads.
 *
 *     reclaim/vmscan --referenced, unmap--> vm/rmap_folio      --pageout, remove_mapping--> cache/ (files, swap cache)
 *          ^
 *     kswapd (kswapd.c), direct reclaim (slowpath.c), MADV_PAGEOUT
 *
 * Kernel counterpart: the calls of mm/vmscan.c out of itself. */
#include "cache/swap_cache.h"
#include "machine/sched.h"

/* Uses by others than the tasks of the cgroup that is reclaimed from say nothing. Kernel: mm_match_cgroup. An address
 * space that is not its task's yet is being made by the present's. */
struct users {
    const struct vmsim_machine *m;
    const struct vmsim__memcg *target;
};
static bool counts(void *context, const struct vmsim__mm *mm) {
    const struct users *u = context;
    const struct vmsim__space *s = mm->user;
    const struct vmsim__memcg *owner = vmsim__memcg_by_id(u->m->lru, s ? s->memcg : u->m->mem->now.memcg);
    return vmsim__memcg_below(owner, u->target);
}

static void referenced(void *context, vmsim__pfn pfn, uint16_t target, const struct vmsim__young_sink *around,
                       unsigned cpu, struct vmsim__use *use) {
    struct vmsim_machine *m = context;
    struct users users = {m, vmsim__memcg_by_id(m->lru, target)};
    struct vmsim__referenced r = {.counts = target ? counts : NULL, .context = &users, .around = around};
    vmsim__folio_referenced(m->vm, pfn, &r, cpu);
    *use = (struct vmsim__use){
        .ptes = r.vmas, .exec = r.vm_flags & VMSIM__VM_EXEC, .locked = r.vm_flags & VMSIM__VM_LOCKED};
}

static bool unmap(void *context, vmsim__pfn pfn, unsigned cpu) {
    return vmsim__try_to_unmap(((struct vmsim_machine *)context)->vm, pfn, VMSIM__TTU_BATCH_FLUSH, cpu);
}

static void expect(void *context, vmsim__pfn pfn) {
    vmsim__rmap_expect(((struct vmsim_machine *)context)->vm, pfn);
}

static void unmap_flush(void *context, unsigned cpu) {
    vmsim__unmap_flush(((struct vmsim_machine *)context)->vm, cpu);
}

/* Large pages are swapped out whole by orders: that of a huge page, of later kernels any; and only as long as an entry
 * maps all of one of them, or it is whole. Kernel: THP_SWAP; the split in shrink_folio_list. */
static bool goes_whole(const struct vmsim_machine *m, const struct vmsim__frame *f) {
    const unsigned huge = m->format->levels > 1 ? m->format->shift[1] - m->format->page_shift : 0;
    if (vmsim__folio_order(f) != huge && !m->kernel->thp_per_size)
        return false;
    return vmsim__folio_order(f) == huge ? f[1].mapping : !vmsim__frame_is(f, VMSIM__FRAME_DEFERRED);
}

/* Beside the page before it, if a policy wants it so. */
static bool add_to_swap(void *context, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim_machine *m = context;
    const struct vmsim__frame *f = vmsim__frame_at(&m->mem->frames, pfn);
    if (!m->swap || (vmsim__frame_is(f, VMSIM__FRAME_HEAD) && !goes_whole(m, f)))
        return false;
    struct vmsim__swp before;
    const bool known = m->swap->placement.policy->uses_neighbour && vmsim__swap_before(m->vm, pfn, &before);
    return vmsim__swap_cache_add(m->cache, pfn, known ? &before : NULL, cpu);
}

/* Slots that are scarce are not kept for pages that stay. */
static void free_swap(void *context, vmsim__pfn pfn, unsigned cpu) {
    struct vmsim_machine *m = context;
    const struct vmsim__frame *f = vmsim__frame_at(&m->mem->frames, pfn);
    if (vmsim__swap_cache_full(m->cache, pfn) || vmsim__frame_is(f, VMSIM__FRAME_MLOCKED))
        vmsim__swap_cache_free(m->cache, pfn, cpu);
}

/* Nobody but reclaim and the cache may hold what is written. A page of shared memory stays in its file until then.
 * Kernel: pageout. */
static enum vmsim__pageout write_to_swap(struct vmsim_machine *m, vmsim__pfn pfn, struct vmsim__frame *f,
                                         unsigned cpu) {
    if (f->refcount != 1 + (int32_t)vmsim__frame_pages(f) || !(f->flags & (VMSIM__FRAME_SWAPCACHE | VMSIM__FRAME_FILE)))
        return VMSIM__PAGEOUT_KEEP; /* somebody else holds it, or nobody has it any more */
    f->flags |= VMSIM__FRAME_RECLAIM;
    const bool written = vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE) ? vmsim__swap_cache_write(m->cache, pfn, cpu)
                                                                    : m->swap && vmsim__shmem_write(m->cache, pfn, cpu);
    if (!written) {
        f->flags &= ~VMSIM__FRAME_RECLAIM;
        return VMSIM__PAGEOUT_ACTIVATE;
    }
    if (!vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK))
        f->flags &= ~VMSIM__FRAME_RECLAIM;
    return VMSIM__PAGEOUT_SUCCESS;
}

/* A dirty page that is not mapped any more. */
static enum vmsim__pageout pageout(void *context, vmsim__pfn pfn, const struct vmsim__scan_control *sc, unsigned cpu) {
    struct vmsim_machine *m = context;
    struct vmsim__frame *f = vmsim__frame_at(&m->mem->frames, pfn);
    if (vmsim__frame_is(f, VMSIM__FRAME_SWAPBACKED))
        return write_to_swap(m, pfn, f, cpu);
    struct vmsim__file *file = vmsim__frame_is(f, VMSIM__FRAME_FILE) ? vmsim__file_by_id(m->cache, f->mapping) : NULL;
    (void)sc;
    if (!file || file->kind != VMSIM__FILE_REGULAR)
        return VMSIM__PAGEOUT_ACTIVATE;
    const uint64_t index = vmsim__frame_index(f);
    return vmsim__file_write_start(m->cache, file, index, index + 1, cpu) ? VMSIM__PAGEOUT_SUCCESS
                                                                          : VMSIM__PAGEOUT_KEEP;
}

static void remove_mapping(void *context, vmsim__pfn pfn, uint64_t shadow, unsigned cpu) {
    struct vmsim_machine *m = context;
    if (vmsim__frame_is(vmsim__frame_at(&m->mem->frames, pfn), VMSIM__FRAME_SWAPCACHE))
        vmsim__swap_cache_remove(m->cache, pfn, shadow, cpu);
    else
        vmsim__filemap_evict(m->cache, pfn, shadow, cpu);
}

static bool split(void *context, vmsim__pfn pfn, unsigned cpu) {
    return vmsim__thp_split_isolated(((struct vmsim_machine *)context)->vm, pfn, cpu);
}

void vmsim__machine_reclaim(void *context, vmsim__pfn *folio, uint32_t count, unsigned cpu) {
    struct vmsim_machine *m = context;
    const struct vmsim__frame *first = vmsim__frame_at(&m->mem->frames, folio[0]);
    vmsim__reclaim_folios(&m->vmscan, m->mem->zones[vmsim__frame_zone(first)].node, folio, count,
                          m->kernel->pageout_keeps_young, cpu);
    vmsim__now_charge(&m->mem->now, count * m->spec.costs.reclaim_scan);
}

/* Whoever drives the machine without a task, and a kernel thread that needs a frame, cannot wait. */
static bool congested(void *context, const struct vmsim__scan_control *sc) {
    const struct vmsim_machine *m = context;
    const bool waits = sc->kswapd || (m->running && m->running->mm);
    return waits && m->swap && vmsim__swap_congested(m->swap);
}

static bool interrupted(void *context, const struct vmsim__scan_control *sc) {
    const struct vmsim_machine *m = context;
    if (!sc->kswapd && !(m->running && m->running->mm))
        return false;
    return congested(context, sc) || vmsim__sched_interrupted(m);
}

static void wake_flushers(void *context) {
    vmsim__flusher_wake(context);
}

static void wake_kswapd(void *context, struct vmsim__zone *zone, unsigned order, unsigned highest_type) {
    vmsim__kswapd_wake(context, zone->node, 0, order, highest_type);
}

/* ---- threads ---- */

struct vmsim__task *vmsim__kthread_create(struct vmsim_machine *m, const char *name, unsigned cpu,
                                          const struct vmsim__source *source) {
    VMSIM__ASSERT(cpu < m->nr_cpus && source->run);
    struct vmsim__task *t = vmsim__calloc(m->alloc, 1, sizeof *t);
    if (!t)
        return NULL;
    t->id = VMSIM__KTHREAD + (uint32_t)m->kthreads.count;
    t->parent = VMSIM_TASK_NONE;
    t->group = t->id;
    t->next_thread = VMSIM_TASK_NONE;
    t->name = name;
    t->cpu = (uint16_t)cpu;
    t->source = *source;
    t->timer = VMSIM__NO_TIMER;
    t->state = VMSIM__TASK_BLOCKED;
    t->wait = (struct vmsim__wait){VMSIM__WAIT_WORK, 0, VMSIM__TIME_NEVER};
    if (vmsim__vec_push(m->alloc, &m->kthreads, t))
        return t;
    vmsim__free(m->alloc, t, sizeof *t);
    return NULL;
}

struct vmsim__task *vmsim__kthread_create_on(struct vmsim_machine *m, const char *name, unsigned node,
                                             const struct vmsim__source *source) {
    unsigned cpu = 0;
    while (cpu < m->nr_cpus && m->mem->cpu_node[cpu] != node)
        cpu++;
    return vmsim__kthread_create(m, name, cpu < m->nr_cpus ? cpu : 0, source);
}

/* Frames that come of it are the allocator's at once, and are no success of reclaim. A queue is of all nodes. */
static uint64_t shrink_slab(void *context, unsigned node, uint16_t memcg, int priority, unsigned cpu) {
    (void)node;
    vmsim__thp_shrink(((struct vmsim_machine *)context)->vm, memcg, priority, cpu);
    return 0;
}

/* The first idle CPU of the node, or where it ran last. */
void vmsim__kthread_wake(struct vmsim_machine *m, struct vmsim__task *t, unsigned node, uint64_t time) {
    VMSIM__ASSERT(vmsim__task_is_kthread(t) && node < m->mem->nr_nodes);
    if (t->state != VMSIM__TASK_BLOCKED)
        return;
    for (unsigned i = 0; i < m->nr_cpus && m->cpus[t->cpu].place != VMSIM__NO_PLACE; i++) {
        if (m->mem->cpu_node[i] == node && m->cpus[i].place == VMSIM__NO_PLACE)
            t->cpu = (uint16_t)i;
    }
    vmsim__task_wake_at(m, t, time);
}

int vmsim__reclaim_init(struct vmsim_machine *m) {
    m->vmscan = (struct vmsim__vmscan){.ops = &vmsim__linux_lru,
                                       .lru = m->lru,
                                       .mem = m->mem,
                                       .kernel = m->kernel,
                                       .swappiness = (unsigned)vmsim__vm_knobs(m->vm)->swappiness,
                                       .hooks = {.context = m,
                                                 .referenced = referenced,
                                                 .unmap = unmap,
                                                 .unmap_flush = unmap_flush,
                                                 .expect = expect,
                                                 .add_to_swap = add_to_swap,
                                                 .free_swap = free_swap,
                                                 .pageout = pageout,
                                                 .remove_mapping = remove_mapping,
                                                 .split = split,
                                                 .congested = congested,
                                                 .interrupted = interrupted,
                                                 .wake_flushers = wake_flushers,
                                                 .shrink_slab = shrink_slab}};
    m->mem->hooks.wake_kswapd = wake_kswapd;
    m->mem->hooks.node_reclaim = vmsim__node_reclaim;
    int err = vmsim__mglru_init(m);
    err = err ? err : vmsim__reclaim_policies_init(m);
    err = err ? err : vmsim__oom_create(&m->oom, m->policies, &m->spec.oom, m->spec.seed, &m->err);
    if (err)
        return err;
    err = vmsim__kswapd_init(m);
    err = err ? err : vmsim__flusher_init(m);
    return err ? vmsim__err_set(&m->err, err, "no memory for the kernel's threads") : 0;
}

void vmsim__reclaim_fini(struct vmsim_machine *m) {
    for (size_t i = 0; i < m->kthreads.count; i++)
        vmsim__free(m->alloc, m->kthreads.at[i], sizeof *m->kthreads.at[i]);
    vmsim__vec_fini(m->alloc, &m->kthreads);
    vmsim__kswapd_fini(m);
    vmsim__reclaim_policies_fini(m);
    vmsim__oom_destroy(&m->oom);
}
