/* SPDX-License-Identifier: MIT */
/* What the subcommands share: loading configurations and saying what is wrong.
 *
 * Results go to standard output, everything else to standard error, with the command's name before it. Names that come
 * from files or the command line are printed with their control characters escaped (cli_put): a scenario that somebody
 * sent must not be able to move the cursor. The exit status tells apart what the user can mend (EXIT_USAGE), an
 * expectation that did not hold, and a defect of vmsim or its host (EXIT_INTERNAL). */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "vmsim/report.h"
#include "vmsim/trace.h"

/* Lists of arguments: the texts are argv's and live as long as the process. */
bool cli_push(char ***list, size_t *count, char *value) {
    assert(value);
    char **grown = realloc(*list, (*count + 1) * sizeof *grown);
    if (!grown)
        return false;
    *list = grown;
    grown[(*count)++] = value;
    return true;
}

/* Options that every command with a scenario has; others come first in their own parsers. */
error_t cli_input_option(struct cli_input *in, int key, char *arg) {
    switch (key) {
    case 's':
        return cli_push(&in->sets, &in->set_count, arg) ? 0 : ENOMEM;
    case 'I':
        return cli_push(&in->dirs, &in->dir_count, arg) ? 0 : ENOMEM;
    case ARGP_KEY_ARG:
        return cli_push(&in->files, &in->file_count, arg) ? 0 : ENOMEM;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void cli_input_free(struct cli_input *in) {
    free(in->files);
    free(in->sets);
    free(in->dirs);
}

/* Bytes above 0x7f pass, as they are UTF-8, but for the C1 controls, which some terminals obey. */
void cli_put(FILE *out, const char *text, bool lines) {
    assert(out && text);
    for (const unsigned char *s = (const unsigned char *)text; *s; s++) {
        bool c1 = *s == 0xc2 && s[1] >= 0x80 && s[1] < 0xa0; /* two bytes of UTF-8 */
        if ((*s >= 0x20 && *s != 0x7f && !c1) || (lines && (*s == '\n' || *s == '\t')))
            fputc(*s, out);
        else
            fprintf(out, "\\%03o", c1 ? *++s : *s);
    }
}

/* One line, whatever names stand in it. */
static void put_formatted(const char *format, va_list args) {
    char *text;
    if (vasprintf(&text, format, args) < 0)
        return;
    cli_put(stderr, text, false);
    free(text);
}

void cli_note(const char *command, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "vmsim %s: ", command);
    put_formatted(format, args);
    fputc('\n', stderr);
    va_end(args);
}

#define NODES_MAX 64u

/* The distances of a node to all, as /sys tells them; false: there is no such node. */
static bool read_distances(struct vmsim_machine *m, unsigned node, unsigned row[NODES_MAX]) {
    assert(node < NODES_MAX);
    char path[80], *end;
    const char *text;
    snprintf(path, sizeof path, "sys/devices/system/node/node%u/distance", node);
    if (vmsim_report_proc_file(m, path, &text, NULL))
        return false;
    const char *at = text;
    for (unsigned i = 0; i < NODES_MAX; i++, at = end)
        row[i] = (unsigned)strtoul(at, &end, 10);
    vmsim_report_proc_free(m, text);
    return true;
}

/* Of all pairs of nodes the first that is nearer by way of a third. */
static bool find_detour(unsigned (*d)[NODES_MAX], unsigned nodes, unsigned way[3]) {
    assert(nodes <= NODES_MAX);
    for (unsigned n = 0; n < nodes * nodes * nodes; n++) {
        const unsigned a = n / nodes / nodes, b = n / nodes % nodes, c = n % nodes;
        if (a == b || b == c || d[a][b] + d[b][c] >= d[a][c])
            continue;
        way[0] = a, way[1] = b, way[2] = c;
        return true;
    }
    return false;
}

/* Linux takes such tables as firmware gives them, and so does the machine: it is only said, once for each kind of
 * oddity. */
void cli_note_distances(const char *command, struct vmsim_machine *m) {
    unsigned d[NODES_MAX][NODES_MAX], nodes = 0, way[3] = {0, 0, 0};
    while (nodes < NODES_MAX && read_distances(m, nodes, d[nodes]))
        nodes++;
    for (unsigned n = 0; n < nodes * nodes; n++) {
        const unsigned a = n / nodes, b = n % nodes;
        if (d[a][b] == d[b][a])
            continue;
        cli_note(command, "note: machine.nodes: node %u is %u from node %u, and %u the other way, as Linux takes it", a,
                 d[a][b], b, d[b][a]);
        break;
    }
    if (find_detour(d, nodes, way))
        cli_note(command,
                 "note: machine.nodes: node %u is %u from node %u, but %u by way of node %u, as Linux takes it", way[0],
                 d[way[0]][way[2]], way[2], d[way[0]][way[1]] + d[way[1]][way[2]], way[1]);
}

/* Returns the status, so that a failure is one line of the caller. */
int cli_fail(int status, const char *command, const char *format, ...) {
    assert(format);
    va_list args;
    va_start(args, format);
    fprintf(stderr, "vmsim%s%s: error: ", command ? " " : "", command ? command : "");
    put_formatted(format, args);
    fputc('\n', stderr);
    va_end(args);
    return status;
}

/* A full disk or a closed pipe shows when the buffer is written at last. A command that has failed already keeps its
 * own status, which says more. */
int cli_end_output(const char *command, int status) {
    assert(status >= EXIT_FINE);
    const bool arrived = !fflush(stdout) && !ferror(stdout);
    if (arrived || status == EXIT_USAGE || status == EXIT_INTERNAL)
        return status;
    return cli_fail(EXIT_USAGE, command, "cannot write to standard output");
}

/* What the library says: only host memory and failed self-checks are not the user's to mend. */
int cli_status(int err) {
    switch (err) {
    case 0:
        return EXIT_FINE;
    case VMSIM_ENOMEM:
    case VMSIM_ECHECK:
        return EXIT_INTERNAL;
    default:
        return EXIT_USAGE;
    }
}

static void put_line(const char *text) {
    cli_put(stderr, text, true);
    fputc('\n', stderr);
}

void cli_print_errors(struct vmsim_config *config) {
    for (size_t i = 0; i < vmsim_config_error_count(config); i++)
        put_line(vmsim_config_error_text(config, i));
}

/* Texts of the configuration have their place and "error:" in them; others get the command's name. */
int cli_scenario_failed(const char *command, int err, const char *text) {
    assert(text);
    if (!strstr(text, ": error: "))
        return cli_fail(cli_status(err), command, "%s", text);
    put_line(text);
    return cli_status(err);
}

int cli_misuse(const char *command, const char *usage, const char *format, ...) {
    assert(command && usage);
    const char *end = strstr(usage, "\n\n");
    va_list args;
    va_start(args, format);
    fprintf(stderr, "vmsim %s: error: ", command);
    put_formatted(format, args);
    fprintf(stderr, "\n%.*s\nTry `vmsim %s --help' for more information.\n", (int)(end ? end - usage : 0), usage,
            command);
    va_end(args);
    return EXIT_USAGE;
}

int cli_usage(const char *command, const char *usage, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-?") || !strcmp(argv[i], "-h")) {
            fputs(usage, stdout);
            return EXIT_FINE;
        }
    }
    if (argc < 2)
        return cli_misuse(command, usage, "say what to do");
    return cli_misuse(command, usage, "not understood: '%s%s%s'", argv[1], argc > 2 ? " " : "",
                      argc > 2 ? argv[2] : "");
}

