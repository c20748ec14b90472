/* SPDX-License-Identifier: MIT */
/* `vmsim explain`: why a task was where it was at one moment, from the events around it.
 *
 *     run again --watch--.
 *                         >-- log of what ended near the moment --> stall, fault, CPU, device that the task was in, and
 *     file of events -----'                                         what those waited for in their turn
 *
 * A run is a function of its description, so that nothing has to be kept of it: it is made once more, up to a while
 * after the moment. Who has kept its events (`vmsim run --events`) needs no second run. */
#ifndef VMSIM_CLI_EXPLAIN_H
#define VMSIM_CLI_EXPLAIN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vmsim/event.h"
#include "vmsim/scenario.h"

/* An event with a text of its own. */
struct explain_event {
    struct vmsim_event is;
    char what[24]; /* is.what is of no use */
};

#define EXPLAIN_NOBODY UINT32_MAX /* VMSIM_TASK_NONE */

/* What tasks are called, by number: as the machine says, or as a file of events does (machine NULL). */
struct explain_name {
    char *text;
    uint64_t pid, tid; /* of its track */
    bool of_program;   /* else a thread of the kernel */
};
struct explain_names {
    struct vmsim_machine *machine;
    struct explain_name *at;
    uint32_t count;
};

/* What ended at `from` or later and began at `to` or earlier, in the order in which it ended. */
struct explain_log {
    struct explain_event *at;
    size_t count, room;
    uint64_t from, at_ns, to; /* ns: the moment is at_ns */
    uint32_t task;            /* whose moment it is; VMSIM_TASK_NONE: not known yet */
    bool earlier, later;      /* something of this task ended before the moment; after it */
    uint64_t last, next;      /* ns: of these, when the last ended, and when the first began */
    bool killed;              /* the first was its end */
    bool dead;                /* the OOM killer had taken it before the moment */
    bool full;                /* there was more, or no memory for it */
};

/* For vmsim_machine_watch(): the context is the log. */
void explain_watch(void *context, const struct vmsim_event *event);
void explain_free(struct explain_log *log);

/* Where the task was at the moment, and why, as lines; what is told of the time before goes back to log->from. */
void explain_task(FILE *out, const struct explain_names *names, const struct explain_log *log);

/* explain_file.c: whether a file is one of events in Chrome's form; all its events, for `watch`. Before the first of
 * them *found is the task of that name (NULL: the first), EXPLAIN_NOBODY if there is none. An exit status, all said. */
bool explain_is_file(const char *path);
int explain_read(const char *path, const char *task, struct explain_names *names, uint32_t *found,
                 vmsim_event_fn *watch, void *context);
void explain_names_free(struct explain_names *names);

/* What a task or thread is called ("nobody" if it is none); whether it is a task of a program. */
const char *explain_name(const struct explain_names *names, uint32_t task);
bool explain_is_task(const struct explain_names *names, uint32_t task);

/* For people: "1.25 ms"; a moment of a run, "1250.000 ms"; "64 KiB". */
const char *explain_ns(char text[32], uint64_t ns);
const char *explain_moment(char text[32], uint64_t ns);
const char *explain_size(char text[32], uint64_t bytes);

#endif
