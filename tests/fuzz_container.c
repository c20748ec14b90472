/* SPDX-License-Identifier: MIT */
/* Fuzz target: trace files whose hashes are right and whose contents need not be. An input is a list of blocks, from
 * which a container is made:
 *
 *     +-------+   +------+------+--------+-------------+-----------+-------------+------------+--------+
 *     | flags | { | kind | refs | events | refs before | ref bytes | event bytes | references | events | } ...
 *     |   1   |   |  1   |  2   |   2    |      2      |     2     |      2      |            |        |
 *     +-------+   +------+------+--------+-------------+-----------+-------------+------------+--------+
 *
 * flags: 1 a trailer, 2 that names another block than the last as the index. Reading, verifying, checking the mappings
 * and replaying end with a result or one line of error. */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "fuzz.h"
#include "trace/format.h"
#include "vmsim/scenario.h"

enum { BLOCK_FIELDS = 11, LOOKS = 40 };

static unsigned u16(const uint8_t *p) {
    return p[0] | (unsigned)p[1] << 8;
}

static size_t pack(unsigned char *to, size_t room, const uint8_t *from, size_t size) {
    size_t n = size ? ZSTD_compress(to, room, from, size, 1) : 0;
    return ZSTD_isError(n) ? 0 : n;
}

/* One block of the input at *data; false when there is none. Written to `fd` at *at. */
static bool put_block(int fd, uint64_t *at, const uint8_t **data, const uint8_t *end) {
    static unsigned char out[VMSIM__BLOCK_HEADER + 4 * 65536 + 2048];
    const uint8_t *d = *data;
    if (end - d < BLOCK_FIELDS)
        return false;
    size_t refs = u16(d + 7), events = u16(d + 9), left = (size_t)(end - d) - BLOCK_FIELDS;
    refs = refs < left ? refs : left;
    events = events < left - refs ? events : left - refs;
    struct vmsim__block_header h = {.kind = d[0] % VMSIM__BLOCK_KINDS,
                                    .refs = u16(d + 1),
                                    .events = u16(d + 3),
                                    .first_ref = u16(d + 5),
                                    .refs_raw = (uint32_t)refs,
                                    .events_raw = (uint32_t)events,
                                    .kinds = {u16(d + 1)}};
    h.refs_packed = (uint32_t)pack(out + VMSIM__BLOCK_HEADER, 2 * 65536 + 1024, d + BLOCK_FIELDS, refs);
    h.events_packed =
        (uint32_t)pack(out + VMSIM__BLOCK_HEADER + h.refs_packed, 2 * 65536 + 1024, d + BLOCK_FIELDS + refs, events);
    size_t packed = (size_t)h.refs_packed + h.events_packed;
    h.payload_hash = XXH64(out + VMSIM__BLOCK_HEADER, packed, 0);
    vmsim__put_block_header(out, &h);
    if (write(fd, out, VMSIM__BLOCK_HEADER + packed) < 0)
        return false;
    *at += VMSIM__BLOCK_HEADER + packed;
    *data = d + BLOCK_FIELDS + refs + events;
    return true;
}

static void put_container(int fd, const uint8_t *data, size_t size) {
    const uint8_t *end = data + size;
    unsigned char head[VMSIM__FILE_HEADER], tail[VMSIM__TRAILER];
    const struct vmsim__file_header h = {VMSIM_TRACE_VERSION, 4096, 1 << 16};
    uint64_t at = sizeof head, last = at, before = at;
    unsigned flags = size ? *data++ : 0;
    vmsim__put_file_header(head, &h);
    if (write(fd, head, sizeof head) < 0)
        return;
    for (uint64_t from = at; put_block(fd, &at, &data, end); from = at) {
        before = last;
        last = from;
    }
    vmsim__put_trailer(tail, flags & 2 ? before : last, at + sizeof tail);
    if (flags & 1 && write(fd, tail, sizeof tail) < 0)
        return;
}

static void check_line(const char *what, const char *text, int code) {
    if (!*text || strchr(text, '\n'))
        fuzz_fail("%s: code %d, and not one line: '%s'", what, code, text);
}

static void read_all(const char *path, unsigned flags) {
    struct vmsim_trace_reader *r;
    struct vmsim_trace_item item;
    int err = vmsim_trace_open(path, flags, &r);
    while (!err && (err = vmsim_trace_next(r, &item)) == 1)
        err = 0;
    if (err < 0)
        check_line("read", vmsim_trace_reader_error(r), err);
    else if (!vmsim_trace_seek(r, vmsim_trace_get_info(r)->references / 2))
        vmsim_trace_next(r, &item);
    for (uint32_t i = 0; err == 0 && i < vmsim_trace_get_info(r)->files; i++)
        if (!vmsim_trace_get_file(r, i)->path)
            fuzz_fail("file %u has no name", i);
    vmsim_trace_close(r);
}

static bool stop_soon(void *context, const struct vmsim_progress *p) {
    (void)p;
    return ++*(unsigned *)context < LOOKS;
}

