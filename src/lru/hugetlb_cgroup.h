/* SPDX-License-Identifier: MIT */
/* Limits of cgroups on hugetlb pages: the hugetlb controller.
 *
 *     use      charged                                               who pays
 *     FAULT    when a page is taken from its pool                    first tail's memcg, until the page is back there
 *     RSVD     when mmap promises pages (shared: those that the      the map of promises, until the mapping or the part
 *              file has no promise of yet)                           of the file goes
 *              or at the fault, for a page without a promise         second tail's memcg
 *
 * Both are page counters of their own beside those of memory, one pair a size, in base pages; nothing is reclaimed for
 * them: a mapping is refused (ENOMEM), a fault dies (SIGBUS). Kernel counterpart: mm/hugetlb_cgroup.c. */
#ifndef VMSIM__HUGETLB_CGROUP_H
#define VMSIM__HUGETLB_CGROUP_H
#include "lru/memcg.h"

/* False: a limit refuses, which the cgroup and those above count. The root has no limits and counts nothing. */
bool vmsim__hugetlb_charge(struct vmsim__lru *lru, uint16_t memcg, unsigned hstate, enum vmsim__hugetlb_use use,
                           uint64_t pages);
void vmsim__hugetlb_uncharge(struct vmsim__lru *lru, uint16_t memcg, unsigned hstate, enum vmsim__hugetlb_use use,
                             uint64_t pages);
/* A page that was taken for the cgroup; `rsvd`: without a promise. And the page goes back. */
void vmsim__hugetlb_commit(struct vmsim__lru *lru, vmsim__pfn pfn, uint16_t memcg, bool rsvd);
void vmsim__hugetlb_page_uncharge(struct vmsim__lru *lru, vmsim__pfn pfn, unsigned hstate);
/* Does anything of the pools hold a cgroup that was removed? */
bool vmsim__hugetlb_holds(const struct vmsim__memcg *m);
/* -EBUSY: more is in use. Kernel: hugetlb_cgroup_write. */
int vmsim__hugetlb_limit(struct vmsim__memcg *m, unsigned hstate, enum vmsim__hugetlb_use use, uint64_t pages);

#endif
