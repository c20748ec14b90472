/* SPDX-License-Identifier: MIT */
/* Importing captures, good ones and bad ones: every gap is named with what is taken instead, or the import is refused
 * with the reason; what comes out is always a machine that can be made. */
#include "import_sample.h"

#include "machine/machine.h"

static bool has_zone(const struct vmsim_machine *m, unsigned node, const char *name, uint64_t start, uint64_t spanned,
                     uint64_t present) {
    for (unsigned i = 0; i < m->mem->nr_zones; i++) {
        const struct vmsim__zone *z = &m->mem->zones[i];
        if (z->node == node && !strcmp(z->name, name))
            return z->start == start && z->end - z->start == spanned && z->present == present;
    }
    return false;
}

static void expect_sample_zones(const char *yaml) {
    struct vmsim_machine *m = sample_machine(yaml);
    assert_int_equal(m->mem->nr_nodes, 2);
    assert_true(has_zone(m, 0, "DMA", 1, 4095, 3998));
    assert_true(has_zone(m, 0, "DMA32", 4096, 258048, 258048));
    assert_true(has_zone(m, 1, "DMA32", 262144, 262112, 262112));
    assert_int_equal(vmsim_machine_destroy(m), 0);
}

static void a_capture_becomes_a_machine_with_origins(void **state) {
    (void)state;
    struct imported *o = sample_import(NULL, 0);
    assert_int_equal(o->rc, 0);
    expect_sample_zones(o->yaml);
    assert_non_null(strstr(o->yaml, "kernel: \"6.1\" # proc_version.txt: 6.1.0-9-amd64"));
    assert_non_null(strstr(o->yaml, "distances: [21, 10] # node_node1_distance.txt"));
    assert_non_null(strstr(o->yaml, "# proc_zoneinfo.txt: present 262112 - managed 255000; dmesg_mm.txt"));
    assert_non_null(strstr(o->yaml, "boot_use: 2MiB"));
    assert_null(strstr(o->yaml, "sysctl:"));
    assert_null(strstr(o->yaml, "kernelcore")); /* proc_cmdline.txt is asked first */
    sample_free(o);
}

static void options_come_from_the_log_when_there_is_no_cmdline(void **state) {
    (void)state;
    struct imported *o = sample_import(&(struct sample_file){"proc_cmdline.txt", NULL}, 1);
    assert_int_equal(o->rc, 0);
    assert_non_null(strstr(o->yaml, "kernelcore: \"1G\" # dmesg_mm.txt: kernel command line"));
    sample_free(o);
}

static void without_the_log_map_and_nodes_come_from_elsewhere(void **state) {
    (void)state;
    const struct sample_file gone[] = {{"dmesg_mm.txt", NULL}, {"proc_iomem.txt", NULL}};
    struct imported *o = sample_import(gone, 1);
    assert_int_equal(o->rc, 0);
    expect_sample_zones(o->yaml);
    assert_non_null(strstr(o->notes, "the memory map is that of proc_iomem.txt"));
    assert_non_null(strstr(o->notes, "which memory is on which node is taken from proc_zoneinfo.txt"));
    sample_free(o);
    o = sample_import(gone, 2); /* zoneinfo alone */
    assert_int_equal(o->rc, 0);
    expect_sample_zones(o->yaml);
    assert_non_null(strstr(o->notes, "where holes lie is guessed"));
    sample_free(o);
}

static void memtotal_is_the_last_resort(void **state) {
    (void)state;
    const struct sample_file gone[] = {{"dmesg_mm.txt", NULL},
                                       {"proc_iomem.txt", NULL},
                                       {"proc_zoneinfo.txt", NULL},
                                       {"proc_meminfo.txt", "MemTotal: none kB\n"}};
    struct imported *o = sample_import(gone, 3);
    assert_int_equal(o->rc, 0);
    assert_non_null(strstr(o->yaml, "memory: 1988MiB # proc_meminfo.txt: MemTotal"));
    assert_non_null(strstr(o->notes, "nothing but MemTotal is known"));
    vmsim_machine_destroy(sample_machine(o->yaml));
    sample_free(o);
    o = sample_import(gone, 4);
    assert_int_equal(o->rc, VMSIM_EFORMAT);
    assert_non_null(strstr(o->err.text, "no memory is known"));
    sample_free(o);
}

