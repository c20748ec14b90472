/* SPDX-License-Identifier: MIT */
/* What random histories of whole machines do with files: they read, write, sync, punch and truncate them. A part of
 * stress_machine.h. */
#ifndef STRESS_FILES_H
#define STRESS_FILES_H

/* Whoever was killed while its call waited leaves the file half done: another one finishes. */
static bool finished(int64_t result, uint32_t *id, uint32_t own) {
    const bool done = result != -VMSIM__L_ESRCH;
    if (!done && vmsim_task_create(t.m, "heir", 0, id)) { /* no frame for its page table */
        assert_int_equal(vmsim_machine_sysctl(t.m, "vm.drop_caches", "1"), 0);
        assert_int_equal(vmsim_task_create(t.m, "heir", 0, id), 0);
    } else if (done && *id != own) {
        assert_int_equal(vmsim_task_exit(t.m, *id), 0);
    }
    return done;
}

/* What lay behind the new end is in no page table, copies of it neither. */
static void behind_the_end(const struct space *s, unsigned i) {
    for (unsigned n = 0; n < TASKS; n++) {
        if (t.task[n].space != s || died(&t.task[n]))
            continue;
        const struct vmsim__pte e = vmsim__mm_pagemap(mm_of(&t.task[n]), va_of(i));
        if (e.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE | VMSIM__PTE_SWAP))
            fail_msg("step %llu: page %u lies behind the end of its file, and is still mapped (flags %x)",
                     (unsigned long long)t.step, i, e.flags);
    }
}

static void truncate_file(const struct task *k, struct object *o) {
    uint64_t pages = pick(FILE_PAGES + 1);
    struct vmsim__file *f = vmsim__file_by_id(t.m->cache, o->file);
    uint32_t id = k->id;
    int64_t r;
    do
        r = vmsim__call_now(t.m, id, VMSIM__CALL_FTRUNCATE, VMSIM__FILE_ARGS(f, NULL, pages * t.page));
    while (!finished(r, &id, k->id));
    assert_int_equal(r, 0);
    for (unsigned s = 0; s < SPACES; s++) {
        for (unsigned i = 0; t.space[s].tasks && i < PAGES; i++) {
            struct page *g = &t.space[s].at[i];
            if (g->kind == FILE_PRIVATE && &t.object[g->object] == o && g->index >= pages)
                g->own = false;
            if ((g->kind == FILE_PRIVATE || g->kind == FILE_SHARED) && &t.object[g->object] == o && g->index >= pages)
                behind_the_end(&t.space[s], i);
        }
    }
    for (uint64_t i = pages; i < FILE_PAGES; i++)
        o->content[i] = 0;
    o->pages = pages;
}

/* Pages of a hole read as zeroes; private copies stay. */
static void punch(const struct task *k, struct object *o, uint64_t first, uint64_t n) {
    struct vmsim__file *f = vmsim__file_by_id(t.m->cache, o->file);
    uint32_t id = k->id;
    int64_t r;
    do
        r = vmsim__call_now(t.m, id, VMSIM__CALL_FALLOCATE, VMSIM__FILE_ARGS(f, NULL, 3, first * t.page, n * t.page));
    while (!finished(r, &id, k->id));
    assert_int_equal(r, 0);
    for (uint64_t i = first; i < first + n; i++)
        o->content[i] = 0;
}

static void do_file(struct task *k) {
    struct object *o = &t.object[pick(FILES)];
    uint64_t first = pick(FILE_PAGES), n = pick(FILE_PAGES - first + 1);
    switch (pick(7)) {
    case 6:
        punch(k, o, first, n ? n : 1);
        break;
    case 0: /* as one that is opened first: what leads to it is read */
        if (vmsim__file_by_id(t.m->cache, o->file)->kind == VMSIM__FILE_REGULAR)
            vmsim_file_set_inode(t.m, o->file, 1 + pick(20000));
        vmsim_task_read(t.m, k->id, o->file, first * t.page, n * t.page);
        vmsim_file_set_inode(t.m, o->file, 0);
        break;
    case 1:
        vmsim_task_read(t.m, k->id, o->file, first * t.page + pick(t.page), n * t.page);
        break;
    case 2:
    case 3: {
        t.writing = true;
        int64_t r = vmsim_task_write(t.m, k->id, o->file, first * t.page, n * t.page);
        t.writing = false;
        assert_true(r >= -VMSIM__L_ENOMEM || r == -28);
        uint64_t written = r > 0 ? (uint64_t)r >> t.shift : 0;
        for (uint64_t i = 0; i < written; i++)
            o->content[first + i] = ++t.next_tag;
        if (first + written > o->pages && written)
            o->pages = first + written;
        if (r == -VMSIM__L_ESRCH) /* killed in the middle: how far it came is what the file says */
            o->pages = vmsim__align_up(vmsim__file_by_id(t.m->cache, o->file)->size, t.page) >> t.shift;
        break;
    }
    case 4: {
        const int64_t r = vmsim_task_fsync(t.m, k->id, o->file);
        assert_true(!r || (r == -VMSIM__L_ESRCH && died(k)));
        break;
    }
    default:
        truncate_file(k, o);
    }
}

#endif
