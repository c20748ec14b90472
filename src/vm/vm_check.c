/* SPDX-License-Identifier: MIT */
/* The oracle of address spaces: everything that is counted is counted again, everything that points somewhere is
 * followed back.
 *
 * Per address space: list, tree and gaps; totals of VMAs; entries inside VMAs; RSS; tables. Then over all of them:
 * entries per frame against mapcount, references and the reverse map; nr_anon_pages, nr_mapped, nr_page_table_pages;
 * Committed_AS; anon_vmas; slots of swap against the entries that name them. Kernel counterparts: mm/mmap.c
 * (validate_mm), mm/debug_vm_pgtable.c. */
#include "base/err.h"
#include "cache/swap_cache.h"
#include "vm/vm_hugetlb.h"

#include <inttypes.h>

/* Base pages of hugetlb pages that a cgroup should be charged for. */
struct huge_charges {
    uint64_t pages[VMSIM__HSTATES][VMSIM__HUGETLB_USES];
};

struct check {
    struct vmsim__vm *vm;
    struct vmsim__err *err;
    struct vmsim__radix entries; /* pfn -> base entries + (huge entries << 32) */
    struct vmsim__radix slots;   /* vmsim__swp_slot_word -> entries that name it */
    uint64_t committed, tables, vdso_mapped, swap_entries;
    uint64_t huge_files;   /* huge entries of files */
    int64_t pmd_mapped[2]; /* folios that such entries map: of files, of shmem */
    uint64_t vmas;
    uint64_t huge_used[VMSIM__HSTATES], huge_promised[VMSIM__HSTATES]; /* hugetlb pages */
    struct huge_charges *charged;                                      /* by cgroup, of itself alone */
};

#define FAIL(c, ...) return vmsim__err_set((c)->err, VMSIM_ECHECK, __VA_ARGS__)

/* ---- VMAs ---- */

/* The tree, bottom up: order, balance and the largest gap below each node, which every search for free addresses
 * trusts. The list is taken as right here; check_vmas holds the two against each other by their counts. */
static int check_node(struct check *c, const struct vmsim__mm *mm, const struct vmsim__vma *v, unsigned *height,
                      uint64_t *gap, uint64_t *count) {
    unsigned lh = 0, rh = 0;
    uint64_t lg = 0, rg = 0;
    *height = 0;
    *gap = 0;
    if (!v)
        return 0;
    const struct vmsim__vma *left = vmsim__vma_of_node(v->node.left), *right = vmsim__vma_of_node(v->node.right);
    if ((left && (left->node.parent != &v->node || left->start >= v->start)) ||
        (right && (right->node.parent != &v->node || right->start <= v->start)))
        FAIL(c, "mm %u: tree out of order at %" PRIx64, mm->id, v->start);
    int e = check_node(c, mm, left, &lh, &lg, count);
    if (!e)
        e = check_node(c, mm, right, &rh, &rg, count);
    if (e)
        return e;
    uint64_t low = v->prev ? v->prev->end : 0, high = vmsim__vma_gap_start(v), own = high > low ? high - low : 0;
    *height = (lh > rh ? lh : rh) + 1;
    *gap = vmsim__max64(own, vmsim__max64(lg, rg));
    (*count)++;
    if (v->node.height != *height || (lh > rh ? lh - rh : rh - lh) > 1)
        FAIL(c, "mm %u: tree unbalanced at %" PRIx64, mm->id, v->start);
    if (v->gap != own || v->max_gap != *gap)
        FAIL(c, "mm %u: gap of %" PRIx64 " is %" PRIx64 ", should be %" PRIx64, mm->id, v->start, v->gap, own);
    return 0;
}

/* An address space's own anon_vma has to be on the chain, or rmap would miss pages that it faulted in itself; those of
 * its parents may be missing, where they have ended. */
