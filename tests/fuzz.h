/* SPDX-License-Identifier: MIT */
/* One fuzz target, two drivers. Each fuzz_*.c defines LLVMFuzzerTestOneInput, and fuzz_seeds with good inputs of its
 * own. libFuzzer looks for new code in them for as long as it is let (VMSIM_FUZZ); fuzz_main.c makes a fixed number of
 * changes, the same for the same VMSIM_SEED, in every build.
 *
 * A target aborts on a fault; fuzz_fail does it with a text. */
#ifndef FUZZ_H
#define FUZZ_H
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Adds a good input; copied. */
typedef void fuzz_add(const void *data, size_t size);
/* Adds the target's own seeds; those that the command line names are added as they are. */
void fuzz_seeds(fuzz_add *add);

__attribute__((format(printf, 1, 2), noreturn, unused)) static void fuzz_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

#endif
