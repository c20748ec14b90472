/* SPDX-License-Identifier: MIT */
/* The scorer: lines of producers (README.md) -> one table on standard output, docs/fidelity.md, docs/fidelity.json.
 *
 *     fidelity [--markdown FILE] [--json FILE] [--check COMMITTED.json] [--keep COMMITTED.json] [--strict]
 *              PRODUCER.tsv...
 *
 * Facts are sorted by row (producer, area, kernel, shape, workload) and counted. Exit status: 0, 1 when --check found a
 * row that got worse or --strict a fact outside, 2 for lines that are none, 77 when --strict has nothing to compare. A
 * producer that says SKIPPED keeps its committed rows out of --check; with --keep they stay in what is written. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum verdict { EXACT, INSIDE, OUTSIDE, NOT_MODELLED, VERDICTS };
static const char *const verdict_names[] = {"exact", "inside", "outside", "not_modelled"};

enum column { AREA, KERNEL, SHAPE, PHASE, FACT, EXPECTED, LOW, HIGH, GOT, CLASS, NOTE, COLUMNS };

struct fact {
    const char *producer, *column[COLUMNS];
    enum verdict verdict;
    double error; /* OUTSIDE: how far off, as a part of what is expected */
};

/* Facts of one (producer, area, kernel, shape, workload), or of fewer of these keys. */
struct row {
    const char *producer, *area, *kernel, *shape;
    char workload[128];
    uint64_t count[VERDICTS];
    const struct fact *worst;
};

struct score {
    struct fact *facts;
    size_t nr_facts;
    struct row *rows;
    size_t nr_rows;
    const char *skipped[64], *reason[64]; /* producers */
    size_t nr_skipped;
    char *texts[2 * 64]; /* all that the strings above point into */
    size_t nr_texts;
    json_t *kept; /* the committed table, of which rows are kept */
};

static void *must(void *p) {
    if (!p) {
        fputs("fidelity: no memory\n", stderr);
        exit(2);
    }
    return p;
}

static void bad(const char *file, size_t line, const char *what) {
    fprintf(stderr, "%s:%zu: %s\n", file, line, what);
    exit(2);
}

/* ---- reading ---- */

static char *read_all(const char *path) {
    FILE *f = fopen(path, "r");
    size_t size = 0, capacity = 1 << 20;
    char *text = must(malloc(capacity));
    if (!f) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    for (size_t n; (n = fread(text + size, 1, capacity - size - 1, f)) > 0;) {
        size += n;
        if (capacity - size < 2)
            text = must(realloc(text, capacity *= 2));
    }
    text[size] = '\0';
    fclose(f);
    return text;
}

/* "/x/boots.tsv" -> "boots". */
static char *producer_of(const char *path) {
    const char *slash = strrchr(path, '/');
    char *name = must(strdup(slash ? slash + 1 : path)), *dot = strrchr(name, '.');
    if (dot)
        *dot = '\0';
    return name;
}

static bool number(const char *text, double *value) {
    char *end;
    *value = strtod(text, &end);
    return end != text && (!*end || *end == ' ');
}

static void judge(struct fact *f, const char *file, size_t line) {
    const char *const *c = f->column;
    double expected, low, high, got;
    bool numbers = number(c[EXPECTED], &expected) && number(c[GOT], &got);
    if (!strcmp(c[CLASS], "not-modelled")) {
        if (!*c[NOTE])
            bad(file, line, "not-modelled without a reason");
        f->verdict = NOT_MODELLED;
        return;
    }
    if (strcmp(c[CLASS], "exact") && strcmp(c[CLASS], "range"))
        bad(file, line, "the class is none of exact, range, not-modelled");
    f->verdict = strcmp(c[EXPECTED], c[GOT]) ? OUTSIDE : EXACT;
    if (f->verdict == OUTSIDE && !strcmp(c[CLASS], "range")) {
        low = number(c[LOW], &low) ? low : expected;
        high = number(c[HIGH], &high) ? high : expected;
        f->verdict = numbers && got >= low && got <= high ? INSIDE : OUTSIDE;
    }
    if (f->verdict == OUTSIDE && numbers) {
        double off = got > expected ? got - expected : expected - got, of = expected < 0 ? -expected : expected;
        f->error = off / (of > 1 ? of : 1);
    } else if (f->verdict == OUTSIDE) {
        f->error = 1;
    }
}

