/* All keys of the study file and settings of the trainer in one list, from the tables that the
 * readers use: for `espalier settings`, the manual page and docs/reference. */
#ifndef CONTROLLER_STUDY_SETTINGS_H
#define CONTROLLER_STUDY_SETTINGS_H

#include <espalier/limits.h>
#include <espalier/study_key.h>

#define ESP_SETTINGS_ROWS_MAX 160
#define ESP_SETTINGS_GROUPS_MAX 8
/* Size of a default, a range or `used_by` as text. */
#define ESP_SETTINGS_TEXT_MAX 512

/* What a word of a key chooses. */
struct esp_settings_word {
    const char *name;
    const char *keys; /* of the same section, that go with it: "min, max"; NULL: see the row */
    const char *meaning;
};

struct esp_settings_row {
    char path[ESP_NAME_MAX]; /* "early_terminate.eta" */
    struct esp_key key;
    bool searchable; /* a setting of the trainer that may be one of `parameters` */
    char used_by[ESP_SETTINGS_TEXT_MAX];   /* "": every study */
    const struct esp_settings_word *words; /* what each word means; NULL: see the meaning */
    int word_count;
};

/* The keys of one section. */
struct esp_settings_group {
    const char *path;  /* "early_terminate"; "" at the top level */
    const char *title; /* "early_terminate: the scheduler" */
    const char *about; /* one or two sentences */
    int first, count;  /* of `rows` */
};

struct esp_settings {
    struct esp_settings_group groups[ESP_SETTINGS_GROUPS_MAX];
    int group_count;
    struct esp_settings_row rows[ESP_SETTINGS_ROWS_MAX];
    int row_count;
    struct esp_settings_storage *storage;
};

/* Makes the list, on the heap; NULL when out of memory. */
struct esp_settings *esp_settings_create(void);
void esp_settings_destroy(struct esp_settings *settings);

/* Whether a name means the row: its path, the path's last part, or a trainer's setting without
 * "trainer.". Several rows may have the same last part. */
bool esp_settings_is_named(const struct esp_settings_row *row, const char *name);
/* The most similar name of any row, or NULL; it points into `settings`. */
const char *esp_settings_suggest(const struct esp_settings *settings, const char *name);

/* Name of the type: "number", "word", … */
const char *esp_settings_type(const struct esp_settings_row *row);
/* Each writes text into ESP_SETTINGS_TEXT_MAX bytes. The default, "required" where there is
 * none; the range or the words, "" where anything is allowed; a value as in a study file. */
void esp_settings_default(const struct esp_settings_row *row, char *out);
void esp_settings_range(const struct esp_settings_row *row, char *out);
void esp_settings_example(const struct esp_settings_row *row, char *out);
/* The example with the sections around it: "budget: {tokens: 2e7}". */
void esp_settings_snippet(const struct esp_settings_row *row, char *out);

#endif
