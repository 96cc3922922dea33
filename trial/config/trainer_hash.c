/* Hashes of the settings that decide the result of a training, and of those that the members of
 * a group must share.
 *
 * A hash is the sum of the hashes of its fields, each over the field's name and its value in
 * little-endian bytes. It does not depend on the order of the table or the layout of the
 * struct, since checkpoints keep it across versions. */
#include <espalier/trainer.h>

#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

static uint64_t hash_field(const struct esp_trainer *trainer, const struct esp_field *field)
{
    struct esp_value value = esp_trainer_get(trainer, field);
    XXH64_hash_t seed = XXH3_64bits(field->name, strlen(field->name));
    uint64_t bits;
    uint8_t bytes[8];

    if (value.type == ESP_VALUE_TEXT) {
        return XXH3_64bits_withSeed(value.text, strlen(value.text), seed);
    }
    if (value.type == ESP_VALUE_REAL) {
        memcpy(&bits, &value.real, sizeof bits);
    } else {
        bits = (uint64_t)value.integer;
    }
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(bits >> (8 * i));
    }
    return XXH3_64bits_withSeed(bytes, sizeof bytes, seed);
}

static bool is_named(const struct esp_field *field, const char *name)
{
    return strcmp(field->name, name) == 0;
}

uint64_t esp_trainer_hash(const struct esp_trainer *trainer)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *field = &esp_trainer_fields[i];
        if (!is_named(field, "report_every") && !is_named(field, "checkpoint_seconds") &&
            !is_named(field, "micro_batch")) {
            sum += hash_field(trainer, field);
        }
    }
    return sum;
}

uint64_t esp_trainer_group(const struct esp_trainer *trainer)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *field = &esp_trainer_fields[i];
        if ((field->flags & ESP_FIELD_SHAPE) != 0 || is_named(field, "data")) {
            sum += hash_field(trainer, field);
        }
    }
    return sum;
}
