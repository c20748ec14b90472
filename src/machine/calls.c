/* SPDX-License-Identifier: MIT */
/* The table of system calls (see calls.h): a row's function is what it does, between the common beginning (the entry's
 * cost, the present, who pays) and the common end (a wait, the result, the cost of what it did), which stand below
 * once.
 *
 * A row's function takes its arguments as Linux's numbers, and may be entered again after a wait: what it had done is
 * in the task's call record. */
#include "machine/calls.h"

#define ESRCH_RESULT (-3)
#define O_TRUNC_BIT 0x200u

const char *const vmsim__call_names[VMSIM__CALLS] = {
#define NAME(id, name) name,
    VMSIM__CALL_TABLE(NAME)
#undef NAME
};

typedef int64_t call_fn(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c);

/* Rows have one signature, also where a call needs no machine: the table is what makes step verbs, replays and the
 * library's functions enter a call in one way. */
static int64_t call_mmap(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    t->mm->mapped_ra = c->ra;
    const int64_t result =
        vmsim__mm_mmap(t->mm, c->a[0], c->a[1], (unsigned)c->a[2], (unsigned)c->a[3], c->file, c->a[5], t->cpu);
    t->mm->mapped_ra = NULL;
    return result;
}

static int64_t call_munmap(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_munmap(t->mm, c->a[0], c->a[1], t->cpu);
}

static int64_t call_mprotect(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_mprotect(t->mm, c->a[0], c->a[1], (unsigned)c->a[2], t->cpu);
}

static int64_t call_mremap(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_mremap(t->mm, c->a[0], c->a[1], c->a[2], (unsigned)c->a[3], c->a[4], t->cpu);
}

static int64_t call_brk(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_brk(t->mm, c->a[0], t->cpu);
}

static int64_t call_madvise(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_madvise(t->mm, c->a[0], c->a[1], (int)c->a[2], t->cpu);
}

static int64_t call_mlock(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_mlock(t->mm, c->a[0], c->a[1], (unsigned)c->a[2], t->cpu);
}

static int64_t call_munlock(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_munlock(t->mm, c->a[0], c->a[1], t->cpu);
}

static int64_t call_mlockall(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_mlockall(t->mm, (unsigned)c->a[0], t->cpu);
}

static int64_t call_munlockall(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m, (void)c;
    return vmsim__mm_munlockall(t->mm, t->cpu);
}

static int64_t call_msync(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_msync(t->mm, c->a[0], c->a[1], (unsigned)c->a[2], t->cpu);
}

/* The vector itself is asked for by nobody: programs are shown the one that they recorded. */
static int64_t call_mincore(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_mincore(t->mm, c->a[0], c->a[1], NULL, t->cpu);
}

static int64_t call_mbind(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_mbind(t->mm, c->a[0], c->a[1], (unsigned)c->a[2], c->a[3], (unsigned)c->a[4], t->cpu);
}

/* The running task's: it is in force at once. */
static int64_t call_set_mempolicy(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    int64_t result = vmsim__vm_set_mempolicy(m->vm, &t->policy, (unsigned)c->a[0], c->a[1]);
    vmsim__present_policy(m, t);
    return result;
}

static int64_t call_get_mempolicy(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    uint64_t nodes;
    (void)m;
    return vmsim__mm_get_mempolicy(t->mm, &t->policy, c->a[0], (unsigned)c->a[1], &nodes, t->cpu);
}

static int64_t call_set_home_node(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)m;
    return vmsim__mm_set_home_node(t->mm, c->a[0], c->a[1], c->a[2], c->a[3], t->cpu);
}

/* 0 is the caller, as pid 0 is: tasks count from 1 here. NULL: it is not there, or dead. */
static struct vmsim__task *named(struct vmsim_machine *m, struct vmsim__task *t, uint64_t task) {
    struct vmsim__task *other = task ? vmsim__task_at(m, (uint32_t)(task - 1)) : t;
    return other && other->mm ? other : NULL;
}

/* Rights are asked by nodes: somebody else's pages may not leave what his cpuset allows, unless the caller is
 * privileged. */
static int64_t call_migrate_pages(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    struct vmsim__task *of = named(m, t, c->a[2]);
    if (!of)
        return -VMSIM__L_ESRCH;
    if ((c->a[1] & ~vmsim__cpuset_mems(m, of)) && !t->mm->privileged)
        return -VMSIM__L_EPERM;
    return vmsim__mm_migrate_pages(of->mm, c->a[0], c->a[1] & vmsim__cpuset_mems(m, t), t->mm->privileged, t->cpu);
}

