/* SPDX-License-Identifier: MIT */
/* The verbs of described programs: one table each, and the list of them. What they do is in program_memory.c and
 * program_tasks.c.
 *
 * A table is all that is said about a verb's fields. Checks of a scenario, its messages, `--set`, the JSON schema of
 * editors and the references of docs/ read it, which is why every row has a text for people and bounds that hold
 * without a machine; what depends on the machine or on other steps is checked in validate_workload.c. Arrays of names
 * and of numbers that go together (advice) have one order, and names end with NULL.
 *
 * Rows that many verbs share are macros (RANGE, RESULT): a step that names a region does it with the same three keys
 * everywhere, and each that can fail can be told with which errno it has to. */
#include <stddef.h>

#include "scenario/numa_steps.h"

const char *const vmsim__advice_names[] = {
    "normal",      "random",        "sequential",     "willneed",     "dontneed",
    "free",        "remove",        "dontfork",       "dofork",       "hugepage",
    "nohugepage",  "dontdump",      "dodump",         "wipeonfork",   "keeponfork",
    "cold",        "populate_read", "populate_write", "pageout",      "mergeable",
    "unmergeable", "collapse",      "guard_install",  "guard_remove", NULL};
const int vmsim__advice_numbers[] = {
    VMSIM__MADV_NORMAL,        VMSIM__MADV_RANDOM,         VMSIM__MADV_SEQUENTIAL,    VMSIM__MADV_WILLNEED,
    VMSIM__MADV_DONTNEED,      VMSIM__MADV_FREE,           VMSIM__MADV_REMOVE,        VMSIM__MADV_DONTFORK,
    VMSIM__MADV_DOFORK,        VMSIM__MADV_HUGEPAGE,       VMSIM__MADV_NOHUGEPAGE,    VMSIM__MADV_DONTDUMP,
    VMSIM__MADV_DODUMP,        VMSIM__MADV_WIPEONFORK,     VMSIM__MADV_KEEPONFORK,    VMSIM__MADV_COLD,
    VMSIM__MADV_POPULATE_READ, VMSIM__MADV_POPULATE_WRITE, VMSIM__MADV_PAGEOUT,       VMSIM__MADV_MERGEABLE,
    VMSIM__MADV_UNMERGEABLE,   VMSIM__MADV_COLLAPSE,       VMSIM__MADV_GUARD_INSTALL, VMSIM__MADV_GUARD_REMOVE};
const char *const vmsim__file_kind_names[] = {"regular", "shmem", "ramfs", "blockdev", "directory", "hugetlb", NULL};
static const char *const pattern_names[] = {"sequential", "stride",        "uniform",  "zipf",
                                            "hot-cold",   "pointer-chase", "backward", NULL};
static const char *const rlimit_names[] = {"as", "data", "stack", "memlock", "fsize", NULL};
static const char *const fadvice_names[] = {"normal", "random", "sequential", "willneed", "dontneed", "noreuse", NULL};

#define OPTIONAL VMSIM_PARAM_OPTIONAL
#define LONGEST (UINT64_C(1) << 62) /* no clock overflows: see VMSIM__TIME_END */
/* A field of struct vmsim__step_NAME: AT is defined around each table. */
#define STRING(key, field, text)                                                                                       \
    { .name = key, .type = VMSIM_PARAM_STRING, .offset = AT(field), .doc = text }
#define OPT_STRING(key, field, text)                                                                                   \
    { .name = key, .type = VMSIM_PARAM_STRING, .offset = AT(field), .flags = OPTIONAL, .doc = text }
#define SIZE(key, field, value, text)                                                                                  \
    { .name = key, .type = VMSIM_PARAM_SIZE, .offset = AT(field), .fallback = value, .doc = text }
#define UINT(key, field, value, text)                                                                                  \
    { .name = key, .type = VMSIM_PARAM_UINT, .offset = AT(field), .fallback = value, .doc = text }
#define TIME(key, field, value, text)                                                                                  \
    { .name = key, .type = VMSIM_PARAM_TIME, .offset = AT(field), .fallback = value, .max = LONGEST, .doc = text }
#define BOOL(key, field, text)                                                                                         \
    { .name = key, .type = VMSIM_PARAM_BOOL, .offset = AT(field), .fallback = "false", .doc = text }
