#include "settings_markdown.h"

#include <stdio.h>

/* Text in a table's cell: a bar would end it. */
static void add_cell(struct esp_buffer *out, const char *text)
{
    esp_buffer_add(out, " ");
    for (; *text; text++) {
        esp_buffer_addf(out, *text == '|' ? "\\%c" : "%c", *text);
    }
    esp_buffer_add(out, " |");
}

static void add_type(struct esp_buffer *out, const struct esp_settings_row *row)
{
    char range[ESP_SETTINGS_TEXT_MAX], text[2 * ESP_SETTINGS_TEXT_MAX];

    esp_settings_range(row, range);
    if (row->words || range[0] == '\0') { /* words with a table of their own */
        snprintf(text, sizeof text, "%s", esp_settings_type(row));
    } else {
        snprintf(text, sizeof text, "%s, %s", esp_settings_type(row), range);
    }
    add_cell(out, text);
}

static void add_row(struct esp_buffer *out, const struct esp_settings_row *row)
{
    char text[ESP_SETTINGS_TEXT_MAX + 256];

    snprintf(text, sizeof text, "`%s`", row->key.name);
    esp_buffer_add(out, "|");
    add_cell(out, text);
    add_type(out, row);
    esp_settings_default(row, text);
    add_cell(out, text);
    add_cell(out, row->key.unit ? row->key.unit : "");
    snprintf(text, sizeof text, "%s", row->key.meaning);
    add_cell(out, text);
}

static void add_words(struct esp_buffer *out, const struct esp_settings_row *row)
{
    bool keys = row->words[0].keys != NULL;

    esp_buffer_addf(out,
                    "\nValues of `%s`:\n\n| value |%s meaning |\n|---|%s---|\n",
                    row->path,
                    keys ? " keys |" : "",
                    keys ? "---|" : "");
    for (int i = 0; i < row->word_count; i++) {
        const struct esp_settings_word *word = &row->words[i];
        esp_buffer_addf(out, "| `%s` |", word->name);
        if (keys) {
            add_cell(out, word->keys);
        }
        add_cell(out, word->meaning);
        esp_buffer_add(out, "\n");
    }
}

static void add_group(struct esp_buffer *out,
                      const struct esp_settings *settings,
                      const struct esp_settings_group *group)
{
    esp_buffer_addf(out, "\n## %s\n\n%s\n\n", group->title, group->about);
    esp_buffer_add(out, "| key | type | default | unit | meaning | used by |\n");
    esp_buffer_add(out, "|---|---|---|---|---|---|\n");
    for (int i = group->first; i < group->first + group->count; i++) {
        const struct esp_settings_row *row = &settings->rows[i];
        add_row(out, row);
        add_cell(out, row->searchable ? "may be searched" : row->used_by);
        esp_buffer_add(out, "\n");
    }
    for (int i = group->first; i < group->first + group->count; i++) {
        if (settings->rows[i].words) {
            add_words(out, &settings->rows[i]);
        }
    }
}

void esp_settings_markdown(const struct esp_settings *settings, struct esp_buffer *out)
{
    esp_buffer_add(
        out,
        "<!-- Made by `espalier settings --markdown`; a test compares. Edit the tables in the "
        "sources. -->\n"
        "# The study file\n\n"
        "Every key that a study file may have. The same on the command line: `espalier "
        "settings`,\nand one of them in full: `espalier settings run_cap`.\n\n"
        "Numbers may be written as 2e7, .5 or 1_000. A path is relative to the study file's "
        "folder.\n");
    for (int i = 0; i < settings->group_count; i++) {
        add_group(out, settings, &settings->groups[i]);
    }
}
