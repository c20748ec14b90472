/* SPDX-License-Identifier: MIT */
/* Who may have how much: limits of a process, Committed_AS and the three overcommit modes, counters of an address
 * space.
 *
 * RSS has two forms. Linux 6.1 gathers the faults of a thread in a cache of its own and folds it in when more than 64
 * faults have passed or pages go away; /proc/PID/status shows what is folded in, smaps recounts. Here rss + rss_cache
 * is exact and rss alone is what status shows. Since 6.2 (rss_percpu) each CPU keeps some pages to itself: rss is the
 * sum of all, and rss_folded, what they have handed over, decides on the peak. Kernel counterparts: mm/util.c
 * (__vm_enough_memory), mm/mmap.c (may_expand_vm, vm_stat_account), mm/memory.c (sync_mm_rss), mm/mlock.c. */
#include "vm/vm_impl.h"

/* The kernel's is_data_mapping and is_exec_mapping: what RLIMIT_DATA and VmExe count. */
static bool is_data(uint32_t flags) {
    return (flags & (VMSIM__VM_WRITE | VMSIM__VM_SHARED | VMSIM__VM_GROWSDOWN)) == VMSIM__VM_WRITE;
}
static bool is_exec(uint32_t flags) {
    return (flags & (VMSIM__VM_EXEC | VMSIM__VM_WRITE | VMSIM__VM_GROWSDOWN)) == VMSIM__VM_EXEC;
}

/* A limit in pages. */
static uint64_t limit_pages(const struct vmsim__mm *mm, enum vmsim__rlimit which) {
    VMSIM__ASSERT(which < VMSIM__RLIMITS);
    return mm->rlimit[which] == UINT64_MAX ? UINT64_MAX : mm->rlimit[which] >> mm->vm->page_shift;
}

/* Kernel: may_expand_vm. */
bool vmsim__may_expand(const struct vmsim__mm *mm, uint32_t flags, uint64_t pages) {
    if (mm->total_vm + pages > limit_pages(mm, VMSIM__RLIMIT_AS))
        return false;
    return !is_data(flags) || mm->data_vm + pages <= limit_pages(mm, VMSIM__RLIMIT_DATA);
}

/* Kernel: vm_stat_account. A negative count takes back what the same flags had added, so that flags must not change in
 * between. */
void vmsim__stat_account(struct vmsim__mm *mm, uint32_t flags, int64_t pages) {
    VMSIM__ASSERT(pages >= 0 || mm->total_vm >= (uint64_t)-pages);
    mm->total_vm += (uint64_t)pages;
    if (is_exec(flags))
        mm->exec_vm += (uint64_t)pages;
    else if (flags & VMSIM__VM_GROWSDOWN)
        mm->stack_vm += (uint64_t)pages;
    else if (is_data(flags))
        mm->data_vm += (uint64_t)pages;
}

/* Kernel: can_do_mlock. */
bool vmsim__mlock_allowed(const struct vmsim__mm *mm) {
    return mm->rlimit[VMSIM__RLIMIT_MEMLOCK] || mm->privileged;
}

/* RLIMIT_MEMLOCK counts pages, so that a limit that is no multiple of the page size rounds down. */
bool vmsim__mlock_room(const struct vmsim__mm *mm, uint32_t flags, uint64_t bytes) {
    if (!(flags & VMSIM__VM_LOCKED) || mm->privileged)
        return true;
    return mm->locked_vm + (bytes >> mm->vm->page_shift) <= limit_pages(mm, VMSIM__RLIMIT_MEMLOCK);
}

/* ---- Committed_AS ---- */

/* What tmpfs files hold: they are charged page by page as they grow; shared anonymous memory was charged whole.
 * Recounted when asked for: files have no address space to charge, and the figure is read far less often than files
 * grow. */
static uint64_t shmem_committed(const struct vmsim__vm *vm) {
    uint64_t pages = 0;
    uint32_t id = 1;
    for (struct vmsim__file *f; (f = vmsim__file_next(vm->cache, &id)); id++) {
        const struct vmsim__imap *map = f->mappings;
        if (f->kind == VMSIM__FILE_SHMEM && !(map && map->precommitted))
            pages += f->nrpages + f->swapped;
    }
    return pages;
}

uint64_t vmsim__vm_committed(const struct vmsim__vm *vm) {
    int64_t own = vm->committed > 0 ? vm->committed : 0;
    return (uint64_t)own + shmem_committed(vm);
}

