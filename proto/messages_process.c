/* Messages by which the controller starts and ends the trial processes of an agent. */
#include "codec_private.h"

static void encode_spawn(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_spawn *m = &message->spawn;
    Espalier__Spawn *out = body;
    out->key = m->key;
    out->device = esp_encode_name(e, m->device, ESP_NAME_MAX, "the device's name");
    out->slot = m->slot;
}

static void decode_spawn(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Spawn *in = body;
    message->spawn = (struct esp_spawn){
        .key = in->key,
        .device = esp_decode_name(d, in->device, ESP_NAME_MAX, "the device's name"),
        .slot = in->slot,
    };
}

static void encode_kill(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    Espalier__Kill *out = body;
    (void)e;
    out->key = message->kill.key;
    out->now = message->kill.now;
}

static void decode_kill(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Kill *in = body;
    (void)d;
    message->kill = (struct esp_kill){.key = in->key, .now = in->now};
}

static void encode_exited(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_exited *m = &message->exited;
    Espalier__Exited *out = body;
    out->key = m->key;
    out->status = m->status;
    out->signal = m->signal;
    out->asked = m->asked;
    out->tail = esp_encode_log(e, m->tail);
}

static void decode_exited(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Exited *in = body;
    const char *log = in->tail.data ? (const char *)in->tail.data : "";
    message->exited = (struct esp_exited){
        .key = in->key,
        .status = in->status,
        .signal = in->signal,
        .asked = in->asked,
        .tail = esp_wire_text_clean(d->arena, log, in->tail.len, ESP_LOG_TAIL_MAX, true),
    };
    if (!message->exited.tail) {
        esp_decode_fail(d, "the log", "is too long");
    }
}

static void
encode_exited_ack(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    Espalier__ExitedAck *out = body;
    (void)e;
    out->key = message->exited_ack.key;
}

static void
decode_exited_ack(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__ExitedAck *in = body;
    (void)d;
    message->exited_ack = (struct esp_exited){.key = in->key};
}

const struct esp_message_codec esp_process_messages[] = {
    {ESP_MESSAGE_SPAWN,
     ESPALIER__ENVELOPE__BODY_SPAWN,
     &espalier__spawn__descriptor,
     encode_spawn,
     decode_spawn},
    {ESP_MESSAGE_KILL,
     ESPALIER__ENVELOPE__BODY_KILL,
     &espalier__kill__descriptor,
     encode_kill,
     decode_kill},
    {ESP_MESSAGE_EXITED,
     ESPALIER__ENVELOPE__BODY_EXITED,
     &espalier__exited__descriptor,
     encode_exited,
     decode_exited},
    {ESP_MESSAGE_EXITED_ACK,
     ESPALIER__ENVELOPE__BODY_EXITED_ACK,
     &espalier__exited_ack__descriptor,
     encode_exited_ack,
     decode_exited_ack},
    {.type = NULL},
};
