/* SPDX-License-Identifier: MIT */
/* The domains of policies that a machine has, in the order of enum vmsim_policy_domain: one line each. What a domain is
 * stands in its row, in the folder that asks its policies. */
#include "cache/readahead_policies.h"
#include "compact/compaction_policies.h"
#include "machine/machine.h"
#include "numa/balancing.h"
#include "oom/oom.h"
#include "reclaim/reclaim.h"
#include "swap/swap_policies.h"
#include "tlb/tlb.h"
#include "vm/thp_policies.h"
#include "vmsim/vmsim.h"

const struct vmsim__policy_domain *const vmsim__policy_domains[VMSIM_POLICY_DOMAINS + 1] = {
    &vmsim__tlb_replacement_domain,
    &vmsim__tlb_prefetch_domain,
    &vmsim__reclaim_domain,
    &vmsim__readahead_domain,
    &vmsim__oom_domain,
    &vmsim__swap_domain,
    &vmsim__compaction_domain,
    &vmsim__numa_domain,
    &vmsim__tiering_domain,
    &vmsim__thp_domain,
    NULL,
};

/* Without a machine, for who lists what there is to choose. */
const struct vmsim_policy_domain_info *vmsim_policy_domain_at(size_t index) {
    return index < VMSIM_POLICY_DOMAINS ? &vmsim__policy_domains[index]->info : NULL;
}

const struct vmsim_policy *vmsim_machine_policy(const struct vmsim_machine *m, size_t index, const char **origin) {
    if (!m)
        return NULL;
    return vmsim__policy_at(m->policies, index, origin);
}

/* Plugins come last, so that a name of theirs that is taken already is told as theirs. */
int vmsim__machine_create_policies(struct vmsim_machine *m) {
    m->policies = vmsim__policy_registry_create(m->alloc);
    if (!m->policies)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for the policies");
    int err = 0;
    for (unsigned i = 0; !err && i < VMSIM_POLICY_DOMAINS; i++) {
        VMSIM__ASSERT(vmsim__policy_domains[i]->id == i);
        err = vmsim__policy_domain_add(m->policies, vmsim__policy_domains[i], &m->err);
    }
    for (size_t i = 0; !err && i < m->spec.linked_count; i++)
        err = vmsim__policy_add(m->policies, m->spec.linked[i], "linked-in", &m->err);
    const char *const *plugins = m->spec.plugins.data;
    for (size_t i = 0; !err && i < m->spec.plugins.count; i++)
        err = vmsim__policy_load(m->policies, plugins[i], &m->err);
    return err;
}