#define RESULT                                                                                                         \
    {                                                                                                                  \
        .name = "error", .type = VMSIM_PARAM_STRING, .offset = AT(result.error), .flags = OPTIONAL,                    \
        .doc = "The errno that the call must return, by name (ENOMEM); absent: it must succeed."                       \
    }
#define RANGE                                                                                                          \
    STRING("region", range.region, "Name that an earlier mmap, mremap or brk gave (`as`)."),                           \
        SIZE("offset", range.offset, "0", "First byte, from the start of the region."),                                \
        SIZE("length", range.length, "0", "Bytes; 0: to the end of the region.")
#define PROT OPT_STRING("prot", prot, "Permissions as letters of 'rwx', 'none' for no access; default rw.")

#define AT(f) offsetof(struct vmsim__step_mmap, f)
static const struct vmsim_param mmap_params[] = {
    RESULT,
    OPT_STRING("as", as, "Name for the region."),
    SIZE("length", length, NULL, "Bytes."),
    {.name = "address",
     .type = VMSIM_PARAM_ADDRESS,
     .offset = AT(address),
     .flags = OPTIONAL,
     .present = AT(has_address),
     .doc = "Hint, or the exact place with fixed."},
    OPT_STRING("file", file, "Name of the file to map; absent: anonymous memory."),
    SIZE("offset", offset, "0", "First byte in the file."),
    PROT,
    BOOL("shared", shared, "MAP_SHARED instead of MAP_PRIVATE."),
    BOOL("fixed", fixed, "MAP_FIXED."),
    BOOL("fixed_noreplace", fixed_noreplace, "MAP_FIXED_NOREPLACE."),
    BOOL("populate", populate, "MAP_POPULATE."),
    BOOL("noreserve", noreserve, "MAP_NORESERVE."),
    BOOL("locked", locked, "MAP_LOCKED."),
    BOOL("grows_down", grows_down, "MAP_GROWSDOWN."),
    BOOL("hugetlb", hugetlb, "MAP_HUGETLB: pages of a pool (vm.nr_hugepages)."),
    SIZE("huge_size", huge_size, "0", "MAP_HUGETLB with pages of this size (MAP_HUGE_2MB); 0: of the default size."),
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_range_call, f)
static const struct vmsim_param range_params[] = {RESULT, RANGE, {0}};
static const struct vmsim_param mlock_params[] = {RESULT, RANGE, BOOL("on_fault", on_fault, "MLOCK_ONFAULT."), {0}};
#undef AT
#define AT(f) offsetof(struct vmsim__step_mprotect, f)
static const struct vmsim_param mprotect_params[] = {RESULT, RANGE, PROT, {0}};
#undef AT
#define AT(f) offsetof(struct vmsim__step_mremap, f)
static const struct vmsim_param mremap_params[] = {
    RESULT,
    STRING("region", region, "The region, whole."),
    SIZE("length", length, NULL, "New length in bytes."),
    {.name = "address",
     .type = VMSIM_PARAM_ADDRESS,
     .offset = AT(address),
     .flags = OPTIONAL,
     .present = AT(has_address),
     .doc = "MREMAP_FIXED: where to."},
    BOOL("may_move", may_move, "MREMAP_MAYMOVE."),
    BOOL("dont_unmap", dont_unmap, "MREMAP_DONTUNMAP."),
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_madvise, f)
static const struct vmsim_param madvise_params[] = {
    RESULT,
    RANGE,
    {.name = "advice",
     .type = VMSIM_PARAM_ENUM,
     .offset = AT(advice),
     .choices = vmsim__advice_names,
     .doc = "As madvise(2) names it, without MADV_."},
    {.name = "every",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(every),
     .fallback = "1",
     .min = 1,
     .max = UINT32_MAX,
     .doc = "n above 1: every n-th page of the range alone, a call each; dontneed makes fragmentation so."},
    BOOL("random", random, "With `every`: each page with a chance of one in n, by the machine's seed."),
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_brk, f)
static const struct vmsim_param brk_params[] = {
    RESULT,
    {.name = "grow", .type = VMSIM_PARAM_INT, .offset = AT(grow), .doc = "Bytes to move the break by; negative: down."},
    OPT_STRING("as", as, "Name for the heap as a region."),
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_mlockall, f)
static const struct vmsim_param mlockall_params[] = {
    RESULT, BOOL("future", future, "MCL_FUTURE as well."), BOOL("on_fault", on_fault, "MCL_ONFAULT."), {0}};
