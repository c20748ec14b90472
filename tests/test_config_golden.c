/* SPDX-License-Identifier: MIT */
/* tests/golden/config/NAME.yaml -> NAME.txt: the exact errors, or the resolved configuration with origins.
 *
 * Lines `#set ASSIGNMENT` of the YAML file are overrides. Files part-* are only included by others, and the directory
 * presets/ is a search directory. VMSIM_UPDATE_GOLDEN=1 writes the .txt files anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/textbuf.h"
#include "config_fixture.h"

static char *read_whole(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *text = calloc(1, 1 << 20);
    *size = fread(text, 1, (1 << 20) - 1, f);
    fclose(f);
    return text;
}

/* The lines `#set ...` of the file. */
static void apply_sets(struct vmsim_config *c, const char *path) {
    size_t size;
    char *text = read_whole(path, &size), *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (!strncmp(line, "#set ", 5))
            assert_int_equal(vmsim_config_set(c, line + 5), 0);
    free(text);
}

/* What a user would see. */
static void run(const char *path, struct vmsim__textbuf *out) {
    struct vmsim_config *c = fx_create(NULL);
    vmsim_config_add_search_dir(c, "presets");
    int err = vmsim_config_load_file(c, path);
    apply_sets(c, path);
    err = err ? err : vmsim_config_resolve(c);
    for (size_t i = 0; i < vmsim_config_error_count(c); i++)
        vmsim__textbuf_printf(out, "%s\n", vmsim_config_error_text(c, i));
    if (err) {
        vmsim__textbuf_printf(out, "%s\n", vmsim_error_name(err));
        assert_true(vmsim_config_error_count(c) > 0);
    } else {
        const char *text;
        assert_int_equal(vmsim_config_dump(c, VMSIM_CONFIG_DUMP_ORIGINS, &text, NULL), 0);
        vmsim__textbuf_puts(out, text);
    }
    vmsim_config_destroy(c);
}

/* 0: as expected. */
static int compare(const char *name, const struct vmsim__textbuf *got) {
    char path[300];
    snprintf(path, sizeof path, "%.*s.txt", (int)(strlen(name) - 5), name);
    if (getenv("VMSIM_UPDATE_GOLDEN")) {
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        fwrite(got->at, 1, got->count, f);
        fclose(f);
        return 0;
    }
    size_t size = 0;
    char *want = read_whole(path, &size);
    int differs = !want || size != got->count || memcmp(want, got->at, size) != 0;
    if (differs)
        print_error("%s\n--- expected\n%s--- got\n%s", path, want ? want : "(no file)\n", got->at);
    free(want);
    return differs;
}

static int is_case(const struct dirent *e) {
    size_t n = strlen(e->d_name);
    return n > 5 && !strcmp(e->d_name + n - 5, ".yaml") && strncmp(e->d_name, "part-", 5) != 0;
}

static void every_file_gives_the_expected_text(void **state) {
    (void)state;
    struct dirent **cases;
    assert_int_equal(chdir(VMSIM_SOURCE_DIR "/tests/golden/config"), 0);
    int count = scandir(".", &cases, is_case, alphasort), different = 0;
    assert_true(count > 20);
    for (int i = 0; i < count; i++) {
        struct vmsim__alloc *alloc = vmsim__alloc_create(NULL);
        struct vmsim__textbuf out;
        vmsim__textbuf_init(&out, alloc);
        run(cases[i]->d_name, &out);
        different += compare(cases[i]->d_name, &out);
        vmsim__textbuf_fini(&out);
        assert_int_equal(vmsim__alloc_destroy(alloc), 0);
        free(cases[i]);
    }
    free(cases);
    assert_int_equal(different, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_file_gives_the_expected_text)};
    return cmocka_run_group_tests_name("config_golden", tests, NULL, NULL);
}
