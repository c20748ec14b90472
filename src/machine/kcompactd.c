/* SPDX-License-Identifier: MIT */
/* kcompactd: one thread a node with memory, which makes large blocks behind the back of who will want them.
 *
 *     asleep --woken for an order--> each zone up to a type: suitable? not deferred? -> a run, step by step --.
 *        ^   --score of the node too high--> each zone: a run until its score is low --.                     |
 *        '---------------------------------------------------------------------------'-----------------------'
 *
 * Others may have the CPU between two steps. Where a page has to be waited for, frames are given back before. Every 500
 * ms an event looks at the nodes' scores, as the kernel's thread does, which is not woken in vain here; where nothing
 * was allocated or freed since the last look the next one waits until a CPU works. Kernel counterpart: kcompactd of
 * mm/compaction.c. */
#include <stdio.h>

#include "machine/compact.h"
#include "machine/sched.h"

#define IDLE_LOOKS 256u                    /* without a frame given or taken: what they would find is known */
#define CHECK_INTERVAL UINT64_C(500000000) /* ns: HPAGE_FRAG_CHECK_INTERVAL_MSEC */
#define FRUITLESS_SHIFT 6                  /* COMPACT_MAX_DEFER_SHIFT: the next look after a run in vain */

struct vmsim__kcompactd {
    struct vmsim_machine *m;
    struct vmsim__task *t; /* NULL: the node has no memory */
    char name[16];
    uint16_t node;
    uint8_t order, zone_type; /* of those who asked; order 0: nobody */
    uint64_t next_check;      /* ns */
    bool trigger;             /* the next look is due at once */
    /* of the work */
    bool working, in_zone;
    uint8_t why; /* enum vmsim_compaction_why */
    uint8_t at;  /* zone of the node */
    uint8_t work_order, work_type;
    unsigned score; /* before */
    struct vmsim__compact_control cc;
};

static bool kswapd_works(const struct vmsim__kcompactd *k) {
    return vmsim__kswapd_works(k->m, k->node);
}

/* ---- waking ---- */

/* Kernel: kcompactd_node_suitable. */
static bool node_suitable(const struct vmsim__kcompactd *k) {
    VMSIM__ASSERT(k->node < k->m->mem->nr_nodes);
    const struct vmsim__node *n = &k->m->mem->nodes[k->node];
    for (unsigned i = 0; i < n->nr_zones; i++) {
        const struct vmsim__zone *z = &k->m->mem->zones[n->zone[i]];
        if (z->type <= k->zone_type &&
            vmsim__compaction_suitable(&k->m->compaction, z, k->order, 0, k->zone_type) == VMSIM__COMPACTION_CONTINUE)
            return true;
    }
    return false;
}

/* The largest order and the highest zone that anybody asked for meanwhile count, as for kswapd. Kernel:
 * wakeup_kcompactd. */
void vmsim__kcompactd_wake(struct vmsim_machine *m, unsigned node, unsigned order, unsigned zone_type) {
    VMSIM__ASSERT(node < m->mem->nr_nodes);
    struct vmsim__kcompactd *k = m->kcompactd ? &m->kcompactd[node] : NULL;
    if (!k || !k->t || !order || vmsim__compaction_off(m))
        return;
    k->order = (uint8_t)(order > k->order ? order : k->order);
    k->zone_type = (uint8_t)(zone_type > k->zone_type ? zone_type : k->zone_type);
    if (!k->working && node_suitable(k))
        vmsim__kthread_wake(m, k->t, node, m->mem->now.time);
}

/* What Linux does ahead of need. Kernel: should_proactive_compact_node. */
static bool score_too_high(const struct vmsim__kcompactd *k) {
    const struct vmsim__compaction *c = &k->m->compaction;
    return c->proactiveness && vmsim__fragmentation_score(c, k->node) > vmsim__fragmentation_mark(c, false);
}

