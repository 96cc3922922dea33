/* The data that a study names: there, readable, long enough. */
#include "texts.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void write_file(const char *name, const void *head, size_t head_size, long size)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    if (head_size > 0) {
        assert_int_equal(fwrite(head, 1, head_size, file), head_size);
    }
    assert_int_equal(fclose(file), 0);
    assert_int_equal(truncate(path, size), 0);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/espalier-data-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static int check(const char *data, const char *context, struct esp_error *error)
{
    char text[1024];
    struct esp_study *s = NULL;
    int rc;

    snprintf(
        text,
        sizeof text,
        "method: random\ntrainer: {data: '%s', tokens: 1e6}\nparameters: {context: {values: "
        "[%s]}}\n",
        data,
        context);
    rc = esp_study_read_text(text, "s.yaml", folder, &s, NULL, error);
    assert_int_equal(rc, 0);
    rc = esp_study_check_data(s, error);
    esp_study_destroy(s);
    return rc;
}

static void a_text_needs_ten_windows(void **state)
{
    struct esp_error error = {""};

    (void)state;
    write_file("a.txt", NULL, 0, 641);
    assert_int_equal(check("a.txt", "64", &error), 0);
    assert_int_equal(check("a.txt", "32, 64", &error), 0);
    write_file("a.txt", NULL, 0, 640);
    assert_int_equal(check("a.txt", "64", &error), -EINVAL);
    assert_non_null(strstr(error.text,
                           "a.txt' is too short: it has 640 bytes of tokens (1 file), but a "
                           "context of 64 needs at least 641"));
    /* The longest context that is searched counts. */
    write_file("a.txt", NULL, 0, 2000);
    assert_int_equal(check("a.txt", "64, 256", &error), -EINVAL);
    assert_non_null(strstr(error.text, "a context of 256"));
}

static void shards_are_counted_in_tokens(void **state)
{
    const int32_t gpt2[] = {20240520, 1, 641};
    const int32_t llama[] = {20240801, 7, 641};
    const int32_t short_gpt2[] = {20240520, 1, 640};
    const int32_t short_llama[] = {20240801, 7, 640};
    struct esp_error error = {""};

    (void)state;
    write_file("n.bin", NULL, 0, 1282);
    assert_int_equal(check("n.bin", "64", &error), 0);
    write_file("n.bin", NULL, 0, 1280);
    assert_int_equal(check("n.bin", "64", &error), -EINVAL);
    write_file("g.bin", gpt2, sizeof gpt2, 1024 + 1282);
    assert_int_equal(check("g.bin", "64", &error), 0);
    write_file("g.bin", short_gpt2, sizeof gpt2, 1024 + 1280);
    assert_int_equal(check("g.bin", "64", &error), -EINVAL);
    write_file("l.bin", llama, sizeof llama, 1024 + 2564);
    assert_int_equal(check("l.bin", "64", &error), 0);
    write_file("l.bin", short_llama, sizeof llama, 1024 + 2560);
    assert_int_equal(check("l.bin", "64", &error), -EINVAL);
}

static void what_the_trainer_refuses_is_refused(void **state)
{
    const int32_t gpt2[] = {20240520, 1, 5000};
    struct esp_error error = {""};

    (void)state;
    write_file("cut.bin", gpt2, sizeof gpt2, 1024 + 9998);
    assert_int_equal(check("cut.bin", "64", &error), -EINVAL);
    assert_non_null(strstr(error.text, "cut.bin' has 11022 bytes"));
    assert_non_null(strstr(error.text, "truncated"));
    write_file("m1.bin", gpt2, sizeof gpt2, 1024 + 10000);
    write_file("m2.txt", NULL, 0, 5000);
    assert_int_equal(check("m*", "64", &error), -EINVAL);
    assert_non_null(strstr(error.text, "mixed kinds"));
}

static void two_stars_stand_for_any_number_of_folders(void **state)
{
    struct esp_error error = {""};
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/deep", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/deep/er", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_file("deep/er/t1.rs", NULL, 0, 400);
    assert_int_equal(check("**/*.rs", "64", &error), -EINVAL);
    assert_non_null(strstr(error.text, "(1 file)"));
    write_file("t2.rs", NULL, 0, 400);
    assert_int_equal(check("**/*.rs", "64", &error), 0);
    assert_int_equal(check("**/*.zz", "64", &error), -ENOENT);
}

static void the_files_of_a_glob_count_together(void **state)
{
    struct esp_error error = {""};

    (void)state;
    write_file("p1.c", NULL, 0, 350);
    assert_int_equal(check("p*.c", "64", &error), -EINVAL);
    write_file("p2.c", NULL, 0, 350);
    assert_int_equal(check("p*.c", "64", &error), 0);
    assert_int_equal(check("q*.c", "64", &error), -ENOENT);
    assert_non_null(strstr(error.text, "no file matches"));
    write_file("p3.c", NULL, 0, 0); /* an empty file among others does no harm */
    assert_int_equal(check("p*.c", "64", &error), 0);
    assert_int_equal(check("p3.c", "64", &error), -EINVAL);
    assert_non_null(strstr(error.text, "p3.c' is too short: it has 0 bytes"));
}

static void a_file_named_like_a_glob_is_that_file(void **state)
{
    struct esp_error error = {""};

    (void)state;
    write_file("x[1].txt", NULL, 0, 1000);
    assert_int_equal(check("x[1].txt", "64", &error), 0);
}

static void what_is_no_file_is_named(void **state)
{
    struct esp_error error = {""};
    char path[128];

    (void)state;
    assert_int_equal(check("missing.txt", "64", &error), -ENOENT);
    assert_non_null(strstr(error.text, "missing.txt': No such file"));
    assert_int_equal(check(".", "64", &error), -EISDIR);
    assert_non_null(strstr(error.text, "is a folder"));
    snprintf(path, sizeof path, "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(check("fifo", "64", &error), -EINVAL);
    assert_non_null(strstr(error.text, "is not a regular file"));
}

static void a_file_without_permission_is_named(void **state)
{
    struct esp_error error = {""};
    char path[128];

    (void)state;
    if (geteuid() == 0) {
        skip(); /* root may read everything */
    }
    write_file("secret.txt", NULL, 0, 1000);
    snprintf(path, sizeof path, "%s/secret.txt", folder);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(check("secret.txt", "64", &error), -EACCES);
}

static void a_program_of_ones_own_brings_its_own_data(void **state)
{
    struct esp_study *s = read_good("program: t.py\nmethod: random\n" PARAMETERS);

    (void)state;
    assert_int_equal(esp_study_check_data(s, NULL), 0);
    esp_study_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_needs_ten_windows),
        cmocka_unit_test(shards_are_counted_in_tokens),
        cmocka_unit_test(what_the_trainer_refuses_is_refused),
        cmocka_unit_test(two_stars_stand_for_any_number_of_folders),
        cmocka_unit_test(the_files_of_a_glob_count_together),
        cmocka_unit_test(a_file_named_like_a_glob_is_that_file),
        cmocka_unit_test(what_is_no_file_is_named),
        cmocka_unit_test(a_file_without_permission_is_named),
        cmocka_unit_test(a_program_of_ones_own_brings_its_own_data),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
