#include "status.h"

#include "ending.h"
#include "human.h"
#include "json.h"
#include "rows.h"

int esp_status_read(struct esp_ledger *ledger, struct esp_status *out, struct esp_error *error)
{
    struct esp_reader_totals totals;
    *out = (struct esp_status){.ledger = ledger};
    int rc = esp_reader_begin(ledger->reader, error);
    if (rc < 0) {
        return rc;
    }
    rc = esp_reader_totals(ledger->reader, &totals, error);
    rc = rc < 0 ? rc : esp_best_load(ledger, 1, &out->best, error);
    rc = rc < 0 ? rc : esp_tie_load(ledger, &totals, &out->tie, error);
    rc = rc < 0 ? rc : esp_discards_read(ledger, &out->discards, error);
    rc = rc < 0 ? rc : esp_ending_held(ledger, &out->held, error);
    esp_reader_end(ledger->reader);
    if (rc < 0) {
        esp_status_release(out);
        return rc;
    }
    for (int state = 0; state < ESP_TRIAL_STATE_COUNT; state++) {
        out->counts[esp_trial_status_of((enum esp_trial_state)state)] += totals.by_state[state];
    }
    out->trials = totals.trials;
    out->spent = esp_spent_of(ledger, &totals);
    return 0;
}

void esp_status_release(struct esp_status *status)
{
    esp_best_release(&status->best);
    esp_buffer_release(&status->held);
    *status = (struct esp_status){0};
}

static void add_best_json(const struct esp_best *best, struct esp_buffer *out)
{
    if (best->rows.count == 0) {
        esp_buffer_add(out, "null");
        return;
    }
    const struct esp_reader_trial *trial = &best->rows.trials[0];
    esp_buffer_addf(out, "{\"trial\":%lld,\"value\":", (long long)trial->trial);
    esp_json_real(out, trial->value);
    esp_buffer_add(out, ",\"params\":");
    esp_rows_params_json(trial, out);
    esp_buffer_add(out, "}");
}

static void add_spent_json(const struct esp_spent *spent, struct esp_buffer *out)
{
    esp_buffer_addf(out, "{\"tokens\":%lld,\"device_seconds\":", (long long)spent->tokens);
    esp_json_real(out, spent->device_seconds);
    esp_buffer_add(out, ",\"usd\":");
    esp_json_real(out, spent->usd);
    esp_buffer_addf(out, "},\"full_cost\":{\"tokens\":%lld}", (long long)spent->full_tokens);
}

void esp_status_json(const struct esp_status *status, struct esp_buffer *out)
{
    const struct esp_ledger *ledger = status->ledger;
    esp_buffer_add(out, "{\"study\":");
    esp_json_string(out, ledger->study->name);
    esp_buffer_addf(out, ",\"state\":\"%s\",\"reason\":", esp_study_state_name(ledger->state));
    esp_ending_json(ledger, out);
    esp_buffer_add(out, ",\"trials\":{");
    for (int i = 0; i < ESP_TRIAL_STATUS_COUNT; i++) {
        esp_buffer_addf(out,
                        "%s\"%s\":%lld",
                        i ? "," : "",
                        esp_trial_status_name((enum esp_trial_status)i),
                        (long long)status->counts[i]);
    }
    esp_buffer_add(out, "},\"best\":");
    add_best_json(&status->best, out);
    esp_buffer_add(out, ",\"spent\":");
    add_spent_json(&status->spent, out);
    esp_buffer_add(out, ",\"discards\":");
    esp_discards_json(&status->discards, status->trials, out);
    esp_buffer_add(out, ",\"tie\":");
    esp_tie_json(&status->tie, out);
    esp_buffer_add(out, "}\n");
}

static void add_counts(const struct esp_status *status, struct esp_buffer *out)
{
    const struct esp_ledger *ledger = status->ledger;
    esp_buffer_addf(out, "trials: %lld", (long long)status->trials);
    if (ledger->run_cap > 0) {
        esp_buffer_addf(out, " of %lld", (long long)ledger->run_cap);
    }
    for (int i = 0; i < ESP_TRIAL_STATUS_COUNT; i++) {
        bool running = i == ESP_TRIAL_STATUS_RUNNING;
        if (status->counts[i] > 0) {
            esp_buffer_addf(out,
                            " · %lld %s",
                            (long long)status->counts[i],
                            running ? esp_ledger_trial_state(ledger, ESP_TRIAL_RUNNING)
                                    : esp_trial_status_name((enum esp_trial_status)i));
        }
    }
    esp_buffer_add(out, "\n");
}

static void add_best(const struct esp_status *status, struct esp_buffer *out)
{
    if (status->best.rows.count == 0) {
        return;
    }
    const struct esp_reader_trial *trial = &status->best.rows.trials[0];
    esp_buffer_addf(out, "best: %s ", status->ledger->study->metric);
    esp_best_value(&status->best, 0, 5, out);
    esp_buffer_addf(out, " (#%lld)", (long long)trial->trial);
    for (uint32_t p = 0; p < trial->param_count; p++) {
        esp_buffer_addf(out, "%s %s ", p ? "," : ":", trial->params[p].name);
        esp_human_value(out, &trial->params[p].value);
    }
    esp_buffer_add(out, "\n");
}

void esp_status_text(const struct esp_status *status, struct esp_buffer *out)
{
    const struct esp_ledger *ledger = status->ledger;
    esp_buffer_addf(out, "%s: %s", ledger->study->name, esp_study_state_name(ledger->state));
    if (ledger->alive) {
        esp_buffer_addf(out, " (controller: process %d)", (int)ledger->pid);
    } else if (ledger->reason == ESP_END_INTERRUPTED) {
        esp_buffer_add(out, "; ");
        esp_ledger_remedy(ledger, out);
    } else if (esp_ending_words(ledger)) {
        esp_buffer_addf(out, ": %s", esp_ending_words(ledger));
    }
    esp_buffer_add(out, "\n");
    add_counts(status, out);
    esp_buffer_add(out, esp_buffer_get(&status->held));
    add_best(status, out);
    esp_tie_words(&status->tie, ledger->dir, ledger, out);
    esp_spent_text(&status->spent, out);
    esp_discards_words(&status->discards, status->trials, out);
}