/* It never asks for full effort: nobody waits for it. What it moves for is any movable page. */
static enum vmsim_compaction_verdict ask(const struct vmsim__kcompactd *k, const struct vmsim__zone *z,
                                         enum vmsim_compaction_why why, unsigned order, bool wanted, bool deferred) {
    struct vmsim_machine *m = k->m;
    return vmsim__compaction_decide(
        &m->compaction_choice, &m->compaction, z,
        (struct vmsim_compaction_request){.why = (uint8_t)why,
                                          .verdict = wanted ? VMSIM_COMPACTION_SYNC_LIGHT : VMSIM_COMPACTION_SKIP,
                                          .order = (uint8_t)order,
                                          .movable = true,
                                          .deferred = deferred,
                                          .cpu = k->t->cpu});
}

/* Does the policy want any zone of the node compacted ahead of need? */
static bool wants_proactive(const struct vmsim__kcompactd *k) {
    VMSIM__ASSERT(k->node < k->m->mem->nr_nodes);
    const struct vmsim__node *n = &k->m->mem->nodes[k->node];
    const bool high = score_too_high(k);
    if (k->m->compaction_choice.policy == &vmsim__compaction_linux)
        return high;
    for (unsigned i = 0; i < n->nr_zones; i++) {
        const struct vmsim__zone *z = &k->m->mem->zones[n->zone[i]];
        if (ask(k, z, VMSIM_COMPACTION_PROACTIVE, k->m->mem->pageblock_order, high, false) != VMSIM_COMPACTION_SKIP)
            return true;
    }
    return false;
}

uint64_t vmsim__frame_traffic(const struct vmsim__mem *mem) {
    uint64_t frames = mem->event[VMSIM__PGFREE];
    for (unsigned z = 0; z < VMSIM__ZONE_TYPES; z++)
        frames += mem->event[VMSIM__PGALLOC_DMA + z];
    return frames;
}

void vmsim__kcompactd_tick(struct vmsim_machine *m, uint64_t now) {
    if (!m->kcompactd || m->score_due || vmsim__compaction_off(m))
        return;
    m->score_due = true;
    vmsim__event_at(m, now + CHECK_INTERVAL, VMSIM__EVENT_SCORE, 0); /* no host memory: the machine's error */
}

/* While nothing was allocated or freed the score cannot have changed: after a few such looks there are no more, or
 * an idle machine would never be without events. Kernel: the timeout of kcompactd. */
void vmsim__kcompactd_event(struct vmsim_machine *m, uint64_t now) {
    const uint64_t frames = vmsim__frame_traffic(m->mem);
    bool later = frames != m->score_traffic;
    m->score_idle = later ? 0 : m->score_idle + 1;
    m->score_due = false;
    m->score_traffic = frames;
    for (unsigned n = 0; n < m->mem->nr_nodes; n++) {
        struct vmsim__kcompactd *k = &m->kcompactd[n];
        later = later || k->working || now < k->next_check;
        if (!k->t || k->working || now < k->next_check)
            continue;
        k->trigger = !kswapd_works(k) && wants_proactive(k);
        if (k->trigger)
            vmsim__kthread_wake(m, k->t, n, now);
        later = later || k->trigger;
    }
    if (later && m->score_idle < IDLE_LOOKS)
        vmsim__kcompactd_tick(m, now);
}

void vmsim__kcompactd_trigger(struct vmsim_machine *m) {
    if (!m->kcompactd)
        return;
    for (unsigned n = 0; n < m->mem->nr_nodes; n++)
        m->kcompactd[n].next_check = 0;
    vmsim__kcompactd_event(m, m->mem->now.time);
}

/* ---- working ---- */

/* Ahead of need it works for the order of a huge page and for all zones; else for what was asked for, which may grow
 * meanwhile. */
