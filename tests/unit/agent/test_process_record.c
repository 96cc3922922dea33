/* The process table on disk, the identity of processes, and files. */
#include "../../../controller/agent/agent_id.h"
#include "../../../controller/agent/process_record.h"
#include "../../../controller/system/files.h"
#include "../../../controller/system/launch.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int make_dir(void **state)
{
    (void)state;
    char path[128];
    snprintf(dir, sizeof dir, "/tmp/espalier-record-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/agent/processes", dir);
    return esp_files_make_dir(path, NULL);
}

static int remove_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : -1;
}

static struct esp_process_record sample(uint64_t key)
{
    return (struct esp_process_record){
        .key = key,
        .identity = {.pid = 4711,
                     .start = 123456,
                     .boot = "0b6f7c1e-0000-4000-8000-000000000000"},
        .slot = 3,
        .asked = true,
        .ended = true,
        .status = -1,
        .signal = 9,
    };
}

static void a_record_reads_back_as_written(void **state)
{
    (void)state;
    struct esp_process_record before = sample(UINT64_MAX), after;
    char text[512];
    assert_true(esp_process_record_print(&before, text, sizeof text) > 0);
    assert_int_equal(esp_process_record_parse(text, &after), 0);
    assert_true(after.key == before.key);
    assert_int_equal(after.identity.pid, 4711);
    assert_true(after.identity.start == 123456);
    assert_string_equal(after.identity.boot, before.identity.boot);
    assert_int_equal(after.slot, 3);
    assert_true(after.asked && after.ended);
    assert_int_equal(after.status, -1);
    assert_int_equal(after.signal, 9);
}

static void every_truncated_record_is_refused(void **state)
{
    (void)state;
    struct esp_process_record before = sample(7), after;
    char text[512], cut[516];
    int length = esp_process_record_print(&before, text, sizeof text);
    for (int size = 0; size < length; size++) {
        memcpy(cut, text, (size_t)size);
        cut[size] = '\0';
        assert_int_equal(esp_process_record_parse(cut, &after), -EBADMSG);
    }
    snprintf(cut, sizeof cut, "%sx", text);
    assert_int_equal(esp_process_record_parse(cut, &after), -EBADMSG);
}

static int count_records(void *context, const struct esp_process_record *record)
{
    uint64_t *keys = context;
    keys[++keys[0]] = record->key;
    return 0;
}

static void a_damaged_record_is_set_aside(void **state)
{
    (void)state;
    char path[128];
    uint64_t keys[8] = {0};
    for (uint64_t key = 12; key >= 9; key--) {
        struct esp_process_record record = sample(key);
        assert_int_equal(esp_process_record_write(dir, &record, NULL), 0);
    }
    snprintf(path, sizeof path, "%s/agent/processes/10", dir);
    assert_int_equal(esp_files_write(path, "espalier-process 1\nkey 1", 24, NULL), 0);
    assert_int_equal(esp_process_record_list(dir, count_records, keys, NULL), 0);
    assert_int_equal(keys[0], 3);
    assert_true(keys[1] == 9 && keys[2] == 11 && keys[3] == 12);
    snprintf(path, sizeof path, "%s/agent/processes/10.damaged", dir);
    assert_int_equal(access(path, F_OK), 0);
    for (uint64_t key = 9; key <= 12; key++) {
        assert_int_equal(esp_process_record_remove(dir, key), 0);
    }
    keys[0] = 0;
    assert_int_equal(esp_process_record_list(dir, count_records, keys, NULL), 0);
    assert_int_equal(keys[0], 0);
}

