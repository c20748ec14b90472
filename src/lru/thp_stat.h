/* SPDX-License-Identifier: MIT */
/* What happened to large folios of one order, and how many there are: transparent_hugepage/hugepages-<size>kB/stats
 * (since 6.8, most of it). Counted by every layer that has to do with them. Kernel: enum mthp_stat_item. */
#ifndef VMSIM__THP_STAT_H
#define VMSIM__THP_STAT_H

/* X(id, name of the file) */
#define VMSIM__THP_SIZE_STAT_LIST(X)                                                                                   \
    X(ANON_FAULT_ALLOC, "anon_fault_alloc")                                                                            \
    X(ANON_FAULT_FALLBACK, "anon_fault_fallback")                                                                      \
    X(ANON_FAULT_FALLBACK_CHARGE, "anon_fault_fallback_charge")                                                        \
    X(SIZE_SWPOUT, "swpout")                                                                                           \
    X(SIZE_SWPOUT_FALLBACK, "swpout_fallback")                                                                         \
    X(SHMEM_ALLOC, "shmem_alloc")                                                                                      \
    X(SHMEM_FALLBACK, "shmem_fallback")                                                                                \
    X(SHMEM_FALLBACK_CHARGE, "shmem_fallback_charge")                                                                  \
    X(SPLIT, "split")                                                                                                  \
    X(SPLIT_FAILED, "split_failed")                                                                                    \
    X(SPLIT_DEFERRED, "split_deferred")                                                                                \
    X(NR_ANON, "nr_anon")                                                                                              \
    X(NR_ANON_PARTIALLY_MAPPED, "nr_anon_partially_mapped")
#define VMSIM__THP_SIZE_STAT_ENUM(id, name) VMSIM__THP_##id,
enum vmsim__thp_size_stat { VMSIM__THP_SIZE_STAT_LIST(VMSIM__THP_SIZE_STAT_ENUM) VMSIM__THP_SIZE_STATS };
extern const char *const vmsim__thp_size_stat_names[VMSIM__THP_SIZE_STATS];

#endif
