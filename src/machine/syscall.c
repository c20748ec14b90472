/* SPDX-License-Identifier: MIT */
/* System calls of tasks, as the public interface offers them (the table is in calls.h), and a driver's allocations.
 *
 * Nothing is decided here. Each function puts its arguments into the order of the table's row and has the call made
 * for the task as a described program or a replay would; if it has to wait, the machine runs until it is over, so that
 * who drives the machine call by call sees results only. */
#include <string.h>

#include "machine/calls.h"
#include "machine/compact.h"

/* Arguments that name a file that does not exist: EBADF comes of it, after the entry was paid. */
static struct vmsim__file *file_of(struct vmsim_machine *m, uint32_t file) {
    return file ? vmsim__file_by_id(m->cache, file) : NULL;
}

/* Each of these is one call of the table, made and waited for; a handle of nobody is EINVAL before anything is
 * counted. */
int64_t vmsim_task_mmap(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length, unsigned prot,
                        unsigned flags, uint32_t file, uint64_t offset) {
    if (!m)
        return -VMSIM__L_EINVAL;
    struct vmsim__file *f = file_of(m, file);
    if (file && !f)
        flags &= ~VMSIM__MAP_ANONYMOUS; /* neither: EBADF */
    return vmsim__call_now(m, task, VMSIM__CALL_MMAP,
                           VMSIM__FILE_ARGS(f, NULL, address, length, prot, flags, 0, offset));
}

int64_t vmsim_task_munmap(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_MUNMAP, VMSIM__ARGS(address, length));
}

int64_t vmsim_task_mprotect(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length, unsigned prot) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_MPROTECT, VMSIM__ARGS(address, length, prot));
}

int64_t vmsim_task_mremap(struct vmsim_machine *m, uint32_t task, uint64_t old_address, uint64_t old_length,
                          uint64_t new_length, unsigned flags, uint64_t new_address) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_MREMAP,
                           VMSIM__ARGS(old_address, old_length, new_length, flags, new_address));
}

int64_t vmsim_task_brk(struct vmsim_machine *m, uint32_t task, uint64_t address) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_BRK, VMSIM__ARGS(address));
}

int64_t vmsim_task_madvise(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length, int advice) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_MADVISE, VMSIM__ARGS(address, length, (uint64_t)(int64_t)advice));
}

int64_t vmsim_task_mlock(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length, unsigned flags) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_MLOCK, VMSIM__ARGS(address, length, flags));
}

int64_t vmsim_task_munlock(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_MUNLOCK, VMSIM__ARGS(address, length));
}

int64_t vmsim_task_msync(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length, unsigned flags) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_MSYNC, VMSIM__ARGS(address, length, flags));
}

int64_t vmsim_task_mbind(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length, unsigned mode,
                         uint64_t nodes, unsigned flags) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_MBIND, VMSIM__ARGS(address, length, mode, nodes, flags));
}

int64_t vmsim_task_set_mempolicy(struct vmsim_machine *m, uint32_t task, unsigned mode, uint64_t nodes) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_SET_MEMPOLICY, VMSIM__ARGS(mode, nodes));
}

/* A mask is no result of a call, which is one number: it is asked for after the call, from what cannot have changed
 * since. */
int64_t vmsim_task_get_mempolicy(struct vmsim_machine *m, uint32_t task, uint64_t address, unsigned flags,
                                 uint64_t *nodes) {
    if (!m)
        return -VMSIM__L_EINVAL;
    uint64_t mask = 0;
    int64_t result = vmsim__call_now(m, task, VMSIM__CALL_GET_MEMPOLICY, VMSIM__ARGS(address, flags));
    struct vmsim__task *t = result < 0 ? NULL : vmsim__task_get(m, task);
    if (t) /* the mask as well, which is not the call's to return */
        vmsim__mm_get_mempolicy(t->mm, &t->policy, address, flags & ~VMSIM__MPOL_F_NODE, &mask, t->cpu);
    if (nodes)
        *nodes = mask;
    return result;
}

int64_t vmsim_task_set_home_node(struct vmsim_machine *m, uint32_t task, uint64_t address, uint64_t length,
                                 unsigned node) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_SET_HOME_NODE, VMSIM__ARGS(address, length, node, 0));
}

int64_t vmsim_task_migrate_pages(struct vmsim_machine *m, uint32_t task, uint32_t of, uint64_t from, uint64_t to) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_MIGRATE_PAGES, VMSIM__ARGS(from, to, (uint64_t)of + 1));
}

