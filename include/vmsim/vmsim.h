/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_VMSIM_H
#define VMSIM_VMSIM_H
/**
 * @file vmsim.h
 * @brief Machines: make one, drive it with accesses and system calls, read everything back.
 *
 *     vmsim_config_create(&config);
 *     vmsim_config_set(config, "machine.preset=skylake-sp");
 *     if (vmsim_config_resolve(config) || vmsim_machine_create(config, &machine)) ...
 *     vmsim_task_create(machine, "demo", 0, &task);
 *     int64_t base = vmsim_task_mmap(machine, task, 0, 1 << 20, 3, 0x22, 0, 0);
 *     vmsim_access a = vmsim_access_make((uint64_t)base, 8, VMSIM_STORE);
 *     vmsim_task_access(machine, task, &a, 1, NULL, &result);
 *
 * A machine shares nothing with another: two threads may each drive one. One machine is driven by one thread at a time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmsim/access.h"
#include "vmsim/allocator.h"
#include "vmsim/error.h"
#include "vmsim/version.h"

VMSIM_BEGIN_DECLS

/** A whole machine: CPUs, memory, the memory manager, tasks. Opaque. */
struct vmsim_machine;
struct vmsim_config;

/** Number that names no task. */
#define VMSIM_TASK_NONE UINT32_MAX

/** Makes the machine that `config` describes (its `machine:` part). The configuration may be destroyed afterwards.
 *  On failure *out is NULL and the texts are among the configuration's errors (vmsim_config_error_text). @return 0 or a
 * negative ::vmsim_err. */
int vmsim_machine_create(struct vmsim_config *config, struct vmsim_machine **out);
/** As vmsim_machine_create(), with the caller's own source of host memory for everything the machine allocates.
 *  `allocator` is copied; what it points to must outlive the machine. */
int vmsim_machine_create_with(struct vmsim_config *config, const struct vmsim_allocator *allocator,
                              struct vmsim_machine **out);
/** Frees the machine and all it owns. NULL is allowed. @return the number of host allocations that leaked (0). */
size_t vmsim_machine_destroy(struct vmsim_machine *machine);
/** Text of the machine's last error, or "". Valid until the next call on the machine. */
const char *vmsim_machine_error(const struct vmsim_machine *machine);

/** Why a batch of accesses stopped. */
enum vmsim_stop {
    VMSIM_STOP_NONE = 0, /**< it did not: all were done */
    VMSIM_STOP_SIGSEGV,  /**< no mapping, or not with that permission: the task is dead now */
    VMSIM_STOP_SIGBUS,   /**< beyond the end of a file, or no memory behind it: the task is dead now */
    VMSIM_STOP_OOM,      /**< no frame could be had: the task was killed */
    VMSIM_STOP_DEAD      /**< the task had exited before */
};

/** What a batch came to. */
struct vmsim_access_result {
    size_t done;          /**< references completed */
    enum vmsim_stop stop; /**< why it ended early */
    uint64_t address;     /**< faulting address when it did */
    uint32_t fault_code;  /**< what the CPU reported: x86 error code, arm64 fault status, RISC-V cause */
    uint64_t ns;          /**< virtual time the batch took */
};

/** Makes a task with an empty address space on `cpu`. @return 0, VMSIM_EINVAL, VMSIM_ENOMEM, or VMSIM_ELIMIT when the
 *  machine has no free frame for its page table. */
int vmsim_task_create(struct vmsim_machine *machine, const char *name, unsigned cpu, uint32_t *task);
/** fork(): a copy-on-write child. @return 0 and *child; VMSIM_OK with *child == VMSIM_TASK_NONE when the machine had no
 * memory (ENOMEM); VMSIM_ENOSYS on a machine without an MMU. */
