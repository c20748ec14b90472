/* SPDX-License-Identifier: MIT */
/* System calls of tasks, as the public interface offers them: each enters the kernel, does its work below, charges the
 * time. */
#include <string.h>

#include "machine/machine.h"

#define ESRCH_RESULT (-3)

static struct vmsim__task *enter(struct vmsim_machine *m, uint32_t task) {
    struct vmsim__task *t = vmsim__task_get(m, task);
    if (t)
        vmsim__syscall_enter(m, t);
    return t;
}

/* Linux charges a call that fails, too, for what it did until then. ENOMEM may be the host's: then the machine has an
 * error from here on. */
static int64_t leave(struct vmsim_machine *m, struct vmsim__task *t, int64_t result) {
    VMSIM__ASSERT(t->state == VMSIM__TASK_RUNNABLE);
    vmsim__cpu_charge(m, t);
    if (result < 0)
        vmsim__host_error(m);
    return result;
}

int64_t vmsim_task_mmap(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length, unsigned prot,
                        unsigned flags, uint32_t file, uint64_t offset) {
    struct vmsim__task *t = enter(m, task);
    if (!t)
        return ESRCH_RESULT;
    struct vmsim__file *f = file ? vmsim__file_by_id(m->cache, file) : NULL;
    if (file && !f)
        return leave(m, t, -VMSIM__L_EBADF);
    return leave(m, t, vmsim__mm_mmap(t->mm, address, length, prot, flags, f, offset, t->cpu));
}

int64_t vmsim_task_munmap(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length) {
    struct vmsim__task *t = enter(m, task);
    return t ? leave(m, t, vmsim__mm_munmap(t->mm, address, length, t->cpu)) : ESRCH_RESULT;
}

int64_t vmsim_task_mprotect(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length, unsigned prot) {
    struct vmsim__task *t = enter(m, task);
    return t ? leave(m, t, vmsim__mm_mprotect(t->mm, address, length, prot, t->cpu)) : ESRCH_RESULT;
}

int64_t vmsim_task_mremap(struct vmsim_machine *m, uint32_t task, uint64_t old_address, uint64_t old_length,
                          uint64_t new_length, unsigned flags, uint64_t new_address) {
    struct vmsim__task *t = enter(m, task);
    return t ? leave(m, t, vmsim__mm_mremap(t->mm, old_address, old_length, new_length, flags, new_address, t->cpu))
             : ESRCH_RESULT;
}

int64_t vmsim_task_brk(struct vmsim_machine *m, uint32_t task, uint64_t address) {
    struct vmsim__task *t = enter(m, task);
    return t ? leave(m, t, vmsim__mm_brk(t->mm, address, t->cpu)) : ESRCH_RESULT;
}

int64_t vmsim_task_madvise(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length, int advice) {
    struct vmsim__task *t = enter(m, task);
    return t ? leave(m, t, vmsim__mm_madvise(t->mm, address, length, advice, t->cpu)) : ESRCH_RESULT;
}

int64_t vmsim_task_mlock(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length, unsigned flags) {
    struct vmsim__task *t = enter(m, task);
    return t ? leave(m, t, vmsim__mm_mlock(t->mm, address, length, flags, t->cpu)) : ESRCH_RESULT;
}

int64_t vmsim_task_munlock(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length) {
    struct vmsim__task *t = enter(m, task);
    return t ? leave(m, t, vmsim__mm_munlock(t->mm, address, length, t->cpu)) : ESRCH_RESULT;
}

int vmsim_file_create(struct vmsim_machine *m, enum vmsim_file_kind kind, const char *path, uint64_t size, bool cached,
                      uint32_t *file) {
    static const enum vmsim__file_kind kinds[] = {VMSIM__FILE_REGULAR, VMSIM__FILE_SHMEM, VMSIM__FILE_RAMFS,
                                                  VMSIM__FILE_REGULAR};
    *file = 0;
    if ((unsigned)kind >= VMSIM__COUNT(kinds))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "there is no kind of file %d", (int)kind);
    if (size > VMSIM__FILE_SIZE_MAX)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "a file of %llu bytes is too long", (unsigned long long)size);
    if (path && vmsim__file_find(m->cache, path))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "the file '%s' exists", path);
    struct vmsim__file *f = vmsim__file_create(m->cache, kinds[kind], path, size);
    if (!f)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for a file");
    *file = f->id;
    f->blockdev = kind == VMSIM_FILE_BLOCKDEV;
    if (cached && vmsim__file_preload(m->cache, f, 0))
        return vmsim__host_error(m)
                   ? VMSIM_ENOMEM
                   : vmsim__err_set(&m->err, VMSIM_ELIMIT, "the machine's memory cannot hold the cached file '%s'",
                                    path ? path : "");
    return 0;
}

