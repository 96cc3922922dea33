#include "source.h"

#include "../study/study.h"
#include "text.h"

#include <errno.h>
#include <espalier/config.h>
#include <espalier/yaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where line `line`, column `column` (of characters, from 1) of a text begins. */
static const char *position_of(const char *text, int line, int column)
{
    const char *p = text;
    while (line > 1 && *p) {
        line -= *p++ == '\n';
    }
    while (column > 1 && *p) {
        p++;
        column -= ((unsigned char)*p & 0xC0) != 0x80;
    }
    return p;
}

/* The end of the scalar that starts at `p`: quoted ones at their closing quote, plain ones
 * where the reader said that they end. */
static const char *scalar_end(const char *p, const char *plain)
{
    if (*p == '"') {
        for (p++; *p && *p != '"'; p++) {
            p += *p == '\\' && p[1];
        }
        return *p ? p + 1 : p;
    }
    if (*p == '\'') {
        for (p++; *p; p++) {
            if (*p == '\'' && p[1] != '\'') {
                return p + 1;
            }
            p += *p == '\'';
        }
        return p;
    }
    size_t length = strlen(plain);
    return strncmp(p, plain, length) == 0 ? p + length : NULL;
}

int esp_source_replace_data(
    const char *text, const char *name, const char *data, char **out, struct esp_error *error)
{
    struct esp_yaml *yaml = NULL;
    struct esp_text changed = {0};
    int rc = esp_yaml_open_text(text, strlen(text), name, &yaml, error);
    rc = rc < 0 ? rc : esp_yaml_faults(yaml, error);
    if (rc < 0) {
        goto out;
    }
    const struct esp_yaml_node *trainer = esp_yaml_get(esp_yaml_root(yaml), "trainer");
    const struct esp_yaml_node *node = esp_yaml_get(trainer, "data");
    const char *start = NULL, *end = NULL;
    if (node && esp_yaml_kind(node) == ESP_YAML_SCALAR) {
        start = position_of(text, esp_yaml_line(node), esp_yaml_column(node));
        end = scalar_end(start, esp_yaml_scalar(node));
    }
    if (!end) {
        rc = esp_error_set(error,
                           -EINVAL,
                           "%s: --data replaces trainer.data, which this study does not name "
                           "on a line of its own. Write it into the file.",
                           name);
        goto out;
    }
    esp_text_add_bytes(&changed, text, (size_t)(start - text));
    esp_text_json_string(&changed, data); /* JSON's strings are YAML's double-quoted ones */
    esp_text_add(&changed, end);
    if (changed.failed) {
        rc = esp_error_set(error, -ENOMEM, "out of memory.");
        goto out;
    }
    *out = changed.data;
    changed = (struct esp_text){0};
out:
    esp_text_release(&changed);
    esp_yaml_destroy(yaml);
    return rc;
}

static int read_replaced(const char *path,
                         const char *data,
                         struct esp_study **out,
                         struct esp_study_words *words,
                         struct esp_error *error)
{
    char *base = malloc(ESP_PATH_MAX), *from = malloc(ESP_PATH_MAX), *text = NULL;
    struct esp_study *study = NULL;
    int rc = base && from ? 0 : esp_error_set(error, -ENOMEM, "out of memory.");
    /* The file as it stands has to be right by itself: its faults are told at its own lines. */
    rc = rc < 0 ? rc : esp_study_read_file(path, &study, words, error);
    rc = rc < 0 ? rc : esp_config_folder(path, base, error);
    if (rc < 0) {
        goto out;
    }
    /* A path on the command line starts here, not at the study file. */
    if (data[0] == '/') {
        snprintf(from, ESP_PATH_MAX, "%s", data);
    } else {
        char *here = realpath(".", NULL);
        int length = snprintf(from, ESP_PATH_MAX, "%s/%s", here ? here : ".", data);
        free(here);
        if (length >= ESP_PATH_MAX) {
            rc = esp_error_set(error, -ENAMETOOLONG, "--data %s: the path is too long.", data);
            goto out;
        }
    }
    rc = esp_source_replace_data(study->source, path, from, &text, error);
    if (rc == 0) {
        esp_study_words_release(words);
        *words = (struct esp_study_words){0};
        rc = esp_study_read_text(text, path, base, out, words, error);
    }
out:
    free(text);
    free(base);
    free(from);
    esp_study_destroy(study);
    return rc;
}

int esp_source_read(const char *path,
                    const char *data,
                    struct esp_study **out,
                    struct esp_error *error)
{
    struct esp_study_words words = {0};
    int rc = data ? read_replaced(path, data, out, &words, error)
                  : esp_study_read_file(path, out, &words, error);
    if (words.warning) {
        fprintf(stderr, "espalier: %s\n", words.warning);
    }
    if (rc < 0 && words.faults && error && strlen(words.faults) > strlen(error->text)) {
        fprintf(stderr, "%s", words.faults);
        esp_error_set(error, rc, "%s: see above.", path);
    }
    esp_study_words_release(&words);
    return rc;
}