static void begin(struct vmsim__kcompactd *k, enum vmsim_compaction_why why) {
    VMSIM__ASSERT(!k->working);
    k->working = true;
    k->in_zone = false;
    k->at = 0;
    k->why = (uint8_t)why;
    k->work_order = why == VMSIM_COMPACTION_PROACTIVE ? k->m->mem->pageblock_order : k->order;
    k->work_type = why == VMSIM_COMPACTION_PROACTIVE ? VMSIM__ZONE_TYPES - 1 : k->zone_type;
    k->score = vmsim__fragmentation_score(&k->m->compaction, k->node);
    k->m->mem->event[VMSIM__COMPACT_DAEMON_WAKE] += why == VMSIM_COMPACTION_KCOMPACTD;
}

/* After work in vain it is left alone for longer. What was asked for meanwhile stays asked for. Kernel:
 * proactive_defer of kcompactd. */
static void finish(struct vmsim__kcompactd *k) {
    struct vmsim_machine *m = k->m;
    k->working = false;
    if (k->why == VMSIM_COMPACTION_KCOMPACTD) {
        if (k->order <= k->work_order)
            k->order = k->zone_type = 0;
        return;
    }
    const bool better = vmsim__fragmentation_score(&m->compaction, k->node) < k->score;
    k->trigger = false;
    k->next_check = m->mem->now.time + (better ? CHECK_INTERVAL : CHECK_INTERVAL << FRUITLESS_SHIFT);
}

static enum vmsim_compaction_verdict verdict_of(const struct vmsim__kcompactd *k, const struct vmsim__zone *z) {
    struct vmsim__compaction *c = &k->m->compaction;
    if (k->why == VMSIM_COMPACTION_PROACTIVE)
        return ask(k, z, VMSIM_COMPACTION_PROACTIVE, k->work_order, score_too_high(k), false);
    if (vmsim__compaction_suitable(c, z, k->work_order, 0, z->type) != VMSIM__COMPACTION_CONTINUE)
        return VMSIM_COMPACTION_SKIP;
    const bool deferred = vmsim__compaction_deferred(c, z, k->work_order);
    return ask(k, z, VMSIM_COMPACTION_KCOMPACTD, k->work_order, !deferred, deferred);
}

/* The zone's run begins, or it is passed over. */
static void enter_zone(struct vmsim__kcompactd *k, struct vmsim__zone *z) {
    const enum vmsim_compaction_verdict verdict = z->type > k->work_type ? VMSIM_COMPACTION_SKIP : verdict_of(k, z);
    const bool proactive = k->why == VMSIM_COMPACTION_PROACTIVE;
    k->at++;
    if (verdict == VMSIM_COMPACTION_SKIP)
        return;
    k->cc = (struct vmsim__compact_control){.order = proactive ? VMSIM__COMPACT_ALL : k->work_order,
                                            .gfp = VMSIM__GFP_KERNEL,
                                            .zone_type = proactive ? 0 : k->work_type,
                                            .type = proactive ? VMSIM__MOVABLE : VMSIM__UNMOVABLE,
                                            .proactive = proactive,
                                            .exhaust = verdict == VMSIM_COMPACTION_FULL,
                                            .may_wait = true,
                                            .cpu = k->t->cpu};
    vmsim__compact_as(&k->cc, verdict);
    if (proactive)
        k->cc.whole_zone = k->cc.ignore_skip_hint = true;
    k->in_zone = vmsim__compact_begin(&k->m->compaction, &k->cc, z) == VMSIM__COMPACTION_CONTINUE;
}

/* Who worked for somebody tells the zone how it went, so that allocations do not try the same in vain. Kernel:
 * kcompactd_do_work. */
