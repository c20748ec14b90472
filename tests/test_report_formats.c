/* SPDX-License-Identifier: MIT */
/* Every captured machine is booted from its firmware map, and the files that the real kernel showed are held against
 * ours: the same lines, the same labels in the same order, numbers in the same columns. Where a file says what a
 * machine is rather than what happened on it, the numbers must be the same, too. Skipped only without captures
 * (VMSIM_GROUNDTRUTH, else ../shared/groundtruth beside the source folder). */
#include "helpers.h"

#include <ctype.h>
#include <dirent.h>

#include "capture_parse.h"
#include "config/config.h"
#include "report/proc.h"
#include "scenario/scenario_spec.h"
#include "vmsim/report.h"

static const char *groundtruth(void) {
    const char *folder = getenv("VMSIM_GROUNDTRUTH");
    return folder && *folder ? folder : VMSIM_SOURCE_DIR "/../shared/groundtruth";
}

static unsigned wrong, lines_compared, files_compared;

/* ---- shapes of lines ---- */

static bool is_name_char(char c) {
    return isalpha((unsigned char)c) || c == '_';
}

/* Length of the number at `s`, which stands behind `before`; digits within a name are none. */
static size_t number_length(const char *s, char before) {
    size_t n = *s == '-' && isdigit((unsigned char)s[1]) ? 1 : 0;
    if (!isdigit((unsigned char)s[n]) || is_name_char(before) || isdigit((unsigned char)before))
        return 0;
    while (isdigit((unsigned char)s[n]) || (s[n] == '.' && isdigit((unsigned char)s[n + 1])))
        n++;
    return is_name_char(s[n]) ? 0 : n;
}

/* Equal but for numbers, which begin or end in the same column (counted from the number before). */
static bool same_shape(const char *a, const char *b) {
    char before = ' ';
    while (*a || *b) {
        size_t pa = strspn(a, " "), pb = strspn(b, " ");
        size_t na = number_length(a + pa, pa ? ' ' : before), nb = number_length(b + pb, pb ? ' ' : before);
        if (na && nb) {
            if (pa != pb && pa + na != pb + nb)
                return false;
            a += pa + na;
            b += pb + nb;
            before = '0';
        } else {
            if (*a != *b)
                return false;
            before = *a;
            a++, b++;
        }
    }
    return true;
}

static void complain(const char *shape, const char *file, const char *ours, const char *theirs) {
    if (wrong++ < 40)
        print_error("%s %s:\n  ours   |%s|\n  Linux's|%s|\n", shape, file, ours, theirs);
}

/* A line that is there only because of the guest's CPU, which a memory description does not tell. */
static bool of_cpu(const char *line) {
    return !strncmp(line, "DirectMap1G", 11);
}

static void compare_lines(const char *shape, const char *file, char *ours, char *theirs) {
    files_compared++;
    for (;;) {
        char *a = *ours ? strsep(&ours, "\n") : NULL, *b = *theirs ? strsep(&theirs, "\n") : NULL;
        if (b && of_cpu(b))
            b = theirs && *theirs ? strsep(&theirs, "\n") : NULL;
        if (!a && !b)
            return;
        lines_compared++;
        if (!a || !b || !same_shape(a, b)) {
            complain(shape, file, a ? a : "(end)", b ? b : "(end)");
            return;
        }
        if (!ours || !theirs)
            return;
    }
}

/* ---- one machine ---- */

struct subject {
    struct vmsim_machine *m;
    char folder[1024];
    const char *shape;
};

static char *theirs_of(const struct subject *s, const char *name) {
    char path[2048];
    snprintf(path, sizeof path, "%s/%s", s->folder, name);
    return access(path, R_OK) ? NULL : test_read_file(path, NULL);
}

static char *ours_of(const struct subject *s, const char *path) {
    const char *text;
    if (vmsim_report_proc_file(s->m, path, &text, NULL)) {
        complain(s->shape, path, "(no such file)", "");
        return NULL;
    }
    char *copy = strdup(text);
    vmsim_report_proc_free(s->m, text);
    return copy;
}

static void compare_file(const struct subject *s, const char *capture, const char *path, bool exact) {
    char *theirs = theirs_of(s, capture), *ours = theirs ? ours_of(s, path) : NULL;
    if (ours && exact) {
        files_compared++;
        if (strcmp(ours, theirs))
            complain(s->shape, path, ours, theirs);
    } else if (ours) {
        compare_lines(s->shape, path, ours, theirs);
    }
    free(theirs);
    free(ours);
}