struct move_pages {
    uint32_t of;
    unsigned flags;
    struct vmsim__move_pages mp;
};
/* The caller's rights, and the other's memory: cpusets bind whose pages are moved. Kernel: kernel_move_pages,
 * find_mm_struct. */
static int64_t move_pages_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    struct move_pages *w = context;
    const struct vmsim__task *of = vmsim__task_at(m, w->of);
    if (!of || !of->mm)
        return -VMSIM__L_ESRCH;
    w->mp.privileged = t->mm->privileged;
    w->mp.mems = of->mems;
    return vmsim__mm_move_pages(of->mm, &w->mp, w->flags, t->cpu);
}

int64_t vmsim_task_move_pages(struct vmsim_machine *m, uint32_t task, uint32_t of, size_t count,
                              const uint64_t *addresses, const int32_t *nodes, int32_t *status, unsigned flags) {
    if (!m)
        return -VMSIM__L_EINVAL;
    if (count && (!addresses || !status))
        return -VMSIM__L_EFAULT;
    struct move_pages w = {of, flags, {count, addresses, nodes, status, false, 0}};
    return vmsim__call_with_now(m, task, move_pages_work, &w);
}

/* Nobody's takes no time: what would be waited for is EBUSY. */
static int64_t plug_now(struct vmsim_machine *m, bool whole_node, uint64_t what, enum vmsim_memory_block_state state) {
    m->running = NULL;
    m->mem->now.call = NULL;
    vmsim__present_nobody(m);
    const int64_t result =
        whole_node ? vmsim__memory_node(m, what, state, false, 0) : vmsim__memory_block(m, what, state, false, 0);
    m->mem->now.wait = (struct vmsim__wait){0};
    vmsim__call_over(&m->mem->now.own);
    return result == -VMSIM__ERESTARTSYS ? -VMSIM__L_EBUSY : result;
}

/* With a task it is the task's write to /sys, which waits where pages have to move away; without, it is done when this
 * returns. */
int64_t vmsim_memory_block_set(struct vmsim_machine *m, uint32_t task, uint64_t block,
                               enum vmsim_memory_block_state state) {
    if (!m)
        return -VMSIM__L_EINVAL;
    if (task != VMSIM_TASK_NONE)
        return vmsim__call_now(m, task, VMSIM__CALL_MEMORY_BLOCK, VMSIM__ARGS(block, (uint64_t)state));
    return plug_now(m, false, block, state);
}

int64_t vmsim_memory_node_set(struct vmsim_machine *m, uint32_t task, unsigned node,
                              enum vmsim_memory_block_state state) {
    if (!m || (unsigned)state > VMSIM_BLOCK_ONLINE_MOVABLE)
        return -VMSIM__L_EINVAL;
    if (task != VMSIM_TASK_NONE)
        return vmsim__call_now(m, task, VMSIM__CALL_MEMORY_NODE, VMSIM__ARGS(node, (uint64_t)state));
    return plug_now(m, true, node, state);
}

/* On the machine's first device, in one piece. */
int vmsim_file_create(struct vmsim_machine *m, enum vmsim_file_kind kind, const char *path, uint64_t size, bool cached,
                      uint32_t *file) {
    return vmsim_file_create_on(m, kind, path, size, cached, NULL, 0, file);
}

/* The file goes again, with what was made of it. */
static int refuse_file(struct vmsim_machine *m, struct vmsim__file *f, int err) {
    vmsim__file_unlink(m->cache, f, 0);
    vmsim__file_put(m->cache, f, 0);
    return err;
}

int vmsim_file_create_hugetlb(struct vmsim_machine *m, const char *path, uint64_t size, uint64_t page_size,
                              uint32_t *file) {
    if (!m || !file)
        return VMSIM_EINVAL;
    const struct vmsim__mem *mem = m->mem;
    unsigned h = page_size ? 0 : mem->default_hstate;
    *file = 0;
    while (page_size && h < mem->nr_hstates && UINT64_C(1) << (mem->hstate[h].order + mem->page_shift) != page_size)
        h++;
    if (!mem->nr_hstates || !m->format->levels)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "this architecture has no huge pages");
    if (h >= mem->nr_hstates || !vmsim__hugetlb_mappable(m->vm, h))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "the machine has no pool of huge pages of %llu bytes",
                              (unsigned long long)page_size);
    const uint64_t bytes = UINT64_C(1) << (mem->hstate[h].order + mem->page_shift);
    if (size > VMSIM__FILE_SIZE_MAX || (size & (bytes - 1)))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "a file of huge pages of %llu bytes has whole ones: %llu bytes",
                              (unsigned long long)bytes, (unsigned long long)size);
    if (path && vmsim__file_find(m->cache, path))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "the file '%s' exists", path);
    const struct vmsim__file *f = vmsim__hugetlb_file(m->vm, h, path, size);
    if (!f)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for a file");
    *file = f->id;
    return 0;
}