int vmsim_task_fork(struct vmsim_machine *machine, uint32_t parent, const char *name, uint32_t *child);
/** clone(): a task that shares the parent's address space, on the parent's CPU until vmsim_task_migrate() moves it.
 *  @param name   NULL: the parent's.
 *  @param thread true: a thread of the parent's group (CLONE_THREAD), which goes with the group; false: a process of
 * its own, as of vfork().
 *  @param child  receives its number, VMSIM_TASK_NONE on failure.
 *  @return 0, VMSIM_EINVAL (no such task), VMSIM_ESTATE (it waits, or is a scenario's that has not begun) or
 *  VMSIM_ENOMEM (of the host). */
int vmsim_task_clone(struct vmsim_machine *machine, uint32_t parent, const char *name, bool thread, uint32_t *child);
/** Ends a task; its address space goes when nobody else shares it. @return 0, VMSIM_EINVAL (no such task) or
 *  VMSIM_ENOMEM. */
int vmsim_task_exit(struct vmsim_machine *machine, uint32_t task);
/** Moves a task to another CPU. @return 0, or VMSIM_EINVAL: no such task or CPU, or its cpuset does not allow it. */
int vmsim_task_migrate(struct vmsim_machine *machine, uint32_t task, unsigned cpu);

/** Performs `count` references in order. `physical` (may be NULL) receives the physical address of each completed one.
 *  @return 0 with *result filled (a dead task is a result, not an error), or a negative ::vmsim_err. */
int vmsim_task_access(struct vmsim_machine *machine, uint32_t task, const vmsim_access *accesses, size_t count,
                      uint64_t *physical, struct vmsim_access_result *result);

/** System calls, with Linux's arguments and results (a value, or a negative Linux errno).
 *  `file` is a file number of vmsim_file_create(), 0 for anonymous memory. A task that does not exist gives -3 (ESRCH).
 *  A call that has to wait, for a device say, returns when it is over: the machine goes on until then, with all that is
 *  due on other CPUs. What it waits for may never come (a device that never answers): the result is then -5 (EIO), and
 *  vmsim_machine_error() says what that is. vmsim_task_access() and vmsim_task_fork() return VMSIM_ESTATE in its place.
 *  When the *host* has no memory the result is -12 (ENOMEM), vmsim_machine_error() says so, and every later
 *  vmsim_task_access(), also one of no references, returns VMSIM_ENOMEM. */
int64_t vmsim_task_mmap(struct vmsim_machine *machine, uint32_t task, uint64_t address, uint64_t length, unsigned prot,
                        unsigned flags, uint32_t file, uint64_t offset);
/** munmap(2). */
int64_t vmsim_task_munmap(struct vmsim_machine *machine, uint32_t task, uint64_t address, uint64_t length);
/** mprotect(2). */
int64_t vmsim_task_mprotect(struct vmsim_machine *machine, uint32_t task, uint64_t address, uint64_t length,
                            unsigned prot);
/** mremap(2). */
int64_t vmsim_task_mremap(struct vmsim_machine *machine, uint32_t task, uint64_t old_address, uint64_t old_length,
                          uint64_t new_length, unsigned flags, uint64_t new_address);
/** brk(2): the new break, or the old one when it could not move. */
int64_t vmsim_task_brk(struct vmsim_machine *machine, uint32_t task, uint64_t address);
/** madvise(2). */
int64_t vmsim_task_madvise(struct vmsim_machine *machine, uint32_t task, uint64_t address, uint64_t length, int advice);
/** mlock2(2) with its flags (0 or MLOCK_ONFAULT). */
int64_t vmsim_task_mlock(struct vmsim_machine *machine, uint32_t task, uint64_t address, uint64_t length,
                         unsigned flags);
/** munlock(2). */
int64_t vmsim_task_munlock(struct vmsim_machine *machine, uint32_t task, uint64_t address, uint64_t length);

/** msync(2). @param flags 1 MS_ASYNC, 2 MS_INVALIDATE, 4 MS_SYNC: what is dirty there is written, and waited for.
 *  @return 0 or a negative Linux errno (-EINVAL, -ENOMEM: a part is not mapped, -EBUSY, -EIO). */
