/* SPDX-License-Identifier: MIT */
/* Inodes of the captures' disk (captured_disk.h), a table sorted by path. */
#include "captured_disk.h"

#include "vmsim/trace.h"

struct inode {
    char path[256];
    unsigned long long number;
    bool added;
};

static struct {
    struct inode at[16384];
    size_t count;
} disk;

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct inode *)a)->path, ((const struct inode *)b)->path);
}

static void read_disk(const char *trace) {
    char path[4096];
    const char *slash = strrchr(trace, '/');
    snprintf(path, sizeof path, "%.*sinodes.tsv", slash ? (int)(slash - trace + 1) : 0, trace);
    FILE *f = fopen(path, "r");
    disk.count = 0;
    while (f && disk.count < sizeof disk.at / sizeof *disk.at) {
        struct inode *i = &disk.at[disk.count];
        if (fscanf(f, "%llu %255[^\n]", &i->number, i->path) != 2)
            break;
        i->added = false;
        disk.count += !strpbrk(i->path, "\"\\");
    }
    if (f)
        fclose(f);
    qsort(disk.at, disk.count, sizeof *disk.at, by_path);
}

static struct inode *find(const char *path, size_t length) {
    struct inode key = {.number = 0};
    snprintf(key.path, sizeof key.path, "%.*s", (int)length, path);
    return bsearch(&key, disk.at, disk.count, sizeof *disk.at, by_path);
}

static void add(struct conformance_yaml *t, const char *path, size_t length, const char *what, uint64_t size) {
    struct inode *i = find(path, length);
    if (!i || i->added)
        return;
    i->added = true;
    conformance_add(t, "{name: \"%s\", kind: %s, size: %" PRIu64 ", inode: %llu}, ", i->path, what, size, i->number);
}

static void add_trace(struct conformance_yaml *t, const char *trace) {
    struct vmsim_trace_reader *r;
    const struct vmsim_trace_file *f;
    if (vmsim_trace_open(trace, 0, &r))
        return;
    for (uint32_t id = 0; (f = vmsim_trace_get_file(r, id)) != NULL; id++) {
        if (f->kind == VMSIM_TRACE_FILE_REGULAR && f->size)
            add(t, f->path, strlen(f->path), "regular", f->size);
        if (f->kind != VMSIM_TRACE_FILE_REGULAR && f->kind != VMSIM_TRACE_FILE_DIRECTORY)
            continue;
        for (const char *slash = strchr(f->path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
            add(t, f->path, (size_t)(slash - f->path), "directory", 0);
    }
    vmsim_trace_close(r);
}

void captured_disk_add(struct conformance_yaml *t, const char *const *traces) {
    if (!*traces)
        return;
    read_disk(*traces);
    conformance_add(t, "  files: [{name: /dev/vda, kind: blockdev, size: 600MiB}, ");
    for (; *traces; traces++)
        add_trace(t, *traces);
    conformance_add(t, "]\n");
}

/* Superblock and group descriptors are in use. The others are the last ones that were read, on a CPU's way to the
 * lists: the end of the first window of inodes, which mounting reads. */
void captured_disk_left(struct conformance_yaml *t, int64_t buffers_kb) {
    enum { USED_KB = 8, WINDOW_KB = 128 };
    const int64_t kb = buffers_kb - USED_KB;
    if (kb > 0 && kb <= WINDOW_KB)
        conformance_add(t,
                        "    - {name: left, program: [{read: {file: /dev/vda, offset: %" PRId64 "KiB, length: %" PRId64
                        "KiB}}]}\n",
                        WINDOW_KB - kb, kb);
}
