/* SPDX-License-Identifier: MIT */
/* A program that executes itself by the name that /proc has for it, and options of its process. */
#include <sys/prctl.h>
#include <unistd.h>

#include "recorded_say.h"

int main(int argc, char **argv) {
    if (argc == 1) {
        say("no huge pages", prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
        execl("/proc/self/exe", argv[0], "again", (char *)NULL);
    }
    say("arguments", argc);
    say("no huge pages still", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    say("no such option", prctl(12345, 0, 0, 0, 0));
    return 0;
}
