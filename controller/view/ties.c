#include "ties.h"

#include "../money/price.h"
#include "../stop/repeat.h"

#include <errno.h>
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

/* To a figure that can be read, and that is hardly more than what is needed: what is far beyond
 * it would be searched with first. As printed it is no less than what is needed. */
static double round_up(double value)
{
    double unit = pow(10, floor(log10(value)) - 3);
    double units = ceil(value / unit - 1e-9); /* a division that erred is no unit more … */
    if (as_printed(units * unit) < value) {
        units++; /* … unless it did not err */
    }
    return as_printed(units * unit);
}

/* Further seeds that a setting may have: of a study that asks for none, one would tell. */
static uint32_t most_seeds(const struct esp_ledger *ledger)
{
    int repeats = ledger->study->stopping.repeats;
    return (uint32_t)(repeats > 0 ? repeats : 1);
}

/* Trials that were cut off, and those that wait in the queue. A leader's repeats are told as
 * what settles the tie. */
double esp_tie_owed(const struct esp_tie *tie, const struct esp_reader_trial *trial)
{
    bool waits = trial->state == ESP_TRIAL_PAUSED || trial->state == ESP_TRIAL_QUEUED;
    int64_t done = trial->tokens > 0 ? trial->tokens : 0;
    int64_t until = trial->until < trial->horizon ? trial->until : trial->horizon;
    for (size_t k = 0; k < tie->leaders; k++) {
        if (trial->repeats == tie->trials[k]) {
            return 0;
        }
    }
    return waits && !trial->held && done < until ? (double)(until - done) : 0;
}

static int add_owed(void *context, const struct esp_reader_trial *trial)
{
    struct esp_tie *tie = context;
    tie->owed += esp_tie_owed(tie, trial);
    return 0;
}

/* What was made of a setting's further seeds; what failed or was stopped was made, too. */
struct made {
    uint32_t count;
    int open;
    double left; /* tokens that the open ones have still to train */
};

static bool goes_on(const struct esp_reader_trial *trial)
{
    return trial->state < ESP_TRIAL_COMPLETE && trial->state != ESP_TRIAL_STOPPING &&
           !trial->held;
}

static struct made made_of(const struct esp_best *best, size_t row)
{
    struct made made = {0};
    for (size_t i = 0; i < best->repeats.count; i++) {
        const struct esp_reader_trial *t = &best->repeats.trials[i];
        if (t->repeats != best->rows.trials[row].trial) {
            continue;
        }
        made.count++;
        if (goes_on(t)) {
            made.open++;
            made.left += (double)(t->horizon - (t->tokens > 0 ? t->tokens : 0));
        }
    }
    return made;
}

/* A setting with one seed that is another's training, one with several seeds or a row before
 * it: the controller passes over it, too (controller/stop/repeat.c). */
static bool is_drawn_twice(const struct esp_best *best, size_t row, const bool *kept)
{
    for (size_t i = 0; i < best->rows.count && made_of(best, row).count == 0; i++) {
        if (i != row && (i < row ? kept[i] : made_of(best, i).count > 0) &&
            esp_repeat_same(best->rows.trials[i].value, best->rows.trials[row].value)) {
            return true;
        }
    }
    return false;
}

/* Settings first repeated since the last new one; no more than ESP_REPEAT_LEADERS are. */
static int repeated_since(const struct esp_best *best, int64_t trials)
{
    const struct esp_rows *rows = &best->repeats;
    int64_t newest = trials - 1;
    int since = 0;
    for (size_t i = rows->count; i-- > 0;) { /* by number */
        newest -= rows->trials[i].repeats >= 0 && rows->trials[i].trial == newest;
    }
    for (size_t i = 0; i < rows->count; i++) {
        bool is_first = rows->trials[i].repeats >= 0 && rows->trials[i].trial > newest;
        for (size_t k = 0; k < i && is_first; k++) {
            is_first = rows->trials[k].repeats != rows->trials[i].repeats;
        }
        since += is_first;
    }
    return since;
}

static void add_further(const struct esp_ledger *ledger,
                        const struct made *made,
                        int *since,
                        struct esp_tie *out)
{
    if (made->open > 0) {
        out->further += made->open;
        out->begun += made->open;
        out->tokens += made->left;
    } else if (made->count < most_seeds(ledger) &&
               (made->count > 0 || *since < ESP_REPEAT_LEADERS)) {
        *since += made->count == 0;
        out->further++;
        out->tokens += (double)ledger->study->trainer.tokens;
    }
}

static double mean_rate(const struct esp_reader_totals *totals)
{
    return esp_price_seconds_per_token(
        (struct esp_spending){(double)totals->spent_tokens, totals->device_seconds});
}

/* Seconds that a token of the setting took: the controller begins a repeat only where the
 * budget pays it at about this rate. */
static double rate_of(const struct esp_reader_trial *trial,
                      const struct esp_reader_totals *totals)
{
    bool known = trial->spent_tokens > 0 && trial->device_seconds > 0;
    return known ? trial->device_seconds / (double)trial->spent_tokens : mean_rate(totals);
}

