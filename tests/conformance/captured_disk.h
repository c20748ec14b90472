/* SPDX-License-Identifier: MIT */
/* The file system that the captured programs lay on: where the inodes of what a trace uses are. */
#ifndef CAPTURED_DISK_H
#define CAPTURED_DISK_H
#include "conformance.h"

/* Adds `files` of the workload: the disk itself, /dev/vda, and the number of each file of the traces (their paths, NULL
 * at the end) that the disk has from the start, and of the directories above. FOLDER/inodes.tsv beside the first trace
 * has the numbers (tools/pressure-programs); without it nothing is added, and the recorded ones count. */
void captured_disk_add(struct conformance_yaml *t, const char *const *traces);

/* Adds a task that reads what dropping caches had left of the file system's blocks, `buffers_kb` of meminfo as the case
 * began: it is done after CAPTURED_DISK_MS. */
enum { CAPTURED_DISK_MS = 50 };
void captured_disk_left(struct conformance_yaml *t, int64_t buffers_kb);

#endif
