/* SPDX-License-Identifier: MIT */
/* Joins the parameter tables of the layers to that of `machine:` (see spec.h). */
#include "machine/spec.h"

#include <string.h>

#include "base/util.h"
#include "mmu/swp.h"
#include "vmsim/error.h"

/* In the order of enum vmsim__pt_format_id. */
static const char *const arch_names[] = {"x86_32",     "x86_pae",   "x86_64",     "x86_64_la57", "arm64_4k",
                                         "arm64_16k",  "arm64_64k", "riscv_sv32", "riscv_sv39",  "riscv_sv48",
                                         "riscv_sv57", "arm",       "arm_lpae",   "nommu",       NULL};

#define AT(field) offsetof(struct vmsim__machine_cost_spec, field)
#define COST(key, field, default_time, text)                                                                           \
    {                                                                                                                  \
        .name = key, .type = VMSIM_PARAM_TIME, .offset = AT(field), .fallback = default_time,                          \
        .max = UINT64_C(10000000000), .doc = text                                                                      \
    }
static const struct vmsim_param cost_params[] = {
    {.name = "source",
     .type = VMSIM_PARAM_STRING,
     .offset = AT(source),
     .flags = VMSIM_PARAM_OPTIONAL,
     .doc = "Where these and the other costs were measured, for the report; `vmsim calibrate` writes it."},
    {.name = "references",
     .type = VMSIM_PARAM_TIME,
     .offset = AT(references),
     .fallback = "270ns",
     .max = UINT64_C(10000000000),
     .doc =
         "Virtual time of 1000 memory references (loads, stores, fetches) that hit the first TLB level: one a cycle at "
         "3.7 GHz. Recorded programs take 130 (interpreters) to 500 ns (compressors): caches are not simulated."},
    {.name = "syscall",
     .type = VMSIM_PARAM_TIME,
     .offset = AT(syscall),
     .fallback = "160ns",
     .max = UINT64_C(10000000000),
     .doc = "Entering and leaving the kernel; 50 to 250 ns on current servers with mitigations."},
    {.name = "context_switch",
     .type = VMSIM_PARAM_TIME,
     .offset = AT(context_switch),
     .fallback = "2000ns",
     .max = UINT64_C(10000000000),
     .doc = "Switching a CPU to another task; 1 to 2.5 us, half of a pipe ping-pong."},
    COST("clone", clone, "20us",
         "Making a task beside its memory; vfork and waiting for a child that ends at once: 19 us of the parent's."),
    COST("exit", exit, "15us", "Ending a task beside its memory: such a child takes 10 us."),
    COST("exec", exec, "100us",
         "Executing a program beside its mappings, and those that go: a static one that ends at once takes 80 us."),
    COST("short_call", short_call, "120ns",
         "A recorded call that only looks something up (lseek, fcntl, sigprocmask: 10 to 230 ns), beside `syscall`. "
         "This and those below: medians of Linux 6.18 on an AMD EPYC in a loop of the call, and half as much again, "
         "since between two calls a program's own work takes the caches."),
    COST("path_call", path_call, "1700ns",
         "A recorded call that looks a path up (stat, access, readlink); 700 ns where nothing is there, to 1,900 ns."),
    COST("open_call", open_call, "1500ns",
         "What a recorded open does beside looking the path up, and what closing it does: 2,000 to 2,200 ns for both."),
    COST("name_call", name_call, "30us",
         "A recorded call that makes, moves or removes a name (mkdir, rename, unlink): 20 to 35 us on ext4 with its "
         "journal, 1 to 3 us on tmpfs."),
    COST("object_call", object_call, "4us", "A recorded call that makes a pipe, a socket or the like; 2 to 6 us."),
    COST("entries_page", entries_page, "20us",
         "A page of entries that a recorded getdents gives; 10 us cached, 45 us where the directory is hashed."),
    COST("socket_call", socket_call, "2400ns",
         "A recorded call on a socket: one byte between two Unix sockets takes 1.7 to 1.9 us."),
    COST("file_write", file_write, "1100ns",
         "What a recorded write to a file does beside its pages: a write of one byte against a read of one, on ext4."),
    COST("message_call", message_call, "700ns",
         "A recorded read, write or call on a pipe or socket; 300 ns for a pipe, 800 ns and more for a socket."),
    COST("message_page", message_page, "150ns", "Each page that goes through a pipe or socket, beside `message_call`."),
    COST("wait_call", wait_call, "300ns",
         "A recorded call that waits, wakes or asks what is ready (poll, futex, kill); 70 to 700 ns."),
    COST("reclaim_scan", reclaim_scan, "100ns",
         "A page that reclaim takes off its list and judges; its mappings cost what memory_manager.costs says. An "
         "estimate: two or three cache misses."),
    COST("compact_scan", compact_scan, "10ns",
         "A frame that a scanner of compaction looks at; moving it costs what memory_manager.costs says. An estimate: "
         "records of frames are read one behind the other."),
    {0},
};
#undef COST
#undef AT

