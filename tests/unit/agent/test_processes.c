/* Real child processes: they are started once, adopted, ended, and leave no zombies. */
#include "../../../controller/agent/processes.h"
#include "../../../controller/system/files.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
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

static char dir[64], program[128];

/* Replaces the trial program in tests about starting and ending it; the key selects what it
 * does.
 */
static const char script[] = "#!/bin/sh\n"
                             "key=$ESPALIER_PROCESS_KEY\n"
                             "case $key in\n"
                             "1) echo started >>\"$5/count-1\"; exec sleep 1000 ;;\n"
                             "2) echo 'out of luck' >&2; exit 3 ;;\n"
                             "3) kill -9 $$ ;;\n"
                             "4) trap '' TERM; echo ready; while :; do sleep 1000; done ;;\n"
                             "5) exec sleep 1000 ;;\n"
                             "esac\n";

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/espalier-processes-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(program, sizeof program, "%s/program", dir);
    assert_int_equal(esp_files_write(program, script, sizeof script - 1, NULL), 0);
    return chmod(program, 0755);
}

static int remove_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : -1;
}

static struct esp_processes *open_table(void)
{
    struct esp_processes *table = NULL;
    struct esp_processes_options options = {.dir = dir,
                                            .endpoint = "ipc:///nowhere",
                                            .program = program,
                                            .study = 99,
                                            .grace_ms = 10};
    assert_int_equal(esp_processes_open(&options, &table, NULL), 0);
    return table;
}

static struct esp_process *find(struct esp_processes *table, uint64_t key, size_t *index)
{
    for (size_t i = 0; i < esp_processes_count(table); i++) {
        if (esp_processes_at(table, i)->record.key == key) {
            *index = i;
            return esp_processes_at(table, i);
        }
    }
    return NULL;
}

/* Waits on the pidfd of `key` and records the exit. */
static struct esp_process *await_exit(struct esp_processes *table, uint64_t key)
{
    size_t index = 0;
    struct esp_process *process = find(table, key, &index);
    assert_non_null(process);
    if (!process->record.ended) {
        struct pollfd fd = {.fd = process->pidfd, .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 60000), 1);
        esp_processes_reap(table, index);
    }
    assert_true(process->record.ended);
    return process;
}

static void a_key_is_started_once(void **state)
{
    (void)state;
    size_t index = 0;
    struct esp_processes *table = open_table();
    assert_int_equal(esp_processes_spawn(table, 1, "cpu", 0, NULL), 0);
    pid_t pid = find(table, 1, &index)->record.identity.pid;
    assert_int_equal(esp_processes_spawn(table, 1, "cpu", 0, NULL), 0);
    assert_int_equal(esp_processes_count(table), 1);
    assert_int_equal(getsid(pid) == pid || getsid(pid) == getsid(0), 1);
    assert_int_equal(esp_processes_kill(table, 1, true, 0), 0);
    struct esp_process *process = await_exit(table, 1);
    assert_int_equal(process->record.signal, SIGKILL);
    assert_true(process->record.asked);
    assert_int_equal(kill(pid, 0), -1); /* reaped: no zombie */
    assert_int_equal(esp_processes_spawn(table, 1, "cpu", 0, NULL), 0);
    assert_true(find(table, 1, &index)->record.ended); /* not started again */
    esp_processes_forget(table, 1);
    assert_int_equal(esp_processes_count(table), 0);
    assert_int_equal(esp_processes_spawn(table, 1, "cpu", 0, NULL), 0); /* a delayed Spawn */
    assert_int_equal(esp_processes_count(table), 0);
    esp_processes_close(table);
}

static void an_exit_has_a_status_and_a_log(void **state)
{
    (void)state;
    char tail[ESP_LOG_TAIL_MAX];
    struct esp_processes *table = open_table();
    assert_int_equal(esp_processes_spawn(table, 2, "cpu", 0, NULL), 0);
    struct esp_process *process = await_exit(table, 2);
    assert_int_equal(process->record.status, 3);
    assert_int_equal(process->record.signal, 0);
    assert_false(process->record.asked);
    esp_processes_tail(table, 2, tail);
    assert_string_equal(tail, "out of luck\n");
    esp_processes_forget(table, 2);
    esp_processes_close(table);
}

static void a_signal_without_a_kill_is_recorded(void **state)
{
    (void)state;
    struct esp_processes *table = open_table();
    assert_int_equal(esp_processes_spawn(table, 3, "cpu", 0, NULL), 0);
    struct esp_process *process = await_exit(table, 3);
    assert_int_equal(process->record.status, -1);
    assert_int_equal(process->record.signal, SIGKILL);
    assert_false(process->record.asked);
    esp_processes_forget(table, 3);
    esp_processes_close(table);
}

