/* SPDX-License-Identifier: MIT */
/* /proc/diskstats and /sys/block: what iostat, vmstat -d and exporters read. Times are the model's, exact, in the
 * milliseconds of the files. Kernel counterparts: block/genhd.c (diskstats_show, part_stat_show), block/blk-sysfs.c. */
#include <stdio.h>
#include <string.h>

#include "report/proc.h"

#define NS_PER_MS UINT64_C(1000000)

static void stat_of(const struct vmsim_machine *m, uint32_t device, struct vmsim__block_stat *out) {
    vmsim__block_stat(m->block, device, vmsim__machine_uptime(m), out);
}

/* The numbers behind a device's name in both files: 17 since 5.5, of which discards and flushes never happen here. */
static void put_numbers(struct vmsim__textbuf *out, const struct vmsim__block_stat *s, const char *const formats[4]) {
    for (unsigned op = 0; op < VMSIM__BLOCK_OPS; op++) {
        vmsim__textbuf_printf(out, formats[0], (unsigned long long)s->ios[op]);
        vmsim__textbuf_printf(out, formats[0], (unsigned long long)s->merges[op]);
        vmsim__textbuf_printf(out, formats[1], (unsigned long long)(s->bytes[op] >> 9));
        vmsim__textbuf_printf(out, formats[2], (unsigned)(s->time[op] / NS_PER_MS));
    }
    uint64_t queue = s->time[VMSIM__BLOCK_READ] + s->time[VMSIM__BLOCK_WRITE];
    vmsim__textbuf_printf(out, formats[2], (unsigned)s->in_flight);
    vmsim__textbuf_printf(out, formats[2], (unsigned)(s->busy / NS_PER_MS));
    vmsim__textbuf_printf(out, formats[2], (unsigned)(queue / NS_PER_MS));
    vmsim__textbuf_puts(out, formats[3]);
}

/* Majors of Documentation/admin-guide/devices.txt; virtio and NVMe have theirs assigned, these are Debian's. The rest
 * are those for local use. A disk has 16 minors, for its partitions. */
static const struct kind {
    const char *prefix;
    unsigned major, step;
} kinds[] = {{"sd", 8, 16}, {"vd", 254, 16}, {"nvme", 259, 1}, {"ram", 1, 1}, {"", 240, 1}};

static const struct kind *kind_of(const char *name) {
    VMSIM__ASSERT(name && *name);
    const struct kind *k = kinds;
    while (strncmp(name, k->prefix, strlen(k->prefix)) != 0)
        k++;
    return k;
}

static unsigned minor_of(const struct vmsim_machine *m, uint32_t device) {
    VMSIM__ASSERT(device < vmsim__block_devices(m->block));
    const struct kind *kind = kind_of(vmsim__block_name(m->block, device));
    unsigned minor = 0;
    for (uint32_t i = 0; i < device; i++)
        minor += kind_of(vmsim__block_name(m->block, i)) == kind ? kind->step : 0;
    return minor;
}

void vmsim__proc_diskstats(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t arg) {
    static const char *const formats[] = {" %llu", " %llu", " %u", " 0 0 0 0 0 0\n"};
    (void)arg;
    for (uint32_t i = 0; i < vmsim__block_devices(m->block); i++) {
        const char *name = vmsim__block_name(m->block, i);
        struct vmsim__block_stat s;
        stat_of(m, i, &s);
        vmsim__textbuf_printf(out, "%4u %7u %s", kind_of(name)->major, minor_of(m, i), name);
        put_numbers(out, &s, formats);
    }
}

static void block_stat(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t device) {
    VMSIM__ASSERT(device < vmsim__block_devices(m->block));
    static const char *const formats[] = {"%8llu ", "%8llu ", "%8u ",
                                          "       0        0        0        0        0        0\n"};
    struct vmsim__block_stat s;
    stat_of(m, device, &s);
    put_numbers(out, &s, formats);
}

static void block_size(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t device) {
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)(vmsim__block_params(m->block, device)->size >> 9));
}

static void rotational(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t device) {
    vmsim__textbuf_printf(out, "%d\n", vmsim__block_params(m->block, device)->rotational != 0);
}

