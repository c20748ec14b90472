/* SPDX-License-Identifier: MIT */
/* System V segments, attached more than once and in a child, and more of them than most programs have. */
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorded_say.h"

enum { MANY = 100 };

int main(void) {
    int id = shmget(IPC_PRIVATE, 512 * PAGE, IPC_CREAT | 0600);
    char *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY), *at[MANY];
    write_pages(a, 512);
    printf("the same: %d\n", sum_pages(a, 512) == sum_pages(b, 512));
    pid_t child = fork();
    if (child == 0)
        _exit(sum_pages(shmat(id, NULL, 0), 512) == sum_pages(a, 512));
    int status;
    waitpid(child, &status, 0);
    printf("the child's, too: %d\n", WEXITSTATUS(status));
    for (unsigned i = 0; i < MANY; i++) {
        at[i] = shmat(id, NULL, 0);
        write_pages(at[i], 2);
    }
    for (unsigned i = 0; i < MANY; i++)
        if (shmdt(at[i]))
            say("shmdt", -1);
    say("shmdt of what is gone", shmdt(at[0]));
    shmdt(b);
    say("remove", shmctl(id, IPC_RMID, NULL));
    write_pages(a, 512);
    return 0;
}