static int check_chain(struct check *c, const struct vmsim__vma *v) {
    bool own = !v->anon_vma;
    for (const struct vmsim__avc *a = v->chain; a; a = a->same) {
        if (a->vma != v || !a->anon_vma || vmsim__anon_vma_at(c->vm, a->anon_vma->id) != a->anon_vma)
            FAIL(c, "mm %u: chain of %" PRIx64 " is broken", v->mm->id, v->start);
        own = own || a->anon_vma->id == v->anon_vma;
    }
    if (!own)
        FAIL(c, "mm %u: %" PRIx64 " is not on the list of its anon_vma", v->mm->id, v->start);
    return 0;
}

/* The sums that VmSize, VmData, VmLck and their limits go by, counted anew from what is mapped. Kernel: validate_mm,
 * with what it leaves out. */
static int check_vmas(struct check *c, struct vmsim__mm *mm) {
    const struct vmsim__vma *prev = NULL;
    struct vmsim__mm sum = {.vm = c->vm};
    uint64_t nodes = 0, gap;
    unsigned height;
    for (const struct vmsim__vma *v = mm->first; v; prev = v, v = v->next) {
        uint64_t pages = vmsim__vma_pages(v, c->vm->page_shift);
        if (v->prev != prev || v->mm != mm || v->start >= v->end || (prev && prev->end > v->start) ||
            ((v->start | v->end) & (c->vm->page_size - 1)) || v->end > mm->task_size)
            FAIL(c, "mm %u: VMA %" PRIx64 "-%" PRIx64 " is out of place", mm->id, v->start, v->end);
        vmsim__stat_account(&sum, v->flags, (int64_t)pages);
        sum.locked_vm += v->flags & VMSIM__VM_LOCKED ? pages : 0;
        c->committed += v->flags & VMSIM__VM_ACCOUNT ? pages : 0;
        sum.map_count++;
        int e = check_chain(c, v);
        if (e)
            return e;
    }
    int e = check_node(c, mm, vmsim__vma_of_node(mm->root), &height, &gap, &nodes);
    if (e)
        return e;
    if (nodes != sum.map_count || mm->map_count != sum.map_count)
        FAIL(c, "mm %u: %u VMAs listed, %u counted, %" PRIu64 " in the tree", mm->id, sum.map_count, mm->map_count,
             nodes);
    if (sum.total_vm != mm->total_vm || sum.data_vm != mm->data_vm || sum.exec_vm != mm->exec_vm ||
        sum.stack_vm != mm->stack_vm || sum.locked_vm != mm->locked_vm)
        FAIL(c,
             "mm %u: total/data/exec/stack/locked %" PRIu64 "/%" PRIu64 "/%" PRIu64 "/%" PRIu64 "/%" PRIu64
             ", recount %" PRIu64 "/%" PRIu64 "/%" PRIu64 "/%" PRIu64 "/%" PRIu64,
             mm->id, mm->total_vm, mm->data_vm, mm->exec_vm, mm->stack_vm, mm->locked_vm, sum.total_vm, sum.data_vm,
             sum.exec_vm, sum.stack_vm, sum.locked_vm);
    c->vmas += sum.map_count;
    return 0;
}

/* ---- entries ---- */

static bool count_entry(struct check *c, uint64_t pfn, uint64_t n) {
    return vmsim__radix_set(&c->entries, pfn, vmsim__radix_get(&c->entries, pfn) + n, NULL);
}

/* Entries of page tables are counted a slot; those of shared memory are the cache's. */
static int check_slot(struct check *c, const struct vmsim__vma *v, uint64_t va, struct vmsim__swp e) {
    const struct vmsim__vm *vm = c->vm;
    if (!vmsim__swp_is_swap(e) || vm->swap != &vm->cache_swap)
        return 0;
    const uint64_t key = vmsim__swp_slot_word(e), n = vmsim__radix_get(&c->slots, key) + 1;
    if (n > vmsim__swap_users(vmsim__cache_swap(vm->cache), e))
        FAIL(c, "mm %u: entry at %" PRIx64 " is number %" PRIu64 " to name slot %" PRIu64 " of swap area %u", v->mm->id,
             va, n, e.offset, e.type);
    if (!vmsim__radix_set(&c->slots, key, n, NULL))
        return vmsim__err_set(c->err, VMSIM_ENOMEM, "check");
    c->swap_entries++;
    return 0;
}

