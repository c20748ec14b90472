/* SPDX-License-Identifier: MIT */
/* Who is told what happens (vmsim/event.h). It stands in the present, which every layer sees; whoever has something to
 * tell asks first whether anybody listens, so that a machine without a watcher pays one test where something happens,
 * and nothing on the path of a reference. Kernel counterpart: tracepoints behind static keys
 * (include/linux/tracepoint.h). */
#ifndef VMSIM__WATCH_H
#define VMSIM__WATCH_H
#include <stdbool.h>

#include "vmsim/event.h"

struct vmsim__watch {
    uint32_t kinds;     /* mask; 0: nobody listens */
    uint32_t task, cpu; /* what runs, while somebody listens */
    vmsim_event_fn *tell;
    void *context;
};

static inline bool vmsim__watched(const struct vmsim__watch *w, enum vmsim_event_kind kind) {
    return __builtin_expect(w->kinds != 0, 0) && (w->kinds >> kind & 1);
}
/* Of what runs now, from `begin` to `end`. Only when vmsim__watched(). */
static inline void vmsim__tell(const struct vmsim__watch *w, enum vmsim_event_kind kind, uint64_t begin, uint64_t end,
                               const char *what, uint64_t n0, uint64_t n1, uint64_t n2, uint64_t n3) {
    const struct vmsim_event e = {kind, w->task, w->cpu, begin, end > begin ? end - begin : 0, what, {n0, n1, n2, n3}};
    w->tell(w->context, &e);
}

#endif
