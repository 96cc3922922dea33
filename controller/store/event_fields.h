/* What of an event goes into event.data, described once for writing and reading. */
#ifndef ESPALIER_STORE_FIELDS_H
#define ESPALIER_STORE_FIELDS_H

#include <espalier/event.h>
#include <stddef.h>

enum esp_column_type {
    ESP_COLUMN_BOOL,
    ESP_COLUMN_INT32,
    ESP_COLUMN_UINT32,
    ESP_COLUMN_INT64,
    ESP_COLUMN_UINT64, /* a count: a JSON number */
    ESP_COLUMN_KEY,    /* uint64_t that is an identity or a hash: 16 hex digits */
    ESP_COLUMN_REAL,
    ESP_COLUMN_ENUM,
    ESP_COLUMN_TEXT,
    ESP_COLUMN_RIVALS,
    ESP_COLUMN_VALUES,
    ESP_COLUMN_MEASURES,
};

/* Members that belong together: written when the event has the group. */
enum esp_group {
    ESP_GROUP_PLAIN,
    ESP_GROUP_VERDICT,
    ESP_GROUP_DIRECTIVE,
    ESP_GROUP_POINT,
    ESP_GROUP_SAVED,
};

struct esp_words {
    const char *(*name)(int value); /* NULL: out of range, written as a number */
    int (*parse)(const char *word); /* -1: unknown */
};

enum esp_column_id {
    ESP_PLAIN_TRIAL,
    ESP_PLAIN_SEQUENCE,
    ESP_PLAIN_PROCESS,
    ESP_PLAIN_TRIGGER,
    ESP_PLAIN_FROM,
    ESP_PLAIN_TO,
    ESP_PLAIN_CAUSE,
    ESP_PLAIN_NUMBER,
    ESP_PLAIN_EXTRA,
    ESP_PLAIN_CODE,
    ESP_PLAIN_FLAG,
    ESP_PLAIN_REAL,
    ESP_PLAIN_TEXT,
    ESP_PLAIN_TEXT2,
    ESP_PLAIN_VALUES,
    ESP_PLAIN_PLAIN_COUNT,
};

struct esp_column {
    const char *key;
    enum esp_column_type type;
    enum esp_group group;
    bool always; /* written even at its default, when the group is there */
    bool none;   /* the default is -1 or NaN ("does not apply"), else 0 or NULL */
    size_t offset;
    const struct esp_words *words; /* ENUM */
};

/* The plain ones first, at the index of their enum esp_column_id. */
extern const struct esp_column esp_columns[];
extern const size_t esp_column_count;

/* What a kind calls one of the plain members, and in which words it says it. */
struct esp_alias {
    const char *key; /* NULL: no name of its own */
    const struct esp_words *words;
    bool sparse; /* written only when it says something; other aliased members always are */
};

/* The alias of column `index` for `kind`, or NULL. */
const struct esp_alias *esp_column_alias(enum esp_event_kind kind, size_t index);

/* The key under which `kind` writes column `index`. */
const char *esp_column_key(enum esp_event_kind kind, size_t index);

#endif
