#include "discards.h"

#include "../stop/discard.h"
#include "best.h"
#include "json.h"

#include <errno.h>
#include <espalier/limits.h>
#include <math.h>
#include <stdlib.h>

struct reading {
    struct esp_discards *out;
    unsigned char *marks; /* by trial: DISCARDED, SPARED */
};

enum { DISCARDED = 1, SPARED = 2 };

static void take_verdict(struct reading *r, const struct esp_event *event)
{
    struct esp_discards *d = r->out;
    unsigned char *mark = &r->marks[event->trial];
    if (event->verdict.action == ESP_VERDICT_DISCARD) {
        d->discarded += !(*mark & DISCARDED);
        *mark |= DISCARDED;
    } else if (event->verdict.action == ESP_VERDICT_SPARE) {
        d->audits += !(*mark & SPARED);
        *mark |= SPARED;
    }
}

static int take(void *context, const struct esp_event *event)
{
    struct reading *r = context;
    struct esp_discards *d = r->out;
    bool of_trial = event->trial >= 0 && event->trial < ESP_TRIALS_MAX;
    if (event->kind == ESP_EVENT_CALIBRATED) {
        d->calibrated = true;
        const struct esp_reals *scores = &event->calibrated.scores;
        d->calibration = scores->count;
        d->limit = esp_discard_limit(scores->data, (int)scores->count, d->risk);
    } else if (event->kind == ESP_EVENT_VERDICT && of_trial) {
        take_verdict(r, event);
    } else if (event->kind == ESP_EVENT_MOVED && of_trial) {
        d->restarts += event->moved.trigger == ESP_TRIGGER_CONTINUE;
    }
    return 0;
}

static int take_trial(void *context, const struct esp_reader_trial *trial)
{
    struct reading *r = context;
    r->out->audits_complete += trial->trial < ESP_TRIALS_MAX &&
                               (r->marks[trial->trial] & SPARED) &&
                               trial->state == ESP_TRIAL_COMPLETE;
    return 0;
}

/* The best setting as `best` lists it: by the mean over its seeds. */
static int take_best(struct reading *r, struct esp_ledger *ledger, struct esp_error *error)
{
    struct esp_best best = {0};
    int rc = esp_best_load(ledger, 1, &best, error);
    if (rc == 0 && best.rows.count > 0) {
        const struct esp_reader_trial *trial = &best.rows.trials[0];
        r->out->audits_best += trial->trial < ESP_TRIALS_MAX &&
                               (r->marks[trial->trial] & SPARED) && trial->finished;
    }
    esp_best_release(&best);
    return rc;
}

int esp_discards_read(struct esp_ledger *ledger,
                      struct esp_discards *out,
                      struct esp_error *error)
{
    double risk = ledger->study->stopping.risk;
    *out = (struct esp_discards){
        .risk = risk, .needed = esp_discard_needed(risk), .limit = INFINITY};
    if (!(risk > 0)) {
        return 0;
    }
    struct reading r = {.out = out, .marks = calloc(ESP_TRIALS_MAX, 1)};
    if (!r.marks) {
        return esp_error_set(error, -ENOMEM, "out of memory.");
    }
    int rc = esp_reader_calibrated(ledger->reader, take, &r, error);
    if (rc == 0 && out->audits > 0) {
        rc = esp_reader_trials(ledger->reader, take_trial, &r, error);
        rc = rc < 0 ? rc : take_best(&r, ledger, error);
    }
    free(r.marks);
    return rc;
}

void esp_discards_calibration(double risk,
                              int64_t calibration,
                              double limit,
                              struct esp_buffer *out)
{
    if (isfinite(limit)) {
        esp_buffer_addf(out,
                        "risk %g: calibrated on %lld finished stud%s: a paused trial is given "
                        "up when more than %.0f others are better",
                        risk,
                        (long long)calibration,
                        calibration == 1 ? "y" : "ies",
                        limit);
    } else {
        esp_buffer_addf(out,
                        "risk %g: %lld of the %d finished studies that it needs: trials are "
                        "paused, and none is discarded yet",
                        risk,
                        (long long)calibration,
                        esp_discard_needed(risk));
    }
}

void esp_discards_words(const struct esp_discards *d, int64_t trials, struct esp_buffer *out)
{
    if (!d->calibrated) {
        return;
    }
    esp_discards_calibration(d->risk, d->calibration, d->limit, out);
    esp_buffer_add(out, "\n");
    if (!isfinite(d->limit)) {
        return;
    }
    esp_buffer_addf(out,
                    "discarded: %lld of %lld trials (%.0f %%)",
                    (long long)d->discarded,
                    (long long)trials,
                    trials > 0 ? 100.0 * (double)d->discarded / (double)trials : 0);
    if (d->restarts > 0) {
        esp_buffer_addf(out, ", %lld started again", (long long)d->restarts);
    }
    esp_buffer_addf(out, "; audits: %lld kept", (long long)d->audits);
    if (d->audits_complete > 0) {
        esp_buffer_addf(out,
                        ", %lld trained to the horizon: %s",
                        (long long)d->audits_complete,
                        d->audits_best > 0
                            ? "one is the best trial, so the rule was wrong there"
                            : "none is the best trial");
    }
    esp_buffer_add(out, "\n");
}

void esp_discards_json(const struct esp_discards *d, int64_t trials, struct esp_buffer *out)
{
    if (!d->calibrated) {
        esp_buffer_add(out, "null");
        return;
    }
    esp_buffer_add(out, "{\"risk\":");
    esp_json_real(out, d->risk);
    esp_buffer_addf(out,
                    ",\"calibration\":%lld,\"needed\":%d,\"limit\":",
                    (long long)d->calibration,
                    d->needed);
    if (isfinite(d->limit)) {
        esp_json_real(out, d->limit);
    } else {
        esp_buffer_add(out, "null");
    }
    esp_buffer_addf(out, ",\"given_up\":%lld,\"share\":", (long long)d->discarded);
    esp_json_real(out, trials > 0 ? (double)d->discarded / (double)trials : 0);
    esp_buffer_addf(out,
                    ",\"begun_anew\":%lld,\"audits\":%lld,\"audits_complete\":%lld,"
                    "\"audits_best\":%lld}",
                    (long long)d->restarts,
                    (long long)d->audits,
                    (long long)d->audits_complete,
                    (long long)d->audits_best);
}
