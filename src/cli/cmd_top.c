/* SPDX-License-Identifier: MIT */
/* `vmsim top`: a run while it goes on, on a terminal, or as frames of text.
 *
 * The run calls back between steps; there the screen is drawn, keys are read, and a run that is paused or held to a
 * speed waits. What is simulated does not know of it. */
#include <assert.h>
#include <argp.h>
#include <curses.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/top.h"
#include "vmsim/report.h"

struct top_options {
    struct cli_input in;
    const char *output;
    uint64_t interval; /* ns of virtual time between frames of text */
    uint64_t frames;   /* that are printed at most; 0: all */
    bool plain;
};

enum { OPTION_PLAIN = 256, OPTION_FRAMES };

static const struct argp_option top_argp_options[] = {
    {"plain", OPTION_PLAIN, NULL, 0, "Print frames as text, without a terminal", 0},
    {"interval", 'i', "TIME", 0, "With --plain: a frame after each TIME of virtual time (default 100ms)", 0},
    {"frames", OPTION_FRAMES, "COUNT", 0, "With --plain: end after so many", 0},
    {"output", 'o', "DIR", 0, "Write the run to the directory DIR at its end", 0},
    {"set", 's', "KEY=VALUE", 0, "Override one value of the file", 0},
    {"directory", 'I', "DIR", 0, "Look for presets and traces in DIR, too", 0},
    {0}};

static error_t parse_option(int key, char *arg, struct argp_state *state) {
    struct top_options *o = state->input;
    switch (key) {
    case OPTION_PLAIN:
        o->plain = true;
        return 0;
    case 'i':
        o->interval = cli_time(state, arg);
        if (!o->interval)
            argp_error(state, "--interval takes a time above 0");
        return 0;
    case OPTION_FRAMES:
        o->frames = cli_number(state, arg, UINT64_MAX);
        return 0;
    case 'o':
        o->output = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no scenario file given");
        return EINVAL;
    default:
        return cli_input_option(&o->in, key, arg);
    }
}

struct top {
    const struct top_options *o;
    struct top_view view;
    uint64_t next;   /* ns of virtual time: the next frame of text */
    uint64_t frames; /* printed */
    SCREEN *screen;  /* NULL: text */
    bool paused, step, quit, broken;
    double speed; /* virtual seconds in one of ours; 0: as fast as it goes */
    struct timespec begin, drawn;
    uint64_t begin_ns; /* virtual time at `begin` */
};

static double seconds_since(const struct timespec *then) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