static void read_line(struct score *s, char *line, const char *producer, const char *file, size_t number_of_line) {
    struct fact f = {.producer = producer};
    unsigned n = 0;
    for (char *field = line; field && n < COLUMNS;)
        f.column[n++] = strsep(&field, "\t");
    if (n < NOTE)
        bad(file, number_of_line, "fewer than ten columns");
    if (n == NOTE)
        f.column[NOTE] = "";
    judge(&f, file, number_of_line);
    if (!(s->nr_facts & (s->nr_facts - 1)))
        s->facts = must(realloc(s->facts, (s->nr_facts ? 2 * s->nr_facts : 1) * sizeof f));
    s->facts[s->nr_facts++] = f;
}

static void read_producer(struct score *s, const char *path) {
    char *producer = producer_of(path), *rest = read_all(path);
    if (s->nr_texts + 2 > sizeof s->texts / sizeof s->texts[0])
        bad(path, 1, "too many producers");
    s->texts[s->nr_texts++] = producer;
    s->texts[s->nr_texts++] = rest;
    for (size_t n = 1; rest && *rest; n++) {
        char *line = strsep(&rest, "\n");
        if (!strncmp(line, "SKIPPED\t", 8) && s->nr_skipped < 64) {
            s->skipped[s->nr_skipped] = producer;
            s->reason[s->nr_skipped++] = line + 8;
        } else if (*line && *line != '#') {
            read_line(s, line, producer, path, n);
        }
    }
}

/* ---- counting ---- */

static size_t workload_length(const char *phase) {
    return strcspn(phase, "/");
}

static int compare_workloads(const char *a, const char *b) {
    size_t m = workload_length(a), n = workload_length(b);
    int by = strncmp(a, b, m < n ? m : n);
    return by ? by : (m > n) - (m < n);
}

static int compare_facts(const void *x, const void *y) {
    const struct fact *a = x, *b = y;
    int by = strcmp(a->column[AREA], b->column[AREA]);
    by = by ? by : strcmp(a->column[KERNEL], b->column[KERNEL]);
    by = by ? by : strcmp(a->column[SHAPE], b->column[SHAPE]);
    by = by ? by : compare_workloads(a->column[PHASE], b->column[PHASE]);
    by = by ? by : strcmp(a->producer, b->producer);
    by = by ? by : strcmp(a->column[PHASE], b->column[PHASE]);
    return by ? by : strcmp(a->column[FACT], b->column[FACT]);
}

static bool same_row(const struct row *r, const struct fact *f) {
    return !strcmp(r->area, f->column[AREA]) && !strcmp(r->kernel, f->column[KERNEL]) &&
           !strcmp(r->shape, f->column[SHAPE]) && !compare_workloads(r->workload, f->column[PHASE]) &&
           !strcmp(r->producer, f->producer);
}

static void count(struct row *r, const struct fact *f) {
    r->count[f->verdict]++;
    if (f->verdict == OUTSIDE && (!r->worst || f->error > r->worst->error))
        r->worst = f;
}

static void make_rows(struct score *s) {
    if (s->nr_facts)
        qsort(s->facts, s->nr_facts, sizeof *s->facts, compare_facts);
    s->rows = must(calloc(s->nr_facts + 1, sizeof *s->rows));
    for (size_t i = 0; i < s->nr_facts; i++) {
        const struct fact *f = &s->facts[i];
        struct row *r = s->nr_rows ? &s->rows[s->nr_rows - 1] : NULL;
        if (!r || !same_row(r, f)) {
            r = &s->rows[s->nr_rows++];
            *r = (struct row){.producer = f->producer,
                              .area = f->column[AREA],
                              .kernel = f->column[KERNEL],
                              .shape = f->column[SHAPE]};
            snprintf(r->workload, sizeof r->workload, "%.*s", (int)workload_length(f->column[PHASE]), f->column[PHASE]);
        }
        count(r, f);
    }
}

static uint64_t compared(const struct row *r) {
    return r->count[EXACT] + r->count[INSIDE] + r->count[OUTSIDE];
}

static void add_row(struct row *to, const struct row *r) {
    for (int v = 0; v < VERDICTS; v++)
        to->count[v] += r->count[v];
}

