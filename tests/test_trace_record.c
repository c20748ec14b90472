/* SPDX-License-Identifier: MIT */
/* The recorder, on real programs: what they do is in the trace, every reference lies in a mapping, and what goes wrong
 * is told. Skipped where qemu-x86_64 is not installed. */
#include "trace_sample.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static struct vmsim_record_result last;

static int record(const char *output, char *const *argv, uint64_t limit) {
    const struct vmsim_record_options o = {.size = sizeof o, .output = output, .argv = argv, .max_references = limit};
    return vmsim_record(&o, &last);
}

static void need_qemu(void) {
    if (access("/usr/bin/qemu-x86_64", X_OK)) {
        print_message("qemu-x86_64 is not installed\n");
        skip();
    }
}

static struct vmsim_trace_reader *open_whole(const char *path) {
    struct vmsim_trace_reader *r;
    struct vmsim_trace_mappings m;
    char error[512];
    assert_int_equal(vmsim_trace_verify(path, error, sizeof error), 0);
    assert_int_equal(vmsim_trace_check_mappings(path, &m, error, sizeof error), 0);
    assert_true(m.outside == 0);
    assert_int_equal(vmsim_trace_open(path, 0, &r), 0);
    return r;
}

static void a_dynamic_program_is_recorded_whole(void **state) {
    (void)state;
    char *const argv[] = {"true", NULL};
    need_qemu();
    assert_int_equal(record("true.vmt", argv, 0), 0);
    assert_int_equal(last.exit_status, 0);
    struct vmsim_trace_reader *r = open_whole("true.vmt");
    const struct vmsim_trace_info *i = vmsim_trace_get_info(r);
    assert_true(i->kinds[VMSIM_LOAD] > 1000 && i->kinds[VMSIM_STORE] > 1000 && i->kinds[VMSIM_FETCH] > 1000);
    assert_true(i->event_types[VMSIM_TRACE_EXEC] == 1 && i->event_types[VMSIM_TRACE_EXIT] == 1);
    assert_int_equal(i->exit_status, 0);
    assert_non_null(strstr(vmsim_trace_get_task(r, 0)->name, "true"));
    vmsim_trace_close(r);
}

/* The first event says how execve laid the program out. */
static void exec_tells_segments_stack_and_break(void **state) {
    (void)state;
    char *const argv[] = {"/bin/echo", "a", "b", NULL};
    struct vmsim_trace_item item;
    need_qemu();
    assert_int_equal(record("echo.vmt", argv, 0), 0);
    struct vmsim_trace_reader *r = open_whole("echo.vmt");
    do
        assert_int_equal(vmsim_trace_next(r, &item), 1);
    while (!item.event || item.event->type != VMSIM_TRACE_EXEC);
    const struct vmsim_trace_exec *x = item.event->exec;
    assert_true(x->argc == 3);
    assert_true(x->segment_count >= 4);
    assert_true(x->stack_pointer + x->stack_bytes == x->stack_top && x->stack_bytes > 100);
    assert_true(x->brk_start % 4096 == 0 && x->brk_start > x->segments[0].va);
    assert_int_equal(x->segments[0].file, item.event->file);
    do
        assert_int_equal(vmsim_trace_next(r, &item), 1);
    while (!item.event || item.event->type != VMSIM_TRACE_BRK);
    assert_true((uint64_t)item.event->result == x->brk_start);
    vmsim_trace_close(r);
}

static void children_and_their_programs_become_tasks(void **state) {
    (void)state;
    char *const argv[] = {"sh", "-c", "ls / | wc > sh.out; (exit 3); kill -9 $$", NULL};
    struct vmsim_trace_item item;
    bool born[8] = {true};
    need_qemu();
    assert_int_equal(record("sh.vmt", argv, 0), 0);
    assert_int_equal(last.exit_status, -SIGKILL);
    struct vmsim_trace_reader *r = open_whole("sh.vmt");
    assert_int_equal(vmsim_trace_get_info(r)->tasks, 4);
    assert_non_null(strstr(vmsim_trace_get_task(r, 1)->name, "ls"));
    assert_non_null(strstr(vmsim_trace_get_task(r, 2)->name, "wc"));
    assert_int_equal(vmsim_trace_get_task(r, 3)->exit_status, 3);
    assert_int_equal(vmsim_trace_get_info(r)->exit_status, -SIGKILL);
    while (vmsim_trace_next(r, &item) == 1) {
        assert_true(item.task < 8 && born[item.task]);
        if (item.event && item.event->type == VMSIM_TRACE_FORK)
            born[item.event->args[0]] = true;
    }
    vmsim_trace_close(r);
}

