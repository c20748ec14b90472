/* SPDX-License-Identifier: MIT */
/* What paths of the kernel took where programs were captured: QEMU with -icount shift=1, where an instruction takes 2
 * ns of the guest's clock and caches cost nothing. Fitted to the system time that the kernel counted of programs that
 * do mostly one thing (faults: cc1 warm, 64 ms, here 77; reads: tar at 50 %, 375 and 311; reclaim and swap: sort_n and
 * sqlite at 25 %, 590 and 950). They decide how much of a program runs between two looks that the kernel takes by the
 * clock, at statistics of cgroups for one. Parts of YAML, each of a mapping. */
#ifndef CAPTURED_COSTS_H
#define CAPTURED_COSTS_H

#define CAPTURED_COSTS "reclaim_scan: 9us, syscall: 6us"
#define CAPTURED_VM_COSTS                                                                                              \
    "fault: 5us, map: 4us, rmap_vma: 600ns, file_lookup: 5us, around_page: 400ns, unmap_page: 1us, free_page: 2us"
#define CAPTURED_CACHE_COSTS "lookup_cost: 2us, hit_cost: 4us"
#define CAPTURED_DEVICE_COSTS "cpu_time: 15us"

#endif
