/* How the agent answers each message, with real processes and without a socket. */
#include "../../../controller/agent/agent_protocol.h"
#include "../../../controller/system/files.h"

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
#include <unistd.h>

#include <cmocka.h>

#define SENT_MAX 16

static char dir[64], program[128];
static struct esp_message sent[SENT_MAX];
static uint64_t keys[SENT_MAX];
static char tail[256];
static int sent_count, refuse_sends;

static const char script[] = "#!/bin/sh\n"
                             "case $ESPALIER_PROCESS_KEY in\n"
                             "1) exec sleep 1000 ;;\n"
                             "2) echo 'no luck'; exit 4 ;;\n"
                             "esac\n";

static int remember(void *context, const struct esp_message *message)
{
    (void)context;
    if (refuse_sends) {
        return -EAGAIN;
    }
    assert_true(sent_count < SENT_MAX);
    if (message->kind == ESP_MESSAGE_HELLO) {
        assert_true(message->hello.process_count <= SENT_MAX);
        memcpy(keys, message->hello.processes, message->hello.process_count * sizeof *keys);
    }
    if (message->kind == ESP_MESSAGE_EXITED && message->exited.tail) {
        snprintf(tail, sizeof tail, "%s", message->exited.tail);
    }
    sent[sent_count++] = *message;
    return 0;
}