/* What an entry claims has to agree with three others: its mapping (rights, place in the file), its frame (in use, of
 * this file or this anon_vma's index), and the counts that check_frame makes of all entries. A base page counts 1, a
 * huge mapping 2^32, so that one number in the tree keeps both apart. */
static int check_entry(struct check *c, const struct vmsim__vma *v, uint64_t va, const struct vmsim__pt_slot *slot,
                       int64_t rss[VMSIM__RSS_KINDS + 1]) {
    struct vmsim__vm *vm = c->vm;
    struct vmsim__pte pte = vmsim__pt_get(vm->format, slot);
    if (pte.flags & VMSIM__PTE_SWAP) {
        const enum vmsim__rss_kind kind = vmsim__swp_rss_kind(vm, vmsim__swp_of(pte));
        if (kind < VMSIM__RSS_KINDS)
            rss[kind]++;
        return check_slot(c, v, va, vmsim__swp_of(pte));
    }
    if ((pte.flags & VMSIM__PTE_WRITE) && !(v->flags & VMSIM__VM_WRITE))
        FAIL(c, "mm %u: writable entry at %" PRIx64 " of a read-only VMA", v->mm->id, va);
    if (pte.flags & VMSIM__PTE_SPECIAL) {
        rss[VMSIM__RSS_FILE] += vmsim__vma_is_vdso(v);
        c->vdso_mapped += vmsim__vma_is_vdso(v);
        if (pte.flags & VMSIM__PTE_WRITE)
            FAIL(c, "mm %u: writable zero page at %" PRIx64, v->mm->id, va);
        return 0;
    }
    vmsim__pfn pfn = (vmsim__pfn)pte.pfn;
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn), *head = vmsim__vm_frame(vm, vmsim__vm_head(vm, pfn));
    const bool hugetlb = v->flags & VMSIM__VM_HUGETLB;
    if (hugetlb != vmsim__folio_hugetlb(head))
        FAIL(c, "mm %u: hugetlb page at %" PRIx64 " in another mapping, or another in one of them", v->mm->id, va);
    if (head->refcount <= 0 || vmsim__frame_is(f, VMSIM__FRAME_TABLE | VMSIM__FRAME_BUDDY | VMSIM__FRAME_PCP))
        FAIL(c, "mm %u: entry at %" PRIx64 " maps frame %u, which is free or a table", v->mm->id, va, pfn);
    bool anon = vmsim__frame_is(head, VMSIM__FRAME_ANON);
    uint64_t index = vmsim__frame_index(head) + (pfn - vmsim__vm_head(vm, pfn));
    if (index != vmsim__vma_index(v, va))
        FAIL(c, "mm %u: frame %u at %" PRIx64 " has index %" PRIu64 ", its VMA says %" PRIu64, v->mm->id, pfn, va,
             index, vmsim__vma_index(v, va));
    if (anon && (pte.flags & VMSIM__PTE_WRITE) && !vmsim__frame_is(hugetlb ? head : f, VMSIM__FRAME_EXCLUSIVE))
        FAIL(c, "mm %u: frame %u at %" PRIx64 " is writable, but not exclusive", v->mm->id, pfn, va);
    if (!anon && (!v->file || head->mapping != v->file->id))
        FAIL(c, "mm %u: frame %u at %" PRIx64 " is of another file", v->mm->id, pfn, va);
    if (hugetlb && f != head) /* a run of entries counts once */
        return 0;
    rss[hugetlb ? VMSIM__RSS_KINDS : vmsim__rss_kind_of(head)] +=
        hugetlb ? vmsim__frame_pages(head) : INT64_C(1) << (vm->format->shift[slot->level] - vm->page_shift);
    if (!count_entry(c, pfn, slot->level || hugetlb ? UINT64_C(1) << 32 : 1))
        return vmsim__err_set(c->err, VMSIM_ENOMEM, "check");
    return 0;
}

/* Residence by kind, of pages and entries of swap. What a task keeps in its cache of counters (SPLIT_RSS_COUNTING) is
 * part of it. */
