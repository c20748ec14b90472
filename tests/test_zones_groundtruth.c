/* SPDX-License-Identifier: MIT */
/* Every captured boot is rebuilt from its firmware map and command line, and led through the settings that the real
 * guest was led through, in the same order: each row of each zone must come out exactly. Skipped only when there is no
 * folder of captures (VMSIM_GROUNDTRUTH, else ../shared/groundtruth beside the source folder). */
#include "helpers.h"

#include "capture_parse.h"
#include "zones/zones.h"

#include <dirent.h>

static const char *groundtruth(void) {
    const char *folder = getenv("VMSIM_GROUNDTRUTH");
    return folder && *folder ? folder : VMSIM_SOURCE_DIR "/../shared/groundtruth";
}

struct tally {
    unsigned shapes, rows, values, wrong;
    unsigned exact; /* shapes without any difference */
};
#define QUIET 40u /* differences that are shown */

static void expect(struct tally *t, const char *what, const struct capture_row *r, unsigned long long real,
                   unsigned long long ours) {
    t->values++;
    if (real == ours)
        return;
    if (t->wrong++ < QUIET)
        print_error("%s N%u %s %s: %llu, should be %llu\n", r->setting, r->node, r->zone, what, ours, real);
}

static const struct vmsim__zone *find_zone(const struct vmsim__mem *mem, unsigned node, const char *name) {
    for (unsigned i = 0; i < mem->nr_zones; i++) {
        if (mem->zones[i].node == node && !strcmp(mem->zones[i].name, name))
            return &mem->zones[i];
    }
    return NULL;
}

static void protection_text(const struct vmsim__mem *mem, const struct vmsim__zone *z, char *text, size_t size) {
    size_t n = 0;
    for (unsigned t = 0; t < VMSIM__ZONE_TYPES; t++) {
        if (mem->zone_configured >> t & 1)
            n += (size_t)snprintf(text + n, size - n, "%s%llu", n ? "," : "", (unsigned long long)z->lowmem_reserve[t]);
    }
}

static void compare_row(struct tally *t, const struct vmsim__mem *mem, const struct capture_row *r) {
    const struct vmsim__zone *z = find_zone(mem, r->node, r->zone);
    char text[256];
    t->rows++;
    if (!z) {
        expect(t, "zone", r, 1, 0);
        return;
    }
    expect(t, "min", r, r->min, vmsim__zone_wmark(z, VMSIM__WMARK_MIN));
    expect(t, "low", r, r->low, vmsim__zone_wmark(z, VMSIM__WMARK_LOW));
    expect(t, "high", r, r->high, vmsim__zone_wmark(z, VMSIM__WMARK_HIGH));
    expect(t, "spanned", r, r->spanned, z->end - z->start);
    expect(t, "present", r, r->present, z->present);
    expect(t, "managed", r, r->managed, z->managed);
    expect(t, "batch", r, (unsigned long long)r->pcp_batch, (unsigned long long)z->pcp[0].batch);
    if (!mem->kernel->pcp_high_auto)
        expect(t, "pcp high", r, (unsigned long long)r->pcp_high, (unsigned long long)z->pcp[0].high);
    protection_text(mem, z, text, sizeof text);
    expect(t, text, r, 0, strcmp(text, r->protection) != 0);
    if (r->threshold) {
        expect(t, "threshold", r, r->threshold, z->stat_threshold);
        expect(t, "start_pfn", r, r->start_pfn, z->start);
    }
    const char *now = strstr(r->setting, "min_free_now=");
    if (now)
        expect(t, "min_free_kbytes", r, strtoull(now + 13, NULL, 10), mem->sysctl.min_free_kbytes);
}

/* ---- The guest's steps ---- */

static void set(struct vmsim__mem *mem, const char *name, const char *value) {
    struct vmsim__err err = {0};
    if (vmsim__mem_sysctl_set(mem, name, value, &err))
        fail_msg("%s", err.text);
}

