/* SPDX-License-Identifier: MIT */
/* The file system that the captured programs lay on: where the inodes of what a trace uses are. */
#ifndef CAPTURED_DISK_H
#define CAPTURED_DISK_H
#include "conformance.h"

/* Adds `files` of the workload: the disk itself, /dev/vda, and the number of each file of the traces (their paths, NULL
 * at the end) that the disk has from the start, and of the directories above. FOLDER/inodes.tsv beside the first trace
 * has the numbers (tools/pressure-programs); without it nothing is added, and the recorded ones count. */
void captured_disk_add(struct conformance_yaml *t, const char *const *traces);

#endif
