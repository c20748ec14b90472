/* SPDX-License-Identifier: MIT */
/* 16 MiB that could be huge pages. */
#include "recorded_say.h"

int main(void) {
    char *p = map(4096 + 512);
    p += -(uintptr_t)p % (512 * PAGE);
    write_pages(p, 4096);
    return 0;
}
