#include "ties.h"

#include "../money/price.h"
#include "human.h"
#include "json.h"
#include "seed_record.h"

#include <espalier/live_setting.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ROUNDED "%.10g"

static double as_printed(double value)
{
    char text[40];
    snprintf(text, sizeof text, ROUNDED, value);
    return strtod(text, NULL);
}

/* Rounds up to four digits, so that the figure can be read and is hardly more than what is
 * needed: a larger budget would be spent on new trials first. As printed it is no less than
 * `value`. */
static double round_up(double value)
{
    double unit = pow(10, floor(log10(value)) - 3);
    double units = ceil(value / unit - 1e-9); /* the division may err upwards … */
    if (as_printed(units * unit) < value) {
        units++; /* … or not have erred */
    }
    return as_printed(units * unit);
}

int esp_tie_load(struct esp_ledger *ledger,
                 const struct esp_reader_totals *totals,
                 struct esp_tie *out,
                 struct esp_error *error)
{
    struct esp_best best = {0};
    *out = (struct esp_tie){0};
    int rc = esp_best_load(ledger, ESP_REPEAT_LOOKED_AT, &best, error);
    if (rc == 0 && ledger->study->abilities.deterministic) {
        esp_seed_record_complete(&best.record, totals->trials);
        esp_repeat_tied(&best.record, &out->tied);
        esp_repeat_further(
            &best.record, &out->tied, (double)ledger->study->trainer.tokens, &out->further);
    }
    esp_best_release(&best);
    return rc;
}

struct limit {
    enum esp_live_setting setting;
    bool whole; /* else it is rounded up to be read */
    double now, needed;
};

/* Writes the limits that are too small for the recorded remedy. Returns their number. */
static int too_small(const struct esp_ledger *ledger, struct limit limits[4])
{
    const struct esp_budget *b = &ledger->budget;
    const struct esp_tie_remedy *remedy = &ledger->remedy;
    const struct limit all[] = {
        {ESP_LIVE_RUN_CAP, true, (double)ledger->run_cap, remedy->run_cap},
        {ESP_LIVE_BUDGET_TOKENS, true, b->tokens, remedy->tokens},
        {ESP_LIVE_BUDGET_HOURS,
         false,
         b->seconds / ESP_SECONDS_PER_HOUR,
         remedy->seconds / ESP_SECONDS_PER_HOUR},
        {ESP_LIVE_BUDGET_USD, false, b->usd, remedy->usd},
    };
    int count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].now > 0 && all[i].needed > all[i].now) {
            limits[count] = all[i];
            limits[count].needed = all[i].whole ? all[i].needed : round_up(all[i].needed);
            count++;
        }
    }
    return count;
}

static void add_remedy(const struct esp_tie *tie,
                       const char *dir,
                       const struct esp_ledger *ledger,
                       struct esp_buffer *out)
{
    struct limit limits[4];
    int count = too_small(ledger, limits);
    esp_buffer_addf(out,
                    "to compare them with one more seed each: %u training%s, ",
                    tie->further.trainings,
                    tie->further.trainings == 1 ? "" : "s");
    esp_human_count(out, tie->further.tokens_total);
    esp_buffer_add(out, " tokens");
    if (ledger->study->stopping.repeats == 0) {
        esp_buffer_add(out, "; a study does so itself with `repeats: 1` in early_terminate");
    } else if (count > 0) {
        esp_buffer_addf(out, "; espalier set %s", dir);
        for (int i = 0; i < count; i++) {
            esp_buffer_addf(out, " %s=", esp_live_settings[limits[i].setting].name);
            esp_buffer_addf(out, limits[i].whole ? "%.0f" : ROUNDED, limits[i].needed);
        }
        esp_buffer_addf(out, ", then espalier resume %s", dir);
    }
    esp_buffer_add(out, "\n");
}

void esp_tie_words(const struct esp_tie *tie,
                   const char *dir,
                   const struct esp_ledger *ledger,
                   struct esp_buffer *out)
{
    const struct esp_tied *tied = &tie->tied;
    bool over = ledger->state == ESP_STUDY_COMPLETE || ledger->state == ESP_STUDY_BUDGET;
    if (tied->count == 0) {
        return;
    }
    esp_buffer_addf(out, "within seed noise of the best (#%u): ", tied->trials[0]);
    for (uint32_t k = 1; k < tied->count; k++) {
        esp_buffer_addf(out, "%s#%u", k > 1 ? ", " : "", tied->trials[k]);
    }
    esp_buffer_addf(out, " (another seed changes the loss by about %.2g)\n", tied->noise);
    if (over && tie->further.trainings > 0) {
        add_remedy(tie, dir, ledger, out);
    }
}

void esp_tie_json(const struct esp_tie *tie, struct esp_buffer *out)
{
    const struct esp_tied *tied = &tie->tied;
    if (tied->count == 0) {
        esp_buffer_add(out, "null");
        return;
    }
    for (uint32_t k = 0; k < tied->count; k++) {
        esp_buffer_addf(out, "%s%u", k ? "," : "{\"trials\":[", tied->trials[k]);
    }
    esp_buffer_add(out, "],\"noise\":");
    esp_json_real(out, tied->noise);
    esp_buffer_addf(out,
                    ",\"repeats\":%u,\"tokens\":%.0f}",
                    tie->further.trainings,
                    tie->further.tokens_total);
}
