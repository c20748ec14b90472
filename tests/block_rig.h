/* SPDX-License-Identifier: MIT */
/* Devices on a clock of their own: an event queue that feeds them, and a log of what completed. */
#ifndef BLOCK_RIG_H
#define BLOCK_RIG_H
#include "helpers.h"

#include "base/evq.h"
#include "block/block.h"

struct rig_done {
    uint64_t cookie, time;
    int status;
};
struct block_rig {
    struct vmsim__alloc *alloc;
    struct vmsim__evq events;
    struct vmsim__block *block;
    struct {
        VMSIM__VEC(struct rig_done);
    } done;
    bool refuse; /* schedule() finds no memory */
    uint64_t now;
    void (*on_complete)(struct block_rig *rig, uint64_t cookie); /* may be NULL */
};

TEST_UNUSED static bool rig_schedule(void *context, uint64_t time, uint64_t arg) {
    struct block_rig *rig = context;
    assert_true(time >= rig->now && time <= VMSIM__BLOCK_LATEST);
    return !rig->refuse && vmsim__evq_push(&rig->events, time, 0, arg, NULL);
}

TEST_UNUSED static void rig_complete(void *context, uint64_t cookie, int status, uint64_t now) {
    struct block_rig *rig = context;
    assert_int_equal(now, rig->now);
    assert_true(rig->done.count < rig->done.capacity); /* see rig_submit: never a failing allocation of the rig's own */
    rig->done.at[rig->done.count++] = (struct rig_done){cookie, now, status};
    if (rig->on_complete)
        rig->on_complete(rig, cookie);
}

TEST_UNUSED static void rig_start(struct block_rig *rig, const struct vmsim__block_spec *specs, size_t count) {
    *rig = (struct block_rig){.alloc = test_alloc()};
    vmsim__evq_init(&rig->events, rig->alloc);
    rig->block = vmsim__block_create(rig->alloc, specs, count,
                                     &(struct vmsim__block_hooks){rig, rig_schedule, rig_complete, NULL});
    assert_non_null(rig->block);
    assert_true(vmsim__vec_reserve(rig->alloc, &rig->done, 100000));
}

TEST_UNUSED static void rig_check(const struct block_rig *rig) {
    struct vmsim__err err = {0};
    if (vmsim__block_check(rig->block, &err))
        fail_msg("%s", err.text);
}

TEST_UNUSED static void rig_end(struct block_rig *rig) {
    rig_check(rig);
    vmsim__block_destroy(rig->block);
    vmsim__evq_fini(&rig->events);
    vmsim__vec_fini(rig->alloc, &rig->done);
    test_alloc_end(rig->alloc);
}

/* Handles all events up to and at `until`. */
TEST_UNUSED static void rig_run(struct block_rig *rig, uint64_t until) {
    const struct vmsim__event *next;
    while ((next = vmsim__evq_peek(&rig->events)) != NULL && next->time <= until) {
        struct vmsim__event e;
        assert_true(vmsim__evq_pop(&rig->events, &e));
        rig->now = e.time;
        assert_int_equal(vmsim__block_event(rig->block, e.arg, e.time), 0);
    }
    if (until != UINT64_MAX && until > rig->now)
        rig->now = until;
}

TEST_UNUSED static void rig_submit(struct block_rig *rig, uint32_t device, enum vmsim__block_op op, uint64_t position,
                                   uint64_t bytes, uint64_t cookie) {
    struct vmsim__block_io io = {
        .op = op, .sync = op == VMSIM__BLOCK_READ, .position = position, .bytes = bytes, .cookie = cookie};
    assert_int_equal(vmsim__block_submit(rig->block, device, rig->now, &io), 0);
}

/* When `cookie` was done; the test fails when it is not. */
TEST_UNUSED static const struct rig_done *rig_done(const struct block_rig *rig, uint64_t cookie) {
    const struct rig_done *found = NULL;
    for (size_t i = 0; i < rig->done.count; i++) {
        if (rig->done.at[i].cookie != cookie)
            continue;
        assert_null(found); /* once */
        found = &rig->done.at[i];
    }
    if (!found)
        fail_msg("cookie %llu is not done at %llu", (unsigned long long)cookie, (unsigned long long)rig->now);
    return found;
}
TEST_UNUSED static uint64_t rig_done_at(const struct block_rig *rig, uint64_t cookie) {
    const struct rig_done *d = rig_done(rig, cookie);
    assert_int_equal(d->status, 0);
    return d->time;
}

/* A description whose figures are all given. */
TEST_UNUSED static struct vmsim__block_spec rig_spec(const struct vmsim__block_params *p) {
    struct vmsim__block_spec spec = {.name = "sda", .own = *p};
    memset(spec.given, true, sizeof spec.given);
    return spec;
}

#endif
