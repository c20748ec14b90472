/* SPDX-License-Identifier: MIT */
/* Where a task's pages lie: /proc/PID/numa_maps, a line a mapping.
 *
 *     7f1c40000000 interleave:0-1 anon=256 dirty=256 active=0 N0=128 N1=128 kernelpagesize_kB=4
 *
 * Counts are pages of the mapping's page size. Kernel counterpart: show_numa_map of fs/proc/task_mmu.c, mpol_to_str of
 * mm/mempolicy.c. */
#include <string.h>

#include "base/units.h"
#include "report/proc.h"
#include "vm/vm_impl.h"

struct numa_map {
    uint64_t pages, anon, dirty, active, writeback, swapcache, mapcount_max;
    uint64_t node[VMSIM__MAX_NODES];
};

/* Kernel: gather_stats. */
static void gather(struct vmsim__vm *vm, struct vmsim__pte pte, uint64_t pages, struct numa_map *n) {
    const vmsim__pfn pfn = (vmsim__pfn)pte.pfn;
    const struct vmsim__frame *f = vmsim__vm_frame(vm, vmsim__vm_head(vm, pfn));
    const uint64_t mapcount = (uint64_t)vmsim__vm_mapcount(vm, pfn);
    n->pages += pages;
    n->anon += vmsim__frame_is(f, VMSIM__FRAME_ANON) ? pages : 0;
    n->dirty += (pte.flags & VMSIM__PTE_DIRTY) || vmsim__frame_is(f, VMSIM__FRAME_DIRTY) ? pages : 0;
    n->active += vmsim__frame_is(f, VMSIM__FRAME_ACTIVE | VMSIM__FRAME_UNEVICTABLE) ? pages : 0;
    n->writeback += vmsim__frame_is(f, VMSIM__FRAME_WRITEBACK) ? pages : 0;
    n->swapcache += vmsim__frame_is(f, VMSIM__FRAME_SWAPCACHE) ? pages : 0;
    n->mapcount_max = n->mapcount_max > mapcount ? n->mapcount_max : mapcount;
    n->node[vm->mem->zones[vmsim__frame_zone(vmsim__vm_frame(vm, pfn))].node] += pages;
}

/* Kernel: gather_pte_stats: pages that migrate or are in swap, and zero pages, are in no count. */
static void gather_mapping(const struct vmsim__vma *v, struct numa_map *n) {
    struct vmsim__mm *mm = v->mm;
    struct vmsim__pt_slot slot;
    for (uint64_t va = v->start; va < v->end && vmsim__pt_next(&mm->pt, &va, v->end, &slot);) {
        const uint64_t size = UINT64_C(1) << mm->pt.format->shift[slot.level];
        const struct vmsim__pte pte = vmsim__pt_get(mm->pt.format, &slot);
        if ((pte.flags & (VMSIM__PTE_PRESENT | VMSIM__PTE_PROTNONE)) && !(pte.flags & VMSIM__PTE_SPECIAL))
            gather(mm->vm, pte, size >> mm->vm->page_shift, n);
        va = vmsim__align_down(va, size) + size;
    }
}

/* Kernel: mpol_to_str. */
static void print_policy(const struct vmsim_machine *m, struct vmsim__textbuf *out, const struct vmsim__mempolicy *p) {
    static const char *const names[VMSIM__MPOL_MODES] = {
        "default", "prefer", "bind", "interleave", "local", "prefer (many)", "weighted interleave"};
    bool set[VMSIM__MAX_NODES];
    vmsim__textbuf_puts(out, names[p->mode]);
    if (p->mode == VMSIM__MPOL_DEFAULT || p->mode == VMSIM__MPOL_LOCAL)
        return;
    if (p->flags & VMSIM__MPOL_F_STATIC_NODES)
        vmsim__textbuf_puts(out, "=static");
    if (p->flags & VMSIM__MPOL_F_RELATIVE_NODES)
        vmsim__textbuf_puts(out, "=relative");
    for (unsigned n = 0; n < m->mem->nr_nodes; n++)
        set[n] = p->nodes >> n & 1;
    vmsim__textbuf_puts(out, ":");
    vmsim__proc_list(out, set, m->mem->nr_nodes);
}

/* In the kernel's order and under its conditions: a number is only there when it says something that the others do not.
 * Kernel: show_numa_map. */
static void print_counts(const struct vmsim_machine *m, struct vmsim__textbuf *out, const struct numa_map *n) {
    const struct {
        const char *name;
        uint64_t value;
        bool shown;
    } counts[] = {{"anon", n->anon, n->anon},
                  {"dirty", n->dirty, n->dirty},
                  {"mapped", n->pages, n->pages != n->anon && n->pages != n->dirty},
                  {"mapmax", n->mapcount_max, n->mapcount_max > 1},
                  {"swapcache", n->swapcache, n->swapcache},
                  {"active", n->active, n->active < n->pages},
                  {"writeback", n->writeback, n->writeback}};
    for (size_t i = 0; i < VMSIM__COUNT(counts); i++) {
        if (counts[i].shown)
            vmsim__textbuf_printf(out, " %s=%llu", counts[i].name, (unsigned long long)counts[i].value);
    }
    for (unsigned node = 0; node < m->mem->nr_nodes; node++) {
        if (n->node[node])
            vmsim__textbuf_printf(out, " N%u=%llu", node, (unsigned long long)n->node[node]);
    }
    vmsim__textbuf_printf(out, " kernelpagesize_kB=%llu", (unsigned long long)vmsim__pages_kb(m, 1));
}

void vmsim__task_numa_maps(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t id) {
    const struct vmsim__task *t = vmsim__task_at(m, id);
    for (const struct vmsim__vma *v = t->mm ? t->mm->first : NULL; v; v = v->next) {
        const char *name = vmsim__vma_name(v);
        struct numa_map n = {0};
        char printable[512];
        vmsim__textbuf_printf(out, "%08llx ", (unsigned long long)v->start);
        print_policy(m, out, v->policy.mode ? &v->policy : &t->policy.policy);
        if (v->file && name)
            vmsim__textbuf_printf(out, " file=%s", vmsim__printable(name, printable, sizeof printable));
        else if (name && (!strcmp(name, "[heap]") || !strcmp(name, "[stack]")))
            vmsim__textbuf_printf(out, " %.*s", (int)strlen(name) - 2, name + 1);
        gather_mapping(v, &n);
        if (n.pages)
            print_counts(m, out, &n);
        vmsim__textbuf_puts(out, "\n");
    }
}
