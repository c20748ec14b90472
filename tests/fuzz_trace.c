/* SPDX-License-Identifier: MIT */
/* Fuzzer of everything that reads trace bytes behind the hashes: coded references, events, the index. The first byte
 * chooses what, the next two how many references are promised. */
#include <string.h>

#include "fuzz.h"
#include "trace/tables.h"

static void fuzz_references(struct vmsim__alloc *a, const uint8_t *data, size_t size) {
    struct vmsim__decoder d;
    uint64_t count = size < 2 ? 0 : (uint64_t)data[0] << 8 | data[1];
    unsigned char *in = calloc(1, size + VMSIM__STREAM_PAD);
    vmsim_access *out = malloc((4096 + VMSIM__GROUP_WORDS) * sizeof *out);
    if (in && out && size >= 2 && vmsim__decoder_init(&d, a)) {
        memcpy(in, data + 2, size - 2);
        if (vmsim__decode_start(&d, in, size - 2, count) == 0)
            while (vmsim__decode_some(&d, out, 4096) > 0)
                continue;
        vmsim__decoder_fini(&d);
    }
    free(in);
    free(out);
}

static void fuzz_events(const uint8_t *data, size_t size) {
    struct vmsim__cursor c = {data, data + size, false};
    unsigned char *space = malloc(VMSIM__EVENT_ROOM);
    for (bool good = space != NULL; good;) {
        struct vmsim__event_room room = {space, 0, VMSIM__EVENT_ROOM};
        struct vmsim_trace_event e;
        unsigned type = (unsigned)vmsim__cursor_varint(&c);
        good = !c.failed && vmsim__get_event(&c, type, &e, &room);
    }
    free(space);
}

static void fuzz_index(struct vmsim__alloc *a, const uint8_t *data, size_t size) {
    struct vmsim__cursor c = {data, data + size, false};
    struct vmsim__tables t;
    vmsim__tables_init(&t, a);
    vmsim__tables_get(&t, &c);
    vmsim__tables_fini(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    if (!a || !size) {
        if (a)
            vmsim__alloc_destroy(a);
        return 0;
    }
    switch (data[0] % 3) {
    case 0:
        fuzz_references(a, data + 1, size - 1);
        break;
    case 1:
        fuzz_events(data + 1, size - 1);
        break;
    default:
        fuzz_index(a, data + 1, size - 1);
    }
    if (vmsim__alloc_destroy(a))
        abort();
    return 0;
}

/* ---- seeds ---- */

static void add_kind(fuzz_add *add, unsigned char kind, const unsigned char *bytes, size_t size) {
    unsigned char *copy = malloc(size + 1);
    if (!copy)
        return;
    copy[0] = kind;
    memcpy(copy + 1, bytes, size);
    add(copy, size + 1);
    free(copy);
}

/* References as programs make them: few places, small strides. */
static void add_references(fuzz_add *add, struct vmsim__alloc *a) {
    enum { COUNT = 600 };
    static vmsim_access words[COUNT];
    struct vmsim__encoder e;
    for (size_t i = 0; i < COUNT; i++)
        words[i] = vmsim_access_make(UINT64_C(0x400000) + i % 7 * 4096 + i * 8, 8, i % 4);
    vmsim__encoder_init(&e, a);
    if (!vmsim__encode(&e, words, COUNT)) {
        struct vmsim__bytes b = {.alloc = a};
        unsigned char *room = vmsim__bytes_room(&b, 2 + e.out_bytes);
        if (room) {
            room[0] = COUNT >> 8;
            room[1] = COUNT & 255;
            memcpy(room + 2, e.out, e.out_bytes);
            add_kind(add, 0, room, 2 + e.out_bytes);
        }
        vmsim__bytes_fini(&b);
    }
    vmsim__encoder_fini(&e);
}

static void add_events(fuzz_add *add, struct vmsim__alloc *a) {
    struct vmsim__bytes b = {.alloc = a};
    struct vmsim_trace_segment s[2] = {{.va = 0x400000, .length = 8192, .file = 0, .prot = 5}, {.va = 0x600000}};
    struct vmsim_trace_exec x = {.entry = 0x400100, .segments = s, .segment_count = 2};
    for (unsigned type = 0; type < VMSIM_TRACE_EVENT_TYPES; type++) {
        struct vmsim_trace_event e = {.type = (enum vmsim_trace_event_type)type,
                                      .file = type % 2,
                                      .args = {0x10000, 4096 * type, 3, 0x22, 0, 0},
                                      .path = "/bin/program",
                                      .exec = type == VMSIM_TRACE_EXEC ? &x : NULL};
        vmsim__bytes_varint(&b, type);
        vmsim__put_event(&b, &e);
    }
    add_kind(add, 1, b.at, b.count);
    vmsim__bytes_fini(&b);
}

static void add_index(fuzz_add *add, struct vmsim__alloc *a) {
    struct vmsim__bytes b = {.alloc = a};
    struct vmsim__tables t;
    const struct vmsim__block_header h = {.kind = VMSIM__BLOCK_DATA, .refs = 10, .kinds = {4, 3, 2, 1}};
    vmsim__tables_init(&t, a);
    if (!vmsim__tables_task(&t, 2) && !vmsim__tables_block(&t, &h, 200) && !vmsim__tables_note(&t, "a note"))
        vmsim__tables_put(&t, &b);
    add_kind(add, 2, b.at, b.count);
    vmsim__tables_fini(&t);
    vmsim__bytes_fini(&b);
}

void fuzz_seeds(fuzz_add *add) {
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    if (!a)
        return;
    add_references(add, a);
    add_events(add, a);
    add_index(add, a);
    vmsim__alloc_destroy(a);
}
