/* SPDX-License-Identifier: MIT */
/* Mappings of a task: maps, smaps, smaps_rollup. Kernel counterpart: fs/proc/task_mmu.c. */
#include "base/units.h"
#include "report/proc.h"

#define NAME_COLUMN 73u /* where a mapping's name begins */

static void pad_name(struct vmsim__textbuf *out, size_t line_start, const char *name) {
    VMSIM__ASSERT(line_start <= out->count);
    size_t width = out->count - line_start;
    if (width < NAME_COLUMN)
        vmsim__textbuf_fill(out, ' ', NAME_COLUMN - width);
    vmsim__textbuf_puts(out, name);
}

#define PATH_SHOWN 4096u /* as d_path: a page */

/* "55c303d17000-55c303d19000 r--p 00000000 08:01 12                         /usr/bin/cat": files of disks are on
 * 08:01, shmem on 00:01; the inode is the file's number. */
static void print_vma(const struct vmsim__vma *v, struct vmsim__textbuf *out) {
    VMSIM__ASSERT(v->start < v->end);
    size_t start = out->count;
    const char *name = vmsim__vma_name(v);
    unsigned long long offset = v->file ? v->pgoff << v->mm->pt.format->page_shift : 0;
    unsigned major = v->file && v->file->kind == VMSIM__FILE_REGULAR ? 8 : 0;
    vmsim__textbuf_printf(out, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %u ", (unsigned long long)v->start,
                          (unsigned long long)v->end, v->flags & VMSIM__VM_READ ? 'r' : '-',
                          v->flags & VMSIM__VM_WRITE ? 'w' : '-', v->flags & VMSIM__VM_EXEC ? 'x' : '-',
                          v->flags & VMSIM__VM_MAYSHARE ? 's' : 'p', offset, major, v->file ? 1u : 0u,
                          v->file ? v->file->id : 0);
    char printable[PATH_SHOWN];
    if (name && *name)
        pad_name(out, start, vmsim__printable(name, printable, sizeof printable));
    vmsim__textbuf_puts(out, "\n");
}

void vmsim__task_maps(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t id) {
    const struct vmsim__task *t = vmsim__task_at(m, id);
    for (const struct vmsim__vma *v = t->mm ? t->mm->first : NULL; v; v = v->next)
        print_vma(v, out);
}

static void kb(struct vmsim__emitter *e, const char *label, uint64_t bytes) {
    vmsim__emit_uint(e, label, bytes >> 10, VMSIM__UNIT_KB);
}

/* From Rss on; `rollup` adds the kinds of Pss. Proportional values have 12 bits of fraction. */
static void emit_smaps(const struct vmsim_machine *m, struct vmsim__emitter *e, const struct vmsim__smaps *s,
                       bool rollup) {
    VMSIM__ASSERT(m && s);
    kb(e, "Rss", s->rss);
    kb(e, "Pss", s->pss >> 12);
    kb(e, "Pss_Dirty", s->pss_dirty >> 12);
    if (rollup) {
        kb(e, "Pss_Anon", s->pss_anon >> 12);
        kb(e, "Pss_File", s->pss_file >> 12);
        kb(e, "Pss_Shmem", s->pss_shmem >> 12);
    }
    kb(e, "Shared_Clean", s->shared_clean);
    kb(e, "Shared_Dirty", s->shared_dirty);
    kb(e, "Private_Clean", s->private_clean);
    kb(e, "Private_Dirty", s->private_dirty);
    kb(e, "Referenced", s->referenced);
    kb(e, "Anonymous", s->anonymous);
    if (vmsim__proc_profile(m)->smaps_ksm)
        kb(e, "KSM", 0);
    kb(e, "LazyFree", s->lazyfree);
    kb(e, "AnonHugePages", s->anon_huge);
    kb(e, "ShmemPmdMapped", s->shmem_pmd);
    kb(e, "FilePmdMapped", s->file_pmd);
    kb(e, "Shared_Hugetlb", s->shared_hugetlb);
    kb(e, "Private_Hugetlb", s->private_hugetlb);
    kb(e, "Swap", s->swap);
    kb(e, "SwapPss", s->swap_pss >> 12);
    kb(e, "Locked", s->locked >> 12);
}

static const struct vmsim__proc_style smaps_style = {.end = ":", .gap = "", .label_width = 16, .value_width = 8};

void vmsim__task_smaps(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t id) {
    const struct vmsim__task *t = vmsim__task_at(m, id);
    VMSIM__ASSERT(t);
    for (const struct vmsim__vma *v = t->mm ? t->mm->first : NULL; v; v = v->next) {
        struct vmsim__smaps sum = {0};
        struct vmsim__emitter e;
        char flags[80];
        vmsim__vma_smaps(v, &sum);
        print_vma(v, out);
        vmsim__emitter_proc(&e, out, smaps_style);
        kb(&e, "Size", v->end - v->start);
        kb(&e, "KernelPageSize", vmsim__vma_page_size(v));
        kb(&e, "MMUPageSize", vmsim__vma_page_size(v));
        emit_smaps(m, &e, &sum, false);
        vmsim__emitter_fini(&e);
        vmsim__textbuf_printf(
            out, vmsim__proc_profile(m)->thp_eligible_wide ? "THPeligible:    %8d\n" : "THPeligible:    %d\n",
            vmsim__vma_thp_eligible(v));
        vmsim__vma_flags_text(v, flags, sizeof flags);
        vmsim__textbuf_printf(out, "VmFlags: %s\n", flags);
    }
}

void vmsim__task_smaps_rollup(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t id) {
    VMSIM__ASSERT(vmsim__task_at(m, id));
    const struct vmsim__task *t = vmsim__task_at(m, id);
    struct vmsim__smaps sum = t->last_rollup;
    uint64_t first = 0, end = 0;
    size_t start = out->count;
    if (t->mm) {
        vmsim__mm_rollup(t->mm, &sum);
        first = t->mm->first ? t->mm->first->start : 0;
        for (const struct vmsim__vma *v = t->mm->first; v; v = v->next)
            end = v->end;
    }
    vmsim__textbuf_printf(out, "%08llx-%08llx ---p 00000000 00:00 0 ", (unsigned long long)first,
                          (unsigned long long)end);
    pad_name(out, start, "[rollup]\n");
    struct vmsim__emitter e;
    vmsim__emitter_proc(&e, out, smaps_style);
    emit_smaps(m, &e, &sum, true);
    vmsim__emitter_fini(&e);
}