static void set_number(struct vmsim__mem *mem, const char *name, unsigned long long value) {
    char text[32];
    snprintf(text, sizeof text, "%llu", value);
    set(mem, name, text);
}

static void set_ratios(struct vmsim__mem *mem, const char *list) {
    char text[128];
    snprintf(text, sizeof text, "%s", list);
    for (char *p = text; *p; p++)
        *p = *p == ',' ? ' ' : *p;
    set(mem, "vm.lowmem_reserve_ratio", text);
}

static bool begins(const char *text, const char *with) {
    return !strncmp(text, with, strlen(with));
}

/* Undoes the last group of settings when a new group begins, as the guest does. */
static void leave(struct vmsim__mem *mem, const char *last, const char *next, unsigned long long min_free) {
    static const char *const groups[] = {"min_free_kbytes=", "watermark_scale_factor=", "min_free=4096,",
                                         "lowmem=", "percpu_pagelist"};
    for (unsigned i = 0; i < 5; i++) {
        if (!begins(last, groups[i]) || begins(next, groups[i]))
            continue;
        if (i == 0 || i == 2)
            set_number(mem, "vm.min_free_kbytes", min_free);
        if (i == 1 || i == 2)
            set_number(mem, "vm.watermark_scale_factor", 10);
        if (i == 3)
            set(mem, "vm.lowmem_reserve_ratio",
                mem->zone_configured >> VMSIM__ZONE_HIGHMEM & 1 ? "256 32 0 0" : "256 256 32 0 0");
        if (i == 4)
            set_number(mem, "vm.percpu_pagelist_high_fraction", 0);
    }
}

static void enter(struct vmsim__mem *mem, const char *setting) {
    const char *value = strchr(setting, '=');
    if (begins(setting, "min_free_kbytes=")) {
        set(mem, "vm.min_free_kbytes", value + 1);
    } else if (begins(setting, "watermark_scale_factor=")) {
        set(mem, "vm.watermark_scale_factor", value + 1);
    } else if (begins(setting, "min_free=4096,wsf=200")) {
        set_number(mem, "vm.min_free_kbytes", 4096);
        set_number(mem, "vm.watermark_scale_factor", 200);
    } else if (begins(setting, "lowmem=")) {
        set_ratios(mem, value + 1);
    } else if (begins(setting, "percpu_pagelist_high_fraction=")) {
        set(mem, "vm.percpu_pagelist_high_fraction", value + 1);
    } else if (begins(setting, "thp=")) {
        for (int m = 0; vmsim__thp_mode_names[m]; m++) {
            if (begins(value + 1, vmsim__thp_mode_names[m]))
                vmsim__mem_thp_set(mem, (enum vmsim__thp_mode)m);
        }
    } else if (strcmp(setting, "boot") && strcmp(setting, "restored")) {
        fail_msg("unknown setting %s", setting);
    }
}

static void compare_boot(struct tally *t, const struct vmsim__mem *mem, const struct capture *c) {
    struct capture_row whole = {.setting = "boot"};
    expect(t, "min_free_kbytes", &whole, c->boot_min_free_kbytes, mem->sysctl.min_free_kbytes);
    if (*c->thp_enabled)
        expect(t, "THP mode", &whole, 0, strcmp(c->thp_enabled, vmsim__thp_mode_names[mem->thp_enabled]) != 0);
    if (*c->thp_defrag)
        expect(t, "THP defrag", &whole, strcmp(c->thp_defrag, "never") != 0, mem->thp_available);
    expect(t, "nodes", &whole, c->nr_nodes, mem->nr_nodes);
    for (unsigned n = 0; n < c->nr_nodes; n++) {
        char text[256] = "";
        size_t at = 0;
        for (unsigned i = 0; i < mem->nodes[n].order_count; i++)
            at += (size_t)snprintf(text + at, sizeof text - at, "%u ", mem->nodes[n].order[i]);
        whole.node = n;
        expect(t, "fallback order", &whole, 0, *c->fallback[0] && strcmp(text, c->fallback[n]) != 0);
    }
}

