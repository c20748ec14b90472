/* SPDX-License-Identifier: MIT */
/* Reservations far beyond memory, of which little is used, also as buffers of system calls. */
#include <fcntl.h>
#include <unistd.h>

#include "recorded_say.h"

#define TIB (1ul << 40)

int main(void) {
    char *p = mmap(NULL, 8 * TIB, PROT_NONE, PRIVATE | MAP_NORESERVE, -1, 0);
    say_map("8 TiB of nothing", p);
    say("its first part", mprotect(p + TIB, 16 * PAGE, RW));
    write_pages(p + TIB, 16);
    char *q = mmap(p + 2 * TIB, 4 * TIB, RW, PRIVATE | MAP_NORESERVE | MAP_FIXED, -1, 0);
    printf("4 TiB in its middle: %d\n", q == p + 2 * TIB);
    int zero = open("/dev/zero", O_RDONLY), file = memfd_create("file", 0);
    say("read", read(zero, q + TIB, 16 * PAGE));
    say("write", write(file, q + 2 * TIB, 16 * PAGE));
    write_pages(q, 16);
    say("no access any more", mprotect(q, TIB, PROT_NONE));
    say("into what has no access", read(zero, q, PAGE));
    say("advice", madvise(q + TIB, TIB, MADV_DONTNEED));
    say("unmap", munmap(p, 7 * TIB));
    say("into what is unmapped", read(zero, q, PAGE));
    char *big = mmap(NULL, 3ul << 30, RW, PRIVATE | MAP_NORESERVE, -1, 0);
    write_pages(big, 8);
    big = mremap(big, 3ul << 30, 5ul << 30, MREMAP_MAYMOVE);
    printf("contents %ld\n", sum_pages(big, 8));
    say_map("more than there are addresses", mmap(NULL, 1ul << 47, PROT_NONE, PRIVATE | MAP_NORESERVE, -1, 0));
    return 0;
}
