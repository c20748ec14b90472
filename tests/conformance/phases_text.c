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

/* ---- other address spaces ---- */

#define TIB(n) (UINT64_C(n) << 40)

/* Where the capturing program maps on a 32-bit machine: 1, 2 and 3 TiB become 1 GiB and addresses behind it, what is
 * 1 GiB apart is 32 MiB apart, and a run across the edge of a top table lies at 2 GiB. */
static uint64_t narrow_address(uint64_t at) {
    if (at < TIB(1) || at >= TIB(4))
        return at;
    if (at < TIB(2) && TIB(2) - at <= 4096)
        return UINT64_C(0x80000000) - (TIB(2) - at);
    if (at < TIB(2))
        return UINT64_C(0x40000000) + ((at >> 30 & 1023) << 25) + (at & 0x3fffffff);
    return (at < TIB(3) ? UINT64_C(0x60000000) : UINT64_C(0x70000000)) + (at & (TIB(1) - 1));
}

/* What is said otherwise there: on x86-64, arm64, 32-bit machines. */
static const struct {
    const char *usual, *arm64, *narrow;
} words[] = {{"mmap FIXED at top of user space 0x7ffffffff000",
              "mmap FIXED at TASK_SIZE (first address above user space)", NULL},
             {"mmap FIXED at 0x7fffffffe000", "mmap FIXED_NOREPLACE 2 pages below TASK_SIZE", NULL},
             {"mmap len 2^47", "mmap len 2^48", "mmap len 3 GiB"},
             {"\"0 0x800000000000 ", "\"0 0x1000000000000 ", "\"0 0xc0000000 "},
             {"\"0x7ffffffff000 ", "\"0x1000000000000 ", "\"0xc0000000 "},
             {"\"0x7fffffffe000 ", "\"0xffffffffe000 ", "\"0xbfffe000 "},
             {"0xffff800000000000", "0xffff800000000000", "0xc0100000"},
             {"0xffffffffffffffff", "0xffffffffffffffff", "0xffffffff"}};

static void replace(char *line, size_t size, const char *usual, const char *with) {
    char rest[1024];
    for (char *at = line; (at = strstr(at, usual)); at += strlen(with)) {
        snprintf(rest, sizeof rest, "%s", at + strlen(usual));
        snprintf(at, size - (size_t)(at - line), "%s%s", with, rest);
    }
}

static void narrow_numbers(char *line, size_t size) {
    for (char *at = line; (at = strstr(at, "0x")); at += 2) {
        char *end, number[24], rest[1024];
        const uint64_t value = strtoull(at, &end, 16);
        snprintf(rest, sizeof rest, "%s", end);
        snprintf(number, sizeof number, "0x%" PRIx64, narrow_address(value));
        if (narrow_address(value) != value)
            snprintf(at, size - (size_t)(at - line), "%s%s", number, rest);
    }
}

/* A line of a described program, in the words of the machine that was captured. */
static void settle_line(char *line, size_t size, enum phases_space space) {
    if (space == PHASES_X86_64)
        return;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        const bool narrow = space == PHASES_NARROW && words[i].narrow;
        replace(line, size, words[i].usual, narrow ? words[i].narrow : words[i].arm64);
    }
    if (space == PHASES_NARROW)
        narrow_numbers(line, size);
}

enum phases_space phases_space_of(const char *kernel) {
    if (!strchr(kernel, '-'))
        return PHASES_X86_64;
    return strstr(kernel, "-arm64") ? PHASES_ARM64 : PHASES_NARROW;
}

/* ---- sizes ---- */

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

char *phases_text(const char *path, const struct capture_phases *capture, uint64_t ram_pages, enum phases_space space) {
    char line[1024], *text = NULL;
    size_t size;
    bool good = true;
    FILE *in = fopen(path, "r"), *out = open_memstream(&text, &size);
    if (!in || !out) {
        perror(path);
        exit(2);
    }
    for (unsigned number = 1; good && fgets(line, sizeof line, in); number++) {
        settle_line(line, sizeof line, space);
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
