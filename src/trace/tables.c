/* SPDX-License-Identifier: MIT */
/* Tables of tasks, files, blocks and counts, and their form in the index (see tables.h).
 *
 * A writer fills them as it appends, a reader either reads them from the index at the end of the file or, where a
 * recording was cut off, fills them anew by reading all blocks: both call vmsim__tables_event and vmsim__tables_block,
 * so that a trace says the same of itself either way. The index is read from a file that may be damaged: counts are
 * not believed before their entries were there, and nothing is reserved for a number that was only claimed. */
#include "trace/tables.h"

#include "base/util.h"

/* Everything belongs to the allocator of the writer or reader, and goes when that does. */
void vmsim__tables_init(struct vmsim__tables *t, struct vmsim__alloc *a) {
    *t = (struct vmsim__tables){.alloc = a, .notes = {.alloc = a}};
}

void vmsim__tables_fini(struct vmsim__tables *t) {
    for (size_t i = 0; i < t->tasks.count; i++)
        vmsim__strfree(t->alloc, t->tasks.at[i].name);
    for (size_t i = 0; i < t->files.count; i++)
        vmsim__strfree(t->alloc, t->files.at[i].path);
    vmsim__vec_fini(t->alloc, &t->tasks);
    vmsim__vec_fini(t->alloc, &t->files);
    vmsim__vec_fini(t->alloc, &t->blocks);
    vmsim__bytes_fini(&t->notes);
}

/* Numbers have no holes: a task that was only named by another has a row, without a name of its own. */
int vmsim__tables_task(struct vmsim__tables *t, uint32_t id) {
    if (id >= VMSIM__TASKS_MAX)
        return VMSIM_ELIMIT;
    while (t->tasks.count <= id) {
        char *name = vmsim__strdup(t->alloc, "");
        if (!name)
            return VMSIM_ENOMEM;
        if (!vmsim__vec_push(t->alloc, &t->tasks,
                             (struct vmsim_trace_task){.id = (uint32_t)t->tasks.count,
                                                       .parent = VMSIM_TRACE_NO_TASK,
                                                       .exit_status = INT32_MIN,
                                                       .name = name})) {
            vmsim__strfree(t->alloc, name);
            return VMSIM_ENOMEM;
        }
    }
    VMSIM__ASSERT(id < t->tasks.count);
    return 0;
}

/* The last exec names a task; until then it has its parent's name, as on Linux. */
static int rename_task(struct vmsim__tables *t, uint32_t id, const char *to) {
    VMSIM__ASSERT(id < t->tasks.count && to);
    char *name = vmsim__strdup(t->alloc, to);
    if (!name)
        return VMSIM_ENOMEM;
    vmsim__strfree(t->alloc, t->tasks.at[id].name);
    t->tasks.at[id].name = name;
    return 0;
}

/* A fork that failed leaves the child's row behind, which nothing else will ever mention. */
static int note_fork(struct vmsim__tables *t, uint32_t task, const struct vmsim_trace_event *e) {
    VMSIM__ASSERT(task < t->tasks.count);
    VMSIM__ASSERT(e->type == VMSIM_TRACE_FORK);
    uint64_t child = e->args[0];
    if (child >= VMSIM__TASKS_MAX)
        return VMSIM_ECORRUPT;
    int err = vmsim__tables_task(t, (uint32_t)child);
    if (err || (e->args[1] & VMSIM_TRACE_FORK_FAILED))
        return err;
    t->tasks.at[child].parent = task;
    t->tasks.at[child].flags = (uint32_t)e->args[1];
    return rename_task(t, (uint32_t)child, t->tasks.at[task].name);
}

/* Files come in the order of their numbers, or the trace is damaged: replays find them by counting. */
static int note_file(struct vmsim__tables *t, const struct vmsim_trace_event *e) {
    VMSIM__ASSERT(e->type == VMSIM_TRACE_FILE);
    if (e->file != t->files.count || e->args[1] > VMSIM_TRACE_FILE_SHM)
        return VMSIM_ECORRUPT;
    char *path = vmsim__strdup(t->alloc, e->path ? e->path : "");
    if (path && vmsim__vec_push(t->alloc, &t->files,
                                (struct vmsim_trace_file){.id = e->file,
                                                          .kind = (enum vmsim_trace_file_kind)e->args[1],
                                                          .size = e->args[0],
                                                          .path = path}))
        return 0;
    vmsim__strfree(t->alloc, path);
    return VMSIM_ENOMEM;
}

