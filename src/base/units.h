/* SPDX-License-Identifier: MIT */
/* Sizes and times with units, to and from text. Strict: "12xx", "1.5.2GiB", "-1" and overflow are refused. */
#ifndef VMSIM__UNITS_H
#define VMSIM__UNITS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes: B, kB and KiB (both 1024, as /proc means kB), MiB, GiB, TiB, PiB, K M G T as Linux's command line takes them;
 * a decimal fraction is fine when the result is a whole number of bytes. On failure *why is a static text. */
bool vmsim__parse_size(const char *text, uint64_t *bytes, const char **why);
/* Nanoseconds: ns, us, ms, s, min, h. A unit is required unless the number is 0. */
bool vmsim__parse_time(const char *text, uint64_t *ns, const char **why);
/* Decimal or 0x hexadecimal, whole text. */
bool vmsim__parse_uint(const char *text, uint64_t *value, const char **why);
bool vmsim__parse_int(const char *text, int64_t *value, const char **why);
/* Shortest exact form that parses back to the same number ("4GiB", "4097B", "250us"). Return `buffer`. */
char *vmsim__format_size(uint64_t bytes, char *buffer, size_t size);
char *vmsim__format_time(uint64_t ns, char *buffer, size_t size);
/* For people: three significant digits ("1.46 GiB", "12.3 ms", "4.21 M"). Not parsed back. */
char *vmsim__human_size(uint64_t bytes, char *buffer, size_t size);
char *vmsim__human_time(uint64_t ns, char *buffer, size_t size);
char *vmsim__human_count(uint64_t n, char *buffer, size_t size);
/* `text` with its control characters (C0, DEL, C1) as \ooo, as Linux writes a path's newline in /proc/PID/maps; cut to
 * `size`. For names that come from traces and callers: nothing that is printed moves a cursor or begins a line. */
char *vmsim__printable(const char *text, char *buffer, size_t size);
/* Closest of the NULL-terminated `names` to `word` for "did you mean": NULL when nothing is close
 * (edit distance with transpositions at most 1 + length/4). `stride` bytes between the `const char *`s. */
const char *vmsim__closest(const char *word, const void *names, size_t stride);

#endif
