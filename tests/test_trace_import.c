/* SPDX-License-Identifier: MIT */
/* Importers: what the records of the foreign formats become, plain and compressed, and what is refused. */
#include <sys/stat.h>

#include "packed_file.h"
#include "trace_sample.h"

/* References of a trace as text "L 1000 8;...", events left out. */
static void references_of(const char *path, char *text, size_t size) {
    struct vmsim_trace_reader *r;
    struct vmsim_trace_item item;
    size_t n = 0;
    *text = 0;
    assert_int_equal(vmsim_trace_open(path, 0, &r), 0);
    assert_true(vmsim_trace_get_info(r)->complete);
    while (vmsim_trace_next(r, &item) == 1)
        for (size_t i = 0; i < item.count && n + 40 < size; i++)
            n += (size_t)snprintf(text + n, size - n, "%c %llx %u;", "LSIM"[item.accesses[i] & 3],
                                  (unsigned long long)vmsim_access_va(item.accesses[i]),
                                  vmsim_access_bytes(item.accesses[i]));
    vmsim_trace_close(r);
}

/* What the format does not tell is one of the trace's notes. */
static void assert_says(const char *path, const char *note) {
    struct vmsim_trace_reader *r;
    assert_int_equal(vmsim_trace_open(path, 0, &r), 0);
    assert_non_null(strstr(vmsim_trace_get_info(r)->notes, note));
    vmsim_trace_close(r);
}

static void assert_imports_with(enum vmsim_trace_format format, const char *in, const char *columns,
                                const char *expected) {
    char text[1000], error[256];
    struct vmsim_trace_import_options o = {.size = sizeof o, .columns = columns};
    struct vmsim_trace_mappings m;
    assert_int_equal(vmsim_trace_import(format, in, "imported.vmt", &o), 0);
    references_of("imported.vmt", text, sizeof text);
    assert_string_equal(text, expected);
    assert_int_equal(vmsim_trace_check_mappings("imported.vmt", &m, error, sizeof error), 0);
    assert_true(m.outside == 0);
    assert_says("imported.vmt", vmsim_trace_format_note(format));
}

static void assert_imports(enum vmsim_trace_format format, const char *in, const char *expected) {
    assert_imports_with(format, in, NULL, expected);
}

/* The import of a text, or its refusal when `expected` is NULL. */
static void assert_text(enum vmsim_trace_format format, const char *text, const char *columns, const char *expected) {
    struct vmsim_trace_import_options o = {.size = sizeof o, .columns = columns};
    write_file("text", text, strlen(text));
    if (expected)
        assert_imports_with(format, "text", columns, expected);
    else
        assert_int_equal(vmsim_trace_import(format, "text", "no.vmt", &o), VMSIM_EINVAL);
}

static const char lackey[] = "==123== Lackey, an example Valgrind tool\n"
                             "I  04016d80,3\n"
                             " L 1ffeffe7e8,8\n"
                             "hello from the program\n"
                             " S 1ffeffe7e0,8\n"
                             "I  04016ffe,4\n"
                             " M 0421c7f0,4\n";
static const char lackey_words[] = "I 4016d80 3;L 1ffeffe7e8 8;S 1ffeffe7e0 8;I 4016ffe 2;I 4017000 2;M 421c7f0 4;";

static void lackey_lines_become_references(void **state) {
    (void)state;
    write_file("lackey.txt", lackey, sizeof lackey - 1);
    assert_imports(VMSIM_TRACE_FORMAT_LACKEY, "lackey.txt", lackey_words);
}

static void a_last_line_without_a_newline_counts(void **state) {
    (void)state;
    write_file("lackey.txt", lackey, sizeof lackey - 2);
    assert_imports(VMSIM_TRACE_FORMAT_LACKEY, "lackey.txt", lackey_words);
    write_packed("packed", lackey, sizeof lackey - 2, archive_write_add_filter_gzip);
    assert_imports(VMSIM_TRACE_FORMAT_LACKEY, "packed", lackey_words);
}

static void input_without_lines_is_no_text(void **state) {
    (void)state;
    struct vmsim_trace_import_options o = {.size = sizeof o};
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_LACKEY, "/dev/zero", "no.vmt", &o), VMSIM_EFORMAT);
    assert_non_null(strstr(o.error, "this is no text"));
}

