/* SPDX-License-Identifier: MIT */
/* Which page follows whom, and how soon a task is scanned again (balancing.h). */
#include "numa/balancing.h"

#include "zones/columns.h"

#include <limits.h>
#include <stddef.h>

#define SLOTS 10u               /* NUMA_PERIOD_SLOTS */
#define THRESHOLD 7u            /* NUMA_PERIOD_THRESHOLD */
#define MAX_SCAN_WINDOW 2560u   /* MB a second */
#define ACTIVE_NODE_FRACTION 3u /* a node is used more by so much: pages go there */
#define EARLY_PASSES 4u
#define SECOND UINT64_C(1000000000)
#define THRESHOLD_PERIOD (60 * SECOND)
#define MIGRATION_ADJUST_STEPS 16u /* NUMA_MIGRATION_ADJUST_STEPS */

#define KNOB(key, field, value_text, most, unit_text, text)                                                            \
    {                                                                                                                  \
        .value = {.name = key,                                                                                         \
                  .type = VMSIM_PARAM_UINT,                                                                            \
                  .offset = offsetof(struct vmsim__numa_knobs, field),                                                 \
                  .fallback = value_text,                                                                              \
                  .min = (most) != 3,                                                                                  \
                  .max = most,                                                                                         \
                  .doc = text},                                                                                        \
        .unit = unit_text                                                                                              \
    }
#define FILES "sched/numa_balancing/"

const struct vmsim__knob vmsim__numa_knob_table[] = {
    KNOB(
        "kernel.numa_balancing", mode, NULL, 3, NULL,
        "Pages follow their users: 1 between nodes, 2 from slower tiers when they are hot, 3 both, 0 never; at first 1 "
        "where there is more than one node."),
    KNOB(FILES "scan_delay_ms", scan_delay_ms, "1000", UINT32_MAX, "ms", "CPU time of a task before its first scan."),
    KNOB(FILES "scan_period_min_ms", scan_period_min_ms, "1000", UINT32_MAX, "ms",
         "Least CPU time from scan to scan of a task with scan_size_mb in memory."),
    KNOB(FILES "scan_period_max_ms", scan_period_max_ms, "60000", UINT32_MAX, "ms", "The most, likewise."),
    KNOB(FILES "scan_size_mb", scan_size_mb, "256", UINT32_MAX, "MB", "Memory that a scan makes fault."),
    KNOB(FILES "hot_threshold_ms", hot_threshold_ms, "1000", UINT32_MAX, "ms",
         "Time from scan to use below which a page of a slower tier is hot, at first."),
    KNOB("kernel.numa_balancing_promote_rate_limit_MBps", promote_rate_limit, "65536", UINT32_MAX, "MB a second",
         "Hot pages that go to one node, at most."),
    {.value = {.name = "numa/demotion_enabled",
               .type = VMSIM_PARAM_BOOL,
               .offset = offsetof(struct vmsim__numa_knobs, demotion_enabled),
               .fallback = "false",
               .doc = "Reclaim moves pages to slower tiers before it swaps or drops them."}},
    {.value = {0}}};

/* A machine of one node asks nobody, unless a policy is chosen by name. */
static int start(const struct vmsim__numa *n, struct vmsim__policy_instance *i, struct vmsim__policy_registry *policies,
                 enum vmsim_policy_domain domain, const struct vmsim__policy_choice *choice, uint64_t seed,
                 struct vmsim__err *err) {
    if (n->mem->nr_nodes == 1 && !choice->name && !choice->plugin)
        return 0;
    return vmsim__policy_instance_start(i, policies, domain, choice, seed,
                                        domain == VMSIM_POLICY_TIERING ? "tiering" : "numa", err);
}

/* Without a policy that was chosen the kernel's own rules are asked directly: a machine of one node makes none. */
int vmsim__numa_create(struct vmsim__numa *n, struct vmsim__mem *mem, struct vmsim__policy_registry *policies,
                       const struct vmsim__policy_choice *choice, const struct vmsim__policy_choice *tiering,
                       uint64_t seed, struct vmsim__err *err) {
    n->mem = mem;
    n->alloc = mem->alloc;
    vmsim__knob_defaults(vmsim__numa_knob_table, &n->knobs);
    n->knobs.mode = mem->nr_nodes > 1 ? VMSIM__NUMA_NORMAL : 0;
    n->top_tier = vmsim__tiers_top(mem);
    VMSIM__ASSERT(n->top_tier && mem->nr_nodes <= VMSIM__MAX_NODES);
    n->policy = &vmsim__numa_linux;
    n->tiering = &vmsim__tiering_linux;
    int e = start(n, &n->instance, policies, VMSIM_POLICY_NUMA_BALANCING, choice, seed, err);
    e = e ? e : start(n, &n->tiering_instance, policies, VMSIM_POLICY_TIERING, tiering, seed, err);
    if (n->instance.policy)
        n->policy = (const void *)n->instance.policy;
    if (n->tiering_instance.policy)
        n->tiering = (const void *)n->tiering_instance.policy;
    return e;
}

