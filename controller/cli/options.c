/* The table of options, and reading a verb's command line by it. */
#include "arguments.h"

#include <ctype.h>
#include <errno.h>
#include <espalier/suggest.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char *const devices[] = {"auto", "cpu", "cuda", NULL};
static const char *const formats[] = {"csv", "jsonl", NULL};

#define FIELD(member) offsetof(struct esp_arguments, member)
#define FLAG(name, letter, member, verbs, help)                                                \
    {                                                                                          \
        name, letter, ESP_OPTION_FLAG, FIELD(member), NULL, verbs, help, NULL, 0, 0            \
    }
#define TEXT(name, letter, member, argument, verbs, help)                                      \
    {                                                                                          \
        name, letter, ESP_OPTION_TEXT, FIELD(member), argument, verbs, help, NULL, 0, 0        \
    }
#define WORD(name, member, argument, words, verbs, help)                                       \
    {                                                                                          \
        name, 0, ESP_OPTION_WORD, FIELD(member), argument, verbs, help, words, 0, 0            \
    }
#define COUNT(name, letter, member, argument, min, max, verbs, help)                           \
    {                                                                                          \
        name, letter, ESP_OPTION_COUNT, FIELD(member), argument, verbs, help, NULL, min, max   \
    }
#define REAL(name, member, argument, min, max, verbs, help)                                    \
    {                                                                                          \
        name, 0, ESP_OPTION_REAL, FIELD(member), argument, verbs, help, NULL, min, max         \
    }

/* Beyond 2^53 a count would not survive its way through JSON. */
#define COUNT_MAX 9007199254740992.0

const struct esp_option esp_options[] = {
    TEXT("dir", 'd', dir, "DIR", "run agent", "Keep the study here instead of runs/NAME."),
    COUNT("workers",
          'w',
          workers,
          "N",
          1,
          ESP_PROCESSES_MAX,
          "run resume",
          "Trial processes side by side; default: the study's, or one per core."),
    WORD("device",
         device,
         "auto|cpu|cuda",
         devices,
         "run resume agent",
         "What to train on; default auto: a GPU where there is one."),
    WORD("device",
         device,
         "auto|cpu|cuda",
         devices,
         "sample",
         "What the model runs on; default auto: a GPU where there is one."),
    TEXT("data",
         0,
         data,
         "FILE",
         "run check",
         "Train on this file or glob instead of the study's trainer.data."),
    COUNT("number",
          'n',
          count,
          "N",
          1,
          ESP_TRIALS_MAX,
          "best",
          "How many trials to list; default 5."),
    WORD("format",
         format,
         "csv|jsonl",
         formats,
         "export",
         "The form of the rows; `repeats` names a setting's first trial."),
    FLAG(
        "curves", 0, curves, "export", "Every point of every loss curve, not one row a trial."),
    TEXT("prompt", 'p', prompt, "TEXT", "sample", "What the text starts with."),
    COUNT("tokens", 't', tokens, "N", 1, COUNT_MAX, "extend", "The new horizon of each trial."),
    COUNT("tokens", 't', tokens, "N", 1, COUNT_MAX, "sample", "How many to write."),
    REAL("temperature",
         temperature,
         "X",
         0,
         100,
         "sample",
         "0 takes the likeliest token every time; default 0.8."),
    COUNT("seed", 's', seed, "N", 0, COUNT_MAX, "sample", "Another seed writes another text."),
    REAL("interval", interval, "SECONDS", 0.1, 3600, "watch", "Between two looks; default 1."),
    FLAG("once", 0, once, "watch", "Print the table once and leave."),
    TEXT("connect", 'c', connect, "ENDPOINT", "agent", "The controller's socket."),
    COUNT("study", 0, study, "NONCE", 0, 0, "agent", "Which study's agent this is."),
    FLAG("json",
         'j',
         json,
         "check status ls best show why doctor",
         "Results as JSON on stdout."),
    FLAG("help", 'h', help, "*", "Say what a verb does, and leave."),
};
const size_t esp_option_count = sizeof esp_options / sizeof esp_options[0];

bool esp_option_serves(const struct esp_option *option, const char *verb)
{
    if (strcmp(option->verbs, "*") == 0) {
        return true;
    }
    size_t length = strlen(verb);
    for (const char *p = option->verbs; (p = strstr(p, verb)); p += length) {
        bool starts = p == option->verbs || p[-1] == ' ';
        if (starts && (p[length] == ' ' || p[length] == '\0')) {
            return true;
        }
    }
    return false;
}

/* A whole number, also written 2e7 or 2M; -1 when it is none. */
static int read_count(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    double real = strtod(text, &end);
    if (end == text || *text == '-' || isspace((unsigned char)*text) || errno != 0) {
        return -1;
    }
    double unit = *end == 'k' || *end == 'K' ? 1e3 : *end == 'M' ? 1e6 : *end == 'G' ? 1e9 : 0;
    if (unit > 0) {
        real *= unit;
        end++;
    }
    if (*end != '\0' || !(real >= 0 && real <= COUNT_MAX) || real != (double)(int64_t)real) {
        return -1;
    }
    *out = (int64_t)real;
    return 0;
}

