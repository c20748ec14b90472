/* SPDX-License-Identifier: MIT */
/* khugepaged: the thread that turns base pages into huge ones behind the back of those who use them.
 *
 *     address spaces:  mm 3        mm 5           mm 9
 *     cursor:          ------------> address       -->          pages_to_scan entries a wake, then scan_sleep_millisecs
 *
 * It goes round the address spaces that asked for huge pages once (vmsim__khugepaged_enter), a range of a huge page's
 * size at a time; others may have the CPU between two ranges. Where no huge page can be had it sleeps
 * alloc_sleep_millisecs once, and gives up this wake the second time. It rests when nobody else can do anything any
 * more, until a CPU works again: else a machine whose tasks wait for ever would never be at its end. A machine boots as
 * if it had just slept in: the first look comes after scan_sleep_millisecs, or when a knob of it is written. For what
 * else a machine runs has been on its list since it booted; only when huge pages were switched on later is nobody
 * there, and the first address space wakes it. Kernel counterpart: mm/khugepaged.c (6.1), without pages of
 * regular files, which Debian's kernel leaves alone. */
#include "machine/khugepaged.h"

#include "machine/compact.h"
#include "machine/sched.h"
#include "vm/collapse.h"

#define MILLISEC UINT64_C(1000000) /* ns */
#define PATIENCE                                                                                                       \
    (50 * MILLISEC) /* that it leaves the CPU to others once woken: it is of the lowest priority (nice 19) */

struct vmsim__khugepaged {
    struct vmsim__task *t;
    uint32_t mm;      /* id of the address space that is looked at, or the next one after it */
    uint64_t address; /* where in it */
    struct vmsim__khugepaged_done done;
    uint64_t not_before; /* ns: end of its sleep */
    bool on;             /* huge pages were enabled when somebody wrote a knob last */
    bool fresh;          /* they were switched on in this run: the list began empty */
    /* of the wake */
    bool scanning, failed; /* failed: to find a huge page, once */
    unsigned heads;        /* times that it came to the first address space */
    uint64_t progress;     /* entries */
};

static bool enabled(const struct vmsim_machine *m) {
    return m->mem->thp_enabled != VMSIM__THP_NEVER && m->format->levels > 1;
}

static const struct vmsim__vm_spec *knobs_of(const struct vmsim_machine *m) {
    return vmsim__vm_knobs(m->vm);
}

/* ---- the cursor ---- */

/* The first from there on that it is to look at. */
static struct vmsim__mm *mm_from(const struct vmsim_machine *m, uint32_t id) {
    struct vmsim__mm *mm = vmsim__vm_first_mm(m->vm);
    while (mm && (mm->id < id || !mm->collapsible))
        mm = mm->next;
    return mm;
}

static bool has_work(const struct vmsim_machine *m) {
    return mm_from(m, 0) != NULL;
}

/* The next range at or behind the cursor, which moves there; areas without one count a little. False: the address space
 * has none left. */
static bool next_range(struct vmsim_machine *m, struct vmsim__khugepaged *k, struct vmsim__mm *mm,
                       struct vmsim__vma **vma) {
    const uint64_t size = UINT64_C(1) << m->format->shift[1];
    for (struct vmsim__vma *v = mm->first; v; v = v->next) {
        if (v->end <= k->address)
            continue;
        if (!vmsim__collapse_allowed(v, false)) {
            k->progress++;
            k->address = v->end;
            continue;
        }
        k->address = vmsim__align_up(vmsim__max64(k->address, v->start), size);
        if (k->address + size <= v->end) {
            *vma = v;
            return true;
        }
        k->address = v->end;
    }
    return false;
}

/* ---- a wake ---- */

static enum vmsim__work sleep_until(struct vmsim__khugepaged *k, uint64_t time) {
    k->t->wait = (struct vmsim__wait){VMSIM__WAIT_WORK, 0, time};
    return VMSIM__WORK_WAIT;
}

static void begin(struct vmsim_machine *m, struct vmsim__khugepaged *k) {
    vmsim__lru_drain_all(m->lru);
    k->scanning = true;
    k->failed = false;
    k->progress = 0;
    k->heads = !k->mm;
}

/* Will anybody else do anything? Looks at scores go on for as long as there is something to look at. */
static bool others_go_on(const struct vmsim_machine *m, const struct vmsim__khugepaged *k) {
    VMSIM__ASSERT(m->nr_busy > 0);
    return m->nr_busy > 1 || m->cpus[k->t->cpu].queue.count || m->events.heap.count > (m->score_due ? 1u : 0u);
}