void vmsim__numa_destroy(struct vmsim__numa *n) {
    vmsim__oracle_end(n);
    vmsim__policy_instance_fini(&n->instance);
    vmsim__policy_instance_fini(&n->tiering_instance);
}

/* Faults of an address space are counted only from the first one on: most spaces never have any. */
void vmsim__numa_space_fini(struct vmsim__numa *n, struct vmsim__numa_space *s) {
    if (s->faults)
        vmsim__free(n->alloc, s->faults, sizeof *s->faults);
    s->faults = NULL;
}

/* ---- how often ---- */

/* Kernel: task_nr_scan_windows. */
static uint64_t windows(const struct vmsim__numa *n, uint64_t rss) {
    const uint64_t pages = n->knobs.scan_size_mb << (20 - n->mem->page_shift);
    const uint64_t w = (rss + pages - 1) / pages;
    return w ? w : 1;
}

/* In ms of CPU time. A large space is scanned in windows, each the sooner; never more than 2,560 MB a second.
 * Kernel: task_scan_min, task_scan_max. */
uint64_t vmsim__numa_scan_min(const struct vmsim__numa *n, uint64_t rss) {
    VMSIM__ASSERT(n->knobs.scan_size_mb);
    const uint64_t most = n->knobs.scan_size_mb < MAX_SCAN_WINDOW ? MAX_SCAN_WINDOW / n->knobs.scan_size_mb : 1;
    return vmsim__max64(1000 / most, n->knobs.scan_period_min_ms / windows(n, rss));
}

/* Never below the least, whatever the knobs say. */
uint64_t vmsim__numa_scan_max(const struct vmsim__numa *n, uint64_t rss) {
    return vmsim__max64(vmsim__numa_scan_min(n, rss), n->knobs.scan_period_max_ms / windows(n, rss));
}

/* Kernel: update_task_scan_period. Shared faults are worth less the more of them there are. */
static void update_period(const struct vmsim__numa *n, struct vmsim__numa_task *t, struct vmsim__numa_space *s,
                          uint64_t rss) {
    const uint64_t low = vmsim__numa_scan_min(n, rss), high = vmsim__numa_scan_max(n, rss);
    const uint64_t all = (uint64_t)t->local + t->remote, uses = (uint64_t)t->private_faults + t->shared_faults;
    if (t->local + t->shared_faults == 0 || t->failed) {
        t->period_ms = vmsim__min64(high, t->period_ms << 1);
        s->next_scan = n->mem->now.time + t->period_ms * 1000000;
        return;
    }
    const uint64_t slot = (t->period_ms + SLOTS - 1) / SLOTS;
    const uint64_t lr = all ? t->local * SLOTS / all : 0, ps = uses ? t->private_faults * SLOTS / uses : 0;
    if (ps >= THRESHOLD || lr >= THRESHOLD) {
        const uint64_t by = (ps >= THRESHOLD ? ps : lr) - THRESHOLD;
        t->period_ms += (by ? by : 1) * slot;
    } else {
        const uint64_t less = (THRESHOLD - vmsim__max64(lr, ps)) * slot;
        t->period_ms = t->period_ms > less ? t->period_ms - less : 0;
    }
    t->period_ms = vmsim__min64(vmsim__max64(t->period_ms, low), high);
    VMSIM__ASSERT(low <= high && t->period_ms);
}

/* Nodes of memory alone have none: pages lie there that nobody can be put beside. */
static bool has_cpus(const struct vmsim__mem *mem, unsigned node) {
    for (unsigned cpu = 0; cpu < mem->nr_cpus; cpu++)
        if (mem->cpu_node[cpu] == node)
            return true;
    return false;
}

/* The node itself, or the nearest that has CPUs. Kernel: numa_nearest_node. */
static unsigned nearest_with_cpus(const struct vmsim__mem *mem, unsigned node) {
    unsigned best = node, least = UINT_MAX;
    for (unsigned i = 0; i < mem->nr_nodes; i++) {
        if (mem->nodes[node].distance[i] < least && has_cpus(mem, i)) {
            least = mem->nodes[node].distance[i];
            best = i;
        }
    }
    return best;
}

