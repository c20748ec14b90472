/* SPDX-License-Identifier: MIT */
/* Results of system calls that are the kernel's where QEMU's are not (see answer.c). */
#ifndef VMSIM__ANSWER_H
#define VMSIM__ANSWER_H
#include "trace/plugin/plugin.h"

/* For each block that begins where a system call returns to, and the first block of all; `data`: its address. */
void plugin_on_entry(unsigned index, void *data);
/* Whether the guest's registers are in reach: asked while the call is under way. */
bool plugin_can_answer(const struct vcpu *v);
/* The guest is to see `right` instead of `emulated`, which QEMU is about to give it. */
void plugin_answer(struct vcpu *v, int64_t emulated, int64_t right);
/* The call under way is made again, with another first argument. */
void plugin_answer_again(struct vcpu *v, int64_t emulated, uint64_t argument);
/* The program's own first argument is put back. */
void plugin_answer_argument(const struct vcpu *v, uint64_t argument);
/* The call under way, made of the kernel itself: guest and host have the same numbers, structures and addresses. */
int64_t plugin_host_call(const struct vcpu *v);

#endif
