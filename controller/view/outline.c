#include "outline.h"

#include "../search/registry.h"
#include "../stop/discard.h"
#include "../study/study.h"
#include "discards.h"
#include "human.h"
#include "json.h"

#include <inttypes.h>

/* Points of a grid that are listed in full; of more, the first ones and the last. */
#define GRID_LISTED_MAX 16
#define GRID_FIRST 4

/* The values that a grid tries. */
static void
add_grid_points(const struct esp_param *param, int64_t count, struct esp_buffer *out)
{
    bool all = count <= GRID_LISTED_MAX;
    esp_buffer_addf(out, "  %s: ", param->name);
    for (int64_t i = 0; i < (all ? count : GRID_FIRST); i++) {
        struct esp_value value = esp_param_value(param, esp_param_grid_point(param, i));
        esp_buffer_add(out, i ? ", " : "");
        esp_human_value(out, &value);
    }
    if (!all) {
        struct esp_value last = esp_param_value(param, esp_param_grid_point(param, count - 1));
        esp_buffer_add(out, ", … ");
        esp_human_value(out, &last);
        esp_buffer_addf(out, " (%" PRId64 " values)", count);
    }
    esp_buffer_add(out, "\n");
}

static void add_param(const struct esp_param *param, struct esp_buffer *out)
{
    esp_buffer_addf(out, "  %s: ", param->name);
    if (param->distribution == ESP_CONSTANT || param->distribution == ESP_CATEGORICAL ||
        param->distribution == ESP_CATEGORICAL_WEIGHTED) {
        for (int i = 0; i < param->choice_count; i++) {
            esp_buffer_add(out, i ? ", " : "");
            esp_human_value(out, &param->choices[i]);
        }
        esp_buffer_add(out, "\n");
        return;
    }
    /* The middle 98 % of the distribution, in the values that a trial would get. */
    struct esp_value low = esp_param_value(param, esp_param_draw(param, 0.01));
    struct esp_value high = esp_param_value(param, esp_param_draw(param, 0.99));
    esp_buffer_add(out, "mostly ");
    esp_human_value(out, &low);
    esp_buffer_add(out, " to ");
    esp_human_value(out, &high);
    struct esp_value middle = esp_param_value(param, esp_param_draw(param, 0.5));
    esp_buffer_add(out, ", middle ");
    esp_human_value(out, &middle);
    esp_buffer_add(out, "\n");
}

/* Number of settings; 0: not finite, or more than a study has trials. */
static int64_t settings_of(const struct esp_study *study)
{
    int64_t settings = esp_study_setting_count(study);
    return settings <= ESP_TRIALS_MAX ? settings : 0;
}

/* The most trials that a search trains: run_cap, or every setting once where none is repeated
 * with another seed. 0: no limit. */
static int64_t trials_of(const struct esp_study *study)
{
    int64_t settings = study->stopping.repeats == 0 ? settings_of(study) : 0;
    bool fewer = settings > 0 && (study->run_cap == 0 || settings < study->run_cap);
    return fewer ? settings : study->run_cap;
}

void esp_outline_text(const struct esp_study *study,
                      const double *scores,
                      int64_t score_count,
                      struct esp_buffer *out)
{
    esp_buffer_addf(out,
                    "%s: %s %s by %s\n",
                    study->name,
                    study->maximize ? "maximize" : "minimize",
                    study->metric,
                    esp_sampler_of(study)->name);
    for (int p = 0; p < study->param_count; p++) {
        const struct esp_param *param = &study->params[p];
        int64_t points = esp_sampler_of(study)->exhaustive ? esp_param_grid_count(param) : 0;
        if (points > 0) {
            add_grid_points(param, points, out);
        } else {
            add_param(param, out);
        }
    }
    int64_t settings = settings_of(study), trials = trials_of(study);
    if (settings > 0) {
        esp_buffer_addf(out, "settings: %" PRId64 "\n", settings);
    }
    if (trials > 0) {
        esp_buffer_addf(out, "trials: %" PRId64 "\n", trials);
    }
    if (study->abilities.settings_known) {
        esp_buffer_add(out, "horizon: ");
        esp_human_count(out, (double)study->trainer.tokens);
        esp_buffer_add(out, " tokens per trial");
        if (trials > 0) {
            esp_buffer_add(out, ", at most ");
            esp_human_count(out, (double)study->trainer.tokens * (double)trials);
            esp_buffer_add(out, " in all");
        }
        esp_buffer_addf(out, "\ndata: %s\n", study->trainer.data);
    }
    double risk = study->stopping.risk;
    if (risk > 0) {
        esp_discards_calibration(
            risk, score_count, esp_discard_limit(scores, (int)score_count, risk), out);
        esp_buffer_add(out, "\n");
    }
}

void esp_outline_json(const struct esp_study *study, struct esp_buffer *out)
{
    esp_buffer_add(out, "{\"study\":");
    esp_json_string(out, study->name);
    esp_buffer_addf(out, ",\"method\":\"%s\",\"metric\":", esp_sampler_of(study)->name);
    esp_json_string(out, study->metric);
    esp_buffer_addf(out,
                    ",\"goal\":\"%s\",\"run_cap\":%" PRId64 ",\"settings\":%" PRId64
                    ",\"parameters\":[",
                    study->maximize ? "maximize" : "minimize",
                    study->run_cap,
                    settings_of(study));
    for (int p = 0; p < study->param_count; p++) {
        esp_buffer_add(out, p ? "," : "");
        esp_json_string(out, study->params[p].name);
    }
    esp_buffer_addf(out,
                    "],\"tokens\":%" PRId64 ",\"data\":",
                    study->abilities.horizon_known ? study->trainer.tokens : 0);
    esp_json_string(out, study->abilities.settings_known ? study->trainer.data : NULL);
    esp_buffer_add(out, "}\n");
}
