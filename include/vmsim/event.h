/* SPDX-License-Identifier: MIT */
#ifndef VMSIM_EVENT_H
#define VMSIM_EVENT_H
/**
 * @file event.h
 * @brief What happens in a machine, one call a happening: who ran, stalled, faulted, reclaimed and was killed, when and
 * how long. For timelines, for own statistics, and to find out why.
 *
 *     vmsim_machine_watch(machine, 1u << VMSIM_EVENT_FAULT | 1u << VMSIM_EVENT_STALL, on_event, context);
 *
 * A machine that nobody watches pays for nothing. Watching changes nothing that is simulated.
 */
#include <stddef.h>
#include <stdint.h>

#include "vmsim/version.h"

VMSIM_BEGIN_DECLS

struct vmsim_machine;
struct vmsim_scenario;

/** What an event is of. */
enum vmsim_event_kind {
    VMSIM_EVENT_RUN,   /**< a task or kernel thread had a CPU from `time` on, for `duration` */
    VMSIM_EVENT_STALL, /**< a task waited; `what` says for what; numbers: page frame number or task, where known */
    VMSIM_EVENT_FAULT, /**< a page fault was handled, waits included; `what` is "minor" or "major"; numbers: address, 1
                            for a store */
    VMSIM_EVENT_RECLAIM, /**< pages were scanned, whatever policy chose them; `what` is "kswapd", "direct" or "memcg";
                              numbers: scanned and reclaimed pages, node, 1 if most are of files */
    VMSIM_EVENT_IO,      /**< a request of a device was done; `what` is its name; numbers: bytes, 1 for a write */
    VMSIM_EVENT_KILL,    /**< the OOM killer chose `task`; numbers: pages it had, the task that wanted memory */
    VMSIM_EVENT_ALLOC,   /**< frames were given; numbers: page frame number, order, migratetype of its block */
    VMSIM_EVENT_EXTFRAG, /**< memory fell into pieces: a request that its own lists could not serve took a block of
                              another type; `what` is "claimed" where it took over the pageblock, else "mixed"; numbers:
                              page frame number, order asked for, order of the block, migratetype of the request + 16
                              times that of the list it was taken from */
    VMSIM_EVENT_KINDS    /**< how many kinds there are */
};

/** An event. Texts are good for the call alone. */
struct vmsim_event {
    enum vmsim_event_kind kind; /**< what happened */
    uint32_t task;              /**< whose; VMSIM_TASK_NONE: nobody's */
    uint32_t cpu;               /**< where it ended; UINT32_MAX: on none */
    uint64_t time;              /**< ns: when it began */
    uint64_t duration;          /**< ns, 0 for what takes no time */
    const char *what;           /**< never NULL */
    uint64_t number[4];         /**< as the kind says; else 0 */
};

/** Called for each event, in the order in which they end. It may read the machine, and must not change it. */
typedef void vmsim_event_fn(void *context, const struct vmsim_event *event);

/** From now on `watch` is called for events of the kinds in the mask (1 << ::vmsim_event_kind); NULL: nobody is. One
 *  watcher at a time. */
void vmsim_machine_watch(struct vmsim_machine *machine, uint32_t kinds, vmsim_event_fn *watch, void *context);

/** Name of a kind: "stall"; NULL beyond the last. */
const char *vmsim_event_kind_name(enum vmsim_event_kind kind);

/** Forms of files of events. */
enum vmsim_events_format {
    VMSIM_EVENTS_CHROME, /**< Chrome's trace-event JSON, for Perfetto and chrome://tracing */
    VMSIM_EVENTS_FTRACE  /**< lines as the kernel's tracepoints are printed, with the fields that are known here:
                              mm_vmscan_lru_shrink_inactive, mm_page_alloc, mm_page_alloc_extfrag, mark_victim,
                              page_fault_user, sched_stat_iowait, sched_stat_blocked, sched_stat_sleep; others have
                              no line */
};

/** What is written. Zero-initialise, set `size`. */
struct vmsim_events_options {
    size_t size;                     /**< sizeof(struct vmsim_events_options) */
    enum vmsim_events_format format; /**< of the file */
    uint32_t kinds;                  /**< mask of 1 << ::vmsim_event_kind; 0: all but ::VMSIM_EVENT_ALLOC */
    uint64_t from, to; /**< ns of virtual time: what ends before or begins after is left out; to 0: the end */
    uint64_t limit;    /**< most events; what comes then is counted and left out; 0: 1,000,000 */
    uint64_t least;    /**< ns: what took less is left out, but for kills; 0: nothing is */
};

/** A file of events that is being written. */
struct vmsim_events;

/**
 * Opens a file that takes the events of a scenario from now on; the watcher of its machine is taken. Call before
 * vmsim_scenario_run().
 * @param events receives it; NULL on failure, whose text is in vmsim_scenario_error().
 * @return 0, VMSIM_EINVAL, VMSIM_EIO or VMSIM_ENOMEM.
 */
int vmsim_events_open(struct vmsim_scenario *scenario, const char *path, const struct vmsim_events_options *options,
                      struct vmsim_events **events);
/**
 * Ends the file and gives it its name; frees. Before the scenario is destroyed. NULL is fine.
 * @param left_out receives how many events were left out by the limit; may be NULL.
 * @return 0, VMSIM_EIO or VMSIM_ENOMEM; the text is in vmsim_scenario_error().
 */
int vmsim_events_close(struct vmsim_events *events, uint64_t *left_out);

VMSIM_END_DECLS

#endif
