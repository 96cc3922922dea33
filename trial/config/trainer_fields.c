/* The settings of the built-in trainer, one row each: what a trainer can be configured with.
 *
 * The readers, the wire codec, the hashes, the check of searched parameters and the reference
 * all go through this table, so a new setting is one row here and one member of struct
 * esp_trainer.
 *
 * A setting may be searched unless trials could then not be compared (data, tokens, objective,
 * vocabulary) or it does not affect the result (reports, checkpoints, memory). */
#include <espalier/trainer.h>

/* Whole numbers are exact as doubles up to here; also the largest seed. */
#define WHOLE_MAX 9007199254740992.0

static const char *const schedule_words[] = {
    [ESP_SCHEDULE_COSINE] = "cosine",
    [ESP_SCHEDULE_LINEAR] = "linear",
    [ESP_SCHEDULE_WSD] = "wsd",
    [ESP_SCHEDULE_CONSTANT] = "constant",
    [ESP_SCHEDULE_INVERSE_SQRT] = "inverse-sqrt",
    NULL,
};

static const char *const dtype_words[] = {
    [ESP_DTYPE_AUTO] = "auto",
    [ESP_DTYPE_UINT16] = "uint16",
    [ESP_DTYPE_UINT32] = "uint32",
    NULL,
};

static const char *const activation_words[] = {"gelu", "gelu_tanh", NULL};
static const char *const objective_words[] = {"causal", "masked", NULL};
static const char *const optimizer_words[] = {"adamw", "sgd", NULL};
static const char *const precision_words[] = {"auto", "fp32", "tf32", "bf16", "fp16", NULL};
static const char *const recompute_words[] = {"none", "gelu-norm", "block", NULL};

#define AT(member) offsetof(struct esp_trainer, member)
#define PATH(name_, member, flags_)                                                            \
    .name = (name_), .type = ESP_FIELD_PATH, .flags = (flags_), .offset = AT(member)
#define WHOLE(name_, member, flags_, min_, max_, fallback_)                                    \
    .name = (name_), .type = ESP_FIELD_INTEGER, .flags = (flags_), .offset = AT(member),       \
    .min = (min_), .max = (max_), .fallback = (fallback_)
#define REAL(name_, member, flags_, min_, max_, fallback_)                                     \
    .name = (name_), .type = ESP_FIELD_REAL, .flags = (flags_), .offset = AT(member),          \
    .min = (min_), .max = (max_), .fallback = (fallback_)
#define WORD(name_, member, flags_, words_, fallback_)                                         \
    .name = (name_), .type = ESP_FIELD_ENUM, .flags = (flags_), .offset = AT(member),          \
    .names = (words_), .fallback = (fallback_)

#define SEARCH ESP_FIELD_SEARCHABLE
#define SHAPE ESP_FIELD_SHAPE
#define REQUIRED ESP_FIELD_REQUIRED

