#include "overview.h"

#include "best.h"
#include "ending.h"
#include "rows.h"
#include "spent.h"
#include "trial_status.h"
#include "trials_table.h"

#include <math.h>
#include <stdlib.h>

/* Lines besides the rows of trials: state, cost and its second line, a blank one, the heading,
 * the hidden columns, "… more", and a line of the caller's. */
#define OTHER_LINES 8

static int group_of(enum esp_trial_state state)
{
    switch (esp_trial_status_of(state)) {
    case ESP_TRIAL_STATUS_RUNNING:
        return 0;
    case ESP_TRIAL_STATUS_COMPLETE:
        return 1;
    case ESP_TRIAL_STATUS_PAUSED:
        return 2;
    case ESP_TRIAL_STATUS_QUEUED:
        return 3;
    default:
        return 4;
    }
}

/* By group, then by value, the best first and those without a value last, then by number. */
static int compare_rows(const void *a, const void *b, void *context)
{
    const struct esp_reader_trial *left = a, *right = b;
    bool maximize = *(const bool *)context;
    int order = group_of(left->state) - group_of(right->state);
    if (order != 0) {
        return order;
    }
    if (isnan(left->value) != isnan(right->value)) {
        return isnan(left->value) ? 1 : -1;
    }
    if (!isnan(left->value) && left->value != right->value) {
        return (left->value < right->value) == maximize ? 1 : -1;
    }
    return left->trial < right->trial ? -1 : left->trial > right->trial;
}

static void add_heading(const struct esp_ledger *ledger,
                        const struct esp_reader_totals *totals,
                        const struct esp_best *best,
                        struct esp_buffer *out)
{
    struct esp_spent spent = esp_spent_of(ledger, totals);
    esp_buffer_addf(out, "%s  %s", ledger->study->name, esp_study_state_name(ledger->state));
    if (ledger->reason == ESP_END_INTERRUPTED) {
        esp_buffer_add(out, " (");
        esp_ledger_remedy(ledger, out);
        esp_buffer_add(out, ")");
    } else if (esp_ending_words(ledger)) {
        esp_buffer_addf(out, ": %s", esp_ending_words(ledger));
    }
    esp_buffer_addf(out, "  %lld", (long long)totals->trials);
    if (ledger->run_cap > 0) {
        esp_buffer_addf(out, "/%lld", (long long)ledger->run_cap);
    }
    esp_buffer_add(out, " trials");
    if (best->rows.count > 0) {
        esp_buffer_add(out, "  best ");
        esp_best_value(best, 0, 5, out);
        esp_buffer_addf(out, " (#%lld)", (long long)best->rows.trials[0].trial);
    }
    esp_buffer_add(out, "\n");
    esp_spent_text(&spent, out);
    esp_buffer_add(out, "\n");
}

static void add_rows(const struct esp_ledger *ledger,
                     struct esp_rows *rows,
                     int width,
                     int height,
                     bool color,
                     struct esp_buffer *out)
{
    size_t all = rows->count;
    qsort_r(rows->trials,
            rows->count,
            sizeof *rows->trials,
            compare_rows,
            (void *)&ledger->maximize);
    struct esp_rows shown = *rows;
    if (height > OTHER_LINES && all > (size_t)(height - OTHER_LINES)) {
        shown.count = (size_t)(height - OTHER_LINES);
    }
    esp_trials_table(ledger, &shown, NULL, width, color, out);
    if (shown.count < all) {
        esp_buffer_addf(out, "… %zu more: espalier ls %s\n", all - shown.count, ledger->dir);
    }
}

int esp_overview_text(struct esp_ledger *ledger,
                      int width,
                      int height,
                      bool color,
                      struct esp_buffer *out,
                      struct esp_error *error)
{
    struct esp_rows rows = {0};
    struct esp_best best = {0};
    struct esp_reader_totals totals;
    int rc = esp_ledger_refresh(ledger, error);
    rc = rc < 0 ? rc : esp_reader_begin(ledger->reader, error);
    if (rc < 0) {
        return rc;
    }
    rc = esp_reader_totals(ledger->reader, &totals, error);
    rc = rc < 0 ? rc : esp_rows_load(ledger->reader, &rows, error);
    rc = rc < 0 ? rc : esp_best_load(ledger, 1, &best, error);
    esp_reader_end(ledger->reader);
    if (rc == 0) {
        add_heading(ledger, &totals, &best, out);
        add_rows(ledger, &rows, width, height, color, out);
    }
    esp_best_release(&best);
    esp_rows_release(&rows);
    return rc;
}