/* Whoever wants statuses and nodes of his own calls vmsim__mm_move_pages with them. A range of pages stands for the
 * list of addresses: destinations go round the nodes of the mask, none means that only places are asked for. The
 * list is taken from the host, as the kernel's is from the user. */
static int64_t call_move_pages(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    struct vmsim__task *of = named(m, t, c->a[4]);
    const uint64_t page = UINT64_C(1) << m->mem->page_shift, pages = vmsim__align_up(c->a[1], page) / page;
    const uint64_t each = sizeof(uint64_t) + 2 * sizeof(int32_t);
    if (!of)
        return -VMSIM__L_ESRCH;
    if (!pages || pages > SIZE_MAX / each)
        return pages ? -VMSIM__L_ENOMEM : 0;
    uint64_t *addresses = vmsim__malloc(m->alloc, pages * each);
    if (!addresses)
        return -VMSIM__L_ENOMEM;
    int32_t *nodes = (int32_t *)(addresses + pages), *status = nodes + pages;
    for (uint64_t i = 0, left = c->a[2]; i < pages; i++, left = left & (left - 1) ? left & (left - 1) : c->a[2]) {
        addresses[i] = c->a[0] + i * page;
        nodes[i] = left ? __builtin_ctzll(left) : 0;
    }
    const struct vmsim__move_pages mp = {pages, addresses, c->a[2] ? nodes : NULL, status, t->mm->privileged, of->mems};
    const int64_t result = vmsim__mm_move_pages(of->mm, &mp, (unsigned)c->a[3], t->cpu);
    vmsim__free(m->alloc, addresses, pages * each);
    return result;
}

/* Somebody else is given advice that changes no contents alone. Kernel: process_madvise_behavior_valid. */
static int64_t call_process_madvise(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    struct vmsim__task *of = named(m, t, c->a[3]);
    const int advice = (int)c->a[2];
    const bool harmless = advice == VMSIM__MADV_WILLNEED || advice == VMSIM__MADV_COLD ||
                          advice == VMSIM__MADV_PAGEOUT || advice == VMSIM__MADV_COLLAPSE;
    if (!of)
        return -VMSIM__L_ESRCH;
    if (!harmless && of->mm != t->mm)
        return -VMSIM__L_EINVAL;
    return vmsim__mm_madvise(of->mm, c->a[0], c->a[1], advice, t->cpu);
}

/* Writes to /sys by a task wait where pages have to move away; without one they are EBUSY (syscall.c). */
static int64_t call_memory_block(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    return vmsim__memory_block(m, c->a[0], (enum vmsim_memory_block_state)c->a[1], true, t->cpu);
}

static int64_t call_memory_node(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    return vmsim__memory_node(m, c->a[0], (enum vmsim_memory_block_state)c->a[1], true, t->cpu);
}

/* Files of hugetlb pages are vm/'s, not the page cache's: reading ahead and writing back are nothing to them, and there
 * is no write(2). */
static bool is_huge(const struct vmsim__file *f) {
    return f->kind == VMSIM__FILE_HUGETLB;
}

static int64_t truncate(struct vmsim_machine *m, struct vmsim__file *f, uint64_t size, unsigned cpu) {
    return is_huge(f) ? vmsim__hugetlb_truncate(m->vm, f, size, cpu) : vmsim__file_truncate(m->cache, f, size, cpu);
}

static int64_t call_read(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    if (is_huge(c->file))
        return vmsim__hugetlb_read(m->vm, c->file, c->a[0], c->a[1]);
    return vmsim__file_read(m->cache, c->file, c->ra, c->a[0], c->a[1], t->cpu);
}

static int64_t call_write(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    if (is_huge(c->file))
        return -VMSIM__L_EINVAL;
    return vmsim__file_write(m->cache, c->file, c->a[0], c->a[1], t->cpu);
}

/* The cost of coming by the file is paid once, though truncation may wait and enter the call again. */
static int64_t call_open(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    int64_t result = c->a[0] & O_TRUNC_BIT ? truncate(m, c->file, 0, t->cpu) : 0;
    if (result == -VMSIM__ERESTARTSYS)
        return result;
    vmsim__now_charge(&m->mem->now, c->a[1]); /* what it costs to come by the file; 0: it is at hand */
    if (!result)
        vmsim__ra_init(m->cache, c->ra ? c->ra : &c->file->ra);
    return result;
}

/* The name and its maker's reference go. */
static int64_t call_unlink(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    vmsim__file_unlink(m->cache, c->file, t->cpu);
    vmsim__file_put(m->cache, c->file, t->cpu);
    return 0;
}

