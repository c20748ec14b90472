/* SPDX-License-Identifier: MIT */
/* Calls that fail half-way, and what they have done by then. */
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "recorded_say.h"

int main(void) {
    int zero = open("/dev/zero", O_RDONLY), own = open("/proc/self/exe", O_RDONLY);
    char *p = map(96);
    write_pages(p, 96);
    mprotect(p + 8 * PAGE, 8 * PAGE, PROT_NONE);
    say("half of a read", read(zero, p, 16 * PAGE));
    struct iovec v[2] = {{p + 4 * PAGE, PAGE}, {p + 9 * PAGE, PAGE}};
    say("half of a vector", readv(own, v, 2));
    say("nothing of it", read(own, p + 8 * PAGE, PAGE));
    say("no buffer", read(own, (char *)PAGE, PAGE));
    say("no string", open((char *)1, O_RDONLY));
    munmap(p + 32 * PAGE, 32 * PAGE);
    say("mprotect over a hole", mprotect(p + 16 * PAGE, 80 * PAGE, PROT_READ));
    say("read into what lay before", read(zero, p + 16 * PAGE, PAGE));
    say("read into what lies behind", read(zero, p + 64 * PAGE, PAGE));
    say("mlock over a hole", mlock(p + 16 * PAGE, 80 * PAGE));
    return 0;
}
