/* SPDX-License-Identifier: MIT */
/* khugepaged: the thread that turns base pages into huge ones behind the back of those who use them.
 *
 *     address spaces:  mm 3        mm 5           mm 9
 *     cursor:          ------------> address       -->          pages_to_scan entries a wake, then scan_sleep_millisecs
 *
 * It goes round all address spaces that may have huge pages, a range of a huge page's size at a time; others may have
 * the CPU between two ranges. Where no huge page can be had it sleeps alloc_sleep_millisecs once, and gives up this
 * wake the second time. A whole round without any that it could make, in a machine in which no page came or went since,
 * is its last until a CPU works again: nothing changes by itself. A machine boots as if it had just slept in: the first
 * look comes after scan_sleep_millisecs, or when a knob of it is written. Kernel counterpart: mm/khugepaged.c (6.1),
 * without pages of files and shared memory. */
#include "machine/khugepaged.h"

#include "machine/compact.h"
#include "machine/sched.h"
#include "vm/collapse.h"

#define MILLISEC UINT64_C(1000000) /* ns */
#define START (50 * MILLISEC)      /* until it has a CPU: it is of the lowest priority (nice 19) */

struct vmsim__khugepaged {
    struct vmsim__task *t;
    uint32_t mm;      /* id of the address space that is looked at, or the next one after it */
    uint64_t address; /* where in it */
    struct vmsim__khugepaged_done done;
    uint64_t not_before; /* ns: end of its sleep */
    bool due;            /* it will be woken then */
    bool on;             /* huge pages were enabled when somebody wrote a knob last */
    /* of the wake */
    bool scanning, failed; /* failed: to find a huge page, once */
    unsigned heads;        /* times that it came to the first address space */
    uint64_t progress;     /* entries */
    /* of the round */
    bool eligible; /* it met an area that may have huge pages */
    uint64_t collapsed, traffic;
};

static bool enabled(const struct vmsim_machine *m) {
    return m->mem->thp_enabled != VMSIM__THP_NEVER && m->format->levels > 1;
}

static const struct vmsim__vm_spec *knobs_of(const struct vmsim_machine *m) {
    return vmsim__vm_knobs(m->vm);
}

/* ---- the cursor ---- */

static struct vmsim__mm *mm_from(const struct vmsim_machine *m, uint32_t id) {
    struct vmsim__mm *mm = vmsim__vm_first_mm(m->vm);
    while (mm && mm->id < id)
        mm = mm->next;
    return mm;
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
        k->eligible = true;
        k->address = vmsim__align_up(vmsim__max64(k->address, v->start), size);
        if (k->address + size <= v->end) {
            *vma = v;
            return true;
        }
        k->address = v->end;
    }
    return false;
}

/* What has changed since it looked last: pages that came or went; for a policy that looks at uses, programs that ran.
 */
static uint64_t changes(const struct vmsim_machine *m) {
    uint64_t sum = vmsim__frame_traffic(m->mem);
    for (unsigned i = 0; i < m->nr_cpus && vmsim__thp_asks(m->vm); i++)
        sum += m->cpus[i].user_ns;
    return sum;
}