static int make_dir(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/espalier-protocol-XXXXXX");
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

static struct esp_agent_protocol begin(void)
{
    struct esp_agent_protocol protocol = {.id = 5,
                                          .study = 99,
                                          .host = "here",
                                          .device = "cpu",
                                          .slots = 2,
                                          .send = remember,
                                          .lease_ms = 1000,
                                          .heartbeat_ms = 100};
    struct esp_processes_options options = {.dir = dir,
                                            .endpoint = "ipc:///nowhere",
                                            .program = program,
                                            .study = 99,
                                            .grace_ms = 10};
    assert_int_equal(esp_processes_open(&options, &protocol.processes, NULL), 0);
    sent_count = 0;
    return protocol;
}

static void take(struct esp_agent_protocol *protocol, struct esp_message message)
{
    esp_agent_protocol_handle(protocol, &message, 0);
}

static void take_welcome(struct esp_agent_protocol *protocol)
{
    take(protocol,
         (struct esp_message){
             .kind = ESP_MESSAGE_WELCOME,
             .welcome = {.incarnation = 1, .heartbeat_ms = 50, .lease_ms = 700}});
}

static void spawn(struct esp_agent_protocol *protocol, uint64_t key)
{
    take(protocol,
         (struct esp_message){.kind = ESP_MESSAGE_SPAWN,
                              .spawn = {.key = key, .device = "cpu"}});
}

static void await_exit(struct esp_agent_protocol *protocol)
{
    struct esp_process *process = esp_processes_at(protocol->processes, 0);
    struct pollfd fd = {.fd = process->pidfd, .events = POLLIN};
    assert_int_equal(poll(&fd, 1, 60000), 1);
    esp_processes_reap(protocol->processes, 0);
    esp_agent_protocol_report(protocol);
}

static void forget(struct esp_agent_protocol *protocol, uint64_t key)
{
    take(protocol,
         (struct esp_message){.kind = ESP_MESSAGE_EXITED_ACK, .exited_ack = {.key = key}});
}

static void an_exit_is_reported_until_it_is_acknowledged(void **state)
{
    (void)state;
    struct esp_agent_protocol protocol = begin();
    esp_agent_protocol_hello(&protocol);
    assert_int_equal(sent[0].kind, ESP_MESSAGE_HELLO);
    assert_int_equal(sent[0].hello.process_count, 0);
    assert_int_equal(sent[0].hello.slots, 2);
    take_welcome(&protocol);
    assert_int_equal(protocol.heartbeat_ms, 50);
    assert_int_equal(protocol.lease_ms, 700);
    spawn(&protocol, 2);
    await_exit(&protocol);
    assert_int_equal(sent_count, 2);
    assert_int_equal(sent[1].kind, ESP_MESSAGE_EXITED);
    assert_int_equal(sent[1].exited.status, 4);
    assert_string_equal(tail, "no luck\n");
    esp_agent_protocol_report(&protocol); /* once for each connection */
    assert_int_equal(sent_count, 2);
    /* To another controller the key is still listed, and its exit is reported after the
     * Welcome. */
    take(&protocol, (struct esp_message){.kind = ESP_MESSAGE_INTRODUCE});
    assert_int_equal(sent_count, 3);
    assert_int_equal(sent[2].hello.process_count, 1);
    assert_true(keys[0] == 2);
    esp_agent_protocol_report(&protocol);
    assert_int_equal(sent_count, 3);
    take_welcome(&protocol);
    assert_int_equal(sent_count, 4);
    assert_int_equal(sent[3].exited.status, 4);
    forget(&protocol, 2);
    esp_agent_protocol_hello(&protocol);
    assert_int_equal(sent[4].hello.process_count, 0);
    esp_processes_close(protocol.processes);
}

static void an_exit_that_could_not_be_sent_is_reported_later(void **state)
{
    (void)state;
    struct esp_agent_protocol protocol = begin();
    take_welcome(&protocol);
    spawn(&protocol, 2);
    esp_processes_forget(protocol.processes, 2); /* has no effect on a living process */
    refuse_sends = 1;
    await_exit(&protocol);
    refuse_sends = 0;
    assert_int_equal(sent_count, 0);
    esp_agent_protocol_report(&protocol);
    assert_int_equal(sent_count, 1);
    forget(&protocol, 2);
    esp_processes_close(protocol.processes);
}

static void repeated_orders_have_no_second_effect(void **state)
{
    (void)state;
    struct esp_agent_protocol protocol = begin();
    take_welcome(&protocol);
    spawn(&protocol, 1);
    spawn(&protocol, 1);
    assert_int_equal(esp_processes_count(protocol.processes), 1);
    for (int i = 0; i < 2; i++) {
        take(&protocol,
             (struct esp_message){.kind = ESP_MESSAGE_KILL, .kill = {.key = 1, .now = true}});
    }
    await_exit(&protocol);
    assert_int_equal(sent_count, 1);
    assert_true(sent[0].exited.asked);
    assert_int_equal(sent[0].exited.signal, SIGKILL);
    forget(&protocol, 1);
    forget(&protocol, 1);
    /* A Kill for an unknown key is answered as if that process had exited. */
    take(&protocol, (struct esp_message){.kind = ESP_MESSAGE_KILL, .kill = {.key = 77}});
    assert_int_equal(sent_count, 2);
    assert_true(sent[1].exited.key == 77 && sent[1].exited.asked);
    esp_processes_close(protocol.processes);
}

static void refused_and_retire_set_the_flags_of_the_agent(void **state)
{
    (void)state;
    struct esp_agent_protocol protocol = begin();
    take(&protocol, (struct esp_message){.kind = ESP_MESSAGE_RETIRE});
    assert_true(protocol.retiring);
    take(&protocol,
         (struct esp_message){.kind = ESP_MESSAGE_WELCOME,
                              .welcome = {.refused = "another study"}});
    assert_string_equal(protocol.refused, "another study");
    assert_false(protocol.welcome);
    esp_processes_close(protocol.processes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exit_is_reported_until_it_is_acknowledged),
        cmocka_unit_test(an_exit_that_could_not_be_sent_is_reported_later),
        cmocka_unit_test(repeated_orders_have_no_second_effect),
        cmocka_unit_test(refused_and_retire_set_the_flags_of_the_agent),
    };
    return cmocka_run_group_tests_name("agent/protocol", tests, make_dir, remove_dir);
}