/* In the order of enum vmsim__hardware_flags. */
static const char *const hardware_flag_names[] = {"usual", "none", "accessed", "both", NULL};

#define AT(field) offsetof(struct vmsim__machine_spec, field)
static const struct vmsim_param own_params[] = {
    {.name = "arch",
     .type = VMSIM_PARAM_ENUM,
     .offset = AT(arch),
     .fallback = "x86_64",
     .choices = arch_names,
     .doc =
         "Instruction set and paging mode: page-table format, zones and user address space follow from it. nommu "
         "has no translation: mappings are runs of frames, had at once. Described programs run without fork, recorded "
         "ones as if built for such a machine."},
    {.name = "hardware_flags",
     .type = VMSIM_PARAM_ENUM,
     .offset = AT(hardware_flags),
     .fallback = "usual",
     .choices = hardware_flag_names,
     .doc = "Which flags of an entry a CPU sets itself, accessed and dirty; it faults for the others. Usual: both, on "
            "RISC-V and 32-bit ARM none. Armv8.0 (Cortex-A53, A57, A72) has none."},
    {.name = "tlb",
     .type = VMSIM_PARAM_STRUCT,
     .offset = AT(tlb),
     .fields = vmsim__tlb_params,
     .doc = "Translation hardware of each CPU. Without arrays: 64 x 4 first level, 1536 x 12 second level, walk caches "
            "of 32, 4 and 2 entries unless some are given; all else as it says."},
    {.name = "memory_manager",
     .type = VMSIM_PARAM_STRUCT,
     .offset = AT(vm),
     .fields = vmsim__vm_params,
     .doc = "Virtual memory: overcommit, limits, huge pages, and what each kernel path costs."},
    {.name = "page_cache",
     .type = VMSIM_PARAM_STRUCT,
     .offset = AT(cache),
     .fields = vmsim__cache_params,
     .doc = "Page cache, readahead and the storage device behind files."},
    {.name = "devices",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = AT(devices),
     .fields = vmsim__block_spec_params,
     .element_size = sizeof(struct vmsim__block_spec),
     .max = 256,
     .doc = "Storage devices; files lie on the first unless they say `device:`. Without any there is one, \"vda\", as "
            "page_cache.device describes it."},
    {.name = "swap",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = AT(swap),
     .fields = vmsim__swap_spec_params,
     .element_size = sizeof(struct vmsim__swap_spec),
     .max = VMSIM__SWP_AREAS,
     .doc = "Swap areas, in the order of swapon. Without any, anonymous memory stays."},
    {.name = "zram",
     .type = VMSIM_PARAM_STRUCT_LIST,
     .offset = AT(zram),
     .fields = vmsim__zram_spec_params,
     .element_size = sizeof(struct vmsim__zram_spec),
     .max = 26,
     .doc = "Block devices in compressed memory, zram0 and so on, for swap (`swap: [{device: zram0}]`)."},
    {.name = "zswap",
     .type = VMSIM_PARAM_STRUCT,
     .offset = AT(zswap),
     .fields = vmsim__zswap_spec_params,
     .doc = "Compressed memory in front of all swap areas (/sys/module/zswap/parameters)."},
    {.name = "costs",
     .type = VMSIM_PARAM_STRUCT,
     .offset = AT(costs),
     .fields = cost_params,
     .doc = "Virtual time of the CPU itself."},
    {.name = "timeslice",
     .type = VMSIM_PARAM_TIME,
     .offset = AT(timeslice),
     .fallback = "3ms",
     .min = 1000,
     .max = UINT64_C(1) << 62,
     .doc = "How long a task runs while another waits for its CPU; the fair scheduler's slice on a few busy tasks."},
    {.name = "resident_folios",
     .type = VMSIM_PARAM_UINT,
     .offset = AT(resident_folios),
     .fallback = "0",
     .max = UINT32_MAX,
     .doc =
         "Pages of programs and files that are in memory at most, of each node and cgroup (a large folio is one): for "
         "one that comes above that, the policy of policies.reclaim lets one go, and is told of every reference. "
         "Demand paging as textbooks have it. 0: memory itself is the bound, as in a real kernel."},
    {.name = "sysctl",
     .type = VMSIM_PARAM_MAP,
     .offset = AT(sysctl),
     .doc = "Knobs written after boot, as `sysctl -w` or a write below /sys would: `vm.swappiness: 60`."},
    {.name = "plugins",
     .type = VMSIM_PARAM_LIST,
     .element = VMSIM_PARAM_STRING,
     .offset = AT(plugins),
     .flags = VMSIM_PARAM_INPUT,
     .doc = "Shared objects with policies, loaded when the machine is made."},
    {0},
};