/* Rows added up over what is not in `by_shape` ? (kernel, shape) : (area, kernel). The result ends with `*count`. */
static struct row *sums(const struct score *s, bool by_shape, size_t *nr) {
    struct row *out = must(calloc(s->nr_rows + 1, sizeof *out));
    *nr = 0;
    for (size_t i = 0; i < s->nr_rows; i++) {
        const struct row *r = &s->rows[i];
        const char *second = by_shape ? r->shape : r->area;
        size_t k = 0;
        while (k < *nr && (strcmp(out[k].kernel, r->kernel) || strcmp(by_shape ? out[k].shape : out[k].area, second)))
            k++;
        if (k == *nr)
            out[(*nr)++] =
                (struct row){.area = r->area, .kernel = r->kernel, .shape = r->shape, .producer = r->producer};
        add_row(&out[k], r);
    }
    return out;
}

static int compare_worst(const void *x, const void *y) {
    const struct row *a = *(const struct row *const *)x, *b = *(const struct row *const *)y;
    double p = (double)a->count[OUTSIDE] / (double)compared(a), q = (double)b->count[OUTSIDE] / (double)compared(b);
    if (p != q)
        return p < q ? 1 : -1;
    if (a->worst->error != b->worst->error)
        return a->worst->error < b->worst->error ? 1 : -1;
    return (a > b) - (a < b);
}

/* Rows with facts outside, worst first. */
static const struct row **worst_rows(const struct score *s, size_t *nr) {
    const struct row **list = must(calloc(s->nr_rows + 1, sizeof *list));
    *nr = 0;
    for (size_t i = 0; i < s->nr_rows; i++) {
        if (s->rows[i].count[OUTSIDE])
            list[(*nr)++] = &s->rows[i];
    }
    if (*nr)
        qsort(list, *nr, sizeof *list, compare_worst);
    return list;
}

/* ---- writing ---- */

static void percent(char *text, size_t size, const struct row *r) {
    uint64_t all = compared(r), right = r->count[EXACT] + r->count[INSIDE];
    if (!all)
        snprintf(text, size, "-");
    else /* never rounded up to 100 */
        snprintf(text, size, "%" PRIu64 ".%02" PRIu64, right * 100 / all, right * 10000 / all % 100);
}

static void table_line(FILE *out, const char *format, const char *first, const char *second, const struct row *r) {
    char right[32];
    percent(right, sizeof right, r);
    fprintf(out, format, first, second, compared(r), r->count[EXACT], r->count[INSIDE], r->count[OUTSIDE],
            r->count[NOT_MODELLED], right);
}

#define PLAIN_LINE "%-20s %-8s %9" PRIu64 " %9" PRIu64 " %8" PRIu64 " %8" PRIu64 " %13" PRIu64 " %8s\n"
#define MARKDOWN_LINE "| %s | %s | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %" PRIu64 " | %s |\n"
#define MARKDOWN_HEAD                                                                                                  \
    "| %s | %s | compared | exact | inside | outside | not modelled | right %% |\n|---|---|--:|--:|--:|--:|--:|--:|\n"

static struct row total(const struct score *s) {
    struct row all = {0};
    for (size_t i = 0; i < s->nr_rows; i++)
        add_row(&all, &s->rows[i]);
    return all;
}

/* Cells of other people's words. */
static void cell(FILE *out, const char *text) {
    for (size_t n = 0; *text && n < 160; text++, n++)
        fputs(*text == '|' ? "\\|" : (char[]){*text, 0}, out);
}

static void print_plain(const struct score *s) {
    size_t nr, nr_worst;
    struct row *areas = sums(s, false, &nr), all = total(s);
    const struct row **worst = worst_rows(s, &nr_worst);
    printf("%-20s %-8s %9s %9s %8s %8s %13s %8s\n", "area", "kernel", "compared", "exact", "inside", "outside",
           "not modelled", "right %");
    for (size_t i = 0; i < nr; i++)
        table_line(stdout, PLAIN_LINE, areas[i].area, areas[i].kernel, &areas[i]);
    table_line(stdout, PLAIN_LINE, "all", "", &all);
    if (nr_worst)
        printf("\nRows with facts outside, worst first (%zu in all):\n", nr_worst);
    for (size_t i = 0; i < nr_worst && i < 20; i++)
        printf("  %s %s %s %s: %" PRIu64 " of %" PRIu64 ", at worst %s %s: %s, should be %s\n", worst[i]->area,
               worst[i]->kernel, worst[i]->shape, worst[i]->workload, worst[i]->count[OUTSIDE], compared(worst[i]),
               worst[i]->worst->column[PHASE], worst[i]->worst->column[FACT], worst[i]->worst->column[GOT],
               worst[i]->worst->column[EXPECTED]);
    for (size_t i = 0; i < s->nr_skipped; i++)
        printf("SKIPPED\t%s: %s\n", s->skipped[i], s->reason[i]);
    free(areas);
    free(worst);
}