bool cli_same_file(const char *a, const char *b) {
    assert(a && b);
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* What a file is by its first bytes. */
enum file_kind { FILE_TEXT, FILE_TRACE, FILE_PROGRAM };

/* Only what can be read twice is looked into: what is taken out of a pipe is gone. */
static enum file_kind kind_of(const char *path) {
    unsigned char head[8] = {0};
    struct stat st;
    FILE *f = !stat(path, &st) && S_ISREG(st.st_mode) ? fopen(path, "rb") : NULL;
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    if (n == sizeof head && !memcmp(head, "VMSIMTRC", sizeof head))
        return FILE_TRACE;
    const char *dot = strrchr(path, '.');
    if (dot && !strcmp(dot, ".vmt")) /* damaged or empty: let the reader say how */
        return FILE_TRACE;
    return n >= 4 && (!memcmp(head, "\177ELF", 4) || !memcmp(head, "#!", 2)) ? FILE_PROGRAM : FILE_TEXT;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* `text` as a quoted YAML word at `out`; returns its end. */
static char *quote(char *out, const char *text, size_t length) {
    assert(out && text);
    *out++ = '\'';
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\'')
            *out++ = '\'';
        *out++ = text[i];
    }
    *out++ = '\'';
    return out;
}

/* Says what is wrong with a trace, as the scenario would, but of the file and not of an override that nobody typed. */
static int check_trace(const char *path) {
    struct vmsim_trace_reader *r;
    int err = vmsim_trace_open(path, 0, &r);
    if (err)
        cli_fail(EXIT_USAGE, NULL, "%s", r ? vmsim_trace_reader_error(r) : vmsim_error_text(err));
    vmsim_trace_close(r);
    return err;
}

