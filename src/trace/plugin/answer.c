/* SPDX-License-Identifier: MIT */
/* Giving the guest another result than QEMU's.
 *
 * QEMU hands a plugin copies of a call's number and result. Its own record of the guest's registers is in reach all the
 * same: translated code keeps its address in %rbp, where a callback finds it, and begins with the sixteen general
 * registers in the order of the instruction encoding. At the start of a block all of them are in memory, so a block
 * that follows a `syscall` instruction can begin by putting the right result into %rax.
 *
 *     syscall -> QEMU's result -> plugin_answer() notes {where, stack, QEMU's, right} -> next block: %rax = right
 *
 * A signal handler may run in between: what is noted waits for its own place and stack. Nothing is believed unseen: the
 * registers must hold the number and arguments that QEMU has just told, or no result is changed. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/plugin/answer.h"

enum { RAX = 0, RCX = 1, RDX = 2, RSP = 4, RSI = 6, RDI = 7, R8 = 8, R9 = 9, R10 = 10, RIP = 16 };

/* The callback's third argument is what %rbp holds: a function of C would not know. */
__asm__(".text\n"
        ".globl plugin_on_entry\n"
        ".hidden plugin_on_entry\n"
        ".type plugin_on_entry, @function\n"
        "plugin_on_entry:\n"
        "    movq %rbp, %rdx\n"
        "    jmp plugin_entered\n"
        ".size plugin_on_entry, . - plugin_on_entry\n");

void plugin_entered(unsigned index, void *block, uint64_t *registers);

__attribute__((visibility("hidden"))) void plugin_entered(unsigned index, void *block, uint64_t *registers) {
    struct vcpu *v = &plugin_vcpu[index];
    (void)block;
    v->registers = registers;
    plugin_handler_entered((uint64_t)(uintptr_t)block, registers);
    for (unsigned i = v->answers; i-- > 0;) {
        const struct answer *a = &v->answer[i];
        if (a->rip != (uint64_t)(uintptr_t)block || a->rsp != registers[RSP])
            continue;
        if ((int64_t)registers[RAX] == a->emulated)
            registers[RAX] = (uint64_t)a->right;
        v->answers = i; /* those above it were for frames that a jump has left */
        return;
    }
}

bool plugin_can_answer(const struct vcpu *v) {
    const uint64_t *r = v->registers;
    return r && (int64_t)r[RAX] == v->number && r[RDI] == v->args[0] && r[RSI] == v->args[1] && r[RDX] == v->args[2] &&
           r[R10] == v->args[3] && r[R8] == v->args[4] && r[R9] == v->args[5];
}

void plugin_answer(struct vcpu *v, int64_t emulated, int64_t right) {
    if (emulated == right || !v->registers)
        return;
    if (v->answers == PLUGIN_ANSWERS)
        v->answers = 0; /* of handlers that never came back */
    v->answer[v->answers++] = (struct answer){v->registers[RIP], v->registers[RSP], emulated, right};
}

void plugin_answer_again(struct vcpu *v, int64_t emulated, uint64_t argument) {
    v->registers[RDI] = argument;
    v->registers[RIP] -= 2; /* where the instruction is, a block of its own then */
    plugin_answer(v, emulated, v->number);
}

void plugin_answer_argument(const struct vcpu *v, uint64_t argument) {
    if (v->registers)
        v->registers[RDI] = argument;
}

int64_t plugin_host_call(const struct vcpu *v) {
    const uint64_t *a = v->args;
    int saved = errno;
    long result = syscall(v->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    int64_t told = result == -1 ? -errno : result;
    errno = saved;
    return told;
}