static void replay(const char *path) {
    char text[300];
    struct vmsim_config *c;
    struct vmsim_scenario *s;
    unsigned looks = 0;
    snprintf(text, sizeof text, "machine: {nodes: [{memory: 32MiB}]}\nworkload: {tasks: [{name: t, trace: '%s'}]}\n",
             path);
    if (vmsim_config_create(&c) || vmsim_config_load_text(c, "fuzz", text, strlen(text)) || vmsim_config_resolve(c))
        abort();
    int err = vmsim_scenario_create(c, &s);
    if (err && !vmsim_config_error_count(c))
        fuzz_fail("code %d without an error", err);
    if (!err) {
        err = vmsim_scenario_run(s, stop_soon, &looks);
        if (err)
            check_line("replay", vmsim_scenario_error(s), err);
        if (vmsim_machine_check(vmsim_scenario_machine(s)))
            fuzz_fail("%s", vmsim_machine_error(vmsim_scenario_machine(s)));
        if (vmsim_scenario_destroy(s))
            fuzz_fail("a leak");
    }
    vmsim_config_destroy(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64], error[400];
    struct vmsim_trace_mappings m;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0)
        return 0;
    put_container(fd, data, size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_all(path, 0);
    read_all(path, VMSIM_TRACE_SKIP_DAMAGED);
    int err = vmsim_trace_verify(path, error, sizeof error);
    if (err)
        check_line("verify", error, err);
    err = vmsim_trace_check_mappings(path, &m, error, sizeof error);
    if (err)
        check_line("mappings", error, err);
    replay(path);
    close(fd);
    return 0;
}

/* ---- seeds: traces of the writer, taken apart ---- */

static size_t take_apart(const unsigned char *file, size_t size, uint8_t *out, size_t room) {
    size_t n = 1, at = VMSIM__FILE_HEADER;
    const char *why;
    struct vmsim__block_header h;
    out[0] = 1;
    while (size - at > VMSIM__BLOCK_HEADER && !vmsim__get_block_header(file + at, &h, &why)) {
        uint8_t *p = out + n;
        if (h.refs_raw > 65535 || h.events_raw > 65535 || room - n < BLOCK_FIELDS + h.refs_raw + h.events_raw)
            break;
        const unsigned fields[] = {h.refs, h.events, (unsigned)h.first_ref, h.refs_raw, h.events_raw};
        p[0] = (uint8_t)h.kind;
        for (size_t i = 0; i < 5; i++) {
            p[1 + 2 * i] = (uint8_t)fields[i];
            p[2 + 2 * i] = (uint8_t)(fields[i] >> 8);
        }
        at += VMSIM__BLOCK_HEADER;
        ZSTD_decompress(p + BLOCK_FIELDS, h.refs_raw, file + at, h.refs_packed);
        ZSTD_decompress(p + BLOCK_FIELDS + h.refs_raw, h.events_raw, file + at + h.refs_packed, h.events_packed);
        at += (size_t)h.refs_packed + h.events_packed;
        n += BLOCK_FIELDS + h.refs_raw + h.events_raw;
    }
    return n;
}

static void write_items(struct vmsim_trace_writer *w, unsigned tasks, unsigned count) {
    const struct vmsim_trace_event start = {.type = VMSIM_TRACE_START, .file = VMSIM_TRACE_NO_FILE, .args = {1, 1}};
    const struct vmsim_trace_file file = {.size = 8192, .path = "/data"};
    struct vmsim_trace_event map = {.type = VMSIM_TRACE_MMAP,
                                    .file = VMSIM_TRACE_NO_FILE,
                                    .args = {0x10000000, 1 << 20, 3, 0x32},
                                    .result = 0x10000000};
    uint32_t id;
    vmsim_trace_append_event(w, 0, &start);
    vmsim_trace_append_event(w, 0, &map);
    vmsim_trace_append_file(w, 0, &file, &id);
    map.file = id;
    map.args[0] = 0x20000000;
    map.args[1] = 8192;
    map.args[3] = 0x12;
    map.result = 0x20000000;
    vmsim_trace_append_event(w, 0, &map);
    for (unsigned t = 1; t < tasks; t++) {
        const struct vmsim_trace_event child = {.type = VMSIM_TRACE_FORK, .file = VMSIM_TRACE_NO_FILE, .args = {t, 0}};
        vmsim_trace_append_event(w, 0, &child);
    }
    for (unsigned i = 0; i < count; i++) {
        vmsim_access a = vmsim_access_make((i % 9 ? 0x10000000u : 0x20000000u) + i * 40 % 8192, 8, i % 4);
        vmsim_trace_append(w, i / 50 % tasks, &a, 1);
    }
    vmsim_trace_note(w, "a note");
}

void fuzz_seeds(fuzz_add *add) {
    static unsigned char file[1 << 16];
    static uint8_t apart[1 << 17];
    char path[64], error[300];
    /* no index; the first switch to a task stands behind references, which belong to none */
    static const uint8_t taskless[] = {0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 3, 0, 3, 0, 0};
    add(taskless, sizeof taskless);
    for (unsigned tasks = 1; tasks < 4; tasks++) {
        const struct vmsim_trace_options o = {.size = sizeof o, .block_refs = 300, .program = "p", .source = "record"};
        struct vmsim_trace_writer *w;
        snprintf(path, sizeof path, "fuzz-seed-%ld.vmt", (long)getpid());
        if (vmsim_trace_create(path, &o, &w))
            abort();
        write_items(w, tasks, 200 * tasks);
        if (vmsim_trace_finish(w, error, sizeof error))
            fuzz_fail("%s", error);
        FILE *f = fopen(path, "rb");
        size_t size = f ? fread(file, 1, sizeof file, f) : 0;
        if (f)
            fclose(f);
        unlink(path);
        add(apart, take_apart(file, size, apart, sizeof apart));
    }
}
