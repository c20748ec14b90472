/* SPDX-License-Identifier: MIT */
/* Compressed files, for the tests of what reads them. */
#ifndef PACKED_FILE_H
#define PACKED_FILE_H
#include "helpers.h"

#include <archive.h>
#include <archive_entry.h>

/* Writes bytes through one of libarchive's filters. */
TEST_UNUSED static void write_packed(const char *path, const void *bytes, size_t size,
                                     int (*filter)(struct archive *)) {
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    assert_int_equal(filter(a), ARCHIVE_OK);
    assert_int_equal(archive_write_set_format_raw(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
    archive_entry_set_filetype(e, AE_IFREG);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    assert_int_equal(archive_write_data(a, bytes, size), size);
    archive_entry_free(e);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

#endif
