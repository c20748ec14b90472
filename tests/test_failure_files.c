/* SPDX-License-Identifier: MIT */
/* A host that has no memory for the n-th allocation: traces written, read, imported and replayed, machines captured and
 * imported, configurations written. Each call says so, or gives the very same as with memory; nothing leaks, and no
 * file bears a final name, or any other, unless it is whole. */
#include "failing_malloc.h"

#include <dirent.h>

#include "import_sample.h"
#include "packed_file.h"
#include "vmsim/curve.h"
#include "vmsim/report.h"
#include "vmsim/run.h"
#include "vmsim/scenario.h"
#include "vmsim/trace.h"

static char folder[256];
static char message[600];

static char *in_folder(char path[512], const char *name) {
    snprintf(path, 512, "%s/%s", folder, name);
    return path;
}

static uint64_t digest_of_file(const char *path) {
    size_t size;
    char *bytes = test_read_file(path, &size);
    uint64_t digest = failing_digest(0, bytes, size);
    free(bytes);
    return digest;
}

/* What `directory` holds: names of files, whatever their order. */
static uint64_t digest_of_names(const char *directory) {
    uint64_t sum = 0;
    DIR *d = opendir(directory);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        sum += failing_digest(0, e->d_name, strlen(e->d_name));
    closedir(d);
    return sum;
}

/* What a step made under `path`, which it takes away: whole after success, nothing after an error. */
static struct failing_result made(int code, const char *path, uint64_t names) {
    struct failing_result r = {.code = code, .message = message};
    failing_pause();
    if (!code) {
        r.digest = digest_of_file(path);
        unlink(path);
    }
    if (digest_of_names(folder) != names)
        fail_msg("code %d (%s) leaves other files in %s", code, message, folder);
    failing_again();
    return r;
}

static uint64_t names_before(void) {
    failing_pause();
    uint64_t names = digest_of_names(folder);
    failing_again();
    return names;
}

/* ---- traces ---- */

/* Two tasks, files, notes, several blocks. */
static int write_items(struct vmsim_trace_writer *w) {
    const struct vmsim_trace_event start = {.type = VMSIM_TRACE_START, .file = VMSIM_TRACE_NO_FILE, .args = {1, 1}};
    const struct vmsim_trace_event map = {.type = VMSIM_TRACE_MMAP,
                                          .file = VMSIM_TRACE_NO_FILE,
                                          .args = {0x10000000, 1 << 20, 3, 0x32},
                                          .result = 0x10000000};
    const struct vmsim_trace_event child = {.type = VMSIM_TRACE_FORK, .file = VMSIM_TRACE_NO_FILE, .args = {1, 0}};
    const struct vmsim_trace_file file = {.kind = VMSIM_TRACE_FILE_REGULAR, .size = 8192, .path = "/data"};
    uint32_t id;
    int err = vmsim_trace_append_event(w, 0, &start);
    err = err ? err : vmsim_trace_append_event(w, 0, &map);
    err = err ? err : vmsim_trace_append_file(w, 0, &file, &id);
    err = err ? err : vmsim_trace_append_event(w, 0, &child);
    for (unsigned i = 0; i < 3000 && !err; i++) {
        vmsim_access a =
            vmsim_access_make(0x10000000 + i * 797 % (1 << 20) / 8 * 8, 8, i % 3 ? VMSIM_LOAD : VMSIM_STORE);
        err = vmsim_trace_append(w, i / 100 % 2, &a, 1);
    }
    return err ? err : vmsim_trace_note(w, "made for a test");
}

static struct failing_result write_trace(void *context) {
    const struct vmsim_trace_options o = {.size = sizeof o, .block_refs = 512, .program = "p", .arguments = "p -x"};
    struct vmsim_trace_writer *w;
    uint64_t names = names_before();
    int code = vmsim_trace_create(context, &o, &w);
    code = code ? code : write_items(w);
    if (code) {
        snprintf(message, sizeof message, "%s", vmsim_trace_writer_error(w));
        vmsim_trace_abandon(w);
    } else {
        code = vmsim_trace_finish(w, message, sizeof message);
    }
    return made(code, context, names);
}

struct trace {
    const char *path;
    unsigned flags;
};

