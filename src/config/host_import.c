/* SPDX-License-Identifier: MIT */
/* vmsim/host.h: capturing this host, and making machine descriptions of captures. */
#include "config/host_import.h"

#include <stdio.h>
#include <string.h>

#include "base/output.h"
#include "vmsim/host.h"

void vmsim__import_fini(struct vmsim__import *im) {
    struct vmsim__alloc *a = im->alloc;
    for (unsigned n = 0; n < VMSIM__IMPORT_NODES; n++) {
        vmsim__vec_fini(a, &im->nodes[n].ranges);
        vmsim__vec_fini(a, &im->nodes[n].early);
        vmsim__vec_fini(a, &im->nodes[n].cpus);
        vmsim__vec_fini(a, &im->nodes[n].distances);
        vmsim__vec_fini(a, &im->nodes[n].reserved);
        vmsim__vec_fini(a, &im->nodes[n].reserved_origin);
    }
    vmsim__vec_fini(a, &im->map);
    vmsim__vec_fini(a, &im->user_map);
    vmsim__vec_fini(a, &im->zones);
    vmsim__vec_fini(a, &im->sysctls);
}

/* Boots the memory described; when what boot kept does not fit the zones, once more with vmsim's model of it. */
static int boot(struct vmsim__import *im, struct vmsim__mem **mem) {
    struct vmsim__err first = {0};
    int rc = vmsim__mem_create(im->alloc, &im->spec, mem, &first);
    if (!rc || rc == VMSIM_ENOMEM)
        return rc ? vmsim__import_nomem(im) : 0;
    struct vmsim__node_spec *nodes = im->spec.nodes.data;
    bool dropped = false;
    for (unsigned n = 0; n < im->nr_nodes; n++) {
        dropped = dropped || nodes[n].reserved.count;
        nodes[n].reserved.count = im->nodes[n].reserved.count = 0;
    }
    rc = dropped ? vmsim__mem_create(im->alloc, &im->spec, mem, im->err) : rc;
    if (rc == VMSIM_ENOMEM)
        return vmsim__import_nomem(im);
    if (rc)
        return vmsim__err_set(im->err, VMSIM_EFORMAT, "what the capture says cannot be booted: %s",
                              vmsim__err_text(&first));
    vmsim__capture_note(im->capture, "proc_zoneinfo.txt",
                        "does not fit the memory map (%s): vmsim's model of what the kernel keeps is taken",
                        vmsim__err_text(&first));
    return 0;
}

int vmsim__import_run(struct vmsim__import *im, struct vmsim__capture *c, unsigned flags, struct vmsim__err *err) {
    memset(im, 0, sizeof *im);
    im->alloc = c->alloc;
    im->capture = c;
    im->err = err;
    im->spec.transparent_hugepage = VMSIM__THP_ALWAYS;
    struct vmsim__mem *mem = NULL;
    int rc = vmsim__import_facts(im);
    rc = rc ? rc : vmsim__import_zones(im);
    rc = rc ? rc : vmsim__import_memory(im);
    rc = rc ? rc : boot(im, &mem);
    if (!rc && !(flags & VMSIM_HOST_NO_SYSCTL))
        rc = vmsim__import_sysctls(im, mem);
    vmsim__mem_destroy(mem);
    return !rc && c->failed ? vmsim__import_nomem(im) : rc;
}

/* ---- the public interface ---- */

static void report_notes(const struct vmsim__capture *c, const struct vmsim_host_options *o) {
    for (size_t i = 0; o && o->note && i < c->notes.count; i++)
        o->note(o->context, c->notes.at[i].file, c->notes.at[i].text);
}

static int finish(struct vmsim__capture *c, struct vmsim__alloc *alloc, const struct vmsim__err *err, int rc, char *why,
                  size_t size) {
    vmsim__capture_fini(c);
    vmsim__alloc_destroy(alloc);
    if (size)
        snprintf(why, size, "%s", rc ? vmsim__err_text(err) : "");
    return rc;
}