/* All that may be refused is refused before the file exists, but for its place on a device: whoever asks for a device
 * that is full has the file taken back. */
int vmsim_file_create_on(struct vmsim_machine *m, enum vmsim_file_kind kind, const char *path, uint64_t size,
                         bool cached, const char *device, uint64_t fragment, uint32_t *file) {
    if (!m || !file)
        return VMSIM_EINVAL;
    if (kind == VMSIM_FILE_HUGETLB && !device && !fragment && !cached)
        return vmsim_file_create_hugetlb(m, path, size, 0, file);
    static const enum vmsim__file_kind kinds[] = {VMSIM__FILE_REGULAR, VMSIM__FILE_SHMEM, VMSIM__FILE_RAMFS,
                                                  VMSIM__FILE_REGULAR, VMSIM__FILE_DIRECTORY};
    *file = 0;
    if ((unsigned)kind >= VMSIM__COUNT(kinds))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "there is no kind of file %d", (int)kind);
    if (size > VMSIM__FILE_SIZE_MAX)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "a file of %llu bytes is too long", (unsigned long long)size);
    if (path && vmsim__file_find(m->cache, path))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "the file '%s' exists", path);
    if ((device || fragment) && kinds[kind] != VMSIM__FILE_REGULAR)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "only a regular file lies on a device");
    struct vmsim__file *f = kind == VMSIM_FILE_DIRECTORY && path
                                ? vmsim__directory(m->cache, path, strlen(path))
                                : vmsim__file_create(m->cache, kinds[kind], path, size);
    if (!f)
        return vmsim__err_set(&m->err, VMSIM_ENOMEM, "no memory for a file");
    f->blockdev = kind == VMSIM_FILE_BLOCKDEV;
    int err = f->kind == VMSIM__FILE_REGULAR ? vmsim__io_place(m, f, device, fragment) : 0;
    if (err)
        return refuse_file(m, f, err);
    *file = f->id;
    if (cached && vmsim__file_preload(m->cache, f, 0))
        return vmsim__host_error(m)
                   ? VMSIM_ENOMEM
                   : vmsim__err_set(&m->err, VMSIM_ELIMIT, "the machine's memory cannot hold the cached file '%s'",
                                    path ? path : "");
    return 0;
}

int vmsim_file_set_inode(struct vmsim_machine *m, uint32_t file, uint64_t inode) {
    struct vmsim__file *f = m ? file_of(m, file) : NULL;
    if (!m)
        return VMSIM_EINVAL;
    if (!f || f->blockdev || (f->kind != VMSIM__FILE_REGULAR && f->kind != VMSIM__FILE_DIRECTORY))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "file %u is no regular file or directory", file);
    if (inode > VMSIM__INO_MAX)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "there is no inode %llu", (unsigned long long)inode);
    f->ino = inode;
    f->found = f->asked = false;
    return 0;
}

/* Readahead by the file's own state: whoever reads in two places at once opens it twice. */
int64_t vmsim_task_read(struct vmsim_machine *m, uint32_t task, uint32_t file, uint64_t offset, uint64_t length) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_READ, VMSIM__FILE_ARGS(file_of(m, file), NULL, offset, length));
}

int64_t vmsim_task_write(struct vmsim_machine *m, uint32_t task, uint32_t file, uint64_t offset, uint64_t length) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_WRITE, VMSIM__FILE_ARGS(file_of(m, file), NULL, offset, length));
}

int64_t vmsim_task_fsync(struct vmsim_machine *m, uint32_t task, uint32_t file) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_FSYNC, VMSIM__FILE_ARGS(file_of(m, file), NULL, 0));
}

