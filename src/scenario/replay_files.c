/* SPDX-License-Identifier: MIT */
/* Files of a replayed trace: which simulated file each is, and when one that has no name any more is gone.
 *
 *     trace task -> table of descriptors -> file of the trace -> file of the machine's cache
 *                   (shared by threads)     {opens, unlinked}
 *
 * A trace knows files by device, inode and birth, so two of one name are two. Regular files of several traces are one
 * by their path, as libraries are. A file keeps its pages as long as a name leads to it, a descriptor is open or a
 * mapping stands; of these the cache knows the mappings, and the descriptors are counted here. They may also have come
 * where the trace does not say (through a socket): a file that is used after it is gone begins anew. Kernel
 * counterpart: iput_final() of an inode without links */
#include "scenario/replay_files.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

/* What the recorder calls System V segments, as /proc/PID/maps does. */
static const char segment_name[] = "/SYSV";

enum { DUP = 32, DUP2 = 33, FCNTL = 72, DUP3 = 292, CLOSE_RANGE = 436 };
enum { F_DUP = 0, F_SET = 2, F_DUP_CLOEXEC = 1030, CLOEXEC = 02000000, RANGE_CLOEXEC = 4, DESCRIPTORS = 1 << 20 };

struct descriptor {
    uint32_t file; /* of the trace + 1; 0: closed */
    bool cloexec;
};

struct vmsim__replay_fds {
    uint32_t users;
    struct {
        VMSIM__VEC(struct descriptor);
    } fds;
};

static int no_memory(struct vmsim_scenario *s) {
    return vmsim__err_set(&s->err, VMSIM_ENOMEM, "no memory for the files of a trace");
}

/* ---- files */

static struct vmsim__replay_file *file_at(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t id) {
    while (rf->files.count <= id) {
        struct vmsim__replay_file f = {0};
        vmsim__ra_init(s->machine->cache, &f.ra);
        if (!vmsim__vec_push(s->alloc, &rf->files, f))
            return NULL;
    }
    return &rf->files.at[id];
}

static bool is_taken(const struct vmsim__replay_files *rf, uint32_t file) {
    return file < rf->taken.count && rf->taken.at[file];
}

static bool take(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t file) {
    VMSIM__ASSERT(file > 0);
    while (rf->taken.count <= file)
        if (!vmsim__vec_push(s->alloc, &rf->taken, false))
            return false;
    return rf->taken.at[file] = true;
}

/* A description that numbers inodes knows the file system, and not the recorded machine's numbers: a file that it does
 * not name is new there, and lies beside its directory. */
static uint64_t number_of(struct vmsim_scenario *s, const struct vmsim__replay_file *mine, const char *path) {
    if (!s->inodes_described)
        return mine->ino <= VMSIM__INO_MAX ? mine->ino : 0;
    const char *slash = path ? strrchr(path, '/') : NULL;
    const struct vmsim__file *in =
        slash && slash > path ? vmsim__directory(s->machine->cache, path, (size_t)(slash - path)) : NULL;
    return in ? in->ino : 0;
}

/* Swap-backed files are those of one boot: another trace's of that name is another. */
static struct vmsim__file *make(struct vmsim_scenario *s, struct vmsim__replay_files *rf,
                                const struct vmsim__replay_file *mine, const struct vmsim_trace_file *f) {
    VMSIM__ASSERT(f && mine);
    struct vmsim__cache *cache = s->machine->cache;
    const bool shm = f->kind == VMSIM_TRACE_FILE_SHM, named = f->path && *f->path;
    struct vmsim__file *same = named ? vmsim__file_find(cache, f->path) : NULL;
    char other[512];
    if (same && !shm && !is_taken(rf, same->id)) {
        vmsim__file_get(same);
        return same;
    }
    snprintf(other, sizeof other, "%.400s#%u", named ? f->path : "", f->id);
    const char *path = !named ? NULL : same ? other : f->path;
    if (path == other && vmsim__file_find(cache, other))
        path = NULL;
    struct vmsim__file *file = vmsim__file_create(cache, shm ? VMSIM__FILE_SHMEM : VMSIM__FILE_REGULAR, path, f->size);
    if (file && rf->cached && !shm)
        vmsim__file_preload(cache, file, 0);
    if (file && !rf->cached && !shm)
        file->ino = number_of(s, mine, path);
    if (file && shm)
        file->segment = named && !strncmp(f->path, segment_name, sizeof segment_name - 1);
    return file;
}

