/* SPDX-License-Identifier: MIT */
/* Swap areas of a machine: what `machine.swap` describes is swapped on when the machine is made; tasks swap on and off.
 *
 *     reclaim --add, write, remove--> cache/swap_cache --> swap/ (slots, device)      vm/swap_in: faults
 *     swapoff: no slot is given any more --> files in memory, address spaces, the cache: each gives back what it has
 *              of the area, waiting wherever a page is on its way --> the area goes; or it comes back, if memory does
 *              not suffice or the task is killed
 *
 * How far a swapoff has come stands with its area. Kernel counterpart: the system calls of mm/swapfile.c. */
#include "cache/swap_cache.h"
#include "machine/calls.h"
#include "machine/sched.h"

#include <stdio.h>
#include <string.h>

#define TICK_NS UINT64_C(4000000)
#define WORKER_RETRIES 14u /* MAX_RECLAIM_RETRIES of mm/zswap.c */

/* ---- zswap's worker ---- */

/* zswap's worker makes room, so it may use reserves and must not reclaim: it would wait for itself. */
static vmsim__pfn worker_page(void *context) {
    const struct vmsim_machine *m = context;
    VMSIM__ASSERT(m->zswap_worker && !m->zswap_worker->mm);
    const uint32_t gfp = (VMSIM__GFP_HIGHUSER_MOVABLE | VMSIM__GFP_MEMALLOC) & ~VMSIM__GFP_DIRECT_RECLAIM;
    const uint16_t cpu = m->zswap_worker->cpu;
    return vmsim__mem_alloc(m->mem,
                            &(struct vmsim__alloc_request){.gfp = gfp, .cpu = cpu, .node = m->mem->cpu_node[cpu]});
}

/* The worker sleeps until it is woken, or for a time. */
static void rest(struct vmsim__task *t, enum vmsim__wait_kind kind, uint64_t until) {
    t->wait = (struct vmsim__wait){(uint8_t)kind, 0, until};
}

/* Oldest pages first, until the pool takes new ones again, or nothing moves. It needs a frame for each: as those who
 * free memory it may take the last. Kernel: shrink_worker. */
static enum vmsim__work worker_run(void *context, struct vmsim__task *t) {
    struct vmsim_machine *m = context;
    struct vmsim__zswap *z = m->swap->zswap;
    const struct vmsim__swap_reader reader = {worker_page, m, t->cpu};
    vmsim__cpu_load(m, t);
    while (z->shrink && !vmsim__zswap_can_accept(z) && z->failures < WORKER_RETRIES) {
        if (vmsim__swap_congested(m->swap)) {
            vmsim__cpu_charge(m, t);
            rest(t, VMSIM__WAIT_TIME, m->cpus[t->cpu].now + VMSIM__SWAP_PAUSE);
            return VMSIM__WORK_WAIT;
        }
        z->failures = vmsim__zswap_write_oldest(m->cache, &reader) ? 0 : z->failures + 1;
        m->mem->now.wait = (struct vmsim__wait){0};
        vmsim__cpu_charge(m, t);
        if (m->cpus[t->cpu].now >= m->until)
            return VMSIM__WORK_MORE;
    }
    z->shrink = false;
    z->failures = 0;
    rest(t, VMSIM__WAIT_WORK, VMSIM__TIME_NEVER);
    return VMSIM__WORK_WAIT;
}

/* Made with the first area, as it has nothing to do before. */
static bool worker_init(struct vmsim_machine *m) {
    m->zswap_worker = vmsim__kthread_create(m, "zswap", 0, &(struct vmsim__source){.run = worker_run, .context = m});
    return m->zswap_worker;
}

/* One that is at work, or pauses for its device, will see for itself. */
void vmsim__zswap_wake(struct vmsim_machine *m) {
    if (m->zswap_worker->state == VMSIM__TASK_BLOCKED && m->zswap_worker->wait.kind == VMSIM__WAIT_WORK)
        vmsim__task_wake_at(m, m->zswap_worker, m->mem->now.time);
}

/* ---- swapon ---- */

/* Everything about swap, once: with the first area. `choice`: of the policy that places pages. */
static int make(struct vmsim_machine *m, const struct vmsim__policy_choice *choice) {
    if (!m->format->levels)
        return vmsim__err_set(&m->err, VMSIM_ECONFIG, "machine.swap: without translation (%s) no page can be swapped",
                              m->format->name);
    struct vmsim__swap *s = vmsim__swap_create(m->alloc, m->block, m->mem->page_shift);
    if (!s)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for swap");
    int e = vmsim__swap_placement_create(&s->placement, m->policies, choice, m->spec.seed, &m->err);
    if (e) {
        vmsim__swap_destroy(s);
        return e;
    }
    m->swap = s;
    if (!vmsim__swap_add_zram(s, m->spec.zram.data, m->spec.zram.count, m->mem, m->spec.seed))
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for zram devices");
    m->spec.zram = (struct vmsim_param_list){0};
    if (m->spec.zswap.enabled && (!vmsim__swap_add_zswap(s, &m->spec.zswap, m->mem, m->spec.seed) || !worker_init(m)))
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for zswap");
    vmsim__cache_set_swap(m->cache, s, &vmsim__vm_knobs(m->vm)->page_cluster);
    vmsim__vm_use_swap(m->vm);
    return 0;
}

