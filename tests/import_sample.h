/* SPDX-License-Identifier: MIT */
/* A small made-up capture in memory, and importing it: 2 nodes of 1 GiB, one CPU each. */
#ifndef IMPORT_SAMPLE_H
#define IMPORT_SAMPLE_H
#include "config/host_import.h"
#include "helpers.h"
#include "vmsim/config.h"
#include "vmsim/host.h"
#include "vmsim/vmsim.h"

struct sample_file {
    const char *name, *text;
};
#define SAMPLE_FILES 12
static const struct sample_file sample[SAMPLE_FILES] = {
    {"proc_version.txt", "Linux version 6.1.0-9-amd64 (builder) #1 SMP\n"},
    {"machine.txt", "kernel: 6.1.0-9-amd64\narch: x86_64\n"},
    {"dmesg_mm.txt", "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable\n"
                     "BIOS-e820: [mem 0x000000000009fc00-0x00000000000fffff] reserved\n"
                     "BIOS-e820: [mem 0x0000000000100000-0x000000007ffdffff] usable\n"
                     "e820: update [mem 0x00000000-0x00000fff] usable ==> reserved\n"
                     "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x0009ffff]\n"
                     "ACPI: SRAT: Node 0 PXM 0 [mem 0x00100000-0x3fffffff]\n"
                     "ACPI: SRAT: Node 1 PXM 1 [mem 0x40000000-0x7fffffff]\n"
                     "Kernel command line: quiet kernelcore=1G\n"
                     "Freeing initrd memory: 400K\n"
                     "Freeing unused kernel image (initmem) memory: 2048K\n"},
    {"proc_iomem.txt", "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n0009fc00-000fffff : Reserved\n"
                       "00100000-7ffdffff : System RAM\n  01000000-01ffffff : Kernel code\n"},
    {"proc_zoneinfo.txt",
     "Node 0, zone      DMA\n  pages free     3840\n        spanned  4095\n        present  3998\n"
     "        managed  3840\n  start_pfn:           1\n"
     "Node 0, zone    DMA32\n  pages free     1\n        spanned  258048\n        present  258048\n"
     "        managed  250000\n  pagesets\n    cpu: 0\n    cpu: 1\n  start_pfn:           4096\n"
     "Node 0, zone   Normal\n  pages free     0\n        spanned  0\n        present  0\n"
     "        managed  0\n"
     "Node 1, zone    DMA32\n  pages free     1\n        spanned  262112\n        present  262112\n"
     "        managed  255000\n  start_pfn:           262144\n"},
    {"node_online.txt", "0-1\n"},
    {"node_node0_cpulist.txt", "0\n"},
    {"node_node1_cpulist.txt", "1\n"},
    {"node_node0_distance.txt", "10 21\n"},
    {"node_node1_distance.txt", "21 10\n"},
    {"proc_cmdline.txt", "quiet\n"},
    {"proc_meminfo.txt", "MemTotal:        2035360 kB\nMemFree: 1 kB\n"},
};

/* One import. `yaml` is to be freed; notes are joined by newlines. */
struct imported {
    int rc;
    struct vmsim__err err;
    char *yaml, notes[8192];
};

static inline void sample_finish(struct vmsim__capture *c, struct imported *out) {
    struct vmsim__import *im = calloc(1, sizeof *im);
    assert_non_null(im);
    out->rc = vmsim__import_run(im, c, 0, &out->err);
    if (!out->rc) {
        struct vmsim__textbuf b;
        vmsim__textbuf_init(&b, c->alloc);
        vmsim__import_emit(im, &b);
        assert_false(b.failed);
        out->yaml = strdup(vmsim__textbuf_text(&b));
        vmsim__textbuf_fini(&b);
    }
    for (size_t i = 0; i < c->notes.count; i++)
        snprintf(out->notes + strlen(out->notes), sizeof out->notes - strlen(out->notes), "%s: %s\n",
                 c->notes.at[i].file, c->notes.at[i].text);
    if (im->alloc)
        vmsim__import_fini(im);
    free(im);
}

/* Imports the sample with one file replaced (`text` NULL: taken away). `name` NULL: as it is. */
static inline struct imported *sample_import(const struct sample_file *change, size_t changes) {
    struct imported *out = calloc(1, sizeof *out);
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__capture c;
    assert_non_null(out);
    vmsim__capture_init(&c, alloc);
    for (size_t i = 0; i < changes; i++)
        vmsim__capture_add(&c, change[i].name, change[i].text, change[i].text ? strlen(change[i].text) : 0);
    for (size_t i = 0; i < SAMPLE_FILES; i++) /* the first of a name counts */
        vmsim__capture_add(&c, sample[i].name, sample[i].text, strlen(sample[i].text));
    sample_finish(&c, out);
    vmsim__capture_fini(&c);
    test_alloc_end(alloc);
    return out;
}

static inline void sample_free(struct imported *o) {
    free(o->yaml);
    free(o);
}

/* A machine of the description; the text must be a good configuration. */
static inline struct vmsim_machine *sample_machine(const char *yaml) {
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    assert_int_equal(vmsim_config_create(&config), 0);
    vmsim_config_add_search_dir(config, VMSIM_SOURCE_DIR "/machines");
    if (vmsim_config_load_text(config, "imported", yaml, strlen(yaml)) || vmsim_config_resolve(config) ||
        vmsim_machine_create(config, &m))
        fail_msg("%s\n%s", vmsim_config_error_text(config, 0), yaml);
    vmsim_config_destroy(config);
    return m;
}

#endif
