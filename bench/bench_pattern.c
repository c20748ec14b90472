/* SPDX-License-Identifier: MIT */
/* How fast described programs make their references, as JSON: each pattern over 16 Ki and over 1 Mi granules, with and
 * without stores. Nothing is simulated. */
#include "base/alloc.h"
#include "bench.h"
#include "scenario/pattern.h"

static double rate(int pattern, uint64_t granules, uint64_t write) {
    static vmsim_access batch[4096];
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    struct vmsim__step_touch step = {.pattern = pattern,
                                     .count = 20000000,
                                     .stride = 4096,
                                     .size = 8,
                                     .exponent = 1000000,
                                     .hot = 100000,
                                     .hot_share = 900000,
                                     .write = write};
    struct vmsim__references r;
    uint64_t sum = 0, made = 0;
    if (!a || vmsim__references_init(&r, a, &step, UINT64_C(0x7f0000000000), granules * 4096, 1, "bench"))
        exit(1);
    double begin = now();
    for (size_t n; (n = vmsim__references_fill(&r, batch, sizeof batch / sizeof batch[0])) != 0; made += n)
        sum += batch[n - 1];
    double spent = now() - begin;
    vmsim__references_fini(&r);
    vmsim__alloc_destroy(a);
    return sum ? (double)made / spent / 1e6 : 0;
}

int main(void) {
    static const struct {
        const char *name;
        int pattern;
    } patterns[] = {{"stride", VMSIM__PATTERN_STRIDE},
                    {"uniform", VMSIM__PATTERN_UNIFORM},
                    {"zipf", VMSIM__PATTERN_ZIPF},
                    {"hot-cold", VMSIM__PATTERN_HOT_COLD},
                    {"pointer-chase", VMSIM__PATTERN_POINTER_CHASE}};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        for (unsigned shift = 14; shift <= 20; shift += 6) {
            double loads = rate(patterns[i].pattern, UINT64_C(1) << shift, 0),
                   mixed = rate(patterns[i].pattern, UINT64_C(1) << shift, 300000);
            printf("{\"bench\": \"pattern\", \"pattern\": \"%s\", \"granules\": %u, \"mrefs_per_s\": %.0f, "
                   "\"with_30_percent_stores\": %.0f}\n",
                   patterns[i].name, 1u << shift, loads, mixed);
        }
    return 0;
}