static void other_forms_of_a_reference_a_line_are_taken(void **state) {
    (void)state;
    const enum vmsim_trace_format lines = VMSIM_TRACE_FORMAT_LACKEY;
    assert_text(lines, "07b243a0 R\n00228d40 R\n0x07b243c0 W\r\n", NULL, "L 7b243a0 8;L 228d40 8;S 7b243c0 8;");
    assert_text(lines, "R 07b243a0\nhello\nw 0x228d40 4\nI\t401000,3\n", NULL, "L 7b243a0 8;S 228d40 4;I 401000 3;");
    assert_text(lines, "07b243a0 R 16\n228d40,W,deadbeef\n", NULL, "L 7b243a0 16;S 228d40 8;");
    assert_text(lines, " S 00600aa0,1 21\n S 7ff000398,8 17\n L 7ff000398,8 17\n", NULL,
                "S 600aa0 1;S 7ff000398 8;L 7ff000398 8;");
    /* the first line decides: what a program prints is no reference */
    assert_text(lines, " L 600aa0,1\nadd W 5\nR 12345678\n", NULL, "L 600aa0 1;");
}

/* A program that is not moved lies at 1 MiB under valgrind, in a region whose first pages nobody may map: a replay is
 * left to place it. */
static void low_addresses_are_mapped_where_a_replay_likes(void **state) {
    (void)state;
    struct vmsim_trace_reader *r;
    struct vmsim_trace_item item;
    unsigned maps = 0;
    assert_text(VMSIM_TRACE_FORMAT_LACKEY, "I  00108040,4\n S 1fff0005f8,8\n L 0010c010,8\n L 00000010,8\n", NULL,
                "I 108040 4;S 1fff0005f8 8;L 10c010 8;L 10 8;");
    assert_int_equal(vmsim_trace_open("imported.vmt", 0, &r), 0);
    while (vmsim_trace_next(r, &item) == 1)
        if (item.event && item.event->type == VMSIM_TRACE_MMAP)
            assert_int_equal(!(item.event->args[3] & 0x10), maps++ == 0); /* MAP_FIXED */
    vmsim_trace_close(r);
    assert_int_equal(maps, 2);
}

static void requests_to_caches_become_references_to_pages(void **state) {
    (void)state;
    const enum vmsim_trace_format csv = VMSIM_TRACE_FORMAT_CSV, txt = VMSIM_TRACE_FORMAT_TXT;
    const char *const two = "L 10000000000 64;L 10000001000 64;L 10000000000 64;";
    assert_text(txt, "77\n# a remark\nname-of-it\n77\n", NULL, two);
    assert_text(csv, "1,77,4096\n2,5,10\n3,77,4096\n", "time-col=1, obj-id-col=2,obj-size-col=3", two);
    assert_text(csv, "# time, size, obj_id, op\n1,9,\"a,b\",get\n2,9,x,get\n3,9,\"a,b\",SET\n", NULL,
                "L 10000000000 64;L 10000001000 64;S 10000000000 64;");
    assert_text(csv, "8;w;77\n9;r;5\n", "obj-id-col=3,op-col=2,delimiter=;,has-header=false",
                "S 10000000000 64;L 10000001000 64;");
    assert_text(csv, "77\n5\n77\n", NULL, two);
    assert_text(csv, "1,77,4096\n", NULL, NULL);
    assert_text(csv, "1,77,4096\n", "object=2", NULL);
    assert_text(csv, "1,77,4096\n", "obj-id-col=0", NULL);
}

static void put_words(unsigned char *to, const uint64_t *values, const unsigned char *bytes, size_t count) {
    for (size_t i = 0; i < count; to += bytes[i++])
        memcpy(to, &values[i], bytes[i]);
}

static void requests_to_disks_touch_their_pages(void **state) {
    (void)state;
    static const unsigned char one[] = {4, 4, 4, 2, 2, 8, 8}, two[] = {2, 2, 4, 4, 4, 8, 8, 8};
    unsigned char r[80] = {0};
    put_words(r, (const uint64_t[]){1, 8192, 1, 0x2a, 0x101, 4, 99}, one, 7); /* 8 KiB at sector 4: three pages */
    put_words(r + 32, (const uint64_t[]){2, 512, 1, 0x28, 0x101, 16, 100}, one, 7);
    write_file("disk", r, 64);
    assert_imports(VMSIM_TRACE_FORMAT_VSCSI, "disk",
                   "S 10000000800 1024;S 10000001000 4096;S 10000002000 4096;L 10000002000 512;");
    put_words(r, (const uint64_t[]){0x88, 0x202, 1, 4096, 1, 8, 99, 5}, two, 8);
    put_words(r + 40, (const uint64_t[]){0x8a, 0x202, 2, 4096, 1, 16, 99, 5}, two, 8);
    write_file("disk", r, 80);
    assert_imports(VMSIM_TRACE_FORMAT_VSCSI, "disk", "L 10000001000 4096;S 10000002000 4096;");
    struct vmsim_trace_import_options o = {.size = sizeof o};
    write_file("disk", r, 70);
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_VSCSI, "disk", "no.vmt", &o), VMSIM_ETRUNCATED);
    r[3] = 9;
    write_file("disk", r, 80);
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_VSCSI, "disk", "no.vmt", &o), VMSIM_EFORMAT);
}

/* ---- drmemtrace */

