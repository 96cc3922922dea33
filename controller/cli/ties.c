#include "ties.h"

#include "../stop/repeat.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* To a figure that can be read, and that is hardly more than what is needed: what is far beyond
 * it would be searched with first. */
static double round_up(double value)
{
    double unit = pow(10, floor(log10(value)) - 3);
    return ceil(value / unit - 1e-9) * unit;
}

/* Further seeds that a setting may have: of a study that asks for none, one would tell. */
static uint32_t most_seeds(const struct esp_ledger *ledger)
{
    int repeats = ledger->study->stopping.repeats;
    return 1 + (uint32_t)(repeats > 0 ? repeats : 1);
}

static int add_owed(void *context, const struct esp_reader_trial *trial)
{
    struct esp_tie *tie = context;
    int64_t done = trial->tokens > 0 ? trial->tokens : 0;
    int64_t until = trial->until < trial->horizon ? trial->until : trial->horizon;
    if (trial->state == ESP_TRIAL_PAUSED && !trial->held && done < until) {
        tie->owed += (double)(until - done);
    }
    return 0;
}

static void add_tied(const struct esp_ledger *ledger,
                     const struct esp_best *best,
                     size_t row,
                     struct esp_tie *out)
{
    out->trials[out->count++] = best->rows.trials[row].trial;
    if (out->count <= ESP_REPEAT_LEADERS && best->seeds[row].count < most_seeds(ledger)) {
        out->further++;
        out->tokens += (double)ledger->study->trainer.tokens;
    }
}

int esp_tie_find(const struct esp_ledger *ledger,
                 const struct esp_best *best,
                 struct esp_tie *out,
                 struct esp_error *error)
{
    const struct esp_rows *rows = &best->rows;
    *out = (struct esp_tie){.trials = calloc(rows->count + 1, sizeof *out->trials),
                            .noise = best->noise};
    if (!out->trials) {
        return esp_error_set(error, -ENOMEM, "out of memory.");
    }
    for (size_t i = 1; i < rows->count; i++) {
        /* Equal to the last bit is the same training, drawn twice. */
        bool same = rows->trials[i].value == rows->trials[0].value;
        if (!same && esp_seeds_tie(&best->seeds[0], &best->seeds[i], best->noise)) {
            if (out->count == 0) {
                add_tied(ledger, best, 0, out);
            }
            add_tied(ledger, best, i, out);
        }
    }
    return 0;
}

int esp_tie_load(struct esp_ledger *ledger, struct esp_tie *out, struct esp_error *error)
{
    struct esp_best best = {0};
    int rc = esp_best_load(ledger, ESP_REPEAT_LOOKED_AT, &best, error);
    rc = rc < 0 ? rc : esp_tie_find(ledger, &best, out, error);
    esp_best_release(&best);
    bool cut_off = rc == 0 && out->further > 0 && ledger->state == ESP_STUDY_BUDGET;
    return cut_off ? esp_reader_trials(ledger->reader, add_owed, out, error) : rc;
}

void esp_tie_release(struct esp_tie *tie)
{
    free(tie->trials);
    *tie = (struct esp_tie){0};
}

struct limit {
    const char *name;
    double now, needed;
};

/* The limits of the study that must be raised for the further trainings, and to what. */
static int too_small(const struct esp_tie *tie,
                     const struct esp_ledger *ledger,
                     const struct esp_reader_totals *totals,
                     struct limit limits[4])
{
    const struct esp_budget *b = &ledger->budget;
    double spent = (double)totals->spent_tokens, seconds = totals->device_seconds;
    double more = tie->tokens + tie->owed;
    if (spent > 0) { /* a twentieth more: they may take longer */
        seconds *= 1 + 1.05 * more / spent;
    }
    double usd = b->usd > 0 ? esp_ledger_usd(ledger, seconds) : 0;
    const struct limit all[] = {
        {"run_cap", (double)ledger->run_cap, (double)totals->trials + tie->further},
        {"budget.tokens", b->tokens, ceil(spent + more)},
        {"budget.hours", b->seconds / 3600, round_up(seconds / 3600)},
        {"budget.usd", b->usd, round_up(usd)},
    };
    int count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i].now > 0 && all[i].needed > all[i].now) {
            limits[count++] = all[i];
        }
    }
    return count;
}

/* Whether the study, with its budget raised by these trainings, begins with them: as many are
 * kept of it. */
static bool comes_first(const struct esp_tie *tie,
                        const struct esp_ledger *ledger,
                        const struct esp_reader_totals *totals)
{
    const struct esp_stopping *stopping = &ledger->study->stopping;
    double horizon = tie->tokens / tie->further;
    double trainings =
        floor(((double)totals->spent_tokens + tie->owed) / horizon) + tie->further;
    return ledger->state == ESP_STUDY_BUDGET && stopping->repeats > 0 &&
           esp_repeat_reserve((uint32_t)stopping->repeats,
                              stopping->repeats_by_name,
                              (int64_t)trainings) >= (uint32_t)tie->further;
}

static void add_remedy(const struct esp_tie *tie,
                       const char *dir,
                       const struct esp_ledger *ledger,
                       const struct esp_reader_totals *totals,
                       struct esp_buffer *out)
{
    struct limit limits[4];
    int count = too_small(tie, ledger, totals, limits);
    esp_buffer_addf(out,
                    "another seed of each would tell more: %d training%s, ",
                    tie->further,
                    tie->further == 1 ? "" : "s");
    esp_buffer_count(out, tie->tokens);
    esp_buffer_add(out, " tokens");
    if (ledger->study->stopping.repeats == 0) {
        esp_buffer_add(out, "; early_terminate's `repeats: 1` asks a study for them");
    } else if (count > 0 && comes_first(tie, ledger, totals)) {
        esp_buffer_addf(out, "; espalier set %s", dir);
        for (int i = 0; i < count; i++) {
            esp_buffer_addf(out, " %s=%.10g", limits[i].name, limits[i].needed);
        }
        esp_buffer_addf(out, ", then espalier resume %s", dir);
    }
    esp_buffer_add(out, "\n");
}

void esp_tie_words(const struct esp_tie *tie,
                   const char *dir,
                   const struct esp_ledger *ledger,
                   const struct esp_reader_totals *totals,
                   struct esp_buffer *out)
{
    bool over = ledger->state == ESP_STUDY_COMPLETE || ledger->state == ESP_STUDY_BUDGET;
    if (tie->count == 0) {
        return;
    }
    for (size_t k = 1; k < tie->count; k++) {
        esp_buffer_addf(out,
                        "%s#%lld",
                        k > 1 ? ", " : "a tie, as far as the seed tells: ",
                        (long long)tie->trials[k]);
    }
    esp_buffer_addf(out,
                    " with #%lld (a seed alone moves the loss by about %.2g)\n",
                    (long long)tie->trials[0],
                    tie->noise);
    if (over && tie->further > 0) {
        add_remedy(tie, dir, ledger, totals, out);
    }
}

void esp_tie_json(const struct esp_tie *tie, struct esp_buffer *out)
{
    if (tie->count == 0) {
        esp_buffer_add(out, "null");
        return;
    }
    for (size_t k = 0; k < tie->count; k++) {
        esp_buffer_addf(out, "%s%lld", k ? "," : "{\"trials\":[", (long long)tie->trials[k]);
    }
    esp_buffer_add(out, "],\"noise\":");
    esp_buffer_json_real(out, tie->noise);
    esp_buffer_addf(out, ",\"repeats\":%d,\"tokens\":%.0f}", tie->further, tie->tokens);
}
