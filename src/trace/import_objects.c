/* SPDX-License-Identifier: MIT */
/* Records of traces of requests to caches and devices, the formats that libCacheSim reads. A request becomes a
 * reference to a page of its own for each object, so that a machine replays it as a cache of pages would see it.
 *
 * oracle (oracleGeneral): {u32 time, u64 object, u32 bytes, i64 next}, 24 bytes, packed, little-endian.
 * csv: a line a request; which column names the object, and which the operation, is said by the user or by a header.
 * txt: a line an object, a number or a name.
 * vscsi: {u32 sn, u32 bytes, u32 nsg, u16 cmd, u16 version, u64 block, u64 time}, 32 bytes, or in version 2 {u16 cmd,
 *   u16 version, u32 sn, u32 bytes, u32 nsg, u64 block, u64 time, u64 rt}, 40 bytes; the version is the upper byte of
 * its field, blocks have 512 bytes. Here the device's pages are the objects, and neighbours stay neighbours.
 *
 * Objects are numbered in order of first sight, since ids are often hashes. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"
#include "trace/codec.h"
#include "trace/import.h"

/* Where objects lie: clear of what programs use, with room for 126 TiB of a device. */
static const uint64_t objects_at = UINT64_C(1) << 40;

enum { MAX_COLUMNS = 1000 };

/* One request to one object: a line of cache of its page. */
static int add_object(struct vmsim__import *im, uint64_t object, enum vmsim_access_type type) {
    uint64_t number;
    int err = vmsim__import_number(im, object, &number);
    if (!err)
        err = vmsim__import_add(im, objects_at + (number << 12), 64, type);
    return err ? err : 1;
}

int vmsim__import_oracle(struct vmsim__import *im) {
    VMSIM__ASSERT(im->in);
    unsigned char r[24];
    int got = vmsim__import_take(im, r, sizeof r);
    return got <= 0 ? got : add_object(im, vmsim__load_le64(r + 4), VMSIM_LOAD);
}

/* ---- text */

/* What names an object: itself where it is a decimal number, else its FNV-1a hash. */
static uint64_t object_of(const char *text, size_t length) {
    VMSIM__ASSERT(text && length);
    uint64_t number = 0, hash = UINT64_C(0xcbf29ce484222325);
    bool decimal = length < 20;
    for (size_t i = 0; i < length; i++) {
        const unsigned char c = (unsigned char)text[i];
        decimal &= c >= '0' && c <= '9';
        number = number * 10 + (uint64_t)(c - '0');
        hash = (hash ^ c) * UINT64_C(0x100000001b3);
    }
    return decimal ? number : hash;
}

int vmsim__import_txt(struct vmsim__import *im) {
    VMSIM__ASSERT(im->in);
    char line[4096];
    int got;
    while ((got = vmsim__import_line(im, line, sizeof line)) > 0) {
        const char *from = line + strspn(line, " \t");
        const size_t length = strcspn(from, " \t\r,");
        if (length && *from != '#')
            return add_object(im, object_of(from, length), VMSIM_LOAD);
        im->options->skipped++;
    }
    return got;
}

/* Column `wanted` (from 1) of a line, without blanks and quotes around it; false when the line has fewer, or it is
 * empty. A delimiter within quotes is none. */
static bool column(const char *line, char delimiter, unsigned wanted, const char **from, size_t *length) {
    VMSIM__ASSERT(wanted > 0);
    bool quoted = false;
    unsigned n = 1;
    const char *p = line, *start = line;
    for (;; p++) {
        quoted ^= *p == '"';
        if (*p && (*p != delimiter || quoted))
            continue;
        if (n++ == wanted)
            break;
        if (!*p)
            return false;
        start = p + 1;
    }
    start += strspn(start, " \"#");
    while (p > start && strchr(" \"\r", p[-1]))
        p--;
    *from = start;
    *length = (size_t)(p - start);
    return *length > 0;
}

static bool is_one_of(const char *from, size_t length, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == length && !strncasecmp(names[i], from, length))
            return true;
    return false;
}

static bool is_name(const char *from, size_t length, const char *name) {
    return is_one_of(from, length, &name, 1);
}

/* A column's number, or 0. */
static unsigned column_number(const char *text) {
    const unsigned long n = strtoul(text, NULL, 10);
    return n <= MAX_COLUMNS ? (unsigned)n : 0;
}

/* One "key=value" of the user's columns, spelled as libCacheSim's --trace-type-params; columns that an import has no
 * use for are taken, so that one text serves both. */
static bool take_setting(struct vmsim__import_csv *csv, const char *key, size_t length, const char *value) {
    static const char *const unused[] = {"time-col",   "obj-size-col", "ttl-col",      "cnt-col",
                                         "tenant-col", "feature-cols", "obj-id-is-num"};
    if (is_name(key, length, "obj-id-col"))
        return (csv->object = column_number(value)) != 0;
    if (is_name(key, length, "op-col"))
        return (csv->op = column_number(value)) != 0;
    if (is_name(key, length, "delimiter"))
        return (csv->delimiter = value[0] == '\\' && value[1] == 't' ? '\t' : *value) != 0;
    if (is_name(key, length, "has-header"))
        csv->header = *value == 't' || *value == '1' ? 1 : -1;
    return is_name(key, length, "has-header") || is_one_of(key, length, unused, VMSIM__COUNT(unused));
}

static int take_settings(struct vmsim__import *im, const char *text) {
    VMSIM__ASSERT(text);
    for (const char *p = text; *p;) {
        p += strspn(p, ", ");
        const size_t length = strcspn(p, "=");
        if (!p[length] || !take_setting(&im->csv, p, length, p + length + 1))
            return vmsim__err_set(&im->err, VMSIM_EINVAL,
                                  "columns: '%.40s' is none of obj-id-col=N, op-col=N, delimiter=C and has-header=BOOL",
                                  p);
        p += length + 2; /* behind the first character of the value, which may be the comma */
        p += strcspn(p, ",");
    }
    return 0;
}

