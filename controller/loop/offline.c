#include "offline.h"

#include "loop_private.h"

#include <espalier/clock.h>
#include <stdio.h>

/* Performs the effects of a command: the answer, and deleting checkpoints. Messages to trial
 * processes are dropped: the next controller sends what is outstanding when they introduce
 * themselves. */
static void perform(const struct esp_session *session,
                    const struct esp_outcome *outcome,
                    const struct esp_command *command,
                    struct esp_offline_answer *answer)
{
    for (size_t i = 0; i < outcome->effect_count; i++) {
        const struct esp_effect *effect = &outcome->effects[i];
        if (effect->kind == ESP_EFFECT_DROP) {
            esp_loop_delete_checkpoint(session->dir, effect->path);
        } else if (effect->kind == ESP_EFFECT_SEND &&
                   effect->message.kind == ESP_MESSAGE_REPLY &&
                   effect->message.reply.id == command->id) {
            const struct esp_reply *reply = &effect->message.reply;
            answer->code = reply->code;
            answer->trial = reply->trial;
            snprintf(answer->text, sizeof answer->text, "%s", reply->text ? reply->text : "");
        }
    }
}

static int step(struct esp_core *core,
                const struct esp_input *given,
                struct esp_outcome *outcome,
                struct esp_error *error)
{
    struct esp_input input = *given;
    input.time_ms = esp_clock_wall_ms();
    int rc = esp_core_step(core, &input, esp_clock_ms(), outcome);
    return rc < 0 ? esp_error_set(error, rc, "out of memory.") : 0;
}

/* Tests whether the core would have work. The core is not used afterwards. */
static int find_work(struct esp_core *core, bool *work, struct esp_error *error)
{
    struct esp_outcome outcome;
    struct esp_input start = {.kind = ESP_INPUT_START, .text = ESP_VERSION};
    esp_outcome_init(&outcome);
    int rc = step(core, &start, &outcome, error);
    *work = true;
    for (size_t i = 0; i < outcome.effect_count; i++) {
        *work &= outcome.effects[i].kind != ESP_EFFECT_FINISH;
    }
    esp_outcome_release(&outcome);
    return rc;
}

int esp_offline_command(const char *dir,
                        const struct esp_command *command,
                        struct esp_offline_answer *answer,
                        struct esp_error *error)
{
    struct esp_session session;
    struct esp_session_options options = {.dir = dir};
    struct esp_outcome outcome;
    struct esp_message message = {.kind = ESP_MESSAGE_COMMAND, .command = *command};
    struct esp_input input = {
        .kind = ESP_INPUT_MESSAGE, .peer = ESP_LOOP_SELF, .message = &message};
    *answer = (struct esp_offline_answer){0};
    int rc = esp_session_open(&options, &session, error);
    if (rc < 0) {
        return rc;
    }
    esp_outcome_init(&outcome);
    rc = step(session.core, &input, &outcome, error);
    if (rc == 0) {
        rc = esp_store_append(session.store, outcome.events, outcome.event_count, error);
    }
    rc = rc < 0 ? rc : esp_store_commit(session.store, error);
    if (rc == 0) {
        perform(&session, &outcome, command, answer);
        rc = find_work(session.core, &answer->work, error);
    }
    esp_outcome_release(&outcome);
    esp_session_close(&session);
    return rc;
}