/* Fields of the memory's table that this layer sets itself. */
static bool settled_here(const char *name) {
    static const char *const names[] = {"arch", "page_size", "sysctl"};
    for (size_t i = 0; i < VMSIM__COUNT(names); i++) {
        if (!strcmp(names[i], name))
            return true;
    }
    return false;
}

/* Offsets of a layer's table are of its own struct: they are moved to where that lies in this one. */
int vmsim__machine_params(struct vmsim_param *table, size_t capacity) {
    size_t n = 0;
    for (const struct vmsim_param *p = own_params; p->name; p++) {
        if (n + 1 >= capacity)
            return VMSIM_ELIMIT;
        table[n++] = *p;
    }
    for (const struct vmsim_param *p = vmsim__mem_spec_params; p->name; p++) {
        if (settled_here(p->name))
            continue;
        if (n + 1 >= capacity)
            return VMSIM_ELIMIT;
        table[n] = *p;
        table[n].offset += AT(mem);
        if (table[n].present)
            table[n].present += AT(mem);
        if (!strcmp(p->name, "nodes"))
            table[n].fallback = "[{memory: 4GiB}]";
        n++;
    }
    table[n] = (struct vmsim_param){0};
    return 0;
}
#undef AT

/* Page-table formats that differ share zones: x86-64 with four or five levels is one architecture to memory. */
int vmsim__memory_arch(enum vmsim__pt_format_id format) {
    VMSIM__ASSERT(format < VMSIM__PT_FORMATS);
    switch (format) {
    case VMSIM__PT_X86_32:
        return VMSIM__ARCH_X86_32;
    case VMSIM__PT_X86_PAE:
        return VMSIM__ARCH_X86_PAE;
    case VMSIM__PT_ARM64_4K:
    case VMSIM__PT_ARM64_16K:
    case VMSIM__PT_ARM64_64K:
        return VMSIM__ARCH_ARM64;
    case VMSIM__PT_RISCV_SV32:
    case VMSIM__PT_RISCV_SV39:
    case VMSIM__PT_RISCV_SV48:
    case VMSIM__PT_RISCV_SV57:
        return VMSIM__ARCH_RISCV;
    case VMSIM__PT_ARM:
        return VMSIM__ARCH_ARM;
    case VMSIM__PT_ARM_LPAE:
        return VMSIM__ARCH_ARM_LPAE;
    default:
        return VMSIM__ARCH_X86_64;
    }
}

