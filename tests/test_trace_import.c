/* SPDX-License-Identifier: MIT */
/* Importers: what the records of the foreign formats become, plain and compressed, and what is refused. */
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

static void assert_imports(enum vmsim_trace_format format, const char *in, const char *expected) {
    char text[1000], error[256];
    struct vmsim_trace_import_options o = {.size = sizeof o};
    struct vmsim_trace_mappings m;
    assert_int_equal(vmsim_trace_import(format, in, "imported.vmt", &o), 0);
    references_of("imported.vmt", text, sizeof text);
    assert_string_equal(text, expected);
    assert_int_equal(vmsim_trace_check_mappings("imported.vmt", &m, error, sizeof error), 0);
    assert_true(m.outside == 0);
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
        cmocka_unit_test(compressed_input_is_unpacked),
        cmocka_unit_test(oracle_objects_become_pages_in_order_of_sight),
        cmocka_unit_test(champsim_instructions_become_a_fetch_loads_and_stores),
        cmocka_unit_test(bad_input_leaves_no_trace),
        cmocka_unit_test(the_limit_stops_early),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
