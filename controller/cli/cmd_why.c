/* espalier why: every verdict about a trial, with the rule, rung, numbers and rivals. */
#include "../view/ledger.h"
#include "../view/reason.h"
#include "../view/rows.h"
#include "output.h"
#include "verb.h"

struct told {
    const struct esp_ledger *ledger;
    struct esp_buffer *out;
    bool json, diverged;
    int count;
};

static bool begins_anew(const struct esp_event *event)
{
    return event->moved.trigger == ESP_TRIGGER_CONTINUE &&
           event->moved.from == ESP_TRIAL_PRUNED;
}

static int tell(void *context, const struct esp_event *event)
{
    struct told *told = context;
    struct esp_buffer *out = told->out;
    bool moved =
        event->kind == ESP_EVENT_MOVED &&
        (event->moved.trigger == ESP_TRIGGER_DIVERGED ||
         event->moved.trigger == ESP_TRIGGER_LOST ||
         event->moved.trigger == ESP_TRIGGER_ERROR ||
         event->moved.trigger == ESP_TRIGGER_STOP || event->moved.trigger == ESP_TRIGGER_HOLD ||
         event->moved.trigger == ESP_TRIGGER_RESUME ||
         event->moved.trigger == ESP_TRIGGER_HORIZON || begins_anew(event));
    if (event->kind == ESP_EVENT_VERDICT) {
        if (told->json) {
            esp_buffer_addf(out,
                            "%s{\"seq\":%llu,\"time_ms\":%lld,\"verdict\":",
                            told->count ? ",\n " : "",
                            (unsigned long long)event->seq,
                            (long long)event->time_ms);
            esp_reason_json(&event->verdict, out);
            esp_buffer_add(out, "}");
        } else {
            esp_reason_verdict(
                &event->verdict, told->ledger->study->metric, told->ledger->maximize, out);
            esp_buffer_add(out, "\n");
        }
        told->count++;
        told->diverged = event->verdict.reason.rule == ESP_RULE_DIVERGED;
    } else if (moved && event->moved.trigger == ESP_TRIGGER_DIVERGED && told->diverged) {
        told->diverged = false; /* the verdict has just said it */
    } else if (moved && !told->json) {
        static const char *const words[ESP_TRIGGER_COUNT] = {
            [ESP_TRIGGER_DIVERGED] = "stopped: its loss was not finite, or far off.",
            [ESP_TRIGGER_LOST] =
                "lost: its process died or fell silent; tried again when allowed.",
            [ESP_TRIGGER_ERROR] = "failed: the trainer reported an error.",
            [ESP_TRIGGER_STOP] = "stopped by you.",
            [ESP_TRIGGER_HOLD] = "paused by you: only you continue it.",
            [ESP_TRIGGER_RESUME] = "continued by you.",
            [ESP_TRIGGER_HORIZON] = "complete: it reached its horizon.",
            [ESP_TRIGGER_CONTINUE] = "begun anew: it was chosen again after it was given up.",
        };
        esp_buffer_addf(out, "%s", words[event->moved.trigger]);
        if (event->moved.words && event->moved.words[0]) {
            esp_buffer_addf(out, " (%s)", event->moved.words);
        }
        esp_buffer_add(out, "\n");
        told->count++;
    }
    return 0;
}

static int explain(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_ledger ledger = {0};
    struct esp_rows rows = {0};
    struct esp_buffer out = {0};
    struct told told = {.ledger = &ledger, .out = &out, .json = arguments->json};
    int64_t trial = -1;
    int rc = esp_arguments_trial(arguments->operands[1], &trial, error);
    rc = rc < 0 ? rc : esp_ledger_open(arguments->operands[0], &ledger, error);
    rc = rc < 0 ? rc : esp_rows_one(ledger.reader, trial, &rows, error);
    if (rc == 0) {
        if (told.json) {
            esp_buffer_add(&out, "[");
        } else {
            esp_buffer_addf(&out,
                            "trial #%lld, now %s",
                            (long long)trial,
                            esp_ledger_trial_state(&ledger, rows.trials[0].state));
            esp_buffer_add(&out, rows.trials[0].repeats >= 0 ? "; " : "");
            esp_rows_repeated(&rows.trials[0], &out);
            esp_buffer_add(&out, ":\n");
        }
        rc = esp_reader_history(ledger.reader, trial, tell, &told, error);
        if (told.json) {
            esp_buffer_add(&out, "]\n");
        } else if (told.count == 0) {
            esp_buffer_add(&out, "no verdict was needed so far.\n");
        }
    }
    int code = rc < 0 ? esp_exit_of(rc) : esp_print(&out, error);
    esp_buffer_release(&out);
    esp_rows_release(&rows);
    esp_ledger_close(&ledger);
    return code;
}

const struct esp_cli_verb esp_cli_row_why = {
    .name = "why",
    .operands = "DIR TRIAL",
    .operand_min = 2,
    .operand_max = 2,
    .summary = "Explain why a trial was started, paused, continued or stopped",
    .options = {ESP_OPTION_JSON},
    .main = explain,
};