struct drm {
    uint16_t type, size;
    uint64_t address;
};
enum { DRM_HEADER = 25, DRM_THREAD = 22, DRM_PID = 24, DRM_MARKER = 28, DRM_FOOTER = 26, DRM_TIME = 2 };

static size_t drm_bytes(unsigned char *to, const struct drm *r, size_t count) {
    for (size_t i = 0; i < count; i++) {
        memcpy(to + 12 * i, &r[i].type, 2);
        memcpy(to + 12 * i + 2, &r[i].size, 2);
        memcpy(to + 12 * i + 4, &r[i].address, 8);
    }
    return 12 * count;
}

/* Two chunks, as members of a zip. */
static void write_zip(const char *path, const unsigned char *bytes, size_t first, size_t size) {
    struct archive *a = archive_write_new();
    assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    for (unsigned i = 0; i < 2; i++) {
        const size_t n = i ? size - first : first;
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, i ? "chunk.0001" : "chunk.0000");
        archive_entry_set_filetype(e, AE_IFREG);
        archive_entry_set_size(e, (la_int64_t)n);
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        assert_int_equal(archive_write_data(a, bytes + (i ? first : 0), n), n);
        archive_entry_free(e);
    }
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

/* One thread gzipped, one a zip of chunks; the marks of time say who goes first. */
static void threads_of_drmemtrace_take_turns(void **state) {
    static const struct drm one[] = {{DRM_HEADER, 0, 5}, {DRM_THREAD, 0, 70}, {DRM_PID, 0, 7},   {DRM_MARKER, 2, 100},
                                     {10, 3, 0x401000},  {0, 8, 0x7000000},   {17, 2, 0x0504},   {DRM_MARKER, 2, 300},
                                     {48, 2, 0x401100},  {1, 4, 0x7000010},   {2, 8, 0x6000000}, {DRM_FOOTER, 0, 0}},
                            two[] = {{DRM_HEADER, 0, 5}, {DRM_THREAD, 0, 71}, {DRM_PID, 0, 7},   {DRM_MARKER, 2, 200},
                                     {1, 8, 0x7000020},  {47, 3, 0x90},       {0, 2, 0x7000022}, {DRM_FOOTER, 0, 0}};
    unsigned char bytes[12 * 12];
    struct vmsim_trace_reader *r;
    (void)state;
    mkdir("drm", 0700);
    mkdir("drm/trace", 0700);
    size_t n = drm_bytes(bytes, one, TEST_COUNT(one));
    write_packed("drm/trace/drmemtrace.a.0070.trace.gz", bytes, n, archive_write_add_filter_gzip);
    n = drm_bytes(bytes, two, TEST_COUNT(two));
    write_zip("drm/trace/drmemtrace.a.0071.trace.zip", bytes, 12 * 5 + 4, n);
    assert_imports(VMSIM_TRACE_FORMAT_DRMEMTRACE, "drm",
                   "I 401000 3;L 7000000 8;I 401003 4;I 401007 5;S 7000020 8;L 7000022 2;I 401100 2;S 7000010 4;");
    assert_int_equal(vmsim_trace_open("imported.vmt", 0, &r), 0);
    assert_int_equal(vmsim_trace_get_info(r)->tasks, 2);
    assert_int_equal(vmsim_trace_get_task(r, 1)->references, 2);
    assert_int_equal(vmsim_trace_get_task(r, 1)->tid, 71);
    vmsim_trace_close(r);
    assert_imports(VMSIM_TRACE_FORMAT_DRMEMTRACE, "drm/trace/drmemtrace.a.0071.trace.zip", "S 7000020 8;L 7000022 2;");
}

static void what_is_no_final_drmemtrace_is_refused(void **state) {
    static const struct drm raw[] = {{10, 3, 0x401000}}, two[] = {{DRM_HEADER, 0, 5}, {DRM_PID, 0, 7}, {DRM_PID, 0, 8}};
    unsigned char bytes[12 * 3];
    struct vmsim_trace_import_options o = {.size = sizeof o};
    (void)state;
    write_file("raw.trace", bytes, drm_bytes(bytes, raw, 1));
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_DRMEMTRACE, "raw.trace", "no.vmt", &o), VMSIM_EFORMAT);
    write_file("two.trace", bytes, drm_bytes(bytes, two, 3));
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_DRMEMTRACE, "two.trace", "no.vmt", &o), VMSIM_EINVAL);
    assert_non_null(strstr(o.error, "two.trace: byte 36: a second process"));
    mkdir("nothing", 0700);
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_DRMEMTRACE, "nothing", "no.vmt", &o), VMSIM_ENOENT);
    assert_int_equal(access("no.vmt", F_OK), -1);
}

