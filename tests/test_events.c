/* SPDX-License-Identifier: MIT */
/* Events: what is told agrees with what is counted; who listens changes nothing; files in Chrome's form pass a
 * validator of that form (fields of each phase, nesting of each track, pairs of asynchronous events, one name a track);
 * kinds, span, least duration and limit choose; the kernel's text has its form. */
#include "scenario_run.h"

#include <jansson.h>
#include <regex.h>

#include "vmsim/event.h"
#include "vmsim/report.h"

/* A file twice the size of memory, then two programs of which one dies. */
static const char text[] =
    "machine: {cpus: 2, nodes: [{memory: 32MiB}], transparent_hugepage: never, sysctl: {vm.overcommit_memory: 1}, "
    "devices: [{name: nvme0n1, preset: nvme}]}\n"
    "workload:\n"
    "  files: [{name: /big, size: 48MiB}]\n"
    "  tasks:\n"
    "    - {name: reader, oom_score_adj: -1000, program: [{read: {file: /big, block: 128KiB}}]}\n"
    "    - {name: first, cpu: 1, start: 1s, program: [{mmap: {as: h, length: 18MiB}}, {touch: {region: h, write: "
    "100%}}, {sleep: {time: 10s}}]}\n"
    "    - {name: 'se\"cond', cpu: 1, start: 2s, oom_score_adj: -500, program: [{mmap: {as: h, length: 18MiB}}, "
    "{touch: "
    "{region: h, write: 100%}}]}\n";

static char path[512], folder[256];

/* A driver that takes more frames than the kernel's pageblocks have: it spoils those of programs. */
static const char pieces[] =
    "machine: {nodes: [{memory: 64MiB}], transparent_hugepage: never, kernel: '6.1'}\n"
    "workload:\n"
    "  tasks: [{name: t, program: [{mmap: {as: m, length: 16MiB}}, {touch: {region: m, write: 100%}}, {alloc_pages: "
    "{as: b, order: 0, count: 6000}}]}]\n";

static struct vmsim_scenario *start_text(const char *yaml, struct vmsim_config **config) {
    struct vmsim_scenario *s = NULL;
    assert_int_equal(vmsim_config_create(config), 0);
    assert_int_equal(vmsim_config_load_text(*config, "test.yaml", yaml, strlen(yaml)), 0);
    if (vmsim_config_resolve(*config) || vmsim_scenario_create(*config, &s))
        fail_msg("%s", vmsim_config_error_text(*config, 0));
    return s;
}

static struct vmsim_scenario *start(struct vmsim_config **config) {
    return start_text(text, config);
}

static void stop(struct vmsim_scenario *s, struct vmsim_config *config) {
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(config);
}

static uint64_t counted(struct vmsim_scenario *s, const char *name) {
    size_t id;
    if (vmsim_counter_find(vmsim_scenario_machine(s), name, &id))
        fail_msg("%s", vmsim_machine_error(vmsim_scenario_machine(s)));
    return vmsim_counter_read(vmsim_scenario_machine(s), id);
}

/* ---- what is told ---- */

struct sums {
    uint64_t count[VMSIM_EVENT_KINDS], duration[VMSIM_EVENT_KINDS], reclaimed, scanned, bytes, last_end, pages;
};

static void add_up(void *context, const struct vmsim_event *e) {
    struct sums *s = context;
    assert_true(e->kind < VMSIM_EVENT_KINDS);
    assert_non_null(e->what);
    s->count[e->kind]++;
    s->duration[e->kind] += e->duration;
    s->reclaimed += e->kind == VMSIM_EVENT_RECLAIM ? e->number[1] : 0;
    s->scanned += e->kind == VMSIM_EVENT_RECLAIM ? e->number[0] : 0;
    s->bytes += e->kind == VMSIM_EVENT_IO ? e->number[0] : 0;
    s->pages += e->kind == VMSIM_EVENT_ALLOC ? UINT64_C(1) << e->number[1] : 0;
}