static void reads_tell_which_bytes_of_which_file(void **state) {
    (void)state;
    char *const argv[] = {"cat", "cat.in", NULL};
    char bytes[5000] = "x";
    struct vmsim_trace_item item;
    uint64_t got = 0, stored = 0, buffer = 0;
    need_qemu();
    write_file("cat.in", bytes, sizeof bytes);
    int saved = dup(1), null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    int err = record("cat.vmt", argv, 0);
    dup2(saved, 1);
    close(saved);
    close(null);
    assert_int_equal(err, 0);
    struct vmsim_trace_reader *r = open_whole("cat.vmt");
    while (vmsim_trace_next(r, &item) == 1) {
        if (item.event && item.event->type == VMSIM_TRACE_READ && item.event->result == sizeof bytes) {
            const struct vmsim_trace_file *f = vmsim_trace_get_file(r, item.event->file);
            assert_non_null(strstr(f->path, "cat.in"));
            assert_true(f->size == sizeof bytes && item.event->args[3] == 0);
            got += (uint64_t)item.event->result;
            buffer = item.event->args[1];
        }
        for (size_t i = 0; i < item.count && buffer; i++)
            if (vmsim_access_va(item.accesses[i]) >> 12 == buffer >> 12 &&
                vmsim_access_kind(item.accesses[i]) == VMSIM_STORE)
                stored++;
    }
    assert_true(got == sizeof bytes);
    assert_true(stored > 0); /* the kernel's own copy to the buffer */
    vmsim_trace_close(r);
}

/* A rename over a file takes that one's name; the file that is moved keeps one. */
static void names_that_files_lose_are_told(void **state) {
    (void)state;
    char *const argv[] = {"sh", "-c", "echo a >one; echo bb >two; ln two three; mv one two; rm two; rm three", NULL};
    const uint64_t left[] = {1, 0, 0};
    const char *const path[] = {"two", "one", "two"};
    struct vmsim_trace_item item;
    unsigned n = 0;
    need_qemu();
    assert_int_equal(record("names.vmt", argv, 0), 0);
    struct vmsim_trace_reader *r = open_whole("names.vmt");
    while (vmsim_trace_next(r, &item) == 1)
        if (item.event && item.event->type == VMSIM_TRACE_UNLINK) {
            const struct vmsim_trace_file *f = vmsim_trace_get_file(r, item.event->file);
            assert_true(n < 3 && item.event->args[0] == left[n]);
            assert_non_null(f);
            assert_non_null(strstr(f->path, path[n]));
            n++;
        }
    assert_int_equal(n, 3);
    vmsim_trace_close(r);
}

/* The table of all calls: each number once, with a name of its own. */
static void every_call_has_its_row(void **state) {
    (void)state;
    struct vmsim_syscall a, b;
    unsigned rows = 0;
    for (unsigned i = 0; i < 600; i++) {
        if (vmsim_syscall_get(i, &a))
            continue;
        rows++;
        for (unsigned j = 0; j < i; j++)
            assert_true(vmsim_syscall_get(j, &b) || strcmp(a.name, b.name) != 0);
    }
    assert_true(rows >= 370);
    assert_int_equal(vmsim_syscall_get(9, &a), 0);
    assert_string_equal(a.name, "mmap");
    assert_string_equal(vmsim_syscall_class_name(a.kind), "modelled");
    assert_int_equal(vmsim_syscall_get(425, &a), 0);
    assert_int_equal(a.trust, VMSIM_SYSCALL_DIFFERS);
}

