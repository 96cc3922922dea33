/* espalier-trial sample: writes text from a checkpoint.
 *
 * The model's context is a window over the text: when it is full, the oldest token is dropped.
 * A vocabulary of 256 is bytes and is written as text; tokens of others are written as numbers.
 */
#include "checkpoint.h"
#include "commands.h"
#include "device.h"
#include "model/model.h"
#include "weights.h"

#include <assert.h>
#include <errno.h>
#include <espalier/random.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_VOCABULARY 256
#define TOKENS_MAX (1 << 24)

static const char usage[] =
    "usage: espalier-trial sample CHECKPOINT [options]\n"
    "\n"
    "Writes the prompt and its continuation to standard output.\n"
    "\n"
    "  --prompt TEXT      text to continue (default: a line end); for a model that was not\n"
    "                     trained on bytes: its token numbers, separated by spaces\n"
    "  --tokens N         how many tokens to add (default: 256)\n"
    "  --temperature T    0: always the most likely token (default: 0.8)\n"
    "  --top-k K          draw from the K most likely tokens; 0: all (default: 0)\n"
    "  --seed S           seed of the draws (default: 0)\n"
    "  --logits           no text: the logits of the token after the prompt, as a JSON array\n"
    "  --device D         auto, cpu, cuda or cuda:N (default: cpu)\n"
    "  --help             this text\n";

struct options {
    const char *checkpoint;
    const char *prompt;
    const char *device;
    int64_t tokens;
    int64_t top_k;
    int64_t seed;
    double temperature;
    bool logits;
};

struct sampler {
    struct esp_model *model;
    int context;
    int vocabulary;
    int32_t *window; /* [context]: the newest tokens */
    int length;      /* used part of `window` */
    float *logits;   /* [vocabulary] */
    float *sorted;   /* [vocabulary] */
};

static void push(struct sampler *s, int32_t token)
{
    assert(s->context > 0);
    if (s->length == s->context) {
        memmove(s->window, s->window + 1, (size_t)(s->context - 1) * sizeof *s->window);
        s->length--;
    }
    s->window[s->length++] = token;
}

static int compare_descending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static int32_t most_likely(const struct sampler *s)
{
    int32_t best = 0;
    for (int32_t i = 1; i < s->vocabulary; i++) {
        best = s->logits[i] > s->logits[best] ? i : best;
    }
    return best;
}

/* Draws from softmax(logits / temperature) over the top_k most likely tokens with the uniform
 * number u. */
static int32_t choose(struct sampler *s, const struct options *options, double u)
{
    int32_t best = most_likely(s);
    if (options->temperature == 0) {
        return best;
    }
    double least = -INFINITY;
    if (options->top_k > 0 && options->top_k < s->vocabulary) {
        memcpy(s->sorted, s->logits, (size_t)s->vocabulary * sizeof *s->sorted);
        qsort(s->sorted, (size_t)s->vocabulary, sizeof *s->sorted, compare_descending);
        least = (double)s->sorted[options->top_k - 1];
    }
    double top = (double)s->logits[best], sum = 0;
    for (int pass = 0; pass < 2; pass++) {
        double target = u * sum, at = 0;
        for (int32_t i = 0; i < s->vocabulary; i++) {
            double logit = (double)s->logits[i];
            at += logit >= least ? exp((logit - top) / options->temperature) : 0;
            if (pass == 1 && at > target) {
                return i;
            }
        }
        sum = at;
    }
    return best;
}

static void print_token(const struct sampler *s, int32_t token)
{
    if (s->vocabulary == BYTES_VOCABULARY) {
        putchar((int)token);
    } else {
        printf("%" PRId32 " ", token);
    }
}

