/* SPDX-License-Identifier: MIT */
/* Fuzz target: the configuration reader with a description of every type. Any bytes are
 * a file; behind a first byte of 3 stands an override, up to the first newline.
 *
 * What binds must survive the round trip; nothing may crash, leak or run away. Seeds: tests/golden/config. */
#include "config_fixture.h"
#include "fuzz.h"

static void fail(const char *what, const char *text) {
    fuzz_fail("%s\n%s", what, text);
}

/* The dump of a good configuration reads back and dumps to the same bytes. */
static void round_trip(struct vmsim_config *c) {
    const char *text, *again;
    size_t size;
    if (vmsim_config_dump(c, 0, &text, &size))
        fail("no dump", "");
    struct vmsim_config *d = fx_create(NULL);
    if (vmsim_config_load_text(d, "dump", text, size) || vmsim_config_resolve(d))
        fail(vmsim_config_error_text(d, 0), text);
    if (vmsim_config_dump(d, 0, &again, NULL) || strcmp(text, again) != 0)
        fail("the dump changed", text);
    vmsim_config_destroy(d);
}

static void set_line(struct vmsim_config *c, const uint8_t *line, size_t length) {
    char *text = calloc(1, length + 1);
    memcpy(text, line, length);
    vmsim_config_set(c, text);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    struct vmsim_config *c = fx_create(alloc);
    if (size && data[0] == 3) {
        const uint8_t *end = memchr(data, '\n', size);
        set_line(c, data + 1, (size_t)((end ? end : data + size) - data) - 1);
        size -= (size_t)((end ? end : data + size) - data);
        data = end ? end : data;
    }
    int err = vmsim_config_load_text(c, "fuzz", (const char *)data, size);
    err = err ? err : vmsim_config_resolve(c);
    if (!err)
        round_trip(c);
    else if (!vmsim_config_error_count(c) || !vmsim_config_error_text(c, 0))
        fail("an error without a text", "");
    vmsim_config_destroy(c);
    if (vmsim__alloc_destroy(alloc))
        fail("a leak", "");
    return 0;
}

void fuzz_seeds(fuzz_add *add) {
    static const char text[] = "\x03machine.nodes[0].memory=4GiB\nmachine: {nodes: [{memory: 1GiB}]}\n";
    add(text, sizeof text - 1);
}
