/* SPDX-License-Identifier: MIT */
/* The frame of all importers (see import.h).
 *
 * A foreign trace has no mapping calls, so the importer makes them: the first reference to a region of 2 MiB is
 * preceded by an anonymous mmap of it. What comes out is a whole trace that replays like a recorded one. */
#include "trace/import.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/output.h"
#include "base/util.h"
#include "trace/format.h"

enum { REGION_SHIFT = 21, USER_BITS = 47 };

/* ---- maps */

/* Place of `key`, or the free one where it belongs. */
static size_t place_of(const struct vmsim__import_map *m, uint64_t key) {
    VMSIM__ASSERT(vmsim__is_pow2(m->size) && m->count < m->size);
    uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
    for (h ^= h >> 31;; h++) {
        size_t at = h & (m->size - 1);
        if (!m->keys[at] || m->keys[at] == key + 1)
            return at;
    }
}

/* Keys are stored plus one, so that 0 is an empty place; at half full it is doubled. */
static bool grow_map(struct vmsim__import *im, struct vmsim__import_map *m) {
    VMSIM__ASSERT(!m->size || vmsim__is_pow2(m->size));
    struct vmsim__import_map old = *m;
    m->size = old.size ? old.size * 2 : 1024;
    m->keys = vmsim__calloc(im->alloc, m->size, sizeof *m->keys);
    m->values = vmsim__calloc(im->alloc, m->size, sizeof *m->values);
    if (!m->keys || !m->values) {
        vmsim__free(im->alloc, m->keys, m->size * sizeof *m->keys);
        vmsim__free(im->alloc, m->values, m->size * sizeof *m->values);
        *m = old;
        return false;
    }
    for (size_t i = 0; i < old.size; i++)
        if (old.keys[i]) {
            size_t at = place_of(m, old.keys[i] - 1);
            m->keys[at] = old.keys[i];
            m->values[at] = old.values[i];
        }
    vmsim__free(im->alloc, old.keys, old.size * sizeof *old.keys);
    vmsim__free(im->alloc, old.values, old.size * sizeof *old.values);
    return true;
}

/* Dense number of `key`. 1 it is new, 0 it was known, or VMSIM_ENOMEM. Dense numbers in the order of first sight, so
 * that the same input gives the same trace whatever the ids were. */
static int number_of(struct vmsim__import *im, struct vmsim__import_map *m, uint64_t key, uint64_t *number) {
    VMSIM__ASSERT(m);
    VMSIM__ASSERT(number);
    if (key == UINT64_MAX)
        key--; /* keys are stored plus one; nobody tells these two apart */
    if (m->count * 2 >= m->size && !grow_map(im, m))
        return vmsim__import_fail(im, VMSIM_ENOMEM, vmsim_error_text(VMSIM_ENOMEM));
    size_t at = place_of(m, key);
    bool fresh = !m->keys[at];
    if (fresh) {
        m->keys[at] = key + 1;
        m->values[at] = m->count++;
    }
    *number = m->values[at];
    VMSIM__ASSERT(*number < m->count);
    return fresh;
}

int vmsim__import_number(struct vmsim__import *im, uint64_t object, uint64_t *number) {
    VMSIM__ASSERT(im->writer);
    int got = number_of(im, &im->objects, object, number);
    return got < 0 ? got : 0;
}

/* ---- references */

static int writer_failed(struct vmsim__import *im, int err) {
    return err ? vmsim__err_set(&im->err, err, "%s", vmsim_trace_writer_error(im->writer)) : 0;
}

static int flush(struct vmsim__import *im) {
    VMSIM__ASSERT(im->count <= VMSIM__IMPORT_BATCH);
    int err = writer_failed(im, vmsim_trace_append(im->writer, im->task, im->batch, im->count));
    im->count = 0;
    return err;
}

/* References that wait in the batch go out before the mapping: a trace keeps the order in which things happened. The
 * first region is mapped without MAP_FIXED, since programs may not map below vm.mmap_min_addr: a replay places it
 * elsewhere and moves its references there. */
static int need_region(struct vmsim__import *im, uint64_t va) {
    VMSIM__ASSERT(!(va >> USER_BITS));
    uint64_t region = va >> REGION_SHIFT, number;
    if (region == im->last_region)
        return 0;
    im->last_region = region;
    int fresh = number_of(im, &im->regions, region, &number);
    if (fresh <= 0)
        return fresh;
    uint64_t start = region << REGION_SHIFT;
    const unsigned flags = MAP_PRIVATE | MAP_ANONYMOUS | (region ? MAP_FIXED : 0);
    struct vmsim_trace_event e = {.type = VMSIM_TRACE_MMAP,
                                  .file = VMSIM_TRACE_NO_FILE,
                                  .args = {start, 1u << REGION_SHIFT, PROT_READ | PROT_WRITE | PROT_EXEC, flags},
                                  .result = (int64_t)start};
    int err = flush(im);
    return err ? err : writer_failed(im, vmsim_trace_append_event(im->writer, im->task, &e));
}

