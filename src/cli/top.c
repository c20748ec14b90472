/* SPDX-License-Identifier: MIT */
/* One frame of `vmsim top` (see top.h): zones against their watermarks, lists of reclaim, what the machine did a
 * second, TLBs, tasks. Everything comes from counters by their names, so that a machine that lacks some shows less. */
#include "cli/top.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "vmsim/vmsim.h"

/* Widths and counts for a terminal of 80 by 24 and larger: what does not fit is cut at its right, or summed up in a
 * line "and N more". */
#define BAR 30u
#define TASKS_MAX 20u
#define CPUS_MAX 8u
#define COLUMNS_MAX 512u

/* One frame on its way to the terminal. */
struct frame {
    struct top_view *view;
    FILE *out;
    unsigned width;
};

/* Cut to the terminal's width, as a line that wraps would shift all below it. Names of tasks may hold anything: control
 * characters are shown, not sent. */
static void line(const struct frame *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void line(const struct frame *f, const char *format, ...) {
    char text[COLUMNS_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (f->width < sizeof text)
        text[f->width] = '\0';
    for (size_t n = strlen(text); n && text[n - 1] == ' ';)
        text[--n] = '\0';
    cli_put(f->out, text, false);
    fputc('\n', f->out);
}

/* A counter that this machine does not have is 0: one with no swap has no such lines, and top shows less instead of
 * failing. Tasks may come at any time, so that names are looked up anew in each frame. */
static uint64_t value(const struct frame *f, size_t *id, const char *format, va_list args) {
    char name[256];
    vsnprintf(name, sizeof name, format, args);
    *id = SIZE_MAX;
    return vmsim_counter_find(f->view->machine, name, id) ? 0 : vmsim_counter_read(f->view->machine, *id);
}

static uint64_t now(const struct frame *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static uint64_t now(const struct frame *f, const char *format, ...) {
    size_t id;
    va_list args;
    va_start(args, format);
    const uint64_t n = value(f, &id, format, args);
    va_end(args);
    return n;
}

/* What was added since the frame before. */
static uint64_t since(const struct frame *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static uint64_t since(const struct frame *f, const char *format, ...) {
    size_t id;
    va_list args;
    va_start(args, format);
    const uint64_t n = value(f, &id, format, args);
    va_end(args);
    const uint64_t before = id < f->view->known ? f->view->before[id] : 0;
    return n > before ? n - before : 0;
}

/* Of a virtual second. */
static uint64_t rate(const struct frame *f, uint64_t added) {
    assert(f && f->view);
    const uint64_t ns = f->view->progress.virtual_ns - f->view->before_ns;
    return ns ? (uint64_t)((double)added * 1e9 / (double)ns + 0.5) : 0;
}

/* "12.3k": a number in five columns at most. */
static const char *brief(char text[16], uint64_t n) {
    static const char units[] = " kMGTP";
    double d = (double)n;
    unsigned unit = 0;
    while (d >= 9999.5 && unit < sizeof units - 2) {
        d /= 1000;
        unit++;
    }
    assert(unit < sizeof units - 1);
    snprintf(text, 16, unit ? "%.0f%c" : "%.0f", d, units[unit]);
    return text;
}

/* Memory is told in binary units, counts in decimal ones, as in Linux' own tools. */
static const char *kib(char text[16], uint64_t bytes) {
    if (bytes < 10u << 20)
        snprintf(text, 16, "%" PRIu64 "K", bytes >> 10);
    else
        snprintf(text, 16, "%" PRIu64 "M", bytes >> 20);
    return text;
}

/* Free memory of a zone, with its watermarks: ####.m.l.h....... of the managed pages, but no more than the fourfold of
 * the high watermark is drawn, or nothing could be told apart. */
static void bar(char text[BAR + 1], uint64_t free, uint64_t min, uint64_t low, uint64_t high, uint64_t managed) {
    assert(min <= low && low <= high);
    uint64_t whole = 4 * high < managed && high ? 4 * high : managed;
    whole = whole ? whole : 1;
    for (unsigned i = 0; i < BAR; i++)
        text[i] = (double)free / (double)whole * BAR > i ? '#' : '.';
    const uint64_t marks[] = {high, low, min};
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t at = marks[i] * BAR / whole;
        text[at < BAR ? at : BAR - 1] = "hlm"[i];
    }
    text[BAR] = '\0';
}

/* Zones are found by the names of their counters, which are all that is known of them: zone.NODE.NAME.managed. Pages on
 * lists of CPUs are free, too, in the eyes of whoever reads this, although watermarks do not count them. */
static void zones(const struct frame *f) {
    static const char head[] = "zone.", tail[] = ".managed";
    const size_t count = vmsim_counter_count(f->view->machine);
    line(f, "%-12s %*s %10s %9s %9s %9s   pages", "zone", (int)BAR, "", "free", "min", "low", "high");
    for (size_t id = 0; id < count; id++) {
        const char *name = vmsim_counter_name(f->view->machine, id);
        const size_t length = name ? strlen(name) : 0;
        char zone[64], drawn[BAR + 1];
        if (length <= sizeof head + sizeof tail || strncmp(name, head, sizeof head - 1) != 0 ||
            strcmp(name + length - (sizeof tail - 1), tail) != 0 || !vmsim_counter_read(f->view->machine, id))
            continue;
        snprintf(zone, sizeof zone, "%.*s", (int)(length - (sizeof tail - 1) - (sizeof head - 1)),
                 name + sizeof head - 1);
        const uint64_t free = now(f, "zone.%s.free", zone) + now(f, "zone.%s.pcp_count", zone);
        const uint64_t min = now(f, "zone.%s.min", zone), low = now(f, "zone.%s.low", zone);
        const uint64_t high = now(f, "zone.%s.high", zone);
        bar(drawn, free, min, low, high, vmsim_counter_read(f->view->machine, id));
        line(f, "%-12s %s %10" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64, zone, drawn, free, min, low, high);
    }
}

static void lists(const struct frame *f) {
    line(f,
         "lists        anon %" PRIu64 " active %" PRIu64 " inactive   file %" PRIu64 " active %" PRIu64
         " inactive   %" PRIu64 " unevictable   dirty %" PRIu64 "  writeback %" PRIu64,
         now(f, "vmstat.nr_active_anon"), now(f, "vmstat.nr_inactive_anon"), now(f, "vmstat.nr_active_file"),
         now(f, "vmstat.nr_inactive_file"), now(f, "vmstat.nr_unevictable"), now(f, "vmstat.nr_dirty"),
         now(f, "vmstat.nr_writeback"));
}

/* Numbers a virtual second, not a frame: frames come by the clock on the wall, and how much is simulated between two
 * depends on the host. */
static void activity(const struct frame *f) {
    char n[8][16];
    line(f, "a second     faults %s  major %s  scan kswapd %s direct %s  steal %s  swap in %s out %s  compact %s",
         brief(n[0], rate(f, since(f, "vmstat.pgfault"))), brief(n[1], rate(f, since(f, "vmstat.pgmajfault"))),
         brief(n[2], rate(f, since(f, "vmstat.pgscan_kswapd"))), brief(n[3], rate(f, since(f, "vmstat.pgscan_direct"))),
         brief(n[4], rate(f, since(f, "vmstat.pgsteal_kswapd") + since(f, "vmstat.pgsteal_direct"))),
         brief(n[5], rate(f, since(f, "vmstat.pswpin"))), brief(n[6], rate(f, since(f, "vmstat.pswpout"))),
         brief(n[7], rate(f, since(f, "vmstat.compact_stall"))));
    line(f, "stalled      memory %5.1f %% some %5.1f %% full   io %5.1f %% some %5.1f %% full",
         (double)rate(f, since(f, "pressure.memory.some_us")) / 1e4,
         (double)rate(f, since(f, "pressure.memory.full_us")) / 1e4,
         (double)rate(f, since(f, "pressure.io.some_us")) / 1e4,
         (double)rate(f, since(f, "pressure.io.full_us")) / 1e4);
}

static double share(uint64_t part, uint64_t whole) {
    return whole ? 100.0 * (double)part / (double)whole : 0;
}

/* Shares of what these four sum up to, not of the time between frames: CPUs' clocks are not all at the same point when
 * a frame is drawn. */
static void cpus(const struct frame *f) {
    const unsigned count = vmsim_machine_cpus(f->view->machine);
    line(f, "%-5s %6s %6s %6s %6s   %12s %10s", "cpu", "user", "system", "iowait", "idle", "references", "walks");
    for (unsigned i = 0; i < count && i < CPUS_MAX; i++) {
        const uint64_t user = since(f, "cpu%u.user_ns", i), system = since(f, "cpu%u.system_ns", i);
        const uint64_t iowait = since(f, "cpu%u.iowait_ns", i), idle = since(f, "cpu%u.idle_ns", i);
        const uint64_t all = user + system + iowait + idle, done = since(f, "tlb.cpu%u.accesses", i);
        char n[16];
        line(f, "%-5u %4.0f %% %4.0f %% %4.0f %% %4.0f %%   %10s/s %8.3f %%", i, share(user, all), share(system, all),
             share(iowait, all), share(idle, all), brief(n, rate(f, done)),
             share(since(f, "tlb.cpu%u.walks", i), done));
    }
    if (count > CPUS_MAX)
        line(f, "and %u more", count - CPUS_MAX);
}

/* In the order in which they were created, which does not change: lines that jump about cannot be read. */
static void tasks(const struct frame *f) {
    const size_t count = vmsim_task_count(f->view->machine);
    line(f, "%-16s %8s %10s %8s %8s %7s %7s %7s %7s", "task", "rss", "refs/s", "minor/s", "major/s", "user", "system",
         "blocked", "ready");
    for (size_t i = 0; i < count && i < TASKS_MAX; i++) {
        const char *name = vmsim_task_name(f->view->machine, (uint32_t)i);
        const uint64_t user = since(f, "tasks.%s.user_ns", name), system = since(f, "tasks.%s.system_ns", name);
        const uint64_t blocked = since(f, "tasks.%s.blocked_ns", name), waiting = since(f, "tasks.%s.waiting_ns", name);
        const uint64_t pages =
            now(f, "tasks.%s.rss_anon", name) + now(f, "tasks.%s.rss_file", name) + now(f, "tasks.%s.rss_shmem", name);
        const uint64_t span = f->view->progress.virtual_ns - f->view->before_ns;
        char n[4][16];
        line(f, "%-16.16s %8s %10s %8s %8s %5.0f %% %5.0f %% %5.0f %% %5.0f %%", name, kib(n[0], pages * 4096),
             brief(n[1], rate(f, since(f, "tasks.%s.references", name))),
             brief(n[2], rate(f, since(f, "tasks.%s.minflt", name))),
             brief(n[3], rate(f, since(f, "tasks.%s.majflt", name))), share(user, span), share(system, span),
             share(blocked, span), share(waiting, span));
    }
    if (count > TASKS_MAX)
        line(f, "and %zu more", count - TASKS_MAX);
}

/* The values of this frame are those before the next. */
static bool keep(struct top_view *view) {
    const size_t count = vmsim_counter_count(view->machine);
    uint64_t *grown = realloc(view->before, (count + 1) * sizeof *grown);
    if (!grown)
        return false;
    for (size_t id = 0; id < count; id++)
        grown[id] = vmsim_counter_read(view->machine, id);
    view->before = grown;
    view->known = count;
    view->before_ns = view->progress.virtual_ns;
    return true;
}

bool top_frame(struct top_view *view, FILE *out, unsigned width) {
    const struct frame f = {view, out, width < COLUMNS_MAX ? width : COLUMNS_MAX - 1};
    char n[16];
    line(&f, "vmsim        %.3f s of virtual time, %s references", (double)view->progress.virtual_ns / 1e9,
         brief(n, view->progress.references));
    line(&f, "%s", "");
    zones(&f);
    line(&f, "%s", "");
    lists(&f);
    activity(&f);
    line(&f, "%s", "");
    cpus(&f);
    line(&f, "%s", "");
    tasks(&f);
    return keep(view);
}

void top_free(struct top_view *view) {
    free(view->before);
    *view = (struct top_view){0};
}
