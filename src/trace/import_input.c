/* SPDX-License-Identifier: MIT */
/* Bytes of foreign traces: a file, standard input, or the files of a directory, whatever they are packed with. A zip's
 * members follow each other, as the chunks of one trace do. */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"
#include "trace/import.h"

enum { MAX_STREAMS = 4096 };
/* Programs print between a tracer's lines, long ones too, but what has no newline for so long is no text: a device that
 * never ends would be read for ever. */
enum { LONGEST_LINE = 16 << 20 };

int vmsim__import_fail(struct vmsim__import *im, int code, const char *what) {
    const struct vmsim__import_stream *s = im->stream;
    return vmsim__err_set(&im->err, code, "%s: byte %llu: %s", s ? s->name : im->in,
                          (unsigned long long)(s ? s->offset : 0), what);
}

/* What libarchive met, in its own words where it has some. Memory that a compression library could not have it calls
 * "miscellaneous": then errno, cleared before, still says it. */
static int archive_failed(struct vmsim__import *im, int code, const char *what) {
    const char *why = archive_error_string(im->stream->archive);
    if (errno == ENOMEM || archive_errno(im->stream->archive) == ENOMEM)
        return vmsim__import_fail(im, VMSIM_ENOMEM, vmsim_error_text(VMSIM_ENOMEM));
    return vmsim__import_fail(im, code, why ? why : what);
}

/* ---- opening */

/* Any compression that libarchive knows, and zip, because drmemtrace packs its threads so; a file that is none of
 * these is read as it is. */
static int open_stream(struct vmsim__import *im) {
    struct vmsim__import_stream *s = im->stream;
    VMSIM__ASSERT(!s->archive && s->at == s->end);
    struct archive_entry *entry;
    s->archive = archive_read_new();
    if (!s->archive || archive_read_support_filter_all(s->archive) == ARCHIVE_FATAL ||
        archive_read_support_format_raw(s->archive) == ARCHIVE_FATAL ||
        archive_read_support_format_zip(s->archive) == ARCHIVE_FATAL ||
        archive_read_support_format_empty(s->archive) == ARCHIVE_FATAL)
        return vmsim__import_fail(im, VMSIM_ENOMEM, vmsim_error_text(VMSIM_ENOMEM));
    errno = 0;
    if (archive_read_open_filename(s->archive, strcmp(s->name, "-") ? s->name : NULL, 1 << 16) != ARCHIVE_OK) {
        int number = archive_errno(s->archive);
        const char *why = number > 0 ? strerrordesc_np(number) : NULL; /* shorter than libarchive's */
        return why && number != ENOMEM
                   ? vmsim__err_set(&im->err, number == ENOENT ? VMSIM_ENOENT : VMSIM_EIO, "%s: %s", s->name, why)
                   : archive_failed(im, VMSIM_EIO, "cannot be opened");
    }
    int got = archive_read_next_header(s->archive, &entry);
    if (got == ARCHIVE_EOF)
        return vmsim__import_fail(im, VMSIM_ETRUNCATED, "the input is empty");
    return got == ARCHIVE_OK ? 0 : archive_failed(im, VMSIM_EFORMAT, "the compression is not known");
}

/* Opens all streams one after the other: the places in the vector move while it grows. */
static int add_stream(struct vmsim__import *im, const char *name) {
    struct vmsim__import_stream s = {.name = vmsim__strdup(im->alloc, name)};
    if (s.name && vmsim__vec_push(im->alloc, &im->streams, s))
        return 0;
    vmsim__strfree(im->alloc, s.name);
    return vmsim__import_fail(im, VMSIM_ENOMEM, vmsim_error_text(VMSIM_ENOMEM));
}

