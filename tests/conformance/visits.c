/* SPDX-License-Identifier: MIT */
/* A stack a task that has something unfinished at a marker (see visits.h). */
#include "visits.h"

#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define STACK_SIZE ((size_t)4 << 20) /* readers of facts keep them on it */
#define TASKS 64

struct stack {
    ucontext_t own, caller;
    void (*body)(void *);
    void *argument, *memory;
    enum vmsim__work why; /* MORE: the body is over */
};
static struct stack *of_task[TASKS], *running;

static void run(void) {
    running->body(running->argument);
    running->why = VMSIM__WORK_MORE;
}

static struct stack *begin(void (*body)(void *), const void *argument, size_t size) {
    struct stack *s = calloc(1, sizeof *s);
    if (!s || !(s->memory = malloc(STACK_SIZE)) || !(s->argument = malloc(size)) || getcontext(&s->own))
        abort();
    s->body = body;
    memcpy(s->argument, argument, size);
    s->own.uc_stack = (stack_t){.ss_sp = s->memory, .ss_size = STACK_SIZE};
    s->own.uc_link = &s->caller;
    makecontext(&s->own, run, 0);
    return s;
}

static void forget(struct stack *s) {
    if (!s)
        return;
    free(s->argument);
    free(s->memory);
    free(s);
}

enum vmsim__work visit(uint32_t task, void (*body)(void *), void *argument, size_t size) {
    if (task >= TASKS)
        abort();
    struct stack *s = of_task[task] ? of_task[task] : begin(body, argument, size);
    of_task[task] = running = s;
    if (swapcontext(&s->caller, &s->own))
        abort();
    running = NULL;
    const enum vmsim__work why = s->why;
    if (why == VMSIM__WORK_MORE) {
        forget(s);
        of_task[task] = NULL;
    }
    return why;
}

void visit_gives_way(enum vmsim__work why) {
    struct stack *s = running;
    s->why = why;
    if (swapcontext(&s->own, &s->caller))
        abort();
}

void visits_forget(void) {
    for (unsigned i = 0; i < TASKS; i++) {
        forget(of_task[i]);
        of_task[i] = NULL;
    }
}
