/* SPDX-License-Identifier: MIT */
/* Following "#!" lines as Linux's fs/binfmt_script.c does (see script.h).
 *
 *     execve("build", {"build", "all"}):  build is "#!/usr/bin/env -S sh"
 *     path: /usr/bin/env      front, last first: "build", "-S sh"      argv: /usr/bin/env, "-S sh", build, all
 *
 * Limits are the kernel's: five interpreters, 256 bytes of a line, one argument that is not split. Where the kernel
 * would fail, nothing is followed, and the emulator's execve fails in the same way with the error of the host. */
#include "trace/script.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

/* Splits "#!interpreter argument" like the kernel: one argument, blanks around it dropped. */
static bool parse_script(char *text, char line[2][VMSIM__SCRIPT_LINE]) {
    VMSIM__ASSERT(text[0] == '#' && text[1] == '!');
    char *p = text + 2, *end = strchr(text, '\n');
    if (!end)
        return false;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = 0;
    p += strspn(p, " \t");
    size_t n = strcspn(p, " \t");
    if (!n || n >= VMSIM__SCRIPT_LINE)
        return false;
    memcpy(line[0], p, n);
    line[0][n] = 0;
    p += n;
    p += strspn(p, " \t");
    snprintf(line[1], VMSIM__SCRIPT_LINE, "%s", p);
    return true;
}

/* A program of another architecture is told apart from a file that is none: the host might run it (binfmt_misc), the
 * recorder cannot. */
static enum vmsim__script_verdict judge_elf(const unsigned char *head, ssize_t n) {
    const Elf64_Ehdr *e = (const void *)head;
    if (n < (ssize_t)sizeof *e || memcmp(head, ELFMAG, SELFMAG))
        return VMSIM__SCRIPT_LEAVE;
    bool ours = e->e_ident[EI_CLASS] == ELFCLASS64 && e->e_machine == EM_X86_64;
    return ours ? VMSIM__SCRIPT_RUN : VMSIM__SCRIPT_FOREIGN;
}

/* Follows #! lines from t->path until an ELF file; the arguments collected are in reverse. */
enum vmsim__script_verdict vmsim__script_resolve(struct vmsim__script *t) {
    VMSIM__ASSERT(t->path[0]);
    for (unsigned depth = 0; depth <= VMSIM__SCRIPT_DEPTH; depth++) {
        _Alignas(8) unsigned char head[VMSIM__SCRIPT_LINE + 1] = {0};
        struct stat st;
        int fd = open(t->path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || access(t->path, X_OK)) {
            if (fd >= 0)
                close(fd);
            return VMSIM__SCRIPT_LEAVE;
        }
        ssize_t n = pread(fd, head, VMSIM__SCRIPT_LINE, 0);
        close(fd);
        if (n < 2 || head[0] != '#' || head[1] != '!')
            return judge_elf(head, n);
        if (depth == VMSIM__SCRIPT_DEPTH || !parse_script((char *)head, t->lines[depth]))
            return VMSIM__SCRIPT_LEAVE;
        snprintf(t->script[depth], sizeof t->script[0], "%s", t->path);
        VMSIM__ASSERT(t->fronts + 2 < VMSIM__COUNT(t->front));
        t->front[t->fronts++] = t->script[depth];
        if (t->lines[depth][1][0])
            t->front[t->fronts++] = t->lines[depth][1];
        snprintf(t->path, sizeof t->path, "%s", t->lines[depth][0]);
    }
    return VMSIM__SCRIPT_LEAVE;
}

void vmsim__double_commas(char *to, size_t size, const char *from) {
    VMSIM__ASSERT(size > 3);
    size_t n = 0;
    for (; *from && n + 3 < size; from++) {
        to[n++] = *from;
        if (*from == ',')
            to[n++] = ',';
    }
    VMSIM__ASSERT(n < size);
    to[n] = 0;
}

bool vmsim__steers_qemu(const char *variable) {
    return !strncmp(variable, "LD_", 3) || !strncmp(variable, "QEMU_", 5);
}