/* An exit_group ends every thread of the address space; each is told by its own event if it ran to its end. */
int vmsim__tables_event(struct vmsim__tables *t, uint32_t task, const struct vmsim_trace_event *e) {
    VMSIM__ASSERT((unsigned)e->type < VMSIM_TRACE_EVENT_TYPES);
    int err = vmsim__tables_task(t, task);
    if (err)
        return err;
    struct vmsim_trace_task *me = &t->tasks.at[task];
    t->events++;
    t->event_types[e->type]++;
    me->events++;
    switch (e->type) {
    case VMSIM_TRACE_START:
        me->pid = e->args[0];
        me->tid = e->args[1];
        return 0;
    case VMSIM_TRACE_EXEC:
        return rename_task(t, task, e->path ? e->path : "");
    case VMSIM_TRACE_FORK:
        return note_fork(t, task, e);
    case VMSIM_TRACE_FILE:
        return note_file(t, e);
    case VMSIM_TRACE_EXIT:
        me->exit_status = (int32_t)(e->args[0] & 255);
        return 0;
    case VMSIM_TRACE_KILLED:
        me->exit_status = -(int32_t)(e->args[0] & 127);
        return 0;
    case VMSIM_TRACE_UNFOLLOWED:
        return vmsim__tables_note(t, e->path ? e->path : "a gap");
    default:
        return 0;
    }
}

/* The four kinds are those of a reference: load, store, atomic update, fetch. */
int vmsim__tables_block(struct vmsim__tables *t, const struct vmsim__block_header *h, uint64_t offset) {
    VMSIM__ASSERT(h->refs <= VMSIM__BLOCK_REFS_MAX);
    t->references += h->refs;
    for (unsigned i = 0; i < 4; i++)
        t->kinds[i] += h->kinds[i];
    struct vmsim__block_entry entry = {offset, h->first_ref, h->first_event, h->refs, h->events};
    return vmsim__vec_push(t->alloc, &t->blocks, entry) ? 0 : VMSIM_ENOMEM;
}

/* Notes are one text of lines: the end mark of the last line becomes a line break. */
int vmsim__tables_note(struct vmsim__tables *t, const char *line) {
    VMSIM__ASSERT(line);
    size_t n = strlen(line);
    unsigned char *p = vmsim__bytes_room(&t->notes, n + 2);
    if (!p)
        return VMSIM_ENOMEM;
    if (t->notes.count)
        p[-1] = '\n';
    memcpy(p, line, n + 1);
    t->notes.count += n + 1;
    VMSIM__ASSERT(!t->notes.at[t->notes.count - 1]);
    return 0;
}

/* Offsets are written as differences, which fit in three bytes mostly. */
void vmsim__tables_put(const struct vmsim__tables *t, struct vmsim__bytes *out) {
    vmsim__bytes_varint(out, t->blocks.count);
    uint64_t last = 0;
    for (size_t i = 0; i < t->blocks.count; i++) {
        const struct vmsim__block_entry *b = &t->blocks.at[i];
        VMSIM__ASSERT(b->offset >= last);
        vmsim__bytes_varint(out, b->offset - last);
        vmsim__bytes_varint(out, b->refs);
        vmsim__bytes_varint(out, b->events);
        last = b->offset;
    }
    for (unsigned i = 0; i < 4; i++)
        vmsim__bytes_varint(out, t->kinds[i]);
    vmsim__bytes_varint(out, VMSIM_TRACE_EVENT_TYPES);
    for (unsigned i = 0; i < VMSIM_TRACE_EVENT_TYPES; i++)
        vmsim__bytes_varint(out, t->event_types[i]);
    vmsim__bytes_varint(out, t->tasks.count);
    for (size_t i = 0; i < t->tasks.count; i++) {
        const struct vmsim_trace_task *k = &t->tasks.at[i];
        const uint64_t fields[7] = {(uint32_t)(k->parent + 1),    k->flags, k->pid, k->tid, k->references, k->events,
                                    vmsim__zigzag(k->exit_status)};
        for (unsigned j = 0; j < 7; j++)
            vmsim__bytes_varint(out, fields[j]);
        vmsim__bytes_string(out, k->name);
    }
    vmsim__bytes_varint(out, t->files.count);
    for (size_t i = 0; i < t->files.count; i++) {
        vmsim__bytes_varint(out, t->files.at[i].kind);
        vmsim__bytes_varint(out, t->files.at[i].size);
        vmsim__bytes_string(out, t->files.at[i].path);
    }
    vmsim__bytes_string(out, t->notes.count ? (const char *)t->notes.at : "");
}