static void any_file_may_be_missing(void **state) {
    (void)state;
    for (size_t i = 0; i < SAMPLE_FILES; i++) {
        struct imported *o = sample_import(&(struct sample_file){sample[i].name, NULL}, 1);
        assert_int_equal(o->rc, 0);
        vmsim_machine_destroy(sample_machine(o->yaml));
        sample_free(o);
    }
}

static void foreign_machines_are_refused(void **state) {
    (void)state;
    const struct sample_file foreign[][4] = {
        {{"machine.txt", "kernel: 6.1.0\narch: mips64\n"}},
        {{"proc_zoneinfo.txt", "Node 0, zone  HighMem\n  pages free 1\n"},
         {"machine.txt", NULL},
         {"dmesg_mm.txt", NULL},
         {"proc_version.txt", NULL}},
    };
    for (size_t i = 0; i < TEST_COUNT(foreign); i++) {
        struct imported *o = sample_import(foreign[i], i ? 4 : 1);
        assert_int_equal(o->rc, VMSIM_ENOSYS);
        assert_non_null(strstr(o->err.text, foreign[i][0].name));
        sample_free(o);
    }
}

/* 32-bit ARM has huge pages with long descriptors only. */
static void captures_of_32_bit_arm_tell_their_descriptors(void **state) {
    (void)state;
    static const struct {
        const char *version, *format;
    } flavours[] = {{"Linux version 6.1.0-50-armmp (debian) #1 SMP\n", "arch: arm #"},
                    {"Linux version 6.1.0-50-armmp-lpae (debian) #1 SMP\n", "arch: arm_lpae #"}};
    for (size_t i = 0; i < TEST_COUNT(flavours); i++) {
        const struct sample_file files[] = {
            {"machine.txt", NULL},
            {"proc_version.txt", flavours[i].version},
            {"proc_cpuinfo.txt", "CPU implementer : 0x41\nCPU part : 0xc0f\n"},
            {"dmesg_mm.txt", "Booting Linux on physical CPU 0x0\n  node   0: [mem 0x40000000-0x7fffffff]\n"},
            {"proc_iomem.txt", "40000000-7fffffff : System RAM\n"},
            {"node_node1_cpulist.txt", NULL},
            {"node_node1_distance.txt", NULL},
            {"node_online.txt", "0\n"},
            {"node_node0_distance.txt", "10\n"},
            {"proc_meminfo.txt", NULL},
            {"proc_zoneinfo.txt", NULL}};
        struct imported *o = sample_import(files, TEST_COUNT(files));
        assert_int_equal(o->rc, 0);
        assert_non_null(strstr(o->yaml, flavours[i].format));
        assert_non_null(strstr(o->notes, "no preset for implementer 0x41, part 0xc0f"));
        struct vmsim_machine *m = sample_machine(o->yaml);
        assert_true(has_zone(m, 0, "DMA", 0x40000, 0x30000, 0x30000));
        assert_true(has_zone(m, 0, "HighMem", 0x70000, 0x10000, 0x10000));
        assert_int_equal(m->mem->nr_hstates, i);
        assert_int_equal(vmsim_machine_destroy(m), 0);
        sample_free(o);
    }
}

/* One node of 1 GiB with the zones given; everything else is unknown. */
#define ARM_LOG                                                                                                        \
    "Booting Linux on physical CPU 0x0000000000 [0x411fd070]\n"                                                        \
    "  node   0: [mem 0x0000000040000000-0x000000007fffffff]\nFreeing unused kernel memory: 4096K\n"
