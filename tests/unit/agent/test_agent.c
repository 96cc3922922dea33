/* A complete agent with a real socket and real processes: it is killed, replaced and retired.
 */
#include "../../../controller/agent/agent.h"
#include "../../../controller/system/files.h"
#include "../../../proto/transport/router.h"

#include "../../../proto/transport/endpoint.h"
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

#define STUDY 99
#define PATIENCE_MS 60000

static char dir[64], program[128];
static char endpoint[ESP_ENDPOINT_MAX];
static struct esp_router *router;
static struct esp_peer agent_peer;

static const char script[] = "#!/bin/sh\n"
                             "echo $$ >\"$5/pid-$ESPALIER_PROCESS_KEY\"\n"
                             "exec sleep 1000\n";

static int begin(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/espalier-agent-XXXXXX");
    assert_non_null(mkdtemp(dir));
    snprintf(program, sizeof program, "%s/program", dir);
    assert_int_equal(esp_files_write(program, script, sizeof script - 1, NULL), 0);
    assert_int_equal(chmod(program, 0755), 0);
    assert_int_equal(esp_endpoint_local(dir, endpoint, NULL), 0);
    return esp_router_create(&(struct esp_endpoint){.address = endpoint}, 1, &router, NULL);
}

static int end(void **state)
{
    (void)state;
    char command[128];
    esp_router_destroy(router, 0);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command) == 0 ? 0 : -1;
}

static pid_t start_agent(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct esp_agent_options options = {.dir = dir,
                                            .endpoint = endpoint,
                                            .device = "auto",
                                            .program = program,
                                            .study = STUDY};
        _exit(esp_agent_run(&options, NULL));
    }
    return pid;
}

/* Waits for the next message of that kind from an agent; others are dropped. */
static struct esp_message await(enum esp_message_kind kind)
{
    struct esp_message message;
    struct esp_peer peer;
    for (;;) {
        int rc = esp_router_receive(router, &peer, &message, NULL);
        if (rc == -EAGAIN) {
            assert_true(esp_router_poll(router, NULL, 0, PATIENCE_MS) >= 0);
        } else if (rc == 0 && message.kind == kind && peer.role == ESP_ROLE_AGENT) {
            agent_peer = peer;
            return message;
        }
    }
}

static void send_to_agent(struct esp_message message)
{
    assert_int_equal(esp_router_send(router, &agent_peer, &message, NULL), 0);
}

static void welcome(void)
{
    send_to_agent((struct esp_message){
        .kind = ESP_MESSAGE_WELCOME,
        .welcome = {.incarnation = 1, .heartbeat_ms = 200, .lease_ms = PATIENCE_MS}});
}

static int exit_status(pid_t pid)
{
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Reads the pid from the record. The record exists once a Kill that was sent after the Spawn,
 * on the same connection, has been answered. */
static pid_t pid_of(uint64_t key)
{
    struct esp_process_identity identity = {0};
    char path[128], text[512];
    snprintf(path, sizeof path, "%s/agent/processes/%d", dir, (int)key);
    if (esp_files_read(path, text, sizeof text) > 0) {
        const char *line = strstr(text, "pid ");
        identity.pid = line ? atoi(line + 4) : 0;
    }
    return identity.pid;
}

static void a_new_agent_adopts_the_processes_of_a_killed_agent(void **state)
{
    (void)state;
    pid_t first = start_agent();
    struct esp_message hello = await(ESP_MESSAGE_HELLO);
    uint64_t id = hello.hello.key;
    assert_true(hello.hello.study == STUDY);
    assert_int_equal(hello.hello.process_count, 0);
    assert_true(hello.hello.slots >= 1);
    welcome();
    send_to_agent(
        (struct esp_message){.kind = ESP_MESSAGE_SPAWN, .spawn = {.key = 7, .device = "cpu"}});
    /* A second agent exits with a status of its own. */
    assert_int_equal(exit_status(start_agent()), ESP_AGENT_EXIT_BUSY);
    /* Once a message sent after the Spawn is answered, the process exists. */
    send_to_agent(
        (struct esp_message){.kind = ESP_MESSAGE_KILL, .kill = {.key = 1234, .now = true}});
    assert_true(await(ESP_MESSAGE_EXITED).exited.key == 1234);
    pid_t process = pid_of(7);
    assert_true(process > 0 && kill(process, 0) == 0);

    kill(first, SIGKILL);
    assert_int_equal(exit_status(first), 128 + SIGKILL);
    assert_int_equal(kill(process, 0), 0); /* the process continues without its agent */

    pid_t second = start_agent();
    hello = await(ESP_MESSAGE_HELLO);
    while (hello.hello.pid != second) { /* sent by the first agent before it was killed */
        hello = await(ESP_MESSAGE_HELLO);
    }
    assert_true(hello.hello.key == id);
    assert_int_equal(hello.hello.process_count, 1);
    assert_true(hello.hello.processes[0] == 7);
    welcome();
    send_to_agent(
        (struct esp_message){.kind = ESP_MESSAGE_SPAWN, .spawn = {.key = 7, .device = "cpu"}});
    send_to_agent(
        (struct esp_message){.kind = ESP_MESSAGE_RETIRE}); /* it waits for its process */
    send_to_agent(
        (struct esp_message){.kind = ESP_MESSAGE_KILL, .kill = {.key = 7, .now = true}});
    assert_int_equal(pid_of(7), process);
    assert_int_equal(exit_status(second), 0);
    struct esp_message exited = await(ESP_MESSAGE_EXITED);
    assert_true(exited.exited.key == 7 && exited.exited.asked);
}

static void a_refused_agent_exits_with_status_1(void **state)
{
    (void)state;
    pid_t agent = start_agent();
    await(ESP_MESSAGE_HELLO);
    send_to_agent((struct esp_message){.kind = ESP_MESSAGE_WELCOME,
                                       .welcome = {.refused = "another study"}});
    assert_int_equal(exit_status(agent), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_agent_adopts_the_processes_of_a_killed_agent),
        cmocka_unit_test(a_refused_agent_exits_with_status_1),
    };
    return cmocka_run_group_tests_name("agent/agent", tests, begin, end);
}
