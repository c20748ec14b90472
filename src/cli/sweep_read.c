/* SPDX-License-Identifier: MIT */
/* Reads a grid from YAML (sweep_grid.h). Each key of the document, and of an axis, is a row of a table.
 *
 * It is a document of its own and not a configuration of vmsim: no presets, no overrides, and its values are texts
 * that become `--set` of each point. So libyaml is read here directly, and values that are lists or mappings are taken
 * as they stand in the file. As everywhere a mistake is told with its line and column, and reading goes on to find the
 * next. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "cli/sweep_grid.h"

#define FILE_MAX_BYTES (16u << 20)

struct reader {
    struct grid *g;
    yaml_document_t doc;
    bool failed;
};

/* Counters of a sweep that asks for none. */
static const char *const default_counters[] = {
    "vmstat.pgfault",    "vmstat.pgmajfault",   "vmstat.pswpin",  "vmstat.pswpout",     "vmstat.workingset_refault_*",
    "vmstat.oom_kill",   "vmstat.allocstall_*", "pressure.*",     "tasks.*.references", "tasks.*.user_ns",
    "tasks.*.system_ns", "tasks.*.blocked_ns",  "tasks.*.minflt", "tasks.*.majflt",     "cgroups.*.memory.peak"};

/* ---- nodes ---- */

__attribute__((format(printf, 3, 4))) static void say(struct reader *r, const yaml_node_t *n, const char *format, ...) {
    assert(r->g && n);
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cli_put(stderr, r->g->path, false);
    fprintf(stderr, ":%zu:%zu: error: ", n->start_mark.line + 1, n->start_mark.column + 1);
    cli_put(stderr, text, false);
    fputc('\n', stderr);
    r->failed = true;
}

/* Numbers of nodes are the document's, from 1 on; one that it gave itself is there. */
static yaml_node_t *node(struct reader *r, int id) {
    assert(id > 0);
    return yaml_document_get_node(&r->doc, id);
}

/* Of a scalar there are none, which saves asking what it is first. */
static size_t items(const yaml_node_t *n) {
    return n->type == YAML_SEQUENCE_NODE  ? (size_t)(n->data.sequence.items.top - n->data.sequence.items.start)
           : n->type == YAML_MAPPING_NODE ? (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start)
                                          : 0;
}

static yaml_node_t *item(struct reader *r, const yaml_node_t *n, size_t i) {
    assert(n->type == YAML_SEQUENCE_NODE && i < items(n));
    return node(r, n->data.sequence.items.start[i]);
}

static yaml_node_t *key_of(struct reader *r, const yaml_node_t *n, size_t i) {
    assert(n->type == YAML_MAPPING_NODE);
    return node(r, n->data.mapping.pairs.start[i].key);
}

static yaml_node_t *value_of(struct reader *r, const yaml_node_t *n, size_t i) {
    assert(n->type == YAML_MAPPING_NODE);
    return node(r, n->data.mapping.pairs.start[i].value);
}

/* Marks count characters. */
static const char *at_mark(const struct reader *r, const yaml_mark_t *mark) {
    assert(r->g->text);
    const char *at = r->g->text, *end = at + r->g->size;
    for (size_t n = mark->index; at < end && (n || (*at & 0xc0) == 0x80); at++)
        n -= (*at & 0xc0) != 0x80;
    return at;
}

/* A scalar's text; a collection's as it stands in the file, in flow style, as --set takes it. */
static const char *text_of(struct reader *r, const yaml_node_t *n) {
    if (n->type == YAML_SCALAR_NODE)
        return grid_text(r->g, (const char *)n->data.scalar.value, n->data.scalar.length);
    const bool flow = n->type == YAML_SEQUENCE_NODE ? n->data.sequence.style == YAML_FLOW_SEQUENCE_STYLE
                                                    : n->data.mapping.style == YAML_FLOW_MAPPING_STYLE;
    if (flow) {
        const char *from = at_mark(r, &n->start_mark);
        return grid_text(r->g, from, (size_t)(at_mark(r, &n->end_mark) - from));
    }
    say(r, n, "a list or mapping as a value stands in one line: [1, 2] or {a: 1}");
    return "";
}

