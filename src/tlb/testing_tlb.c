/* SPDX-License-Identifier: MIT */
/* The harness of vmsim/testing.h for TLB policies: one array over a private x86-64 page table, mapped on demand.
 *
 * Page p lies at address p << 12 and in frame p + 1. The victim of a step is what its set held before and does not hold
 * after. */
#include "vmsim/testing.h"

#include <string.h>

#include "base/test_script.h"
#include "base/vec.h"
#include "tlb/tlb_internal.h"

#define PAGE_LIMIT (UINT64_C(1) << 34)

struct vmsim_test_tlb {
    struct vmsim__alloc *alloc;
    struct vmsim__policy_registry *policies;
    struct vmsim__tlb *tlb;
    struct vmsim__pagetable pt;
    struct vmsim__ptmem mem;
    struct {
        VMSIM__VEC(void *);
    } frames;         /* tables, by pfn; [0] is none */
    uint64_t *before; /* tags of a set */
    struct vmsim__err err;
};

static void *table_of(void *context, uint64_t pfn) {
    struct vmsim_test_tlb *t = context;
    return pfn < t->frames.count ? t->frames.at[pfn] : NULL;
}

static uint64_t take_table(void *context, unsigned level) {
    struct vmsim_test_tlb *t = context;
    (void)level;
    void *table = vmsim__calloc_aligned(t->alloc, 4096, 4096);
    if (!table || (!t->frames.count && !vmsim__vec_push(t->alloc, &t->frames, NULL)) ||
        !vmsim__vec_push(t->alloc, &t->frames, table)) {
        vmsim__free_aligned(t->alloc, table, 4096, 4096);
        return VMSIM__NO_FRAME;
    }
    return t->frames.count - 1;
}

static void give_table(void *context, uint64_t pfn, unsigned level) {
    struct vmsim_test_tlb *t = context;
    (void)level;
    vmsim__free_aligned(t->alloc, t->frames.at[pfn], 4096, 4096);
    t->frames.at[pfn] = NULL;
}

/* A TLB of one array and nothing else: what a script sees is the policy's doing alone. */
static int create_tlb(struct vmsim_test_tlb *t, const struct vmsim_test_tlb_options *o) {
    uint64_t ways = o->ways ? o->ways : 4, sets = o->sets ? o->sets : 1;
    struct vmsim__tlb_array_spec array = {
        .name = "test", .level = 1, .holds = VMSIM__TLB_BOTH, .entries = sets * ways, .ways = ways};
    struct vmsim__tlb_spec spec = *vmsim__tlb_spec_default();
    array.replacement.name = o->policy ? o->policy : o->linked ? o->linked->name : "lru";
    array.replacement.plugin = o->plugin;
    array.replacement.params = (struct vmsim_param_list){(void *)(uintptr_t)o->params, o->param_count};
    spec.arrays = (struct vmsim_param_list){&array, 1};
    spec.prefetch.name = o->prefetch;
    int e = vmsim__tlb_policies_add(t->policies, &t->err);
    if (!e && o->linked)
        e = vmsim__policy_add(t->policies, o->linked, "linked-in", &t->err);
    const struct vmsim__pt_format *f = vmsim__pt_format_find("x86_64");
    if (!e && !vmsim__pagetable_init(&t->pt, f, &t->mem))
        e = vmsim__err_set(&t->err, VMSIM_ENOMEM, "no memory");
    if (!e)
        e = vmsim__tlb_create(&t->tlb, t->alloc, &spec, f, t->policies, o->seed, 0, &t->err);
    if (!e && !(t->before = vmsim__malloc(t->alloc, (size_t)ways * sizeof *t->before)))
        e = vmsim__err_set(&t->err, VMSIM_ENOMEM, "no memory");
    return e;
}

int vmsim_test_tlb_create(struct vmsim_test_tlb **out, const struct vmsim_test_tlb_options *options, char *why,
                          size_t why_size) {
    if (out)
        *out = NULL;
    if (!out || !options)
        return VMSIM_EINVAL;
    struct vmsim__err err = {0};
    if (options->size != sizeof *options)
        return vmsim__script_tell(&err, vmsim__err_set(&err, VMSIM_EINVAL, "options of another size"), why, why_size);
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    struct vmsim_test_tlb *t = a ? vmsim__calloc(a, 1, sizeof *t) : NULL;
    if (!t) {
        if (a)
            vmsim__alloc_destroy(a);
        return vmsim__script_tell(&err, vmsim__err_set(&err, VMSIM_ENOMEM, "no memory"), why, why_size);
    }
    t->alloc = a;
    t->mem = (struct vmsim__ptmem){.context = t, .table = table_of, .alloc = take_table, .release = give_table};
    t->policies = vmsim__policy_registry_create(a);
    int e = t->policies ? create_tlb(t, options) : vmsim__err_set(&t->err, VMSIM_ENOMEM, "no memory");
    vmsim__script_tell(&t->err, e, why, why_size);
    if (e)
        vmsim_test_tlb_destroy(t);
    else
        *out = t;
    return e;
}

size_t vmsim_test_tlb_destroy(struct vmsim_test_tlb *t) {
    if (!t)
        return 0;
    struct vmsim__alloc *a = t->alloc;
    if (t->before)
        vmsim__free(a, t->before, t->tlb->array[0].ways * sizeof *t->before);
    vmsim__tlb_destroy(t->tlb);
    if (t->pt.format)
        vmsim__pagetable_fini(&t->pt);
    vmsim__vec_fini(a, &t->frames);
    vmsim__policy_registry_destroy(t->policies);
    vmsim__free(a, t, sizeof *t);
    return vmsim__alloc_destroy(a);
}