int64_t vmsim_task_msync(struct vmsim_machine *machine, uint32_t task, uint64_t address, uint64_t length,
                         unsigned flags);

/** A part of a program's file, as a program header (PT_LOAD) has it. All in bytes. */
struct vmsim_exec_segment {
    uint64_t address;      /**< where it begins, in the file's own addresses */
    uint64_t offset;       /**< in the file; the same place within a page as `address` */
    uint64_t file_bytes;   /**< mapped of the file */
    uint64_t memory_bytes; /**< in all, at least `file_bytes`: what is more is zeroed memory (bss) */
    unsigned prot;         /**< 1 read, 2 write, 4 execute */
};
/** A program or its interpreter. */
struct vmsim_exec_object {
    uint32_t file; /**< of vmsim_file_create(); 0: none */
    bool fixed;    /**< addresses are meant (ET_EXEC); else it goes where the kernel puts it */
    const struct vmsim_exec_segment *segments; /**< by ascending address, not overlapping; the caller's */
    size_t count;                              /**< of them, 1 to 64 */
};
/** What a task is to become. */
struct vmsim_exec {
    size_t size;                          /**< sizeof(struct vmsim_exec) */
    struct vmsim_exec_object program;     /**< what is executed */
    struct vmsim_exec_object interpreter; /**< the dynamic loader; file 0: a static program */
    uint64_t argument_bytes;              /**< of the strings of arguments and environment, with their NULs */
    uint32_t argument_count;              /**< of these strings; with a pointer each, 6 MiB together at most */
};
/** execve(2): the address space of `image` in place of the task's, whose other threads end. Argument pages are written,
 *  segments, stack and vdso mapped; pages of the file come when they are used. Without an MMU each segment is a run of
 *  frames (FDPIC), which -ENOMEM may say there is none of; of a program with `fixed` addresses all are one (flat
 * binary).
 *  @param name the task's new name; NULL: as before.
 *  @return 0, or a negative Linux errno, with the old address space still there: -ENOENT (no such file), -EINVAL
 * (segments that overlap, fit no page, or reach further than a quarter of the address space), -E2BIG, -ENOMEM, -ESRCH.
 */
int64_t vmsim_task_exec(struct vmsim_machine *machine, uint32_t task, const char *name, const struct vmsim_exec *image);

/** swapon(2): one more swap area, on `device` (NULL: the first) as a whole, or in a new file of `size` bytes on it (0:
 * the device as a whole). `priority`: -1, or 0 to 32767. @return 0, -EPERM, -ENOENT (no such device), -EINVAL (too
 * small), -EBUSY (the device, or a part of it, is in use), -ENOSPC. */
int64_t vmsim_task_swapon(struct vmsim_machine *machine, uint32_t task, const char *device, uint64_t size,
                          int priority);
/** swapoff(2) of the area that /proc/swaps calls so, or that is this device as a whole. It reads back what is in the
 * area, which takes time and memory; a file goes with it. @return 0, -EPERM, -ENOENT, -EINVAL (no area in use),
 * -ENOMEM, -EIO; -ESRCH when the OOM killer took the task: the area is in use again then. */
int64_t vmsim_task_swapoff(struct vmsim_machine *machine, uint32_t task, const char *area);

/** mbind(2): a memory policy for [address, address + length).
 * @param mode  Linux's number: 0 default, 1 preferred, 2 bind, 3 interleave, 4 local, 5 preferred-many, 6 weighted
 *              interleave (kernels from 6.9 on); or'ed with MPOL_F_STATIC_NODES (0x8000), MPOL_F_RELATIVE_NODES
 * (0x4000), MPOL_F_NUMA_BALANCING (0x2000).
 * @param nodes bit n: node n (a machine has at most 64).
 * @param flags 1 MPOL_MF_STRICT, 2 MPOL_MF_MOVE (pages that the task alone maps are moved), 4 MPOL_MF_MOVE_ALL (all).
 * @return 0 or a negative Linux errno (-EINVAL, -EFAULT, -EIO, -EPERM, -ENOMEM). */
