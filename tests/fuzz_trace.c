/* SPDX-License-Identifier: MIT */
/* Fuzzer of everything that reads trace bytes behind the hashes: coded references, events, the index. The first byte
 * chooses what, the next two how many references are promised. */
#include <stdlib.h>
#include <string.h>

#include "trace/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