static enum vmsim__work finish(struct vmsim_machine *m, struct vmsim__khugepaged *k) {
    k->scanning = false;
    k->not_before = vmsim__timeout_end(m->cpus[k->t->cpu].now, knobs_of(m)->khugepaged.scan_sleep_ms);
    return sleep_until(k, enabled(m) && has_work(m) && others_go_on(m, k) ? k->not_before : VMSIM__TIME_NEVER);
}

/* Kernel: the switch on the result in khugepaged_scan_mm_slot and khugepaged_do_scan. */
static enum vmsim__work scan_range(struct vmsim_machine *m, struct vmsim__khugepaged *k, struct vmsim__vma *v) {
    const struct vmsim__vm_spec *knobs = knobs_of(m);
    const struct vmsim__collapse how = {.memcg = ((const struct vmsim__space *)v->mm->user)->memcg,
                                        .cpu = k->t->cpu,
                                        .gfp = knobs->khugepaged.defrag ? VMSIM__GFP_TRANSHUGE
                                                                        : VMSIM__GFP_TRANSHUGE_LIGHT,
                                        .max_ptes_none = knobs->khugepaged.max_ptes_none,
                                        .max_ptes_swap = knobs->khugepaged.max_ptes_swap,
                                        .max_ptes_shared = knobs->khugepaged.max_ptes_shared};
    const enum vmsim__collapse_result result = vmsim__collapse(v, k->address, &how);
    k->address += UINT64_C(1) << m->format->shift[1];
    k->progress += UINT64_C(1) << (m->format->shift[1] - m->format->page_shift);
    k->done.pages_collapsed += result == VMSIM__COLLAPSE_DONE;
    m->mem->now.wait = (struct vmsim__wait){0}; /* of a cgroup's reclaim: this range fails */
    if (result != VMSIM__COLLAPSE_NO_MEMORY)
        return VMSIM__WORK_MORE;
    if (k->failed)
        return finish(m, k);
    k->failed = true;
    return sleep_until(k, vmsim__timeout_end(m->mem->now.time, knobs->khugepaged.alloc_sleep_ms));
}

/* Kernel: one turn of khugepaged_do_scan. */
static enum vmsim__work step(struct vmsim_machine *m, struct vmsim__khugepaged *k) {
    struct vmsim__mm *mm = mm_from(m, k->mm);
    struct vmsim__vma *v = NULL;
    if (!enabled(m) || !has_work(m) || k->progress >= knobs_of(m)->khugepaged.pages_to_scan)
        return finish(m, k);
    if (!mm) { /* a round is over; a wake does not begin a second one */
        k->done.full_scans++;
        k->mm = 0;
        k->address = 0;
        return ++k->heads < 2 ? VMSIM__WORK_MORE : finish(m, k);
    }
    if (mm->id != k->mm)
        k->address = 0;
    k->mm = mm->id;
    if (next_range(m, k, mm, &v))
        return scan_range(m, k, v);
    k->mm = mm->id + 1;
    k->address = 0;
    return VMSIM__WORK_MORE;
}

/* Where others want its CPU it goes to one of the node that has nothing to do. */
static bool moves_on(struct vmsim_machine *m, struct vmsim__khugepaged *k) {
    const unsigned own = k->t->cpu;
    for (unsigned i = 0; i < m->nr_cpus && m->cpus[own].queue.count; i++) {
        if (m->cpus[i].place == VMSIM__NO_PLACE && m->mem->cpu_node[i] == m->mem->cpu_node[own]) {
            k->t->cpu = (uint16_t)i;
            return true;
        }
    }
    return false;
}

/* While others want its CPU it lets them have it, for a while. Returns when it looks again; `now`: it begins. */
static uint64_t yields_until(const struct vmsim_machine *m, const struct vmsim__khugepaged *k, uint64_t now) {
    VMSIM__ASSERT(now >= k->not_before);
    return m->cpus[k->t->cpu].queue.count && now < k->not_before + PATIENCE ? now + VMSIM__JIFFY : now;
}

/* A scan of pages_to_scan pages, then a sleep. What it had begun when its slice ended stands in the record, not on the
 * stack. Kernel: khugepaged, khugepaged_do_scan. */