/* Captures of whole folders hold "name = value" lines, a file each. `loose` names differ in value. */
static void compare_folder(const struct subject *s, const char *capture, const char *folder, const char *loose) {
    char *theirs = theirs_of(s, capture), *rest = theirs, path[256], key[64];
    for (char *line; rest && *rest && (line = strsep(&rest, "\n"));) {
        char *equal = strstr(line, " = ");
        assert_non_null(equal);
        *equal = '\0';
        snprintf(path, sizeof path, "%s/%s", folder, line);
        snprintf(key, sizeof key, " %.60s ", line);
        char *ours = ours_of(s, path);
        if (!ours)
            continue;
        ours[strcspn(ours, "\n")] = '\0';
        files_compared++;
        if (strstr(loose, key) ? !same_shape(ours, equal + 3) : strcmp(ours, equal + 3) != 0)
            complain(s->shape, path, ours, equal + 3);
        free(ours);
    }
    free(theirs);
}

static void compare_machine(const struct subject *s) {
    static const char *const shapes[][2] = {
        {"proc_zoneinfo.txt", "proc/zoneinfo"},
        {"proc_buddyinfo.txt", "proc/buddyinfo"},
        {"proc_pagetypeinfo.txt", "proc/pagetypeinfo"},
        {"proc_meminfo.txt", "proc/meminfo"},
        {"proc_vmstat.txt", "proc/vmstat"},
        {"sys_kernel_debug_extfrag_extfrag_index.txt", "sys/kernel/debug/extfrag/extfrag_index"},
        {"sys_kernel_debug_extfrag_unusable_index.txt", "sys/kernel/debug/extfrag/unusable_index"},
        {"proc_self_status.txt", "proc/1/status"},
    };
    static const char *const equals[][2] = {
        {"proc_swaps.txt", "proc/swaps"},
        {"node_has_cpu.txt", "sys/devices/system/node/has_cpu"},
        {"node_has_memory.txt", "sys/devices/system/node/has_memory"},
        {"node_has_normal_memory.txt", "sys/devices/system/node/has_normal_memory"},
        {"node_online.txt", "sys/devices/system/node/online"},
        {"node_possible.txt", "sys/devices/system/node/possible"},
        {"sys_kernel_mm_lru_gen_enabled.txt", "sys/kernel/mm/lru_gen/enabled"},
        {"sys_kernel_mm_lru_gen_min_ttl_ms.txt", "sys/kernel/mm/lru_gen/min_ttl_ms"},
    };
    for (size_t i = 0; i < TEST_COUNT(shapes); i++)
        compare_file(s, shapes[i][0], shapes[i][1], false);
    for (size_t i = 0; i < TEST_COUNT(equals); i++)
        compare_file(s, equals[i][0], equals[i][1], true);
    compare_folder(s, "sysctl_vm.txt", "proc/sys/vm", " min_free_kbytes user_reserve_kbytes admin_reserve_kbytes ");
    compare_folder(s, "sys_kernel_mm_transparent_hugepage.txt", "sys/kernel/mm/transparent_hugepage", "");
    compare_folder(s, "sys_kernel_mm_transparent_hugepage_khugepaged.txt",
                   "sys/kernel/mm/transparent_hugepage/khugepaged", " full_scans pages_collapsed ");
    compare_folder(s, "sys_kernel_mm_hugepages_hugepages-2048kB.txt", "sys/kernel/mm/hugepages/hugepages-2048kB", "");
    compare_folder(s, "sys_kernel_mm_hugepages_hugepages-1048576kB.txt", "sys/kernel/mm/hugepages/hugepages-1048576kB",
                   "");
    compare_folder(s, "sys_kernel_mm_numa.txt", "sys/kernel/mm/numa", "");
    compare_folder(s, "sys_kernel_mm_swap.txt", "sys/kernel/mm/swap", "");
}

static void compare_nodes(const struct subject *s) {
    static const struct {
        const char *name;
        bool exact;
    } files[] = {{"meminfo", false}, {"vmstat", false}, {"numastat", false}, {"distance", true}, {"cpulist", true}};
    char capture[128], path[128];
    for (unsigned n = 0; n < s->m->mem->nr_nodes; n++) {
        for (size_t i = 0; i < TEST_COUNT(files); i++) {
            snprintf(capture, sizeof capture, "node_node%u_%s.txt", n, files[i].name);
            snprintf(path, sizeof path, "sys/devices/system/node/node%u/%s", n, files[i].name);
            compare_file(s, capture, path, files[i].exact);
        }
        snprintf(capture, sizeof capture, "node_node%u_hugepages_hugepages-2048kB.txt", n);
        snprintf(path, sizeof path, "sys/devices/system/node/node%u/hugepages/hugepages-2048kB", n);
        compare_folder(s, capture, path, "");
    }
}