static void what_is_told_agrees_with_what_is_counted(void **state) {
    struct vmsim_config *config;
    struct sums sums = {0};
    (void)state;
    struct vmsim_scenario *s = start(&config);
    uint64_t given = counted(s, "vmstat.pgalloc_dma") + counted(s, "vmstat.pgalloc_dma32");
    vmsim_machine_watch(vmsim_scenario_machine(s), UINT32_MAX, add_up, &sums);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    assert_int_equal(sums.count[VMSIM_EVENT_FAULT],
                     counted(s, "tasks.first.minflt") + counted(s, "tasks.se\"cond.minflt"));
    assert_int_equal(sums.count[VMSIM_EVENT_KILL], counted(s, "vmstat.oom_kill"));
    assert_int_equal(sums.count[VMSIM_EVENT_KILL], 1);
    assert_int_equal(sums.reclaimed, counted(s, "vmstat.pgsteal_kswapd") + counted(s, "vmstat.pgsteal_direct"));
    assert_int_equal(sums.bytes, counted(s, "block.nvme0n1.read_bytes"));
    assert_int_equal(sums.count[VMSIM_EVENT_IO], counted(s, "block.nvme0n1.reads"));
    assert_int_equal(sums.pages, counted(s, "vmstat.pgalloc_dma") + counted(s, "vmstat.pgalloc_dma32") - given);
    uint64_t waited = counted(s, "tasks.first.asleep_ns");
    waited += counted(s, "tasks.first.blocked_ns") + counted(s, "tasks.se\"cond.blocked_ns");
    waited += counted(s, "tasks.reader.blocked_ns");
    assert_true(sums.duration[VMSIM_EVENT_STALL] >= waited - counted(s, "tasks.first.asleep_ns"));
    assert_true(sums.duration[VMSIM_EVENT_RUN] > 0);
    stop(s, config);
}

/* Whatever chooses what goes: what is told of reclaim is what was scanned and what was freed. */
static void reclaim_is_told_under_every_policy(void **state) {
    static const char *const policies[] = {"linux-lru", "linux-mglru", "clock", "s3fifo"};
    (void)state;
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        struct vmsim_config *config;
        struct sums sums = {0};
        char yaml[2048];
        snprintf(yaml, sizeof yaml, "policies: {reclaim: {name: %s}}\n%s", policies[i], text);
        struct vmsim_scenario *s = start_text(yaml, &config);
        vmsim_machine_watch(vmsim_scenario_machine(s), 1u << VMSIM_EVENT_RECLAIM, add_up, &sums);
        assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
        assert_true(sums.count[VMSIM_EVENT_RECLAIM] > 0);
        assert_int_equal(sums.reclaimed, counted(s, "vmstat.pgsteal_kswapd") + counted(s, "vmstat.pgsteal_direct"));
        assert_int_equal(sums.scanned, counted(s, "vmstat.pgscan_kswapd") + counted(s, "vmstat.pgscan_direct"));
        stop(s, config);
    }
}

static void who_listens_changes_nothing(void **state) {
    struct vmsim_config *config[2];
    struct vmsim_scenario *s[2];
    struct sums sums = {0};
    const char *said[2];
    (void)state;
    for (int i = 0; i < 2; i++) {
        s[i] = start(&config[i]);
        if (i)
            vmsim_machine_watch(vmsim_scenario_machine(s[i]), UINT32_MAX, add_up, &sums);
        assert_int_equal(vmsim_scenario_run(s[i], NULL, NULL), 0);
        assert_int_equal(vmsim_report_render(s[i], VMSIM_REPORT_STATS, &said[i], NULL), 0);
    }
    assert_string_equal(said[0], said[1]);
    for (int i = 0; i < 2; i++) {
        vmsim_report_free(s[i], said[i]);
        stop(s[i], config[i]);
    }
}

/* ---- files ---- */

