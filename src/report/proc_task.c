/* SPDX-License-Identifier: MIT */
/* /proc/PID: status, stat, statm and the one-line files. Kernel counterparts: fs/proc/array.c, fs/proc/base.c,
 * oom_badness (mm/oom_kill.c). */
#include <stdio.h>
#include <string.h>

#include "report/proc.h"

#define COMM_LENGTH 15
#define TICK_NS UINT64_C(10000000)
#define NODEMASK_BITS 1024u /* MAX_NUMNODES of Debian's kernels */

/* PID 0 is the idle task's. */
static unsigned pid_of(uint32_t task) {
    VMSIM__ASSERT(task != VMSIM_TASK_NONE);
    return task + 1;
}

static unsigned parent_pid(const struct vmsim__task *t) {
    return t->parent == VMSIM_TASK_NONE ? 0 : pid_of(t->parent);
}

void vmsim__task_memory(const struct vmsim__task *t, struct vmsim__mm_status *out) {
    if (t->mm)
        vmsim__mm_status(t->mm, out);
    else
        *out = t->last;
}

static void emit_memory(struct vmsim__emitter *e, const struct vmsim__mm_status *s) {
    const struct {
        const char *label;
        uint64_t kb;
    } lines[] = {
        {"VmPeak", s->vm_peak},     {"VmSize", s->vm_size}, {"VmLck", s->vm_lck},     {"VmPin", s->vm_pin},
        {"VmHWM", s->vm_hwm},       {"VmRSS", s->vm_rss},   {"RssAnon", s->rss_anon}, {"RssFile", s->rss_file},
        {"RssShmem", s->rss_shmem}, {"VmData", s->vm_data}, {"VmStk", s->vm_stk},     {"VmExe", s->vm_exe},
        {"VmLib", s->vm_lib},       {"VmPTE", s->vm_pte},   {"VmSwap", s->vm_swap},   {"HugetlbPages", s->hugetlb},
    };
    e->style.value_width = 8;
    for (size_t i = 0; i < VMSIM__COUNT(lines); i++)
        vmsim__emit_uint(e, lines[i].label, lines[i].kb, VMSIM__UNIT_KB);
    e->style.value_width = 0;
}

static void number(struct vmsim__emitter *e, const char *label, uint64_t n) {
    vmsim__emit_uint(e, label, n, VMSIM__UNIT_NONE);
}

/* From Name to NSsid; tasks run as root, in no session, unless there is more to say. */
static void emit_identity(const struct vmsim_machine *m, struct vmsim__emitter *e, const struct vmsim__task *t) {
    VMSIM__ASSERT(t->name);
    char name[COMM_LENGTH + 1];
    snprintf(name, sizeof name, "%s", t->name);
    vmsim__emit_string(e, "Name", name);
    vmsim__emit_string(e, "Umask", "0022");
    vmsim__emit_string(e, "State", t->mm ? "R (running)" : "X (dead)");
    number(e, "Tgid", pid_of(t->group));
    number(e, "Ngid", 0);
    number(e, "Pid", pid_of(t->id));
    number(e, "PPid", parent_pid(t));
    number(e, "TracerPid", 0);
    vmsim__emit_string(e, "Uid", "0\t0\t0\t0");
    vmsim__emit_string(e, "Gid", "0\t0\t0\t0");
    number(e, "FDSize", 64);
    vmsim__emit_string(e, "Groups", " ");
    number(e, "NStgid", pid_of(t->group));
    number(e, "NSpid", pid_of(t->id));
    number(e, "NSpgid", 0);
    number(e, "NSsid", 0);
    if (vmsim__proc_profile(m)->status_kthread)
        number(e, "Kthread", 0);
}

/* What a thread group has come to: its threads that live, and sums over all that it ever had. Kernel:
 * thread_group_cputime, and signal_struct, which keeps what threads leave behind. */
struct group {
    unsigned threads;
    uint64_t min_flt, maj_flt, user_ns, system_ns;
};

static struct group group_of(const struct vmsim_machine *m, const struct vmsim__task *member) {
    VMSIM__ASSERT(vmsim__task_at(m, member->group));
    struct group g = {0};
    for (const struct vmsim__task *t = vmsim__task_at(m, member->group); t; t = vmsim__task_at(m, t->next_thread)) {
        g.threads += t->mm != NULL;
        g.min_flt += t->stats.min_flt;
        g.maj_flt += t->stats.maj_flt;
        g.user_ns += t->stats.user_ns;
        g.system_ns += t->stats.system_ns;
    }
    if (!g.threads)
        g.threads = 1;
    return g;
}

