/* SPDX-License-Identifier: MIT */
/* Reclaim policies over the memory of a machine: each lruvec (a node's folios of a cgroup) may have an instance of one,
 * which says what goes in place of the kernel's lists.
 *
 *     lru/ --came, used, mlocked, freed--> instance of the lruvec --evict--> vmsim__shrink_folio_list --> gone, kept
 *                                              |                                  |
 *     the TLB's physical addresses --used------+                 being written: LEAVING, freed when that is over
 *
 * Folio number n of the policies is frame n - 1. Folios stay on the kernel's lists as well, so that there is always
 * somebody who can take over: when a policy proposes nothing, or what it proposes cannot go, the machine's own way of
 * choosing (struct vmsim__reclaim_ops) goes on for that round. Anonymous memory that no swap could ever take is no
 * policy's affair, as it is no list's that Linux scans.
 *
 * A folio whose contents must be written is gone for its policy when the write begins: it waits in a queue of its own,
 * is freed by the next reclaim after the write, and comes again, as a new folio with its shadow, if somebody wants it
 * before. So the order is the policy's, whatever the device does.
 *
 * Pure mode (`resident` > 0): an instance has so many folios at most, and for each that comes above that one goes
 * first; every reference is told. That is demand paging as textbooks have it, through a whole machine. */
#ifndef VMSIM__LRUVEC_POLICY_H
#define VMSIM__LRUVEC_POLICY_H
#include "reclaim/reclaim.h"
#include "reclaim/reclaim_future.h"
#include "reclaim/reclaim_shadows.h"
#include "reclaim/vmscan.h"
#include "vmsim/access.h"

struct vmsim__lruvec_policies;

struct vmsim__lruvec_policy {
    struct vmsim__reclaim r; /* first: the services find the rest by it */
    struct vmsim__lruvec_policies *all;
    struct vmsim__lruvec *lruvec;
    bool references;                                      /* it is told of every reference */
    uint32_t goings;                                      /* folios that went */
    uint64_t *calls, *victims, *added, *kept, *overruled; /* counters of the report */
};

/* A choice, kept for instances that are made later. */
struct vmsim__reclaim_choice {
    bool kernel;                      /* the kernel's own mechanism */
    const struct vmsim__memcg *memcg; /* whose choice it is, and of all below without their own; NULL: it is gone */
    struct vmsim__policy_choice choice;
};

/* All of a machine. */
struct vmsim__lruvec_policies {
    struct vmsim__vmscan *v;
    struct vmsim__policy_registry *registry;
    struct vmsim__alloc *alloc;
    uint64_t seed;
    uint32_t resident; /* pure mode; 0: memory is the bound */
    struct vmsim__reclaim_pool pool;
    uint64_t *came; /* ns, by folio */
    struct {
        VMSIM__VEC(struct vmsim__lruvec_policy *);
    } instances; /* by number; NULL: free; [0] nobody */
    struct {
        VMSIM__VEC(struct vmsim__reclaim_choice);
    } choices;
    struct vmsim__reclaim_shadows shadows;
    struct {
        vmsim__pfn pfn;
        uint64_t shadow, distance;
    } coming; /* what was said of the folio that is evictable next */
    struct {
        VMSIM__VEC(vmsim__pfn);
        size_t first;
    } leaving;                            /* in the order in which their writes began */
    struct vmsim__reclaim_future *future; /* NULL: it is not known */
    bool wants_future;                    /* one that wants the future was chosen while it is recorded: not asked */
    uint32_t watching;                    /* instances that are told of every reference */
    bool busy;                            /* reclaim is under way: what comes makes no room */
    bool host_nomem;                      /* sticky */
    struct vmsim__lru_watch watch;
    /* Who uses a page at present: fills task, cgroup, type, fault and pc. */
    void (*present)(void *context, struct vmsim_folio_access *access);
    /* ns: what came since may be needed by a reference whose faults are not over, or by a swapoff; UINT64_MAX: there is
     * none. */
    uint64_t (*needed_since)(void *context);
    void *context;
};

