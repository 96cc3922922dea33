/* espalier check: the faults of a study file and its data, or what it would search. */
#include "../core/core.h"
#include "../loop/calibration.h"
#include "../study/study.h"
#include "../view/outline.h"
#include "output.h"
#include "source.h"
#include "verb.h"

#include <errno.h>
#include <espalier/config.h>
#include <stdio.h>
#include <stdlib.h>

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
            esp_outline_json(study, &out);
        } else {
            esp_outline_text(study, calibration.scores, calibration.count, &out);
            esp_buffer_add(&out, "no faults found.\n");
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
