/* Commands of users and the answers to them. */
#include "codec_private.h"

static void encode_command(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_command *m = &message->command;
    Espalier__Command *out = body;
    if (m->verb > ESP_VERB_PING) {
        esp_encode_fail(e, "a command's verb", "is unknown");
    }
    if (m->trial_count > ESP_COMMAND_TRIALS_MAX) {
        esp_encode_fail(e, "a command's trials", "are too many");
    }
    out->id = m->id;
    out->verb = (uint32_t)m->verb;
    out->trials = m->trials;
    out->n_trials = m->trial_count;
    out->settings = esp_encode_settings(
        e, m->settings, m->setting_count, ESP_PARAMS_MAX, &out->n_settings, "settings");
    out->text = esp_encode_text(e, m->text, ESP_MESSAGE_TEXT_MAX, "a note");
}

static void decode_command(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Command *in = body;
    struct esp_command *out = &message->command;
    if (in->verb > ESP_VERB_PING) {
        esp_decode_fail(d, "a command's verb", "is unknown");
    }
    if (in->n_trials > ESP_COMMAND_TRIALS_MAX) {
        esp_decode_fail(d, "a command's trials", "are too many");
    }
    *out = (struct esp_command){
        .id = in->id,
        .verb = (enum esp_command_verb)in->verb,
        .trials = in->trials,
        .trial_count = (uint32_t)in->n_trials,
        .text = esp_decode_optional(d, in->text, ESP_MESSAGE_TEXT_MAX, "a note"),
    };
    out->settings = esp_decode_settings(
        d, in->settings, in->n_settings, ESP_PARAMS_MAX, &out->setting_count, "settings");
}

static void encode_reply(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_reply *m = &message->reply;
    Espalier__Reply *out = body;
    out->id = m->id;
    out->code = m->code;
    out->trial = m->trial;
    out->text = esp_encode_prose(e, m->text);
}

static void decode_reply(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Reply *in = body;
    message->reply = (struct esp_reply){
        .id = in->id,
        .code = in->code,
        .trial = in->trial,
        .text = esp_decode_text(d, in->text, ESP_MESSAGE_TEXT_MAX, "a reply"),
    };
}

const struct esp_message_codec esp_command_messages[] = {
    {ESP_MESSAGE_COMMAND,
     ESPALIER__ENVELOPE__BODY_COMMAND,
     &espalier__command__descriptor,
     encode_command,
     decode_command},
    {ESP_MESSAGE_REPLY,
     ESPALIER__ENVELOPE__BODY_REPLY,
     &espalier__reply__descriptor,
     encode_reply,
     decode_reply},
    {.type = NULL},
};