/* "Early memory node ranges": exactly the frames that we find present. */
static void compare_early(struct tally *t, const struct vmsim__mem *mem, const struct capture *c) {
    for (unsigned n = 0; n < c->nr_nodes; n++) {
        struct capture_row where = {.setting = "early ranges", .node = n};
        uint64_t frames = 0;
        for (size_t i = 0; i < c->early[n].count; i++) {
            unsigned shift = mem->page_shift;
            uint64_t start = c->early[n].at[i].start >> shift, end = start + (c->early[n].at[i].size >> shift);
            const struct vmsim__zone *first = vmsim__mem_zone_of(mem, (vmsim__pfn)start);
            const struct vmsim__zone *last = vmsim__mem_zone_of(mem, (vmsim__pfn)(end - 1));
            expect(t, "node of range", &where, n, first ? first->node : 999);
            expect(t, "node of range", &where, n, last ? last->node : 999);
            frames += end - start;
        }
        expect(t, "present", &where, frames, mem->nodes[n].present);
    }
}

/* All that the capture says of this boot, in the order in which the guest saw it. */
static void compare_all(struct tally *t, struct vmsim__mem *mem, const struct capture *c) {
    compare_boot(t, mem, c);
    compare_early(t, mem, c);
    for (size_t i = 0; i < c->zoneinfo.count; i++)
        compare_row(t, mem, &c->zoneinfo.at[i]);
    char text[128]; /* the guest read all of /proc/sys/vm before it began */
    assert_true(vmsim__mem_sysctl_get(mem, "vm.lowmem_reserve_ratio", text, sizeof text));
    const char *last = "boot";
    for (size_t i = 0; i < c->rows.count; i++) {
        const struct capture_row *r = &c->rows.at[i];
        if (strcmp(r->setting, last)) {
            leave(mem, last, r->setting, c->boot_min_free_kbytes);
            enter(mem, r->setting);
            last = r->setting;
        }
        compare_row(t, mem, r);
    }
}

static void run_shape(struct tally *t, struct vmsim__alloc *alloc, const char *folder, const char *kernel) {
    static struct capture c; /* large */
    struct vmsim__err err = {0};
    struct vmsim__mem *mem = NULL;
    unsigned wrong = t->wrong;
    if (capture_load(&c, alloc, folder, kernel, &err) || vmsim__mem_create(alloc, &c.spec, &mem, &err))
        fail_msg("%s: %s", folder, err.text);
    t->shapes++;
    compare_all(t, mem, &c);
    if (vmsim__mem_check(mem, &err))
        fail_msg("%s: %s", folder, err.text);
    if (t->wrong != wrong)
        print_error("%s: %u values differ\n", folder, t->wrong - wrong);
    vmsim__mem_destroy(mem);
    capture_free(&c);
}

static int compare_names(const void *a, const void *b) {
    return strcmp((const char *)a, (const char *)b);
}

static unsigned list_folder(const char *path, char names[][64], unsigned most) {
    DIR *d = opendir(path);
    unsigned n = 0;
    for (struct dirent *e; d && (e = readdir(d)) && n < most;) {
        if (e->d_name[0] != '.' && strlen(e->d_name) < 64)
            memcpy(names[n++], e->d_name, strlen(e->d_name) + 1);
    }
    if (d)
        closedir(d);
    qsort(names, n, 64, compare_names);
    return n;
}

/* Without being told what the kernel kept for itself, the model must guess it to a page on x86-64, within a 32nd
 * elsewhere. */
