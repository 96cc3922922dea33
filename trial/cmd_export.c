/* espalier-trial export: writes a checkpoint's weights for other programs. */
#include "checkpoint.h"
#include "commands.h"
#include "model/model.h"
#include "weights.h"

#include <errno.h>
#include <espalier/kernels.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char usage[] =
    "usage: espalier-trial export CHECKPOINT --out FILE.safetensors\n"
    "\n"
    "Writes the weights as safetensors (float32, GPT-2's names) and a config.json beside "
    "them:\n"
    "transformers loads the folder when FILE is its model.safetensors. A masked model gets no\n"
    "config.json, as transformers' GPT-2 is causal.\n"
    "\n"
    "  --out FILE       where to write\n"
    "  --help           this text\n";

static int export(const struct esp_checkpoint *checkpoint,
                  const struct esp_kernels *kernels,
                  const char *out,
                  struct esp_error *error)
{
    const struct esp_checkpoint_state *state = esp_checkpoint_state(checkpoint);
    struct esp_model_shape shape = esp_model_shape_of(&state->trainer, (int)state->vocabulary);
    struct esp_model *model = NULL;
    int rc = esp_model_create(kernels, &shape, 1, 1, false, &model, error);
    if (rc != 0) {
        return rc;
    }
    float *values = malloc((size_t)esp_model_count(model) * sizeof *values);
    rc = values ? esp_weights_read_checkpoint(checkpoint, model, values, error)
                : esp_error_set(error, -ENOMEM, "no memory for the model");
    if (rc == 0) {
        rc = esp_weights_export(out, model, values, error);
    }
    free(values);
    esp_model_destroy(model);
    return rc;
}

/* 0: continue; 1: help was printed; −1: an error was printed. */
static int parse(int argc, char **argv, const char **checkpoint, const char **out)
{
    enum { OUT = 1, HELP };
    static const struct option table[] = {
        {"out", required_argument, NULL, OUT}, {"help", no_argument, NULL, HELP}, {0}};
    int option;
    *out = NULL;
    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        switch (option) {
        case OUT:
            *out = optarg;
            break;
        case HELP:
            fputs(usage, stdout);
            return 1;
        default:
            fputs("See 'espalier-trial export --help'.\n", stderr);
            return -1;
        }
    }
    if (argc - optind != 1 || !*out) {
        fprintf(
            stderr, "espalier-trial export: name one checkpoint, and --out FILE\n\n%s", usage);
        return -1;
    }
    *checkpoint = argv[optind];
    return 0;
}

int esp_command_export(int argc, char **argv)
{
    const char *path, *out;
    struct esp_checkpoint *checkpoint = NULL;
    struct esp_kernels *kernels = NULL;
    struct esp_error error = {""};
    int parsed = parse(argc, argv, &path, &out);
    if (parsed != 0) {
        return parsed > 0 ? ESP_EXIT_DONE : ESP_EXIT_USAGE;
    }
    int rc = esp_checkpoint_open(path, &checkpoint, &error);
    if (rc == 0) {
        rc = esp_kernels_open_cpu(&kernels, &error);
    }
    if (rc == 0) {
        rc = export(checkpoint, kernels, out, &error);
    }
    esp_kernels_close(kernels);
    esp_checkpoint_close(checkpoint);
    if (rc != 0) {
        fprintf(stderr, "espalier-trial: %s\n", error.text);
        return esp_command_status(rc);
    }
    return ESP_EXIT_DONE;
}
