/* Messages about an attempt at a trial, between the controller and the trial process that
 * trains it. */
#include "codec_private.h"

/* Started, Report, Saved, Failed and Released have the same first three fields. */
#define ENCODE_KEY(out, at)                                                                    \
    ((out)->trial = (at).trial, (out)->attempt = (at).attempt, (out)->sequence = (at).sequence)
#define DECODE_KEY(in)                                                                         \
    {                                                                                          \
        (in)->trial, (in)->attempt, (in)->sequence                                             \
    }

static void encode_assign(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_assign *m = &message->assign;
    Espalier__Assign *out = body;
    out->trial = m->trial;
    out->attempt = m->attempt;
    out->params = esp_encode_settings(
        e, m->params, m->param_count, ESP_PARAMS_MAX, &out->n_params, "parameters");
    if (m->trainer) {
        out->has_trainer = true;
        out->trainer = esp_encode_trainer(e, m->trainer, &out->n_trainer);
    }
    out->resume = esp_encode_text(e, m->resume, ESP_PATH_MAX, "a checkpoint's path");
    out->resume_hash = m->resume_hash;
    out->resume_tokens = m->resume_tokens;
    out->seed = m->seed;
    out->horizon = m->horizon;
    out->directive = esp_encode_directive(e, &m->directive);
}

static void decode_assign(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Assign *in = body;
    struct esp_assign *out = &message->assign;
    *out = (struct esp_assign){
        .trial = in->trial,
        .attempt = in->attempt,
        .resume = esp_decode_optional(d, in->resume, ESP_PATH_MAX, "a checkpoint's path"),
        .resume_hash = in->resume_hash,
        .resume_tokens = in->resume_tokens,
        .seed = in->seed,
        .horizon = in->horizon,
        .directive = esp_decode_directive(d, in->directive, true),
    };
    out->params = esp_decode_settings(
        d, in->params, in->n_params, ESP_PARAMS_MAX, &out->param_count, "parameters");
    out->trainer = in->has_trainer ? esp_decode_trainer(d, in->trainer, in->n_trainer) : NULL;
}

static void encode_started(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_started *m = &message->started;
    Espalier__Started *out = body;
    ENCODE_KEY(out, m->at);
    out->can_save = m->can_save;
    out->tokens = m->tokens;
    out->horizon = m->horizon;
    out->fell_back = esp_encode_prose(e, m->fell_back);
}

static void decode_started(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Started *in = body;
    message->started = (struct esp_started){
        .at = DECODE_KEY(in),
        .can_save = in->can_save,
        .tokens = in->tokens,
        .horizon = in->horizon,
        .fell_back = esp_decode_optional(
            d, in->fell_back, ESP_MESSAGE_TEXT_MAX, "the reason to fall back"),
    };
}

static void encode_point(struct esp_encoder *e, const struct esp_point *p, Espalier__Point *out)
{
    espalier__point__init(out);
    out->step = p->step;
    out->tokens = p->tokens;
    out->device_seconds = esp_encode_finite(e, p->device_seconds, "a point's device seconds");
    out->value = p->value;
    out->train_loss = p->train_loss;
    out->measures = esp_encode_array(
        e, p->measure_count, ESP_MEASURES_MAX, sizeof **out->measures, "a point's measures");
    for (uint32_t i = 0; out->measures && i < p->measure_count; i++) {
        const struct esp_measure *m = &p->measures[i];
        Espalier__Measure *measure = out->measures[i];
        espalier__measure__init(measure);
        measure->name = esp_encode_name(e, m->name, ESP_NAME_MAX, "a measure's name");
        measure->value = esp_encode_finite(e, m->value, m->name ? m->name : "a measure");
    }
    out->n_measures = out->measures ? p->measure_count : 0;
}

static void
decode_point(struct esp_decoder *d, const Espalier__Point *in, struct esp_point *out)
{
    *out = (struct esp_point){
        .step = in->step,
        .tokens = in->tokens,
        .device_seconds = esp_decode_finite(d, in->device_seconds, "a point's device seconds"),
        .value = in->value,
        .train_loss = in->train_loss,
    };
    struct esp_measure *measures = esp_decode_array(
        d, in->n_measures, ESP_MEASURES_MAX, sizeof *measures, "a point's measures");
    for (size_t i = 0; measures && i < in->n_measures; i++) {
        const Espalier__Measure *m = in->measures[i];
        measures[i].name = esp_decode_name(d, m->name, ESP_NAME_MAX, "a measure's name");
        measures[i].value = esp_decode_finite(d, m->value, "a measure");
    }
    out->measures = measures;
    out->measure_count = measures ? (uint32_t)in->n_measures : 0;
}

static void encode_report(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_report *m = &message->report;
    Espalier__Report *out = body;
    ENCODE_KEY(out, m->at);
    out->waiting = m->waiting;
    out->directive = m->directive;
    out->points = esp_encode_array(
        e, m->point_count, ESP_REPORT_POINTS_MAX, sizeof **out->points, "a report's points");
    for (uint32_t i = 0; out->points && i < m->point_count && e->rc == 0; i++) {
        encode_point(e, &m->points[i], out->points[i]);
    }
    out->n_points = out->points ? m->point_count : 0;
}

static void decode_report(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Report *in = body;
    struct esp_point *points = esp_decode_array(
        d, in->n_points, ESP_REPORT_POINTS_MAX, sizeof *points, "a report's points");
    for (size_t i = 0; points && i < in->n_points; i++) {
        decode_point(d, in->points[i], &points[i]);
    }
    message->report = (struct esp_report){
        .at = DECODE_KEY(in),
        .points = points,
        .point_count = points ? (uint32_t)in->n_points : 0,
        .waiting = in->waiting,
        .directive = in->directive,
    };
}