int64_t vmsim_task_mbind(struct vmsim_machine *machine, uint32_t task, uint64_t address, uint64_t length, unsigned mode,
                         uint64_t nodes, unsigned flags);
/** set_mempolicy(2): the task's own policy, for all that no area's policy decides; mode and nodes as above. */
int64_t vmsim_task_set_mempolicy(struct vmsim_machine *machine, uint32_t task, unsigned mode, uint64_t nodes);
/** get_mempolicy(2).
 * @param flags 1 MPOL_F_NODE, 2 MPOL_F_ADDR, 4 MPOL_F_MEMS_ALLOWED.
 * @param nodes receives the mask; may be NULL.
 * @return the mode (or, with MPOL_F_NODE, a node), or a negative Linux errno. */
int64_t vmsim_task_get_mempolicy(struct vmsim_machine *machine, uint32_t task, uint64_t address, unsigned flags,
                                 uint64_t *nodes);

/** set_mempolicy_home_node(2): where the search of areas with policy bind or preferred-many begins.
 * @return 0 or a negative Linux errno (-EINVAL, -ENOENT: no area with a policy, -EOPNOTSUPP: of another policy). */
int64_t vmsim_task_set_home_node(struct vmsim_machine *machine, uint32_t task, uint64_t address, uint64_t length,
                                 unsigned node);
/** migrate_pages(2) by `task` of the pages of task `of`: those on the n-th node of the mask `from` go to the n-th of
 *  `to`. @return pages that could not be moved, or a negative Linux errno (-ESRCH, -EINVAL). */
int64_t vmsim_task_migrate_pages(struct vmsim_machine *machine, uint32_t task, uint32_t of, uint64_t from, uint64_t to);
/** move_pages(2) by `task` of the pages of task `of`.
 * @param count     entries of each array.
 * @param addresses any byte of each page.
 * @param nodes     where each shall go; NULL: the call only tells where they are.
 * @param status    receives for each its node, or a negative Linux errno.
 * @param flags     2 MPOL_MF_MOVE, 4 MPOL_MF_MOVE_ALL.
 * @return 0, pages that were not tried or not moved, or a negative Linux errno (-ENODEV: no such node). */
int64_t vmsim_task_move_pages(struct vmsim_machine *machine, uint32_t task, uint32_t of, size_t count,
                              const uint64_t *addresses, const int32_t *nodes, int32_t *status, unsigned flags);

/** What a memory block is told: /sys/devices/system/memory/memoryN/state. */
enum vmsim_memory_block_state {
    VMSIM_BLOCK_OFFLINE = 0,
    VMSIM_BLOCK_ONLINE = 1,        /**< to the zone that Linux chooses (memory_hotplug.online_policy) */
    VMSIM_BLOCK_ONLINE_KERNEL = 2, /**< to a zone of the kernel's */
    VMSIM_BLOCK_ONLINE_MOVABLE = 3 /**< to the zone Movable */
};
/** Brings memory block number `block` (its first physical address divided by the block's size, 128 MiB on x86-64)
 *  online, or offline: all that is in use there is moved to other memory first. `task` writes the file, and waits for
 *  pages under I/O; VMSIM_TASK_NONE: nobody, and what would be waited for makes it fail. @return 0, or a negative Linux
 *  errno: -EINVAL there is no such block, it has holes, or it is in that state already; -EBUSY something in it cannot
 *  be moved, or there is no other memory; -ESRCH. */
int64_t vmsim_memory_block_set(struct vmsim_machine *machine, uint32_t task, uint64_t block,
                               enum vmsim_memory_block_state state);
/** All memory blocks of a node, one after the other: online from the lowest on, offline from the highest, as chmem(8)
 *  does; blocks that are so already are passed over. The first one that refuses ends it, and those before it stay as
 *  they have become. @return 0, the errno of that block as above, -ENODEV (no such node), or -EINVAL: there was nothing
 *  to do, or some memory of the node is in no whole block, and stays. */
