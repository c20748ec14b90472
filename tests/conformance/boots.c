/* SPDX-License-Identifier: MIT */
/* Every captured boot: imported to YAML, loaded as a user would, and each fact that the capture holds compared, in the
 * boot state and under each setting that the guest was led through.
 *
 *     capture --vmsim_host_import--> YAML --vmsim_config, vmsim_machine_create--> machine
 *        |                                                                          | vmsim_report_proc_file
 *        +-- files after boot, sweep.txt -------- fact by fact --------------------+ vmsim_machine_sysctl
 */
#include <unistd.h>

#include "base/units.h"
#include "boot_facts.h"
#include "capture_parse.h"
#include "conformance.h"
#include "machine/machine.h"
#include "vmsim/config.h"
#include "vmsim/host.h"
#include "vmsim/report.h"
#include "vmsim/vmsim.h"

/* One shape under comparison. */
struct boot {
    struct conformance row;
    char folder[2048], phase[192];
    struct vmsim_machine *m;
    struct capture capture; /* for the sweep's rows, zoneinfo and fallback orders */
    struct {
        uint64_t pfn;
        unsigned order;
    } * held; /* blocks that stand for what ran at boot */
    size_t held_count;
};

static void fail(const struct boot *b, const char *what, const char *text) {
    fflush(stdout);
    fprintf(stderr, "boots: %s: %s: %s\n", b->folder, what, text);
    exit(1);
}

static char *read_text(const char *path) {
    FILE *f = fopen(path, "r");
    size_t capacity = 1 << 20;
    char *text = f ? malloc(capacity) : NULL;
    if (text)
        text[fread(text, 1, capacity - 1, f)] = '\0';
    if (f)
        fclose(f);
    return text;
}

/* ---- making the machine ---- */

static char *import(struct boot *b, unsigned flags, char *path) {
    char why[600];
    struct vmsim_host_options o = {.size = sizeof o, .flags = flags};
    strcpy(path, "/tmp/vmsim-boots-XXXXXX");
    int fd = mkstemp(path);
    if (fd < 0 || close(fd))
        fail(b, "temporary file", path);
    if (vmsim_host_import(b->folder, path, &o, why, sizeof why))
        fail(b, "import", why);
    return read_text(path);
}

static void create(struct boot *b) {
    char path[64], other[64];
    char *plain = import(b, VMSIM_HOST_NO_SYSCTL, path), *full = import(b, 0, other);
    unlink(other);
    char *again = import(b, 0, other);
    unlink(other);
    struct vmsim_config *config;
    b->row.area = "import";
    b->row.phase = "boot/import";
    conformance_text(&b->row, "settings that do not follow", "none", strcmp(plain, full) ? "some" : "none");
    conformance_text(&b->row, "bytes of a second import", "same", strcmp(full, again) ? "others" : "same");
    free(plain);
    free(full);
    free(again);
    if (vmsim_config_create(&config) || vmsim_config_load_file(config, path) || vmsim_config_resolve(config) ||
        vmsim_machine_create(config, &b->m))
        fail(b, "machine", vmsim_config_error_count(config) ? vmsim_config_error_text(config, 0) : "no memory");
    vmsim_config_destroy(config);
    unlink(path);
}

static void set(struct boot *b, const char *name, const char *value) {
    if (vmsim_machine_sysctl(b->m, name, value))
        fail(b, name, vmsim_machine_error(b->m));
}

static void set_number(struct boot *b, const char *name, uint64_t value) {
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    set(b, name, text);
}

/* ---- files ---- */

static bool our_file(struct boot *b, const char *path, struct facts *f) {
    const char *text;
    *f = (struct facts){0};
    if (vmsim_report_proc_file(b->m, path, &text, NULL))
        return false;
    facts_parse(f, text, !strcmp(path, "proc/zoneinfo"));
    vmsim_report_proc_free(b->m, text);
    return true;
}

static bool their_file(const struct boot *b, const char *name, struct facts *f) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    char *text = read_text(path);
    *f = (struct facts){0};
    if (text)
        facts_parse(f, text, !strcmp(name, "proc_zoneinfo.txt"));
    free(text);
    return text;
}

