/* Waiting for a study to move: its ledger was written, a key was pressed, a signal came, or
 * time has passed. */
#ifndef ESPALIER_WATCH_FOLLOW_H
#define ESPALIER_WATCH_FOLLOW_H

#include <espalier/error.h>
#include <stdint.h>

struct esp_follow;

enum esp_follow_event {
    ESP_FOLLOW_CHANGED = 1, /* something was written in DIR */
    ESP_FOLLOW_KEY = 2,     /* `*key` was pressed; end of input is the key 'q' */
    ESP_FOLLOW_SIGNAL = 4,  /* SIGINT or SIGTERM */
    ESP_FOLLOW_RESIZED = 8, /* the terminal's window */
    ESP_FOLLOW_TIME = 16,   /* `timeout_ms` are over */
};

/* Follows DIR. With `keys`, standard input gives single keys without echo until the close.
 * SIGINT, SIGTERM and SIGWINCH are taken as events until then. */
int esp_follow_open(const char *dir,
                    int keys,
                    struct esp_follow **out,
                    struct esp_error *error);
void esp_follow_close(struct esp_follow *follow); /* takes NULL */

/* The next events as bits, or -errno. */
int esp_follow_wait(struct esp_follow *follow, int64_t timeout_ms, char *key);

#endif
