/* SPDX-License-Identifier: MIT */
/* Which memory gets huge pages, and when: the domain of its policies, and the questions to one of them with its answers
 * checked. What Linux would do is the asker's. */
#ifndef VMSIM__THP_POLICIES_H
#define VMSIM__THP_POLICIES_H
#include "base/policy_registry.h"
#include "vm/vm_impl.h"

extern const struct vmsim__policy_domain vmsim__thp_domain;

struct vmsim__thp_choice {
    const struct vmsim_thp_policy *policy;
    struct vmsim__policy_instance instance;
};

int vmsim__thp_choice_create(struct vmsim__thp_choice *p, struct vmsim__policy_registry *policies,
                             const struct vmsim__policy_choice *choice, uint64_t seed, struct vmsim__err *err);
void vmsim__thp_choice_destroy(struct vmsim__thp_choice *p);

/* Is somebody else to be asked than Linux? */
static inline bool vmsim__thp_asks(const struct vmsim__vm *vm) {
    return vm->thp_policy != NULL;
}
/* The question of a fault in an empty range that could be a huge page; `linux_verdict`: what Linux does. */
enum vmsim_thp_size vmsim__thp_ask_fault(const struct vmsim__vma *v, uint64_t start, bool write, bool linux_verdict,
                                         unsigned cpu);
/* The question of khugepaged about a range; `range` has its counts and Linux's verdict. */
enum vmsim_thp_action vmsim__thp_ask_range(const struct vmsim__vma *v, uint64_t start, struct vmsim_thp_range range);

/* ---- thp_reserve.c ---- */
/* A fault in a range that has, or is to get (`begin`), a block in reserve: its page comes from there. *done false:
 * there is no such block. */
enum vmsim__fault_outcome vmsim__thp_reserve_fault(struct vmsim__fault_at *at, bool begin, bool *done);

#endif
