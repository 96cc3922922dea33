/* libFuzzer: any text as a study file gives faults or a valid study, and never a crash.
 *
 *     CC=clang-14 meson setup build-fuzz -Dfuzzers=true -Db_sanitize=address,undefined \
 *         -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link
 *     ninja -C build-fuzz tests/fuzz/study_fuzz
 *     build-fuzz/tests/fuzz/study_fuzz -max_len=4096 CORPUS studies */
#include "../../controller/study/study.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 leaks its chunk array (fy_atom_iter) for quoted scalars of many pieces: a few
 * KiB a file. Leaks of our own are found by the unit tests under the address sanitizer. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so";
}

/* Properties of the parameters of a valid study that samplers rely on. */
static void try_param(const struct esp_param *param)
{
    double previous = -INFINITY;

    for (int i = 0; i <= 16; i++) {
        double drawn = esp_param_draw(param, i / 16.0);
        double unit = esp_param_unit(param, drawn);
        struct esp_value value = esp_param_value(param, drawn);
        assert(isfinite(drawn) && drawn >= previous);
        assert(unit >= 0 && unit <= 1);
        assert(value.type == ESP_VALUE_TEXT ? value.text != NULL : isfinite(value.real));
        previous = drawn;
    }
    int64_t count = esp_param_grid_count(param);
    assert(count >= 0);
    if (count > 0) {
        esp_param_value(param, esp_param_grid_point(param, count - 1));
    }
}

static void try_study(const struct esp_study *study)
{
    struct esp_study *again = NULL;
    struct esp_error error = {""};

    assert(study->param_count >= 1);
    for (int i = 0; i < study->param_count; i++) {
        try_param(&study->params[i]);
    }
    assert(esp_study_read_text(study->source, "f.yaml", "/base", &again, NULL, &error) == 0);
    assert(esp_study_same_search(study, again, &error) == 0);
    esp_study_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct esp_study *study = NULL;
    struct esp_study_messages messages;
    struct esp_error error = {""};
    int rc;

    memcpy(text, data, size);
    text[size] = '\0';
    rc = esp_study_read_text(text, "f.yaml", "/base", &study, &messages, &error);
    assert((rc == 0) == (study != NULL));
    assert(rc == 0 || error.text[0] != '\0');
    if (study) {
        try_study(study);
    }
    esp_study_messages_release(&messages);
    esp_study_destroy(study);
    free(text);
    return 0;
}