/* Kernel: vm_commit_limit: hugetlb pages are out of reach for ordinary memory and count on neither side. */
uint64_t vmsim__vm_commit_limit(const struct vmsim__vm *vm) {
    const struct vmsim__mem *mem = vm->mem;
    uint64_t huge = vmsim__hugetlb_frames(mem, VMSIM__MAX_NODES), pages;
    if (vm->spec.overcommit_kbytes)
        return (vm->spec.overcommit_kbytes << 10 >> vm->page_shift) + vm->swap_pages;
    pages = mem->totalram > huge ? mem->totalram - huge : 0;
    return pages * vm->spec.overcommit_ratio / 100 + vm->swap_pages;
}

/* Kernel: __vm_enough_memory. Mode 0 refuses only what could never fit; mode 2 keeps a reserve for root, and one of
 * at most 1/32 of the process for the user to recover with. */
bool vmsim__mm_enough_memory(const struct vmsim__mm *mm, uint64_t pages) {
    const struct vmsim__vm *vm = mm->vm;
    if (vm->spec.overcommit_memory == 1)
        return true;
    if (vm->spec.overcommit_memory == 0)
        return pages <= vm->mem->totalram + vm->swap_pages;
    uint64_t allowed = vmsim__vm_commit_limit(vm), kb = vm->page_shift - 10;
    if (!mm->privileged)
        allowed -= vmsim__min64(allowed, vm->spec.admin_reserve_kbytes >> kb);
    uint64_t reserve = vmsim__min64(mm->total_vm / 32, vm->spec.user_reserve_kbytes >> kb);
    allowed -= vmsim__min64(allowed, reserve);
    return vmsim__vm_committed(vm) + pages < allowed;
}

bool vmsim__commit(struct vmsim__mm *mm, uint64_t pages) {
    VMSIM__ASSERT(pages < (UINT64_C(1) << 62));
    if (!vmsim__mm_enough_memory(mm, pages))
        return false;
    mm->vm->committed += (int64_t)pages;
    return true;
}

/* Kernel: vm_unacct_memory. */
void vmsim__uncommit(struct vmsim__vm *vm, uint64_t pages) {
    VMSIM__ASSERT(vm->committed >= (int64_t)pages);
    vm->committed -= (int64_t)pages;
}

/* ---- RSS ---- */

/* Kernel: percpu_counter_add_batch: a CPU keeps less than `batch` to itself. */
static void count_on_cpu(struct vmsim__mm *mm, enum vmsim__rss_kind kind, int64_t pages) {
    const int64_t cpus = mm->vm->mem->nr_cpus, batch = cpus > 16 ? 2 * cpus : 32;
    int32_t *own = &mm->rss_cpu[mm->cpu * VMSIM__RSS_KINDS + kind];
    int64_t n = *own + pages;
    VMSIM__ASSERT(mm->cpu < mm->vm->mem->nr_cpus);
    if (n >= batch || n <= -batch) {
        mm->rss_folded[kind] += n;
        n = 0;
    }
    *own = (int32_t)n;
}

void vmsim__rss_batch_start(struct vmsim__mm *mm) {
    VMSIM__ASSERT(!mm->rss_batching);
    mm->rss_batching = true;
}

void vmsim__rss_batch_end(struct vmsim__mm *mm) {
    VMSIM__ASSERT(mm->rss_batching);
    mm->rss_batching = false;
    for (unsigned k = 0; k < VMSIM__RSS_KINDS; k++) {
        if (mm->rss_batch[k])
            count_on_cpu(mm, k, mm->rss_batch[k]);
        mm->rss_batch[k] = 0;
    }
}

void vmsim__rss_percpu_add(struct vmsim__mm *mm, enum vmsim__rss_kind kind, int64_t pages) {
    VMSIM__ASSERT(mm->rss_cpu);
    if (mm->rss_batching)
        mm->rss_batch[kind] += pages;
    else
        count_on_cpu(mm, kind, pages);
}

void vmsim__vdso_mapped(struct vmsim__vma *vma, int entries) {
    VMSIM__ASSERT(vmsim__vma_is_vdso(vma) && (entries > 0 || vma->mm->vm->vdso_mapped > 0));
    vma->mm->vm->vdso_mapped += (uint64_t)(int64_t)entries;
    vmsim__rss_add_fast(vma->mm, VMSIM__RSS_FILE, entries);
}