#define ARM_MAP "40000000-7fffffff : System RAM\n  41000000-41ffffff : Kernel code\n"
static const struct sample_file arm_machine[] = {
    {"proc_cpuinfo.txt", "CPU implementer : 0x41\nCPU part : 0xd08\n"},
    {"dmesg_mm.txt", ARM_LOG},
    {"proc_iomem.txt", ARM_MAP},
    {"machine.txt", NULL},
    {"proc_version.txt", NULL},
    {"node_node1_cpulist.txt", NULL},
    {"node_node1_distance.txt", NULL},
    {"node_online.txt", "0\n"},
    {"node_node0_distance.txt", "10\n"},
    {"proc_meminfo.txt", NULL},
    {"proc_zoneinfo.txt", "Node 0, zone      DMA\n  pages free     1\n        spanned  65536\n        present  65536\n"
                          "        managed  62000\n        cma      4096\n  start_pfn:           65536\n"},
};

static void arm64_captures_tell_their_page_size_and_cma(void **state) {
    (void)state;
    struct imported *o = sample_import(arm_machine, TEST_COUNT(arm_machine));
    assert_int_equal(o->rc, 0);
    assert_non_null(strstr(o->yaml, "arch: arm64_16k # dmesg_mm.txt, proc_zoneinfo.txt: by its traits"));
    assert_non_null(strstr(o->yaml, "- {zone: DMA, size: 56576KiB, boot_use: 4MiB, cma: 64MiB}"));
    assert_null(strstr(o->yaml, "preset:")); /* none for pages of 16 KiB */
    struct vmsim_machine *m = sample_machine(o->yaml);
    assert_true(has_zone(m, 0, "DMA", 65536, 65536, 65536));
    assert_int_equal(vmsim__node_zone(m->mem, 0, VMSIM__ZONE_DMA)->cma, 4096);
    assert_int_equal(vmsim__mem_zone_stat(m->mem, VMSIM__NR_FREE_CMA), 4096);
    assert_int_equal(vmsim_machine_check(m), 0);
    assert_int_equal(vmsim_machine_destroy(m), 0);
    sample_free(o);
}

static void arm_processors_have_presets_by_their_part(void **state) {
    (void)state;
    const struct sample_file change[] = {
        {"machine.txt", "kernel: 6.1.0\narch: aarch64\n"},
        {"proc_cpuinfo.txt", "processor : 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n"},
        {"proc_zoneinfo.txt", NULL},
    };
    struct imported *o = sample_import(change, TEST_COUNT(change));
    assert_int_equal(o->rc, 0);
    assert_non_null(strstr(o->yaml, "preset: neoverse-n1 # proc_cpuinfo.txt: implementer 0x41, part 0xd0c"));
    assert_non_null(strstr(o->yaml, "arch: arm64_4k # machine.txt: uname"));
    vmsim_machine_destroy(sample_machine(o->yaml));
    sample_free(o);
}

/* 64 MiB of 2 GiB less what firmware keeps lie high; PAE shows in the size of huge pages. */
static void thirty_two_bit_captures_have_high_memory(void **state) {
    (void)state;
    const struct sample_file change[] = {
        {"machine.txt", "kernel: 6.1.0\narch: i686\n"},
        {"proc_meminfo.txt", "Hugepagesize: 2048 kB\n"},
        {"proc_cmdline.txt", "vmalloc=1M quiet\n"},
        {"proc_zoneinfo.txt", NULL},
        {"node_online.txt", "0\n"},
        {"node_node0_distance.txt", "10\n"},
        {"node_node1_cpulist.txt", NULL},
        {"node_node1_distance.txt", NULL},
    };
    struct imported *o = sample_import(change, TEST_COUNT(change));
    assert_int_equal(o->rc, 0);
    assert_non_null(strstr(o->yaml, "arch: x86_pae # machine.txt: uname"));
    assert_non_null(strstr(o->yaml, "vmalloc: 1024KiB # proc_cmdline.txt: kernel command line"));
    struct vmsim_machine *m = sample_machine(o->yaml);
    uint64_t low = (0xfeffe000 - (UINT64_C(3) << 30) - (9u << 20)) >> 12, end = 0x7ffe0;
    assert_true(has_zone(m, 0, "Normal", 4096, low - 4096, low - 4096));
    assert_true(has_zone(m, 0, "HighMem", low, end - low, end - low));
    assert_int_equal(vmsim_machine_destroy(m), 0);
    sample_free(o);
}

