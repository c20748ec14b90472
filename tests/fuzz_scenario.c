/* SPDX-License-Identifier: MIT */
/* Fuzz target: a whole scenario, from the text to the report. Lines before the first that does not begin with "--set "
 * are overrides. What is refused has messages that a person can read; what is taken runs a while, holds together, gives
 * its reports, and leaks nothing. */
#include <string.h>

#include "config/config.h"
#include "fuzz.h"
#include "scenario/scenario_spec.h"
#include "vmsim/report.h"
#include "vmsim/scenario.h"

enum { LOOKS = 40 };

static bool stop_soon(void *context, const struct vmsim_progress *p) {
    (void)p;
    return ++*(unsigned *)context < LOOKS;
}

/* "file:1:2: error: text", or without a place; the source line and a caret may follow. */
static void check_message(const char *text) {
    if (!text)
        fuzz_fail("an error without a text");
    const char *end = strchr(text, '\n'), *error = strstr(text, "error: ");
    if (!error || (end && error > end) || !error[7] || error[7] == '\n')
        fuzz_fail("no line of error:\n%s", text);
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' && *c != '\n' && *c != '\t')
            fuzz_fail("a control character in:\n%s", text);
}

static void check_errors(const struct vmsim_config *c, int code) {
    if (!vmsim_config_error_count(c))
        fuzz_fail("code %d without an error", code);
    for (size_t i = 0; i < vmsim_config_error_count(c); i++)
        check_message(vmsim_config_error_text(c, i));
}

static void check_line(const char *text, int code) {
    if (!*text || strchr(text, '\n'))
        fuzz_fail("code %d, and not one line: '%s'", code, text);
}

/* Machines whose state alone would take gigabytes of the host are another matter. */
static bool affordable(const struct vmsim_config *c) {
    const struct vmsim__scenario_spec *s = vmsim__config_root((struct vmsim_config *)(uintptr_t)c);
    const struct vmsim__tlb_array_spec *a = s->machine.tlb.arrays.data;
    uint64_t entries = 1;
    for (size_t i = 0; i < s->machine.tlb.arrays.count; i++)
        entries += a[i].entries;
    return s->machine.mem.cpus * entries < 1 << 21;
}

static void report(struct vmsim_scenario *s) {
    for (int kind = VMSIM_REPORT_SUMMARY; kind <= VMSIM_REPORT_EXPECTATIONS; kind++) {
        const char *text;
        if (vmsim_report_render(s, (enum vmsim_report_kind)kind, &text, NULL))
            fuzz_fail("report %d: %s", kind, vmsim_report_error(s));
        vmsim_report_free(s, text);
    }
}

static void run(struct vmsim_config *c) {
    struct vmsim_scenario *s;
    unsigned looks = 0;
    int err = vmsim_scenario_create(c, &s);
    if (err) {
        check_errors(c, err);
        return;
    }
    err = vmsim_scenario_run(s, stop_soon, &looks);
    if (err)
        check_line(vmsim_scenario_error(s), err);
    if (vmsim_machine_check(vmsim_scenario_machine(s)))
        fuzz_fail("%s", vmsim_machine_error(vmsim_scenario_machine(s)));
    report(s);
    if (vmsim_scenario_destroy(s))
        fuzz_fail("a leak");
}

static struct vmsim_config *new_config(void) {
    struct vmsim_config *c;
    if (vmsim_config_create(&c) || vmsim_config_add_search_dir(c, VMSIM_SOURCE_DIR "/machines"))
        abort();
    return c;
}

/* The dump of a good configuration is one, and comes to the same. */
static void round_trip(struct vmsim_config *c) {
    const char *text, *again;
    size_t size;
    if (vmsim_config_dump(c, 0, &text, &size))
        fuzz_fail("no dump");
    struct vmsim_config *d = new_config();
    if (vmsim_config_load_text(d, "dump", text, size) || vmsim_config_resolve(d))
        fuzz_fail("%s\n%s", vmsim_config_error_text(d, 0), text);
    if (vmsim_config_dump(d, 0, &again, NULL) || strcmp(text, again) != 0)
        fuzz_fail("the dump changed:\n%s", text);
    vmsim_config_destroy(d);
}

/* Takes "--set X" lines off the front. */
static char *take_settings(struct vmsim_config *c, char *at) {
    while (!strncmp(at, "--set ", 6)) {
        char *end = at + strcspn(at, "\n"), *next = *end ? end + 1 : end;
        *end = '\0';
        vmsim_config_set(c, at + 6);
        at = next;
    }
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    struct vmsim_config *c = new_config();
    char *yaml = take_settings(c, text);
    int err = vmsim_config_load_text(c, "fuzz.yaml", yaml, size - (size_t)(yaml - text));
    err = err ? err : vmsim_config_resolve(c);
    if (err) {
        check_errors(c, err);
    } else {
        round_trip(c);
        if (affordable(c))
            run(c);
    }
    vmsim_config_destroy(c);
    free(text);
    return 0;
}

void fuzz_seeds(fuzz_add *add) {
    static const char *const texts[] = {
        "--set machine.nodes[0].memory=32MiB\n--set workload.tasks[0].program[+]={sleep: {time: 1us}}\n"
        "--set machine.sysctl.\"vm.swappiness\"=10\n--set expect=[{counter: vmstat.pgfault, max: 10}]\n"
        "machine: {nodes: [{memory: 64MiB}]}\nworkload: {tasks: [{name: a, program: [wait]}]}\n",
        "machine:\n  arch: x86_64\n  cpus: 2\n  nodes:\n    - {memory: 64MiB, cpus: [0], distances: [10, 21]}\n"
        "    - {memory: 32MiB, cpus: [1], distances: [21, 10]}\n  memory_map: []\n"
        "  tlb:\n    arrays:\n      - {name: L1d, level: 1, entries: 64, ways: 4, sizes: [4KiB]}\n"
        "      - {name: L2, level: 2, entries: 512, ways: 8, replacement: {name: srrip, params: {bits: 2}}}\n"
        "  sysctl:\n    vm.overcommit_memory: 2\n    vm.min_free_kbytes: 512\n"
        "  transparent_hugepage: always\n  page_cache: {}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        add(texts[i], strlen(texts[i]));
}
