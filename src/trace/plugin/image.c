/* SPDX-License-Identifier: MIT */
/* The EXEC event of a program that QEMU has loaded: what Linux's load_elf_binary() would have mapped.
 *
 * QEMU's loader runs before any callback, so its work is read back: the guest's stack is the anonymous mapping that
 * follows a PROT_NONE guard page and holds a plausible argument block; the auxiliary vector in it gives the load
 * bases; the ELF headers of program and interpreter give the segments. Called once, before the first guest
 * instruction runs, so everything below the stack pointer is still zero. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/plugin/plugin.h"
#include "trace/plugin/qemu.h"

enum { MAX_SEGMENTS = 64, PAGE = 4096 };
/* Positions in arena_event.exec, as in struct vmsim_trace_exec. */
enum {
    ENTRY,
    LOAD_BASE,
    INTERPRETER_BASE,
    STACK_TOP,
    STACK_POINTER,
    STACK_BYTES,
    STACK_LIMIT,
    BRK_START,
    VDSO,
    VDSO_BYTES,
    VVAR,
    VVAR_BYTES,
    ARGC,
    ENVC
};

struct image {
    struct arena_segment segment[MAX_SEGMENTS];
    unsigned segments;
    char interpreter[4096];
    uint64_t end; /* highest byte of the program's segments */
};

static uint32_t prot_of(uint32_t flags) {
    return (flags & PF_R ? PROT_READ : 0u) | (flags & PF_W ? PROT_WRITE : 0u) | (flags & PF_X ? PROT_EXEC : 0u);
}

/* Adds the segments of an open ELF file whose program headers lie in memory at `phdr` (0: given `base`). */
static bool add_elf(struct image *image, int fd, uint64_t *base, uint64_t phdr, uint32_t interpreter) {
    Elf64_Ehdr ehdr;
    Elf64_Phdr ph;
    uint64_t end = 0;
    if (pread(fd, &ehdr, sizeof ehdr, 0) != sizeof ehdr || memcmp(ehdr.e_ident, ELFMAG, SELFMAG))
        return false;
    for (unsigned pass = 0; pass < 2; pass++)
        for (unsigned i = 0; i < ehdr.e_phnum; i++) {
            if (pread(fd, &ph, sizeof ph, (off_t)(ehdr.e_phoff + i * sizeof ph)) != sizeof ph)
                return false;
            if (pass == 0) {
                bool holds =
                    ph.p_type == PT_LOAD && ph.p_offset <= ehdr.e_phoff && ehdr.e_phoff < ph.p_offset + ph.p_filesz;
                if (phdr && holds)
                    *base = phdr - (ehdr.e_phoff - ph.p_offset + ph.p_vaddr);
                if (ph.p_type == PT_INTERP && ph.p_filesz < sizeof image->interpreter &&
                    pread(fd, image->interpreter, ph.p_filesz, (off_t)ph.p_offset) != (ssize_t)ph.p_filesz)
                    return false;
            } else if (ph.p_type == PT_LOAD && ph.p_memsz && image->segments < MAX_SEGMENTS) {
                image->segment[image->segments++] = (struct arena_segment){
                    *base + ph.p_vaddr, ph.p_memsz, ph.p_offset, ph.p_filesz, prot_of(ph.p_flags), interpreter};
                if (*base + ph.p_vaddr + ph.p_memsz > end)
                    end = *base + ph.p_vaddr + ph.p_memsz;
            }
        }
    if (!interpreter)
        image->end = end;
    return true;
}

/* Lowest non-zero word of a stack that nothing has used yet: its pages are looked at from the top down. */
static uint64_t find_stack_pointer(uint64_t low, uint64_t top) {
    uint64_t found = 0;
    for (uint64_t page = top - PAGE; page >= low; page -= PAGE) {
        const uint64_t *w = (const uint64_t *)(uintptr_t)page;
        uint64_t first = 0;
        for (unsigned i = PAGE / 8; i-- > 0;)
            if (w[i])
                first = page + i * 8;
        if (!first && found)
            break;
        if (first)
            found = first;
        if (!first && top - page > 16 * PAGE)
            break;
    }
    return found;
}

/* Walks the argument block at `sp`; the position of the auxiliary vector, or 0 when this is none. */
static uint64_t walk_arguments(uint64_t sp, uint64_t top, struct arena_event *e) {
    const uint64_t *w = (const uint64_t *)(uintptr_t)sp, *end = (const uint64_t *)(uintptr_t)(top & ~UINT64_C(7));
    uint64_t argc = *w;
    if (argc > (top - sp) / 8 || w + argc + 2 >= end || w[argc + 1] != 0)
        return 0;
    if (argc && (w[1] < sp || w[1] >= top))
        return 0; /* not an argument block, or guest addresses are not host addresses */
    const uint64_t *env = w + argc + 2;
    e->exec[ARGC] = argc;
    for (w = env; w < end && *w; w++)
        continue;
    e->exec[ENVC] = (uint64_t)(w - env);
    return (uint64_t)(uintptr_t)(w + 1);
}

static uint64_t stack_size(void) {
    struct rlimit limit;
    uint64_t size = 8u << 20;
    if (getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur > size)
        size = limit.rlim_cur;
    return size;
}

