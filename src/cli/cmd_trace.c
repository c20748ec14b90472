/* SPDX-License-Identifier: MIT */
/* `vmsim trace`: info, print, verify and convert.
 *
 * Four verbs over one reader. `info` reads the index alone, so that it answers at once for a trace of any size;
 * `verify` reads every block and holds references against the mappings that events tell of; `print` finds its first
 * reference by the index and decodes from there; `convert` is the importers' front end, and with a trace as its input
 * the way to another compression. */
#include <assert.h>
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "vmsim/trace.h"

struct trace_options {
    const char *verb, *files[2];
    unsigned count;
    uint64_t limit, from;
    int64_t task;
    const char *format, *columns;
    int level;
    bool events;
};

static const struct argp_option options[] = {
    {"limit", 'n', "COUNT", 0, "print, convert: stop after COUNT references or records", 0},
    {"from", 'f', "INDEX", 0, "print: begin with reference number INDEX", 0},
    {"task", 't', "TASK", 0, "print: only this task", 0},
    {"events", 'e', NULL, 0, "print: only events", 0},
    {"format", 'F', "FORMAT", 0, "convert: what IN is: lackey, oracle, champsim, csv, txt, vscsi, drmemtrace or vmt",
     0},
    {"columns", 'c', "COLUMNS", 0, "convert: of csv, obj-id-col=N,op-col=N,delimiter=C,has-header=BOOL", 0},
    {"level", 'l', "LEVEL", 0, "convert: zstd level of a vmt copy, 1 to 19", 0},
    {0}};

