/* SPDX-License-Identifier: MIT */
/* A machine assembled: memory, address spaces, page cache, translation hardware, CPUs, tasks, one clock a CPU, and who
 * runs when (sched.h).
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
#include "base/evq.h"
#include "base/names.h"
#include "base/now.h"
#include "base/vec.h"
#include "cache/cache.h"
#include "compact/compaction_policies.h"
#include "vm/thp_policies.h"
#include "machine/cgroup.h"
#include "machine/psi.h"
#include "machine/spec.h"
#include "numa/balancing.h"
#include "oom/oom.h"
#include "reclaim/lruvec_policy.h"
#include "swap/swap.h"
#include "tlb/shootdown.h"
#include "tlb/tlb_memory.h"
#include "vm/vm.h"
#include "vmsim/vmsim.h"
#include "zones/zones.h"

/* Faults of one task, by what they came to. */
struct vmsim__task_stats {
    uint64_t references;
    uint64_t min_flt, maj_flt;
    uint64_t syscalls;
    uint64_t signals; /* caught: references that a handler passed over */
    /* where its time went: the five add up to its age */
    uint64_t user_ns, system_ns;
    uint64_t blocked_ns; /* for devices */
    uint64_t waiting_ns; /* for its CPU */
    uint64_t asleep_ns;  /* by its own will: sleep, wait, barriers, or with nobody telling it what to do */
    uint64_t fault_ns;   /* of system_ns: in page faults of the task's references */
    uint64_t switch_ns;  /* of system_ns: the CPU came to it from another task */
};

/* An allocation on the slow path, which goes on where it was when it is tried again after a wait. All zero: it is new.
 */
struct vmsim__direct_reclaim {
    bool active;          /* a reclaim is under way */
    bool compacted;       /* what comes before reclaim was tried */
    bool hopeless;        /* nothing more is worth it */
    uint8_t priority;     /* enum vmsim__compact_priority, once compacted */
    unsigned fruitless;   /* rounds without progress (no_progress_loops) */
    unsigned compactions; /* of success at this priority, without a block for us (compaction_retries) */
    struct vmsim__scan_control sc;
};

/* RUNNABLE: it has its CPU, is queued for it, or whoever drives the machine call by call may let it go on. */
enum vmsim__task_state { VMSIM__TASK_RUNNABLE, VMSIM__TASK_BLOCKED, VMSIM__TASK_DEAD };

/* How a piece of work ended. */
enum vmsim__work {
    VMSIM__WORK_MORE, /* there is more to do; another task may have the CPU now */
    VMSIM__WORK_CUT,  /* there is more to do; it stopped at the horizon alone: nobody else's turn for that */
    VMSIM__WORK_WAIT, /* it waits for task->wait, and is then to be entered again */
    VMSIM__WORK_END,  /* the task has ended, or is to end */
    VMSIM__WORK_FAIL  /* the run cannot go on: the machine's error, or that of whoever gave the work, says why */
};

struct vmsim__task;

/* Where a task's work comes from. NULL: from whoever drives the machine call by call. */
struct vmsim__source {
    enum vmsim__work (*run)(void *context, struct vmsim__task *t); /* works until m->until */
    void *context;
};

