/* SPDX-License-Identifier: MIT */
/* The parameter tables of the page cache and its device. */
#include "cache/cache_spec.h"
#include <stddef.h>

#define FIELD(type, name) .offset = offsetof(struct type, name)

const struct vmsim_param vmsim__device_params[] = {
    {.name = "read_latency",
     .type = VMSIM_PARAM_TIME,
     FIELD(vmsim__device_spec, read_latency),
     .max = UINT64_C(600000000000),
     .fallback = "80us",
     .doc = "Time from a read request to its first byte. Default: a flash NVMe drive (60-100 us)."},
    {.name = "write_latency",
     .type = VMSIM_PARAM_TIME,
     FIELD(vmsim__device_spec, write_latency),
     .max = UINT64_C(600000000000),
     .fallback = "20us",
     .doc = "Time until a write request is acknowledged. Default: an NVMe drive with a write buffer."},
    {.name = "read_bandwidth",
     .type = VMSIM_PARAM_SIZE,
     FIELD(vmsim__device_spec, read_bandwidth),
     .fallback = "2GiB",
     .doc = "Bytes a second when reading; 0 is unlimited."},
    {.name = "write_bandwidth",
     .type = VMSIM_PARAM_SIZE,
     FIELD(vmsim__device_spec, write_bandwidth),
     .fallback = "1GiB",
     .doc = "Bytes a second when writing; 0 is unlimited."},
    {.name = "optimal_io",
     .type = VMSIM_PARAM_SIZE,
     FIELD(vmsim__device_spec, optimal_io),
     .fallback = "1280KiB",
     .doc = "Largest request the device likes: bounds forced readahead and reads larger than the window. Default: "
            "max_sectors_kb of Linux block devices."},
    {0},
};

/* Knobs that stand in `page_cache:` as well. X(name, type, default, largest, unit, meaning) */
#define DIRTY(X)                                                                                                       \
    X(dirty_ratio, UINT, "20", 100, "%", "percent of dirtyable memory at which writers are throttled.")                \
    X(dirty_background_ratio, UINT, "10", 100, "%", "percent at which the flusher starts.")                            \
    X(dirty_bytes, SIZE, "0", 0, "bytes", "overrides dirty_ratio when not 0.")                                         \
    X(dirty_background_bytes, SIZE, "0", 0, "bytes", "overrides dirty_background_ratio when not 0.")                   \
    X(dirty_expire_centisecs, UINT, "3000", INT32_MAX, "1/100 s",                                                      \
      "hundredths of a second after which the flusher writes dirty pages.")                                            \
    X(dirty_writeback_centisecs, UINT, "500", INT32_MAX, "1/100 s",                                                    \
      "between two looks for such pages; 0: none is written for its age.")

/* A dirty limit given in bytes switches the one in percent off, and the other way round: the last write wins. Kernel:
 * dirty_bytes_handler, dirty_ratio_handler. */
static void switch_other_off(void *owner, const struct vmsim__knob *knob) {
    struct vmsim__cache_spec *c = owner;
    switch (knob->value.offset) {
    case offsetof(struct vmsim__cache_spec, dirty_ratio):
        c->dirty_bytes = 0;
        break;
    case offsetof(struct vmsim__cache_spec, dirty_bytes):
        c->dirty_ratio = 0;
        break;
    case offsetof(struct vmsim__cache_spec, dirty_background_ratio):
        c->dirty_background_bytes = 0;
        break;
    case offsetof(struct vmsim__cache_spec, dirty_background_bytes):
        c->dirty_background_ratio = 0;
        break;
    default:
        break;
    }
}

static const char *const mount_huge[] = {"never", "always", "within_size", "advise", NULL};
static const char *const shmem_huge[] = {"never", "always", "within_size", "advise", "deny", "force", NULL};