/* A round is over: is there a use in another one? */
static bool round_over(struct vmsim_machine *m, struct vmsim__khugepaged *k) {
    const uint64_t traffic = changes(m);
    const bool again = k->eligible && (k->collapsed || traffic != k->traffic);
    k->done.full_scans += k->eligible;
    k->mm = 0;
    k->address = 0;
    k->eligible = false;
    k->collapsed = 0;
    k->traffic = traffic;
    return again;
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

static enum vmsim__work finish(struct vmsim_machine *m, struct vmsim__khugepaged *k, bool useful) {
    const uint64_t ms = knobs_of(m)->khugepaged.scan_sleep_ms;
    k->scanning = false;
    k->not_before = m->cpus[k->t->cpu].now + ms * MILLISEC;
    return sleep_until(k, useful ? k->not_before : VMSIM__TIME_NEVER);
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
    k->collapsed += result == VMSIM__COLLAPSE_DONE;
    k->done.pages_collapsed += result == VMSIM__COLLAPSE_DONE;
    m->mem->now.wait = (struct vmsim__wait){0}; /* of a cgroup's reclaim: this range fails */
    if (result != VMSIM__COLLAPSE_NO_MEMORY)
        return VMSIM__WORK_MORE;
    if (k->failed)
        return finish(m, k, true);
    k->failed = true;
    return sleep_until(k, m->mem->now.time + knobs->khugepaged.alloc_sleep_ms * MILLISEC);
}

/* Kernel: one turn of khugepaged_do_scan. */
static enum vmsim__work step(struct vmsim_machine *m, struct vmsim__khugepaged *k) {
    struct vmsim__mm *mm = mm_from(m, k->mm);
    struct vmsim__vma *v = NULL;
    if (!enabled(m))
        return finish(m, k, false);
    if (k->progress >= knobs_of(m)->khugepaged.pages_to_scan)
        return finish(m, k, true);
    if (!mm) {
        const bool again = round_over(m, k);
        return ++k->heads < 2 && again ? VMSIM__WORK_MORE : finish(m, k, again);
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

static enum vmsim__work run(void *context, struct vmsim__task *t) {
    struct vmsim_machine *m = context;
    struct vmsim__khugepaged *k = m->khugepaged;
    enum vmsim__work how = VMSIM__WORK_MORE;
    vmsim__cpu_load(m, t);
    k->due = false;
    if (!k->scanning && (!enabled(m) || m->cpus[t->cpu].now < k->not_before)) {
        vmsim__cpu_charge(m, t);
        return enabled(m) ? sleep_until(k, k->not_before) : finish(m, k, false);
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

void vmsim__khugepaged_tick(struct vmsim_machine *m, uint64_t now) {
    struct vmsim__khugepaged *k = m->khugepaged;
    if (!k || !enabled(m) || k->scanning || k->due || k->t->state != VMSIM__TASK_BLOCKED ||
        k->t->wait.until != VMSIM__TIME_NEVER)
        return;
    k->due = k->traffic != changes(m) || k->mm;
    if (k->due)
        vmsim__kthread_wake(m, k->t, m->mem->cpu_node[k->t->cpu], vmsim__max64(now, k->not_before));
}

void vmsim__khugepaged_ask(struct vmsim_machine *m, bool sleep_changed) {
    struct vmsim__khugepaged *k = m->khugepaged;
    if (!k)
        return;
    const bool starts = enabled(m) && !k->on;
    k->on = enabled(m);
    if (!k->on || k->scanning || !(starts || sleep_changed))
        return;
    k->not_before = m->mem->now.time + START;
    k->due = true;
    vmsim__kthread_wake(m, k->t, m->mem->cpu_node[k->t->cpu], k->not_before);
}

struct vmsim__khugepaged_done vmsim__khugepaged_done(const struct vmsim_machine *m) {
    return m->khugepaged->done;
}

int vmsim__khugepaged_init(struct vmsim_machine *m) {
    m->khugepaged = vmsim__calloc(m->alloc, 1, sizeof *m->khugepaged);
    if (!m->khugepaged)
        return VMSIM_ENOMEM;
    int err = vmsim__thp_choice_create(&m->thp_choice, m->policies, &m->spec.thp, m->spec.seed, &m->err);
    if (err)
        return err;
    vmsim__vm_set_thp_policy(m->vm, &m->thp_choice);
    m->khugepaged->traffic = UINT64_MAX;
    m->khugepaged->t = vmsim__kthread_create(m, "khugepaged", 0, &(struct vmsim__source){.run = run, .context = m});
    m->khugepaged->on = enabled(m);
    m->khugepaged->not_before = knobs_of(m)->khugepaged.scan_sleep_ms * MILLISEC;
    return m->khugepaged->t ? 0 : VMSIM_ENOMEM;
}

void vmsim__khugepaged_fini(struct vmsim_machine *m) {
    vmsim__thp_choice_destroy(&m->thp_choice);
    vmsim__free(m->alloc, m->khugepaged, sizeof *m->khugepaged);
    m->khugepaged = NULL;
}