/* The column of the first line that has one of these names, or 0. */
static unsigned named_column(const char *line, char delimiter, const char *const *names, size_t count) {
    const char *from;
    size_t length;
    for (unsigned i = 1; i <= MAX_COLUMNS && i <= strlen(line) + 1; i++)
        if (column(line, delimiter, i, &from, &length) && is_one_of(from, length, names, count))
            return i;
    return 0;
}

static bool has_number(const char *line, char delimiter) {
    const char *from;
    size_t length;
    for (unsigned i = 1; i <= MAX_COLUMNS && i <= strlen(line) + 1; i++)
        if (column(line, delimiter, i, &from, &length) && *from >= '0' && *from <= '9')
            return true;
    return false;
}

/* Learns from the first line what the user has not said. 1: the line is a header. */
static int begin_csv(struct vmsim__import *im, const char *line) {
    static const char *const objects[] = {"obj_id", "obj-id", "object", "object_id", "id",   "key",
                                          "lbn",    "lba",    "block",  "address",   "addr", "page"};
    static const char *const operations[] = {"op", "operation", "op_type", "type", "rw", "cmd"};
    struct vmsim__import_csv *csv = &im->csv;
    VMSIM__ASSERT(!csv->begun);
    int err = im->options->columns ? take_settings(im, im->options->columns) : 0;
    if (err)
        return err;
    const char *first = strpbrk(line, ",;\t|");
    if (!csv->delimiter)
        csv->delimiter = first ? *first : ',';
    if (!csv->header)
        csv->header = has_number(line, csv->delimiter) ? -1 : 1;
    const bool header = csv->header == 1;
    if (!csv->object)
        csv->object = header ? named_column(line, csv->delimiter, objects, VMSIM__COUNT(objects)) : 0;
    if (!csv->op && header)
        csv->op = named_column(line, csv->delimiter, operations, VMSIM__COUNT(operations));
    if (!csv->object && !strchr(line, csv->delimiter))
        csv->object = 1;
    if (!csv->object)
        return vmsim__import_fail(im, VMSIM_EINVAL,
                                  "which column names the object is not known: say --columns obj-id-col=N");
    csv->begun = true;
    return header;
}

/* The operations of caches that change an object. */
static enum vmsim_access_type type_of(const char *line, const struct vmsim__import_csv *csv) {
    static const char *const stores[] = {"w",      "write",   "set",  "put",  "add",    "replace", "cas",
                                         "append", "prepend", "incr", "decr", "update", "insert",  "store"};
    const char *from;
    size_t length;
    if (!csv->op || !column(line, csv->delimiter, csv->op, &from, &length))
        return VMSIM_LOAD;
    return is_one_of(from, length, stores, VMSIM__COUNT(stores)) ? VMSIM_STORE : VMSIM_LOAD;
}

int vmsim__import_csv(struct vmsim__import *im) {
    char line[4096];
    const char *from;
    size_t length;
    int got;
    while ((got = vmsim__import_line(im, line, sizeof line)) > 0) {
        int header = im->csv.begun ? 0 : begin_csv(im, line);
        if (header < 0)
            return header;
        if (!header && column(line, im->csv.delimiter, im->csv.object, &from, &length))
            return add_object(im, object_of(from, length), type_of(line, &im->csv));
        im->options->skipped++;
    }
    return got;
}

/* ---- vscsi */

static uint64_t field(const unsigned char *at, unsigned bytes) {
    VMSIM__ASSERT(bytes <= 8);
    uint64_t value = 0;
    for (unsigned i = bytes; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

/* SCSI's WRITE of 6, 10, 12 and 16 bytes, and WRITE AND VERIFY (SBC-3). */
static bool is_write(unsigned command) {
    return command == 0x0a || command == 0x2a || command == 0xaa || command == 0x8a || command == 0x2e ||
           command == 0x8e || command == 0xae;
}

/* The version stands at another place in each. */
static unsigned vscsi_version(const unsigned char *r) {
    return r[15] == 1 ? 1 : r[3] == 2 ? 2 : 0;
}

int vmsim__import_vscsi(struct vmsim__import *im) {
    enum { HEAD = 32, SECTOR_SHIFT = 9, LARGEST = 1 << 26 };
    unsigned char r[HEAD], rest[8];
    int got = vmsim__import_take(im, r, sizeof r);
    if (got <= 0)
        return got;
    const unsigned version = vscsi_version(r);
    const uint64_t bytes = field(r + (version == 1 ? 4 : 8), 4), block = field(r + 16, 8);
    const unsigned command = (unsigned)field(r + (version == 1 ? 12 : 0), 2);
    if (!version || bytes > LARGEST)
        return vmsim__import_fail(im, VMSIM_EFORMAT, "not a vscsi record of version 1 or 2");
    if (version == 2 && (got = vmsim__import_take(im, rest, sizeof rest)) <= 0)
        return got < 0 ? got : vmsim__import_fail(im, VMSIM_ETRUNCATED, "the input ends within a record");
    if (block >> (46 - SECTOR_SHIFT)) {
        im->options->skipped++;
        return 1;
    }
    const uint64_t start = objects_at + (block << SECTOR_SHIFT);
    for (uint64_t done = 0; done < bytes;) {
        const uint64_t some = vmsim__min64(bytes - done, 4096 - ((start + done) & 4095));
        const int err = vmsim__import_add(im, start + done, some, is_write(command) ? VMSIM_STORE : VMSIM_LOAD);
        if (err)
            return err;
        done += some;
    }
    return 1;
}