/* The verb first: what is wrong with `import IN OUT` is not the number of files. */
static void check_verb(const struct trace_options *o, struct argp_state *state) {
    assert(o->verb);
    static const char *const verbs[] = {"info", "print", "verify", "convert"};
    size_t i = 0;
    while (i < 4 && strcmp(o->verb, verbs[i]) != 0)
        i++;
    if (i == 4)
        argp_error(state, "unknown verb '%s' (info, print, verify or convert)", o->verb);
    if (o->count != (i == 3 ? 2 : 1))
        argp_error(state, "%s takes %s, not %u files", o->verb, i == 3 ? "IN and OUT" : "one trace", o->count);
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct trace_options *o = state->input;
    switch (key) {
    case 'n':
        o->limit = cli_number(state, arg, UINT64_MAX);
        return 0;
    case 'f':
        o->from = cli_number(state, arg, UINT64_MAX);
        return 0;
    case 't':
        o->task = (int64_t)cli_number(state, arg, UINT32_MAX);
        return 0;
    case 'e':
        o->events = true;
        return 0;
    case 'F':
        o->format = arg;
        return 0;
    case 'c':
        o->columns = arg;
        return 0;
    case 'l':
        o->level = (int)cli_number(state, arg, 19);
        return 0;
    case ARGP_KEY_ARG:
        if (!o->verb)
            o->verb = arg;
        else if (o->count++ < 2)
            o->files[o->count - 1] = arg;
        return 0;
    case ARGP_KEY_END:
        if (!o->verb)
            argp_error(state, "say what to do: info, print, verify or convert");
        check_verb(o, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* With a thread that decodes ahead: printing and verifying are no slower than the slower of the two. */
static int open_trace(const struct trace_options *o, struct vmsim_trace_reader **r) {
    assert(o->count && o->files[0]);
    int err = vmsim_trace_open(o->files[0], VMSIM_TRACE_THREAD, r);
    if (!err)
        return EXIT_FINE;
    cli_fail(0, "trace", "%s", vmsim_trace_reader_error(*r));
    vmsim_trace_close(*r);
    return cli_status(err);
}

/* Everything printed must have arrived. */
static int end_output(void) {
    if (!ferror(stdout) && !fflush(stdout))
        return EXIT_FINE;
    return cli_fail(EXIT_USAGE, "trace", "cannot write to standard output: %s", strerror(errno));
}

/* ---- info */

static void print_counts(const struct vmsim_trace_info *i) {
    static const char *const kinds[4] = {"loads", "stores", "fetches", "atomics"};
    printf("references   %" PRIu64, i->references);
    for (unsigned k = 0; k < 4; k++)
        printf("%s%" PRIu64 " %s", k ? ", " : " (", i->kinds[k], kinds[k]);
    printf(")\nevents       %" PRIu64, i->events);
    for (unsigned t = 0, n = 0; t < VMSIM_TRACE_EVENT_TYPES; t++)
        if (i->event_types[t])
            printf("%s%" PRIu64 " %s", n++ ? ", " : " (", i->event_types[t], vmsim_trace_event_name(t));
    printf("%s\n", i->events ? ")" : "");
}

static void print_status(int32_t status) {
    if (status == INT32_MIN)
        printf("end not seen");
    else if (status < 0)
        printf("killed by signal %d", -status);
    else
        printf("exit status %d", status);
}

/* Paths and names come from the recorded program, and may hold what a terminal would obey. */
static void print_tables(const struct vmsim_trace_reader *r, const struct vmsim_trace_info *i) {
    static const char *const kinds[] = {"file", "directory", "device", "pipe", "shm"};
    for (uint32_t n = 0; n < i->tasks; n++) {
        const struct vmsim_trace_task *t = vmsim_trace_get_task(r, n);
        printf("task %-7u ", n);
        cli_put(stdout, *t->name ? t->name : "?", false);
        printf(": pid %" PRIu64 ", %" PRIu64 " references, %" PRIu64 " events, ", t->pid, t->references, t->events);
        if (t->parent != VMSIM_TRACE_NO_TASK)
            printf("%s of task %u, ",
                   t->flags & VMSIM_TRACE_FORK_VM && !(t->flags & VMSIM_TRACE_FORK_PROCESS) ? "thread" : "child",
                   t->parent);
        print_status(t->exit_status);
        printf("\n");
    }
    for (uint32_t n = 0; n < i->files; n++) {
        const struct vmsim_trace_file *f = vmsim_trace_get_file(r, n);
        assert(f->kind < sizeof kinds / sizeof *kinds); /* the reader refuses others */
        printf("file %-7u ", n);
        cli_put(stdout, f->path, false);
        printf(": %s, %" PRIu64 " bytes\n", kinds[f->kind], f->size);
    }
}

static void print_fact(const char *before, const char *text) {
    assert(text);
    fputs(before, stdout);
    cli_put(stdout, text, false);
}

static int do_info(const struct trace_options *o) {
    struct vmsim_trace_reader *r;
    int status = open_trace(o, &r);
    if (status)
        return status;
    const struct vmsim_trace_info *i = vmsim_trace_get_info(r);
    printf("trace        ");
    cli_put(stdout, o->files[0], false);
    printf(": version %u, %s, %" PRIu64 " bytes, %" PRIu64 " blocks", i->version, i->complete ? "whole" : "INCOMPLETE",
           i->file_bytes, i->blocks);
    if (i->references)
        printf(", %.3f bytes a reference", (double)i->file_bytes / (double)i->references);
    print_fact("\nsource       ", i->source);
    print_fact(*i->program ? ": " : "", *i->arguments ? i->arguments : i->program);
    print_fact("\nmachine      ", i->arch);
    printf(", pages of %u bytes\n", i->page_size);
    if (*i->host) {
        print_fact("host         ", i->host);
        puts("");
    }
    print_counts(i);
    print_tables(r, i);
    if (*i->notes) {
        puts("not followed:");
        cli_put(stdout, i->notes, true);
        puts("");
    }
    if (!i->complete)
        cli_note("trace", "warning: %s", vmsim_trace_reader_error(r));
    vmsim_trace_close(r);
    return end_output();
}

/* ---- print */

/* What Linux' loader laid out, by which a replay maps the same: where these differ between two traces of one program,
 * addresses are not comparable. */
static void print_exec(const struct vmsim_trace_exec *x) {
    assert(x->segments || !x->segment_count);
    printf("  entry=0x%" PRIx64 " base=0x%" PRIx64 " interpreter=0x%" PRIx64 " brk=0x%" PRIx64 "\n", x->entry,
           x->load_base, x->interpreter_base, x->brk_start);
    printf("  stack: top=0x%" PRIx64 " pointer=0x%" PRIx64 " limit=%" PRIu64 " argc=%" PRIu64 " envc=%" PRIu64 "\n",
           x->stack_top, x->stack_pointer, x->stack_limit, x->argc, x->envc);
    for (size_t i = 0; i < x->segment_count; i++) {
        const struct vmsim_trace_segment *s = &x->segments[i];
        printf("  segment 0x%" PRIx64 "+0x%" PRIx64 " %c%c%c file=%" PRId32 " offset=0x%" PRIx64 " bytes=0x%" PRIx64
               "\n",
               s->va, s->length, s->prot & 1 ? 'r' : '-', s->prot & 2 ? 'w' : '-', s->prot & 4 ? 'x' : '-',
               (int32_t)s->file, s->offset, s->file_bytes);
    }
}

/* The names of arguments stand in one string of the library, "addr length prot;result": one blank after another, up to
 * a semicolon. An exec has a record of its own in their place. */
static void print_event(uint32_t task, const struct vmsim_trace_event *e) {
    assert(e->type < VMSIM_TRACE_EVENT_TYPES);
    const char *names = vmsim_trace_event_args(e->type);
    assert(names);
    printf("%u %s", task, vmsim_trace_event_name(e->type));
    for (unsigned i = 0; i < 6 && e->type != VMSIM_TRACE_EXEC; i++) {
        size_t n = strcspn(names, " ;(");
        if (!n || names[n - 1] == '=' || strchr(names, ';') == names)
            break;
        printf(" %.*s=%s%" PRIx64, (int)n, names, e->args[i] > 9 ? "0x" : "", e->args[i]);
        names += n;
        names += strcspn(names, " ;");
        names += *names == ' ';
        if (*names == ';')
            break;
    }
    if (e->file != VMSIM_TRACE_NO_FILE)
        printf(" file=%u", e->file);
    if (e->path)
        print_fact(" path=", e->path);
    if (e->result < 0 && e->result > -4096)
        printf(" = %" PRId64, e->result);
    else if (e->result)
        printf(" = 0x%" PRIx64, (uint64_t)e->result);
    printf("\n");
    if (e->exec)
        print_exec(e->exec);
}

/* Items of other tasks are skipped, not counted: -n is so many lines. A pipe that was closed (`| head`) ends it at
 * once, since a trace may have billions. */
static int do_print(const struct trace_options *o) {
    static const char letters[4] = {'L', 'S', 'I', 'M'};
    struct vmsim_trace_reader *r;
    struct vmsim_trace_item item;
    uint64_t left = o->limit ? o->limit : UINT64_MAX;
    int status = open_trace(o, &r), got = 0;
    if (status)
        return status;
    uint32_t tasks = vmsim_trace_get_info(r)->tasks;
    if (o->task >= tasks) {
        vmsim_trace_close(r);
        return cli_fail(EXIT_USAGE, "trace", "%s: there is no task %" PRId64 ": it has %u, numbered from 0",
                        o->files[0], o->task, tasks);
    }
    int err = o->from ? vmsim_trace_seek(r, o->from) : 0;
    while (!err && left && (got = vmsim_trace_next(r, &item)) == 1) {
        if (o->task >= 0 && item.task != (uint32_t)o->task)
            continue;
        if (item.event)
            print_event(item.task, item.event);
        for (size_t i = 0; i < item.count && left && !o->events; i++, left--)
            printf("%u %c 0x%" PRIx64 " %u\n", item.task, letters[vmsim_access_kind(item.accesses[i])],
                   vmsim_access_va(item.accesses[i]), vmsim_access_bytes(item.accesses[i]));
        if (ferror(stdout))
            break;
    }
    err = err ? err : got < 0 ? got : 0;
    if (err)
        cli_fail(0, "trace", "%s", vmsim_trace_reader_error(r));
    vmsim_trace_close(r);
    status = end_output();
    return err ? cli_status(err) : status;
}

/* ---- verify */

/* Checksums and structure first: what is held against mappings is only worth looking at in a file that is whole.
 * References outside of mappings are a result with its own exit status, as in a damaged recording, not a failure of the
 * command. */
static int do_verify(const struct trace_options *o) {
    char text[1024];
    struct vmsim_trace_mappings m;
    int err = vmsim_trace_verify(o->files[0], text, sizeof text);
    if (!err)
        err = vmsim_trace_check_mappings(o->files[0], &m, text, sizeof text);
    if (err)
        return cli_fail(cli_status(err), "trace", "%s", text);
    assert(m.outside <= m.references);
    printf("%s: whole, %" PRIu64 " references, %" PRIu64 " of them outside of every mapping", o->files[0], m.references,
           m.outside);
    if (m.outside)
        printf(" (first: number %" PRIu64 ", task %u, address 0x%" PRIx64 ")", m.index, m.task, m.va);
    printf("\n");
    int status = end_output();
    return status ? status : m.outside ? EXIT_EXPECTATION : EXIT_FINE;
}

/* ---- convert */

/* Copies items up to the limit; *text gets the message of an error. */
static int copy_items(const struct trace_options *o, struct vmsim_trace_reader *r, struct vmsim_trace_writer *w,
                      const char **text) {
    struct vmsim_trace_item item;
    uint64_t left = o->limit ? o->limit : UINT64_MAX;
    int got, err = 0;
    while (!err && left && (got = vmsim_trace_next(r, &item)) != 0) {
        if (got < 0) {
            *text = vmsim_trace_reader_error(r);
            return got;
        }
        size_t n = item.count < left ? item.count : (size_t)left;
        assert(n <= left && (item.accesses || !n));
        err = item.event ? vmsim_trace_append_event(w, item.task, item.event)
                         : vmsim_trace_append(w, item.task, item.accesses, n);
        left -= n;
    }
    *text = vmsim_trace_writer_error(w);
    return err;
}

/* Tasks and files come along with the events that make them; what is not in those (host, arguments) is handed on. An
 * unfinished copy is abandoned, so that no file is left that looks like a trace. */
static int copy_trace(const struct trace_options *o) {
    assert(o->count == 2 && o->files[1]);
    struct vmsim_trace_reader *r;
    struct vmsim_trace_writer *w;
    const char *text = "";
    char final[1024] = "";
    int status = open_trace(o, &r);
    if (status)
        return status;
    const struct vmsim_trace_info *i = vmsim_trace_get_info(r);
    const struct vmsim_trace_options to = {.size = sizeof to,
                                           .level = o->level,
                                           .page_size = i->page_size,
                                           .arch = i->arch,
                                           .source = i->source,
                                           .program = i->program,
                                           .arguments = i->arguments,
                                           .host = i->host};
    int err = vmsim_trace_create(o->files[1], &to, &w);
    text = vmsim_trace_writer_error(w);
    if (!err)
        err = copy_items(o, r, w, &text);
    if (!err && !i->complete)
        err = vmsim_trace_note(w, "converted from a trace whose writer was stopped");
    if (err)
        cli_fail(0, "trace", "%s", text);
    if (err)
        vmsim_trace_abandon(w);
    else if ((err = vmsim_trace_finish(w, final, sizeof final)) != 0)
        cli_fail(0, "trace", "%s", final);
    vmsim_trace_close(r);
    return cli_status(err);
}

/* The format is never guessed: text formats of addresses look alike, and a wrong guess gives a trace that verifies. */
static int do_convert(const struct trace_options *o) {
    assert(o->count == 2);
    struct vmsim_trace_import_options import = {.size = sizeof import, .limit = o->limit, .columns = o->columns};
    if (!o->format)
        return cli_fail(EXIT_USAGE, "trace",
                        "convert: say what %s is with --format "
                        "lackey|oracle|champsim|csv|txt|vscsi|drmemtrace|vmt",
                        o->files[0]);
    if (cli_same_file(o->files[0], o->files[1]))
        return cli_fail(EXIT_USAGE, "trace", "convert: %s and %s are one file: name another output", o->files[0],
                        o->files[1]);
    if (!strcmp(o->format, "vmt"))
        return copy_trace(o);
    int format = vmsim_trace_format_by_name(o->format);
    if (format < 0)
        return cli_fail(EXIT_USAGE, "trace",
                        "unknown format '%s' (lackey, oracle, champsim, csv, txt, vscsi, drmemtrace or vmt)",
                        o->format);
    int err = vmsim_trace_import((enum vmsim_trace_format)format, o->files[0], o->files[1], &import);
    if (err)
        return cli_fail(cli_status(err), "trace", "%s", import.error);
    printf("%s: %" PRIu64 " records read, %" PRIu64 " skipped\n%s\n", o->files[1], import.records, import.skipped,
           vmsim_trace_format_note((unsigned)format));
    return end_output();
}

int cmd_trace(int argc, char **argv) {
    static const struct argp argp = {options,
                                     parse_option,
                                     "info TRACE\nprint TRACE\nverify TRACE\nconvert IN OUT",
                                     "Look at traces, verify them, and import those of other tools.\v"
                                     "Examples:\n  vmsim trace info sort.vmt\n  vmsim trace print -n 20 sort.vmt\n"
                                     "  vmsim trace convert --format lackey lackey.txt.xz out.vmt\n"
                                     "Printed references: TASK L|S|I|M ADDRESS BYTES (load, store, instruction, "
                                     "modify). verify exits with 1 when references lie outside of every mapping.",
                                     NULL,
                                     NULL,
                                     NULL};
    static const struct {
        const char *name;
        int (*run)(const struct trace_options *o);
    } verbs[] = {{"info", do_info}, {"print", do_print}, {"verify", do_verify}, {"convert", do_convert}};
    struct trace_options o = {.task = -1};
    if (cli_parse(&argp, argc, argv, 0, &o))
        return EXIT_USAGE;
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (!strcmp(verbs[i].name, o.verb))
            return verbs[i].run(&o);
    return EXIT_USAGE;
}
