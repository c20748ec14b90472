/* SPDX-License-Identifier: MIT */
/* The emulator's own calls of its C library for memory, taken by this library because it is preloaded into it.
 *
 * QEMU 7.2 places what a program maps by itself: upwards from one address, unaligned, and it forgets
 * MAP_FIXED_NOREPLACE, MAP_32BIT and that mremap may grow in place. What it then asks the kernel for comes through
 * here, with the program's own call known (`calling`), and the kernel decides as it would without QEMU:
 *
 *     QEMU's search for a place (PROT_NONE, NORESERVE)  ->  the program's own mmap, made here; QEMU maps over it
 *     its mremap to a place that it chose               ->  the program's own mremap
 *     calls over HUGE bytes and more                    ->  made here, and QEMU is told that they failed
 *
 * The last is because QEMU keeps a record of 24 bytes a page of everything: 6 MB a GiB, for reservations of terabytes
 * that nobody touches. Only code, and buffers of system calls, must be known to it; calls that it refuses for an
 * unknown buffer are made of the kernel (answer.c).
 *
 * Before the program starts QEMU maps it: the image goes where Linux has position-independent programs, so that the
 * heap can grow behind it. The stack, and where mappings begin below it, lie a multiple of 1 TiB below where they would
 * without QEMU: programs compute with addresses (arenas begin at multiples of 64 MiB, tables go by the upper bits), and
 * chance has no part in it, as QEMU was executed without. Two pages are QEMU's own
 * (descriptor tables of the simulated CPU): they lie out of the way, and references to them are none of the program's.
 */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "trace/plugin/plugin.h"

#define EXPORT __attribute__((visibility("default")))
#define HUGE (UINT64_C(1) << 30)
/* Below where Linux puts QEMU itself (2/3 of the address space and up), and where sanitizers expect a program. */
#define IMAGE UINT64_C(0x550555554000)
#define TABLES UINT64_C(0x550000000000)

#define WINDOW (UINT64_C(1) << 40)

enum { PAGE = 4096, SEARCH = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };

/* The program's call under way in this thread, or NULL: QEMU's own affairs. */
static _Thread_local struct vcpu *calling;

static struct {
    bool image, stack; /* have their places */
    bool holes;        /* are closed */
    bool running;      /* the program has begun */
} start;

void plugin_call_begins(struct vcpu *v) {
    calling = v;
    v->decided = false;
}

void plugin_call_ends(void) {
    calling = NULL;
}

const struct vcpu *plugin_calling(void) {
    return calling;
}

void plugin_program_begins(void) {
    start.running = true;
}

/* What QEMU needs for itself comes from its break, and not from among the program's mappings. */
__attribute__((constructor)) static void keep_to_the_break(void) {
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_MAX, 0);
}

static void *map(uint64_t va, size_t length, int prot, int flags, int fd, int64_t offset) {
    return (void *)syscall(SYS_mmap, va, length, prot, flags, fd, offset); // NOLINT: an address is a long
}

/* The kernel has answered the program's call; QEMU shall not know what lies there. */
static long decide(struct vcpu *v, long result) {
    v->decided = true;
    v->decision = result == -1 ? -errno : result;
    errno = ENOMEM;
    return -1;
}

static void *out_of_memory(void) {
    errno = ENOMEM;
    return MAP_FAILED;
}

/* ---- before the program runs */

/* Holes among the libraries of QEMU are closed: there the kernel would put what the program maps first. */
static void close_holes(void) {
    FILE *f = fopen("/proc/self/maps", "re");
    char line[4600];
    uint64_t from, to, end = 0;
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx", &from, &to) != 2 || from >> 44 != 7)
            continue;
        if (strstr(line, "[stack]"))
            break;
        if (end && end < from)
            map(end, from - end, PROT_NONE, SEARCH | MAP_FIXED_NOREPLACE, -1, 0);
        end = to;
    }
    if (f)
        fclose(f);
}

/* Where Linux begins to map downwards, without chance: below the stack's limit and a gap, and 128 MiB at least. */
static uint64_t mapping_base(void) {
    const uint64_t top = UINT64_C(0x7ffffffff000), least = UINT64_C(128) << 20, most = top / 6 * 5, more = 1 << 20;
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return 0; /* upwards */
    uint64_t gap = limit.rlim_cur + more < limit.rlim_cur ? limit.rlim_cur : limit.rlim_cur + more;
    gap = gap < least ? least : gap > most ? most : gap;
    return (top - gap) & ~(uint64_t)(PAGE - 1);
}

/* The stack's place, and nothing free above where mappings begin. MAP_FAILED: the kernel finds one. */
static void *place_stack(size_t length) {
    const uint64_t base = mapping_base(), top = UINT64_C(0x7ffffffff000);
    void *probe = base ? map(0, PAGE, PROT_NONE, SEARCH, -1, 0) : MAP_FAILED;
    if (probe == MAP_FAILED)
        return MAP_FAILED;
    munmap(probe, PAGE);
    const uint64_t end = (uint64_t)(uintptr_t)probe + PAGE, down = (top - end + WINDOW - 1) & ~(WINDOW - 1);
    if (end > top || length > top - base)
        return MAP_FAILED;
    void *at = map(top - down - length, length, PROT_NONE, SEARCH | MAP_FIXED_NOREPLACE, -1, 0);
    if (at != MAP_FAILED) {
        map(base - down, top - base - length, PROT_NONE, SEARCH | MAP_FIXED_NOREPLACE, -1, 0);
        map(top - down, end - (top - down), PROT_NONE, SEARCH | MAP_FIXED_NOREPLACE, -1, 0);
    }
    return at;
}

