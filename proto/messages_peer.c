/* Messages about the connection between a peer and the controller. */
#include "codec_private.h"

static void encode_hello(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_hello *m = &message->hello;
    Espalier__Hello *out = body;
    out->role = (uint32_t)m->role;
    out->protocol = m->protocol;
    out->key = m->key;
    out->study = m->study;
    out->pid = m->pid;
    out->host = esp_encode_text(e, m->host, ESP_NAME_MAX, "the host's name");
    out->device = esp_encode_text(e, m->device, ESP_NAME_MAX, "the device's name");
    out->version = esp_encode_text(e, m->version, ESP_NAME_MAX, "the version");
    out->slots = m->slots;
    if (m->process_count > ESP_PROCESSES_MAX) {
        esp_encode_fail(e, "an agent's processes", "are too many");
    }
    out->processes = m->processes;
    out->n_processes = m->process_count;
    out->held = esp_encode_array(
        e, m->held_count, ESP_MEMBERS_MAX, sizeof **out->held, "the attempts held");
    for (uint32_t i = 0; out->held && i < m->held_count; i++) {
        espalier__held__init(out->held[i]);
        out->held[i]->trial = m->held[i].trial;
        out->held[i]->attempt = m->held[i].attempt;
        out->held[i]->acked = m->held[i].acked;
        out->held[i]->last = m->held[i].last;
    }
    out->n_held = out->held ? m->held_count : 0;
}

static void decode_hello(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Hello *in = body;
    struct esp_hello *out = &message->hello;
    if (in->role < ESP_ROLE_AGENT || in->role > ESP_ROLE_CLIENT) {
        esp_decode_fail(d, "the role", "is unknown");
    }
    if (in->n_processes > ESP_PROCESSES_MAX) {
        esp_decode_fail(d, "an agent's processes", "are too many");
    }
    *out = (struct esp_hello){
        .role = (enum esp_role)in->role,
        .protocol = in->protocol,
        .key = in->key,
        .study = in->study,
        .pid = in->pid,
        .host = esp_decode_text(d, in->host, ESP_NAME_MAX, "the host's name"),
        .device = esp_decode_text(d, in->device, ESP_NAME_MAX, "the device's name"),
        .version = esp_decode_text(d, in->version, ESP_NAME_MAX, "the version"),
        .slots = in->slots,
        .processes = in->processes,
        .process_count = (uint32_t)in->n_processes,
    };
    out->held = esp_decode_array(
        d, in->n_held, ESP_MEMBERS_MAX, sizeof *out->held, "the attempts held");
    for (size_t i = 0; out->held && i < in->n_held; i++) {
        out->held[i] = (struct esp_held){.trial = in->held[i]->trial,
                                         .attempt = in->held[i]->attempt,
                                         .acked = in->held[i]->acked,
                                         .last = in->held[i]->last};
    }
    out->held_count = out->held ? (uint32_t)in->n_held : 0;
}

static void encode_welcome(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_welcome *m = &message->welcome;
    Espalier__Welcome *out = body;
    out->incarnation = m->incarnation;
    out->heartbeat_ms = m->heartbeat_ms;
    out->lease_ms = m->lease_ms;
    out->refused = esp_encode_prose(e, m->refused);
}

static void decode_welcome(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Welcome *in = body;
    message->welcome = (struct esp_welcome){
        .incarnation = in->incarnation,
        .heartbeat_ms = in->heartbeat_ms,
        .lease_ms = in->lease_ms,
        .refused =
            esp_decode_optional(d, in->refused, ESP_MESSAGE_TEXT_MAX, "the reason to refuse"),
    };
}

static void
encode_capacity(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    Espalier__Capacity *out = body;
    (void)e;
    out->group = message->capacity.group;
    out->members = message->capacity.members;
    out->bytes = message->capacity.bytes;
}

static void
decode_capacity(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Capacity *in = body;
    message->capacity =
        (struct esp_capacity){.group = in->group, .members = in->members, .bytes = in->bytes};
    if (in->members > ESP_MEMBERS_MAX) {
        esp_decode_fail(d, "the members", "are too many");
    }
}

static void encode_drain(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    Espalier__Drain *out = body;
    out->leaves_in_ms = message->drain.leaves_in_ms;
    out->reason = esp_encode_prose(e, message->drain.reason);
}

static void decode_drain(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Drain *in = body;
    message->drain = (struct esp_drain){
        .leaves_in_ms = in->leaves_in_ms,
        .reason = esp_decode_text(d, in->reason, ESP_MESSAGE_TEXT_MAX, "the reason to leave"),
    };
}

static void
encode_heartbeat(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    Espalier__Heartbeat *out = body;
    (void)e;
    out->progress = message->heartbeat.progress;
}

static void
decode_heartbeat(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Heartbeat *in = body;
    (void)d;
    message->heartbeat = (struct esp_heartbeat){.progress = in->progress};
}

const struct esp_message_codec esp_peer_messages[] = {
    {ESP_MESSAGE_HELLO,
     ESPALIER__ENVELOPE__BODY_HELLO,
     &espalier__hello__descriptor,
     encode_hello,
     decode_hello},
    {ESP_MESSAGE_WELCOME,
     ESPALIER__ENVELOPE__BODY_WELCOME,
     &espalier__welcome__descriptor,
     encode_welcome,
     decode_welcome},
    {ESP_MESSAGE_INTRODUCE,
     ESPALIER__ENVELOPE__BODY_INTRODUCE,
     &espalier__introduce__descriptor,
     NULL,
     NULL},
    {ESP_MESSAGE_CAPACITY,
     ESPALIER__ENVELOPE__BODY_CAPACITY,
     &espalier__capacity__descriptor,
     encode_capacity,
     decode_capacity},
    {ESP_MESSAGE_DRAIN,
     ESPALIER__ENVELOPE__BODY_DRAIN,
     &espalier__drain__descriptor,
     encode_drain,
     decode_drain},
    {ESP_MESSAGE_RETIRE,
     ESPALIER__ENVELOPE__BODY_RETIRE,
     &espalier__retire__descriptor,
     NULL,
     NULL},
    {ESP_MESSAGE_HEARTBEAT,
     ESPALIER__ENVELOPE__BODY_HEARTBEAT,
     &espalier__heartbeat__descriptor,
     encode_heartbeat,
     decode_heartbeat},
    {.type = NULL},
};
