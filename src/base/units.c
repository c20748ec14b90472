/* SPDX-License-Identifier: MIT */
/* Sizes and times in text. All in integers: a fraction is digits over a power of ten, which either divides out or is
 * refused, so that no machine is ever configured with a rounded number.
 *
 *     "1.5GiB"  ->  whole 1, fraction 5 over 10  ->  (1 * 10 + 5) * 2^30 / 10
 */
#include "base/units.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

struct unit {
    const char *name;
    uint64_t scale;
};

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)
#define PIB (UINT64_C(1) << 50)

/* The first name of each scale is the one printed. */
static const struct unit size_units[] = {
    {"PiB", PIB}, {"TiB", TIB}, {"GiB", GIB}, {"MiB", MIB}, {"KiB", KIB}, {"B", 1},
    {"kB", KIB},  {"K", KIB},   {"M", MIB},   {"G", GIB},   {"T", TIB},   {"P", PIB},
    {"k", KIB},   {"m", MIB},   {"g", GIB},   {"t", TIB},   {"p", PIB},   {NULL, 0},
};
#define MINUTE UINT64_C(60000000000)
static const struct unit time_units[] = {
    {"h", 60 * MINUTE}, {"min", MINUTE}, {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}, {NULL, 0},
};
static const struct unit count_units[] = {
    {"P", UINT64_C(1000000000000000)},
    {"T", UINT64_C(1000000000000)},
    {"G", 1000000000},
    {"M", 1000000},
    {"k", 1000},
    {"", 1},
    {NULL, 0},
};

/* A decimal number as whole + fraction / over; at most 18 significant decimals, so that everything fits. */
struct number {
    uint64_t whole, fraction, over;
};

