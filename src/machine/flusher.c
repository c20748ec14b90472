/* SPDX-License-Identifier: MIT */
/* Writing dirty pages back: when there are too many, when they are old, and how long writers are held up meanwhile.
 *
 *     dirty pages    0 ......... background ....... (background + limit) / 2 ....... limit
 *                       only old ones  |  the flusher writes   |  writers are slowed  | to half the device's pace
 *
 * One thread writes for all devices, four MiB at a time; it looks every vm.dirty_writeback_centisecs as long as
 * anything is dirty. A cgroup with limits has the same shares of what it may hold: its writers are slowed by these,
 * too, and its pages are written until it is below its background limit. Kernel counterparts: wb_workfn of
 * fs/fs-writeback.c, balance_dirty_pages of mm/page-writeback.c, whose feedback is reduced here to the device's
 * bandwidth. */
#include "machine/sched.h"

#define CENTISEC UINT64_C(10000000)   /* ns */
#define CHUNK 1024u                   /* pages: MIN_WRITEBACK_PAGES is 4 MiB */
#define PAUSE_PAGES 32u               /* pages that a writer makes dirty between two pauses */
#define PAUSE_MAX UINT64_C(200000000) /* ns: MAX_PAUSE */

static uint64_t dirty_pages(const struct vmsim_machine *m) {
    return (uint64_t)vmsim__mem_node_stat(m->mem, VMSIM__NR_DIRTY);
}

static bool over_background(struct vmsim_machine *m) {
    uint64_t limit, background;
    vmsim__dirty_limits(m->cache, &limit, &background);
    return dirty_pages(m) > background;
}

/* Kernel: the memcg domain of wb_over_bg_thresh. */
static bool memcg_over_background(struct vmsim_machine *m) {
    struct vmsim__memcg_dirty d;
    vmsim__memcg_dirty_limits(m->cache, m->flush_memcg, &d);
    return d.dirty > d.background;
}

/* The next dirty part of any file is sent off. False: there is none that is old enough. */
static bool write_some(struct vmsim_machine *m, bool old_only, unsigned cpu) {
    const uint64_t age = vmsim__cache_spec(m->cache)->dirty_expire_centisecs * CENTISEC;
    uint32_t id = 1;
    for (struct vmsim__file *f; (f = vmsim__file_next(m->cache, &id)) != NULL; id++) {
        uint64_t first = 0;
        if (old_only && f->dirtied_when + age > m->mem->now.time)
            continue;
        if (vmsim__file_next_page(f, &first, UINT64_MAX, VMSIM__MARK_DIRTY) == VMSIM__PFN_NONE)
            continue;
        if (vmsim__file_write_start(m->cache, f, first, first + CHUNK, cpu))
            return true;
    }
    return false;
}

/* It goes on until it is below the limits, in steps that others can come between, and then sleeps; without dirty
 * pages nobody wakes it by time, so that an idle machine has no events. Kernel: wb_workfn. */
static enum vmsim__work run(void *context, struct vmsim__task *t) {
    struct vmsim_machine *m = context;
    vmsim__cpu_load(m, t);
    for (;;) {
        const bool background = over_background(m) || memcg_over_background(m) || m->flush_pages;
        const uint64_t before = dirty_pages(m);
        if (!write_some(m, !background, t->cpu)) {
            m->flush_pages = 0;
            break;
        }
        const uint64_t written = before - vmsim__min64(before, dirty_pages(m));
        m->flush_pages = written ? m->flush_pages - vmsim__min64(m->flush_pages, written) : 0;
        vmsim__cpu_charge(m, t);
        if (m->cpus[t->cpu].now >= m->until)
            return VMSIM__WORK_MORE;
    }
    vmsim__cpu_charge(m, t);
    const uint64_t interval = vmsim__cache_spec(m->cache)->dirty_writeback_centisecs * CENTISEC;
    t->wait = (struct vmsim__wait){VMSIM__WAIT_WORK, 0,
                                   interval && dirty_pages(m) ? m->cpus[t->cpu].now + interval : VMSIM__TIME_NEVER};
    return VMSIM__WORK_WAIT;
}

static void wake_for(struct vmsim_machine *m, uint64_t pages) {
    const bool woken = m->flush_pages > 0;
    m->flush_pages = vmsim__max64(m->flush_pages, pages);
    if (!woken)
        vmsim__task_wake_at(m, m->flusher, m->mem->now.time);
}

/* Kernel: wakeup_flusher_threads. */
void vmsim__flusher_wake(struct vmsim_machine *m) {
    wake_for(m, dirty_pages(m));
}

bool vmsim__flusher_throttle(void *machine) {
    struct vmsim_machine *m = machine;
    uint64_t limit, background;
    const uint64_t dirty = dirty_pages(m) + (uint64_t)vmsim__mem_node_stat(m->mem, VMSIM__NR_WRITEBACK);
    const uint64_t bandwidth = m->spec.cache.device.write_bandwidth;
    struct vmsim__memcg_dirty own;
    vmsim__dirty_limits(m->cache, &limit, &background);
    vmsim__memcg_dirty_limits(m->cache, m->mem->now.memcg, &own);
    const bool slow = own.dirty > own.background + (own.thresh - own.background) / 2;
    if (slow)
        m->flush_memcg = m->mem->now.memcg;
    if (dirty > background || slow)
        wake_for(m, 1); /* as far as the limits want it */
    else if (m->flusher->state == VMSIM__TASK_BLOCKED && m->flusher->wait.until == VMSIM__TIME_NEVER)
        vmsim__task_wake_at(m, m->flusher, m->mem->now.time); /* the first dirty page starts its clock */
    if ((dirty <= (limit + background) / 2 && !slow) || !bandwidth)
        return false;
    uint64_t pause =
        (uint64_t)((unsigned __int128)PAUSE_PAGES * (UINT64_C(1000000000) << m->mem->page_shift) / bandwidth);
    pause = vmsim__min64(dirty > limit || own.dirty > own.thresh ? 2 * pause : pause, PAUSE_MAX);
    vmsim__now_wait(&m->mem->now, VMSIM__WAIT_THROTTLE, 0, m->mem->now.time + pause);
    return true;
}

int vmsim__flusher_init(struct vmsim_machine *m) {
    m->flusher = vmsim__kthread_create(m, "flusher", 0, &(struct vmsim__source){.run = run, .context = m});
    return m->flusher ? 0 : VMSIM_ENOMEM;
}