int64_t vmsim_task_read(struct vmsim_machine *m, uint32_t task, uint32_t file, uint64_t offset, uint64_t length) {
    struct vmsim__task *t = enter(m, task);
    if (!t)
        return ESRCH_RESULT;
    struct vmsim__file *f = vmsim__file_by_id(m->cache, file);
    if (!f)
        return leave(m, t, -VMSIM__L_EBADF);
    return leave(m, t, vmsim__file_read(m->cache, f, NULL, offset, length, t->cpu));
}

int64_t vmsim_task_write(struct vmsim_machine *m, uint32_t task, uint32_t file, uint64_t offset, uint64_t length) {
    struct vmsim__task *t = enter(m, task);
    if (!t)
        return ESRCH_RESULT;
    struct vmsim__file *f = vmsim__file_by_id(m->cache, file);
    return leave(m, t, f ? vmsim__file_write(m->cache, f, offset, length, t->cpu) : -VMSIM__L_EBADF);
}

int64_t vmsim_task_fsync(struct vmsim_machine *m, uint32_t task, uint32_t file) {
    struct vmsim__task *t = enter(m, task);
    if (!t)
        return ESRCH_RESULT;
    struct vmsim__file *f = vmsim__file_by_id(m->cache, file);
    if (f)
        vmsim__file_sync(m->cache, f, 0, UINT64_MAX, t->cpu);
    return leave(m, t, f ? 0 : -VMSIM__L_EBADF);
}

/* GFP flags of a kernel or driver allocation; false: no such zone. */
static bool driver_gfp(const char *zone, bool atomic, uint32_t *gfp) {
    static const struct {
        const char *name;
        uint32_t gfp;
    } zones[] = {
        {"any", 0},
        {"dma", VMSIM__GFP_DMA},
        {"dma32", VMSIM__GFP_DMA32},
        {"movable", VMSIM__GFP_HIGHMEM | VMSIM__GFP_MOVABLE_BIT},
    };
    for (size_t i = 0; i < VMSIM__COUNT(zones); i++) {
        if (!strcmp(zones[i].name, zone)) {
            *gfp = zones[i].gfp | (atomic ? VMSIM__GFP_ATOMIC : VMSIM__GFP_KERNEL) | VMSIM__GFP_COMP;
            return true;
        }
    }
    return false;
}

int vmsim_machine_alloc_pages(struct vmsim_machine *m, unsigned cpu, unsigned order, const char *zone, bool atomic,
                              uint64_t *pfn) {
    struct vmsim__alloc_request rq = {.order = (uint8_t)order, .cpu = (uint16_t)cpu};
    *pfn = UINT64_MAX;
    if (cpu >= m->nr_cpus)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "there is no CPU %u: the machine has %u", cpu, m->nr_cpus);
    if (!driver_gfp(zone ? zone : "any", atomic, &rq.gfp))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "unknown zone '%s': any, dma, dma32 or movable", zone);
    if (order > m->mem->top_order)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "order %u is above the largest block, order %u", order,
                              m->mem->top_order);
    rq.node = m->mem->cpu_node[cpu];
    vmsim__pfn got = vmsim__mem_alloc(m->mem, &rq);
    if (got == VMSIM__PFN_NONE)
        return vmsim__host_error(m);
    *pfn = got;
    return 0;
}

int vmsim_machine_free_pages(struct vmsim_machine *m, unsigned cpu, uint64_t pfn, unsigned order) {
    if (cpu >= m->nr_cpus || pfn >= m->mem->frames.end || !vmsim__mem_zone_of(m->mem, (vmsim__pfn)pfn))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "no frame %llu or no CPU %u", (unsigned long long)pfn, cpu);
    struct vmsim__frame *f = vmsim__mem_frame(m->mem, (vmsim__pfn)pfn);
    if (!f || f->refcount != 1 || vmsim__frame_order(f) != order || f->mapping || f->flags & VMSIM__FRAME_TABLE)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "frame %llu does not begin an allocated block of order %u",
                              (unsigned long long)pfn, order);
    f->refcount = 0;
    vmsim__mem_free(m->mem, (vmsim__pfn)pfn, order, cpu);
    return 0;
}
