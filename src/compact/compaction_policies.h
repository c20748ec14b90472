/* SPDX-License-Identifier: MIT */
/* When memory is compacted, and how hard: the domain of its policies, and the question to one of them with its answer
 * checked. Who asks, and what Linux would do, is the asker's. */
#ifndef VMSIM__COMPACTION_POLICIES_H
#define VMSIM__COMPACTION_POLICIES_H
#include "base/policy_registry.h"
#include "compact/compaction.h"

extern const struct vmsim__policy_domain vmsim__compaction_domain;

struct vmsim__compaction_choice {
    const struct vmsim_compaction_policy *policy;
    struct vmsim__policy_instance instance;
};

int vmsim__compaction_choice_create(struct vmsim__compaction_choice *p, struct vmsim__policy_registry *policies,
                                    const struct vmsim__policy_choice *choice, uint64_t seed, struct vmsim__err *err);
void vmsim__compaction_choice_destroy(struct vmsim__compaction_choice *p);

/* The question about a zone; `linux` is what Linux would do. */
enum vmsim_compaction_verdict vmsim__compaction_decide(struct vmsim__compaction_choice *p,
                                                       const struct vmsim__compaction *c, const struct vmsim__zone *z,
                                                       struct vmsim_compaction_request request);

extern const struct vmsim_compaction_policy vmsim__compaction_linux, vmsim__compaction_none, vmsim__compaction_eager;

#endif
