/* The fields of each kind of event in event.data, described once for writing and reading. */
#ifndef ESPALIER_STORE_EVENT_FIELDS_H
#define ESPALIER_STORE_EVENT_FIELDS_H

#include <espalier/event.h>
#include <stddef.h>

enum esp_json_type {
    ESP_JSON_BOOL,
    ESP_JSON_INT32,
    ESP_JSON_UINT32,
    ESP_JSON_INT64,
    ESP_JSON_UINT64, /* a JSON number, as int64_t */
    ESP_JSON_KEY,    /* uint64_t that is an identity or a hash: 16 hex digits */
    ESP_JSON_REAL,
    ESP_JSON_ENUM,
    ESP_JSON_TEXT,     /* never written when NULL */
    ESP_JSON_RIVALS,   /* of struct esp_reason */
    ESP_JSON_REALS,    /* struct esp_reals */
    ESP_JSON_MEASURES, /* of struct esp_point */
    ESP_JSON_REPEATS,  /* of struct esp_event_created: "repeat" or "none" */
};

struct esp_words {
    const char *(*name)(int value); /* NULL: out of range, written as a number */
    int (*parse)(const char *word); /* -1: unknown */
};

struct esp_json_field {
    const char *key;
    enum esp_json_type type;
    bool always; /* written even at its default */
    bool none;   /* the default is -1 or NaN ("does not apply"), else 0 or NULL */
    size_t offset;
    const struct esp_words *words; /* ENUM */
};

struct esp_event_fields {
    const struct esp_json_field *fields; /* in the order in which they are written */
    size_t count;
};

/* The fields of a kind; none for a kind that is out of range. */
struct esp_event_fields esp_event_fields(enum esp_event_kind kind);

#endif