/* An allocator for one call, or NULL with `why` filled. *rc gets the reason. */
static struct vmsim__alloc *begin(const struct vmsim_host_options *o, char *why, size_t size, int *rc) {
    bool valid = !o || (o->size == sizeof *o && !(o->flags & ~(unsigned)VMSIM_HOST_NO_SYSCTL));
    struct vmsim__alloc *alloc = valid ? vmsim__alloc_create(NULL) : NULL;
    *rc = valid ? VMSIM_ENOMEM : VMSIM_EINVAL;
    if (!alloc && size)
        snprintf(why, size, "%s", valid ? "no memory" : "options of an unknown size or with unknown flags");
    return alloc;
}

int vmsim_host_capture(const char *directory, const struct vmsim_host_options *options, char *why, size_t size) {
    if (!directory)
        return VMSIM_EINVAL;
    struct vmsim__capture c;
    struct vmsim__err err = {0};
    int rc;
    struct vmsim__alloc *alloc = begin(options, why, size, &rc);
    if (!alloc)
        return rc;
    vmsim__capture_init(&c, alloc);
    vmsim__capture_host(&c);
    rc = vmsim__capture_save(&c, directory, &err);
    report_notes(&c, options);
    return finish(&c, alloc, &err, rc, why, size);
}

/* A full disk and the like are the caller's affair: the text says which file. */
static int write_yaml(struct vmsim__import *im, const struct vmsim__capture *c, const char *output) {
    struct vmsim__textbuf b;
    if (output && vmsim__capture_has(c, output))
        return vmsim__err_set(im->err, VMSIM_EINVAL, "%s: is a file of the capture itself: name another output",
                              output);
    vmsim__textbuf_init(&b, im->alloc);
    vmsim__import_emit(im, &b);
    int rc = b.failed ? vmsim__import_nomem(im) : 0;
    if (!rc && output)
        rc = vmsim__output_whole(im->alloc, output, vmsim__textbuf_text(&b), b.count, im->err);
    vmsim__textbuf_fini(&b);
    return rc;
}

int vmsim_host_import(const char *directory, const char *output, const struct vmsim_host_options *options, char *why,
                      size_t size) {
    struct vmsim__capture c;
    struct vmsim__err err = {0};
    int rc;
    struct vmsim__alloc *alloc = begin(options, why, size, &rc);
    if (!alloc)
        return rc;
    vmsim__capture_init(&c, alloc);
    struct vmsim__import *im = vmsim__calloc(alloc, 1, sizeof *im);
    rc = im ? 0 : vmsim__err_set(&err, VMSIM_ENOMEM, "no memory");
    if (!rc && directory)
        rc = vmsim__capture_open(&c, directory, &err);
    else if (!rc)
        vmsim__capture_host(&c);
    if (!rc) {
        c.notes.count = directory ? c.notes.count : 0; /* what a capture lacks matters when the import misses it */
        rc = vmsim__import_run(im, &c, options ? options->flags : 0, &err);
        rc = rc ? rc : write_yaml(im, &c, output);
        report_notes(&c, options);
        vmsim__import_fini(im);
    }
    if (im)
        vmsim__free(alloc, im, sizeof *im);
    return finish(&c, alloc, &err, rc, why, size);
}

int vmsim_host_write(const char *path, const void *bytes, size_t length, char *why, size_t size) {
    struct vmsim__err err = {0};
    int rc;
    if (!path || (!bytes && length))
        return VMSIM_EINVAL;
    struct vmsim__alloc *alloc = begin(NULL, why, size, &rc);
    if (!alloc)
        return rc;
    rc = vmsim__output_whole(alloc, path, bytes, length, &err);
    vmsim__alloc_destroy(alloc);
    if (size)
        snprintf(why, size, "%s", rc ? vmsim__err_text(&err) : "");
    return rc;
}