/* What reaches over a page is one reference with a straddle, unless it is a fetch, which the hardware makes page by
 * page. Addresses that no user program has are skipped and counted, as foreign traces hold the kernel's, too. */
int vmsim__import_add(struct vmsim__import *im, uint64_t va, uint64_t bytes, enum vmsim_access_type type) {
    VMSIM__ASSERT((unsigned)type <= VMSIM_RMW);
    bytes = vmsim__min64(bytes ? bytes : 1, 4096);
    if (va >= (UINT64_C(1) << USER_BITS) - 4096) {
        im->options->skipped++;
        return 0;
    }
    uint64_t page = 4096 - (va & 4095), n = type == VMSIM_FETCH ? vmsim__min64(bytes, page) : bytes;
    unsigned code = vmsim_access_size_code((uint32_t)n);
    VMSIM__ASSERT(n > 0 && n <= bytes);
    while (n <= page && vmsim_access_code_bytes(code) > page)
        code--;
    int err = need_region(im, va);
    if (!err && n > page)
        err = need_region(im, va + n);
    if (!err && im->count == VMSIM__IMPORT_BATCH)
        err = flush(im);
    if (err)
        return err;
    VMSIM__ASSERT(im->count < VMSIM__IMPORT_BATCH && code < 32);
    im->batch[im->count++] = va << 7 | (uint64_t)code << 2 | (uint64_t)type;
    return n < bytes ? vmsim__import_add(im, va + n, bytes - n, type) : 0;
}

/* ---- threads */

int vmsim__import_switch(struct vmsim__import *im, struct vmsim__import_stream *s) {
    VMSIM__ASSERT(s);
    im->stream = s;
    if (s->task == im->task)
        return 0;
    const int err = flush(im);
    im->task = s->task;
    return err;
}

int vmsim__import_thread(struct vmsim__import *im, uint32_t task, uint64_t tid) {
    VMSIM__ASSERT(task && task != im->task);
    const struct vmsim_trace_event fork = {.type = VMSIM_TRACE_FORK,
                                           .file = VMSIM_TRACE_NO_FILE,
                                           .args = {task, VMSIM_TRACE_FORK_VM | VMSIM_TRACE_FORK_FILES}};
    const struct vmsim_trace_event start = {
        .type = VMSIM_TRACE_START, .file = VMSIM_TRACE_NO_FILE, .args = {im->pid ? im->pid : 1, tid}};
    int err = flush(im);
    if (!err)
        err = writer_failed(im, vmsim_trace_append_event(im->writer, 0, &fork));
    return err ? err : writer_failed(im, vmsim_trace_append_event(im->writer, task, &start));
}

/* ---- formats */

/* What a format does not tell is said in each trace made of it. */
static const struct {
    const char *name, *note;
    int (*record)(struct vmsim__import *im);
} formats[VMSIM_TRACE_FORMATS] = {
    [VMSIM_TRACE_FORMAT_LACKEY] =
        {"lackey",
         "lackey: no mappings, system calls and threads: memory is anonymous, of one task; without a size a reference "
         "has 8 bytes; code is there as far as lines of fetches are",
         vmsim__import_lackey},
    [VMSIM_TRACE_FORMAT_ORACLE] =
        {"oracle",
         "oracle: no stores and no code: a request is a load of 64 bytes in its object's page, whatever the object's "
         "size; times are not used",
         vmsim__import_oracle},
    [VMSIM_TRACE_FORMAT_CHAMPSIM] =
        {"champsim",
         "champsim: no sizes, mappings, system calls and threads: a fetch has 4 bytes, data have 8, memory is "
         "anonymous, of one task",
         vmsim__import_champsim},
    [VMSIM_TRACE_FORMAT_CSV] =
        {"csv",
         "csv: no code; stores as far as a column of operations tells: a request takes 64 bytes of its object's page, "
         "whatever the object's size; times are not used",
         vmsim__import_csv},
    [VMSIM_TRACE_FORMAT_TXT] =
        {"txt", "txt: no stores, sizes, times and code: a line is a load of 64 bytes in its object's page",
         vmsim__import_txt},
    [VMSIM_TRACE_FORMAT_VSCSI] =
        {"vscsi",
         "vscsi: no code: a request is one reference to each page of the device that it touches, as memory; times are "
         "not used",
         vmsim__import_vscsi},
    [VMSIM_TRACE_FORMAT_DRMEMTRACE] = {"drmemtrace",
                                       "drmemtrace: no mappings and system calls: memory is anonymous; threads take "
                                       "turns at their marks of time; what "
                                       "is modified is loaded and stored; prefetches and flushes are left out",
                                       vmsim__import_drmemtrace},
};

