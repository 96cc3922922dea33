/* Gets and sets the trainer's settings by name, checked against the table of fields. */
#include <espalier/suggest.h>
#include <espalier/trainer.h>

#include <errno.h>
#include <math.h>
#include <string.h>

/* Rows of the table, for an array of names on the stack; a test checks it. */
#define FIELDS_MAX 64

static int64_t *integer_at(struct esp_trainer *trainer, const struct esp_field *field)
{
    return (int64_t *)((char *)trainer + field->offset);
}

static double *real_at(struct esp_trainer *trainer, const struct esp_field *field)
{
    return (double *)((char *)trainer + field->offset);
}

static char *path_at(struct esp_trainer *trainer, const struct esp_field *field)
{
    return (char *)trainer + field->offset;
}

void esp_trainer_init(struct esp_trainer *trainer)
{
    memset(trainer, 0, sizeof *trainer);
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *field = &esp_trainer_fields[i];
        if (field->type == ESP_FIELD_REAL) {
            *real_at(trainer, field) = field->fallback;
        } else if (field->type != ESP_FIELD_PATH) {
            *integer_at(trainer, field) = (int64_t)field->fallback;
        }
    }
}

/* The name of a field without its section. */
static const char *plain_name(const struct esp_field *field)
{
    const char *dot = strrchr(field->name, '.');

    /* The last part of "schedule.type" would be "type". */
    if (field->offset == offsetof(struct esp_trainer, schedule)) {
        return "schedule";
    }
    return dot ? dot + 1 : field->name;
}

const struct esp_field *esp_trainer_field(const char *name)
{
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *field = &esp_trainer_fields[i];
        if (strcmp(name, field->name) == 0 || strcmp(name, plain_name(field)) == 0) {
            return field;
        }
    }
    return NULL;
}

static int unknown_name(const char *name, struct esp_error *error)
{
    const char *names[2 * FIELDS_MAX];
    size_t count = 0;
    const char *nearest;

    for (size_t i = 0; i < esp_trainer_field_count && i < FIELDS_MAX; i++) {
        names[count++] = plain_name(&esp_trainer_fields[i]);
        names[count++] = esp_trainer_fields[i].name;
    }
    nearest = esp_suggest(name, names, count);
    return esp_error_set(error,
                         -ENOENT,
                         "the trainer has no setting \"%s\"%s%s%s",
                         name,
                         nearest ? "; did you mean \"" : "",
                         nearest ? nearest : "",
                         nearest ? "\"?" : "");
}

/* A value as text, for messages. */
static const char *show(const struct esp_value *value, char *buffer, size_t size)
{
    switch (value->type) {
    case ESP_VALUE_REAL:
        snprintf(buffer, size, "%.9g", value->real);
        break;
    case ESP_VALUE_INTEGER:
        snprintf(buffer, size, "%lld", (long long)value->integer);
        break;
    case ESP_VALUE_BOOLEAN:
        snprintf(buffer, size, "%s", value->integer ? "true" : "false");
        break;
    case ESP_VALUE_TEXT:
        snprintf(buffer, size, "\"%.100s\"", value->text ? value->text : "");
        break;
    }
    return buffer;
}

static int set_number(struct esp_trainer *trainer,
                      const struct esp_field *field,
                      const struct esp_value *value,
                      struct esp_error *error)
{
    char shown[128];
    const char *kind = field->type == ESP_FIELD_INTEGER ? "a whole number" : "a number";
    double x = value->type == ESP_VALUE_INTEGER ? (double)value->integer : value->real;

    if (value->type != ESP_VALUE_INTEGER && value->type != ESP_VALUE_REAL) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s must be %s, not %s",
                             field->name,
                             kind,
                             show(value, shown, sizeof shown));
    }
    if (!isfinite(x) || (field->type == ESP_FIELD_INTEGER && x != floor(x))) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s must be %s%s, not %s",
                             field->name,
                             isfinite(x) ? "" : "finite, ",
                             kind,
                             show(value, shown, sizeof shown));
    }
    if (x < field->min || x > field->max) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s must be in [%.16g, %.16g], not %s",
                             field->name,
                             field->min,
                             field->max,
                             show(value, shown, sizeof shown));
    }
    if (field->type == ESP_FIELD_INTEGER) {
        *integer_at(trainer, field) = (int64_t)x;
    } else {
        *real_at(trainer, field) = x + 0.0; /* -0.0 becomes 0.0: equal settings, equal bits */
    }
    return 0;
}

static int set_word(struct esp_trainer *trainer,
                    const struct esp_field *field,
                    const struct esp_value *value,
                    struct esp_error *error)
{
    char shown[128];
    char words[256] = "";
    size_t length = 0;
    size_t count = 0;
    const char *nearest;

