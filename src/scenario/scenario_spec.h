/* SPDX-License-Identifier: MIT */
/* What a scenario file says: machine, policies, workload, report, expectations, as plain values bound by parameter
 * tables.
 *
 * The steps of a described program are a list of one-key mappings (`- mmap: {as: heap, length: 64MiB}`); each verb has
 * a struct here and a table in steps.c, and program*.c run them. */
#ifndef VMSIM__SCENARIO_SPEC_H
#define VMSIM__SCENARIO_SPEC_H
#include "machine/spec.h"
#include "vmsim/param.h"

struct vmsim__file_decl {
    const char *name;
    int kind; /* enum vmsim_file_kind */
    uint64_t size;
    uint64_t inode;      /* on its device; 0: what leads to it is in memory */
    bool cached;         /* its pages are in the page cache when the run begins */
    const char *device;  /* NULL: the first */
    uint64_t fragmented; /* longest piece in bytes; 0: in one piece */
    uint64_t huge_size;  /* of kind hugetlb; 0: the default */
};

/* The part that every step with a system call has: what it must return. */
struct vmsim__step_result {
    const char *error; /* "ENOMEM"; NULL: it must succeed */
};

/* A piece of a named region. length 0: to its end. */
struct vmsim__step_range {
    const char *region;
    uint64_t offset, length;
};

struct vmsim__step_numa { /* mbind, set_mempolicy, set_mempolicy_home_node, migrate_pages, move_pages (numa_steps.h) */
    struct vmsim__step_result result;
    struct vmsim__step_range range;
    int mode;          /* index of the policy's name: Linux's number */
    const char *nodes; /* list; migrate_pages: from */
    const char *to;    /* list of migrate_pages */
    uint64_t node;     /* home; memory_block: its number */
    bool absolute, relative, balancing, strict, move, move_all;
};

struct vmsim__task_decl {
    const char *name;
    uint64_t cpu;
    bool has_cpu;
    struct vmsim_param_list cpus; /* uint64_t; of a trace: where its tasks may run */
    uint64_t start;               /* ns */
    const char *trace;            /* path, relative to the file that says so; NULL: described by `program` */
    int64_t oom_score_adj;
    const char *cgroup;              /* path; NULL: the root */
    bool follow_memory;              /* NUMA balancing may move it to another CPU */
    bool cached;                     /* trace: the files it reads are in the page cache */
    struct vmsim__step_numa numa;    /* set_mempolicy before it begins */
    bool recorded_addresses;         /* trace: mappings lie where they were recorded */
    struct vmsim_param_list program; /* struct vmsim_param_variant */
};

/* A control group that exists from the start. */
struct vmsim__cgroup_decl {
    const char *path;
    struct vmsim__policy_choice reclaim; /* of it and of those below; nothing: as above it */
    struct vmsim_param_list files;       /* struct vmsim_param_pair: what is written to its files */
};

struct vmsim__workload_spec {
    uint64_t seed;
    struct vmsim_param_list cgroups; /* struct vmsim__cgroup_decl */
    struct vmsim_param_list files;   /* struct vmsim__file_decl */
    struct vmsim_param_list tasks;   /* struct vmsim__task_decl */
};

struct vmsim__report_spec {
    uint64_t interval;     /* ns between rows of intervals.csv; 0: none */
    const char *directory; /* NULL: none is written unless the command line says so */
};

/* One expectation: a counter, or a sum of some, at the end of the run or at a marker, as it is, since another marker,
 * or as a share of another counter, within bounds. Bounds are texts, as their unit is the counter's: 3, 10ms, 64MiB,
 * 25%, or the name of another counter. */
struct vmsim__expect_spec {
    const char *counter, *of, *at, *since;
    struct vmsim_param_list sum; /* const char * */
    const char *equals, *min, *max;
};

struct vmsim__policies_spec {
    struct vmsim__policy_choice choice[VMSIM_POLICY_DOMAINS]; /* name and plugin NULL: as the machine's parts say */
};

struct vmsim__scenario_spec {
    uint64_t version;
    struct vmsim__machine_spec machine;
    struct vmsim__policies_spec policies;
    struct vmsim__workload_spec workload;
    struct vmsim__report_spec report;
    struct vmsim_param_list expect; /* struct vmsim__expect_spec */
};

/* ---- steps ---- */

