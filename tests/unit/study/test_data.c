/* Checks of the data of a study: it exists, is readable and is long enough. */
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

static void text_needs_ten_windows(void **state)
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
    /* The longest context that is searched decides. */
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

static void malformed_data_is_refused(void **state)
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

static void two_stars_match_any_number_of_folders(void **state)
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

static void files_of_a_glob_are_added_up(void **state)
{
    struct esp_error error = {""};

    (void)state;
    write_file("p1.c", NULL, 0, 350);
    assert_int_equal(check("p*.c", "64", &error), -EINVAL);
    write_file("p2.c", NULL, 0, 350);
    assert_int_equal(check("p*.c", "64", &error), 0);
    assert_int_equal(check("q*.c", "64", &error), -ENOENT);
    assert_non_null(strstr(error.text, "no file matches"));
    write_file("p3.c", NULL, 0, 0); /* empty files are ignored */
    assert_int_equal(check("p*.c", "64", &error), 0);
    assert_int_equal(check("p3.c", "64", &error), -EINVAL);
    assert_non_null(strstr(error.text, "p3.c' is too short: it has 0 bytes"));
}

static void an_existing_file_with_wildcards_in_its_name_is_used(void **state)
{
    struct esp_error error = {""};

    (void)state;
    write_file("x[1].txt", NULL, 0, 1000);
    assert_int_equal(check("x[1].txt", "64", &error), 0);
}

static void the_error_names_what_is_not_a_regular_file(void **state)
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

static void the_error_names_an_unreadable_file(void **state)
{
    struct esp_error error = {""};
    char path[128];

    (void)state;
    if (geteuid() == 0) {
        skip(); /* root can read every file */
    }
    write_file("secret.txt", NULL, 0, 1000);
    snprintf(path, sizeof path, "%s/secret.txt", folder);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(check("secret.txt", "64", &error), -EACCES);
}

static void data_of_a_program_is_not_checked(void **state)
{
    struct esp_study *s = read_good("program: t.py\nmethod: random\n" PARAMETERS);

    (void)state;
    assert_int_equal(esp_study_check_data(s, NULL), 0);
    esp_study_destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_needs_ten_windows),
        cmocka_unit_test(shards_are_counted_in_tokens),
        cmocka_unit_test(malformed_data_is_refused),
        cmocka_unit_test(two_stars_match_any_number_of_folders),
        cmocka_unit_test(files_of_a_glob_are_added_up),
        cmocka_unit_test(an_existing_file_with_wildcards_in_its_name_is_used),
        cmocka_unit_test(the_error_names_what_is_not_a_regular_file),
        cmocka_unit_test(the_error_names_an_unreadable_file),
        cmocka_unit_test(data_of_a_program_is_not_checked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
