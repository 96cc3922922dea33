/* A trial in full as JSON: an object with its row, and an array for each part. */
#include "detail.h"

#include "export.h"
#include "json.h"
#include "reason.h"

struct writer {
    const struct esp_budget *price;
    struct esp_buffer *out;
    int count; /* items of the part so far */
};

static int add_trial(void *context, const struct esp_reader_trial *trial)
{
    struct writer *writer = context;
    struct esp_buffer *out = writer->out;
    esp_buffer_add(out, "{");
    esp_export_trial_members(writer->price, trial, out);
    esp_buffer_addf(out,
                    ",\"horizon\":%lld,\"cause\":\"%s\",\"words\":",
                    (long long)trial->horizon,
                    esp_cause_name(trial->cause));
    esp_json_string(out, trial->words);
    return 0;
}

static void begin_part(void *context, enum esp_detail_part part)
{
    static const char *const openings[] = {
        [ESP_DETAIL_HISTORY] = ",\"history\":[",
        [ESP_DETAIL_CHECKPOINTS] = "],\"checkpoints\":[",
        [ESP_DETAIL_PROCESSES] = "],\"processes\":[",
        [ESP_DETAIL_NOTES] = "],\"notes\":[",
    };
    struct writer *writer = context;
    esp_buffer_add(writer->out, openings[part]);
    writer->count = 0;
}

static int add_event(void *context, const struct esp_event *event)
{
    struct writer *writer = context;
    struct esp_buffer *out = writer->out;
    esp_buffer_addf(out,
                    "%s{\"seq\":%llu,\"time_ms\":%lld,\"event\":\"%s\",\"attempt\":%u",
                    writer->count++ ? "," : "",
                    (unsigned long long)event->seq,
                    (long long)event->time_ms,
                    esp_event_kind_name(event->kind),
                    event->attempt);
    if (event->kind == ESP_EVENT_MOVED) {
        esp_buffer_addf(out,
                        ",\"from\":\"%s\",\"to\":\"%s\",\"trigger\":\"%s\",\"cause\":\"%s\","
                        "\"process\":%llu",
                        esp_trial_state_name(event->moved.from),
                        esp_trial_state_name(event->moved.to),
                        esp_trigger_name(event->moved.trigger),
                        esp_cause_name(event->moved.cause),
                        (unsigned long long)event->moved.process);
    } else if (event->kind == ESP_EVENT_VERDICT) {
        esp_buffer_add(out, ",\"verdict\":");
        esp_reason_json(&event->verdict, out);
    }
    esp_buffer_add(out, ",\"text\":");
    esp_json_string(out, esp_event_text(event));
    esp_buffer_add(out, "}");
    return 0;
}

static int add_checkpoint(void *context, const struct esp_reader_checkpoint *checkpoint)
{
    struct writer *writer = context;
    const struct esp_saved *saved = &checkpoint->saved;
    esp_buffer_add(writer->out, writer->count++ ? ",{\"path\":" : "{\"path\":");
    esp_json_string(writer->out, saved->path);
    esp_buffer_add(writer->out, ",\"host\":");
    esp_json_string(writer->out, saved->host);
    esp_buffer_addf(writer->out,
                    ",\"step\":%lld,\"tokens\":%lld,\"bytes\":%llu}",
                    (long long)saved->step,
                    (long long)saved->tokens,
                    (unsigned long long)saved->bytes);
    return 0;
}

static int add_process(void *context, const struct esp_reader_worker *process)
{
    struct writer *writer = context;
    esp_buffer_addf(writer->out,
                    "%s{\"process\":%llu,\"status\":%d,\"signal\":%d,\"tail\":",
                    writer->count++ ? "," : "",
                    (unsigned long long)process->key,
                    (int)process->status,
                    (int)process->signal);
    esp_json_string(writer->out, process->tail);
    esp_buffer_add(writer->out, "}");
    return 0;
}

static int add_note(void *context, const struct esp_reader_note *note)
{
    struct writer *writer = context;
    esp_buffer_addf(writer->out,
                    "%s{\"time_ms\":%lld,\"text\":",
                    writer->count++ ? "," : "",
                    (long long)note->time_ms);
    esp_json_string(writer->out, note->text);
    esp_buffer_add(writer->out, "}");
    return 0;
}

int esp_detail_json(struct esp_ledger *ledger,
                    int64_t trial,
                    struct esp_buffer *out,
                    struct esp_error *error)
{
    static const struct esp_detail_visitor visitor = {
        .trial = add_trial,
        .begin = begin_part,
        .event = add_event,
        .checkpoint = add_checkpoint,
        .process = add_process,
        .note = add_note,
    };
    struct writer writer = {.price = &ledger->study->budget, .out = out};
    int rc = esp_detail_visit(ledger, trial, &visitor, &writer, error);
    if (rc == 0) {
        esp_buffer_add(out, "]}\n");
    }
    return rc;
}