/* A change of the sample that is taken, and the words that say so. */
static const struct {
    struct sample_file change;
    const char *note, *yaml;
} gaps[] = {
    {{"proc_version.txt", "Linux version 6.9.3-fancy\n"}, "kernel 6.9.3-fancy is simulated as 6.1", "kernel: \"6.1\""},
    {{"proc_version.txt", "Linux version 7.0.1\n"}, "kernel 7.0.1 is simulated as 6.18", "kernel: \"6.18\""},
    {{"proc_version.txt", "Linux version 4.19.0\n"}, "kernel 4.19.0 is simulated as 6.1", "kernel: \"6.1\""},
    {{"proc_version.txt", "no Linux\n"}, NULL, "# machine.txt: 6.1.0-9-amd64"},
    {{"proc_self_maps.txt", "7ffff7fc2000-7ffff7fc6000 r--p 00000000 00:00 0    [vvar]\n"
                            "7ffff7fc6000-7ffff7fc8000 r--p 00000000 00:00 0    [vvar_vclock]\n"},
     NULL,
     "vvar_pages: 6}"},
    {{"proc_self_maps.txt", "1000-7ffff7fc6000 r--p 00000000 00:00 0    [vvar]\n"}, "is ignored", "nodes:"},
    {{"node_online.txt", "0-99999\n"}, "it is no list of nodes", "reserved:"},
    {{"node_node1_distance.txt", "21 5\n"}, "5 is no distance; 10 and 20 are taken", "distances: [10, 21]"},
    {{"node_node0_distance.txt", "10\n"}, "1 distances for 2 nodes: 10 and 20 are taken", "distances: [21, 10]"},
    {{"node_node1_cpulist.txt", "4095\n"}, "it is no list of CPUs below 1024", "cpus: []"},
    {{"node_node0_cpulist.txt", "zero\n"}, "it is no list of CPUs", "cpus: [1]"},
    {{"proc_zoneinfo.txt", "Node 0, zone DMA\n spanned 10\n present 20\n managed 5\n"}, "contradicts itself", "nodes:"},
    {{"proc_zoneinfo.txt", "\x7f"
                           "ELF"},
     "it holds no populated zone",
     "nodes:"},
    {{"proc_self_cgroup.txt", "9:memory:/docker/12\n"}, "a cgroup v1 host", "nodes:"},
    {{"proc_meminfo.txt", "MemTotal: 500000 kB\n"}, "the zones are taken", "nodes:"},
    {{"proc_swaps.txt", "Filename Type\n/dev/sda2 partition\n"}, "the swap areas are not taken over", "nodes:"},
    {{"sysctl_vm.txt", "overcommit_ratio = 80\n"}, NULL, "vm.overcommit_ratio: \"80\" # sysctl_vm.txt; 50 would"},
    {{"sysctl_vm.txt", "overcommit_ratio = 50\n"}, NULL, "nodes:"},
    {{"sysctl_vm.txt", "overcommit_ratio = many\n"}, "overcommit_ratio is no number", "nodes:"},
    {{"sysctl_vm.txt", "dirty_ratio = 0\ndirty_bytes = 4096\n"}, NULL, "vm.dirty_bytes: \"4096\""},
    {{"sys_kernel_mm_transparent_hugepage.txt", "enabled = always [madvise] never\n"},
     NULL,
     "transparent_hugepage/enabled: \"madvise\""},
    {{"sys_kernel_mm_transparent_hugepage.txt", "enabled = always madvise never\n"}, "does not say what is", "nodes:"},
    {{"sys_kernel_mm_transparent_hugepage.txt", "enabled = [always] never\ndefrag = [mad] never\n"},
     "what is defrag",
     "nodes:"},
    {{"sysctl_vm.txt", "overcommit_memory = 7\n"}, "overcommit_memory cannot be 7", "nodes:"},
    {{"sysctl_vm.txt", "dirty_ratio = 400\n"}, "dirty_ratio cannot be 400", "nodes:"},
    {{"sysctl_vm.txt", "admin_reserve_kbytes = 99999999999999999999\n"},
     "admin_reserve_kbytes cannot be 999",
     "nodes:"},
    {{"sysctl_vm.txt", "min_free_kbytes = 1 2\n"}, "damaged: vm.min_free_kbytes", "nodes:"},
    {{"sysctl_vm.txt", "min_free_kbytes = 4096\n"}, NULL, "vm.min_free_kbytes: \"4096\""},
    {{"proc_cpuinfo.txt", "vendor_id : AuthenticAMD\ncpu family : 25\nmodel : 17\n"}, NULL, "preset: zen4"},
    {{"proc_cpuinfo.txt", "vendor_id : GenuineIntel\ncpu family : 6\nmodel : 1\n"}, "no preset for", "arch: x86_64"},
};

