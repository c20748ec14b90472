/* SPDX-License-Identifier: MIT */
/* The driver of a fuzz target without a fuzzing engine: NAME STEPS [SEED-FILE...]. It runs every seed as it is, then
 * STEPS inputs that are a seed, or an earlier input, with some changes. VMSIM_SEED chooses the changes, VMSIM_STEPS
 * their number. NAME --write FOLDER writes the seeds there, for libFuzzer; NAME --once FILE runs one input.
 *
 * Changes keep the shape of texts more often than not: words are replaced by words of other seeds, numbers by numbers
 * that are likely to hurt, lines move. The input at which the program dies is left in the file failed-input-PID. */
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "base/rng.h"
#include "fuzz.h"

enum { SEEDS_MAX = 1024, POOL = 256, INPUT_MAX = 1 << 18, SECONDS = 60 };

struct input {
    uint8_t *at;
    size_t size;
};

static struct input seeds[SEEDS_MAX], pool[POOL];
static size_t seed_count;
static uint8_t current[INPUT_MAX];
static size_t current_size;

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void keep_input(void) {
    char name[64];
    snprintf(name, sizeof name, "failed-input-%ld", (long)getpid());
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || write(fd, current, current_size) < 0)
        _exit(1);
    fprintf(stderr, "the input is in %s\n", name);
}

static void on_signal(int number) {
    static const char late[] = "an input takes too long\n";
    if (number == SIGALRM && write(2, late, sizeof late - 1) < 0)
        _exit(1);
    keep_input();
    _exit(1);
}

static void watch(void) {
    const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM};
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(keep_input);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!__sanitizer_set_death_callback || numbers[i] == SIGABRT || numbers[i] == SIGALRM)
            signal(numbers[i], on_signal);
}

/* ---- inputs ---- */

static void add_seed(const void *data, size_t size) {
    if (seed_count == SEEDS_MAX || size > INPUT_MAX)
        return;
    uint8_t *copy = malloc(size + 1);
    if (!copy)
        fuzz_fail("no memory for a seed");
    memcpy(copy, data, size);
    seeds[seed_count++] = (struct input){copy, size};
}

static void add_file(const char *path) {
    static uint8_t bytes[INPUT_MAX];
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    if (n < 0)
        fuzz_fail("%s cannot be read", path);
    close(fd);
    add_seed(bytes, (size_t)n);
}

static void write_seeds(const char *folder) {
    char path[512];
    for (size_t i = 0; i < seed_count; i++) {
        snprintf(path, sizeof path, "%s/seed-%zu", folder, i);
        FILE *f = fopen(path, "wb");
        if (!f || fwrite(seeds[i].at, 1, seeds[i].size, f) != seeds[i].size || fclose(f))
            fuzz_fail("%s cannot be written", path);
    }
}

static void run(const struct input *in) {
    memcpy(current, in->at, in->size);
    current_size = in->size;
    alarm(SECONDS);
    LLVMFuzzerTestOneInput(current, current_size);
    alarm(0);
}

/* ---- changes ---- */

static uint64_t below(struct vmsim__rng *r, uint64_t n) {
    return n ? vmsim__rng_below(r, n) : 0;
}

/* Replaces [at, at + old) by `size` bytes, as far as there is room. */
static void replace(struct input *in, size_t at, size_t old, const void *bytes, size_t size) {
    uint8_t copy[4096];
    size = size > sizeof copy ? sizeof copy : size;
    if (in->size - old + size > INPUT_MAX)
        return;
    memcpy(copy, bytes, size); /* it may lie within */
    memmove(in->at + at + size, in->at + at + old, in->size - at - old);
    memcpy(in->at + at, copy, size);
    in->size = in->size - old + size;
}

static bool is_word(uint8_t c) {
    return isalnum(c) || c == '_' || c == '-' || c == '.' || c == '/';
}

/* A word at or behind a random place: its begin, and its length in *size (0: there is none). */
static size_t any_word(struct vmsim__rng *r, const struct input *in, size_t *size, bool number) {
    size_t at = below(r, in->size), end;
    while (at < in->size && !(number ? isdigit(in->at[at]) : is_word(in->at[at])))
        at++;
    while (at && !number && at < in->size && is_word(in->at[at - 1]))
        at--;
    for (end = at; end < in->size && (number ? isdigit(in->at[end]) : is_word(in->at[end]));)
        end++;
    *size = end - at;
    return at;
}

static size_t any_line(struct vmsim__rng *r, const struct input *in, size_t *size) {
    size_t at = below(r, in->size), end;
    while (at && in->at[at - 1] != '\n')
        at--;
    for (end = at; end < in->size && in->at[end++] != '\n';)
        continue;
    *size = end - at;
    return at;
}