static int take_prompt(struct sampler *s, const char *prompt, struct esp_error *error)
{
    if (s->vocabulary == BYTES_VOCABULARY) {
        for (const char *c = *prompt ? prompt : "\n"; *c; c++) {
            push(s, (unsigned char)*c);
        }
        return 0;
    }
    const char *at = prompt;
    for (;;) {
        char *end;
        at += strspn(at, " \t\n,");
        if (*at == '\0') {
            break;
        }
        long id = strtol(at, &end, 10);
        if (end == at || id < 0 || id >= s->vocabulary) {
            return esp_error_set(error,
                                 -EINVAL,
                                 "--prompt: this model was not trained on bytes; give token "
                                 "numbers below %d, not '%.40s'",
                                 s->vocabulary,
                                 at);
        }
        push(s, (int32_t)id);
        at = end;
    }
    if (s->length == 0) {
        push(s, 0);
    }
    return 0;
}

static int check_output(int rc, struct esp_error *error)
{
    return rc == 0 && ferror(stdout)
               ? esp_error_set(error, -EIO, "cannot write to standard output")
               : rc;
}

static int write_logits(struct sampler *s, struct esp_error *error)
{
    int rc = esp_model_logits(s->model, 0, s->window, s->length, s->logits, error);
    for (int i = 0; i < s->vocabulary && rc == 0; i++) {
        printf("%s%.9g", i ? "," : "[", (double)s->logits[i]);
    }
    if (rc == 0) {
        puts("]");
    }
    return check_output(rc, error);
}

static int write_text(struct sampler *s, const struct options *options, struct esp_error *error)
{
    int rc = 0;
    if (s->vocabulary == BYTES_VOCABULARY) {
        fputs(options->prompt, stdout);
    } else if (*options->prompt) {
        printf("%s ", options->prompt);
    }
    for (int64_t i = 0; i < options->tokens && rc == 0; i++) {
        rc = esp_model_logits(s->model, 0, s->window, s->length, s->logits, error);
        if (rc != 0) {
            break;
        }
        struct esp_random_block r =
            esp_random_at((uint64_t)options->seed, 0, ESP_RANDOM_TEXT, (uint64_t)i);
        int32_t token = choose(s, options, esp_random_unit(r.word[0], r.word[1]));
        push(s, token);
        print_token(s, token);
        fflush(stdout);
    }
    putchar('\n');
    return check_output(rc, error);
}

static int
load(struct sampler *s, const struct esp_checkpoint *checkpoint, struct esp_error *error)
{
    int64_t count = esp_model_count(s->model);
    float *values = malloc((size_t)count * sizeof *values);
    int rc = values ? 0 : esp_error_set(error, -ENOMEM, "no memory for the model");
    if (rc == 0) {
        rc = esp_weights_read_checkpoint(checkpoint, s->model, values, error);
    }
    if (rc == 0) {
        rc = esp_model_write(s->model, 0, ESP_MODEL_PARAMETERS, values, error);
    }
    free(values);
    return rc;
}

static int sample(const struct options *options,
                  const struct esp_checkpoint *checkpoint,
                  const struct esp_kernels *kernels,
                  struct esp_error *error)
{
    const struct esp_checkpoint_state *state = esp_checkpoint_state(checkpoint);
    struct sampler s = {.context = (int)state->trainer.context,
                        .vocabulary = (int)state->vocabulary};
    if (state->trainer.objective != ESP_OBJECTIVE_CAUSAL) {
        return esp_error_set(error,
                             -EINVAL,
                             "'%s' holds a masked model; only causal ones write text",
                             options->checkpoint);
    }
    struct esp_model_shape shape = esp_model_shape_of(&state->trainer, s.vocabulary);
    int rc = esp_model_create(kernels, &shape, 1, 1, false, &s.model, error);
    if (rc != 0) {
        return rc;
    }
    s.window = calloc((size_t)s.context, sizeof *s.window);
    s.logits = calloc((size_t)s.vocabulary, sizeof *s.logits);
    s.sorted = calloc((size_t)s.vocabulary, sizeof *s.sorted);
    if (!s.window || !s.logits || !s.sorted) {
        rc = esp_error_set(error, -ENOMEM, "no memory to sample");
    }
    if (rc == 0) {
        rc = load(&s, checkpoint, error);
    }
    if (rc == 0) {
        rc = take_prompt(&s, options->prompt, error);
    }
    if (rc == 0) {
        rc = options->logits ? write_logits(&s, error) : write_text(&s, options, error);
    }
    free(s.sorted);
    free(s.logits);
    free(s.window);
    esp_model_destroy(s.model);
    return rc;
}

