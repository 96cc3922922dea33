#include "notify.h"

#include "resume.h"

#include <errno.h>
#include <espalier/clock.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void send(const struct esp_notifier *t, const struct esp_message *message)
{
    struct esp_error error;
    int rc = esp_client_send(t->client, message, &error);
    if (rc < 0 && rc != -ESTALE) {
        fprintf(stderr, "espalier-trial: cannot send a message: %s\n", error.text);
    }
}

static struct esp_attempt_key key_of(const struct esp_member *m)
{
    return (struct esp_attempt_key){.trial = m->trial, .attempt = m->attempt};
}

void esp_notify_started(const struct esp_notifier *t,
                        const struct esp_member *m,
                        const char *fell_back)
{
    struct esp_message message = {.kind = ESP_MESSAGE_STARTED};
    message.started = (struct esp_started){
        .at = key_of(m),
        .can_save = true,
        .tokens = esp_group_point(m->group, m->slot).tokens,
        .horizon = esp_group_horizon(m->group, m->slot),
        .fell_back = fell_back[0] ? fell_back : NULL,
    };
    send(t, &message);
}

void esp_notify_report(const struct esp_notifier *t,
                       const struct esp_member *m,
                       const struct esp_group_event *event,
                       bool waiting)
{
    const struct esp_group_point *p = &event->point;
    const struct esp_measure all[] = {
        {"grad_norm", p->grad_norm},
        {"learning_rate", p->learning_rate},
        {"tokens_per_second", p->tokens_per_second},
    };
    struct esp_measure measures[sizeof all / sizeof *all];
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (isfinite(all[i].value)) {
            measures[count++] = all[i];
        }
    }
    struct esp_point point = {.step = p->step,
                              .tokens = p->tokens,
                              .device_seconds = p->device_seconds,
                              .value = p->val_loss,
                              .train_loss = p->train_loss,
                              .measures = measures,
                              .measure_count = count};
    struct esp_message message = {.kind = ESP_MESSAGE_REPORT};
    /* A member that stops before its first evaluation has no point to report: its NaN would
     * count as diverged. */
    bool measured =
        (event->what & (ESP_GROUP_REPORT | ESP_GROUP_NOT_FINITE)) || isfinite(p->val_loss);
    message.report = (struct esp_report){.at = key_of(m),
                                         .points = &point,
                                         .point_count = measured,
                                         .waiting = waiting,
                                         .directive = m->directive};
    send(t, &message);
}

void esp_notify_failed(const struct esp_notifier *t,
                       uint32_t trial,
                       uint32_t attempt,
                       int code,
                       bool save_failed,
                       const char *text)
{
    struct esp_message message = {.kind = ESP_MESSAGE_FAILED};
    fprintf(stderr,
            "espalier-trial: trial %" PRIu32 ", attempt %" PRIu32 ": %s\n",
            trial,
            attempt,
            text);
    message.failed = (struct esp_failed){.at = {.trial = trial, .attempt = attempt},
                                         .code = code,
                                         .save_failed = save_failed,
                                         .text = text};
    send(t, &message);
}

void esp_notify_released(const struct esp_notifier *t, uint32_t trial, uint32_t attempt)
{
    struct esp_message message = {.kind = ESP_MESSAGE_RELEASED};
    message.released.at = (struct esp_attempt_key){.trial = trial, .attempt = attempt};
    send(t, &message);
}

bool esp_notify_save(const struct esp_notifier *t, struct esp_member *m)
{
    char name[ESP_CHECKPOINT_PATH_MAX], path[ESP_PATH_MAX];
    struct esp_group_point point = esp_group_point(m->group, m->slot);
    struct esp_message message = {.kind = ESP_MESSAGE_SAVED};
    struct esp_error error = {""};
    int64_t bytes = 0;
    m->saved_at_ms = esp_clock_ms();
    esp_checkpoint_path(m->trial, m->attempt, point.tokens, name);
    int n = snprintf(path, sizeof path, "%s/%s", t->dir, name);
    int rc = n < (int)sizeof path
                 ? esp_checkpoint_make_folder(t->dir, m->trial, &error)
                 : esp_error_set(&error, -ENAMETOOLONG, "the path is too long");
    if (rc == 0) {
        rc = esp_group_save(m->group, m->slot, path, &bytes, &message.saved.hash, &error);
    }
    if (rc < 0) {
        esp_notify_failed(t, m->trial, m->attempt, rc, true, error.text);
        return false;
    }
    message.saved.at = key_of(m);
    message.saved.path = name;
    message.saved.host = t->host;
    message.saved.step = point.step;
    message.saved.tokens = point.tokens;
    message.saved.bytes = (uint64_t)bytes;
    message.saved.device_seconds = point.device_seconds;
    m->saved_step = point.step;
    send(t, &message);
    return true;
}