/* By the faults of all that share the address space, as the kernel goes by those of a group; 0: there were none. */
static uint8_t preferred_node(const struct vmsim__numa *n, const struct vmsim__numa_faults *f) {
    unsigned best = 0;
    for (unsigned i = 1; i < n->mem->nr_nodes; i++)
        best = f->memory[i] > f->memory[best] ? i : best;
    return f->memory[best] ? (uint8_t)(nearest_with_cpus(n->mem, best) + 1) : 0;
}

/* It tries sixteen times a period, and once a second at least: another program may have gone from a CPU there, and
 * faults come in crowds. */
int vmsim__numa_follow(const struct vmsim__numa *n, const struct vmsim__numa_user *who, unsigned node) {
    struct vmsim__numa_task *t = who->task;
    VMSIM__ASSERT(node < n->mem->nr_nodes && t->preferred <= n->mem->nr_nodes);
    if (!t->preferred || n->mem->now.time < t->retry)
        return -1;
    t->retry = n->mem->now.time + vmsim__min64(SECOND, t->period_ms * 1000000 / 16);
    return t->preferred - 1u == node ? -1 : t->preferred - 1;
}

/* A pass over the address space is over: what was seen in it counts half from now on. Kernel: task_numa_placement. */
static void pass_over(const struct vmsim__numa *n, const struct vmsim__numa_user *who) {
    struct vmsim__numa_task *t = who->task;
    VMSIM__ASSERT(t->seq != who->space->seq);
    t->seq = who->space->seq;
    if (who->space->faults && (n->knobs.mode & VMSIM__NUMA_NORMAL))
        t->preferred = preferred_node(n, who->space->faults);
    for (unsigned i = 0; who->space->faults && i < n->mem->nr_nodes; i++) {
        who->space->faults->memory[i] /= 2;
        who->space->faults->cpu[i] /= 2;
    }
    if (t->period_ms)
        update_period(n, t, who->space, who->rss);
    t->private_faults = t->shared_faults = t->local = t->remote = t->failed = 0;
}

/* ---- hot pages of slower tiers ---- */

/* Counters may be below zero for a moment: no policy is to see that as very much. */
static uint64_t free_pages(const struct vmsim__mem *mem, unsigned node) {
    VMSIM__ASSERT(node < mem->nr_nodes);
    uint64_t pages = 0;
    for (unsigned i = 0; i < mem->nodes[node].nr_zones; i++) {
        const int64_t some = mem->zones[mem->nodes[node].zone[i]].stat[VMSIM__NR_FREE_PAGES];
        pages += some > 0 ? (uint64_t)some : 0;
    }
    return pages;
}

/* Kernel: pgdat_free_space_enough. 1 GiB, or a 16th of the node if that is more. */
static bool room_enough(const struct vmsim__mem *mem, unsigned node) {
    VMSIM__ASSERT(node < mem->nr_nodes && mem->nodes[node].has_memory);
    const struct vmsim__node *nd = &mem->nodes[node];
    uint64_t present = 0;
    for (unsigned i = 0; i < nd->nr_zones; i++)
        present += mem->zones[nd->zone[i]].present;
    const uint64_t enough = vmsim__max64(UINT64_C(1) << (30 - mem->page_shift), present >> 4);
    for (unsigned i = 0; i < nd->nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[nd->zone[i]];
        if (vmsim__zone_populated(z) &&
            vmsim__zone_watermark_ok(mem, z, 0, vmsim__zone_wmark(z, VMSIM__WMARK_PROMO) + enough, VMSIM__ZONE_MOVABLE,
                                     0))
            return true;
    }
    return false;
}

/* Counters of /proc/vmstat by node, which the rate limit goes by, as the kernel's does. */
static int64_t *node_stat(struct vmsim__mem *mem, unsigned node, enum vmsim__node_stat stat) {
    return &mem->nodes[node].stat[stat];
}

/* Kernel: numa_promotion_adjust_threshold: once a minute, towards as many candidates as the rate allows. */
static void adjust_threshold(struct vmsim__numa *n, struct vmsim__numa_promotion *p, unsigned node, uint64_t limit) {
    const uint64_t now = n->mem->now.time, ref = n->knobs.hot_threshold_ms;
    if (now < p->threshold_since + THRESHOLD_PERIOD)
        return;
    const uint64_t all = (uint64_t)*node_stat(n->mem, node, VMSIM__PGPROMOTE_CANDIDATE);
    const uint64_t diff = all - p->threshold_candidates, wanted = limit * (THRESHOLD_PERIOD / SECOND);
    const uint64_t unit = ref * 2 / MIGRATION_ADJUST_STEPS;
    uint64_t th = p->threshold_ms ? p->threshold_ms : ref;
    if (diff > wanted * 11 / 10)
        th = th > 2 * unit ? th - unit : unit;
    else if (diff < wanted * 9 / 10)
        th = vmsim__min64(th + unit, ref * 2);
    p->threshold_since = now;
    p->threshold_candidates = all;
    p->threshold_ms = th;
}