/* A task that replays the trace, named as the file without its ending; `more`: further keys, ", cached: false". */
static int add_trace(struct vmsim_config *config, const char *path, const char *more) {
    assert(more);
    static const char begin[] = "workload.tasks[+]={name: ", middle[] = ", trace: ";
    const char *name = base_name(path), *dot = strrchr(name, '.');
    size_t length = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    int err = check_trace(path);
    if (err)
        return err;
    char *text = malloc(sizeof begin + sizeof middle + 2 * (length + strlen(path)) + strlen(more) + 8), *at = text;
    if (!text)
        return VMSIM_ENOMEM;
    at = quote(stpcpy(at, begin), name, length);
    at = quote(stpcpy(at, middle), path, strlen(path));
    stpcpy(stpcpy(at, more), "}");
    err = vmsim_config_set(config, text);
    free(text);
    return err;
}

/* `vmsim check --resolved a.yaml > a.yaml`: the shell has emptied the file already. What it holds now is no scenario.
 */
static bool is_own_output(const char *path) {
    struct stat in, out;
    return !stat(path, &in) && S_ISREG(in.st_mode) && !fstat(STDOUT_FILENO, &out) && in.st_dev == out.st_dev &&
           in.st_ino == out.st_ino;
}

bool cli_is_run(const char *directory) {
    char path[4096], head[64] = "";
    FILE *f =
        (size_t)snprintf(path, sizeof path, "%s/manifest.json", directory) < sizeof path ? fopen(path, "re") : NULL;
    const bool found = f && fread(head, 1, sizeof head - 1, f) && strstr(head, "\"vmsim_run\"");
    if (f)
        fclose(f);
    return found;
}

bool cli_is_trace(const char *path) {
    return kind_of(path) == FILE_TRACE;
}

/* Standard input as a scenario; files that it names lie where the program stands. */
static int add_input(struct vmsim_config *config) {
    char *text = NULL, piece[16384];
    size_t size = 0, n;
    FILE *whole = open_memstream(&text, &size);
    if (!whole)
        return VMSIM_ENOMEM;
    while ((n = fread(piece, 1, sizeof piece, stdin)) > 0)
        fwrite(piece, 1, n, whole);
    bool bad = ferror(stdin) || ferror(whole);
    int err = fclose(whole) || bad ? VMSIM_EIO : vmsim_config_load_text(config, "-", text, size);
    if (err == VMSIM_EIO)
        cli_fail(EXIT_USAGE, NULL, "standard input cannot be read");
    free(text);
    return err;
}