/* What stands behind the Vm lines: no signal pending or blocked, all capabilities, a CPU without known flaws. */
static void emit_signals(const struct vmsim_machine *m, struct vmsim__emitter *e, const struct vmsim__task *t) {
    static const char *const none = "0000000000000000", *const all = "000001ffffffffff";
    char queue[48];
    /* RLIMIT_SIGPENDING: half of the threads whose stacks fill an eighth of memory */
    snprintf(queue, sizeof queue, "0/%llu", (unsigned long long)((m->mem->totalram << m->mem->page_shift) >> 18));
    number(e, "CoreDumping", 0);
    number(e, "THP_enabled", 1);
    if (vmsim__proc_profile(m)->status_kthread)
        vmsim__emit_string(e, "untag_mask", "0xffffffffffffffff");
    number(e, "Threads", group_of(m, t).threads);
    vmsim__emit_string(e, "SigQ", queue);
    static const char *const sets[] = {"SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt", "CapInh"};
    for (size_t i = 0; i < VMSIM__COUNT(sets); i++)
        vmsim__emit_string(e, sets[i], none);
    vmsim__emit_string(e, "CapPrm", all);
    vmsim__emit_string(e, "CapEff", all);
    vmsim__emit_string(e, "CapBnd", all);
    vmsim__emit_string(e, "CapAmb", none);
    number(e, "NoNewPrivs", 0);
    number(e, "Seccomp", 0);
    number(e, "Seccomp_filters", 0);
    vmsim__emit_string(e, "Speculation_Store_Bypass", "not vulnerable");
    vmsim__emit_string(e, "SpeculationIndirectBranch", "always enabled");
}

/* As its cpuset says; a task that is dead has none any more. */
static void print_allowed(struct vmsim_machine *m, const struct vmsim__task *t, struct vmsim__textbuf *out) {
    bool nodes[VMSIM__MAX_NODES] = {false}, *cpus = vmsim__calloc(out->alloc, m->nr_cpus, sizeof *cpus);
    if (!cpus) {
        out->failed = true;
        return;
    }
    for (unsigned i = 0; i < m->nr_cpus; i++)
        cpus[i] = vmsim__cpuset_has_cpu(m, t, i);
    for (unsigned n = 0; n < m->mem->nr_nodes; n++)
        nodes[n] = vmsim__cpuset_mems(m, t) >> n & 1;
    vmsim__textbuf_puts(out, "Cpus_allowed:\t");
    vmsim__proc_mask(out, cpus, m->nr_cpus, m->nr_cpus);
    vmsim__textbuf_puts(out, "\nCpus_allowed_list:\t");
    vmsim__proc_list(out, cpus, m->nr_cpus);
    vmsim__textbuf_puts(out, "\nMems_allowed:\t");
    vmsim__proc_mask(out, nodes, m->mem->nr_nodes, NODEMASK_BITS);
    vmsim__textbuf_puts(out, "\nMems_allowed_list:\t");
    vmsim__proc_list(out, nodes, m->mem->nr_nodes);
    vmsim__textbuf_puts(out, "\n");
    vmsim__free(out->alloc, cpus, m->nr_cpus * sizeof *cpus);
}

static void task_status(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t id) {
    const struct vmsim__task *t = vmsim__task_at(m, id);
    VMSIM__ASSERT(t);
    struct vmsim__mm_status memory;
    struct vmsim__emitter e;
    vmsim__task_memory(t, &memory);
    vmsim__emitter_proc(&e, out, (struct vmsim__proc_style){.end = ":", .gap = "\t"});
    emit_identity(m, &e, t);
    emit_memory(&e, &memory);
    emit_signals(m, &e, t);
    print_allowed(m, t, out);
    number(&e, "voluntary_ctxt_switches", 0);
    number(&e, "nonvoluntary_ctxt_switches", 0);
    if (vmsim__proc_profile(m)->status_kthread && m->format->arch == VMSIM__PT_ARCH_X86) {
        vmsim__emit_string(&e, "x86_Thread_features", "");
        vmsim__emit_string(&e, "x86_Thread_features_locked", "");
    }
    vmsim__emitter_fini(&e);
}

/* size resident shared text lib data dt, in pages; lib and dt have been 0 since 2.6. */
static void task_statm(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t id) {
    struct vmsim__mm_status s;
    unsigned shift = m->mem->page_shift - 10u;
    vmsim__task_memory(vmsim__task_at(m, id), &s);
    vmsim__textbuf_printf(
        out, "%llu %llu %llu %llu 0 %llu 0\n", (unsigned long long)(s.vm_size >> shift),
        (unsigned long long)(s.vm_rss >> shift), (unsigned long long)((s.rss_file + s.rss_shmem) >> shift),
        (unsigned long long)(s.vm_exe >> shift), (unsigned long long)((s.vm_data + s.vm_stk) >> shift));
}

/* The addresses at the end of stat. */
static void print_layout(struct vmsim__textbuf *out, const struct vmsim__mm *mm) {
    const uint64_t at[] = {mm->start_data, mm->end_data,  mm->start_brk, mm->arg_start,
                           mm->arg_end,    mm->env_start, mm->env_end};
    for (size_t i = 0; i < VMSIM__COUNT(at); i++)
        vmsim__textbuf_printf(out, " %llu", (unsigned long long)at[i]);
}

