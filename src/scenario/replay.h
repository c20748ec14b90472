/* SPDX-License-Identifier: MIT */
/* A trace in replay, for the files that do it: replay.c says who goes on, replay_events.c what an event does. */
#ifndef VMSIM__REPLAY_H
#define VMSIM__REPLAY_H
#include "scenario/engine.h"
#include "scenario/placement.h"
#include "scenario/replay_files.h"
#include "scenario/replay_order.h"

struct vmsim__replay {
    struct vmsim_trace_reader *reader;
    const struct vmsim_trace_info *info;
    const char *name;
    bool recorded; /* addresses stay as they were */
    struct {
        VMSIM__VEC(struct vmsim__placement *); /* by trace task; NULL: addresses stay */
    } placements;
    struct {
        VMSIM__VEC(uint32_t); /* machine task of each trace task; VMSIM_TASK_NONE: not started */
    } tasks;
    struct vmsim__replay_files files;
    struct {
        VMSIM__VEC(struct vmsim__exec_segment);
    } segments;
    struct {
        VMSIM__VEC(uint32_t);
    } voids;              /* lanes whose items nobody performs, to be emptied */
    const uint64_t *cpus; /* that its tasks may run on; none: all */
    size_t cpu_count;
    struct vmsim__job *root; /* declared by the scenario */
    bool root_taken;         /* it has its part of the trace */
    struct {
        VMSIM__VEC(struct vmsim__job *); /* of all tasks of the trace, in order of their beginning */
    } jobs;
    struct vmsim__replay_order order;
    bool starved;               /* some job is idle because the window was full */
    struct vmsim__job *running; /* at work on its item */
};

/* An event being replayed. */
struct vmsim__replaying {
    struct vmsim_scenario *s;
    struct vmsim__replay *r;
    struct vmsim__task *t;
    struct vmsim__replay_item *x;
    const struct vmsim_trace_event *e;
    uint32_t trace_task;
    uint64_t now; /* of the CPU on which it happens */
};

#define VMSIM__REPLAY_AGAIN 1
/* What the event does: AGAIN (its task waits), 0, or an error. */
int vmsim__replay_event(struct vmsim__replaying *i);

/* The same of a call on another process's memory or on swap areas (replay_remote.c). */
int vmsim__replay_remote(struct vmsim__replaying *i);
int vmsim__replay_swap(struct vmsim__replaying *i);

/* The same on a machine without an MMU (replay_nommu.c): is it one, the image after an exec, calls that get memory
 * (false: not one of these), references that would leave their run. */
bool vmsim__replay_nommu(const struct vmsim__replaying *i);
int vmsim__replay_nommu_image(struct vmsim__replaying *i, const struct vmsim__exec *image);
bool vmsim__replay_nommu_call(struct vmsim__replaying *i, int *how);
void vmsim__replay_nommu_clip(const struct vmsim__placement *p, const vmsim_access *in, vmsim_access *out, size_t n);

/* Room in the tables for a task of the trace. Its number comes from a file: the reader allows VMSIM__TASKS_MAX. */
int vmsim__replay_grow(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t trace_task);
/* A beginning that was announced happens at `time`: the machine's task performs what the lane has, on a CPU that it
 * may have; VMSIM_TASK_NONE: nobody does. 0, or an error with its text. */
int vmsim__replay_settle(struct vmsim_scenario *s, struct vmsim__replay *r, uint32_t trace_task, uint32_t task,
                         uint64_t time);

#endif