static int add_file(struct vmsim_config *config, const char *path, const char *task) {
    if (!strcmp(path, "-"))
        return add_input(config);
    if (is_own_output(path)) {
        cli_fail(EXIT_USAGE, NULL, "%s: input file is output file", path);
        return VMSIM_EINVAL;
    }
    switch (kind_of(path)) {
    case FILE_TRACE:
        return add_trace(config, path, task ? task : "");
    case FILE_PROGRAM:
        cli_fail(EXIT_USAGE, NULL,
                 "%s is a program, no scenario: record it with `vmsim record -o %s.vmt -- %s`, then `vmsim run %s.vmt`",
                 path, base_name(path), path, base_name(path));
        return VMSIM_EINVAL;
    default:
        return vmsim_config_load_file(config, path);
    }
}

static int add_directory(struct vmsim_config *config, const char *path) {
    struct stat st;
    if (!stat(path, &st) && S_ISDIR(st.st_mode))
        return vmsim_config_add_search_dir(config, path);
    cli_fail(EXIT_USAGE, NULL, "-I %s: no such directory", path);
    return VMSIM_ENOENT;
}

/* A run's resolved.yaml names traces as its scenario did, which mostly lies beside the run directory or where the
 * program is started. */
static int add_places_of_run(struct vmsim_config *config, const char *path) {
    static const char name[] = "resolved.yaml";
    char folder[4096];
    const size_t length = strlen(path) - strlen(base_name(path));
    if (strcmp(base_name(path), name) != 0 || length + sizeof "/.." > sizeof folder)
        return 0;
    memcpy(folder, length ? path : "./", length ? length : 2);
    folder[length ? length : 2] = '\0';
    if (!cli_is_run(folder))
        return 0;
    stpcpy(folder + strlen(folder), "..");
    const int err = vmsim_config_add_search_dir(config, folder);
    return err ? err : vmsim_config_add_search_dir(config, ".");
}

static int load_failed(struct vmsim_config **config, int err) {
    assert(err && *config);
    cli_print_errors(*config);
    vmsim_config_destroy(*config);
    *config = NULL;
    return cli_status(err);
}

int cli_read(const struct cli_input *in, struct vmsim_config **config) {
    int err = vmsim_config_create(config);
    if (err)
        return cli_fail(EXIT_INTERNAL, NULL, "%s", vmsim_error_text(err));
    err = vmsim_config_restrict(*config, in->limits, in->root);
    if (err)
        cli_fail(EXIT_USAGE, NULL, "--root %s: %s", in->root, vmsim_error_text(err));
    for (size_t i = 0; !err && i < in->dir_count; i++)
        err = add_directory(*config, in->dirs[i]);
    for (size_t i = 0; !err && i < in->file_count; i++)
        err = add_places_of_run(*config, in->files[i]);
    for (size_t i = 0; !err && i < in->file_count; i++)
        err = add_file(*config, in->files[i], in->task);
    for (size_t i = 0; !err && i < in->set_count; i++)
        err = vmsim_config_set(*config, in->sets[i]);
    return err ? load_failed(config, err) : EXIT_FINE;
}

int cli_load(const struct cli_input *in, struct vmsim_config **config) {
    int status = cli_read(in, config);
    int err = status ? 0 : vmsim_config_resolve(*config);
    return err ? load_failed(config, err) : status;
}

int cli_open(const struct cli_input *in, struct vmsim_config **config, struct vmsim_scenario **scenario) {
    int status = cli_load(in, config);
    if (status)
        return status;
    int err = vmsim_scenario_create(*config, scenario);
    if (err)
        cli_print_errors(*config);
    return cli_status(err);
}

int cli_print(const char *command, const char *text, size_t size) {
    assert(text && text[size] == '\0');
    (void)size;
    cli_put(stdout, text, true);
    if (!ferror(stdout) && !fflush(stdout))
        return EXIT_FINE;
    return cli_fail(EXIT_USAGE, command, "cannot write to standard output: %s", strerror(errno));
}

