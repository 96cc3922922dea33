/* The loop's inside: inputs gathered into a batch, the batch committed, its effects performed.
 */
#ifndef ESPALIER_LOOP_PRIVATE_H
#define ESPALIER_LOOP_PRIVATE_H

#include "local_agent.h"
#include "loop.h"

#include "../../proto/transport/endpoint.h"

struct esp_router;

/* The sender of the command that brings the study file's changed settings. */
#define ESP_LOOP_OURSELVES ((struct esp_peer){ESP_ROLE_CLIENT, UINT64_MAX})

struct esp_loop {
    struct esp_session *session;
    const struct esp_loop_options *options;
    struct esp_router *router;
    struct esp_local_agent agent;
    struct esp_outcome outcome, batch; /* being gathered; being performed */
    struct esp_error error;
    char endpoint[ESP_ENDPOINT_MAX];
    int signals;
    int interruptions;
    bool finished, abandoned, reopen;
    bool ailing; /* the ledger refused a commit; tried again at room_ms */
    int exit_code;
    int64_t room_ms, committed_ms, look_ms, retired_ms; /* monotonic */
    char refused[ESP_MESSAGE_TEXT_MAX]; /* why the file's changed settings were not taken */
};

void esp_loop_init(struct esp_loop *loop,
                   struct esp_session *session,
                   const struct esp_loop_options *options);
void esp_loop_release(struct esp_loop *loop);

/* Opens the socket at the study's local endpoint. */
int esp_loop_listen(struct esp_loop *loop);

void esp_loop_say(struct esp_loop *loop, const char *words);
void esp_loop_look(struct esp_loop *loop, const struct esp_event *events, size_t count);

/* Deletes a checkpoint's file, and its folder with the last one. */
void esp_loop_drop_file(const char *dir, const char *relative);

/* One input into the core. */
int esp_loop_step(struct esp_loop *loop, const struct esp_input *input);

/* Commits what was gathered and performs its effects. A commit that fails makes the loop
 * ailing; only a ledger that cannot be read any more is an error. */
int esp_loop_flush(struct esp_loop *loop);

/* Ailing: looks whether the ledger takes commits again, and if so goes on from it. */
int esp_loop_recover(struct esp_loop *loop);

/* START; before it, in a study that was never opened, what its discards go by. */
int esp_loop_start(struct esp_loop *loop);

#endif
