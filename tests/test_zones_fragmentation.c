/* SPDX-License-Identifier: MIT */
/* Fragmentation as numbers: the two indices by order, free blocks and pageblocks by type. Held against captured
 * kernels, aged ones among them: what a kernel printed must follow from the free blocks that it printed in the same
 * breath. */
#include "zones_machine.h"

#include <dirent.h>

/* A zone that is nothing but counts of free blocks. */
struct counted {
    struct vmsim__mem mem;
    struct vmsim__zone zone;
};

static void set_blocks(struct counted *c, unsigned orders, const uint64_t *blocks) {
    memset(c, 0, sizeof *c);
    c->mem.top_order = (uint8_t)(orders - 1);
    for (unsigned o = 0; o < orders; o++)
        c->zone.area[o].nr[o % 2 ? VMSIM__UNMOVABLE : VMSIM__MOVABLE] = blocks[o];
}

static void the_index_tells_fragmentation_from_lack_of_memory(void **state) {
    (void)state;
    struct counted c;
    uint64_t blocks[11] = {1024};
    set_blocks(&c, 11, blocks);
    assert_int_equal(vmsim__zone_extfrag_index(&c.mem, &c.zone, 9), 998); /* 1000 - (1000 + 1024 * 1000 / 512) / 1024 */
    assert_int_equal(vmsim__zone_unusable_index(&c.mem, &c.zone, 9), 1000);
    assert_int_equal(vmsim__zone_extfrag_index(&c.mem, &c.zone, 0), -1000);
    assert_int_equal(vmsim__zone_unusable_index(&c.mem, &c.zone, 0), 0);
    blocks[0] = 4;
    set_blocks(&c, 11, blocks);
    assert_int_equal(vmsim__zone_extfrag_index(&c.mem, &c.zone, 9), 749); /* little memory: nearer to 0 */
    blocks[0] = 0;
    set_blocks(&c, 11, blocks);
    assert_int_equal(vmsim__zone_extfrag_index(&c.mem, &c.zone, 3), 0);
    assert_int_equal(vmsim__zone_unusable_index(&c.mem, &c.zone, 3), 1000);
    blocks[10] = 1;
    set_blocks(&c, 11, blocks);
    assert_int_equal(vmsim__zone_unusable_index(&c.mem, &c.zone, 10), 0);
}

static void a_comb_of_single_frames_is_all_unusable(void **state) {
    (void)state;
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__mem *mem = zm_plain(alloc, "6.1", 64 * MIB, 1);
    struct vmsim__zone *z = &mem->zones[0];
    vmsim__pfn *pfn = vmsim__calloc(alloc, 16385, sizeof *pfn), n = 0;
    while ((pfn[n] = zm_get(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 0, VMSIM__ALLOC_NO_WATERMARKS)) != VMSIM__PFN_NONE)
        n++;
    for (vmsim__pfn i = 0; i < n; i++) {
        if (pfn[i] % 2)
            vmsim__mem_free(mem, pfn[i], 0, 0);
    }
    vmsim__mem_drain(mem);
    assert_int_equal(vmsim__zone_free_blocks(z, 0, VMSIM__MIGRATE_TYPES), n / 2);
    assert_int_equal(vmsim__zone_unusable_index(mem, z, 1), 1000);
    assert_in_range(vmsim__zone_extfrag_index(mem, z, 4), 900, 1000);
    for (vmsim__pfn i = 0; i < n; i++) {
        if (!(pfn[i] % 2))
            vmsim__mem_free(mem, pfn[i], 0, 0);
    }
    vmsim__mem_drain(mem);
    assert_int_equal(vmsim__zone_free_blocks(z, 10, VMSIM__MIGRATE_TYPES), 16); /* whole again */
    assert_int_equal(vmsim__zone_unusable_index(mem, z, 10), 0);
    vmsim__free(alloc, pfn, 16385 * sizeof *pfn);
    zm_destroy(mem);
    test_alloc_end(alloc);
}

/* ---- Captures ---- */

#define ZONES 4u
struct moment {
    struct {
        char name[48]; /* phase, node and zone */
        unsigned orders;
        uint64_t blocks[VMSIM__ORDERS];
        bool odd; /* its extfrag line did not follow */
    } zone[ZONES * 16];
    unsigned count;
};
struct tally {
    unsigned lines, moved, wrong;
};

/* "Node 0, zone    DMA32 " and numbers: the name, and what is behind it. */
static bool split_line(const char *line, const char *phase, char name[48], const char **numbers) {
    unsigned node;
    char zone[16];
    int end = 0;
    if (sscanf(line, "Node %u, zone %15s %n", &node, zone, &end) != 2 || !end)
        return false;
    snprintf(name, 48, "%.20s %u %.15s", phase, node, zone);
    *numbers = line + end;
    return true;
}

static void add_buddy(struct moment *m, const char *line, const char *phase) {
    const char *at;
    if (m->count == ZONES * 16 || !split_line(line, phase, m->zone[m->count].name, &at))
        return;
    unsigned n = 0;
    for (int used = 0;
         n < VMSIM__ORDERS && sscanf(at, "%llu%n", (unsigned long long *)&m->zone[m->count].blocks[n], &used) == 1;
         at += used)
        n++;
    m->zone[m->count++].orders = n;
}

