/* SPDX-License-Identifier: MIT */
/* Programs that grow in turn until some of them are killed: who, when, and with which oom_score.
 *
 *     growing [KERNEL [CASE]]  >  rows.tsv
 *
 *     CAPTURES/pressure2/KERNEL/oom/CASE_{a,b}.txt --- "# args", kills, scores before each, cgroup, counters --.
 *     the same on the machine imported from CAPTURES/qemu/KERNEL/n1_MEMORY, call by call ----------------------+-->
 * rows
 *
 * Two or three processes, forked from one that holds some memory, write `step` pages each in turn until they have what
 * they want or are dead. Whatever cases lie there are run. Who dies is exact; of two runs of the kernel either is
 * right. */
#include <unistd.h>

#include "conformance.h"
#include "config/config.h"
#include "machine/sched.h"
#include "vmsim/host.h"
#include "vmsim/report.h"

#define PAGE UINT64_C(4096)
#define AREA UINT64_C(0x10000000000)
#define TOP UINT64_C(0x7ffff7ff8000) /* where the kernel put what they write: below the pages that they share */
enum { PROGRAMS = 4, KILLS = 8, STEP = 256, OWN_PAGES = 890, TEXT_PAGES = 136, COUNTERS = 64 };
#define PAUSE UINT64_C(2000000) /* ns that the parent sleeps between two steps, and others work */

struct kill {
    char who;
    int64_t pages[PROGRAMS], score[PROGRAMS]; /* -1: not told */
};
struct counter {
    char name[64];
    int64_t value;
};
struct result {
    struct kill kills[KILLS];
    unsigned count;
    struct counter at[COUNTERS];
    size_t counters;
};
struct growing {
    char kernel[16], name[64], args[256], shape[32];
    int64_t free_kb;
    struct result run[2], ours;
    struct vmsim_machine *m;
    uint32_t base, program[PROGRAMS];
    uint64_t at[PROGRAMS];
    int64_t done[PROGRAMS], target[PROGRAMS];
    bool dead[PROGRAMS];
    unsigned programs;
};

/* ---- the capture ---- */

static const char *argument(const struct growing *g, const char *key) {
    const size_t n = strlen(key);
    for (const char *at = g->args; at && *at; at = strchr(at, ';'), at += at != NULL) {
        if (!strncmp(at, key, n) && at[n] == '=')
            return at + n + 1;
    }
    return NULL;
}

static int64_t number(const struct growing *g, const char *key, int64_t otherwise) {
    const char *text = argument(g, key);
    return text ? strtoll(text, NULL, 10) : otherwise;
}

/* The i-th of numbers between underscores. */
static int64_t number_at(const struct growing *g, const char *key, unsigned i) {
    const char *text = argument(g, key);
    while (text && i--) {
        text = strpbrk(text, "_;");
        text = text && *text == '_' ? text + 1 : NULL;
    }
    return text ? strtoll(text, NULL, 10) : 0;
}

static void add_counter(struct result *r, const char *name, int64_t value) {
    if (r->counters == COUNTERS)
        abort();
    snprintf(r->at[r->counters].name, sizeof r->at->name, "%s", name);
    r->at[r->counters++].value = value;
}

static bool find_counter(const struct result *r, const char *name, int64_t *value) {
    for (size_t i = 0; i < r->counters; i++) {
        if (!strcmp(r->at[i].name, name)) {
            *value = r->at[i].value;
            return true;
        }
    }
    return false;
}

/* "kill 2: progB by sig 9 exit -1 while progB grew; t 1.371 pages A=20000 B=27349 C=15557" */
static void read_kill(struct result *r, const char *line, int64_t score[PROGRAMS]) {
    const char *pages = strstr(line, " pages ");
    char who;
    if (sscanf(line, "kill %*u: prog%c", &who) != 1 || r->count == KILLS)
        return;
    struct kill *k = &r->kills[r->count++];
    k->who = who;
    for (unsigned i = 0; i < PROGRAMS; i++) {
        const char key[] = {' ', (char)('A' + i), '=', 0};
        const char *at = pages ? strstr(pages + 6, key) : NULL;
        k->pages[i] = at ? strtoll(at + 3, NULL, 10) : -1;
        k->score[i] = score[i];
        score[i] = -1;
    }
}

