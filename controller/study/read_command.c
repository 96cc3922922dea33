/* Reads `program` and `command`: the user's own training program, which is started without a
 * shell.
 *
 * The study keeps the words of the command with W&B's macros unexpanded, except for ${program},
 * which is expanded here because the study does not keep the program's name. */
#include "reader.h"

#include <stdlib.h>
#include <string.h>

#define PROGRAM_MACRO "${program}"
/* Most words of one command. */
#define WORDS_MAX 256

static const char *const default_command[] = {
    "${env}", "${interpreter}", PROGRAM_MACRO, "${args}"};

/* The word with every ${program} replaced; NULL when out of memory. */
static char *replace_program(const char *word, const char *program)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    const char *macro;

    if (!out) {
        return NULL;
    }
    while ((macro = strstr(word, PROGRAM_MACRO)) != NULL) {
        fwrite(word, 1, (size_t)(macro - word), out);
        fputs(program, out);
        word = macro + strlen(PROGRAM_MACRO);
    }
    fputs(word, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static void add_word(struct reader *r, size_t index, const char *word, const char *program)
{
    r->study->command[index] = replace_program(word, program);
    if (!r->study->command[index]) {
        r->out_of_memory = true;
    }
}

static bool check_words(struct reader *r, const struct esp_yaml_node *command, bool has_program)
{
    bool good = true;

    if (esp_yaml_kind(command) != ESP_YAML_SEQUENCE || esp_yaml_size(command) == 0 ||
        esp_yaml_size(command) > WORDS_MAX) {
        esp_yaml_fault(r->yaml,
                       command,
                       "command must be a list of 1 to %d words like [python, train.py, "
                       "\"${args}\"]",
                       WORDS_MAX);
        return false;
    }
    for (size_t i = 0; i < esp_yaml_size(command); i++) {
        const struct esp_yaml_node *word = esp_yaml_item(command, i);
        char text[ESP_PATH_MAX];
        if (!esp_yaml_read_text(r->yaml, word, "a word of command", text, sizeof text)) {
            good = false;
        } else if (strstr(text, PROGRAM_MACRO) && !has_program) {
            esp_yaml_fault(
                r->yaml, word, "%s is used, but `program` is missing", PROGRAM_MACRO);
            good = false;
        }
    }
    return good;
}

void esp_read_command(struct reader *r)
{
    const struct esp_yaml_node *command = esp_section_get(&esp_section_top, r->root, "command");
    const struct esp_yaml_node *program = esp_section_get(&esp_section_top, r->root, "program");
    char path[ESP_PATH_MAX] = "";
    size_t count;

    if (!command && !program) {
        return;
    }
    if (program && !esp_yaml_read_text(r->yaml, program, "program", path, sizeof path)) {
        return;
    }
    if (program && path[0] == '\0') {
        esp_yaml_fault(r->yaml, program, "program is empty");
        return;
    }
    if (command && !check_words(r, command, program != NULL)) {
        return;
    }
    count = command ? esp_yaml_size(command) : sizeof default_command / sizeof *default_command;
    r->study->command = calloc(count + 1, sizeof *r->study->command);
    if (!r->study->command) {
        r->out_of_memory = true;
        return;
    }
    for (size_t i = 0; i < count && !r->out_of_memory; i++) {
        add_word(r,
                 i,
                 command ? esp_yaml_scalar(esp_yaml_item(command, i)) : default_command[i],
                 path);
    }
}
