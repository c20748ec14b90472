/* SPDX-License-Identifier: MIT */
/* The table of system calls as the library shows it (see syscall_table.h). */
#include "base/util.h"
#include "trace/syscall_table.h"
#include "vmsim/trace.h"

/* The words of the table as those of vmsim/trace.h. */
#define MODELLED VMSIM_SYSCALL_MODELLED
#define COUNTED VMSIM_SYSCALL_COUNTED
#define REFUSED VMSIM_SYSCALL_REFUSED
#define NONE VMSIM_SYSCALL_NONE
#define SAME VMSIM_SYSCALL_SAME
#define DIFFERS VMSIM_SYSCALL_DIFFERS
#define UNKNOWN VMSIM_SYSCALL_UNKNOWN

int vmsim_syscall_get(unsigned number, struct vmsim_syscall *call) {
    if (!call)
        return VMSIM_EINVAL;
    static const struct vmsim_syscall calls[VMSIM__SYSCALLS] = {
#define ROW(number, name, class, trust, host, work, note) [number] = {#name, class, trust, note},
        VMSIM__SYSCALL_TABLE(ROW)
#undef ROW
    };
    if (number >= VMSIM__SYSCALLS || !calls[number].name)
        return VMSIM_ENOENT;
    *call = calls[number];
    return 0;
}

const char *vmsim_syscall_class_name(enum vmsim_syscall_class kind) {
    static const char *const names[] = {"modelled", "counted", "refused", "none"};
    return (unsigned)kind < VMSIM__COUNT(names) ? names[kind] : "?";
}

enum vmsim__syscall_work vmsim__syscall_work(uint64_t number) {
    static const uint8_t works[VMSIM__SYSCALLS] = {
#define ROW(number, name, class, trust, host, work, note) [number] = VMSIM__WORK_OF_##work,
        VMSIM__SYSCALL_TABLE(ROW)
#undef ROW
    };
    return number < VMSIM__SYSCALLS ? (enum vmsim__syscall_work)works[number] : VMSIM__WORK_OF_SHORT;
}