struct vmsim__lruvec_policies_init {
    struct vmsim__vmscan *vmscan;
    struct vmsim__policy_registry *registry;
    struct vmsim__alloc *alloc;
    uint64_t seed;
    uint32_t resident;
    void (*present)(void *context, struct vmsim_folio_access *access);
    uint64_t (*needed_since)(void *context);
    void *context;
};

/* Nobody chooses but the kernel's mechanism, until vmsim__lruvec_policies_choose is called. */
void vmsim__lruvec_policies_init(struct vmsim__lruvec_policies *all, const struct vmsim__lruvec_policies_init *init);
void vmsim__lruvec_policies_fini(struct vmsim__lruvec_policies *all);
/* The policy of a cgroup and of all below it that have none of their own, for what has no instance yet. The root's
 * instances are made at once. 0, or an error with a text; VMSIM_ECONFIG: no such policy, wrong parameters. */
int vmsim__lruvec_policies_choose(struct vmsim__lruvec_policies *all, struct vmsim__memcg *m,
                                  const struct vmsim__policy_choice *choice, struct vmsim__err *err);
/* Is it the name of the machine's own mechanism, which needs no instance? */
bool vmsim__reclaim_is_kernel(const struct vmsim__policy_choice *choice);
/* ... and of that with generations? */
bool vmsim__reclaim_is_generations(const struct vmsim__policy_choice *choice);

/* ---- reclaim asks ---- */

/* What is due of the lruvec at sc->priority, as its policy says. */
void vmsim__lruvec_policy_shrink(struct vmsim__vmscan *v, struct vmsim__scan_control *sc, struct vmsim__lruvec *lruvec);
/* The folio is about to be freed by reclaim; it still knows where it belongs. */
void vmsim__lruvec_policies_evicted(struct vmsim__lruvec_policies *all, vmsim__pfn pfn);
/* Folios whose write is over are freed. `sc` gets what came of it. */
void vmsim__lruvec_policies_finish(struct vmsim__lruvec_policies *all, struct vmsim__scan_control *sc);
/* Pure mode: goes on until there is room for one more. */
void vmsim__lruvec_policy_make_room(struct vmsim__lruvec_policy *p, const struct vmsim_folio_access *incoming,
                                    unsigned cpu);
/* Its contents are being written for reclaim: it is gone for its policy. */
void vmsim__lruvec_policy_leaves(struct vmsim__lruvec_policy *p, vmsim__pfn pfn);

/* ---- references ---- */

/* The first `n` references of a task were done at these physical addresses. `brought`: the first of them had to fault
 * for what came at `since` or later. */
struct vmsim__used {
    const vmsim_access *access;
    const uint64_t *physical;
    size_t n;
    bool brought;
    uint64_t since;
};
/* Host only: a page in this frame, or one whose contents are in this slot (vmsim__swp_slot_word), is referenced soon.
 */
void vmsim__lruvec_policies_expect(const struct vmsim__lruvec_policies *all, uint64_t pfn);
void vmsim__lruvec_policies_expect_slot(const struct vmsim__lruvec_policies *all, uint64_t slot);
void vmsim__lruvec_policies_used(struct vmsim__lruvec_policies *all, const struct vmsim__used *u);

/* Every folio that a policy has against frames, lists and counts: 0 or VMSIM_ECHECK. */
int vmsim__lruvec_policies_check(struct vmsim__lruvec_policies *all, struct vmsim__err *err);

static inline struct vmsim__lruvec_policy *vmsim__policy_of_folio(const struct vmsim__lruvec_policies *all,
                                                                  vmsim__pfn pfn) {
    const uint32_t flags = pfn < all->pool.folios ? all->pool.node[pfn + 1].flags : 0;
    return flags & VMSIM__RECLAIM_THERE ? all->instances.at[flags >> VMSIM__RECLAIM_ID_SHIFT] : NULL;
}

#endif