static void read_counter(struct result *r, const char *line) {
    static const char *const wanted[] = {"oom_kill", "pswpin", "pswpout", "pgscan_anon"};
    char file[40], key[40], name[64];
    long long before, after;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        snprintf(key, sizeof key, "p1_grow vmstat %s ", wanted[i]);
        if (!strncmp(line, key, strlen(key)) && sscanf(line + strlen(key), "%lld %lld", &before, &after) == 2)
            add_counter(r, wanted[i], after - before);
    }
    if (sscanf(line, "cg_end memory.events %39s %lld", key, &after) == 2) {
        snprintf(name, sizeof name, "memory.events %.40s", key);
        add_counter(r, name, after);
    } else if (sscanf(line, "cg_end %39s %lld", file, &after) == 2 &&
               (!strcmp(file, "memory.peak") || !strcmp(file, "memory.swap.current"))) {
        add_counter(r, file, after);
    }
}

static bool read_run(struct growing *g, const char *path, struct result *r) {
    char line[1024], who;
    int64_t score[PROGRAMS] = {-1, -1, -1, -1};
    long long value;
    FILE *f = fopen(path, "r");
    *r = (struct result){.count = 0};
    while (f && fgets(line, sizeof line, f)) {
        if (!strncmp(line, "# args ", 7))
            snprintf(g->args, sizeof g->args, "%.*s", (int)strcspn(line + 7, "\n"), line + 7);
        else if (sscanf(line, "meminfo_start MemFree: %lld", &value) == 1)
            g->free_kb = value;
        else if (sscanf(line, "before_kill prog%c oom_score %lld", &who, &value) == 2)
            score[(who - 'A') % PROGRAMS] = value; /* of the two before a kill the later one stays */
        read_kill(r, line, score);
        read_counter(r, line);
    }
    if (f)
        fclose(f);
    return f != NULL;
}

/* "-m 256M" in the description of any machine of the folder. */
static void read_memory(const char *folder, char *memory, size_t size) {
    static char names[512][128];
    const unsigned n = conformance_list(folder, names, 512);
    snprintf(memory, size, "256M");
    for (unsigned i = 0; i < n; i++) {
        char path[4200], line[4096];
        snprintf(path, sizeof path, "%.4000s/%.120s", folder, names[i]);
        FILE *f = strncmp(names[i], "machine_", 8) ? NULL : fopen(path, "r");
        while (f && fgets(line, sizeof line, f)) {
            const char *at = strstr(line, " -m ");
            if (at)
                snprintf(memory, size, "%.*s", (int)strcspn(at + 4, " "), at + 4);
        }
        if (f)
            fclose(f);
    }
}

/* ---- the machine ---- */

static bool make_machine(struct growing *g, const char *memory) {
    char folder[4096], imported[] = "/tmp/vmsim-growing-XXXXXX", why[512] = "";
    char text[400];
    struct vmsim_config *c;
    const int fd = mkstemp(imported);
    if (fd < 0 || close(fd) || vmsim_config_create(&c))
        abort();
    snprintf(g->shape, sizeof g->shape, "n1_%.16s", memory);
    snprintf(folder, sizeof folder, "%s/qemu/%s/%s", conformance_root(), g->kernel, g->shape);
    snprintf(
        text, sizeof text,
        "vmsim: 1\nmachine:\n  preset: qemu-tcg\n  devices: [{name: vda, preset: virtio-icount}, {name: vdb, preset: "
        "virtio-icount, size: 16MiB}]\n%s",
        number(g, "swapon", 1) ? "  swap: [{device: vdb}]\n" : "");
    bool ok = !vmsim_config_add_search_dir(c, VMSIM_SOURCE_DIR "/machines") &&
              !vmsim_host_import(folder, imported, NULL, why, sizeof why) && !vmsim_config_load_file(c, imported) &&
              !vmsim_config_load_text(c, g->name, text, strlen(text)) && !vmsim_config_resolve(c) &&
              !vmsim_machine_create(c, &g->m);
    if (!ok)
        fprintf(stderr, "%s: %s %s\n", folder, why, vmsim_config_error_text(c, 0));
    vmsim_config_destroy(c);
    unlink(imported);
    return ok;
}