static int check_pages(struct check *c, struct vmsim__mm *mm) {
    int64_t rss[VMSIM__RSS_KINDS + 1] = {0}; /* hugetlb pages at the end */
    struct vmsim__pt_slot slot;
    const struct vmsim__vma *v = mm->first;
    for (uint64_t va = 0; vmsim__pt_next(&mm->pt, &va, mm->task_size, &slot);) {
        while (v && v->end <= va)
            v = v->next;
        if (!v || v->start > va)
            FAIL(c, "mm %u: entry at %" PRIx64 " outside all VMAs", mm->id, va);
        int e = check_entry(c, v, va, &slot, rss);
        if (e)
            return e;
        va += UINT64_C(1) << mm->pt.format->shift[slot.level];
    }
    for (unsigned k = 0; k < VMSIM__RSS_KINDS; k++) {
        if (rss[k] != mm->rss[k] + mm->rss_cache[k])
            FAIL(c, "mm %u: RSS kind %u is %" PRId64 ", entries say %" PRId64, mm->id, k, mm->rss[k] + mm->rss_cache[k],
                 rss[k]);
    }
    if (rss[VMSIM__RSS_KINDS] != (int64_t)mm->hugetlb_pages)
        FAIL(c, "mm %u: HugetlbPages %" PRIu64 ", entries say %" PRId64, mm->id, mm->hugetlb_pages,
             rss[VMSIM__RSS_KINDS]);
    return 0;
}

/* VmPTE counts PMD and PTE tables (and deposited ones); which of them are in nr_page_table_pages changed with the
 * release. */
static int check_tables(struct check *c, struct vmsim__mm *mm) {
    uint64_t held = mm->deposits, counted = held;
    const unsigned top = mm->pt.format->levels - 1u;
    for (unsigned l = 0; l < top; l++) {
        held += l <= 2 ? mm->pt.tables[l] : 0;
        counted += l <= (c->vm->kernel->pud_accounted ? 2u : 1u) ? mm->pt.tables[l] : 0;
    }
    if (held * vmsim__table_bytes(c->vm) != mm->pgtables_bytes)
        FAIL(c, "mm %u: VmPTE %" PRIu64 " bytes, tables %" PRIu64, mm->id, mm->pgtables_bytes, held);
    c->tables += counted;
    return 0;
}

/* What is remembered of leaf tables against a walk from the root. */
static int check_leaves(struct check *c, struct vmsim__mm *mm) {
    for (unsigned i = 0; i < VMSIM__LEAVES; i++) {
        const struct vmsim__leaf *l = &c->vm->leaves[i];
        struct vmsim__pt_slot slot;
        if (l->stamp != mm->leaf_stamp)
            continue;
        if (!vmsim__pt_slot(&mm->pt, l->start, 0, false, &slot) || slot.entry != l->host || slot.table != l->table)
            FAIL(c, "mm %u: the leaf table at %#" PRIx64 " is not the one that is remembered", mm->id, l->start);
    }
    return 0;
}

/* ---- frames ---- */

struct tally {
    uint64_t base, huge;
};
static bool tally_one(void *context, struct vmsim__mapping *m) {
    struct tally *t = context;
    (*(m->slot.level ? &t->huge : &t->base))++;
    return true;
}

/* From a frame's side: as many entries as its counts say, the reverse map finds them all, and no reference is missing.
 * Parts of a huge page share the head's references, and count for nr_anon_pages once. */