static void *place_at_start(size_t length) {
    uint64_t wish = 0;
    void *at;
    if (!start.image) {
        start.image = true;
        wish = IMAGE;
    } else if (length == PAGE) {
        wish = plugin_hidden == PLUGIN_NOTHING_HIDDEN ? TABLES : TABLES + PAGE;
        plugin_hidden = TABLES;
    }
    if (!start.holes)
        close_holes();
    start.holes = true;
    if (wish)
        at = map(wish, length, PROT_NONE, SEARCH | MAP_FIXED_NOREPLACE, -1, 0);
    else
        at = start.stack ? MAP_FAILED : place_stack(length);
    start.stack |= !wish;
    return at != MAP_FAILED ? at : map(0, length, PROT_NONE, SEARCH, -1, 0);
}

/* ---- the program's mmap, mremap, munmap, mprotect */

/* QEMU leaves PROT_EXEC out, as nothing of the program's is executed by the CPU. But /proc/self/maps, which it makes of
 * the kernel's, then has code and read-only data in one line: here pages are as executable as they are for the program.
 */
static int executable(const struct vcpu *v, int64_t number, const void *addr) {
    const bool own = v && v->number == number && (uint64_t)(uintptr_t)addr - v->args[0] < v->args[1];
    return own ? (int)v->args[2] & PROT_EXEC : 0;
}

/* The place is the kernel's choice for the very mapping that is asked for. */
static void *place_mapping(struct vcpu *v) {
    const uint64_t *a = v->args;
    int flags = (int)a[3] & ~(MAP_POPULATE | MAP_LOCKED | MAP_NONBLOCK);
    bool huge = a[1] >= HUGE && !(a[2] & PROT_EXEC);
    void *at = map(a[0], a[1], (int)a[2], flags, flags & MAP_ANONYMOUS ? -1 : (int)a[4], (int64_t)a[5]);
    return huge || at == MAP_FAILED ? (void *)decide(v, (long)at) : at;
}

EXPORT void *mmap64(void *addr, size_t length, int prot, int flags, int fd, off64_t offset) {
    struct vcpu *v = calling;
    bool search = prot == PROT_NONE && flags == SEARCH;
    if (plugin.arena && !start.running) {
        start.image |= flags == (SEARCH | MAP_FIXED); /* it is linked to its place */
        if (search)
            return place_at_start(length);
    }
    if (v && search && v->number != SYS_mremap && plugin_limits_refuse(length))
        return out_of_memory();
    if (v && search && v->number == SYS_mmap)
        return place_mapping(v);
    if (v && search && v->number == SYS_mremap)
        return (void *)(uintptr_t)PAGE; /* a place to forget: the program's own mremap follows */
    if (v && search && v->number == SYS_shmat)
        addr = NULL;
    if (v && v->number == SYS_mmap && (uint64_t)(uintptr_t)addr == v->args[0] && v->args[1] >= HUGE &&
        flags & MAP_FIXED && !(v->args[2] & PROT_EXEC))
        return (void *)decide(
            v, syscall(SYS_mmap, v->args[0], v->args[1], v->args[2], v->args[3], v->args[4], v->args[5]));
    return map((uint64_t)(uintptr_t)addr, length, prot | executable(v, SYS_mmap, addr), flags, fd, offset);
}

EXPORT void *mremap(void *old, size_t old_length, size_t length, int flags, ...) {
    struct vcpu *v = calling;
    va_list more;
    va_start(more, flags);
    void *to = flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) ? va_arg(more, void *) : NULL;
    va_end(more);
    if (!v || v->number != SYS_mremap || (uint64_t)(uintptr_t)old != v->args[0])
        return (void *)syscall(SYS_mremap, old, old_length, length, flags, to);
    const uint64_t *a = v->args;
    if (a[2] > a[1] && plugin_limits_refuse(a[2] - a[1]))
        return out_of_memory();
    long at = syscall(SYS_mremap, a[0], a[1], a[2], a[3], a[4]);
    return (void *)(a[1] >= HUGE || a[2] >= HUGE ? decide(v, at) : at);
}

/* Whether the program's call `number` is about this range and too long for QEMU's records. */
static bool is_huge(const struct vcpu *v, int64_t number, const void *addr) {
    return v && v->number == number && (uint64_t)(uintptr_t)addr == v->args[0] && v->args[1] >= HUGE;
}

EXPORT int munmap(void *addr, size_t length) {
    if (is_huge(calling, SYS_munmap, addr))
        return (int)decide(calling, syscall(SYS_munmap, addr, calling->args[1]));
    return (int)syscall(SYS_munmap, addr, length);
}

EXPORT int mprotect(void *addr, size_t length, int prot) {
    if (is_huge(calling, SYS_mprotect, addr) && !(calling->args[2] & PROT_EXEC))
        return (int)decide(calling, syscall(SYS_mprotect, addr, calling->args[1], calling->args[2]));
    prot |= executable(calling, SYS_mprotect, addr) | executable(calling, SYS_pkey_mprotect, addr);
    return (int)syscall(SYS_mprotect, addr, length, prot);
}

/* ---- what QEMU says to people */

EXPORT int __fprintf_chk(FILE *to, int level, const char *format, ...);

/* A program that dies of a signal says nothing by itself; the shell does, or `vmsim record`. */
EXPORT int __fprintf_chk(FILE *to, int level, const char *format, ...) {
    va_list more;
    int n = 0;
    (void)level;
    va_start(more, format);
    if (strncmp(format, "qemu: uncaught target signal", 28) != 0)
        n = vfprintf(to, format, more);
    va_end(more);
    return n;
}