struct vmsim__task {
    uint32_t id;
    uint32_t parent;           /* VMSIM_TASK_NONE: none */
    uint32_t children;         /* alive */
    uint32_t group;            /* thread group: id of the task that began it */
    uint32_t next_thread;      /* id of the next of its group, behind the one that began it; VMSIM_TASK_NONE */
    const char *name;          /* unique: "sort", "sort#2"; belongs to the machine's names */
    struct vmsim__mm *mm;      /* NULL when dead */
    struct vmsim__mm *next_mm; /* of an exec in progress, or NULL */
    uint16_t cpu;
    uint8_t state;         /* enum vmsim__task_state */
    uint8_t stop;          /* enum vmsim_stop that killed it */
    uint64_t stop_address; /* of the reference that was refused last */
    bool rseq_due;         /* it was switched away since its last reference: the kernel writes to the area */
    uint64_t rseq;         /* area of restartable sequences, which the kernel writes to after a switch; 0: none */
    int32_t exit_code;
    struct vmsim__task_policy policy; /* set_mempolicy; inherited by children, kept by exec */
    struct vmsim__numa_task numa;
    uint64_t start_ns, end_ns;
    /* the scheduler's */
    struct vmsim__source source;
    struct vmsim__wait wait;     /* BLOCKED: for what */
    struct vmsim__call call;     /* of the operation in progress */
    bool in_call;                /* a system call has begun and is not over */
    bool queued;                 /* in its CPU's queue */
    uint64_t vruntime;           /* ns of its CPU, placed among those of the others there */
    uint64_t since;              /* ns: when it came into its state, or was last accounted for */
    uint32_t timer;              /* slot of the event that ends its wait; VMSIM__NO_TIMER */
    struct vmsim__task *waiters; /* next of those that wait for a page of the same bucket */
    vmsim__pfn
        held; /* the page that it waits for: it has a reference, so that it is there still when it runs; 0: none */
    struct {
        bool pending, write, fetch;
        bool resolved;       /* the next reference is the one that faulted */
        uint8_t kind, level; /* as struct vmsim__tlb_stop */
        uint64_t va;
        uint64_t since; /* ns: when it was met */
        uint64_t first; /* ns: when the reference faulted first */
    } fault;            /* of the next reference: met, and not handled yet */
    unsigned faults;    /* in a row, of one reference */
    uint64_t steals;    /* pages reclaimed before the first of them */
    struct vmsim__direct_reclaim reclaim;
    struct vmsim__limit limit; /* what it does at a limit of its cgroup */
    uint32_t over_high;        /* pages charged above memory.high that it has not paid for */
    bool high_due;             /* it is to pay for them before it goes on */
    uint32_t cgroup;           /* number of its cgroup; 0: the root */
    uint16_t memcg;            /* whose memory cgroup pays; 0: nobody does */
    uint16_t to_cpu;           /* CPU + 1 to which it moves at its next preemption point; 0: it stays */
    uint64_t mems;             /* nodes that its cpuset allows; 0: all */
    uint16_t psi_cpu;          /* where it counts, as `psi` says (psi.h) */
    uint8_t psi;
    int16_t oom_score_adj;
    bool roams;      /* NUMA balancing may move it to another CPU */
    bool oom_origin; /* it swaps an area off: the first to die when memory does not suffice */
    bool oom_victim; /* chosen: it is about to die, and may use the reserves until then */
    struct vmsim__task_stats stats;
    struct vmsim__mm_status last; /* address space as it was at exit */
    struct vmsim__smaps last_rollup;
    uint64_t last_map_count, last_pgtables;
};

/* What machine/ keeps beside an address space (mm->user). */
struct vmsim__space {
    struct vmsim__tlb_mm tlb;
    struct vmsim__mm *mm;
    struct vmsim__numa_space numa;
    uint16_t memcg; /* of the task that began with it, or joined a cgroup last: whose uses of pages its uses are */
    /* for walks over its page tables: when it came to its cgroup, by m->spaces_joined; the nodes on which nobody has
     * walked it since it was last given a CPU; when it was walked last */
    uint64_t joined, used, walked;
};

/* Kernel threads have numbers of their own, and no address space: they run on the one that is there (lazy TLB). */
#define VMSIM__KTHREAD UINT32_C(0x80000000)
static inline bool vmsim__task_is_kthread(const struct vmsim__task *t) {
    return t->id & VMSIM__KTHREAD;
}

struct vmsim__kswapd;    /* kswapd.c */
struct vmsim__kcompactd; /* kcompactd.c */
struct vmsim__khugepaged;
struct vmsim__content;

#define VMSIM__STAT_INTERVAL UINT64_C(1000000000) /* ns: vm.stat_interval */