static int check_frame(struct check *c, vmsim__pfn pfn, uint64_t base, uint64_t huge, int64_t *anon, int64_t *mapped) {
    struct vmsim__vm *vm = c->vm;
    const struct vmsim__frame *f = vmsim__vm_frame(vm, pfn), *head = vmsim__vm_frame(vm, vmsim__vm_head(vm, pfn));
    const bool compound = vmsim__frame_is(f, VMSIM__FRAME_HEAD | VMSIM__FRAME_TAIL);
    if (f->mapcount != (int32_t)base)
        FAIL(c, "frame %u: mapcount %d, %" PRIu64 " entries", pfn, f->mapcount, base);
    if (head->refcount < (int32_t)(base + huge))
        FAIL(c, "frame %u: refcount %d, %" PRIu64 " entries", pfn, head->refcount, base + huge);
    struct tally t = {0, 0};
    vmsim__rmap_walk(vm, pfn, tally_one, &t);
    if (!compound && t.base != base)
        FAIL(c, "frame %u: %" PRIu64 " entries, the reverse map finds %" PRIu64, pfn, base, t.base);
    if (huge && vmsim__vm_mapcount(vm, pfn) != (int64_t)(base + huge))
        FAIL(c, "frame %u: huge mapcount %" PRId64 ", %" PRIu64 " entries", pfn, vmsim__vm_mapcount(vm, pfn),
             base + huge);
    if (vmsim__folio_hugetlb(head))
        return 0;
    int64_t *count = vmsim__frame_is(head, VMSIM__FRAME_ANON) ? anon : mapped;
    int64_t n = !compound || !huge ? 1 : (int64_t)vmsim__frame_pages(head);
    if (!compound || huge || !vmsim__radix_get(&c->entries, vmsim__vm_head(vm, pfn)) ||
        !(vmsim__radix_get(&c->entries, vmsim__vm_head(vm, pfn)) >> 32))
        *count += n;
    if (huge && count == mapped) {
        c->huge_files += huge;
        c->pmd_mapped[vmsim__frame_is(head, VMSIM__FRAME_SWAPBACKED)]++;
    }
    return 0;
}

/* Totals of the machine follow from the frames that entries name, so nothing that is mapped is left out or counted
 * twice. */
static int check_frames(struct check *c) {
    struct vmsim__vm *vm = c->vm;
    int64_t anon = 0, mapped = 0;
    uint64_t pfn = 0, n;
    for (; (n = vmsim__radix_next(&c->entries, &pfn)); pfn++) {
        int e = check_frame(c, (vmsim__pfn)pfn, n & UINT32_MAX, n >> 32, &anon, &mapped);
        if (e)
            return e;
    }
    int64_t has = vmsim__mem_node_stat(vm->mem, VMSIM__NR_ANON_PAGES);
    if (has != anon)
        FAIL(c, "nr_anon_pages %" PRId64 ", entries say %" PRId64, has, anon);
    has = vmsim__mem_node_stat(vm->mem, VMSIM__NR_MAPPED);
    if (has != mapped)
        FAIL(c, "nr_mapped %" PRId64 ", entries say %" PRId64, has, mapped);
    for (unsigned shmem = 0; shmem < 2; shmem++) {
        has = vmsim__mem_node_stat(vm->mem, shmem ? VMSIM__NR_SHMEM_PMDMAPPED : VMSIM__NR_FILE_PMDMAPPED);
        if (has != c->pmd_mapped[shmem])
            FAIL(c, "huge pages of %s mapped: %" PRId64 ", entries say %" PRId64, shmem ? "shmem" : "files", has,
                 c->pmd_mapped[shmem]);
    }
    if (vm->huge_files != c->huge_files)
        FAIL(c, "%" PRIu64 " huge entries of files, %" PRIu64 " found", vm->huge_files, c->huge_files);
    has = vmsim__mem_node_stat(vm->mem, VMSIM__NR_PAGE_TABLE_PAGES);
    if (has != (int64_t)c->tables)
        FAIL(c, "nr_page_table_pages %" PRId64 ", tables %" PRIu64, has, c->tables);
    return 0;
}

/* A slot has one user an entry, whoever holds it: an address space, or a file in shared memory. One too many is never
 * freed, one too few gives the slot to somebody else's page. */
static int check_swap(struct check *c) {
    const struct vmsim__vm *vm = c->vm;
    if (!vm->swap || vm->swap != &vm->cache_swap)
        return 0;
    const uint64_t entries = c->swap_entries + vmsim__cache_swapped(vm->cache);
    const uint64_t users = vmsim__swap_entries(vmsim__cache_swap(vm->cache));
    if (users != entries)
        FAIL(c, "slots of swap have %" PRIu64 " users, entries are %" PRIu64, users, entries);
    return 0;
}

/* ---- shared objects ---- */

