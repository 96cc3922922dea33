/* Sends the messages about attempts to the controller, and saves checkpoints. */
#ifndef TRIAL_SERVE_NOTIFY_H
#define TRIAL_SERVE_NOTIFY_H

#include "../client/client.h"
#include "members.h"

/* Errors are printed on stderr. Messages about an attempt that was fenced meanwhile are
 * dropped; that is not an error. */

struct esp_notifier {
    struct esp_client *client;
    const char *dir;
    char host[ESP_NAME_MAX];
};

void esp_notify_started(const struct esp_notifier *t,
                        const struct esp_member *m,
                        const char *fell_back);
/* `waiting`: the member waits for a directive. */
void esp_notify_report(const struct esp_notifier *t,
                       const struct esp_member *m,
                       const struct esp_group_event *event,
                       bool waiting);
void esp_notify_failed(const struct esp_notifier *t,
                       uint32_t trial,
                       uint32_t attempt,
                       int code,
                       bool save_failed,
                       const char *text);
void esp_notify_released(const struct esp_notifier *t, uint32_t trial, uint32_t attempt);

/* Saves the member and sends Saved, or Failed with `save_failed`. Returns whether it was saved.
 */
bool esp_notify_save(const struct esp_notifier *t, struct esp_member *m);

#endif
