/* The manual page (roff, man macros) and the completion for bash, from the same tables as
 * --help. */
#include "arguments.h"

#include <stdio.h>
#include <string.h>

/* Text for roff: a backslash, a hyphen, and a dot or quote that opens a line are escaped. */
static void print_roff(FILE *out, const char *text)
{
    bool opens = true;
    for (const char *p = text; *p; p++) {
        if (opens && (*p == '.' || *p == '\'')) {
            fputs("\\&", out);
        }
        opens = *p == '\n';
        if (*p == '\\') {
            fputs("\\e", out);
        } else if (*p == '-') {
            fputs("\\-", out);
        } else {
            fputc(*p, out);
        }
    }
}

static void print_options(FILE *out, const struct esp_verb_entry *verb)
{
    for (size_t i = 0; i < esp_option_count; i++) {
        const struct esp_option *option = &esp_options[i];
        if (strcmp(option->name, "help") == 0 || !esp_option_serves(option, verb->name)) {
            continue;
        }
        fputs(".RS\n.TP\n\\fB", out);
        if (option->letter) {
            fprintf(out, "\\-%c\\fR, \\fB", option->letter);
        }
        fputs("\\-\\-", out);
        print_roff(out, option->name);
        fputs("\\fR", out);
        if (option->argument) {
            fputs(" \\fI", out);
            print_roff(out, option->argument);
            fputs("\\fR", out);
        }
        fputs("\n", out);
        print_roff(out, option->help);
        fputs("\n.RE\n", out);
    }
}

void esp_manual_print(FILE *out)
{
    fputs(".TH ESPALIER 1 \"\" \"espalier " ESP_VERSION "\" \"User Commands\"\n"
          ".SH NAME\n"
          "espalier \\- find the training settings of a transformer\n"
          ".SH SYNOPSIS\n.nf\n",
          out);
    for (size_t i = 0; i < esp_verb_count; i++) {
        fprintf(out, "\\fBespalier %s\\fR \\fI", esp_verbs[i].name);
        print_roff(out, esp_verbs[i].operands);
        fputs("\\fR\n", out);
    }
    fputs(".fi\n.SH DESCRIPTION\n"
          "A controller samples settings, gives them to trial processes that train, reads\n"
          "their loss curves as they come, and pauses, continues or stops each trial.\n"
          "Everything is recorded as it happens in DIR/study.db, so that a search can be\n"
          "watched, steered, and picked up again after any interruption.\n"
          "Results go to stdout, messages and progress to stderr.\n"
          ".SH VERBS\n",
          out);
    for (size_t i = 0; i < esp_verb_count; i++) {
        const struct esp_verb_entry *verb = &esp_verbs[i];
        fprintf(out, ".TP\n\\fB%s\\fR \\fI", verb->name);
        print_roff(out, verb->operands);
        fputs("\\fR\n", out);
        print_roff(out, verb->summary);
        fputs("\n", out);
        if (verb->details) {
            fputs(".RS\n.PP\n", out);
            print_roff(out, verb->details);
            fputs("\n.RE\n", out);
        }
        if (!verb->raw) {
            print_options(out, verb);
        }
    }
    fputs(".SH EXIT STATUS\n", out);
#define PRINT_EXIT(name, code, meaning) fprintf(out, ".TP\n%d\n%s\n", code, meaning);
    ESP_EXIT_CODES(PRINT_EXIT)
#undef PRINT_EXIT
    fputs(".SH SIGNALS\n"
          "The first SIGINT or SIGTERM saves every trial and leaves; a second one leaves at\n"
          "once. Both ways \\fBespalier resume\\fR \\fIDIR\\fR goes on where it stood.\n"
          ".SH JSON\n"
          "A value that is not finite is printed as null. Bytes that are not UTF\\-8 are\n"
          "printed as U+FFFD.\n"
          ".SH ENVIRONMENT\n"
          ".TP\nNO_COLOR\nNo colour, whatever the terminal.\n"
          ".SH FILES\n"
          ".TP\nDIR/study.db\nThe record (SQLite); optuna can open it read\\-only.\n"
          ".TP\nDIR/checkpoints/TRIAL/ATTEMPT\\-TOKENS\nSaved trials.\n"
          ".TP\nDIR/logs\nWhat the trial processes printed.\n",
          out);
}

void esp_completion_print(FILE *out)
{
    fputs("# bash completion for espalier: eval \"$(espalier --completion)\"\n"
          "_espalier() {\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]} options=\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W \"",
          out);
    for (size_t i = 0; i < esp_verb_count; i++) {
        fprintf(out, "%s%s", i ? " " : "", esp_verbs[i].name);
    }
    fputs("\" -- \"$word\"))\n        return\n    fi\n    case \"$verb\" in\n", out);
    for (size_t i = 0; i < esp_verb_count; i++) {
        fprintf(out, "    %s) options=\"", esp_verbs[i].name);
        for (size_t j = 0; j < esp_option_count; j++) {
            if (esp_option_serves(&esp_options[j], esp_verbs[i].name)) {
                fprintf(out, "--%s ", esp_options[j].name);
            }
        }
        fputs("\" ;;\n", out);
    }
    fputs("    esac\n    case \"${COMP_WORDS[COMP_CWORD - 1]}\" in\n", out);
    for (size_t j = 0; j < esp_option_count; j++) {
        if (esp_options[j].words) {
            fprintf(out, "    --%s) COMPREPLY=($(compgen -W \"", esp_options[j].name);
            for (const char *const *word = esp_options[j].words; *word; word++) {
                fprintf(out, "%s ", *word);
            }
            fputs("\" -- \"$word\")); return ;;\n", out);
        }
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