/* Captured name -> path in the tree; *folder: each key is a file of that folder. */
static void path_of(const char *name, char *path, size_t size, bool *folder) {
    static const char *const folders[][2] = {
        {"sysctl_vm.txt", "proc/sys/vm"},
        {"sys_kernel_mm_transparent_hugepage.txt", "sys/kernel/mm/transparent_hugepage"},
        {"sys_kernel_mm_transparent_hugepage_khugepaged.txt", "sys/kernel/mm/transparent_hugepage/khugepaged"},
        {"sys_kernel_mm_numa.txt", "sys/kernel/mm/numa"},
        {"sys_kernel_mm_swap.txt", "sys/kernel/mm/swap"},
    };
    static const char lru_gen[] = "sys_kernel_mm_lru_gen_", tiers[] = "sys_devices_virtual_memory_tiering_";
    static const char pools[] = "sys_kernel_mm_hugepages_";
    char stem[256];
    unsigned node;
    int end = 0;
    *folder = false;
    snprintf(stem, sizeof stem, "%.*s", (int)(strlen(name) - 4), name);
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (!strcmp(name, folders[i][0])) {
            snprintf(path, size, "%s", folders[i][1]);
            *folder = true;
            return;
        }
    }
    if (!strncmp(stem, pools, sizeof pools - 1)) {
        snprintf(path, size, "sys/kernel/mm/hugepages/%s", stem + sizeof pools - 1);
        *folder = true;
    } else if (!strncmp(stem, lru_gen, sizeof lru_gen - 1)) {
        snprintf(path, size, "sys/kernel/mm/lru_gen/%s", stem + sizeof lru_gen - 1);
    } else if (!strncmp(stem, tiers, sizeof tiers - 1)) {
        snprintf(path, size, "sys/devices/virtual/memory_tiering/%s", stem + sizeof tiers - 1);
        *folder = true;
    } else if (sscanf(stem, "node_node%u_hugepages_%n", &node, &end) == 1 && end) {
        snprintf(path, size, "sys/devices/system/node/node%u/hugepages/%s", node, stem + end);
        *folder = true;
    } else if (sscanf(stem, "node_node%u_%n", &node, &end) == 1 && end) {
        snprintf(path, size, "sys/devices/system/node/node%u/%s", node, stem + end);
    } else if (!strncmp(stem, "node_", 5)) {
        snprintf(path, size, "sys/devices/system/node/%s", stem + 5);
    } else {
        snprintf(path, size, "proc/%s", !strncmp(stem, "proc_", 5) ? stem + 5 : stem);
    }
}

/* Our value of a captured fact; false: vmsim has no such file or line. */
static bool our_value(struct boot *b, const char *path, bool folder, const struct facts *ours, const char *key,
                      char *value, size_t size) {
    char file[768], line[1024];
    struct facts f = {0};
    const char *at = folder ? NULL : facts_find(ours, key), *text = NULL;
    if (folder) {
        snprintf(file, sizeof file, "%s/%s", path, key);
        if (vmsim_report_proc_file(b->m, file, &text, NULL))
            return false;
        snprintf(line, sizeof line, "value = %.*s", (int)strcspn(text, "\n"), text); /* blanks as in theirs */
        facts_parse(&f, line, false);
        at = f.at[0].value;
    }
    if (at)
        snprintf(value, size, "%s", at);
    facts_free(&f);
    vmsim_report_proc_free(b->m, text);
    return at;
}

static void compare_fact(struct boot *b, const char *file, const struct fact *theirs, const struct fact_rule *r,
                         bool have, const char *ours) {
    char name[192];
    snprintf(name, sizeof name, "%.80s %s", file, theirs->key);
    b->row.area = r->area;
    bool tuned = r->use == USE_EXACT_UNLESS_TUNED && b->m->kernel->pcp_high_auto;
    if (r->use == USE_NONE || tuned) {
        conformance_not_modelled(&b->row, name, theirs->value, r->reason);
    } else if (r->use == USE_EIGHTH) {
        int64_t is = strtoll(theirs->value, NULL, 10);
        conformance_range(&b->row, name, is, is - is / 8, is + is / 8, have ? strtoll(ours, NULL, 10) : -1);
    } else {
        conformance_text(&b->row, name, theirs->value, have ? ours : "(none)");
    }
}