/* The first line holds addresses; the others are like any file's. */
static void compare_rollup(const struct subject *s) {
    char *theirs = theirs_of(s, "proc_self_smaps_rollup.txt"), *ours = ours_of(s, "proc/1/smaps_rollup");
    if (theirs && ours) {
        char *a = strstr(ours, "[rollup]"), *b = strstr(theirs, "[rollup]");
        assert_non_null(a);
        assert_int_equal(a - ours, b - theirs);
        assert_memory_equal(strchr(ours, ' '), strchr(ours, ' '), 10);
        compare_lines(s->shape, "proc/1/smaps_rollup", a, b);
    }
    free(theirs);
    free(ours);
}

static struct vmsim_machine *boot(const struct capture *c) {
    struct vmsim_config *config;
    struct vmsim_machine *m = NULL;
    struct vmsim__err err = {0};
    uint32_t task;
    assert_int_equal(vmsim_config_create(&config), 0);
    assert_int_equal(vmsim_config_set(config, "machine.nodes=[{memory: 64MiB}]"), 0);
    assert_int_equal(vmsim_config_resolve(config), 0);
    const struct vmsim__scenario_spec *root = vmsim__config_root(config);
    struct vmsim__machine_spec spec = root->machine;
    spec.mem = c->spec;
    vmsim__machine_spec_settle(&spec);
    if (vmsim__machine_create(&spec, NULL, &m, &err))
        fail_msg("%s", err.text);
    vmsim_config_destroy(config);
    assert_int_equal(vmsim_task_create(m, "init", 0, &task), 0);
    assert_true(vmsim_task_mmap(m, task, 0, 1 << 20, 3, 0x22, 0, 0) > 0);
    return m;
}

static void compare_shape(const char *kernel, const char *shape) {
    struct capture *c = calloc(1, sizeof *c);
    struct vmsim__alloc *alloc = test_alloc();
    struct vmsim__err err = {0};
    struct subject s = {.shape = shape};
    snprintf(s.folder, sizeof s.folder, "%s/qemu/%s/%s", groundtruth(), kernel, shape);
    if (capture_load(c, alloc, s.folder, kernel, &err))
        fail_msg("%s: %s", s.folder, err.text);
    s.m = boot(c);
    compare_machine(&s);
    compare_nodes(&s);
    compare_rollup(&s);
    assert_int_equal(vmsim_machine_destroy(s.m), 0);
    capture_free(c);
    free(c);
    test_alloc_end(alloc);
}

static void files_of_every_captured_machine_have_linux_s_shape(void **state) {
    static const char *const kernels[] = {"6.1", "6.12"};
    unsigned shapes = 0;
    (void)state;
    for (size_t k = 0; k < TEST_COUNT(kernels); k++) {
        char folder[1024];
        struct dirent **names;
        snprintf(folder, sizeof folder, "%s/qemu/%s", groundtruth(), kernels[k]);
        int count = scandir(folder, &names, NULL, alphasort);
        for (int i = 0; i < count; i++) {
            if (names[i]->d_name[0] != '.') {
                compare_shape(kernels[k], names[i]->d_name);
                shapes++;
            }
            free(names[i]);
        }
        if (count >= 0)
            free(names);
    }
    if (!shapes) {
        print_message("no captures below %s\n", groundtruth());
        skip();
    }
    print_message("%u machines, %u files, %u lines; %u differ\n", shapes, files_compared, lines_compared, wrong);
    assert_int_equal(wrong, 0);
}

static void a_shape_is_labels_and_columns(void **state) {
    (void)state;
    assert_true(same_shape("MemFree:         1966664 kB", "MemFree:              64 kB"));
    assert_false(same_shape("MemFree:         1966664 kB", "MemFree:             64 kB"));
    assert_true(same_shape("nr_mlock     0", "nr_mlock     12345"));
    assert_false(same_shape("pgalloc_dma32 1", "pgalloc_dma 1"));
    assert_true(same_shape("zone DMA -1.000 0.016 ", "zone DMA 0.000 -1.000 "));
    assert_false(same_shape("a 1", "a 1 "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_shape_is_labels_and_columns),
        cmocka_unit_test(files_of_every_captured_machine_have_linux_s_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