static int set_option(const struct esp_option *option,
                      const char *text,
                      struct esp_arguments *out,
                      struct esp_error *error)
{
    char *place = (char *)out + option->offset, *end = NULL;
    int64_t count;
    double real;
    switch (option->type) {
    case ESP_OPTION_FLAG:
        *(bool *)place = true;
        return 0;
    case ESP_OPTION_TEXT:
        *(const char **)place = text;
        return 0;
    case ESP_OPTION_WORD:
        for (const char *const *word = option->words; *word; word++) {
            if (strcmp(*word, text) == 0) {
                *(const char **)place = text;
                return 0;
            }
        }
        return esp_error_set(
            error, -EINVAL, "--%s %s: it can be %s.", option->name, text, option->argument);
    case ESP_OPTION_COUNT:
        if (option->max == 0) { /* any 64 bits */
            errno = 0;
            *(int64_t *)place = (int64_t)strtoull(text, &end, 10);
            return end != text && *end == '\0' && errno == 0
                       ? 0
                       : esp_error_set(
                             error, -EINVAL, "--%s %s: is no number.", option->name, text);
        }
        if (read_count(text, &count) < 0 || (double)count < option->min ||
            (double)count > option->max) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "--%s %s: a whole number from %.0f to %.0f is needed.",
                                 option->name,
                                 text,
                                 option->min,
                                 option->max);
        }
        *(int64_t *)place = count;
        return 0;
    case ESP_OPTION_REAL:
        real = strtod(text, &end);
        if (end == text || *end != '\0' || !(real >= option->min && real <= option->max)) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "--%s %s: a number from %g to %g is needed.",
                                 option->name,
                                 text,
                                 option->min,
                                 option->max);
        }
        *(double *)place = real;
        return 0;
    }
    return -EINVAL;
}

#define OPTIONS_MAX 32
_Static_assert(sizeof esp_options / sizeof esp_options[0] < OPTIONS_MAX, "raise OPTIONS_MAX");

static int
unknown_option(const struct esp_verb_entry *verb, const char *text, struct esp_error *error)
{
    char word[ESP_NAME_MAX];
    const char *names[OPTIONS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < esp_option_count; i++) {
        if (esp_option_serves(&esp_options[i], verb->name)) {
            names[count++] = esp_options[i].name;
        }
    }
    snprintf(word, sizeof word, "%s", text + strspn(text, "-"));
    word[strcspn(word, "=")] = '\0';
    const char *near = esp_suggest(word, names, count);
    return esp_error_set(error,
                         -EINVAL,
                         "%s: unknown option %s%s%s%s (espalier %s --help lists its options).",
                         verb->name,
                         text,
                         near ? "; did you mean --" : "",
                         near ? near : "",
                         near ? "?" : ".",
                         verb->name);
}

static void set_defaults(const struct esp_verb_entry *verb, struct esp_arguments *out)
{
    *out = (struct esp_arguments){
        .verb = verb->name,
        .device = "auto",
        .format = "csv",
        .seed = -1,
        .temperature = 0.8,
        .interval = 1,
    };
}

int esp_arguments_read(const struct esp_verb_entry *verb,
                       int argc,
                       char **argv,
                       struct esp_arguments *out,
                       struct esp_error *error)
{
    struct option longs[OPTIONS_MAX + 1] = {0};
    char shorts[3 * OPTIONS_MAX] = ":";
    size_t used = 0, letters = 1;
    const struct esp_option *by_index[OPTIONS_MAX];
    for (size_t i = 0; i < esp_option_count; i++) {
        const struct esp_option *option = &esp_options[i];
        if (!esp_option_serves(option, verb->name)) {
            continue;
        }
        bool takes = option->type != ESP_OPTION_FLAG;
        longs[used] = (struct option){
            option->name, takes ? required_argument : no_argument, NULL, 1000 + (int)used};
        by_index[used++] = option;
        if (option->letter) {
            shorts[letters++] = option->letter;
            if (takes) {
                shorts[letters++] = ':';
            }
        }
    }
    set_defaults(verb, out);
    opterr = 0;
    optind = 0; /* glibc: begin anew, also after an earlier use */
    int c;
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const struct esp_option *option = NULL;
        if (c >= 1000) {
            option = by_index[c - 1000];
        }
        for (size_t i = 0; i < used && !option; i++) {
            option = by_index[i]->letter == c ? by_index[i] : NULL;
        }
        if (c == ':') {
            return esp_error_set(
                error, -EINVAL, "%s: %s needs a value.", verb->name, argv[optind - 1]);
        }
        if (!option) {
            char letter[3] = {'-', (char)optopt, '\0'};
            bool is_letter = optopt != 0 && optopt < 1000;
            return unknown_option(verb, is_letter ? letter : argv[optind - 1], error);
        }
        int rc = set_option(option, optarg, out, error);
        if (rc < 0) {
            return rc;
        }
    }
    out->operands = argv + optind;
    out->operand_count = argc - optind;
    if (out->help) {
        return 0;
    }
    if (out->operand_count < verb->operand_min || out->operand_count > verb->operand_max) {
        return esp_error_set(error,
                             -EINVAL,
                             "%s: %s. Usage: espalier %s%s%s",
                             verb->name,
                             out->operand_count < verb->operand_min ? "something is missing"
                                                                    : "too many words",
                             verb->name,
                             verb->operands[0] ? " " : "",
                             verb->operands);
    }
    return 0;
}

int esp_arguments_trial(const char *text, int64_t *trial, struct esp_error *error)
{
    char *end = NULL;
    const char *digits = text[0] == '#' ? text + 1 : text;
    errno = 0;
    long long value = isdigit((unsigned char)*digits) ? strtoll(digits, &end, 10) : -1;
    if (value < 0 || *end != '\0' || errno != 0 || value >= ESP_TRIALS_MAX) {
        return esp_error_set(
            error, -EINVAL, "%s: is no trial's number. `espalier ls DIR` lists them.", text);
    }
    *trial = value;
    return 0;
}