static const char *const hurtful[] = {"0",
                                      "1",
                                      "-1",
                                      "2",
                                      "63",
                                      "64",
                                      "65",
                                      "255",
                                      "256",
                                      "1024",
                                      "4095",
                                      "4096",
                                      "65535",
                                      "65536",
                                      "2147483647",
                                      "2147483648",
                                      "4294967295",
                                      "4294967296",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "18446744073709551615",
                                      "18446744073709551616",
                                      "1e9",
                                      "0x1000",
                                      "1TiB",
                                      "8191PiB",
                                      "100%",
                                      "101%",
                                      "~"};

static void change_text(struct vmsim__rng *r, struct input *in, const struct input *other) {
    size_t old, size, at, from;
    switch (below(r, 5)) {
    case 0: /* a number for a number */
        at = any_word(r, in, &old, true);
        const char *number = hurtful[below(r, sizeof hurtful / sizeof *hurtful)];
        if (old)
            replace(in, at, old, number, strlen(number));
        break;
    case 1: /* a word for a word */
        at = any_word(r, in, &old, false);
        from = any_word(r, other, &size, false);
        replace(in, at, old, other->at + from, size);
        break;
    case 2: /* a line of another input, in between */
        at = any_line(r, in, &old);
        from = any_line(r, other, &size);
        replace(in, at, 0, other->at + from, size);
        break;
    case 3: /* a line for a line */
        at = any_line(r, in, &old);
        from = any_line(r, other, &size);
        replace(in, at, old, other->at + from, size);
        break;
    default: /* a line gone */
        at = any_line(r, in, &old);
        replace(in, at, old, "", 0);
    }
}

static void change_bytes(struct vmsim__rng *r, struct input *in, const struct input *other) {
    static const uint64_t values[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0xffffffff, UINT64_MAX};
    size_t at = below(r, in->size), size, from;
    uint8_t byte = (uint8_t)below(r, 256);
    switch (below(r, 6)) {
    case 0:
        if (in->size)
            in->at[at] = (uint8_t)(in->at[at] ^ 1u << below(r, 8));
        break;
    case 1:
        replace(in, at, in->size ? 1 : 0, &byte, 1);
        break;
    case 2: { /* a number of 1 to 8 bytes */
        uint64_t v = values[below(r, sizeof values / sizeof *values)];
        size = (size_t)1 << below(r, 4);
        if (at + size <= in->size)
            memcpy(in->at + at, &v, size);
        break;
    }
    case 3: /* a piece gone */
        size = 1 + below(r, below(r, 8) ? 16 : in->size - at);
        replace(in, at, size < in->size - at ? size : in->size - at, "", 0);
        break;
    case 4: /* a piece of another input, or of this one */
        from = below(r, other->size);
        size = below(r, below(r, 4) ? 64 : 4096);
        replace(in, at, 0, other->at + from, size < other->size - from ? size : other->size - from);
        break;
    default:
        if (!below(r, 4))
            in->size = at;
    }
}

static const struct input *any_input(struct vmsim__rng *r) {
    const struct input *kept = &pool[below(r, POOL)];
    return kept->at && below(r, 2) ? kept : &seeds[below(r, seed_count)];
}

static void step(struct vmsim__rng *r) {
    static uint8_t bytes[INPUT_MAX];
    const struct input *base = any_input(r);
    struct input in = {bytes, base->size};
    memcpy(bytes, base->at, base->size);
    for (uint64_t n = 1 + below(r, 4); n; n--)
        (below(r, 3) ? change_text : change_bytes)(r, &in, any_input(r));
    run(&in);
    struct input *kept = &pool[below(r, POOL)];
    if (below(r, 4)) /* most are forgotten, or all would be rubbish in the end */
        return;
    uint8_t *copy = malloc(in.size + 1);
    if (!copy)
        fuzz_fail("no memory");
    memcpy(copy, in.at, in.size);
    free(kept->at);
    *kept = (struct input){copy, in.size};
}

int main(int argc, char **argv) {
    const char *seed = getenv("VMSIM_SEED"), *more = getenv("VMSIM_STEPS");
    bool writing = argc > 2 && !strcmp(argv[1], "--write"), once = argc > 2 && !strcmp(argv[1], "--once");
    if (argc < 2)
        fuzz_fail("usage: %s STEPS | --write FOLDER | --once INPUT [SEED...]", argv[0]);
    watch();
    if (!once)
        fuzz_seeds(add_seed);
    for (int i = writing ? 3 : 2; i < argc; i++)
        add_file(argv[i]);
    if (writing) {
        write_seeds(argv[2]);
        return 0;
    }
    struct vmsim__rng r;
    vmsim__rng_seed_named(&r, seed && *seed ? strtoull(seed, NULL, 0) : 1, "fuzz");
    uint64_t steps = once ? 0 : strtoull(more && *more ? more : argv[1], NULL, 0);
    for (size_t i = 0; i < seed_count; i++)
        run(&seeds[i]);
    for (uint64_t i = 0; i < steps; i++)
        step(&r);
    printf("%zu seeds, %llu steps\n", seed_count, (unsigned long long)steps);
    for (size_t i = 0; i < POOL; i++)
        free(pool[i].at);
    for (size_t i = 0; i < seed_count; i++)
        free(seeds[i].at);
    return 0;
}