static void gaps_are_named_with_what_is_taken_instead(void **state) {
    (void)state;
    for (size_t i = 0; i < TEST_COUNT(gaps); i++) {
        struct imported *o = sample_import(&gaps[i].change, 1);
        assert_int_equal(o->rc, 0);
        if (gaps[i].note && !strstr(o->notes, gaps[i].note))
            fail_msg("%s: no note '%s' in:\n%s", gaps[i].change.text, gaps[i].note, o->notes);
        if (!strstr(o->yaml, gaps[i].yaml))
            fail_msg("%s: no '%s' in:\n%s", gaps[i].change.text, gaps[i].yaml, o->yaml);
        vmsim_machine_destroy(sample_machine(o->yaml));
        sample_free(o);
    }
}

static void faked_nodes_come_from_the_log(void **state) {
    (void)state;
    const struct sample_file change = {"dmesg_mm.txt", "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable\n"
                                                       "BIOS-e820: [mem 0x0000000000100000-0x000000007ffdffff] usable\n"
                                                       "ACPI: SRAT: Node 0 PXM 0 [mem 0x00000000-0x7fffffff]\n"
                                                       "  node   0: [mem 0x0000000000001000-0x000000000009efff]\n"
                                                       "  node   0: [mem 0x0000000000100000-0x000000003fffffff]\n"
                                                       "  node   1: [mem 0x0000000040000000-0x000000007ffdffff]\n"};
    struct imported *o = sample_import(&change, 1);
    assert_int_equal(o->rc, 0);
    assert_non_null(strstr(o->notes, "the early memory node ranges are taken"));
    expect_sample_zones(o->yaml);
    sample_free(o);
}

static void a_row_of_distances_names_the_online_nodes(void **state) {
    (void)state;
    const struct sample_file change[] = {{"node_online.txt", "0,2\n"}, {"proc_zoneinfo.txt", NULL}};
    struct imported *o = sample_import(change, 2);
    assert_int_equal(o->rc, 0);
    assert_non_null(strstr(o->yaml, "distances: [10, 20, 21]"));
    vmsim_machine_destroy(sample_machine(o->yaml));
    sample_free(o);
}

static void nodes_that_cannot_be_told_apart_are_refused(void **state) {
    (void)state;
    const struct sample_file change[] = {
        {"dmesg_mm.txt", NULL},
        {"proc_zoneinfo.txt",
         "Node 0, zone DMA32\n pages free 1\n spanned 1000\n present 900\n managed 800\n start_pfn: 4096\n"
         "Node 1, zone DMA32\n pages free 1\n spanned 1000\n present 900\n managed 800\n start_pfn: 4500\n"}};
    struct imported *o = sample_import(change, 2);
    assert_int_equal(o->rc, VMSIM_EFORMAT);
    assert_non_null(strstr(o->err.text, "nodes 0 and 1 overlap"));
    sample_free(o);
}