static void leave_zone(struct vmsim__kcompactd *k, enum vmsim__compact_result how) {
    struct vmsim_machine *m = k->m;
    struct vmsim__zone *z = k->cc.z;
    vmsim__compact_end(&m->compaction, &k->cc);
    k->in_zone = false;
    if (k->why == VMSIM_COMPACTION_PROACTIVE)
        return; /* counts as nobody's, on real kernels, too */
    m->mem->event[VMSIM__COMPACT_DAEMON_MIGRATE_SCANNED] += k->cc.migrate_scanned;
    m->mem->event[VMSIM__COMPACT_DAEMON_FREE_SCANNED] += k->cc.free_scanned;
    if (how == VMSIM__COMPACTION_SUCCESS) {
        vmsim__compaction_defer_reset(&m->compaction, z, k->work_order, false);
    } else if (how == VMSIM__COMPACTION_COMPLETE || how == VMSIM__COMPACTION_PARTIAL_SKIPPED) {
        vmsim__zone_drain(m->mem, z); /* what is in per-CPU lists may merge after all */
        vmsim__compaction_defer(&m->compaction, z, k->work_order);
    }
}

/* One zone is entered, or worked on for a step, at a time: between two steps others get the CPU. It gives way to
 * kswapd, whose free pages it would take. */
static enum vmsim__work step(struct vmsim__kcompactd *k) {
    VMSIM__ASSERT(k->working);
    struct vmsim_machine *m = k->m;
    const struct vmsim__node *n = &m->mem->nodes[k->node];
    if (!k->in_zone) {
        if (k->at < n->nr_zones)
            enter_zone(k, &m->mem->zones[n->zone[k->at]]);
        else
            finish(k);
        return VMSIM__WORK_MORE;
    }
    k->cc.cpu = k->t->cpu;
    enum vmsim__compact_result how = VMSIM__COMPACTION_PARTIAL_SKIPPED;
    if (k->why != VMSIM_COMPACTION_PROACTIVE || !kswapd_works(k))
        how = vmsim__compact_step(&m->compaction, &k->cc);
    if (how != VMSIM__COMPACTION_CONTINUE)
        leave_zone(k, how);
    else if (k->cc.waits) {
        k->t->wait = m->mem->now.wait;
        m->mem->now.wait = (struct vmsim__wait){0};
        return VMSIM__WORK_WAIT;
    }
    return VMSIM__WORK_MORE;
}

static enum vmsim__work run(void *context, struct vmsim__task *t) {
    struct vmsim__kcompactd *k = context;
    struct vmsim_machine *m = k->m;
    enum vmsim__work how = VMSIM__WORK_MORE;
    vmsim__cpu_load(m, t);
    while (how == VMSIM__WORK_MORE) {
        if (k->working) {
            how = step(k);
            vmsim__cpu_charge(m, t);
        } else if (k->order && node_suitable(k)) {
            begin(k, VMSIM_COMPACTION_KCOMPACTD);
        } else if (k->trigger) {
            begin(k, VMSIM_COMPACTION_PROACTIVE);
        } else {
            t->wait = (struct vmsim__wait){VMSIM__WAIT_WORK, 0, VMSIM__TIME_NEVER};
            how = VMSIM__WORK_WAIT;
        }
        if (m->cpus[t->cpu].now >= m->until)
            break;
    }
    vmsim__cpu_charge(m, t);
    return how;
}

int vmsim__kcompactd_init(struct vmsim_machine *m) {
    m->kcompactd = vmsim__calloc(m->alloc, m->mem->nr_nodes, sizeof *m->kcompactd);
    if (!m->kcompactd)
        return VMSIM_ENOMEM;
    for (unsigned n = 0; n < m->mem->nr_nodes; n++) {
        struct vmsim__kcompactd *k = &m->kcompactd[n];
        if (!vmsim__node_may_have_memory(m->mem, n))
            continue;
        k->m = m;
        k->node = (uint16_t)n;
        snprintf(k->name, sizeof k->name, "kcompactd%u", n);
        k->t = vmsim__kthread_create_on(m, k->name, n, &(struct vmsim__source){.run = run, .context = k});
        if (!k->t)
            return VMSIM_ENOMEM;
    }
    return 0;
}

void vmsim__kcompactd_fini(struct vmsim_machine *m) {
    vmsim__free(m->alloc, m->kcompactd, m->mem ? m->mem->nr_nodes * sizeof *m->kcompactd : 0);
    m->kcompactd = NULL;
}