static json_t *events_of(const struct vmsim_events_options *o, uint64_t *left_out) {
    struct vmsim_config *config;
    struct vmsim_events *e;
    json_error_t why;
    struct vmsim_scenario *s = start(&config);
    if (vmsim_events_open(s, path, o, &e))
        fail_msg("%s", vmsim_scenario_error(s));
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    assert_int_equal(vmsim_events_close(e, left_out), 0);
    stop(s, config);
    json_t *all = json_load_file(path, 0, &why);
    if (!all)
        fail_msg("%s:%d: %s", path, why.line, why.text);
    return all;
}

static const char *string_of(const json_t *e, const char *key) {
    const char *s = json_string_value(json_object_get(e, key));
    if (!s)
        fail_msg("an event has no \"%s\"", key);
    return s;
}

/* Nanoseconds: what is printed has three decimals of microseconds. */
static uint64_t ns_of(const json_t *e, const char *key) {
    const json_t *v = json_object_get(e, key);
    assert_true(json_is_number(v));
    assert_true(json_number_value(v) >= 0);
    return (uint64_t)(json_number_value(v) * 1000 + 0.5);
}

struct track {
    uint64_t pid, tid, end[32]; /* ends of the spans that are open */
    unsigned depth;
};

static int by_begin(const void *a, const void *b) {
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    uint64_t p = (uint64_t)json_integer_value(json_object_get(x, "pid")) << 40 |
                 (uint64_t)json_integer_value(json_object_get(x, "tid"));
    uint64_t q = (uint64_t)json_integer_value(json_object_get(y, "pid")) << 40 |
                 (uint64_t)json_integer_value(json_object_get(y, "tid"));
    if (p != q)
        return p < q ? -1 : 1;
    if (ns_of(x, "ts") != ns_of(y, "ts"))
        return ns_of(x, "ts") < ns_of(y, "ts") ? -1 : 1;
    return ns_of(x, "dur") > ns_of(y, "dur") ? -1 : ns_of(x, "dur") < ns_of(y, "dur");
}

/* Spans of one track lie beside or within each other. */
static void check_nesting(json_t **spans, size_t count) {
    struct track t = {0};
    qsort(spans, count, sizeof *spans, by_begin);
    for (size_t i = 0; i < count; i++) {
        uint64_t pid = (uint64_t)json_integer_value(json_object_get(spans[i], "pid"));
        uint64_t tid = (uint64_t)json_integer_value(json_object_get(spans[i], "tid"));
        uint64_t begin = ns_of(spans[i], "ts"), end = begin + ns_of(spans[i], "dur");
        if (pid != t.pid || tid != t.tid)
            t = (struct track){.pid = pid, .tid = tid};
        while (t.depth && t.end[t.depth - 1] <= begin)
            t.depth--;
        if (t.depth && end > t.end[t.depth - 1])
            fail_msg("%s at %llu ns ends behind what it is in", string_of(spans[i], "name"), (unsigned long long)begin);
        assert_true(t.depth < TEST_COUNT(t.end));
        t.end[t.depth++] = end;
    }
}

/* The form, as its description has it: what each phase needs. Returns the number of events of category `cat`. */
static size_t validate(const json_t *all, const char *cat) {
    const json_t *list = json_object_get(all, "traceEvents"), *e;
    size_t i, spans = 0, open = 0, wanted = 0, named = 0, tracks = 0;
    json_t **span = calloc(json_array_size(list) + 1, sizeof *span);
    bool seen[5][64] = {{false}};
    assert_true(json_is_array(list));
    json_array_foreach(list, i, e) {
        const char *phase = string_of(e, "ph");
        size_t pid = (size_t)json_integer_value(json_object_get(e, "pid"));
        size_t tid = (size_t)json_integer_value(json_object_get(e, "tid"));
        assert_true(strlen(string_of(e, "name")) > 0);
        assert_true(json_is_integer(json_object_get(e, "pid")) && pid < 5 && tid < 64);
        if (!strcmp(phase, "M")) {
            assert_true(json_is_object(json_object_get(e, "args")));
            named += !strcmp(string_of(e, "name"), "thread_name");
            continue;
        }
        tracks += !seen[pid][tid];
        seen[pid][tid] = true;
        wanted += !cat || !strcmp(string_of(e, "cat"), cat);
        ns_of(e, "ts");
        if (!strcmp(phase, "X"))
            span[spans++] = json_array_get(list, i), (void)ns_of(e, "dur");
        else if (!strcmp(phase, "i"))
            assert_string_equal(string_of(e, "s"), "t");
        else if (!strcmp(phase, "b") || !strcmp(phase, "e"))
            open += *phase == 'b' ? 1 : (size_t)-1;
        else
            fail_msg("there is no phase '%s'", phase);
        assert_true(strchr("be", *phase) == NULL || json_is_integer(json_object_get(e, "id")));
    }
    assert_int_equal(open, 0);
    assert_int_equal(named, tracks);
    check_nesting(span, spans);
    free(span);
    return wanted;
}

