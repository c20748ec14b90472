/* SPDX-License-Identifier: MIT */
/* Fuzz target: the importers of foreign traces, behind whatever libarchive unpacks. The first byte chooses the format.
 * A trace comes out that reads back whole and touches only what it has mapped, or one line of error and no file. */
#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "vmsim/trace.h"

enum { RECORDS = 20000 };

static void check_trace(const char *out) {
    char error[300];
    struct vmsim_trace_mappings m;
    if (vmsim_trace_verify(out, error, sizeof error) || vmsim_trace_check_mappings(out, &m, error, sizeof error))
        fuzz_fail("%s", error);
    if (m.outside)
        fuzz_fail("%llu references outside of mappings", (unsigned long long)m.outside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char in[64], out[64], part[80];
    struct vmsim_trace_import_options o = {.size = sizeof o, .limit = RECORDS};
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (!size || fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)size - 1)
        return close(fd), 0;
    snprintf(in, sizeof in, "/proc/self/fd/%d", fd);
    snprintf(out, sizeof out, "fuzz-import-%ld.vmt", (long)getpid());
    snprintf(part, sizeof part, "%s.part", out);
    int err = vmsim_trace_import((enum vmsim_trace_format)(data[0] % VMSIM_TRACE_FORMATS), in, out, &o);
    if (!err)
        check_trace(out);
    else if (!*o.error || strchr(o.error, '\n') || !strncmp(o.error + strlen(o.error) - 6, "(null)", 6))
        fuzz_fail("code %d: '%s'", err, o.error);
    if (unlink(out) ? !err : err)
        fuzz_fail("code %d, and the trace is %sthere", err, err ? "" : "not ");
    if (!access(part, F_OK))
        fuzz_fail("code %d leaves %s", err, part);
    close(fd);
    return 0;
}

/* ---- seeds ---- */

static void add_packed(fuzz_add *add, uint8_t format, const void *bytes, size_t size, int (*filter)(struct archive *)) {
    static uint8_t packed[1 << 16];
    size_t used = 0;
    struct archive *a = archive_write_new();
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_filetype(e, AE_IFREG);
    packed[0] = format;
    archive_write_set_bytes_in_last_block(a, 1);
    if (filter(a) == ARCHIVE_OK && archive_write_set_format_raw(a) == ARCHIVE_OK &&
        archive_write_open_memory(a, packed + 1, sizeof packed - 1, &used) == ARCHIVE_OK &&
        archive_write_header(a, e) == ARCHIVE_OK)
        archive_write_data(a, bytes, size);
    archive_entry_free(e);
    archive_write_free(a);
    add(packed, used + 1);
}

void fuzz_seeds(fuzz_add *add) {
    static const char lackey[] = "==1== Lackey\nI  04016d80,3\n L 1ffeffe7e8,8\nout\n S 1ffeffe7e0,8\n M 0421c7f0,4\n";
    static const char csv[] = "time,obj_id,op\n1,77,get\n2,\"a,b\",set\n3,77,get\n", txt[] = "77\n# no\nname\n77\n";
    static const char pairs[] = "07b243a0 R\n00228d40 W 4\nhello\n0x7b243c0 I\n";
    int (*const filters[])(struct archive *) = {archive_write_add_filter_none, archive_write_add_filter_gzip,
                                                archive_write_add_filter_xz, archive_write_add_filter_zstd,
                                                archive_write_add_filter_bzip2};
    uint8_t oracle[40 * 24] = {0};
    uint64_t champsim[40 * 8] = {0}, vscsi[40 * 4] = {0};
    uint8_t drmemtrace[42 * 12] = {25, 0, 0, 0, 5};
    drmemtrace[12] = 22; /* THREAD */
    for (uint64_t i = 0; i < 40; i++) {
        uint64_t object = i * i * UINT64_C(0x9e3779b97f4a7c15);
        memcpy(oracle + 24 * i + 4, &object, 8);
        champsim[8 * i] = 0x401000 + 4 * i;
        champsim[8 * i + 2 + i % 6] = 0x7fff0000 + 64 * i * i;
        vscsi[4 * i] = (i % 5) << 41;                     /* bytes */
        vscsi[4 * i + 1] = UINT64_C(0x0101) << 48 | 0x2a; /* version and command */
        vscsi[4 * i + 2] = i * i;
        uint8_t *r = drmemtrace + 24 + 12 * i;
        r[0] = i % 9 == 8 ? 22 : i % 5 == 4 ? 10 : i % 2;
        r[2] = 8;
        r[6] = (uint8_t)i;
    }
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        add_packed(add, VMSIM_TRACE_FORMAT_LACKEY, lackey, sizeof lackey - 1, filters[i]);
        add_packed(add, VMSIM_TRACE_FORMAT_ORACLE, oracle, sizeof oracle, filters[i]);
        add_packed(add, VMSIM_TRACE_FORMAT_CHAMPSIM, champsim, sizeof champsim, filters[i]);
        add_packed(add, VMSIM_TRACE_FORMAT_LACKEY, pairs, sizeof pairs - 1, filters[i]);
        add_packed(add, VMSIM_TRACE_FORMAT_CSV, csv, sizeof csv - 1, filters[i]);
        add_packed(add, VMSIM_TRACE_FORMAT_TXT, txt, sizeof txt - 1, filters[i]);
        add_packed(add, VMSIM_TRACE_FORMAT_DRMEMTRACE, drmemtrace, sizeof drmemtrace, filters[i]);
        add_packed(add, VMSIM_TRACE_FORMAT_VSCSI, vscsi, sizeof vscsi, filters[i]);
    }
}