/* children: what each anon_vma's children were counted to. */
static int check_anon_vma(struct check *c, const struct vmsim__anon_vma *a, uint32_t children) {
    uint32_t active = 0;
    if (!a->vmas.root || !vmsim__interval_tree_valid(&a->vmas))
        FAIL(c, "anon_vma %u has no VMAs, or its tree is broken", a->id);
    for (const struct vmsim__interval *n = vmsim__interval_first(&a->vmas, 0, UINT64_MAX); n;
         n = vmsim__interval_next(n, 0, UINT64_MAX)) {
        const struct vmsim__vma *v = vmsim__avc_of_link(n)->vma;
        active += v->anon_vma == a->id;
        if (n->start != v->pgoff || n->last != vmsim__vma_last_index(v))
            FAIL(c, "anon_vma %u has pages %" PRIu64 "-%" PRIu64 " for VMA %" PRIx64, a->id, n->start, n->last,
                 v->start);
    }
    if (active != a->active || children != a->children)
        FAIL(c, "anon_vma %u: %u active, %u children; recount %u, %u", a->id, a->active, a->children, active, children);
    return 0;
}

/* An anon_vma stays while it has mappings or children; the children are counted first, since nothing links from a
 * parent to them. */
static int check_anon_vmas(struct check *c) {
    const struct vmsim__vm *vm = c->vm;
    const size_t n = vm->anon_table.count;
    uint32_t *children = vmsim__calloc(vm->alloc, n, sizeof *children);
    int e = 0;
    if (!children)
        return vmsim__err_set(c->err, VMSIM_ENOMEM, "check");
    for (size_t id = 1; id < n; id++) {
        if (vm->anon_table.at[id])
            children[vm->anon_table.at[id]->parent]++;
    }
    for (size_t id = 1; id < n && !e; id++) {
        if (vm->anon_table.at[id])
            e = check_anon_vma(c, vm->anon_table.at[id], children[id]);
    }
    vmsim__free(vm->alloc, children, n * sizeof *children);
    return e;
}

/* Committed_AS is every accountable mapping and shared file, and the trees of file mappings have each mapping at its
 * pages: both change in many places, and a leak shows as an ENOMEM hours later. */
static int check_committed(struct check *c) {
    uint32_t id = 1;
    uint64_t mapped = 0;
    for (struct vmsim__file *f; (f = vmsim__file_next(c->vm->cache, &id)); id++) {
        const struct vmsim__imap *map = f->mappings;
        c->committed += map ? map->precommitted : 0;
        if (map && !vmsim__interval_tree_valid(&map->vmas))
            FAIL(c, "tree of the mappings of file %u is broken", f->id);
        for (const struct vmsim__interval *n = map ? vmsim__interval_first(&map->vmas, 0, UINT64_MAX) : NULL; n;
             n = vmsim__interval_next(n, 0, UINT64_MAX)) {
            const struct vmsim__vma *v = vmsim__vma_of_file_link(n);
            if (v->file != f || n->start != v->pgoff || n->last != vmsim__vma_last_index(v))
                FAIL(c, "file %u has pages %" PRIu64 "-%" PRIu64 " for VMA %" PRIx64, f->id, n->start, n->last,
                     v->start);
            mapped++;
        }
    }
    for (const struct vmsim__mm *mm = c->vm->first_mm; mm; mm = mm->next) {
        for (const struct vmsim__vma *v = mm->first; v; v = v->next)
            mapped -= v->file != NULL;
    }
    if (mapped)
        FAIL(c, "lists of mappings and VMAs of files differ by %" PRId64, (int64_t)mapped);
    if (c->vm->committed != (int64_t)c->committed)
        FAIL(c, "Committed_AS %" PRId64 ", recount %" PRIu64, c->vm->committed, c->committed);
    return 0;
}

/* ---- hugetlb ---- */

/* Base pages that entries of this page stand for. */
static uint64_t run_size(const struct check *c, uint64_t pfn) {
    return vmsim__frame_pages(vmsim__vm_frame(c->vm, (vmsim__pfn)pfn));
}

static unsigned hstate_with(const struct check *c, uint64_t pages) {
    unsigned h = 0;
    while (h < c->vm->mem->nr_hstates && UINT64_C(1) << c->vm->mem->hstate[h].order != pages)
        h++;
    return h;
}