static void files_in_chromes_form_are_valid(void **state) {
    const struct vmsim_events_options o = {.size = sizeof o};
    uint64_t left_out = 7;
    (void)state;
    json_t *all = events_of(&o, &left_out);
    assert_int_equal(left_out, 0);
    assert_int_equal(validate(all, "kill"), 1);
    assert_true(validate(all, "fault") > 5000);
    assert_true(validate(all, "io") > 300);
    assert_int_equal(validate(all, "alloc"), 0);
    json_decref(all);
}

static void kinds_span_and_limit_choose(void **state) {
    struct vmsim_events_options o = {.size = sizeof o, .kinds = 1u << VMSIM_EVENT_FAULT, .limit = 100};
    uint64_t left_out;
    (void)state;
    json_t *all = events_of(&o, &left_out);
    assert_int_equal(validate(all, NULL), 100);
    assert_int_equal(validate(all, "fault"), 100);
    assert_true(left_out > 5000);
    json_decref(all);
    o = (struct vmsim_events_options){.size = sizeof o, .to = 1000000};
    all = events_of(&o, &left_out);
    assert_int_equal(validate(all, "fault"), 0);
    assert_true(validate(all, "io") > 0);
    json_decref(all);
    o = (struct vmsim_events_options){.size = sizeof o, .least = 3000000};
    all = events_of(&o, &left_out);
    assert_int_equal(validate(all, "kill"), 1); /* takes no time, and is never left out */
    assert_int_equal(validate(all, "io"), 0);
    assert_true(validate(all, "stall") > 0);
    json_decref(all);
}

static void the_kernels_text_has_its_form(void **state) {
    struct vmsim_events_options o = {.size = sizeof o, .format = VMSIM_EVENTS_FTRACE, .kinds = UINT32_MAX};
    struct vmsim_config *config;
    struct vmsim_events *e;
    regex_t form;
    size_t lines = 0, kills = 0;
    (void)state;
    struct vmsim_scenario *s = start(&config);
    assert_int_equal(vmsim_events_open(s, path, &o, &e), 0);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    assert_int_equal(vmsim_events_close(e, NULL), 0);
    assert_int_equal(
        regcomp(
            &form,
            "^ *[^ ].*-[0-9]+ +\\[[0-9]{3}\\] \\.{5} +[0-9]+\\.[0-9]{6}: "
            "(mm_vmscan_lru_shrink_inactive: nid=0 nr_scanned=[0-9]+ nr_reclaimed=[0-9]+ "
            "flags=RECLAIM_WB_(FILE|ANON)|mm_page_alloc: pfn=0x[0-9a-f]+ order=[0-9]+ "
            "migratetype=[0-9]|mm_page_alloc_extfrag: pfn=0x[0-9a-f]+ "
            "alloc_order=[0-9]+ fallback_order=[0-9]+ alloc_migratetype=[0-2] "
            "fallback_migratetype=[0-2] change_ownership=[01]|mark_victim: pid=2|page_fault_user: address=0x[0-9a-f]+ "
            "error_code=0x[46]|sched_stat_(iowait|blocked|sleep): comm=.* pid=[0-9]+ delay=[0-9]+ "
            "\\[ns\\])$",
            REG_EXTENDED | REG_NOSUB),
        0);
    char *all = test_read_file(path, NULL), *next;
    for (char *line = all; (next = strchr(line, '\n')) != NULL; line = next + 1) {
        *next = '\0';
        lines++;
        kills += strstr(line, "mark_victim") != NULL;
        if (lines < 3000 && regexec(&form, line, 0, NULL, 0))
            fail_msg("no such line: %s", line);
    }
    assert_true(lines > 5000);
    assert_int_equal(kills, 1);
    free(all);
    regfree(&form);
    stop(s, config);
}

