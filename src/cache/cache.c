/* SPDX-License-Identifier: MIT */
/* The page cache as a whole: creation, settings, and the hooks into what lies above it. */
#include "cache/cache_impl.h"
#include "cache/readahead_policies.h"

static void free_tables(struct vmsim__cache *c) {
    vmsim__free(c->alloc, c->by_path, c->path_slots * sizeof *c->by_path);
}

/* A node of a tree comes or goes. */
static void node_made(void *context, uint32_t payer) {
    struct vmsim__cache *c = context;
    (void)payer; /* has paid before */
    vmsim__kmem_alloc(c->mem, VMSIM__KMEM_RADIX_NODE, c->mem->now.cpu);
}
static void node_freed(void *context, uint32_t payer) {
    struct vmsim__cache *c = context;
    const uint16_t memcg = vmsim__cache_payer_memcg(payer);
    vmsim__kmem_free(c->mem, VMSIM__KMEM_RADIX_NODE, c->mem->now.cpu);
    vmsim__obj_uncharge(c->lru, memcg, VMSIM__OBJ_RADIX_NODE, VMSIM__OBJ_RECLAIMABLE, c->mem->now.cpu);
}

/* File 0 stays NULL: frame.mapping uses 0 for "no owner". */
struct vmsim__cache *vmsim__cache_create(struct vmsim__alloc *alloc, struct vmsim__mem *mem, struct vmsim__lru *lru,
                                         const struct vmsim__kernel *kernel, const struct vmsim__cache_spec *spec) {
    VMSIM__ASSERT(mem->nr_nodes > 0 && lru);
    struct vmsim__cache *c = vmsim__calloc(alloc, 1, sizeof *c);
    if (!c)
        return NULL;
    *c = (struct vmsim__cache){
        .alloc = alloc, .mem = mem, .lru = lru, .kernel = kernel, .spec = *spec, .transfer_free = UINT32_MAX};
    c->bill = (struct vmsim__radix_bill){.made = node_made, .freed = node_freed, .context = c};
    c->swap_bill = c->bill;
    c->swap_bill.payer = vmsim__cache_payer(VMSIM__MEMCG_ROOT);
    c->path_slots = 16;
    c->readahead.policy = &vmsim__readahead_linux;
    c->by_path = vmsim__calloc(alloc, c->path_slots, sizeof *c->by_path);
    if (!c->by_path || !vmsim__vec_push(alloc, &c->files, NULL)) {
        free_tables(c);
        vmsim__free(alloc, c, sizeof *c);
        return NULL;
    }
    vmsim__radix_slab_init(&c->nodes, alloc);
    vmsim__slab_init(&c->file_slab, alloc, sizeof(struct vmsim__file));
    return c;
}

void vmsim__cache_destroy(struct vmsim__cache *c) {
    if (!c)
        return;
    for (size_t i = 1; i < c->files.count; i++) {
        if (!c->files.at[i])
            continue;
        if (c->files.at[i]->path)
            vmsim__strfree(c->alloc, c->files.at[i]->path);
        vmsim__vec_fini(c->alloc, &c->files.at[i]->layout.extents);
    }
    vmsim__policy_instance_fini(&c->readahead.instance);
    vmsim__vec_fini(c->alloc, &c->transfers);
    vmsim__vec_fini(c->alloc, &c->files);
    vmsim__vec_fini(c->alloc, &c->free_ids);
    vmsim__slab_fini(&c->file_slab);
    vmsim__slab_fini(&c->nodes);
    free_tables(c);
    vmsim__free(c->alloc, c, sizeof *c);
}

void vmsim__cache_set_hooks(struct vmsim__cache *c, const struct vmsim__cache_hooks *hooks) {
    c->hooks = *hooks;
}

void vmsim__cache_set_huge_order(struct vmsim__cache *c, unsigned order) {
    VMSIM__ASSERT(order <= c->mem->top_order);
    c->huge_order = order;
}

struct vmsim__cache_spec *vmsim__cache_spec(struct vmsim__cache *c) {
    return &c->spec;
}

struct vmsim__mem *vmsim__cache_mem(struct vmsim__cache *c) {
    return c->mem;
}

int vmsim__cache_error(const struct vmsim__cache *c) {
    return c->error;
}

void vmsim__cache_clear_error(struct vmsim__cache *c) {
    c->error = 0;
}

void vmsim__cache_set_io(struct vmsim__cache *c, const struct vmsim__cache_io *io) {
    VMSIM__ASSERT(!c->in_flight);
    c->io = *io;
}
