/* SPDX-License-Identifier: MIT */
/* The probes (calibrate.h). Every probe takes its memory anew, so that none profits from another. Memory that is
 * "cold" is COLD bytes, more than the last-level caches of most hosts, touched in order. */
#include <assert.h>
#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/calibrate.h"

#define PAGE ((size_t)4096)
#define HUGE ((size_t)2 << 20)
#define COLD ((size_t)128 << 20)
#define FAULTS ((size_t)4096) /* pages that a fault probe touches */
#define CALLS 20000u          /* of a system call */
#define PATHS 2000u           /* of a call on a path or a descriptor */
#define LOOKED_UP "/usr/lib/os-release"
#define CHILDREN 200u  /* that a probe of processes makes */
#define SWITCHES 5000u /* round trips of a ping-pong */
#define CHASE_PAGES                                                                                                    \
    ((size_t)8192) /* pages that a chase goes through: more than TLBs hold; their lines fit in 512 KiB */
#define CHASE_STEPS 400000u

/* What this thread had of the CPU: what others take meanwhile does not count. */
static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Picoseconds of one of `n` that began at `begin`. */
static uint64_t each(uint64_t begin, uint64_t n) {
    assert(n > 0);
    const uint64_t ns = now_ns() - begin;
    return (ns ? ns : 1) * 1000 / n;
}

static char *map(size_t size, bool huge) {
    assert(size % PAGE == 0);
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    if (madvise(at, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) && huge) {
        munmap(at, size);
        return NULL;
    }
    return at;
}

/* Keeps the compiler from leaving a read out. */
static void use(uint64_t value) {
    __asm__ volatile("" : : "r"(value) : "memory");
}

/* ---- calls ---- */

static uint64_t probe_syscall(void) {
    const uint64_t begin = now_ns();
    for (unsigned i = 0; i < CALLS; i++)
        use((uint64_t)syscall(SYS_getppid));
    return each(begin, CALLS);
}

typedef int make_pair(int ends[2]);

static int make_sockets(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
}

/* A call on paths and descriptors, many times. 0: the host refuses it. */
static uint64_t repeated(bool (*call)(const int ends[2]), make_pair *make, unsigned calls) {
    assert(calls > 0);
    int ends[2];
    if (make(ends))
        return 0;
    bool good = true;
    const uint64_t begin = now_ns();
    for (unsigned i = 0; good && i < calls; i++)
        good = call(ends);
    const uint64_t took = each(begin, calls);
    close(ends[0]);
    close(ends[1]);
    return good ? took : 0;
}

static bool look_up(const int ends[2]) {
    (void)ends;
    return !access(LOOKED_UP, F_OK);
}

static bool open_file(const int ends[2]) {
    const int fd = open(LOOKED_UP, O_RDONLY | O_CLOEXEC);
    (void)ends;
    return fd >= 0 && !close(fd);
}

static bool send_byte(const int ends[2]) {
    char byte = 0;
    return write(ends[1], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1;
}

static bool make_pipe(const int ends[2]) {
    int made[2];
    (void)ends;
    return !pipe(made) && !close(made[0]) && !close(made[1]);
}

static bool ask_ready(const int ends[2]) {
    struct pollfd asked = {.fd = ends[1], .events = POLLOUT};
    return poll(&asked, 1, 0) == 1;
}

/* ---- processes ---- */

/* exit(0) and nothing else: _start is mov $60, %eax; xor %edi, %edi; syscall. */
struct least_program {
    Elf64_Ehdr head;
    Elf64_Phdr load;
    unsigned char code[9];
};

/* A descriptor of the program; -1: this host runs no such programs. */
static int least_program(void) {
#ifdef __x86_64__
    enum { AT = 0x400000 };
    const struct least_program p = {
        .head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                 .e_type = ET_EXEC,
                 .e_machine = EM_X86_64,
                 .e_version = EV_CURRENT,
                 .e_entry = AT + offsetof(struct least_program, code),
                 .e_phoff = offsetof(struct least_program, load),
                 .e_ehsize = sizeof(Elf64_Ehdr),
                 .e_phentsize = sizeof(Elf64_Phdr),
                 .e_phnum = 1},
        .load = {.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = AT, .p_filesz = sizeof p, .p_memsz = sizeof p},
        .code = {0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}};
    const int fd = memfd_create("vmsim-calibrate", MFD_CLOEXEC);
    if (fd >= 0 && write(fd, &p, sizeof p) == (ssize_t)sizeof p)
        return fd;
    if (fd >= 0)
        close(fd);
#endif
    return -1;
}