static enum vmsim__work run(void *context, struct vmsim__task *t) {
    struct vmsim_machine *m = context;
    struct vmsim__khugepaged *k = m->khugepaged;
    enum vmsim__work how = VMSIM__WORK_MORE;
    vmsim__cpu_load(m, t);
    if (!k->scanning && enabled(m)) {
        k->done.wakes++;
        const uint64_t now = m->cpus[t->cpu].now, wait = now < k->not_before ? k->not_before : yields_until(m, k, now);
        if (now >= k->not_before && moves_on(m, k)) {
            vmsim__cpu_charge(m, t);
            return VMSIM__WORK_MORE;
        }
        if (wait > now) {
            vmsim__cpu_charge(m, t);
            return sleep_until(k, wait);
        }
    }
    while (how == VMSIM__WORK_MORE) {
        if (!k->scanning)
            begin(m, k);
        how = step(m, k);
        vmsim__cpu_charge(m, t);
        if (m->cpus[t->cpu].now >= m->until)
            break;
    }
    return how;
}

/* ---- outside ---- */

/* Not in the middle of a wake, and there is something to look at. */
static bool may_wake(const struct vmsim_machine *m) {
    const struct vmsim__khugepaged *k = m->khugepaged;
    return k && enabled(m) && !k->scanning && has_work(m);
}

static void wake(struct vmsim_machine *m, uint64_t time) {
    struct vmsim__khugepaged *k = m->khugepaged;
    k->not_before = time;
    vmsim__kthread_wake(m, k->t, m->mem->cpu_node[k->t->cpu], time);
}

void vmsim__khugepaged_tick(struct vmsim_machine *m, uint64_t now) {
    const struct vmsim__khugepaged *k = m->khugepaged;
    if (may_wake(m) && k->t->state == VMSIM__TASK_BLOCKED && k->t->wait.until == VMSIM__TIME_NEVER)
        wake(m, vmsim__max64(now, k->not_before));
}

/* Switching it on, or a shorter sleep, wakes it: it would else sleep out the old one. Kernel: start_stop_khugepaged. */
void vmsim__khugepaged_ask(struct vmsim_machine *m, bool sleep_changed) {
    struct vmsim__khugepaged *k = m->khugepaged;
    if (!k)
        return;
    const bool starts = enabled(m) && !k->on;
    k->on = enabled(m);
    k->fresh |= starts;
    if ((starts || sleep_changed) && may_wake(m))
        wake(m, m->mem->now.time);
}

/* The first one: until then there was nothing to do, or it sleeps. */
void vmsim__khugepaged_entered(void *machine) {
    struct vmsim_machine *m = machine;
    unsigned there = 0;
    for (const struct vmsim__mm *mm = vmsim__vm_first_mm(m->vm); mm && there < 2; mm = mm->next)
        there += mm->collapsible;
    if (there == 1 && may_wake(m))
        wake(m, m->khugepaged->fresh ? m->mem->now.time : vmsim__max64(m->mem->now.time, m->khugepaged->not_before));
}

bool vmsim__khugepaged_is(const struct vmsim_machine *m, const struct vmsim__task *t) {
    VMSIM__ASSERT(t);
    return m->khugepaged && m->khugepaged->t == t;
}

struct vmsim__khugepaged_done vmsim__khugepaged_done(const struct vmsim_machine *m) {
    return m->khugepaged->done;
}

/* The thread exists even if it is off, so that switching it on later cannot fail for lack of memory. */
int vmsim__khugepaged_init(struct vmsim_machine *m) {
    m->khugepaged = vmsim__calloc(m->alloc, 1, sizeof *m->khugepaged);
    if (!m->khugepaged)
        return VMSIM_ENOMEM;
    int err = vmsim__thp_choice_create(&m->thp_choice, m->policies, &m->spec.thp, m->spec.seed, &m->err);
    if (err)
        return err;
    vmsim__vm_set_thp_policy(m->vm, &m->thp_choice);
    m->khugepaged->t = vmsim__kthread_create(m, "khugepaged", 0, &(struct vmsim__source){.run = run, .context = m});
    m->khugepaged->on = enabled(m);
    m->khugepaged->not_before = vmsim__timeout_end(0, knobs_of(m)->khugepaged.scan_sleep_ms);
    return m->khugepaged->t ? 0 : VMSIM_ENOMEM;
}

void vmsim__khugepaged_fini(struct vmsim_machine *m) {
    vmsim__thp_choice_destroy(&m->thp_choice);
    vmsim__free(m->alloc, m->khugepaged, sizeof *m->khugepaged);
    m->khugepaged = NULL;
}
