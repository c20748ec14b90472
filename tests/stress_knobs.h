/* SPDX-License-Identifier: MIT */
/* What random histories of whole machines do with swap areas, with frames for drivers, and with knobs. A part of
 * stress_machine.h. */
#ifndef STRESS_KNOBS_H
#define STRESS_KNOBS_H

/* An area goes while it is in use, if memory suffices; later there is another. */
static void do_swap(struct task *k) {
    const struct vmsim__swap *s = t.m->swap;
    const uint32_t areas = s->nr_seen;
    mm_of(k)->privileged = true;
    int64_t r = areas < 2 && pick(3)
                    ? vmsim_task_swapon(t.m, k->id, NULL, (2 + pick(8)) << 20, (int)pick(4) - 1)
                    : vmsim_task_swapoff(t.m, k->id, areas ? s->area[s->type[pick(areas)]]->name : "/none");
    if (died(k))
        return;
    mm_of(k)->privileged = false;
    assert_true(r == 0 || r == (areas ? -VMSIM__L_ENOMEM : -VMSIM__L_ENOENT));
    t.swapoffs += s->nr_seen < areas;
}
/* A range that is emptied for it, and given back. */
static void do_range(void) {
    const uint64_t bytes = (UINT64_C(1) << (t.m->mem->pageblock_order + t.shift)) * (1 + pick(2));
    uint64_t pfn;
    assert_int_equal(vmsim_machine_alloc_contig(t.m, (unsigned)pick(t.m->nr_cpus), bytes, false, &pfn), 0);
    if (pfn != UINT64_MAX)
        assert_int_equal(vmsim_machine_free_contig(t.m, 0, pfn, bytes), 0);
    t.ranges += pfn != UINT64_MAX;
}
static void do_driver(void) {
    static const char *const zones[] = {"any", "dma", "dma32", "movable"};
    if (!pick(4)) {
        do_range();
        return;
    }
    bool fill = !pick(100); /* now and then until nothing is left */
    if (pick(2) || fill) {
        for (bool more = true; more && t.blocks < BLOCKS;) {
            unsigned order = (unsigned)pick(fill ? 11 : 5);
            order = order > t.m->mem->top_order ? 0 : order;
            t.block[t.blocks].order = order;
            assert_int_equal(vmsim_machine_alloc_pages(t.m, (unsigned)pick(t.m->nr_cpus), order, zones[pick(4)],
                                                       pick(2), &t.block[t.blocks].pfn),
                             0);
            bool got = t.block[t.blocks].pfn != UINT64_MAX;
            t.blocks += got;
            more = fill && (got || pick(8));
        }
        return;
    }
    for (unsigned n = pick(3) ? 1 : BLOCKS; n && t.blocks; n--) {
        unsigned i = (unsigned)pick(t.blocks);
        assert_int_equal(vmsim_machine_free_pages(t.m, (unsigned)pick(t.m->nr_cpus), t.block[i].pfn, t.block[i].order),
                         0);
        assert_int_equal(vmsim_machine_free_pages(t.m, 0, t.block[i].pfn, t.block[i].order), VMSIM_EINVAL);
        t.block[i] = t.block[--t.blocks];
    }
}

static void do_sysctl(void) {
    static const char *const knobs[][2] = {{"vm.overcommit_memory", "1"},
                                           {"vm.overcommit_memory", "0"},
                                           {"vm.drop_caches", "1"},
                                           {"vm.drop_caches", "3"},
                                           {"vm.min_free_kbytes", "128"},
                                           {"vm.min_free_kbytes", "2000"},
                                           {"vm.watermark_scale_factor", "100"},
                                           {"vm.percpu_pagelist_high_fraction", "8"},
                                           {"vm.percpu_pagelist_high_fraction", "0"},
                                           {"vm.dirty_ratio", "1"},
                                           {"transparent_hugepage/enabled", "always"},
                                           {"transparent_hugepage/enabled", "madvise"},
                                           {"transparent_hugepage/enabled", "never"},
                                           {"vm.max_map_count", "65530"},
                                           {"lru_gen/enabled", "y"},
                                           {"lru_gen/enabled", "n"},
                                           {"lru_gen/enabled", "1"}};
    static const char *const shared[] = {"always", "always", "force", "within_size", "advise", "deny", "never"};
    size_t i = pick(TEST_COUNT(knobs) - (t.generations ? 0 : 3));
    if (t.folios && pick(2))
        assert_int_equal(
            vmsim_machine_sysctl(t.m, "transparent_hugepage/shmem_enabled", shared[pick(TEST_COUNT(shared))]), 0);
    else if (vmsim_machine_sysctl(t.m, knobs[i][0], knobs[i][1]))
        fail_msg("%s: %s", knobs[i][0], vmsim_machine_error(t.m));
}

#endif