static bool fail(const char **why, const char *reason) {
    if (why)
        *why = reason;
    return false;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static unsigned hex_digit(char c) {
    if (is_digit(c))
        return (unsigned)(c - '0');
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 16;
}

/* Digits of base 10 or (after 0x) 16 at *text, which moves behind them. */
static bool read_digits(const char **text, uint64_t *value, bool *hex, const char **why) {
    const char *c = *text;
    *hex = c[0] == '0' && (c[1] == 'x' || c[1] == 'X');
    c += *hex ? 2 : 0;
    const char *start = c;
    uint64_t base = *hex ? 16 : 10;
    for (*value = 0; hex_digit(*c) < base; c++)
        if (__builtin_mul_overflow(*value, base, value) || __builtin_add_overflow(*value, hex_digit(*c), value))
            return fail(why, "too large");
    if (c == start)
        return fail(why, **text == '-' ? "may not be negative" : !**text ? "empty" : "not a number");
    *text = c;
    return true;
}

static bool read_number(const char **text, struct number *n, const char **why) {
    bool hex;
    *n = (struct number){.over = 1};
    if (!read_digits(text, &n->whole, &hex, why))
        return false;
    if (hex || **text != '.')
        return true;
    const char *first = ++*text, *end = first;
    while (is_digit(*end))
        end++;
    *text = end;
    if (end == first)
        return fail(why, "digits must follow the decimal point");
    while (end > first && end[-1] == '0')
        end--;
    if (end - first > 18)
        return fail(why, "too many decimals");
    for (; first < end; first++, n->over *= 10)
        n->fraction = n->fraction * 10 + (uint64_t)(*first - '0');
    return true;
}

static bool scale_number(const struct number *n, uint64_t scale, uint64_t *value, const char *inexact,
                         const char **why) {
    VMSIM__ASSERT(n->over && n->fraction < n->over && scale);
    unsigned __int128 part = (unsigned __int128)n->fraction * scale;
    unsigned __int128 all = (unsigned __int128)n->whole * scale + part / n->over;
    if (part % n->over)
        return fail(why, inexact);
    if (all > UINT64_MAX)
        return fail(why, "too large");
    *value = (uint64_t)all;
    return true;
}

static const struct unit *find_unit(const struct unit *units, const char *name) {
    for (; units->name; units++)
        if (!strcmp(units->name, name))
            return units;
    return NULL;
}

/* What people write for a unit (lower case, a blank on either side), and what is said of it. */
struct slip {
    const char *words, *why;
};
#define MEANT(unit) "unknown unit: did you mean '" unit "'?"
static const struct slip size_slips[] = {
    {" b byte bytes ", MEANT("B")},
    {" kb ki kib kbyte kbytes kilobyte kilobytes ", MEANT("KiB")},
    {" mb mi mib mbyte mbytes meg megabyte megabytes ", MEANT("MiB")},
    {" gb gi gib gbyte gbytes gig gigabyte gigabytes ", MEANT("GiB")},
    {" tb ti tib tbyte tbytes terabyte terabytes ", MEANT("TiB")},
    {" pb pi pib pbyte pbytes petabyte petabytes ", MEANT("PiB")},
    {NULL, "unknown unit; sizes take B, kB (1024 bytes), KiB, MiB, GiB, TiB, PiB or K, M, G, T, P"},
};
static const struct slip time_slips[] = {
    {" ns nsec nsecs nanosecond nanoseconds ", MEANT("ns")},
    {" us usec usecs microsecond microseconds \302\265s \316\274s ", MEANT("us")}, /* micro sign, Greek mu */
    {" ms msec msecs milli millis millisecond milliseconds ", MEANT("ms")},
    {" s sec secs second seconds ", MEANT("s")},
    {" m ", "unknown unit: did you mean 'min' or 'ms'?"},
    {" min mins minute minutes ", MEANT("min")},
    {" h hr hrs hour hours ", MEANT("h")},
    {NULL, "unknown unit; times take ns, us, ms, s, min or h"},
};

static const char *slip_of(const struct slip *slips, const char *unit) {
    char word[24] = " ";
    size_t n = 1;
    for (; *unit && *unit != ' ' && n < sizeof word - 2; unit++)
        word[n++] = (char)(*unit >= 'A' && *unit <= 'Z' ? *unit | 0x20 : *unit);
    word[n] = ' ';
    while (slips->words && (*unit || !strstr(slips->words, word)))
        slips++;
    return slips->why;
}

bool vmsim__parse_size(const char *text, uint64_t *bytes, const char **why) {
    struct number n;
    if (!read_number(&text, &n, why))
        return false;
    if (*text == ' ' && text[1])
        text++;
    const struct unit *u = find_unit(size_units, *text ? text : "B");
    if (!u)
        return fail(why, slip_of(size_slips, text));
    return scale_number(&n, u->scale, bytes, "not a whole number of bytes", why);
}

bool vmsim__parse_time(const char *text, uint64_t *ns, const char **why) {
    struct number n;
    if (!read_number(&text, &n, why))
        return false;
    if (*text == ' ' && text[1])
        text++;
    if (!*text && (n.whole || n.fraction))
        return fail(why, "a unit is required: ns, us, ms, s, min or h");
    const struct unit *u = find_unit(time_units, *text ? text : "ns");
    if (!u)
        return fail(why, slip_of(time_slips, text));
    return scale_number(&n, u->scale, ns, "not a whole number of nanoseconds", why);
}

bool vmsim__parse_uint(const char *text, uint64_t *value, const char **why) {
    bool hex;
    uint64_t v;
    if (!read_digits(&text, &v, &hex, why))
        return false;
    if (*text)
        return fail(why, "not a whole number");
    *value = v;
    return true;
}

bool vmsim__parse_int(const char *text, int64_t *value, const char **why) {
    bool negative = *text == '-' && text[1] != '-';
    uint64_t v, limit = (uint64_t)INT64_MAX + negative;
    if (!vmsim__parse_uint(text + negative, &v, why))
        return false;
    if (v > limit)
        return fail(why, "too large");
    *value = negative ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

/* The largest unit that divides `value`; 0 has the smallest, which is the last of its scale's first names. */
static char *format_exact(const struct unit *u, uint64_t value, char *buffer, size_t size) {
    VMSIM__ASSERT(size > 0);
    while (u->scale > 1 && (!value || value % u->scale))
        u++;
    snprintf(buffer, size, "%llu%s", (unsigned long long)(value / u->scale), u->name);
    return buffer;
}

char *vmsim__format_size(uint64_t bytes, char *buffer, size_t size) {
    return format_exact(size_units, bytes, buffer, size);
}

char *vmsim__format_time(uint64_t ns, char *buffer, size_t size) {
    return format_exact(time_units, ns, buffer, size);
}

/* `value` in units of `scale`, times 10^decimals, rounded to nearest. */
static uint64_t rounded(uint64_t value, uint64_t scale, unsigned decimals) {
    static const unsigned power[] = {1, 10, 100};
    VMSIM__ASSERT(scale && decimals < VMSIM__COUNT(power));
    return (uint64_t)(((unsigned __int128)value * power[decimals] + scale / 2) / scale);
}

/* Decimals that make three significant digits. */
static unsigned human_decimals(uint64_t value, uint64_t scale) {
    unsigned decimals = scale == 1 ? 0 : 2;
    while (decimals && rounded(value, scale, decimals) >= 1000)
        decimals--;
    return decimals;
}

/* Three significant digits in the largest unit that leaves at least 1. */
static char *format_human(const struct unit *units, uint64_t value, char *buffer, size_t size) {
    const struct unit *u = units;
    while (u->scale > 1 && value < u->scale)
        u++;
    unsigned decimals = human_decimals(value, u->scale);
    if (u > units && u->scale > 1 && rounded(value, u->scale, decimals) >= rounded(u[-1].scale, u->scale, decimals)) {
        u--; /* 999.9 us is 1.00 ms */
        decimals = 2;
    }
    const char *space = u->name[0] ? " " : "";
    unsigned long long v = rounded(value, u->scale, decimals);
    if (decimals == 2)
        snprintf(buffer, size, "%llu.%02llu%s%s", v / 100, v % 100, space, u->name);
    else if (decimals == 1)
        snprintf(buffer, size, "%llu.%llu%s%s", v / 10, v % 10, space, u->name);
    else
        snprintf(buffer, size, "%llu%s%s", v, space, u->name);
    return buffer;
}

char *vmsim__human_size(uint64_t bytes, char *buffer, size_t size) {
    return format_human(size_units, bytes, buffer, size);
}

char *vmsim__human_time(uint64_t ns, char *buffer, size_t size) {
    return format_human(time_units, ns, buffer, size);
}

char *vmsim__human_count(uint64_t n, char *buffer, size_t size) {
    return format_human(count_units, n, buffer, size);
}

#define WORD_LIMIT 64u

/* Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`; both shorter than WORD_LIMIT. Three rows
 * of the table are enough: the row made, the one before, and the one before that for swaps. */
static unsigned edit_distance(const char *a, size_t na, const char *b, size_t nb) {
    VMSIM__ASSERT(nb < WORD_LIMIT);
    unsigned rows[3][WORD_LIMIT];
    for (unsigned j = 0; j <= nb; j++)
        rows[0][j] = j;
    for (unsigned i = 1; i <= na; i++) {
        unsigned *row = rows[i % 3], *last = rows[(i + 2) % 3], *swap = rows[(i + 1) % 3];
        row[0] = i;
        for (unsigned j = 1; j <= nb; j++) {
            unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = best < last[j] + 1 ? best : last[j] + 1;
            best = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && swap[j - 2] + 1 < best)
                best = swap[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[na % 3][nb];
}

const char *vmsim__closest(const char *word, const void *names, size_t stride) {
    size_t length = strlen(word);
    unsigned limit = 1 + (unsigned)(length < WORD_LIMIT ? length / 4 : 0), best = limit + 1;
    const char *found = NULL, *name;
    for (const char *at = names; memcpy(&name, at, sizeof name), name; at += stride) {
        size_t n = strlen(name);
        if (length >= WORD_LIMIT || n >= WORD_LIMIT)
            continue;
        unsigned distance = edit_distance(word, length, name, n);
        if (distance < best) {
            best = distance;
            found = name;
        }
    }
    return found;
}

/* Bytes of the control character at `s`, 0: it is none. U+0080 to U+009F are two bytes of UTF-8; alone such a byte is
 * a control character to a terminal of eight bits. */
static size_t control(const unsigned char *s) {
    if (*s < 0x20 || *s == 0x7f || (*s >= 0x80 && *s < 0xa0))
        return 1;
    return *s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0 ? 2 : 0;
}

/* Bytes of the character at `s` that is no control character. What is no UTF-8 counts as one byte. */
static size_t character(const unsigned char *s) {
    size_t n = *s < 0xc2 ? 1 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 1;
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2)
            return 1;
    }
    return n;
}

char *vmsim__printable(const char *text, char *buffer, size_t size) {
    VMSIM__ASSERT(size > 0);
    size_t used = 0;
    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        size_t n = control(s), width = n ? 4 * n : character(s);
        if (used + width >= size)
            break;
        for (size_t i = 0; i < n; i++)
            used += (size_t)snprintf(buffer + used, size - used, "\\%03o", s[i]);
        if (!n) {
            memcpy(buffer + used, s, width);
            used += width;
        }
        s += n ? n : width;
    }
    buffer[used] = '\0';
    return buffer;
}
