/* The parts of a settings row as text. */
#include "settings.h"

#include <espalier/suggest.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dot + 1 : path;
}

static const char *without_trainer(const char *path)
{
    static const char prefix[] = "trainer.";

    return strncmp(path, prefix, sizeof prefix - 1) == 0 ? path + sizeof prefix - 1 : path;
}

bool esp_settings_is_named(const struct esp_settings_row *row, const char *name)
{
    return strcmp(name, row->path) == 0 || strcmp(name, last_part(row->path)) == 0 ||
           strcmp(name, without_trainer(row->path)) == 0;
}

const char *esp_settings_suggest(const struct esp_settings *settings, const char *name)
{
    const char *names[2 * ESP_SETTINGS_ROWS_MAX];
    size_t count = 0;

    for (int i = 0; i < settings->row_count; i++) {
        names[count++] = last_part(settings->rows[i].path);
        names[count++] = settings->rows[i].path;
    }
    return esp_suggest(name, names, count);
}

const char *esp_settings_type(const struct esp_settings_row *row)
{
    static const char *const names[] = {
        [ESP_KEY_REAL] = "number",
        [ESP_KEY_WHOLE] = "whole number",
        [ESP_KEY_BOOLEAN] = "boolean",
        [ESP_KEY_WORD] = "word",
        [ESP_KEY_TEXT] = "text",
        [ESP_KEY_PATH] = "path",
        [ESP_KEY_LIST] = "list",
        [ESP_KEY_MAPPING] = "mapping",
        [ESP_KEY_VALUE] = "any value",
    };

    return names[row->key.type];
}

/* The default as a value of the study file; "" where it is none. */
static void write_fallback(const struct esp_key *key, char *out)
{
    out[0] = '\0';
    if (key->required || isnan(key->fallback)) {
        return;
    }
    switch (key->type) {
    case ESP_KEY_REAL:
    case ESP_KEY_WHOLE:
        snprintf(out, ESP_SETTINGS_TEXT_MAX, "%.15g", key->fallback);
        break;
    case ESP_KEY_BOOLEAN:
        snprintf(out, ESP_SETTINGS_TEXT_MAX, "%s", key->fallback != 0 ? "true" : "false");
        break;
    case ESP_KEY_WORD:
        if (key->words && !key->fallback_text) {
            snprintf(out, ESP_SETTINGS_TEXT_MAX, "%s", key->words[(int)key->fallback]);
        }
        break;
    default:
        break;
    }
}

void esp_settings_default(const struct esp_settings_row *row, char *out)
{
    if (row->key.required) {
        snprintf(out, ESP_SETTINGS_TEXT_MAX, "required");
    } else if (row->key.fallback_text) {
        snprintf(out, ESP_SETTINGS_TEXT_MAX, "%s", row->key.fallback_text);
    } else {
        write_fallback(&row->key, out);
        if (out[0] == '\0') {
            snprintf(out, ESP_SETTINGS_TEXT_MAX, "none");
        }
    }
}

void esp_settings_range(const struct esp_settings_row *row, char *out)
{
    const struct esp_key *key = &row->key;
    size_t used = 0;

    out[0] = '\0';
    if ((key->type == ESP_KEY_REAL || key->type == ESP_KEY_WHOLE) && key->range) {
        used = (size_t)snprintf(out, ESP_SETTINGS_TEXT_MAX, "%s", key->range);
    } else if (key->type == ESP_KEY_REAL || key->type == ESP_KEY_WHOLE) {
        used = (size_t)snprintf(
            out, ESP_SETTINGS_TEXT_MAX, "in [%.16g, %.16g]", key->min, key->max);
    } else if (key->type == ESP_KEY_WORD && key->words) {
        for (int i = 0; key->words[i] && used < ESP_SETTINGS_TEXT_MAX; i++) {
            used += (size_t)snprintf(out + used,
                                     ESP_SETTINGS_TEXT_MAX - used,
                                     "%s%s",
                                     i ? ", " : "one of ",
                                     key->words[i]);
        }
    }
    if (key->or_form && used < ESP_SETTINGS_TEXT_MAX) {
        snprintf(out + used,
                 ESP_SETTINGS_TEXT_MAX - used,
                 "%s%s",
                 used ? ", or " : "or ",
                 key->or_form);
    }
}

void esp_settings_example(const struct esp_settings_row *row, char *out)
{
    if (row->key.example) {
        snprintf(out, ESP_SETTINGS_TEXT_MAX, "%s", row->key.example);
        return;
    }
    write_fallback(&row->key, out);
    if (out[0] == '\0' && row->key.words) {
        snprintf(out, ESP_SETTINGS_TEXT_MAX, "%s", row->key.words[0]);
    }
}

void esp_settings_snippet(const struct esp_settings_row *row, char *out)
{
    char value[ESP_SETTINGS_TEXT_MAX];
    size_t used = 0;
    int depth = 0;

    esp_settings_example(row, value);
    for (const char *part = row->path; part; depth++) {
        const char *dot = strchr(part, '.');
        size_t length = dot ? (size_t)(dot - part) : strlen(part);
        const char *before = dot || !row->key.with ? "" : row->key.with;
        used += (size_t)snprintf(out + used,
                                 ESP_SETTINGS_TEXT_MAX - used,
                                 "%s%s%s%.*s: ",
                                 depth ? "{" : "",
                                 before,
                                 before[0] ? ", " : "",
                                 (int)length,
                                 part);
        part = dot ? dot + 1 : NULL;
    }
    used += (size_t)snprintf(out + used, ESP_SETTINGS_TEXT_MAX - used, "%s", value);
    while (--depth > 0 && used + 1 < ESP_SETTINGS_TEXT_MAX) {
        out[used++] = '}';
        out[used] = '\0';
    }
}
