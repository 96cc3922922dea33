/* The state of a study as a value: counts, best setting, tie, discards and cost. */
#ifndef ESPALIER_VIEW_STATUS_H
#define ESPALIER_VIEW_STATUS_H

#include "best.h"
#include "discards.h"
#include "spent.h"
#include "ties.h"
#include "trial_status.h"

struct esp_status {
    const struct esp_ledger *ledger; /* its state, controller and run_cap; must outlive this */
    int64_t trials;
    int64_t counts[ESP_TRIAL_STATUS_COUNT]; /* sum: trials */
    struct esp_best best;                   /* one row, or none yet */
    struct esp_tie tie;
    struct esp_discards discards;
    struct esp_spent spent;
    struct esp_buffer held; /* a line about trials that the user paused, or empty */
};

/* Reads everything from one snapshot of the ledger. Released on failure. */
int esp_status_read(struct esp_ledger *ledger, struct esp_status *out, struct esp_error *error);
void esp_status_release(struct esp_status *status);

/* Appends some lines for people, or one JSON object and a line end: {"study","state","reason",
 * "trials":
 * {"queued",…},"best":{"trial","value","params"},"spent":{"tokens","device_seconds","usd"},
 * "full_cost":{"tokens"},"discards","tie"}. */
void esp_status_text(const struct esp_status *status, struct esp_buffer *out);
void esp_status_json(const struct esp_status *status, struct esp_buffer *out);

#endif
