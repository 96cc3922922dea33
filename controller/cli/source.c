#include "source.h"

#include "../search/registry.h"
#include "../study/override.h"
#include "../study/study.h"

#include <errno.h>
#include <espalier/config.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_replaced(const char *path,
                         const char *data,
                         struct esp_study **out,
                         struct esp_study_messages *messages,
                         struct esp_error *error)
{
    char *base = malloc(ESP_PATH_MAX), *from = malloc(ESP_PATH_MAX), *text = NULL;
    struct esp_study *study = NULL;
    int rc = base && from ? 0 : esp_error_set(error, -ENOMEM, "out of memory.");
    /* First read as it is, so that faults are reported with the lines of the file. */
    rc = rc < 0 ? rc : esp_study_read_file(path, &study, messages, error);
    rc = rc < 0 ? rc : esp_config_folder(path, base, error);
    if (rc < 0) {
        goto out;
    }
    /* A path on the command line is relative to the current folder, not to the study file. */
    if (data[0] == '/') {
        snprintf(from, ESP_PATH_MAX, "%s", data);
    } else {
        char *here = realpath(".", NULL);
        int length = snprintf(from, ESP_PATH_MAX, "%s/%s", here ? here : ".", data);
        free(here);
        if (length >= ESP_PATH_MAX) {
            rc = esp_error_set(error, -ENAMETOOLONG, "--data %s: the path is too long.", data);
            goto out;
        }
    }
    rc = esp_study_override_data(study->source, path, from, &text, error);
    if (rc == 0) {
        esp_study_messages_release(messages);
        *messages = (struct esp_study_messages){0};
        rc = esp_study_read_text(text, path, base, out, messages, error);
    }
out:
    free(text);
    free(base);
    free(from);
    esp_study_destroy(study);
    return rc;
}

int esp_source_read(const char *path,
                    const char *data,
                    struct esp_study **out,
                    struct esp_error *error)
{
    struct esp_study_messages messages = {0};
    int rc = data ? read_replaced(path, data, out, &messages, error)
                  : esp_study_read_file(path, out, &messages, error);
    if (messages.warning) {
        fprintf(stderr, "espalier: %s\n", messages.warning);
    }
    if (rc < 0 && messages.faults && error && strlen(messages.faults) > strlen(error->text)) {
        fprintf(stderr, "%s", messages.faults);
        esp_error_set(error, rc, "%s: see above.", path);
    }
    esp_study_messages_release(&messages);
    return rc;
}

void esp_source_warn(const struct esp_study *study)
{
    if (study->command) {
        fprintf(stderr,
                "espalier: this study runs its own program (`program` or `command`), which "
                "cannot be "
                "run yet; `espalier run` refuses it.\n");
    }
    bool bounded = study->run_cap > 0 || study->budget.tokens > 0 ||
                   study->budget.seconds > 0 || study->budget.usd > 0 || study->has_target;
    if (!bounded && !esp_sampler_of(study)->exhaustive) {
        fprintf(stderr,
                "espalier: neither run_cap nor budget is set: the search continues until it is "
                "interrupted.\n");
    }
    double tokens = study->budget.tokens, horizon = (double)study->trainer.tokens;
    if (study->abilities.progress == ESP_PROGRESS_TOKENS && tokens > 0 && tokens < horizon) {
        fprintf(stderr,
                "espalier: budget.tokens, %.10g, is less than one training to the horizon, "
                "%.10g: no trial will reach it.\n",
                tokens,
                horizon);
    }
}