struct vmsim__step_mmap {
    struct vmsim__step_result result;
    const char *as, *file, *prot;
    uint64_t length, address, offset, huge_size;
    bool has_address, shared, fixed, fixed_noreplace, populate, noreserve, locked, grows_down, hugetlb;
};
struct vmsim__step_range_call { /* munmap, mlock, munlock, msync */
    struct vmsim__step_result result;
    struct vmsim__step_range range;
    bool on_fault; /* of mlock */
};
struct vmsim__step_mprotect {
    struct vmsim__step_result result;
    struct vmsim__step_range range;
    const char *prot;
};
struct vmsim__step_mremap {
    struct vmsim__step_result result;
    const char *region;
    uint64_t length, address;
    bool has_address, may_move, dont_unmap;
};
struct vmsim__step_madvise {
    struct vmsim__step_result result;
    struct vmsim__step_range range;
    int advice;     /* index in vmsim__advice_names */
    uint64_t every; /* 1: the range as a whole */
    bool random;    /* each page with a chance of 1 in `every` */
};
struct vmsim__step_brk {
    struct vmsim__step_result result;
    int64_t grow; /* bytes, negative: shrink */
    const char *as;
};
struct vmsim__step_mlockall {
    struct vmsim__step_result result;
    bool future, on_fault;
};

enum vmsim__pattern {
    VMSIM__PATTERN_SEQUENTIAL,
    VMSIM__PATTERN_STRIDE,
    VMSIM__PATTERN_UNIFORM,
    VMSIM__PATTERN_ZIPF,
    VMSIM__PATTERN_HOT_COLD,
    VMSIM__PATTERN_POINTER_CHASE,
    VMSIM__PATTERN_BACKWARD
};
struct vmsim__step_touch {
    struct vmsim__step_range range;
    int pattern;       /* enum vmsim__pattern */
    uint64_t count;    /* references; 0: one pass */
    uint64_t stride;   /* bytes between neighbours; the granule of the random patterns */
    uint64_t write;    /* millionths that are stores */
    uint64_t size;     /* bytes of a reference */
    uint64_t exponent; /* zipf: millionths */
    uint64_t hot,
        hot_share;      /* hot-cold: millionths of the region that are hot, millionths of references that go there */
    uint64_t think;     /* ns after each reference */
    bool fetch;         /* instruction fetches */
    bool catch_signals; /* SIGSEGV and SIGBUS are caught: the reference is skipped and counted */
};

struct vmsim__step_file {
    struct vmsim__step_result result;
    const char *file;
    uint64_t offset, length, block; /* block: bytes of one call; 0: all at once */
};
struct vmsim__step_create {
    struct vmsim__file_decl file;
};
struct vmsim__step_fallocate {
    struct vmsim__step_result result;
    const char *file;
    uint64_t offset, length;
    bool punch_hole, keep_size;
};
struct vmsim__step_fadvise {
    struct vmsim__step_result result;
    const char *file;
    uint64_t offset, length;
    int advice;
};

struct vmsim__step_fork {
    struct vmsim__step_result result;
    const char *name;
    uint64_t cpu;
    bool has_cpu, thread;
    struct vmsim_param_list program;
};
struct vmsim__step_wait {
    uint64_t children; /* of those there are; 0: all */
};
struct vmsim__step_kill {
    struct vmsim__step_result result;
    const char *task;
};
struct vmsim__step_oom_score_adj {
    int64_t value;
};
struct vmsim__step_repeat {
    uint64_t times;
    struct vmsim_param_list steps;
};
struct vmsim__step_time {
    uint64_t time;
};
struct vmsim__step_barrier {
    const char *name;
    uint64_t tasks;
};
struct vmsim__step_migrate {
    uint64_t cpu;
};
struct vmsim__step_marker {
    const char *name;
};
struct vmsim__step_sysctl {
    const char *name, *value;
};
struct vmsim__step_cgroup { /* cgroup_create, cgroup_remove, cgroup_attach, cgroup_write */
    struct vmsim__step_result result;
    const char *cgroup, *file, *value;
};
struct vmsim__step_swapon {
    struct vmsim__step_result result;
    struct vmsim__swap_spec area;
};
struct vmsim__step_swapoff {
    struct vmsim__step_result result;
    const char *area;
};
struct vmsim__step_alloc_pages {
    const char *as, *zone;
    uint64_t order, count, contiguous;
    bool atomic, cma;
    struct vmsim__step_result result;
};
struct vmsim__step_free_pages {
    const char *region;
    uint64_t every; /* 1: all, 2: every second block ... */
};
struct vmsim__step_rlimit {
    int which;
    uint64_t bytes;
};
struct vmsim__step_clear_refs {
    uint64_t what;
};
struct vmsim__step_device_fault {
    const char *device; /* NULL: the first */
    struct vmsim__block_fault fault;
};
struct vmsim__step_call {
    struct vmsim__step_result result;
    int call;         /* enum vmsim__raw_call */
    const char *args; /* numbers between blanks */
};
enum vmsim__raw_call {
    VMSIM__RAW_MMAP,
    VMSIM__RAW_MUNMAP,
    VMSIM__RAW_MPROTECT,
    VMSIM__RAW_MREMAP,
    VMSIM__RAW_MADVISE,
    VMSIM__RAW_BRK,
    VMSIM__RAW_MLOCK,
    VMSIM__RAW_MUNLOCK,
    VMSIM__RAW_MLOCKALL,
    VMSIM__RAW_MSYNC,
    VMSIM__RAW_MINCORE,
    VMSIM__RAW_MBIND,
    VMSIM__RAW_SET_MEMPOLICY,
    VMSIM__RAW_GET_MEMPOLICY,
    VMSIM__RAW_SET_HOME_NODE,
    VMSIM__RAW_MIGRATE_PAGES,
    VMSIM__RAW_MOVE_PAGES
};
struct vmsim__step_exit {
    int64_t status;
};