static void a_crash_is_a_good_recording(void **state) {
    (void)state;
    char *const argv[] = {"sh", "-c", "kill -SEGV $$", NULL};
    need_qemu();
    assert_int_equal(record("crash.vmt", argv, 0), 0);
    assert_int_equal(last.exit_status, -SIGSEGV);
    struct vmsim_trace_reader *r = open_whole("crash.vmt");
    assert_true(vmsim_trace_get_info(r)->event_types[VMSIM_TRACE_KILLED] == 1);
    vmsim_trace_close(r);
}

static void a_missing_program_leaves_nothing(void **state) {
    (void)state;
    char *const argv[] = {"/no/such/program", NULL};
    unlink("missing.vmt");
    assert_int_equal(record("missing.vmt", argv, 0), VMSIM_ENOENT);
    assert_non_null(strstr(last.error, "/no/such/program"));
    assert_int_equal(access("missing.vmt", F_OK), -1);
    assert_int_equal(access("missing.vmt.part", F_OK), -1);
}

static void the_limit_ends_the_program(void **state) {
    (void)state;
    char *const argv[] = {"sh", "-c", "while :; do :; done", NULL};
    need_qemu();
    assert_int_equal(record("limit.vmt", argv, 300000), 0);
    struct vmsim_trace_reader *r = open_whole("limit.vmt");
    assert_true(vmsim_trace_get_info(r)->references >= 300000);
    vmsim_trace_close(r);
}

static void on_progress(void *context, const struct vmsim_record_progress *p) {
    struct vmsim_record_progress *told = context;
    assert_true(p->seen >= told->seen && p->written <= p->seen && p->elapsed_ms >= told->elapsed_ms);
    *told = *p;
}

/* One that computes and one that sleeps, which does not look whether its time is over. */
static void the_time_ends_the_program(void **state) {
    (void)state;
    static char *const loops[] = {"sh", "-c", "while :; do :; done", NULL}, *const sleeps[] = {"sleep", "1000", NULL};
    need_qemu();
    for (unsigned i = 0; i < 2; i++) {
        struct vmsim_record_progress told = {0};
        const struct vmsim_record_options o = {.size = sizeof o,
                                               .output = "time.vmt",
                                               .argv = i ? sleeps : loops,
                                               .max_ms = 700,
                                               .progress = on_progress,
                                               .context = &told};
        assert_int_equal(vmsim_record(&o, &last), 0);
        assert_true(last.stopped && last.exit_status == -SIGKILL);
        assert_true(told.elapsed_ms >= 250 && told.seen <= last.seen);
        struct vmsim_trace_reader *r = open_whole("time.vmt");
        assert_true(vmsim_trace_get_info(r)->complete);
        assert_non_null(strstr(vmsim_trace_get_info(r)->notes, "ended before its end"));
        vmsim_trace_close(r);
    }
}

/* What is left out is not there, and said; the events are. */
static void what_is_wanted_is_recorded(void **state) {
    (void)state;
    char *const argv[] = {"sh", "-c", "test -e vmsim:mark:one; true; test -e vmsim:mark:two; true", NULL};
    struct vmsim_record_options o = {.size = sizeof o, .output = "part.vmt", .argv = argv};
    need_qemu();
    assert_int_equal(vmsim_record(&o, &last), 0);
    const uint64_t whole = last.references, events = last.events;
    o.only = VMSIM_RECORD_DATA;
    assert_int_equal(vmsim_record(&o, &last), 0);
    struct vmsim_trace_reader *r = open_whole("part.vmt");
    const struct vmsim_trace_info *i = vmsim_trace_get_info(r);
    assert_true(i->kinds[VMSIM_FETCH] == 0 && i->kinds[VMSIM_LOAD] > 1000);
    assert_int_equal(i->event_types[VMSIM_TRACE_MARKER], 2);
    assert_int_equal(last.events, events);
    assert_non_null(strstr(i->notes, "only data"));
    vmsim_trace_close(r);
    o = (struct vmsim_record_options){
        .size = sizeof o, .output = "part.vmt", .argv = argv, .from = "one", .to = "two", .page_level = true};
    assert_int_equal(vmsim_record(&o, &last), 0);
    assert_true(last.references > 0 && last.references < whole / 20 && last.seen > last.references);
    assert_int_equal(last.events, events);
    vmsim_trace_close(open_whole("part.vmt"));
}