static uint64_t digest_info(const struct vmsim_trace_reader *r, uint64_t digest) {
    const struct vmsim_trace_info *i = vmsim_trace_get_info(r);
    const char *const texts[] = {i->arch, i->source, i->program, i->arguments, i->host, i->notes};
    const uint64_t numbers[] = {i->references, i->events, i->blocks, i->tasks, i->files, i->complete};
    for (size_t k = 0; k < TEST_COUNT(texts); k++)
        digest = failing_digest(digest, texts[k], strlen(texts[k]) + 1);
    return failing_digest(digest, numbers, sizeof numbers);
}

static int read_items(struct vmsim_trace_reader *r, uint64_t *digest) {
    struct vmsim_trace_item item;
    int status;
    while ((status = vmsim_trace_next(r, &item)) == 1) {
        for (size_t i = 0; i < item.count; i++)
            *digest = failing_digest(*digest, &item.accesses[i], sizeof *item.accesses);
        if (item.event)
            *digest = failing_digest(*digest, item.event->args, sizeof item.event->args);
    }
    return status;
}

static struct failing_result read_trace(void *context) {
    const struct trace *t = context;
    struct vmsim_trace_reader *reader;
    struct failing_result r = {.code = vmsim_trace_open(t->path, t->flags, &reader), .message = message};
    if (!r.code)
        r.digest = digest_info(reader, r.digest);
    if (!r.code)
        r.code = read_items(reader, &r.digest);
    if (!r.code)
        r.code = vmsim_trace_seek(reader, 700);
    if (!r.code)
        r.code = read_items(reader, &r.digest);
    snprintf(message, sizeof message, "%s", vmsim_trace_reader_error(reader));
    vmsim_trace_close(reader);
    return r;
}

static struct failing_result look_at_trace(void *context) {
    const struct trace *t = context;
    struct vmsim_trace_mappings m;
    struct failing_result r = {.code = vmsim_trace_verify(t->path, message, sizeof message), .message = message};
    if (!r.code)
        r.code = vmsim_trace_check_mappings(t->path, &m, message, sizeof message);
    r.digest = r.code ? 0 : failing_digest(0, &m, sizeof m);
    return r;
}

static struct failing_result draw_curves(void *context) {
    const struct vmsim_curve_options o = {.size = sizeof o, .per_task = true, .sets = 16};
    struct vmsim_curve *c;
    const char *text = NULL;
    size_t size = 0;
    struct failing_result r = {.code = vmsim_curve_create(&o, &c), .message = message};
    if (r.code) {
        snprintf(message, sizeof message, "%s", vmsim_error_text(r.code));
        return r;
    }
    r.code = vmsim_curve_trace(c, context);
    r.code = r.code ? r.code : vmsim_curve_render(c, VMSIM_CURVE_CSV, NULL, 0, &text, &size);
    snprintf(message, sizeof message, "%s", vmsim_curve_error(c));
    r.digest = text ? failing_digest(0, text, size) : 0;
    vmsim_curve_free_text(c, text);
    vmsim_curve_destroy(c);
    return r;
}

/* A trace whose writer was killed: without its end. */
static void cut(const char *from, const char *to) {
    size_t size;
    char *bytes = test_read_file(from, &size);
    test_write_file(to, bytes, size - 300);
    free(bytes);
}

static void make_trace(char path[512]) {
    const struct vmsim_trace_options o = {.size = sizeof o, .block_refs = 512, .program = "p"};
    struct vmsim_trace_writer *w;
    assert_int_equal(vmsim_trace_create(in_folder(path, "good.vmt"), &o, &w), 0);
    assert_int_equal(write_items(w), 0);
    assert_int_equal(vmsim_trace_finish(w, NULL, 0), 0);
}

static void traces_written_and_read(void **state) {
    char good[512], part[512], out[512];
    (void)state;
    make_trace(good);
    cut(good, in_folder(part, "cut.vmt"));
    each_failing_allocation("write", write_trace, in_folder(out, "out.vmt"), 0, 400);
    each_failing_allocation("read", read_trace, &(struct trace){good, 0}, 0, 200);
    each_failing_allocation("read by thread", read_trace, &(struct trace){good, VMSIM_TRACE_THREAD}, 0, 200);
    each_failing_allocation("read cut", read_trace, &(struct trace){part, 0}, 0, 200);
    each_failing_allocation("curves", draw_curves, good, 0, 400);
    each_failing_allocation("verify", look_at_trace, &(struct trace){good, 0}, 0, 200);
    unlink(good);
    unlink(part);
}

/* ---- importers ---- */

struct foreign {
    enum vmsim_trace_format format;
    char in[512], out[512];
};

