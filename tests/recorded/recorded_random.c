/* SPDX-License-Identifier: MIT */
/* recorded_random [SEED [CALLS]]: valid calls on memory and files in an order of chance, the same for the same seed. It
 * knows which pages it may touch, prints what each call gives, and checks that what it stored is there. Its memory is
 * static, so that nothing but its calls moves the break or maps. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, REGIONS = 16, PAGES = 1200, FILE_PAGES = 400 };
enum state { NONE, MAPPED, READABLE, WRITABLE };

struct region {
    char *at;
    unsigned pages;
    bool shared, file, whole, stays; /* whole: one mapping still; stays: its children do not have it */
    unsigned char state[PAGES];
};
static struct region regions[REGIONS];
static char printed[1 << 16];
static size_t length;
static uint64_t x;
static int file;
static unsigned break_pages;

static unsigned below(unsigned n) {
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return (unsigned)(x >> 20) % n;
}

static void say(const char *what, long result) {
    length += (size_t)snprintf(printed + length, sizeof printed - length, "%s %ld\n", what,
                               result == -1 ? -(long)errno : result);
    if (length > sizeof printed - 100) {
        if (write(1, printed, length) < 0)
            _exit(99);
        length = 0;
    }
}

/* A run of pages of a region; false: the region is not there. */
static bool choose(struct region *r, unsigned *from, unsigned *count) {
    if (!r->at)
        return false;
    *from = below(r->pages);
    *count = 1 + below(below(4) ? 16 : r->pages);
    if (*from + *count > r->pages)
        *count = r->pages - *from;
    return true;
}

static bool all(const struct region *r, unsigned from, unsigned count, enum state least) {
    for (unsigned i = 0; i < count; i++)
        if (r->state[from + i] < least)
            return false;
    return true;
}

static bool none(const struct region *r) {
    for (unsigned i = 0; i < r->pages; i++)
        if (r->state[i] != NONE)
            return false;
    return true;
}

static void set(struct region *r, unsigned from, unsigned count, enum state s) {
    memset(r->state + from, s, count);
}

static void do_map(struct region *r) {
    static const int more[] = {0, 0, 0, 0, MAP_POPULATE, MAP_NORESERVE};
    if (r->at)
        return;
    bool named = !below(3), shared = !below(3);
    unsigned pages = 1 + below(below(3) ? 64 : named ? FILE_PAGES : PAGES);
    int flags = (shared ? MAP_SHARED : MAP_PRIVATE) | (named ? 0 : MAP_ANONYMOUS) | more[below(6)];
    off_t offset = named && !below(2) ? (off_t)below(FILE_PAGES - pages + 1) * PAGE : 0;
    char *at = mmap(NULL, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, flags, named ? file : -1, offset);
    say("mmap", at == MAP_FAILED ? -1 : 0);
    if (at == MAP_FAILED)
        return;
    *r = (struct region){.at = at, .pages = pages, .shared = shared, .file = named, .whole = true};
    set(r, 0, pages, WRITABLE);
}

/* A place is asked for: beside another region, or where something lies. */
static void do_map_at(struct region *r) {
    const struct region *other = &regions[below(REGIONS)];
    unsigned pages = 1 + below(below(3) ? 64 : PAGES), up = below(300);
    if (r->at || !other->at)
        return;
    bool named = !below(4) && pages <= FILE_PAGES;
    char *wish = other->at - (below(3) ? (size_t)(up + pages) * PAGE : 0);
    char *at = mmap(wish, (size_t)pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | (named ? 0 : MAP_ANONYMOUS),
                    named ? file : -1, 0);
    say("mmap at", at == MAP_FAILED ? -1 : at == wish);
    if (at == MAP_FAILED)
        return;
    *r = (struct region){.at = at, .pages = pages, .file = named, .whole = true};
    set(r, 0, pages, WRITABLE);
}

