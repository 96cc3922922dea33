/* A process that claims to be one of a study's trial processes or agents but names another
 * study.
 *
 *   impostor ENDPOINT trial|agent KEY TRIAL
 *
 * As a trial process it sends a Hello with the real KEY and a wrong study and a Report of
 * attempt 1 of TRIAL with a loss of -100; as an agent a Hello and the exit of process KEY.
 * Prints the reason of the refusal that it is answered with, and exits with 0; with 1 when
 * nothing came within a minute. */
#include "../../proto/transport/dealer.h"

#include <errno.h>
#include <espalier/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 60000

static int fail(const char *what, const struct esp_error *error)
{
    fprintf(stderr, "%s: %s\n", what, error->text);
    return 1;
}

static void claim(struct esp_dealer *dealer, enum esp_role role, uint64_t key, uint32_t trial)
{
    struct esp_message hello = {.kind = ESP_MESSAGE_HELLO};
    hello.hello = (struct esp_hello){.role = role,
                                     .protocol = ESP_PROTOCOL_VERSION,
                                     .key = role == ESP_ROLE_AGENT ? 777 : key,
                                     .study = 1,
                                     .host = "elsewhere",
                                     .device = "cpu",
                                     .version = "0",
                                     .slots = 1};
    esp_dealer_send(dealer, &hello, NULL);
    if (role == ESP_ROLE_AGENT) {
        struct esp_message exited = {.kind = ESP_MESSAGE_EXITED};
        exited.exited = (struct esp_exited){.key = key, .status = 1};
        esp_dealer_send(dealer, &exited, NULL);
        return;
    }
    const struct esp_point point = {
        .step = 3, .tokens = 1500, .value = -100, .train_loss = -100};
    struct esp_message report = {.kind = ESP_MESSAGE_REPORT};
    report.report =
        (struct esp_report){.at = {.trial = trial, .attempt = 1, .sequence = 1000000},
                            .points = &point,
                            .point_count = 1};
    esp_dealer_send(dealer, &report, NULL);
}

int main(int argc, char **argv)
{
    struct esp_error error = {""};
    struct esp_dealer *dealer = NULL;
    if (argc != 5) {
        fprintf(stderr, "usage: impostor ENDPOINT trial|agent KEY TRIAL\n");
        return 2;
    }
    enum esp_role role = strcmp(argv[2], "agent") == 0 ? ESP_ROLE_AGENT : ESP_ROLE_TRIAL;
    if (esp_dealer_connect(&(struct esp_endpoint){.address = argv[1]}, &dealer, &error) < 0) {
        return fail("connect", &error);
    }
    int64_t end_ms = esp_clock_ms() + WAIT_MS;
    while (esp_clock_ms() < end_ms) {
        struct esp_message message;
        int rc = esp_dealer_receive(dealer, &message, &error);
        if (rc == 0 && message.kind == ESP_MESSAGE_INTRODUCE) {
            claim(dealer, role, strtoull(argv[3], NULL, 10), (uint32_t)atoi(argv[4]));
        }
        if (rc == 0 && message.kind == ESP_MESSAGE_WELCOME) {
            printf("%s\n", message.welcome.refused ? message.welcome.refused : "accepted");
            esp_dealer_close(dealer, 0);
            return 0;
        }
        if (rc == -EAGAIN) {
            esp_dealer_wait(dealer, false, NULL, 0, 100);
        }
    }
    fprintf(stderr, "no answer\n");
    esp_dealer_close(dealer, 0);
    return 1;
}