static void count_charge(struct check *c, uint16_t memcg, unsigned hstate, enum vmsim__hugetlb_use use, uint64_t base) {
    VMSIM__ASSERT(memcg < vmsim__memcg_ids(c->vm->lru) && hstate < c->vm->mem->nr_hstates);
    c->charged[memcg].pages[hstate][use] += base;
}

/* A page in use, and who pays for it. */
static void count_used(struct check *c, unsigned hstate, const struct vmsim__frame *head) {
    c->huge_used[hstate]++;
    count_charge(c, head[1].memcg, hstate, VMSIM__HUGETLB_FAULT, vmsim__frame_pages(head));
    count_charge(c, head[2].memcg, hstate, VMSIM__HUGETLB_RSVD, vmsim__frame_pages(head));
}

/* Pages of a file count as used, mapped or not; so do promises that nobody has used up. */
static int check_hugefile(struct check *c, const struct vmsim__file *f) {
    const struct vmsim__hugefile *huge = vmsim__hugefile_of(f);
    uint64_t index = 0, entry, pages = 0;
    for (; (entry = vmsim__radix_next(&huge->pages, &index)); index++, pages++) {
        const struct vmsim__frame *head = vmsim__vm_frame(c->vm, (vmsim__pfn)(entry - 1));
        const uint64_t mapped = vmsim__radix_get(&c->entries, entry - 1) >> 32;
        if (head->mapping != f->id || vmsim__frame_index(head) >> c->vm->mem->hstate[huge->hstate].order != index ||
            !vmsim__folio_hugetlb(head) || head->refcount != (int32_t)mapped + 1)
            FAIL(c, "file %u: hugetlb page %" PRIu64 " has %d references, %" PRIu64 " entries", f->id, index,
                 head->refcount, mapped);
        if (!mapped)
            count_used(c, huge->hstate, head);
    }
    for (size_t i = 0; i < huge->resv.count; i++)
        count_charge(c, huge->resv.at[i].memcg, huge->hstate, VMSIM__HUGETLB_RSVD,
                     (huge->resv.at[i].to - huge->resv.at[i].from) << c->vm->mem->hstate[huge->hstate].order);
    const uint64_t noted = vmsim__resv_count(&huge->resv, 0, UINT64_MAX);
    if (pages != huge->nrpages || noted < pages)
        FAIL(c, "file %u: %" PRIu64 " hugetlb pages, counted as %" PRIu64 ", %" PRIu64 " noted", f->id, pages,
             huge->nrpages, noted);
    c->huge_promised[huge->hstate] += noted - pages;
    return 0;
}

static void count_promises(struct check *c, const struct vmsim__vma *v) {
    if (!(v->flags & VMSIM__VM_HUGETLB) || !v->resv)
        return;
    const uint64_t from = vmsim__huge_index(v, v->start), pages = (v->end - v->start) / vmsim__vma_page_size(v);
    c->huge_promised[vmsim__vma_hstate(v)] += pages - vmsim__resv_count(v->resv, from, from + pages);
    count_charge(c, v->resv->memcg, vmsim__vma_hstate(v), VMSIM__HUGETLB_RSVD,
                 (v->end - v->start) >> c->vm->page_shift);
}

/* Each cgroup pays for itself and for those below. */
static int check_charges(const struct check *c) {
    struct vmsim__memcg *root = vmsim__memcg_root(c->vm->lru);
    for (struct vmsim__memcg *m = vmsim__memcg_next(root, root); m; m = vmsim__memcg_next(root, m)) {
        for (unsigned i = 0; i < c->vm->mem->nr_hstates * VMSIM__HUGETLB_USES; i++) {
            const unsigned h = i / VMSIM__HUGETLB_USES, use = i % VMSIM__HUGETLB_USES;
            uint64_t pages = 0;
            for (struct vmsim__memcg *below = m; below; below = vmsim__memcg_next(m, below))
                pages += c->charged[below->id].pages[h][use];
            if (pages != m->hugetlb[h].use[use].usage)
                FAIL(c, "cgroup %u: %" PRIu64 " base pages of pool %u are charged (use %u), %" PRIu64 " found", m->id,
                     m->hugetlb[h].use[use].usage, h, use, pages);
        }
    }
    return 0;
}