/* What all children that were waited for had of the CPU, in ns. */
static uint64_t of_children(void) {
    struct rusage r;
    getrusage(RUSAGE_CHILDREN, &r);
    return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000000 +
           (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000;
}

/* Children that end at once, or execute `program` first. False: the host makes none. */
static bool make_children(int program) {
    char *const none[] = {NULL};
    for (unsigned i = 0; i < CHILDREN; i++) {
        int status;
        const pid_t pid = vfork();
        if (!pid) {
            if (program >= 0)
                fexecve(program, none, none);
            _exit(program >= 0);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
            return false;
    }
    return true;
}

/* The parent's part of a child, or the child's. */
static uint64_t probe_child(bool parent) {
    const uint64_t begin = now_ns(), before = of_children();
    if (!make_children(-1))
        return 0;
    return (parent ? now_ns() - begin : of_children() - before) * 1000 / CHILDREN;
}

static uint64_t probe_exec(void) {
    const int program = least_program();
    if (program < 0)
        return 0;
    const uint64_t begin = of_children();
    const bool plain = make_children(-1);
    const uint64_t middle = of_children();
    const bool good = make_children(program) && plain;
    const uint64_t end = of_children(), least = middle - begin, most = end - middle;
    close(program);
    return good && most > least ? (most - least) * 1000 / CHILDREN : 0;
}

/* The other end of the ping-pong; both are bound to one CPU. */
_Noreturn static void echo(int in, int out) {
    char byte;
    while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1)
        ;
    _exit(0);
}

/* What this end had of the CPU, in ns; 0: the other end is gone. */
static uint64_t ping_pong(int out, int in) {
    assert(out >= 0 && in >= 0);
    char byte = 0;
    const uint64_t begin = now_ns();
    for (unsigned i = 0; i < SWITCHES; i++) {
        if (write(out, &byte, 1) != 1 || read(in, &byte, 1) != 1)
            return 0;
    }
    return now_ns() - begin;
}

/* Both ends' time: a switch is paid for by who goes and by who comes. */
static uint64_t play(int there[2], int back[2]) {
    struct rusage used = {0};
    const pid_t pid = fork();
    if (!pid) {
        close(there[1]);
        echo(there[0], back[1]);
    }
    const uint64_t here = pid > 0 ? ping_pong(there[1], back[0]) : 0;
    close(there[1]);
    there[1] = -1;
    if (pid < 0 || wait4(pid, NULL, 0, &used) < 0 || !here)
        return 0;
    const uint64_t us = (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) +
                        (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000;
    return (here + us * 1000) * 1000 / (2 * SWITCHES);
}

static uint64_t probe_switch(void) {
    int ends[4] = {-1, -1, -1, -1};
    const uint64_t took = pipe(ends) || pipe(ends + 2) ? 0 : play(ends, ends + 2);
    for (unsigned i = 0; i < 4; i++) {
        if (ends[i] >= 0)
            close(ends[i]);
    }
    return took;
}

static uint64_t probe_mmap(bool unmap) {
    enum { MAPPINGS = 512 };
    static const size_t gap = 2 * PAGE; /* neighbours would be one mapping */
    char *room = mmap(NULL, MAPPINGS * gap, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return 0;
    munmap(room, MAPPINGS * gap);
    uint64_t begin = now_ns();
    for (size_t i = 0; i < MAPPINGS; i++)
        mmap(room + i * gap, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    uint64_t took = each(begin, MAPPINGS);
    begin = now_ns();
    for (size_t i = 0; i < MAPPINGS; i++)
        munmap(room + i * gap, PAGE);
    return unmap ? each(begin, MAPPINGS) : took;
}

static uint64_t probe_mprotect(void) {
    enum { CHANGES = 1024 };
    char *at = map(4 * PAGE, false);
    if (!at)
        return 0;
    const uint64_t begin = now_ns();
    for (unsigned i = 0; i < CHANGES; i++)
        mprotect(at, 4 * PAGE, i % 2 ? PROT_READ | PROT_WRITE : PROT_READ);
    const uint64_t took = each(begin, CHANGES);
    munmap(at, 4 * PAGE);
    return took;
}

static uint64_t probe_cached_read(void) {
    char buffer[4096];
    const int fd = memfd_create("vmsim-calibrate", 0);
    uint64_t took = 0;
    bool good = fd >= 0;
    memset(buffer, 1, sizeof buffer);
    for (size_t i = 0; good && i < FAULTS; i++)
        good = write(fd, buffer, sizeof buffer) == (ssize_t)sizeof buffer;
    const uint64_t begin = now_ns();
    for (size_t i = 0; good && i < FAULTS; i++)
        good = pread(fd, buffer, sizeof buffer, (off_t)(i * PAGE)) == (ssize_t)sizeof buffer;
    took = each(begin, FAULTS);
    if (fd >= 0)
        close(fd);
    const uint64_t enter = good ? probe_syscall() : 0;
    return good && took > enter ? took - enter : 0;
}

/* ---- faults and memory ---- */

static uint64_t probe_fault(bool write) {
    volatile char *at = map(FAULTS * PAGE, false);
    if (!at)
        return 0;
    const uint64_t begin = now_ns();
    for (size_t i = 0; i < FAULTS; i++) {
        if (write)
            at[i * PAGE] = 1;
        else
            use((uint64_t)at[i * PAGE]);
    }
    const uint64_t took = each(begin, FAULTS);
    munmap((char *)at, FAULTS * PAGE);
    return took;
}

/* Pages that were only read are all one, the zero page: nothing is freed. */
static uint64_t probe_unmap(bool written) {
    char *at = map(FAULTS * PAGE, false);
    if (!at)
        return 0;
    if (written)
        memset(at, 1, FAULTS * PAGE);
    for (size_t i = 0; i < FAULTS; i++)
        use((uint64_t)at[i * PAGE]);
    const uint64_t begin = now_ns();
    munmap(at, FAULTS * PAGE);
    return each(begin, FAULTS);
}

static uint64_t probe_memory(size_t piece, bool copy) {
    assert(piece > 0 && piece <= COLD / 2);
    char *at = map(COLD, false);
    if (!at)
        return 0;
    memset(at, 1, COLD);
    const size_t half = COLD / 2, n = half / piece;
    const uint64_t begin = now_ns();
    for (size_t i = 0; i < n; i++) {
        if (copy)
            memcpy(at + half + i * piece, at + i * piece, piece);
        else
            memset(at + i * piece, 0, piece);
        use((uint64_t)at[i * piece]);
    }
    const uint64_t took = each(begin, n);
    munmap(at, COLD);
    return took;
}

/* ---- the CPU ---- */

static uint64_t probe_cycle(void) {
    enum { ROUNDS = 200000, ADDITIONS = 16 };
    uint64_t x = 1;
    const uint64_t begin = now_ns();
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned k = 0; k < ADDITIONS; k++) {
            x += i;
            __asm__ volatile("" : "+r"(x));
        }
    }
    use(x);
    return each(begin, (uint64_t)ROUNDS * ADDITIONS);
}

/* A ring through CHASE_PAGES lines in an order that no prefetcher guesses (Sattolo's shuffle by a fixed generator). */
static uint64_t chase(char *at, size_t stride) {
    assert(at && stride >= 64 && stride % sizeof(char *) == 0);
    uint32_t *order = malloc(CHASE_PAGES * sizeof *order);
    uint64_t seed = 1;
    if (!order)
        return 0;
    for (uint32_t i = 0; i < CHASE_PAGES; i++)
        order[i] = i;
    for (size_t i = CHASE_PAGES - 1; i > 0; i--) {
        seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
        const size_t k = (size_t)(seed >> 33) % i;
        const uint32_t swapped = order[i];
        order[i] = order[k];
        order[k] = swapped;
    }
    /* lines of pages differ in their place within the page, or all would fall into few sets of the cache */
    for (size_t i = 0; i < CHASE_PAGES; i++) {
        const size_t from = order[i], to = order[(i + 1) % CHASE_PAGES];
        const size_t spread = stride == PAGE ? 64 : 0;
        *(char **)(void *)(at + from * stride + from % 64 * spread) = at + to * stride + to % 64 * spread;
    }
    char *p = at + order[0] * stride + (stride == PAGE ? order[0] % 64 * 64 : 0);
    free(order);
    for (size_t i = 0; i < CHASE_PAGES; i++)
        p = *(char **)(void *)p;
    const uint64_t begin = now_ns();
    for (unsigned i = 0; i < CHASE_STEPS; i++)
        p = *(char **)(void *)p;
    use((uint64_t)(uintptr_t)p);
    return each(begin, CHASE_STEPS);
}

static uint64_t probe_chase(size_t stride, bool huge) {
    assert(stride <= PAGE);
    const size_t size = CHASE_PAGES * stride + HUGE;
    char *at = map(size, huge);
    if (!at)
        return 0;
    const uint64_t took = chase((char *)(((uintptr_t)at + HUGE - 1) & ~(HUGE - 1)), stride);
    munmap(at, size);
    return took;
}

/* ---- all of them ---- */

static const char *const names[CALIBRATE_PROBES] = {
    [CALIBRATE_SYSCALL] = "system call (getppid)",
    [CALIBRATE_PATH] = "access of a path",
    [CALIBRATE_OPEN] = "open and close",
    [CALIBRATE_MESSAGE] = "write and read of a byte, a pipe",
    [CALIBRATE_SOCKET] = "write and read of a byte, a Unix socket",
    [CALIBRATE_OBJECT] = "pipe and two closes",
    [CALIBRATE_WAIT] = "poll of what is ready",
    [CALIBRATE_CLONE] = "vfork and wait for a child, the parent's part",
    [CALIBRATE_EXIT] = "child that ends at once, its part",
    [CALIBRATE_EXEC] = "exec of a program that ends at once",
    [CALIBRATE_SWITCH] = "context switch (half of a pipe's ping-pong)",
    [CALIBRATE_READ_FAULT] = "first read of an anonymous page",
    [CALIBRATE_ANON_FAULT] = "first write to an anonymous page",
    [CALIBRATE_ZERO] = "clear 4 KiB, cold",
    [CALIBRATE_ZERO_HUGE] = "clear 2 MiB, cold",
    [CALIBRATE_COPY] = "copy 4 KiB, cold",
    [CALIBRATE_MMAP] = "mmap",
    [CALIBRATE_MUNMAP] = "munmap",
    [CALIBRATE_MPROTECT] = "mprotect",
    [CALIBRATE_UNMAP] = "page that munmap frees",
    [CALIBRATE_UNMAP_ZERO] = "page that munmap only takes away",
    [CALIBRATE_CACHED_READ] = "read of a cached page, the system call apart",
    [CALIBRATE_CYCLE] = "cycle of the CPU",
    [CALIBRATE_NEAR] = "dependent load, lines side by side",
    [CALIBRATE_FAR] = "dependent load, a line in each 4 KiB page",
    [CALIBRATE_FAR_HUGE] = "the same in huge pages",
};

const char *calibrate_name(enum calibrate_probe probe) {
    assert(probe < CALIBRATE_PROBES);
    return names[probe];
}

static uint64_t once(enum calibrate_probe probe) {
    assert(probe < CALIBRATE_PROBES);
    switch (probe) {
    case CALIBRATE_SYSCALL:
        return probe_syscall();
    case CALIBRATE_PATH:
        return repeated(look_up, pipe, PATHS);
    case CALIBRATE_OPEN:
        return repeated(open_file, pipe, PATHS);
    case CALIBRATE_MESSAGE:
        return repeated(send_byte, pipe, PATHS);
    case CALIBRATE_SOCKET:
        return repeated(send_byte, make_sockets, PATHS);
    case CALIBRATE_OBJECT:
        return repeated(make_pipe, pipe, PATHS);
    case CALIBRATE_WAIT:
        return repeated(ask_ready, pipe, PATHS);
    case CALIBRATE_CLONE:
    case CALIBRATE_EXIT:
        return probe_child(probe == CALIBRATE_CLONE);
    case CALIBRATE_EXEC:
        return probe_exec();
    case CALIBRATE_SWITCH:
        return probe_switch();
    case CALIBRATE_READ_FAULT:
    case CALIBRATE_ANON_FAULT:
        return probe_fault(probe == CALIBRATE_ANON_FAULT);
    case CALIBRATE_ZERO:
        return probe_memory(PAGE, false);
    case CALIBRATE_ZERO_HUGE:
        return probe_memory(HUGE, false);
    case CALIBRATE_COPY:
        return probe_memory(PAGE, true);
    case CALIBRATE_MMAP:
    case CALIBRATE_MUNMAP:
        return probe_mmap(probe == CALIBRATE_MUNMAP);
    case CALIBRATE_MPROTECT:
        return probe_mprotect();
    case CALIBRATE_UNMAP:
    case CALIBRATE_UNMAP_ZERO:
        return probe_unmap(probe == CALIBRATE_UNMAP);
    case CALIBRATE_CACHED_READ:
        return probe_cached_read();
    case CALIBRATE_CYCLE:
        return probe_cycle();
    case CALIBRATE_NEAR:
        return probe_chase(64, false);
    case CALIBRATE_FAR:
        return probe_chase(PAGE, false);
    case CALIBRATE_FAR_HUGE:
        return probe_chase(PAGE, true);
    case CALIBRATE_PROBES:
        break;
    }
    return 0;
}

static int by_size(const void *a, const void *b) {
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

struct calibrate_result calibrate_middle(uint64_t *took, unsigned n) {
    if (!n)
        return (struct calibrate_result){0};
    qsort(took, n, sizeof *took, by_size);
    return (struct calibrate_result){true, took[n / 2], took[n / 4], took[n * 3 / 4]};
}

struct calibrate_result calibrate_measure(enum calibrate_probe probe, unsigned repeats) {
    assert(repeats > 0);
    uint64_t took[CALIBRATE_REPEATS_MAX];
    unsigned n = 0;
    cpu_set_t all, one;
    const bool bound = !sched_getaffinity(0, sizeof all, &all);
    const int cpu = sched_getcpu();
    CPU_ZERO(&one);
    CPU_SET(cpu < 0 ? 0 : (unsigned)cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    for (unsigned i = 0; i < repeats; i++) {
        took[n] = once(probe);
        n += took[n] > 0;
        assert(n <= i + 1);
    }
    if (bound)
        sched_setaffinity(0, sizeof all, &all);
    return calibrate_middle(took, n);
}