static int by_name(const void *a, const void *b) {
    const struct vmsim__import_stream *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* The files of a directory whose names say that they hold a trace. */
static int list_directory(struct vmsim__import *im, const char *folder) {
    char path[4096];
    DIR *d = opendir(folder);
    int err = d ? 0 : vmsim__err_set(&im->err, VMSIM_EIO, "%s: %s", folder, strerror(errno));
    for (const struct dirent *e; !err && (e = readdir(d)) != NULL;) {
        struct stat st;
        if (*e->d_name == '.' || !strstr(e->d_name, ".trace") ||
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path || stat(path, &st) ||
            !S_ISREG(st.st_mode))
            continue;
        err = im->streams.count < MAX_STREAMS
                  ? add_stream(im, path)
                  : vmsim__err_set(&im->err, VMSIM_ELIMIT, "%s: more than %d files", folder, MAX_STREAMS);
    }
    if (d)
        closedir(d);
    if (!err && im->streams.count)
        qsort(im->streams.at, im->streams.count, sizeof *im->streams.at, by_name); /* readdir has an order of its own */
    return err;
}

/* drmemtrace puts a trace's files into DIR/trace. */
static int list_streams(struct vmsim__import *im) {
    char inner[4096];
    struct stat st;
    if (!strcmp(im->in, "-") || stat(im->in, &st) || !S_ISDIR(st.st_mode))
        return add_stream(im, im->in);
    const bool fits = snprintf(inner, sizeof inner, "%s/trace", im->in) < (int)sizeof inner;
    int err = list_directory(im, fits && !stat(inner, &st) && S_ISDIR(st.st_mode) ? inner : im->in);
    if (!err && !im->streams.count)
        err =
            vmsim__err_set(&im->err, VMSIM_ENOENT, "%s: no file in it is a trace (*.trace, *.trace.zip, ...)", im->in);
    return err;
}

int vmsim__import_open(struct vmsim__import *im) {
    VMSIM__ASSERT(im->in && !im->streams.count);
    int err = list_streams(im);
    for (size_t i = 0; i < im->streams.count && !err; i++) {
        im->stream = &im->streams.at[i];
        err = open_stream(im);
    }
    if (!err)
        im->stream = &im->streams.at[0];
    return err;
}

void vmsim__import_close(struct vmsim__import *im) {
    for (size_t i = 0; i < im->streams.count; i++) {
        archive_read_free(im->streams.at[i].archive);
        vmsim__strfree(im->alloc, im->streams.at[i].name);
    }
    vmsim__vec_fini(im->alloc, &im->streams);
    im->stream = NULL;
}

/* ---- reading */

/* Makes at least one byte ready. 1, 0 at the end, or an error. libarchive takes off whatever compression there is, or
 * none. */
static int refill(struct vmsim__import *im) {
    struct vmsim__import_stream *s = im->stream;
    VMSIM__ASSERT(s->archive);
    const void *block;
    size_t size;
    la_int64_t offset;
    struct archive_entry *entry;
    while (s->at == s->end) {
        if (s->drained)
            return 0;
        errno = 0;
        int got = archive_read_data_block(s->archive, &block, &size, &offset);
        if (got == ARCHIVE_EOF) {
            got = archive_read_next_header(s->archive, &entry);
            s->drained = got == ARCHIVE_EOF;
            if (s->drained || got >= ARCHIVE_WARN)
                continue;
        }
        if (got == ARCHIVE_RETRY)
            continue;
        if (got < ARCHIVE_WARN)
            return archive_failed(im, VMSIM_ECORRUPT, "the compressed input is damaged");
        s->at = block;
        s->end = s->at + size;
    }
    VMSIM__ASSERT(s->at < s->end);
    return 1;
}

int vmsim__import_take(struct vmsim__import *im, void *to, size_t n) {
    VMSIM__ASSERT(n > 0);
    struct vmsim__import_stream *s = im->stream;
    unsigned char *p = to;
    for (size_t done = 0; done < n;) {
        int got = refill(im);
        if (got < 0)
            return got;
        if (got == 0)
            return done ? vmsim__import_fail(im, VMSIM_ETRUNCATED, "the input ends within a record") : 0;
        size_t some = vmsim__min64(n - done, (uint64_t)(s->end - s->at));
        memcpy(p + done, s->at, some);
        s->at += some;
        s->offset += some;
        done += some;
    }
    return 1;
}

int vmsim__import_line(struct vmsim__import *im, char *to, size_t size) {
    VMSIM__ASSERT(size > 0);
    struct vmsim__import_stream *s = im->stream;
    const uint64_t begin = s->offset;
    size_t n = 0;
    while (s->offset - begin <= LONGEST_LINE) {
        int got = refill(im);
        if (got < 0)
            return got;
        to[vmsim__min64(n, size - 1)] = 0;
        if (got == 0)
            return s->offset > begin;
        unsigned char byte = *s->at++;
        s->offset++;
        if (byte == '\n')
            return 1;
        if (n < size - 1)
            to[n++] = (char)byte;
    }
    return vmsim__import_fail(im, VMSIM_EFORMAT, "a line of more than 16 MiB: this is no text");
}
