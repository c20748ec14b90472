/* SPDX-License-Identifier: MIT */
/* What a file system reads of itself before a file can be opened: Buffers of meminfo, which whoever opens it pays for.
 *
 *     device:  [ tables of inodes, 512 a window of 128 KiB                    | a page a directory ... bitmaps ]
 *                page (ino - 1) / 512 * window, over again where it is small    half + id             the end
 *
 *     /usr/lib/libc.so  -->  inode and entries of /usr, of /usr/lib, then the inode of the file
 *
 * An inode is not read alone: the window of the table around it comes with it, so that files of one directory, whose
 * inodes lie together, cost little more than one. A file of no bytes has just been made: its place came from the
 * bitmaps of its group. Each step is done once, and the operation goes on there after a wait. A directory of which no
 * number is known lies where the first file that is found through it does. What has been read stays with the inode,
 * which a file in use keeps; the blocks may be reclaimed. Where exactly things lie is this file's own: what the machine
 * sees of a file system is how much is read, when, and who pays. Kernel counterparts: __ext4_get_inode_loc,
 * ext4_find_entry, ext4_read_inode_bitmap, fs/buffer.c. */
#include <string.h>

#include "cache/cache_impl.h"

/* EXT4_DEF_INODE_READAHEAD_BLKS of 4 KiB; mke2fs' inode_size; inodes of a block group (as many as its bitmap's bits
 * allow at one inode each 16 KiB). */
enum { WINDOW_BYTES = 32 * 4096, INODES_A_WINDOW = WINDOW_BYTES / 256, INODES_A_GROUP = 8192 };

/* A device, in pages: windows begin at multiples of `window` below `half`. */
struct disk {
    struct vmsim__file *file;
    uint64_t pages, half, window;
};

static bool disk_of(struct vmsim__cache *c, const struct vmsim__file *f, struct disk *d) {
    *d = (struct disk){.file = c->io.blockdev ? c->io.blockdev(c->io.context, f) : NULL};
    if (!d->file)
        return false;
    d->window = vmsim__max64(WINDOW_BYTES >> c->mem->page_shift, 1);
    d->pages = d->file->size >> c->mem->page_shift;
    d->half = vmsim__align_down(d->pages / 2, d->window);
    VMSIM__ASSERT(d->file->blockdev && d->file != f);
    return d->half > 0;
}

/* A block that is asked for with others: it is on its way when they are. */
static bool new_block(struct vmsim__cache *c, struct vmsim__file *f, uint64_t index, unsigned cpu) {
    const vmsim__pfn pfn = vmsim__filemap_create(c, f, index, 0, NULL, cpu);
    if (pfn == VMSIM__PFN_NONE)
        return false;
    vmsim__cache_frame(c, pfn)->flags |= VMSIM__FRAME_LOCKED | VMSIM__FRAME_REFERENCED;
    vmsim__filemap_add_buffers(c, pfn, VMSIM__GFP_NOFAIL);
    vmsim__lru_mark_accessed(c->lru, pfn, cpu);
    return true;
}

/* Those blocks of [first, end) that are not in memory, one transfer a run. False: there is no frame for one. Kernel:
 * sb_breadahead_unmovable. */
static bool read_ahead(struct vmsim__cache *c, struct vmsim__file *f, uint64_t first, uint64_t end, unsigned cpu) {
    bool framed = true;
    VMSIM__ASSERT(first < end);
    while (framed && first < end) {
        uint64_t run = first;
        while (run < end && vmsim__file_page(f, run) == VMSIM__PFN_NONE && (framed = new_block(c, f, run, cpu)))
            run++;
        if (run > first)
            vmsim__transfer_start(c, f, first, run - first, false, cpu);
        first = run + 1;
    }
    return framed;
}

/* The window is asked for once: where memory is short it may be gone again before anybody comes by. */
static bool read_inode(struct vmsim__cache *c, const struct disk *d, struct vmsim__file *f, unsigned cpu) {
    const uint64_t ino = f->ino;
    const bool alone = f->asked;
    VMSIM__ASSERT(ino > 0 && !f->found);
    const uint64_t first = (ino - 1) / INODES_A_WINDOW * d->window % d->half;
    const uint64_t index = first + (ino - 1) % INODES_A_WINDOW * d->window / INODES_A_WINDOW;
    f->asked = true;
    if (!alone && vmsim__file_page(d->file, index) == VMSIM__PFN_NONE &&
        !read_ahead(c, d->file, first, first + d->window, cpu))
        return false;
    return vmsim__filemap_read_block(c, d->file, index, cpu);
}

static bool read_directory(struct vmsim__cache *c, const struct disk *d, struct vmsim__file *dir, uint64_t ino,
                           unsigned cpu) {
    VMSIM__ASSERT(dir->kind == VMSIM__FILE_DIRECTORY);
    if (dir->found)
        return true;
    dir->ino = dir->ino ? dir->ino : ino;
    dir->found = read_inode(c, d, dir, cpu) &&
                 vmsim__filemap_read_block(c, d->file, d->half + dir->id % (d->pages - d->half), cpu);
    return dir->found;
}

/* Those of inodes and of blocks. */
static bool read_bitmaps(struct vmsim__cache *c, const struct disk *d, uint64_t ino, unsigned cpu) {
    const uint64_t group = (ino - 1) / INODES_A_GROUP % (d->half / 2);
    VMSIM__ASSERT(2 * group + 2 <= d->pages);
    return vmsim__filemap_read_block(c, d->file, d->pages - 2 * group - 1, cpu) &&
           vmsim__filemap_read_block(c, d->file, d->pages - 2 * group - 2, cpu);
}

static bool read_path(struct vmsim__cache *c, const struct disk *d, const struct vmsim__file *f, unsigned cpu) {
    for (const char *slash = f->path ? strchr(f->path + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        struct vmsim__file *dir = vmsim__directory(c, f->path, (size_t)(slash - f->path));
        if (!dir) /* the host has no memory, which the cache has noted */
            return true;
        if (!read_directory(c, d, dir, f->ino, cpu))
            return false;
    }
    return true;
}

int vmsim__file_lookup(struct vmsim__cache *c, struct vmsim__file *f, unsigned cpu) {
    VMSIM__ASSERT(vmsim__file_is_lost(f) && f->kind == VMSIM__FILE_REGULAR && !f->blockdev);
    struct disk d;
    const int error = vmsim__filemap_error(c);
    if (error)
        return error;
    if (disk_of(c, f, &d) && (!read_path(c, &d, f, cpu) || !read_inode(c, &d, f, cpu) ||
                              (!f->size && !f->disk_size && !read_bitmaps(c, &d, f->ino, cpu))))
        return vmsim__filemap_no_page(c);
    f->found = true;
    if (!f->in_core)
        vmsim__dcache_enter(c, f, cpu);
    return 0;
}