/* A FIFO would keep the agent waiting in open(2). */
static void a_fifo_is_neither_read_nor_written(void **state)
{
    (void)state;
    struct esp_process_record record = sample(77);
    struct esp_launched launched;
    struct esp_error error = {""};
    char path[256], temp[300], out[64] = "unchanged";
    snprintf(path, sizeof path, "%s/agent/processes/77", dir);
    snprintf(temp, sizeof temp, "%s.tmp", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(esp_files_read(path, out, sizeof out), -ENXIO);
    esp_files_tail(path, 3, out, sizeof out);
    assert_string_equal(out, "");
    assert_int_equal(
        esp_launch_prepare(
            &(struct esp_launch){.program = "/bin/true", .log = path, .keep_fd = -1},
            &launched,
            &error),
        -ENXIO);
    assert_non_null(strstr(error.text, "not a regular file"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(temp, 0600), 0);
    assert_int_equal(esp_process_record_write(dir, &record, &error), -ENXIO);
    assert_non_null(strstr(error.text, "not a regular file"));
    assert_int_equal(unlink(temp), 0);
}

static void a_process_is_identified_by_more_than_its_pid(void **state)
{
    (void)state;
    struct esp_process_identity self, other;
    assert_int_equal(esp_process_identity_read(getpid(), &self, NULL), 0);
    int fd = esp_process_identity_open(&self);
    assert_true(fd >= 0);
    close(fd);
    other = self;
    other.start++;
    assert_int_equal(esp_process_identity_open(&other), -ESRCH);
    other = self;
    other.boot[0] = other.boot[0] == '0' ? '1' : '0';
    assert_int_equal(esp_process_identity_open(&other), -ESRCH);
}

static void a_zombie_counts_as_ended(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    struct esp_process_identity identity;
    bool zombie = false;
    assert_int_equal(esp_process_identity_read(pid, &identity, &zombie), 0);
    assert_true(zombie);
    assert_int_equal(esp_process_identity_open(&identity), -ESRCH);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(esp_process_identity_open(&identity), -ESRCH);
}

static void an_agent_has_the_same_id_after_a_restart(void **state)
{
    (void)state;
    uint64_t first = 0, second = 0;
    assert_int_equal(esp_agent_id(dir, &first, NULL), 0);
    assert_int_equal(esp_agent_id(dir, &second, NULL), 0);
    assert_true(first != 0 && first == second);
}

static void a_tail_has_whole_lines_of_valid_utf8(void **state)
{
    (void)state;
    char path[128], tail[32];
    snprintf(path, sizeof path, "%s/log", dir);
    assert_int_equal(esp_files_write(path, "one\ntwo\nthr\xffg\x01\nfour\n", 20, NULL), 0);
    esp_files_tail(path, 2, tail, sizeof tail);
    assert_string_equal(tail, "thr?g?\nfour\n");
    esp_files_tail(path, 40, tail, 12); /* begins inside "two", whose rest is dropped */
    assert_string_equal(tail, "four\n");
    snprintf(path, sizeof path, "%s/absent", dir);
    esp_files_tail(path, 2, tail, sizeof tail);
    assert_string_equal(tail, "");
}

static void a_folder_below_a_file_is_an_error_that_names_the_path(void **state)
{
    (void)state;
    char path[128];
    struct esp_error error = {{0}};
    snprintf(path, sizeof path, "%s/plain", dir);
    assert_int_equal(esp_files_write(path, "x", 1, NULL), 0);
    snprintf(path, sizeof path, "%s/plain/below", dir);
    assert_true(esp_files_make_dir(path, &error) < 0);
    assert_non_null(strstr(error.text, "plain"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_reads_back_as_written),
        cmocka_unit_test(every_truncated_record_is_refused),
        cmocka_unit_test(a_damaged_record_is_set_aside),
        cmocka_unit_test(a_fifo_is_neither_read_nor_written),
        cmocka_unit_test(a_process_is_identified_by_more_than_its_pid),
        cmocka_unit_test(a_zombie_counts_as_ended),
        cmocka_unit_test(an_agent_has_the_same_id_after_a_restart),
        cmocka_unit_test(a_tail_has_whole_lines_of_valid_utf8),
        cmocka_unit_test(a_folder_below_a_file_is_an_error_that_names_the_path),
    };
    return cmocka_run_group_tests_name("agent/record", tests, make_dir, remove_dir);
}
