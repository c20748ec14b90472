/* SPDX-License-Identifier: MIT */
/* The log of a run's references, and where each page stands in it (see reclaim_future.h). */
#include "reclaim/reclaim_future.h"

struct vmsim__reclaim_future *vmsim__reclaim_future_create(struct vmsim__alloc *alloc) {
    struct vmsim__reclaim_future *f = vmsim__calloc(alloc, 1, sizeof *f);
    if (f)
        *f = (struct vmsim__reclaim_future){.alloc = alloc, .pages = {.alloc = alloc}, .recording = true};
    return f;
}

void vmsim__reclaim_future_destroy(struct vmsim__reclaim_future *f) {
    if (!f)
        return;
    struct vmsim__alloc *a = f->alloc;
    vmsim__reclaim_shadows_fini(&f->pages);
    vmsim__vec_fini(a, &f->log);
    vmsim__vec_fini(a, &f->at);
    vmsim__vec_fini(a, &f->next);
    vmsim__vec_fini(a, &f->marks);
    vmsim__free(a, f, sizeof *f);
}

/* A page's number; those that are new get the next. VMSIM__FUTURE_NEVER: no host memory, or unknown when replayed. */
static uint32_t number_of(struct vmsim__reclaim_future *f, struct vmsim__shadow_key page) {
    const uint64_t known = vmsim__reclaim_shadow_look(&f->pages, page);
    if (known || !f->recording)
        return known ? (uint32_t)known - 1 : VMSIM__FUTURE_NEVER;
    if (!vmsim__vec_push(f->alloc, &f->at, VMSIM__FUTURE_NEVER))
        return VMSIM__FUTURE_NEVER;
    const uint32_t number = (uint32_t)f->at.count - 1;
    const size_t before = f->pages.count;
    vmsim__reclaim_shadow_put(&f->pages, page, (uint64_t)number + 1);
    return f->pages.count > before ? number : VMSIM__FUTURE_NEVER;
}

void vmsim__reclaim_future_use(struct vmsim__reclaim_future *f, struct vmsim__shadow_key page) {
    if (f->failed)
        return;
    const uint32_t number = number_of(f, page);
    if (f->recording)
        f->failed = number == VMSIM__FUTURE_NEVER || f->log.count >= VMSIM__FUTURE_NEVER ||
                    !vmsim__vec_push(f->alloc, &f->log, number);
    else if (number != VMSIM__FUTURE_NEVER && f->at.at[number] != VMSIM__FUTURE_NEVER)
        f->at.at[number] = f->next.at[f->at.at[number]];
}

/* From the last reference to the first: what follows each of a page, and at last its first. */
bool vmsim__reclaim_future_replay(struct vmsim__reclaim_future *f) {
    VMSIM__ASSERT(f->recording);
    if (f->failed || !vmsim__vec_reserve(f->alloc, &f->next, f->log.count))
        return false;
    for (size_t i = f->log.count; i-- > 0;) {
        uint32_t *at = &f->at.at[f->log.at[i]];
        f->next.at[i] = *at;
        *at = (uint32_t)i;
    }
    f->next.count = f->log.count;
    vmsim__vec_fini(f->alloc, &f->log);
    f->recording = false;
    return true;
}

uint64_t vmsim__reclaim_future_next(const struct vmsim__reclaim_future *f, struct vmsim__shadow_key page) {
    const uint64_t known = vmsim__reclaim_shadow_look(&f->pages, page);
    const uint32_t at = known && !f->recording ? f->at.at[known - 1] : VMSIM__FUTURE_NEVER;
    return at == VMSIM__FUTURE_NEVER ? UINT64_MAX : at;
}

void vmsim__reclaim_future_mark(struct vmsim__reclaim_future *f) {
    VMSIM__ASSERT(f->recording);
    f->failed |= f->log.count >= VMSIM__FUTURE_NEVER || !vmsim__vec_push(f->alloc, &f->marks, (uint32_t)f->log.count);
}

struct vmsim__future_uses vmsim__reclaim_future_uses(struct vmsim__reclaim_future *f, struct vmsim__shadow_key page,
                                                     uint64_t mark) {
    const uint64_t known = vmsim__reclaim_shadow_look(&f->pages, page);
    const uint64_t from = mark < f->marks.count ? f->marks.at[mark] : f->next.count;
    const uint64_t until = mark + 1 < f->marks.count ? f->marks.at[mark + 1] : f->next.count;
    struct vmsim__future_uses u = {0, UINT64_MAX};
    VMSIM__ASSERT(!f->recording && from <= until);
    if (!known)
        return u;
    uint32_t *at = &f->at.at[known - 1], i;
    while (*at < from) /* NEVER is behind all */
        *at = f->next.at[*at];
    for (i = *at; i < until; i = f->next.at[i])
        u.uses++;
    u.next = i == VMSIM__FUTURE_NEVER ? UINT64_MAX : i;
    return u;
}
