/* espalier-trial: the process that trains. A table of subcommands, each in its own file. */
#include "commands.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"train", esp_command_train, "train one or more files, without a controller"},
    {"bench", esp_command_bench, "measure training speed"},
    {"sample", esp_command_sample, "write text from a checkpoint"},
    {"serve", esp_command_serve, "train for a controller; its agent starts this"},
    {"export", esp_command_export, "write a checkpoint's weights as safetensors"},
};

static void print_usage(FILE *out)
{
    fputs("usage: espalier-trial COMMAND [ARGUMENTS]\n\ncommands:\n", out);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("\nSee 'espalier-trial COMMAND --help'.\n", out);
}

int esp_command_status(int code)
{
    switch (code) {
    case -EINVAL:
    case -ENOENT:
    case -EISDIR:
    case -ENOTDIR:
    case -EACCES:
    case -EBADMSG:
    case -EPROTONOSUPPORT:
    case -ENAMETOOLONG:
    case -E2BIG:
    case -ENODEV:
    case -ENOTSUP:
        return ESP_EXIT_USAGE;
    default:
        return ESP_EXIT_FAILURE;
    }
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN); /* a write beyond the limit on file sizes fails with EFBIG */
    if (argc < 2) {
        print_usage(stderr);
        return ESP_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return ESP_EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("espalier-trial " ESP_VERSION);
        return ESP_EXIT_DONE;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    fprintf(stderr, "espalier-trial: unknown command '%s'\n\n", argv[1]);
    print_usage(stderr);
    return ESP_EXIT_USAGE;
}