/* Fresh memory in place of a part. */
static void do_replace(struct region *r) {
    unsigned from, count;
    if (!choose(r, &from, &count) || !all(r, from, count, MAPPED))
        return;
    char *at = mmap(r->at + (size_t)from * PAGE, (size_t)count * PAGE, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    say("mmap fixed", at == MAP_FAILED ? -1 : 0);
    set(r, from, count, WRITABLE);
    r->whole = false;
}

static void do_segment(struct region *r) {
    unsigned pages = 1 + below(64);
    if (r->at)
        return;
    int id = shmget(IPC_PRIVATE, (size_t)pages * PAGE, 0600);
    char *at = shmat(id, NULL, 0);
    say("shmat", at == (char *)-1 ? -1 : 0);
    shmctl(id, IPC_RMID, NULL);
    if (at == (char *)-1)
        return;
    *r = (struct region){.at = at, .pages = pages, .shared = true, .file = true, .whole = true};
    set(r, 0, pages, WRITABLE);
}

/* Holes may be another region's by now. */
static void do_unmap(struct region *r) {
    unsigned from, count;
    if (!choose(r, &from, &count) || !all(r, from, count, MAPPED))
        return;
    if (all(r, 0, r->pages, MAPPED) && below(2)) {
        from = 0;
        count = r->pages;
    }
    say("munmap", munmap(r->at + (size_t)from * PAGE, (size_t)count * PAGE));
    set(r, from, count, NONE);
    r->whole = false;
    if (none(r))
        r->at = NULL;
}

static void do_protect(struct region *r) {
    static const int prots[] = {PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE};
    static const unsigned char states[] = {MAPPED, READABLE, WRITABLE, WRITABLE};
    unsigned from, count, which = below(4);
    if (!choose(r, &from, &count) || !all(r, from, count, MAPPED))
        return;
    say("mprotect", mprotect(r->at + (size_t)from * PAGE, (size_t)count * PAGE, prots[which]));
    set(r, from, count, states[which]);
    r->whole = false;
}

static void do_touch(struct region *r) {
    unsigned from, count, step = 1 + below(3);
    bool store = below(3);
    long sum = 0;
    if (!choose(r, &from, &count))
        return;
    for (unsigned i = from; i < from + count; i += step) {
        volatile char *p = r->at + (size_t)i * PAGE + below(PAGE);
        if (store && r->state[i] == WRITABLE)
            *p = (char)i;
        else if (r->state[i] >= READABLE)
            sum += *p;
    }
    say("touch", sum);
}

static void do_advise(struct region *r) {
    static const int advice[] = {MADV_DONTNEED, MADV_DONTNEED, MADV_NORMAL,        MADV_RANDOM,        MADV_SEQUENTIAL,
                                 MADV_WILLNEED, MADV_HUGEPAGE, MADV_NOHUGEPAGE,    MADV_DONTFORK,      MADV_DOFORK,
                                 MADV_FREE,     MADV_COLD,     MADV_POPULATE_READ, MADV_POPULATE_WRITE};
    unsigned from, count;
    int which = advice[below(sizeof advice / sizeof advice[0])];
    char what[32];
    if (!choose(r, &from, &count) || (which == MADV_DONTFORK && !all(r, from, count, MAPPED)))
        return;
    snprintf(what, sizeof what, "madvise %d", which);
    int result = madvise(r->at + (size_t)from * PAGE, (size_t)count * PAGE, which);
    say(what, result);
    r->stays |= which == MADV_DONTFORK;
    r->whole &= which == MADV_DONTNEED || which == MADV_WILLNEED || which == MADV_COLD || which >= MADV_POPULATE_READ;
}

static void do_remap(struct region *r) {
    if (!r->at || !r->whole || r->file)
        return;
    unsigned pages = 1 + below(PAGES), old = r->pages;
    if (r->shared && pages > old)
        return; /* there is no more of it than was mapped */
    char *at = mremap(r->at, (size_t)old * PAGE, (size_t)pages * PAGE, MREMAP_MAYMOVE);
    say("mremap", at == MAP_FAILED ? -1 : 0);
    if (at == MAP_FAILED)
        return;
    r->at = at;
    r->pages = pages;
    set(r, 0, pages, WRITABLE);
}

/* To a place of the program's own choice, or so that the old place stays mapped. */
static void do_move(struct region *r) {
    const size_t bytes = (size_t)r->pages * PAGE;
    char *at;
    if (!r->at || !r->whole || r->file)
        return;
    if (!r->shared && below(2)) {
        at = mremap(r->at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
        say("mremap dontunmap", at == MAP_FAILED ? -1 : 0);
        if (at != MAP_FAILED)
            say("munmap", munmap(r->at, bytes));
    } else {
        char *to = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        at = to == MAP_FAILED ? to : mremap(r->at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to);
        say("mremap fixed", at == MAP_FAILED ? -1 : 0);
    }
    if (at != MAP_FAILED)
        r->at = at;
}

/* Holes in shared memory. */
static void do_remove(struct region *r) {
    unsigned from, count;
    if (choose(r, &from, &count) && r->shared && !r->file && all(r, from, count, WRITABLE))
        say("remove", madvise(r->at + (size_t)from * PAGE, (size_t)count * PAGE, MADV_REMOVE));
}

static void do_lock(struct region *r) {
    unsigned from, count;
    if (!choose(r, &from, &count))
        return;
    if (!below(4))
        say("mlock2", syscall(SYS_mlock2, r->at + (size_t)from * PAGE, (size_t)count * PAGE, MLOCK_ONFAULT));
    else if (below(2))
        say("mlock", mlock(r->at + (size_t)from * PAGE, (size_t)count * PAGE));
    else
        say("munlock", munlock(r->at + (size_t)from * PAGE, (size_t)count * PAGE));
    r->whole = false;
}

static void do_break(struct region *r) {
    (void)r;
    if (break_pages && below(2)) {
        say("sbrk", sbrk(-(intptr_t)break_pages * PAGE) == (void *)-1 ? -1 : 0);
        break_pages = 0;
        return;
    }
    unsigned pages = 1 + below(100);
    char *at = sbrk((intptr_t)pages * PAGE);
    say("sbrk", at == (void *)-1 ? -1 : 0);
    break_pages += pages;
    for (unsigned i = 0; i < pages; i += 1 + below(4))
        at[(size_t)i * PAGE] = 1;
}

static void do_file(struct region *r) {
    static char buffer[20000];
    off_t at = (off_t)below(FILE_PAGES * PAGE - sizeof buffer);
    size_t bytes = 1 + below(sizeof buffer);
    (void)r;
    if (below(2))
        say("pwrite", pwrite(file, buffer, bytes, at));
    else
        say("pread", pread(file, buffer, bytes, at));
}

static void do_sync(struct region *r) {
    unsigned from, count;
    if (choose(r, &from, &count))
        say("msync", msync(r->at + (size_t)from * PAGE, (size_t)count * PAGE, MS_ASYNC));
}

/* The child touches what it has of its parent, unmaps some, and ends. */
static void do_fork(struct region *r) {
    int status = -1;
    if (below(3))
        return;
    pid_t child = fork();
    if (child == 0) {
        length = 0;
        for (unsigned i = 0; i < REGIONS; i++)
            if (!regions[i].stays)
                do_touch(&regions[i]);
        if (!r->stays && r->at && r->whole)
            do_unmap(r);
        _exit((int)below(100));
    }
    say("fork", child < 0 ? -1 : 0);
    if (child > 0)
        waitpid(child, &status, 0);
    say("status", status);
}

static bool make_file(void) {
    static char page[PAGE];
    file = open("recorded_random.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    unlink("recorded_random.file");
    for (unsigned i = 0; i < FILE_PAGES; i++) {
        page[0] = (char)i;
        if (write(file, page, PAGE) != PAGE)
            return false;
    }
    return true;
}

int main(int argc, char **argv) {
    static void (*const calls[])(struct region *) = {do_map,     do_map,   do_map_at, do_segment, do_unmap,  do_protect,
                                                     do_replace, do_touch, do_touch,  do_touch,   do_touch,  do_advise,
                                                     do_advise,  do_remap, do_move,   do_lock,    do_remove, do_break,
                                                     do_file,    do_sync,  do_fork};
    unsigned seed = argc > 1 ? (unsigned)atoi(argv[1]) : 1, n = argc > 2 ? (unsigned)atoi(argv[2]) : 300;
    x = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    if (!make_file())
        return 98;
    for (unsigned i = 0; i < n; i++)
        calls[below(sizeof calls / sizeof calls[0])](&regions[below(REGIONS)]);
    if (write(1, printed, length) < 0)
        return 99;
    _exit(0);
}