static void write_pages(struct growing *g, uint32_t task, uint64_t at, uint64_t pages) {
    for (uint64_t i = 0; i < pages; i++) {
        const vmsim_access a = vmsim_access_make(at + i * PAGE, 8, VMSIM_STORE);
        struct vmsim_access_result r;
        if (vmsim_task_access(g->m, task, &a, 1, NULL, &r))
            abort();
    }
}

static int64_t map(struct growing *g, uint32_t task, uint64_t at, uint64_t pages, unsigned flags, uint32_t file) {
    const int64_t got = vmsim_task_mmap(g->m, task, at, pages * PAGE, VMSIM__PROT_READ | VMSIM__PROT_WRITE,
                                        flags | VMSIM__MAP_FIXED, file, 0);
    if (got < 0)
        abort();
    return got;
}

/* Drivers, slab and the boot hold what is less free there than here. */
static void hold_as_captured(struct growing *g) {
    for (;;) {
        int64_t pages = 0;
        uint64_t pfn;
        for (unsigned z = 0; z < g->m->mem->nr_zones; z++)
            pages += g->m->mem->zones[z].stat[VMSIM__NR_FREE_PAGES];
        if (pages <= g->free_kb / 4 || vmsim_machine_alloc_pages(g->m, 0, 0, "any", true, &pfn) || pfn == UINT64_MAX)
            return;
    }
}

/* A program has what its parent had, maps its text around what it runs, and has room for what it wants. */
static void fork_program(struct growing *g, unsigned i, uint32_t text) {
    const char name[] = {'p', 'r', 'o', 'g', (char)('A' + i), 0};
    if (vmsim_task_fork(g->m, g->base, name, &g->program[i]) ||
        (argument(g, "max") && vmsim_cgroup_attach(g->m, "/o", g->program[i])))
        abort();
    const uint32_t id = g->program[i];
    vmsim__task_set_oom_score_adj(g->m, vmsim__task_at(g->m, id), number_at(g, "adj", i));
    map(g, id, AREA / 2, TEXT_PAGES, VMSIM__MAP_SHARED, text);
    for (uint64_t page = 0; page < TEXT_PAGES; page += 16) {
        const vmsim_access a = vmsim_access_make(AREA / 2 + page * PAGE, 8, VMSIM_LOAD);
        struct vmsim_access_result r;
        if (vmsim_task_access(g->m, id, &a, 1, NULL, &r))
            abort();
    }
    g->target[i] = number_at(g, "sizes", i);
    g->at[i] = TOP - ((uint64_t)g->target[i] + 1) * PAGE;
    map(g, id, g->at[i], (uint64_t)g->target[i] + 1, VMSIM__MAP_PRIVATE | VMSIM__MAP_ANONYMOUS | VMSIM__MAP_NORESERVE,
        0);
}

static void begin(struct growing *g) {
    static const char *const knobs[] = {"max", "swap.max", "oom.group", "high", "low", "min"};
    uint32_t text;
    if (vmsim_task_create(g->m, "grow", 0, &g->base) ||
        vmsim_file_create(g->m, VMSIM_FILE_SHMEM, "/init", TEXT_PAGES * PAGE, true, &text))
        abort();
    vmsim__task_set_oom_score_adj(g->m, vmsim__task_at(g->m, g->base), -1000);
    map(g, g->base, AREA * 2, OWN_PAGES, VMSIM__MAP_PRIVATE | VMSIM__MAP_ANONYMOUS, 0);
    write_pages(g, g->base, AREA * 2, OWN_PAGES);
    hold_as_captured(g);
    if (argument(g, "max") && vmsim_cgroup_create(g->m, "/o"))
        abort();
    for (size_t i = 0; argument(g, "max") && i < sizeof knobs / sizeof *knobs; i++) {
        char file[32], value[32];
        const char *said = argument(g, knobs[i]);
        snprintf(file, sizeof file, "memory.%s", knobs[i]);
        snprintf(value, sizeof value, "%.*s", said ? (int)strcspn(said, ";") : 0, said ? said : "");
        if (said && vmsim_cgroup_write(g->m, VMSIM_TASK_NONE, "/o", file, value))
            abort();
    }
    g->programs = argument(g, "max") ? (unsigned)number(g, "n", 2) : 3;
    for (unsigned i = 0; i < g->programs; i++)
        fork_program(g, i, text);
}

/* ---- growing ---- */

