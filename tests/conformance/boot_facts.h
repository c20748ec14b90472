/* SPDX-License-Identifier: MIT */
/* Files of a capture, or of a simulated machine's /proc and /sys, as named facts; and what each fact is good for. */
#ifndef BOOT_FACTS_H
#define BOOT_FACTS_H
#include <stdbool.h>
#include <stddef.h>

/* Keys: "min_free_kbytes", "N0/DMA32/min", "N0/DMA32/cpu0/batch", "line 3". Blanks of values are single. */
struct fact {
    char key[96], value[512];
};
struct facts {
    struct fact *at;
    size_t count;
};

/* Splits a text; `zoneinfo`: one of /proc/zoneinfo, whose lines need their context. */
void facts_parse(struct facts *f, const char *text, bool zoneinfo);
void facts_free(struct facts *f);
const char *facts_find(const struct facts *f, const char *key); /* NULL: none */

enum fact_use {
    USE_EXACT,              /* derived: must be the same */
    USE_EIGHTH,             /* follows what was free at one moment of boot: within an eighth */
    USE_EXACT_UNLESS_TUNED, /* exact where the kernel does not tune it itself */
    USE_NONE                /* not modelled, with the reason */
};
struct fact_rule {
    const char *file, *key; /* patterns of fnmatch(3), '/' is matched by itself only */
    const char *area;
    enum fact_use use;
    const char *reason; /* of USE_NONE */
};
/* Whether a file is read fact by fact: false for the log, the resource tree, how it was captured. */
bool fact_file(const char *file);
/* The rule of a fact; there is one for every fact. */
const struct fact_rule *fact_rule(const char *file, const char *key);

#endif
