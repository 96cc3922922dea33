/* The list of verbs, and running one. */
#include "verb.h"

#include <espalier/suggest.h>
#include <string.h>

/* In the order of --help. */
#define VERBS(ROW)                                                                             \
    ROW(run)                                                                                   \
    ROW(resume)                                                                                \
    ROW(check)                                                                                 \
    ROW(settings)                                                                              \
    ROW(doctor)                                                                                \
    ROW(status)                                                                                \
    ROW(ls)                                                                                    \
    ROW(best)                                                                                  \
    ROW(show)                                                                                  \
    ROW(why)                                                                                   \
    ROW(watch)                                                                                 \
    ROW(stop)                                                                                  \
    ROW(pause)                                                                                 \
    ROW(continue)                                                                              \
    ROW(extend)                                                                                \
    ROW(set)                                                                                   \
    ROW(note)                                                                                  \
    ROW(export)                                                                                \
    ROW(sample)                                                                                \
    ROW(replay)                                                                                \
    ROW(agent)

#define DECLARE(name) extern const struct esp_cli_verb esp_cli_row_##name;
#define REFER(name) &esp_cli_row_##name,

VERBS(DECLARE)
const struct esp_cli_verb *const esp_cli_verbs[] = {VERBS(REFER)};
const size_t esp_cli_verb_count = sizeof esp_cli_verbs / sizeof esp_cli_verbs[0];

#define VERBS_MAX 64
_Static_assert(sizeof esp_cli_verbs / sizeof esp_cli_verbs[0] <= VERBS_MAX, "raise VERBS_MAX");

const struct esp_cli_verb *esp_cli_verb_find(const char *name)
{
    for (size_t i = 0; i < esp_cli_verb_count; i++) {
        if (strcmp(esp_cli_verbs[i]->name, name) == 0) {
            return esp_cli_verbs[i];
        }
    }
    return NULL;
}

void esp_cli_verb_unknown(const char *word, struct esp_error *error)
{
    const char *names[VERBS_MAX];
    for (size_t i = 0; i < esp_cli_verb_count; i++) {
        names[i] = esp_cli_verbs[i]->name;
    }
    const char *near = esp_suggest(word, names, esp_cli_verb_count);
    esp_error_set(error,
                  0,
                  "unknown verb \"%s\"%s%s%s `espalier --help` lists the verbs.",
                  word,
                  near ? "; did you mean \"" : ".",
                  near ? near : "",
                  near ? "\"?" : "");
}

size_t esp_cli_verb_options(const struct esp_cli_verb *verb,
                            const struct esp_option *options[ESP_CLI_VERB_OPTIONS_MAX])
{
    size_t count = 0;
    while (count < ESP_CLI_VERB_OPTIONS_MAX - 1 && verb->options[count] != ESP_OPTION_NONE) {
        options[count] = &esp_options[verb->options[count]];
        count++;
    }
    options[count++] = &esp_options[ESP_OPTION_HELP];
    return count;
}

int esp_cli_verb_run(const struct esp_cli_verb *verb, int argc, char **argv)
{
    struct esp_error error = {{0}};
    struct esp_arguments arguments;
    if (esp_arguments_read(verb, argc, argv, &arguments, &error) < 0) {
        fprintf(stderr, "espalier: %s\n", error.text);
        return ESP_EXIT_USAGE;
    }
    if (arguments.help) {
        esp_help_verb(stdout, verb);
        return ESP_EXIT_DONE;
    }
    int code = verb->main(&arguments, &error);
    if (error.text[0] && code != ESP_EXIT_DONE) {
        size_t length = strlen(error.text);
        fprintf(
            stderr, "espalier: %s%s", error.text, error.text[length - 1] == '\n' ? "" : "\n");
    }
    return code;
}
