/* SPDX-License-Identifier: MIT */
/* Puts a capture's sizes into a described program (see phases_text.h).
 *
 * The skewed sequences are those of the capturing program: x ^= x << 13, x >> 7, x << 17 from 88172645463325252, of
 * which bits 16 to 31 are u. */
#include "phases_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first number in the title of a phase; 0: none. */
static uint64_t phase_number(const struct capture_phases *c, unsigned phase) {
    for (size_t i = 0; i < c->count; i++) {
        const char *title = c->at[i].title;
        if (c->at[i].number == phase)
            return strtoull(title + strcspn(title, "0123456789"), NULL, 10);
    }
    return 0;
}

/* "ram*130/100", "free0*4", "phase1*4", and the rest. False: it is not that. */
static bool print_product(FILE *out, const char *text, const struct capture_phases *c, uint64_t ram) {
    unsigned phase;
    uint64_t value;
    unsigned node;
    if (!strncmp(text, "ram", 3))
        value = ram;
    else if (sscanf(text, "free%u", &node) == 1 && node < 2)
        value = c->node_free[node];
    else if (!strncmp(text, "written", 7))
        value = c->written;
    else if (sscanf(text, "phase%u", &phase) == 1)
        value = phase_number(c, phase);
    else
        return false;
    static const char operations[] = "*/+<";
    for (text += strcspn(text, operations); *text; text += strcspn(text, operations)) {
        const char operation = *text++;
        const uint64_t by = strtoull(text, NULL, 10);
        if (!by)
            return false;
        value = operation == '*'   ? value * by
                : operation == '/' ? value / by
                : operation == '+' ? value + by
                                   : (value < by ? value : by);
    }
    fprintf(out, "%" PRIu64, value);
    return true;
}

static uint64_t next_fraction(uint64_t *x) {
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x >> 16 & 0xffff;
}

static void print_skewed(FILE *out, uint64_t from, uint64_t to, uint64_t pages, bool cubes, const char *region) {
    uint64_t x = UINT64_C(88172645463325252);
    for (uint64_t i = 0; i < to; i++) {
        const uint64_t u = next_fraction(&x);
        const uint64_t page = cubes ? ((u * u >> 16) * u >> 16) * pages >> 16 : pages * u * u >> 32;
        if (i >= from)
            fprintf(out, "%s{touch: {region: %s, offset: %" PRIu64 "KiB, length: 4KiB, write: 100%%}}",
                    i > from ? ", " : "", region, page * 4);
    }
}

/* What stands between the braces. */
static bool print_inserted(FILE *out, const char *text, const struct capture_phases *c, uint64_t ram) {
    uint64_t from, to, pages;
    char region[16];
    if (sscanf(text, "cubes %" SCNu64 " %" SCNu64 " %15s", &from, &to, region) == 3)
        print_skewed(out, from, to, to - from, true, region);
    else if (sscanf(text, "squares %" SCNu64 " %" SCNu64 " %" SCNu64 " %15s", &from, &to, &pages, region) == 4)
        print_skewed(out, from, to, pages, false, region);
    else
        return print_product(out, text, c, ram);
    return true;
}

static bool print_line(FILE *out, const char *line, const struct capture_phases *c, uint64_t ram) {
    for (const char *open; (open = strstr(line, "%{")); line = strchr(open, '}') + 1) {
        char inserted[120];
        if (!strchr(open, '}'))
            return false;
        fprintf(out, "%.*s", (int)(open - line), line);
        snprintf(inserted, sizeof inserted, "%.*s", (int)strcspn(open + 2, "}"), open + 2);
        if (!print_inserted(out, inserted, c, ram))
            return false;
    }
    fputs(line, out);
    return true;
}

char *phases_text(const char *path, const struct capture_phases *capture, uint64_t ram_pages) {
    char line[1024], *text = NULL;
    size_t size;
    bool good = true;
    FILE *in = fopen(path, "r"), *out = open_memstream(&text, &size);
    if (!in || !out) {
        perror(path);
        exit(2);
    }
    for (unsigned number = 1; good && fgets(line, sizeof line, in); number++) {
        good = print_line(out, line, capture, ram_pages);
        if (!good)
            fprintf(stderr, "%s:%u: not known: %s", path, number, line);
    }
    fclose(in);
    if (fclose(out))
        abort();
    if (good)
        return text;
    free(text);
    return NULL;
}
