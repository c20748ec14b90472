/* SPDX-License-Identifier: MIT */
/* What execve would really load, and how QEMU is told of it. QEMU's loader knows ELF only, so "#!" lines are followed
 * here. Used by the recorder for the first program and by its plugin for all others. */
#ifndef VMSIM__SCRIPT_H
#define VMSIM__SCRIPT_H
#include <stdbool.h>
#include <stddef.h>

enum { VMSIM__SCRIPT_DEPTH = 5, VMSIM__SCRIPT_LINE = 256 };

struct vmsim__script {
    char path[4096]; /* in: what to execute; out: the ELF file to load */
    /* Arguments to put before the caller's argv[1], last first; none when `path` was an ELF file. */
    const char *front[2 * VMSIM__SCRIPT_DEPTH + 1];
    unsigned fronts;
    char lines[VMSIM__SCRIPT_DEPTH][2][VMSIM__SCRIPT_LINE]; /* interpreter and argument of each #! line */
    char script[VMSIM__SCRIPT_DEPTH][4096];
};

enum vmsim__script_verdict {
    VMSIM__SCRIPT_RUN,     /* an x86-64 program */
    VMSIM__SCRIPT_LEAVE,   /* execve would fail */
    VMSIM__SCRIPT_FOREIGN, /* a program of another architecture */
};

enum vmsim__script_verdict vmsim__script_resolve(struct vmsim__script *t);

#define VMSIM__PERSONALITY_ASK 0xffffffffUL /* personality(2) changes nothing */

enum { VMSIM__CPU_MAX = 256 }; /* bytes of the emulator's CPU model, with the ending 0 */

/* QEMU splits the plugin's option at commas; two stand for one. Cuts what does not fit. */
void vmsim__double_commas(char *to, size_t size, const char *from);
/* Whether a variable of the environment would steer the host's loader, or QEMU; its first five characters tell. */
bool vmsim__steers_qemu(const char *variable);

#endif
