/* SPDX-License-Identifier: MIT */
/* Stacks of signal handlers. QEMU 7.2 starts a handler with its stack 8 bytes off what the ABI says, and code that
 * keeps vector registers there dies of it: ruby after its first child, whatever is compiled with -O2 and much to save.
 *
 *     QEMU:  rsp = 16n      -> return address | ucontext | siginfo | .. | state of vector registers (aligned)
 *     here:  rsp = 16n - 8  -> the first three, 8 bytes further down; pointers to them as well
 *
 * The frame is moved as a whole, so that unwinders and the return from the signal find it where they look for it. The
 * kernel aligns it; so do later releases of QEMU, and nothing is done then.
 *                                                                     Kernel counterpart: arch/x86/kernel/signal.c */
#include <signal.h>
#include <string.h>
#include <sys/ucontext.h>

#include "trace/plugin/plugin.h"

enum { RDX = 2, RSP = 4, RSI = 6, HANDLERS = 128 };

/* All handlers that were ever set, as a handler may be set again; and the address that one returns to. */
static struct handler { uint64_t va, returns; } handlers[HANDLERS];
static unsigned known;

static bool find(uint64_t va, struct handler *found) {
    for (unsigned i = __atomic_load_n(&known, __ATOMIC_ACQUIRE); i-- > 0;)
        if (handlers[i].va == va) {
            *found = handlers[i];
            return true;
        }
    return false;
}

void plugin_handler_set(const struct vcpu *v) {
    struct {
        uint64_t va, flags, returns;
    } act;
    struct handler before;
    if (plugin_read_guest(v->args[1], &act, sizeof act) != sizeof act || act.va <= 1)
        return;
    pthread_mutex_lock(&plugin.lock);
    if (known < HANDLERS && !(find(act.va, &before) && before.returns == act.returns)) {
        handlers[known] = (struct handler){act.va, act.returns};
        __atomic_store_n(&known, known + 1, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&plugin.lock);
}

bool plugin_handler_is(uint64_t va) {
    struct handler h;
    return find(va, &h);
}

/* A handler that is called as a function has its stack as it should be, or another return address. */
void plugin_handler_entered(uint64_t va, uint64_t *registers) {
    const uint64_t sp = registers[RSP], context = registers[RDX];
    struct handler h;
    if (sp % 16 || !find(va, &h) || *(const uint64_t *)(uintptr_t)sp != h.returns || context != sp + 8)
        return;
    const ucontext_t *c = (const void *)(uintptr_t)context;
    const uint64_t end = (uint64_t)(uintptr_t)c->uc_mcontext.fpregs;
    if (end < registers[RSI] || end - sp > 4096)
        return;
    memmove((void *)(uintptr_t)(sp - 8), (const void *)(uintptr_t)sp, end - sp);
    registers[RSP] -= 8;
    registers[RDX] -= 8;
    registers[RSI] -= 8;
}
