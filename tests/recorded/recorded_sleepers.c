/* SPDX-License-Identifier: MIT */
/* More processes asleep at once than the recorder has chunks (256): whoever runs must still get on. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "recorded_say.h"

enum { SLEEPERS = 300 };

int main(void) {
    static pid_t sleeper[SLEEPERS];
    unsigned made = 0, killed = 0;
    int status;
    for (unsigned i = 0; i < SLEEPERS; i++) {
        sleeper[i] = fork();
        if (sleeper[i] == 0)
            for (;;)
                pause();
        made += sleeper[i] > 0;
    }
    say("made", made);
    for (unsigned i = 0; i < SLEEPERS; i++) {
        kill(sleeper[i], SIGKILL);
        killed += waitpid(sleeper[i], &status, 0) == sleeper[i] && WIFSIGNALED(status);
    }
    say("killed", killed);
    return 0;
}
