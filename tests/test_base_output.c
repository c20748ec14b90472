/* SPDX-License-Identifier: MIT */
/* Output files: what bears a name stays what it is, and a name leads to something whole or to what it led to before. */
#include "helpers.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/output.h"

static char home[4096];

static int enter_folder(void **state) {
    static char folder[] = "/tmp/vmsim-output-XXXXXX";
    (void)state;
    return !getcwd(home, sizeof home) || !mkdtemp(folder) || chdir(folder);
}

static int leave_folder(void **state) {
    char folder[4096], command[4200];
    (void)state;
    if (!getcwd(folder, sizeof folder) || chdir(home))
        return -1;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static int whole(const char *path, const char *text, struct vmsim__err *err) {
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    int code = vmsim__output_whole(a, path, text, strlen(text), err);
    assert_int_equal(vmsim__alloc_destroy(a), 0);
    return code;
}

static void make(const char *path, const char *text) {
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void assert_holds(const char *path, const char *text) {
    char got[64] = "";
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    assert_int_equal(fread(got, 1, sizeof got - 1, f), strlen(text));
    fclose(f);
    assert_string_equal(got, text);
}

static void assert_refused(const char *path, const char *why) {
    struct vmsim__err err = {0};
    assert_true(whole(path, "new", &err) < 0);
    if (!strstr(err.text, why) || strncmp(err.text, path, strlen(path)) != 0)
        fail_msg("'%s' does not begin with '%s' or lacks '%s'", err.text, path, why);
}

/* Hours of recording or sweeping are not lost to a slip of the command line. */
static void recordings_and_databases_give_way_to_their_kind_alone(void **state) {
    static const char trace[] = "VMSIMTRC and so on", sweep[] = "SQLite format 3", other[] = "VMSIMTRC of later";
    (void)state;
    make("sort.vmt", trace);
    make("grid.sqlite", sweep);
    assert_refused("sort.vmt", "is a recording, and is not replaced by a file of another kind");
    assert_refused("grid.sqlite", "is a database");
    assert_holds("sort.vmt", trace);
    assert_holds("grid.sqlite", sweep);
    assert_int_equal(whole("sort.vmt", other, NULL), 0);
    assert_holds("sort.vmt", other);
}

static void a_file_is_there_whole_or_not_at_all(void **state) {
    (void)state;
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    struct vmsim__output o;
    struct vmsim__err err = {0};
    make("file", "old");
    assert_int_equal(vmsim__output_open(&o, a, "file", &err), 0);
    assert_int_equal(vmsim__output_write(&o, "new", 3, &err), 0);
    assert_string_equal(vmsim__output_name(&o), "file.part");
    assert_holds("file", "old");
    vmsim__output_close(&o);
    assert_holds("file", "old");
    assert_int_equal(access("file.part", F_OK), -1);
    assert_int_equal(whole("file", "new", &err), 0);
    assert_holds("file", "new");
    vmsim__output_close(&o); /* twice */
    assert_int_equal(vmsim__alloc_destroy(a), 0);
}

static void a_change_of_directory_leads_no_file_elsewhere(void **state) {
    (void)state;
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    struct vmsim__output o;
    struct vmsim__err err = {0};
    assert_int_equal(mkdir("a", 0777) | mkdir("b", 0777), 0);
    assert_int_equal(chdir("a"), 0);
    make("../b/file", "b's");
    assert_int_equal(vmsim__output_open(&o, a, "file", &err), 0);
    assert_int_equal(chdir("../b"), 0);
    assert_int_equal(vmsim__output_commit(&o, &err), 0);
    vmsim__output_close(&o);
    assert_holds("file", "b's");
    assert_holds("../a/file", "");
    assert_int_equal(chdir(".."), 0);
    assert_int_equal(vmsim__alloc_destroy(a), 0);
}

static void what_is_no_file_stays_what_it_is(void **state) {
    (void)state;
    struct vmsim__err err = {0};
    struct stat st;
    assert_int_equal(mkdir("directory", 0777) | mkfifo("pipe", 0666) | symlink("target", "link"), 0);
    assert_refused("directory", "is a directory");
    assert_refused("directory/", "is a directory");
    assert_refused("nowhere/file", "cannot be written: No such file");
    assert_refused("", "");
    assert_refused("link", "leads nowhere");
    assert_int_equal(access("target", F_OK), -1);
    make("target", "mine");
    assert_refused("link", "is a symbolic link");
    assert_holds("target", "mine");
    assert_refused("pipe", "nobody reads");
    int reader = open("pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char got[4] = "";
    assert_int_equal(whole("pipe", "new", &err), 0);
    assert_int_equal(read(reader, got, sizeof got), 3);
    assert_string_equal(got, "new");
    close(reader);
    assert_int_equal(lstat("pipe", &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    assert_int_equal(whole("/dev/null", "new", &err), 0);
    assert_int_equal(symlink("/dev/null", "null"), 0);
    assert_int_equal(whole("null", "new", &err), 0);
    assert_int_equal(lstat("null", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_refused("/dev/full", "byte 0: No space left");
}

/* The name of the part may be foreseen, so whatever may be put there is. */
static void what_stands_at_the_name_of_a_part_is_left_alone(void **state) {
    (void)state;
    struct vmsim__err err = {0};
    make("mine", "mine");
    assert_int_equal(symlink("mine", "out.part") | link("mine", "out.part1") | mkfifo("out.part2", 0666), 0);
    assert_int_equal(mkdir("out.part3", 0777) | symlink("nowhere", "out.part4"), 0);
    assert_int_equal(whole("out", "new", &err), 0);
    assert_holds("out", "new");
    assert_holds("mine", "mine");
    assert_int_equal(access("nowhere", F_OK), -1);
    for (unsigned i = 5; i < 10; i++) {
        char name[16];
        snprintf(name, sizeof name, "out.part%u", i);
        make(name, "half");
    }
    assert_refused("out", "part9 are taken");
    assert_holds("out", "new");
    assert_holds("out.part9", "half");
}

static void of_two_writers_of_a_name_the_second_is_refused(void **state) {
    (void)state;
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    struct vmsim__output first, other;
    struct vmsim__err err = {0};
    make("shared.part", "left by one that was killed");
    assert_int_equal(vmsim__output_open(&first, a, "shared", &err), 0);
    assert_string_equal(vmsim__output_name(&first), "shared.part1");
    assert_refused("shared", "is being written by another process");
    assert_refused("./shared", "is being written by another process");
    assert_int_equal(unlink("shared.part"), 0); /* the first place is free again, and still nobody may */
    assert_refused("shared", "is being written by another process");
    assert_int_equal(vmsim__output_open(&other, a, "shared2", &err), 0);
    assert_int_equal(vmsim__output_commit(&other, &err), 0);
    vmsim__output_close(&other);
    assert_int_equal(vmsim__output_commit(&first, &err), 0);
    vmsim__output_close(&first);
    assert_int_equal(whole("shared", "next", &err), 0);
    assert_holds("shared", "next");
    assert_int_equal(vmsim__alloc_destroy(a), 0);
}

/* While a file is written, others come to bear its names. */
static void what_came_meanwhile_is_not_replaced(void **state) {
    (void)state;
    struct vmsim__alloc *a = vmsim__alloc_create(NULL);
    struct vmsim__output o;
    struct vmsim__err err = {0};
    struct stat st;
    assert_int_equal(vmsim__output_open(&o, a, "late", &err), 0);
    assert_int_equal(mkfifo("late", 0666), 0);
    assert_int_equal(vmsim__output_commit(&o, &err), VMSIM_EIO);
    assert_non_null(strstr(err.text, "late: cannot be put in place"));
    vmsim__output_close(&o);
    assert_int_equal(lstat("late", &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    assert_int_equal(access("late.part", F_OK), -1);

    assert_int_equal(vmsim__output_open(&o, a, "stolen", &err), 0);
    assert_int_equal(unlink("stolen.part"), 0);
    make("stolen.part", "another's");
    assert_int_equal(vmsim__output_commit(&o, &err), VMSIM_EIO);
    assert_non_null(strstr(err.text, "was replaced"));
    vmsim__output_close(&o);
    assert_holds("stolen.part", "another's");
    assert_int_equal(access("stolen", F_OK), -1);
    assert_int_equal(vmsim__alloc_destroy(a), 0);
}

static void a_replaced_file_keeps_its_mode(void **state) {
    (void)state;
    struct vmsim__err err = {0};
    struct stat st;
    make("private", "old");
    assert_int_equal(chmod("private", 0640), 0);
    assert_int_equal(whole("private", "new", &err), 0);
    assert_int_equal(stat("private", &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(chmod("private", 0444), 0);
    if (geteuid())
        assert_refused("private", "cannot be written: Permission denied");
}

static void every_failing_allocation_leaves_nothing(void **state) {
    (void)state;
    for (uint64_t n = 1;; n++) {
        struct vmsim__alloc *a = vmsim__alloc_create(NULL);
        struct vmsim__err err = {0};
        vmsim__alloc_fail_after(a, n);
        int code = vmsim__output_whole(a, "scarce", "text", 4, &err);
        assert_int_equal(vmsim__alloc_destroy(a), 0);
        if (!code)
            break;
        assert_int_equal(code, VMSIM_ENOMEM);
        assert_int_equal(access("scarce", F_OK) & access("scarce.part", F_OK), -1);
    }
    assert_holds("scarce", "text");
}

static void one_file_is_known_by_all_its_names(void **state) {
    (void)state;
    make("one", "");
    make("two", "");
    assert_int_equal(link("one", "hard") | symlink("one", "soft"), 0);
    assert_true(vmsim__same_file("one", "./one") && vmsim__same_file("one", "hard") && vmsim__same_file("soft", "one"));
    assert_false(vmsim__same_file("one", "two") || vmsim__same_file("none", "none"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_there_whole_or_not_at_all),
        cmocka_unit_test(recordings_and_databases_give_way_to_their_kind_alone),
        cmocka_unit_test(a_change_of_directory_leads_no_file_elsewhere),
        cmocka_unit_test(what_is_no_file_stays_what_it_is),
        cmocka_unit_test(what_stands_at_the_name_of_a_part_is_left_alone),
        cmocka_unit_test(of_two_writers_of_a_name_the_second_is_refused),
        cmocka_unit_test(what_came_meanwhile_is_not_replaced),
        cmocka_unit_test(a_replaced_file_keeps_its_mode),
        cmocka_unit_test(every_failing_allocation_leaves_nothing),
        cmocka_unit_test(one_file_is_known_by_all_its_names),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
