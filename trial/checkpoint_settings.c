/* A trial's settings within its checkpoint, by name, so that `espalier sample` needs nothing
 * else, and an error message can name the setting that differs. */
#include "checkpoint_format.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>

/* type, 0, name length, value length */
#define SETTING_HEAD_BYTES 8

size_t
esp_checkpoint_settings_encode(const struct esp_trainer *trainer, uint8_t *out, uint32_t *count)
{
    size_t at = 0;
    assert(esp_trainer_field_count <= CHECKPOINT_SETTINGS_MAX);
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *field = &esp_trainer_fields[i];
        struct esp_value value = esp_trainer_get(trainer, field);
        uint16_t name_length = (uint16_t)strlen(field->name);
        const void *bytes;
        uint32_t length;
        switch (value.type) {
        case ESP_VALUE_REAL:
            bytes = &value.real;
            length = sizeof value.real;
            break;
        case ESP_VALUE_TEXT:
            bytes = value.text;
            length = (uint32_t)strlen(value.text);
            break;
        default:
            bytes = &value.integer;
            length = sizeof value.integer;
            break;
        }
        assert(at + SETTING_HEAD_BYTES + name_length + length <= CHECKPOINT_SETTINGS_BYTES_MAX);
        out[at] = (uint8_t)value.type;
        out[at + 1] = 0;
        memcpy(out + at + 2, &name_length, sizeof name_length);
        memcpy(out + at + 4, &length, sizeof length);
        memcpy(out + at + SETTING_HEAD_BYTES, field->name, name_length);
        memcpy(out + at + SETTING_HEAD_BYTES + name_length, bytes, length);
        at += SETTING_HEAD_BYTES + name_length + length;
    }
    *count = (uint32_t)esp_trainer_field_count;
    return at;
}

static int malformed(struct esp_error *error)
{
    return esp_error_set(error, -EBADMSG, "the settings are malformed");
}

/* Decodes one setting; `text` [ESP_PATH_MAX] is room for a text value with its NUL. */
static int decode_one(const uint8_t *in,
                      size_t bytes,
                      struct esp_trainer *trainer,
                      char *text,
                      size_t *used,
                      struct esp_error *error)
{
    uint16_t name_length;
    uint32_t length;
    if (bytes < SETTING_HEAD_BYTES) {
        return malformed(error);
    }
    memcpy(&name_length, in + 2, sizeof name_length);
    memcpy(&length, in + 4, sizeof length);
    if (name_length >= ESP_NAME_MAX || length >= ESP_PATH_MAX ||
        bytes < (size_t)SETTING_HEAD_BYTES + name_length + length) {
        return malformed(error);
    }
    char name[ESP_NAME_MAX] = {0};
    memcpy(name, in + SETTING_HEAD_BYTES, name_length);
    const uint8_t *at = in + SETTING_HEAD_BYTES + name_length;
    struct esp_value value = {.type = in[0]};
    switch (value.type) {
    case ESP_VALUE_REAL:
        if (length != sizeof value.real) {
            return malformed(error);
        }
        memcpy(&value.real, at, length);
        break;
    case ESP_VALUE_INTEGER:
    case ESP_VALUE_BOOLEAN:
        if (length != sizeof value.integer) {
            return malformed(error);
        }
        memcpy(&value.integer, at, length);
        value.real = (double)value.integer;
        break;
    case ESP_VALUE_TEXT:
        memcpy(text, at, length);
        text[length] = '\0';
        value.text = text;
        break;
    default:
        return malformed(error);
    }
    *used = (size_t)SETTING_HEAD_BYTES + name_length + length;
    if (value.type == ESP_VALUE_TEXT && length == 0) {
        return 0; /* a path that was never set is empty */
    }
    if (!esp_trainer_field(name)) {
        return esp_error_set(error,
                             -EPROTONOSUPPORT,
                             "it holds the setting '%s', which this version does not support",
                             name);
    }
    int rc = esp_trainer_set(trainer, name, &value, error);
    return rc == -EINVAL ? -EBADMSG : rc;
}

