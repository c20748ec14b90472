/* SPDX-License-Identifier: MIT */
/* Writing the files of a new policy from the templates. */
#include "cli/policy_new.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"

#define NAME_MAX_LENGTH 40u

/* Ten lines of CMake: the plugin needs headers alone, its unit test the library, the gate the program. */
static const char cmake_lists[] =
    "cmake_minimum_required(VERSION 3.20)\n"
    "project(%n LANGUAGES C)\n"
    "find_package(vmsim 0.1 REQUIRED)\n"
    "add_library(%n MODULE %n.c)\n"
    "set_target_properties(%n PROPERTIES PREFIX \"\" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})\n"
    "target_include_directories(%n PRIVATE $<TARGET_PROPERTY:vmsim::vmsim,INTERFACE_INCLUDE_DIRECTORIES>)\n"
    "add_executable(test_%n test_%n.c)\n"
    "target_link_libraries(test_%n PRIVATE vmsim::vmsim cmocka)\n"
    "find_program(VMSIM vmsim REQUIRED)\n"
    "enable_testing()\n"
    "add_test(NAME unit COMMAND test_%n $<TARGET_FILE:%n>)\n"
    "add_test(NAME gate COMMAND ${VMSIM} run -q %n.yaml WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})\n";

/* `%n` the name, `%i` an identifier made of it, `%%` a sign. */
static void put(FILE *f, const char *text, const char *name) {
    assert(text && *name);
    for (const char *c = text; *c; c++) {
        if (*c != '%') {
            fputc(*c, f);
        } else if (*++c == '%') {
            fputc('%', f);
        } else {
            for (const char *n = name; *n; n++)
                fputc(*c == 'i' && *n == '-' ? '_' : *n, f);
            fputs(*c == 'i' ? "_policy" : "", f);
        }
    }
}

/* The four files: how each is called, with one `%s` or none for the name. */
enum { FILE_POLICY, FILE_TEST, FILE_SCENARIO, FILE_CMAKE, FILES };
static const char *const file_names[FILES] = {"%s/%s.c", "%s/test_%s.c", "%s/%s.yaml", "%s/CMakeLists.txt"};

static bool path_of(char *path, size_t size, const char *directory, const char *name, unsigned file) {
    assert(file < FILES);
    int length = snprintf(path, size, file_names[file], directory, name);
    return length > 0 && (size_t)length < size;
}

static int write_file(const char *path, const char *text, const char *name) {
    FILE *f = fopen(path, "wx");
    if (!f)
        return cli_fail(EXIT_USAGE, "policy", "%s: %s", path, strerror(errno));
    put(f, text, name);
    bool failed = ferror(f) != 0;
    if (fclose(f) || failed)
        return cli_fail(EXIT_INTERNAL, "policy", "%s: %s", path, strerror(errno));
    return EXIT_FINE;
}

/* Looks before it writes: a folder with half of the files would be worse than none. */
static int write_files(const struct policy_template *t, const char *directory, const char *name) {
    assert(t->policy && t->test && t->scenario);
    const char *const text[FILES] = {t->policy, t->test, t->scenario, cmake_lists};
    char path[4096];
    for (unsigned i = 0; i < FILES; i++) {
        if (!path_of(path, sizeof path, directory, name, i))
            return cli_fail(EXIT_USAGE, "policy", "the path %.60s... is too long", directory);
        if (access(path, F_OK) == 0)
            return cli_fail(EXIT_USAGE, "policy", "%s is there already; nothing is overwritten", path);
    }
    int status = cli_make_parents("policy", directory);
    if (!status && mkdir(directory, 0777) && errno != EEXIST)
        status = cli_fail(EXIT_USAGE, "policy", "%s: %s", directory, strerror(errno));
    for (unsigned i = 0; !status && i < FILES; i++) {
        path_of(path, sizeof path, directory, name, i);
        status = write_file(path, text[i], name);
    }
    return status;
}

static const struct policy_template *template_of(const char *domain) {
    const struct policy_template *t = policy_templates;
    while (t->domain && strcmp(t->domain, domain) != 0)
        t++;
    return t->domain ? t : NULL;
}

static int unknown_domain(const char *domain) {
    char known[200] = "";
    for (const struct policy_template *t = policy_templates; t->domain; t++) {
        size_t at = strlen(known);
        snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", t->domain);
        assert(strlen(known) + 1 < sizeof known); /* all of them fit */
    }
    return cli_fail(EXIT_USAGE, "policy", "there is nothing to begin with for domain '%s', but for: %s", domain, known);
}

static bool is_name(const char *name) {
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return length && !name[length] && length <= NAME_MAX_LENGTH && *name >= 'a' && name[length - 1] != '-';
}

int policy_new(const char *domain, const char *name, const char *directory) {
    const struct policy_template *t = template_of(domain);
    if (!t)
        return unknown_domain(domain);
    if (!is_name(name))
        return cli_fail(EXIT_USAGE, "policy",
                        "'%s' is no name for a policy: lower-case letters, digits and '-', at most %u, a letter first",
                        name, NAME_MAX_LENGTH);
    int status = write_files(t, directory, name);
    if (status)
        return status;
    printf("%s/%s.c: the policy; test_%s.c: its unit test; %s.yaml: a gate for CI\n", directory, name, name, name);
    printf("Build and try it: cd %s && cmake -S . -B build && cmake --build build && ctest --test-dir build\n",
           directory);
    return EXIT_FINE;
}
