/* SPDX-License-Identifier: MIT */
/* Handlers: where their stack lies, what they find there, and that what they interrupted goes on as it was. */
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>
#include <unistd.h>

#include "recorded_say.h"

enum { STACK = 1 << 16 };

static char *alternate;
static sigjmp_buf back;
static volatile sig_atomic_t depth;

/* Keeps two vector registers where the ABI says that its frame is aligned. */
__attribute__((noinline)) static int aligned(void) {
    int misaligned;
    __asm__ volatile("subq $40, %%rsp\n\tmovaps %%xmm0, (%%rsp)\n\tmovl %%esp, %0\n\taddq $40, %%rsp"
                     : "=r"(misaligned)
                     :
                     : "memory");
    return misaligned & 15;
}

static void tell(int number, siginfo_t *info, void *context) {
    const ucontext_t *c = context;
    const char *here = __builtin_frame_address(0);
    printf("signal %d %d, sent %d, stack off by %d, alternate %d, state aligned %d\n", number, info->si_signo,
           info->si_code, (int)((uintptr_t)here & 15), here >= alternate && here < alternate + STACK,
           (int)((uintptr_t)c->uc_mcontext.fpregs & 15));
    fflush(stdout);
    depth++;
    if (number == SIGUSR1 && depth < 3)
        raise(SIGUSR2);
}

static void jump(int number) {
    siglongjmp(back, number);
}

static void plain(int number) {
    printf("plain %d, off by %d, frame off by %d\n", number, (int)((uintptr_t)__builtin_frame_address(0) & 15),
           aligned());
    fflush(stdout);
}

static void set(int number, int flags, void (*with)(int, siginfo_t *, void *), void (*without)(int)) {
    struct sigaction a = {.sa_flags = flags};
    if (with)
        a.sa_sigaction = with;
    else
        a.sa_handler = without;
    sigaction(number, &a, NULL);
}

int main(void) {
    volatile double kept = 1.25;
    alternate = malloc(STACK);
    sigaltstack(&(stack_t){.ss_sp = alternate, .ss_size = STACK}, NULL);
    set(SIGUSR1, SA_SIGINFO, tell, NULL);
    set(SIGUSR2, SA_SIGINFO | SA_ONSTACK, tell, NULL);
    set(SIGHUP, 0, NULL, plain);
    set(SIGALRM, SA_ONSTACK, NULL, plain);
    set(SIGSEGV, SA_ONSTACK, NULL, jump);
    raise(SIGUSR1);
    raise(SIGUSR2);
    raise(SIGHUP);
    raise(SIGALRM);
    for (int i = 0; i < 3; i++)
        if (!sigsetjmp(back, 1))
            *(volatile int *)(uintptr_t)8 = i;
        else
            printf("came back, kept %g\n", kept);
    plain(0); /* as a function */
    printf("%d handled\n", (int)depth);
    return 0;
}