/* Entries are young and dirty from the start: no walk has to write them, which would count as another access. */
static bool map_page(struct vmsim_test_tlb *t, uint64_t page) {
    struct vmsim__pt_slot slot;
    if (page >= PAGE_LIMIT || !vmsim__pt_slot(&t->pt, page << 12, 0, true, &slot))
        return false;
    if (!vmsim__pt_read(t->pt.format, &slot))
        vmsim__pt_set(t->pt.format, &slot,
                      (struct vmsim__pte){page + 1, VMSIM__PTE_PRESENT | VMSIM__PTE_RWXU | VMSIM__PTE_ACCESSED |
                                                        VMSIM__PTE_DIRTY});
    return true;
}

enum vmsim_test_outcome vmsim_test_tlb_step(struct vmsim_test_tlb *t, uint64_t page, uint64_t *victim) {
    if (!t)
        return VMSIM_TEST_ERROR;
    return vmsim_test_tlb_step_at(t, page, 0, victim);
}

/* The victim is who is gone: tags of the set are compared with those before, whatever the policy said. */
enum vmsim_test_outcome vmsim_test_tlb_step_at(struct vmsim_test_tlb *t, uint64_t page, uint64_t pc, uint64_t *victim) {
    if (!t)
        return VMSIM_TEST_ERROR;
    struct tlb_array *r = &t->tlb->array[0];
    uint64_t *tags = tlb_tags(r, tlb_set(r, page)), misses = r->by_size[0].miss;
    vmsim_access a = vmsim_access_make(page << 12, 1, VMSIM_LOAD);
    struct vmsim__tlb_stop stop;
    if (!map_page(t, page))
        return VMSIM_TEST_ERROR;
    t->tlb->fetch_asid = 1;
    t->tlb->last_fetch = pc;
    memcpy(t->before, tags, r->ways * sizeof *tags);
    if (vmsim__tlb_run(t->tlb, &t->pt, 1, true, &a, 1, NULL, &stop) != 1)
        return VMSIM_TEST_ERROR;
    if (r->by_size[0].miss == misses)
        return VMSIM_TEST_HIT;
    for (uint32_t w = 0; w < r->ways; w++)
        if (t->before[w] != TLB_INVALID && tags[w] != t->before[w]) {
            if (victim)
                *victim = t->before[w] >> TLB_PAGE_SHIFT;
            return VMSIM_TEST_EVICT;
        }
    return VMSIM_TEST_FILL;
}

/* By its name in reports, "fallbacks" included. */
int vmsim_test_tlb_counter(const struct vmsim_test_tlb *t, const char *name, uint64_t *value) {
    if (!t || !name || !value)
        return VMSIM_EINVAL;
    const struct vmsim_policy *policy = t->tlb->array[0].instance.policy;
    return vmsim__policy_counter_find(t->policies, policy, name, value) ? 0 : VMSIM_ENOENT;
}

/* Nothing is counted, touched or filled. */
bool vmsim_test_tlb_probe(const struct vmsim_test_tlb *t, uint64_t page) {
    if (!t)
        return false;
    return vmsim__tlb_probe(t->tlb, 1, page << 12, false, NULL) != 0;
}

void vmsim_test_tlb_flush(struct vmsim_test_tlb *t, uint64_t page) {
    if (!t)
        return;
    vmsim__tlb_flush_page(t->tlb, 1, page << 12, 12);
}

void vmsim_test_tlb_counts(const struct vmsim_test_tlb *t, uint64_t *hits, uint64_t *misses) {
    if (!t)
        return;
    if (hits)
        *hits = t->tlb->array[0].by_size[0].hit;
    if (misses)
        *misses = t->tlb->array[0].by_size[0].miss;
}

/* A fallback at any word is the policy's fault at that word: it is asked after each. */
static int expect_word(struct vmsim_test_tlb *t, const struct vmsim__script_word *w) {
    uint64_t victim = 0, fallbacks = 0;
    if (w->before == '!') {
        vmsim_test_tlb_flush(t, w->page);
        return 0;
    }
    if (w->before == '?')
        return vmsim__script_probed(w, vmsim_test_tlb_probe(t, w->page), &t->err);
    enum vmsim_test_outcome got = vmsim_test_tlb_step_at(t, w->page, w->pc, &victim);
    vmsim_test_tlb_counter(t, "fallbacks", &fallbacks);
    if (fallbacks)
        return vmsim__err_set(&t->err, VMSIM_ECHECK, "%.*s: the policy %s", w->length, w->text,
                              vmsim__policy_first_fallback(&t->tlb->array[0].instance));
    return vmsim__script_judge(w, got, victim, &t->err);
}

int vmsim_test_tlb_expect(struct vmsim_test_tlb *t, const char *script, char *why, size_t why_size) {
    if (!t || !script)
        return VMSIM_EINVAL;
    struct vmsim__script_word w = {0};
    int e = 0;
    while (!e && (e = vmsim__script_next(&script, &w, &t->err)) > 0)
        e = expect_word(t, &w);
    return vmsim__script_tell(&t->err, e, why, why_size);
}

/* There is one address space, whatever its number. */
static const struct vmsim__pagetable *resolve(void *context, uint16_t asid) {
    const struct vmsim_test_tlb *const *t = context;
    (void)asid;
    return &(*t)->pt;
}

int vmsim_test_tlb_check(const struct vmsim_test_tlb *t, char *why, size_t why_size) {
    if (!t)
        return VMSIM_EINVAL;
    struct vmsim__err err = {0};
    return vmsim__script_tell(&err, vmsim__tlb_check(t->tlb, resolve, &t, &err), why, why_size);
}