/* Verbs, in the order of vmsim__steps[]. */
enum vmsim__verb {
    VMSIM__VERB_MMAP,
    VMSIM__VERB_MUNMAP,
    VMSIM__VERB_MPROTECT,
    VMSIM__VERB_MREMAP,
    VMSIM__VERB_MADVISE,
    VMSIM__VERB_BRK,
    VMSIM__VERB_MLOCK,
    VMSIM__VERB_MUNLOCK,
    VMSIM__VERB_MLOCKALL,
    VMSIM__VERB_MUNLOCKALL,
    VMSIM__VERB_MSYNC,
    VMSIM__VERB_TOUCH,
    VMSIM__VERB_CREATE,
    VMSIM__VERB_UNLINK,
    VMSIM__VERB_OPEN,
    VMSIM__VERB_READ,
    VMSIM__VERB_WRITE,
    VMSIM__VERB_FSYNC,
    VMSIM__VERB_TRUNCATE,
    VMSIM__VERB_FALLOCATE,
    VMSIM__VERB_FADVISE,
    VMSIM__VERB_FORK,
    VMSIM__VERB_WAIT,
    VMSIM__VERB_KILL,
    VMSIM__VERB_OOM_SCORE_ADJ,
    VMSIM__VERB_EXIT,
    VMSIM__VERB_REPEAT,
    VMSIM__VERB_SLEEP,
    VMSIM__VERB_COMPUTE,
    VMSIM__VERB_BARRIER,
    VMSIM__VERB_MIGRATE,
    VMSIM__VERB_MARKER,
    VMSIM__VERB_SYSCTL,
    VMSIM__VERB_ALLOC_PAGES,
    VMSIM__VERB_FREE_PAGES,
    VMSIM__VERB_RLIMIT,
    VMSIM__VERB_CLEAR_REFS,
    VMSIM__VERB_LRU_DRAIN,
    VMSIM__VERB_DEVICE_FAULT,
    VMSIM__VERB_CALL,
    VMSIM__VERB_CGROUP_CREATE,
    VMSIM__VERB_CGROUP_REMOVE,
    VMSIM__VERB_CGROUP_ATTACH,
    VMSIM__VERB_CGROUP_WRITE,
    VMSIM__VERB_SWAPON,
    VMSIM__VERB_SWAPOFF,
    VMSIM__VERB_MBIND,
    VMSIM__VERB_SET_MEMPOLICY,
    VMSIM__VERB_HOME_NODE,
    VMSIM__VERB_MIGRATE_PAGES,
    VMSIM__VERB_MOVE_PAGES,
    VMSIM__VERB_MEMORY_BLOCK,
    VMSIM__VERB_MEMORY_NODE,
    VMSIM__VERBS
};
extern const struct vmsim_variant vmsim__steps[VMSIM__VERBS + 1];
static inline enum vmsim__verb vmsim__verb_of(const struct vmsim_param_variant *step) {
    return (enum vmsim__verb)(step->variant - vmsim__steps);
}
extern const char *const vmsim__advice_names[];
extern const int vmsim__advice_numbers[];
extern const char *const vmsim__file_kind_names[];
extern const struct vmsim_param vmsim__file_decl_params[];

/* Parts of the root table of a scenario file; scenario/root.c joins the others. */
extern const struct vmsim_param vmsim__workload_params[], vmsim__report_params[], vmsim__expect_params[];

#endif