int64_t vmsim_memory_node_set(struct vmsim_machine *machine, uint32_t task, unsigned node,
                              enum vmsim_memory_block_state state);

/** What a file lives on. */
enum vmsim_file_kind {
    VMSIM_FILE_REGULAR = 0,   /**< a disk file system */
    VMSIM_FILE_SHMEM = 1,     /**< tmpfs, memfd */
    VMSIM_FILE_RAMFS = 2,     /**< pinned in memory */
    VMSIM_FILE_BLOCKDEV = 3,  /**< a block device itself, as file systems read their own blocks: Buffers of meminfo */
    VMSIM_FILE_DIRECTORY = 4, /**< no pages; it is made for its inode number (vmsim_file_set_inode()) */
    VMSIM_FILE_HUGETLB = 5 /**< hugetlbfs: huge pages of a pool, of the default size or vmsim_file_create_hugetlb()'s */
};
/** Makes a file of `size` bytes; `cached`: all its pages are in the page cache already. *file gets its number (never
 * 0). A regular file lies on the machine's first storage device, behind those made before.
 *  @return 0, VMSIM_EINVAL (there is one of this name, no such kind, too long), VMSIM_ENOMEM, or VMSIM_ELIMIT (the
 * device is full, or memory cannot hold what is to be cached). */
int vmsim_file_create(struct vmsim_machine *machine, enum vmsim_file_kind kind, const char *path, uint64_t size,
                      bool cached, uint32_t *file);
/** The same of a regular file or a block device itself, on the device that bears this name (NULL: the first one).
 *  `fragment`: 0, or the longest piece in bytes, a multiple of 4096, in which it lies, the pieces spread over the
 * device. VMSIM_ELIMIT: the device is full. */
int vmsim_file_create_on(struct vmsim_machine *machine, enum vmsim_file_kind kind, const char *path, uint64_t size,
                         bool cached, const char *device, uint64_t fragment, uint32_t *file);
/** The number of a regular file's or a directory's inode on its device, at most 2^48; 0, as when it is made: what leads
 * to the file is in memory. Before a task first uses a file with a number it reads the inodes and the entries of the
 * directories of its path, and the inode, as blocks of the device (Buffers), 512 inodes (128 KiB) at a time.
 *  @return 0 or VMSIM_EINVAL: there is no such file, or one of another kind. */
int vmsim_file_set_inode(struct vmsim_machine *machine, uint32_t file, uint64_t inode);
/** A file of a hugetlbfs whose pages are `page_size` bytes (0: the machine's default). Its size is a multiple of that,
 *  and grows with mappings that may be written; its pages come from the pool when they are touched or fallocate(2)
 * asks.
 *  @return 0, VMSIM_EINVAL (there is one of this name, no pool of this size, no whole pages) or VMSIM_ENOMEM. */
int vmsim_file_create_hugetlb(struct vmsim_machine *machine, const char *path, uint64_t size, uint64_t page_size,
                              uint32_t *file);
/** read(2)-like: brings the bytes into the page cache. @return bytes read or a negative Linux errno. */
int64_t vmsim_task_read(struct vmsim_machine *machine, uint32_t task, uint32_t file, uint64_t offset, uint64_t length);
/** write(2)-like. @return bytes written or a negative Linux errno. */
int64_t vmsim_task_write(struct vmsim_machine *machine, uint32_t task, uint32_t file, uint64_t offset, uint64_t length);
/** fsync(2)-like. */
int64_t vmsim_task_fsync(struct vmsim_machine *machine, uint32_t task, uint32_t file);

/** posix_fadvise(2). @param length bytes; 0: to the end. @param advice Linux's number: 0 normal, 1 random, 2
 * sequential, 3 willneed (reading begins), 4 dontneed (clean pages go), 5 noreuse. @return 0 or a negative Linux errno
 * (-EINVAL, -EBADF). */
int64_t vmsim_task_fadvise(struct vmsim_machine *machine, uint32_t task, uint32_t file, uint64_t offset,
                           uint64_t length, int advice);

