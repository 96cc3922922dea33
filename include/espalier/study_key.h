/* One key of the study file: its type, range, default, unit and meaning.
 *
 * Tables of these drive the readers, the suggestions for misspelt keys, and the reference that
 * `espalier settings` prints: the sections of espalier/study_section.h, and the keys of
 * `early_terminate` in controller/stop/registry.h. The settings of the built-in trainer have a
 * table of their own (espalier/trainer.h), which the reference shows in the same form. */
#ifndef ESPALIER_STUDY_KEY_H
#define ESPALIER_STUDY_KEY_H

#include <stdbool.h>
#include <stddef.h>

enum esp_key_type {
    ESP_KEY_REAL,
    ESP_KEY_WHOLE, /* a whole number */
    ESP_KEY_BOOLEAN,
    ESP_KEY_WORD, /* one of `words`, in the order of an enum */
    ESP_KEY_TEXT,
    ESP_KEY_PATH,    /* of a file, or a glob; relative to the study file's folder */
    ESP_KEY_LIST,    /* read by special code */
    ESP_KEY_MAPPING, /* a section, which has further keys */
    ESP_KEY_VALUE,   /* a number, a word, text, a list or a mapping */
};

struct esp_key {
    const char *name;
    enum esp_key_type type;
    double min, max;                 /* REAL and WHOLE */
    bool min_excluded, max_excluded; /* the bound itself is out of range */
    const char *range;               /* REAL and WHOLE: the range in words, "above 0" */
    const char *const *words;        /* WORD: NULL-terminated; NULL: a registry has them */
    double fallback;                 /* the default; WORD: an index; NaN: there is none */
    const char *fallback_text;       /* the default in words; NULL: `fallback` as it is */
    const char *or_form;             /* another form that is accepted, in words; NULL: none */
    const char *unit;                /* "tokens"; NULL: a plain number, word or switch */
    const char *meaning;             /* one sentence, without a full stop */
    const char *used_by;             /* what reads it; NULL: every study, or see the section */
    const char *example;             /* a value as in a study file; NULL: the default is one */
    const char *with; /* other keys that the example needs, before it; NULL: none */
    bool required;    /* the section is wrong without it */
    bool no_effect;   /* accepted in files made for W&B, and not used */
};

#endif