static void nap(double seconds) {
    assert(seconds >= 0);
    const struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

/* ---- text ---- */

static bool print_frame(struct top *t) {
    assert(t->o->interval > 0);
    t->broken = t->broken || !top_frame(&t->view, stdout, 400);
    fputs("\n", stdout);
    t->broken = t->broken || fflush(stdout);
    t->frames++;
    t->next = (t->view.progress.virtual_ns / t->o->interval + 1) * t->o->interval;
    assert(t->next > t->view.progress.virtual_ns);
    return !t->broken && (!t->o->frames || t->frames < t->o->frames);
}

static bool on_text(void *context, const struct vmsim_progress *p) {
    assert(!((struct top *)context)->screen);
    struct top *t = context;
    t->view.progress = *p;
    t->quit = p->virtual_ns >= t->next && !print_frame(t);
    return !t->quit;
}

/* ---- a terminal ---- */

/* The frame is made as text, and put up line by line: curses finds out what changed. */
static void draw(struct top *t, const char *state) {
    assert(t->screen && state);
    char *text = NULL, *rest;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    bool ok = out && top_frame(&t->view, out, (unsigned)COLS);
    ok = out && !fclose(out) && ok;
    erase();
    int row = 0;
    for (char *line = ok ? strtok_r(text, "\n", &rest) : NULL; line && row < LINES - 1;
         line = strtok_r(NULL, "\n", &rest))
        mvaddnstr(row++, 0, line, COLS);
    attron(A_REVERSE);
    mvprintw(LINES - 1, 0, " %s   space: pause   s: step   + -: speed   q: quit ", state);
    attroff(A_REVERSE);
    refresh();
    free(text);
    t->broken = t->broken || !ok;
    clock_gettime(CLOCK_MONOTONIC, &t->drawn);
}

/* From now on the speed counts from here. */
static void set_speed(struct top *t, double speed) {
    assert(speed >= 0);
    t->speed = speed;
    t->begin_ns = t->view.progress.virtual_ns;
    clock_gettime(CLOCK_MONOTONIC, &t->begin);
}

static void on_key(struct top *t, int key) {
    const double slowest = 1.0 / 1024, fastest = 1024;
    switch (key) {
    case 'q':
        t->quit = true;
        break;
    case ' ':
        t->paused = !t->paused;
        set_speed(t, t->speed);
        break;
    case 's':
        t->paused = t->step = true;
        break;
    case '+':
        set_speed(t, t->speed >= fastest ? 0 : 2 * t->speed);
        break;
    case '-':
        set_speed(t, t->speed == 0 ? fastest : t->speed <= slowest ? slowest : t->speed / 2);
        break;
    default:
        break;
    }
}

static const char *state_of(const struct top *t, char text[64]) {
    if (t->paused)
        snprintf(text, 64, "paused");
    else if (t->speed > 0)
        snprintf(text, 64, "%g virtual seconds a second", t->speed);
    else
        snprintf(text, 64, "as fast as it goes");
    return text;
}

/* How far the run is ahead of the speed that is asked for, in our seconds. */
static double ahead(const struct top *t) {
    const double due = t->speed > 0 ? (double)(t->view.progress.virtual_ns - t->begin_ns) / 1e9 / t->speed : 0;
    return due - seconds_since(&t->begin);
}

static bool on_screen(void *context, const struct vmsim_progress *p) {
    struct top *t = context;
    char text[64];
    t->view.progress = *p;
    if (seconds_since(&t->drawn) < 0.1 && !t->paused && !(t->speed > 0 && ahead(t) > 0))
        return true;
    draw(t, state_of(t, text));
    do {
        for (int key = getch(); key != ERR; key = getch())
            on_key(t, key);
        if (t->paused && !t->step)
            nap(0.02);
        else if (t->speed > 0 && ahead(t) > 0)
            nap(ahead(t) < 0.05 ? ahead(t) : 0.05);
    } while (!t->quit && ((t->paused && !t->step) || (!t->paused && t->speed > 0 && ahead(t) > 0.001)));
    t->step = false;
    return !t->quit && !t->broken;
}

/* The last frame stays until a key is pressed. */
static void wait_for_key(struct top *t) {
    if (t->quit || t->broken)
        return;
    draw(t, "the run has ended");
    nodelay(stdscr, false);
    getch();
}

static bool open_screen(struct top *t) {
    assert(!t->screen);
    t->screen = newterm(NULL, stdout, stdin);
    if (!t->screen)
        return false;
    set_term(t->screen);
    cbreak();
    noecho();
    nodelay(stdscr, true);
    curs_set(0);
    return true;
}

static void close_screen(struct top *t) {
    if (!t->screen)
        return;
    endwin();
    delscreen(t->screen);
    t->screen = NULL;
}

static int show(struct vmsim_scenario *s, const struct top_options *o) {
    assert(o->interval > 0);
    struct top t = {.o = o, .view.machine = vmsim_scenario_machine(s), .next = o->interval};
    clock_gettime(CLOCK_MONOTONIC, &t.begin);
    t.drawn = t.begin;
    if (!o->plain && !open_screen(&t))
        return cli_fail(EXIT_USAGE, "top", "this is no terminal that can be drawn on (TERM); --plain prints text");
    const int err = vmsim_scenario_run(s, o->plain ? on_text : on_screen, &t);
    if (!err && !o->plain)
        wait_for_key(&t);
    close_screen(&t);
    if (!err && o->plain && !t.quit)
        print_frame(&t);
    top_free(&t.view);
    if (t.broken)
        return cli_fail(EXIT_INTERNAL, "top", "no memory, or nowhere to write to");
    if (err && !t.quit)
        return cli_scenario_failed("top", err, vmsim_scenario_error(s));
    const int bad = o->output && !cli_make_parents("top", o->output) ? vmsim_report_write(s, o->output) : 0;
    return bad ? cli_fail(cli_status(bad), "top", "%s", vmsim_report_error(s)) : EXIT_FINE;
}

int cmd_top(int argc, char **argv) {
    static const struct argp argp = {
        top_argp_options,
        parse_option,
        "SCENARIO...",
        "Watch a run: zones against their watermarks, lists, rates, CPUs and TLBs, tasks.\vKeys: space pauses and goes "
        "on, s goes on for one step, + and - double and halve the speed (virtual seconds in one of ours; it begins as "
        "fast as it goes), q ends. Rates are of a virtual second, since the frame before. With --plain frames are "
        "printed as text, always the same for the same run.\n\n"
        "Examples:\n"
        "  vmsim top box.yaml\n"
        "  vmsim top sort.vmt --set machine.preset=zen4\n"
        "  vmsim top --plain --interval 500ms box.yaml\n\n"
        "Exit status: 0 fine, 2 bad usage or input, 3 internal failure.",
        NULL,
        NULL,
        NULL};
    struct top_options o = {.interval = UINT64_C(100000000)};
    struct vmsim_config *config = NULL;
    struct vmsim_scenario *s = NULL;
    if (cli_parse(&argp, argc, argv, 0, &o))
        return EXIT_USAGE;
    int status = !o.plain && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
                     ? cli_fail(EXIT_USAGE, "top", "standard input and output are no terminal; --plain prints text")
                     : cli_open(&o.in, &config, &s);
    status = status ? status : show(s, &o);
    vmsim_scenario_destroy(s);
    vmsim_config_destroy(config);
    cli_input_free(&o.in);
    return status;
}
