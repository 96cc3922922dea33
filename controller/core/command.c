/* Commands of clients. A command's id makes repeats harmless: they get the recorded answer. */
#include "command.h"

#include "answers.h"
#include "effects.h"
#include "outcome.h"
#include "record.h"
#include "shutdown.h"

#include <assert.h>
#include <errno.h>
#include <espalier/exit.h>

static const struct esp_command_result success = {0, 0, NULL};

/* Carries out the command on every trial. The result is that of the first refusal. */
static struct esp_command_result on_trials(struct esp_core *core, const struct esp_command *c)
{
    struct esp_command_result answer = success;
    if (c->trial_count == 0) {
        return (struct esp_command_result){-EINVAL, 0, "no trial is named"};
    }
    if (c->trial_count > ESP_COMMAND_TRIALS_MAX) {
        return (struct esp_command_result){-E2BIG, 0, "too many trials in one command"};
    }
    for (uint32_t i = 0; i < c->trial_count; i++) {
        struct esp_command_result result =
            c->trials[i] < core->trial_count
                ? esp_command_trial(core, c->verb, c->trials[i])
                : (struct esp_command_result){-ENOENT, c->trials[i], "there is no such trial"};
        if (result.code && !answer.code) {
            answer = result;
        }
    }
    return answer;
}

static void note(struct esp_core *core, int64_t trial, const char *text)
{
    struct esp_event event = esp_event_of(ESP_EVENT_NOTE);
    event.trial = trial;
    event.note.text = text;
    esp_record(core, &event);
}

static struct esp_command_result on_note(struct esp_core *core, const struct esp_command *c)
{
    struct esp_command_result answer = success;
    const char *text = esp_outcome_text(core->outcome, c->text, ESP_MESSAGE_TEXT_MAX);
    if (!text || !text[0]) {
        return (struct esp_command_result){-EINVAL, 0, "the note is empty"};
    }
    if (c->trial_count > ESP_COMMAND_TRIALS_MAX) {
        return (struct esp_command_result){-E2BIG, 0, "too many trials in one command"};
    }
    for (uint32_t i = 0; i < c->trial_count; i++) {
        if (c->trials[i] < core->trial_count) {
            note(core, c->trials[i], text);
        } else if (!answer.code) {
            answer =
                (struct esp_command_result){-ENOENT, c->trials[i], "there is no such trial"};
        }
    }
    if (c->trial_count == 0) {
        note(core, -1, text);
    }
    return answer;
}

static struct esp_command_result answer_to(struct esp_core *core, const struct esp_command *c)
{
    switch (c->verb) {
    case ESP_VERB_STOP:
    case ESP_VERB_PAUSE:
    case ESP_VERB_CONTINUE:
    case ESP_VERB_EXTEND:
        return on_trials(core, c);
    case ESP_VERB_ADD:
        return esp_command_add(core, c);
    case ESP_VERB_SET:
        return esp_command_set(core, c);
    case ESP_VERB_NOTE:
        return on_note(core, c);
    case ESP_VERB_INTERRUPT:
        esp_interrupt(core, ESP_MODE_INTERRUPT, ESP_EXIT_PAUSED);
        return success;
    case ESP_VERB_PING:
        return success;
    }
    return (struct esp_command_result){-EINVAL, 0, "an unknown verb"};
}

static void reply(struct esp_core *core,
                  struct esp_peer peer,
                  uint64_t id,
                  const struct esp_command_result *result)
{
    struct esp_message message = {.kind = ESP_MESSAGE_REPLY};
    message.reply = (struct esp_reply){
        .id = id,
        .code = result->code,
        .trial = result->trial,
        .text = esp_outcome_text(core->outcome, result->text, ESP_MESSAGE_TEXT_MAX)};
    esp_send(core, peer, &message);
}

/* The trial that a command is recorded with; -1: none. */
static int64_t subject_of(const struct esp_core *core,
                          const struct esp_command *c,
                          const struct esp_command_result *result)
{
    uint32_t trial = result->trial;
    if (!result->code && c->verb != ESP_VERB_ADD) {
        if (c->trial_count == 0) {
            return -1;
        }
        trial = c->trials[0];
    }
    return trial < core->trial_count ? (int64_t)trial : -1;
}

void esp_command(struct esp_core *core, struct esp_peer peer, const struct esp_command *c)
{
    const struct esp_answer *known = c->id ? esp_answer_find(core, c->id) : NULL;
    if (known) {
        reply(core,
              peer,
              c->id,
              &(struct esp_command_result){known->code, known->trial, known->text});
        return;
    }
    if (core->mode == ESP_MODE_DONE || c->id == 0) {
        const char *why =
            c->id ? "the study's controller is shutting down" : "a command without an id";
        reply(core,
              peer,
              c->id,
              &(struct esp_command_result){c->id ? -ESHUTDOWN : -EINVAL, 0, why});
        return;
    }
    assert(core->answering_trial == ESP_NO_INDEX);
    struct esp_command_result result = answer_to(core, c);
    if (c->verb != ESP_VERB_PING) { /* PING changes nothing and may come every second */
        struct esp_event event = esp_event_of(ESP_EVENT_COMMAND);
        event.trial = subject_of(core, c, &result);
        event.command = (struct esp_event_command){
            .id = c->id, .verb = c->verb, .code = result.code, .answer = result.text};
        esp_record(core, &event);
    }
    reply(core, peer, c->id, &result);
}