static void compressed_input_is_unpacked(void **state) {
    (void)state;
    write_packed("lackey.gz", lackey, sizeof lackey - 1, archive_write_add_filter_gzip);
    assert_imports(VMSIM_TRACE_FORMAT_LACKEY, "lackey.gz", lackey_words);
    write_packed("lackey.xz", lackey, sizeof lackey - 1, archive_write_add_filter_xz);
    assert_imports(VMSIM_TRACE_FORMAT_LACKEY, "lackey.xz", lackey_words);
    write_packed("lackey.zst", lackey, sizeof lackey - 1, archive_write_add_filter_zstd);
    assert_imports(VMSIM_TRACE_FORMAT_LACKEY, "lackey.zst", lackey_words);
}

static void oracle_objects_become_pages_in_order_of_sight(void **state) {
    (void)state;
    static const uint64_t objects[] = {UINT64_C(0xdeadbeefcafebabe), 5, UINT64_C(0xdeadbeefcafebabe), UINT64_MAX};
    unsigned char bytes[4 * 24] = {0};
    for (unsigned i = 0; i < 4; i++)
        memcpy(bytes + 24 * i + 4, &objects[i], 8);
    write_file("oracle.bin", bytes, sizeof bytes);
    assert_imports(VMSIM_TRACE_FORMAT_ORACLE, "oracle.bin",
                   "L 10000000000 64;L 10000001000 64;L 10000000000 64;L 10000002000 64;");
}

static void champsim_instructions_become_a_fetch_loads_and_stores(void **state) {
    (void)state;
    uint64_t words[8] = {0x401000, 0, 0x7000, 0, 0x8000, 0x9000, 0, 0};
    write_file("champ.bin", words, sizeof words);
    assert_imports(VMSIM_TRACE_FORMAT_CHAMPSIM, "champ.bin", "I 401000 4;L 8000 8;L 9000 8;S 7000 8;");
    words[1] = 9; /* is_branch */
    struct vmsim_trace_import_options o = {.size = sizeof o};
    write_file("champ.bin", words, sizeof words);
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_CHAMPSIM, "champ.bin", "no.vmt", &o), VMSIM_EFORMAT);
    assert_non_null(strstr(o.error, "champ.bin: byte 64"));
}

static void bad_input_leaves_no_trace(void **state) {
    (void)state;
    struct vmsim_trace_import_options o = {.size = sizeof o};
    unlink("no.vmt");
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_LACKEY, "no-such", "no.vmt", &o), VMSIM_ENOENT);
    write_file("empty", "", 0);
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_LACKEY, "empty", "no.vmt", &o), VMSIM_ETRUNCATED);
    write_file("prose", "no line of this\nis a reference\n", 31);
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_LACKEY, "prose", "no.vmt", &o), VMSIM_EFORMAT);
    write_file("short", "0123456789012345678901234567", 28);
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_ORACLE, "short", "no.vmt", &o), VMSIM_ETRUNCATED);
    assert_non_null(strstr(o.error, "byte 28"));
    size_t size;
    write_packed("cut.xz", lackey, sizeof lackey - 1, archive_write_add_filter_xz);
    unsigned char *bytes = read_file("cut.xz", &size);
    write_file("cut.xz", bytes, size / 2);
    free(bytes);
    assert_true(vmsim_trace_import(VMSIM_TRACE_FORMAT_LACKEY, "cut.xz", "no.vmt", &o) < 0);
    assert_int_equal(access("no.vmt", F_OK), -1);
    assert_int_equal(access("no.vmt.part", F_OK), -1);
}

static void the_limit_stops_early(void **state) {
    (void)state;
    struct vmsim_trace_import_options o = {.size = sizeof o, .limit = 2};
    write_file("lackey.txt", lackey, sizeof lackey - 1);
    assert_int_equal(vmsim_trace_import(VMSIM_TRACE_FORMAT_LACKEY, "lackey.txt", "imported.vmt", &o), 0);
    assert_true(o.records == 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lackey_lines_become_references),
        cmocka_unit_test(a_last_line_without_a_newline_counts),
        cmocka_unit_test(input_without_lines_is_no_text),
        cmocka_unit_test(other_forms_of_a_reference_a_line_are_taken),
        cmocka_unit_test(low_addresses_are_mapped_where_a_replay_likes),
        cmocka_unit_test(requests_to_caches_become_references_to_pages),
        cmocka_unit_test(requests_to_disks_touch_their_pages),
        cmocka_unit_test(threads_of_drmemtrace_take_turns),
        cmocka_unit_test(what_is_no_final_drmemtrace_is_refused),
        cmocka_unit_test(compressed_input_is_unpacked),
        cmocka_unit_test(oracle_objects_become_pages_in_order_of_sight),
        cmocka_unit_test(champsim_instructions_become_a_fetch_loads_and_stores),
        cmocka_unit_test(bad_input_leaves_no_trace),
        cmocka_unit_test(the_limit_stops_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
