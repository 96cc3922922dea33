/* espalier settings: every key of the study file, or some in full. */
#include "../study/settings.h"
#include "../system/terminal.h"
#include "../view/human.h"
#include "../view/json.h"
#include "output.h"
#include "settings_markdown.h"
#include "verb.h"

#include <errno.h>
#include <string.h>

#define NAME_COLUMNS 24
#define LABEL_COLUMNS 10
#define WIDTH_MIN 60
#define WIDTH_MAX 100

static void add_line(struct esp_buffer *out, const struct esp_settings_row *row, int width)
{
    char fallback[ESP_SETTINGS_TEXT_MAX], text[2 * ESP_SETTINGS_TEXT_MAX];
    const char *name = strncmp(row->path, "trainer.", 8) == 0 ? row->path + 8 : row->key.name;
    int at = NAME_COLUMNS;

    esp_settings_default(row, fallback);
    snprintf(text, sizeof text, "%s [%s]", row->key.meaning, fallback);
    esp_buffer_addf(out, "  %-*s", NAME_COLUMNS - 2, name);
    if ((int)strlen(name) > NAME_COLUMNS - 3) {
        esp_buffer_addf(out, "\n%*s", NAME_COLUMNS, "");
    }
    esp_human_wrapped(out, text, at, NAME_COLUMNS, width);
}

/* The keys of a group; those that have no effect on one line. */
static void add_group(struct esp_buffer *out,
                      const struct esp_settings *settings,
                      const struct esp_settings_group *group,
                      int width)
{
    char unused[ESP_SETTINGS_TEXT_MAX] = "For a W&B server, without effect here:";
    bool any = false;

    for (int i = group->first; i < group->first + group->count; i++) {
        const struct esp_settings_row *row = &settings->rows[i];
        size_t used = strlen(unused);
        if (!row->key.no_effect) {
            add_line(out, row, width);
            continue;
        }
        snprintf(unused + used, sizeof unused - used, "%s %s", any ? "," : "", row->key.name);
        any = true;
    }
    if (any) {
        esp_buffer_add(out, "  ");
        esp_human_wrapped(out, unused, 2, 2, width);
    }
}

static void add_list(struct esp_buffer *out, const struct esp_settings *settings, int width)
{
    for (int g = 0; g < settings->group_count; g++) {
        const struct esp_settings_group *group = &settings->groups[g];
        esp_buffer_addf(out, "%s%s\n", g ? "\n" : "", group->title);
        add_group(out, settings, group, width);
    }
    esp_buffer_add(
        out, "\nThe default is in brackets. `espalier settings NAME` shows one in full.\n");
}

/* "  default   3"; nothing where the text is empty. */
static void add_part(struct esp_buffer *out, const char *label, const char *text, int width)
{
    if (text && text[0]) {
        esp_buffer_addf(out, "  %-*s", LABEL_COLUMNS, label);
        esp_human_wrapped(out, text, 2 + LABEL_COLUMNS, 2 + LABEL_COLUMNS, width);
    }
}

static void add_full(struct esp_buffer *out, const struct esp_settings_row *row, int width)
{
    char text[ESP_SETTINGS_TEXT_MAX];

    esp_buffer_addf(out, "%s\n  ", row->path);
    esp_human_wrapped(out, row->key.meaning, 2, 2, width);
    esp_buffer_add(out, "\n");
    add_part(out, "type", esp_settings_type(row), width);
    if (!row->words) {
        esp_settings_range(row, text);
        add_part(out, row->key.words ? "words" : "range", text, width);
    }
    esp_settings_default(row, text);
    add_part(out, "default", text, width);
    add_part(out, "unit", row->key.unit, width);
    add_part(out, "used by", row->used_by, width);
    add_part(out, "searched", row->searchable ? "it may be one of `parameters`" : "", width);
    esp_settings_snippet(row, text);
    add_part(out, "example", text, width);
    for (int i = 0; i < row->word_count; i++) {
        const struct esp_settings_word *word = &row->words[i];
        esp_buffer_addf(out, "%s  %s\n      ", i ? "" : "\n", word->name);
        esp_human_wrapped(out, word->meaning, 6, 6, width);
        if (word->keys && word->keys[0]) {
            esp_buffer_add(out, "      keys: ");
            esp_human_wrapped(out, word->keys, 12, 12, width);
        }
    }
}