/** Control groups (cgroup v2, its memory controller). Paths begin at the root, "/": "/a", "/a/b". Every call returns 0
 *  (vmsim_cgroup_read(): bytes) or a negative Linux errno, and vmsim_machine_error() says more.
 *
 *  mkdir: -EEXIST, -ENOENT (no parent), -EBUSY (the parent has tasks: those are in cgroups without children alone),
 *  -EINVAL (no such path can be). */
int64_t vmsim_cgroup_create(struct vmsim_machine *machine, const char *path);
/** rmdir: -EBUSY while it has children or tasks. What is charged to it stays charged until it is freed. */
int64_t vmsim_cgroup_remove(struct vmsim_machine *machine, const char *path);
/** Moves a task with all its threads. What they have charged stays where it is; what they bring in from now on is
 *  charged here. A task begins in its parent's cgroup, one of vmsim_task_create() in the root. -ENOENT,
 *  -ESRCH, -EBUSY (it has children). */
int64_t vmsim_cgroup_attach(struct vmsim_machine *machine, const char *path, uint32_t task);
/** Writes a file: memory.min, memory.low, memory.high, memory.max, memory.swap.high, memory.swap.max, memory.zswap.max
 *  (bytes with units as in a scenario, or "max"), memory.oom.group, memory.zswap.writeback (0 or 1), memory.reclaim
 *  (bytes, and behind them "swappiness=N" from kernel 6.12 on), cpuset.cpus, cpuset.mems (lists, "0-3,8"). `task` makes
 * the system call, and waits while a limit below what is charged is reached; VMSIM_TASK_NONE: nobody, and it takes no
 * time.
 *  @return 0; -EINVAL; -EAGAIN of memory.reclaim; -ENOENT; -ENOSPC (a cpuset with tasks becomes empty); -EOPNOTSUPP of
 * what is not simulated; -ESRCH. */
int64_t vmsim_cgroup_write(struct vmsim_machine *machine, uint32_t task, const char *path, const char *file,
                           const char *value);
/** A file as Linux shows it (memory.current, memory.stat, memory.events, ...), cut to `size` bytes with the ending 0.
 *  @return the bytes that the whole text has, or -ENOENT. */
int64_t vmsim_cgroup_read(const struct vmsim_machine *machine, const char *path, const char *file, char *text,
                          size_t size);

/** Allocates 2^order frames for the kernel or a driver. `zone`: "any", "dma", "dma32", "movable"; `atomic`: may not
 * wait. *pfn gets the first frame number, UINT64_MAX when there is none (a result, not an error).
 * @return 0, VMSIM_EINVAL (no such CPU, zone or order) or VMSIM_ENOMEM (of the host). */
int vmsim_machine_alloc_pages(struct vmsim_machine *machine, unsigned cpu, unsigned order, const char *zone,
                              bool atomic, uint64_t *pfn);
/** Gives such a block back. @return 0 or VMSIM_EINVAL: none of this order begins there. */
int vmsim_machine_free_pages(struct vmsim_machine *machine, unsigned cpu, uint64_t pfn, unsigned order);
/** Allocates one range for a driver: `bytes`, rounded up to whole pageblocks, from any zone of the kernel's or (`cma`)
 * from areas kept for that. Pages in use there are moved away, so that it may be larger than any free block. *pfn gets
 * the first frame number, UINT64_MAX when no range could be emptied (a result, not an error).
 * @return 0, VMSIM_EINVAL (no such CPU, no bytes) or VMSIM_ENOMEM (of the host). */
int vmsim_machine_alloc_contig(struct vmsim_machine *machine, unsigned cpu, uint64_t bytes, bool cma, uint64_t *pfn);
/** Gives a range back, frame by frame. @return 0 or VMSIM_EINVAL: not all of its frames are such a range's. */
int vmsim_machine_free_contig(struct vmsim_machine *machine, unsigned cpu, uint64_t pfn, uint64_t bytes);