static const struct vmsim_param result_params[] = {RESULT, {0}};
#undef AT
#define AT(f) offsetof(struct vmsim__step_touch, f)
static const struct vmsim_param touch_params[] = {
    RANGE,
    {.name = "pattern",
     .type = VMSIM_PARAM_ENUM,
     .offset = AT(pattern),
     .fallback = "sequential",
     .choices = pattern_names,
     .doc = "Order of the references. pointer-chase visits every granule once a round, in one random cycle."},
    UINT("count", count, "0", "References; 0: one pass over the range."),
    {.name = "stride",
     .type = VMSIM_PARAM_SIZE,
     .offset = AT(stride),
     .fallback = "4KiB",
     .min = 1,
     .max = UINT64_C(1) << 40,
     .doc = "Bytes from one reference to the next; for the random patterns the granule that is chosen."},
    {.name = "write",
     .type = VMSIM_PARAM_RATIO,
     .offset = AT(write),
     .fallback = "0",
     .max = 1000000,
     .min = 0,
     .doc = "Share of references that are stores."},
    {.name = "size",
     .type = VMSIM_PARAM_SIZE,
     .offset = AT(size),
     .fallback = "8",
     .min = 1,
     .max = 4096,
     .doc = "Bytes of a reference."},
    {.name = "exponent",
     .type = VMSIM_PARAM_RATIO,
     .offset = AT(exponent),
     .fallback = "1",
     .max = 4000000,
     .doc = "Skew of zipf."},
    {.name = "hot",
     .type = VMSIM_PARAM_RATIO,
     .offset = AT(hot),
     .fallback = "0.1",
     .max = 1000000,
     .doc = "hot-cold: the share of the range that is hot (its beginning)."},
    {.name = "hot_share",
     .type = VMSIM_PARAM_RATIO,
     .offset = AT(hot_share),
     .fallback = "0.9",
     .max = 1000000,
     .doc = "hot-cold: the share of references that go to the hot part."},
    {.name = "think",
     .type = VMSIM_PARAM_TIME,
     .offset = AT(think),
     .fallback = "0",
     .max = UINT64_C(3600000000000),
     .doc = "Virtual time between references."},
    BOOL("fetch", fetch, "Instruction fetches instead of loads."),
    BOOL("catch_signals", catch_signals,
         "SIGSEGV and SIGBUS are caught and counted (`tasks.NAME.signals_caught`), and the program goes on with the "
         "next reference."),
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__file_decl, f)
const struct vmsim_param vmsim__file_decl_params[] = {
    STRING("name", name, "Its path."),
    {.name = "kind",
     .type = VMSIM_PARAM_ENUM,
     .offset = AT(kind),
     .fallback = "regular",
     .choices = vmsim__file_kind_names,
     .doc = "regular: on a disk; shmem: tmpfs, memfd; ramfs: pinned in memory; blockdev: a disk itself, as file "
            "systems read their own blocks (Buffers); directory: for the number of its inode; hugetlb: on a "
            "hugetlbfs, in pages of a pool."},
    SIZE("size", size, "0", "Bytes."),
    {.name = "inode",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(inode),
     .fallback = "0",
     .max = VMSIM__INO_MAX,
     .doc = "Number of its inode on its device: who uses it first reads the directories of its path and the table of "
            "inodes around it, 512 (128 KiB) at a time. 0: they are in memory. Of regular files and directories."},
    BOOL("cached", cached, "All its pages are in the page cache from the start."),
    OPT_STRING("device", device,
               "The storage device (machine.devices) that it lies on, behind the files named before; default: the "
               "first. Of regular files and block devices."),
    {.name = "fragmented",
     .type = VMSIM_PARAM_SIZE,
     .offset = AT(fragmented),
     .fallback = "0",
     .doc = "It lies in pieces of this size, a multiple of 4KiB, spread over the device; 0: in one piece if there is "
            "room."},
    SIZE("huge_size", huge_size, "0", "Of kind hugetlb: the size of its pages; 0: the default one."),
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_file, f)
static const struct vmsim_param file_params[] = {
    RESULT,
    STRING("file", file, "Its name."),
    SIZE("offset", offset, "0", "First byte."),
    SIZE("length", length, "0", "Bytes; 0: to the end of the file (truncate: the new length)."),
    SIZE("block", block, "0", "Bytes of one call; 0: all at once."),
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_fallocate, f)
static const struct vmsim_param fallocate_params[] = {
    RESULT,
    STRING("file", file, "Its name."),
    SIZE("offset", offset, "0", "First byte."),
    SIZE("length", length, NULL, "Bytes."),
    BOOL("punch_hole", punch_hole, "FALLOC_FL_PUNCH_HOLE."),
    BOOL("keep_size", keep_size, "FALLOC_FL_KEEP_SIZE."),
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_fadvise, f)
static const struct vmsim_param fadvise_params[] = {
    RESULT,
    STRING("file", file, "Its name."),
    SIZE("offset", offset, "0", "First byte."),
    SIZE("length", length, "0", "Bytes; 0: to the end."),
    {.name = "advice",
     .type = VMSIM_PARAM_ENUM,
     .offset = AT(advice),
     .choices = fadvice_names,
     .doc = "As posix_fadvise(2) names it."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_fork, f)
static const struct vmsim_param fork_params[] = {
    OPT_STRING("name", name, "Name of the child; default: the parent's."),
    {.name = "cpu",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(cpu),
     .flags = OPTIONAL,
     .present = AT(has_cpu),
     .doc = "CPU of the child; default: the parent's."},
    BOOL("thread", thread,
         "A thread: the address space is shared, and a signal that kills one kills all of the process."),
    {.name = "program",
     .type = VMSIM_PARAM_VARIANT_LIST,
     .offset = AT(program),
     .variants = vmsim__steps,
     .doc = "Steps of the child; it exits after the last."},
    RESULT,
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_wait, f)
static const struct vmsim_param wait_params[] = {
    UINT("children", children, "0", "How many of the children that there are now must have ended; 0: all."), {0}};
#undef AT
#define AT(f) offsetof(struct vmsim__step_kill, f)
static const struct vmsim_param kill_params[] = {RESULT, STRING("task", task, "Name that `fork` gave them."), {0}};
#undef AT
#define AT(f) offsetof(struct vmsim__step_oom_score_adj, f)
static const struct vmsim_param oom_score_adj_params[] = {
    {.name = "value",
     .type = VMSIM_PARAM_INT,
     .offset = AT(value),
     .min = (uint64_t)-1000,
     .max = 1000,
     .doc = "-1000 (the OOM killer never takes it) to 1000 (it first); children that are forked later have it, too."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_repeat, f)
static const struct vmsim_param repeat_params[] = {
    UINT("times", times, NULL, "How often."),
    {.name = "steps",
     .type = VMSIM_PARAM_VARIANT_LIST,
     .offset = AT(steps),
     .variants = vmsim__steps,
     .doc = "What is repeated."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_time, f)
static const struct vmsim_param time_params[] = {TIME("time", time, NULL, "Virtual time."), {0}};
#undef AT
#define AT(f) offsetof(struct vmsim__step_barrier, f)
static const struct vmsim_param barrier_params[] = {
    STRING("name", name, "Tasks that name the same barrier meet at it."),
    {.name = "tasks",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(tasks),
     .min = 1,
     .max = 1000000,
     .doc = "How many tasks meet."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_migrate, f)
static const struct vmsim_param migrate_params[] = {UINT("cpu", cpu, NULL, "The CPU to go on."), {0}};
#undef AT
#define AT(f) offsetof(struct vmsim__step_marker, f)
static const struct vmsim_param marker_params[] = {
    STRING("name", name, "Counters are kept as they stand here, under this name."), {0}};
#undef AT
#define AT(f) offsetof(struct vmsim__step_sysctl, f)
static const struct vmsim_param sysctl_params[] = {
    STRING("name", name, "Knob, as in `machine.sysctl`."), STRING("value", value, "What is written."), {0}};
#undef AT
#define AT(f) offsetof(struct vmsim__step_cgroup, f)
#define CGROUP STRING("cgroup", cgroup, "Its path: /a/b.")
static const struct vmsim_param cgroup_params[] = {RESULT, CGROUP, {0}};
static const struct vmsim_param cgroup_write_params[] = {
    RESULT,
    CGROUP,
    STRING("file", file, "memory.max, memory.high, memory.reclaim, ... as in `workload.cgroups`."),
    STRING("value", value, "What is written: bytes, or max; of memory.oom.group 0 or 1."),
    {0}};
#undef AT
#define AT(f) offsetof(struct vmsim__step_swapon, f)
static const struct vmsim_param swapon_params[] = {
    RESULT,
    OPT_STRING("device", area.device, "The storage device (machine.devices); absent: the first."),
    SIZE("size", area.size, "0", "Size of a new swap file on it; 0: the device as a whole."),
    {.name = "priority",
     .type = VMSIM_PARAM_INT,
     .offset = AT(area.priority),
     .fallback = "-1",
     .min = UINT64_MAX, /* -1 */
     .max = VMSIM__SWAP_PRIORITY_MAX,
     .doc = "As in `machine.swap`."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_swapoff, f)
static const struct vmsim_param swapoff_params[] = {
    RESULT,
    STRING("area", area, "As /proc/swaps calls it (/dev/vdb, /swapfile), or the device that it is as a whole."),
    {0}};
#undef AT
#define AT(f) offsetof(struct vmsim__step_alloc_pages, f)
static const struct vmsim_param alloc_params[] = {
    RESULT,
    OPT_STRING("as", as, "Name for the blocks, for free_pages."),
    {.name = "order",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(order),
     .fallback = "0",
     .max = 13,
     .doc = "Blocks of 2^order frames."},
    UINT("count", count, "1", "How many blocks."),
    OPT_STRING("zone", zone, "any, dma, dma32 or movable; default any."),
    BOOL("atomic", atomic, "GFP_ATOMIC instead of GFP_KERNEL."),
    SIZE("contiguous", contiguous, "0",
         "Instead of blocks of an order: ranges of this size, which are emptied of what can be moved."),
    BOOL("cma", cma, "Such ranges out of the areas that `reserved` keeps for them."),
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_free_pages, f)
static const struct vmsim_param free_params[] = {
    STRING("region", region, "Name that alloc_pages gave."),
    {.name = "every",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(every),
     .fallback = "1",
     .min = 1,
     .max = UINT32_MAX,
     .doc = "Free only each n-th block of those left: fragments memory."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_rlimit, f)
static const struct vmsim_param rlimit_step_params[] = {
    {.name = "resource", .type = VMSIM_PARAM_ENUM, .offset = AT(which), .choices = rlimit_names, .doc = "Which limit."},
    SIZE("bytes", bytes, NULL, "Its new value."),
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_clear_refs, f)
static const struct vmsim_param clear_refs_params[] = {
    {.name = "what",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(what),
     .fallback = "1",
     .min = 1,
     .max = 5,
     .doc = "1 all, 2 anonymous, 3 file mappings, 4 soft-dirty, 5 peak RSS: what is written to /proc/PID/clear_refs."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_device_fault, f)
static const struct vmsim_param device_fault_params[] = {
    OPT_STRING("device", device, "Name of the device; absent: the first."),
    {.name = "fault",
     .type = VMSIM_PARAM_STRUCT,
     .offset = AT(fault),
     .fields = vmsim__block_fault_params,
     .doc = "As in machine.devices; `after` counts from here."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_call, f)
static const char *const raw_call_names[] = {"mmap",          "munmap",        "mprotect",
                                             "mremap",        "madvise",       "brk",
                                             "mlock",         "munlock",       "mlockall",
                                             "msync",         "mincore",       "mbind",
                                             "set_mempolicy", "get_mempolicy", "set_mempolicy_home_node",
                                             "migrate_pages", "move_pages",    NULL};
static const struct vmsim_param call_params[] = {
    RESULT,
    {.name = "name",
     .type = VMSIM_PARAM_ENUM,
     .offset = AT(call),
     .choices = raw_call_names,
     .doc = "The system call. mlock takes MLOCK_ONFAULT as a third number; mmap has no file; of memory policies the "
            "mask of nodes is a number (mbind: addr length mode mask flags; set_mempolicy: mode mask; get_mempolicy: "
            "addr flags; migrate_pages: from to; move_pages: addr length mask flags, page n to the n-th node of the "
            "mask, in a circle)."},
    STRING("args", args, "Its arguments as numbers (0x for hexadecimal) between blanks; missing ones are 0."),
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__step_exit, f)
static const struct vmsim_param exit_params[] = {
    {.name = "status", .type = VMSIM_PARAM_INT, .offset = AT(status), .fallback = "0", .doc = "Exit status."}, {0}};
#undef AT
_Static_assert(offsetof(struct vmsim__step_create, file) == 0, "a step `create` is written as a file of `files:`");

#define STEP(verb, word, table, type, text)                                                                            \
    [VMSIM__VERB_##verb] = {.tag = word, .fields = table, .size = sizeof(struct type), .doc = text}
const struct vmsim_variant vmsim__steps[VMSIM__VERBS + 1] = {
    STEP(MMAP, "mmap", mmap_params, vmsim__step_mmap, "mmap(2)."),
    STEP(MUNMAP, "munmap", range_params, vmsim__step_range_call, "munmap(2) of a piece of a region."),
    STEP(MPROTECT, "mprotect", mprotect_params, vmsim__step_mprotect, "mprotect(2)."),
    STEP(MREMAP, "mremap", mremap_params, vmsim__step_mremap, "mremap(2); the region is where it then lies."),
    STEP(MADVISE, "madvise", madvise_params, vmsim__step_madvise, "madvise(2)."),
    STEP(BRK, "brk", brk_params, vmsim__step_brk, "brk(2)."),
    STEP(MLOCK, "mlock", mlock_params, vmsim__step_range_call, "mlock(2)."),
    STEP(MUNLOCK, "munlock", range_params, vmsim__step_range_call, "munlock(2)."),
    STEP(MLOCKALL, "mlockall", mlockall_params, vmsim__step_mlockall, "mlockall(MCL_CURRENT)."),
    STEP(MUNLOCKALL, "munlockall", result_params, vmsim__step_mlockall, "munlockall(2)."),
    STEP(MSYNC, "msync", range_params, vmsim__step_range_call, "msync(MS_SYNC)."),
    STEP(TOUCH, "touch", touch_params, vmsim__step_touch, "Memory references over a region."),
    STEP(CREATE, "create", vmsim__file_decl_params, vmsim__step_create, "Makes a file."),
    STEP(UNLINK, "unlink", file_params, vmsim__step_file, "Takes a file's name away; it goes with its last user."),
    STEP(OPEN, "open", file_params, vmsim__step_file, "open(2): readahead of the reads that follow starts anew."),
    STEP(READ, "read", file_params, vmsim__step_file, "read(2), in blocks."),
    STEP(WRITE, "write", file_params, vmsim__step_file, "write(2), in blocks."),
    STEP(FSYNC, "fsync", file_params, vmsim__step_file, "fsync(2)."),
    STEP(TRUNCATE, "truncate", file_params, vmsim__step_file, "ftruncate(2) to `length`."),
    STEP(FALLOCATE, "fallocate", fallocate_params, vmsim__step_fallocate, "fallocate(2)."),
    STEP(FADVISE, "fadvise", fadvise_params, vmsim__step_fadvise, "posix_fadvise(2)."),
    STEP(FORK, "fork", fork_params, vmsim__step_fork, "fork(2), or a thread; the child runs its own steps."),
    STEP(WAIT, "wait", wait_params, vmsim__step_wait, "Waits until children have ended, all of them or so many."),
    STEP(KILL, "kill", kill_params, vmsim__step_kill, "kill(2) with SIGKILL of all processes of a name."),
    STEP(OOM_SCORE_ADJ, "oom_score_adj", oom_score_adj_params, vmsim__step_oom_score_adj,
         "Writes /proc/self/oom_score_adj of the process."),
    STEP(EXIT, "exit", exit_params, vmsim__step_exit, "Ends the task."),
    STEP(REPEAT, "repeat", repeat_params, vmsim__step_repeat, "Repeats steps."),
    STEP(SLEEP, "sleep", time_params, vmsim__step_time, "Gives the CPU away for a time."),
    STEP(COMPUTE, "compute", time_params, vmsim__step_time, "Keeps the CPU busy for a time."),
    STEP(BARRIER, "barrier", barrier_params, vmsim__step_barrier, "Waits until all tasks of the barrier are there."),
    STEP(MIGRATE, "migrate", migrate_params, vmsim__step_migrate, "Goes on on another CPU."),
    STEP(MARKER, "marker", marker_params, vmsim__step_marker,
         "Keeps all counters under a name, for the report and for `expect`."),
    STEP(SYSCTL, "sysctl", sysctl_params, vmsim__step_sysctl, "Writes a knob of the machine."),
    STEP(ALLOC_PAGES, "alloc_pages", alloc_params, vmsim__step_alloc_pages, "Frames for the kernel or a driver."),
    STEP(FREE_PAGES, "free_pages", free_params, vmsim__step_free_pages, "Gives them back."),
    STEP(RLIMIT, "rlimit", rlimit_step_params, vmsim__step_rlimit, "setrlimit(2) of the task."),
    STEP(CLEAR_REFS, "clear_refs", clear_refs_params, vmsim__step_clear_refs, "Writes /proc/PID/clear_refs."),
    STEP(DEVICE_FAULT, "device_fault", device_fault_params, vmsim__step_device_fault,
         "Lets something go wrong with a storage device from now on."),
    STEP(CALL, "call", call_params, vmsim__step_call, "A system call with numbers as they are, right or wrong."),
    STEP(CGROUP_CREATE, "cgroup_create", cgroup_params, vmsim__step_cgroup, "Makes a control group (mkdir)."),
    STEP(CGROUP_REMOVE, "cgroup_remove", cgroup_params, vmsim__step_cgroup,
         "Removes one (rmdir); what is charged to it stays so until it is freed."),
    STEP(CGROUP_ATTACH, "cgroup_attach", cgroup_params, vmsim__step_cgroup,
         "The task and its threads go there (cgroup.procs); what they have charged stays where it is."),
    STEP(CGROUP_WRITE, "cgroup_write", cgroup_write_params, vmsim__step_cgroup, "Writes a file of a control group."),
    STEP(SWAPON, "swapon", swapon_params, vmsim__step_swapon, "swapon(2): one more swap area."),
    STEP(SWAPOFF, "swapoff", swapoff_params, vmsim__step_swapoff,
         "swapoff(2): reads back all that is in a swap area, which then is none."),
    STEP(MBIND, "mbind", vmsim__mbind_params, vmsim__step_numa, "mbind(2): a memory policy for a region."),
    STEP(SET_MEMPOLICY, "set_mempolicy", vmsim__set_mempolicy_params, vmsim__step_numa,
         "set_mempolicy(2): the task's memory policy."),
    STEP(HOME_NODE, "set_mempolicy_home_node", vmsim__home_node_params, vmsim__step_numa,
         "set_mempolicy_home_node(2) of a region with policy bind or preferred-many."),
    STEP(MIGRATE_PAGES, "migrate_pages", vmsim__migrate_pages_params, vmsim__step_numa,
         "migrate_pages(2): all pages of the task, from nodes to nodes."),
    STEP(MOVE_PAGES, "move_pages", vmsim__move_pages_params, vmsim__step_numa,
         "move_pages(2): each page of a range to a node."),
    STEP(MEMORY_BLOCK, "memory_block", vmsim__memory_block_params, vmsim__step_numa,
         "A memory block goes online or offline (/sys/devices/system/memory/memoryN/state)."),
    STEP(MEMORY_NODE, "memory_node", vmsim__memory_node_params, vmsim__step_numa,
         "All memory blocks of a node go online or offline, as chmem(8) does it."),
    [VMSIM__VERB_LRU_DRAIN] =
        {.tag = "lru_drain", .doc = "Empties all per-CPU LRU batches (lru_add_drain_all), so that counters are exact."},
};

/* ---- the sections around the steps ---- */

#define AT(f) offsetof(struct vmsim__task_decl, f)
static const struct vmsim_param task_params[] = {
    STRING("name", name, "Name in reports and counters."),
    {.name = "cpu",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(cpu),
     .present = AT(has_cpu),
     .fallback = "0",
     .doc = "CPU that it runs on. Of a trace: that all its tasks run on; without this and `cpus`, they are spread over "
            "all."},
    {.name = "cpus",
     .type = VMSIM_PARAM_LIST,
     .element = VMSIM_PARAM_UINT,
     .offset = AT(cpus),
     .doc = "Of a trace: the CPUs over which its tasks are spread, each on that with the fewest when it is forked. "
            "`cpu` is then the first task's."},
    TIME("start", start, "0", "Virtual time at which it begins."),
    {.name = "oom_score_adj",
     .type = VMSIM_PARAM_INT,
     .offset = AT(oom_score_adj),
     .fallback = "0",
     .doc =
         "/proc/PID/oom_score_adj: -1000 (the OOM killer never takes it) to 1000 (it first); children have it, too."},
    BOOL("follow_memory", follow_memory,
         "NUMA balancing may move it to a CPU without programs on the node that has most of what it uses; else it "
         "stays on "
         "its CPU, as if bound by taskset(1). Children have it, too."),
    {.name = "numa",
     .type = VMSIM_PARAM_STRUCT,
     .offset = AT(numa),
     .fields = vmsim__task_numa_params,
     .doc = "Memory policy that it begins with, as numactl(8) would say; children have it, too."},
    OPT_STRING("cgroup", cgroup, "Control group that it begins in, of `workload.cgroups`; absent: the root."),
    {.name = "trace",
     .type = VMSIM_PARAM_STRING,
     .offset = AT(trace),
     .flags = OPTIONAL | VMSIM_PARAM_INPUT,
     .doc = "Recorded program, relative to this file. Either this or `program`."},
    {.name = "cached",
     .type = VMSIM_PARAM_BOOL,
     .offset = AT(cached),
     .fallback = "true",
     .doc = "Of a trace: the files it uses are in the page cache already, as in a program's second run."},
    BOOL("recorded_addresses", recorded_addresses,
         "Of a trace: mappings lie where they lay when it was recorded, instead of where the simulated kernel places "
         "them."),
    {.name = "program",
     .type = VMSIM_PARAM_VARIANT_LIST,
     .offset = AT(program),
     .variants = vmsim__steps,
     .doc = "Described program: its steps."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__cgroup_decl, f)
static const struct vmsim_param cgroup_decl_params[] = {
    STRING("path", path, "From the root, /, on: /a/b; those above are made, too."),
    {.name = "reclaim",
     .type = VMSIM_PARAM_STRUCT,
     .offset = AT(reclaim),
     .fields = vmsim__policy_choice_params,
     .doc = "Which of its pages leave memory when it is short, and of those below it: a policy as in policies.reclaim; "
            "absent: as above it."},
    {.name = "files",
     .type = VMSIM_PARAM_MAP,
     .offset = AT(files),
     .doc = "What is written to its files: memory.min, memory.low, memory.high, memory.max, memory.swap.high, "
            "memory.swap.max (bytes, or max), memory.oom.group (0 or 1), hugetlb.2MB.max, hugetlb.2MB.rsvd.max, "
            "cpuset.cpus, cpuset.mems (0-3,8)."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__workload_spec, f)
/* What a workload consists of. Files and cgroups are there before any task, which may name them; the seed is the
 * workload's and not a task's, since each task draws from a stream of its own name. */
const struct vmsim_param vmsim__workload_params[] = {
    UINT("seed", seed, "1", "Of every random choice of the run."),
    {.name = "cgroups",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = AT(cgroups),
     .fields = cgroup_decl_params,
     .element_size = sizeof(struct vmsim__cgroup_decl),
     .doc = "Control groups that exist from the start."},
    {.name = "files",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = AT(files),
     .fields = vmsim__file_decl_params,
     .element_size = sizeof(struct vmsim__file_decl),
     .doc = "Files that exist from the start."},
    {.name = "tasks",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = AT(tasks),
     .fields = task_params,
     .element_size = sizeof(struct vmsim__task_decl),
     .doc = "What runs, in the order of starting."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__report_spec, f)
const struct vmsim_param vmsim__report_params[] = {
    TIME("interval", interval, "0", "Virtual time between rows of intervals.csv; 0: no rows."),
    {.name = "directory",
     .type = VMSIM_PARAM_STRING,
     .offset = AT(directory),
     .flags = OPTIONAL | VMSIM_PARAM_OUTPUT,
     .doc = "Where the run's files go, unless the command line says."},
    {0},
};
#undef AT
#define AT(f) offsetof(struct vmsim__expect_spec, f)
/* Values are text here and numbers only when their counter is known: its unit decides whether 10ms or 64MiB can be
 * meant. */
const struct vmsim_param vmsim__expect_params[] = {
    OPT_STRING("counter", counter, "Name of a counter: vmstat.pgfault, tasks.sort.minflt."),
    {.name = "sum",
     .type = VMSIM_PARAM_LIST,
     .element = VMSIM_PARAM_STRING,
     .offset = AT(sum),
     .flags = OPTIONAL,
     .doc = "Names of counters of one unit, which are added; instead of `counter`."},
    OPT_STRING("of", of, "Name of a counter: the value is the share of it, and bounds are such as 25% or 0.25."),
    OPT_STRING("at", at, "Name of a marker; absent: the end of the run."),
    OPT_STRING("since", since, "Name of a marker: what was counted since then."),
    OPT_STRING(
        "equals", equals,
        "The exact value: a number, a time (10ms) or a size (64MiB) where the counter has such a unit, a share with "
        "`of`, or the name of another counter, whose value at the same time it is."),
    OPT_STRING("min", min, "The least value allowed, in the same forms."),
    OPT_STRING("max", max, "The largest value allowed, in the same forms."),
    {0},
};
#undef AT
