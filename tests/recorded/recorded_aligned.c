/* SPDX-License-Identifier: MIT */
/* Blocks of 4 MiB at multiples of 4 MiB, as allocators make them: more is mapped, and what is too much unmapped. */
#include "recorded_say.h"

#define BLOCK (4ul << 20)

int main(void) {
    for (unsigned i = 0; i < 4; i++) {
        char *p = map(2 * BLOCK / PAGE), *q = p + -(uintptr_t)p % BLOCK;
        if (q > p)
            munmap(p, (size_t)(q - p));
        munmap(q + BLOCK, (size_t)(p + BLOCK - q));
        say("advice", madvise(q, BLOCK, MADV_HUGEPAGE));
        write_pages(q, BLOCK / PAGE);
    }
    return 0;
}
