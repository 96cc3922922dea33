#include "summary.h"

#include "best.h"
#include "discards.h"
#include "ending.h"
#include "picture.h"
#include "spent.h"
#include "ties.h"
#include "trials_table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define BEST_ROWS 10

/* Progress in twentieths of the horizon: rungs are at slightly different tokens for each batch
 * size. */
static long twentieths(const struct esp_reader_trial *trial)
{
    return trial->horizon > 0 ? lround(20.0 * (double)trial->tokens / (double)trial->horizon)
                              : 0;
}

struct ranking {
    const struct esp_best *best; /* the first BEST_ROWS */
    bool maximize;
};

/* Place among the best; other settings come after them, and repeats last. */
static size_t place_of(const struct ranking *ranking, const struct esp_reader_trial *trial)
{
    const struct esp_rows *rows = &ranking->best->rows;
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->trials[i].trial == trial->trial) {
            return i;
        }
    }
    return rows->count + (trial->repeats >= 0);
}

/* A trial that reached the target is complete below its horizon. */
static bool has_ended(const struct esp_reader_trial *trial)
{
    return trial->finished || trial->state == ESP_TRIAL_COMPLETE;
}

/* Trials at their horizon by rank, then the others by progress and value. */
static int compare_trials(const void *a, const void *b, void *context)
{
    const struct esp_reader_trial *left = a, *right = b;
    const struct ranking *ranking = context;
    if (has_ended(left) != has_ended(right)) {
        return has_ended(right) - has_ended(left);
    }
    size_t left_place = place_of(ranking, left), right_place = place_of(ranking, right);
    if (has_ended(left) && left_place != right_place) {
        return left_place < right_place ? -1 : 1;
    }
    if (isfinite(left->value) != isfinite(right->value)) {
        return isfinite(left->value) ? -1 : 1;
    }
    if (!has_ended(left) && twentieths(left) != twentieths(right)) {
        return twentieths(left) > twentieths(right) ? -1 : 1;
    }
    if (left->value != right->value && isfinite(left->value)) {
        return (left->value < right->value) != ranking->maximize ? -1 : 1;
    }
    return left->trial < right->trial ? -1 : left->trial > right->trial;
}

static void add_next_steps(const char *dir, const struct esp_best *best, struct esp_buffer *out)
{
    long long trial = best->rows.trials[0].trial;
    esp_buffer_addf(out,
                    "\nmore: espalier show %s %lld    espalier why %s %lld    "
                    "espalier sample %s\n",
                    dir,
                    trial,
                    dir,
                    trial,
                    dir);
}

int esp_summary_text(struct esp_ledger *ledger,
                     int width,
                     bool utf8,
                     bool color,
                     struct esp_buffer *out,
                     struct esp_error *error)
{
    struct esp_best best = {0};
    struct esp_rows all = {0};
    struct esp_reader_totals totals;
    struct esp_discards discards;
    struct esp_tie tie = {0};
    int rc = esp_reader_totals(ledger->reader, &totals, error);
    rc = rc < 0 ? rc : esp_best_load(ledger, BEST_ROWS, &best, error);
    rc = rc < 0 ? rc : esp_tie_load(ledger, &totals, &tie, error);
    rc = rc < 0 ? rc : esp_rows_load(ledger->reader, &all, error);
    rc = rc < 0 ? rc : esp_discards_read(ledger, &discards, error);
    if (rc < 0) {
        goto out;
    }
    if (best.rows.count > 0) {
        qsort_r(all.trials,
                all.count,
                sizeof *all.trials,
                compare_trials,
                &(struct ranking){&best, ledger->maximize});
        struct esp_rows shown = all;
        shown.count = all.count < BEST_ROWS ? all.count : BEST_ROWS;
        esp_trials_table(ledger, &shown, &best, width, color, out);
        esp_tie_words(&tie, ledger->dir, ledger, out);
        esp_buffer_add(out, "\n");
        esp_picture_text(ledger, &all, width, utf8, color, out);
        esp_buffer_add(out, "\n");
    }
    if (esp_ending_words(ledger)) {
        esp_buffer_addf(
            out, "end: %s (%lld trials", esp_ending_words(ledger), (long long)totals.trials);
        if (ledger->run_cap > totals.trials) {
            esp_buffer_addf(out, " of run_cap %lld", (long long)ledger->run_cap);
        }
        esp_buffer_add(out, ")\n");
    }
    struct esp_spent spent = esp_spent_of(ledger, &totals);
    esp_spent_text(&spent, out);
    esp_discards_words(&discards, totals.trials, out);
    if (best.rows.count > 0) {
        add_next_steps(ledger->dir, &best, out);
    }
    rc = out->failed ? esp_error_set(error, -ENOMEM, "out of memory.") : 0;
out:
    esp_rows_release(&all);
    esp_best_release(&best);
    return rc;
}
