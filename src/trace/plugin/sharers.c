/* SPDX-License-Identifier: MIT */
/* Processes that share their parent's memory and are no threads: clone with CLONE_VM alone, as leak checkers and old
 * thread libraries make them.
 *
 * QEMU knows copies and threads, and refuses the rest. So the program's call is made once more, with the flags of a
 * thread, and what QEMU then does with its C library comes through here:
 *
 *     clone(VM) -> EINVAL; plugin_sharer_retry() sets the registers back to the `syscall` instruction, other flags
 *     clone(VM | THREAD | ...) -> QEMU's pthread_create -> a thread that clones the true child and then sleeps for ever
 *
 * The child has its own process for the kernel (its number, its parent, its end, its descriptors and signals are as the
 * program asked) and QEMU's thread-local storage from the sleeper, which needs none. QEMU must not see it, or the
 * parent while there is one, end: it would take the plugin down in the memory of both. Such ends are made here.
 *                                                                          Kernel counterpart: kernel/fork.c */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "trace/plugin/answer.h"

#define EXPORT __attribute__((visibility("default")))

enum {
    THREAD = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
    OPTIONS = CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID,
    KERNELS = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_PARENT | CLONE_UNTRACED | CLONE_SYSVSEM |
              CLONE_IO | CSIGNAL, /* what the true child is cloned with */
    SLEEPERS_STACK = 1 << 16,
};

/* A process of this memory has been made: several have their tasks in plugin_vcpu. */
static bool shared;

/* ---- the call, made again */

bool plugin_sharer_retry(struct vcpu *v, int64_t result) {
    const uint64_t flags = v->args[0];
    if (result != -EINVAL || v->number != SYS_clone || v->bearing || !(flags & CLONE_VM) ||
        flags & ~(uint64_t)(KERNELS | OPTIONS | CLONE_DETACHED) || !plugin_can_answer(v))
        return false;
    v->bearing = true;
    v->bears = flags;
    v->born = v->child;
    plugin_answer_again(v, result, THREAD | (flags & OPTIONS));
    return true;
}

bool plugin_sharer_again(struct vcpu *v) {
    if (!v->bearing || v->number != SYS_clone || v->args[0] != (THREAD | (v->bears & OPTIONS)))
        return false;
    v->child = v->born;
    shared = true;
    return true;
}

void plugin_sharer_done(struct vcpu *v) {
    if (!v->bearing)
        return;
    plugin_answer_argument(v, v->bears);
    v->bearing = false;
}

bool plugin_sharer_is_born(const struct vcpu *parent) {
    return parent && parent->bearing && parent->number == SYS_clone;
}

/* ---- the child */

struct birth {
    void *(*run)(void *);
    void *argument;
    int flags;
    int child; /* its number, or what clone said */
    _Atomic uint32_t done;
};

static int be_child(void *birth) {
    const struct birth *b = birth;
    b->run(b->argument);
    return 0;
}

/* Its storage and stack are the child's, so it never ends before the process does. All signals are blocked in it, as
 * QEMU blocks them where it makes a thread. */
static void *sleep_for_child(void *birth) {
    struct birth *b = birth;
    char *stack = (char *)__builtin_frame_address(0) - SLEEPERS_STACK;
    b->child = clone(be_child, (void *)((uintptr_t)stack & ~(uintptr_t)15), b->flags, b);
    b->done = 1;
    syscall(SYS_futex, &b->done, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    for (;;)
        pause();
    return NULL;
}

/* The child is born when this returns 0. */
static int bear(plugin_create_thread *next, pthread_t *thread, struct birth *b, size_t stack) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, stack + 2 * SLEEPERS_STACK);
    int err = plugin_thread_create(next, thread, &attributes, sleep_for_child, b);
    pthread_attr_destroy(&attributes);
    while (!err && !b->done)
        syscall(SYS_futex, &b->done, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return err ? err : b->child < 0 ? EAGAIN : 0;
}

EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
    static struct birth births[PLUGIN_VCPUS]; /* the sleeper looks at its own for as long as it lives */
    const struct vcpu *v = plugin_calling();
    plugin_create_thread *next = __extension__(plugin_create_thread *) dlsym(RTLD_NEXT, "pthread_create");
    size_t stack = 0;
    if (!plugin_sharer_is_born(v))
        return v ? plugin_thread_create(next, thread, attributes, run, argument)
                 : next(thread, attributes, run, argument);
    struct birth *b = &births[v - plugin_vcpu];
    *b = (struct birth){.run = run, .argument = argument, .flags = (int)(v->bears & KERNELS)};
    pthread_attr_getstacksize(attributes, &stack);
    return bear(next, thread, b, stack);
}

/* ---- ends */

static bool is_last_of_process(const struct vcpu *v) {
    for (unsigned i = 0; i < plugin.vcpus; i++)
        if (plugin_vcpu[i].live && &plugin_vcpu[i] != v && plugin_vcpu[i].process == v->process)
            return false;
    return true;
}

bool plugin_sharer_ends_process(const struct vcpu *v) {
    return v->number == SYS_exit_group || (shared && is_last_of_process(v));
}

/* What others of the process wrote is handed over, too; then the kernel ends it, and QEMU never hears of it. */
void plugin_sharer_end(struct vcpu *v) {
    const bool all = plugin_sharer_ends_process(v);
    uint32_t *tid = (uint32_t *)(uintptr_t)v->clear_tid;
    if (!shared || (!v->sharer && !all))
        return;
    for (unsigned i = 0; i < plugin.vcpus; i++) {
        struct vcpu *o = &plugin_vcpu[i];
        if (o != v && !(all && o->live && o->process == v->process))
            continue;
        plugin_release(o);
        o->live = false;
    }
    if (tid) {
        *tid = 0;
        syscall(SYS_futex, tid, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
    }
    syscall(all ? SYS_exit_group : SYS_exit, v->args[0]);
}

/* ---- what it sees of its maker */

static const struct vcpu *vcpu_of(uint64_t tid) {
    for (unsigned i = 0; i < plugin.vcpus; i++)
        if (plugin_vcpu[i].live && (uint64_t)plugin_vcpu[i].tid == tid)
            return &plugin_vcpu[i];
    return NULL;
}

/* The general registers of NT_PRSTATUS: the program's, where the kernel gave QEMU's. */
static void show_registers(const struct vcpu *o, uint64_t va) {
    struct user_regs_struct r;
    struct iovec io;
    const uint64_t *g = o->registers;
    if (plugin_read_guest(va, &io, sizeof io) != sizeof io || io.iov_len < sizeof r)
        return;
    memcpy(&r, io.iov_base, sizeof r);
    unsigned long long *const order[] = {&r.rax, &r.rcx, &r.rdx, &r.rbx, &r.rsp, &r.rbp, &r.rsi, &r.rdi, &r.r8,
                                         &r.r9,  &r.r10, &r.r11, &r.r12, &r.r13, &r.r14, &r.r15, &r.rip};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        *order[i] = g[i];
    memcpy(io.iov_base, &r, sizeof r);
}

/* A thread that stops with a lock of this plugin or of QEMU would stop its tracer, too. So it is stopped in a call, if
 * it makes one soon, and while the tracer has the plugin's lock. */
static int64_t stop_thread(const struct vcpu *v, const struct vcpu *o) {
    enum { LONGEST_MS = 200 };
    siginfo_t how;
    for (unsigned ms = 0; !o->in_call && ms < LONGEST_MS; ms++)
        usleep(1000);
    pthread_mutex_lock(&plugin.lock);
    int64_t result = plugin_host_call(v);
    if (!result)
        waitid(P_PID, (id_t)v->args[1], &how, WSTOPPED | WNOWAIT | __WALL);
    pthread_mutex_unlock(&plugin.lock);
    return result;
}

int64_t plugin_sharer_ptrace(const struct vcpu *v) {
    const struct vcpu *o = vcpu_of(v->args[1]);
    const bool stops = v->args[0] == PTRACE_ATTACH || v->args[0] == PTRACE_INTERRUPT;
    int64_t result = o && stops ? stop_thread(v, o) : plugin_host_call(v);
    if (!result && o && o->registers && v->args[0] == PTRACE_GETREGSET && v->args[2] == NT_PRSTATUS)
        show_registers(o, v->args[3]);
    return result;
}