static int64_t oom_score(struct growing *g, uint32_t task) {
    char path[64];
    const char *text;
    snprintf(path, sizeof path, "proc/%u/oom_score", task + 1);
    if (vmsim_report_proc_file(g->m, path, &text, NULL))
        abort();
    const int64_t score = strtoll(text, NULL, 10);
    vmsim_report_proc_free(g->m, text);
    return score;
}

/* The parent looks for who has died since it last looked, in the order in which they were made. */
static void note_deaths(struct growing *g, const int64_t score[PROGRAMS]) {
    for (unsigned i = 0; i < g->programs; i++) {
        if (g->dead[i] || vmsim__task_at(g->m, g->program[i])->state != VMSIM__TASK_DEAD)
            continue;
        struct kill *k = &g->ours.kills[g->ours.count];
        g->dead[i] = true;
        k->who = (char)('A' + i);
        memcpy(k->pages, g->done, sizeof k->pages);
        memcpy(k->score, score, sizeof k->score);
        g->ours.count += g->ours.count < KILLS - 1;
    }
}

/* It sleeps, and kernel threads and devices go on. */
static void pause_a_while(struct vmsim_machine *m) {
    const uint64_t until = m->cpus[0].now + PAUSE;
    while (vmsim__sched_next(m) <= until) {
        if (vmsim__sched_step(m, until) != VMSIM__STEP_DONE)
            break;
    }
    vmsim__cpu_idle_until(m, 0, until);
}

static void grow_one(struct growing *g, unsigned i) {
    int64_t score[PROGRAMS] = {-1, -1, -1, -1};
    for (unsigned k = 0; k < g->programs; k++)
        score[k] = g->dead[k] ? -1 : oom_score(g, g->program[k]);
    for (unsigned k = 0; k < STEP && g->done[i] < g->target[i]; k++) {
        write_pages(g, g->program[i], g->at[i] + (uint64_t)g->done[i] * PAGE, 1);
        if (vmsim__task_at(g->m, g->program[i])->state == VMSIM__TASK_DEAD)
            break;
        g->done[i]++;
    }
    pause_a_while(g->m);
    note_deaths(g, score);
}

static void note_counters(struct growing *g) {
    static const char *const events[] = {"oom_kill", "pswpin", "pswpout", "pgscan_anon"};
    char text[2000], name[64], key[40];
    long long value;
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        size_t id;
        snprintf(name, sizeof name, "vmstat.%s", events[i]);
        if (vmsim_counter_find(g->m, name, &id))
            abort();
        add_counter(&g->ours, events[i], (int64_t)vmsim_counter_read(g->m, id));
    }
    if (!argument(g, "max") || vmsim_cgroup_read(g->m, "/o", "memory.events", text, sizeof text) < 0)
        return;
    for (const char *line = text; sscanf(line, "%39s %lld", key, &value) == 2;
         line += strcspn(line, "\n"), line += *line == '\n') {
        snprintf(name, sizeof name, "memory.events %s", key);
        add_counter(&g->ours, name, value);
    }
    static const char *const files[] = {"memory.peak", "memory.swap.current"};
    for (unsigned i = 0; i < 2; i++) {
        if (vmsim_cgroup_read(g->m, "/o", files[i], text, sizeof text) > 0)
            add_counter(&g->ours, files[i], strtoll(text, NULL, 10));
    }
}

static void grow_all(struct growing *g) {
    for (bool any = true; any && !g->m->panicked;) {
        any = false;
        for (unsigned i = 0; i < g->programs && !g->m->panicked; i++) {
            if (g->dead[i] || g->done[i] >= g->target[i])
                continue;
            any = true;
            grow_one(g, i);
        }
    }
    note_counters(g);
}

/* ---- comparing ---- */

static void between(const struct conformance *row, const char *fact, int64_t a, int64_t b, int64_t slack, int64_t got) {
    const int64_t low = (a < b ? a : b) - slack, high = (a < b ? b : a) + slack;
    if (low == high)
        conformance_exact(row, fact, (uint64_t)a, (uint64_t)got);
    else
        conformance_range(row, fact, a, low, high, got);
}

