/* espalier status: how a search stands, in a few lines or as DESIGN 9's JSON. */
#include "../system/terminal.h"
#include "../view/best.h"
#include "../view/discards.h"
#include "../view/results.h"
#include "../view/ties.h"
#include "output.h"
#include "verb.h"

#include <math.h>

struct counts {
    int64_t queued, running, paused, complete, pruned, failed, stopped;
};

struct standing {
    struct esp_best best; /* the first */
    struct esp_tie tie;
    struct esp_discards discards;
};

static struct counts count_states(const struct esp_reader_totals *totals)
{
    const int64_t *by = totals->by_state;
    return (struct counts){
        .queued = by[ESP_TRIAL_QUEUED],
        .running = by[ESP_TRIAL_ASSIGNED] + by[ESP_TRIAL_RUNNING] + by[ESP_TRIAL_PAUSING] +
                   by[ESP_TRIAL_STOPPING],
        .paused = by[ESP_TRIAL_PAUSED],
        .complete = by[ESP_TRIAL_COMPLETE],
        .pruned = by[ESP_TRIAL_PRUNED],
        .failed = by[ESP_TRIAL_FAILED],
        .stopped = by[ESP_TRIAL_STOPPED],
    };
}

static void add_json(const struct esp_ledger *ledger,
                     const struct esp_reader_totals *totals,
                     const struct standing *standing,
                     struct esp_buffer *out)
{
    const struct esp_rows *best = &standing->best.rows;
    struct counts n = count_states(totals);
    esp_buffer_add(out, "{\"study\":");
    esp_buffer_json_string(out, ledger->study->name);
    esp_buffer_addf(out,
                    ",\"state\":\"%s\",\"trials\":{\"queued\":%lld,\"running\":%lld,"
                    "\"paused\":%lld,\"complete\":%lld,\"pruned\":%lld,\"failed\":%lld,"
                    "\"stopped\":%lld},\"best\":",
                    esp_study_state_name(ledger->state),
                    (long long)n.queued,
                    (long long)n.running,
                    (long long)n.paused,
                    (long long)n.complete,
                    (long long)n.pruned,
                    (long long)n.failed,
                    (long long)n.stopped);
    if (best->count > 0) {
        esp_buffer_addf(out, "{\"trial\":%lld,\"value\":", (long long)best->trials[0].trial);
        esp_buffer_json_real(out, best->trials[0].value);
        esp_buffer_add(out, ",\"params\":");
        esp_rows_params_json(&best->trials[0], out);
        esp_buffer_add(out, "}");
    } else {
        esp_buffer_add(out, "null");
    }
    esp_buffer_addf(out,
                    ",\"spent\":{\"tokens\":%lld,\"device_seconds\":",
                    (long long)totals->spent_tokens);
    esp_buffer_json_real(out, totals->device_seconds);
    esp_buffer_add(out, ",\"usd\":");
    esp_buffer_json_real(out, esp_ledger_usd(ledger, totals->device_seconds));
    esp_buffer_addf(out,
                    "},\"full_cost\":{\"tokens\":%lld},\"discards\":",
                    (long long)totals->full_cost_tokens);
    esp_discards_json(&standing->discards, totals->trials, out);
    esp_buffer_add(out, ",\"tie\":");
    esp_tie_json(&standing->tie, out);
    esp_buffer_add(out, "}\n");
}

static void add_words(const char *dir,
                      const struct esp_ledger *ledger,
                      const struct esp_reader_totals *totals,
                      const struct standing *standing,
                      struct esp_buffer *out)
{
    const struct esp_best *best = &standing->best;
    struct counts n = count_states(totals);
    esp_buffer_addf(out, "%s: %s", ledger->study->name, esp_study_state_name(ledger->state));
    if (ledger->alive) {
        esp_buffer_addf(out, " (controller: process %d)", (int)ledger->pid);
    } else if (ledger->state == ESP_STUDY_INTERRUPTED) {
        esp_buffer_add(out, "; ");
        esp_ledger_remedy(ledger, out);
    }
    esp_buffer_addf(out, "\ntrials: %lld", (long long)totals->trials);
    if (ledger->run_cap > 0) {
        esp_buffer_addf(out, " of %lld", (long long)ledger->run_cap);
    }
    const struct {
        const char *name;
        int64_t count;
    } parts[] = {{"queued", n.queued},
                 {esp_ledger_trial_state(ledger, ESP_TRIAL_RUNNING), n.running},
                 {"paused", n.paused},
                 {"complete", n.complete},
                 {"pruned", n.pruned},
                 {"failed", n.failed},
                 {"stopped", n.stopped}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].count > 0) {
            esp_buffer_addf(out, " · %lld %s", (long long)parts[i].count, parts[i].name);
        }
    }
    esp_buffer_add(out, "\n");
    if (best->rows.count > 0) {
        const struct esp_reader_trial *trial = &best->rows.trials[0];
        esp_buffer_addf(out, "best: %s ", ledger->study->metric);
        esp_best_value(best, 0, 5, out);
        esp_buffer_addf(out, " (#%lld)", (long long)trial->trial);
        for (uint32_t p = 0; p < trial->param_count; p++) {
            esp_buffer_addf(out, "%s %s ", p ? "," : ":", trial->params[p].name);
            esp_buffer_value(out, &trial->params[p].value);
        }
        esp_buffer_add(out, "\n");
    }
    esp_tie_words(&standing->tie, dir, ledger, out);
    esp_results_cost(ledger, totals, out);
    esp_discards_words(&standing->discards, totals->trials, out);
}

static int print_status(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct standing standing = {0};
    struct esp_buffer out = {0};
    struct esp_reader_totals totals;
    const char *dir = arguments->operands[0];
    int rc = esp_ledger_open(dir, &ledger, error), code;
    if (rc < 0 || (rc = esp_reader_begin(ledger.reader, error)) < 0) {
        code = esp_exit_of(rc);
        goto out;
    }
    rc = esp_reader_totals(ledger.reader, &totals, error);
    rc = rc < 0 ? rc : esp_best_load(&ledger, 1, &standing.best, error);
    rc = rc < 0 ? rc : esp_tie_load(&ledger, &totals, &standing.tie, error);
    rc = rc < 0 ? rc : esp_discards_read(&ledger, &standing.discards, error);
    esp_reader_end(ledger.reader);
    if (rc < 0) {
        code = esp_exit_of(rc);
        goto out;
    }
    if (arguments->json) {
        add_json(&ledger, &totals, &standing, &out);
    } else {
        add_words(dir, &ledger, &totals, &standing, &out);
    }
    code = esp_print(&out, error);
out:
    esp_buffer_release(&out);
    esp_best_release(&standing.best);
    esp_ledger_close(&ledger);
    return code;
}

const struct esp_cli_verb esp_cli_row_status = {
    .name = "status",
    .operands = "DIR",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "Show the state, best setting and cost of a study",
    .options = {ESP_OPTION_JSON},
    .main = print_status,
};