/* The value of a key of a mapping, NULL: it has none. */
static yaml_node_t *find(struct reader *r, const yaml_node_t *n, const char *name) {
    assert(n->type == YAML_MAPPING_NODE);
    for (size_t i = 0; i < items(n); i++) {
        const yaml_node_t *key = key_of(r, n, i);
        if (key->type == YAML_SCALAR_NODE && !strcmp((const char *)key->data.scalar.value, name))
            return value_of(r, n, i);
    }
    return NULL;
}

static bool is_mapping(struct reader *r, const yaml_node_t *n, const char *what) {
    if (n->type != YAML_MAPPING_NODE)
        say(r, n, "%s is a mapping", what);
    return n->type == YAML_MAPPING_NODE;
}

static bool is_list(struct reader *r, const yaml_node_t *n, const char *what) {
    if (n->type != YAML_SEQUENCE_NODE)
        say(r, n, "%s is a list", what);
    else if (!items(n))
        say(r, n, "%s is empty", what);
    return n->type == YAML_SEQUENCE_NODE && items(n);
}

/* Every key stands in `known` (separated by blanks), none twice. */
static void check_keys(struct reader *r, const yaml_node_t *n, const char *known) {
    assert(n->type == YAML_MAPPING_NODE && (!known || *known == ' '));
    for (size_t i = 0; i < items(n); i++) {
        const yaml_node_t *key = key_of(r, n, i);
        const char *name = key->type == YAML_SCALAR_NODE ? (const char *)key->data.scalar.value : "?";
        char word[64];
        snprintf(word, sizeof word, " %.50s ", name);
        if (known && !strstr(known, word))
            say(r, key, "unknown key '%s'; there are:%.*s", name, (int)strlen(known) - 1, known);
        for (size_t k = 0; k < i; k++) {
            if (key->type == YAML_SCALAR_NODE && find(r, n, name) != value_of(r, n, i)) {
                say(r, key, "'%s' stands here twice", name);
                break;
            }
        }
    }
}

/* ---- axes ---- */

static const char *part(struct reader *r, const yaml_node_t *series, const char *name, bool needed) {
    const yaml_node_t *n = find(r, series, name);
    if (!n && needed)
        say(r, series, "`%s` is missing", name);
    return n ? text_of(r, n) : needed ? "" : NULL;
}

/* Thousandths: "2", "1.5". */
static uint64_t parse_factor(struct reader *r, const yaml_node_t *series, const char *text) {
    char *end;
    uint64_t n = strtoull(text, &end, 10), unit = 1000;
    n = n < 1000000 ? n * 1000 : 0;
    for (end += *end == '.'; *end >= '0' && *end <= '9' && unit > 1; end++)
        n += (uint64_t)(*end - '0') * (unit /= 10);
    if (*end || !n)
        say(r, series, "'%s' is not a factor, as 2 or 1.5", text);
    return n;
}

static const char **series_values(struct reader *r, const yaml_node_t *n, bool geometric, size_t *count) {
    if (!is_mapping(r, n, geometric ? "`geometric`" : "`range`"))
        return NULL;
    check_keys(r, n, geometric ? " from to factor " : " from to step ");
    const char *from = part(r, n, "from", true), *to = part(r, n, "to", true), *step = NULL, *why;
    uint64_t factor = 0, many;
    if (geometric)
        factor = parse_factor(r, n, part(r, n, "factor", true));
    else if (!(step = part(r, n, "step", false)))
        step = "1";
    if (r->failed)
        return NULL;
    const char **values = grid_series(r->g, from, to, step, factor, &many, &why);
    if (!values && many)
        say(r, n, "%" PRIu64 " values are too many", many);
    else if (!values)
        say(r, n, "%s", why);
    *count = values ? (size_t)many : 0;
    return values;
}

static const char **listed_values(struct reader *r, const yaml_node_t *n, size_t *count) {
    assert(n && count);
    if (!is_list(r, n, "`values`"))
        return NULL;
    *count = items(n);
    const char **values = grid_alloc(r->g, *count * sizeof *values);
    for (size_t i = 0; i < *count; i++)
        values[i] = text_of(r, item(r, n, i));
    return values;
}

/* The key and the values of an axis, or of one part of a zip. */
static const char **axis_values(struct reader *r, const yaml_node_t *n, const char **key, size_t *count) {
    const yaml_node_t *name = find(r, n, "key"), *list = find(r, n, "values"), *range = find(r, n, "range"),
                      *geometric = find(r, n, "geometric");
    *count = 0;
    if (!name || name->type != YAML_SCALAR_NODE || !name->data.scalar.length)
        say(r, n, "an axis needs a `key`, as --set takes it, or a `zip` of several");
    else if (!list + !range + !geometric != 2)
        say(r, n, "an axis needs one of `values`, `range` and `geometric`");
    if (r->failed)
        return NULL;
    *key = text_of(r, name);
    return list ? listed_values(r, list, count) : series_values(r, range ? range : geometric, !range, count);
}