static void add_member(struct esp_buffer *out, const char *name, const char *text)
{
    esp_buffer_addf(out, ",\"%s\":", name);
    esp_json_string(out, text && text[0] ? text : NULL);
}

static void add_json(struct esp_buffer *out, const struct esp_settings_row *row)
{
    char text[ESP_SETTINGS_TEXT_MAX];

    esp_buffer_add(out, "{\"name\":");
    esp_json_string(out, row->path);
    add_member(out, "type", esp_settings_type(row));
    esp_settings_default(row, text);
    add_member(out, "default", row->key.required ? NULL : text);
    esp_buffer_addf(out, ",\"required\":%s", row->key.required ? "true" : "false");
    esp_settings_range(row, text);
    add_member(out, "range", text);
    add_member(out, "unit", row->key.unit);
    add_member(out, "meaning", row->key.meaning);
    add_member(out, "used_by", row->used_by);
    esp_buffer_addf(out, ",\"searchable\":%s", row->searchable ? "true" : "false");
    esp_settings_snippet(row, text);
    add_member(out, "example", text);
    esp_buffer_add(out, "}");
}

/* Adds the rows that a name means, or all without a name. Their number. */
static int add_rows(struct esp_buffer *out,
                    const struct esp_settings *settings,
                    const char *name,
                    bool json,
                    int width)
{
    int count = 0;

    esp_buffer_add(out, json ? "[" : "");
    for (int i = 0; i < settings->row_count; i++) {
        const struct esp_settings_row *row = &settings->rows[i];
        if (name && !esp_settings_is_named(row, name)) {
            continue;
        }
        if (json) {
            esp_buffer_add(out, count ? ",\n " : "");
            add_json(out, row);
        } else {
            esp_buffer_add(out, count ? "\n" : "");
            add_full(out, row, width);
        }
        count++;
    }
    esp_buffer_add(out, json ? "]\n" : "");
    return count;
}

/* Adds the keys of the section with that name, if there is one. */
static void add_section(struct esp_buffer *out,
                        const struct esp_settings *settings,
                        const char *name,
                        int width)
{
    for (int g = 0; g < settings->group_count; g++) {
        const struct esp_settings_group *group = &settings->groups[g];
        size_t length = strcspn(group->path, ".");
        if (length == 0 || strlen(name) != length || strncmp(group->path, name, length) != 0) {
            continue;
        }
        esp_buffer_addf(out, "\n%s\n", group->about);
        add_group(out, settings, group, width);
    }
}

static int print_settings(const struct esp_arguments *arguments, struct esp_error *error)
{
    struct esp_settings *settings = esp_settings_create();
    const char *name = arguments->operand_count > 0 ? arguments->operands[0] : NULL;
    struct esp_buffer out = {0};
    int width = esp_terminal_width(stdout);
    int code = ESP_EXIT_FAILURE;

    width = width <= 0 || width > WIDTH_MAX ? WIDTH_MAX : width < WIDTH_MIN ? WIDTH_MIN : width;
    if (!settings) {
        esp_error_set(error, -ENOMEM, "out of memory.");
        goto out;
    }
    if (arguments->markdown) {
        esp_settings_markdown(settings, &out);
    } else if (!name && !arguments->json) {
        add_list(&out, settings, width);
    } else if (add_rows(&out, settings, name, arguments->json, width) == 0) {
        const char *near = esp_settings_suggest(settings, name);
        esp_error_set(error,
                      -EINVAL,
                      "there is no setting \"%.100s\"%s%s%s `espalier settings` lists them.",
                      name,
                      near ? "; did you mean \"" : ".",
                      near ? near : "",
                      near ? "\"?" : "");
        code = ESP_EXIT_USAGE;
        goto out;
    } else if (name && !arguments->json) {
        add_section(&out, settings, name, width);
    }
    code = esp_print(&out, error);
out:
    esp_buffer_release(&out);
    esp_settings_destroy(settings);
    return code;
}

const struct esp_cli_verb esp_cli_row_settings = {
    .name = "settings",
    .operands = "[NAME]",
    .operand_min = 0,
    .operand_max = 1,
    .summary = "List the keys of the study file and the settings of the trainer",
    .details =
        "With NAME (run_cap, early_terminate.eta, learning_rate, …) that key is shown in "
        "full: type, range, default, unit, meaning and an example. The name of a section "
        "(budget, early_terminate, …) also lists its keys.",
    .options = {ESP_OPTION_JSON, ESP_OPTION_MARKDOWN},
    .main = print_settings,
};