static void compare_file(struct boot *b, const char *name) {
    struct facts theirs, ours = {0};
    char path[512], value[512];
    bool folder;
    path_of(name, path, sizeof path, &folder);
    if (!fact_file(name)) {
        const struct fact_rule *whole = fact_rule(name, "");
        b->row.area = whole->area;
        conformance_not_modelled(&b->row, name, "-", whole->reason);
        return;
    }
    if (!their_file(b, name, &theirs))
        return;
    if (!folder)
        our_file(b, path, &ours);
    for (size_t i = 0; i < theirs.count; i++) {
        const struct fact_rule *r = fact_rule(name, theirs.at[i].key);
        bool have = r->use != USE_NONE && our_value(b, path, folder, &ours, theirs.at[i].key, value, sizeof value);
        if (strcmp(name, "proc_vmstat.txt") || strncmp(theirs.at[i].key, "nr_dirty_", 9))
            compare_fact(b, name, &theirs.at[i], r, have, value);
    }
    facts_free(&theirs);
    facts_free(&ours);
}

/* ---- the log ---- */

static void compare_fallback(struct boot *b) {
    b->row.area = "zonelist";
    b->row.phase = "boot/log";
    for (unsigned n = 0; n < b->capture.nr_nodes && *b->capture.fallback[0];
         n++) { /* kernels without NUMA say nothing */
        char text[256] = "", name[64];
        size_t at = 0;
        for (unsigned i = 0; n < b->m->mem->nr_nodes && i < b->m->mem->nodes[n].order_count; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%u ", b->m->mem->nodes[n].order[i]);
        snprintf(name, sizeof name, "Fallback order for Node %u", n);
        conformance_text(&b->row, name, b->capture.fallback[n], text);
    }
}

/* Segments of one node that touch are one range of the log's. */
static bool our_range(const struct vmsim__mem *mem, unsigned node, unsigned long long start, unsigned long long *end) {
    bool found = false;
    *end = 0;
    for (size_t i = 0; i < mem->nr_segments; i++) {
        const struct vmsim__segment *s = &mem->segments[i];
        if (mem->zones[s->zone].node == node && (s->start == start || (found && s->start == *end))) {
            found = true;
            *end = s->end;
        }
    }
    return found;
}

static void compare_early_ranges(struct boot *b) {
    char path[4096], name[96], expected[64], got[64];
    snprintf(path, sizeof path, "%s/dmesg_mm.txt", b->folder);
    char *text = read_text(path), *save = NULL;
    b->row.area = "zones";
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
        unsigned node;
        unsigned long long start, last, end;
        if (sscanf(line, "  node %u: [mem 0x%llx-0x%llx]", &node, &start, &last) != 3)
            continue;
        unsigned shift = b->m->mem->page_shift;
        bool found = our_range(b->m->mem, node, start >> shift, &end);
        snprintf(name, sizeof name, "node %u: range at 0x%llx", node, start);
        snprintf(expected, sizeof expected, "0x%llx", last);
        snprintf(got, sizeof got, "0x%llx", found ? (end << shift) - 1 : 0);
        conformance_text(&b->row, name, expected, got);
    }
    free(text);
}

/* ---- the sweep: zones ---- */

static bool begins(const char *text, const char *with) {
    return !strncmp(text, with, strlen(with));
}

/* One for each zone type that the architecture has. */
static const char *default_ratios(const struct boot *b) {
    const unsigned types = b->m->mem->zone_configured;
    if (types >> VMSIM__ZONE_HIGHMEM & 1)
        return "256 32 0 0"; /* DMA Normal HighMem Movable */
    return types >> VMSIM__ZONE_DEVICE & 1 ? "256 256 32 0 0" : "256 256 32 0";
}