/* Knobs that a description sets by `sysctl:` alone begin at the kernel's defaults; the tables of `memory_manager:` do
 * not hold them. */
static void default_knobs(struct vmsim__vm_spec *vm) {
    struct vmsim__vm_spec knobs;
    vmsim__vm_spec_defaults(&knobs);
    knobs.stack_guard_gap = vm->stack_guard_gap;
    knobs.vvar_pages = vm->vvar_pages;
    knobs.privileged = vm->privileged;
    knobs.fault_around_bytes = vm->fault_around_bytes;
    knobs.rlimits = vm->rlimits;
    knobs.costs = vm->costs;
    *vm = knobs;
}

/* After defaults and presets, before anything is made. What is described in part is filled up, so that a description
 * that names one array of a TLB does not lose the walk caches. */
void vmsim__machine_spec_settle(struct vmsim__machine_spec *spec) {
    default_knobs(&spec->vm);
    const struct vmsim__pt_format *format = vmsim__pt_format_get((enum vmsim__pt_format_id)spec->arch);
    VMSIM__ASSERT(format);
    spec->mem.arch = vmsim__memory_arch(format->id);
    spec->vm.hardware_flags = (enum vmsim__hardware_flags)spec->hardware_flags;
    spec->vm.mmap_min_addr = vmsim__vm_mmap_min_addr(spec->mem.arch);
    spec->mem.page_size = UINT64_C(1) << format->page_shift;
    spec->mem.sysctl = spec->sysctl;
    if (!format->levels || spec->tlb.bypass)
        spec->tlb.softmmu.entries = 0;
    if (!format->levels || spec->tlb.bypass || spec->tlb.softmmu.entries) { /* nothing to cache, or not in arrays */
        spec->tlb.arrays = spec->tlb.walk_caches = (struct vmsim_param_list){0};
        spec->tlb.walk_latency = spec->tlb.softmmu.entries ? spec->tlb.walk_latency : 0;
        spec->tlb.bypass = spec->tlb.bypass && format->levels;
    } else if (!spec->tlb.arrays.count) {
        const struct vmsim__tlb_spec *standard = vmsim__tlb_spec_default();
        const struct vmsim_param_list caches = spec->tlb.walk_caches;
        if (!spec->tlb.clock) /* nobody has described any of it */
            spec->tlb = *standard;
        spec->tlb.arrays = standard->arrays;
        spec->tlb.walk_caches = caches.count ? caches : standard->walk_caches;
    }
}

/* One request at a time, whole and by itself: latency + bytes / bandwidth. A device of old descriptions
 * (page_cache.device), with no merging and no queue. */
static void serial_device(const struct vmsim__device_spec *d, struct vmsim__block_spec *out) {
    *out = (struct vmsim__block_spec){
        .name = VMSIM__DEVICE_NAME,
        .own = {.size = UINT64_C(1) << 60,
                .queue_depth = 1,
                .latency = {d->read_latency, d->write_latency},
                .bandwidth = {d->read_bandwidth, d->write_bandwidth},
                .nomerges = 2},
    };
    memset(out->given, true, sizeof out->given);
}

/* The list is the description's own, or `one`. */
size_t vmsim__machine_devices(const struct vmsim__machine_spec *spec, struct vmsim__block_spec *one,
                              const struct vmsim__block_spec **devices) {
    *devices = spec->devices.data;
    if (spec->devices.count)
        return spec->devices.count;
    serial_device(&spec->cache.device, one);
    *devices = one;
    return 1;
}