static void encode_saved(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_saved *m = &message->saved;
    Espalier__Saved *out = body;
    ENCODE_KEY(out, m->at);
    out->path = esp_encode_name(e, m->path, ESP_PATH_MAX, "a checkpoint's path");
    out->host = esp_encode_text(e, m->host, ESP_NAME_MAX, "the host's name");
    out->step = m->step;
    out->tokens = m->tokens;
    out->bytes = m->bytes;
    out->hash = m->hash;
    out->device_seconds =
        esp_encode_finite(e, m->device_seconds, "a checkpoint's device seconds");
}

static void decode_saved(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Saved *in = body;
    message->saved = (struct esp_saved){
        .at = DECODE_KEY(in),
        .path = esp_decode_name(d, in->path, ESP_PATH_MAX, "a checkpoint's path"),
        .host = esp_decode_text(d, in->host, ESP_NAME_MAX, "the host's name"),
        .step = in->step,
        .tokens = in->tokens,
        .bytes = in->bytes,
        .hash = in->hash,
        .device_seconds =
            esp_decode_finite(d, in->device_seconds, "a checkpoint's device seconds"),
    };
}

static void encode_failed(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_failed *m = &message->failed;
    Espalier__Failed *out = body;
    ENCODE_KEY(out, m->at);
    out->code = m->code;
    out->save_failed = m->save_failed;
    out->text = esp_encode_prose(e, m->text);
}

static void decode_failed(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Failed *in = body;
    message->failed = (struct esp_failed){
        .at = DECODE_KEY(in),
        .code = in->code,
        .save_failed = in->save_failed,
        .text = esp_decode_text(d, in->text, ESP_MESSAGE_TEXT_MAX, "the text of a failure"),
    };
}

static void
encode_released(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    Espalier__Released *out = body;
    (void)e;
    ENCODE_KEY(out, message->released.at);
}

static void
decode_released(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Released *in = body;
    (void)d;
    message->released = (struct esp_released){.at = DECODE_KEY(in)};
}

static void encode_ack(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_ack *m = &message->ack;
    Espalier__Ack *out = body;
    out->trial = m->trial;
    out->attempt = m->attempt;
    out->sequence = m->sequence;
    out->directive = esp_encode_directive(e, &m->directive);
}

static void decode_ack(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Ack *in = body;
    message->ack = (struct esp_ack){
        .trial = in->trial,
        .attempt = in->attempt,
        .sequence = in->sequence,
        .directive = esp_decode_directive(d, in->directive, false),
    };
}

static void encode_direct(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    const struct esp_direct *m = &message->direct;
    Espalier__Direct *out = body;
    out->trial = m->trial;
    out->attempt = m->attempt;
    out->directive = esp_encode_directive(e, &m->directive);
}

static void decode_direct(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Direct *in = body;
    message->direct = (struct esp_direct){
        .trial = in->trial,
        .attempt = in->attempt,
        .directive = esp_decode_directive(d, in->directive, true),
    };
}

static void encode_fenced(struct esp_encoder *e, const struct esp_message *message, void *body)
{
    Espalier__Fenced *out = body;
    (void)e;
    out->trial = message->fenced.trial;
    out->attempt = message->fenced.attempt;
}

static void decode_fenced(struct esp_decoder *d, const void *body, struct esp_message *message)
{
    const Espalier__Fenced *in = body;
    (void)d;
    message->fenced = (struct esp_fenced){.trial = in->trial, .attempt = in->attempt};
}

const struct esp_message_codec esp_attempt_messages[] = {
    {ESP_MESSAGE_ASSIGN,
     ESPALIER__ENVELOPE__BODY_ASSIGN,
     &espalier__assign__descriptor,
     encode_assign,
     decode_assign},
    {ESP_MESSAGE_STARTED,
     ESPALIER__ENVELOPE__BODY_STARTED,
     &espalier__started__descriptor,
     encode_started,
     decode_started},
    {ESP_MESSAGE_REPORT,
     ESPALIER__ENVELOPE__BODY_REPORT,
     &espalier__report__descriptor,
     encode_report,
     decode_report},
    {ESP_MESSAGE_SAVED,
     ESPALIER__ENVELOPE__BODY_SAVED,
     &espalier__saved__descriptor,
     encode_saved,
     decode_saved},
    {ESP_MESSAGE_FAILED,
     ESPALIER__ENVELOPE__BODY_FAILED,
     &espalier__failed__descriptor,
     encode_failed,
     decode_failed},
    {ESP_MESSAGE_RELEASED,
     ESPALIER__ENVELOPE__BODY_RELEASED,
     &espalier__released__descriptor,
     encode_released,
     decode_released},
    {ESP_MESSAGE_ACK,
     ESPALIER__ENVELOPE__BODY_ACK,
     &espalier__ack__descriptor,
     encode_ack,
     decode_ack},
    {ESP_MESSAGE_DIRECT,
     ESPALIER__ENVELOPE__BODY_DIRECT,
     &espalier__direct__descriptor,
     encode_direct,
     decode_direct},
    {ESP_MESSAGE_FENCED,
     ESPALIER__ENVELOPE__BODY_FENCED,
     &espalier__fenced__descriptor,
     encode_fenced,
     decode_fenced},
    {.type = NULL},
};