/* Undoes the last group of settings when a new group begins, as the guest did. */
static void leave(struct boot *b, const char *last, const char *next) {
    static const char *const groups[] = {"min_free_kbytes=", "watermark_scale_factor=", "min_free=4096,",
                                         "lowmem=",          "percpu_pagelist",         "thp="};
    for (unsigned i = 0; i < 6; i++) {
        if (!begins(last, groups[i]) || begins(next, groups[i]))
            continue;
        if (i == 5 && *b->capture.thp_enabled)
            set(b, "transparent_hugepage/enabled", b->capture.thp_enabled);
        if (i == 0 || i == 2 || i == 5)
            set_number(b, "vm.min_free_kbytes", b->capture.boot_min_free_kbytes);
        if (i == 1 || i == 2)
            set(b, "vm.watermark_scale_factor", "10");
        if (i == 3)
            set(b, "vm.lowmem_reserve_ratio", default_ratios(b));
        if (i == 4)
            set(b, "vm.percpu_pagelist_high_fraction", "0");
    }
}

static void enter(struct boot *b, const char *setting) {
    const char *value = strchr(setting, '=');
    char text[128];
    snprintf(text, sizeof text, "%s", value ? value + 1 : "");
    if (begins(setting, "min_free_kbytes="))
        set(b, "vm.min_free_kbytes", text);
    else if (begins(setting, "watermark_scale_factor="))
        set(b, "vm.watermark_scale_factor", text);
    else if (begins(setting, "min_free=4096,wsf=200")) {
        set(b, "vm.min_free_kbytes", "4096");
        set(b, "vm.watermark_scale_factor", "200");
    } else if (begins(setting, "lowmem=")) {
        for (char *p = text; *p; p++)
            *p = *p == ',' ? ' ' : *p;
        set(b, "vm.lowmem_reserve_ratio", text);
    } else if (begins(setting, "percpu_pagelist_high_fraction="))
        set(b, "vm.percpu_pagelist_high_fraction", text);
    else if (begins(setting, "thp=") && *b->capture.thp_enabled) {
        text[strcspn(text, ",")] = '\0';
        set(b, "transparent_hugepage/enabled", text);
    } else if (!begins(setting, "thp=") && strcmp(setting, "boot") && strcmp(setting, "restored"))
        fail(b, "sweep.txt: unknown setting", setting);
}

/* One value of a row against our zoneinfo. */
static void compare_value(struct boot *b, const struct facts *ours, const struct capture_row *r, const char *area,
                          const char *field, unsigned long long expected) {
    char key[96], name[128], text[32];
    snprintf(key, sizeof key, "N%u/%s/%s", r->node, r->zone, field);
    snprintf(name, sizeof name, "N%u %s %s", r->node, r->zone, field);
    snprintf(text, sizeof text, "%llu", expected);
    const char *got = facts_find(ours, key);
    b->row.area = area;
    conformance_text(&b->row, name, text, got ? got : "(none)");
}

static void compare_protection(struct boot *b, const struct facts *ours, const struct capture_row *r) {
    char key[96], name[128], text[256] = "";
    snprintf(key, sizeof key, "N%u/%s/protection", r->node, r->zone);
    snprintf(name, sizeof name, "N%u %s protection", r->node, r->zone);
    const char *got = facts_find(ours, key);
    size_t n = 0;
    for (const char *p = got; p && *p && n + 1 < sizeof text; p++) {
        if (!strchr("() ", *p))
            text[n++] = *p;
    }
    b->row.area = "protection";
    conformance_text(&b->row, name, r->protection, text);
}

static void compare_row(struct boot *b, const struct facts *ours, const struct capture_row *r) {
    char name[128], text[32];
    compare_value(b, ours, r, "watermarks", "min", r->min);
    compare_value(b, ours, r, "watermarks", "low", r->low);
    compare_value(b, ours, r, "watermarks", "high", r->high);
    compare_value(b, ours, r, "zones", "spanned", r->spanned);
    compare_value(b, ours, r, "zones", "present", r->present);
    compare_value(b, ours, r, "inputs", "managed", r->managed);
    compare_value(b, ours, r, "pcp", "cpu0/batch", (unsigned long long)r->pcp_batch);
    if (!b->m->kernel->pcp_high_auto) {
        compare_value(b, ours, r, "pcp", "cpu0/high", (unsigned long long)r->pcp_high);
    } else {
        snprintf(name, sizeof name, "N%u %s cpu0/high", r->node, r->zone);
        snprintf(text, sizeof text, "%lld", r->pcp_high);
        b->row.area = "pcp";
        conformance_not_modelled(&b->row, name, text, "this kernel tunes it itself as it runs");
    }
    compare_protection(b, ours, r);
}

