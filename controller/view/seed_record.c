#include "seed_record.h"

#include <errno.h>
#include <espalier/limits.h>
#include <math.h>
#include <stdlib.h>

const struct esp_seeds *esp_seed_record_of(const struct esp_repeat *record, int64_t trial)
{
    return trial >= 0 && trial < record->count ? esp_repeat_seeds(record, (uint32_t)trial)
                                               : NULL;
}

/* One past the largest number among the trials. */
static int64_t count_of(const struct esp_rows *rows, int64_t count)
{
    for (size_t i = 0; i < rows->count; i++) {
        count = rows->trials[i].trial >= count ? rows->trials[i].trial + 1 : count;
    }
    return count;
}

static void index_trials(const struct esp_rows *rows, const struct esp_reader_trial **by_number)
{
    for (size_t i = 0; i < rows->count; i++) {
        by_number[rows->trials[i].trial] = &rows->trials[i];
    }
}

struct point_of {
    struct esp_repeat *record;
    uint32_t trial;
    double sign;
};

static int add_point(void *context, const struct esp_event *event)
{
    const struct point_of *of = context;
    const struct esp_point *point = &event->report.point;
    esp_repeat_observed(of->record, of->trial, point->tokens, of->sign * point->value);
    return 0;
}

/* The trial, of any seed, with the lowest loss at its horizon: its curve is part of the
 * estimate of the seed noise. -1: none. */
static int64_t
lowest(const struct esp_reader_trial *const *by_number, int64_t count, double sign)
{
    int64_t best = -1;
    for (int64_t i = 0; i < count; i++) {
        const struct esp_reader_trial *t = by_number[i];
        if (t && t->finished && isfinite(t->value) &&
            (best < 0 || sign * t->value < sign * by_number[best]->value)) {
            best = i;
        }
    }
    return best;
}

static void add_trial(struct esp_repeat *record, const struct esp_reader_trial *t, double sign)
{
    uint32_t trial = (uint32_t)t->trial;
    bool ended = t->state >= ESP_TRIAL_COMPLETE || t->state == ESP_TRIAL_STOPPING;
    if (t->tokens >= 0) {
        esp_repeat_observed(record, trial, t->tokens, sign * t->value);
    }
    if (ended) {
        esp_repeat_ended(record, trial, t->cause);
    } else if (t->held) {
        esp_repeat_paused(record, trial, true);
    }
}

int esp_seed_record_make(struct esp_ledger *ledger,
                         const struct esp_rows *rows,
                         const struct esp_rows *repeats,
                         struct esp_repeat *out,
                         struct esp_error *error)
{
    int64_t count = count_of(repeats, count_of(rows, 0));
    double sign = ledger->maximize ? -1 : 1;
    if (count > ESP_TRIALS_MAX) {
        return esp_error_set(error, -EINVAL, "%s: trial numbers are damaged", ledger->dir);
    }
    const struct esp_reader_trial **by_number = calloc((size_t)count + 1, sizeof *by_number);
    if (!by_number) {
        return esp_error_set(error, -ENOMEM, "out of memory.");
    }
    index_trials(repeats, by_number);
    index_trials(rows, by_number);
    esp_repeat_init(out, (uint32_t)ledger->study->stopping.repeats);
    for (int64_t i = 0; i < count; i++) {
        const struct esp_reader_trial *t = by_number[i];
        int64_t of = t ? t->repeats : -1;
        if (of >= 0 && of < i && esp_repeat_of(out, (uint32_t)of) == of) {
            esp_repeat_repeated(out, (uint32_t)i, (uint32_t)of, t->horizon);
        } else {
            esp_repeat_created(out, (uint32_t)i, t ? t->horizon : INT64_MAX);
        }
    }
    int rc = 0;
    int64_t best = lowest(by_number, count, sign);
    if (best >= 0 && ledger->study->abilities.deterministic) {
        struct point_of of = {out, (uint32_t)best, sign};
        rc = esp_reader_curves(ledger->reader, best, add_point, &of, error);
    }
    for (int64_t i = 0; i < count; i++) {
        if (by_number[i]) {
            add_trial(out, by_number[i], sign);
        }
    }
    free(by_number);
    return rc;
}

void esp_seed_record_complete(struct esp_repeat *record, int64_t count)
{
    for (int64_t i = record->count; i < count && i < ESP_TRIALS_MAX; i++) {
        esp_repeat_created(record, (uint32_t)i, INT64_MAX);
    }
}
