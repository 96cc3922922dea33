/* The completion script for bash. */
#include "verb.h"

#include <stdio.h>

static void print_verbs(FILE *out)
{
    for (size_t i = 0; i < esp_cli_verb_count; i++) {
        fprintf(out, "%s%s", i ? " " : "", esp_cli_verbs[i]->name);
    }
}

static void print_options(FILE *out, const struct esp_cli_verb *verb)
{
    const struct esp_option *options[ESP_CLI_VERB_OPTIONS_MAX];
    size_t count = esp_cli_verb_options(verb, options);
    fprintf(out, "    %s) options=\"", verb->name);
    for (size_t i = 0; i < count; i++) {
        fprintf(out, "--%s ", options[i]->name);
    }
    fputs("\" ;;\n", out);
}

/* The values that an option can take, if they can be listed. */
static void print_values(FILE *out, const struct esp_option *option)
{
    const char *values[ESP_OPTION_NAMES_MAX];
    esp_option_values(option, values);
    if (!values[0]) {
        return;
    }
    fprintf(out, "    --%s) COMPREPLY=($(compgen -W \"", option->name);
    for (const char **value = values; *value; value++) {
        fprintf(out, "%s ", *value);
    }
    fputs("\" -- \"$word\")); return ;;\n", out);
}

void esp_completion_print(FILE *out)
{
    fputs("# bash completion for espalier: eval \"$(espalier --completion)\"\n"
          "_espalier() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} options=\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W \"",
          out);
    print_verbs(out);
    fputs("\" -- \"$word\"))\n        return\n    fi\n    case \"$verb\" in\n", out);
    for (size_t i = 0; i < esp_cli_verb_count; i++) {
        print_options(out, esp_cli_verbs[i]);
    }
    fputs("    esac\n    case \"${COMP_WORDS[COMP_CWORD - 1]}\" in\n", out);
    for (size_t i = ESP_OPTION_NONE + 1; i < ESP_OPTION_COUNT; i++) {
        print_values(out, &esp_options[i]);
    }
    fputs("    esac\n"
          "    case \"$word\" in\n"
          "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
          "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
          "    esac\n"
          "}\n"
          "complete -o filenames -F _espalier espalier\n",
          out);
}
