/* SPDX-License-Identifier: MIT */
/* Records of traces that programs' instructions left, from their published descriptions:
 *
 * lackey (valgrind manual, "--trace-mem=yes"): a line a reference, "I  0023C790,2", " L ...", " S ...", " M ..."
 *   (load, store, modify); lines that begin with "==" are valgrind's own. Two forms that tracers of one's own write,
 * and papers' data sets, are taken as well: "ADDRESS R" and "R ADDRESS", with a size behind it or none. The first line
 *   that fits says which form the input has: a program's own output in between is then not taken for the other.
 * ChampSim: {u64 ip, u8 is_branch, u8 taken, u8 to[2], u8 from[4], u64 to_memory[2], u64 from_memory[4]}, 64 bytes;
 *   it tells no sizes: an instruction counts 4 bytes, data 8. */
#include <string.h>

#include "base/util.h"
#include "trace/codec.h"
#include "trace/import.h"

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Moves *p over a hexadecimal number, with or without 0x; false when there is none. */
static bool take_address(const char **p, uint64_t *va) {
    VMSIM__ASSERT(p && *p && va);
    const char *q = *p;
    unsigned digits = 0;
    if (q[0] == '0' && (q[1] | 32) == 'x' && hex_digit(q[2]) >= 0)
        q += 2;
    for (*va = 0; hex_digit(*q) >= 0; q++, digits++)
        *va = *va << 4 | (uint64_t)hex_digit(*q);
    *p = q;
    return digits && digits <= 16;
}

static bool take_bytes(const char **p, uint64_t *bytes) {
    VMSIM__ASSERT(p && *p && bytes);
    unsigned digits = 0;
    for (*bytes = 0; **p >= '0' && **p <= '9' && digits < 9; (*p)++, digits++)
        *bytes = *bytes * 10 + (uint64_t)(**p - '0');
    return digits && *bytes;
}

/* Blanks, tabs and commas lie between columns. */
static bool skip_gap(const char **p) {
    const size_t n = strspn(*p, " \t,");
    *p += n;
    return n > 0;
}

static bool ends(const char *p) {
    return *p == 0 || *p == '\r' || *p == ' ' || *p == '\t';
}

/* The kind of reference that a letter names; a word of several is none. */
static bool take_kind(const char **p, enum vmsim_access_type *type) {
    static const char letters[] = "RLWSMIF";
    static const enum vmsim_access_type types[] = {VMSIM_LOAD, VMSIM_LOAD,  VMSIM_STORE, VMSIM_STORE,
                                                   VMSIM_RMW,  VMSIM_FETCH, VMSIM_FETCH};
    const char *at = **p ? strchr(letters, **p & ~32) : NULL;
    if (!at || !strchr(" \t,\r", (*p)[1])) /* strchr finds the end of the line as well */
        return false;
    (*p)++;
    *type = types[at - letters];
    return true;
}

struct text_reference {
    enum vmsim_access_type type;
    uint64_t va, bytes;
};

/* "I|L|S|M ADDRESS,BYTES", and perhaps columns of the tracer's own behind it. */
static bool parse_lackey(const char *p, struct text_reference *r) {
    if (!strchr("ILSM", *p) || !take_kind(&p, &r->type) || !skip_gap(&p) || !take_address(&p, &r->va) || *p++ != ',')
        return false;
    return take_bytes(&p, &r->bytes) && ends(p);
}

/* A third column is a size where it can be one. */
static bool parse_rest(const char *p, struct text_reference *r) {
    enum { WORD = 8, LARGEST = 4096 };
    if (!skip_gap(&p) || !take_bytes(&p, &r->bytes) || !ends(p) || r->bytes > LARGEST)
        r->bytes = WORD;
    return true;
}

static bool parse_address_first(const char *p, struct text_reference *r) {
    return take_address(&p, &r->va) && skip_gap(&p) && take_kind(&p, &r->type) && parse_rest(p, r);
}

static bool parse_kind_first(const char *p, struct text_reference *r) {
    return take_kind(&p, &r->type) && skip_gap(&p) && take_address(&p, &r->va) && (ends(p) || *p == ',') &&
           parse_rest(p, r);
}

/* The forms in the order in which they are tried while none has been seen. */
static bool parse_line(struct vmsim__import *im, const char *p, struct text_reference *r) {
    static bool (*const forms[])(const char *p, struct text_reference *r) = {parse_lackey, parse_address_first,
                                                                             parse_kind_first};
    VMSIM__ASSERT(im->text_form <= VMSIM__COUNT(forms));
    if (im->text_form)
        return forms[im->text_form - 1](p, r);
    for (unsigned i = 0; i < VMSIM__COUNT(forms); i++)
        if (forms[i](p, r)) {
            im->text_form = i + 1;
            return true;
        }
    return false;
}

int vmsim__import_lackey(struct vmsim__import *im) {
    VMSIM__ASSERT(im->in);
    char line[256];
    struct text_reference r;
    int got;
    while ((got = vmsim__import_line(im, line, sizeof line)) > 0) {
        if (parse_line(im, line + strspn(line, " \t"), &r)) {
            const int err = vmsim__import_add(im, r.va, r.bytes, r.type);
            return err ? err : 1;
        }
        im->options->skipped++; /* the tracer's own, or the program's output in between */
    }
    return got;
}

/* 64 bytes an instruction: its address, two places that it writes and four that it reads, 0 for none. Loads come
 * before stores, as the instruction does them; sizes are not recorded. */
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