/** Writes a sysctl or a knob ("vm.min_free_kbytes", "vm.drop_caches"), as text. @return 0, VMSIM_ENOENT, VMSIM_EINVAL.
 */
int vmsim_machine_sysctl(struct vmsim_machine *machine, const char *name, const char *value);

/** Receives one line of text, without its newline. */
typedef void vmsim_line_fn(void *context, const char *line);
/** Draws the page-table walk of one address level by level: indices, entries, their meaning. Changes nothing.
 *  @return 0, or VMSIM_EINVAL for a task that is not alive. */
int vmsim_task_walk(struct vmsim_machine *machine, uint32_t task, uint64_t address, enum vmsim_access_type type,
                    vmsim_line_fn *line, void *context);

struct vmsim_policy;
struct vmsim_policy_domain_info;
/** Domain number `index` (enum vmsim_policy_domain of vmsim/policy.h), a constant of the library; NULL past the last.
 */
const struct vmsim_policy_domain_info *vmsim_policy_domain_at(size_t index);
/** Policy number `index` that the machine knows (vmsim/policy.h), NULL past the last. *origin (or NULL) gets
 *  "built-in", "linked-in" or the path of its plugin. */
const struct vmsim_policy *vmsim_machine_policy(const struct vmsim_machine *machine, size_t index, const char **origin);

/** Number of tasks that ever were; they are numbered from 0. */
size_t vmsim_task_count(const struct vmsim_machine *machine);
/** Name of a task, NULL when there is none. */
const char *vmsim_task_name(const struct vmsim_machine *machine, uint32_t task);

/** Number of counters that exist now (it grows with tasks; without host memory it stays as it was). */
size_t vmsim_counter_count(struct vmsim_machine *machine);
/** Name of counter `id`: "vmstat.pgfault", "node0.numa_hit", "zone.0.DMA32.free", "tlb.cpu0.walks",
 * "tasks.sort.minflt". */
const char *vmsim_counter_name(const struct vmsim_machine *machine, size_t id);
/** Resolves a name once. @return 0, or VMSIM_ENOENT with the closest name in the error text. */
int vmsim_counter_find(struct vmsim_machine *machine, const char *name, size_t *id);
/** What counter `id` counts, in a line, NULL when there is none. *unit (or NULL) gets its unit: "pages" (base pages),
 * "bytes", "kB" (1024 bytes), "ns", "cycles" and the like; "" when it counts how often something happened. Both are
 * constants of the library, for people. */
const char *vmsim_counter_meaning(const struct vmsim_machine *machine, size_t id, const char **unit);
/** Reads a counter by id. */
uint64_t vmsim_counter_read(const struct vmsim_machine *machine, size_t id);

/** Virtual time of a CPU in nanoseconds. */
uint64_t vmsim_machine_time(const struct vmsim_machine *machine, unsigned cpu);
/** Number of CPUs. */
unsigned vmsim_machine_cpus(const struct vmsim_machine *machine);
/** Walks every structure of the machine and holds each against the others. @return 0 or VMSIM_ECHECK with what is
 * wrong. */
int vmsim_machine_check(struct vmsim_machine *machine);

/** Follows the contents of pages from now on: each store leaves a tag in its page's frame, which goes wherever the page
 * goes (copies, swap, files and their devices, migration), and each load must find there what was stored last. One that
 * does not ends the batch or the run with VMSIM_ECHECK and a text that says where. Nothing simulated changes;
 * references become several times slower. @return 0, VMSIM_EINVAL, VMSIM_ENOMEM, or VMSIM_ENOSYS on a machine without
 * an MMU. */
int vmsim_machine_verify_content(struct vmsim_machine *machine);
/** How many loads were compared and how many stores followed so far (pages that a reference touches); either may be
 * NULL. 0 and 0 while contents are not followed. */
void vmsim_machine_content(const struct vmsim_machine *machine, uint64_t *loads, uint64_t *stores);

VMSIM_END_DECLS

#endif