/* The recorder itself is killed: nothing under the final name, a readable part or none, and no process left over. */
static void a_killed_recorder_leaves_a_readable_part_or_none(void **state) {
    (void)state;
    char *const argv[] = {"sh", "-c", "while :; do :; done", NULL};
    struct vmsim_trace_reader *r;
    int status;
    need_qemu();
    unlink("killed.vmt");
    unlink("killed.vmt.part");
    pid_t child = fork();
    if (child == 0) {
        record("killed.vmt", argv, 0);
        _exit(0);
    }
    usleep(700000);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    assert_int_equal(access("killed.vmt", F_OK), -1);
    if (vmsim_trace_open("killed.vmt.part", 0, &r) == 0)
        assert_false(vmsim_trace_get_info(r)->complete);
    vmsim_trace_close(r);
}

/* Whether a process has this word among its arguments. */
static bool runs(const char *word) {
    DIR *proc = opendir("/proc");
    bool found = false;
    for (struct dirent *d; !found && proc && (d = readdir(proc)) != NULL;) {
        char path[300], text[8192];
        snprintf(path, sizeof path, "/proc/%.200s/cmdline", d->d_name);
        int fd = d->d_name[0] > '0' && d->d_name[0] <= '9' ? open(path, O_RDONLY) : -1;
        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
        found = n > 0 && memmem(text, (size_t)n, word, strlen(word)) != NULL;
        if (fd >= 0)
            close(fd);
    }
    if (proc)
        closedir(proc);
    return found;
}

/* Programs that sleep do not look whether anybody still records them. */
static void a_killed_recorder_leaves_no_process(void **state) {
    (void)state;
    char word[64];
    snprintf(word, sizeof word, "1000.%ld", (long)getpid());
    char *const argv[] = {"sh", "-c", "sleep \"$0\" & sleep \"$0\"", word, NULL};
    need_qemu();
    pid_t child = fork();
    if (child == 0) {
        record("sleeper.vmt", argv, 0);
        _exit(0);
    }
    while (!runs(word))
        usleep(10000);
    usleep(300000);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    for (unsigned i = 0; i < 3000 && runs(word); i++)
        usleep(10000);
    assert_false(runs(word));
}

/* Of recorders that were killed together with their supervisors. One at work holds a lock. */
static void memory_that_killed_recorders_left_is_given_back(void **state) {
    char left[] = "/dev/shm/vmsim-arena-XXXXXX", used[] = "/dev/shm/vmsim-arena-XXXXXX";
    char *const argv[] = {"true", NULL};
    (void)state;
    need_qemu();
    const int a = mkstemp(left), b = mkstemp(used);
    if (a < 0 || b < 0)
        skip();
    close(a);
    assert_int_equal(flock(b, LOCK_SH), 0);
    assert_int_equal(record("swept.vmt", argv, 0), 0);
    assert_int_equal(access(left, F_OK), -1);
    assert_int_equal(access(used, F_OK), 0);
    unlink(used);
    close(b);
    unlink("swept.vmt");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_recorder_leaves_no_process),
        cmocka_unit_test(a_dynamic_program_is_recorded_whole),
        cmocka_unit_test(exec_tells_segments_stack_and_break),
        cmocka_unit_test(children_and_their_programs_become_tasks),
        cmocka_unit_test(reads_tell_which_bytes_of_which_file),
        cmocka_unit_test(names_that_files_lose_are_told),
        cmocka_unit_test(every_call_has_its_row),
        cmocka_unit_test(a_crash_is_a_good_recording),
        cmocka_unit_test(a_missing_program_leaves_nothing),
        cmocka_unit_test(the_limit_ends_the_program),
        cmocka_unit_test(the_time_ends_the_program),
        cmocka_unit_test(what_is_wanted_is_recorded),
        cmocka_unit_test(a_killed_recorder_leaves_a_readable_part_or_none),
        cmocka_unit_test(memory_that_killed_recorders_left_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