/* Kernel: numa_promotion_rate_limit. True: no more in this second. */
static bool rate_limited(struct vmsim__numa *n, struct vmsim__numa_promotion *p, unsigned node, uint64_t limit) {
    const uint64_t now = n->mem->now.time;
    int64_t *candidates = node_stat(n->mem, node, VMSIM__PGPROMOTE_CANDIDATE);
    *candidates += 1;
    if (now > p->since + SECOND) {
        p->since = now;
        p->candidates = (uint64_t)*candidates;
    }
    VMSIM__ASSERT((uint64_t)*candidates >= p->candidates);
    return (uint64_t)*candidates - p->candidates >= limit;
}

/* Kernel: should_numa_migrate_memory, its first part. */
static bool is_hot(struct vmsim__numa *n, const struct vmsim__numa_hint *h, unsigned to,
                   struct vmsim_promotion_request *r) {
    VMSIM__ASSERT(to < n->mem->nr_nodes && to != h->node && !(n->top_tier >> h->node & 1));
    struct vmsim__numa_promotion *p = &n->promotion[to];
    const uint64_t limit = n->knobs.promote_rate_limit << (20 - n->mem->page_shift);
    const uint32_t marked = (uint32_t)vmsim__column_read(n->mem, VMSIM__COLUMN_CPUPID, h->pfn);
    const uint32_t now = (uint32_t)(n->mem->now.time / 1000000) + 1;
    r->latency_ms = marked && now >= marked ? now - marked : 0;
    r->threshold_ms = p->threshold_ms ? p->threshold_ms : n->knobs.hot_threshold_ms;
    if (room_enough(n->mem, to)) {
        p->threshold_ms = 0;
        return true;
    }
    adjust_threshold(n, p, to, limit);
    r->threshold_ms = p->threshold_ms ? p->threshold_ms : n->knobs.hot_threshold_ms;
    return r->latency_ms < r->threshold_ms && !rate_limited(n, p, to, limit);
}

/* -1: it stays. The policy of domain tiering has the last word, Linux's rule being its advice. */
static int promoted(struct vmsim__numa *n, const struct vmsim__numa_user *who, const struct vmsim__numa_hint *h,
                    unsigned to) {
    struct vmsim_promotion_request r = {.size = sizeof r,
                                        .task = who->id,
                                        .node = h->node,
                                        .target = to,
                                        .address = h->va,
                                        .page = h->pfn,
                                        .free = free_pages(n->mem, to),
                                        .now = n->mem->now.time};
    r.verdict = is_hot(n, h, to, &r);
    if (!n->tiering->promote(n->tiering_instance.context, &r))
        return -1;
    vmsim__column_write(n->mem, VMSIM__COLUMN_CPUPID, h->pfn, 0); /* a time means nothing in the fast tier */
    return (int)to;
}

/* ---- pages and tasks ---- */

/* CPU and the low bits of who used a page last, in a column of its frame; 0 is nothing known. Kernel:
 * cpu_pid_to_cpupid, whose pid has eight bits as well. */
static uint32_t cpupid(unsigned cpu, uint32_t task) {
    VMSIM__ASSERT(cpu < VMSIM__CPUS_MAX);
    return 1 + (cpu << 8 | (task & 0xff));
}

/* What is known of the last use: its node and whether it was by this task. */
struct last {
    int node; /* -1: nothing */
    bool same;
};
static struct last last_of(const struct vmsim__numa *n, uint32_t value, uint32_t task) {
    if (!value)
        return (struct last){-1, false};
    const uint32_t cpu = (value - 1) >> 8;
    return (struct last){cpu < n->mem->nr_cpus ? (int)n->mem->cpu_node[cpu] : -1,
                         ((value - 1) & 0xff) == (task & 0xff)};
}

/* Kernel: should_numa_migrate_memory, the filter: a page follows when it was used from the same node twice in a row;
 * at first, and with one user, at once; between groups' nodes with a margin. */
