/* SPDX-License-Identifier: MIT */
/* Objects of the kernel's own that a cgroup pays for by the byte: inodes, names, nodes of the page cache's trees, heads
 * of buffers.
 *
 *     pages charged = bytes of objects + bytes that CPUs hold ahead + bytes left over       (in pages, of one cgroup)
 *
 * A CPU keeps what is left of the page that it charged for the last object; it serves one cgroup at a time. Objects of
 * a removed cgroup hold it as folios do. Kernel counterpart: obj_cgroup_charge and obj_cgroup_uncharge of
 * mm/memcontrol.c; there the objects of a removed cgroup go over to its parent. */
#ifndef VMSIM__OBJ_CGROUP_H
#define VMSIM__OBJ_CGROUP_H
#include "lru/memcg.h"
#include "zones/kmem_cache.h"

enum vmsim__obj_kind { VMSIM__OBJ_RECLAIMABLE, VMSIM__OBJ_UNRECLAIMABLE };

/* What one object costs: the size in its slab cache, and the pointer that says who pays (struct obj_cgroup *). */
#define VMSIM__OBJ_OWNER 8u
#define VMSIM__OBJ_RADIX_NODE (VMSIM__KMEM_RADIX_NODE_SIZE + VMSIM__OBJ_OWNER)
#define VMSIM__OBJ_DENTRY (VMSIM__KMEM_DENTRY_SIZE + VMSIM__OBJ_OWNER)
#define VMSIM__OBJ_BUFFER_HEAD (VMSIM__KMEM_BUFFER_HEAD_SIZE + VMSIM__OBJ_OWNER)

/* A cgroup (0: nobody) pays for `bytes` more. False: it is refused, or the present waits for reclaim. With NOFAIL
 * instead of reclaim in `gfp` it never is: what cannot wait is charged above the limit, and the next page finds the
 * cgroup full. */
bool vmsim__obj_charge(struct vmsim__lru *lru, uint16_t memcg, uint32_t bytes, enum vmsim__obj_kind kind, uint32_t gfp,
                       unsigned cpu);
void vmsim__obj_uncharge(struct vmsim__lru *lru, uint16_t memcg, uint32_t bytes, enum vmsim__obj_kind kind,
                         unsigned cpu);
/* Of the whole subtree. */
uint64_t vmsim__memcg_object_bytes(const struct vmsim__memcg *m, enum vmsim__obj_kind kind);

/* Bytes of objects found, by cgroup (vmsim__memcg_ids of them), against what is paid for. 0 or VMSIM_ECHECK. */
int vmsim__memcg_check_objects(const struct vmsim__lru *lru, const uint64_t *found, struct vmsim__err *err);

/* ---- for memcg_charge.c and the check ---- */

/* What CPUs hold ahead for cgroups below `root` goes back. */
void vmsim__obj_drain(struct vmsim__lru *lru, const struct vmsim__memcg *root);
/* Do the cgroup's own pages for objects hold what they should? */
bool vmsim__obj_valid(const struct vmsim__lru *lru, const struct vmsim__memcg *m);

#endif