static void sweep_zones(struct boot *b) {
    const char *last = "boot";
    struct facts ours = {0};
    set(b, "vm.lowmem_reserve_ratio", default_ratios(b)); /* the guest had read it, which computes reserves anew */
    for (size_t i = 0; i < b->capture.rows.count; i++) {
        const struct capture_row *r = &b->capture.rows.at[i];
        bool fresh = i == 0 || strcmp(r->setting, last);
        if (fresh && i) {
            leave(b, last, r->setting);
            enter(b, r->setting);
        }
        last = r->setting;
        if (fresh) {
            facts_free(&ours);
            our_file(b, "proc/zoneinfo", &ours);
            snprintf(b->phase, sizeof b->phase, "sweep/%s", r->setting);
            b->row.phase = b->phase;
            const char *now = strstr(r->setting, "min_free_now=");
            b->row.area = "defaults";
            if (now)
                conformance_exact(&b->row, "min_free_kbytes", strtoull(now + 13, NULL, 10),
                                  b->m->mem->sysctl.min_free_kbytes);
        }
        compare_row(b, &ours, r);
    }
    leave(b, last, "");
    facts_free(&ours);
}

/* ---- the sweep: limits ---- */

static uint64_t counter(struct boot *b, const char *name) {
    size_t id;
    if (vmsim_counter_find(b->m, name, &id))
        fail(b, "counter", name);
    return vmsim_counter_read(b->m, id);
}

static bool take_block(struct boot *b, unsigned order, uint32_t gfp) {
    struct vmsim__alloc_request rq = {.gfp = gfp, .order = (uint8_t)order};
    vmsim__pfn pfn = vmsim__mem_alloc(b->m->mem, &rq);
    if (pfn == VMSIM__PFN_NONE)
        return false;
    if (!(b->held_count & (b->held_count - 1))) /* full at each power of two */
        b->held = realloc(b->held, (b->held_count ? 2 * b->held_count : 1) * sizeof *b->held);
    if (!b->held)
        fail(b, "memory", "none");
    b->held[b->held_count].pfn = pfn;
    b->held[b->held_count++].order = order;
    return true;
}

/* A count of one of their zones after boot; 0: not there. */
static uint64_t their_count(const struct facts *f, const struct vmsim__zone *z, const char *name) {
    char key[96];
    snprintf(key, sizeof key, "N%u/%s/%s", z->node, z->name, name);
    const char *text = facts_find(f, key);
    return text ? strtoull(text, NULL, 10) : 0;
}

/* What is in use in high memory is no part of the limits, so that it matters which frames are held: as many of it as
 * zoneinfo shows, and of HighMem what the guest's programs have taken since. Zones were not read at the same moment as
 * the sum, so that some pages are of an unknown zone: returns how many; 0 without high memory. */
static uint64_t hold_high(struct boot *b, uint64_t target_of_all) {
    struct vmsim__mem *mem = b->m->mem;
    struct facts f;
    if (!(mem->zone_configured >> VMSIM__ZONE_HIGHMEM & 1) || !their_file(b, "proc_zoneinfo.txt", &f))
        return 0;
    int64_t more = -(int64_t)target_of_all, target[VMSIM__NO_ZONE];
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        const struct vmsim__zone *z = &mem->zones[i];
        target[i] = (int64_t)(their_count(&f, z, "nr_free_pages") + their_count(&f, z, "nr_zone_inactive_file") +
                              their_count(&f, z, "nr_zone_active_file"));
        more += target[i];
    }
    for (unsigned i = mem->nr_zones; i-- > 0;) {
        const struct vmsim__zone *z = &mem->zones[i];
        bool high = z->type == VMSIM__ZONE_HIGHMEM;
        uint32_t gfp = high ? VMSIM__GFP_HIGHUSER : VMSIM__GFP_HIGHUSER_MOVABLE;
        if (!vmsim__zone_is_highmem(mem, z))
            continue;
        while (z->stat[VMSIM__NR_FREE_PAGES] > target[i] - (high ? more : 0) && take_block(b, 0, gfp))
            vmsim__mem_drain(mem);
    }
    facts_free(&f);
    return (uint64_t)(more < 0 ? -more : more);
}