const struct vmsim__knob vmsim__cache_knobs[] = {
    {.value = {.name = "transparent_hugepage/shmem_enabled",
               .type = VMSIM_PARAM_ENUM,
               FIELD(vmsim__cache_spec, shmem_huge),
               .fallback = "never",
               .choices = shmem_huge,
               .doc = "Huge pages of shared memory that no mount has: shared anonymous mappings, memfd, System V; "
                      "deny and force are for mounts of tmpfs, too."}},
#define KNOB(field, param_type, default_text, most, unit_text, doc_text)                                               \
    {.value = {.name = "vm." #field,                                                                                   \
               .type = VMSIM_PARAM_##param_type,                                                                       \
               FIELD(vmsim__cache_spec, field),                                                                        \
               .fallback = default_text,                                                                               \
               .max = most,                                                                                            \
               .doc = doc_text},                                                                                       \
     .unit = unit_text,                                                                                                \
     .written = switch_other_off},
    DIRTY(KNOB)
#undef KNOB
        {.value = {0}}};

const struct vmsim_param vmsim__cache_params[] = {
    {.name = "read_ahead",
     .type = VMSIM_PARAM_SIZE,
     FIELD(vmsim__cache_spec, read_ahead),
     .fallback = "128KiB",
     .doc = "Largest readahead window (/sys/block/DEV/queue/read_ahead_kb). Rounded down to pages; 0 turns readahead "
            "off."},
#define PARAM(field, param_type, default_text, most, unit_text, doc_text)                                              \
    {.name = #field,                                                                                                   \
     .type = VMSIM_PARAM_##param_type,                                                                                 \
     FIELD(vmsim__cache_spec, field),                                                                                  \
     .fallback = default_text,                                                                                         \
     .max = most,                                                                                                      \
     .doc = "vm." #field ": " doc_text},
    DIRTY(PARAM)
#undef PARAM
        {.name = "hit_cost",
         .type = VMSIM_PARAM_TIME,
         FIELD(vmsim__cache_spec, hit_cost),
         .max = UINT64_C(10000000000),
         .fallback = "500ns",
         .doc =
             "read() or write() of one cached page: find and copy it. Default: 0.3-0.6 us are typical, 1 us of memory "
             "that no cache holds."},
    {.name = "zero_cost",
     .type = VMSIM_PARAM_TIME,
     FIELD(vmsim__cache_spec, zero_cost),
     .max = UINT64_C(10000000000),
     .fallback = "150ns",
     .doc = "Clearing one page for a hole or for shared memory. Default: a 4 KiB page from DRAM."},
    {.name = "bounce_cost",
     .type = VMSIM_PARAM_TIME,
     FIELD(vmsim__cache_spec, bounce_cost),
     .max = UINT64_C(10000000000),
     .fallback = "360ns",
     .doc = "Copying one page between where it is and where a device with a `reach` gets at it. Default: a 4 KiB page "
            "that no "
            "cache holds."},
    {.name = "lookup_cost",
     .type = VMSIM_PARAM_TIME,
     FIELD(vmsim__cache_spec, lookup_cost),
     .max = UINT64_C(10000000000),
     .fallback = "50ns",
     .doc = "Finding one page of a file in a page fault."},
    {.name = "large_folios",
     .type = VMSIM_PARAM_BOOL,
     FIELD(vmsim__cache_spec, large_folios),
     .fallback = "false",
     .doc = "The file system of regular files takes folios larger than a page, as XFS does (ext4 since 6.16): "
            "reading ahead and writing bring them."},
    {.name = "tmpfs_huge",
     .type = VMSIM_PARAM_ENUM,
     FIELD(vmsim__cache_spec, tmpfs_huge),
     .fallback = "never",
     .choices = mount_huge,
     .doc = "Huge pages of files on a tmpfs, as its mount option huge= says."},
    {.name = "device",
     .type = VMSIM_PARAM_STRUCT,
     FIELD(vmsim__cache_spec, device),
     .fields = vmsim__device_params,
     .present = offsetof(struct vmsim__cache_spec, device_given),
     .doc = "The storage device of a machine without `devices`: it serves one transfer after another, each latency + "
            "bytes / bandwidth, wherever it lies."},
    {0},
};