/* 52 fields; those of the scheduler, of signals and of the terminal are those of a plain task. */
static void task_stat(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t id) {
    static const struct vmsim__mm none;
    const struct vmsim__task *t = vmsim__task_at(m, id);
    VMSIM__ASSERT(t);
    const struct vmsim__mm *mm = t->mm ? t->mm : &none;
    const struct group g = group_of(m, t);
    struct vmsim__mm_status s;
    vmsim__task_memory(t, &s);
    vmsim__textbuf_printf(out, "%u (%.*s) %c %u 0 0 0 -1 0", pid_of(id), COMM_LENGTH, t->name, t->mm ? 'R' : 'X',
                          parent_pid(t));
    vmsim__textbuf_printf(out, " %llu 0 %llu 0 %llu %llu 0 0 20 0 %u 0 %llu", (unsigned long long)g.min_flt,
                          (unsigned long long)g.maj_flt, (unsigned long long)(g.user_ns / TICK_NS),
                          (unsigned long long)(g.system_ns / TICK_NS), g.threads,
                          (unsigned long long)(t->start_ns / TICK_NS));
    vmsim__textbuf_printf(out, " %llu %llu 18446744073709551615 %llu %llu %llu 0 0 0 0 0 0 0 0 0 17 %u 0 0 0 0 0",
                          (unsigned long long)(s.vm_size << 10),
                          (unsigned long long)(s.vm_rss >> (m->mem->page_shift - 10)),
                          (unsigned long long)mm->start_code, (unsigned long long)mm->end_code,
                          (unsigned long long)mm->start_stack, t->cpu);
    print_layout(out, mm);
    vmsim__textbuf_printf(out, " %d\n", t->mm ? 0 : t->exit_code < 0 ? -t->exit_code : (t->exit_code & 255) << 8);
}

static void task_comm(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t id) {
    VMSIM__ASSERT(vmsim__task_at(m, id));
    vmsim__textbuf_printf(out, "%.*s\n", COMM_LENGTH, vmsim__task_at(m, id)->name);
}

static void task_cmdline(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t id) {
    const char *name = vmsim__task_at(m, id)->name;
    vmsim__textbuf_add(out, name, strlen(name) + 1);
}

/* Resident, swapped and page-table pages in thousandths of all memory, moved and scaled to 0 .. 2000. */
static void task_oom_score(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t id) {
    const struct vmsim__task *t = vmsim__task_at(m, id);
    VMSIM__ASSERT(t);
    int64_t score = 0;
    if (t->mm) {
        const struct vmsim_oom_candidate c = vmsim__oom_candidate(m, t);
        const uint64_t total = vmsim__max64(vmsim__oom_total_pages(m), 1);
        if (vmsim__oom_eligible(&c))
            score = (1000 + vmsim__oom_badness(&c, total) * 1000 / (int64_t)total) * 2 / 3;
    }
    vmsim__textbuf_printf(out, "%lld\n", (long long)score);
}

static void task_oom_score_adj(struct vmsim_machine *m, struct vmsim__textbuf *out, uint32_t id) {
    vmsim__textbuf_printf(out, "%d\n", vmsim__task_at(m, id)->oom_score_adj);
}

static const struct {
    const char *name;
    vmsim__proc_render *render;
    bool live; /* only while the task has an address space */
    bool mmu;  /* not with fs/proc/task_nommu.c */
} files[] = {
    {"cgroup", vmsim__task_cgroup, false, false},
    {"cmdline", task_cmdline, false, false},
    {"comm", task_comm, false, false},
    {"maps", vmsim__task_maps, true, false},
    {"numa_maps", vmsim__task_numa_maps, true, true},
    {"oom_score", task_oom_score, false, false},
    {"oom_score_adj", task_oom_score_adj, false, false},
    {"smaps", vmsim__task_smaps, true, true},
    {"smaps_rollup", vmsim__task_smaps_rollup, false, true},
    {"stat", task_stat, false, false},
    {"statm", task_statm, false, false},
    {"status", task_status, false, false},
};

int vmsim__proc_each_task(struct vmsim_machine *m, vmsim__proc_visit *visit, void *context) {
    char path[64];
    int err = 0;
    for (uint32_t id = 0; id < m->tasks.count && !err; id++) {
        for (size_t i = 0; i < VMSIM__COUNT(files) && !err; i++) {
            if ((files[i].live && !m->tasks.at[id]->mm) || (files[i].mmu && !m->format->levels))
                continue;
            snprintf(path, sizeof path, "proc/%u/%s", pid_of(id), files[i].name);
            err = visit(context, path, files[i].render, id);
        }
    }
    return err;
}