/* Brings the machine to as many free pages as the guest had: what ran there before is no workload of vmsim. Per-CPU
 * lists are emptied each time, so that a block costs itself. */
static uint64_t hold_free(struct boot *b, uint64_t target) {
    vmsim__mem_drain(b->m->mem);
    uint64_t unknown = target == UINT64_MAX ? 0 : hold_high(b, target);
    while (counter(b, "vmstat.nr_free_pages") < target && b->held_count) {
        b->held_count--;
        vmsim_machine_free_pages(b->m, 0, b->held[b->held_count].pfn, b->held[b->held_count].order);
        vmsim__mem_drain(b->m->mem);
    }
    for (unsigned order = 10;;) {
        uint64_t is = counter(b, "vmstat.nr_free_pages");
        if (is <= target)
            return unknown;
        while (order && (UINT64_C(1) << order) > is - target)
            order--;
        if (!take_block(b, order, VMSIM__GFP_KERNEL)) {
            if (!order--)
                return unknown;
        }
        vmsim__mem_drain(b->m->mem);
    }
}

/* `unknown` pages may count or not, each for a page of the limit at most. */
static void compare_limit(struct boot *b, const char *name, unsigned long long theirs, int64_t unknown) {
    char key[64];
    snprintf(key, sizeof key, "vmstat.%s", name);
    int64_t is = (int64_t)theirs, got = (int64_t)counter(b, key);
    if (unknown)
        conformance_range(&b->row, name, is, is - unknown, is + unknown, got);
    else
        conformance_exact(&b->row, name, theirs, (uint64_t)got);
}

static void compare_dirty(struct boot *b, unsigned long long free_pages, unsigned long long files,
                          unsigned long long threshold, unsigned long long background) {
    b->row.area = "dirty";
    int64_t unknown = (int64_t)hold_free(b, free_pages + files);
    compare_limit(b, "nr_dirty_threshold", threshold, unknown);
    compare_limit(b, "nr_dirty_background_threshold", background, unknown);
}

static void set_size(struct boot *b, const char *name, const char *text) {
    const char *why;
    uint64_t bytes;
    if (!vmsim__parse_size(text, &bytes, &why))
        fail(b, "sweep.txt", text);
    set_number(b, name, bytes);
}

static bool dirty_line(struct boot *b, const char *line) {
    char first[32], second[32];
    unsigned long long free_pages, inactive, active, threshold, background;
    const char *rest = strstr(line, "nr_free_pages=");
    if (!rest || sscanf(rest,
                        "nr_free_pages=%llu nr_zone_inactive_file=%llu nr_zone_active_file=%llu "
                        "nr_dirty_threshold=%llu nr_dirty_background_threshold=%llu",
                        &free_pages, &inactive, &active, &threshold, &background) != 5)
        return false;
    if (sscanf(line, "dirty_ratio=%31[0-9],bg=%31[0-9]", first, second) == 2) {
        set(b, "vm.dirty_ratio", first);
        set(b, "vm.dirty_background_ratio", second);
    } else if (sscanf(line, "dirty_bytes=%31[^,],bg_bytes=%31s", first, second) == 2) {
        set_size(b, "vm.dirty_bytes", first);
        set_size(b, "vm.dirty_background_bytes", second);
    } else {
        fail(b, "sweep.txt: unknown setting", line);
    }
    compare_dirty(b, free_pages, inactive + active, threshold, background);
    return true;
}

static bool overcommit_line(struct boot *b, const char *line) {
    char ratio[32];
    unsigned long long total, limit;
    struct facts f;
    if (sscanf(line, "overcommit_ratio=%31[0-9] MemTotal_kB=%llu CommitLimit_kB=%llu", ratio, &total, &limit) != 3)
        return false;
    set(b, "vm.overcommit_ratio", ratio);
    our_file(b, "proc/meminfo", &f);
    const char *commit = facts_find(&f, "CommitLimit"), *memory = facts_find(&f, "MemTotal");
    b->row.area = "commit";
    conformance_exact(&b->row, "CommitLimit", limit, commit ? strtoull(commit, NULL, 10) : UINT64_MAX);
    b->row.area = "inputs";
    conformance_exact(&b->row, "MemTotal", total, memory ? strtoull(memory, NULL, 10) : UINT64_MAX);
    facts_free(&f);
    return true;
}