static void max_sectors(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t device) {
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)(vmsim__io_largest(m, device) >> 10));
}

static void nomerges(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t device) {
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)vmsim__block_params(m->block, device)->nomerges);
}

static void scheduler(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t device) {
    bool deadline = vmsim__block_params(m->block, device)->async_starved != 0;
    vmsim__textbuf_puts(out, deadline ? "[mq-deadline] none\n" : "[none] mq-deadline\n");
}

static void read_ahead(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t device) {
    (void)device;
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)(vmsim__cache_spec(m->cache)->read_ahead >> 10));
}

/* ---- zram ---- */

static const struct vmsim__zram *zram_at(const struct vmsim_machine *m, uint32_t number) {
    VMSIM__ASSERT(m->swap && number < m->swap->zrams);
    return &m->swap->zram[number];
}

static void disk_size(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t number) {
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)zram_at(m, number)->spec.size);
}

static void sectors(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t number) {
    vmsim__textbuf_printf(out, "%llu\n", (unsigned long long)(zram_at(m, number)->spec.size >> 9));
}

static void algorithms(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t number) {
    const int chosen = zram_at(m, number)->spec.compress.compressor;
    for (int i = 0; vmsim__compressor_names[i]; i++)
        vmsim__textbuf_printf(out, i == chosen ? "%s[%s]" : "%s%s", i ? " " : "", vmsim__compressor_names[i]);
    vmsim__textbuf_puts(out, "\n");
}

/* Nothing is compacted. */
static void mm_stat(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t number) {
    const struct vmsim__zram *z = zram_at(m, number);
    const struct vmsim__zram_stat *s = &z->stat;
    vmsim__textbuf_printf(out, "%8llu %8llu %8llu %8llu %8llu %8llu %8u %8llu %8llu\n",
                          (unsigned long long)s->stored * z->pool.page, (unsigned long long)s->bytes,
                          (unsigned long long)z->pool.pages * z->pool.page, (unsigned long long)z->spec.mem_limit,
                          (unsigned long long)s->used_max * z->pool.page, (unsigned long long)s->same, 0u,
                          (unsigned long long)s->huge, (unsigned long long)s->huge_since);
}

static void zram_io_stat(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t number) {
    const struct vmsim__zram_stat *s = &zram_at(m, number)->stat;
    vmsim__textbuf_printf(out, "%8u %8llu %8u %8llu\n", 0u, (unsigned long long)s->failed, 0u,
                          (unsigned long long)s->freed);
}

static int each_zram(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    static const struct {
        const char *name;
        vmsim__proc_render *render;
    } files[] = {{"comp_algorithm", algorithms},
                 {"disksize", disk_size},
                 {"io_stat", zram_io_stat},
                 {"mm_stat", mm_stat},
                 {"size", sectors}};
    int err = 0;
    for (uint32_t z = 0; m->swap && z < m->swap->zrams; z++) {
        for (size_t i = 0; i < VMSIM__COUNT(files) && !err; i++) {
            char path[64];
            snprintf(path, sizeof path, "sys/block/%.16s/%s", m->swap->zram[z].name, files[i].name);
            err = visit(context, path, files[i].render, z);
        }
    }
    return err;
}

/* In the order of names, as all files are visited: a tree that is written twice is written in one order. */
int vmsim__proc_each_block(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    VMSIM__ASSERT(visit);
    static const struct {
        const char *name;
        vmsim__proc_render *render;
    } files[] = {
        {"queue/max_sectors_kb", max_sectors},
        {"queue/nomerges", nomerges},
        {"queue/read_ahead_kb", read_ahead},
        {"queue/rotational", rotational},
        {"queue/scheduler", scheduler},
        {"size", block_size},
        {"stat", block_stat},
    };
    int err = 0;
    for (uint32_t d = 0; d < vmsim__block_devices(m->block); d++) {
        for (size_t i = 0; i < VMSIM__COUNT(files) && !err; i++) {
            char path[320];
            snprintf(path, sizeof path, "sys/block/%.200s/%s", vmsim__block_name(m->block, d), files[i].name);
            err = visit(context, path, files[i].render, d);
        }
    }
    return err ? err : each_zram(m, visit, context);
}