/* A pool has promised what mappings and files may still ask for: one promise too few, and a fault that was promised a
 * page is killed by SIGBUS. */
static int check_hugetlb(struct check *c) {
    const struct vmsim__mem *mem = c->vm->mem;
    uint32_t id = 1;
    uint64_t pfn = 0;
    for (; vmsim__radix_next(&c->entries, &pfn); pfn++) {
        if (vmsim__folio_hugetlb(vmsim__vm_frame(c->vm, (vmsim__pfn)pfn)))
            count_used(c, hstate_with(c, run_size(c, pfn)), vmsim__vm_frame(c->vm, (vmsim__pfn)pfn));
    }
    for (const struct vmsim__mm *mm = c->vm->first_mm; mm; mm = mm->next) {
        for (const struct vmsim__vma *v = mm->first; v; v = v->next)
            count_promises(c, v);
    }
    for (struct vmsim__file *f; (f = vmsim__file_next(c->vm->cache, &id)); id++) {
        const int e = f->kind == VMSIM__FILE_HUGETLB ? check_hugefile(c, f) : 0;
        if (e)
            return e;
    }
    for (unsigned h = 0; h < mem->nr_hstates; h++) {
        const uint64_t used =
            vmsim__hugetlb_total(mem, h, VMSIM__MAX_NODES) - vmsim__hugetlb_free(mem, h, VMSIM__MAX_NODES);
        if (used != c->huge_used[h] || mem->hstate[h].reserved != c->huge_promised[h])
            FAIL(c, "pool %u: %" PRIu64 " pages in use, %" PRIu64 " promised; recount %" PRIu64 ", %" PRIu64, h, used,
                 mem->hstate[h].reserved, c->huge_used[h], c->huge_promised[h]);
    }
    return check_charges(c);
}

int vmsim__vm_check(struct vmsim__vm *vm, struct vmsim__err *err) {
    struct check c = {.vm = vm, .err = err};
    struct vmsim__slab nodes;
    const size_t charges = vmsim__memcg_ids(vm->lru) * sizeof *c.charged;
    c.charged = vmsim__calloc(vm->alloc, 1, charges);
    int e = c.charged ? 0 : vmsim__err_set(err, VMSIM_ENOMEM, "no memory for a check of address spaces");
    vmsim__radix_slab_init(&nodes, vm->alloc);
    vmsim__radix_init(&c.entries, &nodes);
    vmsim__radix_init(&c.slots, &nodes);
    for (struct vmsim__mm *mm = vm->first_mm; mm && !e; mm = mm->next) {
        e = check_vmas(&c, mm);
        if (vmsim__nommu(vm)) {
            e = e ? e : vmsim__nommu_check(mm, err);
            continue;
        }
        if (!e)
            e = check_pages(&c, mm);
        if (!e)
            e = check_tables(&c, mm);
        if (!e)
            e = check_leaves(&c, mm);
    }
    if (!e && c.vmas != vm->vmas.used)
        e = vmsim__err_set(err, VMSIM_ECHECK, "%zu VMAs allocated, %" PRIu64 " in use", vm->vmas.used, c.vmas);
    if (!e && c.vdso_mapped != vm->vdso_mapped)
        e = vmsim__err_set(err, VMSIM_ECHECK, "%" PRIu64 " entries of vdsos counted, %" PRIu64 " there",
                           vm->vdso_mapped, c.vdso_mapped);
    if (!e)
        e = check_frames(&c);
    if (!e)
        e = check_hugetlb(&c);
    if (!e)
        e = check_swap(&c);
    if (!e)
        e = check_anon_vmas(&c);
    if (!e)
        e = check_committed(&c);
    vmsim__radix_fini(&c.entries);
    vmsim__radix_fini(&c.slots);
    vmsim__slab_fini(&nodes);
    vmsim__free(vm->alloc, c.charged, charges);
    return e;
}