static void one_key(struct reader *r, const yaml_node_t *n, struct grid_axis *a) {
    const char *key, **values;
    check_keys(r, n, " name key values range geometric ");
    values = axis_values(r, n, &key, &a->count);
    if (!values)
        return;
    a->name = key;
    a->settings = 1;
    a->entries = grid_alloc(r->g, a->count * sizeof *a->entries);
    struct grid_setting *settings = grid_alloc(r->g, a->count * sizeof *settings);
    for (size_t i = 0; i < a->count; i++) {
        settings[i] = (struct grid_setting){key, values[i]};
        a->entries[i] = (struct grid_entry){values[i], &settings[i]};
    }
}

static void label_entries(struct reader *r, struct grid_axis *a) {
    assert(a->entries || !a->count);
    for (size_t i = 0; i < a->count; i++) {
        size_t size = 1;
        for (size_t k = 0; k < a->settings; k++)
            size += strlen(a->entries[i].settings[k].value) + 1;
        char *label = grid_alloc(r->g, size), *at = label;
        for (size_t k = 0; k < a->settings; k++)
            at = stpcpy(stpcpy(at, k ? "/" : ""), a->entries[i].settings[k].value);
        a->entries[i].label = label;
    }
}

static void zip_keys(struct reader *r, const yaml_node_t *n, const yaml_node_t *zip, struct grid_axis *a) {
    check_keys(r, n, " name zip ");
    if (!is_list(r, zip, "`zip`"))
        return;
    a->settings = items(zip);
    for (size_t k = 0; k < a->settings; k++) {
        const yaml_node_t *part_node = item(r, zip, k);
        const char *key, **values;
        size_t count;
        if (!is_mapping(r, part_node, "a part of `zip`"))
            return;
        check_keys(r, part_node, " key values range geometric ");
        values = axis_values(r, part_node, &key, &count);
        if (!values)
            return;
        if (!k) {
            a->name = key;
            a->count = count;
            a->entries = grid_alloc(r->g, count * sizeof *a->entries);
            for (size_t i = 0; i < count; i++)
                a->entries[i].settings = grid_alloc(r->g, a->settings * sizeof *a->entries[i].settings);
        } else if (count != a->count) {
            say(r, part_node, "%zu values beside %zu: what is zipped goes together one by one", count, a->count);
            return;
        }
        for (size_t i = 0; i < count; i++)
            a->entries[i].settings[k] = (struct grid_setting){key, values[i]};
    }
    label_entries(r, a);
}

static void take_axes(struct reader *r, const yaml_node_t *n) {
    if (!is_list(r, n, "`axes`"))
        return;
    if (items(n) >= GRID_AXES_MAX) {
        say(r, n, "%zu axes; at most %u are taken", items(n), GRID_AXES_MAX - 1);
        return;
    }
    for (size_t i = 0; i < items(n); i++) {
        const yaml_node_t *axis = item(r, n, i);
        struct grid_axis *a = &r->g->axes[r->g->axis_count++];
        assert(r->g->axis_count <= GRID_AXES_MAX);
        if (!is_mapping(r, axis, "an axis"))
            continue;
        const yaml_node_t *zip = find(r, axis, "zip"), *name = find(r, axis, "name");
        a->line = (int)axis->start_mark.line + 1;
        a->column = (int)axis->start_mark.column + 1;
        if (zip)
            zip_keys(r, axis, zip, a);
        else
            one_key(r, axis, a);
        a->name = name ? text_of(r, name) : a->name;
        for (size_t k = 0; k < i && a->name; k++) {
            if (r->g->axes[k].name && !strcmp(r->g->axes[k].name, a->name))
                say(r, axis, "two axes are called '%s'", a->name);
        }
    }
}

/* ---- the other keys ---- */