static struct failing_result import_trace(void *context) {
    struct foreign *f = context;
    struct vmsim_trace_import_options o = {.size = sizeof o};
    uint64_t names = names_before();
    int code = vmsim_trace_import(f->format, f->in, f->out, &o);
    snprintf(message, sizeof message, "%s", o.error);
    return made(code, f->out, names);
}

static void foreign_traces(void **state) {
    static const char lackey[] = "I  04016d80,3\n L 1ffeffe7e8,8\nnoise\n S 1ffeffe7e0,8\n M 0421c7f0,4\n";
    static const struct {
        const char *name;
        int (*filter)(struct archive *);
    } packings[] = {{"plain", archive_write_add_filter_none},
                    {"gz", archive_write_add_filter_gzip},
                    {"xz", archive_write_add_filter_xz},
                    {"zst", archive_write_add_filter_zstd}};
    struct foreign f = {.format = VMSIM_TRACE_FORMAT_LACKEY};
    (void)state;
    failing_spare("libarchive.so"); /* 3.6 reads through NULL, or ends the program: "Fatal Internal Error", */
    failing_spare("liblzma.so");    /* and so it does when liblzma cannot begin */
    in_folder(f.out, "out.vmt");
    for (size_t i = 0; i < TEST_COUNT(packings); i++) {
        write_packed(in_folder(f.in, packings[i].name), lackey, sizeof lackey - 1, packings[i].filter);
        each_failing_allocation(packings[i].name, import_trace, &f, 0, 400);
        unlink(f.in);
    }
    uint64_t champsim[4000 * 8] = {0}; /* many regions, so that maps grow */
    for (size_t i = 0; i < 4000; i++) {
        champsim[i * 8] = 0x401000 + i * 4;
        champsim[i * 8 + 4] = (i + 1) << 21;
    }
    f.format = VMSIM_TRACE_FORMAT_CHAMPSIM;
    test_write_file(in_folder(f.in, "champ.bin"), champsim, sizeof champsim);
    each_failing_allocation("champsim", import_trace, &f, 0, 300);
    unlink(f.in);
}

/* ---- replay ---- */

static struct failing_result replay(void *context) {
    struct failing_result r = {.message = message};
    struct vmsim_scenario *s = NULL;
    struct vmsim_config *c;
    const char *text;
    size_t size;
    failing_pause();
    assert_int_equal(vmsim_config_create(&c), 0);
    assert_int_equal(vmsim_config_load_text(c, "replay", context, strlen(context)), 0);
    if (vmsim_config_resolve(c))
        fail_msg("%s", vmsim_config_error_text(c, 0));
    failing_again();
    r.code = vmsim_scenario_create(c, &s);
    const char *first = vmsim_config_error_text(c, 0);
    snprintf(message, sizeof message, "%s", first ? first : vmsim_error_text(r.code));
    if (!r.code) {
        r.code = vmsim_scenario_run(s, NULL, NULL);
        snprintf(message, sizeof message, "%s", vmsim_scenario_error(s));
        failing_pause();
        if (vmsim_machine_check(vmsim_scenario_machine(s)))
            fail_msg("%s", vmsim_machine_error(vmsim_scenario_machine(s)));
        if (!r.code && !vmsim_report_render(s, VMSIM_REPORT_STATS, &text, &size)) {
            r.digest = failing_digest(0, text, size);
            vmsim_report_free(s, text);
        }
        failing_again();
    }
    assert_int_equal(vmsim_scenario_destroy(s), 0);
    vmsim_config_destroy(c);
    return r;
}

static void traces_replayed(void **state) {
    char good[512], text[1200];
    (void)state;
    make_trace(good);
    snprintf(
        text, sizeof text,
        "machine: {nodes: [{memory: 32MiB}]}\nworkload: {tasks: [{name: t, trace: '%s'}, {name: u, trace: '%s', start: "
        "1us}]}\n",
        good, good);
    each_failing_allocation("replay", replay, text, 0, 200);
    unlink(good);
}

/* ---- hosts ---- */

struct host {
    const char *directory;
    char out[512];
};

static struct failing_result import_host(void *context) {
    struct host *h = context;
    uint64_t names = names_before();
    int code = vmsim_host_import(h->directory, h->out, NULL, message, sizeof message);
    return made(code, h->out, names);
}

/* Files appear one by one, each whole; an error may leave some. */
static struct failing_result capture_host(void *context) {
    struct failing_result r = {.code = vmsim_host_capture(context, NULL, message, sizeof message), .message = message};
    failing_pause();
    if (!r.code)
        r.digest = digest_of_names(context);
    failing_again();
    return r;
}

