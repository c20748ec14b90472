/* SPDX-License-Identifier: MIT */
/* A child that dies of a fault, as its parent does then. */
#include <sys/wait.h>
#include <unistd.h>

#include "recorded_say.h"

int main(void) {
    int status;
    pid_t child = fork();
    if (child)
        waitpid(child, &status, 0);
    *(volatile int *)(uintptr_t)8 = 1;
    return 0;
}
