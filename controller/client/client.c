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

/* A controller answers within milliseconds, or within seconds while it commits to a slow disk.
 */
#define ANSWER_MS 20000
/* Interval for repeating the Hello or the command until it is answered. A command with a known
 * id gets the recorded answer, so repeating it has no second effect. */
#define RETRY_MS 2000

struct exchange {
    struct esp_dealer *dealer;
    const struct esp_command *command;
    bool welcome;
    int64_t sent_ms;
};

static int send_hello(struct exchange *exchange)
{
    struct esp_message message = {
        .kind = ESP_MESSAGE_HELLO,
        .hello = {.role = ESP_ROLE_CLIENT,
                  .protocol = ESP_PROTOCOL_VERSION,
                  .host = "",
                  .device = "",
                  .version = ESP_VERSION},
    };
    exchange->welcome = false;
    exchange->sent_ms = esp_clock_ms();
    int rc = esp_dealer_send(exchange->dealer, &message, NULL);
    return rc == -EAGAIN ? 0 : rc; /* not connected yet: an INTRODUCE will follow */
}

static int send_command(struct exchange *exchange, struct esp_error *error)
{
    struct esp_message message = {.kind = ESP_MESSAGE_COMMAND, .command = *exchange->command};
    exchange->sent_ms = esp_clock_ms();
    int rc = esp_dealer_send(exchange->dealer, &message, error);
    return rc == -EAGAIN ? 0 : rc;
}

/* Sets the error of a command that was refused. */
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

/* Handles one message. Returns 1 when it was the answer. */
static int handle(struct exchange *exchange,
                  const struct esp_message *message,
                  char answer[ESP_MESSAGE_TEXT_MAX],
                  struct esp_error *error)
{
    switch (message->kind) {
    case ESP_MESSAGE_INTRODUCE:
        return send_hello(exchange);
    case ESP_MESSAGE_WELCOME:
        if (message->welcome.refused) {
            return esp_error_set(error,
                                 -EPERM,
                                 "the controller refused the connection: %s",
                                 message->welcome.refused);
        }
        exchange->welcome = true;
        return send_command(exchange, error);
    case ESP_MESSAGE_REPLY:
        if (message->reply.id != exchange->command->id) {
            return 0;
        }
        if (message->reply.code < 0) {
            return refuse(exchange->command,
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

static int run_exchange(struct exchange *exchange,
                        char answer[ESP_MESSAGE_TEXT_MAX],
                        struct esp_error *error)
{
    int64_t until = esp_clock_ms() + ANSWER_MS;
    int rc = send_hello(exchange);
    while (rc == 0) {
        struct esp_message message;
        int64_t now = esp_clock_ms();
        if (now >= until) {
            return esp_error_set(
                error,
                -ETIMEDOUT,
                "the controller did not answer within %d s. It may still carry out the "
                "command: `espalier status` shows the state.",
                ANSWER_MS / 1000);
        }
        int64_t wait = exchange->sent_ms + RETRY_MS - now;
        wait = wait < 0 ? 0 : wait;
        rc = esp_dealer_wait(
            exchange->dealer, false, NULL, 0, wait < until - now ? wait : until - now);
        if (rc < 0 && rc != -EINTR) {
            return esp_error_set(error, rc, "waiting failed: %s.", strerror(-rc));
        }
        rc = 0;
        while (rc == 0 && esp_dealer_receive(exchange->dealer, &message, NULL) == 0) {
            rc = handle(exchange, &message, answer, error);
        }
        if (rc == 0 && esp_clock_ms() - exchange->sent_ms >= RETRY_MS) {
            rc = exchange->welcome ? send_command(exchange, error) : send_hello(exchange);
        }
    }
    return rc;
}

/* No controller runs: records the command, and the next controller follows it. */
static int record_command(const char *dir,
                          const struct esp_command *command,
                          char answer[ESP_MESSAGE_TEXT_MAX],
                          struct esp_error *error)
{
    struct esp_offline_answer reply;
    int rc = esp_offline_command(dir, command, &reply, error);
    if (rc < 0) {
        return rc;
    }
    if (reply.code < 0) {
        return refuse(command, reply.code, reply.trial, reply.text, error);
    }
    bool continues = command->verb == ESP_VERB_CONTINUE || command->verb == ESP_VERB_SET;
    bool ends = command->verb == ESP_VERB_STOP || command->verb == ESP_VERB_PAUSE;
    struct esp_process_identity agent;
    if (continues && reply.work) {
        snprintf(answer,
                 ESP_MESSAGE_TEXT_MAX,
                 "recorded; espalier resume %s continues the search with it",
                 dir);
    } else if (ends && esp_agent_holder(dir, &agent) == 0) {
        snprintf(
            answer,
            ESP_MESSAGE_TEXT_MAX,
            "recorded; a process may still train it for up to %d s, unless espalier resume "
            "%s ends that sooner",
            ESP_LEASE_MS / 1000,
            dir);
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
    struct exchange exchange = {.command = command};
    command->id = esp_system_random();
    if (!esp_store_exists(dir)) {
        return esp_error_set(error, -ENOENT, "%s: there is no study in this folder.", dir);
    }
    int rc = esp_store_locked(dir, NULL);
    if (rc == 0) {
        return record_command(dir, command, answer, error);
    }
    rc = rc < 0 ? esp_error_set(error, rc, "%s: %s.", dir, strerror(-rc)) : 0;
    rc = rc < 0 ? rc : esp_endpoint_local(dir, endpoint, error);
    rc = rc < 0 ? rc
                : esp_dealer_connect(
                      &(struct esp_endpoint){.address = endpoint}, &exchange.dealer, error);
    if (rc < 0) {
        return rc;
    }
    rc = run_exchange(&exchange, answer, error);
    esp_dealer_close(exchange.dealer, 0);
    return rc == 1 ? 0 : rc;
}