int esp_tie_find(const struct esp_ledger *ledger,
                 const struct esp_best *best,
                 const struct esp_reader_totals *totals,
                 struct esp_tie *out,
                 struct esp_error *error)
{
    size_t count = best->rows.count, first = count, rank = 0, tied[ESP_REPEAT_LEADERS];
    bool *kept = calloc(count + 1, sizeof *kept);
    *out = (struct esp_tie){.trials = calloc(count + 1, sizeof *out->trials),
                            .noise = best->noise};
    if (!out->trials || !kept) {
        free(kept);
        return esp_error_set(error, -ENOMEM, "out of memory.");
    }
    for (size_t i = 0; i < count; i++) {
        kept[i] = !is_drawn_twice(best, i, kept);
        if (!kept[i]) {
            continue;
        }
        rank++;
        first = rank == 1 ? i : first;
        if (i == first || esp_seeds_tie(&best->seeds[first], &best->seeds[i], best->noise)) {
            if (rank <= ESP_REPEAT_LEADERS) {
                tied[out->leaders++] = i;
            }
            out->trials[out->count++] = best->rows.trials[i].trial;
        }
    }
    free(kept);
    if (out->count < 2) {
        out->count = out->leaders = 0;
    }
    int since = repeated_since(best, totals->trials);
    for (size_t k = 0; k < out->leaders && out->leaders > 1; k++) {
        struct made made = made_of(best, tied[k]);
        double before = out->tokens;
        add_further(ledger, &made, &since, out);
        out->seconds += (out->tokens - before) * rate_of(&best->rows.trials[tied[k]], totals);
    }
    return 0;
}

int esp_tie_load(struct esp_ledger *ledger,
                 const struct esp_reader_totals *totals,
                 struct esp_tie *out,
                 struct esp_error *error)
{
    struct esp_best best = {0};
    int rc = esp_best_load(ledger, ESP_REPEAT_LOOKED_AT, &best, error);
    rc = rc < 0 ? rc : esp_tie_find(ledger, &best, totals, out, error);
    esp_best_release(&best);
    bool cut_off = rc == 0 && out->further > 0 && ledger->state == ESP_STUDY_BUDGET;
    return cut_off ? esp_reader_trials(ledger->reader, add_owed, out, error) : rc;
}

void esp_tie_release(struct esp_tie *tie)
{
    free(tie->trials);
    *tie = (struct esp_tie){0};
}

/* A twentieth more than they took: they may take longer. */
#define LONGER 1.05

struct limit {
    const char *name;
    bool whole; /* else it is rounded up to be read */
    double now, needed;
};

/* The limits of the study that must be raised for the further trainings, and to what. */
static int too_small(const struct esp_tie *tie,
                     const struct esp_ledger *ledger,
                     const struct esp_reader_totals *totals,
                     struct limit limits[4])
{
    const struct esp_budget *b = &ledger->budget;
    double spent = (double)totals->spent_tokens, more = tie->tokens + tie->owed;
    double seconds =
        totals->device_seconds + LONGER * (tie->seconds + tie->owed * mean_rate(totals));
    double usd = b->usd > 0 ? esp_ledger_usd(ledger, seconds) : 0;
    const struct limit all[] = {
        {"run_cap",
         true,
         (double)ledger->run_cap,
         (double)totals->trials + tie->further - tie->begun},
        {"budget.tokens", true, b->tokens, ceil(spent + more)},
        {"budget.hours",
         false,
         b->seconds / ESP_SECONDS_PER_HOUR,
         round_up(seconds / ESP_SECONDS_PER_HOUR)},
        {"budget.usd", false, b->usd, round_up(usd)},
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
 * kept of it, counted at the mean rate where tokens are not what it lacks. */
static bool comes_first(const struct esp_tie *tie,
                        const struct esp_ledger *ledger,
                        const struct esp_reader_totals *totals)
{
    const struct esp_stopping *stopping = &ledger->study->stopping;
    double horizon = (double)ledger->study->trainer.tokens;
    double spent = (double)totals->spent_tokens, more = tie->tokens + tie->owed;
    double trainings = floor((spent + more) / horizon), left = tie->tokens;
    bool lacks_tokens = ledger->budget.tokens > 0 && spent + more > ledger->budget.tokens;
    if (!lacks_tokens && mean_rate(totals) > 0) {
        left = fmax(left, LONGER * tie->seconds / mean_rate(totals));
    }
    uint32_t kept = esp_repeat_reserve(
        (uint32_t)stopping->repeats, stopping->repeats_given, (int64_t)trainings);
    return ledger->state == ESP_STUDY_BUDGET && kept > 0 && left < horizon * (kept + 1);
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
            esp_buffer_addf(out, " %s=", limits[i].name);
            esp_buffer_addf(out, limits[i].whole ? "%.0f" : ROUNDED, limits[i].needed);
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
