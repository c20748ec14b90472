/* SPDX-License-Identifier: MIT */
/* Control groups: a tree of names over the memory cgroups of lru/, the tasks in it, its files, and what happens to a
 * task whose cgroup is full.
 *
 *     "/"              task->cgroup: number of its cgroup; task->memcg: who pays for what it brings in
 *      |-- "/a"        cgroup 1 --memcg--> counters, lists, events (lru/memcg.h)
 *      |    `-- "/a/b"
 *      `-- "/c"
 *
 * A number and a path belong together for ever: a cgroup that is made anew under a path of old has its number, so that
 * counters by name go on. Charges stay with the memory cgroup that they were made for, wherever the task moves.
 * Kernel counterparts: kernel/cgroup/cgroup.c, mm/memcontrol.c (the files of cgroup v2). */
#ifndef VMSIM__CGROUP_H
#define VMSIM__CGROUP_H
#include "base/vec.h"
#include "machine/cpuset.h"
#include "machine/psi.h"
#include "reclaim/vmscan.h"

struct vmsim_machine;
struct vmsim__task;

#define VMSIM__CGROUP_ROOT 0u
#define VMSIM__CGROUP_PATH_MAX 256u /* bytes of a path, its end included */
#define VMSIM__CGROUP_DEPTH_MAX 32u /* nested cgroups; the kernel has no limit of its own (cgroup.max.depth) */

struct vmsim__cgroup {
    const char *path;           /* "/a/b"; belongs to the machine's names */
    struct vmsim__memcg *memcg; /* NULL: it was removed */
    uint32_t parent;            /* number */
    uint32_t children;          /* that are there */
    uint32_t tasks;             /* alive in it, not below */
    struct vmsim__cpuset cpuset;
    struct vmsim__psi psi; /* of it and all below; the root's is the machine's */
};

/* What a task does at a limit, kept over its waits: a charge, or what it owes for memory.high. */
struct vmsim__limit {
    bool active; /* it goes on when it is entered again */
    bool reclaiming;
    uint8_t retries;
    uint8_t own_swappiness; /* of the scan control, for what is asked of memory.reclaim */
    uint16_t memcg, at;     /* whose charge; where on the way up it reclaims */
    uint32_t pages;
    uint64_t reclaimed;
    enum {
        VMSIM__LIMIT_CHARGE,
        VMSIM__LIMIT_HIGH,
        VMSIM__LIMIT_HIGH_AGAIN,
        VMSIM__LIMIT_ASLEEP,
        VMSIM__LIMIT_WRITE
    } what;
    struct vmsim__memcg_charge charge;
    struct vmsim__scan_control sc;
};

int vmsim__cgroup_init(struct vmsim_machine *m); /* 0 or VMSIM_ENOMEM */
void vmsim__cgroup_fini(struct vmsim_machine *m);
/* Do tasks, paths and memory cgroups agree? 0 or VMSIM_ECHECK. */
int vmsim__cgroup_check(struct vmsim_machine *m);

/* The number of a cgroup that is there; VMSIM__NO_CGROUP. */
#define VMSIM__NO_CGROUP UINT32_MAX
uint32_t vmsim__cgroup_find(const struct vmsim_machine *m, const char *path);
struct vmsim__cgroup *vmsim__cgroup_of(const struct vmsim_machine *m, const struct vmsim__task *t);
/* The task joins (it is in none yet), and leaves for ever. */
void vmsim__cgroup_enter(struct vmsim_machine *m, struct vmsim__task *t, uint32_t cgroup);
void vmsim__cgroup_leave(struct vmsim_machine *m, struct vmsim__task *t);

/* As vmsim_cgroup_create, _remove, _attach: 0 or a negative Linux errno, with a text. */
int vmsim__cgroup_mkdir(struct vmsim_machine *m, const char *path);
int vmsim__cgroup_rmdir(struct vmsim_machine *m, const char *path);
int vmsim__cgroup_attach(struct vmsim_machine *m, const char *path, struct vmsim__task *t);

/* ---- memcg_limits.c ---- */

/* lru/'s way to find room at a limit. */
bool vmsim__limit_charge(void *machine, uint16_t memcg, uint32_t pages, uint32_t gfp, unsigned cpu);
/* On the way back to the program: what was charged above memory.high is paid for. False: the present waits, and it is
 * to be entered again. Kernel: mem_cgroup_handle_over_high. */
bool vmsim__limit_pay_high(struct vmsim_machine *m, struct vmsim__task *t);
/* Jiffies that a task sleeps for `pages` in a cgroup that uses so much more than it should. */
uint64_t vmsim__limit_overage(uint64_t usage, uint64_t high);
uint64_t vmsim__limit_high_delay(uint64_t pages, uint64_t overage);

/* ---- cgroup_files.c ---- */

/* A file of each cgroup, and what may be asked of it. */
struct vmsim__cgroup_file {
    const char *name; /* "memory.max" */
    bool root;        /* the root has it, too */
    bool writable;
    const char *since; /* the first kernel that has it; NULL: all */
};
/* Number `i`; NULL past the last. */
const struct vmsim__cgroup_file *vmsim__cgroup_file_at(unsigned i);
/* Has the kernel the file, and the machine what it is about? */
bool vmsim__cgroup_file_there(const struct vmsim_machine *m, const char *file, const char *since);
/* Writes a file of a cgroup: 0 or a negative Linux errno, with a text. `l` is what a writer that waits goes on with
 * (-VMSIM__ERESTARTSYS); zero when it begins. */
int vmsim__cgroup_write(struct vmsim_machine *m, const char *path, const char *file, const char *value,
                        struct vmsim__limit *l);
/* The same as a system call of a task; VMSIM__CALL_WAITS: to be made again. */
struct vmsim__cgroup_text {
    const char *path, *file, *value;
};
int64_t vmsim__cgroup_write_call(struct vmsim_machine *m, struct vmsim__task *t, const struct vmsim__cgroup_text *w);
/* Line `i` of a file as Linux prints it, without its end; false: past the last. */
#define VMSIM__CGROUP_LINE_MAX 4096u
bool vmsim__cgroup_line(const struct vmsim_machine *m, uint32_t cgroup, const char *file, unsigned i, char *text,
                        size_t size);

/* One number of a cgroup, by its place in the files: "memory.current", "memory.stat.anon". */
struct vmsim__cgroup_number {
    const char *file, *key; /* key NULL: the file is this number */
    uint8_t kind;           /* cgroup_files.c's */
    uint16_t arg;
    const char *since;
};
const struct vmsim__cgroup_number *vmsim__cgroup_number_at(unsigned i);
uint64_t vmsim__cgroup_read(const struct vmsim_machine *m, uint32_t cgroup, const struct vmsim__cgroup_number *n);

#endif