/* The whole file: fdatasync and sync_file_range come here too, as no metadata is ever written. */
static int64_t call_fsync(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    return is_huge(c->file) ? 0 : vmsim__file_sync(m->cache, c->file, 0, UINT64_MAX, t->cpu);
}

static int64_t call_ftruncate(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    return truncate(m, c->file, c->a[0], t->cpu);
}

static int64_t call_fallocate(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    if (is_huge(c->file)) {
        t->mm->cpu = t->cpu;
        return vmsim__hugetlb_fallocate(t->mm, c->file, (unsigned)c->a[0], c->a[1], c->a[2]);
    }
    return vmsim__file_fallocate(m->cache, c->file, (unsigned)c->a[0], c->a[1], c->a[2], t->cpu);
}

static int64_t call_fadvise(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    if (is_huge(c->file))
        return 0;
    return vmsim__file_fadvise(m->cache, c->file, c->ra, c->a[0], c->a[1], (int)c->a[2], t->cpu);
}

static int64_t call_sync(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)c;
    return vmsim__cache_sync(m->cache, t->cpu);
}

/* A call that touches no memory: it is in the table for its time, which is most of what a recorded program spends in
 * the kernel. */
static int64_t call_other(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__call_args *c) {
    (void)t;
    VMSIM__ASSERT(t->in_call);
    vmsim__now_charge(&m->mem->now, c->a[0]);
    return 0;
}

/* A call without a file where the kernel would want a descriptor is EBADF for all of them, said once. */
static const struct {
    call_fn *fn;
    bool needs_file;
} rows[VMSIM__CALLS] = {
    [VMSIM__CALL_MMAP] = {call_mmap, false},
    [VMSIM__CALL_MUNMAP] = {call_munmap, false},
    [VMSIM__CALL_MPROTECT] = {call_mprotect, false},
    [VMSIM__CALL_MREMAP] = {call_mremap, false},
    [VMSIM__CALL_BRK] = {call_brk, false},
    [VMSIM__CALL_MADVISE] = {call_madvise, false},
    [VMSIM__CALL_MLOCK] = {call_mlock, false},
    [VMSIM__CALL_MUNLOCK] = {call_munlock, false},
    [VMSIM__CALL_MLOCKALL] = {call_mlockall, false},
    [VMSIM__CALL_MUNLOCKALL] = {call_munlockall, false},
    [VMSIM__CALL_MSYNC] = {call_msync, false},
    [VMSIM__CALL_MINCORE] = {call_mincore, false},
    [VMSIM__CALL_MBIND] = {call_mbind, false},
    [VMSIM__CALL_SET_MEMPOLICY] = {call_set_mempolicy, false},
    [VMSIM__CALL_GET_MEMPOLICY] = {call_get_mempolicy, false},
    [VMSIM__CALL_SET_HOME_NODE] = {call_set_home_node, false},
    [VMSIM__CALL_MIGRATE_PAGES] = {call_migrate_pages, false},
    [VMSIM__CALL_MOVE_PAGES] = {call_move_pages, false},
    [VMSIM__CALL_PROCESS_MADVISE] = {call_process_madvise, false},
    [VMSIM__CALL_MEMORY_BLOCK] = {call_memory_block, false},
    [VMSIM__CALL_MEMORY_NODE] = {call_memory_node, false},
    [VMSIM__CALL_READ] = {call_read, true},
    [VMSIM__CALL_WRITE] = {call_write, true},
    [VMSIM__CALL_OPEN] = {call_open, true},
    [VMSIM__CALL_UNLINK] = {call_unlink, true},
    [VMSIM__CALL_FSYNC] = {call_fsync, true},
    [VMSIM__CALL_FTRUNCATE] = {call_ftruncate, true},
    [VMSIM__CALL_FALLOCATE] = {call_fallocate, true},
    [VMSIM__CALL_FADVISE] = {call_fadvise, true},
    [VMSIM__CALL_SYNC] = {call_sync, false},
    [VMSIM__CALL_OTHER] = {call_other, false},
};

/* A call that was entered again is neither counted nor paid for twice. */
void vmsim__call_begin(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->state == VMSIM__TASK_RUNNABLE);
    vmsim__cpu_load(m, t);
    if (t->in_call)
        return;
    vmsim__call_over(&t->call);
    t->in_call = true;
    t->stats.syscalls++;
    vmsim__now_charge(&m->mem->now, m->spec.costs.syscall);
}