/* "-1.000 0.997": thousandths. */
static bool follows(const struct moment *m, unsigned i, const char *at, bool unusable) {
    struct counted c;
    set_blocks(&c, m->zone[i].orders, m->zone[i].blocks);
    for (unsigned o = 0; o < m->zone[i].orders; o++) {
        double index;
        int used = 0;
        if (sscanf(at, "%lf%n", &index, &used) != 1)
            return false;
        at += used;
        int ours =
            unusable ? vmsim__zone_unusable_index(&c.mem, &c.zone, o) : vmsim__zone_extfrag_index(&c.mem, &c.zone, o);
        if (ours != (int)(index < 0 ? index * 1000 - 0.5 : index * 1000 + 0.5))
            return false;
    }
    return true;
}

/* A line that does not follow is our fault, unless neither of the two does: then blocks moved after they were read. */
static void add_index(struct tally *t, struct moment *m, const char *line, const char *phase, bool unusable) {
    char name[48];
    const char *at;
    if (!split_line(line, phase, name, &at))
        return;
    for (unsigned i = 0; i < m->count; i++) {
        if (strcmp(m->zone[i].name, name))
            continue;
        bool odd = !follows(m, i, at, unusable);
        t->lines++;
        if (!unusable)
            m->zone[i].odd = odd;
        else if (odd && m->zone[i].odd)
            t->moved++;
        else
            t->wrong += odd || m->zone[i].odd;
    }
}

/* An aged machine's log: "PHASE buddy Node ...", "PHASE extfrag ...", "PHASE unusable ...". */
static void read_log(struct tally *t, const char *path) {
    static struct moment m;
    char line[1024], phase[64], what[32];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    m.count = 0;
    while (fgets(line, sizeof line, f)) {
        int end = 0;
        if (sscanf(line, "%63s %31s %n", phase, what, &end) != 2 || !end)
            continue;
        if (!strcmp(what, "buddy"))
            add_buddy(&m, line + end, phase);
        else if (!strcmp(what, "extfrag") || !strcmp(what, "unusable"))
            add_index(t, &m, line + end, phase, *what == 'u');
    }
    fclose(f);
}

static void indices_of_aged_machines_follow_from_their_free_blocks(void **state) {
    (void)state;
    static const char *const kernels[] = {"6.1", "6.12"};
    const char *root = getenv("VMSIM_GROUNDTRUTH");
    struct tally t = {0};
    for (unsigned k = 0; k < TEST_COUNT(kernels); k++) {
        char path[1024], file[2048];
        snprintf(path, sizeof path, "%s/pressure2/%s/frag",
                 root && *root ? root : VMSIM_SOURCE_DIR "/../shared/groundtruth", kernels[k]);
        DIR *d = opendir(path);
        for (struct dirent *e; d && (e = readdir(d));) {
            if (*e->d_name == '.')
                continue;
            snprintf(file, sizeof file, "%s/%s", path, e->d_name);
            read_log(&t, file);
        }
        if (d)
            closedir(d);
    }
    if (!t.lines) {
        print_message("no captures of aged machines\n");
        skip();
    }
    print_message("%u lines, %u read while blocks moved, %u wrong\n", t.lines, t.moved, t.wrong);
    assert_int_equal(t.wrong, 0);
    assert_true(t.moved * 100 <= t.lines);
}

/* A pageblock of the kernel's with a free half and a free frame: the half is taken by compaction. */
static void what_is_left_of_half_a_pageblock_follows_its_type(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    (void)state;
    for (size_t k = 0; k < TEST_COUNT(kernels); k++) {
        struct vmsim__alloc *alloc = test_alloc();
        struct vmsim__mem *mem = zm_plain(alloc, kernels[k], 64 * MIB, 1);
        const vmsim__pfn block = zm_get(mem, VMSIM__GFP_HIGHUSER_MOVABLE, 9, VMSIM__ALLOC_NO_WATERMARKS);
        assert_int_not_equal(block, VMSIM__PFN_NONE);
        vmsim__mem_split(mem, block, 9);
        for (vmsim__pfn i = 256; i < 512; i++)
            vmsim__mem_free_buddy(mem, block + i, 0);
        vmsim__mem_free_buddy(mem, block + 3, 0);
        vmsim__pageblock_set(mem, block, VMSIM__UNMOVABLE);
        zm_check(mem);
        assert_int_equal(vmsim__mem_isolate_free(mem, block + 256), 8);
        assert_int_equal(vmsim__pageblock_type(mem, block), VMSIM__MOVABLE);
        zm_check(mem);
        vmsim__mem_free_buddy(mem, block + 256, 8);
        for (vmsim__pfn i = 0; i < 256; i++) {
            if (i != 3)
                vmsim__mem_free_buddy(mem, block + i, 0);
        }
        zm_check(mem);
        zm_destroy(mem);
        test_alloc_end(alloc);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_tells_fragmentation_from_lack_of_memory),
        cmocka_unit_test(a_comb_of_single_frames_is_all_unusable),
        cmocka_unit_test(indices_of_aged_machines_follow_from_their_free_blocks),
        cmocka_unit_test(what_is_left_of_half_a_pageblock_follows_its_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