static void reserves_that_do_not_fit_give_way_to_the_model(void **state) {
    (void)state;
    const struct sample_file change = {
        "proc_zoneinfo.txt",
        "Node 0, zone Normal\n pages free 1\n spanned 4096\n present 4096\n managed 4000\n start_pfn: 1048576\n"};
    struct imported *o = sample_import(&change, 1);
    assert_int_equal(o->rc, 0);
    assert_non_null(strstr(o->notes, "does not fit the memory map"));
    assert_null(strstr(o->yaml, "reserved:\n"));
    vmsim_machine_destroy(sample_machine(o->yaml));
    sample_free(o);
}

/* ---- damage at random ---- */

static char *damaged(struct vmsim__rng *rng, const char *text) {
    size_t size = strlen(text), at = size ? vmsim__rng_below(rng, size) : 0;
    char *out = calloc(1, 2 * size + 64);
    assert_non_null(out);
    memcpy(out, text, size);
    switch (vmsim__rng_below(rng, 5)) {
    case 0: /* cut off */
        out[at] = '\0';
        break;
    case 1: /* some bytes changed */
        for (unsigned i = 0; size && i < 1 + vmsim__rng_below(rng, 4); i++)
            out[vmsim__rng_below(rng, size)] = (char)(1 + vmsim__rng_below(rng, 255));
        break;
    case 2: /* a piece twice */
        memcpy(out + at, text, size - at);
        memcpy(out + size, text + at, size - at);
        break;
    case 3: /* a piece gone */
        memmove(out + at, text + at + (size - at) / 2, size - at - (size - at) / 2 + 1);
        break;
    default: /* another number */
        for (size_t i = at; i < size; i++) {
            if (out[i] >= '0' && out[i] <= '9') {
                out[i] = (char)('0' + vmsim__rng_below(rng, 10));
                break;
            }
        }
    }
    return out;
}

static void damage_never_does_harm(void **state) {
    (void)state;
    struct vmsim__rng rng = test_rng("damage_never_does_harm");
    unsigned good = 0, refused = 0;
    for (unsigned round = 0; round < 1500; round++) {
        struct sample_file change[2];
        char *texts[2];
        for (unsigned i = 0; i < 2; i++) {
            size_t k = vmsim__rng_below(&rng, SAMPLE_FILES);
            texts[i] = damaged(&rng, sample[k].text);
            change[i] = (struct sample_file){sample[k].name, texts[i]};
        }
        struct imported *o = sample_import(change, 2);
        if (!o->rc) {
            vmsim_machine_destroy(sample_machine(o->yaml));
            good++;
        } else {
            assert_true(*o->err.text && !strchr(o->err.text, '\n'));
            refused++;
        }
        sample_free(o);
        free(texts[0]);
        free(texts[1]);
    }
    print_message("%u taken, %u refused\n", good, refused);
    assert_true(good > 300);
}

/* ---- host memory ---- */

static bool import_step(struct vmsim__alloc *alloc, void *context) {
    struct vmsim__capture c;
    struct vmsim__err err = {0};
    struct vmsim__textbuf b;
    struct vmsim__import *im = context;
    vmsim__capture_init(&c, alloc);
    vmsim__textbuf_init(&b, alloc);
    for (size_t i = 0; i < SAMPLE_FILES; i++)
        vmsim__capture_add(&c, sample[i].name, sample[i].text, strlen(sample[i].text));
    int rc = c.failed ? VMSIM_ENOMEM : vmsim__import_run(im, &c, 0, &err);
    bool ran = !c.failed || im->alloc;
    if (!rc)
        vmsim__import_emit(im, &b);
    bool ok = !rc && !b.failed;
    assert_true(ok || b.failed || rc == VMSIM_ENOMEM);
    vmsim__textbuf_fini(&b);
    if (ran && im->alloc)
        vmsim__import_fini(im);
    memset(im, 0, sizeof *im);
    vmsim__capture_fini(&c);
    return ok;
}

