/* The state of the loop, and how it commits: inputs are gathered into a batch, the batch is
 * committed, and then its effects are performed. */
#ifndef ESPALIER_LOOP_PRIVATE_H
#define ESPALIER_LOOP_PRIVATE_H

#include "local_agent.h"
#include "loop.h"

#include "../../proto/transport/endpoint.h"
#include "../core/running_clock.h"

struct esp_router;

/* The sender of the command that applies changes of the study file. */
#define ESP_LOOP_SELF ((struct esp_peer){ESP_ROLE_CLIENT, UINT64_MAX})

struct esp_loop {
    struct esp_session *session;
    const struct esp_loop_options *options;
    struct esp_router *router;
    struct esp_local_agent agent;
    struct esp_outcome outcome; /* events and effects being gathered */
    struct esp_outcome batch;   /* events and effects being committed and performed */
    struct esp_error error;
    char endpoint[ESP_ENDPOINT_MAX];
    struct esp_running_clock clock; /* of the core's deadlines */
    int signals;
    int interruptions;
    bool messages_wait; /* the last batch was full before all messages were taken */
    bool finished;      /* the core has finished; only the agent is waited for */
    bool abandoned;     /* interrupted while nothing could be recorded */
    bool ledger_failed; /* a commit failed; tried again at retry_ms */
    bool reopen;        /* the ledger must be opened again before the next try */
    int exit_code;
    int64_t retry_ms;                   /* when a failed ledger is tried again */
    int64_t committed_ms;               /* time of the last commit */
    int64_t update_ms;                  /* when the watcher wants to be called again */
    int64_t retire_by_ms;               /* when a retired agent is killed */
    char refused[ESP_MESSAGE_TEXT_MAX]; /* why changes of the study file were refused; "": none
                                         */
};

void esp_loop_init(struct esp_loop *loop,
                   struct esp_session *session,
                   const struct esp_loop_options *options);
void esp_loop_release(struct esp_loop *loop);

/* Opens the socket at the study's local endpoint. */
int esp_loop_listen(struct esp_loop *loop);

/* Call the watcher. */
void esp_loop_print(struct esp_loop *loop, const char *text);
void esp_loop_update(struct esp_loop *loop, const struct esp_event *events, size_t count);

/* Deletes the file of a checkpoint, and its folder if that is empty then. */
void esp_loop_delete_checkpoint(const char *dir, const char *relative);

/* Passes one input to the core, and gathers its outcome. */
int esp_loop_step(struct esp_loop *loop, const struct esp_input *input);

/* Commits the gathered events and performs the effects. If the commit fails, both are dropped
 * and ledger_failed is set; that is not an error. */
int esp_loop_flush(struct esp_loop *loop);

/* After a failed commit: tests whether the ledger can be written again. If so, rebuilds the
 * core from it and continues. */
int esp_loop_recover(struct esp_loop *loop);

/* Passes START to the core; in a study that was never opened, first the calibration of its
 * discards. */
int esp_loop_start(struct esp_loop *loop);

#endif
