/* The order that the controller keeps: append events → COMMIT → effects. */
#include "loop_private.h"

#include "../../proto/transport/router.h"

#include <errno.h>
#include <espalier/clock.h>
#include <espalier/full_disk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Interval between tests of a ledger that refused a commit. */
#define RETRY_MS 1000
/* Time for a retired agent to exit; without processes it exits at once. */
#define RETIRED_MS 10000
/* Performing effects can cause inputs (a peer has no connection), whose effects are performed
 * in the next round. */
#define ROUNDS_MAX 16

void esp_loop_init(struct esp_loop *loop,
                   struct esp_session *session,
                   const struct esp_loop_options *options)
{
    loop->session = session;
    loop->options = options;
    loop->clock.read_ms = esp_clock_ms();
    loop->signals = -1;
    loop->update_ms = INT64_MAX;
    loop->agent = (struct esp_local_agent){
        .dir = session->dir,
        .endpoint = loop->endpoint,
        .device = options->device,
        .study = session->options.nonce,
        .pidfd = -1,
    };
    esp_outcome_init(&loop->outcome);
    esp_outcome_init(&loop->batch);
}

void esp_loop_release(struct esp_loop *loop)
{
    esp_outcome_release(&loop->outcome);
    esp_outcome_release(&loop->batch);
    esp_local_agent_release(&loop->agent);
    if (loop->signals >= 0) {
        close(loop->signals);
    }
}

void esp_loop_print(struct esp_loop *loop, const char *text)
{
    loop->options->watcher.print(loop->options->watcher.context, text);
}

void esp_loop_update(struct esp_loop *loop, const struct esp_event *events, size_t count)
{
    const struct esp_loop_watcher *watcher = &loop->options->watcher;
    loop->update_ms =
        watcher->update(watcher->context, loop->session->core, events, count, esp_clock_ms());
}

int esp_loop_step(struct esp_loop *loop, const struct esp_input *given)
{
    struct esp_input input = *given;
    input.time_ms = esp_clock_wall_ms();
    int64_t now = esp_running_clock_read(&loop->clock, esp_clock_ms());
    int rc = esp_core_step(loop->session->core, &input, now, &loop->outcome);
    return rc < 0 ? esp_error_set(&loop->error, rc, "out of memory.") : 0;
}

/* While the ledger cannot be written the core is behind: peers are asked again afterwards. */
static const char *
admit(void *context, const struct esp_peer *peer, const struct esp_hello *hello)
{
    const struct esp_loop *loop = context;
    return loop->ledger_failed ? NULL : esp_core_refuses(loop->session->core, peer, hello);
}

int esp_loop_listen(struct esp_loop *loop)
{
    struct esp_endpoint local = {.address = loop->endpoint};
    int rc = esp_router_create(&local, 1, &loop->router, &loop->error);
    if (rc == 0) {
        esp_router_admission(loop->router, admit, loop);
    }
    return rc;
}

int esp_loop_start(struct esp_loop *loop)
{
    const struct esp_session *session = loop->session;
    struct esp_input calibration = {.kind = ESP_INPUT_CALIBRATION,
                                    .scores = session->calibration.scores,
                                    .score_count = session->calibration.count,
                                    .examined_count = session->calibration.examined_count};
    struct esp_input start = {.kind = ESP_INPUT_START, .text = ESP_VERSION};
    int rc = session->gathered ? esp_loop_step(loop, &calibration) : 0;
    return rc == 0 ? esp_loop_step(loop, &start) : rc;
}

static int send_effect(struct esp_loop *loop, const struct esp_effect *effect)
{
    struct esp_error error = {{0}};
    if (effect->peer.role == ESP_LOOP_SELF.role && effect->peer.key == ESP_LOOP_SELF.key) {
        if (effect->message.kind == ESP_MESSAGE_REPLY && effect->message.reply.code < 0) {
            const char *text = effect->message.reply.text;
            snprintf(loop->refused, sizeof loop->refused, "%s", text ? text : "refused");
        }
        return 0;
    }
    int rc = esp_router_send(loop->router, &effect->peer, &effect->message, &error);
    if (rc == -EHOSTUNREACH || rc == -EAGAIN) {
        struct esp_input gone = {.kind = ESP_INPUT_GONE, .peer = effect->peer};
        return esp_loop_step(loop, &gone);
    }
    if (rc < 0) {
        char text[ESP_MESSAGE_TEXT_MAX];
        snprintf(text, sizeof text, "cannot send a message: %.1900s", error.text);
        esp_loop_print(loop, text);
    }
    return 0;
}