static void markdown_worst(FILE *out, const struct score *s) {
    size_t nr;
    const struct row **worst = worst_rows(s, &nr);
    fprintf(out,
            "\nReal programs, one by one: [programs.md](programs.md).\n\n## Rows with facts outside, worst first\n\n");
    if (!nr)
        fprintf(out, "None.\n");
    else
        fprintf(out,
                "| area | kernel | shape | workload | outside | compared | worst phase | fact | kernel says | vmsim "
                "says |\n|---|---|---|---|--:|--:|---|---|--:|--:|\n");
    for (size_t i = 0; i < nr; i++) {
        const struct fact *f = worst[i]->worst;
        fprintf(out, "| %s | %s | %s | %s | %" PRIu64 " | %" PRIu64 " | ", worst[i]->area, worst[i]->kernel,
                worst[i]->shape, worst[i]->workload, worst[i]->count[OUTSIDE], compared(worst[i]));
        cell(out, f->column[PHASE]);
        fputs(" | ", out);
        cell(out, f->column[FACT]);
        fputs(" | ", out);
        cell(out, f->column[EXPECTED]);
        fputs(" | ", out);
        cell(out, f->column[GOT]);
        fputs(" |\n", out);
    }
    free(worst);
}

/* One (area, reason) with its number of facts. */
struct cause {
    const char *area, *reason;
    uint64_t facts;
};

static struct cause *causes(const struct score *s, size_t *nr) {
    struct cause *list = NULL;
    *nr = 0;
    for (size_t i = 0; i < s->nr_facts; i++) {
        const struct fact *f = &s->facts[i];
        size_t k = 0;
        if (f->verdict != NOT_MODELLED)
            continue;
        while (k < *nr && (strcmp(list[k].area, f->column[AREA]) || strcmp(list[k].reason, f->column[NOTE])))
            k++;
        if (k == *nr) {
            list = must(realloc(list, (*nr + 1) * sizeof *list));
            list[(*nr)++] = (struct cause){f->column[AREA], f->column[NOTE], 0};
        }
        list[k].facts++;
    }
    return list;
}

static void markdown_causes(FILE *out, const struct score *s) {
    size_t nr;
    struct cause *list = causes(s, &nr);
    fprintf(out, "\n## Not modelled, and why\n\n| area | facts | reason |\n|---|--:|---|\n");
    for (size_t i = 0; i < nr; i++) {
        fprintf(out, "| %s | %" PRIu64 " | ", list[i].area, list[i].facts);
        cell(out, list[i].reason);
        fputs(" |\n", out);
    }
    free(list);
}