struct vmsim__replay_file *vmsim__replay_file_known(struct vmsim_scenario *s, struct vmsim__replay_files *rf,
                                                    uint32_t id) {
    VMSIM__ASSERT(rf->reader);
    return id == VMSIM_TRACE_NO_FILE || !vmsim_trace_get_file(rf->reader, id) ? NULL : file_at(s, rf, id);
}

/* Made at first use and not when the trace is opened: a program that is stopped early leaves no trace of files that it
 * did not come to. Devices and pipes have no pages, and so no file. */
struct vmsim__file *vmsim__replay_file(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t id) {
    VMSIM__ASSERT(rf->reader);
    const struct vmsim_trace_file *f = id == VMSIM_TRACE_NO_FILE ? NULL : vmsim_trace_get_file(rf->reader, id);
    if (!f || f->kind == VMSIM_TRACE_FILE_DEVICE || f->kind == VMSIM_TRACE_FILE_PIPE)
        return NULL;
    struct vmsim__replay_file *mine = file_at(s, rf, id);
    if (!mine)
        return NULL;
    if (mine->file)
        return vmsim__file_by_id(s->machine->cache, mine->file);
    struct vmsim__file *file = make(s, rf, mine, f);
    if (!file || !take(s, rf, file->id)) {
        if (file)
            vmsim__file_put(s->machine->cache, file, 0);
        return NULL;
    }
    mine->file = file->id;
    return file;
}

/* Gives up a file that has neither name nor descriptor: the cache keeps it as long as it is mapped. */
static void let_go(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t id, unsigned cpu) {
    struct vmsim__replay_file *mine = &rf->files.at[id];
    struct vmsim__file *file = mine->file ? vmsim__file_by_id(s->machine->cache, mine->file) : NULL;
    if (!mine->unlinked || mine->opens || !file)
        return;
    VMSIM__ASSERT(is_taken(rf, mine->file));
    rf->taken.at[mine->file] = false;
    mine->file = 0;
    vmsim__file_put(s->machine->cache, file, cpu);
}

/* The name goes, the file stays as long as a descriptor or a mapping of it is there: that is the cache's to know. */
static int unlinked(struct vmsim_scenario *s, struct vmsim__replay_files *rf, const struct vmsim_trace_event *e,
                    unsigned cpu) {
    VMSIM__ASSERT(e->type == VMSIM_TRACE_UNLINK);
    struct vmsim__file *file = e->args[0] ? NULL : vmsim__replay_file(s, rf, e->file);
    if (!file)
        return 0;
    rf->files.at[e->file].unlinked = true;
    vmsim__file_unlink(s->machine->cache, file, cpu);
    let_go(s, rf, e->file, cpu);
    return 0;
}

/* ---- descriptors */

/* Threads share a table (users counts them); a task that was never introduced has an empty one of its own. */
static struct vmsim__replay_fds **table_at(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t task) {
    while (rf->tables.count <= task)
        if (!vmsim__vec_push(s->alloc, &rf->tables, NULL))
            return NULL;
    if (!rf->tables.at[task]) {
        rf->tables.at[task] = vmsim__calloc(s->alloc, 1, sizeof **rf->tables.at);
        if (rf->tables.at[task])
            rf->tables.at[task]->users = 1;
    }
    return rf->tables.at[task] ? &rf->tables.at[task] : NULL;
}

static void close_one(struct vmsim_scenario *s, struct vmsim__replay_files *rf, struct descriptor *d, unsigned cpu) {
    uint32_t id = d->file;
    d->file = 0;
    if (!id)
        return;
    VMSIM__ASSERT(id <= rf->files.count && rf->files.at[id - 1].opens > 0);
    rf->files.at[id - 1].opens--;
    let_go(s, rf, id - 1, cpu);
}