const struct esp_field esp_trainer_fields[] = {
    {PATH("data", data, REQUIRED),
     .meaning = "what to train on: a text file, a glob of text files, or token shards (.bin, "
                "of nanoGPT or llm.c)",
     .example = "corpus.txt"},
    {WORD("dtype", dtype, SHAPE, dtype_words, ESP_DTYPE_AUTO),
     .meaning = "type of the tokens in .bin shards without a header; auto: uint16, and shards "
                "that seem to hold wider tokens are refused"},
    {PATH("init_from", init_from, 0),
     .fallback_text = "none; the weights are drawn at random",
     .meaning = "weights to start from: a checkpoint, a safetensors file or one of llm.c",
     .example = "gpt2.safetensors"},

    {WHOLE("model.layers", layers, SEARCH | SHAPE, 1, 1024, 3),
     .unit = "blocks",
     .meaning = "number of transformer blocks"},
    {WHOLE("model.width", width, SEARCH | SHAPE, 1, 65536, 96),
     .unit = "channels",
     .meaning = "size of a token's vector; a multiple of model.heads"},
    {WHOLE("model.heads", heads, SEARCH | SHAPE, 1, 1024, 3),
     .meaning = "attention heads of a block"},
    {WHOLE("model.context", context, SEARCH | SHAPE, 1, 1048576, 64),
     .unit = "tokens",
     .meaning = "length of a sequence"},
    {WHOLE("model.vocabulary", vocabulary, SHAPE, 0, ESP_CORPUS_VOCABULARY_MAX, 0),
     .fallback_text = "0: that of the data, 256 for text",
     .unit = "tokens",
     .meaning = "number of different tokens"},
    {WORD(
         "model.activation", activation, SEARCH | SHAPE, activation_words, ESP_ACTIVATION_GELU),
     .meaning = "activation function of the MLP"},
    {WORD("objective", objective, SHAPE, objective_words, ESP_OBJECTIVE_CAUSAL),
     .meaning = "what is predicted: the next token (causal), or masked tokens as BERT does"},

    {WHOLE("tokens", tokens, REQUIRED, 1, WHOLE_MAX, 0),
     .unit = "tokens",
     .meaning = "length of a complete training, the horizon of every trial",
     .example = "2e7"},
    {WORD("schedule.type", schedule, SEARCH, schedule_words, ESP_SCHEDULE_COSINE),
     .meaning = "how the learning rate falls after the warm-up"},
    {REAL("schedule.warmup", warmup, SEARCH, 0, 1, 0.02),
     .unit = "share of all steps",
     .meaning = "the learning rate rises linearly from 0; below 1"},
    {REAL("schedule.decay", decay, SEARCH, 0, 1, 0.2),
     .unit = "share of the steps after the warm-up",
     .meaning = "wsd: the last part, in which the learning rate falls linearly to the floor"},
    {REAL("schedule.floor", floor, SEARCH, 0, 1, 0.1),
     .unit = "share of the peak learning rate",
     .meaning = "the lowest learning rate after the warm-up"},
    {WORD("optimizer", optimizer, SEARCH | SHAPE, optimizer_words, ESP_OPTIMIZER_ADAMW),
     .meaning = "the optimizer"},
    {WORD("precision", precision, SEARCH | SHAPE, precision_words, ESP_PRECISION_AUTO),
     .meaning = "number format of the matrix products; auto: what suits the device"},
    {WORD("recompute", recompute, SHAPE, recompute_words, ESP_RECOMPUTE_NONE),
     .meaning =
         "which activations are computed again in the backward pass to save memory: none, "
         "those of norms and GELU, or all within a block"},
    {WHOLE("micro_batch", micro_batch, 0, 0, 1048576, 0),
     .fallback_text = "0: chosen by the trainer",
     .unit = "sequences",
     .meaning = "sequences of one forward pass; batch_size is split into them"},
    {WHOLE("report_every", report_every, 0, 0, WHOLE_MAX, 0),
     .fallback_text = "0: a 25th of the horizon",
     .unit = "tokens",
     .meaning = "distance between two validation losses"},
    {REAL("checkpoint_seconds", checkpoint_seconds, 0, 0, 1e9, 30),
     .unit = "seconds",
     .meaning = "a trial saves at a report when its last checkpoint is older"},

    {REAL("learning_rate", learning_rate, SEARCH, 1e-12, 1000, 1e-3),
     .meaning = "the peak learning rate"},
    {WHOLE("batch_size", batch_size, SEARCH, 1, 1048576, 16),
     .unit = "sequences",
     .meaning = "sequences of one update"},
    {REAL("weight_decay", weight_decay, SEARCH, 0, 100, 0.1),
     .meaning =
         "weight decay of matrices and embeddings: decoupled with adamw, added to the gradient "
         "with sgd"},
    {REAL("beta1", beta1, SEARCH, 0, 0.9999999, 0.9),
     .meaning = "adamw: decay of the gradient's running mean"},
    {REAL("beta2", beta2, SEARCH, 0, 0.9999999, 0.95),
     .meaning = "adamw: decay of the squared gradient's running mean"},
    {REAL("epsilon", epsilon, SEARCH, 1e-20, 1, 1e-8),
     .meaning = "adamw: added to the denominator of an update"},
    {REAL("momentum", momentum, SEARCH, 0, 0.9999999, 0.9),
     .meaning = "sgd: decay of the velocity"},
    {REAL("clip", clip, SEARCH, 0, 1e6, 1.0),
     .meaning = "largest norm of the whole gradient; 0: it is not clipped"},
    {REAL("dropout", dropout, SEARCH, 0, 0.99, 0),
     .unit = "probability",
     .meaning = "share of activations that are set to 0 in training"},
    {WHOLE("seed", seed, SEARCH, 0, WHOLE_MAX, 0),
     .meaning = "seed of the initial weights, the order of the data and dropout"},
};

const size_t esp_trainer_field_count = sizeof esp_trainer_fields / sizeof esp_trainer_fields[0];