static void write_markdown(const struct score *s, const char *path) {
    size_t nr;
    FILE *out = must(fopen(path, "w"));
    struct row *rows = sums(s, false, &nr), all = total(s);
    fprintf(out, "# Fidelity: vmsim against real kernels\n\n"
                 "Made by `tools/fidelity`; how, and what the columns mean: `tests/conformance/README.md`. Every fact "
                 "that the\ncaptures hold is counted: compared exactly or within the range in which two runs of the "
                 "real kernel differ, or not\nmodelled, with the reason below. Recorded programs, and their simulated "
                 "times beside native ones:\n[programs.md](programs.md#time).\n\n## By area and kernel\n\n");
    fprintf(out, MARKDOWN_HEAD, "area", "kernel");
    for (size_t i = 0; i < nr; i++)
        table_line(out, MARKDOWN_LINE, rows[i].area, rows[i].kernel, &rows[i]);
    table_line(out, MARKDOWN_LINE, "all", "", &all);
    free(rows);
    markdown_worst(out, s);
    rows = sums(s, true, &nr);
    fprintf(out, "\n## By kernel and shape\n\n");
    fprintf(out, MARKDOWN_HEAD, "shape", "kernel");
    for (size_t i = 0; i < nr; i++)
        table_line(out, MARKDOWN_LINE, rows[i].shape, rows[i].kernel, &rows[i]);
    free(rows);
    markdown_causes(out, s);
    if (fclose(out)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
}

static json_t *json_of(const struct row *r) {
    json_t *o = must(json_pack("{s:s, s:s, s:s, s:s, s:s}", "producer", r->producer, "area", r->area, "kernel",
                               r->kernel, "shape", r->shape, "workload", r->workload));
    for (int v = 0; v < VERDICTS; v++)
        json_object_set_new(o, verdict_names[v], json_integer((json_int_t)r->count[v]));
    if (r->worst) {
        const char *const *c = r->worst->column;
        json_object_set_new(o, "worst",
                            must(json_pack("{s:s, s:s, s:s, s:s}", "phase", c[PHASE], "fact", c[FACT], "expected",
                                           c[EXPECTED], "got", c[GOT])));
    }
    return o;
}

/* One row a line, so that a change of one is a change of one line. */
static void write_json(const struct score *s, const char *path) {
    FILE *out = must(fopen(path, "w"));
    fputs("{\"rows\": [\n", out);
    for (size_t i = 0; i < s->nr_rows; i++) {
        json_t *o = json_of(&s->rows[i]);
        char *text = must(json_dumps(o, JSON_PRESERVE_ORDER));
        fprintf(out, "%s%s\n", text, i + 1 < s->nr_rows ? "," : "");
        free(text);
        json_decref(o);
    }
    fputs("]}\n", out);
    if (fclose(out)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
}

/* ---- against the committed table ---- */

#define HOST_SLACK 8 /* a host's row may lose one fact in so many */

static const char *text_in(const json_t *o, const char *key) {
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static const struct row *find_row(const struct score *s, const json_t *o) {
    for (size_t i = 0; i < s->nr_rows; i++) {
        const struct row *r = &s->rows[i];
        if (!strcmp(r->producer, text_in(o, "producer")) && !strcmp(r->area, text_in(o, "area")) &&
            !strcmp(r->kernel, text_in(o, "kernel")) && !strcmp(r->shape, text_in(o, "shape")) &&
            !strcmp(r->workload, text_in(o, "workload")))
            return r;
    }
    return NULL;
}

static bool is_skipped(const struct score *s, const char *producer) {
    for (size_t i = 0; i < s->nr_skipped; i++) {
        if (!strcmp(s->skipped[i], producer))
            return true;
    }
    return false;
}

static uint64_t number_in(const json_t *o, enum verdict v) {
    return (uint64_t)json_integer_value(json_object_get(o, verdict_names[v]));
}

/* Rows measured beside the run instead of captured: another host, another moment, another number or program. */
static bool host_got_worse(const struct row *r, uint64_t right, uint64_t all) {
    uint64_t now = r->count[EXACT] + r->count[INSIDE];
    return compared(r) == all && now + all / HOST_SLACK < right;
}

static bool got_worse(const struct score *s, const json_t *o) {
    const struct row *r = find_row(s, o);
    bool host = !strcmp(text_in(o, "kernel"), "host");
    uint64_t exact = number_in(o, EXACT), right = exact + number_in(o, INSIDE), outside = number_in(o, OUTSIDE);
    if (is_skipped(s, text_in(o, "producer")) || (host && (!r || !host_got_worse(r, right, right + outside))))
        return false;
    bool worse =
        !r || r->count[EXACT] < exact || r->count[EXACT] + r->count[INSIDE] < right || r->count[OUTSIDE] > outside;
    if (!worse)
        return false;
    printf("WORSE %s %s %s %s: ", text_in(o, "area"), text_in(o, "kernel"), text_in(o, "shape"),
           text_in(o, "workload"));
    if (!r) {
        printf("the row is gone\n");
        return true;
    }
    printf("exact %" PRIu64 " -> %" PRIu64 ", inside %" PRIu64 " -> %" PRIu64 ", outside %" PRIu64 " -> %" PRIu64,
           exact, r->count[EXACT], right - exact, r->count[INSIDE], outside, r->count[OUTSIDE]);
    if (r->worst)
        printf("; %s %s: %s, should be %s", r->worst->column[PHASE], r->worst->column[FACT], r->worst->column[GOT],
               r->worst->column[EXPECTED]);
    printf("\n");
    return true;
}

/* The row of the committed table as it stands there. Its texts belong to `o`. */
static struct row row_of(const json_t *o) {
    struct row r = {.producer = text_in(o, "producer"),
                    .area = text_in(o, "area"),
                    .kernel = text_in(o, "kernel"),
                    .shape = text_in(o, "shape")};
    const json_t *worst = json_object_get(o, "worst");
    snprintf(r.workload, sizeof r.workload, "%s", text_in(o, "workload"));
    for (int v = 0; v < VERDICTS; v++)
        r.count[v] = number_in(o, (enum verdict)v);
    if (worst) {
        struct fact *f = must(calloc(1, sizeof *f));
        f->column[PHASE] = text_in(worst, "phase");
        f->column[FACT] = text_in(worst, "fact");
        f->column[EXPECTED] = text_in(worst, "expected");
        f->column[GOT] = text_in(worst, "got");
        r.worst = f;
    }
    return r;
}

static int compare_rows(const void *x, const void *y) {
    const struct row *a = x, *b = y;
    int by = strcmp(a->area, b->area);
    by = by ? by : strcmp(a->kernel, b->kernel);
    by = by ? by : strcmp(a->shape, b->shape);
    return by ? by : strcmp(a->workload, b->workload);
}

/* Rows of producers that did not run stay as they were committed. */
static void keep_rows(struct score *s, const char *path) {
    json_error_t error;
    s->kept = json_load_file(path, 0, &error);
    const json_t *rows = json_object_get(s->kept, "rows");
    s->rows = must(realloc(s->rows, (s->nr_rows + json_array_size(rows) + 1) * sizeof *s->rows));
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *o = json_array_get(rows, i);
        if (is_skipped(s, text_in(o, "producer")))
            s->rows[s->nr_rows++] = row_of(o);
    }
    if (s->nr_rows)
        qsort(s->rows, s->nr_rows, sizeof *s->rows, compare_rows);
}

static void forget_kept(struct score *s) {
    for (size_t i = 0; i < s->nr_rows; i++) {
        if (is_skipped(s, s->rows[i].producer))
            free((struct fact *)s->rows[i].worst);
    }
    json_decref(s->kept);
}

static int check(const struct score *s, const char *path) {
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error), *rows = json_object_get(root, "rows");
    if (!json_is_array(rows)) {
        fprintf(stderr, "%s: %s\n", path, root ? "no rows" : error.text);
        return 2;
    }
    size_t worse = 0;
    for (size_t i = 0; i < json_array_size(rows); i++)
        worse += got_worse(s, json_array_get(rows, i));
    printf("%zu of %zu committed rows got worse\n", worse, json_array_size(rows));
    json_decref(root);
    return worse != 0;
}

int main(int argc, char **argv) {
    struct score s = {0};
    const char *markdown = NULL, *json = NULL, *committed = NULL, *keep = NULL;
    bool strict = false;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--strict")) {
            strict = true;
            continue;
        }
        const char **option = !strcmp(argv[i], "--markdown") ? &markdown
                              : !strcmp(argv[i], "--json")   ? &json
                              : !strcmp(argv[i], "--check")  ? &committed
                              : !strcmp(argv[i], "--keep")   ? &keep
                                                             : NULL;
        if (option && i + 1 < argc)
            *option = argv[++i];
        else
            read_producer(&s, argv[i]);
    }
    make_rows(&s);
    if (keep)
        keep_rows(&s, keep);
    print_plain(&s);
    if (markdown)
        write_markdown(&s, markdown);
    if (json)
        write_json(&s, json);
    int status = committed ? check(&s, committed) : 0;
    struct row all = total(&s);
    if (strict)
        status = !compared(&all) ? 77 : all.count[OUTSIDE] ? 1 : status;
    forget_kept(&s);
    for (size_t i = 0; i < s.nr_texts; i++)
        free(s.texts[i]);
    free(s.facts);
    free(s.rows);
    return status;
}