/* What the call cost goes to the task as system time: charges are gathered in the present while it runs. */
void vmsim__call_end(struct vmsim_machine *m, struct vmsim__task *t) {
    VMSIM__ASSERT(t->in_call);
    vmsim__cpu_charge(m, t);
    vmsim__call_over(&t->call);
    t->in_call = false;
}

/* Where the call waits, what for goes to the task, and the record stays, so that the same call can be entered again. */
int64_t vmsim__call_leave(struct vmsim_machine *m, struct vmsim__task *t, int64_t result) {
    VMSIM__ASSERT(t->in_call);
    if (!vmsim__now_waits(&m->mem->now)) {
        VMSIM__ASSERT(result != -VMSIM__ERESTARTSYS);
        vmsim__call_end(m, t);
        if (result < 0)
            vmsim__host_error(
                m); /* what it lacked may be the host's memory: then the machine has an error from here on */
        return result;
    }
    t->wait = m->mem->now.wait;
    m->mem->now.wait = (struct vmsim__wait){0};
    t->call.entered = true;
    vmsim__cpu_charge(m, t);
    return VMSIM__CALL_WAITS;
}

/* A call that has only to pay for memory.high, or whose population waits, is over but for that: its work is not done
 * again. */
int64_t vmsim__call_with(struct vmsim_machine *m, struct vmsim__task *t, vmsim__call_fn *work, void *context) {
    VMSIM__ASSERT(work);
    vmsim__call_begin(m, t);
    int64_t result = t->call.result;
    if (t->call.populate_end)
        vmsim__mm_populate(t->mm, t->call.populate, t->call.populate_end - t->call.populate, t->cpu);
    else if (!t->call.pays)
        result = work(m, t, context);
    if (VMSIM__UNLIKELY(t->over_high) && !vmsim__now_waits(&m->mem->now))
        t->call.pays = !vmsim__limit_pay_high(m, t);
    if (t->call.populate_end || t->call.pays)
        t->call.result = result;
    return vmsim__call_leave(m, t, result);
}

int64_t vmsim__call_find(struct vmsim_machine *m, const struct vmsim__task *t, struct vmsim__file *file) {
    VMSIM__ASSERT(t->in_call);
    return file && vmsim__file_is_lost(file) ? vmsim__file_lookup(m->cache, file, t->cpu) : 0;
}

int64_t vmsim__call_work(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim__call_id id,
                         const struct vmsim__call_args *args) {
    VMSIM__ASSERT(id < VMSIM__CALLS && t->in_call);
    if (rows[id].needs_file && !args->file)
        return -VMSIM__L_EBADF;
    const int64_t result = vmsim__call_find(m, t, args->file);
    return result ? result : rows[id].fn(m, t, args);
}

struct row_call {
    enum vmsim__call_id id;
    const struct vmsim__call_args *args;
};
static int64_t row_work(struct vmsim_machine *m, struct vmsim__task *t, void *context) {
    const struct row_call *c = context;
    return vmsim__call_work(m, t, c->id, c->args);
}

int64_t vmsim__call(struct vmsim_machine *m, struct vmsim__task *t, enum vmsim__call_id id,
                    const struct vmsim__call_args *args) {
    return vmsim__call_with(m, t, row_work, &(struct row_call){id, args});
}

/* For whoever drives the machine call by call: the machine runs until this call is over. The task must be nobody
 * else's: one of a scenario has its own next step. */
int64_t vmsim__call_with_now(struct vmsim_machine *m, uint32_t task, vmsim__call_fn *work, void *context) {
    struct vmsim__task *t = vmsim__task_get(m, task);
    if (!t)
        return ESRCH_RESULT;
    int err = vmsim__sched_catch_up(m, t);
    if (!err && t->state != VMSIM__TASK_RUNNABLE) { /* a scenario's, which has not begun or waits */
        vmsim__err_set(&m->err, VMSIM_ESTATE, "task %u does not run now", task);
        return ESRCH_RESULT;
    }
    while (!err) {
        int64_t result = vmsim__call_with(m, t, work, context);
        if (result != VMSIM__CALL_WAITS)
            return result;
        err = vmsim__sched_wait(m, t);
        if (!err && t->state == VMSIM__TASK_DEAD)
            return ESRCH_RESULT;
    }
    return err == VMSIM_ESTATE ? -VMSIM__L_EIO : -VMSIM__L_ENOMEM;
}

/* The machine runs until it is over. */
int64_t vmsim__call_now(struct vmsim_machine *m, uint32_t task, enum vmsim__call_id id,
                        const struct vmsim__call_args *args) {
    return vmsim__call_with_now(m, task, row_work, &(struct row_call){id, args});
}