    for (; field->names[count]; count++) {
        if (value->type == ESP_VALUE_TEXT && value->text &&
            esp_suggest_distance(value->text, field->names[count]) == 0) {
            *integer_at(trainer, field) = (int64_t)count;
            return 0;
        }
        length += (size_t)snprintf(words + length,
                                   sizeof words - length,
                                   "%s%s",
                                   count ? ", " : "",
                                   field->names[count]);
    }
    nearest = value->type == ESP_VALUE_TEXT && value->text
                  ? esp_suggest(value->text, field->names, count)
                  : NULL;
    return esp_error_set(error,
                         -EINVAL,
                         "%s must be one of %s, not %s%s%s%s",
                         field->name,
                         words,
                         show(value, shown, sizeof shown),
                         nearest ? "; did you mean \"" : "",
                         nearest ? nearest : "",
                         nearest ? "\"?" : "");
}

static int set_path(struct esp_trainer *trainer,
                    const struct esp_field *field,
                    const struct esp_value *value,
                    struct esp_error *error)
{
    char shown[128];
    size_t length;

    if (value->type != ESP_VALUE_TEXT || !value->text) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s must be a path, not %s",
                             field->name,
                             show(value, shown, sizeof shown));
    }
    length = strlen(value->text);
    if (length >= ESP_PATH_MAX) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s is a path of %zu bytes; it may have at most %d",
                             field->name,
                             length,
                             ESP_PATH_MAX - 1);
    }
    /* The rest is cleared, so that equal trainers have equal bytes. */
    memmove(path_at(trainer, field), value->text, length);
    memset(path_at(trainer, field) + length, 0, ESP_PATH_MAX - length);
    return 0;
}

int esp_trainer_set(struct esp_trainer *trainer,
                    const char *name,
                    const struct esp_value *value,
                    struct esp_error *error)
{
    const struct esp_field *field = esp_trainer_field(name);

    if (!field) {
        return unknown_name(name, error);
    }
    switch (field->type) {
    case ESP_FIELD_ENUM:
        return set_word(trainer, field, value, error);
    case ESP_FIELD_PATH:
        return set_path(trainer, field, value, error);
    default:
        return set_number(trainer, field, value, error);
    }
}

struct esp_value esp_trainer_get(const struct esp_trainer *trainer,
                                 const struct esp_field *field)
{
    const char *at = (const char *)trainer + field->offset;
    struct esp_value value = {ESP_VALUE_TEXT, 0, 0, NULL};

    switch (field->type) {
    case ESP_FIELD_INTEGER:
        value.type = ESP_VALUE_INTEGER;
        value.integer = *(const int64_t *)at;
        value.real = (double)value.integer;
        break;
    case ESP_FIELD_REAL:
        value.type = ESP_VALUE_REAL;
        value.real = *(const double *)at;
        break;
    case ESP_FIELD_PATH:
        value.text = at;
        break;
    case ESP_FIELD_ENUM:
        value.text = field->names[*(const int64_t *)at];
        break;
    }
    return value;
}

int64_t esp_trainer_steps(const struct esp_trainer *trainer)
{
    int64_t step = trainer->batch_size * trainer->context;

    return step > 0 ? trainer->tokens / step : 0;
}

int64_t esp_trainer_horizon_tokens(const struct esp_trainer *trainer)
{
    return esp_trainer_steps(trainer) * trainer->batch_size * trainer->context;
}

int esp_trainer_validate(const struct esp_trainer *trainer, struct esp_error *error)
{
    if (trainer->data[0] == '\0') {
        return esp_error_set(error, -EINVAL, "trainer.data is missing: name a text file");
    }
    if (trainer->tokens < 1) {
        return esp_error_set(
            error, -EINVAL, "trainer.tokens is missing: set how many tokens a trial trains");
    }
    if (trainer->width % trainer->heads != 0) {
        return esp_error_set(error,
                             -EINVAL,
                             "model.width %lld is not divisible by model.heads %lld",
                             (long long)trainer->width,
                             (long long)trainer->heads);
    }
    if (esp_trainer_steps(trainer) < 1) {
        return esp_error_set(error,
                             -EINVAL,
                             "trainer.tokens %lld is less than one step of batch_size %lld × "
                             "model.context %lld = %lld tokens",
                             (long long)trainer->tokens,
                             (long long)trainer->batch_size,
                             (long long)trainer->context,
                             (long long)(trainer->batch_size * trainer->context));
    }
    if (trainer->warmup >= 1) {
        return esp_error_set(error,
                             -EINVAL,
                             "schedule.warmup %.9g leaves no step after the warm-up; it is a "
                             "share of all steps and must be below 1",
                             trainer->warmup);
    }
    if (trainer->report_every > trainer->tokens) {
        return esp_error_set(error,
                             -EINVAL,
                             "report_every %lld is beyond the horizon of %lld tokens",
                             (long long)trainer->report_every,
                             (long long)trainer->tokens);
    }
    return 0;
}
