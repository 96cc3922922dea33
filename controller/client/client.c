#include "client.h"

#include "../agent/agent.h"
#include "../loop/offline.h"
#include "../store/store.h"
#include "../system/random.h"

#include "../../proto/transport/dealer.h"
#include "../../proto/transport/endpoint.h"
#include <errno.h>
#include <espalier/clock.h>
#include <espalier/limits.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A live controller answers in milliseconds; one that is busy with a commit on a slow disk in
 * seconds. */
#define ANSWER_MS 20000
/* The Hello and the command are sent again this often until they are answered: a repeated id
 * gets the recorded answer. */
#define RETRY_MS 2000

struct talk {
    struct esp_dealer *dealer;
    const struct esp_command *command;
    bool welcome;
    int64_t sent_ms;
};

static int say_hello(struct talk *talk)
{
    struct esp_message message = {
        .kind = ESP_MESSAGE_HELLO,
        .hello = {.role = ESP_ROLE_CLIENT,
                  .protocol = ESP_PROTOCOL_VERSION,
                  .host = "",
                  .device = "",
                  .version = ESP_VERSION},
    };
    talk->welcome = false;
    talk->sent_ms = esp_clock_ms();
    int rc = esp_dealer_send(talk->dealer, &message, NULL);
    return rc == -EAGAIN ? 0 : rc; /* asked for once it is connected */
}

static int say_command(struct talk *talk, struct esp_error *error)
{
    struct esp_message message = {.kind = ESP_MESSAGE_COMMAND, .command = *talk->command};
    talk->sent_ms = esp_clock_ms();
    int rc = esp_dealer_send(talk->dealer, &message, error);
    return rc == -EAGAIN ? 0 : rc;
}

/* The words of a refusal. */
static int refuse(const struct esp_command *command,
                  int32_t code,
                  uint32_t trial,
                  const char *text,
                  struct esp_error *error)
{
    text = text && text[0] ? text : strerror(-code);
    return command->trial_count > 0
               ? esp_error_set(error, code, "trial #%" PRIu32 ": %s.", trial, text)
               : esp_error_set(error, code, "%s.", text);
}

/* 1: answered. */
static int take(struct talk *talk,
                const struct esp_message *message,
                char answer[ESP_MESSAGE_TEXT_MAX],
                struct esp_error *error)
{
    switch (message->kind) {
    case ESP_MESSAGE_INTRODUCE:
        return say_hello(talk);
    case ESP_MESSAGE_WELCOME:
        if (message->welcome.refused) {
            return esp_error_set(
                error, -EPERM, "the controller refuses: %s", message->welcome.refused);
        }
        talk->welcome = true;
        return say_command(talk, error);
    case ESP_MESSAGE_REPLY:
        if (message->reply.id != talk->command->id) {
            return 0;
        }
        if (message->reply.code < 0) {
            return refuse(talk->command,
                          message->reply.code,
                          message->reply.trial,
                          message->reply.text,
                          error);
        }
        snprintf(
            answer, ESP_MESSAGE_TEXT_MAX, "%s", message->reply.text ? message->reply.text : "");
        return 1;
    default:
        return 0;
    }
}

static int talk_until_answered(struct talk *talk,
                               char answer[ESP_MESSAGE_TEXT_MAX],
                               struct esp_error *error)
{
    int64_t until = esp_clock_ms() + ANSWER_MS;
    int rc = say_hello(talk);
    while (rc == 0) {
        struct esp_message message;
        int64_t now = esp_clock_ms();
        if (now >= until) {
            return esp_error_set(
                error,
                -ETIMEDOUT,
                "the controller did not answer within %d s. It may still do what was asked: "
                "`espalier status` shows how things stand.",
                ANSWER_MS / 1000);
        }
        int64_t wait = talk->sent_ms + RETRY_MS - now;
        wait = wait < 0 ? 0 : wait;
        rc = esp_dealer_wait(
            talk->dealer, false, NULL, 0, wait < until - now ? wait : until - now);
        if (rc < 0 && rc != -EINTR) {
            return esp_error_set(error, rc, "waiting failed: %s.", strerror(-rc));
        }
        rc = 0;
        while (rc == 0 && esp_dealer_receive(talk->dealer, &message, NULL) == 0) {
            rc = take(talk, &message, answer, error);
        }
        if (rc == 0 && esp_clock_ms() - talk->sent_ms >= RETRY_MS) {
            rc = talk->welcome ? say_command(talk, error) : say_hello(talk);
        }
    }
    return rc;
}

/* Nobody is there to answer: it is recorded, and the next controller goes by it. */
static int record_command(const char *dir,
                          const struct esp_command *command,
                          char answer[ESP_MESSAGE_TEXT_MAX],
                          struct esp_error *error)
{
    struct esp_offline_answer said;
    int rc = esp_offline_command(dir, command, &said, error);
    if (rc < 0) {
        return rc;
    }
    if (said.code < 0) {
        return refuse(command, said.code, said.trial, said.text, error);
    }
    bool goes_on = command->verb == ESP_VERB_CONTINUE || command->verb == ESP_VERB_SET;
    bool ends = command->verb == ESP_VERB_STOP || command->verb == ESP_VERB_PAUSE;
    struct esp_process_identity agent;
    if (goes_on && said.work) {
        snprintf(
            answer, ESP_MESSAGE_TEXT_MAX, "recorded; espalier resume %s goes on with it", dir);
    } else if (ends && esp_agent_holder(dir, &agent) == 0) {
        snprintf(answer,
                 ESP_MESSAGE_TEXT_MAX,
                 "recorded; a process that still trains it is told by espalier resume %s, and "
                 "without that trains on for up to %d s",
                 dir,
                 ESP_LEASE_MS / 1000);
    } else {
        snprintf(answer, ESP_MESSAGE_TEXT_MAX, "recorded.");
    }
    return 0;
}

int esp_client_command(const char *dir,
                       struct esp_command *command,
                       char answer[ESP_MESSAGE_TEXT_MAX],
                       struct esp_error *error)
{
    char endpoint[ESP_ENDPOINT_MAX];
    struct talk talk = {.command = command};
    command->id = esp_system_random();
    if (!esp_store_exists(dir)) {
        return esp_error_set(error, -ENOENT, "%s: holds no study.", dir);
    }
    int rc = esp_store_locked(dir, NULL);
    if (rc == 0) {
        return record_command(dir, command, answer, error);
    }
    rc = rc < 0 ? esp_error_set(error, rc, "%s: %s.", dir, strerror(-rc)) : 0;
    rc = rc < 0 ? rc : esp_endpoint_local(dir, endpoint, error);
    rc = rc < 0 ? rc
                : esp_dealer_connect(
                      &(struct esp_endpoint){.address = endpoint}, &talk.dealer, error);
    if (rc < 0) {
        return rc;
    }
    rc = talk_until_answered(&talk, answer, error);
    esp_dealer_close(talk.dealer, 0);
    return rc == 1 ? 0 : rc;
}