struct vmsim__cpu {
    uint64_t now;                                    /* ns */
    uint64_t idle_ns, iowait_ns, user_ns, system_ns; /* what `now` is made of; iowait: idle while a task of it blocks */
    uint64_t refresh;                                /* ns: when it does vmsim__mem_refresh next */
    struct vmsim__tlb *tlb;
    uintptr_t looked;     /* host only: where the references begin that nobody has looked at ahead (ahead.c) */
    struct vmsim__mm *mm; /* loaded */
    bool lazy;            /* a kernel thread runs on it */
    uint16_t asid;
    uint32_t task;  /* last one that ran; VMSIM_TASK_NONE */
    uint32_t carry; /* thousandths of the cost of references not yet charged */
    uint64_t switches;
    /* the scheduler's */
    struct vmsim__task *current; /* has the CPU, though nothing runs between steps */
    struct {
        VMSIM__VEC(struct vmsim__task *);
    } queue;               /* heap: least vruntime, then lowest id first */
    uint64_t min_vruntime; /* never goes back */
    bool yieldable;        /* the current task is at a preemption point */
    uint64_t slice_end;    /* ns: when the current one has had its time */
    bool resched;          /* a task woke: whether it has more right to the CPU is looked at as soon as may be */
    uint32_t place;        /* in the machine's heap of busy CPUs; VMSIM__NO_PLACE */
    uint32_t blocked;      /* tasks of it that wait for devices */
    uint32_t load;         /* live tasks, as vmsim__cpu_idlest last counted them */
};
/* A reference has met a page that is not there: what those behind it will need is fetched meanwhile (ahead.c). Right
 * behind vmsim__tlb_run. */
void vmsim__look_ahead(const struct vmsim_machine *m, struct vmsim__cpu *c, const vmsim_access *a, size_t n);
#define VMSIM__NO_TIMER UINT32_MAX
#define VMSIM__NO_PLACE UINT32_MAX
#define VMSIM__WAIT_BUCKETS 8192u /* kernel: PAGE_WAIT_TABLE_SIZE is 256; thousands of tasks may wait here */
/* Virtual time ends here, after 146 years. No step is longer, so that clocks never overflow. */
#define VMSIM__TIME_END (UINT64_C(1) << 62)

/* Tasks that wait for a page, linked by task->waiters in the order in which they came. */
struct vmsim__wait_bucket {
    struct vmsim__task *first, *last;
};

/* How long something took, by powers of two: bucket k has what took less than 2^k ns, and not less than half of that.
 */
#define VMSIM__LATENCY_BUCKETS 64u
struct vmsim__latency {
    uint64_t count, total, most; /* ns: total, most */
    uint64_t bucket[VMSIM__LATENCY_BUCKETS];
};
static inline void vmsim__latency_add(struct vmsim__latency *l, uint64_t ns) {
    VMSIM__ASSERT(ns < UINT64_C(1) << 63);
    l->count++;
    l->total += ns;
    l->most = ns > l->most ? ns : l->most;
    l->bucket[ns ? 64 - __builtin_clzll(ns) : 0]++;
}

