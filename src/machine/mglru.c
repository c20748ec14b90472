/* SPDX-License-Identifier: MIT */
/* The multi-generational LRU tied to the machine: whose page tables a walk goes over, lru_gen/enabled and
 * lru_gen/min_ttl_ms, and the end of patience where all memory is young.
 *
 * An address space is walked if one of its tasks was given a CPU since its last walk for the node, and it has pages
 * enough. Kernel counterparts: iterate_mm_list, should_skip_mm, store_enabled, store_min_ttl_ms of mm/vmscan.c,
 * lru_gen_use_mm. */
#include "machine/knobs.h"
#include "machine/sched.h"

#include <stdio.h>
#include <string.h>

#include "base/units.h"

/* ---- walks ---- */

static bool large_enough(const struct vmsim__mm *mm, bool anon) {
    int64_t pages = mm->rss[VMSIM__RSS_FILE] + mm->rss_cache[VMSIM__RSS_FILE];
    for (unsigned kind = 0; kind < VMSIM__RSS_KINDS && anon; kind++) {
        if (kind == VMSIM__RSS_ANON || kind == VMSIM__RSS_SHMEM)
            pages += mm->rss[kind] + mm->rss_cache[kind];
    }
    return pages >= (int64_t)VMSIM__MIN_LRU_BATCH;
}

/* A task that nothing else waits for keeps its CPU here for as long as it likes. In Linux threads of the kernel have it
 * for a moment every few ticks, RCU's at each grace period for one, and it is given the CPU again. */
#define GRACE_PERIOD UINT64_C(24000000) /* ns: two waits of three ticks at 250 Hz (jiffies_till_first_fqs) */

static bool given_cpu(const struct vmsim_machine *m, const struct vmsim__mm *mm, uint64_t node) {
    const struct vmsim__space *s = mm->user;
    return (s->used & node) || (m->running && m->running->mm == mm && m->mem->now.time >= s->walked + GRACE_PERIOD);
}

/* Those that joined since the last walk are walked whole, and so are all after them. */
static void walk_mms(void *context, struct vmsim__mm_walk *w) {
    struct vmsim_machine *m = context;
    const uint64_t node = UINT64_C(1) << w->node;
    VMSIM__ASSERT(w->node < m->mem->nr_nodes);
    for (struct vmsim__mm *mm = vmsim__vm_first_mm(m->vm); mm; mm = mm->next) {
        struct vmsim__space *s = mm->user;
        if (!s || s->memcg != w->memcg || !mm->users || !mm->pt.hardware_accessed)
            continue;
        w->sink.force = w->sink.force || s->joined > w->walked;
        if (!w->sink.force && !given_cpu(m, mm, node))
            continue;
        s->used &= ~node;
        s->walked = m->mem->now.time;
        if (large_enough(mm, w->sink.anon))
            vmsim__mm_walk_young(mm, &w->sink);
    }
    w->walked = m->spaces_joined;
}

static void out_of_memory(void *context, const struct vmsim__scan_control *sc) {
    struct vmsim_machine *m = context;
    const struct vmsim__alloc_request rq = {.gfp = sc->gfp, .cpu = sc->cpu};
    vmsim__out_of_memory(m, &rq);
}

/* ---- knobs ---- */

#define ALL (VMSIM__LRU_GEN_CORE | VMSIM__LRU_GEN_MM_WALK | VMSIM__LRU_GEN_NONLEAF_YOUNG)

/* What the CPU cannot do is never on. */
static unsigned supported(const struct vmsim_machine *m) {
    const struct vmsim__pt_format *f = vmsim__vm_format(m->vm);
    return VMSIM__LRU_GEN_CORE | (vmsim__vm_hardware_accessed(m->vm) ? VMSIM__LRU_GEN_MM_WALK : 0) |
           (f->table_accessed ? VMSIM__LRU_GEN_NONLEAF_YOUNG : 0);
}

static int set_enabled(struct vmsim_machine *m, unsigned bits, struct vmsim__err *err) {
    const bool on = bits & VMSIM__LRU_GEN_CORE;
    if (!vmsim__lru_gen_enable(m->lru, on))
        return vmsim__err_set(err, VMSIM_ENOMEM, "no memory for generations");
    m->vmscan.ops = on ? &vmsim__linux_mglru : &vmsim__linux_lru;
    m->vmscan.lru_gen = bits;
    return 0;
}

/* A policy that is named says which of the kernel's two it is; lru_gen/enabled may say otherwise later. */
int vmsim__mglru_init(struct vmsim_machine *m) {
    const struct vmsim__policy_choice *choice = &m->spec.reclaim;
    const bool named = choice->name && vmsim__reclaim_is_kernel(choice);
    const bool on = named ? vmsim__reclaim_is_generations(choice) : m->kernel->lru_gen_enabled;
    m->vmscan.hooks.walk_mms = walk_mms;
    m->vmscan.hooks.out_of_memory = out_of_memory;
    return on && vmsim__vm_format(m->vm)->levels ? set_enabled(m, ALL, &m->err) : 0;
}

/* y, n, or the bits of what is to be on; those above are not looked at. */
static int write_enabled(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err) {
    const char *why;
    uint64_t bits = ALL;
    if (*text == 'n' || *text == 'N')
        bits = 0;
    else if (*text != 'y' && *text != 'Y' && !vmsim__parse_uint(text, &bits, &why))
        return vmsim__err_set(err, VMSIM_EINVAL, "%s takes y, n or a sum of 1 (on), 2 and 4 (page tables), not '%s'",
                              knob->value.name, text);
    return set_enabled(owner, (unsigned)bits & ALL, err);
}

static bool read_enabled(const void *owner, const struct vmsim__knob *knob, char *text, size_t size) {
    const struct vmsim_machine *m = owner;
    (void)knob;
    snprintf(text, size, "0x%04x", m->vmscan.lru_gen & supported(m));
    return true;
}

#define MS UINT64_C(1000000)

static int write_min_ttl(void *owner, const struct vmsim__knob *knob, const char *text, struct vmsim__err *err) {
    struct vmsim_machine *m = owner;
    const char *why;
    uint64_t ms;
    if (!vmsim__parse_uint(text, &ms, &why) || ms > UINT32_MAX)
        return vmsim__err_set(err, VMSIM_EINVAL, "%s takes milliseconds, 0 to 4294967295, not '%s'", knob->value.name,
                              text);
    m->vmscan.min_ttl = ms * MS;
    return 0;
}

static bool read_min_ttl(const void *owner, const struct vmsim__knob *knob, char *text, size_t size) {
    const struct vmsim_machine *m = owner;
    (void)knob;
    snprintf(text, size, "%llu", (unsigned long long)(m->vmscan.min_ttl / MS));
    return true;
}

const struct vmsim__knob vmsim__mglru_knobs[] = {
    {.value = {.name = "lru_gen/enabled",
               .type = VMSIM_PARAM_STRING,
               .doc = "The multi-generational LRU in place of active and inactive lists: y, n, or a sum of 1 (on), 2 "
                      "(ageing walks page tables), 4 (and passes over tables that were not used)."},
     .write = write_enabled,
     .read = read_enabled},
    {.value = {.name = "lru_gen/min_ttl_ms",
               .type = VMSIM_PARAM_STRING,
               .doc =
                   "Pages used within this time are not evicted by kswapd: rather a task is killed; 0: they may be."},
     .unit = "ms",
     .write = write_min_ttl,
     .read = read_min_ttl},
    {.value = {0}}};