static void hosts(void **state) {
    char box[512], path[1024];
    struct host h = {.directory = box};
    (void)state;
    assert_int_equal(mkdir(in_folder(box, "box"), 0777), 0);
    for (size_t i = 0; i < SAMPLE_FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", box, sample[i].name);
        test_write_file(path, sample[i].text, strlen(sample[i].text));
    }
    each_failing_allocation("import", import_host, (in_folder(h.out, "box.yaml"), &h), 0, 250);
    test_rmdir(box);
    each_failing_allocation("capture", capture_host, in_folder(box, "here"), 0, 12);
    test_rmdir(box);
}

/* ---- configurations ---- */

static struct failing_result dump_file(void *context) {
    static const char text[] = "machine: {nodes: [{memory: 64MiB}]}\n";
    struct vmsim_config *c;
    uint64_t names = names_before();
    int code = vmsim_config_create(&c);
    code = code ? code : vmsim_config_load_text(c, "box.yaml", text, sizeof text - 1);
    code = code ? code : vmsim_config_resolve(c);
    code = code ? code : vmsim_config_dump_file(c, 0, context);
    snprintf(message, sizeof message, "%s", vmsim_error_text(code));
    vmsim_config_destroy(c);
    return made(code, context, names);
}

static void configurations_written(void **state) {
    char out[512];
    (void)state;
    each_failing_allocation("dump", dump_file, in_folder(out, "resolved.yaml"), 0, 200);
}

/* ---- runs ---- */

static struct failing_result show_run(void *context) {
    struct failing_result r = {.message = message};
    struct vmsim_run *run;
    const char *text;
    size_t size;
    r.code = vmsim_run_open(context, &run);
    for (int format = VMSIM_RUN_HTML; !r.code && format <= VMSIM_RUN_MARKDOWN; format++) {
        r.code = vmsim_run_render(run, (enum vmsim_run_format)format, &text, &size);
        r.digest = r.code ? 0 : failing_digest(r.digest, text, size);
        vmsim_run_free_text(run, text);
    }
    for (int format = VMSIM_COMPARE_TEXT; !r.code && format <= VMSIM_COMPARE_HTML; format++) {
        struct vmsim_run *const both[] = {run, run};
        const char *gates[] = {"vmstat.*=1%"};
        const struct vmsim_compare_options o = {.size = sizeof o, .gates = gates, .gate_count = 1};
        r.code = vmsim_run_compare(both, 2, &o, (enum vmsim_compare_format)format, &text, &size, NULL);
        r.digest = r.code ? 0 : failing_digest(r.digest, text, size);
        vmsim_run_free_text(run, text);
    }
    snprintf(message, sizeof message, "%s", run ? vmsim_run_error(run) : vmsim_error_text(r.code));
    vmsim_run_close(run);
    return r;
}

static void runs_shown(void **state) {
    char out[512], path[600];
    static const char stats[] = "{\"schema\": \"vmsim-stats\", \"schema_version\": \"1.0\", \"tasks\": [{\"name\": "
                                "\"a|b\", \"time_ns\": 5}], \"counters\": {\"vmstat.pgfault\": 3}}";
    static const char rows[] = "time_ns,vmstat.pgfault,vmstat.pgfree\n1,2,3\n2,3,3\n3,4,3\n";
    (void)state;
    failing_spare("libjansson.so"); /* 2.14 asserts that it has room for a string */
    assert_int_equal(mkdir(in_folder(out, "run"), 0777), 0);
    snprintf(path, sizeof path, "%s/stats.json", out);
    test_write_file(path, stats, sizeof stats - 1);
    snprintf(path, sizeof path, "%s/intervals.csv", out);
    test_write_file(path, rows, sizeof rows - 1);
    each_failing_allocation("show", show_run, out, 0, 250);
    test_rmdir(out);
}

static int make_folder(void **state) {
    (void)state;
    test_mkdir(folder);
    return 0;
}
static int remove_folder(void **state) {
    (void)state;
    test_rmdir(folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(traces_written_and_read), cmocka_unit_test(foreign_traces),
        cmocka_unit_test(traces_replayed),         cmocka_unit_test(hosts),
        cmocka_unit_test(configurations_written),  cmocka_unit_test(runs_shown),
    };
    return cmocka_run_group_tests_name("failure_files", tests, make_folder, remove_folder);
}
