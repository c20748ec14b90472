/* SPDX-License-Identifier: MIT */
/* A machine assembled: memory, address spaces, page cache, translation hardware, CPUs, tasks, one clock a CPU.
 *
 *     task --> space (mm + ASIDs) --> page table --> frames
 *       |                                              ^
 *     CPU (clock, TLB) --- access path ---> fault -----+--> vm/ --> cache/ --> lru/ --> zones/ --> slow path (here)
 *
 * This is the only layer that sees all the others: it hands each of them the hooks into the rest, which is how the
 * classic circle allocator -> reclaim -> unmap -> allocator is broken. Kernel counterparts: kernel/sched (who runs),
 * kernel/exit.c, kernel/fork.c, the slow path of mm/page_alloc.c. */
#ifndef VMSIM__MACHINE_H
#define VMSIM__MACHINE_H
#include "base/err.h"
#include "base/names.h"
#include "base/vec.h"
#include "cache/cache.h"
#include "machine/spec.h"
#include "tlb/shootdown.h"
#include "vm/vm.h"
#include "vmsim/vmsim.h"
#include "zones/zones.h"

/* Faults of one task, by what they came to. */
struct vmsim__task_stats {
    uint64_t references;
    uint64_t min_flt, maj_flt;
    uint64_t syscalls;
    uint64_t user_ns, system_ns, blocked_ns;
    uint64_t fault_ns; /* of system_ns: in page faults of the task's references */
};

enum vmsim__task_state { VMSIM__TASK_RUNNABLE, VMSIM__TASK_DEAD };

struct vmsim__task {
    uint32_t id;
    uint32_t parent;      /* VMSIM_TASK_NONE: none */
    uint32_t group;       /* thread group: id of the task that began it */
    const char *name;     /* unique: "sort", "sort#2"; belongs to the machine's names */
    struct vmsim__mm *mm; /* NULL when dead */
    uint16_t cpu;
    uint8_t state;         /* enum vmsim__task_state */
    uint8_t stop;          /* enum vmsim_stop that killed it */
    uint64_t stop_address; /* of the reference that was refused last */
    uint64_t rseq;         /* area of restartable sequences, which the kernel writes to after a switch; 0: none */
    int32_t exit_code;
    uint64_t start_ns, end_ns;
    struct vmsim__task_stats stats;
    struct vmsim__mm_status last; /* address space as it was at exit */
    struct vmsim__smaps last_rollup;
    uint64_t last_map_count, last_pgtables;
};

/* What machine/ keeps beside an address space (mm->user). */
struct vmsim__space {
    struct vmsim__tlb_mm tlb;
    struct vmsim__mm *mm;
};

#define VMSIM__STAT_INTERVAL UINT64_C(1000000000) /* ns: vm.stat_interval */

struct vmsim__cpu {
    uint64_t now;     /* ns */
    uint64_t refresh; /* ns: when it does vmsim__mem_refresh next */
    struct vmsim__tlb *tlb;
    struct vmsim__mm *mm; /* loaded */
    uint16_t asid;
    uint32_t task;  /* last one that ran; VMSIM_TASK_NONE */
    uint32_t carry; /* thousandths of the cost of references not yet charged */
    uint64_t switches;
};

struct vmsim_machine {
    struct vmsim__err err;
    struct vmsim__alloc *alloc;
    struct vmsim__machine_spec spec; /* its lists belong to the configuration: not used after creation */
    const struct vmsim__kernel *kernel;
    const struct vmsim__pt_format *format;
    struct vmsim__mem *mem;
    struct vmsim__lru *lru;
    struct vmsim__cache *cache;
    struct vmsim__vm *vm;
    struct vmsim__policy_registry *policies;
    struct vmsim__tlb_system *tlbs;
    struct vmsim__cpu *cpus;
    unsigned nr_cpus;
    struct {
        VMSIM__VEC(struct vmsim__task *);
    } tasks;                   /* by id; never removed */
    struct vmsim__names names; /* that tasks have or had */
    struct {
        VMSIM__VEC(struct vmsim__task_name);
    } named; /* by number of the name */
    struct vmsim__names counter_names;
    struct {
        VMSIM__VEC(struct vmsim__counter);
    } counters;           /* by number of the name */
    size_t counted_names; /* of tasks, whose counters are in the table */
    uint64_t horizon;     /* virtual time up to which the running CPU may touch what others can notice */
    struct vmsim__slab spaces;
};

