/* SPDX-License-Identifier: MIT */
/* Sections about tasks: two tables for people, one array with everything for programs. */
#include <stdio.h>

#include "report/proc.h"
#include "report/sections.h"

static const char *const signal_names[] = {
    [VMSIM_STOP_SIGSEGV] = "SIGSEGV", [VMSIM_STOP_SIGBUS] = "SIGBUS", [VMSIM_STOP_OOM] = "out of memory"};

/* "exit 0", "SIGSEGV at 0x1000", "running" */
static void end_text(const struct vmsim__task *t, char *out, size_t size) {
    VMSIM__ASSERT(size > 1);
    if (t->mm)
        snprintf(out, size, "running");
    else if (t->stop == VMSIM_STOP_SIGSEGV || t->stop == VMSIM_STOP_SIGBUS)
        snprintf(out, size, "%s at 0x%llx", signal_names[t->stop], (unsigned long long)t->stop_address);
    else if (t->stop == VMSIM_STOP_OOM)
        snprintf(out, size, "killed: %s", signal_names[t->stop]);
    else if (t->exit_code < 0)
        snprintf(out, size, "signal %d", -t->exit_code);
    else
        snprintf(out, size, "exit %d", t->exit_code);
}

/* From its beginning to its end, or to when it was last accounted for. */
static uint64_t age(const struct vmsim__task *t) {
    const struct vmsim__task_stats *s = &t->stats;
    return s->user_ns + s->system_ns + s->blocked_ns + s->waiting_ns + s->asleep_ns;
}

static void count(struct vmsim__emitter *e, const char *key, uint64_t n) {
    vmsim__emit_uint(e, key, n, VMSIM__UNIT_COUNT);
}

static void time(struct vmsim__emitter *e, const char *key, uint64_t ns) {
    vmsim__emit_uint(e, key, ns, VMSIM__UNIT_NS);
}

static void kb(struct vmsim__emitter *e, const char *key, uint64_t n) {
    vmsim__emit_uint(e, key, n, VMSIM__UNIT_KB);
}

static size_t shown(const struct vmsim_machine *m) {
    return m->tasks.count < VMSIM__SUMMARY_TASKS ? m->tasks.count : VMSIM__SUMMARY_TASKS;
}

