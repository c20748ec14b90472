/* SPDX-License-Identifier: MIT */
/* The front of the emitter (see emitter.h): typed calls become values for the back end; number texts. */
#include "report/emitter.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

void vmsim__emitter_fini(struct vmsim__emitter *e) {
    VMSIM__ASSERT(e->depth == 0);
    vmsim__vec_fini(e->out->alloc, &e->table.columns);
    vmsim__vec_fini(e->out->alloc, &e->table.cells);
    vmsim__textbuf_fini(&e->table.text);
}

static void begin(struct vmsim__emitter *e, const char *key, bool array) {
    VMSIM__ASSERT(e->depth < VMSIM__EMITTER_DEPTH);
    VMSIM__ASSERT(key || !e->depth || e->level[e->depth - 1].array);
    e->ops->begin(e, key, array);
    if (e->depth)
        e->level[e->depth - 1].items++;
    e->level[e->depth].array = array;
    e->level[e->depth].items = 0;
    e->depth++;
}

static void end(struct vmsim__emitter *e, bool array) {
    VMSIM__ASSERT(e->depth && e->level[e->depth - 1].array == array);
    e->depth--;
    e->ops->end(e, array);
}

static void value(struct vmsim__emitter *e, const char *key, const struct vmsim__value *v) {
    VMSIM__ASSERT(v->type != VMSIM__VALUE_STRING || v->text);
    e->ops->value(e, key, v);
    if (e->depth)
        e->level[e->depth - 1].items++;
}

void vmsim__emit_object(struct vmsim__emitter *e, const char *key) {
    begin(e, key, false);
}

void vmsim__emit_object_end(struct vmsim__emitter *e) {
    end(e, false);
}

void vmsim__emit_array(struct vmsim__emitter *e, const char *key) {
    begin(e, key, true);
}

void vmsim__emit_array_end(struct vmsim__emitter *e) {
    end(e, true);
}

void vmsim__emit_uint(struct vmsim__emitter *e, const char *key, uint64_t number, enum vmsim__unit unit) {
    value(e, key, &(struct vmsim__value){.type = VMSIM__VALUE_UINT, .unit = unit, .number = number});
}

void vmsim__emit_int(struct vmsim__emitter *e, const char *key, int64_t number, enum vmsim__unit unit) {
    value(e, key, &(struct vmsim__value){.type = VMSIM__VALUE_INT, .unit = unit, .number = (uint64_t)number});
}

/* Nothing divided by nothing is null, not 0: "no walks" is no hit ratio of 0 %. */
void vmsim__emit_ratio(struct vmsim__emitter *e, const char *key, uint64_t number, uint64_t of, unsigned decimals,
                       enum vmsim__unit unit) {
    VMSIM__ASSERT(decimals <= 9);
    struct vmsim__value v = {.type = of ? VMSIM__VALUE_RATIO : VMSIM__VALUE_NULL,
                             .unit = unit,
                             .number = number,
                             .of = of,
                             .decimals = decimals};
    value(e, key, &v);
}

void vmsim__emit_bool(struct vmsim__emitter *e, const char *key, bool yes) {
    value(e, key, &(struct vmsim__value){.type = VMSIM__VALUE_BOOL, .number = yes});
}

void vmsim__emit_string(struct vmsim__emitter *e, const char *key, const char *text) {
    value(e, key, &(struct vmsim__value){.type = text ? VMSIM__VALUE_STRING : VMSIM__VALUE_NULL, .text = text});
}

/* The suffix is part of the key in formats for programs: a number without its unit gets misread. */
const char *vmsim__unit_suffix(enum vmsim__unit unit) {
    VMSIM__ASSERT(unit < VMSIM__UNITS);
    static const char *const suffixes[VMSIM__UNITS] = {
        [VMSIM__UNIT_NONE] = "",    [VMSIM__UNIT_COUNT] = "",       [VMSIM__UNIT_BYTES] = "_bytes",
        [VMSIM__UNIT_KB] = "_kb",   [VMSIM__UNIT_PAGES] = "_pages", [VMSIM__UNIT_NS] = "_ns",
        [VMSIM__UNIT_PERCENT] = "",
    };
    return suffixes[unit];
}

/* Integers only, rounded half up: the same text on every host. */
char *vmsim__ratio_text(uint64_t number, uint64_t of, unsigned decimals, char *buffer, size_t size) {
    VMSIM__ASSERT(of > 0 && decimals < 19);
    uint64_t power = 1;
    for (unsigned i = 0; i < decimals; i++)
        power *= 10;
    unsigned __int128 scaled = ((unsigned __int128)number * power + of / 2) / of;
    unsigned long long whole = (unsigned long long)(scaled / power), rest = (unsigned long long)(scaled % power);
    if (decimals)
        snprintf(buffer, size, "%llu.%0*llu", whole, (int)decimals, rest);
    else
        snprintf(buffer, size, "%llu", whole);
    return buffer;
}

char *vmsim__grouped_text(uint64_t number, char *buffer, size_t size) {
    VMSIM__ASSERT(size > 1);
    char digits[24];
    size_t n = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)number), at = 0;
    for (size_t i = 0; i < n && at + 2 < size; i++) {
        if (i && (n - i) % 3 == 0)
            buffer[at++] = ',';
        buffer[at++] = digits[i];
    }
    buffer[at] = '\0';
    return buffer;
}