/* A string of the index as a copy of its own; NULL and *err set when damaged or without memory. */
static char *get_string(struct vmsim__tables *t, struct vmsim__cursor *c, size_t max, int *err) {
    VMSIM__ASSERT(err);
    size_t length;
    const char *s = vmsim__cursor_string(c, max, &length);
    *err = s ? VMSIM_ENOMEM : VMSIM_ECORRUPT;
    char *buffer = s ? vmsim__malloc(t->alloc, length + 1) : NULL;
    if (!buffer)
        return NULL;
    memcpy(buffer, s, length);
    buffer[length] = 0;
    char *copy = vmsim__strdup(t->alloc, buffer);
    vmsim__free(t->alloc, buffer, length + 1);
    return copy;
}

/* First references and events of blocks are sums of those before, which is why they are not stored; the header of a
 * block has them, too, and the reader compares. */
static int get_blocks(struct vmsim__tables *t, struct vmsim__cursor *c) {
    VMSIM__ASSERT(!t->references && !t->events);
    uint64_t count = vmsim__cursor_varint(c), offset = 0;
    for (; count && !c->failed; count--) {
        struct vmsim__block_header h = {.first_ref = t->references, .first_event = t->events};
        offset += vmsim__cursor_varint(c);
        uint64_t refs = vmsim__cursor_varint(c), events = vmsim__cursor_varint(c);
        if (refs > VMSIM__BLOCK_REFS_MAX || events > UINT32_MAX)
            return VMSIM_ECORRUPT;
        h.refs = (uint32_t)refs;
        h.events = (uint32_t)events;
        t->events += events;
        if (vmsim__tables_block(t, &h, offset))
            return VMSIM_ENOMEM;
    }
    for (unsigned i = 0; i < 4; i++)
        t->kinds[i] = vmsim__cursor_varint(c);
    uint64_t types = vmsim__cursor_varint(c);
    if (types > VMSIM_TRACE_EVENT_TYPES) /* fewer: of a time that had fewer */
        return VMSIM_ECORRUPT;
    for (unsigned i = 0; i < types; i++)
        t->event_types[i] = vmsim__cursor_varint(c);
    return c->failed ? VMSIM_ECORRUPT : 0;
}

static int get_task(struct vmsim__tables *t, struct vmsim__cursor *c) {
    int err;
    struct vmsim_trace_task k = {.id = (uint32_t)t->tasks.count};
    k.parent = (uint32_t)vmsim__cursor_varint(c) - 1;
    k.flags = (uint32_t)vmsim__cursor_varint(c);
    k.pid = vmsim__cursor_varint(c);
    k.tid = vmsim__cursor_varint(c);
    k.references = vmsim__cursor_varint(c);
    k.events = vmsim__cursor_varint(c);
    k.exit_status = (int32_t)vmsim__unzigzag(vmsim__cursor_varint(c));
    if (k.id >= VMSIM__TASKS_MAX)
        return VMSIM_ECORRUPT;
    char *name = get_string(t, c, VMSIM__PATH_MAX, &err);
    if (!name)
        return err;
    k.name = name;
    if (vmsim__vec_push(t->alloc, &t->tasks, k))
        return 0;
    vmsim__strfree(t->alloc, name);
    return VMSIM_ENOMEM;
}

static int get_file(struct vmsim__tables *t, struct vmsim__cursor *c) {
    int err;
    struct vmsim_trace_file f = {.id = (uint32_t)t->files.count};
    uint64_t kind = vmsim__cursor_varint(c);
    f.size = vmsim__cursor_varint(c);
    if (kind > VMSIM_TRACE_FILE_SHM)
        return VMSIM_ECORRUPT;
    f.kind = (enum vmsim_trace_file_kind)kind;
    char *path = get_string(t, c, VMSIM__PATH_MAX, &err);
    if (!path)
        return err;
    f.path = path;
    if (vmsim__vec_push(t->alloc, &t->files, f))
        return 0;
    vmsim__strfree(t->alloc, path);
    return VMSIM_ENOMEM;
}

int vmsim__tables_get(struct vmsim__tables *t, struct vmsim__cursor *c) {
    VMSIM__ASSERT(!t->tasks.count && !t->files.count && !t->blocks.count);
    int err = get_blocks(t, c);
    for (uint64_t n = vmsim__cursor_varint(c); !err && n && !c->failed; n--)
        err = get_task(t, c);
    for (uint64_t n = err ? 0 : vmsim__cursor_varint(c); !err && n && !c->failed; n--)
        err = get_file(t, c);
    if (err)
        return err;
    char *notes = get_string(t, c, VMSIM__INDEX_MAX, &err);
    if (!notes)
        return err;
    err = *notes ? vmsim__tables_note(t, notes) : 0;
    vmsim__strfree(t->alloc, notes);
    return err ? err : c->failed ? VMSIM_ECORRUPT : 0;
}