static void what_cannot_be_written_is_told(void **state) {
    struct vmsim_events_options o = {.size = 3};
    struct vmsim_config *config;
    struct vmsim_events *e;
    (void)state;
    struct vmsim_scenario *s = start(&config);
    assert_int_equal(vmsim_events_open(s, "/none/e.json", NULL, &e), VMSIM_EIO);
    assert_null(e);
    assert_non_null(strstr(vmsim_scenario_error(s), "/none/e.json"));
    assert_int_equal(vmsim_events_open(s, path, &o, &e), VMSIM_EINVAL);
    assert_int_equal(vmsim_events_close(NULL, NULL), 0);
    assert_null(vmsim_event_kind_name(VMSIM_EVENT_KINDS));
    stop(s, config);
}

static int make_folder(void **state) {
    (void)state;
    test_mkdir(folder);
    snprintf(path, sizeof path, "%s/events", folder);
    return 0;
}
static int remove_folder(void **state) {
    (void)state;
    test_rmdir(folder);
    return 0;
}

static void look_at_pieces(void *context, const struct vmsim_event *e) {
    unsigned *claimed = context;
    assert_int_equal(e->kind, VMSIM_EVENT_EXTFRAG);
    assert_int_equal(e->duration, 0);
    assert_int_equal(e->number[1], 0);               /* of single frames, */
    assert_in_range(e->number[2], e->number[1], 10); /* from blocks that were larger, */
    assert_int_equal(e->number[3], 0x10);            /* for the kernel, from movable memory */
    if (!strcmp(e->what, "claimed"))
        ++*claimed;
    else
        assert_string_equal(e->what, "mixed");
}

/* Each request that takes a block of another type says so: whose, for whom, and whether the pageblock went with it. */
static void memory_that_falls_into_pieces_is_told(void **state) {
    struct vmsim_events_options o = {
        .size = sizeof o, .format = VMSIM_EVENTS_FTRACE, .kinds = 1u << VMSIM_EVENT_EXTFRAG};
    struct vmsim_config *config;
    struct vmsim_events *e;
    unsigned claimed = 0;
    (void)state;
    struct vmsim_scenario *s = start_text(pieces, &config);
    vmsim_machine_watch(vmsim_scenario_machine(s), 1u << VMSIM_EVENT_EXTFRAG, look_at_pieces, &claimed);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    assert_true(claimed >= 3);
    stop(s, config);
    s = start_text(pieces, &config);
    assert_int_equal(vmsim_events_open(s, path, &o, &e), 0);
    assert_int_equal(vmsim_scenario_run(s, NULL, NULL), 0);
    assert_int_equal(vmsim_events_close(e, NULL), 0);
    char *all = test_read_file(path, NULL);
    assert_non_null(strstr(all, ": mm_page_alloc_extfrag: pfn=0x"));
    assert_non_null(strstr(all, " alloc_migratetype=0 fallback_migratetype=1 change_ownership=1\n"));
    free(all);
    stop(s, config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_agrees_with_what_is_counted),
        cmocka_unit_test(reclaim_is_told_under_every_policy),
        cmocka_unit_test(who_listens_changes_nothing),
        cmocka_unit_test(files_in_chromes_form_are_valid),
        cmocka_unit_test(kinds_span_and_limit_choose),
        cmocka_unit_test(the_kernels_text_has_its_form),
        cmocka_unit_test(memory_that_falls_into_pieces_is_told),
        cmocka_unit_test(what_cannot_be_written_is_told),
    };
    return cmocka_run_group_tests_name("events", tests, make_folder, remove_folder);
}
