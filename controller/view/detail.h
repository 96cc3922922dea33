/* One trial in full: its settings, history, checkpoints, failed processes and notes.
 *
 * esp_detail_visit reads them from the ledger part by part and is what any face can show them
 * with; the text and the JSON of `show` are two such visitors. */
#ifndef ESPALIER_VIEW_DETAIL_H
#define ESPALIER_VIEW_DETAIL_H

#include "ledger.h"

enum esp_detail_part {
    ESP_DETAIL_HISTORY,
    ESP_DETAIL_CHECKPOINTS,
    ESP_DETAIL_PROCESSES,
    ESP_DETAIL_NOTES,
};

/* Called in this order: `trial` once, then for each part `begin` and its items. Items are valid
 * until the call returns. A negative result ends the visit and is returned by it. */
struct esp_detail_visitor {
    int (*trial)(void *context, const struct esp_reader_trial *trial);
    void (*begin)(void *context, enum esp_detail_part part);
    /* Without DIRECTED and DROPPED events, which follow from the others. */
    int (*event)(void *context, const struct esp_event *event);
    int (*checkpoint)(void *context, const struct esp_reader_checkpoint *checkpoint);
    /* Processes that trained the trial and failed without being asked to exit. */
    int (*process)(void *context, const struct esp_reader_worker *process);
    int (*note)(void *context, const struct esp_reader_note *note);
};

/* -ENOENT: there is no such trial. */
int esp_detail_visit(struct esp_ledger *ledger,
                     int64_t trial,
                     const struct esp_detail_visitor *visitor,
                     void *context,
                     struct esp_error *error);

/* Appends the trial as text for people, or as one JSON object and a line end. */
int esp_detail_text(struct esp_ledger *ledger,
                    int64_t trial,
                    struct esp_buffer *out,
                    struct esp_error *error);
int esp_detail_json(struct esp_ledger *ledger,
                    int64_t trial,
                    struct esp_buffer *out,
                    struct esp_error *error);

#endif