int esp_checkpoint_settings_decode(const uint8_t *in,
                                   size_t bytes,
                                   uint32_t count,
                                   struct esp_trainer *trainer,
                                   size_t *used,
                                   struct esp_error *error)
{
    char text[ESP_PATH_MAX];
    size_t at = 0;
    int rc = count > CHECKPOINT_SETTINGS_MAX ? malformed(error) : 0;
    esp_trainer_init(trainer);
    for (uint32_t i = 0; i < count && rc == 0; i++) {
        size_t step = 0;
        rc = decode_one(in + at, bytes - at, trainer, text, &step, error);
        at += step;
    }
    *used = at;
    return rc;
}

static void print_value(const struct esp_value *value, char out[ESP_TEXT_MAX])
{
    switch (value->type) {
    case ESP_VALUE_REAL:
        snprintf(out, ESP_TEXT_MAX, "%g", value->real);
        break;
    case ESP_VALUE_TEXT:
        snprintf(out, ESP_TEXT_MAX, "%s", value->text);
        break;
    default:
        snprintf(out, ESP_TEXT_MAX, "%" PRId64, value->integer);
        break;
    }
}

static bool same_value(const struct esp_value *a, const struct esp_value *b)
{
    if (a->type != b->type) {
        return false;
    }
    return a->type == ESP_VALUE_TEXT   ? strcmp(a->text, b->text) == 0
           : a->type == ESP_VALUE_REAL ? a->real == b->real
                                       : a->integer == b->integer;
}

/* Settings that do not affect the rest of the training. The corpus is compared by its length,
 * since a trial may move to a host with another path; `init_from` was used at the start only.
 */
static bool is_free(const char *name)
{
    static const char *const names[] = {
        "data", "init_from", "report_every", "checkpoint_seconds", "micro_batch"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether the steps done under `old` are the same as under `new`, which differs only in its
 * horizon: under both, the rate was the peak, or a warm-up of the same length. */
static bool may_extend(const struct esp_checkpoint_state *state, const struct esp_trainer *new)
{
    const struct esp_trainer *old = &state->trainer;
    double steps = (double)esp_trainer_steps(old), now = (double)state->step;
    double steps_new = (double)esp_trainer_steps(new);
    if (old->warmup > 0 && now < old->warmup * fmax(steps, steps_new)) {
        return false;
    }
    if (old->schedule == ESP_SCHEDULE_CONSTANT) {
        return true;
    }
    double after = steps * (1 - old->warmup), after_new = steps_new * (1 - old->warmup);
    return old->schedule == ESP_SCHEDULE_WSD && now <= steps - old->decay * after &&
           now <= steps_new - old->decay * after_new;
}

int esp_checkpoint_fits(const struct esp_checkpoint_state *state,
                        const struct esp_trainer *trainer,
                        struct esp_error *error)
{
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *field = &esp_trainer_fields[i];
        struct esp_value was = esp_trainer_get(&state->trainer, field);
        struct esp_value is = esp_trainer_get(trainer, field);
        if (is_free(field->name) || same_value(&was, &is)) {
            continue;
        }
        bool horizon = field->offset == offsetof(struct esp_trainer, tokens);
        bool vocabulary = field->offset == offsetof(struct esp_trainer, vocabulary);
        if (horizon && may_extend(state, trainer)) {
            continue;
        }
        if (vocabulary && (was.integer == 0 || is.integer == 0)) {
            continue; /* determined by the data, and compared as a tensor's shape */
        }
        char before[ESP_TEXT_MAX], now[ESP_TEXT_MAX];
        print_value(&was, before);
        print_value(&is, now);
        return esp_error_set(error,
                             -EINVAL,
                             "the checkpoint was trained with %s %s, not %s%s",
                             field->name,
                             before,
                             now,
                             horizon
                                 ? "; only a constant schedule, or wsd before its decay, can "
                                   "be extended"
                                 : "");
    }
    return 0;
}
