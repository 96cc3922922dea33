#include "stopping_section.h"

#include <assert.h>
#include <math.h>

static void add_words(struct esp_stopping_section *out)
{
    int count = 0;

    for (int i = 0; i < esp_scheduler_count; i++) {
        if (!esp_schedulers[i].word) {
            assert(count < ESP_SCHEDULER_NAMES_MAX - 1);
            out->rows[count] = &esp_schedulers[i];
            out->words[count++] = esp_schedulers[i].name;
        }
    }
    out->words[count] = NULL;
}

void esp_stopping_section_init(struct esp_stopping_section *out)
{
    size_t count = 0;

    add_words(out);
    assert(esp_stopping_key_count < ESP_SECTION_KEYS_MAX);
    out->keys[count++] = (struct esp_key){
        .name = "type",
        .type = ESP_KEY_WORD,
        .words = out->words,
        .fallback = NAN,
        .required = true,
        .meaning = "the scheduler",
        .example = "asha",
    };
    for (int i = 0; i < esp_stopping_key_count; i++) {
        out->keys[count++] = esp_stopping_keys[i].key;
    }
    out->section = (struct esp_key_section){
        .path = "early_terminate",
        .where = "in early_terminate",
        .prefix = "",
        .keys = out->keys,
        .count = count,
    };
}