void vmsim__section_task_times(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    const struct vmsim_machine *m = s->machine;
    vmsim__emit_array(e, "tasks");
    for (size_t i = 0; i < shown(m); i++) {
        const struct vmsim__task *t = m->tasks.at[i];
        char end[64];
        end_text(t, end, sizeof end);
        vmsim__emit_object(e, NULL);
        vmsim__emit_string(e, "task", t->name);
        vmsim__emit_uint(e, "cpu", t->cpu, VMSIM__UNIT_NONE);
        count(e, "references", t->stats.references);
        time(e, "time", age(t));
        time(e, "user", t->stats.user_ns);
        time(e, "system", t->stats.system_ns);
        time(e, "blocked", t->stats.blocked_ns);
        time(e, "waiting", t->stats.waiting_ns);
        time(e, "asleep", t->stats.asleep_ns);
        vmsim__emit_string(e, "end", end);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}

/* Resident kinds are those at the end (or now), the peak is of their sum: Linux keeps no peak by kind. */
void vmsim__section_task_memory(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    const struct vmsim_machine *m = s->machine;
    vmsim__emit_array(e, "faults_and_memory_of_tasks");
    for (size_t i = 0; i < shown(m); i++) {
        const struct vmsim__task *t = m->tasks.at[i];
        struct vmsim__mm_status status;
        vmsim__task_memory(t, &status);
        vmsim__emit_object(e, NULL);
        vmsim__emit_string(e, "task", t->name);
        count(e, "minor", t->stats.min_flt);
        count(e, "major", t->stats.maj_flt);
        kb(e, "peak_RSS", status.vm_hwm);
        kb(e, "anon", status.rss_anon);
        kb(e, "file", status.rss_file);
        kb(e, "shmem", status.rss_shmem);
        kb(e, "tables", status.vm_pte);
        count(e, "mappings", t->mm ? t->mm->map_count : t->last_map_count);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}

static void emit_status(struct vmsim__emitter *e, const struct vmsim__task *t) {
    struct vmsim__mm_status s;
    vmsim__task_memory(t, &s);
    vmsim__emit_object(e, "memory");
    kb(e, "vm_peak", s.vm_peak);
    kb(e, "vm_size", s.vm_size);
    kb(e, "vm_locked", s.vm_lck);
    kb(e, "rss_peak", s.vm_hwm);
    kb(e, "rss_anon", s.rss_anon);
    kb(e, "rss_file", s.rss_file);
    kb(e, "rss_shmem", s.rss_shmem);
    kb(e, "data", s.vm_data);
    kb(e, "stack", s.vm_stk);
    kb(e, "executable", s.vm_exe);
    kb(e, "libraries", s.vm_lib);
    kb(e, "page_tables", s.vm_pte);
    kb(e, "swap", s.vm_swap);
    count(e, "mappings", t->mm ? t->mm->map_count : t->last_map_count);
    vmsim__emit_object_end(e);
}

static void emit_rollup(struct vmsim__emitter *e, const struct vmsim__task *t) {
    VMSIM__ASSERT(t->name);
    struct vmsim__smaps s = t->last_rollup;
    if (t->mm)
        vmsim__mm_rollup(t->mm, &s);
    const struct {
        const char *key;
        uint64_t bytes;
    } rows[] = {
        {"rss", s.rss},
        {"pss", s.pss >> 12},
        {"pss_anon", s.pss_anon >> 12},
        {"pss_file", s.pss_file >> 12},
        {"pss_shmem", s.pss_shmem >> 12},
        {"pss_dirty", s.pss_dirty >> 12},
        {"shared_clean", s.shared_clean},
        {"shared_dirty", s.shared_dirty},
        {"private_clean", s.private_clean},
        {"private_dirty", s.private_dirty},
        {"referenced", s.referenced},
        {"anonymous", s.anonymous},
        {"lazy_free", s.lazyfree},
        {"anon_huge_pages", s.anon_huge},
        {"swap", s.swap},
        {"locked", s.locked >> 12},
    };
    vmsim__emit_object(e, "smaps_rollup");
    for (size_t i = 0; i < VMSIM__COUNT(rows); i++)
        vmsim__emit_uint(e, rows[i].key, rows[i].bytes, VMSIM__UNIT_BYTES);
    vmsim__emit_object_end(e);
}

static void emit_end(struct vmsim__emitter *e, const struct vmsim__task *t) {
    VMSIM__ASSERT(t->name);
    char address[32];
    snprintf(address, sizeof address, "0x%llx", (unsigned long long)t->stop_address);
    bool signal = t->stop == VMSIM_STOP_SIGSEGV || t->stop == VMSIM_STOP_SIGBUS;
    vmsim__emit_string(e, "end", t->mm ? "running" : signal || t->stop == VMSIM_STOP_OOM ? "killed" : "exited");
    vmsim__emit_int(e, "exit_status", t->exit_code, VMSIM__UNIT_NONE);
    vmsim__emit_string(e, "signal", signal ? signal_names[t->stop] : t->stop == VMSIM_STOP_OOM ? "SIGKILL" : NULL);
    vmsim__emit_string(e, "address", signal ? address : NULL);
}

void vmsim__section_tasks(struct vmsim_scenario *s, struct vmsim__emitter *e) {
    const struct vmsim_machine *m = s->machine;
    vmsim__emit_array(e, "tasks");
    for (size_t i = 0; i < m->tasks.count; i++) {
        const struct vmsim__task *t = m->tasks.at[i];
        vmsim__emit_object(e, NULL);
        vmsim__emit_uint(e, "id", t->id, VMSIM__UNIT_NONE);
        vmsim__emit_string(e, "name", t->name);
        if (t->parent == VMSIM_TASK_NONE)
            vmsim__emit_string(e, "parent", NULL);
        else
            vmsim__emit_uint(e, "parent", t->parent, VMSIM__UNIT_NONE);
        vmsim__emit_uint(e, "cpu", t->cpu, VMSIM__UNIT_NONE);
        time(e, "start", t->start_ns);
        time(e, "time", age(t));
        time(e, "user", t->stats.user_ns);
        time(e, "system", t->stats.system_ns);
        time(e, "fault", t->stats.fault_ns);
        time(e, "blocked", t->stats.blocked_ns);
        time(e, "waiting", t->stats.waiting_ns);
        time(e, "asleep", t->stats.asleep_ns);
        count(e, "references", t->stats.references);
        count(e, "system_calls", t->stats.syscalls);
        count(e, "minor_faults", t->stats.min_flt);
        count(e, "major_faults", t->stats.maj_flt);
        emit_end(e, t);
        emit_status(e, t);
        emit_rollup(e, t);
        vmsim__emit_object_end(e);
    }
    vmsim__emit_array_end(e);
}