uint64_t cli_number(struct argp_state *state, const char *arg, uint64_t max) {
    assert(arg && max);
    char *end;
    errno = 0;
    uint64_t n = strtoull(arg, &end, 10);
    if (*end || end == arg || *arg == '-' || errno || n > max)
        argp_error(state, "'%s' is not a number from 0 to %" PRIu64, arg, max);
    return n;
}

uint64_t cli_size(struct argp_state *state, const char *arg) {
    assert(arg);
    static const char units[] = "KMGTP";
    char *end;
    errno = 0;
    uint64_t n = strtoull(arg, &end, 10);
    const char *unit = *end ? strchr(units, *end & ~32) : NULL;
    unsigned shift = unit && *unit ? 10 * (unsigned)(unit - units + 1) : 0;
    const char *rest = end + (shift ? 1 : 0);
    bool ends = !*rest || !strcmp(rest, "B") || (shift && !strcmp(rest, "iB"));
    if (end == arg || *arg == '-' || errno || !ends || (shift && n > UINT64_MAX >> shift))
        argp_error(state, "'%s' is not a size (4KiB, 2MiB, 1GiB)", arg);
    return n << shift;
}

uint64_t cli_time(struct argp_state *state, const char *arg) {
    assert(arg);
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1},
                 {"us", 1000},
                 {"ms", 1000000},
                 {"s", 1000000000},
                 {"min", UINT64_C(60000000000)},
                 {"h", UINT64_C(3600000000000)}};
    const char *end = arg + strspn(arg, "0123456789");
    const size_t digits = *end == '.' ? strspn(end + 1, "0123456789") : 0;
    const char *unit = end + (digits ? digits + 1 : 0);
    for (size_t i = 0; i < sizeof units / sizeof *units && end > arg; i++) {
        if (strcmp(unit, units[i].name) != 0)
            continue;
        errno = 0;
        const uint64_t whole = strtoull(arg, NULL, 10);
        uint64_t ns = 0, place = units[i].ns;
        for (size_t k = 0; k < digits && place; k++)
            ns += (uint64_t)(end[1 + k] - '0') * (place /= 10);
        if (!errno && digits <= 9 && whole <= (UINT64_MAX / 2 - ns) / units[i].ns)
            return whole * units[i].ns + ns;
    }
    argp_error(state, "'%s' is not a time (300us, 12.5ms, 1s)", arg);
    return 0;
}

#define SHARE_ALL 1000000u

uint32_t cli_share(struct argp_state *state, const char *arg) {
    size_t length = strlen(arg);
    bool percent = length && arg[length - 1] == '%';
    uint64_t unit = percent ? 10000 : 1000000, n = 0, point = 0;
    for (const char *p = arg; *p && !(percent && !p[1]); p++) {
        if (*p == '.' && !point) {
            point = unit;
        } else if (*p >= '0' && *p <= '9' && point != 1 && n <= SHARE_ALL) {
            n = point ? n + (uint64_t)(*p - '0') * (point /= 10) : n * 10 + (uint64_t)(*p - '0') * unit;
        } else {
            n = 0;
            break;
        }
    }
    if (!n || n > SHARE_ALL)
        argp_error(state, "'%s' is not a share from 0.000001 to 1 (1%%, 0.01)", arg);
    assert(n > 0 && n <= SHARE_ALL);
    return (uint32_t)n;
}

int cli_make_parents(const char *command, const char *path) {
    assert(command && path);
    char part[4096];
    if ((size_t)snprintf(part, sizeof part, "%s", path) >= sizeof part)
        return EXIT_FINE; /* whoever opens it says so */
    for (size_t n = strlen(part); n > 1 && part[n - 1] == '/'; n--)
        part[n - 1] = '\0';
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(part, 0777) && errno != EEXIST)
            return cli_fail(EXIT_USAGE, command, "cannot make the directory %s: %s", part, strerror(errno));
        *slash = '/';
    }
    return EXIT_FINE;
}
