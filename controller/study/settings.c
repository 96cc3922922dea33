#include "settings.h"

#include "../search/registry.h"
#include "distribution.h"
#include "stopping_section.h"

#include <espalier/suggest.h>
#include <espalier/trainer.h>

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 32
#define KEYS_TEXT_MAX 128

/* Arrays and texts that the rows point to. */
struct esp_settings_storage {
    struct esp_stopping_section stopping;
    const char *samplers[ESP_SAMPLER_NAMES_MAX];
    const char *distributions[WORDS_MAX + 1];
    struct esp_settings_word sampler_words[ESP_SAMPLER_NAMES_MAX];
    struct esp_settings_word scheduler_words[ESP_SCHEDULER_NAMES_MAX];
    struct esp_settings_word distribution_words[WORDS_MAX];
    char scheduler_keys[ESP_SCHEDULER_NAMES_MAX][KEYS_TEXT_MAX];
    char distribution_keys[WORDS_MAX][KEYS_TEXT_MAX];
    char stopping_with[ESP_SECTION_KEYS_MAX][KEYS_TEXT_MAX];
};

/* Appends to a list in text: "a, b". */
static void join(char *out, size_t size, const char *text)
{
    size_t used = strlen(out);

    snprintf(out + used, size - used, "%s%s", used ? ", " : "", text);
}

static void add_samplers(struct esp_settings_storage *s)
{
    esp_sampler_names(s->samplers);
    for (int i = 0; i < esp_sampler_count; i++) {
        s->sampler_words[i] =
            (struct esp_settings_word){esp_samplers[i].name, NULL, esp_samplers[i].summary};
    }
}

static void add_schedulers(struct esp_settings_storage *s)
{
    esp_stopping_section_init(&s->stopping);
    for (int i = 0; i < esp_scheduler_count; i++) {
        const struct esp_scheduler_row *row = &esp_schedulers[i];
        for (int k = 0; k < ESP_SCHEDULER_KEYS_MAX && row->keys[k]; k++) {
            join(s->scheduler_keys[i], KEYS_TEXT_MAX, row->keys[k]);
        }
        s->scheduler_words[i] = (struct esp_settings_word){
            esp_scheduler_word(row), s->scheduler_keys[i], row->summary};
    }
}

static void add_distributions(struct esp_settings_storage *s)
{
    assert(esp_distribution_count <= WORDS_MAX);
    for (int i = 0; i < esp_distribution_count; i++) {
        const struct esp_distribution_row *row = &esp_distributions[i];
        for (int k = 0; k < ESP_DISTRIBUTION_KEYS_MAX && row->keys[k]; k++) {
            join(s->distribution_keys[i], KEYS_TEXT_MAX, row->keys[k]);
        }
        s->distributions[i] = row->name;
        s->distribution_words[i] =
            (struct esp_settings_word){row->name, s->distribution_keys[i], row->meaning};
    }
}

static struct esp_settings_row *
add_row(struct esp_settings *settings, const char *section, const struct esp_key *key)
{
    struct esp_settings_row *row = &settings->rows[settings->row_count];

    assert(settings->row_count < ESP_SETTINGS_ROWS_MAX);
    settings->row_count++;
    snprintf(row->path, sizeof row->path, "%s%s%s", section, section[0] ? "." : "", key->name);
    row->key = *key;
    snprintf(row->used_by, sizeof row->used_by, "%s", key->used_by ? key->used_by : "");
    return row;
}

static void begin_group(struct esp_settings *settings,
                        const char *path,
                        const char *title,
                        const char *about)
{
    struct esp_settings_group *group = &settings->groups[settings->group_count];

    assert(settings->group_count < ESP_SETTINGS_GROUPS_MAX);
    settings->group_count++;
    *group = (struct esp_settings_group){
        .path = path, .title = title, .about = about, .first = settings->row_count};
}

static void end_group(struct esp_settings *settings)
{
    struct esp_settings_group *group = &settings->groups[settings->group_count - 1];

    group->count = settings->row_count - group->first;
}

static void add_section(struct esp_settings *settings,
                        const struct esp_key_section *section,
                        const char *title,
                        const char *about)
{
    begin_group(settings, section->path, title, about);
    for (size_t i = 0; i < section->count; i++) {
        add_row(settings, section->path, &section->keys[i]);
    }
    end_group(settings);
}

/* Sets the other keys that an example of a key of `early_terminate` needs: a type that takes
 * it, and what that type requires. */
static void add_type(struct esp_settings_row *row, char *with)
{
    const struct esp_scheduler_row *scheduler = NULL;

    for (int i = esp_scheduler_count - 1; i >= 0; i--) {
        if (esp_scheduler_takes(&esp_schedulers[i], row->key.name)) {
            scheduler = &esp_schedulers[i];
        }
    }
    if (!scheduler) {
        return; /* `type` itself */
    }
    snprintf(with, KEYS_TEXT_MAX, "type: %s", esp_scheduler_word(scheduler));
    for (int i = 0; i < esp_stopping_key_count; i++) {
        const struct esp_key *other = &esp_stopping_keys[i].key;
        /* W&B's hyperband needs min_iter, or max_iter and s. */
        bool needed = esp_scheduler_requires(scheduler, other->name) ||
                      (scheduler->type == ESP_SCHEDULER_WANDB_HYPERBAND &&
                       strcmp(other->name, "min_iter") == 0);
        if (needed && strcmp(other->name, row->key.name) != 0) {
            size_t used = strlen(with);
            snprintf(
                with + used, KEYS_TEXT_MAX - used, ", %s: %s", other->name, other->example);
        }
    }
    row->key.with = with;
}

