/* SPDX-License-Identifier: MIT */
/* What a processor says about its own caches and TLBs: raw CPUID leaves, for machine descriptions that are finer than
 * a preset. Sources: AMD64 APM vol. 3 appendix E, Intel SDM vol. 2 CPUID. */
#include "config/capture.h"

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>

/* Leaves about identity, caches, TLBs and address sizes; those with subleaves end at the first empty one. */
static const struct {
    unsigned leaf, subleaves;
} leaves[] = {{0, 1},          {1, 1},          {2, 1},          {4, 8},          {7, 1},
              {0x18, 16},      {0x80000000, 1}, {0x80000001, 1}, {0x80000005, 1}, {0x80000006, 1},
              {0x80000008, 1}, {0x80000019, 1}, {0x8000001d, 8}};

/* Identity (leaf 1) tells on which CPU it was read in bits of EBX, which would differ from run to run. */
static unsigned stable_ebx(unsigned leaf, unsigned ebx) {
    return leaf == 1 ? ebx & 0xffffff : ebx;
}

/* Leaves as they are, for whoever imports: what this vmsim does not decode a later one may. What differs from CPU to
 * CPU is left out, as two captures of one host are to be the same. */
void vmsim__capture_cpuid(struct vmsim__capture *c) {
    struct vmsim__textbuf b;
    vmsim__textbuf_init(&b, c->alloc);
    vmsim__textbuf_puts(&b, "# leaf subleaf eax ebx ecx edx\n");
    for (size_t i = 0; i < sizeof leaves / sizeof leaves[0]; i++) {
        for (unsigned sub = 0; sub < leaves[i].subleaves; sub++) {
            unsigned eax, ebx, ecx, edx;
            if (!__get_cpuid_count(leaves[i].leaf, sub, &eax, &ebx, &ecx, &edx) || (sub && !(eax | ebx | ecx | edx)))
                break;
            vmsim__textbuf_printf(&b, "%08x %u %08x %08x %08x %08x\n", leaves[i].leaf, sub, eax,
                                  stable_ebx(leaves[i].leaf, ebx), ecx, edx);
        }
    }
    if (b.failed)
        c->failed = true;
    else
        vmsim__capture_add(c, "cpuid.txt", vmsim__textbuf_text(&b), b.count);
    vmsim__textbuf_fini(&b);
}
#else
void vmsim__capture_cpuid(struct vmsim__capture *c) {
    vmsim__capture_note(c, "cpuid.txt", "this is no x86 processor");
}
#endif