int vmsim_trace_format_by_name(const char *name) {
    if (!name)
        return -1;
    for (unsigned i = 0; i < VMSIM_TRACE_FORMATS; i++)
        if (!strcmp(formats[i].name, name))
            return (int)i;
    return -1;
}

const char *vmsim_trace_format_name(unsigned format) {
    return format < VMSIM_TRACE_FORMATS ? formats[format].name : NULL;
}

const char *vmsim_trace_format_note(unsigned format) {
    return format < VMSIM_TRACE_FORMATS ? formats[format].note : NULL;
}

/* An input of which no record fits is an error: mostly the format was named wrongly. */
static int run(struct vmsim__import *im, enum vmsim_trace_format format) {
    VMSIM__ASSERT((unsigned)format < VMSIM_TRACE_FORMATS);
    struct vmsim_trace_event start = {.type = VMSIM_TRACE_START, .file = VMSIM_TRACE_NO_FILE, .args = {1, 1}};
    int got = 1, err = writer_failed(im, vmsim_trace_append_event(im->writer, 0, &start));
    while (!err && (!im->options->limit || im->options->records < im->options->limit) &&
           (got = formats[format].record(im)) == 1)
        im->options->records++;
    if (!err && got < 0)
        err = got;
    if (!err && !im->options->records)
        err = vmsim__import_fail(im, VMSIM_EFORMAT, "the input holds no record of this format");
    return err ? err : flush(im);
}

/* Nothing is left under the output's name unless all of it is there; a note in the trace says from which format it
 * came and what that lacked. */
static int import(struct vmsim__import *im, enum vmsim_trace_format format, const char *out) {
    VMSIM__ASSERT(out && (unsigned)format < VMSIM_TRACE_FORMATS);
    const struct vmsim_trace_options o = {.size = sizeof o, .source = formats[format].name, .program = im->in};
    int err = vmsim__same_file(strcmp(im->in, "-") ? im->in : "/dev/stdin", out)
                  ? vmsim__err_set(&im->err, VMSIM_EINVAL, "%s: is the input: name another output", out)
                  : vmsim__import_open(im);
    if (!err)
        err = writer_failed(im, vmsim_trace_create(out, &o, &im->writer));
    if (!err)
        err = run(im, format);
    if (!err)
        err = writer_failed(im, vmsim_trace_note(im->writer, formats[format].note));
    if (err)
        vmsim_trace_abandon(im->writer);
    else if ((err = vmsim_trace_finish(im->writer, im->err.text, sizeof im->err.text)) != 0)
        im->err.code = err;
    return err;
}

int vmsim_trace_import(enum vmsim_trace_format format, const char *in, const char *out,
                       struct vmsim_trace_import_options *options) {
    if (!in || !out)
        return VMSIM_EINVAL;
    struct vmsim_trace_import_options none = {.size = sizeof none}, *o = options ? options : &none;
    if (o->size != sizeof *o || (unsigned)format >= VMSIM_TRACE_FORMATS)
        return VMSIM_EINVAL;
    o->records = o->skipped = 0;
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    struct vmsim__import *im = a ? vmsim__calloc(a, 1, sizeof *im) : NULL;
    int err = VMSIM_ENOMEM;
    snprintf(o->error, sizeof o->error, "%s", vmsim_error_text(err));
    if (im) {
        im->alloc = a;
        im->in = in;
        im->options = o;
        im->last_region = UINT64_MAX;
        err = import(im, format, out);
        snprintf(o->error, sizeof o->error, "%s", err ? vmsim__err_text(&im->err) : "");
        vmsim__import_close(im);
        struct vmsim__import_map *maps[2] = {&im->regions, &im->objects};
        for (unsigned i = 0; i < 2; i++) {
            vmsim__free(a, maps[i]->keys, maps[i]->size * sizeof *maps[i]->keys);
            vmsim__free(a, maps[i]->values, maps[i]->size * sizeof *maps[i]->values);
        }
        vmsim__free(a, im, sizeof *im);
    }
    if (a)
        vmsim__alloc_destroy(a);
    return err;
}
