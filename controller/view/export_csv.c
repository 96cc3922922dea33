/* Export as CSV (RFC 4180, with line ends of LF alone) under one heading. A value that is NaN
 * is an empty field; infinities are inf and -inf. */
#include "export.h"

#include "../money/price.h"
#include "csv.h"
#include "trial_status.h"

static void begin_trials(const struct esp_study *study, struct esp_buffer *out)
{
    struct esp_buffer name = {0};
    esp_buffer_add(out, "trial,state,attempts,tokens,value");
    for (int i = 0; i < study->param_count; i++) {
        esp_buffer_clear(&name);
        esp_buffer_addf(&name, "param.%s", study->params[i].name);
        esp_buffer_add(out, ",");
        esp_csv_string(out, esp_buffer_get(&name));
    }
    out->failed |= name.failed;
    esp_buffer_release(&name);
    esp_buffer_add(out, ",repeats,seed,created,started,ended,device_seconds,usd\n");
}

static void add_trial(const struct esp_budget *price,
                      const struct esp_reader_trial *trial,
                      struct esp_buffer *out)
{
    esp_buffer_addf(out,
                    "%lld,%s,%u,%lld,",
                    (long long)trial->trial,
                    esp_trial_state_words(trial->state),
                    trial->attempts,
                    trial->tokens > 0 ? (long long)trial->tokens : 0LL);
    esp_csv_real(out, trial->value);
    for (uint32_t i = 0; i < trial->param_count; i++) {
        esp_buffer_add(out, ",");
        esp_csv_value(out, &trial->params[i].value);
    }
    esp_buffer_add(out, ",");
    if (trial->repeats >= 0) {
        esp_buffer_addf(out, "%lld", (long long)trial->repeats);
    }
    esp_buffer_addf(out, ",%lld,", (long long)trial->seed);
    esp_export_time(trial->created_ms, out);
    esp_buffer_add(out, ",");
    esp_export_time(trial->started_ms, out);
    esp_buffer_add(out, ",");
    esp_export_time(trial->ended_ms, out);
    esp_buffer_add(out, ",");
    esp_csv_real(out, trial->device_seconds);
    esp_buffer_add(out, ",");
    esp_csv_real(out, esp_price_usd(price, trial->device_seconds));
    esp_buffer_add(out, "\n");
}

static void begin_points(struct esp_buffer *out)
{
    esp_buffer_add(out, "trial,step,tokens,train_loss,val_loss,device_seconds\n");
}

static void add_point(const struct esp_event *report, struct esp_buffer *out)
{
    const struct esp_point *point = &report->report.point;
    esp_buffer_addf(out,
                    "%lld,%lld,%lld,",
                    (long long)report->trial,
                    (long long)point->step,
                    (long long)point->tokens);
    esp_csv_real(out, point->train_loss);
    esp_buffer_add(out, ",");
    esp_csv_real(out, point->value);
    esp_buffer_add(out, ",");
    esp_csv_real(out, point->device_seconds);
    esp_buffer_add(out, "\n");
}

const struct esp_export_format esp_export_csv = {
    .name = "csv",
    .begin_trials = begin_trials,
    .begin_points = begin_points,
    .trial = add_trial,
    .point = add_point,
};
