/* Every setting of the built-in trainer, once: its name in the study file, its place, range and
 * default. The readers, the wire codec, the hashes and the check of searched parameters walk
 * this table, so a new setting is one row here and one member of struct esp_trainer.
 *
 * A setting may be searched unless trials would then no longer be comparable (data, tokens,
 * objective, vocabulary) or it decides no number of the training (reports, checkpoints,
 * memory). */
#include <espalier/trainer.h>

/* Integers are exact as doubles up to here; also the largest seed. */
#define WHOLE_MAX 9007199254740992.0

const char *const esp_schedule_words[] = {
    [ESP_SCHEDULE_COSINE] = "cosine",
    [ESP_SCHEDULE_LINEAR] = "linear",
    [ESP_SCHEDULE_WSD] = "wsd",
    [ESP_SCHEDULE_CONSTANT] = "constant",
    [ESP_SCHEDULE_INVERSE_SQRT] = "inverse-sqrt",
    NULL,
};

static const char *const activation_words[] = {"gelu", "gelu_tanh", NULL};
static const char *const objective_words[] = {"causal", "masked", NULL};
static const char *const optimizer_words[] = {"adamw", "sgd", NULL};
static const char *const precision_words[] = {"auto", "fp32", "tf32", "bf16", "fp16", NULL};
static const char *const recompute_words[] = {"none", "gelu-norm", "block", NULL};

#define AT(member) offsetof(struct esp_trainer, member)
#define PATH(name, member, flags, help)                                                        \
    {                                                                                          \
        name, ESP_FIELD_PATH, flags, AT(member), 0, 0, 0, NULL, help                           \
    }
#define WHOLE(name, member, flags, min, max, fallback, help)                                   \
    {                                                                                          \
        name, ESP_FIELD_INTEGER, flags, AT(member), min, max, fallback, NULL, help             \
    }
#define REAL(name, member, flags, min, max, fallback, help)                                    \
    {                                                                                          \
        name, ESP_FIELD_REAL, flags, AT(member), min, max, fallback, NULL, help                \
    }
#define WORD(name, member, flags, words, fallback, help)                                       \
    {                                                                                          \
        name, ESP_FIELD_ENUM, flags, AT(member), 0, 0, fallback, words, help                   \
    }

#define SEARCH ESP_FIELD_SEARCHABLE
#define SHAPE ESP_FIELD_SHAPE
#define REQUIRED ESP_FIELD_REQUIRED

const struct esp_field esp_trainer_fields[] = {
    PATH("data", data, REQUIRED, "a text file, a glob, or token shards"),
    PATH("init_from", init_from, 0, "weights to start from"),

    WHOLE("model.layers", layers, SEARCH | SHAPE, 1, 1024, 3, "transformer blocks"),
    WHOLE("model.width", width, SEARCH | SHAPE, 1, 65536, 96, "channels"),
    WHOLE("model.heads", heads, SEARCH | SHAPE, 1, 1024, 3, "attention heads"),
    WHOLE("model.context", context, SEARCH | SHAPE, 1, 1048576, 64, "tokens in a sequence"),
    WHOLE("model.vocabulary", vocabulary, SHAPE, 0, 16777216, 0, "0: from the data"),
    WORD("model.activation",
         activation,
         SEARCH | SHAPE,
         activation_words,
         ESP_ACTIVATION_GELU,
         "of the MLP"),
    WORD("objective",
         objective,
         SHAPE,
         objective_words,
         ESP_OBJECTIVE_CAUSAL,
         "the next token, or BERT's masked ones"),

    WHOLE("tokens", tokens, REQUIRED, 1, WHOLE_MAX, 0, "every trial's horizon"),
    WORD("schedule.type",
         schedule,
         SEARCH,
         esp_schedule_words,
         ESP_SCHEDULE_COSINE,
         "of the learning rate"),
    REAL("schedule.warmup", warmup, SEARCH, 0, 1, 0.02, "share of all steps, linear from 0"),
    REAL("schedule.decay", decay, SEARCH, 0, 1, 0.2, "wsd: share of the steps after warm-up"),
    REAL("schedule.floor", floor, SEARCH, 0, 1, 0.1, "share of the peak learning rate"),
    WORD("optimizer", optimizer, SEARCH | SHAPE, optimizer_words, ESP_OPTIMIZER_ADAMW, ""),
    WORD("precision", precision, SEARCH | SHAPE, precision_words, ESP_PRECISION_AUTO, ""),
    WORD("recompute",
         recompute,
         SHAPE,
         recompute_words,
         ESP_RECOMPUTE_NONE,
         "activations computed again instead of kept"),
    WHOLE("micro_batch", micro_batch, 0, 0, 1048576, 0, "sequences per forward pass; 0: auto"),
    WHOLE("report_every",
          report_every,
          0,
          0,
          WHOLE_MAX,
          0,
          "tokens between validation losses; 0: a 25th of the horizon"),
    REAL("checkpoint_seconds",
         checkpoint_seconds,
         0,
         0,
         1e9,
         30,
         "save at a report when the last save is older"),

    REAL("learning_rate", learning_rate, SEARCH, 1e-12, 1000, 1e-3, "peak"),
    WHOLE("batch_size", batch_size, SEARCH, 1, 1048576, 16, "sequences per update"),
    REAL("weight_decay", weight_decay, SEARCH, 0, 100, 0.1, "on matrices and embeddings"),
    REAL("beta1", beta1, SEARCH, 0, 0.9999999, 0.9, ""),
    REAL("beta2", beta2, SEARCH, 0, 0.9999999, 0.95, ""),
    REAL("epsilon", epsilon, SEARCH, 1e-20, 1, 1e-8, ""),
    REAL("momentum", momentum, SEARCH, 0, 0.9999999, 0.9, "sgd"),
    REAL("clip", clip, SEARCH, 0, 1e6, 1.0, "global gradient norm; 0: none"),
    REAL("dropout", dropout, SEARCH, 0, 0.99, 0, ""),
    WHOLE("seed", seed, SEARCH, 0, WHOLE_MAX, 0, "of the initial weights and the data order"),
};

const size_t esp_trainer_field_count = sizeof esp_trainer_fields / sizeof esp_trainer_fields[0];