/* A file's place is told from the grid's. */
static void take_base(struct reader *r, const yaml_node_t *n) {
    const char *slash = strrchr(r->g->path, '/');
    const size_t folder = slash ? (size_t)(slash - r->g->path) + 1 : 0;
    if (n->type != YAML_SCALAR_NODE && !is_list(r, n, "`base`"))
        return;
    for (size_t i = 0; i < (n->type == YAML_SCALAR_NODE ? 1 : items(n)); i++) {
        const char *file = text_of(r, n->type == YAML_SCALAR_NODE ? n : item(r, n, i));
        const size_t kept = *file == '/' ? 0 : folder;
        char *path = grid_alloc(r->g, kept + strlen(file) + 1);
        memcpy(path, r->g->path, kept);
        strcpy(path + kept, file);
        if (!cli_push(&r->g->in.files, &r->g->in.file_count, path))
            say(r, n, "%s", strerror(ENOMEM));
    }
}

static void take_set(struct reader *r, const yaml_node_t *n) {
    if (!is_mapping(r, n, "`set`"))
        return;
    check_keys(r, n, NULL);
    for (size_t i = 0; i < items(n); i++) {
        const char *key = text_of(r, key_of(r, n, i)), *value = text_of(r, value_of(r, n, i));
        char *set = grid_alloc(r->g, strlen(key) + strlen(value) + 2);
        stpcpy(stpcpy(stpcpy(set, key), "="), value);
        if (!cli_push(&r->g->in.sets, &r->g->in.set_count, set))
            say(r, n, "%s", strerror(ENOMEM));
    }
}

static void take_seeds(struct reader *r, const yaml_node_t *n) {
    assert(!r->failed && r->g->axis_count < GRID_AXES_MAX); /* take_axes() left one */
    struct grid_axis *a = &r->g->axes[r->g->axis_count++];
    const char **values = NULL, *why;
    uint64_t many = 0;
    if (n->type == YAML_SCALAR_NODE) {
        values = grid_series(r->g, "1", text_of(r, n), "1", 0, &many, &why);
        if (!values)
            say(r, n, "`seeds` is how often each point is repeated, from 1 on, or a list of seeds");
    } else if (is_list(r, n, "`seeds`")) {
        size_t count = 0;
        values = listed_values(r, n, &count);
        many = count;
    }
    if (!values)
        return;
    *a = (struct grid_axis){.name = "seed", .count = (size_t)many, .settings = 1};
    a->line = (int)n->start_mark.line + 1;
    a->column = (int)n->start_mark.column + 1;
    a->entries = grid_alloc(r->g, a->count * sizeof *a->entries);
    for (size_t i = 0; i < a->count; i++) {
        struct grid_setting *s = grid_alloc(r->g, sizeof *s);
        *s = (struct grid_setting){"workload.seed", values[i]};
        a->entries[i] = (struct grid_entry){values[i], s};
    }
}

static bool is_axis(const struct grid *g, const char *name) {
    for (size_t a = 0; a < g->axis_count; a++) {
        if (!strcmp(g->axes[a].name, name))
            return true;
        for (size_t k = 0; k < g->axes[a].settings; k++) {
            if (!strcmp(g->axes[a].entries[0].settings[k].key, name))
                return true;
        }
    }
    return false;
}

static void take_exclusion(struct reader *r, const yaml_node_t *n, struct grid_exclusion *x) {
    size_t room = 0;
    if (!is_mapping(r, n, "an exclusion"))
        return;
    check_keys(r, n, NULL);
    for (size_t i = 0; i < items(n); i++)
        room += 1 + items(value_of(r, n, i));
    x->pairs = grid_alloc(r->g, room * sizeof *x->pairs);
    for (size_t i = 0; i < items(n); i++) {
        const char *key = text_of(r, key_of(r, n, i));
        const yaml_node_t *value = value_of(r, n, i);
        const bool list = value->type == YAML_SEQUENCE_NODE;
        if (!is_axis(r->g, key))
            say(r, key_of(r, n, i), "'%s' is no axis: name or key of one", key);
        for (size_t k = 0; k < (list ? items(value) : 1); k++)
            x->pairs[x->count++] = (struct grid_setting){key, text_of(r, list ? item(r, value, k) : value)};
    }
}

static void take_exclusions(struct reader *r, const yaml_node_t *n) {
    assert(!r->failed && !r->g->exclusions);
    if (!is_list(r, n, "`exclude`"))
        return;
    r->g->exclusions = grid_alloc(r->g, items(n) * sizeof *r->g->exclusions);
    r->g->exclusion_count = items(n);
    for (size_t i = 0; i < items(n); i++)
        take_exclusion(r, item(r, n, i), &r->g->exclusions[i]);
}

