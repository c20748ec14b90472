/* SPDX-License-Identifier: MIT */
/* Reclaim policies in the machine: who chooses for which cgroup, what a policy is told of the present, and the
 * references of programs for those that want all of them.
 *
 * The TLB's loop gives out physical addresses only where somebody asks, so that whoever does not pays nothing. */
#include "machine/sched.h"

/* Nobody runs while an event happens: then a policy is told nothing of a task. */
static void present(void *context, struct vmsim_folio_access *access) {
    const struct vmsim_machine *m = context;
    const struct vmsim__task *t = m->running;
    if (!t)
        return;
    access->task = t->id;
    access->cgroup = t->memcg;
    access->fault = t->fault.pending;
    access->type = !t->fault.pending ? VMSIM_LOAD
                   : t->fault.fetch  ? VMSIM_FETCH
                   : t->fault.write  ? VMSIM_STORE
                                     : VMSIM_LOAD;
}

/* Of all tasks whose reference at hand, or whose call's own fault, is not over, and of areas that a swapoff empties:
 * since it got on. */
static uint64_t needed_since(void *context) {
    const struct vmsim_machine *m = context;
    uint64_t since = VMSIM__TIME_NEVER;
    for (size_t i = 0; i < m->tasks.count; i++) {
        const struct vmsim__task *t = m->tasks.at[i];
        if (t->state != VMSIM__TASK_DEAD && (t->fault.pending || t->fault.resolved))
            since = vmsim__min64(since, t->fault.first);
        if (t->state != VMSIM__TASK_DEAD && t->call.fault_since) /* of a call that populates, or copies */
            since = vmsim__min64(since, t->call.fault_since);
    }
    for (uint8_t i = 0; m->swap && i < m->swap->areas; i++) {
        const struct vmsim__swap_area *a = m->swap->area[i];
        if (a && a->off)
            since = vmsim__min64(since, a->unuse.since);
    }
    return since;
}

/* The root's choice holds for cgroups that make none. */
int vmsim__reclaim_policies_init(struct vmsim_machine *m) {
    const struct vmsim__policy_choice *choice = &m->spec.reclaim;
    VMSIM__ASSERT(m->lru && m->policies && m->vmscan.lru);
    if (m->spec.resident_folios && vmsim__reclaim_is_kernel(choice))
        return vmsim__err_set(&m->err, VMSIM_ECONFIG,
                              "machine.resident_folios is for a policy that lets a page go for each that comes, and "
                              "none is chosen: say `policies: {reclaim: lru}`, or another");
    vmsim__lruvec_policies_init(&m->reclaim,
                                &(struct vmsim__lruvec_policies_init){.vmscan = &m->vmscan,
                                                                      .registry = m->policies,
                                                                      .alloc = m->alloc,
                                                                      .seed = m->spec.seed,
                                                                      .resident = (uint32_t)m->spec.resident_folios,
                                                                      .present = present,
                                                                      .needed_since = needed_since,
                                                                      .context = m});
    m->reclaim.future = m->spec.future;
    return vmsim__lruvec_policies_choose(&m->reclaim, vmsim__memcg_root(m->lru), choice, &m->err);
}

/* Policies may ask the machine until their end. */
void vmsim__reclaim_policies_fini(struct vmsim_machine *m) {
    vmsim__lruvec_policies_fini(&m->reclaim);
    if (m->used)
        vmsim__free(m->alloc, m->used, VMSIM__USED_MAX * sizeof *m->used);
    m->used = NULL;
}

/* Before the run: a cgroup's folios belong to the policy that saw them come. */
int vmsim__cgroup_choose_reclaim(struct vmsim_machine *m, const char *path, const struct vmsim__policy_choice *choice) {
    const uint32_t number = vmsim__cgroup_find(m, path);
    if (number == VMSIM__NO_CGROUP)
        return vmsim__err_set(&m->err, VMSIM_ENOENT, "there is no cgroup '%s'", path);
    if (vmsim__reclaim_is_generations(choice) && !m->lru->gen_enabled)
        return vmsim__err_set(&m->err, VMSIM_ECONFIG,
                              "cgroup '%s': generations are the whole machine's or nobody's: say `policies: {reclaim: "
                              "linux-mglru}`, or `machine.sysctl.lru_gen/enabled: y`",
                              path);
    return vmsim__lruvec_policies_choose(&m->reclaim, m->cgroups.at[number]->memcg, choice, &m->err);
}

/* Room for the physical addresses of a batch, made when the first policy asks for them. */
uint64_t *vmsim__reclaim_wants_used(struct vmsim_machine *m) {
    if (!m->used)
        m->used = vmsim__malloc(m->alloc, VMSIM__USED_MAX * sizeof *m->used);
    m->host_nomem |= !m->used;
    return m->used;
}
