#include "wire.h"

#include <errno.h>
#include <espalier/clock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void wire_open(struct wire *w)
{
    struct esp_error error = {""};
    memset(w, 0, sizeof *w);
    strcpy(w->dir, "/tmp/espalier-wire-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    if (esp_endpoint_local(w->dir, w->endpoint, &error) < 0) {
        fail_msg("%s", error.text);
    }
}

void wire_listen(struct wire *w)
{
    struct esp_error error = {""};
    if (esp_router_create(
            &(struct esp_endpoint){.address = w->endpoint}, 1, &w->router, &error) < 0) {
        fail_msg("%s", error.text);
    }
}

void wire_stop(struct wire *w)
{
    esp_router_destroy(w->router, 0);
    w->router = NULL;
}

void wire_close(struct wire *w)
{
    wire_stop(w);
    unlink(w->endpoint + strlen("ipc://"));
    rmdir(w->dir);
}

int wire_receive(struct wire *w,
                 struct esp_peer *peer,
                 struct esp_message *message,
                 struct esp_error *error,
                 int64_t ms)
{
    int64_t end = esp_clock_ms() + ms;
    int rc;
    while ((rc = esp_router_receive(w->router, peer, message, error)) == -EAGAIN &&
           esp_clock_ms() < end) {
        esp_router_poll(w->router, NULL, 0, end - esp_clock_ms());
    }
    return rc;
}

struct esp_message
wire_expect(struct wire *w, enum esp_message_kind kind, struct esp_peer *peer)
{
    struct esp_message message;
    struct esp_error error;
    struct esp_peer from;
    int rc;
    while ((rc = wire_receive(w, &from, &message, &error, WAIT_MS)) == 0) {
        if (message.kind == kind || kind == ESP_MESSAGE_NONE) {
            if (peer) {
                *peer = from;
            }
            return message;
        }
    }
    fail_msg("waited for message %d, got %d", kind, rc);
    return message;
}

void wire_send(struct wire *w, struct esp_peer peer, const struct esp_message *message)
{
    struct esp_error error = {""};
    int rc = esp_router_send(w->router, &peer, message, &error);
    if (rc < 0) {
        fail_msg("cannot send: %d %s", rc, error.text);
    }
}

void wire_welcome(struct wire *w, struct esp_peer peer, uint32_t lease_ms)
{
    struct esp_message welcome = {.kind = ESP_MESSAGE_WELCOME};
    welcome.welcome =
        (struct esp_welcome){.incarnation = 1, .heartbeat_ms = 50, .lease_ms = lease_ms};
    wire_send(w, peer, &welcome);
}

struct esp_message wire_answer(struct wire *w, struct esp_dealer *d, enum esp_message_kind kind)
{
    struct esp_message message, ignored;
    struct esp_peer peer;
    int64_t end = esp_clock_ms() + WAIT_MS;
    int rc;
    while ((rc = esp_dealer_receive(d, &message, NULL)) == -EAGAIN && esp_clock_ms() < end) {
        while (esp_router_receive(w->router, &peer, &ignored, NULL) != -EAGAIN) {
        }
        esp_dealer_wait(d, false, NULL, 0, 1);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(message.kind, kind);
    return message;
}
