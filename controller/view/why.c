#include "why.h"

#include "reason.h"
#include "rows.h"

struct writer {
    const struct esp_ledger *ledger;
    struct esp_buffer *out;
    int count;
    bool diverged; /* the last verdict said so */
};

/* What a state change means that needs no verdict; NULL for all others. */
static const char *change_words(const struct esp_event_moved *moved)
{
    switch (moved->trigger) {
    case ESP_TRIGGER_DIVERGED:
        return "stopped: its loss was not finite, or diverged.";
    case ESP_TRIGGER_LOST:
        return "lost: its process ended or stopped answering; it is retried if attempts are "
               "left.";
    case ESP_TRIGGER_ERROR:
        return "failed: the trainer reported an error.";
    case ESP_TRIGGER_STOP:
        return "stopped by you.";
    case ESP_TRIGGER_HOLD:
        return "paused by you: only you can continue it.";
    case ESP_TRIGGER_RESUME:
        return "continued by you.";
    case ESP_TRIGGER_HORIZON:
        return "complete: it reached its horizon.";
    case ESP_TRIGGER_TARGET:
        return "complete: it reached the metric's target, which ends the search.";
    case ESP_TRIGGER_CONTINUE:
        return moved->from == ESP_TRIAL_PRUNED
                   ? "started again: it was chosen again after it had been discarded."
                   : NULL;
    default:
        return NULL;
    }
}

static void add_change(struct writer *writer, const struct esp_event_moved *moved)
{
    const char *words = change_words(moved);
    if (!words) {
        return;
    }
    if (moved->trigger == ESP_TRIGGER_DIVERGED && writer->diverged) {
        writer->diverged = false;
        return;
    }
    esp_buffer_add(writer->out, words);
    if (moved->text && moved->text[0]) {
        esp_buffer_addf(writer->out, " (%s)", moved->text);
    }
    esp_buffer_add(writer->out, "\n");
    writer->count++;
}

static int add_text(void *context, const struct esp_event *event)
{
    struct writer *writer = context;
    if (event->kind == ESP_EVENT_VERDICT) {
        esp_reason_verdict(&event->verdict,
                           writer->ledger->study->metric,
                           writer->ledger->maximize,
                           writer->out);
        esp_buffer_add(writer->out, "\n");
        writer->count++;
        writer->diverged = event->verdict.reason.rule == ESP_RULE_DIVERGED;
    } else if (event->kind == ESP_EVENT_MOVED) {
        add_change(writer, &event->moved);
    }
    return 0;
}

static int add_json(void *context, const struct esp_event *event)
{
    struct writer *writer = context;
    if (event->kind == ESP_EVENT_VERDICT) {
        esp_buffer_addf(writer->out,
                        "%s{\"seq\":%llu,\"time_ms\":%lld,\"verdict\":",
                        writer->count++ ? ",\n " : "",
                        (unsigned long long)event->seq,
                        (long long)event->time_ms);
        esp_reason_json(&event->verdict, writer->out);
        esp_buffer_add(writer->out, "}");
    }
    return 0;
}

int esp_why_text(struct esp_ledger *ledger,
                 int64_t trial,
                 struct esp_buffer *out,
                 struct esp_error *error)
{
    struct writer writer = {.ledger = ledger, .out = out};
    struct esp_rows rows = {0};
    int rc = esp_rows_one(ledger->reader, trial, &rows, error);
    if (rc < 0) {
        goto out;
    }
    esp_buffer_addf(out,
                    "trial #%lld, now %s",
                    (long long)trial,
                    esp_ledger_trial_state(ledger, rows.trials[0].state));
    esp_buffer_add(out, rows.trials[0].repeats >= 0 ? "; " : "");
    esp_rows_repeated(&rows.trials[0], out);
    esp_buffer_add(out, ":\n");
    rc = esp_reader_history(ledger->reader, trial, add_text, &writer, error);
    if (rc == 0 && writer.count == 0) {
        esp_buffer_add(out, "nothing has been decided about it yet.\n");
    }
out:
    esp_rows_release(&rows);
    return rc;
}

int esp_why_json(struct esp_ledger *ledger,
                 int64_t trial,
                 struct esp_buffer *out,
                 struct esp_error *error)
{
    struct writer writer = {.ledger = ledger, .out = out};
    struct esp_rows rows = {0};
    int rc = esp_rows_one(ledger->reader, trial, &rows, error);
    esp_rows_release(&rows);
    if (rc < 0) {
        return rc;
    }
    esp_buffer_add(out, "[");
    rc = esp_reader_history(ledger->reader, trial, add_json, &writer, error);
    esp_buffer_add(out, "]\n");
    return rc;
}