static void every_failed_allocation_is_survived(void **state) {
    (void)state;
    struct vmsim__import *im = calloc(1, sizeof *im);
    struct vmsim__alloc *alloc = test_alloc();
    test_each_failure(alloc, import_step, im, 100000);
    test_alloc_end(alloc);
    free(im);
}

/* ---- folders, and this host ---- */

static void folders_that_are_none_are_refused(void **state) {
    (void)state;
    char why[600];
    assert_int_equal(vmsim_host_import("/no/such/folder", NULL, NULL, why, sizeof why), VMSIM_ENOENT);
    assert_non_null(strstr(why, "/no/such/folder"));
    assert_int_equal(vmsim_host_import("/dev/null", NULL, NULL, why, sizeof why), VMSIM_EFORMAT);
    struct vmsim_host_options odd = {.size = 3};
    assert_int_equal(vmsim_host_import("/", NULL, &odd, why, sizeof why), VMSIM_EINVAL);
    assert_int_equal(vmsim_host_capture("/proc/no/folder", NULL, why, sizeof why), VMSIM_EIO);
}

/* Whatever host this is: capturing works, and importing twice gives the same bytes or the same refusal. */
static void this_host_can_be_captured(void **state) {
    (void)state;
    char folder[256], path[300], why[600], again[600];
    struct vmsim_host_options o = {.size = sizeof o};
    test_mkdir(folder);
    assert_int_equal(vmsim_host_capture(folder, &o, why, sizeof why), 0);
    snprintf(path, sizeof path, "%s/missing.txt", folder);
    free(test_read_file(path, NULL));
    snprintf(path, sizeof path, "%s/one.yaml", folder);
    int rc = vmsim_host_import(folder, path, &o, why, sizeof why);
    char *one = rc ? strdup(why) : test_read_file(path, NULL);
    assert_int_equal(vmsim_host_import(folder, path, &o, again, sizeof again), rc);
    char *two = rc ? strdup(again) : test_read_file(path, NULL);
    assert_string_equal(one, two);
    if (rc)
        print_message("this host is refused: %s\n", why);
    else
        vmsim_machine_destroy(sample_machine(one));
    free(one);
    free(two);
    test_rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_capture_becomes_a_machine_with_origins),
        cmocka_unit_test(options_come_from_the_log_when_there_is_no_cmdline),
        cmocka_unit_test(without_the_log_map_and_nodes_come_from_elsewhere),
        cmocka_unit_test(memtotal_is_the_last_resort),
        cmocka_unit_test(any_file_may_be_missing),
        cmocka_unit_test(foreign_machines_are_refused),
        cmocka_unit_test(captures_of_32_bit_arm_tell_their_descriptors),
        cmocka_unit_test(arm64_captures_tell_their_page_size_and_cma),
        cmocka_unit_test(arm_processors_have_presets_by_their_part),
        cmocka_unit_test(thirty_two_bit_captures_have_high_memory),
        cmocka_unit_test(gaps_are_named_with_what_is_taken_instead),
        cmocka_unit_test(faked_nodes_come_from_the_log),
        cmocka_unit_test(a_row_of_distances_names_the_online_nodes),
        cmocka_unit_test(nodes_that_cannot_be_told_apart_are_refused),
        cmocka_unit_test(reserves_that_do_not_fit_give_way_to_the_model),
        cmocka_unit_test(damage_never_does_harm),
        cmocka_unit_test(every_failed_allocation_is_survived),
        cmocka_unit_test(folders_that_are_none_are_refused),
        cmocka_unit_test(this_host_can_be_captured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
