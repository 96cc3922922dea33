#include "trials_table.h"

#include "columns.h"
#include "human.h"

#include <math.h>

/* The order in which columns get their place when the terminal is too narrow for all. */
enum { RANK_VALUE, RANK_SEARCHED, RANK_STATE, RANK_TOKENS };

/* Whether a parameter is constant, so that its column can be left out. */
static bool is_constant(const struct esp_ledger *ledger, int index)
{
    return ledger->study->params[index].distribution == ESP_CONSTANT;
}

/* The value of a diverged trial misleads without its state. */
static int rank_of_state(const struct esp_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        if (rows->trials[i].cause == ESP_CAUSE_DIVERGED) {
            return RANK_VALUE;
        }
    }
    return RANK_STATE;
}

static bool has_means(const struct esp_rows *rows, const struct esp_best *best)
{
    for (size_t i = 0; best && i < rows->count; i++) {
        const struct esp_seeds *seeds = esp_best_seeds(best, rows->trials[i].trial);
        if (seeds && seeds->count > 1) {
            return true;
        }
    }
    return false;
}

static void add_mean(struct esp_columns *table, const struct esp_seeds *seeds)
{
    if (seeds && seeds->count > 1) {
        esp_columns_addf(
            table, "%.4f ± %.4f (%u)", seeds->mean, esp_seeds_spread(seeds), seeds->count);
    } else {
        esp_columns_add(table, "-");
    }
}

/* "complete, repeats #7 with seed 2", "complete (target)", "pruned (diverged)". */
static void add_state(struct esp_columns *table,
                      const struct esp_ledger *ledger,
                      const struct esp_reader_trial *trial,
                      struct esp_buffer *cell)
{
    bool diverged = trial->cause == ESP_CAUSE_DIVERGED;
    bool target = ledger->reason == ESP_END_TARGET && !trial->finished &&
                  trial->state == ESP_TRIAL_COMPLETE;
    esp_buffer_clear(cell);
    esp_buffer_addf(cell,
                    "%s%s%s",
                    esp_ledger_trial_state(ledger, trial->state),
                    diverged      ? " (diverged)"
                    : target      ? " (target)"
                    : trial->held ? " (held)"
                                  : "",
                    trial->repeats >= 0 ? ", " : "");
    esp_rows_repeated(trial, cell);
    esp_columns_add(table, esp_buffer_get(cell));
}

void esp_trials_table(const struct esp_ledger *ledger,
                      const struct esp_rows *rows,
                      const struct esp_best *best,
                      int width,
                      bool color,
                      struct esp_buffer *out)
{
    struct esp_columns table = {0};
    const struct esp_study *study = ledger->study;
    bool means = has_means(rows, best);
    esp_columns_head(&table, "trial", true, RANK_VALUE);
    esp_columns_head(&table, study->metric, true, RANK_VALUE);
    if (means) {
        esp_columns_head(&table, "mean (seeds)", true, RANK_VALUE);
    }
    for (int p = 0; p < study->param_count; p++) {
        if (!is_constant(ledger, p)) {
            esp_columns_head(&table, study->params[p].name, true, RANK_SEARCHED);
        }
    }
    esp_columns_head(&table, "tokens", true, RANK_TOKENS);
    esp_columns_head(&table, "state", false, rank_of_state(rows));
    struct esp_buffer cell = {0};
    for (size_t i = 0; i < rows->count; i++) {
        const struct esp_reader_trial *trial = &rows->trials[i];
        esp_columns_addf(&table, "#%lld", (long long)trial->trial);
        if (isfinite(trial->value)) {
            esp_columns_addf(&table, "%.4f", trial->value);
        } else {
            esp_columns_add(&table, "-");
        }
        if (means) {
            add_mean(&table, esp_best_seeds(best, trial->trial));
        }
        for (int p = 0; p < study->param_count && p < (int)trial->param_count; p++) {
            if (!is_constant(ledger, p)) {
                esp_buffer_clear(&cell);
                esp_human_value(&cell, &trial->params[p].value);
                esp_columns_add(&table, esp_buffer_get(&cell));
            }
        }
        esp_buffer_clear(&cell);
        esp_human_count(&cell, trial->tokens > 0 ? (double)trial->tokens : 0);
        esp_columns_add(&table, esp_buffer_get(&cell));
        add_state(&table, ledger, trial, &cell);
    }
    out->failed |= cell.failed || table.failed;
    esp_columns_print(&table, width, "wider terminal, or ls --json", color, out);
    esp_buffer_release(&cell);
    esp_columns_release(&table);
}