int64_t vmsim_task_fadvise(struct vmsim_machine *m, uint32_t task, uint32_t file, uint64_t offset, uint64_t length,
                           int advice) {
    if (!m)
        return -VMSIM__L_EINVAL;
    return vmsim__call_now(m, task, VMSIM__CALL_FADVISE,
                           VMSIM__FILE_ARGS(file_of(m, file), NULL, offset, length, (uint64_t)(int64_t)advice));
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

/* A driver's memory: nobody's charge, no task waits for it, and it stays until vmsim_machine_free_pages. No frame is a
 * result, not an error. */
int vmsim_machine_alloc_pages(struct vmsim_machine *m, unsigned cpu, unsigned order, const char *zone, bool atomic,
                              uint64_t *pfn) {
    if (!m || !pfn)
        return VMSIM_EINVAL;
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

/* Whole pageblocks; 0: more than there are frames. */
static vmsim__pfn contig_frames(const struct vmsim_machine *m, uint64_t bytes) {
    const uint64_t block = UINT64_C(1) << (m->mem->pageblock_order + m->mem->page_shift);
    const uint64_t size = bytes <= UINT64_MAX - block ? vmsim__align_up(bytes, block) >> m->mem->page_shift : 0;
    return size < m->mem->frames.end ? (vmsim__pfn)size : 0;
}

int vmsim_machine_alloc_contig(struct vmsim_machine *m, unsigned cpu, uint64_t bytes, bool cma, uint64_t *pfn) {
    if (!m || !pfn)
        return VMSIM_EINVAL;
    *pfn = UINT64_MAX;
    if (cpu >= m->nr_cpus || !bytes)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "no CPU %u, or a range of 0 bytes", cpu);
    const vmsim__pfn frames = contig_frames(m, bytes);
    const vmsim__pfn got = frames ? vmsim__machine_contig(m, cpu, frames, cma) : VMSIM__PFN_NONE;
    if (got == VMSIM__PFN_NONE)
        return vmsim__host_error(m);
    *pfn = got;
    return 0;
}

/* A frame that is the caller's alone, of no block larger than itself. */
static bool is_drivers(struct vmsim_machine *m, uint64_t pfn) {
    const struct vmsim__frame *f =
        vmsim__mem_zone_of(m->mem, (vmsim__pfn)pfn) ? vmsim__mem_frame(m->mem, (vmsim__pfn)pfn) : NULL;
    const uint32_t others = VMSIM__FRAME_TABLE | VMSIM__FRAME_TAIL | VMSIM__FRAME_HEAD | VMSIM__FRAME_LRU |
                            VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP | VMSIM__FRAME_RESERVED;
    return f && f->refcount == 1 && !f->mapping && !(f->flags & others) && !vmsim__block_order(f);
}

int vmsim_machine_free_contig(struct vmsim_machine *m, unsigned cpu, uint64_t pfn, uint64_t bytes) {
    if (!m)
        return VMSIM_EINVAL;
    const uint64_t frames = contig_frames(m, bytes), block = UINT64_C(1) << m->mem->pageblock_order;
    bool ok = cpu < m->nr_cpus && frames && !(pfn & (block - 1)) && pfn < m->mem->frames.end &&
              frames <= m->mem->frames.end - pfn;
    for (uint64_t i = 0; ok && i < frames; i++)
        ok = is_drivers(m, pfn + i);
    if (!ok)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "frames from %llu on are no range of %llu bytes, or no CPU %u",
                              (unsigned long long)pfn, (unsigned long long)bytes, cpu);
    for (uint64_t i = 0; i < frames; i++) {
        vmsim__mem_frame(m->mem, (vmsim__pfn)(pfn + i))->refcount = 0;
        vmsim__mem_free(m->mem, (vmsim__pfn)(pfn + i), 0, cpu);
    }
    return 0;
}

/* Numbers come from the caller, so each is doubted: a frame in use by the machine itself must not be freed by guess. */
int vmsim_machine_free_pages(struct vmsim_machine *m, unsigned cpu, uint64_t pfn, unsigned order) {
    if (!m)
        return VMSIM_EINVAL;
    if (cpu >= m->nr_cpus || pfn >= m->mem->frames.end || !vmsim__mem_zone_of(m->mem, (vmsim__pfn)pfn))
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "no frame %llu or no CPU %u", (unsigned long long)pfn, cpu);
    struct vmsim__frame *f = vmsim__mem_frame(m->mem, (vmsim__pfn)pfn);
    if (!f || f->refcount != 1 || f->mapping || f->flags & (VMSIM__FRAME_TABLE | VMSIM__FRAME_TAIL) ||
        (vmsim__frame_is(f, VMSIM__FRAME_HEAD) ? vmsim__folio_order(f) : vmsim__block_order(f)) != order)
        return vmsim__err_set(&m->err, VMSIM_EINVAL, "frame %llu does not begin an allocated block of order %u",
                              (unsigned long long)pfn, order);
    f->refcount = 0;
    vmsim__mem_free(m->mem, (vmsim__pfn)pfn, order, cpu);
    return 0;
}