static void take_counters(struct reader *r, const yaml_node_t *n) {
    assert(!r->g->counters);
    const size_t defaults = sizeof default_counters / sizeof *default_counters;
    if (n && !is_list(r, n, "`counters`"))
        return;
    r->g->counter_count = n ? items(n) : defaults;
    r->g->counters = grid_alloc(r->g, r->g->counter_count * sizeof *r->g->counters);
    for (size_t i = 0; i < r->g->counter_count; i++)
        r->g->counters[i] = n ? text_of(r, item(r, n, i)) : default_counters[i];
}

static void count_points(struct reader *r, const yaml_node_t *root) {
    assert(r->g->axis_count <= GRID_AXES_MAX);
    unsigned __int128 all = 1;
    for (size_t a = 0; a < r->g->axis_count && all <= UINT64_MAX; a++)
        all *= r->g->axes[a].count;
    r->g->points = all > UINT64_MAX ? UINT64_MAX : (uint64_t)all;
    if (r->g->points > GRID_POINTS_MAX)
        say(r, root, "the grid has %s%" PRIu64 " points; at most %" PRIu64 " are taken: several grids, or fewer values",
            all > UINT64_MAX ? "more than " : "", r->g->points, GRID_POINTS_MAX);
}

static void take_root(struct reader *r) {
    yaml_node_t *root = yaml_document_get_root_node(&r->doc);
    static const yaml_node_t nothing = {.type = YAML_NO_NODE};
    if (!root || !is_mapping(r, root, "a grid")) {
        if (!root)
            say(r, &nothing, "the file is empty");
        return;
    }
    if (find(r, root, "machine") || find(r, root, "workload")) {
        say(r, root, "this is a scenario, not a grid: a grid names it as `base: %s`, and has `axes:`", r->g->path);
        return;
    }
    check_keys(r, root, " base set axes seeds exclude counters ");
    const yaml_node_t *axes = find(r, root, "axes"), *base = find(r, root, "base"), *set = find(r, root, "set"),
                      *seeds = find(r, root, "seeds"), *exclude = find(r, root, "exclude");
    if (!axes || !base)
        say(r, root, "a grid needs `%s`", base ? "axes" : "base");
    if (axes)
        take_axes(r, axes);
    if (base)
        take_base(r, base);
    if (set)
        take_set(r, set);
    if (seeds && !r->failed)
        take_seeds(r, seeds);
    if (exclude && !r->failed)
        take_exclusions(r, exclude);
    take_counters(r, find(r, root, "counters"));
    if (!r->failed)
        count_points(r, root);
}

/* ---- the file ---- */

static int load_text(struct grid *g) {
    assert(!g->text);
    FILE *f = fopen(g->path, "rb");
    int status = EXIT_FINE;
    if (f) {
        g->text = malloc(FILE_MAX_BYTES + 1);
        g->size = g->text ? fread(g->text, 1, FILE_MAX_BYTES + 1, f) : 0;
    }
    if (!f || ferror(f) || !g->text)
        status = cli_fail(EXIT_USAGE, NULL, "%s: %s", g->path, strerror(errno));
    else if (g->size > FILE_MAX_BYTES)
        status = cli_fail(EXIT_USAGE, NULL, "%s: longer than 16 MiB", g->path);
    if (f)
        fclose(f);
    return status;
}

int grid_read(struct grid *g, const char *path) {
    struct reader r = {.g = g};
    yaml_parser_t parser;
    *g = (struct grid){.path = path};
    int status = load_text(g);
    if (status)
        return status;
    if (!yaml_parser_initialize(&parser))
        return cli_fail(EXIT_INTERNAL, NULL, "%s", strerror(ENOMEM));
    yaml_parser_set_input_string(&parser, (const unsigned char *)g->text, g->size);
    if (yaml_parser_load(&parser, &r.doc)) {
        take_root(&r);
        yaml_document_delete(&r.doc);
    } else {
        fprintf(stderr, "%s:%zu:%zu: error: %s\n", path, parser.problem_mark.line + 1, parser.problem_mark.column + 1,
                parser.problem ? parser.problem : "not YAML");
        r.failed = true;
    }
    yaml_parser_delete(&parser);
    return r.failed ? EXIT_USAGE : EXIT_FINE;
}
