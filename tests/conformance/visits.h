/* SPDX-License-Identifier: MIT */
/* Work of the capturing program at a marker that may have to wait in its middle, as for a page of its own that is in
 * swap: it runs on a stack of its own, gives way where it waits, and goes on there when the step is entered again. */
#ifndef VISITS_H
#define VISITS_H
#include "machine/machine.h"

/* Begins `body` for the task, or goes on with what it has begun before. MORE: it is over; else why it gave way. */
enum vmsim__work visit(uint32_t task, void (*body)(void *), void *argument, size_t size);
/* Within a body: gives way, and returns when it may go on. */
void visit_gives_way(enum vmsim__work why);
/* Forgets what tasks that died have not ended. */
void visits_forget(void);

#endif
