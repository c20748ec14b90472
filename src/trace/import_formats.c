/* SPDX-License-Identifier: MIT */
/* Records of the foreign formats, from their published descriptions:
 *
 * lackey (valgrind manual, "--trace-mem=yes"): a line a reference, "I  0023C790,2", " L ...", " S ...", " M ..."
 *   (load, store, modify); lines that begin with "==" are valgrind's own.
 * oracleGeneral (libCacheSim): {u32 time, u64 object, u32 bytes, i64 next}, 24 bytes, packed, little-endian. An object
 *   becomes a page; objects are numbered in order of first sight, since ids are often hashes.
 * ChampSim: {u64 ip, u8 is_branch, u8 taken, u8 to[2], u8 from[4], u64 to_memory[2], u64 from_memory[4]}, 64 bytes;
 *   it tells no sizes: an instruction counts 4 bytes, data 8. */
#include "base/util.h"
#include "trace/codec.h"
#include "trace/import.h"

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "addr,size" of a lackey line; false when it is none. */
static bool parse_reference(const char *p, uint64_t *va, uint64_t *bytes) {
    VMSIM__ASSERT(p && va && bytes);
    unsigned digits = 0;
    for (*va = 0; hex_digit(*p) >= 0; p++, digits++)
        *va = *va << 4 | (uint64_t)hex_digit(*p);
    if (!digits || digits > 16 || *p != ',')
        return false;
    p++;
    digits = 0;
    for (*bytes = 0; *p >= '0' && *p <= '9' && digits < 9; p++, digits++)
        *bytes = *bytes * 10 + (uint64_t)(*p - '0');
    return digits && (*p == 0 || *p == '\r') && *bytes;
}

int vmsim__import_lackey(struct vmsim__import *im) {
    VMSIM__ASSERT(im->in);
    char line[256];
    for (;;) {
        uint64_t va, bytes;
        int got = vmsim__import_line(im, line, sizeof line);
        if (got <= 0)
            return got;
        const char *p = line + strspn(line, " ");
        enum vmsim_access_type type;
        switch (*p) {
        case 'I':
            type = VMSIM_FETCH;
            break;
        case 'L':
            type = VMSIM_LOAD;
            break;
        case 'S':
            type = VMSIM_STORE;
            break;
        case 'M':
            type = VMSIM_RMW;
            break;
        default:
            im->options->skipped++;
            continue;
        }
        if (p[1] != ' ' || !parse_reference(p + 1 + strspn(p + 1, " "), &va, &bytes)) {
            im->options->skipped++; /* the program's own output in between */
            continue;
        }
        int err = vmsim__import_add(im, va, bytes, type);
        return err ? err : 1;
    }
}

int vmsim__import_oracle(struct vmsim__import *im) {
    VMSIM__ASSERT(im->in);
    unsigned char r[24];
    uint64_t number;
    int got = vmsim__import_take(im, r, sizeof r);
    if (got <= 0)
        return got;
    int err = vmsim__import_number(im, vmsim__load_le64(r + 4), &number);
    if (!err)
        err = vmsim__import_add(im, (UINT64_C(1) << 40) + (number << 12), 64, VMSIM_LOAD);
    return err ? err : 1;
}

int vmsim__import_champsim(struct vmsim__import *im) {
    VMSIM__ASSERT(im->in);
    unsigned char r[64];
    int got = vmsim__import_take(im, r, sizeof r);
    if (got <= 0)
        return got;
    if (r[8] > 1 || r[9] > 1)
        return vmsim__import_fail(im, VMSIM_EFORMAT, "not a ChampSim record: its branch flags are neither 0 nor 1");
    int err = vmsim__import_add(im, vmsim__load_le64(r), 4, VMSIM_FETCH);
    for (unsigned i = 0; i < 4 && !err; i++) {
        uint64_t va = vmsim__load_le64(r + 32 + 8 * i);
        err = va ? vmsim__import_add(im, va, 8, VMSIM_LOAD) : 0;
    }
    for (unsigned i = 0; i < 2 && !err; i++) {
        uint64_t va = vmsim__load_le64(r + 16 + 8 * i);
        err = va ? vmsim__import_add(im, va, 8, VMSIM_STORE) : 0;
    }
    return err ? err : 1;
}
