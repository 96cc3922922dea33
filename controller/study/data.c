/* Checks that the data of a study exists and is long enough, by the rules of the trainer
 * (espalier/corpus.h). The trainer itself checks the token ids in it. */
#include "study.h"

#include <errno.h>
#include <espalier/corpus.h>
#include <espalier/regular_file.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Checks that the weights to start from can be read. The trainer checks that they fit the
 * model. */
static int check_weights(const char *path, struct esp_error *error)
{
    int64_t size = 0;
    int fd = esp_regular_file_open(path, O_RDONLY, &size);
    int rc = fd < 0 ? fd : 0;

    if (rc == -EISDIR || rc == -ENXIO) {
        rc = esp_error_set(
            error, -EINVAL, "trainer.init_from: '%s' is not a regular file", path);
    } else if (rc < 0) {
        esp_error_set(
            error, rc, "trainer.init_from: cannot read '%s': %s", path, strerror(-rc));
    } else if (size == 0) {
        rc = esp_error_set(error, -EINVAL, "trainer.init_from: '%s' is empty", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

/* The longest context over all trials. */
static int64_t longest_context(const struct esp_study *study)
{
    const struct esp_field *field = esp_trainer_field("model.context");
    int64_t longest = study->trainer.context;

    for (int i = 0; i < study->param_count; i++) {
        const struct esp_param *param = &study->params[i];
        if (esp_trainer_field(param->name) != field) {
            continue;
        }
        for (int j = 0; j < param->choice_count; j++) {
            int64_t choice = (int64_t)param->choices[j].real;
            longest = choice > longest ? choice : longest;
        }
        if (param->choice_count == 0) {
            int64_t drawn = (int64_t)esp_param_draw(param, 1);
            longest = drawn > longest ? drawn : longest;
        }
    }
    return longest;
}

int esp_study_check_data(const struct esp_study *study, struct esp_error *error)
{
    struct esp_corpus_tally tally;
    int rc;

    if (!study->abilities.settings_known) {
        return 0;
    }
    rc = esp_corpus_survey(
        study->trainer.data, (enum esp_corpus_dtype)study->trainer.dtype, &tally, error);
    if (rc == 0) {
        rc =
            esp_corpus_check_length(&tally, study->trainer.data, longest_context(study), error);
    }
    if (rc == 0 && study->trainer.init_from[0] != '\0') {
        rc = check_weights(study->trainer.init_from, error);
    }
    return rc;
}