/* Who was given a name, and the highest n of the "name#n" made of it. */
struct vmsim__task_name {
    uint32_t task, copies;
};

/* One named number: how to read it. */
struct vmsim__counter {
    const char *name;
    uint64_t (*read)(const struct vmsim_machine *m, uint32_t a, uint32_t b);
    uint32_t a, b;
};

/* From a settled specification (vmsim__machine_spec_settle). */
int vmsim__machine_create(const struct vmsim__machine_spec *spec, const struct vmsim_allocator *allocator,
                          struct vmsim_machine **out, struct vmsim__err *err);

/* A live task, or NULL (dead or none) with the error set. */
struct vmsim__task *vmsim__task_get(struct vmsim_machine *m, uint32_t id);
/* Any task that ever was, or NULL. */
struct vmsim__task *vmsim__task_at(const struct vmsim_machine *m, uint32_t id);
/* A task that shares the parent's address space: a thread of the same group (CLONE_THREAD), or not (vfork). */
int vmsim__task_clone(struct vmsim_machine *m, uint32_t parent, const char *name, bool thread, uint32_t *child);
/* Replaces the address space as execve does, and ends the other threads. 0 or negative Linux errno: it is for the
 * caller to kill the task where Linux would; until then it has its old address space, unless the host had no memory. */
int64_t vmsim__task_exec(struct vmsim_machine *m, struct vmsim__task *t, const char *name,
                         const struct vmsim__exec *image);
/* Replaces the address space by an empty one (a trace brings its own mappings). */
int vmsim__task_renew(struct vmsim_machine *m, struct vmsim__task *t);
/* Ends one task. */
void vmsim__task_kill(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim_stop why, int exit_code);
/* Ends a task with all threads of its group, which leave the same status; out of memory, with all that share its
 * address space. Only the task itself is marked with `why`. */
void vmsim__task_kill_group(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim_stop why, int exit_code);
/* A reference was refused: the signal, which nobody catches, ends the group. */
void vmsim__task_signal(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim_stop why);
int vmsim__task_rename(struct vmsim_machine *m, struct vmsim__task *t, const char *name);

/* Makes the task's address space the one its CPU runs; charges the switch. */
void vmsim__cpu_load(struct vmsim_machine *m, struct vmsim__task *t);
/* Takes what vm/ and cache/ charged since the last call, gives it to the task and its CPU's clock. */
void vmsim__cpu_charge(struct vmsim_machine *m, struct vmsim__task *t);
/* A system call begins: the CPU has the task's address space and pays the entry. */
void vmsim__syscall_enter(struct vmsim_machine *m, struct vmsim__task *t);

/* Hot path of vmsim_task_access, for a live task. _try leaves a task alive whose reference was refused: the caller
 * decides. It also ends early, with stop NONE, at a fault that would be handled later than m->horizon. */
void vmsim__machine_try(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t n,
                        uint64_t *physical, struct vmsim_access_result *r);
void vmsim__machine_access(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t n,
                           uint64_t *physical, struct vmsim_access_result *r);

/* VMSIM_ENOMEM with a text once the host refused memory to any layer: what then came out as a simulated lack of memory
 * was none. 0: it never did. */
int vmsim__host_error(struct vmsim_machine *m);
/* policies.c: the registry with all domains, and the plugins of the description. */
int vmsim__machine_create_policies(struct vmsim_machine *m);

/* The allocator's slow path: zones' hook. */
vmsim__pfn vmsim__machine_slowpath(void *machine, const struct vmsim__alloc_request *rq);

#endif
