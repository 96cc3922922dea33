/* One key of the study file: its type, range, default, unit and meaning.
 *
 * Tables of these drive the readers of the study file, their messages and the reference of all
 * keys. A table names the struct that its values go to and each key's place in it. */
#ifndef ESPALIER_STUDY_KEY_H
#define ESPALIER_STUDY_KEY_H

#include <stdbool.h>

enum esp_key_type {
    ESP_KEY_REAL,    /* double */
    ESP_KEY_WHOLE,   /* int; a whole number */
    ESP_KEY_BOOLEAN, /* bool */
    ESP_KEY_WORD,    /* int, an enum: one of `words`, in its order */
    ESP_KEY_LIST,    /* read by code of its own */
};

struct esp_key {
    const char *name;
    enum esp_key_type type;
    double min, max;                 /* REAL and WHOLE */
    bool min_excluded, max_excluded; /* the bound itself is out of range */
    const char *range;               /* REAL and WHOLE: the range in words, "above 0" */
    const char *const *words;        /* WORD: NULL-terminated */
    double fallback;                 /* the default; WORD: an index; NaN: there is none */
    const char *fallback_text;       /* the default in words; NULL: `fallback` as it is */
    const char *unit;                /* "tokens"; NULL: a plain number, word or switch */
    const char *meaning;             /* one sentence, without a full stop */
};

#endif
