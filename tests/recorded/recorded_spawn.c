/* SPDX-License-Identifier: MIT */
/* Children that run in their parent's memory until they exec or exit, made in every usual way. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile int shared = 1;

static int status_of(pid_t child) {
    int status = -1;
    waitpid(child, &status, 0);
    return status;
}

static void by_posix_spawn(void) {
    char *argv[] = {(char *)"true", NULL};
    pid_t child = 0;
    int err = posix_spawn(&child, "/bin/true", NULL, NULL, argv, environ);
    printf("posix_spawn %d %d\n", err, status_of(child));
    err = posix_spawn(&child, "/no/such/program", NULL, NULL, argv, environ);
    printf("posix_spawn of nothing %d\n", err);
}

/* The child's store is there, and the parent ran only after it. */
static void by_vfork(void) {
    pid_t child = vfork();
    if (child == 0) {
        usleep(20000);
        shared = 2;
        _exit(3);
    }
    int seen = shared;
    printf("vfork %d %d\n", seen, WEXITSTATUS(status_of(child)));
    child = vfork();
    if (child == 0) {
        shared = 5;
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    seen = shared;
    printf("vfork, exec %d %d\n", seen, status_of(child));
}

int main(void) {
    setvbuf(stdout, NULL, _IONBF, 0);
    by_posix_spawn();
    by_vfork();
    printf("system %d\n", system("exit 3"));
    FILE *f = popen("echo from the child", "r");
    char line[64] = "";
    printf("popen %s", f && fgets(line, sizeof line, f) ? line : "nothing");
    printf("pclose %d\n", f ? pclose(f) : -1);
    return 0;
}
