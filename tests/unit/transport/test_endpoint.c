/* The local address of a study. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../proto/transport/endpoint.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folders {
    char root[48], runtime[64], deep[160];
};

static int open_folders(void **state)
{
    static struct folders f;
    char part[61];
    strcpy(f.root, "/tmp/espalier-endpoint-XXXXXX");
    assert_non_null(mkdtemp(f.root));
    memset(part, 'd', 60);
    part[60] = '\0';
    snprintf(f.runtime, sizeof f.runtime, "%s/run", f.root);
    snprintf(f.deep, sizeof f.deep, "%s/%s", f.root, part);
    assert_int_equal(mkdir(f.runtime, 0700), 0);
    assert_int_equal(mkdir(f.deep, 0700), 0);
    setenv("XDG_RUNTIME_DIR", f.runtime, 1);
    *state = &f;
    return 0;
}

static int close_folders(void **state)
{
    struct folders *f = *state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", f->root);
    return system(command);
}

static void a_short_path_is_used_unchanged(void **state)
{
    struct folders *f = *state;
    char endpoint[ESP_ENDPOINT_MAX], expected[128], sloppy[128];
    assert_int_equal(esp_endpoint_local(f->root, endpoint, NULL), 0);
    snprintf(expected, sizeof expected, "ipc://%s/controller.sock", f->root);
    assert_string_equal(endpoint, expected);
    snprintf(sloppy, sizeof sloppy, "%s/run/../.", f->root);
    assert_int_equal(esp_endpoint_local(sloppy, endpoint, NULL), 0);
    assert_string_equal(endpoint, expected);
}

static void a_long_path_moves_to_the_runtime_folder(void **state)
{
    struct folders *f = *state;
    char endpoint[ESP_ENDPOINT_MAX], again[ESP_ENDPOINT_MAX], other[ESP_ENDPOINT_MAX];
    char folder[96], sibling[176];
    struct stat s;
    assert_int_equal(esp_endpoint_local(f->deep, endpoint, NULL), 0);
    snprintf(folder, sizeof folder, "%s/espalier", f->runtime);
    assert_int_equal(strncmp(endpoint + strlen("ipc://"), folder, strlen(folder)), 0);
    assert_true(strlen(endpoint) < ESP_ENDPOINT_MAX);
    assert_int_equal(stat(folder, &s), 0);
    assert_int_equal(s.st_mode & 0777, 0700);
    assert_int_equal(esp_endpoint_local(f->deep, again, NULL), 0);
    assert_string_equal(endpoint, again);
    snprintf(sibling, sizeof sibling, "%s2", f->deep);
    assert_int_equal(mkdir(sibling, 0700), 0);
    assert_int_equal(esp_endpoint_local(sibling, other, NULL), 0);
    assert_string_not_equal(endpoint, other);
}

static void a_folder_open_to_others_is_not_used(void **state)
{
    struct folders *f = *state;
    char endpoint[ESP_ENDPOINT_MAX], folder[96];
    snprintf(folder, sizeof folder, "%s/espalier", f->runtime);
    assert_int_equal(mkdir(folder, 0700), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(esp_endpoint_local(f->deep, endpoint, NULL), 0);
    assert_int_equal(strncmp(endpoint, "ipc:///tmp/espalier-", 20), 0);
}

static void a_missing_folder_is_named_in_the_error(void **state)
{
    char endpoint[ESP_ENDPOINT_MAX];
    struct esp_error error = {""};
    (void)state;
    assert_int_equal(esp_endpoint_local("/nonexistent/run", endpoint, &error), -ENOENT);
    assert_non_null(strstr(error.text, "/nonexistent/run"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_folders, close_folders)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_short_path_is_used_unchanged),
        TEST(a_long_path_moves_to_the_runtime_folder),
        TEST(a_folder_open_to_others_is_not_used),
        TEST(a_missing_folder_is_named_in_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
