/* Waiting for a change: the study's ledger was written, a key was pressed, a signal came, or a
 * time-out passed. */
#ifndef ESPALIER_WATCH_FOLLOW_H
#define ESPALIER_WATCH_FOLLOW_H

#include <espalier/error.h>
#include <stdint.h>

struct esp_follow;

enum esp_follow_event {
    ESP_FOLLOW_CHANGED = 1, /* something was written in DIR */
    ESP_FOLLOW_KEY = 2,     /* `*key` was pressed; end of input is the key 'q' */
    ESP_FOLLOW_SIGNAL = 4,  /* SIGINT or SIGTERM */
    ESP_FOLLOW_RESIZED = 8, /* the terminal changed its size */
    ESP_FOLLOW_TIME = 16,   /* `timeout_ms` passed */
};

/* Follows DIR. Until the close, SIGINT, SIGTERM and SIGWINCH are events; with `keys`, standard
 * input is read key by key, without echo. */
int esp_follow_open(const char *dir,
                    int keys,
                    struct esp_follow **out,
                    struct esp_error *error);
void esp_follow_close(struct esp_follow *follow); /* takes NULL */

/* Waits for the next events. Returns them as bits, or -errno. */
int esp_follow_wait(struct esp_follow *follow, int64_t timeout_ms, char *key);

#endif
