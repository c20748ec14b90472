/* SPDX-License-Identifier: MIT */
/* What every producer of conformance rows needs: where the captures are, and the row (README.md beside this file). */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H
#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmsim/config.h"

/* Folder of the captures: $VMSIM_GROUNDTRUTH, else ../shared/groundtruth beside the sources. */
static inline const char *conformance_root(void) {
    const char *folder = getenv("VMSIM_GROUNDTRUTH");
    return folder && *folder ? folder : VMSIM_SOURCE_DIR "/../shared/groundtruth";
}

/* A main() begins with `if (!conformance_have("qemu")) return 0;`: without captures, the producer says so. */
static inline bool conformance_have(const char *part) {
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", conformance_root(), part);
    if (!stat(path, &st))
        return true;
    printf("SKIPPED\tthere is no folder %s\n", path);
    return false;
}

/* Where a row belongs; the phase may change from row to row. */
struct conformance {
    const char *area, *kernel, *shape, *phase; /* phase: "workload/phase" */
};

static inline void conformance_exact(const struct conformance *c, const char *fact, uint64_t expected, uint64_t got) {
    printf("%s\t%s\t%s\t%s\t%s\t%" PRIu64 "\t-\t-\t%" PRIu64 "\texact\n", c->area, c->kernel, c->shape, c->phase, fact,
           expected, got);
}

/* Texts (no tab, no newline). */
static inline void conformance_text(const struct conformance *c, const char *fact, const char *expected,
                                    const char *got) {
    printf("%s\t%s\t%s\t%s\t%s\t%s\t-\t-\t%s\texact\n", c->area, c->kernel, c->shape, c->phase, fact, expected, got);
}

static inline void conformance_range(const struct conformance *c, const char *fact, int64_t expected, int64_t low,
                                     int64_t high, int64_t got) {
    printf("%s\t%s\t%s\t%s\t%s\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\trange\n", c->area, c->kernel,
           c->shape, c->phase, fact, expected, low, high, got);
}

static inline void conformance_not_modelled(const struct conformance *c, const char *fact, const char *expected,
                                            const char *reason) {
    printf("%s\t%s\t%s\t%s\t%s\t%s\t-\t-\t-\tnot-modelled\t%s\n", c->area, c->kernel, c->shape, c->phase, fact,
           *expected ? expected : "-", reason);
}

static inline int conformance_compare_names(const void *a, const void *b) {
    return strcmp((const char *)a, (const char *)b);
}

/* Names in a folder, sorted, hidden ones left out; at most `most`. */
static inline unsigned conformance_list(const char *path, char (*names)[128], unsigned most) {
    DIR *d = opendir(path);
    unsigned n = 0;
    for (struct dirent *e; d && (e = readdir(d)) && n < most;) {
        if (e->d_name[0] != '.' && strlen(e->d_name) < 128)
            memcpy(names[n++], e->d_name, strlen(e->d_name) + 1);
    }
    if (d)
        closedir(d);
    qsort(names, n, sizeof *names, conformance_compare_names);
    return n;
}

/* Is the file of a folder of cases the first run of one, "CASE_a.txt"? Boots and machines lie beside them. */
static inline bool conformance_case(const char *file, char name[128]) {
    const char *end = strstr(file, "_a.txt");
    if (!end || end[6] || !strncmp(file, "boot_", 5) || !strncmp(file, "machine_", 8))
        return false;
    snprintf(name, 128, "%.*s", (int)(end - file), file);
    return true;
}

/* A description that grows; what does not fit is a fault of the producer. */
struct conformance_yaml {
    char at[1 << 20];
    size_t size;
};

__attribute__((format(printf, 2, 3))) static inline void conformance_add(struct conformance_yaml *t, const char *format,
                                                                         ...) {
    va_list args;
    va_start(args, format);
    t->size += (size_t)vsnprintf(t->at + t->size, sizeof t->at - t->size, format, args);
    va_end(args);
    if (t->size >= sizeof t->at)
        abort();
}

/* Says why; false. */
static inline bool conformance_refused(const struct vmsim_config *c) {
    for (size_t i = 0; i < vmsim_config_error_count(c); i++)
        fprintf(stderr, "%s\n", vmsim_config_error_text(c, i));
    return false;
}

#endif
