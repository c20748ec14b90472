/* SPDX-License-Identifier: MIT */
/* Names and inodes of files on disks: what a cgroup pays for when it uses a file first.
 *
 *     /usr/lib/libc.so  -->  inode + dentry of the file       VMSIM__FILE_REGULAR
 *                            inode + dentry of /usr/lib, /usr  VMSIM__FILE_DIRECTORY, by the path "/usr/lib/."
 *
 * A directory is a file without pages in the cache's table. What is in memory stays there until the file goes: every
 * file of a workload counts as in use, and an inode in use is nothing that a shrinker takes. The root is in memory from
 * boot on. Kernel counterparts: fs/dcache.c, fs/inode.c, ext4_alloc_inode. */
#include <string.h>

#include "cache/cache_impl.h"

uint32_t vmsim__dcache_bytes(const struct vmsim__cache *c) {
    return c->kernel->ext4_inode + VMSIM__OBJ_OWNER + VMSIM__OBJ_DENTRY;
}

static void pay(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu) {
    VMSIM__ASSERT(!f->in_core && !f->payer);
    f->in_core = true;
    f->payer = c->mem->now.memcg;
    vmsim__kmem_alloc(c->mem, VMSIM__KMEM_INODE, cpu);
    vmsim__kmem_alloc(c->mem, VMSIM__KMEM_DENTRY, cpu);
    vmsim__obj_charge(c->lru, f->payer, vmsim__dcache_bytes(c), VMSIM__OBJ_RECLAIMABLE, VMSIM__GFP_NOFAIL, cpu);
}

struct vmsim__file *vmsim__directory(struct vmsim__cache *c, const char *path, size_t length) {
    char *name = vmsim__malloc(c->alloc, length + sizeof "/.");
    if (!name) {
        c->error = VMSIM_ENOMEM;
        return NULL;
    }
    memcpy(name, path, length);
    memcpy(name + length, "/.", sizeof "/.");
    struct vmsim__file *d = vmsim__file_find(c, name);
    if (!d)
        d = vmsim__file_create(c, VMSIM__FILE_DIRECTORY, name, 0);
    vmsim__free(c->alloc, name, length + sizeof "/.");
    return d && d->kind == VMSIM__FILE_DIRECTORY ? d : NULL;
}

void vmsim__dcache_bring(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu) {
    pay(c, f, cpu);
    for (const char *slash = strrchr(f->path, '/'); slash && slash > f->path;) {
        const size_t length = (size_t)(slash - f->path);
        struct vmsim__file *d = vmsim__directory(c, f->path, length);
        if (!d || d->in_core) /* those above it are, too */
            return;
        pay(c, d, cpu);
        for (slash--; slash > f->path && *slash != '/';)
            slash--;
    }
}

void vmsim__dcache_leave(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu) {
    VMSIM__ASSERT(f->in_core || !f->payer);
    if (f->in_core) {
        vmsim__kmem_free(c->mem, VMSIM__KMEM_DENTRY, cpu);
        vmsim__kmem_free(c->mem, VMSIM__KMEM_INODE, cpu);
        vmsim__obj_uncharge(c->lru, f->payer, vmsim__dcache_bytes(c), VMSIM__OBJ_RECLAIMABLE, cpu);
    }
    f->in_core = false;
    f->payer = 0;
}