struct vmsim_machine {
    struct vmsim__err err;
    struct vmsim__alloc *alloc;
    struct vmsim__machine_spec spec; /* its lists belong to the configuration: not used after creation */
    const struct vmsim__kernel *kernel;
    const struct vmsim__pt_format *format;
    struct vmsim__mem *mem;
    struct vmsim__lru *lru;
    struct vmsim__cache *cache;
    struct vmsim__block *block;
    struct vmsim__swap *swap; /* NULL: no area is described */
    struct vmsim__vm *vm;
    struct vmsim__policy_registry *policies;
    struct vmsim__tlb_system *tlbs;
    struct vmsim__cpu *cpus;
    unsigned nr_cpus;
    struct vmsim__tlb_memory frame_nodes; /* without ranges: nothing is far */
    struct vmsim__tlb_latency *distances; /* a row of all nodes for each node */
    struct vmsim__tlb_reads *reads;       /* by CPU, where something is far; else NULL */
    uint64_t *node_reads;                 /* a row of all nodes for each CPU: what `reads` counts in */
    struct {
        VMSIM__VEC(struct vmsim__task *);
    } tasks;                   /* by id; never removed */
    struct vmsim__names names; /* that tasks have or had */
    struct {
        VMSIM__VEC(struct vmsim__task_name);
    } named; /* by number of the name */
    struct {
        VMSIM__VEC(struct vmsim__cgroup *);
    } cgroups;                        /* by number; [0] the root */
    struct vmsim__names cgroup_paths; /* by number, too */
    struct vmsim__names counter_names;
    struct {
        VMSIM__VEC(struct vmsim__counter);
    } counters;                            /* by number of the name */
    size_t counted_names, counted_cgroups; /* of tasks, and cgroups, whose counters are in the table */
    uint64_t horizon; /* virtual time up to which the running CPU may touch what others can notice */
    uint64_t until;   /* at its first preemption point at or after this the running task is to come back */
    struct vmsim__evq events;
    uint32_t *busy; /* heap of CPUs with something to run: earliest clock, then lowest number first */
    uint32_t nr_busy;
    struct {
        uint64_t look;     /* ns: whether anybody gets on is looked at next */
        uint64_t since;    /* ns: somebody did then */
        uint64_t progress; /* how far all had come */
        bool found;        /* nobody will */
    } stuck;
    bool stepping;   /* a task works in a step: whoever it asks cannot let the machine go on */
    bool host_nomem; /* sticky: the host had no memory for an event or a queue */
    struct vmsim__wait_bucket waiters[VMSIM__WAIT_BUCKETS]; /* for pages, by pfn */
    uint32_t page_waiters;                                  /* tasks in them */
    bool serial_device; /* the description has no devices: one that serves transfers one after another */
    struct vmsim__slab spaces;
    struct vmsim__task *running; /* whose operation is under way; NULL: nobody's */
    struct vmsim__vmscan vmscan;
    struct vmsim__lruvec_policies reclaim;
    uint64_t *used; /* physical addresses of a batch, for policies that want every reference; NULL: none asked yet */
    struct vmsim__content *content;   /* content.c: what pages hold; NULL: nobody follows it */
    bool content_wrong;               /* a program has found something else: the run ends */
    uint64_t spaces_joined;           /* address spaces that came to a cgroup so far */
    struct vmsim__tlb_batch unmapped; /* by reclaim, and not flushed yet: never across a wait */
    struct vmsim__kswapd *kswapd;     /* one a node */
    uint64_t node_reclaiming;         /* node_reclaim.c: nodes where somebody is at it (PGDAT_RECLAIM_LOCKED) */
    uint64_t node_reclaims;           /* that freed enough: zone_reclaim_success */
    struct vmsim__compaction compaction;
    struct vmsim__compaction_choice compaction_choice;
    struct vmsim__thp_choice thp_choice;
    struct vmsim__kcompactd *kcompactd; /* one a node */
    struct vmsim__khugepaged *khugepaged;
    bool score_due;                   /* an event that looks at the nodes' scores is coming */
    uint64_t score_traffic;           /* frames that had come and gone when it came last */
    uint32_t score_idle;              /* looks since that changed */
    struct vmsim__task *zswap_worker; /* NULL: there is no zswap */
    struct vmsim__task *flusher;
    uint64_t flush_pages; /* somebody wants at least so many dirty pages written, old or not */
    uint16_t flush_memcg; /* a cgroup that was above its background limit when its task last wrote */
    struct {
        VMSIM__VEC(struct vmsim__task *);
    } kthreads; /* by id less VMSIM__KTHREAD */
    struct vmsim__oom oom;
    struct vmsim__numa numa;
    bool panicked;    /* it stopped for want of memory (oom_kill.c) */
    uint32_t nr_live; /* tasks that have not ended */
    /* Told of each task that has ended, by whoever gives tasks their work; NULL: nobody. */
    void (*on_exit)(void *context, struct vmsim__task *t);
    void *on_exit_context;
    /* A fault has been served; NULL: nobody counts them. */
    void (*on_fault)(void *context, const struct vmsim__task *t, uint64_t address);
    void *on_fault_context;
    struct vmsim__latency fault_took[2]; /* of references: minor, major; with what they waited for */
    struct vmsim__latency stall_took[VMSIM__WAIT_KINDS + 1]; /* of tasks, by vmsim__stall_name */
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

/* Unit of the counter of this name, "" for numbers of times; also of one that only the run brings (counter_meaning.c).
 */
const char *vmsim__counter_unit(const char *name);

/* From a settled specification (vmsim__machine_spec_settle). */
int vmsim__machine_create(const struct vmsim__machine_spec *spec, const struct vmsim_allocator *allocator,
                          struct vmsim_machine **out, struct vmsim__err *err);

/* A live task, or NULL (dead or none) with the error set. */
struct vmsim__task *vmsim__task_get(struct vmsim_machine *m, uint32_t id);
/* Any task that ever was, or NULL. */
struct vmsim__task *vmsim__task_at(const struct vmsim_machine *m, uint32_t id);
/* As vmsim_task_fork; *waits: the parent waits (parent->wait), nothing was made, and it is to be called again. */
int vmsim__task_fork(struct vmsim_machine *m, struct vmsim__task *p, const char *name, uint32_t *child, bool *waits);
/* A task that shares the parent's address space: a thread of the same group (CLONE_THREAD), or not (vfork). */
int vmsim__task_clone(struct vmsim_machine *m, uint32_t parent, const char *name, bool thread, uint32_t *child);
/* Replaces the address space as execve does, and ends the other threads. 0 or negative Linux errno: it is for the
 * caller to kill the task where Linux would; until then it has its old address space, unless the host had no memory.
 * VMSIM__CALL_WAITS: as vmsim__call. */
int64_t vmsim__task_exec(struct vmsim_machine *m, struct vmsim__task *t, const char *name,
                         const struct vmsim__exec *image);
/* Ends one task; a parent that waits for its children is woken at that time. */
void vmsim__task_kill(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim_stop why, int exit_code);
/* Ends a task with all threads of its group, which leave the same status; out of memory, with all that share its
 * address space. Only the task itself is marked with `why`. */
void vmsim__task_kill_group(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim_stop why, int exit_code);
/* A reference was refused: the signal, which nobody catches, ends the group. */
void vmsim__task_signal(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim_stop why);
/* kill(2) with SIGKILL of all processes that are called so, or so with a number behind: "name", "name#2". They die by
 * events: others than the caller may be in the middle of something. 0, -ESRCH, or 1: no host memory. */
int64_t vmsim__task_kill_called(struct vmsim_machine *m, const char *name, uint64_t time);
/* All threads of the process have it: -1000 to 1000. */
void vmsim__task_set_oom_score_adj(struct vmsim_machine *m, struct vmsim__task *t, int64_t value);
int vmsim__task_rename(struct vmsim_machine *m, struct vmsim__task *t, const char *name);

/* sched.c: what a kind of wait is called in events and reports (enum vmsim__wait_kind; VMSIM__WAIT_KINDS: memory). */
const char *vmsim__stall_name(unsigned kind);

struct vmsim_access_detail; /* vmsim/inspect.h */
/* References of a live task until all are done or it dies, whatever they wait for. `detail`, of one reference alone,
 * gets what it came to (NULL: nobody asks). 0 or a negative vmsim_err. */
int vmsim__task_access(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t count,
                       uint64_t *physical, struct vmsim_access_result *result, struct vmsim_access_detail *detail);
/* inspect.c: as vmsim__machine_access() of one reference, and adds to *detail what it did. */
enum vmsim__work vmsim__machine_access_detailed(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a,
                                                size_t n, uint64_t *physical, struct vmsim_access_result *r,
                                                struct vmsim_access_detail *detail);

/* Makes the task's address space the one its CPU runs; charges the switch. */
void vmsim__cpu_load(struct vmsim_machine *m, struct vmsim__task *t);
/* Takes the bill of the present and gives it to the task and its CPU's clock. */
void vmsim__cpu_charge(struct vmsim_machine *m, struct vmsim__task *t);
/* The task computes for `ns`. */
void vmsim__cpu_compute(struct vmsim_machine *m, struct vmsim__task *t, uint64_t ns);
/* The present is the task's, at its CPU's time. */
void vmsim__present(struct vmsim_machine *m, struct vmsim__task *t);
/* What follows is of no task: nobody pays, no node is closed, no policy is in force. */
void vmsim__present_nobody(struct vmsim_machine *m);
/* Its memory policy has changed. */
void vmsim__present_policy(struct vmsim_machine *m, struct vmsim__task *t);

/* Hot path of vmsim_task_access, for a live task. _try leaves a task alive whose reference was refused (r->stop): the
 * caller decides. MORE: all n references are done, or one was refused. CUT: stopped before a fault that would be
 * handled later than m->horizon. WAIT: the fault waits. FAIL: the machine's error says why. What is left is to be given
 * again, from r->done on, whatever was said. */
enum vmsim__work vmsim__machine_try(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t n,
                                    uint64_t *physical, struct vmsim_access_result *r);
/* The same; a refused reference ends the process: END. */
enum vmsim__work vmsim__machine_access(struct vmsim_machine *m, struct vmsim__task *t, const vmsim_access *a, size_t n,
                                       uint64_t *physical, struct vmsim_access_result *r);

/* VMSIM_ENOMEM with a text once the host refused memory to any layer: what then came out as a simulated lack of memory
 * was none. 0: it never did. */
int vmsim__host_error(struct vmsim_machine *m);
/* policies.c: the registry with all domains, and the plugins of the description. */
int vmsim__machine_create_policies(struct vmsim_machine *m);

/* The devices under files (io.c): plugs itself into the cache. */
/* Tells the TLBs how far memory is (distance.c). 0 or VMSIM_ENOMEM. */
int vmsim__distance_init(struct vmsim_machine *m);
/* References that missed every level of a TLB and whose data are on the node; 0 where nothing is far. */
uint64_t vmsim__node_reads(const struct vmsim_machine *m, unsigned node);
/* The task made a reference from `begin` to now: its CPU waits until what that read has got through. Nodes that have a
 * bandwidth; else nothing is to be asked. */
void vmsim__bandwidth_wait(struct vmsim_machine *m, struct vmsim__task *t, uint64_t begin);
void vmsim__distance_fini(struct vmsim_machine *m);
int vmsim__io_init(struct vmsim_machine *m); /* 0 or VMSIM_ENOMEM */
/* Bytes of the largest request that a device takes: max_sectors_kb, io_pages. */
uint64_t vmsim__io_largest(const struct vmsim_machine *m, uint32_t device);
/* Is there a device that does not reach all of memory? */
bool vmsim__io_limited(const struct vmsim_machine *m);
/* Lays a new regular file on a device, NULL: the first one; `fragment`: as of a layout. 0, or an error with its text.
 */
int vmsim__io_place(struct vmsim_machine *m, struct vmsim__file *f, const char *device, uint64_t fragment);
/* Transfers that will never complete, for messages: "; 3 transfers ...", or nothing. */
void vmsim__io_hung_text(const struct vmsim_machine *m, char *out, size_t size);
int vmsim__io_check(struct vmsim_machine *m); /* 0 or VMSIM_ECHECK */
/* An event of a device is due. */
int vmsim__io_event(struct vmsim_machine *m, const struct vmsim__event *e);

/* numa.c: NUMA balancing. 0, or an error with its text. */
int vmsim__numa_init(struct vmsim_machine *m);
void vmsim__numa_fini(struct vmsim_machine *m);
/* The task is between two pieces of work: are its pages to be scanned? Kernel: task_tick_numa, task_work. */
void vmsim__numa_tick(struct vmsim_machine *m, struct vmsim__task *t);
extern const struct vmsim__numa_hooks vmsim__machine_numa_hooks;

/* hotplug.c: a memory block's state: 0, or a negative errno (-EINVAL: no such block, or it is in that state; -EBUSY:
 * something stays); -ERESTARTSYS: it has to wait. */
int64_t vmsim__memory_block(struct vmsim_machine *m, uint64_t block, enum vmsim_memory_block_state state, bool may_wait,
                            unsigned cpu);
/* All blocks of a node, as vmsim_memory_node_set. How far it has come stands in the present's call. */
int64_t vmsim__memory_node(struct vmsim_machine *m, uint64_t node, enum vmsim_memory_block_state state, bool may_wait,
                           unsigned cpu);

/* swap.c: the areas of the description, as at boot. 0 or an error with its text. */
int vmsim__swap_init(struct vmsim_machine *m);
/* swapon(2), swapoff(2), as vmsim__call. `name`: as in /proc/swaps, or a device that is swap as a whole. */
int64_t vmsim__swapon(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__swap_spec *spec);
int64_t vmsim__swapoff(struct vmsim_machine *m, struct vmsim__task *t, const char *name);
/* The pool of zswap is full: its worker goes to work. */
void vmsim__zswap_wake(struct vmsim_machine *m);
/* A task dies that was swapping an area off: the area is in use again. */
void vmsim__swapoff_abandon(struct vmsim_machine *m, struct vmsim__task *t);

/* ---- reclaim.c, kswapd.c, oom_kill.c, flusher.c ---- */

/* Ties the kernel's reclaim to mappings and files, and makes the threads that work ahead. 0 or VMSIM_ENOMEM. */
int vmsim__reclaim_init(struct vmsim_machine *m);
/* node_reclaim.c: the hook of the allocator for a zone below its mark; true: it is worth another look. */
bool vmsim__node_reclaim(void *context, struct vmsim__zone *zone, const struct vmsim__alloc_request *rq);
/* reclaim_choice.c: the policies that choose what goes, of the machine and of its cgroups. 0, or an error with its
 * text. */
int vmsim__reclaim_policies_init(struct vmsim_machine *m);
void vmsim__reclaim_policies_fini(struct vmsim_machine *m);
int vmsim__cgroup_choose_reclaim(struct vmsim_machine *m, const char *path, const struct vmsim__policy_choice *choice);
/* Where the addresses of the next batch of references are to be written, if somebody wants them: room for
 * VMSIM__USED_MAX; NULL: nobody does, or there is no host memory. */
#define VMSIM__USED_MAX 2048u
uint64_t *vmsim__reclaim_wants_used(struct vmsim_machine *m);
/* ns between two looks at a queue of swap that was full. */
#define VMSIM__SWAP_PAUSE UINT64_C(100000)
/* Folios that their owner gave up (MADV_PAGEOUT): vm's hook. */
void vmsim__machine_reclaim(void *machine, vmsim__pfn *folio, uint32_t count, unsigned cpu);
void vmsim__reclaim_fini(struct vmsim_machine *m);
/* A kernel thread that works for `source` from now on; it begins asleep. NULL: no host memory. */
struct vmsim__task *vmsim__kthread_create(struct vmsim_machine *m, const char *name, unsigned cpu,
                                          const struct vmsim__source *source);
/* The same, on the first CPU of a node; of the machine where the node has none. */
struct vmsim__task *vmsim__kthread_create_on(struct vmsim_machine *m, const char *name, unsigned node,
                                             const struct vmsim__source *source);
/* The kernel thread has something to do: it wakes at `time` on a CPU of its node that idles, if there is one. */
void vmsim__kthread_wake(struct vmsim_machine *m, struct vmsim__task *t, unsigned node, uint64_t time);
/* `gfp`: of the request. Kernel: wakeup_kswapd. */
void vmsim__kswapd_wake(struct vmsim_machine *m, unsigned node, uint32_t gfp, unsigned order, unsigned zone_type);
bool vmsim__kswapd_works(const struct vmsim_machine *m, unsigned node); /* kswapd_is_running */
int vmsim__mglru_init(
    struct vmsim_machine *m); /* generations: what they ask of the machine; on if the kernel says so */
int vmsim__kswapd_init(struct vmsim_machine *m);
void vmsim__kswapd_fini(struct vmsim_machine *m);
int vmsim__flusher_init(struct vmsim_machine *m);
/* Reclaim meets dirty pages alone: all that are dirty now are written. */
void vmsim__flusher_wake(struct vmsim_machine *m);
bool vmsim__flusher_throttle(void *machine);
/* Somebody is chosen, and dies at once or as soon as it runs. True: memory will come back, the request may be tried
 * again. Kernel: out_of_memory. */
bool vmsim__out_of_memory(struct vmsim_machine *m, const struct vmsim__alloc_request *rq);
/* The same for the tasks of a cgroup and all below. False: nobody may be killed. Kernel: mem_cgroup_out_of_memory. */
bool vmsim__memcg_out_of_memory(struct vmsim_machine *m, struct vmsim__memcg *over, unsigned order);
/* A live task as OOM policies see it, and the pages that they weigh it against. */
struct vmsim_oom_candidate vmsim__oom_candidate(const struct vmsim_machine *m, const struct vmsim__task *t);
uint64_t vmsim__oom_total_pages(const struct vmsim_machine *m);
/* What an OOM victim leaves happens now: an event. */
void vmsim__oom_event(struct vmsim_machine *m, uint32_t task, uint64_t time);

/* Reclaim to its end; false: it has to wait, the present does, and it is to be entered again. */
bool vmsim__reclaim_run(struct vmsim_machine *m, struct vmsim__scan_control *sc);
/* The allocator's slow path: zones' hook. */
vmsim__pfn vmsim__machine_slowpath(void *machine, const struct vmsim__alloc_request *rq);

#endif