/* Whoever keeps a copy of the totals. */
static void totals_changed(struct vmsim_machine *m) {
    vmsim__cache_swap_changed(m->cache);
    vmsim__vm_set_swap_pages(m->vm, m->swap->slots);
}

/* Totals of swap are in /proc/meminfo and in overcommit's limit; both are told. */
static int swap_on(struct vmsim_machine *m, const struct vmsim__swap_spec *spec, struct vmsim__err *err) {
    int e = vmsim__swap_on(m->swap, spec, m->serial_device, vmsim__swp_max_offset(m->format) + 1, err);
    if (!e)
        totals_changed(m);
    return e;
}

/* A machine that has no area and no policy for them has no swap at all, which reclaim asks on every anonymous page. */
int vmsim__swap_init(struct vmsim_machine *m) {
    const struct vmsim__swap_spec *areas = m->spec.swap.data;
    struct vmsim__err err = {0};
    char text[300];
    int e =
        m->spec.swap.count || m->spec.zram.count || m->spec.swap_placement.name ? make(m, &m->spec.swap_placement) : 0;
    for (size_t i = 0; i < m->spec.swap.count && !e; i++) {
        e = swap_on(m, &areas[i], &err);
        if (!e)
            continue;
        snprintf(text, sizeof text, "machine.swap[%zu]: %s", i, vmsim__err_text(&err));
        e = vmsim__err_set(&m->err, e == VMSIM_ENOMEM ? e : VMSIM_ECONFIG, "%s", text);
    }
    return e;
}

/* As swapon(2) tells them; the host's lack of memory ends the run. */
static int64_t result_of(struct vmsim_machine *m, int e) {
    static const struct {
        int error;
        int64_t result;
    } told[] = {{VMSIM_ENOENT, -VMSIM__L_ENOENT},
                {VMSIM_ESTATE, -VMSIM__L_EBUSY},
                {VMSIM_ELIMIT, -VMSIM__L_ENOSPC},
                {VMSIM_ENOSYS, -VMSIM__L_EPERM}};
    for (size_t i = 0; i < VMSIM__COUNT(told); i++) {
        if (e == told[i].error)
            return told[i].result;
    }
    m->host_nomem |= e == VMSIM_ENOMEM;
    return e ? e == VMSIM_ENOMEM ? -VMSIM__L_ENOMEM : -VMSIM__L_EINVAL : 0;
}

/* Without page tables there are no entries that could name a slot (ENOSYS as in a kernel without MMU). */
static int64_t swapon_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    if (!t->mm->privileged)
        return -VMSIM__L_EPERM;
    if (!m->format->levels)
        return -VMSIM__L_ENOSYS;
    int e = m->swap ? 0 : make(m, &(struct vmsim__policy_choice){0});
    return result_of(m, e ? e : swap_on(m, context, &m->err));
}

/* The description is copied: a wait may outlive the step that it is from. */
int64_t vmsim__swapon(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__swap_spec *spec) {
    struct vmsim__swap_spec copy = *spec;
    return vmsim__call_with(m, t, swapon_work, &copy);
}

/* ---- swapoff ---- */

/* All address spaces, from the one where it stopped. */
static int unuse_spaces(struct vmsim_machine *m, struct vmsim__swap_area *a, uint8_t type, unsigned cpu) {
    struct vmsim__mm *mm = vmsim__vm_first_mm(m->vm);
    int rc = 0;
    while (mm && mm->id < a->unuse.mm)
        mm = mm->next;
    for (; mm && !rc; mm = rc ? mm : mm->next) {
        if (mm->id != a->unuse.mm)
            a->unuse.va = 0;
        a->unuse.mm = mm->id;
        if (vmsim__mm_rss(mm, VMSIM__RSS_SWAP))
            rc = vmsim__mm_unuse(mm, type, &a->unuse.va, cpu);
    }
    if (!rc)
        a->unuse.mm = 0;
    return rc;
}

/* Rounds until nobody uses a slot; after one without success others get the time to let go of what they hold. Kernel:
 * try_to_unuse. */