static bool passes(const struct vmsim__numa_user *who, const struct last *l, unsigned to, unsigned from) {
    VMSIM__ASSERT(to != from && to < VMSIM__MAX_NODES && from < VMSIM__MAX_NODES);
    if (who->space->seq <= EARLY_PASSES && (l->node < 0 || l->same))
        return true;
    if (l->node >= 0 && l->node != (int)to)
        return false;
    if (l->same || !who->space->group || !who->space->faults)
        return true;
    const struct vmsim__numa_faults *f = who->space->faults;
    if (f->cpu[to] > (uint64_t)f->cpu[from] * ACTIVE_NODE_FRACTION)
        return true;
    return (uint64_t)f->cpu[to] * f->memory[from] * 3 > (uint64_t)f->cpu[from] * f->memory[to] * 4;
}

/* -1: it stays; else the node of the CPU that used it. */
static int placed(struct vmsim__numa *n, const struct vmsim__numa_user *who, const struct vmsim__numa_hint *h,
                  unsigned to) {
    const uint32_t before = (uint32_t)vmsim__column_read(n->mem, VMSIM__COLUMN_CPUPID, h->pfn);
    const struct last l = last_of(n, before, who->id);
    n->host_nomem |= !vmsim__column_write(n->mem, VMSIM__COLUMN_CPUPID, h->pfn, cpupid(h->cpu, who->id));
    const int verdict = passes(who, &l, to, h->node) ? (int)to : -1;
    if (n->policy == &vmsim__numa_linux)
        return verdict;
    const struct vmsim_numa_request r = {.size = sizeof r,
                                         .verdict = verdict,
                                         .task = who->id,
                                         .cpu = h->cpu,
                                         .cpu_node = to,
                                         .node = h->node,
                                         .last_node = l.node,
                                         .same_task = l.same,
                                         .shared = h->shared,
                                         .address = h->va,
                                         .free = free_pages(n->mem, to),
                                         .now = n->mem->now.time};
    const int32_t node = n->policy->place(n->instance.context, &r);
    if (node >= -1 && node < VMSIM__MAX_NODES && (node < 0 || (vmsim__memory_nodes(n->mem) >> node & 1)))
        return node == (int32_t)h->node ? -1 : node;
    vmsim__policy_fallback(&n->instance, "answered node %d", node);
    return verdict;
}

/* Kernel: mpol_misplaced, of policies that let pages follow. */
int vmsim__numa_misplaced(struct vmsim__numa *n, const struct vmsim__numa_user *who, const struct vmsim__numa_hint *h) {
    const struct vmsim__mempolicy *p = h->vma->policy.mode ? &h->vma->policy : who->policy;
    const unsigned to = n->mem->cpu_node[h->cpu];
    VMSIM__ASSERT(to < n->mem->nr_nodes && h->node < n->mem->nr_nodes);
    const bool slow = (n->knobs.mode & VMSIM__NUMA_TIERING) && !(n->top_tier >> h->node & 1);
    const uint32_t before = slow ? 0 : (uint32_t)vmsim__column_read(n->mem, VMSIM__COLUMN_CPUPID, h->pfn);
    n->mine = !before || last_of(n, before, who->id).same;
    if (to == h->node || !n->mem->nodes[to].has_memory || !vmsim__numa_follows(&h->vma->policy, who->policy))
        return -1;
    if (p->mode && !(p->nodes >> to & 1))
        return -1;
    if (slow)
        return promoted(n, who, h, to);
    return placed(n, who, h, to);
}

/* Kernel: task_numa_fault. */
void vmsim__numa_count(struct vmsim__numa *n, const struct vmsim__numa_user *who, const struct vmsim__numa_hint *h,
                       unsigned node, enum vmsim__numa_move what) {
    struct vmsim__numa_task *t = who->task;
    const bool mine = n->mine;
    VMSIM__ASSERT(node < n->mem->nr_nodes && (what == VMSIM__NUMA_MOVED || node == h->node));
    if (!who->space->faults)
        who->space->faults = vmsim__calloc(n->alloc, 1, sizeof *who->space->faults);
    n->host_nomem |= !who->space->faults;
    if (t->seq != who->space->seq)
        pass_over(n, who);
    if (who->space->faults) {
        who->space->faults->memory[node]++;
        who->space->faults->cpu[n->mem->cpu_node[h->cpu]]++;
    }
    who->space->group |= !mine && h->writable;
    *(mine ? &t->private_faults : &t->shared_faults) += 1;
    *(node == n->mem->cpu_node[h->cpu] ? &t->local : &t->remote) += 1;
    t->failed += what == VMSIM__NUMA_FAILED;
    VMSIM__ASSERT(t->local + t->remote == t->private_faults + t->shared_faults); /* each fault is told both ways */
    if (what == VMSIM__NUMA_MOVED && !(n->top_tier >> h->node & 1) && (n->top_tier >> node & 1))
        *node_stat(n->mem, node, VMSIM__PGPROMOTE_SUCCESS) += 1;
}
