/* espalier check: the faults of a study file and its data, or what it would search. */
#include "../core/core.h"
#include "../loop/calibration.h"
#include "../search/registry.h"
#include "../stop/discard.h"
#include "../study/study.h"
#include "../view/buffer.h"
#include "../view/discards.h"
#include "../view/human.h"
#include "../view/json.h"
#include "../view/ledger.h"
#include "output.h"
#include "source.h"
#include "verb.h"

#include <errno.h>
#include <espalier/config.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

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

/* Finds the calibration that a run in runs/NAME would use now. */
static int gather(const struct esp_study *study,
                  const char *file,
                  struct esp_calibration *out,
                  struct esp_error *error)
{
    char name[ESP_NAME_MAX], dir[ESP_NAME_MAX + 8];
    char *base = malloc(ESP_PATH_MAX);
    int rc = base ? esp_config_folder(file, base, error)
                  : esp_error_set(error, -ENOMEM, "out of memory.");
    esp_study_folder_name(study, name, sizeof name);
    snprintf(dir, sizeof dir, "runs/%s", name);
    rc = rc < 0 ? rc : esp_calibration_gather(study, dir, file, base, out, error);
    free(base);
    return rc;
}

static void add_words(const struct esp_study *study,
                      const struct esp_calibration *calibration,
                      struct esp_buffer *out)
{
    esp_buffer_addf(out,
                    "%s: %s %s by %s\n",
                    study->name,
                    study->maximize ? "maximize" : "minimize",
                    study->metric,
                    esp_sampler_of(study)->name);
    for (int p = 0; p < study->param_count; p++) {
        add_param(&study->params[p], out);
    }
    if (study->run_cap > 0) {
        esp_buffer_addf(out, "trials: %" PRId64 "\n", study->run_cap);
    }
    if (study->abilities.settings_known) {
        esp_buffer_add(out, "horizon: ");
        esp_human_count(out, (double)study->trainer.tokens);
        esp_buffer_add(out, " tokens per trial");
        if (study->run_cap > 0) {
            esp_buffer_add(out, ", at most ");
            esp_human_count(out, (double)study->trainer.tokens * (double)study->run_cap);
            esp_buffer_add(out, " in all");
        }
        esp_buffer_addf(out, "\ndata: %s\n", study->trainer.data);
    }
    double risk = study->stopping.risk;
    if (risk > 0) {
        esp_discards_calibration(
            risk,
            calibration->count,
            esp_discard_limit(calibration->scores, (int)calibration->count, risk),
            out);
        esp_buffer_add(out, "\n");
    }
    esp_buffer_add(out, "no faults found.\n");
}

static void add_json(const struct esp_study *study, struct esp_buffer *out)
{
    esp_buffer_add(out, "{\"study\":");
    esp_json_string(out, study->name);
    esp_buffer_addf(out, ",\"method\":\"%s\",\"metric\":", esp_sampler_of(study)->name);
    esp_json_string(out, study->metric);
    esp_buffer_addf(out,
                    ",\"goal\":\"%s\",\"run_cap\":%" PRId64 ",\"parameters\":[",
                    study->maximize ? "maximize" : "minimize",
                    study->run_cap);
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

static int check(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_study *study = NULL;
    struct esp_core *core = NULL;
    struct esp_core_options options = {.nonce = 1};
    struct esp_calibration calibration = {0};
    struct esp_buffer out = {0};
    int code = ESP_EXIT_USAGE;
    int rc = esp_source_read(arguments->operands[0], arguments->data, &study, error);
    rc = rc < 0 ? rc : esp_study_check_data(study, error);
    rc = rc < 0 ? rc : esp_core_create(study, &options, &core, error);
    rc = rc < 0 ? rc : gather(study, arguments->operands[0], &calibration, error);
    if (rc == 0) {
        if (arguments->json) {
            add_json(study, &out);
        } else {
            add_words(study, &calibration, &out);
        }
        code = esp_print(&out, error);
        esp_source_warn(study);
    }
    esp_calibration_release(&calibration);
    esp_buffer_release(&out);
    esp_core_destroy(core);
    esp_study_destroy(study);
    return code;
}

const struct esp_cli_verb esp_cli_row_check = {
    .name = "check",
    .operands = "STUDY.yaml",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "Check a study file and its data, and print what it would search",
    .details = "All faults are reported at once, each with its file, line and "
               "column. Nothing is trained and nothing is written.",
    .options = {ESP_OPTION_DATA, ESP_OPTION_JSON},
    .main = check,
};