/* The schedulers that take a key. */
static void list_schedulers(struct esp_settings_row *row)
{
    for (int i = 0; i < esp_scheduler_count; i++) {
        const struct esp_scheduler_row *scheduler = &esp_schedulers[i];
        char name[64];
        if (!esp_scheduler_takes(scheduler, row->key.name)) {
            continue;
        }
        snprintf(name,
                 sizeof name,
                 "%s%s",
                 scheduler->name,
                 esp_scheduler_requires(scheduler, row->key.name) ? " (required)" : "");
        join(row->used_by, sizeof row->used_by, name);
    }
}

/* The distributions that take a key. */
static void list_distributions(struct esp_settings_row *row)
{
    for (int i = 0; i < esp_distribution_count; i++) {
        if (esp_distribution_takes(&esp_distributions[i], row->key.name)) {
            join(row->used_by, sizeof row->used_by, esp_distributions[i].name);
        }
    }
}

static struct esp_key key_of(const struct esp_field *field)
{
    static const enum esp_key_type types[] = {
        [ESP_FIELD_INTEGER] = ESP_KEY_WHOLE,
        [ESP_FIELD_REAL] = ESP_KEY_REAL,
        [ESP_FIELD_PATH] = ESP_KEY_PATH,
        [ESP_FIELD_ENUM] = ESP_KEY_WORD,
    };

    return (struct esp_key){
        .name = field->name,
        .type = types[field->type],
        .min = field->min,
        .max = field->max,
        .words = field->names,
        .fallback = field->fallback,
        .fallback_text = field->fallback_text,
        .unit = field->unit,
        .meaning = field->meaning,
        .example = field->example,
        .required = (field->flags & ESP_FIELD_REQUIRED) != 0,
    };
}

static void add_trainer(struct esp_settings *settings)
{
    begin_group(
        settings,
        "trainer",
        "trainer: the built-in trainer",
        "Settings of every training. A setting that may be searched can be one of "
        "`parameters` instead. The part before a dot is a mapping, `model: {layers: 3}`, "
        "and may be left out: `layers: 3`, `schedule: cosine`.");
    for (size_t i = 0; i < esp_trainer_field_count; i++) {
        const struct esp_field *field = &esp_trainer_fields[i];
        struct esp_key key = key_of(field);
        struct esp_settings_row *row = add_row(settings, "trainer", &key);
        row->searchable = (field->flags & ESP_FIELD_SEARCHABLE) != 0;
    }
    end_group(settings);
}

static struct esp_settings_row *row_at(struct esp_settings *settings, const char *path)
{
    for (int i = 0; i < settings->row_count; i++) {
        if (strcmp(settings->rows[i].path, path) == 0) {
            return &settings->rows[i];
        }
    }
    assert(!"no such key");
    return NULL;
}

static void set_words(struct esp_settings *settings,
                      const char *path,
                      const char *const *names,
                      const struct esp_settings_word *words,
                      int count)
{
    struct esp_settings_row *row = row_at(settings, path);

    row->key.words = names;
    row->words = words;
    row->word_count = count;
}

static void fill(struct esp_settings *settings)
{
    struct esp_settings_storage *s = settings->storage;

    add_section(
        settings,
        &esp_section_top,
        "Top level",
        "A study needs `method`, `parameters`, and `trainer` or a program of your own.");
    add_section(settings,
                &esp_section_metric,
                "metric: the value that is optimized",
                "Without it the built-in trainer's validation loss is minimized.");
    add_section(settings,
                &esp_section_parameter,
                "parameters: what is searched",
                "NAME is the name of a setting of the trainer, or of an argument of your "
                "program. A plain value instead of a mapping is a constant.");
    for (int i = settings->groups[2].first; i < settings->row_count; i++) {
        list_distributions(&settings->rows[i]);
    }
    add_section(settings,
                &s->stopping.section,
                "early_terminate: the scheduler",
                "A word alone, `early_terminate: asha`, is the type with its defaults.");
    for (int i = settings->groups[3].first; i < settings->row_count; i++) {
        list_schedulers(&settings->rows[i]);
        add_type(&settings->rows[i], s->stopping_with[i - settings->groups[3].first]);
    }
    add_section(settings,
                &esp_section_prior,
                "prior: where good settings are expected",
                "A mapping gives a center of your own; the words step-law and none take no "
                "further key.");
    add_section(settings,
                &esp_section_budget,
                "budget: what the search may cost",
                "Several limits may be given; the search ends at the first that is reached.");
    add_trainer(settings);
    set_words(settings, "method", s->samplers, s->sampler_words, esp_sampler_count);
    set_words(settings,
              "early_terminate.type",
              s->stopping.words,
              s->scheduler_words,
              esp_scheduler_count);
    set_words(settings,
              "parameters.NAME.distribution",
              s->distributions,
              s->distribution_words,
              esp_distribution_count);
}

struct esp_settings *esp_settings_create(void)
{
    struct esp_settings *settings = calloc(1, sizeof *settings);

    if (!settings) {
        return NULL;
    }
    settings->storage = calloc(1, sizeof *settings->storage);
    if (!settings->storage) {
        free(settings);
        return NULL;
    }
    add_samplers(settings->storage);
    add_schedulers(settings->storage);
    add_distributions(settings->storage);
    fill(settings);
    return settings;
}

void esp_settings_destroy(struct esp_settings *settings)
{
    if (settings) {
        free(settings->storage);
        free(settings);
    }
}