static void run_model(struct tally *t, struct vmsim__alloc *alloc, const char *folder, const char *kernel) {
    static struct capture c;
    struct vmsim__err err = {0};
    struct vmsim__mem *mem;
    if (capture_load(&c, alloc, folder, kernel, &err))
        fail_msg("%s: %s", folder, err.text);
    for (unsigned n = 0; n < c.nr_nodes; n++)
        c.nodes[n].reserved = (struct vmsim_param_list){0};
    c.spec.initrd = c.initrd_kb * 1024;
    if (vmsim__mem_create(alloc, &c.spec, &mem, &err))
        fail_msg("%s: %s", folder, err.text);
    t->shapes++;
    for (size_t i = 0; i < c.rows.count && !strcmp(c.rows.at[i].setting, "boot"); i++) {
        const struct capture_row *r = &c.rows.at[i];
        const struct vmsim__zone *z = find_zone(mem, r->node, r->zone);
        assert_non_null(z);
        t->rows++;
        t->values += z->managed == r->managed;
        /* Other architectures' builds are known by their logs alone. */
        uint64_t off = c.spec.arch == VMSIM__ARCH_X86_64 ? 1 : r->managed / 32;
        if (z->managed + off < r->managed || z->managed > r->managed + off)
            expect(t, folder, r, r->managed, z->managed);
    }
    struct tally whole = {.wrong = QUIET};
    compare_all(&whole, mem, &c);
    t->exact += whole.wrong == QUIET;
    vmsim__mem_destroy(mem);
    capture_free(&c);
}

typedef void run_capture(struct tally *, struct vmsim__alloc *, const char *folder, const char *kernel);

/* Every capture of one part of the ground truth: PART/KERNEL/SHAPE. */
static void for_part(struct tally *t, struct vmsim__alloc *alloc, const char *part, run_capture *run) {
    char path[1024], kernels[8][64], shapes[128][64];
    snprintf(path, sizeof path, "%s/%s", groundtruth(), part);
    unsigned nr_kernels = list_folder(path, kernels, 8);
    for (unsigned k = 0; k < nr_kernels; k++) {
        snprintf(path, sizeof path, "%s/%s/%.63s", groundtruth(), part, kernels[k]);
        unsigned nr_shapes = list_folder(path, shapes, 128);
        for (unsigned s = 0; s < nr_shapes; s++) {
            char release[64]; /* "6.1" of "6.1-i386" */
            snprintf(path, sizeof path, "%s/%s/%.63s/%.63s", groundtruth(), part, kernels[k], shapes[s]);
            snprintf(release, sizeof release, "%.*s", (int)strcspn(kernels[k], "-"), kernels[k]);
            run(t, alloc, path, release);
        }
    }
}

static struct tally for_every_capture(run_capture *run, bool other_architectures) {
    struct tally t = {0};
    struct vmsim__alloc *alloc = test_alloc();
    for_part(&t, alloc, "qemu", run);
    for_part(&t, alloc, "more/qemu", run);
    if (other_architectures)
        for_part(&t, alloc, "arch/qemu", run);
    test_alloc_end(alloc);
    if (!t.shapes) {
        print_message("no captures in %s\n", groundtruth());
        skip();
    }
    assert_true(t.rows > 0);
    return t;
}

static void every_captured_boot_is_reproduced(void **state) {
    (void)state;
    struct tally t = for_every_capture(run_shape, true);
    print_message("%u shapes, %u rows, %u values, %u differ\n", t.shapes, t.rows, t.values, t.wrong);
    assert_int_equal(t.wrong, 0);
}

static void the_model_of_what_boot_keeps_is_right_to_a_page(void **state) {
    (void)state;
    struct tally t = for_every_capture(run_model, true);
    print_message("%u of %u zones manage exactly as many frames; %u of %u boots agree in every row and value\n",
                  t.values, t.rows, t.exact, t.shapes);
    assert_int_equal(t.wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_captured_boot_is_reproduced),
                                       cmocka_unit_test(the_model_of_what_boot_keeps_is_right_to_a_page)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
