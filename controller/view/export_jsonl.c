/* Export as JSON lines: one object per row. A value that is not finite is null. */
#include "export.h"

#include "../money/price.h"
#include "json.h"
#include "trial_status.h"

static void add_time(const char *name, int64_t time_ms, struct esp_buffer *out)
{
    esp_buffer_addf(out, ",\"%s\":", name);
    if (time_ms > 0) {
        esp_buffer_add(out, "\"");
        esp_export_time(time_ms, out);
        esp_buffer_add(out, "\"");
    } else {
        esp_buffer_add(out, "null");
    }
}

void esp_export_trial_members(const struct esp_budget *price,
                              const struct esp_reader_trial *trial,
                              struct esp_buffer *out)
{
    struct esp_buffer name = {0};
    esp_buffer_addf(
        out,
        "\"trial\":%lld,\"state\":\"%s\",\"attempts\":%u,\"tokens\":%lld,\"value\":",
        (long long)trial->trial,
        esp_trial_state_words(trial->state),
        trial->attempts,
        trial->tokens > 0 ? (long long)trial->tokens : 0LL);
    esp_json_real(out, trial->value);
    for (uint32_t i = 0; i < trial->param_count; i++) {
        esp_buffer_clear(&name);
        esp_buffer_addf(&name, "param.%s", trial->params[i].name);
        esp_buffer_add(out, ",");
        esp_json_string(out, esp_buffer_get(&name));
        esp_buffer_add(out, ":");
        esp_json_value(out, &trial->params[i].value);
    }
    out->failed |= name.failed;
    esp_buffer_release(&name);
    if (trial->repeats >= 0) {
        esp_buffer_addf(out, ",\"repeats\":%lld", (long long)trial->repeats);
    } else {
        esp_buffer_add(out, ",\"repeats\":null");
    }
    esp_buffer_addf(out, ",\"seed\":%lld", (long long)trial->seed);
    add_time("created", trial->created_ms, out);
    add_time("started", trial->started_ms, out);
    add_time("ended", trial->ended_ms, out);
    esp_buffer_add(out, ",\"device_seconds\":");
    esp_json_real(out, trial->device_seconds);
    esp_buffer_add(out, ",\"usd\":");
    esp_json_real(out, esp_price_usd(price, trial->device_seconds));
}

void esp_export_trial_json(const struct esp_budget *price,
                           const struct esp_reader_trial *trial,
                           struct esp_buffer *out)
{
    esp_buffer_add(out, "{");
    esp_export_trial_members(price, trial, out);
    esp_buffer_add(out, "}");
}

static void add_trial(const struct esp_budget *price,
                      const struct esp_reader_trial *trial,
                      struct esp_buffer *out)
{
    esp_export_trial_json(price, trial, out);
    esp_buffer_add(out, "\n");
}

static void add_point(const struct esp_event *report, struct esp_buffer *out)
{
    const struct esp_point *point = &report->report.point;
    esp_buffer_addf(out,
                    "{\"trial\":%lld,\"step\":%lld,\"tokens\":%lld,\"train_loss\":",
                    (long long)report->trial,
                    (long long)point->step,
                    (long long)point->tokens);
    esp_json_real(out, point->train_loss);
    esp_buffer_add(out, ",\"val_loss\":");
    esp_json_real(out, point->value);
    esp_buffer_add(out, ",\"device_seconds\":");
    esp_json_real(out, point->device_seconds);
    esp_buffer_add(out, "}\n");
}

const struct esp_export_format esp_export_jsonl = {
    .name = "jsonl",
    .trial = add_trial,
    .point = add_point,
};