static bool parse_real(const char *text, double min, double max, double *out)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= min && value <= max)) {
        return false;
    }
    *out = value;
    return true;
}

static bool parse_integer(const char *text, int64_t max, int64_t *out)
{
    double value;
    if (!parse_real(text, 0, (double)max, &value) || value != floor(value)) {
        return false;
    }
    *out = (int64_t)value;
    return true;
}

/* 0: continue; 1: help was printed; −1: an error was printed. */
static int parse(int argc, char **argv, struct options *options)
{
    enum { PROMPT = 1, TOKENS, TEMPERATURE, TOP_K, SEED, LOGITS, DEVICE, HELP };
    static const struct option table[] = {
        {"prompt", required_argument, NULL, PROMPT},
        {"tokens", required_argument, NULL, TOKENS},
        {"temperature", required_argument, NULL, TEMPERATURE},
        {"top-k", required_argument, NULL, TOP_K},
        {"seed", required_argument, NULL, SEED},
        {"logits", no_argument, NULL, LOGITS},
        {"device", required_argument, NULL, DEVICE},
        {"help", no_argument, NULL, HELP},
        {0},
    };
    int option;
    *options =
        (struct options){.prompt = "", .device = "cpu", .tokens = 256, .temperature = 0.8};
    while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
        bool good = true;
        switch (option) {
        case PROMPT:
            options->prompt = optarg;
            break;
        case TOKENS:
            good = parse_integer(optarg, TOKENS_MAX, &options->tokens);
            break;
        case TEMPERATURE:
            good = parse_real(optarg, 0, 1e6, &options->temperature);
            break;
        case TOP_K:
            good = parse_integer(optarg, INT32_MAX, &options->top_k);
            break;
        case SEED:
            good = parse_integer(optarg, INT64_C(1) << 53, &options->seed);
            break;
        case LOGITS:
            options->logits = true;
            break;
        case DEVICE:
            options->device = optarg;
            break;
        case HELP:
            fputs(usage, stdout);
            return 1;
        default:
            fputs("See 'espalier-trial sample --help'.\n", stderr);
            return -1;
        }
        if (!good) {
            fprintf(stderr, "espalier-trial sample: '%s' is not a valid number\n", optarg);
            return -1;
        }
    }
    if (argc - optind != 1) {
        fprintf(stderr, "espalier-trial sample: give one checkpoint\n\n%s", usage);
        return -1;
    }
    options->checkpoint = argv[optind];
    return 0;
}

int esp_command_sample(int argc, char **argv)
{
    struct options options;
    struct esp_checkpoint *checkpoint = NULL;
    struct esp_kernels *kernels = NULL;
    struct esp_error error = {""};
    int parsed = parse(argc, argv, &options);
    if (parsed != 0) {
        return parsed > 0 ? ESP_EXIT_DONE : ESP_EXIT_USAGE;
    }
    int rc = esp_checkpoint_open(options.checkpoint, &checkpoint, &error);
    if (rc == 0) {
        rc = esp_device_open(options.device, &kernels, &error);
    }
    if (rc == 0) {
        rc = sample(&options, checkpoint, kernels, &error);
    }
    esp_kernels_close(kernels);
    esp_checkpoint_close(checkpoint);
    if (rc != 0) {
        fprintf(stderr, "espalier-trial: %s\n", error.text);
        return esp_command_status(rc);
    }
    return ESP_EXIT_DONE;
}
