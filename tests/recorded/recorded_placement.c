/* SPDX-License-Identifier: MIT */
/* Where mappings come to lie, as far as a program can rely on it. */
#include "recorded_say.h"

static void order_and_alignment(void) {
    char *first = map(16), *second = map(16);
    printf("downwards: %d\n", second + 16 * PAGE == first);
    for (unsigned i = 0; i < 4; i++) {
        char *p = map(4096 + i);
        printf("16 MiB, aligned to 2 MiB: %d\n", (uintptr_t)p % (2 << 20) == 0);
    }
    char *low = mmap(NULL, PAGE, RW, PRIVATE | MAP_32BIT, -1, 0);
    printf("below 2 GiB: %p\n", (void *)low);
    char *wish = first - (1ul << 32);
    printf("a hint is heard: %d\n", mmap(wish, PAGE, RW, PRIVATE, -1, 0) == (void *)wish);
}

static void noreplace(void) {
    char *p = map(64);
    say_map("over a mapping", mmap(p + 8 * PAGE, PAGE, RW, PRIVATE | MAP_FIXED_NOREPLACE, -1, 0));
    munmap(p + 8 * PAGE, PAGE);
    char *q = mmap(p + 8 * PAGE, PAGE, RW, PRIVATE | MAP_FIXED_NOREPLACE, -1, 0);
    printf("into the hole: %d\n", q == p + 8 * PAGE);
}

static void in_place(void) {
    char *p = map(64);
    munmap(p + 32 * PAGE, 32 * PAGE);
    write_pages(p, 32);
    char *q = mremap(p, 32 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    printf("grown in place: %d, contents %ld\n", q == p, sum_pages(q, 64));
    printf("shrunk in place: %d\n", mremap(q, 64 * PAGE, 16 * PAGE, MREMAP_MAYMOVE) == (void *)q);
    char *neighbour = mmap(q + 16 * PAGE, PAGE, RW, PRIVATE | MAP_FIXED, -1, 0);
    say_map("no room to grow", mremap(q, 16 * PAGE, 32 * PAGE, 0));
    char *moved = mremap(q, 16 * PAGE, 32 * PAGE, MREMAP_MAYMOVE);
    printf("moved: %d, contents %ld, neighbour %d\n", moved != q, sum_pages(moved, 32), *neighbour);
    say_map("of nothing", mremap(q, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
}

/* Programs compute with addresses: all but the uppermost bits are as natively, where nothing is placed by chance. */
static void addresses(void) {
    const unsigned long low = (1ul << 40) - 1;
    char *page = map(1), *huge = map(1024);
    printf("a page at %lx, 4 MiB at %lx, the stack at %lxMiB\n", (uintptr_t)page & low, (uintptr_t)huge & low,
           ((uintptr_t)&page & low) >> 20);
    munmap(page, PAGE);
    munmap(huge, 1024ul * PAGE);
}

int main(void) {
    addresses();
    order_and_alignment();
    noreplace();
    in_place();
    say_map("no length", mmap(NULL, 0, RW, PRIVATE, -1, 0));
    say_map("no file", mmap(NULL, PAGE, RW, MAP_PRIVATE, 99, 0));
    say_map("neither private nor shared", mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
    return 0;
}