/* Finds the guest's stack in this process's mappings; the auxiliary vector's address or 0. */
static uint64_t find_stack(struct arena_event *e) {
    FILE *f = fopen("/proc/self/maps", "re");
    char line[4600], prot[8];
    uint64_t from, to, guard_end = 0, size = stack_size(), auxv = 0;
    while (f && !auxv && fgets(line, sizeof line, f)) {
        unsigned long ino = 0;
        if (sscanf(line, "%lx-%lx %7s %*s %*s %lu", &from, &to, prot, &ino) != 4)
            continue;
        bool anonymous = ino == 0 && !strchr(line, '[');
        if (anonymous && !strncmp(prot, "---", 3))
            guard_end = to;
        if (!anonymous || strncmp(prot, "rw-", 3) || from != guard_end || to - from < size)
            continue;
        uint64_t top = from + size, sp = find_stack_pointer(from, top);
        if (sp && (auxv = walk_arguments(sp, top, e)) != 0) {
            e->exec[STACK_TOP] = top;
            e->exec[STACK_POINTER] = sp;
            e->exec[STACK_BYTES] = top - sp;
            e->exec[STACK_LIMIT] = size;
        }
    }
    if (f)
        fclose(f);
    return auxv;
}

/* What QEMU's loader mapped is as executable as Linux maps it (see emulator_calls.c). QEMU may just have taken the
 * right to write from pages that have all three: those stay. */
static void mark_executable(const struct image *image) {
    for (unsigned i = 0; i < image->segments; i++) {
        const struct arena_segment *s = &image->segment[i];
        const uint64_t from = s->va & ~(uint64_t)(PAGE - 1),
                       to = (s->va + s->length + PAGE - 1) & ~(uint64_t)(PAGE - 1);
        if (s->prot == (PROT_READ | PROT_EXEC))
            syscall(SYS_mprotect, from, to - from, s->prot);
    }
}

/* A setuid program runs with the rights of who started it, as the emulator is no setuid program. */
static void tell_setuid(int fd) {
    struct stat st;
    if (fstat(fd, &st) == 0 &&
        ((st.st_mode & S_ISUID && st.st_uid != geteuid()) || (st.st_mode & S_ISGID && st.st_gid != getegid())))
        plugin_tell(ARENA_TOLD_SETUID);
}

/* Bytes of the mappings of program and interpreter. */
static uint64_t image_bytes(const struct image *image) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < image->segments; i++) {
        const struct arena_segment *s = &image->segment[i];
        sum += ((s->va + s->length + PAGE - 1) & ~(uint64_t)(PAGE - 1)) - (s->va & ~(uint64_t)(PAGE - 1));
    }
    return sum;
}

static void plugin_unfollowed(struct vcpu *v, const char *text) {
    struct arena_event e = {.type = VMSIM_TRACE_UNFOLLOWED};
    plugin_event(v, &e, text, NULL, NULL);
}

void plugin_image(struct vcpu *v) {
    static struct image image;
    struct arena_event e = {.type = VMSIM_TRACE_EXEC};
    uint64_t phdr = 0, program = 0, interpreter = 0, auxv = find_stack(&e);
    if (!auxv) {
        plugin_unfollowed(v, "the initial stack was not found: the program's mappings are not in the trace");
        return;
    }
    for (const uint64_t *a = (const uint64_t *)(uintptr_t)auxv; a[0] != AT_NULL; a += 2) {
        if (a[0] == AT_PHDR)
            phdr = a[1];
        if (a[0] == AT_BASE)
            interpreter = a[1];
    }
    const char *path = qemu_plugin_path_to_binary();
    char real[4096];
    if (!path || !realpath(path, real))
        snprintf(real, sizeof real, "%s", path ? path : "");
    free((void *)(uintptr_t)path);
    snprintf(plugin.program, sizeof plugin.program, "%s", real);
    int fd = open(real, O_RDONLY | O_CLOEXEC), other = -1;
    if (fd < 0 || !add_elf(&image, fd, &program, phdr, 0))
        plugin_unfollowed(v, "the program's ELF headers cannot be read: its mappings are not in the trace");
    tell_setuid(fd);
    e.file = plugin_file(fd);
    if (image.interpreter[0] && (other = open(image.interpreter, O_RDONLY | O_CLOEXEC)) >= 0) {
        add_elf(&image, other, &interpreter, 0, 1);
        e.other = plugin_file(other);
    }
    mark_executable(&image);
    e.exec[VDSO] = plugin_vdso((uint64_t *)(uintptr_t)auxv, &e.exec[VDSO_BYTES], &e.exec[VVAR_BYTES]);
    e.exec[VVAR] = e.exec[VDSO] - e.exec[VVAR_BYTES];
    e.exec[ENTRY] = qemu_plugin_entry_code();
    e.exec[LOAD_BASE] = program;
    e.exec[INTERPRETER_BASE] = image.interpreter[0] ? interpreter : 0;
    e.exec[BRK_START] = (image.end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    e.segments = image.segments;
    plugin_limits_loaded(image_bytes(&image) + e.exec[VDSO_BYTES] + e.exec[VVAR_BYTES], plugin.space);
    if (plugin.first_task == 0)
        plugin_limits_begin(v);
    plugin_event(v, &e, real, image.interpreter[0] ? image.interpreter : NULL, image.segment);
    close(fd);
    close(other);
}