static void sweep_limits(struct boot *b) {
    char path[4096];
    snprintf(path, sizeof path, "%s/sweep.txt", b->folder);
    char *text = read_text(path), *save = NULL;
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
        snprintf(b->phase, sizeof b->phase, "sweep/%.*s", (int)strcspn(line, " "), line);
        b->row.phase = b->phase;
        bool known = strstr(line, " N") || *line == '#' || dirty_line(b, line) || overcommit_line(b, line);
        if (!known)
            fail(b, "sweep.txt: unknown line", line);
    }
    free(text);
}

/* The thresholds of /proc/vmstat follow from the free pages that it names in the same breath. */
static void compare_vmstat_limits(struct boot *b) {
    struct facts f;
    b->row.phase = "boot/files";
    if (!their_file(b, "proc_vmstat.txt", &f))
        return;
    const char *free_pages = facts_find(&f, "nr_free_pages"), *limit = facts_find(&f, "nr_dirty_threshold"),
               *background = facts_find(&f, "nr_dirty_background_threshold");
    const char *inactive = facts_find(&f, "nr_zone_inactive_file"), *active = facts_find(&f, "nr_zone_active_file");
    if (free_pages && limit && background && inactive && active)
        compare_dirty(b, strtoull(free_pages, NULL, 10), strtoull(inactive, NULL, 10) + strtoull(active, NULL, 10),
                      strtoull(limit, NULL, 10), strtoull(background, NULL, 10));
    facts_free(&f);
}

/* ---- shapes ---- */

static void end_shape(struct boot *b, struct vmsim__alloc *alloc) {
    vmsim_machine_destroy(b->m);
    capture_free(&b->capture);
    vmsim__alloc_destroy(alloc);
    free(b->held);
    free(b);
}

static void run_shape(const char *part, const char *kernel, const char *shape) {
    static char files[256][128];
    char release[32]; /* "6.1" of "6.1-i386" */
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    struct vmsim__err err = {0};
    struct boot *b = calloc(1, sizeof *b);
    if (!alloc || !b)
        exit(1);
    b->row.kernel = kernel;
    b->row.shape = shape;
    snprintf(b->folder, sizeof b->folder, "%.1700s/%s/%.100s/%.200s", conformance_root(), part, kernel, shape);
    snprintf(release, sizeof release, "%.*s", (int)strcspn(kernel, "-"), kernel);
    if (capture_load(&b->capture, alloc, b->folder, release, &err))
        fail(b, "capture", vmsim__err_text(&err));
    create(b);
    b->row.phase = "boot/files";
    unsigned count = conformance_list(b->folder, files, 256);
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(files[i], "sweep.txt") != 0)
            compare_file(b, files[i]);
    }
    compare_fallback(b);
    compare_early_ranges(b);
    compare_vmstat_limits(b);
    hold_free(b, UINT64_MAX);
    sweep_zones(b);
    sweep_limits(b);
    hold_free(b, UINT64_MAX);
    if (vmsim_machine_check(b->m))
        fail(b, "check", vmsim_machine_error(b->m));
    end_shape(b, alloc);
}

static void run_part(const char *part) {
    static char kernels[16][128], shapes[256][128];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", conformance_root(), part);
    unsigned nr_kernels = conformance_list(path, kernels, 16);
    for (unsigned k = 0; k < nr_kernels; k++) {
        snprintf(path, sizeof path, "%s/%s/%s", conformance_root(), part, kernels[k]);
        unsigned nr_shapes = conformance_list(path, shapes, 256);
        for (unsigned s = 0; s < nr_shapes; s++)
            run_shape(part, kernels[k], shapes[s]);
    }
}

int main(void) {
    if (!conformance_have("qemu"))
        return 0;
    run_part("qemu");
    run_part("more/qemu");
    run_part("arch/qemu");
    return 0;
}