static int try_to_unuse(struct vmsim_machine *m, struct vmsim__swap_area *a, uint8_t type, unsigned cpu) {
    while (vmsim__swap_inuse(a)) {
        const uint64_t before = vmsim__swap_inuse(a);
        int rc = a->unuse.mm ? 0 : vmsim__shmem_unuse(m->cache, type, cpu);
        rc = rc ? rc : unuse_spaces(m, a, type, cpu);
        rc = rc ? rc : vmsim__swap_cache_unuse(m->cache, type, cpu);
        if (rc)
            return rc;
        if (vmsim__swap_inuse(a) < before)
            continue;
        vmsim__now_wait(&m->mem->now, VMSIM__WAIT_TIME, 0, m->mem->now.time + TICK_NS);
        return -VMSIM__ERESTARTSYS;
    }
    return 0;
}

/* A swapoff that was interrupted: the area takes slots again, and the task is no longer the one that is killed
 * first. */
static void give_up(struct vmsim_machine *m, struct vmsim__task *t, uint8_t type) {
    VMSIM__ASSERT(m->swap && m->swap->area[type]);
    t->oom_origin = false;
    vmsim__swap_reinsert(m->swap, type);
    totals_changed(m);
}

/* A swapoff needs as much memory as there is in the area, and asks before it begins, as the kernel does with
 * security_vm_enough_memory_mm; then no slot of the area is given any more. How far it comes stands with the area. */
static int64_t begin(struct vmsim_machine *m, struct vmsim__task *t, uint8_t type) {
    struct vmsim__swap_area *a = m->swap->area[type];
    VMSIM__ASSERT(a && a->seen.slots > 0);
    if (!vmsim__mm_enough_memory(t->mm, a->seen.slots - 1))
        return -VMSIM__L_ENOMEM;
    vmsim__swap_withdraw(m->swap, type);
    totals_changed(m);
    a->unuse.task = t->id;
    a->unuse.mm = 0;
    a->unuse.va = 0;
    a->unuse.left = 0;
    a->unuse.since = m->mem->now.time;
    t->oom_origin = true;
    return 0;
}

/* A second swapoff of one area finds none that is in use. */
static int64_t swapoff_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    const char *name = context;
    const uint8_t type = m->swap ? vmsim__swap_find(m->swap, name) : VMSIM__SWP_AREAS;
    if (!t->mm->privileged)
        return -VMSIM__L_EPERM;
    if (type == VMSIM__SWP_AREAS)
        return vmsim__block_find(m->block, strncmp(name, "/dev/", 5) ? name : name + 5) == VMSIM__BLOCK_NO_DEVICE
                   ? -VMSIM__L_ENOENT
                   : -VMSIM__L_EINVAL;
    struct vmsim__swap_area *a = m->swap->area[type];
    int64_t rc = a->off ? a->unuse.task == t->id ? 0 : -VMSIM__L_EINVAL : begin(m, t, type);
    if (rc)
        return rc;
    if (a->unuse.left != vmsim__swap_inuse(a)) {
        a->unuse.left = vmsim__swap_inuse(a);
        a->unuse.since = m->mem->now.time;
    }
    rc = try_to_unuse(m, a, type, t->cpu);
    if (rc == -VMSIM__ERESTARTSYS)
        return rc;
    if (rc) {
        give_up(m, t, type);
        return rc;
    }
    t->oom_origin = false;
    vmsim__swap_off(m->swap, type);
    return 0;
}

/* The name is looked for at every entry: while the call waits, areas may come and go. */
int64_t vmsim__swapoff(struct vmsim_machine *m, struct vmsim__task *t, const char *name) {
    return vmsim__call_with(m, t, swapoff_work, (void *)(uintptr_t)name);
}

/* The task was killed in the middle of it, most likely for the memory that it asked for. Kernel: a fatal signal ends
 * try_to_unuse. */
void vmsim__swapoff_abandon(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(m->swap && t->oom_origin);
    for (uint8_t i = 0; i < m->swap->areas; i++) {
        const struct vmsim__swap_area *a = m->swap->area[i];
        if (a && a->off && a->unuse.task == t->id)
            give_up(m, t, i);
    }
}

/* ---- the library's functions ---- */

/* -1: a priority below all others, as swapon without -p. */
int64_t vmsim_task_swapon(struct vmsim_machine *m, uint32_t task, const char *device, uint64_t size, int priority) {
    if (!m || priority < -1 || priority > VMSIM__SWAP_PRIORITY_MAX)
        return -VMSIM__L_EINVAL;
    struct vmsim__swap_spec spec = {device, size, priority};
    return vmsim__call_with_now(m, task, swapon_work, &spec);
}

int64_t vmsim_task_swapoff(struct vmsim_machine *m, uint32_t task, const char *area) {
    if (!m || !area)
        return -VMSIM__L_EINVAL;
    return vmsim__call_with_now(m, task, swapoff_work, (void *)(uintptr_t)area);
}