static void compare_kill(const struct conformance *row, const struct growing *g, unsigned i) {
    const struct kill *a = &g->run[0].kills[i], *b = &g->run[i < g->run[1].count].kills[i], *k = &g->ours.kills[i];
    const char none[] = "nobody", got[] = {k->who, 0}, first[] = {a->who, 0}, second[] = {b->who, 0};
    const bool there = i < g->ours.count;
    char fact[64];
    snprintf(fact, sizeof fact, "kill %u", i + 1);
    conformance_text(row, fact, there && *got == *second ? second : first, there ? got : none);
    for (unsigned p = 0; there && p < g->programs; p++) {
        snprintf(fact, sizeof fact, "kill %u: oom_score of %c", i + 1, 'A' + p);
        if (a->score[p] >= 0 && b->score[p] >= 0)
            between(row, fact, a->score[p], b->score[p], 0, k->score[p]);
        snprintf(fact, sizeof fact, "kill %u: pages of %c", i + 1, 'A' + p);
        if (a->pages[p] >= 0 && b->pages[p] >= 0)
            between(row, fact, a->pages[p], b->pages[p], STEP, k->pages[p]);
    }
}

/* Of what two boots repeat less well, as much as they differ at most. */
static int64_t slack_of(const char *name, int64_t value) {
    if (!strcmp(name, "memory.events max") || !strcmp(name, "pswpout") || !strcmp(name, "memory.swap.current"))
        return value / 10 + 1;
    if (!strcmp(name, "pswpin"))
        return value / 20 + 16;
    return !strcmp(name, "pgscan_anon") ? value * 2 / 5 : 0;
}

static void compare(const struct growing *g) {
    char phase[128];
    const struct conformance row = {.area = "killed", .kernel = g->kernel, .shape = g->shape, .phase = phase};
    snprintf(phase, sizeof phase, "oom/%s", g->name);
    between(&row, "kills", g->run[0].count, g->run[1].count, 0, g->ours.count);
    for (unsigned i = 0; i < g->run[0].count; i++)
        compare_kill(&row, g, i);
    for (size_t i = 0; i < g->run[0].counters; i++) {
        const struct counter *a = &g->run[0].at[i];
        int64_t b = a->value, got;
        find_counter(&g->run[1], a->name, &b);
        if (find_counter(&g->ours, a->name, &got))
            between(&row, a->name, a->value, b, slack_of(a->name, a->value), got);
        else
            conformance_not_modelled(&row, a->name, "-", "no such counter");
    }
}

/* 0, or 1 where the producer itself failed. */
static unsigned run_case(const char *folder, const char *kernel, const char *name) {
    static struct growing g;
    char path[4300], memory[16];
    g = (struct growing){.free_kb = 0};
    snprintf(g.kernel, sizeof g.kernel, "%.15s", kernel);
    snprintf(g.name, sizeof g.name, "%.63s", name);
    snprintf(path, sizeof path, "%s/%s_a.txt", folder, name);
    read_run(&g, path, &g.run[0]);
    snprintf(path, sizeof path, "%s/%s_b.txt", folder, name);
    if (!read_run(&g, path, &g.run[1]))
        g.run[1] = g.run[0];
    if (!argument(&g, "sizes"))
        return 0; /* one process alone in a cgroup: another kind of case */
    read_memory(folder, memory, sizeof memory);
    if (!make_machine(&g, memory))
        return 1;
    begin(&g);
    grow_all(&g);
    compare(&g);
    const bool whole = !vmsim_machine_check(g.m);
    if (!whole)
        fprintf(stderr, "%s: %s\n", name, vmsim_machine_error(g.m));
    vmsim_machine_destroy(g.m);
    return !whole;
}

int main(int argc, char **argv) {
    static char kernels[32][128], names[512][128];
    char path[4096], name[128];
    unsigned broken = 0;
    if (!conformance_have("pressure2"))
        return 0;
    snprintf(path, sizeof path, "%s/pressure2", conformance_root());
    const unsigned n = conformance_list(path, kernels, 32);
    for (unsigned i = 0; i < n; i++) {
        if (argc > 1 && strcmp(argv[1], kernels[i]) != 0)
            continue;
        snprintf(path, sizeof path, "%s/pressure2/%.64s/oom", conformance_root(), kernels[i]);
        const unsigned files = conformance_list(path, names, 512);
        for (unsigned f = 0; f < files; f++) {
            if (!conformance_case(names[f], name))
                continue;
            if (argc < 3 || !strcmp(argv[2], name))
                broken += run_case(path, kernels[i], name);
        }
    }
    return broken ? 1 : 0;
}