void esp_loop_delete_checkpoint(const char *dir, const char *relative)
{
    char path[2 * ESP_PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", dir, relative);
    if (unlink(path) == 0) {
        char *slash = strrchr(path, '/');
        *slash = '\0';
        rmdir(path);
    }
}

static int perform(struct esp_loop *loop)
{
    for (size_t i = 0; i < loop->batch.effect_count; i++) {
        const struct esp_effect *effect = &loop->batch.effects[i];
        int rc = 0;
        switch (effect->kind) {
        case ESP_EFFECT_SEND:
            rc = send_effect(loop, effect);
            break;
        case ESP_EFFECT_DROP:
            esp_loop_delete_checkpoint(loop->session->dir, effect->path);
            break;
        case ESP_EFFECT_FINISH:
            loop->finished = true;
            loop->exit_code = effect->exit_code;
            loop->retire_by_ms = esp_clock_ms() + RETIRED_MS;
            break;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* The batch is not on disk, so that none of its effects may be performed. */
static int drop_batch(struct esp_loop *loop, int code, const struct esp_error *why)
{
    char text[ESP_MESSAGE_TEXT_MAX];
    esp_outcome_reset(&loop->batch);
    esp_outcome_reset(&loop->outcome);
    if (!loop->ledger_failed) {
        snprintf(
            text,
            sizeof text,
            "%.1700s. The search waits, and continues when the record can be written again.",
            why->text[0] ? why->text : strerror(-code));
        esp_loop_print(loop, text);
    }
    loop->ledger_failed = true;
    loop->reopen = !esp_is_full_disk(code) && code != -EBUSY;
    loop->retry_ms = esp_clock_ms() + RETRY_MS;
    return 0;
}

int esp_loop_recover(struct esp_loop *loop)
{
    loop->retry_ms = esp_clock_ms() + RETRY_MS;
    if (!loop->reopen && esp_store_room(loop->session->store, NULL) != 1) {
        return 0;
    }
    int rc = esp_session_rebuild(loop->session, loop->reopen, &loop->error);
    if (rc < 0) {
        return rc;
    }
    /* The new core knows no peers. On a new socket all peers introduce themselves again, and
     * repeat what was not acknowledged. */
    esp_router_destroy(loop->router, 0);
    loop->router = NULL;
    rc = esp_loop_listen(loop);
    if (rc < 0) {
        return rc;
    }
    loop->ledger_failed = false;
    esp_loop_print(loop, "the record can be written again; the search continues");
    rc = esp_loop_start(loop);
    if (rc == 0 && loop->interruptions > 0) {
        struct esp_input input = {.kind = ESP_INPUT_INTERRUPT};
        rc = esp_loop_step(loop, &input);
    }
    return rc;
}

int esp_loop_flush(struct esp_loop *loop)
{
    for (int round = 0; round < ROUNDS_MAX && !loop->finished; round++) {
        struct esp_outcome empty = loop->batch;
        loop->batch = loop->outcome;
        loop->outcome = empty;
        if (loop->batch.event_count == 0 && loop->batch.effect_count == 0) {
            return 0;
        }
        struct esp_error why = {{0}};
        int rc = esp_store_append(
            loop->session->store, loop->batch.events, loop->batch.event_count, &why);
        rc = rc < 0 ? rc : esp_store_commit(loop->session->store, &why);
        if (rc < 0) {
            return drop_batch(loop, rc, &why);
        }
        loop->committed_ms = esp_clock_ms();
        esp_loop_update(loop, loop->batch.events, loop->batch.event_count);
        rc = perform(loop);
        esp_outcome_reset(&loop->batch);
        if (rc < 0) {
            return rc;
        }
        /* Housekeeping comes after the answers, which peers wait for. */
        esp_store_tidy(loop->session->store);
    }
    return 0;
}
