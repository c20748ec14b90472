/* SPDX-License-Identifier: MIT */
/* One case of the captures of contiguous memory: what the kernel said, the same as a described program, and what came
 * of it here. */
#ifndef CONTIGUOUS_CASE_H
#define CONTIGUOUS_CASE_H
#include "config/config.h"
#include "scenario/engine.h"
#include "vmsim/vmsim.h"

/* A number of both runs of the kernel. */
struct captured_fact {
    char phase[40], name[56]; /* "p3_demand1", "vmstat.thp_fault_alloc" */
    int64_t run[2];
    bool has[2];
};
/* A number of ours: the same names. */
struct got_fact {
    char phase[40], name[56];
    int64_t value;
};
/* How far from the kernel's two runs is right: percent of the larger, and at least. */
struct slack {
    int64_t percent, least;
};

struct contiguous {
    char kernel[16], program[16], name[64], shape[32];
    char args[256];
    int64_t mib, managed[2], start_free, start_lru; /* pages: of DMA and DMA32; as the case began */
    int64_t aged_pages[3], demand;                  /* of the task, of the file; pipes; huge pages asked for */
    int64_t before[8];                              /* counters as the phase began */
    int64_t slab[2][2]; /* pages that filling took of (un)reclaimable slab, and freeing gave back */
    int64_t metadata;   /* pages of the file system's own that making inodes used time and again */
    struct {
        struct captured_fact *at;
        size_t count;
    } captured;
    struct {
        struct got_fact *at;
        size_t count;
    } got;
    struct {
        char *at;
        size_t size, room;
    } text; /* the scenario */
    struct aged *aged;
    int64_t done_before;          /* collapsed, before the samples began */
    int64_t scans_before, cpu_us; /* cpu_us: CPU time of the last phase */
    unsigned samples;
};

/* Reads NAME_a.txt and NAME_b.txt of the folder and describes the case. False: there is nothing to compare. */
bool contiguous_read(struct contiguous *c, const char *folder, const char *kernel, const char *program);
void contiguous_forget(struct contiguous *c);
/* At a marker of the scenario. */
void contiguous_marker(void *context, struct vmsim_scenario *s, const char *name, uint32_t task);
bool contiguous_got(const struct contiguous *c, const struct captured_fact *f, int64_t *value);
struct slack contiguous_slack(const struct contiguous *c, const struct captured_fact *f);

/* ---- contiguous_age.c ---- */

/* The memory of a machine that ran for long: pages of a task, of a file and of the kernel, mixed; then half of each is
 * given up at random. Kernel pages stay with the case. */
void age_fill(struct contiguous *c, struct vmsim_machine *m, uint32_t task);
void age_free_half(struct contiguous *c, struct vmsim_machine *m, uint32_t task);
void age_boot(struct contiguous *c, struct vmsim_machine *m); /* what the kernel held when the case began */
void age_forget(struct contiguous *c);
/* A number of the case's "key=value;key=value", as the capturing program reads them. */
int64_t case_number(const struct contiguous *c, const char *key, int64_t otherwise);
const char *case_text(const struct contiguous *c, const char *key, const char *otherwise, char *out, size_t size);

#endif