static void a_process_that_ignores_sigterm_is_killed_after_the_grace_period(void **state)
{
    (void)state;
    struct esp_processes *table = open_table();
    assert_int_equal(esp_processes_spawn(table, 4, "cpu", 0, NULL), 0);
    char tail[ESP_LOG_TAIL_MAX] = "";
    while (strcmp(tail, "ready\n") != 0) { /* its trap is set now */
        assert_false(poll(NULL, 0, 1) < 0 && errno != EINTR);
        esp_processes_tail(table, 4, tail);
    }
    assert_int_equal(esp_processes_kill(table, 4, false, 1000), 0);
    assert_true(esp_processes_deadline(table) == 1010);
    esp_processes_expire(table, 1009);
    size_t index = 0;
    assert_false(find(table, 4, &index)->record.ended);
    esp_processes_expire(table, 1010);
    assert_true(esp_processes_deadline(table) == INT64_MAX);
    assert_int_equal(await_exit(table, 4)->record.signal, SIGKILL);
    esp_processes_forget(table, 4);
    esp_processes_close(table);
}

static void a_new_table_adopts_living_processes_and_keeps_exits(void **state)
{
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t agent = fork();
    if (agent == 0) { /* the previous agent starts a process and is killed */
        struct esp_processes *table = open_table();
        size_t index = 0;
        esp_processes_spawn(table, 5, "cpu", 0, NULL);
        pid_t pid = find(table, 5, &index)->record.identity.pid;
        if (write(ready[1], &pid, sizeof pid) == sizeof pid) {
            raise(SIGKILL);
        }
        _exit(1);
    }
    pid_t pid = 0;
    assert_int_equal(read(ready[0], &pid, sizeof pid), sizeof pid);
    int status = 0;
    assert_int_equal(waitpid(agent, &status, 0), agent);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(ready[0]);
    close(ready[1]);

    size_t index = 0;
    struct esp_processes *table = open_table();
    assert_int_equal(esp_processes_alive(table), 1);
    struct esp_process *process = find(table, 5, &index);
    assert_int_equal(process->record.identity.pid, pid);
    assert_false(process->child);
    assert_int_equal(esp_processes_spawn(table, 5, "cpu", 0, NULL), 0); /* not started again */
    assert_int_equal(find(table, 5, &index)->record.identity.pid, pid);
    assert_int_equal(esp_processes_kill(table, 5, true, 0), 0);
    process = await_exit(table, 5);
    assert_int_equal(process->record.status, -1); /* not our child: unknown */
    esp_processes_close(table);

    table = open_table(); /* the exit is kept until it is acknowledged */
    process = find(table, 5, &index);
    assert_non_null(process);
    assert_true(process->record.ended && process->record.asked);
    esp_processes_forget(table, 5);
    esp_processes_close(table);
    table = open_table();
    assert_int_equal(esp_processes_count(table), 0);
    esp_processes_close(table);
}

static void a_program_that_cannot_run_has_the_reason_in_its_log(void **state)
{
    (void)state;
    struct esp_processes *table = NULL;
    char tail[ESP_LOG_TAIL_MAX];
    struct esp_processes_options options = {
        .dir = dir, .endpoint = "x", .program = "/nonexistent/espalier-trial", .grace_ms = 1};
    assert_int_equal(esp_processes_open(&options, &table, NULL), 0);
    assert_int_equal(esp_processes_spawn(table, 6, "cpu", 0, NULL), 0);
    assert_int_equal(await_exit(table, 6)->record.status, 127);
    esp_processes_tail(table, 6, tail);
    assert_non_null(strstr(tail, "/nonexistent/espalier-trial"));
    esp_processes_forget(table, 6);
    esp_processes_close(table);
}

static void no_descriptor_leaks(void **state)
{
    (void)state;
    int before = 0, after = 0;
    for (int round = 0; round < 2; round++) {
        struct esp_processes *table = open_table();
        for (uint64_t key = 20; key < 25; key++) {
            assert_int_equal(
                esp_processes_spawn(table, key + 10 * (uint64_t)round, "cpu", 0, NULL), 0);
            await_exit(table, key + 10 * (uint64_t)round);
            esp_processes_forget(table, key + 10 * (uint64_t)round);
        }
        esp_processes_close(table);
        int count = 0;
        DIR *fds = opendir("/proc/self/fd");
        while (readdir(fds)) {
            count++;
        }
        closedir(fds);
        *(round ? &after : &before) = count;
    }
    assert_int_equal(before, after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_started_once),
        cmocka_unit_test(an_exit_has_a_status_and_a_log),
        cmocka_unit_test(a_signal_without_a_kill_is_recorded),
        cmocka_unit_test(a_process_that_ignores_sigterm_is_killed_after_the_grace_period),
        cmocka_unit_test(a_new_table_adopts_living_processes_and_keeps_exits),
        cmocka_unit_test(a_program_that_cannot_run_has_the_reason_in_its_log),
        cmocka_unit_test(no_descriptor_leaks),
    };
    return cmocka_run_group_tests_name("agent/processes", tests, make_dir, remove_dir);
}
