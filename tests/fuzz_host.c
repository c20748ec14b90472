/* SPDX-License-Identifier: MIT */
/* Fuzz target: captures of hosts. A capture is one text: "== NAME" begins each file of it. What is taken is a good
 * machine description whose machine boots and holds together; what is refused has one line that says why. Captures of
 * real kernels (VMSIM_GROUNDTRUTH, else ../shared/groundtruth) are seeds where there are any. */
#include <glob.h>

#include "import_sample.h"

#include "fuzz.h"

static void try_machine(const char *yaml) {
    struct vmsim_config *c;
    struct vmsim_machine *m;
    if (vmsim_config_create(&c) || vmsim_config_add_search_dir(c, VMSIM_SOURCE_DIR "/machines"))
        abort();
    if (vmsim_config_load_text(c, "imported", yaml, strlen(yaml)) || vmsim_config_resolve(c) ||
        vmsim_machine_create(c, &m))
        fuzz_fail("%s\n%s", vmsim_config_error_text(c, 0), yaml);
    vmsim_config_destroy(c);
    if (vmsim_machine_check(m))
        fuzz_fail("%s\n%s", vmsim_machine_error(m), yaml);
    if (vmsim_machine_destroy(m))
        fuzz_fail("a leak");
}

static void import(struct vmsim__capture *c) {
    struct vmsim__import *im = calloc(1, sizeof *im);
    struct vmsim__err err = {0};
    if (!im)
        return;
    int rc = vmsim__import_run(im, c, 0, &err);
    if (rc) {
        if (!*err.text || strchr(err.text, '\n'))
            fuzz_fail("code %d: '%s'", rc, err.text);
    } else {
        struct vmsim__textbuf b;
        vmsim__textbuf_init(&b, c->alloc);
        vmsim__import_emit(im, &b);
        try_machine(vmsim__textbuf_text(&b));
        vmsim__textbuf_fini(&b);
    }
    if (im->alloc)
        vmsim__import_fini(im);
    free(im);
}

/* Cuts the text into files: the first of a name counts. */
static void add_files(struct vmsim__capture *c, char *at) {
    while ((at = strstr(at, "== ")) != NULL) {
        char *name = at + 3, *text = name + strcspn(name, "\n");
        if (!*text)
            return;
        *text++ = '\0';
        char *next = strstr(text, "\n== ");
        size_t length = next ? (size_t)(next + 1 - text) : strlen(text);
        char *copy = strndup(text, length); /* ends as the file would */
        if (*name)                          /* no file of a folder has an empty one */
            vmsim__capture_add(c, name, copy, length);
        free(copy);
        at = text + length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = calloc(1, size + 1);
    struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
    struct vmsim__capture c;
    memcpy(text, data, size);
    for (size_t i = 0; i < size; i++)
        text[i] = text[i] ? text[i] : '?'; /* a reader has cut files at their first NUL byte */
    vmsim__capture_init(&c, alloc);
    add_files(&c, text);
    import(&c);
    vmsim__capture_fini(&c);
    if (vmsim__alloc_destroy(alloc))
        fuzz_fail("a leak");
    free(text);
    return 0;
}

/* ---- seeds ---- */

/* Files that matter and are not long. */
static const char *const parts[] = {"machine.txt",
                                    "proc_version.txt",
                                    "dmesg_mm.txt",
                                    "proc_zoneinfo.txt",
                                    "proc_iomem.txt",
                                    "node_online.txt",
                                    "node_node0_cpulist.txt",
                                    "node_node0_distance.txt",
                                    "node_node1_cpulist.txt",
                                    "node_node1_distance.txt",
                                    "proc_cmdline.txt",
                                    "proc_meminfo.txt",
                                    "sysctl_vm.txt",
                                    "sys_kernel_mm_transparent_hugepage.txt"};

static void add_folder(fuzz_add *add, const char *folder) {
    char path[512];
    FILE *out = tmpfile();
    if (!out)
        return;
    for (size_t i = 0; i < TEST_COUNT(parts); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, parts[i]);
        if (access(path, R_OK))
            continue;
        char *text = test_read_file(path, NULL);
        fprintf(out, "== %s\n%.20000s\n", parts[i], text);
        free(text);
    }
    rewind(out);
    size_t size;
    char *all = test_read_stream(out, &size);
    add(all, size);
    free(all);
    fclose(out);
}

void fuzz_seeds(fuzz_add *add) {
    static char text[1 << 14];
    const char *truth = getenv("VMSIM_GROUNDTRUTH");
    char pattern[512];
    glob_t found;
    size_t n = 0;
    for (size_t i = 0; i < SAMPLE_FILES; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "== %s\n%s", sample[i].name, sample[i].text);
    add(text, n);
    snprintf(pattern, sizeof pattern, "%s/qemu/*/*",
             truth && *truth ? truth : VMSIM_SOURCE_DIR "/../shared/groundtruth");
    if (glob(pattern, GLOB_ONLYDIR, NULL, &found))
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        add_folder(add, found.gl_pathv[i]);
    globfree(&found);
}
