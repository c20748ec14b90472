/* SPDX-License-Identifier: MIT */
/* Presets of storage devices, and how a description lies over one.
 *
 * Sources. hdd: HGST Ultrastar 7K4000 (7200 rpm, average seek 8.2 ms) and Seagate Constellation ES.3 (sustained 83 to
 * 175 MB/s) product manuals; the track-to-track seek of 1 ms is that of the Hitachi 5K320's. sata-ssd: Intel S4500
 * product specification (500 and 490 MB/s, 72,000 and 33,000 random IOPS at depth 32, typical latency 110 and 52 us).
 * nvme: Intel P4500 2 TB (3.2 and 1.05 GB/s, 490,000 and 38,000 random IOPS, 85 and 20 us).
 * A preset's overhead is one second divided by the random IOPS, for that many requests pass the controller. Its latency
 * is the data sheet's less overhead and less the transfer of 4 KiB, so that one request at a time takes what the sheet
 * says (of nvme's writes both cannot be had: the sustained rate is kept, and one write alone takes 30 us). max_request
 * is Linux's default max_sectors_kb; nvme's async_starved of 0 is Linux's default scheduler there (none), the others'
 * of 2 that of mq-deadline. */
#include "block/block_spec.h"

#include <stddef.h>
#include <string.h>

#include "base/util.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define KIB UINT64_C(1024)
#define MB UINT64_C(1000000)
#define GB UINT64_C(1000000000)
#define TB UINT64_C(1000000000000)

const char *const vmsim__block_preset_names[] = {"hdd",         "sata-ssd",      "nvme", "ramdisk",
                                                 "virtio-qemu", "virtio-icount", NULL};

static const struct vmsim__block_params presets[] = {
    /* A seek over a share x of the disk takes min + (max - min) * sqrt(x); over random pairs of places sqrt(x) is 8/15
     * on average, so 14.5 ms across make 8.2 ms on average. 100 us of overhead are assumed (SATA command and bus). */
    {.size = 4 * TB,
     .queue_depth = 32, /* NCQ */
     .latency = {0, 0},
     .overhead = {100 * US, 100 * US},
     .bandwidth = {150 * MB, 150 * MB},
     .rpm = 7200,
     .rotational = 1,
     .seek_min = 1 * MS,
     .seek_max = 14500 * US,
     .max_request = 1280 * KIB,
     .async_starved = 2},
    {.size = 960 * GB,
     .queue_depth = 32, /* NCQ */
     .latency = {87900, 13300},
     .overhead = {13900, 30300},
     .bandwidth = {500 * MB, 490 * MB},
     .max_request = 1280 * KIB,
     .async_starved = 2},
    /* Most NVMe drives offer 1023 tags a queue to Linux, and a queue for each CPU; 128 is where the sheet's IOPS are
     * reached. */
    {.size = 2 * TB,
     .queue_depth = 128,
     .latency = {81700, 0},
     .overhead = {2040, 26300},
     .bandwidth = {3200 * MB, 1050 * MB},
     .max_request = 1280 * KIB},
    /* brd copies in the submitter's own time; a copy at 10 GB/s and 1 us of block layer are assumed. */
    {.size = 16 * GB,
     .queue_depth = 1,
     .overhead = {1 * US, 1 * US},
     .bandwidth = {10 * GB, 10 * GB},
     .max_request = 1280 * KIB},
    /* Assumed, modest on purpose: one I/O thread of QEMU with 256 descriptors that gets through 50,000 requests a
     * second, and a network volume or a busy host disk behind it. Measure yours with fio. */
    {.size = 100 * GB,
     .queue_depth = 256,
     .latency = {180 * US, 180 * US},
     .overhead = {20 * US, 20 * US},
     .bandwidth = {500 * MB, 500 * MB},
     .rotational = 1, /* virtio_blk never says otherwise, up to 6.12 */
     .max_request = 1280 * KIB},
    /* The same disk where the host keeps the image in its memory and the guest's clock counts its own instructions (TCG
     * with -icount): transfers go on while the guest computes, and it sees little of them. 1,027 major faults of eight
     * pages each waited for 8 ms in all where a cgroup's 8,192 pages were read back. */
    {.size = 100 * GB,
     .queue_depth = 256,
     .latency = {8 * US, 8 * US},
     .bandwidth = {64 * GB, 64 * GB},
     .rotational = 1,
     .max_request = 1280 * KIB},
};
_Static_assert(VMSIM__COUNT(presets) + 1 == VMSIM__COUNT(vmsim__block_preset_names), "a name for each preset");

/* A struct of uint64_t is an array of them: figure i was given or is the preset's. */
void vmsim__block_settle(const struct vmsim__block_spec *spec, struct vmsim__block_params *out) {
    VMSIM__ASSERT(spec->preset >= 0 && (size_t)spec->preset < VMSIM__COUNT(presets));
    *out = presets[spec->preset];
    for (size_t i = 0; i < VMSIM__BLOCK_FIGURES; i++) {
        if (spec->given[i])
            memcpy((char *)out + i * sizeof(uint64_t), (const char *)&spec->own + i * sizeof(uint64_t),
                   sizeof(uint64_t));
    }
    /* The flags of given[] stand in the order of the figures. */
    if (spec->given[offsetof(struct vmsim__block_params, rpm) / sizeof(uint64_t)] &&
        !spec->given[offsetof(struct vmsim__block_params, rotational) / sizeof(uint64_t)])
        out->rotational = out->rpm > 0;
    VMSIM__ASSERT(out->queue_depth > 0 && out->size > 0);
}
