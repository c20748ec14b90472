/* SPDX-License-Identifier: MIT */
/* 16 MiB that could be huge pages, in a process that wants none. */
#include <sys/prctl.h>

#include "recorded_say.h"

int main(void) {
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    char *p = map(4096 + 512);
    p += -(uintptr_t)p % (512 * PAGE);
    write_pages(p, 4096);
    return 0;
}