/* Kernel: sync_mm_rss. */
void vmsim__rss_sync(struct vmsim__mm *mm) {
    for (unsigned k = 0; k < VMSIM__RSS_KINDS; k++) {
        mm->rss[k] += mm->rss_cache[k];
        mm->rss_cache[k] = 0;
    }
    mm->rss_events = 0;
    VMSIM__ASSERT(mm->rss[VMSIM__RSS_ANON] >= 0 && mm->rss[VMSIM__RSS_FILE] >= 0 && mm->rss[VMSIM__RSS_SHMEM] >= 0);
}

/* Kernel: get_mm_counter: a count that lags may be below zero for a while. */
static uint64_t clamped(int64_t n) {
    return n > 0 ? (uint64_t)n : 0;
}

uint64_t vmsim__mm_counter(const struct vmsim__mm *mm, enum vmsim__rss_kind kind) {
    VMSIM__ASSERT(kind < VMSIM__RSS_KINDS);
    return clamped(mm->rss_cpu ? mm->rss_folded[kind] : mm->rss[kind]);
}

/* Kernel: get_mm_rss: file, anonymous and shared memory; swapped pages are not resident. */
static uint64_t resident(const int64_t rss[VMSIM__RSS_KINDS]) {
    return clamped(rss[VMSIM__RSS_FILE]) + clamped(rss[VMSIM__RSS_ANON]) + clamped(rss[VMSIM__RSS_SHMEM]);
}

static uint64_t folded(const struct vmsim__mm *mm) {
    return resident(mm->rss_cpu ? mm->rss_folded : mm->rss);
}

/* Kernel: update_hiwater_rss, called before pages go: the peak is only known then. It reads what is folded in, while
 * /proc sums the CPUs up. */
void vmsim__hiwater_rss(struct vmsim__mm *mm) {
    mm->hiwater_rss = vmsim__max64(mm->hiwater_rss, folded(mm));
}

uint64_t vmsim__mm_rss(const struct vmsim__mm *mm, enum vmsim__rss_kind kind) {
    return clamped(mm->rss[kind] + mm->rss_cache[kind]);
}

/* Program text without what lies beyond it: VmLib is the rest of the executable mappings. */
void vmsim__mm_status(const struct vmsim__mm *mm, struct vmsim__mm_status *out) {
    const unsigned kb = mm->vm->page_shift - 10;
    const uint64_t page = mm->vm->page_size;
    uint64_t text = vmsim__align_up(mm->end_code, page) - vmsim__align_down(mm->start_code, page);
    text = vmsim__min64(text, mm->exec_vm << mm->vm->page_shift);
    *out = (struct vmsim__mm_status){
        .vm_peak = vmsim__max64(mm->hiwater_vm, mm->total_vm) << kb,
        .vm_size = mm->total_vm << kb,
        .vm_lck = mm->locked_vm << kb,
        .vm_hwm = vmsim__max64(mm->hiwater_rss, resident(mm->rss)) << kb,
        .vm_rss = resident(mm->rss) << kb,
        .max_rss = vmsim__max64(mm->hiwater_rss, folded(mm)) << kb,
        .rss_anon = clamped(mm->rss[VMSIM__RSS_ANON]) << kb,
        .rss_file = clamped(mm->rss[VMSIM__RSS_FILE]) << kb,
        .rss_shmem = clamped(mm->rss[VMSIM__RSS_SHMEM]) << kb,
        .vm_data = mm->data_vm << kb,
        .vm_stk = mm->stack_vm << kb,
        .vm_exe = text >> 10,
        .vm_lib = (mm->exec_vm << kb) - (text >> 10),
        .vm_pte = mm->pgtables_bytes >> 10,
        .hugetlb = mm->hugetlb_pages << kb,
        .vm_swap = clamped(mm->rss[VMSIM__RSS_SWAP]) << kb,
    };
}

void vmsim__mm_inherit(struct vmsim__mm *mm, const struct vmsim__mm *before) {
    VMSIM__ASSERT(mm != before);
    for (unsigned i = 0; i < VMSIM__RLIMITS; i++)
        mm->rlimit[i] = before->rlimit[i];
    mm->thp_disabled = before->thp_disabled;
}

void vmsim__mm_set_rlimit(struct vmsim__mm *mm, enum vmsim__rlimit which, uint64_t bytes) {
    VMSIM__ASSERT(which < VMSIM__RLIMITS);
    mm->rlimit[which] = bytes;
}
