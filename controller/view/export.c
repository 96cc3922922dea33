#include "export.h"

static long long tokens_of(const struct esp_reader_trial *trial)
{
    return trial->tokens > 0 ? trial->tokens : 0;
}

void esp_export_trial_json(const struct esp_reader_trial *trial, struct esp_buffer *out)
{
    esp_buffer_addf(
        out,
        "{\"trial\":%lld,\"state\":\"%s\",\"attempts\":%u,\"tokens\":%lld,\"value\":",
        (long long)trial->trial,
        esp_rows_state(trial->state),
        trial->attempts,
        tokens_of(trial));
    esp_buffer_json_real(out, trial->value);
    struct esp_buffer name = {0};
    for (uint32_t i = 0; i < trial->param_count; i++) {
        esp_buffer_clear(&name);
        esp_buffer_addf(&name, "param.%s", trial->params[i].name);
        esp_buffer_add(out, ",");
        esp_buffer_json_string(out, esp_buffer_get(&name));
        esp_buffer_add(out, ":");
        esp_buffer_json_value(out, &trial->params[i].value);
    }
    out->failed |= name.failed;
    esp_buffer_release(&name);
    if (trial->repeats >= 0) {
        esp_buffer_addf(out,
                        ",\"repeats\":%lld,\"seed\":%lld",
                        (long long)trial->repeats,
                        (long long)trial->seed);
    }
    esp_buffer_add(out, "}");
}

/* Quoted as RFC 4180 says; lines end as those of every other text here, without its CR. */
void esp_export_trial_csv(const struct esp_reader_trial *trial, struct esp_buffer *out)
{
    esp_buffer_addf(out,
                    "%lld,%s,%u,%lld,",
                    (long long)trial->trial,
                    esp_rows_state(trial->state),
                    trial->attempts,
                    tokens_of(trial));
    esp_buffer_csv_real(out, trial->value);
    for (uint32_t i = 0; i < trial->param_count; i++) {
        esp_buffer_add(out, ",");
        esp_buffer_csv_value(out, &trial->params[i].value);
    }
    esp_buffer_add(out, ",");
    if (trial->repeats >= 0) {
        esp_buffer_addf(out, "%lld", (long long)trial->repeats);
    }
    esp_buffer_addf(out, ",%lld\n", (long long)trial->seed);
}

void esp_export_trial_heading(const struct esp_study *study, struct esp_buffer *out)
{
    struct esp_buffer name = {0};
    esp_buffer_add(out, "trial,state,attempts,tokens,value");
    for (int i = 0; i < study->param_count; i++) {
        esp_buffer_clear(&name);
        esp_buffer_addf(&name, "param.%s", study->params[i].name);
        esp_buffer_add(out, ",");
        esp_buffer_csv_string(out, esp_buffer_get(&name));
    }
    out->failed |= name.failed;
    esp_buffer_release(&name);
    esp_buffer_add(out, ",repeats,seed\n");
}

void esp_export_point_json(const struct esp_event *report, struct esp_buffer *out)
{
    const struct esp_point *point = &report->report.point;
    esp_buffer_addf(out,
                    "{\"trial\":%lld,\"step\":%lld,\"tokens\":%lld,\"train_loss\":",
                    (long long)report->trial,
                    (long long)point->step,
                    (long long)point->tokens);
    esp_buffer_json_real(out, point->train_loss);
    esp_buffer_add(out, ",\"val_loss\":");
    esp_buffer_json_real(out, point->value);
    esp_buffer_add(out, ",\"device_seconds\":");
    esp_buffer_json_real(out, point->device_seconds);
    esp_buffer_add(out, "}\n");
}

void esp_export_point_csv(const struct esp_event *report, struct esp_buffer *out)
{
    const struct esp_point *point = &report->report.point;
    esp_buffer_addf(out,
                    "%lld,%lld,%lld,",
                    (long long)report->trial,
                    (long long)point->step,
                    (long long)point->tokens);
    esp_buffer_csv_real(out, point->train_loss);
    esp_buffer_add(out, ",");
    esp_buffer_csv_real(out, point->value);
    esp_buffer_add(out, ",");
    esp_buffer_csv_real(out, point->device_seconds);
    esp_buffer_add(out, "\n");
}

void esp_export_point_heading(struct esp_buffer *out)
{
    esp_buffer_add(out, "trial,step,tokens,train_loss,val_loss,device_seconds\n");
}