/* The new one is counted before the old one is closed: they may be the same file, which would else go in between with
 * its pages. Numbers beyond any limit are those of a damaged trace. */
static int open_one(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t task, uint64_t fd, uint32_t file,
                    bool cloexec, unsigned cpu) {
    VMSIM__ASSERT(rf->reader);
    if (fd >= DESCRIPTORS || file == VMSIM_TRACE_NO_FILE || !vmsim_trace_get_file(rf->reader, file))
        return 0;
    struct vmsim__replay_fds **t = table_at(s, rf, task);
    if (!t || !file_at(s, rf, file))
        return no_memory(s);
    while ((*t)->fds.count <= fd)
        if (!vmsim__vec_push(s->alloc, &(*t)->fds, (struct descriptor){0}))
            return no_memory(s);
    struct descriptor *d = &(*t)->fds.at[fd], before = *d;
    *d = (struct descriptor){file + 1, cloexec};
    rf->files.at[file].opens++;
    close_one(s, rf, &before, cpu);
    return 0;
}

static struct descriptor *descriptor_at(struct vmsim__replay_files *rf, uint32_t task, uint64_t fd) {
    struct vmsim__replay_fds *t = task < rf->tables.count ? rf->tables.at[task] : NULL;
    return t && fd < t->fds.count ? &t->fds.at[fd] : NULL;
}

static void drop(struct vmsim_scenario *s, struct vmsim__replay_files *rf, struct vmsim__replay_fds *t, unsigned cpu) {
    if (!t || --t->users)
        return;
    for (size_t i = 0; i < t->fds.count; i++)
        close_one(s, rf, &t->fds.at[i], cpu);
    vmsim__vec_fini(s->alloc, &t->fds);
    vmsim__free(s->alloc, t, sizeof *t);
}

/* Tables of descriptors are shared with CLONE_FILES, and copied else; a child that had descriptors already loses them.
 */
static int forked(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t task,
                  const struct vmsim_trace_event *e, unsigned cpu) {
    VMSIM__ASSERT(e->type == VMSIM_TRACE_FORK);
    uint32_t child = (uint32_t)e->args[0];
    struct vmsim__replay_fds **to = e->args[1] & VMSIM_TRACE_FORK_FAILED ? NULL : table_at(s, rf, child);
    struct vmsim__replay_fds *from = task < rf->tables.count ? rf->tables.at[task] : NULL;
    if (!to)
        return e->args[1] & VMSIM_TRACE_FORK_FAILED ? 0 : no_memory(s);
    if (!from || from == *to)
        return 0;
    if (e->args[1] & VMSIM_TRACE_FORK_FILES) {
        from->users++;
        drop(s, rf, *to, cpu);
        *to = from;
        return 0;
    }
    for (size_t i = 0; i < from->fds.count; i++)
        if (from->fds.at[i].file && open_one(s, rf, child, i, from->fds.at[i].file - 1, from->fds.at[i].cloexec, cpu))
            return s->err.code;
    return 0;
}

/* exec, with a table of its own from here on. */
static int execed(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t task, unsigned cpu) {
    struct vmsim__replay_fds *t = task < rf->tables.count ? rf->tables.at[task] : NULL;
    if (t && t->users > 1) {
        rf->tables.at[task] = NULL;
        struct vmsim__replay_fds **own = table_at(s, rf, task);
        if (!own)
            return no_memory(s);
        for (size_t i = 0; i < t->fds.count; i++)
            if (t->fds.at[i].file && open_one(s, rf, task, i, t->fds.at[i].file - 1, t->fds.at[i].cloexec, cpu))
                return s->err.code;
        drop(s, rf, t, cpu);
        t = *own;
    }
    for (size_t i = 0; t && i < t->fds.count; i++)
        if (t->fds.at[i].cloexec)
            close_one(s, rf, &t->fds.at[i], cpu);
    return 0;
}

