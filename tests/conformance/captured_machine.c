/* SPDX-License-Identifier: MIT */
/* Reading a boot's files and making the machine that they tell of (see captured_machine.h). */
#include "captured_machine.h"

#include <unistd.h>

#include "conformance.h"
#include "config/config.h"
#include "vmsim/host.h"

#define DMA_PRESENT 3998 /* pages: what QEMU's firmware leaves below 16 MiB */

/* ---- the capture ---- */

/* Does a line "cmdline: ... gtp.cases=NAME:ARGS,NAME:ARGS" have the case? */
static bool has_case(const char *line, const char *name) {
    const size_t n = strlen(name);
    for (const char *at = line; (at = strstr(at, name)); at++) {
        if (at > line && (at[-1] == '=' || at[-1] == ',') && at[n] == ':')
            return true;
    }
    return false;
}

/* The memory of a boot that ran the case. */
static bool read_description(struct captured_machine *m, const char *path, const char *name) {
    static char line[16384];
    bool ran = false;
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        const char *memory = strstr(line, " -m ");
        ran |= !strncmp(line, "cmdline:", 8) && has_case(line, name);
        if (ran && !strncmp(line, "qemu:", 5) && memory)
            m->mib = strtoll(memory + 4, NULL, 10);
    }
    if (f)
        fclose(f);
    return ran;
}

static void read_boot(struct captured_machine *m, const char *path) {
    char line[4096], zone[16] = "";
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) {
        int64_t v;
        sscanf(line, "zoneinfo Node 0, zone %15s", zone);
        const bool dma32 = !strcmp(zone, "DMA32");
        if (sscanf(line, "zoneinfo managed %" SCNd64, &v) == 1 && (dma32 || !strcmp(zone, "DMA")))
            m->managed[dma32] = v;
        else if (sscanf(line, "meminfo MemFree: %" SCNd64, &v) == 1)
            m->free = v / 4;
        else if (sscanf(line, "meminfo AnonPages: %" SCNd64, &v) == 1)
            m->lru = v / 4;
    }
    if (f)
        fclose(f);
}

bool captured_machine_read(struct captured_machine *m, const char *folder, const char *kernel, const char *name) {
    static char names[1024][128];
    const unsigned n = conformance_list(folder, names, 1024);
    bool found = false;
    *m = (struct captured_machine){.mib = 512};
    snprintf(m->kernel, sizeof m->kernel, "%.15s", kernel);
    for (unsigned i = 0; i < n && !found; i++) {
        char path[4300];
        if (strncmp(names[i], "machine_", 8) != 0)
            continue;
        snprintf(path, sizeof path, "%.4000s/%.127s", folder, names[i]);
        found = read_description(m, path, name);
        snprintf(path, sizeof path, "%.4000s/boot_%.119s", folder, names[i] + 8);
        if (found)
            read_boot(m, path);
    }
    snprintf(m->shape, sizeof m->shape, "n1_%" PRId64 "M", m->mib);
    return found;
}

/* ---- the machine ---- */

static bool load_imported(const struct captured_machine *m, struct vmsim_config *c) {
    char folder[4096], why[512], path[] = "/tmp/vmsim-captured-XXXXXX";
    struct stat st;
    snprintf(folder, sizeof folder, "%s/qemu/%s/%s", conformance_root(), m->kernel, m->shape);
    const int fd = stat(folder, &st) ? -1 : mkstemp(path);
    if (fd < 0)
        return false;
    close(fd);
    const bool ok = !vmsim_host_import(folder, path, NULL, why, sizeof why) && !vmsim_config_load_file(c, path);
    unlink(path);
    return ok;
}

bool captured_machine_load(const struct captured_machine *m, struct vmsim_config *c) {
    char text[1024];
    if (load_imported(m, c))
        return true;
    const int64_t present[2] = {DMA_PRESENT, m->mib * 256 - 32 - 4096};
    const int64_t reserved[2] = {m->managed[0] ? present[0] - m->managed[0] : 0,
                                 m->managed[1] ? present[1] - m->managed[1] : 0};
    snprintf(text, sizeof text,
             "vmsim: 1\nmachine:\n  preset: qemu-tcg\n  kernel: \"%s\"\n  memory_map:\n"
             "    - {start: 0x0, size: 639KiB}\n    - {start: 0x100000, size: %" PRId64 "KiB}\n"
             "    - {start: 0x0, size: 4KiB, reserved: true}\n    - {start: 0xa0000, size: 384KiB, reserved: true}\n"
             "  nodes:\n    - cpus: [0]\n      reserved: [{zone: DMA, size: %" PRId64
             "KiB}, {zone: DMA32, size: %" PRId64 "KiB}]\n",
             m->kernel, m->mib * 1024 - 128 - 1024, reserved[0] * 4, reserved[1] * 4);
    return !vmsim_config_load_text(c, m->shape, text, strlen(text));
}