/* exit_group is told by one thread for all that share its table. */
static void ended(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t task, bool group, unsigned cpu) {
    struct vmsim__replay_fds *t = task < rf->tables.count ? rf->tables.at[task] : NULL;
    for (size_t i = 0; t && i < rf->tables.count; i++)
        if (rf->tables.at[i] == t && (group || i == task)) {
            rf->tables.at[i] = NULL;
            drop(s, rf, t, cpu);
        }
}

/* Calls on descriptors that are told by their numbers alone. */
static int by_number(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t task,
                     const struct vmsim_trace_event *e, unsigned cpu) {
    VMSIM__ASSERT(e->type == VMSIM_TRACE_SYSCALL);
    const uint64_t number = e->args[0], *a = e->args + 1;
    struct descriptor *d = descriptor_at(rf, task, a[0]);
    if (e->result < 0)
        return 0;
    if (number == CLOSE_RANGE) {
        for (uint64_t fd = a[0]; fd <= a[1] && (d = descriptor_at(rf, task, fd)) != NULL; fd++) {
            if (a[2] & RANGE_CLOEXEC)
                d->cloexec = true;
            else
                close_one(s, rf, d, cpu);
        }
        return 0;
    }
    if (!d || !d->file)
        return 0;
    if (number == FCNTL && a[1] == F_SET)
        d->cloexec = a[2] & 1;
    if (number == DUP || number == DUP2 || number == DUP3 ||
        (number == FCNTL && (a[1] == F_DUP || a[1] == F_DUP_CLOEXEC))) {
        bool cloexec = (number == DUP3 && a[2] & CLOEXEC) || (number == FCNTL && a[1] == F_DUP_CLOEXEC);
        if ((uint64_t)e->result != a[0])
            return open_one(s, rf, task, (uint64_t)e->result, d->file - 1, cloexec, cpu);
    }
    return 0;
}

static int introduced(struct vmsim_scenario *s, struct vmsim__replay_files *rf, const struct vmsim_trace_event *e) {
    struct vmsim__replay_file *f = vmsim__replay_file_known(s, rf, e->file);
    if (f)
        f->ino = e->args[3];
    return f ? 0 : no_memory(s);
}

/* Which descriptor is which file is followed here alone, so that a file goes when its last descriptor is closed, as
 * under Linux; the replay of the call itself does not ask. */
int vmsim__replay_descriptors(struct vmsim_scenario *s, struct vmsim__replay_files *rf, uint32_t task,
                              const struct vmsim_trace_event *e, unsigned cpu) {
    struct descriptor *d;
    switch (e->type) {
    case VMSIM_TRACE_FILE:
        return introduced(s, rf, e);
    case VMSIM_TRACE_OPEN:
        if (e->result < 0)
            return 0;
        return open_one(s, rf, task, (uint64_t)e->result, e->file, e->args[1] & CLOEXEC, cpu);
    case VMSIM_TRACE_CLOSE:
        if ((d = descriptor_at(rf, task, e->args[0])) != NULL)
            close_one(s, rf, d, cpu);
        return 0;
    case VMSIM_TRACE_UNLINK:
        return unlinked(s, rf, e, cpu);
    case VMSIM_TRACE_FORK:
        return forked(s, rf, task, e, cpu);
    case VMSIM_TRACE_EXEC:
        return execed(s, rf, task, cpu);
    case VMSIM_TRACE_EXIT:
        ended(s, rf, task, e->args[1], cpu);
        return 0;
    case VMSIM_TRACE_KILLED:
        ended(s, rf, task, false, cpu);
        return 0;
    case VMSIM_TRACE_SYSCALL:
        return by_number(s, rf, task, e, cpu);
    default:
        return 0;
    }
}

void vmsim__replay_files_fini(struct vmsim_scenario *s, struct vmsim__replay_files *rf) {
    for (size_t i = 0; i < rf->tables.count; i++) {
        struct vmsim__replay_fds *t = rf->tables.at[i];
        if (!t || --t->users)
            continue;
        vmsim__vec_fini(s->alloc, &t->fds);
        vmsim__free(s->alloc, t, sizeof *t);
    }
    vmsim__vec_fini(s->alloc, &rf->tables);
    vmsim__vec_fini(s->alloc, &rf->files);
    vmsim__vec_fini(s->alloc, &rf->taken);
}
